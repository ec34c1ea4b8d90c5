"""A MIDI file as plain values: a `Song` of tracks of notes and controllers, a filter or two, and a piano roll.

Notebook: 03_midi.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import io
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from . import drawing
from .errors import in_one_line
from .tables import table

MAX_BYTES = 8 << 20  # several times the largest real scores; each byte costs a hundred in memory while it is read
MAX_SECONDS = 6 * 3600.0  # a broken tempo or delta time can claim centuries
LONGEST_DELTA = (1 << 28) - 1  # ticks; a file has four bytes of seven bits for it, but mido reads on
MAX_TRACKS = 1000
LONGEST_NAME = 80  # characters of a track's name
LONGEST_RUN = 1 << 14  # bytes above 127 in a row; text in some languages has hundreds, and mido takes their square
MAX_BARS = 10_000
MAX_BAR_LINES = 80  # more would be a grey wall
MICROSECONDS_PER_QUARTER = 500_000  # a file that does not say: 120 to the minute
BEND_RANGE = 2.0  # semitones at full bend, unless the file sets another
PEDAL_DOWN = 64  # controller values from here on
PEDAL_LONGEST = 10.0  # s that a released note rings on under the pedal; a piano's has died away by then
DRUM_CHANNEL = 9  # counted from 0: what musicians call channel 10

# Colours of the tracks, in order: Okabe & Ito's palette, told apart by colour-blind readers too.
TRACK_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#B8A800")

# Controllers that are read: number -> (name, value of 0 … 127 in the name's unit).
CONTROLLERS: dict[int, tuple[str, Callable[[int], float]]] = {
    7: ("volume", lambda value: value / 127),
    10: ("pan", lambda value: max(-1.0, (value - 64) / 63)),
    11: ("expression", lambda value: value / 127),
    64: ("pedal", lambda value: float(value >= PEDAL_DOWN)),
}
RESET = {"expression": 1.0, "pedal": 0.0, "bend": 0.0}  # what "reset all controllers" (121) sets back

Changes = tuple[tuple[float, float], ...]  # (second, value from then on), in order of time


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
    """The notes of one instrument of a file, and what its controllers do meanwhile.

    `controls` holds the changes of "volume" and "expression" (0 to 1), "pan" (-1 left to 1 right), "pedal" (0 or 1) and
    "bend" (semitones); a name that never changes is not there.
    """

    name: str  # no two tracks of a song have the same
    program: int  # General MIDI program, counted from 0
    is_drum: bool
    notes: tuple[Note, ...]
    controls: Mapping[str, Changes] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Track({self.name!r}, {self.kind}, {counted(len(self.notes), 'note')})"

    @property
    def kind(self) -> str:
        """What plays it in the file, such as "program 73" or "drums"."""
        return "drums" if self.is_drum else f"program {self.program}"

    @property
    def span(self) -> str:
        """Its lowest and highest note, such as "C2 to G5"."""
        pitches = [note.pitch for note in self.notes]
        return f"{note_name(min(pitches))} to {note_name(max(pitches))}" if pitches else "no notes"


@dataclasses.dataclass(frozen=True)
class Song:
    """A MIDI file, or a part of one."""

    name: str
    tracks: tuple[Track, ...]
    tempos: Changes = ((0.0, 60e6 / MICROSECONDS_PER_QUARTER),)  # quarter notes a minute
    meters: tuple[tuple[float, int, int], ...] = ((0.0, 4, 4),)  # (second, beats, of which note value)
    unclosed: int = 0  # notes of the file that never end; they are left out

    @property
    def notes(self) -> list[Note]:
        """All notes, drums included, in the order of tracks and, inside a track, of note-offs."""
        return [note for track in self.tracks for note in track.notes]

    @property
    def seconds(self) -> float:
        """End of the last note."""
        return max((note.end for note in self.notes), default=0.0)

    def __repr__(self) -> str:
        tracks, notes = counted(len(self.tracks), "track"), counted(len(self.notes), "note")
        return f"Song({self.name!r}, {tracks}, {notes}, {self.seconds:.1f} s)"

    def _head(self) -> str:
        """Name, size, speed and time signatures, in a line."""
        speeds = sorted({round(tempo) for _, tempo in self.tempos})
        meters = list(dict.fromkeys(f"{beats}/{value}" for _, beats, value in self.meters))
        tempo = f"{speeds[0]}" if len(speeds) == 1 else f"{speeds[0]} to {speeds[-1]}"
        return f"{self.name}: {len(self.notes)} notes, {self.seconds:.1f} s, {tempo} bpm, {', '.join(meters[:4])}"

    def __str__(self) -> str:
        rows = [self._head()]
        for number, track in enumerate(self.tracks, start=1):
            moves = f"; {', '.join(sorted(track.controls))}" if track.controls else ""
            rows.append(f"  {number} {track.name} ({track.kind}): {len(track.notes)} notes, {track.span}{moves}")
        return "\n".join(rows)

    def _repr_html_(self) -> str:
        rows = [
            (number, track.name, track.kind, len(track.notes), track.span, ", ".join(sorted(track.controls)))
            for number, track in enumerate(self.tracks, start=1)
        ]
        return table(rows, ("", "track", "played by", "notes", "range", "controllers"), self._head())


def counted(count: int, thing: str) -> str:
    """1 -> "1 note", 1200 -> "1,200 notes"."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


@in_one_line
def load(path: str | os.PathLike) -> Song:
    """Read a Standard MIDI File.

    A track is what one channel of one of the file's tracks plays with one program, in the order in which their first
    notes end. Its controllers are those of its own track or, where that sets none, of its channel elsewhere in the
    file. Tempo changes count wherever they stand. Notes that are never closed are dropped and counted.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is not a MIDI file, is damaged, or holds no notes.
    """
    import mido

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no MIDI file at {path}: there is no such file")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size >> 20} MB; a MIDI file is far smaller")
    content = path.read_bytes()
    if content[:4] == b"RIFF":  # an .rmi file: a MIDI file in a wrapper
        content = content[max(content.find(b"MThd"), 0) :]
    if content[:4] != b"MThd":
        raise ValueError(f"{path} is not a MIDI file: it does not begin with MThd")
    if re.search(rb"[\x80-\xff]{%d}" % LONGEST_RUN, content):
        raise ValueError(f"{path} is a damaged MIDI file: no number, name or text in one is that long")
    # The key is not used, and mido refuses a whole file for one that does not exist: it is put down as C major.
    content = re.sub(rb"(?s)\xff\x59\x02..", b"\xff\x59\x02\x00\x00", content)
    try:
        # clip: a data byte above 127 is a common fault of files from the web; the nearest allowed value is played
        parsed = mido.MidiFile(file=io.BytesIO(content), clip=True)
    except Exception as error:  # the parser raises whatever a damaged byte leads it to
        raise ValueError(f"{path} is a damaged MIDI file: {_reason(error)}") from None
    if not parsed.ticks_per_beat:
        raise ValueError(f"{path} is a damaged MIDI file: its beats have no length")
    if any(message.time > LONGEST_DELTA for track in parsed.tracks for message in track):
        raise ValueError(f"{path} is a damaged MIDI file: it has a pause that is longer than any can be")
    reader = _Reader()
    for track in parsed.tracks:
        reader.read(track)
    if len(reader.groups) > MAX_TRACKS:
        raise ValueError(f"{path} has {len(reader.groups)} tracks; {MAX_TRACKS} can be read")
    song = reader.song(path.stem, parsed.ticks_per_beat)
    if not song.notes:
        raise ValueError(f"{path} holds no notes")
    if not song.seconds <= MAX_SECONDS:
        raise ValueError(f"{path} claims to last {song.seconds / 3600:.0f} hours; its times must be damaged")
    return song


def _reason(error: Exception) -> str:
    """What a library has to say, in one line; some say nothing but their name."""
    if isinstance(error, EOFError):
        return "it ends too early"
    if isinstance(error, LookupError):
        return "it has a value that does not exist"
    return " ".join(str(error).split()) or type(error).__name__


class _Clock:
    """Ticks of a file -> seconds."""

    def __init__(self, ticks_per_beat: int, tempos: Sequence[tuple[int, int]]):
        """
        Args:
          ticks_per_beat: as in the file's head; negative values count film frames instead of beats.
          tempos: (tick, microseconds a quarter note), in order of ticks.
        """
        if ticks_per_beat < 0:
            frames, ticks = -(ticks_per_beat >> 8), max(ticks_per_beat & 0xFF, 1)
            tempos, per_tick = [], 1.0 / (frames * ticks)
        else:
            per_tick = MICROSECONDS_PER_QUARTER * 1e-6 / ticks_per_beat
        self.ticks, self.seconds, self.per_tick = [0], [0.0], [per_tick]
        for tick, tempo in tempos:
            self.seconds.append(self(tick))
            self.ticks.append(tick)
            self.per_tick.append(tempo * 1e-6 / ticks_per_beat)

    def __call__(self, tick: int) -> float:
        i = bisect.bisect_right(self.ticks, tick) - 1
        return self.seconds[i] + (tick - self.ticks[i]) * self.per_tick[i]


_Place = tuple[int, int]  # port and channel


@dataclasses.dataclass
class _Channel:
    """What one of a file's tracks says on one channel, in ticks."""

    programs: list[int] = dataclasses.field(default_factory=list)
    controls: dict[str, list[tuple[int, float]]] = dataclasses.field(default_factory=lambda: defaultdict(list))


class _Reader:
    """What has been read of a file so far, in ticks; `song` turns it into seconds."""

    def __init__(self):
        self.channels: dict[_Place, dict[int, _Channel]] = defaultdict(lambda: defaultdict(_Channel))  # by file track
        self.groups: dict[tuple[int, _Place, int], list[tuple[int, int, int, int]]] = {}  # (program, place, file track)
        self.tempos: list[tuple[int, int]] = []
        self.meters: list[tuple[int, int, int]] = []
        self.names: list[str] = []
        self.bend_ranges: dict[_Place, float] = {}
        self.unclosed = 0

    def read(self, messages: Iterable) -> None:
        """Take in the messages of the file's next track."""
        i, tick, port, name = len(self.names), 0, 0, ""
        programs: dict[_Place, int] = {}
        pressed: dict[tuple[_Place, int], list[tuple[int, int]]] = defaultdict(list)
        selected: dict[_Place, dict[int, int]] = defaultdict(dict)  # which parameter is set next: controllers 98 to 101
        for message in messages:
            tick += message.time
            kind = message.type
            if kind == "set_tempo" and message.tempo:
                self.tempos.append((tick, message.tempo))
            elif kind == "time_signature" and message.numerator:
                self.meters.append((tick, message.numerator, message.denominator))
            elif kind == "track_name":
                name = name or _clean(message.name)
            elif kind == "midi_port":
                port = message.port
            if message.is_meta or not hasattr(message, "channel"):
                continue
            place = (port, message.channel)
            said = self.channels[place][i]
            if kind == "note_on" and message.velocity > 0:
                pressed[place, message.note].append((tick, message.velocity))
            elif kind in ("note_on", "note_off"):
                key = (place, message.note)
                ended, pressed[key] = _released(pressed[key], tick)
                if ended:
                    group = self.groups.setdefault((programs.get(place, 0), place, i), [])
                    group += [(message.note, velocity, start, tick) for start, velocity in ended]
            elif kind == "program_change":
                programs[place] = message.program
                said.programs.append(message.program)
            elif kind == "pitchwheel":
                bend = message.pitch / 8192 * self.bend_ranges.get(place, BEND_RANGE)
                said.controls["bend"].append((tick, bend))
            elif kind == "control_change" and message.control in CONTROLLERS:
                control, unit = CONTROLLERS[message.control]
                said.controls[control].append((tick, unit(message.value)))
            elif kind == "control_change" and message.control == 121:
                for control in RESET.keys() & said.controls.keys():  # others have not been moved yet
                    said.controls[control].append((tick, RESET[control]))
            elif kind == "control_change":
                self._parameter(place, message.control, message.value, selected[place])
        self.unclosed += sum(map(len, pressed.values()))
        self.names.append(name)

    def _parameter(self, place: _Place, control: int, value: int, selected: dict[int, int]) -> None:
        """Registered parameters; the first one, 0 and 0, is the bend range in semitones and hundredths."""
        if control in (100, 101):
            selected[control] = value
        elif control in (98, 99):  # one that is not registered: what is set next is not the bend range
            selected.clear()
        elif control in (6, 38) and selected.get(101) == 0 == selected.get(100):
            whole = int(self.bend_ranges.get(place, BEND_RANGE))
            self.bend_ranges[place] = float(value) if control == 6 else whole + value / 100

    def song(self, name: str, ticks_per_beat: int) -> Song:
        tempo_changes = _in_order(self.tempos)
        clock = _Clock(ticks_per_beat, tempo_changes)
        sharing = Counter(i for _, _, i in self.groups)
        tracks: list[Track] = []
        for (program, place, i), notes in self.groups.items():
            channel = self.channels[place]
            if not channel[i].programs:  # another track, the head perhaps, may have set it
                program = next((number for said in channel.values() for number in said.programs), program)
            is_drum = place[1] == DRUM_CHANNEL
            title = self.names[i] if self.names[i] and sharing[i] == 1 else _program_name(program, is_drum)
            timed = tuple(Note(pitch, velocity, clock(start), clock(end)) for pitch, velocity, start, end in notes)
            title = _unique(title, {track.name.lower() for track in tracks})
            tracks.append(Track(title, program, is_drum, timed, _controls(channel, i, clock)))
        tempos = tuple((clock(tick), 60e6 / tempo) for tick, tempo in tempo_changes)
        meters = tuple((clock(tick), beats, value) for tick, beats, value in _in_order(self.meters))
        return Song(
            name, tuple(tracks), _from_start(tempos, Song.tempos), _from_start(meters, Song.meters), self.unclosed
        )


def _released(pressed: list[tuple[int, int]], tick: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What a note-off does to the open notes, (start, velocity), of its key: those that end, those that go on.

    It ends all but those that begin at the same tick. They go on if it ended others, and are lost if it did not: so it
    is in the original's reader.
    """
    ended = [note for note in pressed if note[0] != tick]
    return ended, [note for note in pressed if note[0] == tick] if ended else []


def _controls(channel: Mapping[int, _Channel], i: int, clock: _Clock) -> dict[str, Changes]:
    """The controllers of one track: its own, or else those that other tracks send on its channel."""
    changes = {}
    for kind in sorted({kind for said in channel.values() for kind in said.controls}):
        own = channel[i].controls.get(kind)
        events = own or [event for said in channel.values() for event in said.controls.get(kind, [])]
        changes[kind] = tuple((clock(tick), value) for tick, value in _in_order(events))
    return changes


def _in_order(events: list[tuple]) -> list[tuple]:
    """Events by their ticks, which come first in them; of several at one tick the last read counts."""
    latest = {event[0]: event for event in events}
    return [latest[tick] for tick in sorted(latest)]


def _from_start(changes: tuple, default: tuple) -> tuple:
    """Changes that begin at second 0, with a default before the first if need be."""
    return changes if changes and changes[0][0] <= 0 else default + changes


def _clean(name: str) -> str:
    """A name from a file, on one line; mido reads bytes as Latin-1 where today's programs write UTF-8."""
    with contextlib.suppress(UnicodeError):
        name = name.encode("latin-1").decode("utf-8")
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if len(name) <= LONGEST_NAME:
        return name
    return name[: LONGEST_NAME - 1].rsplit(" ", 1)[0] + "…"  # after a whole word, where there are several


def _program_name(program: int, is_drum: bool) -> str:
    import pretty_midi

    return "Drums" if is_drum else pretty_midi.program_to_instrument_name(program)


def _unique(name: str, taken: set[str]) -> str:
    """The name, or "name 2", "name 3", …, whichever is not taken."""
    candidates = [name, *(f"{name} {n}" for n in range(2, len(taken) + 3))]
    return next(candidate for candidate in candidates if candidate.lower() not in taken)


@in_one_line
def excerpt(song: Song, start: float = 0.0, end: float | None = None) -> Song:
    """The part of a song from `start` to `end` seconds, moved to begin at 0; notes that cross an edge are cut there."""
    end = song.seconds if end is None else end
    if not 0 <= start < end:
        raise ValueError(f"an excerpt from {start} s to {end} s is empty; end has to lie behind start")
    tracks = []
    for track in song.tracks:
        inside = (n for n in track.notes if n.start < end and n.end > start)
        cut = (dataclasses.replace(n, start=max(n.start, start) - start, end=min(n.end, end) - start) for n in inside)
        moved = {kind: _changes_within(changes, start, end) for kind, changes in track.controls.items()}
        if moved.get("pedal") and moved["pedal"][-1][1]:  # what it holds is cut as well
            moved["pedal"] = (*moved["pedal"], (end - start, 0.0))
        controls = {kind: changes for kind, changes in moved.items() if changes}
        tracks.append(dataclasses.replace(track, notes=tuple(cut), controls=controls))
    return dataclasses.replace(
        song,
        tracks=tuple(track for track in tracks if track.notes),
        tempos=_changes_within(song.tempos, start, end),
        meters=_changes_within(song.meters, start, end),
    )


def _changes_within(changes: tuple, start: float, end: float) -> tuple:
    """Changes from `start` to `end`, moved to begin at 0; the last one before counts as one at 0."""
    before = [(0.0, *values) for second, *values in changes if second <= start][-1:]
    return (*before, *((second - start, *values) for second, *values in changes if start < second < end))


def pedalled(track: Track) -> Track:
    """The track with its notes as long as the sustain pedal lets them ring.

    A note that is released while the pedal is down ends when the pedal comes up, when its key is struck again, or after
    ten seconds, whichever is first.
    """
    pedal = track.controls.get("pedal", ())
    if not any(value for _, value in pedal):
        return track
    times = np.array([second for second, _ in pedal])
    down = np.array([value > 0 for _, value in pedal])
    lifts = np.append(times, np.inf)[np.append(~down, True)]
    strikes: dict[int, list[float]] = defaultdict(list)
    for note in track.notes:
        bisect.insort(strikes[note.pitch], note.start)

    def ring(note: Note) -> Note:
        last = np.searchsorted(times, note.end, side="right") - 1
        if last < 0 or not down[last]:
            return note
        again = strikes[note.pitch]
        struck = again[i] if (i := bisect.bisect_left(again, note.end)) < len(again) else np.inf
        lifted = lifts[np.searchsorted(lifts, note.end, side="right")]
        return dataclasses.replace(note, end=float(min(lifted, struck, note.end + PEDAL_LONGEST)))

    return dataclasses.replace(track, notes=tuple(ring(note) for note in track.notes))


def bars(song: Song) -> np.ndarray:
    """Seconds at which the bars of a song begin, by its time signatures and tempos (the first 10,000 of them)."""
    times = np.array([second for second, _ in song.tempos])
    per_second = np.array([tempo / 60 for _, tempo in song.tempos])
    quarters = np.concatenate([[0.0], np.cumsum(np.diff(times) * per_second[:-1])])

    def quarter_at(second: float) -> float:
        i = max(np.searchsorted(times, second, side="right") - 1, 0)
        return quarters[i] + (second - times[i]) * per_second[i]

    lines: list[float] = []
    ends = [second for second, *_ in song.meters[1:]] + [song.seconds]
    for (start, beats, value), end in zip(song.meters, ends, strict=True):
        first, length = quarter_at(start), 4 * beats / value
        count = int(np.ceil(max(quarter_at(min(end, song.seconds)) - first, 0) / length - 1e-9))
        lines += [first + k * length for k in range(min(count, MAX_BARS - len(lines)))]
    at = np.maximum(np.searchsorted(quarters, lines, side="right") - 1, 0)
    return times[at] + (np.array(lines) - quarters[at]) / per_second[at]


def note_name(pitch: int) -> str:
    """60 -> "C4"."""
    return f"{('C', 'C♯', 'D', 'D♯', 'E', 'F', 'F♯', 'G', 'G♯', 'A', 'A♯', 'B')[pitch % 12]}{pitch // 12 - 1}"


def plot(song: Song, ax=None):
    """Draw a piano roll: pitch names over seconds, a colour a track, paler where notes are soft, bar lines.

    Args:
      song: what to draw.
      ax: matplotlib axes to draw on; new ones by default.

    Returns:
      The axes.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch, Rectangle

    if ax is None:
        import matplotlib.pyplot as plt

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
    ax.set(xlim=(0, max(song.seconds, 0.1)), ylim=(low, high), xlabel="time (s)", ylabel="pitch")
    drawing.literal(ax.set_title(song.name))
    ax.set_yticks(naturals, [note_name(p) for p in naturals])
    ax.grid(axis="y", color="0.9")
    lines = bars(song)
    if len(lines) <= MAX_BAR_LINES:
        ax.vlines(lines, 0, 1, transform=ax.get_xaxis_transform(), color="0.85", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if len(handles) > 1:
        place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
        legend = ax.legend(handles=handles, **place, frameon=False, fontsize="small")
        for text in legend.get_texts():
            drawing.literal(text)
    return ax
