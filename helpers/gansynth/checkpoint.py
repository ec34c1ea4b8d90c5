"""Weights in, weights out: the published TensorFlow 1 checkpoints, and our own one-file format.

A published model is a folder (or a zip of one):

    experiment.json                                  the numbers, see config.py
    stage_00012/checkpoint                           names the newest step, by a path that is often stale
    stage_00012/model.ckpt-11000000.index, .data-*   the tensors; only the last stage counts

Of its 312 tensors, generation needs 30: the moving averages of the generator's weights, not the weights themselves.
Training goes on from all of them, and writes all of them.
Our compact format is one `.npz` file with the same 30 arrays, float32 or float16, and the numbers as JSON.

Weights are called `block/layer/kind` here, for example `7/conv1/kernel`. Source: SPEC sections 1 and 4.
Notebook: 02_checkpoints, 08_train.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..files import replacing
from .config import NUM_PITCHES, Config, block_weights

COMPACT_NAME = "generator.npz"  # a folder with this file in it is a checkpoint in our own format
COMPACT_FORMAT = 1
MAX_COMPACT_BYTES = 1 << 30  # a generator twice as wide as the published one is 120 MB

AVERAGE = "/ExponentialMovingAverage"  # behind the name of the variable that it is the average of
_EXPERIMENT = "experiment.json"
_PARTIAL = ".partial-"  # begins the name of a folder in which a checkpoint is being written


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A generator at rest."""

    config: Config
    weights: Mapping[str, np.ndarray]  # "block/layer/kind" -> array
    stage: int  # training stage it was saved in; 12 is the last of the published models
    global_step: int  # images seen in training
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # JSON values that travel with the weights

    def __repr__(self) -> str:
        weights = sum(array.size for array in self.weights.values())
        return f"Checkpoint({weights:,} weights, stage {self.stage}, {self.global_step:,} images)"

    @property
    def num_blocks(self) -> int:
        return self.config.num_blocks(self.stage)

    @property
    def progress(self) -> float:
        return self.config.progress(self.stage, self.global_step)

    def fingerprint(self) -> str:
        """SHA-256 over the weights and the numbers that turn them into sound: equal for equal models."""
        digest = hashlib.sha256()
        numbers = [self.config.data_type, self.progress, self.num_blocks, self.config.sample_rate]
        numbers += [self.config.mag_normalizer_a, self.config.mag_normalizer_b]
        numbers += [self.config.p_normalizer_a, self.config.p_normalizer_b]
        digest.update(json.dumps(numbers).encode())
        for name in sorted(self.weights):
            array = np.ascontiguousarray(self.weights[name], np.float32)
            digest.update(f"{name}{array.shape}".encode())
            digest.update(array)
        return digest.hexdigest()


def weight_shapes(config: Config, num_blocks: int, progress: float) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight that generation needs at this point of the training."""
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


def read(path: str | os.PathLike) -> Checkpoint:
    """Read a checkpoint of either kind.

    Args:
      path: a published model's folder or zip, a folder in our format, or its `.npz` file.

    Raises:
      FileNotFoundError: nothing is there, or the folder holds no checkpoint.
      ValueError: it is not a checkpoint, or one of another shape than its experiment.json says.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint at {path}: there is no such file or folder")
    if path.is_dir():
        if (path / COMPACT_NAME).is_file():
            return _read_compact(path / COMPACT_NAME)
        return _read_folder(path)
    if path.suffix == ".npz":
        return _read_compact(path)
    if zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory(prefix="gansynth-") as folder:
            extract_published(path, folder)
            return _read_folder(Path(folder), shown_as=path)
    raise ValueError(f"{path} is not a checkpoint: expected a folder, a .zip of one, or a .npz file")


def write(checkpoint: Checkpoint, path: str | os.PathLike, dtype: str = "float32") -> Path:
    """Write our compact format, whole or not at all.

    Args:
      checkpoint: what to write; as read back it has the same numbers, rounded to `dtype`.
      path: a `.npz` file.
      dtype: "float32" (exact) or "float16" (half the size).
    """
    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype is {dtype!r}; expected 'float32' or 'float16'")
    path = Path(path)
    header = {
        "format": COMPACT_FORMAT,
        "config": checkpoint.config.to_dict(),
        "stage": checkpoint.stage,
        "global_step": checkpoint.global_step,
        "about": dict(checkpoint.about),
    }
    arrays = {name: np.asarray(array, dtype) for name, array in checkpoint.weights.items()}
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, header=np.array(json.dumps(header)), **arrays)
    return path


def _read_compact(path: Path) -> Checkpoint:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_COMPACT_BYTES:
            raise ValueError(f"it would unpack to {size >> 20} MB")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop("header")))
        config = Config.from_dict(dict(header["config"]))
        stage, step, about = int(header["stage"]), int(header["global_step"]), dict(header["about"])
        arrays = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is not a GANSynth checkpoint: {error}") from None
    return _checked(Checkpoint(config, arrays, stage, step, about), path)


def find_stage(names: list[str]) -> str | None:
    """The stage folder to use: the last `stage_*` by name. Source: SPEC section 1."""
    stages = sorted(name for name in names if re.fullmatch(r"stage_\d+", name))
    return stages[-1] if stages else None


def _read_folder(path: Path, shown_as: Path | None = None) -> Checkpoint:
    return _read_tensors(*_find(path, shown_as or path), shown_as or path)


def find(path: str | os.PathLike) -> tuple[Config, int, Path]:
    """The newest checkpoint in a folder in the published layout.

    Returns:
      Its numbers, its stage, and its path without the suffixes .index and .data-*.

    Raises:
      FileNotFoundError: there is none.
      ValueError: experiment.json makes no sense, or does not go with the stage.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"no checkpoint at {path}: there is no such folder")
    return _find(path, path)


def _find(path: Path, shown_as: Path) -> tuple[Config, int, Path]:
    folders = [path, *sorted(p for p in path.iterdir() if p.is_dir())]
    root = next((folder for folder in folders if (folder / _EXPERIMENT).is_file()), None)
    if root is None:
        raise FileNotFoundError(f"no checkpoint in {shown_as}: there is neither {_EXPERIMENT} nor {COMPACT_NAME}")
    experiment = root / _EXPERIMENT
    config = Config.from_json(experiment.read_text("utf-8", errors="replace"), shown_as / experiment.relative_to(path))
    stage_name = find_stage([p.name for p in root.iterdir() if p.is_dir()])
    if stage_name is None:
        raise FileNotFoundError(f"no checkpoint in {shown_as}: there is no stage_000NN folder")
    stage = int(stage_name.rsplit("_", 1)[1])
    check_stage(config, stage, shown_as)
    prefix = _newest(root / stage_name)
    if prefix is None:
        raise FileNotFoundError(f"no checkpoint in {shown_as}: {stage_name} holds no model.ckpt-*.index")
    return config, stage, prefix


def _newest(stage: Path) -> Path | None:
    """Prefix of the step that the `checkpoint` file names, or else of the newest one there is.

    Only the last part of the named path is used: folders move, and a path from a file is not to be trusted.
    """
    steps = {p.stem: int(m[1]) for p in stage.glob("*.index") if (m := re.fullmatch(r"model\.ckpt-(\d+)", p.stem))}
    state = stage / "checkpoint"
    if state.is_file():
        named = re.search(r'^model_checkpoint_path: "(?:.*[/\\])?([^"/\\]+)"', state.read_text(errors="replace"), re.M)
        if named and named[1] in steps:
            return stage / named[1]
    return stage / max(steps, key=steps.get) if steps else None


def _read_tensors(config: Config, stage: int, prefix: Path, shown_as: Path) -> Checkpoint:
    from .backend import tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        present = reader.get_variable_to_shape_map()
        in_name = int(prefix.name.rsplit("-", 1)[1])
        step = int(reader.get_tensor("global_step")) if "global_step" in present else in_name
        shapes = weight_shapes(config, config.num_blocks(stage), config.progress(stage, step))
        names = {name: published_name(name) for name in shapes}
        averages = [name for name in present if name.startswith("Generator/") and name.endswith(AVERAGE)]
        if present and not averages:
            raise ValueError(f"{shown_as} holds no moving averages (…{AVERAGE}), which generation needs")
        found = {name: present[published] for name, published in names.items() if published in present}
        _check_shapes(shapes, found, config, shown_as)
        weights = {name: reader.get_tensor(published) for name, published in names.items()}
    except (tf.errors.OpError, RuntimeError, IndexError) as error:  # IndexError: a file that is cut short
        raise _damaged(prefix, shown_as, error) from None
    return _checked(Checkpoint(config, weights, stage, step), shown_as)


def _damaged(prefix: Path, shown_as: Path, error: Exception) -> ValueError:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ValueError(f"{shown_as} is damaged: {prefix.name} cannot be read ({first_line})")


def read_published(prefix: Path, expected: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All the variables of a training's state.

    Args:
      prefix: as from `find`.
      expected: name -> an array of the shape and type that the variable has to have.

    Raises:
      ValueError: one is missing, does not fit or is not finite, or the file is damaged.
    """
    from .backend import tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        present = reader.get_variable_to_shape_map()
        for name, array in expected.items():
            if name not in present:
                raise ValueError(f"{prefix} is not a whole training's state: it has no {name}")
            if tuple(present[name]) != array.shape:
                shapes = f"{list(present[name])}, where the numbers call for {list(array.shape)}"
                raise ValueError(f"{prefix} does not fit its experiment.json: {name} has shape {shapes}")
        arrays = {name: reader.get_tensor(name).astype(array.dtype) for name, array in expected.items()}
    except (tf.errors.OpError, RuntimeError, IndexError) as error:
        raise _damaged(prefix, prefix.parent, error) from None
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{prefix} is damaged: {name} holds values that are not finite")
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

    A process killed on the way leaves the checkpoints before it as they were: files get their names when they are
    whole, and the one that makes a checkpoint of them, `.index`, gets it last; a new stage appears with its first one.

    Args:
      folder: of the model.
      experiment: contents of experiment.json.
      stage, step: where the training is.
      arrays: the variables by their published names.
      keep: how many checkpoints of this stage to keep, and of each earlier one the last.

    Returns:
      The checkpoint's prefix.

    Raises:
      OSError: the disk is full, or cannot be written.
    """
    from .backend import tf

    folder = Path(folder)
    with replacing(folder / _EXPERIMENT) as partial:
        partial.write_text(json.dumps(dict(experiment), indent=1), "utf-8")
    stage_folder = folder / f"stage_{stage:05d}"
    prefix = stage_folder / f"model.ckpt-{step}"
    partial = Path(tempfile.mkdtemp(dir=folder, prefix=_PARTIAL))
    try:
        tf.raw_ops.SaveV2(
            prefix=str(partial / prefix.name),
            tensor_names=list(arrays),
            shape_and_slices=[""] * len(arrays),
            tensors=list(arrays.values()),
        )
        if stage_folder.is_dir():
            for written in sorted(partial.iterdir(), key=lambda path: path.suffix == ".index"):
                os.replace(written, stage_folder / written.name)
        else:  # a stage without a checkpoint in it must never be seen: it would count as the newest
            partial.chmod(0o755)
            os.replace(partial, stage_folder)
    except tf.errors.OpError as error:
        raise OSError(f"{prefix} cannot be written: {str(error).splitlines()[0]}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _name_newest(stage_folder, keep)
    for other in folder.glob("stage_*"):
        if other.is_dir() and re.fullmatch(r"stage_\d+", other.name) and int(other.name[6:]) < stage:
            _name_newest(other, 1)
    for left in folder.glob(f"{_PARTIAL}*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    return prefix


def _name_newest(stage_folder: Path, keep: int) -> None:
    """Write which checkpoints of a stage are there, and which is the newest; delete all but the newest `keep`."""
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
    """Raise a ValueError if a model of these numbers has no such stage; `shown_as` is what the message is about."""
    if stage < 0 or config.num_blocks(stage) > config.num_resolutions:
        last = 2 * config.num_resolutions - 2
        raise ValueError(f"{shown_as} is of stage {stage}; a model of {config.num_resolutions} blocks has 0 to {last}")


def _check_shapes(expected: Mapping, found: Mapping, config: Config, shown_as: Path) -> None:
    for name, shape in expected.items():
        if name not in found:
            raise ValueError(f"{shown_as} does not fit its experiment.json: it has no {name}")
        if tuple(found[name]) != tuple(shape):
            guess = f" (not given there, so assumed: {', '.join(config.assumed)})" if config.assumed else ""
            raise ValueError(
                f"{shown_as} does not fit its experiment.json: {name} has shape {list(found[name])}, "
                f"where the numbers call for {list(shape)}{guess}"
            )


def _checked(checkpoint: Checkpoint, shown_as: Path) -> Checkpoint:
    """The checkpoint with exactly the weights that generation needs, each of the right shape and finite."""
    check_stage(checkpoint.config, checkpoint.stage, shown_as)
    shapes = weight_shapes(checkpoint.config, checkpoint.num_blocks, checkpoint.progress)
    weights = checkpoint.weights
    _check_shapes(shapes, {name: array.shape for name, array in weights.items()}, checkpoint.config, shown_as)
    for name in shapes:
        if not np.isfinite(weights[name]).all():
            raise ValueError(f"{shown_as} is damaged: {name} holds values that are not finite")
    return dataclasses.replace(checkpoint, weights={name: weights[name] for name in shapes})


def extract_published(archive: str | os.PathLike, folder: str | os.PathLike) -> list[str]:
    """Unpack from a published zip what generation reads: experiment.json and the last stage, without its `.meta` graph.

    Args:
      archive: the zip.
      folder: where to; the archive's own top folder, if it has one, is left out.

    Returns:
      The relative paths that were written.

    Raises:
      ValueError: not a zip, not a checkpoint, or a member that would land outside `folder`.
    """
    folder = Path(folder)
    try:
        with zipfile.ZipFile(archive) as source:
            members = {_safe_name(info, archive): info for info in source.infolist() if not info.is_dir()}
            roots = [name.parent for name in members if name.name == _EXPERIMENT]
            if not roots:
                raise ValueError(f"{archive} is not a GANSynth checkpoint: there is no {_EXPERIMENT} in it")
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
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{archive} is not a usable zip archive: {error}") from None
    return written


def _safe_name(info: zipfile.ZipInfo, archive: str | os.PathLike) -> PurePosixPath:
    """The member's path, if it stays inside the folder it is unpacked to and is a plain file."""
    name = PurePosixPath(info.filename.replace("\\", "/"))
    is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
    if name.is_absolute() or ".." in name.parts or re.match(r"^[A-Za-z]:", str(name)) or is_link:
        raise ValueError(f"{archive} is not to be trusted: its member {info.filename!r} points outside the archive")
    return name
