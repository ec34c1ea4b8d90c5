"""helpers.render: plan, envelope, mix; faithful to the original, and free of its bugs by default."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inputs import DATA, golden, note_audio, snr

from helpers import midi, render
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note, Song, Track
from helpers.render import ATTACK, RELEASE, envelope, fold, original_envelope

RATE = 16000


class Stub:
    """Plays sines, counts what it is asked for, and ignores the latent but for its sign."""

    name, fingerprint, about, sample_rate, max_seconds = "stub", "", {}, RATE, 4.0

    def __init__(self):
        self.asked = []

    def generate(self, z, pitches, seconds=None, batch_size=8, progress=True):
        assert len(pitches) <= batch_size
        self.asked += [(float(row[0]), int(pitch), seconds) for row, pitch in zip(z, pitches, strict=True)]
        t = np.arange(int(np.ceil(seconds * RATE))) / RATE
        f = 440 * 2 ** ((np.asarray(pitches) - 69) / 12)
        return (np.sin(2 * np.pi * f[:, None] * t) * np.sign(z[:, :1])).astype(np.float32)


ONE = Timeline.hold(Instrument("one", np.ones(4)))


def song_of(*notes, is_drum=False):
    return Song("song", (Track("track", 0, is_drum, tuple(notes)),))


def play(song, timeline=ONE, **kwargs):
    return render.render(Stub(), song, timeline, progress=False, **kwargs)


# ------------------------------------------------------------------------------------------------- as the original


@pytest.mark.parametrize("hold", ["0.005", "0.01", "0.1", "0.25", "1.0", "2.99", "3.0", "5.0"])
def test_original_envelope(hold):
    arrays = golden("generate_util")
    gain = original_envelope(float(hold))
    assert len(gain) == arrays[f"env_{hold}_len"]
    np.testing.assert_allclose(gain[::37], arrays[f"env_{hold}_sub"], atol=1e-6)


@pytest.mark.parametrize("score", ["small", "melody14"])
def test_original_mix(score):
    arrays = golden("generate_util")
    plan = render.plan(midi.load(DATA / "midi" / f"{score}.mid"), ONE, faithful=True)
    clip = np.zeros(render.clip_length(plan, faithful=True))
    assert len(clip) == arrays[f"{score}_clip_len"]
    for i, pitch in enumerate(plan.pitches):
        shaped = render.shape_note(note_audio(pitch, i), plan.holds[i], plan.velocities[i], RATE, faithful=True)
        render.mix(clip, shaped, int(plan.starts[i] * RATE))
    np.testing.assert_allclose(render.normalize(clip, faithful=True), arrays[f"{score}_clip_f32"], atol=1e-6)


def test_faithful_render_equals_the_original_clip(tiny):
    song = midi.load(DATA / "midi" / "melody14.mid")
    timeline = Timeline.original(tiny, render.original_notes(song)[-1].end, seed=31)
    clip = render.render(tiny, song, timeline, faithful=True, progress=False)
    expected = golden("tiny_e2e")["melody14_clip_f32"]
    assert clip.samples.shape == expected.shape
    assert snr(clip.samples, expected) > 65


def test_faithful_keeps_the_original_range_and_its_drums():
    pitched, drums = song_of(Note(30, 90, 0, 1), Note(90, 90, 0, 1)), song_of(Note(38, 90, 0, 1), is_drum=True)
    song = Song("s", pitched.tracks + drums.tracks)
    assert render.plan(song, ONE, faithful=True).pitches.tolist() == [38]


# ------------------------------------------------------------------------------------------------------ by default


def test_pitches_are_folded_and_drums_left_out():
    pitched, drums = song_of(Note(12, 90, 0, 1), Note(97, 90, 0, 1)), song_of(Note(38, 90, 0, 1), is_drum=True)
    song = Song("s", pitched.tracks + drums.tracks)
    assert render.plan(song, ONE).pitches.tolist() == [24, 73]


@given(st.integers(0, 127))
def test_fold_moves_by_octaves_into_range(pitch):
    folded = fold(pitch, 24, 84)
    assert 24 <= folded <= 84
    assert (folded - pitch) % 12 == 0
    if 24 <= pitch <= 84:
        assert folded == pitch


@given(st.floats(0, 4))
def test_envelope_never_jumps(hold):
    gain = envelope(hold)
    assert len(gain) == int(RATE * hold) + int(RATE * RELEASE)
    steepest = 1 / (RATE * ATTACK - 1)
    assert np.abs(np.diff(gain, prepend=0.0, append=0.0)).max() <= steepest + 1e-9
    assert gain.min() >= 0
    assert gain.max() <= 1


def test_the_original_envelope_does_jump():
    assert np.abs(np.diff(original_envelope(0.005))).max() > 0.4


@given(st.floats(0, 3.7), st.integers(1, 127), st.sampled_from([1.0, -1.0]))
def test_a_note_peaks_at_its_velocity_whatever_its_sign(hold, velocity, sign):
    wave = sign * np.abs(note_audio(60, 1))  # one-sided: the original measured this one wrongly
    shaped = render.shape_note(wave, hold, velocity)
    assert np.abs(shaped).max() == pytest.approx(velocity / 127)


def test_a_silent_note_stays_silent():
    assert not render.shape_note(np.zeros(64000, np.float32), 1.0, 100).any()


def test_clip_is_as_long_as_the_song_and_its_release():
    clip = play(song_of(Note(60, 100, 0.5, 2.25)))
    assert len(clip.samples) == round((2.25 + RELEASE) * RATE)
    assert clip.peak == pytest.approx(render.PEAK)
    assert not clip.samples[: RATE // 2].any()


@pytest.mark.parametrize("duration", [0.001, 0.0, 10.0])
def test_very_short_and_very_long_notes(duration):
    clip = play(song_of(Note(60, 100, 0.0, duration)))
    assert np.isfinite(clip.samples).all()
    assert clip.seconds == pytest.approx(min(duration, 3.7) + RELEASE, abs=1e-3)


NOTES = st.builds(
    lambda pitch, velocity, start, length: Note(pitch, velocity, start, start + length),
    st.integers(0, 127), st.integers(1, 127), st.floats(0, 5), st.floats(0, 6),
)  # fmt: skip


@given(st.lists(NOTES, min_size=1, max_size=12))
def test_any_notes_give_finite_audio_that_does_not_clip(notes):
    clip = play(song_of(*notes))
    assert np.isfinite(clip.samples).all()
    assert clip.peak <= 1.0


@given(st.lists(NOTES, min_size=1, max_size=8), st.lists(NOTES, min_size=1, max_size=8), st.integers(1, 5))
def test_mixing_is_linear(some, others, batch_size):
    def raw(notes, length):
        plan = render.plan(song_of(*notes), ONE)
        clip = np.zeros(length)
        for i, wave in render.generate_notes(Stub(), plan, batch_size, progress=False):
            render.mix(clip, render.shape_note(wave, plan.holds[i], plan.velocities[i]), int(plan.starts[i] * RATE))
        return clip

    length = 12 * RATE
    np.testing.assert_allclose(raw(some + others, length), raw(some, length) + raw(others, length), atol=1e-9)


def test_equal_notes_are_generated_once_at_the_longest_length():
    model = Stub()
    notes = [Note(60, 100, i * 1.0, i * 1.0 + 0.1 * (i + 1)) for i in range(10)] + [Note(64, 90, 0.0, 0.2)]
    render.render(model, song_of(*notes), ONE, progress=False)
    assert sorted((pitch, round(seconds, 3)) for _, pitch, seconds in model.asked) == [(60, 1.3), (64, 1.3)]


def test_each_note_takes_the_instrument_of_its_start():
    model = Stub()
    timeline = Timeline([Instrument("a", np.array([1.0, 0.0])), Instrument("b", np.array([0.0, 1.0]))], at=[0, 2])
    render.render(model, song_of(Note(60, 90, 0.0, 1.0), Note(62, 90, 2.0, 3.0)), timeline, progress=False)
    assert {pitch: round(z, 6) for z, pitch, _ in model.asked} == {60: 1.0, 62: 0.0}


def test_equal_instruments_do_not_silence_the_clip():
    same = [Instrument("a", np.ones(4)), Instrument("b", np.ones(4))]
    assert play(song_of(Note(60, 90, 0.5, 1.0)), Timeline(same, at=[0, 1])).peak > 0.5


@pytest.mark.parametrize(
    ("song", "faithful", "message"),
    [(song_of(Note(38, 90, 0, 1), is_drum=True), False, "outside its drum tracks"),
     (song_of(Note(30, 90, 0, 1)), True, "between 36 and 84")],
)  # fmt: skip
def test_nothing_to_play(song, faithful, message):
    with pytest.raises(ValueError, match=message):
        play(song, faithful=faithful)


def test_instruments_of_another_model_are_refused():
    timeline = Timeline.hold(Instrument("one", np.ones(4), "violins", "abc"))
    with pytest.raises(ValueError, match="made for violins"):
        play(song_of(Note(60, 90, 0, 1)), timeline)


def test_render_gives_the_same_samples_twice(tiny):
    song = midi.excerpt(midi.load(DATA / "midi" / "melody14.mid"), 0, 2)
    timeline = Timeline.random(tiny, song.seconds, seed=1)
    first, second = (render.render(tiny, song, timeline, progress=False) for _ in range(2))
    assert (first.samples == second.samples).all()
