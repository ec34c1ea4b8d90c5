"""tools/make_study.py and the score that it writes."""

from helpers import midi


def test_the_score_is_what_the_script_writes(make_study, tmp_path):
    assert make_study.main(tmp_path / "study.mid") == 0
    assert (tmp_path / "study.mid").read_bytes() == make_study.STUDY.read_bytes()


def test_it_has_everything_that_a_renderer_has_to_cope_with(make_study):
    song = midi.load(make_study.STUDY)
    tracks = {track.name: track for track in song.tracks}
    assert list(tracks) == ["Flute", "Piano", "Strings", "Bass", "Drums"]
    assert tracks["Drums"].is_drum
    assert min(note.duration for note in tracks["Strings"].notes) > 4
    assert min(note.pitch for note in tracks["Bass"].notes) < 24
    assert {kind for track in song.tracks for kind in track.controls} == {
        "volume", "expression", "pan", "pedal", "bend",
    }  # fmt: skip
    assert len(song.tempos) == 3
