"""Keras and TensorFlow, imported without the lines that TensorFlow's C++ code prints to standard error.

    from .backend import keras, tf

TensorFlow reads its log level once, while it is imported, and some of its libraries write before that: on a machine
without a GPU, that there is none, several times. So the level is set for the import alone, and what is written
nevertheless is kept back. If the import fails, it is shown after all. `TF_CPP_MIN_LOG_LEVEL=0` in the environment shows
everything.

TensorFlow's convolutions by oneDNN are switched on for processors with AVX2 alone, where TensorFlow leaves them off: a
note takes 55 % of the time (docs/benchmarks.md). `TF_ENABLE_ONEDNN_OPTS=0` in the environment has Eigen's back.

Keras is not shown the packages that it would import for its own plots and wrappers alone, unless they are there
already: that is a quarter of the whole import. `keras.visualization` and `keras.wrappers` then say that they are not
installed; who needs them imports Keras first.
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
ONEDNN, ENABLED = "TF_ENABLE_ONEDNN_OPTS", "1"  # read once too
UNUSED = ("IPython", "matplotlib", "sklearn")  # of what Keras imports if it is installed
STDERR = 2  # the file descriptor; C++ code knows nothing of sys.stderr


@contextlib.contextmanager
def unless_chosen(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for this block, unless the user has; the environment is left as it was."""
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
    """Import TensorFlow in this block: it stays quiet, then and later, unless the import fails.

    Args:
      level: of TensorFlow's log, where the environment does not set one; the environment is left as it was.
    """
    if os.environ.get(LOG_LEVEL) == EVERYTHING:
        yield
        return
    with unless_chosen(LOG_LEVEL, level), _held_back():
        yield


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Keep back what is written to the process's standard error in this block; after an exception it is written."""
    with tempfile.TemporaryFile() as kept, contextlib.ExitStack() as stack:
        _flush()
        try:
            original = os.dup(STDERR)
        except OSError:  # there is none: a program without a console
            yield
            return
        stack.callback(os.close, original)
        os.dup2(kept.fileno(), STDERR)
        try:
            yield
        except BaseException:
            stack.callback(_write, kept)  # called last
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
    """Finds no package: this thread's imports of the `UNUSED` fail as if they were not installed."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname.partition(".")[0] in UNUSED and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{fullname} is hidden while Keras is imported", name=fullname)


@contextlib.contextmanager
def unused_hidden() -> Iterator[None]:
    """Import Keras in this block without the packages that it could do without."""
    finder = _Hidden()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _is_news(record: logging.LogRecord) -> bool:
    """Drops the warning that graphs are compiled again: one for each length, or stage of a training, is intended."""
    return "triggered tf.function retracing" not in record.getMessage()


with quiet(), unless_chosen(ONEDNN, ENABLED), unused_hidden():
    import keras
    import tensorflow as tf
    from keras import ops

logging.getLogger("tensorflow").addFilter(_is_news)
if chosen_threads() is not None:
    try:
        tf.config.threading.set_intra_op_parallelism_threads(chosen_threads())
    except RuntimeError:  # somebody has imported TensorFlow since, and computed
        warnings.warn(
            f"TensorFlow has computed with {threads()} threads already, and goes on with them, instead of the "
            f"{chosen_threads()} of use_threads",
            stacklevel=2,
        )

Tensor: TypeAlias = Any  # of the backend that Keras uses; neither Keras nor TensorFlow has types

__all__ = ["Tensor", "keras", "ops", "quiet", "tf", "unfused"]


@contextlib.contextmanager
def unfused() -> Iterator[None]:
    """Call graphs with gradients in this block, without the optimizer that fuses convolutions with their activations.

    With oneDNN, TensorFlow 2.20 fuses them although the gradient needs what lies between. It then finds its graph
    broken, reports "remapper failed", and leaves the graph as it was: nothing is lost without it.
    """
    before = tf.config.optimizer.get_experimental_options().get("remapping", True)
    tf.config.optimizer.set_experimental_options({"remapping": False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"remapping": before})
