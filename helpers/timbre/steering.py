"""Directions of the latent space: unsupervised axes, and named directions such as "brighter" or "longer".

    turn = timbre.directions(atlas)
    print(turn)                                              # the named directions, with their correlations
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

NAMED_FROM = 0.5  # correlation on held-out latents from which a direction is named, if ...
AUDIBLE = 0.5  # ... one standard deviation is at least this many clearly audible steps
FOLDS = 10
PENALTIES = np.logspace(-2, 4, 13)  # of the ridge regression, selected by leave-one-out
MIN_INSTRUMENTS = 50  # for learning directions
FAINT = 1e-3  # of the largest singular value; directions with smaller ones are inaudible
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # of the kernel (inverse), relative to the median squared distance
KERNEL_PENALTY = 0.1
STRIDE, STRIDES = 0.25, 40  # length of a step in the latent space, maximum number of steps
ARRIVED = 0.02  # standard deviations from the goal
PATIENCE = 6  # number of steps without improvement before steering stops
ALONG = 0.3  # standard deviations, per standard deviation of the named descriptor, from which another one is mentioned
CONFIDENCE = 1.96  # standard errors of Fisher's z, for 95 %

MORE = {  # words for more and less of a descriptor
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
    """Unsupervised directions, in order of decreasing effect on the first layer.

    Attributes:
      vectors: orthonormal vectors in the latent space, [axes, latent_vector_size].
      gains: change of the first layer's output per unit along each (its singular values), [axes].
    """

    vectors: np.ndarray
    gains: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Share of each axis in the variance of the first layer's output, [axes]; the sum is 1."""
        return self.gains**2 / np.sum(self.gains**2)


def axes(model: GANSynth) -> Axes:
    """The directions of the latent space to which the first layer responds, from its singular value decomposition.

    The first layer is linear before its activation. So the principal components of its output for normally distributed
    latents (GANSpace, Härkönen et al. 2020) are the singular vectors of its kernel, which can be computed without
    samples (SeFa, Shen & Zhou 2021). Only the part of the kernel for the latent is used, not that for the pitch.

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
    signs = np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)])  # an SVD does not determine them
    return Axes(vectors * signs[:, None], gains[heard])


def move(instrument: Instrument, vector: np.ndarray, amount: float, name: str | None = None) -> Instrument:
    """Move an instrument along a direction, preserving the length of its latent.

    Args:
      instrument: the instrument to start from.
      vector: the direction, [latent_vector_size].
      amount: factor by which the vector is multiplied before it is added.
      name: name of the result; by default the instrument's name with the amount.

    Raises:
      ValueError: the vector has another size, or the result would be zero.
    """
    vector = np.asarray(vector, np.float64)
    if vector.shape != instrument.z.shape:
        raise ValueError(
            f"the direction has shape {vector.shape}; {instrument.name!r} needs one of {instrument.z.shape}"
        )
    moved = instrument.z + amount * vector
    length = np.linalg.norm(moved)
    if not np.isfinite(length) or length < 1e-9:
        raise ValueError(f"{instrument.name!r} cannot be moved by {amount:g}: the latent would be zero or not finite")
    z = moved * np.linalg.norm(instrument.z) / length
    return dataclasses.replace(instrument, name=name or f"{instrument.name} {amount:+g}", z=z, seed=None)


class Direction(NamedTuple):
    """A direction along which one descriptor increases.

    Attributes:
      name: the descriptor.
      vector: change of a latent for one standard deviation of the descriptor, [latent_vector_size].
      r: correlation of predicted and measured values on held-out latents.
      interval: 95 % confidence interval of r.
      others: {descriptor: change in standard deviations}, for other descriptors that change by `ALONG` or more.
      steps: one standard deviation of the descriptor in clearly audible steps.
    """

    name: str
    vector: np.ndarray
    r: float
    interval: tuple[float, float]
    others: dict[str, float]
    steps: float = 1.0

    @property
    def is_named(self) -> bool:
        """Whether its correlation and audibility are high enough for a name."""
        return self.r >= NAMED_FROM and self.steps >= AUDIBLE

    @property
    def why_not(self) -> str:
        """The reason why it has no name; "" if it has one."""
        if self.is_named:
            return ""
        if self.r < NAMED_FROM:
            return f"its correlation on held-out latents is only {self.r:.2f}"
        descriptor = DESCRIPTORS[NAMES.index(self.name)]
        deviation = f"{self.steps * descriptor.step:.2g} {descriptor.unit}"
        return f"one standard deviation of it is only {deviation}, which is hardly audible"

    def __str__(self) -> str:
        beside = [MORE[name][int(amount < 0)] for name, amount in self.others.items()]
        return MORE[self.name][0] + (f", and {', '.join(beside)}" if beside else "")


class Linear:
    """Linear regression of descriptors on latents, with constant slopes."""

    def __init__(self, slopes: np.ndarray):
        """
        Args:
          slopes: [descriptors, latent_vector_size], in standard deviations.
        """
        self._slopes = slopes

    def values(self, z: np.ndarray) -> np.ndarray:
        """Predicted descriptors in standard deviations, [descriptors]."""
        return self._slopes @ z

    def slopes(self, z: np.ndarray) -> np.ndarray:
        """Their gradients, [descriptors, latent_vector_size]."""
        return self._slopes


class Curved:
    """Kernel ridge regression of descriptors on latents, with slopes that depend on the position.

    The kernel is Gaussian, with the width that gives the smallest leave-one-out error.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, basis: np.ndarray):
        """
        Args:
          x: coordinates of the latents on the axes, [n, axes].
          y: standardised descriptors, [n, descriptors].
          basis: the axes, [axes, latent_vector_size].
        """
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
        self.error = best  # mean squared error of leave-one-out predictions

    def _kernel(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        away = self._basis @ z - self._x
        return away, np.exp(-self._sharpness * np.sum(away**2, axis=1))

    def values(self, z: np.ndarray) -> np.ndarray:
        """Predicted descriptors in standard deviations, [descriptors]."""
        return self._kernel(z)[1] @ self._weights

    def slopes(self, z: np.ndarray) -> np.ndarray:
        """Their gradients, [descriptors, latent_vector_size]."""
        away, near = self._kernel(z)
        return -2 * self._sharpness * (self._weights * near[:, None]).T @ away @ self._basis


class Directions(Mapping[str, Direction]):
    """The named directions of a model, by descriptor. Created by `directions`.

    Attributes:
      weak: {descriptor: direction}, for those without a name because of a low correlation or little variation.
      deviations: {descriptor: standard deviation over the instruments, in its unit}.
      instruments: number of instruments that they were learned from.
      model: the model that they belong to; None for any model with such latents.
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
        raise KeyError(f"there is no direction {name!r}; the directions are {', '.join(self._named)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    @in_one_line
    def steer(self, instrument: Instrument, keep: Sequence[str] = (), **amounts: float) -> Instrument:
        """Change descriptors of an instrument.

        Args:
          instrument: the instrument to start from.
          keep: descriptors to keep constant according to the regression.
          **amounts: predicted change of each descriptor in standard deviations, as in brightness=1, decay=-0.5.

        Returns:
          The changed instrument. It is found by small steps along the gradient of the regression, preserving the length
          of the latent, and stops early if there is no further improvement (a note with full sustain cannot get more).
          The amounts are estimates, so listen to the result or describe it.

        Raises:
          ValueError: a descriptor has no direction, an amount is not a number, or the instrument belongs to another
            model.

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
            raise ValueError(f"{instrument.name!r} has first-layer activations, and cannot be steered")
        if not amounts:
            raise ValueError(f"give an amount, as in brightness=1; the directions are {', '.join(self)}")
        wanted = np.array([*(number(name, amount) for name, amount in amounts.items()), *(0.0 for _ in keep)])
        if not np.isfinite(wanted).all():
            raise ValueError("amounts must be finite numbers of standard deviations")
        columns = [NAMES.index(name) for name in (*amounts, *keep)]
        changes = ", ".join(f"{name} {amount:+g}" for name, amount in amounts.items())
        z = self._way(instrument.z, columns, wanted)
        return dataclasses.replace(instrument, name=f"{instrument.name}, {changes}", z=z, seed=None)

    def _way(self, z: np.ndarray, columns: Sequence[int], wanted: np.ndarray) -> np.ndarray:
        """Follow the gradient to a change of descriptors; return the latent that comes nearest to it."""
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
        title = f"from {self.instruments} instruments, by {FOLDS}-fold cross-validation"
        return table(self._rows(), ("descriptor", "r", "95 % interval", "one standard deviation more"), title)


@in_one_line
def directions(atlas: Atlas, seed: int = 0) -> Directions:
    """Learn directions from an atlas by ridge regression of each descriptor on the latents.

    Args:
      atlas: an atlas with at least `MIN_INSTRUMENTS` instruments. Those with first-layer activations are ignored,
        because the latent alone does not determine their sound.
      seed: seed for the folds of the cross-validation.

    Returns:
      The directions, with their cross-validated correlations. Those with a correlation below `NAMED_FROM`, or with a
      descriptor that hardly varies, have no name. In the demo, random instruments are interpolated between its named
      ones, so held-out instruments are not independent of the others.

    Raises:
      ValueError: there are too few instruments.

    Notebook: 09_explore.
    """
    points = [i for i, one in enumerate(atlas.instruments) if len(one.z) == atlas.model.latent_vector_size]
    if len(points) < MIN_INSTRUMENTS:
        raise ValueError(f"directions need at least {MIN_INSTRUMENTS} instruments; this atlas has {len(points)}")
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
    is_curved = curved.error < float(np.mean((guessed - y) ** 2))  # both errors are on held-out instruments
    return Directions(found, curved if is_curved else linear, deviations, len(x), atlas.model)


def _ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression with a penalty for each target: slopes [targets, features] and offsets [targets]."""
    from sklearn.linear_model import RidgeCV

    fitted = RidgeCV(PENALTIES, alpha_per_target=True).fit(x, y)
    return fitted.coef_, fitted.intercept_


def _interval(r: float, n: int) -> tuple[float, float]:
    """95 % confidence interval of a correlation, by Fisher's z."""
    z, error = np.arctanh(np.clip(r, -0.9999, 0.9999)), CONFIDENCE / np.sqrt(n - 3)
    return float(np.tanh(z - error)), float(np.tanh(z + error))
