"""GANSynth as an object: load it once, then turn latent vectors and pitches into notes.

Notebook: 02_checkpoints (loading), 04_generate (generating).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from . import spectral
from .checkpoint import Checkpoint, read
from .config import MAX_PITCH, MIN_PITCH, Config

BATCH_SIZE = 8  # notes at a time, the original's default; memory grows with it
FRAME_STEP = 16  # lengths are rounded up to this many frames, so that few graphs are compiled


class GANSynth:
    """A loaded model. Notes come out as float32 audio at `sample_rate` Hz, not normalised (peaks may exceed 1).

    Attributes:
      config: the model's numbers.
      name: what it was loaded as.
      source: what `load` was given to find it; empty if it was made in another way.
      fingerprint: SHA-256 of its weights; saved beside instruments, because a latent means nothing to another model.
      about: what travels with our own checkpoints (the demo's instrument names, for one).
    """

    def __init__(self, checkpoint: Checkpoint, name: str = "model"):
        from .networks import Generator  # TensorFlow is imported here, not before

        self.config: Config = checkpoint.config
        self.name = name
        self.source = ""
        self.fingerprint = checkpoint.fingerprint()
        self.about: Mapping[str, Any] = checkpoint.about
        self.network = Generator(checkpoint.config, checkpoint.num_blocks, checkpoint.progress)
        for key, variable in self.network.named_weights().items():
            variable.assign(checkpoint.weights[key])
        self.network.freeze()
        self._compiled: dict[int, Any] = {}

    def __repr__(self) -> str:
        return f"GANSynth({self.name!r}, {self.network.count_params():,} weights, {self.fingerprint[:8]})"

    @property
    def sample_rate(self) -> int:
        return self.config.sample_rate

    @property
    def max_seconds(self) -> float:
        """Length of a whole note (4 s)."""
        return self.config.audio_length / self.config.sample_rate

    def sample_z(self, n: int, seed: int) -> np.ndarray:
        """Draw latent vectors: each one an instrument.

        Args:
          n: how many.
          seed: the same seed gives the same vectors, as the original draws them after `numpy.random.seed(seed)`.

        Returns:
          float64 [n, latent_vector_size], standard normal.
        """
        return np.random.RandomState(seed).normal(size=[n, self.config.latent_vector_size])

    def generate(
        self,
        z: np.ndarray,
        pitches: Sequence[int] | np.ndarray,
        seconds: float | None = None,
        batch_size: int = BATCH_SIZE,
        progress: bool = True,
    ) -> np.ndarray:
        """Make notes.

        Args:
          z: latent vectors, [n, latent_vector_size]; a single vector plays all the pitches.
          pitches: MIDI numbers [n], each from MIN_PITCH to MAX_PITCH.
          seconds: how much of each note to compute; the whole 4 s by default. Shorter is quicker and changes no sample.
          batch_size: notes at a time, bounding memory.
          progress: show a bar when there is more than one batch.

        Returns:
          float32 [n, samples].

        Raises:
          ValueError: a pitch outside the model's range, or arrays that do not fit each other.
        """
        z, pitches = self._checked_notes(z, pitches)
        samples = self._samples(seconds)
        waves = np.empty((len(pitches), samples), np.float32)
        show = progress and len(pitches) > batch_size
        with tqdm(total=len(pitches), desc="generate", unit="note", disable=not show) as bar:
            for rows in self._batches(len(pitches), batch_size):
                data = self._data(z[rows], pitches[rows], spectral.frames_for(samples, self.config), batch_size)
                waves[rows] = spectral.data_to_waves(data, self.config)[:, :samples]
                bar.update(rows.stop - rows.start)
        return waves

    def generate_data(
        self, z: np.ndarray, pitches: Sequence[int] | np.ndarray, batch_size: int = BATCH_SIZE
    ) -> np.ndarray:
        """The model's own view of whole notes: float32 [n, frames, bins, 2], log magnitude and instantaneous frequency.

        Arguments and errors as for `generate`. About 1 MB a note.
        """
        z, pitches = self._checked_notes(z, pitches)
        batches = self._batches(len(pitches), batch_size)
        shape = (0, self.config.frames, self.config.bins, 2)
        parts = [self._data(z[rows], pitches[rows], self.config.frames, batch_size) for rows in batches]
        return np.concatenate([np.empty(shape, np.float32), *parts])

    def _checked_notes(self, z: np.ndarray, pitches: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z, pitches = np.asarray(z, np.float32), np.asarray(pitches)
        if pitches.ndim != 1 or not (pitches.size == 0 or np.issubdtype(pitches.dtype, np.integer)):
            raise ValueError("pitches have to be a list of whole MIDI numbers such as [60, 64, 67]")
        if z.ndim == 1:
            z = np.broadcast_to(z, (len(pitches), len(z)))
        if z.shape != (len(pitches), self.config.latent_vector_size):
            expected = f"[{len(pitches)}, {self.config.latent_vector_size}]"
            raise ValueError(f"z has shape {list(z.shape)}; {len(pitches)} pitches of this model need {expected}")
        if not np.isfinite(z).all():
            raise ValueError("z holds values that are not finite numbers")
        outside = sorted({int(p) for p in pitches[(pitches < MIN_PITCH) | (pitches > MAX_PITCH)]})
        if outside:
            shown = ", ".join(map(str, outside[:5])) + (" …" if len(outside) > 5 else "")
            raise ValueError(f"the model plays MIDI pitches {MIN_PITCH} to {MAX_PITCH}, not {shown}")
        return z, pitches.astype(np.int32)

    def _samples(self, seconds: float | None) -> int:
        if seconds is None:
            return self.config.audio_length
        if not 0 < seconds <= self.max_seconds:
            raise ValueError(f"seconds is {seconds}; a note lasts above 0 and up to {self.max_seconds:g} s")
        return max(1, round(seconds * self.sample_rate))

    @staticmethod
    def _batches(n: int, batch_size: int) -> Iterator[slice]:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it has to be 1 or more")
        return (slice(i, min(i + batch_size, n)) for i in range(0, n, batch_size))

    def _data(self, z: np.ndarray, pitches: np.ndarray, frames: int, batch_size: int) -> np.ndarray:
        """The first frames of up to `batch_size` notes, in data units."""
        count = len(pitches)
        size = min(1 << (count - 1).bit_length(), batch_size)  # odd last batches share the graphs of powers of two
        z = np.concatenate([z, np.zeros((size - count, z.shape[1]), z.dtype)])
        labels = np.concatenate([pitches - MIN_PITCH, np.zeros(size - count, np.int32)])
        computed = min(-(-frames // FRAME_STEP) * FRAME_STEP, self.config.frames)
        normalized = self._network_for(computed).predict_on_batch([z, labels])
        return spectral.denormalize(normalized[:count, :frames], self.config)

    def _network_for(self, frames: int):
        """The generator as a Keras model of the first `frames` frames, compiled when it is first called."""
        if frames not in self._compiled:
            from .networks import Window

            logging.getLogger("tensorflow").addFilter(_is_news)
            self._compiled[frames] = Window(self.network, (0, frames))
        return self._compiled[frames]


def _is_news(record: logging.LogRecord) -> bool:
    """Drops TensorFlow's warning that graphs are compiled again: one for each length is what we want."""
    return "triggered tf.function retracing" not in record.getMessage()


def load(name_or_path: str | os.PathLike = "demo") -> GANSynth:
    """Load a model.

    Args:
      name_or_path: "demo" (bundled), "acoustic_only" or "all_instruments" (downloaded the first time), or the path of a
        published folder, a zip of one, or a file or folder in our own format.

    Raises:
      FileNotFoundError, ValueError, ConnectionError: one sentence on what is wrong.
    """
    from helpers import checkpoints

    path = checkpoints.locate(name_or_path)
    model = GANSynth(read(path), name=path.name if path.is_dir() else path.stem)
    model.source = str(name_or_path)
    return model
