"""Which instrument family something sounds like, as probabilities, by a small classifier that ships with the package.

It is a logistic regression on descriptors and cepstra, taught by tools/make_family_classifier.py from notes of General
MIDI soundfonts. It was never told what a GAN's latent means: it guesses how one sounds. `accuracy` says how often it is
right about programs that it was not taught.

Notebook: 09_explore.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import casting
from .descriptors import NAMES

FAMILIES = tuple(sorted(set(casting.FAMILIES) - {""}))  # NSynth's eleven; in this order the classifier has them
NO_FAMILY = ("drum", "effect")  # words of program names that would lead astray, as in "Steel Drums"
# Of each family, a colour and a shape. Six colours that colour-blind readers tell apart (Okabe & Ito), on light and on
# dark ground; what shares a colour differs in shape, and is related where it can be.
SIGNS = {
    "bass": ("#0072b2", "square"),
    "brass": ("#e69f00", "triangle"),
    "flute": ("#56b4e9", "circle"),
    "guitar": ("#d55e00", "diamond"),
    "keyboard": ("#0072b2", "circle"),
    "mallet": ("#cc79a7", "diamond"),
    "organ": ("#009e73", "square"),
    "reed": ("#e69f00", "circle"),
    "string": ("#d55e00", "circle"),
    "synth_lead": ("#cc79a7", "square"),
    "vocal": ("#009e73", "circle"),
}
_LOUDNESS = NAMES.index("loudness")  # it depends on how a source was levelled


class _Taught(NamedTuple):
    """The classifier: probabilities are softmax(weights @ (features - mean) / scale + bias)."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    accuracy: float
    instruments: int


@functools.cache
def _taught() -> _Taught:
    content = json.loads(Path(__file__).with_name("families.json").read_text("utf-8"))
    mean, scale, weights, bias = (np.array(content[name]) for name in ("mean", "scale", "weights", "bias"))
    return _Taught(mean, scale, weights, bias, content["accuracy"], content["instruments"])


def accuracy() -> tuple[float, int]:
    """How often the most probable family is right, of programs that were held out, and of how many instruments."""
    return _taught().accuracy, _taught().instruments


def features(described: np.ndarray) -> np.ndarray:
    """What the classifier receives: [n, features], of descriptors and cepstra [n, pitches, both].

    All of them at all pitches, but for the loudness; a pitch that is silent has what the others have in the median.
    """
    kept = np.delete(described, _LOUDNESS, axis=2)
    return np.where(np.isnan(kept), np.nanmedian(kept, axis=1, keepdims=True), kept).reshape(len(kept), -1)


def probabilities(described: np.ndarray) -> np.ndarray:
    """Of each family, [n, families], of descriptors and cepstra [n, pitches, both]."""
    taught = _taught()
    scores = (features(described) - taught.mean) / taught.scale @ taught.weights.T + taught.bias
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True)


def named(word: str) -> str | None:
    """The family that a word names, in singular or plural, or that of the General MIDI program of that name.

    >>> from helpers.timbre import families
    >>> families.named("organs"), families.named("cello"), families.named("drums")
    ('organ', 'string', None)
    """
    word = word.lower().replace("-", "_")
    if not word or word.rstrip("s") in NO_FAMILY:
        return None
    for family in FAMILIES:
        if word in (
            family,
            family + "s",
            family.replace("_", " "),
            family.split("_")[0],
            "voice" * (family == "vocal"),
        ):
            return family
    for program, family in enumerate(casting.FAMILIES):
        if family and word.rstrip("s") in {part.rstrip("s") for part in casting.program_name(program).lower().split()}:
            return family
    return None
