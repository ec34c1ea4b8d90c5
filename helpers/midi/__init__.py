"""Read and write MIDI files as plain values: a `Song` of tracks with notes and controllers, and a piano roll.

    song = midi.load("data/midi/bach_prelude.mid")
    midi.plot(midi.excerpt(song, 0, 12))

`smf` parses the bytes of a file into events, `modes` determines which channels play drums, `charsets` guesses the
encoding of names, `reading` turns events into notes, and `loading` combines them. `song` defines the result and
`writing` saves it as a file. `note_sequences` converts to and from the format of Magenta's tools.

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
