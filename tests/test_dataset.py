"""helpers.gansynth.dataset: where notes come from, what is refused, and the cache."""

import contextlib
import errno
import json
import shutil
import struct
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inputs import DATA, RATE, snr

from helpers import soundfont
from helpers.gansynth import spectral
from helpers.gansynth.config import MIN_PITCH, NUM_PITCHES, Config
from helpers.training import dataset
from helpers.training.dataset import crop_or_pad, open_data

SMALL = Config(num_resolutions=3, start_height=8, audio_length=1000)  # 32 frames of 64 bins: 8 kB a note
ROW = 32 * 64 * 2 * 2  # bytes
GUITAR = "guitar_acoustic_010-{:03d}-100"
REAL = sorted((DATA / "nsynth").glob("*.flac"))


def wave(pitch=60, samples=1000):
    return 0.5 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * np.arange(samples) / RATE).astype(np.float32)


def write(folder, name, samples, rate=RATE, kind="wav"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{kind}"
    soundfile.write(path, samples, rate)
    return path


def write_notes(folder, pitches, name=GUITAR, kind="wav"):
    for pitch in pitches:
        write(folder, name.format(pitch), wave(pitch), kind=kind)
    return folder


@pytest.fixture
def opened(tmp_path):
    """open_data with a small model and a cache of its own."""
    return lambda source, config=SMALL, **options: open_data(source, config, tmp_path / "cache", **options)


@pytest.fixture
def computed(monkeypatch):
    """The notes whose spectrograms are computed."""
    calls, transform = [], spectral.waves_to_data

    def counting(waves, config):
        calls.extend(waves)
        return transform(waves, config)

    monkeypatch.setattr(spectral, "waves_to_data", counting)
    return calls


def left_behind(tmp_path):
    """Everything under the cache but its locks."""
    return [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock"]


# ---- Crop or pad


@pytest.mark.parametrize(
    ("samples", "first", "last"),
    [(64001, 0, 63999), (64000, 0, 63999), (63999, 1, 63999), (63998, 1, 63998), (1000, 31500, 32499)],
)
def test_crop_or_pad_is_the_originals(samples, first, last):
    """Numbers of the original program, for 1, 2, 3 ...: where the first and the last of them went."""
    got = crop_or_pad(np.arange(1.0, samples + 1), 64000)
    heard = np.flatnonzero(got)
    assert (len(got), heard[0], heard[-1]) == (64000, first, last)
    assert (got[first], got[last]) == (1, min(samples, 64000))


@given(st.integers(0, 300), st.integers(1, 200))
def test_crop_or_pad_keeps_what_fits_in_the_middle(samples, length):
    original = np.arange(1, samples + 1)
    got = crop_or_pad(original, length)
    assert len(got) == length
    np.testing.assert_array_equal(got[got != 0], original[:length])
    if samples and samples < length:
        front, back = np.flatnonzero(got)[0], length - 1 - np.flatnonzero(got)[-1]
        assert front - back in (0, 1)


# ---- What the cache keeps


def ranges(config):
    """Lowest and highest number of each channel that the normaliser does not clip."""
    a = np.array([config.mag_normalizer_a, config.p_normalizer_a])
    b = np.array([config.mag_normalizer_b, config.p_normalizer_b])
    return (-1 - b) / a, (1 - b) / a, 0.5 / dataset.SCALE / a


@given(hnp.arrays(np.float32, (2, 3, 4, 2), elements=st.floats(0, 1, width=32)))
@pytest.mark.slow
def test_cache_rounds_by_half_a_step(shares):
    low, high, half_step = ranges(SMALL)
    data = (low + shares * (high - low)).astype(np.float32)
    got = dataset._unpack(dataset._pack(data, SMALL), SMALL)
    assert got.dtype == np.float32
    assert (np.abs(got - data) <= half_step * 1.01 + 4e-6).all()  # and float32's own rounding of numbers up to 17


@pytest.mark.parametrize("data_type", ["mel", "linear"])
@pytest.mark.slow
def test_real_notes_come_back(tmp_path, data_type):
    """What is lost on the way through the cache lies 70 dB below the sound (73.5 measured on eight notes of NSynth)."""
    config = Config(data_type=data_type)
    for i, path in enumerate(REAL):
        write(tmp_path / "notes", f"real_{i}-060-100", soundfile.read(path)[0], kind="flac")
    notes = open_data(tmp_path / "notes", config, tmp_path / "cache", progress=False)
    waves = np.stack([soundfile.read(path, dtype="float32")[0] for path in REAL])
    data = spectral.waves_to_data(waves, config)
    _, _, half_step = ranges(config)
    got = notes.batch(range(len(REAL)))
    assert (np.abs(got - data) <= 1.02 * half_step).all()
    heard = spectral.data_to_waves(got, config)
    assert (snr(heard, spectral.data_to_waves(data, config)) > 70).all()
    if data_type == "linear":  # which loses nothing itself, but for the fade at the end
        assert (snr(heard[:, :-1536], waves[:, :-1536]) > 55).all()
    else:  # which keeps the magnitudes, though not the phases of neighbouring harmonics
        before, after = (20 * np.log10(np.abs(spectral.stft(x, config)) + 1e-5) for x in (waves, heard))
        loud = before > before.max(axis=(1, 2), keepdims=True) - 60
        assert np.sqrt(np.mean((before - after)[loud] ** 2)) < 9  # dB


# ---- Sources


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_folder_of_notes(tmp_path, opened, kind):
    folder = write_notes(tmp_path / "notes", [24, 60, 84], kind=kind)
    write(folder / "more", "synth_lead_acoustic_003-060-025", wave(60, 400), kind=kind)
    (folder / "._hidden-060-100.wav").write_bytes(b"what a Mac leaves behind")
    notes = opened(folder)
    assert notes.names == [*(GUITAR.format(p) for p in (24, 60, 84)), "more/synth_lead_acoustic_003-060-025"]
    assert notes.labels.dtype == np.int32
    assert notes.labels.tolist() == [0, 36, 60, 36]
    assert notes.velocities.tolist() == [100, 100, 100, 25]
    assert notes.families == ["guitar"] * 3 + ["synth_lead"]
    assert len(notes.pitch_counts) == NUM_PITCHES
    assert notes.pitch_counts[[0, 36, 60]].tolist() == [1, 2, 1]
    assert notes.problems == ()
    batch = notes.batch([3, 0, 3])
    assert batch.dtype == np.float32
    assert batch.shape == (3, 32, 64, 2)
    waves = np.stack([crop_or_pad(wave(60, 400), 1000), wave(24), crop_or_pad(wave(60, 400), 1000)])
    difference = np.abs(batch - spectral.waves_to_data(waves, SMALL))[..., 0]
    assert difference[batch[..., 0] > -4].max() < 0.02  # below that the 16 bits of the file are heard


def test_a_long_file_is_not_read_whole(tmp_path, opened):
    """What lies after the first `audio_length` samples is not even looked at."""
    path = tmp_path / "a-060-100.wav"
    soundfile.write(path, np.concatenate([wave(60), np.full(5000, np.nan)]), RATE, subtype="FLOAT")
    assert len(opened(tmp_path)) == 1


def test_pitches_sources_and_families(tmp_path, opened):
    folder = write_notes(tmp_path / "notes", [23, 24, 84, 85])
    write_notes(folder, [60], "bass_electronic_001-{:03d}-050")
    write_notes(folder, [61], "bass_synthetic_001-{:03d}-050")
    write_notes(folder, [62], "my_own-{:03d}-050")
    assert opened(folder).labels.tolist() == [0, 60, 38]
    assert opened(folder, pitches=(60, 84)).labels.tolist() == [60, 38]
    assert opened(folder, sources=("electronic", "synthetic")).labels.tolist() == [36, 37, 38]
    assert opened(folder, families=["guitar"]).labels.tolist() == [0, 60]
    assert opened(folder, sources=dataset.SOURCES, families=["bass"]).labels.tolist() == [36, 37]
    with pytest.raises(ValueError, match="no usable note: none is of the requested pitches and kinds"):
        opened(folder, families=["vocal"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pitches": (20, 84)}, "pitches is .20, 84.; expected a range within 24 to 84"),
        ({"pitches": (60, 59)}, "lowest first"),
        ({"sources": ("acoustc",)}, "sources is .* expected some of acoustic, electronic, synthetic"),
        ({"families": "guitar"}, "families is 'guitar'; expected some of bass"),
        ({"programs": [128]}, "programs is .128.; expected some numbers from 0 to 127"),
        ({"programs": []}, "programs is ..; expected some numbers"),
        ({"velocities": [0]}, "velocities is .0.; expected some numbers from 1 to 127"),
    ],
)
def test_choices_that_make_no_sense(tmp_path, opened, options, message):
    with pytest.raises(ValueError, match=message):
        opened(write_notes(tmp_path / "notes", [60]), **options)


def test_no_source(tmp_path, opened):
    with pytest.raises(FileNotFoundError, match=r"no notes at .*nowhere"):
        opened(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is not a source of notes: expected a folder"):
        opened(write(tmp_path, "a-060-100", wave()))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty has no usable note: expected \.wav or \.flac files with names like"):
        opened(tmp_path / "empty")
    assert left_behind(tmp_path) == []


def example(pitch=60, **more):
    values = {"pitch": pitch, "velocity": 75, "instrument_family_str": "flute", "instrument_source": 0}
    return {key: value for key, value in (values | more).items() if value is not None}


def test_examples_json(tmp_path, opened):
    folder = tmp_path / "nsynth"
    listing = {
        "one": example(60),
        "two": example(62),
        "electronic": example(64, instrument_source=1),
        "high": example(100),
        "unpitched": example(None),
        "odd": example("60"),
        "strange": 7,
        "absent": example(65),
        "../outside": example(66),
    }
    write(folder / "audio", "one", wave())
    write(folder / "audio", "two", wave(), kind="flac")
    for name in ("electronic", "high", "unpitched", "odd", "strange"):
        write(folder / "audio", name, wave())
    write(folder, "outside", wave())
    (folder / "examples.json").write_text(json.dumps(listing))
    notes = opened(folder)
    assert notes.names == ["one", "two"]
    assert notes.families == ["flute", "flute"]
    assert notes.velocities.tolist() == [75, 75]
    assert [problem.split()[0] for problem in notes.problems] == ["unpitched", "odd", "strange", "absent", "../outside"]
    assert notes.problems[:2] == ("unpitched has no pitch", "odd has the pitch '60'; MIDI allows 0 to 127")
    assert all("has no sound in" in problem for problem in notes.problems[3:])


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not valid JSON"), ("[" * 100_000, "is not valid JSON"), ("[]", "one JSON object, not a list")],
)
def test_examples_json_that_is_none(tmp_path, opened, text, message):
    (tmp_path / "examples.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        opened(tmp_path)


def record(name="flute_acoustic_002-060-075", samples=None, **more):
    """A note as NSynth's tfrecord has it."""
    import tensorflow as tf

    values = example(**{"note_str": name, "sample_rate": RATE, "audio": wave() if samples is None else samples} | more)

    def feature(value):
        if isinstance(value, str):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(float_list=tf.train.FloatList(value=value))

    features = tf.train.Features(feature={key: feature(value) for key, value in values.items()})
    return tf.train.Example(features=features).SerializeToString()


def write_tfrecord(path, records):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as file:
        for content in records:
            file.write(content)
    return path


def test_tfrecord(tmp_path, opened, computed):
    good = [record(), record("late", pitch=72), record("electronic", instrument_source=1), record("low", pitch=10)]
    bad = [record("unpitched", pitch=None), record("fast", sample_rate=44100), record("mute", samples=[]), b"what?"]
    path = write_tfrecord(tmp_path / "nsynth-test.tfrecord", good + bad)
    notes = opened(path)
    assert notes.names == ["flute_acoustic_002-060-075", "late"]
    assert notes.labels.tolist() == [36, 48]
    assert notes.families == ["flute", "flute"]
    np.testing.assert_allclose(notes.batch([0])[..., 0], spectral.waves_to_data(wave()[None], SMALL)[..., 0], atol=3e-4)
    assert notes.problems == (
        "unpitched has no pitch",
        "fast has 44100 Hz; convert it to the model's 16000 Hz first",
        "mute is silent",
        "record 7 of nsynth-test.tfrecord is broken: it is not a tf.train.Example",
    )


def test_folder_of_tfrecords_one_of_them_cut_short(tmp_path, opened):
    (tmp_path / "nsynth").mkdir()
    cut = write_tfrecord(tmp_path / "nsynth" / "a.tfrecord-00000-of-00002", [record("a0"), record("a1"), record("a2")])
    cut.write_bytes(cut.read_bytes()[:-100])
    write_tfrecord(tmp_path / "nsynth" / "b.tfrecord-00001-of-00002", [record("b0")])
    notes = opened(tmp_path / "nsynth")
    assert notes.names == ["a0", "a1", "b0"]
    assert notes.problems == ("a.tfrecord-00000-of-00002 is broken at record 2; the rest of the file is not used",)


@pytest.mark.parametrize("length", [1 << 62, (1 << 64) - 1, 1 << 40, 1 << 33, 1000])
@pytest.mark.parametrize("before", [0, 1])
def test_a_record_that_says_it_is_huge_ends_nothing(tmp_path, opened, length, before):
    """Its checksum is right: TensorFlow asks for that much memory and, not getting it, ends the process."""
    path = write_tfrecord(tmp_path / "a.tfrecord", [record("a0")] * before)
    head = struct.pack("<Q", length)
    crc = crc32c(head)
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    path.write_bytes(path.read_bytes() + head + struct.pack("<I", masked) + bytes(100))
    said = f"a.tfrecord is broken at record {before}; the rest of the file is not used"
    if before:
        assert opened(path).problems == (said,)
    else:
        with pytest.raises(ValueError, match=said):
            opened(path)


def crc32c(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def fake_tfds(examples, prepared=True):
    """A stand-in for tensorflow_datasets: a data set in its bucket, and on this disk too if it is `prepared`."""

    def builder(name, try_gcs=False):
        if name != "nsynth/gansynth_subset":
            raise ValueError(f"no such data set:\n{name}")
        splits = {"train": types.SimpleNamespace(num_examples=len(examples))} if prepared or try_gcs else {}
        info = types.SimpleNamespace(splits=splits, version="2.3.3")
        return types.SimpleNamespace(info=info, as_dataset=lambda split: examples)

    return types.SimpleNamespace(builder=builder, as_numpy=iter)


def tfds_example(name, pitch, source=0, samples=1000):
    numbers = {"family": np.int64(8), "source": np.int64(source), "label": np.int64(3)}
    return {
        "id": name.encode(), "pitch": np.int64(pitch), "velocity": np.int64(50), "instrument": numbers,
        "audio": wave(pitch, samples),
    }  # fmt: skip


@pytest.mark.parametrize("prepared", [True, False])
def test_tfds(opened, monkeypatch, prepared):
    one = tfds_example
    examples = [one("a", 60), one("b", 61, source=2), one("c", 200), one("d", 62, samples=0), one("e", 63)]
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", fake_tfds(examples, prepared))
    notes = opened("tfds:nsynth/gansynth_subset")
    assert notes.names == ["a", "e"]
    assert notes.families == ["string", "string"]
    assert [problem.split()[0] for problem in notes.problems] == ["c", "d"]
    with pytest.raises(ValueError, match=r"tfds:nsynth/none cannot be opened: no such data set: nsynth/none$"):
        opened("tfds:nsynth/none")


def sources_of_three(tmp_path, monkeypatch):
    """The same two notes and a silent one between them, as each kind of source."""
    names, waves = [GUITAR.format(pitch) for pitch in (60, 61, 62)], [wave(60), np.zeros(1000), wave(62)]
    for name, samples in zip(names, waves, strict=True):
        write(tmp_path / "folder", name, samples)
        write(tmp_path / "json" / "audio", name, samples)
    listing = {name: example(60 + i) for i, name in enumerate(names)}
    (tmp_path / "json" / "examples.json").write_text(json.dumps(listing))
    records = [record(name, samples, pitch=60 + i) for i, (name, samples) in enumerate(zip(names, waves, strict=True))]
    examples = [tfds_example(name, 60 + i) | {"audio": waves[i]} for i, name in enumerate(names)]
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", fake_tfds(examples))
    tfrecord = write_tfrecord(tmp_path / "a.tfrecord", records)
    return {"folder": tmp_path / "folder", "json": tmp_path / "json", "tfrecord": tfrecord,
            "tfds": "tfds:nsynth/gansynth_subset"}  # fmt: skip


@pytest.mark.parametrize("kind", ["folder", "json", "tfrecord", "tfds"])
def test_sounds_of_each_kind_of_source(tmp_path, monkeypatch, kind):
    """As evaluations read them: notes by number, in any order and again, and what is wrong with one in its place."""
    sounds = dataset.open_sounds(sources_of_three(tmp_path, monkeypatch)[kind], SMALL)
    assert [(entry.pitch, entry.instrument) for entry in sounds.entries] == [
        (pitch, "guitar_acoustic_010") for pitch in (60, 61, 62)
    ]
    for _ in range(2):
        assert dict(sounds.read([1])) == {1: f"{GUITAR.format(61)} is silent"}
        read = dict(sounds.read([2, 0]))
        assert sorted(read) == [0, 2]
        for number, found in read.items():
            np.testing.assert_allclose(found, wave(60 + number), atol=1e-4)


def test_tfds_breaks_off(tmp_path, opened, monkeypatch):
    def broken():
        raise RuntimeError("no network")
        yield

    monkeypatch.setitem(
        sys.modules,
        "tensorflow_datasets",
        types.SimpleNamespace(**vars(fake_tfds([])) | {"as_numpy": lambda _: broken()}),
    )
    with pytest.raises(OSError, match=r"reading tfds:nsynth/gansynth_subset failed \(no network\); run this again"):
        opened("tfds:nsynth/gansynth_subset")


def test_tfds_is_not_installed(opened, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r"^tfds:nsynth/gansynth_subset needs .*: pip install tensorflow-datasets$"):
        opened("tfds:nsynth/gansynth_subset")


def soundfont_content():
    return (Path(pretty_midi.__file__).parent / "TimGM6mb.sf2").read_bytes()


def with_loops_beyond_the_end(content):
    """A soundfont whose sounds are to be repeated from places where there are none."""
    damaged, head = bytearray(content), content.rindex(b"shdr")
    for at in range(head + 8, head + 8 + struct.unpack_from("<I", content, head + 4)[0], 46):
        struct.pack_into("<I", damaged, at + 32, 0xFFFFFFFF)
    return bytes(damaged)


class TestSoundfont:
    @pytest.fixture(autouse=True)
    def _player(self):
        pytest.importorskip("midirenderer", reason="the soundfont player is not installed (pip install midirenderer)")

    @pytest.mark.slow
    def test_notes_are_rendered(self, tmp_path):
        config = Config()
        options = {"pitches": (60, 61), "programs": [19, 52, 127], "velocities": [60, 120], "progress": False}
        notes = open_data("soundfont:", config, tmp_path, **options)
        assert notes.names[:5] == [
            f"TimGM6mb_{x}" for x in ("019-060-060", "019-061-060", "019-060-120", "019-061-120", "052-060-060")
        ]
        assert notes.labels.tolist() == [36, 37] * 6
        assert notes.velocities.tolist() == [60, 60, 120, 120] * 3
        assert notes.families == ["organ"] * 4 + ["vocal"] * 4 + [None] * 4
        organ = spectral.data_to_waves(notes.batch(range(4)), config).astype(np.float64)
        held, released = organ[:, 8000:46000], organ[:, 58000:60000]
        assert (np.sqrt(np.mean(held**2, axis=1)) > 30 * np.sqrt(np.mean(released**2, axis=1))).all()
        spectrum = np.abs(np.fft.rfft(held * np.hanning(38000)))
        for row, pitch in zip(spectrum, [60, 61] * 2, strict=True):
            around = 440 * 2 ** ((pitch - 69) / 12) * 38000 / RATE
            partial = round(around) - 4 + np.argmax(row[round(around) - 4 : round(around) + 5])
            assert abs(partial - around) <= 2  # bins of 0.42 Hz
            assert row[partial] > 20 * np.median(row)
        assert np.abs(organ[2:]).max() > 2 * np.abs(organ[:2]).max()  # a key that is struck harder

    def test_each_program_peaks_alike(self):
        content = soundfont_content()
        for program in (0, 60):
            waves = dataset._render(content, program, [(50, 60), (100, 60)], Config(), soundfont.play_with)
            assert waves.shape == (2, 64000)
            assert np.abs(waves).max() == pytest.approx(dataset.PEAK)
            assert np.abs(waves[:, 0]).max() < 1e-3  # nothing of the note before

    def test_no_such_soundfont(self, tmp_path, opened):
        with pytest.raises(FileNotFoundError, match=r"no soundfont at .*none\.sf2"):
            opened(f"soundfont:{tmp_path / 'none.sf2'}")

    def test_broken_soundfont(self, tmp_path, opened):
        path = tmp_path / "broken.sf2"
        path.write_bytes(soundfont_content()[:100_000])
        with pytest.raises(ValueError, match=r"broken.sf2 is not a playable soundfont: .*"):
            opened(f"soundfont:{path}")

    @pytest.mark.parametrize("panics_at", [0, 1])
    def test_a_panic_of_the_player_is_one_sentence(self, tmp_path, opened, monkeypatch, panics_at):
        """What Rust calls a panic comes as a BaseException, which nothing catches."""
        import midirenderer

        class PanicException(BaseException):
            pass

        calls, play = [], midirenderer.render_wave_from

        def render(content, score):
            calls.append(score)
            if len(calls) > panics_at:
                raise PanicException("index out of bounds:\n\tthe len is 4")
            return play(content, score)

        monkeypatch.setattr(midirenderer, "render_wave_from", render)
        why = "it is damaged: index out of bounds:  the len is 4"
        with pytest.raises(ValueError, match=why):
            opened("soundfont:", pitches=(60, 61), programs=[0])
        assert len(calls) == panics_at + 1  # it is not tried for every note

    @pytest.mark.parametrize("seed", range(4))
    def test_a_damaged_soundfont_is_notes_or_a_sentence(self, tmp_path, opened, seed):
        content, random = bytearray(soundfont_content()), np.random.RandomState(seed)
        for at in random.randint(len(content) - 30_000, len(content), 40):
            content[at] = random.randint(256)
        path = tmp_path / "damaged.sf2"
        path.write_bytes(content)
        with contextlib.suppress(ValueError):
            opened(f"soundfont:{path}", pitches=(60, 60), programs=[0, 40])

    def test_a_panic_of_the_player_is_not_printed(self, tmp_path, opened, capfd):
        path = tmp_path / "damaged.sf2"
        path.write_bytes(with_loops_beyond_the_end(soundfont_content()))
        with pytest.raises(
            ValueError, match=r"damaged\.sf2 is not a playable soundfont: it is damaged: index out of bounds"
        ):
            opened(f"soundfont:{path}", pitches=(60, 60), programs=[48])
        printed = capfd.readouterr()
        assert "panicked" not in printed.out + printed.err

    def test_a_soundfont_in_which_the_player_never_ends_is_refused(self, tmp_path, opened, monkeypatch):
        monkeypatch.setattr(soundfont, "APART_SECONDS", 0.2)
        monkeypatch.setattr(soundfont, "_PLAY_APART", "while True: pass")
        path = tmp_path / "endless.sf2"
        path.write_bytes(soundfont_content())
        with pytest.raises(ValueError, match=r"the player does not finish within 0\.2 s"):
            opened(f"soundfont:{path}", pitches=(60, 60), programs=[0])

    def test_a_player_that_crashes_is_one_sentence(self, tmp_path, opened, monkeypatch):
        monkeypatch.setattr(soundfont, "_PLAY_APART", "import os; os.abort()")
        path = tmp_path / "crash.sf2"
        path.write_bytes(soundfont_content())
        with pytest.raises(ValueError, match="it is damaged: the player has crashed"):
            opened(f"soundfont:{path}", pitches=(60, 60), programs=[0])

    def test_a_soundfont_from_elsewhere_sounds_as_the_bundled_one(self):
        content, score = soundfont_content(), dataset._score(40, [(100, 60)], 1.0)
        np.testing.assert_array_equal(soundfont.play_apart(content, score), soundfont.play_with(content, score))

    def test_no_player(self, opened, monkeypatch):
        monkeypatch.setitem(sys.modules, "midirenderer", None)
        with pytest.raises(ImportError, match="pip install midirenderer"):
            opened("soundfont:")


# ---- Bad data


def test_bad_data_is_told_in_a_line_each(tmp_path, opened, capsys):
    folder = write_notes(tmp_path / "notes", [60, 62])
    (folder / "broken-060-100.wav").write_bytes(b"RIFF, and then nothing of the kind")
    (folder / "empty-060-100.flac").write_bytes(b"")
    whole = write(folder, "cut-060-100", wave()).read_bytes()
    (folder / "cut-060-100.wav").write_bytes(whole[:1000])
    write(folder, "fast-060-100", wave(), rate=44100)
    write(folder, "stereo-060-100", np.stack([wave()] * 2, axis=1))
    write(folder, "silent-060-100", np.zeros(1000))
    soundfile.write(folder / "wild-060-100.wav", np.full(1000, np.inf), RATE, subtype="FLOAT")
    write(folder, "nothing-060-100", np.zeros(0))
    write(folder, "loop", wave())
    write(folder, "high-200-100", wave())
    write(folder, "red\x1b[31m-060", wave())
    notes = opened(folder)
    assert notes.names == [GUITAR.format(60), GUITAR.format(62)]
    assert [problem.partition(";")[0].partition(": ")[0] for problem in notes.problems] == [
        "broken-060-100 is broken",
        "cut-060-100 is broken",
        "empty-060-100 is broken",
        "fast-060-100 has 44100 Hz",
        "high-200-100 has the pitch 200",
        "loop has no pitch in its name",
        "nothing-060-100 is silent",
        "red [31m-060 has no pitch in its name",
        "silent-060-100 is silent",
        "stereo-060-100 has 2 channels",
        "wild-060-100 has samples that are not finite",
    ]
    assert "ends after 1000 of 2044 bytes" in notes.problems[1]
    printed = capsys.readouterr().out.splitlines()
    assert printed[-len(notes.problems) :] == list(notes.problems)
    assert repr(notes).startswith("Notes(2 notes of 2 pitches, 11 problems, ")
    assert opened(folder).problems == notes.problems  # from the cache


def test_many_problems_are_not_all_printed(tmp_path, opened, capsys):
    folder = write_notes(tmp_path / "notes", [60])
    for i in range(25):
        write(folder, f"silent_{i}-060-100", np.zeros(10))
    assert len(opened(folder).problems) == 25
    printed = capsys.readouterr().out
    assert printed.count("is silent") == dataset.SHOWN_PROBLEMS
    assert printed.endswith("... and 5 more problems\n")


def test_what_is_printed_has_no_control_characters(tmp_path, capsys):
    open_data(write_notes(tmp_path / "notes", [60]), SMALL, tmp_path / "\x1b[31mred", progress=False)
    printed = capsys.readouterr().out
    assert " [31mred/" in printed
    assert "\x1b" not in printed


def test_nothing_but_bad_data(tmp_path, opened):
    write(tmp_path / "notes", "silent-060-100", np.zeros(1000))
    with pytest.raises(ValueError, match="no usable note: 1 problems, the first: silent-060-100 is silent"):
        opened(tmp_path / "notes")
    assert left_behind(tmp_path) == []


# ---- The cache


def test_second_time_nothing_is_computed(tmp_path, opened, computed, capsys):
    folder = write_notes(tmp_path / "notes", range(40, 75))
    first = opened(folder)
    assert len(computed) == 35
    assert f"spectrograms of up to 35 notes: {35 * ROW / 1e6:.1f} MB in {first.path}" in capsys.readouterr().out
    assert (first.path / dataset.SPECTROGRAMS).stat().st_size == 35 * ROW
    again = opened(shutil.move(folder, tmp_path / "moved"))
    assert len(computed) == 35
    assert again.names == first.names
    np.testing.assert_array_equal(again.batch(range(35)), first.batch(range(35)))


@pytest.mark.parametrize("change", ["note", "file", "config", "pitches"])
def test_what_changes_the_spectrograms_makes_another_cache(tmp_path, opened, computed, change):
    folder = write_notes(tmp_path / "notes", [60, 62])
    first = opened(folder)
    config, options = SMALL, {}
    if change == "note":
        write(folder, GUITAR.format(60), wave(61, 999))
    elif change == "file":
        write_notes(folder, [64])
    elif change == "config":
        config = Config(num_resolutions=3, start_height=8, audio_length=1000, data_type="linear")
    else:
        options = {"pitches": (24, 83)}
    assert opened(folder, config, **options).path != first.path
    assert len(computed) == 4 + (change == "file")


def test_architecture_does_not_change_the_cache(tmp_path, opened, computed):
    folder = write_notes(tmp_path / "notes", [60])
    opened(folder)
    opened(folder, Config(num_resolutions=3, start_height=8, audio_length=1000, fmap_max=16))
    assert len(computed) == 1


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_interrupted_build_goes_on(tmp_path, opened, monkeypatch, computed, stop):
    folder = write_notes(tmp_path / "notes", range(30, 70))
    write(folder, "a-060-100", np.zeros(10))
    counting = spectral.waves_to_data

    def stopping(waves, config):
        if len(computed) == 20:
            raise stop
        return counting(waves, config)

    monkeypatch.setattr(spectral, "waves_to_data", stopping)
    with pytest.raises(stop):
        opened(folder)
    assert [path.suffix for path in left_behind(tmp_path) if path.is_dir()] == [".partial"]
    monkeypatch.setattr(spectral, "waves_to_data", counting)
    notes = opened(folder)
    assert len(computed) == 20 + 40 - 15  # the first sixteen are kept, of which one is silent
    assert notes.labels.tolist() == [pitch - MIN_PITCH for pitch in range(30, 70)]
    assert len(notes.problems) == 1
    np.testing.assert_array_equal(notes.batch(range(40)), open_data(folder, SMALL, tmp_path / "x").batch(range(40)))


@given(data=st.data())
@pytest.mark.slow
def test_any_part_of_a_build_can_be_gone_on_with(tmp_path_factory, data):
    """As a process that was killed at any moment leaves it: a part of a list whose spectrograms are there, or more."""
    tmp_path = tmp_path_factory.mktemp("part")
    folder = write_notes(tmp_path / "notes", [60, 61, 62])
    write(folder, "b-060-100", np.zeros(10))
    whole = open_data(folder, SMALL, tmp_path / "cache", progress=False)
    listed, spectrograms = ((whole.path / name).read_bytes() for name in (dataset.NOTES, dataset.SPECTROGRAMS))
    expected = whole.batch(range(3))
    partial = whole.path.with_suffix(".partial")
    whole.path.rename(partial)
    lines = listed[: data.draw(st.integers(0, len(listed)))]
    rows = sum(b'"pitch"' in line for line in lines.splitlines(keepends=True) if line.endswith(b"\n"))
    (partial / dataset.NOTES).write_bytes(lines)
    (partial / dataset.SPECTROGRAMS).write_bytes(spectrograms[: data.draw(st.integers(rows * ROW, 3 * ROW))])
    again = open_data(folder, SMALL, tmp_path / "cache", progress=False)
    assert (again.path / dataset.NOTES).read_bytes() == listed
    np.testing.assert_array_equal(again.batch(range(3)), expected)
    assert not partial.exists()


@pytest.mark.parametrize("file", [dataset.NOTES, dataset.SPECTROGRAMS])
@pytest.mark.parametrize("damage", ["cut", "gone", "garbage"])
def test_damaged_cache_is_built_anew(tmp_path, opened, computed, capsys, file, damage):
    folder = write_notes(tmp_path / "notes", [60, 62])
    path = opened(folder).path / file
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] if damage == "cut" else b'{"name": "x", "pitch": 1}\n\xff')
    notes = opened(folder)
    assert len(notes) == 2
    assert len(computed) == 4
    assert "is damaged and is being rebuilt" in capsys.readouterr().out


def test_disk_is_too_small(tmp_path, opened, monkeypatch):
    folder = write_notes(tmp_path / "notes", [60, 62, 64])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=3 * ROW - 1))
    with pytest.raises(OSError, match=r"the cache needs 0\.0 MB, but .* free; choose another folder"):
        opened(folder)
    assert left_behind(tmp_path) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=3 * ROW))
    assert len(opened(folder)) == 3


@pytest.mark.parametrize("calls", [0, 1, 2, 3])
def test_disk_fills_up(tmp_path, opened, monkeypatch, calls):
    folder = write_notes(tmp_path / "notes", range(30, 70))
    append, made = dataset._append, []

    def filling(path, content):
        made.append(path)
        if len(made) > calls:
            append(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        append(path, content)

    monkeypatch.setattr(dataset, "_append", filling)
    with pytest.raises(OSError, match=r"the cache cannot be written to .*cache: No space left on device$"):
        opened(folder)
    assert left_behind(tmp_path) == []
    monkeypatch.setattr(dataset, "_append", append)
    assert len(opened(folder)) == 40


def test_cache_folder_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"cannot write to .*; choose another folder for caches"):
        open_data(write_notes(tmp_path / "notes", [60]), SMALL, tmp_path / "file" / "cache")


def test_two_at_once_build_one_cache(tmp_path, opened, computed):
    folder = write_notes(tmp_path / "notes", range(40, 75))
    found = []
    threads = [threading.Thread(target=lambda: found.append(opened(folder))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(computed) == 35
    np.testing.assert_array_equal(found[0].batch([0, 34]), found[1].batch([0, 34]))
