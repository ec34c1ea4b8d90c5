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

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import drive
import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
]
THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}

# JupyterLab's own settings: nothing that it asks or tells at the start, and all cells on the page, out of sight or not.
DISABLED = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
NOTEBOOK = "@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
SETTINGS = {"windowingMode": "none", "autoStartDefaultKernel": True}


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    for part in ("helpers", "notebooks", "data/midi", "data/checkpoints/demo"):
        ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    return folder


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """The servers' variables: few threads, pictures inline, and nothing of this user's settings."""
    left_out = ("GANSYNTH_DATA", "PYTHONPATH", "MPLBACKEND")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTER") and key not in left_out}
    home = tmp_path_factory.mktemp("jupyter")
    folders = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "IPYTHONDIR": home / "ipython",
        "XDG_CACHE_HOME": home / "cache",
    }
    _write(folders["JUPYTER_CONFIG_DIR"] / "labconfig" / "page_config.json", DISABLED)
    _write(folders["JUPYTER_CONFIG_DIR"] / "lab" / "user-settings" / NOTEBOOK, SETTINGS)
    own = {"JUPYTER_PREFER_ENV_PATH": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}  # the kernel python3 is this interpreter
    return kept | THREADS | own | {key: str(folder) for key, folder in folders.items()}


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


@pytest.fixture(scope="session")
def lab(checkout, environment):
    _need("jupyterlab")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--IdentityProvider.token="]
    for setting in ("ip=127.0.0.1", "port={port}", "port_retries=0", "disable_check_xsrf=True", "root_dir=."):
        command.append(f"--ServerApp.{setting}")
    with drive.Server(command, checkout, environment) as server:
        yield server


@pytest.fixture(scope="session")
def voila(checkout, environment):
    _need("voila")
    command = [sys.executable, "-m", "voila", ".", "--no-browser", "--show_tracebacks=True"]
    # With the check, Voilà turns down its own page's request to end the kernel when it is left.
    for setting in ("ip=127.0.0.1", "port={port}", "port_retries=0", "tornado_settings=disable_check_xsrf=True"):
        command.append(f"--Voila.{setting}")
    with drive.Server(command, checkout, environment) as server:
        yield server


def _need(*packages):
    if CHROMIUM is None:
        pytest.skip("there is no chromium, chromium-browser or google-chrome on this machine")
    for package in ("playwright", *packages):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed (requirements-dev.txt)")


@pytest.fixture(scope="module")
def browser():
    _need()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


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
