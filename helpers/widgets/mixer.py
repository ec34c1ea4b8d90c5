"""A control for the mix: the gain and pan of each track of a song.

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import ipywidgets
import traitlets

from ..midi import Track
from ..render.types import Part
from .base import Control, tip
from .tune import MAX_ROWS, label, parts_code, row_of

if TYPE_CHECKING:
    from ..midi import Song
    from .tune import Tune

GAIN = (-30.0, 12.0, 0.5)  # dB: lowest, highest, step
PAN = (-1.0, 1.0, 0.05)  # left, right, step


class Mixer(Control):
    """Gain and pan for each track of a tune.

        mixer = Mixer(tune)
        mixer.set(2, gain=-6.0, pan=0.5)
        clip = render.render(model, mixer.song, mixer.parts)

    Args:
      tune: the control whose song is mixed; another song resets the mixer.

    Traits:
      parts_changed: a counter that rises whenever `song` or `parts` changes, in the mixer or in the tune.

    Notebook: 07_songs.
    """

    parts_changed = traitlets.Int(0)

    def __init__(self, tune: Tune):
        self.tune = tune
        self._rows: list[dict[str, ipywidgets.Widget]] = []
        self._tracks = ipywidgets.GridBox()
        self._tracks.add_class("gansynth-mix")
        super().__init__("Mixer", [self._tracks])
        tune.observe(lambda _: self._show(), "song")
        tune.observe(lambda _: self._moved(), "parts_changed")
        self._show()

    @property
    def song(self) -> Song | None:
        """The song of the tune, or None."""
        return self.tune.song

    @property
    def parts(self) -> dict[int, Part]:
        """The tune's parts with gain and pan, by track number, for `render.render`; unchanged tracks are left out."""
        parts = self.tune.parts
        for number, row in enumerate(self._rows, start=1):
            pan = None if row["written"].value else round(row["pan"].value, 2)
            parts[number] = dataclasses.replace(parts.get(number, Part()), gain=round(row["gain"].value, 1), pan=pan)
        return {number: part for number, part in sorted(parts.items()) if part != Part()}

    def set(self, number: int, **place: float | None) -> None:
        """Set the gain or pan of a track.

        Args:
          number: track number, from 1.
          place: `gain` in dB; `pan` from -1 (left) to 1 (right), or None for the pan written in the file.

        Raises:
          ValueError: there is no such track, or a value is out of range.
        """
        row = row_of(self._rows, number)
        for name, value in place.items():
            low, high, _ = {"gain": GAIN, "pan": PAN}[name]
            if not (name == "pan" if value is None else low <= value <= high):
                raise ValueError(f"{name} is {value}; it must be between {low:g} and {high:g}")
        if "gain" in place:
            row["gain"].value = place["gain"]
        if "pan" in place:
            row["written"].value = place["pan"] is None
            if place["pan"] is not None:
                row["pan"].value = place["pan"]

    def _show(self) -> None:
        """Show a new song."""
        tracks = self.song.tracks[:MAX_ROWS] if self.song else ()
        self._rows = [self._row(track) for track in tracks]
        cells = []
        for number, (track, row) in enumerate(zip(tracks, self._rows, strict=True), start=1):
            cells += [label(number, track), row["gain"], row["pan"], row["written"]]
        self._tracks.children = cells
        self._moved()

    def _row(self, track: Track) -> dict[str, ipywidgets.Widget]:
        """The widgets of a track."""
        moves = track.controls.get("pan", ())
        # Rounded to a step of the slider, since browsers do so, and that must not count as a choice of the user.
        as_written = round(round(moves[0][1] / PAN[2]) * PAN[2], 2) if moves else 0.0
        sliders = {}
        for name, value, (low, high, step), form in (("gain", 0.0, GAIN, "+.1f"), ("pan", as_written, PAN, "+.2f")):
            sliders[name] = ipywidgets.FloatSlider(
                value, min=low, max=high, step=step, description=name, readout_format=form, layout={"width": "auto"},
                style={"description_width": "40px"},
            )  # fmt: skip
        gain, pan = sliders["gain"], sliders["pan"]
        written = ipywidgets.Checkbox(True, description="as written", indent=False, layout={"width": "auto"})
        tip(gain, f"Gain of {track.name}, in dB")
        tip(pan, f"Pan of {track.name}, from -1 (left) to 1 (right)")
        tip(written, f"Pan {track.name} as written in the file")

        def moved(change: traitlets.Bunch) -> None:
            if round(change.new, 2) != as_written:
                written.value = False

        def restored(change: traitlets.Bunch) -> None:
            if change.new:
                pan.value = as_written

        pan.observe(moved, "value")
        written.observe(restored, "value")
        row = {"gain": gain, "pan": pan, "written": written}
        for widget in row.values():
            widget.observe(lambda _: self._moved(), "value")
        return row

    def _moved(self) -> None:
        self.changed()
        self.parts_changed += 1

    def code(self) -> str:
        """Code for the dict of parts that `render.render` takes."""
        return parts_code(self.parts, self.tune.bank)
