// Set up once per page for all controls: key presses stay in the focused control, and only one sound plays at a time.

// Keys that the notebook gets even if a control has the focus: Escape, Tab, Shift-Enter and shortcuts with modifiers.
function isNotebooks(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  return event.key === "Escape" || event.key === "Tab" || (event.key === "Enter" && event.shiftKey);
}

// Other keys go only to the focused button, slider or list, not to the notebook's command mode ("d d" deletes a cell).
function keepKeys() {
  const guarded = new WeakSet();
  const rootOf = (element) => element.closest?.(".gansynth-control");
  const keep = (event) => {
    if (!isNotebooks(event)) event.stopPropagation();
  };
  // On the control itself, because a notebook also listens on the elements around it.
  document.addEventListener("focusin", (event) => {
    const root = rootOf(event.target);
    if (!root || guarded.has(root)) return;
    guarded.add(root);
    root.addEventListener("keydown", keep);
  });
  // Older notebooks receive key presses before the control does; this attribute tells them to ignore a key.
  const mark = (event) => {
    if (rootOf(event.target)) event.target.toggleAttribute("data-lm-suppress-shortcuts", !isNotebooks(event));
  };
  window.addEventListener("keydown", mark, true);
}

// Whatever starts to play announces it with an event "gansynth-started", whose detail is a media element or the model
// of a player. Everything else then stops. In Colab each output is a page of its own, so the event is also broadcast to
// the other pages of the notebook.
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
