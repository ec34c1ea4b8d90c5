"""The port: GANSynth's generator and its spectral transforms, over plain arrays and checkpoints.

    model = gansynth.load("demo")
    waves = model.generate(model.sample_z(2, seed=1), [60, 64])

Nothing here depends on MIDI or notebooks; only `hub`, which finds and downloads checkpoints, accesses the web.
"""

from .cache import NoteCache
from .model import GANSynth, load
from .shared import SharedNotes
from .threads import cores, threads, use_threads

__all__ = ["GANSynth", "NoteCache", "SharedNotes", "cores", "load", "threads", "use_threads"]
