"""The controls of 00_report: a clip of each checkpoint, random instruments, the original, and all of it compared."""

import io
import threading
import zipfile

import numpy as np
import pytest
import soundfile
from inputs import Stub

from helpers import gansynth, instruments, page
from helpers.audio import Audio
from helpers.instruments import Instrument
from helpers.midi import Note, Song, Track
from helpers.widgets import (
    Checkpoints,
    Comparison,
    Generate,
    GenerateEach,
    Original,
    Player,
    RandomTimeline,
    TakeHome,
    Tune,
)
from helpers.widgets import comparison as comparison_module

NOTES = tuple(Note(60 + i % 5, 100, 0.5 * i, 0.5 * i + 0.5) for i in range(24))
SONG = Song("scale", (Track("one", 0, False, NOTES),))
OTHER = Song("other", (Track("one", 0, False, NOTES[:8]),))
VOICES = [{"name": f"voice {i}", "z": np.eye(4)[i].tolist()} for i in range(4)]


def model(name, **about):
    stub = Stub()
    stub.name, stub.fingerprint, stub.about = name, f"hash of {name}", about
    return stub


@pytest.fixture
def loaded(monkeypatch, tmp_path):
    """The names that were loaded. "broken" cannot be; of "all_instruments" no byte arrives."""
    monkeypatch.chdir(tmp_path)
    asked = []

    def load(name):
        asked.append(name)
        return model(name, instruments=VOICES) if name == "demo" else model(name)

    monkeypatch.setattr(gansynth, "load", load)
    monkeypatch.setattr(Checkpoints, "get", lambda self: [name for name in self.ticked if name != "all_instruments"])
    return asked


@pytest.fixture
def tune():
    tune = Tune()
    tune.song = SONG
    return tune


@pytest.fixture
def bank(tmp_path):
    return instruments.bank(model("demo", instruments=VOICES), path=tmp_path / "kept.json")


class TestEach:
    @pytest.mark.slow
    def test_every_checkpoint_that_can_be_had_plays(self, loaded, tune):
        each = GenerateEach(Checkpoints(["demo", "acoustic_only", "all_instruments"]), tune, seed=3)
        each.run()
        assert loaded == ["demo", "acoustic_only"]
        assert list(each.clips) == ["demo", "acoustic_only"]
        assert each.clip is each.clips["acoustic_only"]
        players = {name: clip.report.recipe.parts[0].timeline for name, clip in each.clips.items()}
        assert {instrument.name for instrument in players["demo"].instruments} <= {row["name"] for row in VOICES}
        assert players["acoustic_only"].instruments[0].name == "acoustic_only 3-0"
        assert len(each._rows.children) == 2
        assert "all_instruments could not be used" in each.message

    @pytest.mark.slow
    def test_it_says_what_it_will_do_and_what_is_out_of_date(self, loaded, tune):
        checkpoints = Checkpoints(["demo"])
        each = GenerateEach(checkpoints, tune)
        assert "demo will play scale" in each._plan.value
        each.run()
        assert each.stale == ""
        checkpoints.ticked = ["demo", "acoustic_only"]
        assert "demo and acoustic_only will play scale" in each._plan.value
        assert each.stale == ""  # the clip that there is is still right
        checkpoints.ticked = ["demo"]
        tune.song = OTHER
        assert each.stale == "the tune has changed"
        each.run()
        assert each.stale == ""
        assert each.clips["demo"].report.song == "other"

    def test_without_a_checkpoint_there_is_a_sentence(self, loaded, tune):
        with pytest.raises(ValueError, match="tick a checkpoint first"):
            GenerateEach(Checkpoints([]), tune).run()
        each = GenerateEach(Checkpoints(["all_instruments"]), tune)
        with pytest.raises(ValueError, match="none of the ticked checkpoints is available"):
            each.run()
        assert "none of the ticked checkpoints" in each.message
        each.checkpoints.ticked = ["demo"]
        assert each.message == ""

    def test_after_a_failure_no_older_clip_passes_for_the_result(self, loaded, tune):
        checkpoints = Checkpoints(["demo"])
        each = GenerateEach(checkpoints, tune)
        each.run()
        checkpoints.ticked = ["all_instruments"]
        with pytest.raises(ValueError, match="none of the ticked"):
            each.run()
        assert each._rows.children == ()
        assert each.stale == "the last attempt failed"

    @pytest.mark.slow
    def test_its_code_gives_its_clips(self, loaded, tune):
        from helpers import render

        each = GenerateEach(Checkpoints(["demo", "acoustic_only"]), tune, seed=5, seconds=4.0, loudness=-20.0)
        each.run()
        scope = {"gansynth": gansynth, "instruments": instruments, "render": render, "song": SONG}
        exec(each.code(), scope)
        for name, clip in each.clips.items():
            np.testing.assert_array_equal(scope["clips"][name].samples, clip.samples)


class TestRandomTimeline:
    def test_it_follows_tune_and_sliders(self, bank, tune):
        interval = RandomTimeline(bank, tune, seconds=4, seed=2)
        assert [second for _, second in interval.timeline.stops] == [0.0, 4.0, 8.0, 12.0]
        interval._slider.value = 6.0
        assert [second for _, second in interval.timeline.stops] == [0.0, 6.0, 12.0]
        first = [i.name for i, _ in interval.timeline.stops]
        interval.seed = 4
        assert [i.name for i, _ in interval.timeline.stops] != first
        tune.song = OTHER
        assert interval.timeline.stops[-1][1] == OTHER.duration
        tune.song = None
        assert interval.timeline is None

    def test_a_model_with_names_draws_among_them_until_told_otherwise(self, bank, tune):
        interval = RandomTimeline(bank, tune)
        assert {i.name for i, _ in interval.timeline.stops} <= set(bank.own)
        interval.anywhere = True
        assert interval.timeline.instruments[0].name == "demo 1-0"
        bank.use(model("acoustic_only"))
        assert interval.timeline.instruments[0].name == "acoustic_only 1-0"
        assert interval._source.layout.display == "none"

    def test_generate_plays_it_and_knows_when_it_is_out_of_date(self, bank, tune):
        interval = RandomTimeline(bank, tune, seconds=4)
        button = Generate(bank, tune, interval)
        button.run()
        assert button.stale == ""
        interval.seconds = 3.0
        assert button.stale == "the timeline has changed"

    def test_its_code_is_its_timeline(self, bank, tune):
        interval = RandomTimeline(bank, tune, seconds=4, seed=7)
        for anywhere in (False, True):
            interval.anywhere = anywhere
            scope = {"instruments": instruments, "model": bank.model, "song": SONG}
            exec(interval.code(), scope)
            assert [i.name for i in scope["timeline"].instruments] == [i.name for i in interval.timeline.instruments]


def test_the_original_follows_the_tune(tune, monkeypatch):
    original, played = Original(tune), []
    before = bytes(original._roll.value)
    assert before.startswith(b"\x89PNG")
    monkeypatch.setattr(original._sound, "play", played.append)
    tune.song = OTHER
    assert bytes(original._roll.value) != before
    original.listen()
    assert OTHER.duration <= played[0].duration < OTHER.duration + 6
    tune.song = None
    assert "choose a score first" in original.message
    assert original._listen.disabled


def sine(pitch=60.0, seconds=2.0):
    t = np.arange(int(16000 * seconds)) / 16000
    return Audio(0.3 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t), 16000)


class TestComparison:
    @pytest.fixture
    def player(self):
        return Player({"in tune": sine(60.0), "wrong": sine(66.3)})

    @pytest.fixture
    def one_note(self, tune):
        tune.song = Song("c", (Track("one", 0, False, (Note(60, 100, 0.0, 2.0),)),))
        return tune

    @pytest.mark.slow
    def test_numbers_tell_right_from_wrong(self, player, one_note):
        comparison = Comparison(player, one_note)
        measured = comparison.run()
        assert measured["in tune"].pitch > 0.95
        assert measured["wrong"].pitch < 0.05
        assert "<td>100%</td>" in comparison._table.value
        assert all(bytes(picture.value).startswith(b"\x89PNG") for picture in comparison._pictures.values())

    @pytest.mark.slow
    def test_it_says_when_clips_have_changed_and_measures_only_those(self, player, one_note, monkeypatch):
        from helpers.evaluation import agreement

        comparison = Comparison(player, one_note)
        comparison.run()
        assert not comparison.stale
        kept, asked = player.clips["in tune"], []
        real = agreement.measure
        monkeypatch.setattr(agreement, "measure", lambda clip, song: (asked.append(clip), real(clip, song))[1])
        player.set({"in tune": kept, "wrong": sine(60.1)})
        assert comparison.stale
        assert "press Compare" in comparison.message
        assert comparison.run()["wrong"].pitch > 0.95
        assert len(asked) == 1
        assert comparison.message == ""

    @pytest.mark.slow
    def test_a_clip_of_another_tune_is_measured_by_the_tune_that_it_plays(self, loaded, tune, bank, monkeypatch):
        from helpers.evaluation import agreement

        asked, result = [], agreement.Agreement(1.0, 1.0, 1.0)
        monkeypatch.setattr(agreement, "measure", lambda clip, song: asked.append(song) or result)
        monkeypatch.setattr(comparison_module, "_picture", lambda clips, panel: b"")
        each = GenerateEach(Checkpoints(["demo"]), tune)
        custom = Generate(bank, tune, Instrument("mine", np.ones(4), "demo", bank.model.fingerprint))
        assert Player({"original": tune, "each": each, "custom": custom}).songs == {"original": SONG}
        each.run()
        custom.run()
        player = Player({"original": tune, "each": each, "custom": custom})
        assert player.songs == dict.fromkeys(["original", "demo", "custom"], SONG)
        comparison = Comparison(player, tune)
        tune.song = OTHER
        player.wait(30)
        comparison.run()
        assert asked == [OTHER, SONG, SONG]
        assert "demo: the tune has changed" in comparison.message

    def test_nothing_to_compare_is_a_sentence(self, tune):
        comparison = Comparison(Player(), tune)
        comparison._pressed()
        assert "nothing to compare yet" in comparison.message

    @pytest.mark.parametrize("count", [1, 4])
    def test_every_other_octave_has_its_name(self, count, monkeypatch):
        drawn, here = {}, threading.get_ident()  # controls of other tests may still be drawing, in threads of theirs
        monkeypatch.setattr("helpers.drawing.png", lambda figure: drawn.update({threading.get_ident(): figure}) or b"")
        comparison_module._picture({str(i): sine() for i in range(count)}, "cqt")
        assert len(drawn[here].axes) == count + 1
        for ax in drawn[here].axes[:count]:
            assert [label.get_text() for label in ax.get_yticklabels()] == ["C2", "C4", "C6", "C8"]

    @pytest.mark.slow
    def test_names_are_text(self, one_note):
        comparison = Comparison(Player({"<b>x</b>": sine()}), one_note)
        comparison.run()
        assert "&lt;b&gt;x&lt;/b&gt;" in comparison._table.value


@pytest.mark.slow
def test_the_page_has_a_section_for_each_checkpoint_that_played_and_the_numbers(
    loaded, tune, bank, tmp_path, monkeypatch
):
    monkeypatch.setattr(comparison_module, "_picture", lambda clips, panel: b"")  # pictures have tests of their own
    monkeypatch.setattr(page, "_plot", lambda draw, seconds, height, lossless=False: page._Plot("data:,", 1.0, [], []))
    each = GenerateEach(Checkpoints(["demo", "acoustic_only"]), tune)
    each.run()
    button = Generate(bank, tune, Instrument("mine", np.ones(4), "demo", bank.model.fingerprint))
    button.run()
    player = Player({"original": tune, "each": each, "another interval": button, "custom": button})
    assert list(player.clips) == ["original", "demo", "acoustic_only", "another interval", "custom"]
    comparison = Comparison(player, tune)
    comparison.run()
    path = tmp_path / "report.html"
    home = TakeHome(player, "My report", page.student_report, "Ada", path, comparison)
    home.make()
    text = path.read_text("utf-8")
    assert "Not rendered yet" not in text
    assert "template=page.student_report(['demo', 'acoustic_only'])" in home.code()
    archive = zipfile.ZipFile(home.save_clips())
    assert archive.namelist() == [
        "01_original.wav",
        "02_demo.wav",
        "03_acoustic_only.wav",
        "04_another interval.wav",
        "05_custom.wav",
    ]
    written, rate = soundfile.read(io.BytesIO(archive.read("02_demo.wav")))
    assert rate == 16000
    assert np.abs(written - each.clips["demo"].samples).max() < 1e-4
    headings = [section.heading for section in page.student_report(["demo", "acoustic_only"])]
    assert [heading for heading in headings if f">{heading}</h2>" not in text] == []
    assert "Ada" in text
    assert f"{comparison.agreement['demo'].chroma:.0%}".rstrip("%") in text
    tune.song = OTHER
    player.wait(30)
    assert set(player.stale) == {"demo", "acoustic_only", "another interval", "custom"}
    assert home.stale
