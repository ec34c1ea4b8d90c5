"""The map and the sliders in JupyterLab, by mouse, by finger and by keyboard, over a stand-in for a model."""

import itertools
import json
import re
import shutil
import types
from pathlib import Path

import controls
import drive
import pytest
from controls import control
from playwright.sync_api import expect

SETUP = """
import sys
sys.path[:0] = ["..", "."]
import numpy as np
from inputs import Stub, atlas_of, directions_of
from helpers import instruments, widgets

class Model(Stub):
    def generate(self, z, pitches, *given, **how):
        return super().generate(np.broadcast_to(z, (len(pitches), np.shape(z)[-1])), pitches, *given, **how)

bank = instruments.bank(Model(), path="explore.json")
"""
CELLS = (
    "explore = widgets.TimbreMap(atlas_of(bank.model, n=200), bank)\nexplore",
    "steering = widgets.Steering(directions_of(), bank)\nsteering",
)


@pytest.fixture(scope="module")
def there(browser, lab, checkout):
    """A notebook with both controls. All tests share it."""
    notebook = drive.write(checkout, "explore", SETUP.strip(), *CELLS)
    kept = (checkout / notebook).with_name("explore.json")
    shutil.copy(Path(__file__).resolve().parents[1] / "inputs.py", kept.parent)
    page, errors = drive.new_page(browser)
    drive.open_run(page, "lab", lab, notebook)
    explore, steering = control(page, "Timbre map"), control(page, "Steering")
    plane = explore.locator(".stage > svg")
    plane.scroll_into_view_if_needed()
    yield types.SimpleNamespace(page=page, errors=errors, kept=kept, explore=explore, plane=plane, steering=steering)
    for title in ("Timbre map", "Steering"):
        control(page, title).scroll_into_view_if_needed()
        drive.screenshot(page, f"explore_{title}")
    drive.leave(page)
    drive.end_kernels(lab)


def place(there, number):
    """The middle of a point, in the window; as long as no search has put some above the others."""
    box = there.plane.locator(".dot").nth(number).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def moved(there, number):
    """Where a point is to be drawn."""
    return there.plane.locator(".dot").nth(number).get_attribute("transform")


def ring(there):
    """Where the chosen point is."""
    box = there.plane.locator(".ring").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def chosen(there):
    return controls.code(there.explore, "render.note").split('atlas["')[1].split('"')[0]


def names_on_file(there):
    return [kept["name"] for kept in json.loads(there.kept.read_text("utf-8"))["instruments"]]


def test_the_mouse_hears_and_keeps(there):
    controls.hear(there.explore, lambda: there.page.mouse.move(*place(there, 7)))
    expect(there.explore.locator(".label")).to_contain_text(re.compile(r"stub 0-7.*(probably|perhaps) .* \(\d+%\)"))
    assert controls.code(there.explore, r'render\.note\(model, atlas\["stub 0-7"\], 60\)')
    there.page.mouse.down()
    there.page.mouse.up()
    there.explore.get_by_text("kept as stub 0-7 in explore.json").wait_for()
    assert names_on_file(there) == ["stub 0-7"]
    expect(there.plane.locator(".star")).to_have_count(1)
    expect(there.steering.get_by_label("instrument")).to_contain_text("stub 0-7")  # it has the same bank
    there.explore.get_by_role("button", name="Discard").click()
    there.explore.get_by_text("stub 0-7 is no longer kept").wait_for()
    expect(there.plane.locator(".star")).to_have_count(0)


def test_the_keyboard_goes_to_the_nearest_point_in_that_direction(there):
    there.plane.focus()
    for key, axis, sign in (("ArrowLeft", 0, -1), ("ArrowUp", 1, -1), ("ArrowRight", 0, 1), ("ArrowDown", 1, 1)):
        before, name = ring(there), chosen(there)
        controls.hear(there.explore, lambda key=key: there.page.keyboard.press(key))
        assert sign * (ring(there)[axis] - before[axis]) > 0, key
        assert chosen(there) != name
    there.page.keyboard.press("Enter")
    there.explore.get_by_text(f"kept as {chosen(there)} in").wait_for()
    assert names_on_file(there) == [chosen(there)]


def test_a_finger_hears_first_and_keeps_then(there):
    there.page.mouse.move(0, 0)
    there.plane.scroll_into_view_if_needed()
    x, y = place(there, 11)
    device = there.page.context.new_cdp_session(there.page)

    def tap():
        device.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        device.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    controls.hear(there.explore, tap)
    assert chosen(there) == "stub 0-11"
    assert "stub 0-11" not in names_on_file(there)
    tap()
    there.explore.get_by_text("kept as stub 0-11 in").wait_for()


def test_a_path_is_drawn_by_mouse_and_by_keyboard(there):
    box = there.plane.bounding_box()
    middle = box["y"] + box["height"] / 2
    there.page.mouse.move(box["x"] + 5, middle)
    there.page.mouse.down()
    there.page.mouse.move(box["x"] + box["width"] - 5, middle, steps=30)
    there.page.mouse.up()
    line = controls.code(there.explore, r"instruments\.Timeline\(").splitlines()[-1]
    passed = re.findall(r'atlas\["(.*?)"\]', line)
    assert len(passed) > 3
    places = [place(there, int(name.removeprefix("stub 0-"))) for name in passed]
    assert all(right - left >= 23 for (left, _), (right, _) in itertools.pairwise(places))
    assert all(abs(y - middle) <= 13 for _, y in places)
    expect(there.plane.locator(".stop")).to_have_count(len(passed))

    there.plane.focus()
    there.page.keyboard.press("Delete")
    expect(there.plane.locator(".stop")).to_have_count(0)
    begin = chosen(there)
    there.page.keyboard.press("Shift+ArrowLeft")
    controls.hear(there.explore, lambda: there.page.keyboard.press("Shift+ArrowUp"))
    line = controls.code(there.explore, r"instruments\.Timeline\(").splitlines()[-1]
    assert re.findall(r'atlas\["(.*?)"\]', line)[0] == begin
    assert line.endswith("at=[0, 6, 12])")
    there.explore.get_by_role("button", name="Clear").click()
    expect(there.plane.locator(".stop")).to_have_count(0)


def test_latents_lie_elsewhere(there):
    before = moved(there, 0)
    there.explore.get_by_role("button", name="latents").click()
    controls.code(there.explore, r'timbre\.layout\(atlas, by="latents"\)')
    assert moved(there, 0) != before
    there.explore.get_by_role("button", name="descriptors").click()
    controls.code(there.explore, r"timbre\.layout\(atlas\)\n")
    assert moved(there, 0) == before


def test_a_search_lights_up(there):
    search = there.explore.get_by_label("search")
    search.fill("bright plucked")
    search.press("Enter")
    controls.code(there.explore, r'atlas\.find\("bright plucked", n=12\)')
    expect(there.plane.locator(".dot.lit")).to_have_count(12)
    search.fill("brigt")
    search.press("Enter")
    there.explore.get_by_text(re.compile("^.brigt. is not a known word; did you mean bright")).wait_for()
    expect(there.plane.locator(".dot.lit")).to_have_count(0)
    assert len(controls.errors(there.explore)) == 1
    search.fill("")
    search.press("Enter")
    expect(there.explore.locator(".gansynth-error:visible")).to_have_count(0)


def test_a_slider_is_heard_when_it_is_let_go(there):
    there.steering.scroll_into_view_if_needed()
    handle = there.steering.get_by_role("slider").first
    controls.hear(there.steering, lambda: handle.press("ArrowRight"))
    controls.code(there.steering, r'turn\.steer\(bank\["stub 1-0"\], brightness=0\.1\)')
    track = there.steering.locator(".noUi-base").first.bounding_box()["width"]
    controls.hear(there.steering, lambda: controls.drag(there.page, handle, right=track / 4))
    amount = float(re.search(r"brightness=([\d.]+)\)", controls.code(there.steering, "steer")).group(1))
    assert amount == pytest.approx(1.1, abs=0.15)
    there.steering.get_by_role("button", name="Keep").click()
    there.steering.get_by_text(f"kept as stub 1-0, brightness +{amount:g} in explore.json").wait_for()
    assert names_on_file(there)[-1] == f"stub 1-0, brightness +{amount:g}"
    controls.hear(there.steering, there.steering.get_by_role("button", name="Reset").click)
    controls.code(there.steering, r'turned = bank\["stub 1-0"\]')


def test_nothing_went_wrong(there):
    assert controls.errors(there.page) == []
    assert there.errors == []
