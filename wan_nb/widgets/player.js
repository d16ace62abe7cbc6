// Videos in step: one clock, frame by frame, any speed. Two ways in: anywidget calls `render`; a page without a kernel calls `createPlayer`.
// A clip: {key, label, width, height, fps, duration_s, has_audio, poster, ready, word, src?, short?, blind?}. `ask(index, key)` is called when the
// bytes of a clip are wanted; they come back through `give(index, bytes, key)`. Another key at the same place is another video. `short` is the
// label's first word; `blind` keeps the size unsaid.

const SPEEDS = [0.1, 0.25, 0.5, 1, 2];
const FAR_S = 0.2; // a video that is further off is not pulled: all are set anew
const NEAR_S = 0.0015; // closer than this is left alone: each change of rate costs the browser something
const BUTTONS = {
  play: ["M4 2l10 6-10 6z", "Play or pause (space)"],
  pause: ["M3 2h4v12H3zM9 2h4v12H9z"],
  back: ["M3 2h2v12H3zM14 2v12L6 8z", "One frame back (←)"],
  on: ["M2 2v12l8-6zM11 2h2v12h-2z", "One frame on (→)"],
  loop: ["M8 2a6 6 0 1 0 5.7 4h-2.1A4 4 0 1 1 8 4v3l5-4-5-3z", "Again from the start at the end (L)"],
  sound: ["M1 5h3l4-4v14l-4-4H1zM10 5.5l1.2-1.2a5 5 0 0 1 0 7.4L10 10.5a3.4 3.4 0 0 0 0-5zM12.4 3l1.2-1.2a8.6 8.6 0 0 1 0 12.4L12.4 13a7 7 0 0 0 0-10z", "Sound (M)"],
  mute: ["M1 5h3l4-4v14l-4-4H1zM10 6.1L11.1 5l4 4.9-1.2 1.1zM14 5l1.2 1.1-4.1 4.9L10 9.9z"],
  wipe: ["M1 2h6v12H1zM8.5 1h1v14h-1zM11 3h4v10h-4v-1h3V4h-3z", "Wipe: one over the other (W)"],
  full: ["M1 1h5v2H3v3H1zM10 1h5v5h-2V3h-3zM1 10h2v3h3v2H1zM13 10h2v5h-5v-2h3z", "Full screen (F)"],
}; // drawn, since not every machine has a font with these signs
const KEYS = {
  " ": "play", ArrowLeft: "back", ArrowRight: "on", ArrowUp: "faster", ArrowDown: "slower", Home: "first", End: "last",
  l: "loop", m: "sound", w: "wipe", f: "full",
};
const HELP = "space: play, pause · ← →: one frame · home, end · ↑ ↓: speed · L: loop · M: sound · 1 to 9: which one sounds · W: wipe · F: full screen";

const icon = (name) => `<svg viewBox="0 0 16 16" width="13" height="13" aria-hidden="true"><path fill="currentColor" d="${BUTTONS[name][0]}"/></svg>`;
const named = (title) => `title="${title}" aria-label="${title}"`;
const button = (name) => `<button class="${name}" ${named(BUTTONS[name][1])}>${icon(name)}</button>`;
const PLAYER = `
  <div class="stage"><input class="wiper" type="range" min="0" max="100" value="50" step="0.5"><div class="line"></div></div>
  <div class="said"></div>
  <div class="bar idle">
    ${button("play")}${button("back")}${button("on")}
    <input class="seek" type="range" min="0" max="1000" value="0" ${named("Position")}><span class="time"></span>
    <select class="speed" ${named("Speed (↑ ↓)")}>${SPEEDS.map((rate) => `<option value="${rate}">${rate}×</option>`).join("")}</select>
    ${button("loop")}${button("sound")}${button("wipe")}
    <select class="left" ${named("Wipe: left of the line")}></select><select class="right" ${named("Wipe: right of the line")}></select>
    ${button("full")}
  </div>`;
const FIGURE = `<div class="frame"><img class="poster" alt=""><video class="video" playsinline preload="auto"></video><div class="word"></div></div>
  <figcaption><span class="label"></span><span class="own"></span><button class="voice">${icon("sound")}</button></figcaption>`;

/** Fill an element, and return what is in it by class. */
function fill(root, html) {
  root.innerHTML = html;
  return Object.fromEntries([...root.querySelectorAll("[class]")].map((part) => [part.classList[0], part]));
}

function createPlayer(host, { ask = () => {}, height = 260 } = {}) {
  const { stage, wiper, said, bar, seek, time, speed, left, right, ...buttons } = fill(host, PLAYER);
  host.classList.add("wan", "wan-player");
  Object.assign(host, { tabIndex: 0, role: "group", ariaLabel: "Video player", title: HELP });
  host.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves our keys alone
  const wanted = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const state = { wanted, playing: false, visible: true, loop: true, muted: true, voice: -1, rate: 1, wipe: false, left: 0, right: 1 };
  let cells = [];
  let tick = 0; // the next animation frame, while playing
  let target = null; // the second that is to be shown next
  let moving = null; // a promise, while videos are being set
  let late = 0; // how often a video fell behind
  let told = 0; // when the time was last shown

  const ready = () => cells.filter(({ video }) => video.readyState >= 1 && !video.error);
  const length = ({ clip, video }) => Math.min(clip.duration_s || Infinity, video.duration); // of the pictures; a file's sound may be longer
  const frames = (cell) => Math.max(1, Math.round(length(cell) * cell.clip.fps));
  const frame_at = (cell, at) => Math.min(frames(cell) - 1, Math.floor(at * cell.clip.fps + 0.01));
  // the middle of a frame is surely that frame
  const middle = (cell, frame) => (Math.max(0, Math.min(frames(cell) - 1, frame)) + 0.5) / cell.clip.fps;
  const is_over = (cell, at) => cell.video.ended || at >= middle(cell, Infinity);
  // of videos that are equally long, the one that is heard leads, since the ear hears a change of speed; else a silent one, whose clock is the
  // steadier: a sound that the computer has no time for holds up its video
  const weight = (cell) => length(cell) + (cell.clip.has_audio ? (cell.video.muted ? 0 : 0.05) : 0.02);
  const master = () => ready().reduce((a, b) => (!a || weight(b) > weight(a) ? b : a), null);
  const now = (lead) => target ?? lead.video.currentTime;

  // --- the clock: the longest video; the others are pulled towards it by their rate, and where that does not do, all are set anew

  function follow() {
    const lead = master();
    if (!lead || !state.playing || moving) return;
    const at = lead.video.currentTime;
    if (lead.video.ended || at >= length(lead)) {
      late = 0;
      return state.loop ? go(0) : stop();
    }
    const running = ready().filter((cell) => !is_over(cell, at));
    const offs = running.map((cell) => cell.video.currentTime - at);
    if (offs.some((off) => Math.abs(off) > FAR_S * Math.max(1, state.rate))) {
      late += 1;
      return go(at);
    }
    running.forEach(({ video }, number) => {
      const off = offs[number] / Math.max(0.25, state.rate);
      const pull = Math.abs(off) < NEAR_S ? 0 : Math.max(-0.5, Math.min(0.5, 4 * off));
      const rate = Math.max(0.0625, state.rate * (1 - Math.round(pull * 100) / 100));
      if (video.playbackRate !== rate) video.playbackRate = rate;
      if (video.paused) play(video);
    });
    if (performance.now() - told > 80) show_time(lead); // at every frame it would cost the videos their time
    tick = requestAnimationFrame(follow);
  }

  /** Set all videos to the frame that shows at a second; the newest wish wins. If they are to play, they run together from there. */
  function go(seconds) {
    target = seconds;
    host.toggleAttribute("data-moving", true);
    moving ??= (async () => {
      for (const { video } of ready()) video.pause();
      while (target !== null) {
        const wanted = target;
        const lead = master();
        const at = lead ? middle(lead, frame_at(lead, wanted)) : 0;
        await Promise.all(ready().map((cell) => put(cell.video, Math.min(at, middle(cell, Infinity)))));
        if (target === wanted) target = null;
      }
      moving = null;
      host.toggleAttribute("data-moving", false);
      show();
      if (!state.playing) return;
      for (const cell of ready()) if (!is_over(cell, now(master()))) play(cell.video);
      cancelAnimationFrame(tick);
      tick = requestAnimationFrame(follow);
    })();
    show();
    return moving;
  }

  async function put(video, at) {
    if (!video.seeking && Math.abs(video.currentTime - at) < 1e-6) return;
    video.currentTime = at;
    while (video.seeking && !video.error) await new Promise(requestAnimationFrame);
  }

  function play(video) {
    video.play().catch((error) => error.name === "NotAllowedError" && stop()); // a page nobody has clicked in may only play muted
  }

  function start() {
    const lead = master();
    if (!lead || state.playing) return;
    state.wanted = state.playing = true;
    go(is_over(lead, now(lead)) ? 0 : now(lead));
  }

  /** Go on by itself once every video has come or never will, and somebody sees it. */
  function begin() {
    if (state.wanted && state.visible && !cells.some(({ clip, settled }) => clip.ready && !settled)) start();
  }

  function stop() {
    state.wanted = state.playing = false;
    scrub(now);
  }

  // --- what a user does

  const acts = {
    play: () => (state.playing ? stop() : start()),
    back: () => step(-1),
    on: () => step(1),
    first: () => scrub(() => 0),
    last: () => scrub(length),
    faster: () => set({ rate: SPEEDS[SPEEDS.indexOf(state.rate) + 1] ?? state.rate }),
    slower: () => set({ rate: SPEEDS[SPEEDS.indexOf(state.rate) - 1] ?? state.rate }),
    loop: () => set({ loop: !state.loop }),
    sound: () => set({ muted: !state.muted }),
    wipe: () => set({ wipe: !state.wipe }),
    full: () => (document.fullscreenElement ? document.exitFullscreen() : host.requestFullscreen?.()),
  };

  function set(changes) {
    Object.assign(state, changes);
    late = 0;
    show();
  }

  function step(by) {
    stop();
    scrub((lead) => middle(lead, frame_at(lead, now(lead)) + by));
  }

  function scrub(where) {
    const lead = master();
    if (lead) go(where(lead));
  }

  function listen_to(index) {
    if (cells[index]?.clip.has_audio) set({ muted: state.voice === index && !state.muted, voice: index });
  }

  host.addEventListener("keydown", (event) => {
    const { key, target: at } = event;
    const name = KEYS[key.length === 1 ? key.toLowerCase() : key];
    if ((!name && !cells[key - 1]) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (at.tagName === "BUTTON" && key === " ") return; // a focused button takes its own space
    if (at.tagName === "SELECT" || (at === wiper && key.length > 1)) return; // and these their own arrows
    event.preventDefault();
    event.stopPropagation();
    name ? acts[name]() : listen_to(key - 1);
  });
  bar.addEventListener("click", (event) => acts[event.target.closest("button")?.className]?.());
  speed.addEventListener("change", () => set({ rate: Number(speed.value) }));
  for (const select of [left, right]) {
    select.addEventListener("change", () => {
      const [one, other] = [Number(left.value), Number(right.value)];
      set(one === other ? { left: state.right, right: state.left } : { left: one, right: other }); // equal ones change places
    });
  }
  seek.addEventListener("input", () => {
    scrub((lead) => (seek.value / 1000) * length(lead));
    stop();
  });
  wiper.addEventListener("input", () => stage.style.setProperty("--at", `${wiper.value}%`));
  const eye = new IntersectionObserver(([seen]) => {
    state.visible = seen.isIntersecting; // videos that nobody sees do not play
    state.playing &&= state.visible;
    scrub(now);
    begin();
  });
  eye.observe(host);

  // --- what is seen and heard

  function show() {
    const lead = master();
    const sounding = cells.filter(({ clip }) => clip.has_audio);
    if (!sounding.includes(cells[state.voice])) state.voice = cells.indexOf(sounding[0]);
    cells.forEach(paint);
    arrange();
    bar.classList.toggle("idle", !lead);
    buttons.play.innerHTML = icon(state.playing ? "pause" : "play");
    buttons.sound.innerHTML = icon(state.muted ? "mute" : "sound");
    buttons.sound.disabled = !sounding.length;
    for (const [name, is_on] of [["loop", state.loop], ["sound", !state.muted], ["wipe", state.wipe]]) buttons[name].ariaPressed = is_on;
    speed.value = state.rate;
    said.textContent = remarks().join(" ");
    if (lead) show_time(lead);
  }

  function paint(cell) {
    const { clip, video, index } = cell;
    if (video.playbackRate !== state.rate) video.playbackRate = state.rate;
    video.muted = state.muted || index !== state.voice;
    video.preservesPitch = !video.muted; // costs time, and nobody hears it
    cell.poster.hidden = !clip.poster;
    cell.frame.classList.toggle("bare", !clip.poster);
    if (clip.poster && cell.poster.src !== clip.poster) cell.poster.src = clip.poster;
    cell.word.textContent = cell.why || (video.src ? "" : clip.word);
    const label = clip.label || "";
    const letter = label.startsWith(clip.short) ? clip.short : label;
    cell.label.replaceChildren(Object.assign(document.createElement("b"), { textContent: letter }), label.slice(letter.length));
    cell.label.title = label;
    const seconds = video.readyState >= 1 ? ` · ${length(cell).toFixed(1)} s` : "";
    cell.own.textContent = clip.ready && !clip.blind ? `${clip.width}×${clip.height}${seconds}` : ""; // a size may tell which one it is
    cell.voice.hidden = !clip.has_audio;
    cell.voice.ariaPressed = !state.muted && index === state.voice;
    cell.voice.title = cell.voice.ariaLabel = `Sound of ${label || "this one"} (${index + 1})`;
  }

  function remarks() {
    const there = ready().filter(({ clip }) => !clip.blind);
    const differ = (read) => new Set(there.map(read)).size > 1;
    return [
      late > 3 && `This computer cannot keep ${there.length} videos in step at ${state.rate}×: choose a lower speed.`,
      differ(({ clip }) => `${clip.width}×${clip.height}`) && "Sizes differ: all are shown at one height.",
      differ((cell) => length(cell).toFixed(1)) && "Lengths differ: the shorter ones hold their last frame.",
      differ(({ clip }) => Math.round(clip.fps)) && "Frame rates differ: steps are the longest one's frames.",
    ].filter(Boolean);
  }

  function show_time(lead) {
    told = performance.now();
    const at = now(lead);
    if (document.activeElement !== seek || state.playing) seek.value = (1000 * at) / (length(lead) || 1);
    seek.ariaValueText = `${at.toFixed(2)} s of ${length(lead).toFixed(2)} s`;
    time.textContent = `${at.toFixed(1)} / ${length(lead).toFixed(1)} s`;
    time.title = `frame ${frame_at(lead, at) + 1}`;
    for (const cell of ready()) {
      const is_held = length(cell) < length(lead) - 0.02 && is_over(cell, at);
      cell.word.textContent = is_held ? `over after ${length(cell).toFixed(1)} s: its last frame` : "";
    }
  }

  /** Find the places: boxes of one shape, or two over each other. */
  function arrange() {
    const count = cells.length;
    const is_wiping = state.wipe && count > 1;
    if (Math.max(state.left, state.right) >= count) Object.assign(state, { left: 0, right: 1 });
    const ratio = Math.max(...cells.map(({ clip }) => clip.width / clip.height));
    const most = ratio < 1 ? 5 : 3; // side by side; more of them stand in rows
    const columns = is_wiping ? 1 : count <= most ? count : Math.ceil(ratio < 1 ? count / 2 : Math.sqrt(count));
    const places = { columns, rows: is_wiping ? 1 : Math.ceil(count / columns), ratio, high: `${is_wiping ? Math.max(height, 400) : height}px` };
    for (const [name, value] of Object.entries(places)) stage.style.setProperty(`--${name}`, value);
    host.classList.toggle("many", count > 1);
    stage.classList.toggle("wiping", is_wiping);
    cells.forEach(({ figure }, index) => {
      figure.dataset.side = !is_wiping ? "" : index === state.left ? "left" : index === state.right ? "right" : "off";
    });
    left.hidden = right.hidden = !is_wiping;
    left.value = state.left;
    right.value = state.right;
    buttons.wipe.hidden = count < 2;
    wiper.title = wiper.ariaLabel = `Wipe between ${cells[state.left]?.clip.label} and ${cells[state.right]?.clip.label}`;
  }

  // --- one video

  function build(clip, index) {
    const figure = stage.insertBefore(document.createElement("figure"), stage.children[index]);
    const cell = { figure, ...fill(figure, FIGURE), clip, index, settled: false, asked: false, why: "", url: "" };
    const { video } = cell;
    video.addEventListener("loadeddata", () => settle(cell));
    video.addEventListener("error", () => settle(cell, `This browser cannot play it: ${video.error?.message || "format"}`));
    video.addEventListener("click", acts.play);
    video.addEventListener("dblclick", acts.full);
    cell.voice.addEventListener("click", () => listen_to(index));
    video.remove();
    return cell;
  }

  /** A video has come, or never will; all begin with the last one. */
  function settle(cell, why = "") {
    Object.assign(cell, { settled: true, why });
    if (!why) cell.frame.insertBefore(cell.video, cell.word); // over the poster, once there is a frame to show
    const lead = master();
    if (lead) go(now(lead)).then(begin);
    else show();
  }

  function drop(cell) {
    cell.video.removeAttribute("src");
    cell.video.load(); // lets its memory go
    URL.revokeObjectURL(cell.url);
    cell.figure.remove();
  }

  return {
    /** Show these clips; one that is there already keeps playing. */
    update(clips) {
      while (cells.length > clips.length) drop(cells.pop());
      clips.forEach((clip, index) => {
        if (cells[index] && cells[index].clip.key !== clip.key) drop(cells.splice(index, 1, null)[0]);
        const cell = (cells[index] ??= build(clip, index));
        cell.clip = clip;
        if (cell.asked || !clip.ready) return;
        cell.asked = true;
        if (clip.src) cell.video.src = clip.src;
        else ask(index, clip.key);
      });
      for (const select of [left, right])
        select.replaceChildren(...clips.map(({ short, label }, index) => new Option(short || label || `${index + 1}`, index)));
      show();
    },
    /** Take the bytes of a clip. */
    give(index, bytes, key = "") {
      const cell = cells[index];
      if (!cell || cell.url || (cell.clip.key || "") !== key) return; // another video has taken its place meanwhile
      cell.video.src = cell.url = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
    },
    /** Say why a clip cannot be shown. */
    refuse(index, why) {
      if (cells[index]) settle(cells[index], why);
    },
    /** Let everything go. */
    destroy() {
      eye.disconnect();
      state.playing = false;
      cells.forEach(drop);
      cells = [];
    },
  };
}

function render({ model, el }) {
  const player = createPlayer(el, { ask: (index, key) => model.send({ want: "bytes", index, key }), height: model.get("height") });
  const paint = () => player.update(model.get("clips"));
  const hear = ({ index, key, why }, [bytes]) => (bytes ? player.give(index, bytes, key) : player.refuse(index, why));
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

export default { render };
