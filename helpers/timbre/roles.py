"""Estimate the role of each track in a song: bass, chords, melody or counter-line.

    for number, (role, why) in timbre.roles_of(song).items(): ...

This is a heuristic based only on the pitches and times of notes. It ignores harmony, and is wrong if the melody is
below other lines.

Notebook: 09_explore.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from ..midi import Note, Song, note_name, pedalled

RoleName = Literal["melody", "bass", "chords", "counter-line"]
CHORDS_FROM = 1.5  # mean number of simultaneous pitch classes; legato and octaves stay below
LOW, LOWEST_LINE = 48, 55  # mean pitch below which every line is a bass (C3), and below which the lowest one is (G3)


class Role(NamedTuple):
    """The role of a track, and the reason in words.

    Attributes:
      name: the role.
      why: the reason.
    """

    name: RoleName
    why: str


class Texture(NamedTuple):
    """The mean pitch and polyphony of a track.

    Attributes:
      pitch: mean MIDI pitch, weighted by duration.
      polyphony: mean number of simultaneous pitch classes while any note sounds.
    """

    pitch: float
    polyphony: float


def texture(notes: Sequence[Note]) -> Texture:
    """The mean pitch of notes and how many of them sound at once.

    Octaves count as one, so that a line doubled in octaves is a single line.

    Args:
      notes: the notes of a track, at least one.

    Notebook: 09_explore.

    >>> from helpers import midi
    >>> from helpers.timbre import roles
    >>> for track in midi.load("data/midi/study.mid").tracks[:3]:
    ...     pitch, polyphony = roles.texture(track.notes)
    ...     print(f"{track.name}: {midi.note_name(round(pitch))}, {polyphony:.1f} at once")
    Flute: D♯5, 1.0 at once
    Piano: F4, 1.0 at once
    Strings: D♯3, 1.8 at once
    """
    length = sum(note.duration for note in notes)
    if not length:
        return Texture(sum(note.pitch for note in notes) / len(notes), 1.0)
    sounding: Counter[int] = Counter()
    time = total = 0.0
    changes = sorted(
        change for note in notes for change in ((note.start, 1, note.pitch % 12), (note.end, -1, note.pitch % 12))
    )
    for (second, step, pitch_class), (following, *_) in itertools.pairwise([*changes, (changes[-1][0], 0, 0)]):
        sounding[pitch_class] += step
        now = sum(count > 0 for count in sounding.values())
        total += now * (following - second)
        time += (now > 0) * (following - second)
    return Texture(sum(note.pitch * note.duration for note in notes) / length, total / time)


class OnTop(NamedTuple):
    """How much a track has the highest notes.

    Attributes:
      time: share of the time in which any track sounds.
      notes: share of the notes that are the highest when they begin.
    """

    time: float
    notes: float


def on_top(tracks: Mapping[int, Sequence[Note]]) -> dict[int, OnTop]:
    """For how much of the time, and in how many notes, each track is the highest.

    If two tracks have the same highest note, it counts for the first one.

    Args:
      tracks: {track number: notes}.

    Notebook: 09_explore.
    """
    notes = sorted((note.start, -note.pitch, number, note.end) for number in tracks for note in tracks[number])
    times = sorted({time for start, *_, end in notes for time in (start, end)})
    sounding: list[tuple[int, int, float, float]] = []  # a heap: negative pitch, number, end, start
    seconds: dict[int, float] = dict.fromkeys(tracks, 0.0)
    begins: Counter[int] = Counter()
    begun = 0
    for time, until in itertools.pairwise(times):
        while begun < len(notes) and notes[begun][0] <= time:
            start, pitch, number, end = notes[begun]
            heapq.heappush(sounding, (pitch, number, end, start))
            begun += 1
        while sounding and sounding[0][2] <= time:
            heapq.heappop(sounding)
        if sounding:
            _, number, _, start = sounding[0]
            seconds[number] += until - time
            begins[number] += start == time
    whole, count = sum(seconds.values()) or 1.0, sum(begins.values()) or 1
    return {number: OnTop(seconds[number] / whole, begins[number] / count) for number in tracks}


def roles_of(song: Song) -> dict[int, Role]:
    """Estimate the role of each track in a song.

    A track with 1.5 or more simultaneous pitch classes on average, pedals included, plays chords; any other is a line.
    Lines with a mean pitch below C3 are basses, and so is the lowest line if it is below G3, but never the highest
    track. Of the other lines, the one with the largest product of the two shares of `on_top` is the melody; the rest
    are counter-lines. If there are no such lines but several tracks with chords, the track that is highest most often
    is the melody. A single track is the melody if it is a line.

    Args:
      song: the song; drums and tracks without notes have no role.

    Returns:
      {track number, from 1: (role, why)}, in track order.

    Notebook: 09_explore.

    >>> from helpers import midi, timbre
    >>> for number, (role, why) in timbre.roles_of(midi.load("data/midi/study.mid")).items():
    ...     print(f"track {number}: {role}, {why}")
    track 1: melody, the only upper line
    track 2: chords, 2.6 notes at once
    track 3: chords, 1.8 notes at once
    track 4: bass, a line around F♯1
    """
    pitched = {i: track for i, track in enumerate(song.tracks, start=1) if track.notes and not track.is_drum}
    tracks = {number: pedalled(track).notes for number, track in pitched.items()}
    textures = {number: texture(notes) for number, notes in tracks.items()}
    lines = [number for number in tracks if textures[number].polyphony < CHORDS_FROM]
    basses = _basses(textures, lines)
    upper = [number for number in lines if number not in basses]
    chords = [number for number in tracks if number not in lines]
    tops = on_top({number: tracks[number] for number in upper or chords})
    found = {number: Role("bass", f"a line around {_name(textures[number])}") for number in basses}
    found |= {number: Role("counter-line", f"a line, {_share(tops[number])}") for number in upper}
    found |= {number: Role("chords", f"{textures[number].polyphony:.1f} notes at once") for number in chords}
    if upper or len(chords) > 1:
        leading = max(tops, key=lambda number: tops[number].time * tops[number].notes)
        found[leading] = Role("melody", "the only upper line" if len(upper) == 1 else _share(tops[leading]))
    return dict(sorted(found.items()))


def _basses(textures: Mapping[int, Texture], lines: Sequence[int]) -> list[int]:
    if len(textures) < 2 or not lines:
        return []
    pitch = {number: textures[number].pitch for number in textures}
    lowest, highest = min(lines, key=lambda n: pitch[n]), max(pitch, key=lambda n: pitch[n])
    return [n for n in lines if n != highest and (pitch[n] < LOW or (n == lowest and pitch[n] < LOWEST_LINE))]


def _name(texture: Texture) -> str:
    return note_name(round(texture.pitch))


def _share(top: OnTop) -> str:
    return f"on top for {top.time:.0%} of the time and in {top.notes:.0%} of the notes"
