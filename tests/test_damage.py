"""What each number of an evaluation sees, and what it does not: a right model's notes, damaged one way at a time."""

import numpy as np
import pytest
from test_evaluating import RATE, SAMPLES, Model, Tones, wave

from helpers.evaluation import evaluating
from helpers.evaluation.results import MODEL

# Twelve instruments with eight notes each; the model plays twelve others of the same kind, four notes each.
TONES = Tones(12, (45, 48, 52, 55, 60, 64, 67, 72))
NOTES = 48


def mixed_with_noise(x, z, pitch):
    return x + 0.01 * np.random.RandomState([z, int(pitch)]).normal(size=SAMPLES).astype(np.float32)


def late(x, z, pitch):
    return np.concatenate([np.zeros(RATE // 16, np.float32), x[: -RATE // 16]])


def clicking(x, z, pitch):
    return np.where(np.arange(SAMPLES) % 1000 == 500, np.float32(0.9), x)


# What is done to every note -> the numbers that it must move, and by which factor of the near end of the right model's
# interval: below 1 for those that fall. And the numbers that it must leave in that interval.
DAMAGES = {
    "detuned by 35 cents": (
        lambda x, z, pitch: wave(z, pitch, 35),
        {"in_tune": 0.1, "in_tune_swift_f0": 0.1, "cents_swift_f0": 5},
        ("diversity", "inception", "kid_musicnn", "kid_mel", "fad_mel"),
    ),
    "two notes at once": (
        lambda x, z, pitch: (x + wave(z, pitch + 7)) / 2,
        {"in_tune": 0.5, "in_tune_swift_f0": 0.7, "pitch_entropy": 1.5, "kid_mel": 2},
        ("diversity",),
    ),
    "one instrument for all": (
        lambda x, z, pitch: wave(1007, pitch),
        {"diversity": 0.01, "inception": 0.7},
        ("in_tune", "in_tune_swift_f0"),
    ),
    "clicks": (clicking, {"kid_musicnn": 20, "kid_mel": 20, "fad_mel": 5, "inception": 0.5}, ("in_tune",)),
    "late": (late, {"kid_musicnn": 20, "inception": 0.8}, ("in_tune", "in_tune_swift_f0")),
    "noise": (mixed_with_noise, {"kid_musicnn": 3, "kid_mel": 5, "fad_mel": 2, "inception": 0.5}, ("in_tune",)),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """The numbers of a model that changes its notes in some way; the reference is listened to once."""
    folder = tmp_path_factory.mktemp("heard")

    def of(name, change):
        model = Model(change)
        model.fingerprint = name
        return evaluating.evaluate(model, TONES, n=NOTES, cache_dir=folder, progress=False).scores[MODEL]

    return of


@pytest.fixture(scope="module")
def right(judged):
    with pytest.MonkeyPatch.context() as few:
        few.setattr(evaluating, "MIN_KERNEL", NOTES)
        few.setattr(evaluating, "MIN_ACCURACY", 0)  # four notes teach little of an instrument, but enough for this
        yield judged("right", lambda x, z, pitch: x)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_moves_its_numbers_and_no_others(damage, judged, right):
    change, moved, left = DAMAGES[damage]
    found = judged(damage, change)
    for name, factor in moved.items():
        low, high = right[name].interval
        if factor < 1:
            assert found[name].value <= factor * low, name
        else:
            assert found[name].value >= factor * high, name
    for name in left:
        low, high = right[name].interval
        assert low <= found[name].value <= high, name
