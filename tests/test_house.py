"""How the modules of helpers stand on each other: imports lead down, and never in a circle."""

import ast
import importlib
import inspect
import subprocess
import sys
import types
from pathlib import Path

import pytest

import helpers

PACKAGE = Path(helpers.__file__).parent
ROOT = Path(__file__).resolve().parents[1]

# Each may import what stands in its own line or in a line below; the packages beside `render` do not know each other.
LAYERS = (
    (
        "evaluate",
        "generate",
        "match",
        "dataset",
        "train",
        "demo",
        "recording_sources",
        "widgets",
        "page",
        "many",
        "cluster",
        "classroom",
        "classroom_server",
    ),
    ("export", "matching"),
    ("render", "training", "evaluation", "timbre"),
    ("instruments", "spectrograms", "soundfont", "midi_sources"),
    ("gansynth",),
    ("audio", "midi", "casting", "downloads", "pitch", "scores"),
    (
        "addresses",
        "compiled",
        "drawing",
        "errors",
        "files",
        "folders",
        "jsonfile",
        "limits",
        "runtime",
        "stores",
        "tables",
        "terminal",
        "webpage",
    ),
)
APART = LAYERS[2]
LEVEL = {name: level for level, names in enumerate(reversed(LAYERS)) for name in names}


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def only_for_types(tree):
    """The statements that run for type checkers alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                yield from ast.walk(statement)


def imported(name):
    """The modules of helpers that a module imports, at its beginning or within a function."""
    path, found = MODULES[name], set()
    package = name.split(".") if path.name == "__init__.py" and name else name.split(".")[:-1]
    tree = ast.parse(path.read_text("utf-8"))
    left_out = {id(node) for node in only_for_types(tree)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or id(node) in left_out:
            continue
        if node.level:
            base = package[: len(package) - node.level + 1] + (node.module or "").split(".")
        elif (node.module or "").split(".")[0] == "helpers":
            base = node.module.split(".")[1:]
        else:
            continue
        base = ".".join(part for part in base if part)
        for alias in node.names:
            inner = f"{base}.{alias.name}".strip(".")
            found.add(inner if inner in MODULES else base)
    return found - {name, ""}


def unclear(name):
    """Imports that the tests below cannot follow: they are relative in this package, or `from helpers import ...`."""
    for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "helpers")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from [ast.unparse(node)] * (name != "compiled")  # that one imports librosa


IMPORTS = {name: imported(name) for name in MODULES}


def test_every_module_has_its_place():
    assert {name.split(".")[0] for name in MODULES if name} == LEVEL.keys()


def test_imports_can_be_followed():
    assert {name: found for name in MODULES if (found := list(unclear(name)))} == {}


def test_imports_lead_down():
    up = [
        f"{name} imports {other}"
        for name in MODULES
        if name
        for other in IMPORTS[name]
        if LEVEL[name.split(".")[0]] < LEVEL[other.split(".")[0]]
    ]
    assert not up


def test_packages_on_one_level_do_not_know_each_other():
    known = {(name.split(".")[0], other.split(".")[0]) for name in MODULES for other in IMPORTS[name]}
    assert not [pair for pair in known if pair[0] != pair[1] and set(pair) <= set(APART)]


def test_no_circle():
    def reached(name):
        found, todo = set(), [name]
        while todo:
            new = IMPORTS[todo.pop()] - found
            found |= new
            todo += new
        return found

    assert not [name for name in MODULES if name in reached(name)]


@pytest.mark.slow
def test_the_reference_is_told_of_what_it_would_not_find():
    """pdoc leaves out what a package's `__all__` does not name, and warns of what it is told twice."""
    done = subprocess.run([sys.executable, ROOT / "tools" / "modules.py"], cwd=ROOT, capture_output=True, text=True)
    named = set(done.stdout.split())
    assert {"helpers", "helpers.evaluation.metrics", "helpers.gansynth.networks", "helpers.midi.smf"} <= named
    assert not {"helpers.audio", "helpers.evaluation.results", "helpers.training.loop"} & named


def undocumented(module):
    """Public functions, and public members of classes that no base class has, without a docstring."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing) and not inspect.getdoc(thing):
            yield name
        elif inspect.isclass(thing) and not getattr(thing, "_is_protocol", False):
            for member, value in vars(thing).items():
                is_public = not member.startswith("_") and isinstance(value, (types.FunctionType, property))
                is_inherited = any(hasattr(base, member) for base in thing.__mro__[1:])  # such as a layer's `call`
                if is_public and not is_inherited and not inspect.getdoc(value):
                    yield f"{name}.{member}"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODULES.keys() - {"export.__main__"}))
def test_what_is_public_says_what_it_is_for(name):
    if name == "classroom_server":
        pytest.importorskip("voila")
    assert not list(undocumented(importlib.import_module(f"helpers.{name}".rstrip("."))))
