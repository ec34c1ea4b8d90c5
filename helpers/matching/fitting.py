"""The nearest sound that a model can make to the notes of a recording, found by gradient, and what it is worth.

    found = matching.match(model, matching.read("oboe.wav"))
    print(found.report())

Notebook: 11_match.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..instruments import Bank, Instrument
from .recordings import RecordedNote, Recording

if TYPE_CHECKING:
    from ..gansynth import GANSynth

FREE = ("latent", "first layer")

Progress = bool | Callable[[int, int], None]  # a bar or none; or a function of (steps done, steps in all)


class Sounds(NamedTuple):
    """What is to be compared by ear: float32 [n] each, at the model's rate, at one pitch and equally loud.

    Attributes:
      recording: the recorded note, brought to the pitch that the model plays.
      match: the match at that pitch.
      nearest: the nearest voice of the bank at that pitch.
    """

    recording: np.ndarray
    match: np.ndarray
    nearest: np.ndarray


class MatchedNote(NamedTuple):
    """One note of the recording, and how near the match comes to it.

    Attributes:
      note: as it was found.
      pitch: MIDI number that the model plays it at: the note's, by octaves into the model's range.
      distance, nearest_distance, round_trip: dB, of the match, of the nearest voice, and of the recording itself after
        it went to the model's representation and back.
      cents: how far the match is from the recording at that pitch, after the recording's own offset.
      sounds: to compare by ear.
    """

    note: RecordedNote
    pitch: int
    distance: float
    nearest_distance: float
    round_trip: float
    cents: float
    sounds: Sounds


class OtherPitch(NamedTuple):
    """The match at a pitch that was not recorded.

    Attributes:
      pitch: MIDI number.
      cents: how far it is out of tune there; not a number if no pitch is heard.
      descriptors: of `timbre.describe_note`, by name; empty if it cannot be described.
    """

    pitch: int
    cents: float
    descriptors: Mapping[str, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Match:
    """The nearest sound that this model can make, and what it is worth.

    Attributes:
      instrument: it plays like any other.
      name: what it is called, after the recording.
      distance: dB between the recording and the match, the mean over the notes.
      nearest: the voice of the bank that was nearest before.
      nearest_distance: dB between the recording and that voice.
      round_trip: dB between the recording and itself, after the model's representation and back: what no latent can
        do better than.
      cents: how far the recording is above equal temperament at A4 = 440 Hz, the mean over the notes: what to tune the
        instrument by, for playing along with it.
      notes: note by note.
      others: the match a fifth above and below.
      descriptors: of the recording's first note, by name, to compare `others` with.
      free: what was optimised.
      seconds: how long it took.
      stopped: whether it was stopped before the end; it is then the best so far.
      warnings: of the recording and its notes.
    """

    instrument: Instrument
    distance: float
    nearest: Instrument
    nearest_distance: float
    round_trip: float
    cents: float
    notes: tuple[MatchedNote, ...]
    others: tuple[OtherPitch, ...]
    descriptors: Mapping[str, float]
    free: str
    seconds: float
    stopped: bool
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.instrument.name

    @property
    def sounds(self) -> Sounds:
        """Of the first note."""
        return self.notes[0].sounds

    def report(self) -> str:
        """All of it in words, a few lines."""
        raise NotImplementedError


def match(
    model: GANSynth,
    recording: Recording,
    notes: Sequence[RecordedNote] | None = None,
    *,
    bank: Bank | None = None,
    name: str | None = None,
    seed: int = 0,
    free: str = "latent",
    progress: Progress = True,
    stop: Callable[[], bool] | None = None,
) -> Match:
    """Find the instrument of a model that comes nearest to a recording.

    The precision is the model's own (`gansynth.load(..., precision="bfloat16")`).

    Args:
      model: that is to play like it.
      recording: of `read`.
      notes: of `find_notes`; all are found if none are given.
      bank: whose instruments are tried first; the model's own by default.
      name: of the instrument; the recording's by default.
      seed: of the random starts.
      free: "latent", or "first layer": its activations, which come nearer and are no latent.
      progress: show a bar; or a function of (steps done, steps in all).
      stop: called after each step; when it returns True, the best so far is returned.
    """
    raise NotImplementedError
