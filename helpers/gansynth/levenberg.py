"""Notes -> the latent whose sound is nearest to them, by least squares, for networks with few effective axes.

    axes = timbre.axes(model).vectors                        # [16, 256] for the demo
    found = levenberg.solve(model, waves, pitches, starts, axes)

The first layer of the bundled model depends on only sixteen directions of the latent space. With so few, the whole
Jacobian of a note's spectrogram, by finite differences, costs sixteen notes, and the Levenberg-Marquardt method
(Marquardt 1963) takes a few steps where Adam (`inversion`) takes dozens and stalls in valleys.

The method minimises the distance between two *sounds*, in the bands of `inversion.log_mel`, but takes the derivatives
from the spectrograms that the network *draws*. Neither would do alone. A drawn spectrogram is not exactly that of the
audio computed from it: the latent whose drawn spectrogram is nearest to a recording's sounds 2 to 3 dB different, even
if the recording is the model's own. And the levels of the audio fluctuate wherever there is noise, so that differences
between them are useless as derivatives.

Notebook: 11_match.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import inversion
from .config import MIN_PITCH, Config
from .inversion import Inverted, Stop, Tell

if TYPE_CHECKING:
    from .model import GANSynth

MAX_AXES = 32  # the Jacobian of a note costs one more note for each axis
STEPS = 9  # for each start
HALVED = 3  # number of steps after which the worse half of the starts is dropped
DIFFERENCE, COARSE = 0.05, 0.2  # finite difference along an axis, for latents of N(0, I): float32, lower precision
MAX_STEP = 1.5  # the longest step, in the same unit
DAMPING = 0.01  # initial value, as a share of the mean curvature
TRIED = (0.1, 1.0, 10.0)  # dampings tried in each step, relative to the last one
HELD, MOST = 30.0, 1000.0  # factor of the damping if no step helps, and the damping at which a start is given up
ENOUGH = 0.02  # dB: a start has converged when a step gains less than this, or its distance is less
SOFT = 0.3  # dB: limits the weight of frames that match better than this
FAINT = 1e-6  # a component outside the axes that is shorter than this counts as 0

Draw = Callable[[np.ndarray], np.ndarray]  # latents -> levels of drawn spectrograms, dB [n, frames, BANDS]
Listen = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # latents -> these levels, and those of the audio


class _Note(NamedTuple):
    """Functions for the levels of a note, drawn and as audio, and the target's levels, dB [frames, BANDS]."""

    draw: Draw
    listen: Listen
    wanted: np.ndarray


def solve(
    model: GANSynth,
    waves: Sequence[np.ndarray],
    pitches: Sequence[int],
    starts: np.ndarray,
    axes: np.ndarray,
    steps: int = STEPS,
    tell: Tell | None = None,
    stop: Stop | None = None,
) -> Inverted:
    """From each start, find a latent whose notes are nearest to all the given notes together; |z| is kept.

    Args:
      model: the model; its network computes in the model's precision.
      waves: the notes, each [samples] at the model's rate, starting at the onset, up to `audio_length`; their levels
        do not matter.
      pitches: MIDI numbers in the model's range, one for each note.
      starts: latents, [starts, size].
      axes: orthonormal vectors to search along, [axes, size], `MAX_AXES` at most. The component of a latent outside the
        axes keeps its direction.
      steps: the most steps for each start.
      tell: called with (steps done, total steps).
      stop: called before each step; if it returns True, the result so far is returned.

    Returns:
      As `inversion.invert`; the history is also infinite after a start has converged.

    Raises:
      ValueError: array shapes that do not match, too many axes, or a pitch that the model does not play.

    Notebook: 11_match.
    """
    axes = np.asarray(axes, np.float64)
    if axes.ndim != 2 or not 1 <= len(axes) <= MAX_AXES or axes.shape[1] != model.latent_vector_size:
        raise ValueError(
            f"axes have shape {list(axes.shape)}; expected 1 to {MAX_AXES} axes of {model.latent_vector_size} numbers"
        )
    z = inversion.checked_starts(model, waves, pitches, starts)
    notes = [_note(model, wave, pitch) for wave, pitch in zip(waves, pitches, strict=True)]
    difference = DIFFERENCE if model.precision == "float32" else COARSE
    ways = [_Descent(notes, start, axes, difference) for start in z]
    history = np.full((steps + 1, len(z)), np.inf)
    done, total = 0, steps_of(len(z), steps)
    stopped = False
    for step in range(steps + 1):  # step 0 only evaluates the start
        if step == HALVED + 1:
            ways_on = sorted(ways, key=lambda way: way.distance)[: -(-len(ways) // 2)]
            done = max(done, total - len(ways_on) * (steps - HALVED))
        for i, way in enumerate(ways):
            if way.has_ended or (step > HALVED and way not in ways_on):
                continue
            stopped = stopped or (stop is not None and stop())
            if stopped:
                break
            way.step()
            history[step, i] = way.distance
            done += 1
            if tell is not None:
                tell(done, total)
    if tell is not None and done < total and not stopped:
        tell(total, total)  # starts that have converged take no more steps
    return Inverted(np.stack([way.z for way in ways]), np.array([way.distance for way in ways]), history, stopped)


def steps_of(starts: int, steps: int = STEPS) -> int:
    """The most steps that `solve` takes for all of its starts together."""
    return starts * (min(steps, HALVED) + 1) + -(-starts // 2) * max(steps - HALVED, 0)


class _Descent:
    """The descent from one start."""

    def __init__(self, notes: Sequence[_Note], start: np.ndarray, axes: np.ndarray, difference: float):
        self._notes, self._axes, self._difference = notes, axes, difference
        self._length = float(np.linalg.norm(start))
        self._at = axes @ start
        self._beyond = _beyond(start, axes)
        self._damping = DAMPING
        self._drawn: list[np.ndarray] = []
        self._heard: list[np.ndarray] = []
        self._slopes: list[np.ndarray] = []
        self.distance, self.has_ended = np.inf, False

    @property
    def z(self) -> np.ndarray:
        return self._latents(self._at[None])[0]

    def step(self) -> None:
        """The first call evaluates the start. Each later one takes a step or, if none helps, raises the damping."""
        if not self._heard:
            self._go(np.zeros_like(self._at)[None])
            self.has_ended = self.distance < ENOUGH
            return
        if not self._slopes:
            self._slopes = [self._slope(note, drawn) for note, drawn in zip(self._notes, self._drawn, strict=True)]
        before = self.distance
        k = self._go(self._moves())
        if k is None:
            self._damping *= HELD
            self.has_ended = self._damping > MOST
        else:
            self._damping *= TRIED[k]
            self._slopes = []
            self.has_ended = min(self.distance, before - self.distance) < ENOUGH

    def _go(self, moves: np.ndarray) -> int | None:
        """Take the best of some moves if it reduces the distance, and return its index; else None."""
        both = [note.listen(self._latents(self._at + moves)) for note in self._notes]
        off = self._off([heard for _, heard in both])
        k = int(np.argmin(off))
        if not off[k] < self.distance:
            return None
        self._at, self.distance = self._at + moves[k], float(off[k])
        self._drawn, self._heard = [drawn[k] for drawn, _ in both], [heard[k] for _, heard in both]
        return k

    def _slope(self, note: _Note, drawn: np.ndarray) -> np.ndarray:
        """The Jacobian of a note's drawn levels, by finite differences, [axes, frames, BANDS]."""
        near = self._latents(self._at + self._difference * np.eye(len(self._axes)))
        return (note.draw(near) - drawn) / self._difference

    def _moves(self) -> np.ndarray:
        """The steps to try, one for each damping in `TRIED`, [dampings, axes]."""
        curvature, pull = np.zeros((len(self._at),) * 2), np.zeros(len(self._at))
        for note, slope, heard in zip(self._notes, self._slopes, self._heard, strict=True):
            left = note.wanted - heard
            # The distance is a mean over frames of root mean squares, so each frame's squares are weighted by 1 / root.
            weight = 1 / (np.sqrt(np.mean(left**2, axis=1, keepdims=True)) + SOFT) / left.size
            is_quiet = (heard <= -inversion.FLOOR) & (note.wanted <= -inversion.FLOOR)
            rows = np.where(is_quiet, 0.0, slope).reshape(len(slope), -1)
            weighted = rows * np.broadcast_to(weight, left.shape).ravel()
            curvature += weighted @ rows.T
            pull += weighted @ left.ravel()
        mean = np.trace(curvature) / len(curvature) + inversion.TINY
        unit = np.eye(len(curvature))
        moves = np.stack([np.linalg.solve(curvature + self._damping * k * mean * unit, pull) for k in TRIED])
        lengths = np.linalg.norm(moves, axis=1, keepdims=True)
        return moves * np.minimum(1.0, MAX_STEP / np.maximum(lengths, inversion.TINY))

    def _latents(self, along: np.ndarray) -> np.ndarray:
        """Coordinates along the axes -> latents as long as the start, [n, axes] -> [n, size]."""
        left = np.sqrt(np.maximum(self._length**2 - np.sum(along**2, axis=1, keepdims=True), 0.0))
        z = along @ self._axes + left * self._beyond
        return z * (self._length / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), inversion.EPSILON))

    def _off(self, heard: Sequence[np.ndarray]) -> np.ndarray:
        """The distances from the targets, the mean over the notes, dB [n]."""
        each = [
            np.sqrt(np.mean((levels - note.wanted) ** 2, axis=2)).mean(axis=1)
            for note, levels in zip(self._notes, heard, strict=True)
        ]
        return np.mean(each, axis=0)


def _beyond(z: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Unit vector of a latent's component outside the axes; zeros if the axes span the whole space.

    A latent within the span of the axes gets an arbitrary direction outside them, so that |z| can be kept.
    """
    rest = z - (axes @ z) @ axes
    if np.linalg.norm(rest) < FAINT:
        rest = np.ones_like(z) - (axes @ np.ones_like(z)) @ axes
    length = float(np.linalg.norm(rest))
    return rest / length if length > FAINT else np.zeros_like(z)


def _note(model: GANSynth, wave: np.ndarray, pitch: int) -> _Note:
    import tensorflow as tf

    target = inversion.Target(wave, pitch, model.config)
    draw, listen = _graphs(model, target.frames)
    times, label = _times(target.samples, target.frames, model.config), tf.constant(pitch - MIN_PITCH)

    def batches(z: np.ndarray) -> list[np.ndarray]:
        given = z.astype(np.float32)
        return [given[first : first + model.batch_size] for first in range(0, len(z), model.batch_size)]

    def drawn(z: np.ndarray) -> np.ndarray:
        return np.concatenate([draw(rows, label, times).numpy() for rows in batches(z)]).astype(np.float64)

    def listened(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen, heard = zip(*(listen(rows, label, times, target.samples) for rows in batches(z)), strict=True)
        return np.concatenate(seen).astype(np.float64), np.concatenate(heard).astype(np.float64)

    wanted = inversion.log_mel(target.whole[None, : target.samples], model.sample_rate)[0]
    return _Note(drawn, listened, wanted.astype(np.float64))


@functools.lru_cache(maxsize=4)  # tracing takes as long as several steps
def _graphs(model: GANSynth, frames: int) -> tuple[Callable, Callable]:
    """Two functions of (latents [n, size], label, times): drawn levels; and, given the number of samples, audio too."""
    import tensorflow as tf

    levels = inversion.levels(model.config)
    given = [tf.TensorSpec([None, model.latent_vector_size], tf.float32), tf.TensorSpec([], tf.int32)]
    given.append(tf.TensorSpec([None], tf.int32))

    def image(z: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        return model.network.call(z, tf.fill([tf.shape(z)[0]], label), frames=(0, frames))

    @tf.function(input_signature=given)
    def draw(z: tf.Tensor, label: tf.Tensor, times: tf.Tensor) -> tf.Tensor:
        return tf.gather(levels.drawn(image(z, label)), times, axis=1)

    @tf.function(input_signature=[*given, tf.TensorSpec([], tf.int32)])
    def listen(z: tf.Tensor, label: tf.Tensor, times: tf.Tensor, samples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        seen = image(z, label)
        return tf.gather(levels.drawn(seen), times, axis=1), levels.heard(levels.sound(seen)[:, :samples])

    return draw, listen


def _times(samples: int, frames: int, config: Config) -> np.ndarray:
    """For each frame of `inversion.log_mel`, the index of the drawn frame whose centre is nearest to its own."""
    _, hop = inversion.sizes(config.sample_rate)
    middles = np.arange(1 + samples // hop) * hop
    drawn = (middles + config.front_padding - config.frame_length / 2) / config.hop_length
    return np.clip(np.round(drawn), 0, frames - 1).astype(np.int32)
