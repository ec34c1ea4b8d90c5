"""Words for timbres, and the thresholds that they stand for."""

import pytest
from inputs import TYPICAL

from helpers import timbre
from helpers.timbre import wording


@pytest.mark.parametrize("word", wording.WORDS)
def test_every_word_holds_for_something_and_not_for_what_is_typical(word):
    met = TYPICAL | {one.descriptor: one.threshold + 0.01 * one.sign for one in wording.WORDS[word]}
    assert wording.margin(word, met) > 0
    assert wording.margin(word, TYPICAL) < 0


def test_words_are_the_most_certain_and_at_most_three():
    values = TYPICAL | {"brightness": 2.4, "odd_even": 30.0, "noisiness": 0.0, "tremolo": 4.0}
    assert timbre.words(values) == ["hollow", "trembling", "noisy"]
    assert wording.in_words(TYPICAL) == "nothing in particular"
