"""The A/B player in JupyterLab and in Voilà: seen, operated and heard."""

import re
import types

import drive
import pytest

SETUP = """
import sys
sys.path.insert(0, "..")
import ipywidgets
import numpy as np
from helpers.audio import Audio
from helpers.widgets.player import Player

def sine(frequency, seconds, rate, channels):
    wave = 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return Audio(np.stack([wave] * channels, axis=1).squeeze().astype(np.float32), rate)

player = Player({"<b>low</b>": sine(400, 4.0, 16000, 1), "high": sine(1600, 3.0, 44100, 2)})
news = ipywidgets.Label()
def tell(_):
    news.value = f"Python has {player.current} at {player.position:.2f}, panel {player.panel}"
player.observe(tell, ["current", "position", "panel"])
command = ipywidgets.Button(description="by Python")
def set_all(_):
    player.current, player.position, player.volume, player.playing = "high", 2.0, 0.5, True
command.on_click(set_all)
""".strip()
LONGEST = 4.0  # s
CLIPS = [{"seconds": 4.0, "channels": 1}, {"seconds": 3.0, "channels": 2}]

# Keeps what is decoded, and listens to what goes to the loudspeakers.
LISTEN = """
window.heard = { clips: [], ears: null };
const decode = BaseAudioContext.prototype.decodeAudioData;
BaseAudioContext.prototype.decodeAudioData = async function (...given) {
    const clip = await decode.apply(this, given);
    const peak = clip.getChannelData(clip.numberOfChannels - 1).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    heard.clips.push({ seconds: clip.duration, channels: clip.numberOfChannels, peak });
    return clip;
};
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...more) {
    if (to instanceof AudioDestinationNode) {
        heard.ears = this.context.createAnalyser();
        heard.ears.fftSize = 2048;
        heard.ears.smoothingTimeConstant = 0;
        connect.call(this, heard.ears);
    }
    return connect.call(this, to, ...more);
};
window.hear = () => {
    const { ears } = heard, wave = new Float32Array(ears.fftSize), spectrum = new Float32Array(ears.frequencyBinCount);
    ears.getFloatTimeDomainData(wave);
    ears.getFloatFrequencyData(spectrum);
    const bin = spectrum.indexOf(Math.max(...spectrum));
    const level = Math.sqrt(wave.reduce((sum, x) => sum + x * x, 0) / wave.length);
    return { level, hertz: bin * ears.context.sampleRate / ears.fftSize };
};
"""


@pytest.fixture(scope="module", params=["lab", "voila"])
def there(request, browser, checkout):
    """A page with a player, which all tests of a kind share: its parts, and what went wrong."""
    notebook = drive.write(checkout, "player", SETUP, "player", "ipywidgets.HBox([command, news])")
    server = request.getfixturevalue(request.param)
    page, errors = drive.new_page(browser)
    page.add_init_script(LISTEN)
    drive.open_run(page, request.param, server, notebook)
    root = page.locator(".gansynth-player")
    root.locator("img").first.wait_for()
    root.scroll_into_view_if_needed()
    yield types.SimpleNamespace(
        page=page,
        errors=errors,
        kind=request.param,
        root=root,
        slider=root.get_by_role("slider", name="position"),
        play=root.locator(".gansynth-player-play"),
        cursor=root.locator(".gansynth-player-cursor"),
        picture=root.locator("img:visible"),
        clips=[root.get_by_role("button", name="<b>low</b>"), root.get_by_role("button", name="high")],
    )
    drive.screenshot(page, f"player_{request.param}")
    drive.leave(page)
    if request.param == "lab":
        drive.end_kernels(server)


@pytest.fixture
def player(there):
    """The same, silent and at the beginning of the first clip."""
    if there.play.inner_text().endswith("Pause"):
        there.play.click()
    there.slider.press("1")
    there.slider.press("Home")
    return there


def position(player):
    """Seconds, as a screen reader is told."""
    text = player.slider.get_attribute("aria-valuetext")
    at, longest = re.fullmatch(r"(\d+\.\d) of (\d+\.\d) s", text).groups()
    assert float(longest) == LONGEST
    return float(at)


def cursor_seconds(player):
    """Seconds, from where the cursor's line stands in the picture's axes."""
    box, line, image = player.slider.bounding_box(), player.cursor.bounding_box(), player.picture.bounding_box()
    left, width = 0.07, 0.8  # of player.AXES
    assert box["x"] == pytest.approx(image["x"] + left * image["width"], abs=1)
    assert box["width"] == pytest.approx(width * image["width"], abs=1)
    return (line["x"] + line["width"] / 2 - box["x"]) / box["width"] * LONGEST


def play(player):
    player.play.click()
    player.page.wait_for_function("() => heard.ears && hear().level > 0.1")


def hear(player):
    player.page.wait_for_timeout(80)  # for a crossfade to be over, and the window to be of afterwards
    return player.page.evaluate("hear()")


def test_play_moves_the_position_and_the_cursor(player):
    assert position(player) == 0.0
    play(player)
    assert player.play.inner_text().endswith("Pause")
    before = position(player)
    player.page.wait_for_timeout(600)
    assert before + 0.3 <= position(player) <= before + 1.5
    player.play.click()
    at = position(player)
    assert cursor_seconds(player) == pytest.approx(at, abs=0.06)
    player.page.wait_for_timeout(200)
    assert position(player) == at
    assert player.page.evaluate("hear().level") < 0.01


def test_what_is_decoded_is_the_clips(player):
    play(player)
    clips = sorted(player.page.evaluate("heard.clips"), key=lambda clip: -clip["seconds"])
    for clip, expected in zip(clips, CLIPS, strict=True):
        assert clip["seconds"] == pytest.approx(expected["seconds"], abs=1e-3)
        assert clip["channels"] == expected["channels"]
        assert clip["peak"] == pytest.approx(0.5, rel=0.05)


def test_a_switch_keeps_the_position_and_changes_the_sound(player):
    play(player)
    assert hear(player)["hertz"] == pytest.approx(400, abs=25)
    before = position(player)
    player.clips[1].click()
    assert hear(player)["hertz"] == pytest.approx(1600, abs=25)
    assert before <= position(player) <= before + 1.5
    assert player.picture.get_attribute("alt") == "CQT of high"
    player.page.keyboard.press("1")  # a click leaves the keys with the position
    assert hear(player)["hertz"] == pytest.approx(400, abs=25)
    assert player.clips[0].get_attribute("aria-pressed") == "true"
    player.play.click()
    at = position(player)
    player.clips[1].click()
    assert position(player) == at
    assert cursor_seconds(player) == pytest.approx(at, abs=0.06)


def test_a_switch_leaves_no_gap(player):
    play(player)
    assert hear(player)["level"] > 0.3
    lowest = player.page.evaluate(
        """() => new Promise(done => {
            const end = performance.now() + 500, buttons = document.querySelectorAll(".gansynth-player-clips button");
            let lowest = 1, rounds = 0;
            const look = () => {
                if (rounds++ % 5 === 0) buttons[(rounds / 5 | 0) % 2].click();
                lowest = Math.min(lowest, hear().level);
                performance.now() < end ? setTimeout(look, 10) : done(lowest);
            };
            look();
        })"""
    )
    assert lowest > 0.2  # of 0.35; the window is 43 ms


def test_keyboard(player):
    for key, expected in [
        ("ArrowRight", 0.1),
        ("ArrowRight", 0.2),
        ("ArrowLeft", 0.1),
        ("PageUp", 1.1),
        ("End", 4.0),
        ("PageDown", 3.0),
        ("Home", 0.0),
        ("ArrowLeft", 0.0),
    ]:
        player.slider.press(key)
        assert position(player) == expected, key
        assert cursor_seconds(player) == pytest.approx(expected, abs=0.03), key
    player.page.keyboard.press("2")
    assert player.clips[1].get_attribute("aria-pressed") == "true"
    player.page.keyboard.press("Space")
    player.page.wait_for_function("() => hear().level > 0.1")
    assert player.play.inner_text().endswith("Pause")
    player.page.keyboard.press("Space")
    assert player.play.inner_text().endswith("Play")
    player.clips[0].focus()  # on a button, these keys are the button's
    player.page.keyboard.press("Space")
    assert player.clips[0].get_attribute("aria-pressed") == "true"
    assert player.play.inner_text().endswith("Play")


def test_jupyterlab_does_not_take_the_keys(player):
    if player.kind != "lab":
        pytest.skip("Voilà has no keys of its own")
    for key in ("1", "2", "ArrowDown", "l", "l", "Space", "Space"):
        player.slider.press(key)
    assert player.page.locator(".jp-Notebook .jp-CodeCell").count() == 3
    assert player.page.locator(".jp-Notebook .jp-MarkdownCell").count() == 0
    assert player.page.evaluate("document.activeElement.getAttribute('aria-label')") == "position"


def test_click_and_drag(player):
    box = player.slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    player.page.mouse.click(box["x"] + box["width"] / 4, middle)
    assert position(player) == 1.0
    player.page.mouse.down()
    player.page.mouse.move(box["x"] + box["width"] / 2, middle, steps=3)
    assert position(player) == 2.0
    player.page.mouse.move(box["x"] + 2 * box["width"], middle, steps=3)  # beyond the end
    player.page.mouse.up()
    assert position(player) == LONGEST


def test_the_end_and_the_loop(player):
    player.slider.press("End")
    for key in ["ArrowLeft"] * 3:
        player.page.keyboard.press(key)
    play(player)
    player.page.wait_for_function("() => document.querySelector('.gansynth-player-play').innerText.endsWith('Play')")
    assert position(player) == LONGEST
    player.page.keyboard.press("PageDown")
    player.page.keyboard.press("l")
    assert player.root.get_by_role("button", name="Loop").get_attribute("aria-pressed") == "true"
    player.page.keyboard.press("Space")
    player.page.wait_for_function(
        """() => {
            const at = document.querySelector('.gansynth-player [role="slider"]').getAttribute("aria-valuenow");
            return 0.2 < at && at < 1.5 && hear().level > 0.1;
        }"""
    )
    player.page.keyboard.press("l")
    player.page.keyboard.press("Space")
    assert position(player) < 2


def test_volume(player):
    play(player)
    loud = hear(player)["level"]
    volume = player.root.get_by_role("slider", name="volume")
    volume.fill("0.1")
    assert hear(player)["level"] == pytest.approx(0.1 * loud, rel=0.1)
    volume.press("End")
    assert hear(player)["level"] == pytest.approx(loud, rel=0.1)


def test_python_knows_and_commands(player):
    player.slider.press("2")
    player.slider.press("PageUp")
    player.page.get_by_text("Python has high at 1.00").wait_for()
    player.slider.press("1")
    player.page.get_by_role("button", name="by Python").click()
    player.page.wait_for_function("() => hear().level > 0.1")
    assert hear(player)["hertz"] == pytest.approx(1600, abs=25)
    assert hear(player)["level"] == pytest.approx(0.5 * 0.5 * 0.5**0.5, rel=0.1)
    assert 2.0 <= position(player) < 3.0
    player.root.get_by_role("slider", name="volume").press("End")


def test_another_panel_is_another_picture(player):
    seen = set()
    for name in ("rainbowgram", "cents", "waveform", "CQT"):
        alt = "rainbowgram" if name == "cents" else name
        before = player.picture.get_attribute("src")
        player.page.get_by_role("button", name=name).click()
        player.page.wait_for_function(
            "before => { const image = document.querySelector('.gansynth-player img:not([hidden])');"
            "return image && image.src !== before && image.complete && image.naturalWidth; }",
            arg=before,
        )
        assert player.picture.get_attribute("alt") == f"{alt} of <b>low</b>"
        size = "async image => (await (await fetch(image.src)).blob()).size"
        seen.add(player.picture.evaluate(size))
    assert len(seen) == 4
    player.page.get_by_text('spectrograms.compare(clips, "cqt"); audio.play(clips["<b>low</b>"])').wait_for()


def test_a_player_that_is_gone_is_silent(player):
    if player.kind != "lab":
        pytest.skip("in Voilà no cell can be run again")
    play(player)
    player.page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".jp-InputArea-editor").click()
    player.page.keyboard.press("Control+Enter")
    player.page.wait_for_function("() => hear().level < 0.01")
    player.page.wait_for_function("() => document.querySelectorAll('.gansynth-player img').length === 2")
    assert player.play.inner_text().endswith("Play")
    play(player)


def test_nothing_went_wrong(there):
    assert there.errors == []
