"""Render a single note of an instrument to audio.

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

HOLD = 1.7  # s; two seconds with the release: half of the model's note, generated in half the time
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
      model: the model to generate with.
      instrument: the instrument.
      pitch: MIDI pitch, from 24 (C1) to 84 (C6).
      hold: time from onset to release (s); notes longer than the model's are looped.
      velocity: 1 to 127.
      settings: only attack, release, sustain, level, velocity and sample_rate are used.

    Returns:
      The note, mono, at the level that it would have in a song before the clip's loudness is set, or lower if its peak
      would clip.

    Raises:
      TypeError: `instrument` is not an Instrument (a name, for example).
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
        raise ValueError(f"hold is {hold:g}; it must be above 0 and at most {MAX_NOTE_DURATION:g} s")
    if not 1 <= velocity <= 127:
        raise ValueError(f"velocity is {velocity}; it must be between 1 and 127")
    can_loop = settings.sustain == "loop" and model.max_duration >= HELD
    hold = hold if can_loop else min(hold, HELD)
    needed = hold + settings.release
    looped = can_loop and (hold > HELD or needed > model.max_duration)
    computed = HELD if looped else min(max(needed, MIN_SOUND), model.max_duration)
    wave = model.generate(instrument.z[None], [pitch], duration=computed, progress=False)[0]
    loop = shaping.find_loop(wave, model.sample_rate) if looped else None
    shaped = shape_note(wave, hold, velocity, settings, model.sample_rate, loop)
    peak = float(np.abs(shaped).max(initial=0.0))  # at equal loudness, a plucked note may have a much higher peak
    clip = Audio((shaped / max(peak, 1.0)).astype(np.float32), model.sample_rate)
    return audio.resample(clip, settings.sample_rate or model.sample_rate)
