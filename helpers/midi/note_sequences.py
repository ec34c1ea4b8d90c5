"""A `Song` as a NoteSequence, the format of Magenta's tools, and back.

A NoteSequence is a message of the package note-seq. Both can say notes, programs, drums, names of tracks, tempos, time
signatures, bends and controllers, and nothing of that is lost on the way, but for the rounding of a bend to 14 bits and
of other controllers to 7. What stays behind are the remarks on a file, and chords, key signatures and annotations of a
NoteSequence, for which a song has no place.

Notebook: 10_take_home.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ..casting import program_name
from ..errors import in_one_line
from ..limits import MAX_CHANGES, MAX_NOTES, MAX_SECONDS, MAX_TRACKS
from .reading import clean, from_start, unique
from .song import BEND_RANGE, CONTROLLERS, RESET, Changes, Note, Song, Track
from .writing import (
    FINEST_METER,
    HALF_BEND,
    NUMBERS,
    TICKS,
    bend_position,
    bend_range,
    bend_range_settings,
    control_value,
)

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# s. pretty_midi, with which note_seq writes MIDI files, sorts the controllers of one moment by their numbers. So that
# the wheel's range still follows the number of its parameter, it stands a moment later, and counts from the beginning.
RANGE_DELAY, RANGE_GRACE = 0.002, 0.01
RESET_ALL = 121
MAX_TEMPO = 60e6  # quarter notes a minute

_Player = tuple[int, int, bool]  # instrument, program, whether it plays drums


@in_one_line
def to_note_sequence(song: Song) -> NoteSequence:
    """A song as a NoteSequence; each track is an instrument of its own, counted from 0.

    Raises:
      ImportError: the package note-seq is not installed, or not with what it needs.

    Notebook: 10_take_home.
    """
    try:
        from note_seq.protobuf import music_pb2
    except ImportError:
        raise ImportError(
            'to_note_sequence takes a package that is not installed: pip install note-seq "setuptools<82"'
        ) from None
    sequence = music_pb2.NoteSequence(ticks_per_quarter=TICKS, total_time=song.duration)
    sequence.sequence_metadata.title = _encodable(song.name)
    for second, tempo in song.tempos:
        sequence.tempos.add(time=second, qpm=tempo)
    for second, beats, value in song.meters:
        sequence.time_signatures.add(time=second, numerator=beats, denominator=value)
    for number, track in enumerate(song.tracks):
        player = {"instrument": number, "program": track.program, "is_drum": track.is_drum}
        sequence.instrument_infos.add(instrument=number, name=_encodable(track.name))
        for note in track.notes:
            key = {"pitch": note.pitch, "velocity": note.velocity}
            sequence.notes.add(start_time=note.start, end_time=note.end, **key, **player)
        reach = bend_range(track)
        for second, bend in track.controls.get("bend", ()):
            sequence.pitch_bends.add(time=second, bend=bend_position(bend, reach), **player)
        for second, control, value in _controllers(track, reach):
            sequence.control_changes.add(time=second, control_number=control, control_value=value, **player)
    return sequence


def _encodable(name: str) -> str:
    """A name without half a surrogate pair, which a file name that is no text has."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _controllers(track: Track, reach: int) -> Iterator[tuple[float, int, int]]:
    """Second, number and value."""
    if reach != BEND_RANGE:
        for number, value in bend_range_settings(reach)[:3]:
            yield RANGE_DELAY if number == 6 else 0.0, number, value
    for kind, changes in track.controls.items():
        if kind in NUMBERS:
            for second, amount in changes:
                yield second, NUMBERS[kind], control_value(kind, amount)


@in_one_line
def from_note_sequence(sequence: NoteSequence) -> Song:
    """A NoteSequence as a song. A track is what one instrument plays with one program.

    The package note-seq is not needed for this.

    Args:
      sequence: `note_seq.NoteSequence`, not trusted.

    Raises:
      ValueError: it is none, it holds no notes or more than `limits` allows, or a number is out of range.

    Notebook: 10_take_home.
    """
    if not all(hasattr(sequence, name) for name in ("notes", "pitch_bends", "control_changes", "instrument_infos")):
        raise ValueError(f"a {type(sequence).__name__} is no NoteSequence")
    if not sequence.notes:
        raise ValueError("the NoteSequence holds no notes")
    if len(sequence.notes) > MAX_NOTES:
        raise ValueError(f"the NoteSequence has {len(sequence.notes):,} notes; {MAX_NOTES:,} can be read")
    changes = len(sequence.pitch_bends) + len(sequence.control_changes) + len(sequence.tempos)
    if changes + len(sequence.time_signatures) > MAX_CHANGES:
        raise ValueError(
            f"the NoteSequence has {changes:,} changes of controllers or tempo; {MAX_CHANGES:,} can be read"
        )
    notes: dict[_Player, list[Note]] = defaultdict(list)
    for i, note in enumerate(sequence.notes):
        notes[_player(note, i)].append(_note(note, i))
    if len(notes) > MAX_TRACKS:
        raise ValueError(f"the NoteSequence has {len(notes):,} tracks; {MAX_TRACKS} can be read")
    bends, controls = _by_player(sequence.pitch_bends), _by_player(sequence.control_changes)
    names = {info.instrument: clean(info.name) for info in sequence.instrument_infos}
    taken: set[str] = set()
    tracks = []
    for player in sorted(notes):
        number, program, is_drum = player
        title = unique(names.get(number) or ("Drums" if is_drum else program_name(program)), taken)
        taken.add(title.lower())
        moves = _moves(bends.get(player, []), controls.get(player, []))
        tracks.append(Track(title, program, is_drum, tuple(sorted(notes[player], key=lambda n: n.end)), moves))
    tempos = _in_time((_second(t.time, "tempo"), _tempo(t.qpm)) for t in sequence.tempos)
    meters = _in_time(
        (_second(m.time, "time signature"), m.numerator, m.denominator)
        for m in sequence.time_signatures
        if 1 <= m.numerator <= 255 and 1 <= m.denominator <= FINEST_METER and m.denominator & (m.denominator - 1) == 0
    )
    title = clean(sequence.sequence_metadata.title) or clean(PurePath(sequence.filename).stem) or "song"
    return Song(title, tuple(tracks), from_start(tempos, Song.tempos), from_start(meters, Song.meters))


def _player(event: Any, i: int) -> _Player:
    if not 0 <= event.program <= 127:
        raise ValueError(f"event {i + 1} of the NoteSequence has program {event.program}; it lies between 0 and 127")
    return event.instrument, event.program, event.is_drum


def _note(note: Any, i: int) -> Note:
    for name, value, low in (("pitch", note.pitch, 0), ("velocity", note.velocity, 1)):
        if not low <= value <= 127:
            raise ValueError(f"note {i + 1} of the NoteSequence has {name} {value}; it lies between {low} and 127")
    start, end = _second(note.start_time, f"note {i + 1}"), _second(note.end_time, f"note {i + 1}")
    if end < start:
        raise ValueError(f"note {i + 1} of the NoteSequence ends at {end:g} s and begins at {start:g}")
    return Note(note.pitch, note.velocity, start, end)


def _second(value: float, what: str) -> float:
    if not 0 <= value <= MAX_SECONDS:
        raise ValueError(f"{what} of the NoteSequence stands at {value:g} s; times lie between 0 and {MAX_SECONDS:g}")
    return float(value)


def _tempo(value: float) -> float:
    if not 0 < value <= MAX_TEMPO:
        raise ValueError(f"the NoteSequence has a tempo of {value:g}; it lies above 0, up to {MAX_TEMPO:g}")
    return float(value)


def _in_time(changes: Iterable[tuple]) -> tuple:
    """Changes in the order of time; of several at one moment the last counts."""
    latest = {change[0]: change for change in sorted(changes, key=lambda change: change[0])}
    return tuple(latest.values())


def _by_player(events: Iterable[Any]) -> dict[_Player, list[Any]]:
    found: dict[_Player, list[Any]] = defaultdict(list)
    for i, event in enumerate(events):
        _second(event.time, "a controller")
        found[_player(event, i)].append(event)
    return {player: sorted(events, key=lambda event: event.time) for player, events in found.items()}


def _moves(bends: list[Any], controls: list[Any]) -> dict[str, Changes]:
    """What the controllers of a track do, in the units of `Track.controls`."""
    moves: dict[str, list[tuple[float, float]]] = defaultdict(list)
    ranges: list[tuple[float, float]] = [(-math.inf, BEND_RANGE)]
    chosen = {100: 127, 101: 127}
    for event in controls:
        number, value = event.control_number, min(max(event.control_value, 0), 127)
        if number in CONTROLLERS:
            kind, unit = CONTROLLERS[number]
            moves[kind].append((event.time, unit(value)))
        elif number == RESET_ALL:
            for kind in RESET.keys() & moves.keys():
                moves[kind].append((event.time, RESET[kind]))
        elif number in chosen:
            chosen[number] = value
        elif number == 6 and not any(chosen.values()):
            ranges.append((-math.inf if event.time <= RANGE_GRACE else event.time, float(value)))
    for event in bends:
        reach = next(semitones for since, semitones in reversed(ranges) if since <= event.time)
        position = min(max(event.bend, -HALF_BEND), HALF_BEND - 1) / HALF_BEND
        moves["bend"].append((event.time, position * reach))
    return {kind: _in_time(changes) for kind, changes in sorted(moves.items())}
