"""Who plays each track of a song, and what there is to play: from a song and instruments to a `Plan`.

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import instruments, midi
from .audio import LOUDNESS, RATES
from .gansynth.config import MAX_PITCH, MIN_PITCH
from .instruments import Instrument, Timeline
from .limits import BENDING, LONGEST_NOTE, LONGEST_TOTAL
from .midi import Note, Song, Track
from .shaping import ATTACK, BEND_ROOM, HELD, LEVEL_SPAN, RELEASE, Curve
from .tables import table

if TYPE_CHECKING:
    from .gansynth import GANSynth

LONGEST_FADE = 30.0  # s
VOLUME, EXPRESSION = 100 / 127, 1.0  # of a track that does not say; General MIDI's
SHORTEST_SOUND = LEVEL_SPAN  # s; a shorter sound would have another level
BEND_LIMIT = 24.0  # semitones; damaged files ask for hundreds

CHOICES = {
    "drums": ("skip", "synth"),
    "pitch": ("fold", "drop", "shift"),
    "sustain": ("loop", "once"),
    "level": ("loudness", "peak"),
}
UNCLOSED = "never end in the file"  # why notes are skipped
ORIGINAL_LOWEST = 36  # the original drops notes below, though the model plays them


def _plain_numbers(values: Any) -> None:
    """Turn the NumPy scalars of a dataclass into Python's numbers, which print shortly and can be written as JSON."""
    for field in dataclasses.fields(values):
        value = getattr(values, field.name)
        if isinstance(value, np.generic):
            object.__setattr__(values, field.name, value.item())


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a song is played; the arguments of `render` of the same names."""

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

    def __post_init__(self):
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
            ("attack", 0.0, LONGEST_FADE),
            ("release", 0.0, LONGEST_FADE),
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


@dataclasses.dataclass(frozen=True)
class Part:
    """Who plays a track, and how it stands in the mix."""

    instrument: Instrument | Timeline | None = None  # None: the default
    mute: bool = False
    solo: bool = False  # only the tracks that have this are heard
    gain: float = 0.0  # dB
    pan: float | None = None  # from -1, left, to 1, right; None: as the file says

    def __post_init__(self):
        _plain_numbers(self)
        if self.instrument is not None and not isinstance(self.instrument, (Instrument, Timeline)):
            raise ValueError(f"a track is played by an Instrument or a Timeline, not by {self.instrument!r}")
        if not -100 <= self.gain <= 40:
            raise ValueError(f"a gain of {self.gain} dB is out of reason; it lies between -100 and 40")
        if self.pan is not None and not -1 <= self.pan <= 1:
            raise ValueError(f"a pan of {self.pan} is outside -1 (left) to 1 (right)")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be generated and where it goes; arrays of one length, a row a note."""

    starts: np.ndarray  # s
    holds: np.ndarray  # s from start to release
    pitches: np.ndarray  # MIDI numbers inside the model's range
    velocities: np.ndarray  # 1 to 127
    z: np.ndarray  # [n, latent_vector_size]
    tracks: np.ndarray  # index into the song's tracks
    seconds: np.ndarray  # s of the sound that have to be generated
    loops: np.ndarray  # bool; held longer than the sound lasts
    bent: np.ndarray  # bool; the pitch wheel is used meanwhile
    end: float  # s at which the last note ends, not counting its release
    transposed: int = 0  # semitones, all notes
    moved: Mapping[str, int] = dataclasses.field(default_factory=dict)  # "C7 to C6" -> notes
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)  # why -> notes
    pedalled: int = 0  # notes that the pedal made longer
    shortened: int = 0  # notes that are let go before they end

    def __len__(self) -> int:
        return len(self.pitches)

    def __repr__(self) -> str:
        left_out = f", {sum(self.skipped.values()):,} left out" if self.skipped else ""
        return f"Plan({midi.counted(len(self), 'note')}, {self._distinct:,} distinct, {self.end:.1f} s{left_out})"

    @property
    def _distinct(self) -> int:
        """How many sounds have to be generated."""
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


def resolve(
    model: GANSynth,
    song: Song,
    parts: Instrument | Timeline | Mapping[str | int, Instrument | Timeline | Part] | None = None,
    default: Instrument | Timeline | None = None,
    seed: int = 0,
) -> tuple[Part, ...]:
    """One `Part` for each track of a song, with a Timeline, from what `render` is given.

    Only drums may be left without one, when nothing is said about them.

    Raises:
      ValueError: a key is no track of the song, or an instrument belongs to another model.
    """
    if isinstance(parts, (Instrument, Timeline)):
        parts, default = {}, parts
    wanted: dict[int, tuple[int, Part]] = {}  # index -> (how exactly its key meant it, part)
    for key, value in (parts or {}).items():
        part = value if isinstance(value, Part) else Part(value)
        exactness, meant = _tracks_meant(song, key)
        for i in meant:
            if i not in wanted or wanted[i][0] <= exactness:
                wanted[i] = exactness, part
    assigned = instruments.assign(model, song, seed) if default is None else {}
    resolved = []
    for i in range(len(song.tracks)):
        part = wanted[i][1] if i in wanted else Part()
        player = part.instrument or default or (assigned[i + 1].instrument if i + 1 in assigned else None)
        player = Timeline.hold(player) if isinstance(player, Instrument) else player
        resolved.append(dataclasses.replace(part, instrument=player))
    for part in resolved:
        for instrument in part.instrument.instruments if part.instrument else ():
            if instrument.fingerprint and instrument.fingerprint != model.fingerprint:
                owner = instrument.checkpoint or "another model"
                raise ValueError(f"{instrument.name!r} was made for {owner}; on {model.name} it is another sound")
    return tuple(resolved)


def _tracks_meant(song: Song, key: str | int) -> tuple[int, list[int]]:
    """How exact a key is, and the tracks that it means: by number, name, or program ("program 73" or its GM name)."""
    import pretty_midi

    if isinstance(key, str):
        wanted = key.strip().lower()
        named = [i for i, track in enumerate(song.tracks) if track.name.lower() == wanted]
        if named:
            return 1, named
        pitched = [(i, track.program) for i, track in enumerate(song.tracks) if not track.is_drum]
        names = {program: pretty_midi.program_to_instrument_name(program).lower() for _, program in pitched}
        programs = [i for i, program in pitched if wanted in (f"program {program}", names[program])]
        if programs:
            return 0, programs
    elif isinstance(key, (int, np.integer)) and 1 <= key <= len(song.tracks):
        return 2, [key - 1]
    known = ", ".join(f"{number} {track.name!r}" for number, track in enumerate(song.tracks, start=1))
    raise ValueError(f"{song.name} has no track {key!r}; it has {known}")


def is_heard(parts: Sequence[Part]) -> list[bool]:
    """Which tracks sound, by mute and solo."""
    solo = any(part.solo for part in parts)
    return [not part.mute and (part.solo or not solo) for part in parts]


def fold(pitch: int, low: int, high: int) -> int:
    """Move a pitch by octaves into low ... high."""
    if pitch < low:
        return pitch + 12 * -((pitch - low) // 12)
    if pitch > high:
        return pitch - 12 * -((high - pitch) // 12)
    return pitch


def transposition(pitches: Sequence[int], low: int, high: int) -> int:
    """The semitones by which most pitches come to lie in low ... high; of several the smallest move."""
    pitches = np.asarray(pitches)
    moves = sorted(range(low - 127, high + 1), key=lambda move: (abs(move), move))
    return min(moves, key=lambda move: int(np.sum((pitches + move < low) | (pitches + move > high))))


def original_notes(song: Song) -> list[Note]:
    """The notes the original would play: all tracks, drums too, from 36 to 84, in the order of its reader."""
    return [note for note in song.as_original().notes if _original_plays(note)]


def _original_plays(note: Note) -> bool:
    return ORIGINAL_LOWEST <= note.pitch <= MAX_PITCH


def plan(song: Song, parts: Sequence[Part], settings: Settings = DEFAULTS, max_seconds: float = 4.0) -> Plan:
    """Decide for each note its pitch, latent and length.

    Args:
      song: what to play.
      parts: one for each track, as `resolve` gives them.
      settings: how.
      max_seconds: the longest sound that the model makes.

    Raises:
      ValueError: no note is left to play.
    """
    if settings.faithful:
        return _original_plan(song, parts)
    notes: list[tuple[int, Note]] = []
    skipped: Counter[str] = Counter()
    pedalled = drum_notes = 0
    for i, (track, part, heard) in enumerate(zip(song.tracks, parts, is_heard(parts), strict=True)):
        if not heard:
            skipped["muted" if part.mute else "not soloed"] += len(track.notes)
        elif track.is_drum and settings.drums == "synth":
            drum_notes += len(track.notes)
        elif track.is_drum:
            skipped["drums (drums='synth' plays them)"] += len(track.notes)
        else:
            ringing = midi.pedalled(track).notes if settings.controllers else track.notes
            pedalled += sum(ring.end > note.end for ring, note in zip(ringing, track.notes, strict=True))
            notes += [(i, note) for note in ringing]
    if song.unclosed:
        skipped[UNCLOSED] = song.unclosed

    move = transposition([n.pitch for _, n in notes], MIN_PITCH, MAX_PITCH) if settings.pitch == "shift" else 0
    moved: Counter[str] = Counter()
    played: list[tuple[int, Note, int]] = []
    for i, note in notes:
        wanted = note.pitch + move
        pitch = fold(wanted, MIN_PITCH, MAX_PITCH)
        if pitch != wanted:
            if settings.pitch == "drop":
                skipped[f"outside {midi.note_name(MIN_PITCH)} to {midi.note_name(MAX_PITCH)}"] += 1
                continue
            moved[f"{midi.note_name(wanted)} to {midi.note_name(pitch)}"] += 1
        played.append((i, note, pitch))
    if not played and not drum_notes:
        why = "; ".join(f"{count} {reason}" for reason, count in skipped.items())
        raise ValueError(f"{song.name} has nothing to play: {why or 'it holds no notes'}")

    starts = np.array([note.start for _, note, _ in played], np.float64)
    written = np.array([note.duration for _, note, _ in played], np.float64)
    can_loop = settings.sustain == "loop" and max_seconds >= HELD
    tracks = np.array([i for i, _, _ in played], np.int64)
    bends = [moves["bend"] for moves in curves(song, parts, settings)]
    holds = np.minimum(written, LONGEST_NOTE if can_loop else HELD)
    bent, speeds = _bent(bends, tracks, starts, starts + holds + settings.release)
    if settings.release * BENDING * speeds[bent].sum() > LONGEST_TOTAL:  # whatever the notes are shortened to
        raise ValueError(
            f"{song.name} bends {bent.sum():,} notes, which takes too long; controllers=False plays them without"
        )
    holds = _within(np.minimum(holds, LONGEST_NOTE / speeds), LONGEST_TOTAL, 1 + BENDING * speeds * bent)
    bent, speeds = _bent(bends, tracks, starts, starts + holds + settings.release)
    needed = (holds + settings.release) * speeds + bent * BEND_ROOM
    loops = ((holds * speeds > HELD) | (needed > max_seconds)) & can_loop
    width = next((len(part.instrument.instruments[0].z) for part in parts if part.instrument), 0)
    z = np.empty((len(played), width))
    step = settings.resolution
    moments = starts if step is None else np.round(starts / step) * step
    for i in set(tracks.tolist()):
        z[tracks == i] = parts[i].instrument.z(moments[tracks == i])
    return Plan(
        starts=starts,
        holds=holds,
        pitches=np.array([pitch for _, _, pitch in played], np.int64),
        velocities=np.array([note.velocity for _, note, _ in played], np.int64),
        z=z,
        tracks=tracks,
        seconds=np.where(loops, HELD, np.clip(needed, SHORTEST_SOUND, max_seconds)),
        loops=loops,
        bent=bent,
        end=float(np.max(starts + holds, initial=0.0)),
        transposed=move,
        moved=dict(moved.most_common()),
        skipped=dict(skipped),
        pedalled=pedalled,
        shortened=int(np.sum(holds < written)),
    )


def _bent(
    bends: Sequence[Curve], tracks: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which notes are bent, and how much faster than it sounds each uses its sound up where it is bent upwards."""
    bent, speeds = np.zeros(len(starts), bool), np.ones(len(starts))
    for i in set(tracks.tolist()):
        if bends[i].values.any():
            rows = np.flatnonzero(tracks == i)
            ranges = np.array([bends[i].between(starts[row], ends[row]) for row in rows])
            bent[rows], speeds[rows] = ranges.any(axis=1), 2 ** (np.maximum(ranges[:, 1], 0.0) / 12)
    return bent, speeds


def _within(holds: np.ndarray, total: float, rates: np.ndarray | float = 1.0) -> np.ndarray:
    """The longest notes cut to one length, so that all together take no more than `total`.

    Args:
      holds: s.
      total: what they may take.
      rates: what a second of each takes.
    """
    rates = np.broadcast_to(rates, holds.shape)
    if (holds * rates).sum() <= total:
        return holds
    order = np.argsort(holds)
    ordered, taken = holds[order], (holds * rates)[order]
    others = np.cumsum(rates[order][::-1])[::-1]  # of all that are at least as long
    cuts = (total - np.cumsum(taken) + taken) / others  # if all shorter ones are left whole
    return np.minimum(holds, cuts[np.argmax(cuts <= ordered)])


def _original_plan(song: Song, parts: Sequence[Part]) -> Plan:
    song = song.as_original()
    notes = original_notes(song)
    if not notes:
        raise ValueError(f"{song.name} has no notes between {ORIGINAL_LOWEST} and {MAX_PITCH}, so nothing is played")
    tracks = [i for i, track in enumerate(song.tracks) for note in track.notes if _original_plays(note)]
    starts = np.array([note.start for note in notes])
    written = np.array([note.duration for note in notes])
    holds = np.minimum(written, HELD)
    outside = len(song.notes) - len(notes)
    skipped = {f"outside {ORIGINAL_LOWEST} to {MAX_PITCH}": outside, UNCLOSED: song.unclosed}
    return Plan(
        starts=starts,
        holds=holds,
        pitches=np.array([note.pitch for note in notes]),
        velocities=np.array([note.velocity for note in notes]),
        z=parts[0].instrument.z(starts, extrapolate=True),
        tracks=np.array(tracks),
        seconds=holds + RELEASE,
        loops=np.zeros(len(notes), bool),
        bent=np.zeros(len(notes), bool),
        end=max(note.end for note in notes),
        skipped={why: count for why, count in skipped.items() if count},
        shortened=int(np.sum(holds < written)),
    )


def curves(song: Song, parts: Sequence[Part], settings: Settings) -> list[dict[str, Curve]]:
    """What moves each track: "volume", "expression", "pan" and "bend" over the seconds of the song.

    Tracks that share the changes of a controller share its curve: there may be a thousand of them.
    """
    made: dict[tuple[int, str], Curve] = {}

    def curve(track: Track, kind: str, default: float) -> Curve:
        changes = track.controls.get(kind, ()) if settings.controllers else ()
        key = id(changes), kind
        if key not in made:
            limit = BEND_LIMIT if kind == "bend" else np.inf
            made[key] = Curve([(second, min(max(value, -limit), limit)) for second, value in changes], default)
        return made[key]

    return [
        {
            "volume": curve(track, "volume", VOLUME),
            "expression": curve(track, "expression", EXPRESSION),
            "pan": curve(track, "pan", 0.0) if part.pan is None else Curve((), part.pan),
            "bend": curve(track, "bend", 0.0),
        }
        for track, part in zip(song.tracks, parts, strict=True)
    ]
