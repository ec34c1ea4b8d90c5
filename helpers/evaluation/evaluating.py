"""Evaluate a model: compare its notes with a reference's, with intervals and with the best scores that are possible.

    reference = dataset.open_sounds("soundfont:", model.config)
    found = evaluation.evaluate(model, reference, n=500, seed=0)
    found                                        # a table
    results.write(found, "outputs/mine.json")

A single score says little, because most scores depend on the number of notes and on the tools that analyse them. So
three rows of equal size are measured in one run:

- "model": notes of random latents.
- "reference": notes of the reference, held out from those to compare with but by the same instruments. Their distance
  is the floor, which a copy of the reference would reach. A model with other instruments is above it: the fewer the
  instruments, the larger the gap.
- "round trip": the notes of "reference", converted to the model's spectrograms and back. They show the loss due to its
  representation, and so the best that the model could do.

Notebook: 12_measure.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..files import as_path
from ..gansynth import spectral
from ..pitch import DISAGREE_CENTS, IN_TUNE_CENTS, SWIFT_LOWEST
from ..tables import counted
from . import classifier, metrics
from .describing import BATCH, DescribedNotes, Stream, described
from .metrics import Interval
from .results import MODEL, OTHER, ROUND_TRIP, ROWS, Estimate, Evaluation

if TYPE_CHECKING:
    from ..gansynth import GANSynth
    from ..gansynth.config import Config

FORMAT = 2  # version of the cached features
FIXED = "compared with"  # the notes with which the three rows are compared
NOTES_PER_LATENT = 4  # notes per latent, so that each instrument is heard at several pitches
MIN_NOTES = 48

# With fewer notes than these, a metric is meaningless.
MIN_NDB = 500  # ten per cell
MIN_KERNEL = 100
MIN_FRECHET = 3  # per feature
MIN_CLASS = 4  # notes of an instrument, for the classifier to be trained on it
MIN_ACCURACY = 0.5  # of the classifier, for the metrics that use it
PRINCIPAL = 32  # principal components of the log-mel spectrograms in which distances are computed
SIGNED = ("kid_musicnn", "kid_mel")  # metrics that can be below 0
MANY, FEWER = 3000, 50  # with more notes than the first, the number of resamples is the second

Statistic = Callable[[np.ndarray], float]  # indices of notes -> a metric of those notes


class ReferenceNote(Protocol):
    """The metadata needed of a note of the reference."""

    @property
    def pitch(self) -> int: ...
    @property
    def instrument(self) -> str: ...


class Reference(Protocol):
    """Notes to compare with, such as a `training.dataset.Sounds`."""

    @property
    def entries(self) -> Sequence[ReferenceNote]: ...
    @property
    def identity(self) -> str: ...
    def read(self, indices: np.ndarray) -> Iterator[tuple[int, np.ndarray | str]]: ...


def evaluate(
    model: GANSynth,
    reference: Reference,
    n: int = 1000,
    seed: int = 0,
    *,
    z: np.ndarray | None = None,
    cache_dir: str | Path | None = None,
    named: str = "reference",
    progress: bool = True,
) -> Evaluation:
    """Evaluate a model against a reference.

    Args:
      model: the model to evaluate.
      reference: notes to compare with, at the model's sample rate (`training.dataset.open_sounds`).
      n: number of notes in each row. The reference should have twice as many; if it has fewer, all rows are shorter.
      seed: seed of the latents, the choice of notes, the cells, the classifier and the resamples.
      z: latents to evaluate instead of random ones, [count, latent_vector_size].
      cache_dir: folder in which the features of notes are cached, so that an interrupted call can be resumed, and a
        second model is compared with the same reference in less than half the time; None for no cache.
      named: name of the reference in the result.
      progress: show progress bars.

    Raises:
      ValueError: there are fewer than MIN_NOTES usable notes for each row, or an argument is invalid.

    Example:
      reference = dataset.open_sounds("soundfont:", model.config, programs=range(0, 96, 8))
      found = evaluation.evaluate(model, reference, n=100)
    """
    from threadpoolctl import threadpool_limits

    check_size(len(reference.entries), n, named)
    keep = _Keeper(None if cache_dir is None else as_path(cache_dir), model.sample_rate, progress)
    with threadpool_limits(1, user_api="blas"):  # the matrix products are too small for several threads to pay off
        found = _evaluated(model, reference, n, seed, z, keep, named)
    return dataclasses.replace(found, reference_notes=_which(reference.entries))


def _evaluated(
    model: GANSynth, reference: Reference, n: int, seed: int, z: np.ndarray | None, keep: _Keeper, named: str
) -> Evaluation:
    fixed, other = _split(reference.entries, n, seed)
    stream, pitches, instruments = _thrice(reference, fixed, other, model.config)
    key = [FORMAT, reference.identity, len(fixed), seed, _transform(model.config)]
    numbers, heard, problems = keep(OTHER, key, stream, pitches, instruments, untracked=len(fixed))
    ends = np.searchsorted(numbers, np.cumsum([0, len(fixed), len(other), len(other)]))
    rows = zip((FIXED, OTHER, ROUND_TRIP), itertools.pairwise(ends), strict=True)
    notes = {row: heard.at(np.arange(first, last)) for row, (first, last) in rows}

    pitches = np.random.RandomState(seed).permutation(notes[OTHER].pitches)  # so that a latent gets varied pitches
    latents = _latents(model, len(pitches), seed, z)
    which = np.arange(len(pitches)) % len(latents)
    key = [FORMAT, model.fingerprint, model.precision, _digest(latents), pitches.tolist()]
    _, notes[MODEL], _ = keep(MODEL, key, _generating(model, latents[which], pitches), pitches, which)
    silent = int(np.sum(np.ptp(notes[MODEL].mel, axis=1) == 0))
    found = _judged(model, notes, named, seed, tuple(problems))
    return dataclasses.replace(found, silent=silent, given=z is not None)


def check_size(size: int, n: int, named: str) -> None:
    """Raise a ValueError if the size of the reference, or the number `n` of notes in each row, is too small."""
    if n < MIN_NOTES:
        raise ValueError(f"n is {n}; at least {MIN_NOTES} notes are needed")
    if size < 2 * MIN_NOTES:
        raise ValueError(
            f"{named} has {counted(size, 'note')}; at least {2 * MIN_NOTES} are needed, because half are compared with "
            "the other half"
        )


# --------------------------------------------------------------------------------------------------------- the notes


def _split(entries: Sequence[ReferenceNote], n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of `n` notes to compare with and of `n` others, by the same instruments, both in ascending order."""
    rng = np.random.RandomState(seed)
    chosen = rng.permutation(len(entries))[: 2 * n]
    instruments = np.array([entries[i].instrument for i in chosen])
    # Every second note of each instrument goes to each half, so that the halves differ only in the choice of notes.
    order = np.argsort(instruments, kind="stable")
    return np.sort(chosen[order[::2]]), np.sort(chosen[order[1::2]])


def _thrice(
    reference: Reference, fixed: np.ndarray, other: np.ndarray, config: Config
) -> tuple[Stream, np.ndarray, np.ndarray]:
    """The reference's notes as one stream, so that each is read only once, and the pitches and instruments of them all.

    The order is: notes to compare with, the others, and the others after the round trip through the model's
    spectrograms.
    """
    numbers = np.concatenate([fixed, other, other])
    entries = [reference.entries[i] for i in numbers]
    _, instruments = np.unique([entry.instrument for entry in entries], return_inverse=True)

    def stream(asked: np.ndarray) -> Iterator[tuple[int, np.ndarray | str]]:
        places: dict[int, list[int]] = {}
        for place in asked.tolist():
            places.setdefault(int(numbers[place]), []).append(place)
        for number, wave in reference.read(np.array(sorted(places))):
            for place in places[number]:
                is_trip = place >= len(fixed) + len(other)
                if not isinstance(wave, str):
                    yield place, round_trip(wave, config) if is_trip else wave
                elif not is_trip:  # report a problem only once
                    yield place, wave

    return stream, np.array([entry.pitch for entry in entries]), instruments


def round_trip(wave: np.ndarray, config: Config) -> np.ndarray:
    """Convert a note, float32 [samples], to a model's normalised spectrogram and back."""
    data = spectral.normalize(spectral.waves_to_data(wave[None], config), config)
    return spectral.data_to_waves(spectral.denormalize(data, config), config)[0]


def _generating(model: GANSynth, z: np.ndarray, pitches: np.ndarray) -> Stream:
    def stream(asked: np.ndarray) -> Iterator[tuple[int, np.ndarray | str]]:
        for i in range(0, len(asked), BATCH):
            some = asked[i : i + BATCH]
            for number, wave in zip(some.tolist(), model.generate(z[some], pitches[some], progress=False), strict=True):
                # Failed notes count as silent. If they were left out, a model would gain by failing.
                yield number, wave if np.isfinite(wave).all() else np.zeros_like(wave)

    return stream


def _latents(model: GANSynth, count: int, seed: int, z: np.ndarray | None) -> np.ndarray:
    if z is None:
        return model.sample_z(-(-count // NOTES_PER_LATENT), seed)
    z = np.asarray(z, np.float64)
    if z.ndim != 2 or z.shape[1] != model.latent_vector_size or not len(z) or not np.isfinite(z).all():
        raise ValueError(f"z has shape {list(z.shape)}; expected finite numbers [count, {model.latent_vector_size}]")
    return z[:count]


def _transform(config: Config) -> list[Any]:
    """The hyper-parameters that the round trip depends on."""
    sizes = [config.data_type, config.audio_length, config.sample_rate, config.frames, config.bins]
    return [*sizes, config.mag_normalizer_a, config.mag_normalizer_b, config.p_normalizer_a, config.p_normalizer_b]


def _which(entries: Sequence[ReferenceNote]) -> str:
    """A digest of the notes' instruments and pitches, the same on every machine."""
    text = "\n".join(f"{entry.instrument} {entry.pitch}" for entry in entries)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


class _Keeper:
    """Calls `described` with a separate cache folder for each set of notes."""

    def __init__(self, folder: Path | None, sample_rate: int, progress: bool):
        self._folder, self._sample_rate, self._progress = folder, sample_rate, progress

    def __call__(
        self,
        name: str,
        key: list[Any],
        stream: Stream,
        pitches: np.ndarray,
        instruments: np.ndarray,
        untracked: int = 0,
    ) -> tuple[np.ndarray, DescribedNotes, list[str]]:
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
        folder = self._folder and self._folder / digest
        return described(stream, pitches, instruments, self._sample_rate, folder, name, self._progress, untracked)


# ------------------------------------------------------------------------------------------------------- the numbers


def _judged(
    model: GANSynth, notes: dict[str, DescribedNotes], named: str, seed: int, problems: tuple[str, ...]
) -> Evaluation:
    """Compute the evaluation from the features of all notes."""
    fixed = notes.pop(FIXED)
    size = min(len(fixed.pitches), *(len(row.pitches) for row in notes.values()))
    if size < MIN_NOTES:
        raise ValueError(f"{named} has {counted(size, 'usable note')} for each row; at least {MIN_NOTES} are needed")
    rng = np.random.RandomState(seed)
    notes = {row: found.at(np.sort(rng.permutation(len(found.pitches))[:size])) for row, found in notes.items()}
    distances = _Distances(fixed.at(np.sort(rng.permutation(len(fixed.pitches))[:size])), seed)
    accuracy = distances.accuracy(notes[OTHER])
    return Evaluation(
        model.name,
        model.fingerprint,
        named,
        size,
        {row: len(np.unique(found.instruments)) for row, found in notes.items()},
        seed,
        {row: _scores(notes[row], distances, accuracy, seed) for row in ROWS},
        accuracy,
        problems,
    )


def _scores(
    notes: DescribedNotes, distances: _Distances, accuracy: Mapping[str, float], seed: int
) -> dict[str, Estimate]:
    """The scores of one row."""
    found: dict[str, Estimate] = {}
    resamples = metrics.RESAMPLES if len(notes.pitches) <= MANY else FEWER
    for name, cents, lowest in (("", notes.pyin, 0), ("_swift_f0", notes.swift_f0, SWIFT_LOWEST)):
        judged = np.flatnonzero(notes.pitches >= lowest)  # notes without a detected pitch count as out of tune
        if len(judged) < MIN_NOTES:
            continue
        found[f"in_tune{name}"] = _share(np.abs(cents) <= IN_TUNE_CENTS, notes, seed, judged)
        heard = np.flatnonzero(np.isfinite(cents))
        found[f"cents{name}"] = _score(_of(np.median, np.abs(cents)), notes, seed, resamples, heard)
    apart = np.abs(notes.pyin - notes.swift_f0)
    both = np.flatnonzero(np.isfinite(apart))
    if len(both) >= MIN_NOTES:
        found["disagree"] = _share(apart > DISAGREE_CENTS, notes, seed, both)
    for name, statistic in distances.statistics(notes, accuracy).items():
        found[name] = _score(statistic, notes, seed, resamples, lowest=-np.inf if name in SIGNED else 0.0)
    return {name: score for name, score in found.items() if np.isfinite(score.value)}


def _share(right: np.ndarray, notes: DescribedNotes, seed: int, among: np.ndarray) -> Estimate:
    """The share of right notes among some notes, in per cent."""
    interval = metrics.share_interval(right[among], notes.instruments[among], seed)
    return Estimate(100 * float(np.mean(right[among])), interval and Interval(100 * interval.low, 100 * interval.high))


def _score(
    statistic: Statistic,
    notes: DescribedNotes,
    seed: int,
    resamples: int,
    among: np.ndarray | None = None,
    lowest: float = 0.0,
) -> Estimate:
    """A metric of some notes, with its interval; `lowest` is the lowest value that it can have."""
    among = np.arange(len(notes.pitches)) if among is None else among
    if not len(among):
        return Estimate(float("nan"))
    interval = metrics.bootstrap(lambda i: statistic(among[i]), notes.instruments[among], seed, resamples)
    value = statistic(among)  # the interval is extended to include it, and cut off at the lowest possible value
    return Estimate(value, interval and Interval(max(min(interval.low, value), lowest), max(interval.high, value)))


class _Distances:
    """The notes of the reference that rows are compared with, and everything fitted to them."""

    def __init__(self, fixed: DescribedNotes, seed: int):
        from sklearn.decomposition import PCA

        self._size = len(fixed.pitches)
        components = min(PRINCIPAL, self._size // MIN_FRECHET)
        self._mel = PCA(components, random_state=seed).fit(fixed.mel)
        self._features = {"musicnn": fixed.musicnn, "mel": self._mel.transform(fixed.mel)}
        self._kid = {name: metrics.kid_from(self._scaled(name, x)) for name, x in self._features.items()}
        self._frechet = {
            name: metrics.frechet_from(self._scaled(name, x))
            for name, x in self._features.items()
            if self._size >= MIN_FRECHET * x.shape[1]
        }
        if self._size >= MIN_NDB:
            self._cell = metrics.cells(self._features["mel"], seed=seed)
            self._cells = self._cell(self._features["mel"])
        self._classifier = self._trained(fixed, seed)
        if self._classifier is not None and self._size >= MIN_FRECHET * classifier.HIDDEN:
            self._fid = metrics.frechet_from(self._classifier.features(fixed.mel))

    def _scaled(self, name: str, x: np.ndarray) -> np.ndarray:
        """Features centred and divided by the reference's root mean square deviation, since KID depends on scale."""
        whole = self._features[name]
        return (x - whole.mean(axis=0)) / max(float(np.sqrt(np.mean(whole.var(axis=0)))), 1e-9)

    @staticmethod
    def _trained(fixed: DescribedNotes, seed: int) -> classifier.Classifier | None:
        names, counts = np.unique(fixed.instruments, return_counts=True)
        enough = np.isin(fixed.instruments, names[counts >= MIN_CLASS])
        if np.sum(counts >= MIN_CLASS) < 2 or len(np.unique(fixed.pitches)) < 2:
            return None
        of = fixed.at(np.flatnonzero(enough))
        return classifier.trained(of.mel, of.semitones, of.pitches, of.instruments, seed)

    def accuracy(self, other: DescribedNotes) -> dict[str, float]:
        """The classifier's accuracy on notes that it was not trained on."""
        if self._classifier is None:
            return {}
        pitch, instrument = self._classifier.pitch, self._classifier.instrument
        return {
            "pitch": float(np.mean(pitch.predict(other.semitones) == other.pitches)),
            "instrument": float(np.mean(instrument.predict(other.mel) == other.instruments)),
        }

    def statistics(self, notes: DescribedNotes, accuracy: Mapping[str, float]) -> dict[str, Statistic]:
        """Each metric as a function of indices of notes; those that need an accurate classifier only if it is."""
        features = {"musicnn": notes.musicnn, "mel": self._mel.transform(notes.mel)}
        found: dict[str, Statistic] = {
            "diversity": lambda i: metrics.diversity(notes.mel[i], notes.pitches[i], notes.instruments[i])
        }
        for name, x in features.items():
            scaled = self._scaled(name, x)
            if self._size >= MIN_KERNEL:
                found[f"kid_{name}"] = _times(1000, self._kid[name](scaled, notes.instruments))
            if name in self._frechet:
                found[f"fad_{name}"] = _of(self._frechet[name], scaled)
        if self._size >= MIN_NDB:
            found["ndb"] = _of(functools.partial(metrics.ndb, self._cells), self._cell(features["mel"]))
        if self._classifier is not None and accuracy["pitch"] >= MIN_ACCURACY:
            found["pitch_entropy"] = _of(metrics.entropy, self._classifier.pitch.predict_proba(notes.semitones))
        if self._classifier is not None and accuracy["instrument"] >= MIN_ACCURACY:
            found["inception"] = _of(metrics.inception_score, self._classifier.instrument.predict_proba(notes.mel))
            if self._size >= MIN_FRECHET * classifier.HIDDEN:
                found["fid"] = _of(self._fid, self._classifier.features(notes.mel))
        return found


def _of(function: Callable[[np.ndarray], float], x: np.ndarray) -> Statistic:
    """A function of rows of x as a function of their indices."""
    return lambda indices: float(function(x[indices]))


def _times(factor: float, statistic: Statistic) -> Statistic:
    return lambda indices: factor * statistic(indices)
