// Clips side by side, each under its picture, to compare by ear: all run in step, and a cursor moves over all pictures.
// A click on a picture plays that clip from there. Needs transport.js.
const STEP = 0.1; // s per arrow key

function view(model, sound, el) {
  el.classList.add("gansynth-sides");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "A/B player");
  const cards = element("div", "cards");
  const play = element("button", "play", { type: "button", title: "Play and pause (Space)", "aria-keyshortcuts": "Space" });
  const place = element("input", "", { type: "range", min: "0", step: "0.01", "aria-label": "position" });
  const time = element("span", "time");
  const loop = element("button", "loop", { type: "button", title: "Repeat (L)", "aria-keyshortcuts": "L" });
  const bar = element("div", "bar");
  loop.textContent = "↻ Loop";
  bar.append(play, place, time, loop);
  el.append(cards, bar);
  let shown = []; // {button, cursor} of each card
  let addresses = [], frame = 0;

  function showPosition() {
    const longest = longestOf(model), at = sound.position();
    const [left, bottom, width, height] = model.get("axes");
    const box = { left: left + (longest ? (width * at) / longest : 0), bottom, height };
    for (const { cursor } of shown) for (const side in box) cursor.style[side] = `${100 * box[side]}%`;
    const text = `${at.toFixed(1)} of ${longest.toFixed(1)} s`;
    if (time.textContent === text) return;
    time.textContent = text;
    place.max = longest;
    place.value = at;
    place.setAttribute("aria-valuetext", text);
  }
  function move() {
    showPosition();
    frame = model.get("playing") ? requestAnimationFrame(move) : 0;
  }
  function showPlaying() {
    play.textContent = model.get("playing") ? "Pause" : "Play";
    play.classList.toggle("pause", model.get("playing"));
    cancelAnimationFrame(frame);
    move();
  }
  function showCurrent() {
    shown.forEach(({ button, card }, i) => {
      button.setAttribute("aria-pressed", i === model.get("current"));
      card.classList.toggle("current", i === model.get("current"));
    });
  }
  function showLoop() {
    loop.setAttribute("aria-pressed", model.get("loop"));
  }
  function make(name, i) {
    const card = element("figure", "card");
    const button = element("button", "", { type: "button", title: `${name} (key ${i + 1})`, "aria-keyshortcuts": i + 1 });
    const key = element("kbd", "", { "aria-hidden": "true" }), label = element("span", "");
    const screen = element("div", "screen"), image = element("img", "", { draggable: "false" }), cursor = element("div", "cursor");
    const caption = element("figcaption", "");
    key.textContent = i + 1;
    label.textContent = name;
    button.append(key, label);
    image.alt = `${model.get("picture")} of ${name}`;
    image.src = addresses[i] ?? "";
    image.hidden = !addresses[i];
    screen.append(image, cursor);
    caption.textContent = model.get("captions")[i] ?? "";
    card.append(button, screen, caption);
    button.addEventListener("click", () => sound.choose(i));
    screen.addEventListener("click", (event) => {
      const box = screen.getBoundingClientRect(), [left, , width] = model.get("axes");
      const share = clamp(((event.clientX - box.left) / box.width - left) / width, 0, 1);
      sound.choose(i);
      sound.seek(share * longestOf(model));
      if (!model.get("playing")) sound.toggle();
    });
    return { card, button, cursor };
  }
  function showCards() {
    addresses.forEach((address) => URL.revokeObjectURL(address));
    addresses = model.get("pictures").map((png) => URL.createObjectURL(new Blob([png], { type: "image/png" })));
    shown = model.get("names").map(make);
    cards.replaceChildren(...shown.map(({ card }) => card));
    el.hidden = !shown.length;
    showCurrent();
    time.textContent = "";
    showPosition();
  }

  play.addEventListener("click", () => sound.toggle());
  loop.addEventListener("click", () => sound.set({ loop: !model.get("loop") }));
  place.addEventListener("input", () => {
    sound.seek(Number(place.value));
    showPosition();
  });
  el.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const digit = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : -1;
    const steps = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP };
    if (event.key === " " && event.target.tagName !== "BUTTON") sound.toggle();
    else if (digit >= 0 && digit < shown.length) sound.choose(digit);
    else if (event.key.toLowerCase() === "l") sound.set({ loop: !model.get("loop") });
    else if (event.key in steps) sound.seek(sound.position() + steps[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
    showPosition();
  });

  const listeners = [
    ["change:playing", showPlaying],
    ["change:position change:seconds", showPosition],
    ["change:current", showCurrent],
    ["change:names change:captions change:pictures change:axes", showCards],
    ["change:loop", showLoop],
  ];
  for (const [names, listener] of listeners) model.on(names, listener);
  showCards();
  showLoop();
  showPlaying();
  sound.enter();
  return () => {
    cancelAnimationFrame(frame);
    for (const [names, listener] of listeners) model.off(names, listener);
    addresses.forEach((address) => URL.revokeObjectURL(address));
    sound.leave();
  };
}

export default withTransport(view);
