"""The inputs and the plan of a rendering.

The user gives `Settings` and a `Part` for each track; `resolve` turns each `Part` into a `ResolvedPart`, and `plan`
lists the notes in a `Plan`.

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
from ..midi import Track
from ..tables import counted, table
from .shaping import ATTACK, RELEASE

UNCLOSED = "never end in the file"  # a reason for skipping notes
MAX_FADE = 30.0  # s
CHOICES = {
    "drums": ("skip", "synth"),
    "pitch": ("fold", "drop", "shift"),
    "sustain": ("loop", "once"),
    "level": ("loudness", "peak"),
}


def _plain_numbers(values: Any) -> None:
    """Convert the NumPy scalars of a dataclass to Python numbers, which have a short repr and can be written as JSON.

    Raises:
      ValueError: a numeric field is not a number.
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
    """Options of a rendering. `render` also accepts each of them as a keyword argument.

    Attributes:
      drums: "skip" leaves drum tracks out, "synth" plays them with a soundfont. The model never plays them as pitches.
      pitch: treatment of notes outside the model's range, C1 to C6: "fold" moves them by octaves, "drop" leaves them
        out, "shift" first transposes the whole song so that most notes are in range, and folds the rest.
      sustain: "loop" repeats the steady part of a sound for as long as the note is held; "once" releases the note after
        three seconds.
      controllers: follow volume, expression, pan, sustain pedal and pitch bend. Pitch bends resample the sound, so that
        its formants move too; they are limited to two octaves.
      attack: fade-in (s).
      release: fade-out after the end of the note (s).
      level: the measure by which instruments are equalised at equal velocity: "loudness", which balances them by ear,
        or "peak", as in the original.
      velocity: exponent of the velocity curve: a note's level is (velocity / 127) to this power. 1 is the original's, 2
        that of General MIDI and of the soundfont; with 0 all notes have the same level.
      loudness: target loudness of the clip (LUFS), reached as nearly as possible without clipping (there is no
        limiter); None: the highest level without clipping.
      sample_rate: sample rate of the clip: 16000, 22050, 44100 or 48000 Hz; None: the model's.
      stereo: whether the clip has two channels; None: only if a track is panned.
      resolution: time step (s) at which a timeline is sampled, so that chords and repeated notes share generated
        sounds, which is faster; None: each note has the latent at its own onset.
      faithful: reproduce the original's notes, envelopes, levels and mix, up to rounding, with one timeline
        (`Timeline.original`) and no other option changed.

    Raises:
      ValueError: a value is out of range or not one of the choices.

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
                shown = ", ".join(repr(choice) for choice in known if choice is not None)  # None is the default
                raise ValueError(f"{name} is {getattr(self, name)!r}; it can be {shown}")
        for name, low, high in (
            ("attack", 0.0, MAX_FADE),
            ("release", 0.0, MAX_FADE),
            ("velocity", 0.0, 10.0),
            ("loudness", -70.0, 0.0),
            ("resolution", 0.001, 3600.0),
        ):
            value = getattr(self, name)
            if not (value is None and name in ("loudness", "resolution")) and not low <= value <= high:
                raise ValueError(f"{name} is {value}; it must be between {low:g} and {high:g}")
        if self.faithful and dataclasses.replace(self, faithful=False) != Settings():
            raise ValueError("faithful=True plays as the original does and cannot be combined with other settings")

    def plays(self, track: Track) -> bool:
        """Whether the model plays a track. It leaves drums out, which the original plays as pitches."""
        return self.faithful or not track.is_drum


DEFAULTS = Settings()


def changed_settings(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """A copy of settings with some of them changed.

    Raises:
      TypeError: there is no setting of that name.
      ValueError: as `Settings`.
    """
    known = [field.name for field in dataclasses.fields(Settings)]
    for name in changes:
        if name not in known:
            raise TypeError(f"render has no setting {name!r}; the settings are {', '.join(known)}")
    return dataclasses.replace(settings, **changes)


@dataclasses.dataclass(frozen=True)
class Part:
    """The instrument of a track and its mixer settings.

    Attributes:
      instrument: the instrument or timeline; None: `resolve` chooses one.
      mute: leave the track out.
      solo: if set for any track, only such tracks are heard.
      gain: gain (dB).
      pan: from -1 (left) to 1 (right); None: as in the file.
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
            raise ValueError(f"gain is {self.gain} dB; it must be between -100 and 40")
        if self.pan is not None and not -1 <= self.pan <= 1:
            raise ValueError(f"pan is {self.pan}; it must be between -1 (left) and 1 (right)")


# One instrument for all tracks, or one for each track by its number, name or program. The keys are Any because
# Mapping is invariant in its keys: a dict[int, ...] is not a Mapping[int | str, ...] to a type checker.
Parts = Instrument | Timeline | Mapping[Any, Instrument | Timeline | Part | Assignment]


@dataclasses.dataclass(frozen=True)
class ResolvedPart:
    """The timeline of a track and its mixer settings: a `Part` completed by `resolve`.

    Attributes:
      timeline: the instruments of the track; None for a drum track without an instrument.
      mute: leave the track out.
      solo: if set for any track, only such tracks are heard.
      gain: gain (dB).
      pan: from -1 (left) to 1 (right); None: as in the file.
    """

    timeline: Timeline | None
    mute: bool = False
    solo: bool = False
    gain: float = 0.0
    pan: float | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """The notes to generate and to mix, as arrays with one row for each note.

    Attributes:
      starts: onset (s).
      holds: time from onset to release (s).
      pitches: MIDI pitch, within the model's range.
      velocities: 1 to 127.
      z: latents, [n, latent_vector_size].
      tracks: index into the song's tracks.
      durations: duration of the sound to generate (s).
      loops: bool; whether the sound is looped because the note is longer.
      bent: bool; whether the pitch is bent during the note.
      end: end of the last note (s), without its release.
      transposed: transposition of the whole song (semitones).
      moved: {"C7 to C6": number of notes}, for notes moved into the range.
      skipped: {reason: number of notes}.
      pedalled: number of notes extended by the pedal.
      shortened: number of notes released before their written end.
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
        """Number of distinct sounds to generate."""
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
        """The index of each note's sound, [n], from 0. Notes with equal latent and pitch share one."""
        numbers: dict[tuple[bytes, int], int] = {}
        digests = (hashlib.blake2b(z.tobytes(), digest_size=16).digest() for z in self.z)  # a latent itself has 2 KB
        pairs = zip(digests, self.pitches.tolist(), strict=True)
        return np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], np.int64)


def is_heard(parts: Sequence[Part] | Sequence[ResolvedPart]) -> list[bool]:
    """Whether each track is heard, given mute and solo."""
    solo = any(part.solo for part in parts)
    return [not part.mute and (part.solo or not solo) for part in parts]
