"""tools/demo_losses.py: what the bundled checkpoint's fit compares, on sounds whose answer is known."""

import numpy as np
import pytest

from helpers.gansynth import spectral

FRAMES = 16
RATE = 16000


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


def named(losses, found):
    return {name: float(value) for name, value in zip(losses.SOUND_LOSSES, found, strict=True)}


def compared(losses, tool, sound, other):
    """`sound_losses` of a sound and one other, which is all of the crossfade."""
    gains = np.stack([np.ones(len(sound)), np.zeros(len(sound))]).astype(np.float32)
    ways = np.zeros((1, 2), int)  # from the first to itself: no way
    return named(losses, losses.sound_losses(sound, np.stack([other, np.zeros_like(other)]), gains, ways, tool.CONFIG))


@pytest.mark.parametrize("first", [0, 32, 112])
def test_the_sound_of_a_window_is_that_of_the_whole_note(losses, tool, notes, to_linear, first):
    config = tool.CONFIG
    images = spectral.normalize(spectral.waves_to_data(notes, config), config).astype(np.float32)
    whole = spectral.data_to_waves(spectral.denormalize(images, config), config)
    advance = (images[..., 1] - config.p_normalizer_b) / config.p_normalizer_a
    before = (
        np.cumsum(advance[:, :first].astype(np.float64) @ to_linear, axis=1)[:, -1] if first else np.zeros((3, 1024))
    )
    window = images[:, first : first + FRAMES]
    found = losses.sound_of(window, first, (before % 2).astype(np.float32), to_linear, config)
    start = first * config.hop_length + losses.edge(config) - config.front_padding
    expected = np.pad(whole, [(0, 0), (max(-start, 0), 0)])[:, max(start, 0) :][:, : found.shape[1]]
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("first", [0, 16, 112])
def test_excerpts_are_the_same_samples_of_the_source(losses, tool, notes, first):
    config = tool.CONFIG
    found, before = losses.excerpts(notes, np.array([2, 0]), first, FRAMES, config)
    assert found.shape == (2, FRAMES * config.hop_length - losses.edge(config))
    assert before.shape == (2, config.bins)
    padded = np.pad(notes, [(0, 0), (config.front_padding, 0)])[[2, 0]]
    start = first * config.hop_length + losses.edge(config)
    np.testing.assert_array_equal(found, padded[:, start : start + found.shape[1]])
    if first:
        np.testing.assert_allclose(before, spectral.stft(notes, config)[[2, 0], first - 1, 1:], atol=1e-3)
    else:
        assert not np.angle(before).any()


def test_the_same_sound_has_no_loss(losses, tool, notes):
    assert max(compared(losses, tool, notes[:, :6656], notes[:, :6656]).values()) == 0


def test_each_loss_hears_what_it_is_for(losses, tool):
    """A steady tone against itself brighter and beating; each is told by the loss that is meant for it."""
    t = np.arange(6656) / RATE
    tone = 0.3 * (np.sin(2 * np.pi * 440 * t) + 0.2 * np.sin(2 * np.pi * 880 * t))[None].astype(np.float32)
    brighter = tone + 0.2 * np.sin(2 * np.pi * 1760 * t).astype(np.float32)
    beating = tone * (1 + 0.9 * np.sin(2 * np.pi * 6 * t)).astype(np.float32)
    found = {name: compared(losses, tool, x, tone) for name, x in (("brighter", brighter), ("beating", beating))}
    assert found["brighter"]["centroid"] > 10 * found["beating"]["centroid"]
    assert found["beating"]["movement"] > 10 * found["brighter"]["movement"]


def test_a_stroke_counts_the_more_the_later_it_is(losses, tool):
    noise = 0.003 * np.random.RandomState(0).normal(size=(1, 6656)).astype(np.float32)

    def struck(at):
        return noise + 0.5 * (np.arange(6656) // 32 == at // 32).astype(np.float32)

    late = [compared(losses, tool, struck(3008 + samples), struck(3008))["stroke"] for samples in (0, 32, 64, 160)]
    assert late[0] == 0
    assert (np.diff(late) > 0.02).all()


def test_a_click_counts_and_a_missing_one_does_not(losses, tool):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(6656) / RATE)[None].astype(np.float32)
    clicking = tone.copy()
    clicking[0, 2000:] += 0.5
    steepest = 0.3 * 2 * np.pi * 440 / RATE
    expected = np.log((steepest + 0.5 + losses.SMOOTHEST) / (steepest + losses.SMOOTHEST))
    assert compared(losses, tool, clicking, tone)["click"] == pytest.approx(expected, rel=0.2)
    assert compared(losses, tool, tone, clicking)["click"] < 0.01
    assert compared(losses, tool, np.roll(clicking, 300, axis=1), clicking)["click"] > 0.5 * expected


def test_a_way_back_counts_and_a_crooked_way_forward_does_not(losses):
    wanted = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    ways = np.array([[0, 1, 2, 3], [3, 2, 1, 0]])  # either direction
    found = {
        name: float(losses.wrong_way(np.array(made, np.float32), wanted, ways))
        for name, made in {
            "straight": [1, 2, 3, 4],
            "crooked": [0, 1.5, 3.5, 4],
            "standing": [1, 1, 3, 4],
            "back": [1, 3, 2, 4],
        }.items()
    }
    assert found["straight"] == found["crooked"] == 0
    assert found["standing"] == pytest.approx(losses.FORWARD / 3)
    assert found["back"] == pytest.approx((losses.FORWARD + 1) / 3)


def test_centroids_are_compared_as_ratios(losses, tool):
    t = np.arange(6656) / RATE
    low, high = (np.sin(2 * np.pi * f * t)[None].astype(np.float32) for f in (1000, 2000))
    assert compared(losses, tool, low, high)["centroid"] == pytest.approx(np.log(2), rel=0.02)


def test_the_crossfade_of_sounds_is_that_of_spectra(losses):
    rng = np.random.RandomState(0)
    powers = rng.normal(size=(2, 5, 64)) * 2
    levels, ways = rng.normal(size=(2, 5)), np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    shares = np.stack([1 - ways, ways])
    gains = losses.crossfade_gains(levels, shares)
    summed = np.einsum("ib,ibk->bk", gains, np.exp(powers / 2))
    np.testing.assert_allclose(summed, np.exp(losses.crossfade(powers, levels, shares) / 2))


def test_silence_has_a_finite_gradient(losses, tool, to_linear):
    import tensorflow as tf

    config = tool.CONFIG
    quiet = np.stack([np.full((1, FRAMES, config.bins), -1.0), np.zeros((1, FRAMES, config.bins))], axis=-1)
    out = tf.Variable(quiet.astype(np.float32))
    silence = np.zeros((2, 1, 6656), np.float32)
    with tf.GradientTape() as tape:
        sound = losses.sound_of(out, 0, tf.zeros((1, config.bins)), to_linear, config)
        found = losses.sound_losses(sound, silence, np.array([[1], [0]], np.float32), np.zeros((1, 2), int), config)
        total = tf.add_n(list(found))
    assert np.isfinite(total)
    assert np.isfinite(tape.gradient(total, out).numpy()).all()
