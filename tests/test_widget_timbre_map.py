"""helpers.widgets.TimbreMap: points, search, keeping, paths and code, without a browser."""

import numpy as np
import pytest
import traitlets
from inputs import OtherPlayer, Player, atlas_of, song_of

from helpers import instruments, render, timbre
from helpers.instruments import Instrument
from helpers.midi import Note
from helpers.timbre import families
from helpers.widgets import BlendPad, Generate, TimbreMap, TimelineEditor


@pytest.fixture
def explore(bank):
    return TimbreMap(atlas_of(bank.model), bank)


def send(explore, **content):
    """What the page sends."""
    explore._plane._handle_custom_msg(content, [])


@pytest.fixture
def answers(explore, monkeypatch):
    """What the page is sent."""
    sent = []
    monkeypatch.setattr(explore._plane, "send", sent.append)
    return sent


# ------------------------------------------------------------------------------------------------------- the points


def test_points_lie_as_the_layout_says_and_fill_the_map(explore):
    expected = timbre.layout(explore.atlas).points
    points = np.array(explore._plane.points)
    assert points.min(axis=0).tolist() == [0, 0]
    assert points.max(axis=0).tolist() == [1, 1]
    assert np.corrcoef(points[:, 0], expected[:, 0])[0, 1] > 0.999
    assert np.corrcoef(points[:, 1], expected[:, 1])[0, 1] < -0.999  # a page counts downwards
    assert explore._plane.axes[0].startswith("→ ")
    assert explore._plane.axes[1].endswith("% of the variance)") or explore._plane.axes[1].endswith("% of the variance")


def test_latents_lay_it_out_too(explore):
    before = explore._plane.points
    explore.by = "latents"
    expected = timbre.layout(explore.atlas, "latents").points[:, 0]
    assert np.corrcoef(np.array(explore._plane.points)[:, 0], expected)[0, 1] > 0.999
    assert 'timbre.layout(atlas, by="latents")' in explore.code()
    explore._by.value = "descriptors"
    assert explore._plane.points == before


def test_every_point_says_what_it_sounds_like_and_how_sure_its_family_is(explore):
    for number, (name, words, guess) in enumerate(explore._plane.labels):
        described = explore.atlas.description(number)
        assert (name, words) == (described.name, described.words)
        surely = "probably" if described.probability >= 0.5 else "perhaps"
        assert guess == f"{surely} {described.family.replace('_', ' ')} ({described.probability:.0%})"
        assert explore._plane.families[explore._plane.members[number]]["name"] == described.family.replace("_", " ")
    assert f"{families.accuracy()[0]:.0%}" in explore._plane.about


def test_every_family_has_a_sign_of_its_own():
    assert families.SIGNS.keys() == set(families.FAMILIES)
    assert len(set(families.SIGNS.values())) == len(families.FAMILIES)


# -------------------------------------------------------------------------------------------------- hearing, keeping


def test_a_point_is_heard(explore, answers):
    send(explore, hear=7)
    assert explore.selected == explore.instrument.name == "stub 0-7"
    assert explore._plane.selected == 7
    first, pitch, seconds = explore.atlas.model.asked[-1]
    assert first == pytest.approx(explore.atlas.instruments[7].z[0])
    assert (pitch, seconds) == (60, 2.0)
    assert bytes(explore._sound.value)[:4] == b"fLaC"
    assert answers == [{"heard": 7}]
    assert 'clip = render.note(model, atlas["stub 0-7"], 60)' in explore.code()


def test_the_page_is_answered_even_if_nothing_can_be_heard(explore, answers):
    explore.atlas.model.generate = None  # not to be called
    send(explore, hear=7)
    assert 'role="alert"' in explore.message
    assert answers == [{"heard": 7}]


def test_the_piano_changes_the_pitch(explore):
    explore._piano._handle_custom_msg({"key": 48}, [])
    assert (explore.atlas.model.asked, explore.message) == ([], "")  # nobody has been chosen
    send(explore, hear=3)
    explore._piano._handle_custom_msg({"key": 50}, [])
    assert explore.atlas.model.asked[-1][1] == explore.pitch == 50
    assert 'atlas["stub 0-3"], 50)' in explore.code()


def test_a_click_keeps_and_the_button_takes_back(explore, bank):
    pad = BlendPad(bank)
    assert explore._star.disabled
    send(explore, keep=5)
    assert bank.kept == ["stub 0-5"]
    assert "stub 0-5" in pad._choices[0].options
    assert "kept as stub 0-5 in outputs/instruments.json" in explore.message
    assert explore._plane.kept == [5]
    assert 'bank.keep(atlas["stub 0-5"])' in explore.code()
    assert explore._star.description == "Discard"
    send(explore, keep=5)  # a double click
    assert bank.kept == ["stub 0-5"]
    explore._star.click()
    assert (bank.kept, explore._plane.kept, explore._star.description) == ([], [], "Keep")
    assert "bank.keep" not in explore.code()
    explore._star.click()
    assert bank.kept == ["stub 0-5"]
    bank.discard("stub 0-5")  # by another control
    assert (explore._plane.kept, explore._star.description) == ([], "Keep")


def test_another_instrument_of_the_same_name_is_not_taken_for_it(explore, bank):
    bank.keep(Instrument("stub 0-5", np.ones(4)))
    assert explore._plane.kept == []
    explore.keep("stub 0-5")
    assert "another instrument called &#x27;stub 0-5&#x27;" in explore.message


def test_nobody_has_been_chosen_yet(explore):
    for act in (explore.play, explore.keep, explore.discard):
        act()
        assert "choose an instrument first" in explore.message


# --------------------------------------------------------------------------------------------------------- searching


def test_a_search_lights_up_what_is_found(explore):
    explore._search.value = "bright plucked"
    found = [match.instrument.name for match in explore.atlas.find("bright plucked", n=12)]
    assert explore.matches == found
    assert explore._plane.lit == [int(name.split("-")[1]) for name in found]
    assert explore.selected == found[0]
    assert explore.atlas.model.asked == []
    assert f"Best match first: {'; '.join(found)}" in explore.message
    assert 'found = atlas.find("bright plucked", n=12)' in explore.code()
    explore._search.value = ""
    assert (explore.matches, explore._plane.lit, explore.message) == ([], [], "")
    assert "atlas.find" not in explore.code()


def test_words_that_compare_do_so_with_the_chosen_one(explore):
    explore._search.value = "darker"
    assert "&quot;darker&quot; needs something to compare with: choose an instrument first" in explore.message
    explore._search.value = ""
    explore.selected = "stub 0-9"
    explore._search.value = "darker"
    assert explore.matches == [m.instrument.name for m in explore.atlas.find("darker", like="stub 0-9", n=12)]
    assert explore.selected == "stub 0-9"
    assert 'atlas.find("darker", like=atlas["stub 0-9"], n=12)' in explore.code()


def test_similar_ones(explore):
    assert explore._similar.disabled
    explore._search.value = "bright"
    explore.selected = "stub 0-9"
    explore._similar.click()
    assert explore._search.value == ""  # nobody was asked for words
    assert explore.matches == [m.instrument.name for m in explore.atlas.neighbours("stub 0-9", n=12)]
    assert 'found = atlas.find(like=atlas["stub 0-9"], n=12)' in explore.code()


def test_an_unknown_word_is_one_sentence_and_darkens_what_was_lit(explore):
    explore.search("bright")
    assert explore._search.value == "bright"
    explore.search("brigt")
    assert explore.message.startswith('<span class="gansynth-error" role="alert">&quot;brigt&quot; is not a known word')
    assert explore._plane.lit == []
    assert "atlas.find" not in explore.code()


# ------------------------------------------------------------------------------------------------------------- paths


def test_a_path_is_a_timeline(explore):
    assert explore.timeline is None
    assert explore._drawing.layout.display == "none"
    send(explore, path=[3, 8, 3, 20])
    assert explore.path == ["stub 0-3", "stub 0-8", "stub 0-3", "stub 0-20"]
    assert [(i.name, at) for i, at in explore.timeline.stops] == list(zip(explore.path, [0, 4, 8, 12], strict=True))
    assert explore._words.value == "stub 0-3 › stub 0-8 › stub 0-3 › stub 0-20"
    explore._seconds.value = 10
    assert explore.timeline.at.tolist() == [0, 3.333, 6.667, 10]
    assert explore._drawing.layout.display == ""
    explore._clear.click()
    assert (explore.timeline, explore._plane.path) == (None, [])


def test_one_instrument_is_no_path(explore):
    send(explore, path=[3])
    assert explore.timeline is None
    assert "Timeline" not in explore.code()


def test_impossible_paths_are_refused(explore, answers):
    with pytest.raises(ValueError, match="no instrument of the atlas is called 'nobody'"):
        explore.path = ["nobody"]
    send(explore, path=list(range(41)))
    assert "up to 40 instruments, not 41" in explore.message
    assert explore.path == []
    assert answers == [{"drawn": True}]  # so that the page shows the path that there is


def test_a_timeline_is_played_and_edited_elsewhere(explore, bank):
    song = song_of(Note(60, 90, 0.0, 0.5), Note(64, 90, 9.0, 9.5))
    button = Generate(bank, song, explore)
    button.run()
    assert button.stale == ""
    explore.path = ["stub 0-3", "stub 0-8"]
    assert "timeline" in button.stale
    assert button.run().report.recipe.parts[0].timeline is explore.timeline
    assert TimelineEditor(bank, song, explore.timeline).entries == [[0, "stub 0-3"], [12, "stub 0-8"]]


# -------------------------------------------------------------------------------------------------------------- code


def test_the_code_does_what_was_done(explore, bank):
    explore.search("bright")
    explore.path = ["stub 0-3", "stub 0-8", "stub 0-5"]
    explore.keep("stub 0-8")
    code = explore.code()
    bank.discard("stub 0-8")
    names = {"model": Player(), "atlas": explore.atlas, "instruments": instruments, "render": render, "timbre": timbre}
    exec(code, names)
    assert [match.instrument.name for match in names["found"]] == explore.matches
    assert names["timeline"].stops == explore.timeline.stops
    assert names["bank"].kept == instruments.bank(Player()).kept == ["stub 0-8"]
    assert len(names["clip"].samples) == 32000


def test_names_with_quotes_are_code_too(bank):
    atlas = atlas_of(bank.model, n=3)
    atlas.instruments[0] = Instrument('the "best"', atlas.instruments[0].z)
    explore = TimbreMap(atlas, bank)
    explore.selected = 'the "best"'
    assert """atlas['the "best"']""" in explore.code()


# ------------------------------------------------------------------------------------------------------------ models


def test_another_model_is_said_and_the_map_stays(explore, bank):
    explore.keep("stub 0-5")
    bank.use(OtherPlayer())
    assert "This atlas belongs to stub, but the bank to other" in explore._age.value
    assert explore._plane.kept == []
    explore.play("stub 0-7")
    assert explore.message == ""
    explore.keep("stub 0-7")
    assert "was made for stub; other would give a different sound" in explore.message
    bank.use(explore.atlas.model)
    assert explore._age.value == ""
    assert explore._plane.kept == [5]


def test_what_is_no_atlas_and_no_bank_is_refused(bank):
    atlas = atlas_of(Player())
    with pytest.raises(TypeError, match=r"such as timbre\.atlas\(model\), not a Bank"):
        TimbreMap(bank)
    with pytest.raises(TypeError, match=r"such as instruments\.bank\(model\)"):
        TimbreMap(atlas, {"a": atlas.instruments[0]})
    with pytest.raises(ValueError, match=r"This atlas belongs to stub, but the bank to other"):
        TimbreMap(atlas, instruments.bank(OtherPlayer()))
    twice = atlas_of(Player())
    twice.instruments[1] = Instrument("stub 0-0", twice.instruments[1].z)
    with pytest.raises(ValueError, match="two different instruments are called 'stub 0-0'"):
        TimbreMap(twice, bank)


def test_a_bank_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    TimbreMap(atlas_of(Player())).keep("stub 0-1")
    assert instruments.bank(Player()).kept == ["stub 0-1"]


def test_traits_are_checked(explore):
    with pytest.raises(ValueError, match="called 'stub 0-99'"):
        explore.selected = "stub 0-99"
    with pytest.raises(traitlets.TraitError):
        explore.seconds = 0
    with pytest.raises(traitlets.TraitError):
        explore.by = "sound"
    assert (explore.selected, explore.seconds, explore.by) == ("", 12, "descriptors")
