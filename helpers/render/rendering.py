"""Render a song to audio: plan the notes, generate them with a model, and mix them.

    clip = render(model, song, timeline)                               # one timeline for all tracks
    clip = render(model, song, {"Flute": a, "Strings": timeline})      # by track, the others assigned from a seed
    print(clip.report)

`faithful=True` reproduces the original program's output: the same notes, envelopes, levels and mix, up to rounding. The
default fixes its shortcomings instead (SPEC section 8.1): tracks have instruments of their own, drums are not played as
pitches, and notes are folded into the model's range, held for their full length, and free of clicks.

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
from .types import DEFAULTS, Parts, Plan, ResolvedPart, Settings, changed_settings, is_heard

if TYPE_CHECKING:
    from ..gansynth import GANSynth

MAX_AT_ONCE = 64  # notes; limits the batch size given in a file that `reproduce` reads


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Clip(Audio):
    """Rendered audio with a report on how it was made.

    Attributes:
      report: how the clip was made.
    """

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
    """Render a song.

        clip = render(model, song)
        clip = render(model, song, timeline, drums="synth", release=0.5)    # any of `Settings` as a keyword

    Memory use is bounded by the clip and one batch of notes, however many notes there are. A keyboard interrupt (the
    stop button of a notebook) ends a rendering early and returns the clip up to the first missing note.

    Args:
      model: the model to generate with.
      song: the song to play.
      parts: one instrument or timeline for all tracks, or a dict for individual tracks. Its keys are track numbers (as
        shown by `print(song)`), names or programs ("program 73", "Flute"); its values are instruments, timelines, or
        `Part`s, which also mute, solo, pan and set the gain. The results of `instruments.assign` and `timbre.cast` can
        be passed directly.
      default: the instrument or timeline of tracks not in `parts`. By default each track gets an instrument of its own,
        that of its General MIDI program if the model has it (see `instruments.assign`).
      settings: treatment of drums and of notes outside the model's range, envelope, levels, sample rate and more.
      seed: seed for the instruments that are drawn at random.
      batch_size: notes generated at a time; by default a number that suits the model's hardware.
      progress: show a progress bar; or a function of (notes done, total notes), called before the first batch and after
        each.
      stop: called after each batch; if it returns True, the rendering ends early, as after an interrupt.
      **changes: individual settings, such as drums="synth"; they take precedence over `settings`. See `Settings`.

    Returns:
      The audio, float32 [samples] or [samples, 2], with a `report` that prints as a table and can be saved for
      `reproduce`.

    Raises:
      ValueError: there is nothing to play or too much (`limits`), an argument is out of range, or an instrument belongs
        to another model.
      TypeError: there is no setting of that name.
      ImportError: drums="synth", and no soundfont player is available for this machine.

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
    """Check that an argument is a Python or NumPy integer of at least `least`, and return it as an int."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}; it must be a whole number") from None
    if number < least:
        raise ValueError(f"{name} is {number}; it must be {least} or more")
    return number


def _render(model: GANSynth, recipe: Recipe, progress: Progress, stop: Callable[[], bool] | None = None) -> Clip:
    """Render a recipe, up to `recipe.stopped_at` if the rendering that it describes was stopped."""
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


def plan_of(recipe: Recipe, max_duration: float) -> Plan:
    """The notes of a clip, each with its sound; `max_duration` is the model's (s)."""
    if recipe.settings.faithful:
        return original.plan(recipe.song, recipe.parts)
    return plan(recipe.song, recipe.parts, recipe.settings, max_duration)


def mixer_of(model: GANSynth, recipe: Recipe) -> Mixer:
    """The mixer of a clip, still empty, with the plan of its notes."""
    song, parts, settings = recipe.song, recipe.parts, recipe.settings
    if not settings.faithful:
        _check_cost(song, parts, settings)
    kind = original.OriginalMixer if settings.faithful else Mixer
    return kind(song, parts, settings, plan_of(recipe, model.max_duration), model.sample_rate)


def _check_cost(song: Song, parts: Sequence[ResolvedPart], settings: Settings) -> None:
    """Check, before rendering, that a song does not exceed `limits`."""
    heard = [track for track, is_on in zip(song.tracks, is_heard(parts), strict=True) if is_on]
    count = sum(len(track.notes) for track in heard if not track.is_drum)
    if count > MAX_PLAYED:
        raise ValueError(
            f"{song.name} has {count:,} notes to play, but a clip can have only {MAX_PLAYED:,}; "
            "mute some of its tracks, or take an excerpt with midi.excerpt"
        )
    if settings.drums == "synth":
        soundfont.check([track for track in heard if track.is_drum], song.name)


def _mix(model: GANSynth, mixer: Mixer, recipe: Recipe, progress: Progress, stop: Callable[[], bool] | None) -> None:
    """Generate and mix the notes. A keyboard interrupt ends this early if there are any notes in the mix yet."""
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
    """Generate and mix the notes, until `stop` returns True or, for a stopped rendering, up to `recipe.stopped_at`."""
    for batch in generate_notes(model, mixer.notes, recipe.batch_size, progress):
        for rows, wave in batch:
            mixer.add(rows, wave)
        for rows, _ in batch:  # only once all are mixed, so that `finished` cuts away an interrupted batch
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
    """Render a clip again from its saved report. On the same machine and versions, the samples are identical.

    Notes that come from a cache are the same up to rounding. A rendering that was stopped is stopped at the same time.

    Args:
      path: a file written by `RenderReport.save`.
      model: the model, if it is no longer where it was loaded from.
      progress: as for `render`.

    Raises:
      FileNotFoundError, ValueError: there is no such file, it is not a report, or the model is a different one.

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
    """Load the model of a recipe, or check that a given model is the same.

    Args:
      recipe: the recipe.
      model: the model; None loads it from where it was loaded then.
      made: name of the clip or file of the recipe, for error messages.

    Raises:
      ValueError: the model is not on this machine, or is a different one.
    """
    from ..gansynth import load

    if model is None:
        if not recipe.source:
            raise ValueError(f"{made} does not say where {recipe.model} came from; load it and pass it as model=")
        # The file is not trusted: it must not cause a download, or access to another machine.
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
