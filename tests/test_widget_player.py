"""helpers.widgets.player without a browser; tests/browser/test_player.py has the rest."""

import ast
import html
import io
import re
import threading

import matplotlib.pyplot as plt
import numpy as np
import pytest
import soundfile
from inputs import RATE
from traitlets import TraitError

from helpers import spectrograms
from helpers.audio import Audio
from helpers.widgets import player as module
from helpers.widgets.player import AXES, DPI, PICTURE, Player

NASTY = "<script>alert('1')</script> \"q\" $\\frac$ ünï\n\udce4"


def sine(frequency=440.0, seconds=0.5, rate=RATE, channels=1, level=0.5):
    tone = level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate).astype(np.float32)
    return Audio(tone if channels == 1 else np.stack([tone] * channels, axis=1), rate)


@pytest.fixture(scope="module")
def clips():
    return {"A": sine(), "b": sine(880.0, 0.8, 44100, 2), NASTY: sine(220.0, 0.25)}


@pytest.fixture
def player(clips):
    return Player(clips)


@pytest.fixture
def no_pictures(monkeypatch):
    drawn = []

    def draw(clips, panel, mode):
        drawn.append((len(clips), panel, mode))
        return [f"{panel} {mode} {i}".encode() for i in range(len(clips))]

    monkeypatch.setattr(module, "pictures", draw)
    return drawn


def text(player):
    """What the line for news and errors says."""
    return html.unescape(re.sub("<[^>]*>", "", player.message))


def pixels(picture):
    return plt.imread(io.BytesIO(picture))[..., :3]


# --------------------------------------------------------------------------------------------------- sound and pictures


def test_sound_is_the_clips_own(player, clips):
    assert player.deck.seconds == [0.5, 0.8, 0.25]
    for content, clip in zip(player.deck.sounds, clips.values(), strict=True):
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
        assert rate == clip.sample_rate
        assert samples.shape == clip.samples.shape
        np.testing.assert_allclose(samples, clip.samples, atol=1 / 32768)


def test_bytes_travel_as_bytes(player):
    """Nested in a list, they must be buffers of the message and not text, in ipywidgets 7 as in 8."""
    from ipywidgets.widgets.widget import _remove_buffers

    state, paths, buffers = _remove_buffers(player.deck.get_state())
    travelled = {tuple(path): bytes(buffer) for path, buffer in zip(paths, buffers, strict=True)}
    for trait in ("sounds", "pictures"):
        sent = [travelled[trait, i] for i in range(3)]
        assert sent == getattr(player.deck, trait)
        assert state[trait] == [None] * 3


@pytest.mark.parametrize("panel", ["waveform", "mel", "cqt", "rainbowgram"])
@pytest.mark.slow
def test_time_is_where_the_player_says(panel):
    """A click at 0.6 s of a second of silence has to stand at 0.6 of the axes' width, in each picture."""
    samples = np.zeros(RATE, np.float32)
    samples[int(0.6 * RATE)] = 0.9
    short = Audio(np.copy(samples[: int(0.7 * RATE)]), RATE)
    width, height = (round(DPI * inches) for inches in PICTURE)
    left, bottom, across, up = AXES
    for picture in module.pictures([Audio(samples, RATE), short], panel, "paper"):
        image = pixels(picture)
        assert image.shape == (height, width, 3)
        first, last = round(left * width), round((left + across) * width)
        rows = slice(round((1 - bottom - up) * height) + 5, round((1 - bottom) * height) - 5)
        inside = image[rows, first + 3 : last - 3]
        marked = np.abs(inside - np.median(inside, axis=(0, 1))).sum(axis=2)[: inside.shape[0] // 3].mean(axis=0)
        marked *= marked > marked.max() / 5  # silence has a colour a little off black, which a clip's end leaves
        columns = np.arange(len(marked)) + 3.5
        middle = (columns * marked).sum() / marked.sum() / (last - first)
        assert middle == pytest.approx(0.6, abs=0.01)  # a hop is 0.016


def test_every_panel_names_its_time_axis(monkeypatch):
    named, here = [], threading.get_ident()

    def png(figure):
        if threading.get_ident() == here:  # controls of other tests may still be drawing, in threads of theirs
            named.append([ax.get_xlabel() for ax in figure.axes if ax.get_visible()])
        return b""

    monkeypatch.setattr(module.drawing, "png", png)
    module.pictures([sine(), sine()], "waveform", "paper")
    assert named == [["time (s)"]] * 2


def test_colours_are_shared():
    """The quieter of two equal tones is darker in its picture than the louder one."""
    loud, quiet = (pixels(p) for p in module.pictures([sine(), sine(level=0.01)], "cqt", "paper"))
    box = np.s_[60:200, 200:600]
    assert loud[box].max(axis=(0, 1)).sum() > quiet[box].max(axis=(0, 1)).sum() + 0.5
    shown = [pixels(p) for p in module.pictures([sine(), sine()], "cqt", "paper")]
    np.testing.assert_array_equal(*shown)


def test_no_figure_is_left_open_and_no_style_leaks_in(player, clips):
    before = plt.get_fignums()
    with plt.style.context("dark_background"):
        dark = Player(clips)
    assert plt.get_fignums() == before
    assert dark.deck.pictures == player.deck.pictures


# --------------------------------------------------------------------------------------------------------- operating it


@pytest.mark.usefixtures("no_pictures")
class TestChoices:
    def test_current_goes_both_ways(self, player):
        assert player.current == "A"
        player.current = "b"
        assert player.deck.current == 1
        player.deck.current = 2
        assert player.current == NASTY

    @pytest.mark.parametrize(
        ("trait", "value"), [("position", 0.3), ("playing", True), ("loop", True), ("volume", 0.5)]
    )
    def test_the_rest_goes_both_ways(self, player, trait, value):
        before = getattr(player, trait)
        setattr(player, trait, value)
        assert getattr(player.deck, trait) == value
        setattr(player.deck, trait, before)
        assert getattr(player, trait) == before

    def test_an_unknown_clip_is_one_line(self, player):
        player.current = "c"
        assert player.current == "A"
        assert text(player).startswith("there is no clip 'c'; the clips are A, b")

    def test_names_are_sent_as_text_that_can_be_sent(self, player):
        assert player.deck.names[2] == NASTY.replace("\udce4", "?")
        "".join(player.deck.names).encode()

    def test_set_keeps_what_it_can(self, player):
        player.current, player.position, player.playing = "b", 0.7, True
        player.set({"z": sine(), "b": sine(seconds=0.75)})
        assert (player.current, player.deck.current, player.position, player.playing) == ("b", 1, 0.7, False)
        player.set({"y": sine(), "z": sine()})
        assert (player.current, player.deck.current, player.position) == ("y", 0, 0.0)

    def test_panels_are_drawn_when_they_are_wanted_and_once(self, player, no_pictures):
        player.panel = "rainbowgram"
        player.mode = "detune"
        player.panel = "waveform"
        player.mode = "paper"
        player.panel = "rainbowgram"
        player.panel = "cqt"
        assert [kind[1:] for kind in no_pictures] == [
            ("cqt", "paper"),
            ("rainbowgram", "paper"),
            ("rainbowgram", "detune"),
            ("waveform", "detune"),
        ]
        assert player.deck.pictures[0] == b"cqt paper 0"
        assert player.deck.picture == "CQT"
        player.set({"A": sine()})
        assert no_pictures[-1] == (1, "cqt", "paper")

    def test_buttons_choose_panel_and_mode(self, player):
        panels, modes, colours = player._panels, player._modes, player._colours
        assert colours.layout.display == "none"
        panels.value = "rainbowgram"
        assert colours.layout.display != "none"
        modes.value = "detune"
        assert (player.panel, player.mode) == ("rainbowgram", "detune")
        assert len(panels.tooltips) == len(panels.options)

    @pytest.mark.parametrize(("panel", "mode"), [("spectrum", "paper"), ("cqt", "colourful")])
    def test_there_is_no_other_panel(self, panel, mode):
        with pytest.raises(TraitError, match=r"spectrum|colourful"):
            Player(None, panel, mode)


@pytest.mark.slow
def test_code_does_the_same(clips, monkeypatch):
    player = Player(clips, "rainbowgram", "detune")
    player.current = "b"
    assert player.code() == 'spectrograms.compare(clips, "rainbowgram", "detune"); audio.play(clips["b"])'
    player.panel = "cqt"
    assert player.code() == 'spectrograms.compare(clips, "cqt"); audio.play(clips["b"])'
    assert player._call.text == player.code()
    player.current = NASTY
    (*_, key) = [node.value for node in ast.walk(ast.parse(player.code())) if isinstance(node, ast.Constant)]
    assert key == NASTY
    assert Player().code() == ""


# -------------------------------------------------------------------------------------------------------------- errors


def test_without_clips_it_says_so():
    player = Player()
    assert "set" in text(player)
    player.panel = "waveform"
    player.current = "A"
    assert text(player) == "there is no clip 'A'; there are no clips yet"
    assert player.current == ""


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({}, "there is no clip"),
        (sine(), "there is no clip; pass a dict"),
        ({7: sine()}, "must be text, not 7"),
        ({"x": np.zeros(9)}, "'x' must be an audio.Audio, a Tune or a Generate, not a ndarray"),
        ({"x": Audio(np.zeros(0, np.float32), RATE)}, "'x' is empty"),
        ({"x": Audio(np.full(9, np.nan, np.float32), RATE)}, "not finite"),
        (
            {"x": Audio(np.zeros(9, np.float32), 10**6)},
            "'x' cannot be played: it cannot be written at 1000000 Hz",
        ),
    ],
)
def test_broken_clips_are_one_line_and_those_of_before_stay(player, bad, message):
    before = list(player.deck.sounds)
    player.set(bad)
    assert message in text(player)
    assert "\n" not in player.message
    assert 'role="alert"' in player.message
    assert player.deck.sounds == before
    assert player.deck.pictures
    player.set({"A": sine()})
    assert text(player) == ""


@pytest.mark.usefixtures("no_pictures")
def test_what_is_cut_off_is_said():
    player = Player({"loud": sine(level=1.5), "A": sine()})
    assert text(player) == "Clipped, since it exceeds full scale: loud."
    assert np.abs(soundfile.read(io.BytesIO(player.deck.sounds[0]))[0]).max() <= 1.0


def test_a_picture_that_fails_leaves_the_sound(monkeypatch, clips):
    def fail(*_, **__):
        raise ValueError("no\nink")

    monkeypatch.setattr(spectrograms, "compare", fail)
    player = Player(clips)
    assert text(player) == "no ink"
    assert len(player.deck.sounds) == 3
    assert (player.deck.pictures, player.deck.picture) == ([], "no picture")


def test_trouble_in_the_browser_is_one_line(player):
    player.deck.trouble = "playback failed: <b>x</b>"
    assert text(player) == player.deck.trouble
    assert "<b>" not in player.message
    player.deck.trouble = ""
    assert text(player) == ""


def test_several_players_do_not_share():
    first, second = Player(), Player()
    first.volume = 0.1
    assert second.volume == 1.0
