"""Load a MIDI file, even an irregular or damaged one, as a `Song`.

Notebook: 03_midi.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import in_one_line
from ..files import as_path
from ..limits import MAX_BYTES, MAX_SECONDS, MAX_TRACKS
from . import smf
from .reading import Reader
from .song import Song


@in_one_line
def load(path: str | os.PathLike) -> Song:
    """Load a Standard MIDI File.

    A track of the song has the notes of one channel in one of the file's tracks with one program. Tracks are in the
    order in which their first notes end. Controllers are those of the file's track or, if it sets none, of its channel
    in other tracks. Tempo changes count in all tracks.

    Damaged files are read up to the damage, and irregular files as MIDI players read them; the song's `remarks` list
    what was ignored. A note of zero length gets 0.1 s. A note without a note-off lasts until its key is struck again or
    its track ends; a drum note of this kind also gets 0.1 s. Numbers of notes and controller changes are limited
    (`limits`).

    Args:
      path: a Standard MIDI File (.mid, .midi, .kar), optionally wrapped in RIFF (.rmi) or MacBinary, or compressed by
        gzip.

    Raises:
      FileNotFoundError: there is no such file.
      IsADirectoryError: the path is a folder.
      ValueError: it is not a MIDI file, is damaged before its first note, has no notes, is too large or too long, or
        has too many tracks.

    >>> from helpers import midi
    >>> song = midi.load("data/midi/study.mid")
    >>> print(song)
    study: 241 notes, 29.9 s, 62 to 84 bpm, 4/4
      1 Flute (program 73): 29 notes, G4 to C6; bend, expression
      2 Piano (program 0): 80 notes, B3 to F5; pan, pedal
      3 Strings (program 48): 10 notes, G2 to G3; pan, volume
      4 Bass (program 32): 37 notes, B0 to C2; volume
      5 Drums (drums): 85 notes, C2 to C♯3; volume
    """
    path = as_path(path)
    if path.is_dir():
        raise IsADirectoryError(f"no MIDI file at {path}: it is a folder")
    if not path.is_file():
        raise FileNotFoundError(f"no MIDI file at {path}: there is no such file")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size >> 20} MB; a MIDI file is far smaller")
    return parse(path.read_bytes(), str(path), path.suffix)


def parse(content: bytes, name: str, suffix: str = "") -> Song:
    """Parse the content of a Standard MIDI File; see `load`.

    Args:
      content: bytes of the file.
      name: name or path of the file, for error messages; the song is named after it, without folder and ending.
      suffix: ending of the file if `name` does not include it; used to identify other formats.

    Raises:
      ValueError: as for `load`.
    """
    path = Path(name)
    try:
        file = smf.read(smf.unpacked(content, MAX_BYTES), (suffix or path.suffix).lower())
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    if not file.division:
        raise ValueError(f"{path} is a damaged MIDI file: its ticks per quarter note are 0")
    reader = Reader()
    for i in range(len(file.spans)):
        reader.read(file.events(i, file.remarks), file.remarks)
    if len(reader.groups) > MAX_TRACKS:
        raise ValueError(f"{path} has {len(reader.groups):,} tracks; the maximum is {MAX_TRACKS}")
    song = reader.song(_stem(path), file)
    if len(song.tracks) > MAX_TRACKS:
        raise ValueError(f"{path} has {len(song.tracks):,} tracks; the maximum is {MAX_TRACKS}")
    if not song.notes and file.remarks.is_damaged:
        raise ValueError(f"{path} is a damaged MIDI file: there is no note before the damage")
    if not song.notes:
        raise ValueError(f"{path} has no notes")
    if not song.duration <= MAX_SECONDS:
        raise ValueError(f"{path} would last {song.duration / 3600:.0f} hours, so its times must be damaged")
    return song


def _stem(path: Path) -> str:
    """The name of a file without .mid or .mid.gz."""
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem
