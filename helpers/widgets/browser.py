"""A grid of instruments: click one to play it at any pitch, star it to keep it.

Notebook: 05_instruments.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import anywidget
import ipywidgets
import traitlets

from .. import instruments
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import DRAWN, Bank, Instrument
from .base import SCRIPTS, Control, Line, quoted, script, tip
from .notes import MIDDLE_C, Piano, Preview, bank_code, checked_bank, drawn_bank, model_of, note_code
from .tune import shown

if TYPE_CHECKING:
    from ..gansynth import GANSynth

MAX_SHOWN = 200  # random instruments at a time; a longer grid is tedious to look through
LAST_SEED = 2**32 - 1
NAMED, RANDOM, STARRED = "by name", "random", "starred"


class Grid(anywidget.AnyWidget):
    """The cards. A click sends {play: name} or {star: name}; Python decides what the cards show.

    Traits:
      names: names on the cards, in order.
      kept: names with a star.
      selected: name that was played last, or "".
    """

    _esm = script("elements.js", "browser.js")
    _css = SCRIPTS / "browser.css"
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    kept = traitlets.List(traitlets.Unicode()).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)


class Browser(Control):
    """Browse named instruments, random ones drawn from a seed, and those with a star.

    A click on a card plays its instrument at the pitch chosen on the piano. A star keeps the instrument: it is written
    to the bank's file at once, and appears in the lists of all controls that share the bank.

    Args:
      model: the model, or an `instruments.Bank`, whose current model is used.
      bank: a bank that controls share, or a dict of instruments by name; by default a new bank.
      seed: seed of the first random instruments.
      count: how many random instruments to draw at a time.
      path: JSON file for the stars, as for `instruments.bank`; ignored if a bank is given, which has its own.

    Traits:
      kept: names of the starred instruments. Setting it saves them, or raises an error if they cannot be saved.
      selected: name of the instrument that was chosen last, or "".
      instrument: that instrument, or None.
      pitch: MIDI number of the note that is played.
      seed: seed of the random instruments.

    Notebook: 05_instruments.
    """

    kept = traitlets.List(traitlets.Unicode())
    selected = traitlets.Unicode()
    instrument = traitlets.Instance(Instrument, allow_none=True)
    pitch = traitlets.Int(MIDDLE_C, min=MIN_PITCH, max=MAX_PITCH)
    seed = traitlets.Int(1, min=0, max=LAST_SEED)

    def __init__(
        self,
        model: GANSynth | Bank,
        bank: Mapping[str, Instrument] | None = None,
        seed: int = 1,
        count: int = DRAWN,
        path: str | os.PathLike | None = None,
    ):
        if not 1 <= count <= MAX_SHOWN:
            raise ValueError(f"count is {count}; the grid has room for 1 to {MAX_SHOWN} instruments")
        given = model if isinstance(model, Bank) else bank
        self._is_shared, self._count = isinstance(given, Bank), count
        self._given = None if given is None or isinstance(given, Bank) else checked_bank(given)
        self.shelf = given if isinstance(given, Bank) else instruments.bank(model_of(model), path=path)
        self._banks: dict[str, dict[str, Instrument]] = {}
        self._build()
        children = [self._choice, self._found, self._grid, self._line, self._piano, self._sound]
        super().__init__("Instrument browser", children, [self._line, self._found])
        self.seed = seed
        self._draw()
        self._follow()
        self.say(self.shelf.note)
        self.shelf.on_change(self._follow)

    def _build(self) -> None:
        self._found, self._line = Line(), Line()  # below the search field, and below the cards
        self._source = tip(ipywidgets.ToggleButtons(), "Which instruments to show")
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
    def _model(self) -> GANSynth:
        return self.shelf.model

    @property
    def bank(self) -> dict[str, Instrument]:
        """The instruments that the grid shows, by name."""
        words = self._search.value.lower().split()
        shown = self._banks[self._source.value]
        return {name: instrument for name, instrument in shown.items() if all(word in name.lower() for word in words)}

    @property
    def kept_instruments(self) -> list[Instrument]:
        """The starred instruments."""
        return [self.shelf[name] for name in self.shelf.kept]

    def more(self) -> None:
        """Draw more random instruments, with the next seed, and show them."""
        self.seed = (self.seed + 1) % (LAST_SEED + 1)
        self._source.value = RANDOM

    @traitlets.observe("seed")
    def _on_seed(self, _: traitlets.Bunch) -> None:
        with self.attempt(self._found):
            self._draw()
        self._show()

    def _draw(self) -> None:
        self._drawn_for = self._model
        self._banks[RANDOM], self._random_code = drawn_bank(self._model, self._count, self.seed)

    def _follow(self) -> None:
        """Update everything after the bank has changed, which other controls change too."""
        if self._drawn_for is not self._model:
            self.selected = ""
            self._sound.use(self._model)
            self._draw()
        own = self.shelf.own if self._given is None and instruments.named(self._model) else self._given
        starred = {kept.name: kept for kept in self.kept_instruments}
        banks = ({NAMED: own} if own else {}) | {RANDOM: self._banks[RANDOM], STARRED: starred}
        self._banks = banks
        if list(banks) != list(self._source.options):
            self._source.options = list(banks)
            self._source.value = next(iter(banks))
        self.kept = list(starred)
        self._show()

    def _on_choice(self, _: traitlets.Bunch) -> None:
        self.say("")
        self._show()

    def _show(self) -> None:
        """Update the grid."""
        source = self._source.value
        if source is None:  # between two lists of options
            return
        for control in (self._seed, self._more):
            control.layout.display = "" if source == RANDOM else "none"
        self._grid.names = list(self.bank)
        if self._search.value and not self._grid.names:
            self.say(f"no name contains “{self._search.value}”", self._found)
        elif source == STARRED and not self._banks[STARRED]:
            self.say("no instrument has a star yet", self._found)
        self.changed()

    # ------------------------------------------------------------------------------------------------------ playing

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
    def _known(self, proposal: traitlets.Bunch) -> str:
        if proposal.value:
            self._find(proposal.value)
        return proposal.value

    @traitlets.observe("selected")
    def _on_selected(self, change: traitlets.Bunch) -> None:
        self.instrument = self._find(change.new) if change.new else None
        self.changed()

    @traitlets.observe("pitch")
    def _on_pitch(self, _: traitlets.Bunch) -> None:
        self.changed()

    def _on_card(self, _: Grid, content: dict, __: list) -> None:
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
        """Give an instrument a star, or remove its star, and save the starred instruments."""
        with self.attempt():
            self.kept = [kept for kept in self.kept if kept != name] if name in self.kept else [*self.kept, name]
            self.say(f"{len(self.kept)} kept in {shown(self.shelf.path)}")

    @traitlets.validate("kept")
    def _saved(self, proposal: traitlets.Bunch) -> list[str]:
        """Make the bank's kept instruments those with these names; returns the names that were saved."""
        before, names = self.shelf.kept, proposal.value
        new = [self._find(name) for name in names if name not in before]
        for name in before:
            if name not in names:
                self.shelf.discard(name)
        for instrument in new:
            self.shelf.keep(instrument)
        return self.shelf.kept

    # --------------------------------------------------------------------------------------------------------- code

    def code(self) -> str:
        source, lines = self._source.value, []
        if self._is_shared:
            making = dict.fromkeys((NAMED, STARRED), bank_code(self.shelf)) | {RANDOM: self._random_code}
        else:
            named = "bank = instruments.named(model)" if self._given is None else ""
            making = {NAMED: named, RANDOM: self._random_code, STARRED: "bank = {i.name: i for i in kept}"}
            if self.kept:
                lines.append(f"kept = instruments.load({quoted(shown(self.shelf.path))}, model)")
        if self._banks[source] and making[source]:
            lines.append(making[source])
        if self.selected in self._banks[source]:
            lines.append(note_code(f"bank[{quoted(self.selected)}]", self.pitch))
        return "\n".join(lines)
