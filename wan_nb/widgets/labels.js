// What ipywidgets leaves out for those who do not see the form: names of button groups and sliders, which button is pressed,
// and which line of text belongs to which field. It looks again whenever the form changes.

let count = 0;

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function name(form) {
  const each = (selector, act) => form.querySelectorAll(selector).forEach(act);
  const text = (node, selector) => node.querySelector(selector)?.textContent ?? "";
  each(".widget-toggle-buttons", (group) => set(group, { role: "group", "aria-label": text(group, ".widget-label") }));
  each(".widget-toggle-buttons button", (button) => set(button, { "aria-pressed": button.matches(".mod-active") }));
  each(".wan-fold", (fold) => set(fold, { "aria-expanded": fold.matches(".mod-active") }));
  each(".noUi-handle", (handle) => {
    const slider = handle.closest(".widget-slider, .jupyter-widgets");
    set(handle, { "aria-label": text(slider, ".widget-label"), "aria-valuetext": text(slider, ".widget-readout") });
  });
  each(".wan-said", (said) => {
    said.id ||= `wan-said-${++count}`;
    set(said, { "aria-live": "polite" });
    const told = { "aria-describedby": said.id, "aria-invalid": !!said.querySelector(".refused") };
    for (const control of said.parentElement.querySelectorAll("input:not([type=file]), textarea, select")) set(control, told);
  });
}

function render({ el }) {
  let watch = null;
  const begin = requestAnimationFrame(() => {
    const form = el.closest(".wan-form");
    if (!form) return;
    const elsewhere = ({ target }) => (target.closest ? target : target.parentElement)?.closest(".wan-below");
    watch = new MutationObserver((changes) => changes.every(elsewhere) || name(form)); // a playing video is no change
    watch.observe(form, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
    name(form);
  });
  return () => {
    cancelAnimationFrame(begin);
    watch?.disconnect();
  };
}

export default { render };
