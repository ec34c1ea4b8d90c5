"""One sound at a time, and none by itself: neither while all cells run, nor when the page is opened again."""

import types

import drive
import everything
import pytest
from controls import control
from playwright.sync_api import TimeoutError as NotThere

# What has begun to sound so far: media elements, or "Web Audio", and whether nothing else sounded then.
WATCH = """
window.started = [];
document.addEventListener("playing", ({ target }) => {
    const others = [...document.querySelectorAll("audio")].filter(audio => audio !== target && !audio.paused);
    const player = document.querySelector(".gansynth-player-play");
    started.push([target, !others.length && player.innerText.endsWith("Play")]);
}, true);
const begin = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...given) {
    started.push(["Web Audio", ![...document.querySelectorAll("audio")].some(audio => !audio.paused)]);
    return begin.apply(this, given);
};
"""


@pytest.fixture(scope="module")
def there(browser, lab, checkout):
    page, errors = drive.new_page(browser)
    page.add_init_script(WATCH)
    drive.open_run(page, "lab", lab, everything.write(checkout))
    root = control(page, "Player")
    root.locator("img:visible").wait_for()
    root.get_by_role("button", name="Loop").click()  # so that it does not end by itself
    yield types.SimpleNamespace(
        page=page,
        errors=errors,
        play=root.locator(".gansynth-player-play"),
        plain=page.locator(".jp-RenderedAudio audio, .jp-RenderedHTMLCommon > audio").last,
    )
    drive.screenshot(page, "one_sound")
    drive.leave(page)
    drive.end_kernels(lab)


def sound(there, title):
    return control(there.page, title).locator("audio").last


def begins_alone(there, act, source):
    """Do something, and wait until the source begins to sound: nothing else does then."""
    there.page.evaluate("() => { started.length = 0; }")
    act(there)
    audio = source if isinstance(source, str) else source.element_handle()
    there.page.wait_for_function("audio => started.some(([source]) => source === audio)", arg=audio)
    assert there.page.evaluate("audio => started.filter(([source]) => source === audio).every(pair => pair[1])", audio)


def start_player(there):
    begins_alone(there, lambda there: there.play.click(), "Web Audio")
    assert there.play.inner_text().endswith("Pause")


def click_card(there):
    control(there.page, "Instrument browser").get_by_role("button", name="Cello", exact=True).click()


def click_piano(there):
    control(there.page, "Blend pad").locator(".gansynth-piano svg").click(position={"x": 100, "y": 50})


def click_pad(there):
    control(there.page, "Blend pad").locator(".square").click(position={"x": 60, "y": 60})


def listen(there):
    control(there.page, "Tune").get_by_role("button", name="Listen").click()


def begin_generated(there):
    sound(there, "Generate").evaluate("audio => audio.play()")


def begin_plain(there):
    there.plain.evaluate("audio => audio.play()")


def test_running_all_cells_is_silent(there):
    assert sound(there, "Generate").is_visible()
    assert there.page.evaluate("started") == []


@pytest.mark.parametrize(("title", "act"), [
    ("Tune", listen), ("Instrument browser", click_card), ("Blend pad", click_piano), ("Blend pad", click_pad),
    ("Generate", begin_generated), ("", begin_plain),
])  # fmt: skip
def test_what_begins_stops_the_player_and_is_stopped_by_it(there, title, act):
    start_player(there)
    begins_alone(there, act, sound(there, title) if title else there.plain)
    start_player(there)
    there.play.click()


def test_media_stop_each_other(there):
    for title, act in [("Tune", listen), ("", begin_plain), ("Instrument browser", click_card), ("Tune", listen)]:
        begins_alone(there, act, sound(there, title) if title else there.plain)


def test_a_sound_in_another_frame_of_the_notebook_stops_this_one(there):
    other = there.page.context.new_page()
    other.goto(there.page.url.split("/lab/")[0] + "/api")
    start_player(there)
    other.evaluate("() => new BroadcastChannel('gansynth-started').postMessage(null)")
    there.page.wait_for_function("() => document.querySelector('.gansynth-player-play').innerText.endsWith('Play')")
    other.evaluate(
        "() => { window.told = 0; new BroadcastChannel('gansynth-started').onmessage = () => window.told++; }"
    )
    start_player(there)
    other.wait_for_function("() => told === 1")
    there.play.click()
    other.close()


def reload(there, attempts=3):
    """Open the page again. On a busy machine ipywidgets gives up on the kernel's controls; people reload once more."""
    before = len(there.errors)
    for attempt in range(attempts):
        there.page.reload(wait_until="domcontentloaded")
        try:
            control(there.page, "Generate", drive.START_SECONDS)
            return
        except NotThere:
            if attempt == attempts - 1 or not all("widget model not found" in error for error in there.errors[before:]):
                raise
            del there.errors[before:]


def test_opened_again_the_page_is_silent_and_has_its_clips(there):
    begins_alone(there, listen, sound(there, "Tune"))
    there.page.keyboard.press("Control+s")
    there.page.locator(".jp-mod-current.jp-mod-dirty").wait_for(state="detached")
    reload(there)
    for title in ("Tune", "Instrument browser", "Blend pad", "Generate"):
        audio = sound(there, title)
        there.page.wait_for_function("audio => audio.duration > 0", arg=audio.element_handle())
        assert audio.is_visible()
    assert there.page.evaluate("started") == []
    begins_alone(there, click_card, sound(there, "Instrument browser"))


def test_nothing_went_wrong(there):
    assert there.errors == []
