"""Notes that several songs share, generated once and bit-identical in whatever order the songs are rendered.

    model = SharedNotes(gansynth.load("demo"), z_of_its_instruments, NoteCache())

The last bits of a note's samples vary with its position in a batch and with the batch's shape. So that a clip does not
depend on what was rendered before it, a shared note is always generated in the same batch: its latent at a fixed group
of eight neighbouring pitches, at full length. If one of them is needed, all eight are generated and cached.

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

BLOCK = 8  # neighbouring pitches that are generated together


class SharedNotes:
    """A wrapper for a model that generates the notes of certain latents in blocks, and caches them.

    All other notes, methods and attributes are the model's own.

    Attributes:
      cache: the cache of shared notes. Several processes may use it.
    """

    def __init__(self, model: GANSynth, z: Iterable[np.ndarray], cache: NoteCache, made_by: str = ""):
        """
        Args:
          model: generates the notes. It must have no cache of its own, which could hold notes from other batches.
          z: latents whose notes are shared, each of one of `GANSynth.latent_sizes`: those of instruments that do not
            morph, so that other songs can use the same notes. Points between instruments hardly ever recur.
          cache: the cache to use.
          made_by: anything else that the last bits depend on, such as the number of threads; cached notes with another
            value are ignored.

        Raises:
          ValueError: the model has a cache of its own.
        """
        if getattr(model, "cache", None) is not None:
            raise ValueError("to share notes, load the model without a cache of its own")
        self._model, self.cache = model, cache
        self._made_by = f"{model.fingerprint} blocks of {BLOCK} {made_by}"
        self._shared = {np.asarray(row, np.float32).tobytes() for row in z}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_model":  # copy and pickle ask for these before `_model` is set
            raise AttributeError(name)
        return getattr(self._model, name)

    def __repr__(self) -> str:
        return f"SharedNotes({self._model!r}, {len(self._shared)} latents)"

    def cached(
        self, z: np.ndarray, pitches: Sequence[int] | np.ndarray, durations: Sequence[float] | np.ndarray
    ) -> np.ndarray:
        """Which notes are shared, cached already or not, so that batches do not depend on the cache: bool [n]."""
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
        """Generate notes, as `GANSynth.generate` does."""
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
        """Which notes are shared. Invalid ones are not, so that the model itself raises the error."""
        is_known = np.array([row.tobytes() in self._shared for row in z], bool)
        is_pitch = (pitches >= MIN_PITCH) & (pitches <= MAX_PITCH)
        return is_known & is_pitch & (durations > 0) & (durations <= self._model.max_duration)

    def _notes(self, z: np.ndarray, number: int, pitches: np.ndarray, samples: np.ndarray) -> list[np.ndarray]:
        """The first samples of some notes of one block, from the cache or generated with the whole block."""
        keys = [self._key(z, pitch) for pitch in pitches.tolist()]
        found = [self.cache.get(key, count) for key, count in zip(keys, samples.tolist(), strict=True)]
        kept = [wave for wave in found if wave is not None]
        if len(kept) == len(found):
            return kept
        lowest = min(MIN_PITCH + number * BLOCK, MAX_PITCH - BLOCK + 1)  # the last block overlaps the one before
        block = np.arange(lowest, lowest + BLOCK)
        made = self._model.generate(z, block, batch_size=BLOCK, progress=False)
        for pitch, wave in zip(block.tolist(), made, strict=True):
            if (pitch - MIN_PITCH) // BLOCK == number:
                self.cache.put(self._key(z, pitch), wave)
        return [made[pitch - lowest, :count] for pitch, count in zip(pitches.tolist(), samples.tolist(), strict=True)]

    def _key(self, z: np.ndarray, pitch: int) -> str:
        return note_key(self._made_by, self._model.precision, z, pitch, self._model.backend)
