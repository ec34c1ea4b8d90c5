"""Output folders on this machine or elsewhere, to which each file is written whole or not at all.

    store = stores.open_store("s3://bucket/clips")
    with store.writing("bach/prelude.wav") as path:
        audio.write(clip, path)

A folder on this machine is used directly. An address such as "s3://…", "gs://…" or "memory://…" is accessed through
fsspec (the extra `cluster`) and the package that it needs for that protocol.

Notebook: 07_songs.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from .errors import in_one_line, one_line
from .files import PARTIAL, as_path, naming

EXTRA = 'pip install "gansynth-suite[cluster]", or fsspec'
BEGIN = "://"


class Store:
    """A folder on this machine. File names in it are relative paths with "/" as the separator.

    Attributes:
      place: the folder as given.
      folder: its path; None if it is not on this machine.
    """

    def __init__(self, place: str | os.PathLike):
        self.place = str(place) or os.curdir
        self.folder: Path | None = as_path(place)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r})"

    @property
    def whole_place(self) -> str:
        """The folder's absolute path or address, which is valid in any process."""
        return self.place if self.folder is None else os.path.abspath(self.folder)

    def _path(self, name: str) -> Path:
        assert self.folder is not None, "a remote folder has no path"
        return self.folder / name

    def exists(self, name: str) -> bool:
        """Whether a file of this name exists."""
        return self._path(name).is_file()

    def head(self, name: str, count: int) -> bytes:
        """The first bytes of a file.

        Raises:
          OSError: it does not exist or cannot be read.
        """
        with open(self._path(name), "rb") as file:
            return file.read(count)

    def rename(self, name: str, other: str) -> None:
        """Rename a file; no file may have the new name."""
        self._path(name).rename(self._path(other))

    def remove(self, name: str) -> None:
        """Delete a file, if it exists."""
        self._path(name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Context with a path to write a file to, whole or not at all; at the end of the block it is in the store.

        Raises:
          OSError: the file cannot be written.
        """
        yield self._path(name)


class RemoteStore(Store):
    """A folder accessed through fsspec: files are written to a local temporary folder, then uploaded and renamed."""

    def __init__(self, place: str, filesystem: Any, root: str):
        self.place, self.folder = place, None
        self._files, self._root = filesystem, root.rstrip("/")

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def exists(self, name: str) -> bool:
        return self._files.isfile(self._at(name))

    def head(self, name: str, count: int) -> bytes:
        return self._files.cat_file(self._at(name), start=0, end=count)

    def rename(self, name: str, other: str) -> None:
        self._files.mv(self._at(name), self._at(other))

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._at(name))

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        target = PurePosixPath(self._at(name))
        with tempfile.TemporaryDirectory() as folder, naming(Path(folder) / target.name):
            path = Path(folder) / target.name
            yield path
            # In object stores a file appears only when it is complete; in others, renaming is needed for that.
            partial = str(target.with_name(f"{PARTIAL}{secrets.token_hex(8)}"))
            self._files.makedirs(str(target.parent), exist_ok=True)
            try:
                self._files.put_file(str(path), partial)
                self.remove(name)
                self._files.mv(partial, str(target))
            except BaseException:
                with contextlib.suppress(Exception):
                    self._files.rm_file(partial)
                raise


def is_address(place: str | os.PathLike) -> bool:
    """Whether a place is an address for fsspec, not a path on this machine."""
    return BEGIN in str(place) and not str(place).startswith("file://")


@in_one_line
def open_store(place: str | os.PathLike) -> Store:
    """Open an output folder, which need not exist yet.

    Args:
      place: a path or a "file://" address on this machine, or an address supported by fsspec.

    Raises:
      ImportError: fsspec, or the package that it needs for the protocol, is not installed.
      ValueError: fsspec does not support the protocol.

    >>> from helpers import stores
    >>> stores.open_store("outputs/songs")
    Store('outputs/songs')
    """
    if str(place).startswith("file://"):
        return Store(urllib.request.url2pathname(urllib.parse.urlsplit(str(place)).path))
    if not is_address(place):
        return Store(place)
    try:
        import fsspec
    except ImportError:
        raise ImportError(f"{one_line(place)} is not a folder on this machine, so it needs fsspec: {EXTRA}") from None
    try:
        return RemoteStore(str(place), *fsspec.core.url_to_fs(str(place)))
    except ImportError as error:
        raise ImportError(f"{one_line(place)} cannot be reached: {one_line(error)}") from None
    except ValueError as error:
        raise ValueError(f"{one_line(place)} cannot be reached: {one_line(error)}") from None
