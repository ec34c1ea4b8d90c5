"""Convert between a `Song` and a NoteSequence, the format of Magenta's tools.

A NoteSequence is a protocol buffer message of the package note-seq. Notes, programs, drums, track names, tempos, time
signatures, bends and controllers are converted without loss, except that bends are rounded to 14 bits and other
controllers to 7. Not converted are the remarks on a file, and the chords, key signatures and annotations of a
NoteSequence.

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

# s. pretty_midi, which note_seq uses to write MIDI files, sorts simultaneous controllers by number. The bend range must
# come after the selection of its parameter, so it is delayed; when read, a range this early applies from the beginning.
RANGE_DELAY, RANGE_GRACE = 0.002, 0.01
RESET_ALL = 121
MAX_TEMPO = 60e6  # quarter notes per minute

_Player = tuple[int, int, bool]  # instrument, program, whether it plays drums


@in_one_line
def to_note_sequence(song: Song) -> NoteSequence:
    """Convert a song to a NoteSequence. Each track becomes an instrument, counted from 0.

    Raises:
      ImportError: the package note-seq or one of its dependencies is not installed.

    Notebook: 10_take_home.
    """
    try:
        from note_seq.protobuf import music_pb2
    except ImportError:
        raise ImportError(
            'to_note_sequence needs a package that is not installed: pip install note-seq "setuptools<82"'
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
    """A name with lone surrogates replaced, which come from invalid file names."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _controllers(track: Track, reach: int) -> Iterator[tuple[float, int, int]]:
    """The controller changes of a track: (time (s), number, value)."""
    if reach != BEND_RANGE:
        for number, value in bend_range_settings(reach)[:3]:
            yield RANGE_DELAY if number == 6 else 0.0, number, value
    for kind, changes in track.controls.items():
        if kind in NUMBERS:
            for second, amount in changes:
                yield second, NUMBERS[kind], control_value(kind, amount)


@in_one_line
def from_note_sequence(sequence: NoteSequence) -> Song:
    """Convert a NoteSequence to a song. A track has the notes of one instrument with one program.

    This does not need the package note-seq.

    Args:
      sequence: a `note_seq.NoteSequence`; all values are checked.

    Raises:
      ValueError: it is not a NoteSequence, it has no notes or more than `limits` allows, or a value is out of range.

    Notebook: 10_take_home.
    """
    if not all(hasattr(sequence, name) for name in ("notes", "pitch_bends", "control_changes", "instrument_infos")):
        raise ValueError(f"a {type(sequence).__name__} is not a NoteSequence")
    if not sequence.notes:
        raise ValueError("the NoteSequence has no notes")
    if len(sequence.notes) > MAX_NOTES:
        raise ValueError(f"the NoteSequence has {len(sequence.notes):,} notes; the maximum is {MAX_NOTES:,}")
    changes = len(sequence.pitch_bends) + len(sequence.control_changes) + len(sequence.tempos)
    if changes + len(sequence.time_signatures) > MAX_CHANGES:
        raise ValueError(
            f"the NoteSequence has {changes:,} changes of controllers or tempo; the maximum is {MAX_CHANGES:,}"
        )
    notes: dict[_Player, list[Note]] = defaultdict(list)
    for i, note in enumerate(sequence.notes):
        notes[_player(note, i)].append(_note(note, i))
    if len(notes) > MAX_TRACKS:
        raise ValueError(f"the NoteSequence has {len(notes):,} tracks; the maximum is {MAX_TRACKS}")
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
        raise ValueError(f"event {i + 1} of the NoteSequence has program {event.program}; it must be from 0 to 127")
    return event.instrument, event.program, event.is_drum


def _note(note: Any, i: int) -> Note:
    for name, value, low in (("pitch", note.pitch, 0), ("velocity", note.velocity, 1)):
        if not low <= value <= 127:
            raise ValueError(f"note {i + 1} of the NoteSequence has {name} {value}; it must be from {low} to 127")
    start, end = _second(note.start_time, f"note {i + 1}"), _second(note.end_time, f"note {i + 1}")
    if end < start:
        raise ValueError(f"note {i + 1} of the NoteSequence begins at {start:g} s but ends at {end:g} s")
    return Note(note.pitch, note.velocity, start, end)


def _second(value: float, what: str) -> float:
    if not 0 <= value <= MAX_SECONDS:
        raise ValueError(f"{what} of the NoteSequence is at {value:g} s; times must be from 0 to {MAX_SECONDS:g} s")
    return float(value)


def _tempo(value: float) -> float:
    if not 0 < value <= MAX_TEMPO:
        raise ValueError(f"the NoteSequence has a tempo of {value:g}; it must be above 0 and at most {MAX_TEMPO:g}")
    return float(value)


def _in_time(changes: Iterable[tuple]) -> tuple:
    """Sort changes by time, keeping only the last one at each time."""
    latest = {change[0]: change for change in sorted(changes, key=lambda change: change[0])}
    return tuple(latest.values())


def _by_player(events: Iterable[Any]) -> dict[_Player, list[Any]]:
    found: dict[_Player, list[Any]] = defaultdict(list)
    for i, event in enumerate(events):
        _second(event.time, "a controller")
        found[_player(event, i)].append(event)
    return {player: sorted(events, key=lambda event: event.time) for player, events in found.items()}


def _moves(bends: list[Any], controls: list[Any]) -> dict[str, Changes]:
    """The controller changes of a track, in the units of `Track.controls`."""
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
