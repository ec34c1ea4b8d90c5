"""Notes kept on disk: found again, bounded, and never in the way."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inputs import DATA

from helpers.gansynth import GANSynth, checkpoint, spectral
from helpers.gansynth import cache as cache_module
from helpers.gansynth.cache import NoteCache, note_key

KEY = note_key("model", "float32", np.zeros(4), 60)


def key(i):
    return note_key("model", "float32", np.full(4, i), 60)


def wave(n, value=0.5):
    return np.full(n, value, np.float32)


@pytest.fixture
def cache(tmp_path):
    return NoteCache(tmp_path / "notes")


def test_a_damaged_note_is_written_anew(cache):
    cache.put(KEY, wave(100))
    path = cache._path(KEY)
    path.write_bytes(b"\xff" * path.stat().st_size)  # numbers that are none
    assert cache.get(KEY, 100) is None
    cache.put(KEY, wave(100))
    np.testing.assert_array_equal(cache.get(KEY, 100), wave(100))
    assert (cache.hits, cache.misses) == (1, 1)


def test_a_note_is_found_again_whole_or_in_part(cache, tmp_path):
    noise = np.random.RandomState(0).normal(size=1000).astype(np.float32)
    assert cache.get(KEY, 10) is None
    cache.put(KEY, noise)
    for n in (1, 999, 1000):
        assert cache.has(KEY, n)
        found = NoteCache(tmp_path / "notes").get(KEY, n)  # by another run, too
        assert found.dtype == np.float32
        assert np.array_equal(found, noise[:n])
    assert not cache.has(KEY, 1001)
    assert cache.get(KEY, 1001) is None
    assert cache.misses == 2


def test_the_longer_version_is_kept(cache):
    for n in (100, 300, 200):
        cache.put(KEY, wave(n))
    assert cache.has(KEY, 300)
    assert len(cache) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["float32", "bfloat16"]), st.integers(24, 84)),
        unique=True,
        max_size=20,
    ),
)
def test_a_key_is_of_all_that_a_note_depends_on(parts):
    z = np.random.RandomState(0).normal(size=[2, 8])
    keys = [note_key(model, precision, row, pitch) for model, precision, pitch in parts for row in z]
    assert len(set(keys)) == len(keys)
    assert keys == [note_key(m, p, row.astype(np.float32), pitch) for m, p, pitch in parts for row in z]


def test_the_least_recently_used_goes_first(tmp_path):
    cache = NoteCache(tmp_path, limit=10 * 4016)
    for i in range(10):
        cache.put(key(i), wave(1000))
        os.utime(cache._path(key(i)), (1000 + i, 1000 + i))
    assert cache.get(key(0), 1000) is not None  # now the most recently used
    cache.put(key(10), wave(1000))  # more than fits
    assert [cache.has(key(i), 1000) for i in range(11)] == [True, False, False] + [True] * 8
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.f32")) <= cache.limit


def test_a_folder_that_is_already_too_full_is_made_smaller(tmp_path):
    big = NoteCache(tmp_path)
    for i in range(20):
        big.put(key(i), wave(1000))
    small = NoteCache(tmp_path, limit=20_000)
    small.put(key(20), wave(1000))
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.f32")) <= small.limit
    assert small.has(key(20), 1000)


@pytest.mark.parametrize("damage", [b"", b"abc", b"\xff" * 4000])
def test_a_damaged_file_is_a_miss_and_is_replaced(cache, damage):
    cache.put(KEY, wave(1000))
    cache._path(KEY).write_bytes(damage)
    assert cache.get(KEY, 1000) is None
    if len(damage) < 4000:
        cache.put(KEY, wave(1000))
        assert np.array_equal(cache.get(KEY, 1000), wave(1000))


@pytest.mark.parametrize("at", [0, 5, 15, 16, 17, 2000, 4015])
def test_one_flipped_bit_is_noticed(cache, at):
    cache.put(KEY, wave(1000))
    content = bytearray(cache._path(KEY).read_bytes())
    content[at] ^= 1
    cache._path(KEY).write_bytes(content)
    assert cache.get(KEY, 1000) is None
    cache.put(KEY, wave(1000))
    assert np.array_equal(cache.get(KEY, 1000), wave(1000))


@pytest.mark.parametrize("part", [slice(None), slice(100, None), slice(0, 500)])
def test_zeros_in_place_of_a_note_are_noticed(cache, part):
    """What a computer leaves that was switched off while it wrote: a file of the right size."""
    cache.put(KEY, wave(1000))
    content = np.frombuffer(cache._path(KEY).read_bytes(), np.uint8).copy()
    content[part] = 0
    cache._path(KEY).write_bytes(content.tobytes())
    assert cache.get(KEY, 10) is None


def test_another_notes_file_is_not_taken_for_this_one(cache):
    cache.put(key(0), wave(1000))
    cache.put(key(1), wave(1000, 0.25))
    os.replace(cache._path(key(1)), cache._path(key(0)))
    assert cache.get(key(0), 1000) is None


def test_a_cache_that_can_only_be_read_hits(cache, monkeypatch):
    cache.put(KEY, wave(1000))

    def refuse(*_, **__):
        raise PermissionError(13, "Read-only file system")

    for name in ("utime", "unlink", "replace", "open"):
        monkeypatch.setattr(os, name, refuse)
    assert np.array_equal(cache.get(KEY, 1000), wave(1000))
    assert (cache.hits, cache.misses) == (1, 0)
    with pytest.warns(UserWarning, match="notes are no longer cached"):
        cache.put(key(1), wave(1000))
    assert cache.get(key(1), 1000) is None
    assert np.array_equal(cache.get(KEY, 500), wave(500))


def test_what_is_being_written_is_no_note(cache):
    cache.put(KEY, wave(1000))
    (cache._path(KEY).parent / ".partial-0123.f32").write_bytes(bytes(4000))
    assert len(cache) == 1
    cache.clear()
    assert (cache._path(KEY).parent / ".partial-0123.f32").exists()


def test_nothing_is_left_of_a_note_that_could_not_be_written(cache, monkeypatch):
    cache.put(key(0), wave(10))

    def full(self, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="notes are no longer cached: .*No space left on device"):
        cache.put(key(1), wave(10))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        cache.put(key(2), wave(10))
    assert cache.has(key(0), 10)
    assert [path.name for path in cache.folder.rglob("*") if path.is_file()] == [cache._path(key(0)).name]


def test_clear_leaves_other_files_alone(cache):
    cache.put(KEY, wave(10))
    (cache.folder / "mine.txt").write_text("mine")
    cache.clear()
    assert len(cache) == 0
    assert (cache.folder / "mine.txt").exists()


def test_it_says_how_full_it_is(cache):
    cache.put(KEY, wave(250_000))
    assert repr(cache) == f"NoteCache(1 notes, 1 of 2147 MB, {cache.folder})"


def test_a_limit_is_above_zero():
    with pytest.raises(ValueError, match="limit is 0"):
        NoteCache(limit=0)


def test_the_default_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert NoteCache().folder == tmp_path / "gansynth-suite" / "notes"


# ------------------------------------------------------------------------------------------------------------ the model


@pytest.fixture
def counting(tiny, cache, monkeypatch):
    """The tiny model with a cache, and how many notes it has computed."""
    computed = []
    waves = tiny._waves
    monkeypatch.setattr(tiny, "cache", cache)
    monkeypatch.setattr(tiny, "_waves", lambda z, *rest: computed.append(len(z)) or waves(z, *rest))
    return tiny, computed


@pytest.mark.slow
def test_nothing_is_computed_twice(counting):
    model, computed = counting
    z, pitches = model.sample_z(5, 0), [60, 61, 62, 63, 64]
    first = model.generate(z, pitches, duration=0.3)
    assert np.array_equal(model.generate(z, pitches, duration=0.3), first)
    assert np.array_equal(model.generate(z[3], [63], duration=0.2), first[3:4, :3200])
    assert computed == [5]
    model.generate(z, [60, 61, 62, 63, 65], duration=0.3)
    assert computed == [5, 1]


def test_each_note_has_its_own_length(counting):
    model, computed = counting
    z, lengths = model.sample_z(3, 0), [0.1, 0.3, 0.2]
    plain = model.generate_data(z, [60, 61, 62])
    waves = model.generate(z, [60, 61, 62], lengths)
    assert waves.shape == (3, 4800)
    assert model.cached(z, [60, 61, 62], lengths).all()
    assert model.cached(z, [60, 61, 63], lengths).tolist() == [True, True, False]
    assert np.array_equal(model.generate(z, [60, 61, 62], lengths), waves)
    assert computed == [3]
    whole = spectral.data_to_waves(plain, model.config)
    for row, seconds in enumerate(lengths):
        n = round(16000 * seconds)
        np.testing.assert_allclose(waves[row, :n], whole[row, :n], atol=1e-4 * np.abs(whole).max())


def test_a_song_with_one_other_instrument_costs_only_that(counting):
    from helpers import render
    from helpers.instruments import Timeline, sample
    from helpers.midi import Note, Song, Track

    model, computed = counting
    tracks = [Track(name, 0, False, tuple(Note(p, 90, p / 50, p / 50 + 0.2) for p in range(60, 70))) for name in "ab"]
    song, (a, b, c) = Song("song", tuple(tracks)), [Timeline.hold(i) for i in sample(model, 3, seed=0)]
    first = render.render(model, song, {"a": a, "b": b}, progress=False)
    assert sum(computed) == 20
    again = render.render(model, song, {"a": a, "b": b}, progress=False)
    assert sum(computed) == 20
    assert np.array_equal(again.samples, first.samples)
    other = render.render(model, song, {"a": a, "b": c}, progress=False)
    assert sum(computed) == 30
    model.cache = None
    uncached = render.render(model, song, {"a": a, "b": c}, progress=False)
    np.testing.assert_allclose(other.samples, uncached.samples, atol=1e-4)


@pytest.mark.slow
def test_another_precision_is_another_note(tiny, cache):
    z = tiny.sample_z(1, 0)
    tiny_low = GANSynth(checkpoint.read(DATA / "checkpoints" / "tiny_stage12"), precision="bfloat16", cache=cache)
    tiny_low.generate(z, [60], 0.1)
    high = GANSynth(checkpoint.read(DATA / "checkpoints" / "tiny_stage12"), cache=cache)
    assert not high.cached(z, [60], [0.1]).any()
    assert tiny_low.cached(z, [60], [0.1]).all()


@pytest.mark.parametrize(
    ("of", "name"), [("model", "fingerprint"), ("model", "precision"), ("cache module", "__version__")]
)
def test_notes_of_another_model_precision_or_version_are_not_played(counting, monkeypatch, of, name):
    """A rounding, a weight or a way of computing that is another makes another sound of the same latent and pitch."""
    model, computed = counting
    z = model.sample_z(1, 0)
    model.generate(z, [60], 0.1)
    monkeypatch.setattr(model if of == "model" else cache_module, name, "another")
    assert not model.cached(z, [60], [0.1]).any()
    assert computed == [1]


@pytest.mark.slow
def test_two_programs_share_a_folder(tmp_path):
    """Both write and delete all the time, and neither fails."""
    code = (
        "import sys, numpy as np\n"
        "from helpers.gansynth.cache import NoteCache, note_key\n"
        "cache, rng = NoteCache(sys.argv[1], limit=200_000), np.random.RandomState(int(sys.argv[2]))\n"
        "for _ in range(1500):\n"
        "    i = rng.randint(100)\n"
        "    wave, key = np.full(1000, i, np.float32), note_key('m', 'float32', np.full(4, i), 60)\n"
        "    found = cache.get(key, 1000)\n"
        "    assert found is None or (found == wave).all()\n"
        "    cache.put(key, wave)\n"
    )
    programs = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code, str(tmp_path), str(seed)], cwd=DATA.parents[1])
        for seed in range(2)
    ]
    assert [program.wait(timeout=600) for program in programs] == [0, 0]
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.f32")) <= 2 * 200_000
