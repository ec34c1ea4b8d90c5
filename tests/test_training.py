"""Training: the original's numbers, killed runs, stages, checkpoints and the command line."""

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from inputs import DATA, RATE, formula_data, golden
from matplotlib.figure import Figure

from helpers import gansynth, train
from helpers.evaluation import evaluating, results
from helpers.files import LOCK
from helpers.gansynth import checkpoint
from helpers.gansynth.config import MIN_PITCH, NUM_PITCHES, Config
from helpers.training import loop, plots
from helpers.training import trainer as training

# Three stages of 4 x 32 pixels at most, each of a few steps, and notes of 100 samples.
SMALL = {
    "audio_length": 100,
    "num_resolutions": 2,
    "fmap_base": 16,
    "fmap_max": 4,
    "latent_vector_size": 8,
    "batch_size_schedule": [4],
    "stable_stage_num_images": 24,
    "transition_stage_num_images": 16,
    "total_num_images": 80,
}
CONFIG = Config.from_dict(SMALL)
BLEND = DATA / "checkpoints" / "tiny_stage11_blend"
SCHEDULE = json.loads((DATA / "schedule.json").read_text())["rows"]


class SomeNotes:
    """Ripples at a few pitches, in place of `dataset.Notes`."""

    def __init__(self, count=10, config=CONFIG):
        self.data = np.random.RandomState(0).normal(-2, 2, (count, config.frames, config.bins, 2)).astype(np.float32)
        self.labels = np.arange(count, dtype=np.int32) * 5 % NUM_PITCHES
        self.pitch_counts = np.bincount(self.labels, minlength=NUM_PITCHES)

    def __len__(self):
        return len(self.labels)

    def batch(self, indices):
        return self.data[indices]


@pytest.fixture
def eager():
    """Without compiling, which takes longer than the few steps of a test."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def trainer_at(step, stage, **kwargs):
    trainer = training.Trainer(CONFIG, seed=3, stage=stage, **kwargs)
    trainer.global_step = step
    return trainer


def assert_same_state(a, b):
    a, b = a.arrays(), b.arrays()
    assert a.keys() == b.keys()
    for name in a.keys() - {"Variable"}:  # seconds
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


# The numbers of the original


@pytest.mark.parametrize("row", SCHEDULE, ids=lambda row: f"{row['stage']}-{row['global_step']}")
def test_schedule_is_the_originals(row):
    config, stage = Config(), row["stage"]
    assert training.stage_end(config, stage) == row["num_images_end"]
    assert training.batch_size(config, training.TrainingSettings(), stage) == row["batch_size"]


def test_a_short_schedule_of_batches_is_for_the_last_resolutions():
    settings = training.TrainingSettings((16, 8))
    assert [training.batch_size(Config(), settings, stage) for stage in range(13)] == [16] * 11 + [8] * 2


@pytest.mark.slow
def test_one_iteration_is_the_originals():
    """All losses to 1e-4 (measured: equal), the variables to a thousandth of the step that they take.

    Adam's first step is 8e-4 in the direction of a gradient's sign, and shorter only where the gradient is as small as
    its epsilon, 1e-8. There the rounding of a processor decides: on one with AVX2 and without AVX-512, 0.6 % of those
    of the generator are off and 1 of 99 of the discriminator; of all others none is.
    """
    expected = golden("train_tiny_stage11")
    trainer = training.Trainer.restore(BLEND)
    before = trainer.arrays()
    z, labels = expected["z"].astype(np.float32), expected["fake_labels_idx"].astype(np.int32)
    drawn = training.Draws(z, labels, z, labels, expected["gp_alpha"])
    values = trainer.iterate(drawn, formula_data(4), expected["real_labels_idx"])
    assert values["generator_loss"] == pytest.approx(float(expected["gen_loss"]), rel=1e-4)
    assert values["discriminator_loss"] == pytest.approx(float(expected["dis_loss_at_train_op"]), rel=1e-4)
    assert trainer.global_step == expected["global_step_after"]
    after = trainer.arrays()
    step = 8e-4
    for kind, key, suffix, size in (
        ("g_names", "g_vars_after", "", step),
        ("g_names", "g_ema_after", checkpoint.AVERAGE, step * 1e-3),
        ("d_names", "d_vars_after", "", step),
    ):
        names = [name + suffix for name in expected[kind]]
        got = np.concatenate([after[name].ravel() for name in names])
        moved = np.abs(expected[key] - np.concatenate([before[name].ravel() for name in names]))
        assert np.median(moved) > size / 2
        difference = np.abs(got - expected[key])
        is_full = moved > 0.99 * size
        assert is_full.mean() > 0.7
        assert difference[is_full].max() < 1e-3 * step
        assert np.mean(difference[~is_full] > 1e-3 * step) < 0.02
        assert difference.max() < 0.1 * step


@pytest.mark.slow
def test_a_checkpoint_has_every_variable_of_the_original():
    """Names, types and shapes at full size: the original restores every one of them."""
    lines = [line.split(maxsplit=2) for line in (DATA / "variables_full.txt").read_text().splitlines()]
    expected = {name: (dtype, shape) for name, dtype, shape in lines}
    arrays = training.Trainer(Config(), stage=12).arrays()
    assert {name: (str(a.dtype), str(list(a.shape))) for name, a in arrays.items()} == expected
    assert len(expected) == 312


# What chance decides


@given(count=st.integers(1, 20), size=st.integers(1, 8), seed=st.integers(0, 2**32 - 1))
def test_every_note_comes_once_in_an_epoch(count, size, seed):
    notes = SomeNotes(count, Config.from_dict(SMALL | {"num_resolutions": 1, "audio_length": 40}))
    notes.labels = np.arange(count)
    batches = training.Shuffled(notes, seed)
    steps = -(-2 * count // size)
    order = np.concatenate([batches(step * size, size)[1] for step in range(steps)])
    for epoch in (order[:count], order[count : 2 * count]):
        assert sorted(epoch) == list(range(count))
    np.testing.assert_array_equal(training.Shuffled(notes, seed)(size, size)[1], batches(size, size)[1])


def test_every_epoch_and_every_seed_has_an_order_of_its_own():
    notes = SomeNotes(40, Config.from_dict(SMALL | {"num_resolutions": 1, "audio_length": 40}))
    notes.labels = np.arange(40)
    orders = [training.Shuffled(notes, seed)(40 * epoch, 40)[1].tolist() for seed in (0, 1) for epoch in range(3)]
    assert len({tuple(order) for order in [list(range(40)), *orders]}) == 7


def test_draws_depend_on_seed_and_step_alone():
    counts = np.zeros(NUM_PITCHES)
    counts[[3, 7]] = 1, 9
    a, b = (training.draw(5, 16, 1000, 4, counts) for _ in range(2))
    for field in dataclasses.fields(a):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))
    assert set(a.generator_labels) == {3, 7}
    assert np.mean(a.generator_labels == 7) == pytest.approx(0.9, abs=0.05)
    assert not np.array_equal(a.generator_z, a.discriminator_z)
    assert not np.array_equal(a.generator_z, training.draw(5, 20, 1000, 4, counts).generator_z)
    assert not np.array_equal(a.generator_z, training.draw(6, 16, 1000, 4, counts).generator_z)


# Stages


@pytest.mark.slow
def test_a_new_stage_keeps_what_was_learnt(eager):
    notes = SomeNotes()
    trainer = training.Trainer(CONFIG, notes.pitch_counts, seed=1)
    batches = training.Shuffled(notes, 1)
    while not trainer.stage_is_over:
        trainer.step(*batches(trainer.global_step, trainer.batch_size))
    old = trainer.arrays()
    images = np.asarray(trainer.generator(np.ones((2, 8), "f4"), np.array([1, 2])))
    trainer.advance()
    new = trainer.arrays()
    assert (trainer.stage, trainer.num_blocks, trainer.global_step) == (1, 2, 24)
    kept = {name for name in old if not name.startswith("progressive_gan_train_ops")}
    for name in kept:
        np.testing.assert_array_equal(new[name], old[name], err_msg=name)
    added = [name for name in new if name not in old]
    assert added
    assert all("block_2" in name for name in added)
    for name, array in new.items():
        if name.endswith(("/Adam", "/Adam_1")):
            assert not array.any()
        if name.endswith(checkpoint.AVERAGE) and "block_2" in name:
            np.testing.assert_array_equal(array, new[name.removesuffix(checkpoint.AVERAGE)])
            assert name.endswith(f"bias{checkpoint.AVERAGE}") or 0.5 < array.std() < 1.5
    assert new["progressive_gan_train_ops/generator_train/beta2_power"] == np.float32(0.99)
    # At the first moment of the transition the new block has no share yet.
    assert trainer.fade == 1
    again = trainer.generator(np.ones((2, 8), "f4"), np.array([1, 2]), fade=1.0)
    np.testing.assert_allclose(again, images, atol=1e-6)


def test_only_what_draws_is_trained(eager):
    trainer = trainer_at(40, 2)
    before = trainer.arrays()
    trainer.step(SomeNotes().data[:4], np.arange(4))
    changed = {name for name, array in trainer.arrays().items() if not np.array_equal(array, before[name])}
    changed = {name for name in changed if not name.startswith("progressive_gan_train_ops")}
    still = {name for name in before if not name.startswith("progressive_gan_train_ops")} - changed
    assert {name for name in still if name.startswith("Generator")} == {
        f"Generator/progressive_gan_generator/progressive_gan_block_1/to_rgb/{kind}{suffix}"
        for kind in ("bias", "conv2d/kernel")
        for suffix in ("", checkpoint.AVERAGE)
    }
    assert {name.split("/", 2)[2] for name in still if name.startswith("Discriminator")} == {
        "progressive_gan_block_1/from_rgb/bias",
        "progressive_gan_block_1/from_rgb/conv2d/kernel",
    }


def test_without_growing_there_is_one_stage():
    config = Config.from_dict(SMALL | {"train_progressive": False})
    trainer = training.Trainer(config)
    assert (trainer.stage, trainer.num_blocks, trainer.fade) == (2, 2, 0.0)
    with pytest.raises(ValueError, match="last one"):
        trainer.advance()


# Other ways to compute the same


@pytest.mark.slow
def test_xla_takes_the_same_step():
    notes, values = SomeNotes(), []
    for jit in (False, True):
        trainer = trainer_at(0, 0, jit=jit)
        values.append(trainer.step(notes.data[:4], notes.labels[:4]))
    assert values[1] == pytest.approx(values[0], rel=1e-4)


def test_half_precision_is_near_and_keeps_whole_weights(eager):
    notes, values = SomeNotes(), {}
    for precision in training.PRECISIONS:
        trainer = trainer_at(0, 0, precision=precision)
        values[precision] = trainer.step(notes.data[:4], notes.labels[:4])
        assert {str(v.dtype.name) for v in trainer.variables.values()} == {"float32"}
    assert values["bfloat16"] != values["float32"]
    for name in ("generator_loss", "discriminator_loss"):
        assert values["bfloat16"][name] == pytest.approx(values["float32"][name], rel=0.01)
    with pytest.raises(ValueError, match="float32 or bfloat16"):
        trainer_at(0, 0, precision="float16")


MIRRORED = """
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from test_training import *

    notes = SomeNotes(4)
    states = []
    for strategy in (None, tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])):
        trainer = trainer_at(28, 1, strategy=strategy)
        for _ in range(2):
            values = trainer.step(notes.data, notes.labels)
        states.append((values, trainer.arrays()))
    assert trainer.strategy.num_replicas_in_sync == 2
    (one, arrays), (two, mirrored) = states
    assert max(abs(one[name] - two[name]) for name in one) < 1e-4, (one, two)
    for name in arrays.keys() - {"Variable"}:
        np.testing.assert_allclose(mirrored[name], arrays[name], rtol=0, atol=1e-5, err_msg=name)
    first, second = (trainer.generator.convs[0][0].kernel.value.values[i].numpy() for i in (0, 1))
    np.testing.assert_array_equal(first, second)
    try:
        training.Trainer(Config.from_dict(SMALL | {"batch_size_schedule": [3]}), strategy=strategy)
    except ValueError as error:
        print(error)
"""


def python(*args, more=None, **kwargs):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(DATA.parents[1]), str(DATA.parent)])} | (more or {})
    return subprocess.Popen([sys.executable, *map(str, args)], env=environment, text=True, **kwargs)


@pytest.mark.slow
def test_two_devices_take_the_step_of_one():
    """Also where notes meet in the discriminator: in the standard deviation over the batch."""
    process = python("-c", textwrap.dedent(MIRRORED), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors[-3000:]
    assert output == "a batch of 3 cannot be split equally among 2 devices\n"


# Checkpoints


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run in the middle of a transition, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    trainer = trainer_at(24, 1)
    notes = SomeNotes()
    tf.config.run_functions_eagerly(True)
    for _ in range(3):
        trainer.step(notes.data[:4], notes.labels[:4])
    tf.config.run_functions_eagerly(False)
    trainer.save(folder)
    return trainer, folder


def test_a_checkpoint_restores_everything(saved):
    trainer, folder = saved
    restored = training.Trainer.restore(folder)
    assert (restored.seed, restored.stage, restored.global_step) == (3, 1, 36)
    assert restored.seconds == np.float32(trainer.seconds)
    assert restored.settings == trainer.settings
    assert_same_state(restored, trainer)
    assert Config.from_dict(restored.experiment()).to_dict() == Config.from_dict(trainer.experiment()).to_dict()


def test_the_layout_is_the_published_one(saved):
    _, folder = saved
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    stage = "stage_00001/model.ckpt-36"
    assert files == {
        LOCK,
        "experiment.json",
        "generator.npz",
        "stage_00001/checkpoint",
        f"{stage}.index",
        f"{stage}.data-00000-of-00001",
    }
    assert tf.train.latest_checkpoint(str(folder / "stage_00001")).endswith("model.ckpt-36")
    values = json.loads((folder / "experiment.json").read_text())
    published = json.loads((BLEND / "experiment.json").read_text())
    assert {key for key in published if key not in values} == {
        "save_summaries_num_images", "fake_batch_size", "dataset_name", "train_root_dir", "train_data_path", "master",
        "normalizer_margin", "normalizer_num_examples", "ps_tasks", "task", "debug_hook", "train_time_limit",
        "train_time_stage_multiplier",
    }  # fmt: skip


def test_both_formats_play_what_the_trainer_averages(saved, tmp_path):
    trainer, folder = saved
    z, labels = np.random.RandomState(0).normal(size=(3, 8)).astype(np.float32), np.array([0, 30, 60])
    for name, variable in trainer.generator.named_weights().items():
        variable.assign(trainer.variables[checkpoint.published_name(name)])
    expected = np.asarray(trainer.generator(z, labels, fade=trainer.fade))
    published = tmp_path / "published"
    shutil.copytree(folder, published)
    (published / checkpoint.COMPACT_NAME).unlink()
    for path in (folder, published):
        model = gansynth.load(path)
        data = model.generate_data(z, labels + MIN_PITCH)
        normalized = data * [CONFIG.mag_normalizer_a, CONFIG.p_normalizer_a]
        normalized += [CONFIG.mag_normalizer_b, CONFIG.p_normalizer_b]
        np.testing.assert_allclose(normalized, expected, rtol=0, atol=1e-5)
        assert model.generate(z, labels + MIN_PITCH).shape == (3, 100)


def test_only_the_last_checkpoints_are_kept(tmp_path):
    trainer = trainer_at(24, 1)
    for step in range(24, 44, 4):
        trainer.global_step = step
        trainer.save(tmp_path)
    assert sorted(p.name for p in tmp_path.glob("stage_00001/*.index")) == [
        f"model.ckpt-{s}.index" for s in (32, 36, 40)
    ]
    trainer.advance()
    trainer.save(tmp_path)
    assert [p.name for p in tmp_path.glob("stage_00001/*.index")] == ["model.ckpt-40.index"]
    assert [p.name for p in tmp_path.glob("stage_00002/*.index")] == ["model.ckpt-40.index"]
    assert checkpoint.find(tmp_path)[1] == 2


@pytest.mark.slow
def test_two_trainers_write_to_a_folder_one_after_the_other(saved, tmp_path, monkeypatch):
    trainer, meeting, met = saved[0], threading.Barrier(2), []

    def written(*_):
        try:
            meeting.wait(0.5)
            met.append(True)
        except threading.BrokenBarrierError:
            meeting.reset()

    monkeypatch.setattr(training.checkpoint, "write_published", written)
    threads = [threading.Thread(target=trainer.save, args=[tmp_path]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not met


@pytest.mark.slow
def test_a_write_that_fails_leaves_the_checkpoint_before(saved, tmp_path, monkeypatch):
    _, folder = saved
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    trainer = training.Trainer.restore(run)
    expected = trainer.arrays()
    trainer.global_step += 4
    replace, calls = os.replace, []

    def fails_at(number):
        def fail(source, target):
            calls.append(target)
            if len(calls) == number:
                raise OSError("No space left on device")
            replace(source, target)

        return fail

    for number in (1, 2, 3):  # experiment.json, the data, the index
        calls.clear()
        monkeypatch.setattr(os, "replace", fails_at(number))
        with pytest.raises(OSError, match="No space"):
            trainer.save(run)
        monkeypatch.undo()
        assert not list(run.glob(".partial*"))
        restored = training.Trainer.restore(run)
        np.testing.assert_equal(restored.arrays(), expected)
        assert gansynth.load(run).config.num_resolutions == 2
    trainer.advance()
    monkeypatch.setattr(os, "replace", fails_at(2))
    calls.clear()
    with pytest.raises(OSError, match="No space"):
        trainer.save(run)  # the first checkpoint of a stage
    assert checkpoint.find(run)[1] == 1


def test_the_index_gets_its_name_last(saved, tmp_path, monkeypatch):
    """It makes a checkpoint of the files beside it, and so must never stand there before they do."""
    run = shutil.copytree(saved[1], tmp_path / "run")
    trainer = training.Trainer.restore(run)
    trainer.global_step += 4
    replace, named = os.replace, []
    monkeypatch.setattr(
        os, "replace", lambda source, target: (named.append(Path(target).name), replace(source, target))
    )
    trainer.save(run)
    kept = [name for name in named if name.startswith("model.ckpt-40")]
    assert kept == ["model.ckpt-40.data-00000-of-00001", "model.ckpt-40.index"]
    assert named.index("checkpoint") > named.index(kept[-1])


def test_a_published_checkpoint_goes_on():
    """Its discriminator and its optimizers are in it; the seed is the one of a run that never had one."""
    trainer = training.Trainer.restore(BLEND, seed=9)
    assert (trainer.stage, trainer.num_blocks, trainer.global_step, trainer.seed) == (11, 7, 9_300_000, 9)
    assert trainer.fade == pytest.approx(0.375)
    assert trainer.settings == training.TrainingSettings()


def test_a_checkpoint_without_a_discriminator_is_told(saved, tmp_path):
    from inputs import save_tensors

    trainer, folder = saved
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    prefix = run / "stage_00001" / "model.ckpt-36"
    save_tensors(prefix, {n: a for n, a in trainer.arrays().items() if not n.startswith("Discriminator")})
    with pytest.raises(ValueError, match=r"not hold the full state of a training: it has no Discriminator/"):
        training.Trainer.restore(run)
    save_tensors(prefix, {n: a if n == "global_step" else a * np.nan for n, a in trainer.arrays().items()})
    with pytest.raises(ValueError, match="not finite"):
        training.Trainer.restore(run)
    with pytest.raises(ValueError, match=r"does not match its experiment\.json: .* has shape"):
        training.Trainer.restore(folder, config=dataclasses.replace(CONFIG, fmap_max=3))
    with pytest.raises(FileNotFoundError, match="no such folder"):
        training.Trainer.restore(tmp_path / "nothing")


# Mistakes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size_schedule": [0]}, "batch_size_schedule is \\[0\\]"),
        ({"batch_size_schedule": 8}, "batch_size_schedule is 8"),
        ({"batch_size_schedule": [8] * 3}, "3 entries for 2 resolutions"),
        ({"generator_learning_rate": "fast"}, "generator_learning_rate is 'fast'"),
        ({"adam_beta2": 1.0}, "below 1"),
        ({"average_decay": 1.0}, "below 1"),
        ({"gradient_penalty_target": 0.0}, "gradient_penalty_target"),
        ({"gen_gl_consistency_loss_weight": 1.0}, "does not implement that loss"),
    ],
)
def test_numbers_that_make_no_sense(changes, message):
    with pytest.raises(ValueError, match=message):
        training.Trainer(Config.from_dict(SMALL | changes))


def test_other_mistakes():
    with pytest.raises(ValueError, match="pitch_counts"):
        training.Trainer(CONFIG, np.zeros(NUM_PITCHES))
    with pytest.raises(ValueError, match="seed is -1"):
        training.Trainer(CONFIG, seed=-1)
    with pytest.raises(ValueError, match=r"data has shape \[4, 4, 16, 2\]; 4 notes of this model are \[4, 4, 32, 2\]"):
        trainer_at(0, 0).step(np.zeros((4, 4, 16, 2), "f4"), np.zeros(4, "i4"))
    with pytest.raises(ValueError, match="no notes"):
        training.Shuffled(SomeNotes(0), 1)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops(saved, eager):
    _, folder = saved
    trainer = training.Trainer.restore(folder)
    data = SomeNotes().data[:4]
    data[0, 0, 0, 0] = np.nan
    with pytest.raises(FloatingPointError, match="the discriminator's loss is nan at image 40"):
        trainer.step(data, np.arange(4))
    with pytest.raises(FloatingPointError, match="is not finite at image 40"):
        trainer.save(folder)
    assert training.Trainer.restore(folder).global_step == 36


# The command line


@pytest.fixture(scope="module")
def folder_of_notes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notes")
    for i, pitch in enumerate((30, 40, 50, 60, 70, 80)):
        tone = 0.5 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * np.arange(100) / RATE)
        soundfile.write(folder / f"guitar_acoustic_{i:03d}-{pitch:03d}-100.wav", tone, RATE)
    (folder / "experiment.json").write_text(json.dumps(SMALL))
    return folder


def flags(folder, out, *more):
    config = folder / "experiment.json"
    return [
        "--config", str(config), "--data", str(folder), "--out", str(out), "--cache_dir", str(folder / "cache"),
        "--log_every", "1", "--sample_every", "40", "--save_seconds", "0.0001", "--seed", "5", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(folder_of_notes, tmp_path_factory):
    out = tmp_path_factory.mktemp("uninterrupted")
    assert train.main(flags(folder_of_notes, out)) == 0
    return out


def rows(out):
    path = out / loop.LOSSES
    return path.read_text().splitlines() if path.is_file() else []


@pytest.mark.slow
def test_a_run_leaves_everything(uninterrupted):
    with open(uninterrupted / loop.LOSSES, newline="") as file:
        table = list(csv.DictReader(file))
    assert [int(row["images"]) for row in table] == list(range(4, 84, 4))
    assert sorted({row["stage"] for row in table}) == list("012")
    assert all(np.isfinite(float(value)) for row in table for value in row.values())
    assert sorted(p.name for p in (uninterrupted / loop.SAMPLES).iterdir()) == [
        "00000040.png", "00000040.wav", "00000080.png", "00000080.wav",
    ]  # fmt: skip
    wave, rate = soundfile.read(uninterrupted / loop.SAMPLES / "00000080.wav")
    assert (len(wave), rate) == (loop.SAMPLE_NOTES * 100, RATE)
    assert np.abs(wave).max() == pytest.approx(0.9, abs=1e-3)
    assert sorted(p.name for p in uninterrupted.glob("stage_*")) == [f"stage_{s:05d}" for s in range(3)]
    model = gansynth.load(uninterrupted)
    assert model.generate(model.sample_z(2, 1), [40, 60]).shape == (2, 100)


@pytest.mark.slow
def test_curves_are_for_tensorboard_too(uninterrupted):
    from tensorflow.python.summary.summary_iterator import summary_iterator

    (events,) = (uninterrupted / loop.LOGS).iterdir()
    curves = {}
    for event in summary_iterator(str(events)):
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            curves.setdefault(value.tag, []).append((event.step, float(tf.make_ndarray(value.tensor))))
    with open(uninterrupted / loop.LOSSES, newline="") as file:
        table = list(csv.DictReader(file))
    for name in table[0].keys() - {"images"}:
        wanted = [(int(row["images"]), float(row[name])) for row in table]
        np.testing.assert_allclose(curves[name], wanted, rtol=1e-6)


def test_what_is_measured_now_and_then_is_a_column_with_gaps(tmp_path):
    with loop.Curves(tmp_path, 0) as curves:
        curves.add(4, 0, {"loss": 1.5})
        curves.add(8, 0, {"loss": 1.25, "evaluation/in_tune": 75.0})
        curves.add(12, 1, {"loss": 1.0})
    with loop.Curves(tmp_path, 8) as curves:  # goes on from image 8
        curves.add(12, 1, {"loss": 0.5, "evaluation/in_tune": 80.0, "evaluation/ndb": 7.0})
    assert rows(tmp_path) == [
        "images,stage,loss,evaluation/in_tune,evaluation/ndb", "4,0,1.5,,", "8,0,1.25,75.0,", "12,1,0.5,80.0,7.0",
    ]  # fmt: skip
    with open(tmp_path / loop.LOSSES, newline="") as file:
        table = list(csv.DictReader(file))
    losses = {name: "1" for curves in plots.PLOTTED.values() for name, _ in curves.values()}
    plots.plot_losses([{**row, **losses} for row in table], Figure().subplots(1, 2))  # gaps do not matter to it


@pytest.mark.slow
def test_evaluations_on_the_way(folder_of_notes, tmp_path, monkeypatch, capsys):
    """They find their way to the curves and to files; one that finds nothing does not end the training."""
    asked, out = [], tmp_path / "out"

    def evaluate(model, reference, n, named, cache_dir, progress):
        saved = checkpoint.read(out)
        asked.append((model.name, model.fingerprint == saved.fingerprint(), len(reference), n, named))
        if len(asked) <= 2:
            raise (ValueError("none of the notes is usable"), BrokenProcessPool("ended by Ctrl-C"))[len(asked) - 1]
        scores = {row: {"in_tune": results.Estimate(10.0 * len(asked))} for row in results.ROWS}
        return results.Evaluation(
            model.name, model.fingerprint, named, n, dict.fromkeys(results.ROWS, 1), 0, scores, {}
        )

    monkeypatch.setattr(evaluating, "evaluate", evaluate)
    monkeypatch.setattr(evaluating, "MIN_NOTES", 3)
    more = ("--images", "12", "--evaluate_every", "4", "--evaluate_notes", "5", "--log_every", "100")
    assert train.main(flags(folder_of_notes, out, *more)) == 0
    assert asked == [("out", True, 6, 5, str(folder_of_notes))] * 3  # saved before
    with open(out / loop.LOSSES, newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["images"], row["evaluation/in_tune"]) for row in table] == [("12", "30.0")]
    said = capsys.readouterr().out
    assert "not evaluated at 4 images: none of the notes is usable" in said
    assert "not evaluated at 8 images: ended by Ctrl-C" in said
    (file,) = (out / "evaluations").iterdir()
    assert file.name == "00000012.json"
    assert results.read(file).scores[results.MODEL]["in_tune"].value == 30


def test_what_cannot_be_evaluated_is_said_before_the_training(folder_of_notes, tmp_path, capsys):
    for more, message in (
        (("--evaluate_every", "0"), "--evaluate_every is 0"),
        (("--evaluate_every", "8"), "has 6 notes; at least 96 are needed"),
        (("--evaluate_every", "8", "--evaluate_notes", "9"), "n is 9"),
        (("--evaluate_every", "8", "--reference", str(tmp_path / "nowhere")), "nowhere"),
        (("--reference", str(folder_of_notes)), "--evaluate_every"),
    ):
        assert train.main(flags(folder_of_notes, tmp_path / "out", *more)) == 1
        assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("out/stage_*"))


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_it_had_not_been(folder_of_notes, uninterrupted, tmp_path):
    """kill -9 at any moment, with a checkpoint written after each step: all losses are the same, bit for bit."""
    out = tmp_path / "out"
    process = python("-m", "helpers.train", *flags(folder_of_notes, out), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(rows(out)) <= 8 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 8 < len(rows(out)) < len(rows(uninterrupted))
    assert train.main(flags(folder_of_notes, out)) == 0
    assert rows(out) == rows(uninterrupted)
    expected, got = (checkpoint.read(path).fingerprint() for path in (uninterrupted, out))
    assert got == expected
    assert not list(out.glob(".partial*"))


@pytest.mark.slow
def test_a_second_training_in_one_folder_refuses(folder_of_notes, tmp_path, capsys):
    out = tmp_path / "out"
    holding = "import sys, time; from pathlib import Path; from helpers.training import loop\n"
    holding += "with loop.alone(Path(sys.argv[1])): print('begun', flush=True); time.sleep(600)"
    process = python("-c", holding, str(out), stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == "begun\n"
        assert train.main(flags(folder_of_notes, out)) == 1
        assert (
            capsys.readouterr().err
            == f"error: another training is running in {out}: stop it, or choose another --out\n"
        )
        assert [path.name for path in out.iterdir()] == [loop.LOCK]
    finally:
        process.kill()
        process.communicate()
    with loop.alone(out):  # the lock of a process that was killed is none
        pass


def test_a_folder_that_cannot_be_written_is_one_line(folder_of_notes, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert train.main(flags(folder_of_notes, tmp_path / "file" / "out")) == 1
    assert f"{tmp_path / 'file' / 'out'}" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_a_run_that_is_asked_to_end_saves_and_goes_on(folder_of_notes, uninterrupted, tmp_path, number):
    """The only checkpoint is the one that the signal asks for: the losses after it are those of an undisturbed run."""
    out = tmp_path / "out"
    patient = flags(folder_of_notes, out, "--save_seconds", "1e9")
    process = python("-c", SLOW_STEPS, *patient, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    while len(rows(out)) <= 8 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    last = process.communicate()[1].strip().splitlines()[-1]
    assert process.returncode == 128 + number
    kept = training.Trainer.restore(out).global_step
    assert last == f"stopped and saved at {kept} images; the same command continues from there"
    assert 0 < kept < 80
    assert int(rows(out)[-1].split(",")[0]) == kept
    assert train.main(patient) == 0
    assert rows(out) == rows(uninterrupted)


# A step takes long enough for a signal to come between two.
SLOW_STEPS = """
import sys, time
from helpers import train
from helpers.training.trainer import Trainer
step = Trainer.step
Trainer.step = lambda *args: (time.sleep(0.2), step(*args))[1]
sys.exit(train.main(sys.argv[1:]))
"""


def test_signals_are_handled_as_before_afterwards():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with loop.Signals() as signals:
        signal.raise_signal(signal.SIGTERM)
        assert signals.received == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):  # who asks twice does not want to wait
            signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.slow
def test_the_first_checkpoint_does_not_wait_for_the_second(eager, folder_of_notes, tmp_path, monkeypatch):
    saved_at, save = [], training.Trainer.save
    monkeypatch.setattr(
        training.Trainer, "save", lambda self, out: (saved_at.append(self.global_step), save(self, out))[1]
    )
    monkeypatch.setattr(loop, "FIRST_SAVE_SECONDS", 0.0)
    assert train.main(flags(folder_of_notes, tmp_path / "out", "--save_seconds", "1e9", "--images", "12")) == 0
    assert saved_at == [4, 12]


@pytest.mark.slow
def test_more_images_for_a_finished_run(eager, folder_of_notes, uninterrupted, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(uninterrupted, out)
    assert train.main(flags(folder_of_notes, out)) == 1
    assert "has already seen 80 images; train longer with --images" in capsys.readouterr().err
    assert train.main(flags(folder_of_notes, out, "--images", "88", "--batch_size", "8")) == 0
    assert rows(out)[:-1] == rows(uninterrupted)
    assert rows(out)[-1].startswith("88,2,")
    assert checkpoint.find(out)[2].name == "model.ckpt-88"


@pytest.mark.slow
def test_continue_from_another_run(eager, folder_of_notes, uninterrupted, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = flags(folder_of_notes, out, "--continue_from", str(uninterrupted), "--images", "84")[2:]
    assert train.main(arguments) == 0
    assert [row.split(",")[0] for row in rows(out)] == ["images", "84"]
    assert train.main([*flags(folder_of_notes, out)[2:], "--continue_from", str(tmp_path / "nothing")]) == 1
    said = capsys.readouterr().err
    assert "has already seen 84 images" in said  # the run in --out counts, not the one that it came from


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--images", "0"], "--images is 0"),
        (["--config", "nothing.json"], "nothing.json"),
        (["--data", "nothing"], "nothing"),
        (["--seed", "-1"], "seed is -1"),
    ],
)
def test_mistakes_are_one_line(folder_of_notes, tmp_path, capsys, more, message):
    assert train.main(flags(folder_of_notes, tmp_path / "out", *more)) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


@pytest.mark.slow
def test_a_run_does_not_change_its_numbers(folder_of_notes, uninterrupted, tmp_path, capsys):
    other = tmp_path / "other.json"
    other.write_text(json.dumps(SMALL | {"fmap_max": 5}))
    assert train.main(flags(folder_of_notes, uninterrupted, "--config", str(other))) == 1
    assert "holds a run with fmap_max 4, not 5" in capsys.readouterr().err


@pytest.mark.slow
def test_a_spoilt_run_keeps_its_last_checkpoint(eager, folder_of_notes, uninterrupted, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    shutil.copytree(uninterrupted, out)
    monkeypatch.setattr(
        training.Shuffled, "__call__", lambda self, step, size: (SomeNotes().data[:size] * np.nan, range(size))
    )
    assert train.main(flags(folder_of_notes, out, "--images", "100")) == 1
    assert "the discriminator's loss is nan at image 84" in capsys.readouterr().err
    assert checkpoint.find(out)[2].name == "model.ckpt-80"
    assert np.isfinite(checkpoint.read(out).weights["1/conv0/kernel"]).all()
