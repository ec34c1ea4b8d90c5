"""Convert the events of a MIDI file into a `Song`: find the notes and their programs, channels and controllers.

Notebook: 03_midi.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..casting import program_name
from ..limits import MAX_CHANGES, MAX_NOTES
from . import charsets, smf
from .modes import DRUM_CHANNEL, Mode, Modes, Steps
from .smf import Event, Remarks
from .song import (
    BEND_RANGE,
    CONTROLLERS,
    MICROSECONDS_PER_QUARTER,
    MIN_DURATION,
    RESET,
    Changes,
    Note,
    Original,
    Song,
    Track,
)

MAX_NAME = 80  # characters of a track's name
CHANNELS = 16  # on each port
UNSAID = -1  # stands for the program of notes that come before any program change in their track
FILM_29 = 30000 / 1001  # the actual frame rate if a file gives 29
FINEST_METER = 7  # largest exponent of a denominator: 1/128
BANK, ALL_SOUND_OFF, RESET_ALL, ALL_NOTES_OFF = 0, 120, 121, range(123, 128)  # 124 to 127 imply "all notes off"
_PARAMETER = frozenset((6, 38, 98, 99, 100, 101))  # controllers that select or set a parameter
_READ = frozenset((*CONTROLLERS, BANK, ALL_SOUND_OFF, RESET_ALL, *ALL_NOTES_OFF)) | _PARAMETER

_Raw = tuple[int, int, int, int]  # pitch, velocity, ticks of start and end
_Group = tuple[int, int, int]  # place, index of the track in the file, program at the onset of the notes
_Player = tuple[int, int, int, bool]  # place, index of the track in the file, program, whether it plays drums
_LENGTHS = {0x00: 2, 0x54: 5, 0x59: 2}  # bytes of unused meta events: sequence number, SMPTE offset, key signature


@dataclasses.dataclass
class _Channel:
    """The program and controller changes of one of the file's tracks on one channel, in ticks."""

    programs: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    controls: dict[str, list[tuple[int, float]]] = dataclasses.field(default_factory=lambda: defaultdict(list))


@dataclasses.dataclass
class _Played:
    """The notes of one of the file's tracks on one channel with one program."""

    closed: list[_Raw] = dataclasses.field(default_factory=list)  # in order of their ends
    open: list[_Raw] = dataclasses.field(default_factory=list)  # without a note-off; their end is the latest possible


class Reader:
    """Collects the events of a file, in ticks, and converts them to a `Song` in seconds.

    A place is a port and a channel: port * 16 + channel.
    """

    def __init__(self) -> None:
        self.channels: dict[int, dict[int, _Channel]] = defaultdict(lambda: defaultdict(_Channel))  # by place and track
        self.groups: dict[_Group, _Played] = defaultdict(_Played)
        self.tempos: list[tuple[int, int]] = []
        self.meters: list[tuple[int, int, int]] = []
        self.names: list[bytes] = []
        self.texts: list[bytes] = []  # names, lyrics and notices that are not plain ASCII, the first of each track
        self.silences: dict[int, list[int]] = defaultdict(list)  # ticks at which all notes of a place end
        self.bend_ranges: dict[int, list[tuple[int, float]]] = defaultdict(list)  # ticks and semitones, by place
        self.fine_tunings: dict[int, tuple[int, int]] = {}  # high and low byte, by place
        self.modes = Modes()
        self.named: set[_Player] = set()  # those whose program the file sets
        self.is_plain = True  # whether the original program reads the same notes in the same order
        self._notes = self._changes = 0  # number read so far
        self._tuned = self._untuned = 0  # bend changes added for a tuning; tracks whose tuning is ignored
        self._shared: dict[tuple[int, int | None, str, bool], Changes] = {}  # by place, track, kind, constant tuning

    def read(self, events: Iterable[Event], remarks: Remarks) -> None:
        """Read the next track of the file."""
        i, port, name = len(self.names), 0, b""
        unread = charsets.MAX_BYTES
        programs: dict[int, int] = {}
        held: dict[int, dict[int, list[tuple[int, int, int]]]] = defaultdict(dict)  # by place and pitch
        hit: set[tuple[int, int, int]] = set()  # notes that begin at the same tick as a note-off for earlier ones
        selected: dict[int, dict[int, int]] = defaultdict(dict)  # the selected parameter: controllers 98 to 101
        silenced: dict[int, tuple[int, int]] = {}  # tick and controller of the last silence; repetitions are ignored
        tick = 0
        for tick, status, first, second in events:
            if isinstance(second, bytes):
                if status == smf.META:
                    if first in smf.TEXTS:
                        if first == smf.TRACK_NAME:
                            name = name or second
                        if unread > 0 and not second.isascii():
                            unread -= len(second)
                            self.texts.append(second)
                    elif first == smf.PORT and second:
                        port = second[0]
                    else:
                        self._timing(tick, first, second, remarks)
                elif self._can_change(remarks, CHANNELS):  # it may affect all channels
                    self.modes.sysex(tick, port, second)
                continue
            kind, place = status & 0xF0, port << 4 | status & 0x0F
            if kind == smf.NOTE_ON and second:
                if self._notes == MAX_NOTES:
                    remarks.count("note", f"after the first {MAX_NOTES:,}, left out")
                    self.is_plain = False
                    continue
                self._notes += 1
                held[place].setdefault(first, []).append((tick, second, programs.get(place, UNSAID)))
            elif kind in (smf.NOTE_ON, smf.NOTE_OFF):
                if pressed := held[place].pop(first, None):
                    if pressed[-1][0] == tick and pressed[0][0] != tick:
                        # The key was struck again before its note-off: earlier notes end here, the new one continues.
                        held[place][first] = [note for note in pressed if note[0] == tick]
                        pressed = [note for note in pressed if note[0] != tick]
                        hit.add((place, first, tick))
                    self._end(place, i, first, pressed, tick)
            elif kind == smf.PROGRAM:
                if self._can_change(remarks):
                    programs[place] = first
                    self.channels[place][i].programs.append((tick, first))
                    self.is_plain &= not held[place]
            elif kind == smf.WHEEL:
                if self._can_change(remarks):
                    position = ((second << 7 | first) - 8192) / 8192  # of its range, which another track may set
                    self.channels[place][i].controls["bend"].append((tick, position))
            elif kind == smf.CONTROL and first in _READ and self._can_change(remarks):
                if first in CONTROLLERS:
                    control, unit = CONTROLLERS[first]
                    self.channels[place][i].controls[control].append((tick, unit(second)))
                elif first == RESET_ALL:
                    controls = self.channels[place][i].controls
                    for control in RESET.keys() & controls.keys():  # others have not been changed yet
                        controls[control].append((tick, RESET[control]))
                elif first == BANK:
                    self.modes.set(tick, place, "bank", second)
                elif first in _PARAMETER:
                    self._parameter(tick, place, first, second, selected[place])
                elif silenced.get(place) != (tick, first):
                    silenced[place] = tick, first
                    self._silence(place, i, held[place], tick, first == ALL_SOUND_OFF)
        self._leave_open(i, held, hit, tick)
        self.names.append(name)

    def _can_change(self, remarks: Remarks, size: int = 1) -> bool:
        """Count `size` further changes and return True, unless that exceeds `MAX_CHANGES`."""
        if self._changes + size > MAX_CHANGES:
            remarks.count("change", f"of controllers, programs or tempo after the first {MAX_CHANGES:,}, ignored")
            self.is_plain = False
            return False
        self._changes += size
        return True

    def _can_tune(self, size: int) -> bool:
        """Count `size` bend changes for a channel's tuning and return True, unless that exceeds `MAX_CHANGES`."""
        if self._tuned + size > MAX_CHANGES:
            self._untuned += 1
            return False
        self._tuned += size
        return True

    def _end(self, place: int, i: int, pitch: int, pressed: Sequence[tuple[int, int, int]], tick: int) -> None:
        for start, velocity, program in pressed:
            self.groups[place, i, program].closed.append((pitch, velocity, start, tick))
        self.is_plain &= pressed[-1][0] != tick

    def _silence(self, place: int, i: int, held: dict[int, list], tick: int, is_at_once: bool) -> None:
        """All notes off. Notes that begin at the same tick continue, since such messages often precede first notes."""
        for pitch, pressed in list(held.items()):
            if ended := [note for note in pressed if note[0] < tick]:
                self._end(place, i, pitch, ended, tick)
                self.is_plain = False
                held[pitch] = [note for note in pressed if note[0] == tick]
                if not held[pitch]:
                    del held[pitch]
        if self.silences[place][-1:] != [tick]:
            self.silences[place].append(tick)
        pedal = self.channels[place][i].controls.get("pedal") if is_at_once else None
        if pedal and pedal[-1][1]:  # lift the pedal for a tick, so that it does not hold the notes either
            pedal += [(tick, 0.0), (tick + 1, pedal[-1][1])]

    def _leave_open(self, i: int, held: Mapping[int, Mapping[int, list]], hit: set, end: int) -> None:
        """Record the notes still held at the end of a track; each ends there or where its key is struck again."""
        for place, keys in held.items():
            for pitch, pressed in keys.items():
                self.is_plain = False
                last = end
                for start, velocity, program in reversed(pressed):
                    later = last if last > start else end
                    if (place, pitch, start) in hit:
                        self.groups[place, i, program].closed.append((pitch, velocity, start, start))
                    else:
                        self.groups[place, i, program].open.append((pitch, velocity, start, later))
                    last = start

    def _timing(self, tick: int, kind: int, content: bytes, remarks: Remarks) -> None:
        """Read a tempo or time signature, ignoring extra bytes."""
        if kind == smf.TEMPO:
            is_padded = len(content) > 3 and not content[0]
            tempo = int.from_bytes(content[1:4] if is_padded else content[:3], "big")
            if len(content) != 3:
                remarks.count("tempo", "of a wrong length")
            if tempo and len(content) >= 3 and self._can_change(remarks):
                self.tempos.append((tick, tempo))
        elif kind == smf.METER:
            if len(content) != 4:
                remarks.count("time signature", "of a wrong length")
            is_known = len(content) >= 2 and content[0] and content[1] <= FINEST_METER
            if is_known and self._can_change(remarks):
                self.meters.append((tick, content[0], 1 << content[1]))
        elif len(content) != _LENGTHS.get(kind, len(content)):
            remarks.count("meta event", "of a wrong length")

    def _parameter(self, tick: int, place: int, control: int, value: int, selected: dict[int, int]) -> None:
        """Registered parameters: 0 is the bend range (semitones, hundredths), 1 and 2 are fine and coarse tuning."""
        if control in (100, 101):
            selected[control] = value
            return
        if control in (98, 99):  # a non-registered parameter is selected
            selected.clear()
            return
        parameter = selected.get(100) if selected.get(101) == 0 else None
        if parameter not in (0, 1, 2):
            return
        if parameter == 0:
            ranges = self.bend_ranges[place]
            whole = int(ranges[-1][1] if ranges else BEND_RANGE)
            ranges.append((tick, float(value) if control == 6 else whole + value / 100))
        elif parameter == 1:
            high, low = self.fine_tunings.get(place, (64, 0))
            high, low = (value, 0) if control == 6 else (high, value)
            self.fine_tunings[place] = high, low
            self.modes.set(tick, place, "fine", (high << 7 | low) / 8192 - 1)
        elif control == 6:
            self.modes.set(tick, place, "coarse", value - 64)

    def song(self, name: str, file: smf.File) -> Song:
        """The file as a song, after all tracks have been read."""
        tempo_changes = _in_order(self.tempos)
        clock = _Clock(file.division, tempo_changes)
        of_file = tuple(file.remarks)
        groups = self._by_player(file.remarks)
        tracks = self._tracks(groups, clock)
        file.remarks.count("track", "without the tuning of the channel, which changes too often", self._untuned)
        tempos = tuple((clock(tick), 60e6 / tempo) for tick, tempo in tempo_changes)
        meters = tuple((clock(tick), beats, value) for tick, beats, value in _in_order(self.meters))
        return Song(
            name,
            tracks,
            from_start(tempos, Song.tempos),
            from_start(meters, Song.meters),
            remarks=tuple(file.remarks),
            original=None if self.is_plain else self._original(file, tracks, clock, of_file),
        )

    def _original(
        self, file: smf.File, tracks: tuple[Track, ...], clock: _Clock, remarks: tuple[str, ...]
    ) -> Original | None:
        """The file as read by the original program, if that differs."""
        groups, unclosed = _original_notes(file)
        players: dict[_Player, list[_Raw]] = {}
        for (program, place, i), notes in groups.items():
            if not self.channels[place][i].programs:
                program = self._programs_of(place, i)(0)
            players[place, i, program, place & 0x0F == DRUM_CHANNEL] = notes
        read = self._tracks(players, clock)
        is_same = not unclosed and [track.notes for track in read] == [track.notes for track in tracks]
        return None if is_same else Original(tracks, read, unclosed, remarks)

    def _tracks(self, players: Mapping[_Player, Sequence[_Raw]], clock: _Clock) -> tuple[Track, ...]:
        encoding = charsets.guess(self.texts)
        names = [clean(charsets.decoded(raw, encoding)) for raw in self.names]
        sharing = Counter(i for _, i, _, _ in players)
        taken: set[str] = set()
        tracks = []
        for (place, i, program, is_drum), notes in players.items():
            title = names[i] if names[i] and sharing[i] == 1 else "Drums" if is_drum else program_name(program)
            title = unique(title, taken)
            taken.add(title.lower())
            controls = self._controls(place, i, is_drum, clock)
            has_program = (place, i, program, is_drum) in self.named
            tracks.append(Track(title, program, is_drum, tuple(_timed(notes, clock)), controls, has_program))
        return tuple(tracks)

    def _controls(self, place: int, i: int, is_drum: bool, clock: _Clock) -> dict[str, Changes]:
        """The controllers of one track: its own or, if it has none, those of other tracks on its channel."""
        kinds = self._kinds[place]
        if not is_drum and not self._modes[place].tuning.is_constant:
            kinds = kinds | {"bend"}
        moves = {kind: self._changes_of(place, i, kind, is_drum, clock) for kind in sorted(kinds)}
        return {kind: changes for kind, changes in moves.items() if changes}

    def _changes_of(self, place: int, i: int, kind: str, is_drum: bool, clock: _Clock) -> Changes:
        """The changes of a controller. Tracks with the same changes share one tuple, as there may be a thousand."""
        channel = self.channels[place]
        own = channel[i].controls.get(kind) if i in channel else None
        tuning = Steps(0.0) if is_drum or kind != "bend" else self._modes[place].tuning
        key = place, i if own else None, kind, tuning.is_constant
        if key not in self._shared:
            moves = _in_order(own or [event for said in channel.values() for event in said.controls.get(kind, [])])
            if kind == "bend":
                semitones = Steps(BEND_RANGE, _in_order(self.bend_ranges.get(place, [])))
                moves = [(tick, position * semitones(tick)) for tick, position in moves]
            # A changing tuning becomes a bend, to which the pitch wheel is added; tracks with a wheel have their own.
            if not tuning.is_constant and self._can_tune(len(moves) + len(tuning.ticks)):
                bend = Steps(0.0, moves)
                ticks = sorted({*bend.ticks, *tuning.ticks})
                moves = [(tick, bend(tick) + tuning(tick)) for tick in ticks]
            self._shared[key] = tuple((clock(tick), value) for tick, value in moves)
        return self._shared[key]

    @functools.cached_property
    def _kinds(self) -> dict[int, set[str]]:
        """The controllers used on the channels that have notes, by place."""
        return {
            place: {kind for said in self.channels[place].values() for kind in said.controls} for place in self._playing
        }

    @functools.cached_property
    def _modes(self) -> dict[int, Mode]:
        """The modes of the channels that have notes, by place."""
        return {place: self.modes.of(place) for place in {place for place, _, _ in self.groups}}

    @functools.cached_property
    def _playing(self) -> dict[int, set[int]]:
        """The tracks with notes on a channel, by place."""
        tracks = defaultdict(set)
        for place, i, _ in self.groups:
            tracks[place].add(i)
        return tracks

    def _by_player(self, remarks: Remarks) -> dict[_Player, list[_Raw]]:
        """The notes of each player (place, track, program, drums), which can change in the course of a channel."""
        players: dict[_Player, list[_Raw]] = {}
        modes = self._modes
        for (place, i, program), played in self.groups.items():
            programs = Steps(program) if program != UNSAID else self._programs_of(place, i)
            is_named = program != UNSAID or self._is_named_by_others(place, i)
            for (number, is_drum), (closed, left) in _split(played, programs, modes[place]).items():
                player = place, i, number, is_drum
                if is_named:
                    self.named.add(player)
                others = players.setdefault(player, [])  # may already have notes, from before the program change
                self.is_plain &= not others and len(closed) == len(played.closed)
                if is_drum:
                    others += closed
                    others += sorted(((*note[:3], note[2]) for note in left), key=lambda note: note[2])
                    continue
                notes = [*closed, *sorted(self._ended_by_others(place, left), key=lambda note: note[3])]
                rest = "without an end, held until its track ends or its key is struck again"
                remarks.count("note", rest, len(left))
                short = sum(start == end for _, _, start, end in notes)
                remarks.count("note", f"without a length, given one of {MIN_DURATION:g} s", short)
                shift = modes[place].shift
                if not shift.is_constant:
                    self.is_plain = False
                    notes = [(_shifted(note[0], shift(note[2])), *note[1:]) for note in notes]
                others += notes
        return players

    def _ended_by_others(self, place: int, notes: Sequence[_Raw]) -> Iterator[_Raw]:
        """Notes without a note-off; "all notes off" in another track of the channel may end them."""
        silences = sorted(self.silences[place])
        for pitch, velocity, start, end in notes:
            i = bisect.bisect_right(silences, start)
            yield pitch, velocity, start, min(silences[i], end) if i < len(silences) else end

    def _programs_of(self, place: int, i: int) -> Steps:
        """The programs of notes that come before any program change in their track; another track may set them."""
        return Steps(0) if self.channels[place][i].programs else self._programs_by_others[place]

    def _is_named_by_others(self, place: int, i: int) -> bool:
        """Whether another track sets the program of such notes."""
        channel = self.channels[place]
        return not channel[i].programs and any(said.programs for said in channel.values())

    @functools.cached_property
    def _programs_by_others(self) -> dict[int, Steps]:
        """The programs of channels as set by tracks without notes on them or, if there are none, by the first track."""
        programs = {}
        for place, playing in self._playing.items():
            channel = self.channels[place]
            heads = [change for track, said in channel.items() if track not in playing for change in said.programs]
            if not heads:
                heads = next((said.programs[:1] for said in channel.values() if said.programs), [(0, 0)])
            changes = _in_order(heads)
            programs[place] = Steps(changes[0][1], changes)
        return programs


def _split(played: _Played, programs: Steps, mode: Mode) -> dict[tuple[int, bool], tuple[list[_Raw], list[_Raw]]]:
    """The closed and open notes of a group by program and whether they are drums."""
    if programs.is_constant and mode.is_drum.is_constant:
        return {(programs(0), mode.is_drum(0)): (played.closed, played.open)}
    parts: dict[tuple[int, bool], tuple[list[_Raw], list[_Raw]]] = {}
    for index, notes in enumerate((played.closed, played.open)):
        for note in notes:
            key = programs(note[2]), mode.is_drum(note[2])
            parts.setdefault(key, ([], []))[index].append(note)
    return parts


def _shifted(pitch: int, semitones: int) -> int:
    """A transposed pitch, moved by octaves into MIDI's range."""
    pitch += semitones
    return pitch % 12 + (0 if pitch < 0 else 108 if pitch % 12 > 7 else 120) if not 0 <= pitch <= 127 else pitch


def _timed(notes: Sequence[_Raw], clock: _Clock) -> Iterator[Note]:
    """Notes in seconds. Notes of zero length get `MIN_DURATION`, or end earlier if their key is struck again."""
    strikes: dict[int, list[int]] = defaultdict(list)
    if any(start == end for _, _, start, end in notes):
        for pitch, _, start, _ in notes:
            strikes[pitch].append(start)
        for starts in strikes.values():
            starts.sort()
    for pitch, velocity, start, end in notes:
        begin, until = clock(start), clock(end)
        if start == end:
            later = bisect.bisect_right(strikes[pitch], start)
            again = clock(strikes[pitch][later]) if later < len(strikes[pitch]) else math.inf
            until = min(begin + MIN_DURATION, again)
        yield Note(pitch, velocity, begin, until)


class _Clock:
    """Converts ticks of a file to seconds."""

    def __init__(self, division: int, tempos: Sequence[tuple[int, int]]):
        """
        Args:
          division: as in the file's header; negative values count film frames instead of beats.
          tempos: (tick, microseconds per quarter note), in order of ticks.
        """
        if division < 0:
            rate, ticks = -(division >> 8), max(division & 0xFF, 1)
            tempos, per_tick = [], 1.0 / ((FILM_29 if rate == 29 else rate) * ticks)
        else:
            per_tick = MICROSECONDS_PER_QUARTER * 1e-6 / division
        self.ticks, self.seconds, self.per_tick = [0], [0.0], [per_tick]
        for tick, tempo in tempos:
            self.seconds.append(self(tick))
            self.ticks.append(tick)
            self.per_tick.append(tempo * 1e-6 / division)

    def __call__(self, tick: int) -> float:
        i = bisect.bisect_right(self.ticks, tick) - 1
        return self.seconds[i] + (tick - self.ticks[i]) * self.per_tick[i]


def _in_order(events: list[tuple]) -> list[tuple]:
    """Sort events (tick, …) by tick, keeping only the last one read at each tick."""
    latest = {event[0]: event for event in events}
    return [latest[tick] for tick in sorted(latest)]


def from_start(changes: tuple, default: tuple) -> tuple:
    """Changes with a default prepended unless the first one is at time 0."""
    return changes if changes and changes[0][0] <= 0 else default + changes


def clean(name: str) -> str:
    """A name from a file in one line, shortened to `MAX_NAME` characters."""
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if len(name) <= MAX_NAME:
        return name
    return name[: MAX_NAME - 1].rsplit(" ", 1)[0] + "…"  # after a whole word, if there are several


def unique(name: str, taken: set[str]) -> str:
    """The name or, if it is taken, the first free one of "name 2", "name 3", …"""
    candidates = [name, *(f"{name} {n}" for n in range(2, len(taken) + 3))]
    return next(candidate for candidate in candidates if candidate.lower() not in taken)


# ------------------------------------------------------------------------------------------------ the original program


def _original_notes(file: smf.File) -> tuple[dict[tuple[int, int, int], list[_Raw]], int]:
    """The notes as read by the original program.

    There a note has the program in effect at its end, and notes without a length or an end are lost. A note-off ends
    all notes of its key except those that begin at the same tick, which continue if others were ended and are lost
    otherwise.

    Returns:
      {(program, place, track): notes}, and the number of notes without an end.
    """
    groups: dict[tuple[int, int, int], list[_Raw]] = {}
    unclosed = 0
    for i in range(min(file.counted, len(file.spans))):
        port = 0
        programs: dict[int, int] = {}
        pressed: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for tick, status, first, second in file.events(i):
            if isinstance(second, bytes):
                if status == smf.META and first == smf.PORT and second:
                    port = second[0]
                continue
            kind, place = status & 0xF0, port << 4 | status & 0x0F
            if kind == smf.NOTE_ON and second:
                pressed[place, first].append((tick, second))
            elif kind in (smf.NOTE_ON, smf.NOTE_OFF):
                notes = pressed[place, first]
                ended = [note for note in notes if note[0] != tick]
                pressed[place, first] = [note for note in notes if note[0] == tick] if ended else []
                if ended:
                    group = groups.setdefault((programs.get(place, 0), place, i), [])
                    group += [(first, velocity, start, tick) for start, velocity in ended]
            elif kind == smf.PROGRAM:
                programs[place] = first
        unclosed += sum(map(len, pressed.values()))
    return groups, unclosed
