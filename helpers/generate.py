"""Command line to render scores: `python -m helpers.generate`, with the flags of the original `gansynth_generate`.

    python -m helpers.generate --checkpoint demo --midi_file data/midi/bach_prelude.mid --output_dir outputs
    python -m helpers.generate --checkpoint demo --midi_file song.mid --instruments "Cello,Harp" --output song.mp3
    python -m helpers.generate --checkpoint demo --midi_file song.mid --each_track --drums synth --sample_rate 44100
    python -m helpers.generate --checkpoint demo --midi_file song.mid --each_track --stems out --midi_played played.mid
    python -m helpers.generate --ckpt_dir /models/acoustic_only --output_dir /tmp/notes      # random single notes
    python -m helpers.generate --checkpoint demo songs more/*.mid --output_dir outputs/songs --each_track --format mp3

Mistakes are reported before the first note is generated, as far as possible. An existing file is renamed with a number
and the new one takes its place, so that `generated_clip.wav` is always the latest clip, as scripts for the original
expect. In a run of many scores (`helpers.many`), those that are done are skipped.

Notebook: 04_generate, 07_songs.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from .files import as_path, numbered
from .gansynth.cache import BACKENDS
from .gansynth.config import MAX_PITCH, MIN_PITCH
from .gansynth.model import BATCH_SIZE, PRECISIONS
from .gansynth.processor import AUTO, best_precision
from .instruments import SECONDS_PER_INSTRUMENT, Instrument, Timeline, choose, is_file, load
from .many import FAILED, RESERVED, SUMMARY, Row, Run, Summary, players
from .render.types import CHOICES, DEFAULTS, Settings
from .tables import counted
from .terminal import INTERRUPTED, MISTAKE, ended, program, say

if TYPE_CHECKING:
    from .gansynth import GANSynth, NoteCache
    from .midi import Song
    from .scores import Score

# The original's defaults.
CKPT_DIR = "/tmp/gansynth/acoustic_only"
OUTPUT_DIR = "/tmp/gansynth/samples"
CLIP_NAME = "generated_clip.wav"
# Flags that do not apply to many scores, and alternatives for the error message.
ONE_CLIP = {
    "output": "for many, use --output_dir and --format",
    "midi_played": "for many, use render.reproduce and export.midi with the reports",
}
FORMATS = ("wav", "flac", "ogg", "mp3")
REPORT_SUFFIX = ".json"  # of the report next to the clip, for render.reproduce


def parser() -> argparse.ArgumentParser:
    """The command\'s arguments."""
    flags = argparse.ArgumentParser(prog=program("helpers.generate"), description="Render MIDI files with GANSynth.")
    model = flags.add_mutually_exclusive_group()
    model.add_argument("--ckpt_dir", default=CKPT_DIR, help="checkpoint folder or zip (default %(default)s)")
    model.add_argument(
        "--checkpoint", metavar="NAME", help="name of a checkpoint instead: demo, acoustic_only and others"
    )
    flags.add_argument("--output_dir", default=OUTPUT_DIR, help="folder for the audio (default %(default)s)")
    flags.add_argument(
        "scores",
        nargs="*",
        metavar="SCORE",
        help=f"many scores: files, folders and patterns. Each gets a clip and a report in --output_dir, and a row in "
        f"{SUMMARY} there; scores that are done are skipped",
    )
    flags.add_argument("--midi_file", default="", help="a single score; without one, --batch_size random notes")
    flags.add_argument(
        "--batch_size", type=int, help=f"notes generated at a time (default {BATCH_SIZE}, and more on a GPU)"
    )
    flags.add_argument(
        "--secs_per_instrument",
        type=float,
        default=SECONDS_PER_INSTRUMENT,
        help="seconds from one random instrument to the next (default %(default)s)",
    )
    flags.add_argument("--seed", type=int, help="seed of the random instruments (default: a new one, printed)")
    flags.add_argument("--faithful", action="store_true", help="reproduce the original's audio, including its quirks")
    ours = flags.add_argument_group("options that the original did not have (see helpers.render.render)")
    ours.add_argument(
        "--output", metavar="FILE", help="path of the clip: .wav, .flac, .ogg or .mp3, instead of --output_dir"
    )
    ours.add_argument("--format", choices=FORMATS, help=f"file format for many scores (default {FORMATS[0]})")
    ours.add_argument(
        "--overwrite",
        action="store_true",
        help="replace existing files instead of renaming them with a number; for many scores, also render those that "
        "are done",
    )
    ours.add_argument(
        "--instruments",
        metavar="FILE|NAMES",
        help='a file written by instruments.save, or names of the checkpoint\'s instruments ("Cello,Harp"). The song '
        "morphs from one to the next, with an equal share for each; with --each_track they are given to the tracks in "
        "turn. By default they are random",
    )
    ours.add_argument("--each_track", action="store_true", help="use an instrument for each track, not a timeline")
    for name, known in CHOICES.items():
        ours.add_argument(f"--{name}", choices=known, default=getattr(DEFAULTS, name), help="default %(default)s")
    ours.add_argument(
        "--sample_rate", type=int, metavar="HZ", help="16000, 22050, 44100 or 48000 (default: the model's)"
    )
    ours.add_argument(
        "--precision",
        choices=(*PRECISIONS, AUTO),
        default=PRECISIONS[0],
        help=f"default %(default)s; {AUTO}: bfloat16 if the processor supports it in hardware",
    )
    ours.add_argument(
        "--backend",
        choices=BACKENDS,
        default=BACKENDS[0],
        help="framework that computes the notes (default %(default)s). onnx starts faster; it uses onnxruntime on the "
        "CPU in float32, and must be installed with the extra of that name",
    )
    ours.add_argument(
        "--cache",
        action=argparse.BooleanOptionalAction,
        help="cache generated notes on disk, so that none is generated twice; for many scores, on by default if it "
        "saves time",
    )
    ours.add_argument("--loudness", type=float, metavar="LUFS", default=DEFAULTS.loudness, help="default %(default)s")
    ours.add_argument("--stems", metavar="FOLDER", help="also write a WAV file for each track; they add up to the clip")
    ours.add_argument("--midi_played", metavar="FILE", help="also write the score as it was played: .mid or .midi")
    engine = flags.add_argument_group("many scores in parallel, with dask.distributed (docs/scale.md)")
    where = engine.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, metavar="N", help="number of processes on this machine")
    where.add_argument("--scheduler", metavar="ADDRESS", help="address of a Dask cluster: tcp://HOST:PORT")
    engine.add_argument(
        "--threads", type=int, help="threads of TensorFlow in each process; by default the processes share the cores"
    )
    flags.add_argument("--tfds_data_dir", help="accepted for compatibility with old scripts; no dataset is needed")
    return flags


def run(args: argparse.Namespace) -> list[Path]:
    """Render one score, or random notes, and return the files written."""
    from . import audio, gansynth, midi, render, soundfont

    settings, clip_path = _checked(args)
    if args.drums == "synth":
        soundfont.player()
    seed = _new_seed() if args.seed is None else args.seed
    song = midi.load(args.midi_file) if args.midi_file else None
    cache = gansynth.NoteCache() if args.cache else None
    model = _load(args, cache)
    say(f"{model}, seed {seed}")
    if song is None:
        return random_notes(model, args.batch_size or BATCH_SIZE, seed, as_path(args.output_dir), args.overwrite)
    clip = render.render(
        model,
        song,
        _parts(args, model, song, seed),
        seed=seed,
        batch_size=args.batch_size,
        progress=sys.stderr.isatty(),
        **settings,
    )
    report_path = clip_path.with_suffix(REPORT_SUFFIX)
    written = [clip_path, report_path, *([as_path(args.midi_played)] if args.midi_played else [])]
    _make_room(written, args.overwrite)
    is_exact = args.faithful and audio.file_kind(clip_path) == "wav"  # 32-bit float, like the original's WAV file
    audio.write(clip, clip_path, "float" if is_exact else None)
    clip.report.save(report_path)
    say(clip.report)  # only after the clip is saved, in case printing fails
    if args.midi_played or args.stems:
        from . import export  # imported only if needed, because it is slow
    if args.midi_played:
        export.midi(clip, args.midi_played)
    if args.stems:
        written += export.stems(clip, args.stems, model, progress=sys.stderr.isatty())
    return written


def _load(args: argparse.Namespace, cache: NoteCache | None = None) -> GANSynth:
    """Load the model given by the flags. A precision of "auto" is replaced in `args` by the one chosen."""
    from . import gansynth

    if args.precision == AUTO:
        args.precision, why = best_precision(args.backend)
        say(f"precision {args.precision}: {why}")
    try:
        return gansynth.load(args.checkpoint or args.ckpt_dir, args.precision, cache, args.backend)
    except FileNotFoundError:
        if args.checkpoint or args.ckpt_dir != CKPT_DIR or Path(CKPT_DIR).exists():
            raise
        raise FileNotFoundError(
            f"no checkpoint at {CKPT_DIR}, the default of --ckpt_dir; to use the bundled one, give --checkpoint demo"
        ) from None


def _new_seed() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0])


def run_many(args: argparse.Namespace) -> tuple[Summary, str, int]:
    """Render many scores.

    Returns:
      The summary table, a sentence if the run ended early (otherwise ""), and the exit status.

    Raises:
      ValueError, OSError, ImportError: a mistake that is found before the first note is generated.
    """
    from . import gansynth, many, soundfont

    found, settings = _checked_many(args)
    folder = args.output_dir
    if args.drums == "synth":
        soundfont.player()
    threads = args.threads
    if threads is None and args.workers:
        threads = max(1, gansynth.cores() // args.workers)
    if threads is not None:
        gansynth.use_threads(threads)
    before = many.earlier(folder)
    seed = before.get("seed", _new_seed()) if args.seed is None else args.seed
    model = _load(args)
    chosen = tuple(choose(args.instruments, model)) if args.instruments else ()
    usual = before.get("shares", many.pays(model, chosen, args.each_track, len(found)))
    run = Run(
        settings=Settings(**settings),
        seed=seed,
        instruments=chosen,
        each_track=args.each_track,
        secs_per_instrument=args.secs_per_instrument,
        kind=args.format or FORMATS[0],
        batch_size=args.batch_size,
        stems=args.stems,
        shares=usual if args.cache is None else args.cache,
    )
    say(f"{model}, seed {seed}, {counted(len(found), 'score')}")
    many.save_manifest(folder, model, run, args.scores, _command(args, run))
    summary = Summary(folder)
    with contextlib.ExitStack() as stack:
        rows = _rows(args, model, found, run, threads, stack)
        return summary, *_followed(summary, rows, len(found))


def _rows(
    args: argparse.Namespace,
    model: GANSynth,
    found: Sequence[Score],
    run: Run,
    threads: int | None,
    stack: contextlib.ExitStack,
) -> Iterator[Row]:
    """The rows as they come, from this process or from workers, which are closed with the stack."""
    from . import many

    how: dict = {"again": args.overwrite, "progress": sys.stderr.isatty()}
    if not (args.workers or args.scheduler):
        model = many.sharing(model, run.instruments) if run.shares else model
        return many.render_many(model, found, args.output_dir, run, **how)
    from . import cluster

    client = stack.enter_context(cluster.workers(args.workers) if args.workers else cluster.scheduler(args.scheduler))
    return cluster.render_many(client, model, found, args.output_dir, run, threads=threads, **how)


def _followed(summary: Summary, rows: Iterator[Row], count: int) -> tuple[str, int]:
    """Add rows to the summary as they come and print the reason for each failure.

    Returns:
      A sentence if the run ended early (otherwise ""), and the exit status.
    """
    ended, status = "", MISTAKE
    try:
        for row in rows:
            summary.add(row)
            if row.result == FAILED:
                with tqdm.external_write_mode(sys.stderr):  # above the progress bar
                    say(_failure(row), sys.stderr)
    except KeyboardInterrupt:
        ended, status = "interrupted", INTERRUPTED
    except OSError as error:  # from writing a clip or the summary
        ended = str(error)
    with contextlib.suppress(OSError):  # a full disk, already reported; the summary is complete but not sorted
        summary.finish()
    if ended:
        left = counted(count - len(summary.rows), "score")
        return f"{ended}: {left} of {count:,} left; the same command continues from here", status
    return "", MISTAKE if all(row.result == FAILED for row in summary.rows) else 0


def _failure(row: Row) -> str:
    """The line about a score that failed, in which its name is not repeated if the reason begins with it."""
    name = f"{Path(row.score).name} "
    return f"{row.score} {row.why.removeprefix(name)}" if row.why.startswith(name) else f"{row.score}: {row.why}"


def _command(args: argparse.Namespace, run: Run) -> list[str]:
    """The command that repeats a run, with its seed, so that it gives the same in another folder too."""
    words = ["gansynth_generate", *(f"--{name}={value}" for name, value in _given(args)), f"--seed={run.seed}"]
    words += [f"--{name}" for name in ("faithful", "each_track") if getattr(args, name)]
    return [*words, "--cache" if run.shares else "--no-cache", "--", *args.scores]


def _given(args: argparse.Namespace) -> Iterator[tuple[str, object]]:
    """The flags of a run that differ from their defaults, as (name, value), except those in `_command`."""
    usual = parser().parse_args([])
    yield ("checkpoint", args.checkpoint) if args.checkpoint else ("ckpt_dir", args.ckpt_dir)
    ours = ("sample_rate", "precision", "backend", "loudness")
    for name in ("secs_per_instrument", "batch_size", "instruments", *CHOICES, *ours):
        if getattr(args, name) != getattr(usual, name):
            yield name, getattr(args, name)
    for name in ("format", "output_dir", "stems", "workers", "scheduler", "threads"):
        if getattr(args, name):
            yield name, getattr(args, name)


def _checked_many(args: argparse.Namespace) -> tuple[list[Score], dict]:
    """Check the flags for many scores as far as possible without a model; return the scores and the render settings."""
    from . import cluster, scores, stores

    if args.midi_file:
        raise ValueError("--midi_file is for a single score; give this one like the others, without the flag")
    for name, instead in ONE_CLIP.items():
        if getattr(args, name):
            raise ValueError(f"--{name} is for a single score, given with --midi_file; {instead}")
    if args.workers is not None:
        cluster.check_workers(args.workers, "--workers")
    if args.threads is not None and args.threads < 1:
        raise ValueError(f"--threads is {args.threads}; it must be 1 or more")
    settings = _checked_settings(args)
    folder = stores.open_store(args.output_dir).folder
    if folder is not None:
        _check_writable(folder)
    if args.stems:
        if args.scheduler:
            raise ValueError("--stems needs a folder on this machine, which the workers of --scheduler cannot reach")
        if stores.is_address(args.stems):
            raise ValueError(f"--stems is {args.stems}; it must be a folder on this machine")
        _check_writable(as_path(args.stems))
    return scores.find(args.scores, RESERVED), settings


def _checked(args: argparse.Namespace) -> tuple[dict, Path]:
    """Check the flags for a single score as far as possible without a model; return the settings and the clip's path.

    Raises:
      ValueError, OSError: a flag is out of range or conflicts with another, or the folder is not writable.
    """
    from . import audio, midi

    if not args.midi_file and (args.output or args.instruments or args.stems or args.midi_played):
        raise ValueError("--output, --instruments, --stems and --midi_played need a score, given with --midi_file")
    if args.format:
        raise ValueError("--format is for many scores; for one, the ending of --output determines the format")
    if args.workers or args.scheduler or args.threads:
        raise ValueError("--workers, --scheduler and --threads are for many scores, given without --midi_file")
    settings = _checked_settings(args)
    path = as_path(args.output) if args.output else as_path(args.output_dir) / CLIP_NAME
    audio.file_kind(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; --output must be a file")
    _check_writable(path.parent)
    if args.midi_played:
        if as_path(args.midi_played).suffix.lower() not in midi.SUFFIXES:
            raise ValueError(f"--midi_played is {args.midi_played!r}; it must end in {' or '.join(midi.SUFFIXES)}")
        _check_writable(as_path(args.midi_played).parent)
    if args.stems:
        _check_writable(as_path(args.stems))
    return settings, path


def _checked_settings(args: argparse.Namespace) -> dict:
    """Check the flags common to one and many scores; return the settings of `render`."""
    if args.batch_size is not None and args.batch_size < 1:
        raise ValueError(f"--batch_size is {args.batch_size}; it must be 1 or more")
    if not 0 < args.secs_per_instrument < float("inf"):
        raise ValueError(f"--secs_per_instrument is {args.secs_per_instrument}; it must be above 0")
    if args.seed is not None and not 0 <= args.seed < 2**32:
        raise ValueError(f"--seed is {args.seed}; it must be between 0 and {2**32 - 1}")
    if args.faithful and args.instruments:
        raise ValueError("--faithful plays random instruments, as the original does, so leave out --instruments")
    settings = {name: getattr(args, name) for name in (*CHOICES, "sample_rate", "loudness", "faithful")}
    try:
        Settings(**settings)
    except ValueError as error:  # begins with the name of a setting, which is also that of its flag
        raise ValueError(f"--{error}".replace("faithful=True", "faithful")) from None
    if args.instruments and is_file(args.instruments):
        load(args.instruments)
    return settings


def _check_writable(folder: Path) -> None:
    """Raise an OSError if no file can be written to a folder, which need not exist yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"nothing can be written to {folder}: {there} is a file")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise OSError(f"nothing can be written to {folder}: {error.strerror}") from None


def _parts(
    args: argparse.Namespace, model: GANSynth, song: Song, seed: int
) -> Timeline | dict[str | int, Instrument] | None:
    """The `parts` for `render`."""
    chosen = choose(args.instruments, model) if args.instruments else ()
    return players(model, song, seed, chosen, args.each_track, args.secs_per_instrument, args.faithful)


def _make_room(paths: Sequence[Path], overwrite: bool) -> None:
    """Rename those of the given files that exist, all with the same number, unless they may be overwritten."""
    there = [path for path in paths if path.exists()]
    if overwrite or not there:
        return
    families = zip(*(itertools.islice(numbered(path), 1, None) for path in there), strict=True)
    free = next(family for family in families if not any(path.exists() for path in family))
    for path, kept in zip(there, free, strict=True):
        path.rename(kept)
        say(f"the existing {path} was renamed to {kept.name}")


def random_notes(model: GANSynth, n: int, seed: int, folder: Path, overwrite: bool = False) -> list[Path]:
    """Write n notes of random instruments and pitches as generated_0.wav, …, at the level of the model's output.

    The original draws pitches by their frequency in the training set; here each is equally likely.
    """
    from . import audio

    pitches = np.random.RandomState(seed).randint(MIN_PITCH, MAX_PITCH + 1, n)
    waves = model.generate(model.sample_z(n, seed), pitches, progress=sys.stderr.isatty())
    paths = [folder / f"generated_{i}.wav" for i in range(n)]
    _make_room(paths, overwrite)
    for path, wave in zip(paths, waves, strict=True):  # samples may exceed full scale, which only "float" can store
        audio.write(audio.Audio(wave, model.sample_rate), path, encoding="float")
    return paths


def _report(args: argparse.Namespace) -> int:
    """Render, print the files written, and return the exit status."""
    began = time.monotonic()
    written: list[Path] = []
    if args.scores:
        summary, stopped, status = run_many(args)
    else:
        written = run(args)
    for path in written:
        say(path)
    if args.scores:
        say(f"{summary}: {summary.path}")
        if stopped:
            say(f"error: {stopped}", sys.stderr)
        if status:
            return status
    say(f"done in {time.monotonic() - began:.1f} s")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point. Errors of the user are reported in one line on standard error, with exit status 1."""
    args = parser().parse_args(argv)
    return ended(lambda: _report(args))


if __name__ == "__main__":
    sys.exit(main())
