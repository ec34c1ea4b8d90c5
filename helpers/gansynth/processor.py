"""Choose the precision that suits the processor: bfloat16 pays off only where it is supported in hardware.

Notebook: 04_generate.
"""

from __future__ import annotations

import os
from pathlib import Path

from .cache import TENSORFLOW

AUTO = "auto"  # the choice of `best_precision`, wherever a precision can be given
# Instruction sets that multiply in bfloat16, by their Linux names. Without either, a note takes nine times as long.
MULTIPLY = ("amx_bf16", "avx512_bf16")
CPU_INFO = Path("/proc/cpuinfo")
MAX_BYTES = 1 << 20  # read of that file; the first processor's flags are in its first lines
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"  # environment variable that can switch off oneDNN, TensorFlow's bfloat16 convolutions


def flags() -> frozenset[str]:
    """The processor's feature flags, as Linux lists them; empty on systems that do not list them."""
    try:
        with open(CPU_INFO, encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_BYTES).splitlines()
    except OSError:
        return frozenset()
    return next((frozenset(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), frozenset())


def best_precision(backend: str = TENSORFLOW) -> tuple[str, str]:
    """The fastest precision without an audible loss, and the reason for the choice.

    Args:
      backend: "tensorflow" or "onnx".

    Returns:
      "bfloat16" if the processor multiplies in it, oneDNN is not switched off and there is no GPU; else "float32". And
      the reason, a clause without a full stop.

    >>> from helpers.gansynth import processor
    >>> precision, why = processor.best_precision("onnx")
    >>> precision
    'float32'

    Notebook: 04_generate.
    """
    if backend != TENSORFLOW:
        return "float32", f"the backend {backend} supports no other"
    known = flags()
    if not known:
        return "float32", "this system does not list its processor's features"
    found = next((name for name in MULTIPLY if name in known), None)
    if found is None:
        return "float32", f"the processor does not multiply in bfloat16 (it has neither {' nor '.join(MULTIPLY)})"
    if os.environ.get(ONEDNN) == "0":
        return "float32", f"the processor has {found}, but {ONEDNN}=0 keeps TensorFlow from using it"
    if _has_gpu():
        return "float32", "a GPU is used, which may not support bfloat16"
    return "bfloat16", f"the processor supports it ({found})"


def _has_gpu() -> bool:
    from .backend import keras

    return bool(keras.distribution.list_devices("gpu"))
