"""An instrument for each track of a song, by the programs that its file names and by those that play in a style.

    cast = timbre.cast(song, model, style="tango")
    clip = render.render(model, song, cast)

The style is named by the user: nothing here guesses it.

Notebook: 09_explore.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import casting
from ..casting import FAMILIES, Voice, program_name
from ..errors import in_one_line
from ..instruments import Assignment, Bank, Instrument, named
from ..tables import table
from . import styles
from .roles import Role, RoleName, roles_of
from .styles import Shares, Style

if TYPE_CHECKING:
    from ..gansynth import GANSynth
    from ..midi import Song

# The part of a style that each role is taken from, in the order in which they choose. Accompaniments have no tune: the
# melody gets what plays the lines around it.
PART_OF: dict[RoleName, str] = {"melody": "lines", "bass": "bass", "chords": "chords", "counter-line": "lines"}
DOES: dict[RoleName, str] = {
    "melody": "has the melody",
    "bass": "is the bass",
    "chords": "plays chords",
    "counter-line": "is a counter-line",
}
DRUMS = 'drums have no counterpart in the model; render(..., drums="synth") plays them with a soundfont'
_NO_COUNTERPART = "{} has no counterpart in this model"


class Candidate(NamedTuple):
    """An instrument that may be cast, and what is known or guessed of it."""

    instrument: Instrument
    family: str  # one of `casting.FAMILIES`, which are NSynth's; "" if it is like none
    probability: float = 1.0  # that the family is right; 1 where it is known
    program: int | None = None  # General MIDI's, counted from 0, where it is known


@dataclasses.dataclass(frozen=True)
class Cast(Mapping[int, Assignment]):
    """Who plays each track of a song: track number, from 1 -> (instrument, why). `render` takes it as it is.

    Attributes:
      song: whose tracks they are.
      style: what was asked for.
      assigned: the same as a dict.
      roles: track number -> what the track does in the song.
      left_out: track number -> why nobody plays it.
      lacking: the style's programs that have no counterpart among the instruments.
    """

    song: Song
    style: Style
    assigned: Mapping[int, Assignment]
    roles: Mapping[int, Role]
    left_out: Mapping[int, str]
    lacking: tuple[int, ...]

    def __getitem__(self, number: int) -> Assignment:
        return self.assigned[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self.assigned)

    def __len__(self) -> int:
        return len(self.assigned)

    def __str__(self) -> str:
        rows = [f"  {number} {track} ({role}): {who}, because {why}" for number, track, role, who, why in self._rows()]
        return "\n".join([self._head(), *rows, *self._notes()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = ("", "track", "role", "played by", "because")
        return table(list(self._rows()), head, self._head()) + (
            table([("note", note) for note in self._notes()]) if self.lacking else ""
        )

    def _head(self) -> str:
        return f"{self.song.name} in the style {self.style.name}"

    def _rows(self) -> Iterator[tuple[int, str, str, str, str]]:
        for number, track in enumerate(self.song.tracks, start=1):
            who, why = ("nobody", self.left_out[number]) if number in self.left_out else ("", "")
            if number in self.assigned:
                who, why = self.assigned[number].instrument.name, self.assigned[number].why
            role = self.roles[number].name if number in self.roles else "drums" if track.is_drum else "silent"
            yield number, track.name, role, who, why

    def _notes(self) -> list[str]:
        names = ", ".join(program_name(program) for program in self.lacking)
        return [f"{self.style.name} also names {names}, without a counterpart in this model"] if names else []


@in_one_line
def cast(
    song: Song, players: GANSynth | Bank | Sequence[Candidate], style: str, keep: bool = True, seed: int = 0
) -> Cast:
    """A suitable instrument for each track of a song, by its file and by a style.

    A program that the file names comes first: it is the composer's. Tracks without one, or whose program has no
    counterpart, get one by their role (`roles_of`): of the style's programs for that part, the most frequent that no
    track has yet. Then each program gets an instrument, its own one or the nearest of its family (`casting.cast`).

    The file names a program if a program change stands before the track's notes. Where all tracks are of program 0, a
    piano, none counts as named: programs write that when nobody has chosen.

    Args:
      song: whose tracks are to be played; drums, and tracks without notes, are left out.
      players: a model with named instruments, a bank of one, or what is known of any others: the candidates of an
        atlas, say, whose families are guesses with a probability.
      style: one of `style_names`. It is never guessed.
      keep: leave tracks to the programs that the file names; False lets the style decide for all.
      seed: of what is drawn, where neither the file nor the style names a program that has a counterpart.

    Raises:
      ValueError: there is no such style, nothing is known of the model's instruments, or a candidate has a family that
        does not exist or a probability outside 0 to 1.

    Notebook: 09_explore.

    >>> from helpers import gansynth, midi, timbre
    >>> model, song = gansynth.load("demo"), midi.load("data/midi/study.mid")
    >>> tango = timbre.cast(song, model, style="tango", keep=False)
    >>> for number, (instrument, _) in tango.items():
    ...     print(f"track {number}: {instrument.name}, for {tango.roles[number].name}")
    track 1: Bandoneon, for melody
    track 2: Grand Piano, for chords
    track 3: String Ensemble, for chords
    track 4: Acoustic Bass, for bass
    >>> tango[1].why
    'the track has the melody, and tango gives 50% of its lines to Tango Accordion'
    >>> timbre.cast(song, model, style="tango")[1]
    Assignment(instrument=Instrument('Flute'), why='it is the program that the track asks for')
    """
    found, candidates, roles = styles.style(style), _candidates(players), roles_of(song)
    playable = {p for p in range(len(FAMILIES)) if any(_suits(candidate, p) for candidate in candidates)}
    asked = _named(song, roles) if keep else {}
    kept = {number: program for number, program in asked.items() if program in playable}
    picked = _picked(found, {number: role for number, role in roles.items() if number not in kept}, kept, playable)
    programs = kept | {number: pick.program for number, pick in picked.items()}
    suited = casting.cast(programs, [Voice(c.instrument.name, c.program, c.family) for c in candidates])
    others = _drawn(candidates, {index for index, _ in suited.values()}, seed)
    assigned = {}
    for number in roles:
        why = [_NO_COUNTERPART.format(program_name(asked[number]))] if number in asked.keys() - kept.keys() else []
        why += [picked[number].why] if number in picked else []
        if number in suited:
            index, fit = suited[number]
            player = candidates[index]
            why += _fit(player, fit, asked=kept.get(number))
        else:
            player = next(others)
            why.append(
                f"nothing that {found.name} names has a counterpart in this model, so it was drawn with seed {seed}"
            )
        assigned[number] = Assignment(player.instrument, "; ".join(why))
    left_out = {
        number: DRUMS if track.is_drum else "it has no notes"
        for number, track in enumerate(song.tracks, start=1)
        if number not in roles
    }
    lacking = tuple(program for program in found.programs if program not in playable)
    return Cast(song, found, assigned, roles, left_out, lacking)


def _candidates(players: GANSynth | Bank | Sequence[Candidate]) -> list[Candidate]:
    """Who can be cast, those of the highest probability first."""
    if isinstance(players, Sequence):
        if not players:
            raise ValueError("there is no candidate to be cast")
        for candidate in players:
            _check(candidate)
        return sorted(players, key=lambda candidate: -candidate.probability)
    model = players.model if isinstance(players, Bank) else players
    instruments = named(model)
    if not instruments:
        raise ValueError(f"{model.name} has no named instruments: give the candidates of an atlas instead of the model")
    rows = model.about["instruments"]
    return [Candidate(instruments[row["name"]], row.get("family", ""), program=row.get("program")) for row in rows]


def _check(candidate: Candidate) -> None:
    instrument, family, probability, _ = candidate
    if family not in FAMILIES:
        known = ", ".join(sorted(set(FAMILIES) - {""}))
        raise ValueError(f"{instrument.name!r} is of the family {family!r}; the families are {known}")
    if not 0 <= probability <= 1:
        raise ValueError(f"{instrument.name!r} has a probability of {probability:g}; it lies between 0 and 1")


def _suits(candidate: Candidate, program: int) -> bool:
    return candidate.program == program or bool(FAMILIES[program] and candidate.family == FAMILIES[program])


def _named(song: Song, roles: Mapping[int, Role]) -> dict[int, int]:
    """The programs that the file names, by track."""
    programs = {number: song.tracks[number - 1].program for number in roles}
    is_chosen = any(programs.values())
    return {number: p for number, p in programs.items() if is_chosen and song.tracks[number - 1].has_program}


class _Pick(NamedTuple):
    """A program that a style gives to a track."""

    program: int
    why: str


def _picked(
    style: Style, roles: Mapping[int, Role], kept: Mapping[int, int], playable: Collection[int]
) -> dict[int, _Pick]:
    """What the style gives to each track: its most frequent program for the part, those that no track has yet first."""
    plays = Counter(kept.values())
    picked: dict[int, _Pick] = {}
    for number in sorted(roles, key=lambda number: list(PART_OF).index(roles[number].name)):
        role = roles[number].name
        shares, where = _shares_for(style, PART_OF[role], playable)
        if shares:
            program = min(shares, key=lambda p: (plays[p], -shares[p], -style.programs[p]))
            plays[program] += 1
            gives = f"gives {shares[program]:.0%} of {where} to {program_name(program)}"
            picked[number] = _Pick(program, f"the track {DOES[role]}, and {style.name} {gives}")
    return picked


def _shares_for(style: Style, part: str, playable: Collection[int]) -> tuple[Shares, str]:
    """The programs that have a counterpart, of a part or else of the whole style, and in words of what they are."""
    for shares, where in (style.parts.get(part, {}), f"its {part}"), (style.programs, "all its voices"):
        if within := {program: share for program, share in shares.items() if program in playable}:
            return within, where
    return {}, ""


def _fit(player: Candidate, why: str, asked: int | None) -> list[str]:
    """How a player suits its program: what `casting.cast` says, or for a guessed family the probability."""
    if player.program is None:
        guess = f"by its sound this is one of that family ({player.family.replace('_', ' ')}), with a probability of "
        asks = [] if asked is None else [f"the track asks for {program_name(asked)}"]
        return [*asks, f"{guess}{player.probability:.0%}", *why.split("; ")[1:]]  # the rest: that it plays others too
    return [] if asked is None and why == casting.ASKED else [why]


def _drawn(candidates: Sequence[Candidate], used: Collection[int], seed: int) -> Iterator[Candidate]:
    order = np.random.RandomState(seed).permutation(len(candidates)).tolist()
    return itertools.cycle([candidates[i] for i in order if i not in used] or candidates)
