"""A notebook with every control on it, over a stand-in for a model, so that it is there within seconds."""

import shutil
from pathlib import Path

import drive

TITLES = (
    "Tune", "Instrument browser", "Blend pad", "Timbre map", "Steering", "Timeline", "Mixer", "Generate", "Player",
    "Keyboard", "Match",
)  # fmt: skip
NAMES = ("Flute", "Trumpet", "Vibraphone", "Cello", "Electric Piano, soft", "Acoustic Bass", "Glockenspiel", "Harp")
MORE = 60  # further instruments, so that the browser has pages

SETUP = f"""
import sys
sys.path[:0] = ["..", "."]
import numpy as np
from inputs import Stub, atlas_of, directions_of, matched
from helpers import audio, instruments, matching, midi, render, soundfont, widgets
matching.match = matched

class Model(Stub):
    def generate(self, z, pitches, *given, **how):
        return super().generate(np.broadcast_to(z, (len(pitches), np.shape(z)[-1])), pitches, *given, **how)

model = Model()
drawn = instruments.sample(model, {len(NAMES) + MORE}, seed=1)
bank = {{name: instruments.Instrument(name, i.z) for name, i in zip({NAMES}, drawn)}}
bank |= {{i.name: i for i in drawn[len(bank):]}}
song = midi.load("../data/midi/study.mid")
"""
CELLS = (
    "tune = widgets.Tune(bank, '../data/midi/study.mid')\ntune",
    "browser = widgets.Browser(model, bank, path='stars.json')\nbrowser",
    "pad = widgets.BlendPad(model, list(bank)[:4], bank)\npad",
    "explore = widgets.TimbreMap(atlas_of(model), instruments.bank(model, path='map.json'))\n"
    "explore.path = ['stub 0-3', 'stub 0-8']\nexplore",
    "steering = widgets.Steering(directions_of(), instruments.bank(model, path='map.json'))\nsteering",
    "players = instruments.Timeline([bank[name] for name in list(bank)[:6]], at=[0, 9, 20, 21, 25, 29])\n"
    "editor = widgets.TimelineEditor(bank, tune, players)\neditor",
    "mixer = widgets.Mixer(tune)\nmixer",
    "button = widgets.Generate(model, midi.excerpt(song, 0, 3), editor)\nclip = button.run()\nbutton",
    "player = widgets.Player({'original': soundfont.reference(midi.excerpt(song, 0, 3)), 'custom instruments': clip})\n"
    "player",
    "keyboard = widgets.Keyboard(model, list(bank)[:4], bank)\nkeyboard",
    "mine = widgets.Match(instruments.bank(model, path='mine.json'))\nmine.run()\nmine",
    "audio.play(clip)",
)


def write(checkout):
    """Write it. Returns its path, relative to the checkout."""
    path = drive.write(checkout, "everything", SETUP.strip(), *CELLS)
    shutil.copy(Path(__file__).resolve().parents[1] / "inputs.py", (checkout / path).parent)
    return path
