// What all controls of a page share, set up once a page: who keeps the keys, and that only one of them sounds.

// Keys that the notebook keeps even where a control is focused: to leave, to go on, to run the cell, and its shortcuts.
function isNotebooks(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  return event.key === "Escape" || event.key === "Tab" || (event.key === "Enter" && event.shiftKey);
}

// A focused button, slider or list gets its keys, and the notebook's command mode does not ("d d" deletes a cell).
function keepKeys() {
  const guarded = new WeakSet();
  const rootOf = (element) => element.closest?.(".gansynth-control");
  const keep = (event) => {
    if (!isNotebooks(event)) event.stopPropagation();
  };
  // On the control itself, because a notebook listens on elements around it too.
  document.addEventListener("focusin", (event) => {
    const root = rootOf(event.target);
    if (!root || guarded.has(root)) return;
    guarded.add(root);
    root.addEventListener("keydown", keep);
  });
  // Older notebooks hear of keys before the control does; to those this attribute says whose the key is.
  const mark = (event) => {
    if (rootOf(event.target)) event.target.toggleAttribute("data-lm-suppress-shortcuts", !isNotebooks(event));
  };
  window.addEventListener("keydown", mark, true);
}

// Whatever begins to sound tells the page by an event "gansynth-started", whose detail is what sounds now: a media
// element, or the model of a player. Everything else then stops. Each output of Colab is a page of its own, so that the
// news go to the others of the notebook as well.
function soundAlone() {
  const STARTED = "gansynth-started";
  const tell = (source) => document.dispatchEvent(new CustomEvent(STARTED, { detail: source }));
  const elsewhere = new BroadcastChannel(STARTED);
  elsewhere.onmessage = () => tell(null);
  document.addEventListener("play", (event) => tell(event.target), true); // it does not bubble
  document.addEventListener(STARTED, ({ detail: source }) => {
    for (const media of document.querySelectorAll("audio, video")) if (media !== source && !media.paused) media.pause();
    if (source !== null) elsewhere.postMessage(null);
  });
}

if (!globalThis.gansynthPage) {
  globalThis.gansynthPage = true;
  keepKeys();
  soundAlone();
}
