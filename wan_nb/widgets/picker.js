// Brings a file of the user's machine to the kernel in pieces: Jupyter drops one large message without a word (10 MiB by default).

const PIECE = 1 << 20;

function render({ model, el }) {
  el.classList.add("wan", "wan-picker");
  const button = node(el, "button");
  const input = node(el, "input", "", "", { type: "file", hidden: "", accept: model.get("accept") });
  let file = null;
  let job = 0;

  const idle = (problem) => {
    file = null;
    button.disabled = false;
    button.textContent = "Choose…";
    button.title = "Choose a file, or drop one here";
    button.setAttribute("aria-label", `Choose a file: ${model.get("label")}`);
    if (problem !== undefined) model.send({ problem });
  };

  function take(chosen) {
    if (!chosen) return;
    const megabytes = (chosen.size / 2 ** 20).toFixed(1);
    if (chosen.size === 0) return idle(`'${chosen.name}' is empty (0 bytes); choose another file or export it again.`);
    if (chosen.size > model.get("limit")) {
      const most = (model.get("limit") / 2 ** 20).toFixed(0);
      return idle(`'${chosen.name}' has ${megabytes} MB; ${most} MB can be uploaded here. Type its path instead.`);
    }
    file = chosen;
    job += 1;
    button.disabled = true;
    piece(0);
  }

  async function piece(at) {
    const mine = job;
    button.textContent = `${Math.floor((100 * at) / file.size)} %`;
    button.removeAttribute("aria-label");
    try {
      const bytes = await file.slice(at, at + PIECE).arrayBuffer();
      if (mine === job) model.send({ name: file.name, size: file.size, at, job }, undefined, [bytes]);
    } catch (error) {
      idle(`'${file.name}' could not be read: ${error.message}. Choose it again.`);
    }
  }

  const hear = (message) => {
    if (!file || message.job !== job) return;
    if (message.got < file.size) piece(message.got);
    else idle();
  };
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take(input.files[0]);
    input.value = "";
  });
  const over = (event) => {
    event.preventDefault();
    event.stopPropagation();
    el.classList.toggle("over", event.type === "dragover");
    if (event.type === "drop") take(event.dataTransfer.files[0]);
  };
  const gone = new AbortController();
  requestAnimationFrame(() => {
    const zone = el.closest(".wan-slot") || el; // only now is there anything around it
    for (const kind of ["dragover", "dragleave", "drop"]) zone.addEventListener(kind, over, { signal: gone.signal });
  });
  idle();
  model.on("msg:custom", hear);
  return () => {
    gone.abort();
    model.off("msg:custom", hear);
  };
}

export default { render };
