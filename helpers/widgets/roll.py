"""The piano roll that controls show, readable in a narrow window too.

Notebook: 07_songs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anywidget
import traitlets

from .. import drawing
from .base import SCRIPTS, script

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Roll(anywidget.AnyWidget):
    """A picture with a time axis that starts at 0. In a narrow window, the page rearranges it.

    Traits:
      value: PNG file, or b"".
      axes: left, bottom, width and height of the axes' box, as shares of the picture.
      seconds: time at the right edge of the axes (s).
    """

    _esm = script("picture.js", "roll.js")
    _css = SCRIPTS / "roll.css"
    value = traitlets.Bytes().tag(sync=True)
    axes = traitlets.List(traitlets.Float(), [0.0, 0.0, 1.0, 1.0]).tag(sync=True)
    seconds = traitlets.Float(0.0).tag(sync=True)

    def show(self, figure: Figure) -> None:
        """Show a figure with a single pair of axes."""
        (ax,) = figure.axes
        picture = drawing.png(figure)  # also lays out the figure, so the position of the axes is read afterwards
        with self.hold_sync():
            self.value, self.axes, self.seconds = picture, list(ax.get_position().bounds), float(ax.get_xlim()[1])
