"""SoundFont 2: a single file that FluidSynth, MuseScore, Zynthian and every General MIDI player opens.

Each instrument is a preset, in order: programs 0, 1, 2, … of bank 0, and from the 129th on of bank 1.

Source: "SoundFont Technical Specification", version 2.04, E-mu Systems 2006. The end of a loop is exclusive, as in
`Loop`.

Notebook: 10_take_home.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np

from .. import __version__
from .naming import stem, text, unique
from .sampling import RELEASE, Sampled, SampledInstrument, Zone
from .wav import chunk, pcm

GAP = 46  # zeros after each sample, for players that interpolate beyond its end
MAX_NAME = 19  # characters, in a field of 20 bytes that ends with a zero
BANK = 128  # presets
VERSION = struct.pack("<HH", 2, 4)
MONO = 1  # sample type
KEYS, VELOCITIES, RELEASE_TIME, SAMPLE, LOOPING, INSTRUMENT = 43, 44, 38, 53, 54, 41  # generators
ONCE, WHILE_SOUNDING = 0, 1  # values of LOOPING
OCTAVE_CENTS = 1200  # durations are given in timecents: this times the binary logarithm of the seconds


def sf2(sampled: Sampled) -> bytes:
    """The content of a soundfont with a preset for each instrument."""
    starts, waves = _laid_out(sampled.zones)
    body = (
        _list(b"INFO", _info(sampled))
        + _list(b"sdta", chunk(b"smpl", waves))
        + _list(b"pdta", _tables(sampled, starts))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"sfbk" + body


def _laid_out(zones: Sequence[Zone]) -> tuple[list[int], bytes]:
    """The position of the first sample of each zone, and the samples of all zones in sequence."""
    lengths = [len(zone.samples) + GAP for zone in zones]
    starts = [0, *np.cumsum(lengths).tolist()[:-1]]
    waves = np.zeros(sum(lengths), "<i2")
    for start, zone in zip(starts, zones, strict=True):
        waves[start : start + len(zone.samples)] = pcm(zone.samples)
    return starts, waves.tobytes()


def _info(sampled: Sampled) -> bytes:
    title = ", ".join(text(instrument.name) for instrument in sampled.instruments)
    made = f"Sampled from {text(sampled.model)} {sampled.fingerprint[:8]}, a GANSynth model."
    return (
        chunk(b"ifil", VERSION)
        + chunk(b"isng", b"EMU8000\0")
        + chunk(b"INAM", _zero_ended(title, 255))
        + chunk(b"ICMT", _zero_ended(made, 255))
        + chunk(b"ISFT", _zero_ended(f"gansynth-suite {__version__}", 255))
    )


def _zero_ended(value: str, most: int) -> bytes:
    """A text as ASCII, followed by one or two zeros to give an even number of bytes."""
    content = value.encode("ascii", "replace")[: most - 1] + b"\0"
    return content + b"\0" * (len(content) % 2)


def _tables(sampled: Sampled, starts: Sequence[int]) -> bytes:
    """The nine tables of presets, instruments and samples; each ends with a terminal record."""
    instruments, count = sampled.instruments, len(sampled.instruments)
    names = [name.encode("ascii") for name in unique(stem(each.name, MAX_NAME - 4) for each in instruments)]
    presets = [struct.pack("<20sHHHIII", name, i % BANK, i // BANK, i, 0, 0, 0) for i, name in enumerate(names)]
    players = [struct.pack("<20sH", name, bag) for name, bag in zip(names, _firsts(instruments), strict=True)]
    generators = list(_generators(sampled.zones))
    bags = np.cumsum([0, *map(len, generators)]).tolist()
    end = b"\0" * 10
    tables = {
        b"phdr": [*presets, struct.pack("<20sHHHIII", b"EOP", 0, 0, count, 0, 0, 0)],
        b"pbag": [struct.pack("<HH", i, 0) for i in range(count + 1)],
        b"pmod": [end],
        b"pgen": [*(struct.pack("<HH", INSTRUMENT, i) for i in range(count)), b"\0" * 4],
        b"inst": [*players, struct.pack("<20sH", b"EOI", len(sampled.zones))],
        b"ibag": [struct.pack("<HH", first, 0) for first in bags],
        b"imod": [end],
        b"igen": [*(record for zone in generators for record in zone), b"\0" * 4],
        b"shdr": [*_samples(sampled, starts), struct.pack("<20s5IBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    }
    return b"".join(chunk(name, b"".join(records)) for name, records in tables.items())


def _firsts(instruments: Sequence[SampledInstrument]) -> list[int]:
    """The index of each instrument's first zone among all zones."""
    return [0, *np.cumsum([len(instrument.zones) for instrument in instruments]).tolist()[:-1]]


def _generators(zones: Sequence[Zone]) -> Iterator[list[bytes]]:
    """The generators of each zone. The format requires keys first, then velocities, and the sample last."""
    release = round(OCTAVE_CENTS * np.log2(RELEASE))
    for number, zone in enumerate(zones):
        looping = ONCE if zone.loop is None else WHILE_SOUNDING
        yield [
            struct.pack("<HBB", KEYS, zone.low, zone.high),
            struct.pack("<HBB", VELOCITIES, zone.soft, zone.loud),
            struct.pack("<Hh", RELEASE_TIME, release),
            struct.pack("<Hh", LOOPING, looping),
            struct.pack("<HH", SAMPLE, number),
        ]


def _samples(sampled: Sampled, starts: Sequence[int]) -> Iterator[bytes]:
    for number, (start, zone) in enumerate(zip(starts, sampled.zones, strict=True)):
        end = start + len(zone.samples)
        loop_start, loop_end = (start, end) if zone.loop is None else (start + zone.loop.start, start + zone.loop.end)
        name = f"{number:04d}-{zone.pitch:03d}".encode("ascii")
        yield struct.pack(
            "<20s5IBbHH", name, start, end, loop_start, loop_end, sampled.sample_rate, zone.pitch, 0, 0, MONO
        )


def _list(name: bytes, content: bytes) -> bytes:
    return chunk(b"LIST", name + content)
