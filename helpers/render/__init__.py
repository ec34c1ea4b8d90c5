"""A song, instruments and a model -> audio: plan the notes, generate them, mix.

    clip = render.render(model, song, timeline)    # one timeline for all tracks
    clip = render.render(model, song, {"Flute": a, "Strings": timeline})    # by track
    print(clip.report)
    clip = render.reproduce("clip.json")    # what clip.report.save() has written
    clip = render.note(model, instrument, 60)    # one note
    for track, stem in render.stems(clip): …    # track by track
    song = render.played(clip)    # as it was played

Each step can be called alone: `resolve` (who plays), `plan` (which notes, with which latent and for how long),
`generate_notes`, `shape_note` (the length and level of a note). `original` is how the original program did it.

Notebook: 04_generate, 07_songs.
"""

from . import original, report, shaping
from .apart import played, recipe_of, stems
from .batches import Progress, generate_notes
from .mixing import shape_note
from .planning import plan, resolve
from .rendering import Clip, render, reproduce
from .single import note
from .types import Part, Plan, ResolvedPart, Settings

__all__ = [
    "Clip",
    "Part",
    "Plan",
    "Progress",
    "ResolvedPart",
    "Settings",
    "generate_notes",
    "note",
    "original",
    "plan",
    "played",
    "recipe_of",
    "render",
    "report",
    "reproduce",
    "resolve",
    "shape_note",
    "shaping",
    "stems",
]
