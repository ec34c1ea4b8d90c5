"""helpers.gansynth.levenberg: along a few axes, latents that are known to be there are found again."""

import numpy as np
import pytest

from helpers import gansynth, timbre
from helpers.gansynth import inversion, levenberg
from helpers.gansynth.levenberg import solve

AXES = np.linalg.qr(np.random.RandomState(5).normal(size=(256, 4)))[0].T


def notes(model, z, pitches=(60, 67), seconds=0.5):
    return list(model.generate(z, list(pitches), duration=seconds))


def beside(z, axes, moved):
    """A latent of the same length, elsewhere along the axes."""
    along = axes @ z
    left, there = z - along @ axes, along + moved
    return there @ axes + left * np.sqrt(z @ z - there @ there) / np.linalg.norm(left)


@pytest.fixture(scope="module")
def goal(tiny):
    """A latent, and a start that differs from it along the axes only, of the same length."""
    z = tiny.sample_z(1, seed=3)[0].astype(np.float64)
    return z, beside(z, AXES, [0.6, -0.5, 0.4, 0.5])


@pytest.fixture(scope="module")
def demo():
    return gansynth.load("demo")


@pytest.mark.slow
def test_what_is_there_is_found_again(demo):
    axes = timbre.axes(demo).vectors
    z = demo.sample_z(6, seed=23)[5].astype(np.float64)
    start = beside(z, axes, 0.4 * np.random.RandomState(5).normal(size=len(axes)))
    found = solve(demo, notes(demo, z, [64], 0.6), [64], start[None], axes)
    assert found.history[0, 0] > 1.5
    assert found.distances[0] < 0.5
    assert np.linalg.norm(axes @ (found.z[0] - z)) < 0.25 * np.linalg.norm(axes @ (start - z))
    assert np.linalg.norm(found.z[0]) == pytest.approx(np.linalg.norm(z))
    assert not found.stopped


@pytest.mark.slow
def test_distances_are_those_of_the_notes_as_the_model_plays_them(tiny, goal):
    z, start = goal
    waves = notes(tiny, z, [60])
    found = solve(tiny, waves, [60], start[None], AXES, steps=2)
    expected = inversion.distances(notes(tiny, start, [60]), waves[0], tiny.sample_rate)[0]
    assert found.history[0, 0] == pytest.approx(expected, abs=0.02)
    played = inversion.distances(notes(tiny, found.z[0], [60]), waves[0], tiny.sample_rate)[0]
    assert found.distances[0] == pytest.approx(played, abs=0.02)


@pytest.mark.slow
def test_no_step_leads_away(tiny, goal):
    z, start = goal
    found = solve(tiny, notes(tiny, tiny.sample_z(1, seed=8)[0]), [60, 67], np.stack([start, z]), AXES, steps=5)
    for way in found.history.T:
        way = way[np.isfinite(way)]
        assert (np.diff(way) <= 0).all()
    np.testing.assert_allclose(found.distances, np.nanmin(found.history, axis=0))


@pytest.mark.slow
def test_the_worse_half_is_left_behind(tiny, goal):
    z, start = goal
    far = beside(start, AXES, [2.0, 2.0, -2.0, 2.0])
    found = solve(tiny, notes(tiny, z, [60]), [60], np.stack([far, start, far]), AXES)
    after = np.isfinite(found.history[levenberg.HALVED + 1 :]).any(axis=0)
    assert after.sum() <= 2
    assert after[1]


def test_what_lies_beside_the_axes_stays(tiny, goal):
    z, start = goal
    found = solve(tiny, notes(tiny, z, [60]), [60], start[None], AXES, steps=2)
    before, after = (one - (AXES @ one) @ AXES for one in (start, found.z[0]))
    assert before @ after == pytest.approx(np.linalg.norm(before) * np.linalg.norm(after))


def test_a_start_without_anything_beside_the_axes_keeps_its_length_too(tiny):
    start = 16 * AXES[0]
    found = solve(tiny, notes(tiny, 16 * AXES[1], [60]), [60], start[None], AXES, steps=2)
    assert np.linalg.norm(found.z[0]) == pytest.approx(16)
    assert found.distances[0] < found.history[0, 0]


def test_the_pictures_times_are_those_of_the_sound(tiny):
    """A drawn frame and a heard one that are compared have their middles within half a frame of each other."""
    config = tiny.config
    drawn = levenberg._times(16000, 40, config) * config.hop_length - config.front_padding + config.frame_length / 2
    _, hop = inversion.sizes(config.sample_rate)
    assert np.abs(drawn - np.arange(len(drawn)) * hop).max() <= config.hop_length / 2


def test_it_can_be_stopped_and_says_how_far_it_is(tiny, goal):
    z, start = goal
    told = []
    found = solve(
        tiny,
        notes(tiny, z, [60]),
        [60],
        np.stack([start, start]),
        AXES,
        steps=4,
        tell=lambda *how: told.append(how),
        stop=lambda: len(told) == 2,
    )
    assert len(told) == 2
    assert told[0] == (1, 9)
    assert found.stopped
    assert np.isfinite(found.distances[0])
    nothing = solve(tiny, notes(tiny, z, [60]), [60], start[None], AXES, stop=lambda: True)
    assert nothing.distances[0] == np.inf
    np.testing.assert_allclose(nothing.z[0], start, rtol=1e-6)
    whole = []
    solve(tiny, notes(tiny, z, [60]), [60], z[None], AXES, steps=4, tell=lambda *how: whole.append(how))
    assert whole[-1] == (5, 5)  # even though there was nothing to gain, and it ended early
    assert len(whole) < 5


@pytest.mark.parametrize(
    ("axes", "pitches", "message"),
    [
        (AXES[:, :9], [60, 67], r"axes have shape \[4, 9\]; expected 1 to 32 axes of 256"),
        (np.eye(256)[:33], [60, 67], r"axes have shape \[33, 256\]"),
        (AXES, [60], "there are 2 notes and 1 pitches"),
        (AXES, [60, 90], "the model plays MIDI pitches 24 to 84, not 90"),
    ],
)
def test_what_does_not_fit_is_refused(tiny, goal, axes, pitches, message):
    z, start = goal
    with pytest.raises(ValueError, match=message):
        solve(tiny, notes(tiny, z), pitches, start[None], axes)


@pytest.mark.slow  # no processor of the tests computes with it
def test_bfloat16(demo):
    low = gansynth.load("demo", precision="bfloat16")
    axes, z = timbre.axes(demo).vectors, demo.sample_z(1, seed=6)[0].astype(np.float64)
    start = beside(z, axes, 0.4 * np.random.RandomState(2).normal(size=len(axes)))
    found = solve(low, notes(low, z, [60], 0.15), [60], start[None], axes, steps=1)
    assert found.distances[0] < 0.9 * found.history[0, 0]
