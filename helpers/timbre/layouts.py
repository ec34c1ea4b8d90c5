"""A two-dimensional map of an atlas, on which similar instruments are close together.

    places = timbre.layout(atlas)
    places.points, places.shares, places.meanings

Notebook: 09_explore.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import in_one_line
from .descriptors import NAMES
from .steering import MORE

if TYPE_CHECKING:
    from .atlases import Atlas

DESCRIPTORS, LATENTS = "descriptors", "latents"
BY = (DESCRIPTORS, LATENTS)
FARTHEST = 3.0  # standard deviations at which descriptors are clipped, so that an outlier does not squeeze the map
MEANS_FROM = 0.5  # correlation with a descriptor from which an axis is named after it
MEANINGS = 2  # maximum number of descriptors that an axis is named after


class Layout(NamedTuple):
    """The positions of an atlas' instruments on a map.

    Attributes:
      points: coordinates to the right and up, [n, 2], in the order of the atlas; the mean of each column is 0.
      shares: share of the variance explained by each axis.
      meanings: how the sound changes along each axis, such as "brighter, thinner"; "" if no descriptor correlates.
    """

    points: np.ndarray
    shares: tuple[float, float]
    meanings: tuple[str, str]

    def __repr__(self) -> str:
        across, up = self.shares
        return f"Layout({len(self.points)} instruments, {across:.0%} and {up:.0%} of the variance)"


@in_one_line
def layout(atlas: Atlas, by: str = DESCRIPTORS) -> Layout:
    """Lay an atlas out in two dimensions by principal component analysis.

    Args:
      atlas: the atlas.
      by: "descriptors", the sound of the instruments (standardised descriptors, clipped at 3 standard deviations); or
        "latents", their positions in the latent space. Two axes explain only a small share of the variance of latents.
        First-layer activations are ignored.

    Returns:
      The layout. The sign of each axis is chosen so that the descriptor with the strongest correlation increases.

    Raises:
      ValueError: `by` is neither of these, or the atlas has only one instrument.

    >>> from helpers import gansynth, timbre
    >>> places = timbre.layout(timbre.atlas(gansynth.load("demo")))
    >>> places.points.shape
    (512, 2)

    Notebook: 09_explore.
    """
    if by not in BY:
        raise ValueError(f"by is {by!r}; it can be {' or '.join(BY)}")
    if len(atlas) < 2:
        raise ValueError(f"a map needs at least two instruments; this atlas has {len(atlas)}")
    if by == DESCRIPTORS:
        rows = np.clip(_standardised(atlas.values), -FARTHEST, FARTHEST)
    else:
        rows = np.stack([instrument.z[: atlas.model.latent_vector_size] for instrument in atlas.instruments])
    rows = rows - rows.mean(axis=0)
    # Two instruments have only one axis; the padding adds a second one of length zero.
    left, lengths, _ = np.linalg.svd(np.vstack([rows, np.zeros_like(rows[:1])]), full_matrices=False)
    points = left[:-1, :2] * lengths[:2]
    shares = lengths[:2] ** 2 / max(float(np.sum(lengths**2)), 1e-12)
    along = _standardised(points).T @ _standardised(atlas.values) / len(points)  # correlations [2, descriptors]
    signs = np.where(along[[0, 1], np.abs(along).argmax(axis=1)] < 0, -1.0, 1.0)  # an SVD does not determine them
    across, up = (_meaning(sign * row) for sign, row in zip(signs, along, strict=True))
    return Layout(points * signs, (float(shares[0]), float(shares[1])), (across, up))


def _standardised(columns: np.ndarray) -> np.ndarray:
    """Columns in standard deviations from their mean; 0 for constant columns."""
    deviations = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(deviations > 1e-6, deviations, np.inf)


def _meaning(correlations: np.ndarray) -> str:
    """The name of an axis, from its correlations with the descriptors."""
    strongest = np.argsort(-np.abs(correlations), kind="stable")[:MEANINGS]
    return ", ".join(MORE[NAMES[i]][int(correlations[i] < 0)] for i in strongest if abs(correlations[i]) >= MEANS_FROM)
