"""Scores from elsewhere: uploaded, from the web or from Google Drive -> a file in data/scores that is known to be MIDI.

    song = midi.load(midi_sources.download("https://example.com/song.mid"))

Notebook: 03_midi.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import addresses, downloads, files, folders, midi
from .errors import in_one_line
from .files import plain_name
from .limits import MAX_BYTES
from .midi import smf
from .scores import ENDINGS

MAX_FETCH_SECONDS = 60  # that a download may take


def folder() -> Path:
    """Where scores from elsewhere are kept."""
    return folders.data() / "scores"


def listing(folder: str | os.PathLike) -> list[Path]:
    """The scores in a folder, by name; none if there is no such folder."""
    return files.listing(folder, ENDINGS)


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

    >>> from pathlib import Path
    >>> from helpers import midi, midi_sources
    >>> path = midi_sources.keep(Path("data/midi/study.mid").read_bytes(), "my study?.mid")
    >>> path.name, midi.load(path)
    ('my study_.mid', Song('my study_', 5 tracks, 241 notes, 29.9 s))
    """
    name = plain_name(name, "score")
    if content[:2] == smf.GZIP:
        name = name[:-3] if name.lower().endswith(".gz") else name
        try:
            content = smf.unpacked(content, MAX_BYTES)
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    given = name  # messages name the file as its owner knows it
    if Path(name).suffix.lower() not in ENDINGS:
        name += ".mid"
    if len(content) > MAX_BYTES:
        raise ValueError(f"{given} has {_megabytes(len(content))}; a MIDI file is far smaller")
    if addresses.is_web_page(content):
        raise ValueError(f"{given} is a web page and not a MIDI file: on that page, save {smf.THE_FILE}")
    midi.parse(content, given, Path(name).suffix)
    return files.keep(content, folder() / name)


@in_one_line
def download(url: str) -> Path:
    """Fetch a score from the public web, within a minute.

    Addresses of this machine's own network are refused; see `addresses`.

    Args:
      url: an http or https address of a MIDI file, or the link that Google Drive's "Share" copies.

    Returns:
      The file, in `folder()`.

    Raises:
      ValueError: not a web address, the file is too large, or what `midi.load` finds wrong with it.
      ConnectionError: the server cannot be reached, is too slow or broke off.
      OSError: the server refuses to serve the file. From Google Drive it is a PermissionError.
    """
    try:
        page = downloads.small_file(url, MAX_BYTES, MAX_FETCH_SECONDS)
    except addresses.TooLargeError as error:
        raise ValueError(f"{error}; a MIDI file is far smaller") from None
    if addresses.is_web_page(page.content):
        raise ValueError(f"{url.strip()} is a web page and not a MIDI file: copy the link of {smf.THE_FILE}")
    return keep(page.content, page.name)


def _megabytes(size: int) -> str:
    return f"{size >> 20} MB"
