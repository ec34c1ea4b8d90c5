"""Controls for notebooks: thin wrappers around the other modules. Each shows the equivalent Python code.

    bank = instruments.bank(model)                      the instruments that all controls share

    models = widgets.Models(bank)                       choose the checkpoint
    tune = widgets.Tune(bank)                           choose a score, and an instrument for each track
    mixer = widgets.Mixer(tune)                         gain and pan of each track
    browser = widgets.Browser(bank)                     listen to instruments and keep some
    pad = widgets.BlendPad(bank)                        blend four instruments
    explore = widgets.TimbreMap(atlas, bank)            a map of many instruments: listen, search, keep, draw a path
    steering = widgets.Steering(directions, bank)       make an instrument brighter, longer, purer
    editor = widgets.TimelineEditor(bank, tune)         choose which instrument sounds when
    button = widgets.Generate(bank, tune, editor)       render, with a progress bar and a Cancel button
    player = widgets.Player({"original": tune, "custom": button})   compare clips, over their pictures
    keyboard = widgets.Keyboard(bank)                   play live: mouse, touch, computer keyboard, MIDI
    mine = widgets.Match(bank)                          an instrument from a recording: microphone, file or link
    home = widgets.TakeHome(player)                     write the page to hand in

    checkpoints = widgets.Checkpoints()                 choose several checkpoints
    each = widgets.GenerateEach(checkpoints, tune)      render with each of them, one after another
    interval = widgets.RandomTimeline(bank, tune)       random instruments, with an adjustable time between them
    original = widgets.Original(tune)                   the score as a piano roll, and as ordinary instruments play it
    comparison = widgets.Comparison(player, tune)       all clips side by side, with measurements

Controls that share a bank, or are passed to each other, are linked: a change in one shows in the others.

Every control is an ipywidget: a cell that ends with it displays it. Its state is held in traits, so that everything
that can be done by hand can also be done in code.

Notebook: 00_quickstart.
"""

from .browser import Browser
from .checkpoints import Checkpoints
from .comparison import Comparison
from .each import GenerateEach
from .generate import Generate
from .keyboard import Keyboard
from .match import Match
from .mixer import Mixer
from .models import Models
from .original import Original
from .pad import BlendPad
from .player import Player
from .random_timeline import RandomTimeline
from .steering import Steering
from .takehome import TakeHome
from .timbre_map import TimbreMap
from .timeline import TimelineEditor
from .tune import Tune

__all__ = [
    "BlendPad",
    "Browser",
    "Checkpoints",
    "Comparison",
    "Generate",
    "GenerateEach",
    "Keyboard",
    "Match",
    "Mixer",
    "Models",
    "Original",
    "Player",
    "RandomTimeline",
    "Steering",
    "TakeHome",
    "TimbreMap",
    "TimelineEditor",
    "Tune",
]
