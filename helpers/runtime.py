"""Detect where a notebook runs (Colab, Jupyter, Voilà or plain Python) and where its results go.

    runtime.here()                           # at the end of the first cell of every notebook
    runtime.download("outputs/report.html")  # to your own computer

This module is used before anything is installed, so it imports only the standard library.

Notebook: 01_setup.
"""

from __future__ import annotations

import base64
import html
import importlib
import importlib.metadata
import mimetypes
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .files import as_path
from .folders import PACKAGE, ROOT

REQUIREMENTS = PACKAGE.parent / "requirements.txt"  # in a clone; for an installed package, pip has installed them

COLAB, VOILA, JUPYTER, PLAIN = "Colab", "Voilà", "a Jupyter notebook", "plain Python"

DRIVE = Path("/content/drive/MyDrive")  # where Colab mounts a Google Drive
DRIVE_FOLDER = "gansynth-suite"  # the folder for results in it

# Packages that Colab has in mutually compatible versions, which must not be replaced; JupyterLab is not needed there.
COLABS_OWN = ("tensorflow", "numpy", "protobuf", "ipywidgets", "jupyterlab")
ALSO_CALLED = {"tensorflow": ("tensorflow-cpu",)}  # distributions with the same modules

# A package with a version according to PEP 440, including local builds such as 2.6.0+cu124.
PINNED = re.compile(r"[A-Za-z0-9._-]+==\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9.]+)?")

GPU_SECONDS = 20  # timeout for nvidia-smi
MAX_LINKED_BYTES = 50_000_000  # a link contains the whole file and is saved in the notebook


def kind() -> str:
    """The environment: `COLAB`, `VOILA`, `JUPYTER` or `PLAIN`."""
    if "google.colab" in sys.modules:
        return COLAB
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila") or "VOILA_APP_PORT" in os.environ:  # preheated kernel
        return VOILA
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return JUPYTER if hasattr(shell, "kernel") else PLAIN


def here() -> None:
    """Print the environment, the hardware and the folder for results. In Colab, first install missing packages.

    Raises:
        RuntimeError: a package could not be installed.
    """
    lacking = missing()
    if kind() == COLAB:
        _install([line for line in lacking if _name(line) not in COLABS_OWN])
    elif lacking := [_name(line) for line in lacking if ";" not in line]:  # others are only for certain platforms
        command = f"{sys.executable} -m pip install -e ."
        print(f"Not installed: {', '.join(lacking)}. In a terminal, in this folder, run: {command}")
    version = _version("tensorflow")
    tensorflow = f"TensorFlow {version}" if version else "no TensorFlow"
    print(f"Running in {kind()} with Python {platform.python_version()} and {tensorflow}.")
    print(_hardware())
    print(_settle()[1])


# ---- Installed packages ----------------------------------------------------------------------------------------------


def missing(requirements: Path = REQUIREMENTS) -> list[str]:
    """The lines of `requirements` whose package is not installed in any version; none if the file does not exist."""
    if not requirements.exists():
        return []
    lines = (line.split("#")[0].strip() for line in requirements.read_text("utf-8").splitlines())
    return [line for line in lines if line and _version(_name(line)) is None]


def _name(line: str) -> str:
    """The name of the package in a line of requirements.txt."""
    return re.split(r"[^\w.-]", line, maxsplit=1)[0]


def _version(package: str) -> str | None:
    for name in (package, *ALSO_CALLED.get(package, ())):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return None


def _install(lines: list[str]) -> None:
    """Install packages without changing any installed one."""
    if not lines:
        return
    names = ", ".join(map(_name, lines))
    print(f"Installing {names} ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, "constraints.txt")
        kept.write_text("".join(f"{line}\n" for line in _installed()), "utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*command, "--constraint", str(kept), *lines], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip could not install {names}; run this cell again. Error: {done.stderr.strip()[-500:]}")
    importlib.invalidate_caches()


def _installed() -> list[str]:
    """All installed packages with their versions, as constraints for pip."""
    versions: dict[str, str] = {}
    for found in importlib.metadata.distributions():  # in the order of sys.path
        versions.setdefault(found.metadata["Name"], found.version)
    lines = [f"{name}=={version}" for name, version in versions.items()]
    return sorted(line for line in lines if PINNED.fullmatch(line))  # pip would fail on a line that it cannot parse


# ---- Hardware --------------------------------------------------------------------------------------------------------


def gpus() -> list[str]:
    """The names of the NVIDIA GPUs that this process may use."""
    program = shutil.which("nvidia-smi")
    if program is None or os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1"):
        return []
    command = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GPU_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def _hardware() -> str:
    names = " and ".join(gpus())
    if names and kind() == COLAB:
        return f"The GPU does the work: {names}."
    if names:
        return f"There is a GPU ({names}), which TensorFlow uses if it finds NVIDIA's libraries."
    offer = " Runtime > Change runtime type offers a GPU." if kind() == COLAB else ""
    return f"No GPU: the CPU does the work, several times slower for a published model than for the bundled one.{offer}"


# ---- Files -----------------------------------------------------------------------------------------------------------


def outputs() -> Path:
    """The folder for results, created if needed: `outputs` in the repository or, if installed, in the current folder.

    In Colab with Google Drive mounted, it is a link to a folder in the Drive, so that results are kept after the
    session, unless `outputs` already has files.

    Raises:
        FileNotFoundError: `outputs` is a link to a folder that does not exist.
    """
    return _settle()[0]


def _settle() -> tuple[Path, str]:
    """The folder `outputs`, linked to Google Drive if possible, and a sentence about it."""
    folder, kept = ROOT / "outputs", DRIVE / DRIVE_FOLDER
    why = "mount Google Drive and run this cell again to keep new ones"
    if kind() == COLAB and DRIVE.is_dir() and DRIVE not in ROOT.parents:
        try:
            _link(folder, kept)
            return folder, f"Results go to outputs/, which is the folder {DRIVE_FOLDER} of your Google Drive."
        except OSError as error:
            why = str(error)
    elif _links_to(folder, kept) and not kept.exists():  # our own link to a Drive that is no longer mounted
        folder.unlink()
    if folder.is_symlink() and not folder.exists():
        raise FileNotFoundError(f"{folder} is a link to {os.readlink(folder)}, which is missing: mount or remove it.")
    folder.mkdir(exist_ok=True)
    lost = kind() == COLAB and DRIVE not in ROOT.parents
    return folder, f"Results go to {folder}{f', and are lost after this session: {why}' if lost else ''}."


def _links_to(folder: Path, kept: Path) -> bool:
    return folder.is_symlink() and Path(os.readlink(folder)) == kept


def _link(folder: Path, kept: Path) -> None:
    """Make `folder` a link to `kept`. Raises an OSError and changes nothing if files could be lost."""
    kept.mkdir(exist_ok=True)
    if _links_to(folder, kept):
        return
    if folder.is_symlink():
        raise OSError(f"{folder} is already a link, so it was not linked to your Google Drive")
    if folder.exists():
        about = folder / "README.md"  # part of the repository
        if any(path != about for path in folder.iterdir()):
            raise OSError(f"{folder} already has files, so it was not linked to your Google Drive; move them first")
        if about.exists():
            shutil.move(about, kept / about.name)
        folder.rmdir()  # fails if a file was added meanwhile
    folder.symlink_to(kept, target_is_directory=True)


def link(path: str | os.PathLike) -> str:
    """HTML of a link that downloads a file. The file is embedded in the link, so it works wherever the page is shown.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is too large.
    """
    path = _file(path)
    size = path.stat().st_size
    if size > MAX_LINKED_BYTES:
        raise ValueError(f"{path} has {size / 1e6:.0f} MB; a link can contain {MAX_LINKED_BYTES / 1e6:.0f} MB.")
    media = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    name = html.escape(path.name)
    return f'<a download="{name}" href="data:{media};base64,{data}">Download {name} ({size / 1e6:.1f} MB)</a>'


def download(path: str | os.PathLike) -> None:
    """Download a file to the user's computer: directly in Colab, by a link in other notebooks.

    In plain Python, or if the file is too large for a link, its path is printed instead.

    Raises:
        FileNotFoundError: there is no such file.
    """
    path = _file(path)
    if kind() == COLAB:
        from google.colab import files

        files.download(str(path))
    elif kind() == PLAIN or path.stat().st_size > MAX_LINKED_BYTES:
        print(path.resolve())
    else:
        from IPython.display import HTML, display

        display(HTML(link(path)))


def _file(path: str | os.PathLike) -> Path:
    path = as_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}; first run the cell that writes it.")
    return path
