"""The way to a wanted centroid, by gradient."""

import numpy as np
import pytest

from helpers import gansynth, instruments, timbre

C4 = 440 * 2 ** (-9 / 12)


@pytest.fixture(scope="module")
def model():
    return gansynth.load("demo")


@pytest.mark.parametrize(("name", "wanted"), [("Cello", 1500), ("Banjo", 700), ("Flute", 1200)])
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
    assert f"{wanted} Hz were wanted" in str(found)


def test_a_step_that_does_not_help_is_not_taken(tiny):
    """Random weights sing at no pitch; whatever their gradient says, the end is no farther than the beginning."""
    start = instruments.sample(tiny, 1, seed=2)[0]
    found = timbre.reach(tiny, start, centroid=500)
    off = np.abs(np.log(np.array(found.centroids) / 500))
    assert (np.diff(off) < 0).all()


@pytest.mark.parametrize(
    ("pitch", "centroid", "message"),
    [
        (60, 100, "a note of 262 Hz has a centroid from there to 7200 Hz, not 100"),
        (60, 9000, "not 9000"),
        (60, float("nan"), "not nan"),
        (10, 500, "pitch is 10; it must be a whole number from 24 to 84"),
    ],
)
def test_what_no_note_has_is_refused(model, pitch, centroid, message):
    with pytest.raises(ValueError, match=message):
        timbre.reach(model, instruments.named(model)["Cello"], centroid, pitch)
