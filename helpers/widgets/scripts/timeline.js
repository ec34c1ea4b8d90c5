// A piano roll with a ribbon of colours below it, and a handle for each entry to drag along both.
// Sends {move: [entry, second]}, {remove: entry} and {add: second or null}.
const STEP = 0.1, LONG = 1; // s per arrow key, and with shift
const PAUSE = 150; // ms after the last arrow key until the move is sent
const TICKS = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600];
const MOST_TICKS = 12;
const TICK_ROOM = 52; // least distance of two ticks (pixels)
const LABEL_ROOM = 36; // pixels that a part of the ribbon must have to show a name
const WIDE = 900; // pixels, assumed width as long as the element is not on the page
const LETTER = 8; // pixels, approximate width of a letter

// Black or white, whichever is easier to read on a colour such as "#332288".
function ink(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#000000" : "#ffffff";
}

function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  const rest = Math.round((seconds - 60 * minutes) * 10) / 10;
  return minutes ? `${minutes}:${String(rest).padStart(2, "0")}` : `${rest} s`;
}

function render({ model, el }) {
  const add = (kind, parent, tag = "div") => {
    const element = document.createElement(tag);
    element.className = kind;
    parent.append(element);
    return element;
  };
  const stage = add("stage", el);
  const roll = add("roll", stage, "img"), ribbon = add("ribbon", stage), axis = add("axis", el);
  let entries = [], handles = [], address = "", dragged = null;
  let pending = null; // {i, timer}: a move by arrow keys that has not been sent yet
  roll.alt = "Piano roll of the song";
  ribbon.title = "Double-click, or press Enter, to add an instrument here. Drag the handles; Delete removes one.";
  ribbon.tabIndex = 0;
  ribbon.setAttribute("role", "button");
  ribbon.setAttribute("aria-label", "Timeline: Enter adds an instrument");

  const total = () => model.get("seconds");
  const percent = (second) => `${(100 * second) / total()}%`;
  const secondAt = (event) => {
    const box = ribbon.getBoundingClientRect();
    return (Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * total());
  };

  const paint = () => {
    const colours = model.get("colours");
    const stops = entries.flatMap(([second], i) => {
      const at = `${colours[i]} ${percent(second)}`;
      return model.get("held") && i ? [`${colours[i - 1]} ${percent(second)}`, at] : [at];
    });
    ribbon.style.background = `linear-gradient(to right, ${[...stops, stops.at(-1)].join(", ")})`;
    const width = ribbon.clientWidth || 1;
    const room = entries.map(([second], i) => (((entries[i + 1]?.[0] ?? total()) - second) / total()) * width);
    const last = entries.length - 1;
    // The last name is placed before its handle if there is no room after it and the name before it leaves enough.
    const needed = last > 0 ? LETTER * entries[last][1].length + 16 : 0;
    const before = last > 0 && room[last] < needed && room[last - 1] > needed + LETTER * entries[last - 1][1].length + 16;
    ribbon.replaceChildren(...entries.map(([second, name], i) => {
      const label = document.createElement("span");
      const moved = before && i === last;
      label.textContent = moved || room[i] >= LABEL_ROOM ? name : "";
      label.style.color = ink(colours[moved && model.get("held") ? i - 1 : i]);
      if (moved) label.style.right = percent(total() - second);
      else {
        label.style.left = percent(second);
        label.style.width = `${room[i]}px`;
      }
      return label;
    }));
    handles.forEach(({ handle, output }, i) => {
      const [second, name] = entries[i];
      handle.style.left = percent(second);
      handle.style.setProperty("--colour", colours[i]);
      handle.classList.toggle("late", second > 0.5 * total());
      output.textContent = `${name}, ${clock(second)}`;
      handle.setAttribute("aria-label", name);
      handle.setAttribute("aria-valuemin", 0);
      handle.setAttribute("aria-valuemax", total());
      handle.setAttribute("aria-valuenow", second);
      handle.setAttribute("aria-valuetext", `${name} at ${clock(second)}`);
    });
  };
  // Move an entry, but not beyond its neighbours or the ends.
  const place = (i, second) => {
    const gap = model.get("gap");
    const lowest = i ? entries[i - 1][0] + gap : 0;
    const highest = i + 1 < entries.length ? entries[i + 1][0] - gap : total();
    entries[i][0] = Math.round(Math.min(Math.max(second, lowest), highest) * 100) / 100;
    paint();
  };
  const send = (i) => {
    clearTimeout(pending?.timer);
    pending = null;
    model.send({ move: [i, entries[i][0]] });
  };

  const makeHandle = (i) => {
    const handle = add("handle", stage), output = add("", handle, "output");
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      handle.focus();
      handle.setPointerCapture(event.pointerId);
      dragged = { i, start: entries[i][0], grip: secondAt(event) - entries[i][0] };
    });
    handle.addEventListener("pointermove", (event) => {
      if (dragged?.i === i) place(i, secondAt(event) - dragged.grip);
    });
    const release = () => {
      if (dragged?.i !== i) return;
      const moved = dragged.start !== entries[i][0];
      dragged = null;
      if (moved) send(i);
      else showEntries();
    };
    handle.addEventListener("pointerup", release);
    handle.addEventListener("pointercancel", release);
    handle.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const size = event.shiftKey ? LONG : STEP;
      const step = { ArrowRight: size, ArrowUp: size, ArrowLeft: -size, ArrowDown: -size }[event.key];
      if (step) {
        if (pending && pending.i !== i) send(pending.i);
        place(i, entries[i][0] + step);
        clearTimeout(pending?.timer);
        pending = { i, timer: setTimeout(() => send(i), PAUSE) };
      } else if (event.key === "Delete" || event.key === "Backspace") {
        if (pending) send(pending.i);
        model.send({ remove: i });
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return { handle, output };
  };

  const showEntries = () => {
    if (dragged || pending) return; // keep showing the user's change until Python has answered it
    entries = model.get("entries").map((entry) => [...entry]);
    const focused = handles.findIndex(({ handle }) => handle === document.activeElement);
    while (handles.length > entries.length) handles.pop().handle.remove();
    while (handles.length < entries.length) handles.push(makeHandle(handles.length));
    paint();
    if (focused >= handles.length) handles.at(-1).handle.focus();
    showAxis();
  };
  const showAxis = () => {
    const most = Math.max(1, Math.min(MOST_TICKS, Math.floor((axis.clientWidth || WIDE) / TICK_ROOM)));
    const step = TICKS.find((size) => total() / size <= most) ?? Math.ceil(total() / most);
    const ticks = Array.from({ length: Math.floor(total() / step + 1e-6) + 1 }, (_, k) => k * step);
    axis.replaceChildren(...ticks.map((second) => {
      const tick = document.createElement("span");
      tick.textContent = clock(second);
      tick.style.left = percent(second);
      return tick;
    }));
    roll.style.width = percent(model.get("picture_seconds"));
  };
  const showPicture = () => {
    URL.revokeObjectURL(address);
    const picture = model.get("picture");
    roll.hidden = !picture?.byteLength;
    address = roll.hidden ? "" : URL.createObjectURL(new Blob([picture], { type: "image/png" }));
    if (address) roll.src = address;
    showAxis();
  };

  ribbon.addEventListener("dblclick", (event) => model.send({ add: Math.round(secondAt(event) * 100) / 100 }));
  ribbon.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    model.send({ add: null });
  });
  const changes = "change:entries change:colours change:held change:seconds";
  model.on(changes, showEntries);
  model.on("change:picture change:picture_seconds", showPicture);
  el.classList.add("gansynth-timeline");
  showPicture();
  showEntries();
  const room = new ResizeObserver(() => {
    paint();
    showAxis();
  });
  room.observe(stage);
  return () => {
    room.disconnect();
    clearTimeout(pending?.timer);
    URL.revokeObjectURL(address);
    model.off(changes, showEntries);
    model.off("change:picture change:picture_seconds", showPicture);
  };
}
export default { render };
