// Instruments as points on a plane, each in the colour and shape of its family. Shared by the timbre map of notebooks
// and the page of helpers/export/web_page.py.
const SVG = "http://www.w3.org/2000/svg";
const FAR = 1e4; // pixels, more than the size of any map
const SHAPES = { // of roughly equal area
  circle: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
  square: "M-4.4-4.4h8.8v8.8h-8.8z",
  triangle: "M0-6.2L5.8 4.2H-5.8z",
  diamond: "M0-6.4L6.4 0L0 6.4L-6.4 0z",
};
const WAYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

function draw(parent, kind, attributes = {}) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

const drawPoint = (parent, { shape, colour }) => draw(parent, "path", { d: SHAPES[shape], fill: colour, class: "dot" });

// The scale of points: the more of them there are in the given area, the smaller.
const pointScale = (width, height, count) => Math.min(1.2, Math.max(0.65, Math.sqrt((width * height) / count) / 24));

// The index of the point nearest to a position, or -1 if none is closer than `within` pixels.
function nearestPoint(places, [x, y], within) {
  let best = -1, least = within;
  places.forEach(([px, py], i) => {
    const distance = Math.hypot(px - x, py - y);
    if (distance <= least) [best, least] = [i, distance];
  });
  return best;
}

// The next point in a direction. Points to the side count as farther away, and those far to the side come last.
function nextPoint(places, from, [dx, dy]) {
  const [x, y] = places[from];
  let best = -1, least = Infinity;
  places.forEach(([px, py], i) => {
    const ahead = (px - x) * dx + (py - y) * dy, aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
    const distance = ahead + 2 * aside + (aside > 1.5 * ahead ? FAR : 0);
    if (i !== from && ahead >= 0.5 && distance < least) [best, least] = [i, distance];
  });
  return best;
}

// Place a label next to a point, inside the map.
function placeLabel(label, [x, y], [width, height]) {
  const room = Math.max(0, width - label.offsetWidth), left = x + 14 > room ? x - label.offsetWidth - 14 : x + 14;
  label.style.left = `${Math.min(room, Math.max(0, left))}px`;
  label.style.top = `${Math.min(height - label.offsetHeight, Math.max(0, y - label.offsetHeight / 2))}px`;
}

// Show the sign of each family, and its number of points.
function fillLegend(legend, families, members) {
  legend.replaceChildren(...families.map((family, number) => {
    const count = members.filter((member) => member === number).length;
    const entry = document.createElement("span");
    drawPoint(draw(entry, "svg", { viewBox: "-7 -7 14 14", "aria-hidden": true }), family);
    entry.append(`${family.name} (${count})`);
    entry.hidden = !count;
    return entry;
  }));
}
