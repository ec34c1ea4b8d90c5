"""The app for a class: a place for each visitor, a sentence for who comes too late, and nothing of one with another."""

import re
import time

import drive
import pytest

pytestmark = pytest.mark.slow

SEES = (
    "import resource\nfrom pathlib import Path\nfrom helpers import runtime\nimport ipywidgets",
    "limit, _ = resource.getrlimit(resource.RLIMIT_DATA)",
    "ipywidgets.Label(f'here: {runtime.kind()}, {Path.cwd()}, {runtime.outputs()}, {limit}')",
)
HERE = re.compile(r"here: (.*), (.*), (.*), (.*)")
WRITES = "from pathlib import Path", "Path('outputs', 'mine.txt').write_text('mine')"
TAKEN = re.compile(r"^All 2 places of this app are taken. You can come in as soon as somebody closes the page")
LIMIT = 60.0  # s to wait for what must come


@pytest.fixture(scope="module", autouse=True)
def needs():
    if lack := drive.missing("voila"):
        pytest.skip(lack)


def app(checkout, environment, name, *cells, places=2):
    notebook = drive.write(checkout, name, "import sys, os\nsys.path.insert(0, os.getcwd())", *cells)
    return drive.classroom(checkout, environment, notebook, places)


def visitor(browser, server):
    page, _ = drive.new_page(browser)
    page.goto(server.url, timeout=LIMIT * 1000)
    return page


def seen(page):
    label = page.get_by_text(HERE)
    label.wait_for(timeout=LIMIT * 1000)
    return HERE.search(label.inner_text()).groups()


def wait_for(condition):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def leave(page):
    page.goto("about:blank")
    page.context.close()


def test_who_comes_too_late_is_told_so_and_comes_in_when_somebody_leaves(browser, checkout, environment):
    with app(checkout, environment, "places", *SEES) as server:
        wait_for(lambda: "2 of 2 places warm" in server.output)
        assert "encryption" not in server.output  # what a teacher can do nothing about
        assert "not trusted" not in server.output
        pages = [visitor(browser, server) for _ in range(2)]
        kinds, folders, outputs, limits = zip(*map(seen, pages), strict=True)
        assert set(kinds) == {"Voilà"}, "else its visitors could fetch scores from the web"
        assert len(set(folders)) == 2, "each visitor has a folder"
        assert outputs == tuple(f"{folder}/outputs" for folder in folders)
        assert set(limits) == {str(4 << 30)}
        late, _ = drive.new_page(browser)
        answer = late.goto(server.url)
        assert (answer.status, answer.headers["retry-after"]) == (503, "15")
        late.get_by_text(TAKEN).wait_for()
        assert "Traceback" not in late.content()
        leave(pages[0])
        assert seen(late)[1] not in folders[1:]  # it comes in by itself
        another = visitor(browser, server)
        another.get_by_text(TAKEN).wait_for()
        assert seen(pages[1])[1] == folders[1], "who stays keeps the place"


def test_a_theme_in_the_address_needs_a_place_as_well(browser, checkout, environment):
    with app(checkout, environment, "theme", *SEES, places=1) as server:
        page, _ = drive.new_page(browser)
        page.goto(f"{server.url}/?theme=dark&template=base", timeout=LIMIT * 1000)
        seen(page)
        other, _ = drive.new_page(browser)
        assert other.goto(f"{server.url}/?theme=dark").status == 503


def test_what_a_visitor_made_is_kept_and_an_empty_folder_is_not(checkout, environment):
    for name, cells in (("made", WRITES), ("empty", WRITES[:1])):
        with app(checkout, environment, name, *cells, places=1) as server:
            wait_for(lambda there=server: "1 of 1 place warm" in there.output)
        left = sorted(
            path.relative_to(checkout / "outputs" / "class").parts for path in (checkout / "outputs").rglob("*.txt")
        )
        assert [parts[1:] for parts in left] == [("outputs", "mine.txt")]
    [folder] = (checkout / "outputs" / "class").iterdir()
    assert [path.name for path in folder.iterdir()] == ["outputs"]
