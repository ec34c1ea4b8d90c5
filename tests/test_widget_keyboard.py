"""helpers.widgets.keyboard: which notes are made when, without a browser."""

import threading

import numpy as np
import pytest
from inputs import OtherPlayer, Player

from helpers import instruments
from helpers.export.sampling import PITCHES
from helpers.instruments import blend_square
from helpers.widgets import Keyboard

SECONDS = 60  # that a test waits at most for what takes a second


class Gated(Player):
    """A model that makes a batch whenever a test lets it."""

    def __init__(self):
        super().__init__()
        self.gate, self.began = threading.Semaphore(1000), threading.Semaphore(0)

    def generate(self, z, pitches, *given, **how):
        self.began.release()
        assert self.gate.acquire(timeout=SECONDS)
        return super().generate(z, pitches, *given, **how)

    def close(self):
        self.gate = threading.Semaphore(0)


@pytest.fixture
def sent(monkeypatch):
    """What goes to the browser: [(message, buffers), ...]."""
    found = []
    monkeypatch.setattr(
        "helpers.widgets.keyboard.Keys.send", lambda _, content, buffers=(): found.append((content, buffers))
    )
    return found


def zones(sent, turn):
    return [content["zone"] for content, _ in sent if content.get("turn") == turn]


def hear(keyboard, **message):
    keyboard._keys._handle_custom_msg(message, [])


def test_all_notes_come_the_middle_first_and_in_small_pieces(bank, sent):
    keyboard = Keyboard(bank)
    assert keyboard.wait(SECONDS)
    assert keyboard.selected == next(iter(bank))
    assert sent[0][0] == {"begin": 1, "keep": False}
    pitches = [zone["pitch"] for zone in zones(sent, 1)]
    assert sorted(pitches) == list(PITCHES)
    assert set(range(60, 72)) <= {key for z in zones(sent, 1)[:8] for key in range(z["low"], z["high"] + 1)}
    covered = [key for zone in zones(sent, 1) for key in range(zone["low"], zone["high"] + 1)]
    assert len(covered) == len(set(covered))
    assert set(range(24, 85)) <= set(covered)
    sizes = [len(buffers[0]) for content, buffers in sent if "zone" in content]
    assert max(sizes) < 1_000_000
    assert keyboard.ready == len(PITCHES)
    assert keyboard.message == ""


def test_another_instrument_cancels_what_is_under_way(tmp_path, monkeypatch, sent):
    monkeypatch.chdir(tmp_path)
    model = Gated()
    model.close()
    bank = instruments.bank(model)
    keyboard = Keyboard(bank)
    assert model.began.acquire(timeout=SECONDS)
    keyboard.selected = list(bank)[1]  # while the first batch is made
    model.gate.release(1000)
    assert keyboard.wait(SECONDS)
    assert zones(sent, 1) == []
    assert len(zones(sent, 2)) == len(PITCHES)
    asked = [first for first, _, _ in model.asked]
    assert len(asked) == model.batch_size + len(PITCHES)
    assert asked[-1] == pytest.approx(bank[keyboard.selected].z[0])


def test_a_page_that_is_loaded_again_gets_all_notes(bank, sent):
    keyboard = Keyboard(bank)
    assert keyboard.wait(SECONDS)
    del sent[:]
    hear(keyboard, hello=True)
    assert sent[0][0] == {"begin": 1, "keep": True}
    assert len(zones(sent, 1)) == len(PITCHES)


def test_a_point_that_moves_brings_the_keys_of_lately_first(bank, sent):
    names = list(bank)[:4]
    keyboard = Keyboard(bank, names)
    assert keyboard.wait(SECONDS)
    hear(keyboard, played=26)
    hear(keyboard, played=83)
    hear(keyboard, played=27)
    keyboard._square.x = 0.25
    assert keyboard.wait(SECONDS)
    turn = keyboard._turn
    assert {"begin": turn, "keep": True} in [content for content, _ in sent]
    assert [zone["pitch"] for zone in zones(sent, turn)][:2] == [84, 27]
    assert len(zones(sent, turn)) == len(PITCHES)
    expected = blend_square([bank[name] for name in names], 0.25, 0.5)
    assert (keyboard.instrument.z == expected.z).all()


@pytest.mark.slow
def test_loudness_stays_that_of_the_notes(bank, sent, monkeypatch):
    keyboard = Keyboard(bank)
    assert keyboard.wait(SECONDS)
    original = type(bank.model).generate
    monkeypatch.setattr(type(bank.model), "generate", lambda *given, **how: 0.5 * original(*given, **how))
    keyboard.selected = list(bank)[1]
    assert keyboard.wait(SECONDS)
    loud, soft = (np.median([zone["gain"] for zone in zones(sent, turn)]) for turn in (1, 2))
    assert soft == pytest.approx(0.5 * loud, rel=0.02)


def test_it_follows_the_bank(bank, sent):
    keyboard = Keyboard(bank)
    bank.keep(instruments.blend(bank[0], bank[1], 0.5), "half")
    assert "half" in keyboard._list.options
    keyboard._list.value = "half"
    assert keyboard.selected == "half"
    assert 'bank["half"]' in keyboard.code()
    bank.discard("half")
    assert keyboard.selected == next(iter(bank))
    bank.use(OtherPlayer())
    assert keyboard.wait(SECONDS)
    assert keyboard.instrument.fingerprint == OtherPlayer.fingerprint


def test_an_error_is_a_line_and_the_next_instrument_plays(bank, sent, monkeypatch):
    original = type(bank.model).generate
    monkeypatch.setattr(type(bank.model), "generate", lambda *_, **__: 1 / 0)
    keyboard = Keyboard(bank)
    assert keyboard.wait(SECONDS)
    assert "division by zero" in keyboard.message
    monkeypatch.setattr(type(bank.model), "generate", original)
    keyboard._list.value = list(bank)[1]
    assert keyboard.wait(SECONDS)
    assert keyboard.ready == len(PITCHES)


def test_the_page_is_saved_and_handed_over(bank, sent, tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.runtime.outputs", lambda: tmp_path)
    keyboard = Keyboard(bank)
    given = []
    monkeypatch.setattr(keyboard._save, "send", lambda content, buffers: given.append((content, buffers)))
    saving = keyboard.save()
    assert saving is None
    thread = keyboard._saving
    if thread:
        thread.join(SECONDS)
    assert keyboard.path.exists()
    assert given[0][0] == {"name": keyboard.path.name}
    assert "saved as" in keyboard.message
    assert not keyboard._save.busy


def test_what_cannot_be_is_said(bank):
    with pytest.raises(ValueError, match="there are 2 instruments; a keyboard plays one, or four"):
        Keyboard(bank, list(bank)[:2])
    with pytest.raises(ValueError, match="no instrument 'nobody'"):
        Keyboard(bank, "nobody")
