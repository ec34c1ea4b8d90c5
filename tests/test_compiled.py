"""helpers.compiled: librosa, whose compiled functions are made by one process at a time."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import helpers
from helpers import compiled

ROOT = Path(helpers.__file__).parents[1]
SLOW_MODULE = """
import os, time
from pathlib import Path
log = Path(os.environ["LOG"])
with log.open("a") as file: file.write("in\\n")
time.sleep(0.5)
with log.open("a") as file: file.write("out\\n")
"""
LOAD = "from helpers import compiled; compiled.PARTS = ('core',); print(compiled.librosa().__name__)"


@pytest.fixture
def slow_librosa(tmp_path):
    """A package of that name that takes half a second to import, and the variables for a process that is to find it."""
    package = tmp_path / "librosa"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "core.py").write_text(SLOW_MODULE)
    log = tmp_path / "log"
    variables = {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT))), "LOG": str(log)}
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    return log, kept | variables


def start(environment):
    return subprocess.Popen([sys.executable, "-c", LOAD], env=environment, text=True, stdout=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [False, True], ids=["beside librosa", "NUMBA_CACHE_DIR"])
def test_processes_import_it_one_after_another(slow_librosa, tmp_path, chosen):
    log, environment = slow_librosa
    if chosen:
        environment["NUMBA_CACHE_DIR"] = str(tmp_path / "compiled")
    processes = [start(environment) for _ in range(3)]
    assert [process.communicate()[0] for process in processes] == ["librosa\n"] * 3
    assert log.read_text().split() == ["in", "out"] * 3
    kept_in = tmp_path / ("compiled" if chosen else "librosa/__pycache__")
    assert (kept_in / ".lock").exists()


def test_folders_that_cannot_be_written_are_passed_over(monkeypatch, tmp_path):
    barred = tmp_path / "file"
    barred.touch()  # nothing can be made in it, whoever asks
    monkeypatch.setattr(compiled, "_folders", lambda: iter((barred, tmp_path / "writable")))
    with compiled._alone():
        assert (tmp_path / "writable" / ".lock").exists()


def test_without_any_folder_it_is_imported_all_the_same(monkeypatch, tmp_path):
    barred = tmp_path / "file"
    barred.touch()
    monkeypatch.setattr(compiled, "_folders", lambda: iter((barred,)))
    compiled.librosa.cache_clear()
    assert compiled.librosa().__name__ == "librosa"


@pytest.mark.slow
def test_what_imports_librosa_does_so_here():
    others = []
    for path in [*ROOT.glob("*/*.py"), *ROOT.glob("*/*/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            others += [path for name in names if name.split(".")[0] == "librosa"]
    assert not others
