"""The generator as an ONNX file, for plugins and web pages: from a latent and a pitch to a spectrogram.

docs/onnx.md describes its inputs and output, and how to turn the output into sound.

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
from ..gansynth import graph, spectral
from ..gansynth.config import MAX_PITCH, MIN_PITCH, Config
from .sampling import check_loaded

if TYPE_CHECKING:
    from ..gansynth import GANSynth

WEIGHTS = ("float32", "float16")


@in_one_line
def onnx(model: GANSynth, path: str | os.PathLike, weights: str = "float32") -> Path:
    """Write a model's generator as an ONNX file, which a plugin or a web page can run without this package.

    The inputs are "z", float32 [n, latent_vector_size], and "pitch", float32 [n, 61], one-hot from C1 (24) to C6 (84).
    The output is "spectrogram", float32 [n, 2, frames, bins]: the output of `GANSynth.generate_data` with the channels
    first: log magnitude (on a mel axis: log power) and instantaneous frequency. n may be any number.

    Scales are multiplied into the kernels, and each upsampling by two is merged with the convolution after it into one
    transposed convolution. The file's `metadata_props` hold the parameters for turning the spectrogram into sound, the
    model's name, fingerprint and licence, and its named instruments.

    Args:
      model: the model whose generator is exported.
      path: path of the file, such as "outputs/demo.onnx"; missing folders are created.
      weights: "float16" makes the file less than half as large; it still computes in float32. This is lossless if the
        checkpoint has float16 weights, as the demo does; other weights are rounded.

    Returns:
      The path.

    Raises:
      ValueError: the path does not end in .onnx, or `weights` has another value.
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
        raise ValueError(f"weights is {weights!r}; it must be {' or '.join(map(repr, WEIGHTS))}")
    try:
        import onnx
    except ImportError:
        raise ImportError("export.onnx needs a package that is not installed: pip install onnx") from None
    network = model.network
    made = graph.model_of(
        model.config,
        network.block_weights,
        {name: np.asarray(values, np.float32) for name, values in network.named_weights().items()},
        weights,
        producer_name="gansynth-suite",
        producer_version=__version__,
        doc_string="GANSynth: a latent and a pitch -> the spectrogram of a note; docs/onnx.md turns it into sound.",
    )
    onnx.helper.set_model_props(made, _texts(model))
    onnx.checker.check_model(made)
    with replacing(path) as partial:
        partial.write_bytes(made.SerializeToString())
    return path


def has_short_weights(model: GANSynth) -> bool:
    """Whether all kernels of a model are exact in float16, so that a file with float16 weights is lossless."""
    kernels = [np.asarray(values) for name, values in model.network.named_weights().items() if name.endswith("kernel")]
    with np.errstate(over="ignore"):
        return all((kernel == kernel.astype(np.float16)).all() for kernel in kernels)


def facts(model: GANSynth) -> dict[str, Any]:
    """The parameters that a program needs besides the network; docs/onnx.md explains them."""
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
    """The facts as strings; everything but strings as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts(model).items()}


def _sparse(config: Config) -> dict[str, list]:
    """The matrix from mel bands to linear bins, [bins, bins], in coordinate format."""
    matrix = spectral.mel_inverse_weights(config).tocoo()
    values = matrix.data.astype(np.float32).astype(str).astype(float)  # shortest decimals of a float32
    return {"rows": matrix.row.tolist(), "columns": matrix.col.tolist(), "values": values.tolist()}
