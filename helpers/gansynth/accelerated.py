"""From latent to audio in one graph, for accelerators: only the finished samples return to the host.

The steps are those of `spectral.denormalize` and `spectral.data_to_waves`, which are faster on a CPU because they use a
sparse mel matrix. They sum phases in float64; here the matrix is dense, and phases are summed in float32.

Source: SPEC sections 5 and 6. Notebook: 04_generate.
"""

from __future__ import annotations

import math
from typing import Any

from . import spectral
from .backend import Tensor, keras, ops
from .config import OVERLAP, Config
from .networks import Generator, denormalize
from .windows import Rows

COARSE = 2.0**12  # phases are summed in steps of 1 / COARSE: exact in float32 up to 2^24 / COARSE half turns


def wrapped_sum(frequency: Tensor) -> Tensor:
    """Phase in half turns, wrapped to [-1, 1], from its advance per frame; both float32 [batch, frames, bins].

    A plain sum over 128 frames loses four digits. The coarse part of each advance is a multiple of 1 / COARSE, so it is
    summed and wrapped exactly; the sum of the remainders stays small.
    """
    coarse = ops.round(frequency * COARSE) / COARSE
    turns = ops.cumsum(coarse, axis=1)
    rest = ops.cumsum(frequency - coarse, axis=1)
    return turns - 2 * ops.round(turns / 2) + rest


class InverseTransform(keras.layers.Layer):
    """The generator's normalised output, [batch, n, bins, 2] -> float32 audio, [batch, samples covered by n frames]."""

    def __init__(self, config: Config, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.matrix = None
        if config.data_type == "mel":
            self.matrix = ops.convert_to_tensor(spectral.mel_inverse_weights(config).toarray(), "float32")
        self.window = ops.convert_to_tensor(spectral.synthesis_window(config), "float32")

    def call(self, x: Tensor) -> Tensor:
        config = self.config
        data = denormalize(x, config)
        magnitude, frequency = ops.exp(data[..., 0]), data[..., 1]
        if self.matrix is not None:
            magnitude = ops.sqrt(ops.matmul(magnitude, self.matrix) + spectral.EPSILON)
            frequency = ops.matmul(frequency, self.matrix)  # before the sum: sums of phases would need more digits
        phase = wrapped_sum(frequency) * math.pi
        no_dc = [[0, 0], [0, 0], [1, 0]]
        real, imaginary = ops.pad(magnitude * ops.cos(phase), no_dc), ops.pad(magnitude * ops.sin(phase), no_dc)
        pieces = ops.irfft((real, imaginary), config.frame_length) * self.window
        frames, hop = x.shape[1], config.hop_length
        pieces = ops.reshape(pieces, (-1, frames, OVERLAP, hop))
        shifted = [ops.pad(pieces[:, :, part], [[0, 0], [part, OVERLAP - 1 - part], [0, 0]]) for part in range(OVERLAP)]
        return ops.reshape(sum(shifted), (-1, (frames + OVERLAP - 1) * hop))[:, config.front_padding :]


class CompiledModel(keras.Model):
    """A generator followed by the inverse transform: [z, labels] -> the audio that the first frames cover."""

    def __init__(self, generator: Generator, frames: Rows, **kwargs: Any):
        super().__init__(**kwargs)
        self.generator, self.frames = generator, frames
        self.inverse = InverseTransform(generator.config)

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        return self.inverse(self.generator.call(*inputs, frames=self.frames))
