"""A cache of generated notes on disk: a note that was generated once is read back, in this run or a later one.

    model = gansynth.load("demo", cache=NoteCache())

Notebook: 04_generate.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from pathlib import Path

import numpy as np

from .. import __version__
from ..files import as_path, replacing

MAX_CACHE_BYTES = 2 << 30  # bytes; about 8,000 whole notes, or a month of playing around
KEEP = 0.9  # share of the limit to shrink to once it is reached, so that not every further note has to make room
SAMPLE = np.dtype("<f4")
SUFFIX = ".f32"
BACKENDS = TENSORFLOW, ONNX = "tensorflow", "onnx"  # the default first
DIGEST_BYTES = 16  # at the start of a file: a hash of its samples, keyed with the name of the note


def note_key(fingerprint: str, precision: str, z: np.ndarray, pitch: int, backend: str = TENSORFLOW) -> str:
    """A file name from everything that a note depends on: the model, backend, precision, latent vector and pitch."""
    computed = precision if backend == TENSORFLOW else f"{precision} by {backend}"
    made_by = f"{__version__} {fingerprint} {computed} {pitch} "
    return hashlib.sha256(made_by.encode() + np.asarray(z, SAMPLE).tobytes()).hexdigest()[:40]


def _digest(key: str, samples: bytes) -> bytes:
    return hashlib.blake2b(samples, digest_size=DIGEST_BYTES, key=key.encode()[:64]).digest()


class NoteCache:
    """A folder of notes, each a file of float32 samples with a checksum; the least recently used are deleted first.

    A longer version of a note also serves for a shorter one, because its samples are the same except for rounding in
    another batch (100 dB below the sound). Damaged files are deleted, so that the note is generated again. Several
    programs may share a folder. If the folder is read-only, its notes are used and none are added.

    Attributes:
      folder: where the files are.
      limit: the most bytes that they may take.
      hits: number of cache hits.
      misses: number of cache misses.
    """

    def __init__(self, folder: str | os.PathLike | None = None, limit: int = MAX_CACHE_BYTES):
        """
        Args:
          folder: `gansynth-suite/notes` in the user's cache folder by default.
          limit: the most bytes that the files may take.

        Raises:
          ValueError: the limit is not above 0.
        """
        if limit <= 0:
            raise ValueError(f"limit is {limit}; it must be a number of bytes above 0")
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.folder = root / "gansynth-suite" / "notes" if folder is None else as_path(folder)
        self.limit = limit
        self.hits = self.misses = 0
        self._bytes: int | None = None  # not counting what other programs add; None: not counted yet
        self._writable = True

    def __repr__(self) -> str:
        sizes = self._sizes().values()
        return f"NoteCache({len(sizes)} notes, {sum(sizes) / 1e6:.0f} of {self.limit / 1e6:.0f} MB, {self.folder})"

    def __len__(self) -> int:
        return len(self._sizes())

    def has(self, key: str, samples: int) -> bool:
        """Whether `get` would find the first `samples` samples of a note."""
        try:
            return self._path(key).stat().st_size >= DIGEST_BYTES + samples * SAMPLE.itemsize
        except OSError:
            return False

    def get(self, key: str, samples: int) -> np.ndarray | None:
        """The first `samples` samples of a note, float32, or None if they are not there."""
        wave = self._read(key) if self.has(key, samples) else None
        if wave is None:
            self.misses += 1
            return None
        with contextlib.suppress(OSError):  # a read-only folder is fine
            os.utime(self._path(key))  # a file's modification time is the time of its last use
        self.hits += 1
        return np.array(wave[:samples], np.float32)

    def _read(self, key: str) -> np.ndarray | None:
        """A whole note, if its checksum is right. A damaged file is deleted, because `put` would not replace it."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:  # another program has just deleted it
            return None
        if content[:DIGEST_BYTES] == _digest(key, content[DIGEST_BYTES:]):
            return np.frombuffer(content, SAMPLE, offset=DIGEST_BYTES)
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def put(self, key: str, wave: np.ndarray) -> None:
        """Keep a note, unless a longer version of it is there."""
        if not self._writable or self.has(key, len(wave)) or not np.isfinite(wave).all():
            return
        try:
            samples = np.asarray(wave, SAMPLE).tobytes()
            with replacing(self._path(key)) as partial:
                partial.write_bytes(_digest(key, samples) + samples)
        except OSError as error:
            self._writable = False
            warnings.warn(f"notes are no longer cached: {self.folder}: {error.strerror or error}", stacklevel=2)
            return
        if self._bytes is None:
            self._bytes = sum(self._sizes().values())
        else:
            self._bytes += DIGEST_BYTES + wave.size * SAMPLE.itemsize
        if self._bytes > self.limit:
            self._make_room()

    def clear(self) -> None:
        """Delete all notes."""
        for path in self._sizes():
            path.unlink(missing_ok=True)
        self._bytes = 0

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / (key + SUFFIX)

    def _sizes(self) -> dict[Path, int]:
        """Size of each file in bytes, the least recently used first."""
        found = []
        for path in self.folder.glob(f"??/[!.]*{SUFFIX}"):  # not the hidden files that are being written
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((status.st_mtime_ns, str(path), status.st_size))
        return {Path(path): size for _, path, size in sorted(found)}

    def _make_room(self) -> None:
        sizes = self._sizes()
        self._bytes = sum(sizes.values())  # other programs write here too
        for path, size in sizes.items():
            if self._bytes <= KEEP * self.limit:
                break
            path.unlink(missing_ok=True)
            self._bytes -= size
