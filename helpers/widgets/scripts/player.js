// An A/B player: the picture of the current clip with a cursor, and buttons. Needs picture.js and transport.js.
const STEP = 0.1; // s per arrow key
const PAGE = 1; // s per Page Up or Page Down

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
    type: "button", title: "Repeat (L)", "aria-keyshortcuts": "L",
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

  // A click moves the focus to the position slider; a button that was pressed with the keyboard keeps the focus.
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
    const own = event.target === volume; // the volume slider uses the arrow keys itself
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

export default withTransport(view);
