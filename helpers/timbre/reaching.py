"""Change an instrument until one of its notes, as measured on the audio, has a target property.

`reach` follows the network's gradient to a target spectral centroid; `by_ear` uses the directions of an atlas to reach
a target change of descriptors.

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

TOLERANCE = 0.02  # relative error of the centroid that is accepted
STEPS = 24  # maximum number of gradient steps
MAX_STEP = 3.0  # maximum length of a step in the latent space; latents have a length of about 16
HALVINGS = 8  # maximum number of times a step is halved if it does not help
OTHERS, SEED = 24, 0  # number and seed of the random instruments tried when the gradient does not help
BISECTIONS = 10  # of the path to one of them
TRIES = 5  # of `by_ear`
CLOSE = 0.25  # relative error of a change that is accepted
STRETCH, STRETCHED = 2.0, 8.0  # maximum factors by which the steered amount is changed, per try and overall


@dataclasses.dataclass(frozen=True)
class Reached:
    """The result of `reach`.

    Attributes:
      instrument: the changed instrument.
      wanted: target centroid (Hz).
      centroids: centroids of the note (Hz) from the start to the end; each is nearer to the target than the one before.
    """

    instrument: Instrument
    wanted: float
    centroids: tuple[float, ...]

    def __str__(self) -> str:
        start, end = self.centroids[0], self.centroids[-1]
        return f"{self.instrument.name}: centroid from {start:.0f} to {end:.0f} Hz, target {self.wanted:.0f} Hz"


@dataclasses.dataclass(frozen=True)
class Steered:
    """The result of `by_ear`.

    Attributes:
      instrument: the changed instrument; the original one if no try came nearer to the target.
      asked: {descriptor: requested change in standard deviations}.
      moved: {descriptor: measured change in standard deviations}.
    """

    instrument: Instrument
    asked: dict[str, float]
    moved: dict[str, float]

    def __str__(self) -> str:
        changes = [f"{name} {self.moved[name]:+.2f}, {asked:+g} asked" for name, asked in self.asked.items()]
        if not any(self.moved.values()):
            return f"{self.instrument.name} stays as it is: no try came nearer to the requested {', '.join(self.asked)}"
        return f"{self.instrument.name}: {'; '.join(changes)} (standard deviations)"


@in_one_line
def by_ear(
    turn: steering.Directions, instrument: Instrument, pitch: int = 60, keep: Sequence[str] = (), **amounts: float
) -> Steered:
    """Steer an instrument as `Directions.steer`, measure the change on the audio, and correct the amounts.

    Some instruments are on plateaus, where a step that the regression predicts is not audible. Of up to five tries and
    the original instrument, the one nearest to the requested change is returned, so the result is never worse than the
    start.

    Args:
      turn: directions of the model that plays the instrument.
      instrument: the instrument to start from.
      pitch: MIDI pitch, from 24 to 84, of the note that is measured.
      keep: descriptors to keep constant according to the regression.
      **amounts: requested change of each descriptor, in standard deviations.

    Raises:
      ValueError: as for `Directions.steer`; the pitch is out of range, or the instrument is silent at it.

    >>> from helpers import gansynth, timbre
    >>> atlas = timbre.atlas(gansynth.load("demo"))
    >>> found = timbre.by_ear(timbre.directions(atlas), atlas["Cello"], brightness=1)
    >>> found.moved["brightness"] > 0.5
    True

    Notebook: 09_explore.
    """
    model = turn.model
    if model is None:
        raise ValueError("these directions belong to no model, so their effect cannot be measured")
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
        # Descriptors that hardly changed, or in the wrong direction, get the maximum factor.
        share = np.divide(wanted, change, out=np.full_like(wanted, STRETCH), where=change * wanted > 0)
        more = asked * np.clip(share, 1 / STRETCH, STRETCH)
        asked = np.clip(more, -STRETCHED * np.abs(wanted), STRETCHED * np.abs(wanted))
        turned = turn.steer(instrument, keep, **dict(zip(names, asked.tolist(), strict=True)))
    if best is not instrument:
        changes = ", ".join(f"{name} {amount:+g}" for name, amount in amounts.items())
        best = dataclasses.replace(best, name=f"{instrument.name}, {changes}")
    return Steered(best, dict(zip(names, wanted.tolist(), strict=True)), dict(zip(names, moved.tolist(), strict=True)))


def _heard(model: GANSynth, z: np.ndarray, pitch: int, names: list[str]) -> np.ndarray:
    """Some descriptors of a note, measured on the audio; infinity if it is silent."""
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
    """Change an instrument until its note at one pitch has a given spectral centroid.

    Steps follow the gradient of the centroid in the network's output, and are accepted if the centroid of the audio is
    nearer to the target; otherwise they are halved. If the gradient does not lead there, the search continues by
    bisection towards the most similar of several random instruments whose centroid is beyond the target. The result is
    never farther from the target than the start. The length of the latent is preserved.

    Args:
      model: the model that plays the note.
      instrument: the instrument to start from.
      centroid: target (Hz), as defined by the descriptor "brightness".
      pitch: MIDI pitch, from 24 to 84.

    Raises:
      ValueError: the instrument belongs to another model, or the centroid is not possible at this pitch.

    >>> from helpers import gansynth, instruments, timbre
    >>> model = gansynth.load("demo")
    >>> reached = timbre.reach(model, instruments.bank(model)["Cello"], centroid=1500)
    >>> abs(reached.centroids[-1] / 1500 - 1) < 0.1
    True

    Notebook: 09_explore.
    """
    check_model(instrument, model)
    if len(instrument.z) != model.latent_vector_size:
        raise ValueError(f"{instrument.name!r} has first-layer activations, so its latent alone cannot be changed")
    _check_pitch(pitch)
    fundamental, top, centroid = note_hertz(pitch), HIGHEST * model.sample_rate, number("centroid", centroid)
    if not fundamental <= centroid <= top:
        raise ValueError(
            f"centroid is {centroid:g} Hz; for a note of {fundamental:.0f} Hz it must be from there to {top:.0f} Hz"
        )
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
        step *= min(1.0, MAX_STEP / max(float(np.linalg.norm(step)), 1e-9))
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
    """Bisect the path to a random latent beyond the goal; return the best latent, and each improvement on the way."""
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
    """The brightness (octaves) of the notes' audio, [n]; infinity if silent."""
    duration = min(HELD, model.max_duration)
    notes = model.generate(z, [pitch] * len(z), duration=duration, progress=False)
    found = np.full(len(notes), np.inf)
    for row, note in enumerate(notes):
        with contextlib.suppress(ValueError):
            found[row] = describe_note(note, pitch, model.sample_rate)["brightness"]
    return found


@functools.lru_cache(maxsize=2)  # tracing takes longer than all steps
def _slope(model: GANSynth, pitch: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function from z to the gradient of the brightness in the network's output, [latent_vector_size]."""
    import tensorflow as tf

    config = model.config
    frames = spectral.frames_for(round(min(HELD, model.max_duration) * config.sample_rate), config)
    bins = (1 + np.arange(config.bins)) * config.sample_rate / 2 / config.bins
    numbers = np.rint(bins / note_hertz(pitch)).astype(int)  # number of the partial to whose band each bin belongs
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
