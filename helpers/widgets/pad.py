"""A square with an instrument at each corner and a point to drag between them, in the manner of NSynth Super.

Notebook: 05_instruments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import anywidget
import ipywidgets
import traitlets

from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import Instrument, blend_square
from .base import SCRIPTS, Control, quoted, tip
from .notes import MIDDLE_C, Bank, Piano, Preview, checked_bank, note_code, own_bank, with_more

if TYPE_CHECKING:
    from ..gansynth import GANSynth

CORNERS = ("top left", "top right", "bottom left", "bottom right")
DIGITS = 3  # of x and y in the code, and of what the mouse can reach


class Square(anywidget.AnyWidget):
    """The square and its point. While it moves, x and y follow; it sends {play: true} when it is let go.

    Traits:
      x, y: where the point is, from 0 to 1; y goes downwards.
      names: of the corners, in the order of CORNERS.
    """

    _esm = SCRIPTS / "pad.js"
    _css = SCRIPTS / "pad.css"
    x = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    y = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)


class BlendPad(Control):
    """A pad on which four instruments blend: `instruments.blend_square` at the point that is dragged.

    Letting the point go plays the blend at the pitch that is chosen on the piano.

    Args:
      model: what plays.
      corners: four instruments, or names of such in the bank, in the order top left, top right, bottom left, bottom
        right; by default four that lie far apart in the bank.
      bank: instruments by name to choose the corners from; by default those that the model has names for, or else
        random ones.

    Traits:
      x, y: where the point is, from 0 to 1; y goes downwards.
      corners: names of the four.
      instrument: the blend.
      pitch: MIDI number that is played.

    Notebook: 05_instruments.
    """

    x = traitlets.Float(0.5, min=0.0, max=1.0)
    y = traitlets.Float(0.5, min=0.0, max=1.0)
    corners = traitlets.List(traitlets.Unicode())
    instrument = traitlets.Instance(Instrument, allow_none=True)
    pitch = traitlets.Int(MIDDLE_C, min=MIN_PITCH, max=MAX_PITCH)

    def __init__(
        self,
        model: GANSynth,
        corners: Sequence[Instrument | str] | None = None,
        bank: Mapping[str, Instrument] | None = None,
    ):
        known, self._bank_code = (checked_bank(bank), "") if bank is not None else own_bank(model)
        if corners is None:
            corners = [list(known)[i * len(known) // 4] for i in range(4)]
        self.bank: Bank = with_more(known, [corner for corner in corners if isinstance(corner, Instrument)])
        names = [corner.name if isinstance(corner, Instrument) else str(corner) for corner in corners]
        self._model = model
        self._build()
        top, bottom = ipywidgets.HBox(self._choices[:2]), ipywidgets.HBox(self._choices[2:])
        for row in (top, bottom):
            row.add_class("gansynth-corners")
        super().__init__("Blend pad", [top, self._square, bottom, self._piano, self._sound])
        self.corners = names
        for i, choice in enumerate(self._choices):
            choice.observe(lambda change, i=i: self._choose(i, change.new), "value")

    def _build(self) -> None:
        self._choices = [
            tip(
                ipywidgets.Dropdown(options=list(self.bank), description=place),
                f"The instrument {place}",
            )
            for place in CORNERS
        ]
        self._square, self._piano = Square(), Piano()
        self._sound = Preview(self._model)
        self._square.on_msg(lambda _, content, __: self._on_release(content))
        self._piano.on_key(self._on_key)
        for name in ("x", "y"):
            traitlets.link((self, name), (self._square, name))
        traitlets.link((self, "pitch"), (self._piano, "pitch"))
        traitlets.dlink((self, "corners"), (self._square, "names"))

    @traitlets.validate("corners")
    def _known(self, proposal) -> list[str]:
        if len(proposal.value) != 4:
            raise ValueError(f"a square has four corners, not {len(proposal.value)}")
        for name in proposal.value:
            if name not in self.bank:
                raise ValueError(f"there is no instrument {name!r} in the bank")
        return proposal.value

    @traitlets.observe("corners")
    def _on_corners(self, change) -> None:
        for choice, name in zip(self._choices, change.new, strict=True):
            choice.value = name
        self._blend()

    def _choose(self, corner: int, name: str) -> None:
        self.corners = [name if i == corner else kept for i, kept in enumerate(self.corners)]

    @traitlets.observe("x", "y")
    def _blend(self, _=None) -> None:
        if self.corners:
            with self.attempt():
                corners = [self.bank[name] for name in self.corners]
                self.instrument = blend_square(corners, round(self.x, DIGITS), round(self.y, DIGITS))
                self.changed()

    @traitlets.observe("pitch")
    def _on_pitch(self, _) -> None:
        self.changed()

    def _on_release(self, content: dict) -> None:
        with self.attempt():
            self.x, self.y = content["x"], content["y"]
            self._sound.play_note(self.instrument, self.pitch)

    def _on_key(self, pitch: int) -> None:
        with self.attempt():
            self.pitch = pitch
            self._sound.play_note(self.instrument, self.pitch)

    def play(self) -> None:
        """Play the blend at the chosen pitch."""
        with self.attempt():
            self._sound.play_note(self.instrument, self.pitch)

    def code(self) -> str:
        corners = ", ".join(f"bank[{quoted(name)}]" for name in self.corners)
        place = f"x={round(self.x, DIGITS):g}, y={round(self.y, DIGITS):g}"
        lines = [self._bank_code] if self._bank_code else []
        lines.append(f"blended = instruments.blend_square([{corners}], {place})")
        return "\n".join([*lines, note_code("blended", self.pitch)])
