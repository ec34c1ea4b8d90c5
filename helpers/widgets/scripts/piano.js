// A piano keyboard that is one slider: click a key, or move with the arrow keys. Each choice is sent as {key: pitch}.
const SVG = "http://www.w3.org/2000/svg";
const WHITE = [0, 2, 4, 5, 7, 9, 11]; // pitch classes
const WIDTH = 16, HEIGHT = 56, BLACK_WIDTH = 10, BLACK_HEIGHT = 34;
const PAUSE = 180; // ms after the last arrow key until the note is played

function shape(parent, kind, attributes) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

function render({ model, el }) {
  const lowest = model.get("lowest"), highest = model.get("highest"), names = model.get("names");
  const isWhite = (pitch) => WHITE.includes(pitch % 12);
  const svg = document.createElementNS(SVG, "svg");
  const label = document.createElement("output");
  const keys = new Map();
  let pitch = model.get("pitch"), timer;

  let whites = 0;
  const blacks = [];
  for (let p = lowest; p <= highest; p++) {
    if (!isWhite(p)) {
      blacks.push([p, whites * WIDTH - BLACK_WIDTH / 2]);
      continue;
    }
    keys.set(p, shape(svg, "rect", { x: whites * WIDTH, y: 0, width: WIDTH, height: HEIGHT, class: "white" }));
    if (p % 12 === 0)
      shape(svg, "text", { x: (whites + 0.5) * WIDTH, y: HEIGHT - 5 }).textContent = names[p - lowest];
    whites++;
  }
  for (const [p, x] of blacks)
    keys.set(p, shape(svg, "rect", { x, y: 0, width: BLACK_WIDTH, height: BLACK_HEIGHT, class: "black" }));

  svg.setAttribute("viewBox", `0 0 ${whites * WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  for (const [name, value] of Object.entries({
    tabindex: 0, role: "slider", "aria-label": "Pitch", "aria-valuemin": lowest, "aria-valuemax": highest,
  })) svg.setAttribute(name, value);
  for (const [p, key] of keys) shape(key, "title", {}).textContent = names[p - lowest];

  const show = () => {
    for (const [p, key] of keys) key.classList.toggle("pressed", p === pitch);
    const name = names[pitch - lowest];
    label.textContent = `${name} (${pitch})`;
    svg.setAttribute("aria-valuenow", pitch);
    svg.setAttribute("aria-valuetext", name);
  };
  const choose = (p, pause) => {
    pitch = Math.min(highest, Math.max(lowest, p));
    show();
    clearTimeout(timer);
    timer = setTimeout(() => model.send({ key: pitch }), pause);
  };
  const update = () => {
    pitch = model.get("pitch");
    show();
  };

  svg.addEventListener("pointerdown", (event) => {
    for (const [p, key] of keys) if (key === event.target) choose(p, 0);
  });
  svg.addEventListener("keydown", (event) => {
    const step = {
      ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 12, PageDown: -12,
      Home: lowest - pitch, End: highest - pitch, Enter: 0, " ": 0,
    }[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    choose(pitch + step, step ? PAUSE : 0);
  });
  model.on("change:pitch", update);
  el.classList.add("gansynth-piano");
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the keys for its own
  el.append(svg, label);
  show();
  return () => {
    clearTimeout(timer);
    model.off("change:pitch", update);
  };
}
export default { render };
