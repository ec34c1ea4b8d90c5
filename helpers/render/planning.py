"""Plan a rendering: choose the instrument of each track and the pitch, latent and duration of each note.

Notebook: 07_songs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import instruments, midi
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import Assignment, Instrument, Timeline
from ..limits import BENDING, MAX_NOTE_DURATION, MAX_TOTAL_DURATION
from ..midi import Note, Song
from .controllers import curves
from .shaping import BEND_ROOM, HELD, LEVEL_SPAN, Curve
from .types import DEFAULTS, UNCLOSED, Part, Parts, Plan, ResolvedPart, Settings, is_heard

if TYPE_CHECKING:
    from ..gansynth import GANSynth

MIN_SOUND = LEVEL_SPAN  # s; the level of a shorter sound would be measured differently


def resolve(
    model: GANSynth,
    song: Song,
    parts: Parts | None = None,
    default: Instrument | Timeline | None = None,
    seed: int = 0,
) -> tuple[ResolvedPart, ...]:
    """Determine the timeline and mixer settings of each track from the arguments of `render`.

    Args:
      model, song, parts, default, seed: as for `render`.

    Returns:
      One `ResolvedPart` for each track. Only drum tracks may have no timeline, if no instrument is given for them.

    Raises:
      ValueError: a key does not match a track of the song, or an instrument belongs to another model.

    Notebook: 07_songs.

    >>> from helpers import gansynth, instruments, midi, render
    >>> model, song = gansynth.load("demo"), midi.load("data/midi/study.mid")
    >>> bank = instruments.bank(model)
    >>> for part in render.resolve(model, song, {"Flute": bank["Harp"], "Piano": render.Part(mute=True)}):
    ...     print(part.timeline, part.mute)
    Timeline(Harp at 0 s) False
    Timeline(Grand Piano at 0 s) True
    Timeline(String Ensemble at 0 s) False
    Timeline(Acoustic Bass at 0 s) False
    None False
    """
    if isinstance(parts, (Instrument, Timeline)):
        parts, default = None, parts
    wanted: dict[int, tuple[int, Part]] = {}  # index of the track -> (exactness of the key, part)
    for key, value in parts.items() if parts else ():
        given = value.instrument if isinstance(value, Assignment) else value
        part = given if isinstance(given, Part) else Part(given)
        exactness, meant = _tracks_meant(song, key)
        for i in meant:
            if i not in wanted or wanted[i][0] <= exactness:
                wanted[i] = exactness, part
    assigned = instruments.assign(model, song, seed) if default is None else {}
    resolved = []
    for i in range(len(song.tracks)):
        part = wanted[i][1] if i in wanted else Part()
        player = part.instrument or default or (assigned[i + 1].instrument if i + 1 in assigned else None)
        timeline = Timeline.hold(player) if isinstance(player, Instrument) else player
        for instrument in timeline.instruments if timeline else ():
            instruments.check_model(instrument, model)
        resolved.append(ResolvedPart(timeline, part.mute, part.solo, part.gain, part.pan))
    return tuple(resolved)


def _tracks_meant(song: Song, key: str | int) -> tuple[int, list[int]]:
    """The tracks that a key matches, and how exactly: by number (2), name (1), or program (0).

    A program is given as "program 73" or by its General MIDI name.
    """
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
    raise ValueError(f"{song.name} has no track {key!r}; its tracks are {known}")


def fold(pitch: int, low: int, high: int) -> int:
    """Transpose a pitch by octaves into the range from low to high."""
    if pitch < low:
        return pitch + 12 * -((pitch - low) // 12)
    if pitch > high:
        return pitch - 12 * -((high - pitch) // 12)
    return pitch


def transposition(pitches: Sequence[int], low: int, high: int) -> int:
    """The transposition (semitones) that brings most pitches into the range from low to high; the smallest on a tie."""
    written = np.asarray(pitches)
    moves = sorted(range(low - 127, high + 1), key=lambda move: (abs(move), move))
    return min(moves, key=lambda move: int(np.sum((written + move < low) | (written + move > high))))


class _Written(NamedTuple):
    """The audible notes of a song for the model, extended by the pedal but otherwise as written."""

    notes: list[tuple[int, Note]]  # (index of the track, note)
    skipped: Counter[str]  # reason -> number of notes
    pedalled: int  # number of notes extended by the pedal
    on_drums: int  # number of notes for the soundfont player


def plan(song: Song, parts: Sequence[ResolvedPart], settings: Settings = DEFAULTS, max_duration: float = 4.0) -> Plan:
    """Determine the pitch, latent and duration of each note. For the original's way, see `original.plan`.

    Args:
      song: the song to play.
      parts: one for each track, as returned by `resolve`.
      settings: options of the rendering.
      max_duration: duration of the model's longest sound (s).

    Raises:
      ValueError: there is no note to play, or too many notes are bent.

    Notebook: 04_generate, 07_songs.
    """
    written = _written(song, parts, settings)
    skipped = written.skipped
    pitches = [note.pitch for _, note in written.notes]
    transposed = transposition(pitches, MIN_PITCH, MAX_PITCH) if settings.pitch == "shift" else 0
    moved: Counter[str] = Counter()
    rows: list[tuple[int, Note, int]] = []
    for i, note in written.notes:
        wanted = note.pitch + transposed
        pitch = fold(wanted, MIN_PITCH, MAX_PITCH)
        if pitch == wanted:
            rows.append((i, note, pitch))
        elif settings.pitch == "drop":
            skipped[f"outside {midi.note_name(MIN_PITCH)} to {midi.note_name(MAX_PITCH)}"] += 1
        else:
            moved[f"{midi.note_name(wanted)} to {midi.note_name(pitch)}"] += 1
            rows.append((i, note, pitch))
    if not rows and not written.on_drums:
        why = "; ".join(f"{count} {reason}" for reason, count in skipped.items())
        raise ValueError(f"{song.name} has nothing to play: {why or 'it has no notes'}")

    tracks = np.array([i for i, _, _ in rows], np.int64)
    starts = np.array([note.start for _, note, _ in rows], np.float64)
    durations = np.array([note.duration for _, note, _ in rows], np.float64)
    can_loop = settings.sustain == "loop" and max_duration >= HELD
    holds, bent, speeds = _holds(
        song, parts, settings, tracks, starts, durations, MAX_NOTE_DURATION if can_loop else HELD
    )
    needed = (holds + settings.release) * speeds + bent * BEND_ROOM
    loops = can_loop & ((holds * speeds > HELD) | (needed > max_duration))
    return Plan(
        starts=starts,
        holds=holds,
        pitches=np.array([pitch for _, _, pitch in rows], np.int64),
        velocities=np.array([note.velocity for _, note, _ in rows], np.int64),
        z=_latents(parts, tracks, starts, settings.resolution),
        tracks=tracks,
        durations=np.where(loops, HELD, np.clip(needed, MIN_SOUND, max_duration)),
        loops=loops,
        bent=bent,
        end=float(np.max(starts + holds, initial=0.0)),
        transposed=transposed,
        moved=dict(moved.most_common()),
        skipped=dict(skipped),
        pedalled=written.pedalled,
        shortened=int(np.sum(holds < durations)),
    )


def _written(song: Song, parts: Sequence[ResolvedPart], settings: Settings) -> _Written:
    """The notes of the audible tracks, and counts of the others by reason."""
    notes: list[tuple[int, Note]] = []
    skipped: Counter[str] = Counter()
    pedalled = on_drums = 0
    for i, (track, part, heard) in enumerate(zip(song.tracks, parts, is_heard(parts), strict=True)):
        if not heard:
            skipped["muted" if part.mute else "not soloed"] += len(track.notes)
        elif track.is_drum and settings.drums == "synth":
            on_drums += len(track.notes)
        elif track.is_drum:
            skipped["drums (drums='synth' plays them)"] += len(track.notes)
        else:
            ringing = midi.pedalled(track).notes if settings.controllers else track.notes
            pedalled += sum(ring.end > note.end for ring, note in zip(ringing, track.notes, strict=True))
            notes += [(i, note) for note in ringing]
    if song.unclosed:
        skipped[UNCLOSED] = song.unclosed
    return _Written(notes, skipped, pedalled, on_drums)


def _holds(
    song: Song,
    parts: Sequence[ResolvedPart],
    settings: Settings,
    tracks: np.ndarray,
    starts: np.ndarray,
    durations: np.ndarray,
    longest: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hold times, at most `longest` and within `limits`; whether each note is bent; and its speed (see `_bent`)."""
    bends = [moves["bend"] for moves in curves(song, parts, settings)]
    holds = np.minimum(durations, longest)
    bent, speeds = _bent(bends, tracks, starts, starts + holds + settings.release)
    if settings.release * BENDING * speeds[bent].sum() > MAX_TOTAL_DURATION:  # even if the notes were cut to nothing
        raise ValueError(
            f"{song.name} bends {bent.sum():,} notes, which would take too long; use controllers=False to ignore bends"
        )
    holds = _within(np.minimum(holds, MAX_NOTE_DURATION / speeds), MAX_TOTAL_DURATION, 1 + BENDING * speeds * bent)
    return holds, *_bent(bends, tracks, starts, starts + holds + settings.release)


def _latents(
    parts: Sequence[ResolvedPart], tracks: np.ndarray, starts: np.ndarray, resolution: float | None
) -> np.ndarray:
    """The latent of each note, [n, size], at its onset or, with a resolution, at the nearest time step.

    Shorter latents are padded with zeros to the length of the longest.
    """
    timelines = [part.timeline for part in parts]
    size = max((len(one.z) for timeline in timelines if timeline for one in timeline.instruments), default=0)
    moments = starts if resolution is None else np.round(starts / resolution) * resolution
    z = np.zeros((len(tracks), size))
    for i in np.unique(tracks):
        timeline = timelines[i]
        assert timeline is not None, "only drums have none, and they are not played by the model"
        own = timeline.z(moments[tracks == i])
        z[tracks == i, : own.shape[1]] = own
    return z


def _bent(
    bends: Sequence[Curve], tracks: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each note is bent, and the highest playback speed of its sound, 1 unless it is bent upwards."""
    bent, speeds = np.zeros(len(starts), bool), np.ones(len(starts))
    for i in set(tracks.tolist()):
        if bends[i].values.any():
            rows = np.flatnonzero(tracks == i)
            ranges = np.array([bends[i].between(starts[row], ends[row]) for row in rows])
            bent[rows], speeds[rows] = ranges.any(axis=1), 2 ** (np.maximum(ranges[:, 1], 0.0) / 12)
    return bent, speeds


def _within(holds: np.ndarray, total: float, rates: np.ndarray | float = 1.0) -> np.ndarray:
    """Cut the longest notes to a common duration so that the total cost of all notes is at most `total`.

    Args:
      holds: durations (s), [n].
      total: the maximum of sum(holds * rates).
      rates: cost per second of each note.
    """
    rates = np.broadcast_to(rates, holds.shape)
    if (holds * rates).sum() <= total:
        return holds
    order = np.argsort(holds)
    ordered, taken = holds[order], (holds * rates)[order]
    others = np.cumsum(rates[order][::-1])[::-1]  # total rate of the notes that are at least as long
    cuts = (total - np.cumsum(taken) + taken) / others  # the common duration if all shorter notes are left whole
    return np.minimum(holds, cuts[np.argmax(cuts <= ordered)])
