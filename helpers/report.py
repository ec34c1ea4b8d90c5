"""What became of the notes of a song: a table to read, and a file from which the clip can be made again.

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .files import replacing
from .instruments import Instrument, Timeline
from .midi import MAX_SECONDS, Changes, Note, Song, Track, counted
from .page import page as page
from .planning import Part, Settings
from .tables import table

FILE_FORMAT = 2  # 1 counted the batches of a stopped rendering
MOST_REMARKS = 100  # on one file; there are fewer kinds
MOVES_SHOWN = 8  # pitches listed one by one in the table; the file has all


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that a clip depends on."""

    model: str  # its name,
    source: str  # where it was loaded from,
    fingerprint: str  # the hash of its weights,
    precision: str  # and what it computed with
    song: Song
    parts: tuple[Part, ...]  # one for each track
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
        counts = {name: getattr(self, name) for name in ("shortened", "looped", "pedalled", "bent")}
        return rows + [(label, _notes(count)) for label, count in counts.items() if count]

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
        path = Path(path)
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
    timelines = list({id(part.instrument): part.instrument for part in recipe.parts if part.instrument}.values())
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
                "timeline": timelines.index(part.instrument) if part.instrument else None,
            }
            for part in recipe.parts
        ],
        "timelines": [
            {
                "at": timeline.at.tolist(),
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

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is not a report, or a damaged one.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no report at {path}: there is no such file")
    try:
        rows = json.loads(path.read_text("utf-8"))
        if rows["format"] != FILE_FORMAT:
            raise ValueError(f"its format is {rows['format']!r}, and {FILE_FORMAT} is what can be read")
        return _recipe(rows)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"{path} is not the report of a rendering: {type(error).__name__} {error}") from None


def _recipe(rows: Mapping[str, Any]) -> Recipe:
    """A recipe from values of a file, each checked or converted; what is wrong with one is an error of some kind."""
    model, song, stopped_at = rows["model"], rows["song"], rows["stopped_at"]
    timelines = [
        Timeline([Instrument(**instrument) for instrument in row["instruments"]], row["at"])
        for row in rows["timelines"]
    ]
    parts = tuple(
        Part(
            None if row["timeline"] is None else timelines[row["timeline"]],
            bool(row["mute"]),
            bool(row["solo"]),
            float(row["gain"]),
            None if row["pan"] is None else float(row["pan"]),
        )
        for row in rows["parts"]
    )
    tracks = tuple(
        Track(
            str(row["name"]),
            int(row["program"]),
            bool(row["is_drum"]),
            tuple(_note(*note) for note in row["notes"]),
            {str(kind): _changes(changes) for kind, changes in row["controls"].items()},
        )
        for row in song["tracks"]
    )
    if len(parts) != len(tracks):
        raise ValueError(f"it has {len(parts)} parts for {len(tracks)} tracks")
    if int(rows["batch_size"]) < 1 or (stopped_at is not None and not 0 <= stopped_at <= MAX_SECONDS):
        raise ValueError("it has a batch size below 1, or was stopped at an impossible second")
    meters = tuple((float(second), int(beats), int(value)) for second, beats, value in song["meters"])
    return Recipe(
        str(model["name"]),
        str(model["source"]),
        str(model["fingerprint"]),
        str(model["precision"]),
        Song(str(song["name"]), tracks, _changes(song["tempos"]), meters, int(song["unclosed"]), _remarks(song)),
        parts,
        Settings(**rows["settings"]),
        int(rows["seed"]),
        int(rows["batch_size"]),
        None if stopped_at is None else float(stopped_at),
    )


def _remarks(song: Mapping[str, Any]) -> tuple[str, ...]:
    """What was remarked of a song's file; older reports do not have it."""
    remarks = song.get("remarks", [])
    if not isinstance(remarks, list) or len(remarks) > MOST_REMARKS:
        raise ValueError("its remarks on the file are no list, or too long a one")
    return tuple(str(remark) for remark in remarks)


def _note(pitch: int, velocity: int, start: float, end: float) -> Note:
    if not (0 <= pitch <= 127 and 1 <= velocity <= 127 and 0 <= start <= end <= MAX_SECONDS):
        raise ValueError(f"it has an impossible note, {[pitch, velocity, start, end]}")
    return Note(int(pitch), int(velocity), float(start), float(end))


def _changes(rows: Sequence[Sequence[float]]) -> Changes:
    changes = tuple((float(second), float(value)) for second, value in rows)
    if not all(math.isfinite(second) and math.isfinite(value) for second, value in changes):
        raise ValueError("it has a controller that is not a finite number")
    return changes
