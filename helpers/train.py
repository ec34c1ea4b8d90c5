"""The command line: `python -m helpers.train`, which trains a model on your own notes.

    python -m helpers.train --tiny --data soundfont: --out outputs/tiny                    # a look at it, on a laptop
    python -m helpers.train --data notes/ --out runs/mine                                  # the published model's size
    python -m helpers.train --data notes/ --out runs/fine --continue_from acoustic_only --images 11200000

It may be killed at any moment: the same command goes on from the last checkpoint. Ctrl-C and SIGTERM, which job queues
send, let it write one first. What `--out` comes to hold:

    experiment.json, stage_000NN/   checkpoints in the published layout
    generator.npz                   the newest generator alone: `gansynth.load("runs/mine")`
    losses.csv, logs/               the curves, as a table and for TensorBoard
    samples/                        what the generator sounds and looks like on the way
    cache/                          the notes' spectrograms, unless --cache_dir says otherwise

Notebook: 08_train.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import dataclasses
import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from tqdm.auto import tqdm

from . import drawing
from .files import as_path, naming, replacing
from .gansynth.config import MIN_PITCH, Config
from .terminal import say

SAVE_SECONDS = 600  # between checkpoints, as in the original ...
FIRST_SAVE_SECONDS = 60  # ... and to the first one, so that little is lost while it is seen whether all is well
LOG_FILE_SECONDS = 30  # between lines of progress, where it is not shown on a terminal
# A bar without the time that is left: each stage is several times as slow as the one before.
WITHOUT_END = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}, {rate_fmt}{postfix}]"
SAMPLE_EVERY = 10_000  # images
LOG_EVERY = 800  # images
TINY_SAMPLE_EVERY, TINY_LOG_EVERY = 400, 8
SAMPLE_NOTES = 4
LOSSES, LOGS, SAMPLES, CACHE = "losses.csv", "logs", "samples", "cache"
LOCK = ".training.lock"

# Pictures: the channels of a spectrogram with their colours and range, and the curves of a training with their signs.
CHANNELS = (("log magnitude", "magma", -14, 6), ("instantaneous frequency", "twilight", -1, 1))
PLOTTED = {
    "distance: scores of real minus generated notes": {"distance": ("wasserstein", -1)},
    "pitch accuracy": {"real notes": ("real_pitch_accuracy", 1), "generated": ("fake_pitch_accuracy", 1)},
}
SMOOTHING = 20  # a curve is a running mean over this part of the run

# A quarter of a second with a sixteenth of the published model's pixels: an image takes 0.05 s on two cores. There are
# only some hundred steps, so batches are small, learning rates higher than the published ones, and the averages soon
# forget what was random. All blocks are there from the start: the pitch shows in the finest of them only, and training
# would be over before the last had grown. With few latent numbers the pitch is not drowned among them.
TINY = {
    "audio_length": 4096,
    "start_height": 2,
    "start_width": 64,
    "num_resolutions": 4,
    "fmap_base": 256,
    "fmap_max": 64,
    "latent_vector_size": 8,
    "batch_size_schedule": [4],
    "generator_learning_rate": 1e-2,
    "discriminator_learning_rate": 2e-3,
    "average_decay": 0.97,
    "train_progressive": False,
    "total_num_images": 5000,
}


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="python -m helpers.train", description="Train GANSynth on your own notes.")
    size = flags.add_mutually_exclusive_group()
    size.add_argument("--config", metavar="FILE", help="an experiment.json; by default the published models' numbers")
    size.add_argument("--tiny", action="store_true", help="a small model that shows falling losses within minutes")
    size.add_argument(
        "--continue_from", metavar="CHECKPOINT", help="a published folder or name, or another run's --out"
    )
    flags.add_argument(
        "--data", required=True, help="a folder of notes, a .tfrecord, tfds:NAME or soundfont:[FILE.sf2]"
    )
    flags.add_argument("--out", required=True, help="where everything goes; a run that is there already goes on")
    flags.add_argument("--cache_dir", help="where the spectrograms go (default OUT/cache)")
    flags.add_argument("--images", type=int, metavar="N", help="when to stop, counted from the very first image")
    flags.add_argument("--batch_size", type=int, help="images of a step (default as in the numbers, 8)")
    flags.add_argument("--seed", type=int, help="of everything random (default 0)")
    flags.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of the convolutions")
    flags.add_argument("--strategy", choices=("mirrored",), help="share each batch among all the GPUs")
    flags.add_argument("--sample_every", type=int, metavar="N", help=f"images between samples (default {SAMPLE_EVERY})")
    flags.add_argument("--log_every", type=int, metavar="N", help=f"images between log entries (default {LOG_EVERY})")
    flags.add_argument(
        "--save_seconds",
        type=float,
        default=SAVE_SECONDS,
        help="between checkpoints; the first is written after a minute at most (default %(default)s)",
    )
    return flags


def run(args: argparse.Namespace) -> list[Path]:
    """Do what the flags say and return the files worth looking at."""
    for name in ("images", "batch_size", "sample_every", "log_every", "save_seconds"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise ValueError(f"--{name} is {value}; it has to be above 0")
    out = as_path(args.out)
    with _alone(out):
        return _run(args, out)


def _run(args: argparse.Namespace, out: Path) -> list[Path]:
    from .gansynth import dataset, training

    origin, config = _origin(args, out)
    training.Settings.of(config)  # a wrong number is told before the data are read
    notes = dataset.open_data(args.data, config, args.cache_dir or out / CACHE)
    say(notes)
    options: dict[str, Any] = {"precision": args.precision, "strategy": _strategy(args.strategy)}
    if origin is None:
        trainer = training.Trainer(config, notes.pitch_counts, seed=args.seed or 0, **options)
    else:
        trainer = training.Trainer.restore(origin, notes.pitch_counts, seed=args.seed, config=config, **options)
    say(f"{trainer}, seed {trainer.seed}" + (f", from {origin}" if origin else ""))
    if trainer.finished:
        raise ValueError(f"{origin} has seen {trainer.global_step:,} images already; ask for more with --images")
    sample_every = args.sample_every or (TINY_SAMPLE_EVERY if args.tiny else SAMPLE_EVERY)
    log_every = args.log_every or (TINY_LOG_EVERY if args.tiny else LOG_EVERY)
    return train(trainer, training.Shuffled(notes, trainer.seed), out, sample_every, log_every, args.save_seconds)


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep other trainings out of a folder, in which they would overwrite each other's checkpoints and losses.

    The lock is the operating system's, so that it ends with the process that holds it, however that ends.

    Raises:
      BlockingIOError: another training is running there.
      OSError: the folder cannot be written to.
    """
    lock = filelock.FileLock(str(out / LOCK), timeout=0)
    with naming(out / LOCK):
        out.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise BlockingIOError(f"another training is running in {out}: end it, or choose another --out") from None
        except NotImplementedError:  # a file system without locks, such as a mounted Google Drive
            pass
    try:
        yield
    finally:
        lock.release()


class Stopped(Exception):
    """A training that was asked to end has saved what it had and ended."""

    def __init__(self, number: int, images: int):
        super().__init__(f"stopped and saved at {images:,} images; the same command goes on from there")
        self.status = 128 + number  # as a shell reports a signal


class Signals:
    """Remembers Ctrl-C or SIGTERM in `received` instead of ending, so that a step and a checkpoint are finished first.

    A second one ends at once. What handled them before does so again behind the block. Only the main thread may ask for
    signals; in another one nothing is received.
    """

    def __init__(self):
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, _) -> None:
        self.received = number
        self.__exit__()


def _origin(args: argparse.Namespace, out: Path) -> tuple[Path | None, Config]:
    """The folder of the checkpoint to go on from, if there is one, and the numbers to train with."""
    from . import checkpoints
    from .gansynth import checkpoint

    origin, asked = None, None
    if args.config:
        asked = Config.read(args.config)
    elif args.tiny:
        asked = Config.from_dict(TINY)
    if checkpoint.find_stage([path.name for path in out.glob("stage_*")]):
        origin, saved = out, checkpoint.find(out)[0]
        if asked is not None:
            _check_same(asked, saved, out)
        config = saved
    elif args.continue_from:
        origin = checkpoints.locate(args.continue_from)
        config = checkpoint.find(origin)[0]
    else:
        config = asked or Config()
    changes: dict[str, Any] = {}
    if args.images:
        changes["total_num_images"] = args.images
    if args.batch_size:
        changes["extra"] = {**config.extra, "batch_size_schedule": [args.batch_size]}
    return origin, dataclasses.replace(config, **changes)


def _check_same(asked: Config, saved: Config, out: Path) -> None:
    """A run goes on with the numbers it was begun with; how long it lasts and its batches may change."""
    names = {f.name for f in dataclasses.fields(Config)} - {"extra", "assumed", "total_num_images"}
    for name in sorted(names):
        old, new = getattr(saved, name), getattr(asked, name)
        if old != new:
            raise ValueError(f"{out} holds a run with {name} {old!r}, not {new!r}: choose another --out or its numbers")


def _strategy(name: str | None):
    if name is None:
        return None
    from .gansynth.backend import tf

    return tf.distribute.MirroredStrategy()


def train(trainer, batches: Callable, out: Path, sample_every: int, log_every: int, save_seconds: float) -> list[Path]:
    """Train until the end, with a progress bar; the arguments are those of the command line.

    A checkpoint is written after a minute, then every `save_seconds`, at the end of each stage, and when Ctrl-C or
    SIGTERM asks for an end.

    Args:
      trainer: a `training.Trainer`, changed in place.
      batches: (step, size) -> the notes that follow the first `step` and their labels, as `training.Shuffled`.

    Returns:
      The last generator and the last samples.

    Raises:
      Stopped: it was asked to end and has saved.
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
            if now // log_every > before // log_every:
                curves.add(now, trainer.stage, values)
            if now // sample_every > before // sample_every or trainer.finished:
                written = sample(trainer, z, pitches, out / SAMPLES)
            if signals.received and not trainer.finished:
                trainer.save(out)
                raise Stopped(signals.received, now)
            if time.monotonic() > save_at:
                trainer.save(out)
                save_at = time.monotonic() + save_seconds
        trainer.save(out)
    from .gansynth.checkpoint import COMPACT_NAME

    return [out / COMPACT_NAME, *written]


def _bar(trainer) -> tqdm:
    """A bar over all images; in a log file it has a line every half minute."""
    often = {} if sys.stderr.isatty() else {"mininterval": LOG_FILE_SECONDS, "maxinterval": LOG_FILE_SECONDS}
    return tqdm(total=trainer.config.total_num_images, initial=trainer.global_step, unit="image", **often)


def _is_last(trainer) -> bool:
    """Whether the images that follow take as long as those of now, so that the end can be foretold."""
    from .gansynth.training import last_stage

    return trainer.stage == last_stage(trainer.config)


class Ahead:
    """A source of batches that reads the next one while the networks are busy with this one."""

    def __init__(self, batches: Callable[[int, int], Any]):
        self._batches, self._pool = batches, ThreadPoolExecutor(1)
        self._next: tuple[tuple[int, int], Any] | None = None

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, step: int, size: int):
        key, future = self._next or (None, None)
        batch = future.result() if key == (step, size) else self._batches(step, size)
        following = (step + size, size)
        self._next = following, self._pool.submit(self._batches, *following)
        return batch


class Curves:
    """Losses as a table in a file and for TensorBoard. A run that goes on forgets what came after its checkpoint."""

    def __init__(self, out: Path, step: int):
        from .gansynth.backend import tf

        path, rows = out / LOSSES, []
        if path.is_file():
            with open(path, newline="", errors="replace") as file:
                rows = list(csv.reader(file))
        before = [row for row in rows[1:] if len(row) == len(rows[0]) and row[0].isdigit() and int(row[0]) <= step]
        with replacing(path) as partial, open(partial, "w", newline="") as file:
            csv.writer(file).writerows(rows[:1] + before)
        self._is_new = not rows
        self._file = open(path, "a", newline="", buffering=1)  # noqa: SIM115  closed on exit
        self._summaries = tf.summary.create_file_writer(str(out / LOGS))
        # What makes a number a curve in TensorBoard; `tf.summary.scalar` would need TensorBoard itself.
        self._kind = tf.compat.v1.SummaryMetadata()
        self._kind.plugin_data.plugin_name = "scalars"

    def __enter__(self) -> Curves:
        return self

    def __exit__(self, *_) -> None:
        self._file.close()
        self._summaries.close()

    def add(self, step: int, stage: int, values: Mapping[str, float]) -> None:
        from .gansynth.backend import tf

        table = csv.writer(self._file)
        if self._is_new:
            table.writerow(["images", "stage", *values])
            self._is_new = False
        table.writerow([step, stage, *values.values()])
        with self._summaries.as_default():
            for name, value in {**values, "stage": float(stage)}.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step, self._kind)
        self._summaries.flush()


def _sample_pitches(pitch_counts: np.ndarray) -> np.ndarray:
    """Pitches spread over those of the data, MIDI numbers [SAMPLE_NOTES]."""
    shares = np.cumsum(pitch_counts) / np.sum(pitch_counts)
    wanted = (np.arange(SAMPLE_NOTES) + 0.5) / SAMPLE_NOTES
    return MIN_PITCH + np.searchsorted(shares, wanted)


def sample(trainer, z: np.ndarray, pitches: np.ndarray, folder: Path) -> list[Path]:
    """Write what the averaged generator makes of these latents and pitches: IMAGES.wav, in a row, and IMAGES.png."""
    from . import audio
    from .gansynth import spectral
    from .gansynth.model import GANSynth

    data = GANSynth(trainer.average()).generate_data(z, pitches, batch_size=len(z))
    wave = spectral.data_to_waves(data, trainer.config).ravel()
    wave = wave * np.float32(0.9 / max(np.abs(wave).max(), 1e-9))
    path = folder / f"{trainer.global_step:08d}.wav"
    return [audio.write(audio.Audio(wave, trainer.config.sample_rate), path), plot_data(data, path.with_suffix(".png"))]


def plot_data(data: np.ndarray, path: Path) -> Path:
    """Draw spectrograms [n, frames, bins, 2] side by side: log magnitude above, instantaneous frequency below."""
    from matplotlib.figure import Figure

    with drawing.plain():
        figure = Figure(figsize=(2.5 * len(data), 6), layout="constrained")
        for channel, row in enumerate(figure.subplots(2, len(data), squeeze=False)):
            image = draw_row(data, row, channel)
            row[0].set_ylabel(CHANNELS[channel][0])
            figure.colorbar(image, ax=row)
        with replacing(path) as partial:
            figure.savefig(partial, dpi=80)
    return path


def draw_row(data: np.ndarray, axes: Sequence[Any], channel: int = 0):
    """Draw one channel of spectrograms [n, frames, bins, 2] into n axes, without ticks.

    Args:
      data: in data units, as of `GANSynth.generate_data` or `Notes.batch`.
      axes: a matplotlib axes for each.
      channel: 0 for log magnitude, 1 for instantaneous frequency. Colours mean the same in every picture.

    Returns:
      The last image, for a colour bar.
    """
    _, colours, low, high = CHANNELS[channel]
    how = {"origin": "lower", "aspect": "auto", "interpolation": "nearest", "cmap": colours, "vmin": low, "vmax": high}
    for ax, note in zip(axes, data, strict=True):
        image = ax.imshow(note[:, :, channel].T, **how)
        ax.set(xticks=[], yticks=[])
    return image


def plot_losses(history: Iterable[Mapping[str, Any]], axes: Sequence[Any] | None = None):
    """Draw the curves of a training: how far real and generated notes are told apart, and the pitch accuracy.

    Each curve is a running mean over a twentieth of the run so far; vertical lines are where a stage begins.

    Args:
      history: rows with "images", "stage" and what `Trainer.step` returns, such as those of a run's losses.csv:
        `plot_losses(csv.DictReader(open("runs/mine/losses.csv")))`.
      axes: two matplotlib axes, which are cleared first; new ones by default.

    Returns:
      The two axes.

    Raises:
      ValueError: there is no row.
    """
    rows = [{name: float(value) for name, value in row.items()} for row in history]
    if not rows:
        raise ValueError("there are no losses to draw yet")
    if axes is None:
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(1, 2, figsize=(11, 3), layout="constrained")
    images = [row["images"] for row in rows]
    begins = [after["images"] for before, after in itertools.pairwise(rows) if before["stage"] != after["stage"]]
    window = -(-len(rows) // SMOOTHING)
    for ax, (title, curves) in zip(axes, PLOTTED.items(), strict=True):
        ax.clear()
        for label, (name, sign) in curves.items():
            sums = np.cumsum([0.0] + [sign * row[name] for row in rows])
            ends = np.arange(1, len(rows) + 1)
            starts = np.maximum(ends - window, 0)
            ax.plot(images, (sums[ends] - sums[starts]) / (ends - starts), label=label)
        for begin in begins:
            ax.axvline(begin, color="0.85", linewidth=0.8, zorder=0)
        ax.set(xlabel="images", title=title)
        if len(curves) > 1:
            ax.legend(frameon=False)
    return axes


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; a user's mistake is one line on standard error and exit status 1."""
    args = parser().parse_args(argv)
    try:
        written = run(args)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        say(f"error: {error}", sys.stderr)
        return 1
    except Stopped as stopped:
        say(stopped, sys.stderr)
        return stopped.status
    except KeyboardInterrupt:  # before the first step, or a second time while the checkpoint was written
        say("stopped", sys.stderr)
        return 130
    for path in written:
        say(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
