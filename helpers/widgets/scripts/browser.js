// Cards in a grid: a button that plays and one that gives a star. Sends {play: name} and {star: name}.
function render({ model, el }) {
  let cards = []; // {name, card, play, star}
  let active = 0; // the one card that the tab key reaches; arrow keys go to the others

  const button = (kind, name, action) => {
    const element = document.createElement("button");
    element.type = "button";
    element.className = kind;
    element.addEventListener("click", () => model.send({ [action]: name }));
    return element;
  };
  const activate = (index) => {
    active = Math.max(0, Math.min(cards.length - 1, index));
    cards.forEach(({ play, star }, i) => (play.tabIndex = star.tabIndex = i === active ? 0 : -1));
  };
  const mark = () => {
    const kept = new Set(model.get("kept")), selected = model.get("selected");
    for (const { name, card, play, star } of cards) {
      card.classList.toggle("selected", name === selected);
      play.setAttribute("aria-pressed", name === selected);
      star.setAttribute("aria-pressed", kept.has(name));
      star.textContent = kept.has(name) ? "★" : "☆";
      star.title = kept.has(name) ? "Do not keep it" : "Keep it";
    }
  };
  const build = () => {
    const focused = el.contains(document.activeElement) && document.activeElement.className;
    cards = model.get("names").map((name) => {
      const card = document.createElement("div");
      const play = button("name", name, "play"), star = button("star", name, "star");
      card.className = "card";
      play.appendChild(document.createElement("span")).textContent = name;
      play.title = `Play ${name}`;
      star.setAttribute("aria-label", `Keep ${name}`);
      card.append(play, star);
      return { name, card, play, star };
    });
    el.replaceChildren(...cards.map(({ card }) => card));
    mark();
    activate(active);
    if (focused && cards.length) cards[active][focused === "star" ? "star" : "play"].focus();
  };

  el.addEventListener("focusin", (event) => {
    const index = cards.findIndex(({ card }) => card.contains(event.target));
    if (index >= 0) activate(index);
  });
  el.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !cards.length) return;
    const columns = getComputedStyle(el).gridTemplateColumns.split(" ").length;
    const step = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -active, End: cards.length - 1 - active,
    }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const kind = event.target.className === "star" ? "star" : "play";
    if (active + step >= 0 && active + step < cards.length) activate(active + step);
    cards[active][kind].focus();
  });
  model.on("change:names", build);
  model.on("change:kept change:selected", mark);
  el.classList.add("gansynth-grid");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Instruments; arrow keys move, Enter plays");
  build();
  return () => {
    model.off("change:names", build);
    model.off("change:kept change:selected", mark);
  };
}
export default { render };
