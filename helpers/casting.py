"""Which voices of a checkpoint suit which General MIDI programs: plain names and numbers, no latents.

`instruments.assign` uses it to give each track of a song an instrument.

Notebook: 07_songs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

# The instrument family (by the names of the NSynth dataset) of each General MIDI program, in runs of programs that
# follow each other. Sustained pads count as the strings, choir or lead that they imitate. "" has no counterpart: a
# drum, an effect or a noise.
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
ASKED = "it is the program that the track asks for"  # why a voice is cast
PLUCKED = (45, 46)  # pizzicato and harp: strings, but no neighbours of bowed ones


class Voice(NamedTuple):
    """What is known of an instrument that a checkpoint brings along."""

    name: str
    program: int | None = None  # General MIDI's, counted from 0
    family: str = ""  # NSynth's


def program_name(program: int) -> str:
    """The name of a General MIDI program, counted from 0.

    >>> from helpers import casting
    >>> casting.program_name(73)
    'Flute'
    """
    import pretty_midi

    return pretty_midi.program_to_instrument_name(program)


def cast(programs: Mapping[int, int], voices: Sequence[Voice]) -> dict[int, tuple[int, str]]:
    """A suitable voice for each track, as far as there is one.

    Tracks whose own program is among the voices come first. A second track of the same program gets its neighbour: the
    voice of the same family whose program is nearest. So do tracks whose program is missing. No voice plays two tracks
    while its family has another one that plays none.

    Args:
      programs: track -> General MIDI program, counted from 0.
      voices: those of the checkpoint. Where several share a program, the first one is its main voice.

    Returns:
      Track -> (index into `voices`, the reason in words). Tracks without a voice of their family are left out.

    Notebook: 07_songs.
    """
    mains: dict[int, int] = {}
    for index, voice in enumerate(voices):
        if voice.program is not None:
            mains.setdefault(voice.program, index)
    cast: dict[int, tuple[int, str]] = {}
    plays: dict[int, list[int]] = {}  # voice -> its tracks
    for track, program in programs.items():
        if program in mains and mains[program] not in plays:
            cast[track] = mains[program], ASKED
            plays[mains[program]] = [track]
    for track, program in programs.items():
        if track in cast:
            continue
        ranked = _ranked(program, voices, set(mains.values()))
        if not ranked:
            continue
        index = min(ranked, key=lambda index: len(plays.get(index, ())))  # of several the most suitable
        why = _reason(program, voices, mains, plays)
        cast[track] = index, why + (f"; it plays track {plays[index][0]} as well" if index in plays else "")
        plays.setdefault(index, []).append(track)
    return dict(sorted(cast.items()))


def _ranked(program: int, voices: Sequence[Voice], mains: set[int]) -> list[int]:
    """The voices of a program's family, the most suitable first, main voices before variants (soft ones)."""
    family = FAMILIES[program]

    def unlike(index: int) -> tuple[bool, bool, bool, int]:
        other, is_main = voices[index].program, index in mains
        if other is None:
            return False, True, False, 0
        return (
            (other in PLUCKED) != (program in PLUCKED),
            other // 8 != program // 8,
            not is_main and other != program,
            abs(other - program) or (0 if is_main else 8),  # a program's own variant comes after its neighbours
        )

    alike = [i for i, voice in enumerate(voices) if voice.program == program or (family and voice.family == family)]
    return sorted(alike, key=unlike)


def _reason(program: int, voices: Sequence[Voice], mains: Mapping[int, int], plays: Mapping[int, Sequence[int]]) -> str:
    if program in mains:
        own = mains[program]
        return f"it is the nearest neighbour of {voices[own].name}, which plays track {plays[own][0]}"
    family = FAMILIES[program].replace("_", " ")
    return f"the model has no {program_name(program)}, and it is the nearest one of that family ({family})"
