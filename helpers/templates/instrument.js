// The page of helpers/export/instrument_page.py. Needs sampler.js and keys.js.
const MAX_DECODED = 9; // cells of the pad whose decoded notes are kept: 10 MB each

// The pad: a point that snaps to `columns` x `rows` cells. Calls `moved(cell)` when the cell changes.
function makePad(pad, { columns, rows, corners }, moved) {
  const add = (tag, className = "") => {
    const element = pad.appendChild(document.createElement(tag));
    element.className = className;
    return element;
  };
  const ACROSS = 12, DOWN = 26; // % of the pad outside the outermost cells, where the corners' names are
  const at = (step, count, inset) => (count === 1 ? 50 : inset + (step * (100 - 2 * inset)) / (count - 1));
  let column = (columns - 1) / 2, row = Math.floor((rows - 1) / 2), dragged = null;
  corners.forEach((name, i) => {
    const label = add("b", corners.length === 3 && i === 2 ? "middle" : "");
    label.textContent = name;
  });
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) Object.assign(add("i").style, { left: `${at(x, columns, ACROSS)}%`, top: `${at(y, rows, DOWN)}%` });
  const point = add("div", "point");

  const move = (newColumn, newRow) => {
    const before = row * columns + column;
    column = Math.min(columns - 1, Math.max(0, newColumn));
    row = Math.min(rows - 1, Math.max(0, newRow));
    const x = column / (columns - 1), y = rows > 1 ? row / (rows - 1) : 0;
    let shares = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];
    if (corners.length === 3) shares = [shares[0], shares[1], y];
    const told = corners.map((name, i) => [name, Math.round(100 * shares[i])]).filter(([, share]) => share);
    const text = told.map(([name, share]) => `${name} ${share}\u00a0%`).join(" · ");
    point.style.left = `${at(column, columns, ACROSS)}%`;
    point.style.top = `${at(row, rows, DOWN)}%`;
    document.getElementById("blend").textContent = text;
    pad.setAttribute("aria-valuenow", row * columns + column + 1);
    pad.setAttribute("aria-valuetext", text);
    if (row * columns + column !== before) moved(row * columns + column);
  };
  const follow = (event) => {
    const box = pad.getBoundingClientRect();
    const step = (part, count, inset) => Math.round(((part * 100 - inset) / (100 - 2 * inset)) * (count - 1));
    const x = step((event.clientX - box.left) / box.width, columns, ACROSS);
    move(x, rows > 1 ? step((event.clientY - box.top) / box.height, rows, DOWN) : 0);
  };
  for (const [name, value] of Object.entries({
    tabindex: 0, role: "slider", "aria-label": "Blend of the instruments; arrow keys move the point",
    "aria-valuemin": 1, "aria-valuemax": columns * rows,
  })) pad.setAttribute(name, value);
  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    dragged = event.pointerId;
    pad.setPointerCapture(dragged);
    follow(event);
  });
  pad.addEventListener("pointermove", (event) => {
    if (event.pointerId === dragged) follow(event);
  });
  for (const kind of ["pointerup", "pointercancel"]) pad.addEventListener(kind, () => (dragged = null));
  pad.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(column + step[0], row + step[1]);
  });
  move(column, row);
  return row * columns + column;
}

(() => {
  const data = JSON.parse(document.getElementById("sounds").textContent);
  const trouble = document.getElementById("trouble");
  if (!window.AudioContext) {
    trouble.textContent = "This browser cannot play sound: it does not support Web Audio.";
    return;
  }
  const context = new AudioContext({ latencyHint: "interactive" });
  const sampler = makeSampler(context);
  const decoded = new Map(); // cell -> promise of its zones, the latest last
  let wanted = 0;

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  const decode = (zone) => context.decodeAudioData(bytes(zone.flac)).then((buffer) => ({ ...zone, flac: "", buffer }));
  const zonesOf = (cell) => {
    const known = decoded.get(cell) ?? Promise.all(data.cells[cell].map(decode));
    decoded.delete(cell);
    decoded.set(cell, known);
    if (decoded.size > MAX_DECODED) decoded.delete(decoded.keys().next().value);
    return known;
  };
  for (const section of document.querySelectorAll("section[hidden]")) section.hidden = false;
  const keys = makeKeys(document.getElementById("keys"), { context, sampler, scope: document, grey: "Grey keys are too far from the sampled pitches." });
  const take = async (place) => {
    wanted = place;
    let zones;
    try {
      zones = await zonesOf(data.place[place]);
    } catch {
      trouble.textContent = "This browser cannot play the sounds of this page: it does not support FLAC.";
      trouble.hidden = false;
      return;
    }
    if (place !== wanted) return;
    sampler.clear();
    zones.forEach(sampler.add);
    keys.show();
  };
  trouble.hidden = true;
  const pad = document.getElementById("pad");
  take(pad ? makePad(pad, data, take) : 0);
})();
