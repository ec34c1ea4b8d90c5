"""A path that begins with "~" is in the home of the user: no shell replaces that in --output=~/a.wav."""

import shutil

import numpy as np
import pytest
from inputs import DATA, Stub, song_of

from helpers import audio, generate, instruments, midi, midi_sources, page, render
from helpers.audio import Audio
from helpers.gansynth import NoteCache, checkpoint
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note
from helpers.render import report

TINY = DATA / "checkpoints" / "tiny_stage12"
CLIP = Audio(np.full(8000, 0.1, np.float32), 16000)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "~").exists()


def test_what_is_written_and_read(home):
    clip = render.render(
        Stub(), song_of(Note(60, 90, 0, 1)), Timeline.hold(Instrument("one", np.ones(4))), progress=False
    )
    assert audio.write(CLIP, "~/a.wav") == home / "a.wav"
    assert audio.read("~/a.wav").duration == 0.5
    assert page.write({"a": CLIP}, "~/page.html", progress=False) == home / "page.html"
    assert clip.report.save("~/a.json") == home / "a.json"
    assert report.read_recipe("~/a.json").model == clip.report.recipe.model
    instruments.save([Instrument("one", np.ones(4))], "~/kept.json")
    assert (home / "kept.json").is_file()
    assert NoteCache("~/notes").folder == home / "notes"


def test_scores_and_checkpoints(home):
    shutil.copy(DATA / "midi" / "small.mid", home)
    assert midi.load("~/small.mid").name == "small"
    assert midi_sources.listing("~") == [home / "small.mid"]
    shutil.copytree(TINY, home / "tiny")
    assert checkpoint.read("~/tiny").config == checkpoint.read(TINY).config


@pytest.mark.slow
def test_the_command_line(home):
    shutil.copy(DATA / "midi" / "small.mid", home)
    shutil.copytree(TINY, home / "tiny")
    flags = ["--ckpt_dir=~/tiny", "--midi_file=~/small.mid", "--output=~/made/a.wav", "--seed=1"]
    assert generate.main(flags) == 0
    assert (home / "made" / "a.wav").is_file()
