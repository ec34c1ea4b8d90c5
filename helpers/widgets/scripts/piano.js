// A piano keyboard that acts as a slider: click a key, or move with the arrow keys. Each choice is sent as {key:
// pitch}. In a narrow window it is folded, the higher octaves above the lower ones, so that keys are wide enough for a
// finger.
const SVG = "http://www.w3.org/2000/svg";
const WHITE = [0, 2, 4, 5, 7, 9, 11]; // pitch classes
const WIDTH = 16, HEIGHT = 56, BLACK_WIDTH = 10, BLACK_HEIGHT = 34;
const ROW = HEIGHT + 4; // from one row of a folded keyboard to the next
const FOLDED_BELOW = 480; // pixels of width
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

  // Two halves, each with its white keys counted from its own left edge; the upper one begins with a C.
  const middle = lowest + 12 * Math.ceil((highest - lowest) / 24);
  const halves = [[lowest, middle], [middle, highest + 1]].map(([from, to]) => {
    const group = shape(svg, "g", {});
    const blacks = [];
    let whites = 0;
    for (let p = from; p < to; p++) {
      if (!isWhite(p)) {
        blacks.push([p, whites * WIDTH - BLACK_WIDTH / 2]);
        continue;
      }
      keys.set(p, shape(group, "rect", { x: whites * WIDTH, y: 0, width: WIDTH, height: HEIGHT, class: "white" }));
      if (p % 12 === 0)
        shape(group, "text", { x: (whites + 0.5) * WIDTH, y: HEIGHT - 5 }).textContent = names[p - lowest];
      whites++;
    }
    for (const [p, x] of blacks)
      keys.set(p, shape(group, "rect", { x, y: 0, width: BLACK_WIDTH, height: BLACK_HEIGHT, class: "black" }));
    return { group, width: whites * WIDTH };
  });
  const [lower, upper] = halves;

  const fold = () => {
    const folded = el.clientWidth > 0 && el.clientWidth < FOLDED_BELOW;
    svg.classList.toggle("folded", folded);
    lower.group.setAttribute("transform", folded ? `translate(0 ${ROW})` : "");
    upper.group.setAttribute("transform", folded ? "" : `translate(${lower.width} 0)`);
    const width = folded ? Math.max(lower.width, upper.width) : lower.width + upper.width;
    svg.setAttribute("viewBox", `0 0 ${width} ${folded ? ROW + HEIGHT : HEIGHT}`);
  };
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
  el.append(svg, label);
  show();
  fold();
  const room = new ResizeObserver(fold);
  room.observe(el);
  return () => {
    room.disconnect();
    clearTimeout(timer);
    model.off("change:pitch", update);
  };
}
export default { render };
