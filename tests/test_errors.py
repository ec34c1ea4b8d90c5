"""helpers.errors: one sentence in a notebook, and an ordinary exception everywhere else."""

import atexit
import pickle

import numpy as np
import pytest
from inputs import DATA

from helpers import audio, gansynth, instruments, midi, midi_sources, render
from helpers.errors import in_one_line, one_line
from helpers.gansynth import hub
from helpers.instruments import Timeline


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A shell as under a notebook: run code in it, and get what it shows of an exception, line by line."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Shell(InteractiveShell):
        shown = ()

        def _showtraceback(self, kind, value, lines):  # what a kernel overrides, to send them to its page
            self.shown = lines

    quiet = Config({"HistoryManager": {"enabled": False}})
    shell = Shell(ipython_dir=str(tmp_path_factory.mktemp("ipython")), config=quiet)
    yield shell
    atexit.unregister(shell.atexit_operations)


MISTAKES = {
    "gansynth.load('acoustic_onyl')": FileNotFoundError,
    "gansynth.load('demo', precision='int8')": ValueError,
    "gansynth.load('acoustic_only')": ConnectionError,
    "gansynth.load('https://drive.google.com/drive/folders/x')": ValueError,
    "hub.download('mine', 'nonsense')": ValueError,
    "midi.load('none.mid')": FileNotFoundError,
    "midi.load(__file__)": ValueError,
    "midi.excerpt(song, 5, 5)": ValueError,
    "midi_sources.download('ftp://x/y.mid')": ValueError,
    "midi_sources.download('http://127.0.0.1:9/y.mid')": ConnectionError,
    "instruments.load('none.json')": FileNotFoundError,
    "instruments.load(__file__)": ValueError,
    "instruments.Timeline(instruments.sample(tiny, 2, 0), at=[4, 4])": ValueError,
    "tiny.generate(tiny.sample_z(1, 0), [99])": ValueError,
    "render.render(tiny, song, {'Kazoo': instruments.sample(tiny, 1, 0)[0]})": ValueError,
    "render.reproduce('none.json')": FileNotFoundError,
    "audio.read('none.wav')": FileNotFoundError,
    "audio.write(audio.Audio(np.zeros(9), 16000), 'x.aac')": ValueError,
}


@pytest.mark.parametrize("code", MISTAKES)
def test_a_notebook_shows_one_sentence(shell, tiny, monkeypatch, tmp_path, code):
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path))
    # Nothing listens there: this is what a machine without a network sees.
    monkeypatch.setitem(hub.PUBLISHED, "acoustic_only", "http://127.0.0.1:9/acoustic_only.zip")
    modules = (audio, hub, gansynth, instruments, midi, render, midi_sources)
    names = {module.__name__.split(".")[-1]: module for module in modules}
    song = midi.load(DATA / "midi" / "melody14.mid")
    shell.push(names | {"tiny": tiny, "song": song, "np": np, "__file__": __file__})
    result = shell.run_cell(f"{code}\nran_on = True")
    assert isinstance(result.error_in_exec, MISTAKES[code])
    assert [f"{type(result.error_in_exec).__name__}: {result.error_in_exec}"] == shell.shown
    assert len(shell.shown[0].splitlines()) == 1
    assert "ran_on" not in shell.user_ns  # the cell has stopped


@in_one_line
def calls(library):
    return library()


def test_what_a_library_raises_keeps_its_traceback(shell):
    shell.push({"calls": calls, "np": np})
    shell.run_cell("calls(lambda: np.zeros(3).reshape(2, 2))")
    assert "reshape" in "\n".join(shell.shown)
    assert len("\n".join(shell.shown).splitlines()) > 5


def test_elsewhere_it_is_an_ordinary_exception():
    with pytest.raises(FileNotFoundError, match="no MIDI file") as caught:
        midi.load("none.mid")
    assert type(caught.value) is FileNotFoundError
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def test_the_decorator_leaves_name_and_docstring():
    assert Timeline.__init__.__doc__.strip().startswith("Args")
    assert gansynth.load.__name__ == "load"


def test_a_message_of_others_is_one_line_of_bounded_length():
    assert one_line("a\nb\x1b[31m c ") == "a b [31m c"
    assert len(one_line(10_000 * "x")) == 400
