"""The contents of a MIDI file as plain values: a `Song` of tracks with notes and controllers, and a piano roll.

Notebook: 03_midi.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import drawing
from ..errors import in_one_line
from ..tables import counted, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MIN_DURATION = 0.1  # s; given to notes of zero length; long enough for nearly all drums
MAX_BARS = 10_000
MAX_BAR_LINES = 80  # more would be too dense to read
MAX_NAMED = 14  # tracks in a legend; more lines would be higher than the piano roll
MICROSECONDS_PER_QUARTER = 500_000  # the default tempo of MIDI files, 120 per minute
BEND_RANGE = 2.0  # semitones at full bend, unless the file sets another range
PEDAL_DOWN = 64  # lowest controller value that counts as pressed
MAX_PEDAL_SECONDS = 10.0  # s; how long a released note rings under the pedal, at most; a piano note has decayed by then

# Colours of the tracks, in order: Okabe & Ito's palette, which colour-blind readers can distinguish.
TRACK_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#B8A800")

# The controllers that are read: number -> (name, function from 0 … 127 to the unit of `Track.controls`).
CONTROLLERS: dict[int, tuple[str, Callable[[int], float]]] = {
    7: ("volume", lambda value: value / 127),
    10: ("pan", lambda value: max(-1.0, (value - 64) / 63)),
    11: ("expression", lambda value: value / 127),
    64: ("pedal", lambda value: float(value >= PEDAL_DOWN)),
    66: ("sostenuto", lambda value: float(value >= PEDAL_DOWN)),
}
RESET = {"expression": 1.0, "pedal": 0.0, "sostenuto": 0.0, "bend": 0.0}  # the effect of "reset all controllers" (121)

Changes = tuple[tuple[float, float], ...]  # (time (s), value from then on), in order of time


@dataclasses.dataclass(frozen=True, slots=True)  # a file can have millions
class Note:
    """One note.

    Attributes:
      pitch: MIDI pitch; 60 is middle C.
      velocity: 1 to 127.
      start: onset (s from the start of the song).
      end: time of the release (s).
    """

    pitch: int
    velocity: int
    start: float
    end: float

    @property
    def duration(self) -> float:
        """Time from onset to end (s)."""
        return self.end - self.start


@dataclasses.dataclass(frozen=True)
class Track:
    """The notes and controllers of one instrument in a file.

    Attributes:
      name: name, unique within a song.
      program: General MIDI program, counted from 0.
      is_drum: whether its pitches are drums.
      notes: the notes in order of their ends, as in the file.
      controls: changes of "volume" and "expression" (0 to 1), "pan" (-1 left to 1 right), "pedal" and "sostenuto" (0 or
        1) and "bend" (semitones). Controllers that are never set are missing.
      has_program: whether the file sets the program; if not, `program` is 0 (piano), the default of MIDI players.
    """

    name: str
    program: int
    is_drum: bool
    notes: tuple[Note, ...]
    controls: Mapping[str, Changes] = dataclasses.field(default_factory=dict)
    has_program: bool = dataclasses.field(default=True, compare=False)  # does not affect the sound

    def __repr__(self) -> str:
        return f"Track({self.name!r}, {self.kind}, {counted(len(self.notes), 'note')})"

    @property
    def kind(self) -> str:
        """Its program or "drums", such as "program 73"."""
        return "drums" if self.is_drum else f"program {self.program}"

    @property
    def span(self) -> str:
        """Its lowest and highest pitch, such as "C2 to G5"."""
        pitches = [note.pitch for note in self.notes]
        return f"{note_name(min(pitches))} to {note_name(max(pitches))}" if pitches else "no notes"


@dataclasses.dataclass(frozen=True)
class Original:
    """A file as read by the original program, if that differs from the way MIDI players read it.

    Attributes:
      instead_of: the tracks that it belongs to.
      tracks: the tracks as the original program reads them.
      unclosed: number of notes that never end, and are left out.
      remarks: remarks on that reading.
    """

    instead_of: tuple[Track, ...]
    tracks: tuple[Track, ...]
    unclosed: int
    remarks: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Song:
    """The contents of a MIDI file, or an excerpt of it.

    Attributes:
      name: name of the file without folder and ending.
      tracks: the tracks, in the order in which their first notes end.
      tempos: (time (s), quarter notes per minute) for each change.
      meters: (time (s), numerator, denominator) for each time signature.
      unclosed: number of notes left out because they never end.
      remarks: descriptions of problems in the file that were ignored or repaired.
      original: the file as read by the original program, if that differs.
    """

    name: str
    tracks: tuple[Track, ...]
    tempos: Changes = ((0.0, 60e6 / MICROSECONDS_PER_QUARTER),)
    meters: tuple[tuple[float, int, int], ...] = ((0.0, 4, 4),)
    unclosed: int = 0
    remarks: tuple[str, ...] = ()
    original: Original | None = dataclasses.field(default=None, repr=False, compare=False)

    def as_original(self) -> Song:
        """The song as read by the original program; itself if that is the same, or if its tracks were replaced."""
        if self.original is None or self.original.instead_of is not self.tracks:
            return self
        read = self.original
        return dataclasses.replace(
            self, tracks=read.tracks, unclosed=read.unclosed, remarks=read.remarks, original=None
        )

    @property
    def notes(self) -> list[Note]:
        """All notes including drums, in order of tracks and, within a track, of note-offs."""
        return [note for track in self.tracks for note in track.notes]

    @property
    def duration(self) -> float:
        """End of the last note (s)."""
        return max((note.end for note in self.notes), default=0.0)

    def __repr__(self) -> str:
        tracks, notes = counted(len(self.tracks), "track"), counted(len(self.notes), "note")
        return f"Song({self.name!r}, {tracks}, {notes}, {self.duration:.1f} s)"

    def _head(self) -> str:
        """Name, number of notes, duration, tempo and time signatures in one line."""
        tempos = sorted({round(tempo) for _, tempo in self.tempos})
        meters = list(dict.fromkeys(f"{beats}/{value}" for _, beats, value in self.meters))
        tempo = f"{tempos[0]}" if len(tempos) == 1 else f"{tempos[0]} to {tempos[-1]}"
        return f"{self.name}: {len(self.notes)} notes, {self.duration:.1f} s, {tempo} bpm, {', '.join(meters[:4])}"

    def __str__(self) -> str:
        rows = [self._head()]
        for number, track in enumerate(self.tracks, start=1):
            moves = f"; {', '.join(sorted(track.controls))}" if track.controls else ""
            rows.append(f"  {number} {track.name} ({track.kind}): {len(track.notes)} notes, {track.span}{moves}")
        rows += [f"  file: {remark}" for remark in self.remarks]
        return "\n".join(rows)

    def _repr_html_(self) -> str:
        rows = [
            (number, track.name, track.kind, len(track.notes), track.span, ", ".join(sorted(track.controls)))
            for number, track in enumerate(self.tracks, start=1)
        ]
        tracks = table(rows, ("", "track", "played by", "notes", "range", "controllers"), self._head())
        return tracks + (table([("file", remark) for remark in self.remarks]) if self.remarks else "")


@in_one_line
def excerpt(song: Song, start: float = 0.0, end: float | None = None) -> Song:
    """The part of a song from `start` to `end` (s), shifted to begin at 0. Notes that cross an edge are cut.

    >>> from helpers import midi
    >>> song = midi.load("data/midi/bach_prelude.mid")
    >>> midi.excerpt(song, 0, 4)
    Song('bach_prelude', 1 track, 22 notes, 4.0 s)
    """
    start, end = float(start), float(song.duration if end is None else end)  # else every note would have NumPy scalars
    if not 0 <= start < end:
        raise ValueError(f"an excerpt from {start} s to {end} s is empty; start must be at least 0 and before end")
    tracks = _cut(song.tracks, start, end)
    read = song.as_original()  # has different notes, which are cut separately
    original = Original(tracks, _cut(read.tracks, start, end), read.unclosed, read.remarks)
    return dataclasses.replace(
        song,
        tracks=tracks,
        tempos=_changes_within(song.tempos, start, end),
        meters=_changes_within(song.meters, start, end),
        original=None if read is song else original,
    )


def _cut(tracks: tuple[Track, ...], start: float, end: float) -> tuple[Track, ...]:
    """Tracks from `start` to `end` (s), shifted to begin at 0; those without notes there are left out."""
    parts = []
    for track in tracks:
        inside = (n for n in track.notes if n.start < end and n.end > start)
        cut = (dataclasses.replace(n, start=max(n.start, start) - start, end=min(n.end, end) - start) for n in inside)
        moved = {kind: _changes_within(changes, start, end) for kind, changes in track.controls.items()}
        for pedal in ("pedal", "sostenuto"):  # release the pedals at the end, so that notes they hold are cut as well
            if moved.get(pedal) and moved[pedal][-1][1]:
                moved[pedal] = (*moved[pedal], (end - start, 0.0))
        controls = {kind: changes for kind, changes in moved.items() if changes}
        parts.append(dataclasses.replace(track, notes=tuple(cut), controls=controls))
    return tuple(part for part in parts if part.notes)


def _changes_within(changes: tuple, start: float, end: float) -> tuple:
    """Changes from `start` to `end` (s), shifted to begin at 0, including the value in effect at `start`."""
    before = [(0.0, *values) for second, *values in changes if second <= start][-1:]
    return (*before, *((second - start, *values) for second, *values in changes if start < second < end))


def pedalled(track: Track) -> Track:
    """The track with its notes extended by the sustain and sostenuto pedals.

    A note that is released while the sustain pedal is down, or that was held when the sostenuto pedal went down, ends
    when the pedal is released, when its key is struck again, or ten seconds after its release, whichever is first.
    """
    sustain, sostenuto = (_Pedal(track.controls.get(name, ())) for name in ("pedal", "sostenuto"))
    if not sustain.is_used and not sostenuto.is_used:
        return track
    strikes: dict[int, list[float]] = defaultdict(list)
    for note in track.notes:
        strikes[note.pitch].append(note.start)
    for starts in strikes.values():
        starts.sort()

    def ring(note: Note) -> Note:
        released = note.end
        if sostenuto.is_down(note.end) and note.start <= sostenuto.pressed_at(note.end) < note.end:
            released = sostenuto.lift(note.end)
        if sustain.is_down(released):
            released = sustain.lift(released)
        if released == note.end:
            return note
        again = strikes[note.pitch]
        struck = again[i] if (i := bisect.bisect_left(again, note.end)) < len(again) else math.inf
        return dataclasses.replace(note, end=min(released, struck, note.end + MAX_PEDAL_SECONDS))

    return dataclasses.replace(track, notes=tuple(ring(note) for note in track.notes))


class _Pedal:
    """The times (s) at which a pedal is pressed and released."""

    def __init__(self, changes: Changes):
        downs = [value > 0 for _, value in changes]
        turns = [i for i, down in enumerate(downs) if down != (i > 0 and downs[i - 1])]
        self.turns = [changes[i][0] for i in turns]  # down, up, down, up, …
        self.is_used = bool(turns)

    def is_down(self, second: float) -> bool:
        return bisect.bisect_right(self.turns, second) % 2 == 1

    def pressed_at(self, second: float) -> float:
        """When it was last pressed or released: for a pedal that is down, when it was pressed."""
        return self.turns[bisect.bisect_right(self.turns, second) - 1]

    def lift(self, second: float) -> float:
        """When it is released next; infinity if never."""
        i = bisect.bisect_right(self.turns, second)
        return self.turns[i] if i < len(self.turns) else math.inf


def bars(song: Song) -> np.ndarray:
    """Start times (s) of a song's bars, from its time signatures and tempos; at most the first 10,000 bars.

    >>> from helpers import midi
    >>> midi.bars(midi.load("data/midi/bach_prelude.mid"))[:4]
    array([0., 3., 6., 9.])
    """
    times = np.array([second for second, _ in song.tempos])
    per_second = np.array([tempo / 60 for _, tempo in song.tempos])
    quarters = np.concatenate([[0.0], np.cumsum(np.diff(times) * per_second[:-1])])

    def quarter_at(second: float) -> float:
        i = max(int(np.searchsorted(times, second, side="right")) - 1, 0)
        return quarters[i] + (second - times[i]) * per_second[i]

    lines: list[float] = []
    ends = [second for second, *_ in song.meters[1:]] + [song.duration]
    for (start, beats, value), end in zip(song.meters, ends, strict=True):
        first, length = quarter_at(start), 4 * beats / value
        count = int(np.ceil(max(quarter_at(min(end, song.duration)) - first, 0) / length - 1e-9))
        lines += [first + k * length for k in range(min(count, MAX_BARS - len(lines)))]
    at = np.maximum(np.searchsorted(quarters, lines, side="right") - 1, 0)
    return times[at] + (np.array(lines) - quarters[at]) / per_second[at]


def note_name(pitch: int) -> str:
    """The name of a MIDI pitch. Middle C is C4.

    >>> from helpers import midi
    >>> midi.note_name(60), midi.note_name(61)
    ('C4', 'C♯4')
    """
    return f"{('C', 'C♯', 'D', 'D♯', 'E', 'F', 'F♯', 'G', 'G♯', 'A', 'A♯', 'B')[pitch % 12]}{pitch // 12 - 1}"


def note_hertz(pitch: float) -> float:
    """The frequency (Hz) of a MIDI pitch in equal temperament, with A4 (pitch 69) at 440 Hz.

    >>> from helpers import midi
    >>> midi.note_hertz(69), round(midi.note_hertz(60), 2)
    (440.0, 261.63)
    """
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


def plot(song: Song, ax: Axes | None = None) -> Axes:
    """Plot a piano roll, with a colour for each track, paler for softer notes, and bar lines.

    The legend lists the tracks; if there are more than `MAX_NAMED`, those with the most notes and the number of others.

    Args:
      song: the song.
      ax: matplotlib axes; new ones by default.

    Returns:
      The axes.

    >>> from helpers import midi
    >>> ax = midi.plot(midi.load("data/midi/study.mid"))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('time (s)', 'pitch')
    """
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(11, 4), layout="constrained")
    handles = {}  # by track
    for i, track in enumerate(song.tracks):
        colour = TRACK_COLOURS[i % len(TRACK_COLOURS)]
        notes = np.array([(n.start, n.start + max(n.duration, 0.01), n.pitch, n.velocity) for n in track.notes])
        left, right, pitch, velocity = notes.reshape(-1, 4).T
        under, over = pitch - 0.45, pitch + 0.45
        # Any, because matplotlib's type hints ask for a list, although it accepts an array, which is much faster.
        boxes: Any = np.stack([(left, under), (right, under), (right, over), (left, over)]).transpose(2, 0, 1)
        shades = np.empty((len(boxes), 4))  # vectorised, because there may be a million notes
        shades[:, :3], shades[:, 3] = to_rgb(colour), 0.35 + 0.65 * velocity / 127
        ax.add_collection(PolyCollection(boxes, facecolors=shades, edgecolors="none"))
        handles[i] = Patch(color=colour, label=track.name)
    pitches = [note.pitch for note in song.notes] or [60]
    low, high = min(pitches) - 2, max(pitches) + 2
    naturals = [p for p in range(low, high + 1) if p % 12 in ((0, 4, 7) if high - low <= 36 else (0,))]
    ax.set(xlim=(0, max(song.duration, 0.1)), ylim=(low, high), xlabel="time (s)", ylabel="pitch")
    drawing.literal(ax.set_title(song.name))
    ax.set_yticks(naturals, [note_name(p) for p in naturals])
    ax.grid(axis="y", color="0.9")
    lines = bars(song)
    if len(lines) <= MAX_BAR_LINES:
        ax.vlines(lines, 0, 1, transform=ax.get_xaxis_transform(), color="0.85", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if len(handles) > 1:
        by_notes = sorted(handles, key=lambda i: -len(song.tracks[i].notes))
        named = [handles[i] for i in sorted(by_notes[:MAX_NAMED])]
        if others := len(handles) - len(named):
            named.append(Patch(color="none", label=f"and {others} more"))
        legend = ax.legend(handles=named, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small")
        for text in legend.get_texts():
            drawing.literal(text)
    return ax
