"""Notebooks as people see them: in JupyterLab and in Voilà, in a real browser that is operated by mouse and keyboard.

    import drive

    def test_something(lab, page, errors):              # or voila
        drive.open_lab(page, lab, "notebooks/00_quickstart.ipynb")
        drive.run_all(page)
        drive.wait_for_last_cell(page)                   # raises the first error of a cell
        page.get_by_role("button", name="Generate").click()
        drive.screenshot(page, "quickstart")
        assert errors == []

Fixtures:
  checkout: a copy of what notebooks need; a test may write notebooks of its own into it. Paths are relative to it.
  lab, voila: the servers, a `drive.Server` each, started when first asked for and stopped at the end of the session.
    The kernels that `page` used are ended after each test, Voilà's if the page had come up.
  browser: Chromium, one a module. Playwright's event loop runs as long as it is open, and tests of other modules want
    loops of their own; so it is never kept longer.
  page: a fresh window, wide enough for a notebook.
  errors: what the page's scripts threw, and what our own wrote to the console as an error.

Where there is no Chromium, or no Voilà, the tests are skipped. After each test a picture of the page is left in
outputs/screenshots, or in the folder that GANSYNTH_SCREENSHOTS names.
"""

import drive
import pytest


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    drive.copy(folder)
    return folder


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    return drive.environment(tmp_path_factory.mktemp("jupyter"))


@pytest.fixture(scope="session")
def lab(checkout, environment):
    _need("jupyterlab")
    with drive.lab(checkout, environment) as server:
        yield server


@pytest.fixture(scope="session")
def voila(checkout, environment):
    _need("voila")
    with drive.voila(checkout, environment) as server:
        yield server


def _need(*packages):
    if lack := drive.missing(*packages):
        pytest.skip(lack)


@pytest.fixture(scope="module")
def browser():
    _need()
    with drive.chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser, request):
    page, errors = drive.new_page(browser)
    yield page, errors
    drive.screenshot(page, request.node.name)
    drive.leave(page)
    if "lab" in request.fixturenames:
        drive.end_kernels(request.getfixturevalue("lab"))


@pytest.fixture
def page(visit):
    return visit[0]


@pytest.fixture
def errors(visit):
    return visit[1]
