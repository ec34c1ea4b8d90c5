"""Controls that belong together: one bank, one tune, and what follows when they change."""

from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from inputs import Stub

from helpers import instruments, midi, runtime, soundfont
from helpers.audio import Audio
from helpers.instruments import Instrument, Timeline
from helpers.widgets import player as player_module
from helpers.widgets.browser import Browser
from helpers.widgets.generate import Generate
from helpers.widgets.models import Models
from helpers.widgets.pad import BlendPad
from helpers.widgets.player import Player
from helpers.widgets.takehome import TakeHome
from helpers.widgets.timeline import TimelineEditor
from helpers.widgets.tune import Tune

FOLDER = Path(__file__).parents[1] / "data" / "midi"
STUDY, PRELUDE = FOLDER / "study.mid", FOLDER / "bach_prelude.mid"
SECONDS = 60  # that a thread may take at most


class Unnamed(Stub):
    """A model that names no instruments, as the published ones. One latent may play all the pitches."""

    fingerprint = "f00dcafe" * 8

    def generate(self, z, pitches, duration=None, **how):
        return super().generate(np.broadcast_to(z, (len(pitches), np.shape(z)[-1])), pitches, duration, **how)


class Named(Unnamed):
    name, fingerprint = "named", "a1b2c3d4" * 8
    about = MappingProxyType(
        {
            "instruments": [
                {"name": name, "z": [1.0, i, 0.0, 0.0], "program": program, "family": "string"}
                for i, (name, program) in enumerate([("Violin", 40), ("Cello", 42), ("Harp", 46), ("Strings", 48)])
            ]
        }
    )


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(runtime, "outputs", lambda: tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(player_module, "pictures", lambda clips, panel, mode: [b"png"] * len(clips))


@pytest.fixture
def bank(here):
    return instruments.bank(Unnamed())


def choices(field):
    return [option[1] if isinstance(option, tuple) else option for option in field.options]


def lists(tune, editor, pad):
    """The fields in which instruments are chosen, one of each control."""
    return tune._rows[0]["instrument"], editor._table.children[0].children[1], pad._choices[0]


def labels(tune):
    return [row["instrument"].label for row in tune._rows]


# -------------------------------------------------------------------------------------------------- find, keep, use


def test_a_star_is_in_all_lists_at_once_and_in_the_next_session(bank):
    tune, editor, pad = Tune(bank, STUDY), TimelineEditor(bank), BlendPad(bank)
    browser, other = Browser(bank), Browser(bank)
    browser.more()
    browser._grid._handle_custom_msg({"star": "stub 2-3"}, [])
    assert browser.message == '<span role="status">1 kept in outputs/instruments.json</span>'
    for field in lists(tune, editor, pad):
        assert "stub 2-3" in choices(field)
    assert other.kept == other._grid.kept == bank.kept == ["stub 2-3"]
    tune.set(1, instrument="stub 2-3")
    browser.star("stub 2-3")
    for field in lists(tune, editor, pad):
        assert "stub 2-3" not in choices(field)
    assert tune.parts == {}  # what is gone plays no longer
    browser.star("stub 2-3")
    assert "stub 2-3" in Tune(instruments.bank(Unnamed()), STUDY).bank


def test_the_pad_keeps_its_point(bank):
    tune, editor, pad = Tune(bank, STUDY), TimelineEditor(bank), BlendPad(bank)
    pad.x, pad.y = 0.25, 0.75
    pad._name.value = "velvet"
    pad._keeping.children[1].click()
    assert "kept as velvet in outputs/instruments.json" in pad.message
    assert (bank["velvet"].z == pad.instrument.z).all()
    for field in lists(tune, editor, pad):
        assert "velvet" in choices(field)
    assert pad._name.value == "blend 1"
    pad.keep()
    assert bank.kept == ["velvet", "blend 1"]
    assert pad._name.value == "blend 2"
    pad.x = 0.5
    pad.keep("velvet")
    assert "another instrument called &#x27;velvet&#x27;" in pad.message
    assert pad.corners == ["stub 1-0", "stub 1-10", "stub 1-20", "stub 1-30"]


def test_a_pad_with_a_bank_of_its_own_keeps_too(here):
    own = {instrument.name: instrument for instrument in instruments.sample(Unnamed(), 4, seed=3)}
    pad = BlendPad(Unnamed(), bank=own)
    pad.keep("mine")
    assert instruments.bank(Unnamed()).kept == ["mine"]


def test_the_whole_way_with_a_model_without_names(bank):
    """By clicks alone: random instruments, a star, a choice, and a clip."""
    tune, browser = Tune(bank, STUDY), Browser(bank)
    assert browser._source.options == ("random", "starred")
    browser._grid._handle_custom_msg({"star": "stub 1-7"}, [])
    assert browser.kept == ["stub 1-7"]
    tune._rows[0]["instrument"].value = "stub 1-7"
    generate = Generate(bank, tune)
    generate._start.click()
    clip = generate.wait(SECONDS)
    assert clip.report.tracks[0].played_by == "stub 1-7"


# ------------------------------------------------------------------------------------------------------- the model


def test_another_model_is_followed_by_all(bank):
    tune, editor, pad, browser = Tune(bank, STUDY), TimelineEditor(bank), BlendPad(bank), Browser(bank)
    generate = Generate(bank, tune, editor)
    generate.run()
    tune.set(1, instrument="stub 1-3")
    bank.use(Named())
    assert browser._grid.names == ["Violin", "Cello", "Harp", "Strings"]
    assert browser._source.options == ("by name", "random", "starred")
    assert pad.corners == ["Violin", "Cello", "Harp", "Strings"]
    assert pad.instrument.fingerprint == Named.fingerprint
    assert (editor.entries, editor.timeline.instruments) == ([[0.0, "Violin"]], (bank["Violin"],))
    assert "named has no stub 1-0" in editor.message
    assert tune.parts == {}
    assert generate.model is bank.model
    assert "the model and the timeline have changed" in generate.stale
    assert generate.run().report.model == "named"
    pad.play()
    browser.play("Cello")
    assert (pad.message, browser.message, generate.stale) == ("", "", "")


def test_a_model_is_chosen_from_the_list(bank, monkeypatch):
    models = Models(bank)
    assert models.name == "stub"
    assert models._about.value == "40 random instruments (this model names none)"
    assert "acoustic_only (not downloaded yet)" in [label for label, _ in models._list.options]
    monkeypatch.setattr("helpers.gansynth.load", lambda name: {"demo": Named()}[name])
    monkeypatch.setattr("helpers.gansynth.hub.listing", lambda: [entry("demo", 7), entry("acoustic_only", 0)])
    models._list.value = "demo"
    assert models.wait(SECONDS) == "named"
    assert models._about.value == "4 named instruments"
    assert models.code() == 'model = gansynth.load("named")\nbank = instruments.bank(model)'
    bank.keep(bank["Cello"])
    assert models._about.value == "4 named instruments"  # it is one of them
    bank.keep(bank["Cello"], "mine")
    assert models._about.value == "4 named instruments, and 1 that you kept"


def test_a_model_that_cannot_be_had_leaves_the_one_of_before(bank, monkeypatch):
    def fail(name, progress):
        progress(1_000_000, 2_000_000)
        raise ConnectionError("no connection to storage.example")

    models, said, before = Models(bank), [], bank.model
    models._line.observe(lambda change: said.append(change.new), "value")
    monkeypatch.setattr("helpers.gansynth.hub.download", fail)
    models._list.value = "acoustic_only"
    assert models.wait(SECONDS) == models._list.value == "stub"
    assert "no connection to storage.example" in models.message
    assert any("1 of 2 MB" in text for text in said)
    assert (bank.model, models.running, models._list.disabled) == (before, False, False)


def entry(name, size):
    from helpers.gansynth.hub import CheckpointEntry

    return CheckpointEntry(name, "", size, Path(name))


# --------------------------------------------------------------------------------------------- who plays, in words


def test_labels_say_who_plays():
    bank = instruments.bank(Named())
    tune = Tune(bank, STUDY)
    assigned = instruments.assign(bank.model, tune.song, 0)
    assert labels(tune) == [f"{assigned[n].instrument.name} (automatic)" for n in range(1, 5)] + ["left out"]
    generate = Generate(bank, tune)
    played = [row.played_by for row in generate.run().report.tracks]
    assert [f"{name} (automatic)" for name in played[:4]] == labels(tune)[:4]
    editor = TimelineEditor(bank, tune)
    Generate(bank, tune, editor, drums="synth")
    assert labels(tune) == ["the timeline"] * 4 + ["drum kit"]
    Generate(bank, tune, bank["Harp"])
    assert labels(tune) == ["Harp"] * 4 + ["left out"]


def test_the_drum_switch_says_what_it_does(bank):
    tune = Tune(bank, STUDY)
    generate = Generate(bank, tune)
    assert generate._plan.value == "stub will play study; 1 drum track will be left out"
    assert "drums" not in generate.code()
    generate._synth.value = True
    assert generate.drums == "synth"
    assert generate._plan.value == "stub will play study; 1 drum track will be played with a soundfont"
    assert generate.code() == 'clip = render.render(model, song, drums="synth")'
    assert labels(tune)[-1] == "drum kit"
    tune.load(PRELUDE)
    assert generate._synth.layout.display == "none"
    assert generate._plan.value == "stub will play bach_prelude"


# ------------------------------------------------------------------------------------------------- another tune


@pytest.mark.slow
def test_entries_keep_their_share_of_another_song(bank):
    tune = Tune(bank, PRELUDE)
    editor = TimelineEditor(bank, tune, ["stub 1-0", "stub 1-1", "stub 1-2"])
    times = [second for second, _ in editor.entries]
    assert times == pytest.approx([0, 42, 84], abs=0.1)
    editor.choose(1, "stub 1-5")
    tune.load(STUDY)
    assert [second for second, _ in editor.entries] == pytest.approx([0, 9.96, 19.92], abs=0.01)
    tune.load(PRELUDE)
    assert [second for second, _ in editor.entries] == times
    assert editor.entries[1][1] == "stub 1-5"
    assert editor.message == ""
    assert editor._fit.disabled


@pytest.mark.slow
def test_chosen_times_stay_until_they_are_fitted(bank):
    tune = Tune(bank, PRELUDE)
    editor = TimelineEditor(bank, tune, ["stub 1-0", "stub 1-1", "stub 1-2"])
    editor.move(1, 63.0)
    tune.load(STUDY)
    assert [second for second, _ in editor.entries] == pytest.approx([0, 63, 84], abs=0.1)
    assert "2 entries are after the end of the song (29.89 s); press Fit" in editor.message
    editor.choose(0, "stub 1-9")
    assert "2 entries are after the end" in editor.message
    assert not editor._fit.disabled
    editor._fit.click()
    assert [second for second, _ in editor.entries] == pytest.approx([0, 14.94, 19.92], abs=0.02)
    assert editor.message == ""
    tune.load(PRELUDE)
    assert [second for second, _ in editor.entries] == pytest.approx([0, 63, 84], abs=0.1)


def test_a_timeline_from_code_counts_as_chosen(bank):
    tune = Tune(bank, PRELUDE)
    editor = TimelineEditor(bank, tune, Timeline([bank[0], bank[1]], at=[0, 100]))
    tune.load(STUDY)
    assert editor.entries[-1][0] == 100
    assert "1 entry is after the end" in editor.message


@pytest.mark.slow
def test_the_beginning_alone_and_the_whole(bank):
    tune = Tune(bank, STUDY, seconds=20)
    editor = TimelineEditor(bank, tune, ["stub 1-0", "stub 1-1"])
    assert tune.song == midi.excerpt(midi.load(STUDY), 0, 20)
    assert "; the first 20 of 30 s" in tune._about.value
    assert tune.about == "study, the first 20 of 30 s"
    assert tune.code().endswith("song = midi.excerpt(song, 0, 20)")
    assert tune._length.layout.display == ""
    tune.set(2, mute=True, instrument="stub 1-4")
    tune._length.value = True
    assert tune.song == midi.load(STUDY)
    assert (tune.parts[2].mute, tune.parts[2].instrument.name) == (True, "stub 1-4")
    assert "excerpt" not in tune.code()
    assert editor.entries[1][0] == pytest.approx(29.89 / 2, abs=0.01)
    tune.whole = False
    assert tune.song.duration == pytest.approx(20, abs=0.1)
    mine = midi.load(PRELUDE)
    tune.song = mine
    assert (tune.song, tune.whole, tune.code()) == (mine, True, "")


# --------------------------------------------------------------------------------------------- the player follows


@pytest.fixture
def made(bank):
    """Tune, timeline, button and player that belong together, with a clip of the beginning of the study."""
    tune = Tune(bank, STUDY, seconds=6)
    editor = TimelineEditor(bank, tune, ["stub 1-0", "stub 1-1"])
    generate = Generate(bank, tune, editor)
    generate.run()
    return tune, editor, generate, Player({"original": tune, "custom": generate})


def test_controls_stand_for_their_clips(made):
    tune, _, generate, player = made
    assert player.clips["custom"] is generate.clip
    assert (player.clips["original"].samples == soundfont.reference(tune.song).samples).all()
    assert (player.deck.names, player.stale, player.message) == (["original", "custom"], {}, "")
    assert not player.deck.playing


def test_a_player_waits_for_the_first_clip(bank):
    tune = Tune(bank, STUDY, seconds=6)
    generate = Generate(bank, tune)
    player = Player({"custom": generate})
    assert (player.clips, player.deck.names) == ({}, [])
    assert "custom: press Generate" in player.message
    generate.start()
    clip = generate.wait(SECONDS)
    assert player.clips == {"custom": clip}
    assert (player.deck.names, player.current, player.message) == (["custom"], "custom", "")


def test_while_a_clip_is_made_the_one_below_is_the_one_before(made):
    _, _, generate, _ = made
    generate.running = True
    assert generate._age.value == "<i>Rendering a new clip; the one below is the previous one.</i>"
    generate.running = False
    assert generate._age.value == ""


@pytest.mark.slow
def test_what_is_out_of_date_says_so_until_it_is_made_anew(made):
    tune, _, generate, player = made
    before, seen = player.clips, []
    player.observe(lambda change: seen.append(list(change.new)), "clips")
    tune.load(PRELUDE)
    player.wait(SECONDS)
    assert player.clips["original"] is not before["original"]
    assert player.stale == {"custom": "the tune has changed"}
    assert player.deck.names == ["original", "custom (out of date)"]
    assert "custom: the tune has changed" in player.message
    assert "Out of date: the tune has changed" in generate._age.value
    tune.load(STUDY)  # and back again
    player.wait(SECONDS)
    assert (player.stale, player.deck.names, player.message) == ({}, ["original", "custom"], "")
    tune.load(PRELUDE)
    player.wait(SECONDS)
    generate.start()
    clip = generate.wait(SECONDS)
    assert player.clips["custom"] is clip
    assert (player.stale, player.message, generate.stale, generate._age.value) == ({}, "", "", "")
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda tune, editor, generate, bank: tune.set(1, mute=True), "the choice for the tracks has changed"),
        (lambda tune, editor, generate, bank: editor.choose(0, "stub 1-9"), "the timeline has changed"),
        (lambda tune, editor, generate, bank: bank.use(Named()), "the model and the timeline have changed"),
        (lambda tune, editor, generate, bank: setattr(generate, "drums", "synth"), "the choice of drums has changed"),
    ],
)
def test_it_says_what_has_changed(made, bank, change, why):
    tune, editor, generate, player = made
    change(tune, editor, generate, bank)
    assert player.stale == {"custom": why}


def test_keeping_an_instrument_makes_nothing_out_of_date(made, bank):
    tune, _, generate, _ = made
    tune.set(1, instrument="stub 1-3")
    generate.run()
    bank.keep(bank["stub 1-3"])
    assert generate.stale == ""


def test_after_a_failed_attempt_no_older_clip_is_shown_as_the_result(made, bank):
    _, _, generate, player = made

    def fail(*_, **__):
        raise RuntimeError("out of memory")

    bank.model.generate = fail
    generate.start()
    generate.wait(SECONDS)
    assert "out of memory" in generate.message
    assert (generate._sound.layout.display, generate._download.ready, generate._report.value) == ("none", False, "")
    assert player.stale == {"custom": "the last attempt failed"}
    assert player.deck.names == ["original", "custom (out of date)"]
    del bank.model.generate
    generate.start()
    generate.wait(SECONDS)
    assert (generate.message, player.stale, generate._download.ready) == ("", {}, True)
    assert generate._sound.layout.display == ""


def test_a_reference_that_cannot_be_made_is_said(made, monkeypatch):
    tune, _, _, player = made
    monkeypatch.setattr(soundfont, "reference", lambda song: (_ for _ in ()).throw(ValueError("no soundfont")))
    tune.load(PRELUDE)
    player.wait(SECONDS)
    assert list(player.clips) == ["custom"]
    assert "original cannot be rendered: no soundfont. custom: the tune" in player.message
    monkeypatch.undo()


def test_a_player_no_longer_follows_what_was_replaced(made):
    tune, _, _, player = made
    clip = Audio(np.zeros(100, np.float32), 16000)
    player.set({"one": clip})
    tune.load(PRELUDE)
    assert (player.clips, player.stale) == ({"one": clip}, {})


def test_a_long_reference_waits_for_a_clip(made, monkeypatch):
    tune, _, generate, player = made
    monkeypatch.setattr(player_module, "MAX_LISTEN", 1.0)
    before = player.clips["original"]
    tune.load(PRELUDE)
    assert player._worker is None
    assert player.stale["original"] == "the tune has changed"
    generate.run()
    player.wait(SECONDS)
    assert player.clips["original"] is not before
    assert player.stale == {}


# ------------------------------------------------------------------------------------------------------ take it home


@pytest.fixture
def pages(monkeypatch):
    """What `page.write` was called with; it writes a short page."""
    calls = []

    def write(clips, path, title, **words):
        calls.append({"clips": dict(clips), "title": title, **words})
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(f"<p>{title}</p>")

    monkeypatch.setattr("helpers.page.write", write)
    return calls


@pytest.fixture
def home(made, pages, here):
    return TakeHome(made[3], path=here / "outputs" / "report.html")


def sent_by(home, monkeypatch):
    sent = []
    monkeypatch.setattr(home._button, "send", lambda message, buffers: sent.append((message, buffers)))
    return sent


def press(home):
    home._button._handle_custom_msg({}, [])
    return home.wait(SECONDS)


def test_the_button_makes_the_page_and_hands_it_over(home, made, pages, monkeypatch):
    sent = sent_by(home, monkeypatch)
    home.author, home.date = "Ada", "2026-11-25"
    path = press(home)
    [call] = pages
    assert call["clips"] == made[3].clips
    assert (call["title"], call["author"], call["date"]) == ("study, played by GANSynth", "Ada", "2026-11-25")
    assert home.code().endswith('"study, played by GANSynth", author="Ada", date="2026-11-25")')
    assert sent == [({"name": "report.html"}, [path.read_bytes()])]
    assert "saved as outputs/report.html" in home.message
    press(home)  # it is there already
    assert (len(pages), len(sent)) == (1, 2)
    assert not home._button.busy


def test_the_date_is_todays_and_nothing_else_is_made_up(home):
    import datetime

    assert (home.date, home.author) == (datetime.date.today().isoformat(), "")


def test_the_title_follows_the_tune_unless_it_is_typed(home, made):
    tune = made[0]
    tune.load(PRELUDE)
    assert home.title == "bach_prelude, played by GANSynth"
    home.title = "My report"
    tune.load(STUDY)
    assert home.title == "My report"
    home.title = ""
    assert home.title == "study, played by GANSynth"


def test_the_page_shows_the_tune_of_now_and_not_that_of_an_older_clip(home, made, pages):
    tune, _, _, player = made
    home.make()
    assert pages[-1]["song"] is None  # that of the clips
    assert "song=song" not in home.code()
    tune.load(PRELUDE)
    player.wait(SECONDS)
    home.make()
    assert pages[-1]["song"] == tune.song
    assert "song=song" in home.code()


def test_the_page_says_when_it_is_older_than_the_clips(home, made, pages, monkeypatch):
    sent = sent_by(home, monkeypatch)
    tune, _, generate, player = made
    press(home)
    assert (home.stale, home._age.value) == ("", "")
    tune.set(1, mute=True)
    assert "custom is out of date (the choice for the tracks has changed)" in home._age.value
    generate.run()
    assert home.stale
    assert "The page is out of date" in home._age.value
    press(home)
    assert pages[-1]["clips"]["custom"] is generate.clip
    assert (home.stale, home._age.value, len(sent)) == ("", "", 2)
    home.title = "Another"
    assert home.stale
    player.wait(SECONDS)


def test_observations_and_sections(made, pages, here):
    from helpers.page import STUDENT_REPORT

    home = TakeHome(made[3], "About {song}", STUDENT_REPORT, author="Ada")
    assert home._fields.layout.display == "none"
    home._open.value = True
    assert home._fields.layout.display == ""
    assert [field.description for field in home._fields.children] == ["original", "custom"]
    home._notes["custom"].value = "Warm, then cold."
    assert home.make() == here / "outputs" / "About study.html"
    assert pages[0]["observations"] == {"custom": "Warm, then cold."}
    assert pages[0]["template"] == STUDENT_REPORT
    assert home.code().endswith("template=page.STUDENT_REPORT)")
    with pytest.raises(ValueError, match="there is no clip 'nobody'"):
        home.observations = {"nobody": "x"}


def test_a_page_that_cannot_be_made_is_one_line(bank, pages, monkeypatch):
    generate = Generate(bank, Tune(bank, STUDY, seconds=6))
    home = TakeHome(Player({"custom": generate}))
    sent = sent_by(home, monkeypatch)
    press(home)
    assert "there is no clip yet: press Generate first" in home.message
    assert (sent, home.path) == ([], None)
    generate.run()
    press(home)
    assert "saved as" in home.message
    assert len(sent) == 1


def test_the_page_is_not_in_the_notebook(home, pages):
    """A link that holds the page would be saved with the notebook."""
    press(home)
    state = home._button.get_state()
    assert not any(isinstance(value, (bytes, memoryview)) for value in state.values())
    assert sum(len(str(value)) for key, value in state.items() if key not in ("_esm", "_css")) < 2000


# --------------------------------------------------------------------------------------------- errors at the button


def test_errors_stand_beside_what_was_pressed(bank):
    tune = Tune(bank, STUDY)
    for fail, line in [
        (lambda: tune.load("none.mid"), tune._by_list),
        (lambda: tune.upload(b"x", "broken.mid"), tune._by_upload),
        (lambda: tune.fetch("nowhere"), tune._by_link),
    ]:
        fail()
        assert 'role="alert"' in line.value
        assert tune.message == line.value  # and nowhere else
    tune.load(PRELUDE)
    assert tune.message == ""


def test_an_instrument_from_code_stays_out_of_the_bank(bank):
    brought = Instrument("brought", np.ones(4), "stub", Unnamed.fingerprint)
    editor = TimelineEditor(bank, None, Timeline.hold(brought))
    assert "brought" in editor.bank
    assert "brought" not in bank
    bank.keep(bank[3])
    assert editor.entries == [[0.0, "brought"]]
    bank.use(Named())
    assert editor.entries == [[0.0, "Violin"]]
    assert "brought" not in editor.bank
