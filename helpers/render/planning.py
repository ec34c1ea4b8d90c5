"""Who plays each track of a song, and what there is to play: from a song and instruments to a `Plan`.

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .. import instruments, midi
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import Instrument, Timeline
from ..limits import BENDING, LONGEST_NOTE, LONGEST_TOTAL
from ..midi import Note, Song
from . import original
from .controllers import curves
from .shaping import BEND_ROOM, HELD, LEVEL_SPAN, Curve
from .types import DEFAULTS, UNCLOSED, Part, Plan, Settings, is_heard

if TYPE_CHECKING:
    from ..gansynth import GANSynth

SHORTEST_SOUND = LEVEL_SPAN  # s; a shorter sound would have another level


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
        return original.plan(song, parts)
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
