"""Find checkpoints by name or path; list, download, verify and unpack the published ones.

    print(*hub.listing(), sep="\\n")
    folder = hub.locate("acoustic_only")  # downloads it the first time

A published checkpoint is a zip on the web. It is downloaded to `downloads/<name>.zip.part`, which a later run resumes;
then it is unpacked beside its final place, read once as a test, and renamed as the very last step. So anything at
`checkpoints/<name>` is complete. The `download.json` in it holds the SHA-256 of every file; `locate` checks them.

Source: SPEC section 1. Notebook: 02_checkpoints.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from .. import downloads, files, folders, jsonfile
from ..downloads import Progress, sha256_of
from ..errors import in_one_line

BUNDLED = "demo"  # comes with the repository
PUBLISHED = {
    "acoustic_only": "https://storage.googleapis.com/magentadata/models/gansynth/acoustic_only.zip",
    "all_instruments": "https://storage.googleapis.com/magentadata/models/gansynth/all_instruments.zip",
}

LOCK_SECONDS = 3600  # how long to wait for another process that is downloading the same checkpoint
MAX_RECORD_BYTES = 4 << 20  # of the record of a download

RECORD = "download.json"  # in an unpacked checkpoint: its origin and the hashes of its files

_THE_ARCHIVE = Path("the archive")  # shown in errors instead of a download's temporary path
# Exceptions from unpacking when the archive is at fault, not the disk; the last two are raised when members collide.
_BAD_ARCHIVE = (ValueError, FileNotFoundError, zipfile.BadZipFile, zlib.error, FileExistsError, NotADirectoryError)


# ---- Names and folders -----------------------------------------------------------------------------------------------


def names() -> list[str]:
    """All names that `locate` knows: the bundled checkpoint, the published ones, and other folders in checkpoints/."""
    folder = folders.data() / "checkpoints"
    known = [BUNDLED, *PUBLISHED]
    there = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    return known + [name for name in there if name not in known and not name.startswith(".")]


@dataclasses.dataclass(frozen=True)
class CheckpointEntry:
    """One line of the listing.

    Attributes:
      name: name that `load` takes.
      state: "bundled" or "missing" (the bundled one), "downloaded", "placed by hand" or "to be downloaded".
      bytes: size on disk.
      folder: where it is, or will be.
      url: address to download it from; None if there is none.
    """

    name: str
    state: str
    bytes: int
    folder: Path
    url: str | None = None

    def __repr__(self) -> str:
        return f"CheckpointEntry({self.name!r}, {self.state})"

    def __str__(self) -> str:
        size = f"{self.bytes / 1e6:.1f} MB" if self.bytes else ""
        where = self.url if self.state == "to be downloaded" else self.folder
        return f"{self.name:<16} {self.state:<17} {size:>10}  {where}"


def listing() -> list[CheckpointEntry]:
    """All checkpoints, local or to be downloaded: `print(*listing(), sep="\\n")`. Notebook: 02_checkpoints."""
    entries = []
    for name in names():
        folder = _folder(name)
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else 0
        if name == BUNDLED:
            state = "bundled" if size else "missing"
        elif not folder.is_dir():
            state = "to be downloaded"
        else:
            state = "downloaded" if (folder / RECORD).is_file() else "placed by hand"
        entries.append(CheckpointEntry(name, state, size, folder, PUBLISHED.get(name)))
    return entries


@in_one_line
def locate(name_or_path: str | os.PathLike) -> Path:
    """The folder or file of a checkpoint, which is downloaded first if necessary.

    Args:
      name_or_path: one of `names()`; a folder, `.zip` or `.npz` file; or the Google Drive link of a checkpoint's zip.

    Raises:
      FileNotFoundError: neither a known name nor a path that exists.
      ValueError: a file has changed since it was downloaded.
      Other exceptions: as for `download` and `downloads.from_drive`.

    >>> from helpers.gansynth import hub
    >>> hub.locate("demo").name
    'demo'
    """
    name = os.fspath(name_or_path)
    if isinstance(name_or_path, str):
        if downloads.is_drive_link(name):
            return _locate_on_drive(name)
        if name in names():
            folder = _folder(name)
            if folder.is_dir():
                return verify(folder)
            if name == BUNDLED:
                raise FileNotFoundError(f"the bundled checkpoint is missing: restore {folder} or install again")
            return download(name)
    path = Path(name).expanduser()
    if not name or not path.exists():
        known = ", ".join(repr(known) for known in names())
        raise FileNotFoundError(f"no checkpoint {name!r}: expected a path that exists or one of the names {known}")
    return verify(path) if path.is_dir() else path


def is_here(name_or_path: str) -> bool:
    """Whether a checkpoint is on this machine's own disks, so that `locate` needs no download."""
    if downloads.is_drive_link(name_or_path):
        return False
    if name_or_path in names():
        return _folder(name_or_path).is_dir()
    if not name_or_path or "\0" in name_or_path or name_or_path.replace("\\", "/").startswith("//"):  # another machine
        return False
    path = Path(name_or_path)
    return path.is_dir() or path.is_file()


def verify(folder: str | os.PathLike) -> Path:
    """Compare a folder's files with the hashes recorded when it was downloaded; returns the folder.

    A folder without a record (bundled, trained or placed by hand) passes.

    Raises:
      ValueError: a file has changed or is missing.
    """
    folder = Path(folder)
    record = _read_record(folder)
    for name, expected in record["files"].items() if record else ():
        file = folder / name
        if not file.is_file() or sha256_of(file) != expected:
            fault = "has changed since it was downloaded" if file.is_file() else "is missing"
            raise ValueError(f"{file} {fault}: delete the folder {folder} and run this again to download it afresh")
    return folder


def _folder(name: str) -> Path:
    return (folders.BUNDLED if name == BUNDLED else folders.data()) / "checkpoints" / name


def _unfinished(folder: Path) -> Path:
    """The folder for a checkpoint's unfinished download. It depends only on `folder`, so that all processes agree."""
    home = folder.parent
    return (home.parent if home.name == "checkpoints" else home) / "downloads"


def _read_record(folder: Path) -> dict[str, Any] | None:
    file = folder / RECORD
    if not file.is_file():
        return None
    record = _read_json(file)
    files = record.get("files")
    if not files or not isinstance(files, dict) or not all(_is_inside(name) for name in files):
        raise ValueError(f"{file} is damaged: delete the folder {folder} and run this again to download it afresh")
    return record


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _read_json(file: Path) -> dict[str, Any]:
    try:
        values = jsonfile.parse(jsonfile.read_text(file, MAX_RECORD_BYTES))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


# ---- Download --------------------------------------------------------------------------------------------------------


@in_one_line
def download(
    name: str,
    url: str | None = None,
    folder: str | os.PathLike | None = None,
    progress: Progress = True,
    sha256: str | None = None,
) -> Path:
    """Download, check and unpack a checkpoint, unless it has been downloaded before.

    Args:
      name: one of `PUBLISHED`, or any other plain name together with `url`.
      url: the address of a zip of a checkpoint in the published format; by default the one in `PUBLISHED`.
      folder: the folder to create; by default `folders.data()/checkpoints/<name>`.
      progress: show a bar; or a function of (bytes received, total bytes or None), called after each chunk.
      sha256: the archive's hash in hex, if it is known.

    Returns:
      The folder.

    Raises:
      ConnectionError: the server cannot be reached, or the connection broke; call it again to resume.
      FileNotFoundError: the server has no such file.
      FileExistsError: the folder already exists and holds something else.
      ValueError: an invalid name or address, or the file received, which is deleted, is not a checkpoint or has
        another hash.
      OSError: the server refuses, or the disk is full. The part received is kept, to resume from.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", name) or name == BUNDLED:
        raise ValueError(
            f"{name!r} is not a valid name for a download: use letters, digits, '_', '-' and '.', but not {BUNDLED!r}"
        )
    if url is None and name not in PUBLISHED:
        raise ValueError(f"{name!r} has no address: give url=, or one of the names {', '.join(map(repr, PUBLISHED))}")
    folder = Path(folder).expanduser() if folder is not None else _folder(name)
    if folder.exists():
        return _already(folder, url, sha256)
    with _alone(folder, progress):
        if folder.exists():  # another process was faster
            return _already(folder, url, sha256)
        url = url or PUBLISHED[name]
        part = _unfinished(folder) / f"{folder.name}.zip.part"
        downloads.fetch(name, url, part, progress)
        return _install(part, folder, url, sha256)


def _already(folder: Path, url: str | None, sha256: str | None) -> Path:
    """The existing folder, if it holds the requested download."""
    record = _read_record(folder)
    if record is None:
        raise FileExistsError(f"{folder} already exists and was not downloaded: move it away or choose another name")
    if (url or record.get("url")) != record.get("url") or (sha256 or "").lower() not in ("", record.get("sha256")):
        raise FileExistsError(
            f"{folder} was downloaded from another archive, {record.get('url')}: delete it or choose another name"
        )
    return verify(folder)


@contextlib.contextmanager
def _alone(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock for downloads to `folder`, after waiting for any other process that holds it."""
    home = _unfinished(folder)
    lock = home / f"{folder.name}.lock"

    def tell() -> None:
        if progress is True:
            print(f"another process is downloading {folder.name}; waiting for it")

    with contextlib.ExitStack() as held:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(files.locked(lock, LOCK_SECONDS, tell))
        except TimeoutError:
            raise TimeoutError(
                f"another process has been downloading {folder.name} for too long: stop it, or delete {lock}"
            ) from None
        except OSError as error:
            raise OSError(
                f"cannot write to {home}: {error.strerror}; set GANSYNTH_DATA to a folder that you can write to"
            ) from None
        yield


# ---- Unpack ----------------------------------------------------------------------------------------------------------


def _install(archive: Path, folder: Path, url: str, sha256: str | None = None) -> Path:
    """Unpack `archive`, check that it is a readable checkpoint, move it to `folder`, and delete the archive."""
    from . import checkpoint  # here, so that listing and downloading import neither NumPy nor TensorFlow

    found = sha256_of(archive)
    if sha256 and found != sha256.lower():
        downloads.discard(archive)
        raise ValueError(f"the file from {url} has SHA-256 {found} instead of {sha256.lower()}; the file was deleted")
    unpacking = folder.with_name(f".{folder.name}.unpacking")
    size = archive.stat().st_size
    try:
        _check_zip(archive)
        if unpacking.exists():  # left behind by a killed process
            shutil.rmtree(unpacking)
        unpacking.mkdir()
        checkpoint.extract_published(archive, unpacking, _THE_ARCHIVE)
        checkpoint.read(unpacking, _THE_ARCHIVE)
        files = {p.relative_to(unpacking).as_posix(): sha256_of(p) for p in sorted(unpacking.rglob("*")) if p.is_file()}
        date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        record = {"url": url, "date": date, "bytes": size, "sha256": found, "files": files}
        (unpacking / RECORD).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        os.replace(unpacking, folder)
    except _BAD_ARCHIVE as error:
        downloads.discard(archive)
        raise ValueError(f"the file from {url} is not a usable checkpoint: {error}; the file was deleted") from None
    except OSError as error:
        raise OSError(f"cannot unpack to {folder} ({error.strerror or error}): fix this and run it again") from None
    finally:
        shutil.rmtree(unpacking, ignore_errors=True)
    downloads.discard(archive)
    return folder


def _check_zip(archive: Path) -> None:
    """Raise a ValueError for a file that is not a zip, or a zip that would unpack to too much."""
    from . import checkpoint

    if not zipfile.is_zipfile(archive):
        with open(archive, "rb") as file:
            page = file.read(64).lstrip().lower().startswith((b"<!doctype", b"<html"))
        raise ValueError(f"{_THE_ARCHIVE} is {'a web page' if page else 'not a zip archive'}")
    checkpoint.check_zip(archive, _THE_ARCHIVE)


def _locate_on_drive(link: str) -> Path:
    identity = downloads.drive_id(link)
    folder = _folder(f"drive-{identity}")
    if folder.is_dir():
        return verify(folder)
    with _alone(folder, progress=True):
        if folder.is_dir():  # another process was faster
            return verify(folder)
        archive = downloads.from_drive(identity, _unfinished(folder) / f"{folder.name}.zip")
        return _install(archive, folder, f"https://drive.google.com/uc?id={identity}")
