"""A page of one instrument in Chromium, opened from a disk without a network, by keys, mouse, fingers and MIDI."""

import json
import re

import drive
import numpy as np
import pytest
from inputs import RATE, Player
from playwright.sync_api import expect

from helpers import export, instruments, webpage

TITLE = 'Zoë\'s "Cello" </script><b>1 & 🎻'
SPY = """
window.playing = new Map(); // source -> what is known of it
for (const [name, act] of Object.entries({
    start: (source, when) => playing.set(source, { rate: source.playbackRate, at: when, loop: source.loop, end: null }),
    stop: (source, when) => { if (playing.has(source)) playing.get(source).end = when; },
})) {
    const method = AudioBufferSourceNode.prototype[name];
    AudioBufferSourceNode.prototype[name] = function (when, ...more) {
        act(this, when);
        window.context = this.context;
        return method.call(this, when, ...more);
    };
}
window.held = () => [...playing.values()].filter((note) => note.end === null);
window.begun = () => playing.size;
window.rates = () => held().map((note) => note.rate.value);
"""
# A stand-in for the browser's MIDI: devices that a test plugs in and out, and what they send.
MIDI = """
window.device = (id, name) => ({ id, name, type: "input", state: "connected", onmidimessage: null });
window.midi = { inputs: new Map([["one", device("one", "Keys One")]]), onstatechange: null };
navigator.requestMIDIAccess = async () => midi;
window.told = (id, ...data) =>
    midi.inputs.get(id).onmidimessage({ data: new Uint8Array(data), timeStamp: performance.now() });
window.plug = (id, name) => {
    midi.inputs.set(id, device(id, name));
    midi.onstatechange({ port: midi.inputs.get(id) });
};
window.unplug = (id) => {
    const port = midi.inputs.get(id);
    port.state = "disconnected";
    midi.inputs.delete(id);
    midi.onstatechange({ port });
};
"""
READY = "() => document.querySelector('.piano [data-key=\\'60\\']:not(.waiting)')"
# Notes of the page, played by its own script without a clock: [seconds, ...] -> one channel.
OFFLINE = """async ([sampleRate, seconds, steps]) => {
    const data = JSON.parse(document.getElementById("sounds").textContent);
    const context = new OfflineAudioContext(1, sampleRate * seconds, sampleRate);
    const sampler = makeSampler(context);
    for (const zone of data.cells[0]) {
        const bytes = Uint8Array.from(atob(zone.flac), (letter) => letter.charCodeAt(0)).buffer;
        sampler.add({ ...zone, buffer: await context.decodeAudioData(bytes) });
    }
    for (const [call, ...given] of steps) sampler[call](...given);
    return [...(await context.startRendering()).getChannelData(0)];
}"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    model = Player()
    pitches = [48, 54, 60, 66, 72]
    folder = tmp_path_factory.mktemp("page")
    return export.page(model, instruments.sample(model, 1, 1), folder / "one.html", TITLE, pitches, progress=False)


@pytest.fixture
def there(page, path):
    """The page, played in a context that counts its notes."""
    page.add_init_script(SPY + MIDI)
    page.context.set_offline(True)
    page.goto(path.as_uri())
    page.wait_for_function(READY)
    return page


def held(page):
    """How many notes sound as long as nobody lets go."""
    return page.evaluate("held().length")


def connect(page):
    page.get_by_role("button", name="Connect MIDI").click()
    page.get_by_text("MIDI: Keys One").wait_for()


def offline(page, seconds, *steps, rate=RATE):
    return np.array(page.evaluate(OFFLINE, [rate, seconds, list(steps)]))


def level(wave):
    return 20 * np.log10(np.sqrt(np.mean(np.square(wave))))


def hertz(wave, rate):
    """The frequency of a sine, from the peak of its spectrum over a second."""
    wave = wave[:rate]
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 16 * len(wave)))
    return np.argmax(spectrum) * rate / (16 * len(wave))


# ------------------------------------------------------------------------------------------------------------ the page


def test_it_needs_no_network_and_says_what_it_is(there, errors, path):
    expect(there.get_by_role("heading", level=1)).to_have_text(TITLE)
    assert there.locator("b").count() == 0
    assert there.locator("#trouble").is_hidden()
    policy = there.locator("meta[http-equiv]").get_attribute("content")
    assert policy == webpage.policy(re.findall(r"<script>(.*?)</script>", path.read_text("utf-8"), re.S)[-1])
    there.keyboard.press("a")
    assert there.evaluate("begun()") == 1
    print("\n" + there.locator(".latency").inner_text())
    assert errors == []


def test_the_keys_of_a_computer(there, errors):
    for key in "adg":
        there.keyboard.down(key)
        there.keyboard.down(key)  # the system repeats it
    assert (held(there), there.evaluate("begun()")) == (3, 3)
    assert there.locator(".piano .on").evaluate_all("keys => keys.map(key => Number(key.dataset.key))") == [60, 64, 67]
    assert there.evaluate("rates()") == pytest.approx([1, 2 ** (-2 / 12), 2 ** (1 / 12)])
    there.keyboard.up("d")
    assert held(there) == 2
    there.keyboard.press("Space")
    assert held(there) == 0
    assert there.locator(".piano .on").count() == 0
    for key in "ag":
        there.keyboard.up(key)
    there.keyboard.press("x")
    there.keyboard.down("a")
    assert there.locator(".piano .on").get_attribute("data-key") == "72"
    there.keyboard.up("a")
    for _ in range(9):
        there.keyboard.press("z")
    expect(there.get_by_role("button", name="Octave down")).to_be_disabled()
    for shortcut in ("Control+a", "Alt+s", "Meta+d"):
        there.keyboard.press(shortcut)
    assert (held(there), there.evaluate("begun()")) == (0, 4)
    assert errors == []


@pytest.mark.parametrize(
    "leave",
    [
        "window.dispatchEvent(new Event('blur'))",
        "Object.defineProperty(document, 'hidden', {value: true});"
        "document.dispatchEvent(new Event('visibilitychange'))",
        "window.dispatchEvent(new Event('pagehide'))",
    ],
)
def test_no_note_stays_when_the_page_is_left(there, errors, leave):
    connect(there)
    there.keyboard.down("a")
    there.evaluate(
        "told('one', 0x90, 64, 100); told('one', 0xb0, 64, 127); told('one', 0x90, 67, 100); told('one', 0x80, 67, 0)"
    )
    assert held(there) == 3
    there.evaluate(leave)
    assert held(there) == 0
    there.keyboard.up("a")
    there.evaluate("told('one', 0x90, 64, 100); told('one', 0x80, 64, 0)")
    assert held(there) == 0  # nor is the pedal still down
    assert errors == []


def key(page, number):
    box = page.locator(f".piano [data-key='{number}']").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.9


def test_the_mouse_slides_over_the_keys(there, errors):
    there.mouse.move(*key(there, 60))
    there.mouse.down()
    there.mouse.move(*key(there, 64), steps=8)
    assert held(there) == 1
    assert there.evaluate("begun()") == 3  # C, D, E
    x, _ = key(there, 64)
    there.mouse.move(x, 5)  # away from the piano
    assert held(there) == 0
    there.mouse.move(*key(there, 65))
    assert held(there) == 1
    there.mouse.up()
    assert held(there) == 0
    assert errors == []


def test_fingers_play_chords_and_one_that_is_taken_away_ends(there, errors):
    device = there.context.new_cdp_session(there)
    points = [dict(zip("xy", key(there, number), strict=True), id=number) for number in (60, 64, 67)]
    for count in (1, 2, 3):
        device.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:count]})
    assert held(there) == 3
    device.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": points[2:]})
    assert held(there) == 2
    device.send("Input.dispatchTouchEvent", {"type": "touchCancel", "touchPoints": []})
    assert held(there) == 0
    assert errors == []


def test_a_midi_keyboard(there, errors):
    connect(there)
    there.evaluate("told('one', 0x90, 60, 127); told('one', 0x91, 62, 30)")
    assert held(there) == 2
    there.evaluate("told('one', 0xe0, 127, 127)")
    assert there.evaluate("rates()") == pytest.approx([2 ** (2 / 12), 2 ** (4 / 12)], rel=1e-3)
    there.evaluate("told('one', 0xe0, 0, 64); told('one', 0x90, 60, 0); told('one', 0x81, 62, 0)")
    assert held(there) == 0
    there.evaluate("told('one', 0xb0, 64, 127); told('one', 0x90, 60, 90); told('one', 0x80, 60, 0)")
    assert held(there) == 1  # by the pedal
    there.evaluate("told('one', 0xb0, 64, 0)")
    assert held(there) == 0
    there.evaluate("plug('two', 'Keys Two')")
    there.get_by_text("MIDI: Keys One, Keys Two").wait_for()
    there.evaluate("told('one', 0x90, 60, 90); told('two', 0x90, 64, 90); told('two', 0xb0, 64, 127)")
    there.evaluate("unplug('two')")
    assert held(there) == 1  # of the one that is still there
    there.get_by_text("MIDI: Keys One", exact=True).wait_for()
    there.evaluate("told('one', 0xb0, 123, 0)")
    assert held(there) == 0
    assert errors == []


def test_only_the_device_that_is_chosen_is_heard(there):
    connect(there)
    there.evaluate("plug('two', 'Keys Two')")
    there.get_by_label("MIDI device").select_option("Keys Two")
    there.evaluate("told('one', 0x90, 60, 90); told('two', 0x90, 64, 90)")
    assert held(there) == 1


def test_thirty_two_notes_at_once_and_no_more_than_the_limit(there, errors):
    connect(there)
    there.evaluate("for (let i = 0; i < 32; i++) told('one', 0x90, 40 + i, 100)")
    assert held(there) == 32
    there.evaluate("for (let c = 0; c < 3; c++) for (let i = 0; i < 60; i++) told('one', 0x90 + c, 24 + i, 100)")
    assert 32 <= held(there) <= there.evaluate("MAX_VOICES")
    there.keyboard.press("Space")
    assert held(there) == 0
    assert errors == []


@pytest.mark.parametrize(
    ("without", "says"),
    [
        ("delete Navigator.prototype.requestMIDIAccess", "does not support Web MIDI"),
        (
            "Navigator.prototype.requestMIDIAccess = async () => { throw new DOMException('', 'SecurityError') }",
            "not allowed",
        ),
        (
            "document.featurePolicy.__proto__.allowsFeature = () => false;"
            "document.featurePolicy.__proto__.features = () => ['midi']",
            "This frame does not allow MIDI",
        ),
    ],
)
def test_why_there_is_no_midi(page, errors, path, without, says):
    page.add_init_script(without)
    page.goto(path.as_uri())
    page.get_by_role("button", name="Connect MIDI").click()
    expect(page.locator(".news")).to_contain_text(says)
    assert errors == []


# ------------------------------------------------------------------------------------------------------------ the sound


@pytest.mark.parametrize(("number", "velocity"), [(60, 127), (60, 64), (62, 127)])
def test_a_note_is_that_of_its_zone(there, number, velocity):
    heard = offline(there, 2, ["press", "a", number, velocity, 0])
    expected = 440 * 2 ** ((number - 69) / 12)
    assert 1200 * abs(np.log2(hertz(heard[RATE // 2 :], RATE) / expected)) < 1
    full = 20 * np.log10(0.9 * 0.5 / np.sqrt(2))  # PEAK, VOLUME
    assert level(heard[RATE // 2 : RATE]) == pytest.approx(full + 40 * np.log10(velocity / 127), abs=0.1)


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_a_loop_is_steady_for_ten_seconds_and_then_let_go(there, rate):
    heard = offline(there, 11, ["press", "a", 60, 127, 0], ["release", "a", 10], rate=rate)
    blocks = heard[rate // 2 : 10 * rate].reshape(-1, rate // 10)
    levels = np.array([level(block) for block in blocks])
    assert np.ptp(levels) < 0.5
    steps = np.abs(np.diff(heard[rate // 10 : 10 * rate]))
    assert steps.max() < 1.02 * 2 * np.pi * 261.63 / rate * 0.45  # the steepest that the sine itself is
    assert level(heard[10 * rate : 10 * rate + rate // 20]) > -15
    assert np.abs(heard[int(10.31 * rate) :]).max() == 0


def test_many_notes_are_rounded_and_do_not_clip(there):
    steps = [["press", f"k{i}", 48 + i, 127, 0] for i in range(24)]
    heard = offline(there, 1, *steps)
    assert 0.7 < np.abs(heard).max() <= 1
    one = offline(there, 1, ["press", "a", 60, 127, 0])
    assert np.abs(one).max() == pytest.approx(0.45, abs=0.005)


# -------------------------------------------------------------------------------------------------------------- the pad


@pytest.fixture(scope="module")
def pad(tmp_path_factory):
    model = Player()
    folder = tmp_path_factory.mktemp("pad")
    return export.page(model, instruments.sample(model, 4, 1), folder / "pad.html", pitches=[60, 66], progress=False)


def test_the_pad_snaps_and_the_next_note_has_it(page, errors, pad):
    page.add_init_script(SPY)
    page.goto(pad.as_uri())
    page.wait_for_function(READY)
    expect(page.locator("#blend")).to_contain_text("stub 1-0 25 %")
    square = page.get_by_role("slider")
    box = square.bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + 3)
    expect(page.locator("#blend")).to_have_text("stub 1-0 100 %")
    square.press("ArrowRight")
    expect(page.locator("#blend")).to_have_text("stub 1-0 75 % · stub 1-1 25 %")
    for _ in range(9):
        square.press("ArrowDown")
    expect(page.locator("#blend")).to_have_text("stub 1-2 75 % · stub 1-3 25 %")
    data = json.loads(page.locator("#sounds").text_content())
    assert len(data["place"]) == 25
    expect(square).to_have_attribute("aria-valuenow", str(5 * 4 + 1 + 1))
    page.keyboard.press("a")
    assert page.evaluate("begun()") == 1
    assert errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 600, 390, 320])
def test_it_fits_and_can_be_hit(browser, path, pad, width, theme):
    page = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=theme).new_page()
    for file in (path, pad):
        page.goto(file.as_uri())
        page.locator(".piano [data-key='60']:not(.waiting)").wait_for()
        page.keyboard.down("a")
        drive.screenshot(page, f"play_{file.stem}_{width}_{theme}")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        small = page.locator(".bar button").evaluate_all("all => all.filter(one => one.clientHeight < 40).length")
        assert small == 0
        assert page.locator(".piano .white").first.bounding_box()["width"] >= 26
    page.context.close()
