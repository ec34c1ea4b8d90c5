"""Notes -> the latent whose sound is nearest to them, by gradient descent through the network.

    found = inversion.invert(model, waves, pitches, starts, losses=["picture"] * len(starts))
    found.distances, found.z                           # for each start: the smallest distance, dB, and its latent

A generator has no inverse: many latents give nearly the same sound, and most sounds are given by none. So Adam (Kingma
& Ba 2015) descends from several starts along the gradient of a loss on the spectrogram that the network draws, while
|z| is kept: the network was only ever trained on latents of about that length. Each drawn spectrogram is also converted
to audio in the same graph, and the iterate that is nearest *in sound* is kept, whatever its loss.

There are two losses (`LOSSES`), because each of them fails for some notes. "picture" compares the drawn spectrogram
with the target's where the target is loud, and ignores the level; it also ignores what fills a silence, so short notes
get worse. "bands" adds the levels in 64 mel bands of the spectrograms, down to a floor; if there is noise at that
floor, such as the breath of a flute, it fits the noise and misses the note.

Notebook: 11_match.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import compiled
from . import spectral
from .config import MIN_PITCH, Config

if TYPE_CHECKING:
    import tensorflow as tf

    from .model import GANSynth

# The distance that is reported: 64 mel bands, windows of 1,024 samples at 16 kHz, each sound relative to its own peak.
WINDOW_SECONDS, HOP_SECONDS = 0.064, 0.016
BANDS = 64
FLOOR = 80.0  # dB below the peak
TINY = 1e-20  # the least power, so that logarithms and ratios are finite

# The descent.
LOSSES = ("picture", "bands")
STEPS = 18  # for each start; the distance levels off after 15 to 20
HALVED = 8  # number of steps after which the worse half of the starts is dropped
RATE = 0.2  # Adam's learning rate, for latents of N(0, I); it decays to 0 along a cosine
MEMORY = (0.9, 0.99)  # Adam's decay rates for the means of gradients and of their squares
LEVELS = -1.0  # of a normalised image: the weight of a pixel is its level above this
FREQUENCY_SHARE = 0.05  # weight of the frequency channel in the loss "picture"
PICTURE_DB = 50.0  # dB between bands that weigh as much as a root mean square of 1 between spectrograms
SOFT = 1e-3, 1e-5  # added inside the square roots of both losses, whose gradients are infinite at 0 otherwise
MAX_ROWS = 4  # notes for which the gradient is computed at a time: 0.5 GB each for the published models
EPSILON = 1e-8

Stop = Callable[[], bool]
Tell = Callable[[int, int], None]  # (steps done, total steps)
Descend = Callable[[np.ndarray, np.ndarray, "Target"], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True, eq=False)
class Inverted:
    """The result of a search.

    Attributes:
      z: for each start, the nearest latent found, possibly the start itself, [starts, size].
      distances: distance of each of these, the mean over the notes, dB [starts].
      history: distances at each step, dB [steps, starts], infinite for starts that were dropped; there are fewer steps
        if the search was stopped.
      stopped: whether the search was stopped early.
    """

    z: np.ndarray
    distances: np.ndarray
    history: np.ndarray
    stopped: bool


def log_mel(waves: np.ndarray, sample_rate: int) -> np.ndarray:
    """Levels of mel bands over time, relative to each sound's loudest band, dB from -FLOOR to 0.

    Args:
      waves: [n, samples].
      sample_rate: Hz.

    Returns:
      float32 [n, frames, BANDS].
    """
    librosa = compiled.librosa()
    size, hop = sizes(sample_rate)
    power = librosa.feature.melspectrogram(
        y=np.asarray(waves, np.float32), sr=sample_rate, n_fft=size, hop_length=hop, n_mels=BANDS
    )
    power = np.swapaxes(power, 1, 2)
    loudest = np.maximum(power.max(axis=(1, 2), keepdims=True), TINY)
    return np.maximum(10 * np.log10(np.maximum(power / loudest, TINY)), -FLOOR).astype(np.float32)


def distances(waves: np.ndarray, target: np.ndarray, sample_rate: int) -> np.ndarray:
    """Distances between sounds and a target, in dB: 0 if they differ at most in level.

    It is the root mean square difference over the bands of `log_mel`, averaged over time.

    Args:
      waves: [n, samples].
      target: [samples].
      sample_rate: Hz.

    Returns:
      dB [n].

    >>> import numpy as np
    >>> from helpers.gansynth import inversion
    >>> seconds = np.arange(16000) / 16000
    >>> tones = np.sin(2 * np.pi * np.array([[440.0], [660.0]]) * seconds)
    >>> same, other = inversion.distances(tones, 0.5 * tones[0], 16000)
    >>> print(f"{same:.1f} dB, {'far' if other > 10 else 'near'}")
    0.0 dB, far

    Notebook: 11_match.
    """
    off = log_mel(waves, sample_rate) - log_mel(np.asarray(target)[None], sample_rate)
    return np.sqrt(np.mean(off.astype(np.float64) ** 2, axis=2)).mean(axis=1)


def round_trip(wave: np.ndarray, config: Config) -> np.ndarray:
    """Convert a note to the model's representation and back, to measure the loss due to that alone.

    Args:
      wave: [samples], up to `audio_length`.
      config: the model's hyper-parameters.

    Returns:
      float32, of the same length.
    """
    padded = _whole(wave, config)[None]
    data = spectral.denormalize(spectral.normalize(spectral.waves_to_data(padded, config), config), config)
    return spectral.data_to_waves(data, config)[0, : len(wave)]


def _whole(wave: np.ndarray, config: Config) -> np.ndarray:
    """A note padded or cut to the length of the model's, with its peak at full scale."""
    wave = np.asarray(wave, np.float32)[: config.audio_length]
    return np.pad(wave / max(float(np.abs(wave).max(initial=0.0)), TINY), (0, config.audio_length - len(wave)))


def sizes(sample_rate: int) -> tuple[int, int]:
    """Window and hop of the distance, in samples."""
    size = 1 << round(math.log2(WINDOW_SECONDS * sample_rate))
    return size, round(size * HOP_SECONDS / WINDOW_SECONDS)


def invert(
    model: GANSynth,
    waves: Sequence[np.ndarray],
    pitches: Sequence[int],
    starts: np.ndarray,
    losses: Sequence[str],
    steps: int = STEPS,
    tell: Tell | None = None,
    stop: Stop | None = None,
) -> Inverted:
    """From each start, search for a latent whose notes are nearest to all the given notes together; |z| is kept.

    Args:
      model: the model; its network computes in the model's precision.
      waves: the notes, each [samples] at the model's rate, starting at the onset, up to `audio_length`; their levels
        do not matter.
      pitches: MIDI numbers in the model's range, one for each note.
      starts: latents, [starts, size]. With `GANSynth.latent_sizes[1]` numbers, the values that are added to the first
        layer's activations are searched too.
      losses: one of `LOSSES` for each start.
      steps: number of steps for each start.
      tell: called with (steps done, total steps).
      stop: called before each step; if it returns True, the result so far is returned.

    Raises:
      ValueError: array shapes that do not match, or a pitch that the model does not play.

    Notebook: 11_match.
    """
    if len(losses) != len(starts) or not set(losses) <= set(LOSSES):
        raise ValueError(f"each of the {len(starts)} starts needs a loss, {' or '.join(map(repr, LOSSES))}")
    z = checked_starts(model, waves, pitches, starts)
    targets = [Target(wave, pitch, model.config) for wave, pitch in zip(waves, pitches, strict=True)]
    descend = _graph(model, z.shape[1], max(target.frames for target in targets))
    shares = np.array([float(loss == LOSSES[1]) for loss in losses], np.float32)
    adam, going = _Adam(z, model), np.arange(len(z))
    best, nearest, history = z.copy(), np.full(len(z), np.inf), np.empty((0, len(z)))
    stopped = False
    for step in range(steps + 1):  # the last round only evaluates the result of the last step
        if stop is not None and stop():
            stopped = True
            break
        gradient, heard = np.zeros_like(z), np.full(len(z), np.inf)
        gradient[going], heard[going] = _gradient(descend, targets, z[going], shares[going])
        history = np.vstack([history, heard])
        nearer = heard < nearest
        best[nearer], nearest[nearer] = z[nearer], heard[nearer]
        if step == HALVED:
            going = np.sort(np.argsort(nearest, kind="stable")[: -(-len(z) // 2)])
        if step < steps:
            z = adam.step(z, gradient, 0.5 * (1 + math.cos(math.pi * step / steps)))
        if tell is not None:
            tell(step + 1, steps + 1)
    return Inverted(best, nearest, history, stopped)


def checked_starts(
    model: GANSynth, waves: Sequence[np.ndarray], pitches: Sequence[int], starts: np.ndarray
) -> np.ndarray:
    """The starting latents of a search, checked, float64.

    Raises:
      ValueError: the latents do not suit the model, notes and pitches differ in number, or the model does not play a
        pitch.
    """
    if not len(waves) or len(waves) != len(pitches):
        raise ValueError(f"each note needs a pitch; there are {len(waves)} notes and {len(pitches)} pitches")
    for pitch in pitches:
        z = model.checked_notes(starts, [pitch] * len(starts))[0].astype(np.float64)
    return z


class _Adam:
    """Adam for latents of constant length, and for any values that follow them."""

    def __init__(self, z: np.ndarray, model: GANSynth):
        self._mean, self._square, self._count = np.zeros_like(z), np.zeros_like(z), 0
        self._size = model.latent_vector_size
        self._length = np.linalg.norm(z[:, : self._size], axis=1, keepdims=True)

    def step(self, z: np.ndarray, gradient: np.ndarray, share: float) -> np.ndarray:
        """One step down the gradient, with a share of the learning rate."""
        self._count += 1
        first, second = MEMORY
        self._mean = first * self._mean + (1 - first) * gradient
        self._square = second * self._square + (1 - second) * gradient**2
        mean = self._mean / (1 - first**self._count)
        deviation = np.sqrt(self._square / (1 - second**self._count))
        moved = z - share * RATE * mean / (deviation + EPSILON)
        latent = moved[:, : self._size]
        latent *= self._length / np.maximum(np.linalg.norm(latent, axis=1, keepdims=True), EPSILON)
        return moved


class Target:
    """A target note: its pitch, normalised spectrogram and audio, and how many frames and samples to compare."""

    def __init__(self, wave: np.ndarray, pitch: int, config: Config):
        self.pitch = pitch
        self.samples = min(len(wave), config.audio_length)
        self.whole = _whole(wave, config)
        self.image = spectral.normalize(spectral.waves_to_data(self.whole[None], config), config)[0]
        self.frames = spectral.frames_for(self.samples, config)


def _gradient(
    descend: Descend, targets: Sequence[Target], z: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of the mean loss over the notes, [starts, size]; and the distances of the sounds, dB [starts]."""
    gradient, heard = np.zeros_like(z), np.zeros(len(z))
    for target in targets:
        for first in range(0, len(z), MAX_ROWS):
            rows = slice(first, first + MAX_ROWS)
            slope, off = descend(z[rows], shares[rows], target)
            gradient[rows] += slope / len(targets)
            heard[rows] += off / len(targets)
    return gradient, heard


class Levels(NamedTuple):
    """Functions of tensors for the audio and the levels of drawn spectrograms.

    Attributes:
      sound: images [n, frames, bins, 2] -> audio [n, samples].
      heard: audio -> levels of its mel bands, as from `log_mel`, dB [n, frames, BANDS].
      drawn: images -> levels of the mel bands in each of their frames, down to a soft floor, dB [n, frames, BANDS].
    """

    sound: Callable[[tf.Tensor], tf.Tensor]
    heard: Callable[[tf.Tensor], tf.Tensor]
    drawn: Callable[[tf.Tensor], tf.Tensor]


def levels(config: Config) -> Levels:
    """The functions of `Levels` for a model."""
    import tensorflow as tf

    from .accelerated import InverseTransform

    size, hop = sizes(config.sample_rate)
    librosa = compiled.librosa()
    window = tf.constant(librosa.filters.get_window("hann", size), tf.float32)
    mel = tf.constant(librosa.filters.mel(sr=config.sample_rate, n_fft=size, n_mels=BANDS).T, tf.float32)
    drawn_bands = tf.constant(_drawn_bands(config), tf.float32)
    to_decibels = 10 / math.log(10)

    def below_peak(power: tf.Tensor, floor: float) -> tf.Tensor:
        loudest = tf.reduce_max(power, axis=[1, 2], keepdims=True)
        return to_decibels * tf.math.log(power / (loudest + TINY) + floor)

    def heard(wave: tf.Tensor) -> tf.Tensor:
        padded = tf.pad(wave, [[0, 0], [size // 2, size // 2]])
        spectra = tf.signal.stft(padded, size, hop, window_fn=lambda *_, **__: window)
        power = tf.square(tf.math.real(spectra)) + tf.square(tf.math.imag(spectra))
        return tf.maximum(below_peak(power @ mel, TINY), -FLOOR)

    def drawn(image: tf.Tensor) -> tf.Tensor:
        values = (image[..., 0] - config.mag_normalizer_b) / config.mag_normalizer_a
        power = tf.exp(values if config.data_type == "mel" else 2 * values)
        return below_peak(power @ drawn_bands, 10 ** (-FLOOR / 10))

    return Levels(InverseTransform(config), heard, drawn)


@functools.lru_cache(maxsize=4)  # tracing takes as long as several steps
def _graph(model: GANSynth, numbers: int, frames: int) -> Descend:
    """A function (latents [n, size], shares of the bands in the loss [n], note) -> gradient [n, size], dB [n]."""
    import tensorflow as tf

    config = model.config
    hearing = levels(config)
    turn = math.pi / config.p_normalizer_a

    def off(drawn: tf.Tensor, wanted: tf.Tensor, softness: float) -> tf.Tensor:
        return tf.reduce_mean(tf.sqrt(tf.reduce_mean(tf.square(drawn - wanted), axis=2) + softness), axis=1)

    def picture(drawn: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
        weight = tf.maximum(wanted[..., 0] - LEVELS, 0.0)
        weight /= tf.reduce_mean(weight) + EPSILON
        above = drawn[..., 0] - wanted[..., 0]
        level = tf.reduce_mean(weight * above, axis=[1, 2], keepdims=True)
        magnitude = tf.reduce_mean(weight * tf.square(above - level), axis=[1, 2])
        frequency = tf.reduce_mean(weight * (1 - tf.cos(turn * (drawn[..., 1] - wanted[..., 1]))), axis=[1, 2])
        return tf.sqrt(magnitude + FREQUENCY_SHARE * frequency + SOFT[1])

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, numbers], tf.float32),
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([None, config.bins, 2], tf.float32),
            tf.TensorSpec([None], tf.float32),
        ]
    )
    def graph(
        z: tf.Tensor, shares: tf.Tensor, label: tf.Tensor, image: tf.Tensor, wave: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        compared, samples = tf.shape(image)[0], tf.shape(wave)[0]
        with tf.GradientTape() as tape:
            tape.watch(z)
            drawn = model.network.call(z, tf.fill([tf.shape(z)[0]], label), frames=(0, frames))
            seen = drawn[:, :compared]
            of_bands = off(hearing.drawn(seen), hearing.drawn(image[None]), SOFT[0])
            value = tf.reduce_sum(PICTURE_DB * picture(seen, image[None]) + shares * of_bands)
        sound = hearing.sound(drawn)[:, :samples]
        return tape.gradient(value, z), off(hearing.heard(sound), hearing.heard(wave[None]), 0.0)

    def descend(z: np.ndarray, shares: np.ndarray, target: Target) -> tuple[np.ndarray, np.ndarray]:
        given = tf.constant(z, tf.float32), tf.constant(shares), tf.constant(target.pitch - MIN_PITCH)
        slope, distance = graph(*given, target.image[: target.frames], target.whole[: target.samples])
        return slope.numpy().astype(np.float64), distance.numpy()

    return descend


def _drawn_bands(config: Config) -> np.ndarray:
    """The matrix from the power of drawn bins to the power of mel bands, [bins, BANDS]."""
    librosa = compiled.librosa()
    linear = librosa.filters.mel(sr=config.sample_rate, n_fft=config.frame_length, n_mels=BANDS).T[1 : config.bins + 1]
    return spectral.mel_inverse_weights(config) @ linear if config.data_type == "mel" else linear
