// A picture with a time axis, put together anew where it is so narrow that its labels would be too small to read: the
// labels of the vertical axis, what is drawn, and what stands to the right of it are cut out of the whole picture, and
// only the middle is squeezed. The time axis is written anew.
const NARROW = 560; // pixels
const KEY_ROOM = 420; // pixels that a narrow picture needs to have room for what stands to the right
const SCALE = 0.75; // of a narrow picture's labels
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600];
const TICK_ROOM = 40; // pixels from one tick to the next, at least

function foldable() {
  const part = (className, parent) => {
    const made = document.createElement("div");
    made.className = className;
    parent?.append(made);
    return made;
  };
  const root = part("gansynth-folded");
  const [scale, drawn, key] = [0, 1, 2].map(() => part("gansynth-cut", root));
  const ticks = part("gansynth-ticks", root);
  root.setAttribute("role", "img");
  root.hidden = true;

  function showTicks(seconds, room) {
    const step = TICKS.find((size) => (size / seconds) * room >= TICK_ROOM) ?? seconds;
    const count = seconds > 0 ? Math.floor(seconds / step + 1e-6) + 1 : 0;
    const title = document.createElement("b");
    title.textContent = "time (s)";
    ticks.replaceChildren(
      ...Array.from({ length: count }, (_, i) => {
        const tick = document.createElement("span");
        tick.textContent = Number((i * step).toFixed(1));
        tick.style.left = `${(100 * i * step) / seconds}%`;
        return tick;
      }),
      title,
    );
  }
  // Show the image in this way if the screen is narrow. The axes' box in the image is [left, bottom, width, height], as
  // shares of it. Returns where it is then, in pixels of the screen, or null where the image is to be shown as it is.
  function show(screen, image, [left, bottom, across, up], seconds) {
    const width = screen.clientWidth;
    root.hidden = !(width > 0 && width < NARROW && image?.naturalWidth > 0);
    if (root.hidden) {
      screen.style.height = screen.style.aspectRatio = "";
      return null;
    }
    root.setAttribute("aria-label", image.alt);
    const full = SCALE * image.naturalWidth, height = SCALE * image.naturalHeight, floor = (1 - bottom) * height;
    const from = left * full, to = width - (width < KEY_ROOM ? 12 : Math.max(12, (1 - left - across) * full));
    const squeezed = (to - from) / across;
    const cut = (element, at, room, size, shift, depth) =>
      Object.assign(element.style, {
        left: `${at}px`, width: `${room}px`, height: `${depth}px`, backgroundImage: `url("${image.src}")`,
        backgroundSize: `${size}px ${height}px`, backgroundPosition: `${-shift}px 0`,
      });
    cut(scale, 0, from, full, 0, floor + 6);
    cut(drawn, from, to - from, squeezed, left * squeezed, floor);
    cut(key, to, width - to, full, (left + across) * full, floor + 6);
    key.hidden = width < KEY_ROOM;
    Object.assign(ticks.style, { left: `${from}px`, width: `${to - from}px`, top: `${floor}px` });
    showTicks(seconds, to - from);
    Object.assign(screen.style, { height: `${height}px`, aspectRatio: "auto" });
    return [from, bottom * height, to - from, up * height];
  }
  return { root, show };
}
