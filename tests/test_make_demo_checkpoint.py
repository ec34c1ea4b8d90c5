"""tools/make_demo_checkpoint.py: the steps between its two phases and the finished weights."""

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
    rng = np.random.RandomState(0)
    instruments = rng.randint(len(tool.VOICES), size=tool.WINDOW_BATCH)
    mixture, partners, share = tool.mixtures(rng, instruments)
    plain = slice(tool.PLAIN_IN_BATCH)
    assert (mixture[plain] == np.eye(len(tool.VOICES))[instruments[plain]]).all()
    assert (share[plain] == 0).all()
    for i in range(tool.PLAIN_IN_BATCH, tool.WINDOW_BATCH - 1):
        if partners[i] != instruments[i]:
            assert mixture[i, partners[i]] == pytest.approx(np.sin(share[i] * np.pi / 2), rel=1e-5)
            assert mixture[i, instruments[i]] == pytest.approx(np.cos(share[i] * np.pi / 2), rel=1e-5)
    assert mixture[-1, partners[-1]] == mixture[-1].max()


def test_growing_the_time_axis_keeps_the_steady_sound(tool):
    """At first the real network is the steady one in every frame: the same output to rounding."""
    import tensorflow as tf

    from helpers.gansynth.networks import Generator

    variables = tool.steady_variables()
    notes = tf.constant([7 * 61 + 20, 70 * 61 + 50])
    steady = tool.steady_forward(variables, notes).numpy()
    grown = tool.grow_time_axis({name: value.numpy() for name, value in variables.items()})
    generator = Generator(tool.CONFIG)
    for name, variable in generator.named_weights().items():
        if name in grown:
            variable.assign(grown[name])
    mixture = tf.one_hot(notes // 61, len(tool.VOICES))
    x = tool.first_layer({**grown, "instruments": tf.constant(grown["instruments"])}, mixture, notes % 61, rows=2)
    for frames in ((0, 2), (64, 66)):
        out = generator.grow(x, frames).numpy()
        np.testing.assert_allclose(out, np.repeat(steady[:, None], 2, axis=1), atol=1e-4)


def test_an_older_checkpoint_is_where_the_fit_goes_on(tool, tables, tmp_path, monkeypatch):
    """Folding the tables and taking them out again gives what they were, but for the mean that pitches now carry."""
    from helpers.gansynth.checkpoint import Checkpoint, weight_shapes, write

    instruments, pitches = tables
    config = tool.CONFIG
    weights = {n: np.zeros(s, np.float32) for n, s in weight_shapes(config, config.num_resolutions, 6.0).items()}
    weights["1/conv0/kernel"] = tool.fold_tables(instruments, pitches)
    about = {"instruments": [{"name": str(i), "z": z.tolist()} for i, z in enumerate(tool.latents())]}
    path = write(Checkpoint(config, weights, 12, config.total_num_images, about), tmp_path / "generator.npz", "float32")
    start = tool.weights_of(path)
    mean = instruments.mean(axis=0)
    np.testing.assert_allclose(start["instruments"], instruments - mean, atol=1e-4)
    np.testing.assert_allclose(start["pitches"], pitches + mean, atol=1e-4)
    assert "1/conv0/kernel" not in start
    monkeypatch.setattr(tool, "VOICES", tool.VOICES * 2)  # each once more, as soft voices are added to loud ones
    assert tool.weights_of(path)["instruments"].shape[0] == 2 * len(instruments)
