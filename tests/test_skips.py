"""tests/skips.py: a run that skips tests ends by saying why. Shown by runs of a small suite, each in a process."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NO_BROWSER = "no Chromium was found (apt-get install chromium)"
SUITE = {
    "test_pages.py": f"""
        import pytest
        @pytest.fixture
        def browser():
            pytest.skip({NO_BROWSER!r})
        @pytest.mark.parametrize("number", range(3))
        def test_page(browser, number):
            pass
        @pytest.mark.skipif(True, reason="only on Windows")
        def test_elsewhere():
            pass
        """,
    "test_player.py": 'import pytest; pytest.importorskip("no_such_player", reason="there is no player")',
    "test_plain.py": """
        import pytest
        def test_passes():
            pass
        @pytest.mark.xfail(reason="a known bug")
        def test_known():
            assert False
        """,
}


def run(folder, *arguments):
    """The lines that a run of the suite in a folder prints."""
    command = [sys.executable, "-m", "pytest", "-q", "--durations=3", "-p", "skips", "-p", "no:cacheprovider"]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    env = outside | {"PYTHONPATH": str(HERE)}
    done = subprocess.run([*command, *arguments], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def suite(tmp_path):
    for name, source in SUITE.items():
        (tmp_path / name).write_text(textwrap.dedent(source), "utf-8")
    return tmp_path


@pytest.mark.parametrize("processes", [[], ["-n", "2"]], ids=["one process", "two processes"])
@pytest.mark.slow
def test_a_run_ends_with_a_line_for_each_reason(suite, processes):
    lines = run(suite, *processes)
    at = next(i for i, line in enumerate(lines) if "what was skipped, and why" in line)
    *reasons, last = lines[at + 1 :]
    assert reasons[0] == f"3 skipped: {NO_BROWSER}"
    assert sorted(reasons[1:]) == ["1 skipped: only on Windows", "1 skipped: there is no player"]
    assert "1 passed, 5 skipped, 1 xfailed" in last


@pytest.mark.slow
def test_nothing_is_said_where_nothing_was_skipped(suite):
    assert "skipped" not in "\n".join(run(suite, "test_plain.py"))
