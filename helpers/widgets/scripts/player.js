// An A/B player. All clips run in step in one audio context, each behind a gain of its own; the one that is heard is
// open. So switching is a crossfade and cannot lose the position. The sound belongs to the model, a view only shows it.
const FADE = 0.004; // s, time constant of a switch: shorter clicks, longer blurs what is compared
const LEAD = 0.02; // s from the call to the first sample, so that all clips begin together
const PATIENCE = 1000; // ms that the browser gets to let sound begin
const STEP = 0.1; // s, an arrow key
const PAGE = 1; // s, Page Up and Page Down
const STARTED = "gansynth-started"; // tells everything else on the page to stop, and comes from there: see page.js

const longestOf = (model) => Math.max(0, ...model.get("seconds"));
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

function transport(model) {
  let context = null;
  let master = null;
  let decoded = null; // promise of one {buffer, gain} a clip, all buffers equally long
  let tracks = [];
  let sources = []; // those that run now
  let begin = 0; // s, where they began
  let origin = 0; // s on the context's clock, where they would have been at position 0
  let attempt = 0; // counts starts and stops, so that a start that was waited for knows when it is no longer wanted
  let views = 0;
  let kept = model.get("position");

  function set(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }

  function position() {
    if (!sources.length) return Math.min(model.get("position"), longestOf(model));
    const now = Math.max(context.currentTime - origin, begin);
    return model.get("loop") ? now % sources[0].buffer.duration : Math.min(now, longestOf(model));
  }

  function keep(seconds) {
    kept = clamp(seconds, 0, longestOf(model));
    set({ position: kept });
  }

  async function decode() {
    const files = model.get("sounds").map((file) => {
      const bytes = file.buffer ?? file; // a DataView, on all of the message's bytes
      return bytes.slice(file.byteOffset ?? 0, (file.byteOffset ?? 0) + file.byteLength);
    });
    const buffers = await Promise.all(files.map((file) => context.decodeAudioData(file)));
    const frames = Math.max(...buffers.map((buffer) => buffer.length));
    return buffers.map((buffer) => {
      const padded = context.createBuffer(buffer.numberOfChannels, frames, buffer.sampleRate);
      for (let i = 0; i < buffer.numberOfChannels; i++) padded.copyToChannel(buffer.getChannelData(i), i);
      const gain = context.createGain();
      gain.connect(master);
      return { buffer: padded, gain };
    });
  }

  function release() {
    for (const source of sources) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    sources = [];
  }

  function run(from) {
    release();
    const when = context.currentTime + LEAD;
    begin = from;
    origin = when - from;
    sources = tracks.map(({ buffer, gain }, i) => {
      const source = context.createBufferSource();
      source.buffer = buffer;
      source.loop = model.get("loop");
      gain.gain.cancelScheduledValues(0);
      gain.gain.value = i === model.get("current") ? 1 : 0;
      source.connect(gain);
      source.start(when, from);
      return source;
    });
    sources[0].onended = () => {
      release();
      keep(longestOf(model));
      set({ playing: false });
    };
  }

  async function start() {
    const mine = ++attempt;
    const wanted = () => mine === attempt;
    set({ trouble: "" });
    try {
      if (!model.get("sounds").length) throw new Error("there is no clip to play");
      if (!context) {
        context = new AudioContext();
        master = context.createGain();
        master.connect(context.destination);
        changeVolume();
      }
      // Without a click or a key before it, the browser leaves this promise open.
      await Promise.race([context.resume(), new Promise((done) => setTimeout(done, PATIENCE))]);
      if (!wanted()) return;
      if (context.state !== "running") throw new Error("the browser lets sound begin only after a click: press Play");
      decoded ??= decode();
      const ready = await decoded;
      if (!wanted()) return;
      tracks = ready;
      document.dispatchEvent(new CustomEvent(STARTED, { detail: model }));
      const from = model.get("position");
      run(from < longestOf(model) - 1e-3 ? from : 0);
    } catch (error) {
      if (wanted()) set({ playing: false, trouble: `this cannot be played: ${error.message}` });
    }
  }

  function stop() {
    attempt++;
    if (!sources.length) return;
    const at = position();
    release();
    keep(at);
  }

  const changePlaying = () => (model.get("playing") ? start() : stop());
  const changeVolume = () => master?.gain.setTargetAtTime(model.get("volume"), context.currentTime, FADE);
  function changeCurrent() {
    tracks.forEach(({ gain }, i) => {
      gain.gain.setTargetAtTime(i === model.get("current") ? 1 : 0, context.currentTime, FADE);
    });
  }
  function changePosition() {
    if (model.get("position") === kept) return;
    kept = model.get("position"); // set by Python
    if (sources.length) run(Math.min(kept, longestOf(model)));
  }
  function changeLoop() {
    if (!sources.length) return;
    const length = sources[0].buffer.duration;
    const rounds = Math.floor((context.currentTime - origin) / length);
    if (rounds > 0) {
      origin += rounds * length; // as if this round had been the first
      begin = 0;
    }
    for (const source of sources) source.loop = model.get("loop");
  }
  function changeSounds() {
    attempt++;
    release();
    for (const { gain } of tracks) gain.disconnect();
    tracks = [];
    decoded = null;
  }
  function otherStarted(event) {
    if (event.detail !== model && model.get("playing")) set({ playing: false });
  }

  const listeners = {
    "change:playing": changePlaying,
    "change:volume": changeVolume,
    "change:current": changeCurrent,
    "change:position": changePosition,
    "change:loop": changeLoop,
    "change:sounds": changeSounds,
  };
  for (const [name, listener] of Object.entries(listeners)) model.on(name, listener);
  document.addEventListener(STARTED, otherStarted);
  if (model.get("playing")) set({ playing: false }); // a page that was reloaded is silent

  return {
    position,
    toggle: () => set({ playing: !model.get("playing") }),
    choose: (i) => set({ current: i }),
    seek(seconds) {
      keep(seconds);
      if (sources.length) run(kept);
    },
    set,
    enter: () => views++,
    leave() {
      if (--views === 0 && model.get("playing")) set({ playing: false }); // nobody could stop it any more
    },
    close() {
      stop();
      document.removeEventListener(STARTED, otherStarted);
      for (const [name, listener] of Object.entries(listeners)) model.off(name, listener);
      context?.close();
    },
  };
}

function element(tag, className, attributes = {}) {
  const made = document.createElement(tag);
  made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function view(model, sound, el) {
  el.classList.add("gansynth-player");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "A/B player");

  const screen = element("div", "gansynth-player-screen");
  const slider = element("div", "gansynth-player-slider", {
    role: "slider", tabindex: "0", "aria-label": "position", "aria-valuemin": "0",
    title: "Click or drag to move; arrow keys, Page Up and Down, Home, End",
  });
  const cursor = element("div", "gansynth-player-cursor");
  slider.append(cursor);
  const folded = foldable();

  const play = element("button", "gansynth-player-play", { type: "button" });
  const choices = element("div", "gansynth-player-clips", { role: "group", "aria-label": "clip" });
  const time = element("span", "gansynth-player-time");
  const loop = element("button", "gansynth-player-loop", {
    type: "button", title: "Begin again at the end (L)", "aria-keyshortcuts": "L",
  });
  loop.textContent = "↻ Loop";
  const volume = element("input", "", { type: "range", min: "0", max: "1", step: "0.01", "aria-label": "volume" });
  const volumeLabel = element("label", "gansynth-player-volume", { title: "Volume" });
  volumeLabel.append("Volume", volume);
  const bar = element("div", "gansynth-player-bar");
  bar.append(play, choices, time, loop, volumeLabel);
  el.append(screen, bar);

  let images = [];
  let addresses = [];
  let dragged = null; // s, where the pointer holds the cursor
  let frame = 0;

  function showPosition() {
    const longest = longestOf(model);
    const at = dragged ?? sound.position();
    cursor.style.left = `${longest ? (100 * at) / longest : 0}%`;
    const text = `${at.toFixed(1)} of ${longest.toFixed(1)} s`;
    if (time.textContent === text) return;
    time.textContent = text;
    slider.setAttribute("aria-valuemax", longest.toFixed(3));
    slider.setAttribute("aria-valuenow", at.toFixed(3));
    slider.setAttribute("aria-valuetext", text);
  }
  function move() {
    showPosition();
    frame = model.get("playing") ? requestAnimationFrame(move) : 0;
  }
  function showPlaying() {
    const playing = model.get("playing");
    play.textContent = playing ? "Pause" : "Play";
    play.classList.toggle("gansynth-player-pause", playing);
    play.title = `${play.textContent} (Space)`;
    play.setAttribute("aria-keyshortcuts", "Space");
    cancelAnimationFrame(frame);
    move();
  }
  function showCurrent() {
    const current = model.get("current");
    [...choices.children].forEach((button, i) => button.setAttribute("aria-pressed", i === current));
    showScreen();
  }
  function showScreen() {
    const current = model.get("current"), image = images[current], axes = model.get("axes");
    const box = folded.show(screen, image, axes, longestOf(model));
    images.forEach((other, i) => (other.hidden = box !== null || i !== current));
    const place = box ? box.map((size) => `${size}px`) : axes.map((share) => `${100 * share}%`);
    ["left", "bottom", "width", "height"].forEach((side, i) => (slider.style[side] = place[i]));
  }
  function showClips() {
    choices.replaceChildren(
      ...model.get("names").map((name, i) => {
        const button = element("button", "", { type: "button" });
        const label = element("span", "");
        label.textContent = name;
        if (i < 9) {
          const key = element("kbd", "", { "aria-hidden": "true" });
          key.textContent = i + 1;
          button.append(key);
          button.setAttribute("aria-keyshortcuts", i + 1);
        }
        button.append(label);
        button.title = `${name}: ${model.get("seconds")[i].toFixed(1)} s${i < 9 ? ` (key ${i + 1})` : ""}`;
        button.addEventListener("click", (event) => {
          sound.choose(i);
          toKeys(event);
        });
        return button;
      }),
    );
    const some = model.get("names").length > 0;
    el.hidden = !some;
    showCurrent();
    showPosition();
  }
  function showPictures() {
    addresses.forEach((address) => URL.revokeObjectURL(address));
    addresses = model.get("pictures").map((png) => URL.createObjectURL(new Blob([png], { type: "image/png" })));
    images = addresses.map((address, i) => {
      const image = element("img", "", { draggable: "false" });
      image.addEventListener("load", showScreen); // its size is known now
      image.src = address;
      image.alt = `${model.get("picture")} of ${model.get("names")[i] ?? ""}`;
      return image;
    });
    const waiting = element("div", "gansynth-player-waiting");
    waiting.textContent = model.get("picture");
    screen.replaceChildren(...(images.length ? images : [waiting]), folded.root, slider);
    showCurrent();
  }
  function showLoop() {
    loop.setAttribute("aria-pressed", model.get("loop"));
  }
  function showVolume() {
    volume.value = model.get("volume");
    volume.setAttribute("aria-valuetext", `${Math.round(100 * model.get("volume"))} %`);
  }

  // After a click the keys belong to the position; who came to a button by the keyboard stays there.
  function toKeys(event) {
    if (event.detail > 0) slider.focus({ preventScroll: true });
  }
  function at(event) {
    const box = slider.getBoundingClientRect();
    return clamp((event.clientX - box.left) / box.width, 0, 1) * longestOf(model);
  }
  slider.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    slider.setPointerCapture(event.pointerId);
    dragged = at(event);
    showPosition();
  });
  slider.addEventListener("pointermove", (event) => {
    if (dragged === null) return;
    dragged = at(event);
    showPosition();
  });
  slider.addEventListener("pointerup", () => {
    if (dragged === null) return;
    const target = dragged;
    dragged = null;
    sound.seek(target);
    showPosition();
  });
  slider.addEventListener("pointercancel", () => {
    dragged = null;
    showPosition();
  });
  play.addEventListener("click", (event) => {
    sound.toggle();
    toKeys(event);
  });
  loop.addEventListener("click", (event) => {
    sound.set({ loop: !model.get("loop") });
    toKeys(event);
  });
  volume.addEventListener("input", () => sound.set({ volume: Number(volume.value) }));
  el.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP, PageDown: -PAGE, PageUp: PAGE };
    const ends = { Home: 0, End: longestOf(model) };
    const own = event.target === volume; // it has arrow keys of its own
    const digit = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : -1;
    if (event.key === " " && event.target.tagName !== "BUTTON") sound.toggle();
    else if (digit >= 0 && digit < model.get("names").length) sound.choose(digit);
    else if (event.key.toLowerCase() === "l") sound.set({ loop: !model.get("loop") });
    else if (event.key in steps && !own) sound.seek(sound.position() + steps[event.key]);
    else if (event.key in ends && !own) sound.seek(ends[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
    showPosition();
  });

  const listeners = [
    ["change:playing", showPlaying],
    ["change:position change:seconds", showPosition],
    ["change:current", showCurrent],
    ["change:names change:seconds", showClips],
    ["change:pictures change:picture", showPictures],
    ["change:axes", showScreen],
    ["change:loop", showLoop],
    ["change:volume", showVolume],
  ];
  for (const [names, listener] of listeners) model.on(names, listener);
  showClips();
  showPictures();
  showLoop();
  showVolume();
  showPlaying();
  sound.enter();
  const room = new ResizeObserver(showScreen);
  room.observe(screen);

  return () => {
    room.disconnect();
    cancelAnimationFrame(frame);
    for (const [names, listener] of listeners) model.off(names, listener);
    addresses.forEach((address) => URL.revokeObjectURL(address));
    sound.leave();
  };
}

export default () => {
  let sound;
  return {
    initialize({ model }) {
      sound = transport(model);
      return () => sound.close();
    },
    render: ({ model, el }) => view(model, sound, el),
  };
};
