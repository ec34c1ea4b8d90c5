"""GANSynth that runs today: the package under the notebooks.

`from helpers import gansynth, midi, instruments, render, audio, spectrograms` is all a notebook needs. TensorFlow is
imported when a model is loaded, not here.

Notebook: 01_setup.
"""

__version__ = "0.1.0"
