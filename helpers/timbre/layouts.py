"""A map of an atlas: instruments that differ little lie close together, in two dimensions.

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
FARTHEST = 3.0  # standard deviations at which a descriptor is cut off: one odd sound would squeeze all others
MEANS_FROM = 0.5  # correlation of an axis with a descriptor that is a reason to name it
MEANINGS = 2  # descriptors that an axis is named after, at most


class Layout(NamedTuple):
    """Where the instruments of an atlas lie.

    Attributes:
      points: to the right and up, [n, 2], in the order of the atlas; the mean of each column is 0.
      shares: of the variance that each of the two axes carries.
      meanings: what is heard more along each axis, as in "brighter, thinner"; "" where nothing goes along with it.
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
      atlas: its instruments.
      by: "descriptors": what the instruments sound like, each descriptor in standard deviations, cut off at 3; or
        "latents": where they lie in the latent space. The latter says what the network has to tell apart, and its two
        axes carry a small share of the whole. Of activations of the first layer it knows nothing.

    Returns:
      The places. Which way an axis points is chosen so that the descriptor it is most correlated with rises.

    Raises:
      ValueError: `by` is something else, or the atlas has a single instrument.

    >>> from helpers import gansynth, timbre
    >>> places = timbre.layout(timbre.atlas(gansynth.load("demo")))
    >>> places.points.shape
    (512, 2)

    Notebook: 09_explore.
    """
    if by not in BY:
        raise ValueError(f"an atlas is laid out by {' or by '.join(BY)}, not by {by!r}")
    if len(atlas) < 2:
        raise ValueError(f"a map needs two instruments at least; this atlas has {len(atlas)}")
    if by == DESCRIPTORS:
        rows = np.clip(_standardised(atlas.values), -FARTHEST, FARTHEST)
    else:
        rows = np.stack([instrument.z[: atlas.model.latent_vector_size] for instrument in atlas.instruments])
    rows = rows - rows.mean(axis=0)
    # Two instruments have one axis only; the padding adds a second, of no length.
    left, lengths, _ = np.linalg.svd(np.vstack([rows, np.zeros_like(rows[:1])]), full_matrices=False)
    points = left[:-1, :2] * lengths[:2]
    shares = lengths[:2] ** 2 / max(float(np.sum(lengths**2)), 1e-12)
    along = _standardised(points).T @ _standardised(atlas.values) / len(points)  # correlations [2, descriptors]
    signs = np.where(along[[0, 1], np.abs(along).argmax(axis=1)] < 0, -1.0, 1.0)  # an SVD leaves them open
    across, up = (_meaning(sign * row) for sign, row in zip(signs, along, strict=True))
    return Layout(points * signs, (float(shares[0]), float(shares[1])), (across, up))


def _standardised(columns: np.ndarray) -> np.ndarray:
    """In standard deviations from the mean; 0 throughout where nothing varies."""
    deviations = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(deviations > 1e-6, deviations, np.inf)


def _meaning(correlations: np.ndarray) -> str:
    """What an axis is called, of its correlation with each descriptor."""
    strongest = np.argsort(-np.abs(correlations), kind="stable")[:MEANINGS]
    return ", ".join(MORE[NAMES[i]][int(correlations[i] < 0)] for i in strongest if abs(correlations[i]) >= MEANS_FROM)
