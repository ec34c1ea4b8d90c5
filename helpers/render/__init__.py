"""Render a song to audio: plan the notes, generate them with a model, and mix them.

    clip = render.render(model, song, timeline)    # one timeline for all tracks
    clip = render.render(model, song, {"Flute": a, "Strings": timeline})    # by track
    print(clip.report)
    clip = render.reproduce("clip.json")    # from a file written by clip.report.save()
    clip = render.note(model, instrument, 60)    # one note
    for track, stem in render.stems(clip): …    # one track at a time
    song = render.played(clip)    # the notes as they were played

The steps can also be called on their own: `resolve` (the instrument of each track), `plan` (pitch, latent and duration
of each note), `generate_notes` and `shape_note` (envelope and level). `original` has the original program's versions.

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
