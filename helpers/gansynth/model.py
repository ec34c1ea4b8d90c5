"""A GANSynth model: load it once, then turn latent vectors and pitches into notes.

Notebook: 02_checkpoints (loading), 04_generate (generating).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from ..errors import in_one_line
from . import spectral
from .cache import BACKENDS, TENSORFLOW, NoteCache, note_key
from .checkpoint import Checkpoint, read
from .config import MAX_PITCH, MIN_PITCH, Config

if TYPE_CHECKING:
    from .accelerated import CompiledModel
    from .networks import Beginnings, Generator
    from .onnx_player import OnnxPlayer

BATCH_SIZE = 8  # notes at a time, the original's default; larger batches are no faster on a CPU
ACCELERATOR_BATCH_SIZE = 64  # notes at a time on a GPU; halved if they do not fit into its memory
PRECISIONS = ("float32", "bfloat16", "float16")
BETWEEN_INSTRUMENTS = "between voices"  # the prior of our own checkpoints; without one, latents are N(0, I)
FRAME_STEP = 16  # a GPU's graphs are compiled for each length, so numbers of frames are rounded up to multiples of this


class GANSynth:
    """A loaded model. Notes are float32 audio at `sample_rate` Hz, not normalised (peaks may exceed 1).

    Attributes:
      config: the model's hyper-parameters.
      name: name of the checkpoint that it was loaded from.
      source: the name or path given to `load`; empty if the model was created in another way.
      fingerprint: SHA-256 of its weights; saved with instruments, because a latent is meaningless to another model.
      about: further JSON values from a checkpoint in our own format, such as the demo's instruments.
      precision: precision of its convolutions.
      backend: "tensorflow" or "onnx".
      cache: cache of its notes, or None.
      batch_size: default number of notes to generate at a time.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        name: str = "model",
        precision: str = "float32",
        cache: NoteCache | None = None,
        backend: str = TENSORFLOW,
    ):
        if backend not in BACKENDS:
            raise ValueError(f"backend is {backend!r}; it must be one of {', '.join(BACKENDS)}")
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
        if backend != TENSORFLOW and precision != PRECISIONS[0]:
            raise ValueError(f"the backend {backend} computes only in {PRECISIONS[0]}, not in {precision}")
        self.accelerated = backend == TENSORFLOW and _has_accelerator()  # TensorFlow is imported here, not before
        if precision == "float16" and not self.accelerated:
            raise ValueError("float16 needs a GPU (on a CPU it takes ten times as long as float32); use bfloat16")
        self.config: Config = checkpoint.config
        self.name = name
        self.precision = precision
        self.backend = backend
        self.cache = cache
        self.batch_size = ACCELERATOR_BATCH_SIZE if self.accelerated else BATCH_SIZE
        self.source = ""
        self.fingerprint = checkpoint.fingerprint()
        self.about: Mapping[str, Any] = checkpoint.about
        if (prior := self.about.get("prior")) not in (None, BETWEEN_INSTRUMENTS):
            raise ValueError(f"the checkpoint's prior is {prior!r}; this version supports only {BETWEEN_INSTRUMENTS!r}")
        if prior is not None and len(self.about.get("instruments", [])) < 2:
            raise ValueError(f"the checkpoint's prior is {prior!r}, which needs two instruments at least")
        self._count = sum(weights.size for weights in checkpoint.weights.values())
        self._checkpoint: Checkpoint | None = checkpoint  # kept until the network is built
        self._player: OnnxPlayer | None = None
        self._beginnings: dict[int, Beginnings] = {}  # by the size of latents
        self._compiled: dict[tuple[int, int], CompiledModel] = {}  # by number of frames and size of latents
        if backend == TENSORFLOW:
            _ = self.network
        else:
            from .onnx_player import OnnxPlayer

            self._player = OnnxPlayer(checkpoint)

    def __repr__(self) -> str:
        precision = "" if self.precision == PRECISIONS[0] else f", {self.precision}"
        backend = "" if self.backend == TENSORFLOW else f", {self.backend}"
        return f"GANSynth({self.name!r}, {self._count:,} weights, {self.fingerprint[:8]}{precision}{backend})"

    @functools.cached_property
    def network(self) -> Generator:
        """The generator as a Keras model. With another backend it is built on first use, for gradients or weights."""
        from .networks import Generator

        assert self._checkpoint is not None
        network = Generator(self.config, self._checkpoint.num_blocks, self._checkpoint.progress)
        for key, variable in network.named_weights().items():
            variable.assign(self._checkpoint.weights[key])
        network.freeze(self.precision)
        self._checkpoint = None
        return network

    @property
    def sample_rate(self) -> int:
        """Sample rate of the generated audio (Hz)."""
        return self.config.sample_rate

    @property
    def latent_vector_size(self) -> int:
        """Numbers in a latent (256)."""
        return self.config.latent_vector_size

    @property
    def latent_sizes(self) -> tuple[int, int]:
        """The latent lengths that `generate` accepts: a plain latent, and one followed by first-layer activations."""
        return self.latent_vector_size, self.latent_vector_size + self.config.first_layer_size

    @property
    def max_duration(self) -> float:
        """Duration of a whole note in seconds (4)."""
        return self.config.audio_length / self.config.sample_rate

    def sample_z(self, n: int, seed: int) -> np.ndarray:
        """Draw random latent vectors, each of which is an instrument.

        They come from a standard normal distribution, unless the checkpoint specifies another prior. The bundled "demo"
        does: each vector is a random point on the arc between two of its instruments. It was trained on such points, so
        they differ more from each other and are better in tune.

        Args:
          n: number of vectors.
          seed: the same seed gives the same vectors, and a larger `n` starts with the same ones. For the published
            models they are those that the original draws after `numpy.random.seed(seed)`.

        Returns:
          float64 [n, latent_vector_size].

        >>> from helpers import gansynth
        >>> model = gansynth.load("demo")
        >>> model.sample_z(3, seed=1).shape
        (3, 256)

        Notebook: 04_generate.
        """
        random = np.random.RandomState(seed)
        if self.about.get("prior") == BETWEEN_INSTRUMENTS:
            latents = np.array([row["z"] for row in self.about["instruments"]])
            return _between(latents, random.uniform(size=[n, 3]))
        return random.normal(size=[n, self.config.latent_vector_size])

    @in_one_line
    def generate(
        self,
        z: np.ndarray,
        pitches: Sequence[int] | np.ndarray,
        duration: float | Sequence[float] | np.ndarray | None = None,
        batch_size: int | None = None,
        progress: bool = True,
    ) -> np.ndarray:
        """Generate notes, or read them from the cache.

        Args:
          z: latent vectors, [n, latent_vector_size], or a single one for all the pitches.
          pitches: MIDI numbers [n], each from MIN_PITCH to MAX_PITCH.
          duration: how much of each note to compute (s); all 4 s by default. A shorter note takes less time and has the
            same samples. If there is one duration for each note, rows are as long as the longest, and zero after a
            note's own end.
          batch_size: notes at a time, which limits the memory used; the model's `batch_size` by default.
          progress: show a progress bar if there is more than one batch.

        Returns:
          float32 [n, samples].

        Raises:
          ValueError: a pitch outside the model's range, a latent that is not finite, array shapes that do not match, a
            duration that is not above 0 or exceeds the model's, or a batch_size below 1.

        >>> from helpers import gansynth
        >>> model = gansynth.load("demo")
        >>> notes = model.generate(model.sample_z(1, seed=1)[0], [60, 64, 67])
        >>> notes.shape, notes.dtype
        ((3, 64000), dtype('float32'))
        """
        z, pitches = self.checked_notes(z, pitches)
        samples, longest = self._samples(duration, len(pitches))
        batch_size = self._checked_size(batch_size)
        waves = np.zeros((len(pitches), longest), np.float32)
        missing: np.ndarray = np.arange(len(pitches))
        if self.cache is not None:
            keys = self._keys(z, pitches)
            kept = [self.cache.get(key, needed) for key, needed in zip(keys, samples, strict=True)]
            for row, wave in enumerate(kept):
                if wave is not None:
                    waves[row, : len(wave)] = wave
            missing = np.array([row for row, wave in enumerate(kept) if wave is None], np.int64)
        batches = list(_batches(len(missing), batch_size))
        with tqdm(total=len(missing), desc="generate", unit="note", disable=not progress or len(batches) < 2) as bar:
            for batch in batches:
                rows = missing[batch]
                made = self._waves(z[rows], pitches[rows], int(samples[rows].max()), batch_size)
                for row, wave in zip(rows, made, strict=True):
                    waves[row, : samples[row]] = wave[: samples[row]]
                    if self.cache is not None:
                        self.cache.put(keys[row], wave)
                bar.update(len(rows))
        return waves

    def cached(
        self, z: np.ndarray, pitches: Sequence[int] | np.ndarray, durations: Sequence[float] | np.ndarray
    ) -> np.ndarray:
        """Which notes `generate` would find in the cache, given the duration (s) of each: bool [n]."""
        z, pitches = self.checked_notes(z, pitches)
        if self.cache is None:
            return np.zeros(len(pitches), bool)
        samples, _ = self._samples(durations, len(pitches))
        found = [self.cache.has(key, n) for key, n in zip(self._keys(z, pitches), samples, strict=True)]
        return np.array(found, bool)

    def generate_data(
        self, z: np.ndarray, pitches: Sequence[int] | np.ndarray, batch_size: int | None = None
    ) -> np.ndarray:
        """The spectrograms of whole notes: float32 [n, frames, bins, 2], in data units.

        Channel 0 is the log magnitude (on a mel axis: the log power), channel 1 the instantaneous frequency. Arguments
        and errors are those of `generate`. A note takes about 1 MB.
        """
        z, pitches = self.checked_notes(z, pitches)
        batch_size = self._checked_size(batch_size)
        batches = _batches(len(pitches), batch_size)
        shape = (0, self.config.frames, self.config.bins, 2)
        parts = [self._data(z[rows], pitches[rows], self.config.frames) for rows in batches]
        return np.concatenate([np.empty(shape, np.float32), *parts])

    def checked_notes(self, z: np.ndarray, pitches: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Latents and pitches, checked, as float32 [n, size] and int32 [n].

        Raises:
          ValueError: the model cannot play a latent or pitch, or their shapes do not match.
        """
        z, pitches = np.asarray(z, np.float32), np.asarray(pitches)
        if pitches.ndim != 1 or not (pitches.size == 0 or np.issubdtype(pitches.dtype, np.integer)):
            raise ValueError("pitches must be a list of whole MIDI numbers such as [60, 64, 67]")
        if z.ndim == 1:
            z = np.broadcast_to(z, (len(pitches), len(z)))
        if z.ndim != 2 or len(z) != len(pitches) or z.shape[1] not in self.latent_sizes:
            expected = f"[{len(pitches)}, {self.config.latent_vector_size}]"
            raise ValueError(f"z has shape {list(z.shape)}; {len(pitches)} pitches of this model need {expected}")
        if not np.isfinite(z).all():
            raise ValueError("z has values that are not finite")
        outside = sorted({int(p) for p in pitches[(pitches < MIN_PITCH) | (pitches > MAX_PITCH)]})
        if outside:
            shown = ", ".join(map(str, outside[:5])) + (" …" if len(outside) > 5 else "")
            raise ValueError(f"the model plays MIDI pitches {MIN_PITCH} to {MAX_PITCH}, not {shown}")
        return z, pitches.astype(np.int32)

    def _samples(self, duration: float | Sequence[float] | np.ndarray | None, n: int) -> tuple[np.ndarray, int]:
        """Number of samples of each of n notes, and of the longest."""
        wanted = np.asarray(self.max_duration if duration is None else duration, np.float64)
        if wanted.shape not in ((), (n,)):
            raise ValueError(
                f"duration has shape {list(wanted.shape)}; expected one number, or one for each of the {n} notes"
            )
        for wrong in wanted[~((wanted > 0) & (wanted <= self.max_duration))].flat:
            raise ValueError(f"duration is {wrong:g}; it must be above 0 and up to {self.max_duration:g} s")
        samples = np.maximum(1, np.rint(wanted * self.sample_rate).astype(np.int64))
        return np.broadcast_to(samples, n), int(samples.max(initial=0))

    def _keys(self, z: np.ndarray, pitches: np.ndarray) -> list[str]:
        made_by = self.fingerprint, self.precision
        return [note_key(*made_by, row, int(p), self.backend) for row, p in zip(z, pitches, strict=True)]

    def _checked_size(self, batch_size: int | None) -> int:
        size = self.batch_size if batch_size is None else batch_size
        if size < 1:
            raise ValueError(f"batch_size is {size}; it must be 1 or more")
        return size

    def _waves(self, z: np.ndarray, pitches: np.ndarray, samples: int, batch_size: int) -> np.ndarray:
        """The first samples of a batch of notes, on an accelerator in one graph, and in halves if memory runs out."""
        frames = spectral.frames_for(samples, self.config)
        if not self.accelerated:
            return spectral.data_to_waves(self._data(z, pitches, frames), self.config)[:, :samples]
        try:
            return self._play(z, pitches, frames, batch_size)[:, :samples]
        except Exception as error:
            # Backends signal this differently: TensorFlow by the class of the exception, JAX by its text.
            full = type(error).__name__ == "ResourceExhaustedError" or "RESOURCE_EXHAUSTED" in str(error)
            if len(pitches) == 1 or not full:
                raise
        half = len(pitches) // 2
        self.batch_size = min(self.batch_size, half)
        halves = (slice(None, half), slice(half, None))
        return np.concatenate([self._waves(z[rows], pitches[rows], samples, half) for rows in halves])

    def _data(self, z: np.ndarray, pitches: np.ndarray, frames: int) -> np.ndarray:
        """The first frames of a batch of notes, in data units."""
        if self._player is not None:
            return self._player.data(z, pitches, frames)
        from .networks import Beginnings

        size = z.shape[1]  # each size has a graph of its own: a graph that accepts both cannot tell them apart
        if size not in self._beginnings:
            self._beginnings[size] = Beginnings(self.network, size)
        return spectral.denormalize(self._beginnings[size](z, pitches - MIN_PITCH, frames), self.config)

    def _play(self, z: np.ndarray, pitches: np.ndarray, frames: int, batch_size: int) -> np.ndarray:
        """The audio of a batch's first frames, and possibly more, on an accelerator, by a graph compiled on first use.

        A smaller last batch is padded to a power of two, so that graphs are compiled for only a few sizes.
        """
        from .accelerated import CompiledModel

        computed = min(-(-frames // FRAME_STEP) * FRAME_STEP, self.config.frames)
        made = computed, z.shape[1]
        if made not in self._compiled:
            self._compiled[made] = CompiledModel(self.network, (0, computed))
        count = len(pitches)
        room = min(1 << (count - 1).bit_length(), max(batch_size, count)) - count
        z = np.concatenate([z, np.zeros((room, z.shape[1]), z.dtype)])
        labels = np.concatenate([pitches - MIN_PITCH, np.zeros(room, np.int32)])
        return self._compiled[made].predict_on_batch([z, labels])[:count]


def _between(latents: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Points on the arcs between pairs of different latents, all of equal length.

    Args:
      latents: [latents, size].
      draws: uniform random numbers [n, 3], which choose the first latent, the second, and the point between them.

    Returns:
      [n, size].
    """
    count = len(latents)
    first = (draws[:, 0] * count).astype(int)
    second = (first + 1 + (draws[:, 1] * (count - 1)).astype(int)) % count
    start, end, share = latents[first], latents[second], draws[:, 2:]
    lengths = np.linalg.norm(start, axis=1) * np.linalg.norm(end, axis=1)
    angle = np.arccos(np.clip(np.sum(start * end, axis=1) / lengths, -1.0, 1.0))[:, None]
    return (np.sin((1 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)


def _batches(n: int, batch_size: int) -> Iterator[slice]:
    return (slice(i, min(i + batch_size, n)) for i in range(0, n, batch_size))


def _has_accelerator() -> bool:
    """Whether there is a GPU. If so, TF32, a faster format of 19 bits, is disabled: float32 then means float32."""
    from .backend import keras, tf

    if not keras.distribution.list_devices("gpu"):
        return False
    if keras.backend.backend() == "tensorflow":
        tf.config.experimental.enable_tensor_float_32_execution(False)
    return True


@in_one_line
def load(
    name_or_path: str | os.PathLike = "demo",
    precision: str = "float32",
    cache: NoteCache | None = None,
    backend: str = TENSORFLOW,
) -> GANSynth:
    """Load a model.

    Args:
      name_or_path: "demo" (bundled), "acoustic_only" or "all_instruments" (downloaded the first time), or the path of a
        folder in the published format, a zip of one, or a file or folder in our own format.
      precision: precision of the convolutions: "float32", "bfloat16", or on a GPU "float16". The shorter formats are
        for hardware that supports them, and change the sound: see docs/benchmarks.md.
      cache: cache for the generated notes, so that none is generated twice, in this run or a later one.
      backend: "tensorflow", or "onnx", which loads faster: onnxruntime on the CPU, in float32. It needs the extra
        `onnx`, and its notes differ only by rounding (docs/benchmarks.md).

    Raises:
      FileNotFoundError, ValueError, ConnectionError, ImportError: with a message of one sentence.

    >>> from helpers import gansynth
    >>> model = gansynth.load("demo")
    >>> model
    GANSynth('demo', 9,941,250 weights, 083bbfb3)
    >>> model.sample_rate, model.max_duration
    (16000, 4.0)
    """
    from . import hub

    path = hub.locate(name_or_path)
    model = GANSynth(read(path), path.name if path.is_dir() else path.stem, precision, cache, backend)
    model.source = str(name_or_path)
    return model
