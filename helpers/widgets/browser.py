"""A grid of instruments: click to hear one at any pitch, star those to keep.

Notebook: 05_instruments.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import ipywidgets
import traitlets

from .. import instruments
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import Instrument
from .base import SCRIPTS, Control, quoted, tip
from .notes import DRAWN, MIDDLE_C, Bank, Piano, Preview, checked_bank, drawn_bank, note_code

if TYPE_CHECKING:
    from ..gansynth import GANSynth

KEPT = Path("outputs/instruments.json")
MOST = 200  # instruments drawn at a time; more would be no grid to look through
LAST_SEED = 2**32 - 1
NAMED, RANDOM, STARRED = "by name", "random", "starred"


class Grid(anywidget.AnyWidget):
    """The cards. They send {play: name} and {star: name}; what they show is decided in Python.

    Traits:
      names: of the cards, in order.
      kept: names that have a star.
      selected: the name that was heard last, or "".
    """

    _esm = SCRIPTS / "browser.js"
    _css = SCRIPTS / "browser.css"
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    kept = traitlets.List(traitlets.Unicode()).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)


class Browser(Control):
    """Instruments to listen through: those that have names, random ones by their seed, and those with a star.

    A click plays a card's instrument at the pitch that is chosen on the piano. Stars are saved at once. A file with
    the stars of another model is left as it is, and this one's go to a file of their own.

    Args:
      model: what plays.
      bank: instruments by name; by default those that the model has names for, and random ones besides.
      seed: of the first random instruments.
      count: random instruments that are drawn at a time.
      path: JSON file for the stars; what it holds already has its star.

    Traits:
      kept: names of the starred instruments. Setting it saves them, or raises what prevents that.
      selected: name of the instrument that was chosen last, or "".
      instrument: that instrument, or None.
      pitch: MIDI number that is played.
      seed: of the random instruments.

    Notebook: 05_instruments.
    """

    kept = traitlets.List(traitlets.Unicode())
    selected = traitlets.Unicode()
    instrument = traitlets.Instance(Instrument, allow_none=True)
    pitch = traitlets.Int(MIDDLE_C, min=MIN_PITCH, max=MAX_PITCH)
    seed = traitlets.Int(1, min=0, max=LAST_SEED)

    def __init__(
        self,
        model: GANSynth,
        bank: Mapping[str, Instrument] | None = None,
        seed: int = 1,
        count: int = DRAWN,
        path: str | os.PathLike = KEPT,
    ):
        if not 1 <= count <= MOST:
            raise ValueError(f"count is {count}; the grid has room for 1 to {MOST} instruments")
        self._model, self._count, self._path = model, count, Path(path)
        named = checked_bank(bank) if bank is not None else instruments.named(model)
        self._named_code = "bank = instruments.named(model)" if bank is None else ""
        self._banks: dict[str, Bank] = ({NAMED: named} if named else {}) | {RANDOM: {}, STARRED: {}}
        self._build()
        super().__init__("Instrument browser", [self._choice, self._grid, self._piano, self._sound])
        self.seed = seed
        self._draw()
        with self.attempt():
            self._open()
        self._show()

    def _build(self) -> None:
        self._source = tip(ipywidgets.ToggleButtons(options=list(self._banks)), "Which instruments to show")
        self._source.style.button_width = "88px"
        self._search = ipywidgets.Text(description="search", layout={"width": "190px"})
        tip(self._search, "Show only names that contain this")
        self._seed = ipywidgets.BoundedIntText(min=0, max=LAST_SEED, description="seed", layout={"width": "170px"})
        tip(self._seed, "The same seed draws the same instruments")
        self._more = ipywidgets.Button(description="More", icon="refresh", layout={"width": "90px"})
        tip(self._more, f"The next {self._count} random instruments: seed + 1")
        self._choice = ipywidgets.HBox([self._source, self._search, self._seed, self._more])
        self._grid, self._piano = Grid(), Piano()
        self._sound = Preview(self._model)
        for choice in (self._source, self._search):
            choice.observe(self._on_choice, "value")
        self._more.on_click(lambda _: self.more())
        self._grid.on_msg(self._on_card)
        self._piano.on_key(self._on_key)
        traitlets.link((self, "seed"), (self._seed, "value"))
        traitlets.link((self, "pitch"), (self._piano, "pitch"))
        traitlets.link((self, "selected"), (self._grid, "selected"))
        traitlets.dlink((self, "kept"), (self._grid, "kept"))

    # ------------------------------------------------------------------------------------------------ what is shown

    @property
    def bank(self) -> Bank:
        """The instruments that the grid shows, by name."""
        words = self._search.value.lower().split()
        shown = self._banks[self._source.value]
        return {name: instrument for name, instrument in shown.items() if all(word in name.lower() for word in words)}

    @property
    def kept_instruments(self) -> list[Instrument]:
        """The starred instruments."""
        return list(self._banks[STARRED].values())

    def more(self) -> None:
        """Draw other random instruments, with the next seed, and show them."""
        self.seed = (self.seed + 1) % (LAST_SEED + 1)
        self._source.value = RANDOM

    @traitlets.observe("seed")
    def _on_seed(self, _) -> None:
        self._draw()
        self._show()

    def _draw(self) -> None:
        with self.attempt():
            self._banks[RANDOM], self._random_code = drawn_bank(self._model, self._count, self.seed)

    def _on_choice(self, _) -> None:
        self.say("")
        self._show()

    def _show(self) -> None:
        """Bring the grid up to date."""
        source = self._source.value
        for control in (self._seed, self._more):
            control.layout.display = "" if source == RANDOM else "none"
        self._grid.names = list(self.bank)
        if self._search.value and not self._grid.names:
            self.say(f"no instrument {source} has “{self._search.value}” in its name")
        elif source == STARRED and not self._banks[STARRED]:
            self.say("none has a star yet")
        self.changed()

    # ------------------------------------------------------------------------------------------------------ hearing

    def play(self, name: str | None = None) -> None:
        """Play an instrument, by default the one that was chosen last, at the chosen pitch."""
        with self.attempt():
            if name is not None:
                self.selected = self._find(name).name
            if self.instrument is None:
                raise ValueError("choose an instrument first")
            self._sound.play_note(self.instrument, self.pitch)

    def _find(self, name: str) -> Instrument:
        for bank in (self._banks[self._source.value], *self._banks.values()):
            if name in bank:
                return bank[name]
        raise ValueError(f"there is no instrument {name!r} here")

    @traitlets.validate("selected")
    def _known(self, proposal) -> str:
        if proposal.value:
            self._find(proposal.value)
        return proposal.value

    @traitlets.observe("selected")
    def _on_selected(self, change) -> None:
        self.instrument = self._find(change.new) if change.new else None
        self.changed()

    @traitlets.observe("pitch")
    def _on_pitch(self, _) -> None:
        self.changed()

    def _on_card(self, _, content: dict, __) -> None:
        if "play" in content:
            self.play(content["play"])
        elif "star" in content:
            self.star(content["star"])

    def _on_key(self, pitch: int) -> None:
        with self.attempt():
            self.pitch = pitch
            if self.instrument is not None:
                self._sound.play_note(self.instrument, self.pitch)

    # ------------------------------------------------------------------------------------------------------ keeping

    def star(self, name: str) -> None:
        """Give an instrument a star, or take it away if it has one, and save all that have one."""
        with self.attempt():
            self.kept = [kept for kept in self.kept if kept != name] if name in self.kept else [*self.kept, name]
            self.say(f"{len(self.kept)} kept in {self._path}")

    @traitlets.validate("kept")
    def _saved(self, proposal) -> list[str]:
        """Bring the file from the names that it had when last seen to these; only what is saved is kept.

        Another browser may have added to the file since, and that stays.
        """
        before, names = self._banks[STARRED], proposal.value
        if names == list(before):
            return names
        kept = self._read() if self._path.exists() else dict(before)
        for name in before.keys() - names:
            kept.pop(name, None)
        kept |= {name: self._find(name) for name in names if name not in before}
        instruments.save(list(kept.values()), self._path)
        self._banks[STARRED] = kept
        return list(kept)

    @traitlets.observe("kept")
    def _on_kept(self, _) -> None:
        self._show()

    def _open(self) -> None:
        """Read the stars that were saved before; from a file of its own, if the one that was named is not for these."""
        if not self._path.exists():
            return
        try:
            kept = self._read()
        except ValueError as error:
            own = self._path.with_name(f"{self._path.stem}_{self._model.fingerprint[:8]}{self._path.suffix}")
            self._path, other = own, str(error)
            kept = self._read() if own.exists() else {}
            self.say(f"{other}. It stays as it is; stars are kept in {own}")
        self._banks[STARRED] = kept
        self.kept = list(kept)

    def _read(self) -> Bank:
        return {instrument.name: instrument for instrument in instruments.load(self._path, self._model)}

    # --------------------------------------------------------------------------------------------------------- code

    def code(self) -> str:
        source = self._source.value
        load = f"kept = instruments.load({quoted(self._path.as_posix())}, model)"
        making = {NAMED: self._named_code, RANDOM: self._random_code, STARRED: "bank = {i.name: i for i in kept}"}
        lines = [load] if self.kept else []
        if self._banks[source] and making[source]:
            lines.append(making[source])
        if self.selected in self._banks[source]:
            lines.append(note_code(f"bank[{quoted(self.selected)}]", self.pitch))
        return "\n".join(lines)
