"""helpers.timbre.styles and by_style: which programs play in a style, and who is cast for a song."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inputs import DATA, Stub, misfits
from test_roles import LOW, SONGS, TRIAD, TUNE, UNDER

from helpers import casting, instruments, midi, render, timbre
from helpers.casting import FAMILIES
from helpers.gansynth import checkpoint
from helpers.midi import Song, Track
from helpers.timbre import Candidate, by_style, styles

ROOT = DATA.parents[1]
SCORES = sorted([*(ROOT / "data" / "midi").glob("*.mid"), *(DATA / "midi").glob("*.mid")])
PIANO, BANDONEON, BASS, VIOLIN, STRINGS, TIMPANI, FLUTE, GUNSHOT = 0, 23, 32, 40, 48, 47, 73, 127
TANGO = {"bass": {BASS: 2}, "chords": {PIANO: 1, BANDONEON: 2, STRINGS: 1}, "lines": {BANDONEON: 1, VIOLIN: 1}}


@pytest.fixture(scope="module")
def demo():
    """What the bundled checkpoint says of its instruments, without its network."""
    stub = Stub()
    stub.about = checkpoint.read(ROOT / "data" / "checkpoints" / "demo").about
    stub.latent_vector_size = 256
    return stub


def band(*programs, named=True):
    """A tune, a bass, chords and a counter-line."""
    parts = zip((TUNE, LOW, TRIAD, UNDER), programs, strict=False)
    return Song("band", tuple(Track(f"{p}", p, False, notes, {}, named) for notes, p in parts))


def who(cast):
    return [instrument.name for instrument, _ in cast.values()]


def whys(cast):
    return [why for _, why in cast.values()]


def guessed(*families, first=0.9):
    """Candidates by a guess, each surer than the next."""
    drawn = instruments.sample(Stub(), len(families), seed=1)
    return [Candidate(player, f, first - i / 100) for i, (player, f) in enumerate(zip(drawn, families, strict=True))]


class TestStyles:
    def test_all_files_are_in_a_style_and_in_one_only(self):
        files = [file for name in timbre.style_names() for file in timbre.style(name).files]
        assert sorted(files) == sorted(json.loads(styles.COUNTS.read_text("utf-8"))["styles"])
        assert timbre.style_names() == sorted(set(timbre.style_names()))

    def test_a_style_of_one_file_has_its_counts(self):
        style = timbre.style("tango")
        assert style.files == ("stdlib/tango",)
        assert style.parts == {
            part: {program: count / sum(counts.values()) for program, count in counts.items()}
            for part, counts in TANGO.items()
        }
        assert style.programs == {BANDONEON: 3 / 8, BASS: 2 / 8, PIANO: 1 / 8, VIOLIN: 1 / 8, STRINGS: 1 / 8}
        assert list(style.programs)[:2] == [BANDONEON, BASS]

    def test_files_of_one_name_have_the_same_weight(self, monkeypatch):
        counts = {
            "a/tune1": {"bass": {32: 98, 33: 2}},
            "b/tune2": {"bass": {33: 1}, "lines": {73: 1}},
            "c/tune": {"chords": {0: 1}},
            "c/tune68": {"chords": {1: 1}},
        }
        monkeypatch.setattr(styles, "_counts", lambda: counts)
        monkeypatch.setattr(styles, "_by_name", styles._by_name.__wrapped__)
        tune = timbre.style("tune")
        assert tune.files == ("a/tune1", "b/tune2", "c/tune")
        assert tune.parts["bass"] == {33: pytest.approx(0.51), 32: pytest.approx(0.49)}
        assert tune.parts["lines"] == {73: 1}  # of the files that have any
        assert list(tune.parts) == ["bass", "chords", "lines"]
        third = pytest.approx(1 / 3)
        assert tune.programs[0] == third
        assert tune.programs[73] == pytest.approx(1 / 6)

    @pytest.mark.parametrize(
        ("name", "files"),
        [
            ("Bossa Nova", ["stdlib/bossanova"]),
            ("ROCK", ["casio/rock1", "casio/rock2", "pflib/rock1"]),
            ("casio/rock2", ["casio/rock2"]),
            ("hip-hop", ["alexis/hiphop", "casio/hip-hop"]),
            ("R&B", ["casio/r+b", "stdlib/rb"]),
            ("ballad68", ["stdlib/ballad68"]),
        ],
    )
    def test_spelling_does_not_matter(self, name, files):
        assert list(timbre.style(name).files) == files

    @pytest.mark.parametrize(
        ("name", "nearest"),
        [
            ("tangoo", "the nearest names are tango, lighttango"),
            ("bossa", "the nearest names are kbossa, bossanova, jazzbossa"),
            ("zydecko", "the nearest name is zydeco"),
            ("xyzzy", "timbre.style_names() lists all styles"),
            ("", "timbre.style_names() lists all styles"),
        ],
    )
    def test_of_an_unknown_one_the_nearest_are_named(self, name, nearest):
        with pytest.raises(ValueError, match="there is no style") as error:
            timbre.style(name)
        assert str(error.value) == f"there is no style {name!r}; {nearest}"

    def test_a_name_is_a_text(self):
        with pytest.raises(ValueError, match="not None"):
            timbre.style(None)

    def test_no_more_than_five_are_named(self):
        with pytest.raises(ValueError, match="there is no style 'jazz'") as error:
            timbre.style("jazz")
        assert str(error.value).count(",") == 4

    @given(st.sampled_from(timbre.style_names()))
    def test_shares_add_up(self, name):
        style = timbre.style(name)
        assert style.name == name
        for shares in (style.programs, *style.parts.values()):
            assert sum(shares.values()) == pytest.approx(1)
            assert list(shares.values()) == sorted(shares.values(), reverse=True)
            assert shares.keys() <= style.programs.keys() <= set(range(128))

    def test_it_is_shown_with_its_source(self):
        assert "of MMA" in str(timbre.style("tango"))
        shown = timbre.style("tango")._repr_html_()
        assert "<td" in shown
        assert "Violin 50%" in shown


class TestCast:
    def test_the_programs_of_the_file_come_first(self, demo):
        cast = timbre.cast(band(FLUTE, BASS, PIANO, VIOLIN), demo, "tango")
        assert who(cast) == ["Flute", "Acoustic Bass", "Grand Piano", "Violin"]
        assert set(whys(cast)) == {casting.ASKED}

    def test_the_style_decides_for_tracks_without_a_program(self, demo):
        cast = timbre.cast(band(0, 0, 0, 0, named=False), demo, "tango")
        assert who(cast) == ["Bandoneon", "Acoustic Bass", "Grand Piano", "Violin"]
        assert whys(cast) == [
            "the track has the melody, and tango gives 50% of its lines to Tango Accordion",
            "the track is the bass, and tango gives 100% of its bass to Acoustic Bass",
            "the track plays chords, and tango gives 25% of its chords to Acoustic Grand Piano",
            "the track is a counter-line, and tango gives 50% of its lines to Violin",
        ]

    def test_pianos_everywhere_count_as_no_choice(self, demo):
        assert who(timbre.cast(band(0, 0), demo, "tango")) == ["Bandoneon", "Acoustic Bass"]
        assert who(timbre.cast(band(0, BASS), demo, "tango")) == ["Grand Piano", "Acoustic Bass"]

    def test_one_track_alone_may_have_no_program(self, demo):
        song = band(0, BASS, PIANO)
        unnamed = dataclasses.replace(song.tracks[0], has_program=False)
        song = dataclasses.replace(song, tracks=(unnamed, *song.tracks[1:]))
        assert who(timbre.cast(song, demo, "tango")) == ["Bandoneon", "Acoustic Bass", "Grand Piano"]

    def test_the_user_may_overrule_the_file(self, demo):
        cast = timbre.cast(band(FLUTE, BASS, FLUTE, FLUTE), demo, "tango", keep=False)
        assert who(cast) == ["Bandoneon", "Acoustic Bass", "Grand Piano", "Violin"]

    def test_the_style_avoids_programs_that_tracks_have(self, demo):
        song = band(BANDONEON, BASS, 0)
        unnamed = dataclasses.replace(song.tracks[2], has_program=False)
        song = dataclasses.replace(song, tracks=(*song.tracks[:2], unnamed))
        assert who(timbre.cast(song, demo, "tango")) == ["Bandoneon", "Acoustic Bass", "Grand Piano"]

    def test_a_program_without_a_counterpart_is_said_and_the_style_decides(self, demo):
        cast = timbre.cast(band(FLUTE, TIMPANI, GUNSHOT), demo, "tango")
        assert who(cast) == ["Flute", "Acoustic Bass", "Bandoneon"]
        assert whys(cast)[1].startswith("Timpani has no counterpart in this model; the track is the bass")
        assert whys(cast)[2].startswith("Gunshot has no counterpart in this model; the track plays chords")

    def test_a_neighbour_says_that_it_is_one(self, demo):
        cast = timbre.cast(band(0, 0, 0, named=False), demo, "rock")
        assert whys(cast)[0] == (
            "the track has the melody, and rock gives 100% of its lines to Overdriven Guitar; the model has no "
            "Overdriven Guitar, and it is the nearest one of that family (guitar)"
        )

    def test_more_tracks_than_programs(self, demo):
        song = Song("song", tuple(Track(f"{i}", 0, False, TUNE) for i in range(5)))
        cast = timbre.cast(song, demo, "tango")
        assert len(set(who(cast))) == 5
        assert [p.partition(" to ")[2].partition(";")[0] for p in whys(cast)] == [
            "Tango Accordion", "Violin", "Tango Accordion", "Violin", "Tango Accordion",
        ]  # fmt: skip
        assert whys(cast)[2].endswith("it is the nearest neighbour of Bandoneon, which plays track 1")

    def test_a_part_that_the_style_lacks_is_taken_from_all_its_voices(self, demo, monkeypatch):
        monkeypatch.setattr(styles, "_counts", lambda: {"a/b": {"chords": {PIANO: 3, GUNSHOT: 1}}})
        cast = timbre.cast(band(0, 0, named=False), demo, "a/b")
        assert who(cast)[0] == "Grand Piano"
        assert whys(cast)[0] == ("the track has the melody, and a/b gives 75% of all its parts to Acoustic Grand Piano")
        assert cast.lacking == (GUNSHOT,)
        assert "a/b also names Gunshot, without a counterpart in this model" in str(cast)

    def test_drums_and_silent_tracks_are_left_out(self, demo):
        song = Song("song", (Track("Drums", 0, True, TUNE), Track("a", 0, False, ()), Track("b", 0, False, TUNE)))
        cast = timbre.cast(song, demo, "tango")
        assert list(cast) == [3]
        assert cast.left_out == {1: by_style.DRUMS, 2: "it has no notes"}
        assert "1 Drums (drums): left out, because drums have no counterpart" in str(cast)
        assert "2 a (silent): left out, because it has no notes" in str(cast)
        assert "left out" in cast._repr_html_()

    def test_it_is_a_mapping_that_render_takes(self, demo):
        cast = timbre.cast(band(0, 0, 0, 0, named=False), demo, "tango")
        assert cast[1] == (cast[1].instrument, cast[1].why)
        assert (len(cast), list(cast), 9 in cast) == (4, [1, 2, 3, 4], False)
        resolved = render.resolve(demo, cast.song, cast)
        assert [part.timeline.instruments[0] for part in resolved] == [player for player, _ in cast.values()]

    def test_a_bank_stands_for_its_model(self, demo, tmp_path):
        bank = instruments.bank(demo, path=tmp_path / "kept.json")
        song = band(0, 0, named=False)
        assert who(timbre.cast(song, bank, "tango")) == who(timbre.cast(song, demo, "tango"))

    def test_a_model_without_names_needs_an_atlas(self):
        with pytest.raises(ValueError, match=r"^stub has no named instruments: give the candidates of an atlas"):
            timbre.cast(band(0), Stub(), "tango")
        with pytest.raises(ValueError, match="no candidate"):
            timbre.cast(band(0), [], "tango")

    @pytest.mark.parametrize(
        ("family", "probability", "message"),
        [
            ("strings", 0.5, "'stub 1-0' has the unknown family 'strings'; the families are bass, brass, flute, "),
            ("string", 1.5, "'stub 1-0' has a probability of 1.5; it must be from 0 to 1"),
            ("string", float("nan"), "'stub 1-0' has a probability of nan"),
        ],
    )
    def test_candidates_are_checked(self, family, probability, message):
        [player] = instruments.sample(Stub(), 1, seed=1)
        with pytest.raises(ValueError, match=message):
            timbre.cast(band(0), [Candidate(player, family, probability)], "tango")

    def test_an_unknown_style(self, demo):
        with pytest.raises(ValueError, match="the nearest names are tango, lighttango"):
            timbre.cast(band(0), demo, "tangoo")


class TestGuessedFamilies:
    def test_each_track_gets_the_surest_of_its_family_that_is_free(self):
        players = guessed("string", "flute", "string", "bass", "keyboard")[::-1]
        cast = timbre.cast(band(VIOLIN, BASS, STRINGS, PIANO), players, "tango")
        assert who(cast) == ["stub 1-0", "stub 1-3", "stub 1-2", "stub 1-4"]
        assert whys(cast)[0] == (
            "the track asks for Violin; by its sound this is one of that family (string), with a probability of 90%"
        )

    def test_the_style_goes_by_families_as_well(self):
        cast = timbre.cast(band(0, 0, named=False), guessed("string", "bass"), "tango")
        assert whys(cast) == [
            "the track has the melody, and tango gives 50% of its lines to Violin; by its sound this is one of that "
            "family (string), with a probability of 90%",
            "the track is the bass, and tango gives 100% of its bass to Acoustic Bass; by its sound this is one of "
            "that family (bass), with a probability of 89%",
        ]
        assert set(cast.lacking) == {BANDONEON, PIANO}

    def test_what_is_known_comes_before_what_is_guessed(self):
        [known] = instruments.sample(Stub(), 1, seed=2)
        assert who(timbre.cast(band(VIOLIN), [*guessed("string"), Candidate(known, "string")], "tango")) == [known.name]

    def test_one_that_plays_twice_says_so(self):
        cast = timbre.cast(band(VIOLIN, STRINGS), guessed("string"), "tango")
        assert whys(cast)[1].endswith("with a probability of 90%; it plays track 1 as well")

    def test_a_style_without_any_counterpart_draws(self):
        players = guessed("vocal", "vocal", "vocal")
        casts = [timbre.cast(band(0, 0, named=False), players, "tango", seed=seed) for seed in range(8)]
        assert all(len(set(who(cast))) == 2 for cast in casts)
        assert len({who(cast)[0] for cast in casts}) == 3
        assert whys(casts[3])[0] == "no program of tango has a counterpart in this model, so it was drawn with seed 3"


@pytest.mark.parametrize("path", SCORES, ids=lambda path: path.stem)
@pytest.mark.parametrize("style", ["tango", "swing", "hiphop", "bluegrass"])
@pytest.mark.parametrize("keep", [True, False])
def test_every_track_of_the_bundled_scores_has_somebody_of_the_right_family(path, style, keep, demo):
    assert misfits(timbre.cast(midi.load(path), demo, style, keep=keep), demo, keep) == []


def test_misfits_are_found(demo):
    cast = timbre.cast(band(FLUTE, BASS), demo, "tango")
    wrong = {1: cast[2], 2: cast[1]}
    assert len(misfits(dataclasses.replace(cast, assigned=wrong), demo, keep=True)) == 2
    assert len(misfits(dataclasses.replace(cast, assigned=wrong), demo, keep=False)) == 2


@given(SONGS, st.sampled_from(timbre.style_names()), st.booleans(), st.lists(st.sampled_from(FAMILIES), min_size=1))
def test_every_track_of_notes_is_cast_once_and_always_alike(song, style, keep, families):
    players = guessed(*families)
    cast = timbre.cast(song, players, style, keep=keep)
    assert list(cast) == list(timbre.roles_of(song))
    assert who(cast) == who(timbre.cast(song, players, style, keep=keep))
    assert {player for player, _ in cast.values()} <= {candidate.instrument for candidate in players}
