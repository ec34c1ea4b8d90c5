"""Everything that is measured of single notes, some at a time, and kept on disk so that it is measured once.

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

BATCH = 32  # notes described, and kept, together
MAX_CORES = 8  # each listens with 300 MB
NUMBERS = "numbers"  # beside the fields of `Notes` in a file

Stream = Callable[[np.ndarray], Iterator[tuple[int, "np.ndarray | str"]]]  # numbers -> (number, samples or a problem)


class Notes(NamedTuple):
    """What is known of some notes: each field an array [n] or [n, features].

    Attributes:
      pitches: MIDI numbers.
      instruments: a number each.
      pyin, swift_f0: cents off their pitches by `pitch`; not a number where none is heard or asked for.
      mel, semitones: of `features`.
      musicnn: of `embedding`.
    """

    pitches: np.ndarray
    instruments: np.ndarray
    pyin: np.ndarray
    swift_f0: np.ndarray
    mel: np.ndarray
    semitones: np.ndarray
    musicnn: np.ndarray

    def at(self, indices: np.ndarray) -> Notes:
        """Some of them."""
        return Notes(*(field[indices] for field in self))


def describe(
    waves: np.ndarray, pitches: np.ndarray, sample_rate: int, tracked: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """The fields of `Notes` that are heard.

    Args:
      waves: samples [n, samples].
      pitches: MIDI numbers [n].
      sample_rate: Hz.
      tracked: bool [n], whether the deviation from the pitch is asked for, a quarter of the work; None for all notes.
    """
    import joblib

    tracked = np.ones(len(waves), bool) if tracked is None else tracked
    listen = joblib.delayed(_listen)
    cores = min(MAX_CORES, joblib.cpu_count(), len(waves))
    heard = joblib.Parallel(cores, return_as="generator")(  # other processes listen while this one draws
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
) -> tuple[np.ndarray, Notes, list[str]]:
    """`describe` for many notes, with bounded memory and a progress bar; it resumes where it was stopped.

    Args:
      stream: gives the notes with some numbers, in any order.
      pitches, instruments: of all notes, [n].
      sample_rate: Hz.
      folder: where what was measured is kept, a file for each BATCH; None for nowhere.
      name: what the bar says.
      progress: show it.
      untracked: how many notes at the beginning need no deviation from the pitch.

    Returns:
      (the numbers of the notes that could be heard, in rising order; these notes; a line for each that could not be).

    Raises:
      ValueError: there is none.
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
        raise ValueError(f"none of the notes can be heard: {problems[0] if problems else 'there is none'}")
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    numbers = joined.pop(NUMBERS)
    order = np.argsort(numbers)
    return numbers[order], Notes(pitches[numbers], instruments[numbers], **joined).at(order), problems


def _kept(path: Path) -> dict[str, np.ndarray] | None:
    """What is in a file, or None if it is damaged; then those notes are heard again."""
    wanted = {NUMBERS, *Notes._fields} - {"pitches", "instruments"}
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    whole = found.keys() == wanted and len({len(array) for array in found.values()}) == 1
    return found if whole else None
