"""helpers.generate: the original's flags, and one sentence for each mistake."""

import shutil

import numpy as np
import pytest
import soundfile
from inputs import DATA, golden, snr

from helpers import generate, render

TINY = DATA / "checkpoints" / "tiny_stage12"
MELODY = DATA / "midi" / "melody14.mid"


def run(*flags):
    return generate.main([str(flag) for flag in flags])


def test_faithful_with_a_seed_gives_the_samples_of_the_original(tmp_path, capsys):
    flags = ["--midi_file", MELODY, "--output_dir", tmp_path, "--tfds_data_dir", "gs://nowhere"]
    assert run("--ckpt_dir", TINY, *flags, "--faithful", "--seed", 31) == 0
    samples, rate = soundfile.read(tmp_path / "generated_clip.wav", dtype="float32")
    expected = golden("tiny_e2e")["melody14_clip_f32"]
    assert rate == 16000
    assert soundfile.info(tmp_path / "generated_clip.wav").subtype == "FLOAT"
    assert samples.shape == expected.shape
    assert snr(samples, expected) > 65
    assert "generated_clip.wav" in capsys.readouterr().out


def test_a_script_for_the_original_runs_unchanged(tmp_path):
    flags = [f"--ckpt_dir={TINY}", f"--output_dir={tmp_path}", f"--midi_file={MELODY}", "--batch_size=4"]
    assert run(*flags, "--secs_per_instrument=3.5") == 0
    samples, _ = soundfile.read(tmp_path / "generated_clip.wav")
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1


def test_a_band_from_the_command_line(tmp_path, capsys):
    score = DATA / "midi" / "small.mid"
    flags = ["--midi_file", score, "--output_dir", tmp_path, "--seed", 2, "--each_track", "--pitch", "drop"]
    assert run("--ckpt_dir", TINY, *flags, "--sample_rate", 22050, "--sustain", "once", "--loudness", -30) == 0
    assert soundfile.info(tmp_path / "generated_clip.wav").samplerate == 22050
    printed = capsys.readouterr().out
    assert "-30.0 LUFS" in printed
    assert "1 note: outside C1 to C6" in printed
    again = render.reproduce(tmp_path / "generated_clip.json", progress=False)
    samples, _ = soundfile.read(tmp_path / "generated_clip.wav", dtype="float32")
    assert (again.samples == samples).all()


def test_without_a_score_it_makes_random_notes(tmp_path):
    assert run("--ckpt_dir", TINY, "--output_dir", tmp_path, "--batch_size", 3, "--seed", 5) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"generated_{i}.wav" for i in range(3)]
    assert all(soundfile.info(path).frames == 64000 for path in tmp_path.iterdir())


@pytest.fixture
def empty_score(tmp_path):
    import pretty_midi

    pretty_midi.PrettyMIDI().write(str(tmp_path / "empty.mid"))
    return tmp_path / "empty.mid"


@pytest.fixture
def misshapen(tmp_path):
    """A checkpoint whose numbers call for other weights than it has."""
    folder = shutil.copytree(TINY, tmp_path / "misshapen")
    text = (folder / "experiment.json").read_text()
    (folder / "experiment.json").write_text(text.replace('"fmap_max": 6', '"fmap_max": 5'))
    return folder


def test_mistakes_get_one_sentence_and_a_status(tmp_path, capsys, empty_score, misshapen, monkeypatch):
    (tmp_path / "text.mid").write_text("words")
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path / "data"))
    # Nothing listens there: this is what a machine without a network sees.
    monkeypatch.setitem(generate_published(), "acoustic_only", "http://127.0.0.1:9/acoustic_only.zip")
    mistakes = {
        "no such file": ["--ckpt_dir", TINY, "--midi_file", tmp_path / "none.mid"],
        "not a MIDI file": ["--ckpt_dir", TINY, "--midi_file", tmp_path / "text.mid"],
        "holds no notes": ["--ckpt_dir", TINY, "--midi_file", empty_score],
        "no checkpoint in": ["--ckpt_dir", tmp_path / "folder", "--midi_file", MELODY],
        "does not fit its experiment.json": ["--ckpt_dir", misshapen, "--midi_file", MELODY],
        "acoustic_only": ["--checkpoint", "acoustic_onyl", "--midi_file", MELODY],
        "internet connection": ["--checkpoint", "acoustic_only", "--midi_file", MELODY],
        "--batch_size": ["--ckpt_dir", TINY, "--batch_size", 0],
        "--secs_per_instrument": ["--ckpt_dir", TINY, "--midi_file", MELODY, "--secs_per_instrument", 0],
        "--seed": ["--ckpt_dir", TINY, "--seed", -1],
        "takes none of the other choices": [
            "--ckpt_dir", TINY, "--midi_file", MELODY, "--faithful", "--drums", "synth",
        ],
        "sample_rate is 8000": ["--ckpt_dir", TINY, "--midi_file", MELODY, "--sample_rate", 8000],
        "needs 40 s for two instruments": [
            "--ckpt_dir", TINY, "--midi_file", MELODY, "--faithful", "--secs_per_instrument", 20,
        ],
    }  # fmt: skip
    for sentence, flags in mistakes.items():
        assert run(*flags, "--output_dir", tmp_path / "out") != 0, sentence
        error = capsys.readouterr().err
        assert error.startswith("error: "), error
        assert sentence in error
        assert len(error.strip().splitlines()) == 1, error
    assert not (tmp_path / "out").exists()


def generate_published():
    from helpers import checkpoints

    return checkpoints.PUBLISHED


def test_checkpoint_and_ckpt_dir_exclude_each_other(capsys):
    with pytest.raises(SystemExit) as caught:
        run("--checkpoint", "demo", "--ckpt_dir", TINY)
    assert caught.value.code != 0
    assert "not allowed with" in capsys.readouterr().err
