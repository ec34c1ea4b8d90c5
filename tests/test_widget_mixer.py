"""helpers.widgets.mixer: gain and pan over a tune's parts."""

from pathlib import Path

import numpy as np
import pytest

from helpers.instruments import Instrument
from helpers.midi import Note, Song, Track
from helpers.render.types import Part
from helpers.widgets.mixer import GAIN, PAN, Mixer
from helpers.widgets.tune import Tune

STUDY = Path(__file__).parents[1] / "data" / "midi" / "study.mid"
CELLO = Instrument("Cello", np.ones(4))


@pytest.fixture
def mixer():
    return Mixer(Tune({"Cello": CELLO}, STUDY))


def test_parts_are_the_tunes_with_gain_and_pan(mixer):
    assert mixer.parts == {}
    assert mixer.code() == mixer._call.text == "parts = {}"
    mixer.tune.set(1, instrument="Cello")
    mixer.tune.set(4, mute=True)
    mixer.set(1, gain=-6)
    mixer.set(2, pan=0.3)
    assert mixer.parts == {1: Part(CELLO, gain=-6.0), 2: Part(pan=0.3), 4: Part(mute=True)}
    assert mixer.code().splitlines() == mixer._call.text.splitlines() == [
        "parts = {", '    1: render.Part(bank["Cello"], gain=-6.0),', "    2: render.Part(pan=0.3),",
        "    4: render.Part(mute=True),", "}",
    ]  # fmt: skip


def test_pan_is_as_written_until_it_is_moved(mixer):
    pan, written = (mixer._rows[2][name] for name in ("pan", "written"))  # the strings stand on one side
    start = pan.value
    assert start != 0
    assert round(start / PAN[2], 6) % 1 == 0  # a browser would move it to a step
    pan.value = start + 1e-9
    assert mixer.parts == {}
    pan.value = 0.5
    assert not written.value
    assert mixer.parts == {3: Part(pan=0.5)}
    written.value = True
    assert pan.value == start
    assert mixer.parts == {}
    mixer.set(3, pan=start)
    assert mixer.parts == {3: Part(pan=start)}
    mixer.set(3, pan=None)
    assert mixer.parts == {}


def test_it_follows_the_tune(mixer):
    counts = []
    mixer.observe(lambda change: counts.append(change.new), "parts_changed")
    mixer.set(1, gain=3.0)
    mixer.tune.set(2, mute=True)
    assert len(counts) == 2
    mixer.tune.song = Song("one", (Track("<i>Solo</i>", 0, False, (Note(60, 90, 0, 1),)),))
    assert (len(mixer._rows), mixer.parts, mixer.song.name) == (1, {}, "one")
    assert "<i>Solo" not in mixer._tracks.children[0].value
    assert len(counts) == 3
    mixer.tune.song = None
    assert (mixer._rows, mixer.parts) == ([], {})


def test_mistakes_in_set(mixer):
    for number, place, match in [
        (6, {"gain": 0.0}, "there is no track 6"),
        (1, {"gain": GAIN[1] + 1}, "gain is 13.0; it must be between -30 and 12"),
        (1, {"pan": -1.5}, "pan is -1.5; it must be between -1 and 1"),
    ]:
        with pytest.raises(ValueError, match=match):
            mixer.set(number, **place)
    assert mixer.parts == {}
