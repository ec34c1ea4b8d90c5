"""A control that renders one tune with several checkpoints in turn.

Notebook: 00_report.
"""

from __future__ import annotations

import functools
import gc
import html
from collections.abc import Callable
from typing import Any

import ipywidgets
import traitlets

from .. import gansynth, render
from ..instruments import SECONDS_PER_INSTRUMENT, Instrument, Timeline, named
from ..midi import Song
from ..render.types import Part
from .base import Sound
from .checkpoints import Checkpoints
from .generate import Generate
from .tune import Tune, literal


class GenerateEach(Generate):
    """Render a tune with each ticked checkpoint, with random instruments that morph from one to the next.

        choice = Checkpoints()
        each = GenerateEach(choice, tune)
        each.run()                         # or the button
        each.clips                         # name of the checkpoint -> clip

    Each checkpoint is loaded, renders its clip, and is freed before the next one is loaded, so that only one of them is
    in memory. A checkpoint that cannot be downloaded is left out, with a message.

    Args:
      checkpoints: the control in which checkpoints are ticked.
      tune: the score to render.
      seed: seed of the random instruments.
      seconds: time from one instrument to the next (s).
      settings: other arguments of `render.render`.

    Traits:
      clips: name of the checkpoint -> render.Clip, in the order of the list.
      clip: the last of these clips.
      running, drums, stale: as in `Generate`.

    Notebook: 00_report.
    """

    clips = traitlets.Dict()

    def __init__(
        self,
        checkpoints: Checkpoints,
        tune: Tune,
        seed: int = 1,
        seconds: float = SECONDS_PER_INSTRUMENT,
        **settings: Any,
    ):
        self.checkpoints, self._drawn_with, self._seconds = checkpoints, seed, seconds
        self._made: dict[str, render.Clip] = {}
        self._left_out: list[str] = []  # ticked checkpoints that could not be downloaded
        self._rows = ipywidgets.VBox()
        super().__init__(None, tune, **settings)
        # One row per clip replaces the single clip and its report.
        self.set_trait("children", [self._rows if child is self._result else child for child in self.children])
        self._report.layout.display = "none"
        checkpoints.observe(lambda _: self._on_ticked(), "ticked")

    def _on_ticked(self) -> None:
        if not self.running:
            self.say("")
        self._follow()

    def _inform_tune(self, tune: Tune, player: Instrument | Timeline | None) -> None:
        """Does nothing: each checkpoint has its own instruments."""

    def _player_name(self) -> str:
        return " and ".join(self.checkpoints.ticked) or "no checkpoint"

    def _model_identity(self) -> None:
        """Always None: ticking another checkpoint does not make a clip out of date."""

    def _task(
        self, song: Song, parts: dict[int, Part], player: Instrument | Timeline | None
    ) -> Callable[[], render.Clip]:
        if not self.checkpoints.ticked:
            raise ValueError("tick a checkpoint first")
        return functools.partial(self._render_each, song, parts)

    def _render_each(self, song: Song, parts: dict[int, Part]) -> render.Clip:
        """Render with one checkpoint after another; returns the last clip."""
        names = self.checkpoints.get()
        if not names:
            raise ValueError("none of the ticked checkpoints is available: see the list of checkpoints")
        made: dict[str, render.Clip] = {}
        for i, name in enumerate(names):
            self.say(f"rendering with {name} ({i + 1} of {len(names)})" if len(names) > 1 else "")
            clip = self._render_one(name, song, parts)
            gc.collect()  # free this network before the next one is loaded
            if len(clip.samples):
                made[name] = clip
            if self._cancelled.is_set():
                break
        self._made, self._left_out = made, [name for name in self.checkpoints.ticked if name not in names]
        return clip

    def _render_one(self, name: str, song: Song, parts: dict[int, Part]) -> render.Clip:
        model = gansynth.load(name)
        among = named(model).values() or None
        timeline = Timeline.random(model, song.duration, self._drawn_with, self._seconds, among)
        return render.render(
            model,
            song,
            parts,
            timeline,
            **self._all_settings(),
            progress=self._progress,
            stop=self._cancelled.is_set,
        )

    def _show(self, clip: render.Clip) -> None:
        super()._show(clip)
        if self._left_out:
            self.say(f"{' and '.join(self._left_out)} could not be used: see the list of checkpoints")

    def _show_result(self, clip: render.Clip | None) -> None:
        """Show a row for each clip; or none, so that earlier clips are not mistaken for the result."""
        made = {} if clip is None else self._made
        self._rows.children = [_row(name, clip) for name, clip in made.items()]
        if made:
            self.clips = made

    def code(self) -> str:
        settings = "".join(f", {name}={literal(value)}" for name, value in self._all_settings().items())
        every = "" if self._seconds == SECONDS_PER_INSTRUMENT else f", secs_per_instrument={self._seconds:g}"
        return "\n".join(
            [
                "clips = {}",
                f"for name in [{', '.join(map(literal, self.checkpoints.ticked))}]:",
                "    model = gansynth.load(name)",
                "    among = instruments.named(model).values() or None",
                f"    timeline = instruments.Timeline.random(model, song.duration, {self._drawn_with}"
                f"{every}, among=among)",
                f"    clips[name] = render.render(model, song, timeline{settings})",
            ]
        )


def _row(name: str, clip: render.Clip) -> ipywidgets.HBox:
    report, sound = clip.report, Sound()
    sound.load(clip)
    words = f"<b>{html.escape(name)}</b> {report.rendered} of {report.notes} notes in {report.elapsed:.1f} s"
    return ipywidgets.HBox([ipywidgets.HTML(words), sound], layout={"flex_flow": "row wrap", "align_items": "center"})
