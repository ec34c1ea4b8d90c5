"""Eleven audio descriptors of a note, with units.

They are measured on the part of a note before the release, for a known pitch. All except loudness are independent of
the playback level, and none changes if silence is appended.

The definitions follow the Timbre Toolbox (Peeters, Giordano, Susini, Misdariis & McAdams 2011, JASA 130(5)) where it
has the descriptor; docstrings state differences.

Notebook: 09_explore.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.signal

from .. import compiled
from ..audio import Audio, momentary_loudness
from ..midi import note_hertz

HELD = 3.0  # s; how long the key of a model's note is held, as in NSynth
MIN_SECONDS = 0.5  # shortest note that can be described
FLOOR = 60.0  # dB below the maximum, from where on sound counts as inaudible
NUMERICAL_FLOOR = 100.0  # dB below a spectrum's maximum, from where on values are rounding errors
SILENCE = 1e-6  # peak relative to full scale (-120 dB)

# Spectrum. Windows are half a second long, so that the partials of the lowest note (33 Hz) are resolved.
WINDOW_SECONDS, HOP_SECONDS = 0.512, 0.064
FIRST_FRAME = 0.03  # s; start of the first frame, after the onset noise
LOBE = 4  # bins on either side of a partial in a Blackman-Harris window
HIGHEST = 0.45  # highest frequency of partials, relative to the sample rate
MEL_BANDS, CEPSTRA = 40, 12
INHARMONIC_PARTIALS = 10  # in a stretched spectrum, higher partials coincide with multiples of the next order
SPREAD, WIDEST = 0.03, 0.35  # maximum deviation of a partial: relative to its frequency, and to the fundamental

# Envelope.
ENVELOPE_STEP = 0.005  # s
SMOOTHING = (0.01, 0.06)  # s; limits of the smoothing window, which is two periods of the note
LOUDEST_SECONDS = 0.2  # averaging time of the maximum level in `sustain`
DECAY_STARTS = 0.9  # of the maximum level; a decay is measured from here ...
DECAY_SECONDS = 0.25  # ... over at least this time
RISE = (0.1, 0.8)  # of the maximum level; an attack is measured between these
SETTLED = 0.3  # s; modulation is measured after this
MODULATION_BAND = (2.0, 12.0)  # Hz
MODULATION_RANGE = 30.0  # dB below the maximum, to which modulation of a decaying note counts as audible
MODULATION_SECONDS = 1.0  # shortest duration in which modulation can be measured
DECAY_RANGE = (0.3, 60.0)  # s
MAX_DETUNING = 50.0  # cents


class Descriptor(NamedTuple):
    """The definition of a descriptor.

    Attributes:
      name: its key in the result of `describe_note`.
      unit: its unit.
      formula: its definition in one line.
      step: a clearly audible difference; used to weight descriptors against each other.
    """

    name: str
    unit: str
    formula: str
    step: float


DESCRIPTORS = (
    Descriptor("brightness", "octaves", "log2 of the spectral centroid over the fundamental frequency", 0.5),
    Descriptor("attack", "log10 s", "log10 of the time in which the envelope rises to its maximum", 0.4),
    Descriptor("decay", "log10 s", "log10 of the time in which the envelope would fall by 60 dB", 0.3),
    Descriptor("sustain", "dB", "level of the last 0.5 s before the release relative to the loudest 0.2 s", 8.0),
    Descriptor("noisiness", "dB", "energy between the partials relative to the total energy", 8.0),
    Descriptor("odd_even", "dB", "energy of partials 3, 5, 7 ... relative to partials 2, 4, 6 ...", 6.0),
    Descriptor("fundamental", "dB", "energy of the first partial relative to all partials", 5.0),
    Descriptor(
        "inharmonicity",
        "cents",
        "mean deviation of partials from multiples of a common fundamental, weighted by amplitude",
        8.0,
    ),
    Descriptor("tremolo", "dB", "RMS modulation of the level from 2 to 12 Hz", 1.0),
    Descriptor("vibrato", "cents", "RMS modulation of the frequency from 2 to 12 Hz", 8.0),
    Descriptor("loudness", "LUFS", "maximum momentary loudness (0.4 s), BS.1770", 4.0),
)
NAMES = tuple(descriptor.name for descriptor in DESCRIPTORS)
STEPS = np.array([descriptor.step for descriptor in DESCRIPTORS])


class Partials(NamedTuple):
    """The partials and the noise in the spectrum of a note.

    Attributes:
      frequencies: frequency of each partial (Hz), [partials].
      energies: energy of each partial without the noise around it, [partials].
      noise: energy of everything that is not a partial.
      bands: energy of the bands centred on the partials, each as wide as the fundamental frequency, [partials].
    """

    frequencies: np.ndarray
    energies: np.ndarray
    noise: float
    bands: np.ndarray


def describe_note(samples: np.ndarray, pitch: float, sample_rate: int, held: float = HELD) -> dict[str, float]:
    """Compute the descriptors of one note.

    Args:
      samples: mono, [samples].
      pitch: MIDI pitch of the note, 21 to 108.
      sample_rate: Hz.
      held: time before the release (s).

    Returns:
      {name: value}, for each of `NAMES`, in the units of `DESCRIPTORS`.

    Raises:
      ValueError: the note is silent or too short, has several channels or samples that are not finite, or its pitch is
        not from 21 to 108.

    >>> import numpy as np
    >>> from helpers import timbre
    >>> seconds = np.arange(64000) / 16000
    >>> sine = np.sin(2 * np.pi * 440 * seconds)
    >>> found = timbre.describe_note(sine, 69, 16000)
    >>> print(f"{found['brightness']:.2f} octaves, loudness {found['loudness']:.0f} LUFS")
    0.00 octaves, loudness -4 LUFS

    Notebook: 09_explore.
    """
    wave = _checked(samples, pitch, sample_rate)
    tone = wave[: round(held * sample_rate)]
    fundamental = note_hertz(pitch)
    partials = partials_of(tone, fundamental, sample_rate)
    level = envelope(tone, fundamental, sample_rate)
    return {
        "brightness": brightness(partials),
        "attack": float(np.log10(attack_seconds(level))),
        "decay": float(np.log10(decay_seconds(level))),
        "sustain": sustain(level),
        "noisiness": noisiness(partials),
        "odd_even": odd_even(partials),
        "fundamental": float(_ratio_db(partials.energies[0], partials.energies.sum())),
        "inharmonicity": inharmonicity(partials),
        "tremolo": tremolo(level),
        "vibrato": vibrato(tone, partials, level, sample_rate),
        "loudness": momentary_loudness(Audio(tone.astype(np.float32), sample_rate)),
    }


def _checked(samples: np.ndarray, pitch: float, sample_rate: int) -> np.ndarray:
    wave = np.asarray(samples, np.float64)
    if wave.ndim != 1:
        raise ValueError(f"the samples of a note must be one channel [n]; these have shape {wave.shape}")
    if not 21 <= pitch <= 108:
        raise ValueError(f"pitch is {pitch}; it must be a MIDI pitch from 21 to 108")
    if len(wave) < MIN_SECONDS * sample_rate:
        raise ValueError(
            f"a note of {len(wave) / sample_rate:.2g} s is too short to describe; it needs at least {MIN_SECONDS:g} s"
        )
    if not np.isfinite(wave).all():
        raise ValueError("the note has samples that are not finite numbers")
    if np.abs(wave).max() < SILENCE:
        raise ValueError("the note is silent")
    return wave


def _ratio_db(part: float | np.ndarray, whole: float | np.ndarray) -> float | np.ndarray:
    """The ratio of two energies in dB, at least -FLOOR."""
    return 10 * np.log10(np.maximum(part / np.maximum(whole, 1e-30), 10 ** (-FLOOR / 10)))


# -------------------------------------------------------------------------------------------------------- the spectrum


@functools.lru_cache(maxsize=8)
def _window(size: int) -> np.ndarray:
    return scipy.signal.windows.blackmanharris(size, sym=False)


def partials_of(tone: np.ndarray, fundamental: float, sample_rate: int) -> Partials:
    """Separate the mean power spectrum of a note into partials and the noise between them.

    A partial is the highest peak near a multiple of the fundamental, with the main lobe of the window. The noise below
    it is estimated from the density around it.

    Args:
      tone: samples [n], at least `MIN_SECONDS`.
      fundamental: Hz.
      sample_rate: Hz.
    """
    size = min(round(WINDOW_SECONDS * sample_rate), len(tone))
    first = min(round(FIRST_FRAME * sample_rate), len(tone) - size)
    frames = np.lib.stride_tricks.sliding_window_view(tone[first:], size)[:: round(HOP_SECONDS * sample_rate)]
    spectrum = np.mean(np.abs(np.fft.rfft(frames * _window(size), axis=1)) ** 2, axis=0)
    spectrum[spectrum < spectrum.max() * 10 ** (-NUMERICAL_FLOOR / 10)] = 0.0
    per_bin = sample_rate / size
    step = fundamental / per_bin  # bins from one partial to the next
    count = max(1, int(HIGHEST * sample_rate / fundamental))
    rows = [_partial(spectrum, k, step) for k in range(1, count + 1)]
    bins, energies, bands = (np.array(column) for column in zip(*rows, strict=True))
    return Partials(
        bins * per_bin, energies, float(spectrum[: round(step / 2)].sum() + (bands - energies).sum()), bands
    )


def _partial(spectrum: np.ndarray, number: int, step: float) -> tuple[float, float, float]:
    """One partial: its centre (bins), its energy, and the energy of its band, as wide as the fundamental frequency."""
    middle = number * step
    near = min(SPREAD * middle + LOBE, WIDEST * step)
    low, high = max(1, round(middle - near)), round(middle + near) + 1
    left, right = max(1, round(middle - step / 2)), max(round(middle + step / 2), round(middle - step / 2) + 1)
    low, high = max(low, left), min(high, right)
    band, inside = spectrum[left:right], slice(low - left, high - left)
    energy = float(band.sum())
    between = len(band) - (high - low)
    density = (energy - float(band[inside].sum())) / between if between else 0.0
    above = np.maximum(band[inside] - density, 0.0)
    if not above.any():
        return middle, 0.0, energy
    peak = int(np.argmax(above))
    near_peak = slice(max(0, peak - round(near)), peak + round(near) + 1)
    centre = float(np.average(np.arange(low, high)[near_peak], weights=above[near_peak]))
    return centre, max(energy - density * len(band), 0.0), energy


def brightness(partials: Partials) -> float:
    """The spectral centroid relative to the fundamental frequency (octaves).

    It is computed from the amplitudes of bands as wide as the fundamental frequency, so that a partial and the noise
    around it count together. Timbre Toolbox: "spectral centroid", which is computed from bins, in Hz.
    """
    amplitudes = np.sqrt(partials.bands)
    amplitudes[amplitudes < amplitudes.max() * 10 ** (-FLOOR / 20)] = 0.0
    if not amplitudes.any():  # a click or a constant
        return 0.0
    return float(np.log2(np.average(np.arange(1, len(amplitudes) + 1), weights=amplitudes)))


def noisiness(partials: Partials) -> float:
    """Energy of the noise relative to the total energy (dB). Timbre Toolbox: "noisiness", there as a ratio."""
    energy = partials.noise + partials.energies.sum()
    return float(_ratio_db(partials.noise, energy)) if energy > 0 else 0.0


def odd_even(partials: Partials) -> float:
    """Energy of partials 3, 5, 7 ... relative to 2, 4, 6 ... (dB); 0 if there is little beyond the first.

    Timbre Toolbox: "odd to even ratio". The fundamental is left out because it would dominate in most sounds.
    """
    faint = partials.energies.sum() * 10 ** (-FLOOR / 20) + 1e-30  # -30 dB
    return float(10 * np.log10((partials.energies[2::2].sum() + faint) / (partials.energies[1::2].sum() + faint)))


def inharmonicity(partials: Partials) -> float:
    """Mean deviation of the first ten partials from harmonics, weighted by amplitude (cents); at most 50.

    Timbre Toolbox: "inharmonicity", there in Hz relative to the fundamental. The harmonics are those of the frequency
    that fits the partials best, because a note that is out of tune as a whole is not inharmonic.
    """
    energies = partials.energies[:INHARMONIC_PARTIALS]
    heard = energies > energies.max() * 10 ** (-FLOOR / 15)  # -40 dB
    if not heard.any():
        return 0.0
    weights = np.sqrt(energies[heard])
    cents = 1200 * np.log2(partials.frequencies[: len(energies)][heard] / (1 + np.flatnonzero(heard)))
    off = np.abs(cents - np.average(cents, weights=weights))
    return float(min(np.average(off, weights=weights), MAX_DETUNING))


def cepstra(samples: np.ndarray, sample_rate: int, held: float = HELD) -> np.ndarray:
    """Mel-frequency cepstral coefficients 1 to `CEPSTRA` (dB) of a note's mean spectrum, independent of its level.

    They complement the descriptors in the search for neighbours and the classification of families.
    """
    librosa = compiled.librosa()

    tone = np.asarray(samples, np.float32)[: round(held * sample_rate)]
    power = librosa.feature.melspectrogram(y=tone, sr=sample_rate, n_fft=2048, hop_length=1024, n_mels=MEL_BANDS)
    decibels = librosa.power_to_db(power.mean(axis=1), ref=np.max, top_db=FLOOR)
    return scipy.fft.dct(decibels, norm="ortho")[1 : CEPSTRA + 1]


# -------------------------------------------------------------------------------------------------------- the envelope


def envelope(tone: np.ndarray, fundamental: float, sample_rate: int) -> np.ndarray:
    """Amplitude of a note every `ENVELOPE_STEP`: the RMS over two of its periods."""
    seconds = float(np.clip(2 / fundamental, *SMOOTHING))
    size = max(2, round(seconds * sample_rate))
    power = np.pad(tone**2, (size, size), mode="constant")
    power[-size:] = power[
        -size - 1 : -2 * size - 1 : -1
    ]  # the key is released at the end, the note does not stop there
    smooth = scipy.signal.fftconvolve(power, scipy.signal.windows.hann(size + 2)[1:-1] * 2 / (size + 1), "same")
    return np.sqrt(np.maximum(smooth[size : -size : round(ENVELOPE_STEP * sample_rate)], 0.0))


def _decibels(level: np.ndarray) -> np.ndarray:
    """Level in dB relative to the maximum, at least -FLOOR."""
    return 20 * np.log10(np.maximum(level / level.max(), 10 ** (-FLOOR / 20)))


def attack_seconds(level: np.ndarray) -> float:
    """The time (s) in which the envelope rises from zero to its maximum, extrapolated linearly from `RISE`.

    Timbre Toolbox: "attack time", there with thresholds that depend on the note.
    """
    reached = [int(np.argmax(level >= share * level.max())) for share in RISE]
    begun, risen = (_crossing(level, index, share * level.max()) for index, share in zip(reached, RISE, strict=True))
    return max((risen - begun) / (RISE[1] - RISE[0]), 1.0) * ENVELOPE_STEP


def _crossing(level: np.ndarray, index: int, height: float) -> float:
    """The interpolated index before `index` at which the envelope reaches a height."""
    if index == 0:
        return 0.0
    before, after = level[index - 1], level[index]
    return index - 1 + (height - before) / (after - before)


def decay_seconds(level: np.ndarray) -> float:
    """The time (s) in which a note would fall by 60 dB, from its slope between maximum and release; 0.3 to 60 s.

    The slope is that of a least-squares line through the audible part of the envelope in dB. A note of constant level
    gets 60 s. Timbre Toolbox: "decrease slope", there of the natural logarithm.
    """
    start = int(np.argmax(level >= DECAY_STARTS * level.max()))
    decibels = _decibels(level)[start:]
    faded = np.flatnonzero(decibels <= -FLOOR + 10)
    decibels = decibels[: faded[0]] if len(faded) else decibels
    shortest, longest = DECAY_RANGE
    if len(decibels) * ENVELOPE_STEP < DECAY_SECONDS and not len(faded):  # a swell, with its maximum near the end
        return longest
    if len(decibels) < 3:
        return shortest
    slope = np.polyfit(np.arange(len(decibels)) * ENVELOPE_STEP, decibels, 1)[0]
    return float(np.clip(-60.0 / slope, shortest, longest)) if slope < 0 else longest


def sustain(level: np.ndarray) -> float:
    """Level of the last 0.5 s before the release relative to the loudest 0.2 s (dB)."""
    power, size = level**2, round(LOUDEST_SECONDS / ENVELOPE_STEP)
    loudest = np.convolve(power, np.ones(size) / size, "valid").max()
    return float(_ratio_db(power[-round(0.5 / ENVELOPE_STEP) :].mean(), loudest))


def tremolo(level: np.ndarray) -> float:
    """RMS modulation of the level from 2 to 12 Hz (dB); slower changes are the envelope. 0 if the note is too short."""
    return _modulation(_decibels(level), level)


def vibrato(tone: np.ndarray, partials: Partials, level: np.ndarray, sample_rate: int) -> float:
    """RMS modulation of the frequency from 2 to 12 Hz (cents); at most 50. 0 if the note is too short.

    It is computed from the phase of the strongest of the first eight partials, shifted to 0 Hz.
    """
    hertz = partials.frequencies[int(np.argmax(partials.energies[:8]))]
    step = round(ENVELOPE_STEP * sample_rate)
    shifted = tone * np.exp(-2j * np.pi * hertz * np.arange(len(tone)) / sample_rate)
    size = 2 * round(sample_rate / min(hertz, 60.0))  # two periods of the partial, but at least 1/30 s
    smooth = scipy.signal.fftconvolve(shifted, scipy.signal.windows.hann(size), "same")[::step]
    turned = np.angle(smooth[1:] * np.conj(smooth[:-1])) / (2 * np.pi * ENVELOPE_STEP)  # deviation (Hz)
    cents = 1200 * np.log2(np.maximum(1 + turned / hertz, 0.5))
    return min(_modulation(np.append(cents, cents[-1]), level), MAX_DETUNING)


def _modulation(values: np.ndarray, level: np.ndarray) -> float:
    """RMS of `values`, sampled like the envelope, within the modulation band."""
    settled = round(SETTLED / ENVELOPE_STEP)
    faint = np.flatnonzero(_decibels(level)[settled:] < -MODULATION_RANGE)
    end = settled + int(faint[0]) if len(faint) else len(level) - round(SMOOTHING[1] / ENVELOPE_STEP)
    if (end - settled) * ENVELOPE_STEP < MODULATION_SECONDS:
        return 0.0
    part = values[settled:end]
    times = np.linspace(-1, 1, len(part))
    part = part - np.polynomial.Polynomial.fit(times, part, 3)(times)
    window = scipy.signal.windows.hann(len(part), sym=False)
    power = np.abs(np.fft.rfft(part * window)) ** 2 / np.sum(window**2) / len(part) * 2
    rates = np.fft.rfftfreq(len(part), ENVELOPE_STEP)
    low, high = MODULATION_BAND
    return float(np.sqrt(power[(rates >= low) & (rates <= high)].sum()))
