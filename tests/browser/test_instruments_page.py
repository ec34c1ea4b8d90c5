"""The controls of 05_instruments in JupyterLab, by mouse and by keyboard: browser, pad and timeline."""

import json
import re
import types

import controls
import drive
import pytest
from controls import control
from playwright.sync_api import expect

NOTE_SECONDS = 2.0  # of `render.note`


@pytest.fixture(scope="module")
def there(browser, lab, checkout):
    """The notebook, all its cells run: its controls, and what went wrong. All tests share it."""
    starred = checkout / "outputs" / "instruments.json"
    starred.unlink(missing_ok=True)  # what the tests of other pages kept
    page, errors = drive.new_page(browser)
    drive.open_run(page, "lab", lab, "notebooks/05_instruments.ipynb")
    yield types.SimpleNamespace(
        page=page,
        errors=errors,
        starred=starred,
        browser=control(page, "Instrument browser"),
        pad=control(page, "Blend pad"),
        timeline=control(page, "Timeline"),
    )
    for title in ("Instrument browser", "Blend pad", "Timeline"):
        control(page, title).scroll_into_view_if_needed()
        drive.screenshot(page, f"instruments_{title}")
    drive.leave(page)
    drive.end_kernels(lab)


def card(there, name):
    return there.browser.get_by_role("button", name=name, exact=True)


def test_search_and_hear(there):
    search = there.browser.get_by_label("search")
    search.fill("piano soft")
    card(there, "Cello").wait_for(state="detached")
    expect(there.browser.locator(".card")).to_have_text(["Grand Piano, soft☆", "Electric Piano, soft☆"])
    heard = controls.hear(there.browser, card(there, "Grand Piano, soft").click)
    assert heard["seconds"] == pytest.approx(NOTE_SECONDS, abs=0.01)
    expect(card(there, "Grand Piano, soft")).to_have_attribute("aria-pressed", "true")
    controls.code(there.browser, r'render\.note\(model, bank\["Grand Piano, soft"\], 60\)')
    search.fill("no such thing")
    there.browser.get_by_text("no name contains “no such thing”").wait_for()
    search.fill("")
    card(there, "Cello").wait_for()


def test_the_keyboard_moves_in_the_grid_and_plays(there):
    names = [text.split("\n")[0] for text in there.browser.locator(".card").all_inner_texts()]
    columns = there.browser.locator(".gansynth-grid").evaluate(
        "grid => getComputedStyle(grid).gridTemplateColumns.split(' ').length"
    )
    card(there, names[0]).focus()
    place = 0
    for key, step in (("ArrowRight", 1), ("ArrowDown", columns), ("ArrowLeft", -1), ("ArrowUp", -columns)):
        there.page.keyboard.press(key)
        place += step
        assert there.page.evaluate("document.activeElement.innerText") == names[place], key
    there.page.keyboard.press("End")
    there.browser.get_by_text(re.compile(r"^\d+ to (\d+) of \1$")).wait_for()  # the last page
    last = there.browser.locator(".card").last.inner_text().split("\n")[0]
    assert there.page.evaluate("document.activeElement.innerText") == last
    controls.hear(there.browser, lambda: there.page.keyboard.press("Enter"))
    expect(card(there, last)).to_have_attribute("aria-pressed", "true")
    there.page.keyboard.press("Home")
    assert there.page.evaluate("document.activeElement.innerText") == names[0]


def test_a_star_is_kept_in_the_file(there):
    for name in ("Keep Harp", "Keep Cello"):
        there.browser.get_by_role("button", name=name, exact=True).click()
    there.browser.get_by_text("2 kept in outputs/instruments.json").wait_for()
    assert {kept["name"] for kept in json.loads(there.starred.read_text("utf-8"))["instruments"]} == {"Harp", "Cello"}
    there.browser.get_by_role("button", name="starred", exact=True).click()
    card(there, "Oboe").wait_for(state="detached")
    expect(there.browser.locator(".card")).to_have_count(2)
    there.browser.get_by_role("button", name="Keep Harp", exact=True).click()
    there.browser.get_by_text("1 kept in outputs/instruments.json").wait_for()
    expect(there.browser.locator(".card")).to_have_count(1)
    there.browser.get_by_role("button", name="by name", exact=True).click()
    card(there, "Oboe").wait_for()


def test_the_piano_changes_the_pitch(there):
    piano = there.browser.get_by_role("slider", name="Pitch")
    low = controls.hear(there.browser, card(there, "Violin").click)
    key = piano.locator("rect", has=there.page.locator("title", has_text=re.compile("^C5$")))
    box = key.bounding_box()
    high = controls.hear(
        there.browser, lambda: there.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 0.9 * box["height"])
    )
    assert high["sound"] != low["sound"]
    expect(piano).to_have_attribute("aria-valuetext", "C5")
    controls.code(there.browser, r'bank\["Violin"\], 72\)')
    controls.hear(there.browser, lambda: piano.press("PageDown"))
    controls.code(there.browser, r'bank\["Violin"\], 60\)')


def test_the_pad_blends(there):
    square, point = there.pad.get_by_role("slider", name=re.compile("^Blend of four")), there.pad.locator(".point")
    square.scroll_into_view_if_needed()
    controls.code(there.pad, r"x=0\.3, y=0\.6")
    box = square.bounding_box()
    width, height = box["width"], box["height"]
    first = controls.hear(there.pad, lambda: controls.drag(there.page, point, right=0.5 * width, down=-0.4 * height))
    assert first["seconds"] == pytest.approx(NOTE_SECONDS, abs=0.01)
    x, y = map(float, re.search(r"x=([\d.]+), y=([\d.]+)\)", there.pad.locator("code").inner_text()).groups())
    assert (x, y) == pytest.approx((0.8, 0.2), abs=0.02)
    second = controls.hear(there.pad, lambda: controls.drag(there.page, point, right=-0.6 * width, down=0.6 * height))
    assert second["sound"] != first["sound"]
    controls.hear(there.pad, lambda: square.press("ArrowRight"))
    moved = float(re.search(r"x=([\d.]+)", there.pad.locator("code").inner_text()).group(1))
    assert moved == pytest.approx(x - 0.6 + 0.05, abs=0.02)


def times(there):
    """The seconds in the fields, which are those in the code."""
    fields = there.timeline.get_by_label("at (s)")
    expect(fields).to_have_count(there.timeline.get_by_role("slider").count())
    # All at once: the page may take a field away between one reading and the next.
    typed = fields.evaluate_all("fields => fields.map(field => Number(field.value))")
    controls.code(there.timeline, re.escape(f"at=[{', '.join(f'{second:.12g}' for second in typed)}]"))
    return typed


def test_drag_the_timeline(there):
    handle = there.timeline.get_by_role("slider").nth(1)
    ribbon = there.timeline.locator(".ribbon").bounding_box()["width"]
    longest = float(handle.get_attribute("aria-valuemax"))
    assert times(there) == [1, 5, 9]
    controls.drag(there.page, handle, right=2 / longest * ribbon)
    controls.code(there.timeline, r"at=\[1, (6\.9|7(\.0)?)\d*, 9\]")
    assert times(there) == pytest.approx([1, 7, 9], abs=1.5 * longest / ribbon)
    controls.drag(there.page, handle, right=ribbon)  # past its neighbour
    controls.code(there.timeline, r"at=\[1, 8\.9, 9\]")


def test_the_keyboard_moves_on_the_timeline(there):
    handle = there.timeline.get_by_role("slider").nth(0)
    handle.press("ArrowRight")
    handle.press("Shift+ArrowRight")
    controls.code(there.timeline, r"at=\[2\.1, ")
    assert times(there)[0] == 2.1
    there.timeline.locator(".ribbon").press("Enter")
    there.timeline.get_by_role("slider").nth(3).wait_for()
    there.timeline.get_by_role("slider").nth(1).press("Delete")
    there.timeline.get_by_role("slider").nth(3).wait_for(state="detached")
    assert len(times(there)) == 3


def test_what_is_typed_moves_the_handle_or_is_put_right(there):
    field, handle = there.timeline.get_by_label("at (s)").first, there.timeline.get_by_role("slider").first
    field.fill("0.5")
    field.press("Enter")
    controls.code(there.timeline, r"at=\[0\.5, ")
    expect(handle).to_have_attribute("aria-valuenow", "0.5")
    field.fill("99")
    field.press("Enter")
    there.timeline.get_by_text(re.compile(r"can be placed between 0 and .* s")).wait_for()
    assert times(there)[0] < times(there)[1]


def test_nothing_went_wrong(there):
    assert controls.errors(there.page) == []
    assert there.errors == []
