"""tools/make_demo_checkpoint.py: the steps between its passes and the finished weights."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def tables(tool):
    rng = np.random.RandomState(0)
    width = tool.CONFIG.start_height * tool.CONFIG.start_width * tool.CONFIG.filters(1)
    return rng.normal(size=(len(tool.VOICES), width)), rng.normal(size=(61, width))


def first_convolution(tool, kernel, z, label):
    """What the generator's first convolution gives for one latent and pitch, by the definition of the network."""
    x = np.concatenate([z, np.eye(61)[label]])
    x = x / np.sqrt(np.mean(x**2) + 1e-8)
    scale = np.sqrt(2 / np.prod(kernel.shape[:-1]))
    # One pixel in the middle of zeros: output (h, w) meets it through the mirrored kernel position.
    return np.einsum("c,hwcf->hwf", x, kernel[::-1, ::-1]) * scale


@pytest.mark.parametrize(("instrument", "label"), [(0, 0), (17, 60), (79, 33)])
def test_folded_kernel_answers_as_the_tables_did(tool, tables, instrument, label):
    instruments, pitches = tables
    kernel = tool.fold_tables(instruments, pitches)
    assert kernel.shape == (2, 16, 317, tool.CONFIG.filters(1))
    expected = (instruments[instrument] + pitches[label]) / np.sqrt(2)
    found = first_convolution(tool, kernel, tool.latents()[instrument], label)
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-4)


def test_a_random_latent_is_as_far_from_the_mean_as_an_instrument(tool, tables):
    instruments, pitches = tables
    kernel = tool.fold_tables(instruments, pitches)
    mean = (instruments.mean(axis=0) + pitches[5]) / np.sqrt(2)

    def distance(z):
        return np.linalg.norm(first_convolution(tool, kernel, z, 5).ravel() - mean)

    named = np.mean([distance(z) for z in tool.latents()[:10]])
    unheard = np.mean([distance(z) for z in np.random.RandomState(9).normal(size=(10, 256))])
    assert unheard == pytest.approx(named, rel=0.15)


def test_mixtures_ask_for_what_they_say(tool):
    count, voices = tool.STEADY_BATCH, len(tool.VOICES)
    notes = np.random.RandomState(0).randint(voices * 61, size=count)
    mixture, (first, second), shares = tool.mixtures(np.random.RandomState(0), notes)
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    np.testing.assert_array_equal(second % 61, notes % 61)
    plain, same = int(tool.PLAIN * count), int(tool.SAME_INSTRUMENT * count)
    np.testing.assert_array_equal(first, notes)
    np.testing.assert_array_equal(mixture[:plain], np.eye(voices)[notes[:plain] // 61])
    assert (shares[0, :plain] == 1).all()
    velocities = slice(plain, plain + same)
    assert (abs(first[velocities] // 61 - second[velocities] // 61) == len(tool.INSTRUMENTS)).all()
    for i in range(plain, count - 1):
        one, other, share = first[i] // 61, second[i] // 61, shares[1, i]
        if one != other:
            assert mixture[i, other] == pytest.approx(np.sin(share * np.pi / 2), rel=1e-5)
            assert mixture[i, one] == pytest.approx(np.cos(share * np.pi / 2), rel=1e-5)
    assert mixture[-1, second[-1] // 61] == mixture[-1].max()


def test_a_crossfade_goes_straight_from_one_note_to_the_other(tool):
    rng = np.random.RandomState(0)
    first, second = rng.normal(size=(2, 1, 64)) * 3 + [[[6.0]], [[-2.0]]]
    levels = tool.note_levels(np.stack([first[0], second[0]]))
    ways = np.linspace(0, 1, 9)
    powers = np.stack([np.repeat(first, 9, axis=0), np.repeat(second, 9, axis=0)])
    found = tool.crossfade(powers, np.repeat(levels[:, None], 9, axis=1), np.stack([1 - ways, ways]))
    np.testing.assert_allclose(found[[0, -1]], [first[0], second[0]])
    np.testing.assert_allclose(tool.note_levels(found), (1 - ways) * levels[0] + ways * levels[1])
    magnitudes = np.exp(found / 2)
    centroids = magnitudes @ np.arange(64) / magnitudes.sum(axis=1)
    assert (np.diff(centroids) * np.sign(centroids[-1] - centroids[0]) > 0).all()


@pytest.mark.parametrize("shape", [(48, 16), (16, 48), (12, 12)])
def test_a_step_of_muon_has_all_directions_alike(tool, shape):
    left, _, right = np.linalg.svd(np.random.RandomState(0).normal(size=shape), full_matrices=False)
    steep = left * np.logspace(0, -1.3, min(shape)) @ right
    step = tool.orthogonal(steep.astype(np.float32)).numpy() / np.sqrt(max(shape))
    values = np.linalg.svd(step, compute_uv=False)
    assert 0.6 < values.min() < values.max() < 1.25
    np.testing.assert_allclose(np.diag(left.T @ step @ right.T), 1, atol=0.4)  # and turns none of them


def test_growing_the_time_axis_keeps_the_steady_sound(tool):
    """At first the real network is the steady one in every frame: the same output to rounding."""
    import tensorflow as tf

    from helpers.gansynth.networks import Generator

    variables = tool.steady_variables()
    mixture, pitch = tf.one_hot([7, 70], len(tool.VOICES)), tf.constant([20, 50])
    steady = tool.steady_forward(variables, mixture, pitch).numpy()
    grown = tool.grow_time_axis({name: value.numpy() for name, value in variables.items()})
    generator = Generator(tool.CONFIG)
    for name, variable in generator.named_weights().items():
        if name in grown:
            variable.assign(grown[name])
    x = tool.first_layer({**grown, "instruments": tf.constant(grown["instruments"])}, mixture, pitch, rows=2)
    for frames in ((0, 2), (64, 66)):
        out = generator.grow(x, frames).numpy()
        np.testing.assert_allclose(out, np.repeat(steady[:, None], 2, axis=1), atol=1e-4)


def descent(tool, work, stops):
    """A small fit whose gradients depend on the batch; it is stopped and begun again at each of `stops`."""
    import tensorflow as tf

    for stop in stops:
        variables = {"1/conv1/kernel": tf.Variable(tf.ones((1, 3, 4, 5))), "1/conv1/bias": tf.Variable(tf.zeros(5))}
        fit = tool.Fit(work / "fit.npz", variables, tool.WINDOW_RATE, stop)
        fit.learning_rate = lambda fit=fit: tool.WINDOW_RATE * (1 - fit.step / stops[-1])

        def train_step(batch, rate, step, fit=fit, variables=variables):
            fit.descend([tf.cos(batch * v) for v in variables.values()], rate, step)
            return 0.3, 0.2, 0.1

        fit.run(train_step, (tf.constant(i + 1.0) for i in range(fit.step, stop + 1)), "windows")
    return fit


def test_a_fit_that_was_stopped_goes_on_to_the_same_weights(tool, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    straight, stopped = descent(tool, tmp_path / "one", [200]), descent(tool, tmp_path / "two", [100, 200])
    assert straight.step == stopped.step == 200
    assert straight.curves == stopped.curves == [[100, 0.3, 0.2, 0.1], [200, 0.3, 0.2, 0.1]]
    for name, value in straight.averages().items():
        np.testing.assert_array_equal(stopped.averages()[name], value)
