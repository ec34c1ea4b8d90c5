"""helpers.export.instrument_page: what is in the file, without a browser."""

import base64
import io
import json
import re
from collections import Counter

import numpy as np
import pytest
import soundfile
from inputs import RATE, OtherPlayer, Player

from helpers import export, instruments
from helpers.export import instrument_page
from helpers.export.playing import described, flac
from helpers.export.sampling import Loop, Zone

HOSTILE = ["</script><script>alert(1)</script>", "a/b\\c\"'`", "🎻" * 200, "con\n\tnul\0", "-->{{ 7 * 7 }}"]


def make(tmp_path, count, pitches=(60, 66), **how):
    model = Player()
    path = export.page(
        model, instruments.sample(model, count, 1), tmp_path / "a.html", pitches=pitches, progress=False, **how
    )
    return path, sounds(path)


def sounds(path):
    [found] = re.findall(r'<script type="application/json" id="sounds">(.*?)</script>', path.read_text("utf-8"), re.S)
    return json.loads(found)


def decoded(note):
    return soundfile.read(io.BytesIO(base64.b64decode(note["flac"])))


def zone(samples, loop=None):
    return Zone(60, 58, 61, 1, 127, samples.astype(np.float32), loop, 0.0)


@pytest.mark.parametrize(
    ("count", "columns", "rows", "different"), [(1, 1, 1, 1), (2, 9, 1, 9), (3, 5, 5, 21), (4, 5, 5, 25)]
)
def test_a_pad_has_its_places(tmp_path, count, columns, rows, different):
    _, found = make(tmp_path, count)
    assert (found["columns"], found["rows"]) == (columns, rows)
    assert len(found["place"]) == columns * rows
    assert len(found["cells"]) == len(set(found["place"])) == different
    assert found["corners"] == [f"stub 1-{i}" for i in range(count)]


def test_one_pitch_is_one(tmp_path):
    for pitches, said in (((60,), "sampled at 1 pitch."), ((60, 66), "sampled at 2 pitches.")):
        assert said in make(tmp_path, 1, pitches)[0].read_text("utf-8")


def test_a_note_is_whole_and_knows_its_loop(tmp_path):
    model = Player()
    chosen = instruments.sample(model, 1, 1)
    made = export.sampled(model, chosen, [60, 66], progress=False)
    _, found = make(tmp_path, 1)
    for note, expected in zip(found["cells"][0], made.zones, strict=True):
        wave, rate = decoded(note)
        assert rate == RATE
        assert np.abs(wave * note["gain"] - expected.samples).max() < 1e-4
        assert np.multiply(note["loop"], RATE) == pytest.approx(expected.loop)
        assert [note[name] for name in ("pitch", "low", "high", "soft", "loud")] == [
            expected.pitch, expected.low, expected.high, expected.soft, expected.loud,
        ]  # fmt: skip


def test_a_soft_note_has_as_many_bits_as_a_loud_one():
    wave = 0.001 * np.sin(np.arange(RATE) / 5)
    for bits, error in ((16, 1e-4), (9, 1e-2)):
        back, _ = soundfile.read(io.BytesIO(flac(wave, RATE, bits)))
        assert np.abs(back).max() == pytest.approx(1, abs=2 / 2**bits * 2)
        assert np.abs(back - wave / 0.001).max() < error
    assert len(flac(wave, RATE, 9)) < 0.7 * len(flac(wave, RATE, 16))
    assert described(zone(wave), RATE)["gain"] == pytest.approx(0.001, abs=1e-6)
    assert described(zone(wave, Loop(8000, 12000)), RATE)["loop"] == [0.5, 0.75]
    assert described(zone(np.zeros(10)), RATE)["gain"] == 0
    assert soundfile.read(io.BytesIO(flac(np.zeros(10), RATE)))[0].tolist() == [0] * 10


def test_bits_are_fewer_where_there_is_no_room(tmp_path, monkeypatch):
    path, found = make(tmp_path, 1)
    size = path.stat().st_size
    monkeypatch.setattr(instrument_page, "MAX_BYTES", size - 100)
    path, fewer = make(tmp_path, 1)
    assert path.stat().st_size < size
    assert sum(len(note["flac"]) for note in fewer["cells"][0]) < sum(len(note["flac"]) for note in found["cells"][0])
    assert re.search(r"16000 Hz, \d+ bits", path.read_text("utf-8"))


def test_what_is_too_large_is_not_written_and_says_what_helps(tmp_path, monkeypatch):
    monkeypatch.setattr(instrument_page, "MAX_BYTES", 70_000)
    with pytest.raises(ValueError, match=r"the page would have .* MB, more than 0; use fewer pitches"):
        make(tmp_path, 1)
    assert not list(tmp_path.iterdir())


def test_the_frame_is_as_small_as_it_is_taken_for(tmp_path):
    path, found = make(tmp_path, 4)
    notes = [note for cell in found["cells"] for note in cell]
    rest = path.stat().st_size - sum(len(note["flac"]) for note in notes)
    assert rest < instrument_page.FRAME_BYTES + instrument_page.NOTE_BYTES * len(notes)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text(tmp_path, name):
    model = Player()
    [drawn] = instruments.sample(model, 1, 1)
    other = instruments.Instrument(name.replace("\0", ""), drawn.z, drawn.checkpoint, drawn.fingerprint)
    path = export.page(model, other, tmp_path / "a.html", title=name, pitches=[60], progress=False)
    html = path.read_text("utf-8")
    assert Counter(re.findall(r"<(?:/script|script\b[^>]*)>", html)) == {
        "<script>": 1, '<script type="application/json" id="sounds">': 1, "</script>": 2,
    }  # fmt: skip
    assert "49" not in re.search("<title>(.*?)</title>", html, re.S).group(1)
    assert len(sounds(path)["corners"]) == 1


def test_where_it_cannot_be_written_nothing_is_sampled(tmp_path):
    model = Player()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"a\.html cannot be written"):
        export.page(model, instruments.sample(model, 1, 1), tmp_path / "file" / "a.html", progress=False)
    assert not model.asked


def test_what_cannot_be_is_said(tmp_path):
    model = Player()
    five = instruments.sample(model, 5, 1)
    for wrong, says in ((five, "there are 5 instruments"), ([], "there are 0 instruments")):
        with pytest.raises(ValueError, match=says):
            export.page(model, wrong, tmp_path / "a.html")
    with pytest.raises(ValueError, match="one or more different whole numbers"):
        export.page(model, five[0], tmp_path / "a.html", pitches=[], progress=False)
    with pytest.raises(ValueError, match=r"^'Cello' is not an instrument; take one from a bank: bank\['Cello'\]"):
        export.page(model, "Cello", tmp_path / "a.html")
    with pytest.raises(ValueError, match=r"must end in \.html"):
        export.page(model, five[0], tmp_path / "a.htm")
    with pytest.raises(ValueError, match="stub 1-0"):
        export.page(OtherPlayer(), five[0], tmp_path / "a.html")
    assert not list(tmp_path.iterdir())
