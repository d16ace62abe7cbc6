// The request as code, in a fold: it asks for the text when it is opened, so that nothing is sent for a closed one.

function render({ model, el }) {
  el.classList.add("wan", "wan-code");
  const texts = model.get("titles").map((title, number) => {
    const fold = node(el, "details");
    node(fold, "summary", "", title);
    const copy = node(fold, "button", "", "Copy", { "aria-label": `Copy ${title}` });
    const text = node(fold, "pre", "", "", { tabindex: 0, "aria-label": title });
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
  const hear = (message) => (texts[message.number].textContent = message.text);
  model.on("msg:custom", hear);
  return () => model.off("msg:custom", hear);
}

export default { render };
