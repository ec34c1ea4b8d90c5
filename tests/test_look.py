"""tools/look.py without a browser: how pictures are put together, listed and judged. tests/browser has one with."""

import drive
import look
import pytest
from look import Look
from PIL import Image


@pytest.mark.parametrize(
    ("height", "window", "expected"),
    [
        (100, 400, [0]),
        (400, 400, [0]),
        (401, 400, [0, 1]),
        (800, 400, [0, 400]),
        (1000, 400, [0, 400, 600]),
    ],
)
def test_offsets_show_all_of_a_page_and_nothing_behind_it(height, window, expected):
    assert look.offsets(height, window) == expected
    assert expected[-1] + window >= height


def test_a_tall_picture_is_whole_and_in_order():
    page = Image.new("RGB", (3, 10))
    for y in range(10):
        page.paste((25 * y, 0, 0), (0, y, 3, y + 1))
    slices = [(top, page.crop((0, top, 3, top + 4))) for top in look.offsets(10, 4)]
    assert look.stitched(slices, 10).tobytes() == page.tobytes()


def test_a_picture_is_cut_at_the_end_of_a_short_page():
    assert look.stitched([(0, Image.new("RGB", (3, 40)))], 7).size == (3, 7)


def test_pictures_are_named_after_page_width_and_theme(tmp_path):
    seen = Look("06_compare_lab")
    seen.save(Image.new("RGB", (2, 2)), "390 dark", tmp_path)
    assert seen.pictures == {"06_compare_lab_390-dark.png": "390 dark"}
    assert (tmp_path / "06_compare_lab_390-dark.png").exists()


def test_the_index_has_every_picture_and_every_error():
    seen = [Look("a", {"a_1.png": "1280 light", "a_2.png": "390 dark"}), Look("b", {}, ["<b>broken</b>"])]
    written = look.index(seen)
    assert written.count("<img") == 2
    assert 'href="a_2.png"' in written
    assert "&lt;b&gt;broken&lt;/b&gt;" in written


@pytest.fixture
def pages(monkeypatch):
    """What is seen, in place of a browser."""
    monkeypatch.setattr(drive, "missing", lambda *packages: None)
    return lambda *looks: monkeypatch.setattr(look, "look_at", lambda paths, output: iter(looks))


def test_an_error_of_a_page_is_said_and_is_the_exit_status(pages, tmp_path, capsys):
    pages(Look("good"), Look("bad", {}, ["a cell failed:\nZeroDivisionError"]))
    assert look.main(["--output", str(tmp_path / "look")]) == 1
    printed = capsys.readouterr()
    assert "bad: a cell failed:\nZeroDivisionError" in printed.err
    assert "good" in printed.out
    assert "good" in (tmp_path / "look" / "index.html").read_text("utf-8")
    pages(Look("good"))
    assert look.main(["--output", str(tmp_path / "look")]) == 0


def test_without_a_browser_there_is_one_sentence(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(drive, "CHROMIUM", None)
    assert look.main(["--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"Cannot take screenshots: {drive.NO_CHROMIUM}.\n"


@pytest.mark.parametrize("name", ["missing.ipynb", "notes.txt"])
def test_a_file_that_is_no_page_is_refused(name, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SystemExit):
        look.main([str(tmp_path / name)])
    assert "is not an existing notebook or HTML page" in capsys.readouterr().err
