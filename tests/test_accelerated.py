"""The one graph for GPUs, run on a CPU: the same notes as by the other way, and what happens when memory is short."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inputs import DATA, formula_data, golden, snr

from helpers.gansynth import GANSynth, checkpoint, model, spectral
from helpers.gansynth.config import Config


@pytest.fixture
def with_accelerator(monkeypatch):
    monkeypatch.setattr(model, "_has_accelerator", lambda: True)


@pytest.fixture
def accelerated(with_accelerator):
    return GANSynth(checkpoint.read(DATA / "checkpoints" / "tiny_stage12"))


@given(hnp.arrays(np.float32, (1, 128, 3), elements=st.floats(-4, 4, width=32)))
@pytest.mark.slow
def test_phases_stay_exact_over_a_whole_note(frequency):
    from helpers.gansynth.accelerated import wrapped_sum

    turns = (np.asarray(wrapped_sum(frequency), np.float64) - np.cumsum(frequency, axis=1, dtype=np.float64)) / 2
    assert np.abs(turns - np.rint(turns)).max() < 1e-6  # a plain float32 sum is off by 1e-5


@pytest.mark.parametrize("frames", [8, 24, 128])
@pytest.mark.parametrize("data_type", ["mel", "linear"])
def test_the_inverse_transform_is_the_other_one(data_type, frames):
    from helpers.gansynth.accelerated import InverseTransform

    config = Config(data_type=data_type)
    data = formula_data()[:, :frames]
    waves = np.asarray(InverseTransform(config)(spectral.normalize(data, config)))
    expected = spectral.data_to_waves(spectral.denormalize(spectral.normalize(data, config), config), config)
    assert waves.shape == expected.shape
    assert snr(waves, expected).min() > 95


@pytest.mark.slow
def test_notes_are_the_originals(accelerated):
    expected = golden("tiny_stage12_gen")
    waves = accelerated.generate(expected["z"][:4], expected["pitches"][:4])
    assert snr(waves, expected["waves"]).min() > 65


@pytest.mark.slow
def test_short_notes_are_the_same(accelerated, tiny):
    z, pitches = tiny.sample_z(3, 0), [30, 60, 80]
    expected = tiny.generate(z, pitches, duration=0.5)
    assert snr(accelerated.generate(z, pitches, duration=0.5), expected).min() > 80


@pytest.mark.slow
def test_the_graph_compiles_with_xla(accelerated):
    """As Keras runs it on a GPU."""
    import tensorflow as tf

    from helpers.gansynth.accelerated import CompiledModel

    z, labels = accelerated.sample_z(2, 0).astype(np.float32), np.array([36, 40], np.int32)
    compiled = tf.function(CompiledModel(accelerated.network, (0, 16)).call, jit_compile=True)
    waves = compiled([tf.constant(z), tf.constant(labels)]).numpy()
    expected = accelerated.generate(z, labels + 24, duration=0.3)
    assert snr(waves[:, : expected.shape[1]], expected).min() > 80


def test_there_are_more_notes_in_a_batch(accelerated):
    assert accelerated.batch_size == model.ACCELERATOR_BATCH_SIZE


@pytest.mark.slow
def test_batches_that_do_not_fit_are_halved(accelerated, monkeypatch):
    import tensorflow as tf

    z, pitches, sizes, play = accelerated.sample_z(11, 0), np.arange(50, 61), [], accelerated._play
    expected = accelerated.generate(z, pitches, duration=0.1)

    def short_of_memory(z, *rest):
        sizes.append(len(z))
        if len(z) > 3:
            raise tf.errors.ResourceExhaustedError(None, None, "failed to allocate")
        return play(z, *rest)

    monkeypatch.setattr(accelerated, "_play", short_of_memory)
    np.testing.assert_allclose(accelerated.generate(z, pitches, duration=0.1), expected, atol=1e-5)
    assert sizes == [11, 5, 2, 3, 6, 3, 3]
    sizes.clear()
    accelerated.generate(z, pitches, duration=0.1)
    assert sizes == [2, 2, 2, 2, 2, 1]  # it has learned


def test_other_errors_are_not_taken_for_that(accelerated, monkeypatch):
    def broken(*_):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(accelerated, "_play", broken)
    with pytest.raises(RuntimeError, match="no such kernel"):
        accelerated.generate(accelerated.sample_z(4, 0), [60, 61, 62, 63])


# ------------------------------------------------------------------------------------------------------------ precision


@pytest.mark.parametrize(("precision", "louder"), [("bfloat16", 0.1), ("float16", 0.02)])
@pytest.mark.slow
def test_a_shorter_format_is_nearly_the_same(with_accelerator, tiny, precision, louder):
    lower = GANSynth(checkpoint.read(DATA / "checkpoints" / "tiny_stage12"), precision=precision)
    z, pitches = tiny.sample_z(4, 0), [36, 48, 60, 72]
    got, expected = lower.generate_data(z, pitches), tiny.generate_data(z, pitches)
    assert got.dtype == np.float32
    difference = np.sqrt(np.mean((got - expected) ** 2, axis=(0, 1, 2)))
    assert 0 < difference[0] < louder  # nepers of log power
    assert 0 < difference[1] < louder / 4  # half turns a frame
    assert precision in repr(lower)


def test_float16_is_not_for_a_cpu():
    with pytest.raises(ValueError, match=r"float16 needs a GPU .* use bfloat16"):
        GANSynth(checkpoint.read(DATA / "checkpoints" / "tiny_stage12"), precision="float16")


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="precision is 'half'; it must be one of float32, bfloat16, float16"):
        GANSynth(checkpoint.read(DATA / "checkpoints" / "tiny_stage12"), precision="half")
