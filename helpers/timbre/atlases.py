"""An atlas: many instruments of a model with descriptions of their sound, to be searched and mapped.

    atlas = timbre.atlas(model)                       # the demo's is bundled; others take minutes the first time
    atlas.find("bright plucked", n=5)
    atlas.find("darker", like=atlas["Violin"])

Notebook: 09_explore.
"""

from __future__ import annotations

import difflib
import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import platformdirs
from tqdm.auto import tqdm

from .. import instruments
from ..errors import in_one_line
from ..files import as_path, replacing
from ..folders import APP, BUNDLED
from ..instruments import Instrument, alongside, check_model
from ..tables import table
from . import families, wording
from .by_style import Candidate
from .descriptors import CEPSTRA, HELD, NAMES, SILENCE, cepstra, describe_note

if TYPE_CHECKING:
    import os

    from ..gansynth import GANSynth

PITCHES = (48, 60, 72)  # MIDI pitches at which each instrument is described
SIZE = 512  # default number of instruments
MAX_SIZE = 10_000
VERSION = 1  # of the descriptors; descriptions of other versions are not reused
SAVE_EVERY = 16  # instruments
WORD_CAP, NAME_BONUS = (-3.0, 1.5), 6.0  # range of the score of one word in a search; score of a matching name
COMPARED = 0.5  # standard deviations that a comparative such as "brighter" requires


class Description(NamedTuple):
    """A description of how an instrument sounds.

    Attributes:
      name: name of the instrument.
      values: {descriptor: median over the pitches, in its unit}.
      spread: {descriptor: half of its range over the pitches}; a value with a large spread is not reliable.
      family: the most probable one of NSynth's eleven instrument families.
      probability: probability of that family by the classifier; for its accuracy, see `families.accuracy`.
    """

    name: str
    values: dict[str, float]
    spread: dict[str, float]
    family: str
    probability: float

    @property
    def words(self) -> str:
        """At most three words, such as "bright, plucked, short"."""
        return wording.in_words(self.values)

    def __str__(self) -> str:
        return f"{self.name}: {self.words}; {self.family.replace('_', ' ')} ({self.probability:.0%})"


class SearchResult(NamedTuple):
    """A result of a search.

    Attributes:
      instrument: the instrument.
      score: how well it matches; higher is better. Scores are only comparable within one search.
      description: how it sounds.
    """

    instrument: Instrument
    score: float
    description: Description


class SearchResults(list[SearchResult]):
    """The results of a search, the best first. Shown as a table in a notebook."""

    def __str__(self) -> str:
        return "\n".join(str(match.description) for match in self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [
            (
                found.name,
                found.words,
                found.family.replace("_", " "),
                f"{found.probability:.0%}",
                f"{score:.1f}".replace("-0.0", "0.0"),
            )
            for _, score, found in self
        ]
        return table(rows, ("instrument", "what it sounds like", "probably", "", "score"))


class Atlas:
    """Instruments of a model with descriptions of their sound, without silent ones. Created by `atlas`.

    Attributes:
      model: the model.
      instruments: list of n instruments.
      values: median of each descriptor over `PITCHES`, [n, descriptors], in the order of `NAMES`.
      spread: half of each descriptor's range over the pitches, [n, descriptors].
      features: `values` followed by cepstra, averaged over the pitches; used for comparisons, [n, features].
      probabilities: probability of each family, [n, families], in the order of `families.FAMILIES`.
    """

    def __init__(self, model: GANSynth, chosen: Sequence[Instrument], described: np.ndarray):
        heard = np.isfinite(described[:, :, 0]).any(axis=1)
        if not heard.any():
            raise ValueError(f"an atlas needs an audible instrument; all {len(chosen)} are silent")
        self.model = model
        self.instruments = [instrument for instrument, there in zip(chosen, heard, strict=True) if there]
        numbers, shapes = np.split(described[heard], [len(NAMES)], axis=2)
        self.values = np.nanmedian(numbers, axis=1)
        self.spread = (np.nanmax(numbers, axis=1) - np.nanmin(numbers, axis=1)) / 2
        self.features = np.concatenate([self.values, np.nanmean(shapes, axis=1)], axis=1)
        self.probabilities = families.probabilities(described[heard])
        deviations = self.features.std(axis=0)
        self._scale = np.where(deviations > 1e-6, deviations, np.inf)

    def __len__(self) -> int:
        return len(self.instruments)

    def __repr__(self) -> str:
        return f"Atlas({self.model.name}, {len(self)} instruments)"

    def __getitem__(self, name: str) -> Instrument:
        """The instrument of a given name."""
        for instrument in self.instruments:
            if instrument.name == name:
                return instrument
        near = difflib.get_close_matches(str(name), [one.name for one in self.instruments], n=3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise KeyError(f"no instrument of the atlas is called {name!r}{hint}")

    def description(self, which: int | str | Instrument) -> Description:
        """Describe an instrument: one of the atlas (given by index, name or itself), or any other of the model."""
        if isinstance(which, Instrument):
            known = self._number(which)
            if known is None:
                single = Atlas(self.model, [which], describe(self.model, [which], progress=False))
                return single.description(0)
            which = known
        if isinstance(which, str):
            which = self.instruments.index(self[which])
        if not -len(self) <= which < len(self):
            raise ValueError(f"there is no instrument {which}; this atlas has {len(self)}, from 0")
        best = int(np.argmax(self.probabilities[which]))
        return Description(
            self.instruments[which].name,
            dict(zip(NAMES, self.values[which].tolist(), strict=True)),
            dict(zip(NAMES, self.spread[which].tolist(), strict=True)),
            families.FAMILIES[best],
            float(self.probabilities[which, best]),
        )

    def _number(self, instrument: Instrument) -> int | None:
        check_model(instrument, self.model)
        for number, other in enumerate(self.instruments):
            if np.array_equal(other.z, instrument.z):
                return number
        return None

    @in_one_line
    def find(self, query: str = "", like: Instrument | str | None = None, n: int = 5) -> SearchResults:
        """Search for instruments.

        Args:
          query: words such as "bright plucked", families ("organ") and instruments ("violin", found by name or, in
            models without names, by family); together with `like`, also comparatives such as "darker" or "longer".
          like: an example, as an instrument or its name. Instruments that sound similar are preferred; the example
            itself is left out.
          n: number of results.

        Returns:
          The results, the best first.

        Raises:
          ValueError: a word is unknown, a comparative has no example, or n is less than 1.

        >>> from helpers import gansynth, timbre
        >>> atlas = timbre.atlas(gansynth.load("demo"))
        >>> [match.instrument.name for match in atlas.find("violin", n=2)]
        ['Violin', 'Violin, soft']

        Notebook: 09_explore.
        """
        _check_count(n)
        if not isinstance(query, str):
            raise ValueError(f'find takes words, as in find("bright plucked"), not {query!r:.100}')
        if isinstance(like, str):
            like = self[like]
        wanted = list(self._wanted(query, like))
        if not wanted and like is None:
            raise ValueError('say what to look for, as in find("bright plucked") or find(like=instrument)')
        score = sum((ask for ask in wanted), np.zeros(len(self)))
        if like is not None:
            score = score - self.distances(like)
            if (itself := self._number(like)) is not None:
                score[itself] = -np.inf
        best = [int(i) for i in np.argsort(-score, kind="stable")[:n] if np.isfinite(score[i])]
        return SearchResults(SearchResult(self.instruments[i], float(score[i]), self.description(i)) for i in best)

    def _wanted(self, query: str, like: Instrument | None) -> Iterator[np.ndarray]:
        """The scores of all instruments, [n], for each word of a query."""
        rows = [dict(zip(NAMES, row, strict=True)) for row in self.values.tolist()]
        for token in query.replace(",", " ").split():
            word, lower = wording.known(token), token.lower()
            if word:
                yield np.clip([wording.margin(word, row) for row in rows], *WORD_CAP)
            elif lower in wording.COMPARATIVES:
                if like is None:
                    raise ValueError(f'"{token}" than what? Name an example: find("{token}", like=instrument)')
                yield self._compared(*wording.COMPARATIVES[lower], self.description(like))
            else:
                yield self._named(lower)

    def _compared(self, descriptor: str, sign: int, example: Description) -> np.ndarray:
        """Scores for a comparative: how far each instrument is beyond the example; a large penalty if it is not."""
        column = NAMES.index(descriptor)
        further = sign * (self.values[:, column] - example.values[descriptor]) / self._scale[column]
        return np.where(further >= COMPARED, np.minimum(further, 1.5), -NAME_BONUS + np.minimum(further, 0.0))

    def _named(self, token: str) -> np.ndarray:
        """Scores for the name of a family or an instrument."""
        called = np.array([token in one.name.lower().replace(",", " ").split() for one in self.instruments])
        within = np.array([token in one.name.lower() for one in self.instruments])
        family = families.named(token)
        if family is None and not within.any():
            near = difflib.get_close_matches(token, [*wording.vocabulary(), *families.FAMILIES], n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else f"; words are {', '.join(wording.WORDS)}"
            raise ValueError(f'"{token[:40]}" is not a known word{hint}')
        probable = 0.0 if family is None else self.probabilities[:, families.FAMILIES.index(family)]
        exactly = np.array([one.name.lower() == token for one in self.instruments])
        return NAME_BONUS * (0.25 * exactly + 0.25 * called + 0.25 * within + 0.25 * probable)

    def distances(self, to: Instrument | str) -> np.ndarray:
        """Distance in sound of all instruments of the atlas to one: root mean square of standardised features, [n]."""
        if isinstance(to, str):
            to = self[to]
        number = self._number(to)
        if number is None:
            row = Atlas(self.model, [to], describe(self.model, [to], progress=False)).features[0]
        else:
            row = self.features[number]
        return np.sqrt(np.mean(((self.features - row) / self._scale) ** 2, axis=1))

    def neighbours(self, of: Instrument | str, n: int = 5) -> SearchResults:
        """The instruments most similar to one in sound, the nearest first, without itself."""
        return self.find(like=of, n=n)

    def candidates(self) -> list[Candidate]:
        """All instruments as candidates for `cast`, with their most probable families, for models without names."""
        best = self.probabilities.argmax(axis=1)
        return [
            Candidate(instrument, families.FAMILIES[family], float(self.probabilities[number, family]))
            for number, (instrument, family) in enumerate(zip(self.instruments, best, strict=True))
        ]

    @in_one_line
    def diverse(self, n: int = 8) -> list[Instrument]:
        """n instruments that differ as much as possible, by farthest-point sampling.

        The first is the one nearest to the mean of all.
        """
        _check_count(n)
        rows = self.features / self._scale
        chosen = [int(np.argmin(np.sum((rows - rows.mean(axis=0)) ** 2, axis=1)))]
        nearest = np.full(len(rows), np.inf)
        while len(chosen) < min(n, len(rows)):
            nearest = np.minimum(nearest, np.sum((rows - rows[chosen[-1]]) ** 2, axis=1))
            chosen.append(int(np.argmax(nearest)))
        return [self.instruments[i] for i in chosen]


@in_one_line
def atlas(
    model: GANSynth,
    n: int = SIZE,
    seed: int = 0,
    chosen: Sequence[Instrument] | None = None,
    folder: str | os.PathLike | None = None,
    progress: bool = True,
) -> Atlas:
    """Describe many instruments of a model, or load earlier descriptions.

    The model's named instruments come first, followed by random ones up to n. Descriptions are saved in a cache after
    every few instruments, by the fingerprint of the weights, so that an interrupted call can be continued. The demo's
    atlas is bundled.

    Args:
      model: the model.
      n: number of instruments.
      seed: seed of the random instruments.
      chosen: the instruments to describe, instead of named and random ones.
      folder: cache folder; by default `gansynth-suite/atlas` in the user's cache folder.
      progress: show a progress bar.

    Raises:
      ValueError: n is not from 2 to 10,000, there are no instruments or all are silent, or one belongs to another
        model.

    >>> from helpers import gansynth, timbre
    >>> timbre.atlas(gansynth.load("demo"))
    Atlas(demo, 512 instruments)

    Notebook: 09_explore.
    """
    if chosen is None:
        _check_count(n)
        if not 2 <= n <= MAX_SIZE:
            raise ValueError(f"n is {n}; an atlas can have from 2 to {MAX_SIZE:,} instruments")
        own = list(instruments.named(model).values())[:n]
        chosen = own + instruments.sample(model, n - len(own), seed)
    if not chosen:
        raise ValueError("chosen is empty; an atlas needs at least one instrument")
    for instrument in chosen:
        check_model(instrument, model)
    name = _name(model, chosen)
    bundled = BUNDLED / "checkpoints" / "demo" / name
    kept = as_path(folder) if folder is not None else Path(platformdirs.user_cache_dir(APP, appauthor=False)) / "atlas"
    done = _kept(bundled, len(chosen))
    if done is None:
        done = _kept(kept / name, len(chosen))
    described = np.zeros((0, len(PITCHES), len(NAMES) + CEPSTRA)) if done is None else done
    if len(described) < len(chosen):
        rest = chosen[len(described) :]

        def keep(rows: np.ndarray) -> None:
            with replacing(kept / name) as partial, partial.open("wb") as file:
                np.savez(file, allow_pickle=False, described=np.concatenate([described, rows]).astype(np.float32))

        described = np.concatenate([described, describe(model, rest, progress, keep)])
    return Atlas(model, chosen, described)


def _check_count(n: int) -> None:
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n is {n!r}; it must be a whole number of at least 1")


def _name(model: GANSynth, chosen: Sequence[Instrument]) -> str:
    """The name of an atlas file: a hash of everything that the atlas depends on."""
    latents = alongside(chosen).astype("<f4")
    precision = "" if model.precision == "float32" else f" {model.precision}"
    digest = hashlib.sha256(f"{VERSION} {PITCHES} {model.fingerprint}{precision}".encode() + latents.tobytes())
    return f"atlas-{digest.hexdigest()[:16]}.npz"


def _kept(path: Path, count: int) -> np.ndarray | None:
    """Saved descriptions, [described, pitches, features]; None if there are none or the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as saved:
            described = saved["described"].astype(np.float64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = described.ndim == 3 and described.shape[1:] == (len(PITCHES), len(NAMES) + CEPSTRA)
    return described if whole and len(described) <= count and not np.isinf(described).any() else None


def describe(
    model: GANSynth,
    chosen: Sequence[Instrument],
    progress: bool = True,
    keep: Callable[[np.ndarray], None] | None = None,
) -> np.ndarray:
    """Compute descriptors and cepstra of instruments at all `PITCHES`.

    Only the part of a note that is analysed is generated. A second thread analyses one batch while the network
    generates the next, since the network does not keep two cores busy.

    Args:
      model: the model that plays them.
      chosen: the instruments.
      progress: show a progress bar.
      keep: called from time to time with the rows so far.

    Returns:
      [n, pitches, descriptors and cepstra]; NaN for silent notes.
    """
    rows: list[np.ndarray] = []
    duration = min(HELD, model.max_duration)
    waiting: Future[list[np.ndarray]] | None = None

    def add() -> None:
        """Collect the rows from the thread."""
        nonlocal waiting
        if waiting is not None:
            described, waiting = waiting.result(), None
            rows.extend(described)
            if keep is not None:
                keep(np.array(rows))
            bar.update(len(described))

    shown = progress and len(chosen) >= 4
    with (
        tqdm(total=len(chosen), desc="describe", unit="instrument", disable=not shown) as bar,
        ThreadPoolExecutor(1) as beside,
    ):
        try:
            for first in range(0, len(chosen), SAVE_EVERY):
                some = chosen[first : first + SAVE_EVERY]
                z = np.repeat(alongside(some), len(PITCHES), axis=0)
                notes = model.generate(z, np.tile(PITCHES, len(some)), duration=duration, progress=False)
                add()
                waiting = beside.submit(_rows, model, notes.reshape(len(some), len(PITCHES), -1))
        finally:  # if interrupted, keep the last batch
            add()
    return np.array(rows)


def _rows(model: GANSynth, notes: np.ndarray) -> list[np.ndarray]:
    """`_row` of each instrument's notes, [n, pitches, samples]."""
    return [_row(model, batch) for batch in notes]


def _row(model: GANSynth, notes: np.ndarray) -> np.ndarray:
    """The descriptors and cepstra of one instrument's notes, [pitches, features]; NaN for silent notes."""
    rows = np.full((len(PITCHES), len(NAMES) + CEPSTRA), np.nan)
    for row, note, pitch in zip(rows, notes, PITCHES, strict=True):
        if np.abs(note).max() >= SILENCE:
            row[:] = *describe_note(note, pitch, model.sample_rate).values(), *cepstra(note, model.sample_rate)
    return rows
