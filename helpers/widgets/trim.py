"""A waveform with two handles that mark the part to use.

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

COLUMNS = 900  # of the waveform: pixels of the widest control
DRAWN_PEAK = 0.9  # height of the waveform's peak, whatever its level, as a share of the available height


class Trim(anywidget.AnyWidget):
    """A waveform with two handles. It sends {trim: [start, end]}.

    Traits:
      peaks: lowest and highest sample of each column, float32.
      seconds: duration of the recording (s).
      start, end: the part to use (s).
      gap: shortest possible part (s).
      notes: [start, end, name] of each note that was found; times in seconds.
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
        """Show the part to use, and the notes in it."""
        with self.hold_sync():
            self.start, self.end = part
            self.notes = [[float(note.start), float(note.end), note_name(note.pitch)] for note in notes]
