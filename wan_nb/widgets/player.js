// Videos in step: one clock, frame by frame, any speed. Two ways in: anywidget calls `render`; a page without a kernel calls `createPlayer`
// with clips whose `src` is there already. Nothing is fetched from anywhere.
//
// A clip: {key, label, width, height, fps, duration_s, has_audio, poster, ready, word, src?, short?, blind?}. `ask(index, key)` is called when the bytes of a clip are
// wanted; they come back through `give(index, bytes, key)`. Another key at the same place is another video. `short` is the label's
// first word; `blind` keeps the size unsaid.

const SPEEDS = [0.1, 0.25, 0.5, 1, 2];
const FAR_S = 0.2; // a video that is further off is not pulled: all are set anew
const NEAR_S = 0.0015; // closer than this is left alone: each change of rate costs the browser something
const GAP = 8; // pixels between videos
const CAPTION = 26; // pixels of a line under a video
const ICONS = {
  play: "M4 2l10 6-10 6z",
  pause: "M3 2h4v12H3zM9 2h4v12H9z",
  back: "M3 2h2v12H3zM14 2v12L6 8z",
  on: "M2 2v12l8-6zM11 2h2v12h-2z",
  loop: "M8 2a6 6 0 1 0 5.7 4h-2.1A4 4 0 1 1 8 4v3l5-4-5-3z",
  sound: "M1 5h3l4-4v14l-4-4H1zM10 5.5l1.2-1.2a5 5 0 0 1 0 7.4L10 10.5a3.4 3.4 0 0 0 0-5zM12.4 3l1.2-1.2a8.6 8.6 0 0 1 0 12.4L12.4 13a7 7 0 0 0 0-10z",
  mute: "M1 5h3l4-4v14l-4-4H1zM10 6.1L11.1 5l4 4.9-1.2 1.1zM14 5l1.2 1.1-4.1 4.9L10 9.9z",
  wipe: "M1 2h6v12H1zM8.5 1h1v14h-1zM11 3h4v10h-4v-1h3V4h-3z",
  full: "M1 1h5v2H3v3H1zM10 1h5v5h-2V3h-3zM1 10h2v3h3v2H1zM13 10h2v5h-5v-2h3z",
}; // drawn, since not every machine has a font with these signs
const KEYS =
  "space: play or pause · ← →: one frame · home, end · ↑ ↓: speed · L: loop · M: sound · 1 to 9: which one sounds · W: wipe · F: full screen";

function createPlayer(host, { ask = () => {}, height = 260 } = {}) {
  host.classList.add("wan", "wan-player");
  host.tabIndex = 0;
  host.title = KEYS;
  host.setAttribute("role", "group");
  host.setAttribute("aria-label", "Video player");
  host.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves our keys alone
  const add = (parent, tag, name, text) => {
    const made = parent.appendChild(document.createElement(tag));
    if (name) made.className = name;
    if (text) made.textContent = text;
    return made;
  };
  const draw = (where, icon) => {
    where.innerHTML = `<svg viewBox="0 0 16 16" width="13" height="13" aria-hidden="true"><path fill="currentColor" d="${ICONS[icon]}"/></svg>`;
  };
  const name_it = (made, title) => {
    made.title = title;
    made.setAttribute("aria-label", title);
    return made;
  };
  const stage = add(host, "div", "stage");
  const wiper = name_it(add(stage, "input", "wiper"), "Wipe");
  const line = add(stage, "div", "line");
  const said = add(host, "div", "said");
  const bar = add(host, "div", "bar idle");
  const button = (icon, title, act) => {
    const made = name_it(add(bar, "button"), title);
    draw(made, icon);
    made.addEventListener("click", act);
    return made;
  };
  const chooser = (title, act) => {
    const made = name_it(add(bar, "select"), title);
    made.addEventListener("change", () => act(Number(made.value)));
    return made;
  };
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const state = { playing: false, wanted: !calm, visible: true, loop: true, muted: true, voice: -1, rate: 1, wipe: false, left: 0, right: 1 };
  let cells = [];
  let tick = 0; // the next animation frame, while playing
  let target = null; // the second that is to be shown next
  let moving = null; // a promise, while videos are being set
  let late = []; // when videos fell behind
  let told = 0; // when the time was last shown

  const play = button("play", "Play or pause (space)", () => toggle());
  button("back", "One frame back (←)", () => step(-1));
  button("on", "One frame on (→)", () => step(1));
  const seek = name_it(add(bar, "input"), "Position");
  Object.assign(seek, { type: "range", min: 0, max: 1000, value: 0, step: 1 });
  const time = add(bar, "span", "time");
  const speed = chooser("Speed (↑ ↓)", (value) => set("rate", value));
  for (const rate of SPEEDS) add(speed, "option", "", `${rate}×`).value = rate;
  const loop = button("loop", "Again from the start at the end (L)", () => set("loop", !state.loop));
  const sound = button("mute", "Sound (M)", () => set("muted", !state.muted));
  const wipe = button("wipe", "Wipe: one over the other (W)", () => set("wipe", !state.wipe));
  const left = chooser("Wipe: left of the line", (value) => choose("left", "right", value));
  const right = chooser("Wipe: right of the line", (value) => choose("right", "left", value));
  button("full", "Full screen (F)", () => full());
  Object.assign(wiper, { type: "range", min: 0, max: 100, value: 50, step: 0.5 });

  const ready = () => cells.filter((cell) => cell.video && cell.video.readyState >= 1 && !cell.video.error);
  const length = ({ clip, video }) => Math.min(clip.duration_s || Infinity, video.duration); // of the pictures; a file's sound may be longer
  // of videos that are equally long, the one that is heard leads, since the ear hears a change of speed; else a silent one, whose clock is the
  // steadier: a sound that the computer has no time for holds up its video
  const weight = (cell) => length(cell) + (cell.clip.has_audio ? (cell.video.muted ? 0 : 0.05) : 0.02);
  const master = () => ready().reduce((a, b) => (!a || weight(b) > weight(a) ? b : a), null);
  const last = (cell) => (Math.max(1, Math.round(length(cell) * cell.clip.fps)) - 0.5) / cell.clip.fps; // middle of its last frame
  const is_over = (cell, at) => cell.video.ended || at >= last(cell);
  const full = () => (document.fullscreenElement ? document.exitFullscreen() : host.requestFullscreen?.());
  const frame_at = (lead, at) => Math.min(Math.round(length(lead) * lead.clip.fps) - 1, Math.floor(at * lead.clip.fps + 0.01));

  function show() {
    const lead = master();
    bar.classList.toggle("idle", !lead);
    draw(play, state.playing ? "pause" : "play");
    draw(sound, state.muted ? "mute" : "sound");
    speed.value = state.rate;
    loop.setAttribute("aria-pressed", state.loop);
    sound.setAttribute("aria-pressed", !state.muted);
    sound.disabled = !cells.some((cell) => cell.clip.has_audio);
    for (const cell of cells) cell.voice.setAttribute("aria-pressed", !state.muted && cell.index === state.voice);
    show_time(lead);
  }

  function show_time(lead) {
    told = performance.now();
    if (!lead) return;
    const at = target ?? lead.video.currentTime;
    if (document.activeElement !== seek || state.playing) seek.value = (1000 * at) / (length(lead) || 1);
    seek.setAttribute("aria-valuetext", `${at.toFixed(2)} s of ${length(lead).toFixed(2)} s`);
    time.textContent = `${at.toFixed(1)} / ${length(lead).toFixed(1)} s`;
    time.title = `frame ${frame_at(lead, at) + 1}`;
    for (const cell of ready()) {
      const held = cell !== lead && length(cell) < length(lead) - 0.02 && at > last(cell);
      cell.word.textContent = held ? `over after ${length(cell).toFixed(1)} s: its last frame` : "";
    }
  }

  // --- the clock: the longest video; the others are pulled towards it by their rate, and where that does not do, all are set anew

  function follow() {
    const lead = master();
    if (!lead || !state.playing) return;
    if (lead.video.currentTime >= length(lead)) return ended(lead);
    tick = requestAnimationFrame(follow);
    const running = ready().filter((cell) => !is_over(cell, lead.video.currentTime));
    if (moving) return;
    const offs = running.map((cell) => cell.video.currentTime - lead.video.currentTime);
    if (offs.some((off) => Math.abs(off) > FAR_S * Math.max(1, state.rate))) return catch_up(lead.video.currentTime);
    running.forEach((cell, number) => {
      const off = offs[number] / Math.max(0.25, state.rate);
      const pull = Math.abs(off) < NEAR_S ? 0 : Math.max(-0.5, Math.min(0.5, 4 * off));
      const rate = Math.max(0.0625, state.rate * (1 - Math.round(pull * 100) / 100));
      if (cell.video.playbackRate !== rate) cell.video.playbackRate = rate;
      if (cell.video.paused) cell.video.play().catch(() => {});
    });
    if (performance.now() - told > 80) show_time(lead); // at every frame it would cost the videos their time
  }

  /** All are set anew since one fell behind; where that goes on, this computer is too slow, and it is said. */
  function catch_up(at) {
    const now = performance.now();
    late = [...late.filter((when) => now - when < 6000), now];
    if (late.length > 3) tell(`This computer cannot keep ${ready().length} videos in step at ${state.rate}×: choose a lower speed.`);
    together(at);
  }

  /** Set all videos to one frame, and let them run from there together. */
  async function together(at) {
    for (const { video } of ready()) video.pause();
    await go(at);
    if (!state.playing) return;
    for (const cell of ready()) {
      cell.video.playbackRate = state.rate;
      // a page nobody has clicked in may only play muted
      if (!is_over(cell, at)) cell.video.play().catch((error) => error.name === "NotAllowedError" && stop());
    }
    cancelAnimationFrame(tick);
    tick = requestAnimationFrame(follow);
  }

  function start() {
    const lead = master();
    if (!lead || state.playing) return;
    state.playing = true;
    apply();
    const at = target ?? lead.video.currentTime;
    together(is_over(lead, at) ? 0 : at);
  }

  function stop() {
    state.playing = false;
    cancelAnimationFrame(tick);
    for (const { video } of ready()) video.pause();
    const lead = master();
    if (lead) go(target ?? lead.video.currentTime);
    show();
  }

  function toggle() {
    state.wanted = !state.playing;
    if (state.playing) stop();
    else start();
  }

  /** Set all videos to the middle of the frame that shows at a second, and wait until they are there; the newest wish wins. */
  function go(seconds) {
    target = seconds;
    moving ??= (async () => {
      while (target !== null) {
        const wanted = target;
        const lead = master();
        const at = lead ? (Math.max(0, frame_at(lead, wanted)) + 0.5) / lead.clip.fps : 0; // the middle of a frame is surely that frame
        await Promise.all(ready().map((cell) => put(cell.video, Math.min(at, last(cell)))));
        if (target === wanted) target = null;
      }
      moving = null;
      show();
    })();
    show();
    return moving;
  }

  function put(video, at) {
    if (!video.seeking && Math.abs(video.currentTime - at) < 1e-6) return null;
    return new Promise((done) => {
      const check = () => {
        if (video.seeking && !video.error) return;
        for (const name of ["seeked", "error", "emptied"]) video.removeEventListener(name, check);
        done();
      };
      for (const name of ["seeked", "error", "emptied"]) video.addEventListener(name, check);
      video.currentTime = at;
    });
  }

  function step(by) {
    const lead = master();
    if (!lead) return;
    state.wanted = false;
    if (state.playing) stop();
    go((Math.max(0, frame_at(lead, target ?? lead.video.currentTime) + by) + 0.5) / lead.clip.fps);
  }

  function ended(cell) {
    if (cell !== master() || !state.playing) return;
    if (state.loop) return void together(0);
    state.wanted = false;
    stop();
  }

  // --- what a user sets

  function faster(by) {
    set("rate", SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, SPEEDS.indexOf(state.rate) + by))]);
  }

  function set(name, value) {
    state[name] = value;
    if (name === "wipe") arrange();
    if (name === "rate") tell();
    apply();
    show();
  }

  function choose(side, other, value) {
    if (state[other] === value) state[other] = state[side]; // the two change places
    set(side, value);
    arrange();
  }

  function listen_to(index) {
    if (!cells[index]?.clip.has_audio) return;
    state.muted = state.voice === index && !state.muted;
    set("voice", index);
  }

  function apply() {
    const heard = cells[state.voice]?.clip.has_audio ? state.voice : cells.findIndex((cell) => cell.clip.has_audio);
    state.voice = heard;
    for (const cell of ready()) {
      if (cell.video.playbackRate !== state.rate) cell.video.playbackRate = state.rate;
      cell.video.muted = state.muted || cell.index !== heard;
      cell.video.preservesPitch = !cell.video.muted; // costs time, and nobody hears it
    }
  }

  // --- places: one height for all, as large as the width allows

  function arrange() {
    const count = cells.length;
    if (!count || !stage.clientWidth) return;
    const ratios = cells.map(({ clip }) => clip.width / clip.height);
    const is_full = document.fullscreenElement === host;
    const is_wiping = state.wipe && count > 1;
    if (Math.max(state.left, state.right) >= count) Object.assign(state, { left: 0, right: 1 });
    const tall = ratios.every((ratio) => ratio < 1);
    const columns = is_wiping ? 1 : tall ? (count < 6 ? count : Math.ceil(count / 2)) : count < 4 ? count : Math.ceil(Math.sqrt(count));
    const rows = is_wiping ? [[ratios[state.left]]] : [];
    for (let k = 0; k < count && !is_wiping; k += columns) rows.push(ratios.slice(k, k + columns));
    const fits = rows.map((row) => (stage.clientWidth - GAP * (row.length - 1)) / row.reduce((a, b) => a + b));
    const cap = is_full ? (host.clientHeight - 90) / rows.length - CAPTION - GAP : is_wiping ? Math.max(height, 400) : height;
    const high = Math.min(cap, ...fits);
    cells.forEach((cell, index) => {
      const ratio = is_wiping ? ratios[state.left] : ratios[index];
      const wide = count === 1 && !is_full ? Math.min(400, height * ratio) : Math.floor(high * ratio * 10) / 10;
      cell.frame.style.width = `${wide}px`;
      cell.frame.style.aspectRatio = `${ratio}`;
      cell.figure.dataset.side = !is_wiping ? "" : index === state.left ? "left" : index === state.right ? "right" : "off";
      cell.figure.style.width = count > 1 ? `${wide}px` : "";
    });
    stage.classList.toggle("wiping", is_wiping);
    host.classList.toggle("many", count > 1);
    wiper.style.width = line.style.width = is_wiping ? cells[state.left].frame.style.width : "";
    wiper.style.height = line.style.height = `${high}px`;
    stage.style.setProperty("--columns", columns);
    name_it(wiper, `Wipe between ${cells[state.left]?.clip.label} and ${cells[state.right]?.clip.label}`);
    for (const [select, value] of [[left, state.left], [right, state.right]]) {
      select.replaceChildren(...cells.map(({ clip }, index) => new Option(clip.short || clip.label || `${index + 1}`, index)));
      select.value = value;
      select.hidden = !is_wiping;
    }
    wipe.setAttribute("aria-pressed", is_wiping);
    draw_line();
  }

  function draw_line() {
    stage.style.setProperty("--at", `${wiper.value}%`);
    wiper.setAttribute("aria-valuetext", `${Math.round(wiper.value)} percent left`);
  }

  function tell(trouble) {
    const there = ready().filter(({ clip }) => !clip.blind);
    const differ = (read) => new Set(there.map(read)).size > 1;
    const words = trouble ? [trouble] : [];
    if (differ(({ clip }) => `${clip.width}×${clip.height}`)) words.push("Sizes differ: all are shown at one height.");
    if (differ((cell) => length(cell).toFixed(1))) words.push("Lengths differ: the shorter ones hold their last frame.");
    if (differ(({ clip }) => Math.round(clip.fps))) words.push("Frame rates differ: steps are the longest one's frames.");
    said.textContent = words.join(" ");
  }

  // --- one video

  function build(clip, index) {
    const figure = stage.insertBefore(document.createElement("figure"), stage.children[index] || null);
    const frame = add(figure, "div", "frame");
    const poster = add(frame, "img", "poster");
    poster.alt = "";
    const word = add(frame, "div", "word");
    const caption = add(figure, "figcaption");
    const label = add(caption, "span", "label");
    const own = add(caption, "span", "own");
    const voice = add(caption, "button", "voice");
    draw(voice, "sound");
    voice.addEventListener("click", () => listen_to(index));
    return { figure, frame, poster, word, label, own, voice, clip, index, video: null, url: null };
  }

  function paint(cell, clip) {
    cell.clip = clip;
    cell.poster.style.display = clip.poster ? "" : "none";
    cell.frame.classList.toggle("bare", !clip.poster);
    if (clip.poster && cell.poster.src !== clip.poster) cell.poster.src = clip.poster;
    if (!cell.video) cell.word.textContent = clip.word || "";
    const label = clip.label || "";
    const letter = clip.short && label.startsWith(clip.short) ? clip.short : label;
    cell.label.replaceChildren(Object.assign(document.createElement("b"), { textContent: letter }), label.slice(letter.length));
    cell.label.title = clip.label || "";
    name_size(cell);
    cell.voice.hidden = !clip.has_audio;
    name_it(cell.voice, `Sound of ${clip.label || "this one"} (${cell.index + 1})`);
    if (clip.src && !cell.video) show_video(cell, clip.src);
    else if (clip.ready && !cell.video && !cell.asked) {
      cell.asked = true;
      ask(cell.index, clip.key);
    }
  }

  function name_size(cell) {
    const { clip, video } = cell;
    const words = clip.ready && !clip.blind ? [`${clip.width}×${clip.height}`] : []; // a size may tell which one it is
    if (words.length && video?.readyState >= 1) words.push(`${length(cell).toFixed(1)} s`);
    cell.own.textContent = words.join(" · ");
  }

  function show_video(cell, src) {
    const video = document.createElement("video");
    Object.assign(video, { muted: true, playsInline: true, preload: "auto", src });
    video.addEventListener("loadeddata", () => {
      cell.frame.insertBefore(video, cell.word); // over the poster, once there is a frame to show
      name_size(cell);
      settle(cell);
    });
    video.addEventListener("error", () => {
      cell.word.textContent = `This browser cannot play it: ${video.error?.message || "format"}`;
      settle(cell);
    });
    video.addEventListener("ended", () => ended(cell));
    video.addEventListener("click", () => toggle());
    video.addEventListener("dblclick", () => full());
    cell.video = video;
  }

  /** A video has come, or never will; all begin with the last one. */
  function settle(cell) {
    cell.settled = true;
    tell();
    apply();
    show();
    const lead = master();
    if (lead && state.playing) together(lead.video.currentTime);
    else if (lead) go(target ?? lead.video.currentTime).then(begin);
  }

  function begin() {
    if (state.wanted && state.visible && !cells.some(({ clip, settled }) => clip.ready && !settled)) start();
  }

  function drop(cell) {
    cell.video?.pause();
    cell.video?.removeAttribute("src");
    cell.video?.load(); // lets its memory go
    if (cell.url) URL.revokeObjectURL(cell.url);
    cell.figure.remove();
  }

  const onkey = (event) => {
    const keys = { " ": toggle, ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => faster(1), ArrowDown: () => faster(-1) };
    Object.assign(keys, { Home: () => go(0), End: () => master() && go(length(master())), l: () => set("loop", !state.loop), f: full });
    Object.assign(keys, { m: () => set("muted", !state.muted), w: () => set("wipe", !state.wipe) });
    for (let k = 1; k <= cells.length; k++) keys[k] = () => listen_to(k - 1);
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.tagName === "BUTTON" && event.key === " ") return; // a focused button takes its own space
    if (event.target.tagName === "SELECT" || (event.target === wiper && event.key.length > 1)) return; // and these their own arrows
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  host.addEventListener("keydown", onkey);
  seek.addEventListener("input", () => {
    const lead = master();
    if (!lead) return;
    if (state.playing) stop();
    go((seek.value / 1000) * length(lead));
  });
  wiper.addEventListener("input", draw_line);
  const eye = new IntersectionObserver(([seen]) => {
    state.visible = seen.isIntersecting; // videos that nobody sees do not play
    if (!state.visible && state.playing) stop();
    else if (state.wanted) begin();
  });
  eye.observe(host);
  const ruler = new ResizeObserver(arrange);
  ruler.observe(stage);

  return {
    /** Show these clips; one that is there already keeps playing. */
    update(clips) {
      while (cells.length > clips.length) drop(cells.pop());
      clips.forEach((clip, index) => {
        const cell = cells[index];
        const is_reshaped = cell && !cell.video && cell.clip.width * clip.height !== clip.width * cell.clip.height;
        if (is_reshaped || (cell && cell.clip.key !== clip.key)) {
          drop(cell);
          cells[index] = null;
        }
        cells[index] = cells[index] || build(clip, index);
        paint(cells[index], clip);
      });
      wipe.hidden = left.hidden = right.hidden = cells.length < 2;
      arrange();
      show();
    },
    /** Take the bytes of a clip. */
    give(index, bytes, key = "") {
      const cell = cells[index];
      if (!cell || cell.video || (cell.clip.key || "") !== key) return; // another video has taken its place meanwhile
      cell.url = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
      show_video(cell, cell.url);
    },
    /** Say why a clip cannot be shown. */
    refuse(index, why) {
      if (cells[index]) cells[index].word.textContent = why;
    },
    /** Let everything go. */
    destroy() {
      eye.disconnect();
      ruler.disconnect();
      cancelAnimationFrame(tick);
      state.playing = false;
      cells.forEach(drop);
      cells = [];
    },
  };
}

function render({ model, el }) {
  const player = createPlayer(el, { ask: (index, key) => model.send({ want: "bytes", index, key }), height: model.get("height") });
  const paint = () => player.update(model.get("clips"));
  const hear = (message, buffers) => {
    if (message.have === "bytes") player.give(message.index, buffers[0], message.key);
    else if (message.have === "nothing") player.refuse(message.index, message.why);
  };
  // the keys of the view around it, wherever in it the focus is
  const press = (event) => {
    const around = el.closest(".wan-keys");
    const name = model.get("hotkeys")[event.key.toLowerCase()];
    if (!name || !around?.contains(event.target) || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("select, textarea, input:not([type=range])")) return;
    event.preventDefault();
    event.stopPropagation();
    model.send({ press: name });
  };
  const quiet = requestAnimationFrame(() => el.closest(".wan-keys")?.setAttribute("data-lm-suppress-shortcuts", "true"));
  document.addEventListener("keydown", press, true);
  model.on("change:clips", paint);
  model.on("msg:custom", hear);
  paint();
  return () => {
    cancelAnimationFrame(quiet);
    document.removeEventListener("keydown", press, true);
    model.off("change:clips", paint);
    model.off("msg:custom", hear);
    player.destroy();
  };
}

export { createPlayer };
export default { render };
