"""helpers.match: the command line."""

import pytest
import soundfile
from inputs import DATA, harmonic_wave

from helpers import gansynth, instruments, match, matching
from helpers.gansynth import inversion
from helpers.matching import fitting

TINY = str(DATA / "checkpoints" / "tiny_stage12")


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(fitting, "DRAWN", 4)
    monkeypatch.setattr(inversion, "STEPS", 2)
    monkeypatch.setattr(inversion.invert, "__defaults__", (2, None, None))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, harmonic_wave(60, 1), 16000)
    return path


@pytest.mark.slow
def test_a_recording_becomes_a_file_that_plays(file, tmp_path, capsys, quick):
    out, folder = tmp_path / "made" / "tone.json", tmp_path / "sounds"
    flags = [f"--recording={file}", f"--checkpoint={TINY}", f"--output={out}", f"--sounds={folder}", "--name=mine"]
    assert match.main(flags) == 0
    (made,) = instruments.load(out, gansynth.load(TINY))
    assert made.name == "mine"
    said = capsys.readouterr().out
    assert "the nearest sound that this model can make" in said
    assert str(out) in said
    assert sorted(path.name for path in folder.iterdir()) == ["match.wav", "nearest.wav", "recording.wav"]


def test_the_flags_arrive(file, tmp_path, monkeypatch, quick):
    asked = {}
    monkeypatch.setattr(matching, "match", lambda *args, **how: asked.update(how, notes=args[2]) or 1 / 0)
    flags = [f"--recording={file}", f"--checkpoint={TINY}", f"--output={tmp_path / 'a.json'}"]
    with pytest.raises(ZeroDivisionError):
        match.main([*flags, "--pitch=61", "--start=0.5", "--end=1.5", "--seed=7", "--free=first layer"])
    (note,) = asked["notes"]
    assert note.pitch == 61
    assert note.start >= 0.5
    assert note.until <= 1.51
    assert (asked["seed"], asked["free"]) == (7, "first layer")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output=a.txt"], "--output is a.txt; its name must end in .json"),
        (["--output=a.json", "--seed=-1"], "--seed is -1"),
        (["--output=a.json", "--seed=4294967296"], "it must be between 0 and 4294967295"),
        (["--output=/dev/null/a.json"], "/dev/null/a.json"),
        (["--output=a.json", "--sounds=/dev/null"], "/dev/null"),
        (["--output=a.json", "--recording=."], "no recording at .: it is a folder"),
        (["--output=a.json", "--recording=absent.wav"], "no recording at absent.wav"),
        (["--output=a.json", "--start=9"], "9 to 4 s is not a part"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_loaded(flags, message, file, monkeypatch, capsys):
    monkeypatch.setattr(gansynth, "load", lambda *_, **__: pytest.fail("loaded a model"))
    assert match.main([f"--recording={file}", "--checkpoint=demo", *flags]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
