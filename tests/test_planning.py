"""helpers.render.planning: who plays each track, and what there is to play."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inputs import RATE, Stub, song_of

from helpers import instruments
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note, Song, Track
from helpers.render import controllers, mixing, original, planning
from helpers.render.planning import fold, plan, resolve, transposition
from helpers.render.shaping import RELEASE, bend
from helpers.render.types import Part, ResolvedPart, Settings

A, B, C = (Instrument(name, np.full(4, value)) for name, value in (("a", 1.0), ("b", -1.0), ("c", 0.5)))
ONE = Timeline.hold(A)
NOTE = Note(60, 100, 0.0, 1.0)
TRIO = Song(
    "trio",
    (
        Track("Flute", 40, False, (NOTE,)),  # named like another program than its own
        Track("Melody", 73, False, (NOTE,)),
        Track("Melody 2", 73, False, (NOTE,)),
        Track("Drums", 0, True, (Note(38, 90, 0.0, 0.1),)),
    ),
)


def planned(song, parts=None, **choices):
    return plan(song, resolve(Stub(), song, parts, A), Settings(**choices))


def players(parts, default=C):
    """Names of the instruments that the four tracks of the trio get."""
    resolved = resolve(Stub(), TRIO, parts, default)
    return [part.timeline and part.timeline.instruments[0].name for part in resolved]


# ------------------------------------------------------------------------------------------------------------ who plays


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (A, ["a", "a", "a", "a"]),
        (ONE, ["a", "a", "a", "a"]),
        ({1: A}, ["a", "c", "c", "c"]),
        ({"melody": A}, ["c", "a", "c", "c"]),
        ({"program 73": A}, ["c", "a", "a", "c"]),
        ({"Flute": A}, ["a", "c", "c", "c"]),  # a name counts before a program
        ({"violin": A}, ["a", "c", "c", "c"]),
        ({"program 73": A, "Melody": B}, ["c", "b", "a", "c"]),
        ({"Melody": B, "program 73": A}, ["c", "b", "a", "c"]),  # whatever the order
        ({2: ONE, "Melody": B}, ["c", "a", "c", "c"]),
        ({1: instruments.Assignment(B, "as it will do")}, ["b", "c", "c", "c"]),
        ({"Melody": Part(B, gain=-3)}, ["c", "b", "c", "c"]),
        ({"Melody": Part(mute=True)}, ["c", "c", "c", "c"]),
    ],
)
def test_tracks_are_meant_by_number_name_or_program(parts, expected):
    assert players(parts) == expected


@pytest.mark.parametrize("key", ["Tuba", 0, 5, "program 12", 1.5])
def test_a_key_that_means_no_track_is_refused(key):
    with pytest.raises(ValueError, match=r"has no track .*; its tracks are 1 'Flute', 2 'Melody'"):
        players({key: A})


def test_without_a_default_each_track_gets_an_instrument_of_its_own():
    names = players(None, default=None)
    assert len(set(names[:3])) == 3
    assert names[3] is None  # drums
    assert names == players(None, default=None)
    default, first, other = (
        [part.timeline.instruments[0].z.tolist() for part in resolve(Stub(), TRIO, None, None, **seed)[:3]]
        for seed in ({}, {"seed": 0}, {"seed": 1})
    )
    assert default == first != other


def test_named_instruments_are_drawn_without_repeats_while_they_last():
    model = Stub()
    model.about = {"instruments": [{"name": f"i{k}", "z": [float(k)] * 4} for k in range(5)]}
    song = Song("s", tuple(Track(f"t{k}", 0, k == 3, (NOTE,)) for k in range(8)))
    assigned = instruments.assign(model, song, seed=4)
    assert sorted(assigned) == [1, 2, 3, 5, 6, 7, 8]  # the fourth track is drums
    names = [instrument.name for instrument, _ in assigned.values()]
    assert len(set(names[:5])) == 5
    assert names[5:] == names[:2]


def test_instruments_of_another_model_are_refused():
    with pytest.raises(ValueError, match="made for violins; stub would give a different sound"):
        resolve(Stub(), TRIO, {1: Instrument("one", np.ones(4), "violins", "abc")}, A)
    with pytest.raises(ValueError, match="made for another model named stub; stub would give a different sound"):
        resolve(Stub(), TRIO, {1: Instrument("one", np.ones(4), "stub", "abc")}, A)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"instrument": "Flute"}, "not by 'Flute'"),
        ({"gain": 100.0}, "gain is 100.0 dB"),
        ({"pan": 2.0}, "pan is 2.0"),
        ({"pan": "left"}, "pan is 'left'; it must be a number"),
        ({"gain": None}, "gain is None; it must be a number"),
    ],
)
def test_a_part_checks_itself(arguments, message):
    with pytest.raises(ValueError, match=message):
        Part(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"drums": "loud"}, "drums is 'loud'; it can be 'skip', 'synth'"),
        ({"pitch": "bend"}, "pitch is 'bend'"),
        ({"sustain": "on"}, "sustain is 'on'"),
        ({"attack": -0.1}, "attack is -0.1; it must be between 0 and 30"),
        ({"release": 31.0}, "release is 31.0"),
        ({"release": "long"}, "release is 'long'; it must be a number"),
        ({"velocity": True}, "velocity is True; it must be a number"),
        ({"velocity": float("nan")}, "velocity is nan"),
        ({"loudness": 3.0}, "loudness is 3.0; it must be between -70 and 0"),
        ({"resolution": 0.0}, "resolution is 0.0; it must be between 0.001 and 3600"),
        ({"sample_rate": 8000}, "sample_rate is 8000; it can be 16000, 22050, 44100, 48000"),
        ({"stereo": "yes"}, "stereo is 'yes'"),
        ({"faithful": True, "drums": "synth"}, "faithful=True plays as the original does"),
    ],
)
def test_settings_check_themselves(arguments, message):
    with pytest.raises(ValueError, match=message):
        Settings(**arguments)


# --------------------------------------------------------------------------------------------------------- what to play


@given(st.integers(-200, 300))
def test_fold_moves_by_octaves_into_range(pitch):
    folded = fold(pitch, 24, 84)
    assert 24 <= folded <= 84
    assert (folded - pitch) % 12 == 0
    if 24 <= pitch <= 84:
        assert folded == pitch
    else:  # by no more octaves than it takes
        assert abs(folded - pitch) - 12 < max(24 - pitch, pitch - 84)


@given(st.lists(st.integers(0, 127), min_size=1, max_size=30))
def test_transposition_is_the_smallest_of_the_best(pitches):
    def outside(move):
        return sum(not 24 <= pitch + move <= 84 for pitch in pitches)

    move = transposition(pitches, 24, 84)
    assert outside(move) == min(map(outside, range(-127, 128)))
    assert not any(outside(smaller) == outside(move) for smaller in range(-abs(move) + 1, abs(move)))


HIGH = song_of(Note(90, 90, 0, 1), Note(97, 90, 0, 1), Note(60, 90, 0, 1))


def test_pitches_outside_are_folded_and_counted():
    folded = planned(HIGH)
    assert folded.pitches.tolist() == [78, 73, 60]
    assert folded.moved == {"F♯6 to F♯5": 1, "C♯7 to C♯5": 1}


def test_pitches_outside_are_dropped_and_counted():
    dropped = planned(HIGH, pitch="drop")
    assert dropped.pitches.tolist() == [60]
    assert dropped.skipped == {"outside C1 to C6": 2}


def test_the_whole_song_is_shifted_to_where_it_fits():
    shifted = planned(HIGH, pitch="shift")
    assert shifted.transposed == -13
    assert shifted.pitches.tolist() == [77, 84, 47]
    assert not shifted.moved
    assert planned(song_of(NOTE), pitch="shift").transposed == 0


def test_what_no_shift_can_fit_is_folded():
    wide = planned(song_of(Note(0, 90, 0, 1), Note(60, 90, 0, 1), Note(127, 90, 0, 1)), pitch="shift")
    assert wide.pitches.min() >= 24
    assert wide.pitches.max() <= 84
    assert sum(wide.moved.values()) == 1


def test_drums_never_become_pitches():
    assert planned(TRIO).tracks.tolist() == [0, 1, 2]
    assert planned(TRIO).skipped == {"drums (drums='synth' plays them)": 1}
    assert planned(TRIO, drums="synth").tracks.tolist() == [0, 1, 2]
    assert planned(TRIO, drums="synth").skipped == {}


def test_mute_and_solo():
    assert planned(TRIO, {1: Part(mute=True)}).tracks.tolist() == [1, 2]
    assert planned(TRIO, {1: Part(solo=True), 3: Part(solo=True)}).tracks.tolist() == [0, 2]
    assert planned(TRIO, {1: Part(solo=True, mute=True), 2: Part(solo=True)}).tracks.tolist() == [1]
    assert planned(TRIO, {1: Part(solo=True)}).skipped == {"not soloed": 3}


def test_long_notes_are_looped_or_let_go():
    song = song_of(Note(60, 90, 0, 10.0), Note(62, 90, 0, 3.0))
    looped, once = planned(song), planned(song, sustain="once")
    assert looped.holds.tolist() == [10.0, 3.0]
    assert looped.loops.tolist() == [True, False]
    assert looped.durations.tolist() == pytest.approx([3.0, 3.3])  # what the loop is cut from
    assert once.holds.tolist() == [3.0, 3.0]
    assert (looped.shortened, once.shortened) == (0, 1)
    assert not once.loops.any()


def test_a_key_that_got_stuck_is_let_go():
    assert planned(song_of(Note(60, 90, 0, 4000.0))).holds.tolist() == [planning.MAX_NOTE_DURATION]


@given(st.lists(st.floats(0, 300), min_size=1, max_size=30), st.floats(0.1, 2000))
def test_notes_that_last_too_long_together_are_cut_to_one_length(holds, total):
    holds = np.array(holds)
    cut = planning._within(holds, total)
    if holds.sum() <= total:
        assert (cut == holds).all()
    else:
        assert cut.sum() == pytest.approx(total)
        assert np.ptp(cut[cut < holds]) < 1e-9


def test_a_stuck_key_of_many_presses_takes_no_more_time_than_a_symphony():
    stuck = planned(song_of(*(Note(60, 90, i * 0.01, 3000.0) for i in range(2000))))
    assert stuck.holds.sum() == pytest.approx(planning.MAX_TOTAL_DURATION)
    assert stuck.shortened == 2000


def test_the_pedal_holds_notes_unless_controllers_are_off():
    song = song_of(Note(60, 90, 0, 1.0), controls={"pedal": ((0.5, 1.0), (2.0, 0.0))})
    assert planned(song).holds.tolist() == [2.0]
    assert planned(song).pedalled == 1
    assert planned(song, controllers=False).holds.tolist() == [1.0]


def test_a_bend_upwards_needs_more_of_the_sound():
    song = song_of(Note(60, 90, 0, 1.0), Note(60, 90, 5.0, 6.0), controls={"bend": ((0.0, 12.0), (3.0, 0.0))})
    bent = planned(song)
    assert bent.bent.tolist() == [True, False]
    assert bent.durations.tolist() == pytest.approx([2.6, 1.3], abs=0.01)
    assert not planned(song, controllers=False).bent.any()


@pytest.mark.parametrize("semitones", [-12.0, 0.5, 7.0, 12.0])
def test_a_bent_note_does_not_run_out_of_its_sound(semitones):
    """As much of the sound is generated as reading it faster takes, with what the interpolation looks at beyond it."""
    notes = planned(song_of(NOTE, controls={"bend": ((0.0, semitones),)}))
    sound = np.sin(2 * np.pi * 220 * np.arange(4 * RATE) / RATE)
    curve = np.full(int((1.0 + RELEASE) * RATE), semitones)
    got = bend(sound[: int(notes.durations[0] * RATE)], curve)
    np.testing.assert_allclose(got[-100:], bend(sound, curve)[-100:], atol=1e-3)


def test_a_bent_note_is_looped_before_it_reads_the_sound_of_a_released_key():
    song = song_of(Note(60, 90, 0, 1.6), controls={"bend": ((0.0, 12.0),)})
    assert planned(song).loops.tolist() == [True]  # 1.6 s at twice the speed take 3.2 s of a sound held for 3
    assert planned(song, controllers=False).loops.tolist() == [False]


def test_a_stuck_key_that_is_bent_is_let_go_earlier():
    song = song_of(Note(60, 90, 0, 4000.0), controls={"bend": ((0.0, 12.0),)})
    assert planned(song).holds.tolist() == [planning.MAX_NOTE_DURATION / 2]


def test_absurd_bends_stop_at_two_octaves():
    song = song_of(Note(60, 90, 0, 0.5), controls={"bend": ((0.0, 120.0),)})
    assert planned(song).durations.tolist() == pytest.approx([0.8 * 4], abs=0.01)


@pytest.mark.parametrize(
    ("song", "choices", "message"),
    [
        (song_of(Note(38, 90, 0, 1), is_drum=True), {}, r"nothing to play: 1 drums \(drums='synth' plays them\)"),
        (song_of(Note(12, 90, 0, 1)), {"pitch": "drop"}, "nothing to play: 1 outside C1 to C6"),
        (Song("s", ()), {}, "nothing to play: it has no notes"),
    ],
)
def test_nothing_to_play(song, choices, message):
    with pytest.raises(ValueError, match=message):
        planned(song, **choices)


def test_faithful_keeps_the_original_range_and_its_drums():
    pitched, drums = song_of(Note(30, 90, 0, 1), Note(90, 90, 0, 1)), song_of(Note(38, 90, 0, 9), is_drum=True)
    song = Song("s", drums.tracks + pitched.tracks)
    played = original.plan(song, resolve(Stub(), song, A))
    assert played.pitches.tolist() == [38]
    assert played.holds.tolist() == [3.0]
    assert played.skipped == {"outside 36 to 84": 2}
    assert played.tracks.tolist() == [0]
    with pytest.raises(ValueError, match="no notes between 36 and 84"):
        original.plan(pitched, resolve(Stub(), pitched, A))


def test_unclosed_notes_are_told():
    assert planned(dataclasses.replace(song_of(NOTE), unclosed=3)).skipped == {"never end in the file": 3}


NOTES = st.lists(
    st.builds(
        lambda pitch, start, length: Note(pitch, 90, start, start + length),
        st.integers(0, 127), st.floats(0, 50), st.floats(0, 20),
    ),
    min_size=1, max_size=20,
)  # fmt: skip


@given(NOTES)
def test_a_held_instrument_gives_every_note_the_same_z(notes):
    assert (planned(song_of(*notes)).z == A.z).all()


@given(NOTES, st.sampled_from(["fold", "shift", "drop"]), st.sampled_from(["loop", "once"]))
def test_every_note_is_planned_or_accounted_for(notes, pitch, sustain):
    song = song_of(*notes, Note(60, 90, 0, 1))
    made = planned(song, pitch=pitch, sustain=sustain)
    assert len(made) + sum(made.skipped.values()) == len(notes) + 1
    assert ((made.pitches >= 24) & (made.pitches <= 84)).all()
    assert ((made.durations > 0) & (made.durations <= 4.0)).all()
    assert made.end == pytest.approx((made.starts + made.holds).max())


@given(NOTES, st.floats(0.01, 10))
def test_with_a_resolution_instruments_move_in_steps(notes, step):
    timeline = Timeline([A, C], at=[0, 60])
    z = planned(song_of(*notes), timeline, resolution=step).z
    exact = planned(song_of(*notes), timeline).z
    moments = {round(note.start / step) for note in notes}
    assert len(np.unique(z, axis=0)) <= len(moments)
    fastest = np.abs(C.z - A.z).max() / 60 * 1.01
    assert np.abs(z - exact).max() <= fastest * step / 2 + 1e-9


@given(NOTES)
def test_each_note_takes_the_instrument_of_its_start(notes):
    timeline = Timeline([A, B, C], at=[0, 20, 40])
    song = song_of(*notes)
    np.testing.assert_allclose(planned(song, timeline).z, timeline.z([note.start for note in notes]))


def test_a_track_that_sets_no_volume_has_general_midis():
    """100 of 127, and full expression: a track that sets 127 stands out among such."""
    songs = song_of(NOTE), song_of(NOTE, controls={"volume": ((0.0, 1.0),), "expression": ((0.0, 1.0),)})
    silent, loud = (controllers.curves(song, [ResolvedPart(None)], Settings())[0] for song in songs)
    at = np.zeros(1)
    [[ratio]] = mixing.levels(silent, 0.0, at, 1) / mixing.levels(loud, 0.0, at, 1)
    assert ratio == pytest.approx((100 / 127) ** 2)


def test_the_corpus_of_controllers_makes_curves():
    song = song_of(NOTE, controls={"volume": ((0.0, 1.0),), "pan": ((0.0, -1.0),)})
    [moves] = controllers.curves(song, [ResolvedPart(None)], Settings())
    times = np.array([0.0, 0.5, 1.0])
    assert {kind: curve(times).tolist() for kind, curve in moves.items()} == {
        "volume": [1.0] * 3, "expression": [1.0] * 3, "pan": [-1.0] * 3, "bend": [0.0] * 3,
    }  # fmt: skip
    assert controllers.curves(song, [ResolvedPart(None, pan=0.5)], Settings())[0]["pan"](times).tolist() == [0.5] * 3
    [still] = controllers.curves(song, [ResolvedPart(None)], Settings(controllers=False))
    assert still["volume"](times).tolist() == [controllers.VOLUME] * 3
