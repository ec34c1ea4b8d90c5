"""Compute the features of single notes, in batches, and cache them on disk.

Notebook: 12_measure.
"""

from __future__ import annotations

import contextlib
import itertools
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from .. import pitch
from ..files import in_turn, replacing
from . import embedding, features

BATCH = 32  # notes per file of the cache
MAX_CORES = 8  # processes that track pitches; each takes 300 MB
NUMBERS = "numbers"  # name of the notes' numbers in a file, next to the fields of `DescribedNotes`

Stream = Callable[[np.ndarray], Iterator[tuple[int, "np.ndarray | str"]]]  # numbers -> (number, samples or a problem)


class DescribedNotes(NamedTuple):
    """The features of some notes, each an array [n] or [n, features].

    Attributes:
      pitches: MIDI numbers.
      instruments: the number of each note's instrument.
      pyin, swift_f0: deviations from the pitch by the two trackers of `pitch`, cents; NaN where no pitch is detected or
        none was tracked.
      mel, semitones: from `features`.
      musicnn: embeddings from `embedding`.
    """

    pitches: np.ndarray
    instruments: np.ndarray
    pyin: np.ndarray
    swift_f0: np.ndarray
    mel: np.ndarray
    semitones: np.ndarray
    musicnn: np.ndarray

    def at(self, indices: np.ndarray) -> DescribedNotes:
        """The notes at these indices."""
        return DescribedNotes(*(field[indices] for field in self))


def describe(
    waves: np.ndarray, pitches: np.ndarray, sample_rate: int, tracked: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Compute the fields of `DescribedNotes` that depend on the audio.

    Args:
      waves: samples [n, samples].
      pitches: MIDI numbers [n].
      sample_rate: Hz.
      tracked: bool [n], the notes whose pitch to track, a quarter of the work; None for all.

    Returns:
      Name of the field -> array.
    """
    import joblib

    tracked = np.ones(len(waves), bool) if tracked is None else tracked
    listen = joblib.delayed(_listen)
    cores = min(MAX_CORES, joblib.cpu_count(), len(waves))
    heard = joblib.Parallel(cores, return_as="generator")(  # runs in other processes, parallel to the rest below
        listen(wave, note, sample_rate) for wave, note in zip(waves[tracked], pitches[tracked], strict=True)
    )
    drawn = {
        "mel": features.log_mel(waves, sample_rate),
        "semitones": features.semitones(waves, sample_rate),
        "musicnn": embedding.musicnn(waves, sample_rate),
    }
    cents = np.full((2, len(waves)), np.nan)
    cents[:, tracked] = np.array(list(heard)).reshape(-1, 2).T
    return {"pyin": cents[0], "swift_f0": cents[1], **drawn}


def _listen(wave: np.ndarray, note: int, sample_rate: int) -> tuple[float, float]:
    return pitch.pyin(wave, note, sample_rate), pitch.swift_f0(wave, note, sample_rate)


def described(
    stream: Stream,
    pitches: np.ndarray,
    instruments: np.ndarray,
    sample_rate: int,
    folder: Path | None = None,
    name: str = "notes",
    progress: bool = True,
    untracked: int = 0,
) -> tuple[np.ndarray, DescribedNotes, list[str]]:
    """Compute the features of many notes, with bounded memory and a progress bar; an interrupted call can be resumed.

    Args:
      stream: yields the notes of given numbers, in any order.
      pitches, instruments: of all notes, [n].
      sample_rate: Hz.
      folder: folder of the cache, with one file for each BATCH; None for no cache.
      name: label of the progress bar.
      progress: show the bar.
      untracked: number of notes at the beginning whose pitch need not be tracked.

    Returns:
      (the numbers of the usable notes, in ascending order; these notes; a line for each note that was not usable).

    Raises:
      ValueError: no note is usable.
    """
    with contextlib.ExitStack() as held:
        if folder is not None:
            held.enter_context(in_turn(folder))
        parts = [] if folder is None else [kept for path in sorted(folder.glob("*.npz")) if (kept := _kept(path))]
        there = np.concatenate([np.zeros(0, np.intp), *(part[NUMBERS] for part in parts)])
        missing, problems = np.setdiff1d(np.arange(len(pitches)), there), []
        notes = stream(missing) if len(missing) else iter(())
        with tqdm(total=len(pitches), initial=len(there), desc=name, unit="note", disable=not progress) as bar:
            while batch := list(itertools.islice(notes, BATCH)):
                problems += [wave for _, wave in batch if isinstance(wave, str)]
                usable = [(number, wave) for number, wave in batch if not isinstance(wave, str)]
                if usable:
                    numbers = np.array([number for number, _ in usable], np.intp)
                    waves = np.stack([wave for _, wave in usable])
                    part = describe(waves, pitches[numbers], sample_rate, numbers >= untracked)
                    parts.append({NUMBERS: numbers, **part})
                    if folder is not None:
                        with replacing(folder / f"{numbers[0]:06d}.npz") as partial:
                            np.savez(partial, allow_pickle=False, **parts[-1])
                bar.update(len(batch))
    if not parts:
        raise ValueError(f"none of the notes is usable: {problems[0] if problems else 'there are none'}")
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    numbers = joined.pop(NUMBERS)
    order = np.argsort(numbers)
    return numbers[order], DescribedNotes(pitches[numbers], instruments[numbers], **joined).at(order), problems


def _kept(path: Path) -> dict[str, np.ndarray] | None:
    """The contents of a file, or None if it is damaged, so that its notes are analysed again."""
    wanted = {NUMBERS, *DescribedNotes._fields} - {"pitches", "instruments"}
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    whole = found.keys() == wanted and len({len(array) for array in found.values()}) == 1
    return found if whole else None
