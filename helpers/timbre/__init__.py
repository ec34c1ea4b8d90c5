"""Describe how instruments sound, search and map them, steer them ("brighter"), and cast them by style.

    atlas = timbre.atlas(model)                              # many instruments, described
    atlas.find("bright plucked")
    turn = timbre.directions(atlas)
    turn.steer(atlas["Cello"], brightness=1)
    timbre.by_ear(turn, atlas["Cello"], brightness=1)        # the same, checked on the audio
    timbre.reach(model, atlas["Cello"], centroid=1500)       # by the network's gradient
    timbre.cast(song, model, style="tango")                  # an instrument for each track, with the reason

Notebook: 09_explore.
"""

from .atlases import Atlas, Description, SearchResult, SearchResults, atlas
from .by_style import Candidate, Cast, cast
from .descriptors import DESCRIPTORS, NAMES, Descriptor, describe_note
from .layouts import Layout, layout
from .reaching import Reached, Steered, by_ear, reach
from .roles import Role, roles_of
from .steering import Axes, Direction, Directions, axes, directions, move
from .styles import Style, style, style_names
from .wording import words

__all__ = [
    "DESCRIPTORS",
    "NAMES",
    "Atlas",
    "Axes",
    "Candidate",
    "Cast",
    "Description",
    "Descriptor",
    "Direction",
    "Directions",
    "Layout",
    "Reached",
    "Role",
    "SearchResult",
    "SearchResults",
    "Steered",
    "Style",
    "atlas",
    "axes",
    "by_ear",
    "cast",
    "describe_note",
    "directions",
    "layout",
    "move",
    "reach",
    "roles_of",
    "style",
    "style_names",
    "words",
]
