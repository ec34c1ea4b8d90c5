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


def test_what_the_spectrogram_loses_is_little_for_a_tone(check):
    wave = tone(60, decay=0.5)
    back = check.round_trip(np.stack([wave, tone(72)]))
    assert back.shape == (2, SAMPLES)
    assert 0 < check.spectral_distance(back[0], wave) < 8
    assert abs(check.cents_off(back[0], 60)) <= 10


def test_jumps_are_relative_and_may_happen_in_the_attack(check):
    wave = np.sin(2 * np.pi * 100 * SECONDS)
    smooth = check.largest_jump(wave)
    assert smooth == pytest.approx(2 * np.pi * 100 / RATE, rel=1e-3)
    assert check.largest_jump(0.01 * wave) == pytest.approx(smooth)
    early, late = wave.copy(), wave.copy()
    early[200:220], late[20000:] = 1.0, 0.5 + 0.5 * late[20000:]
    assert check.largest_jump(early) == pytest.approx(smooth)
    assert check.largest_jump(late) > 0.4


def test_centroid_is_the_centre_of_mass(check):
    one, two = tone(69, amplitudes=(1,)), tone(69, amplitudes=(1, 0, 1))
    assert check.centroid(one) == pytest.approx(440, rel=0.02)
    assert check.centroid(two) == pytest.approx(880, rel=0.02)


@pytest.mark.parametrize(
    ("centroids", "back"),
    [
        ([1, 2, 3, 4], 0),
        ([4, 3, 3, 1], 0),
        ([1, 3, 2.5, 5], 0.125),
        ([5, 2.5, 3, 1], 0.125),
        ([0, 4, 2, 1], 0.75),  # up, and gradually most of it back
        ([1, 3, 2, 1], 1),
        ([2, 2, 2, 2], 0),
    ],
)
def test_ways_back(check, centroids, back):
    assert check.way_back(np.array(centroids, float)) == pytest.approx(back)
    assert check.way_back(np.array([[1, 2, 3, 4], centroids], float)) == pytest.approx([0, back])


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


def test_families_are_told_with_and_without_the_pitch(check, monkeypatch):
    """Two instruments change places in the second third of the pitches, which only who has heard those can know."""
    monkeypatch.setattr(check, "INSTRUMENTS", {"Violin": (40, "string"), "Trumpet": (56, "brass")})
    swapped = np.arange(check.NUM_PITCHES) // check.NEIGHBOURS % 3 == 1
    places = {"Violin": np.stack([swapped, swapped], axis=1), "Trumpet": np.stack([~swapped, swapped], axis=1)}
    measured = {
        kind: {name: {"source": {"descriptors": place.astype(float)}} for name, place in places.items()}
        for kind in check.KINDS
    }
    check.recognise(measured)
    for row in measured["between"].values():
        assert row["source"]["recognised"].all()
        np.testing.assert_array_equal(row["source"]["recognised_unheard"], ~swapped)


def test_a_stroke_is_where_half_of_its_peak_is(check):
    t = np.arange(check.CONFIG.audio_length) / check.CONFIG.sample_rate
    tone = np.sin(2 * np.pi * 1000 * t)
    assert check.stroke_milliseconds(tone) == 0
    assert check.stroke_milliseconds(np.where(t < 0.0201, 0, 0.3 * tone)) == pytest.approx(20, abs=2)
    assert check.stroke_milliseconds(np.minimum(t / 0.08, 1) * tone) == pytest.approx(40, abs=2)
    assert check.stroke_milliseconds(np.where(t < 0.2, 0.01, 1) * tone) == 0  # what comes later is no stroke


def test_the_table_has_the_columns_that_were_measured(check):
    source = {"cents": np.zeros(3), "jump": np.ones(3)}
    quick = check.scores(source, {**source, "distance": np.full(3, 4.56)})
    whole = check.scores(
        source, {**source, "distance": np.ones(3), "recognised": np.ones(3), "recognised_unheard": np.zeros(3)}
    )
    assert "family" not in check.table({"Violin": {"loud": quick}}, ["loud"])
    lines = check.table({"Violin": {"loud": whole, "between": quick | whole}}, ["loud", "between"]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[-1].split()[:3] == ["Violin", "100.0", "100.0"]
    assert "4.6" in check.table({"Violin": {"loud": quick}}, ["loud"])


def test_scores_leave_out_what_is_not_in_tune_in_the_source(check):
    source = {"cents": np.array([0.0, 40.0, 60.0, np.nan]), "jump": np.array([0.1, 0.1, 0.1, 0.1])}
    made = {
        "cents": np.array([10.0, 0.0, 0.0, 0.0]),
        "jump": np.array([0.1, 0.1, 0.1, 0.3]),
        "distance": np.array([1.0, 2.0, 3.0, 4.0]),
    }
    found = check.scores(source, made)
    assert (found["in_tune_25"], found["in_tune_50"]) == ([1, 1], [2, 2])
    assert (found["distance_db"], found["clicks"]) == (2.5, 0.25)
    lost = check.scores(source, {**made, "cents": np.array([np.nan, 30.0, 0.0, 0.0])})
    assert (lost["in_tune_25"], lost["in_tune_50"]) == ([0, 1], [1, 2])


def test_morphs_of_what_is_not_heard_in_tune_are_counted_apart(check, monkeypatch):
    """A model that is in tune but for morphs of one instrument, whose source notes have no pitch."""

    class Model:
        @staticmethod
        def sample_z(count, seed):
            return np.full((count, 4), 0.5)

        @staticmethod
        def generate(points, pitches):
            return np.where(points[:, 0] > 0.6, 50.1, 0.0)

    monkeypatch.setattr(check, "cents_off", lambda wave, pitch: wave)
    source_cents = np.zeros((4, check.NUM_PITCHES))
    source_cents[0] = np.nan
    found = check.tuning_elsewhere(Model, np.eye(4), source_cents)
    off = check.MIXTURES - found["morphs"]["in_tune_25"][0]
    assert 0.3 < off / check.MIXTURES < 0.7  # half of the pairs have the first instrument
    assert found["morphs"]["of_heard_25"] == [check.MIXTURES - off] * 2
    assert found["random"]["in_tune_25"] == [check.MIXTURES] * 2


def test_checkpoints_with_and_without_soft_voices(check):
    z = np.random.RandomState(0).normal(size=(len(check.VOICES), 256))
    listed = [{"name": name, "z": row.tolist()} for name, row in zip(check.VOICES, z, strict=True)]
    count = len(check.INSTRUMENTS)
    both = check.latents_by_kind({"instruments": listed})
    np.testing.assert_array_equal(both["soft"]["Violin"], z[check.VOICES.index("Violin") + count])
    np.testing.assert_allclose(
        both["between"]["Violin"], check.slerp(both["loud"]["Violin"], both["soft"]["Violin"], 0.5)
    )
    first_version = check.latents_by_kind({"instruments": listed[:count]})
    assert list(first_version) == ["loud", "between"]
    np.testing.assert_array_equal(first_version["between"]["Violin"], first_version["loud"]["Violin"])
    with pytest.raises(ValueError, match="does not bring the instruments"):
        check.latents_by_kind({})


def test_measurements_become_compact_json(check):
    value = {"a": [np.float64(0.123456), float("nan")], "b": np.array([1.5]), "c": [3, "x"]}
    assert json.loads(json.dumps(check.rounded(value))) == {"a": [0.1235, None], "b": [1.5], "c": [3, "x"]}


def test_notes_that_are_not_there_are_asked_for(check, tmp_path):
    with pytest.raises(FileNotFoundError, match="render"):
        check.source_notes(tmp_path)
    np.save(tmp_path / "waves.npy", np.zeros((2, 3, 4), np.float32))
    with pytest.raises(ValueError, match="render the notes again"):
        check.source_notes(tmp_path)


def test_source_notes_are_measured_once_and_anew_when_rendered(check, tmp_path, monkeypatch):
    import os

    calls = []

    def measured(notes, sources):
        calls.append(len(notes))
        return {"cents": np.zeros(2), "descriptors": np.ones((2, 3))}

    monkeypatch.setattr(check, "measure", measured)
    monkeypatch.setattr(check, "round_trip", lambda notes: notes)
    waves = tmp_path / "waves.npy"
    waves.touch()
    for _ in range(2):
        found = check.measure_source(tmp_path, "loud", "Violin", np.zeros((2, 4)))
        assert set(found) == {"source", "round trip"}
        np.testing.assert_array_equal(found["round trip"]["descriptors"], np.ones((2, 3)))
    assert len(calls) == 2  # the source and its round trip, once
    os.utime(waves, (2e9, 2e9))
    check.measure_source(tmp_path, "loud", "Violin", np.zeros((2, 4)))
    assert len(calls) == 4


def test_halves_say_which_image_is_to_blame(check, monkeypatch):
    """A model that draws its magnitudes of another timbre, and its frequencies right, is heard to."""
    from types import SimpleNamespace

    monkeypatch.setattr(check, "INSTRUMENTS", {"Violin": (40, "string"), "Trumpet": (56, "brass")})
    monkeypatch.setattr(check, "HALVES_PITCHES", slice(30, 32))
    monkeypatch.setattr(check, "on_all_cores", lambda function, *columns: list(map(function, *columns)))
    notes = np.zeros((2, check.NUM_PITCHES, SAMPLES), np.float32)
    notes[:, 30], notes[:, 31] = tone(54), tone(55)
    drawn = check.spectral.waves_to_data(notes[0, 30:32], check.CONFIG)
    drawn[..., 0] += 4 * np.sin(np.arange(drawn.shape[2]) / 40)
    model = SimpleNamespace(generate_data=lambda z, pitches: drawn)
    classifier = SimpleNamespace(predict=lambda rows: np.array(["string"] * len(rows)))
    found = check.halves(model, {"Violin": np.zeros(256), "Trumpet": np.zeros(256)}, notes, classifier)
    pairs = zip(check.round_trip(notes[0, 30:32]), notes[0, 30:32], strict=True)
    trip = np.mean([check.spectral_distance(*pair) for pair in pairs])
    assert found["frequencies"]["distance_db"] == pytest.approx(trip, rel=1e-3)
    assert found["magnitudes"]["distance_db"] > trip + 1
    assert found["magnitudes"]["family"] == found["frequencies"]["family"] == 0.5


def test_mixes_of_two_notes_have_their_centroid_between_them(check, monkeypatch):
    """Two sines: the centre of mass goes straight from one to the other, whatever their levels."""
    monkeypatch.setattr(check, "INSTRUMENTS", {"Violin": (40, "string"), "Trumpet": (56, "brass")})
    monkeypatch.setattr(check, "MIXTURES", 2)
    notes = np.zeros((2, check.NUM_PITCHES, SAMPLES), np.float32)
    notes[0], notes[1] = tone(60, amplitudes=(1,)), 0.01 * tone(72, amplitudes=(1,))
    found = check.centroids_of_mixes(notes)
    assert found["mix"] == {"monotonic": 1.0, check.TOLERANT: 1.0}
    assert set(found["round trip"]) == {"monotonic", check.TOLERANT}


def test_a_way_back_takes_a_pair_out_of_the_share(check):
    ways = np.array([[1.0, 2, 3], [3.0, 2, 1], [1.0, 3, 2], [1.0, 2.0, 1.995]])
    assert check.one_way(ways) == {"monotonic": 0.5, check.TOLERANT: 0.75}
