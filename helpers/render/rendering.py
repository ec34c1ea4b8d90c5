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

from .. import soundfont
from ..audio import Audio
from ..errors import in_one_line
from ..gansynth import hub
from ..instruments import Instrument, Timeline, check_model
from ..limits import MAX_PLAYED, check_length
from ..midi import Song
from . import original
from .batches import Progress, generate_notes
from .mixing import Mixer
from .planning import plan, resolve
from .report import Recipe, RenderReport, TrackReport, read_recipe
from .types import DEFAULTS, Parts, ResolvedPart, Settings, changed_settings, is_heard

if TYPE_CHECKING:
    from ..gansynth import GANSynth

MAX_AT_ONCE = 64  # notes, however many the file says that a clip is made from again


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Clip(Audio):
    """Audio, and the report on how it was made."""

    report: RenderReport


@in_one_line
def render(
    model: GANSynth,
    song: Song,
    parts: Parts | None = None,
    default: Instrument | Timeline | None = None,
    *,
    settings: Settings = DEFAULTS,
    seed: int = 0,
    batch_size: int | None = None,
    progress: Progress = True,
    stop: Callable[[], bool] | None = None,
    **changes: Any,
) -> Clip:
    """Play a song.

        clip = render(model, song)
        clip = render(model, song, timeline, drums="synth", release=0.5)    # any of `Settings` can be given by name

    Memory is bounded by the clip and one batch of notes, whatever the number of notes. A keyboard interrupt (the stop
    button of a notebook) ends a long rendering early and gives what there is, up to the first missing note.

    Args:
      model: what to play with.
      song: what to play.
      parts: who plays. One instrument or timeline for all tracks, or one for each: a dict from a track's number (as
        `print(song)` has it), name or program ("program 73", "Flute") to an instrument, a timeline, or a `Part`, which
        also mutes, solos, pans and sets the gain; what `instruments.assign` and `timbre.cast` return will do as it is.
      default: who plays the tracks that `parts` leaves open. By default each gets an instrument of its own, that of its
        General MIDI program where the model has it (see `instruments.assign`).
      settings: how: what becomes of drums and of notes outside the model's range, envelope, levels, sample rate, ….
      seed: of the instruments that are drawn for tracks.
      batch_size: notes generated at a time; as many as suit the model's hardware by default.
      progress: show a bar; or a function of (notes done, notes in all), called before the first batch and after each.
      stop: called after each batch; when it returns True, the rendering ends early as by an interrupt.
      **changes: settings by name, such as drums="synth"; they take precedence over `settings`. See `Settings`.

    Returns:
      The audio, float32 [samples] or [samples, 2], with a `report` that prints as a table and saves what `reproduce`
      needs.

    Raises:
      ValueError: there is nothing to play or too much (`limits`), an argument is out of range, or an instrument belongs
        to another model.
      TypeError: there is no setting of such a name.
      ImportError: drums="synth", and there is no soundfont player for this machine.

    >>> from helpers import gansynth, instruments, midi, render
    >>> model = gansynth.load("demo")
    >>> song = midi.excerpt(midi.load("data/midi/bach_prelude.mid"), 0, 4)
    >>> cello = instruments.bank(model)["Cello"]
    >>> clip = render.render(model, song, cello, progress=False)
    >>> clip
    Clip(4.30 s, 16000 Hz, mono, peak 0.68)
    >>> print(clip.report)
    song       bach_prelude
    model      demo
    audio      4.3 s, 16000 Hz, mono, -16.0 LUFS, peak 0.68
    rendered   22 of 22 notes, from 6 distinct sounds, in ... s
    1  BWV 1007 Prelude (Mutopia, public domain)  22/22  Cello
    """
    settings = changed_settings(settings, changes)
    if settings.faithful and not isinstance(parts, (Instrument, Timeline)):
        raise ValueError("faithful=True plays all tracks with one Timeline, as the original does")
    batch_size = _whole("batch_size", model.batch_size if batch_size is None else batch_size, least=1)
    seed = _whole("seed", seed, least=0)
    check_length(song)
    song = song.as_original() if settings.faithful else song
    played = resolve(model, song, parts, default, seed)
    made_with = model.name, model.source, model.fingerprint, model.precision
    recipe = Recipe(*made_with, song, played, settings, seed, batch_size, None, model.backend)
    return _render(model, recipe, progress, stop)


def _whole(name: str, value: Any, least: int) -> int:
    """An argument as a whole number, of Python's or of NumPy's."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}; it must be a whole number") from None
    if number < least:
        raise ValueError(f"{name} is {number}; it must be {least} or more")
    return number


def _render(model: GANSynth, recipe: Recipe, progress: Progress, stop: Callable[[], bool] | None = None) -> Clip:
    """`render` with everything decided; up to `recipe.stopped_at`, if that is where it was stopped before."""
    began = time.monotonic()
    mixer = mixer_of(model, recipe)
    _mix(model, mixer, recipe, progress, stop)
    stopped_at = mixer.finished(recipe.stopped_at)
    clip, loudness, drum_notes = mixer.mastered(stopped_at)
    samples = clip.samples[:, 0] if len(mixer.clip) == 1 else clip.samples
    song, notes = recipe.song, mixer.notes
    report = RenderReport(
        song=song.name,
        remarks=song.remarks,
        model=model.name,
        tracks=_track_reports(model, mixer, drum_notes),
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
        duration=clip.duration,
        sample_rate=clip.sample_rate,
        channels=len(mixer.clip),
        loudness=loudness if np.isfinite(loudness) else None,
        peak=clip.peak,
        elapsed=time.monotonic() - began,
        stopped_at=stopped_at,
        factor=mixer.factor,
        max_duration=model.max_duration,
        recipe=dataclasses.replace(recipe, stopped_at=stopped_at),
    )
    return Clip(samples, clip.sample_rate, report)


def mixer_of(model: GANSynth, recipe: Recipe) -> Mixer:
    """The empty clip, and the plan of what comes into it."""
    song, parts, settings = recipe.song, recipe.parts, recipe.settings
    if settings.faithful:
        return original.OriginalMixer(song, parts, settings, original.plan(song, parts), model.sample_rate)
    _check_cost(song, parts, settings)
    return Mixer(song, parts, settings, plan(song, parts, settings, model.max_duration), model.sample_rate)


def _check_cost(song: Song, parts: Sequence[ResolvedPart], settings: Settings) -> None:
    """See that rendering a song is no more work than `limits` says, before any of it is done."""
    heard = [track for track, is_on in zip(song.tracks, is_heard(parts), strict=True) if is_on]
    count = sum(len(track.notes) for track in heard if not track.is_drum)
    if count > MAX_PLAYED:
        raise ValueError(
            f"{song.name} has {count:,} notes to play and a clip can have {MAX_PLAYED:,}; "
            "mute some of its tracks, or take a part of it, with midi.excerpt"
        )
    if settings.drums == "synth":
        soundfont.check([track for track in heard if track.is_drum], song.name)


def _mix(model: GANSynth, mixer: Mixer, recipe: Recipe, progress: Progress, stop: Callable[[], bool] | None) -> None:
    """Generate the notes and mix them, until all are done or an end is called for."""
    try:
        fill(model, mixer, recipe, progress, stop)
    except KeyboardInterrupt:
        if not mixer.done.any():
            raise


def fill(
    model: GANSynth,
    mixer: Mixer,
    recipe: Recipe,
    progress: Progress = True,
    stop: Callable[[], bool] | None = None,
) -> None:
    """Generate the notes and mix them, up to where the rendering was stopped before, or until `stop` says so."""
    for batch in generate_notes(model, mixer.notes, recipe.batch_size, progress):
        for rows, wave in batch:
            mixer.add(rows, wave)
        for rows, _ in batch:  # only now: what an interrupt leaves half mixed is cut away
            mixer.done[rows] = True
        if stop is not None and stop():
            break
        if recipe.stopped_at is not None and mixer.done_before(recipe.stopped_at):
            break


def _track_reports(model: GANSynth, mixer: Mixer, drum_notes: Mapping[int, int]) -> tuple[TrackReport, ...]:
    programs = {row["name"]: row.get("program") for row in model.about.get("instruments", [])}
    rows = []
    for i, (track, audible) in enumerate(zip(mixer.song.tracks, is_heard(mixer.parts), strict=True)):
        rendered = int(mixer.done[mixer.notes.tracks == i].sum()) + drum_notes.get(i, 0)
        player = mixer.played_by(i) if audible else "muted"
        timeline = mixer.parts[i].timeline
        program = programs.get(timeline.instruments[0].name) if timeline else None
        rows.append(TrackReport(i + 1, track.name, player, len(track.notes), rendered, program))
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

    >>> from helpers import gansynth, midi, render
    >>> model = gansynth.load("demo")
    >>> song = midi.excerpt(midi.load("data/midi/bach_prelude.mid"), 0, 2)
    >>> clip = render.render(model, song, progress=False)
    >>> path = clip.report.save("outputs/prelude.json")
    >>> again = render.reproduce(path, model, progress=False)
    >>> bool((again.samples == clip.samples).all())
    True
    """
    recipe = read_recipe(path)
    model = model_of(recipe, model, str(path))
    for part in recipe.parts:
        for instrument in part.timeline.instruments if part.timeline else ():
            check_model(instrument, model, f" in {path}")
    check_length(recipe.song)
    batch_size = min(recipe.batch_size, max(MAX_AT_ONCE, model.batch_size))
    return _render(model, dataclasses.replace(recipe, batch_size=batch_size), progress)


def model_of(recipe: Recipe, model: GANSynth | None, made: str) -> GANSynth:
    """The model that a recipe is for.

    Args:
      recipe: what something was made by.
      model: the model, if it cannot be found where it was then.
      made: what that is, for errors.

    Raises:
      ValueError: it is not on this machine, or is another one.
    """
    from ..gansynth import load

    if model is None:
        if not recipe.source:
            raise ValueError(f"{made} does not say where {recipe.model} came from; load it and pass it as model=")
        # What a file says is no reason to go to the web, nor to open whatever it names.
        if not hub.is_here(recipe.source):
            raise ValueError(
                f"{made} was made with {recipe.source!r}, which is not on this machine; load it and pass it as model="
            )
        model = load(recipe.source, recipe.precision, backend=recipe.backend)
    this = model.fingerprint, model.precision, model.backend
    if this != (recipe.fingerprint, recipe.precision, recipe.backend):
        made_with = f"{recipe.model} {recipe.fingerprint[:8]} in {recipe.precision} by {recipe.backend}"
        raise ValueError(f"{made} was made with {made_with}, not with {model}")
    return model
