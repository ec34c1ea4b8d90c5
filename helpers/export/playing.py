"""Zones as a browser plays them: a FLAC file each, and what the script of the page has to know of it.

The script is helpers/templates/sampler.js.

Notebook: 10_take_home.
"""

from __future__ import annotations

import io

import numpy as np

from ..audio import SILENCE
from .sampling import Zone

FULL_BITS = 16
FULL_SCALE = 32767


def described(zone: Zone, sample_rate: int) -> dict:
    """What a browser has to know of a zone: its keys, its level and its loop in seconds."""
    loop = None if zone.loop is None else [zone.loop.start / sample_rate, zone.loop.end / sample_rate]
    keys = {name: getattr(zone, name) for name in ("pitch", "low", "high", "soft", "loud")}
    return {**keys, "gain": round(_peak(zone.samples), 6), "loop": loop}


def flac(samples: np.ndarray, sample_rate: int, bits: int = FULL_BITS) -> bytes:
    """A note as a FLAC file, at full scale: its level is told apart from it, so that a soft note has as many bits.

    Args:
      samples: [n].
      sample_rate: Hz.
      bits: that its samples are rounded to; the file has 16 all the same, and grows with these alone.
    """
    import soundfile

    step = 2 ** (FULL_BITS - bits)
    rounded = np.rint(samples / _peak(samples) * (FULL_SCALE // step)) * step
    file = io.BytesIO()
    soundfile.write(file, rounded.astype(np.int16), sample_rate, "PCM_16", format="FLAC", compression_level=1.0)
    return file.getvalue()


def _peak(samples: np.ndarray) -> float:
    return max(float(np.abs(samples).max(initial=0.0)), SILENCE)
