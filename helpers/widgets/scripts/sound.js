// One clip to hear. It is loaded whenever there is a new one, and begins by itself only when a message says so: a
// message is not part of the state, so that a page that is opened again is silent.
function render({ model, el }) {
  const audio = document.createElement("audio");
  audio.controls = true;
  let address = "";
  let wanted = null; // number of the clip that is to be played, which may arrive after the message

  const start = () => {
    if (wanted === null || wanted !== model.get("clip") || !el.isConnected) return;
    wanted = null;
    audio.play().catch(() => {}); // a browser may want a click first; the button is there for that
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
    audio.removeAttribute("src"); // else it goes on while nobody can stop it
    audio.load();
    URL.revokeObjectURL(address);
  };
}
export default { render };
