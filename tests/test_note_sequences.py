"""Songs as NoteSequences, and back. Without note-seq, a stand-in with the same fields takes its place."""

import contextlib
import dataclasses
import sys
import types

import numpy as np
import pytest
from inputs import DATA, song_of

from helpers import midi
from helpers.midi import Note, Song, Track

STUDY = DATA.parents[1] / "data" / "midi" / "study.mid"

with contextlib.suppress(ImportError):
    import note_seq

needs_note_seq = pytest.mark.skipif(
    "note_seq" not in sys.modules, reason='note-seq is an extra: pip install ".[magenta]"'
)


class Rows(list):
    """A repeated field."""

    def __init__(self, **defaults):
        super().__init__()
        self.defaults = defaults

    def add(self, **values):
        assert values.keys() <= self.defaults.keys()
        self.append(types.SimpleNamespace(**{**self.defaults, **values}))
        return self[-1]


class NoteSequence:
    """Those fields of the message that a song can fill."""

    def __init__(self, **values):
        player = {"instrument": 0, "program": 0, "is_drum": False}
        self.filename = ""
        self.sequence_metadata = types.SimpleNamespace(title="")
        self.notes = Rows(pitch=0, velocity=0, start_time=0.0, end_time=0.0, **player)
        self.pitch_bends = Rows(time=0.0, bend=0, **player)
        self.control_changes = Rows(time=0.0, control_number=0, control_value=0, **player)
        self.instrument_infos = Rows(instrument=0, name="")
        self.tempos = Rows(time=0.0, qpm=0.0)
        self.time_signatures = Rows(time=0.0, numerator=0, denominator=0)
        vars(self).update(values)


@pytest.fixture(params=["stand-in", "note-seq"])
def kind(request, monkeypatch):
    """Each test runs with the real messages too, where there are any."""
    if request.param == "note-seq":
        return pytest.importorskip("note_seq").NoteSequence
    module = types.ModuleType("note_seq.protobuf")
    module.music_pb2 = types.SimpleNamespace(NoteSequence=NoteSequence)
    monkeypatch.setitem(sys.modules, "note_seq", types.ModuleType("note_seq"))
    monkeypatch.setitem(sys.modules, "note_seq.protobuf", module)
    return NoteSequence


def by_ends(track):
    return dataclasses.replace(track, notes=tuple(sorted(track.notes, key=lambda note: note.end)))


def test_a_song_comes_back(kind):
    song = midi.load(STUDY)
    sequence = midi.to_note_sequence(song)
    assert isinstance(sequence, kind)
    assert (sequence.total_time, sequence.ticks_per_quarter) == (song.duration, 960)
    back = midi.from_note_sequence(sequence)
    assert (back.name, back.tempos, back.meters) == (song.name, song.tempos, song.meters)
    assert [dataclasses.replace(track, controls={}) for track in back.tracks] == [
        dataclasses.replace(by_ends(track), controls={}) for track in song.tracks
    ]
    for got, track in zip(back.tracks, song.tracks, strict=True):
        assert got.controls.keys() == track.controls.keys()
        for name, changes in track.controls.items():
            np.testing.assert_allclose(got.controls[name], changes, atol=1e-9, err_msg=name)


def test_bends_beyond_two_semitones(kind):
    bend = ((0.0, 1.5), (0.5, -11.25), (1.0, 12.0))
    song = song_of(Note(60, 90, 0.0, 2.0), controls={"bend": bend, "pan": ((0.2, -1.0), (0.4, 1.0))})
    back = midi.from_note_sequence(midi.to_note_sequence(song)).tracks[0]
    np.testing.assert_allclose(back.controls["bend"], bend, atol=12 / 8192)
    assert back.controls["pan"] == song.tracks[0].controls["pan"]


def test_hostile_names_and_two_tracks_of_one_program(kind):
    tracks = [Track(name, 5, False, (Note(60, 90, 0.0, 1.0),)) for name in ("\ud800 a\n", "A", "")]
    back = midi.from_note_sequence(midi.to_note_sequence(Song("\udc80", tuple(tracks))))
    assert [track.name for track in back.tracks] == ["? a", "A", "Electric Piano 2"]
    assert back.name == "?"


def one_note(kind, **values):
    sequence = kind()
    note = {"pitch": 60, "velocity": 90, "start_time": 0.0, "end_time": 1.0, "instrument": 3, "program": 40}
    sequence.notes.add(**{**note, **values})
    return sequence


def test_what_a_sequence_leaves_open(kind):
    sequence = one_note(kind)
    sequence.filename = "folder/tune.mid"
    sequence.notes.add(pitch=38, velocity=80, start_time=0.5, end_time=0.6, instrument=9, is_drum=True)
    song = midi.from_note_sequence(sequence)
    assert song.name == "tune"
    assert [(t.name, t.program, t.is_drum) for t in song.tracks] == [("Violin", 40, False), ("Drums", 0, True)]
    assert (song.tempos, song.meters) == (Song.tempos, Song.meters)
    sequence.notes.add(pitch=62, velocity=80, start_time=0.5, end_time=0.6, instrument=3, program=40)
    assert [note.end for note in midi.from_note_sequence(sequence).tracks[0].notes] == [0.6, 1.0]


def test_controllers_in_any_order(kind):
    sequence = one_note(kind)
    player = {"instrument": 3, "program": 40}
    for time, number, value in ((0.9, 121, 0), (0.5, 64, 127), (0.7, 11, 127), (0.1, 7, 64), (0.2, 7, 999)):
        sequence.control_changes.add(time=time, control_number=number, control_value=value, **player)
    sequence.control_changes.add(time=0.3, control_number=7, control_value=5, instrument=4)  # nobody plays it
    controls = midi.from_note_sequence(sequence).tracks[0].controls
    assert controls == {
        "expression": ((0.7, 1.0), (0.9, 1.0)),
        "pedal": ((0.5, 1.0), (0.9, 0.0)),
        "volume": ((0.1, 64 / 127), (0.2, 1.0)),
    }


def test_a_range_of_the_wheel_that_is_set_later(kind):
    sequence = one_note(kind)
    player = {"instrument": 3, "program": 40}
    for number, value in ((101, 0), (100, 0), (6, 12), (100, 1), (6, 99)):  # the last is another parameter
        sequence.control_changes.add(time=0.5, control_number=number, control_value=value, **player)
    for time in (0.25, 0.75):
        sequence.pitch_bends.add(time=time, bend=4096, **player)
    assert midi.from_note_sequence(sequence).tracks[0].controls == {"bend": ((0.25, 1.0), (0.75, 6.0))}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pitch": 200}, "note 1 of the NoteSequence has pitch 200; it must be from 0 to 127"),
        ({"velocity": 0}, "note 1 of the NoteSequence has velocity 0; it must be from 1 to 127"),
        ({"program": 128}, "event 1 of the NoteSequence has program 128; it must be from 0 to 127"),
        ({"start_time": 2.0}, "note 1 of the NoteSequence begins at 2 s but ends at 1 s"),
        ({"end_time": float("nan")}, "note 1 of the NoteSequence is at nan s"),
        ({"start_time": -1.0}, "note 1 of the NoteSequence is at -1 s"),
        ({"end_time": 1e9}, "note 1 of the NoteSequence is at 1e"),
    ],
)
def test_numbers_out_of_range(kind, values, message):
    with pytest.raises(ValueError, match=message):
        midi.from_note_sequence(one_note(kind, **values))


def test_tempos_out_of_range(kind):
    sequence = one_note(kind)
    sequence.tempos.add(time=0.0, qpm=0.0)
    with pytest.raises(ValueError, match="a tempo of 0; it must be above 0"):
        midi.from_note_sequence(sequence)


def test_a_very_slow_tempo_is_one(kind):
    sequence = one_note(kind)
    sequence.tempos.add(time=0.0, qpm=0.5)
    assert midi.from_note_sequence(sequence).tempos == ((0.0, 0.5),)


def test_more_than_can_be_read(kind, monkeypatch):
    from helpers.midi import note_sequences

    for limit, message in (
        ("MAX_NOTES", "has 1 notes; the maximum is 0"),
        ("MAX_CHANGES", "has 1 changes of controllers or tempo; the maximum is 0"),
        ("MAX_TRACKS", "has 1 tracks; the maximum is 0"),
    ):
        sequence = one_note(kind)
        sequence.control_changes.add()
        with monkeypatch.context() as patch:
            patch.setattr(note_sequences, limit, 0)
            with pytest.raises(ValueError, match=message):
                midi.from_note_sequence(sequence)


def test_what_is_no_sequence(kind):
    with pytest.raises(ValueError, match="a str is not a NoteSequence"):
        midi.from_note_sequence("tune.mid")
    with pytest.raises(ValueError, match="the NoteSequence has no notes"):
        midi.from_note_sequence(kind())


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "note_seq", None)
    monkeypatch.setitem(sys.modules, "note_seq.protobuf", None)
    with pytest.raises(ImportError, match='not installed: pip install note-seq "setuptools<82"'):
        midi.to_note_sequence(song_of(Note(60, 90, 0.0, 1.0)))


@needs_note_seq
def test_their_reader_of_midi_files_finds_what_ours_does():
    song, theirs = midi.load(STUDY), midi.from_note_sequence(note_seq.midi_file_to_note_sequence(str(STUDY)))
    assert [(t.name, t.program, t.is_drum) for t in theirs.tracks] == [
        (t.name, t.program, t.is_drum) for t in song.tracks
    ]
    for got, track in zip(theirs.tracks, song.tracks, strict=True):
        assert [(n.pitch, n.velocity) for n in got.notes] == [(n.pitch, n.velocity) for n in track.notes]
        assert [n.start for n in got.notes] == pytest.approx([n.start for n in track.notes], abs=1e-4)
        assert got.controls.keys() == track.controls.keys()


@needs_note_seq
def test_their_writer_of_midi_files_writes_what_a_song_says(tmp_path):
    bend = ((0.1, 1.5), (0.5, -11.25), (1.0, 12.0))
    song = song_of(Note(60, 90, 0.0, 2.0), Note(64, 80, 0.5, 2.0), controls={"bend": bend})
    note_seq.note_sequence_to_midi_file(midi.to_note_sequence(song), str(tmp_path / "song.mid"))
    back = midi.load(tmp_path / "song.mid").tracks[0]
    assert [value for _, value in back.controls["bend"]] == pytest.approx([v for _, v in bend], abs=12 / 8192)
    assert [(n.pitch, n.velocity) for n in back.notes] == [(60, 90), (64, 80)]
