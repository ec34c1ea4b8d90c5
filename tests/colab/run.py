"""Run the notebooks as Colab would: on its versions of everything, from an empty folder.

    PYTHONPATH=tools:. python tests/colab/run.py [NOTEBOOK…]

The Python must be that of an environment made from pins.txt; `make test-colab` makes one. See README.md.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbformat
import stamp_notebooks
from execute import execute
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PUBLISHED = (
    "https://github.com/someone/gansynth-suite"  # in place of the configured address, which may have no owner yet
)
SETUP_SECONDS = 60  # the longest the setup cell may take the first time
THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
QUIET = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # the debugger of ipykernel 6 warns of Python 3.13 otherwise
SHIPPED = Path(sys.prefix) / "shipped.json"  # what there was before our setup cell ran for the first time


def pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def packages() -> dict[str, str]:
    """What is installed, with versions."""
    return {row["name"]: row["version"] for row in json.loads(pip("list", "--format", "json"))}


def plain(name: str) -> str:
    """A package's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def published() -> set[str]:
    """The names of all packages that Colab has."""
    lines = (HERE / "pip-freeze.txt").read_text("utf-8").splitlines()
    return {plain(re.match(r"[\w.-]+", line).group()) for line in lines if not line.startswith("#")}


def unpinned(pins: Path = HERE / "pins.txt") -> list[str]:
    """The lines of pins.txt that this environment does not fulfil."""

    def fulfilled(line):
        name, wanted = line.split("==")
        try:
            return version(name) == wanted
        except PackageNotFoundError:
            return False

    return [line for line in pins.read_text("utf-8").split() if not fulfilled(line)]


def as_shipped() -> dict[str, str]:
    """Take away what an earlier run installed. Returns what is left."""
    if not SHIPPED.exists():
        SHIPPED.write_text(json.dumps(packages()), "utf-8")
    shipped = json.loads(SHIPPED.read_text("utf-8"))
    if ours := sorted(set(packages()) - set(shipped)):
        pip("uninstall", "--yes", "--quiet", *ours)
    return shipped


def publish(folder: Path) -> str:
    """Commit this working tree, changes and new files included, to a repository of its own. Returns its address."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git = ["git", "-C", str(folder), "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--no-verify", "-m", "the working tree"]):
        subprocess.run([*git, *command], check=True)
    return folder.as_uri()


def environment(work: Path, address: str) -> dict[str, str]:
    """The kernel's variables: google.colab, `address` behind PUBLISHED, and no way back into this checkout."""
    left_out = ("GANSYNTH_DATA", "PYTHONPATH", "MPLBACKEND")
    kept = {key: value for key, value in os.environ.items() if key not in left_out}
    git = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{address}.insteadOf", "GIT_CONFIG_VALUE_0": PUBLISHED}
    return kept | THREADS | QUIET | git | {"PYTHONPATH": str(HERE / "stub"), "XDG_CACHE_HOME": str(work / "cache")}


def run(notebook: nbformat.NotebookNode, content: Path, variables: dict[str, str]) -> tuple[float, str]:
    """Execute a notebook with `content` in place of /content. Returns its seconds and what its first cell printed."""
    configured = stamp_notebooks.configured((ROOT / "pyproject.toml").read_text("utf-8"))
    for cell in notebook.cells:
        cell.source = cell.source.replace("/content", str(content)).replace(configured, PUBLISHED)
    began = time.monotonic()
    execute(notebook, content, variables)
    seconds = time.monotonic() - began
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    return seconds, "".join(output.get("text", "") for output in first.outputs)


def main(names: list[str]) -> int:
    paths = [Path(name) for name in names] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    if wrong := unpinned():
        print(f"This is not the environment of pins.txt, but for: {', '.join(wrong)}.", file=sys.stderr)
        return 1
    failures = []
    shipped = as_shipped()
    with tempfile.TemporaryDirectory() as work:
        content = Path(work) / "content"
        content.mkdir()
        variables = environment(Path(work), publish(Path(work) / "repository"))
        setup = nbformat.read(paths[0], as_version=4)
        setup.cells = [next(cell for cell in setup.cells if cell.cell_type == "code")]

        seconds, said = run(copy.deepcopy(setup), content, variables)
        print(f"{said}\n{'setup cell':<20}{seconds:6.1f} s", flush=True)
        if seconds > SETUP_SECONDS:
            failures.append(f"the setup cell took {seconds:.0f} s")
        new = sorted(set(packages()) - set(shipped))
        print(f"{'':<20}installed {', '.join(new)}")
        failures += [f"pins.txt lacks {name}, which Colab has" for name in new if plain(name) in published()]
        seconds, said = run(setup, content, variables)
        print(f"{'the second time':<20}{seconds:6.1f} s", flush=True)
        if "Installing" in said:
            failures.append("the setup cell installs something the second time")

        for path in paths:
            try:
                seconds, _ = run(nbformat.read(path, as_version=4), content, variables)
                print(f"{path.stem:<20}{seconds:6.1f} s", flush=True)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                print(f"{path.stem:<20}failed: {error}", flush=True)
                failures.append(path.stem)
        now = packages()
        failures += [f"{name} {was} became {now.get(name)}" for name, was in shipped.items() if now.get(name) != was]
    print("Failed: " + "; ".join(failures) if failures else f"All is well: none of {len(shipped)} packages changed.")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
