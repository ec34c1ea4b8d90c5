"""Generate the sounds of a plan in batches, each distinct one once.

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

# Number of batches within which sounds are sorted by length, so that little of a batch is wasted. Otherwise sounds are
# generated in order of time. The first windows are 1, 2 and 4 batches, so that a rendering stopped early is complete up
# to some time.
WINDOW = 8

Progress = bool | Callable[[int, int], None]  # whether to show a bar; or a function of (notes done, total notes)


def generate_notes(
    model: GANSynth, plan: Plan, batch_size: int | None = None, progress: Progress = True
) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Generate the distinct sounds of a plan in batches, roughly in order of time, and no longer than they are heard.

    Args:
      model: the model to generate with.
      plan: the notes.
      batch_size: sounds generated at a time; by default a number that suits the model's hardware.
      progress: show a progress bar; or a function of (notes done, total notes), called before the first batch and after
        each.

    Yields:
      A list for each batch: (indices of the notes with this sound, wave [samples]).
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
            window = window[np.lexsort((longest[window], ~kept))]  # cached sounds first, so that later batches are full
            for i in range(0, len(window), batch_size):
                sounds = window[i : i + batch_size]
                z, pitches = plan.z[first[sounds]], plan.pitches[first[sounds]]
                waves = model.generate(z, pitches, longest[sounds], batch_size=batch_size, progress=False)
                yield [(notes_of[sound], wave) for sound, wave in zip(sounds, waves, strict=True)]
                count = sum(len(notes_of[sound]) for sound in sounds)
                done += count
                bar.update(count)
                tell(done, len(plan))
