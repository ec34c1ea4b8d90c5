"""The keyboard in JupyterLab, over a stand-in for a model: notes arrive, and keys play them and do nothing else."""

import shutil
import types
from pathlib import Path

import controls
import drive
import pytest
from playwright.sync_api import expect

SETUP = """
import sys
sys.path[:0] = ["..", "."]
from inputs import Player
from helpers import instruments, widgets
bank = instruments.bank(Player(), path="keyboard.json")
"""
CELLS = ("keyboard = widgets.Keyboard(bank)\nkeyboard", "pad = widgets.Keyboard(bank, list(bank)[:4])\npad")
CELLS_NOW = "() => document.querySelectorAll('.jp-Notebook .jp-Cell').length"


@pytest.fixture(scope="module")
def there(browser, lab, checkout):
    notebook = drive.write(checkout, "keyboard", SETUP.strip(), *CELLS)
    shutil.copy(Path(__file__).resolve().parents[1] / "inputs.py", (checkout / notebook).parent)
    page, errors = drive.new_page(browser)
    page.add_init_script(controls.SPY)
    drive.open_run(page, "lab", lab, notebook)
    keyboards = page.locator(".gansynth-control", has=page.get_by_role("heading", name="Keyboard", exact=True))
    expect(keyboards).to_have_count(2)
    yield types.SimpleNamespace(page=page, errors=errors, one=keyboards.nth(0), pad=keyboards.nth(1), checkout=checkout)
    for number, shown in enumerate((keyboards.nth(0), keyboards.nth(1))):
        shown.scroll_into_view_if_needed()
        drive.screenshot(page, f"keyboard_{number}")
    drive.leave(page)
    drive.end_kernels(lab)


def ready(keyboard):
    keyboard.scroll_into_view_if_needed()
    expect(keyboard.locator(".piano button").first).to_be_visible()
    expect(keyboard.locator(".piano .waiting, .piano .old")).to_have_count(0)


def test_keys_play_and_the_notebook_does_not_hear_them(there):
    ready(there.one)
    before = there.page.evaluate(CELLS_NOW)
    there.one.locator(".piano").focus()
    for key in "adgz":
        there.page.keyboard.down(key)
    assert there.page.evaluate("held()") == 3
    there.page.keyboard.press("Space")
    for key in "adgz":
        there.page.keyboard.up(key)
    assert there.page.evaluate("held()") == 0
    for key in "ddabxm":
        there.page.keyboard.press(key)
    assert there.page.evaluate(CELLS_NOW) == before
    expect(there.one.locator(".latency")).to_contain_text("Latency")
    print("\n" + there.one.locator(".latency").inner_text())


def test_another_instrument_takes_its_place(there):
    there.one.get_by_label("instrument").select_option(index=2)
    controls.code(there.one, r'export\.page\(model, bank\["stub 1-2"\], "outputs/stub-1-2\.html"\)|stub 1-2')
    ready(there.one)


def test_the_pad_moves_and_the_notes_follow(there):
    ready(there.pad)
    square = there.pad.get_by_role("slider", name="Blend of four instruments")
    square.press("ArrowRight")
    ready(there.pad)
    there.pad.locator(".piano").focus()
    there.page.keyboard.press("a")
    assert there.page.evaluate("held()") == 0


def test_a_typed_letter_in_a_field_is_no_note(there):
    begun = there.page.evaluate("sounds.length")
    there.one.get_by_label("instrument").focus()
    there.page.keyboard.press("a")
    assert there.page.evaluate("sounds.length") == begun


def test_it_is_saved_as_a_page(there):
    with there.page.expect_download() as download:
        there.one.get_by_role("button", name="Save as a page").click()
    assert download.value.suggested_filename.endswith(".html")
    there.one.get_by_text("saved as").wait_for()


def test_nothing_went_wrong(there):
    assert controls.errors(there.page) == []
    assert there.errors == []
