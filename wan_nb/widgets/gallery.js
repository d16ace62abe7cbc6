// Small pictures to choose from. Their bytes come by message when somebody looks, so that none stays in the notebook.

function render({ model, el }) {
  el.classList.add("wan", "wan-gallery");
  const say = document.createElement("div");
  say.className = "wan-note";
  const box = document.createElement("div");
  box.className = "pictures";
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", model.get("label"));
  el.append(say, box);
  say.textContent = model.get("label");
  const buttons = model.get("names").map((name, number) => {
    const button = document.createElement("button");
    button.title = name;
    button.setAttribute("aria-label", name);
    button.tabIndex = number ? -1 : 0; // one stop of the Tab key; arrows go on from it
    button.append(document.createElement("img"));
    button.firstChild.alt = "";
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
    box.append(button);
    return button;
  });
  const addresses = [];
  const hear = (message, buffers) => {
    const address = URL.createObjectURL(new Blob([buffers[0]], { type: "image/jpeg" }));
    addresses.push(address);
    buttons[message.number].firstChild.src = address;
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
    addresses.forEach((address) => URL.revokeObjectURL(address));
  };
}

export default { render };
