"""A MIDI file as plain values: a `Song` of tracks of notes, a filter or two, and a piano roll.

Notebook: 03_midi.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path

MAX_BYTES = 64 << 20  # far above any real score; a larger file is something else
MAX_SECONDS = 6 * 3600.0  # a broken tempo or delta time can claim centuries

# Colours of the tracks, in order: Okabe & Ito's palette, told apart by colour-blind readers too.
TRACK_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#B8A800")


@dataclasses.dataclass(frozen=True)
class Note:
    """One note. Times in seconds from the start of the song."""

    pitch: int  # MIDI number, 60 is middle C
    velocity: int  # 1 to 127
    start: float
    end: float

    @property
    def duration(self) -> float:
        return self.end - self.start


@dataclasses.dataclass(frozen=True)
class Track:
    """The notes of one instrument of a file."""

    name: str
    program: int  # General MIDI program, counted from 0
    is_drum: bool
    notes: tuple[Note, ...]


@dataclasses.dataclass(frozen=True)
class Song:
    """A MIDI file, or a part of one."""

    name: str
    tracks: tuple[Track, ...]

    @property
    def notes(self) -> list[Note]:
        """All notes, drums included, in the order of tracks and, inside a track, of note-offs."""
        return [note for track in self.tracks for note in track.notes]

    @property
    def seconds(self) -> float:
        """End of the last note."""
        return max((note.end for note in self.notes), default=0.0)

    def __str__(self) -> str:
        rows = [f"{self.name}: {len(self.notes)} notes, {self.seconds:.1f} s"]
        for track in self.tracks:
            pitches = [note.pitch for note in track.notes]
            span = f"{note_name(min(pitches))} to {note_name(max(pitches))}" if pitches else "no notes"
            kind = "drums" if track.is_drum else f"program {track.program}"
            rows.append(f"  {track.name} ({kind}): {len(pitches)} notes, {span}")
        return "\n".join(rows)


def load(path: str | os.PathLike) -> Song:
    """Read a Standard MIDI File.

    Notes that are never closed are dropped, and so are tracks without notes.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is not a MIDI file, is damaged, or holds no notes.
    """
    import pretty_midi

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no MIDI file at {path}: there is no such file")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size >> 20} MB; a MIDI file is far smaller")
    with open(path, "rb") as file:
        if file.read(4) not in (b"MThd", b"RIFF"):
            raise ValueError(f"{path} is not a MIDI file: it does not begin with MThd")
    try:
        parsed = pretty_midi.PrettyMIDI(str(path))
    except Exception as error:  # the parsers below raise whatever a damaged byte leads them to
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{path} is a damaged MIDI file: {reason}") from None
    song = Song(path.stem, tuple(_tracks(parsed)))
    if not song.notes:
        raise ValueError(f"{path} holds no notes")
    if not song.seconds <= MAX_SECONDS:
        raise ValueError(f"{path} claims to last {song.seconds / 3600:.0f} hours; its times must be damaged")
    return song


def _tracks(parsed) -> Iterable[Track]:
    import pretty_midi

    for i, instrument in enumerate(parsed.instruments, start=1):
        notes = tuple(Note(n.pitch, n.velocity, float(n.start), float(n.end)) for n in instrument.notes)
        default = "Drums" if instrument.is_drum else pretty_midi.program_to_instrument_name(instrument.program)
        if notes:
            yield Track(instrument.name.strip() or f"{i} {default}", instrument.program, instrument.is_drum, notes)


def excerpt(song: Song, start: float = 0.0, end: float | None = None) -> Song:
    """The part of a song from `start` to `end` seconds, moved to begin at 0; notes that cross an edge are cut there."""
    end = song.seconds if end is None else end
    if not 0 <= start < end:
        raise ValueError(f"an excerpt from {start} s to {end} s is empty; end has to lie behind start")
    tracks = []
    for track in song.tracks:
        inside = (n for n in track.notes if n.start < end and n.end > start)
        cut = (dataclasses.replace(n, start=max(n.start, start) - start, end=min(n.end, end) - start) for n in inside)
        tracks.append(dataclasses.replace(track, notes=tuple(cut)))
    return Song(song.name, tuple(track for track in tracks if track.notes))


def note_name(pitch: int) -> str:
    """60 -> "C4"."""
    return f"{('C', 'C♯', 'D', 'D♯', 'E', 'F', 'F♯', 'G', 'G♯', 'A', 'A♯', 'B')[pitch % 12]}{pitch // 12 - 1}"


def plot(song: Song, ax=None):
    """Draw a piano roll: pitch names over seconds, a colour a track, paler where notes are soft.

    Args:
      song: what to draw.
      ax: matplotlib axes to draw on; new ones by default.

    Returns:
      The axes.
    """
    import matplotlib.pyplot as plt
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch, Rectangle

    if ax is None:
        _, ax = plt.subplots(figsize=(11, 4), layout="constrained")
    handles = []
    for i, track in enumerate(song.tracks):
        colour = TRACK_COLOURS[i % len(TRACK_COLOURS)]
        boxes = [Rectangle((n.start, n.pitch - 0.45), max(n.duration, 0.01), 0.9) for n in track.notes]
        shades = [to_rgba(colour, 0.35 + 0.65 * n.velocity / 127) for n in track.notes]
        ax.add_collection(PatchCollection(boxes, facecolors=shades, edgecolors="none"))
        handles.append(Patch(color=colour, label=track.name))
    pitches = [note.pitch for note in song.notes] or [60]
    low, high = min(pitches) - 2, max(pitches) + 2
    naturals = [p for p in range(low, high + 1) if p % 12 in ((0, 4, 7) if high - low <= 36 else (0,))]
    ax.set(xlim=(0, max(song.seconds, 0.1)), ylim=(low, high), xlabel="time (s)", ylabel="pitch", title=song.name)
    ax.set_yticks(naturals, [note_name(p) for p in naturals])
    ax.grid(axis="y", color="0.9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if len(handles) > 1:
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small")
    return ax
