"""helpers.widgets.generate: renders in a thread, says how far it is, can be cancelled, and hands the clip over."""

import threading
from pathlib import Path

import numpy as np
import pytest
import traitlets
from inputs import Stub, song_of

from helpers import audio, midi, render, runtime
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note, Song
from helpers.render.types import Part
from helpers.widgets import background
from helpers.widgets import generate as module
from helpers.widgets.generate import Generate
from helpers.widgets.mixer import Mixer
from helpers.widgets.tune import Tune

STUDY = Path(__file__).parents[1] / "data" / "midi" / "study.mid"
CELLO, FLUTE = (Instrument(name, np.full(4, value)) for name, value in (("Cello", 1.0), ("Flute", 2.0)))
SONG = song_of(*(Note(40 + i % 40, 90, i * 0.5, i * 0.5 + 0.4) for i in range(40)))
SECONDS = 30  # that a thread may take at most


class Gated(Stub):
    """Generates a batch for each ticket that it is given."""

    def __init__(self, tickets=0):
        super().__init__()
        self.gate, self.begun = threading.Semaphore(tickets), threading.Event()

    def generate(self, *args, **kwargs):
        self.begun.set()
        assert self.gate.acquire(timeout=SECONDS)
        return super().generate(*args, **kwargs)


class Editor(traitlets.HasTraits):
    """As the TimelineEditor: it has a timeline."""

    timeline = traitlets.Any()


@pytest.fixture(autouse=True)
def outputs(monkeypatch, tmp_path):
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(runtime, "outputs", lambda: tmp_path / "outputs")
    return tmp_path / "outputs"


def test_the_button_renders_what_render_renders():
    generate = Generate(Stub(), SONG, CELLO)
    assert generate.clip is None
    generate._start.click()
    clip = generate.wait(SECONDS)
    assert (clip.samples == render.render(Stub(), SONG, CELLO, progress=False).samples).all()
    assert bytes(generate._sound.value[:4]) == b"fLaC"
    assert generate._sound.layout.display == ""
    assert "rendered   40 of 40 notes" in generate._report.value
    assert generate._count.value.startswith("40 of 40 notes in")
    assert (generate._bar.value, generate._bar.max) == (40, 40)
    assert (generate.message, generate.running, generate._download.ready) == ("", False, True)


def test_run_gives_the_clip():
    generate = Generate(Stub(), SONG)
    assert generate.run() is generate.clip
    assert generate.run().report.rendered == 40
    assert generate.wait(0) is generate.clip


def test_a_second_click_does_nothing_and_cancel_keeps_what_there_is():
    model = Gated(tickets=2)
    generate = Generate(model, SONG, CELLO, batch_size=4)
    generate._start.click()
    first = generate._thread
    assert (generate.running, generate._start.disabled, generate._cancel.disabled) == (True, True, False)
    generate.start()
    assert generate._thread is first
    with pytest.raises(RuntimeError, match="in progress"):
        generate.run()
    with pytest.raises(TimeoutError, match="a rendering is still in progress"):
        generate.wait(0.01)
    assert model.begun.wait(SECONDS)
    generate._cancel.click()
    for _ in range(3):
        model.gate.release()
    clip = generate.wait(SECONDS)
    assert 4 <= clip.report.rendered <= 12
    assert clip.report.stopped_at is not None
    assert f"the first {clip.report.stopped_at:.1f} s" in generate.message
    assert (generate.running, generate._start.disabled, generate._cancel.disabled) == (False, False, True)
    for _ in range(20):
        model.gate.release()
    generate.start()  # and once more, to the end
    assert generate.wait(SECONDS).report.stopped_at is None
    assert generate.message == ""


def test_cancelled_before_the_first_chord_was_there():
    model = Gated()
    chord = song_of(*(Note(60 + i, 90, 0.0, 3.0) for i in range(8)))
    generate = Generate(model, chord, CELLO, batch_size=1)
    generate.start()
    generate.cancel()
    model.gate.release()
    assert generate.wait(SECONDS) is None
    assert "before the first note" in generate.message
    assert not generate.running


def test_cancel_without_a_rendering_is_nothing():
    generate = Generate(Stub(), SONG)
    generate.cancel()
    assert generate.run().report.rendered == 40


def test_progress(monkeypatch):
    monkeypatch.setattr(background, "REFRESH", 0.0)
    generate, seen = Generate(Stub(), SONG, CELLO, batch_size=8), []
    generate._count.observe(lambda change: seen.append(change.new), "value")
    generate.run()
    assert seen[0].startswith("preparing")
    assert [text.split(" of ")[0] for text in seen[1:]] == ["0", "8", "16", "24", "32", "40", "40"]
    assert seen[2].endswith("s to go")
    monkeypatch.setattr(background, "REFRESH", 1e9)
    seen.clear()
    generate.run()
    assert [text.split(" of ")[0] for text in seen[1:]] == ["0", "40", "40"]


def test_errors_are_one_line_and_the_clip_stays():
    model = Stub()
    generate = Generate(model, SONG)
    clip = generate.run()

    def fail(*_, **__):
        raise RuntimeError("out of\nmemory <b>")

    model.generate = fail
    generate.start()
    assert generate.wait(SECONDS) is clip
    assert "out of memory &lt;b&gt;" in generate.message
    assert generate._count.value == ""
    with pytest.raises(RuntimeError, match="memory"):
        generate.run()
    assert not generate.running
    del model.generate
    generate.start()
    assert generate.wait(SECONDS) is not clip
    assert generate.message == ""


def test_mistakes():
    with pytest.raises(TypeError, match="drum"):
        Generate(Stub(), SONG, drum="synth")
    with pytest.raises(TypeError, match="progress"):
        Generate(Stub(), SONG, progress=False)
    generate = Generate(Stub(), Tune(folder="none"))
    generate.start()
    assert "choose a score first" in generate.message
    with pytest.raises(ValueError, match="choose a score"):
        generate.run()
    with pytest.raises(ValueError, match="no clip yet"):
        generate.save()
    with pytest.raises(ValueError, match="drums is 'loud'"):
        Generate(Stub(), SONG, drums="loud").run()


def test_parts_and_who_plays_the_rest():
    tune, editor = Tune({"Cello": CELLO}, STUDY), Editor(timeline=None)
    generate = Generate(Stub(), Mixer(tune), editor, pitch="fold")
    assert generate.code() == 'clip = render.render(model, song, pitch="fold")'
    tune.set(1, instrument="Cello")
    assert generate._call.text == 'clip = render.render(model, song, parts, pitch="fold")'
    editor.timeline = Timeline([FLUTE, CELLO], at=[0, 9])
    assert generate._call.text == 'clip = render.render(model, song, parts, default=timeline, pitch="fold")'
    players = [row.played_by for row in generate.run().report.tracks]
    assert players == ["Cello", *["Flute > Cello"] * 3, "left out"]
    tune.set(1, instrument="")
    assert generate._call.text == 'clip = render.render(model, song, timeline, pitch="fold")'
    assert Generate(Stub(), tune, FLUTE).code() == "clip = render.render(model, song, instrument)"


def test_the_code_makes_the_clip():
    tune = Tune({"Cello": CELLO}, STUDY)
    mixer = Mixer(tune)
    tune.set(1, instrument="Cello")
    mixer.set(2, gain=-3.0, pan=0.5)
    generate = Generate(Stub(), mixer, seed=3)
    names = {"midi": midi, "render": render, "model": Stub(), "bank": tune.bank}
    exec("\n".join([tune.code(), mixer.code(), generate.code()]), names)
    assert (names["clip"].samples == generate.run().samples).all()


def test_a_song_that_changes_meanwhile_is_for_the_next_time():
    model, tune = Gated(), Tune(path=STUDY)
    generate = Generate(model, tune, CELLO)
    generate.start()
    tune.song = SONG
    for _ in range(100):
        model.gate.release()
    assert generate.wait(SECONDS).report.song == "study"


def test_faithful():
    generate = Generate(Stub(), SONG, Timeline.hold(CELLO), faithful=True)
    assert generate.run().report.rendered == 40


def test_a_clip_is_saved_once_and_none_is_overwritten(outputs):
    song = Song("../a <b>", SONG.tracks)
    generate = Generate(Stub(), song, CELLO)
    generate.run()
    path = generate.save()
    assert path == generate.save() == outputs / "a _b_.wav"
    assert audio.read(path).duration == pytest.approx(generate.clip.duration)
    generate.run()
    assert generate.save() == outputs / "a _b_ 2.wav"


def test_the_download_button_gets_the_file(outputs, monkeypatch):
    generate, sent = Generate(Stub(), SONG), []
    monkeypatch.setattr(generate._download, "send", lambda message, buffers: sent.append((message, buffers)))
    generate._download._handle_custom_msg({}, [])
    assert "no clip yet" in generate.message
    generate.run()
    generate._download._handle_custom_msg({}, [])
    assert sent == [({"name": "song.wav"}, [(outputs / "song.wav").read_bytes()])]
    assert "saved as" in generate.message


def test_a_very_long_clip_stays_out_of_the_page(monkeypatch, outputs):
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    generate = Generate(Stub(), SONG)
    generate.run()
    assert generate._sound.layout.display == "none"
    assert "too long" in generate.message
    generate._download._handle_custom_msg({}, [])
    assert "too large to download" in generate.message
    assert (outputs / "song.wav").is_file()


def test_parts_of_any_source():
    class Source:
        song, parts = SONG, {1: Part(FLUTE)}

    assert Generate(Stub(), Source()).run().report.tracks[0].played_by == "Flute"
