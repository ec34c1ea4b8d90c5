"""tools/check_demo_checkpoint.py: its measures, on sounds whose answer is known."""

import json

import numpy as np
import pytest
from inputs import RATE, SAMPLES

SECONDS = np.arange(SAMPLES) / RATE
RICH = [1 / h for h in range(1, 13)]


def tone(pitch, cents=0.0, amplitudes=RICH, decay=0.0):
    """A note of harmonics with the given amplitudes, decaying by `decay` nepers a second."""
    hz = 440.0 * 2.0 ** ((pitch + cents / 100 - 69) / 12)
    harmonics = enumerate(amplitudes, start=1)
    wave = sum(a * np.sin(2 * np.pi * h * hz * SECONDS) for h, a in harmonics if h * hz < RATE / 2)
    return (0.3 * wave * np.exp(-decay * SECONDS)).astype(np.float32)


def test_distance_does_not_hear_the_level(check):
    wave = tone(60, decay=1.0)
    assert check.spectral_distance(wave, wave) == 0
    assert check.spectral_distance(0.1 * wave, wave) == pytest.approx(0, abs=0.01)


def test_distance_of_a_softer_partial(check):
    """Frames of full overlap differ by 10 dB in the bins of one partial, whose share of all bins is known."""
    source, softer = tone(69, amplitudes=(1, 0, 0, 1e-3)), tone(69, amplitudes=(1, 0, 0, 1e-3 * 10**-0.5))
    spectra = [np.abs(check.spectral.stft(wave[None], check.CONFIG)[0]) for wave in (source, softer)]
    steady = slice(8, 120)
    decibels = [20 * np.log10(np.maximum(s, spectra[0].max() * 1e-4)) for s in spectra]
    changed = np.abs(decibels[0] - decibels[1])[steady] > 9.9
    assert 2 <= changed.sum(axis=1).min() <= changed.sum(axis=1).max() <= 8  # bins of the partial above the floor
    expected = np.mean(np.sqrt(changed.sum(axis=1) * 100 / changed.shape[1]))
    assert check.spectral_distance(softer, source) == pytest.approx(expected, rel=0.25)


def test_jumps_are_relative_and_may_happen_in_the_attack(check):
    wave = np.sin(2 * np.pi * 100 * SECONDS)
    smooth = check.largest_jump(wave)
    assert smooth == pytest.approx(2 * np.pi * 100 / RATE, rel=1e-3)
    assert check.largest_jump(0.01 * wave) == pytest.approx(smooth)
    early, late = wave.copy(), wave.copy()
    early[200:220], late[20000:] = 1.0, 0.5 + 0.5 * late[20000:]
    assert check.largest_jump(early) == pytest.approx(smooth)
    assert check.largest_jump(late) > 0.4


@pytest.mark.slow
def test_families_of_tones_are_told_apart(check):
    """Three made-up families at pitches, levels and colours that the classifier was not trained with."""
    kinds = {
        "struck": lambda pitch, a: tone(pitch, amplitudes=(1, 0.2 * a), decay=8.0),
        "bowed": lambda pitch, a: tone(pitch, amplitudes=[1 / h**a for h in range(1, 13)]),
        "blown": lambda pitch, a: tone(pitch, amplitudes=(1, 0.05 * a)),
    }

    def rows(pitches, colours):
        keys = [(name, pitch, colour) for name in kinds for pitch in pitches for colour in colours]
        known = np.stack([check.descriptors(kinds[name](pitch, colour), pitch) for name, pitch, colour in keys])
        return known, np.array([name for name, _, _ in keys])

    classifier = check.family_classifier(*rows(range(40, 76, 4), (0.9, 1.1)))
    others, families = rows(range(42, 74, 4), (1.0,))
    assert np.mean(classifier.predict(others) == families) > 0.95
    softer = check.descriptors(0.05 * kinds["bowed"](58, 1.0), 58)
    np.testing.assert_allclose(softer, check.descriptors(kinds["bowed"](58, 1.0), 58), atol=0.05)


def test_families_are_recognised_by_what_the_sources_are(check, monkeypatch):
    monkeypatch.setattr(check, "INSTRUMENTS", {"Violin": (40, "string"), "Trumpet": (56, "brass")})
    places = {"Violin": np.zeros([len(check.PITCHES), 2]), "Trumpet": np.ones([len(check.PITCHES), 2])}
    swapped = {"Violin": places["Trumpet"], "Trumpet": places["Violin"]}
    measured = {
        kind: {
            name: {"source": {"descriptors": places[name]}, "model": {"descriptors": swapped[name]}} for name in places
        }
        for kind in check.KINDS
    }
    check.recognise(measured)
    for row in measured["soft"].values():
        assert row["source"]["recognised"].all()
        assert not row["model"]["recognised"].any()


def test_a_stroke_is_where_half_of_its_peak_is(check):
    t = np.arange(check.CONFIG.audio_length) / check.CONFIG.sample_rate
    tone = np.sin(2 * np.pi * 1000 * t)
    assert check.stroke_milliseconds(tone) == 0
    assert check.stroke_milliseconds(np.where(t < 0.0201, 0, 0.3 * tone)) == pytest.approx(20, abs=2)
    assert check.stroke_milliseconds(np.minimum(t / 0.08, 1) * tone) == pytest.approx(40, abs=2)
    assert check.stroke_milliseconds(np.where(t < 0.2, 0.01, 1) * tone) == 0  # what comes later is no stroke


def test_scores_leave_out_what_is_not_in_tune_in_the_source(check):
    source = {"cents": np.array([0.0, 40.0, 60.0, np.nan]), "jump": np.array([0.1, 0.1, 0.1, 0.1])}
    made = {
        "cents": np.array([10.0, 0.0, 0.0, 0.0]),
        "jump": np.array([0.1, 0.1, 0.1, 0.3]),
        "distance": np.array([1.0, 2.0, 3.0, 4.0]),
        "recognised": np.array([True, True, True, False]),
    }
    found = check.scores(source, made)
    assert (found["in_tune_25"], found["in_tune_50"]) == ([1, 1], [2, 2])
    assert (found["distance_db"], found["clicks"], found["family"]) == (2.5, 0.25, 0.75)
    lost = check.scores(source, {**made, "cents": np.array([np.nan, 30.0, 0.0, 0.0])})
    assert (lost["in_tune_25"], lost["in_tune_50"]) == ([0, 1], [1, 2])


def test_each_instrument_has_a_latent_loud_and_soft(check):
    z = np.random.RandomState(0).normal(size=(len(check.VOICES), 256))
    names = [voice.name for voice in check.VOICES]
    listed = [{"name": name, "z": row.tolist()} for name, row in zip(names, z, strict=True)]
    found = check.latents_by_kind({"instruments": listed})
    np.testing.assert_array_equal(found["loud"]["Violin"], z[names.index("Violin")])
    np.testing.assert_array_equal(found["soft"]["Violin"], z[names.index("Violin, soft")])
    with pytest.raises(ValueError, match="does not contain the instruments"):
        check.latents_by_kind({"instruments": listed[:40]})


def test_measurements_become_compact_json(check):
    value = {"a": [np.float64(0.123456), float("nan")], "b": np.array([1.5]), "c": [3, "x"]}
    assert json.loads(json.dumps(check.rounded(value))) == {"a": [0.1235, None], "b": [1.5], "c": [3, "x"]}


def test_notes_that_are_not_there_are_asked_for(check, tmp_path):
    with pytest.raises(FileNotFoundError, match="render"):
        check.source_notes(tmp_path)
    np.save(tmp_path / "waves.npy", np.zeros((2, 3, 4), np.float32))
    with pytest.raises(ValueError, match="render the notes again"):
        check.source_notes(tmp_path)
