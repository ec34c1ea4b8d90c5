"""Directions of the latent space: unsupervised ones, and named ones that turn an instrument "brighter" or "longer".

    turn = timbre.directions(atlas)
    print(turn)                                              # which names hold, and how well
    turn.steer(bank["Cello"], brightness=1)                  # one standard deviation brighter

Notebook: 09_explore.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import in_one_line, number
from ..instruments import Instrument, check_model
from ..tables import table
from .descriptors import DESCRIPTORS, NAMES, STEPS

if TYPE_CHECKING:
    from ..gansynth import GANSynth
    from .atlases import Atlas

NAMED_FROM = 0.5  # correlation on held-out latents that a direction must have to be named ...
AUDIBLE = 0.5  # ... and clearly audible steps that one standard deviation must be: what is not heard is no direction
FOLDS = 10
PENALTIES = np.logspace(-2, 4, 13)  # of the ridge regression; the best by leave-one-out is taken
MIN_INSTRUMENTS = 50  # that directions can be learned from
FAINT = 1e-3  # of the largest singular value: what the first layer passes on less of is not heard
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # of the kernel, over the median squared distance of two instruments
KERNEL_PENALTY = 0.1
STRIDE, STRIDES = 0.25, 40  # of a way: the length of a step in the latent space, and steps
ARRIVED = 0.02  # standard deviations
PATIENCE = 6  # steps that may lead away, before the way ends where it was best
ALONG = 0.3  # standard deviations of another descriptor, for one of the named: what moves as much is said
CONFIDENCE = 1.96  # standard errors of Fisher's z: 95 %

MORE = {  # what more and less of a descriptor is called
    "brightness": ("brighter", "darker"),
    "attack": ("slower to begin", "quicker to begin"),
    "decay": ("longer", "shorter"),
    "sustain": ("more sustained", "less sustained"),
    "noisiness": ("noisier", "purer"),
    "odd_even": ("hollower", "less hollow"),
    "fundamental": ("rounder", "thinner"),
    "inharmonicity": ("more metallic", "less metallic"),
    "tremolo": ("more trembling", "steadier in level"),
    "vibrato": ("with more vibrato", "with less vibrato"),
    "loudness": ("louder", "softer"),
}


class Axes(NamedTuple):
    """Unsupervised directions, the one that changes the first layer most at the front.

    Attributes:
      vectors: unit vectors in the latent space, [axes, latent_vector_size], at right angles to each other.
      gains: how much each changes the output of the first layer, per unit: its singular values, [axes].
    """

    vectors: np.ndarray
    gains: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Of the variance behind the first layer, [axes]; they sum to 1."""
        return self.gains**2 / np.sum(self.gains**2)


def axes(model: GANSynth) -> Axes:
    """The directions of the latent space that the first layer distinguishes, by singular values.

    The first layer is linear before its activation, so a principal component analysis of its outputs for normally
    distributed latents (GANSpace, Haerkoenen et al. 2020) has the singular vectors of its kernel for axes, which need
    no samples (SeFa, Shen & Zhou 2021). The pitch, which enters beside the latent, is left as it is.

    >>> from helpers import gansynth, timbre
    >>> len(timbre.axes(gansynth.load("demo")).gains)
    16

    Notebook: 09_explore.
    """
    kernel = np.asarray(model.network.named_weights()["1/conv0/kernel"])
    rows = kernel[:, :, : model.latent_vector_size].transpose(2, 0, 1, 3).reshape(model.latent_vector_size, -1)
    vectors, gains, _ = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    heard = gains > FAINT * gains[0]
    vectors = vectors.T[heard]
    signs = np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)])  # an SVD leaves them open
    return Axes(vectors * signs[:, None], gains[heard])


def move(instrument: Instrument, vector: np.ndarray, amount: float, name: str | None = None) -> Instrument:
    """An instrument moved along a direction; the length of its latent stays.

    Args:
      instrument: from where.
      vector: direction, [latent_vector_size].
      amount: how many times the vector is added.
      name: of the new one; by default the old one's with the amount.

    Raises:
      ValueError: the vector has another size, or nothing would be left.
    """
    vector = np.asarray(vector, np.float64)
    if vector.shape != instrument.z.shape:
        raise ValueError(
            f"the direction has shape {vector.shape}; {instrument.name!r} needs one of {instrument.z.shape}"
        )
    moved = instrument.z + amount * vector
    length = np.linalg.norm(moved)
    if not np.isfinite(length) or length < 1e-9:
        raise ValueError(f"{instrument.name!r} cannot be moved by {amount:g}: no latent would be left")
    z = moved * np.linalg.norm(instrument.z) / length
    return dataclasses.replace(instrument, name=name or f"{instrument.name} {amount:+g}", z=z, seed=None)


class Direction(NamedTuple):
    """A direction along which one descriptor rises.

    Attributes:
      name: the descriptor.
      vector: what is added to a latent for one standard deviation of it, [latent_vector_size].
      r: correlation of what the regression says with what is heard, of latents that it was not fitted to.
      interval: the 95 % interval of r.
      others: what else moves along it, in standard deviations: descriptor -> amount, those of `ALONG` and more.
      steps: how many clearly audible steps of the descriptor one standard deviation is.
    """

    name: str
    vector: np.ndarray
    r: float
    interval: tuple[float, float]
    others: dict[str, float]
    steps: float = 1.0

    @property
    def is_named(self) -> bool:
        """Whether it deserves its name."""
        return self.r >= NAMED_FROM and self.steps >= AUDIBLE

    @property
    def why_not(self) -> str:
        """Why it has no name; of one that has, nothing."""
        if self.is_named:
            return ""
        if self.r < NAMED_FROM:
            return f"its correlation on held-out latents is only {self.r:.2f}"
        descriptor = DESCRIPTORS[NAMES.index(self.name)]
        deviation = f"{self.steps * descriptor.step:.2g} {descriptor.unit}"
        return f"one standard deviation of it is only {deviation}, which is hardly heard"

    def __str__(self) -> str:
        beside = [MORE[name][int(amount < 0)] for name, amount in self.others.items()]
        return MORE[self.name][0] + (f", and {', '.join(beside)}" if beside else "")


class Linear:
    """What descriptors a latent has, by linear regression: the same slopes everywhere."""

    def __init__(self, slopes: np.ndarray):
        """slopes: [descriptors, latent_vector_size], in standard deviations."""
        self._slopes = slopes

    def values(self, z: np.ndarray) -> np.ndarray:
        """[descriptors], in standard deviations."""
        return self._slopes @ z

    def slopes(self, z: np.ndarray) -> np.ndarray:
        """[descriptors, latent_vector_size]."""
        return self._slopes


class Curved:
    """What descriptors a latent has, by kernel ridge regression: with slopes that depend on where it is.

    The kernel is Gaussian. Its width is that of the smallest leave-one-out error.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, basis: np.ndarray):
        """x: heard coordinates [n, axes]; y: standardised descriptors [n, descriptors]; basis: [axes, latent]."""
        self._x, self._basis = x, basis
        distances = np.sum((x[:, None] - x) ** 2, axis=2)
        typical = float(np.median(distances[distances > 0])) if distances.any() else 1.0
        best = np.inf
        for width in WIDTHS:
            kernel = np.exp(-width / typical * distances)
            inverse = np.linalg.inv(kernel + KERNEL_PENALTY * np.eye(len(x)))
            weights = inverse @ y
            error = float(np.mean((weights / np.diag(inverse)[:, None]) ** 2))
            if error < best:
                best, self._weights, self._sharpness = error, weights, width / typical
        self.error = best  # mean square, of leave-one-out predictions

    def _kernel(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        away = self._basis @ z - self._x
        return away, np.exp(-self._sharpness * np.sum(away**2, axis=1))

    def values(self, z: np.ndarray) -> np.ndarray:
        """[descriptors], in standard deviations."""
        return self._kernel(z)[1] @ self._weights

    def slopes(self, z: np.ndarray) -> np.ndarray:
        """[descriptors, latent_vector_size]."""
        away, near = self._kernel(z)
        return -2 * self._sharpness * (self._weights * near[:, None]).T @ away @ self._basis


class Directions(Mapping[str, Direction]):
    """The named directions of a model, by descriptor. `directions` makes it.

    Attributes:
      weak: those whose correlation is too low for a name, or whose descriptor hardly varies, by descriptor.
      deviations: standard deviation of each descriptor among the instruments, in its unit, by name.
      instruments: how many they were learned from.
      model: that they hold for; None for any that takes such latents.
    """

    def __init__(
        self,
        found: Sequence[Direction],
        surface: Linear | Curved,
        deviations: np.ndarray,
        count: int,
        model: GANSynth | None = None,
    ):
        self.model = model
        self._named = {direction.name: direction for direction in found if direction.is_named}
        self.weak = {direction.name: direction for direction in found if not direction.is_named}
        self._surface = surface
        self.deviations = dict(zip(NAMES, deviations.tolist(), strict=True))
        self.instruments = count

    def __getitem__(self, name: str) -> Direction:
        if name in self._named:
            return self._named[name]
        if name in self.weak:
            raise KeyError(f"{name} has no direction here: {self.weak[name].why_not}")
        raise KeyError(f"nothing is called {name!r}; there are {', '.join(self._named)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    @in_one_line
    def steer(self, instrument: Instrument, keep: Sequence[str] = (), **amounts: float) -> Instrument:
        """An instrument with more or less of something.

        Args:
          instrument: from where.
          keep: descriptors that shall stay as they are, as far as the regression knows.
          **amounts: descriptor -> standard deviations by the regression, as in brightness=1, decay=-0.5.

        Returns:
          The instrument at the end of a way that goes, step by step, along the regression's slope from where it is,
          the latent as long as before. It ends early where nothing more is to be had: what is held throughout cannot
          be sustained more. It is an estimate: listen, or describe the result.

        Raises:
          ValueError: a descriptor without a direction, no number, or an instrument of another model.

        >>> from helpers import gansynth, timbre
        >>> atlas = timbre.atlas(gansynth.load("demo"))
        >>> timbre.directions(atlas).steer(atlas["Cello"], brightness=1)
        Instrument('Cello, brightness +1')

        Notebook: 09_explore.
        """
        keep = [keep] if isinstance(keep, str) else keep
        for name in (*amounts, *keep):
            if name not in self._named:
                try:
                    self[name]
                except KeyError as error:
                    raise ValueError(error.args[0]) from None
        if self.model is not None:
            check_model(instrument, self.model)
        if self and len(instrument.z) != len(next(iter(self.values())).vector):
            raise ValueError(f"{instrument.name!r} is no point of the latent space, and cannot be steered")
        if not amounts:
            raise ValueError(f"say what to change, as in brightness=1; there are {', '.join(self)}")
        wanted = np.array([*(number(name, amount) for name, amount in amounts.items()), *(0.0 for _ in keep)])
        if not np.isfinite(wanted).all():
            raise ValueError("an amount is a finite number of standard deviations")
        columns = [NAMES.index(name) for name in (*amounts, *keep)]
        changes = ", ".join(f"{name} {amount:+g}" for name, amount in amounts.items())
        z = self._way(instrument.z, columns, wanted)
        return dataclasses.replace(instrument, name=f"{instrument.name}, {changes}", z=z, seed=None)

    def _way(self, z: np.ndarray, columns: Sequence[int], wanted: np.ndarray) -> np.ndarray:
        """The end of the way to some changes of descriptors, or where it came nearest to them."""
        length = np.linalg.norm(z)
        goal = self._surface.values(z)[columns] + wanted
        best, nearest, passed = z, float(np.abs(wanted).max()), 0
        for _ in range(STRIDES):
            if nearest <= ARRIVED or passed > PATIENCE:
                break
            step = np.linalg.pinv(self._surface.slopes(z)[columns]) @ (goal - self._surface.values(z)[columns])
            z = z + step * min(1.0, STRIDE / max(float(np.linalg.norm(step)), 1e-9))
            z = z * length / max(float(np.linalg.norm(z)), 1e-9)
            off = float(np.abs(goal - self._surface.values(z)[columns]).max())
            best, nearest, passed = (z, off, 0) if off < nearest else (best, nearest, passed + 1)
        return best

    def _rows(self) -> list[tuple[str, str, str, str]]:
        everything = {**self._named, **self.weak}
        return [
            (
                name,
                f"{found.r:.2f}",
                f"{found.interval[0]:.2f} to {found.interval[1]:.2f}",
                str(found) if found.is_named else f"not named: {found.why_not}",
            )
            for name, found in sorted(everything.items(), key=lambda item: -item[1].r)
        ]

    def __str__(self) -> str:
        rows = [("descriptor", "r", "95 % interval", "one standard deviation more"), *self._rows()]
        return "\n".join(f"{name:14s} {r:>5s}  {interval:14s} {more}" for name, r, interval, more in rows)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        title = f"of {self.instruments} instruments, each predicted from the others"
        return table(self._rows(), ("descriptor", "r", "95 % interval", "one standard deviation more"), title)


@in_one_line
def directions(atlas: Atlas, seed: int = 0) -> Directions:
    """Learn directions from an atlas: ridge regression of each descriptor on the latents.

    Args:
      atlas: instruments and what they sound like, `MIN_INSTRUMENTS` at least. Those with activations of the first
        layer are left out: what they sound like is not in their latent alone.
      seed: of the folds.

    Returns:
      The directions. How well each predicts instruments that it was not fitted to is said with it, and those below
      `NAMED_FROM` get no name, nor do those of what hardly varies. That is all that is claimed: with the demo, whose
      random instruments lie between its own, "held-out" ones lie between the same.

    Raises:
      ValueError: there are too few instruments.

    Notebook: 09_explore.
    """
    points = [i for i, one in enumerate(atlas.instruments) if len(one.z) == atlas.model.latent_vector_size]
    if len(points) < MIN_INSTRUMENTS:
        raise ValueError(f"directions need {MIN_INSTRUMENTS} instruments to learn from; this atlas has {len(points)}")
    basis, values = axes(atlas.model).vectors, atlas.values[points]
    x = np.stack([atlas.instruments[i].z for i in points]) @ basis.T
    deviations = values.std(axis=0)
    moving = deviations > 1e-6
    y = (values - values.mean(axis=0)) / np.where(moving, deviations, 1.0)
    folds = np.random.default_rng(seed).permutation(len(x)) % FOLDS
    guessed = np.zeros_like(y)
    for fold in range(FOLDS):
        slopes, offset = _ridge(x[folds != fold], y[folds != fold])
        guessed[folds == fold] = x[folds == fold] @ slopes.T + offset
    slopes, _ = _ridge(x, y)
    r = [float(np.corrcoef(guessed[:, i], y[:, i])[0, 1]) if moving[i] else 0.0 for i in range(len(NAMES))]
    found, audible = [], deviations / STEPS
    named = [j for j in range(len(NAMES)) if r[j] >= NAMED_FROM and audible[j] >= AUDIBLE]
    for i, name in enumerate(NAMES):
        norm = max(float(slopes[i] @ slopes[i]), 1e-12)
        vector = slopes[i] / norm
        beside = {NAMES[j]: float(slopes[j] @ vector) for j in named if j != i}
        strong = {other: amount for other, amount in beside.items() if abs(amount) >= ALONG}
        ranked = dict(sorted(strong.items(), key=lambda item: -abs(item[1])))
        found.append(Direction(name, vector @ basis, r[i], _interval(r[i], len(x)), ranked, float(audible[i])))
    curved, linear = Curved(x, y, basis), Linear(slopes @ basis)
    is_curved = curved.error < float(np.mean((guessed - y) ** 2))  # both of instruments that were left out
    return Directions(found, curved if is_curved else linear, deviations, len(x), atlas.model)


def _ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes [targets, features] and offsets [targets]; each target has the penalty that suits it."""
    from sklearn.linear_model import RidgeCV

    fitted = RidgeCV(PENALTIES, alpha_per_target=True).fit(x, y)
    return fitted.coef_, fitted.intercept_


def _interval(r: float, n: int) -> tuple[float, float]:
    """95 % of a correlation, by Fisher's z."""
    z, error = np.arctanh(np.clip(r, -0.9999, 0.9999)), CONFIDENCE / np.sqrt(n - 3)
    return float(np.tanh(z - error)), float(np.tanh(z + error))
