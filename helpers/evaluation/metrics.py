"""Distances between distributions of notes, from nothing but arrays: KID, FAD and FID, NDB, inception score, entropy.

Every function takes features or probabilities of two samples, a note a row, and gives one number. What the features are
is not its business: `embedding` and `pictures` make them. `bootstrap` says how far a number is to be trusted.

Each number is blind to something, and most depend on how many notes there are; the docstrings say to what and how. So
read each beside that of two samples of one distribution (`evaluate` measures them in the same run).

Notebook: 12_measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

CELLS = 50  # of NDB, as in the GANSynth paper
SIGNIFICANCE = 0.05  # of the test of each cell, as published: not corrected for their number
CONFIDENCE = 0.95  # of intervals
RESAMPLES = 200
BLOCK = 1000  # rows of a kernel at a time
MIN_INSTRUMENTS = 8  # of an interval


class Interval(NamedTuple):
    """Where a number probably lies: `CONFIDENCE` of such intervals hold the value of infinitely many instruments."""

    low: float
    high: float


# ----------------------------------------------------------------------------------------------- between distributions


def kid(x: np.ndarray, y: np.ndarray) -> float:
    """Kernel distance: the unbiased estimate of the squared maximum mean discrepancy, k(a, b) = (a.b / d + 1)^3.

    Near 0 for two samples of one distribution, whatever their sizes, and below 0 as often as above. No upper end.

    Args:
      x, y: features [n, d] and [m, d], n and m at least 2.

    Source: Binkowski et al. 2018, "Demystifying MMD GANs"; Gretton et al. 2012, equation 3.

    >>> import numpy as np
    >>> from helpers.evaluation import metrics
    >>> rng = np.random.RandomState(0)
    >>> same = metrics.kid(rng.normal(size=(500, 8)), rng.normal(size=(500, 8)))
    >>> moved = metrics.kid(rng.normal(size=(500, 8)), 1 + rng.normal(size=(500, 8)))
    >>> abs(same) < 0.1 < moved
    True
    """
    return kid_from(x)(y, np.zeros(len(y)))(np.arange(len(y)))


def kid_from(x: np.ndarray) -> Callable[..., Callable[[np.ndarray], float]]:
    """`kid` from one sample to many selections of others: `kid_from(x)(y, groups)(rows)` is `kid(x, y[rows])`.

    What is the same for all selections is computed once: the kernel's sums between the groups of y. So a selection must
    consist of whole groups, which may repeat; without `groups`, each row is one.
    """
    x = np.asarray(x, np.float64)
    of_x = (_kernel_sums(x, x, np.zeros(len(x), np.intp)).sum() - _own(x).sum()) / (len(x) * (len(x) - 1))

    def to(y: np.ndarray, groups: np.ndarray | None = None) -> Callable[[np.ndarray], float]:
        y = np.asarray(y, np.float64)
        groups = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
        sizes, own = np.bincount(groups), np.bincount(groups, _own(y))
        within = _kernel_sums(y, y, groups)
        pairs = np.zeros_like(within[: len(sizes)])
        np.add.at(pairs, groups, within)
        across = np.bincount(groups, _kernel_sums(y, x, np.zeros(len(x), np.intp))[:, 0])

        def among(rows: np.ndarray) -> float:
            size, times = len(rows), np.bincount(groups[rows], minlength=len(sizes)) / sizes
            of_y = (times @ pairs @ times - own @ times) / (size * (size - 1))
            return float(of_x + of_y - 2 * across @ times / (len(x) * size))

        return among

    return to


def _kernel_sums(x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The kernel of each row of x with all of y, summed by groups of y: [rows of x, groups].

    Some rows at a time: of 30,000 notes with each other the kernel has 7 GB.
    """
    order = np.argsort(groups, kind="stable")
    firsts = np.concatenate([[0], np.cumsum(np.bincount(groups))[:-1]])
    found = []
    for i in range(0, len(x), BLOCK):
        root = x[i : i + BLOCK] @ y[order].T / x.shape[1] + 1
        found.append(np.add.reduceat(root * root * root, firsts, axis=1))  # ten times as fast as a power
    return np.concatenate(found)


def _own(x: np.ndarray) -> np.ndarray:
    """The kernel of each note with itself."""
    return (np.sum(x**2, axis=1) / x.shape[1] + 1) ** 3


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """The Frechet distance of two Gaussians with the samples' means and covariances: FAD or FID, after the features.

    |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)). Biased upwards, by about 1/n: two samples of one distribution are
    far from 0 while there are few notes. Compare only numbers of as many notes.

    Args:
      x, y: features [n, d] and [m, d]; n and m should be several times d.

    Source: Heusel et al. 2017; Kilgour et al. 2019 (FAD).

    >>> import numpy as np
    >>> from helpers.evaluation import metrics
    >>> rng = np.random.RandomState(0)
    >>> round(metrics.frechet(rng.normal(size=(20000, 2)), 3 + 2 * rng.normal(size=(20000, 2))))  # 2 (3^2 + (2 - 1)^2)
    20
    """
    return frechet_from(x)(y)


def frechet_from(x: np.ndarray) -> Callable[[np.ndarray], float]:
    """`frechet` from one sample to others, with what concerns that one alone computed once."""
    mean, covariance = _moments(x)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T

    def to(y: np.ndarray) -> float:
        other_mean, other = _moments(y)
        product = np.linalg.eigvalsh(root @ other @ root)  # has the eigenvalues of C1 C2, and is symmetric
        spread = np.trace(covariance) + np.trace(other) - 2 * np.sqrt(np.maximum(product, 0)).sum()
        return float(np.sum((mean - other_mean) ** 2) + spread)

    return to


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = np.asarray(x, np.float64)
    return x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False))


def cells(x: np.ndarray, k: int = CELLS, seed: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """K-means cells of a reference: a function from features [n, d] to the number of the cell of each, [n].

    Args:
      x: features of the reference, [n, d], n at least k.
    """
    from sklearn.cluster import KMeans

    means = KMeans(k, n_init=3, random_state=seed).fit(np.asarray(x, np.float64))
    return lambda y: means.predict(np.asarray(y, np.float64))


def ndb(x: np.ndarray, y: np.ndarray, k: int = CELLS) -> int:
    """Number of statistically different bins: cells that hold another share of y than of x.

    Grows with the number of notes where distributions differ, and is about 2.5 of 50 where they do not. So compare it
    with that of equal distributions, at as many notes, and with nothing else.

    Args:
      x, y: the number of each note's cell (`cells`), [n] and [m].
      k: how many cells there are.

    Returns:
      how many of them a two-proportion z-test at SIGNIFICANCE tells apart.

    Source: Richardson and Weiss 2018, "On GANs and GMMs".

    >>> from helpers.evaluation import metrics
    >>> metrics.ndb([0] * 100 + [1] * 100, [0] * 100 + [1] * 100, k=2), metrics.ndb([0] * 100, [1] * 100, k=2)
    (0, 2)
    """
    from scipy.stats import norm

    shares = [np.bincount(a, minlength=k) / len(a) for a in (x, y)]
    pooled = (shares[0] * len(x) + shares[1] * len(y)) / (len(x) + len(y))
    deviation = np.sqrt(pooled * (1 - pooled) * (1 / len(x) + 1 / len(y)))
    differs = np.abs(shares[0] - shares[1]) > norm.ppf(1 - SIGNIFICANCE / 2) * deviation
    return int(np.sum(differs))


# ------------------------------------------------------------------------------------------------- of a classifier


def inception_score(probabilities: np.ndarray) -> float:
    """exp of the mean divergence of each note's classes from those of all notes: 1 to the number of classes.

    High if each note is clearly of one class and the classes are many. Blind to whether notes of one class differ, and
    to anything that the classifier does not know.

    Args:
      probabilities: [n, classes], each row with the sum 1.

    Source: Salimans et al. 2016.

    >>> import numpy as np
    >>> from helpers.evaluation import metrics
    >>> round(metrics.inception_score(np.eye(4)), 3), round(metrics.inception_score(np.full((9, 4), 0.25)), 3)
    (4.0, 1.0)
    """
    p = np.asarray(probabilities, np.float64)
    return float(np.exp(np.mean(np.sum(_times_log(p, p) - _times_log(p, p.mean(axis=0)), axis=1))))


def entropy(probabilities: np.ndarray) -> float:
    """Pitch entropy: mean over notes of -sum_p P(p) log2 P(p), bits. 0 if the classifier is sure of every pitch.

    The paper names a pitch entropy without its formula; this is ours.

    Args:
      probabilities: [n, classes], each row with the sum 1.

    >>> import numpy as np
    >>> from helpers.evaluation import metrics
    >>> metrics.entropy(np.full((5, 8), 1 / 8))
    3.0
    """
    p = np.asarray(probabilities, np.float64)
    return float(-np.mean(np.sum(_times_log(p, p), axis=1)) / np.log(2))


def _times_log(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """p log q, 0 where p is."""
    return np.where(p > 0, p * np.log(np.where(p > 0, q, 1.0)), 0.0)


# ---------------------------------------------------------------------------------------------------------- diversity


def diversity(pictures: np.ndarray, pitches: np.ndarray, instruments: np.ndarray) -> float:
    """How unlike each other the instruments are: mean distance of two notes of one pitch and two instruments.

    Args:
      pictures: [n, cells], dB.
      pitches: [n]; pairs of unlike pitches are not counted.
      instruments: [n], a number each.

    Returns:
      dB, the root mean square over cells, mean over pairs; not a number without a pair.

    >>> import numpy as np
    >>> from helpers.evaluation import metrics
    >>> pictures = np.array([[0.0, 0.0], [3.0, 3.0], [9.0, 9.0]])
    >>> round(metrics.diversity(pictures, pitches=np.array([60, 60, 61]), instruments=np.array([0, 1, 2])), 3)
    3.0
    """
    from scipy.spatial.distance import pdist

    total, count = 0.0, 0
    for pitch in np.unique(pitches):
        of_pitch = np.flatnonzero(pitches == pitch)
        apart = pdist(instruments[of_pitch, None], "hamming") > 0
        distances = pdist(pictures[of_pitch])[apart] / np.sqrt(pictures.shape[1])
        total, count = total + distances.sum(), count + len(distances)
    return float(total / count) if count else float("nan")


# ---------------------------------------------------------------------------------------------------------- intervals


def bootstrap(
    statistic: Callable[[np.ndarray], float],
    instruments: Sequence[int] | np.ndarray,
    seed: int,
    resamples: int = RESAMPLES,
) -> Interval | None:
    """The interval of a number over instruments: notes of one instrument are not independent of each other.

    Instruments are drawn anew with replacement, each with all of its notes, and the number is computed again. The
    interval is that of these numbers, moved so that their mean is the number itself: what repeats in a resample adds a
    bias of its own to distances between distributions.

    Args:
      statistic: from the numbers of some notes, which may repeat, to a number.
      instruments: of each note, [n].
      seed: of the resamples.
      resamples: how many.

    Returns:
      the interval, or None with fewer than 8 instruments, of which it would be too narrow.

    Source: Davison and Hinkley 1997, sections 2.4 and 3.8 (clusters).
    """
    labels, numbers = np.unique(instruments, return_inverse=True)
    if len(labels) < MIN_INSTRUMENTS:
        return None
    notes = np.split(np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers))[:-1])
    rng = np.random.RandomState(seed)
    drawn = (np.concatenate([notes[i] for i in rng.randint(len(notes), size=len(notes))]) for _ in range(resamples))
    values = np.array([statistic(indices) for indices in drawn])
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    moved = statistic(np.arange(len(numbers))) - values.mean()
    return Interval(float(low + moved), float(high + moved))


def share_interval(right: np.ndarray, instruments: Sequence[int] | np.ndarray, seed: int) -> Interval | None:
    """`bootstrap` of a share; where all notes or none are right, Wilson's interval over the instruments instead.

    Args:
      right: bool [n].
      instruments: of each note, [n].
      seed: of the resamples.
    """
    from scipy.stats import binomtest

    count = len(np.unique(instruments))
    if 0 < np.sum(right) < len(right):
        found = bootstrap(lambda notes: float(np.mean(right[notes])), instruments, seed)
        return found and Interval(max(found.low, 0.0), min(found.high, 1.0))
    if not count:
        return None
    wilson = binomtest(count if np.any(right) else 0, count).proportion_ci(CONFIDENCE, "wilson")
    return Interval(float(wilson.low), float(wilson.high))
