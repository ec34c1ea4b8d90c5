"""What became of the notes of a song: a table to read, and a file from which the clip can be made again.

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, jsonfile
from ..files import as_path, replacing
from ..instruments import Timeline, read_instrument
from ..limits import MAX_SECONDS, MAX_TRACKS
from ..midi import Changes, Note, Song, Track
from ..tables import counted, table
from .types import ResolvedPart, Settings

FILE_FORMAT = 3
LEVELLED_BY_PEAK = 2  # the format before, when there was no choice; 1 counted the batches of a stopped rendering
MAX_BYTES = 64 << 20  # of such a file; a symphony of 100,000 notes has 5 MB
MAX_BATCH = 2**31 - 1  # that a person may have asked for; `render.reproduce` takes fewer
MAX_CHANGES = 1_000_000
MAX_CONTROL = 10_000.0  # damaged scores ask for bends of hundreds of semitones
MAX_NUMBER = 1e6
MAX_MESSAGE = 300  # characters of what is wrong
MOST_REMARKS = 100  # on one file; there are fewer kinds
KINDS = {  # of notes that are played otherwise than written or otherwise than the model makes them
    "shortened": "{} let go before the end that the file gives",
    "looped": "{} held longer than the model's own, by repeating the steady part",
    "pedalled": "{} held longer by the sustain pedal",
    "bent": "{} bent in pitch by the file",
}
MOVES_SHOWN = 8  # pitches listed one by one in the table; the file has all


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that a clip depends on."""

    model: str  # its name,
    source: str  # where it was loaded from,
    fingerprint: str  # the hash of its weights,
    precision: str  # and what it computed with
    song: Song
    parts: tuple[ResolvedPart, ...]  # one for each track
    settings: Settings
    seed: int  # of the instruments that were drawn; they are in `parts`
    batch_size: int
    stopped_at: float | None  # s; where the clip was cut, if the rendering was stopped

    def __repr__(self) -> str:
        return f"Recipe({self.song.name!r}, played by {self.model!r} {self.fingerprint[:8]}, seed {self.seed})"


@dataclasses.dataclass(frozen=True)
class TrackReport:
    """One row of the table."""

    number: int  # as in the song's description, from 1
    name: str
    played_by: str  # names of its instruments, or why it is silent
    notes: int
    rendered: int


@dataclasses.dataclass(frozen=True)
class RenderReport:
    """What `render` did with a song. `print` it, or `save` it and make the clip again with `render.reproduce`."""

    song: str
    model: str
    tracks: tuple[TrackReport, ...]
    notes: int  # in the song
    rendered: int  # of them, drums included; fewer than planned where the rendering was stopped
    distinct: int  # sounds that were generated: equal latents at equal pitches are one
    drum_notes: int  # played by the soundfont player
    transposed: int  # semitones, of the whole song
    moved: Mapping[str, int]  # "C7 to C6" -> how many notes
    skipped: Mapping[str, int]  # why -> how many notes
    pedalled: int  # notes that the sustain pedal made longer
    shortened: int  # notes let go before they end
    looped: int  # notes held longer than the model's own
    bent: int
    seconds: float
    sample_rate: int
    channels: int
    loudness: float | None  # LUFS; None for silence
    peak: float
    elapsed: float  # s that the rendering took
    stopped_at: float | None = None  # s of the song, if it was stopped
    remarks: tuple[str, ...] = ()  # what was passed over or mended in the song's file
    recipe: Recipe | None = dataclasses.field(default=None, repr=False)

    def __repr__(self) -> str:
        played = f"{self.rendered:,} of {counted(self.notes, 'note')}"
        return f"RenderReport({self.song!r}, {played}, {self.seconds:.1f} s, {self._level()})"

    def _level(self) -> str:
        return "silent" if self.loudness is None else f"{self.loudness:.1f} LUFS, peak {self.peak:.2f}"

    def _facts(self) -> list[tuple[str, str]]:
        """What holds for the whole clip: (label, text) in lines."""
        channels = "mono" if self.channels == 1 else "stereo"
        sound = f"{self.seconds:.1f} s, {self.sample_rate} Hz, {channels}, {self._level()}"
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

    def to_json(self) -> str:
        """The report, and everything needed to make the clip again."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        recipe = fields.pop("recipe")
        fields["tracks"] = [dataclasses.asdict(track) for track in self.tracks]
        rows = {"format": FILE_FORMAT, "made_by": f"gansynth-suite {__version__}", "report": fields, **_rows(recipe)}
        # A line for each part: readable at the top, and not a line for each of thousands of notes.
        lines = (
            f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, default=_plain)}" for key, value in rows.items()
        )
        text = ",\n".join(lines)
        # A file name that is not UTF-8 has surrogates, which a file cannot hold; as \udc80 they are JSON.
        return f"{{\n{text}\n}}\n".encode("utf-8", "backslashreplace").decode("utf-8")

    def save(self, path: str | os.PathLike) -> Path:
        """Write `to_json` to a file, whole or not at all; `render.reproduce` reads it."""
        path = as_path(path)
        with replacing(path) as partial:
            partial.write_text(self.to_json(), "utf-8")
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
        rows = jsonfile.fields(jsonfile.parse(jsonfile.read_text(path, MAX_BYTES)), "the file", ("format",))
        if rows["format"] not in (LEVELLED_BY_PEAK, FILE_FORMAT):
            found = jsonfile.shortened(rows["format"])
            raise ValueError(f"its format is {found}, and {FILE_FORMAT} is what can be read")
        return _recipe(rows, {"level": "peak"} if rows["format"] == LEVELLED_BY_PEAK else {})
    except ValueError as error:
        raise ValueError(f"{path} is not the report of a rendering: {str(error)[:MAX_MESSAGE]}") from None


def _recipe(rows: dict[str, Any], unsaid: dict[str, Any]) -> Recipe:
    """A recipe from values of a file, each checked. `unsaid` are settings that files of its format do not have."""
    jsonfile.fields(rows, "the file", ("model", "settings", "seed", "batch_size", "parts", "timelines", "song"))
    model = jsonfile.fields(rows["model"], "model", ("name", "source", "fingerprint", "precision"))
    song, settings = _song(rows["song"]), _settings({**unsaid, **jsonfile.fields(rows["settings"], "settings")})
    timelines = [_timeline(row) for row in jsonfile.items(rows["timelines"], "timelines", MAX_TRACKS)]
    if len({len(instrument.z) for timeline in timelines for instrument in timeline.instruments}) > 1:
        raise ValueError("its latents are of several lengths")
    parts = tuple(_part(row, timelines) for row in jsonfile.items(rows["parts"], "parts", MAX_TRACKS))
    if len(parts) != len(song.tracks):
        raise ValueError(f"it has {len(parts)} parts for {len(song.tracks)} tracks")
    for part, track in zip(parts, song.tracks, strict=True):
        if part.timeline is None and (settings.faithful or not track.is_drum):
            raise ValueError(f"nobody plays track {jsonfile.shortened(track.name)}")
    stopped_at = rows.get("stopped_at")
    return Recipe(
        **{key: jsonfile.text(model[key], key) for key in ("source", "fingerprint", "precision")},
        model=jsonfile.text(model["name"], "the model's name"),
        song=song,
        parts=parts,
        settings=settings,
        seed=jsonfile.whole(rows["seed"], "seed", 0, 2**32 - 1),
        batch_size=jsonfile.whole(rows["batch_size"], "batch_size", 1, MAX_BATCH),
        stopped_at=None if stopped_at is None else jsonfile.number(stopped_at, "stopped_at", 0, MAX_SECONDS),
    )


def _settings(row: dict[str, Any]) -> Settings:
    """Settings of a file: each of the type that the field has."""
    kinds = {field.name: field.type for field in dataclasses.fields(Settings)}
    for name, value in row.items():
        if name not in kinds:
            raise ValueError(f"{jsonfile.shortened(name)} is no setting")
        kind, _, none = kinds[name].partition(" | ")
        if not (none and value is None):
            check = {"str": jsonfile.text, "bool": jsonfile.flag}.get(kind)
            if check is not None:
                check(value, name)
            else:
                jsonfile.number(value, name, -MAX_NUMBER, MAX_NUMBER)
    return Settings(**row)


def _timeline(row: Any) -> Timeline:
    row = jsonfile.fields(row, "a timeline", ("instruments", "at"))
    players = [
        read_instrument(instrument, "an instrument")
        for instrument in jsonfile.items(row["instruments"], "the instruments of a timeline", MAX_CHANGES)
    ]
    at = jsonfile.items(row["at"], "the times of a timeline", MAX_CHANGES, len(players))
    seconds = [jsonfile.number(second, "a time", -MAX_NUMBER, MAX_NUMBER) for second in at]
    return Timeline(players, seconds, jsonfile.flag(row.get("held", False), "held"))


def _part(row: Any, timelines: Sequence[Timeline]) -> ResolvedPart:
    row = jsonfile.fields(row, "a part", ("timeline", "mute", "solo", "gain", "pan"))
    timeline, pan = row["timeline"], row["pan"]
    return ResolvedPart(
        None if timeline is None else timelines[jsonfile.whole(timeline, "timeline", 0, len(timelines) - 1)],
        jsonfile.flag(row["mute"], "mute"),
        jsonfile.flag(row["solo"], "solo"),
        jsonfile.number(row["gain"], "gain", -100, 40),
        None if pan is None else jsonfile.number(pan, "pan", -1, 1),
    )


def _song(row: Any) -> Song:
    row = jsonfile.fields(row, "song", ("name", "tempos", "meters", "unclosed", "tracks"))
    return Song(
        jsonfile.text(row["name"], "the song's name"),
        tuple(_track(track) for track in jsonfile.items(row["tracks"], "tracks", MAX_TRACKS)),
        _changes(row["tempos"], "tempos", 60e6),
        tuple(_meter(meter) for meter in jsonfile.items(row["meters"], "meters", MAX_CHANGES)),
        jsonfile.whole(row["unclosed"], "unclosed", 0, MAX_CHANGES),
        tuple(
            jsonfile.text(remark, "a remark on the file")
            for remark in jsonfile.items(row.get("remarks", []), "remarks on the file", MOST_REMARKS)
        ),
    )


def _meter(row: Any) -> tuple[float, int, int]:
    second, beats, value = jsonfile.items(row, "a meter", 3, 3)
    return (
        jsonfile.number(second, "the second of a meter", 0, MAX_NUMBER),
        jsonfile.whole(beats, "the beats of a meter", 0, 255),
        jsonfile.whole(value, "the note value of a meter", 0, 1 << 255),
    )


def _track(row: Any) -> Track:
    row = jsonfile.fields(row, "a track", ("name", "program", "is_drum", "notes", "controls"))
    controls = jsonfile.fields(row["controls"], "controls")
    return Track(
        jsonfile.text(row["name"], "a track's name"),
        jsonfile.whole(row["program"], "program", 0, 127),
        jsonfile.flag(row["is_drum"], "is_drum"),
        tuple(_note(note) for note in jsonfile.items(row["notes"], "notes", jsonfile.MAX_LISTS)),
        {kind: _changes(changes, jsonfile.shortened(kind), MAX_CONTROL) for kind, changes in controls.items()},
    )


def _note(row: Any) -> Note:
    pitch, velocity, start, end = jsonfile.items(row, "a note", 4, 4)
    return Note(
        jsonfile.whole(pitch, "a pitch", 0, 127),
        jsonfile.whole(velocity, "a velocity", 1, 127),
        jsonfile.number(start, "the beginning of a note", 0, MAX_SECONDS),
        jsonfile.number(end, "the end of a note", start, MAX_SECONDS),
    )


def _changes(rows: Any, what: str, largest: float) -> Changes:
    """Values over time: [second, value] each, in the order of time."""
    changes, before = [], 0.0
    for row in jsonfile.items(rows, what, jsonfile.MAX_LISTS):
        second, value = jsonfile.items(row, what, 2, 2)
        before = jsonfile.number(second, f"a second of {what}", before, MAX_NUMBER)
        changes.append((before, jsonfile.number(value, what, -largest, largest)))
    return tuple(changes)
