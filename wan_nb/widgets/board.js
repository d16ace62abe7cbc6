// Many runs in one table: the live board, and the pages of the history. The kernel sends all rows once, then only those that changed;
// ages are counted here, and filters, order and sums are this page's own business.

const MARKUP = `
  <div class="tools"><input class="find" type="search"><select class="states"></select><select class="models"></select></div>
  <div class="sums"></div><div class="fault" role="alert"></div><div class="spoken" aria-live="polite"></div>
  <div class="scroll"><table class="runs"><thead><tr class="titles"></tr></thead><tbody class="lines"></tbody></table></div>
  <div class="none"></div>`;
const HEADS = [["word"], ["model", "tier", "seconds"], ["prompt"], ["at", "took"], ["size", "cost"]]; // by which keys each column sorts
const NAMES = { word: "state", seconds: "length", at: "when", took: "elapsed" };

function render({ model, el }) {
  const about = model.get("about");
  const isHistory = about.kind === "history";
  const rows = new Map(), lines = new Map(), posters = new Map();
  const sort = { key: "at", down: true };
  let skew = 0, asked = [], openId = "", starred = false, waiting = 0;
  el.classList.add("wan", "wan-board");
  el.dataset.kind = about.kind;
  const at = parts(el, MARKUP);
  at.find.placeholder = isHistory ? "Find in all runs: words of prompt, model, note, id" : "Find";
  at.runs.setAttribute("aria-label", about.label);

  // every button has a name: what it does, to the run of its row
  const button = (parent, name, look, text, title) => node(parent, "button", look, text, { name, title, "aria-label": title });
  const acts = {
    starred: () => { starred = !starred; star.setAttribute("aria-pressed", starred); star.textContent = starred ? "★" : "☆"; search(); },
    older: () => model.send({ page: "older" }),
    newest: () => model.send({ page: "newest" }),
    sort: (id, { dataset }) => { sort.down = sort.key === dataset.key ? !sort.down : dataset.key === "at"; sort.key = dataset.key; arrange(); },
    cancel: (id) => model.send({ cancel: id }),
    star: (id) => model.send({ star: id, on: !rows.get(id).star }),
    note: (id) => note(rows.get(id)),
    use: (id) => model.send({ use: id }),
    open: (id) => {
      openId = openId === id ? "" : id;
      for (const [each, tr] of lines) tr.classList.toggle("open", each === openId);
      model.send({ open: openId });
    },
  };
  el.addEventListener("click", ({ target }) => {
    const pressed = target.closest("button"), id = target.closest("tr")?.dataset.id;
    if (pressed) acts[pressed.name](id, pressed);
    else if (id && target.tagName !== "INPUT") acts.open(id);
  });

  const star = button(at.tools, "starred", "star", "☆", "Only runs with a star");
  const older = button(at.tools, "older", "", "Older", "The next page");
  button(at.tools, "newest", "", "Newest", "Back to the newest");
  for (const [select, all] of [[at.states, "All states"], [at.models, "All models"]]) {
    select.setAttribute("aria-label", all);
    node(select, "option", "", all, { value: "" });
    select.addEventListener("change", arrange);
  }
  at.find.setAttribute("aria-label", at.find.placeholder);
  at.find.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, isHistory ? 300 : 0); });
  at.find.addEventListener("keydown", (event) => event.stopPropagation());
  node(at.titles, "th", "", "", { "aria-label": "first frame" });
  for (const keys of HEADS) {
    const th = node(at.titles, "th");
    for (const key of keys) button(th, "sort", "", NAMES[key] ?? key, `Sort by ${NAMES[key] ?? key}`).dataset.key = key;
  }
  node(at.titles, "th", "", "", { "aria-label": "what can be done" });

  const took = (r) => r.took ?? (r.since ? Math.max(0, (Date.now() / 1000 - skew - r.since) * about.speed) : null);
  const value = (r) => (sort.key === "took" ? took(r) ?? -1 : sort.key === "size" ? parseInt(r.size) || 0 : r[sort.key] ?? "");

  function fill(r) {
    const tr = lines.get(r.id) ?? document.createElement("tr");
    const typing = tr.querySelector("input");
    lines.set(r.id, tr);
    tr.replaceChildren();
    Object.assign(tr.dataset, { id: r.id, tone: r.tone });
    const cell = (name, text, soft) => {
      const td = node(tr, "td", name);
      node(td, name === "word" ? "b" : "span", "", text);
      node(td, "div", "soft", soft);
      return td;
    };
    const picture = node(node(tr, "td", "poster"), "img", "", "", { alt: "" });
    if (posters.has(r.id)) picture.src = posters.get(r.id);
    else if (r.poster) eye.observe(picture);
    const word = cell("word", r.word, r.bytes || r.code);
    word.prepend(node(word, "span", "dot"));
    if (r.cancel) button(word, "cancel", "cancel", "Cancel", `Call run ${r.id} back`);
    cell("what", r.model, `${r.tier} · ${r.seconds} s${r.take > 1 ? ` · take ${r.take}` : ""}`);
    const said = node(tr, "td", "prompt");
    button(said, "open", "open", r.prompt || "(no prompt)", `Show run ${r.id}: ${r.word}. ${r.prompt || ""}`);
    if (typing) said.append(typing);
    else if (r.note) node(said, "div", "soft", `✎ ${r.note}`);
    cell("time", r.when).lastChild.classList.add("age");
    cell("result", r.size, r.cost && `${r.cost} ${r.currency}`);
    const tools = node(tr, "td", "acts");
    button(tools, "star", "star", r.star ? "★" : "☆", `Star of run ${r.id}`).setAttribute("aria-pressed", !!r.star);
    button(tools, "note", "", "✎", `Note on run ${r.id}`);
    button(tools, "use", "", "Form", `Use run ${r.id} in the form`);
  }

  function note(r) {
    const cell = lines.get(r.id).querySelector(".prompt");
    const box = cell.querySelector("input") ?? node(cell, "input", "", "", { placeholder: "Note, then Enter", maxlength: 500, "aria-label": `Note on run ${r.id}` });
    box.value = r.note ?? "";
    box.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Enter") model.send({ note: r.id, text: box.value });
      if (event.key === "Enter" || event.key === "Escape") { box.remove(); take([rows.get(r.id)]); }
    };
    box.focus();
  }

  const search = () => (isHistory ? model.send({ find: at.find.value, starred }) : arrange());

  function arrange() {
    const words = at.find.value.toLowerCase().split(/\s+/);
    const found = (r) => words.every((word) => [r.prompt, r.model, r.note, r.id, r.code].join(" ").toLowerCase().includes(word));
    const fits = (r) => (!at.states.value || r.word === at.states.value) && (!at.models.value || r.model === at.models.value) && (!starred || r.star) && found(r);
    const compare = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
    const list = [...rows.values()].filter((r) => isHistory || fits(r)).sort((a, b) => (sort.down ? compare(b, a) : compare(a, b)));
    const wanted = list.map((r) => lines.get(r.id));
    if (wanted.length !== at.lines.children.length || wanted.some((tr, n) => at.lines.children[n] !== tr)) at.lines.replaceChildren(...wanted);
    for (const each of at.titles.querySelectorAll("button")) each.dataset.sort = each.dataset.key === sort.key ? (sort.down ? "down" : "up") : "";
    for (const th of at.titles.children) th.ariaSort = th.querySelector("[data-sort=down]") ? "descending" : th.querySelector("[data-sort=up]") ? "ascending" : "none";
    at.none.textContent = list.length ? "" : rows.size ? "No run fits the filter." : "No runs.";
    at.sums.textContent = sums(list);
    tick();
  }

  function sums(list) {
    const counts = {}, money = {};
    let seconds = 0, unknown = 0;
    for (const r of list) {
      counts[r.word] = (counts[r.word] || 0) + 1;
      if (r.size) seconds += r.seconds;
      if (r.cost !== undefined) money[r.currency] = (money[r.currency] || 0) + Number(r.cost);
      else if (r.counts) unknown += 1;
    }
    const spent = Object.entries(money).map(([currency, amount]) => `${amount.toFixed(2)} ${currency}`).join(" + ");
    const paid = `${spent ? `about ${spent}` : "nothing spent"}${unknown ? `, ${unknown} without a known price` : ""}`;
    const words = [`${list.length} run${list.length === 1 ? "" : "s"}${isHistory ? " on this page" : ""}`, Object.entries(counts).map(([word, count]) => `${count} ${word}`).join(", ")];
    return [...words, `${seconds} s of video`, about.free ? `simulated: free, times ${about.speed}× faster` : paid].filter(Boolean).join(" · ");
  }

  function tick() {
    if (el.classList.contains("is-gone")) return;
    for (const r of rows.values()) {
      const age = took(r);
      lines.get(r.id).querySelector(".age").textContent = age === null ? "" : span(age);
    }
  }

  const eye = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) if (isIntersecting) { asked.push(target.closest("tr").dataset.id); eye.unobserve(target); }
    if (asked.length) model.send({ posters: asked.splice(0) });
  });

  function take(list) {
    for (const r of list) { rows.set(r.id, r); fill(r); }
    for (const [select, key] of [[at.states, "word"], [at.models, "model"]]) {
      const there = new Set([...select.options].map((each) => each.value));
      for (const name of new Set([...rows.values()].map((r) => r[key]))) if (!there.has(name)) node(select, "option", "", name, { value: name });
    }
    arrange();
  }

  function hear(message, buffers) {
    if (message.now) skew = Date.now() / 1000 - message.now;
    if (message.rows) { rows.clear(); take(message.rows); }
    if (message.delta) {
      const news = message.delta.filter((r) => rows.get(r.id)?.word !== r.word);
      take(message.delta);
      at.spoken.textContent = news.slice(0, 3).map((r) => `Run ${r.id}: ${r.word}.`).join(" ");
    }
    if (message.page) older.disabled = !message.page.more;
    if (message.fault !== undefined) at.fault.textContent = message.fault;
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
