"""A listening test in Chromium, opened from a disk: by keyboard from the first key to the result, and by mouse."""

import json
import re
import urllib.parse
from collections import Counter

import drive
import numpy as np
import pytest
from inputs import RATE
from playwright.sync_api import expect

from helpers.audio import Audio
from helpers.evaluation import listening, listening_result, listening_test

ITEMS = 2
LONG, SHORT = 6.0, 0.4  # s of clips; three seconds of a long one count as heard
LISTEN = """
window.told = [];
for (const name of ["start", "stop"]) {
    const method = AudioBufferSourceNode.prototype[name];
    AudioBufferSourceNode.prototype[name] = function (...times) {
        told.push([name, ...times]);
        window.context = this.context;
        return method.apply(this, times);
    };
}
"""
NO_STORAGE = (
    """Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no", "SecurityError"); } });"""
)
BEYOND = """() => [...document.querySelectorAll("body *")].filter(element => {
    const {right, left, width} = element.getBoundingClientRect();
    return width && (right > innerWidth + 0.5 || left < -0.5);
}).map(element => `${element.tagName} ${element.className}`)"""
SMALL = """() => [...document.querySelectorAll("button, .choices label, .button")]
    .filter(element => element.getClientRects().length && element.getBoundingClientRect().height < 44)
    .map(element => element.textContent)"""


def clip(hertz, seconds):
    t = np.arange(round(seconds * RATE)) / RATE
    return Audio((0.3 * np.sin(2 * np.pi * hertz * t)).astype(np.float32), RATE)


def make(folder, seconds, systems=("zebra", "yak"), items=ITEMS, **more):
    clips = {name: [clip(200 + 50 * s + 100 * i, seconds) for i in range(items)] for s, name in enumerate(systems)}
    return listening_test(clips, folder / "test.html", **more)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    return make(tmp_path_factory.mktemp("short"), SHORT)


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    return make(tmp_path_factory.mktemp("long"), LONG)


def key_of(path):
    return json.loads(path.with_suffix(".key.json").read_text("utf-8"))


def hear(page, *keys):
    """Play clips by their keys, each for the first time in its pair and to its end."""
    for key in keys:
        page.keyboard.press(key)
        page.locator(f"#play-{key} .what", has_text="Play again").wait_for()


def shown(page):
    return page.locator("main > section:not([hidden]) h2").inner_text()


def save(page, link, folder):
    with page.expect_download() as download:
        page.locator(link).focus()
        page.keyboard.press("Enter")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_by_keyboard_from_the_first_key_to_the_right_winner(page, errors, short, tmp_path):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(short.as_uri())
    assert shown(page) == "Before you start"
    assert page.get_by_text("Please allow scripts").is_hidden()
    page.keyboard.press("Tab")  # from the heading to the name
    page.keyboard.type("=cmd & Ana, b")  # keys of the test are letters here
    page.keyboard.press("Enter")
    rows = key_of(short)["questions"]
    for row in rows:
        assert shown(page) == f"Pair {row['question']} of {len(rows)}"
        hear(page, "a", "b")
        page.keyboard.press("1" if row["a"] == "yak" else "5")
        page.keyboard.press("Enter")
    assert shown(page) == "Thank you"
    file = save(page, "#save", tmp_path)
    assert re.fullmatch(r"answers-\w{6}-\w{6}\.csv", file.name)
    text = file.read_text("utf-8-sig")
    assert text.startswith(",".join(listening.COLUMNS))
    assert '"\'=cmd & Ana, b"' in text  # no formula
    found = listening_result(file, key=short.with_suffix(".key.json"))
    assert (found.listeners, found.answers) == (1, ITEMS)
    assert (found.standings[0].name, found.standings[0].wins) == ("yak", ITEMS)
    (answer, *_) = listening._answers(file, listening._keys([short.with_suffix(".key.json")]))
    assert answer.listener == "=cmd & Ana, b"
    page.locator("summary").click()
    assert page.locator("#text").input_value().splitlines() == text.splitlines()
    assert errors == []
    assert {url for url in asked if not url.startswith("data:")} == {short.as_uri()}


def test_nobody_answers_before_both_were_heard(page, errors, short):
    page.goto(short.as_uri())
    page.keyboard.press("Enter")
    hint, choice, after = page.locator("#hint"), page.get_by_label("Slightly B"), page.locator("#next")
    for keys, missing in (("", "A and B"), ("b", "A")):
        hear(page, *keys)
        assert hint.inner_text() == f"Listen to {missing} first."
        page.keyboard.press("4")
        expect(choice).to_be_disabled()
        page.keyboard.press("Enter")
        assert shown(page) == f"Pair 1 of {ITEMS}"
        assert page.locator("[name=answer]:checked").count() == 0
    hear(page, "a")
    assert hint.inner_text() == "Choose an answer."
    expect(after).to_be_disabled()
    choice.check()
    expect(after).to_be_enabled()
    assert page.locator("#answered").inner_text() == "1 answered"
    assert errors == []


def test_three_seconds_of_a_long_clip_are_enough_and_less_is_not(page, errors, long):
    page.add_init_script(LISTEN)
    page.goto(long.as_uri())
    page.keyboard.press("Enter")
    page.evaluate(
        """() => new MutationObserver(() => { window.after ??= context.currentTime - told[0][1]; })
            .observe(document.getElementById("hint"), {childList: true})"""
    )
    page.keyboard.press("a")
    page.locator("#hint", has_text="Listen to B first.").wait_for()
    assert LONG - 0.2 > page.evaluate("after") > 2.9
    assert errors == []


def test_a_switch_goes_on_at_the_same_second_and_a_key_begins_anew(page, errors, long):
    page.add_init_script(LISTEN)
    page.goto(long.as_uri())
    page.keyboard.press("Enter")
    expect(page.locator("#switch")).to_be_disabled()
    page.locator("#play-a").click()
    page.wait_for_function("() => parseFloat(document.querySelector('#play-a i').style.width) > 5")
    page.keyboard.press("x")
    page.locator("#play-b[aria-pressed=true]").wait_for()
    first, stop, second = page.evaluate("told")
    assert [first[0], stop[0], second[0]] == ["start", "stop", "start"]
    assert first[2] == 0
    assert second[2] - first[2] == pytest.approx(second[1] - first[1], abs=1e-6)
    assert second[2] > 0.2
    page.keyboard.press("b")
    page.wait_for_function("() => told.length === 5")
    assert page.evaluate("told")[-1][2] == 0
    page.keyboard.press("s")
    page.wait_for_function("() => document.getElementById('switch').disabled")
    assert errors == []


def test_answers_survive_a_reload_and_can_be_changed(page, errors, short, tmp_path):
    page.goto(short.as_uri())
    page.keyboard.press("Tab")
    page.keyboard.type("Ana")
    page.keyboard.press("Enter")
    assert page.locator("#save-partial").is_hidden()
    hear(page, "a", "b")
    page.keyboard.press("2")
    before = save(page, "#save-partial", tmp_path)
    page.reload()
    assert page.locator("#listener").input_value() == "Ana"
    page.get_by_role("button", name=f"Continue (1 of {ITEMS} answered)").click()
    assert shown(page) == f"Pair 2 of {ITEMS}"
    page.keyboard.press("p")
    assert shown(page) == f"Pair 1 of {ITEMS}"
    expect(page.get_by_label("Slightly A")).to_be_checked()
    page.keyboard.press("4")
    after = save(page, "#save-partial", tmp_path)
    assert after.name == before.name  # the same session
    assert re.search(r",1,4\s*$", after.read_text("utf-8-sig"))
    assert len(after.read_text("utf-8-sig").splitlines()) == 2
    assert errors == []


def test_another_listener_starts_anew(page, errors, short):
    page.goto(short.as_uri())
    page.keyboard.press("Enter")
    hear(page, "a", "b")
    page.keyboard.press("2")
    before = page.locator("#save").get_attribute("download")
    page.reload()
    asked = []
    for answer in ("dismiss", "accept"):
        page.once("dialog", lambda dialog, answer=answer: (asked.append(dialog.message), getattr(dialog, answer)()))
        page.get_by_role("button", name="Start anew").click()
        page.get_by_role("button", name="Continue" if answer == "dismiss" else re.compile("^Start$")).wait_for()
    assert "deletes 1 answer" in asked[0]
    assert page.locator("#save").get_attribute("download") != before  # a session of its own
    page.get_by_role("button", name="Start", exact=True).click()
    assert shown(page) == f"Pair 1 of {ITEMS}"
    assert page.locator("[name=answer]:checked").count() == 0
    expect(page.get_by_label("Slightly B")).to_be_disabled()
    assert errors == []


def test_two_listeners_are_two_sessions(browser, short, tmp_path):
    files = []
    for _ in range(2):
        page, _ = drive.new_page(browser)
        page.goto(short.as_uri())
        page.keyboard.press("Enter")
        hear(page, "a", "b")
        page.keyboard.press("3")
        files.append(save(page, "#save-partial", tmp_path))
        drive.leave(page)
    found = listening_result(*files, key=short.with_suffix(".key.json"))
    assert (found.listeners, found.answers) == (2, 2)
    assert "2 listeners of 2 did not answer all questions." in found.remarks


def test_without_storage_it_works_and_says_so(page, errors, short, tmp_path):
    page.add_init_script(NO_STORAGE)
    page.goto(short.as_uri())
    page.keyboard.press("Enter")
    hear(page, "a", "b")
    page.keyboard.press("3")
    expect(page.get_by_role("alert")).to_contain_text("a reload loses your answers")
    assert len(save(page, "#save-partial", tmp_path).read_text("utf-8").splitlines()) == 2
    assert errors == []


@pytest.mark.parametrize("kept", ["{", "[]", "null", '{"session": "x"}', '{"session": "0123456789abcdef", "answers": '
                                  '{"1": 9, "2": "<b>", "77": 1, "__proto__": 3}, "listener": {"a": 1}}'])  # fmt: skip
def test_what_the_browser_kept_is_checked(page, errors, short, kept):
    test = key_of(short)["test"]
    page.goto(short.as_uri())
    page.evaluate("([place, kept]) => localStorage.setItem(place, kept)", [f"gansynth-listening-{test}", kept])
    page.reload()
    page.keyboard.press("Enter")
    assert shown(page) == f"Pair 1 of {ITEMS}"
    assert page.locator("#answered").inner_text() == "0 answered"
    assert errors == []


def test_a_page_that_was_changed_does_not_run(page, errors, short, tmp_path):
    other = tmp_path / "other.html"
    other.write_text(short.read_text("utf-8").replace("</body>", "<script>document.title = 'other'</script></body>"))
    page.goto(other.as_uri())
    assert page.title() == "A listening test"
    assert "Content Security Policy" in " ".join(errors)


def test_without_scripts_it_says_what_is_needed(browser, short):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(short.as_uri())
    expect(page.get_by_text("Please allow scripts")).to_be_visible()
    assert page.locator("main > section:visible").count() == 0
    context.close()


def test_mp3_is_heard_too(page, errors, tmp_path):
    page.goto(make(tmp_path, SHORT, sound="mp3").as_uri())
    page.keyboard.press("Enter")
    hear(page, "a", "b")
    assert page.locator("#hint").inner_text() == "Choose an answer."
    assert errors == []


def test_sounds_stop_where_a_pair_is_left(page, errors, long):
    page.add_init_script(LISTEN)
    page.goto(long.as_uri())
    page.keyboard.press("Enter")
    page.keyboard.press("a")
    page.locator("#play-a[aria-pressed=true]").wait_for()
    page.keyboard.press("p")
    assert shown(page) == "Before you start"
    assert Counter(row[0] for row in page.evaluate("told")) == {"start": 1, "stop": 1}
    assert errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 600, 390, 320])
def test_every_step_fits_and_can_be_hit(browser, short, width, theme):
    window = {"viewport": {"width": width, "height": 900}, "color_scheme": theme, "reduced_motion": "reduce"}
    page = browser.new_context(**window).new_page()
    page.goto(short.as_uri())

    def look(step):
        drive.screenshot(page, f"listening_{step}_{width}_{theme}")
        assert page.evaluate("() => document.documentElement.scrollWidth") == width, step
        assert page.evaluate(BEYOND) == [], step
        assert page.evaluate(SMALL) == [], step

    look("start")
    for number in range(1, ITEMS + 1):
        page.keyboard.press("Enter")
        if number == 1:
            look("unheard")
        hear(page, "a", "b")
        if number == 1:
            look("heard")
        page.keyboard.press("2")
        if number == 1:
            look("answered")
    page.keyboard.press("Enter")
    look("end")
    page.context.close()


def test_a_phone_is_told_nothing_of_keys_and_answers_by_taps(browser, short):
    window = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = browser.new_context(**window).new_page()
    page.goto(short.as_uri())
    assert page.locator(".keys, kbd").filter(visible=True).count() == 0
    page.locator("#begin").tap()
    for side in "ab":
        page.locator(f"#play-{side}").tap()
        page.locator(f"#play-{side} .what", has_text="Play again").wait_for()
    page.get_by_label("Strongly B").tap()
    page.locator("#next").tap()
    assert shown(page) == f"Pair 2 of {ITEMS}"
    assert page.locator("kbd").filter(visible=True).count() == 0
    page.context.close()


def test_a_saved_link_holds_all_that_was_answered(page, short):
    """What a phone's browser would save, letter by letter."""
    page.goto(short.as_uri())
    page.locator("#listener").fill('Zoë "Z" 三')
    page.locator("#begin").click()
    hear(page, "a", "b")
    page.get_by_label("Strongly A").check()
    head, text = page.locator("#save").get_attribute("href").split(",", 1)
    assert head == "data:text/csv;charset=utf-8"
    lines = urllib.parse.unquote(text).removeprefix("\ufeff").splitlines()
    assert re.fullmatch(rf'{key_of(short)["test"]},[0-9a-f]{{16}},"Zoë ""Z"" 三",1,1', lines[1])
