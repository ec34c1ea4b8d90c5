// A button that asks Python for a file, and downloads it when it arrives.
const KEPT = 60_000; // ms until the address of the file is revoked; the browser has saved it by then

function render({ model, el }) {
  const button = document.createElement("button");
  button.type = "button";
  let asked = false; // whether this view was clicked: all views of the button receive the file

  const show = () => {
    el.hidden = !model.get("ready");
    button.textContent = model.get("label");
    button.title = model.get("hint");
    button.disabled = model.get("busy");
  };
  const arrived = (message, buffers) => {
    if (!asked) return;
    asked = false;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([buffers[0]], { type: model.get("media") }));
    link.download = message.name;
    el.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), KEPT);
  };
  button.addEventListener("click", () => {
    asked = true;
    model.send({});
  });
  model.on("change:ready change:label change:hint change:busy", show);
  model.on("msg:custom", arrived);
  show();
  el.classList.add("gansynth-download");
  el.append(button);
  return () => {
    model.off("change:ready change:label change:hint change:busy", show);
    model.off("msg:custom", arrived);
  };
}
export default { render };
