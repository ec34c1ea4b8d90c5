"""The sounds of a plan, each distinct one generated once, in batches.

Notebook: 04_generate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from .types import Plan

if TYPE_CHECKING:
    from ..gansynth import GANSynth

# Batches whose sounds are sorted by length, so that a batch wastes little; time order holds beyond that. The first
# windows are of 1, 2 and 4, so that a rendering that is stopped early has its beginning.
WINDOW = 8

Progress = bool | Callable[[int, int], None]  # a bar or none; or a function of (notes done, notes in all)


def generate_notes(
    model: GANSynth, plan: Plan, batch_size: int | None = None, progress: Progress = True
) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Generate the sounds of a plan in the order of time, each distinct one once and no longer than it is heard.

    Yields batches, one held at a time: a list of (numbers of the notes that have this sound, wave).

    Args:
      model: what to play with.
      plan: what to play.
      batch_size: sounds at a time; as many as suit the model's hardware by default.
      progress: show a bar; or a function of (notes done, notes in all), called before the first batch and after each.
    """
    batch_size = model.batch_size if batch_size is None else batch_size
    sound_of = plan.sounds
    _, first = np.unique(sound_of, return_index=True)
    longest, begins = np.zeros(len(first)), np.full(len(first), np.inf)
    np.maximum.at(longest, sound_of, plan.durations)
    np.minimum.at(begins, sound_of, plan.starts)
    notes_of = np.split(np.argsort(sound_of, kind="stable"), np.cumsum(np.bincount(sound_of))[:-1])
    in_time = np.argsort(begins, kind="stable")
    tell = progress if callable(progress) else lambda done, total: None
    done = 0
    tell(done, len(plan))
    with tqdm(total=len(plan), desc="render", unit="note", disable=callable(progress) or not progress) as bar:
        end, batches = 0, 1
        while end < len(in_time):
            begin, end = end, end + batches * batch_size
            window, batches = in_time[begin:end], min(2 * batches, WINDOW)
            kept = model.cached(plan.z[first[window]], plan.pitches[first[window]], longest[window])
            window = window[np.lexsort((longest[window], ~kept))]  # what is in the cache does not thin out the batches
            for i in range(0, len(window), batch_size):
                sounds = window[i : i + batch_size]
                z, pitches = plan.z[first[sounds]], plan.pitches[first[sounds]]
                waves = model.generate(z, pitches, longest[sounds], batch_size=batch_size, progress=False)
                yield [(notes_of[sound], wave) for sound, wave in zip(sounds, waves, strict=True)]
                count = sum(len(notes_of[sound]) for sound in sounds)
                done += count
                bar.update(count)
                tell(done, len(plan))
