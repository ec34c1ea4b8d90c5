"""Choose an instrument for each track of a song, from the programs in its file and those that are typical of a style.

    cast = timbre.cast(song, model, style="tango")
    clip = render.render(model, song, cast)

The user names the style; it is not detected.

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
from ..casting import FAMILIES, Profile, program_name
from ..errors import in_one_line
from ..instruments import Assignment, Bank, Instrument, named
from ..tables import table
from . import styles
from .roles import Role, RoleName, roles_of
from .styles import Shares, Style

if TYPE_CHECKING:
    from ..gansynth import GANSynth
    from ..midi import Song

# The part of a style that each role takes its program from, in the order in which roles choose. The styles were counted
# in accompaniments, which have no melody part, so the melody takes the programs of the lines around it.
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
    """An instrument that may be cast, with its known or estimated family and program.

    Attributes:
      instrument: the instrument.
      family: an NSynth family, one of `casting.FAMILIES`; "" for none of them.
      probability: probability of the family; 1 if it is known.
      program: General MIDI program, counted from 0; None if unknown.
    """

    instrument: Instrument
    family: str
    probability: float = 1.0
    program: int | None = None


@dataclasses.dataclass(frozen=True)
class Cast(Mapping[int, Assignment]):
    """The instrument of each track of a song: {track number, from 1: (instrument, why)}. Can be passed to `render`.

    Attributes:
      song: the song.
      style: the requested style.
      assigned: the same mapping as a dict.
      roles: {track number: the role of the track in the song}.
      left_out: {track number: why no instrument plays it}.
      lacking: programs of the style without a counterpart among the instruments.
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
            who, why = ("left out", self.left_out[number]) if number in self.left_out else ("", "")
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
    """Choose a suitable instrument for each track of a song, from its file and a style.

    A program given in the file takes precedence: the composer chose it. Tracks without one, or whose program has no
    counterpart, get a program by their role (`roles_of`): the style's most frequent program for that part which no
    track has yet. Each program then gets an instrument, its own or the nearest of its family (`casting.cast`).

    The file gives a program if there is a program change before the track's notes. If all tracks have program 0
    (piano), none counts as given, because editors write that by default.

    Args:
      song: the song; drums and tracks without notes are left out.
      players: a model with named instruments, a bank of such a model, or a sequence of candidates, such as those of an
        atlas, whose families are estimates with a probability.
      style: one of `style_names`.
      keep: keep the programs given in the file; False lets the style decide for all tracks.
      seed: seed for the instruments that are drawn at random, if neither the file nor the style gives a program with a
        counterpart.

    Raises:
      ValueError: there is no such style, the model has no named instruments, or a candidate has an unknown family or a
        probability outside 0 to 1.

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
    suited = casting.cast(programs, [Profile(c.instrument.name, c.program, c.family) for c in candidates])
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
            why.append(f"no program of {found.name} has a counterpart in this model, so it was drawn with seed {seed}")
        assigned[number] = Assignment(player.instrument, "; ".join(why))
    left_out = {
        number: DRUMS if track.is_drum else "it has no notes"
        for number, track in enumerate(song.tracks, start=1)
        if number not in roles
    }
    lacking = tuple(program for program in found.programs if program not in playable)
    return Cast(song, found, assigned, roles, left_out, lacking)


def _candidates(players: GANSynth | Bank | Sequence[Candidate]) -> list[Candidate]:
    """The instruments to choose from, in order of decreasing probability."""
    if isinstance(players, Sequence):
        if not players:
            raise ValueError("there are no candidates to choose from")
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
        raise ValueError(f"{instrument.name!r} has the unknown family {family!r}; the families are {known}")
    if not 0 <= probability <= 1:
        raise ValueError(f"{instrument.name!r} has a probability of {probability:g}; it must be from 0 to 1")


def _suits(candidate: Candidate, program: int) -> bool:
    return candidate.program == program or bool(FAMILIES[program] and candidate.family == FAMILIES[program])


def _named(song: Song, roles: Mapping[int, Role]) -> dict[int, int]:
    """The programs given in the file, by track; none if all tracks have program 0."""
    programs = {number: song.tracks[number - 1].program for number in roles}
    is_chosen = any(programs.values())
    return {number: p for number, p in programs.items() if is_chosen and song.tracks[number - 1].has_program}


class _Pick(NamedTuple):
    """The program that a style gives to a track, and the reason in words."""

    program: int
    why: str


def _picked(
    style: Style, roles: Mapping[int, Role], kept: Mapping[int, int], playable: Collection[int]
) -> dict[int, _Pick]:
    """The program that the style gives to each track: of the least used so far, the most frequent one of the part."""
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
    """The programs with a counterpart in a part or, if it has none, in the whole style; and which of these in words."""
    for shares, where in (style.parts.get(part, {}), f"its {part}"), (style.programs, "all its parts"):
        if within := {program: share for program, share in shares.items() if program in playable}:
            return within, where
    return {}, ""


def _fit(player: Candidate, why: str, asked: int | None) -> list[str]:
    """Why an instrument was chosen: the reason of `casting.cast` or, for an estimated family, its probability."""
    if player.program is None:
        guess = f"by its sound this is one of that family ({player.family.replace('_', ' ')}), with a probability of "
        asks = [] if asked is None else [f"the track asks for {program_name(asked)}"]
        return [*asks, f"{guess}{player.probability:.0%}", *why.split("; ")[1:]]  # the rest: other tracks that it plays
    return [] if asked is None and why == casting.ASKED else [why]


def _drawn(candidates: Sequence[Candidate], used: Collection[int], seed: int) -> Iterator[Candidate]:
    order = np.random.RandomState(seed).permutation(len(candidates)).tolist()
    return itertools.cycle([candidates[i] for i in order if i not in used] or candidates)
