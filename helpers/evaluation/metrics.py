"""Metrics of distributions of notes, computed from arrays: KID, FAD and FID, NDB, inception score, pitch entropy.

The functions take features or probabilities, one note per row, and return one number. They work with any features;
`embedding` and `features` compute those used here. `bootstrap` gives confidence intervals.

Each metric is blind to some differences, and most depend on the number of notes, as their docstrings explain. So
compare each with its value for two samples of the same distribution, which `evaluate` computes in the same run.

Notebook: 12_measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

CELLS = 50  # of NDB, as in the GANSynth paper
SIGNIFICANCE = 0.05  # level of the test of each cell, as published: not corrected for multiple tests
CONFIDENCE = 0.95  # level of the intervals
RESAMPLES = 200
BLOCK = 1000  # rows of a kernel matrix that are computed at a time
MIN_INSTRUMENTS = 8  # for an interval


class Interval(NamedTuple):
    """A confidence interval of level `CONFIDENCE` for the value that infinitely many instruments would have.

    Attributes:
      low: lower end.
      high: upper end.
    """

    low: float
    high: float


# ----------------------------------------------------------------------------------------------- between distributions


def kid(x: np.ndarray, y: np.ndarray) -> float:
    """Kernel distance: the unbiased estimate of the squared maximum mean discrepancy, k(a, b) = (a.b / d + 1)^3.

    For two samples of the same distribution it is near 0, whatever their sizes, and as often below 0 as above. There is
    no upper limit.

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
    """`kid` for many selections from a second sample: `kid_from(x)(y, groups)(rows)` equals `kid(x, y[rows])`.

    The kernel sums between the groups of y are computed only once for all selections. So a selection must consist of
    whole groups, which may repeat; without `groups`, each row is a group.
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
    """The kernel of each row of x with all rows of y, summed by groups of y: [rows of x, groups].

    It is computed in blocks of rows, because the kernel matrix of 30,000 notes takes 7 GB.
    """
    order = np.argsort(groups, kind="stable")
    firsts = np.concatenate([[0], np.cumsum(np.bincount(groups))[:-1]])
    found = []
    for i in range(0, len(x), BLOCK):
        root = x[i : i + BLOCK] @ y[order].T / x.shape[1] + 1
        found.append(np.add.reduceat(root * root * root, firsts, axis=1))  # ten times as fast as root**3
    return np.concatenate(found)


def _own(x: np.ndarray) -> np.ndarray:
    """The kernel of each note with itself."""
    return (np.sum(x**2, axis=1) / x.shape[1] + 1) ** 3


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """The Frechet distance of two Gaussians with the samples' means and covariances: FAD or FID, by the features used.

    It is |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)), with an upward bias of about 1/n: for two small samples of the
    same distribution it is far from 0. Compare only values for equal numbers of notes.

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
    """`frechet` from one sample to several others; what depends only on the first is computed once."""
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
    """Cluster a reference into cells by k-means.

    Args:
      x: features of the reference, [n, d], n at least k.
      k: number of cells.
      seed: random seed.

    Returns:
      A function from features [n, d] to the number of each note's cell, [n].
    """
    from sklearn.cluster import KMeans

    means = KMeans(k, n_init=3, random_state=seed).fit(np.asarray(x, np.float64))
    return lambda y: means.predict(np.asarray(y, np.float64))


def ndb(x: np.ndarray, y: np.ndarray, k: int = CELLS) -> int:
    """Number of statistically different bins: cells whose shares of x and of y differ.

    It grows with the number of notes if the distributions differ, and is about 2.5 of 50 if they do not. So compare it
    only with its value for equal distributions and the same number of notes.

    Args:
      x, y: the number of each note's cell (`cells`), [n] and [m].
      k: number of cells.

    Returns:
      The number of cells with different shares by a two-proportion z-test at the level SIGNIFICANCE.

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


# ------------------------------------------------------------------------------------------------- by a classifier


def inception_score(probabilities: np.ndarray) -> float:
    """Inception score: exp of the mean KL divergence of a note's class distribution from that of all notes.

    It ranges from 1 to the number of classes, and is high if each note clearly belongs to one class and there are many
    classes. It is blind to differences within a class, and to anything that the classifier does not know.

    Args:
      probabilities: [n, classes], rows summing to 1.

    Source: Salimans et al. 2016.

    >>> import numpy as np
    >>> from helpers.evaluation import metrics
    >>> round(metrics.inception_score(np.eye(4)), 3), round(metrics.inception_score(np.full((9, 4), 0.25)), 3)
    (4.0, 1.0)
    """
    p = np.asarray(probabilities, np.float64)
    return float(np.exp(np.mean(np.sum(_times_log(p, p) - _times_log(p, p.mean(axis=0)), axis=1))))


def entropy(probabilities: np.ndarray) -> float:
    """Pitch entropy: mean over notes of -sum_p P(p) log2 P(p), in bits; 0 if the classifier is certain of every pitch.

    The paper reports a pitch entropy without giving its formula; this one is ours.

    Args:
      probabilities: [n, classes], rows summing to 1.

    >>> import numpy as np
    >>> from helpers.evaluation import metrics
    >>> metrics.entropy(np.full((5, 8), 1 / 8))
    3.0
    """
    p = np.asarray(probabilities, np.float64)
    return float(-np.mean(np.sum(_times_log(p, p), axis=1)) / np.log(2))


def _times_log(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """p log q, and 0 where p is 0."""
    return np.where(p > 0, p * np.log(np.where(p > 0, q, 1.0)), 0.0)


# ---------------------------------------------------------------------------------------------------------- diversity


def diversity(pictures: np.ndarray, pitches: np.ndarray, instruments: np.ndarray) -> float:
    """How different the instruments are: mean distance between notes of the same pitch by different instruments.

    Args:
      pictures: log-mel spectrograms, [n, cells], dB.
      pitches: [n]; only pairs of equal pitch are compared.
      instruments: the number of each note's instrument, [n].

    Returns:
      Root mean square difference over cells, dB, averaged over pairs; NaN if there are no pairs.

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
    """Bootstrap confidence interval of a statistic over instruments.

    Notes of the same instrument are not independent. So instruments are drawn with replacement, each with all of its
    notes, and the statistic is recomputed. The interval is the percentile interval of these values, shifted so that
    their mean equals the statistic itself, because repeated notes in a resample bias distances between distributions.

    Args:
      statistic: function from indices of notes, which may repeat, to a number.
      instruments: instrument of each note, [n].
      seed: seed of the resamples.
      resamples: number of resamples.

    Returns:
      The interval, or None if there are fewer than 8 instruments, for which it would be too narrow.

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
    """`bootstrap` for a share; if all notes or none are right, Wilson's interval for the number of instruments.

    Args:
      right: bool [n].
      instruments: instrument of each note, [n].
      seed: seed of the resamples.

    Returns:
      The interval, or None if there are too few instruments.
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
