"""Download files from the web and Google Drive, with resumption, a size limit and one-sentence errors.

`gansynth.hub` uses it for checkpoints, `midi_sources` and `recording_sources` for small files.

pooch (1.9) is not used because it restarts interrupted downloads and has no size limit; a custom downloader for it
would need all of the code below.

Notebook: 02_checkpoints.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import os
import re
import tempfile
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import requests
from tqdm.auto import tqdm

from . import addresses, folders, jsonfile
from .errors import in_one_line
from .files import plain_name

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from Python 3.12 on

CHUNK_BYTES = 1 << 18  # read from the network at a time; the most that is lost when a connection breaks
CONNECT_SECONDS = 15  # timeout for connecting
READ_SECONDS = 60  # timeout for each read
MAX_NOTES_BYTES = 1 << 16  # size of the notes on an unfinished download
MAX_ARCHIVE_BYTES = 4 << 30  # a published model, with its optimizer and discriminator, is much smaller

Progress = bool | Callable[[int, int | None], None]  # whether to show a bar; or a function of (bytes so far, total)

_DRIVE = "https://drive.google.com/uc?export=download&id={}"  # for a file shared with everyone
_NOT_SHARED = "Google Drive does not provide {}: check that it exists and is shared with 'Anyone with the link'"
_DRIVE_HOSTS = ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")
_DRIVE_ID = r"[A-Za-z0-9_-]{20,}"


def fetch(name: str, url: str, part: Path, progress: Progress = True) -> None:
    """Download a file, resuming an earlier attempt if the server's file has not changed.

    Args:
      name: name of the file in messages and in the progress bar.
      url: its address.
      part: path of the (partial) file; notes on the download are saved next to it, until `discard`.
      progress: show a progress bar; or a function of (bytes so far, total bytes or None), called after each chunk.

    Raises:
      ConnectionError: the server cannot be reached, or the connection broke; call again to continue.
      FileNotFoundError: the server has no such file.
      ValueError: the address is invalid, or the file is larger than any checkpoint.
      OSError: the server refuses, or the disk is full. The partial file is kept, to be continued.
    """
    if not _attempt(name, url, part, progress):
        discard(part)
        if not _attempt(name, url, part, progress):
            raise OSError(f"{_host(url)} sent a part of {name} that was not requested; try again later")


def _attempt(name: str, url: str, part: Path, progress: Progress) -> bool:
    """Make one request. Returns False if `part` is no longer valid and the download must start from zero.

    Source: RFC 9110, sections 13.1.5 (If-Range), 14.2 (Range) and 15.5.17 (416).
    """
    notes = _read_notes(part)  # on the first response for `part`
    validator: str | None = notes.get("validator") if notes.get("url") == url else None
    have = part.stat().st_size if validator and part.is_file() else 0
    headers = {"Accept-Encoding": "identity"}  # so that sizes and offsets refer to the file itself
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with _get(name, url, headers) as response:
        if response.status_code == 416:  # there are no more bytes: complete if the size is right
            return bool(have) and (_content_range(response)[1] or notes.get("total")) == have
        if response.status_code == 206:
            start, total = _content_range(response)
            same = _validator(response) in (None, validator) and notes.get("total") in (None, total)
            if not have or start != have or not same:
                return False
        else:
            have, total = 0, _length(response)
            discard(part)  # before the notes are written, so that a crash cannot lead to joining two different files
            notes = {"url": url, "validator": _validator(response), "total": total}
            _notes(part).write_text(json.dumps(notes), "utf-8")
        _receive(name, response, part, have, total, progress)
    return True


def _get(name: str, url: str, headers: dict[str, str]) -> requests.Response:
    """The server's response, if its status is 200, 206 or 416."""
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS))
    except (requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL):
        raise ValueError(f"{url!r} is not a web address; expected https://…") from None
    except requests.RequestException:
        raise _unreachable(_host(url)) from None
    status = response.status_code
    if status in (200, 206, 416):
        return response
    response.close()
    raise addresses.refusal(status, name, url)


def _receive(
    name: str, response: requests.Response, part: Path, have: int, total: int | None, progress: Progress
) -> None:
    """Append the body of a response to `part`."""
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
        discard(part)
        raise ValueError(f"{response.url} is larger than {MAX_ARCHIVE_BYTES >> 20} MB, so it is not a checkpoint")
    if broken or total not in (None, have):
        of = f"{have:,} of {total:,}" if total else f"{have:,}"
        raise ConnectionError(f"only {of} bytes of {name} arrived from {_host(response.url)}; run it again to continue")


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_notes(part: Path) -> dict[str, Any]:
    try:
        values = jsonfile.parse(jsonfile.read_text(_notes(part), MAX_NOTES_BYTES))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def discard(part: Path) -> None:
    """Delete an unfinished download and the notes on it."""
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _validator(response: requests.Response) -> str | None:
    """A strong validator of the file's version, which allows parts to be joined; None if there is none."""
    tag = response.headers.get("ETag", "W/")
    return response.headers.get("Last-Modified") if tag.startswith("W/") else tag


def _length(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"  # then it is not the file's length
    return int(length) if length.isdecimal() and not encoded else None


def _content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """The first byte and the size of the file, from `bytes 100-199/200` or `bytes */200`."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", response.headers.get("Content-Range", "").strip())
    first, total = match.groups() if match else (None, None)
    return int(first) if first else None, int(total) if total else None


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc


def _unreachable(host: str) -> ConnectionError:
    return addresses.unreachable(host, "check the internet connection; meanwhile the bundled 'demo' works offline")


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()  # not hashlib.file_digest, which needs Python 3.11
    with open(file, "rb") as data:
        while block := data.read(CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()


# ---- Google Drive ----------------------------------------------------------------------------------------------------


@in_one_line
def from_drive(link_or_id: str, destination: str | os.PathLike | None = None, progress: bool = True) -> Path:
    """Download a file shared on Google Drive, such as a checkpoint's zip or a MIDI file.

    Args:
      link_or_id: a link from "Share", or the id of the file.
      destination: a folder, or the path of the file if it has a suffix; by default `folders.data()/drive`. In a folder
        the file keeps its name, with unsafe characters replaced; a different file of that name is not overwritten.
      progress: show gdown's progress bar.

    Returns:
      The path of the file.

    Raises:
      ValueError: it is not the link of a single file, or the file is larger than any checkpoint.
      PermissionError: Drive refuses to serve the file.
      ConnectionError: there is no connection.
    """
    import gdown  # slow to import; supported versions are 5.2 and 6

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
            raise ValueError(f"{identity} on Google Drive is {size}, so it is not a checkpoint") from None
        except requests.HTTPError:
            pass
        except requests.RequestException:
            raise _unreachable("drive.google.com") from None
        except OSError as error:
            raise OSError(f"cannot write to {home}: {error.strerror or error}") from None
        # The types differ between versions of gdown, down to KeyError for a page that it cannot parse.
        except Exception as error:
            if isinstance(error.__cause__, (requests.ConnectionError, requests.Timeout)):
                raise _unreachable("drive.google.com") from None
        fetched = [p for p in Path(temporary).iterdir() if p.is_file() and not p.name.endswith(".part")]
        if len(fetched) != 1:
            raise PermissionError(
                f"Google Drive does not provide {identity}: check that it exists and is shared with 'Anyone with the "
                "link', or, if it was downloaded too often today, try again tomorrow"
            )
        if not is_file:
            target = _free_name(home / plain_name(fetched[0].name, identity), fetched[0], identity)
        os.replace(fetched[0], target)
    return target


def small_file(link: str, most_bytes: int, seconds: float) -> addresses.Page:
    """Fetch a small file from the public web or Google Drive, as `addresses.fetch` does.

    Args:
      link: an http or https address, or a link from Google Drive's "Share".
      most_bytes: maximum size of the file.
      seconds: maximum total time.

    Raises:
      PermissionError: Drive does not provide the file.
      ValueError, OSError: as for `addresses.fetch`.
    """
    link = link.strip()
    if not is_drive_link(link):
        return addresses.fetch(link, most_bytes, seconds)
    try:
        page = addresses.fetch(_DRIVE.format(drive_id(link)), most_bytes, seconds, shown_as=link)
    except ConnectionError:
        raise
    except OSError:
        raise PermissionError(_NOT_SHARED.format(link)) from None
    if addresses.is_web_page(page.content):
        raise PermissionError(_NOT_SHARED.format(link))
    return page


class _TooLargeError(Exception):
    """A file on Google Drive is larger than `MAX_ARCHIVE_BYTES`."""


class _Bounded(io.FileIO):
    """A file that raises an error when it exceeds `MAX_ARCHIVE_BYTES`."""

    def write(self, data: Buffer, /) -> int:
        _check_size(self.tell() + memoryview(data).nbytes)
        return super().write(data)


def _check_size(have: int, total: int | None = None) -> None:
    if max(have, total or 0) > MAX_ARCHIVE_BYTES:
        raise _TooLargeError


def _from_drive(gdown: ModuleType, identity: str, folder: Path, is_named: bool, progress: bool) -> None:
    """Download a file into an empty folder, as "file" if `is_named`, otherwise under its own name."""
    # Without the cookies of the machine's user, which may give access to files that are not shared with everyone.
    how: dict[str, Any] = {"id": identity, "quiet": not progress, "use_cookies": False}
    if is_named:
        partial = folder / "file.part"
        with _Bounded(partial, "wb") as bounded:
            done = gdown.download(output=bounded, **how)
        if done is not None:
            partial.rename(folder / "file")
        return
    if "progress" in inspect.signature(gdown.download).parameters:  # from version 6 on
        how["progress"] = _check_size
    gdown.download(output=f"{folder}{os.sep}", **how)
    for file in folder.iterdir():
        _check_size(file.stat().st_size)


def drive_id(link_or_id: str) -> str:
    """The id of a file on Google Drive, from any kind of link to it or from the id itself.

    Raises:
      ValueError: it is neither, or is the link of a folder.

    >>> from helpers import downloads
    >>> downloads.drive_id("https://drive.google.com/file/d/1aBcDeFgHiJkLmNoPqRsTuVwXyZ012345/view?usp=sharing")
    '1aBcDeFgHiJkLmNoPqRsTuVwXyZ012345'
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


def _free_name(target: Path, fetched: Path, identity: str) -> Path:
    """`target`, or a name with the id in it if a different file has that name."""
    if not target.exists() or (target.is_file() and sha256_of(target) == sha256_of(fetched)):
        return target
    return target.with_name(f"{target.stem}-{identity}{target.suffix}")
