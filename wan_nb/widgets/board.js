// Many runs in one table: the live board, and the pages of the history. The kernel sends all rows once, then only those that changed;
// ages are counted here, and filters, order and sums are this page's own business.

const HEADS = [["state", ["word"]], ["model", ["model", "tier", "seconds"]], ["prompt", ["prompt"]], ["time", ["at", "took"]], ["result", ["size", "cost"]]];
const NAMES = { word: "state", seconds: "length", at: "when", took: "elapsed" };

function render({ model, el }) {
  const about = model.get("about");
  const rows = new Map(), lines = new Map(), posters = new Map();
  const sort = { key: "at", down: true };
  let skew = 0, asked = [], openId = "";
  el.classList.add("wan", "wan-board");
  el.dataset.kind = about.kind;

  const tools = node(el, "div", "tools");
  const find = node(tools, "input");
  Object.assign(find, { type: "search", placeholder: about.kind === "board" ? "Find" : "Find in all runs: words of prompt, model, note, id" });
  find.setAttribute("aria-label", find.placeholder);
  const state = choice("All states"), kind = choice("All models");
  const star = node(tools, "button", "star", "☆");
  press(star, "Only runs with a star", () => { star.setAttribute("aria-pressed", star.textContent === "☆"); star.textContent = star.textContent === "☆" ? "★" : "☆"; search(); });
  const older = node(tools, "button", "", "Older"), newer = node(tools, "button", "", "Newest");
  press(older, "The next page", () => model.send({ page: "older" }));
  press(newer, "Back to the newest", () => model.send({ page: "newest" }));
  const sums = node(el, "div", "sums"), fault = node(el, "div", "fault"), spoken = node(el, "div", "spoken");
  fault.setAttribute("role", "alert");
  spoken.setAttribute("aria-live", "polite");
  const table = node(node(el, "div", "scroll"), "table");
  table.setAttribute("aria-label", about.label);
  const head = node(node(table, "thead"), "tr"), body = node(table, "tbody"), none = node(el, "div", "none");
  node(head, "th").setAttribute("aria-label", "first frame");
  for (const [title, keys] of HEADS) {
    const th = node(head, "th", title);
    for (const key of keys) press(node(th, "button", "", NAMES[key] || key), `Sort by ${NAMES[key] || key}`, () => { sort.down = sort.key === key ? !sort.down : key === "at"; sort.key = key; arrange(); }).dataset.key = key;
  }
  node(head, "th").setAttribute("aria-label", "what can be done");

  function press(button, title, act) {
    button.title = title;
    button.setAttribute("aria-label", title);
    button.addEventListener("click", (event) => { event.stopPropagation(); act(); });
    return button;
  }
  function choice(all) {
    const made = node(tools, "select");
    made.setAttribute("aria-label", all);
    node(made, "option", "", all).value = "";
    made.addEventListener("change", arrange);
    return made;
  }
  function offer(select, values) {
    const there = [...select.options].map((each) => each.value);
    for (const value of values) if (!there.includes(value)) node(select, "option", "", value).value = value;
  }
  const took = (r) => r.took ?? (r.since ? Math.max(0, (Date.now() / 1000 - skew - r.since) * about.speed) : null);
  const value = (r) => (sort.key === "took" ? took(r) ?? -1 : sort.key === "size" ? parseInt(r.size) || 0 : r[sort.key] ?? "");

  function fill(r) {
    let tr = lines.get(r.id);
    if (!tr) {
      lines.set(r.id, (tr = document.createElement("tr")));
      tr.addEventListener("click", () => show(r.id));
    }
    const typing = tr.querySelector("input");
    tr.replaceChildren();
    tr.dataset.tone = r.tone;
    tr.classList.toggle("open", r.id === openId);
    const picture = node(node(tr, "td", "poster"), "img");
    picture.alt = "";
    if (posters.has(r.id)) picture.src = posters.get(r.id);
    else if (r.poster) { picture.dataset.id = r.id; eye.observe(picture); }
    const word = node(tr, "td", "word");
    node(word, "span", "dot");
    node(word, "b", "", r.word);
    node(word, "div", "soft", r.bytes || r.code || "");
    if (r.cancel) press(node(word, "button", "cancel", "Cancel"), `Call run ${r.id} back`, () => model.send({ cancel: r.id }));
    const what = node(tr, "td", "what");
    node(what, "span", "", r.model);
    node(what, "div", "soft", `${r.tier} · ${r.seconds} s${r.take > 1 ? ` · take ${r.take}` : ""}`);
    const said = node(tr, "td", "prompt");
    press(node(said, "button", "open", r.prompt || "(no prompt)"), `Show run ${r.id}: ${r.word}. ${r.prompt || ""}`, () => show(r.id));
    if (typing) said.append(typing);
    else if (r.note) node(said, "div", "soft", `✎ ${r.note}`);
    const time = node(tr, "td", "time");
    node(time, "span", "", r.when);
    node(time, "div", "soft age");
    const result = node(tr, "td", "result");
    node(result, "span", "", r.size || "");
    node(result, "div", "soft", r.cost === undefined ? "" : `${r.cost} ${r.currency}`);
    const acts = node(tr, "td", "acts");
    press(node(acts, "button", "star", r.star ? "★" : "☆"), `Star of run ${r.id}`, () => model.send({ star: r.id, on: !r.star })).setAttribute("aria-pressed", !!r.star);
    press(node(acts, "button", "", "✎"), `Note on run ${r.id}`, () => note(r, said));
    press(node(acts, "button", "", "Form"), `Use run ${r.id} in the form`, () => model.send({ use: r.id }));
  }
  function note(r, cell) {
    const box = cell.querySelector("input") || node(cell, "input");
    Object.assign(box, { value: r.note || "", placeholder: "Note, then Enter", maxLength: 500 });
    box.setAttribute("aria-label", `Note on run ${r.id}`);
    box.onclick = (event) => event.stopPropagation();
    box.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Enter") model.send({ note: r.id, text: box.value });
      if (event.key === "Enter" || event.key === "Escape") { box.remove(); fill(rows.get(r.id)); tick(); }
    };
    box.focus();
  }
  function show(id) {
    const old = openId;
    openId = old === id ? "" : id;
    for (const each of [old, id]) lines.get(each)?.classList.toggle("open", each === openId);
    model.send({ open: openId });
  }
  const search = () => (about.kind === "history" ? model.send({ find: find.value, starred: star.textContent === "★" }) : arrange());
  let waiting = 0;
  find.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, about.kind === "history" ? 300 : 0); });
  find.addEventListener("keydown", (event) => event.stopPropagation());

  function arrange() {
    const words = about.kind === "history" ? [] : find.value.toLowerCase().split(/\s+/);
    const fits = (r) => (!state.value || r.word === state.value) && (!kind.value || r.model === kind.value) && (about.kind === "history" || star.textContent === "☆" || r.star) &&
      words.every((word) => `${r.prompt} ${r.model} ${r.note || ""} ${r.id} ${r.code || ""}`.toLowerCase().includes(word));
    const compare = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
    const list = [...rows.values()].filter(fits).sort((a, b) => (sort.down ? -compare(a, b) : compare(a, b)));
    const wanted = list.map((r) => lines.get(r.id));
    if (wanted.length !== body.children.length || wanted.some((tr, n) => body.children[n] !== tr)) body.replaceChildren(...wanted);
    for (const button of head.querySelectorAll("button")) button.dataset.sort = button.dataset.key === sort.key ? (sort.down ? "down" : "up") : "";
    for (const th of head.children) th.ariaSort = th.querySelector("[data-sort=down]") ? "descending" : th.querySelector("[data-sort=up]") ? "ascending" : "none";
    none.textContent = list.length ? "" : rows.size ? "No run fits the filter." : "No runs.";
    sum(list);
    tick();
  }
  function sum(list) {
    const counts = {}, money = {};
    let seconds = 0, unknown = 0;
    for (const r of list) {
      counts[r.word] = (counts[r.word] || 0) + 1;
      if (r.size) seconds += r.seconds;
      if (r.cost !== undefined) money[r.currency] = (money[r.currency] || 0) + Number(r.cost);
      else if (r.counts) unknown += 1;
    }
    const spent = Object.entries(money).map(([currency, amount]) => `${amount.toFixed(2)} ${currency}`).join(" + ");
    const words = [`${list.length} run${list.length === 1 ? "" : "s"}${about.kind === "history" ? " on this page" : ""}`, Object.entries(counts).map(([word, count]) => `${count} ${word}`).join(", "), `${seconds} s of video`];
    words.push(about.free ? `simulated: free, times ${about.speed}× faster` : `${spent ? `about ${spent}` : "nothing spent"}${unknown ? `, ${unknown} without a known price` : ""}`);
    sums.textContent = words.filter(Boolean).join(" · ");
  }
  function tick() {
    if (el.classList.contains("is-gone")) return;
    for (const r of rows.values()) {
      const age = took(r), cell = lines.get(r.id)?.querySelector(".age");
      if (cell) cell.textContent = age === null ? "" : span(age);
    }
  }
  const eye = new IntersectionObserver((seen) => {
    for (const each of seen) if (each.isIntersecting) { asked.push(each.target.dataset.id); eye.unobserve(each.target); }
    if (asked.length) model.send({ posters: asked.splice(0) });
  });
  function take(list) {
    for (const r of list) { rows.set(r.id, r); fill(r); }
    offer(state, new Set([...rows.values()].map((r) => r.word)));
    offer(kind, new Set([...rows.values()].map((r) => r.model)));
    arrange();
  }
  function hear(message, buffers) {
    if (message.now) skew = Date.now() / 1000 - message.now;
    if (message.rows) { rows.clear(); take(message.rows); }
    if (message.delta) {
      const news = message.delta.filter((r) => rows.get(r.id)?.word !== r.word);
      take(message.delta);
      spoken.textContent = news.slice(0, 3).map((r) => `Run ${r.id}: ${r.word}.`).join(" ");
    }
    if (message.page) older.disabled = !message.page.more;
    if (message.fault !== undefined) fault.textContent = message.fault;
    if (message.poster) {
      posters.set(message.poster, URL.createObjectURL(new Blob([buffers[0]], { type: "image/jpeg" })));
      const picture = lines.get(message.poster)?.querySelector("img");
      if (picture) picture.src = posters.get(message.poster);
    }
  }
  take(model.get("rows"));
  const end = connect(model, el, hear);
  const timer = setInterval(tick, about.speed > 1 ? 500 : 1000);
  return () => {
    end();
    clearInterval(timer);
    eye.disconnect();
    for (const url of posters.values()) URL.revokeObjectURL(url);
  };
}

export default { render };
