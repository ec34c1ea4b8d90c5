"""The generator as a graph of ONNX operators, equivalent to `networks.Generator` node by node.

`export.onnx` writes the graph for whole notes to a file; `onnx_player` runs the one for any number of time frames.

This module needs the package onnx (the extra `onnx`), imported when a graph is built, but not TensorFlow.

Source: ONNX operators, opset 18; Engel et al. 2019; SPEC sections 2, 3 and 5. Notebook: 10_take_home.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .config import HIDDEN_GAIN, LEAKY_SLOPE, NUM_PITCHES, OUTPUT_GAIN, PIXEL_NORM_EPSILON, Config

OPSET, IR_VERSION = 18, 9  # readable by onnxruntime 1.14 and onnxruntime-web, and by later versions
Z, PITCH, SPECTROGRAM = "z", "pitch", "spectrogram"  # names of the inputs and of the output
ADDED, FRAMES = "added", "frames"  # further inputs of a model of the first frames ...
MIDDLE, ROWS = "middle_{}", "rows_{}"  # ... and for each block, the number of rows of its first and second convolution
BATCH = "n"  # name of the variable dimension
ENDS = ((1, 0), (0, 1))  # padding by one zero before, and by one after


def model_of(
    config: Config,
    shares: Sequence[float],
    weights: Mapping[str, np.ndarray],
    stored: str = "float32",
    **described: Any,
) -> Any:
    """The whole generator as an `onnx.ModelProto`. Images are [n, channels, frames, bins].

    Args:
      config: the model's hyper-parameters.
      shares: weight of each block's image in the output (`config.block_weights`).
      weights: "block/layer/kind" -> array, as in `checkpoint.Checkpoint`.
      stored: format of the weights: "float32", or "float16" for half the size. Computation is in float32 either way.
      **described: further fields of the model: `producer_name`, `doc_string`, ….

    Raises:
      ImportError: the package onnx is not installed.
    """
    graph = _Graph(np.dtype(stored))
    _draw(graph, config, shares, weights)
    return _made(graph, config, {}, config.frames, described)


def window_model(
    config: Config, shares: Sequence[float], weights: Mapping[str, np.ndarray]
) -> tuple[Any, dict[str, np.ndarray]]:
    """The generator for the first frames of notes, as an `onnx.ModelProto` without its weights, and the weights.

    In addition to the two inputs of `model_of`, the model takes "added", [n, filters, height, width], which is added to
    the first layer's activations, and numbers of rows, int64 [1] each (`windows.rows_needed`): "rows_2" for block 2's
    image, "middle_2" between its two convolutions, and so on, and "frames" for the output.

    Returns:
      The model, and the weights by the names that it uses for them.
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
    """A graph under construction.

    Attributes:
      nodes, constants: those added so far.
      outside: weights stored outside the graph, by name; only for a window.
      sizes: names of the inputs that give numbers of rows.
    """

    def __init__(self, stored: np.dtype, is_window: bool = False):
        """
        Args:
          stored: format of the weights in the graph.
          is_window: compute only the first rows of each image.
        """
        self.stored, self.is_window = stored, is_window
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.outside: dict[str, np.ndarray] = {}
        self.sizes: list[str] = []

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        """Add a constant, unless there is one of this name, and return its name."""
        from onnx import numpy_helper

        if all(known.name != name for known in self.constants):
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name

    def weight(self, name: str, kernel: np.ndarray, scale: float, is_doubled: bool = False) -> str:
        """A kernel times its scale: the name of a float32 value, whatever the format of the weights in the graph.

        A float32 kernel is stored multiplied by its scale. A float16 kernel is stored as it is and multiplied in the
        graph, so that nothing is rounded twice.

        Args:
          name: name of the constant.
          kernel: the kernel from a checkpoint.
          scale: the scale of the equalised learning rate.
          is_doubled: enlarge it by one in height and width, adding each position to the next as
            `networks.upscaling_kernel` does. The kernel is then [in, out, height, width], flipped along both axes.
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
        """Add a constant to the graph by name and shape only; its values are kept in `outside`."""
        from onnx import TensorProto

        self.outside[name] = np.ascontiguousarray(values, np.float32)
        tensor = TensorProto(
            name=name, data_type=TensorProto.FLOAT, dims=values.shape, data_location=TensorProto.EXTERNAL
        )
        tensor.external_data.add(key="location", value=name)
        self.constants.append(tensor)
        return name

    def first_rows(self, x: str, size: str) -> str:
        """The first rows of an image in a window, their number given by the input `size`; else the whole image."""
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
    """Add the generator to the graph, node by node, as in `Generator.call`.

    In a window, each convolution also pads its image with zeros at the end, where the whole image would continue. That
    spoils the last rows, which are computed in addition to those needed and are cut off.
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
    """The scale of the equalised learning rate for a kernel [height, width, in, out]."""
    return gain / math.sqrt(math.prod(kernel.shape[:-1]))


def _first(graph: _Graph, layer: str, weights: Mapping[str, np.ndarray], x: str) -> str:
    """The first convolution, of a single zero-padded pixel, as a matrix product: [n, in] -> an image."""
    kernel, bias = weights[f"{layer}/kernel"], weights[f"{layer}/bias"]
    height, width, channels, filters = kernel.shape
    matrix = kernel[::-1, ::-1].transpose(2, 3, 0, 1).reshape(channels, -1)  # the kernel's last entry meets it first
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
