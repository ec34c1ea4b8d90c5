"""Whatever a song, a track, an instrument, a model or a clip is called, in a control it is text and never HTML."""

import html.parser

import ipywidgets
import numpy as np
import pytest
from inputs import Stub, atlas_of, directions_of

from helpers import gansynth, instruments, runtime
from helpers.audio import Audio
from helpers.midi import Note, Song, Track
from helpers.widgets import (
    BlendPad,
    Browser,
    Checkpoints,
    Generate,
    Mixer,
    Original,
    Player,
    RandomTimeline,
    Steering,
    TakeHome,
    TimbreMap,
    TimelineEditor,
    Tune,
    each,
)

NASTY = '<img src=x onerror=alert(1)> & "it\'s"'
NOTES = tuple(Note(60 + i, 100, 0.5 * i, 0.5 * i + 0.5) for i in range(8))
SONG = Song(NASTY, (Track(NASTY, 0, False, NOTES), Track("kit", 0, True, NOTES)), remarks=(NASTY,))
SINE = Audio(0.3 * np.sin(np.arange(8000, dtype=np.float32)), 16000)


class Model(Stub):
    """A model with a name from outside; one latent may play all the pitches."""

    name, fingerprint = NASTY, "f00"
    about = {"instruments": [{"name": f"{NASTY} {i}", "z": np.eye(4)[i].tolist()} for i in range(4)]}  # noqa: RUF012

    def generate(self, z, pitches, *args, **how):
        return super().generate(np.broadcast_to(z, (len(pitches), np.shape(z)[-1])), pitches, *args, **how)


class Page(html.parser.HTMLParser):
    """The tags and the text of some HTML."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.text += " ".join(str(value) for _, value in attributes)

    def handle_data(self, data):
        self.text += data


def shown(control):
    """All that a control shows as HTML."""
    content = control.value if isinstance(control, ipywidgets.HTML) else ""
    if getattr(control, "description_allow_html", False):
        content += control.description
    return content + "".join(map(shown, getattr(control, "children", ())))


@pytest.fixture
def bank(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "outputs", lambda: tmp_path)
    monkeypatch.setattr(gansynth, "load", lambda name: Model())
    monkeypatch.chdir(tmp_path)
    return instruments.bank(Model(), path=tmp_path / "kept.json")


@pytest.fixture
def tune(bank):
    tune = Tune(bank)
    tune.song = SONG
    return tune


def generated(bank, tune):
    button = Generate(bank, tune, bank[0])
    button.run()
    return button


def listed(bank, tune):
    return each._row(NASTY, generated(bank, tune).clip)


def home(bank, tune):
    button = generated(bank, tune)
    taken = TakeHome(Player({NASTY: button}))
    tune.song = Song("another", SONG.tracks)
    assert "out of date" in taken._age.value
    return taken


def checkpoints(bank, tune):
    """One whose server answers with something else."""
    choice = Checkpoints(["demo"])
    choice._say("demo", f"left out: {NASTY}")
    return choice


def failed(bank, tune):
    browser = Browser(bank)
    browser.complain(ValueError(NASTY))
    return browser


def explored(bank, tune):
    """One with a path, whose names it shows as HTML."""
    atlas = atlas_of(Model())
    explore = TimbreMap(atlas, bank)
    explore.path = [instrument.name for instrument in atlas.instruments[:3]]
    return explore


CONTROLS = {
    "a tune": lambda bank, tune: tune,
    "a clip": generated,
    "a clip in a list": listed,
    "a page": home,
    "checkpoints": checkpoints,
    "an error": failed,
    "random instruments": RandomTimeline,
    "a map": explored,
}
NAMED_BY_SCRIPTS = {
    "the original": lambda bank, tune: Original(tune),
    "a mixer": lambda bank, tune: Mixer(tune),
    "a timeline": lambda bank, tune: TimelineEditor(bank, SONG),
    "sliders": lambda bank, tune: Steering(directions_of(), bank),
    "a pad": lambda bank, tune: BlendPad(bank.model, bank[:4]),
    "instruments": lambda bank, tune: Browser(bank),
    "a player": lambda bank, tune: Player({NASTY: SINE}),
}


@pytest.mark.parametrize("name", CONTROLS | NAMED_BY_SCRIPTS)
def test_a_name_is_text(name, bank, tune):
    page = Page(shown((CONTROLS | NAMED_BY_SCRIPTS)[name](bank, tune)))
    assert "img" not in page.tags
    if name in CONTROLS:
        assert NASTY in page.text
