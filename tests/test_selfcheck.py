"""helpers.evaluation.selfcheck: a right model passes, and each way of being wrong is named."""

import dataclasses

import numpy as np
import pytest

from helpers import gansynth
from helpers.evaluation import selfcheck
from helpers.gansynth import GANSynth, checkpoint, hub

RATE = 16000


class Additive:
    """A model whose instruments are steady tones with partials of their own; `damage` is done to each wave."""

    name, sample_rate = "additive", RATE

    def __init__(self, damage=lambda wave, pitch: wave, tuning=lambda pitch: pitch, same=False):
        self.damage, self.tuning, self.same = damage, tuning, same

    def sample_z(self, n, seed):
        return np.random.RandomState(seed).normal(size=(n, 12))

    def generate(self, z, pitches, progress=True):
        time, waves = np.arange(2 * RATE) / RATE, []
        for latent, pitch in zip(z, pitches, strict=True):
            hertz = 440 * 2 ** ((self.tuning(pitch) - 69) / 12)
            levels = np.exp(1.5 * (0 if self.same else latent)) / np.arange(1, 13)
            wave = sum(
                a * np.sin(2 * np.pi * k * hertz * time) for k, a in enumerate(levels, 1) if k * hertz < RATE / 2
            )
            waves.append(self.damage(0.1 * wave / np.sqrt(np.mean(wave**2)), pitch))
        return np.array(waves, np.float32)


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(selfcheck, "INSTRUMENTS", 5)  # pYIN takes a sixth of a second a note


def noisy(wave, pitch):
    return 0.7 * wave + 0.07 * np.random.RandomState(0).normal(size=len(wave))


def clicking(wave, pitch):
    wave = wave.copy()
    wave[RATE], wave[RATE + 1] = 3, -3
    return wave


@pytest.mark.slow
def test_a_right_model_is_right():
    found = selfcheck.self_check(Additive())
    assert found.is_right
    assert not found.suspicion
    assert str(found).startswith("additive sounds as a GANSynth model should\n")


@pytest.mark.parametrize(
    ("model", "wrong", "suspicion"),
    [
        (Additive(lambda wave, pitch: wave * np.nan), "finite", "not finite"),
        (Additive(lambda wave, pitch: 0 * wave), "silent", "weights are missing"),
        (Additive(lambda wave, pitch: 9 * wave), "level", "too loud: mag_normalizer"),
        (Additive(lambda wave, pitch: wave / 9), "level", "too quiet: mag_normalizer"),
        (Additive(tuning=lambda pitch: pitch + 3), "transposed", "3 semitones higher"),
        (Additive(tuning=lambda pitch: pitch - 1), "transposed", "1 semitone lower"),
        (Additive(tuning=lambda pitch: 40 + 0.7 * (pitch - 40)), "in_tune", "another frequency axis"),
        (Additive(same=True), "differ", "All instruments sound alike"),
        (Additive(noisy), "harmonic", "instead of their moving averages"),
        (Additive(clicking), "clicks", "instead of their moving averages"),
    ],
    ids=["nan", "silent", "loud", "quiet", "higher", "lower", "axis", "alike", "noise", "clicks"],
)
@pytest.mark.slow
def test_what_is_wrong_is_found_and_named(model, wrong, suspicion):
    found = selfcheck.self_check(model)
    assert not found.is_right
    assert not found.findings[wrong].is_right
    assert suspicion in found.suspicion
    assert suspicion in str(found)


@pytest.fixture(scope="module")
def demo():
    return checkpoint.read(hub.locate("demo"))


@pytest.mark.slow
def test_the_bundled_checkpoint_is_right_and_takes_another_axis_and_coarse_weights_amiss(demo, monkeypatch):
    monkeypatch.setattr(selfcheck, "INSTRUMENTS", 10)  # five may happen to be loud
    assert selfcheck.self_check(gansynth.load("demo")).is_right
    linear = dataclasses.replace(demo, config=dataclasses.replace(demo.config, data_type="linear"))
    assert "another frequency axis" in selfcheck.self_check(GANSynth(linear)).suspicion
    rng = np.random.RandomState(0)
    weights = {
        name: w + 0.5 * w.std() * rng.normal(size=w.shape) if w.ndim > 1 else w for name, w in demo.weights.items()
    }
    raw = dataclasses.replace(demo, weights={name: w.astype(np.float32) for name, w in weights.items()})
    assert "instead of their moving averages" in selfcheck.self_check(GANSynth(raw)).suspicion


def test_power_of_a_tone_is_in_its_partials_and_that_of_noise_is_not():
    tone = Additive().generate(np.zeros((1, 12)), [57])[0]
    assert selfcheck.harmonicity(tone, 57, RATE) > 0.99
    assert selfcheck.harmonicity(tone, 60, RATE) < 0.3
    assert selfcheck.harmonicity(np.random.RandomState(0).normal(size=RATE), 57, RATE) < 0.6


def test_a_table_says_what_is_outside():
    finding = selfcheck.Finding("level", -50.0, "dB", -30.0, -14.0)
    found = selfcheck.SelfCheck("<mine>", {"level": finding}, "It is too quiet.")
    assert "&lt;mine&gt; is probably wrong. It is too quiet." in found._repr_html_()
    assert "outside" in found._repr_html_()
    assert not selfcheck.Finding("level", float("nan"), "dB", -30.0, -14.0).is_right
