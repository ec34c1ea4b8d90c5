"""Files that are written whole or not at all, under names that are safe everywhere."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path`, with its suffix, that takes its place when the block ends without an error.

    Folders are made as needed. After an error, whatever was at `path` is still there and nothing else is left.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
    os.close(handle)
    try:
        yield Path(partial)
        os.chmod(partial, 0o644)  # a temporary file is private, the result is not
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def plain_name(name: str, otherwise: str) -> str:
    """`name` as a plain file name everywhere: no separators, no leading dot, not too long; its suffix stays.

    Args:
      name: from outside, and not to be trusted.
      otherwise: a name for where nothing is left of it.
    """
    name = re.sub(r"[^\w. ()+-]+", "_", re.split(r"[/\\]", name)[-1]).strip(". ") or otherwise
    stem, suffix = os.path.splitext(name)
    return stem[:80] + suffix[:16]


def numbered(path: Path) -> Iterator[Path]:
    """Names to choose a free one from: `path`, then "name 2", "name 3", … beside it, with its suffix."""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem} {number}{path.suffix}")
