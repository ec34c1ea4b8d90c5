"""helpers.soundfont: tracks as the soundfont plays them."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inputs import RATE

from helpers import soundfont
from helpers.midi import Note, Track

pytest.importorskip("midirenderer", reason="the soundfont player is not installed (pip install midirenderer)")

LEAD = 80  # a General MIDI program that is in tune and holds a note
FULL = {"volume": ((0.0, 1.0),), "expression": ((0.0, 1.0),)}


def played(*notes, program=LEAD, is_drum=False, rate=RATE, **controls):
    """Notes as the soundfont plays them, at full level: [samples, 2]."""
    return added_up(Track("track", program, is_drum, notes, FULL | controls), rate)


def added_up(track, rate=RATE):
    pieces = list(soundfont.play(track, rate))
    wave = np.zeros((max(start + len(samples) for start, samples in pieces), 2))
    for start, samples in pieces:
        wave[start : start + len(samples)] += samples
    return wave


def rms(wave, start, end):
    """Level of each channel from one second to another."""
    return np.sqrt((wave[round(start * RATE) : round(end * RATE)] ** 2).mean(axis=0))


def pitch_of(wave, start, end):
    """Frequency in Hz of the strongest partial from one second to another."""
    inside = wave[round(start * RATE) : round(end * RATE)].mean(axis=1)
    spectrum = np.abs(np.fft.rfft(inside * np.hanning(len(inside)), 8 * len(inside)))
    return np.argmax(spectrum) * RATE / (8 * len(inside))


@pytest.mark.parametrize("pitch", [36, 38, 42, 49])  # bass drum, snare, hi-hat, crash cymbal
def test_drums_sound_at_their_times(pitch):
    hits = 0.5, 4.25, 9.0
    wave = played(*(Note(pitch, 100, hit, hit + 0.1) for hit in hits), is_drum=True)
    assert (rms(wave, 0.0, 0.49) < 1e-3).all()
    for hit in hits:
        assert (rms(wave, hit, hit + 0.05) > 0.005).all()
        assert (rms(wave, hit - 0.1, hit - 0.01) < 0.1 * rms(wave, hit, hit + 0.05)).all()


@pytest.mark.parametrize("pitch", [36, 38, 42, 44, 49, 71])
def test_a_drum_is_a_hit_however_short_its_note_is(pitch):
    """A pedal hi-hat (44) and a short whistle (71) would else lose more than 10 dB."""
    short, usual = (np.sum(played(Note(pitch, 100, 0.5, 0.5 + length), is_drum=True) ** 2) for length in (0.0, 0.1))
    assert short == pytest.approx(usual, rel=1e-3)


def test_a_short_roll_has_all_its_hits():
    hits = [Note(38, 100, 0.04 * i, 0.04 * i + 0.001) for i in range(8)]
    wave = played(*hits, is_drum=True)
    for hit in hits[1:]:
        assert (rms(wave, hit.start, hit.start + 0.02) > 0.02).all()


def test_a_cymbal_rings_on():
    wave = played(Note(49, 100, 0.0, 0.1), is_drum=True)
    assert len(wave) >= 4 * RATE
    assert (rms(wave, 1.0, 1.5) > 1e-3).all()


@pytest.mark.parametrize(("pitch", "frequency"), [(57, 220.0), (69, 440.0), (81, 880.0)])
def test_a_melody_is_in_tune(pitch, frequency):
    wave = played(Note(pitch, 100, 1.0, 2.0))
    assert (rms(wave, 0.0, 0.99) < 1e-3).all()
    assert pitch_of(wave, 1.2, 1.9) == pytest.approx(frequency, rel=0.01)
    assert (rms(wave, 3.5, 4.0) < 1e-3).all()


def test_each_program_has_a_sound_of_its_own():
    piano, violin = (played(Note(69, 100, 0.0, 1.0), program=program) for program in (0, 40))
    assert rms(violin, 0.8, 1.0).mean() > 2 * rms(piano, 0.8, 1.0).mean()  # a piano's dies away


@pytest.mark.parametrize("semitones", [-12.0, -0.5, 2.0, 12.0])
def test_bends_are_heard(semitones):
    straight = played(Note(69, 100, 0.0, 2.0))
    wave = played(Note(69, 100, 0.0, 2.0), bend=((1.0, semitones),))
    assert pitch_of(wave, 0.2, 0.9) == pytest.approx(pitch_of(straight, 0.2, 0.9), rel=1e-3)
    assert pitch_of(wave, 1.2, 1.9) == pytest.approx(pitch_of(straight, 1.2, 1.9) * 2 ** (semitones / 12), rel=2e-3)


def test_a_note_bent_by_two_semitones():
    assert pitch_of(played(Note(69, 100, 0.0, 2.0), bend=((0.0, 2.0),)), 0.2, 1.8) == pytest.approx(493.9, rel=0.01)


@pytest.mark.parametrize("kind", ["volume", "expression"])
def test_volume_and_expression_are_followed(kind):
    wave = played(Note(69, 100, 0.0, 3.0), **{kind: ((0.0, 1.0), (1.0, 0.5), (2.0, 0.0))})
    full, half, none = (rms(wave, second + 0.3, second + 0.9).mean() for second in range(3))
    assert half == pytest.approx(full / 4, rel=0.2)  # General MIDI: the level is the square of the controller
    assert none < 0.01 * full  # the room's reverberation


def test_a_track_without_controllers_is_played_at_the_levels_of_general_midi():
    notes = (Note(69, 100, 0.0, 1.0),)
    expected = played(*notes, volume=((0.0, 100 / 127),), expression=((0.0, 1.0),), pan=((0.0, 0.0),))
    np.testing.assert_allclose(added_up(Track("track", LEAD, False, notes)), expected, atol=1e-6)


@pytest.mark.parametrize(("pan", "loud", "soft"), [(1.0, 1, 0), (-1.0, 0, 1)])
def test_pan_moves_the_sound(pan, loud, soft):
    power = (played(Note(69, 100, 0.0, 1.0), pan=((0.0, pan),)) ** 2).sum(axis=0)
    assert power[soft] < 0.05 * power[loud]  # what is left is the room's reverberation
    power = (played(Note(69, 100, 0.0, 1.0), pan=((0.0, 0.0),)) ** 2).sum(axis=0)
    assert power[soft] == pytest.approx(power[loud], rel=0.5)


def test_the_pedal_holds_notes():
    piano = [played(Note(60, 100, 0.0, 0.5), program=0, pedal=((0.0, pedal), (2.0, 0.0))) for pedal in (0.0, 1.0)]
    released, held = (rms(wave, 1.0, 2.0).mean() for wave in piano)
    assert held > 10 * released
    assert rms(piano[1], 3.0, 4.0).mean() < 0.1 * held


@pytest.mark.parametrize("order", [1, -1])
def test_a_key_can_be_struck_again_as_it_comes_up(order):
    wave = played(*(Note(69, 100, 0.0, 1.0), Note(69, 100, 1.0, 2.0))[::order])
    assert (rms(wave, 1.2, 1.9) > 0.1).all()
    assert (rms(wave, 3.0, 4.0) < 1e-3).all()


def test_velocity_sets_the_level():
    soft, loud = (np.abs(played(Note(69, velocity, 0.0, 1.0))).max() for velocity in (40, 120))
    assert 0 < soft < 0.5 * loud


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000])
def test_a_full_snare_peaks_as_a_full_note(rate):
    assert np.abs(played(Note(38, 127, 0.0, 0.5), is_drum=True, rate=rate)).max() == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_seconds_stay_where_they_are_at_any_rate(rate):
    wave = played(Note(38, 100, 61.5, 61.6), is_drum=True, rate=rate)
    assert np.argmax(np.abs(wave).max(axis=1) > 0.05) == pytest.approx(61.5 * rate, abs=0.01 * rate)


# Both sides of an edge, on it, and across it; the notes are apart so that no two of them share a voice.
LONG = Note(69, 100, 1.0, 2.0), Note(64, 100, 55.0, 62.0), Note(72, 100, 60.0, 61.0), Note(76, 100, 70.0, 71.0)


def test_pieces_of_a_long_track_add_up(monkeypatch):
    moves = {"volume": ((0.0, 1.0), (50.0, 0.6), (70.5, 0.4)), "bend": ((0.5, 1.0),), "pan": ((30.0, 0.5),)}
    pieces = played(*LONG, **moves)
    monkeypatch.setattr(soundfont, "CHUNK", 1000.0)
    whole = played(*LONG, **moves)
    for start in np.arange(0.0, 74.0, 0.25):
        np.testing.assert_allclose(rms(pieces, start, start + 0.25), rms(whole, start, start + 0.25), atol=0.01)
    assert (rms(pieces, 70.0, 71.0) > 0.02).all()
    assert pitch_of(pieces, 70.2, 70.9) == pytest.approx(698.5, rel=0.01)  # a semitone above 76
    assert (rms(pieces, 66.0, 69.9) < 1e-3).all()


def test_long_tracks_come_in_pieces_of_up_to_a_minute():
    starts = [start for start, _ in soundfont.play(Track("track", LEAD, False, LONG), RATE)]
    assert starts == [0, 55 * RATE, 60 * RATE]  # nothing is played of the rest of 53 s
    late = Track("track", LEAD, False, (Note(69, 100, 185.0, 186.0),))
    assert [start for start, _ in soundfont.play(late, RATE)] == [180 * RATE]  # nothing is played of the silence before


def test_a_track_without_notes_gives_nothing():
    assert list(soundfont.play(Track("track", LEAD, False, ()), RATE)) == []


@pytest.mark.parametrize("length", [0.0, 1e-5, 0.001, 0.01])
def test_very_short_notes_come_to_an_end(length):
    wave = played(Note(69, 100, 0.5, 0.5 + length), Note(100, 1, 6.0, 6.1))
    assert (rms(wave, 3.0, 5.9) < 1e-3).all()


NOTES = st.builds(
    lambda pitch, velocity, start, length: Note(pitch, velocity, start, start + length),
    st.integers(0, 127), st.integers(1, 127), st.floats(0, 3), st.floats(0.001, 2),
)  # fmt: skip


@settings(max_examples=15)
@given(st.lists(NOTES, min_size=1, max_size=20), st.integers(0, 127), st.booleans(), st.floats(-48, 48))
def test_any_notes_give_finite_audio(notes, program, is_drum, bend):
    wave = played(*notes, program=program, is_drum=is_drum, bend=((1.0, bend),))
    assert np.isfinite(wave).all()
    assert len(wave) >= max(note.end for note in notes) * RATE


@pytest.mark.parametrize("before", [[], [Note(38, 100, 0.0, 0.1)]])
def test_without_a_player_there_is_one_sentence(monkeypatch, before):
    soundfont._snare_peak.cache_clear()
    soundfont._soundfont.cache_clear()
    if before:
        played(*before)  # whatever is remembered of it
    monkeypatch.setitem(sys.modules, "midirenderer", None)  # makes importing it fail
    with pytest.raises(ImportError, match="soundfont player is not installed: pip install midirenderer"):
        played(Note(38, 100, 0.0, 0.1))
