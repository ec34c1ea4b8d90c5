"""The way to a wanted centroid, by gradient."""

import numpy as np
import pytest

from helpers import gansynth, instruments, timbre
from helpers.timbre import reaching

C4 = 440 * 2 ** (-9 / 12)


@pytest.fixture(scope="module")
def model():
    return gansynth.load("demo")


@pytest.mark.parametrize(("name", "wanted"), [("Cello", 1500), ("Banjo", 700), ("Flute", 1200)])
@pytest.mark.slow
def test_the_note_gets_the_centroid(model, name, wanted):
    start = instruments.named(model)[name]
    found = timbre.reach(model, start, centroid=wanted)
    off = np.abs(np.log(np.array(found.centroids) / wanted))
    assert (np.diff(off) < 0).all()  # nearer at every step
    assert off[-1] < np.log(1.1)
    note = model.generate(found.instrument.z[None], [60])[0]
    heard = timbre.describe_note(note, 60, model.sample_rate)
    assert C4 * 2 ** heard["brightness"] == pytest.approx(found.centroids[-1], rel=1e-3)
    assert np.linalg.norm(found.instrument.z) == pytest.approx(np.linalg.norm(start.z))
    assert f"target {wanted} Hz" in str(found)


@pytest.mark.slow
def test_a_step_that_does_not_help_is_not_taken(tiny):
    """Random weights sing at no pitch; whatever their gradient says, the end is no farther than the beginning."""
    start = instruments.sample(tiny, 1, seed=2)[0]
    found = timbre.reach(tiny, start, centroid=500)
    off = np.abs(np.log(np.array(found.centroids) / 500))
    assert (np.diff(off) < 0).all()


@pytest.mark.parametrize(
    ("pitch", "centroid", "message"),
    [
        (60, 100, "centroid is 100 Hz; for a note of 262 Hz it must be from there to 7200 Hz"),
        (60, 9000, "centroid is 9000 Hz"),
        (60, float("nan"), "centroid is nan Hz"),
        (60, "high", "centroid is 'high'; it must be a number"),
        (10, 500, "pitch is 10; it must be a whole number from 24 to 84"),
    ],
)
def test_what_no_note_has_is_refused(model, pitch, centroid, message):
    with pytest.raises(ValueError, match=message):
        timbre.reach(model, instruments.named(model)["Cello"], centroid, pitch)


class Stub:
    """In place of a model: a latent's first number is how bright it is, up to a step that no gradient crosses."""

    config, latent_vector_size, sample_rate, max_duration = None, 4, 16000, 4.0

    def __init__(self, others):
        self.others, self.asked = np.array(others, float), 0

    def sample_z(self, n, seed):
        return self.others

    def generate(self, z, pitches, duration=None, progress=True):
        self.asked += len(z)
        seconds = np.arange(8000) / 16000
        partials = (1, 2, 3)
        waves = []
        for row in z:
            share = np.clip(row[0] / np.linalg.norm(row), 0, 1)
            levels = np.array([1 - share, 0.0, share]) * (row[3] >= 0)  # the last number silences
            waves.append(sum(a * np.sin(2 * np.pi * C4 * k * seconds) for a, k in zip(levels, partials, strict=True)))
        return np.array(waves)


def bright(model, z):
    return reaching._brightness(model, np.asarray(z, float)[None], 60)[0]


def test_where_the_gradient_leads_no_further_the_way_goes_towards_an_instrument_beyond():
    dull, far, near, silent = [0.0, 1, 0, 0], [1.0, 0, 1, 0], [1.0, 1, 0, 0], [1.0, 2, 0, -1]
    model = Stub([dull, far, near, silent])
    z, goal = 3 * np.array([0.0, 1, 0, 0]), 0.6
    here = bright(model, z)
    end, way = reaching._across(model, z, here, goal, 60)
    assert abs(way[-1] - goal) <= np.log2(1 + reaching.TOLERANCE)
    assert (np.diff([abs(b - goal) for b in [here, *way]]) < 0).all()
    assert np.linalg.norm(end) == pytest.approx(3)
    assert end[2] == 0  # towards the nearer of the two that lie beyond, and not the one that is silent
    assert bright(model, end) == pytest.approx(way[-1])


def test_where_nothing_lies_beyond_it_stays():
    model = Stub([[0.0, 1, 0, 0], [0.1, 1, 0, 0]])
    z = np.array([0.0, 1, 0, 0])
    assert reaching._across(model, z, bright(model, z), 1.2, 60) == (pytest.approx(z), [])


def test_silence_is_infinitely_far_from_every_centroid():
    assert bright(Stub([]), [1.0, 0, 0, -1]) == np.inf


def test_what_is_stuck_goes_across(tiny, monkeypatch):
    start = instruments.sample(tiny, 1, seed=2)[0]
    monkeypatch.setattr(reaching, "_slope", lambda model, pitch: lambda z: np.zeros_like(z))
    asked = []
    monkeypatch.setattr(reaching, "_across", lambda *given: (asked.append(given), (start.z, []))[1])
    timbre.reach(tiny, start, centroid=500)
    assert len(asked) == 1
