"""A whole training run: write checkpoints, samples and curves, and on a signal save before stopping.

Notebook: 08_train.
"""

from __future__ import annotations

import contextlib
import csv
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from .. import audio
from ..files import locked, naming, replacing
from ..gansynth import spectral
from ..gansynth.backend import tf
from ..gansynth.checkpoint import COMPACT_NAME
from ..gansynth.config import MIN_PITCH
from ..gansynth.model import GANSynth
from .plots import plot_data
from .trainer import Trainer, last_stage

if TYPE_CHECKING:
    from .hosts import Workers

SAVE_SECONDS = 600  # between checkpoints, as in the original ...
FIRST_SAVE_SECONDS = 60  # ... and before the first one, so that an early end of the run loses little
LOG_FILE_SECONDS = 30  # between lines of progress when standard error is not a terminal
# A progress bar without the remaining time: each stage is several times as slow as the one before.
WITHOUT_END = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}, {rate_fmt}{postfix}]"
SAMPLE_NOTES = 4
LOSSES, LOGS, SAMPLES = "losses.csv", "logs", "samples"
LOCK = ".training.lock"

Batch = tuple[np.ndarray, np.ndarray]  # spectrograms [n, frames, bins, 2] in data units, and labels [n]
Batches = Callable[[int, int], Batch]  # (images seen so far, batch size) -> the next batch


class Measuring(NamedTuple):
    """Measurements of the generator during training, for the curves.

    Attributes:
      every: images between two measurements.
      measure: (generator, images seen so far) -> {name: number}. It may take minutes and may return an empty mapping.
    """

    every: int
    measure: Callable[[GANSynth, int], Mapping[str, float]]


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Lock a folder, so that two trainings do not overwrite each other's checkpoints and losses.

    The lock is the operating system's, so it is released when the process ends, even if it is killed.

    Raises:
      BlockingIOError: another training is running in the folder.
      OSError: the folder cannot be written to.
    """
    with contextlib.ExitStack() as held:
        try:
            with naming(out / LOCK):
                held.enter_context(locked(out / LOCK, wait=0))
        except TimeoutError:
            raise BlockingIOError(f"another training is running in {out}: stop it, or choose another --out") from None
        yield


class Stopped(Exception):
    """The training has been stopped by a signal, after saving a checkpoint."""

    def __init__(self, number: int, images: int):
        super().__init__(f"stopped and saved at {images:,} images; the same command continues from there")
        self.status = 128 + number  # a shell's exit status for a signal


class Signals:
    """A context that records Ctrl-C or SIGTERM in `received`, so that the current step and checkpoint can be completed.

    A second signal ends the process at once. The previous handlers are restored after the first signal and at the end.
    Only the main thread can handle signals; in any other thread nothing is received.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, _: object) -> None:
        self.received = number
        self.__exit__()


def train(
    trainer: Trainer,
    batches: Batches,
    out: Path,
    sample_every: int,
    log_every: int,
    save_seconds: float,
    measuring: Measuring | None = None,
    workers: Workers | None = None,
) -> list[Path]:
    """Train until the end, with a progress bar.

    A checkpoint is written after a minute, then every `save_seconds`, at the end of each stage, before each
    measurement, and on Ctrl-C or SIGTERM.

    Args:
      trainer: the trainer, changed in place.
      batches: (images seen so far, batch size) -> the next notes and their labels, such as a `trainer.Shuffled`.
      out: the folder of the run.
      sample_every: images between samples.
      log_every: images between rows of the curves.
      save_seconds: seconds between checkpoints.
      measuring: measurements of the generator during training, if any.
      workers: the processes that train together, of which this one is the chief; the others call `follow`.

    Returns:
      The files of the final generator and of the last samples.

    Raises:
      Stopped: a signal was received, and a checkpoint has been saved.
    """
    config, save_at = trainer.config, time.monotonic() + min(FIRST_SAVE_SECONDS, save_seconds)
    z = np.random.RandomState(trainer.seed).normal(size=(SAMPLE_NOTES, config.latent_vector_size))
    pitches = _sample_pitches(trainer.pitch_counts)
    ahead, curves = Ahead(batches), Curves(out, trainer.global_step)
    written: list[Path] = []
    with (
        Signals() as signals,
        ahead,
        curves,
        _bar(trainer) as bar,
    ):
        while not trainer.finished:
            if trainer.stage_is_over:
                trainer.save(out)
                trainer.advance()
            bar.bar_format = None if _is_last(trainer) else WITHOUT_END
            before, size = trainer.global_step, trainer.batch_size
            values = trainer.step(*ahead(before, size))
            now = trainer.global_step
            bar.update(now - before)
            bar.set_description(f"stage {trainer.stage}", refresh=False)
            bar.set_postfix({"G": values["generator_loss"], "D": values["discriminator_loss"]}, refresh=False)
            measured: Mapping[str, float] = {}
            if measuring and (now // measuring.every > before // measuring.every or trainer.finished):
                trainer.save(out)  # measuring takes a while, and the run may be killed meanwhile
                save_at = time.monotonic() + save_seconds
                measured = measuring.measure(GANSynth(trainer.average(), out.name), now)
            if measured or now // log_every > before // log_every:
                curves.add(now, trainer.stage, {**values, **measured})
            if now // sample_every > before // sample_every or trainer.finished:
                written = sample(trainer, z, pitches, out / SAMPLES)
            if (received := _received(signals, workers)) and not trainer.finished:
                trainer.save(out)
                _meet(workers)
                raise Stopped(received, now)
            if time.monotonic() > save_at:
                trainer.save(out)
                save_at = time.monotonic() + save_seconds
        trainer.save(out)
        _meet(workers)
    return [out / COMPACT_NAME, *written]


def follow(trainer: Trainer, batches: Batches, workers: Workers) -> None:
    """Take the same steps as the chief, which calls `train`, but write nothing. The arguments are those of `train`.

    Raises:
      Stopped: one of the processes received a signal, and the chief has saved a checkpoint.
    """
    with Signals() as signals, Ahead(batches) as ahead:
        while not trainer.finished:
            if trainer.stage_is_over:
                trainer.advance()
            trainer.step(*ahead(trainer.global_step, trainer.batch_size))
            if (received := _received(signals, workers)) and not trainer.finished:
                _meet(workers)
                raise Stopped(received, trainer.global_step)
        _meet(workers)


def _received(signals: Signals, workers: Workers | None) -> int | None:
    """The signal that this process or any other has received, or None: all stop after the same step."""
    asked = signals.received is not None if workers is None else workers.anybody(signals.received is not None)
    return (signals.received or signal.SIGTERM) if asked else None


def _meet(workers: Workers | None) -> None:
    """Wait for the other processes: one that ended before the chief has saved would seem to have been killed."""
    if workers is not None:
        workers.anybody(False)


def _bar(trainer: Trainer) -> tqdm:
    """A progress bar over all images; in a log file it is a line every half minute."""
    bar = tqdm(total=trainer.config.total_num_images, initial=trainer.global_step, unit="image")
    if not sys.stderr.isatty():
        bar.mininterval = bar.maxinterval = LOG_FILE_SECONDS
    return bar


def _is_last(trainer: Trainer) -> bool:
    """Whether this is the last stage, in which the speed is constant and the remaining time can be estimated."""
    return trainer.stage == last_stage(trainer.config)


class Ahead:
    """A source of batches that prefetches the next batch while the networks train on the current one."""

    def __init__(self, batches: Batches):
        self._batches, self._pool = batches, ThreadPoolExecutor(1)
        self._next: tuple[tuple[int, int], Future[Batch]] | None = None

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, step: int, size: int) -> Batch:
        if self._next is not None and self._next[0] == (step, size):
            batch = self._next[1].result()
        else:
            batch = self._batches(step, size)
        following = (step + size, size)
        self._next = following, self._pool.submit(self._batches, *following)
        return batch


class Curves:
    """Writes the curves of a training as a table and for TensorBoard.

    When a run is resumed, rows after its checkpoint are deleted. Values that are measured only now and then have a
    column that is empty in the rows between.
    """

    def __init__(self, out: Path, step: int):
        self._path, rows = out / LOSSES, []
        if self._path.is_file():
            with open(self._path, newline="", errors="replace") as file:
                rows = list(csv.reader(file))
        self._columns = rows[0] if rows else []
        self._rewrite(
            [row for row in rows[1:] if len(row) == len(rows[0]) and row[0].isdigit() and int(row[0]) <= step]
        )
        self._summaries = tf.summary.create_file_writer(str(out / LOGS))
        # TensorBoard's metadata for a scalar curve; `tf.summary.scalar` would need the package tensorboard.
        self._kind = tf.compat.v1.SummaryMetadata()
        self._kind.plugin_data.plugin_name = "scalars"

    def __enter__(self) -> Curves:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._summaries.close()

    def _rewrite(self, rows: list[list[str]]) -> None:
        """Rewrite the file and reopen it for appending."""
        with replacing(self._path) as partial, open(partial, "w", newline="") as file:
            csv.writer(file).writerows([self._columns, *rows] if self._columns else [])
        self._file = open(self._path, "a", newline="", buffering=1)  # noqa: SIM115  closed on exit

    def _add_columns(self, names: list[str]) -> None:
        self._file.close()
        with open(self._path, newline="") as file:
            rows = list(csv.reader(file))[1:]
        self._columns = [*self._columns, *names]
        self._rewrite([[*row, *[""] * len(names)] for row in rows])

    def add(self, step: int, stage: int, values: Mapping[str, float]) -> None:
        """Write the values of a step to the table, and for TensorBoard."""
        row = {"images": step, "stage": stage, **values}
        if new := [name for name in row if name not in self._columns]:
            self._add_columns(new)
        csv.writer(self._file).writerow([row.get(name, "") for name in self._columns])
        with self._summaries.as_default():
            for name, value in {**values, "stage": float(stage)}.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step, self._kind)
        self._summaries.flush()


def _sample_pitches(pitch_counts: np.ndarray) -> np.ndarray:
    """Pitches at evenly spaced quantiles of the data's, MIDI numbers [SAMPLE_NOTES]."""
    shares = np.cumsum(pitch_counts) / np.sum(pitch_counts)
    wanted = (np.arange(SAMPLE_NOTES) + 0.5) / SAMPLE_NOTES
    return MIN_PITCH + np.searchsorted(shares, wanted)


def sample(trainer: Trainer, z: np.ndarray, pitches: np.ndarray, folder: Path) -> list[Path]:
    """Write samples of the averaged generator to IMAGES.wav, one note after another, and IMAGES.png."""
    data = GANSynth(trainer.average()).generate_data(z, pitches, batch_size=len(z))
    wave = spectral.data_to_waves(data, trainer.config).ravel()
    clip = audio.Audio(wave * np.float32(0.9 / max(np.abs(wave).max(), 1e-9)), trainer.config.sample_rate)
    path = folder / f"{trainer.global_step:08d}.wav"
    return [audio.write(clip, path), plot_data(data, path.with_suffix(".png"))]
