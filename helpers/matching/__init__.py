"""From a recording to the instrument of a model that comes nearest to it.

    recording = matching.read("oboe.wav")
    found = matching.match(model, recording)                 # the notes are found in it
    print(found.report())
    bank.keep(found.instrument)                              # from now on it plays like any other

Notebook: 11_match.
"""

from .fitting import Match, MatchedNote, OtherPitch, Sounds, match
from .recordings import RecordedNote, Recording, find_notes, read, recording

__all__ = [
    "Match",
    "MatchedNote",
    "OtherPitch",
    "RecordedNote",
    "Recording",
    "Sounds",
    "find_notes",
    "match",
    "read",
    "recording",
]
