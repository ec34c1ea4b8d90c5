"""Draw the diagrams of the notebooks: docs/figures/gan.png (08_train) and docs/figures/generator.png (02_checkpoints).

    python tools/make_figures.py
    python tools/stamp_notebooks.py    # writes them into the notebooks

They have a white background, so that they are readable on a dark page too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image

from helpers.gansynth.config import Config

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "figures"
DPI = 150
COLORS = 64  # enough for these diagrams, at a third of the bytes, which are part of the notebooks
INK, BLUE, ORANGE, GREEN, GREY = "#222222", "#1f5fa8", "#b3541e", "#2b7a3d", "#666666"
TINTS = {BLUE: "#e3edf8", ORANGE: "#fbe9de", GREEN: "#e4f2e7", GREY: "#f1f1f1"}


def sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """A white page with coordinates in inches from its lower left corner."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.axis("off")
    return figure, ax


def box(ax: Axes, x: float, y: float, width: float, height: float, text: str, color: str, size: float = 11) -> None:
    """A rounded box with its centre at x, y."""
    shape = "round,pad=0,rounding_size=0.08"
    corner = (x - width / 2, y - height / 2)
    ax.add_patch(FancyBboxPatch(corner, width, height, shape, facecolor=TINTS[color], edgecolor=color, linewidth=1.5))
    ax.text(x, y, text, ha="center", va="center", fontsize=size, color=INK, linespacing=1.35)


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], color: str = INK, bend: float = 0.0) -> None:
    style = {"arrowstyle": "-|>", "color": color, "linewidth": 1.5, "connectionstyle": f"arc3,rad={bend}"}
    ax.annotate("", end, start, arrowprops=style | {"shrinkA": 0, "shrinkB": 0})


def note(ax: Axes, x: float, y: float, width: float, height: float, noise: float) -> None:
    """A small spectrogram of a harmonic sound in noise, with its lower left corner at x, y."""
    rows, columns = np.mgrid[0:48, 0:64]
    partials = np.exp(-(((rows % 8) - 3) ** 2) / 1.2) * np.exp(-rows / 26)
    image = partials * np.exp(-columns / 50) * (columns > 3) + noise * np.random.default_rng(1).random(rows.shape)
    ax.imshow(image, extent=(x, x + width, y, y + height), origin="lower", cmap="magma", aspect="auto", zorder=2)
    ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=INK, linewidth=1, zorder=3))


def gan() -> Figure:
    """Generator and discriminator: their inputs, their outputs, and what they learn from."""
    figure, ax = sheet(8, 4.4)
    box(ax, 0.85, 3.5, 1.3, 0.62, "latent z\n256 numbers", GREY)
    box(ax, 0.85, 2.7, 1.3, 0.62, "pitch\n1 of 61", GREY)
    box(ax, 2.55, 3.1, 1.35, 1.0, "GENERATOR", BLUE, 12)
    arrow(ax, (1.5, 3.5), (1.87, 3.3))
    arrow(ax, (1.5, 2.7), (1.87, 2.9))
    note(ax, 3.75, 2.65, 1.0, 0.9, noise=0.45)
    ax.text(4.25, 3.66, "generated note", ha="center", fontsize=10.5, color=INK)
    arrow(ax, (3.23, 3.1), (3.73, 3.1))
    note(ax, 3.75, 0.95, 1.0, 0.9, noise=0.05)
    ax.text(4.25, 1.96, "real note", ha="center", fontsize=10.5, color=INK)
    box(ax, 2.55, 1.4, 1.35, 0.62, "recordings", GREY)
    arrow(ax, (3.23, 1.4), (3.73, 1.4))
    box(ax, 5.9, 2.25, 1.4, 1.0, "DISCRIMI-\nNATOR", ORANGE, 12)
    arrow(ax, (4.76, 3.1), (5.3, 2.77))
    arrow(ax, (4.76, 1.4), (5.3, 1.73))
    box(ax, 7.3, 2.72, 1.1, 0.62, "score:\nhow real", GREEN, 10.5)
    box(ax, 7.3, 1.78, 1.1, 0.62, "pitch:\none of 61", GREEN, 10.5)
    arrow(ax, (6.61, 2.45), (6.74, 2.62))
    arrow(ax, (6.61, 2.05), (6.74, 1.88))
    ax.plot([7.3, 7.3, 2.55], [3.04, 4.1, 4.1], color=BLUE, linewidth=1.5, linestyle="--")
    arrow(ax, (2.55, 4.1), (2.55, 3.62), BLUE)
    ax.text(4.95, 4.18, "learns: a higher score, and the pitch it was asked for", ha="center", fontsize=10, color=BLUE)
    ax.plot([7.3, 7.3, 5.9], [1.46, 0.6, 0.6], color=ORANGE, linewidth=1.5, linestyle="--")
    arrow(ax, (5.9, 0.6), (5.9, 1.73), ORANGE)
    ax.text(
        4.6, 0.2, "learns: real notes score higher than generated ones; real notes' pitches",
        ha="center", fontsize=10, color=ORANGE,
    )  # fmt: skip
    return figure


def generator(config: Config) -> Figure:
    """The blocks of the generator; the sides of each image are drawn on a logarithmic scale."""
    figure, ax = sheet(8, 4.0)
    middle = 1.95
    box(ax, 0.6, middle + 0.5, 1.0, 0.62, "latent z\n256", GREY, 10.5)
    box(ax, 0.6, middle - 0.5, 1.0, 0.62, "pitch\n61", GREY, 10.5)
    x = 1.42
    arrow(ax, (1.1, middle + 0.4), (x, middle + 0.12))
    arrow(ax, (1.1, middle - 0.4), (x, middle - 0.12))
    for block in range(1, config.num_resolutions + 1):
        factor = 2 ** (block - 1)
        frames, bins = config.start_height * factor, config.start_width * factor
        width, height = 0.16 + 0.055 * np.log2(frames), 0.22 * np.log2(bins)
        color = TINTS[BLUE]
        ax.add_patch(Rectangle((x, middle - height / 2), width, height, facecolor=color, edgecolor=BLUE, linewidth=1.5))
        centre = x + width / 2
        ax.text(
            centre, middle, f"{config.filters(block)}", ha="center", va="center", rotation=90, fontsize=10.5, color=INK
        )
        ax.text(centre, middle + height / 2 + 0.08, f"{block}", ha="center", fontsize=10.5, color=BLUE)
        ax.text(
            centre, middle - height / 2 - 0.08, f"{frames}\n×{bins}", ha="center", va="top", fontsize=9.5, color=INK
        )
        end, x = x + width, x + width + 0.24
        if block < config.num_resolutions:
            arrow(ax, (end + 0.02, middle), (x - 0.02, middle))
    for name, up in (("log\nmagnitude", 0.62), ("instantaneous\nfrequency", -0.62)):
        arrow(ax, (end + 0.02, middle + 0.4 * up), (x - 0.02, middle + 0.7 * up))
        box(ax, x + 0.55, middle + up, 1.1, 0.85, name, ORANGE, 9.5)
        arrow(ax, (x + 1.11, middle + 0.65 * up), (x + 1.36, middle + 0.22 * up))
    ax.text(x + 1.4, middle, "sound", ha="left", va="center", fontsize=11, color=GREEN, fontweight="bold")
    above = "numbered: the blocks, two convolutions each; all but the first begin by doubling both sides"
    below = "inside: channels · below: time frames × frequency bins (sides drawn on a logarithmic scale)"
    ax.text(4, 3.72, above, ha="center", fontsize=9.5, color=BLUE)
    ax.text(4, 0.14, below, ha="center", fontsize=9.5, color=GREY)
    return figure


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, figure in (("gan", gan()), ("generator", generator(Config()))):
        path = FOLDER / f"{name}.png"
        figure.savefig(path)
        Image.open(path).convert("RGB").quantize(COLORS).save(path, optimize=True)
        print(path)


if __name__ == "__main__":
    main()
