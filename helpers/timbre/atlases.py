"""An atlas: many instruments of a model, each described once, to search and to find one's way in.

    atlas = timbre.atlas(model)                       # the demo's is bundled; others take minutes, once
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

PITCHES = (48, 60, 72)  # MIDI numbers; an instrument is described at all three
SIZE = 512  # instruments of an atlas
MAX_SIZE = 10_000
VERSION = 1  # of the descriptors: what another one described is described anew
SAVE_EVERY = 16  # instruments
WORD_CAP, NAME_BONUS = (-3.0, 1.5), 6.0  # steps that one word of a search can take away or add; of a name that matches
COMPARED = 0.5  # standard deviations that "brighter" asks for at least


class Description(NamedTuple):
    """What an instrument sounds like.

    Attributes:
      name: the instrument's.
      values: median over the pitches of each descriptor, in its unit, by name.
      spread: half of what each one differs by between the pitches; where that is much, do not rely on it.
      family: the most probable instrument family, of NSynth's eleven.
      probability: of that family, by a classifier that is right as often as `families.accuracy` says.
    """

    name: str
    values: dict[str, float]
    spread: dict[str, float]
    family: str
    probability: float

    @property
    def words(self) -> str:
        """At most three words: "bright, plucked, short"."""
        return wording.in_words(self.values)

    def __str__(self) -> str:
        return f"{self.name}: {self.words}; {self.family.replace('_', ' ')} ({self.probability:.0%})"


class Match(NamedTuple):
    """An instrument that a search found.

    Attributes:
      instrument: it.
      score: how well it suits, higher is better; comparable within one search.
      description: what it sounds like.
    """

    instrument: Instrument
    score: float
    description: Description


class Matches(list[Match]):
    """What a search found, the best first; a table in a notebook."""

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
    """Instruments of a model and what they sound like, those left out that are silent. `atlas` makes it.

    Attributes:
      model: the model.
      instruments: [n].
      values: median over `PITCHES` of each descriptor, [n, descriptors], in the order of `NAMES`.
      spread: half of the difference between the pitches, the same shape.
      features: the values, and after them the mean over pitches of cepstra: what is compared, [n, features].
      probabilities: of each family, [n, families], in the order of `families.FAMILIES`.
    """

    def __init__(self, model: GANSynth, chosen: Sequence[Instrument], described: np.ndarray):
        heard = np.isfinite(described[:, :, 0]).any(axis=1)
        if not heard.any():
            raise ValueError(f"an atlas needs an instrument that is heard; of {len(chosen)} there is none")
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
        """An instrument by its name."""
        for instrument in self.instruments:
            if instrument.name == name:
                return instrument
        near = difflib.get_close_matches(str(name), [one.name for one in self.instruments], n=3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise KeyError(f"no instrument of the atlas is called {name!r}{hint}")

    def description(self, which: int | str | Instrument) -> Description:
        """What an instrument sounds like: one of the atlas, by number, name or itself, or any other of the model."""
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
    def find(self, query: str = "", like: Instrument | str | None = None, n: int = 5) -> Matches:
        """Search for instruments.

        Args:
          query: words such as "bright plucked", families ("organ"), instruments ("violin": by name where there are
            names, by family otherwise), and beside an example also "darker", "longer" and the like.
          like: an example, by name or itself: those that sound similar are preferred, and it is left out itself.
          n: how many.

        Returns:
          The best first.

        Raises:
          ValueError: a word that is not known, a comparison without an example, or less than one instrument.

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
        return Matches(Match(self.instruments[i], float(score[i]), self.description(i)) for i in best)

    def _wanted(self, query: str, like: Instrument | None) -> Iterator[np.ndarray]:
        """For each word of a query how well each instrument meets it, [n]."""
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
        """How far instruments are on the asked side of an example; what is not at all is out of the question."""
        column = NAMES.index(descriptor)
        further = sign * (self.values[:, column] - example.values[descriptor]) / self._scale[column]
        return np.where(further >= COMPARED, np.minimum(further, 1.5), -NAME_BONUS + np.minimum(further, 0.0))

    def _named(self, token: str) -> np.ndarray:
        """How well instruments fit the name of a family, or of an instrument."""
        called = np.array([token in one.name.lower().replace(",", " ").split() for one in self.instruments])
        within = np.array([token in one.name.lower() for one in self.instruments])
        family = families.named(token)
        if family is None and not within.any():
            near = difflib.get_close_matches(token, [*wording.vocabulary(), *families.FAMILIES], n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else f"; words are {', '.join(wording.WORDS)}"
            raise ValueError(f'nothing is known of "{token[:40]}"{hint}')
        probable = 0.0 if family is None else self.probabilities[:, families.FAMILIES.index(family)]
        exactly = np.array([one.name.lower() == token for one in self.instruments])
        return NAME_BONUS * (0.25 * exactly + 0.25 * called + 0.25 * within + 0.25 * probable)

    def distances(self, to: Instrument | str) -> np.ndarray:
        """How different each instrument of the atlas sounds from one: root mean square of standard deviations, [n]."""
        if isinstance(to, str):
            to = self[to]
        number = self._number(to)
        if number is None:
            row = Atlas(self.model, [to], describe(self.model, [to], progress=False)).features[0]
        else:
            row = self.features[number]
        return np.sqrt(np.mean(((self.features - row) / self._scale) ** 2, axis=1))

    def neighbours(self, of: Instrument | str, n: int = 5) -> Matches:
        """The instruments that sound most like one, the nearest first; not itself."""
        return self.find(like=of, n=n)

    def candidates(self) -> list[Candidate]:
        """All instruments as `cast` takes them, each with its most probable family: for models that name none."""
        best = self.probabilities.argmax(axis=1)
        return [
            Candidate(instrument, families.FAMILIES[family], float(self.probabilities[number, family]))
            for number, (instrument, family) in enumerate(zip(self.instruments, best, strict=True))
        ]

    @in_one_line
    def diverse(self, n: int = 8) -> list[Instrument]:
        """A handful that differ as much as possible: each next one is farthest from those before.

        The first is the one that is nearest to the middle of all.
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
    """Describe many instruments of a model, or get back what was described before.

    The model's own instruments come first, and random ones fill up to n. What is described is kept by the fingerprint
    of the weights, every few instruments, so that work that was stopped goes on. The demo's is bundled.

    Args:
      model: the model.
      n: how many.
      seed: of the random ones.
      chosen: in place of all that, these instruments.
      folder: where it is kept; by default `gansynth-suite/atlas` in the user's cache folder.
      progress: show a bar.

    Raises:
      ValueError: n is not from 2 to 10,000, there is no instrument or none that is heard, or one belongs to another
        model.

    >>> from helpers import gansynth, timbre
    >>> timbre.atlas(gansynth.load("demo"))
    Atlas(demo, 512 instruments)

    Notebook: 09_explore.
    """
    if chosen is None:
        _check_count(n)
        if not 2 <= n <= MAX_SIZE:
            raise ValueError(f"n is {n}; an atlas has from 2 to {MAX_SIZE:,} instruments")
        own = list(instruments.named(model).values())[:n]
        chosen = own + instruments.sample(model, n - len(own), seed)
    if not chosen:
        raise ValueError("an atlas needs an instrument to describe; chosen is empty")
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
        raise ValueError(f"n is {n!r}; it must be a whole number from 1")


def _name(model: GANSynth, chosen: Sequence[Instrument]) -> str:
    """A file's name for all that an atlas depends on."""
    latents = alongside(chosen).astype("<f4")
    precision = "" if model.precision == "float32" else f" {model.precision}"
    digest = hashlib.sha256(f"{VERSION} {PITCHES} {model.fingerprint}{precision}".encode() + latents.tobytes())
    return f"atlas-{digest.hexdigest()[:16]}.npz"


def _kept(path: Path, count: int) -> np.ndarray | None:
    """What was described before, [described, pitches, numbers], unless there is none, or it is damaged."""
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
    """Listen to instruments: [n, pitches, descriptors and cepstra].

    Only the part of a note that is described is generated. One thread describes what was generated before, while the
    network, which leaves one of two cores idle in between, goes on.

    Args:
      model: plays them.
      chosen: [n].
      progress: show a bar.
      keep: is called now and then with what is described so far.
    """
    rows: list[np.ndarray] = []
    duration = min(HELD, model.max_duration)
    waiting: Future[list[np.ndarray]] | None = None

    def add() -> None:
        """Take what is described meanwhile."""
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
        finally:  # who stops it keeps what was generated
            add()
    return np.array(rows)


def _rows(model: GANSynth, notes: np.ndarray) -> list[np.ndarray]:
    """`_row` of each instrument's notes, [n, pitches, samples]."""
    return [_row(model, batch) for batch in notes]


def _row(model: GANSynth, notes: np.ndarray) -> np.ndarray:
    """The descriptors and cepstra of one instrument's notes, [pitches, numbers]; no numbers for silent ones."""
    rows = np.full((len(PITCHES), len(NAMES) + CEPSTRA), np.nan)
    for row, note, pitch in zip(rows, notes, PITCHES, strict=True):
        if np.abs(note).max() >= SILENCE:
            row[:] = *describe_note(note, pitch, model.sample_rate).values(), *cepstra(note, model.sample_rate)
    return rows
