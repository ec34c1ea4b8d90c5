"""The musicnn embedding of notes: 200 numbers from a network trained on music by others.

    embedding.musicnn(waves, sample_rate)       # float32 [n, 200]

musicnn (Pons and Serra 2019) predicts tags such as "violin" or "slow" from three seconds of music. The embedding is the
output of its penultimate layer. Distances between distributions are computed in it (`metrics.kid`, `metrics.frechet`),
because an embedding that a model had also been tuned with would favour that model.

The network is reimplemented here, and reads the published weights (MagnaTagATune, ISC licence; data/embeddings), which
`tools/make_musicnn.py` has made smaller.

Notebook: 12_measure.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .. import audio, compiled
from ..audio import Audio
from ..folders import BUNDLED

if TYPE_CHECKING:
    from ..gansynth.backend import tf

WEIGHTS = BUNDLED / "embeddings" / "musicnn.npz"
SIZE = 200  # length of an embedding

# The log-mel spectrogram that it was trained on. Source: musicnn's configuration and extractor.
SAMPLE_RATE, FRAME, HOP, BANDS = 16000, 512, 256, 96
COLUMNS = 187  # three seconds
COMPRESSION = 10000  # log10(1 + 10000 x)

LEVEL = 0.1  # root mean square to which each note is scaled, -20 dB: the spectrogram depends on the level
BATCH = 4  # notes at a time, to suit the processor's cache: a layer's output takes 9 MB per note
TIMBRAL, TEMPORAL, MIDDLE = (0, 1), (2, 3, 4), (5, 6, 7)  # numbers of its convolutions, by kind


def musicnn(waves: np.ndarray, sample_rate: int) -> np.ndarray:
    """The embeddings of notes.

    Args:
      waves: [n, samples]; each is scaled to the same level, and only its first three seconds are used.
      sample_rate: Hz.

    Returns:
      float32 [n, 200].

    Raises:
      ValueError: the samples are not finite, or not [n, samples].

    Source: Pons and Serra 2019, "musicnn: pre-trained convolutional neural networks for music audio tagging".

    >>> import numpy as np
    >>> from helpers.evaluation import embedding
    >>> a = np.sin(2 * np.pi * 440 * np.arange(48000) / 16000)
    >>> embedding.musicnn(np.stack([a, 0.5 * a]), 16000).shape
    (2, 200)
    """
    waves = np.asarray(waves, np.float32)
    if waves.ndim != 2 or not np.isfinite(waves).all():
        raise ValueError("waves must be finite samples [n, samples]")
    found = [
        _network()(np.stack([_picture(wave, sample_rate) for wave in waves[i : i + BATCH]])).numpy()
        for i in range(0, len(waves), BATCH)
    ]
    return np.concatenate([np.zeros((0, SIZE), np.float32), *found])


def _picture(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """The log-mel spectrogram of a note, float32 [COLUMNS, BANDS]."""
    librosa = compiled.librosa()
    if sample_rate != SAMPLE_RATE:
        wave = audio.resample(Audio(wave, sample_rate), SAMPLE_RATE).samples
    wave = np.pad(wave, (0, max(0, COLUMNS * HOP - len(wave))))[: COLUMNS * HOP]
    wave = wave * np.float32(LEVEL / max(np.sqrt(np.mean(wave**2)), 1e-9))
    mel = librosa.feature.melspectrogram(y=wave, sr=SAMPLE_RATE, n_fft=FRAME, hop_length=HOP, n_mels=BANDS)
    return np.log10(1 + COMPRESSION * mel.T[:COLUMNS]).astype(np.float32)


@functools.cache
def _network() -> tf.types.experimental.PolymorphicFunction:
    from ..gansynth.backend import tf

    with np.load(WEIGHTS) as kept:
        weights = {name: tf.constant(kept[name], tf.float32) for name in kept.files}
    spec = tf.TensorSpec([None, COLUMNS, BANDS], tf.float32)
    return tf.function(functools.partial(_embed, weights), input_signature=[spec], autograph=False)


def _embed(weights: Mapping[str, tf.Tensor], pictures: tf.Tensor) -> tf.Tensor:
    """[n, COLUMNS, BANDS] -> [n, SIZE]. Layers are numbered as by TensorFlow in the published graph."""
    from ..gansynth.backend import tf

    def layer(kind: str, number: int, part: str) -> tf.Tensor:
        return weights[f"{kind}_{number}/{part}" if number else f"{kind}/{part}"]

    def normalised(x: tf.Tensor, number: int) -> tf.Tensor:
        return x * layer("batch_normalization", number, "scale") + layer("batch_normalization", number, "offset")

    def activated(y: tf.Tensor, number: int) -> tf.Tensor:
        return normalised(tf.nn.relu(y + layer("conv2d", number, "bias")), number + 1)

    def in_time(x: tf.Tensor) -> tf.Tensor:
        """Pad with three columns of zeros at either end."""
        return tf.pad(x, [[0, 0], [3, 3], *([[0, 0]] * (len(x.shape) - 2))])

    def timbral(number: int) -> tf.Tensor:
        """A convolution over columns and bands, [n, columns, bands that fit, filters]."""
        kernel = layer("conv2d", number, "kernel")[:, :, 0]  # [7, height, filters]
        windows = tf.signal.frame(in_time(x), kernel.shape[1], 1, axis=2)  # the bands as channels: 5 times as fast
        return activated(tf.nn.conv2d(windows, kernel[:, None], 1, "VALID"), number)

    def temporal(number: int) -> tf.Tensor:
        """A convolution over columns, of each band separately, [n, columns, bands, filters]."""
        kernel = layer("conv2d", number, "kernel")[:, 0, 0]  # [width, filters]
        width = kernel.shape[0]
        padded = tf.pad(x, [[0, 0], [(width - 1) // 2, width // 2], [0, 0]])
        return activated(tf.einsum("nctb,tf->ncbf", tf.signal.frame(padded, width, 1, axis=1), kernel), number)

    def middle(y: tf.Tensor, number: int) -> tf.Tensor:
        """A convolution over columns of the previous layer, [n, columns, filters]."""
        return activated(tf.nn.conv1d(in_time(y), layer("conv2d", number, "kernel")[:, :, 0], 1, "VALID"), number)

    x = normalised(pictures, 0)
    found = [*map(timbral, TIMBRAL), *map(temporal, TEMPORAL)]
    front = tf.concat([tf.reduce_max(y, axis=2) for y in found], axis=-1)

    layers, y = [front], front
    for number in MIDDLE:
        new = middle(y, number)
        y = new if len(layers) == 1 else y + new
        layers.append(y)
    together = tf.concat(layers, axis=-1)

    pooled = tf.stack([tf.reduce_max(together, axis=1), tf.reduce_mean(together, axis=1)], axis=-1)
    flat = normalised(tf.reshape(pooled, [-1, 2 * together.shape[-1]]), 9)
    return normalised(tf.nn.relu(flat @ layer("dense", 0, "kernel") + layer("dense", 0, "bias")), 10)
