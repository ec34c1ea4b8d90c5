"""A port of GANSynth to current Python, TensorFlow and Keras: the package behind the notebooks.

    from helpers import audio, gansynth, instruments, midi, render

    model = gansynth.load("demo")
    song = midi.load("data/midi/bach_prelude.mid")
    clip = render.render(model, song, instruments.Timeline.random(model, song.duration, seed=1))
    audio.write(clip, "outputs/prelude.wav")

`gansynth` loads models, `midi` reads scores, `instruments` has named latents, and `render` plays scores with them.
`soundfont` plays a score with sampled instruments for comparison, `spectrograms` plots clips, `page` writes them to a
web page, and `widgets` has controls for notebooks. `training` trains models and `evaluation` measures them. The other
modules support these.

TensorFlow is only imported when a model is loaded.

Notebook: 01_setup.
"""

from . import terminal as _terminal

__version__ = "0.1.0"

if _terminal.is_command():
    _terminal.stop_quietly()
