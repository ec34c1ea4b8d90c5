"""helpers.pitch: both trackers on notes whose deviation is known."""

import numpy as np
import pytest

from helpers import pitch

RATE = 16000


def tone(note, cents=0.0, rate=RATE, seconds=4.0):
    """A tone with eight partials, so many cents above a MIDI pitch."""
    time, hertz = np.arange(int(seconds * rate)) / rate, 440 * 2 ** ((note - 69 + cents / 100) / 12)
    partials = (np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 9) if k * hertz < rate / 2)
    return sum(partials).astype(np.float32)


@pytest.mark.parametrize("note", [24, 36, 48, 60, 72, 84])
@pytest.mark.parametrize("cents", [0, 30])
def test_pyin_hears_the_cents_of_the_whole_range(note, cents):
    assert pitch.pyin(tone(note, cents), note, RATE) == pytest.approx(cents, abs=15.1)  # it answers in steps of 10


@pytest.mark.parametrize("note", [36, 48, 60, 72, 84])
@pytest.mark.parametrize("cents", [0, 30])
def test_swift_f0_hears_them_above_its_lowest_pitch(note, cents):
    assert pitch.swift_f0(tone(note, cents), note, RATE) == pytest.approx(cents, abs=10)


def test_swift_f0_says_nothing_of_what_it_cannot_hear():
    assert np.isnan(pitch.swift_f0(tone(30), 30, RATE))


@pytest.mark.parametrize("tracker", [pitch.pyin, pitch.swift_f0])
def test_another_note_is_not_in_tune_and_silence_has_no_pitch(tracker):
    for octaves in (-36, -24, -12, 12, 24, 36):
        assert not abs(tracker(tone(60 + octaves), 60, RATE)) <= pitch.IN_TUNE_CENTS
    assert np.isnan(tracker(np.zeros(4 * RATE, np.float32), 60, RATE))


@pytest.mark.parametrize("tracker", [pitch.pyin, pitch.swift_f0])
def test_other_rates_and_lengths(tracker):
    assert abs(tracker(tone(60, rate=44100), 60, 44100)) <= 15
    assert abs(tracker(tone(72, seconds=0.5), 72, RATE)) <= 15


def test_short_notes_are_heard_in_their_middle():
    assert pitch.heard(4 * RATE, RATE) == (3200, 11200)  # 0.2 to 0.7 s
    assert pitch.heard(4096, RATE) == (512, 3072)
