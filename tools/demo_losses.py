"""What the fit of the bundled checkpoint compares: spectrograms, and the sound that they make.

For make_demo_checkpoint.py, whose docstring tells how they are used. `config` has the numbers of the model.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from helpers.gansynth.config import Config
from helpers.gansynth.spectral import EPSILON

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


def crossfade_gains(levels: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """What `crossfade` multiplies the two magnitudes by before it adds them: [2, batch], like both arguments."""
    return shares * np.exp(np.sum(shares * levels, axis=0) - levels)


def note_levels(steady_mel: np.ndarray) -> np.ndarray:
    """Logarithm of the summed magnitude of each note's mean spectrum: [notes, bins] of log power -> [notes]."""
    return np.log(np.exp(steady_mel / 2).sum(axis=1))


# ------------------------------------------------------------------------------------------------------------- sound


class Look(NamedTuple):
    """A short-time Fourier transform whose bins are summed into mel bands."""

    frame: int  # samples
    hop: int
    bands: int


COLOUR = Look(1024, 256, 64)  # tells a timbre, and how it moves
STROKE = Look(256, 64, 24)  # tells within a few milliseconds when a note is struck
SILENCE = 1e-7  # power of a band, of a sine of amplitude 1: 70 dB below the loudest note
SOFTEST = 1e-5  # magnitude of a bin that the centroid reckons with in silence
CLICK_BLOCK = 256  # samples
SMOOTHEST = 1e-3  # jump of a sample that is no click even in silence
FORWARD = 0.3  # of what the centroid should move between two points of a way, it has to
SOUND_LOSSES = ("colour", "stroke", "movement", "centroid", "click", "way")


def edge(config: Config) -> int:
    """Samples at both ends of a window that not all of their frames reach."""
    return config.frame_length - config.hop_length


def sound_of(out, first: int, before, to_linear, config: Config):
    """The samples of some neighbouring frames that the generator has drawn, as `spectral.data_to_waves` makes them.

    Args:
      out: normalised, [batch, frames, bins, 2].
      first: which frame of the note the first one is.
      before: the running phase that the first frame's advance is added to, in units of pi, [batch, bins].
      to_linear: dense matrix mel -> linear.

    Returns:
      [batch, samples]: only those samples that all of their frames belong to, hence without the `edge` at either end.
      What lies in front of the note is silent, because it is cut off: nobody hears whether a stroke has an echo there.
    """
    import tensorflow as tf

    power = tf.exp((out[..., 0] - config.mag_normalizer_b) / config.mag_normalizer_a)
    advance = (out[..., 1] - config.p_normalizer_b) / config.p_normalizer_a
    magnitude = tf.sqrt(tf.matmul(power, to_linear) + EPSILON)
    phase = math.pi * (before[:, None] + tf.cumsum(tf.matmul(advance, to_linear), axis=1))
    spectrum = tf.complex(magnitude * tf.cos(phase), magnitude * tf.sin(phase))
    frames = tf.signal.irfft(tf.pad(spectrum, [[0, 0], [0, 0], [1, 0]]))  # no DC
    overlap = config.frame_length / config.hop_length
    window = tf.signal.hann_window(config.frame_length) / (overlap * 3 / 8)  # 3/8: a Hann window's mean square
    sound = tf.signal.overlap_and_add(frames * window, config.hop_length)
    ahead = max(config.front_padding - edge(config) - first * config.hop_length, 0)
    return tf.pad(sound[:, edge(config) + ahead : -edge(config)], [[0, 0], [ahead, 0]])


def excerpts(
    waves: np.ndarray, notes: np.ndarray, first: int, count: int, config: Config
) -> tuple[np.ndarray, np.ndarray]:
    """What `sound_of` would make of some source notes' frames `first` to `first + count`, and the frame before those.

    Args:
      waves: [notes, audio_length].
      notes: which of them, [batch].

    Returns:
      Samples [batch, samples], and the spectrum of frame `first - 1` without DC, complex [batch, bins]; ones if there
      is no such frame: a note begins at phase 0.
    """
    start = first * config.hop_length - config.front_padding - config.hop_length  # where the frame before begins
    stop = start + count * config.hop_length + config.frame_length
    found = np.pad(waves[notes, max(start, 0) : stop], [(0, 0), (max(-start, 0), 0)]).astype(np.float32)
    spectrum = np.ones((len(notes), config.bins), np.complex64)
    if first > 0:
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(config.frame_length) / config.frame_length)
        spectrum = np.fft.rfft(found[:, : config.frame_length] * window)[:, 1:].astype(np.complex64)
    return found[:, config.hop_length + edge(config) : -edge(config)], spectrum


def magnitudes(sound, look: Look):
    """[batch, samples] -> [batch, frames, bins], such that a sine's highest bin is its amplitude."""
    import tensorflow as tf

    spectrum = tf.signal.stft(sound, look.frame, look.hop)
    power = tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2
    return tf.sqrt(power * (4 / look.frame) ** 2 + 1e-14)


def band_levels(magnitude, look: Look, config: Config):
    """Half the logarithm of the power of each mel band: [batch, frames, bins] -> [batch, frames, bands]."""
    import tensorflow as tf

    bands = tf.signal.linear_to_mel_weight_matrix(look.bands, look.frame // 2 + 1, config.sample_rate, 30.0, 8000.0)
    return tf.math.log(tf.matmul(magnitude**2, bands) + SILENCE) / 2


def mean_centroid(magnitude):
    """Logarithm of the spectral centroid of the mean over time, in bins: [batch, frames, bins] -> [batch]."""
    import tensorflow as tf

    mean = tf.reduce_mean(magnitude, axis=1) + SOFTEST
    return tf.math.log(tf.reduce_sum(mean * tf.range(mean.shape[-1], dtype=tf.float32), 1) / tf.reduce_sum(mean, 1))


def steepest(sound):
    """The largest jump from sample to sample in each CLICK_BLOCK: [batch, samples] -> [batch, blocks]."""
    import tensorflow as tf

    jumps = tf.abs(sound[:, 1:] - sound[:, :-1])
    whole = jumps.shape[1] // CLICK_BLOCK * CLICK_BLOCK
    return tf.reduce_max(tf.reshape(jumps[:, :whole], (-1, whole // CLICK_BLOCK, CLICK_BLOCK)), axis=2)


def wrong_way(made, wanted, ways):
    """How much centroids stand still or turn around on their way from one voice to another.

    Args:
      made, wanted: logarithms of centroids, [batch].
      ways: rows of the batch from each beginning to its end, [ways, points].
    """
    import tensorflow as tf

    made, wanted = tf.gather(made, ways), tf.gather(wanted, ways)
    direction = tf.sign(wanted[:, -1:] - wanted[:, :1])
    done, due = (direction * (x[:, 1:] - x[:, :-1]) for x in (made, wanted))
    return tf.reduce_mean(tf.nn.relu(FORWARD * tf.nn.relu(due) - done))


def sound_losses(sound, sources, gains, ways, config: Config):
    """How a sound differs from the crossfade of two others; scalars in the order of SOUND_LOSSES.

    Colour and stroke are the mean absolute difference of `band_levels` (1 is 8.7 dB); movement that of their standard
    deviation over time, because a network that only compares levels would rather draw no beating than a beating at the
    wrong moment; centroid that of `mean_centroid`. Click is how far, as a logarithm, the steepest jump of a block is
    above the sources', in that block of a note where it is farthest.

    Args:
      sound: [batch, samples].
      sources: the two, [2, batch, samples].
      gains: of their magnitudes, [2, batch].
      ways: as for `wrong_way`, whose loss is the last.
    """
    import tensorflow as tf

    def crossfaded(of_sound):
        return tf.einsum("ib,ib...->b...", gains, tf.stack([of_sound(sources[i]) for i in (0, 1)]))

    found = []
    for look in (COLOUR, STROKE):
        made, wanted = magnitudes(sound, look), crossfaded(partial(magnitudes, look=look))
        levels = band_levels(made, look, config), band_levels(wanted, look, config)
        found.append(tf.reduce_mean(tf.abs(levels[0] - levels[1])))
        if look == COLOUR:
            spread = [tf.sqrt(tf.math.reduce_variance(level, axis=1) + 1e-4) for level in levels]
            movement = tf.reduce_mean(tf.abs(spread[0] - spread[1]))
            centroids = mean_centroid(made), mean_centroid(wanted)
            centroid = tf.reduce_mean(tf.abs(centroids[0] - centroids[1]))
    excess = tf.math.log((steepest(sound) + SMOOTHEST) / (crossfaded(steepest) + SMOOTHEST))
    click = tf.reduce_mean(tf.reduce_max(tf.nn.relu(excess), axis=1))
    return *found, movement, centroid, click, wrong_way(*centroids, ways)
