// The exported page: which seed is seen, and whether the names are. player.js stands above it in the same script.

const study = JSON.parse(document.getElementById("study").textContent);
const place = document.querySelector(".seeds");

function start() {
  const bytes_of = (key) => Uint8Array.from(atob(document.getElementById(`video-${key}`).textContent), (sign) => sign.charCodeAt(0));
  const player = createPlayer(document.querySelector(".player"), { ask: (index, key) => player.give(index, bytes_of(key), key), height: 420 });
  const button = (text, act) => {
    const made = place.appendChild(document.createElement("button"));
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  };
  let seen = study.seeds[0];
  let order = null; // places in a random order while the names are hidden
  const show = () => {
    const clips = order
      ? order.map((place, k) => ({ ...seen.clips[place], label: `Video ${k + 1}`, short: `${k + 1}`, blind: true }))
      : seen.clips;
    player.update(clips);
    choices.forEach((made, k) => made.setAttribute("aria-pressed", study.seeds[k] === seen));
    blind.setAttribute("aria-pressed", order !== null);
  };
  const mix = () => seen.clips.map((_, k) => [Math.random(), k]).sort((a, b) => a[0] - b[0]).map(([, k]) => k);
  const choices = study.seeds.map((each) =>
    button(each.name, () => {
      seen = each;
      if (order) order = mix();
      show();
    }),
  );
  const blind = button("Hide the names and mix", () => {
    order = order ? null : mix();
    show();
  });
  blind.className = "blind";
  show();
}

if (study.seeds.length) start();
else place.textContent = "There is no video yet.";
