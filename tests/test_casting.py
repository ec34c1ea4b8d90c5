"""Which instruments are cast for which General MIDI programs."""

import pytest
from inputs import DATA, Stub

from helpers import casting, instruments
from helpers.casting import FAMILIES, Profile, cast
from helpers.gansynth import checkpoint
from helpers.midi import Note, Song, Track

PIANO, VIOLIN, VIOLA, CELLO, BASS, PIZZICATO, STRINGS, TRUMPET = 0, 40, 41, 42, 43, 45, 48, 56
PROFILES = [
    Profile("Grand Piano", PIANO, "keyboard"),
    Profile("Electric Piano", 4, "keyboard"),
    Profile("Violin", VIOLIN, "string"),
    Profile("Viola", VIOLA, "string"),
    Profile("Cello", CELLO, "string"),
    Profile("Pizzicato", PIZZICATO, "string"),
    Profile("String Ensemble", STRINGS, "string"),
    Profile("Trumpet", TRUMPET, "brass"),
    *(Profile(f"{name}, soft", program, "string") for name, program in (("Violin", VIOLIN), ("Cello", CELLO))),
]


@pytest.fixture(scope="module")
def model():
    """What the bundled checkpoint says of its instruments, without its network."""
    stub = Stub()
    stub.about = checkpoint.read(DATA.parents[1] / "data" / "checkpoints" / "demo").about
    return stub


def song_for(*programs):
    return Song("song", tuple(Track(f"{p}", p, False, (Note(60, 100, 0.0, 1.0),)) for p in programs))


def names(*programs, profiles=PROFILES):
    return [profiles[index].name for index, _ in cast(dict(enumerate(programs, start=1)), profiles).values()]


def test_every_program_has_a_family_or_none():
    assert len(FAMILIES) == 128
    known = {"bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead", "vocal"}
    assert set(FAMILIES) == known | {""}


def test_families_agree_with_the_bundled_checkpoint(model):
    rows = model.about["instruments"]
    assert len(rows) == 134
    assert {row["family"] for row in rows} <= set(FAMILIES) - {""}
    assert [row["name"] for row in rows if FAMILIES[row["program"]] not in ("", row["family"])] == []


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        ([TRUMPET, PIANO], ["Trumpet", "Grand Piano"]),
        (
            [1, PIANO],
            ["Electric Piano", "Grand Piano"],
        ),  # who asks for the piano gets it
        ([BASS], ["Cello"]),
        ([STRINGS + 1], ["String Ensemble"]),
        ([PIZZICATO + 1], ["Pizzicato"]),
        ([VIOLIN, VIOLIN], ["Violin", "Viola"]),
        ([VIOLIN, VIOLIN, VIOLA], ["Violin", "Cello", "Viola"]),
        ([VIOLIN, VIOLIN, VIOLA, CELLO], ["Violin", "Violin, soft", "Viola", "Cello"]),
        ([VIOLIN, VIOLA, CELLO, BASS], ["Violin", "Viola", "Cello", "Cello, soft"]),
        ([TRUMPET, TRUMPET], ["Trumpet", "Trumpet"]),  # rather twice than by a piano
        ([47, 127], []),  # a drum and a gunshot
    ],
)
def test_a_track_gets_the_instrument_of_its_program_or_a_neighbour(programs, expected):
    assert names(*programs) == expected


def test_an_instrument_that_must_play_twice_is_the_one_that_plays_least():
    played = names(*[PIANO] * 6)
    assert sorted(played) == ["Electric Piano"] * 3 + ["Grand Piano"] * 3


def test_reasons_are_sentences():
    programs = {1: PIANO, 2: PIANO, 3: TRUMPET, 4: TRUMPET, 5: BASS}
    whys = {track: why for track, (_, why) in cast(programs, PROFILES).items()}
    assert whys == {
        1: "it is the program that the track asks for",
        2: "it is the nearest neighbour of Grand Piano, which plays track 1",
        3: "it is the program that the track asks for",
        4: "it is the nearest neighbour of Trumpet, which plays track 3; it plays track 3 as well",
        5: "the model has no Contrabass, and it is the nearest one of that family (string)",
    }


def test_instruments_without_a_program_are_cast_by_their_family():
    profiles = [Profile("Glass"), Profile("Fiddle", None, "string")]
    assert names(VIOLIN, profiles=profiles) == ["Fiddle"]
    assert names(PIANO, profiles=profiles) == []


class TestAssign:
    def test_tracks_of_a_band_are_played_by_their_own_instruments(self, model):
        drums = Track("Drums", 0, True, (Note(36, 100, 0.0, 0.1),))
        song = Song("band", (drums, *song_for(73, PIANO, STRINGS, 32).tracks))
        assigned = instruments.assign(model, song, seed=3)
        who = {number: instrument.name for number, (instrument, _) in assigned.items()}
        assert who == {2: "Flute", 3: "Grand Piano", 4: "String Ensemble", 5: "Acoustic Bass"}

    def test_what_has_no_counterpart_is_drawn_from_those_that_are_free(self, model):
        song, drawn = song_for(PIANO, 47, 127), []
        for seed in range(10):
            piano, drum, shot = (instrument.name for instrument, _ in instruments.assign(model, song, seed).values())
            assert piano == "Grand Piano"
            assert len({piano, drum, shot}) == 3
            drawn.append(drum)
        assert len(set(drawn)) > 5
        why = instruments.assign(model, song, seed=7)[2].why
        assert why == "Timpani has no counterpart in this model, so it was drawn with seed 7"

    def test_a_model_without_names_draws_all(self):
        assigned = instruments.assign(Stub(), song_for(PIANO, PIANO, PIANO), seed=5)
        assert [instrument.name for instrument, _ in assigned.values()] == ["stub 5-0", "stub 5-1", "stub 5-2"]
        whys = {why for _, why in assigned.values()}
        assert whys == {"the model has no named instruments, so it was drawn with seed 5"}


def test_program_names():
    assert casting.program_name(73) == "Flute"
