"""librosa, imported by one process at a time.

    librosa = compiled.librosa()

Numba compiles a dozen of librosa's functions when they are first imported in a new environment, which takes half a
minute, and keeps them beside librosa. Two processes that do so at once can spoil what is kept, for good: every later
process crashes when it calls one of them (https://github.com/numba/numba/issues/10128). Opening two notebooks right
after the installation is enough. So whoever comes second waits here for the first.
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

# The parts that compile something and that this package uses; librosa imports each when it is asked for.
PARTS = ("core.audio", "core.constantq", "core.pitch", "util.utils", "feature.spectral", "onset", "sequence")


@functools.cache
def librosa() -> ModuleType:
    """The module, with everything that is compiled at import; immediate after the first call.

    Raises:
      ImportError: it is not installed.
    """
    with _alone():
        for part in PARTS:
            importlib.import_module(f"librosa.{part}")
    return importlib.import_module("librosa")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """No other process is in such a block, if it keeps what it compiles in the same folder."""
    with contextlib.ExitStack() as held:
        for folder in _folders():
            try:
                held.enter_context(in_turn(folder))
                break
            except OSError:  # read-only: Numba keeps nothing there either
                continue
        yield


def _folders() -> Iterator[Path]:
    """Where Numba keeps what it compiles, in the order in which it tries them."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen)
    spec = importlib.util.find_spec("librosa")
    for folder in (spec and spec.submodule_search_locations) or ():
        yield Path(folder) / "__pycache__"
    import platformdirs

    yield platformdirs.user_cache_path(APP, appauthor=False)
