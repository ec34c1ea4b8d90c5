"""Keys belong to what is focused: JupyterLab's command mode, where a letter changes the notebook, does not see them."""

import types

import drive
import everything
import pytest
from controls import control

KEYS = ("a", "b", "d", "d", "x", "z", "m", "y", "1", "9", "ArrowDown", "ArrowUp", "Home", "Enter", "Space")
LETTERS = KEYS[:10]  # that press no button
FOCUSABLE = "button:enabled, select:enabled, input:enabled, [tabindex='0'], [role='slider']"
CELLS = """() => [...document.querySelectorAll(".jp-Notebook .jp-Cell")].map(cell =>
    `${cell.className.match(/jp-(Code|Markdown|Raw)Cell/)[1]} ${cell.querySelector(".cm-content")?.innerText}`)"""
KIND = "element => element.tagName + element.getAttribute('class')?.replace(/ mod-active/, '') + element.type"
OWN = "element => element.closest('.gansynth-control').contains(document.activeElement)"


@pytest.fixture(scope="module")
def there(browser, lab, checkout):
    page, errors = drive.new_page(browser)
    drive.open_run(page, "lab", lab, everything.write(checkout))
    for title in everything.TITLES:
        control(page, title)
    yield types.SimpleNamespace(page=page, errors=errors)
    drive.screenshot(page, "keys")
    drive.leave(page)
    drive.end_kernels(lab)


def press(page, element, keys):
    element.evaluate("element => element.focus()")
    if element.evaluate("element => element === document.activeElement"):  # a file field hands it on to its button
        for key in keys:
            page.keyboard.press(key)


@pytest.mark.parametrize("title", everything.TITLES)
def test_letters_and_digits_leave_the_notebook_alone(there, title):
    before = there.page.evaluate(CELLS)
    seen = set()
    for element in control(there.page, title).locator(FOCUSABLE).element_handles():
        kind = element.evaluate(KIND)
        if kind in seen or not element.is_visible():
            continue
        seen.add(kind)
        press(there.page, element, LETTERS)
        assert there.page.evaluate(CELLS) == before, kind
        assert element.evaluate(OWN), kind
        if kind.endswith("text"):
            element.fill("")
    assert seen


def test_the_keys_of_the_piano_the_pad_the_cards_and_the_timeline(there):
    before = there.page.evaluate(CELLS)
    for title, pattern in [
        ("Instrument browser", ".gansynth-piano svg"),
        ("Instrument browser", ".card .name"),
        ("Blend pad", ".gansynth-piano svg"),
        ("Blend pad", ".square"),
        ("Timbre map", ".stage > svg"),
        ("Steering", "[role='slider']"),
        ("Timeline", ".handle"),
        ("Mixer", "[role='slider']"),
        ("Player", ".gansynth-player-slider"),
    ]:
        element = control(there.page, title).locator(pattern).first.element_handle()
        press(there.page, element, KEYS)
        assert there.page.evaluate(CELLS) == before, pattern
    there.page.get_by_role("button", name="Pause").click()


def test_shortcuts_and_escape_stay_the_notebooks(there):
    piano = control(there.page, "Blend pad").locator(".gansynth-piano svg")
    piano.focus()
    there.page.keyboard.press("ArrowUp")
    there.page.evaluate("() => document.addEventListener('keydown', event => (window.lastKey = event.key))")
    for key, reaches in (("a", False), ("ArrowUp", False), ("Escape", True), ("Control+s", True)):
        piano.focus()
        there.page.evaluate("() => (window.lastKey = null)")
        there.page.keyboard.press(key)
        assert (there.page.evaluate("window.lastKey") is not None) == reaches, key
        assert piano.evaluate("piano => piano.hasAttribute('data-lm-suppress-shortcuts')") != reaches, key
    there.page.locator(".jp-mod-current.jp-mod-dirty").wait_for(state="detached")  # it has been saved


def test_nothing_went_wrong(there):
    assert there.errors == []
