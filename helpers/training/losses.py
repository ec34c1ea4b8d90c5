"""What the two networks are trained to make small: pure functions of tensors.

The discriminator scores how real a spectrogram looks and names its pitch. Its scores of real and of generated notes
are driven apart (Wasserstein), while the penalty on its gradient norm keeps it from doing so by growing ever steeper;
the generator is trained to be scored as real and to be heard at the pitch it was asked for.

Everything is in data units: log magnitude and phase advance as they are, not what the networks are shown.

Source: Gulrajani et al. 2017 (gradient penalty), Odena et al. 2017 (auxiliary classifier), Karras et al. 2018 (drift);
SPEC section 10. The original's optional G&L consistency loss, which the published models leave out, is not there.
Notebook: 08_train.
"""

from __future__ import annotations

from collections.abc import Callable

from ..gansynth.backend import tf
from ..gansynth.networks import downscale, newest_blocks, upscale


def blend(data: tf.Tensor, fade: float | tf.Tensor, num_blocks: int, num_resolutions: int) -> tf.Tensor:
    """Real notes as blurred as what a generator of `num_blocks` blocks can draw at this point.

    Args:
      data: [batch, frames, bins, 2].
      fade: share of the block below the newest, as in `Generator.call`.
      num_blocks: blocks that exist ...
      num_resolutions: ... and that the finished network has.

    Returns:
      As `data`.
    """
    shares = newest_blocks(fade, num_blocks)
    factors = {b: 2 ** (num_resolutions - b) for b in shares}
    return tf.add_n([share * upscale(downscale(data, factors[b]), factors[b]) for b, share in shares.items()])


def wasserstein(real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
    """The discriminator's: how much more real the generated notes look to it than the real ones. Scores: [batch]."""
    return tf.reduce_mean(fake_scores) - tf.reduce_mean(real_scores)


def gradient_norms(
    score: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, fake: tf.Tensor, mix: tf.Tensor
) -> tf.Tensor:
    """How steep the discriminator is somewhere between each real note and a generated one.

    Args:
      score: notes -> scores [batch].
      real, fake: [batch, frames, bins, 2] in data units.
      mix: where between them, 0 (real) to 1 (fake), [batch].

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
    """Mean square of the difference between gradient norms and their target."""
    return tf.reduce_mean(tf.square(norms / target - 1.0))


def drift(real_scores: tf.Tensor) -> tf.Tensor:
    """Mean square of the real notes' scores, of which a trifle keeps them near 0."""
    return tf.reduce_mean(tf.square(real_scores))


def pitch_loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Softmax cross entropy of the pitches, mean over the batch. logits: [batch, pitches], labels: integers [batch]."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
