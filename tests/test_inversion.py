"""helpers.gansynth.inversion: the distance, the representation's own, and walks that find what is known to be there."""

import numpy as np
import pytest
from inputs import DATA, harmonic_wave

from helpers.gansynth import GANSynth, checkpoint, inversion
from helpers.gansynth.inversion import BANDS, FLOOR, LOSSES, distances, invert, log_mel, round_trip

RATE = 16000


def tones(*hertz, seconds=1.0):
    time = np.arange(round(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * np.array(hertz)[:, None] * time)


def test_the_distance_is_that_of_levels_below_the_peak():
    waves = tones(440.0, 660.0)
    levels = log_mel(waves, RATE)
    assert levels.shape[::2] == (2, BANDS)
    assert levels.max() == 0
    assert levels.min() == -FLOOR
    expected = np.sqrt(np.mean((levels[0].astype(float) - levels[1]) ** 2, axis=1)).mean()
    assert distances(waves, waves[0], RATE) == pytest.approx([0.0, expected], abs=1e-4)


def test_the_distance_does_not_depend_on_the_level_and_silence_is_far():
    wave = tones(440.0)[0]
    same, silent = distances(np.stack([0.01 * wave, 0 * wave]), wave, RATE)
    assert same < 0.01
    assert silent > 5


def test_what_the_representation_costs(tiny):
    wave = harmonic_wave(60, 1)[:32000]
    back = round_trip(3 * wave, tiny.config)
    assert back.shape == wave.shape
    assert 0.1 < distances(back[None], wave, RATE)[0] < 4


@pytest.fixture(scope="module")
def goal(tiny):
    """A latent, its notes, and a start on the way to another one."""
    z, other = tiny.sample_z(2, seed=3)
    start = 0.8 * z + 0.6 * other
    return z, start * np.linalg.norm(other) / np.linalg.norm(start)


def notes(model, z, pitches=(60, 67), seconds=0.6):
    return list(model.generate(z, list(pitches), duration=seconds))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.slow
def test_a_walk_comes_nearer_and_the_length_stays(tiny, goal, loss):
    z, start = goal
    waves = notes(tiny, z)
    found = invert(tiny, waves, [60, 67], start[None], [loss], steps=12)
    assert found.history.shape == (13, 1)
    assert found.distances[0] == found.history.min()
    assert found.distances[0] < 0.8 * found.history[0, 0]
    assert np.linalg.norm(found.z[0]) == pytest.approx(np.linalg.norm(start))
    assert not found.stopped


@pytest.mark.slow
def test_the_two_losses_are_not_the_same(tiny, goal):
    z, start = goal
    target = inversion.Target(notes(tiny, z)[0], 60, tiny.config)
    slopes, heard = inversion._graph(tiny, len(z), target.frames)(
        np.stack([start, start]), np.array([0, 1], np.float32), target
    )
    assert heard[0] == pytest.approx(heard[1], abs=1e-4)
    picture, both = slopes
    cosine = picture @ both / np.linalg.norm(picture) / np.linalg.norm(both)
    assert 0 < cosine < 0.99


def test_distances_are_those_of_the_notes_as_the_model_plays_them(tiny, goal):
    z, start = goal
    waves = notes(tiny, z)
    found = invert(tiny, waves, [60, 67], start[None], ["bands"], steps=3)
    played = tiny.generate(found.z[0], [60, 67], duration=0.6)
    heard = np.mean([distances(played[[i]], waves[i], RATE)[0] for i in range(2)])
    assert found.distances[0] == pytest.approx(heard, abs=0.01)


def test_notes_of_several_lengths_are_compared_as_far_as_they_go(tiny, goal):
    z, _ = goal
    long, short = notes(tiny, z)
    cut = short[:4800]
    found = invert(tiny, [long, cut], [60, 67], z[None], ["bands"], steps=0)
    assert found.distances[0] < 0.01
    assert invert(tiny, [long, -cut], [60, 62], z[None], ["bands"], steps=0).distances[0] > 0.1


def test_the_start_is_kept_where_no_step_helps(tiny, goal):
    z, start = goal
    found = invert(tiny, notes(tiny, z), [60, 67], np.stack([z, start]), ["picture"] * 2, steps=2)
    assert found.distances[0] < 0.01
    assert found.z[0] == pytest.approx(z, abs=1e-6)


@pytest.mark.slow
def test_the_worse_half_is_left_behind(tiny, goal):
    z, start = goal
    starts = np.stack([start, *tiny.sample_z(2, seed=9), z])
    found = invert(tiny, notes(tiny, z, [60]), [60], starts, ["bands"] * 4, steps=inversion.HALVED + 2)
    after = np.isfinite(found.history[inversion.HALVED + 1])
    assert np.isfinite(found.history[: inversion.HALVED + 1]).all()
    assert after.tolist() == [True, False, False, True]
    assert np.isfinite(found.distances).all()


@pytest.mark.slow
def test_the_first_layer_has_activations_of_its_own(tiny, goal):
    z, start = goal
    size, longer = tiny.latent_sizes
    waves = notes(tiny, z, [60])
    padded = np.pad(start[None], [(0, 0), (0, longer - size)])
    np.testing.assert_array_equal(tiny.generate(padded, [60]), tiny.generate(start[None], [60]))
    found = invert(tiny, waves, [60], padded, ["bands"], steps=8)
    assert found.distances[0] < found.history[0, 0]
    assert np.abs(found.z[0, size:]).max() > 0
    played = tiny.generate(found.z, [60], duration=0.6)
    assert distances(played, waves[0], RATE)[0] == pytest.approx(found.distances[0], abs=0.01)


def test_it_can_be_stopped_and_says_how_far_it_is(tiny, goal):
    z, start = goal
    told = []
    found = invert(
        tiny,
        notes(tiny, z),
        [60, 67],
        start[None],
        ["bands"],
        steps=5,
        tell=lambda *how: told.append(how),
        stop=lambda: len(told) == 2,
    )
    assert told == [(1, 6), (2, 6)]
    assert found.stopped
    assert len(found.history) == 2
    whole = []
    invert(tiny, notes(tiny, z), [60, 67], start[None], ["bands"], steps=1, tell=lambda *how: whole.append(how))
    assert whole == [(1, 2), (2, 2)]


def test_nothing_was_found_when_it_was_stopped_at_once(tiny, goal):
    z, start = goal
    found = invert(tiny, notes(tiny, z), [60, 67], start[None], ["bands"], stop=lambda: True)
    assert found.history.shape == (0, 1)
    assert found.distances[0] == np.inf
    np.testing.assert_array_equal(found.z[0], start.astype(np.float32))


@pytest.mark.slow  # no processor of the tests computes with it
def test_bfloat16():
    low = GANSynth(checkpoint.read(DATA / "checkpoints" / "tiny_stage12"), precision="bfloat16")
    z, start = low.sample_z(1, seed=3)[0], low.sample_z(1, seed=4)[0]
    found = invert(low, notes(low, z, [60], 0.3), [60], start[None], ["bands"], steps=6)
    assert found.distances[0] < found.history[0, 0]


@pytest.mark.parametrize(
    ("pitches", "losses", "message"),
    [
        ([60], ["bands"], "there are 2 notes and 1 pitches"),
        ([60, 90], ["bands"], "the model plays MIDI pitches 24 to 84, not 90"),
        ([60, 67], ["loud"], "each of the 1 starts needs a loss, 'picture' or 'bands'"),
        ([60, 67], ["bands"] * 2, "each of the 1 starts needs a loss"),
    ],
)
def test_what_does_not_fit_is_refused(tiny, goal, pitches, losses, message):
    z, start = goal
    with pytest.raises(ValueError, match=message):
        invert(tiny, notes(tiny, z), pitches, start[None], losses)
