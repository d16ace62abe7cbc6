// How one run goes. The kernel sends a row only when something changes; the age is counted here, so nothing ticks in the kernel.

function node(parent, tag, name) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  return parent.appendChild(made);
}

function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

function render({ model, el }) {
  el.classList.add("wan", "wan-status");
  const row = node(el, "div", "row");
  node(row, "span", "dot");
  const word = node(row, "span", "word");
  const age = node(row, "span", "age");
  const cancel = node(row, "button");
  cancel.textContent = "Cancel";
  const track = node(el, "div", "track");
  const band = node(track, "div", "band");
  const needle = node(track, "div", "needle");
  const usual = node(el, "div", "usual");
  const what = node(el, "div", "what");
  const said = node(el, "div", "said");
  const result = node(el, "div", "result"); // takes its height from the start, so that nothing below moves
  const fault = node(result, "div", "fault");
  const advice = node(result, "div", "advice");
  const facts = node(result, "dl");
  let skew = 0; // browser's clock minus kernel's, in seconds

  function count() {
    const r = model.get("row");
    let elapsed = r.took_s;
    if (elapsed === null && r.since !== null) elapsed = Math.max(0, (Date.now() / 1000 - skew - r.since) * r.speed);
    age.textContent = elapsed === null ? "" : span(elapsed);
    const end = Math.max(r.p90_s * 1.4, (elapsed || 0) * 1.08, 1); // the track grows with a late run: it has no end to reach
    band.style.left = `${(100 * r.median_s) / end}%`;
    band.style.width = `${(100 * (r.p90_s - r.median_s)) / end}%`;
    needle.style.left = `${(100 * (elapsed || 0)) / end}%`;
    needle.style.display = elapsed === null ? "none" : "";
  }

  function paint() {
    const r = model.get("row");
    el.dataset.tone = r.tone;
    el.dataset.phase = r.phase;
    word.textContent = r.word;
    cancel.style.display = r.can_cancel ? "" : "none";
    cancel.disabled = false;
    usual.textContent = r.usual;
    usual.title = r.source;
    what.textContent = r.what;
    said.textContent = r.prompt;
    said.title = r.prompt;
    facts.replaceChildren();
    for (const [name, text] of r.facts) {
      node(facts, "dt").textContent = name;
      node(facts, "dd").textContent = text;
    }
    fault.textContent = r.fault;
    advice.textContent = r.advice;
    count();
  }

  const hear = (message) => {
    if (message.now !== undefined) skew = Date.now() / 1000 - message.now;
    count();
  };
  cancel.addEventListener("click", () => {
    cancel.disabled = true;
    model.send({ cancel: true });
  });
  model.on("change:row", paint);
  model.on("msg:custom", hear);
  model.send({ hello: true });
  paint();
  const timer = setInterval(() => model.get("row").took_s === null && count(), model.get("row").speed > 1 ? 250 : 1000);
  return () => {
    clearInterval(timer);
    model.off("change:row", paint);
    model.off("msg:custom", hear);
  };
}

export default { render };
