"""A song, instruments and a model -> audio: plan the notes, generate them, mix.

    clip = render(model, song, timeline)                               # one timeline for all tracks
    clip = render(model, song, {"Flute": a, "Strings": timeline})      # by track, the others assigned from a seed
    print(clip.report)

Each step is a function over plain values that can be called alone. `faithful=True` gives what the original program
gave, sample for sample; the default does what people ask for instead (SPEC section 8.1): tracks apart, drums not as
pitches, notes folded into the model's range, held as long as they are written, and without clicks.

Notebook: 04_generate, 07_songs.
"""

from __future__ import annotations

import dataclasses
import operator
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from . import audio, checkpoints, shaping, soundfont
from .audio import Audio
from .errors import in_one_line
from .instruments import Instrument, Timeline
from .limits import MOST_PLAYED
from .midi import Song, Track
from .planning import DEFAULTS, Part, Plan, Settings, curves, is_heard, original_notes, plan, resolve
from .report import Recipe, RenderReport, TrackReport, read_recipe
from .shaping import Curve, Loop, mix

if TYPE_CHECKING:
    from .gansynth import GANSynth

__all__ = ["Clip", "Part", "Plan", "Settings", "original_notes", "plan", "render", "reproduce", "resolve"]

# Batches whose sounds are sorted by length, so that a batch wastes little; time order holds beyond that. The first
# windows are of 1, 2 and 4, so that a rendering that is stopped early has its beginning.
WINDOW = 8
MOST_AT_ONCE = 64  # notes, however many the file says that a clip is made from again
CUT_FADE = 0.010  # s; where a rendering was stopped
BLOCK = 1 << 14  # samples of a note that are mixed at a time; with their levels they stay in the processor's cache
LEVEL_EVERY = 16  # samples, a millisecond; in between, a level that moves is on a straight line
# K-weighted RMS of a note at full velocity, -14 dB: with it, the melody stands against the drums as when the soundfont
# plays both, in the mean of thirteen pieces (`make bench-balance`).
NOTE_LEVEL = 0.2
NOTE_PEAK = 1.0  # likewise at most; a sharper pluck stays softer, or it would push the whole clip down for its peak
DRUM_TAIL = 1.0  # s that the clip goes on behind the start of the last drum note

# The original's own numbers.
ORIGINAL_TAIL = 3.0  # s behind the last note
ORIGINAL_PEAK = 0.5

Progress = bool | Callable[[int, int], None]  # whether a bar is shown; or who is told (notes done, notes in all)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Clip(Audio):
    """Audio, and the report on how it was made."""

    report: RenderReport


# --------------------------------------------------------------------------------------------------------- generating


def generate_notes(
    model: GANSynth, plan: Plan, batch_size: int | None = None, progress: Progress = True
) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Generate the sounds of a plan in the order of time, each distinct one once and no longer than it is heard.

    Yields batches, one held at a time: a list of (numbers of the notes that have this sound, wave).

    Args:
      model: what to play with.
      plan: what to play.
      batch_size: sounds at a time; as many as suit the model's hardware by default.
      progress: show a bar; or a function of (notes done, notes in all), called before the first batch and after each.
    """
    batch_size = model.batch_size if batch_size is None else batch_size
    sound_of = plan.sounds
    _, first = np.unique(sound_of, return_index=True)
    longest, begins = np.zeros(len(first)), np.full(len(first), np.inf)
    np.maximum.at(longest, sound_of, plan.seconds)
    np.minimum.at(begins, sound_of, plan.starts)
    notes_of = np.split(np.argsort(sound_of, kind="stable"), np.cumsum(np.bincount(sound_of))[:-1])
    in_time = np.argsort(begins, kind="stable")
    tell = progress if callable(progress) else lambda done, total: None
    done = 0
    tell(done, len(plan))
    with tqdm(total=len(plan), desc="render", unit="note", disable=callable(progress) or not progress) as bar:
        end, batches = 0, 1
        while end < len(in_time):
            begin, end = end, end + batches * batch_size
            window, batches = in_time[begin:end], min(2 * batches, WINDOW)
            kept = model.cached(plan.z[first[window]], plan.pitches[first[window]], longest[window])
            window = window[np.lexsort((longest[window], ~kept))]  # what is in the cache does not thin out the batches
            for i in range(0, len(window), batch_size):
                sounds = window[i : i + batch_size]
                z, pitches = plan.z[first[sounds]], plan.pitches[first[sounds]]
                waves = model.generate(z, pitches, longest[sounds], batch_size=batch_size, progress=False)
                yield [(notes_of[sound], wave) for sound, wave in zip(sounds, waves, strict=True)]
                count = sum(len(notes_of[sound]) for sound in sounds)
                done += count
                bar.update(count)
                tell(done, len(plan))


# ------------------------------------------------------------------------------------------------------------- mixing


def loudness_of(wave: np.ndarray, sample_rate: int) -> float:
    """What brings a sound to the common level when divided by: `shaping.loudest`, or more where its peak is sharp."""
    peak = float(np.abs(wave[: round(shaping.LEVEL_SPAN * sample_rate)]).max(initial=0.0))
    return max(shaping.loudest(wave, sample_rate), peak * NOTE_LEVEL / NOTE_PEAK)


def shape_note(
    wave: np.ndarray,
    hold: float,
    velocity: int,
    settings: Settings = DEFAULTS,
    sample_rate: int = 16000,
    loop: Loop | None = None,
    semitones: np.ndarray | None = None,
    loudest: float | None = None,
) -> np.ndarray:
    """Turn a generated wave into a note: loop, bend, envelope, and a level that is its velocity's.

    Args:
      wave: [n].
      hold: s to the release.
      velocity: 1 to 127; the level is its share of 127 to the power of `settings.velocity`.
      settings: attack, release, level and velocity are used.
      sample_rate: Hz.
      loop: where to repeat, if the note is longer than the wave.
      semitones: the pitch bend along the note, if it has one: a value for each sample of hold and release.
      loudest: `loudness_of` the wave, where it is known already.

    Returns:
      float64 [samples], up to hold + release of them; fewer where the wave ends before.
    """
    note = shaping.envelope(hold, settings.attack, settings.release, sample_rate)
    samples = len(note)
    if semitones is not None:
        samples = int(np.sum(2.0 ** (semitones / 12)) + shaping.BEND_ROOM * sample_rate)
    source = shaping.extend(wave, loop, samples, sample_rate) if loop else np.asarray(wave[:samples], np.float64)
    body = source if semitones is None else shaping.bend(source, semitones)
    note = note[: len(body)]
    note *= body  # in place: a long note has millions of samples
    strength = (velocity / 127.0) ** settings.velocity
    if settings.level == "peak":
        return shaping.to_peak(note, strength)
    loudest = loudness_of(wave, sample_rate) if loudest is None else loudest
    note *= NOTE_LEVEL * strength / loudest if loudest > shaping.SILENCE else 0.0
    return note


def levels(moves: Mapping[str, Curve], gain: float, times: np.ndarray, channels: int) -> np.ndarray:
    """How loud a track is at given seconds: [n] -> [channels, n], or [channels, 1] where nothing moves.

    Volume and expression count by their squares, as General MIDI has it. Pan keeps the power from side to side; in the
    centre both sides are as loud as the one channel of a mono clip.

    Args:
      moves: the track's `curves`.
      gain: dB.
      times: s.
      channels: 1 or 2.
    """
    level = 10 ** (gain / 20) * (moves["volume"](times) * moves["expression"](times)) ** 2
    if channels == 1:
        return level[None]
    angle = (moves["pan"](times) + 1) * np.pi / 4
    return level * np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)])


class _Mixer:
    """A clip in the making: all that is needed to add a note to it."""

    def __init__(self, song: Song, parts: Sequence[Part], settings: Settings, notes: Plan, rate: int, channels: int):
        self.parts, self.settings, self.notes, self.rate = parts, settings, notes, rate
        self.moves = curves(song, parts, settings)
        self.starts = (notes.starts * rate).astype(np.int64)
        if settings.faithful:
            length = int(notes.end + ORIGINAL_TAIL) * rate
        else:
            held = (notes.holds * rate).astype(np.int64)
            length = int(np.max(self.starts + held, initial=0)) + int(settings.release * rate)
        self.clip = np.zeros((channels, length), np.float32)
        self.done = np.zeros(len(notes), bool)

    def add(self, rows: np.ndarray, wave: np.ndarray) -> None:
        """Mix all notes that have one sound."""
        loop = shaping.find_loop(wave, self.rate) if self.notes.loops[rows].any() else None
        is_levelled = self.settings.level == "loudness" and not self.settings.faithful
        loudest = loudness_of(wave, self.rate) if is_levelled else None
        for i in rows:
            if self.settings.faithful:
                mix(self.clip, self._original(i, wave), self.starts[i])
            else:
                self._place(i, self._note(i, wave, loop, loudest))

    def _original(self, i: int, wave: np.ndarray) -> np.ndarray:
        return shaping.original_note(wave, self.notes.holds[i], self.notes.velocities[i], self.rate)

    def _place(self, i: int, note: np.ndarray) -> None:
        """Mix a note at the level and the place that its track has meanwhile, block by block."""
        moves, gain = self.moves[self.notes.tracks[i]], self.parts[self.notes.tracks[i]].gain
        for first in range(0, len(note), BLOCK):
            block = note[first : first + BLOCK]
            points = np.arange(first, first + len(block) + LEVEL_EVERY, LEVEL_EVERY)
            level = levels(moves, gain, self.notes.starts[i] + points / self.rate, len(self.clip))
            if level.shape[1] > 1:
                level = shaping.interpolated(level, LEVEL_EVERY)[:, : len(block)]
            mix(self.clip, block * level, self.starts[i] + first)

    def _note(self, i: int, wave: np.ndarray, loop: Loop | None, loudest: float | None) -> np.ndarray:
        notes, bends = self.notes, self.moves[self.notes.tracks[i]]["bend"]
        samples = int(notes.holds[i] * self.rate) + int(self.settings.release * self.rate)
        times = notes.starts[i] + np.arange(samples) / self.rate if notes.bent[i] else None
        return shape_note(
            wave,
            notes.holds[i],
            notes.velocities[i],
            self.settings,
            self.rate,
            loop if notes.loops[i] else None,
            None if times is None else np.broadcast_to(bends(times), samples),
            loudest,
        )

    def done_before(self, second: float) -> bool:
        """Whether all notes that begin before are done."""
        return bool(self.done[self.starts < round(second * self.rate)].all())

    def finished(self, until: float | None = None) -> float | None:
        """Cut the clip at `until`, or where the first note that is not done begins; that second, or None if all are."""
        if until is None and self.done.all():
            return None
        cut = int(self.starts[~self.done].min()) if until is None else round(until * self.rate)
        self.done[self.starts >= cut] = False
        self.clip = self.clip[:, :cut].copy()
        fade = self.clip[:, -int(CUT_FADE * self.rate) :]
        fade *= np.linspace(1.0, 0.0, fade.shape[1], dtype=np.float32)
        return cut / self.rate


# ------------------------------------------------------------------------------------------------------------- render


@in_one_line
def render(
    model: GANSynth,
    song: Song,
    parts: Instrument | Timeline | Mapping[str | int, Instrument | Timeline | Part] | None = None,
    default: Instrument | Timeline | None = None,
    *,
    drums: str = DEFAULTS.drums,
    pitch: str = DEFAULTS.pitch,
    sustain: str = DEFAULTS.sustain,
    controllers: bool = DEFAULTS.controllers,
    attack: float = DEFAULTS.attack,
    release: float = DEFAULTS.release,
    level: str = DEFAULTS.level,
    velocity: float = DEFAULTS.velocity,
    loudness: float | None = DEFAULTS.loudness,
    sample_rate: int | None = DEFAULTS.sample_rate,
    stereo: bool | None = DEFAULTS.stereo,
    resolution: float | None = DEFAULTS.resolution,
    faithful: bool = DEFAULTS.faithful,
    seed: int = 0,
    batch_size: int | None = None,
    progress: Progress = True,
    stop: Callable[[], bool] | None = None,
) -> Clip:
    """Play a song.

    Memory is bounded by the clip and one batch of notes, whatever the number of notes. A keyboard interrupt (the stop
    button of a notebook) ends a long rendering early and gives what there is, up to the first missing note.

    Args:
      model: what to play with.
      song: what to play.
      parts: who plays. One instrument or timeline for all tracks, or one for each: a dict from a track's number (as
        `print(song)` has it), name or program ("program 73", "Flute") to an instrument, a timeline, or a `Part`, which
        also mutes, solos, pans and sets the gain.
      default: who plays the tracks that `parts` leaves open. By default each gets an instrument of its own, that of its
        General MIDI program where the model has it (see `instruments.assign`).
      drums: "skip" leaves drum tracks out, "synth" plays them with a soundfont. They never sound as pitches.
      pitch: what becomes of notes outside the model's range, C1 to C6: "fold" moves them by octaves, "drop" leaves them
        out, "shift" first transposes the whole song to where most notes fit, and folds the rest.
      sustain: "loop" repeats the steady part of a sound for as long as the note is held; "once" lets go after three
        seconds.
      controllers: follow volume, expression, pan, sustain pedal and pitch bend. A bend reads the sound faster or
        slower, so that its formants move along; bends beyond two octaves stop there.
      attack: s.
      release: s.
      level: what two instruments have in common at one velocity: "loudness", so that neither drowns the other, or
        "peak", as in the original.
      velocity: how much velocity counts: a note's level is (velocity / 127) to this power. 1 is the original's, 2 that
        of General MIDI and of the soundfont, 0 makes all equal.
      loudness: LUFS of the clip, or as near to it as it gets without clipping (no limiter is used); None: as loud as it
        goes.
      sample_rate: Hz of the clip, 16000, 22050, 44100 or 48000; by default the model's.
      stereo: two channels or one; by default two if a track is panned.
      resolution: s; the instruments of a timeline move on in steps of this, so that chords and repeated notes share
        their sounds, which makes it quicker; by default each note has the instrument of its own moment.
      faithful: exactly the original's notes, envelope, levels and mix, with one timeline (`Timeline.original`) and none
        of the choices above.
      seed: of the instruments that are drawn for tracks.
      batch_size: notes generated at a time; as many as suit the model's hardware by default.
      progress: show a bar; or a function of (notes done, notes in all), called before the first batch and after each.
      stop: called after each batch; when it returns True, the rendering ends early as by an interrupt.

    Returns:
      The audio, float32 [samples] or [samples, 2], with a `report` that prints as a table and saves what `reproduce`
      needs.

    Raises:
      ValueError: there is nothing to play or too much (`limits`), an argument is out of range, or an instrument belongs
        to another model.
      ImportError: drums="synth", and there is no soundfont player for this machine.
    """
    settings = Settings(
        drums=drums,
        pitch=pitch,
        sustain=sustain,
        controllers=controllers,
        attack=attack,
        release=release,
        level=level,
        velocity=velocity,
        loudness=loudness,
        sample_rate=sample_rate,
        stereo=stereo,
        resolution=resolution,
        faithful=faithful,
    )
    if faithful and not isinstance(parts, (Instrument, Timeline)):
        raise ValueError("faithful=True plays all tracks with one Timeline, as the original does")
    batch_size = model.batch_size if batch_size is None else batch_size
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it has to be 1 or more")
    seed, batch_size = operator.index(seed), operator.index(batch_size)  # NumPy's are whole numbers too
    audio.check_length(song)
    song = song.as_original() if faithful else song
    return _render(model, song, resolve(model, song, parts, default, seed), settings, batch_size, progress, stop, seed)


def _check_cost(song: Song, parts: Sequence[Part], settings: Settings) -> None:
    """See that rendering a song is no more work than `limits` says, before any of it is done."""
    if settings.faithful:
        return
    heard = [track for track, is_on in zip(song.tracks, is_heard(parts), strict=True) if is_on]
    count = sum(len(track.notes) for track in heard if not track.is_drum)
    if count > MOST_PLAYED:
        raise ValueError(
            f"{song.name} has {count:,} notes to play and a clip can have {MOST_PLAYED:,}; "
            "mute some of its tracks, or take a part of it, with midi.excerpt"
        )
    if settings.drums == "synth":
        soundfont.check([track for track in heard if track.is_drum], song.name)


def _render(
    model: GANSynth,
    song: Song,
    parts: Sequence[Part],
    settings: Settings,
    batch_size: int,
    progress: Progress,
    stop: Callable[[], bool] | None,
    seed: int,
    until: float | None = None,
) -> Clip:
    """`render` with everything decided; as far as the second `until`, if that is where it was stopped before."""
    began = time.monotonic()
    _check_cost(song, parts, settings)
    notes = plan(song, parts, settings, model.max_seconds)
    channels = 2 if _is_stereo(song, parts, settings) else 1
    mixer = _Mixer(song, parts, settings, notes, model.sample_rate, channels)
    try:
        for batch in generate_notes(model, notes, batch_size, progress):
            for rows, wave in batch:
                mixer.add(rows, wave)
            for rows, _ in batch:  # only now: what an interrupt leaves half mixed is cut away
                mixer.done[rows] = True
            if (stop is not None and stop()) or (until is not None and mixer.done_before(until)):
                break
    except KeyboardInterrupt:
        if not mixer.done.any():
            raise
    stopped_at = mixer.finished(until)
    clip = Audio(mixer.clip.T, model.sample_rate)
    drum_notes: dict[int, int] = {}
    if settings.faithful:
        clip = Audio(clip.samples / clip.samples.max() * np.float32(ORIGINAL_PEAK), clip.sample_rate)
        loudness = audio.loudness(clip)
    else:
        clip = audio.resample(clip, settings.sample_rate or model.sample_rate)
        if settings.drums == "synth":
            clip, drum_notes = _with_drums(clip, song, parts, settings, stopped_at)
        factor, loudness = audio.loudness_factor(clip, settings.loudness)
        samples = clip.samples  # in place: at 48 kHz a long clip fills a gigabyte
        samples *= np.float32(factor)
    clip = Audio(clip.samples[:, 0] if channels == 1 else clip.samples, clip.sample_rate)

    report = RenderReport(
        song=song.name,
        remarks=song.remarks,
        model=model.name,
        tracks=_track_reports(song, parts, settings, notes, mixer.done, drum_notes),
        notes=len(song.notes) + song.unclosed,
        rendered=int(mixer.done.sum()) + sum(drum_notes.values()),
        distinct=len(np.unique(notes.sounds[mixer.done])),
        drum_notes=sum(drum_notes.values()),
        transposed=notes.transposed,
        moved=notes.moved,
        skipped=notes.skipped,
        pedalled=notes.pedalled,
        shortened=notes.shortened,
        looped=int(notes.loops.sum()),
        bent=int(notes.bent.sum()),
        seconds=clip.seconds,
        sample_rate=clip.sample_rate,
        channels=channels,
        loudness=loudness if np.isfinite(loudness) else None,
        peak=clip.peak,
        elapsed=time.monotonic() - began,
        stopped_at=stopped_at,
        recipe=Recipe(
            model.name,
            model.source,
            model.fingerprint,
            model.precision,
            song,
            tuple(parts),
            settings,
            seed,
            batch_size,
            stopped_at,
        ),
    )
    return Clip(clip.samples, clip.sample_rate, report)


def _is_stereo(song: Song, parts: Sequence[Part], settings: Settings) -> bool:
    """As it was chosen, or else whether a track that is heard stands left or right of the centre."""
    if settings.faithful or settings.stereo is not None:
        return bool(settings.stereo)
    moves = zip(curves(song, parts, settings), is_heard(parts), strict=True)
    return any(heard and curve["pan"].values.any() for curve, heard in moves)


def _with_drums(
    clip: Audio, song: Song, parts: Sequence[Part], settings: Settings, until: float | None
) -> tuple[Audio, dict[int, int]]:
    """The clip, [samples, channels], with its drum tracks added, and how many notes each of them has played."""
    drums = [i for i, heard in enumerate(is_heard(parts)) if heard and song.tracks[i].is_drum]
    samples, rate, channels = clip.samples, clip.sample_rate, clip.samples.shape[1]
    last = max((note.start for i in drums for note in song.tracks[i].notes), default=-DRUM_TAIL)
    missing = int((last + DRUM_TAIL) * rate) - len(samples)
    if until is None and missing > 0:
        samples = np.concatenate([samples, np.zeros((missing, channels), np.float32)])
    played = [_drums_heard(song.tracks[i], parts[i], settings, until) for i in drums]
    for number, start, piece in soundfont.play_all(played, rate):
        gain = np.float32(10 ** (parts[drums[number]].gain / 20))
        mix(samples.T, gain * (piece if channels == 2 else piece.mean(axis=1, keepdims=True)).T, start)
    counts = {i: len(track.notes) for i, track in zip(drums, played, strict=True)}
    return Audio(samples, rate), counts


def _drums_heard(track: Track, part: Part, settings: Settings, until: float | None) -> Track:
    """A drum track as far as it is heard, with its controllers as the settings and the part say."""
    controls = dict(track.controls) if settings.controllers else {}
    if part.pan is not None:
        controls["pan"] = ((0.0, part.pan),)
    notes = tuple(note for note in track.notes if until is None or note.start < until)
    return dataclasses.replace(track, notes=notes, controls=controls)


def _track_reports(
    song: Song,
    parts: Sequence[Part],
    settings: Settings,
    notes: Plan,
    done: np.ndarray,
    drum_notes: Mapping[int, int],
) -> tuple[TrackReport, ...]:
    rows = []
    for i, (track, part, audible) in enumerate(zip(song.tracks, parts, is_heard(parts), strict=True)):
        rendered = int(done[notes.tracks == i].sum()) + drum_notes.get(i, 0)
        if not audible:
            player = "muted"
        elif track.is_drum and not settings.faithful:
            player = "soundfont" if settings.drums == "synth" else "left out"
        else:
            names = [instrument.name for instrument, _ in part.instrument.stops]
            player = " > ".join(names[:3]) + (f" > … ({len(names)})" if len(names) > 3 else "")
        rows.append(TrackReport(i + 1, track.name, player, len(track.notes), rendered))
    return tuple(rows)


@in_one_line
def reproduce(path: str | os.PathLike, model: GANSynth | None = None, progress: Progress = True) -> Clip:
    """Make a clip again from the file that its report saved: the same samples, on the same machine and versions.

    Where notes come from a cache, they are the same but for rounding. A rendering that was stopped is stopped at the
    same place.

    Args:
      path: what `RenderReport.save` wrote.
      model: the model, if it cannot be found where it was then.
      progress: as for `render`.

    Raises:
      FileNotFoundError, ValueError: there is no such file, it is not a report, or the model is another one.
    """
    from .gansynth import load

    recipe = read_recipe(path)
    if model is None:
        if not recipe.source:
            raise ValueError(f"{path} does not say where {recipe.model} came from; load it and pass it as model=")
        # What a file says is no reason to go to the web, nor to open whatever it names.
        if not checkpoints.is_here(recipe.source):
            raise ValueError(
                f"{path} was made with {recipe.source!r}, which is not on this machine; load it and pass it as model="
            )
        model = load(recipe.source, recipe.precision)
    if (model.fingerprint, model.precision) != (recipe.fingerprint, recipe.precision):
        made_with = f"{recipe.model} {recipe.fingerprint[:8]} in {recipe.precision}"
        raise ValueError(f"{path} was made with {made_with}, not with {model}")
    size = model.sample_z(1, seed=0).shape[1]
    for part in recipe.parts:
        if part.instrument and len(part.instrument.instruments[0].z) != size:
            raise ValueError(f"{path} has latents of another size than the {size} numbers that {model.name} takes")
    audio.check_length(recipe.song)
    return _render(
        model,
        recipe.song,
        recipe.parts,
        recipe.settings,
        min(recipe.batch_size, max(MOST_AT_ONCE, model.batch_size)),
        progress,
        stop=None,
        seed=recipe.seed,
        until=recipe.stopped_at,
    )
