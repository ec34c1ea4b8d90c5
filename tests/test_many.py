"""helpers.many: many scores in one run, whatever happens in the middle of it."""

import csv
import errno
import json
import os
import shutil

import numpy as np
import pytest
import soundfile
from inputs import DATA, OtherPlayer, Player, song_of

from helpers import audio, generate, instruments, many, midi, render, scores
from helpers.midi import Note

SMALL = DATA / "midi" / "small.mid"


def melody(path, *pitches):
    path.parent.mkdir(parents=True, exist_ok=True)
    return midi.write(song_of(*(Note(p, 90, 0.5 * i, 0.5 * i + 0.4) for i, p in enumerate(pitches))), path)


@pytest.fixture
def songs(tmp_path):
    """Three songs and what is none."""
    folder = tmp_path / "songs"
    melody(folder / "a.mid", 60, 62)
    melody(folder / "b.mid", 64, 65, 67)
    melody(folder / "more" / "c.mid", 55, 50)
    (folder / "bad.mid").write_text("words")
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def play(songs, out, model=None, again=False, **run):
    found = scores.find([songs] if isinstance(songs, os.PathLike) else songs)
    rows = many.render_many(model or Player(), found, out, many.Run(**run), again=again, progress=False)
    return {row.clip: row for row in rows}


def results(rows):
    return {clip: row.result for clip, row in rows.items()}


def contents(folder, ending=".wav"):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob(f"*{ending}")}


# ---- What becomes of each --------------------------------------------------------------------------------------------


def test_each_score_becomes_a_clip_and_a_bad_one_a_row(songs, out):
    rows = play(songs, out)
    assert results(rows) == {"a.wav": "made", "b.wav": "made", "bad.wav": "failed", "more/c.wav": "made"}
    assert "not a MIDI file" in rows["bad.wav"].why
    assert (rows["b.wav"].notes, rows["b.wav"].rendered, rows["b.wav"].distinct) == (3, 3, 3)
    assert rows["b.wav"].duration == pytest.approx(soundfile.info(out / "b.wav").duration, abs=1e-3)
    assert sorted(contents(out)) == ["a.wav", "b.wav", "more/c.wav"]
    assert sorted(contents(out, ".json")) == ["a.json", "b.json", "more/c.json"]


def test_a_report_makes_its_clip_again(songs, out):
    play(songs, out, seed=3)
    for path in out.rglob("*.wav"):
        clip = render.reproduce(path.with_suffix(".json"), Player(), progress=False)
        audio.write(clip, out.parent / "again.wav")
        assert (out.parent / "again.wav").read_bytes() == path.read_bytes()


def test_a_clip_depends_on_its_score_and_the_run_alone(songs, out):
    play(songs, out, seed=3)
    alone = out.parent / "alone"
    shutil.copy(songs / "more" / "c.mid", songs.parent / "other.mid")
    play([songs.parent / "other.mid", songs / "b.mid"], alone, seed=3)
    assert (alone / "other.wav").read_bytes() == (out / "more" / "c.wav").read_bytes()
    assert (alone / "b.wav").read_bytes() == (out / "b.wav").read_bytes()
    play([songs / "b.mid"], out.parent / "another", seed=4)
    assert (out.parent / "another" / "b.wav").read_bytes() != (out / "b.wav").read_bytes()


def test_what_nobody_foresees_costs_one_row_too(songs, out, monkeypatch):
    parse = midi.parse
    monkeypatch.setattr(midi, "parse", lambda content, name: parse(content, name) if name != "a.mid" else {}["no"])
    rows = play(songs, out)
    assert (rows["a.wav"].result, rows["a.wav"].why) == ("failed", "KeyError: 'no'")
    assert rows["b.wav"].result == "made"


# ---- Going on --------------------------------------------------------------------------------------------------------


def test_what_is_done_and_unchanged_is_kept(songs, out):
    first = play(songs, out, seed=1)
    model = Player()
    second = play(songs, out, model, seed=1)
    assert results(second) == {"a.wav": "kept", "b.wav": "kept", "bad.wav": "failed", "more/c.wav": "kept"}
    assert model.asked == []
    for name in ("notes", "rendered", "distinct", "duration", "seconds", "loudness"):
        assert getattr(second["b.wav"], name) == getattr(first["b.wav"], name) is not None


CHANGES = {
    "a setting": {"settings": render.Settings(release=0.1)},
    "the seed": {"seed": 2},
    "who plays": {"instruments": tuple(instruments.sample(Player(), 2, 5))},
    "each track": {"each_track": True},
    "seconds per instrument": {"secs_per_instrument": 1.0},
    "batch size": {"batch_size": 2},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_would_be_another_clip_is_made_and_the_old_one_kept_numbered(songs, out, change):
    play([songs / "b.mid"], out, seed=1)
    old = (out / "b.wav").read_bytes()
    assert results(play([songs / "b.mid"], out, **{"seed": 1, **CHANGES[change]})) == {"b.wav": "made"}
    assert (out / "b 2.wav").read_bytes() == old
    assert render.reproduce(out / "b 2.json", Player(), progress=False).samples.size
    assert results(play([songs / "b.mid"], out, **{"seed": 1, **CHANGES[change]})) == {"b.wav": "kept"}


@pytest.mark.parametrize("change", ["score", "model", "precision", "version", "clip", "report", "damaged report"])
def test_what_is_not_there_or_not_the_same_is_made(songs, out, change, monkeypatch):
    play([songs / "b.mid"], out)
    model = OtherPlayer() if change == "model" else Player()
    if change == "score":
        melody(songs / "b.mid", 64, 65, 69)
    elif change == "precision":
        model.precision = "bfloat16"
    elif change == "version":
        monkeypatch.setattr(many, "__version__", "0")
    elif change == "damaged report":
        (out / "b.json").write_bytes((out / "b.json").read_bytes().replace(b'"rendered": 3', b'"rendered": -3'))
    elif change in ("clip", "report"):
        (out / ("b.wav" if change == "clip" else "b.json")).unlink()
    assert results(play([songs / "b.mid"], out, model)) == {"b.wav": "made"}
    assert (out / "b 2.wav").exists() == (change != "clip")


def test_again_makes_and_replaces_what_is_there(songs, out):
    play(songs, out, seed=1)
    assert results(play(songs, out, again=True, seed=1))["a.wav"] == "made"
    before = contents(out)
    play(songs, out, again=True, seed=2)
    assert contents(out).keys() == before.keys()
    assert contents(out)["a.wav"] != before["a.wav"]


def test_an_interrupt_leaves_nothing_half_done_and_the_next_run_goes_on(songs, out):
    class Interrupted(Player):
        def generate(self, z, pitches, *given, **how):
            if 65 in np.asarray(pitches) and self.asked:
                raise KeyboardInterrupt
            return super().generate(z, pitches, *given, **how)

    with pytest.raises(KeyboardInterrupt):
        play(songs, out, Interrupted(), batch_size=1, each_track=True)
    assert sorted(path.name for path in out.iterdir()) == ["a.json", "a.wav"]
    assert results(play(songs, out, batch_size=1, each_track=True)) == {
        "a.wav": "kept", "b.wav": "made", "bad.wav": "failed", "more/c.wav": "made",
    }  # fmt: skip


def full(name):
    def write(clip, path, *given):
        if path.name == name:
            raise OSError(errno.ENOSPC, f"{path} cannot be written: the disk of {path.parent} is full")
        return WRITE(clip, path, *given)

    return write


WRITE = audio.write


def test_a_full_disk_ends_the_run_and_loses_nothing(songs, out, monkeypatch):
    monkeypatch.setattr(audio, "write", full("b.wav"))
    with pytest.raises(many.Full, match="is full"):
        play(songs, out)
    assert sorted(contents(out)) == ["a.wav"]
    monkeypatch.undo()
    assert results(play(songs, out))["a.wav"] == "kept"
    assert not list(out.glob("* 2.*"))


# ---- From a shell ----------------------------------------------------------------------------------------------------


@pytest.fixture
def shell(monkeypatch, out):
    """`generate.main` with a stand-in for the model."""
    monkeypatch.setattr("helpers.gansynth.load", lambda name, precision, cache, backend: Player())
    return lambda *flags: generate.main([*map(str, flags), f"--output_dir={out}"])


def table(out):
    with open(out / "summary.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_says_what_became_of_which(shell, songs, out, capsys):
    assert shell(songs, "--seed", 1) == 0
    rows = {row["clip"]: row for row in table(out)}
    assert list(rows) == ["a.wav", "b.wav", "bad.wav", "more/c.wav"]
    assert (rows["b.wav"]["result"], rows["b.wav"]["notes"], rows["b.wav"]["why"]) == ("made", "3", "")
    assert rows["bad.wav"]["score"] == str(songs / "bad.mid")
    assert "not a MIDI file" in rows["bad.wav"]["why"]
    printed = capsys.readouterr()
    assert "3 made, 1 failed" in printed.out
    assert f"{songs / 'bad.mid'} is not a MIDI file" in printed.err


def test_without_a_seed_the_next_run_has_the_same(shell, songs, out):
    assert shell(songs) == 0
    assert shell(songs) == 0
    assert [row["result"] for row in table(out)] == ["kept", "kept", "failed", "kept"]


@pytest.mark.parametrize("seed", [0, 5])
def test_a_seed_is_that_seed_and_0_is_one_too(shell, songs, out, seed):
    for asked in (7, seed):  # a run before does not count
        assert shell(songs, "--seed", asked) == 0
    assert json.loads((out / "manifest.json").read_text("utf-8"))["run"]["seed"] == seed


def test_the_manifest_makes_the_run_again(shell, songs, out, tmp_path, capsys):
    flags = [songs, "--each_track", "--format", "flac", "--sample_rate", 22050, "--loudness", -20, "--pitch", "drop"]
    assert shell(*flags) == 0
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert manifest["model"]["fingerprint"] == Player.fingerprint
    assert {"numpy", "tensorflow", "soundfile"} <= manifest["versions"].keys()
    before = contents(out, ".flac")
    assert len(before) == 3
    shutil.rmtree(out)
    assert generate.main(manifest["command"][1:]) == 0
    assert contents(out, ".flac") == before


def test_a_row_is_in_the_table_as_soon_as_it_is_known(songs, out, monkeypatch):
    found = scores.find([songs])
    summary = many.Summary(out)
    for count, row in enumerate(many.render_many(Player(), found, out, many.Run(), progress=False), start=1):
        summary.add(row)
        assert [line["clip"] for line in table(out)] == [f"{score.name}.wav" for score in found[:count]]


def test_names_are_no_formulas_and_no_further_rows(tmp_path, out):
    row = many.Row("=cmd|' /C calc'!A0.mid", "-1.wav", "failed", "a\nb,\x1b[31m", loudness=-16.0)
    summary = many.Summary(out)
    summary.add(row)
    for _ in range(2):
        (line,) = table(out)
        assert (line["score"], line["clip"]) == ("'=cmd|' /C calc'!A0.mid", "'-1.wav")
        assert (line["why"], line["loudness"]) == ("a b, [31m", "-16.0")
        summary.finish()


def test_an_interrupt_says_how_to_go_on(shell, songs, out, capsys, monkeypatch):
    def interrupted(*given, **how):
        raise KeyboardInterrupt

    play_one = render.render
    monkeypatch.setattr(render, "render", lambda model, song, *a, **k: (
        interrupted() if song.name == "b" else play_one(model, song, *a, **k)
    ))  # fmt: skip
    assert shell(songs, "--seed", 1) == 130
    error = capsys.readouterr().err
    assert "interrupted: 3 scores of 4 left; the same command continues from here" in error
    assert [row["clip"] for row in table(out)] == ["a.wav"]


def test_a_full_disk_is_one_sentence(shell, songs, out, capsys, monkeypatch):
    monkeypatch.setattr(audio, "write", full("b.wav"))
    assert shell(songs) == 1
    assert "is full: 3 scores of 4 left; the same command continues from here" in capsys.readouterr().err


def test_stems_go_to_a_folder_for_each_song(shell, out, tmp_path):
    assert shell(SMALL, "--each_track", "--stems", tmp_path / "stems") == 0
    assert len(list((tmp_path / "stems" / "small").glob("*.wav"))) == 2


def test_what_makes_no_sense_for_many_is_one_sentence(shell, songs, out, capsys, tmp_path):
    mistakes = {
        "--midi_file is for a single score": [songs, "--midi_file", SMALL],
        "--output is for a single score": [songs, "--output", tmp_path / "a.wav"],
        "--midi_played is for a single score": [songs, "--midi_played", tmp_path / "a.mid"],
        "--format is for many scores": ["--midi_file", SMALL, "--format", "mp3"],
        "--batch_size is 0": [songs, "--batch_size", 0],
        "--stems needs a folder": [songs, "--stems", tmp_path, "--scheduler", "tcp://127.0.0.1:1"],
        "there is no such file or folder": [tmp_path / "none"],
    }
    for sentence, flags in mistakes.items():
        assert shell(*flags) == 1
        error = capsys.readouterr().err
        assert sentence in error
        assert len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_no_clip_takes_the_place_of_the_table_or_the_manifest(shell, songs, out):
    for name in ("manifest.mid", "summary.mid"):
        shutil.copy(songs / "a.mid", songs / name)
    assert shell(songs) == 0
    assert {"manifest 2.json", "summary 2.wav"} <= {path.name for path in out.iterdir()}
    assert "command" in json.loads((out / "manifest.json").read_text("utf-8"))


@pytest.mark.parametrize("name", ["manifest.json", "summary.csv"])
@pytest.mark.parametrize("text", ['{"set": {}}', ""])
def test_files_of_something_else_are_not_replaced(shell, songs, out, capsys, name, text):
    out.mkdir()
    (out / name).write_text(text)
    assert shell(songs) == 1
    assert f"contains a {name} that is not from such a run; choose another --output_dir" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [(name, text)]


def test_no_folder_is_the_one_that_the_program_is_in(shell, songs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert generate.main([str(songs), "--output_dir="]) == 0
    assert "3 made, 1 failed: ./summary.csv\n" in capsys.readouterr().out
    assert (tmp_path / "summary.csv").is_file()


def test_all_of_them_failing_is_a_failure(shell, songs):
    assert shell(songs / "bad.mid") == 1
