"""Controls for notebooks: thin wrappers around the other modules, each with the code that does the same.

    bank = instruments.bank(model)                      the instruments that all controls share

    models = widgets.Models(bank)                       which checkpoint plays
    tune = widgets.Tune(bank)                           a score, its tracks and who plays them
    mixer = widgets.Mixer(tune)                         how loud each track is, and where it stands
    browser = widgets.Browser(bank)                     instruments to hear and to keep
    pad = widgets.BlendPad(bank)                        a point between four instruments
    explore = widgets.TimbreMap(atlas, bank)            a map of many instruments: hear, search, keep, draw a path
    steering = widgets.Steering(directions, bank)       an instrument made brighter, longer, purer
    editor = widgets.TimelineEditor(bank, tune)         which instrument when
    button = widgets.Generate(bank, tune, editor)       render, with progress and cancel
    player = widgets.Player({"original": tune, "custom": button})   clips to compare, over their pictures
    keyboard = widgets.Keyboard(bank)                   play live: mouse, touch, computer keys, MIDI
    mine = widgets.Match(bank)                          an instrument from a recording: microphone, file or link
    home = widgets.TakeHome(player)                     the page to hand in

    checkpoints = widgets.Checkpoints()                 which checkpoints play, one after another
    each = widgets.GenerateEach(checkpoints, tune)      render with each of them
    interval = widgets.RandomTimeline(bank, tune)       random instruments, and how often a new one comes
    original = widgets.Original(tune)                   the note sequence, and how it is meant to sound
    comparison = widgets.Comparison(player, tune)       all clips side by side, with numbers

Controls that are given each other, or one bank, belong together: what changes in one is heard and seen in the others.

Every one is an ipywidget: a cell that ends with it shows it. What it holds are traits, so that everything a hand can do
can be done in code too.

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
