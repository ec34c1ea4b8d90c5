"""The generator against the original's numbers, and against itself where it takes a short cut."""

import dataclasses
import json
import math
import re

import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from inputs import DATA, NO_PARITY, PARITY, TINY, golden, save_tensors, snr

from helpers.gansynth import GANSynth, checkpoint, networks, spectral
from helpers.gansynth.config import MIN_PITCH, Config

SCHEDULE = json.loads((DATA / "schedule.json").read_text())["rows"]
MAX_ABS, RMS = 5e-4, 3e-5  # the original differs from itself by a third of these when its CPU kernels are switched


def assert_same_data(got, expected):
    assert got.shape == expected.shape
    difference = np.abs(got - expected)
    assert difference.max() < MAX_ABS
    assert np.sqrt(np.mean(np.square(difference))) < RMS


def assert_same_tiny_data(got, expected):
    """As above, but for a few values, and with a third of the mean error (a tenth is measured).

    Pixel normalisation magnifies rounding where all channels are near 0 at once, which happens when there are only 4 to
    6 of them. There the original is off by up to 5.04e-4 from the same network in float64, ours by as much elsewhere,
    and their difference reaches 6.1e-4. It does so at 1 or 2 values of 32,768, so one in 10,000 may.
    """
    assert got.shape == expected.shape
    difference = np.abs(got - expected)
    assert np.mean(difference > MAX_ABS) < 1e-4
    assert difference.max() < 4 * MAX_ABS
    assert np.sqrt(np.mean(np.square(difference))) < RMS / 3


@pytest.fixture(scope="module", params=TINY)
def pair(request):
    """A model and what the original generates with it."""
    return GANSynth(checkpoint.read(DATA / "checkpoints" / request.param)), golden(f"{request.param}_gen")


@pytest.mark.slow
def test_data_is_the_originals(pair):
    model, expected = pair
    data = model.generate_data(expected["z"], expected["pitches"])
    assert_same_tiny_data(data[: len(expected["data_full"])], expected["data_full"])
    assert_same_tiny_data(data[:, ::8, ::8], expected["data_sub"])


@pytest.mark.parametrize("name", TINY)
@pytest.mark.slow
def test_averaged_weights_are_read_and_not_the_raw_ones(name):
    """A model of the raw weights is a plausible one, only another: nothing but this comparison tells."""
    import tensorflow as tf

    folder, expected = DATA / "checkpoints" / name, golden(f"{name}_gen")
    averaged = checkpoint.read(folder)
    reader = tf.train.load_checkpoint(str(next(folder.glob("stage_*"))))
    raw = {n: checkpoint.published_name(n).removesuffix("/ExponentialMovingAverage") for n in averaged.weights}
    raw = dataclasses.replace(averaged, weights={n: reader.get_tensor(v) for n, v in raw.items()})
    data = GANSynth(raw).generate_data(expected["z"][:2], expected["pitches"][:2])[:, ::8, ::8]
    assert_same_tiny_data(data, expected["raw_data_sub"][:2])
    assert np.abs(data - expected["data_sub"][:2]).max() > 1


@pytest.mark.slow
def test_full_size_is_the_original(tmp_path):
    weights = PARITY / "full_stage12_generator_ema.npz"
    if not weights.is_file():
        pytest.skip(NO_PARITY)
    values = json.loads((DATA / "checkpoints" / "tiny_stage12" / "experiment.json").read_text())
    (tmp_path / "experiment.json").write_text(
        json.dumps(values | {"fmap_base": 4096, "fmap_decay": 1.0, "fmap_max": 256})
    )
    tensors = golden(weights.stem, PARITY)
    assert len(tensors) == 30
    save_tensors(tmp_path / "stage_00012" / "model.ckpt-11000000", tensors)
    model = GANSynth(checkpoint.read(tmp_path))
    assert model.network.count_params() == sum(value.size for value in tensors.values())
    expected = golden("full_stage12_gen", PARITY)
    data = model.generate_data(expected["z"], expected["pitches"], batch_size=2)
    assert_same_data(data[:1], expected["data_full"])
    assert_same_data(data[:, ::8, ::8], expected["data_sub"])
    assert snr(spectral.data_to_waves(data, model.config), expected["waves"]).min() > 65


@pytest.fixture(scope="module", params=TINY)
def exact(request):
    """A network in float64, in which the rounding of a convolution of another shape cannot be taken for a mistake."""
    source = checkpoint.read(DATA / "checkpoints" / request.param)
    keras.config.set_dtype_policy("float64")
    try:
        network = networks.Generator(source.config, source.num_blocks, source.progress)
    finally:
        keras.config.set_dtype_policy("float32")
    for name, variable in network.named_weights().items():
        variable.assign(source.weights[name])
    shape = (1, source.config.start_height, source.config.start_width, source.config.filters(1))
    x = np.random.RandomState(0).normal(size=shape)
    image = np.asarray(network.grow(x))
    assert image.dtype == np.float64
    assert image.shape == (1, 128, 1024, 2)
    return network, x, image


@settings(max_examples=20)
@given(frames=st.tuples(st.integers(0, 127), st.integers(1, 128)).map(sorted).filter(lambda ab: ab[0] < ab[1]))
@example(frames=[0, 1])
@example(frames=[127, 128])
@example(frames=[63, 65])
@example(frames=[0, 16])
@pytest.mark.slow
def test_a_part_is_the_same_as_in_the_whole(exact, frames):
    network, x, image = exact
    part = np.asarray(network.grow(x, tuple(frames)))
    np.testing.assert_allclose(part, image[:, slice(*frames)], rtol=0, atol=1e-12)


def test_a_part_can_be_asked_for_by_latent_and_pitch(pair):
    model, expected = pair
    z, labels = expected["z"][:1], expected["pitches"][:1] - MIN_PITCH
    part = np.asarray(model.network(z, labels, frames=(30, 50)))
    whole = np.asarray(model.network(z, labels))[:, 30:50]
    assert np.sqrt(np.mean((part - whole) ** 2)) < 1e-6


def test_pixel_norm_gives_unit_mean_square():
    x = (
        np.random.RandomState(0).normal(size=(3, 4, 5, 7)).astype(np.float32)
        * 10.0 ** np.arange(-1, 2)[:, None, None, None]
    )
    y = np.asarray(networks.pixel_norm(x.astype(np.float32)))
    np.testing.assert_allclose(np.mean(y**2, axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        y / np.linalg.norm(y, axis=-1, keepdims=True), x / np.linalg.norm(x, axis=-1, keepdims=True), atol=1e-6
    )


def test_pixel_norm_of_silence_is_silence():
    assert (
        np.asarray(networks.pixel_norm(np.zeros((1, 2, 2, 3), np.float32))).tolist() == np.zeros((1, 2, 2, 3)).tolist()
    )


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("frozen", [False, True])
def test_upscaling_convolutions_are_upscaling_and_a_convolution(size, frozen):
    rng = np.random.RandomState(size)
    layer = networks.UpscalingConv2D(5, (size, size), dtype="float64")
    layer.build((None, None, None, 4))
    layer.kernel.assign(rng.normal(size=(size, size, 4, 5)))
    layer.bias.assign(rng.normal(size=5))
    if frozen:
        layer.freeze("float64")
        layer.kernel.assign(np.zeros((size, size, 4, 5)))
    x = rng.normal(size=(2, 3, 7, 4))
    got = np.asarray(layer(x))
    kernel = np.random.RandomState(size).normal(size=(size, size, 4, 5)) * layer.scale
    margin = size // 2
    large = np.pad(x.repeat(2, axis=1).repeat(2, axis=2), [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    want = np.zeros((2, 6, 14, 5)) + np.asarray(layer.bias)
    for i in range(size):
        for j in range(size):
            want += large[:, i : i + 6, j : j + 14] @ kernel[i, j]
    np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_first_and_the_last_layers_stay_float32(precision):
    """The one reads the latent vector, the others make what is heard."""
    source = checkpoint.read(DATA / "checkpoints" / "tiny_stage11_blend")  # in a transition, two of them are heard
    network = networks.Generator(source.config, source.num_blocks, source.progress)
    network.freeze(precision)
    formats = {layer.name: {keras.backend.standardize_dtype(part.dtype) for part in layer.frozen}
               for pair in network.convs for layer in pair}  # fmt: skip
    assert formats.pop("block1_conv0") == {"float32"}
    assert len(formats) == 13
    assert all(kinds == {precision} for kinds in formats.values())
    assert sorted(network.to_rgbs) == ["6", "7"]
    for layer in network.to_rgbs.values():
        assert {keras.backend.standardize_dtype(part.dtype) for part in layer.frozen} == {"float32"}


def test_upscale_repeats_pixels():
    image = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    expected = np.kron(image[0, :, :, 0], np.ones((2, 2)))
    assert np.array_equal(np.asarray(networks.upscale(image))[0, :, :, 0], expected)


def test_scales_follow_the_number_of_inputs(tiny):
    """He's gain belongs to the layers before a leaky ReLU and not to what is looked at directly."""
    network = tiny.network
    for conv0, conv1 in network.convs:
        for conv in (conv0, conv1):
            assert conv.scale == pytest.approx(math.sqrt(2 / math.prod(conv.kernel.shape[:-1])))
    assert list(network.to_rgbs) == ["7"]  # of the others nothing is seen at the end of the training
    assert network.to_rgbs["7"].scale == pytest.approx(math.sqrt(1 / tiny.config.filters(7)))


def test_scale_multiplies_the_kernel_and_not_the_bias():
    layer = networks.EqualizedConv2D(1, (1, 1), gain=1.0)
    layer.build((None, None, None, 4))
    layer.kernel.assign(np.ones((1, 1, 4, 1)))
    layer.bias.assign([10.0])
    assert np.asarray(layer(np.ones((1, 1, 1, 4), np.float32))).item() == pytest.approx(4 * 0.5 + 10)


@pytest.mark.parametrize("row", SCHEDULE, ids=lambda row: f"{row['stage']}@{row['global_step']}")
def test_block_weights_are_the_originals(row):
    """Where the original goes on to a new block at the very last image of a stage, ours does too."""
    got = networks.block_weights(row["progress"], row["num_blocks"])
    assert np.array_equal(np.float32(got), np.float32(row["gen_alpha"]))


@given(blocks=st.integers(1, 7), share=st.floats(0, 1))
def test_block_weights_sum_to_one(blocks, share):
    weights = networks.block_weights(share * (blocks - 1), blocks)
    assert len(weights) == blocks
    assert min(weights) >= 0
    assert sum(weights) == pytest.approx(1)
    assert sum(w > 0 for w in weights) <= 2


@pytest.mark.parametrize(("stage", "step", "seen"), [(12, 11_000_000, {7}), (11, 9_300_000, {6, 7}), (0, 1, {1})])
def test_only_weights_that_are_heard_are_asked_for(stage, step, seen):
    config = Config()
    shapes = checkpoint.weight_shapes(config, config.num_blocks(stage), config.progress(stage, step))
    assert {int(name[0]) for name in shapes if re.search("to_rgb", name)} == seen
    assert len(shapes) == 4 * config.num_blocks(stage) + 2 * len(seen)
