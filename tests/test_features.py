"""helpers.evaluation.features: what sounds when, whatever the level."""

import numpy as np
import pytest

from helpers.evaluation import features

RATE = 16000


def tone(hertz, rate=RATE, seconds=4.0):
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate).astype(np.float32)


def test_a_picture_has_a_cell_for_each_band_and_time_and_no_level():
    loud, quiet = features.log_mel(np.stack([tone(440), 0.01 * tone(440)]), RATE)
    assert loud == pytest.approx(quiet, abs=0.01)
    assert loud.shape == (features.BANDS * (len(features.EDGES) - 1),)
    assert (loud.max(), loud.min()) == (0, -features.RANGE)


def test_it_shows_when_a_note_sounds():
    late = tone(440)
    late[: RATE // 2] = 0
    band = features.log_mel(late[None], RATE).reshape(features.BANDS, -1).max(axis=0)
    assert band[0] < -40
    assert band[-1] > -3


@pytest.mark.parametrize("note", [24, 45, 69, 84, 108])
def test_the_loudest_semitone_is_that_of_a_tone(note):
    found = features.semitones(tone(440 * 2 ** ((note - 69) / 12))[None], RATE)[0]
    assert found.argmax() + features.LOWEST == note


def test_other_rates_show_the_same():
    ours, theirs = (features.log_mel(tone(440, rate)[None], rate)[0] for rate in (RATE, 2 * RATE))
    assert ours.shape == theirs.shape


def test_silence_is_silent():
    assert (features.log_mel(np.zeros((1, 4 * RATE)), RATE) == -features.RANGE).all()
    assert (features.semitones(np.zeros((1, 4 * RATE)), RATE) == -features.RANGE).all()
