"""A web page with clips, to hand in: players, pictures, the score, and everything needed to render each clip again.

    clips = {"original": soundfont.reference(song), "custom": render.render(model, song, timeline)}
    page.write(clips, "outputs/report.html", "Bach in latent space", template=page.STUDENT_REPORT)

The page is a single HTML file, like the online supplement of a paper, that contains sound, pictures and reports. It
loads nothing from the web and can be printed to PDF. The only script is templates/page.js: the page's content security
policy allows no other, and all players work without it too.

Notebook: 06_compare.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from . import audio, casting, drawing, midi, spectrograms, webpage
from .audio import Audio
from .midi import Song, note_name
from .midi.song import TRACK_COLOURS
from .render.types import DEFAULTS, is_heard

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .evaluation.agreement import Agreement
    from .instruments import Timeline
    from .render.report import Recipe, RenderReport

SOUNDS = ("mp3", "flac")  # encodings of clips
MAX_BYTES = 200_000_000  # of sound in one page; browsers hold all of it in memory
# Seconds of sound times channels up to which a page has a bar for comparison. The bar decodes all clips, which takes
# 0.2 MB per second and channel.
MAX_COMPARED = 1800
WIDTH, DPI = 9.6, 125  # inches and dots per inch of a picture: somewhat finer than the column of 960 pixels
SCORE_HEIGHT, PICTURE_HEIGHT = 2.6, 2.8  # inches
# Lossy WebP takes an eighth of the bytes of a PNG file, which encodes the speckles of a spectrogram exactly.
WEBP_QUALITY = 70
EDGE = 0.03  # share of a picture's width; closer to its edges, centred time labels would stick out
ALIKE = 0.5  # clips with at least this share of the longest duration share its time axis, so that they line up
STOPS_SHOWN = 24  # instruments of a timeline that are listed; the downloadable report has all of them
FILE_NAME_LENGTH = 60  # characters of a clip's name in the file name of its report


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of the page for the clip with the same name.

    Attributes:
      name: name of the clip.
      heading: heading of the section.
      text: what the clip is, and what to listen and look for.
      code: code that renders the clip, shown if the clip is missing.
    """

    name: str
    heading: str
    text: str
    code: str = ""


IMPORTS = "from helpers import gansynth, instruments, midi, render, soundfont"  # needed by the code of the sections

_ABOUT = {
    "demo": (
        "The demo checkpoint",
        "Played by the model that comes with the suite. It was fitted to 94 instruments of free soundfonts, "
        "acoustic and electronic, without adversarial training: it shows how everything works, but not how good "
        "GANSynth can sound. The instruments are random, and each morphs into the next. Listen for instruments that "
        "you recognise, and for new ones that lie between two of them.",
    ),
    "acoustic_only": (
        "Acoustic instruments only",
        "Played by the model that was trained on acoustic instruments. The instruments are random, and each morphs "
        "into the next. Listen to how notes begin: are they plucked, struck, bowed or blown? Look at how many "
        "overtones there are above each fundamental, and whether each keeps its colour in the rainbowgram, as steady "
        "partials do.",
    ),
    "all_instruments": (
        "All instruments",
        "Played by the model that was trained on all instruments, including electronic and synthetic ones. The "
        "instruments are random, and each morphs into the next. Listen for sounds that no acoustic instrument makes, "
        "and look for what sets their overtones apart.",
    ),
}
_ANOTHER = (
    "Played by the checkpoint {name}. The instruments are random, and each morphs into the next. Listen to how notes "
    "begin and end, and look at the overtones above each fundamental."
)
_SAME_SEED = (
    " The seed is the same as in the previous section, but the instruments are not: each model has learned its own "
    "latent space."
)


def student_report(names: Sequence[str]) -> tuple[Section, ...]:
    """The sections of a student's report on one or more checkpoints: a template for `write`.

    They are "original", one section for each checkpoint, "another interval" and "custom". Every section says what to
    listen and look for, and has the code that renders its clip. The code needs `IMPORTS`, a `song`, and a dict `clips`;
    sections that are not about a particular checkpoint use the last one.

    Args:
      names: names of the checkpoints, as for `gansynth.load`.

    Returns:
      The sections, in the order of the page.

    Raises:
      ValueError: there is no checkpoint, one is repeated, or one has the name of another section.

    Notebook: 00_report.
    """
    if isinstance(names, str) or not names:
        raise ValueError('names must be a list of checkpoints, such as ["demo"]')
    of_checkpoints = []
    for number, name in enumerate(names):
        heading, text = _ABOUT.get(name, (name, _ANOTHER.format(name=name)))
        code = (
            f"model = gansynth.load({_quoted(name)})\n"
            "timeline = instruments.Timeline.random(model, song.duration, seed=1)\n"
            f"clips[{_quoted(name)}] = render.render(model, song, timeline)"
        )
        of_checkpoints.append(Section(name, heading, text + _SAME_SEED * bool(number), code))
    load = f"model = gansynth.load({_quoted(names[-1])})\n"
    sections = (
        Section(
            "original",
            "The original",
            "The score as it usually sounds, played with recorded instruments and without a neural network. Listen to "
            "melody and rhythm. In the pictures, the lowest line of each note is its fundamental, which should be "
            "present in every clip.",
            'clips["original"] = soundfont.reference(song)',
        ),
        *of_checkpoints,
        Section(
            "another interval",
            "Another interval between random instruments",
            "Random instruments again, but at another interval: the table below lists when each is reached. Each note "
            "is played with the latent vector at its onset. Listen for the changes of instrument. In the pictures, "
            "overtones come and go there while the fundamentals stay.",
            f"{load}timeline = instruments.Timeline.random(model, song.duration, seed=2, secs_per_instrument=4)\n"
            'clips["another interval"] = render.render(model, song, timeline)',
        ),
        Section(
            "custom",
            "Instruments of our choice",
            "We chose these instruments by ear, and the times at which they are reached. Listen to whether they suit "
            "the music, and look for the moments at which one instrument gives way to the next.",
            f"{load}a, b, c = instruments.sample(model, 16, seed=3)[:3]  # listen to all sixteen, and choose\n"
            "timeline = instruments.Timeline([a, b, c], at=[0, song.duration / 2, song.duration])\n"
            'clips["custom"] = render.render(model, song, timeline)',
        ),
    )
    if repeated := [name for name, count in Counter(section.name for section in sections).items() if count > 1]:
        raise ValueError(f"two sections of the report would be called {repeated[0]!r}")
    return sections


def _quoted(name: str) -> str:
    """A string as Python code, in double quotes."""
    return json.dumps(name, ensure_ascii=False)


STUDENT_REPORT = student_report(("acoustic_only", "all_instruments"))


def write(
    clips: Mapping[str, Audio],
    path: str | os.PathLike,
    title: str = "A score played by GANSynth",
    *,
    author: str = "",
    date: str = "",
    introduction: str = "",
    observations: Mapping[str, str] | None = None,
    song: Song | None = None,
    template: Sequence[Section] = (),
    agreement: Mapping[str, Agreement] | None = None,
    sound: str = "mp3",
    progress: bool = True,
) -> Path:
    """Write an HTML file with a player, pictures and the settings of every clip. Equal input gives equal bytes.

    Args:
      clips: name -> audio, in the order of the page. For clips from `render`, the page shows the settings and contains
        a report from which they can be rendered again; other audio, such as a reference or a recording, has only a
        player and pictures.
      path: path of the page, ending in .html; missing folders are created.
      title: title of the page.
      author: author of the page.
      date: date of the page, as any text. With a template, a printed page has lines to fill in by hand if author or
        date is empty.
      introduction: text at the top of the page; an empty line starts a new paragraph.
      observations: name of a clip -> your description of what is heard and seen.
      song: the score; by default that of the first rendered clip.
      template: sections that come first, with their headings and texts, such as `STUDENT_REPORT`. If a section has no
        clip yet, the page shows the code that renders it.
      agreement: name of a clip -> result of `agreement.measure`, for the table of all clips.
      sound: "mp3", which every browser plays, at about 2.5 bits per sample; or "flac", exact and four times as large.
      progress: show a progress bar; the pictures take a second or two per clip.

    Returns:
      The path.

    Raises:
      ValueError: there is no clip, a clip cannot be encoded or drawn, or an argument has an invalid value.

    >>> from helpers import midi, page, soundfont
    >>> song = midi.excerpt(midi.load("data/midi/bach_prelude.mid"), 0, 4)
    >>> clips = {"reference": soundfont.reference(song)}
    >>> path = page.write(clips, "outputs/report.html", "Bach", song=song, progress=False)
    >>> path.read_text("utf-8")[:15]
    '<!DOCTYPE html>'
    """
    path, observations, agreement = webpage.checked_path(path), observations or {}, agreement or {}
    _check(clips, template, {"observation on": observations, "agreement of": agreement})
    if sound not in SOUNDS:
        raise ValueError(f"sound is {sound!r}; it must be {' or '.join(map(repr, SOUNDS))}")
    sounds = _encoded(clips, sound)
    reports = {name: getattr(clip, "report", None) for name, clip in clips.items()}
    if song is None:
        song = next((report.recipe.song for report in reports.values() if report and report.recipe), None)
    longest = max(clip.duration for clip in clips.values())
    names = list(dict.fromkeys([section.name for section in template] + list(clips)))
    known = {section.name: section for section in template}
    sections = []
    for number, name in enumerate(tqdm(names, desc="page", unit="clip", disable=not progress), start=1):
        sections.append(
            {
                "id": f"clip-{number}",
                "section": known.get(name) or Section(name, name, ""),
                "observation": observations.get(name, ""),
                "agreement": _shares(agreement[name]) if name in agreement else None,
                "clip": _clip(clips[name], sounds[name], longest) if name in clips else None,
                "made": _made(reports.get(name), f"{number:02}_{_safe(name)}.json"),
            }
        )
    long = sum(clip.duration * clip.channels for clip in clips.values()) > MAX_COMPARED
    values = {
        "title": title,
        "author": author,
        "date": date,
        "is_template": bool(template),
        "agreement": agreement,
        "is_compared": len(clips) > 1 and not long,
        "sound": sound,
        "keys": {name: _gradient(name) for name in ("magma", "rainbow")},
        "introduction": introduction,
        "score": _score(song) if song else None,
        "sections": sections,
        "imports": IMPORTS,
    }
    webpage.write(path, "page.html", values, script="page.js", media=True)
    return path


def _check(clips: Mapping[str, Audio], template: Sequence[Section], more: Mapping[str, Mapping[str, Any]]) -> None:
    """Check the arguments of `write`; `more` maps a description to another argument with data by name of a clip."""
    if not isinstance(clips, Mapping):
        raise ValueError(f"clips must be a dict from names to clips, not a {type(clips).__name__}")
    if not clips:
        raise ValueError("there is no clip to show")
    for name, clip in clips.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"the name of a clip must be a non-empty string, not {name!r}")
        if not isinstance(clip, Audio):
            raise ValueError(f"clip {name!r} must be an audio.Audio, not a {type(clip).__name__}")
        if not len(clip.samples):
            raise ValueError(f"clip {name!r} is empty")
        if not np.isfinite(clip.samples).all():
            raise ValueError(f"clip {name!r} contains samples that are not finite")
        if clip.peak > 1.0:
            raise ValueError(f"clip {name!r} peaks at {clip.peak:.2f} and would clip; scale it down")
    for what, rows in more.items():
        if strangers := [name for name in rows if name not in clips]:
            raise ValueError(f"there is an {what} {strangers[0]!r}, but no clip of this name")
    if len({section.name for section in template}) < len(template):
        raise ValueError("two sections of the template have the same name")


def _safe(name: str) -> str:
    """A name as part of a file name."""
    return re.sub(r"[^\w-]+", "_", name).strip("_")[:FILE_NAME_LENGTH] or "clip"


# ------------------------------------------------------------------------------------------------------ sound, pictures


def _encoded(clips: Mapping[str, Audio], kind: str) -> dict[str, tuple[bytes, str]]:
    """Each clip as the content of a sound file, with a description of its format."""
    sounds: dict[str, tuple[bytes, str]] = {}
    for name, clip in clips.items():
        try:
            sounds[name] = audio.encode(clip, kind)
        except ValueError as error:
            raise ValueError(f"clip {name!r} cannot be put on a page: {error}") from None
        if sum(len(content) for content, _ in sounds.values()) > MAX_BYTES:
            raise ValueError(
                f"the clips take more than {MAX_BYTES / 1e6:g} MB as {kind.upper()}, too much for a browser; "
                "use fewer or shorter ones"
            )
    return sounds


@dataclasses.dataclass(frozen=True)
class _Plot:
    """The inside of the axes of a picture. The page renders the tick labels, so that they have the size of its text."""

    source: str  # data URL of a WebP picture
    seconds: float  # time at the right edge (s)
    times: list[tuple[str, str, str]]  # (label, % from the left, "left" or "right" if it is at that edge)
    pitches: list[tuple[str, str]]  # (label, % from the bottom)
    width: int = round(WIDTH * DPI)  # pixels
    height: int = round(PICTURE_HEIGHT * DPI)


def _plot(draw: Callable[[Axes], object], seconds: float, height: float, lossless: bool = False) -> _Plot:
    """Run a function that draws on axes, independently of the user's matplotlib settings; the time axis starts at 0."""
    from matplotlib.figure import Figure

    with drawing.plain():
        figure = Figure(figsize=(WIDTH, height), dpi=DPI)
        ax = figure.subplots()
        draw(ax)
        for key in figure.axes[1:]:
            key.remove()  # the page has its own colour bars
        ax.set(position=(0, 0, 1, 1), title="", xlim=(0, seconds))
        low, high = ax.get_ylim()
        labels = [label.get_text() for label in ax.get_yticklabels()]
        pitches = [(label, _percent(y - low, high - low)) for label, y in zip(labels, ax.get_yticks(), strict=True)]
        ticks = [x for x in ax.get_xticks() if 0 <= x <= seconds]
        times = [(f"{x:g} s", _percent(x, seconds), _edge(x / seconds)) for x in ticks]
        ax.axis("off")
        content = io.BytesIO()
        background = {"transparent": True} if lossless else {"facecolor": ax.get_facecolor()}
        options = {"lossless": lossless, "quality": WEBP_QUALITY, "method": 6}
        figure.savefig(content, format="webp", **background, pil_kwargs=options)
    return _Plot(webpage.data(content.getvalue(), "image/webp"), seconds, times, pitches, height=round(height * DPI))


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}"


def _edge(share: float) -> str:
    return "left" if share < EDGE else "right" if share > 1 - EDGE else ""


def _gradient(name: str) -> str:
    """A colour map of matplotlib as a gradient in CSS."""
    import matplotlib
    from matplotlib.colors import to_hex

    colours = map(to_hex, matplotlib.colormaps[name](np.linspace(0, 1, 12)))
    return f"linear-gradient(to right, {', '.join(colours)})"


def _clip(clip: Audio, sound: tuple[bytes, str], longest: float) -> dict[str, Any]:
    """The part of a clip's values that exists for any audio."""
    end = longest if clip.duration >= ALIKE * longest else clip.duration
    loudness = audio.loudness(clip)
    content, format = sound
    return {
        "seconds": f"{clip.duration:.1f}",
        "exact_seconds": f"{clip.duration:.3f}",
        "loudness": f"{loudness:.1f}".replace("-", "−") if np.isfinite(loudness) else "silent",
        "peak": f"{clip.peak:.2f}",
        "format": format,
        "sound": webpage.data(content, "audio/mpeg" if format.startswith("MP3") else "audio/flac"),
        "cqt": _plot(lambda ax: spectrograms.cqt(clip, ax=ax), end, PICTURE_HEIGHT),
        "rainbowgram": _plot(lambda ax: spectrograms.rainbowgram(clip, ax=ax), end, PICTURE_HEIGHT),
    }


def _shares(agreement: Agreement) -> list[str]:
    return [f"{share:.0%}" if np.isfinite(share) else "–" for share in agreement]


# ------------------------------------------------------------------------------------------------ the score, the making


def _score(song: Song) -> dict[str, Any]:
    def draw(ax: Axes) -> None:
        from matplotlib.collections import LineCollection

        midi.plot(song, ax=ax)
        if legend := ax.get_legend():
            legend.remove()  # the tracks have a table
        for line in (*ax.get_ygridlines(), *(part for part in ax.collections if isinstance(part, LineCollection))):
            line.set(color="0.5", alpha=0.35)  # visible on white and on black

    tempos = sorted({round(tempo) for _, tempo in song.tempos})
    tracks = []
    for i, track in enumerate(song.tracks):
        pitches = [note.pitch for note in track.notes]
        tracks.append(
            {
                "colour": TRACK_COLOURS[i % len(TRACK_COLOURS)],
                "name": track.name,
                "kind": "Drums" if track.is_drum else casting.program_name(track.program),
                "notes": len(pitches),
                "span": f"{note_name(min(pitches))} to {note_name(max(pitches))}" if pitches else "",
            }
        )
    return {
        "name": song.name,
        "notes": len(song.notes),
        "seconds": f"{song.duration:.1f}",
        "tempo": f"{tempos[0]}" if len(tempos) == 1 else f"{tempos[0]} to {tempos[-1]}",
        "tracks": tracks,
        "picture": _plot(draw, max(song.duration, 0.1), SCORE_HEIGHT, lossless=True),
    }


def _made(report: RenderReport | None, file_name: str) -> dict[str, Any] | None:
    """How a clip was rendered, and its report; None if it was not rendered."""
    if report is None or report.recipe is None:
        return None
    recipe = report.recipe
    settings = dataclasses.asdict(recipe.settings)
    instruments = [i for part in recipe.parts if part.timeline for i in part.timeline.instruments]
    return {
        "report": report,
        "recipe": recipe,
        "seeds": ", ".join(map(str, sorted({i.seed for i in instruments if i.seed is not None}))),
        "settings": [f"{key}={value!r}" for key, value in settings.items()],
        "changed": [f"{key}={value!r}" for key, value in settings.items() if value != getattr(DEFAULTS, key)],
        "players": _instrument_rows(report, recipe),
        "file_name": file_name,
        "file": webpage.data(report.to_json().encode("utf-8"), "application/json"),
    }


def _instrument_rows(report: RenderReport, recipe: Recipe) -> list[dict[str, Any]]:
    """The instruments of each track: one row for all tracks that share a timeline, gain and pan."""
    rows: dict[tuple, dict[str, Any]] = {}
    for track, part, heard, row in zip(
        recipe.song.tracks, recipe.parts, is_heard(recipe.parts), report.tracks, strict=True
    ):
        is_played = heard and recipe.settings.plays(track)
        mix = [f"{part.gain:+g} dB"] * bool(part.gain) + ([] if part.pan is None else [f"pan {part.pan:+g}"])
        key = (id(part.timeline) if is_played else row.played_by, *mix)
        stops = _stops(part.timeline) if is_played and part.timeline else [(row.played_by, "")]
        rows.setdefault(key, {"tracks": [], "stops": stops, "mix": ", ".join(mix).replace("-", "−")})
        rows[key]["tracks"].append(f"{row.number} {track.name}")
    return list(rows.values())


def _stops(timeline: Timeline) -> list[tuple[str, str]]:
    """(Instrument, time at which it is reached); a single instrument has no time."""
    if len(timeline.instruments) == 1:
        return [(timeline.instruments[0].name, "")]
    stops = [(instrument.name, f"{round(second, 1):g} s") for instrument, second in timeline.stops]
    more = len(stops) - STOPS_SHOWN
    return stops if more <= 0 else [*stops[:STOPS_SHOWN], (f"and {more} more", "")]
