"""The controls in wide and narrow windows: nothing is cut off, sticks out or scrolls, and fingers can hit it."""

import itertools
import types

import drive
import everything
import pytest
from controls import control

WIDTHS = (1280, 600, 390)
# What is clipped on purpose ends in an ellipsis, or is there for screen readers alone.
FAULTS = """() => {
    const faults = [];
    for (const control of document.querySelectorAll(".gansynth-control")) {
        const title = control.querySelector(".gansynth-title").innerText, box = control.getBoundingClientRect();
        for (const element of [control, ...control.querySelectorAll("*:not(svg *)")]) {
            const style = getComputedStyle(element), own = element.getBoundingClientRect();
            if (!own.width || style.clipPath !== "none") continue;
            const say = (what) => faults.push(`${title}: ${element.tagName} ${element.className} ${what}`);
            if (own.right > box.right + 1 || own.left < box.left - 1)
                say(`from ${own.left} to ${own.right} in ${box.left} to ${box.right}`);
            const scrolls = (way) => ["auto", "scroll"].includes(way);
            const cut = style.overflowX === "hidden" && style.textOverflow === "clip";
            if (element.scrollWidth > element.clientWidth + 1 && (scrolls(style.overflowX) || cut))
                say(`has ${element.scrollWidth} pixels across in ${element.clientWidth}`);
            if (element.scrollHeight > element.clientHeight + 1 && scrolls(style.overflowY))
                say(`has ${element.scrollHeight} pixels down in ${element.clientHeight}`);
            if (/BUTTON|SELECT/.test(element.tagName) && own.height < 32) say(`is ${own.height} pixels high`);
        }
    }
    return faults;
}"""
TICKS = """control => [...control.querySelectorAll(".axis span, .gansynth-ticks span")]
    .map(tick => tick.getBoundingClientRect()).filter(box => box.width).map(box => [box.left, box.right])"""


@pytest.fixture(scope="module", params=["lab", "voila"])
def there(request, browser, checkout):
    server = request.getfixturevalue(request.param)
    page, errors = drive.new_page(browser)
    drive.open_run(page, request.param, server, everything.write(checkout))
    if request.param == "lab":
        page.keyboard.press("Control+b")  # folds the list of files
    control(page, "Player", drive.START_SECONDS).locator("img:visible").wait_for()
    control(page, "Tune").get_by_role("button", name="Listen").click()
    control(page, "Instrument browser").get_by_role("button", name="Cello", exact=True).click()
    for title in ("Tune", "Instrument browser"):
        control(page, title).locator("audio").wait_for()
    yield types.SimpleNamespace(page=page, errors=errors, kind=request.param)
    drive.leave(page)
    if request.param == "lab":
        drive.end_kernels(server)


@pytest.fixture(params=WIDTHS)
def width(there, request):
    there.page.set_viewport_size({"width": request.param, "height": 1000})
    there.page.wait_for_timeout(300)  # for what is drawn anew
    for title in everything.TITLES:
        control(there.page, title).scroll_into_view_if_needed()
        drive.screenshot(there.page, f"narrow_{there.kind}_{request.param}_{title}")
    return request.param


def test_nothing_is_cut_off_sticks_out_or_scrolls(there, width):
    assert there.page.evaluate(FAULTS) == []
    for title in everything.TITLES:
        box = control(there.page, title).bounding_box()
        assert box["x"] >= 0, title
        assert box["x"] + box["width"] <= width, title


def test_ticks_do_not_collide(there, width):
    for title in ("Timeline", "Player"):
        places = control(there.page, title).evaluate(TICKS)
        assert len(places) > 1 or (title == "Player" and width == WIDTHS[0])
        for (_, right), (left, _) in itertools.pairwise(places):
            assert left - right >= 4, title


def test_a_narrow_picture_is_put_together_anew(there, width):
    player = control(there.page, "Player")
    folded = player.locator(".gansynth-folded")
    assert folded.is_visible() == (width < WIDTHS[0])
    assert player.locator("img:visible").count() == (width == WIDTHS[0])
    if folded.is_visible():
        assert folded.get_attribute("aria-label") == "CQT of original"
        axes = player.get_by_role("slider", name="position").bounding_box()
        drawn = folded.locator(".gansynth-cut").nth(1).bounding_box()
        assert axes["x"] == pytest.approx(drawn["x"], abs=1)
        assert axes["width"] == pytest.approx(drawn["width"], abs=1)
        assert axes["height"] > 150


def test_the_browser_has_pages(there, width):
    browser = control(there.page, "Instrument browser")
    columns = browser.locator(".gansynth-grid").evaluate(
        "grid => getComputedStyle(grid).gridTemplateColumns.split(' ').length"
    )
    of = len(everything.NAMES) + everything.MORE
    browser.get_by_text(f"1 to {min(8 * columns, of)} of {of}").wait_for()
    browser.get_by_role("button", name="Next instruments").click()
    browser.get_by_text(f"{8 * columns + 1} to {min(16 * columns, of)} of {of}").wait_for()
    browser.get_by_role("button", name="Previous instruments").click()


def test_nothing_went_wrong(there):
    assert there.errors == []
