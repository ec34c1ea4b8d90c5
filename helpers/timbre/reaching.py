"""Turn an instrument until one of its notes has what is wanted, by listening.

A wanted spectral centroid is reached by gradient, through the network; a wanted change, by the directions of an atlas.

Notebook: 09_explore.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import in_one_line, number
from ..gansynth import spectral
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import Instrument, check_model
from ..midi import note_hertz
from . import steering
from .descriptors import HELD, HIGHEST, SILENCE, describe_note

if TYPE_CHECKING:
    from ..gansynth import GANSynth

TOLERANCE = 0.02  # of the wanted centroid: near enough
STEPS = 24  # at most
LONGEST = 3.0  # of one step in the latent space; latents are about 16 long
HALVINGS = 8  # of a step that does not help
OTHERS, SEED = 24, 0  # random instruments that are listened to where the gradient leads no further
BISECTIONS = 10  # of the way to one of them
TRIES = 5  # of steering by ear
CLOSE = 0.25  # of the change that is asked for: near enough
STRETCH, STRETCHED = 2.0, 8.0  # by how much more, or less, is asked from one try to the next, and in all


@dataclasses.dataclass(frozen=True)
class Reached:
    """Where the way to a wanted centroid ended.

    Attributes:
      instrument: the turned one.
      wanted: Hz.
      centroids: Hz of the note, from the beginning to the end; each is nearer to what is wanted than the one before.
    """

    instrument: Instrument
    wanted: float
    centroids: tuple[float, ...]

    def __str__(self) -> str:
        start, end = self.centroids[0], self.centroids[-1]
        return f"{self.instrument.name}: centroid from {start:.0f} to {end:.0f} Hz, {self.wanted:.0f} Hz were wanted"


@dataclasses.dataclass(frozen=True)
class Steered:
    """What steering by ear brought.

    Attributes:
      instrument: the turned one; that of the beginning, if nothing tried was nearer to what was asked.
      asked: descriptor -> standard deviations.
      moved: descriptor -> standard deviations that it moved by, as heard.
    """

    instrument: Instrument
    asked: dict[str, float]
    moved: dict[str, float]

    def __str__(self) -> str:
        changes = [f"{name} {self.moved[name]:+.2f}, {asked:+g} asked" for name, asked in self.asked.items()]
        if not any(self.moved.values()):
            return (
                f"{self.instrument.name} stays as it is: nothing tried was nearer to {', '.join(self.asked)} as asked"
            )
        return f"{self.instrument.name}: {'; '.join(changes)} (standard deviations)"


@in_one_line
def by_ear(
    turn: steering.Directions, instrument: Instrument, pitch: int = 60, keep: Sequence[str] = (), **amounts: float
) -> Steered:
    """`Directions.steer`, with the result listened to: more is asked for where too little came of it, or less.

    Some instruments lie on plateaus, where the regression takes a step that nobody hears. Of five tries at most, and of
    the instrument as it is, the one is taken that comes nearest to what is asked, so that nothing goes the wrong way.

    Args:
      turn: directions of the model that plays the instrument.
      instrument: where to begin.
      pitch: MIDI number from 24 to 84 of the note that is listened to.
      keep: descriptors that shall stay as they are, as far as the regression knows.
      **amounts: descriptor -> standard deviations.

    Raises:
      ValueError: as `Directions.steer`; a pitch that no model plays, or an instrument that is silent there.

    >>> from helpers import gansynth, timbre
    >>> atlas = timbre.atlas(gansynth.load("demo"))
    >>> found = timbre.by_ear(timbre.directions(atlas), atlas["Cello"], brightness=1)
    >>> found.moved["brightness"] > 0.5
    True

    Notebook: 09_explore.
    """
    model = turn.model
    if model is None:
        raise ValueError("these directions belong to no model that could be listened to")
    _check_pitch(pitch)
    turned = turn.steer(instrument, keep, **amounts)
    names = list(amounts)
    wanted = np.array([float(amounts[name]) for name in names])
    deviations = np.array([turn.deviations[name] for name in names])
    before = _heard(model, instrument.z, pitch, names)
    if not np.isfinite(before).all():
        raise ValueError(f"{instrument.name!r} is silent at pitch {pitch}")
    best, moved, nearest = instrument, np.zeros(len(names)), float(np.abs(wanted).max())
    asked = wanted
    for _ in range(TRIES):
        change = (_heard(model, turned.z, pitch, names) - before) / deviations
        off = float(np.abs(change - wanted).max())
        if off < nearest:
            best, moved, nearest = turned, change, off
        if not np.isfinite(off) or (np.abs(change - wanted) <= CLOSE * np.abs(wanted)).all():
            break
        # What hardly moved, or moved the wrong way, is asked for at the full stretch.
        share = np.divide(wanted, change, out=np.full_like(wanted, STRETCH), where=change * wanted > 0)
        more = asked * np.clip(share, 1 / STRETCH, STRETCH)
        asked = np.clip(more, -STRETCHED * np.abs(wanted), STRETCHED * np.abs(wanted))
        turned = turn.steer(instrument, keep, **dict(zip(names, asked.tolist(), strict=True)))
    if best is not instrument:
        changes = ", ".join(f"{name} {amount:+g}" for name, amount in amounts.items())
        best = dataclasses.replace(best, name=f"{instrument.name}, {changes}")
    return Steered(best, dict(zip(names, wanted.tolist(), strict=True)), dict(zip(names, moved.tolist(), strict=True)))


def _heard(model: GANSynth, z: np.ndarray, pitch: int, names: list[str]) -> np.ndarray:
    """Some descriptors of a note; of silence infinity."""
    note = model.generate(z[None], [pitch], duration=min(HELD, model.max_duration), progress=False)[0]
    if np.abs(note).max() < SILENCE:
        return np.full(len(names), np.inf)
    values = describe_note(note, pitch, model.sample_rate)
    return np.array([values[name] for name in names])


def _check_pitch(pitch: int) -> None:
    if not (isinstance(pitch, (int, np.integer)) and MIN_PITCH <= pitch <= MAX_PITCH):
        raise ValueError(f"pitch is {pitch!r}; it must be a whole number from {MIN_PITCH} to {MAX_PITCH}")


@in_one_line
def reach(model: GANSynth, instrument: Instrument, centroid: float, pitch: int = 60) -> Reached:
    """Turn an instrument until its note at one pitch has a wanted spectral centroid.

    The gradient of the centroid, as the network draws it, says where to go; the note as it sounds says whether it
    helped. A step that does not is halved, and not taken in the end. Where the gradient leads no further, the way goes
    on towards the nearest of some random instruments whose notes lie beyond the wanted centroid: on the way to it, that
    is passed. It never ends farther away than it began. The length of the latent stays.

    Args:
      model: plays the note.
      instrument: where to begin.
      centroid: Hz, by the definition of the descriptor "brightness".
      pitch: MIDI number from 24 to 84.

    Raises:
      ValueError: the instrument belongs to another model, or a note of this pitch has no such centroid.

    >>> from helpers import gansynth, instruments, timbre
    >>> model = gansynth.load("demo")
    >>> reached = timbre.reach(model, instruments.bank(model)["Cello"], centroid=1500)
    >>> abs(reached.centroids[-1] / 1500 - 1) < 0.1
    True

    Notebook: 09_explore.
    """
    check_model(instrument, model)
    if len(instrument.z) != model.latent_vector_size:
        raise ValueError(f"{instrument.name!r} is no point of the latent space, and cannot be turned")
    _check_pitch(pitch)
    fundamental, top, centroid = note_hertz(pitch), HIGHEST * model.sample_rate, number("centroid", centroid)
    if not fundamental <= centroid <= top:
        raise ValueError(f"a note of {fundamental:.0f} Hz has a centroid from there to {top:.0f} Hz, not {centroid:g}")
    goal = float(np.log2(centroid / fundamental))
    basis = steering.axes(model).vectors
    slope = _slope(model, int(pitch))
    z, length = instrument.z, float(np.linalg.norm(instrument.z))
    here = float(_brightness(model, z[None], pitch)[0])
    way = [here]
    for _ in range(STEPS):
        if _is_near(here, goal):
            break
        gradient = basis.T @ (basis @ slope(z))
        gradient -= z * (z @ gradient) / length**2  # along the sphere
        step = (goal - here) * gradient / max(float(gradient @ gradient), 1e-9)
        step *= min(1.0, LONGEST / max(float(np.linalg.norm(step)), 1e-9))
        for halving in range(HALVINGS):
            moved = z + step / 2**halving
            moved *= length / np.linalg.norm(moved)
            there = float(_brightness(model, moved[None], pitch)[0])
            if abs(there - goal) < abs(here - goal):
                z, here = moved, there
                way.append(here)
                break
        else:
            break
    if not _is_near(here, goal):
        z, further = _across(model, z, here, goal, pitch)
        way += further
    reached = dataclasses.replace(instrument, name=f"{instrument.name}, {centroid:.0f} Hz", z=z, seed=None)
    return Reached(reached, float(centroid), tuple(float(fundamental * 2**octaves) for octaves in way))


def _is_near(here: float, goal: float) -> bool:
    return abs(here - goal) <= np.log2(1 + TOLERANCE)


def _across(model: GANSynth, z: np.ndarray, here: float, goal: float, pitch: int) -> tuple[np.ndarray, list[float]]:
    """The way towards a random latent whose note lies beyond the goal: where it ends, and what is heard on it."""
    length = np.linalg.norm(z)
    others = model.sample_z(OTHERS, SEED)
    others = others * (length / np.linalg.norm(others, axis=1, keepdims=True))
    heard = _brightness(model, others, pitch)
    is_beyond = np.isfinite(heard) & ((heard - goal) * (here - goal) <= 0)
    if not is_beyond.any():
        return z, []
    target = max(others[is_beyond], key=lambda other: float(other @ z))
    start, best, nearest, way = z, z, abs(here - goal), []
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        share = (low + high) / 2
        moved = (1 - share) * start + share * target
        moved *= length / np.linalg.norm(moved)
        there = float(_brightness(model, moved[None], pitch)[0])
        if abs(there - goal) < nearest:
            best, nearest = moved, abs(there - goal)
            way.append(there)
        if _is_near(there, goal):
            break
        low, high = (share, high) if (there - goal) * (here - goal) > 0 else (low, share)
    return best, way


def _brightness(model: GANSynth, z: np.ndarray, pitch: int) -> np.ndarray:
    """Of notes as they sound, octaves, [n]; of silence infinitely many."""
    duration = min(HELD, model.max_duration)
    notes = model.generate(z, [pitch] * len(z), duration=duration, progress=False)
    found = np.full(len(notes), np.inf)
    for row, note in enumerate(notes):
        with contextlib.suppress(ValueError):
            found[row] = describe_note(note, pitch, model.sample_rate)["brightness"]
    return found


@functools.lru_cache(maxsize=2)  # tracing takes longer than all steps
def _slope(model: GANSynth, pitch: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function z -> gradient of the brightness that the network draws, [latent_vector_size]."""
    import tensorflow as tf

    config = model.config
    frames = spectral.frames_for(round(min(HELD, model.max_duration) * config.sample_rate), config)
    bins = (1 + np.arange(config.bins)) * config.sample_rate / 2 / config.bins
    numbers = np.rint(bins / note_hertz(pitch)).astype(int)  # of the partial in whose band a bin lies
    count = int(HIGHEST * config.sample_rate / note_hertz(pitch))
    bands = tf.constant(np.eye(count + 2)[np.clip(numbers, 0, count + 1)][:, 1 : count + 1], tf.float32)
    to_linear: Any = None
    if config.data_type == "mel":
        to_linear = tf.constant(spectral.mel_inverse_weights(config).toarray(), tf.float32)
    label = tf.constant([pitch - MIN_PITCH])

    @tf.function(reduce_retracing=True)
    def slope(z: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(z)
            drawn = model.network(z[None], label, frames=(0, frames))[0, :, :, 0]
            values = (drawn - config.mag_normalizer_b) / config.mag_normalizer_a
            power = tf.reduce_mean(tf.exp(values if to_linear is not None else 2 * values), axis=0)[None]
            linear = power if to_linear is None else power @ to_linear
            amplitudes = tf.sqrt((linear @ bands)[0] + 1e-12)
            numbers = tf.range(1.0, count + 1.0)
            octaves = tf.math.log(tf.reduce_sum(numbers * amplitudes) / tf.reduce_sum(amplitudes)) / np.log(2.0)
        return tape.gradient(octaves, z)

    return lambda z: slope(tf.constant(z, tf.float32)).numpy().astype(np.float64)
