"""Fit an instrument of a model to the notes of a recording, by gradients, and measure the match.

    found = matching.match(model, matching.read("oboe.wav"))
    print(found.report())

Notebook: 11_match.
"""

from __future__ import annotations

import dataclasses
import html
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from ..audio import Audio, loudness_factor
from ..errors import in_one_line
from ..gansynth import inversion, levenberg
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import MAX_NAME, Bank, Instrument, check_model, named, sample
from ..midi import note_name
from ..timbre.descriptors import DESCRIPTORS, describe_note
from ..timbre.steering import axes
from .recordings import RecordedNote, Recording, find_notes, measured_cents

if TYPE_CHECKING:
    from ..gansynth import GANSynth

FREE = ("latent", "first layer")

COMPARED_SECONDS = 2.0  # of each note, from its onset
SCREENED = 24  # instruments, nearest at the first note, that are compared at all notes of the recording
NEAREST, MIXED = 2, 3  # number of instruments to start descents from, and number whose mean is another start
BLENDED, RANDOM = 5, 8  # further starts if there are few effective axes: instruments to blend, and random latents
SOLVED = 2  # number of those candidates, the nearest, that are improved
SAME = 1e-3  # instruments that differ by less than this share of the latent's length count as the same
PICTURE, BANDS = inversion.LOSSES
FREED = 2  # number of descents that are continued with the first layer's activations free
DRAWN = 100  # random instruments to start with, for a model that has no named ones
FIFTH = 7  # semitones to the pitches that are checked although they were not recorded
IN_TUNE = 15.0  # cents; candidates that are further out of tune at any pitch are used only if there is no other
LOUDNESS = -20.0  # LUFS of the sounds to compare by ear
HOLDS = 2.5  # steps of a descriptor (`timbre.DESCRIPTORS`) by which it may differ at another pitch

WRAPPED = "white-space: pre-wrap; word-break: normal; overflow-wrap: break-word"  # JupyterLab breaks inside words

Progress = bool | Callable[[int, int], None]  # whether to show a bar; or a function of (steps done, total steps)


class Sounds(NamedTuple):
    """Sounds to compare by ear: float32 [n] each, at the model's rate, at the same pitch and loudness.

    Attributes:
      recording: the recorded note, transposed to the pitch that the model plays.
      match: the match at that pitch.
      nearest: the nearest existing instrument at that pitch.
    """

    recording: np.ndarray
    match: np.ndarray
    nearest: np.ndarray


class MatchedNote(NamedTuple):
    """One note of the recording, and its distances from the match.

    Attributes:
      note: the detected note.
      pitch: MIDI number at which the model plays it: the note's pitch, moved by octaves into the model's range.
      distance: distance of the match from the recording (dB).
      nearest_distance: distance of the nearest existing instrument (dB).
      round_trip: distance of the recording itself after conversion to the model's representation and back (dB).
      cents: tuning of the match relative to the recording, at that pitch.
      sounds: sounds to compare by ear.
    """

    note: RecordedNote
    pitch: int
    distance: float
    nearest_distance: float
    round_trip: float
    cents: float
    sounds: Sounds


class OtherPitch(NamedTuple):
    """The match at a pitch that was not recorded.

    Attributes:
      pitch: MIDI number.
      cents: deviation from that pitch; NaN if no pitch is detected.
      descriptors: result of `timbre.describe_note`, by name; empty if the note cannot be described.
      said: the descriptors that differ from those at the recorded pitch, in words; empty if there are none.
    """

    pitch: int
    cents: float
    descriptors: Mapping[str, float]
    said: str


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Match:
    """The instrument that was found, and how well it matches the recording.

    Attributes:
      instrument: the instrument, which can be used like any other.
      name: its name, after the recording.
      distance: distance between the recording and the match (dB), the mean over the notes.
      nearest: the existing instrument that was nearest before.
      nearest_distance: distance between the recording and that instrument (dB).
      round_trip: distance between the recording and itself after conversion to the model's representation and back
        (dB): the loss due to that alone. Matches are hardly ever nearer than this, except to the model's own notes.
      cents: deviation of the recording from equal temperament at A4 = 440 Hz, the mean over the notes; tune the
        instrument by this to play along with it.
      notes: the results note by note.
      others: the match a fifth above and below, unless these pitches were recorded.
      descriptors: descriptors of the match at the first note's pitch, by name, to compare `others` with.
      free: the parameters that were fitted, "latent" or "first layer".
      seconds: time taken.
      stopped: whether the search was stopped early; the match is then the best so far.
      warnings: warnings about the recording and its notes.
    """

    instrument: Instrument
    distance: float
    nearest: Instrument
    nearest_distance: float
    round_trip: float
    cents: float
    notes: tuple[MatchedNote, ...]
    others: tuple[OtherPitch, ...]
    descriptors: Mapping[str, float]
    free: str
    seconds: float
    stopped: bool
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the instrument."""
        return self.instrument.name

    @property
    def sounds(self) -> Sounds:
        """The sounds of the first note."""
        return self.notes[0].sounds

    def report(self) -> str:
        """The whole result in a few lines of text."""
        lines = [
            f"{self.name}: the nearest sound that this model can make, after {self.seconds:.0f} s"
            + (" (stopped early)" if self.stopped else ""),
            f"  {self.distance:.1f} dB from the recording; {self.nearest.name}, the nearest existing instrument, is "
            f"{self.nearest_distance:.1f} dB from it",
            f"  {self.round_trip:.1f} dB between the recording and itself after conversion to the model's "
            "representation and back: the loss due to that alone",
            f"  the recording is {_tuned(self.cents)}",
        ]
        for note in self.notes:
            moved = f", played as {note_name(note.pitch)}" if note.pitch != note.note.pitch else ""
            lines.append(f"  {note.note}{moved}: {note.distance:.1f} dB, {_in_cents(note.cents)}")
        for other in self.others:
            lines.append(f"  at {note_name(other.pitch)}, which was not recorded: {_in_cents(other.cents)}{other.said}")
        if self.free != FREE[0]:
            lines.append("  it is not a point in latent space: it can be played and blended, but no seed gives it")
        return "\n".join([*lines, *(f"  note: {warning}" for warning in self.warnings)])

    def __str__(self) -> str:
        return self.report()

    def __repr__(self) -> str:
        return f"Match({self.name!r}, {self.distance:.1f} dB; {self.nearest.name!r}, {self.nearest_distance:.1f} dB)"

    def _repr_html_(self) -> str:
        return f'<pre style="{WRAPPED}">{html.escape(self.report())}</pre>'


@in_one_line
def match(
    model: GANSynth,
    recording: Recording,
    notes: Sequence[RecordedNote] | None = None,
    *,
    bank: Bank | None = None,
    name: str | None = None,
    seed: int = 0,
    free: str = FREE[0],
    progress: Progress = True,
    stop: Callable[[], bool] | None = None,
) -> Match:
    """Find the instrument of a model that sounds nearest to a recording.

    All instruments of the bank play the recording's pitch, and the search through the latent space starts from the
    nearest ones: by least squares for networks with few effective axes, such as the bundled one (`gansynth.levenberg`),
    otherwise by gradient descent (`gansynth.inversion`). The result is the latent with the nearest sound of all those
    visited, the instruments included, so it is never farther from the recording than they are. It is in tune at the
    recording's pitches and a fifth above and below, unless none of the candidates is.

    A note outside the model's range is transposed by octaves, like a tape at half or double speed.

    Args:
      model: the model. It computes in its own precision (`gansynth.load(..., precision="bfloat16")`).
      recording: the recording, from `read`.
      notes: notes of the recording to match, all with one instrument (`find_notes`); by default all that are detected.
      bank: the instruments to start from; by default the model's own.
      name: name of the instrument; by default the recording's.
      seed: seed of the random starts.
      free: the parameters to fit: "latent", or "first layer" for the latent, then the activations of the first layer.
        The latter comes nearer, but the result is not a point in latent space: it can be played and blended, but not
        steered, and no seed gives it.
      progress: show a progress bar; or a function of (steps done, total steps).
      stop: called after each step; if it returns True, the best result so far is returned.

    Raises:
      ValueError: the recording has no notes, or an argument is out of range.

    >>> from helpers import gansynth, matching
    >>> model = gansynth.load("demo")
    >>> wave = model.generate(model.sample_z(1, seed=1), [60])[0]
    >>> sound = matching.recording(wave / abs(wave).max(), model.sample_rate, "mine")
    >>> found = matching.match(model, sound, stop=lambda: True)  # stops at once: the nearest of the first instruments
    >>> found.distance <= found.nearest_distance
    True

    Notebook: 11_match.
    """
    began = time.monotonic()
    if free not in FREE:
        raise ValueError(f"free is {free!r}; it must be {' or '.join(map(repr, FREE))}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}; it must be a whole number from 0 to {2**32 - 1}")
    notes = find_notes(recording) if notes is None else list(notes)
    if not notes:
        raise ValueError("there are no notes to match; get them from find_notes(recording)")
    known = _known_instruments(model, bank, seed)
    targets = [_target(recording, note, model) for note in notes]
    effective_axes = axes(model).vectors
    with _Steps(_steps(model, len(known), len(effective_axes), free), progress, stop) as steps:
        nearest = _nearest(model, known, targets, steps)
        latents = [known[nearest[0]].z]
        if not steps.stopped:
            find = _solved if len(effective_axes) <= levenberg.MAX_AXES else _walked
            latents += find(model, targets, [known[i] for i in nearest], seed, steps)
        if free != FREE[0] and not steps.stopped:
            latents += _freed(model, targets, latents, steps)
    z = _best(model, latents, targets)
    name = (recording.name if name is None else str(name)).strip()[:MAX_NAME] or "match"
    instrument = Instrument(_unused(name, bank), z, model.name, model.fingerprint)
    warnings = itertools.chain(recording.warnings, *(note.warnings for note in notes))
    return _measured(
        model,
        targets,
        instrument,
        known[nearest[0]],
        free=free,
        seconds=time.monotonic() - began,
        stopped=steps.stopped,
        warnings=tuple(dict.fromkeys(warnings)),
    )


class _Target(NamedTuple):
    """A note transposed to the model's range, float32 [samples] at its sample rate; and the part to compare."""

    note: RecordedNote
    pitch: int
    wave: np.ndarray
    compared: np.ndarray


def _target(recording: Recording, note: RecordedNote, model: GANSynth) -> _Target:
    import soxr

    pitch = note.pitch
    pitch += 12 * max(0, -(-(MIN_PITCH - pitch) // 12)) - 12 * max(0, -(-(pitch - MAX_PITCH) // 12))
    rate = recording.sample_rate
    part = recording.samples[round(note.start * rate) : round(note.until * rate)]
    if not len(part):
        raise ValueError(f"the note from {note.start:g} to {note.until:g} s is outside the recording")
    speed = 2 ** ((pitch - note.pitch - note.cents / 100) / 12)  # transposition by resampling
    wave = soxr.resample(part, rate * speed, model.sample_rate, "HQ")[: round(model.max_duration * model.sample_rate)]
    return _Target(note, pitch, wave, wave[: round(min(COMPARED_SECONDS, model.max_duration) * model.sample_rate)])


def _known_instruments(model: GANSynth, bank: Bank | None, seed: int) -> list[Instrument]:
    """The instruments to start from: those of the bank that are points in latent space."""
    if bank is None:
        return list(named(model).values()) or sample(model, DRAWN, seed)
    for instrument in bank.values():
        check_model(instrument, model)
    return [instrument for instrument in bank.values() if len(instrument.z) == model.latent_vector_size]


class _Steps:
    """Reports progress, by a bar or a function, and records whether the search was stopped."""

    def __init__(self, total: int, progress: Progress, stop: Callable[[], bool] | None):
        self._total, self._done = total, 0
        self._call = progress if callable(progress) else None
        self._bar = tqdm(total=total, desc="match", unit="step", disable=callable(progress) or not progress)
        self._asked = stop
        self.stopped = False

    def __enter__(self) -> _Steps:
        self._say()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, count: int = 1) -> None:
        self._done += count
        self._bar.update(count)
        self._say()

    def part(self) -> Callable[[int, int], None]:
        """A function to report the progress of the next part, called with (steps done, total steps)."""
        before = self._done
        return lambda done, total: self.advance(before + done - self._done)

    def _say(self) -> None:
        if self._call is not None:
            self._call(self._done, self._total)

    def stop(self) -> bool:
        self.stopped = self.stopped or (self._asked is not None and self._asked())
        return self.stopped


def _batches(count: int, model: GANSynth) -> int:
    return -(-count // model.batch_size)


def _steps(model: GANSynth, instruments: int, effective_axes: int, free: str) -> int:
    """Total number of steps of a match."""
    walk = inversion.STEPS + 1
    search = levenberg.steps_of(SOLVED) if effective_axes <= levenberg.MAX_AXES else walk
    return _batches(instruments, model) + search + (walk if free != FREE[0] else 0)


def _nearest(
    model: GANSynth, instruments: Sequence[Instrument], targets: Sequence[_Target], steps: _Steps
) -> list[int]:
    """Indices of the instruments, the nearest to the recording first.

    All are compared at the first note, and if there are several notes, the nearest of them at all notes. The full
    compared duration is used, because the first half second alone would give another order.
    """
    z, first = np.stack([instrument.z for instrument in instruments]), targets[0]
    distances: list[float] = []
    for begin in range(0, len(instruments), model.batch_size):
        distances += _distances(model, z[begin : begin + model.batch_size], first).tolist()
        steps.advance()
        if steps.stop():
            break
    order = [int(i) for i in np.argsort(distances, kind="stable")]
    if len(targets) > 1 and not steps.stopped:
        chosen = order[:SCREENED]
        order = [chosen[i] for i in np.argsort(_means(model, z[chosen], targets), kind="stable")]
    return order


def _means(model: GANSynth, z: np.ndarray, targets: Sequence[_Target]) -> np.ndarray:
    """Distances of latents from the notes, the mean over the notes, dB [n]."""
    return np.mean([_distances(model, z, target) for target in targets], axis=0)


def _distances(model: GANSynth, z: np.ndarray, target: _Target) -> np.ndarray:
    """Distances of latents from a note, dB [n]."""
    duration = len(target.compared) / model.sample_rate
    waves = model.generate(z, [target.pitch] * len(z), duration=duration, progress=False)
    return inversion.distances(waves, target.compared, model.sample_rate)


def _solved(
    model: GANSynth, targets: Sequence[_Target], near: Sequence[Instrument], seed: int, steps: _Steps
) -> list[np.ndarray]:
    """The best latents found by least squares along the network's effective axes, and the nearest starting point.

    Starts are the nearest instruments, their blends, to reach the regions between them, and random latents.
    """
    pool = np.stack([*_blends(near), *model.sample_z(RANDOM, seed)])
    pool = pool[np.argsort(_means(model, pool, targets), kind="stable")[:SOLVED]]
    waves, pitches = [target.compared for target in targets], [target.pitch for target in targets]
    found = levenberg.solve(model, waves, pitches, pool, axes(model).vectors, tell=steps.part(), stop=steps.stop)
    return [pool[0], *found.z]


def _blends(near: Sequence[Instrument]) -> Iterator[np.ndarray]:
    """The latents of the nearest instruments, and the means of two or three of them."""
    latents = list(itertools.islice(_distinct(near), BLENDED))
    for count in (1, 2, 3):
        for chosen in itertools.combinations(latents, count):
            yield _middle(chosen)


def _walked(
    model: GANSynth, targets: Sequence[_Target], near: Sequence[Instrument], seed: int, steps: _Steps
) -> list[np.ndarray]:
    """The best latents found by gradient descent."""
    starts = _starts(model, near, seed)
    # The loss "picture" converges quickly, but only from nearby starts; "bands" is worth trying from all of them.
    begins = np.concatenate([starts[[0, -2]], starts])
    return list(_walk(model, targets, begins, [PICTURE] * 2 + [BANDS] * len(starts), steps).z)


def _freed(
    model: GANSynth, targets: Sequence[_Target], latents: Sequence[np.ndarray], steps: _Steps
) -> list[np.ndarray]:
    """The results of continuing from the best latents with the first layer's activations free."""
    size, longer = model.latent_sizes
    z = np.stack(latents)
    best = z[np.argsort(_means(model, z, targets), kind="stable")[:FREED]]
    return list(_walk(model, targets, np.pad(best, [(0, 0), (0, longer - size)]), [BANDS] * len(best), steps).z)


def _walk(
    model: GANSynth, targets: Sequence[_Target], starts: np.ndarray, losses: Sequence[str], steps: _Steps
) -> inversion.Inverted:
    waves, pitches = [target.compared for target in targets], [target.pitch for target in targets]
    return inversion.invert(model, waves, pitches, starts, losses, tell=steps.part(), stop=steps.stop)


def _starts(model: GANSynth, near: Sequence[Instrument], seed: int) -> np.ndarray:
    """The starts of descents: the nearest instruments, without duplicates, their mean, and a random latent."""
    chosen = list(itertools.islice(_distinct(near), MIXED))
    return np.stack([*chosen[:NEAREST], _middle(chosen), model.sample_z(1, seed)[0]])


def _distinct(near: Sequence[Instrument]) -> Iterator[np.ndarray]:
    """The latents of instruments, without duplicates."""
    seen: list[np.ndarray] = []
    for instrument in near:
        if all(np.linalg.norm(instrument.z - z) > SAME * np.linalg.norm(z) for z in seen):
            seen.append(instrument.z)
            yield instrument.z


def _middle(latents: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of some latents, scaled to the length of the first."""
    middle = np.mean(latents, axis=0)
    length = np.linalg.norm(latents[0])
    return middle * (length / max(float(np.linalg.norm(middle)), inversion.EPSILON))


def _best(model: GANSynth, latents: Sequence[np.ndarray], targets: Sequence[_Target]) -> np.ndarray:
    """The nearest latent that is in tune, or the nearest of all if none is, by the notes that the model generates.

    The first latent is that of the nearest existing instrument; latents farther away than it are not considered.
    """
    distances = [np.mean([_distances(model, z[None], target)[0] for target in targets]) for z in latents]
    order = np.argsort(distances, kind="stable")
    for i in order[: int(np.flatnonzero(order == 0)[0]) + 1]:
        if _is_in_tune(model, latents[i], targets):
            return latents[i]
    return latents[order[0]]


def _is_in_tune(model: GANSynth, z: np.ndarray, targets: Sequence[_Target]) -> bool:
    pitches = sorted({target.pitch for target in targets} | set(_others(targets[0].pitch)))
    waves = model.generate(z, pitches, progress=False)
    cents = [measured_cents(wave, pitch, model.sample_rate) for wave, pitch in zip(waves, pitches, strict=True)]
    return all(abs(value) <= IN_TUNE for value in cents if np.isfinite(value))


def _others(pitch: int) -> list[int]:
    """The pitches a fifth above and below that are in the model's range."""
    return [other for other in (pitch - FIFTH, pitch + FIFTH) if MIN_PITCH <= other <= MAX_PITCH]


def _unused(name: str, bank: Bank | None) -> str:
    """The name, with a number added if an instrument of the bank already has it."""
    taken = set() if bank is None else set(bank)
    names = itertools.chain([name], (f"{name[: MAX_NAME - 8]} {number}" for number in itertools.count(2)))
    return next(free for free in names if free not in taken)


def _measured(
    model: GANSynth, targets: Sequence[_Target], instrument: Instrument, nearest: Instrument, **known: Any
) -> Match:
    """The measurements of a matched instrument."""
    notes = tuple(_matched(model, target, instrument, nearest) for target in targets)
    first = targets[0].pitch
    pitches = [first, *(pitch for pitch in _others(first) if pitch not in {target.pitch for target in targets})]
    waves = model.generate(instrument.z, pitches, progress=False)
    described = [_described(wave, pitch, model.sample_rate) for wave, pitch in zip(waves, pitches, strict=True)]
    others = tuple(
        OtherPitch(pitch, measured_cents(wave, pitch, model.sample_rate), here, _drift(described[0], here))
        for pitch, wave, here in zip(pitches[1:], waves[1:], described[1:], strict=True)
    )
    return Match(
        instrument=instrument,
        distance=float(np.mean([note.distance for note in notes])),
        nearest=nearest,
        nearest_distance=float(np.mean([note.nearest_distance for note in notes])),
        round_trip=float(np.mean([note.round_trip for note in notes])),
        cents=float(np.mean([target.note.cents for target in targets])),
        notes=notes,
        others=others,
        descriptors=described[0],
        **known,
    )


def _matched(model: GANSynth, target: _Target, instrument: Instrument, nearest: Instrument) -> MatchedNote:
    rate = model.sample_rate
    latents = [instrument.z, nearest.z]  # possibly of different lengths, so not in one batch
    match, known = (model.generate(z, [target.pitch], progress=False)[0] for z in latents)
    back = inversion.round_trip(target.wave, model.config)[: len(target.compared)]
    compared = [wave[: len(target.compared)] for wave in (match, known, back)]
    distance, near, trip = inversion.distances(np.stack(compared), target.compared, rate)
    if np.array_equal(instrument.z, nearest.z):
        distance = near  # equal to the last bit
    cents = measured_cents(match, target.pitch, rate)
    sounds = Sounds(*(_levelled(wave, rate) for wave in (target.wave, match, known)))
    return MatchedNote(target.note, target.pitch, float(distance), float(near), float(trip), cents, sounds)


def _levelled(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    return (wave * loudness_factor(Audio(wave, sample_rate), LOUDNESS)[0]).astype(np.float32)


def _described(wave: np.ndarray, pitch: int, sample_rate: int) -> dict[str, float]:
    """The descriptors of a note; empty if it is silent."""
    try:
        return describe_note(wave, pitch, sample_rate)
    except ValueError:
        return {}


def _drift(here: Mapping[str, float], there: Mapping[str, float]) -> str:
    """The descriptors that differ between the recorded pitch and another, and by how much, in words."""
    moved = [
        f"{step.name} {there[step.name] - here[step.name]:+.1f} {step.unit}"
        for step in DESCRIPTORS
        if step.name in here and step.name in there and abs(there[step.name] - here[step.name]) > HOLDS * step.step
    ]
    return f"; the timbre differs ({', '.join(moved)})" if moved else ""


def _in_cents(cents: float) -> str:
    return f"{round(cents):+d} cents" if np.isfinite(cents) else "no pitch"


def _tuned(cents: float) -> str:
    """The tuning of a recording, in words."""
    if not round(cents):
        return "in tune with A4 = 440 Hz"
    side = "above" if cents > 0 else "below"
    return f"tuned {abs(cents):.0f} cents {side} A4 = 440 Hz: tune the instrument by that to play along with it"
