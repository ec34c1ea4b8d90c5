"""Instrument families: their names, and the classifier that guesses them."""

import numpy as np
import pytest
from inputs import described

from helpers.timbre import families


@pytest.mark.parametrize(("word", "family"), [
    ("organs", "organ"), ("Strings", "string"), ("violin", "string"), ("sax", "reed"), ("synth", "synth_lead"),
    ("voice", "vocal"), ("banjo", "guitar"), ("timpani", None), ("drums", None), ("", None),
])  # fmt: skip
def test_families_have_many_names(word, family):
    assert families.named(word) == family


def test_probabilities_sum_to_one():
    found = families.probabilities(np.stack([described(), described(spread=0.5), described(attack=-2.0, decay=0.3)]))
    assert found.shape == (3, 11)
    assert np.allclose(found.sum(axis=1), 1)
    accuracy, count = families.accuracy()
    assert 0.45 < accuracy < 1
    assert count > 150
