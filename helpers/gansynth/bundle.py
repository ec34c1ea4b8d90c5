"""The index of a TensorFlow checkpoint, looked at before TensorFlow is.

TensorFlow takes the `.index` file of a checkpoint at its word: an impossible shape in it ends the process, and a large
one fills the memory. `entries` reads the same file, in Python and strictly, and refuses what TensorFlow does not write.

The file is a table of LevelDB's format: blocks of sorted keys with values, a block that lists the blocks, and a footer
that says where that is. The first key is empty and holds a header; the others are names of tensors, each with a message
`BundleEntryProto` on its type, shape and place in the `.data` file.

Source: tensor_bundle.proto and tensor_shape.proto of TensorFlow; table_format.md of LevelDB. Notebook: 02_checkpoints.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAX_BYTES = 1 << 20  # of an index; that of a published model has 50 kB ...
MAX_ENTRIES = 10_000  # ... and 312 tensors ...
MAX_KEY = 1000  # ... with names of up to 110 characters
MAX_SHARDS = 1000
MAX_RANK = 8
MAX_SIDE = 1 << 40  # of a tensor that is not read; one that is must have the expected shape

_FOOTER = 48
_MAGIC = 0xDB4775248B80FB57
_BLOCK_TRAILER = 5  # type and checksum
# Number of a type in TensorFlow's types.proto -> name and bytes of a value, of those that can be numbers of a model.
_TYPES = {1: ("float32", 4), 2: ("float64", 8), 3: ("int32", 4), 9: ("int64", 8), 14: ("bfloat16", 2), 19: ("half", 2)}
MAX_TYPE = 30  # of those that there are
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # how a field of a message is written


class Entry(NamedTuple):
    """What an index says of a tensor."""

    dtype: str  # "float32", "int64", ...; "" if it is none that a model is made of
    shape: tuple[int, ...]


def entries(prefix: Path) -> dict[str, Entry]:
    """The tensors of a checkpoint by name; all that is said of them fits the files.

    Args:
      prefix: the checkpoint's path without `.index`.

    Raises:
      ValueError: the index is damaged, or not one that TensorFlow writes.
      OSError: a file cannot be read.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    if index.stat().st_size > MAX_BYTES:
        raise ValueError(f"its index is larger than {MAX_BYTES >> 20} MB")
    try:
        rows = list(itertools.islice(_rows(index.read_bytes()), MAX_ENTRIES + 1))
        if len(rows) > MAX_ENTRIES:
            raise ValueError(f"it holds more than {MAX_ENTRIES:,} tensors")
        if not rows or rows[0][0] != b"":
            raise ValueError("it has no header")
        shards = dict(_numbers(rows[0][1])).get(1, 1)
        sizes = _sizes(prefix, shards)
        return {key.decode("utf-8"): _entry(value, sizes) for key, value in rows[1:]}
    except (IndexError, UnicodeDecodeError):
        raise ValueError("its index is cut short or garbled") from None


def _sizes(prefix: Path, shards: int) -> list[int]:
    """Bytes of each `.data` file."""
    if not 1 <= shards <= MAX_SHARDS:
        raise ValueError(f"its index speaks of {shards} files")
    return [prefix.with_name(f"{prefix.name}.data-{i:05d}-of-{shards:05d}").stat().st_size for i in range(shards)]


def _entry(message: bytes, sizes: list[int]) -> Entry:
    fields = dict(_fields(message))
    if 7 in fields:
        raise ValueError("it holds a tensor in slices")
    kind = fields.get(1, 0)
    if not isinstance(kind, int) or kind > MAX_TYPE:
        raise ValueError("it holds a tensor of an unknown type")
    name, width = _TYPES.get(kind, ("", 0))
    dims = fields.get(2, b"")
    if not isinstance(dims, bytes):
        raise ValueError("its index is garbled")
    shape = _shape(dims)
    shard, offset, size = (_whole(fields.get(number, 0)) for number in (3, 4, 5))
    if shard >= len(sizes) or offset + size > sizes[shard]:
        raise ValueError("its data file is cut short")
    if width and size != width * math.prod(shape):
        raise ValueError(f"a tensor of shape {list(shape)} is said to have {size} bytes")
    return Entry(name, shape)


def _whole(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("its index is garbled")
    return value


def _shape(message: bytes) -> tuple[int, ...]:
    shape = []
    for number, value in _repeated(message):
        if number != 2 or not isinstance(value, bytes):
            raise ValueError("it holds a tensor of unknown shape")
        side = dict(_numbers(value)).get(1, 0)
        if not side <= MAX_SIDE:
            raise ValueError("it holds a tensor of an impossible shape")
        shape.append(side)
    if len(shape) > MAX_RANK or math.prod(shape) > MAX_SIDE:
        raise ValueError("it holds a tensor of an impossible shape")
    return tuple(shape)


# ---- Messages: Protocol Buffers --------------------------------------------------------------------------------------


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message, each at most once."""
    seen = set()
    for number, value in _repeated(message):
        if number in seen:
            raise ValueError("its index says one thing twice")
        seen.add(number)
        yield number, value


def _numbers(message: bytes) -> Iterator[tuple[int, int]]:
    """Those fields of a message that are whole numbers."""
    return ((number, value) for number, value in _fields(message) if isinstance(value, int))


def _repeated(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field: a whole number, or the bytes of whatever else it is."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _BYTES:
            size, at = _varint(message, at)
        if size is None or at + size > len(message):
            raise ValueError("its index is garbled")
        yield number, message[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A whole number in groups of seven bits, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("its index is garbled")


# ---- The table -------------------------------------------------------------------------------------------------------


def _rows(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All keys and values of a table, in order."""
    if len(content) < _FOOTER or int.from_bytes(content[-8:], "little") != _MAGIC:
        raise ValueError("its index is no table")
    footer, at = content[-_FOOTER:], 0
    handle = []
    for _ in range(4):  # offset and size of a block that is not used here, and of the list of blocks
        number, at = _varint(footer, at)
        handle.append(number)
    previous, read = None, 0
    for _, place in _block(content, handle[2], handle[3]):
        offset, at = _varint(place, 0)
        size, at = _varint(place, at)
        read += size
        if read > len(content):  # blocks that overlap could be many more than there are bytes
            raise ValueError("its index lists a block twice")
        for key, value in _block(content, offset, size):
            if previous is not None and key <= previous:
                raise ValueError("its index is not sorted")
            previous = key
            yield key, value


def _block(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block. A key is written as what it shares with the one before, and the rest."""
    end = offset + size
    if size < 4 or end + _BLOCK_TRAILER > len(content):
        raise ValueError("its index is cut short")
    if content[end] != 0:
        raise ValueError("its index is compressed, which TensorFlow does not do")
    block = content[offset:end]
    count = int.from_bytes(block[-4:], "little")
    last = len(block) - 4 * (count + 1)
    if last < 0:
        raise ValueError("its index is garbled")
    # TensorFlow looks a key up from one of these places on, so each of them must be where a whole key begins.
    restarts = {int.from_bytes(block[i : i + 4], "little") for i in range(last, len(block) - 4, 4)}
    key, at = b"", 0
    while at < last:
        begin = at
        shared, at = _varint(block, at)
        more, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or shared + more > MAX_KEY or at + more + length > last:
            raise ValueError("its index is garbled")
        if begin in restarts:
            restarts.remove(begin)
            if shared:
                raise ValueError("its index is garbled")
        key = key[:shared] + block[at : at + more]
        yield key, block[at + more : at + more + length]
        at += more + length
    if restarts - {0}:
        raise ValueError("its index is garbled")
