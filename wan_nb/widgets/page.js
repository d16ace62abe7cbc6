// The exported page: which seed is seen, and whether the names are. player.js stands above it in the same script.

const study = JSON.parse(document.getElementById("study").textContent);
const place = document.querySelector(".seeds");

function start() {
  const bytes_of = (key) => Uint8Array.from(atob(document.getElementById(`video-${key}`).textContent), (sign) => sign.charCodeAt(0));
  const player = createPlayer(document.querySelector(".player"), { ask: (index, key) => player.give(index, bytes_of(key), key), height: 420 });
  let seen = study.seeds[0];
  let order = null; // the clips in a random order, while the names are hidden
  const painters = [];
  const mixed = () => seen.clips.map((clip) => [Math.random(), clip]).sort(([a], [b]) => a - b).map(([, clip]) => clip);
  const nameless = (clip, k) => ({ ...clip, label: `Video ${k + 1}`, short: `${k + 1}`, blind: true });
  const show = () => {
    player.update(order ? order.map(nameless) : seen.clips);
    for (const paint of painters) paint();
  };
  const button = (textContent, is_on, act) => {
    const made = Object.assign(place.appendChild(document.createElement("button")), { textContent });
    made.addEventListener("click", () => {
      act();
      show();
    });
    painters.push(() => made.setAttribute("aria-pressed", is_on()));
    return made;
  };
  for (const each of study.seeds) {
    button(each.name, () => seen === each, () => {
      seen = each;
      order &&= mixed();
    });
  }
  button("Hide the names and mix", () => order !== null, () => (order = order ? null : mixed())).className = "blind";
  show();
}

if (study.seeds.length) start();
else place.textContent = "There is no video yet.";
