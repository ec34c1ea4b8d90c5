// A picture with a time axis that is rearranged in a narrow window, where its labels would be too small to read: the
// labels of the vertical axis, the plot and the part to its right (such as a colour bar) are cut out of the picture,
// and only the plot is squeezed. The time axis is redrawn.
const NARROW = 560; // pixels of width below which the picture is rearranged
const KEY_ROOM = 420; // pixels of width below which the part to the right is left out
const SCALE = 0.75; // of the labels in a narrow picture
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600];
const TICK_ROOM = 40; // least distance of two ticks (pixels)

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
  // Rearrange the image if the screen is narrow. The box of the axes, [left, bottom, width, height], is given as shares
  // of the image. Returns the box in pixels of the screen, or null if the image should be shown as it is.
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
