"""Notes that many songs have, made once: equal to the last bit, whoever made them first and beside whatever else.

    model = SharedNotes(gansynth.load("demo"), z_of_its_instruments, NoteCache())

The samples of a note differ in their last bits with its place in a batch and with the batch's shape. So that a clip
does not depend on what was played before it, a note that is shared is always made as a member of one batch: its latent
at a fixed group of eight neighbouring pitches, in full length. Whoever needs one of them makes all eight, and keeps
them.

Notebook: 07_songs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .cache import NoteCache, note_key
from .config import MAX_PITCH, MIN_PITCH

if TYPE_CHECKING:
    from .model import GANSynth

BLOCK = 8  # neighbouring pitches that are made together


class SharedNotes:
    """A model whose notes of some latents are made in blocks and kept; in all else it is that model.

    Attributes:
      cache: where the notes are kept. Several processes may share it.
    """

    def __init__(self, model: GANSynth, z: Iterable[np.ndarray], cache: NoteCache, made_by: str = ""):
        """
        Args:
          model: makes the notes; without a cache of its own, which would bring in notes of other batches.
          z: latents whose notes are shared, each of one of `GANSynth.latent_sizes`: those of instruments that are held,
            and come in other songs too. Points between instruments hardly come twice.
          cache: where to keep the notes.
          made_by: what else their last bits depend on, such as the number of threads; notes of another are not taken.

        Raises:
          ValueError: the model has a cache of its own.
        """
        if getattr(model, "cache", None) is not None:
            raise ValueError("a model whose notes are shared must be loaded without a cache")
        self._model, self.cache = model, cache
        self._made_by = f"{model.fingerprint} blocks of {BLOCK} {made_by}"
        self._shared = {np.asarray(row, np.float32).tobytes() for row in z}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_model":  # asked for before there is one: by copy and pickle
            raise AttributeError(name)
        return getattr(self._model, name)

    def __repr__(self) -> str:
        return f"SharedNotes({self._model!r}, {len(self._shared)} latents)"

    def cached(
        self, z: np.ndarray, pitches: Sequence[int] | np.ndarray, durations: Sequence[float] | np.ndarray
    ) -> np.ndarray:
        """Which notes are shared: bool [n]. Not which are there already, or batches would depend on that."""
        z, pitches, durations = self._arrays(z, pitches, durations)
        return self._are_shared(z, pitches, durations)

    def generate(
        self,
        z: np.ndarray,
        pitches: Sequence[int] | np.ndarray,
        duration: float | Sequence[float] | np.ndarray | None = None,
        batch_size: int | None = None,
        progress: bool = True,
    ) -> np.ndarray:
        """Make notes, as `GANSynth.generate` does."""
        z, pitches, durations = self._arrays(z, pitches, duration)
        is_shared = self._are_shared(z, pitches, durations)
        own = np.flatnonzero(~is_shared)
        made = self._model.generate(z[own], pitches[own], durations[own], batch_size, progress) if len(own) else None
        if made is not None and len(own) == len(pitches):
            return made
        samples = np.maximum(1, np.rint(durations * self._model.sample_rate).astype(np.int64))
        waves = np.zeros((len(pitches), samples.max(initial=0)), np.float32)
        if made is not None:
            waves[own, : made.shape[1]] = made
        blocks: dict[tuple[bytes, int], list[int]] = {}
        for row in np.flatnonzero(is_shared).tolist():
            blocks.setdefault((z[row].tobytes(), (int(pitches[row]) - MIN_PITCH) // BLOCK), []).append(row)
        for (_, number), rows in blocks.items():
            for row, wave in zip(rows, self._notes(z[rows[0]], number, pitches[rows], samples[rows]), strict=True):
                waves[row, : len(wave)] = wave
        return waves

    def _arrays(
        self, z: np.ndarray, pitches: Sequence[int] | np.ndarray, duration: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        z, pitches = np.asarray(z, np.float32), np.asarray(pitches)
        durations = np.asarray(self._model.max_duration if duration is None else duration, np.float64)
        return np.broadcast_to(z, (len(pitches), z.shape[-1])), pitches, np.broadcast_to(durations, len(pitches))

    def _are_shared(self, z: np.ndarray, pitches: np.ndarray, durations: np.ndarray) -> np.ndarray:
        """What the model would refuse is not shared, and so it is the model that says what is wrong."""
        is_known = np.array([row.tobytes() in self._shared for row in z], bool)
        is_pitch = (pitches >= MIN_PITCH) & (pitches <= MAX_PITCH)
        return is_known & is_pitch & (durations > 0) & (durations <= self._model.max_duration)

    def _notes(self, z: np.ndarray, number: int, pitches: np.ndarray, samples: np.ndarray) -> list[np.ndarray]:
        """The first samples of some notes of one block, from the cache or made with the rest of it."""
        keys = [self._key(z, pitch) for pitch in pitches.tolist()]
        found = [self.cache.get(key, count) for key, count in zip(keys, samples.tolist(), strict=True)]
        kept = [wave for wave in found if wave is not None]
        if len(kept) == len(found):
            return kept
        lowest = min(MIN_PITCH + number * BLOCK, MAX_PITCH - BLOCK + 1)  # the last block reaches into the one before
        block = np.arange(lowest, lowest + BLOCK)
        made = self._model.generate(z, block, batch_size=BLOCK, progress=False)
        for pitch, wave in zip(block.tolist(), made, strict=True):
            if (pitch - MIN_PITCH) // BLOCK == number:
                self.cache.put(self._key(z, pitch), wave)
        return [made[pitch - lowest, :count] for pitch, count in zip(pitches.tolist(), samples.tolist(), strict=True)]

    def _key(self, z: np.ndarray, pitch: int) -> str:
        return note_key(self._made_by, self._model.precision, z, pitch, self._model.backend)
