"""Where files are, in a clone and when the package is installed."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from inputs import DATA

from helpers import folders

REPO = Path(__file__).parents[1]
PARTS = ("helpers", "data/midi", "data/checkpoints/demo", "data/embeddings", "data/recordings", "data/styles")


def test_in_a_clone_everything_is_in_it(monkeypatch):
    monkeypatch.delenv("GANSYNTH_DATA", raising=False)
    assert not folders.INSTALLED
    assert folders.ROOT == REPO
    assert folders.data() == folders.BUNDLED == REPO / "data"


def test_the_environment_names_another_folder_for_downloads(monkeypatch, tmp_path):
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path))
    assert folders.data() == tmp_path
    monkeypatch.setenv("GANSYNTH_DATA", "~/sounds")
    assert folders.data() == Path.home() / "sounds"


def test_when_installed_downloads_go_to_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("GANSYNTH_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))  # of Linux; what other systems have is platformdirs' to know
    monkeypatch.setattr(folders, "INSTALLED", True)
    assert folders.data().name == "gansynth-suite"
    if sys.platform == "linux":
        assert folders.data() == tmp_path / "gansynth-suite"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what `pip install .` would install, without what it depends on."""
    folder = tmp_path_factory.mktemp("installed")
    sources = tmp_path_factory.mktemp("sources")  # setuptools leaves a build folder
    for part in PARTS:
        shutil.copytree(REPO / part, sources / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", *(path.name for path in REPO.glob("requirements*.txt"))):
        shutil.copy(REPO / name, sources)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "-w", folder, sources], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.slow
def test_the_wheel_has_every_module_and_all_that_they_read(installed):
    for part in PARTS:
        for file in (REPO / part).rglob("*"):
            if file.is_file() and file.suffix != ".pyc":
                inside = file.relative_to(REPO) if part == "helpers" else Path("helpers") / file.relative_to(REPO)
                assert (installed / inside).read_bytes() == file.read_bytes()
    [names] = installed.glob("*.dist-info/entry_points.txt")
    assert {line.split(" = ")[0] for line in names.read_text().splitlines() if " = " in line} == {
        "gansynth_generate",
        "gansynth_train",
        "gansynth_evaluate",
        "gansynth_export",
        "gansynth_match",
        "gansynth_dataset",
    }


@pytest.mark.slow
def test_the_installed_command_plays_a_score_in_any_folder(installed, tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(installed)!r})\n"
        "from helpers import folders, generate\n"
        "assert folders.INSTALLED, folders.PACKAGE\n"
        "sys.exit(generate.main())"
    )
    flags = ["--checkpoint", "demo", "--midi_file", DATA / "midi" / "small.mid", "--output_dir", "out"]
    command = [sys.executable, "-I", "-c", code, *map(str, flags)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".wav", ".json"}
