"""helpers.timbre.roles: what each track of a song does in it."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inputs import DATA

from helpers import midi, timbre
from helpers.midi import Note, Song, Track
from helpers.timbre.roles import on_top, texture


def line(*pitches, beats=1.0):
    """Notes that follow each other."""
    return tuple(Note(pitch, 90, beats * i, beats * (i + 1)) for i, pitch in enumerate(pitches))


def chord(*pitches, start=0.0, end=8.0):
    return tuple(Note(pitch, 90, start, end) for pitch in pitches)


TUNE, UNDER, LOW = line(72, 74, 76, 77, 79, 77, 76, 74), line(64, 65, 67, 65, beats=2.0), line(36, 43, beats=4.0)
TRIAD = chord(60, 64, 67)


def song_of(*parts, drums=()):
    tracks = [Track(f"{i}", 0, i in drums, notes) for i, notes in enumerate(parts, start=1)]
    return Song("song", tuple(tracks))


def names(*parts, **how):
    return [role.name for role in timbre.roles_of(song_of(*parts, **how)).values()]


class TestTexture:
    def test_a_line_has_one_voice_and_a_triad_three(self):
        assert texture(TUNE).polyphony == pytest.approx(1)
        assert texture(TRIAD).polyphony == pytest.approx(3)

    def test_silence_does_not_count(self):
        later = chord(60, 64, 67, start=100.0, end=101.0)
        assert texture(chord(60, 64, 67, end=1.0) + later).polyphony == pytest.approx(3)

    def test_it_is_a_mean_over_time(self):
        assert texture(chord(60, 64, end=1.0) + chord(60, start=1.0, end=4.0)).polyphony == pytest.approx(1.25)

    def test_octaves_are_one_voice(self):
        assert texture(chord(36, 48)).polyphony == pytest.approx(1)
        assert texture(chord(36, 48, 55)).polyphony == pytest.approx(2)

    def test_long_notes_count_for_more_of_the_pitch(self):
        assert texture((Note(60, 90, 0, 1), Note(72, 90, 1, 4))).pitch == pytest.approx(69)

    def test_notes_without_a_length(self):
        assert texture((Note(60, 90, 1, 1), Note(64, 90, 2, 2))) == (62, 1)


class TestOnTop:
    def test_time_and_notes_are_shared_out(self):
        shares = on_top({1: chord(72, end=2.0), 2: line(60, 60, 60, 60, beats=1.0)})
        assert shares[1] == (0.5, pytest.approx(1 / 3))
        assert shares[2] == (0.5, pytest.approx(2 / 3))

    def test_a_note_that_comes_out_from_under_another_one_has_time_but_no_note(self):
        shares = on_top({1: chord(72, end=1.0), 2: chord(60, end=2.0)})
        assert shares == {1: (0.5, 1.0), 2: (0.5, 0.0)}

    def test_of_two_that_share_a_note_the_first_one_has_it(self):
        assert on_top({1: TUNE, 2: TUNE}) == {1: (1.0, 1.0), 2: (0.0, 0.0)}

    def test_silence_belongs_to_nobody(self):
        assert on_top({1: chord(60, end=1.0), 2: chord(60, start=9.0, end=10.0)}) == {1: (0.5, 0.5), 2: (0.5, 0.5)}

    def test_notes_without_a_length(self):
        assert on_top({1: (Note(60, 90, 1, 1),)}) == {1: (0.0, 0.0)}
        assert on_top({}) == {}


class TestRolesOf:
    def test_a_band(self):
        assert names(TUNE, UNDER, LOW, TRIAD) == ["melody", "counter-line", "bass", "chords"]

    def test_a_quartet(self):
        quartet = (line(*[pitch] * 8) for pitch in (72, 65, 60, 50))
        assert names(*quartet) == ["melody", "counter-line", "counter-line", "bass"]

    def test_numbers_are_those_of_the_song(self):
        song = song_of(LOW, TUNE, TUNE, (), drums=(1,))
        assert {number: role.name for number, role in timbre.roles_of(song).items()} == {2: "melody", 3: "counter-line"}

    @pytest.mark.parametrize(("notes", "role"), [(TUNE, "melody"), (LOW, "melody"), (TRIAD, "chords")])
    def test_a_track_that_is_alone(self, notes, role):
        assert names(notes) == [role]

    @pytest.mark.parametrize(("pitch", "role"), [(54, "bass"), (55, "counter-line")])
    def test_the_lowest_line_is_a_bass_below_g3(self, pitch, role):
        assert names(TUNE, line(*[pitch] * 8)) == ["melody", role]

    @pytest.mark.parametrize(("pitch", "role"), [(47, "bass"), (48, "counter-line")])
    def test_any_line_is_a_bass_below_c3(self, pitch, role):
        assert names(TUNE, line(*[pitch] * 8), LOW) == ["melody", role, "bass"]

    def test_the_highest_track_is_no_bass(self):
        assert names(LOW, line(24, 24, beats=4.0)) == ["melody", "bass"]

    def test_of_hands_that_both_play_chords_the_upper_one_has_the_melody(self):
        assert names(chord(48, 52, 55), chord(72, 76)) == ["chords", "melody"]
        assert names(LOW, TRIAD) == ["bass", "chords"]

    def test_a_held_note_above_is_not_the_melody(self):
        assert names(TUNE, chord(96, end=3.0)) == ["melody", "counter-line"]

    def test_nor_are_quick_notes_that_a_pause_uncovers(self):
        tune, quick = line(*[72] * 6), line(*[60] * 16, beats=0.5)
        assert names(tune, quick) == ["melody", "counter-line"]

    @pytest.mark.parametrize(("second", "role"), [(3.75, "counter-line"), (4.0, "chords")])
    def test_a_voice_and_a_half_plays_chords(self, second, role):
        assert names(TUNE, chord(60) + chord(64, end=second)) == ["melody", role]

    def test_a_pedal_makes_chords_of_a_line(self):
        broken = line(60, 64, 67, 72, 60, 64, 67, 72)
        pedal = Track("piano", 0, False, broken, {"pedal": ((0.0, 1.0), (8.0, 0.0))})
        song = song_of(TUNE, broken)
        assert timbre.roles_of(song)[2].name == "counter-line"
        song = dataclasses.replace(song, tracks=(song.tracks[0], pedal))
        assert timbre.roles_of(song)[2].name == "chords"

    def test_each_has_a_reason(self):
        whys = [role.why for role in timbre.roles_of(song_of(TUNE, UNDER, LOW, TRIAD)).values()]
        assert whys == [
            "on top for 100% of the time and in 100% of the notes",
            "a line, on top for 0% of the time and in 0% of the notes",
            "a line around E2",
            "3.0 notes at once",
        ]
        assert timbre.roles_of(song_of(TUNE))[1].why == "the only upper line"

    def test_a_song_without_notes(self):
        assert timbre.roles_of(song_of()) == timbre.roles_of(song_of(())) == {}

    def test_bundled_scores(self):
        prelude = midi.load(DATA.parents[1] / "data" / "midi" / "bach_prelude.mid")
        assert [role.name for role in timbre.roles_of(prelude).values()] == ["melody"]


NOTES = st.lists(
    st.builds(
        lambda pitch, start, length: Note(pitch, 90, start / 4, (start + length) / 4),
        st.integers(0, 127),
        st.integers(0, 40),
        st.integers(0, 16),
    ),
    max_size=12,
)
SONGS = st.lists(st.tuples(NOTES, st.booleans()), max_size=5).map(
    lambda parts: Song("song", tuple(Track(f"{i}", 0, drum, tuple(n)) for i, (n, drum) in enumerate(parts)))
)


@given(SONGS)
def test_every_track_of_notes_has_one_role(song):
    found = timbre.roles_of(song)
    assert list(found) == [i for i, track in enumerate(song.tracks, start=1) if track.notes and not track.is_drum]
    roles = [role.name for role in found.values()]
    assert set(roles) <= {"melody", "bass", "chords", "counter-line"}
    assert roles.count("melody") <= 1
    if "counter-line" in roles:
        assert "melody" in roles


@given(SONGS, st.sampled_from([0.5, 2.0]))
def test_tempo_and_order_do_not_matter(song, factor):
    """Times are quarters, so that both factors are exact."""

    def slower(note):
        return dataclasses.replace(note, start=note.start * factor, end=note.end * factor)

    tracks = [dataclasses.replace(t, notes=tuple(map(slower, reversed(t.notes)))) for t in song.tracks]
    other = dataclasses.replace(song, tracks=tuple(tracks))
    assert [role.name for role in timbre.roles_of(other).values()] == [
        role.name for role in timbre.roles_of(song).values()
    ]


@given(SONGS)
def test_shares_add_up(song):
    tracks = {i: track.notes for i, track in enumerate(song.tracks)}
    shares = on_top(tracks)
    for kind in zip(*shares.values(), strict=True):
        assert sum(kind) == pytest.approx(1) or sum(kind) == 0
    for notes in filter(None, tracks.values()):
        pitch, voices = texture(notes)
        assert min(n.pitch for n in notes) - 1e-9 <= pitch <= max(n.pitch for n in notes) + 1e-9
        assert 1 - 1e-9 <= voices <= len(notes) + 1e-9
