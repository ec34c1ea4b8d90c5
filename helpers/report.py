"""What became of the notes of a song: a table to read, and a file from which the clip can be made again.

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import __version__
from .files import replacing
from .instruments import Instrument, Timeline
from .midi import Note, Song, Track
from .planning import Part, Settings

FILE_FORMAT = 1
MOVES_SHOWN = 8  # pitches listed one by one in the table; the file has all


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that a clip depends on."""

    model: str  # its name,
    source: str  # where it was loaded from,
    fingerprint: str  # and the hash of its weights
    song: Song
    parts: tuple[Part, ...]  # one for each track
    settings: Settings
    seed: int  # of the instruments that were drawn; they are in `parts`
    batch_size: int
    batches: int | None  # after which the rendering was stopped, if it was


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
    looped: int  # notes held longer than the model's own
    bent: int
    seconds: float
    sample_rate: int
    channels: int
    loudness: float | None  # LUFS; None for silence
    peak: float
    elapsed: float  # s that the rendering took
    stopped_at: float | None = None  # s of the song, if it was stopped
    recipe: Recipe | None = dataclasses.field(default=None, repr=False)

    def __str__(self) -> str:
        level = "silent" if self.loudness is None else f"{self.loudness:.1f} LUFS, peak {self.peak:.2f}"
        sound = f"{self.seconds:.1f} s, {self.sample_rate} Hz, {'mono' if self.channels == 1 else 'stereo'}, {level}"
        rows = [("song", self.song), ("model", self.model), ("audio", sound)]
        if self.stopped_at is not None:
            rows.append(("stopped", f"at {self.stopped_at:.1f} s"))
        made = f"{self.rendered} of {self.notes}, from {self.distinct} distinct sounds, in {self.elapsed:.1f} s"
        rows.append(("rendered", made))
        if self.drum_notes:
            rows.append(("drums", f"{self.drum_notes} notes by the soundfont player"))
        if self.transposed:
            rows.append(("transposed", f"{self.transposed:+d} semitones, the whole song"))
        if self.moved:
            shown = [f"{move} ×{count}" for move, count in list(self.moved.items())[:MOVES_SHOWN]]
            more = f", and {len(self.moved) - MOVES_SHOWN} other pitches" if len(self.moved) > MOVES_SHOWN else ""
            rows.append(("folded", f"{sum(self.moved.values())} notes: {', '.join(shown)}{more}"))
        rows += [("skipped", f"{count} notes: {why}") for why, count in self.skipped.items()]
        for label, count in (("looped", self.looped), ("pedalled", self.pedalled), ("bent", self.bent)):
            if count:
                rows.append((label, f"{count} notes"))
        number, name = len(str(len(self.tracks))), max((len(track.name) for track in self.tracks), default=0)
        notes = max((len(f"{track.rendered}/{track.notes}") for track in self.tracks), default=0)
        table = [
            f"{track.number:>{number}}  {track.name:<{name}}  {f'{track.rendered}/{track.notes}':>{notes}}  "
            f"{track.played_by}"
            for track in self.tracks
        ]
        return "\n".join([f"{label:<11}{text}" for label, text in rows] + table)

    def save(self, path: str | os.PathLike) -> Path:
        """Write the report, and everything needed to make the clip again, to a JSON file, whole or not at all."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        recipe = fields.pop("recipe")
        fields["tracks"] = [dataclasses.asdict(track) for track in self.tracks]
        rows = {"format": FILE_FORMAT, "made_by": f"gansynth-suite {__version__}", "report": fields, **_rows(recipe)}
        # A line for each part: readable at the top, and not a line for each of thousands of notes.
        text = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in rows.items())
        path = Path(path)
        with replacing(path) as partial:
            partial.write_text(f"{{\n{text}\n}}\n", "utf-8")
        return path


def _rows(recipe: Recipe) -> dict[str, Any]:
    """A recipe as values for JSON. Timelines stand once each, however many tracks they play."""
    timelines = list({id(part.instrument): part.instrument for part in recipe.parts if part.instrument}.values())
    return {
        "model": {"name": recipe.model, "source": recipe.source, "fingerprint": recipe.fingerprint},
        "settings": dataclasses.asdict(recipe.settings),
        "seed": recipe.seed,
        "batch_size": recipe.batch_size,
        "batches": recipe.batches,
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
            **{name: getattr(recipe.song, name) for name in ("name", "tempos", "meters", "unclosed")},
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
        timelines = [
            Timeline([Instrument(**instrument) for instrument in row["instruments"]], row["at"])
            for row in rows["timelines"]
        ]
        parts = [
            Part(
                None if row["timeline"] is None else timelines[row["timeline"]],
                row["mute"],
                row["solo"],
                row["gain"],
                row["pan"],
            )
            for row in rows["parts"]
        ]
        song = rows["song"]
        tracks = [
            Track(
                row["name"],
                row["program"],
                row["is_drum"],
                tuple(Note(*note) for note in row["notes"]),
                {kind: tuple(map(tuple, changes)) for kind, changes in row["controls"].items()},
            )
            for row in song["tracks"]
        ]
        return Recipe(
            rows["model"]["name"],
            rows["model"]["source"],
            rows["model"]["fingerprint"],
            Song(
                song["name"],
                tuple(tracks),
                tuple(map(tuple, song["tempos"])),
                tuple(map(tuple, song["meters"])),
                song["unclosed"],
            ),
            tuple(parts),
            Settings(**rows["settings"]),
            rows["seed"],
            rows["batch_size"],
            rows["batches"],
        )
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"{path} is not the report of a rendering: {type(error).__name__} {error}") from None
