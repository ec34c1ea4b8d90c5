"""A MIDI file as plain values: a `Song` of tracks of notes and controllers, a filter or two, and a piano roll.

    song = midi.load("data/midi/bach_prelude.mid")
    midi.plot(midi.excerpt(song, 0, 12))

`smf` reads the bytes of a file, `modes` knows which channels play drums, `charsets` guesses the encoding of names,
`reading` makes notes of events, and `loading` puts them together; `song` is what comes of it, and `writing` makes a
file of that again. `note_sequences` speaks with Magenta's tools.

Notebook: 03_midi.
"""

from .loading import load, parse
from .note_sequences import from_note_sequence, to_note_sequence
from .song import Changes, Note, Original, Song, Track, bars, excerpt, note_hertz, note_name, pedalled, plot
from .writing import SUFFIXES, write

__all__ = [
    "SUFFIXES",
    "Changes",
    "Note",
    "Original",
    "Song",
    "Track",
    "bars",
    "excerpt",
    "from_note_sequence",
    "load",
    "note_hertz",
    "note_name",
    "parse",
    "pedalled",
    "plot",
    "to_note_sequence",
    "write",
]
