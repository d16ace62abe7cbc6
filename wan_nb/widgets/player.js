// Videos in step: one clock, frame by frame, any speed. Two ways in: anywidget calls `render`; a page without a kernel calls `createPlayer`
// with clips whose `src` is there already. Nothing is fetched from anywhere.
//
// A clip: {label, width, height, fps, poster, ready, word, src?}. `ask(index)` is called when the bytes of a clip are wanted;
// they come back through `give(index, bytes)`.

const SPEEDS = [0.1, 0.25, 0.5, 1, 2];
const ICONS = {
  play: "M4 2l10 6-10 6z",
  pause: "M3 2h4v12H3zM9 2h4v12H9z",
  back: "M3 2h2v12H3zM14 2v12L6 8z",
  on: "M2 2v12l8-6zM11 2h2v12h-2z",
  loop: "M8 2a6 6 0 1 0 5.7 4h-2.1A4 4 0 1 1 8 4v3l5-4-5-3z",
  sound: "M1 5h3l4-4v14l-4-4H1zM10 5.5l1.2-1.2a5 5 0 0 1 0 7.4L10 10.5a3.4 3.4 0 0 0 0-5zM12.4 3l1.2-1.2a8.6 8.6 0 0 1 0 12.4L12.4 13a7 7 0 0 0 0-10z",
  mute: "M1 5h3l4-4v14l-4-4H1zM10 6.1L11.1 5l4 4.9-1.2 1.1zM14 5l1.2 1.1-4.1 4.9L10 9.9z",
  full: "M1 1h5v2H3v3H1zM10 1h5v5h-2V3h-3zM1 10h2v3h3v2H1zM13 10h2v5h-5v-2h3z",
}; // drawn, since not every machine has a font with these signs
const KEYS = "space: play or pause · ← →: one frame · home: start · ↑ ↓: speed · L: loop · M: sound · F: full screen";

function createPlayer(host, { ask = () => {}, height = 260 } = {}) {
  host.classList.add("wan", "wan-player");
  host.tabIndex = 0;
  host.title = KEYS;
  host.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves our keys alone
  const add = (parent, tag, name, text) => {
    const made = parent.appendChild(document.createElement(tag));
    if (name) made.className = name;
    if (text) made.textContent = text;
    return made;
  };
  const stage = add(host, "div", "stage");
  const bar = add(host, "div", "bar idle");
  const draw = (where, icon) => {
    where.innerHTML = `<svg viewBox="0 0 16 16" width="13" height="13" aria-hidden="true"><path fill="currentColor" d="${ICONS[icon]}"/></svg>`;
  };
  const button = (icon, title, act) => {
    const made = add(bar, "button");
    if (icon) draw(made, icon);
    made.title = title;
    made.setAttribute("aria-label", title);
    made.addEventListener("click", act);
    return made;
  };
  const state = { playing: false, wanted: true, loop: true, muted: true, rate: 1, pending: 0 };
  let cells = [];

  const play = button("play", "Play or pause (space)", () => toggle());
  button("back", "One frame back (←)", () => step(-1));
  button("on", "One frame on (→)", () => step(1));
  const seek = add(bar, "input");
  seek.type = "range";
  Object.assign(seek, { min: 0, max: 1000, value: 0, step: 1, title: "Position" });
  seek.setAttribute("aria-label", "Position");
  const time = add(bar, "span", "time");
  const speed = button("", "Speed (↑ ↓)", () => faster(1, true));
  const loop = button("loop", "Again from the start at the end (L)", () => set("loop", !state.loop));
  const sound = button("mute", "Sound (M)", () => set("muted", !state.muted));
  button("full", "Full screen (F)", () => full());

  const ready = () => cells.filter((cell) => cell.video && cell.video.readyState >= 1);
  const master = () => ready().reduce((a, b) => (!a || b.video.duration > a.video.duration ? b : a), null);
  const full = () => (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen?.());

  function show() {
    const lead = master();
    bar.classList.toggle("idle", !lead);
    draw(play, state.playing ? "pause" : "play");
    draw(sound, state.muted ? "mute" : "sound");
    speed.textContent = `${state.rate}×`;
    loop.setAttribute("aria-pressed", state.loop);
    sound.setAttribute("aria-pressed", !state.muted);
    sound.disabled = !cells.some((cell) => cell.clip.has_audio);
    if (!lead) return;
    const at = lead.video.currentTime;
    const frame = Math.min(Math.round(lead.video.duration * lead.clip.fps) - 1, Math.floor(at * lead.clip.fps + 0.01));
    if (document.activeElement !== seek || state.playing) seek.value = (1000 * at) / (lead.video.duration || 1);
    time.textContent = `${at.toFixed(1)} / ${lead.video.duration.toFixed(1)} s`;
    time.title = `frame ${frame + 1}`;
  }

  function follow() {
    // the longest clip is the clock; the others are pulled towards it, or set where they are far off
    const lead = master();
    for (const cell of ready()) {
      if (cell === lead) continue;
      const off = cell.video.currentTime - lead.video.currentTime;
      if (Math.abs(off) > 0.25) cell.video.currentTime = Math.min(lead.video.currentTime, cell.video.duration);
      else cell.video.playbackRate = state.rate * (1 - Math.max(-0.1, Math.min(0.1, off)));
      if (cell.video.paused && !cell.video.ended) cell.video.play().catch(() => {});
    }
    show();
    state.pending = state.playing ? requestAnimationFrame(follow) : 0;
  }

  function start() {
    if (!master()) return;
    state.playing = true;
    for (const { video } of ready()) {
      video.muted = state.muted;
      video.playbackRate = state.rate;
      if (video.ended) video.currentTime = 0;
      video.play().catch(() => stop()); // a page nobody has clicked in may only play muted
    }
    if (!state.pending) state.pending = requestAnimationFrame(follow);
  }

  function stop() {
    state.playing = false;
    for (const { video } of ready()) video.pause();
    show();
  }

  function toggle() {
    state.wanted = !state.playing;
    if (state.playing) stop();
    else start();
  }

  function go(seconds) {
    for (const { video } of ready()) video.currentTime = Math.max(0, Math.min(seconds, video.duration));
    show();
  }

  function step(by) {
    const lead = master();
    if (!lead) return;
    state.wanted = false;
    stop();
    const last = Math.round(lead.video.duration * lead.clip.fps) - 1;
    const frame = Math.floor(lead.video.currentTime * lead.clip.fps + 0.01) + by;
    go((Math.max(0, Math.min(last, frame)) + 0.5) / lead.clip.fps); // the middle of a frame is surely that frame
  }

  function faster(by, wrap = false) {
    const next = SPEEDS.indexOf(state.rate) + by;
    set("rate", SPEEDS[wrap ? next % SPEEDS.length : Math.max(0, Math.min(SPEEDS.length - 1, next))]);
  }

  function set(name, value) {
    state[name] = value;
    for (const { video } of ready()) {
      video.playbackRate = state.rate;
      video.muted = state.muted;
    }
    show();
  }

  function ended(cell) {
    if (cell !== master()) return;
    if (!state.loop) return stop();
    go(0);
    start();
  }

  function build(clip, index) {
    const figure = stage.insertBefore(document.createElement("figure"), stage.children[index] || null);
    const frame = add(figure, "div", "frame");
    frame.style.aspectRatio = `${clip.width} / ${clip.height}`;
    frame.style.width = `${Math.round(Math.min(400, (height * clip.width) / clip.height))}px`;
    const poster = add(frame, "img", "poster");
    poster.alt = "";
    const word = add(frame, "div", "word");
    add(figure, "figcaption");
    return { figure, frame, poster, word, clip, index, video: null, url: null };
  }

  function paint(cell, clip) {
    cell.clip = clip;
    cell.poster.style.display = clip.poster ? "" : "none";
    cell.frame.classList.toggle("bare", !clip.poster);
    if (clip.poster && cell.poster.src !== clip.poster) cell.poster.src = clip.poster;
    cell.word.textContent = cell.video ? "" : clip.word || "";
    cell.figure.lastChild.textContent = clip.label || "";
    if (clip.src && !cell.video) show_video(cell, clip.src);
    else if (clip.ready && !cell.video && !cell.asked) {
      cell.asked = true;
      ask(cell.index);
    }
  }

  function show_video(cell, src) {
    const video = document.createElement("video");
    Object.assign(video, { muted: true, playsInline: true, preload: "auto", src });
    video.addEventListener("loadeddata", () => {
      cell.frame.insertBefore(video, cell.word); // over the poster, once there is a frame to show
      cell.word.textContent = "";
      if (state.wanted && visible) start();
      show();
    });
    video.addEventListener("seeked", show);
    video.addEventListener("ended", () => ended(cell));
    video.addEventListener("click", () => toggle());
    video.addEventListener("dblclick", () => full());
    video.addEventListener("error", () => (cell.word.textContent = `This browser cannot play it: ${video.error?.message || "format"}`));
    cell.video = video;
  }

  const onkey = (event) => {
    const keys = { " ": toggle, ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => faster(1), ArrowDown: () => faster(-1) };
    Object.assign(keys, { Home: () => go(0), l: () => set("loop", !state.loop), m: () => set("muted", !state.muted), f: full });
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.tagName === "BUTTON" && event.key === " ") return; // a focused button takes its own space
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  host.addEventListener("keydown", onkey);
  seek.addEventListener("input", () => {
    const lead = master();
    if (lead) go((seek.value / 1000) * lead.video.duration);
  });
  let visible = true; // a video that nobody sees does not play
  const eye = new IntersectionObserver(([seen]) => {
    visible = seen.isIntersecting;
    if (!visible && state.playing) stop();
    else if (visible && !state.playing && state.wanted) start();
  });
  eye.observe(host);

  return {
    /** Show these clips; one that is there already keeps playing. */
    update(clips) {
      while (cells.length > clips.length) cells.pop().figure.remove();
      clips.forEach((clip, index) => {
        const cell = cells[index];
        if (cell && !cell.video && cell.clip.width * clip.height !== clip.width * cell.clip.height) {
          cell.figure.remove();
          cells[index] = null;
        }
        cells[index] = cells[index] || build(clip, index);
        paint(cells[index], clip);
      });
      show();
    },
    /** Take the bytes of a clip. */
    give(index, bytes) {
      const cell = cells[index];
      if (!cell || cell.video) return;
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
      cancelAnimationFrame(state.pending);
      state.playing = false;
      for (const cell of cells) {
        cell.video?.pause();
        if (cell.url) URL.revokeObjectURL(cell.url);
      }
      cells = [];
    },
  };
}

function render({ model, el }) {
  const player = createPlayer(el, { ask: (index) => model.send({ want: "bytes", index }), height: model.get("height") });
  const paint = () => player.update(model.get("clips"));
  const hear = (message, buffers) => {
    if (message.have === "bytes") player.give(message.index, buffers[0]);
    else if (message.have === "nothing") player.refuse(message.index, message.why);
  };
  model.on("change:clips", paint);
  model.on("msg:custom", hear);
  paint();
  return () => {
    model.off("change:clips", paint);
    model.off("msg:custom", hear);
    player.destroy();
  };
}

export { createPlayer };
export default { render };
