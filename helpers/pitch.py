"""How far a note is from its pitch, by two trackers that know nothing of each other.

    pitch.pyin(wave, 60, 16000)        # cents from C4, not a number where it hears no pitch
    pitch.swift_f0(wave, 60, 16000)
    pitch.tracks(wave, 16000)          # of a note of unknown pitch: MIDI numbers over time, by each tracker

pYIN (Mauch and Dixon 2014) looks for periods; SwiftF0 (Nieradzik 2025) is a small neural network that was trained on
speech and music. They err on different notes: pYIN on very high and beating ones, SwiftF0 on sounds unlike those that
it was trained on, and it hears nothing below 46.9 Hz. Where they disagree, neither is to be believed.

Notebook: 12_measure, 11_match (recordings).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from . import audio, compiled
from .audio import Audio
from .midi import note_hertz

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

# The part of a note that is heard: after the attack, before soft notes fade. Shorter notes: these shares of them.
HEARD_SECONDS, HEARD_SHARES = (0.2, 0.7), (1 / 8, 3 / 4)

# pYIN answers in steps of 10 cents, counted from its lowest frequency. Counted from a note of the scale, the steps
# around a pitch are ..., 20, 30, ..., so that the limit of 25 cents falls between two of them; 50 includes 55. Near the
# top, where a period is 15 samples, it is off by one more step for bright sounds.
# It looks from an octave and a semitone below the pitch to as far above, which takes a quarter of the time that all
# pitches take. A sound outside is not in tune either way: one that is higher is heard at the shortest multiple of its
# period that is looked for, and that lies within the highest octave.
LOWEST_HEARD = 19  # MIDI
AROUND = 13  # semitones
FRAME_SECONDS = 0.128  # four periods of the lowest note
IN_TUNE_CENTS = 25.0

# SwiftF0.
SWIFT_RATE = 16000  # Hz; what else comes is resampled
SWIFT_LOWEST = 31  # MIDI; below, it is deaf
CONFIDENT = 0.5  # from which a frame counts as voiced, its authors' limit
MIN_SWIFT_SECONDS = 0.2  # that it is given at least
AROUND_SECONDS = 0.2  # of context that it is given before and after the part that is heard

# Of a note of unknown pitch: all that can be heard as one, in coarser steps, because the time goes with their square.
UNKNOWN = (19, 108)  # MIDI
COARSE = 0.25  # semitones
HIGHEST_SHARE = 0.45  # of the sample rate, where frequencies end

DISAGREE_CENTS = 50.0  # between the trackers: they hear different notes


def pyin(wave: np.ndarray, pitch: float, sample_rate: int) -> float:
    """The deviation from a pitch by librosa's pYIN.

    Args:
      wave: samples [n] of one note.
      pitch: MIDI number.
      sample_rate: Hz.

    Returns:
      cents, the median over the frames of the part that is heard; not a number if there is no pitch in it.

    >>> import numpy as np
    >>> from helpers import pitch
    >>> a4 = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> abs(pitch.pyin(a4, 69, 16000)) <= 10
    True
    """
    librosa = compiled.librosa()
    start, stop = heard(len(wave), sample_rate)
    frame = round(FRAME_SECONDS * sample_rate)
    lowest = max(LOWEST_HEARD, round(pitch) - AROUND)
    fmin, fmax = (float(librosa.midi_to_hz(note)) for note in (lowest, lowest + 2 * AROUND))
    f0, voiced, _ = librosa.pyin(wave[start:stop], fmin=fmin, fmax=fmax, sr=sample_rate, frame_length=frame)
    return _cents(f0[voiced & np.isfinite(f0)], pitch)


def swift_f0(wave: np.ndarray, pitch: float, sample_rate: int) -> float:
    """The same by SwiftF0. Not a number below MIDI SWIFT_LOWEST, where it hears nothing.

    Raises:
      ImportError: swift-f0 is not installed.

    >>> import numpy as np
    >>> from helpers import pitch
    >>> a4 = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> abs(pitch.swift_f0(a4, 69, 16000)) <= 10
    True
    """
    if pitch < SWIFT_LOWEST:
        return float("nan")
    start, stop = (index / sample_rate for index in heard(len(wave), sample_rate))
    first = max(0.0, start - AROUND_SECONDS)
    part = wave[int(first * sample_rate) : int((stop + AROUND_SECONDS) * sample_rate)].astype(np.float32)
    if sample_rate != SWIFT_RATE:
        part = audio.resample(Audio(part, sample_rate), SWIFT_RATE).samples
    found = _detector().detect(part, SWIFT_RATE)
    times = first + found.timestamps
    chosen = (found.confidence >= CONFIDENT) & (start <= times) & (times < stop)
    return _cents(found.pitch_hz[chosen], pitch)


def tracks(wave: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
    """What each tracker hears in a sound of which nothing is known.

    Args:
      wave: samples [n].
      sample_rate: Hz.

    Returns:
      "pYIN" and "SwiftF0" -> MIDI numbers over time of the frames that have a pitch, [frames]; none in noise.

    >>> import numpy as np
    >>> from helpers import pitch
    >>> a4 = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> {name: round(float(np.median(found))) for name, found in pitch.tracks(a4, 16000).items()}
    {'pYIN': 69, 'SwiftF0': 69}

    Notebook: 11_match.
    """
    librosa = compiled.librosa()
    frame = round(FRAME_SECONDS * sample_rate)
    padded = np.pad(np.asarray(wave, np.float32), (0, max(0, frame - len(wave))))
    low, high = (min(note_hertz(note), HIGHEST_SHARE * sample_rate) for note in UNKNOWN)
    f0, voiced, _ = librosa.pyin(padded, fmin=low, fmax=high, sr=sample_rate, frame_length=frame, resolution=COARSE)
    return {"pYIN": _midi(f0[voiced & np.isfinite(f0)]), "SwiftF0": swift_f0_track(padded, sample_rate)}


def swift_f0_track(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """What SwiftF0, which takes a twentieth of pYIN's time, hears in a sound of which nothing is known.

    Args:
      wave: samples [n].
      sample_rate: Hz.

    Returns:
      MIDI numbers over time of the frames that have a pitch, [frames].
    """
    curve = swift_f0_curve(wave, sample_rate)[1]
    return curve[np.isfinite(curve)]


def swift_f0_curve(wave: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """What SwiftF0 hears, and when.

    Args:
      wave: samples [n].
      sample_rate: Hz.

    Returns:
      s and MIDI numbers of all frames, [frames] each; not a number where there is no pitch.
    """
    at_16k = audio.resample(Audio(np.asarray(wave, np.float32), sample_rate), SWIFT_RATE).samples
    padded = np.pad(at_16k, (0, max(0, round(MIN_SWIFT_SECONDS * SWIFT_RATE) - len(at_16k))))
    found = _detector().detect(padded, SWIFT_RATE)
    return found.timestamps, np.where(found.confidence >= CONFIDENT, _midi(found.pitch_hz), np.nan)


def _midi(hertz: np.ndarray) -> np.ndarray:
    return 69 + 12 * np.log2(np.asarray(hertz, np.float64) / note_hertz(69))


def heard(samples: int, sample_rate: int) -> tuple[int, int]:
    """The first and the last sample of the part of a note that is heard."""
    start, stop = (
        min(seconds, share * samples / sample_rate) for seconds, share in zip(HEARD_SECONDS, HEARD_SHARES, strict=True)
    )
    return int(start * sample_rate), int(stop * sample_rate)


def _cents(hertz: np.ndarray, pitch: float) -> float:
    if not len(hertz):
        return float("nan")
    return float(np.median(1200 * np.log2(hertz / note_hertz(pitch))))


@functools.cache
def _detector() -> SwiftF0:
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1)  # notes are heard side by side
