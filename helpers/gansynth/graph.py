"""The generator as a graph of ONNX operators, node by node as `networks.Generator` computes it.

`export.onnx` writes it to a file, whole; `onnx_player` runs it, for as many time frames as are wanted.

Needs the package onnx (the extra `onnx`), which is imported when a graph is made, and not TensorFlow.

Source: ONNX operators, opset 18; Engel et al. 2019; SPEC sections 2, 3 and 5. Notebook: 10_take_home.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .config import HIDDEN_GAIN, LEAKY_SLOPE, NUM_PITCHES, OUTPUT_GAIN, PIXEL_NORM_EPSILON, Config

OPSET, IR_VERSION = 18, 9  # what onnxruntime 1.14 and onnxruntime-web can read, and all that came after
Z, PITCH, SPECTROGRAM = "z", "pitch", "spectrogram"  # the names of the inputs and of the output
ADDED, FRAMES = "added", "frames"  # further inputs, where only some frames are computed ...
MIDDLE, ROWS = "middle_{}", "rows_{}"  # ... and for each block, how many rows of its first and its second convolution
BATCH = "n"  # the size that is open
ENDS = ((1, 0), (0, 1))  # a row of zeros before, and one after


def model_of(
    config: Config,
    shares: Sequence[float],
    weights: Mapping[str, np.ndarray],
    stored: str = "float32",
    **described: Any,
) -> Any:
    """The whole generator as an `onnx.ModelProto`. Images are [n, channels, frames, bins].

    Args:
      config: of the model.
      shares: of each block in the image (`config.block_weights`).
      weights: "block/layer/kind" -> array, as in `checkpoint.Checkpoint`.
      stored: "float32", or "float16" for weights of half the size, with which float32 is computed all the same.
      **described: what else is said of the model: `producer_name`, `doc_string`, ….

    Raises:
      ImportError: the package onnx is not installed.
    """
    graph = _Graph(np.dtype(stored))
    _draw(graph, config, shares, weights)
    return _made(graph, config, {}, config.frames, described)


def window_model(
    config: Config, shares: Sequence[float], weights: Mapping[str, np.ndarray]
) -> tuple[Any, dict[str, np.ndarray]]:
    """The generator for the first frames of notes, as an `onnx.ModelProto` without its weights, and those.

    What `model_of` makes has two inputs. This one has some more: "added", what is added to the first layer's
    activations, [n, filters, height, width]; and numbers of rows, int64 [1] each (`windows.rows_needed`): "rows_2" of
    block 2's image, "middle_2" between its two convolutions, and so on, and "frames".

    Returns:
      The model, and the weights by the names that it has for them.
    """
    graph = _Graph(np.dtype(np.float32), is_window=True)
    _draw(graph, config, shares, weights)
    inputs: dict[str, tuple[Any, list]] = {
        ADDED: (np.float32, [BATCH, config.filters(1), config.start_height, config.start_width]),
        **{name: (np.int64, [1]) for name in graph.sizes},
    }
    return _made(graph, config, inputs, FRAMES, {}), graph.outside


def _made(graph: _Graph, config: Config, inputs: Mapping[str, tuple], frames: int | str, described: Any) -> Any:
    import onnx
    from onnx import helper

    known = {Z: (np.float32, [BATCH, config.latent_vector_size]), PITCH: (np.float32, [BATCH, NUM_PITCHES]), **inputs}
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)
        for name, (kind, shape) in known.items()
    ]
    drawn = helper.make_tensor_value_info(SPECTROGRAM, onnx.TensorProto.FLOAT, [BATCH, 2, frames, config.bins])
    return helper.make_model(
        helper.make_graph(graph.nodes, "generator", infos, [drawn], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        **described,
    )


class _Graph:
    """The nodes and constants of a graph in the making.

    Attributes:
      nodes, constants: so far.
      outside: weights that are not among the constants, by name: those of a window.
      sizes: names of the inputs that say how many rows are wanted.
    """

    def __init__(self, stored: np.dtype, is_window: bool = False):
        """
        Args:
          stored: the format of the weights in the graph.
          is_window: only the first rows of each image are computed.
        """
        self.stored, self.is_window = stored, is_window
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.outside: dict[str, np.ndarray] = {}
        self.sizes: list[str] = []

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
        """A kernel times its scale, float32, whatever the format of the weights in the graph.

        Args:
          name: of the constant.
          kernel: as it is in a checkpoint. In the graph it is multiplied by its scale already, but not where that has
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
            return self._outside(name, kernel) if self.is_window else self.constant(name, kernel)
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

    def _outside(self, name: str, values: np.ndarray) -> str:
        """A constant that the graph has by its name and shape alone."""
        from onnx import TensorProto

        self.outside[name] = np.ascontiguousarray(values, np.float32)
        tensor = TensorProto(
            name=name, data_type=TensorProto.FLOAT, dims=values.shape, data_location=TensorProto.EXTERNAL
        )
        tensor.external_data.add(key="location", value=name)
        self.constants.append(tensor)
        return name

    def first_rows(self, x: str, size: str) -> str:
        """As many rows of an image as the input `size` says, of a window; else all."""
        if not self.is_window:
            return x
        if size not in self.sizes:
            self.sizes.append(size)
        begin, axis = self.constant("from_0", [0], np.int64), self.constant("time", [2], np.int64)
        return self.add("Slice", x, begin, size, axis)

    def pixel_norm(self, x: str) -> str:
        axis, epsilon = self.constant("channels", [1], np.int64), self.constant("epsilon", PIXEL_NORM_EPSILON)
        power = self.add("ReduceMean", self.add("Mul", x, x), axis, keepdims=1)
        return self.add("Div", x, self.add("Sqrt", self.add("Add", power, epsilon)))

    def activate(self, x: str) -> str:
        return self.pixel_norm(self.add("LeakyRelu", x, alpha=LEAKY_SLOPE))


def _draw(graph: _Graph, config: Config, shares: Sequence[float], weights: Mapping[str, np.ndarray]) -> None:
    """The generator, node by node, as `Generator.call` computes it.

    In a window each convolution pads its image with zeros below, too, where there is more of it. That spoils the last
    rows, which are one more than are wanted and are cut away.
    """
    x = graph.pixel_norm(graph.add("Concat", Z, PITCH, axis=1))
    x = _first(graph, "1/conv0", weights, x)
    if graph.is_window:
        x = graph.add("Add", x, ADDED)
    x = graph.activate(x)
    image = ""
    for b, share in enumerate(shares, start=1):
        if b > 1:
            x = graph.activate(graph.first_rows(_doubled(graph, f"{b}/conv0", weights, x), MIDDLE.format(b)))
        x = graph.activate(graph.first_rows(_convolved(graph, f"{b}/conv1", weights, x), ROWS.format(b)))
        if share:
            seen = graph.add("Tanh", _convolved(graph, f"{b}/to_rgb", weights, x, OUTPUT_GAIN))
            factor = 2 ** (config.num_resolutions - b)
            if factor > 1:
                scales = graph.constant(f"times_{factor}", [1, 1, factor, factor])
                how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
                seen = graph.add("Resize", seen, "", scales, **how)
            seen = graph.first_rows(seen, FRAMES)
            if share != 1:
                seen = graph.add("Mul", seen, graph.constant(f"share_{b}", share))
            image = graph.add("Add", image, seen) if image else seen
    # From the network's -1 ... 1 to the units of the data.
    scale = np.reshape([config.mag_normalizer_a, config.p_normalizer_a], (2, 1, 1))
    offset = np.reshape([config.mag_normalizer_b, config.p_normalizer_b], (2, 1, 1))
    image = graph.add("Mul", image, graph.constant("normalizer_scale", 1 / scale))
    graph.add("Add", image, graph.constant("normalizer_offset", -offset / scale), output=SPECTROGRAM)


def _scale(kernel: np.ndarray, gain: float) -> float:
    """Of the equalised learning rate, for a kernel [height, width, in, out]."""
    return gain / math.sqrt(math.prod(kernel.shape[:-1]))


def _first(graph: _Graph, layer: str, weights: Mapping[str, np.ndarray], x: str) -> str:
    """The first convolution, of a single pixel with zeros around it: a matrix product. [n, in] -> an image."""
    kernel, bias = weights[f"{layer}/kernel"], weights[f"{layer}/bias"]
    height, width, channels, filters = kernel.shape
    matrix = kernel[::-1, ::-1].transpose(2, 3, 0, 1).reshape(channels, -1)  # the last place meets the pixel first
    weight = graph.weight(f"{layer}/kernel", matrix, _scale(kernel, HIDDEN_GAIN))
    x = graph.add("Gemm", x, weight, graph.constant(f"{layer}/bias", np.repeat(bias, height * width)))
    return graph.add("Reshape", x, graph.constant("first_shape", [-1, filters, height, width], np.int64))


def _convolved(graph: _Graph, layer: str, weights: Mapping[str, np.ndarray], x: str, gain: float = HIDDEN_GAIN) -> str:
    """A convolution with zero padding."""
    kernel = weights[f"{layer}/kernel"]
    weight = graph.weight(f"{layer}/kernel", kernel.transpose(3, 2, 0, 1), _scale(kernel, gain))
    margin = kernel.shape[0] // 2
    bias = graph.constant(f"{layer}/bias", weights[f"{layer}/bias"])
    return graph.add("Conv", x, weight, bias, pads=[margin] * 4)


def _doubled(graph: _Graph, layer: str, weights: Mapping[str, np.ndarray], x: str) -> str:
    """Doubling both axes and a convolution with zero padding, as one transposed convolution (`upscaling_kernel`)."""
    kernel = weights[f"{layer}/kernel"]
    upside_down = kernel[::-1, ::-1].transpose(2, 3, 0, 1)
    weight = graph.weight(f"{layer}/kernel", upside_down, _scale(kernel, HIDDEN_GAIN), is_doubled=True)
    bias, margin = graph.constant(f"{layer}/bias", weights[f"{layer}/bias"]), kernel.shape[0] // 2
    return graph.add("ConvTranspose", x, weight, bias, strides=[2, 2], pads=[margin] * 4)
