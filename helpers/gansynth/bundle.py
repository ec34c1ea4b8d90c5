"""Read TensorFlow checkpoints without TensorFlow.

TensorFlow trusts the `.index` file of a checkpoint: an impossible shape in it kills the process, and a large one
exhausts the memory. `entries` reads the same file in Python, strictly, and refuses anything that TensorFlow would not
write. `read` reads tensors from the `.data` files that the index refers to and verifies their checksums.

An index is a table in LevelDB's format: blocks of sorted keys with values, an index block that lists those blocks, and
a footer that locates the index block. The first key is empty and holds a header; the others are the names of tensors,
each with a `BundleEntryProto` message that gives its type, shape and position in a `.data` file.

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

MAX_BYTES = 1 << 20  # of an index; a published model's takes 50 kB ...
MAX_ENTRIES = 10_000  # ... and lists 312 tensors ...
MAX_KEY = 1000  # ... with names of up to 110 characters
MAX_SHARDS = 1000
MAX_RANK = 8
MAX_SIDE = 1 << 40  # of tensors that are skipped; those that are read must have the expected shape

_FOOTER = 48
_MAGIC = 0xDB4775248B80FB57
_BLOCK_TRAILER = 5  # type and checksum
# Type number in TensorFlow's types.proto -> name and bytes per value, for the types that a model's variables can have.
_TYPES = {1: ("float32", 4), 2: ("float64", 8), 3: ("int32", 4), 9: ("int64", 8), 14: ("bfloat16", 2), 19: ("half", 2)}
MAX_TYPE = 30  # the highest type number that TensorFlow writes
# NumPy's types for reading them. It has no bfloat16, which is the upper half of a float32.
_STORED = {"float32": "<f4", "float64": "<f8", "int32": "<i4", "int64": "<i8", "bfloat16": "<u2", "half": "<f2"}
_CASTAGNOLI = 0x82F63B78  # the polynomial of CRC-32C, in reversed bit order
_ALL = np.uint32(0xFFFFFFFF)
_MASK = 0xA282EAD8  # stored checksums are rotated by 15 bits, and this is added
_LANE = 512  # bytes in a lane of `crc32c`, at least, unless there is only one lane
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # Protocol Buffers' wire types


class TensorEntry(NamedTuple):
    """The index entry of one tensor.

    Attributes:
      dtype: "float32", "int64", ...; "" for a type that is not in `_TYPES`.
      shape: shape of the tensor.
      shard: number of the `.data` file that holds it, and how many such files there are.
      offset: position of its first byte in that file.
      size: number of bytes.
      checksum: masked CRC-32C of those bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    shard: tuple[int, int]
    offset: int
    size: int
    checksum: int


def entries(prefix: Path) -> dict[str, TensorEntry]:
    """The index entries of a checkpoint's tensors, by name, checked against the sizes of the data files.

    Args:
      prefix: the checkpoint's path without `.index`.

    Raises:
      ValueError: the index is damaged, or was not written by TensorFlow.
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
            raise ValueError("its numbers are stored in big-endian byte order")
        shards = header.get(1, 1)
        sizes = _sizes(prefix, shards)
        return {key.decode("utf-8"): _entry(value, sizes) for key, value in rows[1:]}
    except (IndexError, UnicodeDecodeError):
        raise ValueError("its index is truncated or malformed") from None


def read(prefix: Path, present: Mapping[str, TensorEntry], names: Iterable[str]) -> dict[str, np.ndarray]:
    """The values of a checkpoint's tensors, by name.

    Args:
      prefix: as for `entries`.
      present: the result of `entries`.
      names: which tensors to read. Check their shapes first; their types must be known ones.

    Raises:
      ValueError: a tensor does not match its checksum.
      OSError: a file cannot be read.
    """
    return {name: _tensor(_shard(prefix, *present[name].shard), name, present[name]) for name in names}


def _tensor(file: Path, name: str, entry: TensorEntry) -> np.ndarray:
    with open(file, "rb") as data:
        data.seek(entry.offset)
        content = data.read(entry.size)
    if len(content) != entry.size or _masked(crc32c(content)) != entry.checksum:
        raise ValueError(f"{name} does not match its checksum")
    values = np.frombuffer(content, _STORED[entry.dtype]).reshape(entry.shape)
    return (values.astype(np.uint32) << 16).view(np.float32) if entry.dtype == "bfloat16" else values


def _masked(checksum: int) -> int:
    return ((checksum >> 15 | checksum << 17) + _MASK) & 0xFFFFFFFF


@functools.cache
def _table() -> np.ndarray:
    """The usual CRC lookup table: the contribution of each value of a remainder's last byte, uint32 [256]."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(_CASTAGNOLI), np.uint32(0))
    return table


def crc32c(content: bytes) -> int:
    """The CRC-32C checksum, computed a hundred times as fast as byte by byte.

    The message is cut into lanes of equal length, whose remainders are computed in parallel. Two neighbouring lanes are
    then joined: the first one's remainder is shifted by a lane's length of zero bytes and added (XOR) to the second's.

    >>> from helpers.gansynth import bundle
    >>> hex(bundle.crc32c(b"123456789"))
    '0xe3069283'
    """
    message, table = np.frombuffer(content, np.uint8), _table()
    lanes = 1 << (len(message) // _LANE).bit_length()
    width = -(-len(message) // lanes)
    padded = np.zeros(lanes * width, np.uint8)  # leading zeros do not change a remainder of 0
    begin = len(padded) - len(message)
    padded[begin:] = message
    remainders = np.zeros(lanes, np.uint32)
    if lanes == 1:
        remainders[0] = _ALL
    else:
        padded[begin : begin + 4] ^= 0xFF  # equivalent to an initial remainder of all ones
    zeros = np.uint32(1) << np.arange(32, dtype=np.uint32)  # each bit of a remainder; below, shifted by a lane of zeros
    for column in np.ascontiguousarray(padded.reshape(lanes, width).T):
        remainders = table[(remainders ^ column) & 0xFF] ^ (remainders >> 8)
        zeros = table[zeros & 0xFF] ^ (zeros >> 8)
    while len(remainders) > 1:
        remainders = _followed(remainders[::2], zeros) ^ remainders[1::2]
        zeros = _followed(zeros, zeros)
    return int(remainders[0] ^ _ALL)


def _followed(remainders: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    """Remainders after a run of zero bytes; `zeros` holds what that run makes of each single bit, uint32 [32]."""
    bits = (remainders[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    return np.bitwise_xor.reduce(np.where(bits, zeros, np.uint32(0)), axis=1)


def _shard(prefix: Path, number: int, shards: int) -> Path:
    return prefix.with_name(f"{prefix.name}.data-{number:05d}-of-{shards:05d}")


def _sizes(prefix: Path, shards: int) -> list[int]:
    """Size of each `.data` file in bytes."""
    if not 1 <= shards <= MAX_SHARDS:
        raise ValueError(f"its index lists {shards} data files; expected 1 to {MAX_SHARDS}")
    return [_shard(prefix, i, shards).stat().st_size for i in range(shards)]


def _entry(message: bytes, sizes: list[int]) -> TensorEntry:
    fields = dict(_fields(message))
    if 7 in fields:
        raise ValueError("it holds a tensor split into slices")
    kind = fields.get(1, 0)
    if not isinstance(kind, int) or kind > MAX_TYPE:
        raise ValueError("it holds a tensor of an unknown type")
    name, width = _TYPES.get(kind, ("", 0))
    dims = fields.get(2, b"")
    if not isinstance(dims, bytes):
        raise ValueError("its index is malformed")
    shape = _shape(dims)
    shard, offset, size = (_whole(fields.get(number, 0)) for number in (3, 4, 5))
    if shard >= len(sizes) or offset + size > sizes[shard]:
        raise ValueError("its data file is truncated")
    if width and size != width * math.prod(shape):
        raise ValueError(f"a tensor of shape {list(shape)} is listed with {size} bytes, which does not match")
    checksum = fields.get(6, b"")
    if not isinstance(checksum, bytes):
        raise ValueError("its index is malformed")
    return TensorEntry(name, shape, (shard, len(sizes)), offset, size, int.from_bytes(checksum, "little"))


def _whole(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("its index is malformed")
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
            raise ValueError("its index has the same field twice")
        seen.add(number)
        yield number, value


def _numbers(message: bytes) -> Iterator[tuple[int, int]]:
    """The integer fields of a message."""
    return ((number, value) for number, value in _fields(message) if isinstance(value, int))


def _repeated(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) pairs of a message: an int for a varint field, else the field's raw bytes."""
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
            raise ValueError("its index is malformed")
        yield number, message[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A varint (an integer in groups of seven bits, lowest first) and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("its index is malformed")


# ---- The table -------------------------------------------------------------------------------------------------------


def _rows(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All keys and values of a table, in order."""
    if len(content) < _FOOTER or int.from_bytes(content[-8:], "little") != _MAGIC:
        raise ValueError("its index is not a LevelDB table")
    footer, at = content[-_FOOTER:], 0
    handle = []
    for _ in range(4):  # offset and size of the metaindex block, which is not used, and of the index block
        number, at = _varint(footer, at)
        handle.append(number)
    previous, read = None, 0
    for _, place in _block(content, handle[2], handle[3]):
        offset, at = _varint(place, 0)
        size, at = _varint(place, at)
        read += size
        if read > len(content):  # overlapping blocks could add up to far more than the file's size
            raise ValueError("its index lists a block twice")
        for key, value in _block(content, offset, size):
            if previous is not None and key <= previous:
                raise ValueError("its index is not sorted")
            previous = key
            yield key, value


def _block(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block. A key is stored as the length of its prefix in the last key, and the rest."""
    end = offset + size
    if size < 4 or end + _BLOCK_TRAILER > len(content):
        raise ValueError("its index is truncated")
    if content[end] != 0:
        raise ValueError("its index is compressed; TensorFlow's never are")
    block = content[offset:end]
    count = int.from_bytes(block[-4:], "little")
    last = len(block) - 4 * (count + 1)
    if last < 0:
        raise ValueError("its index is malformed")
    # TensorFlow starts its key lookups at these positions, so an unabbreviated key must begin at each of them.
    restarts = {int.from_bytes(block[i : i + 4], "little") for i in range(last, len(block) - 4, 4)}
    key, at = b"", 0
    while at < last:
        begin = at
        shared, at = _varint(block, at)
        more, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or shared + more > MAX_KEY or at + more + length > last:
            raise ValueError("its index is malformed")
        if begin in restarts:
            restarts.remove(begin)
            if shared:
                raise ValueError("its index is malformed")
        key = key[:shared] + block[at : at + more]
        yield key, block[at + more : at + more + length]
        at += more + length
    if restarts - {0}:
        raise ValueError("its index is malformed")
