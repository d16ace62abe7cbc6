// How one run goes. The kernel sends a row only when something changes; age and countdown are counted here, so nothing ticks there.

// a screen reader says each new word, when it has said the last; the result takes its height from the start, so that nothing below moves
const MARKUP = `
  <div class="row"><span class="dot"></span><span class="word" role="status" aria-live="polite"></span><span class="age"></span><span class="cancel"></span></div>
  <div class="track" aria-hidden="true"><div class="band"></div><div class="needle"></div></div>
  <div class="usual"></div><div class="what"></div><div class="said"></div><div class="diff"></div>
  <div class="result">
    <div class="fault" role="alert"></div><div class="advice"></div><div class="presses"></div><dl class="facts"></dl><div class="life"></div>
  </div>`;

function render({ model, el }) {
  el.classList.add("wan", "wan-status");
  const at = parts(el, MARKUP);
  let skew = 0; // browser's clock minus kernel's, in seconds
  let shown = ""; // the diff that is on the page: a fold that the reader opened stays open
  let offered = "";

  function count() {
    if (el.classList.contains("is-gone")) return;
    const r = model.get("row");
    const now = Date.now() / 1000 - skew;
    const elapsed = r.since === null ? null : r.took_s ?? Math.max(0, (now - r.since) * r.speed);
    at.age.textContent = r.bytes || (elapsed === null ? "" : span(elapsed));
    const end = Math.max(r.p90_s * 1.4, elapsed * 1.08, 1); // the track grows with a late run: it has no end to reach
    at.band.style.left = `${(100 * r.median_s) / end}%`;
    at.band.style.width = `${(100 * (r.p90_s - r.median_s)) / end}%`;
    at.needle.style.left = `${(100 * elapsed) / end}%`;
    at.needle.style.display = elapsed === null ? "none" : "";
    const left = r.until - now;
    at.life.textContent = left > 0 ? r.life.replace("{}", span(left)) : "";
    at.life.classList.toggle("pressing", r.phase !== "saved");
  }

  function offer(list) {
    if (JSON.stringify(list) === offered && !el.querySelector("button:disabled")) return;
    offered = JSON.stringify(list);
    at.cancel.replaceChildren();
    at.presses.replaceChildren();
    for (const each of list) {
      const line = each.do === "cancel" ? at.cancel : node(at.presses, "div", "press");
      node(line, "button", "", each.text, { title: each.note }).addEventListener("click", () => {
        for (const other of el.querySelectorAll("button")) other.disabled = true; // each press counts once
        model.send({ press: each.do, what: each.what });
      });
      if (each.do !== "cancel") node(line, "span", "note", each.note);
    }
  }

  function paint() {
    const r = model.get("row");
    el.dataset.tone = r.tone;
    el.dataset.phase = r.phase;
    const texts = { word: r.word, usual: r.usual, what: r.what, said: r.prompt, fault: r.fault, advice: r.advice };
    for (const [name, text] of Object.entries(texts)) if (at[name].textContent !== text) at[name].textContent = text;
    at.usual.title = r.source;
    at.said.title = r.prompt;
    if (shown !== r.diff) at.diff.innerHTML = shown = r.diff; // made and escaped by the kernel's own code
    at.facts.replaceChildren();
    for (const [name, text] of r.facts) {
      node(at.facts, "dt", "", name);
      node(at.facts, "dd", "", text);
    }
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
