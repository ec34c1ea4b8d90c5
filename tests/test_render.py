"""helpers.render: faithful to the original, and by default what people ask for instead."""

import dataclasses
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inputs import DATA, RATE, Stub, golden, note_audio, snr, song_of

from helpers import audio, instruments, midi, render
from helpers.audio import PEAK
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note, Song, Track
from helpers.render import mixing, original, shaping
from helpers.render.batches import WINDOW
from helpers.render.planning import plan, resolve
from helpers.render.shaping import RELEASE, Curve
from helpers.render.types import Part, Settings

ONE = Timeline.hold(Instrument("one", np.ones(4)))
BASS, LEAD = (Instrument(name, np.full(4, value)) for name, value in (("bass", 1.0), ("lead", 1.5)))
TEMPO = ((0.0, 120.0),)


def play(song, parts=ONE, model=None, **choices):
    return render.render(model or Stub(), song, parts, progress=False, **choices)


def raw(song, parts=ONE, length=30.0, **choices):
    """The mix before it is levelled, [channels, samples], in a clip of a given length."""
    resolved, how = resolve(Stub(), song, parts, ONE), Settings(**choices)
    notes = plan(song, resolved, how)
    mixer = mixing.Mixer(song, resolved, how, notes, RATE)
    mixer.clip = np.zeros((len(mixer.clip), int(length * RATE)))
    for batch in render.generate_notes(Stub(), notes, progress=False):
        for rows, wave in batch:
            mixer.add(rows, wave)
    return mixer.clip


def level(samples):
    return np.sqrt(np.mean(np.square(samples, dtype=np.float64)))


def strength(samples, frequency):
    """How strong a frequency is in some samples, the ends faded."""
    t = np.arange(len(samples)) / RATE
    return abs(np.mean(samples * np.hanning(len(samples)) * np.exp(-2j * np.pi * frequency * t)))


# ------------------------------------------------------------------------------------------------------ as the original


@pytest.mark.parametrize("score", ["small", "melody14"])
def test_original_mix(score):
    arrays = golden("generate_util")
    song = midi.load(DATA / "midi" / f"{score}.mid")
    parts, how = resolve(Stub(), song, ONE), Settings(faithful=True)
    notes = original.plan(song, parts)
    mixer = original.OriginalMixer(song, parts, how, notes, RATE)
    assert mixer.clip.shape == (1, arrays[f"{score}_clip_len"])
    for i, pitch in enumerate(notes.pitches):
        mixer.add(np.array([i]), note_audio(pitch, i))
    clip = mixer.clip[0] / mixer.clip.max() * original.PEAK
    np.testing.assert_allclose(clip, arrays[f"{score}_clip_f32"], atol=1e-6)


def test_faithful_render_equals_the_original_clip(tiny):
    song = midi.load(DATA / "midi" / "melody14.mid")
    timeline = Timeline.original(tiny, original.notes(song)[-1].end, seed=31)
    clip = play(song, timeline, tiny, faithful=True)
    expected = golden("tiny_e2e")["melody14_clip_f32"]
    assert clip.samples.shape == expected.shape
    assert snr(clip.samples, expected) > 65


def test_faithful_merges_all_tracks_into_one_channel():
    panned = Track("Lead", 73, False, (Note(60, 90, 0, 1), Note(90, 90, 0, 1)), {"pan": ((0.0, 1.0),)})
    song = Song("song", (panned, beat(0.0, 0.5)), unclosed=2)
    clip = play(song, faithful=True)
    assert clip.samples.ndim == 1
    assert [(row.rendered, row.played_by) for row in clip.report.tracks] == [(1, "one"), (2, "one")]
    assert clip.report.skipped == {"outside 36 to 84": 1, "never end in the file": 2}
    assert clip.report.rendered + 3 == clip.report.notes


def test_faithful_takes_one_timeline_for_all_tracks():
    with pytest.raises(ValueError, match="one Timeline"):
        play(song_of(Note(60, 90, 0, 1)), {1: ONE}, faithful=True)
    drums = song_of(Note(60, 90, 0, 1), is_drum=True)
    assert play(drums, faithful=True).report.rendered == 1


# ----------------------------------------------------------------------------------------------------- length and level


def test_clip_is_as_long_as_the_song_and_its_release():
    clip = play(song_of(Note(60, 100, 0.5, 2.25)))
    assert len(clip.samples) == round((2.25 + RELEASE) * RATE)
    assert not clip.samples[: RATE // 2].any()


@pytest.mark.parametrize(("duration", "sustain", "heard"), [
    (0.0, "loop", 0.0), (0.001, "loop", 0.001), (10.0, "loop", 10.0), (10.0, "once", 3.0),
])  # fmt: skip
def test_very_short_and_very_long_notes(duration, sustain, heard):
    clip = play(song_of(Note(60, 100, 0.0, duration)), sustain=sustain)
    assert np.isfinite(clip.samples).all()
    assert clip.duration == pytest.approx(heard + RELEASE, abs=1e-3)


def test_a_long_note_sounds_to_its_end_without_a_seam():
    samples = play(song_of(Note(60, 100, 0.0, 12.0))).samples
    seconds = samples[: 12 * RATE].reshape(12, RATE)
    levels = [level(second) for second in seconds[1:]]
    assert max(levels) / min(levels) < 1.05
    assert np.abs(np.diff(samples)).max() <= 1.05 * np.abs(np.diff(samples[: 2 * RATE])).max()


def test_loudness_is_reached_where_there_is_room():
    song = song_of(*(Note(60, 100, i, i + 0.9) for i in range(4)))
    clip = play(song)
    assert audio.loudness(clip) == pytest.approx(-16, abs=0.01)
    assert clip.report.loudness == pytest.approx(-16, abs=0.01)
    assert clip.peak < PEAK
    assert audio.loudness(play(song, loudness=-23.0)) == pytest.approx(-23, abs=0.01)
    assert play(song, loudness=None).peak == pytest.approx(PEAK)


def test_without_room_the_peak_decides():
    clicks = song_of(*(Note(60, 127 if i == 3 else 1, i, i + 0.01) for i in range(12)))
    clip = play(clicks, loudness=-3.0)
    assert clip.peak == pytest.approx(PEAK)
    assert clip.report.loudness < -3.0


@given(st.floats(0, 3.7), st.integers(1, 127), st.sampled_from([1.0, -1.0]), st.floats(0, 3))
def test_a_note_peaks_at_its_velocity_whatever_its_sign(hold, velocity, sign, power):
    wave = sign * np.abs(note_audio(60, 1))  # one-sided: the original measured this one wrongly
    shaped = render.shape_note(wave, hold, velocity, Settings(velocity=power, level="peak"))
    assert np.abs(shaped).max() == pytest.approx((velocity / 127) ** power)


def pluck(seconds=3.0, decay=0.05):
    """A sound with a high peak and little after it."""
    t = np.arange(int(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * 500 * t) * np.exp(-t / decay)


@given(st.integers(1, 127), st.floats(0.5, 3.0), st.floats(0.01, 100.0))
@pytest.mark.slow
def test_sounds_of_any_shape_are_as_loud_as_each_other(velocity, hold, scale):
    """Their meters agree, though the pluck peaks much higher. The blocks of a loudness meter are 0.4 s long."""
    beginnings = [
        render.shape_note(scale * wave, hold, velocity)[: int(0.4 * RATE)]
        for wave in (note_audio(60, 1), pluck(), pluck(decay=0.5))
    ]
    weighted = [audio.k_weighted(wave, RATE) for wave in beginnings]
    loudest = [max(level(wave[i : i + 3200]) for i in range(0, 3201, 800)) for wave in weighted]
    np.testing.assert_allclose(loudest, mixing.NOTE_LEVEL * (velocity / 127) ** 2, rtol=0.1)  # the attack takes some


def test_a_sharp_pluck_does_not_push_the_clip_down():
    """Levelled by loudness alone it would peak at 11, and all the clip be softer for it."""
    wave = 0.01 * pluck(decay=0.5)
    wave[RATE // 10] = 1.0
    assert np.abs(render.shape_note(wave, 1.0, 127)).max() == pytest.approx(mixing.NOTE_PEAK)


@given(st.floats(0.5, 3.0))
def test_a_sound_has_one_level_however_much_of_it_is_generated(seconds):
    assert shaping.loudest(pluck(seconds), RATE) == shaping.loudest(pluck(), RATE)


@pytest.mark.parametrize("hold", [0.0, 0.001, 0.01, 0.05])
def test_no_step_of_a_short_note_is_steeper_than_its_sounds_own(hold):
    """As rendered, that is, with the level that the sound has in a long note."""
    wave = note_audio(60, 1)
    short, long = (render.shape_note(wave, seconds, 100) for seconds in (hold, 3.0))
    assert np.abs(np.diff(short)).max() <= np.abs(np.diff(long)).max() * 1.001


def test_a_silent_note_stays_silent():
    assert not render.shape_note(np.zeros(64000, np.float32), 1.0, 100).any()


def test_attack_and_release_are_arguments():
    note = song_of(Note(60, 100, 0.0, 1.0))
    slow, quick = (play(note, attack=attack, release=0.1, loudness=None).samples for attack in (0.5, 0.01))
    assert len(slow) == len(quick) == round(1.1 * RATE)
    assert level(slow[:1600]) < 0.5 * level(quick[:1600])


@pytest.mark.parametrize("rate", audio.RATES)
def test_any_of_the_rates(rate):
    clip = play(song_of(Note(69, 100, 0.0, 1.7)), sample_rate=rate)
    assert clip.sample_rate == rate
    assert clip.duration == pytest.approx(2.0, abs=0.001)
    assert clip.peak <= PEAK * (1 + 1e-6)
    spectrum = np.abs(np.fft.rfft(clip.samples[:rate]))
    assert np.argmax(spectrum) == 440


# ---------------------------------------------------------------------------------------------------- tracks in the mix

DUO = Song("duo", (Track("Bass", 32, False, (Note(45, 100, 0, 2),)), Track("Lead", 73, False, (Note(69, 100, 0, 2),))))


def bass_and_lead(clip):
    """How strong the two notes of the duo are."""
    middle = clip[RATE // 2 : RATE * 3 // 2]
    return strength(middle, 110.0), strength(middle, 440.0)


@pytest.mark.parametrize(("parts", "ratio"), [
    ({}, 1.0), ({"Lead": Part(gain=-6.0)}, 10 ** (-6 / 20)), ({"Lead": Part(mute=True)}, 0.0),
    ({"Bass": Part(solo=True)}, 0.0),
])  # fmt: skip
def test_gain_mute_and_solo(parts, ratio):
    bass, lead = bass_and_lead(play(DUO, parts, default=ONE, level="peak").samples)
    assert lead / bass == pytest.approx(ratio, abs=0.01)


def test_tracks_have_their_own_instruments():
    model = Stub()
    play(DUO, {"Bass": BASS, "Lead": LEAD}, model)
    assert sorted((z, pitch) for z, pitch, _ in model.asked) == [(1.0, 45), (1.5, 69)]


def test_clips_are_stereo_when_a_track_is_panned():
    assert play(DUO, default=ONE, parts=None).samples.ndim == 1
    assert play(DUO, ONE, stereo=True).samples.shape[1] == 2
    panned = play(DUO, {"Lead": Part(pan=-1.0)}, default=ONE)
    assert panned.report.channels == 2
    (bass_left, lead_left), (bass_right, lead_right) = (bass_and_lead(panned.samples[:, side]) for side in (0, 1))
    assert bass_left == pytest.approx(bass_right, rel=0.01)
    assert lead_right < 0.001 * lead_left
    assert play(DUO, {"Lead": Part(pan=-1.0)}, default=ONE, stereo=False).samples.ndim == 1
    assert play(DUO, {"Lead": Part(pan=-1.0, mute=True)}, default=ONE).samples.ndim == 1


@given(st.floats(-1, 1))
def test_pan_keeps_the_power_and_the_centre_the_level(pan):
    gains = mixing.levels(
        {"volume": Curve((), 1.0), "expression": Curve((), 1.0), "pan": Curve((), pan)}, 0.0, np.zeros(1), 2
    )
    assert (gains**2).sum() == pytest.approx(2.0)
    if pan == 0:
        np.testing.assert_allclose(gains, 1.0)


@pytest.mark.parametrize("kind", ["volume", "expression"])
def test_volume_and_expression_move_the_level(kind):
    other = {"volume": 1.0} if kind == "expression" else {}
    controls = {kind: ((0.0, 1.0), (1.0, 0.5))} | {name: ((0.0, value),) for name, value in other.items()}
    note = song_of(Note(60, 127, 0, 2), controls=controls)
    clip = raw(note, level="peak")[0]
    assert level(clip[RATE // 4 : RATE * 3 // 4]) == pytest.approx(0.5**0.5, rel=0.01)
    assert level(clip[RATE * 5 // 4 : RATE * 7 // 4]) == pytest.approx(0.25 * 0.5**0.5, rel=0.01)  # by squares
    # The step is a ramp: nothing jumps further than the tone itself does.
    assert np.abs(np.diff(clip)).max() <= np.abs(np.diff(clip[: RATE // 2])).max() * 1.001
    still = raw(note, controllers=False)[0]
    assert level(still[RATE * 5 // 4 : RATE * 7 // 4]) == pytest.approx(
        level(still[RATE // 4 : RATE * 3 // 4]), rel=0.01
    )


def test_pitch_bend_is_heard():
    bent = song_of(Note(69, 100, 0, 3), controls={"bend": ((0.0, 0.0), (1.0, 2.0))})
    clip = play(bent).samples
    before, after = clip[RATE // 4 : RATE * 3 // 4], clip[RATE * 5 // 4 : RATE * 7 // 4]
    assert strength(before, 440.0) > 20 * strength(before, 493.88)
    assert strength(after, 493.88) > 20 * strength(after, 440.0)
    flat = play(bent, controllers=False).samples[RATE * 5 // 4 : RATE * 7 // 4]
    assert strength(flat, 440.0) > 20 * strength(flat, 493.88)


def test_a_bent_note_sounds_to_its_end():
    clip = raw(song_of(Note(69, 100, 0, 1.4), controls={"bend": ((0.0, 12.0),)}))[0]
    quarters = clip[: int(1.4 * RATE)].reshape(4, -1)
    assert level(quarters[3]) == pytest.approx(level(quarters[1]), rel=0.05)
    fade = clip[int(1.4 * RATE) : int((1.4 + RELEASE) * RATE)]
    assert level(fade) > 0.5 * level(quarters[1])


def test_a_bent_note_without_a_release_is_whole_to_its_last_sample():
    wave, semitones = note_audio(60, 1), np.full(RATE, 7.0)
    note = render.shape_note(wave, 1.0, 127, Settings(release=0.0), semitones=semitones)
    whole = shaping.bend(wave, semitones)  # of all of the sound, and not of what is needed
    scale = np.abs(note[RATE // 2 :]).max() / np.abs(whole[RATE // 2 :]).max()
    np.testing.assert_allclose(note[-100:], scale * whole[-100:], atol=1e-4)


def test_a_long_bent_note_is_looped_too():
    clip = play(song_of(Note(69, 100, 0, 8), controls={"bend": ((0.0, 12.0),)})).samples
    end = clip[7 * RATE : 15 * RATE // 2]
    assert strength(end, 880.0) > 20 * strength(end, 440.0)
    assert level(end) > 0.5 * level(clip[RATE : 2 * RATE])


# ---------------------------------------------------------------------------------------------------------------- drums


def beat(*times, **track):
    return Track("Drums", 0, True, tuple(Note(38, 100, t, t + 0.1) for t in times), **track)


def test_drums_are_mixed_in():
    pytest.importorskip("midirenderer", reason="the soundfont player is not installed (pip install midirenderer)")
    song = Song("song", (Track("Lead", 73, False, (Note(60, 100, 0, 1),)), beat(2.0, 2.5)))
    assert play(song).duration == pytest.approx(1.0 + RELEASE, abs=1e-3)
    clip = play(song, drums="synth", sample_rate=44100)
    assert clip.duration == pytest.approx(2.5 + mixing.DRUM_TAIL, abs=1e-3)
    rate = clip.sample_rate
    assert np.abs(clip.samples[int(1.31 * rate) : int(1.99 * rate)]).max() < 1e-4
    assert level(clip.samples[2 * rate : int(2.05 * rate)]) > 0.01
    assert (clip.report.rendered, clip.report.drum_notes, clip.report.skipped) == (3, 2, {})


def test_drums_alone():
    pytest.importorskip("midirenderer", reason="the soundfont player is not installed (pip install midirenderer)")
    clip = play(Song("song", (beat(0.5),)), drums="synth")
    assert clip.peak > 0.1
    assert clip.report.distinct == 0
    with pytest.raises(ValueError, match="nothing to play"):
        play(Song("song", (beat(0.5),)), {1: Part(mute=True)}, drums="synth")


def test_drums_have_a_part_of_their_own():
    pytest.importorskip("midirenderer", reason="the soundfont player is not installed (pip install midirenderer)")
    song = Song("song", (Track("Lead", 73, False, (Note(60, 127, 0, 1),)), beat(1.5)))
    hits = {}
    for gain in (0.0, -12.0):
        clip = play(song, {"Drums": Part(gain=gain, pan=-1.0)}, default=ONE, drums="synth", loudness=None)
        hits[gain] = np.abs(clip.samples[3 * RATE // 2 :]).max(axis=0) / np.abs(clip.samples[:RATE]).max()
    assert hits[0.0][0] / hits[-12.0][0] == pytest.approx(10 ** (12 / 20), rel=0.02)
    assert hits[0.0][1] < 0.1 * hits[0.0][0]


def test_drums_need_a_player(monkeypatch):
    import sys

    from helpers import soundfont

    soundfont._snare_peak.cache_clear()
    monkeypatch.setitem(sys.modules, "midirenderer", None)  # makes importing it fail
    with pytest.raises(ImportError, match="pip install midirenderer"):
        play(Song("song", (beat(0.5),)), drums="synth")


# ------------------------------------------------------------------------------------------------------ any song at all

NOTES = st.builds(
    lambda pitch, velocity, start, length: Note(pitch, velocity, start, start + length),
    st.integers(0, 127), st.integers(1, 127), st.floats(0, 5), st.floats(0, 6),
)  # fmt: skip
CHANGES = st.lists(st.tuples(st.floats(0, 8), st.floats(0, 1)), min_size=1, max_size=4).map(
    lambda changes: tuple(sorted({second: value for second, value in changes}.items()))
)
CONTROLS = st.dictionaries(st.sampled_from(["volume", "expression", "pan", "pedal", "bend"]), CHANGES)
SONGS = st.lists(st.tuples(st.lists(NOTES, min_size=1, max_size=6), CONTROLS), min_size=1, max_size=3).map(
    lambda tracks: Song("song", tuple(
        Track(f"track {i}", 0, False, tuple(notes), controls) for i, (notes, controls) in enumerate(tracks)
    ))
)  # fmt: skip


@settings(max_examples=50)
@given(SONGS, st.sampled_from(["loop", "once"]), st.sampled_from(["fold", "shift"]))
@pytest.mark.slow
def test_any_song_gives_finite_audio_that_does_not_clip(song, sustain, pitch):
    clip = play(song, None, sustain=sustain, pitch=pitch)
    assert np.isfinite(clip.samples).all()
    assert clip.peak <= PEAK * (1 + 1e-6)
    assert clip.report.rendered == len(song.notes)


@settings(max_examples=25)
@given(SONGS, SONGS)
@pytest.mark.slow
def test_two_songs_together_are_the_sum_of_their_renderings(some, others):
    moved = tuple(dataclasses.replace(track, name=f"other {track.name}") for track in others.tracks)
    both = Song("both", some.tracks + moved)
    together, apart = raw(both, stereo=True), raw(some, stereo=True) + raw(others, stereo=True)
    np.testing.assert_allclose(together, apart, atol=1e-9)


@given(st.integers(1, 9), SONGS)
@settings(max_examples=30)
@pytest.mark.slow
def test_the_batch_size_changes_nothing(batch_size, song):
    np.testing.assert_allclose(play(song, batch_size=batch_size).samples, play(song, batch_size=8).samples, atol=2e-6)


def peak_of_rendering(count):
    """Bytes that a minute with so many notes, each a sound of its own, takes at most."""
    rng = np.random.RandomState(0)
    starts = np.sort(rng.uniform(0, 60, count))
    song = song_of(*(Note(60, 90, start, start + 0.1) for start in starts.tolist()))
    timeline = Timeline([Instrument(str(i), z) for i, z in enumerate(rng.normal(size=[2, 4]))], at=[0.0, 60.0])
    tracemalloc.start()
    play(song, timeline)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.slow
def test_memory_does_not_grow_with_the_notes():
    """Six thousand notes are 150 MB of waves; what is kept of each is its row in the plan."""
    peak_of_rendering(300)  # imports, and what is kept for clips of a minute (the weighting of its loudness)
    assert peak_of_rendering(6000) - peak_of_rendering(300) < 6000 * 2000


@given(st.integers(-20, 60), st.integers(1, 40), st.integers(0, 49))
def test_mix_adds_what_fits(seed, length, start):
    clip = np.ones(50)
    audio.mix(clip, np.full(length, 2.0), start)
    expected = np.ones(50)
    expected[start : start + length] += 2.0
    assert (clip == expected).all()


# ----------------------------------------------------------------------------------------------------------- generating


def test_equal_notes_are_generated_once_at_the_longest_length():
    model = Stub()
    notes = [Note(60, 100, i * 1.0, i * 1.0 + 0.1 * (i + 1)) for i in range(10)] + [Note(64, 90, 0.0, 0.2)]
    clip = play(song_of(*notes), model=model)
    assert sorted((pitch, round(seconds, 3)) for _, pitch, seconds in model.asked) == [(60, 1.3), (64, 1.3)]
    assert clip.report.distinct == 2


def test_each_note_takes_the_instrument_of_its_start():
    model = Stub()
    timeline = Timeline([Instrument(name, np.eye(4)[i]) for i, name in enumerate("ab")], at=[0, 2])
    play(song_of(Note(60, 90, 0.0, 1.0), Note(62, 90, 2.0, 3.0)), timeline, model)
    assert {pitch: round(z, 6) for z, pitch, _ in model.asked} == {60: 1.0, 62: 0.0}


def test_equal_instruments_do_not_silence_the_clip():
    same = [Instrument("a", np.ones(4)), Instrument("b", np.ones(4))]
    assert play(song_of(Note(60, 90, 0.5, 1.0)), Timeline(same, at=[0, 1])).peak > 0.1


def test_notes_are_generated_in_the_order_of_time():
    model = Stub()
    timeline = Timeline([Instrument("a", np.ones(4)), Instrument("b", np.full(4, 9.0))], at=[0, 400])
    notes = [Note(60, 90, float(i), i + 0.5 + i % 3) for i in range(400)]
    play(song_of(*reversed(notes)), timeline, model, batch_size=4)
    latents = np.array([z for z, _, _ in model.asked])  # rises with time
    end, batches = 0, 1  # windows grow, so that what is heard first is there first
    while end < 400:
        window = slice(end, end + batches * 4)
        assert (np.sort(latents[window]) == np.sort(latents)[window]).all()
        end, batches = window.stop, min(2 * batches, WINDOW)


# ------------------------------------------------------------------------------------------------------------- stopping

LONG = song_of(*(Note(40 + i % 40, 90, i * 0.5, i * 0.5 + 0.4) for i in range(400)))
MORPH = Timeline([Instrument("a", np.ones(4)), Instrument("b", np.full(4, 2.0))], at=[0, 200])


def test_a_stopped_rendering_gives_what_it_has():
    calls = []
    stopped = play(LONG, MORPH, stop=lambda: calls.append(1) or len(calls) == 20)
    whole = play(LONG, MORPH)
    assert stopped.report.stopped_at == pytest.approx(80.0, abs=16.0)  # 160 notes of two a second
    assert stopped.duration == pytest.approx(stopped.report.stopped_at)
    assert "stopped" in str(stopped.report)
    assert stopped.report.rendered == 160
    ratio = whole.peak / stopped.peak
    head = slice(0, len(stopped.samples) - RATE)
    np.testing.assert_allclose(stopped.samples[head] * ratio, whole.samples[head], atol=0.05)
    assert abs(stopped.samples[-1]) < 1e-3  # it fades out


def test_notes_after_the_cut_are_not_counted():
    """The third note has the sound of the first, and so was mixed with it; but the clip ends where the second lacks."""
    calls = []
    song = song_of(Note(60, 90, 0, 1), Note(64, 90, 2, 3), Note(60, 90, 5, 6))
    clip = play(song, batch_size=1, stop=lambda: calls.append(1) or True)
    assert clip.report.stopped_at == clip.duration == 2.0
    assert (clip.report.rendered, clip.report.tracks[0].rendered, clip.report.distinct) == (1, 1, 1)


def test_progress_is_told_to_a_function(capsys):
    told = []
    clip = render.render(Stub(), LONG, MORPH, progress=lambda *counts: told.append(counts))
    assert told == [(done, 400) for done in range(0, 401, 8)]
    assert clip.report.rendered == 400
    again = [*LONG.notes[:3], *(Note(n.pitch, 50, n.start + 5, n.end + 5) for n in LONG.notes[:3])]
    told.clear()
    render.render(Stub(), song_of(*again), ONE, batch_size=2, progress=lambda *counts: told.append(counts))
    assert told == [(0, 6), (4, 6), (6, 6)]  # notes, of which two have one sound
    assert capsys.readouterr().err == ""  # and no bar
    render.render(Stub(), song_of(*again), ONE, progress=True)
    assert "6/6" in capsys.readouterr().err


def test_an_interrupt_gives_what_there_is():
    class Interrupted(Stub):
        def generate(self, *args, **kwargs):
            if len(self.asked) >= 80:
                raise KeyboardInterrupt
            return super().generate(*args, **kwargs)

    clip = play(LONG, MORPH, Interrupted())
    assert clip.report.rendered == 80
    assert 0 < clip.duration == clip.report.stopped_at


def test_an_interrupt_before_anything_is_done_is_passed_on():
    class Interrupted(Stub):
        def generate(self, *args, **kwargs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(LONG, MORPH, Interrupted())


# ---------------------------------------------------------------------------------------------------- report and recipe


@pytest.fixture
def band():
    """Three tracks that use all there is."""
    lead = (Note(60, 100, 0, 5), Note(96, 80, 1, 2), Note(64, 60, 5.0, 5.2))
    bass = (Note(12, 100, 0, 1), Note(45, 90, 2, 2.5))
    controls = {"bend": ((0.0, 0.0), (1.0, 2.0), (2.5, 0.0)), "pan": ((0.0, -0.5),), "pedal": ((2.0, 1.0), (3.0, 0.0))}
    tracks = (Track("Lead", 73, False, lead), Track("Bass", 32, False, bass, controls), beat(0.0, 1.0, 2.0))
    return Song("band", tracks, TEMPO, ((0.0, 3, 4),), unclosed=1)


def test_the_report_counts_everything(band):
    clip = play(band, None)
    report = clip.report
    assert (report.notes, report.rendered, report.distinct, report.looped, report.pedalled, report.bent) == (
        9, 5, 5, 1, 1, 2,
    )  # fmt: skip
    assert report.moved == {"C7 to C6": 1, "C0 to C1": 1}
    assert report.skipped == {"drums (drums='synth' plays them)": 3, "never end in the file": 1}
    assert (report.duration, report.peak) == (clip.duration, clip.peak)
    assert [(row.name, row.notes, row.rendered) for row in report.tracks] == [
        ("Lead", 3, 3), ("Bass", 2, 2), ("Drums", 3, 0),
    ]  # fmt: skip


def test_the_report_is_one_readable_table(band):
    text = str(play(band, {"Lead": Timeline([BASS, LEAD], at=[0, 3])}).report)
    assert "rendered   5 of 9 notes, from 5 distinct sounds" in text
    assert "folded     2 notes: C7 to C6 ×1, C0 to C1 ×1" in text
    assert "skipped    3 notes: drums (drums='synth' plays them)" in text
    assert "looped     1 note longer than the model's, extended by repeating the steady part\n" in text
    assert "1  Lead   3/3  bass > lead" in text
    assert "3  Drums  0/3  left out" in text
    assert max(map(len, text.splitlines())) < 120


def test_what_was_mended_in_the_file_is_reported(tmp_path):
    song = dataclasses.replace(song_of(Note(60, 90, 0, 1)), remarks=("3 bytes after the end of a track",))
    report = play(song).report
    assert "file       3 bytes after the end of a track\n" in str(report)
    assert "3 bytes after the end of a track" in report._repr_html_()
    path = report.save(tmp_path / "clip.json")
    again = render.reproduce(path, Stub(), progress=False).report
    assert again.remarks == again.recipe.song.remarks == song.remarks


def test_faithful_reads_files_as_the_original_does(tmp_path):
    """It loses notes without a length or an end."""
    content = bytes([0, 0x90, 60, 100, 0, 60, 0, 0, 62, 100, 96, 62, 0, 0, 64, 100, 96, 0xFF, 0x2F, 0])
    path = tmp_path / "odd.mid"
    path.write_bytes(b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk" + len(content).to_bytes(4, "big") + content)
    song = midi.load(path)
    assert [note.pitch for note in original.notes(song)] == [62]
    clip = play(song, faithful=True)
    assert (clip.report.notes, clip.report.rendered, clip.report.remarks) == (2, 1, ())
    assert clip.report.skipped == {"never end in the file": 1}
    again = render.reproduce(clip.report.save(tmp_path / "clip.json"), Stub(), progress=False)
    np.testing.assert_array_equal(again.samples, clip.samples)
    assert (play(song).report.notes, play(song).report.rendered) == (3, 3)


def test_a_clip_is_made_again_from_its_report(band, tmp_path):
    pytest.importorskip("midirenderer", reason="the soundfont player is not installed (pip install midirenderer)")
    parts = {"Lead": Part(MORPH, gain=-2.0, pan=0.3), "Bass": BASS}
    clip = play(band, parts, drums="synth", pitch="shift", sample_rate=22050, velocity=1.5, seed=4, batch_size=3)
    path = clip.report.save(tmp_path / "deep" / "clip.json")
    again = render.reproduce(path, Stub(), progress=False)
    assert again.sample_rate == clip.sample_rate
    assert (again.samples == clip.samples).all()
    assert dataclasses.replace(again.report, elapsed=0, recipe=None) == dataclasses.replace(
        clip.report, elapsed=0, recipe=None
    )
    assert json.loads(path.read_text())["report"]["rendered"] == clip.report.rendered


def test_a_stopped_clip_is_made_again(tmp_path):
    calls = []
    clip = play(LONG, MORPH, stop=lambda: calls.append(1) or len(calls) == 7)
    again = render.reproduce(clip.report.save(tmp_path / "clip.json"), Stub(), progress=False)
    assert (again.samples == clip.samples).all()


def test_a_report_from_before_there_was_a_choice_of_level_makes_the_same_clip(tiny, tmp_path):
    clip = play(DUO, {1: Part(), 2: Part()}, tiny, level="peak", velocity=1.0)
    path = clip.report.save(tmp_path / "old.json")
    rows = json.loads(path.read_text("utf-8"))
    del rows["settings"]["level"]
    path.write_text(json.dumps(rows | {"format": 2}), "utf-8")
    np.testing.assert_array_equal(render.reproduce(path, tiny, progress=False).samples, clip.samples)


@pytest.mark.slow
def test_a_clip_of_the_demo_is_found_again_by_its_name(tmp_path):
    from helpers import gansynth

    model = gansynth.load("demo")
    song = midi.excerpt(midi.load(DATA / "midi" / "melody14.mid"), 0, 1)
    clip = play(song, instruments.named(model)["Cello"], model)
    again = render.reproduce(clip.report.save(tmp_path / "clip.json"), progress=False)
    assert (again.samples == clip.samples).all()


def test_reproducing_with_another_model_is_refused(tmp_path):
    path = play(song_of(Note(60, 90, 0, 1))).report.save(tmp_path / "clip.json")
    other = Stub()
    other.fingerprint = "0123456789"
    with pytest.raises(ValueError, match="was made with stub"):
        render.reproduce(path, other)
    with pytest.raises(ValueError, match="does not say where stub came from"):
        render.reproduce(path)


def test_what_is_no_report_gets_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        render.reproduce(tmp_path / "none.json")
    path = play(song_of(Note(60, 90, 0, 1))).report.save(tmp_path / "clip.json")
    rows = json.loads(path.read_text())
    broken = [
        "words", "[]", "{}", json.dumps(rows | {"format": 99}), json.dumps(rows | {"parts": [{}]}),
        json.dumps(rows | {"settings": {"drums": "loud"}}), json.dumps(rows | {"batch_size": "many"}),
        json.dumps(rows | {"parts": []}), json.dumps(rows | {"song": rows["song"] | {"tempos": 3}}),
        json.dumps(rows | {"stopped_at": -1}), json.dumps(rows | {"seed": None}),
        path.read_text().replace("[60, 90, 0, 1]", "[60, 90, 0, NaN]"),
        path.read_text().replace("[60, 90, 0, 1]", "[600, 90, 0, 1]"),
        path.read_text().replace('"controls": {}', '"controls": {"volume": [[1, 2, 3]]}'),
    ]  # fmt: skip
    for text in broken:
        path.write_text(text)
        with pytest.raises(ValueError, match="is not the report of a rendering") as caught:
            render.reproduce(path, Stub())
        assert "\n" not in str(caught.value)


def replaced(rows, path, value):
    """The values of a file with one changed, in depth."""
    if not path:
        return value
    inside = dict(rows) if isinstance(rows, dict) else list(rows)
    inside[path[0]] = replaced(inside[path[0]], path[1:], value)
    return inside


PLACES = [
    ("model",), ("model", "name"), ("model", "source"), ("model", "fingerprint"), ("model", "precision"),
    ("settings",), ("settings", "drums"), ("settings", "attack"), ("settings", "loudness"), ("settings", "faithful"),
    ("settings", "sample_rate"), ("settings", "stereo"), ("seed",), ("batch_size",), ("stopped_at",), ("parts",),
    ("parts", 0), ("parts", 0, "mute"), ("parts", 0, "solo"), ("parts", 0, "gain"), ("parts", 0, "pan"),
    ("parts", 0, "timeline"), ("timelines",), ("timelines", 0), ("timelines", 0, "at"), ("timelines", 0, "at", 0),
    ("timelines", 0, "instruments"), ("timelines", 0, "instruments", 0), ("timelines", 0, "instruments", 0, "z"),
    ("timelines", 0, "instruments", 0, "z", 0), ("timelines", 0, "instruments", 0, "seed"), ("song",), ("song", "name"),
    ("song", "unclosed"), ("song", "tempos"), ("song", "tempos", 0), ("song", "tempos", 0, 1), ("song", "meters"),
    ("song", "meters", 0, 1), ("song", "tracks"), ("song", "tracks", 0), ("song", "tracks", 0, "program"),
    ("song", "tracks", 0, "is_drum"), ("song", "tracks", 0, "notes"), ("song", "tracks", 0, "notes", 0),
    ("song", "tracks", 0, "notes", 0, 0), ("song", "tracks", 0, "notes", 0, 1), ("song", "tracks", 0, "notes", 0, 3),
    ("song", "tracks", 0, "controls"), ("song", "tracks", 0, "controls", "bend"),
    ("song", "tracks", 0, "controls", "bend", 0, 0), ("song", "tracks", 0, "controls", "bend", 0, 1),
]  # fmt: skip


@pytest.fixture(scope="module")
def report_rows(tmp_path_factory):
    controls = {"bend": ((0.0, 0.0), (0.5, 2.0))}
    song = Song("song", (Track("Lead", 73, False, (Note(60, 90, 0, 1),), controls),), TEMPO, ((0.0, 3, 4),))
    path = play(song, MORPH).report.save(tmp_path_factory.mktemp("report") / "clip.json")
    return json.loads(path.read_text())


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_every_value_of_a_report_is_checked(report_rows, tmp_path, place):
    deep = [[[[[[[["x"]]]]]]]]
    for value in (float("nan"), float("inf"), 1e300, -1e300, 10**300, deep, {"a": deep}, "x" * 20_000):
        path = tmp_path / "clip.json"
        path.write_text(json.dumps(replaced(report_rows, place, value)))
        with pytest.raises(ValueError, match=r"clip\.json") as caught:
            render.reproduce(path, Stub(), progress=False)
        message = str(caught.value).replace(str(path), "")
        assert message.isprintable()
        assert len(message) < 400


@pytest.mark.parametrize(("pitch", "velocity"), [(24, 1), (84, 127)])
def test_the_ends_of_pitch_and_velocity_come_back_from_a_report(tmp_path, pitch, velocity):
    clip = play(song_of(Note(pitch, velocity, 0, 1)))
    again = render.reproduce(clip.report.save(tmp_path / "clip.json"), Stub(), progress=False)
    np.testing.assert_array_equal(again.samples, clip.samples)


@pytest.mark.parametrize("number", [1, 2])
def test_a_part_with_a_timeline_that_is_not_in_the_report(report_rows, tmp_path, number):
    assert len(report_rows["timelines"]) == 1
    path = tmp_path / "clip.json"
    path.write_text(json.dumps(replaced(report_rows, ("parts", 0, "timeline"), number)))
    with pytest.raises(ValueError, match=f"refers to timeline {number}, but there are only 1"):
        render.reproduce(path, Stub())


def test_a_report_of_many_hours_is_refused_as_a_song_is(report_rows, tmp_path):
    path = tmp_path / "clip.json"
    path.write_text(json.dumps(replaced(report_rows, ("song", "tracks", 0, "notes", 0, 3), 9000)))
    with pytest.raises(ValueError, match=r"lasts 2.5 h, but a clip can last only 2 h"):
        render.reproduce(path, Stub())


@pytest.mark.parametrize(
    "source",
    [
        "acoustic_only",
        "https://drive.google.com/file/d/1234567890123456789012345/view",
        "https://example.com/model.zip",
        "//server/share/model",
        r"\\server\share\model",
        "nowhere",
        "a\0b",
        "/dev/zero",
    ],
)
def test_a_source_in_a_report_is_no_reason_to_download(report_rows, tmp_path, monkeypatch, source):
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: pytest.fail("it asked for an address"))
    path = tmp_path / "clip.json"
    path.write_text(json.dumps(replaced(report_rows, ("model", "source"), source)))
    with pytest.raises(ValueError, match="is not on this machine; load it and pass it as model="):
        render.reproduce(path)
    assert not (tmp_path / "data").exists()


# ------------------------------------------------------------------------------------------------------------- mistakes


def test_instruments_of_another_model_are_refused():
    timeline = Timeline.hold(Instrument("one", np.ones(4), "violins", "abc"))
    with pytest.raises(ValueError, match="made for violins"):
        play(song_of(Note(60, 90, 0, 1)), timeline)


def test_songs_of_many_hours_are_to_be_rendered_in_parts():
    with pytest.raises(ValueError, match=r"lasts 2.5 h, but a clip can last only 2 h; take an excerpt"):
        play(song_of(Note(60, 90, 0, 9000.0)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0; it must be 1 or more"),
        ({"batch_size": 2.5}, "batch_size is 2.5; it must be a whole number"),
        ({"seed": -1}, "seed is -1; it must be 0 or more"),
        ({"seed": "luck"}, "seed is 'luck'; it must be a whole number"),
    ],
)
def test_batch_and_seed_are_whole_numbers(arguments, message):
    with pytest.raises(ValueError, match=message):
        play(song_of(Note(60, 90, 0, 1)), **arguments)


def test_render_gives_the_same_samples_twice(tiny):
    song = midi.excerpt(midi.load(DATA / "midi" / "melody14.mid"), 0, 2)
    timeline = Timeline.random(tiny, song.duration, seed=1)
    first, second = (play(song, timeline, tiny) for _ in range(2))
    assert (first.samples == second.samples).all()


def test_a_real_model_holds_a_note_for_ten_seconds(tiny):
    clip = play(song_of(Note(60, 90, 0, 10)), Timeline.hold(instruments.sample(tiny, 1, seed=3)[0]), tiny)
    assert clip.duration == pytest.approx(10 + shaping.RELEASE, abs=1e-3)
    assert level(clip.samples[9 * RATE : 10 * RATE]) > 0


def test_a_clip_of_one_large_batch_can_be_made_again(tmp_path):
    clip = play(song_of(Note(60, 100, 0.0, 1.0)), batch_size=2000)
    again = render.reproduce(clip.report.save(tmp_path / "clip.json"), Stub(), progress=False)
    np.testing.assert_array_equal(again.samples, clip.samples)
