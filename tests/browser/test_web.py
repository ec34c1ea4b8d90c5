"""The page with the model inside, in Chromium, from a server: every way to an instrument, and its sound."""

import json
import re
from types import SimpleNamespace

import drive
import numpy as np
import pytest
from inputs import RATE, snr
from playwright.sync_api import expect

from helpers import export, gansynth, instruments
from helpers.export import web_page
from helpers.export.sampling import is_sustained, playable

pytestmark = [pytest.mark.slow, pytest.mark.network]
PATIENCE = 120_000  # ms: other tests may have the processor
SPY = """
window.heard = []; // notes of the worker
window.made = []; // what it was asked for
window.Worker = class extends Worker {
    constructor(...given) {
        super(...given);
        this.addEventListener("message", ({ data }) => data.zone && heard.push({ ...data, wave: [...data.wave] }));
    }
    postMessage(message, ...more) {
        if (message.make) made.push(message);
        super.postMessage(message, ...more);
    }
};
window.begun = []; // notes that were begun: rate, samples, level
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when) {
    begun.push({ rate: this.playbackRate.value, samples: this.buffer.length, loop: this.loop });
    return start.call(this, when);
};
"""
LAST = "heard.filter(({ turn }) => turn === made.at(-1).make)"


@pytest.fixture(scope="module")
def model():
    return gansynth.load("demo")


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    try:
        web_page.fetched(web_page.RUNTIME, progress=False)
    except (ConnectionError, PermissionError):
        pytest.skip("onnxruntime-web is not here, and npm cannot be reached")
    return export.web(model, tmp_path_factory.mktemp("web") / "web", progress=False).parent


@pytest.fixture(scope="module")
def there(browser, folder):
    """The page, loaded, and then without a network. All tests share it."""
    with drive.files(folder) as address:
        page, errors = drive.new_page(browser)
        page.set_default_timeout(PATIENCE)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.add_init_script(SPY)
        page.goto(address)
        page.locator("#play").wait_for()
        page.context.set_offline(True)
        yield SimpleNamespace(page=page, errors=errors, asked=asked, address=address)
        drive.screenshot(page, "web")
        page.context.set_offline(False)
        drive.leave(page)


def wait_for_notes(page, count=1):
    """Wait for so many notes of what was chosen last: those messages, in their order, but for the sound."""
    page.wait_for_function(f"count => {LAST}.length >= count", arg=count, timeout=PATIENCE)
    return page.evaluate(f"{LAST}.map(({{ zone, turn }}) => ({{ zone, turn }}))")


def asked_for(page):
    """The latent that the worker was asked for last."""
    return np.array(page.evaluate("made.at(-1).z"))


def pitches(notes):
    return [round(note["zone"]["pitch"]) for note in notes]


def name(page):
    return page.locator("#name").inner_text()


def test_it_loads_what_is_beside_it_and_nothing_else(there, folder):
    assert name(there.page) == "Grand Piano"
    expect(there.page.locator("#loading")).to_be_hidden()
    expect(there.page.locator("#trouble")).to_be_hidden()
    assert all(url.startswith((there.address, "data:")) for url in there.asked)
    names = {url.rsplit("/", 1)[1] for url in there.asked if url.startswith(there.address)}
    assert names - {""} <= {file.name for file in folder.iterdir()}
    assert len(names) == 5


def test_all_notes_of_an_instrument_are_those_of_the_port(there, model):
    """Middle C comes first, then what is nearest; levels, loops and tuning are what Python finds for a sampler."""
    there.page.get_by_role("button", name="Cello", exact=True).click()
    notes = wait_for_notes(there.page, 21)
    order = [abs(pitch - 60) for pitch in pitches(notes)]
    assert order == sorted(order)
    assert sorted(pitches(notes)) == list(range(24, 85, 3))
    bank = instruments.bank(model)
    expected = model.generate(bank["Cello"].z, pitches(notes), duration=3.0, progress=False)
    assert is_sustained(expected, RATE)
    untouched = slice(RATE // 100, RATE)
    made = there.page.evaluate(f"{LAST}.map(({{ wave }}) => wave.slice(0, {2 * RATE}))")
    for note, got, wave in zip(notes, made, expected, strict=True):
        pitch = round(note["zone"]["pitch"])
        assert snr(np.array(got)[untouched], wave[untouched]) > 60
        samples, _, cents = playable(wave, pitch, RATE, RATE, True)
        assert note["zone"]["pitch"] == pytest.approx(pitch + cents / 100, abs=1e-3)
        assert len(note["zone"]["loop"]) == 2
        level = np.mean(np.square(got[RATE:])) / np.mean(samples[RATE : 2 * RATE] ** 2)
        assert abs(10 * np.log10(level)) < 0.5
    expect(there.page.locator("#made")).to_contain_text("21 notes")
    expect(there.page.locator(".piano .waiting, .piano .old, .shades:not(:empty)")).to_have_count(0)


def test_keys_sound_in_tune_and_hold(there):
    there.page.evaluate("begun.length = 0")
    for key in "ad":
        there.page.keyboard.down(key)
    first, second = there.page.evaluate("begun")
    zones = {round(note["zone"]["pitch"]): note["zone"] for note in wait_for_notes(there.page, 21)}
    assert first["rate"] == pytest.approx(2 ** ((60 - zones[60]["pitch"]) / 12), rel=1e-4)
    assert second["rate"] == pytest.approx(2 ** ((64 - zones[63]["pitch"]) / 12), rel=1e-4)
    assert first["loop"]
    assert second["loop"]
    for key in "ad":
        there.page.keyboard.up(key)
    print("\n" + there.page.locator(".latency").inner_text())


def test_another_is_chosen_while_one_is_made_and_the_key_that_was_played_comes_first(there):
    page = there.page
    page.get_by_role("button", name="Flute", exact=True).click()
    wait_for_notes(page, 1)
    expect(page.locator(".shades")).to_contain_text("Shaded keys still play the previous choice.")
    page.keyboard.press("z")
    page.keyboard.press("a")  # C3, of the cello
    turn = page.evaluate("made.at(-1).make")
    page.get_by_role("button", name="Trumpet", exact=True).click()
    assert name(page) == "Trumpet"
    notes = wait_for_notes(page, 2)
    assert pitches(notes)[0] == 48
    assert {note["turn"] for note in notes} == {turn + 1}
    count = page.evaluate("turn => heard.filter((note) => note.turn === turn).length", turn)
    wait_for_notes(page, 4)
    assert page.evaluate("turn => heard.filter((note) => note.turn === turn).length", turn) == count < 21
    page.keyboard.press("x")


def test_what_was_whole_is_kept(there):
    count = there.page.evaluate("made.length")
    there.page.get_by_role("button", name="Cello", exact=True).click()
    expect(there.page.locator("#made")).to_contain_text("21 notes")
    assert there.page.evaluate("made.length") == count
    assert there.page.locator(".piano .waiting, .piano .old").count() == 0


def test_search(there):
    there.page.get_by_label("Search by name").fill("soft pia")
    there.page.keyboard.press("a")  # is a letter here
    expect(there.page.get_by_label("Search by name")).to_have_value("soft piaa")
    there.page.get_by_label("Search by name").fill("soft pia")
    names = there.page.locator("#names button:visible").all_inner_texts()
    assert names == ["Grand Piano, soft", "Electric Piano, soft"]
    there.page.get_by_label("Search by name").fill("")


def test_a_seed_is_that_of_python(there, model):
    page = there.page
    page.get_by_label("Seed").fill("7")
    page.get_by_role("button", name="Draw", exact=True).click()
    expected = instruments.sample(model, 2, seed=7)
    for one in expected:
        assert name(page) == one.name
        np.testing.assert_allclose(asked_for(page), one.z, atol=1e-12)
        page.get_by_role("button", name="Next").click()
    wait_for_notes(page, 1)


def test_the_slider_goes_from_one_to_the_other(there, model):
    page, bank = there.page, instruments.bank(model)
    page.get_by_label("From", exact=True).select_option("Cello")
    page.get_by_label("To", exact=True).select_option("Harp")
    slider = page.get_by_label("How far from the first")
    slider.fill("50")
    assert name(page) == "Cello > Harp 50%"
    np.testing.assert_allclose(asked_for(page), instruments.blend(bank["Cello"], bank["Harp"], 0.5).z, atol=1e-12)
    expect(page.locator("#blend")).to_have_text("Cello 50 % · Harp 50 %")
    slider.fill("100")
    assert name(page) == "Harp"
    np.testing.assert_allclose(asked_for(page), bank["Harp"].z)


def test_the_map_chooses_by_mouse_and_by_arrows(there, model):
    page = there.page
    data = json.loads(page.locator("#data").text_content())
    sources, labels = data["map"]["sources"], [label[0] for label in data["map"]["labels"]]
    svg = page.locator("#map")
    svg.scroll_into_view_if_needed()

    def click(number):
        """On a point of the map, or on what lies over it; the number of what is chosen."""
        middle = "dot => { const b = dot.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }"
        page.mouse.click(*svg.locator(".dot").nth(number).evaluate(middle))
        chosen = page.locator(".map .label b").inner_text()
        assert name(page) == chosen
        return labels.index(chosen)

    # Points overlap, so that the one that is clicked may be another of its kind, or of the other.
    drawn = next(
        i for i in map(click, [i for i, source in enumerate(sources) if "seed" in source]) if "seed" in sources[i]
    )
    expected = model.sample_z(sources[drawn]["number"] + 1, sources[drawn]["seed"])[-1]
    np.testing.assert_allclose(asked_for(page), expected, atol=1e-12)
    voices = (i for i, source in enumerate(sources) if source.get("own", 0) > 0)
    voice = next(i for i in map(click, voices) if sources[i].get("own", 0) > 0)
    np.testing.assert_allclose(asked_for(page), model.about["instruments"][sources[voice]["own"]]["z"], atol=1e-12)
    chosen = labels[voice]
    svg.press("ArrowLeft")
    assert name(page) != chosen
    assert name(page) == page.locator(".map .label b").inner_text()


def test_an_instrument_is_saved_for_python_and_opened_again(there, model, tmp_path):
    page = there.page
    page.get_by_label("Seed").fill("7")
    page.get_by_role("button", name="Draw", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save instrument").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "demo 7-0.json"
    [saved] = instruments.load(path, model)
    [drawn] = instruments.sample(model, 1, seed=7)
    assert (saved.name, saved.seed, saved.checkpoint) == (drawn.name, 7, "demo")
    np.testing.assert_allclose(saved.z, drawn.z, atol=1e-12)
    mine = instruments.Instrument("Mine <b>", drawn.z, "demo", model.fingerprint)
    page.locator("#open").set_input_files(instruments.save([mine], tmp_path / "mine.json"))
    expect(page.locator("#name")).to_have_text("Mine <b>")
    assert page.locator("#names button").first.inner_text() == "Mine <b>"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        *(
            (
                json.dumps({"instruments": [{"name": "a", "z": [0.0] * 256} | changes]}),
                "x.json is not a file of instruments.",
            )
            for changes in ({"name": "a" * 201}, {"z": [1e7] * 256}, {"z": [1e300] * 256}, {"seed": -1}, {"seed": "1"})
        ),
        ("{}", "x.json is not a file of instruments."),
        ('{"instruments": [{"name": "a", "z": [1, 2]}]}', "x.json is not a file of instruments."),
        (
            json.dumps({"instruments": [{"name": "a", "z": [0.0] * 256, "fingerprint": "f00", "checkpoint": "other"}]}),
            "a was made for other; on demo it would be a different sound.",
        ),
        (
            json.dumps({"instruments": [{"name": "a", "z": [0.0] * 256, "fingerprint": "f00", "checkpoint": "demo"}]}),
            "a was made for another model named demo; on demo it would be a different sound.",
        ),
    ],
)
def test_what_is_no_instrument_of_this_model_is_told(there, tmp_path, content, says):
    before = name(there.page)
    (tmp_path / "x.json").write_text(content)
    there.page.locator("#open").set_input_files(tmp_path / "x.json")
    expect(there.page.locator("#trouble")).to_have_text(says)
    assert name(there.page) == before


def test_names_of_any_length_and_of_no_letters(there, model, tmp_path):
    page = there.page
    for sign, saved in (("\U0001f3bb", "instrument.json"), ("W", f"{'W' * 80}.json")):
        long = instruments.Instrument(sign * instruments.MAX_NAME, np.ones(256), "demo", model.fingerprint)
        page.locator("#open").set_input_files(instruments.save([long], tmp_path / "long.json"))
        expect(page.locator("#name")).to_have_text(long.name)
        with page.expect_download() as download:
            page.get_by_role("button", name="Save instrument").click()
        assert download.value.suggested_filename == saved


@pytest.mark.parametrize("width", [1280, 600, 390])
def test_nothing_is_wider_than_the_window(there, width):
    there.page.set_viewport_size({"width": width, "height": 900})
    # What is placed by script is placed anew after the page is, and before it is painted.
    there.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    beyond = there.page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((element) => {
            const { left, right, width } = element.getBoundingClientRect();
            return width && (right > innerWidth + 0.5 || left < -0.5);
        }).map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert beyond == []


def test_nothing_went_wrong(there):
    assert there.errors == []


# ---- Where it cannot play --------------------------------------------------------------------------------------------


def test_from_a_disk_it_says_what_to_do(page, errors, folder):
    page.goto((folder / "index.html").as_uri())
    expect(page.locator("#trouble")).to_contain_text("run “python3 -m http.server” in the folder of this page")
    expect(page.locator("#loading")).to_be_hidden()
    assert errors == []


@pytest.mark.parametrize(
    ("without", "says"),
    [
        ("delete window.WebAssembly", "does not support WebAssembly"),
        ("delete window.AudioContext", "does not support Web Audio"),
        ("delete window.DecompressionStream", "too old"),
    ],
)
def test_a_browser_that_cannot_play_is_told(page, folder, without, says):
    page.add_init_script(without)
    with drive.files(folder) as address:
        page.goto(address)
        expect(page.locator("#trouble")).to_contain_text(says)


@pytest.mark.parametrize(
    ("file", "status", "body", "says"),
    [
        ("demo-*.bin", 404, b"", r"demo-\w+\.bin is missing next to this page \(HTTP 404\)\."),
        ("demo-*.bin", 200, b"\x1f\x8bno", r"demo-\w+\.bin is damaged; reloading the page may help\."),
        ("demo-*.bin", 200, b"no network", r"The network does not run in this browser \(.+\)\."),
        ("worker-*.js", 404, b"", r"worker-\w+\.js cannot be run"),
    ],
)
def test_a_file_that_is_missing_or_damaged_is_named(page, folder, file, status, body, says):
    page.context.route(f"**/{file}", lambda route: route.fulfill(status=status, body=body))
    with drive.files(folder) as address:
        page.goto(address)
        expect(page.locator("#trouble")).to_have_text(re.compile(says), timeout=PATIENCE)
        expect(page.locator("#trouble")).to_be_visible()
        expect(page.locator("#loading")).to_be_hidden()
