"""The quickstart as a person goes through it, in JupyterLab and in Voilà: tune, instruments, timeline, clip, page."""

import contextlib
import io
import re
import shutil
import types
from pathlib import Path

import controls
import drive
import mido
import pytest
import soundfile
from controls import control
from playwright.sync_api import TimeoutError as TimedOut
from playwright.sync_api import expect

UNNAMED = Path(__file__).parents[1] / "data" / "checkpoints" / "tiny_stage12"
NOTEBOOK = "notebooks/00_quickstart.ipynb"
SHORT_BARS = 2  # of the prelude, so that the cells are quick
SHORT_SECONDS = 6.0  # that these last
STUDY_SECONDS = 29.9
EXCERPT_SECONDS = 10.0  # of a longer score, as long as the whole is not asked for
TAIL = 5.0  # s that a clip may go on after the last note
WIDGET_SECONDS = 60  # for a rendering
PATIENCE = 30  # s for a click
# ipywidgets writes spaces that do not break into lists.
CHOSEN = "list => list.selectedOptions[0].label.replaceAll('\\u00a0', ' ')"
# Another picture than before, and on the page.
LOADED = "([img, src]) => img.src !== src && img.complete && img.naturalWidth > 0"


@pytest.fixture(scope="module")
def unnamed_checkpoint(checkout):
    """A checkpoint that names no instruments, as the published ones, beside the bundled one."""
    return shutil.copytree(UNNAMED, checkout / "data" / "checkpoints" / UNNAMED.name).name


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
def there(request, browser, checkout, short_score, unnamed_checkpoint):
    """The quickstart, all its cells run: its controls, and what went wrong. All tests of a kind share it."""
    shutil.rmtree(checkout / "outputs", ignore_errors=True)  # what was starred before
    server = request.getfixturevalue(request.param)
    page, errors = drive.new_page(browser)
    drive.open_run(page, request.param, server, NOTEBOOK)
    yield types.SimpleNamespace(
        page=page,
        errors=errors,
        kind=request.param,
        outputs=checkout / "outputs",
        unnamed=unnamed_checkpoint,
        model=control(page, "Model"),
        tune=control(page, "Tune"),
        browser=control(page, "Instrument browser"),
        timeline=control(page, "Timeline"),
        generate=control(page, "Generate"),
        player=control(page, "Player"),
        home=control(page, "Take it home"),
    )
    drive.screenshot(page, f"quickstart_{request.param}")
    drive.leave(page)
    if request.param == "lab":
        drive.end_kernels(server)


def pick(there, score, whole=True):
    there.tune.get_by_label("score").select_option(score)
    there.tune.get_by_text(f"{score}: ").wait_for()
    length = there.tune.get_by_role("button", name="whole piece" if whole else "first 10 s")
    for _ in range(PATIENCE):
        if not length.is_visible():  # of a short score; it may be that of the score before, and about to go
            return
        with contextlib.suppress(TimedOut):
            length.click(timeout=1000)
            return
    pytest.fail(f"{length} cannot be clicked")


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


def out_of_date(there):
    """The names of clips in the player that are said to be out of date."""
    names = there.player.get_by_role("button", name=re.compile(r"\(out of date\)")).all_inner_texts()
    return [re.sub(r"^\d\s*|\s*\(out of date\)$", "", name) for name in names]


def take_home(there):
    """Press the button and read the page that comes."""
    with there.page.expect_download(timeout=WIDGET_SECONDS * 1000) as coming:
        there.home.get_by_role("button", name="Make and download the page").click()
    assert coming.value.suggested_filename == "quickstart.html"
    return coming.value.path().read_text("utf-8")


def test_the_cells_have_played_the_tune(there):
    assert f"bach_prelude: {16 * SHORT_BARS} notes" in there.tune.inner_text()
    audio = there.generate.locator("audio")
    assert SHORT_SECONDS < audio.evaluate(controls.DECODE)["seconds"] < SHORT_SECONDS + TAIL
    assert there.player.locator("img:visible").count() == 1
    assert out_of_date(there) == []
    assert controls.errors(there.page) == []
    assert there.page.evaluate("() => [...document.querySelectorAll('audio')].every(audio => audio.paused)")


def test_another_tune_is_heard_and_seen_everywhere(there):
    """The second thing that anybody does: another tune. No cell is run again."""
    ends = [typed(there, entry) for entry in range(3)]
    picture = there.player.locator("img:visible").get_attribute("src")
    pick(there, "study", whole=False)
    there.tune.get_by_text("the first 10 of 30 s").wait_for()
    there.player.get_by_text(re.compile("custom: the tune and the timeline have changed")).wait_for()
    there.generate.get_by_text(re.compile("^Out of date: the tune and the timeline have changed")).wait_for()
    ratio = EXCERPT_SECONDS / SHORT_SECONDS
    assert [typed(there, entry) for entry in range(3)] == pytest.approx([second * ratio for second in ends], abs=0.1)
    assert there.home.get_by_label("title").input_value() == "study, played by GANSynth"
    there.player.get_by_role("button", name="original", exact=False).first.wait_for()
    generate(there)
    there.player.get_by_text("have changed").wait_for(state="hidden")
    assert out_of_date(there) == []
    there.page.wait_for_function(LOADED, arg=[there.player.locator("img:visible").element_handle(), picture])
    there.generate.get_by_text("Out of date").wait_for(state="hidden")
    page = take_home(there)
    assert page.count("<audio") == 2
    assert "<h1>study, played by GANSynth</h1>" in page
    assert "song       study" in page or "study" in page


def test_the_page_is_made_anew_after_a_new_clip(there):
    assert "older" not in there.home.inner_text()
    there.tune.get_by_label("mute").first.check()
    there.home.get_by_text(re.compile("custom is out of date")).wait_for()
    generate(there)
    there.home.get_by_text("The page is out of date").wait_for()
    take_home(there)
    there.home.get_by_text("The page is out of date").wait_for(state="hidden")
    there.tune.get_by_label("mute").first.uncheck()


def test_a_starred_random_instrument_plays_the_song(there):
    """Find, keep, use, by clicking."""
    there.browser.get_by_role("button", name="random", exact=True).click()
    card = there.browser.get_by_role("button", name="Keep demo 1-2", exact=True)
    card.click()
    there.browser.get_by_text(re.compile(r"^1 kept in outputs/instruments\.json$")).wait_for()
    choice = there.tune.get_by_label("played by").first
    choice.select_option("demo 1-2")
    there.timeline.locator("select").first.select_option("demo 1-2")
    there.tune.get_by_label("solo").first.check()
    generate(there)
    assert re.search(r"1\s+Flute\s+\d+/\d+\s+demo 1-2", there.generate.locator("pre").inner_text())
    there.tune.get_by_label("solo").first.uncheck()
    choice.select_option(index=0)
    there.browser.get_by_role("button", name="by name", exact=True).click()


def test_labels_say_who_plays_and_what_becomes_of_the_drums(there):
    pick(there, "study")
    labels = there.tune.get_by_label("played by")
    expect(labels).to_have_count(5)
    assert labels.evaluate_all(f"all => all.map({CHOSEN})") == ["the timeline"] * 4 + ["left out"]
    there.generate.get_by_text("1 drum track will be left out").wait_for()
    there.generate.get_by_label("drums").check()
    there.generate.get_by_text("1 drum track will be played with a soundfont").wait_for()
    assert labels.last.evaluate(CHOSEN) == "drum kit"
    there.generate.get_by_label("drums").uncheck()


def test_hear_an_instrument(there):
    names = there.browser.get_by_role("button", name="Cello", exact=True)
    note = controls.hear(there.browser, names.click)
    assert note["seconds"] == pytest.approx(2.0, abs=0.01)
    names = there.browser.get_by_role("button", name="Oboe", exact=True)
    assert controls.hear(there.browser, names.click)["sound"] != note["sound"]
    controls.code(there.browser, r'bank\["Oboe"\]')


def test_another_tune_brings_its_roll_and_tracks(there):
    pick(there, "bach_prelude")
    roll, ribbon = there.tune.locator("img"), there.timeline.locator(".roll")
    before = roll.get_attribute("src"), ribbon.get_attribute("src")
    pick(there, "study")
    there.page.wait_for_function(LOADED, arg=[roll.element_handle(), before[0]])
    there.page.wait_for_function(LOADED, arg=[ribbon.element_handle(), before[1]])
    assert there.tune.get_by_label("solo").count() == 5
    controls.code(there.tune, r'^song = midi\.load\("data/midi/study\.mid"\)$')


def test_listen_plays_the_score_without_the_model(there):
    pick(there, "bach_prelude")
    heard = controls.hear(there.tune, there.tune.get_by_role("button", name="Listen").click)
    assert SHORT_SECONDS < heard["seconds"] < SHORT_SECONDS + TAIL


def test_what_was_dragged_stays_until_it_is_fitted(there):
    pick(there, "study")
    there.timeline.locator("select").first.select_option("Cello")
    handle = there.timeline.get_by_role("slider", name="Harp")
    at, longest = (float(handle.get_attribute(f"aria-value{which}")) for which in ("now", "max"))
    width = there.timeline.locator(".ribbon").bounding_box()["width"]
    controls.drag(there.page, handle, right=(25.0 - at) / longest * width)
    controls.code(there.timeline, r", 2[45](\.\d+)?\]\)$")
    assert typed(there, 2) == pytest.approx(25.0, abs=2 * longest / width)
    pick(there, "bach_prelude")
    there.timeline.get_by_text(
        re.compile(r"^2 entries are after the end of the song \(\d(\.\d+)? s\); press Fit$")
    ).wait_for()
    assert typed(there, 2) == pytest.approx(25.0, abs=2 * longest / width)
    last = there.timeline.get_by_label("at (s)").nth(2)
    dragged = last.input_value()
    there.timeline.get_by_role("button", name="Fit").click()
    there.timeline.get_by_text("after the end").wait_for(state="hidden")
    expect(last).not_to_have_value(dragged)  # its number comes in a message of its own
    assert typed(there, 2) == pytest.approx(25.0 * SHORT_SECONDS / STUDY_SECONDS, abs=0.3)


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
    assert first - 0.05 <= heard["seconds"] < first + TAIL  # it is said to a tenth
    there.generate.get_by_role("button", name="Generate", disabled=False).wait_for()
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


def test_with_a_checkpoint_without_names_the_whole_way_works(there):
    """As with the published ones: all instruments are random."""
    pick(there, "bach_prelude")
    there.model.locator("select").select_option(there.unnamed)
    there.model.get_by_text(re.compile("40 random instruments")).wait_for(timeout=WIDGET_SECONDS * 1000)
    there.timeline.get_by_text(re.compile(f"{there.unnamed} has no .*Clarinet")).wait_for()
    there.browser.get_by_role("button", name=f"Keep {there.unnamed} 1-5", exact=True).click()
    there.browser.get_by_text("kept in outputs/instruments_").wait_for()
    there.tune.get_by_label("played by").first.select_option(f"{there.unnamed} 1-5")
    there.generate.get_by_text(re.compile(f"^{there.unnamed} will play bach_prelude")).wait_for()
    generate(there)
    assert f"{there.unnamed} 1-5" in there.generate.locator("pre").inner_text()
    there.model.locator("select").select_option("demo")
    there.model.get_by_text(re.compile("134 named instruments, and 1 that you kept")).wait_for()


def test_nothing_went_wrong(there):
    assert there.errors == []
