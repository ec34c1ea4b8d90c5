"""A classifier of pitch and instrument, trained on the reference, for inception score, FID and pitch entropy.

The paper's classifier, trained on NSynth, was never published. So these scores can be compared between models that were
evaluated with the same classifier, trained on the same reference, but not with scores from other papers.

Notebook: 12_measure.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

HIDDEN = 64  # hidden units, whose activations are the features for FID
STEPS = 1000  # the most epochs
DECAY = 0.1  # L2 penalty, chosen for a few hundred notes


class Classifier(NamedTuple):
    """Two networks with one hidden layer each, as returned by `trained`.

    Attributes:
      pitch: network that classifies the pitch.
      instrument: network that classifies the instrument.
    """

    pitch: Pipeline
    instrument: Pipeline

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """Activations of the instrument network's hidden layer, float64 [n, HIDDEN]."""
        scaled = self.instrument[:-1].transform(pictures)
        network = self.instrument[-1]
        return np.maximum(scaled @ network.coefs_[0] + network.intercepts_[0], 0)


def trained(
    pictures: np.ndarray, semitones: np.ndarray, pitches: np.ndarray, instruments: np.ndarray, seed: int
) -> Classifier:
    """Train a classifier.

    Args:
      pictures: features for the instrument, [n, cells] from `features.log_mel`.
      semitones: features for the pitch, [n, COUNT] from `features.semitones`.
      pitches, instruments: the classes, [n].
      seed: seed of the initial weights and of the order of notes.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def network() -> Pipeline:
        layers = MLPClassifier((HIDDEN,), alpha=DECAY, max_iter=STEPS, random_state=seed)
        return make_pipeline(StandardScaler(), layers)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the classifier's accuracy is reported anyway
        return Classifier(network().fit(semitones, pitches), network().fit(pictures, instruments))
