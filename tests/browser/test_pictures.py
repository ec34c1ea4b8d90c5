"""tools/look.py with a browser: a page taller than a window is shown whole, and a failing cell is reported."""

import drive
import look
import pytest
from PIL import Image

RED, BLUE = (255, 0, 0), (0, 0, 255)
PAGE = '<body style="margin: 0"><div style="height: 9000px; background: red"></div>{}'
END = '<div style="height: 50px; background: blue"></div>'
CELLS = ["'first'", "from IPython.display import HTML\nHTML('<div style=\"height: 9000px; background: red\"></div>')"]
WIDTHS = (1280, 390)  # of those that `make look` has; each costs seconds
LAST = "HTML('<div style=\"height: 50px; background: blue\"></div>')"


@pytest.fixture(autouse=True)
def _few_widths(monkeypatch):
    assert set(WIDTHS) < set(look.WIDTHS)
    monkeypatch.setattr(look, "WIDTHS", WIDTHS)


def test_a_page_is_shown_down_to_its_end(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(PAGE.format(END))
    page, _ = drive.new_page(browser)
    page.goto(path.as_uri())
    look.resize(page, 390)
    picture = look.tall(page)
    drive.leave(page)
    assert picture.size == (390, 9050)
    assert [picture.getpixel((200, y)) for y in (0, 4000, 8990, 9010, 9049)] == [RED, RED, RED, BLUE, BLUE]


def test_errors_of_a_page_are_kept(browser, tmp_path):
    (tmp_path / "page.html").write_text("<p>words</p><script>console.error('said')</script>")
    seen = look.look_at_page(browser, tmp_path / "page.html", "page", tmp_path)
    assert seen.errors == ["said"]
    assert len(seen.pictures) == len(look.PAGE_WIDTHS) * len(look.THEMES)


@pytest.mark.parametrize("kind", ["lab", "voila"])
def test_a_notebook_is_shown_down_to_its_end_in_each_width_and_theme(kind, browser, request, checkout, tmp_path):
    notebook = drive.write(checkout, "tall", *CELLS, LAST)
    seen = look.look_at_notebook(browser, kind, request.getfixturevalue(kind), notebook, tmp_path)
    assert seen.errors == []
    assert len(seen.pictures) == len(look.WIDTHS) * len(look.THEMES)
    for width in look.WIDTHS:
        for theme in look.THEMES:
            picture = Image.open(tmp_path / f"tall_{kind}_{width}-{theme}.png")
            x = picture.width // 2
            column = [picture.getpixel((x, y)) for y in range(picture.height)]
            assert (column.count(RED), column.count(BLUE)) == (9000, 50)
            assert picture.height < 9000 + 1000  # no empty screen behind the last cell
            assert (sum(picture.getpixel((5, 5))) > 600) == (theme == "light")


def test_a_failing_cell_is_reported_and_yet_shown(browser, lab, checkout, tmp_path):
    notebook = drive.write(checkout, "failing", "'first'", "1 / 0")
    seen = look.look_at_notebook(browser, "lab", lab, notebook, tmp_path)
    assert "ZeroDivisionError" in seen.errors[0]
    assert len(seen.pictures) == len(look.WIDTHS) * len(look.THEMES)
