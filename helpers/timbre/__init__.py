"""What a latent sounds like, where the interesting ones are, and how to turn one towards "brighter".

    atlas = timbre.atlas(model)                              # instruments, and what they sound like
    atlas.find("bright plucked")
    timbre.directions(atlas).steer(atlas["Cello"], brightness=1)
    timbre.reach(model, atlas["Cello"], centroid=1500)       # by gradient

Notebook: 09_explore.
"""

from .atlases import Atlas, Description, Match, Matches, atlas
from .descriptors import DESCRIPTORS, NAMES, Descriptor, describe_note
from .layouts import Layout, layout
from .reaching import Reached, reach
from .steering import Axes, Direction, Directions, axes, directions, move
from .wording import words

__all__ = [
    "DESCRIPTORS",
    "NAMES",
    "Atlas",
    "Axes",
    "Description",
    "Descriptor",
    "Direction",
    "Directions",
    "Layout",
    "Match",
    "Matches",
    "Reached",
    "atlas",
    "axes",
    "describe_note",
    "directions",
    "layout",
    "move",
    "reach",
    "words",
]
