// Code and a button that copies it; where there is no clipboard (on an insecure page), the code is selected instead.
function render({ model, el }) {
  el.classList.add("gansynth-code");
  const code = document.createElement("code");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy as code";
  button.title = "Copy the equivalent Python code";

  const show = () => {
    code.textContent = model.get("text");
    el.hidden = !model.get("text");
    el.setAttribute("aria-label", model.get("hint"));
  };
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(model.get("text"));
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected: copy it";
    }
    setTimeout(() => (button.textContent = "Copy as code"), 1500);
  });
  model.on("change:text change:hint", show);
  show();
  el.append(code, button);
}
export default { render };
