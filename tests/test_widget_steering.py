"""helpers.widgets.Steering: sliders, their result and their code, without a browser."""

import numpy as np
import pytest
from inputs import OtherPlayer, Player, directions_of

from helpers import instruments, render
from helpers.instruments import Instrument
from helpers.widgets import BlendPad, Steering


@pytest.fixture
def turn():
    return directions_of()


@pytest.fixture
def steering(turn, bank):
    return Steering(turn, bank, "stub 1-5")


def asked(steering):
    return steering._bank.model.asked


def test_one_slider_for_each_named_direction(steering):
    assert list(steering._sliders) == ["brightness", "decay"]  # and none for what is too weak for a name
    slider = steering._sliders["brightness"]
    assert (slider.min, slider.max, slider.value, slider.continuous_update) == (-2, 2, 0, False)
    tooltip = slider.tooltip if slider.has_trait("tooltip") else slider.description_tooltip  # ipywidgets 8, or 7
    assert "brighter, and thinner" in tooltip
    r, words = steering._grid.children[1:3]
    assert "r 0.87" in r.value
    assert "0.82 to 0.92" in r.value
    assert "brighter, and thinner" in words.value


def test_letting_a_slider_go_plays_what_is_steered(steering, turn, bank):
    steering._sliders["brightness"].value = 1.5
    expected = turn.steer(bank["stub 1-5"], brightness=1.5)
    assert np.array_equal(steering.instrument.z, expected.z)
    first, pitch, seconds = asked(steering)[-1]
    assert (first, pitch, seconds) == (pytest.approx(expected.z[0]), 60, 2.0)
    assert bytes(steering._sound.value)[:4] == b"fLaC"
    steering._sliders["decay"].value = -0.5
    both = turn.steer(bank["stub 1-5"], brightness=1.5, decay=-0.5)
    assert np.array_equal(steering.instrument.z, both.z)
    assert len(asked(steering)) == 2
    steering._sliders["brightness"].value = 0
    assert steering.amounts == {"decay": -0.5}


def test_what_code_sets_moves_the_sliders_silently(steering, turn, bank):
    steering.amounts = {"decay": 1, "brightness": -0.25}
    assert [slider.value for slider in steering._sliders.values()] == [-0.25, 1]
    assert np.array_equal(steering.instrument.z, turn.steer(bank["stub 1-5"], brightness=-0.25, decay=1).z)
    steering.start = "stub 1-7"
    assert steering._instrument.value == "stub 1-7"
    assert asked(steering) == []


def test_another_instrument_is_steered_alike_and_heard(steering, turn, bank):
    steering.amounts = {"brightness": 1}
    steering._instrument.value = "stub 1-7"
    assert np.array_equal(steering.instrument.z, turn.steer(bank["stub 1-7"], brightness=1).z)
    assert asked(steering)[-1][0] == pytest.approx(steering.instrument.z[0])


def test_the_piano_changes_the_pitch(steering):
    steering._piano._handle_custom_msg({"key": 48}, [])
    assert asked(steering)[-1][1] == steering.pitch == 48
    assert "render.note(model, turned, 48)" in steering.code()


def test_reset(steering, bank):
    steering.amounts = {"brightness": 2, "decay": 1}
    steering._choice.children[1].click()
    assert steering.instrument is bank["stub 1-5"]
    assert [slider.value for slider in steering._sliders.values()] == [0, 0]
    assert asked(steering)[-1][0] == pytest.approx(bank["stub 1-5"].z[0])
    assert 'turned = bank["stub 1-5"]' in steering.code()


def test_keep_goes_into_the_bank_of_all(steering, bank):
    pad = BlendPad(bank)
    steering.amounts = {"brightness": 1, "decay": -0.5}
    assert steering._name.placeholder == "stub 1-5, brightness +1, decay -0.5"
    steering._keeping.children[1].click()
    assert bank.kept == ["stub 1-5, brightness +1, decay -0.5"]
    assert bank.kept[0] in pad._choices[0].options
    assert bank.kept[0] in steering._instrument.options
    assert "kept as stub 1-5, brightness +1, decay -0.5 in outputs/instruments.json" in steering.message
    steering._name.value = "mine"
    steering._keeping.children[1].click()
    assert np.array_equal(bank["mine"].z, steering.instrument.z)
    assert steering._name.value == ""
    steering.amounts = {}
    steering.keep("mine")
    assert "another instrument called &#x27;mine&#x27;" in steering.message


def test_what_is_kept_can_be_steered_further(steering, turn, bank):
    steering.amounts = {"brightness": 1}
    steering.keep("mine")
    steering._instrument.value = "mine"
    assert np.array_equal(steering.instrument.z, turn.steer(bank["mine"], brightness=1).z)
    bank.discard("mine")
    assert steering.start == "stub 1-0"
    assert "mine" not in steering._instrument.options


def test_only_points_of_the_latent_space_are_offered(steering, bank):
    """`matching.match(free="first layer")` makes what is none, and a bank may hold it."""
    steering.amounts = {"brightness": 1}
    bank.keep(Instrument("freed", np.ones(20), bank.model.name, bank.model.fingerprint))
    assert "freed" not in steering._instrument.options
    with pytest.raises(ValueError, match="'freed' is not a point of the latent space and cannot be steered"):
        steering.start = "freed"
    assert steering.start == "stub 1-5"


def test_the_code_does_what_was_done(steering, turn):
    steering.amounts = {"decay": -0.5, "brightness": 1}
    assert 'turned = turn.steer(bank["stub 1-5"], brightness=1, decay=-0.5)' in steering.code()
    names = {"model": Player(), "turn": turn, "instruments": instruments, "render": render}
    exec(steering.code(), names)
    assert np.array_equal(names["turned"].z, steering.instrument.z)
    assert len(names["clip"].samples) == 32000


def test_impossible_amounts_are_refused(steering):
    for amounts, message in [
        ({"vibrato": 1}, "no direction 'vibrato'; the directions are brightness, decay"),
        ({"brightness": 2.5}, "is 2.5; it must be between -2 and 2 standard"),
        ({"brightness": np.nan}, "is nan; it must"),
    ]:
        with pytest.raises(ValueError, match=message):
            steering.amounts = amounts
    assert (steering.amounts, steering._sliders["brightness"].value) == ({}, 0)
    with pytest.raises(ValueError, match="no instrument 'nobody' in the bank"):
        steering.start = "nobody"


def test_an_error_is_one_line_and_the_control_goes_on(steering):
    steering._model.generate = None  # not to be called
    steering._sliders["decay"].value = 1
    assert 'role="alert"' in steering.message
    del steering._model.generate
    steering._sliders["decay"].value = 0.5
    assert steering.message == ""


def test_another_model_is_said_and_the_control_waits(steering, bank):
    steering.amounts = {"brightness": 1}
    before = steering.instrument
    bank.use(OtherPlayer())
    assert "These directions belong to stub; to steer instruments of other, use" in steering._age.value
    assert all(slider.disabled for slider in steering._sliders.values())
    assert steering._instrument.disabled
    assert steering.instrument is before
    bank.use(steering._model)
    assert steering._age.value == ""
    assert not steering._instrument.disabled
    steering._sliders["brightness"].value = 0.5
    assert steering.message == ""


def test_what_does_not_fit_is_refused(turn, bank):
    with pytest.raises(TypeError, match=r"such as instruments\.bank\(model\)"):
        Steering(turn, {"a": Instrument("a", np.ones(4))})
    with pytest.raises(ValueError, match="latents of 3 numbers; those of stub have 4"):
        Steering(directions_of(size=3), bank)
    with pytest.raises(ValueError, match="no instrument 'nobody'"):
        Steering(turn, bank, "nobody")
    assert Steering(turn, bank).start == "stub 1-0"
