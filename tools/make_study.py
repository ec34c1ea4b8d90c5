"""Write data/midi/study.mid: half a minute of music in five tracks that exercises all features of the renderer.

    python tools/make_study.py

Long notes, a sustain pedal, expression, a pitch bend, panned tracks, notes below the model's range, drums, and a
slowing tempo. Composed for this suite; this script is the score.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mido

STUDY = Path(__file__).resolve().parents[1] / "data" / "midi" / "study.mid"

TICKS = 480  # per quarter note
BAR = 4 * TICKS
TEMPO = 84  # quarter notes per minute; the last bars slow down
SLOWER = {8: 76, 9: 62}  # bar -> tempo from there on
# A chord for each bar: the bass note, and the notes of the piano and the strings.
CHORDS = [
    (36, (60, 64, 67)), (33, (60, 64, 69)), (29, (60, 65, 69)), (31, (59, 62, 67)),
    (36, (60, 64, 67)), (28, (59, 64, 67)), (29, (60, 65, 69)), (31, (60, 62, 67)),
    (23, (59, 62, 67)), (24, (60, 64, 67)),
]  # fmt: skip
DRONES = [(48, 52), (50, 53), (52, 55), (48, 53), (43, 55)]  # of the strings, in each pair of bars
# (pitch, quarter notes); None is a rest. The bend leads up to the high C.
MELODY = [
    (76, 1.5), (74, 0.5), (72, 1), (67, 1), (69, 1.5), (71, 0.5), (72, 2), (77, 1.5), (76, 0.5), (74, 1), (72, 1),
    (74, 3), (None, 1), (79, 1.5), (77, 0.5), (76, 1), (72, 1), (71, 1), (74, 1), (79, 2), (81, 1.5), (79, 0.5),
    (77, 1), (76, 1), (74, 2), (72, 1), (71, 1), (74, 2), (71, 2), (84, 4),
]  # fmt: skip


def events(notes: list[tuple[float, int, int, int]], *others: tuple[float, mido.Message]) -> mido.MidiTrack:
    """A track with notes (start, length, pitch, velocity) and other messages; times are in ticks."""
    rows = [(start, 2, mido.Message("note_on", note=pitch, velocity=velocity)) for start, _, pitch, velocity in notes]
    rows += [(start + length, 0, mido.Message("note_off", note=pitch)) for start, length, pitch, _ in notes]
    rows += [(start, 1, message) for start, message in others]
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(rows, key=lambda row: row[:2]):
        track.append(message.copy(time=round(tick) - now))
        now = round(tick)
    return track


def control(number: int, value: int) -> mido.Message:
    return mido.Message("control_change", control=number, value=value)


def head() -> mido.MidiTrack:
    """Tempo and metre."""
    track = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=4, denominator=4)])
    now = 0
    for bar, tempo in {0: TEMPO, **SLOWER}.items():
        track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo), time=bar * BAR - now))
        now = bar * BAR
    return track


def flute() -> mido.MidiTrack:
    notes, at = [], 0.0
    for pitch, quarters in MELODY:
        if pitch:
            notes.append((at, 0.95 * quarters * TICKS, pitch, 96))
        at += quarters * TICKS
    last = at - BAR
    swell = [(bar * BAR + step * TICKS, control(11, 90 + 12 * step)) for bar in range(9) for step in range(4)]
    # A full bend is two semitones: up to the last note from a whole tone below.
    bend = [(last + i * TICKS / 16, mido.Message("pitchwheel", pitch=min(-8192 + 512 * i, 0))) for i in range(17)]
    return events(notes, *swell, *bend)


def piano() -> mido.MidiTrack:
    notes, pedal = [], []
    for bar, (_, chord) in enumerate(CHORDS):
        pattern = [*chord, chord[1] + 12, *chord[::-1], chord[1]]
        notes += [(bar * BAR + i * TICKS / 2, TICKS / 4, pitch, 70 - 2 * i) for i, pitch in enumerate(pattern)]
        pedal += [(bar * BAR + 10, control(64, 127)), ((bar + 1) * BAR - 20, control(64, 0))]
    return events(notes, (0, control(10, 100)), *pedal)


def strings() -> mido.MidiTrack:
    """Notes of two bars, more than five seconds: longer than a note that the model generates."""
    notes = [(2 * i * BAR, 2 * BAR - 30, pitch, 62) for i, pitches in enumerate(DRONES) for pitch in pitches]
    return events(notes, (0, control(10, 24)), (0, control(7, 84)))


def bass() -> mido.MidiTrack:
    steps = ((0, 1.4), (1.5, 0.4), (2, 0.9), (3, 0.9))
    notes = [
        (bar * BAR + a * TICKS, b * TICKS, root, 90) for bar, (root, _) in enumerate(CHORDS[:-1]) for a, b in steps
    ]
    return events([*notes, (9 * BAR, BAR, CHORDS[-1][0], 90)], (0, control(7, 96)))


def drums() -> mido.MidiTrack:
    notes = []
    for bar in range(2, 9):
        hits = [(36, 0), (36, 2.5), (38, 1), (38, 3)] + [(42, half / 2) for half in range(8)]
        notes += [(bar * BAR + beat * TICKS, 60, pitch, 88 if pitch != 42 else 60) for pitch, beat in hits]
    return events([*notes, (9 * BAR, 60, 49, 84)], (0, control(7, 80)))


def main(path: Path = STUDY) -> int:
    score = mido.MidiFile(ticks_per_beat=TICKS)
    score.tracks.append(head())
    players = {"Flute": (flute, 73, 0), "Piano": (piano, 0, 1), "Strings": (strings, 48, 2), "Bass": (bass, 32, 3)}
    for name, (write, program, channel) in {**players, "Drums": (drums, 0, 9)}.items():
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        track.append(mido.Message("program_change", program=program))
        track += write()
        score.tracks.append(
            mido.MidiTrack(message if message.is_meta else message.copy(channel=channel) for message in track)
        )
    score.save(path)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
