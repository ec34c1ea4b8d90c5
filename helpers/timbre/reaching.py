"""Turn an instrument until one of its notes has a wanted spectral centroid: by gradient, through the network.

Notebook: 09_explore.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import in_one_line
from ..gansynth import spectral
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import Instrument, check_model
from ..midi import note_hertz
from . import steering
from .descriptors import HELD, HIGHEST, describe_note

if TYPE_CHECKING:
    from ..gansynth import GANSynth

TOLERANCE = 0.02  # of the wanted centroid: near enough
STEPS = 24  # at most
LONGEST = 3.0  # of one step in the latent space; latents are about 16 long
HALVINGS = 8  # of a step that does not help


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


@in_one_line
def reach(model: GANSynth, instrument: Instrument, centroid: float, pitch: int = 60) -> Reached:
    """Turn an instrument until its note at one pitch has a wanted spectral centroid.

    The gradient of the centroid, as the network draws it, says where to go; the note as it sounds says whether it
    helped. A step that does not is halved, and not taken in the end, so it never ends farther away than it began. The
    length of the latent stays.

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
    if not (isinstance(pitch, (int, np.integer)) and MIN_PITCH <= pitch <= MAX_PITCH):
        raise ValueError(f"pitch is {pitch!r}; it must be a whole number from {MIN_PITCH} to {MAX_PITCH}")
    fundamental, top = note_hertz(pitch), HIGHEST * model.sample_rate
    if not fundamental <= centroid <= top:
        raise ValueError(f"a note of {fundamental:.0f} Hz has a centroid from there to {top:.0f} Hz, not {centroid:g}")
    goal = float(np.log2(centroid / fundamental))
    basis = steering.axes(model).vectors
    slope = _slope(model, int(pitch))
    z, length = instrument.z, float(np.linalg.norm(instrument.z))
    here = _brightness(model, z, pitch)
    way = [here]
    for _ in range(STEPS):
        if abs(here - goal) <= np.log2(1 + TOLERANCE):
            break
        gradient = basis.T @ (basis @ slope(z))
        gradient -= z * (z @ gradient) / length**2  # along the sphere
        step = (goal - here) * gradient / max(float(gradient @ gradient), 1e-9)
        step *= min(1.0, LONGEST / max(float(np.linalg.norm(step)), 1e-9))
        for halving in range(HALVINGS):
            moved = z + step / 2**halving
            moved *= length / np.linalg.norm(moved)
            there = _brightness(model, moved, pitch)
            if abs(there - goal) < abs(here - goal):
                z, here = moved, there
                way.append(here)
                break
        else:
            break
    reached = dataclasses.replace(instrument, name=f"{instrument.name}, {centroid:.0f} Hz", z=z, seed=None)
    return Reached(reached, float(centroid), tuple(float(fundamental * 2**octaves) for octaves in way))


def _brightness(model: GANSynth, z: np.ndarray, pitch: int) -> float:
    """Of the note as it sounds, octaves; of silence none."""
    note = model.generate(z[None], [pitch], progress=False)[0]
    try:
        return describe_note(note, pitch, model.sample_rate)["brightness"]
    except ValueError:
        return np.inf


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
