"""Shared parts of the controls that play single notes: banks to choose from, a quick preview, and a piano.

Notebook: 05_instruments.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import anywidget
import numpy as np
import traitlets

from .. import instruments, render
from ..audio import Audio
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import KEPT, Bank, Instrument, check_model
from ..midi import note_name
from .base import SCRIPTS, Sound, quoted

if TYPE_CHECKING:
    from ..gansynth import GANSynth

REMEMBERED = 100  # notes that a preview keeps: 13 MB
MIDDLE_C = 60


def model_of(source: GANSynth | Bank) -> GANSynth:
    """The model of a control: the one it was given, or the present one of its bank."""
    return source.model if isinstance(source, Bank) else source


def shared(bank: Mapping[str, Instrument]) -> Mapping[str, Instrument]:
    """A `Bank` unchanged, so that it stays shared with other controls; any other dict as a checked copy."""
    return bank if isinstance(bank, Bank) else checked_bank(bank)


def bank_code(bank: Bank) -> str:
    """The code that creates a bank."""
    path = "" if bank.path == KEPT.absolute() else f", path={quoted(bank.path.as_posix())}"
    return f"bank = instruments.bank(model{path})"


def drawn_bank(model: GANSynth, count: int, seed: int) -> tuple[dict[str, Instrument], str]:
    """Random instruments by their names, and the code that draws them."""
    drawn = {instrument.name: instrument for instrument in instruments.sample(model, count, seed)}
    return drawn, f"bank = {{i.name: i for i in instruments.sample(model, {count}, seed={seed})}}"


def checked_bank(bank: Mapping[str, Instrument]) -> dict[str, Instrument]:
    """A copy of a bank in which each instrument is called by its key.

    Raises:
      ValueError: `bank` is not a dict of instruments, is empty, or mixes instruments of different models.
    """
    if not isinstance(bank, Mapping) or not all(isinstance(instrument, Instrument) for instrument in bank.values()):
        raise ValueError("a bank is a dict of instruments by name, such as instruments.named(model)")
    if not bank:
        raise ValueError("a bank must hold at least one instrument")
    if len({instrument.fingerprint for instrument in bank.values()}) > 1:
        raise ValueError("the instruments of a bank must belong to one model")
    return {str(name): renamed(instrument, str(name)) for name, instrument in bank.items()}


def renamed(instrument: Instrument, name: str) -> Instrument:
    """A copy of the instrument with another name."""
    if instrument.name == name:
        return instrument
    return Instrument(name, instrument.z, instrument.checkpoint, instrument.fingerprint, instrument.seed)


def with_more(bank: Mapping[str, Instrument], more: Iterable[Instrument]) -> dict[str, Instrument]:
    """The bank as a dict, extended by instruments that it does not contain yet.

    Raises:
      ValueError: one has the name of a different instrument in the bank, or belongs to another model.
    """
    bank = dict(bank)
    for instrument in more:
        known = bank.setdefault(instrument.name, instrument)
        if not np.array_equal(known.z, instrument.z):
            raise ValueError(f"two different instruments are called {instrument.name!r}; give one another name")
    return checked_bank(bank)


class Preview(Sound):
    """A player for single notes of a model. It keeps the last `REMEMBERED` notes, so they are not generated again."""

    def __init__(self, model: GANSynth):
        super().__init__()
        self._model = model
        self._heard: OrderedDict[tuple[bytes, int], Audio] = OrderedDict()

    def use(self, model: GANSynth) -> None:
        """Change to another model, and forget the notes of the old one."""
        if model is not self._model:
            self._model = model
            self._heard.clear()

    def play_note(self, instrument: Instrument, pitch: int) -> Audio:
        """Generate a note, unless it has been kept, and play it; returns the clip."""
        key = (instrument.z.tobytes(), pitch)
        check_model(instrument, self._model)  # also for a kept note, which only this model can have generated
        clip = self._heard.pop(key, None) or render.note(self._model, instrument, pitch)
        self._heard[key] = clip
        if len(self._heard) > REMEMBERED:
            self._heard.popitem(last=False)
        self.play(clip)
        return clip


def note_code(instrument: str, pitch: int) -> str:
    """The code that corresponds to `Preview.play_note`; `instrument` is the code for the instrument."""
    return f"clip = render.note(model, {instrument}, {pitch})"


class Piano(anywidget.AnyWidget):
    """A piano to choose a pitch, with the range of the model, C1 to C6.

    Click a key, or choose it with the arrow keys (Page Up and Page Down move by an octave). Callbacks set with `on_key`
    are called for each choice, even if the key is the same again.

    Traits:
      pitch: MIDI number of the chosen key.
    """

    _esm = SCRIPTS / "piano.js"
    _css = SCRIPTS / "piano.css"
    pitch = traitlets.Int(MIDDLE_C, min=MIN_PITCH, max=MAX_PITCH).tag(sync=True)
    lowest = traitlets.Int(MIN_PITCH).tag(sync=True)
    highest = traitlets.Int(MAX_PITCH).tag(sync=True)
    names = traitlets.List(traitlets.Unicode(), [note_name(p) for p in range(MIN_PITCH, MAX_PITCH + 1)]).tag(sync=True)

    def on_key(self, call: Callable[[int], None]) -> None:
        """Call `call(pitch)` whenever a key is pressed."""
        self.on_msg(lambda _, content, __: call(content.get("key")))
