"""A classifier of pitch and instrument, trained on a reference: inception score, FID and pitch entropy use it.

The paper's was a network trained on NSynth that was never published. So these numbers can be compared between models
that were measured with one classifier, taught on one reference, and with no number of another paper.

Notebook: 12_measure.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

HIDDEN = 64  # units, whose activations are the features of FID
STEPS = 1000  # epochs, at most
DECAY = 0.1  # L2 penalty; there are a few hundred notes


class Classifier(NamedTuple):
    """Two networks with one hidden layer each; `taught` makes them."""

    pitch: Pipeline
    instrument: Pipeline

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """Activations of the instrument network's hidden layer, float64 [n, HIDDEN]."""
        scaled = self.instrument[:-1].transform(pictures)
        network = self.instrument[-1]
        return np.maximum(scaled @ network.coefs_[0] + network.intercepts_[0], 0)


def taught(
    pictures: np.ndarray, semitones: np.ndarray, pitches: np.ndarray, instruments: np.ndarray, seed: int
) -> Classifier:
    """Train a classifier.

    Args:
      pictures: what tells the instrument, [n, cells] of `pictures.log_mel`.
      semitones: what tells the pitch, [n, COUNT] of `pictures.semitones`.
      pitches, instruments: the classes, [n].
      seed: of the first weights and the order of notes.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def network() -> Pipeline:
        layers = MLPClassifier((HIDDEN,), alpha=DECAY, max_iter=STEPS, random_state=seed)
        return make_pipeline(StandardScaler(), layers)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # how good it became, its accuracy says
        return Classifier(network().fit(semitones, pitches), network().fit(pictures, instruments))
