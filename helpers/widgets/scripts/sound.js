// A player for one clip. A new clip is loaded at once, but starts to play only on a message. Messages are not part of
// the state, so that a reloaded page stays silent.
function render({ model, el }) {
  const audio = document.createElement("audio");
  audio.controls = true;
  let address = "";
  let wanted = null; // number of the clip to play, which may arrive after the message

  const start = () => {
    if (wanted === null || wanted !== model.get("clip") || !el.isConnected) return;
    wanted = null;
    audio.play().catch(() => {}); // the browser may require a click first: the user can press the play button
  };
  const load = () => {
    const bytes = model.get("value");
    if (!bytes?.byteLength) return;
    const before = address;
    address = URL.createObjectURL(new Blob([bytes], { type: "audio/flac" }));
    audio.src = address;
    URL.revokeObjectURL(before);
    start();
  };
  const hear = (message) => {
    wanted = message.play;
    start();
  };
  model.on("change:clip", load);
  model.on("msg:custom", hear);
  el.classList.add("gansynth-sound");
  el.append(audio);
  load();
  return () => {
    model.off("change:clip", load);
    model.off("msg:custom", hear);
    audio.removeAttribute("src"); // otherwise it would go on playing without a button to stop it
    audio.load();
    URL.revokeObjectURL(address);
  };
}
export default { render };
