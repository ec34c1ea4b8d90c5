"""Measure the deviation of a note from its pitch with two independent pitch trackers.

    pitch.pyin(wave, 60, 16000)        # cents from C4; NaN if no pitch is found
    pitch.swift_f0(wave, 60, 16000)
    pitch.tracks(wave, 16000)          # for a note of unknown pitch: MIDI pitch over time from each tracker

pYIN (Mauch and Dixon 2014) detects periods; SwiftF0 (Nieradzik 2025) is a small neural network trained on speech and
music. They fail on different notes: pYIN on very high and beating ones, SwiftF0 on sounds unlike its training data and
below 46.9 Hz. If they disagree, neither result is reliable.

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

# The part of a note that is analysed (s), after the attack and before soft notes fade; in shorter notes, these shares.
HEARD_SECONDS, HEARD_SHARES = (0.2, 0.7), (1 / 8, 3 / 4)

# pYIN's results are in steps of 10 cents from its lowest frequency. If that is a note of the scale, the steps around a
# pitch are ..., 20, 30, ..., so the limit of 25 cents is between two of them; a limit of 50 includes 55. At the highest
# pitches, where a period has 15 samples, bright sounds are off by one more step.
# It searches from an octave and a semitone below the pitch to as far above, which takes a quarter of the time of the
# full range. Sounds outside are not in tune in any case: a higher one is detected at the shortest multiple of its
# period within the range, which is in the range's highest octave.
LOWEST_HEARD = 19  # MIDI pitch
AROUND = 13  # semitones
FRAME_SECONDS = 0.128  # four periods of C1, the models' lowest note
IN_TUNE_CENTS = 25.0

# SwiftF0.
SWIFT_RATE = 16000  # Hz; other sample rates are resampled
SWIFT_LOWEST = 31  # MIDI pitch; it detects nothing below
CONFIDENT = 0.5  # confidence from which a frame counts as voiced, as recommended by its authors
MIN_SWIFT_SECONDS = 0.2  # minimum length of its input
AROUND_SECONDS = 0.2  # context before and after the analysed part

# For notes of unknown pitch: the whole range, in coarser steps because the time is quadratic in their number.
UNKNOWN = (19, 108)  # MIDI pitch
COARSE = 0.25  # semitones
HIGHEST_SHARE = 0.45  # highest frequency, relative to the sample rate

DISAGREE_CENTS = 50.0  # difference between the trackers from which they count as detecting different notes


def pyin(wave: np.ndarray, pitch: float, sample_rate: int) -> float:
    """The deviation of a note from a pitch, measured by librosa's pYIN.

    Args:
      wave: samples [n] of one note.
      pitch: MIDI pitch.
      sample_rate: Hz.

    Returns:
      The median deviation (cents) over the frames of the analysed part; NaN if no pitch is found.

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
    """As `pyin`, measured by SwiftF0; NaN for pitches below SWIFT_LOWEST, which it cannot detect.

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
    """The pitch of a sound over time, measured by both trackers without any prior knowledge of the pitch.

    Args:
      wave: samples [n].
      sample_rate: Hz.

    Returns:
      {"pYIN" or "SwiftF0": MIDI pitch (fractional) of the voiced frames, [frames]}; empty for noise.

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
    """The pitch of a sound over time, measured by SwiftF0, which is twenty times as fast as pYIN.

    Args:
      wave: samples [n].
      sample_rate: Hz.

    Returns:
      MIDI pitch (fractional) of the voiced frames, [frames].
    """
    curve = swift_f0_curve(wave, sample_rate)[1]
    return curve[np.isfinite(curve)]


def swift_f0_curve(wave: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """The pitch curve of a sound, measured by SwiftF0.

    Args:
      wave: samples [n].
      sample_rate: Hz.

    Returns:
      Time (s) and MIDI pitch (fractional; NaN if unvoiced) of all frames, [frames] each.
    """
    at_16k = audio.resample(Audio(np.asarray(wave, np.float32), sample_rate), SWIFT_RATE).samples
    padded = np.pad(at_16k, (0, max(0, round(MIN_SWIFT_SECONDS * SWIFT_RATE) - len(at_16k))))
    found = _detector().detect(padded, SWIFT_RATE)
    return found.timestamps, np.where(found.confidence >= CONFIDENT, _midi(found.pitch_hz), np.nan)


def _midi(hertz: np.ndarray) -> np.ndarray:
    return 69 + 12 * np.log2(np.asarray(hertz, np.float64) / note_hertz(69))


def heard(samples: int, sample_rate: int) -> tuple[int, int]:
    """The first sample of the analysed part of a note, and the one after its last."""
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

    return SwiftF0(threads=1)  # several notes are analysed in parallel
