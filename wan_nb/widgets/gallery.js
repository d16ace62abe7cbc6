// Small pictures to choose from. Their bytes come by message when somebody looks, so that none stays in the notebook.

function render({ model, el }) {
  el.classList.add("wan", "wan-gallery");
  const label = model.get("label");
  node(el, "div", "wan-note", label);
  const box = node(el, "div", "pictures", "", { role: "group", "aria-label": label });
  const buttons = model.get("names").map((name, number) => {
    // one stop of the Tab key; arrows go on from it
    const button = node(box, "button", "", "", { title: name, "aria-label": name, tabindex: number ? -1 : 0 });
    node(button, "img", "", "", { alt: "" });
    button.addEventListener("click", () => model.send({ choose: number }));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const next = buttons[(number + step + buttons.length) % buttons.length];
      button.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
    return button;
  });
  const hear = (message, buffers) => {
    const picture = buttons[message.number].firstChild;
    picture.onload = () => URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(new Blob([buffers[0]], { type: "image/jpeg" }));
  };
  const mark = () =>
    buttons.forEach((button, number) => button.setAttribute("aria-pressed", String(number === model.get("chosen"))));
  mark();
  model.on("msg:custom", hear);
  model.on("change:chosen", mark);
  model.send({ hello: true });
  return () => {
    model.off("msg:custom", hear);
    model.off("change:chosen", mark);
  };
}

export default { render };
