"""Figures of a training: spectrograms side by side, and curves.

Notebook: 08_train.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import drawing
from ..files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

# The channels of a spectrogram with their colour map and range; the curves of each plot, with their columns and signs.
CHANNELS = (("log magnitude", "magma", -14, 6), ("instantaneous frequency", "twilight", -1, 1))
PLOTTED = {
    "distance: scores of real minus generated notes": {"distance": ("wasserstein", -1)},
    "pitch accuracy": {"real notes": ("real_pitch_accuracy", 1), "generated": ("fake_pitch_accuracy", 1)},
}
SMOOTHING = 20  # curves are running means over this fraction (1 / SMOOTHING) of the run


def plot_data(data: np.ndarray, path: Path) -> Path:
    """Write a figure of spectrograms [n, frames, bins, 2]: log magnitude above, instantaneous frequency below."""
    from matplotlib.figure import Figure

    with drawing.plain():
        figure = Figure(figsize=(2.5 * len(data), 6), layout="constrained")
        for channel, row in enumerate(figure.subplots(2, len(data), squeeze=False)):
            image = draw_row(data, row, channel)
            row[0].set_ylabel(CHANNELS[channel][0])
            figure.colorbar(image, ax=row)
        with replacing(path) as partial:
            figure.savefig(partial, dpi=80)
    return path


def draw_row(data: np.ndarray, axes: Sequence[Axes] | np.ndarray, channel: int = 0) -> AxesImage:
    """Draw one channel of spectrograms [n, frames, bins, 2] into n axes, without ticks.

    Args:
      data: spectrograms in data units, as from `GANSynth.generate_data` or `Notes.batch`.
      axes: one matplotlib axes for each.
      channel: 0 for log magnitude, 1 for instantaneous frequency. The colour scale is the same in every figure.

    Returns:
      The last image, to make a colour bar from.
    """
    _, colours, low, high = CHANNELS[channel]
    how = {"origin": "lower", "aspect": "auto", "interpolation": "nearest", "cmap": colours, "vmin": low, "vmax": high}
    for ax, note in zip(axes, data, strict=True):
        image = ax.imshow(note[:, :, channel].T, **how)
        ax.set(xticks=[], yticks=[])
    return image


def plot_losses(
    history: Iterable[Mapping[str, Any]], axes: Sequence[Axes] | np.ndarray | None = None
) -> Sequence[Axes] | np.ndarray:
    """Plot the curves of a training: the distance between scores of real and generated notes, and the pitch accuracy.

    Each curve is a running mean over a twentieth of the run so far; vertical lines mark the start of a stage.

    Args:
      history: rows with "images", "stage" and the values that `Trainer.step` returns, such as those of a run's
        losses.csv: `plot_losses(csv.DictReader(open("runs/mine/losses.csv")))`.
      axes: two matplotlib axes, which are cleared first; new ones by default.

    Returns:
      The two axes.

    Raises:
      ValueError: there are no rows.
    """
    # Columns that are measured only now and then are empty in most rows.
    rows = [{name: float(value) for name, value in row.items() if value != ""} for row in history]
    if not rows:
        raise ValueError("there are no losses to plot yet")
    if axes is None:
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(1, 2, figsize=(11, 3), layout="constrained")
    images = [row["images"] for row in rows]
    begins = [after["images"] for before, after in itertools.pairwise(rows) if before["stage"] != after["stage"]]
    window = -(-len(rows) // SMOOTHING)
    for ax, (title, curves) in zip(axes, PLOTTED.items(), strict=True):
        ax.clear()
        for label, (name, sign) in curves.items():
            sums = np.cumsum([0.0] + [sign * row[name] for row in rows])
            ends = np.arange(1, len(rows) + 1)
            starts = np.maximum(ends - window, 0)
            ax.plot(images, (sums[ends] - sums[starts]) / (ends - starts), label=label)
        for begin in begins:
            ax.axvline(begin, color="0.85", linewidth=0.8, zorder=0)
        ax.set(xlabel="images", title=title)
        if len(curves) > 1:
            ax.legend(frameon=False)
    return axes
