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
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import audio, soundfont
from ..audio import Audio
from ..errors import in_one_line
from ..gansynth import hub
from ..instruments import Instrument, Timeline
from ..limits import MOST_PLAYED, check_length
from ..midi import Song
from . import original
from .generating import Progress, generate_notes
from .mixing import Mixer, is_stereo, with_drums
from .planning import plan, resolve
from .report import Recipe, RenderReport, TrackReport, read_recipe
from .types import DEFAULTS, Part, Plan, Settings, is_heard

if TYPE_CHECKING:
    from ..gansynth import GANSynth

MOST_AT_ONCE = 64  # notes, however many the file says that a clip is made from again


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Clip(Audio):
    """Audio, and the report on how it was made."""

    report: RenderReport


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
    batch_size, seed = _whole("batch_size", batch_size, least=1), _whole("seed", seed, least=0)
    check_length(song)
    song = song.as_original() if faithful else song
    return _render(model, song, resolve(model, song, parts, default, seed), settings, batch_size, progress, stop, seed)


def _whole(name: str, value: Any, least: int) -> int:
    """An argument as a whole number, of Python's or of NumPy's."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}; it must be a whole number") from None
    if number < least:
        raise ValueError(f"{name} is {number}; it must be {least} or more")
    return number


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
    channels = 2 if is_stereo(song, parts, settings) else 1
    make = original.OriginalMixer if settings.faithful else Mixer
    mixer = make(song, parts, settings, notes, model.sample_rate, channels)
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
        clip, loudness = original.levelled(clip)
    else:
        clip = audio.resample(clip, settings.sample_rate or model.sample_rate)
        if settings.drums == "synth":
            clip, drum_notes = with_drums(clip, song, parts, settings, stopped_at)
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
    from ..gansynth import load

    recipe = read_recipe(path)
    if model is None:
        if not recipe.source:
            raise ValueError(f"{path} does not say where {recipe.model} came from; load it and pass it as model=")
        # What a file says is no reason to go to the web, nor to open whatever it names.
        if not hub.is_here(recipe.source):
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
    check_length(recipe.song)
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
