"""The quickstart as a person goes through it, in JupyterLab and in Voilà: tune, instruments, timeline, clip, page."""

import io
import re
import shutil
import types

import controls
import drive
import mido
import pytest
import soundfile
from controls import control

NOTEBOOK = "notebooks/00_quickstart.ipynb"
SHORT_BARS = 4  # of the prelude, so that the cells are quick
SHORT_SECONDS = 12.0  # that these last
STUDY_SECONDS = 29.9
TAIL = 5.0  # s that a clip may go on after the last note
WIDGET_SECONDS = 60  # for a rendering
# Another picture than before, and on the page.
LOADED = "([img, src]) => img.src !== src && img.complete && img.naturalWidth > 0"


@pytest.fixture(scope="module")
def short_score(checkout):
    """The checkout's prelude, cut off after its first bars."""
    path = checkout / "data" / "midi" / "bach_prelude.mid"
    whole = shutil.copy(path, checkout / "whole.mid")
    score = mido.MidiFile(path)
    bar = 4 * score.ticks_per_beat
    for track in score.tracks:
        tick, kept = 0, []
        for message in track:
            tick += message.time
            if tick < SHORT_BARS * bar or (tick == SHORT_BARS * bar and message.type == "note_off"):
                kept.append(message)
        track[:] = kept
    score.save(path)
    yield
    shutil.move(whole, path)


@pytest.fixture(scope="module", params=["lab", "voila"])
def there(request, browser, checkout, short_score):
    """The quickstart, all its cells run: its controls, and what went wrong. All tests of a kind share it."""
    server = request.getfixturevalue(request.param)
    page, errors = drive.new_page(browser)
    drive.open_run(page, request.param, server, NOTEBOOK)
    yield types.SimpleNamespace(
        page=page,
        errors=errors,
        kind=request.param,
        outputs=checkout / "outputs",
        tune=control(page, "Tune"),
        browser=control(page, "Instrument browser"),
        timeline=control(page, "Timeline"),
        generate=control(page, "Generate"),
        player=control(page, "Player"),
    )
    drive.screenshot(page, f"quickstart_{request.param}")
    drive.leave(page)
    if request.param == "lab":
        drive.end_kernels(server)


def pick(there, score):
    there.tune.get_by_label("score").select_option(score)
    there.tune.get_by_text(f"{score}: ").wait_for()


def generate(there):
    """Click Generate and wait until the rendering has ended. Returns what is heard."""
    button = there.generate.get_by_role("button", name="Generate")

    def click():
        button.click()
        there.generate.get_by_text(re.compile(r"\d+ of \d+ notes in")).wait_for(timeout=WIDGET_SECONDS * 1000)

    return controls.hear(there.generate, click)


def typed(there, entry):
    """The second that is in the field of an entry of the timeline."""
    return float(there.timeline.get_by_label("at (s)").nth(entry).input_value())


def test_the_cells_have_played_the_tune(there):
    assert f"bach_prelude: {16 * SHORT_BARS} notes" in there.tune.inner_text()
    audio = there.generate.locator("audio")
    assert SHORT_SECONDS < audio.evaluate(controls.DECODE)["seconds"] < SHORT_SECONDS + TAIL
    assert there.player.locator("img:visible").count() == 1
    assert controls.errors(there.page) == []


def test_hear_an_instrument(there):
    names = there.browser.get_by_role("button", name="Cello", exact=True)
    note = controls.hear(there.browser, names.click)
    assert note["seconds"] == pytest.approx(2.0, abs=0.01)
    names = there.browser.get_by_role("button", name="Oboe", exact=True)
    assert controls.hear(there.browser, names.click)["sound"] != note["sound"]
    controls.code(there.browser, r'bank\["Oboe"\]')


def test_another_tune_brings_its_roll_tracks_and_timeline(there):
    pick(there, "bach_prelude")
    roll, ribbon = there.tune.locator("img"), there.timeline.locator(".roll")
    before = roll.get_attribute("src"), ribbon.get_attribute("src")
    width = ribbon.bounding_box()["width"]
    pick(there, "study")
    there.page.wait_for_function(LOADED, arg=[roll.element_handle(), before[0]])
    there.page.wait_for_function(LOADED, arg=[ribbon.element_handle(), before[1]])
    assert ribbon.bounding_box()["width"] == pytest.approx(width * STUDY_SECONDS / SHORT_SECONDS, rel=0.02)
    assert there.tune.get_by_label("solo").count() == 5
    controls.code(there.tune, r'^song = midi\.load\("data/midi/study\.mid"\)$')


def test_listen_plays_the_score_without_the_model(there):
    pick(there, "bach_prelude")
    heard = controls.hear(there.tune, there.tune.get_by_role("button", name="Listen").click)
    assert SHORT_SECONDS < heard["seconds"] < SHORT_SECONDS + TAIL


def test_drag_the_timeline(there):
    handle = there.timeline.get_by_role("slider", name="Clarinet")
    at, longest = (float(handle.get_attribute(f"aria-value{which}")) for which in ("now", "max"))
    width = there.timeline.locator(".ribbon").bounding_box()["width"]
    controls.drag(there.page, handle, right=(10.0 - at) / longest * width)
    controls.code(there.timeline, r"at=\[0, (9|10)\.?\d*, 120\]")
    assert typed(there, 1) == pytest.approx(10.0, abs=longest / width)
    assert handle.get_attribute("aria-valuetext").startswith("Clarinet at ")


def test_cancel_keeps_what_there_is_by_then(there):
    pick(there, "study")
    button, cancel = (there.generate.get_by_role("button", name=name) for name in ("Generate", "Cancel"))

    def begin_and_cancel():
        button.click()
        there.generate.get_by_text(re.compile(r"^[1-9]\d? of 156 notes, \d+ s, \d+ s to go$")).wait_for()
        bar = there.generate.locator(".progress-bar").element_handle()
        width = bar.bounding_box()["width"]
        there.page.wait_for_function("([bar, width]) => bar.offsetWidth > width", arg=[bar, width])
        assert button.is_disabled()
        cancel.click()
        there.generate.get_by_text(re.compile(r"^cancelled: these are the first \d+\.\d s$")).wait_for()

    heard = controls.hear(there.generate, begin_and_cancel)
    said = there.generate.get_by_text("cancelled: these are").inner_text()
    first = float(re.search(r"\d+\.\d", said).group())
    assert 0 < first < STUDY_SECONDS - 1
    assert first <= heard["seconds"] < first + TAIL
    assert button.is_enabled()
    assert cancel.is_disabled()


def test_generate_again_with_one_track_and_take_it_home(there):
    pick(there, "study")
    there.tune.get_by_label("solo").first.check()
    controls.code(there.generate, r"render\.render\(model, song, parts, default=timeline\)")
    heard = generate(there)
    assert STUDY_SECONDS < heard["seconds"] < STUDY_SECONDS + TAIL
    there.generate.get_by_text("29 of 241 notes in").wait_for()
    assert "cancelled" not in there.generate.inner_text()
    with there.page.expect_download() as coming:
        there.generate.get_by_role("button", name="Download").click()
    assert re.fullmatch(r"study( \d+)?\.wav", coming.value.suggested_filename)
    content = coming.value.path().read_bytes()
    samples, rate = soundfile.read(io.BytesIO(content))
    assert len(samples) / rate == pytest.approx(heard["seconds"], abs=1e-3)
    assert samples.std() > controls.SILENCE
    there.generate.get_by_text(f"saved as outputs/{coming.value.suggested_filename}").wait_for()
    assert (there.outputs / coming.value.suggested_filename).read_bytes() == content


def test_a_broken_file_is_one_line_and_the_song_stays(there):
    pick(there, "bach_prelude")
    with there.page.expect_file_chooser() as chooser:
        there.tune.get_by_role("button", name="Upload").click()
    chooser.value.set_files({"name": "<b>broken.mid", "mimeType": "audio/midi", "buffer": b"MThd, or not"})
    there.tune.locator(".gansynth-error").wait_for()
    [error] = controls.errors(there.tune)
    assert "broken" in error
    assert "\n" not in error
    assert "Traceback" not in error
    assert "bach_prelude: " in there.tune.inner_text()
    assert there.tune.get_by_label("score").input_value() == "bach_prelude"
    pick(there, "study")  # it goes on working, and the message goes
    there.tune.locator(".gansynth-error").wait_for(state="hidden")


def test_the_page_to_take_home(there):
    link = there.page.get_by_role("link", name=re.compile("^Download quickstart.html"))
    with there.page.expect_download() as coming:
        link.click()
    assert coming.value.suggested_filename == "quickstart.html"
    page = coming.value.path().read_text("utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert page.count("<audio") == 2


def test_nothing_went_wrong(there):
    assert there.errors == []
