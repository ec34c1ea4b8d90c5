"""Shape a generated wave into a note: cut it to length, loop it, bend its pitch, and fade it in and out.

The functions work on arrays at the model's sample rate; `render` calls them for each note of a song.

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import scipy.fft

from ..audio import SILENCE, k_weighted

ATTACK = 0.010  # s; fade-in
RELEASE = 0.300  # s; fade-out from the end of the note
DECIBELS = 20 / np.log(10)  # dB in a factor of e
FLOOR = 1e-3  # of the highest level; lower levels are ignored when a decay is estimated

# NSynth's notes are held for three seconds and then released, so the notes of a model trained on them are too.
HELD = 3.0  # s
LOOP_FROM, LOOP_TO = 1.0, 2.9  # s; the steady part: after the attack, and before the first frame with the release
LOOP_ENDS = 5  # number of candidate loop ends ...
LOOP_END_RANGE = 0.4  # ... in this range before LOOP_TO (s)
MIN_LOOP = 0.3  # s; shorter loops sound mechanical
LOOP_STEADY = 3.0  # dB/s; slower changes count as steady, because otherwise a held organ would fade out
LOOP_SEAM = 0.1  # s; length of the crossfade, and of the segments compared to place it
BEND_ROOM = 0.005  # s; extra sound after the end of a bent note, for the interpolation
# A sound's loudness is its K-weighted RMS in the loudest LEVEL_WINDOW of its first LEVEL_SPAN. On ten pieces of several
# tracks, windows of 0.1, 0.2 and 0.4 s and spans of 0.3 to 3 s were compared with the balance of a soundfont: these are
# nearest to it (`make bench-balance`), and the span is no longer than most generated sounds.
LEVEL_WINDOW, LEVEL_SPAN, LEVEL_STEP = 0.2, 0.5, 0.05  # s
BEND_BLOCK = 1 << 19  # samples of a bent note (half a minute) resampled at a time; all at once took over a gigabyte
BEND_MARGIN = 64  # samples on both sides for the filter and the splines
SWAY = 0.02  # s; duration of the ramp to a new controller value, so that steps do not click


def envelope(hold: float, attack: float = ATTACK, release: float = RELEASE, sample_rate: int = 16000) -> np.ndarray:
    """Gain of a note held for `hold` seconds: float64 [samples], with attack, full level, and release to 0.

    Attack and release are quarter sines. A quarter sine of duration T is the steepest fade that does not make a sine of
    at least 1 / 4T Hz steeper than it is without the fade: with g = sin(wt), the slope of g(t) sin(vt + p) is at most
    sqrt(g'^2 + g^2 v^2), which is at most v if v >= w. Ten milliseconds are enough for every pitch above 25 Hz. In a
    note shorter than the attack, the two fades overlap and are multiplied.
    """
    held, rise, fall = int(sample_rate * hold), _quarter_sine(int(sample_rate * attack)), int(sample_rate * release)
    gain = np.ones(held + fall)
    gain[: len(rise)] = rise[: len(gain)]
    gain[held:] *= _quarter_sine(fall)[::-1]
    return gain


@functools.lru_cache(maxsize=8)  # the same two for every note of a song
def _quarter_sine(samples: int) -> np.ndarray:
    """A fade from 0 to just below 1, float64 [samples]."""
    return np.sin(np.linspace(0.0, np.pi / 2, samples, endpoint=False))


@dataclasses.dataclass(frozen=True)
class Loop:
    """A segment of a wave that can be repeated because the wave is alike at both of its ends.

    Attributes:
      start: first sample.
      end: sample after the last; playback continues at `start` from here.
      decay: level at the end relative to the start, from the trend of the steady part.
      likeness: similarity of the wave before `start` and before `end`: 1 if they are equal up to the decay, 0 if they
        are uncorrelated.
    """

    start: int
    end: int
    decay: float
    likeness: float


def find_loop(wave: np.ndarray, sample_rate: int = 16000) -> Loop:
    """Find the best loop in the steady part of a note, between 1 and 2.9 s.

    For several candidate ends, the 0.1 s before each are compared with every earlier segment, scaled by the decay
    between them. The similarity is twice their inner product divided by the sum of their energies. Where it is nearest
    to 1, all partials have the same phase and amplitude.

    Args:
      wave: [samples], at least LOOP_TO seconds.
      sample_rate: Hz.

    Raises:
      ValueError: the wave is too short.
    """
    if len(wave) < int(LOOP_TO * sample_rate):
        raise ValueError(f"a loop needs at least {LOOP_TO} s of a note, not {len(wave) / sample_rate:.2f} s")
    wave = np.asarray(wave, np.float64)
    seam, first = int(LOOP_SEAM * sample_rate), int(LOOP_FROM * sample_rate)
    slope = trend(wave[first : int(LOOP_TO * sample_rate)], seam)
    if abs(slope) * sample_rate * DECIBELS <= LOOP_STEADY:
        slope = 0.0
    power = np.concatenate([[0.0], np.cumsum(wave**2)])
    best = Loop(first, int(LOOP_TO * sample_rate), 1.0, -1.0)
    for seconds in np.linspace(LOOP_TO, LOOP_TO - LOOP_END_RANGE, LOOP_ENDS):
        end = int(seconds * sample_rate)
        pattern = wave[end - seam : end]
        places = wave[first - seam : end - int(MIN_LOOP * sample_rate)]
        products = _products(places, pattern)
        starts = first + np.arange(len(products))
        decays = np.exp(slope * (end - starts))
        powers = decays**2 * (power[starts] - power[starts - seam]) + pattern @ pattern
        likeness = 2 * decays * products / np.maximum(powers, SILENCE**2)
        i = int(np.argmax(likeness))
        if likeness[i] > best.likeness:
            best = Loop(int(starts[i]), end, float(decays[i]), float(likeness[i]))
    return best


def _products(wave: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Cross-correlation of a wave and a pattern at all offsets where they overlap fully: [n - length + 1].

    The same as `scipy.signal.correlate(..., "valid", "fft")`, which takes a second to import.
    """
    size = scipy.fft.next_fast_len(len(wave) + len(pattern) - 1, real=True)
    spectrum = scipy.fft.rfft(wave, size) * scipy.fft.rfft(pattern[::-1], size)
    return scipy.fft.irfft(spectrum, size)[len(pattern) - 1 : len(wave)]


def trend(wave: np.ndarray, block: int) -> float:
    """The slope per sample of the natural logarithm of a wave's level, from a line fitted to the RMS of its blocks.

    Args:
      wave: [n], at least two blocks.
      block: samples in a block.
    """
    levels = np.sqrt(np.mean(wave[: len(wave) // block * block].reshape(-1, block) ** 2, axis=1))
    levels = np.maximum(levels, max(levels.max() * FLOOR, SILENCE))
    return float(np.polynomial.Polynomial.fit(np.arange(len(levels)), np.log(levels), 1).convert().coef[1]) / block


def extend(wave: np.ndarray, loop: Loop, samples: int, sample_rate: int = 16000) -> np.ndarray:
    """Extend a note by repeating its loop. [n] -> float64 [samples].

    The note is unchanged up to the crossfade before the loop's end. After that a decaying sound continues to decay at
    the rate of the loop; a swelling one stays at the level that it has reached.
    """
    if samples <= loop.end:
        return np.asarray(wave[:samples], np.float64)
    seam, length = int(LOOP_SEAM * sample_rate), loop.end - loop.start
    head = np.array(wave[: loop.end], np.float64)
    fade = np.linspace(0.0, 1.0, seam)
    # Keep the power constant: identical signals add in amplitude, uncorrelated ones in power.
    level = 1.0 / np.sqrt((1 - fade) ** 2 + fade**2 + 2 * fade * (1 - fade) * max(loop.likeness, 0.0))
    before = head[loop.start - seam : loop.start] * loop.decay
    head[loop.end - seam :] = ((1 - fade) * head[loop.end - seam :] + fade * before) * level
    rest = samples - loop.end
    turns = 1 + np.arange(-(-rest // length))
    if loop.decay < 1.0:
        cycles = np.multiply.outer(loop.decay**turns, head[loop.start :])
    else:  # at the level of the loop's end throughout
        cycles = np.tile(head[loop.start :] * loop.decay ** (1 - np.arange(length) / length), len(turns))
    return np.concatenate([head, cycles.reshape(-1)[:rest]])


def bend(wave: np.ndarray, semitones: np.ndarray) -> np.ndarray:
    """Resample a wave along a pitch curve. [n], [samples] -> float64 [samples], with zeros after the end of the wave.

    As in a sampler, formants move with the partials.
    """
    speed = 2.0 ** (np.asarray(semitones, np.float64) / 12)
    at = np.concatenate([[0.0], np.cumsum(speed[:-1])])
    if len(at) <= BEND_BLOCK:
        return _read(wave, at)
    blocks = []
    for i in range(0, len(at), BEND_BLOCK):
        here = at[i : i + BEND_BLOCK]
        first = max(int(here[0]) - BEND_MARGIN, 0)
        blocks.append(_read(wave[first : int(here[-1]) + BEND_MARGIN], here - first))
    return np.concatenate(blocks)


def _read(wave: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate a wave at increasing positions (samples)."""
    from scipy.ndimage import map_coordinates
    from scipy.signal import resample_poly

    # Cubic splines are inaccurate near the Nyquist frequency; at twice the rate, the error is 60 dB below the signal.
    return map_coordinates(resample_poly(np.asarray(wave, np.float64), 2, 1), [2 * at], order=3, mode="constant")


class Curve:
    """The value of a controller over time, with a short ramp before each change so that steps do not click."""

    def __init__(self, changes: Sequence[tuple[float, float]], default: float):
        """
        Args:
          changes: (time (s), value from then on), in order of time.
          default: the value before the first change.
        """
        knots, values = [-np.inf], [default]
        for second, value in np.array(changes, np.float64).reshape(-1, 2).tolist():
            if second - SWAY > knots[-1]:
                knots.append(second - SWAY)
                values.append(values[-1])
            knots.append(second)
            values.append(value)
        self.knots, self.values = np.array(knots[1:] or [0.0]), np.array(values[1:] or [default], np.float64)

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """Values at given times: [n] (s) -> float64 [n]."""
        return np.interp(times, self.knots, self.values)

    def between(self, start: float, end: float) -> tuple[float, float]:
        """The lowest and the highest value from `start` to `end` (s)."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        inside = self.values[np.searchsorted(self.knots, start, "right") : np.searchsorted(self.knots, end, "left")]
        reached = np.concatenate([np.interp([start, end], self.knots, self.values), inside])
        return float(np.min(reached)), float(np.max(reached))


def loudest(wave: np.ndarray, sample_rate: int) -> float:
    """Loudness of a sound's beginning: the K-weighted RMS of the loudest 0.2 s within its first 0.5 s.

    Using only the beginning makes the level independent of how much of the sound is generated.

    Args:
      wave: [n], starting at the onset.
      sample_rate: Hz.

    Source: the weighting of ITU-R BS.1770-4, annex 1.
    """
    weighted = k_weighted(wave[: round(LEVEL_SPAN * sample_rate)], sample_rate)
    window, step = round(LEVEL_WINDOW * sample_rate), round(LEVEL_STEP * sample_rate)
    energy = np.concatenate([[0.0], np.cumsum(weighted**2)])
    starts = np.arange(0, max(len(weighted) - window, 0) + 1, step)
    return float(np.sqrt(np.max(energy[np.minimum(starts + window, len(weighted))] - energy[starts]) / window))


def interpolated(points: np.ndarray, step: int) -> np.ndarray:
    """Linear interpolation between equidistant points: [channels, n] -> float64 [channels, (n - 1) * step]."""
    ramp = np.arange(step) / step
    pairs = np.stack([points[:, :-1], points[:, 1:]], axis=-1)
    return (pairs @ np.stack([1 - ramp, ramp])).reshape(len(points), -1)  # ten times as fast as np.interp
