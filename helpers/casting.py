"""Match the instruments of a checkpoint to General MIDI programs, by name, program and family.

`instruments.assign` uses it to choose an instrument for each track of a song.

Notebook: 07_songs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

# The instrument family of each General MIDI program (with the names of the NSynth dataset), as runs of consecutive
# programs. Sustained pads count as the strings, choir or lead that they imitate. "" is a program without a counterpart
# in NSynth: a drum, an effect or a noise.
_RUNS = (
    ("keyboard", 8),  # 0: pianos, harpsichord, clavinet
    ("mallet", 7),  # 8: celesta to tubular bells
    ("guitar", 1),  # 15: dulcimer, struck strings
    ("organ", 6),  # 16: organs, accordion
    ("reed", 1),  # 22: harmonica
    ("organ", 1),  # 23: bandoneon
    ("guitar", 8),  # 24
    ("bass", 8),  # 32
    ("string", 7),  # 40: violin to harp
    ("", 1),  # 47: timpani
    ("string", 4),  # 48: ensembles
    ("vocal", 3),  # 52: choirs
    ("", 1),  # 55: orchestra hit
    ("brass", 8),  # 56
    ("reed", 8),  # 64
    ("flute", 8),  # 72
    ("synth_lead", 5),  # 80
    ("vocal", 1),  # 85: voice lead
    ("synth_lead", 2),  # 86
    ("string", 3),  # 88: new age, warm, polysynth pad
    ("vocal", 1),  # 91: choir pad
    ("string", 4),  # 92: bowed, metallic, halo, sweep pad
    ("", 8),  # 96: effects
    ("guitar", 4),  # 104: sitar, banjo, shamisen, koto
    ("mallet", 1),  # 108: kalimba
    ("reed", 1),  # 109: bagpipe
    ("string", 1),  # 110: fiddle
    ("reed", 1),  # 111: shanai
    ("mallet", 1),  # 112: tinkle bell
    ("", 1),  # 113: agogo
    ("mallet", 1),  # 114: steel drums
    ("", 13),  # 115: percussion and sound effects
)
FAMILIES = tuple(family for family, programs in _RUNS for _ in range(programs))
ASKED = "it is the program that the track asks for"  # the reason given for an exact match
PLUCKED = (45, 46)  # pizzicato and harp: in the string family, but no substitutes for bowed strings


class Profile(NamedTuple):
    """The properties of an instrument that decide which tracks it suits.

    Attributes:
      name: name of the instrument.
      program: General MIDI program, counted from 0; None if unknown.
      family: NSynth family; empty if unknown.
    """

    name: str
    program: int | None = None
    family: str = ""


def program_name(program: int) -> str:
    """The name of a General MIDI program, counted from 0.

    >>> from helpers import casting
    >>> casting.program_name(73)
    'Flute'
    """
    import pretty_midi

    return pretty_midi.program_to_instrument_name(program)


def cast(programs: Mapping[int, int], instruments: Sequence[Profile]) -> dict[int, tuple[int, str]]:
    """Choose a suitable instrument for each track, where there is one.

    Tracks whose program is available are served first. Further tracks of the same program, and tracks whose program is
    missing, get a neighbour: the instrument of the same family whose program is nearest. No instrument plays two tracks
    while another one of its family is unused.

    Args:
      programs: {track: General MIDI program, counted from 0}.
      instruments: profiles of the instruments to choose from. If several have the same program, the first is the main
        one and the others are its variants.

    Returns:
      {track: (index into `instruments`, the reason in words)}. Tracks without an instrument of their family are left
      out.

    Notebook: 07_songs.
    """
    mains: dict[int, int] = {}
    for index, instrument in enumerate(instruments):
        if instrument.program is not None:
            mains.setdefault(instrument.program, index)
    cast: dict[int, tuple[int, str]] = {}
    plays: dict[int, list[int]] = {}  # index of an instrument -> its tracks
    for track, program in programs.items():
        if program in mains and mains[program] not in plays:
            cast[track] = mains[program], ASKED
            plays[mains[program]] = [track]
    for track, program in programs.items():
        if track in cast:
            continue
        ranked = _ranked(program, instruments, set(mains.values()))
        if not ranked:
            continue
        index = min(ranked, key=lambda index: len(plays.get(index, ())))  # the first, most suitable one on a tie
        why = _reason(program, instruments, mains, plays)
        cast[track] = index, why + (f"; it plays track {plays[index][0]} as well" if index in plays else "")
        plays.setdefault(index, []).append(track)
    return dict(sorted(cast.items()))


def _ranked(program: int, instruments: Sequence[Profile], mains: set[int]) -> list[int]:
    """Indices of the instruments of a program's family, the most suitable first, main ones before (soft) variants."""
    family = FAMILIES[program]

    def unlike(index: int) -> tuple[bool, bool, bool, int]:
        other, is_main = instruments[index].program, index in mains
        if other is None:
            return False, True, False, 0
        return (
            (other in PLUCKED) != (program in PLUCKED),
            other // 8 != program // 8,
            not is_main and other != program,
            abs(other - program) or (0 if is_main else 8),  # a program's own variant comes after its neighbours
        )

    alike = [i for i, one in enumerate(instruments) if one.program == program or (family and one.family == family)]
    return sorted(alike, key=unlike)


def _reason(
    program: int, instruments: Sequence[Profile], mains: Mapping[int, int], plays: Mapping[int, Sequence[int]]
) -> str:
    if program in mains:
        own = mains[program]
        return f"it is the nearest neighbour of {instruments[own].name}, which plays track {plays[own][0]}"
    family = FAMILIES[program].replace("_", " ")
    return f"the model has no {program_name(program)}, and it is the nearest one of that family ({family})"
