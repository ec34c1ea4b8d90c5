"""Tracks played by a General MIDI soundfont: the drums of a rendering, and the reference to compare with.

The player is RustySynth, through the package midirenderer; the soundfont is the one that comes with pretty_midi.

Notebook: 03_midi (the reference), 07_songs (drums).
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from .audio import Audio, resample
from .errors import one_line
from .midi import CONTROLLERS, SHORTEST, Note, Track
from .modes import DRUM_CHANNEL

if TYPE_CHECKING:
    import mido

PLAYER_RATE = 48000  # Hz, the player's own
CHUNK = 60.0  # s of a track played at a time, to bound memory
TAIL = 4.0  # s that a cymbal may ring on
TICKS = 1000  # a second, in the scores that are handed to the player
FULL_BEND = 24  # semitones, likewise
SNARE = 38  # its hit at full velocity, volume and expression is given a peak of 1; render.NOTE_LEVEL goes with that

_NUMBERS = {name: number for number, (name, _) in CONTROLLERS.items()}


def play(track: Track, sample_rate: int) -> Iterator[tuple[int, np.ndarray]]:
    """Play one track, a minute at a time, with its volume, expression, pan, pedal and pitch bend.

    Yields:
      (first sample, float32 [samples, 2]); the pieces overlap and are to be added up.

    Raises:
      ImportError: there is no player for this machine.
    """
    level = np.float32(1.0 / _snare_peak())
    for start in np.arange(0.0, max((note.start for note in track.notes), default=-1.0) + 1e-9, CHUNK):
        notes = [note for note in track.notes if start <= note.start < start + CHUNK]
        if notes:
            piece = Audio(_render(_score(track, notes, start)) * level, PLAYER_RATE)
            yield round(start * sample_rate), resample(piece, sample_rate).samples


def _score(track: Track, notes: Sequence[Note], start: float) -> mido.MidiFile:
    """Some of a track's notes as a MIDI file of their own that begins at second `start` and lets the last one ring."""
    import mido

    channel = DRUM_CHANNEL if track.is_drum else 0

    def control(number: int, value: float) -> mido.Message:
        return mido.Message("control_change", channel=channel, control=number, value=int(np.clip(round(value), 0, 127)))

    def change(kind: str, value: float) -> mido.Message:
        if kind == "bend":
            pitch = int(np.clip(value / FULL_BEND * 8192, -8192, 8191))
            return mido.Message("pitchwheel", channel=channel, pitch=pitch)
        return control(_NUMBERS[kind], 64 + 63 * value if kind == "pan" else 127 * value)

    end = max(note.end for note in notes) + TAIL
    # (second, rank among simultaneous ones, message): settings first, and a key comes up before it goes down again
    head = [mido.Message("program_change", channel=channel, program=track.program)]
    head += [control(101, 0), control(100, 0), control(6, FULL_BEND)]
    events = [(start, 0, message) for message in head]
    for kind, changes in track.controls.items():
        before = [value for second, value in changes if second <= start][-1:]
        events += [(start, 1, change(kind, value)) for value in before]
        events += [(second, 1, change(kind, value)) for second, value in changes if start < second < end]
    again: dict[int, float] = {}  # where each key is struck next
    for note in sorted(notes, key=lambda note: -note.start):
        shortest = 1 / TICKS  # a key cannot come up before it goes down
        if track.is_drum:  # whose sound is whole however short the note is
            shortest = max(min(SHORTEST, again.get(note.pitch, np.inf) - note.start), shortest)
            again[note.pitch] = note.start
        release = max(note.end, note.start + shortest)
        events.append((release, 2, mido.Message("note_off", channel=channel, note=note.pitch)))
        pressed = mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)
        events.append((note.start, 3, pressed))
    events.append((end, 4, mido.MetaMessage("end_of_track")))

    score = mido.MidiFile(ticks_per_beat=TICKS)
    score.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=1_000_000)]))
    now = 0
    for second, _, message in sorted(events, key=lambda event: event[:2]):
        tick = round((second - start) * TICKS)
        score.tracks[0].append(message.copy(time=tick - now))
        now = tick
    return score


def player() -> ModuleType:
    """The module that plays.

    Raises:
      ImportError: there is none for this machine.
    """
    try:
        import midirenderer
    except ImportError:
        raise ImportError("there is no soundfont player here: pip install midirenderer") from None
    return midirenderer


def _render(score: mido.MidiFile) -> np.ndarray:
    """A MIDI file through the player: float32 [samples, 2] at its rate."""
    content = io.BytesIO()
    score.save(file=content)
    return play_with(_soundfont(), content.getvalue())


def play_with(content: bytes, score: bytes) -> np.ndarray:
    """A MIDI file played with a soundfont, both as bytes: float32 [samples, 2] at the player's rate.

    Raises:
      ImportError: there is no player for this machine.
      ValueError: the soundfont is damaged.
    """
    import soundfile

    render = player().render_wave_from
    try:
        wave = render(content, score)
        samples = soundfile.read(io.BytesIO(wave), dtype="float32", always_2d=True)[0]
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # what Rust calls a panic is no Exception
        raise ValueError(f"it is damaged: {one_line(error)}") from None
    if not np.isfinite(samples).all():
        raise ValueError("it is damaged: it makes sounds that are not finite numbers")
    return samples


@functools.cache
def _soundfont() -> bytes:
    """TimGM6mb, 6 MB."""
    import pretty_midi

    return (Path(pretty_midi.__file__).parent / "TimGM6mb.sf2").read_bytes()


@functools.cache
def _snare_peak() -> float:
    controls = {"volume": ((0.0, 1.0),), "expression": ((0.0, 1.0),)}
    hit = Track("snare", 0, True, (Note(SNARE, 127, 0.0, 0.5),), controls)
    return float(np.abs(_render(_score(hit, hit.notes, 0.0))).max())
