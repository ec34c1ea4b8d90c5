"""The picture behind the knobs of a sampler: the rainbowgram of one note of each instrument.

Notebook: 10_take_home.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import drawing, spectrograms
from .decentsampler import SIZE
from .sampling import Sampled, Zone

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 100
MIDDLE_C = 60
SECONDS = 3.0
MAX_DRAWN = 4
SIDE = 0.76  # of the width that the pictures have; the knobs stand beside them
INK, PAPER = "white", "#15181c"
DEPTH = 60.0  # dB from the brightest to black


def cover(sampled: Sampled) -> bytes:
    """A PNG of the size of DecentSampler's window."""
    from matplotlib.figure import Figure

    shown = sampled.instruments[:MAX_DRAWN]
    with drawing.plain():
        figure = Figure(figsize=(SIZE[0] / DPI, SIZE[1] / DPI), dpi=DPI, facecolor=PAPER)
        for i, instrument in enumerate(shown):
            ax = figure.add_axes((0.02 + i * SIDE / len(shown), 0.06, SIDE / len(shown) - 0.02, 0.8))
            zone = min(instrument.zones, key=lambda zone: (abs(zone.pitch - MIDDLE_C), -zone.loud))
            _draw(ax, zone, sampled.sample_rate)
            drawing.literal(ax.set_title(instrument.name[:40], color=INK, fontsize=13, loc="left"))
        return drawing.png(figure)


def _draw(ax: Axes, zone: Zone, sample_rate: int) -> None:
    import matplotlib

    q = spectrograms.constant_q(zone.samples[: round(SECONDS * sample_rate)], sample_rate)
    bright = q.level(DEPTH)[:, 1:] / DEPTH + 1
    hues = matplotlib.colormaps["rainbow"](q.advance() / 2 + 0.5)[..., :3]
    ax.imshow(hues * bright[..., None], origin="lower", aspect="auto", interpolation="bilinear")
    ax.set_axis_off()
