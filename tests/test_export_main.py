import json
import types
from pathlib import Path

import pytest
from inputs import DATA

import helpers.gansynth
from helpers import files, instruments
from helpers.export import __main__ as command

TINY = DATA / "checkpoints" / "tiny_stage12"


@pytest.fixture
def file(tmp_path, tiny):
    return instruments.save(instruments.sample(tiny, 4, seed=3), tmp_path / "four.json")


def run(*flags):
    return command.main(["--checkpoint", str(TINY), *map(str, flags)])


@pytest.mark.parametrize("ending", [".sf2", ".zip"])
@pytest.mark.slow
def test_instruments_of_a_file(file, tmp_path, capsys, ending):
    assert run("--instruments", file, "--pitches", "48,60", "--output", tmp_path / f"four{ending}") == 0
    said = capsys.readouterr().out
    assert "8 notes" in said
    assert "tiny 3-0, tiny 3-1, tiny 3-2, tiny 3-3: 1 velocity layer\n" in said
    assert "from semitone to semitone: loudness" in said
    assert said.endswith(f"four{ending}\n")
    assert (tmp_path / f"four{ending}").stat().st_size > 100_000


@pytest.mark.slow
def test_a_name_without_an_ending_is_a_folder(file, tmp_path):
    assert run("--instruments", file, "--pitches", "60", "--sample_rate", "44100", "--output", tmp_path / "waves") == 0
    assert len(list((tmp_path / "waves").rglob("*-060-C4.wav"))) == 4


@pytest.mark.slow
def test_pads(file, tmp_path, capsys):
    flags = ("--pad", file, "--pitches", "60", "--resolution", "2", "--output", tmp_path / "pads")
    assert run(*flags) == 0
    settings = json.loads((tmp_path / "pads" / "settings.json").read_text())
    assert settings["nsynth"]["resolution"] == 2
    assert "2 x 2 cells" in capsys.readouterr().out


@pytest.mark.slow
def test_a_page(file, tmp_path, tiny):
    one = instruments.save(instruments.load(file)[:1], tmp_path / "one.json")
    assert run("--instruments", one, "--pitches", "60", "--output", tmp_path / "one.html") == 0
    assert "tiny" in (tmp_path / "one.html").read_text("utf-8")


def test_the_model_itself(tmp_path):
    assert run("--output", tmp_path / "tiny.onnx") == 0
    assert (tmp_path / "tiny.onnx").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--output", "a.sfz"], "nothing to export"),
        (["--instrument", "Cello", "--output", "a.exs"], "must end in .sfz, .sf2"),
        (["--instrument", "Cello", "--output", "a.wav"], ".zip, .html, .onnx, or have no ending"),
        (["--instrument", "Cello", "--output", "a.onnx"], "leave out --instrument"),
        (["--pad", "a,b,c,d", "--output", "a.sfz"], "--pad writes a folder"),
        (["--instrument", "Cello", "--resolution", "9", "--output", "a.sfz"], "--resolution is only for --pad"),
        (["--instrument", "Cello", "--pitches", "", "--output", "a.sfz"], "expected MIDI numbers"),
        (
            ["--instrument", "Cello", "--sample_rate", "44100", "--output", "a.html"],
            "--sample_rate is only for samplers",
        ),
        (["--pad", "a,b,c,d", "--velocities", "127", "--output", "a"], "--velocities is only for samplers"),
        (["--pitches", "60", "--output", "a.onnx"], "leave out --pitches"),
        (["--web", "--pitches", "60", "--output", "a"], "leave out --pitches"),
        (["--web", "--velocities", "127", "--output", "a"], "--velocities is only for samplers"),
        (["--web", "--output", "a.html"], "--web writes a folder"),
        (["--web", "--output", "a.onnx"], "leave out --instrument, --instruments, --pad and --web"),
        (["--instrument", "Cello", "--output", ""], "does not name a file"),
        (["--instrument", "Cello", "--pitches", "C4", "--output", "a.sfz"], "expected MIDI numbers"),
        (["--instruments", "gone.json", "--output", "a.sfz"], "no such file"),
    ],
)
def test_mistakes_are_a_sentence_before_a_model_is_loaded(flags, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(helpers.gansynth, "load", lambda name: pytest.fail("it was loaded"))
    assert run(*flags) == 1
    assert said in capsys.readouterr().err
    assert not list(Path().iterdir())


def test_a_resolution_of_nothing_is_no_default(file, tmp_path, capsys):
    assert run("--pad", file, "--resolution", "0", "--output", tmp_path / "pads") == 1
    assert "resolution is 0" in capsys.readouterr().err


def test_too_many_for_a_format_are_told_before_they_are_sampled(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command.export, "sampled", lambda *_, **__: pytest.fail("they were sampled"))
    assert run("--instruments", file, "--output", tmp_path / "a.multisample") == 1
    assert "holds one instrument" in capsys.readouterr().err


def test_places_are_looked_at_before_anything_is_sampled(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command.export, "sampled", lambda *_, **__: pytest.fail("they were sampled"))
    for folder in ("waves/tiny-3-2", "four_sfz", "mine"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "zither.wav").write_text("mine")
    (tmp_path / "waves" / "tiny-3-2" / "tiny-3-2-060-C4-v084.wav").touch()  # of an earlier call
    (tmp_path / "file").touch()
    for output, said in (
        ("waves", "tiny-3-2 holds other files, such as zither.wav"),
        ("four.sfz", "four_sfz contains other files"),
        ("file/four", "file is a file"),
    ):
        assert run("--instruments", file, "--pitches", "60", "--output", tmp_path / output) == 1
        assert said in capsys.readouterr().err
    monkeypatch.setattr(files.os, "open", refused)
    assert run("--instruments", file, "--pitches", "60", "--output", tmp_path / "four.sf2") == 1
    assert "four.sf2 cannot be written: Permission denied" in capsys.readouterr().err


def refused(path, *_):
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.slow
def test_the_folder_beside_a_file_is_named(file, tmp_path, capsys):
    flags = ("--pitches", "60", "--velocities", "127", "--output", tmp_path / "four.sfz")
    assert run("--instruments", file, *flags) == 0
    assert capsys.readouterr().out.endswith(f"four.sfz, with the folder {tmp_path / 'four_sfz'}\n")


@pytest.mark.slow
def test_a_pad_has_four_corners(file, tmp_path, tiny, capsys):
    three = instruments.save(instruments.load(file)[:3], tmp_path / "three.json")
    assert run("--pad", three, "--output", tmp_path / "pads") == 1
    assert "--pad names 3 corners; a pad has 4 corners" in capsys.readouterr().err
    one = instruments.save(instruments.load(file)[:1], tmp_path / "one.json")
    assert run("--pad", one, "--output", tmp_path / "pads") == 1
    assert "--pad names 1 corner; a pad" in capsys.readouterr().err


def test_corners_share_by_a_plus():
    model = Model()
    for text, expected in (
        ("Cello,Flute,Harp,Oboe", ["Cello", "Flute", "Harp", "Oboe"]),
        ("Cello, soft + flute,Harp,Oboe+Cello,Flute", ["Cello, soft|Flute", "Harp", "Oboe|Cello", "Flute"]),
        ("Cello+Flute+Harp+Oboe,Harp", ["Cello|Flute|Harp|Oboe", "Harp"]),
    ):
        assert ["|".join(one.name for one in corner) for corner in command._corners(text, model)] == expected
    with pytest.raises(ValueError, match=r"--pad is 'two\.json\+two\.json'; it takes one file of four instruments"):
        command._corners("two.json+two.json", model)
    with pytest.raises(ValueError, match="no instrument ''"):
        command._corners("Cello+,Flute", model)


class Model:
    name, fingerprint = "four", "f00d"
    about = types.MappingProxyType(
        {"instruments": [{"name": n, "z": [1.0]} for n in ("Cello", "Cello, soft", "Flute", "Harp", "Oboe")]}
    )


@pytest.mark.slow
def test_one_instrument_is_one(capsys, tmp_path):
    flags = ["--checkpoint", "demo", "--instrument", "Cello,Harp", "--output", str(tmp_path / "a.sfz")]
    assert command.main(flags) == 1
    assert "use --instruments" in capsys.readouterr().err
