"""A small classifier, included in the package, of the instrument family of a sound, with probabilities.

It is a logistic regression on descriptors and cepstra, trained by tools/make_family_classifier.py on notes of General
MIDI soundfonts. It knows nothing of a GAN's latents, only how they sound. `accuracy` is measured on programs that were
not in its training set.

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

FAMILIES = tuple(sorted(set(casting.FAMILIES) - {""}))  # NSynth's eleven, in the order of the classifier's outputs
NO_FAMILY = ("drum", "effect")  # words in names of programs that are misleading, as in "Steel Drums"
# A colour and a marker shape for each family. Colour-blind readers can distinguish the six colours (Okabe & Ito) on
# light and dark backgrounds; families that share a colour have different shapes and are related if possible.
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
_LOUDNESS = NAMES.index("loudness")  # not used, because it depends on the level of a source


class _Classifier(NamedTuple):
    """The classifier: probabilities are softmax(weights @ (features - mean) / scale + bias)."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    accuracy: float
    instruments: int


@functools.cache
def _classifier() -> _Classifier:
    content = json.loads(Path(__file__).with_name("families.json").read_text("utf-8"))
    mean, scale, weights, bias = (np.array(content[name]) for name in ("mean", "scale", "weights", "bias"))
    return _Classifier(mean, scale, weights, bias, content["accuracy"], content["instruments"])


def accuracy() -> tuple[float, int]:
    """Accuracy of the most probable family on held-out programs, and the number of instruments it was measured on."""
    return _classifier().accuracy, _classifier().instruments


def features(described: np.ndarray) -> np.ndarray:
    """The classifier's input, [n, features], from descriptors and cepstra, [n, pitches, both].

    It has all values at all pitches except loudness. For a silent pitch, the median over the other pitches is used.
    """
    kept = np.delete(described, _LOUDNESS, axis=2)
    return np.where(np.isnan(kept), np.nanmedian(kept, axis=1, keepdims=True), kept).reshape(len(kept), -1)


def probabilities(described: np.ndarray) -> np.ndarray:
    """Probabilities of the families, [n, families], from descriptors and cepstra, [n, pitches, both]."""
    model = _classifier()
    scores = (features(described) - model.mean) / model.scale @ model.weights.T + model.bias
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def named(word: str) -> str | None:
    """The family that a word stands for: the name of a family, singular or plural, or of a General MIDI program.

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
