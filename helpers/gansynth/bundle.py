"""TensorFlow's checkpoints, read without TensorFlow.

TensorFlow takes the `.index` file of a checkpoint at its word: an impossible shape in it ends the process, and a large
one fills the memory. `entries` reads the same file, in Python and strictly, and refuses what TensorFlow does not write.
`read` takes tensors from the `.data` files that it speaks of, and compares them with the checksums there.

The file is a table of LevelDB's format: blocks of sorted keys with values, a block that lists the blocks, and a footer
that says where that is. The first key is empty and holds a header; the others are names of tensors, each with a message
`BundleEntryProto` on its type, shape and place in the `.data` file.

Source: tensor_bundle.proto and tensor_shape.proto of TensorFlow; table_format.md of LevelDB; RFC 3720, appendix B.4
(CRC-32C). Notebook: 02_checkpoints.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

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
# How NumPy reads those; bfloat16, which it lacks, is the upper half of a float32.
_STORED = {"float32": "<f4", "float64": "<f8", "int32": "<i4", "int64": "<i8", "bfloat16": "<u2", "half": "<f2"}
_CASTAGNOLI = 0x82F63B78  # the polynomial of CRC-32C, its lowest term first
_ALL = np.uint32(0xFFFFFFFF)
_MASK = 0xA282EAD8  # added to a checksum that is kept, turned by 15 bits
_LANE = 512  # bytes of a message, at least, that are one of its lanes in `crc32c`
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # how a field of a message is written


class Entry(NamedTuple):
    """What an index says of a tensor."""

    dtype: str  # "float32", "int64", ...; "" if it is none that a model is made of
    shape: tuple[int, ...]
    shard: tuple[int, int]  # which of how many `.data` files has it,
    offset: int  # at which byte,
    size: int  # and how many of them
    checksum: int  # of those, masked


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
        header = dict(_numbers(rows[0][1]))
        if header.get(2, 0) != 0:
            raise ValueError("its numbers have their highest byte first")
        shards = header.get(1, 1)
        sizes = _sizes(prefix, shards)
        return {key.decode("utf-8"): _entry(value, sizes) for key, value in rows[1:]}
    except (IndexError, UnicodeDecodeError):
        raise ValueError("its index is cut short or garbled") from None


def read(prefix: Path, present: Mapping[str, Entry], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Tensors of a checkpoint by name.

    Args:
      prefix: as for `entries`.
      present: what that has found.
      names: of the tensors, whose shapes must be known to be what they should be, and whose types are known.

    Raises:
      ValueError: a tensor is not what was written.
      OSError: a file cannot be read.
    """
    return {name: _tensor(_shard(prefix, *present[name].shard), name, present[name]) for name in names}


def _tensor(file: Path, name: str, entry: Entry) -> np.ndarray:
    with open(file, "rb") as data:
        data.seek(entry.offset)
        content = data.read(entry.size)
    if len(content) != entry.size or _masked(crc32c(content)) != entry.checksum:
        raise ValueError(f"{name} does not fit its checksum")
    values = np.frombuffer(content, _STORED[entry.dtype]).reshape(entry.shape)
    return (values.astype(np.uint32) << 16).view(np.float32) if entry.dtype == "bfloat16" else values


def _masked(checksum: int) -> int:
    return ((checksum >> 15 | checksum << 17) + _MASK) & 0xFFFFFFFF


@functools.cache
def _table() -> np.ndarray:
    """What the last byte of a remainder does to the rest of it: uint32 [256]."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(_CASTAGNOLI), np.uint32(0))
    return table


def crc32c(content: bytes) -> int:
    """CRC-32C, a hundred times as fast as byte by byte.

    A message is cut into lanes of equal length, which are divided side by side. The remainder of a lane, followed by as
    many zeros as the next lane has bytes, and that of the next lane add up to that of both together.

    >>> from helpers.gansynth import bundle
    >>> hex(bundle.crc32c(b"123456789"))
    '0xe3069283'
    """
    message, table = np.frombuffer(content, np.uint8), _table()
    lanes = 1 << (len(message) // _LANE).bit_length()
    width = -(-len(message) // lanes)
    padded = np.zeros(lanes * width, np.uint8)  # with zeros in front, which leave no remainder
    begin = len(padded) - len(message)
    padded[begin:] = message
    remainders = np.zeros(lanes, np.uint32)
    if lanes == 1:
        remainders[0] = _ALL
    else:
        padded[begin : begin + 4] ^= 0xFF  # the same as to begin with ones
    zeros = np.uint32(1) << np.arange(32, dtype=np.uint32)  # what becomes of each bit of a remainder by a lane of zeros
    for column in np.ascontiguousarray(padded.reshape(lanes, width).T):
        remainders = table[(remainders ^ column) & 0xFF] ^ (remainders >> 8)
        zeros = table[zeros & 0xFF] ^ (zeros >> 8)
    while len(remainders) > 1:
        remainders = _followed(remainders[::2], zeros) ^ remainders[1::2]
        zeros = _followed(zeros, zeros)
    return int(remainders[0] ^ _ALL)


def _followed(remainders: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    """Remainders after as many zeros as make `zeros` of each of their bits."""
    bits = (remainders[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    return np.bitwise_xor.reduce(np.where(bits, zeros, np.uint32(0)), axis=1)


def _shard(prefix: Path, number: int, shards: int) -> Path:
    return prefix.with_name(f"{prefix.name}.data-{number:05d}-of-{shards:05d}")


def _sizes(prefix: Path, shards: int) -> list[int]:
    """Bytes of each `.data` file."""
    if not 1 <= shards <= MAX_SHARDS:
        raise ValueError(f"its index speaks of {shards} files")
    return [_shard(prefix, i, shards).stat().st_size for i in range(shards)]


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
    checksum = fields.get(6, b"")
    if not isinstance(checksum, bytes):
        raise ValueError("its index is garbled")
    return Entry(name, shape, (shard, len(sizes)), offset, size, int.from_bytes(checksum, "little"))


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
