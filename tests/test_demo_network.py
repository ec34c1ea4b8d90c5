"""tools/demo_network.py: the generator in JAX, and what the bundled checkpoint's fit compares, where JAX is there."""

import numpy as np
import pytest

from helpers.gansynth import spectral
from helpers.gansynth.config import Config

jax = pytest.importorskip("jax", reason="JAX, which the fit of the bundled checkpoint needs, is not installed")

FRAMES = 16
RATE = 16000
SAMPLES = 5120
CONFIG = Config(fmap_base=256, fmap_max=24)


@pytest.fixture(scope="module")
def net(tool):
    import demo_network

    return demo_network


@pytest.fixture(scope="module")
def weights(net):
    rng = np.random.RandomState(0)
    steady = net.first_weights(CONFIG, 4, seed=1)
    return {n: 0.1 * rng.normal(size=x.shape) if n.endswith("bias") else x for n, x in steady.items()}


@pytest.fixture(scope="module")
def notes():
    """Three notes that begin with a stroke and fade: low, in the middle, high."""
    t = np.arange(CONFIG.audio_length) / RATE
    tones = [np.sin(2 * np.pi * f * t) + 0.3 * np.sin(6 * np.pi * f * t) for f in (110.0, 440.0, 1320.0)]
    return (0.4 * np.stack(tones) * np.exp(-2 * t)).astype(np.float32)


@pytest.fixture(scope="module")
def to_linear():
    return spectral.mel_inverse_weights(CONFIG).toarray().astype(np.float32)


def struck(begins, loud=0.5):
    """A tone that starts at full level and decays, over a little noise: float32 [1, SAMPLES]."""
    t = np.arange(SAMPLES) - begins
    tone = loud * np.exp(-t / 1200) * np.cos(2 * np.pi * 440 / RATE * t) * (t >= 0)
    return (tone + 0.003 * np.random.RandomState(0).normal(size=SAMPLES))[None].astype(np.float32)


def test_it_draws_what_the_port_draws(net, tool, weights, monkeypatch):
    from helpers.gansynth.networks import Generator

    monkeypatch.setattr(tool, "CONFIG", CONFIG)
    rng = np.random.RandomState(2)
    grown = net.grow_time_axis(weights, CONFIG)
    grown = {n: x + 0.3 * rng.normal(size=x.shape).astype(np.float32) for n, x in grown.items()}
    z, labels = rng.normal(size=(2, 256)), np.array([3, 50])
    drawn = net.draw(grown, z[:, :4].astype(np.float32), labels, np.linalg.norm(z, axis=1), CONFIG)

    port = Generator(CONFIG)
    folded = grown | {"1/conv0/kernel": tool.first_kernel(np.array(grown["axes"]), np.array(grown["pitches"]))}
    for name, variable in port.named_weights().items():
        variable.assign(np.array(folded[name]))
    off = np.abs(np.array(drawn) - port.call(z.astype(np.float32), labels).numpy())
    assert off.mean() < 1e-4  # the rounding of fourteen layers, which is larger in few places
    assert off.max() < 0.03


def test_growing_the_time_axis_keeps_the_steady_sound(net, weights):
    u, pitch, length = np.random.RandomState(0).normal(size=(2, 4)), np.array([20, 50]), np.full(2, 16.0)
    steady = net.draw(weights, u, pitch, length, CONFIG)
    whole = net.draw(net.grow_time_axis(weights, CONFIG), u, pitch, length, CONFIG)
    assert steady.shape == (2, 1, 1024, 2)
    np.testing.assert_allclose(whole, np.repeat(steady, 128, axis=1), atol=1e-4)


def test_the_beginning_sounds_as_that_of_the_whole_note(net, notes, to_linear):
    images = spectral.normalize(spectral.waves_to_data(notes, CONFIG), CONFIG).astype(np.float32)
    whole = spectral.data_to_waves(spectral.denormalize(images, CONFIG), CONFIG)
    magnitude = net.linear_magnitude(images[:, :FRAMES, :, 0], to_linear, CONFIG)
    found = net.sound(magnitude, images[:, :FRAMES, :, 1] / CONFIG.p_normalizer_a @ to_linear, CONFIG)
    assert found.shape == (3, SAMPLES)
    np.testing.assert_allclose(found, whole[:, :SAMPLES], atol=5e-4 * np.abs(whole).max())


def test_the_same_beginning_has_no_loss(net, notes):
    assert not net.stroke_loss(notes[:, :SAMPLES], notes[:, :SAMPLES]).any()
    assert not net.click_loss(notes[:, :SAMPLES], notes[:, :SAMPLES]).any()


def test_a_stroke_counts_the_more_the_later_it_is(net):
    late = [float(net.stroke_loss(struck(32 + samples), struck(32))[0]) for samples in (0, 16, 64, 320)]
    assert late[0] == 0
    assert (np.diff(late) > 0.05).all()


def test_fading_in_is_worse_than_a_stroke_a_little_late(net):
    """What a loss of logarithms alone gets wrong, and what dulled an earlier fit."""
    fade = np.clip(np.arange(SAMPLES) / (0.04 * RATE), 0, 1).astype(np.float32)
    assert net.stroke_loss(struck(0) * fade, struck(0))[0] > 1.5 * net.stroke_loss(struck(80), struck(0))[0]


def test_too_soft_counts_like_too_loud(net):
    """By LOUDNESS_EXPONENT: half the amplitude is 0.62 of the loudness, and double is 1.62 of it."""
    soft, loud = (float(net.stroke_loss(gain * struck(100), struck(100))[0]) for gain in (0.5, 2.0))
    assert soft == pytest.approx(1 - 0.5**net.LOUDNESS_EXPONENT, rel=0.05)
    assert loud == pytest.approx(2.0**net.LOUDNESS_EXPONENT - 1, rel=0.05)


def test_a_click_counts_and_a_missing_one_does_not(net):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(SAMPLES) / RATE)[None].astype(np.float32)
    clicking = tone.copy()
    clicking[0, 2000:] += 0.5
    steepest = 0.3 * 2 * np.pi * 440 / RATE
    expected = np.log((steepest + 0.5 + net.SMOOTHEST) / (steepest + net.SMOOTHEST))
    assert net.click_loss(clicking, tone)[0] == pytest.approx(expected, rel=0.2)
    assert net.click_loss(tone, clicking)[0] < 0.01
    assert net.click_loss(np.roll(clicking, 300, axis=1), clicking)[0] > 0.5 * expected


def test_a_centroid_is_where_the_spectrum_balances(net, to_linear):
    """Of a drawn tone within half a bin of its frequency, because nothing but that tone is above the floor."""
    t = np.arange(CONFIG.audio_length) / RATE
    tones = np.stack([100 * np.sin(2 * np.pi * f * t) for f in (1000.0, 2000.0)]).astype(np.float32)
    images = spectral.normalize(spectral.waves_to_data(tones, CONFIG), CONFIG).astype(np.float32)
    magnitude = net.linear_magnitude(images[:, 40:56, :, 0], to_linear, CONFIG)
    found = np.exp(net.log_centroids(magnitude)) * RATE / CONFIG.frame_length
    np.testing.assert_allclose(found, [[1000], [2000]], rtol=0.02)


def test_silence_has_a_finite_gradient(net, to_linear):
    quiet = np.stack([np.full((1, FRAMES, CONFIG.bins), -1.0), np.zeros((1, FRAMES, CONFIG.bins))], axis=-1)
    silence = np.zeros((1, SAMPLES), np.float32)

    def total(out):
        magnitude = net.linear_magnitude(out[..., 0], to_linear, CONFIG)
        sound = net.sound(magnitude, out[..., 1] @ to_linear, CONFIG)
        lost = net.stroke_loss(sound, silence) + net.click_loss(sound, silence)
        return lost[0] + net.log_centroids(magnitude)[0, 0]

    value, gradient = jax.value_and_grad(total)(quiet.astype(np.float32))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_a_crossfade_goes_straight_from_one_note_to_the_other(net):
    rng = np.random.RandomState(0)
    first, second = rng.normal(size=(2, 1, 64)) * 3 + [[[6.0]], [[-2.0]]]
    level = [np.log(np.exp(x / 2).sum(axis=1)) for x in (first, second)]
    ways = np.linspace(0, 1, 9)
    powers = np.stack([np.repeat(first, 9, axis=0), np.repeat(second, 9, axis=0)])
    found = np.array(net.crossfade(powers, np.repeat(level, 9, axis=1), np.stack([1 - ways, ways])))
    np.testing.assert_allclose(found[[0, -1]], [first[0], second[0]], rtol=1e-4, atol=1e-4)
    magnitudes = np.exp(found / 2)
    expected = (1 - ways) * level[0] + ways * level[1]
    np.testing.assert_allclose(np.log(magnitudes.sum(axis=1)), expected, rtol=1e-4)
    centroids = magnitudes @ np.arange(64) / magnitudes.sum(axis=1)
    assert (np.diff(centroids) * np.sign(centroids[-1] - centroids[0]) > 0).all()


@pytest.mark.parametrize("shape", [(48, 16), (16, 48), (12, 12)])
def test_a_step_of_muon_has_all_directions_alike(net, shape):
    left, _, right = np.linalg.svd(np.random.RandomState(0).normal(size=shape), full_matrices=False)
    steep = left * np.logspace(0, -1.3, min(shape)) @ right
    step = np.array(net.orthogonal(steep.astype(np.float32))) / np.sqrt(max(shape))
    values = np.linalg.svd(step, compute_uv=False)
    assert 0.6 < values.min() < values.max() < 1.25
    np.testing.assert_allclose(np.diag(left.T @ step @ right.T), 1, atol=0.4)  # and turns none of them


def test_a_batch_lies_where_it_says_and_sounds_like_what_is_there(tool):
    rng = np.random.RandomState(0)
    count, batch = 20, 40
    places = rng.normal(size=(count, tool.AXES))
    silent = rng.normal(size=(count, 256 - tool.AXES))
    silent *= np.sqrt((256 - (places**2).sum(axis=1)) / (silent**2).sum(axis=1))[:, None]
    table = {
        "places": jax.numpy.asarray(places),
        "latents": jax.numpy.asarray(np.concatenate([places, silent], axis=1)),
        "bonus": jax.numpy.asarray(tool.bonuses(places, rounds=20)),
        "nearby": jax.numpy.zeros(count),
    }
    u, length, pitch, voices, share = map(np.array, tool.draw_batch(jax.random.key(0), batch, table))
    plain, between, _ = tool.batch_parts(batch)
    np.testing.assert_allclose(share.sum(axis=0), 1, rtol=1e-5)
    assert ((pitch >= 0) & (pitch < 61)).all()
    np.testing.assert_allclose(u[:plain], places[voices[0, :plain]], rtol=1e-5)
    assert (share[0, :plain] == 1).all()
    on_way = slice(plain, plain + between)
    np.testing.assert_allclose(length[:plain], 16)
    ends = places[voices[:2, on_way]]
    solved = [np.linalg.lstsq(np.transpose(ends[:, i]), u[on_way][i], rcond=None)[1] for i in range(between)]
    assert all(len(rest) == 0 or rest[0] < 1e-6 for rest in solved)  # in the plane of both
    anywhere = slice(plain + between, None)
    expected = np.sort(tool.shares(u[anywhere], places, np.array(table["bonus"])), axis=1)[:, : -tool.NEAREST - 1 : -1]
    np.testing.assert_allclose(share[:, anywhere].T, expected / expected.sum(axis=1, keepdims=True), atol=1e-3)
    assert abs(np.mean(length[anywhere]) - 16) < 0.6
