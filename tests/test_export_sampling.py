import types

import numpy as np
import pytest
from inputs import RATE, Player
from players import cents

from helpers import export, instruments
from helpers.export import sampling, tuning
from helpers.instruments import Instrument
from helpers.midi import note_hertz

SECONDS = np.arange(3 * RATE) / RATE


def tone(pitch, off=0.0, decay=0.0, partials=8):
    """A note of some partials, so many cents too high, that falls by so many dB a second."""
    frequency = note_hertz(pitch) * 2 ** (off / 1200)
    wave = sum(
        np.sin(2 * np.pi * k * frequency * SECONDS + k) / k for k in range(1, partials + 1) if k * frequency < 7000
    )
    return (0.2 * wave * 10 ** (-decay * SECONDS / 20)).astype(np.float32)


class Orchestra(Player):
    """A stand-in whose latents begin with cents, dB a second, and a level; nobody hears their fourth number."""

    network = types.SimpleNamespace(named_weights=lambda: {"1/conv0/kernel": np.eye(4)[None, None, :, :3]})

    about = {  # noqa: RUF012
        "instruments": [
            {"name": name, "z": z, "program": 0, "family": "keyboard"}
            for name, z in {
                "Tone": [0, 0, 1, 0],
                "Tone, soft": [0, 0, 0, 1],
                "Twin": [0, 0, 0.8, 0],
                "Twin, soft": [0, 0, 0.8, 2],
                "Pluck": [12, 12, 0.5, 0],
                "Sharp": [12, 0, 0.5, 0],
            }.items()
        ]
    }

    def generate(self, z, pitches, duration=None, **how):
        assert len(pitches) <= self.batch_size
        self.asked += [(int(pitch), duration) for pitch in pitches]
        return np.stack([tone(pitch, row[0], row[1]) * row[2] for row, pitch in zip(z, pitches, strict=True)])


@pytest.fixture(scope="module")
def model():
    return Orchestra()


def sampled(model, *names, **how):
    bank = instruments.named(model)
    how = {"pitches": [48, 54, 60], "velocities": [127]} | how
    return export.sampled(model, [bank[name] for name in names], progress=False, **how)


class TestTuning:
    @pytest.mark.parametrize("pitch", [24, 33, 60, 84])
    @pytest.mark.parametrize("off", [-31.0, 0.4, 17.0])
    def test_what_is_measured_is_there(self, pitch, off):
        assert tuning.measured_cents(tone(pitch, off), pitch, RATE) == pytest.approx(off, abs=0.1)

    def test_a_decaying_note_too(self):
        assert tuning.measured_cents(tone(60, 9.0, decay=20.0), 60, RATE) == pytest.approx(9.0, abs=0.2)

    def test_noise_and_silence_have_no_pitch(self):
        assert tuning.measured_cents(np.random.RandomState(0).normal(size=3 * RATE), 60, RATE) == 0
        assert tuning.measured_cents(np.zeros(3 * RATE), 60, RATE) == 0

    @pytest.mark.parametrize("rate", [16000, 44100])
    def test_a_retuned_note_has_its_pitch(self, rate):
        wave = tuning.retuned(tone(57, 25.0, partials=1), 25.0, RATE, rate)
        assert cents(wave[rate // 10 : -rate // 10], 220.0, rate) == pytest.approx(0.0, abs=0.05)

    def test_what_is_further_away_is_another_pitch(self):
        assert tuning.measured_cents(tone(60, 44.0), 60, RATE) == pytest.approx(44.0, abs=0.2)
        assert tuning.measured_cents(tone(60, 47.0), 60, RATE) == 0

    def test_what_is_in_tune_is_left_as_it_is(self):
        wave = tone(57)
        assert np.array_equal(tuning.retuned(wave, 0.0, RATE, RATE), wave)


class TestZones:
    def test_keys_are_covered_once(self, model):
        zones = sampled(model, "Tone").instruments[0].zones
        keys = [key for zone in zones for key in range(zone.low, zone.high + 1)]
        assert keys == list(range(36, 73))
        assert [(zone.low, zone.high) for zone in zones] == [(36, 51), (52, 57), (58, 72)]

    @pytest.mark.parametrize(("above", "last"), [(53, 50), (54, 51)])
    def test_a_key_is_played_by_the_nearest_or_else_the_lower(self, above, last):
        assert sampling.key_ranges([48, above]) == [(36, last), (last + 1, above + 12)]

    def test_a_soft_version_makes_layers(self, model):
        zones = sampled(model, "Tone", velocities=None).instruments[0].zones
        assert sorted({(zone.soft, zone.loud) for zone in zones}) == [(1, 42), (43, 84), (85, 127)]
        peaks = {zone.loud: np.abs(zone.samples).max() for zone in zones if zone.pitch == 60}
        assert peaks[42] < 0.01 < peaks[84] < peaks[127]  # the third number of a latent is the level here

    def test_others_have_one(self, model):
        zones = sampled(model, "Pluck", velocities=None).instruments[0].zones
        assert {(zone.soft, zone.loud) for zone in zones} == {(1, 127)}

    def test_a_soft_version_that_is_the_same_sound_makes_none(self, model):
        found = sampled(model, "Tone", "Twin", "Pluck", velocities=None)
        assert [each.layers for each in found.instruments] == [[42, 84, 127], [127], [127]]
        assert found.layers() == [
            "Tone: 3 velocity layers",
            "Twin: 1 velocity layer, since the soft version is the same sound",
            "Pluck: 1 velocity layer",
        ]
        assert sampled(model, "Twin").layers() == ["Twin: 1 velocity layer"]  # that was all that it was asked for
        assert len(found.zones) == 5 * 3

    @pytest.mark.parametrize(("apart", "same"), [(0.0005, True), (0.002, False), (-0.002, False)])
    def test_the_same_is_what_the_network_tells_apart_by_a_thousandth(self, model, apart, same):
        loud, soft = (Instrument(name, [0, 0, level, 0]) for name, level in (("a", 2.0), ("a, soft", 2 * (1 + apart))))
        assert sampling._same_sounds(model, [loud, loud], [soft, None]) == [same, False]

    def test_latents_with_more_than_the_first_layer_hears_are_compared_by_number(self, model):
        a, b = (Instrument("a", [0, 0, 1, 0, last]) for last in (1.0, 2.0))
        assert sampling._same_sounds(model, [a, a], [b, a]) == [False, True]

    def test_an_instrument_that_only_has_the_name_of_another_has_one(self, model):
        other = Instrument("Tone", [0, 0, 0.7, 0], model.name, model.fingerprint)
        zones = export.sampled(model, other, [60], progress=False).instruments[0].zones
        assert len(zones) == 1

    def test_all_have_one_gain(self, model):
        both = sampled(model, "Tone", "Sharp")
        loud, soft = (max(np.abs(zone.samples).max() for zone in each.zones) for each in both.instruments)
        assert loud == pytest.approx(0.9)
        assert soft == pytest.approx(0.45, rel=0.03)

    def test_notes_are_in_tune(self, model):
        [zone] = sampled(model, "Sharp", pitches=[60]).zones
        assert zone.cents == pytest.approx(12, abs=0.1)
        assert tuning.measured_cents(zone.samples, 60, RATE) == pytest.approx(0, abs=0.1)

    def test_at_another_rate(self, model):
        found = sampled(model, "Tone", pitches=[60], sample_rate=44100)
        [zone] = found.zones
        assert found.sample_rate == 44100
        assert tuning.measured_cents(zone.samples, 60, 44100) == pytest.approx(0, abs=0.1)
        assert 44100 <= zone.loop.start < zone.loop.end <= 2.9 * 44100

    def test_they_begin_in_silence_without_a_click(self, model):
        [zone] = sampled(model, "Tone", pitches=[60]).zones
        assert abs(zone.samples[0]) < 1e-3


class TestLoops:
    def test_a_loop_goes_over_into_itself(self, model):
        for zone in sampled(model, "Tone", pitches=[24, 48, 61, 84]).zones:
            start, end = zone.loop
            assert len(zone.samples) == end + sampling.GUARD
            assert np.array_equal(zone.samples[end:], zone.samples[start : start + sampling.GUARD])
            turned = np.concatenate([zone.samples[:end], zone.samples[start:end]])
            steps = np.abs(np.diff(turned))
            assert steps[end - 1] <= 1.05 * steps[: end - 1].max()

    def test_a_slow_fall_is_levelled_out(self, model):
        falling = Instrument("Falling", [0, 2.0, 1, 0], model.name, model.fingerprint)
        [zone] = export.sampled(model, falling, [60], progress=False).zones
        start, end = zone.loop
        fifth = (end - start) // 5
        first, last = zone.samples[start : start + fifth], zone.samples[end - fifth : end]
        assert 20 * np.log10(np.std(first) / np.std(last)) == pytest.approx(0.0, abs=0.1)

    def test_what_dies_away_ends_by_itself(self, model):
        [zone] = sampled(model, "Pluck", pitches=[60]).zones
        assert zone.loop is None
        assert len(zone.samples) == pytest.approx((50 / 12 + sampling.END_FADE) * RATE, rel=0.05)
        assert abs(zone.samples[-1]) < 1e-5
        assert not sampled(model, "Pluck").instruments[0].is_sustained

    def test_the_longest_note_is_bounded(self, model):
        slow = Instrument("Slow", [0, 4.0, 1, 0], model.name, model.fingerprint)
        [zone] = export.sampled(model, slow, [60], progress=False).zones
        assert len(zone.samples) == sampling.MAX_FALL * RATE

    def test_silence_stays_silent(self, model):
        silent = Instrument("Nothing", [0, 0, 0, 0], model.name, model.fingerprint)
        [zone] = export.sampled(model, silent, [60], progress=False).zones
        assert np.isfinite(zone.samples).all()
        assert not zone.samples.any()


class TestEvenness:
    def test_steps_are_what_they_are(self, model, monkeypatch):
        def generate(self, z, pitches, duration=None, **how):
            return np.stack([tone(pitch, partials=1 if pitch < 60 else 8) * 2.0 ** (pitch == 54) for pitch in pitches])

        monkeypatch.setattr(Orchestra, "generate", generate)
        [even] = sampled(model, "Tone").evenness()
        assert [step.pitch for step in even.steps] == [54, 60]
        assert even.steps[0].loudness == pytest.approx(6.0, abs=0.4)
        assert even.steps[0].centroid == pytest.approx(0.5, abs=0.05)
        assert even.steps[1].centroid > 1
        assert [step.semitones for step in even.steps] == [6, 6]
        assert "from semitone to semitone: loudness" in str(even)
        assert "+1.1 at most (to F♯3)" in str(even)  # of 6.4 LU over six semitones

    def test_the_loudest_layer_counts(self, model):
        [even] = sampled(model, "Tone", velocities=None).evenness()
        assert [step.pitch for step in even.steps] == [54, 60]

    def test_one_note_has_no_steps(self, model):
        assert str(sampled(model, "Tone", pitches=[60]).evenness()[0]) == "Tone: one note"


class TestRefusals:
    @pytest.mark.parametrize(
        ("how", "said"),
        [
            ({"pitches": [23]}, "from 24 to 84"),
            ({"pitches": [60.5]}, "whole numbers"),
            ({"pitches": [60, 60]}, "different"),
            ({"pitches": []}, "one or more"),
            ({"velocities": [64, 100]}, "to 127"),
            ({"velocities": [127, 64]}, "increase"),
            ({"velocities": []}, "increase"),
            ({"velocities": list(range(119, 128))}, "up to 8"),
            ({"pitches": 60}, r"pitches is 60; it must be a list of numbers such as \[48"),
            ({"pitches": "60"}, "pitches is '60'; it must"),
            ({"pitches": ["C4"]}, r"pitches is \['C4'\]; it must"),
            ({"velocities": 127}, r"velocities is 127; it must be a list of numbers such as \[42"),
            ({"velocities": "x"}, "velocities is 'x'; it must"),
            ({"sample_rate": 8000}, "from 16000 to"),
            ({"sample_rate": 44100.0}, "whole number"),
        ],
    )
    def test_in_a_sentence(self, model, how, said):
        with pytest.raises(ValueError, match=said):
            sampled(model, "Tone", **how)

    def test_of_no_instrument(self, model):
        with pytest.raises(ValueError, match="no instrument"):
            export.sampled(model, [])

    @pytest.mark.parametrize("wrong", ["Tone", ["Tone"], {"Tone": 1}])
    def test_of_a_name(self, model, wrong):
        with pytest.raises(ValueError, match=r"not an instrument; take one from a bank: bank\['T"):
            export.sampled(model, wrong)

    def test_of_something_else(self, model):
        done = sampled(model, "Tone", pitches=[60])
        with pytest.raises(ValueError, match=r"^'Tone' is not an instrument"):
            export.sampled(model, "Tone")
        for call in (export.sampled, lambda *given: export.page(*given, "a.html")):
            with pytest.raises(
                ValueError, match=r"Sampled\(Tone: 1 note, .* is not an instrument; take one from a bank"
            ):
                call(model, done)
            with pytest.raises(ValueError, match=r"None is not an instrument"):
                call(model, None)

    def test_of_the_name_of_a_model(self, model, tmp_path):
        tone = instruments.named(model)["Tone"]
        for call in (
            lambda: export.sampled("demo", tone),
            lambda: export.page("demo", tone, tmp_path / "a.html"),
            lambda: export.nsynth_super("demo", [tone] * 4, tmp_path),
            lambda: export.onnx("demo", tmp_path / "a.onnx"),
            lambda: export.web("demo", tmp_path),
        ):
            with pytest.raises(ValueError, match=r"'demo' is not a model; gansynth\.load\('demo'\) returns one"):
                call()

    def test_of_another_model(self, model):
        other = Instrument("Other", np.zeros(4), "other", "f00d")
        with pytest.raises(ValueError, match="made for other"):
            export.sampled(model, other)

    def test_of_too_much_before_anything_is_made(self, model):
        model.asked.clear()
        with pytest.raises(ValueError, match="fewer pitches"):
            export.sampled(model, [instruments.named(model)["Tone"]] * 200, range(24, 85))
        assert not model.asked
