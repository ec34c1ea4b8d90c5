"""Mix generated sounds into a clip: shape each note, set its level, add it at its onset, and add the drums.

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from .. import audio, soundfont
from ..audio import SILENCE, Audio, mix, to_peak
from ..instruments import Timeline
from ..midi import Song, Track
from . import shaping
from .controllers import curves
from .shaping import Curve, Loop
from .types import DEFAULTS, Plan, ResolvedPart, Settings, is_heard

CUT_FADE = 0.010  # s; fade-out at the end of a stopped rendering
BLOCK = 1 << 14  # samples mixed at a time; a block and its levels fit in the processor's cache
LEVEL_EVERY = 16  # samples (1 ms) between the points of a changing level, which is interpolated linearly
# K-weighted RMS of a note at full velocity, -14 dB. With it, the balance of melody and drums is the same as when the
# soundfont plays both, on average over thirteen pieces (`make bench-balance`).
NOTE_LEVEL = 0.2
NOTE_PEAK = 1.0  # maximum peak at full velocity; a plucked note with a higher one would lower the level of the clip
NAMES_SHOWN = 3  # of a timeline's instruments in a report
SOUNDFONT = "soundfont"  # entry for drum tracks in a report
DRUM_TAIL = 1.0  # s; minimum length of the clip after the onset of the last drum note


def loudness_of(wave: np.ndarray, sample_rate: int) -> float:
    """The divisor that normalises a sound's level: `shaping.loudest`, or more if its peak would exceed NOTE_PEAK."""
    peak = float(np.abs(wave[: round(shaping.LEVEL_SPAN * sample_rate)]).max(initial=0.0))
    return max(shaping.loudest(wave, sample_rate), peak * NOTE_LEVEL / NOTE_PEAK)


def shape_note(
    wave: np.ndarray,
    hold: float,
    velocity: int,
    settings: Settings = DEFAULTS,
    sample_rate: int = 16000,
    loop: Loop | None = None,
    semitones: np.ndarray | None = None,
    loudest: float | None = None,
) -> np.ndarray:
    """Turn a generated wave into a note: apply loop, bend and envelope, and set the level by velocity.

    Args:
      wave: [n].
      hold: time from onset to release (s).
      velocity: 1 to 127; the level is (velocity / 127) ** settings.velocity.
      settings: only attack, release, level and velocity are used.
      sample_rate: Hz.
      loop: the loop, if the note is longer than the wave.
      semitones: pitch bend (semitones) for each sample of hold and release; None without a bend.
      loudest: `loudness_of` the wave, if already known.

    Returns:
      float64 [samples], of duration hold + release, or shorter if the wave ends earlier.
    """
    note = shaping.envelope(hold, settings.attack, settings.release, sample_rate)
    samples = len(note)
    if semitones is not None:
        samples = int(np.sum(2.0 ** (semitones / 12)) + shaping.BEND_ROOM * sample_rate)
    source = shaping.extend(wave, loop, samples, sample_rate) if loop else np.asarray(wave[:samples], np.float64)
    body = source if semitones is None else shaping.bend(source, semitones)
    note = note[: len(body)]
    note *= body  # in place: a long note has millions of samples
    strength = (velocity / 127.0) ** settings.velocity
    if settings.level == "peak":
        return to_peak(note, strength)
    loudest = loudness_of(wave, sample_rate) if loudest is None else loudest
    note *= NOTE_LEVEL * strength / loudest if loudest > SILENCE else 0.0
    return note


def levels(moves: Mapping[str, Curve], gain: float, times: np.ndarray, channels: int) -> np.ndarray:
    """The gain of a track at given times: [n] -> [channels, n].

    Volume and expression are squared, as in General MIDI. Panning has constant power; in the centre, the gain of both
    channels is that of a mono clip.

    Args:
      moves: the track's `curves`.
      gain: gain of the track (dB).
      times: s.
      channels: 1 or 2.
    """
    level = 10 ** (gain / 20) * (moves["volume"](times) * moves["expression"](times)) ** 2
    if channels == 1:
        return level[None]
    angle = (moves["pan"](times) + 1) * np.pi / 4
    return level * np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)])


def is_still(moves: Mapping[str, Curve], start: float, end: float) -> bool:
    """Whether volume, expression and pan of a track are constant from `start` to `end` (s)."""
    ranges = (moves[kind].between(start, end) for kind in ("volume", "expression", "pan"))
    return all(low == high for low, high in ranges)


class Mixer:
    """Accumulates the notes of a clip.

    Attributes:
      clip: float32 [channels, samples].
      done: bool [notes]; whether each note has been added.
      factor: gain that was applied to the finished clip to reach its loudness.
    """

    factor = 1.0

    def __init__(self, song: Song, parts: Sequence[ResolvedPart], settings: Settings, notes: Plan, sample_rate: int):
        self.song, self.parts, self.settings = song, parts, settings
        self.notes, self.sample_rate = notes, sample_rate
        self.moves = curves(song, parts, settings)
        self.starts = (notes.starts * sample_rate).astype(np.int64)
        self.clip: np.ndarray = np.zeros((2 if self._is_stereo() else 1, self._length()), np.float32)
        self.done = np.zeros(len(notes), bool)

    def _is_stereo(self) -> bool:
        """The setting or, if there is none, whether any audible track is panned."""
        if self.settings.stereo is not None:
            return bool(self.settings.stereo)
        moves = zip(self.moves, is_heard(self.parts), strict=True)
        return any(heard and curve["pan"].values.any() for curve, heard in moves)

    def _length(self) -> int:
        """Length of the clip (samples)."""
        held = (self.notes.holds * self.sample_rate).astype(np.int64)
        return int(np.max(self.starts + held, initial=0)) + int(self.settings.release * self.sample_rate)

    def add(self, rows: np.ndarray, wave: np.ndarray) -> None:
        """Mix all notes that share a sound.

        Args:
          rows: indices of the notes in the plan.
          wave: the generated sound, [n].
        """
        loop = shaping.find_loop(wave, self.sample_rate) if self.notes.loops[rows].any() else None
        loudest = loudness_of(wave, self.sample_rate) if self.settings.level == "loudness" else None
        for i in rows:
            self._place(i, self._note(i, wave, loop, loudest))

    def put(self, i: int, samples: np.ndarray, start: int) -> None:
        """Add samples of note i, [samples] or [channels, samples], to the clip from sample `start` on."""
        mix(self.clip, samples, start)

    def _place(self, i: int, note: np.ndarray) -> None:
        """Mix a note with the level and pan of its track at each moment, block by block."""
        moves, gain = self.moves[self.notes.tracks[i]], self.parts[self.notes.tracks[i]].gain
        for first in range(0, len(note), BLOCK):
            block = note[first : first + BLOCK]
            points = np.arange(first, first + len(block) + LEVEL_EVERY, LEVEL_EVERY)
            times = self.notes.starts[i] + points / self.sample_rate
            if is_still(moves, times[0], times[-1]):
                level = levels(moves, gain, times[:1], len(self.clip))
            else:
                level = levels(moves, gain, times, len(self.clip))
                level = shaping.interpolated(level, LEVEL_EVERY)[:, : len(block)]
            self.put(i, block * level, self.starts[i] + first)

    def _note(self, i: int, wave: np.ndarray, loop: Loop | None, loudest: float | None) -> np.ndarray:
        notes, bends = self.notes, self.moves[self.notes.tracks[i]]["bend"]
        semitones = None
        if notes.bent[i]:
            samples = int(notes.holds[i] * self.sample_rate) + int(self.settings.release * self.sample_rate)
            semitones = bends(notes.starts[i] + np.arange(samples) / self.sample_rate)
        return shape_note(
            wave,
            notes.holds[i],
            notes.velocities[i],
            self.settings,
            self.sample_rate,
            loop if notes.loops[i] else None,
            semitones,
            loudest,
        )

    def done_before(self, second: float) -> bool:
        """Whether all notes that begin before a time (s) have been added."""
        return bool(self.done[self.starts < round(second * self.sample_rate)].all())

    def finished(self, until: float | None = None) -> float | None:
        """Cut the clip at `until` (s) or, by default, at the onset of the first missing note.

        Returns:
          The time of the cut (s); None if all notes are there.
        """
        if until is None and self.done.all():
            return None
        cut = int(np.min(self.starts[~self.done])) if until is None else round(until * self.sample_rate)
        self.done[self.starts >= cut] = False
        self.clip = self.cut_off(self.clip, cut)
        return cut / self.sample_rate

    def cut_off(self, notes: np.ndarray, cut: int) -> np.ndarray:
        """The first `cut` samples of [channels, samples], with a short fade-out."""
        notes = notes[:, :cut].copy()
        fade = notes[:, -int(CUT_FADE * self.sample_rate) :]
        fade *= np.linspace(1.0, 0.0, fade.shape[1], dtype=np.float32)
        return notes

    def mastered(self, stopped_at: float | None) -> tuple[Audio, float, dict[int, int]]:
        """The finished clip: with drums, at its sample rate and loudness.

        Args:
          stopped_at: the result of `finished`.

        Returns:
          The audio [samples, channels], its loudness (LUFS), and the number of notes played by each drum track.
        """
        clip, played = self.mixed(self.clip, self.parts, stopped_at)
        self.factor, loudness = audio.loudness_factor(clip, self.settings.loudness)
        samples = clip.samples  # in place: at 48 kHz a long clip takes a gigabyte
        samples *= np.float32(self.factor)
        return clip, loudness, played

    def mixed(
        self, notes: np.ndarray, parts: Sequence[ResolvedPart], stopped_at: float | None
    ) -> tuple[Audio, dict[int, int]]:
        """Resample the mixed notes, [channels, samples], to the clip's sample rate and add the drum tracks of `parts`.

        Returns:
          The audio [samples, channels], before its loudness is set, and the number of notes played by each drum track.
        """
        settings = self.settings
        clip = audio.resample(Audio(notes.T, self.sample_rate), settings.sample_rate or self.sample_rate)
        return with_drums(clip, self.song, parts, settings, stopped_at) if settings.drums == "synth" else (clip, {})

    def played_by(self, i: int) -> str:
        """The instruments of a track that is not muted, as shown in the report."""
        if self.song.tracks[i].is_drum:
            return SOUNDFONT if self.settings.drums == "synth" else "left out"
        return in_words(self.parts[i].timeline)


def in_words(timeline: Timeline | None) -> str:
    """The names of a timeline's instruments, abbreviated."""
    names = [instrument.name for instrument in timeline.instruments] if timeline else []
    return " > ".join(names[:NAMES_SHOWN]) + (f" > … ({len(names)})" if len(names) > NAMES_SHOWN else "")


def with_drums(
    clip: Audio, song: Song, parts: Sequence[ResolvedPart], settings: Settings, until: float | None
) -> tuple[Audio, dict[int, int]]:
    """The clip, [samples, channels], with its drum tracks added, and the number of notes played by each of them."""
    drums = [i for i, heard in enumerate(is_heard(parts)) if heard and song.tracks[i].is_drum]
    samples, sample_rate, channels = clip.samples, clip.sample_rate, clip.samples.shape[1]
    last = max((note.start for i in drums for note in song.tracks[i].notes), default=-DRUM_TAIL)
    missing = int((last + DRUM_TAIL) * sample_rate) - len(samples)
    if until is None and missing > 0:
        samples = np.concatenate([samples, np.zeros((missing, channels), np.float32)])
    played = [_drums_heard(song.tracks[i], parts[i], settings, until) for i in drums]
    for number, start, piece in soundfont.play_all(played, sample_rate):
        gain = np.float32(10 ** (parts[drums[number]].gain / 20))
        mix(samples.T, gain * (piece if channels == 2 else piece.mean(axis=1, keepdims=True)).T, start)
    counts = {i: len(track.notes) for i, track in zip(drums, played, strict=True)}
    return Audio(samples, sample_rate), counts


def _drums_heard(track: Track, part: ResolvedPart, settings: Settings, until: float | None) -> Track:
    """A drum track up to `until` (s), with the controllers that the settings and the part call for."""
    controls = dict(track.controls) if settings.controllers else {}
    if part.pan is not None:
        controls["pan"] = ((0.0, part.pan),)
    notes = tuple(note for note in track.notes if until is None or note.start < until)
    return dataclasses.replace(track, notes=notes, controls=controls)
