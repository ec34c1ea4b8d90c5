"""helpers.gansynth.onnx_player: the notes of the port, without TensorFlow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from inputs import DATA, TINY, snr, song_of

from helpers import audio, gansynth, generate, many, render
from helpers.gansynth import GANSynth, NoteCache, checkpoint
from helpers.gansynth.config import Config
from helpers.instruments import Instrument
from helpers.midi import Note

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[1]
FOLDER = DATA / "checkpoints" / "tiny_stage12"


def small(data_type="mel", **more):
    """A checkpoint of the published layout with 32 filters and random weights."""
    config = Config(data_type=data_type, fmap_max=32, **more)
    random = np.random.RandomState(5)
    shapes = checkpoint.weight_shapes(config, config.num_resolutions, config.num_resolutions - 1.0)
    weights = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {name: 0.3 * values for name, values in weights.items() if name.endswith("bias")}
    return checkpoint.Checkpoint(config, weights, 12, config.total_num_images)


@pytest.fixture(scope="module")
def pair():
    """The port, and the same model without TensorFlow."""
    return GANSynth(small(), "small"), GANSynth(small(), "small", backend="onnx")


@pytest.fixture(scope="module")
def tiny_onnx():
    return gansynth.load(FOLDER, backend="onnx")


def assert_same(got, expected):
    """Within 1e-4, but for one value in 200: random weights and few channels leave places where all are near 0, and
    there pixel normalisation magnifies the rounding of either program. A row that is wrong is one in 128 at least."""
    assert got.shape == expected.shape
    difference = np.abs(got - expected)
    assert np.mean(difference > 1e-4) < 5e-3
    assert np.sqrt(np.mean(difference**2)) < 1e-4


@pytest.mark.parametrize("frames", [1, 7, 16, 56, 101, 127, 128])
@pytest.mark.slow
def test_any_number_of_frames_is_what_the_port_draws(pair, frames):
    port, player = pair
    z, pitches = port.sample_z(3, frames), np.array([24, 60, 84], np.int32)
    got = player._data(z.astype(np.float32), pitches, frames)
    assert got.shape == (3, frames, 1024, 2)
    assert_same(got, port._data(z.astype(np.float32), pitches, frames))
    np.testing.assert_allclose(got, player.generate_data(z, pitches)[:, :frames], rtol=0, atol=1e-5)


@pytest.mark.parametrize("change", [{"data_type": "linear"}, {"kernel_size": 5}])
@pytest.mark.slow
def test_other_models(change):
    port, player = GANSynth(small(**change)), GANSynth(small(**change), backend="onnx")
    z, pitches = port.sample_z(2, 1).astype(np.float32), np.array([40, 70], np.int32)
    for frames in (20, 128):
        assert_same(player._data(z, pitches, frames), port._data(z, pitches, frames))


@pytest.mark.parametrize("name", TINY)
@pytest.mark.slow
def test_unfinished_and_fading_blocks(name):
    folder = DATA / "checkpoints" / name
    port, player = gansynth.load(folder), gansynth.load(folder, backend="onnx")
    z, pitches = port.sample_z(5, 3).astype(np.float32), np.array([24, 47, 60, 61, 84], np.int32)
    for frames in (1, 30, 128):
        assert_same(player._data(z, pitches, frames), port._data(z, pitches, frames))


@pytest.mark.slow
def test_notes_sound_the_same(pair):
    port, player = pair
    z, pitches = port.sample_z(5, 2), [30, 45, 60, 72, 84]
    for duration in (0.1, 1.3, [0.5, 2.0, 3.9, 0.2, 1.0], None):
        waves, expected = player.generate(z, pitches, duration), port.generate(z, pitches, duration)
        assert waves.shape == expected.shape
        assert snr(waves, expected).min() > 80
    np.testing.assert_allclose(player.generate_data(z[:1], [60]), port.generate_data(z[:1], [60]), atol=5e-4)


def test_activations_of_the_first_layer_are_added(pair):
    port, player = pair
    z = np.random.RandomState(4).normal(size=(2, port.latent_sizes[1])).astype(np.float32)
    assert player.latent_sizes == port.latent_sizes
    waves = player.generate(z, [50, 60], 0.5)
    assert snr(waves, port.generate(z, [50, 60], 0.5)).min() > 80
    assert snr(waves, player.generate(z[:, :256], [50, 60], 0.5)).max() < 20


def test_a_network_for_gradients_is_there_when_it_is_asked_for(tiny, tiny_onnx):
    assert "network" not in vars(gansynth.load(FOLDER, backend="onnx"))
    for name, weights in tiny.network.named_weights().items():
        np.testing.assert_array_equal(weights, tiny_onnx.network.named_weights()[name])
    assert repr(tiny_onnx) == repr(tiny).replace(tiny.name, tiny_onnx.name).replace(")", ", onnx)")


# ---- What must not be taken for the other ----------------------------------------------------------------------------


def test_a_cache_keeps_the_backends_apart(tmp_path):
    cache = NoteCache(tmp_path)
    models = [gansynth.load(FOLDER, cache=cache, backend=backend) for backend in ("tensorflow", "onnx")]
    z = models[0].sample_z(2, 1)
    for model, misses in zip(models, (2, 4), strict=True):
        waves = model.generate(z, [50, 60], 0.2)
        assert (cache.hits, cache.misses) == (misses - 2, misses)
        np.testing.assert_array_equal(model.generate(z, [50, 60], 0.2), waves)
        assert (cache.hits, cache.misses) == (misses, misses)
    assert models[0].cached(z, [50, 60], [0.2, 0.2]).all()
    assert len(cache) == 4


@pytest.mark.slow
def test_shared_notes_and_clips_keep_them_apart(tiny, tiny_onnx, tmp_path):
    run, keys = many.Run(seed=1), set()
    for model in (gansynth.load(FOLDER), tiny_onnx):
        z = model.sample_z(1, 1)
        shared = gansynth.SharedNotes(model, z, NoteCache(tmp_path))
        shared.generate(z, [60], 0.2)
        keys.add(many.key_of(model, run, b"score"))
    assert len(shared.cache) == 16  # two blocks of eight
    assert len(keys) == 2


def test_a_report_says_who_played_and_the_clip_is_made_again(tiny, tiny_onnx, tmp_path):
    song = song_of(Note(60, 100, 0.0, 0.4), Note(64, 90, 0.3, 0.9))
    player = Instrument("Some", tiny.sample_z(1, 2)[0], tiny.fingerprint)
    clip = render.render(tiny_onnx, song, player, progress=False)
    path = clip.report.save(tmp_path / "clip.json")
    np.testing.assert_array_equal(render.reproduce(path, tiny_onnx, progress=False).samples, clip.samples)
    again = render.reproduce(path, progress=False)
    assert again.report.recipe.backend == "onnx"
    np.testing.assert_array_equal(again.samples, clip.samples)
    with pytest.raises(ValueError, match="in float32 by onnx, not with GANSynth"):
        render.reproduce(path, tiny, progress=False)
    older = json.loads(path.read_text("utf-8"))
    assert older["model"].pop("backend") == "onnx"
    path.write_text(json.dumps(older), "utf-8")
    assert render.report.read_recipe(path).backend == "tensorflow"


# ---- Mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_package_that_is_not_there_is_one_sentence(package, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    assert generate.main(["--ckpt_dir", str(FOLDER), "--backend=onnx", "--output_dir", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: generating without TensorFlow takes two packages: pip install ")
    assert said.count("\n") == 1


def test_what_it_cannot_do_is_refused():
    with pytest.raises(ValueError, match="the backend onnx computes only in float32, not in bfloat16"):
        gansynth.load(FOLDER, "bfloat16", backend="onnx")
    with pytest.raises(ValueError, match="backend is 'jax'; it must be one of tensorflow, onnx"):
        gansynth.load(FOLDER, backend="jax")


# ---- From a shell ----------------------------------------------------------------------------------------------------

UNUSED = ("tensorflow", "keras", "scipy.signal", "scipy.stats", "sklearn", "matplotlib")
PROGRAM = f"""
import sys
from helpers import generate
status = generate.main(sys.argv[1:])
print("imported:", *[name for name in {UNUSED} if name in sys.modules])
sys.exit(status)
"""


def alone(*flags, threads="2"):
    """What `generate` says as a program of its own."""
    command = [sys.executable, "-c", PROGRAM, *map(str, flags), "--overwrite"]
    environment = os.environ | {"TF_NUM_INTRAOP_THREADS": threads}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_song_without_tensorflow(tiny, tmp_path):
    """Of a published checkpoint, which TensorFlow wrote."""
    flags = ["--ckpt_dir", FOLDER, "--midi_file", DATA / "midi" / "melody14.mid", "--seed", 3, "--cache"]
    assert alone(*flags, "--backend=onnx", "--output", tmp_path / "onnx.wav")[-1] == "imported:"
    assert generate.main([*map(str, flags[:-1]), "--output", str(tmp_path / "port.wav")]) == 0
    made, expected = (audio.read(tmp_path / f"{name}.wav").samples for name in ("onnx", "port"))
    assert np.abs(made - expected).max() <= 2 / 32768, "16-bit files, which rounding may move by a step"


@pytest.mark.slow
def test_many_songs_without_tensorflow(tmp_path):
    midi = DATA / "midi"
    flags = ["--ckpt_dir", FOLDER, "--seed", 3, "--backend=onnx", "--each_track", "--cache", "--threads", 1]
    for name in ("once", "again"):
        said = alone(*flags, "--output_dir", tmp_path / name, midi / "melody14.mid", midi / "small.mid")
        assert said[-1] == "imported:"
        assert any(line.startswith("2 made") for line in said)
    for clip in ("melody14.wav", "small.wav"):
        assert (tmp_path / "once" / clip).read_bytes() == (tmp_path / "again" / clip).read_bytes()
    manifest = json.loads((tmp_path / "once" / "manifest.json").read_text("utf-8"))
    assert manifest["model"]["backend"] == "onnx"
    assert "--backend=onnx" in manifest["command"]
    assert "onnxruntime" in manifest["versions"]


@pytest.mark.slow
def test_the_bundled_model_without_tensorflow(tmp_path):
    flags = ["--checkpoint=demo", "--midi_file", DATA / "midi" / "small.mid", "--seed", 1, "--each_track"]
    assert alone(*flags, "--backend=onnx", "--output", tmp_path / "onnx.flac")[-1] == "imported:"
    assert "tensorflow" in alone(*flags, "--output", tmp_path / "port.flac")[-1]
    made, expected = (audio.read(tmp_path / f"{name}.flac").samples.T for name in ("onnx", "port"))
    assert snr(made, expected).min() > 60, "the rounding of 16 bits"
