"""Directions, and the ways along them."""

import numpy as np
import pytest
from inputs import TYPICAL

from helpers import gansynth, instruments, timbre
from helpers.timbre import reaching, steering
from helpers.timbre.descriptors import CEPSTRA, NAMES


@pytest.fixture(scope="module")
def model():
    return gansynth.load("demo")


@pytest.fixture(scope="module")
def known(tiny):
    """An atlas of 300 instruments whose brightness and decay follow from the latent, and whose attack is chance."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, tiny.latent_vector_size))
    bright, long = np.linalg.qr(rng.normal(size=(tiny.latent_vector_size, 2)))[0].T
    values = np.tile([TYPICAL[name] for name in NAMES], (300, 1))
    values[:, NAMES.index("brightness")] += z @ bright
    values[:, NAMES.index("decay")] += 0.5 * (z @ bright) + 0.2 * (z @ long)
    values[:, NAMES.index("attack")] += rng.normal(size=300)
    described = np.concatenate([values, np.zeros((300, CEPSTRA))], axis=1)[:, None].repeat(3, axis=1)
    chosen = [instruments.Instrument(str(i), one, tiny.name, tiny.fingerprint) for i, one in enumerate(z)]
    atlas = timbre.Atlas(tiny, chosen, described)
    return atlas, bright, long


@pytest.fixture(scope="module")
def turn(known):
    return timbre.directions(known[0])


def test_axes_are_the_singular_vectors_of_the_first_layer(tiny):
    found = timbre.axes(tiny)
    kernel = np.asarray(tiny.network.named_weights()["1/conv0/kernel"])[:, :, :256]
    changed = [np.linalg.norm(np.einsum("hwio,i->hwo", kernel, vector)) for vector in found.vectors]
    assert np.allclose(changed, found.gains, rtol=1e-4)
    assert np.allclose(found.vectors @ found.vectors.T, np.eye(len(found.vectors)), atol=1e-6)
    assert (np.diff(found.gains) <= 0).all()
    assert found.shares.sum() == pytest.approx(1)


@pytest.mark.slow
def test_the_demo_hears_sixteen_axes_and_nothing_else(model):
    found = timbre.axes(model)
    assert len(found.gains) == 16
    z = model.sample_z(1, 0)[0]
    heard = found.vectors.T @ (found.vectors @ z)
    deaf = np.random.RandomState(0).normal(size=256)
    deaf -= found.vectors.T @ (found.vectors @ deaf)
    deaf *= np.linalg.norm(z - heard) / np.linalg.norm(deaf)
    one, other = (model.generate_data(row[None], [60])[0, :, :, 0] for row in (z, heard + deaf))
    moved = model.generate_data((z + 2 * found.vectors[0])[None], [60])[0, :, :, 0]
    assert np.abs(other - one).mean() < 0.2 * np.abs(moved - one).mean()


def test_moves_keep_the_length(known):
    atlas, bright, _ = known
    start = atlas.instruments[0]
    moved = timbre.move(start, bright, 2.0)
    assert np.linalg.norm(moved.z) == pytest.approx(np.linalg.norm(start.z))
    assert moved.z @ bright > start.z @ bright
    assert moved.name == "0 +2"
    assert timbre.move(start, bright, 0.0).z == pytest.approx(start.z)


@pytest.mark.parametrize(
    ("vector", "amount", "message"),
    [(np.ones(3), 1.0, "direction has shape"), (np.ones(256), np.nan, "cannot be moved by nan")],
)
def test_moves_that_lead_nowhere_are_refused(known, vector, amount, message):
    with pytest.raises(ValueError, match=message):
        timbre.move(known[0].instruments[0], vector, amount)


def test_what_follows_from_the_latent_is_named_and_chance_is_not(turn, known):
    _, bright, _ = known
    assert "brightness" in turn
    assert "attack" in turn.weak
    assert abs(turn.weak["attack"].r) < 0.4
    found = turn["brightness"]
    assert found.r > 0.6
    assert found.interval[0] < found.r < found.interval[1]
    assert found.vector @ bright / np.linalg.norm(found.vector) > 0.6
    assert found.others["decay"] > 0.5
    assert str(found) == "brighter, and longer"
    assert "not named" in str(turn)
    assert "brighter, and longer" in turn._repr_html_()


def predicted(turn, instrument, name):
    return turn._surface.values(instrument.z)[NAMES.index(name)]


@pytest.mark.parametrize("amount", [-1.0, 0.5, 1.5])
def test_one_is_one_standard_deviation(known, turn, amount):
    atlas, bright, _ = known
    start = atlas.instruments[3]
    moved = turn.steer(start, brightness=amount)
    change = predicted(turn, moved, "brightness") - predicted(turn, start, "brightness")
    assert change == pytest.approx(amount, abs=steering.ARRIVED)
    assert (moved.z - start.z) @ bright * amount > 0
    assert np.linalg.norm(moved.z) == pytest.approx(np.linalg.norm(start.z))
    assert moved.name == f"3, brightness {amount:+g}"


def test_what_is_to_stay_stays(known, turn):
    atlas, _, _ = known
    start = atlas.instruments[5]
    kept, free = turn.steer(start, keep=["decay"], brightness=1), turn.steer(start, brightness=1)
    change = [predicted(turn, one, "decay") - predicted(turn, start, "decay") for one in (kept, free)]
    assert abs(change[0]) <= steering.ARRIVED
    assert change[1] > 0.3


def test_one_that_is_to_stay_needs_no_list(known, turn):
    start = known[0].instruments[5]
    assert np.array_equal(
        turn.steer(start, keep="decay", brightness=1).z, turn.steer(start, keep=["decay"], brightness=1).z
    )


@pytest.mark.slow
def test_what_is_hardly_heard_has_no_name(known):
    atlas, _, _ = known
    scale = np.ones(len(NAMES) + CEPSTRA)
    scale[NAMES.index("brightness")] = 0.1  # a tenth of an octave is a fifth of a clearly audible step
    rows = np.concatenate([atlas.values, np.zeros((300, CEPSTRA))], axis=1)
    rows = ((rows - rows.mean(axis=0)) * scale + rows.mean(axis=0))[:, None].repeat(3, axis=1)
    turn = timbre.directions(timbre.Atlas(atlas.model, atlas.instruments, rows))
    assert list(turn) == ["decay"]
    assert turn.weak["brightness"].r > 0.6
    assert turn["decay"].others == {}  # it is not said that it gets brighter either
    with pytest.raises(
        ValueError, match=r"brightness has no direction here: .* is only 0\.1\d* octaves, which is hardly"
    ):
        turn.steer(atlas.instruments[0], brightness=1)
    assert "hardly audible" in str(turn)


class Ear:
    """In place of listening: brightness and decay as a function of what the regression says."""

    def __init__(self, monkeypatch, turn, curve):
        self.turn, self.curve, self.asked = turn, curve, []
        monkeypatch.setattr(reaching, "_heard", self)

    def __call__(self, model, z, pitch, names):
        self.asked.append(pitch)
        values = self.turn._surface.values(z)
        return np.array([self.turn.deviations[name] * self.curve(values[NAMES.index(name)]) for name in names])


def test_too_little_asks_for_more_by_ear(known, turn, monkeypatch):
    start = known[0].instruments[3]
    ear = Ear(monkeypatch, turn, lambda value: value / 3)
    found = timbre.by_ear(turn, start, 72, brightness=0.6)
    assert found.moved["brightness"] == pytest.approx(0.6, abs=0.15)
    assert found.instrument.name == "3, brightness +0.6"
    assert set(ear.asked) == {72}
    assert len(ear.asked) < 1 + reaching.TRIES
    assert "brightness +0.6" in str(found)


def test_what_is_to_stay_stays_by_ear(known, turn, monkeypatch):
    start = known[0].instruments[5]
    Ear(monkeypatch, turn, lambda value: value / 2)  # so that there is a second try
    moved = [timbre.by_ear(turn, start, keep=keep, brightness=0.5).instrument for keep in (["decay"], [])]
    change = [abs(predicted(turn, one, "decay") - predicted(turn, start, "decay")) for one in moved]
    assert change[0] <= steering.ARRIVED < change[1]


def test_plateaus_are_crossed_by_ear(known, turn, monkeypatch):
    start = known[0].instruments[3]
    here = turn._surface.values(start.z)[NAMES.index("brightness")]
    Ear(monkeypatch, turn, lambda value: max(0.0, value - here - 0.7))
    assert timbre.by_ear(turn, start, brightness=0.5).moved["brightness"] > 0.25


def test_what_goes_the_wrong_way_is_not_taken_by_ear(known, turn, monkeypatch):
    start = known[0].instruments[3]
    ear = Ear(monkeypatch, turn, lambda value: -value)
    found = timbre.by_ear(turn, start, brightness=0.5, decay=-0.5)
    assert found.instrument is start
    assert found.moved == {"brightness": 0.0, "decay": 0.0}
    assert "stays as it is" in str(found)
    assert len(ear.asked) == 1 + reaching.TRIES


def test_what_cannot_be_listened_to_is_said(known, turn, monkeypatch):
    atlas, start = known[0], known[0].instruments[0]
    with pytest.raises(ValueError, match="pitch is 10; it must be"):
        timbre.by_ear(turn, start, 10, brightness=1)
    monkeypatch.setattr(atlas.model, "generate", lambda z, *_, **__: np.zeros((len(z), 48000), np.float32), False)
    with pytest.raises(ValueError, match="'0' is silent at pitch 60"):
        timbre.by_ear(turn, start, brightness=1)
    free = timbre.Directions(list(turn.values()), steering.Linear(np.zeros((11, 256))), np.ones(len(NAMES)), 300)
    with pytest.raises(ValueError, match="belong to no model"):
        timbre.by_ear(free, start, brightness=1)


def test_where_nothing_is_to_be_had_the_way_ends(known):
    atlas, _, _ = known
    start = atlas.instruments[0]
    moved = timbre.directions(atlas).steer(start, brightness=1000)
    assert np.isfinite(moved.z).all()
    assert np.linalg.norm(moved.z) == pytest.approx(np.linalg.norm(start.z))


@pytest.fixture(scope="module")
def hills():
    """Coordinates, and a descriptor that is a wave across them."""
    x = np.random.default_rng(2).uniform(-1, 1, size=(400, 3))
    y = np.stack([np.sin(3 * x[:, 0]), x[:, 1]], axis=1)
    basis = np.linalg.qr(np.random.default_rng(3).normal(size=(8, 3)))[0].T
    return x, y, basis


def test_kernels_see_what_a_line_cannot(hills):
    x, y, basis = hills
    surface = steering.Curved(x, y, basis)
    other = np.random.default_rng(4).uniform(-0.8, 0.8, size=(50, 3))
    found = np.array([surface.values(basis.T @ u) for u in other])
    assert np.corrcoef(found[:, 0], np.sin(3 * other[:, 0]))[0, 1] > 0.99
    assert surface.error < 0.02


def test_a_way_to_more_than_there_is_ends_on_the_hill(hills, monkeypatch):
    monkeypatch.setattr(steering, "STRIDE", 0.8)  # so long that it steps over the top and back
    x, y, basis = hills
    surface = steering.Curved(x, y, basis)
    found = [timbre.Direction(name, np.zeros(8), 0.9, (0.8, 1.0), {}) for name in NAMES[:2]]
    turn = timbre.Directions(found, surface, np.ones(len(NAMES)), len(x))
    start = basis.T @ np.array([-0.2, 0.1, 0.0]) + 0.5 * np.linalg.svd(basis)[2][-1]
    end = turn.steer(instruments.Instrument("one", start), **{NAMES[0]: 5.0})
    assert surface.values(end.z)[0] > 0.98


@pytest.mark.slow
def test_the_regression_that_predicts_better_is_followed(known, model):
    assert isinstance(timbre.directions(known[0])._surface, steering.Linear)
    assert isinstance(timbre.directions(timbre.atlas(model))._surface, steering.Curved)


def test_the_width_is_that_of_the_smallest_error(hills, monkeypatch):
    x, y, basis = hills
    noisy = y + np.random.default_rng(6).normal(size=y.shape)
    chosen = steering.Curved(x, noisy, basis).error
    alone = []
    for width in steering.WIDTHS:
        monkeypatch.setattr(steering, "WIDTHS", (width,))
        alone.append(steering.Curved(x, noisy, basis).error)
    assert chosen == min(alone) < alone[-1]


def test_slopes_are_those_of_the_values(hills):
    surface = steering.Curved(*hills)
    z, small = np.random.default_rng(5).normal(size=8) * 0.3, 1e-5
    slopes = surface.slopes(z)
    for axis in np.eye(8):
        change = (surface.values(z + small * axis) - surface.values(z - small * axis)) / (2 * small)
        assert slopes @ axis == pytest.approx(change, abs=1e-6)


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        ({"attack": 1}, "attack has no direction here: its correlation on held-out latents is only"),
        ({"colour": 1}, "there is no direction 'colour'; the directions are"),
        ({}, "give an amount, as in brightness=1"),
        ({"brightness": "much"}, "brightness is 'much'; it must be a number"),
        ({"brightness": None}, "brightness is None; it must be a number"),
        ({"brightness": np.inf}, "finite numbers of standard deviations"),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_steered_is_said(known, amounts, message):
    atlas = known[0]
    with pytest.raises(ValueError, match=message):
        timbre.directions(atlas).steer(atlas.instruments[0], **amounts)


@pytest.mark.slow
def test_an_instrument_of_another_model_is_refused(known):
    atlas, _, _ = known
    foreign = instruments.Instrument("Cello", np.ones(256), "demo", "another")
    with pytest.raises(ValueError, match="'Cello' was made for demo; tiny would give a different sound"):
        timbre.directions(atlas).steer(foreign, brightness=1)


@pytest.mark.slow
def test_directions_are_learned_from_points_of_the_latent_space(known, turn):
    """What an instrument with activations of the first layer sounds like is not in its latent alone."""
    atlas, size = known[0], known[0].model.latent_vector_size
    freed = [
        instruments.Instrument(f"freed {i}", np.r_[one.z, np.ones(192)], one.checkpoint, one.fingerprint)
        for i, one in enumerate(atlas.instruments[:20])
    ]
    rows = np.pad(atlas.values, [(0, 0), (0, CEPSTRA)])
    described = np.concatenate([rows, 9 + rows[:20]])[:, None].repeat(3, axis=1)
    mixed = timbre.Atlas(atlas.model, [*atlas.instruments, *freed], described)
    learned = timbre.directions(mixed)
    assert learned.instruments == turn.instruments
    assert learned["brightness"].vector == pytest.approx(turn["brightness"].vector, abs=1e-6)
    assert learned["brightness"].vector.shape == (size,)
    with pytest.raises(ValueError, match="'freed 0' has first-layer activations, and cannot be steered"):
        learned.steer(freed[0], brightness=1)


def test_few_instruments_teach_no_directions(known):
    atlas = known[0]
    few = timbre.Atlas(atlas.model, atlas.instruments[:20], np.zeros((20, 3, len(NAMES) + CEPSTRA)))
    with pytest.raises(ValueError, match="need at least 50 instruments; this atlas has 20"):
        timbre.directions(few)


def test_every_descriptor_has_words_for_more_and_less():
    assert set(steering.MORE) == set(NAMES)
