"""Take a clip apart: stems that add up to it, and the song as it was played.

Notebook: 10_take_home.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from ..audio import Audio
from ..errors import in_one_line
from ..files import naming
from ..midi import Changes, Note, Song, Track
from .batches import Progress
from .controllers import MAX_BEND
from .mixing import SOUNDFONT, Mixer
from .rendering import Clip, fill, mixer_of, model_of, plan_of
from .report import Recipe, TrackReport
from .types import ResolvedPart, Settings

if TYPE_CHECKING:
    from ..gansynth import GANSynth


SAMPLE = np.dtype(np.float32)  # sample type of the temporary file, in native byte order


def recipe_of(clip: Clip) -> Recipe:
    """The recipe of a clip, from its report.

    Raises:
      ValueError: it has none.
    """
    recipe = getattr(getattr(clip, "report", None), "recipe", None)
    if not isinstance(recipe, Recipe):
        raise ValueError(f"{clip!r} has no report on how it was made; clips returned by render.render have one")
    return recipe


@in_one_line
def stems(
    clip: Clip,
    model: GANSynth | None = None,
    progress: Progress = True,
    folder: str | os.PathLike | None = None,
) -> Iterator[tuple[TrackReport, Audio]]:
    """Render a clip again as stems, one for each track.

    The stems have the length, sample rate, channels and gain of the clip, so they add up to it. Each note is generated
    once, in the same batches as before. Only one stem at a time is in memory; the others are in a temporary file,
    uncompressed and at the model's sample rate.

    Args:
      clip: a clip returned by `render` or `reproduce`.
      model: the model, if it is no longer where it was loaded from.
      progress: as for `render`.
      folder: folder for the temporary file; by default the system's.

    Yields:
      For each audible track, drums included: its row of the report, and its audio. A single stem may exceed full scale.

    Raises:
      ValueError: the clip has no report on how it was made, or the model is a different one.
      OSError: the disk of `folder` is full.

    >>> from helpers import gansynth, midi, render
    >>> model = gansynth.load("demo")
    >>> song = midi.excerpt(midi.load("data/midi/study.mid"), 0, 3)
    >>> clip = render.render(model, song, progress=False)
    >>> for track, stem in render.stems(clip, model, progress=False):
    ...     print(track.name, stem.duration == clip.duration)
    Flute True
    Piano True
    Strings True
    Bass True

    Notebook: 10_take_home.
    """
    recipe = recipe_of(clip)
    return _stems(clip, recipe, model_of(recipe, model, "the clip"), progress, folder)


def _stems(
    clip: Clip, recipe: Recipe, model: GANSynth, progress: Progress, folder: str | os.PathLike | None
) -> Iterator[tuple[TrackReport, Audio]]:
    mixer = mixer_of(model, recipe)
    folder = Path(folder or tempfile.gettempdir())
    with naming(folder / "stems in the making"), tempfile.TemporaryFile(dir=folder) as file:
        waiting = _Waiting(file, mixer)
        mixer.put = waiting.add  # type: ignore[method-assign]
        fill(model, mixer, recipe, progress)
        for i, track in enumerate(clip.report.tracks):
            if track.rendered:
                yield track, _alone(clip, mixer, waiting.track(i), recipe, i)


class _Waiting:
    """The mixed notes of each track in a file, float32 [tracks, channels, samples], to save memory."""

    def __init__(self, file: IO[bytes], mixer: Mixer):
        self._file, self._tracks, self._shape = file, mixer.notes.tracks, mixer.clip.shape
        self._places = {int(i): place for place, i in enumerate(np.unique(mixer.notes.tracks))}
        file.truncate(len(self._places) * mixer.clip.nbytes)  # a sparse file of zeros

    def add(self, i: int, samples: np.ndarray, start: int) -> None:
        """As `Mixer.put`, but into the track of the note."""
        channels, length = self._shape
        place = self._places[int(self._tracks[i])]
        for channel, row in enumerate(np.atleast_2d(samples)):
            at = ((place * channels + channel) * length + start) * SAMPLE.itemsize
            self._file.seek(at)
            room = np.frombuffer(
                self._file.read(max(min(len(row), length - start), 0) * SAMPLE.itemsize), SAMPLE
            ).copy()
            room += row[: len(room)]
            self._file.seek(at)
            self._file.write(room.tobytes())

    def track(self, i: int) -> np.ndarray:
        """The mixed notes of a track, [channels, samples]; zeros for drums, which are added later."""
        if i not in self._places:
            return np.zeros(self._shape, SAMPLE)
        size = int(np.prod(self._shape)) * SAMPLE.itemsize
        self._file.seek(self._places[i] * size)
        return np.frombuffer(self._file.read(size), SAMPLE).reshape(self._shape).copy()


def _alone(clip: Clip, mixer: Mixer, notes: np.ndarray, recipe: Recipe, i: int) -> Audio:
    """The stem of a track, from its mixed notes."""
    if recipe.stopped_at is not None:
        notes = mixer.cut_off(notes, round(recipe.stopped_at * mixer.sample_rate))
    only = [dataclasses.replace(part, mute=j != i) for j, part in enumerate(recipe.parts)]
    stem, _ = mixer.mixed(notes, only, recipe.stopped_at)
    samples = np.zeros((len(clip.samples), stem.samples.shape[1]), np.float32)
    samples[: len(stem.samples)] = stem.samples
    samples *= np.float32(clip.report.factor)
    return Audio(samples[:, 0] if clip.samples.ndim == 1 else samples, clip.sample_rate)


@in_one_line
def played(clip: Clip) -> Song:
    """The song of a clip as it was played, to be written with `midi.write`.

    Silent tracks and skipped notes are left out. Notes have the pitches chosen by `Settings.pitch`, and durations that
    include the pedals, which are therefore left out. Each track is named after the original track and its instruments,
    and has the program of the first one, if the model knows it. The other controllers are included if they were
    followed. The gains of the mix have no counterpart in MIDI.

    Raises:
      ValueError: the clip has no report on how it was made.

    >>> from helpers import gansynth, instruments, midi, render
    >>> model = gansynth.load("demo")
    >>> song = midi.excerpt(midi.load("data/midi/study.mid"), 0, 3)
    >>> clip = render.render(model, song, instruments.bank(model)["Harp"], progress=False)
    >>> render.played(clip).tracks[0]
    Track('Flute: Harp', program 46, 5 notes)

    Notebook: 10_take_home.
    """
    recipe = recipe_of(clip)
    song, parts, settings = recipe.song, recipe.parts, recipe.settings
    notes = plan_of(recipe, clip.report.max_duration)
    until = np.inf if recipe.stopped_at is None else recipe.stopped_at
    tracks = []
    for i, (track, part, row) in enumerate(zip(song.tracks, parts, clip.report.tracks, strict=True)):
        if not row.rendered:
            continue
        is_drum = not settings.plays(track)
        rows = np.flatnonzero(notes.tracks == i)
        heard = (
            track.notes
            if is_drum
            else [
                Note(int(notes.pitches[k]), int(notes.velocities[k]), start, start + float(notes.holds[k]))
                for k, start in zip(rows, notes.starts[rows].tolist(), strict=True)
            ]
        )
        kept = [dataclasses.replace(note, end=min(note.end, until)) for note in heard if note.start < until]
        tracks.append(
            Track(
                track.name if row.played_by in (track.name, SOUNDFONT) else f"{track.name}: {row.played_by}",
                track.program if row.program is None else row.program,
                is_drum,
                tuple(sorted(kept, key=lambda note: note.end)),
                _followed(track, part, settings, is_drum),
            )
        )
    return Song(song.name, tuple(tracks), song.tempos, song.meters)


def _followed(track: Track, part: ResolvedPart, settings: Settings, is_drum: bool) -> dict[str, Changes]:
    """The controllers of a track that were followed in the rendering; the original program follows none."""
    if settings.faithful:
        return {}
    controls = dict(track.controls) if settings.controllers else {}
    if not is_drum:
        controls.pop("pedal", None)
        controls.pop("sostenuto", None)
    if "bend" in controls:
        controls["bend"] = tuple((at, min(max(bend, -MAX_BEND), MAX_BEND)) for at, bend in controls["bend"])
    if part.pan is not None:
        controls["pan"] = ((0.0, part.pan),)
    return controls
