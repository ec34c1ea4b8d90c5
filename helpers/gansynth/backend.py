"""Import Keras and TensorFlow without the log lines that TensorFlow's C++ code prints to standard error.

    from .backend import keras, tf

TensorFlow reads its log level once, during the import, and some of its libraries write before that: on a machine
without a GPU they report several times that there is none. So the level is set for the import only, and anything
written to standard error meanwhile is held back, and shown only if the import fails. With `TF_CPP_MIN_LOG_LEVEL=0` in
the environment, everything is shown.

oneDNN's convolutions are also switched on for processors with AVX2 but without AVX512, for which TensorFlow leaves them
off: a note then takes 55 % of the time (docs/benchmarks.md). `TF_ENABLE_ONEDNN_OPTS=0` in the environment restores
Eigen's convolutions.

Packages that Keras imports only for its plots and wrappers are hidden from it unless they are already imported; they
take a quarter of the whole import time. `keras.visualization` and `keras.wrappers` then report them as not installed;
to use those modules, import Keras first.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from typing import Any, BinaryIO, TypeAlias

from .threads import chosen_threads, threads

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
EVERYTHING, FATAL_ONLY = "0", "3"
ONEDNN, ENABLED = "TF_ENABLE_ONEDNN_OPTS", "1"  # this is read only once, too
UNUSED = ("IPython", "matplotlib", "sklearn")  # optional packages that Keras imports if they are installed
STDERR = 2  # the file descriptor; C++ code does not write to sys.stderr


@contextlib.contextmanager
def unless_chosen(name: str, value: str) -> Iterator[None]:
    """Set an environment variable inside the block, unless the user has set it; restore the environment afterwards."""
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


@contextlib.contextmanager
def quiet(level: str = FATAL_ONLY) -> Iterator[None]:
    """Context for importing TensorFlow: nothing is logged, then or later, unless the import fails.

    Args:
      level: TensorFlow's log level, unless the environment sets one; the environment is restored afterwards.
    """
    if os.environ.get(LOG_LEVEL) == EVERYTHING:
        yield
        return
    with unless_chosen(LOG_LEVEL, level), _held_back():
        yield


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Hold back what the process writes to standard error inside the block; it is written only after an exception."""
    with tempfile.TemporaryFile() as kept, contextlib.ExitStack() as stack:
        _flush()
        try:
            original = os.dup(STDERR)
        except OSError:  # no standard error: a program without a console
            yield
            return
        stack.callback(os.close, original)
        os.dup2(kept.fileno(), STDERR)
        try:
            yield
        except BaseException:
            stack.callback(_write, kept)  # runs once standard error is restored
            raise
        finally:
            _flush()
            os.dup2(original, STDERR)


def _write(kept: BinaryIO) -> None:
    kept.seek(0)
    os.write(STDERR, kept.read())


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


class _Hidden(MetaPathFinder):
    """An import finder that makes this thread's imports of the packages in `UNUSED` fail as if not installed."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname.partition(".")[0] in UNUSED and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{fullname} is hidden while Keras is imported", name=fullname)


@contextlib.contextmanager
def unused_hidden() -> Iterator[None]:
    """Context for importing Keras without the optional packages in `UNUSED`."""
    finder = _Hidden()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _is_news(record: logging.LogRecord) -> bool:
    """False for the warning about retracing: one graph for each length, or for each training stage, is intended."""
    return "triggered tf.function retracing" not in record.getMessage()


with quiet(), unless_chosen(ONEDNN, ENABLED), unused_hidden():
    import keras
    import tensorflow as tf
    from keras import ops

logging.getLogger("tensorflow").addFilter(_is_news)
if chosen_threads() is not None:
    try:
        tf.config.threading.set_intra_op_parallelism_threads(chosen_threads())
    except RuntimeError:  # TensorFlow was imported elsewhere and has already started its threads
        warnings.warn(
            f"TensorFlow has already started {threads()} threads and keeps using them, not the {chosen_threads()} set "
            "by use_threads",
            stacklevel=2,
        )

Tensor: TypeAlias = Any  # a tensor of Keras's backend; neither Keras nor TensorFlow ships type hints

__all__ = ["Tensor", "keras", "ops", "quiet", "tf", "unfused"]


@contextlib.contextmanager
def unfused() -> Iterator[None]:
    """Switch off, inside the block, the graph optimizer that fuses convolutions with their activations.

    It is for graphs with gradients. With oneDNN, TensorFlow 2.20 fuses the two although the gradient needs the value
    between them. It then finds the graph broken, reports "remapper failed", and keeps the original graph, so switching
    the optimizer off costs nothing.
    """
    before = tf.config.optimizer.get_experimental_options().get("remapping", True)
    tf.config.optimizer.set_experimental_options({"remapping": False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"remapping": before})
