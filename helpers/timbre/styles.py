"""The General MIDI programs that play each part in a style of music, as counted in accompaniment styles.

    timbre.style_names()          # the names of all styles
    timbre.style("tango")         # shown as a table

The counts in data/styles/mma.json are from the 232 styles of MMA (Musical MIDI Accompaniment, by Bob van der Poel).
They describe one collection of arrangements and are not statistics of songs.

Notebook: 09_explore.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ..casting import program_name
from ..errors import in_one_line
from ..folders import BUNDLED
from ..tables import counted, table

COUNTS = BUNDLED / "styles" / "mma.json"
PARTS = ("bass", "chords", "lines")  # lines: monophonic parts around the melody
NEAREST = 5  # number of names that an error suggests

Shares = Mapping[int, float]  # {program: share}; the sum is 1


@dataclasses.dataclass(frozen=True)
class Style:
    """A style with its programs.

    Attributes:
      name: as in `style_names`.
      files: MMA's style files of that name, such as "stdlib/tango". All have the same weight.
      parts: {"bass", "chords" or "lines": {General MIDI program, counted from 0: share}}, for the parts in the files,
        the largest share first.
      programs: {program: share} over all parts.
    """

    name: str
    files: tuple[str, ...]
    parts: Mapping[str, Shares]
    programs: Shares

    def __str__(self) -> str:
        rows = (f"  {part}: {', '.join(words)}" for part, words in self._words())
        return "\n".join((self._head(), *rows))

    def _repr_html_(self) -> str:
        return table([(part, ", ".join(words)) for part, words in self._words()], ("part", "played by"), self._head())

    def _head(self) -> str:
        return f"{self.name}: {counted(len(self.files), 'style file')} of MMA ({', '.join(self.files)})"

    def _words(self) -> Iterable[tuple[str, list[str]]]:
        for part, shares in self.parts.items():
            yield part, [f"{program_name(program)} {share:.0%}" for program, share in shares.items()]


def style_names() -> list[str]:
    """The names of all styles, sorted.

    Style files of the same name in different collections, and numbered variants, form one style: "rock" stands for
    casio/rock1, casio/rock2 and pflib/rock1.

    >>> from helpers import timbre
    >>> names = timbre.style_names()
    >>> len(names), [name for name in names if "tango" in name]
    (184, ['lighttango', 'tango'])

    Notebook: 09_explore.
    """
    return sorted(_title(files) for files in _by_name().values())


@in_one_line
def style(name: str) -> Style:
    """The style of a given name.

    Args:
      name: a name as in `style_names`, ignoring case, spaces and punctuation ("Bossa Nova"), or one of MMA's style
        files ("stdlib/tango").

    Raises:
      ValueError: there is no such style; the message suggests similar names.

    >>> from helpers import timbre
    >>> print(timbre.style("Tango"))
    tango: 1 style file of MMA (stdlib/tango)
      bass: Acoustic Bass 100%
      chords: Tango Accordion 50%, Acoustic Grand Piano 25%, String Ensemble 1 25%
      lines: Tango Accordion 50%, Violin 50%

    Notebook: 09_explore.
    """
    if not isinstance(name, str):
        raise ValueError(f"the name of a style must be a string such as 'tango', not {name!r:.100}")
    if name in _counts():
        return _style(name, (name,))
    files = _by_name().get(_plain(name))
    if not files:
        raise ValueError(f"there is no style {name!r}; {_nearest(name)}")
    return _style(_title(files), files)


def _style(name: str, files: tuple[str, ...]) -> Style:
    counts = [_counts()[file] for file in files]
    whole = [{"all": _added(parts.values())} for parts in counts]
    parts = {part: shares for part in PARTS if (shares := _shares(counts, part))}
    return Style(name, files, MappingProxyType(parts), _shares(whole, "all"))


def _shares(counts: Iterable[Mapping[str, Mapping[int, int]]], part: str) -> Shares:
    """The mean share of each program over the files that contain a part, the largest first."""
    files = [file[part] for file in counts if part in file]
    shares: dict[int, float] = defaultdict(float)
    for file in files:
        for program, count in file.items():
            shares[program] += count / sum(file.values()) / len(files)
    return MappingProxyType(dict(sorted(shares.items(), key=lambda row: (-row[1], row[0]))))


def _added(parts: Iterable[Mapping[int, int]]) -> dict[int, int]:
    total: dict[int, int] = defaultdict(int)
    for part in parts:
        for program, count in part.items():
            total[program] += count
    return total


@functools.cache
def _counts() -> Mapping[str, Mapping[str, Mapping[int, int]]]:
    """{style file: {part: {program: number of MMA voices}}}."""
    styles = json.loads(COUNTS.read_text("utf-8"))["styles"]
    return {
        file: {part: {int(program): count for program, count in row.items()} for part, row in parts.items()}
        for file, parts in styles.items()
    }


@functools.cache
def _by_name() -> Mapping[str, tuple[str, ...]]:
    """{plain name of a style: its files}."""
    files: dict[str, list[str]] = defaultdict(list)
    for file in _counts():
        files[_plain(_title([file]))].append(file)
    return {name: tuple(same) for name, same in files.items()}


def _title(files: Iterable[str]) -> str:
    """The name of a style without its collection and variant number (but "ballad68" is in 6/8)."""
    first = next(iter(files)).rpartition("/")[2].lower()
    return re.sub(r"(?<=[a-z])\d$", "", first)


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _nearest(name: str) -> str:
    plain, known = _plain(name), {plain: _title(files) for plain, files in _by_name().items()}
    parts = [other for other in known if plain and plain in other]
    alike = difflib.get_close_matches(plain, known, NEAREST)
    names = [known[other] for other in dict.fromkeys(parts + alike)][:NEAREST]
    if not names:
        return "timbre.style_names() lists all styles"
    return f"the nearest {'name is' if len(names) == 1 else 'names are'} {', '.join(names)}"
