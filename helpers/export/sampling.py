"""An instrument of a model as a sampler wants it: some notes, in tune, each with a loop or its own end.

    cello = export.sampled(model, bank["Cello"])
    export.sampler(cello, "cello.sfz")

What a player does with it is the same in every format, because everything that matters is in the samples: they are in
tune, a loop ends where it sounds as it did where it began, and one gain for all leaves the loudness of a sound its own.

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

# Every third pitch: a player transposes by a semitone at most, which nobody hears, and 21 notes are made in seconds.
PITCHES = tuple(range(MIN_PITCH, MAX_PITCH + 1, 3))
# Where the layers of an instrument end that has a soft voice: the soft one, one between, and the loud one.
VELOCITIES = (42, 84, 127)
SOFT = "{}, soft"  # the name of an instrument's soft voice among those of the bundled checkpoint
# A soft voice that the first layer of the network tells from the loud one by no more than this, as a share of the
# latter, is the same sound. Of the bundled checkpoint's forty, 16 are 0.0 away, and their notes differ by -84 dB at
# most; the next is 0.107 away, and differs by -14 dB. What lies halfway between two that are the same is another sound.
SAME_VOICE = 1e-3
BEYOND = 12  # semitones that the outermost notes are stretched over
MAX_ZONES = 3000  # of an export; the whole bank of the bundled model at PITCHES, 280 MB
MAX_LAYERS = 8
TREND_BLOCK = 0.1  # s over which levels are compared
GUARD = 64  # samples that are repeated after a loop's end, for players that interpolate across it
RELEASE = 0.3  # s in which a player fades out a note that is let go; `render`'s own

# A sound that dies away has no loop: it is played to its end, which is put where it has fallen by FALLEN, or MAX_FALL
# after its beginning, and fades there.
FALLEN, MAX_FALL, END_FADE = 50.0, 8.0, 0.25  # dB, s, s


class Loop(NamedTuple):
    """A stretch that a player repeats while a key is down: samples from `start` up to, and without, `end`."""

    start: int
    end: int


@dataclasses.dataclass(frozen=True, eq=False)
class Zone:
    """A note, and the keys and velocities that it plays.

    Attributes:
      pitch: MIDI number that the note has.
      low, high: the first and the last key.
      soft, loud: the lowest and the highest velocity.
      samples: float32 [n].
      loop: what is repeated, or None for a note that ends by itself.
      cents: by how much the model's note was too high; it is in tune now.
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
    """A name, and zones that cover keys and velocities without a gap, by velocity and then by key.

    Attributes:
      name: of the instrument.
      zones: its notes.
      is_soft_the_same: whether the model has a soft voice of its name that is the same sound, and so makes no layers.
    """

    name: str
    zones: tuple[Zone, ...]
    is_soft_the_same: bool = False

    @property
    def layers(self) -> list[int]:
        """The highest velocity of each layer, rising."""
        return sorted({zone.loud for zone in self.zones})

    @property
    def is_sustained(self) -> bool:
        """Whether its notes sound for as long as a key is down."""
        return self.zones[0].loop is not None


class Step(NamedTuple):
    """How much louder and brighter a zone is than its neighbour below, so many semitones away."""

    pitch: int
    semitones: int
    loudness: float
    centroid: float


class Evenness(NamedTuple):
    """How even the keys of an instrument are; as text, per semitone, so that fewer pitches are not less even.

    Attributes:
      name: of the instrument.
      steps: from each zone to the next one up: its pitch, the semitones between them, LU, and octaves of the spectral
        centroid.
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
    """Instruments of a model, ready to be written for a sampler.

    Attributes:
      instruments: each with its zones.
      sample_rate: Hz.
      model: the name of the checkpoint ...
      fingerprint: ... and the hash of its weights.
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
        """How many velocity layers the instruments have, a line for all that have as many for the same reason."""
        alike: dict[str, list[str]] = {}
        for instrument in self.instruments:
            why = ", since the model's soft voice is the same sound" if instrument.is_soft_the_same else ""
            alike.setdefault(f"{counted(len(instrument.layers), 'velocity layer')}{why}", []).append(instrument.name)
        return [f"{', '.join(names)}: {what}" for what, names in alike.items()]

    def evenness(self) -> list[Evenness]:
        """How even each instrument is from note to note, in its loudest layer."""
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
      model: whose instruments they are.
      instruments: one or several. All get the same gain, so that one that is softer stays softer.
      pitches: MIDI numbers that are generated; keys between them are played by the nearest.
      velocities: the highest velocity of each layer, rising to 127. An instrument whose soft voice the model has under
        its name ("Flute, soft") gets a latent on the way from soft to loud for each; any other has one layer, and so
        has one whose soft voice is the same sound. By default 42, 84 and 127.
      sample_rate: Hz; the model's 16,000 by default.
      progress: show a bar.

    Raises:
      ValueError: an instrument belongs to another model, a value is out of range, or it would be too much.

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
    soft = [_soft_voice(model, instrument) if len(tops) > 1 else None for instrument in chosen]
    same = _same_sounds(model, chosen, soft)
    layered = [_layers(*each, tops) for each in zip(chosen, soft, same, strict=True)]
    count = len(pitches) * sum(map(len, layered))
    if count > MAX_ZONES:
        raise ValueError(f"that makes {count:,} notes and an export can have {MAX_ZONES:,}; choose fewer pitches")
    if model.max_duration < HELD:
        raise ValueError(f"{model.name} makes notes of {model.max_duration:g} s; {HELD:g} are needed for a loop")
    with tqdm(total=count, desc="sample", unit="note", disable=not progress) as bar:
        made = [
            SampledInstrument(instrument.name, tuple(_zones(model, layers, pitches, rate, bar)), is_same)
            for instrument, layers, is_same in zip(chosen, layered, same, strict=True)
        ]
    return Sampled(tuple(_levelled(made)), rate, model.name, model.fingerprint)


def check_loaded(model: GANSynth) -> None:
    """Check that a model is one, and not what it is loaded by.

    Raises:
      ValueError: it is none.
    """
    if not hasattr(model, "about"):
        raise ValueError(f"{model!r:.100} is no model; gansynth.load('demo') gives one")


def checked_instruments(model: GANSynth, instruments: Instrument | Sequence[Instrument]) -> list[Instrument]:
    """One or several instruments of a model as a list.

    Raises:
      ValueError: they are something else, or belong to another model.
    """
    check_loaded(model)
    if isinstance(instruments, Instrument):
        instruments = [instruments]
    for instrument in (
        [instruments] if isinstance(instruments, str) or not isinstance(instruments, Iterable) else instruments
    ):
        if not isinstance(instrument, Instrument):
            name = instrument if isinstance(instrument, str) else "Cello"
            raise ValueError(f"{instrument!r:.100} is no instrument; a bank has them, as in bank[{name!r:.100}]")
        check_model(instrument, model)
    return list(instruments)


def _numbers(name: str, values: Sequence[int], example: str) -> list[float]:
    """What should be a list of numbers, whatever else it may be."""
    try:
        if isinstance(values, str):
            raise TypeError
        return [float(value) for value in values]
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {values!r:.100}; it must be a list of numbers, as in {example}") from None


def _checked_velocities(velocities: Sequence[int] | None) -> tuple[int, ...]:
    tops = VELOCITIES if velocities is None else tuple(_numbers("velocities", velocities, "[42, 84, 127]"))
    if not tops or list(tops) != sorted({int(top) for top in tops}) or not 1 <= tops[0] <= tops[-1] == 127:
        raise ValueError(f"velocities are {list(tops)}; they rise from 1 or more to 127, as in [42, 84, 127]")
    if len(tops) > MAX_LAYERS:
        raise ValueError(f"there are {len(tops)} velocity layers; an instrument has up to {MAX_LAYERS}")
    return tuple(int(top) for top in tops)


def _checked_pitches(pitches: Sequence[int]) -> list[int]:
    numbers = _numbers("pitches", pitches, "[48, 60, 72]")
    found = sorted({int(pitch) for pitch in numbers if pitch.is_integer()})
    if not found or len(found) < len(numbers) or found[0] < MIN_PITCH or found[-1] > MAX_PITCH:
        raise ValueError(f"pitches are different whole numbers from {MIN_PITCH} to {MAX_PITCH}, at least one of them")
    return found


def _checked_rate(model: GANSynth, sample_rate: int | None) -> int:
    rate = model.sample_rate if sample_rate is None else sample_rate
    if not isinstance(rate, (int, np.integer)) or not model.sample_rate <= rate <= MAX_SAMPLE_RATE:
        raise ValueError(
            f"sample_rate is {rate!r}; it is a whole number between {model.sample_rate} and {MAX_SAMPLE_RATE} Hz"
        )
    return int(rate)


def _soft_voice(model: GANSynth, instrument: Instrument) -> Instrument | None:
    """What a model has for the soft notes of one of its own instruments."""
    bank = named(model)
    own = bank.get(instrument.name)
    is_own = own is not None and np.array_equal(own.z, instrument.z)
    return bank.get(SOFT.format(instrument.name)) if is_own else None


def _same_sounds(model: GANSynth, chosen: Sequence[Instrument], soft: Sequence[Instrument | None]) -> list[bool]:
    """Whether the network hears no difference between each instrument and its soft voice, if it has one."""
    if not any(soft):
        return [False] * len(chosen)
    heard = axes(model)
    rows = heard.vectors * heard.gains[:, None]

    def is_same(one: np.ndarray, other: np.ndarray) -> bool:
        if len(one) != len(other) or len(one) != rows.shape[1]:  # of which the first layer is not all that hears it
            return np.array_equal(one, other)
        return bool(np.linalg.norm(rows @ (one - other)) <= SAME_VOICE * np.linalg.norm(rows @ one))

    return [voice is not None and is_same(each.z, voice.z) for each, voice in zip(chosen, soft, strict=True)]


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
    """The notes of one latent: [pitches, samples], as long as keys are held in the model's data."""
    parts = []
    for i in range(0, len(pitches), model.batch_size):
        batch = pitches[i : i + model.batch_size]
        parts.append(model.generate(z[None].repeat(len(batch), axis=0), batch, duration=HELD, progress=False))
        bar.update(len(batch))
    return np.concatenate(parts)


def key_ranges(pitches: Sequence[int]) -> list[tuple[int, int]]:
    """The first and last key that each of some rising pitches plays: those that are nearest to it, or as near as the
    next one up; the outermost reach an octave further."""
    between = [(below + above) // 2 for below, above in itertools.pairwise(pitches)]
    lows = [max(pitches[0] - BEYOND, 0), *(key + 1 for key in between)]
    highs = [*between, min(pitches[-1] + BEYOND, 127)]
    return list(zip(lows, highs, strict=True))


def is_sustained(waves: np.ndarray, sample_rate: int) -> bool:
    """Whether the notes of an instrument, [n, samples], go on for as long as they are held: most of them do."""
    return float(np.median([_decay(wave, sample_rate) for wave in waves])) > -LOOP_STEADY


def _decay(wave: np.ndarray, sample_rate: int) -> float:
    """How a note's level changes in its steady part, dB a second."""
    steady = np.asarray(wave[int(LOOP_FROM * sample_rate) : int(LOOP_TO * sample_rate)], np.float64)
    return shaping.trend(steady, int(TREND_BLOCK * sample_rate)) * sample_rate * DECIBELS


def playable(
    wave: np.ndarray, pitch: int, sample_rate: int, new_rate: int, sustained: bool
) -> tuple[np.ndarray, Loop | None, float]:
    """Turn a generated note into one that a sampler can play.

    Args:
      wave: [n], `HELD` seconds of a note.
      pitch: MIDI number that it has.
      sample_rate: Hz, of the wave.
      new_rate: Hz, of what is returned.
      sustained: whether it is to sound for as long as a key is down.

    Returns:
      float32 [samples], in tune and from a silent beginning; the loop, or None; and the cents that it was too high.
    """
    cents = measured_cents(wave, pitch, sample_rate)
    note = retuned(wave, cents, sample_rate, new_rate).astype(np.float64)
    note = np.pad(note, (0, max(0, int(np.ceil(LOOP_TO * new_rate)) - len(note))))
    samples, loop = _looped(note, new_rate) if sustained else (_died_away(note, new_rate), None)
    rise = shaping.envelope(shaping.ATTACK, release=0.0, sample_rate=new_rate)
    samples[: len(rise)] *= rise
    return samples.astype(np.float32), loop, cents


def _looped(note: np.ndarray, sample_rate: int) -> tuple[np.ndarray, Loop]:
    """A note that is as loud at the end of its loop as at the beginning, and goes over into it."""
    first = int(LOOP_FROM * sample_rate)
    slope = shaping.trend(note[first : int(LOOP_TO * sample_rate)], int(TREND_BLOCK * sample_rate))
    note = note * np.exp(-slope * np.maximum(np.arange(len(note)) - first, 0))
    found = shaping.find_loop(note, sample_rate)
    return shaping.extend(note, found, found.end + GUARD, sample_rate), Loop(found.start, found.end)


def _died_away(note: np.ndarray, sample_rate: int) -> np.ndarray:
    """A note to its end, which lies further away than a model's notes are long."""
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
    """All instruments with one gain, by which the loudest of all notes reaches the common peak."""
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
