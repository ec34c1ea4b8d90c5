"""GANSynth that runs today: the package under the notebooks.

    from helpers import audio, gansynth, instruments, midi, render

    model = gansynth.load("demo")
    song = midi.load("data/midi/bach_prelude.mid")
    clip = render.render(model, song, instruments.Timeline.random(model, song.duration, seed=1))
    audio.write(clip, "outputs/prelude.wav")

`gansynth` loads models, `midi` reads scores, `instruments` are latents with names, `render` plays one with the other.
`soundfont` is what a score usually sounds like, `spectrograms` draw clips, `page` puts them on a page, `widgets` are
controls for notebooks. `training` makes models and `evaluation` measures them. The other modules serve these.

TensorFlow is imported when a model is loaded, not here.

Notebook: 01_setup.
"""

from . import terminal as _terminal

__version__ = "0.1.0"

if _terminal.is_command():
    _terminal.stop_quietly()
