"""One note of a model, as it is heard."""

import numpy as np
import pytest
from inputs import RATE, Stub

from helpers import instruments, render
from helpers.instruments import Instrument

ONE = Instrument("one", np.ones(4))


def test_a_note_is_that_of_a_song():
    model = Stub()
    expected = render.shape_note(model.generate(ONE.z[None], [60], [2.0])[0], 1.7, 127)
    np.testing.assert_allclose(
        render.note(model, ONE, 60).samples, expected / max(1.0, np.abs(expected).max()), atol=1e-6
    )


def test_a_note_lasts_as_long_as_it_is_held_and_its_release():
    assert render.note(Stub(), ONE, 60, hold=0.5).duration == pytest.approx(0.8, abs=1e-3)
    long = render.note(Stub(), ONE, 60, hold=9.0)
    assert long.duration == pytest.approx(9.3, abs=1e-3)
    assert np.abs(long.samples[8 * RATE : 9 * RATE]).max() > 0.1
    once = render.note(Stub(), ONE, 60, hold=9.0, settings=render.Settings(sustain="once"))
    assert once.duration == pytest.approx(3.3, abs=1e-3)


def test_no_more_is_computed_than_is_heard():
    model = Stub()
    render.note(model, ONE, 60, hold=1.0)
    [(_, _, seconds)] = model.asked
    assert seconds == pytest.approx(1.3)


def test_softer_notes_are_softer_and_none_clips():
    loud, soft = (render.note(Stub(), ONE, 60, velocity=velocity) for velocity in (127, 64))
    assert soft.peak == pytest.approx(loud.peak * (64 / 127) ** 2, rel=1e-3)
    assert loud.peak <= 1.0


def test_the_sample_rate_can_be_chosen():
    clip = render.note(Stub(), ONE, 60, settings=render.Settings(sample_rate=44100))
    assert (clip.sample_rate, round(clip.duration, 2)) == (44100, 2.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hold": 0}, "hold is 0; it must be above 0 and at most 300 s"),
        ({"hold": float("nan")}, "hold is nan"),
        ({"hold": 301}, "at most 300 s"),
        ({"velocity": 0}, "velocity is 0; it must be between 1 and 127"),
        ({"velocity": 128}, "velocity is 128"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        render.note(Stub(), ONE, 60, **arguments)


def test_an_instrument_of_another_model_is_refused():
    with pytest.raises(ValueError, match="'far' was made for violins; stub would give a different sound"):
        render.note(Stub(), Instrument("far", np.ones(4), "violins", "abc"), 60)
    with pytest.raises(ValueError, match="'short' has a latent of 2 numbers; stub takes 4"):
        instruments.check_model(Instrument("short", [1.0, 2.0]), Stub())


@pytest.mark.parametrize("pitch", [[60], "C4", 60.5, 23, 85, None])
def test_a_pitch_is_one_whole_number(pitch):
    with pytest.raises(ValueError, match=r"^pitch is .*; it must be a whole number from 24 to 84$"):
        render.note(Stub(), ONE, pitch)
    of_numpy, plain = (render.note(Stub(), ONE, number).samples for number in (np.int64(60), 60))
    np.testing.assert_array_equal(of_numpy, plain)
