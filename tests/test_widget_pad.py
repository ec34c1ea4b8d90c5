"""helpers.widgets.pad: the point, its instrument and its code, without a browser."""

import numpy as np
import pytest
import traitlets
from inputs import Stub

from helpers import audio, instruments, render
from helpers.instruments import Instrument, blend_square
from helpers.widgets.pad import BlendPad


class Model(Stub):
    """One latent may play all the pitches, as with a real model."""

    def generate(self, z, pitches, **how):
        return super().generate(np.broadcast_to(z, (len(pitches), np.shape(z)[-1])), pitches, **how)


@pytest.fixture
def bank():
    return {instrument.name: instrument for instrument in instruments.sample(Model(), 9, seed=3)}


@pytest.fixture
def pad(bank):
    return BlendPad(Model(), ["stub 3-0", "stub 3-1", "stub 3-2", "stub 3-3"], bank)


def let_go(pad, x, y):
    """What the square sends when the point is let go."""
    pad._square._handle_custom_msg({"play": True, "x": x, "y": y}, [])


def test_the_instrument_is_the_blend_at_the_point(pad, bank):
    corners = list(bank.values())[:4]
    assert (pad.x, pad.y) == (0.5, 0.5)
    for x, y in [(0.5, 0.5), (0.25, 0.75), (1, 0)]:
        pad.x, pad.y = x, y
        assert (pad.instrument.z == blend_square(corners, x, y).z).all()
    assert (pad.instrument.z == corners[1].z).all()


def test_letting_go_plays_the_blend(pad):
    let_go(pad, 0.2, 0.9)
    assert (pad.x, pad.y) == (pad._square.x, pad._square.y) == (0.2, 0.9)
    first, pitch, seconds = pad._model.asked[-1]
    assert first == pytest.approx(pad.instrument.z[0])
    assert (pitch, seconds) == (60, 2.0)
    assert bytes(pad._sound.value)[:4] == b"fLaC"
    pad._piano._handle_custom_msg({"key": 48}, [])
    assert pad.pitch == pad._model.asked[-1][1] == 48


def test_the_square_moves_the_point_while_it_is_dragged(pad):
    pad._square.x = 0.1
    assert pad.x == 0.1
    assert "x=0.1, y=0.5" in pad.code()
    assert pad._model.asked == []


def test_corners_are_chosen_from_the_bank(pad, bank):
    pad._choices[2].value = "stub 3-8"
    assert pad.corners == pad._square.names == ["stub 3-0", "stub 3-1", "stub 3-8", "stub 3-3"]
    pad.x, pad.y = 0, 1
    assert (pad.instrument.z == bank["stub 3-8"].z).all()
    pad.corners = ["stub 3-5"] * 4
    assert [choice.value for choice in pad._choices] == ["stub 3-5"] * 4
    with pytest.raises(ValueError, match="no instrument 'nobody'"):
        pad.corners = ["nobody"] * 4
    assert pad.corners == ["stub 3-5"] * 4


def test_corners_may_be_instruments(bank):
    mine = Instrument("mine", np.ones(4))
    pad = BlendPad(Model(), [mine, "stub 3-1", mine, "stub 3-2"], bank)
    assert pad.corners == ["mine", "stub 3-1", "mine", "stub 3-2"]
    assert "mine" in pad.bank
    assert "mine" not in bank
    with pytest.raises(ValueError, match="two different instruments are called 'stub 3-1'"):
        BlendPad(Model(), [Instrument("stub 3-1", np.ones(4)), *list(bank)[:3]], bank)


def test_a_bank_of_its_own(bank):
    pad = BlendPad(Model())
    assert pad.corners == ["stub 1-0", "stub 1-10", "stub 1-20", "stub 1-30"]
    small = BlendPad(Model(), bank={"stub 3-0": bank["stub 3-0"]})
    assert small.corners == ["stub 3-0"] * 4


def test_the_code_does_what_was_done(bank):
    pad = BlendPad(Model())
    let_go(pad, 1 / 3, 0.7)
    names = {"model": Model(), "instruments": instruments, "audio": audio, "render": render}
    exec(pad.code(), names)
    assert (names["blended"].z == pad.instrument.z).all()
    assert pad.code().splitlines()[1] == (
        'blended = instruments.blend_square([bank["stub 1-0"], bank["stub 1-10"], bank["stub 1-20"], '
        'bank["stub 1-30"]], x=0.333, y=0.7)'
    )


def test_wrong_corners_are_refused(bank):
    with pytest.raises(ValueError, match="four corners, not 3"):
        BlendPad(Model(), list(bank)[:3], bank)
    with pytest.raises(ValueError, match="no instrument 'nobody'"):
        BlendPad(Model(), ["nobody", *list(bank)[:3]], bank)
    with pytest.raises(ValueError, match="one model"):
        BlendPad(Model(), [Instrument("x", np.ones(4), "other", "f"), *list(bank)[:3]], bank)


def test_errors_are_one_line_and_the_pad_goes_on(pad):
    let_go(pad, 1.5, 0)
    assert pad.x == pad._square.x == 0.5
    assert 'role="alert"' in pad.message
    with pytest.raises(traitlets.TraitError):
        pad.y = -1
    pad._model.generate = None  # not to be called
    pad.play()
    assert 'role="alert"' in pad.message
    del pad._model.generate
    pad.play()
    assert pad.message == ""
