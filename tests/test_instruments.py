"""helpers.instruments: slerp, timelines, saving. The golden arrays are the original program's."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inputs import golden

from helpers import instruments
from helpers.instruments import Instrument, Timeline, slerp

VECTORS = hnp.arrays(np.float64, 6, elements=st.floats(-4, 4, allow_subnormal=False))
SHARES = st.floats(0, 1)


class Latents:
    """What instruments need of a model."""

    name, fingerprint, about, latent_vector_size = "stub", "f00", {}, 256
    latent_sizes = (256, 448)

    def sample_z(self, n, seed):
        return np.random.RandomState(seed).normal(size=[n, 256])


@pytest.fixture
def bank():
    return instruments.sample(Latents(), 4, seed=3)


def test_slerp_equals_the_original():
    arrays = golden("generate_util")
    points = dict(zip(arrays["slerp_t"].tolist(), arrays["slerp_out"], strict=True))
    for t, expected in points.items():  # -0.5 and 1.7 among them: the arc goes on beyond its ends
        np.testing.assert_allclose(slerp(points[0.0], points[1.0], t), expected, atol=1e-6)


@given(VECTORS, VECTORS, SHARES)
def test_slerp_is_finite_and_meets_its_ends(a, b, t):
    between = slerp(a, b, t)
    assert np.isfinite(between).all()
    np.testing.assert_allclose(slerp(a, b, 0.0), a, atol=1e-5)
    np.testing.assert_allclose(slerp(a, b, 1.0), b, atol=1e-5)


@given(VECTORS.filter(lambda v: np.linalg.norm(v) > 0.1), SHARES)
def test_slerp_between_parallel_vectors(v, t):
    np.testing.assert_allclose(slerp(v, v, t), v, atol=1e-6)
    # Half a turn keeps the length, which the straight line through the origin would not.
    assert np.linalg.norm(slerp(v, -v, t)) == pytest.approx(np.linalg.norm(v), rel=1e-6)


@given(SHARES)
def test_slerp_keeps_equal_lengths_and_even_speed(t):
    a, b = np.array([2.0, 0.0]), np.array([0.0, 2.0])
    np.testing.assert_allclose(slerp(a, b, t), 2 * np.array([np.cos(t * np.pi / 2), np.sin(t * np.pi / 2)]), atol=1e-12)


def test_slerp_takes_many_at_once():
    a, b = np.random.RandomState(1).normal(size=(2, 5, 8))
    shares = np.linspace(0, 1, 5)
    each = [slerp(x, y, t) for x, y, t in zip(a, b, shares, strict=True)]
    np.testing.assert_allclose(slerp(a, b, shares), each)


@pytest.mark.parametrize("score", ["small", "melody14", "bench300"])
def test_original_timeline_gives_the_original_latents(score):
    arrays = golden("generate_util")
    starts, ends = arrays[f"{score}_start_times"], arrays[f"{score}_end_times"]
    every = float(arrays[f"{score}_secs_per_instrument"])
    timeline = Timeline.original(Latents(), ends[-1], int(arrays[f"{score}_seed"]), every)
    z = timeline.z(starts, extrapolate=True)
    np.testing.assert_allclose(z[:, :8], arrays[f"{score}_z_notes_cols8"], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), arrays[f"{score}_z_notes_norm"], rtol=1e-6)
    if score == "bench300":
        assert len(timeline.at) == 11
    else:
        np.testing.assert_allclose(timeline.at, arrays[f"{score}_t_instruments"], atol=1e-9)


def test_original_timeline_refuses_what_the_original_fails_on():
    with pytest.raises(ValueError, match="needs 12 s for two instruments"):
        Timeline.original(Latents(), 11.9, seed=1)


@given(st.floats(0.01, 1000), st.floats(0.01, 100), st.lists(st.floats(-1, 2000), max_size=5))
def test_random_timeline_serves_any_length(seconds, every, times):
    timeline = Timeline.random(Latents(), seconds, seed=1, secs_per_instrument=max(every, seconds / 50))
    assert len(timeline.at) >= 2
    assert np.isfinite(timeline.z(times)).all()


@given(st.lists(st.floats(-10, 1e6), min_size=1, max_size=5))
def test_a_held_instrument_is_the_same_at_all_times(times):
    one = Instrument("one", np.arange(1.0, 9.0))
    assert (Timeline.hold(one).z(times) == one.z).all()


def test_timeline_stops_at_its_instruments_and_stays_at_the_ends(bank):
    timeline = Timeline(bank[:3], at=[10, 20, 40])
    np.testing.assert_allclose(timeline.z([0, 10, 20, 40, 99]), [bank[i].z for i in (0, 0, 1, 2, 2)], atol=1e-12)
    np.testing.assert_allclose(timeline.z([25.0])[0], slerp(bank[1].z, bank[2].z, 0.25))


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ([0, 1], "one time for each instrument"),
        ([0, 1, 1], "must increase"),
        ([0, 2, 1], "must increase"),
        ([0, 1, np.nan], "must increase"),
    ],
)
def test_timeline_refuses_bad_times(bank, at, message):
    with pytest.raises(ValueError, match=message):
        Timeline(bank[:3], at=at)


def test_timeline_refuses_instruments_of_two_models(bank):
    with pytest.raises(ValueError, match="must all belong to one model"):
        Timeline([bank[0], Instrument("other", bank[1].z, "x", "y")], at=[0, 1])


@given(st.lists(st.floats(-10, 1e4), min_size=2, max_size=6, unique=True).map(sorted), st.lists(st.floats(-20, 2e4)))
def test_steps_hold_each_instrument_to_the_last_bit(at, times):
    at = [second for i, second in enumerate(at) if not i or second - at[i - 1] > 1e-6]
    bank = instruments.sample(Latents(), len(at), seed=5)
    times = np.array([*times, *at, *np.nextafter(at, -np.inf)])
    playing = np.maximum(np.searchsorted(at, times, side="right") - 1, 0)
    z = Timeline.steps(bank, at).z(times)
    assert (z == np.stack([instrument.z for instrument in bank])[playing]).all()  # equal latents share a note's sound


def test_steps_are_a_timeline_that_a_report_can_write_down(bank):
    timeline = Timeline.steps(bank[:3], at=[0, 20, 40.5])
    again = Timeline(timeline.instruments, json.loads(json.dumps(timeline.at.tolist())), timeline.held)
    times = np.linspace(-1, 50, 500)
    assert (again.z(times) == timeline.z(times)).all()
    assert again.held
    assert again.stops == [(bank[0], 0.0), (bank[1], 20.0), (bank[2], 40.5)]
    assert repr(again) == f"Timeline.steps({bank[0].name} at 0 s, {bank[1].name} at 20 s, {bank[2].name} at 40.5 s)"


def test_a_morphing_timeline_is_not_held(bank):
    for n in range(1, 5):
        timeline = Timeline(bank[:n], at=range(n))
        assert not timeline.held
        assert [instrument for instrument, _ in timeline.stops] == bank[:n]


def test_steps_refuse_what_a_timeline_does(bank):
    assert not Timeline.steps(bank[:1], at=[3]).held  # nothing changes
    with pytest.raises(ValueError, match=r"it got 2 for 3"):
        Timeline.steps(bank[:3], at=[0, 1])
    with pytest.raises(ValueError, match=r"must increase; they are \[0.0, 2.0, 2.0\]"):
        Timeline.steps(bank[:3], at=[0, 2, 2])


def test_sample_repeats_with_its_seed(bank):
    again = instruments.sample(Latents(), 4, seed=3)
    assert all((a.z == b.z).all() and a.name == b.name for a, b in zip(bank, again, strict=True))
    assert (bank[0].z != instruments.sample(Latents(), 1, seed=4)[0].z).all()


def test_blend(bank):
    half = instruments.blend(bank[0], bank[1], 0.5)
    np.testing.assert_allclose(half.z, slerp(bank[0].z, bank[1].z, 0.5))
    assert half.fingerprint == "f00"
    with pytest.raises(ValueError, match="different models"):
        instruments.blend(bank[0], Instrument("other", bank[1].z, "x", "y"), 0.5)


def test_a_name_is_not_an_instrument(bank):
    for call in (
        lambda: instruments.blend(bank[0], "Cello", 0.5),
        lambda: instruments.blend("Cello", bank[0], 0.5),
        lambda: instruments.blend_square([*bank[:3], "Cello"], 0.5, 0.5),
        lambda: Timeline.hold("Cello"),
    ):
        with pytest.raises(TypeError, match="'Cello' is not an Instrument"):
            call()


def test_the_corners_of_a_square_are_its_corners(bank):
    for corner, (x, y) in zip(bank, [(0, 0), (1, 0), (0, 1), (1, 1)], strict=True):
        assert (instruments.blend_square(bank, x, y).z == corner.z).all()


@given(SHARES)
def test_the_edges_of_a_square_are_blends(t):
    a, b, c, d = corners = instruments.sample(Latents(), 4, seed=3)
    for x, y, pair in [(t, 0, (a, b)), (t, 1, (c, d)), (0, t, (a, c)), (1, t, (b, d))]:
        z = instruments.blend_square(corners, x, y).z
        np.testing.assert_allclose(z, instruments.blend(*pair, t).z, atol=1e-12)


@given(SHARES, SHARES)
def test_a_square_looks_the_same_in_mirrors(x, y):
    a, b, c, d = corners = instruments.sample(Latents(), 4, seed=3)
    z = instruments.blend_square(corners, x, y).z
    np.testing.assert_allclose(instruments.blend_square([b, a, d, c], 1 - x, y).z, z, atol=1e-12)
    np.testing.assert_allclose(instruments.blend_square([c, d, a, b], x, 1 - y).z, z, atol=1e-12)


@given(SHARES, SHARES, st.integers(0, 99))
def test_a_square_keeps_equal_lengths(x, y, seed):
    rows = np.random.RandomState(seed).normal(size=[4, 8])
    corners = [Instrument(str(i), 3 * z / np.linalg.norm(z)) for i, z in enumerate(rows)]
    assert np.linalg.norm(instruments.blend_square(corners, x, y).z) == pytest.approx(3, abs=1e-9)


def test_a_square_of_one_instrument_is_that_instrument(bank):
    assert (instruments.blend_square([bank[0]] * 4, 0.3, 0.7).z == bank[0].z).all()


def test_a_square_has_a_name_and_a_model(bank):
    point = instruments.blend_square(bank, 0.25, 0.5)
    assert point.name == "stub 3-0, stub 3-1, stub 3-2, stub 3-3 25% 50%"
    assert (point.checkpoint, point.fingerprint) == ("stub", "f00")
    assert instruments.blend_square(bank, 0.25, 0.5, name="mine").name == "mine"


def test_a_square_refuses_what_is_none(bank):
    with pytest.raises(ValueError, match="has four corners, not 3"):
        instruments.blend_square(bank[:3], 0, 0)
    for x, y in [(-0.1, 0), (0, 1.1), (np.nan, 0)]:
        with pytest.raises(ValueError, match="x and y must be from 0 to 1"):
            instruments.blend_square(bank, x, y)
    with pytest.raises(ValueError, match="the corners of a square must all belong to one model"):
        instruments.blend_square([*bank[:3], Instrument("other", bank[3].z, "x", "y")], 0, 0)


def test_save_and_load_give_the_same_numbers(bank, tmp_path):
    path = instruments.save(bank, tmp_path / "deep" / "bank.json")
    loaded = instruments.load(path, Latents())
    assert [(i.name, i.checkpoint, i.fingerprint, i.seed) for i in loaded] == [
        (i.name, i.checkpoint, i.fingerprint, i.seed) for i in bank
    ]
    assert all((a.z == b.z).all() for a, b in zip(loaded, bank, strict=True))
    assert [p.name for p in path.parent.iterdir()] == ["bank.json"]


def test_load_refuses_instruments_of_another_model(bank, tmp_path):
    other = Latents()
    other.fingerprint = "other"
    with pytest.raises(ValueError, match="made for another model named stub"):
        instruments.load(instruments.save(bank, tmp_path / "bank.json"), other)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"instruments": 3}', '{"instruments": [{"name": "a"}]}',
     '{"instruments": [{"name": "a", "z": []}]}', json.dumps({"instruments": [{"name": "a", "z": [1.0, None]}]})],
)  # fmt: skip
def test_load_refuses_other_files(tmp_path, text):
    path = tmp_path / "bank.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="not a file of instruments"):
        instruments.load(path)


def test_load_names_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        instruments.load(tmp_path / "none.json")


def test_named_instruments_come_with_the_checkpoint():
    model = Latents()
    assert instruments.named(model) == {}
    model.about = {"instruments": [{"name": "Flute", "z": [1.0, 2.0]}]}
    assert instruments.named(model)["Flute"].z.tolist() == [1.0, 2.0]


class TestRandomAmong:
    VOICES = tuple(Instrument(f"v{i}", np.eye(5)[i]) for i in range(5))

    def names(self, seconds, seed=1, voices=VOICES):
        return [i.name for i, _ in Timeline.random(None, seconds, seed, secs_per_instrument=2.0, among=voices).stops]

    def test_each_comes_once_before_any_comes_again(self):
        drawn = self.names(18.0)
        assert len(drawn) == 10
        assert set(drawn[:5]) == set(drawn[5:]) == {voice.name for voice in self.VOICES}

    def test_none_comes_twice_in_a_row(self):
        for seed in range(50):
            drawn = self.names(60.0, seed)
            assert all(a != b for a, b in itertools.pairwise(drawn))

    def test_the_seed_decides(self):
        assert self.names(30.0, 4) == self.names(30.0, 4)
        assert len({tuple(self.names(8.0, seed)) for seed in range(20)}) > 15

    def test_one_voice_may_repeat_and_none_is_refused(self):
        assert self.names(4.0, voices=self.VOICES[:1]) == ["v0"] * 3
        with pytest.raises(ValueError, match="no instrument to draw from"):
            self.names(4.0, voices=())


def one(**changes):
    return {"name": "one", "z": [0.5] * 256, "checkpoint": "stub", "fingerprint": "f00", "seed": 1} | changes


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"instruments": ' + "[" * 400 + "]" * 400 + "}",
        '{"instruments": ' + "9" * 5000 + "}",
        '{"instruments": [' + "[]," * 3_100_000 + "[]]}",
        "\xff\xfe",
        "[1]",
        "3",
        "null",
        '{"instruments": {"a": 1}}',
        '{"instruments": [3]}',
        json.dumps({"format": 2, "instruments": []}),
        json.dumps({"format": [1], "instruments": []}),
        json.dumps({"instruments": [one(z=[float("nan")] * 256)]}),
        json.dumps({"instruments": [one(z=[1e300] * 256)]}),
        json.dumps({"instruments": [one(z=[True] * 256)]}),
        json.dumps({"instruments": [one(z=["1"] * 256)]}),
        json.dumps({"instruments": [one(z="1" * 256)]}),
        json.dumps({"instruments": [one(z=[])]}),
        json.dumps({"instruments": [one(z=[0.5] * 100_000)]}),
        json.dumps({"instruments": [one(z=[[0.5]] * 256)]}),
        json.dumps({"instruments": [one(name=3)]}),
        json.dumps({"instruments": [one(name="x" * 100_000)]}),
        json.dumps({"instruments": [one(name=["x"])]}),
        json.dumps({"instruments": [one(seed="1")]}),
        json.dumps({"instruments": [one(seed=float("nan"))]}),
        json.dumps({"instruments": [one(seed=float("inf"))]}),
        json.dumps({"instruments": [one(seed=-1)]}),
        json.dumps({"instruments": [one(fingerprint={})]}),
        json.dumps({"instruments": [one(checkpoint=7)]}),
    ],
    ids=range(29),
)
def test_a_file_of_instruments_is_read_value_by_value(tmp_path, text):
    path = tmp_path / "instruments.json"
    path.write_text(text, "latin-1")
    with pytest.raises(ValueError, match="is not a file of instruments") as caught:
        instruments.load(path)
    message = str(caught.value).replace(str(path), "")
    assert message.isprintable()
    assert len(message) < 300


def test_a_file_of_instruments_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(instruments, "MAX_BYTES", 1000)
    path = instruments.save(instruments.sample(Latents(), 1, seed=1), tmp_path / "instruments.json")
    with pytest.raises(ValueError, match="larger than"):
        instruments.load(path)


def test_a_latent_of_another_length_is_refused_with_the_model(tmp_path):
    path = tmp_path / "instruments.json"
    path.write_text(json.dumps({"instruments": [one(z=[0.5] * 3)]}))
    with pytest.raises(ValueError, match="a latent of 3 numbers; stub takes 256"):
        instruments.load(path, Latents())


def test_half_a_character_in_a_name_is_saved(tmp_path):
    kept = Instrument("odd \udc80 name", np.ones(4))
    assert instruments.load(instruments.save([kept], tmp_path / "a.json"))[0].name == kept.name


def test_a_timeline_draws_no_more_instruments_than_memory_holds():
    for timeline in (Timeline.random, Timeline.original):
        with pytest.raises(ValueError, match="a random timeline can have 10,000"):
            timeline(Latents(), 60.0, 0, 1e-7)


def test_activations_of_the_first_layer_go_along():
    """Latents of two lengths, as `matching.match` makes the longer: they blend, morph, and are written and read."""
    short = Instrument("short", np.ones(256), fingerprint="f00")
    long = Instrument("long", np.r_[np.ones(256), np.full(192, 2.0)], fingerprint="f00")
    instruments.check_model(long, Latents())
    with pytest.raises(ValueError, match="has a latent of 300 numbers; stub takes 256"):
        instruments.check_model(Instrument("odd", np.ones(300)), Latents())
    half = instruments.blend(short, long, 0.5)
    assert len(half.z) == 448
    assert 0 < half.z[300] < 2
    assert instruments.blend_square([short, long, short, long], 1, 0.5).z == pytest.approx(long.z)
    along = Timeline([short, long], at=[0, 10]).z([0, 10])
    np.testing.assert_allclose(along, [np.pad(short.z, (0, 192)), long.z], atol=1e-12)
