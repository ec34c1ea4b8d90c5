// A place to drop one file on; its bytes are sent to Python, unless it is too large.
function render({ model, el }) {
  const zone = document.createElement("div");
  zone.className = "gansynth-drop";
  const show = () => (zone.textContent = model.get("text"));

  const over = (event) => {
    event.preventDefault();
    event.stopPropagation();
    zone.classList.add("gansynth-over");
  };
  const leave = () => zone.classList.remove("gansynth-over");
  const drop = async (event) => {
    over(event);
    leave();
    const file = event.dataTransfer.files[0];
    if (!file) return;
    const fits = file.size <= model.get("most_bytes");
    model.send({ name: file.name }, undefined, fits ? [await file.arrayBuffer()] : []);
  };

  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", leave);
  zone.addEventListener("drop", drop);
  model.on("change:text", show);
  show();
  el.classList.add("gansynth-drop-place");
  el.append(zone);
  return () => model.off("change:text", show);
}
export default { render };
