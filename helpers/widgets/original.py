"""The score of a tune: a large piano roll, and a rendering with ordinary instruments.

Notebook: 00_report.
"""

from __future__ import annotations

import ipywidgets

from .. import drawing, midi
from .base import Control, Sound, tip
from .roll import Roll
from .tune import Tune

ROLL_INCHES, ROLL_DPI = (9.2, 3.4), 100


class Original(Control):
    """The note sequence of a tune as a piano roll, and the tune as a General MIDI soundfont plays it.

        tune = Tune()
        original = Original(tune)

    Args:
      tune: the control with the score; another score there is shown here at once.

    Notebook: 00_report.
    """

    def __init__(self, tune: Tune):
        self._tune = tune
        self._roll = Roll()
        self._listen = ipywidgets.Button(description="Listen", icon="play")
        self._sound = Sound()
        tip(self._listen, "Play it with a General MIDI soundfont, without a neural network: soundfont.reference(song)")
        bar = ipywidgets.HBox([self._listen, self._sound], layout={"flex_flow": "row wrap", "align_items": "center"})
        super().__init__("Original", [self._roll, bar])
        self._listen.on_click(lambda _: self.listen())
        tune.observe(lambda _: self._show(), "song")
        self._show()

    def _show(self) -> None:
        from matplotlib.figure import Figure

        song = self._tune.song
        self._roll.layout.display = "" if song else "none"
        self._listen.disabled = song is None
        self.say("" if song else "choose a score first")
        if song is not None:
            with drawing.plain():
                figure = Figure(ROLL_INCHES, ROLL_DPI, layout="constrained")
                midi.plot(song, figure.subplots()).set_title("")  # the Tune control shows the title
                self._roll.show(figure)
        self.changed()

    def listen(self) -> None:
        """Play the tune as a General MIDI soundfont plays it."""
        with self.attempt():
            clip = self._tune.reference()
            if clip is None:
                raise ValueError("choose a score first")
            self._sound.play(clip)

    def code(self) -> str:
        return "midi.plot(song); audio.play(soundfont.reference(song))" if self._tune.song else ""
