"""Drive notebooks in a real browser: start servers, open and run notebooks, wait for them, take screenshots.

Used by `tools/look.py` and the tests in tests/browser; see conftest.py there.
"""

import contextlib
import functools
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import psutil

ROOT = Path(__file__).resolve().parents[1]
NO_CHROMIUM = "no Chromium was found (apt-get install chromium, or have google-chrome on the path)"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
]
PARTS = (
    "helpers",
    "notebooks",
    "data/midi",
    "data/checkpoints/demo",
    "data/embeddings",
    "data/recordings",
    "data/styles",
)  # parts of the repository that notebooks need
THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}

# Settings of JupyterLab: no questions or news at the start, and all cells are rendered even if they are out of view.
DISABLED = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
NOTEBOOK = "@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
SETTINGS = {"windowingMode": "none", "autoStartDefaultKernel": True}

START_SECONDS = 60  # until a server must answer
STOP_SECONDS = 10  # until a terminated server is killed
CELL_SECONDS = 180  # for all cells of a notebook
PATIENCE = 30_000  # ms until an element must appear, unless a test sets its own limit
WINDOW = {"width": 1280, "height": 1000}  # pixels
# On the page, only the text distinguishes errors of cells from other output to stderr.
ERROR = re.compile(r"Traceback \(most recent call last\)|Cell In\[\d+\], line \d+")
SHOWN_OUTPUT = 3000  # characters of a server's output in an error message


def missing(*packages):
    """A sentence that says what is missing to run a browser with these packages; None if nothing is."""
    if CHROMIUM is None:
        return NO_CHROMIUM
    for package in ("playwright", *packages):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed (requirements-dev.txt)"
    return None


@contextlib.contextmanager
def chromium(*flags):
    """A headless browser with FLAGS and the given flags, inside a `with` block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        yield browser
        browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    """A file server without a log."""

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def files(folder):
    """Serve the files of a folder, inside a `with` block; gives the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def copy(folder):
    """Copy the parts that notebooks need into a folder, so that their output stays out of the repository."""
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)


def environment(home):
    """Environment variables for servers: few threads, inline plots, and settings in `home` instead of the user's."""
    left_out = ("GANSYNTH_DATA", "PYTHONPATH", "MPLBACKEND")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTER") and key not in left_out}
    folders = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "IPYTHONDIR": home / "ipython",
        "XDG_CACHE_HOME": home / "cache",
    }
    _write(folders["JUPYTER_CONFIG_DIR"] / "labconfig" / "page_config.json", DISABLED)
    _write(folders["JUPYTER_CONFIG_DIR"] / "lab" / "user-settings" / NOTEBOOK, SETTINGS)
    own = {"JUPYTER_PREFER_ENV_PATH": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}  # python3 must be this interpreter
    return kept | THREADS | own | {key: str(folder) for key, folder in folders.items()}


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def lab(folder, environment):
    """A Server that runs JupyterLab in a folder. In its pages, `window.jupyterapp` is the application."""
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--IdentityProvider.token="]
    for setting in ("ip=127.0.0.1", "port={port}", "port_retries=0", "disable_check_xsrf=True", "root_dir=."):
        command.append(f"--ServerApp.{setting}")
    return Server([*command, "--LabApp.expose_app_in_browser=True"], folder, environment)


def voila(folder, environment):
    """A Server that runs Voilà in a folder."""
    command = [sys.executable, "-m", "voila", ".", "--no-browser", "--show_tracebacks=True"]
    # With the XSRF check, Voilà would refuse the request of a closed page to end its kernel.
    for setting in ("ip=127.0.0.1", "port={port}", "port_retries=0", "tornado_settings=disable_check_xsrf=True"):
        command.append(f"--Voila.{setting}")
    return Server(command, folder, environment)


def classroom(folder, environment, notebook, places):
    """A Server that runs the app for a class with a notebook in a folder."""
    command = [sys.executable, "-m", "helpers.classroom", notebook, f"--places={places}", "--ip=127.0.0.1"]
    return Server([*command, "--port={port}", "--Voila.port_retries=0"], folder, environment)


class Server:
    """A program that serves web pages on a free port, for the duration of a `with` block.

    Args:
      command: the command line; "{port}" is replaced by the port.
      folder: working directory.
      environment: environment variables.
    """

    def __init__(self, command, folder, environment):
        self.command, self.folder, self.environment = command, folder, environment

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = tempfile.NamedTemporaryFile()
        command = [word.format(port=port) for word in self.command]
        streams = {"stdin": subprocess.DEVNULL, "stdout": self._log, "stderr": subprocess.STDOUT}
        self._process = subprocess.Popen(command, cwd=self.folder, env=self.environment, **streams)
        try:
            self._wait_for(port)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_):
        self._stop()

    @property
    def output(self):
        """The end of the server's output."""
        return Path(self._log.name).read_text("utf-8", "replace")[-SHOWN_OUTPUT:]

    def _wait_for(self, port):
        limit = time.monotonic() + START_SECONDS
        while time.monotonic() < limit:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended with {self._process.returncode}:\n{self.output}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.1)
        raise RuntimeError(f"the server did not answer within {START_SECONDS} s:\n{self.output}")

    def _stop(self):
        """Terminate the server; kill it and its kernels, which have their own process groups, if they do not end."""
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children(recursive=True)]
            self._process.terminate()
            _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
            for process in alive:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.wait()
        self._log.close()


def leave(page):
    """Close a window. Voilà ends the kernel when its page is left; for JupyterLab use `end_kernels`."""
    if "/voila/" in page.url:
        page.goto("about:blank")
    page.context.close()


def end_kernels(lab):
    """End all kernels of a JupyterLab."""
    with urllib.request.urlopen(f"{lab.url}/api/sessions", timeout=10) as answer:
        sessions = json.load(answer)
    for session in sessions:
        request = urllib.request.Request(f"{lab.url}/api/sessions/{session['id']}", method="DELETE")
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=10).close()


def write(checkout, name, *cells):
    """Write a notebook with these code cells. Returns its path, relative to the checkout."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    path = Path("scratch") / f"{name}.ipynb"
    (checkout / path).parent.mkdir(exist_ok=True)
    nbformat.write(notebook, checkout / path)
    return path.as_posix()


def open_lab(page, lab, notebook):
    """Open a notebook (path relative to the checkout) in a new JupyterLab workspace, and wait for its kernel."""
    page.goto(f"{lab.url}/lab/workspaces/{uuid.uuid4().hex}/tree/{notebook}", wait_until="domcontentloaded")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=START_SECONDS * 1000)
    status = page.locator("#jp-main-statusbar").get_by_text(re.compile(r"^Python 3.* \| Idle$"))
    status.wait_for(timeout=START_SECONDS * 1000)


def run_all(page):
    """Run all cells, using the menu."""
    page.locator(".lm-MenuBar-item", has_text=re.compile("^Run$")).click()
    page.locator(".lm-Menu-item[data-command='runmenu:run-all']").click()


def wait_for_last_cell(page, seconds=CELL_SECONDS):
    """Wait until the last code cell in JupyterLab has run. Raises an AssertionError with the first error of a cell."""
    done = page.wait_for_function(
        """error => {
            const said = [...document.querySelectorAll(".jp-Notebook .jp-RenderedText")].map(area => area.innerText);
            const cells = [...document.querySelectorAll(".jp-Notebook .jp-CodeCell")];
            // A cell whose code is folded away has no prompt.
            const prompts = cells.map(cell => cell.querySelector(".jp-InputArea-prompt")?.innerText ?? "");
            const finished = /\\[\\d+\\]/.test(prompts.at(-1)) && !prompts.some(text => text.includes("*"));
            return said.find(text => new RegExp(error).test(text)) ?? (finished && "done");
        }""",
        arg=ERROR.pattern,
        timeout=seconds * 1000,
    ).json_value()
    assert done == "done", f"a cell failed:\n{done}"


def open_voila(page, voila, notebook, seconds=CELL_SECONDS):
    """Open a notebook in Voilà, which runs all its cells, and wait until they have run.

    Controls appear a little later. Raises an AssertionError with the first error of a cell.
    """
    page.goto(f"{voila.url}/voila/render/{notebook}", wait_until="commit", timeout=START_SECONDS * 1000)
    page.wait_for_load_state("load", timeout=seconds * 1000)
    failed = page.locator(".jp-RenderedText", has_text=ERROR)
    assert not failed.count(), f"a cell failed:\n{failed.first.inner_text()}"


def open_run(page, kind, server, notebook, seconds=CELL_SECONDS):
    """Open a notebook in JupyterLab ("lab") or in Voilà ("voila") and wait until all its cells have run."""
    if kind == "lab":
        open_lab(page, server, notebook)
        run_all(page)
        wait_for_last_cell(page, seconds)
    else:
        open_voila(page, server, notebook, seconds)


def new_page(browser):
    """A new window, and the list of its errors: exceptions of scripts, and errors in the console.

    Resources missing from Jupyter's own pages are ignored.
    """
    page, errors = browser.new_context(viewport=WINDOW).new_page(), []
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: errors.append(str(error)))

    def on_console(message):
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            errors.append(message.text)

    page.on("console", on_console)
    return page, errors


def screenshot(page, name):
    """Save a screenshot of the window. Returns its path."""
    folder = Path(os.environ.get("GANSYNTH_SCREENSHOTS") or ROOT / "outputs" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub(r'[^0-9A-Za-z_.-]+', '_', name)}.png"
    page.screenshot(path=path)
    return path
