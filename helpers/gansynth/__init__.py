"""The port: GANSynth's generator and its spectral transforms, over plain arrays and checkpoints.

    model = gansynth.load("demo")
    waves = model.generate(model.sample_z(2, seed=1), [60, 64])

It knows nothing of MIDI, notebooks or the web.
"""

import os

# On machines without a GPU TensorFlow reports that as an error, several times, before the first sound.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from .cache import NoteCache
from .model import GANSynth, load

__all__ = ["GANSynth", "NoteCache", "load"]
