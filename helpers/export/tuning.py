"""How far a generated note is out of tune, and the same note in tune.

A sampler transposes what it is given, so a note that is 10 cents flat makes a whole range of keys flat. It is corrected
in the samples, and not by a field of the file: then it is right in every player.

Notebook: 10_take_home.
"""

from __future__ import annotations

import numpy as np

from ..midi import note_hertz
from ..timbre.descriptors import partials_of

# The first partials decide which pitch is heard. Those more than 30 dB below the strongest say nothing.
PARTIALS = 6
AUDIBLE = 1e-3
STEADY = (0.2, 2.9)  # s of a note that are looked at: after the attack, and before it is let go
# Further off, what was measured is not the pitch of the note, and it is better left alone.
MAX_CENTS = 45.0


def measured_cents(wave: np.ndarray, pitch: int, sample_rate: int) -> float:
    """How many cents a note lies above its pitch: the mean of its first partials, weighted by their energy.

    Args:
      wave: [n], the note from its beginning, at least a second of it.
      pitch: MIDI number that it should have.
      sample_rate: Hz.

    Returns:
      Cents, or 0 where there is no pitch to be measured: in silence, in noise, or further than MAX_CENTS away.

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
    """A note so many cents lower, at another sample rate: float32 [n].

    Args:
      wave: [samples].
      cents: by how much it is too high.
      sample_rate: Hz, what it has.
      new_rate: Hz, what it is to have.
    """
    import soxr

    if cents == 0 and sample_rate == new_rate:
        return np.asarray(wave, np.float32)
    # Played at the lower rate it would sound lower; brought to the rate it is to have, it stays so.
    return soxr.resample(np.asarray(wave, np.float32), sample_rate * 2 ** (-cents / 1200), new_rate, "VHQ")
