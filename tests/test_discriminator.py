"""The discriminator against the original's numbers, and what makes it the paper's."""

import re

import numpy as np
import pytest
from inputs import DATA, formula_data, golden

from helpers.gansynth import checkpoint, networks
from helpers.gansynth.config import NUM_PITCHES, Config
from helpers.training.losses import blend

SMALL = Config(
    num_resolutions=3, start_height=2, start_width=4, audio_length=40, latent_vector_size=4, fmap_base=16, fmap_max=5
)


def restored(folder):
    """The discriminator of a checkpoint in the published layout."""
    config, stage, prefix = checkpoint.find(folder)
    network = networks.Discriminator(config, config.num_blocks(stage))
    weights = {checkpoint.variable_name("discriminator", n): v for n, v in network.named_weights().items()}
    for name, array in checkpoint.read_published(
        prefix, {n: np.zeros(v.shape, "f4") for n, v in weights.items()}
    ).items():
        weights[name].assign(array)
    return network


def small(num_blocks=3, seed=0):
    network = networks.Discriminator(SMALL, num_blocks)
    rng = np.random.RandomState(seed)
    for variable in network.named_weights().values():
        variable.assign(rng.normal(size=variable.shape))
    return network


def images(count=3, seed=1):
    """In data units, and nowhere near where the normaliser clips."""
    unit = np.random.RandomState(seed).uniform(-0.4, 0.4, (count, SMALL.frames, SMALL.bins, 2)).astype(np.float32)
    return np.asarray(networks.denormalize(unit, SMALL))


@pytest.mark.slow
def test_answers_are_the_originals():
    """Measured: 1.5e-7 at most."""
    expected = golden("train_tiny_stage11")
    network = restored(DATA / "checkpoints" / "tiny_stage11_blend")
    fade = 6 - float(expected["progress"])
    real = blend(formula_data(4), fade, 7, 7)
    np.testing.assert_allclose(np.asarray(real)[:, ::8, ::8], expected["real_images_sub"], rtol=0, atol=1e-6)
    scores, pitches = network(real, fade=fade)
    np.testing.assert_allclose(network.features(real, fade), expected["last_conv"][:, 0, 0], rtol=0, atol=2e-6)
    np.testing.assert_allclose(scores, expected["d_real"][:, 0], rtol=0, atol=2e-6)
    np.testing.assert_allclose(pitches, expected["real_class_logits"], rtol=0, atol=2e-6)


def test_the_papers_table():
    """Names and shapes of all 46 variables of the published size."""
    lines = [line.split(maxsplit=2) for line in (DATA / "variables_full.txt").read_text().splitlines()]
    expected = {n: shape for n, _, shape in lines if n.startswith("Discriminator/")}
    weights = networks.Discriminator(Config()).named_weights()
    found = {checkpoint.variable_name("discriminator", n): str(list(v.shape)) for n, v in weights.items()}
    assert found == expected
    assert len(found) == 46


@pytest.mark.parametrize("num_blocks", [1, 2, 3])
def test_variables_are_those_of_the_blocks_that_exist(num_blocks):
    names = small(num_blocks).named_weights()
    assert {int(m[1]) for n in names if (m := re.match(r"(\d+)/", n))} == set(range(1, num_blocks + 1))
    assert {n.split("/")[-2] for n in names} == {"conv0", "conv1", "from_rgb", "logits", "classification_logits"}
    scores, pitches = small(num_blocks)(images())
    assert scores.shape == (3,)
    assert pitches.shape == (3, NUM_PITCHES)


def test_gains():
    """He's for what an activation follows; 1 for what is read directly."""
    network = small()
    for (conv0, conv1), from_rgb in zip(network.convs, network.from_rgbs, strict=True):
        for layer in (conv0, conv1, from_rgb):
            assert layer.scale == pytest.approx(np.sqrt(2 / np.prod(layer.kernel.shape[:-1])))
    for layer in (network.logits, network.classification_logits):
        assert layer.scale == pytest.approx(np.sqrt(1 / layer.kernel.shape[0]))


def test_a_batch_of_equal_notes_gives_itself_away():
    x = np.random.RandomState(0).normal(size=(4, 2, 3, 5)).astype(np.float32)
    same = np.asarray(networks.append_deviation(np.repeat(x[:1], 4, axis=0)))
    np.testing.assert_allclose(same[..., 5], 1e-3, rtol=1e-4)  # the root of the epsilon
    np.testing.assert_array_equal(same[..., :5], np.repeat(x[:1], 4, axis=0))
    different = np.asarray(networks.append_deviation(x))
    np.testing.assert_allclose(different[..., 5], np.sqrt(x.var(axis=0) + 1e-6).mean(), rtol=1e-5)


@pytest.mark.parametrize("num_blocks", [1, 2])
def test_an_early_stage_sees_no_detail(num_blocks):
    factor = 2 ** (3 - num_blocks)
    data = images()
    squares = data.reshape(3, SMALL.frames // factor, factor, SMALL.bins // factor, factor, 2)
    blurred = np.broadcast_to(squares.mean(axis=(2, 4), keepdims=True), squares.shape).reshape(data.shape)
    network = small(num_blocks)
    np.testing.assert_allclose(network(blurred)[0], network(data)[0], rtol=1e-5, atol=1e-5)
    assert np.abs(np.asarray(small(3)(blurred)[0]) - np.asarray(small(3)(data)[0])).max() > 1e-3


@pytest.mark.parametrize("fade", [0.0, 0.3, 1.0])
def test_a_new_block_is_faded_in_from_nothing(fade):
    """At fade 1 the network is the one it grew from, at 0 the image enters by the newest block alone."""
    old, new, data = small(2), small(3, seed=5), images()
    weights = new.named_weights()
    for name, variable in old.named_weights().items():
        weights[name].assign(variable)
    scores = np.asarray(new(data, fade=fade)[0])
    assert np.allclose(scores, old(data)[0], rtol=1e-5, atol=1e-6) == (fade == 1)
    np.testing.assert_allclose(new(data, fade=np.float32(fade))[0], scores, rtol=1e-5, atol=1e-6)
    weights["2/from_rgb/kernel"].assign(weights["2/from_rgb/kernel"] + 1.0)
    assert np.array_equal(new(data, fade=fade)[0], scores) == (fade == 0)


def test_what_the_normaliser_clips_has_no_gradient():
    import tensorflow as tf

    data = tf.constant(images())
    loud = tf.concat([data[:, :1] + 1e3, data[:, 1:]], axis=1)
    with tf.GradientTape() as tape:
        tape.watch(loud)
        scores, _ = small()(loud)
    gradient = tape.gradient(scores, loud).numpy()
    assert (gradient[:, :1] == 0).all()
    assert (gradient[:, 1:] != 0).mean() > 0.9
