"""Find instruments and steer them: so far, who plays each track of a song in a style.

    timbre.cast(song, model, style="tango")     # a suitable instrument for each track, each with the reason

`styles` knows which programs play in a style, `roles` what each track does, and `by_style` puts them together.

Notebook: 09_explore.
"""

from .by_style import Candidate, Cast, cast
from .roles import Role, roles_of
from .styles import Style, style, style_names

__all__ = [
    "Candidate",
    "Cast",
    "Role",
    "Style",
    "cast",
    "roles_of",
    "style",
    "style_names",
]
