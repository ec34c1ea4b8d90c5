"""Import librosa in one process at a time.

    librosa = compiled.librosa()

Numba compiles a dozen of librosa's functions when they are first imported in a new environment, which takes half a
minute, and caches them next to librosa. Two processes that do this simultaneously can corrupt the cache permanently, so
that every later process crashes when it calls one of them (https://github.com/numba/numba/issues/10128). Opening two
notebooks right after the installation is enough. So here the second process waits for the first.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from .files import in_turn
from .folders import APP

# The modules that compile functions and are used by this package; librosa imports them lazily.
PARTS = ("core.audio", "core.constantq", "core.pitch", "util.utils", "feature.spectral", "onset", "sequence")


@functools.cache
def librosa() -> ModuleType:
    """The librosa module, with all functions that are compiled at import. Only the first call takes time.

    Raises:
      ImportError: librosa is not installed.
    """
    with _alone():
        for part in PARTS:
            importlib.import_module(f"librosa.{part}")
    return importlib.import_module("librosa")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """A block that only one of the processes with the same Numba cache folder can be in."""
    with contextlib.ExitStack() as held:
        for folder in _folders():
            try:
                held.enter_context(in_turn(folder))
                break
            except OSError:  # read-only, so Numba does not use it either
                continue
        yield


def _folders() -> Iterator[Path]:
    """The possible cache folders of Numba, in the order in which it tries them."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen)
    spec = importlib.util.find_spec("librosa")
    for folder in (spec and spec.submodule_search_locations) or ():
        yield Path(folder) / "__pycache__"
    import platformdirs

    yield platformdirs.user_cache_path(APP, appauthor=False)
