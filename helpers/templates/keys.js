// A piano to play by mouse, touch, computer keyboard and MIDI. Needs sampler.js.
const FIRST = 24, LAST = 84; // C1 to C6
const CODES = [
  "KeyA", "KeyW", "KeyS", "KeyE", "KeyD", "KeyF", "KeyT", "KeyG", "KeyY", "KeyH", "KeyU", "KeyJ", "KeyK", "KeyO", "KeyL",
  "KeyP", "Semicolon",
]; // from C upwards; these are positions of keys, independent of the keyboard layout
const LETTERS = "AWSEDFTGYHUJKOLP;";
const NOTES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
const MIN_WIDTH = 27; // pixels of a white key; a narrow piano has fewer octaves
const BLACK = 0.62; // of the width of a white key
const TYPED = 100; // velocity of notes from the computer keyboard
const SOFTEST = 50; // velocity at the upper end of a key; the lower end is 127
const TAP = 400; // ms, duration of a note from a click without a pointer, as screen readers make
const NO_FRAME = "This frame does not allow MIDI";

const noteName = (key) => `${NOTES[key % 12]}${Math.floor(key / 12) - 1}`;
const isBlack = (key) => NOTES[key % 12].length > 1;

// Ask for MIDI. Returns {access}, or {why} in one sentence.
async function askForMidi() {
  if (!window.isSecureContext) return { why: "MIDI works only on pages from https, from localhost or from disk" };
  if (!navigator.requestMIDIAccess) return { why: "This browser does not support Web MIDI; Chrome, Edge, Firefox and Opera do" };
  const policy = document.permissionsPolicy ?? document.featurePolicy;
  if (policy?.features().includes("midi") && !policy.allowsFeature("midi")) return { why: NO_FRAME };
  try {
    return { access: await navigator.requestMIDIAccess() };
  } catch {
    return { why: window === window.top ? "MIDI was not allowed; you can change that in the browser's settings for this site" : NO_FRAME };
  }
}

// Build the piano in `root`. `scope` is the element that receives the computer's key presses; `played` is called with
// each key that is played; `elsewhere` is a hint for pages without MIDI, and `grey` the text about keys without a note.
// Returns {show, stop, dispose}.
function makeKeys(root, { context, sampler, scope = root, played = () => {}, elsewhere = "", grey = "Grey keys have no note yet." }) {
  const add = (tag, className, parent, text = "") => {
    const element = parent.appendChild(document.createElement(tag));
    element.className = className;
    element.textContent = text;
    if (tag === "button") element.type = "button";
    return element;
  };
  root.classList.add("gansynth-keys");
  const bar = add("div", "bar", root);
  const octaves = add("div", "octaves", bar);
  const down = add("button", "", octaves, "−"), where = add("output", "", octaves), up = add("button", "", octaves, "+");
  const off = add("button", "off", bar, "All off");
  const midi = add("button", "midi", bar, "Connect MIDI");
  const devices = add("select", "devices", bar);
  const piano = add("div", "piano", root);
  const news = add("p", "news", root), shades = add("p", "shades", root), latency = add("p", "latency", root);
  add("p", "help", root, "Keys A W S E D F … play, Z and X change the octave, Space silences all notes. With the mouse or a finger, a key is louder further down.");
  down.setAttribute("aria-label", "Octave down (Z)");
  up.setAttribute("aria-label", "Octave up (X)");
  devices.setAttribute("aria-label", "MIDI device");
  devices.hidden = true;
  news.setAttribute("role", "status");
  piano.tabIndex = 0;
  piano.setAttribute("role", "group");
  piano.setAttribute("aria-label", "Piano: keys A W S E D F and so on play, Z and X change the octave, Space silences all notes");

  const held = new Map(); // holder -> key
  const buttons = new Map(); // key -> button
  let base = 60, access = null, wheel = 0, letters = [...LETTERS];

  // ----------------------------------------------------------------------------------------------------- the picture
  const build = () => {
    const count = Math.min(5, Math.max(1, Math.floor((piano.clientWidth / MIN_WIDTH - 1) / 7)));
    const first = Math.max(FIRST, Math.min(LAST - 12 * count, base - 12 * Math.floor((count - 1) / 2)));
    const whites = 7 * count + 1;
    buttons.clear();
    piano.replaceChildren();
    for (let key = first, white = 0; key <= first + 12 * count; key++) {
      const button = add("button", isBlack(key) ? "black" : "white", piano);
      button.style.width = `${((isBlack(key) ? BLACK : 1) * 100) / whites}%`;
      button.style.left = `${((white - (isBlack(key) ? BLACK / 2 : 0)) * 100) / whites}%`;
      button.tabIndex = -1;
      button.dataset.key = key;
      button.setAttribute("aria-label", noteName(key));
      add("span", "letter", button, letters[key - base] ?? "");
      if (key % 12 === 0) add("span", "name", button, noteName(key));
      buttons.set(key, button);
      if (!isBlack(key)) white++;
    }
    where.textContent = `${noteName(base)} – ${noteName(Math.min(LAST, base + 16))}`;
    down.disabled = base <= FIRST;
    up.disabled = base >= LAST - 12;
    show();
  };
  const show = () => {
    const keys = new Set(held.values()), states = new Set();
    for (const [key, button] of buttons) {
      const state = sampler.state(key);
      states.add(state);
      button.classList.toggle("on", keys.has(key));
      button.classList.toggle("old", state === "old");
      button.classList.toggle("waiting", !state);
      button.title = state ? "" : grey;
    }
    const old = "Shaded keys still play the previous choice.";
    shades.textContent = [states.has("") && grey, states.has("old") && old].filter(Boolean).join(" ");
  };
  const octave = (step) => {
    base = Math.max(FIRST, Math.min(LAST - 12, base + 12 * step));
    build();
  };

  // ------------------------------------------------------------------------------------------------- start and stop
  const wake = () => {
    if (context.state !== "running") context.resume().catch(() => {});
  };
  const press = (holder, key, velocity, event) => {
    wake();
    release(holder);
    if (key < FIRST || key > LAST) return;
    held.set(holder, key);
    const script = Math.max(0, performance.now() - event.timeStamp);
    played(key);
    if (sampler.press(holder, key, velocity)) {
      const output = 1000 * (context.baseLatency + (context.outputLatency || 0));
      latency.textContent = `Latency ${Math.round(script + output)} ms: ${script.toFixed(1)} from the key to the start, ${Math.round(output)} in the browser's output`;
      latency.dataset.script = script;
    }
    show();
  };
  const release = (holder) => {
    if (!held.delete(holder)) return;
    sampler.release(holder);
    show();
  };
  const releaseAll = (kind) => {
    for (const holder of [...held.keys()]) if (holder.startsWith(kind)) release(holder);
  };
  const stop = () => {
    held.clear();
    sampler.silence();
    show();
  };

  // --------------------------------------------------------------------------------------------- the computer's keys
  const onKeyDown = (event) => {
    const at = event.target instanceof Element ? event.target : root;
    if (event.key === "Meta") releaseAll("key "); // a Mac does not report keys that are released while it is down
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (at.closest("input:not([type=range]), textarea, select, [contenteditable]")) return;
    const note = CODES.indexOf(event.code), step = { KeyZ: -1, KeyX: 1 }[event.code];
    const isSpace = event.code === "Space" && !(at.closest("button, a, summary, [role=slider]") && !piano.contains(at));
    if (note < 0 && !step && !isSpace) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat) return;
    if (isSpace) stop();
    else if (step) octave(step);
    else press(`key ${event.code}`, base + note, TYPED, event);
  };
  const onKeyUp = (event) => release(`key ${event.code}`);

  // ------------------------------------------------------------------------------------------------ mouse and fingers
  const fingers = new Set();
  const keyAt = (event) => {
    const button = root.getRootNode().elementFromPoint(event.clientX, event.clientY)?.closest("[data-key]");
    return button && piano.contains(button) ? button : null;
  };
  const follow = (event) => {
    const holder = `pointer ${event.pointerId}`, button = keyAt(event);
    if (!button) return release(holder);
    const key = Number(button.dataset.key), box = button.getBoundingClientRect();
    const depth = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
    if (held.get(holder) !== key) press(holder, key, Math.round(SOFTEST + (127 - SOFTEST) * depth), event);
  };
  const lift = (event) => {
    fingers.delete(event.pointerId);
    release(`pointer ${event.pointerId}`);
  };
  piano.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault(); // prevents a selection, and the click that would follow
    piano.focus({ preventScroll: true });
    fingers.add(event.pointerId);
    piano.setPointerCapture(event.pointerId);
    follow(event);
  });
  piano.addEventListener("pointermove", (event) => {
    if (fingers.has(event.pointerId)) follow(event);
  });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) piano.addEventListener(kind, lift);
  piano.addEventListener("contextmenu", (event) => event.preventDefault());
  piano.addEventListener("click", (event) => {
    const button = event.target.closest("[data-key]");
    if (!button || event.detail) return;
    const key = Number(button.dataset.key);
    press(`tap ${key}`, key, TYPED, event);
    setTimeout(() => release(`tap ${key}`), TAP);
  });

  // ------------------------------------------------------------------------------------------------------------ MIDI
  const onMidi = (input, { data, timeStamp }) => {
    if (devices.value && devices.value !== input.id) return;
    const [status, first, second = 0] = data, kind = status & 0xf0;
    const holder = `midi ${input.id} ${status & 0xf} ${first}`;
    if (kind === 0x90 && second) press(holder, first, second, { timeStamp });
    else if (kind === 0x80 || kind === 0x90) release(holder);
    else if (kind === 0xb0 && first === 64) sampler.pedal(second >= 64);
    else if (kind === 0xb0 && (first === 120 || first === 123)) stop();
    else if (kind === 0xe0) {
      wheel = ((second << 7) + first - 8192) / 8192;
      sampler.bend(BEND_RANGE * wheel);
    }
  };
  const listDevices = () => {
    const inputs = [...access.inputs.values()].filter((input) => input.state !== "disconnected");
    const chosen = devices.value;
    devices.replaceChildren(new Option(inputs.length === 1 ? inputs[0].name : `All ${inputs.length} devices`, ""));
    if (inputs.length > 1) for (const input of inputs) devices.add(new Option(input.name, input.id));
    devices.value = inputs.length > 1 && inputs.some((input) => input.id === chosen) ? chosen : "";
    devices.hidden = !inputs.length;
    for (const input of inputs) input.onmidimessage = (event) => onMidi(input, event);
    news.textContent = inputs.length
      ? `MIDI: ${inputs.map((input) => input.name).join(", ")}`
      : "MIDI is on; connect a keyboard";
  };
  const unplugged = ({ port }) => {
    if (port.type === "input" && port.state === "disconnected") {
      releaseAll(`midi ${port.id} `);
      sampler.pedal(false);
      sampler.bend(0);
    }
    listDevices();
  };
  midi.addEventListener("click", async () => {
    wake();
    const found = await askForMidi();
    if (found.why) {
      news.textContent = `${found.why}.${elsewhere && ` ${elsewhere}`}`;
      return;
    }
    access = found.access;
    access.onstatechange = unplugged;
    midi.hidden = true;
    listDevices();
  });
  devices.addEventListener("change", () => {
    releaseAll("midi ");
    sampler.pedal(false);
  });

  // ------------------------------------------------------------------------------------------------------- the window
  const onHidden = () => {
    if (document.hidden) stop();
  };
  down.addEventListener("click", () => octave(-1));
  up.addEventListener("click", () => octave(1));
  off.addEventListener("click", stop);
  scope.addEventListener("keydown", onKeyDown);
  window.addEventListener("keyup", onKeyUp, true);
  window.addEventListener("blur", stop);
  window.addEventListener("pagehide", stop);
  document.addEventListener("visibilitychange", onHidden);
  const room = new ResizeObserver(build);
  room.observe(piano);
  build();
  navigator.keyboard?.getLayoutMap?.().then((map) => {
    letters = CODES.map((code, i) => (map.get(code) ?? LETTERS[i]).toUpperCase());
    build();
  }).catch(() => {}); // not allowed in a frame

  const dispose = () => {
    stop();
    room.disconnect();
    if (access) {
      access.onstatechange = null;
      for (const input of access.inputs.values()) input.onmidimessage = null;
    }
    scope.removeEventListener("keydown", onKeyDown);
    window.removeEventListener("keyup", onKeyUp, true);
    window.removeEventListener("blur", stop);
    window.removeEventListener("pagehide", stop);
    document.removeEventListener("visibilitychange", onHidden);
  };
  return { show, stop, dispose };
}
