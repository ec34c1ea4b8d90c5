"""helpers.midi: files in, songs out, piano rolls."""

from pathlib import Path

import pretty_midi
import pytest
from inputs import DATA, golden

from helpers import midi
from helpers.midi import Note, Song, Track

PRELUDE = Path(__file__).parents[1] / "data" / "midi" / "bach_prelude.mid"


@pytest.fixture
def song():
    flute = Track("Flute", 73, False, (Note(60, 100, 0.0, 1.0), Note(64, 50, 1.0, 3.0)))
    drums = Track("Drums", 0, True, (Note(36, 90, 0.5, 0.6),))
    return Song("two", (flute, drums))


def test_the_bundled_score():
    prelude = midi.load(PRELUDE)
    assert len(prelude.notes) == 656
    assert prelude.seconds == pytest.approx(126.0)
    assert "Mutopia, public domain" in prelude.tracks[0].name
    assert prelude.tracks[0].program == 42


@pytest.mark.parametrize("score", ["small", "melody14", "bench300"])
def test_notes_are_those_of_the_original_reader(score):
    arrays = golden("generate_util")
    notes = [note for note in midi.load(DATA / "midi" / f"{score}.mid").notes if 36 <= note.pitch <= 84]
    assert [note.pitch for note in notes] == arrays[f"{score}_pitches"].tolist()
    assert [note.velocity for note in notes] == arrays[f"{score}_velocities"].tolist()
    assert [note.start for note in notes] == pytest.approx(arrays[f"{score}_start_times"].tolist())
    assert [note.end for note in notes] == pytest.approx(arrays[f"{score}_end_times"].tolist())


def test_tracks_programs_and_drums_are_kept():
    tracks = midi.load(DATA / "midi" / "small.mid").tracks
    assert [(track.program, track.is_drum, len(track.notes)) for track in tracks] == [
        (0, False, 8), (40, False, 3), (0, True, 2),
    ]  # fmt: skip
    assert [track.name for track in tracks] == ["1 Acoustic Grand Piano", "2 Violin", "3 Drums"]


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        midi.load(tmp_path / "none.mid")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not a MIDI file"), (b"PK\x03\x04zip", "not a MIDI file"), (b"MThd", "damaged"),
     (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\xff\xff\0\x90", "damaged")],
)  # fmt: skip
def test_other_files_get_one_sentence(tmp_path, content, message):
    path = tmp_path / "score.mid"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        midi.load(path)
    assert "\n" not in str(caught.value)


def test_a_file_without_notes(tmp_path):
    path = tmp_path / "empty.mid"
    pretty_midi.PrettyMIDI().write(str(path))
    with pytest.raises(ValueError, match="holds no notes"):
        midi.load(path)


def test_a_file_that_claims_centuries(tmp_path):
    path = tmp_path / "long.mid"
    score = pretty_midi.PrettyMIDI()
    part = pretty_midi.Instrument(0)
    part.notes.append(pretty_midi.Note(90, 60, 0.0, 6.2 * 3600.0))
    score.instruments.append(part)
    score.write(str(path))
    with pytest.raises(ValueError, match="claims to last 6 hours"):
        midi.load(path)


def test_excerpt_cuts_and_moves(song):
    part = midi.excerpt(song, 0.55, 2.0)
    times = [(note.pitch, note.start, note.end) for note in part.notes]
    assert times == [(60, 0.0, pytest.approx(0.45)), (64, pytest.approx(0.45), 1.45), (36, 0.0, pytest.approx(0.05))]
    assert len(midi.excerpt(song, 2.0).tracks) == 1
    with pytest.raises(ValueError, match="end has to lie behind start"):
        midi.excerpt(song, 2.0, 1.0)


def test_song_describes_itself(song):
    assert str(song).splitlines() == [
        "two: 3 notes, 3.0 s",
        "  Flute (program 73): 2 notes, C4 to E4",
        "  Drums (drums): 1 notes, C2 to C2",
    ]


@pytest.mark.parametrize(("pitch", "name"), [(60, "C4"), (24, "C1"), (84, "C6"), (61, "C♯4"), (0, "C-1")])
def test_note_names(pitch, name):
    assert midi.note_name(pitch) == name


def test_piano_roll_has_labelled_axes_and_every_note(song):
    ax = midi.plot(song)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("time (s)", "pitch", "two")
    assert [len(collection.get_paths()) for collection in ax.collections] == [2, 1]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Flute", "Drums"]
    colours = [tuple(collection.get_facecolor()[0][:3]) for collection in ax.collections]
    assert colours[0] != colours[1]
    loud, soft = ax.collections[0].get_facecolor()[:, 3]
    assert loud > soft
    assert {"C4", "E4"} <= {label.get_text() for label in ax.get_yticklabels()}


def test_piano_roll_draws_on_given_axes(song):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert midi.plot(song, ax=ax) is ax
