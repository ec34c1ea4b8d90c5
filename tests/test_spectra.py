"""helpers.spectra: what the pictures show. Values from the definition of the constant-Q transform's bins."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import spectra
from helpers.audio import Audio

RATE = 16000


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def sine(hz, seconds=4.0):
    return Audio(0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE).astype(np.float32), RATE)


# C4 lies three octaves of 40 bins above C1; E1 (41.2 Hz) 4/12 of an octave above it.
@pytest.mark.parametrize(("hz", "strongest"), [(261.6256, 120), (41.203, 13)])
def test_a_sine_is_loudest_in_its_bin(hz, strongest):
    ax, level = spectra.cqt(sine(hz))
    assert level.shape == (316, 251)
    assert np.argmax(level[:, 125]) == strongest
    assert (level.min(), level.max()) == (-spectra.PEAK_DB, 0.0)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (s)", "pitch")
    assert ax.get_yticklabels()[3].get_text() == "C4"
    low, high = ax.get_images()[0].get_extent()[2:]
    assert low + (strongest + 0.5) * (high - low) / 316 == pytest.approx(strongest / 40, abs=0.02)


def test_a_steady_sine_has_one_colour():
    _, advance = spectra.rainbowgram(sine(261.6256))
    steady = advance[120, 20:-20]
    # 2 f hop / rate = 8.372, so 0.372 of a half turn a hop beyond whole turns.
    assert np.median(steady) == pytest.approx(0.3720, abs=0.001)
    assert np.std(steady) < 0.001
    assert advance.shape == (316, 250)


def test_noise_has_no_preferred_colour():
    noise = Audio(np.random.RandomState(0).normal(size=64000).astype(np.float32) * 0.1, RATE)
    _, advance = spectra.rainbowgram(noise)
    assert np.abs(np.mean(np.exp(1j * np.pi * advance))) < 0.1


@pytest.mark.parametrize("draw", [spectra.cqt, spectra.rainbowgram])
@pytest.mark.parametrize(
    "samples", [np.zeros(16000), np.ones(1), np.random.RandomState(0).normal(size=(8000, 2)) * 0.1]
)
def test_odd_clips_give_finite_pictures(draw, samples):
    ax, values = draw(Audio(samples.astype(np.float32), RATE))
    assert np.isfinite(values).all()
    assert np.isfinite(np.asarray(ax.get_images()[0].get_array(), float)).all()


@pytest.mark.parametrize("samples", [np.zeros(0), np.array([0.0, np.nan])])
def test_nothing_to_draw_is_one_sentence(samples):
    with pytest.raises(ValueError, match="nothing to draw"):
        spectra.cqt(Audio(samples.astype(np.float32), RATE))


def test_compare_stacks_clips_over_one_time_axis():
    axes = spectra.compare({"short": sine(220, 1.0), "long": sine(220, 2.0)})
    assert [ax.get_title() for ax in axes] == ["short", "long"]
    assert {ax.get_xlim() for ax in axes} == {(0.0, 2.0)}
    with pytest.raises(ValueError, match="no clip"):
        spectra.compare({})
