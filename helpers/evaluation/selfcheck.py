"""Whether a checkpoint is what it should be: forty-eight notes, half a minute, and no reference.

    selfcheck.self_check(gansynth.load("acoustic_only"))

A checkpoint can load without an error and still be wrong: weights that are not the averages, another frequency axis,
another pitch range. Each leaves a trace in the sound. The ranges here are wide: they hold what the bundled model and
recorded notes of NSynth have, with room, and say nothing about how good a model is. `evaluating.evaluate` does.

Notebook: 02_checkpoints, 12_measure.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import pitch, tables
from ..gansynth.config import MIN_PITCH
from ..midi import note_hertz
from . import describing, features, metrics

if TYPE_CHECKING:
    from ..gansynth import GANSynth

INSTRUMENTS = 16
PITCHES = (45, 57, 69)  # A2, A3, A4, of each instrument: where pYIN is surest

SILENT_DB = -80.0  # root mean square, below which a note is silent
CLICK = 0.95  # of a peak to peak range: a step from sample to sample that is as large is a click
HARMONIC_WIDTH = 0.12  # of the pitch, to both sides of its multiples, that counts as belonging to them
SEMITONE = 100.0  # cents
EXACT = 20.0  # cents around a number of semitones: what is transposed is so by a whole number
BLURRED = 20.0  # per cent of the power in the partials, from which a sound counts as blurred and not as elsewhere


class Finding(NamedTuple):
    """One number of a check, and the range that a right model has."""

    title: str
    value: float
    unit: str
    low: float
    high: float

    @property
    def is_right(self) -> bool:
        return self.low <= self.value <= self.high  # False for what is not a number

    def __str__(self) -> str:
        return f"{self.title}: {self.value:.1f} {self.unit} ({self.low:g} to {self.high:g} expected)"


# What a right model has: title, unit, lowest, highest.
RANGES = {
    "finite": ("notes that are finite", "%", 100.0, 100.0),
    "silent": ("silent notes", "%", 0.0, 10.0),
    "level": ("level, median", "dB", -30.0, -14.0),
    "in_tune": ("in tune within 50 cents", "%", 70.0, 100.0),
    "transposed": ("deviation from the pitch, median", "cents", -25.0, 25.0),
    "harmonic": ("power in the partials of the pitch, median", "%", 80.0, 100.0),
    "clicks": ("notes with a click", "%", 0.0, 10.0),
    "differ": ("distance between instruments at one pitch", "dB", 3.0, 40.0),
}


@dataclasses.dataclass(frozen=True)
class SelfCheck:
    """What `self_check` found.

    Attributes:
      model: its name.
      findings: name of RANGES -> Finding.
      suspicion: what is probably wrong, a sentence; empty if nothing is.
    """

    model: str
    findings: dict[str, Finding]
    suspicion: str

    @property
    def is_right(self) -> bool:
        return all(finding.is_right for finding in self.findings.values())

    def __str__(self) -> str:
        verdict = "sounds as a GANSynth model should" if self.is_right else f"is probably wrong. {self.suspicion}"
        return "\n".join([f"{self.model} {verdict}", *(f"  {finding}" for finding in self.findings.values())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [
            [f.title, f"{f.value:.1f} {f.unit}", f"{f.low:g} to {f.high:g}", "" if f.is_right else "outside"]
            for f in self.findings.values()
        ]
        verdict = "sounds as a GANSynth model should." if self.is_right else f"is probably wrong. {self.suspicion}"
        return tables.table(rows, ("", "measured", "expected", ""), f"{self.model} {verdict}")


def self_check(model: GANSynth, seed: int = 0) -> SelfCheck:
    """Listen to forty-eight notes of a model: sixteen random instruments, each at three pitches.

    Args:
      model: a loaded model.
      seed: of the instruments.

    >>> from helpers import gansynth
    >>> from helpers.evaluation import selfcheck
    >>> selfcheck.self_check(gansynth.load("demo")).is_right
    True
    """
    import joblib

    instruments, pitches = np.repeat(np.arange(INSTRUMENTS), len(PITCHES)), np.tile(PITCHES, INSTRUMENTS)
    z = model.sample_z(INSTRUMENTS, seed)[instruments]
    waves = model.generate(z, pitches, progress=False)
    finite = np.isfinite(waves).all(axis=1)
    levels = 20 * np.log10(np.maximum(np.sqrt(np.mean(np.nan_to_num(waves) ** 2, axis=1)), 1e-9))
    sounds = finite & (levels > SILENT_DB)
    found = {"finite": 100 * float(finite.mean()), "silent": 100 * float(np.mean(~sounds))}
    if not sounds.any():
        return _judged(model.name, found, np.array([]), pitches)
    heard, of = waves[sounds], pitches[sounds]
    cores = min(joblib.cpu_count(), describing.MAX_CORES)
    listen = joblib.delayed(pitch.pyin)
    cents = np.array(joblib.Parallel(cores)(listen(w, p, model.sample_rate) for w, p in zip(heard, of, strict=True)))
    found |= {
        "level": float(np.median(levels[sounds])),
        "in_tune": 100 * float(np.mean(np.abs(cents) <= SEMITONE / 2)),
        "transposed": float(np.nanmedian(cents)) if np.isfinite(cents).any() else math.nan,
        "harmonic": 100
        * float(np.median([harmonicity(w, p, model.sample_rate) for w, p in zip(heard, of, strict=True)])),
        "clicks": 100 * float(np.mean(steepest(heard) > CLICK)),
        "differ": metrics.diversity(
            features.log_mel(heard, model.sample_rate),
            of,
            instruments[sounds],
        ),
    }
    return _judged(model.name, found, cents, of)


def harmonicity(wave: np.ndarray, note: float, sample_rate: int) -> float:
    """The share of a note's power that lies within HARMONIC_WIDTH of a multiple of its pitch, 0 to 1.

    Args:
      wave: samples [n].
      note: MIDI number.
      sample_rate: Hz.
    """
    start, stop = pitch.heard(len(wave), sample_rate)
    part = wave[start:stop]
    power = np.abs(np.fft.rfft(part * np.hanning(len(part)), 4 * len(part))) ** 2
    hertz = np.fft.rfftfreq(4 * len(part), 1 / sample_rate)
    fundamental = note_hertz(note)
    number = np.maximum(np.rint(hertz / fundamental), 1)
    width = max(HARMONIC_WIDTH * fundamental, 2 * sample_rate / len(part))  # a window's own width at least
    return float(power[np.abs(hertz - number * fundamental) <= width].sum() / max(power.sum(), 1e-12))


def steepest(waves: np.ndarray) -> np.ndarray:
    """The largest step from a sample to the next, as a share of the range from lowest to highest, [n]."""
    span = np.maximum(waves.max(axis=1) - waves.min(axis=1), 1e-9)
    return np.abs(np.diff(waves, axis=1)).max(axis=1) / span


def _judged(name: str, found: dict[str, float], cents: np.ndarray, pitches: np.ndarray) -> SelfCheck:
    findings = {
        key: Finding(title, found[key], unit, low, high)
        for key, (title, unit, low, high) in RANGES.items()
        if key in found
    }
    wrong = {key for key, finding in findings.items() if not finding.is_right}
    return SelfCheck(name, findings, _suspicion(wrong, found, cents, pitches) if wrong else "")


def _suspicion(wrong: set[str], found: dict[str, float], cents: np.ndarray, pitches: np.ndarray) -> str:
    """The likeliest reason for what is out of its range; the plainest traces first."""
    if "finite" in wrong:
        return "Some notes are not finite numbers: the weights are damaged, or are read in another format."
    if "silent" in wrong:
        return "Many notes are silent: weights are missing, or are all but zero."
    if wrong & {"in_tune", "transposed"}:
        return _out_of_tune(cents, pitches, found["harmonic"])
    if "differ" in wrong and found["differ"] < RANGES["differ"][2]:
        return "All instruments sound alike: the latent does not reach the network, so its first layer is damaged."
    if "level" in wrong:
        loud = "loud" if found["level"] > RANGES["level"][3] else "quiet"
        return (
            f"It is in tune and too {loud}: mag_normalizer_a or mag_normalizer_b in experiment.json is not the one "
            "that it was trained with."
        )
    return _UNFINISHED


_UNFINISHED = (
    "No other trace points to a cause: these may be the raw weights instead of their averages, or training was not "
    "finished."
)


def _out_of_tune(cents: np.ndarray, pitches: np.ndarray, harmonic: float) -> str:
    """What makes notes sound at other pitches than were asked for."""
    heard = [cents[(pitches == p) & np.isfinite(cents)] for p in PITCHES]
    if (
        not all(map(len, heard))
        or np.median([np.subtract(*np.quantile(c, (0.75, 0.25))) for c in heard]) > SEMITONE / 2
    ):
        return _UNFINISHED  # instruments are not off by the same
    medians = np.array([np.median(c) for c in heard])
    semitones = round(float(np.median(medians)) / SEMITONE)
    if semitones and np.abs(medians - SEMITONE * semitones).max() < EXACT:
        count = f"{abs(semitones)} semitone{'s' * (abs(semitones) > 1)}"
        way = "higher" if semitones > 0 else "lower"
        return f"Every note sounds {count} {way} than asked for: its lowest pitch is not MIDI {MIN_PITCH}."
    if harmonic > BLURRED or np.abs(medians).max() < SEMITONE / 2:
        return _UNFINISHED  # partials are where they belong, and so is much else
    return (
        "Notes sound at other pitches, and not by whole semitones: it was trained with another frequency axis "
        "(data_type in experiment.json, or another mel scale)."
    )
