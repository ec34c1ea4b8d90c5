"""What a note sounds like, in eleven numbers with units.

All of them are measured on the part of a note for which its key is held, and its pitch is known. All but the loudness
stay the same when the note is played back louder or softer, and none changes when silence is appended.

The definitions follow the Timbre Toolbox (Peeters, Giordano, Susini, Misdariis & McAdams 2011, JASA 130(5)) where it
has one; a docstring says where they depart from it.

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

HELD = 3.0  # s for which the key of a model's note is down, as in NSynth
MIN_SECONDS = 0.5  # of a note that can be described
FLOOR = 60.0  # dB: what lies further below the loudest is not heard
NUMERICAL_FLOOR = 100.0  # dB: what lies further below the highest of a spectrum is rounding
SILENCE = 1e-6  # of a peak at full scale; -120 dB

# The spectrum. A window is half a second, so that the partials of the lowest note (33 Hz) stand apart.
WINDOW_SECONDS, HOP_SECONDS = 0.512, 0.064
FIRST_FRAME = 0.03  # s after which frames begin: the stroke itself is no part of a tone
LOBE = 4  # bins on either side of a partial in a Blackman-Harris window
HIGHEST = 0.45  # of the sample rate, where partials end
MEL_BANDS, CEPSTRA = 40, 12
INHARMONIC_PARTIALS = 10  # higher ones of a stretched spectrum lie where the next one is expected
SPREAD, WIDEST = 0.03, 0.35  # how far a partial may wander: of its frequency, but at most of the fundamental

# The envelope.
ENVELOPE_STEP = 0.005  # s
SMOOTHING = (0.01, 0.06)  # s; two periods of the note, within these
LOUDEST_SECONDS = 0.2  # over which the highest level is taken that others are compared with
DECAY_STARTS = 0.9  # of the highest level, from where a decay is measured ...
DECAY_SECONDS = 0.25  # ... over as long at least
RISE = (0.1, 0.8)  # of the highest level: between them an attack is timed
SETTLED = 0.3  # s after which modulation is measured
MODULATION_BAND = (2.0, 12.0)  # Hz
MODULATION_RANGE = 30.0  # dB below the loudest, where a decaying note is too soft for its modulation to be heard
MODULATION_SECONDS = 1.0  # of a note that modulation can be measured in
DECAY_RANGE = (0.3, 60.0)  # s
MAX_DETUNING = 50.0  # cents


class Descriptor(NamedTuple):
    """One of the numbers.

    Attributes:
      name: a key of what `describe` returns.
      unit: of the number.
      formula: how it is defined, in a line.
      step: what is a clearly audible difference; weighs descriptors against each other.
    """

    name: str
    unit: str
    formula: str
    step: float


DESCRIPTORS = (
    Descriptor("brightness", "octaves", "log2 of the spectral centroid over the fundamental frequency", 0.5),
    Descriptor("attack", "log10 s", "log10 of the time in which the envelope rises to its highest level", 0.4),
    Descriptor("decay", "log10 s", "log10 of the time in which the envelope would fall by 60 dB", 0.3),
    Descriptor(
        "sustain",
        "dB",
        "level of the last half second before the key is released over the loudest fifth of a second",
        8.0,
    ),
    Descriptor("noisiness", "dB", "energy between the partials over all energy", 8.0),
    Descriptor("odd_even", "dB", "energy of partials 3, 5, 7 ... over that of partials 2, 4, 6 ...", 6.0),
    Descriptor("fundamental", "dB", "energy of the first partial over that of all partials", 5.0),
    Descriptor("inharmonicity", "cents", "mean deviation of partials from multiples of the first, by amplitude", 8.0),
    Descriptor("tremolo", "dB", "modulation of the level from 2 to 12 Hz, root mean square", 1.0),
    Descriptor("vibrato", "cents", "modulation of the frequency from 2 to 12 Hz, root mean square", 8.0),
    Descriptor("loudness", "LUFS", "loudness of the loudest 0.4 s by BS.1770", 4.0),
)
NAMES = tuple(descriptor.name for descriptor in DESCRIPTORS)
STEPS = np.array([descriptor.step for descriptor in DESCRIPTORS])


class Partials(NamedTuple):
    """The spectrum of a note, taken apart.

    Attributes:
      frequencies: Hz of each partial, [partials].
      energies: of each, without the noise around it, [partials].
      noise: energy of all that is no partial.
      bands: energy of bands one fundamental wide with a partial in the middle of each, [partials].
    """

    frequencies: np.ndarray
    energies: np.ndarray
    noise: float
    bands: np.ndarray


def describe_note(samples: np.ndarray, pitch: float, sample_rate: int, held: float = HELD) -> dict[str, float]:
    """The descriptors of one note.

    Args:
      samples: [samples], one channel.
      pitch: MIDI number that the note was played at, 21 to 108.
      sample_rate: Hz.
      held: seconds for which the key was down.

    Returns:
      Each of `NAMES` with its number in its unit: see `DESCRIPTORS`.

    Raises:
      ValueError: the note is silent, too short, or has samples that are no numbers.

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
        raise ValueError(f"a note has one channel, samples [n]; these have shape {wave.shape}")
    if not 21 <= pitch <= 108:
        raise ValueError(f"a pitch is a MIDI number from 21 to 108, not {pitch}")
    if len(wave) < MIN_SECONDS * sample_rate:
        raise ValueError(
            f"a note of {len(wave) / sample_rate:.2g} s is too short to describe; {MIN_SECONDS:g} s are needed"
        )
    if not np.isfinite(wave).all():
        raise ValueError("the note has samples that are not numbers")
    if np.abs(wave).max() < SILENCE:
        raise ValueError("the note is silent")
    return wave


def _ratio_db(part: float | np.ndarray, whole: float | np.ndarray) -> float | np.ndarray:
    """Of two energies, not below -FLOOR."""
    return 10 * np.log10(np.maximum(part / np.maximum(whole, 1e-30), 10 ** (-FLOOR / 10)))


# -------------------------------------------------------------------------------------------------------- the spectrum


@functools.lru_cache(maxsize=8)
def _window(size: int) -> np.ndarray:
    return scipy.signal.windows.blackmanharris(size, sym=False)


def partials_of(tone: np.ndarray, fundamental: float, sample_rate: int) -> Partials:
    """Take the mean power spectrum of a note apart into partials and what lies between them.

    A partial is the highest peak near a multiple of the fundamental and what its window spreads it over. The noise
    underneath is taken to be as dense as that around it.

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
    """One partial: where its energy is centred, in bins, its energy, and that of its band, one fundamental wide."""
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
    """The spectral centroid over the fundamental frequency, octaves.

    Of the amplitudes of bands one fundamental wide: a partial counts as one number, and so does the hiss around it.
    Timbre Toolbox: "spectral centroid", there of bins and in Hz.
    """
    amplitudes = np.sqrt(partials.bands)
    amplitudes[amplitudes < amplitudes.max() * 10 ** (-FLOOR / 20)] = 0.0
    if not amplitudes.any():  # a click, or what has no alternating part
        return 0.0
    return float(np.log2(np.average(np.arange(1, len(amplitudes) + 1), weights=amplitudes)))


def noisiness(partials: Partials) -> float:
    """Energy of what is not a partial over all energy, dB. Timbre Toolbox: "noisiness", there as a share."""
    energy = partials.noise + partials.energies.sum()
    return float(_ratio_db(partials.noise, energy)) if energy > 0 else 0.0


def odd_even(partials: Partials) -> float:
    """Energy of partials 3, 5, 7 ... over that of 2, 4, 6 ..., dB; 0 where there is hardly more than the first.

    Timbre Toolbox: "odd to even ratio". The fundamental is left out, which would outweigh all else in most sounds.
    """
    faint = partials.energies.sum() * 10 ** (-FLOOR / 20) + 1e-30  # -30 dB
    return float(10 * np.log10((partials.energies[2::2].sum() + faint) / (partials.energies[1::2].sum() + faint)))


def inharmonicity(partials: Partials) -> float:
    """Mean deviation of the first ten partials from multiples of one frequency, by amplitude, cents; at most 50.

    Timbre Toolbox: "inharmonicity", there in Hz over the fundamental. A note that is out of tune as a whole is not
    inharmonic, so multiples are of the frequency that fits the partials best.
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
    """The shape of a note's mean spectrum on the mel axis, whatever its level: cepstra 1 to `CEPSTRA`, in dB.

    Beside the descriptors it tells apart what they have no word for, for neighbours and families.
    """
    librosa = compiled.librosa()

    tone = np.asarray(samples, np.float32)[: round(held * sample_rate)]
    power = librosa.feature.melspectrogram(y=tone, sr=sample_rate, n_fft=2048, hop_length=1024, n_mels=MEL_BANDS)
    decibels = librosa.power_to_db(power.mean(axis=1), ref=np.max, top_db=FLOOR)
    return scipy.fft.dct(decibels, norm="ortho")[1 : CEPSTRA + 1]


# -------------------------------------------------------------------------------------------------------- the envelope


def envelope(tone: np.ndarray, fundamental: float, sample_rate: int) -> np.ndarray:
    """Amplitude of a note every `ENVELOPE_STEP`: root mean square over two of its periods."""
    seconds = float(np.clip(2 / fundamental, *SMOOTHING))
    size = max(2, round(seconds * sample_rate))
    power = np.pad(tone**2, (size, size), mode="constant")
    power[-size:] = power[
        -size - 1 : -2 * size - 1 : -1
    ]  # the key is released at the end, the note does not stop there
    smooth = scipy.signal.fftconvolve(power, scipy.signal.windows.hann(size + 2)[1:-1] * 2 / (size + 1), "same")
    return np.sqrt(np.maximum(smooth[size : -size : round(ENVELOPE_STEP * sample_rate)], 0.0))


def _decibels(level: np.ndarray) -> np.ndarray:
    """Below the highest, not under -FLOOR."""
    return 20 * np.log10(np.maximum(level / level.max(), 10 ** (-FLOOR / 20)))


def attack_seconds(level: np.ndarray) -> float:
    """The time in which the envelope rises from nothing to its highest level, as a straight line would.

    Taken from the time between `RISE` of it. Timbre Toolbox: "attack time", there with thresholds of the note's own.
    """
    reached = [int(np.argmax(level >= share * level.max())) for share in RISE]
    begun, risen = (_crossing(level, index, share * level.max()) for index, share in zip(reached, RISE, strict=True))
    return max((risen - begun) / (RISE[1] - RISE[0]), 1.0) * ENVELOPE_STEP


def _crossing(level: np.ndarray, index: int, height: float) -> float:
    """Where between two points of the envelope it reaches a height."""
    if index == 0:
        return 0.0
    before, after = level[index - 1], level[index]
    return index - 1 + (height - before) / (after - before)


def decay_seconds(level: np.ndarray) -> float:
    """The time in which a note would fall by 60 dB, as it does from its highest level to the release, s.

    By the slope of a least-squares line through the envelope in dB, as far as it is heard. From 0.3 to 60 s: what is
    held at one level does not fall at all. Timbre Toolbox: "decrease slope", there of the logarithm.
    """
    start = int(np.argmax(level >= DECAY_STARTS * level.max()))
    decibels = _decibels(level)[start:]
    faded = np.flatnonzero(decibels <= -FLOOR + 10)
    decibels = decibels[: faded[0]] if len(faded) else decibels
    shortest, longest = DECAY_RANGE
    if len(decibels) * ENVELOPE_STEP < DECAY_SECONDS and not len(faded):  # a swell: it has hardly begun to fall
        return longest
    if len(decibels) < 3:
        return shortest
    slope = np.polyfit(np.arange(len(decibels)) * ENVELOPE_STEP, decibels, 1)[0]
    return float(np.clip(-60.0 / slope, shortest, longest)) if slope < 0 else longest


def sustain(level: np.ndarray) -> float:
    """Level of the last half second before the release over that of the loudest fifth of a second, dB."""
    power, size = level**2, round(LOUDEST_SECONDS / ENVELOPE_STEP)
    loudest = np.convolve(power, np.ones(size) / size, "valid").max()
    return float(_ratio_db(power[-round(0.5 / ENVELOPE_STEP) :].mean(), loudest))


def tremolo(level: np.ndarray) -> float:
    """How much the level moves up and down, 2 to 12 times a second: root mean square, dB.

    Slower movements are the envelope. 0 where the note is too short for any to be measured.
    """
    return _modulation(_decibels(level), level)


def vibrato(tone: np.ndarray, partials: Partials, level: np.ndarray, sample_rate: int) -> float:
    """How much the frequency moves up and down, 2 to 12 times a second: root mean square, cents.

    By the phase of the strongest of the first eight partials, shifted to 0 Hz. 0 where the note is too short for any
    to be measured; at most 50.
    """
    hertz = partials.frequencies[int(np.argmax(partials.energies[:8]))]
    step = round(ENVELOPE_STEP * sample_rate)
    shifted = tone * np.exp(-2j * np.pi * hertz * np.arange(len(tone)) / sample_rate)
    size = 2 * round(sample_rate / min(hertz, 60.0))  # two periods of it, or the beating of 30 Hz
    smooth = scipy.signal.fftconvolve(shifted, scipy.signal.windows.hann(size), "same")[::step]
    turned = np.angle(smooth[1:] * np.conj(smooth[:-1])) / (2 * np.pi * ENVELOPE_STEP)  # Hz off the partial
    cents = 1200 * np.log2(np.maximum(1 + turned / hertz, 0.5))
    return min(_modulation(np.append(cents, cents[-1]), level), MAX_DETUNING)


def _modulation(values: np.ndarray, level: np.ndarray) -> float:
    """Root mean square of what moves within the modulation band, of `values` at the times of the envelope."""
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
