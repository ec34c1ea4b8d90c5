"""The losses of the two networks, as pure functions of tensors.

The discriminator scores how real a spectrogram looks and classifies its pitch. It is trained to score real notes higher
than generated ones (Wasserstein), while the gradient penalty keeps it from growing ever steeper; the generator is
trained for high scores and for notes that are classified as the requested pitch.

All spectrograms are in data units: log magnitude (on a mel axis: log power) and phase advance before normalisation.

Source: Gulrajani et al. 2017 (gradient penalty), Odena et al. 2017 (auxiliary classifier), Karras et al. 2018 (drift);
SPEC section 10. The original's optional G&L consistency loss is omitted; the published models do not use it.
Notebook: 08_train.
"""

from __future__ import annotations

from collections.abc import Callable

from ..gansynth.backend import tf
from ..gansynth.networks import downscale, newest_blocks, upscale


def blend(data: tf.Tensor, fade: float | tf.Tensor, num_blocks: int, num_resolutions: int) -> tf.Tensor:
    """Reduce real notes to the resolution that a generator of `num_blocks` blocks has at this point in training.

    Args:
      data: [batch, frames, bins, 2].
      fade: share of the block below the newest, as in `Generator.call`.
      num_blocks: current number of blocks.
      num_resolutions: number of blocks of the finished network.

    Returns:
      An array of the same shape.
    """
    shares = newest_blocks(fade, num_blocks)
    factors = {b: 2 ** (num_resolutions - b) for b in shares}
    return tf.add_n([share * upscale(downscale(data, factors[b]), factors[b]) for b, share in shares.items()])


def wasserstein(real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
    """The discriminator's Wasserstein loss: mean score of generated notes minus that of real ones. Scores: [batch]."""
    return tf.reduce_mean(fake_scores) - tf.reduce_mean(real_scores)


def gradient_norms(
    score: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, fake: tf.Tensor, mix: tf.Tensor
) -> tf.Tensor:
    """Gradient norms of the discriminator at a point between each real note and a generated one.

    Args:
      score: notes -> scores [batch].
      real, fake: [batch, frames, bins, 2] in data units.
      mix: position of the point, 0 (real) to 1 (fake), [batch].

    Returns:
      Norms of the gradient of the score over all pixels, [batch].
    """
    real, fake = tf.convert_to_tensor(real), tf.convert_to_tensor(fake)
    between = real + mix[:, None, None, None] * (fake - real)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(between)
        scores = score(between)
    return tf.sqrt(tf.reduce_sum(tf.square(tape.gradient(scores, between)), axis=[1, 2, 3]))


def gradient_penalty(norms: tf.Tensor, target: float = 1.0) -> tf.Tensor:
    """Mean squared deviation of gradient norms from their target, relative to it."""
    return tf.reduce_mean(tf.square(norms / target - 1.0))


def drift(real_scores: tf.Tensor) -> tf.Tensor:
    """Mean square of the real notes' scores; with a small weight it keeps the scores near 0."""
    return tf.reduce_mean(tf.square(real_scores))


def pitch_loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Softmax cross entropy of the pitches, mean over the batch. logits: [batch, pitches], labels: integers [batch]."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
