"""A square with an instrument at each corner and a point to drag between them, like NSynth Super.

Notebook: 05_instruments.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import anywidget
import ipywidgets
import traitlets

from .. import instruments
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import Bank, Instrument, blend_square
from .base import SCRIPTS, Control, Line, quoted, tip
from .notes import MIDDLE_C, Piano, Preview, bank_code, model_of, note_code, shared, with_more
from .tune import shown

if TYPE_CHECKING:
    from ..gansynth import GANSynth

CORNERS = ("top left", "top right", "bottom left", "bottom right")
DIGITS = 3  # decimal places of x and y


class Square(anywidget.AnyWidget):
    """The square and its point. x and y follow the point while it is dragged; releasing it sends {play: true, x, y}.

    Traits:
      x, y: position of the point, from 0 to 1; y goes downwards.
      names: names of the corners, in the order of CORNERS.
    """

    _esm = SCRIPTS / "pad.js"
    _css = SCRIPTS / "pad.css"
    x = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    y = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)


class BlendPad(Control):
    """A pad that blends four instruments: `instruments.blend_square` at a point that can be dragged.

    Releasing the point plays the blend at the pitch chosen on the piano. "Keep" puts the blend into the bank, under a
    name, and so into the lists of all controls that share the bank.

    Args:
      model: the model, or an `instruments.Bank`, whose current model is used.
      corners: four instruments, or their names in the bank, in the order top left, top right, bottom left, bottom
        right; by default four that are evenly spaced in the list of the bank.
      bank: the instruments to choose the corners from: a bank that controls share, or a dict of instruments by name; by
        default a new bank.

    Traits:
      x, y: position of the point, from 0 to 1; y goes downwards.
      corners: names of the four instruments.
      instrument: the blend.
      pitch: MIDI number of the note that is played.

    Notebook: 05_instruments.
    """

    x = traitlets.Float(0.5, min=0.0, max=1.0)
    y = traitlets.Float(0.5, min=0.0, max=1.0)
    corners = traitlets.List(traitlets.Unicode())
    instrument = traitlets.Instance(Instrument, allow_none=True)
    pitch = traitlets.Int(MIDDLE_C, min=MIN_PITCH, max=MAX_PITCH)

    def __init__(
        self,
        model: GANSynth | Bank,
        corners: Sequence[Instrument | str] | None = None,
        bank: Mapping[str, Instrument] | None = None,
    ):
        given = model if isinstance(model, Bank) else bank
        self._bank = instruments.bank(model_of(model)) if given is None else shared(given)
        self._shelf = self._bank if isinstance(self._bank, Bank) else None  # where blends are kept
        self._model = model_of(model if self._shelf is None else self._shelf)
        self._brought: list[Instrument] = []  # corners that are not in the bank
        if corners is None:
            corners = self._four()
        self._brought = [corner for corner in corners if isinstance(corner, Instrument)]
        names = [corner.name if isinstance(corner, Instrument) else str(corner) for corner in corners]
        with_more(self._bank, self._brought)  # raises if they do not fit the bank
        self._filling = False  # whether code is setting the fields, not the user
        self._build()
        top, bottom = ipywidgets.HBox(self._choices[:2]), ipywidgets.HBox(self._choices[2:])
        for row in (top, bottom):
            row.add_class("gansynth-corners")
        children = [top, self._square, bottom, self._keeping, self._line, self._piano, self._sound]
        super().__init__("Blend pad", children, [self._line])
        self.corners = names
        self._name.value = self._free_name()
        for i, choice in enumerate(self._choices):
            choice.observe(lambda change, i=i: None if self._filling else self._choose(i, change.new), "value")
        if self._shelf is not None:
            self._shelf.on_change(functools.partial(self._follow, self._shelf))

    @property
    def bank(self) -> Mapping[str, Instrument]:
        """The instruments to choose the corners from."""
        return with_more(self._bank, self._brought) if self._brought else self._bank

    def _four(self) -> list[str]:
        names = list(self._bank)
        return [names[i * len(names) // 4] for i in range(4)]

    def _build(self) -> None:
        self._choices = [
            tip(
                ipywidgets.Dropdown(options=list(self.bank), description=place),
                f"The instrument {place}",
            )
            for place in CORNERS
        ]
        self._square, self._piano, self._line = Square(), Piano(), Line()
        self._name = ipywidgets.Text(description="name", layout={"width": "240px"})
        keep = ipywidgets.Button(description="Keep", icon="star", layout={"width": "90px"})
        tip(self._name, "The name under which the blend is kept")
        tip(keep, "Keep this blend: bank.keep(blended, name)")
        keep.on_click(lambda _: self.keep(self._name.value))
        self._keeping = ipywidgets.HBox([self._name, keep])
        self._sound = Preview(self._model)
        self._square.on_msg(lambda _, content, __: self._on_release(content))
        self._piano.on_key(self._on_key)
        for name in ("x", "y"):
            traitlets.link((self, name), (self._square, name))
        traitlets.link((self, "pitch"), (self._piano, "pitch"))
        traitlets.dlink((self, "corners"), (self._square, "names"))

    @traitlets.validate("corners")
    def _known(self, proposal: traitlets.Bunch) -> list[str]:
        if len(proposal.value) != 4:
            raise ValueError(f"a square has four corners, not {len(proposal.value)}")
        for name in proposal.value:
            if name not in self.bank:
                raise ValueError(f"there is no instrument {name!r} in the bank")
        return proposal.value

    @traitlets.observe("corners")
    def _on_corners(self, _: traitlets.Bunch) -> None:
        self._fill()
        self._blend()

    def _fill(self) -> None:
        """Update the four drop-down lists and their selections."""
        self._filling = True
        for choice, name in zip(self._choices, self.corners, strict=True):
            if choice.options != tuple(self.bank):
                choice.options = tuple(self.bank)
            choice.value = name
        self._filling = False

    def _follow(self, shelf: Bank) -> None:
        """Update the corners after the bank has changed, which other controls change too."""
        if self._model is not shelf.model:
            self._model, self._brought = shelf.model, []
            self._sound.use(self._model)
        four = self._four()
        corners = [name if name in self.bank else four[i] for i, name in enumerate(self.corners)]
        if corners == self.corners:
            self._fill()
            self._blend()
        else:
            self.corners = corners

    def _choose(self, corner: int, name: str) -> None:
        self.corners = [name if i == corner else kept for i, kept in enumerate(self.corners)]

    @traitlets.observe("x", "y")
    def _blend(self, _: traitlets.Bunch | None = None) -> None:
        if self.corners:
            with self.attempt():
                corners = [self.bank[name] for name in self.corners]
                self.instrument = blend_square(corners, round(self.x, DIGITS), round(self.y, DIGITS))
                self.changed()

    @property
    def _blended(self) -> Instrument:
        assert self.instrument is not None, "corners are set in __init__"
        return self.instrument

    @traitlets.observe("pitch")
    def _on_pitch(self, _: traitlets.Bunch) -> None:
        self.changed()

    def _on_release(self, content: dict) -> None:
        with self.attempt():
            self.x, self.y = content["x"], content["y"]
            self._sound.play_note(self._blended, self.pitch)

    def _on_key(self, pitch: int) -> None:
        with self.attempt():
            self.pitch = pitch
            self._sound.play_note(self._blended, self.pitch)

    def play(self) -> None:
        """Play the blend at the chosen pitch."""
        with self.attempt():
            self._sound.play_note(self._blended, self.pitch)

    # ------------------------------------------------------------------------------------------------------ keeping

    def keep(self, name: str = "") -> None:
        """Keep the blend in the bank, by default as "blend 1", "blend 2", and so on."""
        with self.attempt():
            if self._shelf is None:
                self._shelf = instruments.bank(self._model)
            kept = self._shelf.keep(self._blended, name.strip() or self._free_name())
            self.say(f"kept as {kept.name} in {shown(self._shelf.path)}")
            self._name.value = self._free_name()

    def _free_name(self) -> str:
        taken = self.bank if self._shelf is None else self._shelf
        return next(name for i in itertools.count(1) if (name := f"blend {i}") not in taken)

    def code(self) -> str:
        corners = ", ".join(f"bank[{quoted(name)}]" for name in self.corners)
        place = f"x={round(self.x, DIGITS):g}, y={round(self.y, DIGITS):g}"
        lines = [bank_code(self._bank)] if isinstance(self._bank, Bank) else []
        lines.append(f"blended = instruments.blend_square([{corners}], {place})")
        return "\n".join([*lines, note_code("blended", self.pitch)])
