"""helpers.instruments: slerp, timelines, saving. The golden arrays are the original program's."""

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

    name, fingerprint, about = "stub", "f00", {}

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
    [([0, 1], "as many times"), ([0, 1, 1], "have to rise"), ([0, 2, 1], "have to rise"), ([0, 1, np.nan], "rise")],
)
def test_timeline_refuses_bad_times(bank, at, message):
    with pytest.raises(ValueError, match=message):
        Timeline(bank[:3], at=at)


def test_timeline_refuses_instruments_of_two_models(bank):
    with pytest.raises(ValueError, match="one model"):
        Timeline([bank[0], Instrument("other", bank[1].z, "x", "y")], at=[0, 1])


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
    with pytest.raises(ValueError, match="made for stub"):
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
