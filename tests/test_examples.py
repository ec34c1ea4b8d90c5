"""The examples in the docstrings of helpers/: each runs as it stands there, and prints what it says."""

import ast
import doctest
import functools
from typing import NamedTuple

import pytest
from inputs import DATA

from helpers import folders, gansynth, runtime

ROOT = DATA.parents[1]
LEAST = 20  # functions that users call have one


class Example(NamedTuple):
    name: str
    docstring: str
    file: str
    line: int


def examples():
    """Found by reading the files: to import the modules would cost every run of pytest their imports."""
    for path in sorted((ROOT / "helpers").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for owner, node in documented(ast.parse(path.read_text("utf-8")), module):
            docstring = ast.get_docstring(node)
            if docstring and ">>>" in docstring:
                yield Example(owner, docstring, str(path), node.body[0].lineno)


def documented(tree, name):
    yield name, tree
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from documented(node, f"{name}.{node.name}")


EXAMPLES = list(examples())


@pytest.fixture(scope="module")
def loaded():
    """`gansynth.load` that loads each model once, as its notes and graphs do not depend on who had it before."""
    return functools.cache(gansynth.load)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_is_true(example, loaded, tmp_path, monkeypatch):
    (tmp_path / "data").symlink_to(folders.BUNDLED)  # where they look for scores, and write results elsewhere
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(folders.CHOSEN, str(tmp_path / "downloads"))
    monkeypatch.setattr(runtime, "ROOT", tmp_path)  # of `outputs`, where nobody wants an example's recordings
    monkeypatch.setattr(gansynth, "load", loaded)
    test = doctest.DocTestParser().get_doctest(example.docstring, {}, example.name, example.file, example.line - 1)
    said = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False).run(test, out=said.append)
    assert not said, "".join(said)


def test_what_users_call_has_examples():
    assert len(EXAMPLES) >= LEAST
