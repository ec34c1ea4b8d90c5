"""The generator and the discriminator: the paper's two architecture tables as Keras models.

They are written with `keras.ops`, so all except `Beginnings` runs on any backend of Keras; TensorFlow is the default
and the one that is tested. Images are [batch, time frames, frequency bins, channels].

Source: Engel et al. 2019 (GANSynth), Karras et al. 2018 (progressive growing); SPEC sections 2, 3 and 9.
Notebook: 02_checkpoints, 08_train.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .backend import Tensor, keras, ops, tf
from .config import HIDDEN_GAIN, LEAKY_SLOPE, NUM_PITCHES, OUTPUT_GAIN, PIXEL_NORM_EPSILON, Config, block_weights
from .windows import BlockRows, Rows, block_rows

DEVIATION_EPSILON = 1e-6  # inside the square root of the minibatch standard deviation


def pixel_norm(x: Tensor) -> Tensor:
    """Scale each position's channel vector to unit mean square, summed in float32. x: [..., channels]."""
    power = ops.mean(ops.square(ops.cast(x, "float32")), axis=-1, keepdims=True)
    return x * ops.cast(ops.rsqrt(power + PIXEL_NORM_EPSILON), x.dtype)


def newest_blocks(fade: Tensor | float, num_blocks: int) -> dict[int, Tensor | float]:
    """Weight of each block's image in the output while the newest is faded in; blocks of weight 0 are left out.

    The weights are those of `block_weights`, as a function of the remaining weight of the block below, fade =
    num_blocks - 1 - progress. It may be a scalar tensor; if it is the plain number 0, only the newest block is used.
    """
    if num_blocks == 1 or (isinstance(fade, (int, float)) and fade == 0):
        return {num_blocks: 1.0}
    return {num_blocks - 1: fade, num_blocks: 1.0 - fade}


def downscale(x: Tensor, factor: int = 2) -> Tensor:
    """Average pooling over squares of `factor` x `factor` pixels. x: [batch, time, frequency, channels]."""
    return x if factor == 1 else ops.average_pool(x, factor, factor, padding="valid")


def upscale(x: Tensor, factor: int = 2) -> Tensor:
    """Nearest-neighbour enlargement of both axes. x: [batch, time, frequency, channels]."""
    return ops.repeat(ops.repeat(x, factor, axis=1), factor, axis=2)


def _first_values() -> keras.initializers.Initializer:
    """N(0, 1), with a seed, since Keras would draw one from Python's global generator and so change its state."""
    return keras.initializers.RandomNormal(0, 1, seed=0)


class EqualizedConv2D(keras.layers.Layer):
    """Convolution without padding; its weights are stored near N(0, 1) and scaled by gain / sqrt(fan_in) at run time.

    The scale applies to the convolution, not to the bias. Source: SPEC section 3, "equalised learning rate".
    """

    frozen = None

    def __init__(self, filters: int, kernel_size: tuple[int, int], gain: float = HIDDEN_GAIN, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.gain = filters, kernel_size, gain

    def build(self, input_shape: tuple) -> None:
        shape = (*self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(shape=shape, initializer=_first_values(), name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        self.scale = self.gain / math.sqrt(math.prod(shape[:-1]))

    def effective_kernel(self) -> Tensor:
        """The scaled kernel. Scaling it instead of the image takes a thousandth of the multiplications."""
        return self.kernel * self.scale

    def freeze(self, precision: str) -> None:
        """Compute kernel and bias once, for generating; later changes to the weights have no effect."""
        self.frozen = ops.cast(self.effective_kernel(), precision), ops.cast(self.bias, precision)

    def call(self, x: Tensor) -> Tensor:
        kernel, bias = (self.effective_kernel(), self.bias) if self.frozen is None else self.frozen
        x = self.convolve(ops.cast(x, kernel.dtype), kernel) + bias
        # In mixed-precision training, only the convolution is in half precision; its result is cast back.
        return ops.cast(x, self.variable_dtype) if self.frozen is None else x

    @staticmethod
    def convolve(x: Tensor, kernel: Tensor) -> Tensor:
        return ops.conv(x, kernel, padding="valid")


def upscaling_kernel(kernel: Tensor) -> Tensor:
    """The kernel of a transposed convolution of stride 2 that equals doubling the image, then convolving it.

    Doubling repeats each pixel in a square of four, so several weights are applied to the same pixel of the small image
    and can be added beforehand: with k = 3, four output pixels take 16 multiplications instead of 36.

    Args:
      kernel: kernel of the convolution, [k, k, in, out], k odd.

    Returns:
      [k + 1, k + 1, out, in], for `keras.ops.conv_transpose` with strides 2 and padding "same".
    """
    for axis in (0, 1):
        flipped = ops.flip(kernel, axis)
        before, after = [[0, 0]] * 4, [[0, 0]] * 4
        before[axis], after[axis] = [1, 0], [0, 1]
        kernel = ops.pad(flipped, before) + ops.pad(flipped, after)
    return ops.transpose(kernel, (0, 1, 3, 2))


class UpscalingConv2D(EqualizedConv2D):
    """Nearest-neighbour enlargement by two, followed by an `EqualizedConv2D` with zero padding, in one step."""

    def effective_kernel(self) -> Tensor:
        return upscaling_kernel(super().effective_kernel())

    @staticmethod
    def convolve(x: Tensor, kernel: Tensor) -> Tensor:
        return ops.conv_transpose(x, kernel, strides=2, padding="same")


def _slice_rows(x: Tensor, rows: Rows) -> Tensor:
    """Rows of a tensor [batch, time, frequency, channels]."""
    start, stop = rows
    if not isinstance(stop, int):
        return x[:, start:stop]
    # The gradient of x[:, start:stop] is slow.
    return ops.slice(x, (0, start, 0, 0), (ops.shape(x)[0], stop - start, *ops.shape(x)[2:]))


class Generator(keras.Model):
    """z and pitch -> one normalised spectrogram per note.

    A block has two convolutions, each followed by leaky ReLU and pixel normalisation; all blocks except the first begin
    by doubling both axes. A 1x1 convolution (`to_rgb`) and tanh turn a block's output into an image.

    Every layer is local in time, so a window of the output needs only a window of each layer: `frames=(start, stop)`
    computes just those frames, and each equals the same frame of the whole note.
    """

    def __init__(
        self,
        config: Config,
        num_blocks: int | None = None,
        progress: float | None = None,
        all_images: bool = False,
        **kwargs: Any,
    ):
        """
        Args:
          config: the model's hyper-parameters.
          num_blocks: number of blocks; all of the config's by default.
          progress: how far the newest block is faded in (`Config.progress`); complete by default.
          all_images: give every block a `to_rgb`, as training needs, not only those used at `progress`.
        """
        super().__init__(**kwargs)
        self.config = config
        self.num_blocks = config.num_resolutions if num_blocks is None else num_blocks
        progress = self.num_blocks - 1.0 if progress is None else progress
        self.block_weights = block_weights(progress, self.num_blocks)
        self.convs: list[tuple[EqualizedConv2D, EqualizedConv2D]] = []
        self.to_rgbs: dict[str, EqualizedConv2D] = {}
        kernel = (config.kernel_size, config.kernel_size)
        for b in range(1, self.num_blocks + 1):
            first = (config.start_height, config.start_width) if b == 1 else kernel
            filters = config.filters(b)
            kind = EqualizedConv2D if b == 1 else UpscalingConv2D
            conv0 = kind(filters, first, name=f"block{b}_conv0")
            conv1 = EqualizedConv2D(filters, kernel, name=f"block{b}_conv1")
            self.convs.append((conv0, conv1))
            if all_images or self.block_weights[b - 1] > 0:
                self.to_rgbs[str(b)] = EqualizedConv2D(2, (1, 1), gain=OUTPUT_GAIN, name=f"block{b}_to_rgb")
        self._build()

    def _build(self) -> None:
        channels = self.config.latent_vector_size + NUM_PITCHES
        for b, (conv0, conv1) in enumerate(self.convs, start=1):
            conv0.build((None, None, None, channels))
            channels = self.config.filters(b)
            conv1.build((None, None, None, channels))
            if str(b) in self.to_rgbs:
                self.to_rgbs[str(b)].build((None, None, None, channels))
        self.built = True

    def named_weights(self) -> dict[str, keras.Variable]:
        """The variables by name, `block/layer/kind` (`checkpoint.published_name`)."""
        layers = {f"{b}/conv{i}": conv for b, pair in enumerate(self.convs, start=1) for i, conv in enumerate(pair)}
        layers |= {f"{b}/to_rgb": layer for b, layer in self.to_rgbs.items()}
        return {f"{n}/{kind}": getattr(layer, kind) for n, layer in layers.items() for kind in ("kernel", "bias")}

    def freeze(self, precision: str = "float32") -> None:
        """Prepare for generating: scale and cast all kernels once; later changes to the weights have no effect.

        Args:
          precision: "float32", "bfloat16" or "float16", for all convolutions except the first, which reads the latent
            vector, and `to_rgb`, which gives the output; these stay in float32, as do the sums of pixel normalisation.
        """
        inner = [conv for pair in self.convs for conv in pair][1:]
        for layer in (self.convs[0][0], *self.to_rgbs.values()):
            layer.freeze("float32")
        for layer in inner:
            layer.freeze(precision)

    def call(self, z: Tensor, labels: Tensor, frames: Rows | None = None, fade: Tensor | float | None = None) -> Tensor:
        """
        Args:
          z: latent vectors, [batch, latent_vector_size]. Longer rows continue with `Config.first_layer_size` values
            to add to the first layer's activations (see `inversion`).
          labels: pitch - MIN_PITCH, integers [batch].
          frames: which of the output's time frames to compute, as (start, stop); all of them by default.
          fade: in training, how much of the image comes from the block below the newest (1 down to 0 while a new block
            is faded in; a number or a scalar tensor). By default it follows from `progress`.

        Returns:
          [batch, stop - start, bins, 2] in normalised units: log magnitude (on a mel axis: log power) and instantaneous
            frequency.
        """
        return self.grow(self.first(z, labels), frames, fade)

    def first(self, z: Tensor, labels: Tensor) -> Tensor:
        """The first convolution's image: [batch, start_height, start_width, channels]."""
        z = ops.convert_to_tensor(z, dtype="float32")
        z, added = z[:, : self.config.latent_vector_size], z[:, self.config.latent_vector_size :]
        x = ops.concatenate([z, ops.one_hot(ops.cast(labels, "int32"), NUM_PITCHES)], axis=-1)
        x = pixel_norm(x)[:, None, None, :]
        # With zero padding around a single pixel, the first convolution is a dense layer to start_height x start_width.
        rows, cols = self.config.start_height - 1, self.config.start_width - 1
        x = ops.pad(x, [[0, 0], [rows, rows], [cols, cols], [0, 0]])
        x = self.convs[0][0](x)
        if added.shape[1]:
            x += ops.reshape(added, (-1, self.config.start_height, self.config.start_width, self.config.filters(1)))
        return x

    def grow(self, x: Tensor, frames: Rows | None = None, fade: Tensor | float | None = None) -> Tensor:
        """Everything after the first convolution: [batch, start_height, start_width, channels] -> output of `call`."""
        frames = (0, self.config.frames) if frames is None else frames
        return self.draw(x, self.rows(frames), fade)

    def rows(self, frames: Rows) -> list[BlockRows]:
        """The rows to keep in each block so that these frames are exact."""
        return block_rows(self.config, self.num_blocks, {int(b) for b in self.to_rgbs}, frames)

    def draw(self, x: Tensor, rows: Sequence[BlockRows], fade: Tensor | float | None = None) -> Tensor:
        """As `grow`, with the rows given by `rows`; their ends may be tensors."""
        margin = self.config.kernel_size // 2
        if fade is None:
            shares = {b: share for b, share in enumerate(self.block_weights, start=1) if share > 0}
        else:
            shares = newest_blocks(fade, self.num_blocks)

        x, image = self._activate(x), None
        for b, ((conv0, conv1), block) in enumerate(zip(self.convs, rows, strict=True), start=1):
            if b > 1:
                x = self._activate(_slice_rows(conv0(x), block.kept))
            x = ops.pad(_slice_rows(x, block.taken), [[0, 0], list(block.padding), [margin, margin], [0, 0]])
            x = self._activate(conv1(x))
            if b in shares:
                factor = 2 ** (self.config.num_resolutions - b)
                rgb = _slice_rows(upscale(ops.tanh(self.to_rgbs[str(b)](x)), factor), block.seen) * shares[b]
                image = rgb if image is None else image + rgb
        return image

    @staticmethod
    def _activate(x: Tensor) -> Tensor:
        return pixel_norm(ops.leaky_relu(x, negative_slope=LEAKY_SLOPE))


class Beginnings:
    """Any number of a generator's first frames, computed by one graph.

    The number of rows that each layer computes is an input of the graph. A graph for each length would be no faster and
    would take half a second to compile. This needs the TensorFlow backend of Keras.
    """

    def __init__(self, generator: Generator, size: int):
        """
        Args:
          generator: frozen or not.
          size: length of the latents.
        """
        self.generator = generator
        self._draw = tf.function(
            self._of_rows,
            input_signature=[
                tf.TensorSpec([None, size], "float32"),
                tf.TensorSpec([None], "int32"),
                tf.TensorSpec([generator.num_blocks, len(BlockRows._fields)], "int32"),
            ],
            autograph=False,
        )

    def __call__(self, z: np.ndarray, labels: np.ndarray, frames: int) -> np.ndarray:
        """z [n, size], labels [n] -> [n, frames, bins, 2], as `Generator.call`."""
        stops = [[stop for _, stop in block] for block in self.generator.rows((0, frames))]
        return self._draw(z, labels, np.array(stops, np.int32)).numpy()

    def _of_rows(self, z: Tensor, labels: Tensor, stops: Tensor) -> Tensor:
        first = [[start for start, _ in block] for block in self.generator.rows((0, 1))]  # the same for any length
        rows = [
            BlockRows._make(zip(starts, tf.unstack(block), strict=True))
            for starts, block in zip(first, tf.unstack(stops), strict=True)
        ]
        return self.generator.draw(self.generator.first(z, labels), rows)


def _normalizer(config: Config, dtype: Any) -> tuple[Tensor, Tensor]:
    scale = ops.convert_to_tensor([config.mag_normalizer_a, config.p_normalizer_a], dtype)
    return scale, ops.convert_to_tensor([config.mag_normalizer_b, config.p_normalizer_b], dtype)


def normalize(data: Tensor, config: Config) -> Tensor:
    """`spectral.normalize` for tensors, differentiable. [..., 2] both."""
    scale, offset = _normalizer(config, data.dtype)
    return ops.clip(data * scale + offset, -1.0, 1.0)


def denormalize(images: Tensor, config: Config) -> Tensor:
    """`spectral.denormalize` for tensors, differentiable. [..., 2] both."""
    scale, offset = _normalizer(config, images.dtype)
    return (images - offset) / scale


class EqualizedDense(keras.layers.Layer):
    """Dense layer; its weights are stored near N(0, 1) and scaled by sqrt(1 / inputs) at run time."""

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: tuple) -> None:
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer=_first_values(), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        self.scale = OUTPUT_GAIN / math.sqrt(input_shape[-1])

    def call(self, x: Tensor) -> Tensor:
        return ops.matmul(x, self.kernel) * self.scale + self.bias


class Discriminator(keras.Model):
    """A spectrogram in data units -> a score of how real it looks, and logits of its pitch.

    It mirrors the generator: a block has two convolutions, each followed by leaky ReLU, and all blocks except the last
    (block 1) end by halving both axes. A 1x1 convolution (`from_rgb`) feeds the image to the newest block. There is no
    pixel normalisation; block 1 takes the standard deviation over the batch as one more channel.

    Source: SPEC section 9.
    """

    def __init__(
        self,
        config: Config,
        num_blocks: int | None = None,
        batch_mean: Callable[[Tensor], Tensor] | None = None,
        **kwargs: Any,
    ):
        """
        Args:
          config: the model's hyper-parameters.
          num_blocks: number of blocks; all of the config's by default.
          batch_mean: [batch, ...] -> [...], the mean over a batch that is spread over several devices; by default the
            batch is all on this one.
        """
        super().__init__(**kwargs)
        self.config = config
        self.num_blocks = config.num_resolutions if num_blocks is None else num_blocks
        self.batch_mean = batch_mean or _mean_here
        self.convs: list[tuple[EqualizedConv2D, EqualizedConv2D]] = []
        self.from_rgbs: list[EqualizedConv2D] = []
        kernel = (config.kernel_size, config.kernel_size)
        for b in range(1, self.num_blocks + 1):
            last = (config.start_height, config.start_width) if b == 1 else kernel
            conv0 = EqualizedConv2D(config.filters(b), kernel, name=f"block{b}_conv0")
            conv1 = EqualizedConv2D(config.filters(b - 1), last, name=f"block{b}_conv1")
            self.convs.append((conv0, conv1))
            self.from_rgbs.append(EqualizedConv2D(config.filters(b), (1, 1), name=f"block{b}_from_rgb"))
        self.logits = EqualizedDense(1, name="logits")
        self.classification_logits = EqualizedDense(NUM_PITCHES, name="classification_logits")
        self._build()

    def _build(self) -> None:
        for b, ((conv0, conv1), from_rgb) in enumerate(zip(self.convs, self.from_rgbs, strict=True), start=1):
            from_rgb.build((None, None, None, 2))
            channels = self.config.filters(b)
            conv0.build((None, None, None, channels + 1 if b == 1 else channels))
            conv1.build((None, None, None, channels))
        self.logits.build((None, self.config.filters(0)))
        self.classification_logits.build((None, self.config.filters(0)))
        self.built = True

    def named_weights(self) -> dict[str, keras.Variable]:
        """The variables by name: `block/layer/kind`, or `layer/kind` for the pitch classifier's head."""
        layers = {f"{b}/conv{i}": conv for b, pair in enumerate(self.convs, start=1) for i, conv in enumerate(pair)}
        layers |= {f"{b}/from_rgb": layer for b, layer in enumerate(self.from_rgbs, start=1)}
        layers |= {"1/logits": self.logits, "classification_logits": self.classification_logits}
        return {f"{n}/{kind}": getattr(layer, kind) for n, layer in layers.items() for kind in ("kernel", "bias")}

    def call(self, data: Tensor, fade: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
        """
        Args:
          data: [batch, frames, bins, 2] in data units, of full size at every training stage.
          fade: share of the block below the newest that comes directly from the image, as in `Generator.call`.

        Returns:
          Scores [batch], higher for spectrograms that look real, and logits of the pitches [batch, NUM_PITCHES].
        """
        features = self.features(data, fade)
        return self.logits(features)[:, 0], self.classification_logits(features)

    def features(self, data: Tensor, fade: Tensor | float = 0.0) -> Tensor:
        """The features from which both outputs are computed: [batch, filters(0)]."""
        image = normalize(data, self.config)
        x = self._look(image, self.num_blocks)
        for b in range(self.num_blocks, 1, -1):
            conv0, conv1 = self.convs[b - 1]
            x = downscale(self._activate(conv1(self._pad(self._activate(conv0(self._pad(x)))))))
            shares = newest_blocks(fade, self.num_blocks)
            if b - 1 in shares:  # only for the newest block
                x = shares[b - 1] * self._look(image, b - 1) + shares[b] * x
        conv0, conv1 = self.convs[0]
        x = self._activate(conv1(self._activate(conv0(self._pad(append_deviation(x, self.batch_mean))))))
        return ops.reshape(x, (-1, self.config.filters(0)))

    def _look(self, image: Tensor, block: int) -> Tensor:
        """The image, downscaled and passed through `from_rgb`, as a block's input."""
        small = downscale(image, 2 ** (self.config.num_resolutions - block))
        return self._activate(self.from_rgbs[block - 1](small))

    def _pad(self, x: Tensor) -> Tensor:
        margin = self.config.kernel_size // 2
        return ops.pad(x, [[0, 0], [margin, margin], [margin, margin], [0, 0]])

    @staticmethod
    def _activate(x: Tensor) -> Tensor:
        return ops.leaky_relu(x, negative_slope=LEAKY_SLOPE)


def _mean_here(x: Tensor) -> Tensor:
    return ops.mean(x, axis=0)


def append_deviation(x: Tensor, batch_mean: Callable[[Tensor], Tensor] = _mean_here) -> Tensor:
    """Append a constant channel: the standard deviation over the batch, averaged over all positions and channels.

    It reveals a batch of images that are all alike. x: [batch, time, frequency, channels]; batch_mean as for
    `Discriminator`. Source: Karras et al. 2018, section 3.
    """
    # As in the original (`tf.nn.moments`), no gradient flows through the mean. The gradient of the variance is the same
    # either way, but its own derivative, for the gradient penalty, is not; the published models were trained like this.
    mean = ops.stop_gradient(batch_mean(x))
    deviation = ops.mean(ops.sqrt(batch_mean(ops.square(x - mean)) + DEVIATION_EPSILON))
    return ops.concatenate([x, ops.broadcast_to(deviation, ops.shape(x)[:-1])[..., None]], axis=-1)
