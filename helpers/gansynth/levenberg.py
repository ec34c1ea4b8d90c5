"""Notes -> the latent whose sound comes nearest to them, where the network hears few axes: by least squares.

    axes = timbre.axes(model).vectors                        # [16, 256] for the demo
    found = levenberg.solve(model, waves, pitches, starts, axes)

The first layer of the bundled model passes on sixteen directions of the latent space and nothing else. In so few, the
whole Jacobian of a note's picture costs sixteen notes, by differences, and the Levenberg-Marquardt method (Marquardt
1963) takes a few steps where Adam (`inversion`) takes dozens and stalls in valleys.

What is made small is the difference between two *sounds*, in the bands of `inversion.log_mel`; but how it changes is
taken from what the network *draws*. Both belong together: drawn pictures are no exact pictures of the sound that is
made of them, so that the latent whose picture is nearest to that of a recording sounds 2 to 3 dB different even if
the recording is the model's own; and levels of the sound alone jump wherever there is noise, which no derivative
survives.

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

MAX_AXES = 32  # a Jacobian costs a note for each
STEPS = 9  # of each start
HALVED = 3  # steps, after which the worse half of the starts is left where it is
DIFFERENCE, COARSE = 0.05, 0.2  # along an axis, of standard normal numbers: in float32, and in fewer bits
LONGEST = 1.5  # of one step, likewise
DAMPING = 0.01  # to begin with, as a share of the mean curvature
TRIED = (0.1, 1.0, 10.0)  # dampings of each step, in parts of the one before
HELD, MOST = 30.0, 1000.0  # by which damping grows where no step helps, and from where on none will
ENOUGH = 0.02  # dB that a step must gain; and who is as near as this has arrived
SOFT = 0.3  # dB: frames that are as near as this count no more than others
FAINT = 1e-6  # length of what lies beyond the axes, if there is nothing

Draw = Callable[[np.ndarray], np.ndarray]  # latents -> drawn levels, dB [n, frames, BANDS]
Listen = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # latents -> these, and those of the sounds


class _Note(NamedTuple):
    """How a note is drawn and heard, and the levels that are wanted, dB [frames, BANDS]."""

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
    """Go from each start to the latent whose notes come nearest to some notes, all of them at once; |z| stays.

    Args:
      model: whose network draws; it computes in the model's precision.
      waves: the notes, each [samples] at the model's rate, from its onset on, up to `audio_length`; their levels are
        free.
      pitches: MIDI numbers in the model's range, one for each note.
      starts: latents, [starts, size].
      axes: unit vectors at right angles to each other, [axes, size], `MAX_AXES` at most: what else a latent has stays
        as it is, but for its length.
      steps: of each start.
      tell: called with (steps done, steps in all).
      stop: called before each step; when it returns True, what was found up to there is returned.

    Returns:
      As `inversion.invert` does; the history is infinite, too, after a start has arrived.

    Raises:
      ValueError: arrays that do not fit each other, too many axes, or a pitch that the model does not play.

    Notebook: 11_match.
    """
    axes = np.asarray(axes, np.float64)
    if axes.ndim != 2 or not 1 <= len(axes) <= MAX_AXES or axes.shape[1] != model.latent_vector_size:
        raise ValueError(
            f"axes have the shape {axes.shape}; it must be 1 to {MAX_AXES} of {model.latent_vector_size} numbers each"
        )
    z = inversion.checked_starts(model, waves, pitches, starts)
    notes = [_note(model, wave, pitch) for wave, pitch in zip(waves, pitches, strict=True)]
    difference = DIFFERENCE if model.precision == "float32" else COARSE
    ways = [_Descent(notes, start, axes, difference) for start in z]
    history = np.full((steps + 1, len(z)), np.inf)
    done, total = 0, steps_of(len(z), steps)
    stopped = False
    for step in range(steps + 1):  # the first one is only listened to
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
        tell(total, total)  # who has arrived takes no more steps
    return Inverted(np.stack([way.z for way in ways]), np.array([way.distance for way in ways]), history, stopped)


def steps_of(starts: int, steps: int = STEPS) -> int:
    """How many steps `solve` takes at most, for all of its starts together."""
    return starts * (min(steps, HALVED) + 1) + -(-starts // 2) * max(steps - HALVED, 0)


class _Descent:
    """One start's way down."""

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
        """Listen to the start; after that, one step down, or more damping where none leads there."""
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
        """Go where it is nearest, if that is nearer than here; which of the moves it was."""
        both = [note.listen(self._latents(self._at + moves)) for note in self._notes]
        off = self._off([heard for _, heard in both])
        k = int(np.argmin(off))
        if not off[k] < self.distance:
            return None
        self._at, self.distance = self._at + moves[k], float(off[k])
        self._drawn, self._heard = [drawn[k] for drawn, _ in both], [heard[k] for _, heard in both]
        return k

    def _slope(self, note: _Note, drawn: np.ndarray) -> np.ndarray:
        """The Jacobian of a note's drawn levels, [axes, frames, BANDS]."""
        near = self._latents(self._at + self._difference * np.eye(len(self._axes)))
        return (note.draw(near) - drawn) / self._difference

    def _moves(self) -> np.ndarray:
        """The steps that are tried, one for each damping, [TRIED, axes]."""
        curvature, pull = np.zeros((len(self._at),) * 2), np.zeros(len(self._at))
        for note, slope, heard in zip(self._notes, self._slopes, self._heard, strict=True):
            left = note.wanted - heard
            # The distance is a mean of roots over the frames, so that each square counts by the inverse of its root.
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
        return moves * np.minimum(1.0, LONGEST / np.maximum(lengths, inversion.TINY))

    def _latents(self, along: np.ndarray) -> np.ndarray:
        """Latents of the start's length, from where they lie along the axes, [n, axes] -> [n, size]."""
        left = np.sqrt(np.maximum(self._length**2 - np.sum(along**2, axis=1, keepdims=True), 0.0))
        z = along @ self._axes + left * self._beyond
        return z * (self._length / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), inversion.EPSILON))

    def _off(self, heard: Sequence[np.ndarray]) -> np.ndarray:
        """How far sounds are, dB, the mean over the notes, [n]."""
        each = [
            np.sqrt(np.mean((levels - note.wanted) ** 2, axis=2)).mean(axis=1)
            for note, levels in zip(self._notes, heard, strict=True)
        ]
        return np.mean(each, axis=0)


def _beyond(z: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """The direction of what a latent has beside the axes, which keeps its length; nothing if there is no room."""
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
    """Two functions of (latents [n, size], label, times): what is drawn; and with the samples, what is heard too."""
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
    """For each frame of `inversion.log_mel` the drawn one whose middle is nearest to its own, whole numbers."""
    _, hop = inversion.sizes(config.sample_rate)
    middles = np.arange(1 + samples // hop) * hop
    drawn = (middles + config.front_padding - config.frame_length / 2) / config.hop_length
    return np.clip(np.round(drawn), 0, frames - 1).astype(np.int32)
