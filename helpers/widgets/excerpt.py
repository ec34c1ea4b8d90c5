"""The part of a score that is played: two handles, its piano roll, and how it is meant to sound.

Notebook: 00_report.
"""

from __future__ import annotations

import ipywidgets
import traitlets

from .. import audio, drawing, midi
from ..midi import Song
from ..planning import Part
from .base import Control, Sound, tip
from .tune import Tune

FIRST_SECONDS = 30.0  # what is chosen of a new score: enough to compare, and short enough to see single notes
SHORTEST = 1.0  # s
STEP = 0.5  # s of the handles
ROLL_INCHES, ROLL_DPI = (9.2, 3.2), 100


class Excerpt(Control):
    """Choose the part of a tune that is played, see its notes and hear them by ordinary instruments.

        excerpt = Excerpt(tune)
        clip = render.render(model, excerpt.song, excerpt.parts)

    Args:
      tune: whose score it is of; another one there begins anew here.
      seconds: how much of a score is chosen at first, from its beginning.

    Traits:
      song: the excerpt, a midi.Song, or None as long as there is no score.
      span: (start, end) in seconds of the score.
      parts_changed: a counter that rises when `parts` changes.

    Notebook: 00_report.
    """

    song = traitlets.Instance(Song, allow_none=True)
    span = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.0, FIRST_SECONDS))
    parts_changed = traitlets.Int(0)

    def __init__(self, tune: Tune, seconds: float = FIRST_SECONDS):
        self.tune, self._seconds = tune, seconds
        self._slider = ipywidgets.FloatRangeSlider(
            min=0.0,
            max=seconds,
            step=STEP,
            description="seconds",
            readout_format=".1f",
            continuous_update=False,
            layout={"width": "100%"},
        )
        self._listen = ipywidgets.Button(description="Listen", icon="play")
        self._roll = ipywidgets.Image(format="png", layout={"width": "100%", "max_width": "920px"})
        self._sound = Sound()
        tip(self._slider, "Where the excerpt begins and ends, in seconds of the score")
        tip(self._listen, "Play the excerpt with a General MIDI soundfont, without the model: audio.reference(song)")
        bar = ipywidgets.HBox([self._listen, self._sound], layout={"flex_flow": "row wrap", "align_items": "center"})
        super().__init__("Excerpt", [self._slider, self._roll, bar])
        self._slider.observe(lambda change: setattr(self, "span", change.new), "value")
        self._listen.on_click(lambda _: self.listen())
        tune.observe(lambda _: self._begin(), "song")
        tune.observe(lambda _: self._on_parts(), "parts_changed")
        self._begin()

    @property
    def parts(self) -> dict[int, Part]:
        """The tune's parts for the tracks that the excerpt has, by their numbers there."""
        if self.song is None:
            return {}
        kept = [number for number, track in enumerate(self.tune.song.tracks, start=1) if self._sounds(track)]
        numbers = {number: position for position, number in enumerate(kept, start=1)}
        return {numbers[number]: part for number, part in self.tune.parts.items() if number in numbers}

    def _sounds(self, track: midi.Track) -> bool:
        start, end = self.span
        return any(note.start < end and note.end > start for note in track.notes)

    def _begin(self) -> None:
        """Take the first seconds of a new score."""
        whole = self.tune.song
        if whole is None:
            self.song = None
            return self._draw()
        end = max(whole.seconds, SHORTEST)
        with self._slider.hold_trait_notifications():
            self._slider.max = end
            self._slider.value = (0.0, min(self._seconds, end))
        self.span = self._slider.value
        self._cut()

    @traitlets.validate("span")
    def _checked(self, proposal) -> tuple[float, float]:
        start, end = proposal.value
        last = max(self.tune.song.seconds, SHORTEST) if self.tune.song else end
        if not 0 <= start < end <= last + STEP:
            raise ValueError(f"an excerpt lies between 0 and {last:.1f} s, unlike {start:g} to {end:g} s")
        return start, end

    @traitlets.observe("span")
    def _on_span(self, change) -> None:
        self._slider.value = change.new
        self._cut()

    def _cut(self) -> None:
        if self.tune.song is None:
            return
        cut = midi.excerpt(self.tune.song, *self.span)
        self.song = cut if cut.tracks else None
        self.say("" if cut.tracks else "no note sounds in these seconds: choose others")
        self._draw()
        self._on_parts()

    def _on_parts(self) -> None:
        self.changed()
        self.parts_changed += 1

    def _draw(self) -> None:
        from matplotlib.figure import Figure

        self._roll.layout.display = "" if self.song else "none"
        if self.song is not None:
            figure = Figure(ROLL_INCHES, ROLL_DPI, layout="constrained")
            midi.plot(self.song, figure.subplots())
            self._roll.value = drawing.png(figure)

    def listen(self) -> None:
        """Play the excerpt as a General MIDI soundfont plays it."""
        with self.attempt():
            if self.song is None:
                raise ValueError("choose a score first")
            self._sound.play(audio.reference(self.song))

    def code(self) -> str:
        start, end = self.span
        return f"song = midi.excerpt(song, {start:g}, {end:g})" if self.song else ""
