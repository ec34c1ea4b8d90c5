"""A song, a timeline and a model -> audio: plan the notes, generate them, mix.

    clip = render(model, song, timeline)

Each step is a function over plain arrays that can be called alone. `faithful=True` gives what the original program
gave, sample for sample; the default leaves out its plain bugs (SPEC section 8.1): notes outside 36 to 84 lost, drums
played as pitches, clicks on notes under 10 ms, silence or noise after a note that is silent or peaks downwards.

Notebook: 04_generate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from .audio import Audio
from .gansynth.config import MAX_PITCH, MIN_PITCH
from .gansynth.model import BATCH_SIZE

if TYPE_CHECKING:
    from .gansynth import GANSynth
    from .instruments import Timeline
    from .midi import Note, Song

ATTACK = 0.010  # s; linear rise
RELEASE = 0.300  # s; linear fall, beginning where the note ends
PEAK = 0.9  # of the finished clip
SILENCE = 1e-9  # a note whose peak is below this is left silent

# The original's own numbers.
ORIGINAL_LOWEST = 36  # notes below are dropped, though the model plays them
ORIGINAL_LONGEST = 3.0  # s; longer notes stop here
ORIGINAL_TAIL = 3.0  # s behind the last note
ORIGINAL_PEAK = 0.5


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be generated and where it goes; arrays of one length, a row a note."""

    starts: np.ndarray  # s
    holds: np.ndarray  # s from start to release
    pitches: np.ndarray  # MIDI numbers inside the model's range
    velocities: np.ndarray  # 1 to 127
    z: np.ndarray  # [n, latent_vector_size]
    end: float  # s at which the last note ends, not counting its release

    def __len__(self) -> int:
        return len(self.pitches)


def fold(pitch: int, low: int, high: int) -> int:
    """Move a pitch by octaves into low ... high."""
    if pitch < low:
        return pitch + 12 * -((pitch - low) // 12)
    if pitch > high:
        return pitch - 12 * -((high - pitch) // 12)
    return pitch


def original_notes(song: Song) -> list[Note]:
    """The notes the original would play: all tracks, drums too, from 36 to 84, in the order of its reader."""
    return [note for note in song.notes if ORIGINAL_LOWEST <= note.pitch <= MAX_PITCH]


def plan(song: Song, timeline: Timeline, max_seconds: float = 4.0, faithful: bool = False) -> Plan:
    """Decide for each note its pitch, latent and length.

    By default drum tracks are left out, pitches outside the model's range move by octaves into it, and notes longer
    than the model's `max_seconds` are released so that they end with it.

    Raises:
      ValueError: no note is left to play.
    """
    if faithful:
        notes, longest = original_notes(song), ORIGINAL_LONGEST
    else:
        notes = [note for track in song.tracks if not track.is_drum for note in track.notes]
        longest = max_seconds - RELEASE
    if not notes:
        where = f"between {ORIGINAL_LOWEST} and {MAX_PITCH}" if faithful else "outside its drum tracks"
        raise ValueError(f"{song.name} has no notes {where}, so there is nothing to play")
    starts = np.array([note.start for note in notes])
    holds = np.minimum([note.duration for note in notes], longest)
    return Plan(
        starts=starts,
        holds=holds,
        pitches=np.array([fold(note.pitch, MIN_PITCH, MAX_PITCH) for note in notes]),
        velocities=np.array([note.velocity for note in notes]),
        z=timeline.z(starts, extrapolate=faithful),
        end=max(note.end for note in notes) if faithful else float(np.max(starts + holds)),
    )


def envelope(hold: float, sample_rate: int = 16000) -> np.ndarray:
    """Gain of a note that is held for `hold` seconds: float64 [samples], rising, full, and falling to 0.

    A note shorter than the attack is released from the level it has reached, so that the gain never jumps.
    """
    held = int(sample_rate * hold)
    gain = np.ones(held + int(sample_rate * RELEASE))
    rise = np.linspace(0.0, 1.0, int(sample_rate * ATTACK))[: len(gain)]
    gain[: len(rise)] = rise
    gain[held:] *= np.linspace(1.0, 0.0, len(gain) - held)
    return gain


def original_envelope(hold: float, sample_rate: int = 16000) -> np.ndarray:
    """The original's gain: as `envelope`, but a note under 10 ms jumps to full level. Source: SPEC section 8."""
    held = int(sample_rate * min(hold, ORIGINAL_LONGEST))
    gain = np.ones(held + int(sample_rate * RELEASE))
    gain[: int(sample_rate * ATTACK)] = np.linspace(0.0, 1.0, int(sample_rate * ATTACK))
    gain[held:] = np.linspace(1.0, 0.0, len(gain) - held)
    return gain


def shape_note(
    wave: np.ndarray, hold: float, velocity: int, sample_rate: int = 16000, faithful: bool = False
) -> np.ndarray:
    """Cut a generated note to length under its envelope, at a peak of velocity / 127. [samples] -> float64 [samples].

    `faithful` measures the peak as the original does, above zero only.
    """
    gain = (original_envelope if faithful else envelope)(hold, sample_rate)
    note = wave[: len(gain)] * gain[: len(wave)]
    if faithful:
        return note / note.max() * (velocity / 127.0)
    peak = np.abs(note).max(initial=0.0)
    return note * (velocity / 127.0 / peak) if peak > SILENCE else np.zeros_like(note)


def clip_length(plan: Plan, sample_rate: int = 16000, faithful: bool = False) -> int:
    """Samples of the finished clip: to the end of the last release (the original: three seconds on, cut to whole)."""
    if faithful:
        return int(plan.end + ORIGINAL_TAIL) * sample_rate
    return int(np.ceil((plan.end + RELEASE) * sample_rate))


def mix(clip: np.ndarray, note: np.ndarray, start: int) -> None:
    """Add a note to a clip, in place, from sample `start` on; what would lie behind the clip's end is left out."""
    room = clip[start : start + len(note)]
    room += note[: len(room)]


def _distinct(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Equal (z, pitch) pairs are one sound: (first note of each sound, sound of each note)."""
    numbers: dict[tuple[bytes, int], int] = {}
    pairs = ((z.tobytes(), int(pitch)) for z, pitch in zip(plan.z, plan.pitches, strict=True))
    sound_of = np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs])
    _, first = np.unique(sound_of, return_index=True)
    return first, sound_of


def generate_notes(
    model: GANSynth, plan: Plan, batch_size: int = BATCH_SIZE, progress: bool = True
) -> Iterator[tuple[int, np.ndarray]]:
    """Generate the sounds of a plan, each distinct one once and no longer than it is heard.

    Yields (note number, wave) for every note of the plan, in no particular order, holding one batch at a time.
    """
    first, sound_of = _distinct(plan)
    seconds = np.minimum(plan.holds + RELEASE, model.max_seconds)
    longest = np.zeros(len(first))
    np.maximum.at(longest, sound_of, seconds)
    notes_of = np.split(np.argsort(sound_of, kind="stable"), np.cumsum(np.bincount(sound_of))[:-1])
    order = np.argsort(longest, kind="stable")  # notes of like length share a batch
    with tqdm(total=len(plan), desc="render", unit="note", disable=not progress) as bar:
        for i in range(0, len(order), batch_size):
            sounds = order[i : i + batch_size]
            rows = first[sounds]
            length = float(longest[sounds].max())
            z, pitches = plan.z[rows], plan.pitches[rows]
            waves = model.generate(z, pitches, seconds=length, batch_size=batch_size, progress=False)
            for sound, wave in zip(sounds, waves, strict=True):
                for note in notes_of[sound]:
                    yield int(note), wave
                    bar.update()


def render(
    model: GANSynth,
    song: Song,
    timeline: Timeline,
    faithful: bool = False,
    batch_size: int = BATCH_SIZE,
    progress: bool = True,
) -> Audio:
    """Play a song with the instruments of a timeline.

    Memory is bounded by the clip and one batch of notes, whatever the number of notes.

    Args:
      model: what to play with.
      song: what to play.
      timeline: which latent at which second; each note takes the one at its start.
      faithful: exactly the original's notes, envelope, levels and mix. Pair it with `Timeline.original`.
      batch_size: notes generated at a time.
      progress: show a bar.

    Returns:
      Mono audio at the model's rate, as long as the song and its last release; its peak is 0.9 (faithful: as the
      original leaves it, 0.5 for the highest sample and padded by up to three seconds).

    Raises:
      ValueError: there is nothing to play, or the timeline belongs to another model.
    """
    for instrument in timeline.instruments:
        if instrument.fingerprint and instrument.fingerprint != model.fingerprint:
            owner = instrument.checkpoint or "another model"
            raise ValueError(f"{instrument.name!r} was made for {owner}; on {model.name} it is another sound")
    notes = plan(song, timeline, model.max_seconds, faithful)
    rate = model.sample_rate
    clip = np.zeros(clip_length(notes, rate, faithful))
    for i, wave in generate_notes(model, notes, batch_size, progress):
        shaped = shape_note(wave, notes.holds[i], notes.velocities[i], rate, faithful)
        mix(clip, shaped, int(notes.starts[i] * rate))
    return Audio(normalize(clip, faithful).astype(np.float32), rate)


def normalize(clip: np.ndarray, faithful: bool = False) -> np.ndarray:
    """Scale a mix to its final level: the largest absolute sample to 0.9 (faithful: the highest sample to 0.5)."""
    if faithful:
        return clip / clip.max() * ORIGINAL_PEAK
    peak = np.abs(clip).max(initial=0.0)
    return clip * (PEAK / peak) if peak > SILENCE else clip
