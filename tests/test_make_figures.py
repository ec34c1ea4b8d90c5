"""tools/make_figures.py: the diagrams that the notebooks carry."""

import make_figures
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from helpers.gansynth.config import Config


def texts(figure):
    return [text for text in figure.axes[0].texts if text.get_text()]


def boxes(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return {text.get_text(): text.get_window_extent(canvas.get_renderer()) for text in texts(figure)}


@pytest.mark.parametrize("figure", [make_figures.gan(), make_figures.generator(Config())], ids=["gan", "generator"])
class TestFigures:
    def test_nothing_is_cut_off(self, figure):
        for name, box in boxes(figure).items():
            assert min(box.x0, box.y0) >= 0, name
            assert max(box.x1 - figure.bbox.width, box.y1 - figure.bbox.height) <= 0, name

    def test_no_text_lies_on_another(self, figure):
        found = list(boxes(figure).items())
        for n, (name, box) in enumerate(found):
            for other, another in found[:n]:
                assert not box.overlaps(another), (name, other)


def test_the_generator_has_the_published_sizes():
    said = {text.get_text() for text in texts(make_figures.generator(Config()))}
    assert {"2\n×16", "16\n×128", "128\n×1024", "256", "128", "64", "32", "7"} <= said


@pytest.mark.slow
def test_the_files_are_those_of_today(tmp_path, monkeypatch):
    committed = {path.name: Image.open(path).size for path in make_figures.FOLDER.glob("*.png")}
    monkeypatch.setattr(make_figures, "FOLDER", tmp_path)
    make_figures.main()
    assert {path.name: Image.open(path).size for path in tmp_path.glob("*.png")} == committed
