"""Pictures that leave matplotlib as it was, and names in any script."""

import io
import logging
import os
import threading
import warnings
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from execute import execute
from matplotlib.figure import Figure

from helpers import drawing, midi, spectrograms
from helpers.midi import Note, Song, Track

ROOT = Path(__file__).resolve().parents[1]
NOTES = (Note(60, 90, 0.0, 0.5), Note(64, 90, 0.5, 1.0))
NAMES = ["ピアノ 右手", "cost: $5 or $6", "Đàn tranh ♯", "tab\tand\nline", "\N{VIOLIN}", "plain"]

CLIPS = """
import numpy as np
from helpers import audio, page, spectrograms, widgets
sine = audio.Audio(np.sin(np.arange(8000) / 5).astype("float32") / 2, 16000)
"""
OURS = {
    "player": 'widgets.Player({"a": sine, "b": sine});',
    "page": 'page.write({"a": sine}, "outputs/a.html");',
    "tune": 'widgets.Tune(path="data/midi/study.mid");',
}


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.slow
def test_pictures_of_a_notebook_appear_after_ours(ours, tmp_path):
    """In a kernel with inline pictures, whose first picture is one of ours: the user's own are still shown."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "helpers").symlink_to(ROOT / "helpers")
    state = "import matplotlib; print(matplotlib.is_interactive(), matplotlib.rcParams['figure.dpi'])"
    cells = [CLIPS, OURS[ours], "spectrograms.cqt(sine);", "import matplotlib.pyplot as plt\nplt.plot([1, 2]);", state]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    execute(notebook, tmp_path, {key: value for key, value in os.environ.items() if key != "MPLBACKEND"})
    for cell in notebook.cells[2:4]:
        assert ["image/png" in output.get("data", {}) for output in cell.outputs] == [True], cell.source
    assert notebook.cells[4].outputs[0].text.startswith("True")


def settings():
    return {key: value for key, value in matplotlib.rcParams.items() if key != "backend"}


def test_plain_is_the_default_look_and_leaves_the_users():
    with plt.style.context("dark_background"):
        matplotlib.rcParams["lines.linewidth"] = 7
        before = settings()
        with drawing.plain():
            assert matplotlib.rcParams["axes.facecolor"] == "white"
            assert matplotlib.rcParams["lines.linewidth"] == matplotlib.rcParamsDefault["lines.linewidth"]
            matplotlib.rcParams["lines.linewidth"] = 9
        assert settings() == before
        with pytest.raises(ZeroDivisionError), drawing.plain():
            1 / 0  # noqa: B018
        assert settings() == before


def test_interactive_mode_and_backend_are_not_for_plain_to_restore():
    """What pyplot does when it is first used, inside of a context, must stay."""
    before = matplotlib.is_interactive()
    with drawing.plain():
        matplotlib.interactive(not before)
    assert matplotlib.is_interactive() is not before
    matplotlib.interactive(before)


def test_two_threads_do_not_restore_each_others_settings():
    entered, go = threading.Event(), threading.Event()

    def draw():
        with drawing.plain():
            entered.set()
            go.wait(10)

    with plt.style.context("dark_background"):
        before = settings()
        first = threading.Thread(target=draw)
        first.start()
        assert entered.wait(10)
        second = threading.Thread(target=lambda: draw())
        second.start()
        go.set()
        first.join()
        second.join()
        assert settings() == before


def song():
    return Song("組曲 $a_b$ & _c_", tuple(Track(name, 0, False, NOTES) for name in NAMES))


def silently(figure, caplog):
    """The picture of a figure, which must come without a warning or a line in a log."""
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        content = drawing.png(figure)
    assert caplog.text == ""
    return plt.imread(io.BytesIO(content))


class TestNames:
    def test_a_piano_roll_with_names_in_all_scripts(self, caplog):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ax = midi.plot(song(), Figure(figsize=(11, 4), layout="constrained").subplots())
        silently(ax.figure, caplog)
        written = [text.get_text() for text in ax.get_legend().get_texts()]
        assert written[1] == NAMES[1]
        assert written[3] == "tab and line"
        assert written[5] == "plain"
        assert not any(text.get_parse_math() for text in [ax.title, *ax.get_legend().get_texts()])

    def test_what_no_font_has_becomes_a_placeholder(self, caplog, monkeypatch):
        monkeypatch.setattr(drawing, "FALLBACKS", ())
        ax = midi.plot(song(), Figure(figsize=(11, 4), layout="constrained").subplots())
        silently(ax.figure, caplog)
        first, *_, violin, _ = (text.get_text() for text in ax.get_legend().get_texts())
        assert first == "□□□ □□"
        assert violin == "□"
        assert ax.get_title() == "□□ $a_b$ & _c_"

    def test_another_font_is_used_where_it_has_the_characters(self):
        if not drawing._installed("Noto Sans CJK JP"):
            pytest.skip("Noto Sans CJK JP is not installed")
        text = Figure().text(0, 0, NAMES[0])
        drawing.literal(text)
        assert text.get_text() == NAMES[0]
        assert text.get_fontfamily()[-1] == "Noto Sans CJK JP"

    def test_fonts_that_are_not_there_are_not_looked_for(self, caplog):
        assert drawing._installed("A font that nobody has") == ""
        assert caplog.text == ""

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.slow
    def test_titles_of_clips(self, name, caplog):
        samples = np.sin(np.arange(4000, dtype=np.float32))
        axes = spectrograms.compare({name: samples}, "waveform", figure=Figure())
        silently(axes[0].figure, caplog)
        ax, _ = spectrograms.waveform(samples, ax=Figure().subplots(), title=name)
        silently(ax.figure, caplog)

    def test_a_style_with_tex_does_not_need_tex(self, caplog):
        with plt.rc_context({"text.usetex": True}):
            text = Figure().text(0, 0, "50 % of $a$")
        drawing.literal(text)
        silently(text.figure, caplog)


def test_a_dark_style_does_not_reach_pictures_of_controls():
    from helpers.widgets.timeline import piano_roll

    plain = piano_roll(song())
    with plt.style.context("dark_background"):
        assert piano_roll(song()) == plain
