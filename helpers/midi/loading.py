"""From a MIDI file, whole, odd or damaged, to a `Song`.

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
    """Read a Standard MIDI File.

    A track is what one channel of one of the file's tracks plays with one program, in the order in which their first
    notes end. Its controllers are those of its own track or, where that sets none, of its channel elsewhere in the
    file. Tempo changes count wherever they stand.

    Damaged files are played as far as they go, and files of other shapes as players do; the song's `remarks` say what
    was passed over. A note that begins and ends at one moment is given a tenth of a second. One that never ends lasts
    as long as its track, or until its key is struck again; on drums it is a hit. Of millions of notes or changes of
    controllers, the first are read (`limits`).

    Args:
      path: a Standard MIDI File (.mid, .midi, .kar), also wrapped in RIFF (.rmi) or MacBinary, or packed by gzip.

    Raises:
      FileNotFoundError, IsADirectoryError: there is no such file.
      ValueError: it is not a MIDI file, is damaged, or holds no notes.

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
    """Read the content of a Standard MIDI File; see `load`.

    Args:
      content: of the file.
      name: of the song, without folders and ending; errors call the file by it.
      suffix: the file's ending, if `name` does not have it; it tells formats apart that look alike.

    Raises:
      ValueError: as `load`.
    """
    path = Path(name)
    try:
        file = smf.read(smf.unpacked(content, MAX_BYTES), (suffix or path.suffix).lower())
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    if not file.division:
        raise ValueError(f"{path} is a damaged MIDI file: its beats have no length")
    reader = Reader()
    for i in range(len(file.spans)):
        reader.read(file.events(i, file.remarks), file.remarks)
    if len(reader.groups) > MAX_TRACKS:
        raise ValueError(f"{path} has {len(reader.groups):,} tracks; {MAX_TRACKS} can be read")
    song = reader.song(_stem(path), file)
    if len(song.tracks) > MAX_TRACKS:
        raise ValueError(f"{path} has {len(song.tracks):,} tracks; {MAX_TRACKS} can be read")
    if not song.notes and file.remarks.is_damaged:
        raise ValueError(f"{path} is a damaged MIDI file: no note stands before the damage")
    if not song.notes:
        raise ValueError(f"{path} holds no notes")
    if not song.duration <= MAX_SECONDS:
        raise ValueError(f"{path} claims to last {song.duration / 3600:.0f} hours; its times must be damaged")
    return song


def _stem(path: Path) -> str:
    """The file's name without .mid, or .mid.gz."""
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem
