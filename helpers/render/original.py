"""The original program's way to select, shape and mix notes, for `faithful=True`. Source: SPEC section 8.

Notebook: 04_generate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import audio
from ..audio import Audio
from ..gansynth.config import MAX_PITCH
from ..midi import Note, Song
from .mixing import Mixer, in_words
from .shaping import ATTACK, HELD, RELEASE
from .types import UNCLOSED, Plan, ResolvedPart

LOWEST = 36  # MIDI pitch; lower notes are dropped, although the model could play them
TAIL = 3.0  # s after the last note
PEAK = 0.5  # of the clip


def notes(song: Song) -> list[Note]:
    """The notes that the original plays: pitches 36 to 84 of all tracks, drums included, in the order of its reader."""
    return [note for note in song.as_original().notes if _plays(note)]


def _plays(note: Note) -> bool:
    return LOWEST <= note.pitch <= MAX_PITCH


def plan(song: Song, parts: Sequence[ResolvedPart]) -> Plan:
    """The original's plan: all `notes`, each held for its written duration, at most three seconds.

    Raises:
      ValueError: there are no notes, or no timeline.
    """
    song, timeline = song.as_original(), parts[0].timeline
    played = notes(song)
    if not played:
        raise ValueError(f"{song.name} has no notes between {LOWEST} and {MAX_PITCH}, so there is nothing to play")
    if timeline is None:
        raise ValueError(f"no timeline is given for {song.name}; faithful=True needs one")
    tracks = [i for i, track in enumerate(song.tracks) for note in track.notes if _plays(note)]
    starts = np.array([note.start for note in played])
    written = np.array([note.duration for note in played])
    holds = np.minimum(written, HELD)
    outside = len(song.notes) - len(played)
    skipped = {f"outside {LOWEST} to {MAX_PITCH}": outside, UNCLOSED: song.unclosed}
    return Plan(
        starts=starts,
        holds=holds,
        pitches=np.array([note.pitch for note in played]),
        velocities=np.array([note.velocity for note in played]),
        z=timeline.z(starts, extrapolate=True),
        tracks=np.array(tracks),
        durations=holds + RELEASE,
        loops=np.zeros(len(played), bool),
        bent=np.zeros(len(played), bool),
        end=max(note.end for note in played),
        skipped={why: count for why, count in skipped.items() if count},
        shortened=int(np.sum(holds < written)),
    )


def envelope(hold: float, sample_rate: int = 16000) -> np.ndarray:
    """The original's gain: linear fades, held for at most three seconds. Source: SPEC section 8.

    A note shorter than the attack (10 ms) jumps to full level at its release, which clicks.
    """
    held = int(sample_rate * min(hold, HELD))
    gain = np.ones(held + int(sample_rate * RELEASE))
    gain[: int(sample_rate * ATTACK)] = np.linspace(0.0, 1.0, int(sample_rate * ATTACK))
    gain[held:] = np.linspace(1.0, 0.0, len(gain) - held)
    return gain


def shape_note(wave: np.ndarray, hold: float, velocity: int, sample_rate: int = 16000) -> np.ndarray:
    """Shape a note as the original does, normalised by its highest positive sample. Source: SPEC section 8."""
    gain = envelope(hold, sample_rate)
    note = wave[: len(gain)] * gain[: len(wave)]
    return note / note.max() * (velocity / 127.0)


class OriginalMixer(Mixer):
    """A mixer that works as the original does: mono, with notes cut to length and normalised by their peaks."""

    def _length(self) -> int:
        return int(self.notes.end + TAIL) * self.sample_rate

    def _is_stereo(self) -> bool:
        return False

    def add(self, rows: np.ndarray, wave: np.ndarray) -> None:
        """Cut and level a wave for each of these notes, and add them to the clip."""
        for i in rows:
            note = shape_note(wave, self.notes.holds[i], self.notes.velocities[i], self.sample_rate)
            self.put(i, note, self.starts[i])

    def mastered(self, stopped_at: float | None) -> tuple[Audio, float, dict[int, int]]:
        """The clip, normalised so that its highest positive sample is PEAK."""
        clip = Audio(self.clip.T / self.clip.max() * np.float32(PEAK), self.sample_rate)
        self.factor = PEAK / float(self.clip.max())
        return clip, audio.loudness(clip), {}

    def played_by(self, i: int) -> str:
        """Names of the instruments of a track, drum tracks included."""
        return in_words(self.parts[i].timeline)  # including drum tracks
