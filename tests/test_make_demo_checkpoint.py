"""tools/make_demo_checkpoint.py: the steps between its passes and the finished weights."""

from pathlib import Path

import numpy as np
import pytest

DEMO = Path(__file__).parents[1] / "data" / "checkpoints" / "demo"


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


@pytest.mark.parametrize("batch", ["STEADY_BATCH", "WINDOW_BATCH"])
def test_mixtures_ask_for_what_they_say(tool, batch):
    count, voices = getattr(tool, batch), len(tool.VOICES)
    notes = np.random.RandomState(0).randint(voices * 61, size=count)
    mixture, (first, second), shares = tool.mixtures(np.random.RandomState(0), notes.copy())
    plain, between, ways = tool.batch_parts(count)
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    np.testing.assert_array_equal(second % 61, first % 61)
    np.testing.assert_array_equal(first[:between] // 61, notes[:between] // 61)
    np.testing.assert_array_equal(mixture[:plain], np.eye(voices)[notes[:plain] // 61])
    assert (shares[0, :plain] == 1).all()
    velocities = slice(plain, between)
    assert (abs(first[velocities] // 61 - second[velocities] // 61) == len(tool.INSTRUMENTS)).all()
    for i in range(plain, count - 1):
        one, other, share = first[i] // 61, second[i] // 61, shares[1, i]
        if one != other:
            assert mixture[i, other] == pytest.approx(np.sin(share * np.pi / 2), rel=1e-5)
            assert mixture[i, one] == pytest.approx(np.cos(share * np.pi / 2), rel=1e-5)
    assert mixture[-1, second[-1] // 61] == mixture[-1].max()

    assert len(ways) == min(plain, count - 1 - between) // 2 > 0
    assert len(np.unique(ways)) == ways.size  # no row is on two ways
    for begin, *middle, end in ways:
        assert len(set(first[[begin, *middle, end]] % 61)) == 1
        assert set(first[middle]) == {first[begin]}
        assert set(second[middle]) == {first[end]}
        assert 0 < shares[1, middle[0]] < shares[1, middle[1]] < 1


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


def test_unfolded_tables_are_those_that_were_folded(tool, tables):
    instruments, pitches = tables
    voices, with_mean = tool.unfold_tables(tool.fold_tables(instruments, pitches))
    np.testing.assert_allclose(voices, instruments - instruments.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(with_mean, pitches + instruments.mean(axis=0), atol=1e-4)


def test_a_fit_starts_from_the_bundled_checkpoint_as_it_sounds(tool):
    import tensorflow as tf

    from helpers.gansynth.checkpoint import read
    from helpers.gansynth.networks import Generator

    checkpoint = read(DEMO)
    generator = Generator(tool.CONFIG)
    for name, variable in generator.named_weights().items():
        variable.assign(checkpoint.weights[name])
    expected = generator(tool.latents()[[3, 60]], np.array([20, 50]), frames=(40, 44))
    tables = {k: v if "/" in k else tf.constant(v, tf.float32) for k, v in tool.weights_of(DEMO).items()}
    x = tool.first_layer(tables, tf.one_hot([3, 60], len(tool.VOICES)), tf.constant([20, 50]), rows=2)
    np.testing.assert_allclose(generator.grow(x, (40, 44)), expected, atol=2e-3)


def test_a_fit_does_not_start_from_another_model(tool):
    tiny = Path(__file__).parent / "data" / "checkpoints" / "tiny_stage12"
    with pytest.raises(ValueError, match="tiny_stage12 is a model of another size"):
        tool.weights_of(tiny)


def descent(tool, work, stops):
    """Weights of a small fit whose gradients depend on the batch; it is stopped and begun again at each of `stops`."""
    import tensorflow as tf

    for steps in stops:
        variables = {"1/conv1/kernel": tf.Variable(tf.ones((1, 3, 4, 5))), "1/conv1/bias": tf.Variable(tf.zeros(5))}
        fit = tool.Fit(work, "windows", variables, max(stops))

        def train_step(batch, rate, step, fit=fit, variables=variables):
            fit.descend([tf.cos(batch * v) for v in variables.values()], rate, step)
            return 0.3, 0.2, 0.1

        batches = (tf.constant(i + 1.0) for i in range(fit.step, steps))
        whole, fit.steps = fit.steps, steps
        fit.learning_rate = lambda fit=fit, whole=whole: tool.PASSES["windows"][0] * (1 - fit.step / whole)
        fit.run(train_step, batches)
    return fit


@pytest.mark.slow
def test_a_fit_that_was_stopped_goes_on_to_the_same_weights(tool, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    straight, stopped = descent(tool, tmp_path / "one", [200]), descent(tool, tmp_path / "two", [100, 200])
    assert straight.step == stopped.step == 200
    assert straight.curves == stopped.curves == [[100, 0.3, 0.2, 0.1], [200, 0.3, 0.2, 0.1]]
    for name, value in straight.averages().items():
        np.testing.assert_array_equal(stopped.averages()[name], value)


def test_curves_keep_the_passes_that_were_made_elsewhere(tool, tmp_path):
    out, work = tmp_path / "out", tmp_path / "work"
    out.mkdir()
    work.mkdir()
    old = {"steady": "0.5,0.4,0.3", "coherent": "0.4,0.3,0.2", "windows": "0.3,0.2,0.1"}
    rows = [f"{label},{step},{losses}" for label, losses in old.items() for step in (100, 200)]
    (out / "curves.csv").write_text("\n".join(["pass,step,magnitude,frequency,coherence", *rows]) + "\n")
    np.savez(work / "fit_sound.npz", curves=[[100, *np.arange(7) / 10], [200, *np.arange(7) / 20]])
    for _ in range(2):  # and again from what it wrote itself
        tool.write_curves(work, out)
        lines = (out / "curves.csv").read_text().splitlines()
        assert lines[0].split(",") == ["pass", "step", *tool.LOSSES]
        assert lines[1:7] == [row + ",,,," for row in rows]
        assert lines[7:] == [
            "sound,100,0.0,0.1,0.2,0.3,0.4,0.5,0.6",
            "sound,200,0.0,0.05,0.1,0.15,0.2,0.25,0.3",
        ]
    assert (out / "curves.png").stat().st_size > 5000
