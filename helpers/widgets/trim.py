"""A waveform with two handles around what is used of it.

Notebook: 11_match.
"""

from __future__ import annotations

from collections.abc import Sequence

import anywidget
import numpy as np
import traitlets

from .. import audio
from ..matching import RecordedNote, Recording
from ..matching.recordings import MIN_SECONDS
from ..midi import note_name
from .base import SCRIPTS, script

COLUMNS = 900  # of the waveform: as wide as a control is at its widest
DRAWN_PEAK = 0.9  # the waveform fills its room whatever the level


class Trim(anywidget.AnyWidget):
    """A waveform with two handles. It sends {trim: [start, end]}.

    Traits:
      peaks: lowest and highest sample of each column, float32.
      seconds: how long the recording is.
      start, end: s, of what is used.
      gap: s, the shortest that can be used.
      notes: [start, end, name] of what was found.
    """

    _esm = script("elements.js", "trim.js")
    _css = SCRIPTS / "trim.css"
    peaks = traitlets.Bytes().tag(sync=True)
    seconds = traitlets.Float(0.0).tag(sync=True)
    start = traitlets.Float(0.0).tag(sync=True)
    end = traitlets.Float(0.0).tag(sync=True)
    gap = traitlets.Float(MIN_SECONDS).tag(sync=True)
    notes: traitlets.List[list] = traitlets.List().tag(sync=True)

    def show(self, recording: Recording) -> None:
        """Show another recording."""
        samples = recording.samples
        edges = np.linspace(0, len(samples), min(COLUMNS, len(samples)) + 1).astype(int)[:-1]
        both = np.column_stack([np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)])
        both *= DRAWN_PEAK / max(float(np.abs(samples).max()), audio.SILENCE)
        with self.hold_sync():
            self.peaks, self.seconds = both.astype("<f4").tobytes(), recording.duration

    def mark(self, part: tuple[float, float], notes: Sequence[RecordedNote]) -> None:
        """Show what is used of it, and the notes in it."""
        with self.hold_sync():
            self.start, self.end = part
            self.notes = [[float(note.start), float(note.end), note_name(note.pitch)] for note in notes]
