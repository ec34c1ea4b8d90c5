"""Names -> addresses -> data/checkpoints: download, verify, unpack, list.

    print(*checkpoints.listing(), sep="\\n")
    folder = checkpoints.locate("acoustic_only")  # downloads it the first time

A published checkpoint is a zip on the web. It arrives as `downloads/<name>.zip.part`, which a later run continues; it
is unpacked beside its final place, read once as a proof, and renamed as the very last step. So whatever is at
`checkpoints/<name>` is whole. The `download.json` in it holds the SHA-256 of every file; `locate` checks them.

Source: SPEC section 1. Notebook: 02_checkpoints.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import inspect
import io
import json
import os
import re
import shutil
import tempfile
import time
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import filelock
import requests
from tqdm.auto import tqdm

from . import folders, jsonfile
from .errors import in_one_line
from .files import plain_name

BUNDLED = "demo"  # comes with the repository
PUBLISHED = {
    "acoustic_only": "https://storage.googleapis.com/magentadata/models/gansynth/acoustic_only.zip",
    "all_instruments": "https://storage.googleapis.com/magentadata/models/gansynth/all_instruments.zip",
}

# Every number of this module.
CHUNK_BYTES = 1 << 18  # read from the network at a time; at most this much is lost when a connection breaks
CONNECT_SECONDS = 15  # to reach a server ...
READ_SECONDS = 60  # ... and the longest silence before it counts as gone
LOCK_SECONDS = 3600  # to wait for another process that downloads the same checkpoint
MAX_RECORD_BYTES = 4 << 20  # of what is noted about a download
MAX_ARCHIVE_BYTES = 4 << 30  # a published model, with its optimizer and discriminator, stays well below

Progress = bool | Callable[[int, int | None], None]  # whether a bar is shown; or who is told (bytes here, bytes in all)

RECORD = "download.json"  # in an unpacked checkpoint: where it came from and the hashes of its files

_DRIVE_HOSTS = ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")
_DRIVE_ID = r"[A-Za-z0-9_-]{20,}"

# What unpacking raises when the archive is at fault, and not the disk; the last two when members collide.
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
    """
    name = os.fspath(name_or_path)
    if isinstance(name_or_path, str):
        if is_drive_link(name):
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
    if is_drive_link(name_or_path):
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
        if not file.is_file() or _sha256(file) != expected:
            fault = "has changed since it was downloaded" if file.is_file() else "is gone"
            raise ValueError(f"{file} {fault}: delete the folder {folder} and run this again to download it anew")
    return folder


def _folder(name: str) -> Path:
    return (folders.BUNDLED if name == BUNDLED else folders.data()) / "checkpoints" / name


def _downloads(folder: Path) -> Path:
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


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()  # not hashlib.file_digest, which is younger than Python 3.10
    with open(file, "rb") as data:
        while block := data.read(CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()


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
        part = _downloads(folder) / f"{folder.name}.zip.part"
        _fetch(name, url, part, progress)
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
    home = _downloads(folder)
    lock = filelock.FileLock(str(home / f"{folder.name}.lock"))
    try:
        home.mkdir(parents=True, exist_ok=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if progress is True:
                print(f"another process is downloading {folder.name}; waiting for it")
            lock.acquire(timeout=LOCK_SECONDS)
    except filelock.Timeout:
        raise TimeoutError(
            f"another process has been downloading {folder.name} for too long: end it, or delete {lock.lock_file}"
        ) from None
    except OSError as error:
        raise OSError(f"cannot write to {home}: {error.strerror}; set GANSYNTH_DATA to a folder of yours") from None
    try:
        yield
    finally:
        lock.release()


def _fetch(name: str, url: str, part: Path, progress: Progress) -> None:
    """Bring `part` to full size, going on from what is there if the server's file is still the same one."""
    if not _attempt(name, url, part, progress):
        _discard(part)
        if not _attempt(name, url, part, progress):
            raise OSError(f"{_host(url)} answers with a part of {name} that was not asked for; try again later")


def _attempt(name: str, url: str, part: Path, progress: Progress) -> bool:
    """One request. False: what is in `part` is of no use any more, start from zero.

    Source: RFC 9110, sections 13.1.5 (If-Range), 14.2 (Range) and 15.5.17 (416).
    """
    notes = _read_json(_notes(part))  # about the response that `part` began with
    validator = notes.get("validator") if notes.get("url") == url else None
    have = part.stat().st_size if validator and part.is_file() else 0
    headers = {"Accept-Encoding": "identity"}  # so that sizes and offsets count the file's own bytes
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with _get(name, url, headers) as response:
        if response.status_code == 416:  # nothing follows: complete, if the size is right
            return bool(have) and (_content_range(response)[1] or notes.get("total")) == have
        if response.status_code == 206:
            start, total = _content_range(response)
            same = _validator(response) in (None, validator) and notes.get("total") in (None, total)
            if not have or start != have or not same:
                return False
        else:
            have, total = 0, _length(response)
            _discard(part)  # before the notes change, or a crash in between would join two different files
            notes = {"url": url, "validator": _validator(response), "total": total}
            _notes(part).write_text(json.dumps(notes), "utf-8")
        _receive(name, response, part, have, total, progress)
    return True


def _get(name: str, url: str, headers: dict[str, str]) -> requests.Response:
    """The server's answer, if it is 200, 206 or 416."""
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS))
    except (requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL):
        raise ValueError(f"{url!r} is not a web address; expected https://…") from None
    except requests.RequestException:
        raise ConnectionError(_unreachable(_host(url))) from None
    status = response.status_code
    if status in (200, 206, 416):
        return response
    response.close()
    if status in (404, 410):
        raise FileNotFoundError(f"the server has no {name} (HTTP {status}) at {url}")
    if status in (401, 403):
        raise PermissionError(f"the server refuses {name} (HTTP {status}) at {url}: it was moved or is not public")
    raise OSError(f"the server cannot deliver {name} now (HTTP {status}) at {url}; try again later")


def _receive(
    name: str, response: requests.Response, part: Path, have: int, total: int | None, progress: Progress
) -> None:
    """Append the body to `part`."""
    broken = False
    tell = progress if callable(progress) else lambda have, total: None
    hidden = callable(progress) or not progress
    bar = tqdm(total=total, initial=have, desc=name, unit="B", unit_scale=True, disable=hidden)
    try:
        with bar, open(part, "ab") as file:
            if (total or 0) <= MAX_ARCHIVE_BYTES:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    have += len(chunk)
                    bar.update(len(chunk))
                    tell(have, total)
                    if have > MAX_ARCHIVE_BYTES:
                        break
    except requests.RequestException:
        broken = True
    except OSError as error:
        raise OSError(f"cannot write {part}: {error.strerror}; make room and run it again to continue") from None
    if max(have, total or 0) > MAX_ARCHIVE_BYTES:
        _discard(part)
        raise ValueError(f"{response.url} is larger than {MAX_ARCHIVE_BYTES >> 20} MB: that is no checkpoint")
    if broken or total not in (None, have):
        of = f"{have:,} of {total:,}" if total else f"{have:,}"
        raise ConnectionError(f"only {of} bytes of {name} arrived from {_host(response.url)}; run it again to continue")


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _validator(response: requests.Response) -> str | None:
    """What tells one version of the file from another, strongly enough to join two pieces; None: nothing does."""
    tag = response.headers.get("ETag", "W/")
    return response.headers.get("Last-Modified") if tag.startswith("W/") else tag


def _length(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"  # then it counts other bytes
    return int(length) if length.isdecimal() and not encoded else None


def _content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """First byte and the file's size, from `bytes 100-199/200` or `bytes */200`."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", response.headers.get("Content-Range", "").strip())
    first, total = match.groups() if match else (None, None)
    return int(first) if first else None, int(total) if total else None


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc


def _unreachable(host: str) -> str:
    return f"cannot reach {host}: check the internet connection; meanwhile the bundled {BUNDLED!r} works offline"


# ---- Unpack ----------------------------------------------------------------------------------------------------------


def _install(archive: Path, folder: Path, url: str, sha256: str | None = None) -> Path:
    """Unpack `archive`, prove that it is a checkpoint, and only then let it appear as `folder`; delete the archive."""
    from .gansynth import checkpoint  # here, so that listing and downloading need neither NumPy nor TensorFlow

    found = _sha256(archive)
    if sha256 and found != sha256.lower():
        _discard(archive)
        raise ValueError(f"{url} delivered a file with SHA-256 {found} instead of {sha256.lower()}; it was deleted")
    unpacking = folder.with_name(f".{folder.name}.unpacking")
    size = archive.stat().st_size
    try:
        _check_zip(archive)
        if unpacking.exists():  # left by a process that was killed
            shutil.rmtree(unpacking)
        unpacking.mkdir()
        checkpoint.extract_published(archive, unpacking)
        checkpoint.read(unpacking)
        files = {p.relative_to(unpacking).as_posix(): _sha256(p) for p in sorted(unpacking.rglob("*")) if p.is_file()}
        date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        record = {"url": url, "date": date, "bytes": size, "sha256": found, "files": files}
        (unpacking / RECORD).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        os.replace(unpacking, folder)
    except _BAD_ARCHIVE as error:
        _discard(archive)
        reason = str(error).replace(str(unpacking), "the archive").replace(str(archive), "the archive")
        raise ValueError(f"{url} did not deliver a usable checkpoint: {reason}; it was deleted") from None
    except OSError as error:
        raise OSError(
            f"cannot unpack to {folder} ({error.strerror or error}): put that right and run it again"
        ) from None
    finally:
        shutil.rmtree(unpacking, ignore_errors=True)
    _discard(archive)
    return folder


def _check_zip(archive: Path) -> None:
    """Refuse what is no zip, or one that would unpack to too much."""
    from .gansynth import checkpoint

    if not zipfile.is_zipfile(archive):
        with open(archive, "rb") as file:
            page = file.read(64).lstrip().lower().startswith((b"<!doctype", b"<html"))
        raise ValueError(f"{archive} is {'a web page' if page else 'not a zip archive'}")
    checkpoint.check_zip(archive)


# ---- Google Drive ----------------------------------------------------------------------------------------------------


@in_one_line
def from_drive(link_or_id: str, destination: str | os.PathLike | None = None, progress: bool = True) -> Path:
    """Fetch a file that is shared on Google Drive: a checkpoint's zip, a MIDI file.

    Args:
      link_or_id: the link that "Share" copies, or the file's id.
      destination: a folder, or the path of the file if it has a suffix; by default `folders.data()/drive`. In a folder
        the file keeps its own name, with odd characters replaced; one of that name with other contents is left alone.
      progress: show gdown's bar.

    Returns:
      The file.

    Raises:
      ValueError: not the link of one file, or the file is larger than any checkpoint.
      PermissionError: Drive does not hand the file out.
      ConnectionError: no network.
    """
    import gdown  # slow to import, and only needed here; this call works with its versions 5.2 and 6

    identity = drive_id(link_or_id)
    target = Path(destination).expanduser() if destination is not None else folders.data() / "drive"
    is_file = bool(target.suffix) and not target.is_dir()
    home = target.parent if is_file else target
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".drive-", dir=home) as temporary:
        try:
            _from_drive(gdown, identity, Path(temporary), is_file, progress)
        except _TooLargeError:
            size = f"larger than {MAX_ARCHIVE_BYTES >> 20} MB"
            raise ValueError(f"{identity} on Google Drive is {size}: that is no checkpoint") from None
        except requests.HTTPError:
            pass
        except requests.RequestException:
            raise ConnectionError(_unreachable("drive.google.com")) from None
        except OSError as error:
            raise OSError(f"cannot write to {home}: {error.strerror or error}") from None
        # Each version has its own kinds, down to KeyError for a page that it does not understand.
        except Exception as error:
            if isinstance(error.__cause__, (requests.ConnectionError, requests.Timeout)):
                raise ConnectionError(_unreachable("drive.google.com")) from None
        fetched = [p for p in Path(temporary).iterdir() if p.is_file() and not p.name.endswith(".part")]
        if len(fetched) != 1:
            raise PermissionError(
                f"Google Drive does not hand out {identity}: check that it exists and is shared with 'Anyone with the "
                "link', or, if too many people have fetched it today, try again tomorrow"
            )
        if not is_file:
            target = _free_name(home / plain_name(fetched[0].name, identity), fetched[0], identity)
        os.replace(fetched[0], target)
    return target


class _TooLargeError(Exception):
    """Of a file on Drive."""


class _Bounded(io.FileIO):
    """A file that takes no more than a checkpoint has."""

    def write(self, data: bytes) -> int:
        _check_size(self.tell() + len(data))
        return super().write(data)


def _check_size(have: int, total: int | None = None) -> None:
    if max(have, total or 0) > MAX_ARCHIVE_BYTES:
        raise _TooLargeError


def _from_drive(gdown: ModuleType, identity: str, folder: Path, is_named: bool, progress: bool) -> None:
    """Fetch a file into an empty folder; under its own name unless it is named by who asks."""
    # Without cookies: those of the machine's user may open what is not shared with everybody.
    how = {"id": identity, "quiet": not progress, "use_cookies": False}
    if is_named:
        partial = folder / "file.part"
        with _Bounded(partial, "wb") as file:
            done = gdown.download(output=file, **how)
        if done is not None:
            partial.rename(folder / "file")
        return
    if "progress" in inspect.signature(gdown.download).parameters:  # from version 6 on
        how["progress"] = _check_size
    gdown.download(output=f"{folder}{os.sep}", **how)
    for file in folder.iterdir():
        _check_size(file.stat().st_size)


def drive_id(link_or_id: str) -> str:
    """The id of a file on Google Drive, from any of the links that Drive gives out, or from the id itself.

    Raises:
      ValueError: neither; or the link of a folder.
    """
    text = link_or_id.strip()
    if re.fullmatch(_DRIVE_ID, text):
        return text
    if is_drive_link(text):
        parts = _split_link(text)
        ids = urllib.parse.parse_qs(parts.query).get("id", [])
        match = re.match(rf"/file/(?:u/\d+/)?d/({_DRIVE_ID})(?:/|$)", parts.path)
        found = match[1] if match else ids[0] if len(ids) == 1 else ""
        if re.fullmatch(_DRIVE_ID, found) and "/folders/" not in parts.path:
            return found
    raise ValueError(
        f"{link_or_id!r} is not the link of a file on Google Drive; expected https://drive.google.com/file/d/…/view"
    )


def is_drive_link(text: str) -> bool:
    """Whether a link leads to Google Drive."""
    try:
        return _split_link(text).hostname in _DRIVE_HOSTS
    except ValueError:  # such as an unclosed [ of an IPv6 address
        return False


def _split_link(text: str) -> urllib.parse.SplitResult:
    text = text.strip()
    return urllib.parse.urlsplit(text if "://" in text else f"https://{text}")


def _locate_on_drive(link: str) -> Path:
    identity = drive_id(link)
    folder = _folder(f"drive-{identity}")
    if folder.is_dir():
        return verify(folder)
    with _alone(folder, progress=True):
        if folder.is_dir():  # another process was faster
            return verify(folder)
        archive = from_drive(identity, _downloads(folder) / f"{folder.name}.zip")
        return _install(archive, folder, f"https://drive.google.com/uc?id={identity}")


def _free_name(target: Path, fetched: Path, identity: str) -> Path:
    """`target`, or one with the id in it where another file has that name already."""
    if not target.exists() or (target.is_file() and _sha256(target) == _sha256(fetched)):
        return target
    return target.with_name(f"{target.stem}-{identity}{target.suffix}")
