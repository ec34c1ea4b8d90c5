"""The notebooks: each runs from top to bottom by itself, and all keep to the house's form."""

import ast
import builtins
import functools
import os
import re
import shutil
import statistics
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest
import stamp_notebooks
from drive import PARTS
from execute import execute

from helpers import runtime

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]

LONGEST_CELL, MEDIAN_CELL = 25, 8  # lines of code, blank ones left out
IMPORTS = {"helpers", "numpy", "matplotlib", *sys.stdlib_module_names}
VIEW, WIDGETS = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
RICH = {"text/html", "image/png", VIEW}  # kinds of output that are shown in place of their text
LONGEST_TEXT = 40  # lines of one output ...
WIDEST_TEXT = 120  # ... of so many characters; a longer one is shown as several

# What a reader of the executed notebook sees: pictures, players, and controls (progress bars are none).
CLICKED = ("00_quickstart", "00_report")  # nothing is typed in these, and the solutions have no code
SHOWN = {
    "00_quickstart": {"pictures": 0, "players": 0, "controls": 7},
    "00_report": {"pictures": 0, "players": 0, "controls": 13},
    "01_setup": {"pictures": 1, "players": 2, "controls": 0},
    "02_checkpoints": {"pictures": 2, "players": 1, "controls": 0},
    "03_midi": {"pictures": 3, "players": 1, "controls": 1},
    "04_generate": {"pictures": 6, "players": 6, "controls": 2},
    "05_instruments": {"pictures": 3, "players": 7, "controls": 3},
    "06_compare": {"pictures": 15, "players": 8, "controls": 1},
    "07_songs": {"pictures": 3, "players": 7, "controls": 3},
    "08_train": {"pictures": 6, "players": 5, "controls": 0},
    "09_explore": {"pictures": 4, "players": 13, "controls": 2},
    "10_take_home": {"pictures": 2, "players": 2, "controls": 1},
    "11_match": {"pictures": 5, "players": 7, "controls": 1},
    "12_measure": {"pictures": 2, "players": 0, "controls": 0},
}

# Fewer images, notes and steps are as good a test: every stage is trained, every number computed, and what is shown is
# the same. How well the whole of it works is tested elsewhere.
SHORTENED = {
    "08_train": {
        '"total_num_images": 2000': '"total_num_images": 1000',
        "deaf.global_step < 500": "deaf.global_step < 250",
    },
    "11_match": {
        'recording, bank=bank, name="My pluck")': 'recording, bank=bank, name="My pluck", stop=lambda: True)',
        "made, bank=bank, progress=False)": "made, bank=bank, progress=False, stop=lambda: True)",
    },
    "12_measure": {"len(reference), 4)": "len(reference), 8)"},
}

THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what the notebooks need, so that what they write stays out of the repository."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    shutil.copy(ROOT / "requirements.txt", folder)
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The kernel's variables: few threads, inline pictures, its own cache, and no way back into this repository."""
    left_out = ("GANSYNTH_DATA", "PYTHONPATH", "MPLBACKEND")
    kept = {key: value for key, value in os.environ.items() if key not in left_out}
    return kept | THREADS | {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}


def read(path):
    return nbformat.read(path, as_version=4)


def outputs(notebook):
    """All outputs, each with the number of its cell of code."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [(number, output) for number, cell in enumerate(cells, start=1) for output in cell.outputs]


def is_progress(model_id, state):
    """Whether a widget is a bar of tqdm's: a box of text, a bar, and text."""
    parts = [state[child.removeprefix("IPY_MODEL_")] for child in state[model_id]["state"].get("children", [])]
    return [part["model_name"] for part in parts] == ["HTMLModel", "FloatProgressModel", "HTMLModel"]


def shown(notebook):
    """How many pictures, players and controls an executed notebook shows."""
    data = [output.get("data", {}) for _, output in outputs(notebook)]
    state = notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {})
    views = [item[VIEW]["model_id"] for item in data if VIEW in item]
    return {
        "pictures": sum("image/png" in item or "<img" in item.get("text/html", "") for item in data),
        "players": sum("<audio" in item.get("text/html", "") for item in data),
        "controls": sum(not is_progress(model_id, state) for model_id in views),
    }


def faults(notebook):
    """What no output may have: a word on stderr, or more lines of text than anybody reads."""
    for number, output in outputs(notebook):
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        if output.get("name") == "stderr" and text.strip():
            yield f"cell {number} writes to stderr: {text[:300]}"
        height = sum(max(1, -(-len(line) // WIDEST_TEXT)) for line in text.splitlines())
        if height > LONGEST_TEXT and not output.get("data", {}).keys() & RICH:
            yield f"cell {number} shows {height} lines of text"


def shorten(notebook, number, smaller):
    """Replace a number in the one cell that has it."""
    [cell] = [cell for cell in notebook.cells if cell.cell_type == "code" and number in cell.source]
    cell.source = cell.source.replace(number, smaller)


def code_of(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def solutions(notebook):
    """The code of the folded solutions to the exercises."""
    return re.findall(r"<details>.*?```python\n(.*?)\n```.*?</details>", exercises(notebook), re.S)


def exercises(notebook):
    return next(cell.source for cell in notebook.cells if cell.source.startswith("## Try next"))


def names(source):
    """The names that code makes or changes, and those that it uses."""
    made, used = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            made.update(name.id for name in ast.walk(node.value) if isinstance(name, ast.Name))
        elif isinstance(node, ast.Expr) and isinstance(getattr(node.value, "func", None), ast.Attribute):
            made.update(name.id for name in ast.walk(node.value.func) if isinstance(name, ast.Name))  # history.append()
    return made, used


def lines(source):
    return [line for line in source.splitlines() if line.strip()]


def imported(source):
    """The top-level packages that a cell imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


@functools.cache
def taught():
    """Public docstrings in helpers, each with the notebooks that it names after "Notebook:"."""
    found = []
    for path in sorted((ROOT / "helpers").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                for mention in re.findall(r"Notebook:(.*?)(?:\n\n|\Z)", ast.get_docstring(node) or "", re.S):
                    where = f"{path.name}: {getattr(node, 'name', 'module')}"
                    found.append((where, re.findall(r"\b\d\d_[a-z_]+", mention)))
    return found


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 6


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_notebook_runs(name, checkout, environment):
    """The notebook, and then the solutions to its exercises."""
    notebook = read(checkout / "notebooks" / f"{name}.ipynb")
    answers = [nbformat.v4.new_code_cell(source) for source in solutions(notebook)]
    notebook.cells += answers
    for number, smaller in SHORTENED.get(name, {}).items():
        shorten(notebook, number, smaller)
    execute(notebook, checkout / "notebooks", environment)  # raises the first error of a cell
    assert not list(faults(notebook))
    assert [answer.source for answer in answers if not answer.outputs] == []
    del notebook.cells[len(notebook.cells) - len(answers) :]
    found = shown(notebook)
    assert found == SHOWN.get(name), f"{name} shows {found}"


def test_every_notebook_says_what_it_shows():
    assert list(SHOWN) == NAMES


class TestCounting:
    """What is counted in an executed notebook."""

    def notebook(self, *outputs, state=None):
        cell = nbformat.v4.new_code_cell("")
        cell.outputs = list(outputs)
        return nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {WIDGETS: {"state": state or {}}}})

    def display(self, **data):
        return nbformat.v4.new_output("display_data", {key.replace("_", "/"): value for key, value in data.items()})

    def stream(self, name, text):
        return nbformat.v4.new_output("stream", name=name, text=text)

    def test_pictures_and_players(self):
        picture, player = self.display(image_png="iVBOR"), self.display(text_html="<audio controls>")
        words = self.display(text_html="<b>words</b>", text_plain="words")
        notebook = self.notebook(picture, player, player, words)
        assert shown(notebook) == {"pictures": 1, "players": 2, "controls": 0}

    def test_controls_are_counted_and_progress_bars_are_not(self):
        def model(name, *children):
            return {"model_name": name, "state": {"children": [f"IPY_MODEL_{child}" for child in children]}}

        state = {"text": model("HTMLModel"), "bar": model("FloatProgressModel"), "button": model("ButtonModel")}
        state |= {"tqdm": model("HBoxModel", "text", "bar", "text"), "box": model("VBoxModel", "text", "bar", "button")}
        views = [nbformat.v4.new_output("display_data", {VIEW: {"model_id": name}}) for name in ("tqdm", "box")]
        assert shown(self.notebook(*views, state=state))["controls"] == 1

    def test_stderr_and_long_texts_are_faults(self):
        harmless = self.stream("stdout", "a\n" * LONGEST_TEXT), self.stream("stderr", "\n")
        assert list(faults(self.notebook(*harmless))) == []
        noise, wall = self.stream("stderr", "WARNING"), self.stream("stdout", "a\n" * (LONGEST_TEXT + 1))
        long_value = self.display(text_plain="Note() " * 1000)
        found = list(faults(self.notebook(noise, wall, long_value)))
        assert found == [
            "cell 1 writes to stderr: WARNING",
            f"cell 1 shows {LONGEST_TEXT + 1} lines of text",
            "cell 1 shows 59 lines of text",
        ]
        assert list(faults(self.notebook(self.display(text_plain="a\n" * 100, text_html="<table>")))) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
class TestForm:
    def test_format(self, path):
        notebook = read(path)
        nbformat.validate(notebook)
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
        assert notebook.metadata.kernelspec.name == "python3"

    def test_is_committed_without_outputs(self, path):
        for cell in read(path).cells:
            assert not cell.get("outputs"), cell.id
            assert cell.get("execution_count") is None, cell.id

    def test_cell_ids_are_unique(self, path):
        ids = [cell.id for cell in read(path).cells]
        assert len(set(ids)) == len(ids)

    def test_begins_with_title_and_contract(self, path):
        first = read(path).cells[0]
        assert first.cell_type == "markdown"
        badge, _, contract = first.source.partition("\n\n")
        assert badge.startswith("[![Open In Colab]")
        assert f"/notebooks/{path.name})" in badge
        assert contract.startswith(f"# {int(path.stem[:2])}. ")
        assert re.findall(r"^- \*\*(\w+):\*\*", first.source, re.M) == ["In", "Out", "Time"]

    def test_ends_with_exercises_and_references(self, path):
        exercises, references = (cell.source for cell in read(path).cells[-2:])
        assert exercises.startswith("## Try next")
        assert 2 <= len(re.findall(r"^\d\. ", exercises, re.M)) <= 3
        assert references.startswith("## References")

    def test_every_exercise_has_a_folded_solution(self, path):
        notebook = read(path)
        text = exercises(notebook)
        asked = len(re.findall(r"^\d\. ", text, re.M))
        assert len(solutions(notebook)) == (0 if path.stem in CLICKED else asked)
        assert re.findall(r"^<summary>Solution (\d)</summary>\n\n", text, re.M) == [str(n + 1) for n in range(asked)]

    def test_references_are_those_cited(self, path):
        *prose, references = (cell.source for cell in read(path).cells if cell.cell_type == "markdown")
        listed = re.findall(r"^\[(\d)\]", references, re.M)
        assert listed == [str(n) for n in range(1, len(listed) + 1)]
        groups = re.findall(r"\[(\d(?:, \d)*)\](?!\()", re.sub(r"```.*?```", "", "\n".join(prose), flags=re.S))
        assert {number for group in groups for number in group.split(", ")} == set(listed)

    def test_badge_and_setup_cell_are_those_of_today(self, path, capsys):
        assert stamp_notebooks.main(["--check", str(path)]) == 0, capsys.readouterr().err

    def test_cells_are_short(self, path):
        lengths = [len(lines(source)) for source in code_of(read(path))]
        assert max(lengths) <= LONGEST_CELL
        assert statistics.median(lengths) < MEDIAN_CELL

    def test_imports_helpers_only(self, path):
        assert {name for source in code_of(read(path)) for name in imported(source)} <= IMPORTS

    def test_defines_nothing_of_its_own(self, path):
        kinds = (ast.FunctionDef, ast.ClassDef)
        assert not [n for source in code_of(read(path)) for n in ast.walk(ast.parse(source)) if isinstance(n, kinds)]

    @pytest.mark.slow
    def test_is_named_by_the_code_it_teaches(self, path):
        named = {name for _, names in taught() for name in names}
        assert path.stem in named, f"no public docstring says Notebook: {path.stem}"


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if solutions(read(path))], ids=lambda path: path.stem)
class TestSolutions:
    def test_use_what_the_notebook_has(self, path):
        notebook = read(path)
        known = set(dir(builtins)) | {"display"}
        for source in code_of(notebook):
            known |= names(source)[0]
        for solution in solutions(notebook):
            made, used = names(solution)
            assert not used - made - known


def test_the_first_steps_list_all_other_notebooks():
    [table] = [cell.source for cell in read(ROOT / "notebooks" / "01_setup.ipynb").cells if cell.id == "map"]
    listed = re.findall(r"^\| \[(\w+)\]\((\w+)\.ipynb\) \|", table, re.M)
    assert [text for text, _ in listed] == [link for _, link in listed]
    assert {link for _, link in listed} >= set(NAMES) - {"01_setup"}


def test_notebooks_named_in_docstrings_exist():
    missing = {where: names for where, names in taught() if not names or not set(names) <= set(NAMES)}
    assert not missing


class TestSetup:
    """The first cell, run away from the repository."""

    @pytest.fixture
    def setup(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.setattr(runtime, "here", lambda: None)  # has tests of its own
        monkeypatch.delitem(sys.modules, "google.colab", raising=False)
        return stamp_notebooks.SETUP.format(repository="https://github.com/you/gansynth-suite").replace(
            "/content", str(tmp_path / "content")
        )

    def test_in_colab_it_fetches_the_code_once(self, setup, monkeypatch, tmp_path):
        commands = []

        def run(command):
            commands.append([str(word) for word in command])
            (Path(command[-1]) / "helpers" / "gansynth").mkdir(parents=True)

        monkeypatch.setattr(subprocess, "run", run)
        monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
        fetched = tmp_path / "content" / "gansynth-suite"
        for _ in range(2):  # the second time, as after a restart, everything is there
            monkeypatch.chdir(tmp_path)
            exec(setup, {})
            assert Path.cwd() == fetched
            assert sys.path[0] == str(fetched)
        [clone] = commands
        assert clone[-4:] == ["--depth", "1", "https://github.com/you/gansynth-suite", str(fetched)]

    @pytest.mark.parametrize(
        "address",
        [
            "https://github.com/OWNER/gansynth-suite",
            "https://gitlab.com/you/x",
            "https://github.com/you/x/y",
            "--help",
            "",
        ],
    )
    def test_in_colab_no_other_address_is_fetched(self, address, setup, monkeypatch):
        monkeypatch.setattr(subprocess, "run", lambda command: pytest.fail(f"ran {command}"))
        monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
        with pytest.raises(AssertionError, match=r"type the address of the repository, .*, into the field and run"):
            exec(setup.replace("https://github.com/you/gansynth-suite", address), {})

    def test_in_colab_an_address_where_nothing_is_gets_one_sentence(self, setup, monkeypatch):
        monkeypatch.setattr(subprocess, "run", lambda command: None)
        monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
        with pytest.raises(AssertionError, match="check that address"):
            exec(setup, {})

    def test_elsewhere_it_says_what_is_missing(self, setup):
        with pytest.raises(AssertionError, match=r"inside a copy of https://github\.com/you/gansynth-suite"):
            exec(setup, {})

    def test_it_finds_the_code_from_a_folder_in_the_repository(self, setup, monkeypatch):
        monkeypatch.chdir(ROOT / "tests" / "data")
        exec(setup, {})
        assert Path.cwd() == ROOT
