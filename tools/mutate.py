"""Mutation testing: changes lines of helpers, one at a time, and runs the tests of the changed module.

    python tools/mutate.py helpers/casting.py helpers/midi/*.py --count 100 --seed 1

Every change is a plausible mistake: another comparison, operator or number, a negated condition, a missing return
value, an omitted call, two arguments in the wrong order. The tests are those in files that import the module or its
package: first unmarked ones and then, if none of them detects the change, those marked `slow`; browser tests are left
out. A change that no test detects is shown as a diff: write a test for it, unless it is equivalent to the original.
Everything happens in a copy of the repository.
"""

from __future__ import annotations

import argparse
import ast
import copy
import difflib
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAIRS = (
    (ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn),
    (ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.BitOr, ast.BitAnd), (ast.LShift, ast.RShift),
)  # fmt: skip
OTHER = dict(PAIRS) | {b: a for a, b in PAIRS} | dict.fromkeys((ast.FloorDiv, ast.Mod, ast.Pow), ast.Mult)
MANY = 16  # integers from here on are doubled, smaller ones incremented, since 1 more hardly matters to a large limit
HOME = {"bundle": "checkpoint", "reading": "midi", "loading": "midi", "song": "midi"}  # tests under another name
CALLS_ALL = "test_state"  # imports every module, but checks no results
INERT = {"annotation", "returns", "decorator_list"}  # fields of nodes without effect when a function is called
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-m")
QUICK, SLOW = "not slow and not browser", "slow and not browser"
NONE_CHOSEN = int(pytest.ExitCode.NO_TESTS_COLLECTED)
PACKAGES = ("tensorflow", "keras", "librosa", "scipy.signal", "matplotlib.pyplot", "hypothesis", "pretty_midi")
OUTPUT = "output.txt"  # output of the last tests, next to the copy
LIMIT = 1200  # s for the tests of one change; exceeding it counts as detection


class Mutant(NamedTuple):
    """One change of a module."""

    path: Path  # from ROOT
    line: int
    first: int  # start of the replaced part of the file (bytes)
    last: int  # its end
    text: str  # its replacement

    def source(self) -> str:
        """The module with this change."""
        content = (ROOT / self.path).read_bytes()
        return (content[: self.first] + self.text.encode() + content[self.last :]).decode()


def _changed(node: ast.AST) -> Iterator[ast.AST]:
    """The possible replacements of a node."""
    new = copy.deepcopy(node)
    if isinstance(node, ast.Compare):
        new.ops[0] = OTHER[type(node.ops[0])]()
        yield new
    elif isinstance(node, (ast.BinOp, ast.BoolOp, ast.AugAssign)) and type(node.op) in OTHER:
        new.op = OTHER[type(node.op)]()
        yield new
    elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        small = not node.value or (isinstance(node.value, int) and node.value < MANY)
        other = node.value + 1 if small else 2 * node.value
        yield ast.Constant(not node.value if isinstance(node.value, bool) else other)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        new.body, new.orelse = new.orelse, new.body
        yield new
    elif isinstance(node, ast.Return) and ast.unparse(node) not in ("return", "return None"):
        yield ast.Return()
    elif isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield ast.Pass()
    if isinstance(node, ast.Call) and len(node.args) > 1 and not any(isinstance(a, ast.Starred) for a in node.args[:2]):
        new.args[:2] = reversed(new.args[:2])
        yield new


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a module that can be changed, without f-strings, type annotations and the like."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            is_types_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            if isinstance(child, ast.AST) and field not in INERT and not is_types_only:
                yield child
                yield from () if isinstance(child, ast.JoinedStr) else _nodes(child)


def mutants(path: Path) -> list[Mutant]:
    """All possible changes of a module, often several per line."""
    content = (ROOT / path).read_bytes()
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in _nodes(ast.parse(content)):
        for other in _changed(node) if hasattr(node, "lineno") else ():
            first, last = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            text = ast.unparse(other) if isinstance(other, ast.stmt) else f"({ast.unparse(other)})"
            found.append(Mutant(path, node.lineno, first, last, text))
    return found


def tests_of(path: Path) -> list[list[str]]:
    """The test files of a module: those named like it, those that import just it, those that import its package."""
    parts = path.with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    package, named = module.rpartition(".")[0], f"test_{HOME.get(parts[-1], parts[-1])}"
    ranked: list[list[str]] = [[], [], []]
    for test in sorted((ROOT / "tests").glob("test_*.py")):
        if test.stem == CALLS_ALL:
            continue
        names = set()
        for node in ast.walk(ast.parse(test.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        rank = 0 if test.stem == named else 1 if module in names else 2 if package in names - {"helpers"} else None
        if rank is not None:
            ranked[rank].append(str(test.relative_to(ROOT)))
    return [tests for tests in ranked if tests]


def pass_all(folder: Path, tests: list[str]) -> bool:
    """Whether tests pass in a copy of the repository. They run in a fork, which has already imported the packages."""
    child = os.fork()
    if not child:
        signal.alarm(LIMIT)  # ends this process
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        os.dup2(os.open(folder.parent / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os._exit(pytest.main([*OPTIONS, QUICK, *tests]))
    return os.waitpid(child, 0)[1] in (0, NONE_CHOSEN << 8)  # a status has the exit code in its second byte


def pass_slowly(folder: Path, tests: list[str]) -> bool:
    """Whether slow tests pass. They run in a separate process, because TensorFlow does not work in a fork."""
    command = [sys.executable, "-m", "pytest", *OPTIONS, SLOW, *tests]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    with open(folder.parent / OUTPUT, "w") as output:
        try:
            done = subprocess.run(command, cwd=folder, env=environment, stdout=output, stderr=output, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode in (0, NONE_CHOSEN)


def first_failure(folder: Path) -> str:
    """The first test that failed, from the output of the last tests."""
    lines = (folder.parent / OUTPUT).read_text(errors="replace").splitlines()
    return next((line.split(" - ")[0] for line in lines if line.startswith(("FAILED ", "ERROR "))), "no test finished")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="+", type=Path, help="files of helpers")
    parser.add_argument("--count", type=int, default=100, help="number of lines to change (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed for the choice of lines (default: %(default)s)")
    args = parser.parse_args()
    os.environ.update(dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "CI"), "1"), TF_CPP_MIN_LOG_LEVEL="3")
    sys.dont_write_bytecode = True
    for name in PACKAGES:
        importlib.import_module(name)
    chance = random.Random(args.seed)
    lines: dict[tuple[Path, int], list[Mutant]] = {}
    for path in sorted(path.resolve().relative_to(ROOT) for path in args.modules):
        for mutant in mutants(path):
            lines.setdefault((path, mutant.line), []).append(mutant)
    chosen = [chance.choice(lines[key]) for key in chance.sample(sorted(lines), min(args.count, len(lines)))]
    survived = 0
    with tempfile.TemporaryDirectory(prefix="mutate-") as temporary:
        folder = Path(temporary) / "suite"
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", ".venv*", "outputs", "__pycache__"))
        if not pass_all(
            folder, sorted({test for mutant in chosen for tests in tests_of(mutant.path) for test in tests})
        ):
            print((folder.parent / OUTPUT).read_text(errors="replace")[-2000:])
            sys.exit("the tests fail, or take too long, without any change")
        for number, mutant in enumerate(chosen, start=1):
            began, before = time.monotonic(), (ROOT / mutant.path).read_text("utf-8")
            (folder / mutant.path).write_text(mutant.source(), "utf-8")
            ranked = tests_of(mutant.path)
            passed = all(pass_all(folder, tests) for tests in ranked)
            passed = passed and all(pass_slowly(folder, tests) for tests in ranked)
            (folder / mutant.path).write_text(before, "utf-8")
            survived += passed
            where = f"{mutant.path}:{mutant.line} in {time.monotonic() - began:.0f} s"
            print(
                f"{number} survived {where}" if passed else f"{number} killed {where}: {first_failure(folder)}",
                flush=True,
            )
            if passed:
                diff = difflib.unified_diff(before.splitlines(), mutant.source().splitlines(), lineterm="", n=0)
                print(*list(diff)[2:], sep="\n", flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} changes were detected ({1 - survived / len(chosen):.0%})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
