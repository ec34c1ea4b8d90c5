"""Conversion of instrument names, which can be any text, to file names and to text fields of other formats.

Notebook: 10_take_home.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from ..errors import one_line
from ..files import RESERVED
from ..midi import note_name

MAX_STEM = 40  # characters of a file name before its ending
FALLBACK = "instrument"  # used if nothing of a name is left


def stem(name: str, most: int = MAX_STEM) -> str:
    """A name as a file name without ending: ASCII letters, digits and hyphens, which every player accepts.

    >>> from helpers.export import naming
    >>> naming.stem("Flûte / 2 #1"), naming.stem("CON"), naming.stem("🎻")
    ('Flute-2-1', 'CON-', 'instrument')
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    plain = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[:most].strip("-") or FALLBACK
    return f"{plain}-" if plain.lower() in RESERVED else plain


def unique(names: Iterable[str]) -> list[str]:
    """The same names, with a number appended to repeated ones; case is ignored."""
    taken: set[str] = set()
    found = []
    for name in names:
        new, number = name, 2
        while new.lower() in taken:
            new, number = f"{name}-{number}", number + 1
        taken.add(new.lower())
        found.append(new)
    return found


def text(name: str, most: int = 100) -> str:
    """A name as one line of text, without control characters and with at most `most` characters."""
    return one_line(name)[:most].strip() or FALLBACK


def pitch_text(pitch: int) -> str:
    """A pitch in a file name: its number, so that files sort by pitch, and its name.

    >>> from helpers.export import naming
    >>> naming.pitch_text(61)
    '061-Cs4'
    """
    return f"{pitch:03d}-{note_name(pitch).replace('♯', 's')}"
