// A grid of cards in pages; each card has a button to play and one to star. Sends {play: name} and {star: name}.
const ROWS = 8; // per page

function render({ model, el }) {
  const grid = add("div", "gansynth-grid", el), pager = add("div", "pager", el);
  const [back, shown, on] = ["button", "output", "button"].map((tag) => add(tag, "", pager));
  let names = [];
  let cards = []; // {name, card, play, star} of the present page
  let active = 0; // index of the card that the Tab key reaches; the arrow keys move to the others
  let columns = 1;

  const size = () => ROWS * columns;
  const first = () => active - (active % size()); // index of the first card of the page
  const button = (kind, name, action, card) => {
    const element = add("button", kind, card);
    element.type = "button";
    element.addEventListener("click", () => model.send({ [action]: name }));
    return element;
  };
  const mark = () => {
    const kept = new Set(model.get("kept")), selected = model.get("selected");
    cards.forEach(({ name, card, play, star }, i) => {
      card.classList.toggle("selected", name === selected);
      play.setAttribute("aria-pressed", name === selected);
      star.setAttribute("aria-pressed", kept.has(name));
      star.textContent = kept.has(name) ? "★" : "☆";
      star.title = kept.has(name) ? "Remove the star" : "Keep it";
      play.tabIndex = star.tabIndex = first() + i === active ? 0 : -1;
    });
  };
  const build = () => {
    const focused = grid.contains(document.activeElement) && document.activeElement.className;
    active = Math.max(0, Math.min(names.length - 1, active));
    grid.replaceChildren();
    cards = names.slice(first(), first() + size()).map((name) => {
      const card = add("div", "card", grid);
      const play = button("name", name, "play", card), star = button("star", name, "star", card);
      add("span", "", play).textContent = name;
      play.title = `Play ${name}`;
      star.setAttribute("aria-label", `Keep ${name}`);
      return { name, card, play, star };
    });
    pager.hidden = names.length <= size();
    shown.textContent = `${first() + 1} to ${first() + cards.length} of ${names.length}`;
    back.disabled = first() === 0;
    on.disabled = first() + size() >= names.length;
    mark();
    if (focused && cards.length) focus(focused);
  };
  const focus = (kind) => cards[active - first()][kind === "star" ? "star" : "play"].focus();
  const activate = (index) => {
    const before = first();
    active = index;
    if (first() === before) mark();
    else build();
  };
  const turn = (pages) => activate(first() + pages * size());
  const takeNames = () => {
    names = model.get("names");
    build();
  };
  const takeSelected = () => {
    const index = names.indexOf(model.get("selected"));
    if (index >= 0) activate(index);
    else mark();
  };
  const measure = () => {
    const now = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    if (now === columns || !grid.clientWidth) return;
    columns = now;
    build();
  };

  back.textContent = "‹";
  on.textContent = "›";
  back.setAttribute("aria-label", "Previous instruments");
  on.setAttribute("aria-label", "Next instruments");
  back.addEventListener("click", () => turn(-1));
  on.addEventListener("click", () => turn(1));
  grid.addEventListener("focusin", (event) => {
    const index = cards.findIndex(({ card }) => card.contains(event.target));
    if (index >= 0 && first() + index !== active) activate(first() + index);
  });
  grid.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !cards.length) return;
    const step = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: size(), PageUp: -size(),
      Home: -active, End: names.length - 1 - active,
    }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const kind = event.target.className;
    if (active + step >= 0 && active + step < names.length) activate(active + step);
    focus(kind);
  });
  model.on("change:names", takeNames);
  model.on("change:kept", mark);
  model.on("change:selected", takeSelected);
  el.classList.add("gansynth-browser");
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", "Instruments; arrow keys move, Enter plays");
  takeNames();
  takeSelected();
  const room = new ResizeObserver(measure);
  room.observe(grid);
  return () => {
    room.disconnect();
    model.off("change:names", takeNames);
    model.off("change:kept", mark);
    model.off("change:selected", takeSelected);
  };
}
export default { render };
