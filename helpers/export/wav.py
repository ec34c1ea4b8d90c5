"""A zone as a WAV file with its pitch and its loop in the "smpl" chunk, which samplers read.

Source: "Multimedia Data Standards Update", Microsoft and IBM, 1994, sample chunk. There the end of a loop is inclusive,
whereas that of `Loop` is exclusive.

Notebook: 10_take_home.
"""

from __future__ import annotations

import struct

import numpy as np

from .sampling import Zone

FULL_SCALE = 32767
PCM, MONO, BYTES = 1, 1, 2
FORWARD = 0  # loop type


def pcm(samples: np.ndarray) -> np.ndarray:
    """Samples as 16-bit integers: int16 [n], little-endian."""
    return np.rint(np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2")


def wav(zone: Zone, sample_rate: int) -> bytes:
    """A zone as the content of a 16-bit WAV file."""
    head = struct.pack("<HHIIHH", PCM, MONO, sample_rate, sample_rate * BYTES, BYTES, 8 * BYTES)
    body = chunk(b"fmt ", head) + chunk(b"data", pcm(zone.samples).tobytes()) + chunk(b"smpl", _smpl(zone, sample_rate))
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def _smpl(zone: Zone, sample_rate: int) -> bytes:
    loops = [] if zone.loop is None else [struct.pack("<6I", 0, FORWARD, zone.loop.start, zone.loop.end - 1, 0, 0)]
    period = round(1e9 / sample_rate)
    return struct.pack("<9I", 0, 0, period, zone.pitch, 0, 0, 0, len(loops), 0) + b"".join(loops)


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a RIFF file, padded to an even number of bytes."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
