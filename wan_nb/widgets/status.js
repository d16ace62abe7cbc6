// How one run goes. The kernel sends a row only when something changes; age and countdown are counted here, so nothing ticks there.

function render({ model, el }) {
  el.classList.add("wan", "wan-status");
  const row = node(el, "div", "row");
  node(row, "span", "dot");
  const word = node(row, "span", "word");
  word.setAttribute("role", "status"); // a screen reader says each new word, when it has said the last
  word.setAttribute("aria-live", "polite");
  const age = node(row, "span", "age");
  const cancel = node(row, "span", "cancel");
  const track = node(el, "div", "track");
  track.setAttribute("aria-hidden", "true");
  const band = node(track, "div", "band");
  const needle = node(track, "div", "needle");
  const usual = node(el, "div", "usual");
  const what = node(el, "div", "what");
  const said = node(el, "div", "said");
  const diff = node(el, "div", "diff");
  const result = node(el, "div", "result"); // takes its height from the start, so that nothing below moves
  const fault = node(result, "div", "fault");
  fault.setAttribute("role", "alert");
  const advice = node(result, "div", "advice");
  const presses = node(result, "div", "presses");
  const facts = node(result, "dl");
  const life = node(result, "div", "life");
  let skew = 0; // browser's clock minus kernel's, in seconds
  let shown = ""; // the diff that is on the page: a fold that the reader opened stays open
  let offered = "";

  function count() {
    if (el.classList.contains("is-gone")) return;
    const r = model.get("row");
    const now = Date.now() / 1000 - skew;
    let elapsed = r.took_s;
    if (elapsed === null && r.since !== null) elapsed = Math.max(0, (now - r.since) * r.speed);
    age.textContent = r.bytes || (elapsed === null || r.since === null ? "" : span(elapsed));
    const end = Math.max(r.p90_s * 1.4, (elapsed || 0) * 1.08, 1); // the track grows with a late run: it has no end to reach
    band.style.left = `${(100 * r.median_s) / end}%`;
    band.style.width = `${(100 * (r.p90_s - r.median_s)) / end}%`;
    needle.style.left = `${(100 * (elapsed || 0)) / end}%`;
    needle.style.display = elapsed === null || r.since === null ? "none" : "";
    const left = r.until - now;
    life.textContent = r.life && left > 0 ? r.life.replace("{}", span(left)) : "";
    life.classList.toggle("pressing", r.phase !== "saved");
  }

  function button(where, each) {
    const made = node(where, "button", "", each.text);
    made.title = each.note;
    made.addEventListener("click", () => {
      for (const other of el.querySelectorAll("button")) other.disabled = true; // each press counts once
      model.send({ press: each.do, what: each.what });
    });
  }

  function offer(list) {
    if (JSON.stringify(list) === offered && !el.querySelector("button:disabled")) return;
    offered = JSON.stringify(list);
    cancel.replaceChildren();
    presses.replaceChildren();
    for (const each of list) {
      if (each.do === "cancel") button(cancel, each);
      else {
        const line = node(presses, "div", "press");
        button(line, each);
        node(line, "span", "note", each.note);
      }
    }
  }

  function paint() {
    const r = model.get("row");
    el.dataset.tone = r.tone;
    el.dataset.phase = r.phase;
    if (word.textContent !== r.word) word.textContent = r.word;
    usual.textContent = r.usual;
    usual.title = r.source;
    what.textContent = r.what;
    said.textContent = r.prompt;
    said.title = r.prompt;
    if (shown !== r.diff) diff.innerHTML = shown = r.diff; // made and escaped by the kernel's own code
    facts.replaceChildren();
    for (const [name, text] of r.facts) {
      node(facts, "dt", "", name);
      node(facts, "dd", "", text);
    }
    if (fault.textContent !== r.fault) fault.textContent = r.fault;
    advice.textContent = r.advice;
    offer(r.presses);
    count();
  }

  const end = connect(model, el, (message) => {
    skew = Date.now() / 1000 - message.now;
    count();
  });
  model.on("change:row", paint);
  paint();
  const timer = setInterval(count, model.get("row").speed > 1 ? 250 : 1000);
  return () => {
    clearInterval(timer);
    model.off("change:row", paint);
    end();
  };
}

export default { render };
