"""Play tracks with a General MIDI soundfont: the drums of a rendering, and a reference for comparison.

The player is RustySynth, used through the package midirenderer; the soundfont is the one included in pretty_midi.

Notebook: 03_midi (the reference), 07_songs (drums).
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import io
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from . import midi
from .audio import SILENCE, Audio, loudness_factor, mix, resample
from .errors import in_one_line, one_line
from .limits import MAX_HIT_DURATION, MAX_KEY_DURATION, MAX_LONG_WORK, MAX_WORK, ORCHESTRA, check_length
from .midi import Changes, Note, Song, Track, smf
from .midi.modes import DRUM_CHANNEL
from .midi.song import CONTROLLERS, MAX_PEDAL_SECONDS, MIN_DURATION
from .tables import counted

REFERENCE_TAIL = 1.0  # s; added at the end for the last note to ring
# Amplitudes of the partials of the plain synthesizer used if there is no soundfont player: a soft, organ-like tone.
PLAIN_PARTIALS = (1.0, 0.4, 0.2, 0.1)
PLAYER_RATE = 48000  # Hz; the player's sample rate
CHUNK = 60.0  # s of a track whose notes are played at a time, to bound memory use
TAIL = 4.0  # s; added at the end of a piece for cymbals to ring
GAP = 12.0  # s; longer silences are skipped: all sound has decayed, and a new piece costs as much as two seconds
TICKS = 1000  # per second, in the scores for the player
FULL_BEND = 24  # semitones, in the scores for the player
RELEASE_VELOCITY = 64  # MIDI's default; the player ignores it
SNARE = 38  # a hit at full velocity, volume and expression is normalised to a peak of 1; see render's NOTE_LEVEL

AT_ONCE = 2  # pieces played simultaneously, each on a core
APART_SECONDS = 30.0  # timeout for a score with a soundfont from elsewhere; a minute of notes takes less than a second
_PLAY_APART = """
import sys
from midirenderer import render_wave_from
size, given = int(sys.argv[1]), sys.stdin.buffer.read()
sys.stdout.buffer.write(render_wave_from(given[:size], given[size:]))
"""

# Computing time of the player, in units of the time for one second of silence: 5 ms, measured on one core.
PIECE_WORK = 2.0  # per piece, for which the soundfont is parsed again
# Per second of a note, which has one to four voices: the maximum over the programs of each group of eight.
NOTE_WORK = (0.17, 0.11, 0.25, 0.15, 0.27, 0.17, 0.55, 0.53, 0.14, 0.13, 0.27, 0.32, 0.30, 0.27, 0.05, 0.08)
DRUM_WORK = 0.06  # per second of a drum; most have one voice and decay
LEAST_SOUND = 1.0  # s; minimum duration of a note's sound, as drums and plucked strings ring on
FULL_WORK = 8.0  # per second with all 64 voices, the maximum
EVENT_WORK = 0.002  # per start or end of a note, or change of a controller

_NUMBERS = {name: number for number, (name, _) in CONTROLLERS.items()}


class Piece(NamedTuple):
    """A part of a track that is played in one call of the player.

    Attributes:
      start: start of the part (s), a whole number.
      notes: the notes to play.
      end: end of the part (s), including the tail.
      sounding: sum of the durations of all notes, with the pedal (s).
    """

    start: float
    notes: list[Note]
    end: float
    sounding: float


@in_one_line
def reference(song: Song, sample_rate: int = 16000) -> Audio:
    """Play a score with the soundfont, with the drums and programs of the file, as a reference for comparison.

    If no soundfont player is available for the machine, a plain additive synthesizer is used, without drums. Keys held
    for more than two minutes are released.

    Args:
      song: the song.
      sample_rate: sample rate of the result (Hz).

    Returns:
      Mono audio at the loudness of a rendering.

    Raises:
      ValueError: the song is longer than two hours, or would take the player longer than `limits` allows.

    >>> from helpers import midi, soundfont
    >>> soundfont.reference(midi.excerpt(midi.load("data/midi/bach_prelude.mid"), 0, 4))
    Audio(5.00 s, 16000 Hz, mono, peak 0.53)
    """
    check_length(song)
    check(song.tracks, song.name)
    clip = np.zeros(round((song.duration + REFERENCE_TAIL) * sample_rate), np.float32)
    try:
        for _, start, samples in play_all(song.tracks, sample_rate):
            mix(clip, samples.mean(axis=1), start)
    except ImportError:
        for track in song.tracks:
            for piece in [] if track.is_drum else pieces(track):
                mix(clip, _plainly(track, piece, sample_rate), round(piece.start * sample_rate))
        clip /= max(np.abs(clip).max(initial=0.0), SILENCE)
    clip *= np.float32(loudness_factor(Audio(clip, sample_rate))[0])  # in place: at 48 kHz it can take a gigabyte
    return Audio(clip, sample_rate)


def pieces(track: Track) -> list[Piece]:
    """Split a track into pieces whose notes begin within a minute, without long silences.

    Keys are released after two minutes, and drums after ten seconds, when their sound is over anyway.
    """
    longest = MAX_HIT_DURATION if track.is_drum else MAX_KEY_DURATION
    minutes: dict[int, list[tuple[Note, float]]] = {}
    for note, ringing in zip(track.notes, midi.pedalled(track).notes, strict=True):
        note = note if note.duration <= longest else dataclasses.replace(note, end=note.start + longest)
        until = max(min(ringing.end, note.end + MAX_PEDAL_SECONDS), note.start + LEAST_SOUND)
        minutes.setdefault(int(note.start // CHUNK), []).append((note, until))
    return [piece for minute, notes in sorted(minutes.items()) for piece in _pieces_of(minute * CHUNK, notes)]


def _pieces_of(start: float, notes: Sequence[tuple[Note, float]]) -> Iterator[Piece]:
    """The pieces of a minute, from its notes and the times (s) at which they have decayed."""
    starts = [start]
    end = start
    for note, until in sorted(notes, key=lambda pair: pair[0].start):
        if note.start > end + GAP:
            starts.append(float(int(note.start)))
        end = max(end, until)
    parts: list[list[tuple[Note, float]]] = [[] for _ in starts]
    for pair in notes:  # in their original order
        parts[bisect.bisect_right(starts, pair[0].start) - 1].append(pair)
    for begin, part in zip(starts, parts, strict=True):
        if part:  # the first one may have no notes
            inside = [note for note, _ in part]
            sounding = sum(until - note.start for note, until in part)
            yield Piece(begin, inside, max(note.end for note in inside) + TAIL, sounding)


def work(track: Track) -> float:
    """The time it takes to play a track, in units of a second of silence; a second of full polyphony takes nine."""
    total = 0.0
    for piece in pieces(track):
        length = piece.end - piece.start
        changes = sum(len(_within(moves, piece.start, piece.end)) for moves in track.controls.values())
        events = 2 * len(piece.notes) + changes
        rate = DRUM_WORK if track.is_drum else NOTE_WORK[track.program // 8]
        total += PIECE_WORK + length + min(rate * piece.sounding, FULL_WORK * length) + EVENT_WORK * events
    return total


def check(tracks: Sequence[Track], name: str) -> None:
    """Check that playing tracks would not take longer than `limits` allows.

    Args:
      tracks: the tracks.
      name: name of the song, for the error message.

    Raises:
      ValueError: it would take longer.
    """
    seconds = max((note.start for track in tracks for note in track.notes), default=0.0)
    most, total = min(max(MAX_WORK, ORCHESTRA * seconds), MAX_LONG_WORK), 0.0
    for track in tracks:
        total += work(track)
        if total > most:
            raise ValueError(
                f"{name} has more sound in {counted(len(tracks), 'track')} than the soundfont player can play "
                "in a few minutes; take an excerpt with midi.excerpt, or fewer tracks"
            )


def play(track: Track, sample_rate: int) -> Iterator[tuple[int, np.ndarray]]:
    """Play a track in pieces, with its volume, expression, pan, pedal and pitch bend.

    Yields:
      (first sample, float32 [samples, 2]); the pieces overlap and must be added.

    Raises:
      ImportError: no player is available for this machine.
    """
    return ((start, samples) for _, start, samples in play_all([track], sample_rate))


def play_all(tracks: Sequence[Track], sample_rate: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Play tracks as `play` does, on two cores. Use `check` first, to see whether it would take too long.

    Yields:
      (index of the track, first sample, float32 [samples, 2]), in the order of the tracks.

    Raises:
      ImportError: no player is available for this machine.
    """
    level = np.float32(1.0 / _snare_peak())

    def played(job: tuple[int, Piece]) -> tuple[int, int, np.ndarray]:
        i, piece = job
        samples = play_with(_soundfont(), _score(tracks[i], piece))
        samples *= level
        return i, round(piece.start * sample_rate), resample(Audio(samples, PLAYER_RATE), sample_rate).samples

    jobs = ((i, piece) for i, track in enumerate(tracks) for piece in pieces(track))
    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(played, job))
                if len(waiting) == AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _within(changes: Changes, start: float, end: float) -> Changes:
    """The changes between two times (s), and the last one before."""
    first = max(bisect.bisect_right(changes, start, key=_second) - 1, 0)
    return changes[first : bisect.bisect_left(changes, end, key=_second)]


def _second(change: tuple[float, float]) -> float:
    return change[0]


def _score(track: Track, piece: Piece) -> bytes:
    """A piece of a track as a MIDI file that begins at the piece's start and ends after its tail."""
    channel = DRUM_CHANNEL if track.is_drum else 0

    def control(number: int, value: float) -> bytes:
        return bytes((smf.CONTROL | channel, number, int(min(max(round(value), 0), 127))))

    def change(kind: str, value: float) -> bytes:
        if kind == "bend":
            wheel = int(min(max(value / FULL_BEND * 8192, -8192), 8191)) + 8192
            return bytes((smf.WHEEL | channel, wheel & 0x7F, wheel >> 7))
        return control(_NUMBERS[kind], 64 + 63 * value if kind == "pan" else 127 * value)

    start = piece.start
    # (time, order at equal times, message): settings come first, and note-offs before note-ons
    head = [bytes((smf.PROGRAM | channel, track.program)), control(101, 0), control(100, 0), control(6, FULL_BEND)]
    events = [(start, 0, message) for message in head]
    for kind, changes in track.controls.items():
        inside = _within(changes, start, piece.end)
        events += [(max(second, start), 1, change(kind, value)) for second, value in inside]
    again: dict[int, float] = {}  # time at which each key is struck next
    for note in sorted(piece.notes, key=lambda note: -note.start):
        shortest = 1 / TICKS  # the note-off must come after the note-on
        if track.is_drum:  # drums sound to their end however short the note is
            shortest = max(min(MIN_DURATION, again.get(note.pitch, np.inf) - note.start), shortest)
            again[note.pitch] = note.start
        release = max(note.end, note.start + shortest)
        events.append((release, 2, bytes((smf.NOTE_OFF | channel, note.pitch, RELEASE_VELOCITY))))
        events.append((note.start, 3, bytes((smf.NOTE_ON | channel, note.pitch, note.velocity))))
    events.append((piece.end, 4, bytes((smf.META, smf.END_OF_TRACK, 0))))

    content = bytearray(b"\0" + bytes((smf.META, smf.TEMPO, 3)) + (1_000_000).to_bytes(3, "big"))
    now = 0
    for second, _, message in sorted(events, key=lambda event: event[:2]):
        tick = round((second - start) * TICKS)
        content += smf.number(tick - now) + message
        now = tick
    header = b"MThd" + struct.pack(">IHHH", 6, 1, 1, TICKS)
    return header + b"MTrk" + struct.pack(">I", len(content)) + bytes(content)


def player() -> ModuleType:
    """The soundfont player, a module.

    Raises:
      ImportError: it is not installed, or not available for this machine.
    """
    try:
        import midirenderer
    except ImportError:
        raise ImportError("the soundfont player is not installed: pip install midirenderer") from None
    return midirenderer


def play_with(content: bytes, score: bytes) -> np.ndarray:
    """Play a MIDI file with a soundfont, both given as bytes: float32 [samples, 2] at the player's sample rate.

    Raises:
      ImportError: no player is available for this machine.
      ValueError: the soundfont is damaged.
    """
    render = player().render_wave_from
    try:
        wave = render(content, score)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic in Rust is not an Exception
        raise ValueError(f"it is damaged: {one_line(error)}") from None
    return _samples(wave)


def play_apart(content: bytes, score: bytes) -> np.ndarray:
    """As `play_with`, in a separate process, for a soundfont from elsewhere.

    A damaged soundfont can make the player crash, print to standard error, or never return.
    """
    player()
    command = [sys.executable, "-c", _PLAY_APART, str(len(content))]
    try:
        done = subprocess.run(command, input=content + score, capture_output=True, timeout=APART_SECONDS)
    except subprocess.TimeoutExpired:
        raise ValueError(f"it is damaged: the player does not finish within {APART_SECONDS:g} s") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["the player has crashed"]
        raise ValueError(f"it is damaged: {one_line(said[-1].rpartition('Exception: ')[2])}")
    return _samples(done.stdout)


def _samples(wave: bytes) -> np.ndarray:
    import soundfile

    try:
        samples = soundfile.read(io.BytesIO(wave), dtype="float32", always_2d=True)[0]
    except soundfile.LibsndfileError as error:
        raise ValueError(f"it is damaged: {one_line(error)}") from None
    if not np.isfinite(samples).all():
        raise ValueError("it is damaged: its sound has samples that are not finite numbers")
    return samples


@functools.cache
def _soundfont() -> bytes:
    """The content of the soundfont TimGM6mb, 6 MB."""
    import pretty_midi

    return (Path(pretty_midi.__file__).parent / "TimGM6mb.sf2").read_bytes()


@functools.cache
def _snare_peak() -> float:
    controls = {"volume": ((0.0, 1.0),), "expression": ((0.0, 1.0),)}
    hit = Track("snare", 0, True, (Note(SNARE, 127, 0.0, 0.5),), controls)
    return float(np.abs(play_with(_soundfont(), _score(hit, pieces(hit)[0]))).max())


def _plainly(track: Track, piece: Piece, sample_rate: int) -> np.ndarray:
    """A piece of a track played by the plain synthesizer: float64 [samples]."""
    import pretty_midi

    part = pretty_midi.Instrument(track.program)
    part.notes = [
        pretty_midi.Note(n.velocity, n.pitch, n.start - piece.start, n.end - piece.start) for n in piece.notes
    ]
    return part.synthesize(fs=sample_rate, wave=_plain_tone)


def _plain_tone(phase: np.ndarray) -> np.ndarray:
    partials = (level * np.sin(k * phase) for k, level in enumerate(PLAIN_PARTIALS, start=1))
    return sum(partials, start=np.zeros_like(phase))
