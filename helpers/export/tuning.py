"""Measurement and correction of the tuning of generated notes.

A sampler transposes notes, so a note that is 10 cents flat makes a whole range of keys flat. The samples themselves are
corrected, instead of a tuning field in the file, so that the result is right in every player.

Notebook: 10_take_home.
"""

from __future__ import annotations

import numpy as np

from ..midi import note_hertz
from ..timbre.descriptors import partials_of

# The first partials determine the pitch. Those more than 30 dB below the strongest are ignored.
PARTIALS = 6
AUDIBLE = 1e-3
STEADY = (0.2, 2.9)  # s, the part of a note that is measured: after the attack and before the release
# A larger deviation is probably not that of the note's pitch, so the note is left as it is.
MAX_CENTS = 45.0


def measured_cents(wave: np.ndarray, pitch: int, sample_rate: int) -> float:
    """How many cents a note is above its nominal pitch: the mean over its first partials, weighted by energy.

    Args:
      wave: [n], the note from its beginning, at least a second of it.
      pitch: nominal MIDI number.
      sample_rate: sample rate (Hz).

    Returns:
      The deviation in cents, or 0 if there is no pitch to measure: for silence, noise, or more than MAX_CENTS.

    >>> import numpy as np
    >>> from helpers.export import measured_cents
    >>> seconds = np.arange(48000) / 16000
    >>> print(f"{measured_cents(np.sin(2 * np.pi * 441.0 * seconds), 69, 16000):.1f} cents")
    3.9 cents

    Notebook: 10_take_home.
    """
    tone = np.asarray(wave[round(STEADY[0] * sample_rate) : round(STEADY[1] * sample_rate)], np.float64)
    hertz = note_hertz(pitch)
    partials = partials_of(tone, hertz, sample_rate)
    energies = partials.energies[:PARTIALS]
    if not energies.sum() > partials.noise:
        return 0.0
    energies = np.where(energies > energies.max() * AUDIBLE, energies, 0.0)
    off = 1200 * np.log2(partials.frequencies[: len(energies)] / (hertz * (1 + np.arange(len(energies)))))
    cents = float(np.average(off, weights=energies))
    return cents if abs(cents) <= MAX_CENTS else 0.0


def retuned(wave: np.ndarray, cents: float, sample_rate: int, new_rate: int) -> np.ndarray:
    """A note tuned down by a number of cents and resampled: float32 [n].

    Args:
      wave: [samples].
      cents: by how much the note is too high.
      sample_rate: sample rate of the wave (Hz).
      new_rate: sample rate of the result (Hz).
    """
    import soxr

    if cents == 0 and sample_rate == new_rate:
        return np.asarray(wave, np.float32)
    # The wave is treated as if it had a lower rate, at which it sounds lower, and resampled from that to the new rate.
    return soxr.resample(np.asarray(wave, np.float32), sample_rate * 2 ** (-cents / 1200), new_rate, "VHQ")
