"""Find the instrument of a model that sounds nearest to a recording.

    recording = matching.read("oboe.wav")
    found = matching.match(model, recording)                 # detects the notes and matches all of them
    print(found.report())
    bank.keep(found.instrument)                              # from now on it can be used like any other

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
