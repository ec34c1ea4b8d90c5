// The waveform of a recording with the notes found in it, and two handles that mark the part to use. The handles can be
// dragged, or moved with the arrow keys; dragging elsewhere marks a new part. Sends {trim: [start, end]}.
const SVG = "http://www.w3.org/2000/svg";
const STEP = 0.01, LONG = 0.1; // s per arrow key, and with shift
const PAUSE = 300; // ms after the last arrow key until the part is sent
const GRIP = 20; // pixels from a handle within which a press grabs it
const STROKE = 6; // pixels that a press must move to mark a new part
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60];
const TICK_ROOM = 52; // least distance of two ticks (pixels)
const HEIGHT = 100; // of the drawing, in its own units

function render({ model, el }) {
  const stage = add("div", "stage", el, { title: "Drag the handles around the part to match, or mark a new part" });
  const svg = document.createElementNS(SVG, "svg");
  const wave = document.createElementNS(SVG, "path");
  svg.append(wave);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Waveform of the recording");
  stage.append(svg);
  const found = add("div", "found", stage);
  const shades = [add("div", "shade", stage), add("div", "shade", stage)];
  const handles = ["Start", "End"].map((name) =>
    add("div", "handle", stage, { role: "slider", tabindex: "0", "aria-label": `${name} of the part to use` }));
  const outputs = handles.map((handle) => add("output", "", handle));
  const axis = add("div", "axis", el);
  let part = [0, 0], press = null, timer = null;

  const total = () => model.get("seconds") || 1;
  const percent = (second) => `${(100 * second) / total()}%`;
  const round = (second) => Math.round(second * 1000) / 1000;
  const paint = () => {
    const [start, end] = part;
    Object.assign(shades[0].style, { left: 0, width: percent(start) });
    Object.assign(shades[1].style, { left: percent(end), right: 0 });
    part.forEach((second, i) => {
      handles[i].style.left = percent(second);
      outputs[i].textContent = `${second.toFixed(2)} s`;
      const [low, high] = i ? [start + model.get("gap"), total()] : [0, end - model.get("gap")];
      const values = { now: second, min: low, max: high, text: `${second.toFixed(2)} seconds` };
      for (const [name, value] of Object.entries(values)) handles[i].setAttribute(`aria-value${name}`, name === "text" ? value : round(value));
    });
  };
  const move = (i, second) => {
    const gap = Math.min(model.get("gap"), total());
    part[i] = round(i ? Math.min(total(), Math.max(second, part[0] + gap)) : Math.max(0, Math.min(second, part[1] - gap)));
    paint();
  };
  const send = () => {
    clearTimeout(timer);
    timer = null;
    const [start, end] = [model.get("start"), model.get("end")];
    if (part[0] !== start || part[1] !== end) model.send({ trim: part });
  };
  const follow = () => {
    if (press || timer) return; // keep showing the user's change until Python has answered it
    part = [model.get("start"), model.get("end")];
    paint();
  };

  const showWave = () => {
    const bytes = model.get("peaks"); // lowest and highest sample of each column
    const peaks = bytes?.byteLength ? new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)) : [];
    const columns = peaks.length / 2, y = (sample) => ((HEIGHT * (1 - sample)) / 2).toFixed(2);
    svg.setAttribute("viewBox", `0 0 ${Math.max(1, columns)} ${HEIGHT}`);
    const top = [], bottom = [];
    for (let i = 0; i < columns; i++) {
      top.push(`${i} ${y(peaks[2 * i + 1] + 0.005)}`);
      bottom.push(`${i} ${y(peaks[2 * i] - 0.005)}`);
    }
    wave.setAttribute("d", columns ? `M${top.join("L")}L${bottom.reverse().join("L")}Z` : "");
    showAxis();
    follow();
  };
  const showNotes = () => {
    found.replaceChildren(...model.get("notes").map(([start, end, name]) => {
      const note = document.createElement("span");
      note.textContent = name;
      note.title = name;
      Object.assign(note.style, { left: percent(start), width: percent(end - start) });
      return note;
    }));
  };
  const showAxis = () => {
    const most = Math.max(1, Math.floor((axis.clientWidth || 900) / TICK_ROOM));
    const step = TICKS.find((size) => total() / size <= most) ?? Math.ceil(total() / most);
    axis.replaceChildren(...Array.from({ length: Math.floor(total() / step + 1e-6) + 1 }, (_, k) => {
      const tick = document.createElement("span");
      tick.textContent = `${Number((k * step).toFixed(1))}${k ? "" : " s"}`;
      tick.style.left = percent(k * step);
      return tick;
    }));
  };

  const at = (event) => {
    const box = stage.getBoundingClientRect();
    return (Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * total());
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button || press) return;
    const pixels = part.map((second) => Math.abs(((at(event) - second) / total()) * stage.clientWidth));
    const nearest = pixels[0] < pixels[1] || (pixels[0] === pixels[1] && at(event) < part[0]) ? 0 : 1;
    const held = pixels[nearest] <= GRIP ? nearest : -1;
    press = { id: event.pointerId, held, x: event.clientX, from: at(event), grip: held < 0 ? 0 : part[held] - at(event) };
    stage.setPointerCapture(event.pointerId);
    if (held >= 0) handles[held].focus({ preventScroll: true });
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    if (event.pointerId !== press?.id) return;
    if (press.held >= 0) move(press.held, at(event) + press.grip);
    else if (press.marks || Math.abs(event.clientX - press.x) >= STROKE) {
      press.marks = true;
      const ends = [press.from, at(event)].sort((a, b) => a - b);
      if (ends[1] - ends[0] >= model.get("gap")) part = ends.map(round);
      paint();
    }
  });
  const release = (event) => {
    if (event.pointerId !== press?.id) return;
    press = null;
    send();
    follow();
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  handles.forEach((handle, i) =>
    handle.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const size = event.shiftKey ? LONG : STEP;
      const steps = { ArrowRight: size, ArrowUp: size, ArrowLeft: -size, ArrowDown: -size, PageUp: 1, PageDown: -1 };
      const ends = { Home: 0, End: total() };
      if (event.key in steps) move(i, part[i] + steps[event.key]);
      else if (event.key in ends) move(i, ends[event.key]);
      else return;
      event.preventDefault();
      event.stopPropagation();
      clearTimeout(timer);
      timer = setTimeout(send, PAUSE);
    }));

  model.on("change:peaks change:seconds", showWave);
  model.on("change:start change:end change:gap", follow);
  model.on("change:notes change:seconds", showNotes);
  el.classList.add("gansynth-trim");
  showWave();
  showNotes();
  const room = new ResizeObserver(showAxis);
  room.observe(axis);
  return () => {
    room.disconnect();
    clearTimeout(timer);
    model.off("change:peaks change:seconds", showWave);
    model.off("change:start change:end change:gap", follow);
    model.off("change:notes change:seconds", showNotes);
  };
}
export default { render };
