// The request as code, in a fold: it asks for the text when it is opened, so that nothing is sent for a closed one.

function render({ model, el }) {
  el.classList.add("wan", "wan-code");
  const folds = model.get("titles").map((title, number) => {
    const fold = document.createElement("details");
    const head = document.createElement("summary");
    const text = document.createElement("pre");
    const copy = document.createElement("button");
    head.textContent = title;
    copy.textContent = "Copy";
    copy.setAttribute("aria-label", `Copy ${title}`);
    text.tabIndex = 0;
    text.setAttribute("aria-label", title);
    fold.append(head, copy, text);
    el.append(fold);
    fold.addEventListener("toggle", () => model.send({ open: fold.open, number }));
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
      } catch {
        getSelection().selectAllChildren(text); // no clipboard on a plain http address: it is marked, and the old way tried
        document.execCommand("copy");
      }
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    });
    return text;
  });
  const hear = (message) => (folds[message.number].textContent = message.text);
  model.on("msg:custom", hear);
  return () => model.off("msg:custom", hear);
}

export default { render };
