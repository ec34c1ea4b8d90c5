"""Names -> addresses -> data/checkpoints: download, verify, unpack, list.

    print(*hub.listing(), sep="\\n")
    folder = hub.locate("acoustic_only")  # downloads it the first time

A published checkpoint is a zip on the web. It arrives as `downloads/<name>.zip.part`, which a later run continues; it
is unpacked beside its final place, read once as a proof, and renamed as the very last step. So whatever is at
`checkpoints/<name>` is whole. The `download.json` in it holds the SHA-256 of every file; `locate` checks them.

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

LOCK_SECONDS = 3600  # to wait for another process that downloads the same checkpoint
MAX_RECORD_BYTES = 4 << 20  # of what is noted about a download

RECORD = "download.json"  # in an unpacked checkpoint: where it came from and the hashes of its files

# What unpacking raises when the archive is at fault, and not the disk; the last two when members collide.
_THE_ARCHIVE = Path("the archive")  # what errors call a download: its path is that of a temporary file
_BAD_ARCHIVE = (ValueError, FileNotFoundError, zipfile.BadZipFile, zlib.error, FileExistsError, NotADirectoryError)


# ---- Where things are ------------------------------------------------------------------------------------------------


def names() -> list[str]:
    """Every name that `locate` knows: the bundled one, the published ones, and what else lies in checkpoints/."""
    folder = folders.data() / "checkpoints"
    known = [BUNDLED, *PUBLISHED]
    there = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    return known + [name for name in there if name not in known and not name.startswith(".")]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of the listing."""

    name: str
    state: str  # "bundled", "downloaded", "placed by hand", "to be downloaded" or, of the bundled one, "missing"
    bytes: int  # on disk
    folder: Path
    url: str | None = None

    def __repr__(self) -> str:
        return f"Entry({self.name!r}, {self.state})"

    def __str__(self) -> str:
        size = f"{self.bytes / 1e6:.1f} MB" if self.bytes else ""
        where = self.url if self.state == "to be downloaded" else self.folder
        return f"{self.name:<16} {self.state:<17} {size:>10}  {where}"


def listing() -> list[Entry]:
    """What there is and what there could be. `print(*listing(), sep="\\n")` shows it. Notebook: 02_checkpoints."""
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
        entries.append(Entry(name, state, size, folder, PUBLISHED.get(name)))
    return entries


@in_one_line
def locate(name_or_path: str | os.PathLike) -> Path:
    """The folder or file of a checkpoint, downloaded first if it is not here yet.

    Args:
      name_or_path: one of `names()`; a folder, `.zip` or `.npz` file; or the Google Drive link of a checkpoint's zip.

    Raises:
      FileNotFoundError: neither a known name nor a path that exists.
      ValueError: a downloaded file is not what it was when it was unpacked.
      Whatever `download` and `from_drive` raise.

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
    """Whether `locate` finds a checkpoint on this machine's own disks, without a download."""
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
      ValueError: a file has changed or is gone.
    """
    folder = Path(folder)
    record = _read_record(folder)
    for name, expected in record["files"].items() if record else ():
        file = folder / name
        if not file.is_file() or sha256_of(file) != expected:
            fault = "has changed since it was downloaded" if file.is_file() else "is gone"
            raise ValueError(f"{file} {fault}: delete the folder {folder} and run this again to download it anew")
    return folder


def _folder(name: str) -> Path:
    return (folders.BUNDLED if name == BUNDLED else folders.data()) / "checkpoints" / name


def _unfinished(folder: Path) -> Path:
    """Where the unfinished archive of a checkpoint is kept; a function of `folder` alone, so that processes agree."""
    home = folder.parent
    return (home.parent if home.name == "checkpoints" else home) / "downloads"


def _read_record(folder: Path) -> dict[str, Any] | None:
    file = folder / RECORD
    if not file.is_file():
        return None
    record = _read_json(file)
    files = record.get("files")
    if not files or not isinstance(files, dict) or not all(_is_inside(name) for name in files):
        raise ValueError(f"{file} is damaged: delete the folder {folder} and run this again to download it anew")
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
    """Download, check and unpack a checkpoint, unless it is here already.

    Args:
      name: one of `PUBLISHED`, or any other plain name together with `url`.
      url: the address of a zip of a published checkpoint; by default the one in `PUBLISHED`.
      folder: where it goes; by default `folders.data()/checkpoints/<name>`.
      progress: show a bar; or a function of (bytes that have arrived, bytes in all or None), called after each piece.
      sha256: the archive's hash in hex, if it is known.

    Returns:
      The folder.

    Raises:
      ConnectionError: the server cannot be reached, or the connection broke; run it again to continue.
      FileNotFoundError: the server has no such file.
      FileExistsError: something else is in the folder already.
      ValueError: a bad name or address, or what arrived is no checkpoint or has another hash; it is deleted.
      OSError: the server refuses, or the disk is full. What has arrived is kept, to continue from.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", name) or name == BUNDLED:
        raise ValueError(f"{name!r} cannot be downloaded to: choose a name of letters, digits, '_', '-' and '.'")
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
    """The folder that is there, if it is what was asked for."""
    record = _read_record(folder)
    if record is None:
        raise FileExistsError(f"{folder} is there already and was not downloaded: move it away or choose another name")
    if (url or record.get("url")) != record.get("url") or (sha256 or "").lower() not in ("", record.get("sha256")):
        raise FileExistsError(
            f"{folder} came from another archive, {record.get('url')}: delete it or choose another name"
        )
    return verify(folder)


@contextlib.contextmanager
def _alone(folder: Path, progress: Progress) -> Iterator[None]:
    """Wait until no other process downloads to `folder`."""
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
                f"another process has been downloading {folder.name} for too long: end it, or delete {lock}"
            ) from None
        except OSError as error:
            raise OSError(f"cannot write to {home}: {error.strerror}; set GANSYNTH_DATA to a folder of yours") from None
        yield


# ---- Unpack ----------------------------------------------------------------------------------------------------------


def _install(archive: Path, folder: Path, url: str, sha256: str | None = None) -> Path:
    """Unpack `archive`, prove that it is a checkpoint, and only then let it appear as `folder`; delete the archive."""
    from . import checkpoint  # here, so that listing and downloading need neither NumPy nor TensorFlow

    found = sha256_of(archive)
    if sha256 and found != sha256.lower():
        downloads.discard(archive)
        raise ValueError(f"{url} delivered a file with SHA-256 {found} instead of {sha256.lower()}; it was deleted")
    unpacking = folder.with_name(f".{folder.name}.unpacking")
    size = archive.stat().st_size
    try:
        _check_zip(archive)
        if unpacking.exists():  # left by a process that was killed
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
        raise ValueError(f"{url} did not deliver a usable checkpoint: {error}; it was deleted") from None
    except OSError as error:
        raise OSError(
            f"cannot unpack to {folder} ({error.strerror or error}): put that right and run it again"
        ) from None
    finally:
        shutil.rmtree(unpacking, ignore_errors=True)
    downloads.discard(archive)
    return folder


def _check_zip(archive: Path) -> None:
    """Refuse what is no zip, or one that would unpack to too much."""
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
