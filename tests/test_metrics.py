"""helpers.evaluation.metrics against closed forms, simulations and other implementations."""

import numpy as np
import pytest
from scipy import linalg
from sklearn.metrics.pairwise import polynomial_kernel

from helpers.evaluation import metrics


def gaussian(n, d, seed, mean=0.0, scale=1.0):
    return mean + scale * np.random.RandomState(seed).normal(size=(n, d))


# ---- KID


def test_kid_is_what_the_kernels_of_scikit_learn_give():
    x, y = gaussian(40, 6, 1), gaussian(50, 6, 2, mean=0.3)
    within = [polynomial_kernel(a, degree=3, gamma=1 / 6, coef0=1) for a in (x, y)]
    means = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in within]
    across = polynomial_kernel(x, y, degree=3, gamma=1 / 6, coef0=1).mean()
    assert metrics.kid(x, y) == pytest.approx(sum(means) - 2 * across)


def test_kid_of_two_points_has_its_closed_form():
    """With all mass at a and at b: k(a, a) + k(b, b) - 2 k(a, b)."""
    x, y = np.full((10, 2), 1.0), np.full((7, 2), 3.0)
    assert metrics.kid(x, y) == pytest.approx((1 + 1) ** 3 + (9 + 1) ** 3 - 2 * (3 + 1) ** 3)


@pytest.mark.parametrize("sizes", [(100, 100), (400, 50)])
@pytest.mark.slow
def test_kid_of_equal_distributions_is_zero_on_average_whatever_their_sizes(sizes):
    found = [metrics.kid(gaussian(sizes[0], 10, 2 * i), gaussian(sizes[1], 10, 2 * i + 1)) for i in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
    assert np.min(found) < 0 < np.max(found)


def test_kid_needs_no_more_memory_than_its_blocks(monkeypatch):
    x, y = gaussian(70, 4, 1), gaussian(30, 4, 2)
    whole = metrics.kid(x, y)
    monkeypatch.setattr(metrics, "BLOCK", 7)
    assert metrics.kid(x, y) == pytest.approx(whole)


def test_kid_of_a_selection_is_that_of_its_rows():
    x, y = gaussian(70, 4, 1), gaussian(30, 4, 2)
    among = metrics.kid_from(x)(y)
    for rows in (np.arange(30), np.arange(7, 19), np.random.RandomState(0).randint(30, size=40)):
        assert among(rows) == pytest.approx(metrics.kid(x, y[rows]))
    groups = np.arange(30) % 7
    of_groups = metrics.kid_from(x)(y, groups)
    for chosen in ([0, 1, 2, 3, 4, 5, 6], [3], [5, 0, 5, 5, 2]):
        rows = np.concatenate([np.flatnonzero(groups == i) for i in chosen])
        assert of_groups(rows) == pytest.approx(metrics.kid(x, y[rows]))


# ---- The Frechet distance


def test_frechet_of_gaussians_has_its_closed_form():
    """For covariances that commute: |m1 - m2|^2 + |C1^(1/2) - C2^(1/2)|^2."""
    spreads = np.array([1.0, 2.0, 0.5])
    x, y = gaussian(200_000, 3, 1), 1.5 + spreads * gaussian(200_000, 3, 2)
    assert metrics.frechet(x, y) == pytest.approx(3 * 1.5**2 + np.sum((spreads - 1) ** 2), rel=0.01)


def test_frechet_is_what_scipys_matrix_root_gives():
    mixing = np.random.RandomState(3).normal(size=(5, 5))
    x, y = gaussian(60, 5, 1) @ mixing, gaussian(80, 5, 2, mean=0.2) @ mixing.T
    c = [np.cov(a, rowvar=False) for a in (x, y)]
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(c[0] + c[1] - 2 * linalg.sqrtm(c[0] @ c[1]).real)
    assert metrics.frechet(x, y) == pytest.approx(expected)


@pytest.mark.slow
def test_frechet_of_equal_distributions_falls_with_the_number_of_notes():
    """In 200 dimensions it is far from 0, and about as one over the number."""
    few, more, many = (metrics.frechet(gaussian(n, 200, n), gaussian(n, 200, n + 1)) for n in (300, 1000, 3000))
    assert few > 50
    assert (few / more, more / many) == pytest.approx((10 / 3, 3), rel=0.1)


# ---- NDB


def ndb_of(n, off, seed):
    """NDB of two samples of n notes, the second with every cell off by `off`."""
    rng, p = np.random.RandomState(seed), np.full(50, 1 / 50)
    return metrics.ndb(rng.choice(50, n, p=p), rng.choice(50, n, p=p * (1 + off * np.where(np.arange(50) % 2, 1, -1))))


@pytest.mark.parametrize(
    ("n", "off", "low", "high"), [(500, 0, 1.6, 3.2), (1000, 0, 1.8, 3.4), (1000, 0.3, 5, 10), (5000, 0.3, 15, 30)]
)
def test_ndb_of_equal_and_of_shifted_distributions(n, off, low, high):
    assert low < np.mean([ndb_of(n, off, seed) for seed in range(60)]) < high


def test_cells_are_those_of_the_reference():
    centres = 10 * np.eye(4)
    x = np.repeat(centres, 30, axis=0) + gaussian(120, 4, 1, scale=0.1)
    cell = metrics.cells(x, k=4)
    assert len({int(cell(c[None])[0]) for c in centres}) == 4
    assert metrics.ndb(cell(x), cell(x[:60]), k=4) == 4  # two kinds missing, two too frequent
    assert metrics.ndb(cell(x), cell(x), k=4) == 0


# ---- Classes


def test_inception_score_counts_the_classes_that_are_told_apart():
    assert metrics.inception_score(np.eye(10)) == pytest.approx(10)
    assert metrics.inception_score(np.tile(np.eye(10)[3], (20, 1))) == pytest.approx(1)  # always one class
    assert metrics.inception_score(np.full((20, 10), 0.1)) == pytest.approx(1)  # never sure


def test_entropy_is_in_bits_and_of_each_note():
    assert metrics.entropy(np.eye(8)) == 0  # all pitches, each for sure
    assert metrics.entropy(np.full((3, 8), 1 / 8)) == pytest.approx(3)
    assert metrics.entropy(np.array([[0.5, 0.5], [1.0, 0.0]])) == pytest.approx(0.5)


# ---- Diversity


def test_diversity_compares_instruments_at_one_pitch_only():
    pictures = np.array([[0.0] * 4, [2.0] * 4, [100.0] * 4, [4.0] * 4])
    pitches, instruments = np.array([60, 60, 61, 60]), np.array([0, 1, 1, 0])
    assert metrics.diversity(pictures, pitches, instruments) == pytest.approx(
        2.0
    )  # 0-1 and 1-3; 0-3 are one instrument


def test_one_instrument_has_no_diversity():
    assert np.isnan(metrics.diversity(np.ones((3, 4)), np.array([60, 60, 60]), np.array([0, 0, 0])))


# ---- Intervals


@pytest.mark.slow
def test_intervals_over_instruments_cover_the_truth_and_those_over_notes_do_not():
    """Forty instruments with a mean of their own, ten notes each: 95 % of intervals should hold the mean of all, 0."""
    covered = {"instruments": 0, "notes": 0}
    rounds = 120
    for seed in range(rounds):
        rng = np.random.RandomState(seed)
        values = (rng.normal(size=40)[:, None] + 0.5 * rng.normal(size=(40, 10))).ravel()
        for kind, groups in (("instruments", np.repeat(np.arange(40), 10)), ("notes", np.arange(400))):
            low, high = metrics.bootstrap(lambda i, v=values: float(v[i].mean()), groups, seed, resamples=100)
            covered[kind] += low <= 0 <= high
    assert 0.89 < covered["instruments"] / rounds < 0.99
    assert covered["notes"] / rounds < 0.6


@pytest.mark.slow
def test_intervals_of_a_distance_between_distributions_cover_it():
    """KID from a fixed sample to N(0.3, I) in two dimensions, whose value ten samples of 2,000 tell."""
    fixed = metrics.kid_from(gaussian(400, 2, 1))
    truth = np.mean([fixed(gaussian(2000, 2, 2 + i, mean=0.3))(np.arange(2000)) for i in range(10)])
    covered, rounds = 0, 50
    for seed in range(rounds):
        y = gaussian(200, 2, 100 + seed, mean=0.3)
        low, high = metrics.bootstrap(fixed(y), np.arange(200) // 4, seed, resamples=100)
        covered += low <= truth <= high
    assert covered / rounds >= 0.85


def test_the_interval_lies_around_the_number_though_resamples_are_biased():
    x, y = gaussian(300, 20, 1), gaussian(300, 20, 2)
    found = metrics.frechet(x, y)
    low, high = metrics.bootstrap(lambda i: metrics.frechet(x, y[i]), np.arange(300), 0, resamples=50)
    assert low < found < high


def test_a_few_instruments_have_no_interval():
    assert metrics.bootstrap(lambda i: 1.0, np.repeat(np.arange(metrics.MIN_INSTRUMENTS - 1), 50), 0) is None


def test_resamples_are_drawn_from_the_seed():
    values = gaussian(200, 1, 0).ravel()
    found = [metrics.bootstrap(lambda i: float(values[i].mean()), np.arange(200) // 4, seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_a_share_of_all_notes_has_an_interval_all_the_same():
    """Wilson's over 61 instruments that are all right: 94.1 to 100 %."""
    low, high = metrics.share_interval(np.ones(244, bool), np.repeat(np.arange(61), 4), 0)
    assert (low, high) == pytest.approx((0.941, 1.0), abs=0.001)
    low, high = metrics.share_interval(np.zeros(244, bool), np.repeat(np.arange(61), 4), 0)
    assert (low, high) == pytest.approx((0.0, 0.059), abs=0.001)


def test_a_share_stays_between_none_and_all():
    right = np.ones(200, bool)
    right[0] = False
    low, high = metrics.share_interval(right, np.arange(200) // 4, 0)
    assert 0.9 < low < 0.995 < high <= 1
