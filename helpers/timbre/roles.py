"""What each track of a song does in it: bass, chords, melody or counter-line.

    for number, (role, why) in timbre.roles_of(song).items(): ...

A rule of thumb, from pitches and times alone. It knows nothing of harmony, and is wrong where a tune lies below other
lines.

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
CHORDS_FROM = 1.5  # pitch classes at once, on average; legato and octaves stay below
LOW, LOWEST_LINE = 48, 55  # mean pitches below which any line is a bass (C3), and the lowest line (G3)


class Role(NamedTuple):
    """What a track does, and by what one can tell."""

    name: RoleName
    why: str


class Texture(NamedTuple):
    """How a track is written."""

    pitch: float  # mean, weighted by duration; MIDI number
    voices: float  # pitch classes that sound at once, on average while any does


def texture(notes: Sequence[Note]) -> Texture:
    """The mean pitch of some notes and how many sound at once.

    Octaves count as one: a bass that is doubled in octaves is a single line.

    Args:
      notes: of one track, at least one.

    Notebook: 09_explore.

    >>> from helpers import midi
    >>> from helpers.timbre import roles
    >>> for track in midi.load("data/midi/study.mid").tracks[:3]:
    ...     pitch, voices = roles.texture(track.notes)
    ...     print(f"{track.name}: {midi.note_name(round(pitch))}, {voices:.1f} at once")
    Flute: D♯5, 1.0 at once
    Piano: F4, 1.0 at once
    Strings: D♯3, 1.8 at once
    """
    length = sum(note.duration for note in notes)
    if not length:
        return Texture(sum(note.pitch for note in notes) / len(notes), 1.0)
    sounding: Counter[int] = Counter()
    time = voices = 0.0
    changes = sorted(
        change for note in notes for change in ((note.start, 1, note.pitch % 12), (note.end, -1, note.pitch % 12))
    )
    for (second, step, pitch_class), (following, *_) in itertools.pairwise([*changes, (changes[-1][0], 0, 0)]):
        sounding[pitch_class] += step
        now = sum(count > 0 for count in sounding.values())
        voices += now * (following - second)
        time += (now > 0) * (following - second)
    return Texture(sum(note.pitch * note.duration for note in notes) / length, voices / time)


class OnTop(NamedTuple):
    """How much of what is heard on top is one track's."""

    time: float  # share of the seconds in which any track sounds
    notes: float  # share of the notes that begin above all others


def on_top(tracks: Mapping[int, Sequence[Note]]) -> dict[int, OnTop]:
    """How much of the time each track has the highest note, and of how many such notes.

    Of two tracks that share a note, the first one has it.

    Args:
      tracks: number -> notes.

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
    """What each track of a song does in it.

    A track that sounds 1.5 pitch classes at once or more, on average and with its pedals, plays chords; any other is a
    line. Lines with a mean pitch below C3 are the bass, and so is the lowest line if it is below G3; the highest track
    never is. Of the other lines, the melody is the one that is on top for long and with many notes (the product of the
    two shares of `on_top`); the rest are counter-lines. Where all but the bass play chords and there are several of
    them, the one on top has the melody. A track that is alone has the melody if it is a line.

    Args:
      song: drums, and tracks without notes, have no role.

    Returns:
      Track number, from 1 -> (role, why), in the order of the tracks.

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
    lines = [number for number in tracks if textures[number].voices < CHORDS_FROM]
    basses = _basses(textures, lines)
    upper = [number for number in lines if number not in basses]
    chords = [number for number in tracks if number not in lines]
    tops = on_top({number: tracks[number] for number in upper or chords})
    found = {number: Role("bass", f"a line around {_name(textures[number])}") for number in basses}
    found |= {number: Role("counter-line", f"a line, {_share(tops[number])}") for number in upper}
    found |= {number: Role("chords", f"{textures[number].voices:.1f} notes at once") for number in chords}
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
