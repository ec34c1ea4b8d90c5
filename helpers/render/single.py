"""One note as it is heard: a model, an instrument and a pitch -> audio.

Notebook: 05_instruments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import audio
from ..audio import Audio
from ..errors import in_one_line
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import Instrument, check_model
from ..limits import MAX_NOTE_DURATION
from . import shaping
from .mixing import shape_note
from .planning import MIN_SOUND
from .shaping import HELD
from .types import DEFAULTS, Settings

if TYPE_CHECKING:
    from ..gansynth import GANSynth

HOLD = 1.7  # s; with the release two seconds, half of the model's note in half the time
LOUDEST = 127  # velocity


@in_one_line
def note(
    model: GANSynth,
    instrument: Instrument,
    pitch: int,
    hold: float = HOLD,
    velocity: int = LOUDEST,
    settings: Settings = DEFAULTS,
) -> Audio:
    """Play one note, shaped as `render` shapes the notes of a song.

    Args:
      model: what to play with.
      instrument: who plays.
      pitch: MIDI number, from 24 (C1) to 84 (C6).
      hold: s from the beginning to the release; what is longer than the model's own note is looped.
      velocity: 1 to 127.
      settings: attack, release, sustain, level, velocity and sample_rate are used.

    Returns:
      The note, mono. Its level is that which it would have in a song, unless its peak would clip.

    Raises:
      ValueError: a value is out of range, or the instrument belongs to another model.

    Notebook: 05_instruments.

    >>> from helpers import gansynth, instruments, render
    >>> model = gansynth.load("demo")
    >>> render.note(model, instruments.bank(model)["Cello"], 60)
    Audio(2.00 s, 16000 Hz, mono, peak 0.55)
    """
    check_model(instrument, model)
    if not (isinstance(pitch, (int, np.integer)) and MIN_PITCH <= pitch <= MAX_PITCH):
        raise ValueError(f"pitch is {pitch!r}; it must be a whole number from {MIN_PITCH} to {MAX_PITCH}")
    if not 0 < hold <= MAX_NOTE_DURATION:
        raise ValueError(f"hold is {hold:g}; a note is held for more than 0 and up to {MAX_NOTE_DURATION:g} s")
    if not 1 <= velocity <= 127:
        raise ValueError(f"velocity is {velocity}; it lies between 1 and 127")
    can_loop = settings.sustain == "loop" and model.max_duration >= HELD
    hold = hold if can_loop else min(hold, HELD)
    needed = hold + settings.release
    looped = can_loop and (hold > HELD or needed > model.max_duration)
    computed = HELD if looped else min(max(needed, MIN_SOUND), model.max_duration)
    wave = model.generate(instrument.z[None], [pitch], duration=computed, progress=False)[0]
    loop = shaping.find_loop(wave, model.sample_rate) if looped else None
    shaped = shape_note(wave, hold, velocity, settings, model.sample_rate, loop)
    peak = float(np.abs(shaped).max(initial=0.0))  # equally loud, a sharp pluck may peak far above the others
    clip = Audio((shaped / max(peak, 1.0)).astype(np.float32), model.sample_rate)
    return audio.resample(clip, settings.sample_rate or model.sample_rate)
