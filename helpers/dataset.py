"""The command `python -m helpers.dataset`: write notes of a model as a data set with NSynth's names and fields.

    python -m helpers.dataset --checkpoint demo --output_dir notes          # all its named instruments, all pitches
    python -m helpers.dataset --checkpoint demo --random 200 --seed 7 --velocities 100 --format flac --output_dir notes
    python -m helpers.dataset --instruments mine.json --pitches 36-84 --format tfrecord --output_dir notes --workers 2
    python -m helpers.train --data notes/nsynth-train --out runs/mine       # train on it

The folder `--output_dir` then contains:

    nsynth-train/, nsynth-valid/, nsynth-test/   each instrument is in only one of them
      audio/guitar_acoustic_017-060-100.flac     a whole note, named by instrument, pitch and velocity
      examples.json                              NSynth's fields of each note
      nsynth-train.tfrecord-00017-of-00107       with --format tfrecord: both, in one file for each instrument
    instruments.json                             the latents; an instrument's number is its index here, from 0
    manifest.json                                model, settings, versions, and the command to repeat the run
    parts/                                       what has been completed, so that an interrupted run can be resumed

Notes are complete notes of the model, not shaped as in a song. The model has no velocity input: each note is generated
once and scaled by (velocity / 127) to the power of 2, as in `render`. Soft timbres of a checkpoint, such as the demo's
"Cello, soft", are separate instruments. The loudest note of each instrument has a peak of 0.9 at velocity 127.

The family is the one in the checkpoint or, if it has none, the guess of `timbre.families`. Qualities are unknown and
all 0. The source is that of --source for all notes.

Source: Engel et al. 2017 (NSynth), https://magenta.tensorflow.org/datasets/nsynth. Notebook: 08_train.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field
from tqdm.auto import tqdm

from . import __version__, audio, instruments, jsonfile, many
from .audio import Audio
from .errors import one_line
from .files import is_full, replacing
from .gansynth.config import MAX_PITCH, MIN_PITCH
from .gansynth.model import PRECISIONS
from .instruments import Instrument
from .limits import MAX_SET_INSTRUMENTS, MAX_SET_NOTES
from .many import Full
from .render.types import DEFAULTS
from .stores import Store, open_store
from .tables import counted
from .terminal import INTERRUPTED, MISTAKE, ended, program, say
from .training.dataset import FAMILIES, SOURCES

if TYPE_CHECKING:
    from distributed import Client

    from .cluster import Loaded
    from .gansynth import GANSynth
    from .gansynth.backend import tf

WAV, FLAC, TFRECORD = "wav", "flac", "tfrecord"
FORMATS = (WAV, FLAC, TFRECORD)
SPLITS = ("train", "valid", "test")
VALID_SHARE, TEST_SHARE = 0.1, 0.1  # of the instruments
VELOCITIES = (25, 50, 75, 100, 127)  # NSynth's velocities
QUALITIES = 10  # number of NSynth's note qualities
PEAK = 0.9  # of each instrument's loudest note, as for notes from a soundfont
SILENCE = 1e-6  # a peak below this is silent
LOUDEST = 127
UNCLASSIFIED = "synth_lead"  # family of instruments that are too short or too soft to classify
EXAMPLES, MANIFEST, INSTRUMENTS, PARTS = "examples.json", "manifest.json", "instruments.json", "parts"
MAX_PART_BYTES = 64 << 20
# Bytes of a note in addition to its samples: its fields in two files, headers, and unused space in a disk block.
OVERHEAD_BYTES = {WAV: 6_000, FLAC: 6_000, TFRECORD: 2_000}
BYTES_PER_SAMPLE = {WAV: 2, FLAC: 2, TFRECORD: 4}  # at most: FLAC takes less, depending on the sound
MADE, KEPT = "made", "kept"
CALLED = {"kind": "format", "fingerprint": "checkpoint", "digest": "choice of instruments"}  # names in messages


@dataclasses.dataclass(frozen=True)
class DatasetSettings:
    """The settings that all instruments of a data set share.

    Attributes:
      pitches: MIDI numbers.
      velocities: MIDI velocities, 1 to 127.
      kind: format of the files: "wav", "flac" or "tfrecord".
      source: the notes' instrument source, one of NSynth's.
    """

    pitches: tuple[int, ...]
    velocities: tuple[int, ...] = VELOCITIES
    kind: str = WAV
    source: str = SOURCES[0]

    def __post_init__(self) -> None:
        for name, low, high in (("pitches", MIN_PITCH, MAX_PITCH), ("velocities", 1, LOUDEST)):
            numbers = getattr(self, name)
            if not numbers or not all(low <= number <= high for number in numbers):
                raise ValueError(f"{name} must be whole numbers from {low} to {high}")
            if len(set(numbers)) < len(numbers):
                raise ValueError(f"{name} has a number twice")
        for name, known in (("kind", FORMATS), ("source", SOURCES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected {', '.join(known)}")

    @property
    def notes(self) -> int:
        """Number of notes of one instrument."""
        return len(self.pitches) * len(self.velocities)


@dataclasses.dataclass(frozen=True)
class Job:
    """One instrument of a data set.

    Attributes:
      number: its index in the set, from 0.
      instrument: the instrument.
      family: its NSynth family, if known.
      split: "train", "valid" or "test".
      place: its index in the split, from 0.
      of: number of instruments in the split.
    """

    number: int
    instrument: Instrument
    family: str | None
    split: str
    place: int
    of: int

    @property
    def part(self) -> str:
        """The file that is written when the instrument is complete."""
        return f"{PARTS}/{self.number:05d}.json"


class PartRecord(jsonfile.Row):
    """The contents of `Job.part`: a hash of everything that the notes depend on, and the notes' fields by name.

    Attributes:
      key: hash of everything that the notes depend on.
      notes: fields of each note, by its name.
    """

    key: jsonfile.Text
    notes: Annotated[dict[jsonfile.Text, dict[str, Any]], Field(min_length=1)]


def jobs_of(
    model: GANSynth,
    chosen: Sequence[Instrument],
    seed: int,
    valid_share: float = VALID_SHARE,
    test_share: float = TEST_SHARE,
) -> list[Job]:
    """Assign each instrument a number, its family if the checkpoint gives one, and a random split.

    Args:
      model: the model.
      chosen: the instruments, in order.
      seed: seed of the splits.
      valid_share, test_share: shares of the instruments; if above 0, at least one instrument each.

    Raises:
      ValueError: the shares are out of range, or leave no instruments for training.
    """
    if not (valid_share >= 0 and test_share >= 0 and valid_share + test_share < 1):
        raise ValueError("the shares of valid and test must be 0 or more, and together below 1")
    valid, test = (max(1, round(share * len(chosen))) if share > 0 else 0 for share in (valid_share, test_share))
    if valid + test >= len(chosen):
        raise ValueError(
            f"of {counted(len(chosen), 'instrument')}, {valid} would be for validation, {test} for testing and none "
            "for training; take more, or set --valid_share and --test_share to 0"
        )
    sizes = {SPLITS[0]: len(chosen) - valid - test, SPLITS[1]: valid, SPLITS[2]: test}
    drawn = np.random.RandomState(seed).permutation([split for split, size in sizes.items() for _ in range(size)])
    families = {np.asarray(row["z"]).tobytes(): row.get("family") for row in model.about.get("instruments", [])}
    places = dict.fromkeys(SPLITS, 0)
    jobs = []
    for number, (instrument, split) in enumerate(zip(chosen, drawn.tolist(), strict=True)):
        family = families.get(instrument.z.tobytes())
        known = family if family in FAMILIES else None
        jobs.append(Job(number, instrument, known, split, places[split], sizes[split]))
        places[split] += 1
    return jobs


def cost(model: GANSynth, settings: DatasetSettings, count: int) -> tuple[int, float, int]:
    """Number of notes, hours of audio and the most bytes of a set with `count` instruments."""
    notes = count * settings.notes
    samples = round(model.max_duration * model.sample_rate)
    size = notes * (samples * BYTES_PER_SAMPLE[settings.kind] + OVERHEAD_BYTES[settings.kind])
    return notes, notes * model.max_duration / 3600, size


# ---- One instrument --------------------------------------------------------------------------------------------------


def key_of(model: GANSynth, settings: DatasetSettings, job: Job) -> str:
    """A hash of everything that the notes of an instrument depend on."""
    made_by = {
        "version": __version__,
        "fingerprint": model.fingerprint,
        "precision": model.precision,
        **dataclasses.asdict(settings),
        "number": [job.number, job.split, job.place, job.of, job.family],
        "z": job.instrument.z.tolist(),
    }
    return hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()[:40]


def kept(model: GANSynth, settings: DatasetSettings, job: Job, store: Store) -> PartRecord | None:
    """The result of an earlier run for an instrument, if this run would give the same; else None."""
    try:
        text = store.head(job.part, MAX_PART_BYTES).decode("utf-8")
        part = jsonfile.checked(jsonfile.parse(text), PartRecord)
    except (OSError, ValueError):
        return None
    if part.key != key_of(model, settings, job):
        return None
    if store.folder is None:  # checking for each remote file would take longer than generating the notes again
        return part
    files = (
        [_shard(job)] if settings.kind == TFRECORD else [_sound(job.split, name, settings.kind) for name in part.notes]
    )
    return part if all(map(store.exists, files)) else None


def make(model: GANSynth, settings: DatasetSettings, job: Job, store: Store) -> None:
    """Generate and write all notes of an instrument, then its part, which marks it as complete.

    Args:
      model: the model.
      settings: settings of the data set.
      job: the instrument.
      store: the set's folder.

    Raises:
      ValueError: the model generates samples that are not finite.
      OSError: a file cannot be written.
    """
    z, pitches = np.asarray(job.instrument.z), np.array(settings.pitches)
    waves = _waves(model, z, pitches)
    if not np.isfinite(waves).all():
        raise ValueError(f"{job.instrument.name}: the model generates samples that are not finite")
    waves *= np.float32(PEAK / max(float(np.abs(waves).max()), SILENCE))
    family = job.family or _family(model, job.instrument)
    keys = [(pitch, velocity) for pitch in settings.pitches for velocity in settings.velocities]
    notes = [_fields(model, settings, job, family, *key, place) for place, key in enumerate(keys)]
    sounds = (_struck(wave, velocity) for wave in waves for velocity in settings.velocities)
    if settings.kind == TFRECORD:
        _write_records(store, _shard(job), notes, sounds)
    else:
        for note, samples in zip(notes, sounds, strict=True):
            with store.writing(_sound(job.split, note["note_str"], settings.kind)) as path:
                audio.write(Audio(samples, model.sample_rate), path)
    by_name = {note["note_str"]: note for note in notes}
    _write_json(store, job.part, {"key": key_of(model, settings, job), "notes": by_name})


def _struck(wave: np.ndarray, velocity: int) -> np.ndarray:
    """A note scaled for a velocity."""
    return wave * np.float32((velocity / LOUDEST) ** DEFAULTS.velocity)


def _waves(model: GANSynth, z: np.ndarray, pitches: np.ndarray) -> np.ndarray:
    """A note at each pitch, float32 [pitches, samples], whole batches at a time."""
    size = model.batch_size
    parts = [model.generate(z, pitches[i : i + size], progress=False) for i in range(0, len(pitches), size)]
    return np.concatenate(parts)


def _family(model: GANSynth, instrument: Instrument) -> str:
    """The family of an instrument according to the classifier."""
    from .timbre import atlases, families
    from .timbre.descriptors import MIN_SECONDS

    if model.max_duration < MIN_SECONDS:
        return UNCLASSIFIED
    described = atlases.describe(model, [instrument], progress=False)
    if np.isnan(described).all():
        return UNCLASSIFIED
    return families.FAMILIES[int(families.probabilities(described)[0].argmax())]


def _fields(
    model: GANSynth, settings: DatasetSettings, job: Job, family: str, pitch: int, velocity: int, place: int
) -> dict[str, Any]:
    """NSynth's fields of one note; `place` is its index among its instrument's notes."""
    name = f"{family}_{settings.source}_{job.number:03d}"
    return {
        "note": job.number * settings.notes + place,
        "note_str": f"{name}-{pitch:03d}-{velocity:03d}",
        "instrument": job.number,
        "instrument_str": name,
        "pitch": pitch,
        "velocity": velocity,
        "sample_rate": model.sample_rate,
        "qualities": [0] * QUALITIES,
        "qualities_str": [],
        "instrument_family": FAMILIES.index(family),
        "instrument_family_str": family,
        "instrument_source": SOURCES.index(settings.source),
        "instrument_source_str": settings.source,
    }


def _folder(split: str) -> str:
    return f"nsynth-{split}"


def _sound(split: str, name: str, kind: str) -> str:
    return f"{_folder(split)}/audio/{name}.{kind}"


def _shard(job: Job) -> str:
    return f"{_folder(job.split)}/{_folder(job.split)}.tfrecord-{job.place:05d}-of-{job.of:05d}"


def _write_json(store: Store, name: str, values: Any) -> None:
    with store.writing(name) as path, replacing(path) as partial:
        partial.write_bytes(json.dumps(values, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def _write_records(store: Store, name: str, notes: Sequence[Mapping[str, Any]], sounds: Iterable[np.ndarray]) -> None:
    """Write notes as in NSynth's tfrecord, one `tf.train.Example` for each."""
    from .gansynth.backend import tf

    with store.writing(name) as path, replacing(path) as partial:
        try:
            with tf.io.TFRecordWriter(str(partial)) as writer:
                for note, samples in zip(notes, sounds, strict=True):
                    features = {key: _feature(tf, value) for key, value in note.items()}
                    features["audio"] = tf.train.Feature(float_list=tf.train.FloatList(value=samples.tolist()))
                    example = tf.train.Example(features=tf.train.Features(feature=features))
                    writer.write(example.SerializeToString())
        except tf.errors.OpError as error:  # TensorFlow's own exception, for example on a full disk
            raise OSError(f"{path} cannot be written: {one_line(error.message)}") from None


def _feature(tensorflow: Any, value: Any) -> tf.train.Feature:
    values = value if isinstance(value, list) else [value]
    if isinstance(value, str) or value == []:
        texts = [text.encode() for text in values]
        return tensorflow.train.Feature(bytes_list=tensorflow.train.BytesList(value=texts))
    return tensorflow.train.Feature(int64_list=tensorflow.train.Int64List(value=values))


# ---- All instruments -------------------------------------------------------------------------------------------------


def make_all(
    model: GANSynth, settings: DatasetSettings, jobs: Sequence[Job], store: Store, progress: bool = True
) -> Iterator[tuple[Job, str, str]]:
    """Write the instruments of a set one after another in this process.

    Yields:
      (job, outcome: "made", "kept" or "failed", reason for a failure) for each instrument.

    Raises:
      many.Full: the disk is full. Completed instruments are kept.
    """
    with _bar(jobs, progress) as bar:
        for job in jobs:
            if kept(model, settings, job, store):
                yield _done(bar, job, KEPT)
                continue
            try:
                make(model, settings, job, store)
            except (ValueError, OSError) as error:
                if isinstance(error, OSError) and is_full(error):
                    raise Full(error.errno, str(error)) from None
                yield _done(bar, job, many.FAILED, one_line(error))
            else:
                yield _done(bar, job, MADE)


def _bar(jobs: Sequence[Job], progress: bool) -> tqdm:
    # Without smoothing, the remaining time is estimated from the whole run, not from the last instruments.
    return tqdm(total=len(jobs), desc="make", unit="instrument", smoothing=0, disable=not progress)


def _done(bar: tqdm, job: Job, result: str, why: str = "") -> tuple[Job, str, str]:
    if result == KEPT:  # not counted, because it took no time and would distort the remaining time
        bar.total = (bar.total or 1) - 1
        bar.refresh()
    else:
        bar.update(1)
    return job, result, why


def finish(settings: DatasetSettings, jobs: Iterable[Job], store: Store) -> list[str]:
    """Write each split's `examples.json`, from the parts of the completed instruments.

    Returns:
      The folders of the splits, which `training.dataset` reads, by their names in the store.
    """
    examples: dict[str, dict[str, Any]] = {}
    for job in jobs:
        notes = examples.setdefault(job.split, {})
        with contextlib.suppress(OSError, ValueError):  # the instrument failed
            part = jsonfile.checked(jsonfile.parse(store.head(job.part, MAX_PART_BYTES).decode("utf-8")), PartRecord)
            notes.update(part.notes)
    for split, notes in examples.items():
        if settings.kind != TFRECORD:
            _write_json(store, f"{_folder(split)}/{EXAMPLES}", notes)
    return [_folder(split) for split in SPLITS if split in examples]


class _Earlier(jsonfile.Row):
    set: dict[str, Any]


def begin(
    model: GANSynth, settings: DatasetSettings, jobs: Sequence[Job], store: Store, seed: int, command: Sequence[str]
) -> None:
    """Write the manifest of a set and its instruments.

    Raises:
      ValueError: the folder contains another set.
      OSError: the files cannot be written.
    """
    who = [[job.instrument.name, job.instrument.z.tolist(), job.split] for job in jobs]
    about = {
        **{
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(settings).items()
        },
        "precision": model.precision,
        "seed": seed,
        "instruments": len(jobs),
        "splits": {split: sum(job.split == split for job in jobs) for split in SPLITS},
        "fingerprint": model.fingerprint,
        "digest": hashlib.sha256(json.dumps(who).encode()).hexdigest(),
    }
    _check_place(store, about)
    manifest = {
        "made_by": f"gansynth-suite {__version__}",
        "command": list(command),
        "model": {name: getattr(model, name) for name in ("name", "source", "fingerprint", "precision")},
        "versions": many.versions(),
        "velocity": f"changes the level of a note, by (velocity / {LOUDEST}) ^ {DEFAULTS.velocity:g}, and nothing else",
        "set": about,
    }
    _write_json(store, MANIFEST, manifest)  # first, because a folder without it is not recognised as a set
    with store.writing(INSTRUMENTS) as path:
        instruments.save([job.instrument for job in jobs], path)


def _check_place(store: Store, about: Mapping[str, Any]) -> None:
    """Check that a folder has no set yet, or contains this one.

    Raises:
      ValueError: it contains another set, or other files with these names.
    """
    if not store.exists(MANIFEST):
        if store.exists(INSTRUMENTS):
            raise ValueError(
                f"{store.place} has an {INSTRUMENTS} that is not from a data set: use another --output_dir"
            )
        return
    try:
        text = store.head(MANIFEST, MAX_PART_BYTES).decode("utf-8")
        earlier = jsonfile.checked(jsonfile.parse(text), _Earlier).set
    except (OSError, ValueError):
        raise ValueError(
            f"{store.place} has a {MANIFEST} that is not from a data set: use another --output_dir"
        ) from None
    if differs := [CALLED.get(key, key) for key in about if earlier.get(key) != about[key]]:
        raise ValueError(
            f"{store.place} contains another data set (different: {', '.join(differs)}): use another --output_dir"
        )


# ---- The command line ------------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """The command\'s arguments."""
    flags = argparse.ArgumentParser(
        prog=program("helpers.dataset"),
        description="Write notes of a model as a data set with NSynth's names and fields.",
    )
    flags.add_argument(
        "--checkpoint",
        metavar="NAME",
        default="demo",
        help="a checkpoint's name, or its folder, zip or .npz (default %(default)s)",
    )
    flags.add_argument("--output_dir", required=True, help="output folder; an interrupted set there is continued")
    flags.add_argument(
        "--instruments",
        metavar="FILE|NAMES",
        help="a file of instruments.save, or names of the checkpoint's instruments; by default all that have names",
    )
    flags.add_argument("--random", type=int, metavar="N", help="number of random instruments, besides --instruments")
    flags.add_argument("--seed", type=int, default=0, help="seed of random instruments and of the splits (default 0)")
    flags.add_argument(
        "--pitches",
        default=f"{MIN_PITCH}-{MAX_PITCH}",
        help="MIDI numbers, such as 36,40,48-60 (default %(default)s)",
    )
    flags.add_argument(
        "--velocities", default=",".join(map(str, VELOCITIES)), help="MIDI velocities (default %(default)s)"
    )
    flags.add_argument("--format", choices=FORMATS, default=WAV, help="format of the notes (default %(default)s)")
    flags.add_argument(
        "--source", choices=SOURCES, default=SOURCES[0],
        help="NSynth's instrument source to give the notes. Training uses only acoustic notes, as GANSynth's did "
        "(default %(default)s)",
    )  # fmt: skip
    for split, share in (("valid", VALID_SHARE), ("test", TEST_SHARE)):
        flags.add_argument(
            f"--{split}_share", type=float, default=share, help="share of the instruments (default %(default)s)"
        )
    flags.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="precision of the convolutions (default %(default)s)",
    )
    engine = flags.add_argument_group("several processes, with dask.distributed (docs/scale.md)")
    where = engine.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, metavar="N", help="number of processes on this machine")
    where.add_argument("--scheduler", metavar="ADDRESS", help="scheduler of a Dask cluster, tcp://HOST:PORT")
    engine.add_argument(
        "--threads", type=int, help="TensorFlow's threads in each process; by default the cores are divided among them"
    )
    return flags


def numbers_of(text: str, name: str) -> tuple[int, ...]:
    """Parse a list of whole numbers and ranges.

    Args:
      text: the list, such as "36,40,48-60".
      name: name of the argument in messages.

    Raises:
      ValueError: the text is not such a list.

    >>> from helpers import dataset
    >>> dataset.numbers_of("36, 40,48-51", "pitches")
    (36, 40, 48, 49, 50, 51)
    """
    numbers: list[int] = []
    for word in text.split(","):
        first, dash, last = (piece.strip() for piece in word.partition("-"))
        ends = (first, last) if dash else (first, first)
        if not all(end.isascii() and end.isdigit() and len(end) <= 3 for end in ends):
            raise ValueError(f"{name} is {text!r:.100}; expected numbers such as 36,40,48-60")
        if int(ends[0]) > int(ends[1]):
            raise ValueError(f"{name} is {text!r:.100}; the range {word.strip()} is in descending order")
        numbers += range(int(ends[0]), int(ends[1]) + 1)
    return tuple(numbers)


def run(args: argparse.Namespace) -> int:
    """Run as the flags specify and return the exit status."""
    from . import cluster, gansynth

    pitches, velocities = numbers_of(args.pitches, "--pitches"), numbers_of(args.velocities, "--velocities")
    try:
        settings = DatasetSettings(pitches, velocities, args.format, args.source)
    except ValueError as error:  # begins with the name of a setting, which is also that of its flag
        raise ValueError(f"--{error}") from None
    if args.workers is not None:
        cluster.check_workers(args.workers, "--workers")
    for name in ("random", "threads"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise ValueError(f"--{name} is {getattr(args, name)}; it must be 1 or more")
    if not 0 <= args.seed < 2**32:
        raise ValueError(f"--seed is {args.seed}; it must be between 0 and {2**32 - 1}")
    threads = args.threads
    if threads is None and args.workers:
        threads = max(1, gansynth.cores() // args.workers)
    if threads is not None:
        gansynth.use_threads(threads)
    model, store = gansynth.load(args.checkpoint, args.precision), open_store(args.output_dir)
    jobs = jobs_of(model, _chosen(args, model), args.seed, args.valid_share, args.test_share)
    _check_cost(model, settings, jobs, store)
    begin(model, settings, jobs, store, args.seed, _command(args))
    failures = 0
    try:
        with contextlib.ExitStack() as stack:
            for job, result, why in _outcomes(args, model, settings, jobs, store, threads, stack):
                if result == many.FAILED:
                    failures += 1
                    with tqdm.external_write_mode(sys.stderr):
                        say(f"{job.instrument.name}: {why}", sys.stderr)
    except (KeyboardInterrupt, OSError) as error:
        stopped = "it was interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        say(f"error: {stopped}; the same command continues from here", sys.stderr)
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else MISTAKE
    for name in finish(settings, jobs, store):
        say(f"{store.place.rstrip('/')}/{name}")
    if failures:
        say(f"error: {counted(failures, 'instrument')} of {len(jobs):,} failed", sys.stderr)
    return 1 if failures else 0


def _chosen(args: argparse.Namespace, model: GANSynth) -> list[Instrument]:
    chosen: list[Instrument] = []
    if args.instruments:
        chosen = instruments.choose(args.instruments, model)
    elif not args.random:
        chosen = list(instruments.named(model).values())
    if args.random:
        if args.random > MAX_SET_INSTRUMENTS:
            raise ValueError(f"--random is {args.random:,}; a set may have up to {MAX_SET_INSTRUMENTS:,} instruments")
        chosen = chosen + instruments.sample(model, args.random, args.seed)
    if not chosen:
        raise ValueError(f"{model.name} has no named instruments: draw random ones with --random N")
    return chosen


def _check_cost(model: GANSynth, settings: DatasetSettings, jobs: Sequence[Job], store: Store) -> None:
    """Print the size of a set, and raise an error if it exceeds the limits or the free space on the disk."""
    notes, hours, size = cost(model, settings, len(jobs))
    if len(jobs) > MAX_SET_INSTRUMENTS or notes > MAX_SET_NOTES:
        raise ValueError(
            f"{counted(len(jobs), 'instrument')} with {counted(notes, 'note')} are too many; a set may have up to "
            f"{MAX_SET_INSTRUMENTS:,} with {MAX_SET_NOTES:,}"
        )
    left = [job for job in jobs if kept(model, settings, job, store) is None]
    there = f"; {len(jobs) - len(left):,} of {len(jobs):,} are complete" if len(left) < len(jobs) else ""
    say(
        f"{counted(notes, 'note')} of {counted(len(jobs), 'instrument')}, {hours:,.2f} h of sound, up to "
        f"{_size(size)} in {store.place}{there}"
    )
    if store.folder is None:
        return
    folder = store.folder.absolute()
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    need, free = cost(model, settings, len(left))[2], shutil.disk_usage(parent).free
    if need > free:
        raise OSError(f"the set needs up to {_size(need)}, but {parent} has {_size(free)} free")


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _outcomes(
    args: argparse.Namespace,
    model: GANSynth,
    settings: DatasetSettings,
    jobs: Sequence[Job],
    store: Store,
    threads: int | None,
    stack: contextlib.ExitStack,
) -> Iterator[tuple[Job, str, str]]:
    """The outcomes from `make_all` in this process, or from workers, which end with the stack."""
    if not (args.workers or args.scheduler):
        return make_all(model, settings, jobs, store, sys.stderr.isatty())
    from . import cluster

    client = stack.enter_context(cluster.workers(args.workers) if args.workers else cluster.scheduler(args.scheduler))
    loaded = cluster.loaded_as(model, threads)
    return make_with_workers(client, loaded, model, settings, jobs, store, sys.stderr.isatty())


def make_with_workers(
    client: Client,
    loaded: Loaded,
    model: GANSynth,
    settings: DatasetSettings,
    jobs: Sequence[Job],
    store: Store,
    progress: bool = True,
) -> Iterator[tuple[Job, str, str]]:
    """As `make_all`, with the workers of a Dask client (`cluster.workers`), which load the model from `loaded`."""
    from . import cluster

    def calls() -> Iterator[tuple[Job, tuple | None]]:
        for job in jobs:
            is_there = kept(model, settings, job, store) is not None
            yield job, None if is_there else (loaded, settings, job, store.whole_place)

    with _bar(jobs, progress) as bar:
        for job, task in cluster.each(client, _task, calls()):
            if task is None:
                yield _done(bar, job, KEPT)
                continue
            why = cluster.result_of(task)
            if isinstance(why, Full):
                raise why
            yield _done(bar, job, many.FAILED if why else MADE, why)


def _task(loaded: Loaded, settings: DatasetSettings, job: Job, place: str) -> str | Full:
    """In a worker: write one instrument, and return the reason for a failure, or "".

    Raises:
      OSError: it cannot be written; Dask retries the task.
    """
    from . import cluster

    try:
        make(cluster.model_of(loaded), settings, job, open_store(place))
    except OSError as error:
        if is_full(error):  # retrying would not help
            return Full(error.errno, one_line(error))
        raise
    except ValueError as error:
        return one_line(error)
    return ""


def _command(args: argparse.Namespace) -> list[str]:
    """The command that gives the same set again, also in another folder."""
    given = {name: value for name, value in vars(args).items() if value is not None}
    return ["gansynth_dataset", *(f"--{name}={value}" for name, value in given.items())]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; an error in the input is one line on standard error and exit status 1."""
    args = parser().parse_args(argv)
    return ended(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
