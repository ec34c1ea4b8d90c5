"""What became of the notes of a song: a table to read, and a file from which the clip can be made again.

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
LEVELLED_BY_PEAK = 2  # the format before, when there was no choice; 1 counted the batches of a stopped rendering
MAX_BYTES = 64 << 20  # of such a file; a symphony of 100,000 notes has 5 MB
MAX_BATCH = 2**31 - 1  # that a person may have asked for; `render.reproduce` takes fewer
MAX_CHANGES = 1_000_000
MAX_TEMPO = 60e6  # quarter notes a minute
MAX_CONTROL = 10_000.0  # damaged scores ask for bends of hundreds of semitones
MAX_NUMBER = 1e6
MAX_MESSAGE = 300  # characters of what is wrong
MAX_REMARKS = 100  # on one file; there are fewer kinds
KINDS = {  # of notes that are played otherwise than written or otherwise than the model makes them
    "shortened": "{} let go before the end that the file gives",
    "looped": "{} held longer than the model's own, by repeating the steady part",
    "pedalled": "{} held longer by the sustain pedal",
    "bent": "{} bent in pitch by the file",
}
MOVES_SHOWN = 8  # pitches listed one by one in the table; the file has all


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that a clip depends on.

    Attributes:
      model: name of the model.
      source: where it was loaded from.
      fingerprint: hash of its weights.
      precision: of its computation.
      song: what was played.
      parts: who played, one for each track.
      settings: how.
      seed: of the instruments that were drawn; they are in `parts`.
      batch_size: notes generated at a time.
      stopped_at: s; where the clip was cut, if the rendering was stopped.
      backend: what computed the notes.
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
    """One row of the table.

    Attributes:
      number: as in the song's description, from 1.
      name: of the track.
      played_by: names of its instruments, or why it is silent.
      notes: how many it has.
      rendered: how many of them are in the clip.
      program: General MIDI program of its first instrument, if the model knows one.
    """

    number: int
    name: str
    played_by: str
    notes: int
    rendered: int
    program: int | None = None


@dataclasses.dataclass(frozen=True)
class RenderReport:
    """What `render` did with a song. `print` it, or `save` it and make the clip again with `render.reproduce`.

    Attributes:
      song: its name.
      model: its name.
      tracks: one row each.
      notes: how many the song has.
      rendered: how many of them are in the clip, drums included; fewer than planned where the rendering was stopped.
      distinct: sounds that were generated: equal latents at equal pitches are one.
      drum_notes: how many the soundfont player played.
      transposed: semitones, of the whole song.
      moved: "C7 to C6" -> how many notes.
      skipped: why -> how many notes.
      pedalled: how many notes the sustain pedal made longer.
      shortened: how many notes are let go before they end.
      looped: how many notes are held longer than the model's own.
      bent: how many notes the pitch wheel moves.
      duration: s.
      sample_rate: Hz.
      channels: 1 or 2.
      loudness: LUFS; None for silence.
      peak: 1 is full scale.
      elapsed: s that the rendering took.
      stopped_at: s of the song, if it was stopped.
      remarks: what was passed over or repaired in the song's file.
      factor: what the mix was multiplied by in the end, to have its loudness.
      max_duration: s of the model's longest sound.
      recipe: what `reproduce` needs.
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
        """What holds for the whole clip: (label, text) in lines."""
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
        """The report, and everything needed to make the clip again.

        Args:
          about: further values for the beginning of the file, a line each, which `render.reproduce` passes over.
        """
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        recipe = fields.pop("recipe")
        fields["tracks"] = [dataclasses.asdict(track) for track in self.tracks]
        made_by = f"gansynth-suite {__version__}"
        rows = {"format": FILE_FORMAT, "made_by": made_by, **about, "report": fields, **_rows(recipe)}
        # A line for each part: readable at the top, and not a line for each of thousands of notes.
        lines = (
            f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, default=_plain)}" for key, value in rows.items()
        )
        text = ",\n".join(lines)
        # A file name that is not UTF-8 has surrogates, which a file cannot hold; as \udc80 they are JSON.
        return f"{{\n{text}\n}}\n".encode("utf-8", "backslashreplace").decode("utf-8")

    def save(self, path: str | os.PathLike, about: Mapping[str, Any] = MappingProxyType({})) -> Path:
        """Write `to_json` to a file, whole or not at all; `render.reproduce` reads it."""
        path = as_path(path)
        with replacing(path) as partial:
            partial.write_text(self.to_json(about), "utf-8")
        return path


def _notes(count: int) -> str:
    return f"{count} note" if count == 1 else f"{count} notes"


def _plain(value: Any) -> Any:
    """NumPy's numbers, of a song that was put together by hand, as Python's."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no value for a report")


def _rows(recipe: Recipe) -> dict[str, Any]:
    """A recipe as values for JSON. Timelines stand once each, however many tracks they play."""
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
    """Read what a report's `save` wrote.

    Every value is checked: such a file is passed on, and need not be what it says it is.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is not a report, or a damaged one.
    """
    path = as_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no report at {path}: there is no such file")
    try:
        return _recipe(jsonfile.checked(jsonfile.parse(jsonfile.read_text(path, MAX_BYTES)), _File))
    except ValueError as error:
        raise ValueError(f"{path} is not the report of a rendering: {str(error)[:MAX_MESSAGE]}") from None


# The file, as `_rows` writes it. Long lists fail at the first wrong value, or a hostile file would fill the memory with
# what is wrong with the others.
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
    backend: jsonfile.Text = TENSORFLOW  # files of earlier versions do not say


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
    """What a file says, where its parts go together."""
    song, timelines = _song(file.song), [_timeline(row) for row in file.timelines]
    settings = _settings(file.settings, {"level": "peak"} if file.format == LEVELLED_BY_PEAK else {})
    if len(file.parts) != len(song.tracks):
        raise ValueError(f"it has {len(file.parts)} parts for {len(song.tracks)} tracks")
    parts = tuple(_part(row, timelines) for row in file.parts)
    for part, track in zip(parts, song.tracks, strict=True):
        if part.timeline is None and (settings.faithful or not track.is_drum):
            raise ValueError(f"nobody plays track {jsonfile.shortened(track.name)}")
    made_with = file.model.name, file.model.source, file.model.fingerprint, file.model.precision
    return Recipe(*made_with, song, parts, settings, file.seed, file.batch_size, file.stopped_at, file.model.backend)


def _settings(row: dict[str, Any], unsaid: dict[str, Any]) -> Settings:
    """Settings of a file. `unsaid` are those that files of its format do not have."""
    try:
        return changed_settings(Settings(), {**unsaid, **row})
    except TypeError as error:
        raise ValueError(one_line(error)) from None


def _timeline(row: _Timeline) -> Timeline:
    return Timeline([instrument.instrument() for instrument in row.instruments], row.at, row.held)


def _part(row: _Part, timelines: Sequence[Timeline]) -> ResolvedPart:
    if row.timeline is not None and row.timeline >= len(timelines):
        raise ValueError(f"a part names timeline {row.timeline} of {len(timelines)}")
    timeline = None if row.timeline is None else timelines[row.timeline]
    return ResolvedPart(timeline, row.mute, row.solo, row.gain, row.pan)


def _song(row: _Song) -> Song:
    tracks = tuple(_track(track) for track in row.tracks)
    return Song(row.name, tracks, _in_order(row.tempos, "tempos"), tuple(row.meters), row.unclosed, tuple(row.remarks))


def _track(row: _Track) -> Track:
    for *_, start, end in row.notes:
        if end < start:
            raise ValueError(f"a note ends at {end:g} s and begins at {start:g}")
    controls = {kind: _in_order(changes, jsonfile.shortened(kind)) for kind, changes in row.controls.items()}
    return Track(row.name, row.program, row.is_drum, tuple(Note(*note) for note in row.notes), controls)


def _in_order(changes: list[tuple[float, float]], what: str) -> Changes:
    """Values over time: (second, value) each."""
    seconds = [second for second, _ in changes]
    if seconds != sorted(seconds) or min(seconds, default=0.0) < 0:
        raise ValueError(f"the changes of {what} are not in the order of time")
    return tuple(changes)
