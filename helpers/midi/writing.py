"""Write a `Song` as a MIDI file.

Notebook: 10_take_home.
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import in_one_line
from ..files import as_path, replacing
from .modes import DRUM_CHANNEL
from .song import BEND_RANGE, CONTROLLERS, MICROSECONDS_PER_QUARTER, Changes, Note, Song, Track

if TYPE_CHECKING:
    import mido

TICKS = 960  # per quarter note, as in most sequencers
SUFFIXES = (".mid", ".midi")  # endings of files that can be written
CHANNELS, PORTS = 16, 128
# Limits of the tempo in microseconds per quarter note: the largest number in three bytes, and the smallest for which
# two hours fit into the longest delta time of a file. The times of notes are correct in any case.
SLOWEST, FASTEST = 0xFFFFFF, 30_000
MAX_BEND_RANGE = 127  # semitones
FINEST_METER = 128  # largest denominator
HALF_BEND = 8192  # steps of the pitch wheel in each direction
NUMBERS = {name: number for number, (name, _) in CONTROLLERS.items()}


@in_one_line
def write(song: Song, path: str | os.PathLike) -> Path:
    """Write a song as a Standard MIDI File, atomically.

    `load` reads back the same tracks, names, programs and controllers, and the same notes to within half a tick (of 960
    per quarter note). Since MIDI cannot represent two overlapping notes of one pitch on a channel, the second goes to
    another track of the same name. Each track has its own channel. A port has fifteen channels for pitched tracks and
    one for drums; tracks beyond that go to further ports.

    Args:
      song: the song.
      path: must end in .mid or .midi; folders are created as needed.

    Raises:
      ValueError: the path has another ending.
      OSError: the file cannot be written.

    >>> from helpers import midi
    >>> song = midi.load("data/midi/study.mid")
    >>> midi.load(midi.write(song, "outputs/study_again.mid"))
    Song('study_again', 5 tracks, 241 notes, 29.9 s)

    Notebook: 10_take_home.
    """
    import mido

    path = as_path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path.name} must end in {' or '.join(SUFFIXES)}")
    clock = _Clock(song.tempos)
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS, charset="utf-8")
    file.tracks.append(_track(song.name, [*clock.events(), *_meters(song, clock)]))
    places = {False: _places(is_drum=False), True: _places(is_drum=True)}
    for track in song.tracks:
        for notes in _without_overlaps(track.notes, clock):
            place = next(places[track.is_drum])
            file.tracks.append(_track(track.name, [*_set_up(track, place), *_playing(track, notes, place, clock)]))
    with replacing(path) as partial:
        file.save(partial)
    return path


class _Event(NamedTuple):
    """A message at a tick. At equal ticks the lowest `order` comes first, so that notes end before others begin."""

    tick: int
    order: int
    message: Any


_SETTING, _CHANGE, _OFF, _ON = range(4)


class _Clock:
    """Converts seconds to ticks, using the tempos as rounded in the file, so that rounding errors do not accumulate."""

    def __init__(self, tempos: Changes):
        self.ticks, self.seconds, self.tempos = [0], [0.0], [MICROSECONDS_PER_QUARTER]
        for second, tempo in tempos:
            tick = self(second)
            written = min(max(round(60e6 / tempo), FASTEST), SLOWEST) if tempo > 0 else SLOWEST
            if tick == self.ticks[-1]:
                self.tempos[-1] = written
            else:
                self.seconds.append(self.seconds[-1] + (tick - self.ticks[-1]) * self.tempos[-1] * 1e-6 / TICKS)
                self.ticks.append(tick)
                self.tempos.append(written)

    def __call__(self, second: float) -> int:
        i = max(bisect.bisect_right(self.seconds, second) - 1, 0)
        return self.ticks[i] + max(round((second - self.seconds[i]) * 1e6 * TICKS / self.tempos[i]), 0)

    def events(self) -> Iterator[_Event]:
        import mido

        for tick, tempo in zip(self.ticks, self.tempos, strict=True):
            yield _Event(tick, _CHANGE, mido.MetaMessage("set_tempo", tempo=tempo))


def _meters(song: Song, clock: _Clock) -> Iterator[_Event]:
    import mido

    for second, beats, value in song.meters:
        if 1 <= beats <= 255 and 1 <= value <= FINEST_METER and value & (value - 1) == 0:
            message = mido.MetaMessage("time_signature", numerator=beats, denominator=value)
            yield _Event(clock(second), _CHANGE, message)


def _places(is_drum: bool) -> Iterator[tuple[int, int]]:
    """Port and channel for each track in turn, starting over after the last port."""
    channels = [DRUM_CHANNEL] if is_drum else [channel for channel in range(CHANNELS) if channel != DRUM_CHANNEL]
    while True:
        for port in range(PORTS):
            for channel in channels:
                yield port, channel


def _without_overlaps(notes: Sequence[Note], clock: _Clock) -> list[list[tuple[Note, int, int]]]:
    """Split notes, as (note, first tick, last tick), into as few groups as possible without overlaps at one pitch."""
    groups: list[list[tuple[Note, int, int]]] = [[]]
    ends: list[dict[int, int]] = [{}]  # of each group, by pitch
    for note in sorted(notes, key=lambda note: (note.start, note.end)):
        begin = clock(note.start)
        end = max(clock(note.end), begin + 1)
        free = next((i for i, until in enumerate(ends) if until.get(note.pitch, 0) <= begin), len(groups))
        if free == len(groups):
            groups.append([])
            ends.append({})
        groups[free].append((note, begin, end))
        ends[free][note.pitch] = end
    return groups


def _set_up(track: Track, place: tuple[int, int]) -> Iterator[_Event]:
    """The events at the beginning of a track: its port, program and bend range."""
    import mido

    port, channel = place
    if port:
        yield _Event(0, _SETTING, mido.MetaMessage("midi_port", port=port))
    if track.has_program:
        yield _Event(0, _SETTING, mido.Message("program_change", channel=channel, program=track.program))
    if (reach := bend_range(track)) != BEND_RANGE:
        for number, value in bend_range_settings(reach):
            yield _Event(0, _SETTING, mido.Message("control_change", channel=channel, control=number, value=value))


def bend_range(track: Track) -> int:
    """The bend range (whole semitones) that a track needs; MIDI's default of two if that is enough."""
    widest = max((abs(value) for _, value in track.controls.get("bend", ())), default=0.0)
    return int(min(max(-(-widest // 1), BEND_RANGE), MAX_BEND_RANGE))


def bend_range_settings(semitones: int) -> tuple[tuple[int, int], ...]:
    """The controllers, with their values, that set the bend range (registered parameter 0)."""
    return (101, 0), (100, 0), (6, semitones), (38, 0), (101, 127), (100, 127)


def bend_position(semitones: float, reach: int) -> int:
    """The position of the pitch wheel for a bend, from -8192 to 8191; `reach` is the bend range in semitones."""
    return min(max(round(semitones / reach * HALF_BEND), -HALF_BEND), HALF_BEND - 1)


def control_value(kind: str, value: float) -> int:
    """The controller value, 0 to 127, for a value in the units of `Track.controls`."""
    wanted = 64 + 63 * value if kind == "pan" else 127 * value
    return min(max(round(wanted), 0), 127)


def _playing(
    track: Track, notes: Sequence[tuple[Note, int, int]], place: tuple[int, int], clock: _Clock
) -> Iterator[_Event]:
    """The events of a track's controllers and notes."""
    import mido

    _, channel = place
    reach = bend_range(track)
    for kind, changes in track.controls.items():
        for second, value in changes:
            if kind == "bend":
                message = mido.Message("pitchwheel", channel=channel, pitch=bend_position(value, reach))
            elif kind in NUMBERS:
                value = control_value(kind, value)
                message = mido.Message("control_change", channel=channel, control=NUMBERS[kind], value=value)
            else:
                continue
            yield _Event(clock(second), _CHANGE, message)
    for note, begin, end in notes:
        key = {"channel": channel, "note": note.pitch}
        yield _Event(begin, _ON, mido.Message("note_on", velocity=note.velocity, **key))
        yield _Event(end, _OFF, mido.Message("note_off", **key))


def _track(name: str, events: Sequence[_Event]) -> mido.MidiTrack:
    """Sort events by time and convert their ticks to delta times."""
    import mido

    name = name.encode("utf-8", "replace").decode("utf-8")  # replaces lone surrogates, from an invalid file name
    track, now = mido.MidiTrack([mido.MetaMessage("track_name", name=name)]), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    return track
