"""The generator as an ONNX file, for plugins and pages: from a latent and a pitch to the spectrogram that it draws.

docs/onnx.md says what goes in, what comes out, and how sound is made of it.

Notebook: 10_take_home.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..errors import in_one_line
from ..files import as_path, replacing
from ..gansynth import spectral
from ..gansynth.config import MAX_PITCH, MIN_PITCH, NUM_PITCHES, Config
from .sampling import check_loaded

if TYPE_CHECKING:
    from ..gansynth import GANSynth
    from ..gansynth.networks import EqualizedConv2D, Generator

OPSET, IR_VERSION = 18, 9  # what onnxruntime 1.14 and onnxruntime-web can read, and all that came after
Z, PITCH, SPECTROGRAM = "z", "pitch", "spectrogram"  # the names of the inputs and of the output
WEIGHTS = ("float32", "float16")
BATCH = "n"  # the size that is open
ENDS = ((1, 0), (0, 1))  # a row of zeros before, and one after


@in_one_line
def onnx(model: GANSynth, path: str | os.PathLike, weights: str = "float32") -> Path:
    """Write a model's generator as an ONNX file, which a plugin or a page can run without this package.

    The inputs are "z", float32 [n, latent_vector_size], and "pitch", float32 [n, 61], one-hot from C1 (24) to C6 (84).
    The output is "spectrogram", float32 [n, 2, frames, bins]: what `GANSynth.generate_data` gives, with the two
    channels in front: log magnitude (on a mel axis: log power) and instantaneous frequency. n may be any number.

    Scales are multiplied into the kernels, and each doubling with the convolution after it is one transposed
    convolution. The file's `metadata_props` hold what is needed to make sound of the spectrogram, the model's name,
    fingerprint and licence, and the instruments that it brings along.

    Args:
      model: whose generator.
      path: of the file, such as "outputs/demo.onnx"; folders are made as needed.
      weights: "float16" makes a file of less than half the size, which computes with float32 all the same. Nothing is
        lost where the checkpoint has float16 weights, as the demo does; other weights are rounded.

    Returns:
      The path.

    Raises:
      ValueError: the path does not end in .onnx, or `weights` is something else.
      ImportError: the package onnx is not installed.

    Source: ONNX operators, opset 18; Engel et al. 2019; SPEC sections 2, 3 and 5.

    >>> from helpers import export, gansynth
    >>> path = export.onnx(gansynth.load("demo"), "outputs/demo.onnx", weights="float16")
    >>> path.stat().st_size // 1_000_000
    20

    Notebook: 10_take_home.
    """
    check_loaded(model)
    path = as_path(path)
    if path.suffix.lower() != ".onnx":
        raise ValueError(f"{path.name} must end in .onnx")
    if weights not in WEIGHTS:
        raise ValueError(f"weights is {weights!r}; it can be {' or '.join(map(repr, WEIGHTS))}")
    try:
        import onnx
    except ImportError:
        raise ImportError("export.onnx takes a package that is not installed: pip install onnx") from None
    config, helper = model.config, onnx.helper
    graph = _Graph(np.dtype(weights))
    _draw(graph, model.network)
    shapes: dict[str, list[str | int | None]] = {
        Z: [BATCH, config.latent_vector_size],
        PITCH: [BATCH, NUM_PITCHES],
        SPECTROGRAM: [BATCH, 2, config.frames, config.bins],
    }
    values = {
        name: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()
    }
    made = helper.make_model(
        helper.make_graph(graph.nodes, "generator", [values[Z], values[PITCH]], [values[SPECTROGRAM]], graph.constants),
        producer_name="gansynth-suite",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        doc_string="GANSynth: a latent and a pitch -> the spectrogram of a note; docs/onnx.md makes sound of it.",
    )
    helper.set_model_props(made, _texts(model))
    onnx.checker.check_model(made)
    with replacing(path) as partial:
        partial.write_bytes(made.SerializeToString())
    return path


class _Graph:
    """The nodes and constants of a graph in the making. Images are [n, channels, frames, bins]."""

    def __init__(self, stored: np.dtype):
        """
        Args:
          stored: the format of the weights in the file.
        """
        self.stored = stored
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node; what comes out of it."""
        from onnx import helper

        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        """A constant; equal ones are added once, by their name."""
        from onnx import numpy_helper

        if all(known.name != name for known in self.constants):
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name

    def weight(self, name: str, kernel: np.ndarray, scale: float, is_doubled: bool = False) -> str:
        """A kernel times its scale, float32, whatever the format of the weights in the file.

        Args:
          name: of the constant.
          kernel: as it is in a checkpoint. In the file it is multiplied by its scale already, but not where that has
            float16: there it is left to the program that reads it, so that nothing is rounded twice.
          scale: of the equalised learning rate.
          is_doubled: make it one more in height and width, as `networks.upscaling_kernel` does: each place is added to
            the next. The kernel is [in, out, height, width] then, and upside down.
        """
        if self.stored == np.float32:
            kernel = kernel * np.float32(scale)
            for axis in (2, 3) if is_doubled else ():
                before, after = (np.pad(kernel, [end if i == axis else (0, 0) for i in range(4)]) for end in ENDS)
                kernel = before + after
            return self.constant(name, kernel)
        weight = self.add("Cast", self.constant(name, kernel, self.stored), to=1)  # TensorProto.FLOAT
        weight = self.add("Mul", weight, self.constant(f"{name}/scale", scale))
        for axis in (2, 3) if is_doubled else ():
            padded = []
            for end in ENDS:
                pads = np.zeros((2, 4), np.int64)
                pads[:, axis] = end
                padded.append(self.add("Pad", weight, self.constant(f"pads_{axis}_{end[1]}", pads.ravel(), np.int64)))
            weight = self.add("Add", *padded)
        return weight

    def pixel_norm(self, x: str) -> str:
        from ..gansynth.networks import PIXEL_NORM_EPSILON  # and TensorFlow with it, which is there with a model

        axis, epsilon = self.constant("channels", [1], np.int64), self.constant("epsilon", PIXEL_NORM_EPSILON)
        power = self.add("ReduceMean", self.add("Mul", x, x), axis, keepdims=1)
        return self.add("Div", x, self.add("Sqrt", self.add("Add", power, epsilon)))

    def activate(self, x: str) -> str:
        from ..gansynth.networks import LEAKY_SLOPE

        return self.pixel_norm(self.add("LeakyRelu", x, alpha=LEAKY_SLOPE))


def _draw(graph: _Graph, network: Generator) -> None:
    """The generator, node by node, as `Generator.call` computes it."""
    config = network.config
    x = graph.pixel_norm(graph.add("Concat", Z, PITCH, axis=1))
    x = graph.activate(_first(graph, network.convs[0][0], x))
    image = ""
    for b, (conv0, conv1) in enumerate(network.convs, start=1):
        if b > 1:
            x = graph.activate(_doubled(graph, conv0, x))
        x = graph.activate(_convolved(graph, conv1, x))
        if share := network.block_weights[b - 1]:
            seen = graph.add("Tanh", _convolved(graph, network.to_rgbs[str(b)], x))
            factor = 2 ** (config.num_resolutions - b)
            if factor > 1:
                scales = graph.constant(f"times_{factor}", [1, 1, factor, factor])
                how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
                seen = graph.add("Resize", seen, "", scales, **how)
            if share != 1:
                seen = graph.add("Mul", seen, graph.constant(f"share_{b}", share))
            image = graph.add("Add", image, seen) if image else seen
    # From the network's -1 ... 1 to the units of the data.
    scale = np.reshape([config.mag_normalizer_a, config.p_normalizer_a], (2, 1, 1))
    offset = np.reshape([config.mag_normalizer_b, config.p_normalizer_b], (2, 1, 1))
    image = graph.add("Mul", image, graph.constant("normalizer_scale", 1 / scale))
    graph.add("Add", image, graph.constant("normalizer_offset", -offset / scale), output=SPECTROGRAM)


def _arrays(layer: EqualizedConv2D) -> tuple[np.ndarray, np.ndarray]:
    """A layer's kernel as a checkpoint has it, [height, width, in, out], and its bias."""
    return np.asarray(layer.kernel, np.float32), np.asarray(layer.bias, np.float32)


def _first(graph: _Graph, layer: EqualizedConv2D, x: str) -> str:
    """The first convolution, of a single pixel with zeros around it: a matrix product. [n, in] -> an image."""
    kernel, bias = _arrays(layer)
    height, width, channels, filters = kernel.shape
    matrix = kernel[::-1, ::-1].transpose(2, 3, 0, 1).reshape(channels, -1)  # the last place meets the pixel first
    weight = graph.weight(f"{layer.name}/kernel", matrix, layer.scale)
    x = graph.add("Gemm", x, weight, graph.constant(f"{layer.name}/bias", np.repeat(bias, height * width)))
    return graph.add("Reshape", x, graph.constant("first_shape", [-1, filters, height, width], np.int64))


def _convolved(graph: _Graph, layer: EqualizedConv2D, x: str) -> str:
    """A convolution with zero padding."""
    kernel, bias = _arrays(layer)
    weight = graph.weight(f"{layer.name}/kernel", kernel.transpose(3, 2, 0, 1), layer.scale)
    margin = kernel.shape[0] // 2
    return graph.add("Conv", x, weight, graph.constant(f"{layer.name}/bias", bias), pads=[margin] * 4)


def _doubled(graph: _Graph, layer: EqualizedConv2D, x: str) -> str:
    """Doubling both axes and a convolution with zero padding, as one transposed convolution (`upscaling_kernel`)."""
    kernel, bias = _arrays(layer)
    upside_down = kernel[::-1, ::-1].transpose(2, 3, 0, 1)
    weight = graph.weight(f"{layer.name}/kernel", upside_down, layer.scale, is_doubled=True)
    bias_name, margin = graph.constant(f"{layer.name}/bias", bias), kernel.shape[0] // 2
    return graph.add("ConvTranspose", x, weight, bias_name, strides=[2, 2], pads=[margin] * 4)


def has_short_weights(model: GANSynth) -> bool:
    """Whether a model's weights are float16 numbers, so that a file with such weights loses nothing."""
    kernels = [np.asarray(values) for name, values in model.network.named_weights().items() if name.endswith("kernel")]
    with np.errstate(over="ignore"):
        return all((kernel == kernel.astype(np.float16)).all() for kernel in kernels)


def facts(model: GANSynth) -> dict[str, Any]:
    """What a program must know besides the network; docs/onnx.md explains it."""
    config = model.config
    found: dict[str, Any] = {
        "name": model.name,
        "fingerprint": model.fingerprint,
        "license": model.about.get("license", ""),
        "sample_rate": config.sample_rate,
        "samples": config.audio_length,
        "lowest_pitch": MIN_PITCH,
        "highest_pitch": MAX_PITCH,
        "latents": model.about.get("prior", "standard normal"),
        "data_type": config.data_type,
        "frame_length": config.frame_length,
        "hop_length": config.hop_length,
        "front_padding": config.front_padding,
    }
    if config.data_type == "mel":
        found |= {"epsilon": spectral.EPSILON, "mel_to_linear": _sparse(config)}
    found["instruments"] = [
        {**{key: row.get(key) for key in ("name", "program", "family")}, "z": np.asarray(row["z"]).tolist()}
        for row in model.about.get("instruments", [])
    ]
    return found


def _texts(model: GANSynth) -> dict[str, str]:
    """The facts, a text each, lists as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts(model).items()}


def _sparse(config: Config) -> dict[str, list]:
    """The matrix from mel bands to linear bins, [bins, bins]: the places of its numbers, and the numbers."""
    matrix = spectral.mel_inverse_weights(config).tocoo()
    values = matrix.data.astype(np.float32).astype(str).astype(float)  # no longer than float32 needs
    return {"rows": matrix.row.tolist(), "columns": matrix.col.tolist(), "values": values.tolist()}
