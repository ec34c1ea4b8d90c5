"""midi.write: other readers and our own find the same notes in the file."""

import dataclasses
from collections import Counter, defaultdict

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inputs import DATA, song_of

from helpers import midi
from helpers.midi import Note, Song, Track
from helpers.midi.writing import TICKS

SCORES = [*sorted((DATA / "midi").glob("*.mid")), DATA.parents[1] / "data" / "midi" / "study.mid"]
NOTES = st.lists(
    st.builds(
        lambda pitch, velocity, start, length: Note(pitch, velocity, start, start + length),
        st.integers(58, 62),
        st.integers(1, 127),
        st.floats(0, 20),
        st.floats(0, 5),
    ),
    min_size=1,
    max_size=30,
)
TEMPOS = st.lists(st.tuples(st.floats(0.1, 20), st.floats(20, 900)), max_size=4).map(
    lambda changes: ((0.0, 97.3), *sorted(changes))
)


def ticks(song):
    """The longest tick of the file that is written, in seconds."""
    return 60 / min(tempo for _, tempo in song.tempos) / TICKS


def assert_same_notes(got, expected, within):
    """The same keys and velocities, each at its time, whatever the order and the track."""
    by_key = [defaultdict(list), defaultdict(list)]
    for notes, found in zip((got, expected), by_key, strict=True):
        for note in notes:
            found[note.pitch, note.velocity].append((note.start, note.end))
    assert by_key[0].keys() == by_key[1].keys()
    for key, times in by_key[1].items():
        assert len(by_key[0][key]) == len(times)
        for side in (0, 1):
            found, wanted = (sorted(pair[side] for pair in pairs) for pairs in (by_key[0][key], times))
            np.testing.assert_allclose(found, wanted, rtol=0, atol=within)


def again(song, folder):
    return midi.load(midi.write(song, folder / "new" / "song.mid"))


@pytest.mark.parametrize("path", SCORES, ids=lambda path: path.stem)
def test_a_song_comes_back(path, tmp_path):
    song = midi.load(path)
    back = again(song, tmp_path)
    assert_same_notes(back.notes, song.notes, ticks(song) / 2 + 1e-9)
    rows = [[(t.name, t.program, t.is_drum, t.has_program, len(t.notes)) for t in s.tracks] for s in (back, song)]
    assert rows[0] == rows[1]
    assert (back.tempos, back.meters, back.remarks) == (song.tempos, song.meters, ())
    for got, track in zip(back.tracks, song.tracks, strict=True):
        assert got.controls.keys() == track.controls.keys()
        for kind, changes in track.controls.items():
            assert [value for _, value in got.controls[kind]] == pytest.approx([v for _, v in changes], abs=1e-9)
            assert [second for second, _ in got.controls[kind]] == pytest.approx([s for s, _ in changes], abs=1e-3)


@given(st.lists(NOTES, min_size=1, max_size=3), TEMPOS)
@pytest.mark.slow
def test_notes_that_overlap_and_repeat_come_back(tmp_path_factory, lists, tempos):
    tracks = tuple(Track(f"track {i}", i, i == 2, tuple(notes)) for i, notes in enumerate(lists))
    song = Song("song", tracks, tempos)
    # A note shorter than a tick gets one, from the nearest on.
    assert_same_notes(again(song, tmp_path_factory.mktemp("midi")).notes, song.notes, 1.51 * ticks(song))


def test_another_reader_finds_the_same_notes(tmp_path):
    song = midi.load(SCORES[-1])
    theirs = pretty_midi.PrettyMIDI(str(midi.write(song, tmp_path / "song.mid")))
    assert [(i.name, i.program, i.is_drum) for i in theirs.instruments] == [
        (t.name, t.program, t.is_drum) for t in song.tracks
    ]
    for got, track in zip(theirs.instruments, song.tracks, strict=True):
        assert_same_notes(got.notes, track.notes, 1e-3)
    assert theirs.get_tempo_changes()[1] == pytest.approx([tempo for _, tempo in song.tempos], rel=1e-6)


def test_a_key_struck_while_it_is_down_goes_to_a_channel_of_its_own(tmp_path):
    notes = Note(60, 90, 0.0, 2.0), Note(60, 80, 1.0, 3.0), Note(60, 70, 2.0, 4.0), Note(64, 70, 0.0, 4.0)
    song = song_of(*notes, controls={"volume": ((0.0, 100 / 127),)})
    back = again(song, tmp_path)
    assert [len(track.notes) for track in back.tracks] == [3, 1]
    assert [track.name for track in back.tracks] == ["track", "track 2"]
    assert all(track.controls == song.tracks[0].controls for track in back.tracks)
    file = mido.MidiFile(tmp_path / "new" / "song.mid")
    channels = [{m.channel for m in track if m.type == "note_on"} for track in file.tracks[1:]]
    assert channels == [{0}, {1}]


def test_a_key_comes_up_before_it_is_struck_again(tmp_path):
    """Our own reader would forgive it; others end the new note."""
    midi.write(song_of(Note(60, 90, 0.0, 1.0), Note(60, 80, 1.0, 2.0)), tmp_path / "song.mid")
    messages = [message.type for message in mido.MidiFile(tmp_path / "song.mid").tracks[1] if not message.is_meta]
    assert messages == ["program_change", "note_on", "note_off", "note_on", "note_off"]


def test_many_tracks_have_a_channel_each(tmp_path):
    """What one does with the volume is no matter of another, beyond the sixteenth too."""
    tracks = [
        Track(
            f"{i}", i, i % 5 == 4, (Note(60, 90, 0.0, 1.0 + i / 100),), {"volume": ((0.5, i / 127),)} if i % 2 else {}
        )
        for i in range(40)
    ]
    back = again(Song("song", tuple(tracks)), tmp_path)
    assert [(t.name, t.program, t.is_drum, t.controls.keys()) for t in back.tracks] == [
        (t.name, t.program, t.is_drum, t.controls.keys()) for t in tracks
    ]
    file = mido.MidiFile(tmp_path / "new" / "song.mid")
    assert max(m.port for track in file.tracks for m in track if m.type == "midi_port") > 0


@pytest.mark.parametrize("widest", [0.5, 2.0, 3.3, 24.0, 400.0])
def test_bends_reach_as_far_as_they_must(widest, tmp_path):
    bend = ((0.0, 0.0), (0.5, -widest), (1.0, widest / 2))
    back = again(song_of(Note(60, 90, 0.0, 2.0), controls={"bend": bend}), tmp_path)
    reach = min(max(2, int(np.ceil(widest))), 127)
    expected = [min(max(value, -reach), reach) for _, value in bend]
    assert [value for _, value in back.tracks[0].controls["bend"]] == pytest.approx(expected, abs=reach / 8192)


def test_what_a_hand_made_song_may_hold(tmp_path):
    """Tempos and meters that MIDI has no numbers for, and names with anything in them."""
    name = "\ud800\x00\n<\"'>\U0001f600 " + "x" * 300
    song = Song(
        "\udc80song",
        (Track(name, 5, False, (Note(60, 90, 0.0, 1.0), Note(62, 90, 7000.0, 7000.5)), {"unknown": ((0.0, 1.0),)}),),
        ((0.0, 0.0), (1.0, 1e7)),
        ((0.0, 3, 7), (1.0, 999, 4), (2.0, 7, 8)),
    )
    back = again(song, tmp_path)
    assert_same_notes(back.notes, song.notes, 0.01)
    assert back.meters[-1] == pytest.approx((2.0, 7, 8), abs=0.01)
    assert back.tracks[0].name.startswith("?")
    assert back.remarks == ()


def test_many_tempos_do_not_add_up_to_a_drift(tmp_path):
    changes = tuple((i * 0.37, 60 + 61.7 * (i % 7)) for i in range(2000))
    notes = [Note(60 + i % 12, 90, i * 0.74, i * 0.74 + 0.3) for i in range(1000)]
    song = Song("song", song_of(*notes).tracks, changes)
    assert_same_notes(again(song, tmp_path).notes, notes, ticks(song))


def test_the_same_song_is_the_same_file(tmp_path):
    song = midi.load(SCORES[-1])
    paths = [midi.write(song, tmp_path / name) for name in ("a.mid", "b.MIDI")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_mistakes_are_one_sentence(tmp_path):
    song = song_of(Note(60, 90, 0.0, 1.0))
    with pytest.raises(ValueError, match=r"song\.wav must end in \.mid or \.midi"):
        midi.write(song, tmp_path / "song.wav")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written"):
        midi.write(song, tmp_path / "file" / "song.mid")
    assert Counter(path.name for path in tmp_path.iterdir()) == {"file": 1}
    nobody_named = dataclasses.replace(song.tracks[0], has_program=False)
    assert not again(Song("song", (nobody_named,)), tmp_path).tracks[0].has_program
