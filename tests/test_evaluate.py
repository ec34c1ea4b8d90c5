"""helpers.evaluate: the command line."""

import dataclasses

import numpy as np
import pytest

from helpers import evaluate, gansynth
from helpers.evaluation import evaluating, results, selfcheck
from helpers.evaluation.results import ROWS, Estimate, Evaluation
from helpers.training import dataset


@pytest.fixture
def found():
    scores = {row: {"in_tune": Estimate(90.0)} for row in ROWS}
    return Evaluation("demo", "abc", "soundfont:", 100, dict.fromkeys(ROWS, 25), 0, scores, {})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--checkpoint=demo"], "give notes to compare with"),
        (
            ["--checkpoint=demo", "--reference=soundfont:", "--output=a.txt"],
            "--output is a.txt; its name must end in .json",
        ),
        (["--checkpoint=demo", "--quick", "--picture=a.svg"], "--picture is a.svg; its name must end in .png"),
        (
            ["--checkpoint=demo", "--reference=soundfont:", "--page=a.htm"],
            "--page is a.htm; its name must end in .html",
        ),
        (["--compare", "a/x.json", "--page=a.pdf"], "--page is a.pdf; its name must end in .html"),
        (["--checkpoint=demo", "--quick", "--page=a.html"], "--picture and --page are for results with a --ref"),
        (["--checkpoint=demo", "--quick", "--picture=a.png"], "--picture and --page are for results with a --ref"),
        (["--checkpoint=demo", "--quick", "--output=a.json"], "--output is for the results of one model"),
        (["--compare", "a/x.json", "b/x.json"], "No such file"),
        (["--checkpoint=demo", "--reference=/nowhere"], "no notes at /nowhere"),
        (["--checkpoint=demo", "--reference=soundfont:", "--programs=0,x"], "--programs is '0,x'"),
        (["--checkpoint=demo", "--reference=soundfont:", "--n=3"], "n is 3; at least 48 notes"),
        (["--checkpoint=demo", "--reference=soundfont:", "--seed=-1"], "--seed is -1; it must be 0 or more"),
        (["--compare", "a.json", "--reference=soundfont:"], "--compare reads results files"),
        (["--compare", "a.json", "--quick"], "--compare reads results files"),
        (["--checkpoint=demo", "--quick", "--voices"], "--quick needs no reference"),
    ],
)
def test_a_mistake_is_one_line(flags, message, capsys):
    assert evaluate.main(flags) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_results_are_compared_and_drawn(found, tmp_path, capsys):
    files = [str(results.write(found, tmp_path / f"{name}.json")) for name in ("demo", "mine")]
    assert evaluate.main(["--compare", *files, f"--picture={tmp_path / 'both.png'}"]) == 0
    out = capsys.readouterr().out
    assert "demo" in out.splitlines()[0]
    assert "mine" in out.splitlines()[0]
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")


def test_results_are_put_on_a_page(found, tmp_path, capsys):
    files = [str(results.write(found, tmp_path / f"{name}.json")) for name in ("demo", "mine")]
    path = tmp_path / "both.html"
    assert evaluate.main(["--compare", *files, f"--page={path}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(path)
    assert "<h1>Evaluation of demo and mine</h1>" in path.read_text("utf-8")


def test_a_wrong_suffix_is_told_before_anything_is_loaded(monkeypatch, capsys):
    monkeypatch.setattr(gansynth, "load", lambda *_: pytest.fail("loaded a model"))
    assert evaluate.main(["--checkpoint=demo", "--reference=soundfont:", "--page=a.htm"]) == 1
    assert "--page is a.htm" in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_that_was_measured_is_put_on_a_page(asked, tmp_path, capsys):
    path = tmp_path / "demo.html"
    assert evaluate.main(["--checkpoint=demo", "--reference=soundfont:", f"--page={path}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(path)
    assert "<h1>Evaluation of demo</h1>" in path.read_text("utf-8")


def test_files_of_one_name_are_refused(found, tmp_path, capsys):
    files = [str(results.write(found, tmp_path / folder / "demo.json")) for folder in ("a", "b")]
    assert evaluate.main(["--compare", *files]) == 1
    assert "the same name" in capsys.readouterr().err


@pytest.fixture
def asked(monkeypatch, found):
    """What `evaluate` was called with."""
    calls = {}

    def evaluate_(model, reference, n, seed, **options):
        calls.update(options, model=model, reference=reference, n=n, seed=seed)
        return found

    monkeypatch.setattr(evaluating, "evaluate", evaluate_)
    return calls


@pytest.mark.slow
def test_flags_arrive(asked, found, tmp_path):
    path = tmp_path / "demo.json"
    flags = [
        "--checkpoint=demo",
        "--reference=soundfont:",
        "--n=77",
        "--seed=5",
        f"--output={path}",
        f"--cache_dir={tmp_path}",
    ]
    assert evaluate.main(flags) == 0
    assert (asked["n"], asked["seed"], asked["named"], asked["z"]) == (77, 5, "soundfont:", None)
    assert asked["cache_dir"] == str(tmp_path)
    assert results.read(path) == found


@pytest.mark.slow
def test_no_checkpoint_chooses_what_it_is_compared_with(asked, monkeypatch):
    opened = {}
    monkeypatch.setattr(dataset, "open_sounds", lambda source, config, **options: opened.update(options))
    evaluate.main(["--checkpoint=demo", "--reference=soundfont:"])
    assert opened["programs"] == evaluate.PROGRAMS
    evaluate.main(["--checkpoint=demo", "--reference=soundfont:", "--programs=24,40,24"])
    assert opened["programs"] == (24, 40)


@pytest.mark.slow
def test_voices_are_the_instruments_that_the_checkpoint_names(asked, monkeypatch):
    monkeypatch.setattr(dataset, "open_sounds", lambda *_, **__: None)
    evaluate.main(["--checkpoint=demo", "--reference=soundfont:", "--voices"])
    assert np.shape(asked["z"]) == (134, 256)


@pytest.mark.parametrize(("level", "status"), [(-20.0, 0), (-60.0, 1)])
@pytest.mark.slow
def test_a_quick_look_tells_by_its_exit_status(level, status, monkeypatch, capsys):
    finding = selfcheck.Finding("level", level, "dB", -30.0, -14.0)
    monkeypatch.setattr(
        selfcheck, "self_check", lambda model, seed: selfcheck.SelfCheck("demo", {"level": finding}, "Quiet.")
    )
    assert evaluate.main(["--checkpoint=demo", "--quick"]) == status
    assert ("probably wrong. Quiet." in capsys.readouterr().out) == bool(status)


@pytest.mark.slow
def test_sounds_are_those_that_training_would_read(tmp_path):
    """The notes of `open_data` as they sound, with their instruments."""
    config = dataclasses.replace(gansynth.load("demo").config, audio_length=16000)
    options = {"programs": [40, 73], "pitches": (60, 61), "velocities": [100]}
    sounds = dataset.open_sounds("soundfont:", config, **options)
    assert [(entry.pitch, entry.instrument) for entry in sounds.entries] == [
        (60, "TimGM6mb_040"), (61, "TimGM6mb_040"), (60, "TimGM6mb_073"), (61, "TimGM6mb_073"),
    ]  # fmt: skip
    others = dataset.open_sounds("soundfont:", config, **options | {"pitches": (60, 62)})
    assert others.identity != sounds.identity  # or what was heard of one would be taken for the other
    read = dict(sounds.read([1, 2]))
    assert sorted(read) == [1, 2]
    assert all(wave.shape == (16000,) and np.abs(wave).max() > 0.1 for wave in read.values())
    with pytest.raises(ValueError, match="has no usable note"):
        dataset.open_sounds(tmp_path, config)
