"""Scores from elsewhere: uploaded, from the web or from Google Drive -> a file in data/scores that is known to be MIDI.

    song = midi.load(scores.download("https://example.com/song.mid"))

Notebook: 03_midi.
"""

from __future__ import annotations

import email.message
import os
import re
import tempfile
import time
import urllib.parse
from pathlib import Path

import requests

from . import midi, smf
from .checkpoints import data_dir, from_drive, is_drive_link
from .errors import in_one_line
from .files import numbered, plain_name, replacing

ENDINGS = (".mid", ".midi", ".kar", ".rmi", ".mid.gz")  # of the files that are scores
CHUNK_BYTES = 1 << 14  # read from the network at a time
CONNECT_SECONDS = 10  # to reach a server ...
READ_SECONDS = 15  # ... the longest silence before it counts as gone ...
LONGEST_SECONDS = 60  # ... and the longest that a download may take
MAX_REDIRECTS = 5
THE_FILE = "the file itself (its download link), or in Google Drive use Share, Copy link"


def folder() -> Path:
    """Where scores from elsewhere are kept."""
    return data_dir() / "scores"


def listing(folder: str | os.PathLike) -> list[Path]:
    """The scores in a folder, by name; none if there is no such folder."""
    folder = Path(folder)
    files = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in files if path.name.lower().endswith(ENDINGS) and path.is_file())


@in_one_line
def keep(content: bytes, name: str) -> Path:
    """Write a score that came from outside into `folder()`.

    Args:
      content: the bytes of a MIDI file; one that gzip has packed is unpacked.
      name: the file's; odd characters are replaced. A number is added where another score has it already.

    Returns:
      The file.

    Raises:
      ValueError: what `midi.load` finds wrong with the file. Then nothing is kept.
      OSError: the folder cannot be written to.
    """
    name = plain_name(name, "score")
    if content[:2] == smf.GZIP:
        name = name[:-3] if name.lower().endswith(".gz") else name
        try:
            content = smf.unpacked(content, midi.MAX_BYTES)
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    if Path(name).suffix.lower() not in ENDINGS:
        name += ".mid"
    if len(content) > midi.MAX_BYTES:
        raise ValueError(f"{name} has {_megabytes(len(content))}; a MIDI file is far smaller")
    if is_web_page(content):
        raise ValueError(f"{name} is a web page and not a MIDI file: on that page, save {THE_FILE}")
    target = next(path for path in numbered(folder() / name) if not path.exists() or _holds(path, content))
    with replacing(target) as partial:
        partial.write_bytes(content)
        try:
            midi.load(partial)
        except ValueError as error:
            raise ValueError(str(error).replace(str(partial), name)) from None
    return target


def is_web_page(content: bytes) -> bool:
    """Whether a file begins as web pages do."""
    return bool(re.match(rb"\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body)\b", content[:2000], re.I | re.S))


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


@in_one_line
def download(url: str) -> Path:
    """Fetch a score from the web.

    Args:
      url: an http or https address of a MIDI file, or the link that Google Drive's "Share" copies.

    Returns:
      The file, in `folder()`.

    Raises:
      ValueError: not a web address, the file is too large, or what `midi.load` finds wrong with it.
      ConnectionError: the server cannot be reached, is too slow or broke off.
      OSError: the server does not hand the file out. From Google Drive it is a PermissionError.
    """
    url = url.strip()
    if is_drive_link(url):
        with tempfile.TemporaryDirectory() as home:
            file = from_drive(url, home, progress=False)
            if file.stat().st_size > midi.MAX_BYTES:
                raise ValueError(f"{file.name} has {_megabytes(file.stat().st_size)}; a MIDI file is far smaller")
            return keep(file.read_bytes(), file.name)
    try:
        with requests.Session() as session:
            session.max_redirects = MAX_REDIRECTS
            headers = {"Accept-Encoding": "identity"}  # what is sent is what is counted
            with session.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as response:
                if not response.ok:
                    raise OSError(f"{url} cannot be fetched: the server answers with HTTP {response.status_code}")
                content = _body(response, url)
                if is_web_page(content):
                    raise ValueError(f"{url} is a web page and not a MIDI file: copy the link of {THE_FILE}")
                return keep(content, _name(response))
    except (requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL):
        raise ValueError(f"{url!r} is not a web address; expected https://…") from None
    except requests.TooManyRedirects:
        raise ConnectionError(f"{url} leads on and on to other addresses; give the last one") from None
    except requests.RequestException:
        raise ConnectionError(f"{url} cannot be reached: check the address and the internet connection") from None


def _body(response: requests.Response, url: str) -> bytes:
    """What a server sends, if that is not too much and does not take too long."""
    began, content = time.monotonic(), bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        content += chunk
        if len(content) > midi.MAX_BYTES:
            raise ValueError(f"{url} has more than {_megabytes(midi.MAX_BYTES)}; a MIDI file is far smaller")
        if time.monotonic() - began > LONGEST_SECONDS:
            raise ConnectionError(f"{url} takes longer than {LONGEST_SECONDS} s; try again later")
    return bytes(content)


def _name(response: requests.Response) -> str:
    """The file's name, as the server says or else as the address ends."""
    head = email.message.Message()
    head["Content-Disposition"] = response.headers.get("Content-Disposition", "attachment")
    return head.get_filename() or urllib.parse.unquote(urllib.parse.urlsplit(response.url).path)


def _megabytes(size: int) -> str:
    return f"{size >> 20} MB"
