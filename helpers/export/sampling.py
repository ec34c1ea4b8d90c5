"""Sampling of a model's instruments: notes at several pitches, in tune, that are looped or die away.

    cello = export.sampled(model, bank["Cello"])
    export.sampler(cello, "cello.sfz")

An instrument sounds the same in every format and player, because everything that matters is in the samples: they are
in tune, the sound at the end of a loop matches that at its start, and a common gain preserves relative loudness.

Notebook: 10_take_home.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from ..audio import MAX_SAMPLE_RATE, PEAK, SILENCE, Audio, momentary_loudness
from ..errors import in_one_line
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import Instrument, blend, check_model, named
from ..midi import note_hertz, note_name
from ..render import shaping
from ..render.shaping import DECIBELS, HELD, LOOP_FROM, LOOP_STEADY, LOOP_TO
from ..tables import counted
from ..timbre import axes
from ..timbre.descriptors import Partials, brightness, partials_of
from .tuning import measured_cents, retuned

if TYPE_CHECKING:
    from ..gansynth import GANSynth

# Every third pitch: a player transposes by a semitone at most, which is inaudible; 21 notes take seconds to generate.
PITCHES = tuple(range(MIN_PITCH, MAX_PITCH + 1, 3))
# Highest velocities of the layers of an instrument with a soft version: soft, halfway between, and loud.
VELOCITIES = (42, 84, 127)
SOFT = "{}, soft"  # name of the soft version of an instrument in the bundled checkpoint
# A soft version counts as the same sound if its activations in the first layer of the network differ from those of the
# loud version by no more than this share. Of the bundled checkpoint's forty, 16 differ by 0.0, and their notes by
# -84 dB at most; the next one differs by 0.107, and its notes by -14 dB. Halfway between two latents with the same
# sound lies a different sound.
SAME_SOUND = 1e-3
BEYOND = 12  # semitones by which the ranges of the outermost notes are extended
MAX_ZONES = 3000  # of an export; the whole bank of the bundled model at PITCHES takes 280 MB
MAX_LAYERS = 8
TREND_BLOCK = 0.1  # s, length of the blocks whose levels are compared
GUARD = 64  # samples that are repeated after a loop's end, for players that interpolate across it
RELEASE = 0.3  # s in which a player fades out a released note, the same as in `render`

# A sound that dies away has no loop. It ends with a fade where its level has fallen by FALLEN, at the latest MAX_FALL
# after its start.
FALLEN, MAX_FALL, END_FADE = 50.0, 8.0, 0.25  # dB, s, s


class Loop(NamedTuple):
    """The samples that a player repeats while a key is down: from `start` up to, but not including, `end`.

    Attributes:
      start: first sample of the loop.
      end: sample after the last one of the loop.
    """

    start: int
    end: int


@dataclasses.dataclass(frozen=True, eq=False)
class Zone:
    """A note, and the range of keys and velocities that play it.

    Attributes:
      pitch: MIDI number of the note.
      low, high: lowest and highest key.
      soft, loud: lowest and highest velocity.
      samples: float32 [n].
      loop: the samples to repeat, or None for a note that dies away.
      cents: by how much the generated note was too high; the samples are in tune.
    """

    pitch: int
    low: int
    high: int
    soft: int
    loud: int
    samples: np.ndarray
    loop: Loop | None
    cents: float


@dataclasses.dataclass(frozen=True, eq=False)
class SampledInstrument:
    """A named instrument with zones that cover keys and velocities without a gap.

    Attributes:
      name: name of the instrument.
      zones: its notes, layer by layer from the loudest to the softest, and from low to high in each layer.
      is_soft_the_same: whether the model's soft version of the instrument is the same sound, so that there are no
        layers.
    """

    name: str
    zones: tuple[Zone, ...]
    is_soft_the_same: bool = False

    @property
    def layers(self) -> list[int]:
        """The highest velocity of each layer, in increasing order."""
        return sorted({zone.loud for zone in self.zones})

    @property
    def is_sustained(self) -> bool:
        """Whether its notes sound for as long as a key is down."""
        return self.zones[0].loop is not None


class Step(NamedTuple):
    """How much louder (LU) and brighter (octaves of the spectral centroid) a zone is than the next one below.

    Attributes:
      pitch: MIDI number of the zone's note.
      semitones: distance to the zone below.
      loudness: difference in loudness (LU).
      centroid: difference of the spectral centroids (octaves).
    """

    pitch: int
    semitones: int
    loudness: float
    centroid: float


class Evenness(NamedTuple):
    """How evenly loud and bright the keys of an instrument are.

    The text gives differences per semitone, so that instruments with fewer pitches do not appear less even.

    Attributes:
      name: name of the instrument.
      steps: for each zone above the lowest: its pitch, the semitones from the zone below, and the differences in
        loudness (LU) and spectral centroid (octaves).
    """

    name: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        if not self.steps:
            return f"{self.name}: one note"
        loudness, centroid = (
            [(getattr(s, what) / s.semitones, s.pitch) for s in self.steps] for what in Step._fields[2:]
        )
        (louder, at_louder), (brighter, at_brighter) = (
            max(all, key=lambda one: abs(one[0])) for all in (loudness, centroid)
        )
        middle = [float(np.median([abs(value) for value, _ in values])) for values in (loudness, centroid)]
        return (
            f"{self.name}, from semitone to semitone: loudness {middle[0]:.1f} LU in the median, "
            f"{louder:+.1f} at most (to {note_name(at_louder)}); "
            f"centroid {middle[1]:.2f} octaves, {brighter:+.2f} at most (to {note_name(at_brighter)})"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Sampled:
    """Sampled instruments of a model, ready to be written for a sampler.

    Attributes:
      instruments: the instruments with their zones.
      sample_rate: sample rate (Hz).
      model: name of the checkpoint.
      fingerprint: hash of its weights.
    """

    instruments: tuple[SampledInstrument, ...]
    sample_rate: int
    model: str
    fingerprint: str

    @property
    def zones(self) -> list[Zone]:
        """The zones of all instruments."""
        return [zone for instrument in self.instruments for zone in instrument.zones]

    def layers(self) -> list[str]:
        """The number of velocity layers, in one line for all instruments with the same number for the same reason."""
        alike: dict[str, list[str]] = {}
        for instrument in self.instruments:
            why = ", since the soft version is the same sound" if instrument.is_soft_the_same else ""
            alike.setdefault(f"{counted(len(instrument.layers), 'velocity layer')}{why}", []).append(instrument.name)
        return [f"{', '.join(names)}: {what}" for what, names in alike.items()]

    def evenness(self) -> list[Evenness]:
        """The evenness of each instrument, measured in its loudest layer."""
        return [_evenness(instrument, self.sample_rate) for instrument in self.instruments]

    def __repr__(self) -> str:
        names = [instrument.name for instrument in self.instruments]
        shown = ", ".join(names[:3]) + (f", … ({len(names)})" if len(names) > 3 else "")
        seconds = sum(len(zone.samples) for zone in self.zones) / self.sample_rate
        return f"Sampled({shown}: {counted(len(self.zones), 'note')}, {seconds:.0f} s at {self.sample_rate} Hz)"


@in_one_line
def sampled(
    model: GANSynth,
    instruments: Instrument | Sequence[Instrument],
    pitches: Sequence[int] = PITCHES,
    velocities: Sequence[int] | None = None,
    sample_rate: int | None = None,
    progress: bool = True,
) -> Sampled:
    """Sample instruments of a model: generate notes, tune them, and find their loops.

    Args:
      model: the model of the instruments.
      instruments: one or several. All get the same gain, so that a softer one stays softer.
      pitches: MIDI numbers to generate; a key in between plays the nearest one.
      velocities: highest velocity of each layer, increasing, with 127 as the last; by default 42, 84 and 127. Layers
        are latents between soft and loud, so only an instrument that has a soft version in the model ("Flute, soft"),
        with a different sound, has several; others have one.
      sample_rate: sample rate (Hz); by default that of the model, 16,000.
      progress: show a progress bar.

    Returns:
      The sampled instruments.

    Raises:
      ValueError: an instrument belongs to another model, a value is out of range, or there would be too many notes.

    >>> from helpers import export, gansynth, instruments
    >>> model = gansynth.load("demo")
    >>> export.sampled(model, instruments.bank(model)["Flute"], pitches=[60, 66, 72], velocities=[127])
    Sampled(Flute: 3 notes, 8 s at 16000 Hz)

    Notebook: 10_take_home.
    """
    chosen = checked_instruments(model, instruments)
    tops = _checked_velocities(velocities)
    pitches, rate = _checked_pitches(pitches), _checked_rate(model, sample_rate)
    if not chosen:
        raise ValueError("there is no instrument to sample")
    soft = [_soft_version(model, instrument) if len(tops) > 1 else None for instrument in chosen]
    same = _same_sounds(model, chosen, soft)
    layered = [_layers(*each, tops) for each in zip(chosen, soft, same, strict=True)]
    count = len(pitches) * sum(map(len, layered))
    if count > MAX_ZONES:
        raise ValueError(f"that would be {count:,} notes, more than the limit of {MAX_ZONES:,}; choose fewer pitches")
    if model.max_duration < HELD:
        raise ValueError(f"{model.name} generates notes of {model.max_duration:g} s; a loop needs {HELD:g} s")
    with tqdm(total=count, desc="sample", unit="note", disable=not progress) as bar:
        made = [
            SampledInstrument(instrument.name, tuple(_zones(model, layers, pitches, rate, bar)), is_same)
            for instrument, layers, is_same in zip(chosen, layered, same, strict=True)
        ]
    return Sampled(tuple(_levelled(made)), rate, model.name, model.fingerprint)


def check_loaded(model: GANSynth) -> None:
    """Check that `model` is a loaded model, and not, for example, its name.

    Raises:
      ValueError: it is not a model.
    """
    if not hasattr(model, "about"):
        raise ValueError(f"{model!r:.100} is not a model; gansynth.load('demo') returns one")


def checked_instruments(model: GANSynth, instruments: Instrument | Sequence[Instrument]) -> list[Instrument]:
    """One or several instruments of a model as a list.

    Raises:
      ValueError: one of them is not an instrument, or belongs to another model.
    """
    check_loaded(model)
    if isinstance(instruments, Instrument):
        instruments = [instruments]
    for instrument in (
        [instruments] if isinstance(instruments, str) or not isinstance(instruments, Iterable) else instruments
    ):
        if not isinstance(instrument, Instrument):
            name = instrument if isinstance(instrument, str) else "Cello"
            raise ValueError(f"{instrument!r:.100} is not an instrument; take one from a bank: bank[{name!r:.100}]")
        check_model(instrument, model)
    return list(instruments)


def _numbers(name: str, values: Sequence[int], example: str) -> list[float]:
    """An argument as a list of numbers; raises a ValueError if it is anything else."""
    try:
        if isinstance(values, str):
            raise TypeError
        return [float(value) for value in values]
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {values!r:.100}; it must be a list of numbers such as {example}") from None


def _checked_velocities(velocities: Sequence[int] | None) -> tuple[int, ...]:
    tops = VELOCITIES if velocities is None else tuple(_numbers("velocities", velocities, "[42, 84, 127]"))
    if not tops or list(tops) != sorted({int(top) for top in tops}) or not 1 <= tops[0] <= tops[-1] == 127:
        raise ValueError(f"velocities is {list(tops)}; it must increase from 1 or more to 127, as in [42, 84, 127]")
    if len(tops) > MAX_LAYERS:
        raise ValueError(f"there are {len(tops)} velocity layers; an instrument can have up to {MAX_LAYERS}")
    return tuple(int(top) for top in tops)


def _checked_pitches(pitches: Sequence[int]) -> list[int]:
    numbers = _numbers("pitches", pitches, "[48, 60, 72]")
    found = sorted({int(pitch) for pitch in numbers if pitch.is_integer()})
    if not found or len(found) < len(numbers) or found[0] < MIN_PITCH or found[-1] > MAX_PITCH:
        raise ValueError(f"pitches must be one or more different whole numbers from {MIN_PITCH} to {MAX_PITCH}")
    return found


def _checked_rate(model: GANSynth, sample_rate: int | None) -> int:
    rate = model.sample_rate if sample_rate is None else sample_rate
    if not isinstance(rate, (int, np.integer)) or not model.sample_rate <= rate <= MAX_SAMPLE_RATE:
        raise ValueError(
            f"sample_rate is {rate!r}; it must be a whole number from {model.sample_rate} to {MAX_SAMPLE_RATE} Hz"
        )
    return int(rate)


def _soft_version(model: GANSynth, instrument: Instrument) -> Instrument | None:
    """The soft version of one of the model's own instruments, or None."""
    bank = named(model)
    own = bank.get(instrument.name)
    is_own = own is not None and np.array_equal(own.z, instrument.z)
    return bank.get(SOFT.format(instrument.name)) if is_own else None


def _same_sounds(model: GANSynth, chosen: Sequence[Instrument], soft: Sequence[Instrument | None]) -> list[bool]:
    """Whether the soft version of each instrument, if it has one, is the same sound to the network."""
    if not any(soft):
        return [False] * len(chosen)
    heard = axes(model)
    rows = heard.vectors * heard.gains[:, None]

    def is_same(one: np.ndarray, other: np.ndarray) -> bool:
        if len(one) != len(other) or len(one) != rows.shape[1]:  # not plain latents: the first layer is not decisive
            return np.array_equal(one, other)
        return bool(np.linalg.norm(rows @ (one - other)) <= SAME_SOUND * np.linalg.norm(rows @ one))

    return [other is not None and is_same(each.z, other.z) for each, other in zip(chosen, soft, strict=True)]


def _layers(
    instrument: Instrument, soft: Instrument | None, is_soft_the_same: bool, tops: tuple[int, ...]
) -> list[tuple[int, int, np.ndarray]]:
    """The velocity layers of an instrument: lowest velocity, highest, latent."""
    if soft is None or is_soft_the_same:
        return [(1, 127, instrument.z)]
    bottoms = [1, *(top + 1 for top in tops[:-1])]
    shares = np.arange(len(tops)) / (len(tops) - 1)
    return [
        (bottom, top, blend(soft, instrument, share).z)
        for bottom, top, share in zip(bottoms, tops, shares, strict=True)
    ]


def _zones(
    model: GANSynth, layers: list[tuple[int, int, np.ndarray]], pitches: list[int], rate: int, bar: tqdm
) -> Iterator[Zone]:
    """The zones of one instrument, layer by layer."""
    sustained = None
    ranges = key_ranges(pitches)
    for soft, loud, z in reversed(layers):  # the loudest decides whether the instrument dies away
        waves = _generated(model, z, pitches, bar)
        sustained = is_sustained(waves, model.sample_rate) if sustained is None else sustained
        for pitch, (low, high), wave in zip(pitches, ranges, waves, strict=True):
            samples, loop, cents = playable(wave, pitch, model.sample_rate, rate, sustained)
            yield Zone(pitch, low, high, soft, loud, samples, loop, cents)


def _generated(model: GANSynth, z: np.ndarray, pitches: list[int], bar: tqdm) -> np.ndarray:
    """The notes of one latent, [pitches, samples], each as long as the keys in the training data are held."""
    parts = []
    for i in range(0, len(pitches), model.batch_size):
        batch = pitches[i : i + model.batch_size]
        parts.append(model.generate(z[None].repeat(len(batch), axis=0), batch, duration=HELD, progress=False))
        bar.update(len(batch))
    return np.concatenate(parts)


def key_ranges(pitches: Sequence[int]) -> list[tuple[int, int]]:
    """The lowest and highest key for each of the pitches, which must be in increasing order.

    A key plays the nearest pitch, of two equally near ones the lower; the outermost ranges extend by an octave.
    """
    between = [(below + above) // 2 for below, above in itertools.pairwise(pitches)]
    lows = [max(pitches[0] - BEYOND, 0), *(key + 1 for key in between)]
    highs = [*between, min(pitches[-1] + BEYOND, 127)]
    return list(zip(lows, highs, strict=True))


def is_sustained(waves: np.ndarray, sample_rate: int) -> bool:
    """Whether most notes of an instrument, [n, samples], are sustained for as long as they are held."""
    return float(np.median([_decay(wave, sample_rate) for wave in waves])) > -LOOP_STEADY


def _decay(wave: np.ndarray, sample_rate: int) -> float:
    """The change of a note's level in its steady part (dB/s)."""
    steady = np.asarray(wave[int(LOOP_FROM * sample_rate) : int(LOOP_TO * sample_rate)], np.float64)
    return shaping.trend(steady, int(TREND_BLOCK * sample_rate)) * sample_rate * DECIBELS


def playable(
    wave: np.ndarray, pitch: int, sample_rate: int, new_rate: int, sustained: bool
) -> tuple[np.ndarray, Loop | None, float]:
    """Turn a generated note into one that a sampler can play.

    Args:
      wave: [n], `HELD` seconds of a note.
      pitch: MIDI number of the note.
      sample_rate: sample rate of the wave (Hz).
      new_rate: sample rate of the result (Hz).
      sustained: whether to loop the note, so that it sounds for as long as a key is down.

    Returns:
      The samples, float32 [n], in tune and starting from silence; the loop, or None; and the cents by which the
      generated note was too high.
    """
    cents = measured_cents(wave, pitch, sample_rate)
    note = retuned(wave, cents, sample_rate, new_rate).astype(np.float64)
    note = np.pad(note, (0, max(0, int(np.ceil(LOOP_TO * new_rate)) - len(note))))
    samples, loop = _looped(note, new_rate) if sustained else (_died_away(note, new_rate), None)
    rise = shaping.envelope(shaping.ATTACK, release=0.0, sample_rate=new_rate)
    samples[: len(rise)] *= rise
    return samples.astype(np.float32), loop, cents


def _looped(note: np.ndarray, sample_rate: int) -> tuple[np.ndarray, Loop]:
    """A note made equally loud throughout its loop, with a smooth transition from the loop's end to its start."""
    first = int(LOOP_FROM * sample_rate)
    slope = shaping.trend(note[first : int(LOOP_TO * sample_rate)], int(TREND_BLOCK * sample_rate))
    note = note * np.exp(-slope * np.maximum(np.arange(len(note)) - first, 0))
    found = shaping.find_loop(note, sample_rate)
    return shaping.extend(note, found, found.end + GUARD, sample_rate), Loop(found.start, found.end)


def _died_away(note: np.ndarray, sample_rate: int) -> np.ndarray:
    """A note extended until it has died away, beyond the duration of a generated note."""
    found = shaping.find_loop(note, sample_rate)
    samples = shaping.extend(note, found, round(MAX_FALL * sample_rate), sample_rate)
    block = int(TREND_BLOCK * sample_rate)
    peaks = np.abs(samples[: len(samples) // block * block]).reshape(-1, block).max(axis=1)
    heard = np.flatnonzero(peaks > peaks.max() * 10 ** (-FALLEN / 20))
    fade = round(END_FADE * sample_rate)
    last = min((int(heard[-1]) + 1) * block + fade, len(samples)) if len(heard) else fade
    samples = samples[:last]
    samples[-fade:] *= np.cos(np.linspace(0, np.pi / 2, fade))
    return samples


def _levelled(made: list[SampledInstrument]) -> Iterator[SampledInstrument]:
    """All instruments with a common gain that brings the loudest of all notes to PEAK."""
    peak = max(float(np.abs(zone.samples).max(initial=0.0)) for instrument in made for zone in instrument.zones)
    gain = np.float32(PEAK / max(peak, SILENCE))
    for instrument in made:
        zones = tuple(dataclasses.replace(zone, samples=zone.samples * gain) for zone in instrument.zones)
        yield dataclasses.replace(instrument, zones=zones)


def _evenness(instrument: SampledInstrument, sample_rate: int) -> Evenness:
    zones = [zone for zone in instrument.zones if zone.loud == 127]
    loudness = [momentary_loudness(Audio(zone.samples, sample_rate)) for zone in zones]
    centroids = [np.log2(note_hertz(zone.pitch)) + brightness(_partials(zone, sample_rate)) for zone in zones]
    pitches = [zone.pitch for zone in zones]
    steps = zip(
        pitches[1:], np.diff(pitches).tolist(), np.diff(loudness).tolist(), np.diff(centroids).tolist(), strict=True
    )
    return Evenness(instrument.name, tuple(Step(*step) for step in steps))


def _partials(zone: Zone, sample_rate: int) -> Partials:
    return partials_of(
        zone.samples[: round(HELD * sample_rate)].astype(np.float64), note_hertz(zone.pitch), sample_rate
    )
