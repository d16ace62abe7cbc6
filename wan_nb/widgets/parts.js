// What live views share; put before each of them, since there is no build step.

function node(parent, tag, name, text, attributes) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  for (const [key, value] of Object.entries(attributes ?? {})) made.setAttribute(key, value);
  return parent.appendChild(made);
}

function parts(el, markup) {
  // Fills an element with markup that holds nothing from outside; returns what has a class name in it, by that name.
  el.innerHTML = markup;
  return Object.fromEntries([...el.querySelectorAll("[class]")].map((each) => [each.className, each]));
}

function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

function connect(model, el, hear) {
  // Greets the kernel, which answers with its time; once the kernel is gone, the view says so and does not look alive any more.
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys alone that are meant for a button here
  const line = node(el, "div", "gone", "", { role: "status" });
  const gone = () => {
    el.classList.add("is-gone");
    line.textContent = "Not connected any more: this is how it stood. session.runs() shows how it stands.";
    for (const each of el.querySelectorAll("button, input, select")) each.disabled = true;
  };
  model.on("msg:custom", hear);
  model.on("comm_live_update", gone);
  model.send({ hello: true });
  return () => {
    model.off("msg:custom", hear);
    model.off("comm_live_update", gone);
  };
}

