"""What a rendering is asked for and what it plans.

`Settings` and a `Part` for a track are what a person asks for, a `ResolvedPart` is what that comes to, and the `Plan`
has the notes.

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..audio import LOUDNESS, RATES
from ..instruments import Assignment, Instrument, Timeline
from ..tables import counted, table
from .shaping import ATTACK, RELEASE

UNCLOSED = "never end in the file"  # why notes are skipped
MAX_FADE = 30.0  # s
CHOICES = {
    "drums": ("skip", "synth"),
    "pitch": ("fold", "drop", "shift"),
    "sustain": ("loop", "once"),
    "level": ("loudness", "peak"),
}


def _plain_numbers(values: Any) -> None:
    """Turn the NumPy scalars of a dataclass into Python's numbers, which print shortly and can be written as JSON.

    Raises:
      ValueError: a field for a number holds something else.
    """
    for field in dataclasses.fields(values):
        value = getattr(values, field.name)
        if isinstance(value, np.generic):
            value = value.item()
            object.__setattr__(values, field.name, value)
        may_lack = value is None and field.type == "float | None"
        if field.type.startswith("float") and not may_lack and type(value) not in (int, float):
            raise ValueError(f"{field.name} is {value!r}; it must be a number")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a song is played; each is an argument of `render` as well.

    Attributes:
      drums: "skip" leaves drum tracks out, "synth" plays them with a soundfont. They never sound as pitches.
      pitch: what becomes of notes outside the model's range, C1 to C6: "fold" moves them by octaves, "drop" leaves them
        out, "shift" first transposes the whole song to where most notes fit, and folds the rest.
      sustain: "loop" repeats the steady part of a sound for as long as the note is held; "once" lets go after three
        seconds.
      controllers: follow volume, expression, pan, sustain pedal and pitch bend. A bend reads the sound faster or
        slower, so that its formants move along; bends beyond two octaves stop there.
      attack: s.
      release: s.
      level: what two instruments have in common at one velocity: "loudness", so that neither drowns the other, or
        "peak", as in the original.
      velocity: how much velocity counts: a note's level is (velocity / 127) to this power. 1 is the original's, 2 that
        of General MIDI and of the soundfont, 0 makes all equal.
      loudness: LUFS of the clip, or as near to it as it gets without clipping (no limiter is used); None: as loud as it
        goes.
      sample_rate: Hz of the clip, 16000, 22050, 44100 or 48000; None: the model's.
      stereo: two channels or one; None: two if a track is panned.
      resolution: s; the instruments of a timeline move on in steps of this, so that chords and repeated notes share
        their sounds, which makes it quicker; None: each note has the instrument of its own moment.
      faithful: exactly the original's notes, envelope, levels and mix, with one timeline (`Timeline.original`) and none
        of the choices above.

    Raises:
      ValueError: a value is out of range, or is no choice.

    Notebook: 04_generate, 07_songs.
    """

    drums: str = "skip"
    pitch: str = "fold"
    sustain: str = "loop"
    controllers: bool = True
    attack: float = ATTACK
    release: float = RELEASE
    level: str = "loudness"
    velocity: float = 2.0
    loudness: float | None = LOUDNESS
    sample_rate: int | None = None
    stereo: bool | None = None
    resolution: float | None = None
    faithful: bool = False

    def __post_init__(self) -> None:
        _plain_numbers(self)
        for name, known in {
            **CHOICES,
            "controllers": (True, False),
            "sample_rate": (None, *RATES),
            "stereo": (None, True, False),
            "faithful": (True, False),
        }.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it can be {', '.join(map(repr, known))}")
        for name, low, high in (
            ("attack", 0.0, MAX_FADE),
            ("release", 0.0, MAX_FADE),
            ("velocity", 0.0, 10.0),
            ("loudness", -70.0, 0.0),
            ("resolution", 0.001, 3600.0),
        ):
            value = getattr(self, name)
            if not (value is None and name in ("loudness", "resolution")) and not low <= value <= high:
                raise ValueError(f"{name} is {value}; it lies between {low:g} and {high:g}")
        if self.faithful and dataclasses.replace(self, faithful=False) != Settings():
            raise ValueError("faithful=True plays as the original does and takes none of the other choices")


DEFAULTS = Settings()


def changed_settings(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """The settings with some of them changed.

    Raises:
      TypeError: there is no setting of such a name.
      ValueError: as `Settings`.
    """
    known = [field.name for field in dataclasses.fields(Settings)]
    for name in changes:
        if name not in known:
            raise TypeError(f"render has no setting {name!r}; there are {', '.join(known)}")
    return dataclasses.replace(settings, **changes)


@dataclasses.dataclass(frozen=True)
class Part:
    """Who is to play a track, and how it stands in the mix.

    Attributes:
      instrument: who plays; None: whoever `resolve` finds.
      mute: leave the track out.
      solo: only tracks that have this are heard.
      gain: dB.
      pan: from -1, left, to 1, right; None: as the file says.
    """

    instrument: Instrument | Timeline | None = None
    mute: bool = False
    solo: bool = False
    gain: float = 0.0
    pan: float | None = None

    def __post_init__(self) -> None:
        _plain_numbers(self)
        if self.instrument is not None and not isinstance(self.instrument, (Instrument, Timeline)):
            raise ValueError(f"a track is played by an Instrument or a Timeline, not by {self.instrument!r}")
        if not -100 <= self.gain <= 40:
            raise ValueError(f"a gain of {self.gain} dB is out of reason; it lies between -100 and 40")
        if self.pan is not None and not -1 <= self.pan <= 1:
            raise ValueError(f"a pan of {self.pan} is outside -1 (left) to 1 (right)")


# Who plays: one for all tracks, or one for each, by the track's number, name or program. The keys are Any, since to a
# type checker a dict with numbers for keys is no mapping from numbers or names.
Parts = Instrument | Timeline | Mapping[Any, Instrument | Timeline | Part | Assignment]


@dataclasses.dataclass(frozen=True)
class ResolvedPart:
    """Who plays a track, and how it stands in the mix: what `resolve` makes of a `Part`.

    Attributes:
      timeline: who plays; None for drums that are given no instrument.
      mute: as in `Part`, like the others.
      solo: only tracks that have this are heard.
      gain: dB.
      pan: from -1 to 1; None: as the file says.
    """

    timeline: Timeline | None
    mute: bool = False
    solo: bool = False
    gain: float = 0.0
    pan: float | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be generated and where it goes; arrays of one length, a row a note.

    Attributes:
      starts: s.
      holds: s from start to release.
      pitches: MIDI numbers inside the model's range.
      velocities: 1 to 127.
      z: latents, [n, latent_vector_size].
      tracks: index into the song's tracks.
      durations: s of the sound that must be generated.
      loops: bool; held longer than the sound lasts.
      bent: bool; the pitch wheel moves during the note.
      end: s at which the last note ends, not counting its release.
      transposed: semitones, all notes.
      moved: "C7 to C6" -> how many notes.
      skipped: why -> how many notes.
      pedalled: how many notes the pedal made longer.
      shortened: how many notes are let go before they end.
    """

    starts: np.ndarray
    holds: np.ndarray
    pitches: np.ndarray
    velocities: np.ndarray
    z: np.ndarray
    tracks: np.ndarray
    durations: np.ndarray
    loops: np.ndarray
    bent: np.ndarray
    end: float
    transposed: int = 0
    moved: Mapping[str, int] = dataclasses.field(default_factory=dict)
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    pedalled: int = 0
    shortened: int = 0

    def __len__(self) -> int:
        return len(self.pitches)

    def __repr__(self) -> str:
        left_out = f", {sum(self.skipped.values()):,} left out" if self.skipped else ""
        return f"Plan({counted(len(self), 'note')}, {self._distinct:,} distinct, {self.end:.1f} s{left_out})"

    @property
    def _distinct(self) -> int:
        """How many sounds must be generated."""
        return int(self.sounds.max(initial=-1)) + 1

    def _repr_html_(self) -> str:
        rows: list[tuple[str, str]] = [("notes", f"{len(self):,}, of {self._distinct:,} distinct sounds")]
        rows.append(("length", f"{self.end:.1f} s"))
        if self.transposed:
            rows.append(("transposed", f"{self.transposed:+d} semitones, the whole song"))
        rows += [(f"moved, {move}", f"{count:,}") for move, count in self.moved.items()]
        rows += [(f"left out, {why}", f"{count:,}") for why, count in self.skipped.items()]
        counts = {"pedalled": self.pedalled, "shortened": self.shortened}
        counts |= {"looped": int(self.loops.sum()), "bent": int(self.bent.sum())}
        return table(rows + [(label, f"{count:,}") for label, count in counts.items() if count])

    @functools.cached_property
    def sounds(self) -> np.ndarray:
        """The number of each note's sound, [n], from 0: equal latents at equal pitches are one."""
        numbers: dict[tuple[bytes, int], int] = {}
        digests = (hashlib.blake2b(z.tobytes(), digest_size=16).digest() for z in self.z)  # 2 KB are too many to keep
        pairs = zip(digests, self.pitches.tolist(), strict=True)
        return np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], np.int64)


def is_heard(parts: Sequence[Part] | Sequence[ResolvedPart]) -> list[bool]:
    """Which tracks sound, by mute and solo."""
    solo = any(part.solo for part in parts)
    return [not part.mute and (part.solo or not solo) for part in parts]
