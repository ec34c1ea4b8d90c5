"""Weights in and out: layouts as they were published, as they arrive after a move, and as they should not be."""

import dataclasses
import json
import shutil
import stat
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from inputs import DATA, golden, save_tensors

from helpers.gansynth import bundle, checkpoint
from helpers.gansynth.config import Config

TINY = DATA / "checkpoints" / "tiny_stage12"
STAGE, STEP = "stage_00012", "model.ckpt-11000000"
NAMED = [{"name": name, "z": [0.5] * 256, "program": 73, "family": "flute"} for name in ("one", "two")]


@pytest.fixture(scope="module")
def tiny_weights():
    return checkpoint.read(TINY)


@pytest.fixture
def folder(tmp_path):
    """A copy to be spoilt."""
    return Path(shutil.copytree(TINY, tmp_path / "model"))


def published(source, factor=1.0, **changes):
    """The tensors that generation needs, under their published names."""
    tensors = {checkpoint.published_name(name): value * np.float32(factor) for name, value in source.weights.items()}
    tensors |= {checkpoint.published_name(name): value for name, value in changes.items()}
    return {name: value for name, value in tensors.items() if value is not None}


def zipped(source, path, top="", method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(p for p in source.rglob("*") if p.is_file()):
            archive.write(file, f"{top}{file.relative_to(source).as_posix()}")
    return path


def refusal(path, error=ValueError):
    """The one sentence in which `path` is refused; it has to say which file was meant."""
    with pytest.raises(error) as caught:
        checkpoint.read(path)
    assert type(caught.value) is error  # not a subclass from the insides of a library
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def broken_stream(path, member):
    """Make the first block of a member's deflated data one of a type that does not exist."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    assert info.compress_type == zipfile.ZIP_DEFLATED
    content = bytearray(path.read_bytes())
    name_and_extra = sum(int.from_bytes(content[info.header_offset + i :][:2], "little") for i in (26, 28))
    content[info.header_offset + 30 + name_and_extra] = 0xFF
    path.write_bytes(content)


# ---- Reading what was published


def test_a_folder_is_read(tiny_weights):
    assert (tiny_weights.stage, tiny_weights.num_blocks) == (12, 7)
    assert (tiny_weights.global_step, tiny_weights.progress) == (11_000_000, 6.0)
    assert len(tiny_weights.weights) == 30
    assert tiny_weights.weights["1/conv0/kernel"].shape == (2, 16, 317, 6)
    assert tiny_weights.weights["7/to_rgb/kernel"].shape == (1, 1, 4, 2)
    assert {array.dtype for array in tiny_weights.weights.values()} == {np.dtype("float32")}


@pytest.mark.parametrize(("name", "stage"), [("tiny_stage11_blend", 11), ("tiny_stage05_blend", 5)])
def test_a_checkpoint_in_the_middle_of_a_transition(name, stage):
    got, expected = checkpoint.read(DATA / "checkpoints" / name), golden(f"{name}_gen")
    assert (got.stage, got.num_blocks, got.progress) == (stage, expected["num_blocks"], expected["progress"])
    assert len(got.weights) == 4 * got.num_blocks + 4  # two blocks are seen


@pytest.mark.parametrize("top", ["", "tiny/", "some/deep/"])
def test_a_zip_is_read(tmp_path, tiny_weights, top):
    got = checkpoint.read(zipped(TINY, tmp_path / "model.zip", top))
    assert got.fingerprint() == tiny_weights.fingerprint()


def test_a_zip_may_have_other_files_beside_the_model(tmp_path, tiny_weights):
    path = zipped(TINY, tmp_path / "model.zip", "model/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/model/._experiment.json", b"\0")
        archive.writestr("model/stage_00012/model.ckpt-11000000.meta", b"a graph nobody reads")
        archive.writestr("model/stage_00004/model.ckpt-9.index", b"garbage")
    assert checkpoint.read(path).fingerprint() == tiny_weights.fingerprint()
    written = checkpoint.extract_published(path, tmp_path / "out")
    on_disk = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert sorted(written) == on_disk
    assert on_disk == sorted(p.relative_to(TINY).as_posix() for p in TINY.rglob("*") if p.is_file())


def test_a_folder_around_the_model_is_no_matter(tmp_path, folder, tiny_weights):
    assert checkpoint.read(tmp_path).fingerprint() == tiny_weights.fingerprint()


@pytest.mark.parametrize("stale", ["/home/somebody/train/stage_00012", r"C:\train", ".", "../../elsewhere"])
def test_a_stale_path_in_the_checkpoint_file(folder, tiny_weights, stale):
    (folder / STAGE / "checkpoint").write_text(f'model_checkpoint_path: "{stale}/{STEP}"\n')
    assert checkpoint.read(folder).fingerprint() == tiny_weights.fingerprint()


def test_the_checkpoint_file_says_which_step(folder, tiny_weights):
    save_tensors(folder / STAGE / "model.ckpt-12000000", published(tiny_weights, 2.0))
    assert checkpoint.read(folder).fingerprint() == tiny_weights.fingerprint()
    (folder / STAGE / "checkpoint").write_text('model_checkpoint_path: "./model.ckpt-12000000"\n')
    assert np.array_equal(checkpoint.read(folder).weights["1/conv0/bias"], 2 * tiny_weights.weights["1/conv0/bias"])


@pytest.mark.parametrize("state", [None, "", 'model_checkpoint_path: "./model.ckpt-5"\n'])
def test_without_a_usable_checkpoint_file_the_newest_step_counts(folder, tiny_weights, state):
    """The newest by number: as text, 9600000 comes after 11000000."""
    save_tensors(folder / STAGE / "model.ckpt-9600000", published(tiny_weights, 2.0))
    (folder / STAGE / "checkpoint").unlink()
    if state is not None:
        (folder / STAGE / "checkpoint").write_text(state)
    got = checkpoint.read(folder)
    assert got.fingerprint() == tiny_weights.fingerprint()
    assert got.global_step == 11_000_000


def test_without_a_global_step_the_file_name_has_it(tmp_path, folder, tiny_weights):
    shutil.rmtree(folder / STAGE)
    save_tensors(folder / STAGE / "model.ckpt-10346312", published(tiny_weights))
    assert checkpoint.read(folder).global_step == 10346312


def test_only_the_last_stage_is_read(folder, tiny_weights):
    for name in ("stage_00000", "stage_00011", "stage_tmp", "stage_00013.bak", "assets"):
        (folder / name).mkdir()
        (folder / name / "model.ckpt-99000000.index").write_bytes(b"garbage")
    got = checkpoint.read(folder)
    assert got.stage == 12
    assert got.fingerprint() == tiny_weights.fingerprint()


# ---- Our own format


def test_compact_float32_is_exact(tmp_path, tiny_weights):
    source = dataclasses.replace(tiny_weights, about={"instruments": NAMED, "notes": {"a": 1.5}})
    path = checkpoint.write(source, tmp_path / "new" / "model.npz")
    got = checkpoint.read(path)
    assert list(got.weights) == list(source.weights)
    assert all(np.array_equal(got.weights[name], array) for name, array in source.weights.items())
    assert dataclasses.replace(got, weights={}) == dataclasses.replace(source, weights={})


@pytest.mark.slow
def test_compact_float16_is_the_rounded_numbers(tmp_path, tiny_weights):
    path = checkpoint.write(tiny_weights, tmp_path / "model.npz", dtype="float16")
    got = checkpoint.read(path)
    for name, array in tiny_weights.weights.items():
        assert got.weights[name].dtype == np.float32
        assert np.array_equal(got.weights[name], array.astype(np.float16))
    assert path.stat().st_size < 0.6 * checkpoint.write(tiny_weights, tmp_path / "whole.npz").stat().st_size
    # Rounded once, it is the same however it is stored.
    again = checkpoint.read(checkpoint.write(got, tmp_path / "again.npz"))
    assert again.fingerprint() == got.fingerprint() != tiny_weights.fingerprint()


def test_a_folder_with_a_compact_file_is_a_checkpoint(tmp_path, tiny_weights):
    checkpoint.write(tiny_weights, tmp_path / checkpoint.COMPACT_NAME)
    assert checkpoint.read(tmp_path).fingerprint() == tiny_weights.fingerprint()


def test_compact_files_can_be_read_by_others(tmp_path, tiny_weights):
    path = checkpoint.write(tiny_weights, tmp_path / "model.npz")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_compact_keeps_what_was_assumed(tmp_path, folder):
    values = json.loads((folder / "experiment.json").read_text())
    del values["kernel_size"]
    (folder / "experiment.json").write_text(json.dumps(values))
    source = checkpoint.read(folder)
    assert checkpoint.read(checkpoint.write(source, tmp_path / "model.npz")).config.assumed == ("kernel_size",)


def test_an_unknown_dtype_is_refused(tmp_path, tiny_weights):
    with pytest.raises(ValueError, match="'float32' or 'float16'"):
        checkpoint.write(tiny_weights, tmp_path / "model.npz", dtype="int8")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [None, b"what was there"])
@pytest.mark.parametrize("where", ["numpy.savez_compressed", "os.replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failed_write_changes_nothing(tmp_path, tiny_weights, monkeypatch, before, where, error):
    path = tmp_path / "model.npz"
    if before:
        path.write_bytes(before)

    def fail(file, *args, **kwargs):
        if hasattr(file, "write"):
            file.write(b"half of it")
        raise error

    monkeypatch.setattr(where, fail)
    with pytest.raises(type(error)):
        checkpoint.write(tiny_weights, path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([before] if before else [])


# ---- Fingerprints


def test_a_fingerprint_changes_with_a_weight(tiny_weights):
    changed = {name: array.copy() for name, array in tiny_weights.weights.items()}
    changed["4/conv1/kernel"][0, 0, 0, 0] = np.nextafter(changed["4/conv1/kernel"][0, 0, 0, 0], np.float32(9))
    other = dataclasses.replace(tiny_weights, weights=changed)
    assert other.fingerprint() != tiny_weights.fingerprint()


HEARD = {
    "data_type": "linear",
    "sample_rate": 8000,
    "mag_normalizer_a": 0.07,
    "mag_normalizer_b": 0.3,
    "p_normalizer_a": 0.9,
    "p_normalizer_b": 0.1,
}


@pytest.mark.parametrize("change", [{name: value} for name, value in HEARD.items()], ids=list(HEARD))
def test_a_fingerprint_changes_with_what_is_heard(tiny_weights, change):
    other = dataclasses.replace(tiny_weights, config=dataclasses.replace(tiny_weights.config, **change))
    assert other.fingerprint() != tiny_weights.fingerprint()


@pytest.mark.parametrize(
    ("stage", "step", "progress", "blocks"),
    [(11, 9_000_000, 5.25, 7), (13, 10_300_000, 6.0, 8)],
    ids=["fade", "blocks"],
)
def test_a_fingerprint_changes_with_the_share_of_each_block(tiny_weights, stage, step, progress, blocks):
    """The same weights in the middle of a transition, and in a network with another block."""
    other = dataclasses.replace(tiny_weights, stage=stage, global_step=step)
    assert (other.progress, other.num_blocks) == (progress, blocks)
    assert (tiny_weights.progress, tiny_weights.num_blocks) == (6.0, 7)
    assert other.fingerprint() != tiny_weights.fingerprint()


def test_a_fingerprint_keeps_when_nothing_is_heard(tiny_weights):
    """Another order, other notes, a later step of the finished network: the same sound."""
    other = dataclasses.replace(
        tiny_weights,
        weights=dict(reversed(tiny_weights.weights.items())),
        about={"name": "other"},
        global_step=10_000_000,
    )
    assert other.fingerprint() == tiny_weights.fingerprint()


# ---- Refusals


def test_nothing_there(tmp_path):
    assert "no such file or folder" in refusal(tmp_path / "absent", FileNotFoundError)


def test_an_empty_folder(tmp_path):
    assert "neither experiment.json nor generator.npz" in refusal(tmp_path, FileNotFoundError)


def test_a_folder_without_a_stage(folder):
    shutil.rmtree(folder / STAGE)
    assert "stage_000NN" in refusal(folder, FileNotFoundError)


def test_a_stage_without_a_step(folder):
    (folder / STAGE / f"{STEP}.index").unlink()
    assert STAGE in refusal(folder, FileNotFoundError)


def test_a_stage_beyond_the_model(folder):
    (folder / STAGE).rename(folder / "stage_00013")
    assert "of stage 13;" in refusal(folder)


@pytest.mark.parametrize("name", ["model.txt", "model.zip", "model.npz", "model"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 and no more"])
def test_a_file_of_something_else(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert "not a" in refusal(path)


def test_a_shape_that_the_numbers_do_not_call_for(folder):
    values = json.loads((folder / "experiment.json").read_text())
    (folder / "experiment.json").write_text(json.dumps(values | {"fmap_max": 5}))
    message = refusal(folder)
    assert "1/conv0/kernel has shape [2, 16, 317, 6]" in message
    assert "[2, 16, 317, 5]" in message
    assert "assumed" not in message


def test_a_shape_that_an_assumed_number_does_not_call_for(folder):
    """The published value of a missing key is a guess; when it is wrong, the message says that it was one."""
    values = json.loads((folder / "experiment.json").read_text())
    del values["fmap_max"]
    (folder / "experiment.json").write_text(json.dumps(values))
    assert "assumed: fmap_max" in refusal(folder)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"kernel_size": 0}', "\xff\x00"])
def test_a_bad_experiment_is_named(folder, text):
    (folder / "experiment.json").write_text(text, "latin-1")
    assert "experiment.json" in refusal(folder)


@pytest.mark.parametrize(
    ("suffix", "keep"),
    [
        # What generation needs of the tensors lies in the first half of this file.
        ("data-00000-of-00001", 0),
        ("data-00000-of-00001", 0.1),
        ("index", 0),
        ("index", 0.5),
        ("index", 0.9),
    ],
)
def test_a_truncated_file(folder, suffix, keep):
    file = folder / STAGE / f"{STEP}.{suffix}"
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])
    message = refusal(folder)
    assert "damaged" in message
    assert STEP in message


def test_a_missing_data_file(folder):
    (folder / STAGE / f"{STEP}.data-00000-of-00001").unlink()
    assert "damaged" in refusal(folder)


def test_flipped_bytes_are_noticed(folder):
    """TensorFlow keeps a checksum of each tensor; ours are spread over the whole file."""
    file = folder / STAGE / f"{STEP}.data-00000-of-00001"
    content = np.frombuffer(file.read_bytes(), np.uint8)
    file.write_bytes((content ^ 1).tobytes())
    assert "damaged" in refusal(folder)


def test_raw_weights_alone_are_refused(folder, tiny_weights):
    """A model could be made of them, but it would not be the published one."""
    shutil.rmtree(folder / STAGE)
    raw = {k.removesuffix("/ExponentialMovingAverage"): v for k, v in published(tiny_weights).items()}
    save_tensors(folder / STAGE / STEP, raw)
    assert "no moving averages" in refusal(folder)


def test_a_weight_that_is_missing(folder, tiny_weights):
    shutil.rmtree(folder / STAGE)
    save_tensors(folder / STAGE / STEP, published(tiny_weights, **{"5/conv1/bias": None}))
    assert "it has no 5/conv1/bias" in refusal(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite(folder, tmp_path, tiny_weights, value):
    broken = tiny_weights.weights["3/conv0/kernel"].copy()
    broken[1, 1, 0, 0] = value
    shutil.rmtree(folder / STAGE)
    save_tensors(folder / STAGE / STEP, published(tiny_weights, **{"3/conv0/kernel": broken}))
    assert "3/conv0/kernel" in refusal(folder)
    compact = dataclasses.replace(tiny_weights, weights={**tiny_weights.weights, "3/conv0/kernel": broken})
    assert "3/conv0/kernel" in refusal(checkpoint.write(compact, tmp_path / "broken.npz"))


def rewritten(tmp_path, source, change):
    """A compact file whose entries were changed behind our back."""
    arrays = golden("model", checkpoint.write(source, tmp_path / "model.npz").parent)
    change(arrays)
    np.savez(tmp_path / "model.npz", **arrays)
    return tmp_path / "model.npz"


def header(**changes):
    def change(arrays):
        arrays["header"] = np.array(json.dumps(json.loads(str(arrays["header"])) | changes))

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.pop("header"), "header"),
        (lambda a: a.pop("7/to_rgb/bias"), "it has no 7/to_rgb/bias"),
        (lambda a: a.update({"2/conv0/bias": np.zeros(9)}), r"2/conv0/bias has shape \[9\]"),
        (lambda a: a.update(header=np.array("not JSON")), ""),
        (lambda a: a.update(header=np.array("[1]")), ""),
        (lambda a: a.update(header=np.array("{}")), ""),
        (lambda a: a.update(header=np.array({"x": 1}, dtype=object)), ""),
        (lambda a: a.update({"2/conv0/bias": np.array(["a"] * 6)}), ""),
        (header(config=3), ""),
        (header(config=["data_type"]), ""),
        (header(config={"data_type": "cepstrum"}), "data_type"),
        (header(stage="last"), ""),
        (header(stage=-5), ""),
        (header(stage=13), ""),
        (header(global_step=None), ""),
        (header(about=7), ""),
    ],
)
def test_a_compact_file_that_was_tampered_with(tmp_path, tiny_weights, change, said):
    path = rewritten(tmp_path, tiny_weights, change)
    with pytest.raises(ValueError, match=f"model.npz.*{said}") as caught:
        checkpoint.read(path)
    assert "\n" not in str(caught.value)


def test_a_compact_file_with_a_broken_stream(tmp_path, tiny_weights):
    path = checkpoint.write(tiny_weights, tmp_path / "model.npz")
    broken_stream(path, "1/conv0/kernel.npy")
    refusal(path)


@pytest.mark.parametrize("at", [0.2, 0.5])
def test_a_compact_file_with_flipped_bytes(tmp_path, tiny_weights, at):
    path = checkpoint.write(tiny_weights, tmp_path / "model.npz")
    content = bytearray(path.read_bytes())
    start = int(at * len(content))
    content[start : start + 64] = bytes(b ^ 0xFF for b in content[start : start + 64])
    path.write_bytes(content)
    refusal(path)


def npz_member(path, name, dtype="<f4", shape=(), size=0, head=None):
    """Put an array into a `.npz` whose header says what it likes."""
    head = head or f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    head = head.encode("latin-1") + b"\n"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(size))


@pytest.mark.slow
def test_a_compact_file_that_would_fill_the_memory(tmp_path):
    """80 kB of zeros that would be 80 MB, even where nobody reads them."""
    np.savez_compressed(tmp_path / "model.npz", bomb=np.zeros(80 << 17))
    assert "would unpack to 80 MB" in refusal(tmp_path / "model.npz")


@pytest.mark.parametrize("shape", ["(1073741824,)", "(1 << 40, 1 << 40)", "(-1,)", "'x'", "(" * 200])
def test_a_weight_whose_shape_is_absurd(tmp_path, tiny_weights, shape):
    path = rewritten(tmp_path, tiny_weights, lambda arrays: arrays.pop("2/conv0/bias"))
    npz_member(path, "2/conv0/bias", shape=shape)
    refusal(path)


@pytest.mark.parametrize(
    "values",
    [
        np.array(["1.5"] * 6),
        np.array([b"1.5"] * 6),
        np.ones(6, complex),
        np.ones(6, bool),
        np.ones(6, "datetime64[s]"),
        np.ones(6, np.int64),
        np.ones(6, [("a", "f4")]),
    ],
    ids=lambda values: str(values.dtype),
)
def test_weights_that_are_no_floats_are_refused(tmp_path, tiny_weights, values):
    path = rewritten(tmp_path, tiny_weights, lambda arrays: arrays.update({"2/conv0/bias": values}))
    assert "2/conv0/bias is not of a floating-point type" in refusal(path)


def test_a_weight_beyond_float32_is_one_sentence(tmp_path, tiny_weights):
    path = rewritten(tmp_path, tiny_weights, lambda arrays: arrays.update({"2/conv0/bias": np.full(6, 1e300)}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "not finite" in refusal(path)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"config": {"kernel_size": 3}, "stage": Infinity, "global_step": 0, "about": {}}',
        '{"config": {"kernel_size": 3}, "stage": 0, "global_step": 1e400, "about": {}}',
        '{"config": {"kernel_size": 3}, "stage": 0, "global_step": NaN, "about": {}}',
        '{"config": {"kernel_size": 3}, "stage": 0, "global_step": -5, "about": {}}',
        '{"config": {"kernel_size": 3}, "stage": 0, "global_step": 0, "about": ' + '{"a":' * 500 + "1" + "}" * 501,
        '{"config": {"kernel_size": ' + "9" * 5000 + '}, "stage": 0, "global_step": 0, "about": {}}',
    ],
    ids=range(8),
)
def test_a_header_without_measure_is_one_sentence(tmp_path, tiny_weights, text):
    refusal(rewritten(tmp_path, tiny_weights, lambda arrays: arrays.update(header=np.array(text))))


@pytest.mark.parametrize(
    "rows",
    [
        7,
        ["one"],
        [{"name": "one"}],
        [{"name": 1, "z": [0.0] * 256}],
        [{"name": "x" * 10_000, "z": [0.0] * 256}],
        [{"name": "one", "z": [0.0] * 255}],
        [{"name": "one", "z": [0.0] * 255 + [float("nan")]}],
        [{"name": "one", "z": [0.0] * 255 + [1e300]}],
        [{"name": "one", "z": "0" * 256}],
        [NAMED[0], NAMED[0]],
        [NAMED[0] | {"program": 1e9}],
        [NAMED[0] | {"family": ["flute"]}],
    ],
    ids=range(12),
)
def test_named_instruments_are_checked_when_they_are_read(tmp_path, tiny_weights, rows):
    refusal(rewritten(tmp_path, tiny_weights, header(about={"instruments": rows})))


# ---- An index that is not what TensorFlow writes


def varint(value):
    out = []
    while True:
        out.append(value & 127 | (128 if value > 127 else 0))
        value >>= 7
        if not value:
            return bytes(out)


def message(**fields):
    """A BundleEntryProto."""
    numbers = {"dtype": 1, "shape": 2, "shard": 3, "offset": 4, "size": 5, "slices": 7}
    out = b""
    for name, value in fields.items():
        kind = 2 if isinstance(value, bytes) else 0
        out += varint(numbers[name] << 3 | kind) + (varint(len(value)) + value if kind else varint(value))
    return out


def shape(*sides):
    sides = [b"\x08" + varint(side % (1 << 64)) for side in sides]
    return b"".join(b"\x12" + varint(len(side)) + side for side in sides)


def index(rows, compression=b"\0", restarts=(0,)):
    """The bytes of an index with these rows, none of which shares anything with the one before."""

    def block(rows, restarts=(0,)):
        content = b"".join(b"\0" + varint(len(k)) + varint(len(v)) + k + v for k, v in rows)
        return content + b"".join(struct.pack("<I", r) for r in restarts) + struct.pack("<I", len(restarts))

    data = block(rows, restarts)
    place = varint(0) + varint(len(data))
    blocks = block([(rows[-1][0] if rows else b"", place)])
    footer = varint(0) * 2 + varint(len(data) + 5) + varint(len(blocks))
    magic = struct.pack("<Q", 0xDB4775248B80FB57)
    return data + compression + bytes(4) + blocks + bytes(5) + footer.ljust(40, b"\0") + magic


HEAD = (b"", b"\x08\x01\x1a\x02\x08\x01")
NAME = (checkpoint.published_name("1/conv0/bias")).encode()


@pytest.mark.parametrize(
    "content",
    [
        index([HEAD, (NAME, message(dtype=1, shape=shape(-1), size=4))]),
        index([HEAD, (NAME, message(dtype=1, shape=shape(1 << 62), size=4))]),
        index([HEAD, (NAME, message(dtype=1, shape=shape(1 << 40, 1 << 40), size=4))]),
        index([HEAD, (NAME, message(dtype=1, shape=shape(*[1] * 300), size=4))]),
        index([HEAD, (NAME, message(dtype=1, shape=b"\x18\x01", size=4))]),
        index([HEAD, (NAME, message(dtype=1, shape=shape(6), size=1 << 50))]),
        index([HEAD, (NAME, message(dtype=1, shape=shape(6), offset=1 << 60, size=24))]),
        index([HEAD, (NAME, message(dtype=1, shape=shape(6), shard=7, size=24))]),
        index([HEAD, (NAME, message(dtype=1, shape=shape(6), size=20))]),
        index([HEAD, (NAME, message(dtype=10**6, shape=shape(6), size=24))]),
        index([HEAD, (NAME, message(dtype=1, shape=shape(6), size=24, slices=b""))]),
        index([HEAD, (b"global_step", message(dtype=9, shape=shape(1 << 20), size=8 << 20))]),
        index([HEAD, (b"global_step", message(dtype=7, size=8))]),
        index([HEAD, (NAME, b"\xff" * 30)]),
        index([HEAD, (NAME, b"\x0a\xff\xff\xff\xff\x0f")]),
        index([HEAD, (NAME, b"")] * 2),
        index([HEAD, (b"\xff", b"")]),
        index([HEAD], compression=b"\1"),
        index([HEAD], restarts=(1,)),
        index([(b"", b"\x08" + varint(1 << 60))]),
        index([(b"x", b"")]),
        index([]),
    ],
    ids=range(22),
)
def test_an_index_that_would_end_the_process_is_refused_before_a_tensor_is_read(folder, content, monkeypatch):
    """Several of these abort inside TensorFlow."""
    (folder / STAGE / f"{STEP}.index").write_bytes(content)
    monkeypatch.setattr(bundle, "read", lambda *asked: pytest.fail("it was not refused"))
    refusal(folder)


def test_tensors_of_other_types_beside_the_weights_are_no_matter(folder, tiny_weights):
    tensors = published(tiny_weights) | {"_graph": "text", "flags": [True], "z": np.ones(3, np.complex64)}
    shutil.rmtree(folder / STAGE)
    save_tensors(folder / STAGE / STEP, tensors)
    assert checkpoint.read(folder).fingerprint() == tiny_weights.fingerprint()


@pytest.mark.parametrize("dtype", ["complex64", "int32", "bool"])
def test_published_weights_that_are_no_floats_are_refused(folder, tiny_weights, dtype):
    shutil.rmtree(folder / STAGE)
    save_tensors(folder / STAGE / STEP, published(tiny_weights, **{"2/conv0/bias": np.ones(6, dtype)}))
    assert "2/conv0/bias is not of a floating-point type" in refusal(folder)


@pytest.mark.parametrize("step", [-1, 1 << 62])
def test_a_global_step_out_of_reason(folder, tiny_weights, step):
    shutil.rmtree(folder / STAGE)
    save_tensors(folder / STAGE / STEP, published(tiny_weights) | {"global_step": np.int64(step)})
    assert "global_step" in refusal(folder)


# ---- Zips that want something else


def hostile(path, name, mode=0):
    zipped(TINY, path)
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, b"/etc/passwd")
    return path


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("../escaped", 0),
        ("stage_00012/../../escaped", 0),
        ("..\\escaped", 0),
        ("/tmp/escaped", 0),
        ("C:\\escaped", 0),
        ("c:escaped", 0),
        ("stage_00012/link.index", stat.S_IFLNK | 0o777),
    ],
)
def test_a_zip_that_points_outside_is_refused_whole(tmp_path, name, mode):
    path = hostile(tmp_path / "model.zip", name, mode)
    assert "cannot be trusted" in refusal(path)
    with pytest.raises(ValueError, match="cannot be trusted"):
        checkpoint.extract_published(path, tmp_path / "in" / "here")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["model.zip"]


@pytest.mark.slow
def test_a_local_zip_is_bounded_as_a_downloaded_one(tmp_path):
    path = zipped(TINY, tmp_path / "model.zip", method=zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(f"{STAGE}/bomb.index", "w") as file:
        for _ in range(100):
            file.write(bytes(1 << 20))
    assert "would unpack to 101 MB" in refusal(path)
    with pytest.raises(ValueError, match="far too much"):
        checkpoint.extract_published(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_is_packed_in_another_way(tmp_path, method):
    """A packer's dictionary alone may ask for 4 GB."""
    assert "compression method" in refusal(zipped(TINY, tmp_path / "model.zip", method=method))


def test_a_zip_of_very_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "MAX_MEMBERS", 3)
    assert "4 files" in refusal(zipped(TINY, tmp_path / "model.zip"))


def test_a_zip_without_an_experiment(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("readme.txt", b"nothing else")
    assert "no experiment.json" in refusal(tmp_path / "model.zip")


def test_a_zip_with_a_broken_stream(tmp_path):
    path = zipped(TINY, tmp_path / "model.zip", method=zipfile.ZIP_DEFLATED)
    broken_stream(path, f"{STAGE}/{STEP}.index")
    assert "zip" in refusal(path)


def test_a_zip_with_flipped_bytes(tmp_path):
    path = zipped(TINY, tmp_path / "model.zip")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(b ^ 0xFF for b in content[middle : middle + 64])
    path.write_bytes(content)
    assert "zip" in refusal(path)


def test_a_zip_that_is_cut_off(tmp_path):
    path = zipped(TINY, tmp_path / "model.zip")
    path.write_bytes(path.read_bytes()[:-500])
    refusal(path)


# ---- Names


def test_names_are_the_published_ones():
    """Spelled out: these strings are the format."""
    average = "/ExponentialMovingAverage"
    block = "Generator/progressive_gan_generator/progressive_gan_block_7/"
    assert checkpoint.published_name("7/conv1/kernel") == f"{block}conv1/conv2d/kernel{average}"
    assert checkpoint.published_name("7/to_rgb/bias") == f"{block}to_rgb/bias{average}"


def test_the_published_generator_has_its_size():
    config = Config()
    shapes = checkpoint.weight_shapes(config, 7, 6.0)
    assert shapes["1/conv0/kernel"] == (2, 16, 317, 256)
    assert shapes["5/conv0/kernel"] == (3, 3, 256, 128)
    assert shapes["7/to_rgb/kernel"] == (1, 1, 32, 2)
    assert len(shapes) == 30


def test_a_name_in_a_zip_that_no_disk_takes(tmp_path):
    path = tmp_path / "model.zip"
    zipped(TINY, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{STAGE}/{'a' * 300}", b"")
    with pytest.raises(ValueError, match="is not a usable zip archive"):
        checkpoint.read(path)
