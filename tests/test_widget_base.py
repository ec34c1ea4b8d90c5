"""helpers.widgets.base: what all controls share."""

import io
import re

import ipywidgets
import numpy as np
import pytest
import soundfile

from helpers import audio
from helpers.audio import Audio
from helpers.widgets.base import MAX_MESSAGE, SCRIPTS, Control, Sound, quoted, tip


class Counter(Control):
    def __init__(self):
        self.count = 0
        super().__init__("A <counter>", [])
        self.changed()

    def code(self):
        return f"count = {self.count}"


def test_a_control_shows_its_title_escaped_and_its_code():
    counter = Counter()
    assert "A &lt;counter&gt;" in counter.children[0].value
    assert counter.children[-1].text == "count = 0"
    counter.count = 2
    counter.changed()
    assert counter.children[-1].text == "count = 2"


def test_an_error_is_one_line_and_the_next_success_clears_it():
    counter = Counter()
    with counter.attempt():
        raise ValueError("this is\nwrong: <b>\n" + "x" * 1000)
    assert "this is wrong: &lt;b&gt;" in counter.message
    assert 'role="alert"' in counter.message
    assert len(counter.message) < MAX_MESSAGE + 200
    with counter.attempt():
        counter.say("done")
    assert "done" in counter.message
    assert "alert" not in counter.message
    with pytest.raises(SystemExit), counter.attempt():
        raise SystemExit


CLIP = Audio(np.array([0.0, 0.5, -2.0], np.float32), 16000)


def test_a_clip_is_a_flac_file_cut_off_at_full_scale():
    samples, rate = soundfile.read(io.BytesIO(audio.encode(CLIP, "flac")[0]))
    assert rate == 16000
    assert samples == pytest.approx([0.0, 0.5, -1.0], abs=1e-4)


def test_a_player_is_told_to_play_by_a_message_and_never_by_its_state(monkeypatch):
    sound, sent = Sound(), []
    monkeypatch.setattr(sound, "send", lambda content, buffers=None: sent.append(content))
    assert sound.layout.display == "none"
    sound.load(CLIP)
    assert (sent, sound.layout.display) == ([], "")
    assert bytes(sound.value[:4]) == b"fLaC"
    silent = sound.get_state().keys()
    sound.play(CLIP)
    sound.play(CLIP)  # the same again is another clip, else the page would not notice
    assert sent == [{"play": 2}, {"play": 3}]
    assert sound.clip == 3
    assert sound.get_state().keys() == silent


def luminance(colour):
    """Of a colour of three numbers from 0 to 1, as the Web Content Accessibility Guidelines define it."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(a, b):
    brighter, darker = sorted([luminance(a), luminance(b)], reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def colour(text):
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)]) / 255


@pytest.mark.parametrize(("theme", "paper"), [(0, "#ffffff"), (1, "#111111"), (1, "#212121")])
def test_errors_and_what_is_chosen_can_be_read_in_both_themes(theme, paper):
    css, white = (SCRIPTS / "base.css").read_text("utf-8"), colour("#ffffff")
    error, accent = (colour(re.findall(f"--gs-{name}: (#[0-9a-f]{{6}})", css)[theme]) for name in ("error", "accent"))
    share = int(re.search(r"var\(--gs-error\) (\d+)%, var\(--gs-paper\)", css)[1]) / 100
    assert contrast(error, share * error + (1 - share) * colour(paper)) > 4.5  # AA for text
    assert contrast(white, accent) > 4.5
    assert contrast(accent, colour(paper)) > 3  # AA for what marks the focus


@pytest.mark.parametrize("kind", [ipywidgets.Dropdown, ipywidgets.Text, ipywidgets.Button, ipywidgets.Checkbox])
def test_a_tooltip_is_told_by_whatever_name_there_is(kind):
    widget = tip(kind(description="a < b"), 'say "it"')
    told = [getattr(widget, name) for name in ("tooltip", "description_tooltip") if widget.has_trait(name)]
    assert 'say "it"' in told
    if kind in (ipywidgets.Dropdown, ipywidgets.Text) and widget.has_trait("description_allow_html"):
        assert widget.description == '<span title="say &quot;it&quot;">a &lt; b</span>'


@pytest.mark.parametrize("text", ["plain", 'with "quotes"', "it's", "a\\b\n", "é 音", "\udce4"])
def test_quoted_is_read_back_by_python(text):
    assert eval(quoted(text)) == text
