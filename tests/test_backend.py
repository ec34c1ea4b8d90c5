"""helpers.gansynth.backend: TensorFlow is imported quietly, unless something goes wrong."""

import importlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from helpers.gansynth import backend

ROOT = Path(__file__).parents[1]


def python(code, **environment):
    """What a program prints on its two streams, and its exit status. The limits of conftest.py do not hold for it."""
    kept = {name: value for name, value in os.environ.items() if name != backend.LOG_LEVEL}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=kept | environment, capture_output=True, text=True)
    return done.stdout, done.stderr, done.returncode


@pytest.mark.slow
def test_loading_and_playing_the_demo_prints_nothing():
    code = (
        "import os; before = os.environ.get('TF_CPP_MIN_LOG_LEVEL')\n"
        "from helpers import gansynth; model = gansynth.load('demo'); model.generate(model.sample_z(1, 0), [60], 0.1)\n"
        "assert os.environ.get('TF_CPP_MIN_LOG_LEVEL') is before is None"
    )
    assert python(code) == ("", "", 0)


@pytest.mark.slow
def test_an_import_that_fails_shows_what_was_written(tmp_path):
    broken = (
        "import os, sys\nos.write(2, b'from C++\\n')\nsys.stderr.write('from Python\\n')\nraise ImportError('no DLL')\n"
    )
    (tmp_path / "tensorflow.py").write_text(broken)
    out, error, status = python("import helpers.gansynth.backend", PYTHONPATH=str(tmp_path))
    assert (out, status) == ("", 1)
    assert "from C++\nfrom Python\n" in error
    assert error.endswith("ImportError: no DLL\n")


@pytest.mark.parametrize("level", [None, "1"])
def test_a_quiet_block_leaves_the_environment_as_it_was(monkeypatch, capfd, level):
    monkeypatch.delenv(backend.LOG_LEVEL, raising=False)
    if level:
        monkeypatch.setenv(backend.LOG_LEVEL, level)
    with backend.quiet():
        os.write(2, b"no GPU here")
        assert os.environ[backend.LOG_LEVEL] == (level or backend.FATAL_ONLY)
    os.write(2, b"afterwards")
    assert os.environ.get(backend.LOG_LEVEL) == level
    assert capfd.readouterr().err == "afterwards"


@pytest.mark.parametrize(("asked", "read"), [(None, "1"), ("0", "0")])
@pytest.mark.slow
def test_onednn_is_on_while_tensorflow_is_imported_unless_somebody_says_no(tmp_path, monkeypatch, asked, read):
    monkeypatch.delenv(backend.ONEDNN, raising=False)
    (tmp_path / "tensorflow.py").write_text(
        f"import os\nassert os.environ[{backend.ONEDNN!r}] == {read!r}\nraise ImportError('far enough')\n"
    )
    (tmp_path / "keras.py").write_text("ops = None\n")
    code = (
        "import os\ntry:\n    import helpers.gansynth.backend\nexcept ImportError as error:\n    print(error)\n"
        f"print(os.environ.get({backend.ONEDNN!r}))"
    )
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), backend.ONEDNN: asked}
    out, error, status = python(code, **{name: value for name, value in environment.items() if value})
    assert (out, error, status) == (f"far enough\n{asked}\n", "", 0)


def test_who_asks_for_everything_is_shown_everything(monkeypatch, capfd):
    monkeypatch.setenv(backend.LOG_LEVEL, backend.EVERYTHING)
    with backend.quiet():
        os.write(2, b"no GPU here")
    assert capfd.readouterr().err == "no GPU here"


def test_fusions_are_off_in_graphs_with_gradients_alone():
    options = backend.tf.config.optimizer.get_experimental_options
    with backend.unfused():
        assert options()["remapping"] is False
    assert options()["remapping"] is True


def test_a_program_without_a_console_can_import_it_too(monkeypatch):
    def closed(descriptor):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    monkeypatch.setattr(sys, "stderr", None)
    with backend.quiet():
        imported = True
    assert imported


@pytest.mark.slow
def test_keras_does_without_what_it_only_draws_with():
    """Unless it is there already; and later both can be imported."""
    code = (
        "import sys; import helpers.gansynth.backend\n"
        "print(*[name for name in helpers.gansynth.backend.UNUSED if name in sys.modules])\n"
        "import matplotlib.pyplot, sklearn; print(*sys.meta_path)"
    )
    out, error, status = python(code)
    assert (out.splitlines()[0], "_Hidden" in out, error, status) == ("", False, "", 0)


def test_other_threads_find_what_is_hidden_from_keras(monkeypatch):
    monkeypatch.setattr(backend, "UNUSED", ("colorsys",))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    found = []
    with backend.unused_hidden():
        with pytest.raises(ImportError, match="colorsys is hidden"):
            importlib.import_module("colorsys")
        thread = threading.Thread(target=lambda: found.append(importlib.import_module("colorsys")))
        thread.start()
        thread.join()
    assert found == [importlib.import_module("colorsys")]
