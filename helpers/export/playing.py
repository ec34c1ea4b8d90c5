"""Zones for playback in a browser by helpers/templates/sampler.js: a FLAC file each, and its description.

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
    """The description of a zone for the browser: its keys and velocities, its peak, and its loop in seconds."""
    loop = None if zone.loop is None else [zone.loop.start / sample_rate, zone.loop.end / sample_rate]
    keys = {name: getattr(zone, name) for name in ("pitch", "low", "high", "soft", "loud")}
    return {**keys, "gain": round(_peak(zone.samples), 6), "loop": loop}


def flac(samples: np.ndarray, sample_rate: int, bits: int = FULL_BITS) -> bytes:
    """A note as a FLAC file, normalised to full scale so that soft notes have full resolution too.

    Args:
      samples: [n].
      sample_rate: sample rate (Hz).
      bits: resolution to which samples are rounded. The file always has 16 bits, but compresses better with fewer.
    """
    import soundfile

    step = 2 ** (FULL_BITS - bits)
    rounded = np.rint(samples / _peak(samples) * (FULL_SCALE // step)) * step
    file = io.BytesIO()
    soundfile.write(file, rounded.astype(np.int16), sample_rate, "PCM_16", format="FLAC", compression_level=1.0)
    return file.getvalue()


def _peak(samples: np.ndarray) -> float:
    return max(float(np.abs(samples).max(initial=0.0)), SILENCE)
