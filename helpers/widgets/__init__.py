"""Controls for notebooks: thin hands on the other modules, each with the code that does the same.

    tune = widgets.Tune(bank)                           a score, its tracks and who plays them
    mixer = widgets.Mixer(tune)                         how loud each track is, and where it stands
    browser = widgets.Browser(model)                    instruments to hear and to keep
    pad = widgets.BlendPad(model)                       a point between four instruments
    editor = widgets.TimelineEditor(bank, tune)         which instrument when
    button = widgets.Generate(model, tune, editor)      render, with progress and cancel
    player = widgets.Player(clips)                      clips to compare, over their pictures

Every one is an ipywidget: a cell that ends with it shows it. What it holds are traits, so that everything a hand can do
can be done in code too.

Notebook: 00_quickstart.
"""

from .browser import Browser
from .generate import Generate
from .mixer import Mixer
from .pad import BlendPad
from .player import Player
from .timeline import TimelineEditor
from .tune import Tune

__all__ = ["BlendPad", "Browser", "Generate", "Mixer", "Player", "TimelineEditor", "Tune"]
