"""What the fit of the bundled checkpoint compares: spectrograms, their centroids, and how a note begins to sound.

For make_demo_checkpoint.py, whose docstring tells how they are used. `config` has the numbers of the model.
"""

from __future__ import annotations

import math

import numpy as np

from helpers.gansynth.config import Config
from helpers.gansynth.spectral import EPSILON

LOUDNESS_EXPONENT = 0.7  # of a bin's magnitude, as how much it is heard
FORWARD = 0.3  # of what the centroid should move between two points of a way, it has to

# ------------------------------------------------------------------------------------------------------ spectrograms


def magnitude_loss(predicted, target, loudness):
    """How wrong normalised log magnitudes [batch, frames, bins] are: over all bins alike, and over what is heard.

    The first is the root mean square of a frame, as in the log-spectral distance: a partial that is missed counts for
    more than with a mean absolute error, which would rather have none at all where most bins lie between partials.
    `loudness` is each bin's weight in the second, and sums to about 1 a note: a struck note is soft in most of its bins
    and frames.
    """
    import tensorflow as tf

    error = predicted - target
    alike = tf.reduce_mean(tf.sqrt(tf.reduce_mean(error**2, axis=2) + 1e-6))
    return alike + tf.reduce_mean(tf.reduce_sum(loudness * tf.abs(error), axis=(1, 2)))


def frequency_losses(predicted, target, weight, to_linear, drift, config: Config):
    """How wrong the phases are: of each bin from frame to frame, and of neighbouring bins against each other in time.

    The second is what makes the bins of a partial add up: an error of 0.01 a frame hardly shows in the first, and has
    turned neighbours against each other after a second.

    Args:
      predicted: normalised mel frequency [batch, frames, bins].
      target: linear frequency in units of pi, the same shape.
      weight: of each bin, the same shape; sums to about 1 a note.
      to_linear: dense matrix mel -> linear.
      drift: function that turns the error of each frame [batch, frames, bins - 1] into that of the running phase.

    Returns:
      (frequency loss, coherence loss), scalars.
    """
    import tensorflow as tf

    error = tf.matmul(predicted / config.p_normalizer_a, to_linear) - target
    frequency = tf.reduce_sum(weight * (1 - tf.cos(math.pi * error)), axis=(1, 2))
    both = tf.sqrt(weight[..., 1:] * weight[..., :-1])
    coherence = tf.reduce_sum(both * (1 - tf.cos(math.pi * drift(error[..., 1:] - error[..., :-1]))), axis=(1, 2))
    return tf.reduce_mean(frequency), tf.reduce_mean(coherence)


def image_losses(out, targets, to_linear, drift, config: Config):
    """Losses of a batch: magnitude, frequency and coherence; the latter two against both notes that it is made of.

    Args:
      out: what the generator draws, [batch, frames, bins, 2].
      targets: normalised log magnitude, its loudness, and frequency and weight of the first and of the second note,
        [batch, frames, bins] each.
      to_linear, drift: as for `frequency_losses`.
    """
    spectra, loudness, *phases = targets
    notes = (frequency_losses(out[..., 1], *note, to_linear, drift, config) for note in (phases[:2], phases[2:]))
    frequency, coherence = (first + second for first, second in zip(*notes, strict=True))
    return magnitude_loss(out[..., 0], spectra, loudness), frequency, coherence


def crossfade(powers: np.ndarray, levels: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Log power of two notes at once: their magnitudes added in their shares, at a level between their levels.

    Args:
      powers: log power [2, batch, ...].
      levels: of `note_levels`, [2, batch].
      shares: [2, batch]; the two of a pair sum to 1.

    Returns:
      [batch, ...]
    """
    levels, shares = (x.reshape(x.shape + (1,) * (powers.ndim - 2)) for x in (levels, shares))
    with np.errstate(divide="ignore"):
        first, second = np.log(shares) + powers / 2 - levels
    return 2 * (np.logaddexp(first, second) + np.sum(shares * levels, axis=0))


def note_levels(steady_mel: np.ndarray) -> np.ndarray:
    """Logarithm of the summed magnitude of each note's mean spectrum: [notes, bins] of log power -> [notes]."""
    return np.log(np.exp(steady_mel / 2).sum(axis=1))


def centroids(drawn, to_linear, config: Config):
    """Logarithm of the spectral centroid of some frames' mean magnitude, in bins.

    Args:
      drawn: normalised log magnitude, [batch, frames, bins].
      to_linear: dense matrix mel -> linear.

    Returns:
      [batch]
    """
    import tensorflow as tf

    power = tf.exp((drawn - config.mag_normalizer_b) / config.mag_normalizer_a)
    mean = tf.reduce_mean(tf.sqrt(tf.matmul(power, to_linear) + EPSILON), axis=1)
    bins = tf.range(1, mean.shape[-1] + 1, dtype=tf.float32)
    return tf.math.log(tf.reduce_sum(bins * mean, axis=1) / tf.reduce_sum(mean, axis=1))


def centroid_losses(made, wanted, ways):
    """How far centroids are from where they should be, and how much they stand still or turn around on their way.

    Args:
      made, wanted: logarithms of centroids, [batch].
      ways: rows of the batch from each beginning to its end, [ways, points].

    Returns:
      Two scalars.
    """
    import tensorflow as tf

    off = tf.reduce_mean(tf.abs(made - wanted))
    made, wanted = tf.gather(made, ways), tf.gather(wanted, ways)
    direction = tf.sign(wanted[:, -1:] - wanted[:, :1])
    done, due = (direction * (x[:, 1:] - x[:, :-1]) for x in (made, wanted))
    return off, tf.reduce_mean(tf.nn.relu(FORWARD * tf.nn.relu(due) - done))


# ------------------------------------------------------------------------------------------------------------ strokes


LOOKS = (64, 256, 1024)  # samples of a frame in which a stroke is looked at; they overlap by three quarters
STROKE_SAMPLES = 2048  # of a note that belong to its stroke
CLICK_BLOCK = 256  # samples
SMOOTHEST = 1e-3  # jump of a sample that is no click even in silence


def loudness_of(sound, frame: int):
    """Magnitudes ** LOUDNESS_EXPONENT of frames that are a quarter apart: [batch, samples] -> [batch, frames, bins]."""
    import tensorflow as tf

    spectrum = tf.signal.stft(tf.pad(sound, [[0, 0], [frame // 2, 0]]), frame, frame // 4)
    power = tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2
    return (power + 1e-8) ** (LOUDNESS_EXPONENT / 2)


def stroke_loss(sound, source):
    """How different two beginnings sound within milliseconds, as a share of the source's loudness.

    Too soft is as wrong as too loud, and the loudest moments count most: with logarithms, or with what is too loud
    alone, a note that fades in is better than one whose stroke is late by a few milliseconds.

    Args:
      sound, source: [batch, samples].
    """
    import tensorflow as tf

    shares = []
    for frame in LOOKS:
        made, wanted = (loudness_of(x[:, :STROKE_SAMPLES], frame) for x in (sound, source))
        wrong, whole = (tf.reduce_sum(x, axis=(1, 2)) for x in (tf.abs(made - wanted), wanted))
        shares.append(tf.reduce_mean(wrong / whole))
    return tf.add_n(shares) / len(shares)


def steepest(sound):
    """The largest jump from sample to sample in each CLICK_BLOCK: [batch, samples] -> [batch, blocks]."""
    import tensorflow as tf

    jumps = tf.abs(sound[:, 1:] - sound[:, :-1])
    whole = jumps.shape[1] // CLICK_BLOCK * CLICK_BLOCK
    return tf.reduce_max(tf.reshape(jumps[:, :whole], (-1, whole // CLICK_BLOCK, CLICK_BLOCK)), axis=2)


def click_loss(sound, source):
    """How far, as a logarithm, the steepest jump of a block is above the source's, where it is farthest.

    Args:
      sound, source: [batch, samples].
    """
    import tensorflow as tf

    excess = tf.math.log((steepest(sound) + SMOOTHEST) / (steepest(source) + SMOOTHEST))
    return tf.reduce_mean(tf.reduce_max(tf.nn.relu(excess), axis=1))
