// A point on a square, dragged or moved with the arrow keys. x and y are synchronised; {play, x, y} is sent on release.
const STEP = 0.05, FINE = 0.01; // per arrow key, and with shift
const PAUSE = 250; // ms after the last arrow key until the blend is played
const clamp = (value) => Math.min(1, Math.max(0, Math.round(value * 1000) / 1000));

function render({ model, el }) {
  const add = (kind, parent) => {
    const element = document.createElement("div");
    element.className = kind;
    parent.append(element);
    return element;
  };
  const square = add("square", el);
  const corners = [0, 1, 2, 3].map(() => {
    const corner = add("corner", square);
    return { name: corner.appendChild(document.createElement("span")), share: corner.appendChild(document.createElement("small")) };
  });
  const across = add("line across", square), down = add("line down", square), point = add("point", square);
  let x = model.get("x"), y = model.get("y"), dragged = null, timer;

  const show = () => {
    const names = model.get("names");
    const shares = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y].map((share) => `${Math.round(share * 100)} %`);
    corners.forEach(({ name, share }, i) => {
      name.textContent = names[i] ?? "";
      share.textContent = shares[i];
    });
    point.style.left = down.style.left = `${x * 100}%`;
    point.style.top = across.style.top = `${y * 100}%`;
    square.setAttribute("aria-valuenow", Math.round(x * 100));
    square.setAttribute("aria-valuetext", names.map((name, i) => `${name} ${shares[i]}`).join(", "));
  };
  const move = (newX, newY) => {
    [x, y] = [clamp(newX), clamp(newY)];
    show();
    model.set({ x, y });
    model.save_changes();
  };
  const play = () => model.send({ play: true, x, y });
  const follow = (event) => {
    const box = square.getBoundingClientRect();
    move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  const update = () => {
    if (dragged === null) [x, y] = [model.get("x"), model.get("y")];
    show();
  };

  square.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    dragged = event.pointerId;
    square.setPointerCapture(dragged);
    follow(event);
  });
  square.addEventListener("pointermove", (event) => {
    if (event.pointerId === dragged) follow(event);
  });
  const release = (event) => {
    if (event.pointerId !== dragged) return;
    dragged = null;
    play();
  };
  square.addEventListener("pointerup", release);
  square.addEventListener("pointercancel", release);
  square.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? FINE : STEP;
    const way = { ArrowRight: [step, 0], ArrowLeft: [-step, 0], ArrowDown: [0, step], ArrowUp: [0, -step], Enter: [0, 0], " ": [0, 0] }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    move(x + way[0], y + way[1]);
    clearTimeout(timer);
    timer = setTimeout(play, way[0] || way[1] ? PAUSE : 0);
  });
  for (const [name, value] of Object.entries({
    tabindex: 0, role: "slider", "aria-label": "Blend of four instruments; arrow keys move the point, Enter plays",
    "aria-valuemin": 0, "aria-valuemax": 100, title: "Drag the point, or move it with the arrow keys (shift: finer)",
  })) square.setAttribute(name, value);
  model.on("change:x change:y change:names", update);
  el.classList.add("gansynth-pad");
  show();
  return () => {
    clearTimeout(timer);
    model.off("change:x change:y change:names", update);
  };
}
export default { render };
