"""helpers.terminal: any text on any terminal."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import terminal

ROOT = Path(terminal.__file__).parents[1]
ESCAPES = "\x1b]0;title\x07\x1b[31mred\x9b2J\u202e\u2028end"


def said(text, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    terminal.say(text, stream)
    return stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "shown"), [("utf-8", "C♯7 ♪ é\n"), ("cp1252", "C?7 ? é\n"), ("ascii", "C?7 ? ?\n")]
)
def test_what_the_encoding_lacks_is_a_question_mark(encoding, shown):
    assert said("C♯7 ♪ é", encoding) == shown


def test_no_control_character_comes_through():
    assert said(ESCAPES, "utf-8") == " ]0;title  [31mred 2J  end\n"


def test_lines_and_columns_stay():
    assert said("a\n\tb", "utf-8") == "a\n\tb\n"


def test_without_a_stream_it_is_standard_output(capsys):
    terminal.say(3)
    assert capsys.readouterr().out == "3\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is full")
def test_that_nobody_takes_it_ends_nothing():
    code = "from helpers import terminal; terminal.say('a'); terminal.say('b'); open(1, 'w').write('c')"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@given(st.text(), st.sampled_from(["utf-8", "cp1252", "ascii", "shift-jis"]))
def test_any_text_can_be_said(text, encoding):
    assert said(text, encoding).endswith("\n")


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("/usr/bin/gansynth_train", "gansynth_train"),
        (r"gansynth_train.exe", "gansynth_train"),
        ("/site-packages/helpers/train.py", "python -m helpers.train"),
        ("pytest", "python -m helpers.train"),
    ],
)
def test_a_command_line_says_what_it_was_called_by(monkeypatch, called, name):
    monkeypatch.setattr(sys, "argv", [called])
    assert terminal.program("helpers.train") == name


@pytest.mark.parametrize("command", [["-m", "helpers.export"], ["gansynth_export"]])
def test_ctrl_c_while_a_command_is_imported_is_a_line_and_a_status(tmp_path, command):
    (tmp_path / "tqdm").mkdir()
    (tmp_path / "tqdm" / "__init__.py").write_text("raise KeyboardInterrupt")
    (tmp_path / "gansynth_export").write_text("from helpers.export.__main__ import main")
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    if command[0] == "-m":
        done = run_python(*command, PYTHONPATH=paths)
    else:
        done = run_python(str(tmp_path / command[0]), PYTHONPATH=paths)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")


@pytest.mark.slow
def test_a_wrong_ending_is_told_before_tensorflow_is_imported(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise KeyboardInterrupt")
    command = ("-m", "helpers.export", "--checkpoint", "demo", "--instrument", "Cello", "--output", "cello.wav")
    done = run_python(*command, PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: cello.wav must end in .sfz, ")


def test_a_program_that_only_imports_us_keeps_its_tracebacks():
    done = run_python("-c", "import helpers; raise KeyboardInterrupt", PYTHONPATH=str(ROOT))
    assert done.returncode != 130
    assert "Traceback" in done.stderr


def run_python(*command, **variables):
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=os.environ | variables)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValueError("no such thing"), 1, "error: no such thing\n"),
        (FileNotFoundError("no such file"), 1, "error: no such file\n"),
        (ImportError("pip install onnx"), 1, "error: pip install onnx\n"),
        (FloatingPointError("a loss is no number"), 1, "error: a loss is no number\n"),
        (KeyboardInterrupt(), 130, "stopped; nothing was written\n"),
    ],
)
def test_a_mistake_is_a_line_and_a_status(capsys, error, status, said):
    def work():
        raise error

    assert terminal.ended(work, stopped="stopped; nothing was written") == status
    assert capsys.readouterr() == ("", said)


def test_what_is_no_mistake_has_its_own_status_or_a_traceback():
    assert terminal.ended(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        terminal.ended(lambda: 1 // 0)
