"""A list of checkpoints to choose from by ticking; those that are not installed yet are downloaded.

Notebook: 00_report.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import ipywidgets
import traitlets

from ..gansynth import hub
from .base import Control, tip
from .tune import literal

ABOUT = {
    "demo": "94 instruments of two free soundfonts",
    "acoustic_only": "published by Magenta: acoustic instruments",
    "all_instruments": "published by Magenta: acoustic, electronic and synthetic instruments",
}
MB = 1e6


class Checkpoints(Control):
    """Tick the checkpoints to use.

        choice = Checkpoints()
        for name in choice.get():          # downloads ticked checkpoints that are missing
            model = gansynth.load(name)

    A checkpoint that cannot be downloaded is left out, with the reason in its line; the others are still returned.

    Args:
      ticked: names that are ticked at the start; by default those that need no download.

    Traits:
      ticked: names of the ticked checkpoints, in the order of the list.

    Notebook: 00_report.
    """

    ticked = traitlets.List(traitlets.Unicode())

    def __init__(self, ticked: Sequence[str] | None = None):
        entries = hub.listing()
        self._boxes = {entry.name: self._box(entry) for entry in entries if entry.state != "missing"}
        self._lines = {name: ipywidgets.HTML() for name in self._boxes}
        self._get = tip(
            ipywidgets.Button(description="Get", icon="download"), "Download the ticked checkpoints that are missing"
        )
        rows = [ipywidgets.HBox([box, self._lines[name]]) for name, box in self._boxes.items()]
        for row in rows:
            row.layout = {"flex_flow": "row wrap", "align_items": "center"}
        super().__init__("Checkpoints", [*rows, self._get])
        self._get.on_click(lambda _: self.get())
        for name in self._boxes:
            self._say(name)
        here = [entry.name for entry in entries if entry.bytes]
        self.ticked = here if ticked is None else list(ticked)
        self.changed()

    def _box(self, entry: hub.CheckpointEntry) -> ipywidgets.Checkbox:
        box = ipywidgets.Checkbox(description=entry.name, indent=False, layout={"width": "170px"})
        tip(box, f"Play with {entry.name}")
        box.observe(self._on_box, "value")
        return box

    def _on_box(self, _: traitlets.Bunch) -> None:
        self.ticked = [name for name, box in self._boxes.items() if box.value]

    @traitlets.validate("ticked")
    def _known(self, proposal: traitlets.Bunch) -> list[str]:
        for name in proposal.value:
            if name not in self._boxes:
                raise ValueError(f"there is no checkpoint {name!r}; the checkpoints are {', '.join(self._boxes)}")
        return [name for name in self._boxes if name in proposal.value]

    @traitlets.observe("ticked")
    def _on_ticked(self, change: traitlets.Bunch) -> None:
        for name, box in self._boxes.items():
            box.value = name in change.new
        self.changed()

    def get(self) -> list[str]:
        """Download the ticked checkpoints that are missing.

        Returns:
          The names of the ticked checkpoints that can be loaded now.
        """
        self.say("")
        self._get.disabled = True
        try:
            return [name for name in self.ticked if self._fetch(name)]
        finally:
            self._get.disabled = False

    def _fetch(self, name: str) -> bool:
        entry = self._entry(name)
        try:
            if not entry.bytes:
                self._say(name, "connecting …")
                hub.download(name, progress=lambda have, total: self._arriving(name, have, total))
            self._say(name)
        except (OSError, ValueError) as error:
            self._say(name, f"left out: {error}", "gansynth-error")
            return False
        return True

    def _arriving(self, name: str, have: int, total: int | None) -> None:
        self._say(name, f"{have / MB:.0f}{f' of {total / MB:.0f}' if total else ''} MB downloaded")

    def _say(self, name: str, text: str | None = None, kind: str = "gansynth-news") -> None:
        """Set the text of a checkpoint's line; by default what it was trained on, and whether it is installed."""
        if text is None:
            entry = self._entry(name)
            where = f"installed, {entry.bytes / MB:.0f} MB" if entry.bytes else "downloaded when needed"
            text = "; ".join(part for part in (ABOUT.get(name), where) if part)
        self._lines[name].value = f'<span class="{kind}" role="status">{html.escape(text)}</span>'

    def _entry(self, name: str) -> hub.CheckpointEntry:
        return next(entry for entry in hub.listing() if entry.name == name)

    def code(self) -> str:
        return f"names = [{', '.join(map(literal, self.ticked))}]" if self.ticked else ""
