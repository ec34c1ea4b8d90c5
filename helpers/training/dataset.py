"""Notes to train on, from sound files, NSynth or a soundfont, cached on disk as spectrograms.

    notes = open_data("soundfont:", config, "outputs/cache")     # 976 notes, on any machine, in about a minute
    notes.batch([0, 7, 31]), notes.labels[[0, 7, 31]]             # a batch of real notes for the discriminator

Sources of notes, and the size of each (GB = 10^9 bytes; the cache takes another 0.52 MB per note):

    a folder of notes     .wav or .flac with NSynth names: guitar_acoustic_010-060-100.wav is instrument-pitch-velocity
    a folder with         NSynth as "json/wav": about 25 GB to download, 289,205 of 305,979 notes for training (39 GB of
      examples.json       samples); the sound files are in audio/ next to it
    .tfrecord             NSynth as "tfrecord", a file or a folder of them: samples as float32, 256 kB per note, about
                          74 GB for the training notes. It is read twice from end to end and never unpacked
    tfds:nsynth/          the 60,788 notes that GANSynth was trained on, if `tensorflow_datasets` is installed. If it is
      gansynth_subset     not prepared on this disk, 16 GB are streamed from its public bucket, and only the cache is
                          stored. (Preparing it yourself downloads 78 GB.)
    soundfont:            rendered from any General MIDI soundfont: soundfont:FILE.sf2, or the 6 MB one that comes with
                          pretty_midi. There is nothing to download

The cache stores each note as the normalised spectrogram of SPEC section 5 in int16: 32 GB for the 60,788 notes. On
eight notes of NSynth, audio from cached spectrograms has a signal-to-noise ratio of 73 dB at worst, compared with audio
from the originals; float16, of the same size, has 54 dB, and int8 has 17. Nothing is clipped: with the published
constants, the magnitudes and frequencies of notes are within the normaliser's range. One core computes about 70 notes
per second.

A cache is a folder of two files, `spectrograms.int16` and `notes.jsonl` (one line for each note or problem). It is
built in KEY.partial and renamed when it is complete; if that was interrupted, the next call continues it.

Source: Engel et al. 2017 (NSynth); SPEC sections 5, 6 and 12. Notebook: 08_train.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import io
import itertools
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from .. import jsonfile
from ..errors import one_line
from ..files import as_path, locked, replacing
from ..gansynth import spectral
from ..gansynth.config import MAX_PITCH, MIN_PITCH, NUM_PITCHES, Config
from ..terminal import say

SOURCES = ("acoustic", "electronic", "synthetic")  # NSynth's instrument sources, in its order
TRAINED_SOURCES = ("acoustic",)  # those used for training by default
FAMILIES = (
    "bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead", "vocal",
)  # fmt: skip
NSYNTH_RATE = 16000  # Hz
MAX_RECORD_BYTES = 64 << 20  # of a note in a tfrecord; NSynth's take 256 kB
SILENCE = 1e-4  # a note whose peak is below this, three steps of 16 bits, counts as silent
SHOWN_PROBLEMS = 20  # the most that are printed; all of them are in `Notes.problems`

# The cache.
FORMAT = 1  # version of the files below, part of the cache's key
SPECTROGRAMS, NOTES = "spectrograms.int16", "notes.jsonl"
SCALE = 32767  # the integer that stands for a normalised 1
BATCH = 16  # notes written at a time

# Rendering a soundfont: sixteen General MIDI programs, counted from 0, that span ten of NSynth's families.
PROGRAMS = (0, 6, 9, 11, 12, 16, 19, 24, 32, 40, 42, 52, 56, 60, 68, 73)
VELOCITIES = (100,)
HELD_SHARE = 3 / 4  # share of a note's length for which the key is down, as in NSynth
RING_SECONDS = 0.5  # gap between two notes, to keep the resampling filter from mixing them
PEAK = 0.9  # of each instrument's loudest note
PITCHES_AT_ONCE = 16  # rendered together, to limit memory
# NSynth family of each group of eight General MIDI programs, none for the last four; voices are among the ensembles.
_GROUPS = (
    "keyboard", "mallet", "organ", "guitar", "bass", "string", "string", "brass", "reed", "flute", "synth_lead",
    "synth_lead",
)  # fmt: skip
_VOICES = (52, 53, 54)

_NAME = re.compile(r"(?P<instrument>.+)-(?P<pitch>\d{1,4})-(?P<velocity>\d{1,4})")
_INSTRUMENT = re.compile(f"(?P<family>{'|'.join(FAMILIES)})_(?P<source>{'|'.join(SOURCES)})_.+")

_Play = Callable[[bytes, bytes], np.ndarray]  # a soundfont and a score -> samples [n, 2]
Sound = Callable[[], tuple[np.ndarray, int]]  # samples [n] or [n, channels] and their rate; ValueError if unreadable
Item = tuple["NoteEntry", Sound] | str  # a note, or a description of why it cannot be used


@dataclasses.dataclass(frozen=True)
class NoteEntry:
    """A note's metadata.

    Attributes:
      name: name of the note.
      pitch: MIDI number.
      velocity: 0 to 127.
      family: one of FAMILIES, or None if unknown.
      source: one of SOURCES, or None if unknown.
    """

    name: str
    pitch: int
    velocity: int
    family: str | None = None
    source: str | None = None

    @property
    def instrument(self) -> str:
        """The instrument in a name like NSynth's: guitar_acoustic_010-060-100 -> guitar_acoustic_010; else the name."""
        found = _NAME.fullmatch(self.name.rpartition("/")[2])
        return found["instrument"] if found else self.name


@dataclasses.dataclass(frozen=True)
class _Source:
    """A source of notes."""

    identity: list[Any]  # JSON that changes whenever the notes may have changed
    items: Callable[[], Iterator[Item]]  # always in the same order
    count: int | None = None  # upper limit of the number of items; None if they can be counted quickly


class Notes:
    """Notes with their spectrograms, which are read from disk batch by batch.

    Attributes:
      labels: int32 [n], pitch - MIN_PITCH: the classes of the discriminator.
      pitch_counts: int64 [61], number of notes of each class; training draws its labels in these proportions.
      names: name of each note.
      families: family of each note, or None if unknown.
      velocities: int32 [n], 0 to 127.
      problems: a line for each note that could not be used.
      path: the cache's folder.
    """

    def __init__(self, path: Path, entries: Sequence[NoteEntry], problems: Sequence[str], config: Config):
        self.path, self.problems, self._config = path, tuple(problems), config
        self.names = [entry.name for entry in entries]
        self.families = [entry.family for entry in entries]
        self.velocities = np.array([entry.velocity for entry in entries], np.int32)
        self.labels = np.array([entry.pitch - MIN_PITCH for entry in entries], np.int32)
        self.pitch_counts = np.bincount(self.labels, minlength=NUM_PITCHES)
        shape = (len(entries), config.frames, config.bins, 2)
        self._spectrograms = np.memmap(path / SPECTROGRAMS, "<i2", "r", shape=shape)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        problems = f", {len(self.problems)} problems" if self.problems else ""
        return f"Notes({len(self)} notes of {np.count_nonzero(self.pitch_counts)} pitches{problems}, {self.path})"

    def batch(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Spectrograms of some notes in the units of `spectral.waves_to_data`: float32 [len, frames, bins, 2]."""
        return _unpack(self._spectrograms[np.asarray(indices, np.intp)], self._config)


def open_data(
    source: str | os.PathLike,
    config: Config,
    cache_dir: str | os.PathLike,
    *,
    pitches: tuple[int, int] = (MIN_PITCH, MAX_PITCH),
    sources: Sequence[str] = TRAINED_SOURCES,
    families: Sequence[str] | None = None,
    programs: Sequence[int] = PROGRAMS,
    velocities: Sequence[int] = VELOCITIES,
    progress: bool = True,
) -> Notes:
    """Open notes to train on. Their spectrograms are computed by the first call and read from the cache by later ones.

    A note that cannot be used (a broken file, another sample rate, several channels, silence, no pitch) is reported in
    one line and left out. The size of the cache is printed before it is built.

    Args:
      source: a folder, a `.tfrecord`, "tfds:nsynth/gansynth_subset" or "soundfont:[FILE.sf2]"; see the module.
      config: the model to train, which determines sample rate, length of a note and kind of spectrogram.
      cache_dir: the folder of all caches. Each is a folder in it and may be deleted at any time.
      pitches: the lowest and the highest MIDI pitch to use.
      sources: which of NSynth's instrument sources to use. Notes of unknown source are used too.
      families: which of NSynth's instrument families to use; None for all.
      programs: General MIDI programs to render from a soundfont, counted from 0.
      velocities: MIDI velocities to render from a soundfont, 1 to 127.
      progress: show progress bars.

    Raises:
      FileNotFoundError: the source does not exist.
      ImportError: a package that the source needs is not installed.
      ValueError: the source is not of a known kind or has no usable note, or another argument is invalid.
      OSError: the cache does not fit on its disk or cannot be written.

    >>> from helpers import train
    >>> from helpers.gansynth.config import Config
    >>> from helpers.training import dataset
    >>> small = Config.from_dict(train.TINY)
    >>> notes = dataset.open_data(
    ...     "soundfont:", small, "outputs/cache", pitches=(60, 62), programs=[42], velocities=[100], progress=False
    ... )
    spectrograms of up to 3 notes: ...
    >>> data, labels = notes.batch([0, 1, 2]), notes.labels
    >>> data.shape, labels.tolist()
    ((3, 16, 512, 2), [36, 37, 38])
    """
    _check_choices(pitches, sources, families, programs, velocities)
    found = _find(source, config, pitches, programs, velocities)
    wanted = functools.partial(_is_wanted, pitches=pitches, sources=sources, families=families)
    numbers = [config.data_type, config.audio_length, config.sample_rate, config.frames, config.bins]
    numbers += [config.mag_normalizer_a, config.mag_normalizer_b, config.p_normalizer_a, config.p_normalizer_b]
    choices = [list(pitches), sorted(sources), None if families is None else sorted(families)]
    key = hashlib.sha256(json.dumps([FORMAT, found.identity, choices, numbers]).encode()).hexdigest()[:16]
    folder = as_path(cache_dir) / key
    with _alone(folder):
        opened = _open(folder, config)
        if opened is None:
            if folder.exists():
                say(f"the cache in {folder} is damaged and is being rebuilt")
                shutil.rmtree(folder)
            _build(folder, found, wanted, str(source), config, progress)
            opened = _open(folder, config)
    if opened is None:
        raise OSError(f"the cache in {folder} cannot be read after writing it; the disk may be faulty")
    for problem in opened.problems[:SHOWN_PROBLEMS]:
        say(problem)
    if len(opened.problems) > SHOWN_PROBLEMS:
        say(f"... and {len(opened.problems) - SHOWN_PROBLEMS} more problems")
    return opened


class Sounds:
    """The audio of a source's notes, read on request and not cached.

    Attributes:
      entries: metadata of each note.
      problems: a line for each item that is not a usable note.
      identity: a text that changes whenever the notes may have changed.
    """

    def __init__(self, found: _Source, wanted: Callable[[Item], bool], config: Config):
        self._found, self._wanted, self._config = found, wanted, config
        items = list(self._items())
        self.entries = [item[0] for item in items if not isinstance(item, str)]
        self.problems = [one_line(item) for item in items if isinstance(item, str)]
        names = hashlib.sha256("\n".join(entry.name for entry in self.entries).encode()).hexdigest()
        self.identity = json.dumps([found.identity, names])  # the names depend on which notes were selected

    def __len__(self) -> int:
        return len(self.entries)

    def _items(self) -> Iterator[Item]:
        return filter(self._wanted, self._found.items())

    def read(self, indices: Sequence[int] | np.ndarray) -> Iterator[tuple[int, np.ndarray | str]]:
        """The notes of these numbers, in the source's order: (number, samples [audio_length] or an error message)."""
        asked = set(np.asarray(indices, np.intp).tolist())
        notes = (item for item in self._items() if not isinstance(item, str))
        for number, (entry, sound) in enumerate(notes):
            if number not in asked:
                continue
            try:
                yield number, _checked(*sound(), self._config)
            except ValueError as error:
                yield number, one_line(f"{entry.name} {error}")


def open_sounds(
    source: str | os.PathLike,
    config: Config,
    *,
    pitches: tuple[int, int] = (MIN_PITCH, MAX_PITCH),
    sources: Sequence[str] = SOURCES,
    families: Sequence[str] | None = None,
    programs: Sequence[int] = PROGRAMS,
    velocities: Sequence[int] = VELOCITIES,
) -> Sounds:
    """Open the notes of a source as audio, without spectrograms. Arguments and errors as for `open_data`."""
    _check_choices(pitches, sources, families, programs, velocities)
    found = _find(source, config, pitches, programs, velocities)
    wanted = functools.partial(_is_wanted, pitches=pitches, sources=sources, families=families)
    sounds = Sounds(found, wanted, config)
    if not len(sounds):
        problems = sounds.problems
        why = f"{len(problems)} problems, the first: {problems[0]}" if problems else "none is of the requested kinds"
        raise ValueError(f"{source} has no usable note: {why}")
    return sounds


def crop_or_pad(wave: np.ndarray, length: int) -> np.ndarray:
    """The first `length` samples, or all of them centred in zeros, an odd zero at the start. Source: SPEC 12."""
    missing = max(length - len(wave), 0)
    return np.pad(wave[:length], (missing - missing // 2, missing // 2))


# ----------------------------------------------------------------------------------------------------------- choices


def _check_choices(
    pitches: tuple[int, int],
    sources: Sequence[str],
    families: Sequence[str] | None,
    programs: Sequence[int],
    velocities: Sequence[int],
) -> None:
    if not MIN_PITCH <= pitches[0] <= pitches[1] <= MAX_PITCH:
        raise ValueError(f"pitches is {pitches!r}; expected a range within {MIN_PITCH} to {MAX_PITCH}, lowest first")
    for name, chosen, known in (("sources", sources, SOURCES), ("families", families, FAMILIES)):
        if isinstance(chosen, str) or not set(chosen or ()) <= set(known):
            raise ValueError(f"{name} is {chosen!r}; expected some of {', '.join(known)}")
    for name, numbers, low in (("programs", programs, 0), ("velocities", velocities, 1)):
        if not numbers or not all(low <= number <= 127 for number in numbers):
            raise ValueError(f"{name} is {list(numbers)!r}; expected some numbers from {low} to 127")


def _is_wanted(item: Item, pitches: tuple[int, int], sources: Sequence[str], families: Sequence[str] | None) -> bool:
    """Whether a note is of the requested kinds; always true for problems."""
    if isinstance(item, str):
        return True
    entry = item[0]
    if not pitches[0] <= entry.pitch <= pitches[1] or entry.source not in (None, *sources):
        return False
    return families is None or entry.family in families


def _find(
    source: str | os.PathLike,
    config: Config,
    pitches: tuple[int, int],
    programs: Sequence[int],
    velocities: Sequence[int],
) -> _Source:
    """The source that a name or path stands for, checked but not read."""
    kind, _, rest = str(source).partition(":")
    if kind == "soundfont":
        return _soundfont(rest, config, pitches, programs, velocities)
    if kind == "tfds":
        return _tfds(rest)
    path = as_path(source)
    if not path.exists():
        raise FileNotFoundError(f"no notes at {path}: there is no such file or folder")
    if path.is_file() and _is_tfrecord(path):
        return _tfrecords([path])
    if path.is_dir():
        if (path / "examples.json").is_file():
            return _examples(path, config)
        files = sorted(file for file in path.iterdir() if file.is_file())
        return _tfrecords(records) if (records := [f for f in files if _is_tfrecord(f)]) else _folder(path, config)
    raise ValueError(
        f"{path} is not a source of notes: expected a folder of .wav or .flac files, one with an examples.json, "
        "a .tfrecord, 'tfds:nsynth/gansynth_subset' or 'soundfont:'"
    )


def _entry(name: str, pitch: Any, velocity: Any, family: Any = None, source: Any = None) -> NoteEntry:
    """A NoteEntry from untrusted values; `source` is a name or NSynth's number for it."""
    for what, value in (("pitch", pitch), ("velocity", velocity)):
        if value is None:
            raise ValueError(f"{name} has no {what}")
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 <= value <= 127:
            raise ValueError(f"{name} has the {what} {value!r}; MIDI allows 0 to 127")
    if isinstance(source, (int, np.integer)) and 0 <= source < len(SOURCES):
        source = SOURCES[source]
    known = family if family in FAMILIES else None, source if source in SOURCES else None
    return NoteEntry(name, int(pitch), int(velocity), *known)


def _stat(path: Path, name: str) -> list[Any]:
    """Name, size and modification time of a file, to detect changes."""
    status = path.stat()
    return [name, status.st_size, status.st_mtime_ns]


# ------------------------------------------------------------------------------------------------------- sound files


def _folder(path: Path, config: Config) -> _Source:
    """A folder of sound files whose names give instrument, pitch and velocity."""
    files = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in (".wav", ".flac") and not file.name.startswith(".") and file.is_file()
    )
    if not files:
        raise ValueError(
            f"{path} has no usable note: expected .wav or .flac files with names like "
            "guitar_acoustic_010-060-100.wav, an examples.json, or .tfrecord files"
        )

    def items() -> Iterator[Item]:
        for file in files:
            shown = file.relative_to(path).with_suffix("").as_posix()
            name = _NAME.fullmatch(file.stem)
            if name is None:
                yield f"{shown} has no pitch in its name; expected a name like guitar_acoustic_010-060-100"
                continue
            instrument = _INSTRUMENT.fullmatch(name["instrument"])
            kind = instrument.groups() if instrument else ()
            try:
                entry = _entry(shown, int(name["pitch"]), int(name["velocity"]), *kind)
            except ValueError as error:
                yield str(error)
                continue
            yield entry, functools.partial(_read, file, config.audio_length)

    return _Source(["folder", [_stat(file, file.relative_to(path).as_posix()) for file in files]], items)


def _examples(path: Path, config: Config) -> _Source:
    """NSynth's json/wav: `examples.json`, and the sound files in `audio/`."""
    listing = path / "examples.json"
    try:
        examples = json.loads(listing.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{listing} is not valid JSON: {error}") from None
    if not isinstance(examples, dict):
        raise ValueError(f"{listing} must hold one JSON object, not a {type(examples).__name__}")
    # Only files listed here are opened, so no name can lead out of the folder.
    there = {file.name: file for file in sorted((path / "audio").glob("*")) if file.is_file()}

    def items() -> Iterator[Item]:
        for name, values in examples.items():
            values = values if isinstance(values, dict) else {}
            family = values.get("instrument_family_str")
            source = values.get("instrument_source_str", values.get("instrument_source"))
            try:
                entry = _entry(name, values.get("pitch"), values.get("velocity"), family, source)
            except ValueError as error:
                yield str(error)
                continue
            file = there.get(f"{name}.wav") or there.get(f"{name}.flac")
            if file is None:
                yield f"{name} has no sound in {path / 'audio'}"
                continue
            yield entry, functools.partial(_read, file, config.audio_length)

    return _Source(["examples", _stat(listing, ""), [_stat(file, name) for name, file in there.items()]], items)


def _read(path: Path, length: int) -> tuple[np.ndarray, int]:
    """The first `length` samples of a file, float32 [n] or [n, channels], and their rate."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            samples, sample_rate = file.read(length, dtype="float32"), file.samplerate
        with open(path, "rb") as file:
            head = file.read(8)
    except (soundfile.SoundFileError, OSError) as error:
        raise ValueError(f"is broken: {getattr(error, 'error_string', error)}") from None
    # libsndfile reads a truncated WAV without an error. Programs that do not know the length in advance put 2^32 - 1.
    promised = int.from_bytes(head[4:], "little")
    if head[:4] == b"RIFF" and path.stat().st_size < promised + 8 < 1 << 32:
        raise ValueError(f"is broken: it ends after {path.stat().st_size} of {promised + 8} bytes")
    return samples, sample_rate


# ----------------------------------------------------------------------------------------------- NSynth as tf.Examples


def _is_tfrecord(path: Path) -> bool:
    return re.search(r"\.tfrecords?(-\d+-of-\d+)?$", path.name) is not None


def _tfrecords(files: Sequence[Path]) -> _Source:
    """NSynth's tfrecord: one `tf.train.Example` per note, with the features that NSynth's site lists."""

    def items() -> Iterator[Item]:
        from google.protobuf.message import DecodeError

        from ..gansynth.backend import tf

        for file in files:
            whole, is_cut = _whole_records(file)
            records = tf.data.TFRecordDataset(str(file)).take(whole).as_numpy_iterator()
            for number in range(whole + is_cut):
                try:
                    record = None if number == whole else next(records)
                except tf.errors.OpError:
                    record = None
                if record is None:
                    yield f"{file.name} is broken at record {number}; the rest of the file is not used"
                    break
                try:
                    features = tf.train.Example.FromString(record).features.feature
                    yield _example(features, f"record {number} of {file.name}")
                except DecodeError:
                    yield f"record {number} of {file.name} is broken: it is not a tf.train.Example"
                except ValueError as error:
                    yield str(error)

    return _Source(["tfrecord", [_stat(file, file.name) for file in files]], items)


def _whole_records(file: Path) -> tuple[int, bool]:
    """The number of records at the start of a file that have a plausible length, and whether a broken one follows.

    TensorFlow allocates the memory that a record declares, and kills the process if there is not enough. A record is
    its length, a checksum of the length, the data and their checksum. Source: record_writer.h of TensorFlow.
    """
    count, at, size = 0, 0, file.stat().st_size
    with open(file, "rb") as content:
        while head := content.read(12):
            length = int.from_bytes(head[:8], "little")
            at += 16 + length
            if len(head) < 12 or length > MAX_RECORD_BYTES or at > size:
                return count, True
            content.seek(at)
            count += 1
    return count, False


def _example(features: Any, where: str) -> tuple[NoteEntry, Sound]:
    """One note of a tfrecord, from its features by name."""

    def first(key: str) -> Any:
        feature = features.get(key)
        kind = feature.WhichOneof("kind") if feature else None
        values = getattr(feature, kind).value if kind else []
        value = values[0] if len(values) else None
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    family, origin = first("instrument_family_str"), first("instrument_source")
    entry = _entry(first("note_str") or where, first("pitch"), first("velocity"), family, origin)
    samples = np.array(features["audio"].float_list.value, np.float32) if "audio" in features else np.zeros(0)
    sample_rate = first("sample_rate") or NSYNTH_RATE
    return entry, lambda: (samples, sample_rate)


def _tfds(name: str) -> _Source:
    """A data set of TensorFlow Datasets with the features of its `nsynth`."""
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise ImportError(
            f"tfds:{name} needs a package that is not installed: pip install tensorflow-datasets"
        ) from None
    try:
        builder = tfds.builder(name)
        if "train" not in builder.info.splits:  # not prepared on this disk
            builder = tfds.builder(name, try_gcs=True)
        version, count = str(builder.info.version), builder.info.splits["train"].num_examples
    except Exception as error:  # there are many kinds, from an unknown name to no network
        raise ValueError(f"tfds:{name} cannot be opened: {one_line(error) or type(error).__name__}") from None

    def items() -> Iterator[Item]:
        examples = iter(tfds.as_numpy(builder.as_dataset(split="train")))
        while True:
            try:
                example = next(examples, None)
            except Exception as error:
                raise OSError(f"reading tfds:{name} failed ({one_line(error)}); run this again to continue") from None
            if example is None:
                return
            note, instrument = example["id"].decode("utf-8", "replace"), example["instrument"]
            family = FAMILIES[instrument["family"]]
            try:
                entry = _entry(note, example["pitch"], example["velocity"], family, instrument["source"])
            except ValueError as error:
                yield str(error)
                continue
            yield entry, functools.partial(_tfds_sound, example)

    return _Source(["tfds", name, version, count], items, count)


def _tfds_sound(example: Mapping[str, Any]) -> tuple[np.ndarray, int]:
    return example["audio"], NSYNTH_RATE


# -------------------------------------------------------------------------------------------------------- soundfonts


def _soundfont(
    name: str, config: Config, pitches: tuple[int, int], programs: Sequence[int], velocities: Sequence[int]
) -> _Source:
    """Notes of General MIDI programs, the loudest note of each program scaled to PEAK."""
    from ..soundfont import play_apart, play_with

    if name:
        path = as_path(name)
    else:
        import pretty_midi

        path = Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"
    if not path.is_file():
        raise FileNotFoundError(f"no soundfont at {path}: there is no such file")
    try:
        import midirenderer  # noqa: F401
    except ImportError:
        raise ImportError("rendering a soundfont needs the package midirenderer: pip install midirenderer") from None
    play = play_apart if name else play_with
    keys = [(velocity, pitch) for velocity in velocities for pitch in range(pitches[0], pitches[1] + 1)]

    def items() -> Iterator[Item]:
        content = path.read_bytes()
        try:
            _render(content, 0, keys[:1], config, play)
        except ValueError as error:
            raise ValueError(f"{path} is not a playable soundfont: {error}") from None
        for program in programs:
            group = _GROUPS[program // 8] if program // 8 < len(_GROUPS) else None
            family = "vocal" if program in _VOICES else group
            # All keys are rendered when the first is requested, and freed together with the last.
            render = functools.cache(functools.partial(_rendered, content, program, keys, config, play))
            for i, (velocity, pitch) in enumerate(keys):
                entry = _entry(f"{path.stem}_{program:03d}-{pitch:03d}-{velocity:03d}", pitch, velocity, family)
                yield entry, functools.partial(_nth_sound, render, i, config.sample_rate)

    return _Source(
        ["soundfont", _stat(path, path.name), list(programs), list(velocities)], items, len(programs) * len(keys)
    )


def _rendered(
    content: bytes, program: int, keys: Sequence[tuple[int, int]], config: Config, play: _Play
) -> np.ndarray | str:
    """The result of `_render` or its error message, so that a failure is cached too and not repeated for every note."""
    try:
        return _render(content, program, keys, config, play)
    except ValueError as error:
        return f"cannot be played: {error}"


def _nth_sound(render: Callable[[], np.ndarray | str], i: int, sample_rate: int) -> tuple[np.ndarray, int]:
    rendered = render()
    if isinstance(rendered, str):
        raise ValueError(rendered)
    return rendered[i], sample_rate


def _render(content: bytes, program: int, keys: Sequence[tuple[int, int]], config: Config, play: _Play) -> np.ndarray:
    """One program's notes without reverb: float32 [keys, audio_length], each held for three quarters of that length."""
    from ..audio import Audio, resample
    from ..soundfont import PLAYER_RATE

    seconds = config.audio_length / config.sample_rate
    slot = round((seconds + RING_SECONDS) * config.sample_rate)
    notes = []
    for i in range(0, len(keys), PITCHES_AT_ONCE):
        some = keys[i : i + PITCHES_AT_ONCE]
        samples = play(content, _score(program, some, seconds)).mean(axis=1)
        samples = resample(Audio(samples, PLAYER_RATE), config.sample_rate).samples
        samples = np.pad(samples, (0, max(len(some) * slot - len(samples), 0)))[: len(some) * slot]
        notes.append(samples.reshape(len(some), slot)[:, : config.audio_length])
    waves = np.concatenate(notes)
    return waves * np.float32(PEAK / max(np.abs(waves).max(), SILENCE))


def _score(program: int, keys: Sequence[tuple[int, int]], seconds: float) -> bytes:
    """A MIDI file of notes one after another, each silenced before the next."""
    import mido

    def control(number: int, value: int, time: int = 0) -> mido.Message:
        return mido.Message("control_change", control=number, value=value, time=time)

    held = round(1000 * seconds * HELD_SHARE)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=1_000_000)])
    track.append(mido.Message("program_change", program=program))
    track += [control(7, 127), control(11, 127), control(91, 0), control(93, 0)]  # full level; no reverb, no chorus
    for velocity, pitch in keys:
        track.append(mido.Message("note_on", note=pitch, velocity=velocity))
        track.append(mido.Message("note_off", note=pitch, time=held))
        track.append(control(120, 0, round(1000 * (seconds + RING_SECONDS / 2)) - held))  # all sound off
        track.append(control(7, 127, round(1000 * RING_SECONDS / 2)))
    score = mido.MidiFile(ticks_per_beat=1000)  # a beat lasts a second
    score.tracks.append(track)
    content = io.BytesIO()
    score.save(file=content)
    return content.getvalue()


# --------------------------------------------------------------------------------------------------------- the cache


def _pack(data: np.ndarray, config: Config) -> np.ndarray:
    return np.rint(spectral.normalize(data, config) * SCALE).astype("<i2")


def _unpack(rows: np.ndarray, config: Config) -> np.ndarray:
    return spectral.denormalize(rows.astype(np.float32) / SCALE, config)


def _row_bytes(config: Config) -> int:
    return config.frames * config.bins * 2 * np.dtype("<i2").itemsize


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a cache, after waiting for any other process that is building it."""
    waiting = f"another process is building the cache in {folder}; waiting for it"
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(folder.with_suffix(".lock"), on_wait=lambda: say(waiting)))
        except OSError as error:
            raise OSError(
                f"cannot write to {folder.parent}: {error.strerror}; choose another folder for caches"
            ) from None
        yield


def _open(folder: Path, config: Config) -> Notes | None:
    """A complete cache, or None if it does not exist or is damaged."""
    try:
        text = (folder / NOTES).read_text("utf-8")
        size = (folder / SPECTROGRAMS).stat().st_size
    except (OSError, ValueError):
        return None
    outcomes = _outcomes(text)
    entries = [outcome for outcome in outcomes if isinstance(outcome, NoteEntry)]
    problems = [outcome for outcome in outcomes if isinstance(outcome, str)]
    whole = len(outcomes) == len(text.splitlines()) and entries and size == len(entries) * _row_bytes(config)
    return Notes(folder, entries, problems, config) if whole else None


def _outcomes(text: str) -> list[NoteEntry | str]:
    """The notes and problems in `notes.jsonl`, up to the first line that is damaged or incomplete."""
    outcomes: list[NoteEntry | str] = []
    for line in text.splitlines(keepends=True):
        try:
            values = jsonfile.parse(line)
            outcome = one_line(values["problem"]) if "problem" in values else _entry(**values)
        except (ValueError, TypeError):
            break
        if not line.endswith("\n") or (isinstance(outcome, NoteEntry) and not MIN_PITCH <= outcome.pitch <= MAX_PITCH):
            break
        outcomes.append(outcome)
    return outcomes


def _build(
    folder: Path, source: _Source, wanted: Callable[[Any], bool], shown_as: str, config: Config, progress: bool
) -> None:
    """Build a cache, or complete one whose building was interrupted."""
    partial, row_bytes = folder.with_suffix(".partial"), _row_bytes(config)
    count = source.count
    if count is None:
        listed = tqdm(source.items(), desc="list", unit="note", leave=False, disable=not progress)
        count = sum(not isinstance(item, str) and wanted(item) for item in listed)
    done = _resume(partial, row_bytes)
    there = sum(isinstance(outcome, NoteEntry) for outcome in done)
    say(f"spectrograms of up to {count:,} notes: {_size(count * row_bytes)} in {folder}")
    if done:
        say(f"{there:,} of them have already been computed")
    need, free = (count - there) * row_bytes, shutil.disk_usage(folder.parent).free
    if need > free:
        raise OSError(
            f"the cache needs {_size(need)}, but {folder.parent} has {_size(free)} free; choose another folder"
        )

    partial.mkdir(exist_ok=True)
    items = itertools.islice(filter(wanted, source.items()), len(done), None)
    with tqdm(total=count, initial=there, desc="spectrograms", unit="note", disable=not progress) as bar:
        while batch := list(itertools.islice(items, BATCH)):
            outcomes, rows = _analyse(batch, config)
            try:  # spectrograms first: a line in the list must imply that its spectrogram has been written
                _append(partial / SPECTROGRAMS, b"".join(rows))
                _append(partial / NOTES, "".join(_line(outcome) for outcome in outcomes).encode())
            except OSError as error:
                shutil.rmtree(partial, ignore_errors=True)
                raise OSError(f"the cache cannot be written to {folder.parent}: {error.strerror}") from None
            done += outcomes
            bar.update(len(rows))
    if not any(isinstance(outcome, NoteEntry) for outcome in done):
        shutil.rmtree(partial)
        why = f"{len(done)} problems, the first: {done[0]}" if done else "none is of the requested pitches and kinds"
        raise ValueError(f"{shown_as} has no usable note: {why}")
    os.replace(partial, folder)


def _analyse(batch: Sequence[Item], config: Config) -> tuple[list[NoteEntry | str], list[bytes]]:
    """The outcome for each item, note or problem, and the packed spectrograms of the notes."""
    outcomes: list[NoteEntry | str] = []
    rows = []
    for item in batch:
        if isinstance(item, str):
            outcomes.append(one_line(item))
            continue
        entry, sound = item
        try:
            wave = _checked(*sound(), config)
        except ValueError as error:
            outcomes.append(one_line(f"{entry.name} {error}"))
            continue
        # One by one: a batch of sixteen does not fit into the processor's cache and takes twice as long.
        rows.append(_pack(spectral.waves_to_data(wave[None], config), config).tobytes())
        outcomes.append(entry)
    return outcomes, rows


def _checked(samples: np.ndarray, sample_rate: int, config: Config) -> np.ndarray:
    """A note's samples, checked, and cropped or padded to [audio_length]."""
    if sample_rate != config.sample_rate:
        raise ValueError(f"has {sample_rate} Hz; convert it to the model's {config.sample_rate} Hz first")
    if samples.ndim != 1:
        raise ValueError(f"has {samples.shape[1]} channels; mix them down to one first")
    wave = crop_or_pad(samples, config.audio_length)
    if not np.isfinite(wave).all():
        raise ValueError("has samples that are not finite")
    if np.abs(wave).max() < SILENCE:
        raise ValueError("is silent")
    return wave


def _append(path: Path, content: bytes) -> None:
    # Not a memory map, which would kill the process on a full disk instead of raising an error.
    with open(path, "ab") as file:
        file.write(content)


def _line(outcome: NoteEntry | str) -> str:
    return json.dumps({"problem": outcome} if isinstance(outcome, str) else dataclasses.asdict(outcome)) + "\n"


def _resume(partial: Path, row_bytes: int) -> list[NoteEntry | str]:
    """The outcomes that an interrupted build has completed; anything it wrote beyond them is truncated."""
    listed, spectrograms = partial / NOTES, partial / SPECTROGRAMS
    if not (listed.exists() and spectrograms.exists()):
        shutil.rmtree(partial, ignore_errors=True)
        return []
    done = _outcomes(listed.read_text("utf-8", errors="replace"))
    size = sum(isinstance(outcome, NoteEntry) for outcome in done) * row_bytes
    if spectrograms.stat().st_size < size:  # data were lost, as when the computer itself crashes
        shutil.rmtree(partial)
        return []
    os.truncate(spectrograms, size)
    with replacing(listed) as text:
        text.write_text("".join(_line(outcome) for outcome in done))
    return done


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
