"""From a generated wave to a note as it is heard: cut to length, looped, bent, and faded in and out.

Functions over arrays at the model's rate; `render` calls them for each note of a song.

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import scipy.fft

from ..audio import SILENCE, k_weighted

ATTACK = 0.010  # s; rise
RELEASE = 0.300  # s; fall, beginning where the note ends
DECIBELS = 20 / np.log(10)  # in a factor of e
FLOOR = 1e-3  # levels further below the highest say nothing about how a sound dies away

# NSynth's notes are held for three seconds and then let go, and so is what a model has learned from them.
HELD = 3.0  # s
LOOP_FROM, LOOP_TO = 1.0, 2.9  # s; the steady part: after the attack, and before the spectral frames see the release
LOOP_ENDS = 5  # places tried for the end of the loop, spread over ...
LOOP_END_RANGE = 0.4  # s before LOOP_TO
MIN_LOOP = 0.3  # s; shorter ones sound like a machine
LOOP_STEADY = 3.0  # dB a second; what changes more slowly is taken for steady, or a held organ would fade
LOOP_SEAM = 0.1  # s of crossfade, and what is compared to find the place
BEND_ROOM = 0.005  # s of a sound beyond a bent note's end that interpolation looks at
# How loud a sound is: its K-weighted RMS in the loudest LEVEL_WINDOW of its first LEVEL_SPAN. On ten pieces of several
# tracks, windows of 0.1, 0.2 and 0.4 s and spans of 0.3 to 3 s were tried against a soundfont's balance: these came
# nearest (`make bench-balance`), and the span is short enough for the notes that most sounds are generated for.
LEVEL_WINDOW, LEVEL_SPAN, LEVEL_STEP = 0.2, 0.5, 0.05  # s
BEND_BLOCK = 1 << 19  # samples read at a time of a bent note, half a minute; all at once took over a gigabyte
BEND_MARGIN = 64  # samples on both sides that the filter and the splines look at
SWAY = 0.02  # s; curves of controllers are followed at this pace, so that a step does not click


def envelope(hold: float, attack: float = ATTACK, release: float = RELEASE, sample_rate: int = 16000) -> np.ndarray:
    """Gain of a note that is held for `hold` seconds: float64 [samples], rising, full, and falling to 0.

    Rise and fall are quarter sines. A quarter sine of duration T is the steepest fade that never makes a sine of at
    least 1 / 4T Hz jump further from one sample to the next than the sine does by itself: with g = sin(wt), the slope
    of g(t) sin(vt + p) is at most sqrt(g'^2 + g^2 v^2), which is at most v where v >= w. Ten milliseconds are enough
    for every pitch above 25 Hz. A note shorter than the attack is released while it rises, by the product of both.
    """
    held, rise, fall = int(sample_rate * hold), _quarter_sine(int(sample_rate * attack)), int(sample_rate * release)
    gain = np.ones(held + fall)
    gain[: len(rise)] = rise[: len(gain)]
    gain[held:] *= _quarter_sine(fall)[::-1]
    return gain


@functools.lru_cache(maxsize=8)  # the same two for every note of a song
def _quarter_sine(samples: int) -> np.ndarray:
    """From 0 to just below 1."""
    return np.sin(np.linspace(0.0, np.pi / 2, samples, endpoint=False))


@dataclasses.dataclass(frozen=True)
class Loop:
    """A stretch of a wave that can be repeated: it ends where it sounds as it did where it began.

    Attributes:
      start: sample at which playing goes on ...
      end: ... when it has come to this one.
      decay: level at the end, as a multiple of that at the start, by the trend of the steady part.
      likeness: of the two places: 1 where they are the same but for the decay, 0 where they have nothing in common.
    """

    start: int
    end: int
    decay: float
    likeness: float


def find_loop(wave: np.ndarray, sample_rate: int = 16000) -> Loop:
    """Find the best loop in the steady part of a note, between 1 and 2.9 s.

    For a few ends, the tenth of a second before each is compared with every earlier place, brought to the level that it
    would have by now: twice their product over the sum of their powers. Where that is nearest to 1, all partials are in
    the same phase again, and as strong.

    Args:
      wave: [samples], at least LOOP_TO seconds of it.
      sample_rate: Hz.

    Raises:
      ValueError: the wave is too short to hold a loop.
    """
    if len(wave) < int(LOOP_TO * sample_rate):
        raise ValueError(f"a loop needs {LOOP_TO} s of a note, not {len(wave) / sample_rate:.2f} s")
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
    """The sum of products of a pattern and a wave, for each place where the wave holds all of it: [n - length + 1].

    As `scipy.signal.correlate` by FFT, which takes a second to import.
    """
    size = scipy.fft.next_fast_len(len(wave) + len(pattern) - 1, real=True)
    spectrum = scipy.fft.rfft(wave, size) * scipy.fft.rfft(pattern[::-1], size)
    return scipy.fft.irfft(spectrum, size)[len(pattern) - 1 : len(wave)]


def trend(wave: np.ndarray, block: int) -> float:
    """How the logarithm of a wave's level changes per sample, by a straight line through its blocks.

    Args:
      wave: [n], a few blocks at least.
      block: samples.
    """
    levels = np.sqrt(np.mean(wave[: len(wave) // block * block].reshape(-1, block) ** 2, axis=1))
    levels = np.maximum(levels, max(levels.max() * FLOOR, SILENCE))
    return float(np.polynomial.Polynomial.fit(np.arange(len(levels)), np.log(levels), 1).convert().coef[1]) / block


def extend(wave: np.ndarray, loop: Loop, samples: int, sample_rate: int = 16000) -> np.ndarray:
    """Make a note longer by repeating its loop. [n] -> float64 [samples].

    Up to a crossfade before the loop's end nothing changes. A sound that dies away goes on dying away at the rate it
    had in the loop; one that swells stays at the level it has reached.
    """
    if samples <= loop.end:
        return np.asarray(wave[:samples], np.float64)
    seam, length = int(LOOP_SEAM * sample_rate), loop.end - loop.start
    head = np.array(wave[: loop.end], np.float64)
    fade = np.linspace(0.0, 1.0, seam)
    # Keep the power of the sum: two like signals add up by amplitude, two unlike ones by power.
    level = 1.0 / np.sqrt((1 - fade) ** 2 + fade**2 + 2 * fade * (1 - fade) * max(loop.likeness, 0.0))
    before = head[loop.start - seam : loop.start] * loop.decay
    head[loop.end - seam :] = ((1 - fade) * head[loop.end - seam :] + fade * before) * level
    rest = samples - loop.end
    turns = 1 + np.arange(-(-rest // length))
    if loop.decay < 1.0:
        cycles = np.multiply.outer(loop.decay**turns, head[loop.start :])
    else:  # as loud throughout as the wave is at the loop's end
        cycles = np.tile(head[loop.start :] * loop.decay ** (1 - np.arange(length) / length), len(turns))
    return np.concatenate([head, cycles.reshape(-1)[:rest]])


def bend(wave: np.ndarray, semitones: np.ndarray) -> np.ndarray:
    """Read a wave faster or slower along a curve. [n], [samples] -> float64 [samples], zeros where the wave has ended.

    As in a sampler, partials and formants move together.
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
    """The values of a wave at some places, which rise, in samples."""
    from scipy.ndimage import map_coordinates
    from scipy.signal import resample_poly

    # Cubic splines need some room below the Nyquist frequency: at twice the rate they are 60 dB clean.
    return map_coordinates(resample_poly(np.asarray(wave, np.float64), 2, 1), [2 * at], order=3, mode="constant")


class Curve:
    """The value of a controller over time, each change reached by a short ramp so that a step does not click."""

    def __init__(self, changes: Sequence[tuple[float, float]], default: float):
        """
        Args:
          changes: (second, value from then on), in order of time.
          default: the value before the first.
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
        """Values at some seconds: [n] -> float64 [n]."""
        return np.interp(times, self.knots, self.values)

    def between(self, start: float, end: float) -> tuple[float, float]:
        """The lowest and the highest value from one second to another."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        inside = self.values[np.searchsorted(self.knots, start, "right") : np.searchsorted(self.knots, end, "left")]
        reached = np.concatenate([np.interp([start, end], self.knots, self.values), inside])
        return float(np.min(reached)), float(np.max(reached))


def loudest(wave: np.ndarray, sample_rate: int) -> float:
    """How loud a sound is at the beginning, where most notes are: the RMS of its loudest fifth of a second, K-weighted.

    Only the first half second counts, so that a sound has one level, however much of it is generated.

    Args:
      wave: [n], a sound from its beginning.
      sample_rate: Hz.

    Source: the weighting of ITU-R BS.1770-4, annex 1.
    """
    weighted = k_weighted(wave[: round(LEVEL_SPAN * sample_rate)], sample_rate)
    window, step = round(LEVEL_WINDOW * sample_rate), round(LEVEL_STEP * sample_rate)
    energy = np.concatenate([[0.0], np.cumsum(weighted**2)])
    starts = np.arange(0, max(len(weighted) - window, 0) + 1, step)
    return float(np.sqrt(np.max(energy[np.minimum(starts + window, len(weighted))] - energy[starts]) / window))


def interpolated(points: np.ndarray, step: int) -> np.ndarray:
    """Values on straight lines from point to point: [channels, n] -> float64 [channels, (n - 1) * step]."""
    ramp = np.arange(step) / step
    pairs = np.stack([points[:, :-1], points[:, 1:]], axis=-1)
    return (pairs @ np.stack([1 - ramp, ramp])).reshape(len(points), -1)  # ten times as fast as np.interp
