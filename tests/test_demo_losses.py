"""tools/demo_losses.py: what the bundled checkpoint's fit compares, on sounds whose answer is known."""

import numpy as np
import pytest

from helpers.gansynth import spectral
from helpers.gansynth.accelerated import InverseTransform

FRAMES = 16
RATE = 16000
SAMPLES = 5120


@pytest.fixture(scope="module")
def losses(tool):
    import demo_losses

    return demo_losses


@pytest.fixture(scope="module")
def notes(tool):
    """Three notes that begin with a stroke and fade: low, in the middle, high."""
    t = np.arange(tool.CONFIG.audio_length) / RATE
    tones = [np.sin(2 * np.pi * f * t) + 0.3 * np.sin(6 * np.pi * f * t) for f in (110.0, 440.0, 1320.0)]
    return (0.4 * np.stack(tones) * np.exp(-2 * t)).astype(np.float32)


@pytest.fixture(scope="module")
def to_linear(tool):
    return spectral.mel_inverse_weights(tool.CONFIG).toarray().astype(np.float32)


def struck(begins, loud=0.5):
    """A tone that starts at full level and decays, over a little noise: float32 [1, SAMPLES]."""
    t = np.arange(SAMPLES) - begins
    tone = loud * np.exp(-t / 1200) * np.cos(2 * np.pi * 440 / RATE * t) * (t >= 0)
    return (tone + 0.003 * np.random.RandomState(0).normal(size=SAMPLES))[None].astype(np.float32)


def test_the_beginning_of_a_window_is_that_of_the_whole_note(tool, notes):
    config = tool.CONFIG
    images = spectral.normalize(spectral.waves_to_data(notes, config), config).astype(np.float32)
    whole = spectral.data_to_waves(spectral.denormalize(images, config), config)
    found = InverseTransform(config)(images[:, :FRAMES])[:, : tool.BEGINNING]
    assert found.shape == (3, SAMPLES)
    np.testing.assert_allclose(found, whole[:, :SAMPLES], atol=2e-4 * np.abs(whole).max())


def test_the_same_beginning_has_no_loss(losses, notes):
    assert float(losses.stroke_loss(notes[:, :SAMPLES], notes[:, :SAMPLES])) == 0
    assert float(losses.click_loss(notes[:, :SAMPLES], notes[:, :SAMPLES])) == 0


def test_a_stroke_counts_the_more_the_later_it_is(losses):
    late = [float(losses.stroke_loss(struck(32 + samples), struck(32))) for samples in (0, 16, 64, 320)]
    assert late[0] == 0
    assert (np.diff(late) > 0.05).all()


def test_fading_in_is_worse_than_a_stroke_a_little_late(losses):
    """What a loss of logarithms alone gets wrong, and what dulled an earlier fit."""
    fade = np.clip(np.arange(SAMPLES) / (0.04 * RATE), 0, 1).astype(np.float32)
    fading, late = float(losses.stroke_loss(struck(0) * fade, struck(0))), losses.stroke_loss(struck(80), struck(0))
    assert fading > 1.5 * float(late)


def test_too_soft_counts_like_too_loud(losses):
    """By LOUDNESS_EXPONENT: half the amplitude is 0.62 of the loudness, and double is 1.62 of it."""
    soft, loud = (float(losses.stroke_loss(gain * struck(100), struck(100))) for gain in (0.5, 2.0))
    assert soft == pytest.approx(1 - 0.5**losses.LOUDNESS_EXPONENT, rel=0.05)
    assert loud == pytest.approx(2.0**losses.LOUDNESS_EXPONENT - 1, rel=0.05)


def test_a_click_counts_and_a_missing_one_does_not(losses):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(SAMPLES) / RATE)[None].astype(np.float32)
    clicking = tone.copy()
    clicking[0, 2000:] += 0.5
    steepest = 0.3 * 2 * np.pi * 440 / RATE
    expected = np.log((steepest + 0.5 + losses.SMOOTHEST) / (steepest + losses.SMOOTHEST))
    assert float(losses.click_loss(clicking, tone)) == pytest.approx(expected, rel=0.2)
    assert float(losses.click_loss(tone, clicking)) < 0.01
    assert float(losses.click_loss(np.roll(clicking, 300, axis=1), clicking)) > 0.5 * expected


def test_a_centroid_is_where_the_spectrum_balances(losses, tool, to_linear):
    """Of a drawn tone within half a bin of its frequency, because nothing but that tone is above the floor."""
    config = tool.CONFIG
    t = np.arange(config.audio_length) / RATE
    tones = np.stack([100 * np.sin(2 * np.pi * f * t) for f in (1000.0, 2000.0)]).astype(np.float32)
    images = spectral.normalize(spectral.waves_to_data(tones, config), config).astype(np.float32)
    found = np.exp(losses.centroids(images[:, 40:56, :, 0], to_linear, config)) * RATE / config.frame_length
    np.testing.assert_allclose(found, [1000, 2000], rtol=0.02)


def test_a_way_back_counts_and_a_crooked_way_forward_does_not(losses):
    wanted = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    ways = np.array([[0, 1, 2, 3], [3, 2, 1, 0]])  # either direction
    made = {"straight": [1, 2, 3, 4], "crooked": [0, 1.5, 3.5, 4], "standing": [1, 1, 3, 4], "back": [1, 3, 2, 4]}
    found = {
        name: [float(x) for x in losses.centroid_losses(np.array(values, np.float32), wanted, ways)]
        for name, values in made.items()
    }
    assert found["straight"] == [0, 0]
    assert found["crooked"] == pytest.approx([0.5, 0])
    assert found["standing"] == pytest.approx([0.25, losses.FORWARD / 3])
    assert found["back"] == pytest.approx([0.5, (losses.FORWARD + 1) / 3])


def test_silence_has_a_finite_gradient(losses, tool, to_linear):
    import tensorflow as tf

    config = tool.CONFIG
    quiet = np.stack([np.full((1, FRAMES, config.bins), -1.0), np.zeros((1, FRAMES, config.bins))], axis=-1)
    out = tf.Variable(quiet.astype(np.float32))
    silence = np.zeros((1, SAMPLES), np.float32)
    with tf.GradientTape() as tape:
        sound = InverseTransform(config)(out)[:, : tool.BEGINNING]
        level = losses.centroids(out[..., 0], to_linear, config)
        total = losses.stroke_loss(sound, silence) + losses.click_loss(sound, silence) + level[0]
    assert np.isfinite(total)
    assert np.isfinite(tape.gradient(total, out).numpy()).all()
