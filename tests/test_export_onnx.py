"""The generator as an ONNX file, run by onnxruntime: the same spectrograms, and all that is needed for sound."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from inputs import DATA, TINY, snr

from helpers import export
from helpers.gansynth import GANSynth, checkpoint, spectral
from helpers.gansynth.config import Config

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "onnx.md"


def small(data_type="mel", dtype=np.float32, **more):
    """A model of the published layout with 32 filters and random weights, `dtype` in its checkpoint."""
    config = Config(data_type=data_type, fmap_max=32)
    random = np.random.RandomState(5)
    shapes = checkpoint.weight_shapes(config, config.num_resolutions, config.num_resolutions - 1.0)
    weights = {name: random.normal(size=shape).astype(dtype).astype(np.float32) for name, shape in shapes.items()}
    weights |= {name: 0.3 * values for name, values in weights.items() if name.endswith("bias")}
    weights = {name: values.astype(dtype).astype(np.float32) for name, values in weights.items()}
    return GANSynth(checkpoint.Checkpoint(config, weights, 12, config.total_num_images, **more), "small")


@pytest.fixture(scope="module")
def model():
    about = {"license": "MIT", "instruments": [{"name": "Harp", "program": 46, "z": np.ones(256).tolist()}]}
    return small(about=about)


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    return export.onnx(model, tmp_path_factory.mktemp("onnx") / "new" / "small.onnx")


def draw(path, z, pitches):
    """What the file makes of them, as `GANSynth.generate_data` has it."""
    session = onnxruntime.InferenceSession(str(path))
    one_hot = np.eye(61, dtype=np.float32)[np.asarray(pitches) - 24]
    return session.run(["spectrogram"], {"z": z.astype(np.float32), "pitch": one_hot})[0].transpose(0, 2, 3, 1)


def assert_same(got, expected):
    """Within 1e-4, but for one value in 100,000: random weights leave places where all channels are near 0, and there
    pixel normalisation magnifies the rounding of either program."""
    assert got.shape == expected.shape
    difference = np.abs(got - expected)
    assert np.mean(difference > 1e-4) < 1e-5
    assert difference.max() < 5e-4
    assert np.sqrt(np.mean(difference**2)) < 1e-5


@pytest.mark.parametrize("n", [1, 3, 8])
@pytest.mark.slow
def test_the_file_draws_what_the_model_draws(model, path, n):
    z = model.sample_z(n, n)
    pitches = np.random.RandomState(n).choice(61, n, replace=False) + 24
    data = model.generate_data(z, pitches)
    assert np.ptp(data, axis=(1, 2)).min() > 0.5, "a picture, and not one value"
    assert_same(draw(path, z, pitches), data)


@pytest.mark.slow
def test_pitches_from_end_to_end(model, path):
    z, pitches = np.repeat(model.sample_z(1, 9), 16, axis=0), np.arange(24, 85, 4)
    assert_same(draw(path, z, pitches), model.generate_data(z, pitches))


@pytest.mark.parametrize("name", TINY)
@pytest.mark.slow
def test_unfinished_and_fading_blocks(name, tmp_path):
    model = GANSynth(checkpoint.read(DATA / "checkpoints" / name), name)
    path = export.onnx(model, tmp_path / f"{name}.onnx")
    z, pitches = model.sample_z(5, 3), [24, 47, 60, 61, 84]
    difference = np.abs(draw(path, z, pitches) - model.generate_data(z, pitches))
    # With 4 to 6 channels, all of which are near 0 here and there, pixel normalisation magnifies rounding.
    assert np.mean(difference > 1e-4) < 1e-3
    assert np.sqrt(np.mean(difference**2)) < 1e-5


@pytest.mark.slow
def test_the_bundled_model(tmp_path):
    from helpers import gansynth

    model = gansynth.load("demo")
    z, pitches = model.sample_z(3, 1), [30, 60, 84]
    data = model.generate_data(z, pitches)
    for weights in ("float32", "float16"):  # its own are float16, so that nothing is lost
        path = export.onnx(model, tmp_path / "demo.onnx", weights)
        np.testing.assert_allclose(draw(path, z, pitches), data, rtol=0, atol=1e-4)
    assert path.stat().st_size < 21e6


@pytest.mark.slow
def test_float16_weights_are_half_the_size_and_what_they_are_in_the_checkpoint(path, tmp_path):
    model = small(dtype=np.float16)
    shorter = export.onnx(model, tmp_path / "half.onnx", weights="float16")
    longer = export.onnx(model, tmp_path / "full.onnx")
    z, pitches = model.sample_z(2, 1), [40, 70]
    np.testing.assert_array_equal(draw(shorter, z, pitches), draw(longer, z, pitches))
    kernels = [c for c in onnx.load(shorter).graph.initializer if c.name.endswith("kernel")]
    assert {c.data_type for c in kernels} == {onnx.TensorProto.FLOAT16}
    full = {c.name: c for c in onnx.load(path).graph.initializer}
    assert all(len(c.raw_data) <= len(full[c.name].raw_data) // 2 for c in kernels)


def test_what_the_file_says_of_itself(model, path):
    made = onnx.load(path)
    onnx.checker.check_model(made, full_check=True)
    assert made.ir_version == 9
    assert [(o.domain, o.version) for o in made.opset_import] == [("", 18)]
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*made.graph.input, *made.graph.output)
    }
    assert shapes == {"z": ["n", 256], "pitch": ["n", 61], "spectrogram": ["n", 2, 128, 1024]}
    about = {prop.key: prop.value for prop in made.metadata_props}
    mel = json.loads(about.pop("mel_to_linear"))
    assert json.loads(about.pop("instruments")) == [{"name": "Harp", "program": 46, "family": None, "z": [1.0] * 256}]
    assert about == {
        "name": "small",
        "fingerprint": model.fingerprint,
        "license": "MIT",
        "sample_rate": "16000",
        "samples": "64000",
        "lowest_pitch": "24",
        "highest_pitch": "84",
        "latents": "standard normal",
        "data_type": "mel",
        "frame_length": "2048",
        "hop_length": "512",
        "front_padding": "3072",
        "epsilon": "1e-06",
    }
    matrix = np.zeros((1024, 1024))
    matrix[mel["rows"], mel["columns"]] = mel["values"]
    np.testing.assert_allclose(matrix, spectral.mel_inverse_weights(model.config).toarray(), rtol=1e-6)
    named = GUIDE.read_text("utf-8")
    assert all(f"`{key}`" in named for key in (*about, "mel_to_linear", "instruments"))


def lines():
    """The Python of the guide, as it stands there."""
    return re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL).group(1)


def test_the_lines_of_the_guide_make_the_sound_that_the_model_makes(model, path):
    code = lines().replace("outputs/demo.onnx", path.as_posix())
    made = {}
    exec(code, made)
    expected = model.generate(np.ones(256), [60])
    assert made["waves"].shape == expected.shape
    assert snr(made["waves"], expected).min() > 70


@pytest.mark.slow
def test_a_linear_frequency_axis(tmp_path):
    model = small("linear")
    path = export.onnx(model, tmp_path / "linear.onnx")
    about = {prop.key: prop.value for prop in onnx.load(path).metadata_props}
    assert about["data_type"] == "linear"
    assert not {"epsilon", "mel_to_linear"} & about.keys()
    z = model.sample_z(1, 1)
    assert_same(draw(path, z, [60]), model.generate_data(z, [60]))


def test_mistakes_are_one_sentence(model, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"model\.bin must end in \.onnx"):
        export.onnx(model, tmp_path / "model.bin")
    with pytest.raises(ValueError, match="weights is 'int8'; it must be 'float32' or 'float16'"):
        export.onnx(model, tmp_path / "model.onnx", weights="int8")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="not installed: pip install onnx"):
        export.onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
