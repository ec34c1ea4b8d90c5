"""helpers.widgets.excerpt: a part of the tune, with its tracks and their players."""

import numpy as np
import pytest

from helpers.instruments import Instrument
from helpers.midi import Note, Song, Track
from helpers.widgets.excerpt import Excerpt
from helpers.widgets.tune import Tune

BANK = {"Cello": Instrument("Cello", np.ones(4))}
EARLY = Track("early", 0, False, (Note(60, 100, 0.0, 2.0), Note(62, 100, 2.0, 4.0)))
LATE = Track("late", 42, False, (Note(50, 100, 90.0, 100.0),))
WHOLE = Track("whole", 73, False, tuple(Note(72, 90, float(second), second + 1.0) for second in range(100)))
SONG = Song("three", (EARLY, LATE, WHOLE))


@pytest.fixture
def tune():
    tune = Tune(BANK)
    tune.song = SONG
    return tune


def test_it_begins_with_the_first_half_minute(tune):
    excerpt = Excerpt(tune)
    assert excerpt.span == (0.0, 30.0)
    assert [track.name for track in excerpt.song.tracks] == ["early", "whole"]
    assert excerpt.song.seconds == 30.0
    assert bytes(excerpt._roll.value).startswith(b"\x89PNG")
    assert excerpt.code() == "song = midi.excerpt(song, 0, 30)"


def test_parts_keep_their_tracks(tune):
    tune.set(3, instrument="Cello")
    tune.set(2, mute=True)
    excerpt = Excerpt(tune)
    assert {number: part.instrument.name for number, part in excerpt.parts.items()} == {2: "Cello"}
    excerpt.span = (80.0, 100.0)
    assert [track.name for track in excerpt.song.tracks] == ["late", "whole"]
    assert excerpt.parts[1].mute
    assert excerpt.parts[2].instrument.name == "Cello"


def test_another_tune_begins_anew(tune):
    excerpt = Excerpt(tune, seconds=10.0)
    excerpt.span = (40.0, 60.0)
    counted = excerpt.parts_changed
    tune.song = Song("short", (Track("one", 0, False, (Note(60, 100, 0.0, 4.0),)),))
    assert excerpt.span == (0.0, 4.0)
    assert excerpt.song.name == "short"
    assert excerpt.parts_changed > counted
    tune.song = None
    assert excerpt.song is None
    tune.song = SONG
    assert excerpt.span == (0.0, 10.0)


def test_the_handles_are_the_span(tune):
    excerpt = Excerpt(tune)
    excerpt._slider.value = (20.0, 25.0)
    assert excerpt.span == (20.0, 25.0)
    assert excerpt.song.seconds == 5.0
    excerpt.span = (50.0, 60.0)
    assert excerpt._slider.value == (50.0, 60.0)
    with pytest.raises(ValueError, match=r"between 0 and 100\.0 s, unlike 90 to 200 s"):
        excerpt.span = (90.0, 200.0)


def test_a_silence_is_said():
    tune = Tune(BANK)
    tune.song = Song("gap", (Track("one", 0, False, (Note(60, 100, 0.0, 1.0), Note(60, 100, 50.0, 51.0))),))
    excerpt = Excerpt(tune)
    excerpt.span = (10.0, 20.0)
    assert excerpt.song is None
    assert "no note sounds in these seconds" in excerpt.message
    excerpt.span = (0.0, 20.0)
    assert excerpt.message == ""


def test_listening_plays_the_excerpt(tune, monkeypatch):
    excerpt, played = Excerpt(tune, seconds=2.0), []
    monkeypatch.setattr(excerpt._sound, "play", played.append)
    excerpt.listen()
    assert 2.0 <= played[0].seconds < 8.0
