"""The command `python -m helpers.train`: train a model on your own notes.

    python -m helpers.train --tiny --data soundfont: --out outputs/tiny                    # a quick try on a laptop
    python -m helpers.train --data notes/ --out runs/mine                                  # a full-size model
    python -m helpers.train --data notes/ --out runs/fine --continue_from acoustic_only --images 11200000
    python -m helpers.train --data notes/ --out runs/mine --evaluate_every 100000          # with evaluations on the way
    python -m helpers.train --data notes/ --out runs/mine --strategy multi_worker          # on each of several hosts

It may be killed at any moment: the same command continues from the last checkpoint. On Ctrl-C and on SIGTERM, which job
queues send, it writes a checkpoint before it stops. The folder `--out` then contains:

    experiment.json, stage_000NN/   checkpoints in the published layout
    generator.npz                   the newest generator alone: `gansynth.load("runs/mine")`
    losses.csv, logs/               the curves, as a table and for TensorBoard
    samples/                        notes generated during training, as sound and as pictures
    evaluations/                    with --evaluate_every: results, for `python -m helpers.evaluate --compare`
    cache/                          the notes' spectrograms, unless --cache_dir is given

Notebook: 08_train.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import as_path
from .gansynth.config import Config
from .terminal import ended, program, say

if TYPE_CHECKING:
    from .gansynth import GANSynth
    from .gansynth.backend import tf
    from .training.dataset import Notes
    from .training.loop import Measuring
    from .training.trainer import Trainer

MIRRORED, MULTI_WORKER = "mirrored", "multi_worker"
SAVE_SECONDS = 600  # between checkpoints, as in the original
SAMPLE_EVERY = 10_000  # images
LOG_EVERY = 800  # images
TINY_SAMPLE_EVERY, TINY_LOG_EVERY = 400, 8
CACHE, EVALUATIONS = "cache", "evaluations"
EVALUATE_NOTES = 200  # a minute on two cores for a full-size model

# Notes of a quarter of a second with a sixteenth of the published model's pixels: an image takes 0.05 s on two cores.
# There are only some hundred steps, so batches are small, learning rates are higher than the published ones, and the
# moving averages decay faster. All blocks are there from the start, because pitch is visible only at the finest
# resolution, and training would end before that block had grown. The latent is short so that it does not drown out the
# pitch condition.
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
    """The command\'s arguments."""
    flags = argparse.ArgumentParser(prog=program("helpers.train"), description="Train GANSynth on your own notes.")
    size = flags.add_mutually_exclusive_group()
    size.add_argument("--config", metavar="FILE", help="an experiment.json; default: the published hyper-parameters")
    size.add_argument("--tiny", action="store_true", help="a small model whose losses fall within minutes")
    size.add_argument(
        "--continue_from",
        metavar="CHECKPOINT",
        help="start from this checkpoint: a published name or folder, or another run's --out",
    )
    flags.add_argument(
        "--data", required=True, help="a folder of notes, a .tfrecord, tfds:NAME or soundfont:[FILE.sf2]"
    )
    flags.add_argument("--out", required=True, help="output folder; a run that is already there is continued")
    flags.add_argument("--cache_dir", help="folder for the spectrograms (default OUT/cache)")
    flags.add_argument("--images", type=int, metavar="N", help="total number of images, including a continued run's")
    flags.add_argument("--batch_size", type=int, help="images per step (default from the hyper-parameters, 8)")
    flags.add_argument("--seed", type=int, help="random seed (default 0)")
    flags.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32", help="precision of the convolutions"
    )
    flags.add_argument(
        "--strategy",
        choices=(MIRRORED, MULTI_WORKER),
        help="split each batch among all GPUs of this machine, or among several machines given by TF_CONFIG, on each "
        "of which this command is started (docs/scale.md)",
    )
    flags.add_argument("--sample_every", type=int, metavar="N", help=f"images between samples (default {SAMPLE_EVERY})")
    flags.add_argument("--log_every", type=int, metavar="N", help=f"images between log entries (default {LOG_EVERY})")
    flags.add_argument("--evaluate_every", type=int, metavar="N", help="images between evaluations (default: none)")
    flags.add_argument("--reference", metavar="NOTES", help="notes for evaluations to compare with (default --data)")
    flags.add_argument(
        "--evaluate_notes",
        type=int,
        metavar="N",
        default=EVALUATE_NOTES,
        help="number of real and of generated notes in an evaluation (default %(default)s)",
    )
    flags.add_argument(
        "--save_seconds",
        type=float,
        default=SAVE_SECONDS,
        help="seconds between checkpoints; the first is written after a minute at most (default %(default)s)",
    )
    return flags


def run(args: argparse.Namespace) -> list[Path]:
    """Train as the flags specify and return the main output files."""
    for name in ("images", "batch_size", "sample_every", "log_every", "save_seconds", "evaluate_every"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise ValueError(f"--{name} is {value}; it must be above 0")
    if args.reference and not args.evaluate_every:
        raise ValueError("--reference is for evaluations during training, so it needs --evaluate_every")
    out = as_path(args.out)
    if args.strategy == MULTI_WORKER:
        return _run_with_others(args, out)
    from .training import loop

    with loop.alone(out):
        return _run(args, out)


def _run(args: argparse.Namespace, out: Path) -> list[Path]:
    from .training import dataset, loop
    from .training.trainer import Shuffled, Trainer, TrainingSettings

    origin, config = _origin(args, out)
    TrainingSettings.of(config)  # to report an invalid setting before the data are read
    measuring = _measuring(args, config, out)
    notes = dataset.open_data(args.data, config, args.cache_dir or out / CACHE)
    say(notes)
    options: dict[str, Any] = {"precision": args.precision, "strategy": _strategy(args.strategy)}
    if origin is None:
        trainer = Trainer(config, notes.pitch_counts, seed=args.seed or 0, **options)
    else:
        trainer = Trainer.restore(origin, notes.pitch_counts, seed=args.seed, config=config, **options)
    say(f"{trainer}, seed {trainer.seed}" + (f", from {origin}" if origin else ""))
    _check_unfinished(trainer, origin)
    return loop.train(trainer, Shuffled(notes, trainer.seed), out, *_every(args), args.save_seconds, measuring)


def _run_with_others(args: argparse.Namespace, out: Path) -> list[Path]:
    """Train as one of several processes (`training.hosts`). The chief's flags apply to all of them."""
    from .training import dataset, hosts, loop
    from .training.trainer import Shuffled, Trainer, TrainingSettings, check_shares

    here = hosts.place(os.environ)
    with contextlib.ExitStack() as held, hosts.in_a_sentence(here):
        if here.is_chief:
            held.enter_context(loop.alone(out))
        workers = hosts.join(here)
        plan = workers.from_chief(lambda: _plan(args, out))
        config = Config.from_dict(plan["experiment"])
        check_shares(config, TrainingSettings.of(config), workers.strategy.num_replicas_in_sync)
        measuring = workers.together(lambda: _measuring(args, config, out) if here.is_chief else None)
        notes = workers.chief_first(lambda: dataset.open_data(args.data, config, args.cache_dir or out / CACHE))
        workers.check_alike(_digest(notes), "notes")
        say(notes)
        trainer = Trainer(
            config,
            notes.pitch_counts,
            seed=plan["seed"],
            stage=plan["stage"],
            precision=plan["precision"],
            strategy=workers.strategy,
        )
        workers.together(lambda: trainer.read(plan["prefix"]) if here.is_chief and plan["prefix"] else None)
        workers.synchronize(trainer)
        say(f"{here}: {trainer}, seed {trainer.seed}" + (f", from {plan['origin']}" if plan["origin"] else ""))
        _check_unfinished(trainer, plan["origin"])
        batches = Shuffled(notes, trainer.seed, trainer.rows)
        if here.is_chief:
            return loop.train(trainer, batches, out, *_every(args), args.save_seconds, measuring, workers)
        loop.follow(trainer, batches, workers)
    return []


def _plan(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """The settings that all processes of a training share, as JSON values."""
    from .gansynth import checkpoint
    from .training.trainer import TrainingSettings, seed_of

    origin, config = _origin(args, out)
    TrainingSettings.of(config)
    seed, stage, prefix = args.seed, None, None
    if origin is not None:
        found, stage, prefix = checkpoint.find(origin)
        seed = seed_of(found) if seed is None else seed
    return {
        "experiment": config.to_dict(),
        "origin": None if origin is None else str(origin),
        "prefix": None if prefix is None else str(prefix),
        "stage": stage,
        "seed": seed or 0,
        "precision": args.precision,
    }


def _digest(notes: Notes) -> str:
    """A hash of the notes' names, pitches and order."""
    return hashlib.sha256(json.dumps([notes.names, notes.labels.tolist()]).encode()).hexdigest()


def _check_unfinished(trainer: Trainer, origin: Path | str | None) -> None:
    if trainer.finished:
        raise ValueError(f"{origin} has already seen {trainer.global_step:,} images; train longer with --images")


def _every(args: argparse.Namespace) -> tuple[int, int]:
    """Images between samples, and between rows of the curves."""
    sample_every = args.sample_every or (TINY_SAMPLE_EVERY if args.tiny else SAMPLE_EVERY)
    return sample_every, args.log_every or (TINY_LOG_EVERY if args.tiny else LOG_EVERY)


def _measuring(args: argparse.Namespace, config: Config, out: Path) -> Measuring | None:
    """Evaluations during training for `--evaluate_every`, each of which also writes a results file."""
    if not args.evaluate_every:
        return None
    from .evaluation import evaluating, results
    from .training import dataset
    from .training.loop import Measuring

    source = args.reference or args.data
    sounds = dataset.open_sounds(source, config, sources=dataset.TRAINED_SOURCES)
    evaluating.check_size(len(sounds), args.evaluate_notes, source)

    def measure(model: GANSynth, images: int) -> dict[str, float]:
        say(f"evaluating at {images:,} images ...")
        try:
            found = evaluating.evaluate(
                model,
                sounds,
                args.evaluate_notes,
                cache_dir=as_path(args.cache_dir or out / CACHE) / EVALUATIONS,
                named=source,
                progress=False,
            )
        except (ValueError, RuntimeError) as error:  # RuntimeError: Ctrl-C has ended the worker processes
            say(f"not evaluated at {images:,} images: {error}")
            return {}
        results.write(found, out / EVALUATIONS / f"{images:08d}.json")
        return {f"evaluation/{name}": score.value for name, score in found.scores[results.MODEL].items()}

    return Measuring(args.evaluate_every, measure)


def _origin(args: argparse.Namespace, out: Path) -> tuple[Path | None, Config]:
    """The folder of the checkpoint to continue from, or None, and the hyper-parameters to train with."""
    from .gansynth import checkpoint, hub

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
        origin = hub.locate(args.continue_from)
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
    """Raise a ValueError if the flags would change a run's hyper-parameters, other than its length and batch size."""
    names = {f.name for f in dataclasses.fields(Config)} - {"extra", "assumed", "total_num_images"}
    for name in sorted(names):
        old, new = getattr(saved, name), getattr(asked, name)
        if old != new:
            raise ValueError(f"{out} holds a run with {name} {old!r}, not {new!r}: use that, or choose another --out")


def _strategy(name: str | None) -> tf.distribute.Strategy | None:
    if name is None:
        return None
    from .gansynth.backend import tf

    return tf.distribute.MirroredStrategy()


def _report(args: argparse.Namespace) -> int:
    """Train, print the files written or that the training was stopped, and return the exit status."""
    from .training.loop import Stopped  # this imports TensorFlow, which --help need not wait for

    try:
        written = run(args)
    except Stopped as stopped:
        say(stopped, sys.stderr)
        return stopped.status
    for path in written:
        say(path)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; an error in the input is one line on standard error and exit status 1."""
    args = parser().parse_args(argv)
    return ended(lambda: _report(args))  # handles Ctrl-C before the first step, and a second Ctrl-C


if __name__ == "__main__":
    sys.exit(main())
