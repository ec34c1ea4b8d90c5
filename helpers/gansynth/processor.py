"""Which precision suits the processor: bfloat16 pays where it is multiplied in, and nowhere else.

Notebook: 04_generate.
"""

from __future__ import annotations

import os
from pathlib import Path

from .cache import TENSORFLOW

AUTO = "auto"  # in place of a precision
# Instructions that multiply in bfloat16, as Linux names them. Without one of them a note takes nine times as long.
MULTIPLY = ("amx_bf16", "avx512_bf16")
CPU_INFO = Path("/proc/cpuinfo")
MAX_BYTES = 1 << 20  # of that file that are looked at; the first processor's flags are in its first lines
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"  # the variable by which TensorFlow's convolutions of this kind are switched off


def flags() -> frozenset[str]:
    """What the processor can do, in Linux' words; none where the system does not say."""
    try:
        with open(CPU_INFO, encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_BYTES).splitlines()
    except OSError:
        return frozenset()
    return next((frozenset(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), frozenset())


def best_precision(backend: str = TENSORFLOW) -> tuple[str, str]:
    """The quickest precision that can be had without a loss that is heard, and why it is that.

    Args:
      backend: what computes.

    Returns:
      "bfloat16" where the processor multiplies in it, TensorFlow is allowed to, and no GPU computes instead; else
      "float32". And a sentence without its full stop.

    >>> from helpers.gansynth import processor
    >>> precision, why = processor.best_precision("onnx")
    >>> precision
    'float32'

    Notebook: 04_generate.
    """
    if backend != TENSORFLOW:
        return "float32", f"the backend {backend} computes in nothing else"
    known = flags()
    if not known:
        return "float32", "this system does not say what its processor can do"
    found = next((name for name in MULTIPLY if name in known), None)
    if found is None:
        return "float32", f"the processor does not multiply in bfloat16 (it has neither {' nor '.join(MULTIPLY)})"
    if os.environ.get(ONEDNN) == "0":
        return "float32", f"the processor has {found}, but {ONEDNN}=0 keeps TensorFlow from it"
    if _has_gpu():
        return "float32", "a GPU computes, which may not multiply in bfloat16"
    return "bfloat16", f"the processor multiplies in it ({found})"


def _has_gpu() -> bool:
    from .backend import keras

    return bool(keras.distribution.list_devices("gpu"))
