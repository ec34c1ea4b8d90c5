"""The nearest sound that a model can make to the notes of a recording, found by gradient, and what it is worth.

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

COMPARED_SECONDS = 2.0  # of each note, from its onset on
SCREENED = 24  # voices that are heard at all pitches of a recording of several notes: the nearest at its first
NEAREST, MIXED = 2, 3  # voices that walks begin at, and those in the middle of which another does
BLENDED, RANDOM = 5, 8  # voices whose pairs and triples are tried where the network hears few axes, and random latents
SOLVED = 2  # of those, the nearest, that are improved
SAME = 1e-3  # share of a latent's length: voices that differ by less are one
PICTURE, BANDS = inversion.LOSSES
FREED = 2  # walks that go on with the first layer's activations free
DRAWN = 100  # instruments that are tried first, of a model that has no names for any
FIFTH = 7  # semitones to a pitch that was not recorded
IN_TUNE = 15.0  # cents; candidates that are further off at any pitch come last
LOUDNESS = -20.0  # LUFS of the sounds to compare
HOLDS = 2.5  # steps of a descriptor (`timbre.DESCRIPTORS`), by which the timbre may be another at another pitch

WRAPPED = "white-space: pre-wrap; word-break: normal; overflow-wrap: break-word"  # JupyterLab breaks inside words

Progress = bool | Callable[[int, int], None]  # a bar or none; or a function of (steps done, steps in all)


class Sounds(NamedTuple):
    """What is to be compared by ear: float32 [n] each, at the model's rate, at one pitch and equally loud.

    Attributes:
      recording: the recorded note, brought to the pitch that the model plays.
      match: the match at that pitch.
      nearest: the nearest voice of the bank at that pitch.
    """

    recording: np.ndarray
    match: np.ndarray
    nearest: np.ndarray


class MatchedNote(NamedTuple):
    """One note of the recording, and how near the match comes to it.

    Attributes:
      note: as it was found.
      pitch: MIDI number that the model plays it at: the note's, by octaves into the model's range.
      distance, nearest_distance, round_trip: dB, of the match, of the nearest voice, and of the recording itself after
        it went to the model's representation and back.
      cents: how far the match is from the recording at that pitch, after the recording's own offset.
      sounds: to compare by ear.
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
      cents: how far it is out of tune there; not a number if no pitch is heard.
      descriptors: of `timbre.describe_note`, by name; empty if it cannot be described.
      said: in which of them it is not what it is at the recorded pitch, in words; empty if in none.
    """

    pitch: int
    cents: float
    descriptors: Mapping[str, float]
    said: str


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Match:
    """The nearest sound that this model can make, and what it is worth.

    Attributes:
      instrument: it plays like any other.
      name: what it is called, after the recording.
      distance: dB between the recording and the match, the mean over the notes.
      nearest: the voice of the bank that was nearest before.
      nearest_distance: dB between the recording and that voice.
      round_trip: dB between the recording and itself, after the model's representation and back: what that alone
        costs. A recording is hardly ever matched more nearly; a note that the model itself made is.
      cents: how far the recording is above equal temperament at A4 = 440 Hz, the mean over the notes: what to tune the
        instrument by, for playing along with it.
      notes: note by note.
      others: the match a fifth above and below, where that was not recorded.
      descriptors: of the match at the first note's pitch, by name, to compare `others` with.
      free: what was optimised.
      seconds: how long it took.
      stopped: whether it was stopped before the end; it is then the best so far.
      warnings: of the recording and its notes.
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
        return self.instrument.name

    @property
    def sounds(self) -> Sounds:
        """Of the first note."""
        return self.notes[0].sounds

    def report(self) -> str:
        """All of it in words, a few lines."""
        lines = [
            f"{self.name}: the nearest sound that this model can make, after {self.seconds:.0f} s"
            + (" (stopped early)" if self.stopped else ""),
            f"  {self.distance:.1f} dB from the recording; {self.nearest.name}, the nearest voice, is "
            f"{self.nearest_distance:.1f} dB from it",
            f"  {self.round_trip:.1f} dB lie between the recording and itself after the model's representation and "
            "back: what that alone costs",
            f"  the recording is {_tuned(self.cents)}",
        ]
        for note in self.notes:
            moved = f", played as {note_name(note.pitch)}" if note.pitch != note.note.pitch else ""
            lines.append(f"  {note.note}{moved}: {note.distance:.1f} dB, {_in_cents(note.cents)}")
        for other in self.others:
            lines.append(f"  at {note_name(other.pitch)}, which was not recorded: {_in_cents(other.cents)}{other.said}")
        if self.free != FREE[0]:
            lines.append("  it is no point of the latent space: it plays and blends, but no seed leads to it")
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
    """Find the instrument of a model that comes nearest to a recording.

    All voices of the bank play the recording's pitch, and the nearest are where the way through the latent space
    begins: by least squares where the network hears few axes of it, as the bundled one does (`gansynth.levenberg`), by
    gradient otherwise (`gansynth.inversion`). What comes out is the nearest of everything that was on the way, by its
    sound, and of the voices themselves; so it is never farther from the recording than they are. Of what is in tune,
    at the recording's pitches and a fifth above and below: what is not is taken only if nothing else is there.

    A note outside of the model's range is brought into it by octaves, as a tape would at half or double speed.

    Args:
      model: that is to play like it. It computes in its own precision (`gansynth.load(..., precision="bfloat16")`).
      recording: what `read` returns.
      notes: those of it to match, all at once (`find_notes`); by default all that are found.
      bank: whose instruments are tried first; by default the model's own.
      name: of the instrument; by default the recording's.
      seed: of the random starts.
      free: "latent", or "first layer": then the activations of the first layer are fitted after the latent. That comes
        nearer; yet what it finds is no point of the latent space, so that no seed leads to it and it cannot be steered.
        It plays, and it can be blended.
      progress: show a bar; or a function of (steps done, steps in all).
      stop: called after each step; when it returns True, the best so far is returned.

    Raises:
      ValueError: there is no note in the recording, or an argument is out of range.

    >>> from helpers import gansynth, matching
    >>> model = gansynth.load("demo")
    >>> wave = model.generate(model.sample_z(1, seed=1), [60])[0]
    >>> sound = matching.recording(wave / abs(wave).max(), model.sample_rate, "mine")
    >>> found = matching.match(model, sound, stop=lambda: True)  # at once: the nearest of the first voices
    >>> found.distance <= found.nearest_distance
    True

    Notebook: 11_match.
    """
    began = time.monotonic()
    if free not in FREE:
        raise ValueError(f"free is {free!r}; choose {' or '.join(map(repr, FREE))}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}; it is a whole number from 0 to {2**32 - 1}")
    notes = find_notes(recording) if notes is None else list(notes)
    if not notes:
        raise ValueError("there are no notes to match; find_notes(recording) finds them")
    voices = _voices(model, bank, seed)
    targets = [_target(recording, note, model) for note in notes]
    heard_axes = axes(model).vectors
    with _Steps(_steps(model, len(voices), len(heard_axes), free), progress, stop) as steps:
        nearest = _nearest(model, voices, targets, steps)
        latents = [voices[nearest[0]].z]
        if not steps.stopped:
            find = _solved if len(heard_axes) <= levenberg.MAX_AXES else _walked
            latents += find(model, targets, [voices[i] for i in nearest], seed, steps)
        if free != FREE[0] and not steps.stopped:
            latents += _freed(model, targets, latents, steps)
    z = _best(model, latents, targets)
    name = (recording.name if name is None else str(name)).strip()[:MAX_NAME] or "match"
    instrument = Instrument(_unused(name, bank), z, model.name, model.fingerprint)
    warnings = itertools.chain(recording.warnings, *(note.warnings for note in notes))
    return _listened(
        model,
        targets,
        instrument,
        voices[nearest[0]],
        free=free,
        seconds=time.monotonic() - began,
        stopped=steps.stopped,
        warnings=tuple(dict.fromkeys(warnings)),
    )


class _Target(NamedTuple):
    """A note as the model would play it: at its pitch, float32 [samples] at its rate; and as much as is compared."""

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
        raise ValueError(f"the note from {note.start:g} to {note.until:g} s is not in a recording of this length")
    speed = 2 ** ((pitch - note.pitch - note.cents / 100) / 12)  # by which a tape would have to run
    wave = soxr.resample(part, rate * speed, model.sample_rate, "HQ")[: round(model.max_duration * model.sample_rate)]
    return _Target(note, pitch, wave, wave[: round(min(COMPARED_SECONDS, model.max_duration) * model.sample_rate)])


def _voices(model: GANSynth, bank: Bank | None, seed: int) -> list[Instrument]:
    """Whom to begin with: those of the bank that are points of the latent space."""
    if bank is None:
        return list(named(model).values()) or sample(model, DRAWN, seed)
    for voice in bank.values():
        check_model(voice, model)
    return [voice for voice in bank.values() if len(voice.z) == model.latent_vector_size]


class _Steps:
    """How far it is: a bar, or a call; and whether it was stopped."""

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
        """A function that is told how much of the next part is done."""
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


def _steps(model: GANSynth, voices: int, heard_axes: int, free: str) -> int:
    """How many there will be, of all that is done in turn."""
    walk = inversion.STEPS + 1
    search = levenberg.steps_of(SOLVED) if heard_axes <= levenberg.MAX_AXES else walk
    return _batches(voices, model) + search + (walk if free != FREE[0] else 0)


def _nearest(model: GANSynth, voices: Sequence[Instrument], targets: Sequence[_Target], steps: _Steps) -> list[int]:
    """Numbers of the voices, the nearest to the recording first: of all at its first note, and of those that are
    nearest there at the others.

    Each is heard as long as it is compared: by their first half second alone, others would come first.
    """
    z, first = np.stack([voice.z for voice in voices]), targets[0]
    heard: list[float] = []
    for begin in range(0, len(voices), model.batch_size):
        heard += _distances(model, z[begin : begin + model.batch_size], first).tolist()
        steps.advance()
        if steps.stop():
            break
    order = [int(i) for i in np.argsort(heard, kind="stable")]
    if len(targets) > 1 and not steps.stopped:
        chosen = order[:SCREENED]
        order = [chosen[i] for i in np.argsort(_means(model, z[chosen], targets), kind="stable")]
    return order


def _means(model: GANSynth, z: np.ndarray, targets: Sequence[_Target]) -> np.ndarray:
    """Of latents from the notes, dB [n], the mean over them."""
    return np.mean([_distances(model, z, target) for target in targets], axis=0)


def _distances(model: GANSynth, z: np.ndarray, target: _Target) -> np.ndarray:
    """Of latents from a note, dB [n]."""
    duration = len(target.compared) / model.sample_rate
    waves = model.generate(z, [target.pitch] * len(z), duration=duration, progress=False)
    return inversion.distances(waves, target.compared, model.sample_rate)


def _solved(
    model: GANSynth, targets: Sequence[_Target], near: Sequence[Instrument], seed: int, steps: _Steps
) -> list[np.ndarray]:
    """The best latents by least squares, along the axes that the network hears, and the blend that was nearest before.

    Where voices are, the way down is short; what lies between them is reached by way of their blends.
    """
    pool = np.stack([*_blends(near), *model.sample_z(RANDOM, seed)])
    pool = pool[np.argsort(_means(model, pool, targets), kind="stable")[:SOLVED]]
    waves, pitches = [target.compared for target in targets], [target.pitch for target in targets]
    found = levenberg.solve(model, waves, pitches, pool, axes(model).vectors, tell=steps.part(), stop=steps.stop)
    return [pool[0], *found.z]


def _blends(near: Sequence[Instrument]) -> Iterator[np.ndarray]:
    """The nearest voices, and the middles of two or three of them."""
    voices = list(itertools.islice(_distinct(near), BLENDED))
    for count in (1, 2, 3):
        for chosen in itertools.combinations(voices, count):
            yield _middle(chosen)


def _walked(
    model: GANSynth, targets: Sequence[_Target], near: Sequence[Instrument], seed: int, steps: _Steps
) -> list[np.ndarray]:
    """The best latents of walks by gradient."""
    starts = _starts(model, near, seed)
    # The picture's loss finds its best from near by, and soon; the bands' is worth a try from everywhere.
    begins = np.concatenate([starts[[0, -2]], starts])
    return list(_walk(model, targets, begins, [PICTURE] * 2 + [BANDS] * len(starts), steps).z)


def _freed(
    model: GANSynth, targets: Sequence[_Target], latents: Sequence[np.ndarray], steps: _Steps
) -> list[np.ndarray]:
    """Where walks lead that go on from the best latents with the first layer's activations free."""
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
    """Where walks begin: the nearest voices, no two of which are the same, the middle of them, and one at random."""
    chosen = list(itertools.islice(_distinct(near), MIXED))
    return np.stack([*chosen[:NEAREST], _middle(chosen), model.sample_z(1, seed)[0]])


def _distinct(near: Sequence[Instrument]) -> Iterator[np.ndarray]:
    """The latents of voices, but for those that are the same as an earlier one."""
    seen: list[np.ndarray] = []
    for voice in near:
        if all(np.linalg.norm(voice.z - z) > SAME * np.linalg.norm(z) for z in seen):
            seen.append(voice.z)
            yield voice.z


def _middle(latents: Sequence[np.ndarray]) -> np.ndarray:
    """The middle of some latents, as long as the first of them."""
    middle = np.mean(latents, axis=0)
    length = np.linalg.norm(latents[0])
    return middle * (length / max(float(np.linalg.norm(middle)), inversion.EPSILON))


def _best(model: GANSynth, latents: Sequence[np.ndarray], targets: Sequence[_Target]) -> np.ndarray:
    """The latent that comes nearest of those that are in tune, or of all if none is; the first is the nearest voice's.

    Judged by the notes that the model plays.
    """
    heard = [np.mean([_distances(model, z[None], target)[0] for target in targets]) for z in latents]
    order = np.argsort(heard, kind="stable")
    for i in order[: int(np.flatnonzero(order == 0)[0]) + 1]:  # none that is farther away than the nearest voice
        if _is_in_tune(model, latents[i], targets):
            return latents[i]
    return latents[order[0]]


def _is_in_tune(model: GANSynth, z: np.ndarray, targets: Sequence[_Target]) -> bool:
    pitches = sorted({target.pitch for target in targets} | set(_others(targets[0].pitch)))
    waves = model.generate(z, pitches, progress=False)
    cents = [measured_cents(wave, pitch, model.sample_rate) for wave, pitch in zip(waves, pitches, strict=True)]
    return all(abs(value) <= IN_TUNE for value in cents if np.isfinite(value))


def _others(pitch: int) -> list[int]:
    """A fifth above and below, as far as the model goes."""
    return [other for other in (pitch - FIFTH, pitch + FIFTH) if MIN_PITCH <= other <= MAX_PITCH]


def _unused(name: str, bank: Bank | None) -> str:
    """A name that no instrument of the bank has."""
    taken = set() if bank is None else set(bank)
    names = itertools.chain([name], (f"{name[: MAX_NAME - 8]} {number}" for number in itertools.count(2)))
    return next(free for free in names if free not in taken)


def _listened(
    model: GANSynth, targets: Sequence[_Target], instrument: Instrument, nearest: Instrument, **known: Any
) -> Match:
    """All that is said of an instrument, from how it sounds."""
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
    latents = [instrument.z, nearest.z]  # of two lengths, if activations are among them
    match, voice = (model.generate(z, [target.pitch], progress=False)[0] for z in latents)
    back = inversion.round_trip(target.wave, model.config)[: len(target.compared)]
    heard = [wave[: len(target.compared)] for wave in (match, voice, back)]
    distance, near, trip = inversion.distances(np.stack(heard), target.compared, rate)
    if np.array_equal(instrument.z, nearest.z):
        distance = near  # to the last bit
    cents = measured_cents(match, target.pitch, rate)
    sounds = Sounds(*(_levelled(wave, rate) for wave in (target.wave, match, voice)))
    return MatchedNote(target.note, target.pitch, float(distance), float(near), float(trip), cents, sounds)


def _levelled(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    return (wave * loudness_factor(Audio(wave, sample_rate), LOUDNESS)[0]).astype(np.float32)


def _described(wave: np.ndarray, pitch: int, sample_rate: int) -> dict[str, float]:
    """The descriptors of a note; none of silence."""
    try:
        return describe_note(wave, pitch, sample_rate)
    except ValueError:
        return {}


def _drift(here: Mapping[str, float], there: Mapping[str, float]) -> str:
    """In which descriptors a note at another pitch is not what it is at the recorded one, by how much."""
    moved = [
        f"{step.name} {there[step.name] - here[step.name]:+.1f} {step.unit}"
        for step in DESCRIPTORS
        if step.name in here and step.name in there and abs(there[step.name] - here[step.name]) > HOLDS * step.step
    ]
    return f"; not the same timbre ({', '.join(moved)})" if moved else ""


def _in_cents(cents: float) -> str:
    return f"{round(cents):+d} cents" if np.isfinite(cents) else "no pitch"


def _tuned(cents: float) -> str:
    """How a recording is tuned, in words."""
    if not round(cents):
        return "in tune with A4 = 440 Hz"
    side = "above" if cents > 0 else "below"
    return f"tuned {abs(cents):.0f} cents {side} A4 = 440 Hz: tune the instrument by that to play along with it"
