"""Named latent vectors, a `Bank` of them to choose from, and a `Timeline` that says which one plays when.

An instrument is a point z in the model's latent space and can play every pitch of the model. Points between two
instruments are instruments too.

Notebook: 05_instruments, 07_songs (an instrument for each track).
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, overload

import numpy as np
from pydantic import FailFast, Field

from . import casting, jsonfile
from .errors import in_one_line
from .files import as_path, in_turn, replacing

if TYPE_CHECKING:
    from .gansynth import GANSynth
    from .midi import Song

SECONDS_PER_INSTRUMENT = 6.0  # interval between the instruments of a random timeline; the original's default
FILE_FORMAT = 1
MAX_BYTES = 32 << 20  # size of an instrument file; one instrument takes 6 kB
MAX_INSTRUMENTS, MAX_LATENT = 10_000, 1 << 16  # the longest latent of demo (z and first-layer activations) has 12,544
MAX_NAME = 200  # characters
MAX_NUMBER = 1e6  # magnitude of a latent's values; random latents have values of about 1
KEPT = Path("outputs/instruments.json")  # default file for the instruments that a user keeps
DRAWN = 40  # random instruments in the bank of a model without named instruments
NAMES_SHOWN = 8  # of the checkpoint's instruments, in the error about an unknown name
STOPS_SHOWN = 5  # of a timeline, in its repr
ORIGINAL_START = -0.0001  # s; time of the original's first instrument, just before the first note
PARALLEL = 1e-6  # radians; vectors within this angle of the same or opposite direction count as parallel


@dataclasses.dataclass(frozen=True, eq=False)
class Instrument:
    """A named latent vector.

    Attributes:
      name: display name.
      z: float64 [latent_vector_size], or longer if it includes first-layer activations (`matching.match`).
      checkpoint: name of the model it belongs to.
      fingerprint: hash of that model's weights; in another model the same z is a different sound.
      seed: seed it was drawn with; None if it was not drawn at random.
    """

    name: str
    z: np.ndarray
    checkpoint: str = ""
    fingerprint: str = ""
    seed: int | None = None

    def __post_init__(self) -> None:
        z = np.array(self.z, np.float64)
        if z.ndim != 1 or not len(z) or not np.isfinite(z).all():
            raise ValueError(f"the latent of instrument {self.name!r} must be a vector of finite numbers")
        z.setflags(write=False)
        object.__setattr__(self, "z", z)
        if self.seed is not None:
            object.__setattr__(self, "seed", int(self.seed))  # json cannot write NumPy integers

    def __repr__(self) -> str:
        return f"Instrument({self.name!r})"


def check_model(instrument: Instrument, model: GANSynth, where: str = "") -> None:
    """Check that an instrument belongs to a model.

    Args:
      instrument: the instrument. Without a fingerprint (made by hand), only the size of its latent is checked.
      model: the model that will play it.
      where: added to the instrument's name in the error message, such as " in outputs/instruments.json".

    Raises:
      TypeError: `instrument` is not an Instrument (a name, for example).
      ValueError: it was made for another model, or its latent has the wrong size.
    """
    _check_type(instrument)
    if instrument.fingerprint and instrument.fingerprint != model.fingerprint:
        owner = instrument.checkpoint or "another model"
        owner = f"another model named {owner}" if owner == model.name else owner
        raise ValueError(f"{instrument.name!r}{where} was made for {owner}; {model.name} would give a different sound")
    if len(instrument.z) != model.latent_vector_size and len(instrument.z) not in model.latent_sizes:
        raise ValueError(
            f"{instrument.name!r}{where} has a latent of {len(instrument.z)} numbers; {model.name} takes "
            f"{model.latent_vector_size}"
        )


def _check_type(instrument: object) -> None:
    if not isinstance(instrument, Instrument):
        raise TypeError(
            f"{instrument!r:.100} is not an Instrument; get one by its name from a bank or an atlas: bank['Cello']"
        )


def sample(model: GANSynth, n: int, seed: int) -> list[Instrument]:
    """Draw n random instruments from the model's latent distribution.

    Args:
      model: the model to draw for.
      n: number of instruments.
      seed: seed of the random numbers; the same seed and model give the same instruments.

    >>> from helpers import gansynth, instruments
    >>> instruments.sample(gansynth.load("demo"), 2, seed=5)
    [Instrument('demo 5-0'), Instrument('demo 5-1')]
    """
    return [
        Instrument(f"{model.name} {seed}-{i}", z, model.name, model.fingerprint, seed)
        for i, z in enumerate(model.sample_z(n, seed))
    ]


def named(model: GANSynth) -> dict[str, Instrument]:
    """The named instruments stored in a checkpoint, by name. The published checkpoints have none.

    The bundled "demo" has 134: forty from "Grand Piano" to "Banjo", a soft variant of each ("Banjo, soft"), and 54
    more from "FM Electric Piano" to "Star Theme".

    >>> from helpers import gansynth, instruments
    >>> among = instruments.named(gansynth.load("demo"))
    >>> len(among), list(among)[:3]
    (134, ['Grand Piano', 'Electric Piano', 'Harpsichord'])
    """
    rows = model.about.get("instruments", [])
    return {row["name"]: Instrument(row["name"], row["z"], model.name, model.fingerprint) for row in rows}


class Assignment(NamedTuple):
    """The instrument assigned to a track, and the reason in words.

    Attributes:
      instrument: the instrument.
      why: the reason.
    """

    instrument: Instrument
    why: str


def assign(model: GANSynth, song: Song, seed: int) -> dict[int, Assignment]:
    """Assign an instrument to each track, except for drums.

    If the checkpoint has named instruments, a track gets the one of its General MIDI program or, if there is none or
    another track has it already, the nearest one of the same family (`casting.cast`). For programs without a
    counterpart, an instrument is drawn from the remaining named ones. If the checkpoint has no named instruments, all
    are drawn at random.

    Args:
      model: the model that plays.
      song: the song.
      seed: seed for the instruments drawn at random.

    Returns:
      {track number, from 1: (instrument, why)}, in track order.

    >>> from helpers import gansynth, instruments, midi
    >>> model, song = gansynth.load("demo"), midi.load("data/midi/study.mid")
    >>> for number, (instrument, why) in instruments.assign(model, song, seed=0).items():
    ...     print(f"track {number}: {instrument.name}, because {why}")
    track 1: Flute, because it is the program that the track asks for
    track 2: Grand Piano, because it is the program that the track asks for
    track 3: String Ensemble, because it is the program that the track asks for
    track 4: Acoustic Bass, because it is the program that the track asks for

    Notebook: 07_songs.
    """
    programs = {number: track.program for number, track in enumerate(song.tracks, start=1) if not track.is_drum}
    rows, bank = model.about.get("instruments", []), list(named(model).values())
    profiles = [casting.Profile(row["name"], row.get("program"), row.get("family", "")) for row in rows]
    suited = casting.cast(programs, profiles)
    if bank:
        used = {index for index, _ in suited.values()}
        order = np.random.RandomState(seed).permutation(len(bank)).tolist()
        drawn = [bank[index] for index in order if index not in used] or bank
        why = "{program} has no counterpart in this model, so it was drawn with seed {seed}"
    else:
        drawn = sample(model, max(len(programs), 1), seed)
        why = "the model has no named instruments, so it was drawn with seed {seed}"
    left = itertools.cycle(drawn)
    return {
        number: Assignment(bank[suited[number][0]], suited[number][1])
        if number in suited
        else Assignment(next(left), why.format(program=casting.program_name(program), seed=seed))
        for number, program in programs.items()
    }


class Bank(Mapping[str, Instrument]):
    """A mapping of names to instruments: the model's own ones and those that the user kept. Created by `bank`.

    The model's own instruments are the named ones of its checkpoint or, if it has none (as the published checkpoints),
    random ones. Kept instruments are saved to a file immediately and are available again in the next session. All
    widgets that share a bank show the same instruments.

        bank["Cello"], bank[0], bank[:3]           by name, by position, several
        bank.keep(blend(a, b, 0.5), "half")        available as bank["half"] from now on
        bank.discard("half")
        bank.on_change(call)                       call() after each change

    Attributes:
      model: the model that the instruments belong to.
      own: the model's own instruments, by name.
      path: the JSON file of the kept instruments.
      note: a sentence to show if `path` differs from the requested file or cannot be read; otherwise "".

    Notebook: 05_instruments.
    """

    def __init__(self, model: GANSynth, seed: int, count: int, path: str | os.PathLike):
        self._seed, self._count, self._wanted = seed, count, as_path(path).absolute()
        self._listeners: list[Callable[[], None]] = []
        self._open(model)

    def _open(self, model: GANSynth) -> None:
        """Load a model's own instruments and those kept for it."""
        self.own = named(model) or {drawn.name: drawn for drawn in sample(model, self._count, self._seed)}
        self.model, self.path, self.note = model, self._wanted, ""
        self._kept: dict[str, Instrument] = {}
        try:
            self._kept = self._read()
        except ValueError as error:
            self.path = self.path.with_name(f"{self.path.stem}_{model.fingerprint[:8]}{self.path.suffix}")
            self.note = f"{error}. That file is left unchanged; instruments that you keep are saved to {self.path.name}"
            try:
                self._kept = self._read()
            except ValueError as own_error:
                self.note = str(own_error)

    def _read(self) -> dict[str, Instrument]:
        return {kept.name: kept for kept in load(self.path, self.model)} if self.path.exists() else {}

    @property
    def _all(self) -> dict[str, Instrument]:
        return self.own | self._kept

    @property
    def kept(self) -> list[str]:
        """Names of the kept instruments, the most recent last."""
        return list(self._kept)

    @overload
    def __getitem__(self, key: str | int) -> Instrument: ...

    @overload
    def __getitem__(self, key: slice) -> list[Instrument]: ...

    def __getitem__(self, key: str | int | slice) -> Instrument | list[Instrument]:
        if isinstance(key, (int, np.integer, slice)):
            return list(self._all.values())[key]
        if key not in self._all:
            raise KeyError(f"{self.model.name} has no instrument {key!r}; list(bank) names all {len(self)}")
        return self._all[key]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._all

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return f"Bank({self.model.name}: {len(self)} instruments, {len(self._kept)} kept)"

    def keep(self, instrument: Instrument, name: str | None = None) -> Instrument:
        """Add an instrument to the bank and save it, so that it is also there in the next session.

        Args:
          instrument: an instrument of the bank's model; one of the model's own is marked as kept.
          name: a new name; by default it keeps its own.

        Returns:
          The instrument as stored in the bank.

        Raises:
          ValueError: it belongs to another model, its name is taken by another instrument, empty or too long, or the
            file cannot be read.
          OSError: the file cannot be written.
        """
        name = (instrument.name if name is None else str(name)).strip()
        if not name:
            raise ValueError("the instrument needs a name before it can be kept")
        if len(name) > MAX_NAME:  # `load` would refuse the whole file
            raise ValueError(f"names can have at most {MAX_NAME} characters; {name[:40]!r}… has {len(name)}")
        check_model(instrument, self.model)
        kept = Instrument(name, instrument.z, self.model.name, self.model.fingerprint, instrument.seed)
        with in_turn(self.path.parent):
            on_file = self._read()  # another session may have added to it
            for known in (self._all.get(name), on_file.get(name)):
                if known is not None and not np.array_equal(known.z, kept.z):
                    raise ValueError(f"there is already another instrument called {name!r}; choose another name")
            self._write(on_file | {name: kept})
        self._tell()
        return kept

    def discard(self, name: str) -> None:
        """Remove an instrument from the kept ones and from the file. The model's own instruments stay in the bank.

        Raises:
          KeyError: no instrument of this name was kept.
          ValueError, OSError: the file cannot be read or written.
        """
        if name not in self._kept:
            raise KeyError(f"no kept instrument is called {name!r}; kept: {', '.join(self._kept) or 'none'}")
        with in_turn(self.path.parent):
            on_file = self._read()
            on_file.pop(name, None)
            self._write(on_file)
        self._tell()

    def use(self, model: GANSynth) -> None:
        """Switch to another model: to its own instruments and those kept for it."""
        self._open(model)
        self._tell()

    def on_change(self, call: Callable[[], None]) -> None:
        """Register a function that is called, without arguments, after each change of the bank."""
        self._listeners.append(call)

    def _write(self, kept: dict[str, Instrument]) -> None:
        save(list(kept.values()), self.path)
        self._kept = kept

    def _tell(self) -> None:
        for call in list(self._listeners):
            call()


def _check_count(count: float) -> None:
    if not count <= MAX_INSTRUMENTS:
        raise ValueError(f"that would take {count:,.0f} instruments; a random timeline can have {MAX_INSTRUMENTS:,}")


def bank(model: GANSynth, seed: int = 1, count: int = DRAWN, path: str | os.PathLike | None = None) -> Bank:
    """The bank of a model: its own instruments and those that the user kept. See `Bank`.

    Args:
      model: the model.
      seed, count: seed and number of the random instruments, if the model has no named ones.
      path: JSON file of the kept instruments; by default outputs/instruments.json. If it contains instruments of
        another model, or anything else, it is left unchanged, and a file next to it with the model's fingerprint in its
        name is used instead.

    Notebook: 05_instruments.

    >>> from helpers import gansynth, instruments
    >>> bank = instruments.bank(gansynth.load("demo"))
    >>> bank
    Bank(demo: 134 instruments, 0 kept)
    >>> bank["Cello"]
    Instrument('Cello')
    """
    if count < 1:
        raise ValueError(f"count is {count}; a bank needs at least one instrument")
    return Bank(model, seed, count, KEPT if path is None else path)


def slerp(a: np.ndarray, b: np.ndarray, t: float | np.ndarray) -> np.ndarray:
    """Spherical linear interpolation: along the arc from a to b at constant angular speed.

    If the lengths differ, the length changes from |a| to |b| along the way. Parallel vectors define no arc: equal
    directions are interpolated linearly, opposite ones go through a fixed third direction. The original divides by zero
    in both cases.

    Args:
      a, b: vectors [..., size].
      t: 0 at a, 1 at b; values outside 0 to 1 continue the arc. A number or [...].

    Returns:
      [..., size].

    Source: Shoemake 1985; SPEC section 8.
    """
    a, b, t = np.asarray(a, np.float64), np.asarray(b, np.float64), np.asarray(t, np.float64)[..., None]
    norms = [np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b)]
    unit_a, unit_b = (v / np.where(norm > 0, norm, 1.0) for v, norm in zip((a, b), norms, strict=True))
    angle = np.arccos(np.clip(np.sum(unit_a * unit_b, axis=-1, keepdims=True), -1.0, 1.0))
    sine = np.sin(angle)
    usable = np.minimum(angle, np.pi - angle) > PARALLEL
    safe = np.where(usable, sine, 1.0)
    arc = np.sin((1.0 - t) * angle) / safe * a + np.sin(t * angle) / safe * b
    straight = a + t * (b - a)  # if a equals b, the result is exactly a for every t
    turn = np.pi * np.clip(t, 0.0, 1.0)
    length = (1.0 - t) * norms[0] + t * norms[1]
    half_circle = length * (np.cos(turn) * unit_a + np.sin(turn) * _perpendicular(unit_a))
    return np.where(usable, arc, np.where(angle < np.pi / 2, straight, half_circle))


def alongside(instruments: Sequence[Instrument]) -> np.ndarray:
    """The latents of instruments of one model as an array, float64 [n, size].

    Latents without first-layer activations are padded with zeros (no offset to that layer) to the longest.
    """
    size = max(len(instrument.z) for instrument in instruments)
    return np.stack([np.pad(instrument.z, (0, size - len(instrument.z))) for instrument in instruments])


def _perpendicular(unit: np.ndarray) -> np.ndarray:
    """A unit vector perpendicular to each unit vector, chosen deterministically."""
    other = np.zeros_like(unit)
    smallest = np.argmin(np.abs(unit), axis=-1, keepdims=True)
    np.put_along_axis(other, smallest, 1.0, axis=-1)
    other -= np.sum(other * unit, axis=-1, keepdims=True) * unit
    return other / np.maximum(np.linalg.norm(other, axis=-1, keepdims=True), 1e-12)


def blend(a: Instrument, b: Instrument, t: float, name: str | None = None) -> Instrument:
    """Interpolate between two instruments: a for t = 0, b for t = 1.

    Raises:
      TypeError: `a` or `b` is not an Instrument (a name, for example).
      ValueError: they belong to different models.

    >>> from helpers import gansynth, instruments
    >>> bank = instruments.bank(gansynth.load("demo"))
    >>> instruments.blend(bank["Cello"], bank["Harp"], 0.5)
    Instrument('Cello > Harp 50%')
    """
    _check_type(a)
    _check_type(b)
    if a.fingerprint != b.fingerprint:
        raise ValueError(f"{a.name!r} and {b.name!r} belong to different models and cannot be blended")
    start, end = alongside([a, b])
    z = slerp(start, end, t)
    return Instrument(name or f"{a.name} > {b.name} {t:.0%}", z, a.checkpoint, a.fingerprint)


def blend_square(corners: Sequence[Instrument], x: float, y: float, name: str | None = None) -> Instrument:
    """Interpolate between four instruments at the corners of a square, as on NSynth Super.

    The top and bottom edges are interpolated at x, and then the two results at y, so each edge is the `blend` of its
    corners. Interpolating at y first would give the same edges but slightly different points inside, as on any curved
    surface.

    Args:
      corners: top left, top right, bottom left, bottom right; all of one model.
      x: 0 at the left to 1 at the right.
      y: 0 at the top to 1 at the bottom.
      name: name of the new instrument; by default it is composed of theirs.

    Raises:
      TypeError: a corner is not an Instrument (a name, for example).
      ValueError: there are not four corners, they belong to different models, or x or y is not from 0 to 1.
    """
    if len(corners) != 4:
        raise ValueError(f"a square has four corners, not {len(corners)}")
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError(f"x and y must be from 0 to 1, not {x:g} and {y:g}")
    _check_one_model(corners, "the corners of a square")
    top_left, top_right, bottom_left, bottom_right = alongside(corners)
    z = slerp(slerp(top_left, top_right, x), slerp(bottom_left, bottom_right, x), y)
    name = name or f"{', '.join(corner.name for corner in corners)} {x:.0%} {y:.0%}"
    return Instrument(name, z, corners[0].checkpoint, corners[0].fingerprint)


def _drawn(instruments: Sequence[Instrument], n: int, seed: int) -> list[Instrument]:
    """Draw n instruments in shuffled rounds, each once per round and, if there are several, never twice in a row."""
    if not instruments:
        raise ValueError("there is no instrument to draw from")
    random = np.random.RandomState(seed)
    drawn: list[Instrument] = []
    while len(drawn) < n:
        order = random.permutation(len(instruments)).tolist()
        if drawn and len(order) > 1 and instruments[order[0]] is drawn[-1]:
            order.append(order.pop(0))
        drawn += [instruments[i] for i in order]
    return drawn[:n]


def _check_one_model(instruments: Sequence[Instrument], what: str) -> None:
    for instrument in instruments:
        _check_type(instrument)
    lengths = {len(instrument.z) for instrument in instruments if not instrument.fingerprint}
    if len({instrument.fingerprint for instrument in instruments}) > 1 or len(lengths) > 1:
        raise ValueError(f"{what} must all belong to one model")


class Timeline:
    """The latent at each moment of a song.

    Between two entries the latent moves along the arc from one to the next (slerp); it is constant before the first and
    after the last. There are four ways to create one:

        Timeline.hold(a)                                  one instrument throughout
        Timeline.random(model, song.duration, seed=1)      morphs to a new random instrument every six seconds
        Timeline([a, b, c], at=[0, 20, 40])               morphs between the given instruments
        Timeline.steps([a, b, c], at=[0, 20, 40])         the same without morphing: each plays until the next one

    Source: SPEC section 8. Notebook: 05_instruments.

    >>> from helpers import gansynth, instruments
    >>> bank = instruments.bank(gansynth.load("demo"))
    >>> timeline = instruments.Timeline([bank["Cello"], bank["Harp"]], at=[0, 30])
    >>> timeline
    Timeline(Cello at 0 s, Harp at 30 s)
    >>> timeline.z([0, 15, 30]).shape
    (3, 256)
    """

    @in_one_line
    def __init__(self, instruments: Sequence[Instrument], at: Sequence[float] | np.ndarray, held: bool = False):
        """
        Args:
          instruments: in order of time; all of one model.
          at: times (s) at which each is reached, increasing.
          held: do not morph, as `Timeline.steps`.
        """
        times = np.asarray(at, np.float64)
        if not len(instruments) or times.shape != (len(instruments),):
            raise ValueError(
                f"a timeline needs one time for each instrument; it got {times.size} for {len(instruments)}"
            )
        if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise ValueError(f"the times of a timeline must increase; they are {times.tolist()}")
        _check_one_model(instruments, "the instruments of a timeline")
        self.instruments, self.at = tuple(instruments), times
        self.held = held and len(instruments) > 1  # a single instrument is held in any case

    @classmethod
    def hold(cls, instrument: Instrument) -> Timeline:
        """One instrument throughout."""
        return cls([instrument], at=[0.0])

    @classmethod
    def steps(cls, instruments: Sequence[Instrument], at: Sequence[float] | np.ndarray) -> Timeline:
        """Instruments that change abruptly: each one plays until the time of the next.

        Args:
          instruments: in order of time; all of one model.
          at: times (s) at which each begins, increasing. The first instrument also plays before its time.

        >>> from helpers import gansynth, instruments
        >>> bank = instruments.bank(gansynth.load("demo"))
        >>> instruments.Timeline.steps([bank["Cello"], bank["Harp"]], at=[0, 30])
        Timeline.steps(Cello at 0 s, Harp at 30 s)
        """
        return cls(instruments, at, held=True)

    @property
    def stops(self) -> list[tuple[Instrument, float]]:
        """The instruments and their times (s)."""
        return list(zip(self.instruments, self.at.tolist(), strict=True))

    @classmethod
    def random(
        cls,
        model: GANSynth,
        duration: float,
        seed: int,
        secs_per_instrument: float = SECONDS_PER_INSTRUMENT,
        among: Iterable[Instrument] | None = None,
    ) -> Timeline:
        """A timeline that morphs between random instruments, about one every `secs_per_instrument`, evenly spaced.

        Short songs get at least two, one at each end (the original fails on them).

        Args:
          model: the model to draw for.
          duration: duration of the song (s).
          seed: seed of the random numbers; the same seed gives the same instruments.
          secs_per_instrument: approximate time from one instrument to the next (s).
          among: instruments to draw from, never the same one twice in a row unless it is the only one; by default,
            latents are drawn from the model's distribution.

        Raises:
          ValueError: a duration is not above 0, or `among` is empty.

        >>> from helpers import gansynth, instruments
        >>> instruments.Timeline.random(gansynth.load("demo"), duration=12, seed=1)
        Timeline(demo 1-0 at 0 s, demo 1-1 at 6 s, demo 1-2 at 12 s)
        """
        if not (0 < duration < np.inf and 0 < secs_per_instrument < np.inf):
            raise ValueError(
                f"duration is {duration} and secs_per_instrument {secs_per_instrument}; both must be above 0 s"
            )
        _check_count(duration / secs_per_instrument)
        n = max(2, round(duration / secs_per_instrument) + 1)  # one more than the number of intervals
        drawn = sample(model, n, seed) if among is None else _drawn(list(among), n, seed)
        return cls(drawn, at=np.linspace(0.0, duration, n))

    @classmethod
    def original(
        cls, model: GANSynth, duration: float, seed: int, secs_per_instrument: float = SECONDS_PER_INSTRUMENT
    ) -> Timeline:
        """The random timeline of the original program, for `render(..., faithful=True)`.

        The original uses the end time of the last note in its list as `duration`. With fewer than two instruments it
        crashes or is silent, so that is an error here.
        """
        _check_count(duration / secs_per_instrument)
        n = int(duration / secs_per_instrument)
        if n < 2:
            needed = 2 * secs_per_instrument
            raise ValueError(
                f"the original needs {needed:g} s for two instruments of {secs_per_instrument:g} s each; the song has "
                f"{duration:g} s. Lower secs_per_instrument, or do not use faithful=True"
            )
        return cls(sample(model, n, seed), at=np.linspace(ORIGINAL_START, duration, n))

    def __repr__(self) -> str:
        stops = [f"{instrument.name} at {second:g} s" for instrument, second in self.stops]
        if len(stops) > STOPS_SHOWN:
            stops[STOPS_SHOWN - 1 : -1] = [f"… {len(stops) - STOPS_SHOWN} more …"]
        return f"Timeline{'.steps' if self.held else ''}({', '.join(stops)})"

    def z(self, times: Sequence[float] | np.ndarray, extrapolate: bool = False) -> np.ndarray:
        """Latents at given times: [n] (s) -> float64 [n, latent_vector_size], or longer if an instrument's latent is.

        With `extrapolate`, the latent continues along the first and last arcs outside the timeline, as in the original,
        instead of staying constant. A timeline that does not morph ignores it.
        """
        times = np.asarray(times, np.float64)
        knots = alongside(self.instruments)
        if self.held or len(knots) == 1:
            return knots[np.maximum(np.searchsorted(self.at, times, side="right") - 1, 0)]
        left = np.clip(np.searchsorted(self.at, times) - 1, 0, len(knots) - 2)
        with np.errstate(over="ignore"):  # entries can be arbitrarily close to each other
            share = (times - self.at[left]) / (self.at[left + 1] - self.at[left])
        return slerp(knots[left], knots[left + 1], share if extrapolate else np.clip(share, 0.0, 1.0))


def save(instruments: Sequence[Instrument], path: str | os.PathLike) -> Path:
    """Write instruments to a JSON file, atomically. `load` reads exactly the same values back.

    >>> from helpers import gansynth, instruments
    >>> bank = instruments.bank(gansynth.load("demo"))
    >>> path = instruments.save([bank["Cello"], bank["Harp"]], "outputs/duo.json")
    >>> instruments.load(path)
    [Instrument('Cello'), Instrument('Harp')]
    """
    rows = [{**dataclasses.asdict(instrument), "z": instrument.z.tolist()} for instrument in instruments]
    path = as_path(path)
    with replacing(path) as partial:
        text = json.dumps({"format": FILE_FORMAT, "instruments": rows}, indent=1, ensure_ascii=False)
        partial.write_bytes(text.encode("utf-8", "backslashreplace"))  # lone surrogates as JSON escapes
    return path


class InstrumentRow(jsonfile.Row):
    """An instrument as stored in a file.

    Attributes:
      name: display name.
      z: values of the latent.
      checkpoint: name of the model it belongs to.
      fingerprint: hash of that model's weights.
      seed: seed it was drawn with, if any.
    """

    name: Annotated[jsonfile.Text, Field(max_length=MAX_NAME)]
    z: Annotated[list[Annotated[jsonfile.Number, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]], Field(max_length=MAX_LATENT)]
    checkpoint: jsonfile.Text = ""
    fingerprint: jsonfile.Text = ""
    seed: Annotated[jsonfile.Whole, Field(ge=0, le=2**32 - 1)] | None = None

    def instrument(self) -> Instrument:
        """The instrument that the row describes."""
        return Instrument(self.name, np.array(self.z), self.checkpoint, self.fingerprint, self.seed)


class _File(jsonfile.Row):
    format: Annotated[jsonfile.Whole, Field(ge=FILE_FORMAT, le=FILE_FORMAT)] = FILE_FORMAT
    instruments: Annotated[list[InstrumentRow], Field(max_length=MAX_INSTRUMENTS), FailFast()]


@in_one_line
def load(path: str | os.PathLike, model: GANSynth | None = None) -> list[Instrument]:
    """Read a file of instruments written by `save`.

    Args:
      path: the JSON file.
      model: if given, the model that the instruments must belong to.

    Raises:
      FileNotFoundError: the file does not exist.
      ValueError: it is not a file of instruments, or its instruments belong to another model.
    """
    path = as_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no instruments at {path}: there is no such file")
    try:
        file = jsonfile.checked(jsonfile.parse(jsonfile.read_text(path, MAX_BYTES)), _File)
        loaded = [row.instrument() for row in file.instruments]
    except ValueError as error:
        raise ValueError(f"{path} is not a file of instruments: {error}") from None
    if model is not None:
        for instrument in loaded:
            check_model(instrument, model, f" in {path}")
    return loaded


def is_file(text: str) -> bool:
    """Whether a text that is meant for `choose` is the path of a file rather than names of instruments."""
    return text.lower().endswith(".json") or as_path(text).is_file()


def choose(text: str, model: GANSynth) -> list[Instrument]:
    """The instruments given on a command line: all of a file, or named instruments of the checkpoint.

    Args:
      text: path of a file written by `save`, or comma-separated names, case-insensitive. A name may contain a comma
        itself: "Cello, soft, Harp" names two instruments.
      model: the model that will play them.

    Raises:
      FileNotFoundError, ValueError: there is no such file or name, or the file is for another model.

    >>> from helpers import gansynth, instruments
    >>> instruments.choose("cello, soft, Harp", gansynth.load("demo"))
    [Instrument('Cello, soft'), Instrument('Harp')]
    """
    if is_file(text):
        chosen = load(text, model)
        if not chosen:
            raise ValueError(f"{text} contains no instruments")
        return chosen
    bank = {name.lower(): instrument for name, instrument in named(model).items()}
    if not bank:
        raise ValueError(f"{model.name} has no named instruments; give a file written by instruments.save")
    words, chosen = [word.strip() for word in text.split(",")], []
    while words:
        lengths = range(len(words), 0, -1)
        taken = next((n for n in lengths if ", ".join(words[:n]).lower() in bank), 0)  # the longest match
        if not taken:
            raise ValueError(f"{model.name} has no instrument {words[0]!r}; {_known(words[0], bank)}")
        chosen.append(bank[", ".join(words[:taken]).lower()])
        del words[:taken]
    return chosen


def _known(wanted: str, bank: dict[str, Instrument]) -> str:
    """A hint for an error message: similar names or, if there are none, some of those available."""
    alike = difflib.get_close_matches(wanted.lower(), bank, n=3)
    if alike:
        return f"did you mean {' or '.join(repr(bank[name].name) for name in alike)}?"
    names = [instrument.name for instrument in bank.values()]
    return f"it has {', '.join(names[:NAMES_SHOWN])}" + (", …" if len(names) > NAMES_SHOWN else "")
