// Instruments as points on a plane, each in the colour and shape of its family. Sends {hear: point}, {keep: point} and
// {path: [point, ...]}. A note takes a moment to generate, so the next one is requested only after {heard} has come
// back. {drawn} confirms that a path has arrived. Needs points.js.
const REST = 120; // ms until a point is played, after the mouse has come to rest on it or after an arrow key
const NEAR = 16, FINGER = 28; // pixels from a point within which the mouse or a finger hits it
const STROKE = 6; // pixels that a press must move to be a stroke instead of a click
const REACH = 12; // pixels from a stroke within which it passes a point
const SPACING = 24; // pixels along a stroke between two points that it passes, at least
const MARGIN = 18; // pixels

function render({ model, el }) {
  const add = (kind, parent, text = "", tag = "div") => {
    const element = document.createElement(tag);
    element.className = kind;
    element.textContent = text;
    parent.append(element);
    return element;
  };
  const up = add("axis", el), stage = add("stage", el);
  const right = add("axis across", el), about = add("hint", el), legend = add("legend", el);
  const hint = add("hint", el);
  add("mouse", hint, "Point at an instrument to hear it, click to keep it, drag to draw a timeline. Keys: arrows move, Enter keeps, Shift and arrows draw.", "span");
  add("touch", hint, "Tap an instrument to hear it, tap again to keep it. Drag to draw a timeline.", "span");
  const svg = draw(stage, "svg", {
    tabindex: 0, role: "application",
    "aria-label": "Map of instruments. Arrow keys move and play, Space plays again, Enter keeps, Shift and arrow keys draw a path, Delete clears it",
  });
  const dots = draw(svg, "g"), route = draw(svg, "polyline", { class: "route" }), stops = draw(svg, "g");
  const stars = draw(svg, "g"), ring = draw(svg, "circle", { class: "ring", r: 10 });
  const label = add("label", stage);
  label.setAttribute("role", "status");
  const [name, words, guess] = ["name", "", ""].map((kind) => add(kind, label));

  let places = [], marks = []; // position in pixels, and element, of each point
  let selected = -1, hovered = -1, heard = -1, busy = false, waiting = -1, mouse = "", rest, pause;
  let press = null; // {id, x, y, isMouse, stroke}; a stroke is {x, y, length, last, inside, path}
  let drawn = null, isSent = true; // a path that Python has not confirmed yet

  const size = () => [stage.clientWidth || 600, stage.clientHeight || 400];
  const lay = () => {
    const [width, height] = size();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    places = model.get("points").map(([x, y]) => [MARGIN + x * (width - 2 * MARGIN), MARGIN + y * (height - 2 * MARGIN)]);
    const scale = pointScale(width, height, places.length);
    marks.forEach((mark, i) => mark.setAttribute("transform", `translate(${places[i]}) scale(${scale})`));
    paint();
  };
  const build = () => {
    const families = model.get("families"), members = model.get("members");
    marks = members.map((family) => drawPoint(dots, families[family]));
    dots.replaceChildren(...marks);
    about.textContent = model.get("about");
    fillLegend(legend, families, members);
    lay();
  };

  const path = () => press?.stroke?.path ?? drawn ?? model.get("path");
  const paint = () => {
    const lit = new Set(model.get("lit"));
    svg.classList.toggle("searched", lit.size > 0);
    marks.forEach((mark, i) => mark.classList.toggle("lit", lit.has(i)));
    dots.append(...marks.filter((_, i) => lit.has(i))); // above the others
    stars.replaceChildren();
    for (const i of model.get("kept")) draw(stars, "text", { x: places[i][0] + 6, y: places[i][1] - 4, class: "star" }).textContent = "★";
    paintPath();
    paintLabel();
  };
  const paintPath = () => {
    const passed = path();
    const line = passed.map((i) => places[i]);
    if (press?.stroke) line.push([press.stroke.x, press.stroke.y]);
    route.setAttribute("points", line.join(" "));
    stops.replaceChildren();
    passed.forEach((i, n) => {
      const stop = draw(stops, "g", { transform: `translate(${places[i]})`, class: "stop" });
      draw(stop, "circle", { r: 8 });
      draw(stop, "text", { y: 3.5 }).textContent = n + 1;
    });
  };
  const paintLabel = () => {
    const shown = hovered >= 0 ? hovered : selected;
    label.hidden = shown < 0 || Boolean(press?.stroke);
    ring.setAttribute("visibility", selected < 0 ? "hidden" : "visible");
    if (selected >= 0) ring.setAttribute("transform", `translate(${places[selected]})`);
    if (label.hidden) return;
    const [title, sound, family] = model.get("labels")[shown];
    name.textContent = title + (model.get("kept").includes(shown) ? " ★" : "");
    words.textContent = sound;
    guess.textContent = family;
    placeLabel(label, places[shown], size());
  };

  const choose = (i) => {
    selected = i;
    model.set("selected", i);
    model.save_changes();
    paintLabel();
  };
  const hear = (i) => {
    if (busy) {
      waiting = i;
      return;
    }
    busy = true;
    heard = i;
    model.send({ hear: i });
  };
  const keep = (i) => model.send({ keep: i });
  const send = () => {
    if (!isSent) model.send({ path: drawn });
    isSent = true;
  };
  const drawPath = (passed) => {
    [drawn, isSent] = [passed, false];
    paintPath();
  };
  const answered = (message) => {
    if (message.heard !== undefined) {
      busy = false;
      if (waiting >= 0 && waiting !== heard) hear(waiting);
      waiting = -1;
    } else if (message.drawn && isSent) {
      drawn = null;
      paintPath();
    }
  };

  const at = (event) => {
    const box = svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const nearest = (place, within) => nearestPoint(places, place, within);
  const next = (way) => (selected < 0 ? nearest(size().map((side) => side / 2), Infinity) : nextPoint(places, selected, way));

  // Add the points that the stroke passes on its way to a place, in their order along it.
  const extend = (stroke, [x, y]) => {
    const [dx, dy] = [x - stroke.x, y - stroke.y], long = Math.hypot(dx, dy) || 1e-9;
    const met = places.flatMap(([px, py], i) => {
      const along = Math.min(long, Math.max(0, ((px - stroke.x) * dx + (py - stroke.y) * dy) / long));
      const far = Math.hypot(px - stroke.x - (along * dx) / long, py - stroke.y - (along * dy) / long);
      return far <= REACH ? [{ i, along, far }] : [];
    });
    met.sort((a, b) => a.along - b.along || a.far - b.far);
    for (const { i, along } of met) {
      const length = stroke.length + along;
      if (stroke.inside.has(i) || length - stroke.last < SPACING) continue;
      stroke.path.push(i);
      stroke.last = length;
    }
    stroke.inside = new Set(met.map(({ i }) => i));
    stroke.length += long;
    [stroke.x, stroke.y] = [x, y];
    paintPath();
  };

  const point = (event) => {
    const here = `${event.clientX} ${event.clientY}`;
    if (here === mouse) return; // the page has moved, not the mouse
    mouse = here;
    const i = nearest(at(event), NEAR);
    svg.classList.toggle("over", i >= 0);
    if (i === hovered) return;
    hovered = i;
    paintLabel();
    clearTimeout(rest);
    if (i >= 0 && model.get("hover")) rest = setTimeout(() => (choose(i), hear(i)), REST);
  };
  svg.addEventListener("pointerdown", (event) => {
    if (event.button || press) return;
    clearTimeout(rest);
    svg.setPointerCapture(event.pointerId);
    svg.focus({ preventScroll: true });
    const [x, y] = at(event);
    press = { id: event.pointerId, x, y, isMouse: event.pointerType === "mouse", stroke: null };
  });
  svg.addEventListener("pointermove", (event) => {
    if (!press) {
      if (event.pointerType === "mouse") point(event);
      return;
    }
    if (event.pointerId !== press.id) return;
    const [x, y] = at(event);
    if (!press.stroke && Math.hypot(x - press.x, y - press.y) < STROKE) return;
    press.stroke ??= { x: press.x, y: press.y, length: 0, last: -SPACING, inside: new Set(), path: [] };
    paintLabel();
    extend(press.stroke, [x, y]);
  });
  svg.addEventListener("pointerup", (event) => {
    if (event.pointerId !== press?.id) return;
    const { stroke, isMouse } = press;
    press = null;
    if (stroke) {
      drawPath(stroke.path);
      send();
    } else {
      const i = nearest(at(event), isMouse ? NEAR : FINGER), isKnown = i === selected && i === heard;
      if (i >= 0) {
        choose(i);
        if (!isKnown) hear(i);
        if (isMouse || isKnown) keep(i);
      }
    }
    paint();
  });
  svg.addEventListener("pointercancel", () => {
    press = null;
    paint();
  });
  svg.addEventListener("pointerleave", () => {
    clearTimeout(rest);
    hovered = -1;
    paintLabel();
  });
  svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = WAYS[event.key];
    if (way) {
      const from = selected, i = next(way);
      if (i >= 0) {
        hovered = -1;
        choose(i);
        clearTimeout(rest);
        clearTimeout(pause);
        pause = setTimeout(() => (hear(i), send()), REST);
      }
      if (i >= 0 && event.shiftKey) {
        const before = path();
        drawPath(before.at(-1) === from ? [...before, i] : [from, i].filter((stop) => stop >= 0));
      }
    } else if (event.key === "Enter" && !event.shiftKey) {
      if (selected >= 0) keep(selected);
    } else if (event.key === " ") {
      if (selected >= 0) hear(selected);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      drawPath([]);
      send();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const takeSelected = () => {
    selected = model.get("selected");
    paintLabel();
  };
  const takeAxes = () => {
    [right.textContent, up.textContent] = model.get("axes");
  };
  const marked = "change:lit change:kept change:path change:labels";
  model.on("change:points", lay);
  model.on("change:selected", takeSelected);
  model.on("change:axes", takeAxes);
  model.on(marked, paint);
  model.on("msg:custom", answered);
  el.classList.add("gansynth-map");
  selected = model.get("selected");
  takeAxes();
  build();
  const room = new ResizeObserver(lay);
  room.observe(stage);
  return () => {
    room.disconnect();
    clearTimeout(rest);
    clearTimeout(pause);
    model.off("change:points", lay);
    model.off("change:selected", takeSelected);
    model.off("change:axes", takeAxes);
    model.off(marked, paint);
    model.off("msg:custom", answered);
  };
}
export default { render };
