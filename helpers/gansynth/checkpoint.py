"""Read and write checkpoints: the published TensorFlow 1 format, and our own one-file format.

A published model is a folder (or a zip of one):

    experiment.json                                  the hyper-parameters, see config.py
    stage_00012/checkpoint                           names the newest step, by a path that is often stale
    stage_00012/model.ckpt-11000000.index, .data-*   the tensors; only the last stage is used

Of its 312 tensors, generation needs 30: the moving averages of the generator's weights, not the weights themselves.
Training resumes from all of them and writes all of them. Our compact format is one `.npz` file with the same 30 arrays,
float32 or float16, and the hyper-parameters as JSON.

Weights are named `block/layer/kind` here, for example `7/conv1/kernel`. Source: SPEC sections 1 and 4.
Notebook: 02_checkpoints, 08_train.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import numpy as np
from pydantic import FailFast, Field

from .. import jsonfile
from ..errors import one_line
from ..files import as_path, naming, partial_folder, replacing
from . import bundle
from .config import NUM_PITCHES, Config, block_weights

COMPACT_NAME = "generator.npz"  # a folder that contains this file is a checkpoint in our own format
COMPACT_FORMAT = 1

# The published models have 7.3 million weights, 29 MB; with discriminator and optimizers they take a few hundred MB.
MAX_WEIGHTS = 1 << 26  # of a generator, 256 MB
MAX_UNPACKED_BYTES = 4 << 30  # of a zip
MAX_MEMBERS = 10_000  # of a zip
SMALL_BYTES = 64 << 20  # a zip that unpacks to less than this may have any compression ratio; a larger one ...
MAX_RATIO = 20  # ... at most this: weights barely compress, and the zeros of an optimizer's state raise it to 2.4
MAX_HEADER_BYTES = 16 << 20  # of the JSON in our own format, unpacked; the bundled model's takes 2 MB
MAX_COUNT = 1 << 53  # of images

AVERAGE = "/ExponentialMovingAverage"  # suffix of the name of a variable's moving average
# An instrument of the demo is a name and 256 numbers of magnitude about 1.
MAX_INSTRUMENTS = 10_000
MAX_NAME = 200  # characters
MAX_LATENT = 1e6
MAX_STATE = 1 << 16  # characters read of the file `checkpoint`
WEIGHT_TYPES = ("float32", "float16", "float64", "half", "bfloat16")  # NumPy's names and TensorFlow's
_EXPERIMENT = "experiment.json"
# The exceptions that reading a damaged zip raises.
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A generator's weights and hyper-parameters.

    Attributes:
      config: the hyper-parameters.
      weights: "block/layer/kind" -> array.
      stage: training stage in which it was saved; the published models' last one is 12.
      global_step: images seen in training.
      about: JSON values stored with the weights.
    """

    config: Config
    weights: Mapping[str, np.ndarray]
    stage: int
    global_step: int
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        weights = sum(array.size for array in self.weights.values())
        return f"Checkpoint({weights:,} weights, stage {self.stage}, {self.global_step:,} images)"

    @property
    def num_blocks(self) -> int:
        """Number of blocks at the checkpoint's stage."""
        return self.config.num_blocks(self.stage)

    @property
    def progress(self) -> float:
        """Progress of the growing, in blocks: a fraction during a transition."""
        return self.config.progress(self.stage, self.global_step)

    def fingerprint(self) -> str:
        """SHA-256 of the weights and of the hyper-parameters that affect the sound: the same for equal models."""
        digest = hashlib.sha256()
        numbers = [self.config.data_type, self.progress, self.num_blocks, self.config.sample_rate]
        numbers += [self.config.mag_normalizer_a, self.config.mag_normalizer_b]
        numbers += [self.config.p_normalizer_a, self.config.p_normalizer_b]
        digest.update(json.dumps(numbers).encode())
        for name in sorted(self.weights):
            array = np.ascontiguousarray(self.weights[name], np.float32)
            digest.update(f"{name}{array.shape}".encode())
            digest.update(array.data)
        return digest.hexdigest()


def weight_shapes(config: Config, num_blocks: int, progress: float) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight that generation needs at this point in training."""
    shapes: dict[str, tuple[int, ...]] = {}
    shares = block_weights(progress, num_blocks)
    channels = config.latent_vector_size + NUM_PITCHES
    for b in range(1, num_blocks + 1):
        filters = config.filters(b)
        first = (config.start_height, config.start_width) if b == 1 else (config.kernel_size,) * 2
        layers = {"conv0": (*first, channels, filters), "conv1": (*(config.kernel_size,) * 2, filters, filters)}
        if shares[b - 1] > 0:  # the blocks whose image is part of the output
            layers["to_rgb"] = (1, 1, filters, 2)
        for layer, shape in layers.items():
            shapes[f"{b}/{layer}/kernel"], shapes[f"{b}/{layer}/bias"] = shape, shape[-1:]
        channels = filters
    return shapes


def published_name(name: str) -> str:
    """`7/conv1/kernel` -> the variable that holds its moving average in a published checkpoint."""
    return variable_name("generator", name) + AVERAGE


def variable_name(player: str, name: str) -> str:
    """A weight of the "generator" or "discriminator" (`named_weights`) -> its name in a published checkpoint."""
    *block, layer, kind = name.split("/")
    dense = layer in ("logits", "classification_logits")
    variable = "bias" if kind == "bias" else "dense/kernel" if dense else "conv2d/kernel"
    scope = f"progressive_gan_{player}/progressive_gan_block_{block[0]}" if block else "discriminator_cond"
    return f"{player.capitalize()}/{scope}/{layer}/{variable}"


def read(path: str | os.PathLike, shown_as: Path | None = None) -> Checkpoint:
    """Read a checkpoint in either format.

    Args:
      path: a published model's folder or zip, a folder in our format, or its `.npz` file.
      shown_as: the path to show in errors, where `path` would mean nothing to the user.

    Raises:
      FileNotFoundError: the path does not exist, or the folder holds no checkpoint.
      ValueError: it is not a checkpoint, or its weights do not match its experiment.json.
    """
    path = as_path(path)
    shown_as = shown_as or path
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint at {shown_as}: there is no such file or folder")
    if path.is_dir():
        if (path / COMPACT_NAME).is_file():
            return _read_compact(path / COMPACT_NAME, shown_as / COMPACT_NAME)
        return _read_folder(path, shown_as)
    if not path.is_file():  # a device or a pipe, which might never end
        raise ValueError(f"{shown_as} is not a checkpoint: it is not a regular file")
    if path.suffix == ".npz":
        return _read_compact(path, shown_as)
    if zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory(prefix="gansynth-") as folder:
            extract_published(path, folder, shown_as)
            return _read_folder(Path(folder), shown_as)
    raise ValueError(f"{shown_as} is not a checkpoint: expected a folder, a .zip of one, or a .npz file")


def write(checkpoint: Checkpoint, path: str | os.PathLike, dtype: str = "float32") -> Path:
    """Write a checkpoint in our compact format, whole or not at all.

    Args:
      checkpoint: the checkpoint; its weights are rounded to `dtype`.
      path: the `.npz` file to write.
      dtype: "float32" (exact) or "float16" (half the size).
    """
    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype is {dtype!r}; expected 'float32' or 'float16'")
    path = as_path(path)
    header = {
        "format": COMPACT_FORMAT,
        "config": checkpoint.config.to_dict(),
        "stage": checkpoint.stage,
        "global_step": checkpoint.global_step,
        "about": dict(checkpoint.about),
    }
    arrays = {name: np.asarray(array, dtype) for name, array in checkpoint.weights.items()}
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, header=np.array(json.dumps(header)), **arrays)  # type: ignore[arg-type]  # no weight is called allow_pickle
    return path


def _read_compact(path: Path, shown_as: Path) -> Checkpoint:
    try:
        check_zip(path, shown_as)
        with zipfile.ZipFile(path) as archive:
            config, stage, step, about = _read_header(archive)
            check_stage(config, stage, shown_as)
            shapes = weight_shapes(config, config.num_blocks(stage), config.progress(stage, step))
            found = {name: _array_header(archive, f"{name}.npy") for name in shapes if _has(archive, f"{name}.npy")}
            _check_weights(shapes, found, config, shown_as)
            weights = {name: _read_array(archive, f"{name}.npy") for name in shapes}
    except (*_BAD_ZIP, KeyError, TypeError, OSError) as error:
        raise ValueError(f"{shown_as} is not a GANSynth checkpoint: {one_line(error)}") from None
    except ValueError as error:
        said = str(error)
        is_ours = said.startswith(str(shown_as))
        raise ValueError(said if is_ours else f"{shown_as} is not a GANSynth checkpoint: {one_line(said)}") from None
    return _checked(Checkpoint(config, weights, stage, step, about), shown_as)


def _read_header(archive: zipfile.ZipFile) -> tuple[Config, int, int, dict[str, Any]]:
    """Config, stage, global step and `about` from a file in our own format."""
    if not _has(archive, "header.npy"):
        raise ValueError("it has no header")
    size = archive.getinfo("header.npy").file_size
    kind, shape = _array_header(archive, "header.npy")
    if size > MAX_HEADER_BYTES or shape != () or kind.kind != "U":
        raise ValueError("its header is not a text, or is too long")
    text = str(_read_array(archive, "header.npy", "U"))
    header = jsonfile.checked(jsonfile.parse(text), _Header)
    config = Config.from_dict(header.config)
    if header.stage > 2 * config.num_resolutions:
        raise ValueError(f"stage is {header.stage}; a model of {config.num_resolutions} blocks has fewer stages")
    about = jsonfile.checked(header.about, _About)
    _check_instruments(about.instruments, config)
    return config, header.stage, header.global_step, header.about


class _Header(jsonfile.Row):
    """The JSON header of our own format."""

    config: dict[str, Any]
    stage: Annotated[jsonfile.Whole, Field(ge=0)]
    global_step: Annotated[jsonfile.Whole, Field(ge=0, le=MAX_COUNT)]
    about: dict[str, Any]


class _Named(jsonfile.Row):
    """A named instrument, as `instruments.named` and `casting` expect it."""

    name: Annotated[jsonfile.Text, Field(max_length=MAX_NAME)]
    program: Annotated[jsonfile.Whole, Field(ge=0, le=127)] | None = None
    family: Annotated[jsonfile.Text, Field(max_length=MAX_NAME)] = ""
    z: list[Annotated[jsonfile.Number, Field(ge=-MAX_LATENT, le=MAX_LATENT)]]


class _About(jsonfile.Row):
    instruments: Annotated[list[_Named], Field(max_length=MAX_INSTRUMENTS), FailFast()] = Field(default_factory=list)


def _check_instruments(instruments: Sequence[_Named], config: Config) -> None:
    for instrument in instruments:
        if len(instrument.z) != config.latent_vector_size:
            raise ValueError(
                f"the latent of {jsonfile.shortened(instrument.name)} has {len(instrument.z)} numbers; "
                f"this model's have {config.latent_vector_size}"
            )
    if len({instrument.name for instrument in instruments}) != len(instruments):
        raise ValueError("two of its instruments have one name")


def _has(archive: zipfile.ZipFile, member: str) -> bool:
    return member in archive.NameToInfo


def _array_header(archive: zipfile.ZipFile, member: str) -> tuple[np.dtype, tuple[int, ...]]:
    """Type and shape of an array in a `.npz`, without reading its values; checked against the member's size."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{member} has an unknown format version")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        try:
            shape, _, dtype = read(file)
        # NumPy parses the header as Python, which raises many kinds of exceptions on nonsense.
        except (SyntaxError, tokenize.TokenError, RecursionError, MemoryError, TypeError):
            raise ValueError(f"{member} has no readable header") from None
        begins = file.tell()
    if dtype.hasobject or not all(isinstance(side, int) and side >= 0 for side in shape):
        raise ValueError(f"{member} is not an array of numbers")
    if dtype.itemsize * math.prod(shape) != archive.getinfo(member).file_size - begins:
        raise ValueError(f"the size of {member} does not match its shape {list(shape)}")
    return dtype, shape


def _read_array(archive: zipfile.ZipFile, member: str, kind: str = "f") -> np.ndarray:
    with archive.open(member) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    return _as_float32(array) if kind == "f" else array


def _as_float32(array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # values that overflow to infinity are refused later, with all others
        return np.asarray(array, np.float32)


def find_stage(names: list[str]) -> str | None:
    """The stage folder to use: the last `stage_*` in alphabetical order. Source: SPEC section 1."""
    stages = sorted(name for name in names if re.fullmatch(r"stage_\d+", name))
    return stages[-1] if stages else None


def _read_folder(path: Path, shown_as: Path) -> Checkpoint:
    return _read_tensors(*_find(path, shown_as), shown_as)


def find(path: str | os.PathLike) -> tuple[Config, int, Path]:
    """Find the newest checkpoint in a folder in the published layout.

    Returns:
      Its hyper-parameters, its stage, and its path without the suffixes .index and .data-*.

    Raises:
      FileNotFoundError: the folder holds no checkpoint.
      ValueError: experiment.json is invalid, or such a model has no such stage.
    """
    path = as_path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"no checkpoint at {path}: there is no such folder")
    return _find(path, path)


def _find(path: Path, shown_as: Path) -> tuple[Config, int, Path]:
    folders = [path, *sorted(p for p in path.iterdir() if p.is_dir())]
    root = next((folder for folder in folders if (folder / _EXPERIMENT).is_file()), None)
    if root is None:
        raise FileNotFoundError(f"no checkpoint in {shown_as}: it has neither {_EXPERIMENT} nor {COMPACT_NAME}")
    experiment = root / _EXPERIMENT
    config = Config.read(experiment, shown_as / experiment.relative_to(path))
    stage_name = find_stage([p.name for p in root.iterdir() if p.is_dir()])
    if stage_name is None:
        raise FileNotFoundError(f"no checkpoint in {shown_as}: it has no stage_000NN folder")
    stage = int(stage_name.rsplit("_", 1)[1])
    check_stage(config, stage, shown_as)
    prefix = _newest(root / stage_name)
    if prefix is None:
        raise FileNotFoundError(f"no checkpoint in {shown_as}: {stage_name} holds no model.ckpt-*.index")
    return config, stage, prefix


def _newest(stage: Path) -> Path | None:
    """Prefix of the step that the `checkpoint` file names, or else of the newest step; None if there are no steps.

    Only the last component of the named path is used: folders get moved, and a path read from a file is not trusted.
    """
    steps = {p.stem: int(m[1]) for p in stage.glob("*.index") if (m := re.fullmatch(r"model\.ckpt-(\d+)", p.stem))}
    state = stage / "checkpoint"
    if state.is_file():
        with open(state, encoding="utf-8", errors="replace") as file:
            text = file.read(MAX_STATE)
        named = re.search(r'^model_checkpoint_path: "(?:.*[/\\])?([^"/\\]+)"', text, re.M)
        if named and named[1] in steps:
            return stage / named[1]
    return stage / max(steps, key=lambda name: steps[name]) if steps else None


def _read_tensors(config: Config, stage: int, prefix: Path, shown_as: Path) -> Checkpoint:
    present = _entries(prefix, shown_as)
    counted = present.get("global_step")
    if counted is not None and (counted.shape or counted.dtype not in ("int32", "int64")):
        raise ValueError(f"{shown_as} is damaged: its global_step is not a whole number")
    averages = [name for name in present if name.startswith("Generator/") and name.endswith(AVERAGE)]
    if present and not averages:
        raise ValueError(f"{shown_as} holds no moving averages (…{AVERAGE}), which generation needs")
    step = int(prefix.name.rsplit("-", 1)[1])
    if counted:
        step = int(_tensors(prefix, shown_as, present, ["global_step"])["global_step"])
    if not 0 <= step <= MAX_COUNT:
        raise ValueError(f"{shown_as} is damaged: its global_step is {step}")
    shapes = weight_shapes(config, config.num_blocks(stage), config.progress(stage, step))
    names = {name: published_name(name) for name in shapes}
    found = {name: present[published] for name, published in names.items() if published in present}
    _check_weights(shapes, {name: (entry.dtype, entry.shape) for name, entry in found.items()}, config, shown_as)
    read = _tensors(prefix, shown_as, present, names.values())
    weights = {name: _as_float32(read[published]) for name, published in names.items()}
    return _checked(Checkpoint(config, weights, stage, step), shown_as)


def _entries(prefix: Path, shown_as: Path) -> dict[str, bundle.TensorEntry]:
    """The checked index of a checkpoint."""
    try:
        return bundle.entries(prefix)
    except (ValueError, OSError) as error:
        raise _damaged(prefix, shown_as, getattr(error, "strerror", None) or error) from None


def _tensors(
    prefix: Path, shown_as: Path, present: Mapping[str, bundle.TensorEntry], names: Iterable[str]
) -> dict[str, np.ndarray]:
    """Tensors whose types and shapes have been checked."""
    try:
        return bundle.read(prefix, present, names)
    except (ValueError, OSError) as error:
        raise _damaged(prefix, shown_as, getattr(error, "strerror", None) or error) from None


def _damaged(prefix: Path, shown_as: Path, error: Exception | str) -> ValueError:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ValueError(f"{shown_as} is damaged: {prefix.name} cannot be read ({one_line(first_line)})")


def read_published(prefix: Path, expected: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Read all the variables of a saved training.

    Args:
      prefix: as returned by `find`.
      expected: name -> an array of the shape and type that the variable must have.

    Returns:
      name -> array.

    Raises:
      ValueError: a variable is missing, has another shape or is not finite, or the file is damaged.
    """
    present = _entries(prefix, prefix.parent)
    for name, array in expected.items():
        if name not in present:
            raise ValueError(f"{prefix} does not hold the full state of a training: it has no {name}")
        if present[name].shape != array.shape:
            shapes = f"{list(present[name].shape)}, where the hyper-parameters call for {list(array.shape)}"
            raise ValueError(f"{prefix} does not match its experiment.json: {name} has shape {shapes}")
        if not present[name].dtype:
            raise ValueError(f"{prefix} does not hold the state of a training: {name} is not numeric")
    read = _tensors(prefix, prefix.parent, present, expected)
    arrays = {name: read[name].astype(array.dtype) for name, array in expected.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{prefix} is damaged: {name} has values that are not finite")
    return arrays


def write_published(
    folder: str | os.PathLike,
    experiment: Mapping[str, Any],
    stage: int,
    step: int,
    arrays: Mapping[str, np.ndarray],
    keep: int,
) -> Path:
    """Write a checkpoint in the published layout.

    If the process is killed while writing, earlier checkpoints stay intact: files are moved into place once they are
    complete, and `.index`, which turns them into a checkpoint, is moved last. The folder of a new stage appears only
    with its first checkpoint in it.

    Args:
      folder: the model's folder.
      experiment: contents of experiment.json.
      stage: the current training stage.
      step: images seen in training.
      arrays: the variables by their published names.
      keep: how many checkpoints of this stage to keep; of each earlier stage, only the last is kept.

    Returns:
      The checkpoint's prefix.

    Raises:
      OSError: the disk is full or not writable.
    """
    from .backend import tf

    folder = as_path(folder)
    with replacing(folder / _EXPERIMENT) as partial:
        partial.write_text(json.dumps(dict(experiment), indent=1), "utf-8")
    stage_folder = folder / f"stage_{stage:05d}"
    prefix = stage_folder / f"model.ckpt-{step}"
    with naming(prefix), partial_folder(folder) as partial:
        try:
            tf.raw_ops.SaveV2(
                prefix=str(partial / prefix.name),
                tensor_names=list(arrays),
                shape_and_slices=[""] * len(arrays),
                tensors=list(arrays.values()),
            )
        except tf.errors.OpError as error:
            raise OSError(f"{prefix} cannot be written: {str(error).splitlines()[0]}") from None
        _check_saved(partial / prefix.name, arrays, prefix)
        if stage_folder.is_dir():
            for written in sorted(partial.iterdir(), key=lambda path: path.suffix == ".index"):
                os.replace(written, stage_folder / written.name)
        else:  # never expose a stage without a checkpoint: it would be taken for the newest
            os.replace(partial, stage_folder)
    _name_newest(stage_folder, keep)
    for other in folder.glob("stage_*"):
        if other.is_dir() and re.fullmatch(r"stage_\d+", other.name) and int(other.name[6:]) < stage:
            _name_newest(other, 1)
    return prefix


def _check_saved(prefix: Path, arrays: Mapping[str, np.ndarray], shown_as: Path) -> None:
    """Raise an OSError if a checkpoint was not written correctly, for example on a full disk."""
    try:
        saved = bundle.entries(prefix)
    except (ValueError, OSError) as error:
        raise OSError(f"{shown_as} cannot be written: {error}") from None
    if {name: entry.shape for name, entry in saved.items()} != {name: np.shape(a) for name, a in arrays.items()}:
        raise OSError(f"{shown_as} cannot be written: the file on disk does not list the tensors that were written")


def _name_newest(stage_folder: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints of a stage, and list the rest in its `checkpoint` file."""
    steps = sorted(
        int(m[1]) for p in stage_folder.iterdir() if (m := re.fullmatch(r"model\.ckpt-(\d+)\.index", p.name))
    )
    kept = steps[-keep:]
    if not kept:
        return
    lines = [f'model_checkpoint_path: "./model.ckpt-{kept[-1]}"']
    lines += [f'all_model_checkpoint_paths: "./model.ckpt-{step}"' for step in kept]
    with replacing(stage_folder / "checkpoint") as partial:
        partial.write_text("\n".join(lines) + "\n")
    for path in stage_folder.iterdir():
        named = re.fullmatch(r"model\.ckpt-(\d+)\.(index|data-\d+-of-\d+)", path.name)
        if named and int(named[1]) not in kept:
            path.unlink()


def check_stage(config: Config, stage: int, shown_as: Path | str) -> None:
    """Raise a ValueError if a model with this config has no such stage; `shown_as` is the path in the message."""
    if stage < 0 or config.num_blocks(stage) > config.num_resolutions:
        last = 2 * config.num_resolutions - 2
        raise ValueError(
            f"{shown_as} is of stage {stage}; a model of {config.num_resolutions} blocks has stages 0 to {last}"
        )


def _check_weights(
    expected: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[Any, tuple[int, ...]]],
    config: Config,
    shown_as: Path,
) -> None:
    """Raise a ValueError for weights that do not suit the config, by (type, shape) alone: no values are read."""
    for name, shape in expected.items():
        if name not in found:
            raise ValueError(f"{shown_as} does not match its experiment.json: it has no {name}")
        dtype, there = found[name]
        if tuple(there) != tuple(shape):
            guess = f" (not given there, so assumed: {', '.join(config.assumed)})" if config.assumed else ""
            raise ValueError(
                f"{shown_as} does not match its experiment.json: {name} has shape {list(there)}, "
                f"where the hyper-parameters call for {list(shape)}{guess}"
            )
        if str(dtype) not in WEIGHT_TYPES:
            raise ValueError(f"{shown_as} is damaged: {name} is not of a floating-point type")
    weights = sum(math.prod(shape) for shape in expected.values())
    if weights > MAX_WEIGHTS:
        raise ValueError(f"{shown_as} has {weights:,} weights; a generator may have at most {MAX_WEIGHTS:,}")
    if any(0 in shape for shape in expected.values()):
        raise ValueError(f"{shown_as} has a block without filters")


def _checked(checkpoint: Checkpoint, shown_as: Path) -> Checkpoint:
    """The checkpoint, once all its weights have been checked to be finite."""
    weights = checkpoint.weights
    for name in weights:
        if not np.isfinite(weights[name]).all():
            raise ValueError(f"{shown_as} is damaged: {name} has values that are not finite")
    return checkpoint


def extract_published(archive: str | os.PathLike, folder: str | os.PathLike, shown_as: Path | None = None) -> list[str]:
    """Unpack the files that generation needs from a published zip: experiment.json and the last stage without `.meta`.

    Args:
      archive: the zip.
      folder: the folder to unpack to; the archive's own top folder, if it has one, is stripped.
      shown_as: the path to show in errors, where the archive's own would mean nothing to the user.

    Returns:
      The relative paths that were written.

    Raises:
      ValueError: it is not a zip or not a checkpoint, or a member would be written outside `folder`.
    """
    folder = as_path(folder)
    shown_as = shown_as or Path(archive)
    try:
        check_zip(archive, shown_as)
        with zipfile.ZipFile(archive) as source:
            members = {_safe_name(info, shown_as): info for info in source.infolist() if not info.is_dir()}
            roots = [name.parent for name in members if name.name == _EXPERIMENT]
            if not roots:
                raise ValueError(f"{shown_as} is not a GANSynth checkpoint: it contains no {_EXPERIMENT}")
            root = min(roots, key=lambda p: len(p.parts))
            inside = {name.relative_to(root): info for name, info in members.items() if name.is_relative_to(root)}
            stage = find_stage([name.parts[0] for name in inside if len(name.parts) > 1])
            written = []
            for name, info in inside.items():
                in_stage = name.parts[0] == stage and len(name.parts) == 2
                if str(name) == _EXPERIMENT or (in_stage and name.suffix != ".meta"):
                    target = folder.joinpath(*name.parts)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with source.open(info) as data, open(target, "wb") as out:
                        shutil.copyfileobj(data, out)
                    written.append(str(name))
    except _BAD_ZIP as error:
        raise ValueError(f"{shown_as} is not a usable zip archive: {one_line(error)}") from None
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENAMETOOLONG):
            raise
        # A damaged archive: it gives an offset before the start of the file, or a member's name that is too long.
        raise ValueError(f"{shown_as} is not a usable zip archive: it is damaged") from None
    return written


def check_zip(archive: str | os.PathLike, shown_as: Path | None = None) -> None:
    """Refuse a zip that would unpack to far more than a model can take, before any of it is unpacked.

    Checking the declared sizes is enough: `zipfile` never extracts more of a member than the size it declares.

    Raises:
      ValueError: it would unpack to too much, or uses an unexpected compression method.
      zipfile.BadZipFile: it is not a zip.
    """
    archive = Path(archive)
    shown_as = shown_as or archive
    with zipfile.ZipFile(archive) as source:
        members = source.infolist()
    size = sum(member.file_size for member in members)
    packed = archive.stat().st_size
    if size > MAX_UNPACKED_BYTES or len(members) > MAX_MEMBERS or size > max(SMALL_BYTES, MAX_RATIO * packed):
        raise ValueError(f"{shown_as} would unpack to {size >> 20} MB in {len(members)} files, far too much")
    if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
        raise ValueError(f"{shown_as} uses an unsupported compression method; expected deflate or none")


def _safe_name(info: zipfile.ZipInfo, shown_as: Path) -> PurePosixPath:
    """The member's path, if it is a plain file and stays inside the folder that it is unpacked to."""
    name = PurePosixPath(info.filename.replace("\\", "/"))
    is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
    if name.is_absolute() or ".." in name.parts or re.match(r"^[A-Za-z]:", str(name)) or is_link:
        raise ValueError(
            f"{shown_as} cannot be trusted: its member {info.filename[:MAX_NAME]!r} points outside the archive"
        )
    return name
