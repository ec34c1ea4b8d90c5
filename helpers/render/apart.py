"""A clip, track by track: the stems that add up to it, and the song as it was played.

Notebook: 10_take_home.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..audio import Audio
from ..errors import in_one_line
from .generating import Progress
from .mixing import Mixer
from .rendering import Clip, fill, mixer_of, model_of
from .report import Recipe, TrackReport

if TYPE_CHECKING:
    from ..gansynth import GANSynth

DISK_MARGIN = 1.1  # times what the unfinished stems take, that must be free


def recipe_of(clip: Clip) -> Recipe:
    """What a clip was made by.

    Raises:
      ValueError: it does not say so.
    """
    recipe = getattr(getattr(clip, "report", None), "recipe", None)
    if not isinstance(recipe, Recipe):
        raise ValueError(f"{clip!r} does not say how it was made; a clip of render.render does")
    return recipe


@in_one_line
def stems(
    clip: Clip,
    model: GANSynth | None = None,
    progress: Progress = True,
    folder: str | os.PathLike | None = None,
) -> Iterator[tuple[TrackReport, Audio]]:
    """Play a clip again, track by track.

    The stems have the length, the sample rate and the channels of the clip, and its one level: they add up to it. Each
    note is generated once and in the same batches as before. One stem at a time is in memory; the others wait on disk,
    uncompressed and at the model's rate.

    Args:
      clip: what `render` or `reproduce` gave.
      model: the model, if it cannot be found where it was loaded from.
      progress: as for `render`.
      folder: where they wait; the system's folder for temporary files by default.

    Yields:
      For each track that is heard, drums too: its row of the report, and its audio. Alone, a track may go above full
      scale.

    Raises:
      ValueError: the clip does not say how it was made, or the model is another one.
      OSError: there is no room for them on the disk.

    >>> from helpers import gansynth, midi, render
    >>> model = gansynth.load("demo")
    >>> song = midi.excerpt(midi.load("data/midi/study.mid"), 0, 3)
    >>> clip = render.render(model, song, progress=False)
    >>> for track, stem in render.stems(clip, model, progress=False):
    ...     print(track.name, stem.duration == clip.duration)
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
    pitched = np.unique(mixer.notes.tracks).tolist()
    folder = Path(folder or tempfile.gettempdir())
    with tempfile.TemporaryFile(dir=folder) as file:
        _check_room(folder, len(pitched) * mixer.clip.nbytes)
        waiting = np.memmap(file, np.float32, "w+", shape=(max(len(pitched), 1), *mixer.clip.shape))
        mixer.buses = dict(zip(pitched, waiting, strict=False))
        fill(model, mixer, recipe, progress)
        for i, track in enumerate(clip.report.tracks):
            if track.rendered:
                yield track, _alone(clip, mixer, recipe, i)


def _check_room(folder: Path, needed: int) -> None:
    """See that the disk has room, since one that is full while a file is mapped into memory ends the process."""
    free = shutil.disk_usage(folder).free
    if needed * DISK_MARGIN > free:
        raise OSError(f"the stems need {needed / 1e6:,.0f} MB while they are made, and {folder} has {free / 1e6:,.0f}")


def _alone(clip: Clip, mixer: Mixer, recipe: Recipe, i: int) -> Audio:
    """One track of a clip whose notes are on their buses."""
    bus = mixer.buses.get(i)
    notes = np.zeros_like(mixer.clip) if bus is None else np.array(bus)
    if recipe.stopped_at is not None:
        notes = mixer.cut_off(notes, round(recipe.stopped_at * mixer.sample_rate))
    only = [dataclasses.replace(part, mute=j != i, solo=False) for j, part in enumerate(recipe.parts)]
    stem, _ = mixer.mixed(notes, only, recipe.stopped_at)
    samples = np.zeros((len(clip.samples), stem.samples.shape[1]), np.float32)
    samples[: len(stem.samples)] = stem.samples
    samples *= np.float32(clip.report.factor)
    return Audio(samples[:, 0] if clip.samples.ndim == 1 else samples, clip.sample_rate)
