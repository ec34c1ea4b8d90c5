"""A timeline of random instruments, with controls for the interval, the source of the instruments and the seed.

Notebook: 00_report.
"""

from __future__ import annotations

import html

import ipywidgets
import traitlets

from ..instruments import SECONDS_PER_INSTRUMENT, Bank, Timeline, named
from .base import Control, tip
from .tune import Tune

SECONDS = (0.5, 30.0, 0.5)  # s from one instrument to the next: shortest, longest, step
LAST_SEED = 2**32 - 1
NAMED, ANYWHERE = "named instruments", "any point of the latent space"


class RandomTimeline(Control):
    """Random instruments, each morphing into the next: a control for `instruments.Timeline.random`.

        timeline = RandomTimeline(bank, tune, seconds=4)
        button = Generate(bank, tune, timeline)

    If the model has named instruments, the random ones are drawn from those, unless any point of the latent space is
    chosen as their source.

    Args:
      bank: the bank whose model the instruments belong to; the control follows its changes.
      tune: the score whose duration the timeline covers; the control follows its changes.
      seconds: time from one instrument to the next (s).
      seed: random seed.

    Traits:
      seconds, seed: as above.
      anywhere: whether to draw from the whole latent space instead of the named instruments.
      timeline: the resulting timeline; None without a score.

    Notebook: 00_report.
    """

    seconds = traitlets.CFloat(SECONDS_PER_INSTRUMENT, min=SECONDS[0], max=SECONDS[1])
    seed = traitlets.CInt(1, min=0, max=LAST_SEED)
    anywhere = traitlets.Bool(False)
    timeline = traitlets.Instance(Timeline, allow_none=True)

    def __init__(self, bank: Bank, tune: Tune, seconds: float = SECONDS_PER_INSTRUMENT, seed: int = 1):
        self._bank, self._tune = bank, tune
        least, most, step = SECONDS
        self._slider = ipywidgets.FloatSlider(
            min=least, max=most, step=step, description="every", readout_format=".1f", continuous_update=False
        )
        self._number = ipywidgets.BoundedIntText(min=0, max=LAST_SEED, description="seed")
        self._source = ipywidgets.ToggleButtons(options=[(NAMED, False), (ANYWHERE, True)])
        self._source.style.button_width = "auto"
        self._words = ipywidgets.HTML()
        tip(self._slider, "Seconds from one instrument to the next")
        tip(self._number, "Another seed draws other instruments; the same seed draws the same ones")
        tip(self._source, "Where the instruments come from")
        row = ipywidgets.HBox([self._slider, ipywidgets.Label("seconds"), self._number])
        row.layout = {"flex_flow": "row wrap", "align_items": "center"}
        super().__init__("Random instruments", [row, self._source, self._words])
        self.set_trait("seconds", seconds)
        self.set_trait("seed", seed)
        traitlets.link((self, "seconds"), (self._slider, "value"))
        traitlets.link((self, "seed"), (self._number, "value"))
        traitlets.link((self, "anywhere"), (self._source, "value"))
        self.observe(lambda _: self._make(), ["seconds", "seed", "anywhere"])
        tune.observe(lambda _: self._make(), "song")
        bank.on_change(self._make)
        self._make()

    @property
    def _among(self) -> bool:
        """Whether the instruments are drawn from the named ones."""
        return bool(named(self._bank.model)) and not self.anywhere

    def _make(self) -> None:
        model, song = self._bank.model, self._tune.song
        self._source.layout.display = "" if named(model) else "none"
        self.timeline = None
        if song is not None and song.duration > 0:
            among = list(self._bank.own.values()) if self._among else None
            self.timeline = Timeline.random(model, song.duration, self.seed, self.seconds, among)
        names = [instrument.name for instrument, _ in self.timeline.stops] if self.timeline else []
        self._words.value = html.escape(" › ".join(names))
        self.changed()

    def code(self) -> str:
        among = ", among=instruments.named(model).values()" if self._among else ""
        return (
            f"timeline = instruments.Timeline.random(model, song.duration, seed={self.seed}, "
            f"secs_per_instrument={self.seconds:g}{among})"
        )
