"""Check that a checkpoint works as it should, by forty-eight notes, in half a minute and without a reference.

    selfcheck.self_check(gansynth.load("acoustic_only"))

A checkpoint can load without an error and still be wrong: weights that are not the moving averages, another frequency
axis, another pitch range. Each of these leaves a trace in the sound. The expected ranges are wide: they include the
bundled model and recorded notes of NSynth with a margin, and do not show how good a model is; `evaluating.evaluate`
does.

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
PITCHES = (45, 57, 69)  # A2, A3, A4, for each instrument: the range in which pYIN is most reliable

SILENT_DB = -80.0  # root mean square below which a note counts as silent
CLICK = 0.95  # share of the peak-to-peak range: a step between samples that is larger counts as a click
HARMONIC_WIDTH = 0.12  # share of the fundamental, to both sides of each of its multiples, that counts as harmonic
SEMITONE = 100.0  # cents
EXACT = 20.0  # cents: notes this close to a whole number of semitones off count as transposed
BLURRED = 20.0  # per cent of the power in the partials above which a sound counts as blurred, not as transposed


class Finding(NamedTuple):
    """One measurement of a check, and the range expected of an intact model.

    Attributes:
      title: what is measured.
      value: the measured value.
      unit: its unit.
      low: lower end of the expected range.
      high: upper end of the expected range.
    """

    title: str
    value: float
    unit: str
    low: float
    high: float

    @property
    def is_right(self) -> bool:
        """Whether the value is in its range; NaN is not."""
        return self.low <= self.value <= self.high  # False for NaN

    def __str__(self) -> str:
        return f"{self.title}: {self.value:.1f} {self.unit} ({self.low:g} to {self.high:g} expected)"


# The ranges expected of an intact model: title, unit, lowest, highest.
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
    """The result of `self_check`.

    Attributes:
      model: name of the model.
      findings: key of RANGES -> Finding.
      suspicion: the probable cause of a fault, as a sentence; empty if there is no fault.
    """

    model: str
    findings: dict[str, Finding]
    suspicion: str

    @property
    def is_right(self) -> bool:
        """Whether all values are in their ranges."""
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
    """Check forty-eight notes of a model: sixteen random instruments, each at three pitches.

    Args:
      model: a loaded model.
      seed: seed of the instruments.

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
    """The share of a note's power within HARMONIC_WIDTH of a multiple of its fundamental frequency, 0 to 1.

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
    width = max(HARMONIC_WIDTH * fundamental, 2 * sample_rate / len(part))  # at least the width of the window's peak
    return float(power[np.abs(hertz - number * fundamental) <= width].sum() / max(power.sum(), 1e-12))


def steepest(waves: np.ndarray) -> np.ndarray:
    """The largest step between neighbouring samples, as a share of the peak-to-peak range, [n]."""
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
    """The most likely cause of values out of range; the clearest symptoms are considered first."""
    if "finite" in wrong:
        return "Some notes are not finite: the weights are damaged, or were read in the wrong format."
    if "silent" in wrong:
        return "Many notes are silent: weights are missing or almost zero."
    if wrong & {"in_tune", "transposed"}:
        return _out_of_tune(cents, pitches, found["harmonic"])
    if "differ" in wrong and found["differ"] < RANGES["differ"][2]:
        return "All instruments sound alike: the latent has no effect, so the first layer must be damaged."
    if "level" in wrong:
        loud = "loud" if found["level"] > RANGES["level"][3] else "quiet"
        return (
            f"It is in tune but too {loud}: mag_normalizer_a or mag_normalizer_b in experiment.json is not the value "
            "that it was trained with."
        )
    return _UNFINISHED


_UNFINISHED = (
    "There is no clear cause: these may be the raw weights instead of their moving averages, or training may not have "
    "been finished."
)


def _out_of_tune(cents: np.ndarray, pitches: np.ndarray, harmonic: float) -> str:
    """The most likely cause of wrong pitches."""
    heard = [cents[(pitches == p) & np.isfinite(cents)] for p in PITCHES]
    if (
        not all(map(len, heard))
        or np.median([np.subtract(*np.quantile(c, (0.75, 0.25))) for c in heard]) > SEMITONE / 2
    ):
        return _UNFINISHED  # the instruments deviate by different amounts
    medians = np.array([np.median(c) for c in heard])
    semitones = round(float(np.median(medians)) / SEMITONE)
    if semitones and np.abs(medians - SEMITONE * semitones).max() < EXACT:
        count = f"{abs(semitones)} semitone{'s' * (abs(semitones) > 1)}"
        way = "higher" if semitones > 0 else "lower"
        return f"Every note sounds {count} {way} than requested: the model's lowest pitch is not MIDI {MIN_PITCH}."
    if harmonic > BLURRED or np.abs(medians).max() < SEMITONE / 2:
        return _UNFINISHED  # the partials are in place, but there is much else
    return (
        "Notes sound at wrong pitches, but not by whole semitones: the model was trained with another frequency axis "
        "(data_type in experiment.json, or another mel scale)."
    )
