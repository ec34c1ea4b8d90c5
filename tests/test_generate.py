"""helpers.generate: the original's flags, and one sentence for each mistake."""

import dataclasses
import io
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from inputs import DATA, Stub, golden, snr

from helpers import generate, instruments, midi, render
from helpers.midi import Note, Song, Track
from helpers.render.report import read_recipe

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


@pytest.mark.slow
def test_stems_and_the_midi_as_it_was_played(tmp_path, capsys):
    score, played = DATA / "midi" / "small.mid", tmp_path / "played.mid"
    flags = ["--midi_file", score, "--output_dir", tmp_path, "--seed", 2, "--each_track"]
    for _ in range(2):  # a second time too
        assert run("--ckpt_dir", TINY, *flags, "--stems", tmp_path / "stems", "--midi_played", played) == 0
    samples, _ = soundfile.read(tmp_path / "generated_clip.wav")
    stems = [soundfile.read(path)[0] for path in sorted((tmp_path / "stems").iterdir())]
    assert len(stems) == 2
    np.testing.assert_allclose(sum(stems), samples, atol=2**-15)
    assert len(midi.load(played).tracks) == 2
    assert (tmp_path / "played 2.mid").read_bytes() == played.read_bytes()
    printed = capsys.readouterr().out
    assert str(played) in printed
    assert str(tmp_path / "stems") in printed


@pytest.mark.slow
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
    assert soundfile.info(tmp_path / "generated_clip.wav").subtype == "PCM_16"
    np.testing.assert_allclose(samples, again.samples, atol=2**-15)


def test_a_terminal_without_the_signs_of_the_report_loses_nothing(tmp_path, monkeypatch):
    """As on Windows with its output in a file. The report of a note that is left out names it, with "♯" or "–"."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    score = Song("Na\x1b[31mïve", (Track("t\x1b]0;♪", 0, False, (Note(97, 90, 0.0, 0.5), Note(60, 90, 0.0, 0.5))),))
    monkeypatch.setattr(midi, "load", lambda path: score)
    assert run("--ckpt_dir", TINY, "--midi_file", MELODY, "--output_dir", tmp_path, "--pitch", "drop") == 0
    stream.flush()
    printed = stream.buffer.getvalue()
    assert b"?" in printed
    assert b"\x1b" not in printed
    assert (tmp_path / "generated_clip.wav").is_file()


@pytest.mark.parametrize("ending", ["mp3", "flac", "ogg", "wav"])
@pytest.mark.slow
def test_output_names_the_file_and_its_kind(tmp_path, ending):
    path = tmp_path / "new" / f"tune.{ending}"
    assert run("--ckpt_dir", TINY, "--midi_file", MELODY, "--output", path, "--seed", 1) == 0
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([path.name, "tune.json"])
    assert soundfile.info(path).format == ending.upper()
    assert soundfile.info(path).duration > 10


@pytest.mark.slow
def test_what_is_there_is_kept_and_the_last_clip_has_the_plain_name(tmp_path, capsys):
    flags = ["--ckpt_dir", TINY, "--midi_file", MELODY, "--output_dir", tmp_path]
    (tmp_path / "generated_clip 2.wav").write_bytes(b"mine")
    assert run(*flags, "--seed", 1) == 0
    first = (tmp_path / "generated_clip.wav").read_bytes()
    assert "was renamed" not in capsys.readouterr().out
    assert run(*flags, "--seed", 2) == 0
    assert "generated_clip.wav was renamed to generated_clip 3.wav" in capsys.readouterr().out
    assert (tmp_path / "generated_clip 2.wav").read_bytes() == b"mine"
    assert (tmp_path / "generated_clip 3.wav").read_bytes() == first != (tmp_path / "generated_clip.wav").read_bytes()
    assert (tmp_path / "generated_clip 3.json").is_file()
    assert run(*flags, "--seed", 1, "--overwrite") == 0
    assert "was renamed" not in capsys.readouterr().out
    assert (tmp_path / "generated_clip.wav").read_bytes() == first
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.slow
def test_instruments_of_a_file_share_the_song_or_its_tracks(tmp_path, tiny, capsys):
    bank = instruments.sample(tiny, 3, seed=8)
    bank = [dataclasses.replace(bank[i], name=name) for i, name in enumerate(("Ada", "Bo", "Cy"))]
    file = instruments.save(bank, tmp_path / "bank.json")
    flags = ["--ckpt_dir", TINY, "--midi_file", MELODY, "--output", tmp_path / "tune.wav", "--instruments", file]
    assert run(*flags) == 0
    (part,) = read_recipe(tmp_path / "tune.json").parts
    third = midi.load(MELODY).duration / 3
    assert [(entry.name, second) for entry, second in part.timeline.stops] == [
        ("Ada", 0.0), ("Bo", pytest.approx(third)), ("Cy", pytest.approx(2 * third)),
    ]  # fmt: skip
    assert run(*flags, "--each_track") == 0
    (part,) = read_recipe(tmp_path / "tune.json").parts
    assert [entry.name for entry, _ in part.timeline.stops] == ["Ada"]


def test_each_track_takes_the_instruments_in_turn(tiny):
    tracks = [
        Track(f"{i}", 0, is_drum, (Note(60, 90, 0.0, 1.0),)) for i, is_drum in enumerate((False, True) + (False,) * 2)
    ]
    named_model = SimpleNamespace(name="m", fingerprint="", about={"instruments": [named("Ada"), named("Bo")]})
    args = generate.parser().parse_args(["--instruments", "bo,ada", "--each_track"])
    parts = generate._parts(args, named_model, Song("song", tuple(tracks)), seed=0)
    assert {number: instrument.name for number, instrument in parts.items()} == {1: "Bo", 3: "Ada", 4: "Bo"}


def named(name):
    return {"name": name, "z": [0.0, 1.0]}


def test_names_may_hold_commas_and_their_case_does_not_matter():
    model = SimpleNamespace(
        name="m", fingerprint="", about={"instruments": [named("Cello"), named("Cello, soft"), named("Harp")]}
    )
    chosen = instruments.choose("cello, soft ,Harp,cello", model)
    assert [instrument.name for instrument in chosen] == ["Cello, soft", "Harp", "Cello"]
    with pytest.raises(ValueError, match="m has no instrument 'Celo'; did you mean 'Cello'"):
        instruments.choose("Celo", model)
    with pytest.raises(ValueError, match="m has no instrument ''; it has Cello, Cello, soft, Harp"):
        instruments.choose("Cello,,Harp", model)


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
    (tmp_path / "a.wav").mkdir()
    monkeypatch.setattr("helpers.render.rendering.generate_notes", None)  # all of it is known before the first note
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("helpers.generate.CKPT_DIR", str(tmp_path / "original"))
    # Nothing listens there: this is what a machine without a network sees.
    monkeypatch.setitem(generate_published(), "acoustic_only", "http://127.0.0.1:9/acoustic_only.zip")
    mistakes = {
        "no such file": ["--ckpt_dir", TINY, "--midi_file", tmp_path / "none.mid"],
        "not a MIDI file": ["--ckpt_dir", TINY, "--midi_file", tmp_path / "text.mid"],
        "has no notes": ["--ckpt_dir", TINY, "--midi_file", empty_score],
        "no checkpoint in": ["--ckpt_dir", tmp_path / "folder", "--midi_file", MELODY],
        "does not match its experiment.json": ["--ckpt_dir", misshapen, "--midi_file", MELODY],
        "acoustic_only": ["--checkpoint", "acoustic_onyl", "--midi_file", MELODY],
        f"no checkpoint at {tmp_path / 'original'}, the default of --ckpt_dir": ["--midi_file", MELODY],
        "internet connection": ["--checkpoint", "acoustic_only", "--midi_file", MELODY],
        "--batch_size": ["--ckpt_dir", TINY, "--batch_size", 0],
        "--secs_per_instrument": ["--ckpt_dir", TINY, "--midi_file", MELODY, "--secs_per_instrument", 0],
        "--seed": ["--ckpt_dir", TINY, "--seed", -1],
        "error: --faithful plays as the original does and cannot be combined with other settings": [
            "--ckpt_dir", TINY, "--midi_file", MELODY, "--faithful", "--drums", "synth",
        ],
        "error: --sample_rate is 8000; it can be 16000": [
            "--ckpt_dir", TINY, "--midi_file", MELODY, "--sample_rate", 8000,
        ],
        "--output, --instruments, --stems and --midi_played need": ["--ckpt_dir", TINY, "--output", tmp_path / "x.wav"],
        "need a score": ["--ckpt_dir", TINY, "--stems", tmp_path / "stems"],
        "it must end in .mid or .midi": ["--ckpt_dir", TINY, "--midi_file", MELODY, "--midi_played", "x.wav"],
        "nothing can be written to": ["--ckpt_dir", TINY, "--midi_file", MELODY, "--stems", tmp_path / "text.mid"],
        "must end in": ["--ckpt_dir", TINY, "--midi_file", MELODY, "--output", tmp_path / "x.aac"],
        "is a folder": ["--ckpt_dir", TINY, "--midi_file", MELODY, "--output", tmp_path / "a.wav"],
        "text.mid is a file": ["--ckpt_dir", TINY, "--midi_file", MELODY, "--output", tmp_path / "text.mid" / "x.wav"],
        "no instruments at": ["--ckpt_dir", TINY, "--midi_file", MELODY, "--instruments", tmp_path / "none.json"],
        "has no named instruments": ["--ckpt_dir", TINY, "--midi_file", MELODY, "--instruments", "Cello"],
        "leave out --instruments": [
            "--ckpt_dir", TINY, "--midi_file", MELODY, "--faithful", "--instruments", "Cello",
        ],
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


def test_instruments_that_cannot_be_read_are_told_before_the_model_is_loaded(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("helpers.gansynth.load", None)
    (tmp_path / "song.json").write_text("[]")
    for name, sentence in (("none.json", "no instruments at"), ("song.json", "is not a file of instruments")):
        flags = ["--ckpt_dir", TINY, "--midi_file", MELODY, "--output_dir", tmp_path]
        assert run(*flags, "--instruments", tmp_path / name) == 1
        assert sentence in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_told_before_the_model_is_loaded(tmp_path, capsys, monkeypatch):
    def refuse(**kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("helpers.gansynth.load", None)
    assert run("--midi_file", MELODY, "--output_dir", tmp_path / "out") == 1
    assert capsys.readouterr().err == f"error: nothing can be written to {tmp_path / 'out'}: Permission denied\n"


def test_drums_without_a_player_are_told_before_the_model_is_loaded(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "midirenderer", None)  # makes importing it fail
    monkeypatch.setattr("helpers.gansynth.load", None)
    assert run("--midi_file", MELODY, "--output_dir", tmp_path, "--drums", "synth") == 1
    assert "pip install midirenderer" in capsys.readouterr().err


def generate_published():
    from helpers.gansynth import hub

    return hub.PUBLISHED


def test_checkpoint_and_ckpt_dir_exclude_each_other(capsys):
    with pytest.raises(SystemExit) as caught:
        run("--checkpoint", "demo", "--ckpt_dir", TINY)
    assert caught.value.code != 0
    assert "not allowed with" in capsys.readouterr().err


# --------------------------------------------------------------------------------------- what the flags come to


class Enough(ValueError):
    """Ends a run before anything is rendered."""


@pytest.fixture
def calls(monkeypatch):
    """What the model was loaded with, and what `render` was asked for; neither happens."""
    seen = SimpleNamespace()

    def load(name, precision, cache, backend):
        seen.name, seen.precision, seen.cache = name, precision, cache
        return Stub()

    def play(model, song, parts, **choices):
        seen.parts, seen.choices = parts, choices
        raise Enough

    monkeypatch.setattr("helpers.gansynth.load", load)
    monkeypatch.setattr("helpers.render.render", play)
    return seen


def asked(calls, tmp_path, *flags):
    assert run("--ckpt_dir", TINY, "--midi_file", MELODY, "--output_dir", tmp_path, *flags) == 1
    return calls


@pytest.mark.parametrize("seed", [0, 1, 31])
def test_a_seed_is_that_seed_and_0_is_one_too(calls, tmp_path, seed):
    seen = asked(calls, tmp_path, "--seed", seed)
    assert seen.choices["seed"] == seed
    expected = Stub().sample_z(len(seen.parts.instruments), seed)
    np.testing.assert_array_equal([instrument.z for instrument in seen.parts.instruments], expected)


def test_without_a_seed_every_run_draws_another(calls, tmp_path):
    assert len({asked(calls, tmp_path).choices["seed"] for _ in range(3)}) == 3


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_model_computes_with_the_precision_that_is_asked_for(calls, tmp_path, precision):
    assert asked(calls, tmp_path, "--precision", precision).precision == precision
    assert asked(calls, tmp_path).precision == "float32"


def test_notes_are_kept_with_cache_and_only_then(calls, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert asked(calls, tmp_path).cache is None
    assert asked(calls, tmp_path, "--cache").cache.folder == tmp_path / "cache" / "gansynth-suite" / "notes"


def test_a_name_goes_before_the_default_folder(calls, tmp_path):
    assert asked(calls, tmp_path).name == str(TINY)
    assert run("--checkpoint", "demo", "--midi_file", MELODY, "--output_dir", tmp_path) == 1
    assert calls.name == "demo"


def test_every_choice_reaches_the_rendering(calls, tmp_path):
    flags = {"pitch": "shift", "sustain": "once", "level": "peak", "sample_rate": 44100, "loudness": -20.0}
    written = [word for name, value in flags.items() for word in (f"--{name}", value)]
    seen = asked(calls, tmp_path, *written, "--batch_size", 3)
    assert {name: seen.choices[name] for name in flags} == flags
    assert (seen.choices["batch_size"], seen.choices["faithful"], seen.choices["drums"]) == (3, False, "skip")
    assert asked(calls, tmp_path, "--faithful").choices["faithful"] is True


def test_faithful_instruments_last_to_the_end_of_the_note_listed_last(calls, tmp_path, monkeypatch):
    """Not of the last one to end, and not of one that the original leaves out."""
    notes = (Note(60, 90, 0.0, 40.0), Note(62, 90, 1.0, 25.0), Note(100, 90, 0.0, 90.0))
    monkeypatch.setattr(midi, "load", lambda path: Song("song", (Track("t", 0, False, notes),)))
    flags = ["--faithful", "--seed", 31, "--secs_per_instrument", 5]
    expected = instruments.Timeline.original(Stub(), 25.0, 31, 5.0)
    assert asked(calls, tmp_path, *flags).parts.at.tolist() == expected.at.tolist()
    ours = asked(calls, tmp_path, "--seed", 31, "--secs_per_instrument", 5).parts
    assert ours.at.tolist() == instruments.Timeline.random(Stub(), 90.0, 31, 5.0).at.tolist()


def test_random_notes_reach_from_the_lowest_pitch_to_the_highest(monkeypatch, tmp_path):
    asked = []

    def made(z, pitches, progress):
        asked.extend(pitches.tolist())
        return np.zeros((len(z), 4), np.float32)

    model = SimpleNamespace(sample_z=lambda n, seed: np.zeros((n, 4)), generate=made, sample_rate=16000)
    generate.random_notes(model, 30, 1, tmp_path)  # a seed that draws both
    assert (min(asked), max(asked)) == (24, 84)
    assert len(list(tmp_path.iterdir())) == 30
