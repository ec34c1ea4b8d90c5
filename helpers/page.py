"""Clips as one page to hand in: players, pictures, the score, and how to make every clip again.

    clips = {"original": audio.reference(song), "custom": render.render(model, song, timeline)}
    report.page(clips, "outputs/report.html", "Bach in latent space", template=page.STUDENT_REPORT)

The page is a single file in the manner of a paper's online supplement. Sound, pictures and reports are inside it; it
asks nothing of the web, runs no script, and prints to PDF.

Notebook: 06_compare.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from . import __version__, audio, midi, spectra
from .audio import Audio
from .files import replacing
from .midi import Song, note_name
from .planning import DEFAULTS, is_heard

if TYPE_CHECKING:
    from .instruments import Timeline
    from .report import Recipe, RenderReport

TEMPLATES = Path(__file__).parent / "templates"

# Every number of this module.
MOST_BYTES = 200_000_000  # of FLAC in one page, two to three hours at 16 kHz; browsers hold all of it in memory
WIDTH, DPI = 9.6, 150  # inches and dots per inch of a picture: one and a half dots for each of the column's 960 pixels
SCORE_HEIGHT, PICTURE_HEIGHT = 3.2, 3.0  # inches
# Of a picture's width and height; fixed, so that the seconds of all pictures stand below each other.
MARGINS = {"left": 0.055, "right": 0.985, "bottom": 0.16, "top": 0.975}
ALIKE = 0.5  # clips of at least this share of the longest are drawn along its time axis, so that they line up
STOPS_SHOWN = 24  # instruments of a timeline that are listed; the report to download has all
FILE_NAME_LENGTH = 60  # characters of a clip's name in that of its report


@dataclasses.dataclass(frozen=True)
class Section:
    """A place on the page for the clip of a name."""

    name: str
    heading: str
    text: str  # what it is, what to listen and to look for
    code: str = ""  # what makes the clip, shown as long as there is none


# What a student of GANSynth compares. The code needs `song`, the modules of `IMPORTS`, and a dict `clips`.
IMPORTS = "from helpers import audio, gansynth, instruments, midi, render"
STUDENT_REPORT = (
    Section(
        "original",
        "The original",
        "The score as it is usually heard: played by recorded instruments, without a neural network. Listen to melody "
        "and rhythm. In the pictures, the lowest line of each note is its fundamental; it has to be in every clip.",
        'clips["original"] = audio.reference(song)',
    ),
    Section(
        "acoustic_only",
        "Acoustic instruments only",
        "Played by the model that was trained on acoustic instruments. Random ones follow each other and morph in "
        "between. Listen to how notes begin: plucked, struck, bowed or blown? Look at how many overtones stand above "
        "each fundamental, and whether they keep one colour in the rainbowgram, as steady partials do.",
        'model = gansynth.load("acoustic_only")\n'
        "timeline = instruments.Timeline.random(model, song.seconds, seed=1)\n"
        'clips["acoustic_only"] = render.render(model, song, timeline)',
    ),
    Section(
        "all_instruments",
        "All instruments",
        "Played by the model that was trained on all instruments, electronic and synthetic ones too. The seed is the "
        "same, the instruments are not: to another model the same latent is another sound. Listen for sounds that no "
        "acoustic instrument makes, and look for what sets their overtones apart.",
        'model = gansynth.load("all_instruments")\n'
        "timeline = instruments.Timeline.random(model, song.seconds, seed=1)\n"
        'clips["all_instruments"] = render.render(model, song, timeline)',
    ),
    Section(
        "random every 4 s",
        "Random instruments, every four seconds",
        "A new random instrument is reached about every four seconds, and each note has the latent of the moment at "
        "which it begins. Listen for the turning points. In the pictures, overtones come and go there while the "
        "fundamentals stay.",
        'model = gansynth.load("all_instruments")\n'
        "timeline = instruments.Timeline.random(model, song.seconds, seed=2, secs_per_instrument=4)\n"
        'clips["random every 4 s"] = render.render(model, song, timeline)',
    ),
    Section(
        "custom",
        "Instruments of our choice",
        "Instruments that were chosen by ear, each reached at a chosen second. Listen to whether the choice suits the "
        "music, and look for the moments where one instrument hands over to the next.",
        'model = gansynth.load("all_instruments")\n'
        "a, b, c = instruments.sample(model, 16, seed=3)[:3]  # listen to all sixteen, and choose\n"
        "timeline = instruments.Timeline([a, b, c], at=[0, song.seconds / 2, song.seconds])\n"
        'clips["custom"] = render.render(model, song, timeline)',
    ),
)


def page(
    clips: Mapping[str, Audio],
    path: str | os.PathLike,
    title: str = "A score played by GANSynth",
    *,
    author: str = "",
    introduction: str = "",
    observations: Mapping[str, str] | None = None,
    song: Song | None = None,
    template: Sequence[Section] = (),
    progress: bool = True,
) -> Path:
    """Write one HTML file with a player, pictures and the making of every clip. Equal clips give equal bytes.

    Args:
      clips: name -> audio, in the order of the page. What `render` returned shows its settings and can be made again
        from the page; other audio, a reference or a recording, can be heard and seen.
      path: ends in .html; folders are made as needed.
      title: of the page.
      author: who made it, and when, if the page is to say so; it has no clock.
      introduction: what the page is about; an empty line begins a new paragraph.
      observations: name of a clip -> what was heard and seen, in your words.
      song: the score; by default that of the first clip that was rendered.
      template: sections that come first, with their headings and texts; `STUDENT_REPORT` is one. Where a section has no
        clip yet, the page says how to make it.
      progress: show a bar; the pictures take a second or two a clip.

    Raises:
      ValueError: there is no clip, one of them cannot be written or drawn, or an argument is not what is said above.
    """
    path, observations = Path(path), observations or {}
    _check(clips, path, observations, template)
    sounds = _encoded(clips)
    reports = {name: getattr(clip, "report", None) for name, clip in clips.items()}
    if song is None:
        song = next((report.recipe.song for report in reports.values() if report and report.recipe), None)
    longest = max(clip.seconds for clip in clips.values())
    names = list(dict.fromkeys([section.name for section in template] + list(clips)))
    known = {section.name: section for section in template}
    sections = []
    for number, name in enumerate(tqdm(names, desc="page", unit="clip", disable=not progress), start=1):
        sections.append(
            {
                "id": f"clip-{number}",
                "section": known.get(name) or Section(name, name, ""),
                "observation": observations.get(name, ""),
                "clip": _clip(clips[name], sounds[name], longest) if name in clips else None,
                "made": _made(reports.get(name), f"{number:02}_{_safe(name)}.json"),
            }
        )
    values = {
        "title": title,
        "author": author,
        "introduction": introduction,
        "score": _score(song) if song else None,
        "sections": sections,
        "imports": IMPORTS,
        "version": __version__,
    }
    with replacing(path) as partial:
        _environment().get_template("page.html").stream(values).dump(str(partial), errors="replace")
    return path


def _check(
    clips: Mapping[str, Audio], path: Path, observations: Mapping[str, str], template: Sequence[Section]
) -> None:
    if path.suffix.lower() != ".html":
        raise ValueError(f"{path.name} has to end in .html")
    if not isinstance(clips, Mapping):
        raise ValueError(f"clips has to be a dict from names to clips, not a {type(clips).__name__}")
    if not clips:
        raise ValueError("there is no clip to show")
    for name, clip in clips.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"the name of a clip has to be a text that is not empty, not {name!r}")
        if not isinstance(clip, Audio):
            raise ValueError(f"clip {name!r} has to be an audio.Audio, not a {type(clip).__name__}")
        if not len(clip.samples):
            raise ValueError(f"clip {name!r} is empty")
    if strangers := [name for name in observations if name not in clips]:
        raise ValueError(f"there is an observation on {strangers[0]!r}, and no clip of this name")
    if len({section.name for section in template}) < len(template):
        raise ValueError("two sections of the template have one name")


def _environment():
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["paragraphs"] = lambda text: [part for part in re.split(r"\n\s*\n", text.strip()) if part]
    return environment


def _data(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _safe(name: str) -> str:
    """A name as part of a file's."""
    return re.sub(r"[^\w-]+", "_", name).strip("_")[:FILE_NAME_LENGTH] or "clip"


# ------------------------------------------------------------------------------------------------------ sound, pictures


def _encoded(clips: Mapping[str, Audio]) -> dict[str, bytes]:
    """Each clip as a FLAC file of 16 bits: no sample more or less, and every browser plays it."""
    sounds: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, clip in clips.items():
            try:
                sounds[name] = audio.write(clip, Path(folder) / "clip.flac").read_bytes()
            except ValueError as error:
                raise ValueError(f"clip {name!r} cannot be put on a page: {error}") from None
            if sum(map(len, sounds.values())) > MOST_BYTES:
                raise ValueError(
                    f"the clips have more than {MOST_BYTES / 1e6:g} MB as FLAC, too much for a browser to open; "
                    "show fewer or shorter ones"
                )
    return sounds


def _picture(draw: Callable[[Any], None], height: float) -> str:
    """What a function draws on axes, as the address of a PNG picture, whatever the user's matplotlib looks like."""
    import matplotlib.style
    from matplotlib.figure import Figure

    with matplotlib.style.context("default"):
        figure = Figure(figsize=(WIDTH, height), dpi=DPI)
        draw(figure.subplots(gridspec_kw=MARGINS))
        content = io.BytesIO()
        figure.savefig(content, format="png", metadata={"Software": None})
    return _data(content.getvalue(), "image/png")


def _clip(clip: Audio, sound: bytes, longest: float) -> dict[str, Any]:
    """What can be said of any audio."""
    end = longest if clip.seconds >= ALIKE * longest else clip.seconds

    def picture(draw: Callable) -> str:
        def on(ax) -> None:
            draw(clip, ax=ax)
            ax.set_xlim(0, end)

        return _picture(on, PICTURE_HEIGHT)

    loudness = audio.loudness(clip)
    channels = 1 if clip.samples.ndim == 1 else clip.samples.shape[1]
    return {
        "seconds": f"{clip.seconds:.1f}",
        "loudness": f"{loudness:.1f}".replace("-", "−") if np.isfinite(loudness) else "silent",
        "peak": f"{clip.peak:.2f}",
        "sample_rate": clip.sample_rate,
        "channels": {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels"),
        "sound": _data(sound, "audio/flac"),
        "cqt": picture(spectra.cqt),
        "rainbowgram": picture(spectra.rainbowgram),
    }


# ------------------------------------------------------------------------------------------------ the score, the making


def _score(song: Song) -> dict[str, Any]:
    def draw(ax) -> None:
        midi.plot(song, ax=ax)
        ax.set_title("")  # names stand on the page: matplotlib takes some for formulas, and lacks many scripts
        if legend := ax.get_legend():
            legend.remove()

    tempos = sorted({round(tempo) for _, tempo in song.tempos})
    tracks = []
    for i, track in enumerate(song.tracks):
        pitches = [note.pitch for note in track.notes]
        tracks.append(
            {
                "colour": midi.TRACK_COLOURS[i % len(midi.TRACK_COLOURS)],
                "name": track.name,
                "kind": "drums" if track.is_drum else f"program {track.program}",
                "notes": len(pitches),
                "span": f"{note_name(min(pitches))} to {note_name(max(pitches))}" if pitches else "",
            }
        )
    return {
        "name": song.name,
        "notes": len(song.notes),
        "seconds": f"{song.seconds:.1f}",
        "tempo": f"{tempos[0]}" if len(tempos) == 1 else f"{tempos[0]} to {tempos[-1]}",
        "tracks": tracks,
        "picture": _picture(draw, SCORE_HEIGHT),
    }


def _made(report: RenderReport | None, file_name: str) -> dict[str, Any] | None:
    """How a clip was made and can be made again, if it was rendered."""
    if report is None or report.recipe is None:
        return None
    recipe = report.recipe
    settings = dataclasses.asdict(recipe.settings)
    instruments = [i for part in recipe.parts if part.instrument for i in part.instrument.instruments]
    return {
        "report": report,
        "recipe": recipe,
        "seeds": ", ".join(map(str, sorted({i.seed for i in instruments if i.seed is not None}))),
        "settings": [f"{key}={value!r}" for key, value in settings.items()],
        "changed": [f"{key}={value!r}" for key, value in settings.items() if value != getattr(DEFAULTS, key)],
        "players": _players(report, recipe),
        "file_name": file_name,
        "file": _data(report.to_json().encode("utf-8"), "application/json"),
    }


def _players(report: RenderReport, recipe: Recipe) -> list[dict[str, Any]]:
    """Who plays each track: a row for those that share a timeline and their place in the mix."""
    rows: dict[tuple, dict[str, Any]] = {}
    for track, part, heard, row in zip(
        recipe.song.tracks, recipe.parts, is_heard(recipe.parts), report.tracks, strict=True
    ):
        is_played = heard and (recipe.settings.faithful or not track.is_drum)
        mix = [f"{part.gain:+g} dB"] * bool(part.gain) + ([] if part.pan is None else [f"pan {part.pan:+g}"])
        key = (id(part.instrument) if is_played else row.played_by, *mix)
        stops = _stops(part.instrument) if is_played else [(row.played_by, "")]
        rows.setdefault(key, {"tracks": [], "stops": stops, "mix": ", ".join(mix).replace("-", "−")})
        rows[key]["tracks"].append(f"{row.number} {track.name}")
    return list(rows.values())


def _stops(timeline: Timeline) -> list[tuple[str, str]]:
    """(Instrument, when it is reached); one that is held throughout has no time."""
    if len(timeline.instruments) == 1:
        return [(timeline.instruments[0].name, "")]
    stops = [(instrument.name, f"{second:.4g} s") for instrument, second in timeline.stops]
    more = len(stops) - STOPS_SHOWN
    return stops if more <= 0 else [*stops[:STOPS_SHOWN], (f"and {more} more", "")]
