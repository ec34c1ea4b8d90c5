"""helpers.gansynth.bundle: TensorFlow's checkpoints, read as TensorFlow reads them."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from inputs import DATA, TINY, save_tensors

from helpers.gansynth import bundle


def byte_by_byte(content):
    """CRC-32C as RFC 3720 describes it."""
    remainder = 0xFFFFFFFF
    for byte in content:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0x82F63B78 if remainder & 1 else 0)
    return remainder ^ 0xFFFFFFFF


def test_the_checksums_of_the_standard():
    # RFC 3720, appendix B.4
    assert bundle.crc32c(bytes(32)) == 0x8A9136AA
    assert bundle.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert bundle.crc32c(bytes(range(32))) == 0x46DD794E
    assert bundle.crc32c(b"") == 0


@given(st.one_of(st.integers(0, 20), st.integers(500, 2100)), st.integers(0, 2**32 - 1))
def test_lanes_change_no_checksum(size, seed):
    content = np.random.RandomState(seed).bytes(size)
    assert bundle.crc32c(content) == byte_by_byte(content)


@pytest.mark.parametrize("name", TINY)
def test_every_tensor_is_what_tensorflow_reads(name):
    prefix = next((DATA / "checkpoints" / name).rglob("*.index")).with_suffix("")
    present, reader = bundle.entries(prefix), tf.train.load_checkpoint(str(prefix))
    names = [name for name, entry in present.items() if entry.dtype]
    assert len(names) > 30
    for tensor, values in bundle.read(prefix, present, names).items():
        expected = reader.get_tensor(tensor)
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "float16"])
def test_types(tmp_path, dtype):
    values = np.array([[1, -2, 3], [100, 0, -7]], dtype)
    save_tensors(tmp_path / "x", {"a": values, "b": np.zeros((0, 3), dtype)})
    read = bundle.read(tmp_path / "x", bundle.entries(tmp_path / "x"), ["a", "b"])
    assert read["a"].dtype == dtype
    np.testing.assert_array_equal(read["a"], values)
    assert read["b"].shape == (0, 3)


def test_bfloat16_becomes_float32(tmp_path):
    values = tf.constant([1.0, -0.15625, 3e38], tf.bfloat16)
    save_tensors(tmp_path / "x", {"a": values})
    read = bundle.read(tmp_path / "x", bundle.entries(tmp_path / "x"), ["a"])["a"]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, tf.cast(values, tf.float32))


def test_a_bit_that_has_changed_is_noticed(tmp_path):
    save_tensors(tmp_path / "x", {"a": np.arange(1000, dtype=np.float32)})
    data = next(tmp_path.glob("*.data-*"))
    content = bytearray(data.read_bytes())
    content[2000] ^= 1
    data.write_bytes(content)
    with pytest.raises(ValueError, match="a does not match its checksum"):
        bundle.read(tmp_path / "x", bundle.entries(tmp_path / "x"), ["a"])
