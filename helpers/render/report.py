"""The report of a rendering: a table to read, and a file from which the clip can be rendered again.

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from pydantic import FailFast, Field

from .. import __version__, jsonfile
from ..errors import one_line
from ..files import as_path, replacing
from ..gansynth.cache import TENSORFLOW
from ..instruments import InstrumentRow, Timeline
from ..limits import MAX_SECONDS, MAX_TRACKS
from ..midi import Changes, Note, Song, Track
from ..tables import counted, table
from .types import ResolvedPart, Settings, changed_settings

FILE_FORMAT = 3
LEVELLED_BY_PEAK = 2  # the previous format, without the setting `level`; format 1 gave `stopped_at` in batches
MAX_BYTES = 64 << 20  # size of such a file; a symphony of 100,000 notes takes 5 MB
MAX_BATCH = 2**31 - 1  # largest valid batch size in a file; `render.reproduce` limits it further
MAX_CHANGES = 1_000_000
MAX_TEMPO = 60e6  # quarter notes per minute
MAX_CONTROL = 10_000.0  # some damaged scores have bends of hundreds of semitones
MAX_NUMBER = 1e6
MAX_MESSAGE = 300  # characters of an error message
MAX_REMARKS = 100  # on one file; there are fewer kinds
KINDS = {  # of notes that are played differently from the file or from the model's output
    "shortened": "{} released before the written end",
    "looped": "{} longer than the model's, extended by repeating the steady part",
    "pedalled": "{} extended by the sustain pedal",
    "bent": "{} bent in pitch by the file",
}
MOVES_SHOWN = 8  # moved pitches listed in the table; the file has all


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that determines a clip.

    Attributes:
      model: name of the model.
      source: name or path that it was loaded from.
      fingerprint: hash of its weights.
      precision: numeric precision of the computation.
      song: the song that was played.
      parts: timeline and mixer settings of each track.
      settings: options of the rendering.
      seed: seed for the instruments that were drawn at random; they are included in `parts`.
      batch_size: notes generated at a time.
      stopped_at: time (s) at which the clip was cut; None if the rendering was not stopped.
      backend: framework that computed the notes.
    """

    model: str
    source: str
    fingerprint: str
    precision: str
    song: Song
    parts: tuple[ResolvedPart, ...]
    settings: Settings
    seed: int
    batch_size: int
    stopped_at: float | None
    backend: str = TENSORFLOW

    def __repr__(self) -> str:
        return f"Recipe({self.song.name!r}, played by {self.model!r} {self.fingerprint[:8]}, seed {self.seed})"


@dataclasses.dataclass(frozen=True)
class TrackReport:
    """The row of a track in the report's table.

    Attributes:
      number: number of the track, from 1, as in `print(song)`.
      name: name of the track.
      played_by: names of its instruments, or why it is silent.
      notes: number of its notes.
      rendered: number of its notes in the clip.
      program: General MIDI program of its first instrument; None if unknown.
    """

    number: int
    name: str
    played_by: str
    notes: int
    rendered: int
    program: int | None = None


@dataclasses.dataclass(frozen=True)
class RenderReport:
    """A record of a rendering. It can be printed, or saved and used to render the clip again with `render.reproduce`.

    Attributes:
      song: name of the song.
      model: name of the model.
      tracks: one row for each track.
      notes: number of notes in the song.
      rendered: number of notes in the clip, drums included.
      distinct: number of distinct sounds generated; notes with equal latent and pitch share one.
      drum_notes: number of notes played by the soundfont player.
      transposed: transposition of the whole song (semitones).
      moved: {"C7 to C6": number of notes}, for notes moved into the model's range.
      skipped: {reason: number of notes}.
      pedalled: number of notes extended by the sustain pedal.
      shortened: number of notes released before their written end.
      looped: number of notes extended by a loop.
      bent: number of notes with a pitch bend.
      duration: duration of the clip (s).
      sample_rate: Hz.
      channels: 1 or 2.
      loudness: integrated loudness (LUFS); None if silent.
      peak: 1 is full scale.
      elapsed: time taken by the rendering (s).
      stopped_at: time in the song (s) at which the rendering was stopped; None if it was not.
      remarks: problems in the song's file that were ignored or repaired.
      factor: gain that was applied to the mix to reach its loudness.
      max_duration: duration of the model's longest sound (s).
      recipe: the input of `reproduce`.
    """

    song: str
    model: str
    tracks: tuple[TrackReport, ...]
    notes: int
    rendered: int
    distinct: int
    drum_notes: int
    transposed: int
    moved: Mapping[str, int]
    skipped: Mapping[str, int]
    pedalled: int
    shortened: int
    looped: int
    bent: int
    duration: float
    sample_rate: int
    channels: int
    loudness: float | None
    peak: float
    elapsed: float
    stopped_at: float | None = None
    remarks: tuple[str, ...] = ()
    factor: float = 1.0
    max_duration: float = 4.0
    recipe: Recipe | None = dataclasses.field(default=None, repr=False)

    def __repr__(self) -> str:
        played = f"{self.rendered:,} of {counted(self.notes, 'note')}"
        return f"RenderReport({self.song!r}, {played}, {self.duration:.1f} s, {self._level()})"

    def _level(self) -> str:
        return "silent" if self.loudness is None else f"{self.loudness:.1f} LUFS, peak {self.peak:.2f}"

    def _facts(self) -> list[tuple[str, str]]:
        """The properties of the whole clip, as (label, text)."""
        channels = "mono" if self.channels == 1 else "stereo"
        sound = f"{self.duration:.1f} s, {self.sample_rate} Hz, {channels}, {self._level()}"
        made = f"{self.rendered} of {_notes(self.notes)}, from {self.distinct} distinct sounds, in {self.elapsed:.1f} s"
        rows = [("song", self.song), ("model", self.model), ("audio", sound), ("rendered", made)]
        rows += [("file", remark) for remark in self.remarks]
        if self.stopped_at is not None:
            rows.append(("stopped", f"at {self.stopped_at:.1f} s"))
        if self.drum_notes:
            rows.append(("drums", f"{_notes(self.drum_notes)} by the soundfont player"))
        if self.transposed:
            rows.append(("transposed", f"{self.transposed:+d} semitones, the whole song"))
        if self.moved:
            shown = [f"{move} ×{count}" for move, count in list(self.moved.items())[:MOVES_SHOWN]]
            more = f" and {len(self.moved) - MOVES_SHOWN} other pitches" if len(self.moved) > MOVES_SHOWN else ""
            rows.append(("folded", f"{_notes(sum(self.moved.values()))}: {', '.join(shown)}{more}"))
        rows += [("skipped", f"{_notes(count)}: {why}") for why, count in self.skipped.items()]
        return rows + [
            (kind, what.format(_notes(count))) for kind, what in KINDS.items() if (count := getattr(self, kind))
        ]

    def __str__(self) -> str:
        tracks = [(str(t.number), t.name, f"{t.rendered}/{t.notes}", t.played_by) for t in self.tracks]
        widths = [max(len(row[i]) for row in tracks) for i in range(3)]
        lines = [f"{label:<11}{text}" for label, text in self._facts()]
        for number, name, share, player in tracks:
            lines.append(f"{number:>{widths[0]}}  {name:<{widths[1]}}  {share:>{widths[2]}}  {player}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        tracks = [(t.number, t.name, f"{t.rendered} of {t.notes}", t.played_by) for t in self.tracks]
        return table(self._facts()) + table(tracks, ("", "track", "notes", "played by"))

    def to_json(self, about: Mapping[str, Any] = MappingProxyType({})) -> str:
        """The report as JSON, with everything needed to render the clip again.

        Args:
          about: further values to include at the beginning, which `render.reproduce` ignores.
        """
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        recipe = fields.pop("recipe")
        fields["tracks"] = [dataclasses.asdict(track) for track in self.tracks]
        made_by = f"gansynth-suite {__version__}"
        rows = {"format": FILE_FORMAT, "made_by": made_by, **about, "report": fields, **_rows(recipe)}
        # One line for each top-level value: readable, without a line for each of thousands of notes.
        lines = (
            f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, default=_plain)}" for key, value in rows.items()
        )
        text = ",\n".join(lines)
        # A file name that is not valid UTF-8 has lone surrogates, which can only be written as escapes such as \udc80.
        return f"{{\n{text}\n}}\n".encode("utf-8", "backslashreplace").decode("utf-8")

    def save(self, path: str | os.PathLike, about: Mapping[str, Any] = MappingProxyType({})) -> Path:
        """Write `to_json` to a file, atomically, for `render.reproduce`."""
        path = as_path(path)
        with replacing(path) as partial:
            partial.write_text(self.to_json(about), "utf-8")
        return path


def _notes(count: int) -> str:
    return f"{count} note" if count == 1 else f"{count} notes"


def _plain(value: Any) -> Any:
    """Convert NumPy values, which a song built by hand may contain, to Python numbers."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"a report cannot contain a {type(value).__name__}")


def _rows(recipe: Recipe) -> dict[str, Any]:
    """A recipe as values for JSON. A timeline used by several tracks is stored once."""
    timelines = list({id(part.timeline): part.timeline for part in recipe.parts if part.timeline}.values())
    return {
        "model": {
            "name": recipe.model,
            "source": recipe.source,
            "fingerprint": recipe.fingerprint,
            "precision": recipe.precision,
            "backend": recipe.backend,
        },
        "settings": dataclasses.asdict(recipe.settings),
        "seed": recipe.seed,
        "batch_size": recipe.batch_size,
        "stopped_at": recipe.stopped_at,
        "parts": [
            {
                **{name: getattr(part, name) for name in ("mute", "solo", "gain", "pan")},
                "timeline": timelines.index(part.timeline) if part.timeline else None,
            }
            for part in recipe.parts
        ],
        "timelines": [
            {
                "at": timeline.at.tolist(),
                "held": timeline.held,
                "instruments": [
                    {**dataclasses.asdict(instrument), "z": instrument.z.tolist()}
                    for instrument in timeline.instruments
                ],
            }
            for timeline in timelines
        ],
        "song": {
            **{name: getattr(recipe.song, name) for name in ("name", "tempos", "meters", "unclosed", "remarks")},
            "tracks": [
                {
                    **{name: getattr(track, name) for name in ("name", "program", "is_drum")},
                    "controls": dict(track.controls),
                    "notes": [dataclasses.astuple(note) for note in track.notes],
                }
                for track in recipe.song.tracks
            ],
        },
    }


def read_recipe(path: str | os.PathLike) -> Recipe:
    """Read a recipe from a file written by `RenderReport.save`.

    All values are checked, because such files are shared and may be damaged or hostile.

    Raises:
      FileNotFoundError: the file does not exist.
      ValueError: it is not a report, or is damaged.
    """
    path = as_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no report at {path}: there is no such file")
    try:
        return _recipe(jsonfile.checked(jsonfile.parse(jsonfile.read_text(path, MAX_BYTES)), _File))
    except ValueError as error:
        raise ValueError(f"{path} is not the report of a rendering: {str(error)[:MAX_MESSAGE]}") from None


# The schema of the file that `_rows` writes. Long lists fail at the first invalid value, because a hostile file could
# otherwise fill the memory with error messages.
_Second = Annotated[jsonfile.Number, Field(ge=0, le=MAX_SECONDS)]
_Time = Annotated[jsonfile.Number, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
_Tempo = Annotated[jsonfile.Number, Field(ge=0, le=MAX_TEMPO)]
_Control = Annotated[jsonfile.Number, Field(ge=-MAX_CONTROL, le=MAX_CONTROL)]
_Pitch = Annotated[jsonfile.Whole, Field(ge=0, le=127)]
_Velocity = Annotated[jsonfile.Whole, Field(ge=1, le=127)]


class _Model(jsonfile.Row):
    name: jsonfile.Text
    source: jsonfile.Text
    fingerprint: jsonfile.Text
    precision: jsonfile.Text
    backend: jsonfile.Text = TENSORFLOW  # missing in files of earlier versions


class _Part(jsonfile.Row):
    timeline: Annotated[jsonfile.Whole, Field(ge=0)] | None
    mute: jsonfile.Flag
    solo: jsonfile.Flag
    gain: Annotated[jsonfile.Number, Field(ge=-100, le=40)]
    pan: Annotated[jsonfile.Number, Field(ge=-1, le=1)] | None


class _Timeline(jsonfile.Row):
    instruments: Annotated[list[InstrumentRow], Field(max_length=MAX_CHANGES), FailFast()]
    at: Annotated[list[_Time], Field(max_length=MAX_CHANGES), FailFast()]
    held: jsonfile.Flag = False


class _Track(jsonfile.Row):
    name: jsonfile.Text
    program: Annotated[jsonfile.Whole, Field(ge=0, le=127)]
    is_drum: jsonfile.Flag
    notes: Annotated[list[tuple[_Pitch, _Velocity, _Second, _Second]], FailFast()]
    controls: dict[jsonfile.Text, Annotated[list[tuple[_Time, _Control]], FailFast()]]


class _Song(jsonfile.Row):
    name: jsonfile.Text
    tracks: Annotated[list[_Track], Field(max_length=MAX_TRACKS), FailFast()]
    tempos: Annotated[list[tuple[_Time, _Tempo]], FailFast()]
    meters: Annotated[
        list[tuple[_Time, Annotated[jsonfile.Whole, Field(ge=0, le=255)], Annotated[jsonfile.Whole, Field(ge=0)]]],
        Field(max_length=MAX_CHANGES),
        FailFast(),
    ]
    unclosed: Annotated[jsonfile.Whole, Field(ge=0, le=MAX_CHANGES)]
    remarks: Annotated[list[jsonfile.Text], Field(max_length=MAX_REMARKS)] = Field(default_factory=list)


class _File(jsonfile.Row):
    format: Annotated[jsonfile.Whole, Field(ge=LEVELLED_BY_PEAK, le=FILE_FORMAT)]
    model: _Model
    settings: dict[str, Any]
    seed: Annotated[jsonfile.Whole, Field(ge=0, le=2**32 - 1)]
    batch_size: Annotated[jsonfile.Whole, Field(ge=1, le=MAX_BATCH)]
    stopped_at: _Second | None = None
    parts: Annotated[list[_Part], Field(max_length=MAX_TRACKS), FailFast()]
    timelines: Annotated[list[_Timeline], Field(max_length=MAX_TRACKS), FailFast()]
    song: _Song


def _recipe(file: _File) -> Recipe:
    """The recipe in a file, after checking that its values are consistent."""
    song, timelines = _song(file.song), [_timeline(row) for row in file.timelines]
    settings = _settings(file.settings, {"level": "peak"} if file.format == LEVELLED_BY_PEAK else {})
    if len(file.parts) != len(song.tracks):
        raise ValueError(f"it has {len(file.parts)} parts for {len(song.tracks)} tracks")
    parts = tuple(_part(row, timelines) for row in file.parts)
    for part, track in zip(parts, song.tracks, strict=True):
        if part.timeline is None and settings.plays(track):
            raise ValueError(f"track {jsonfile.shortened(track.name)} has no timeline")
    made_with = file.model.name, file.model.source, file.model.fingerprint, file.model.precision
    return Recipe(*made_with, song, parts, settings, file.seed, file.batch_size, file.stopped_at, file.model.backend)


def _settings(row: dict[str, Any], missing: dict[str, Any]) -> Settings:
    """The settings in a file. `missing` has values for the settings that its format lacks."""
    try:
        return changed_settings(Settings(), {**missing, **row})
    except TypeError as error:
        raise ValueError(one_line(error)) from None


def _timeline(row: _Timeline) -> Timeline:
    return Timeline([instrument.instrument() for instrument in row.instruments], row.at, row.held)


def _part(row: _Part, timelines: Sequence[Timeline]) -> ResolvedPart:
    if row.timeline is not None and row.timeline >= len(timelines):
        raise ValueError(f"a part refers to timeline {row.timeline}, but there are only {len(timelines)}")
    timeline = None if row.timeline is None else timelines[row.timeline]
    return ResolvedPart(timeline, row.mute, row.solo, row.gain, row.pan)


def _song(row: _Song) -> Song:
    tracks = tuple(_track(track) for track in row.tracks)
    return Song(row.name, tracks, _in_order(row.tempos, "tempos"), tuple(row.meters), row.unclosed, tuple(row.remarks))


def _track(row: _Track) -> Track:
    for *_, start, end in row.notes:
        if end < start:
            raise ValueError(f"a note begins at {start:g} s but ends at {end:g} s")
    controls = {kind: _in_order(changes, jsonfile.shortened(kind)) for kind, changes in row.controls.items()}
    return Track(row.name, row.program, row.is_drum, tuple(Note(*note) for note in row.notes), controls)


def _in_order(changes: list[tuple[float, float]], what: str) -> Changes:
    """Check that changes, (time (s), value), are in order of time."""
    seconds = [second for second, _ in changes]
    if seconds != sorted(seconds) or min(seconds, default=0.0) < 0:
        raise ValueError(f"the changes of {what} are not in order of time")
    return tuple(changes)
