"""Words for timbres, such as "bright", defined by thresholds on descriptors, and the vocabulary of searches.

Notebook: 09_explore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .descriptors import DESCRIPTORS


class Condition(NamedTuple):
    """A descriptor above (sign 1) or below (-1) a threshold in its unit.

    Attributes:
      descriptor: name of the descriptor.
      sign: 1 or -1.
      threshold: threshold in the descriptor's unit.
    """

    descriptor: str
    sign: int
    threshold: float

    def margin(self, values: Mapping[str, float]) -> float:
        """By how many clearly audible steps the condition is met; negative if it is not."""
        return self.sign * (values[self.descriptor] - self.threshold) / STEPS[self.descriptor]


STEPS = {descriptor.name: descriptor.step for descriptor in DESCRIPTORS}
SHOWN = 3  # maximum number of words for an instrument

# All conditions of a word must be met. The thresholds were set by ear, and from the distribution of each descriptor
# over real instruments, so that a word applies to about a quarter of them.
WORDS: dict[str, tuple[Condition, ...]] = {
    "bright": (Condition("brightness", 1, 2.3),),
    "dark": (Condition("brightness", -1, 1.0),),
    "plucked": (Condition("attack", -1, -1.4), Condition("decay", -1, 1.0), Condition("sustain", -1, -10.0)),
    "slow": (Condition("attack", 1, -0.6),),
    "short": (Condition("decay", -1, 0.3),),
    "sustained": (Condition("sustain", 1, -3.0), Condition("decay", 1, 1.2)),
    "noisy": (Condition("noisiness", 1, -22.0),),
    "pure": (Condition("noisiness", -1, -35.0), Condition("fundamental", 1, -0.5)),
    "hollow": (Condition("odd_even", 1, 6.0),),
    "nasal": (Condition("fundamental", -1, -8.0), Condition("brightness", 1, 1.5)),
    "metallic": (Condition("inharmonicity", 1, 5.0), Condition("decay", -1, 1.3)),
    "trembling": (Condition("tremolo", 1, 0.5),),
    "vibrating": (Condition("vibrato", 1, 5.0),),
    "loud": (Condition("loudness", 1, -9.0),),
    "quiet": (Condition("loudness", -1, -17.0),),
}
SYNONYMS = {
    "brilliant": "bright", "sharp": "bright", "dull": "dark", "mellow": "dark", "warm": "dark", "struck": "plucked",
    "percussive": "plucked", "soft": "quiet", "swelling": "slow", "long": "sustained", "held": "sustained",
    "bowed": "slow", "breathy": "noisy", "airy": "noisy", "clean": "pure", "clear": "pure", "thin": "nasal",
    "bell-like": "metallic", "tremolo": "trembling", "vibrato": "vibrating", "staccato": "short",
}  # fmt: skip

# Words for more or less of a descriptor than an example has.
COMPARATIVES = {
    "brighter": ("brightness", 1), "darker": ("brightness", -1), "slower": ("attack", 1), "faster": ("attack", -1),
    "longer": ("decay", 1), "shorter": ("decay", -1), "noisier": ("noisiness", 1), "purer": ("noisiness", -1),
    "hollower": ("odd_even", 1), "louder": ("loudness", 1), "softer": ("loudness", -1), "quieter": ("loudness", -1),
    "warmer": ("brightness", -1), "duller": ("brightness", -1), "thinner": ("fundamental", -1),
    "fuller": ("fundamental", 1),
}  # fmt: skip


def margin(word: str, values: Mapping[str, float]) -> float:
    """By how many clearly audible steps a word applies; negative if it does not."""
    return min(condition.margin(values) for condition in WORDS[word])


def words(values: Mapping[str, float]) -> list[str]:
    """The words that apply to an instrument, the most pronounced first; at most three.

    >>> from helpers import timbre
    >>> values = dict.fromkeys(timbre.NAMES, 0.0) | {"brightness": 2.6, "attack": -1.8, "decay": 0.2, "sustain": -40.0}
    >>> values |= {"noisiness": -30.0, "loudness": -12.0}
    >>> timbre.words(values)
    ['plucked', 'bright', 'short']

    Notebook: 09_explore.
    """
    holding = {word: margin(word, values) for word in WORDS}
    return sorted((word for word, by in holding.items() if by >= 0), key=lambda word: -holding[word])[:SHOWN]


def in_words(values: Mapping[str, float]) -> str:
    """`words` as one phrase: "bright, plucked, short"."""
    return ", ".join(words(values)) or "nothing in particular"


def known(token: str) -> str | None:
    """The word in `WORDS` that a search term stands for, if any."""
    token = token.lower()
    return token if token in WORDS else SYNONYMS.get(token)


def vocabulary() -> Sequence[str]:
    """All words that can be searched for, except families and names."""
    return [*WORDS, *SYNONYMS, *COMPARATIVES]
