"""helpers.matching.fitting: the match, what it is worth, and what is said of it."""

import dataclasses

import numpy as np
import pytest
from inputs import DATA, harmonic_wave

from helpers import gansynth, instruments, matching
from helpers.gansynth import inversion
from helpers.matching import RecordedNote, fitting

RATE = 16000


@pytest.fixture(scope="module")
def own(tiny):
    """A recording of a note that the tiny model itself plays; its weights are random, so the pitch must be said."""
    wave = tiny.generate(tiny.sample_z(1, seed=77)[0], [60])[0]
    return matching.recording(0.5 * wave / np.abs(wave).max(), RATE, "own")


def said(pitch=60, start=0.0, end=0.8, cents=0.0):
    return RecordedNote(start, end, end, pitch, cents, {}, ())


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(fitting, "DRAWN", 6)
    monkeypatch.setattr(inversion, "STEPS", 4)
    monkeypatch.setattr(inversion.invert, "__defaults__", (4, None, None))


@pytest.fixture
def found(tiny, own, quick):
    return matching.match(tiny, own, [said()], progress=False)


def test_it_is_nearer_than_the_nearest_voice_and_plays_like_any_other(tiny, own, found):
    assert found.distance <= found.nearest_distance
    assert found.instrument.name == found.name == "own"
    instruments.check_model(found.instrument, tiny)
    assert np.linalg.norm(found.instrument.z) > 0
    assert found.round_trip > 0
    assert not found.stopped
    heard = tiny.generate(found.instrument.z, [60], duration=0.8)
    assert inversion.distances(heard, own.samples[:12800], RATE)[0] == pytest.approx(found.distance, abs=0.05)
    near = tiny.generate(found.nearest.z, [60], duration=0.8)
    assert inversion.distances(near, own.samples[:12800], RATE)[0] == pytest.approx(found.nearest_distance, abs=0.05)


def test_the_nearest_voice_is_the_nearest(tiny, own, found):
    drawn = instruments.sample(tiny, 6, seed=0)
    waves = tiny.generate(np.stack([one.z for one in drawn]), [60] * 6, duration=0.8)
    off = inversion.distances(waves, own.samples[:12800], RATE)
    assert found.nearest.name == drawn[int(np.argmin(off))].name


def test_what_is_to_be_heard(found):
    for sound in found.sounds:
        assert sound.dtype == np.float32
        assert 0.01 < np.abs(sound).max() <= 0.9001
    assert found.sounds is found.notes[0].sounds
    assert [other.pitch for other in found.others] == [53, 67]


def test_the_report_says_what_it_is(found):
    text = found.report()
    assert text == str(found)
    assert "the nearest sound that this model can make" in text
    for part in (f"{found.distance:.1f} dB", f"{found.nearest_distance:.1f} dB", f"{found.round_trip:.1f} dB"):
        assert part in text
    assert found.nearest.name in text
    assert "at F3, which was not recorded" in text


def test_in_a_notebook_it_is_the_report_broken_between_words(found):
    renamed = dataclasses.replace(found, instrument=dataclasses.replace(found.instrument, name="<b>own"))
    shown = renamed._repr_html_()
    assert "&lt;b&gt;own: the nearest sound that this model can make" in shown
    assert "word-break: normal" in shown
    assert len(repr(found)) < 100


@pytest.mark.slow
def test_the_same_seed_gives_the_same(tiny, own, quick):
    one, same = (matching.match(tiny, own, [said()], seed=5, progress=False) for _ in range(2))
    np.testing.assert_array_equal(one.instrument.z, same.instrument.z)


def test_random_starts_depend_on_the_seed(tiny):
    near = instruments.sample(tiny, 3, seed=0)
    first, other = (fitting._starts(tiny, near, seed) for seed in (1, 2))
    assert first.shape == (4, tiny.latent_vector_size)
    np.testing.assert_array_equal(first[:3], other[:3])
    assert (first[3] != other[3]).any()
    assert np.linalg.norm(first[2]) == pytest.approx(np.linalg.norm(first[0]))


def test_voices_that_are_the_same_are_one_start(tiny):
    a, b = instruments.sample(tiny, 2, seed=0)
    starts = fitting._starts(tiny, [a, a, b], 0)
    np.testing.assert_array_equal(starts[:2], [a.z, b.z])


def test_a_worse_walk_gives_the_nearest_voice(tiny, own, quick, monkeypatch):
    monkeypatch.setattr(fitting, "_walked", lambda model, *_: [model.sample_z(1, seed=900)[0]])
    found = matching.match(tiny, own, [said()], progress=False)
    assert found.distance == found.nearest_distance
    np.testing.assert_array_equal(found.instrument.z, found.nearest.z)


def test_what_is_out_of_tune_comes_last(tiny, own, monkeypatch):
    target = fitting._target(own, said(), tiny)
    latents = list(tiny.sample_z(3, seed=1))
    off = [fitting._distances(tiny, z[None], target)[0] for z in latents]
    latents = [latents[i] for i in np.argsort(off)[::-1]]  # the first stands for the nearest voice
    monkeypatch.setattr(fitting, "_is_in_tune", lambda model, z, targets: z is latents[1])
    assert fitting._best(tiny, latents, [target]) is latents[1]
    monkeypatch.setattr(fitting, "_is_in_tune", lambda *_: False)
    assert fitting._best(tiny, latents, [target]) is latents[2]


def test_in_tune_means_at_the_pitch_and_a_fifth_away(tiny, own, monkeypatch):
    target = fitting._target(own, said(), tiny)
    z = tiny.sample_z(1, seed=1)[0]
    for heard, right in (
        ({53: 0.0, 60: -14.0, 67: np.nan}, True),
        ({53: 0.0, 60: 16.0, 67: 0.0}, False),
        ({53: -16.0, 60: 0.0, 67: 0.0}, False),
    ):
        monkeypatch.setattr(fitting, "measured_cents", lambda wave, pitch, rate, heard=heard: heard[pitch])
        assert fitting._is_in_tune(tiny, z, [target]) is right


@pytest.mark.parametrize(("pitch", "played"), [(96, 84), (101, 77), (21, 33), (84, 84), (24, 24), (12, 24)])
def test_pitches_are_brought_into_the_range_by_octaves(tiny, pitch, played):
    wave = np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * np.arange(2 * RATE) / RATE)
    sound = matching.recording(0.5 * wave, RATE)
    target = fitting._target(sound, said(pitch, end=2.0), tiny)
    assert target.pitch == played
    spectrum = np.abs(np.fft.rfft(target.wave * np.hanning(len(target.wave))))
    hertz = np.argmax(spectrum) * RATE / len(target.wave)
    assert hertz == pytest.approx(440 * 2 ** ((played - 69) / 12), rel=0.05)


@pytest.mark.slow
def test_the_offset_is_taken_out_of_the_sound_and_stated(tiny, quick):
    wave = harmonic_wave(60.3, 2)
    sound = matching.recording(wave, RATE, "sharp")
    (note,) = matching.find_notes(sound)
    assert note.cents == pytest.approx(30, abs=2)
    target = fitting._target(sound, note, tiny)
    assert matching.recordings.measured_cents(target.wave, 60, RATE) == pytest.approx(0, abs=2)
    found = matching.match(tiny, sound, [note], progress=False)
    assert found.cents == note.cents
    assert "the recording is tuned 30 cents above A4 = 440 Hz" in found.report()
    assert "tuned 4 cents below A4" in dataclasses.replace(found, cents=-4.2).report()
    assert "the recording is in tune with A4" in dataclasses.replace(found, cents=-0.2).report()


def test_no_cents_are_less_than_none():
    assert str(dataclasses.replace(said(60), cents=-0.2)).startswith("C4 +0 cents")


def test_other_rates_are_brought_to_the_models(tiny):
    time = np.arange(2 * 44100) / 44100
    sound = matching.recording(0.5 * np.sin(2 * np.pi * 440 * time), 44100)
    target = fitting._target(sound, said(69, end=2.0), tiny)
    assert len(target.wave) == pytest.approx(32000, abs=2)
    assert len(target.compared) == pytest.approx(fitting.COMPARED_SECONDS * RATE, abs=2)


@pytest.mark.slow
def test_all_notes_count(tiny, own, quick, monkeypatch):
    two = [said(60, 0.0, 0.8), said(62, 1.0, 1.4)]
    asked = []
    invert = inversion.invert
    monkeypatch.setattr(inversion, "invert", lambda *args, **how: asked.append(args[1:3]) or invert(*args, **how))
    found = matching.match(tiny, own, two, progress=False)
    (waves, pitches), *_ = asked
    assert list(pitches) == [60, 62]
    assert [len(wave) for wave in waves] == pytest.approx([12800, 6400], abs=1)
    assert len(found.notes) == 2
    assert found.distance == pytest.approx(np.mean([note.distance for note in found.notes]))
    assert found.distance <= found.nearest_distance


@pytest.mark.slow
def test_progress_is_told_and_it_can_be_stopped(tiny, own, quick):
    told = []
    found = matching.match(tiny, own, [said()], progress=lambda *how: told.append(how))
    assert told[0] == (0, told[-1][1])
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == list(range(len(told)))
    told.clear()
    stopped = matching.match(tiny, own, [said()], progress=lambda *how: told.append(how), stop=lambda: len(told) > 3)
    assert stopped.stopped
    assert len(told) < 6
    assert stopped.distance <= stopped.nearest_distance
    assert "(stopped early)" in stopped.report()
    assert not found.stopped


@pytest.mark.slow
def test_the_first_layer_comes_nearer_and_is_no_latent(tiny, own, quick):
    latent = matching.match(tiny, own, [said()], progress=False)
    freed = matching.match(tiny, own, [said()], free="first layer", progress=False)
    assert freed.distance <= latent.distance
    assert len(freed.instrument.z) in tiny.latent_sizes
    assert "no seed gives it" in freed.report()


@pytest.mark.slow
def test_a_fifth_that_was_recorded_is_not_called_another_pitch(tiny, own, quick):
    both = matching.match(tiny, own, [said(60), said(67)], progress=False)
    assert [other.pitch for other in both.others] == [53]


@pytest.mark.slow
def test_names_are_free_and_a_bank_can_be_given(tiny, own, quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bank = instruments.bank(tiny, count=3)
    assert matching.match(tiny, own, [said()], bank=bank, progress=False).nearest.name in bank
    kept = bank.keep(matching.match(tiny, own, [said()], bank=bank, progress=False).instrument)
    again = matching.match(tiny, own, [said()], bank=bank, progress=False)
    assert (kept.name, again.name) == ("own", "own 2")
    assert again.nearest.name == "own"  # it is one of the voices now
    assert matching.match(tiny, own, [said()], name="  mine ", progress=False).name == "mine"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"free": "everything"}, "free is 'everything'; it must be 'latent' or 'first layer'"),
        ({"seed": -1}, "seed is -1"),
        ({"notes": []}, "there are no notes to match"),
        ({"notes": [said(start=9.0, end=9.5)]}, "is outside the recording"),
    ],
)
def test_mistakes_are_sentences(tiny, own, how, message):
    with pytest.raises(ValueError, match=message):
        matching.match(tiny, own, **{"notes": [said()], "progress": False} | how)


@pytest.mark.slow
def test_warnings_are_passed_on_once(tiny, quick):
    wave = np.clip(3 * harmonic_wave(60, 1), -1, 1)
    found = matching.match(tiny, matching.recording(wave, RATE), progress=False)
    assert len(found.warnings) == len(set(found.warnings)) > 0
    assert "note: it is clipped" in found.report()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "gain"), [("06", 1.5), ("10", 2.0)])
def test_real_notes_are_matched_by_the_demo(name, gain):
    model = gansynth.load("demo")
    found = matching.match(model, matching.read(DATA / "nsynth" / f"nsynth_example_{name}.flac"), progress=False)
    assert found.distance < found.nearest_distance - gain
    for cents in [*(note.cents for note in found.notes), *(other.cents for other in found.others)]:
        assert abs(cents) <= fitting.IN_TUNE
