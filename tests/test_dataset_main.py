"""helpers.dataset: notes of a model as a set that readers of NSynth read, whatever happens while it is made."""

import errno
import json
import shutil

import numpy as np
import pytest
import soundfile
from inputs import DATA, RATE, Player
from test_training import CONFIG

from helpers import audio, dataset, instruments
from helpers.stores import RemoteStore, open_store
from helpers.training import dataset as training_data
from helpers.training import trainer as training

PITCHES, VELOCITIES = (36, 60, 84), (32, 127)
# As NSynth's site lists the features of its tfrecord.
FEATURES = {
    "note": ("int64", 1), "note_str": ("bytes", 1), "instrument": ("int64", 1), "instrument_str": ("bytes", 1),
    "pitch": ("int64", 1), "velocity": ("int64", 1), "sample_rate": ("int64", 1), "audio": ("float", 64000),
    "qualities": ("int64", 10), "qualities_str": ("bytes", 0), "instrument_family": ("int64", 1),
    "instrument_family_str": ("bytes", 1), "instrument_source": ("int64", 1), "instrument_source_str": ("bytes", 1),
}  # fmt: skip


class Loud(Player):
    """Some notes are above full scale, as a network's are; two instruments have a family."""

    about = {  # noqa: RUF012  it is that of the class
        "instruments": [
            {"name": "Cello", "z": [1.0, 2.0, 3.0, 4.0], "family": "string"},
            {"name": "../Ha:rp", "z": [2.0, 2.0, 3.0, 4.0], "family": "no such"},
            *({"name": f"Lute {i}", "z": [-1.0, i, 3.0, 4.0], "family": "guitar"} for i in range(8)),
        ]
    }

    def generate(self, z, pitches, *given, **how):
        return super().generate(z, pitches, *given, **how) * np.asarray(pitches)[:, None] / np.float32(42)


@pytest.fixture
def model(monkeypatch):
    model = Loud()
    monkeypatch.setattr("helpers.gansynth.load", lambda name, precision: model)
    return model


def flags(out, *more):
    given = ["--pitches", ",".join(map(str, PITCHES)), "--velocities", ",".join(map(str, VELOCITIES))]
    return ["--output_dir", str(out), *given, *more]


def examples(out, split="train"):
    return json.loads((out / f"nsynth-{split}" / "examples.json").read_text())


def contents(out):
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


# What is written


def test_names_fields_and_files_are_nsynths(model, tmp_path, capsys):
    assert dataset.main(flags(tmp_path)) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("60 notes of 10 instruments, 0.07 h of sound, up to 8.0 MB in ")
    assert said[1:] == [f"{tmp_path}/nsynth-{split}" for split in ("train", "valid", "test")]
    all_of_them = {split: examples(tmp_path, split) for split in ("train", "valid", "test")}
    assert {split: len(notes) for split, notes in all_of_them.items()} == {"train": 48, "valid": 6, "test": 6}
    together = [note for notes in all_of_them.values() for note in notes.values()]
    assert sorted(note["note"] for note in together) == list(range(60))
    for split, notes in all_of_them.items():
        folder = tmp_path / f"nsynth-{split}" / "audio"
        assert {path.name for path in folder.iterdir()} == {f"{name}.wav" for name in notes}
        for name, note in notes.items():
            family, source, rest = note["instrument_str"].rsplit("_", 2)
            assert name == note["note_str"] == f"{family}_{source}_{rest}-{note['pitch']:03d}-{note['velocity']:03d}"
            assert (family, source) == (note["instrument_family_str"], note["instrument_source_str"])
            assert family == training_data.FAMILIES[note["instrument_family"]]
            assert (source, note["instrument_source"], int(rest)) == ("acoustic", 0, note["instrument"])
            assert (note["sample_rate"], note["qualities"], note["qualities_str"]) == (RATE, [0] * 10, [])
            assert note.keys() == FEATURES.keys() - {"audio"}
    families = {note["instrument"]: note["instrument_family_str"] for note in together}
    assert families[0] == "string"  # the checkpoint's word
    assert families[1] in training_data.FAMILIES  # a guess, where it has none
    assert {families[i] for i in range(2, 10)} == {"guitar"}


def test_no_instrument_is_in_two_splits(model, tmp_path):
    jobs = dataset.jobs_of(model, instruments.sample(model, 30, 1), seed=5)
    of = {split: {job.number for job in jobs if job.split == split} for split in dataset.SPLITS}
    assert [len(of[split]) for split in dataset.SPLITS] == [24, 3, 3]
    assert sorted(number for numbers in of.values() for number in numbers) == list(range(30))
    for split in dataset.SPLITS:
        assert [job.place for job in jobs if job.split == split] == list(range(len(of[split])))
    other = dataset.jobs_of(model, instruments.sample(model, 30, 1), seed=6)
    assert [job.split for job in other] != [job.split for job in jobs]
    assert {job.split for job in dataset.jobs_of(model, instruments.sample(model, 2, 1), 0, 0, 0)} == {"train"}


def test_velocity_is_a_level_and_pitches_keep_theirs(model, tmp_path):
    assert dataset.main(flags(tmp_path, "--instruments", "Cello", "--valid_share", "0", "--test_share", "0")) == 0
    folder, peaks = tmp_path / "nsynth-train" / "audio", {}
    for path in folder.iterdir():
        samples, rate = soundfile.read(path)
        assert (len(samples), rate) == (64000, RATE)
        peaks[tuple(map(int, path.stem.split("-")[1:]))] = np.abs(samples).max()
    for pitch in PITCHES:  # the stand-in's notes are as loud as they are high
        assert peaks[pitch, 127] == pytest.approx(0.9 * pitch / 84, abs=1e-3)
        assert peaks[pitch, 32] == pytest.approx(peaks[pitch, 127] * (32 / 127) ** 2, abs=1e-3)
    assert len(model.asked) == 3  # each note once


@pytest.mark.parametrize("kind", ["wav", "flac", "tfrecord"])
@pytest.mark.slow
def test_the_projects_own_training_takes_it(model, tmp_path, kind):
    out = tmp_path / "set"
    assert dataset.main(flags(out, "--format", kind)) == 0
    for split, count in (("train", 48), ("valid", 6), ("test", 6)):
        sounds = training_data.open_sounds(out / f"nsynth-{split}", CONFIG)
        assert (len(sounds), sounds.problems) == (count, [])
    notes = training_data.open_data(out / "nsynth-train", CONFIG, tmp_path / "cache", progress=False)
    assert (len(notes), notes.problems) == (48, ())
    assert "guitar" in notes.families
    assert None not in notes.families
    assert sorted(set(notes.labels.tolist())) == [pitch - 24 for pitch in PITCHES]
    assert sorted(set(notes.velocities.tolist())) == list(VELOCITIES)
    trainer = training.Trainer(CONFIG, notes.pitch_counts, seed=1)
    batches = training.Shuffled(notes, 1)
    for _ in range(2):
        values = trainer.step(*batches(trainer.global_step, trainer.batch_size))
    assert np.isfinite(list(values.values())).all()


@pytest.mark.slow
def test_records_have_nsynths_features(model, tmp_path):
    import tensorflow as tf

    wav, out = tmp_path / "wav", tmp_path / "tfrecord"
    assert dataset.main(flags(wav)) == 0
    assert dataset.main(flags(out, "--format", "tfrecord")) == 0
    files = sorted((out / "nsynth-train").iterdir())
    assert [path.name for path in files] == [f"nsynth-train.tfrecord-{i:05d}-of-00008" for i in range(8)]
    expected, seen = examples(wav), set()
    for record in tf.data.TFRecordDataset([str(path) for path in files]).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        values = {key: getattr(features[key], f"{kind}_list").value for key, (kind, _) in FEATURES.items()}
        assert {key: len(value) for key, value in values.items()} == {key: n for key, (_, n) in FEATURES.items()}
        assert features.keys() == FEATURES.keys()
        name = values["note_str"][0].decode()
        seen.add(name)
        for key, value in expected[name].items():
            got = [v.decode() if isinstance(v, bytes) else v for v in values[key]]
            assert got == (value if isinstance(value, list) else [value])
        sound = audio.read(wav / "nsynth-train" / "audio" / f"{name}.wav").samples
        np.testing.assert_allclose(values["audio"], sound, atol=1 / 32767)
    assert seen == expected.keys()


@pytest.mark.slow
def test_random_instruments_are_the_checkpoints_draw(model, tmp_path):
    assert dataset.main(flags(tmp_path, "--instruments", "Cello, Lute 3", "--random", "3", "--seed", "7")) == 0
    got = instruments.load(tmp_path / "instruments.json", model)
    assert [one.name for one in got] == ["Cello", "Lute 3", "stub 7-0", "stub 7-1", "stub 7-2"]
    np.testing.assert_array_equal([one.z for one in got[2:]], model.sample_z(3, 7))
    again = tmp_path / "again"
    more = ("--instruments", str(tmp_path / "instruments.json"), "--seed", "7")
    assert dataset.main(flags(again, *more)) == 0  # from the file: the same set
    assert contents(again) == {k: v for k, v in contents(tmp_path).items() if not k.startswith("again")}


# Going on


@pytest.mark.slow
def test_what_was_ended_goes_on(model, tmp_path, capsys):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert dataset.main(flags(whole)) == 0
    write, count = audio.write, []

    def full(clip, path, *given):
        count.append(path)
        if len(count) == 20:
            raise OSError(errno.ENOSPC, f"{path.name} cannot be written: the disk is full")
        return write(clip, path, *given)

    audio.write = full
    try:
        assert dataset.main(flags(out)) == 1
    finally:
        audio.write = write
    assert "the disk is full; the same command continues from here" in capsys.readouterr().err
    assert len(list((out / "parts").iterdir())) == 3
    assert not list(out.glob("*/examples.json"))  # what is not whole does not look as if it were
    model.asked.clear()
    assert dataset.main(flags(out)) == 0
    assert "; 3 of 10 are complete" in capsys.readouterr().out
    assert len({z for z, _, _ in model.asked}) > 0
    assert len([asked for asked in model.asked if asked[2] == 4.0]) == 7 * len(PITCHES)
    assert contents(out) == contents(whole)
    next((out / "nsynth-valid" / "audio").iterdir()).unlink()  # what is lost is made again ...
    part = out / "parts" / "00004.json"
    part.write_text(
        part.read_text().replace('"key": "', '"key": "of another version ')
    )  # ... and what would be another
    model.asked.clear()
    assert dataset.main(flags(out)) == 0
    assert len([asked for asked in model.asked if asked[2] == 4.0]) == 2 * len(PITCHES)
    assert contents(out) == contents(whole)


@pytest.mark.slow
def test_another_set_is_not_mixed_in(model, tmp_path, capsys):
    assert dataset.main(flags(tmp_path)) == 0
    before = contents(tmp_path)
    for more in (("--seed", "1"), ("--format", "flac"), ("--velocities", "100"), ("--random", "5")):
        assert dataset.main(flags(tmp_path, *more)) == 1
        assert "contains another data set (" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_a_setting_that_differs_has_the_name_of_its_flag(model, tmp_path, capsys):
    assert dataset.main(flags(tmp_path)) == 0
    assert dataset.main(flags(tmp_path, "--format", "flac")) == 1
    assert "contains another data set (different: format): use another --output_dir" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["instruments.json", "manifest.json"])
@pytest.mark.parametrize("text", ["{}", "mine"])
def test_files_of_something_else_are_not_replaced(model, tmp_path, capsys, name, text):
    (tmp_path / name).write_text(text)
    assert dataset.main(flags(tmp_path)) == 1
    assert f"{name} that is not from a data set: use another --output_dir" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, text)]


def test_a_set_that_was_ended_before_its_instruments_were_written_goes_on(model, tmp_path, monkeypatch):
    def killed(*given):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(instruments, "save", killed)
        with pytest.raises(SystemExit):
            dataset.main(flags(tmp_path))
    assert dataset.main(flags(tmp_path)) == 0


@pytest.mark.parametrize(("share", "count", "size"), [(0.1, 70, 7), (0.2, 6, 1), (0.01, 20, 1), (0.0, 20, 0)])
def test_shares_are_rounded_to_whole_instruments(model, share, count, size):
    jobs = dataset.jobs_of(model, instruments.sample(model, count, 1), 0, share, 0.1)
    assert sum(job.split == "valid" for job in jobs) == size


def test_an_instrument_that_cannot_be_made_costs_itself(model, tmp_path, capsys):
    generate = model.generate

    def spoilt(z, *given, **how):
        return generate(z, *given, **how) * (np.nan if np.asarray(z).flat[1] == 3 else 1)

    model.generate = spoilt
    assert dataset.main(flags(tmp_path)) == 1
    error = capsys.readouterr().err
    assert "Lute 3: the model generates samples that are not finite" in error
    assert "1 instrument of 10 failed" in error
    assert sum(len(examples(tmp_path, split)) for split in dataset.SPLITS) == 54


def test_a_folder_elsewhere(model):
    pytest.importorskip("fsspec")
    assert dataset.main(flags("memory://a/set", "--instruments", "Cello, Lute 1, Lute 2")) == 0
    store = open_store("memory://a/set")
    assert isinstance(store, RemoteStore)
    notes = json.loads(store.head("nsynth-train/examples.json", 1 << 20))
    assert len(notes) == 6
    assert all(store.exists(f"nsynth-train/audio/{name}.wav") for name in notes)
    model.asked.clear()
    assert dataset.main(flags("memory://a/set", "--instruments", "Cello, Lute 1, Lute 2")) == 0
    assert model.asked == []


@pytest.mark.slow
def test_workers_make_the_same_files(tmp_path):
    pytest.importorskip("distributed")
    from test_cluster import client_of

    from helpers import cluster

    (tmp_path / "go on").touch()
    stub = Player()
    recipe = dataset.DatasetSettings(PITCHES, VELOCITIES)
    jobs = dataset.jobs_of(stub, instruments.sample(stub, 6, 1), 0)
    one, two = open_store(tmp_path / "one"), open_store(tmp_path / "two")
    assert [result for _, result, _ in dataset.make_all(stub, recipe, jobs, one, progress=False)] == ["made"] * 6
    dataset.make(stub, recipe, jobs[4], two)
    loaded = cluster.Loaded("stub", "float32", stub.fingerprint, stub.backend, 1)
    with client_of(tmp_path) as client:
        done = list(dataset.make_with_workers(client, loaded, stub, recipe, jobs, two, progress=False))
    assert {job.number: result for job, result, _ in done} == {i: "kept" if i == 4 else "made" for i in range(6)}
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


# Mistakes


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--pitches", "23"), "error: --pitches must be whole numbers from 24 to 84"),
        (("--pitches", "40, 60-59"), "--pitches is '40, 60-59'; the range 60-59 is in descending order"),
        (("--pitches", "36,c4"), "--pitches is '36,c4'; expected numbers such as"),
        (("--pitches", "60,60"), "error: --pitches has a number twice"),
        (("--velocities", "0"), "error: --velocities must be whole numbers from 1 to 127"),
        (("--random", "0"), "--random is 0"),
        (("--random", "5001"), "--random is 5,001; a set may have up to 5,000 instruments"),
        (
            ("--random", "4000", "--pitches", "24-84"),
            "with 1,220,000 notes are too many; a set may have up to 5,000 with",
        ),
        (("--seed", "-1"), "--seed is -1"),
        (("--workers", "0"), "--workers is 0; with "),
        (("--workers", "100000"), "--workers is 100,000; with "),
        (("--valid_share", "0.6", "--test_share", "0.4"), "together below 1"),
        (("--valid_share", "-0.1"), "must be 0 or more"),
        (
            ("--instruments", "Cello, Lute 1"),
            "of 2 instruments, 1 would be for validation, 1 for testing and none for training",
        ),
        (("--instruments", "Piano"), "no instrument 'Piano'"),
        (("--instruments", "none.json"), "none.json"),
    ],
)
def test_mistakes_are_one_line(model, tmp_path, capsys, more, message):
    assert dataset.main(["--output_dir", str(tmp_path / "out"), *more]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "out").exists()


def test_a_disk_without_room_is_told_before(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    assert dataset.main(flags(tmp_path / "out")) == 1
    assert f"error: the set needs up to 8.0 MB, but {tmp_path} has 1.0 MB free" in capsys.readouterr().err
    assert model.asked == []
    assert not (tmp_path / "out").exists()


def test_a_model_without_names_needs_a_number(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("helpers.gansynth.load", lambda name, precision: Player())
    assert dataset.main(flags(tmp_path)) == 1
    assert "stub has no named instruments: draw random ones with --random" in capsys.readouterr().err


def test_what_a_set_costs(model):
    recipe = dataset.DatasetSettings(tuple(range(24, 85)), dataset.VELOCITIES)
    notes, hours, size = dataset.cost(model, recipe, 1000)
    assert (notes, hours) == (305_000, pytest.approx(338.9, abs=0.1))
    assert notes * 128_044 < size < notes * 140_000


@pytest.mark.slow
def test_a_real_network(tmp_path):
    given = ["--checkpoint", str(DATA / "checkpoints" / "tiny_stage12"), "--random", "3", "--output_dir", str(tmp_path)]
    assert dataset.main([*given, "--pitches", "60", "--velocities", "100"]) == 0
    assert len(examples(tmp_path)) == 1
