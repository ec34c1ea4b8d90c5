"""helpers.widgets.browser and notes: what is shown, heard and kept, without a browser."""

import io
import json
from types import MappingProxyType

import numpy as np
import pytest
import soundfile
import traitlets
from inputs import RATE, Stub

from helpers import files, instruments
from helpers.instruments import Instrument
from helpers.widgets import notes
from helpers.widgets.browser import Browser
from helpers.widgets.notes import Piano, Preview


class Model(Stub):
    """One latent may play all the pitches, as with a real model."""

    def generate(self, z, pitches, **how):
        return super().generate(np.broadcast_to(z, (len(pitches), np.shape(z)[-1])), pitches, **how)


class Named(Model):
    """A model that brings instruments along."""

    name, fingerprint = "named", "a1b2c3d4e5"
    about = MappingProxyType(
        {"instruments": [{"name": n, "z": [1.0, i, 0.0, 0.0]} for i, n in enumerate(["Cello", "Flute", "Alto Flute"])]}
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "instruments.json"


@pytest.fixture
def browser(path):
    return Browser(Named(), path=path)


def click(browser, **content):
    """What the grid sends when it is clicked."""
    browser._grid._handle_custom_msg(content, [])


def heard(browser):
    return soundfile.read(io.BytesIO(bytes(browser._sound.value)))


def test_shows_the_instruments_that_have_names(browser):
    assert list(browser.bank) == browser._grid.names == ["Cello", "Flute", "Alto Flute"]
    assert browser._source.options == ("by name", "random", "starred")
    assert browser.code() == "bank = instruments.named(model)"


def test_search_narrows_the_grid(browser):
    browser._search.value = "fLu"
    assert browser._grid.names == ["Flute", "Alto Flute"]
    browser._search.value = "flute alto"
    assert browser._grid.names == ["Alto Flute"]
    browser._search.value = "<b>"
    assert browser._grid.names == []
    assert "no name contains “&lt;b&gt;”" in browser.message
    browser._search.value = ""
    assert browser.message == ""
    assert len(browser.bank) == 3


def test_a_click_is_heard_at_the_pitch_of_the_piano(browser):
    click(browser, play="Flute")
    assert (browser.selected, browser.instrument.name, browser._grid.selected) == ("Flute", "Flute", "Flute")
    samples, rate = heard(browser)
    assert (rate, len(samples)) == (RATE, 2 * RATE)
    assert 0.2 < np.abs(samples).max() <= 1
    browser._piano._handle_custom_msg({"key": 72}, [])
    assert browser.pitch == 72
    assert [pitch for _, pitch, _ in browser._model.asked] == [60, 72]
    assert browser.message == ""


def test_what_has_been_heard_is_not_generated_again_and_yet_played(browser):
    seen = []
    browser._sound.observe(lambda change: seen.append(change.new), "clip")
    for name in ("Flute", "Cello", "Flute", "Flute"):
        click(browser, play=name)
    assert len(browser._model.asked) == 2
    assert seen == [1, 2, 3, 4]


def test_the_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(notes, "REMEMBERED", 3)
    preview = Preview(Model())
    one = Instrument("one", np.ones(4))
    for pitch in (60, 61, 62, 60, 63, 60, 61):
        preview.play_note(one, pitch)
    assert [pitch for _, pitch, _ in preview._model.asked] == [60, 61, 62, 63, 61]  # 61 was the one longest unheard
    assert len(preview._heard) == 3


def test_random_ones_are_drawn_by_seed(path):
    browser = Browser(Model(), seed=5, count=6, path=path)
    assert list(browser.bank) == [f"stub 5-{i}" for i in range(6)]
    assert (browser.bank["stub 5-3"].z == Model().sample_z(6, 5)[3]).all()
    browser._more.click()
    assert browser.seed == browser._seed.value == 6
    assert browser._grid.names[0] == "stub 6-0"
    browser._seed.value = 9
    assert browser.seed == 9
    assert browser.code() == "bank = {i.name: i for i in instruments.sample(model, 6, seed=9)}"


def test_an_instrument_stays_chosen_when_others_are_drawn(path):
    browser = Browser(Model(), path=path)
    browser.play("stub 1-0")
    browser.more()
    browser.play()
    assert browser.message == ""
    assert browser.instrument.name == "stub 1-0"


def test_the_code_does_what_was_done(browser, path):
    click(browser, play="Flute")
    click(browser, star="Cello")
    from helpers import audio, render

    names = {"model": Named(), "instruments": instruments, "audio": audio, "render": render}
    exec(browser.code(), names)
    samples, _ = heard(browser)
    np.testing.assert_allclose(names["clip"].samples, samples, atol=1e-4)
    assert [i.name for i in names["kept"]] == ["Cello"]
    assert names["clip"].sample_rate == RATE


def test_stars_are_saved_at_once_and_there_again(browser, path):
    click(browser, star="Flute")
    click(browser, star="Cello")
    assert [i.name for i in instruments.load(path, Named())] == ["Flute", "Cello"] == browser._grid.kept
    assert "2 kept in" in browser.message
    again = Browser(Named(), path=path)
    assert again.kept == ["Flute", "Cello"]
    assert [i.name for i in again.kept_instruments] == ["Flute", "Cello"]
    click(again, star="Flute")
    assert [i.name for i in instruments.load(path)] == ["Cello"]
    again._source.value = "starred"
    assert list(again.bank) == ["Cello"]
    assert {p.name for p in path.parent.iterdir()} == {path.name, files.LOCK}


def test_kept_can_be_set(browser, path):
    browser.kept = ["Cello", "Alto Flute"]
    assert [i.name for i in instruments.load(path)] == ["Cello", "Alto Flute"]
    with pytest.raises(ValueError, match="no instrument 'nobody'"):
        browser.kept = ["nobody"]
    assert browser.kept == browser._grid.kept == ["Cello", "Alto Flute"]
    assert [i.name for i in instruments.load(path)] == ["Cello", "Alto Flute"]


def test_two_browsers_keep_each_others_stars(browser, path):
    other = Browser(Named(), path=path)
    browser.star("Cello")
    other.star("Flute")
    assert other.kept == ["Cello", "Flute"] == [i.name for i in instruments.load(path)]


def test_the_file_of_another_model_is_left_alone(browser, path):
    browser.star("Cello")
    content = path.read_bytes()
    other = Browser(Model(), path=path)
    assert "was made for named" in other.message
    assert "instruments_.json" in other.message
    assert other.kept == []
    other.star("stub 1-0")
    assert path.read_bytes() == content
    assert Browser(Model(), path=path).kept == ["stub 1-0"]


def test_a_file_that_is_none_is_left_alone(path):
    path.parent.mkdir()
    path.write_text("my notes")
    browser = Browser(Named(), path=path)
    assert "is not a file of instruments" in browser.message
    browser.star("Cello")
    assert path.read_text() == "my notes"
    own = path.with_name("instruments_a1b2c3d4.json")
    assert json.loads(own.read_text())["instruments"][0]["name"] == "Cello"
    own.write_text("spoilt")
    browser.star("Flute")
    assert browser.kept == ["Cello"]
    assert "is not a file of instruments" in browser.message
    assert own.read_text() == "spoilt"


def test_a_star_that_cannot_be_saved_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    browser = Browser(Named(), path=tmp_path / "file" / "instruments.json")
    browser.star("Cello")
    assert browser.kept == browser._grid.kept == []
    assert 'role="alert"' in browser.message


def test_errors_are_one_line_and_the_browser_goes_on(browser):
    click(browser, play="nobody")
    assert "there is no instrument" in browser.message
    click(browser, play=["odd"])
    click(browser, star={})
    assert 'role="alert"' in browser.message
    browser._piano._handle_custom_msg({"key": 200}, [])
    assert browser.pitch == browser._piano.pitch == 60
    browser.play()
    assert "choose an instrument first" in browser.message
    click(browser, play="Cello")
    assert browser.message == ""


def test_an_instrument_of_another_model_is_refused(path):
    browser = Browser(Named(), {"x": Instrument("x", np.ones(4), "foreign", "f")}, path=path)
    browser.play("x")
    assert "was made for foreign" in browser.message


def test_arguments_are_checked(path):
    for bank, message in [({}, "at least one"), (["x"], "dict of instruments"), ({"x": 1}, "dict of instruments")]:
        with pytest.raises(ValueError, match=message):
            Browser(Named(), bank, path=path)
    with pytest.raises(ValueError, match="count is 0"):
        Browser(Named(), count=0, path=path)
    two = {"a": Instrument("a", np.ones(4), "", "1"), "b": Instrument("b", np.ones(4), "", "2")}
    with pytest.raises(ValueError, match="one model"):
        Browser(Named(), two, path=path)


def test_an_instrument_is_kept_by_the_name_it_has_in_the_bank(path):
    browser = Browser(Named(), {"mine": Instrument("yours", np.ones(4), "named", "a1b2c3d4e5")}, path=path)
    assert browser.code() == ""
    browser.star("mine")
    assert Browser(Named(), path=path).kept == ["mine"]


def test_piano_has_the_keys_of_the_model():
    piano = Piano()
    assert len(piano.names) == 61
    assert (piano.names[0], piano.names[60 - piano.lowest], piano.names[-1]) == ("C1", "C4", "C6")
    with pytest.raises(traitlets.TraitError):
        piano.pitch = 23


@pytest.mark.slow
def test_a_preview_note_of_the_demo_is_heard(path):
    """How soon, `make bench-widgets` says."""
    gansynth = pytest.importorskip("helpers.gansynth")
    browser = Browser(gansynth.load("demo"), path=path)
    for i, name in enumerate(list(browser.bank)[:3]):
        browser._piano.pitch = 40 + 5 * i
        click(browser, play=name)
        assert browser.message == ""
        assert len(heard(browser)[0]) == 2 * RATE
