"""helpers.evaluation.classifier: it learns classes that are there, repeatably, and none that are not."""

import numpy as np
import pytest

from helpers.evaluation import classifier


def data(seed, is_random=False):
    rng = np.random.RandomState(seed)
    pitches, instruments = rng.randint(5, size=120), rng.randint(4, size=120)
    semitones, pictures = 10 * np.eye(5)[pitches], 10 * np.eye(4)[instruments]
    if is_random:
        rng.shuffle(pitches)
        rng.shuffle(instruments)
    return (
        pictures + rng.normal(size=pictures.shape),
        semitones + rng.normal(size=semitones.shape),
        pitches,
        instruments,
    )


def accuracy(taught, pictures, semitones, pitches, instruments):
    return np.mean(taught.pitch.predict(semitones) == pitches), np.mean(
        taught.instrument.predict(pictures) == instruments
    )


@pytest.mark.slow
def test_classes_are_learnt_each_from_its_own_picture():
    assert min(accuracy(classifier.trained(*data(0), seed=0), *data(1))) > 0.95


@pytest.mark.slow
def test_what_is_not_there_is_not_learnt(recwarn):
    assert max(accuracy(classifier.trained(*data(0, is_random=True), seed=0), *data(1))) < 0.6
    assert not recwarn.list  # that a network went on to its last epoch is nothing for a reader


def test_features_are_what_the_instrument_is_told_by():
    pictures, semitones, pitches, instruments = data(0)
    taught = classifier.trained(pictures, semitones, pitches, instruments, seed=0)
    found = taught.features(pictures)
    network = taught.instrument[-1]
    scores = found @ network.coefs_[1] + network.intercepts_[1]
    assert found.shape == (120, classifier.HIDDEN)
    assert (network.classes_[scores.argmax(axis=1)] == taught.instrument.predict(pictures)).all()


@pytest.mark.slow
def test_the_seed_decides():
    first, second = (classifier.trained(*data(0), seed=3).features(data(1)[0]) for _ in range(2))
    assert (first == second).all()
