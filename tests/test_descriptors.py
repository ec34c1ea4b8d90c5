"""Descriptors of synthesised tones, whose answers are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import timbre
from helpers.timbre import descriptors

RATE = 16000
SECONDS = np.arange(4 * RATE) / RATE
SAW = {k: 1 / k for k in range(1, 400)}
SQUARE = {k: 1 / k for k in range(1, 400, 2)}
HIGHEST = descriptors.HIGHEST * RATE


def hertz(pitch):
    return 440 * 2 ** ((pitch - 69) / 12)


def tone(pitch, amplitudes=None, stretch=0.0, seconds=SECONDS):
    """Partials k at k sqrt(1 + stretch k^2) times the fundamental, below HIGHEST."""
    amplitudes = {1: 1.0} if amplitudes is None else amplitudes
    partials = [(a, hertz(pitch) * k * np.sqrt(1 + stretch * k**2)) for k, a in amplitudes.items()]
    return sum(a * np.sin(2 * np.pi * f * seconds) for a, f in partials if f < HIGHEST)


def heard(wave, pitch=60):
    return timbre.describe_note(wave, pitch, RATE)


def below_highest(amplitudes, pitch):
    return {k: a for k, a in amplitudes.items() if k * hertz(pitch) < HIGHEST}


@pytest.mark.parametrize("pitch", [24, 36, 48, 60, 72, 84])
def test_a_sine_has_nothing_but_its_fundamental(pitch):
    found = heard(tone(pitch), pitch)
    assert found["brightness"] == pytest.approx(0, abs=0.01)
    assert found["fundamental"] == pytest.approx(0, abs=0.01)
    assert found["noisiness"] == pytest.approx(-60, abs=0.5)
    assert found["odd_even"] == pytest.approx(0, abs=0.1)
    for name in ("inharmonicity", "tremolo", "vibrato"):
        assert found[name] == pytest.approx(0, abs=0.05), name
    assert found["sustain"] == pytest.approx(0, abs=0.1)
    assert found["decay"] == pytest.approx(np.log10(descriptors.DECAY_RANGE[1]))


@pytest.mark.parametrize("pitch", [24, 48, 60, 84])
@pytest.mark.parametrize("wave", [SAW, SQUARE], ids=["saw", "square"])
def test_brightness_is_the_centroid_of_the_partials(pitch, wave):
    there = below_highest(wave, pitch)
    centroid = sum(k * a for k, a in there.items()) / sum(there.values())
    found = heard(tone(pitch, wave), pitch)
    assert found["brightness"] == pytest.approx(np.log2(centroid), abs=0.06)
    energies = {k: a**2 for k, a in there.items()}
    assert found["fundamental"] == pytest.approx(10 * np.log10(energies[1] / sum(energies.values())), abs=0.1)


def test_odd_partials_make_a_square_hollow():
    odd, even = (sum(1 / k**2 for k in range(first, 28, 2)) for first in (3, 2))
    assert heard(tone(60, SAW))["odd_even"] == pytest.approx(10 * np.log10(odd / even), abs=0.2)
    assert heard(tone(60, SQUARE))["odd_even"] > 20
    assert heard(tone(60, {k: 1 / k for k in (1, 2, 4, 6, 8)}))["odd_even"] < -15


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.5, 1.5])
def test_attack_is_the_time_of_a_ramp(seconds):
    found = heard(tone(60, SAW) * np.minimum(SECONDS / seconds, 1))
    assert 10 ** found["attack"] == pytest.approx(seconds, rel=0.15)


def test_an_attack_at_once_is_the_shortest_there_is():
    assert heard(tone(60))["attack"] <= np.log10(0.01)


@pytest.mark.parametrize("rate", [3, 10, 30, 90])
@pytest.mark.parametrize("pitch", [36, 60])
def test_decay_is_the_time_to_fall_by_60_db(pitch, rate):
    found = heard(tone(pitch, SAW) * 10 ** (-rate * SECONDS / 20), pitch)
    assert 10 ** found["decay"] == pytest.approx(60 / rate, rel=0.05)
    late = np.arange(2.5, 3, 0.01)
    loudest = np.arange(0, descriptors.LOUDEST_SECONDS, 0.01)
    level = [np.mean(10 ** (-rate * at / 10)) for at in (late, loudest)]
    assert found["sustain"] == pytest.approx(max(10 * np.log10(level[0] / level[1]), -60), abs=0.7)


def test_a_decay_after_a_slow_attack_is_that_of_its_end():
    swell = np.minimum(SECONDS / 0.5, 1) * 10 ** (-20 * np.maximum(SECONDS - 0.5, 0) / 20)
    assert 10 ** heard(tone(60, SAW) * swell)["decay"] == pytest.approx(3, rel=0.06)


@pytest.mark.parametrize("decibels", [-40, -30, -20, -10, -3])
@pytest.mark.parametrize("pitch", [24, 60])
def test_noisiness_is_the_share_of_noise(pitch, decibels):
    noise = np.random.default_rng(0).normal(size=len(SECONDS))
    harmonic = tone(pitch, {1: 1.0, 2: 0.5, 3: 0.3})
    harmonic /= np.sqrt(np.mean(harmonic**2))
    share = 10 ** (decibels / 10)
    found = heard(np.sqrt(1 - share) * harmonic + np.sqrt(share) * noise, pitch)
    assert found["noisiness"] == pytest.approx(decibels, abs=1.2)  # a tenth of white noise lies above HIGHEST: 0.5 dB


@pytest.mark.parametrize("depth", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("rate", [3, 5, 10])
def test_tremolo_is_the_modulation_of_the_level(rate, depth):
    found = heard(tone(60, SAW) * (1 + depth * np.sin(2 * np.pi * rate * SECONDS)))
    assert found["tremolo"] == pytest.approx(20 / np.log(10) * depth / np.sqrt(2), rel=0.08)
    assert found["vibrato"] < 0.3


@pytest.mark.parametrize("cents", [5, 20, 40])
@pytest.mark.parametrize(("pitch", "rate"), [(36, 5), (60, 3), (60, 6), (84, 8)])
def test_vibrato_is_the_modulation_of_the_frequency(pitch, rate, cents):
    turned = 2 * np.pi * np.cumsum(hertz(pitch) * 2 ** (cents / 1200 * np.sin(2 * np.pi * rate * SECONDS))) / RATE
    wave = sum(np.sin(k * turned) / k for k in range(1, int(0.9 * HIGHEST / hertz(pitch))))
    found = heard(wave, pitch)
    assert found["vibrato"] == pytest.approx(cents / np.sqrt(2), rel=0.12)
    assert found["tremolo"] < 0.1


def test_modulation_slower_or_faster_than_the_band_is_none():
    for rate in (0.5, 25):
        assert heard(tone(60, SAW) * (1 + 0.3 * np.sin(2 * np.pi * rate * SECONDS)))["tremolo"] < 0.4


@pytest.mark.parametrize("stretch", [1e-4, 3e-4, 6e-4])
def test_inharmonicity_is_how_far_partials_are_off(stretch):
    amplitudes = {k: 1 / k for k in range(1, descriptors.INHARMONIC_PARTIALS + 1)}
    cents = np.array([600 * np.log2(1 + stretch * k**2) for k in amplitudes])
    weights = np.array(list(amplitudes.values()))
    expected = np.average(np.abs(cents - np.average(cents, weights=weights)), weights=weights)
    assert heard(tone(60, amplitudes, stretch))["inharmonicity"] == pytest.approx(expected, abs=0.3)


def test_what_is_out_of_tune_as_a_whole_is_not_inharmonic():
    assert heard(tone(60.3, SAW))["inharmonicity"] < 0.3


def test_loudness_follows_the_level_and_nothing_else_does():
    loud = heard(tone(60, SAW))
    soft = heard(0.1 * tone(60, SAW))
    assert loud["loudness"] - soft["loudness"] == pytest.approx(20, abs=0.01)
    for name in set(timbre.NAMES) - {"loudness"}:
        assert soft[name] == pytest.approx(loud[name], abs=1e-3), name


def messy(seed):
    """A note with a bit of everything."""
    rng = np.random.default_rng(seed)
    wave = tone(60, {k: rng.uniform() / k for k in range(1, 20)}) * 10 ** (-rng.uniform(0, 40) * SECONDS / 20)
    wave += 0.01 * rng.normal(size=len(wave))
    return wave * np.minimum(SECONDS / rng.uniform(0.01, 0.5), 1)


@given(seed=st.integers(0, 1000), level=st.floats(1e-3, 10))
@settings(max_examples=15, deadline=None)
@pytest.mark.slow
def test_level_and_silence_behind_change_nothing(seed, level):
    wave = messy(seed)
    plain, other = heard(wave), heard(np.append(level * wave, np.zeros(2 * RATE)))
    for name in set(timbre.NAMES) - {"loudness"}:
        assert other[name] == pytest.approx(plain[name], abs=2e-3), name
    assert other["loudness"] - plain["loudness"] == pytest.approx(20 * np.log10(level), abs=0.02)


@pytest.mark.parametrize("pitch", [24, 60, 108])
@pytest.mark.parametrize("kind", ["noise", "click", "constant", "other pitch"])
def test_whatever_is_heard_has_finite_numbers(kind, pitch):
    waves = {
        "noise": np.random.default_rng(1).normal(size=4 * RATE),
        "click": np.eye(1, 4 * RATE, 100)[0],
        "constant": np.ones(4 * RATE),
        "other pitch": tone(63.4, SAW),
    }
    found = heard(waves[kind], pitch)
    assert list(found) == list(timbre.NAMES)
    assert np.isfinite(list(found.values())).all()


@pytest.mark.parametrize(
    ("wave", "pitch", "message"),
    [
        (np.zeros(4 * RATE), 60, "the note is silent"),
        (np.full(4 * RATE, np.nan), 60, "not finite numbers"),
        (np.ones(1), 60, "too short to describe; it needs at least 0.5 s"),
        (np.zeros(0), 60, "too short"),
        (np.ones((4 * RATE, 2)), 60, "one channel"),
        (tone(60), 12, "pitch is 12; it must be a MIDI pitch from 21 to 108"),
    ],
)
def test_what_cannot_be_described_is_said_in_a_sentence(wave, pitch, message):
    with pytest.raises(ValueError, match=message) as caught:
        heard(wave, pitch)
    assert "\n" not in str(caught.value)


def test_another_sample_rate_hears_the_same():
    seconds = np.arange(4 * 44100) / 44100
    there = timbre.describe_note(tone(60, SAW, seconds=seconds), 60, 44100)
    here = heard(tone(60, SAW))
    for name in ("attack", "decay", "sustain", "fundamental", "odd_even", "noisiness"):
        assert there[name] == pytest.approx(here[name], abs=0.1), name


def test_cepstra_are_of_the_spectrum_and_not_of_the_level():
    bright, dark = tone(60, SAW), tone(60, {1: 1, 2: 0.1})
    assert descriptors.cepstra(0.01 * bright, RATE) == pytest.approx(descriptors.cepstra(bright, RATE), abs=0.1)
    assert np.abs(descriptors.cepstra(bright, RATE) - descriptors.cepstra(dark, RATE)).max() > 10
