"""The generator and the losses of its fit in JAX, for make_demo_checkpoint.py; runs on CPUs and GPUs.

The network is that of helpers/gansynth/networks.py, with two differences. A latent acts on the first layer through a
few coordinates only (`first_layer`), and without a time axis (with kernels one row high) the network draws one frame,
the steady part of a note. tests/test_demo_network.py compares it with the port.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from helpers.gansynth import spectral
from helpers.gansynth.config import NUM_PITCHES, OVERLAP, Config

LEAKY_SLOPE, PIXEL_NORM_EPSILON = 0.2, 1e-8
LAYOUT = ("NHWC", "HWIO", "NHWC")
EXACT = lax.Precision.HIGHEST  # by default, GPUs round the factors of float32 products to 10 bits

LOUDNESS_EXPONENT = 0.7  # applied to a bin's magnitude to estimate its loudness
LOOKS = (64, 256, 1024)  # frame lengths for comparing strokes (samples); frames overlap by three quarters
STROKE_SAMPLES = 2048  # length of a note's stroke
CLICK_BLOCK = 256  # samples
SMOOTHEST = 1e-3  # jump from sample to sample that is not a click even in silence
SECTION = 16  # frames over which a centroid is averaged

Weights = dict[str, jax.Array]


# --------------------------------------------------------------------------------------------------------- generator


def first_weights(config: Config, axes: int, seed: int) -> Weights:
    """Weights of the network without its time axis, all near N(0, 1) except those of the axes, which add up."""
    rng = np.random.RandomState(seed)
    width = config.start_width * config.filters(1)
    arrays = {
        "axes": rng.normal(scale=1.5 / math.sqrt(axes), size=(axes, width)),
        "pitches": rng.normal(size=(NUM_PITCHES, width)),
        "1/conv0/bias": np.zeros(config.filters(1)),
    }
    channels = config.filters(1)
    for block in range(1, config.num_resolutions + 1):
        for conv in ("conv0", "conv1") if block > 1 else ("conv1",):
            shape = (1, config.kernel_size, channels, config.filters(block))
            arrays[f"{block}/{conv}/kernel"] = rng.normal(size=shape)
            arrays[f"{block}/{conv}/bias"] = np.zeros(shape[-1])
            channels = shape[-1]
    last = f"{config.num_resolutions}/to_rgb"
    arrays |= {f"{last}/kernel": rng.normal(size=(1, 1, channels, 2)), f"{last}/bias": np.zeros(2)}
    return {name: jnp.asarray(array, jnp.float32) for name, array in arrays.items()}


def grow_time_axis(steady: Weights, config: Config) -> Weights:
    """Weights of the full network, which initially plays every note's steady part throughout."""
    grown = {}
    for name, array in steady.items():
        if name in ("axes", "pitches"):
            array = jnp.tile(array, (1, config.start_height))
        elif name.endswith("kernel") and "to_rgb" not in name:
            # Placed in the middle row, and scaled since the equalised scale shrinks with the root of the kernel's size.
            rows = [(config.kernel_size // 2,) * 2, (0, 0), (0, 0), (0, 0)]
            array = jnp.pad(array * math.sqrt(config.kernel_size), rows)
        grown[name] = array
    return grown


def pixel_norm(x):
    return x * lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + PIXEL_NORM_EPSILON)


def phases(size: int) -> np.ndarray:
    """How the taps of a kernel for the upsampled image map to taps for the small one, [phases, small taps, taps].

    Upsampling repeats pixels, so at even positions of the upsampled image the last two of three taps see the same
    pixel, at odd positions the first two. An axis with a single tap is not upsampled.
    """
    if size == 1:
        return np.ones((1, 1, 1), np.float32)
    even, odd = [[1, 0, 0], [0, 1, 1], [0, 0, 0]], [[0, 0, 0], [1, 1, 0], [0, 0, 1]]
    return np.array([even, odd], np.float32)


def convolve(x, kernel, upscaling: bool, precision):
    """Convolve [batch, rows, columns, channels], zero-padded; the products and the result are in `precision`.

    With `upscaling`, both axes are first doubled; this is done by a convolution of the small image that gives four
    pixels for each one.
    """
    if upscaling:
        rows, columns = (phases(size) for size in kernel.shape[:2])
        kernel = jnp.einsum("pxa,qyb,abio->xyipqo", rows, columns, kernel, precision=EXACT)
        shape = kernel.shape[3:]
        kernel = kernel.reshape(*kernel.shape[:3], -1)
    x, kernel = x.astype(precision), kernel.astype(precision)
    x = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT)
    if upscaling:
        batch, height, width, _ = x.shape
        x = x.reshape(batch, height, width, *shape).transpose(0, 1, 3, 2, 4, 5)
        x = x.reshape(batch, height * shape[0], width * shape[1], shape[2])
    return x


def first_layer(weights: Weights, u, pitch, length, config: Config):
    """The output of the first convolution.

    Args:
      u: coordinates of the latents, [batch, axes].
      pitch: pitch - MIN_PITCH, [batch].
      length: length of the latents, [batch], since the network normalises them together with the pitch.
    """
    share = jnp.sqrt((config.latent_vector_size + 1) / (length**2 + 1))[:, None]
    x = share * (jnp.matmul(u, weights["axes"], precision=EXACT) + weights["pitches"][pitch]) / math.sqrt(2)
    return x.reshape(len(u), -1, config.start_width, config.filters(1)) + weights["1/conv0/bias"]


def draw(weights: Weights, u, pitch, length, config: Config, precision=jnp.float32):
    """Normalised spectrograms [batch, frames, bins, 2], of a single frame if the kernels have one row."""

    def activate(x):
        x = x.astype(jnp.float32)
        return pixel_norm(jnp.where(x > 0, x, LEAKY_SLOPE * x))

    def conv(x, name, gain, precision, upscaling=False):
        kernel = weights[f"{name}/kernel"]
        scaled = kernel * (gain / math.sqrt(math.prod(kernel.shape[:-1])))
        return convolve(x, scaled, upscaling, precision).astype(jnp.float32) + weights[f"{name}/bias"]

    x = activate(first_layer(weights, u, pitch, length, config))
    for block in range(1, config.num_resolutions + 1):
        if block > 1:
            x = activate(conv(x, f"{block}/conv0", math.sqrt(2), precision, upscaling=True))
        x = activate(conv(x, f"{block}/conv1", math.sqrt(2), precision))
    return jnp.tanh(conv(x, f"{config.num_resolutions}/to_rgb", 1.0, jnp.float32))


# ------------------------------------------------------------------------------------------------------------- losses


def magnitude_loss(predicted, target, loudness, frame_weights):
    """The error of normalised log magnitudes [batch, frames, bins]: a term over all bins and one weighted by loudness.

    The first is the root mean square over a frame, as in the log-spectral distance. It penalises a missing partial more
    than a mean absolute error would, which favours no partials at all where most bins are between partials. `loudness`
    is the weight of each bin in the second term, and sums to about 1 per note: a struck note is soft in most of its
    bins and frames.
    """
    error = predicted - target
    alike = jnp.mean(frame_weights * jnp.sqrt(jnp.mean(error**2, axis=2) + 1e-6), axis=1)
    return alike + jnp.sum(frame_weights[:, None] * loudness * jnp.abs(error), axis=(1, 2))


def frequency_losses(drawn, target, weight, drift):
    """The error of the phases: of each bin from frame to frame, and of neighbouring bins relative to each other.

    The second makes the bins of a partial add up: an error of 0.01 per frame hardly shows in the first, but after a
    second, neighbouring bins cancel each other.

    Args:
      drawn, target: linear frequency in units of pi, [batch, frames, bins].
      weight: weight of each bin, of the same shape; sums to about 1 per note.
      drift: [frames, frames], the matrix that turns errors of single frames into errors of the accumulated phase.

    Returns:
      (frequency loss, coherence loss), [batch] each.
    """
    error = drawn - target
    frequency = jnp.sum(weight * (1 - jnp.cos(math.pi * error)), axis=(1, 2))
    both = jnp.sqrt(weight[..., 1:] * weight[..., :-1])
    apart = jnp.einsum("ts,bsf->btf", drift, error[..., 1:] - error[..., :-1], precision=EXACT)
    return frequency, jnp.sum(both * (1 - jnp.cos(math.pi * apart)), axis=(1, 2))


def crossfade(powers, levels, shares):
    """Log power of a mixture of notes: their magnitudes are added in their shares, at a level between their levels.

    Magnitudes are mixed because the spectral centroid then moves monotonically from one to the other; with logarithms
    it does not for a third of the pairs.

    Args:
      powers: log power [notes, batch, ...].
      levels: log magnitude of each note's steady part, [notes, batch].
      shares: share of each note, [notes, batch]; those of a mixture sum to 1.
    """
    levels, shares = (x.reshape(x.shape + (1,) * (powers.ndim - 2)) for x in (levels, shares))
    loudest = jax.nn.logsumexp(powers / 2 - levels, axis=0, b=shares)
    return 2 * (loudest + jnp.sum(shares * levels, axis=0))


def linear_magnitude(drawn, to_linear, config: Config):
    """Normalised log mel power -> magnitude on a linear axis, [..., bins]."""
    power = jnp.exp((drawn - config.mag_normalizer_b) / config.mag_normalizer_a)
    return jnp.sqrt(jnp.maximum(power @ to_linear, 0.0) + spectral.EPSILON)


def log_centroids(magnitude):
    """Logarithm of the spectral centroid (bins) of a note's sections: [batch, frames, bins] -> [batch, sections]."""
    batch, frames, bins = magnitude.shape
    mean = jnp.mean(magnitude.reshape(batch, -1, min(SECTION, frames), bins), axis=2)
    return jnp.log(mean @ jnp.arange(1.0, bins + 1) / jnp.sum(mean, axis=-1))


def sound(magnitude, frequency, config: Config):
    """The audio of the first frames, as in `accelerated.InverseTransform`: [batch, n, bins] -> [batch, samples].

    Only samples that are fully covered by the n frames.
    """
    batch, frames, _ = magnitude.shape
    phase = math.pi * jnp.cumsum(frequency, axis=1)
    spectra = jnp.pad(magnitude * jnp.exp(1j * phase), [(0, 0), (0, 0), (1, 0)])
    pieces = jnp.fft.irfft(spectra, config.frame_length, axis=-1) * spectral.synthesis_window(config)
    pieces = pieces.reshape(batch, frames, OVERLAP, config.hop_length)
    parts = (jnp.pad(pieces[:, :, i], [(0, 0), (i, OVERLAP - 1 - i), (0, 0)]) for i in range(OVERLAP))
    whole = sum(parts).reshape(batch, -1)
    return whole[:, config.front_padding : frames * config.hop_length].astype(jnp.float32)


def loudness_of(wave, frame: int):
    """Magnitudes ** LOUDNESS_EXPONENT with a hop of a quarter frame: [batch, samples] -> [batch, frames, bins]."""
    padded = jnp.pad(wave, [(0, 0), (frame // 2, 0)])
    starts = np.arange(0, padded.shape[1] - frame + 1, frame // 4)
    frames = padded[:, starts[:, None] + np.arange(frame)]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)
    spectrum = jnp.fft.rfft(frames * window.astype(np.float32))
    return (spectrum.real**2 + spectrum.imag**2 + 1e-8) ** (LOUDNESS_EXPONENT / 2)


def stroke_loss(made, source):
    """The difference of two attacks at a resolution of milliseconds, as a share of the source's loudness.

    Too soft counts as much as too loud, and the loudest moments count most: with logarithms, or if only excess loudness
    counted, a note that fades in would be better than one whose stroke is late by a few milliseconds. Both arguments
    are [batch, samples].
    """
    shares = []
    for frame in LOOKS:
        here, there = (loudness_of(x[:, :STROKE_SAMPLES], frame) for x in (made, source))
        shares.append(jnp.sum(jnp.abs(here - there), axis=(1, 2)) / jnp.sum(there, axis=(1, 2)))
    return sum(shares) / len(shares)


def steepest(wave):
    """The largest jump from sample to sample in each CLICK_BLOCK: [batch, samples] -> [batch, blocks]."""
    jumps = jnp.abs(wave[:, 1:] - wave[:, :-1])
    whole = jumps.shape[1] // CLICK_BLOCK * CLICK_BLOCK
    return jnp.max(jumps[:, :whole].reshape(len(wave), -1, CLICK_BLOCK), axis=2)


def click_loss(made, source):
    """By how much, as a logarithm, the steepest jump exceeds the source's, in the block where it is most."""
    excess = jnp.log((steepest(made) + SMOOTHEST) / (steepest(source) + SMOOTHEST))
    return jnp.max(jax.nn.relu(excess), axis=1)


# ---------------------------------------------------------------------------------------------------------- optimizer

MOMENTUM, ADAM_DECAY = 0.9, 0.99
AVERAGE_DECAY = 0.999  # of the moving average of the weights, which is the result of the fit


def orthogonal(matrix):
    """The nearest matrix with orthogonal rows (or columns, if they are fewer) and a root mean square of about 1.

    Five steps of the Newton-Schulz iteration bring all singular values near 1, to between 0.7 and 1.2.
    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix / (jnp.linalg.norm(matrix) + 1e-30)
    x = x.T if tall else x
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return math.sqrt(max(matrix.shape)) * (x.T if tall else x)


def first_state(weights: Weights) -> dict:
    """The initial state of the optimizer. No arrays are shared, so that a step can be made in place."""
    copies = {kind: {name: jnp.array(x) for name, x in weights.items()} for kind in ("weight", "average")}
    zeros = {kind: {name: jnp.zeros_like(x) for name, x in weights.items()} for kind in ("first", "second")}
    # float16 has no numbers below 6e-8, so the loss is multiplied by `scale`, which is halved when gradients overflow.
    return {**copies, **zeros, "step": jnp.zeros((), jnp.int32), "scale": jnp.float32(2**10)}


def descend(state: dict, gradients: Weights, rate) -> dict:
    """One step of Muon for kernels, of Adam for all other weights, and of the moving average.

    Muon's step treats all directions of a kernel equally: after the same time, the error of the spectra was two thirds
    of that with Adam, and the error of the frequencies less than half.
    """
    step = state["step"] + 1
    new = {kind: {} for kind in ("weight", "average", "first", "second")} | {"step": step}
    for name, gradient in gradients.items():
        first = MOMENTUM * state["first"][name] + (1 - MOMENTUM) * gradient
        second = ADAM_DECAY * state["second"][name] + (1 - ADAM_DECAY) * gradient**2
        if name.endswith("kernel") and "to_rgb" not in name:
            ahead = MOMENTUM * first + (1 - MOMENTUM) * gradient  # Nesterov momentum
            change = orthogonal(ahead.reshape(-1, ahead.shape[-1])).reshape(ahead.shape)
        else:
            change = first / (jnp.sqrt(second / (1 - ADAM_DECAY ** step.astype(jnp.float32))) + 1e-12)
            if name == "axes":
                change /= math.sqrt(len(gradient))
        value = state["weight"][name] - rate * change
        decay = jnp.minimum(AVERAGE_DECAY, step / (step + 10.0))
        new["weight"][name], new["first"][name], new["second"][name] = value, first, second
        new["average"][name] = decay * state["average"][name] + (1 - decay) * value
    return new
