"""Save scores from uploads, the web or Google Drive to data/scores, after checking that they are MIDI files.

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

MAX_FETCH_SECONDS = 60  # maximum duration of a download


def folder() -> Path:
    """The folder for scores from elsewhere."""
    return folders.data() / "scores"


def listing(folder: str | os.PathLike) -> list[Path]:
    """The scores in a folder, sorted by name; none if the folder does not exist."""
    return files.listing(folder, ENDINGS)


@in_one_line
def keep(content: bytes, name: str) -> Path:
    """Save a score from outside in `folder()`.

    Args:
      content: bytes of a MIDI file; a gzip file is decompressed.
      name: name of the file; unsafe characters are replaced. If another score has that name, a number is added.

    Returns:
      The path of the file.

    Raises:
      ValueError: `midi.load` cannot read the file; then nothing is saved.
      OSError: the folder is not writable.

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
        raise ValueError(f"{given} is a web page, not a MIDI file: on that page, save {smf.THE_FILE}")
    midi.parse(content, given, Path(name).suffix)
    return files.keep(content, folder() / name)


@in_one_line
def download(url: str) -> Path:
    """Fetch a score from the public web, within a minute.

    Addresses on this machine's own network are refused; see `addresses`.

    Args:
      url: http or https address of a MIDI file, or a link from Google Drive's "Share".

    Returns:
      The path of the file, in `folder()`.

    Raises:
      ValueError: it is not a web address, the file is too large, or `midi.load` cannot read it.
      ConnectionError: the server cannot be reached, is too slow, or broke the connection.
      OSError: the server refuses to serve the file (for Google Drive, a PermissionError).
    """
    try:
        page = downloads.small_file(url, MAX_BYTES, MAX_FETCH_SECONDS)
    except addresses.TooLargeError as error:
        raise ValueError(f"{error}; a MIDI file is far smaller") from None
    if addresses.is_web_page(page.content):
        raise ValueError(f"{url.strip()} is a web page, not a MIDI file: copy the link of {smf.THE_FILE}")
    return keep(page.content, page.name)


def _megabytes(size: int) -> str:
    return f"{size >> 20} MB"
