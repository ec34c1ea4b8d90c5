// A piano roll, readable in a narrow window too.
function render({ model, el }) {
  const image = document.createElement("img");
  const folded = foldable();
  let address = "";

  const fold = () => {
    const box = folded.show(el, image, model.get("axes"), model.get("seconds"));
    image.hidden = box !== null;
  };
  const show = () => {
    const before = address;
    address = URL.createObjectURL(new Blob([model.get("value")], { type: "image/png" }));
    image.src = address;
    URL.revokeObjectURL(before);
  };
  image.alt = "Piano roll of the score";
  image.addEventListener("load", fold); // its size is known now
  model.on("change:value", show);
  el.classList.add("gansynth-roll");
  el.append(image, folded.root);
  show();
  const room = new ResizeObserver(fold);
  room.observe(el);
  return () => {
    room.disconnect();
    model.off("change:value", show);
    URL.revokeObjectURL(address);
  };
}
export default { render };
