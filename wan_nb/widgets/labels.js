// What ipywidgets leaves out for those who do not see the form: names of button groups and sliders, which button is pressed,
// and which line of text belongs to which field. It looks again whenever the form changes.

let count = 0;
const set = (node, name, value) => node.getAttribute(name) === value || node.setAttribute(name, value);

function name(form) {
  for (const group of form.querySelectorAll(".widget-toggle-buttons")) {
    set(group, "role", "group");
    set(group, "aria-label", group.querySelector(".widget-label")?.textContent ?? "");
    for (const button of group.querySelectorAll("button")) set(button, "aria-pressed", String(button.matches(".mod-active")));
  }
  for (const fold of form.querySelectorAll(".wan-fold")) set(fold, "aria-expanded", String(fold.matches(".mod-active")));
  for (const handle of form.querySelectorAll(".noUi-handle")) {
    const slider = handle.closest(".widget-slider, .jupyter-widgets");
    set(handle, "aria-label", slider.querySelector(".widget-label")?.textContent ?? "");
    set(handle, "aria-valuetext", slider.querySelector(".widget-readout")?.textContent ?? "");
  }
  for (const field of form.querySelectorAll(".wan-slot, .wan-field")) {
    const said = field.querySelector(":scope > .wan-said");
    if (!said) continue;
    said.id ||= `wan-said-${++count}`;
    set(said, "aria-live", "polite");
    for (const control of field.querySelectorAll("input:not([type=file]), textarea, select")) {
      set(control, "aria-describedby", said.id);
      set(control, "aria-invalid", String(!!said.querySelector(".refused")));
    }
  }
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
