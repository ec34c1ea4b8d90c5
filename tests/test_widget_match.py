"""helpers.widgets.match: a recording, its part and its notes, the match and the bank, without a browser and a model."""

import html
import inspect
import io
import re
import threading

import numpy as np
import pytest
import soundfile
from inputs import OtherPlayer, matched
from inputs import Player as Model

from helpers import audio, folders, instruments, matching, recording_sources, runtime
from helpers.audio import Audio
from helpers.instruments import Instrument
from helpers.widgets import BlendPad, Match
from helpers.widgets import match as module
from helpers.widgets import recorder as recorder_module

SECONDS = 30  # that a thread may take at most
RATE = 16000
PLUCKED, BLOWN = (folders.BUNDLED / "recordings" / f"{name}.flac" for name in ("plucked", "blown"))


def tone(pitch=69, seconds=1.5, rate=RATE, level=0.3):
    time = np.arange(round(seconds * rate)) / rate
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    return (level * sum(np.sin(2 * np.pi * hertz * k * time) / k for k in (1, 2, 3))).astype(np.float32)


def wav(samples, rate=RATE):
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format="WAV")
    return content.getvalue()


@pytest.fixture(autouse=True)
def outputs(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "outputs", lambda: tmp_path / "outputs")
    return tmp_path / "outputs"


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """The calls of the matcher."""
    calls = []

    def match(model, recording, notes=None, **how):
        calls.append((model, recording, notes, how))
        known = {name: value for name, value in how.items() if name != "free"}
        return matched(model, recording, notes, **known)

    match.__signature__ = inspect.signature(matching.match)
    monkeypatch.setattr(matching, "match", match)
    return calls


@pytest.fixture
def mine(bank):
    return Match(bank, PLUCKED)


def heard(match):
    return [note.pitch for note in match.notes]


def send(match, content, name="", rate=0, seconds=0.0, take="1", size=1 << 16):
    """What the page sends of a recording."""
    pieces = max(1, -(-len(content) // size))
    for piece in range(pieces):
        about = {"take": take, "piece": piece, "pieces": pieces, "name": name, "rate": rate, "seconds": seconds}
        match._recorder._handle_custom_msg(about, [memoryview(content[piece * size : (piece + 1) * size])])


# ------------------------------------------------------------------------------------------------- choosing a recording


def test_it_begins_with_the_first_recording_of_the_folder(bank):
    match = Match(bank)
    assert match.recording.name == "blown"
    assert [name for name, _ in match._list.options] == ["choose a recording", "blown", "plucked"]
    assert match._list.value == BLOWN
    assert heard(match) == [76]
    assert match.part == (0, 4)
    assert (match._trim.start, match._trim.end, match._trim.seconds) == (0, 4, 4)
    assert [name for *_, name in match._trim.notes] == ["E5"]
    for text in ("E5", "pYIN", "SwiftF0", "76.00"):
        assert text in match._heard.value
    assert match.message == ""


def test_without_a_recording_it_asks_for_one(bank, tmp_path):
    match = Match(bank, folder=tmp_path / "none")
    assert match.recording is None
    assert match.code() == ""
    assert match._start.disabled
    for act in (match.start, match.listen, lambda: match.trim(0, 1)):
        act()
        assert "choose a recording first" in match.message
    with pytest.raises(ValueError, match="choose a recording first"):
        match.run()
    match.keep()
    assert "match a recording first" in match.message


def test_the_waveform_is_drawn_as_loud_as_there_is_room(bank, tmp_path):
    match = Match(bank, audio.write(Audio(tone(level=0.001), RATE), tmp_path / "soft.wav"))
    peaks = np.frombuffer(match._trim.peaks, "<f4").reshape(-1, 2)
    assert len(peaks) == 900
    assert np.abs(peaks).max() == pytest.approx(0.9, abs=1e-3)
    assert (peaks[:, 0] <= peaks[:, 1]).all()


def test_another_one_from_the_list(mine):
    mine.trim(0.5, 2.0)
    mine.pitch = 50
    mine._list.value = BLOWN
    assert (mine.recording.name, mine.part, mine.pitch, heard(mine)) == ("blown", (0, 4), None, [76])
    mine._list.value = ""
    assert mine._list.value == BLOWN


def test_what_cannot_be_read_leaves_what_was_there(mine, tmp_path):
    before = mine.recording
    (tmp_path / "poem.wav").write_text("roses are red")
    for path, sentence in ((tmp_path / "none.wav", "no such file"), (tmp_path / "poem.wav", "not a sound")):
        mine.load(path)
        assert sentence in mine.message
        assert mine.recording is before
        assert mine._list.value == PLUCKED


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("my tone?.wav", "my tone_.wav"),
        ("../../etc/x.wav", "x.wav"),
        ("<b>.wav", "_b_.wav"),
        ("sound", "sound.wav"),
        ("...", "recording.wav"),
        ("a.php", "a.php.wav"),
    ],
)
def test_an_upload_is_kept_under_a_safe_name(mine, outputs, name, kept):
    mine.upload(wav(tone()), name)
    assert [path.name for path in (outputs / "recordings").iterdir()] == [kept]
    assert heard(mine) == [69]
    assert f"kept as outputs/recordings/{kept}" in mine.message
    assert re.search(rf'matching\.read\("outputs/recordings/{re.escape(kept)}"\)', mine.code())


def test_no_upload_takes_the_place_of_another(mine, outputs):
    for pitch in (60, 62, 60):
        mine.upload(wav(tone(pitch)), "a.wav")
        assert heard(mine) == [pitch]
    assert sorted(path.name for path in (outputs / "recordings").iterdir()) == ["a 2.wav", "a.wav"]
    assert [name for name, _ in mine._list.options][-2:] == ["a 2 (added)", "a (added)"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"roses are red", "not a sound file"),
        (b"", "not a sound file"),
        (b"<!doctype html><p>sign in", "is a web page, not an audio file"),
        (wav(np.zeros(RATE)), "is silent"),
        (wav(tone(seconds=0.05)), "too short"),
    ],
)
def test_an_upload_that_is_no_sound_is_one_sentence_and_not_kept(mine, outputs, content, sentence):
    before = mine.recording
    mine.upload(content, "thing.wav")
    assert sentence in mine.message
    assert mine.recording is before
    assert not (outputs / "recordings").exists()


def test_a_sound_without_a_note_is_shown_and_says_so(mine, asked):
    noise = np.random.RandomState(0).normal(size=2 * RATE) * 0.1
    mine.upload(wav(noise), "noise.wav")
    assert "no pitch is detected" in mine.message
    assert "no pitch is detected" in mine._by_part.value
    assert mine.recording.name == "noise"
    assert mine.notes == []
    mine.start()
    assert "there is no note to match" in mine.message
    mine.pitch = 60
    assert heard(mine) == [60]
    mine.run()
    assert [note.pitch for note in asked[-1][2]] == [60]


def test_a_link(mine, monkeypatch, outputs):
    fetched = []
    monkeypatch.setattr(
        recording_sources,
        "download",
        lambda url: fetched.append(url) or recording_sources.keep(wav(tone(72)), "far.wav"),
    )
    mine._link.value = "https://example.com/far.wav"
    mine._fetch.click()
    assert fetched == ["https://example.com/far.wav"]
    assert heard(mine) == [72]
    monkeypatch.setattr(
        recording_sources, "download", lambda url: (_ for _ in ()).throw(ConnectionError("cannot be reached"))
    )
    mine._link._handle_custom_msg({"event": "submit"}, [])
    assert "cannot be reached" in mine._by_link.value
    assert heard(mine) == [72]


@pytest.mark.parametrize("allowed", [False, True])
def test_the_app_fetches_nothing_unless_it_may_and_shows_nobody_the_recordings_of_others(
    bank, monkeypatch, allowed, outputs
):
    recording_sources.keep(wav(tone()), "somebody.wav")
    assert "somebody (added)" in [name for name, _ in Match(bank)._list.options]
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    monkeypatch.setenv("GANSYNTH_APP_DOWNLOADS", "1" if allowed else "")
    monkeypatch.setattr(recording_sources, "download", lambda url: BLOWN)
    match = Match(bank, PLUCKED)
    assert [name for name, _ in match._list.options] == ["choose a recording", "blown", "plucked"]
    match.fetch("https://example.com/a.wav")
    assert ("does not fetch files" in match.message) != allowed
    assert (match.recording.name == "blown") == allowed
    match.upload(wav(tone(60)), "me.wav")
    assert [name for name, _ in match._list.options][-1] == "me (added)"


@pytest.mark.slow
def test_it_says_truthfully_where_a_recording_goes(bank, monkeypatch, outputs):
    def said():
        shown = "".join(str(getattr(child, "value", "")) for child in Match(bank, PLUCKED).children)
        return html.unescape(shown)

    assert "never leave the machine that runs Python" in said()
    monkeypatch.setattr(runtime, "kind", lambda: runtime.VOILA)
    assert "are sent to the server" in said()
    monkeypatch.setattr(runtime, "kind", lambda: runtime.COLAB)
    assert "one of Google's machines" in said()
    assert "never leave" not in said()
    assert "Drive" not in said()
    (outputs.parent / "drive").mkdir()
    outputs.symlink_to(outputs.parent / "drive")
    assert "your Google Drive" in said()


# -------------------------------------------------------------------------------------------------- from the microphone


def test_what_the_microphone_heard_comes_in_pieces(mine, outputs):
    send(mine, tone(64, rate=48000).tobytes(), rate=48000, seconds=1.5)
    assert (mine.recording.name, mine.recording.sample_rate) == ("recording", 48000)
    assert heard(mine) == [64]
    assert audio.read(outputs / "recordings" / "recording.wav").duration == pytest.approx(1.5)
    send(mine, tone(65, rate=44100).tobytes(), rate=44100, seconds=1.5, take="2")
    assert heard(mine) == [65]
    assert mine._list.value.name == "recording 2.wav"


def test_pieces_out_of_order_and_too_many_are_dropped(mine, monkeypatch):
    before = mine.recording
    content = tone().tobytes()
    about = {"take": "1", "pieces": 2, "name": "", "rate": RATE, "seconds": 1.5}
    half = len(content) // 2

    def piece(number, part, take="1"):
        mine._recorder._handle_custom_msg(about | {"take": take, "piece": number}, [memoryview(part)])

    piece(1, content[half:])
    piece(0, content[:half])
    piece(1, content[half:], take="2")
    piece(1, content[half:])
    assert mine.recording is before
    piece(0, content[:half])
    piece(5, content[half:])
    assert mine.recording is before
    monkeypatch.setattr(recorder_module, "MAX_RAW_BYTES", half + 1)
    piece(0, content[:half])
    piece(1, content[half:])
    assert mine.recording is before
    monkeypatch.undo()


def test_silence_of_the_microphone_is_one_sentence(mine):
    before = mine.recording
    send(mine, np.zeros(RATE, np.float32).tobytes(), rate=RATE)
    assert "is silent" in mine._by_page.value
    assert mine.recording is before


def test_a_file_that_only_the_browser_knows_is_asked_for_as_samples(mine, monkeypatch, outputs):
    sent = []
    monkeypatch.setattr(mine._recorder, "send", sent.append)
    send(mine, b"ftypM4A ...", name="memo.m4a", take="7")
    assert sent == [{"decode": "7"}]
    assert "decoding memo.m4a" in mine.message
    send(mine, tone(62).tobytes(), name="memo.m4a", rate=RATE, seconds=312.0, take="8")
    assert heard(mine) == [62]
    assert (outputs / "recordings" / "memo.wav").is_file()
    assert "only the first 60 of 312 s are used" in mine.message
    send(mine, b"ftypM4A ...", name="memo.m4a", take="9")
    mine._recorder._handle_custom_msg({"unknown": "9"}, [])
    assert "memo.m4a is not a sound file" in mine.message
    assert heard(mine) == [62]


# ---------------------------------------------------------------------------------------------- the part and its notes


def test_trim(mine):
    assert heard(mine) == [48]
    mine._trim._handle_custom_msg({"trim": [0.25, 2.5]}, [])
    assert mine.part == (0.25, 2.5)
    assert "matching.find_notes(recording, 0.25, 2.5)" in mine.code()
    assert [note.start >= 0.25 and note.end <= 2.5 for note in mine.notes] == [True]
    mine.trim(-1, 99)
    assert mine.part == (0, 4)
    assert "matching.find_notes(recording)" in mine.code()
    mine.part = 1, 2
    assert (mine._trim.start, mine._trim.end) == (1, 2)


def test_trim_to_nothing_leaves_what_was_there(mine):
    mine.trim(1, 2)
    for start, end in ((1.5, 1.5), (2, 1), (1, 1.1), (9, 10), (float("nan"), 1)):
        mine._trim.start, mine._trim.end = start, end  # as the page shows it
        mine._trim._handle_custom_msg({"trim": [start, end]}, [])
        assert "is too short to match" in mine._by_part.value
        assert mine.part == (1, 2) == (mine._trim.start, mine._trim.end)
        assert heard(mine) == [48]


def test_trimmed_to_where_nothing_sounds(mine):
    mine.trim(3.6, 4)
    assert "silent" in mine.message
    assert mine.notes == []
    mine.trim(0, 3)
    assert mine.message == ""
    assert heard(mine) == [48]


def test_the_pitch_is_corrected(mine):
    mine._pitch.value = 50
    assert (mine.pitch, heard(mine)) == (50, [50])
    assert "find_notes(recording, pitch=50)" in mine.code()
    assert "you gave D3" in mine._heard.value
    mine._pitch.value = -1
    assert (mine.pitch, heard(mine)) == (None, [48])
    mine.pitch = 47
    assert mine._pitch.value == 47


def test_listen_plays_the_part(mine, tmp_path):
    mine.trim(0.5, 1.5)
    mine._listen.click()
    samples, rate = soundfile.read(io.BytesIO(mine._sound.value))
    assert (rate, len(samples)) == (RATE, RATE)
    own = mine.recording.samples[RATE // 2 : 3 * RATE // 2]
    assert np.corrcoef(samples, own)[0, 1] > 0.999
    mine.load(audio.write(Audio(tone(rate=96000), 96000), tmp_path / "high.wav"))
    mine.listen()
    assert soundfile.info(io.BytesIO(mine._sound.value)).samplerate == 48000


# ------------------------------------------------------------------------------------------------------------ matching


def test_the_button_matches_what_is_chosen(mine, bank, asked):
    mine.trim(0.2, 3)
    mine._start.click()
    found = mine.wait(SECONDS)
    [(model, recording, notes, how)] = asked
    assert (model, recording, list(notes), how["bank"]) == (bank.model, mine.recording, mine.notes, bank)
    assert mine.found is found
    assert mine.instrument is found.instrument
    assert mine._words.value.count("4.6 dB") == 1
    assert mine._sides.names == ["plucked", "match", f"nearest instrument, {next(iter(bank))}"]
    assert [text.split(" dB")[0][-3:] for text in mine._sides.captions] == ["3.6", "4.6", "7.0"]
    assert [bytes(sound[:4]) for sound in mine._sides.sounds] == [b"fLaC"] * 3
    assert [bytes(picture[1:4]) for picture in mine._sides.pictures] == [b"PNG"] * 3
    assert (mine.running, mine._start.disabled, mine._cancel.disabled) == (False, False, True)
    assert (mine._bar.value, mine._bar.max) == (3, 3)
    assert mine._result.layout.display == ""
    assert list(mine.clips) == mine._sides.names


def test_who_matches_while_the_notes_are_sought_waits_for_them(mine, monkeypatch, asked):
    begun, may_end, find = threading.Event(), threading.Event(), matching.find_notes

    def slow(*given):
        begun.set()
        assert may_end.wait(SECONDS)
        return find(*given)

    monkeypatch.setattr(matching, "find_notes", slow)
    trimming = threading.Thread(target=mine.trim, args=[0.5, 2])
    trimming.start()
    assert begun.wait(SECONDS)
    matcher = threading.Thread(target=mine.run)
    matcher.start()
    matcher.join(0.2)
    assert asked == []
    may_end.set()
    for thread in (trimming, matcher):
        thread.join(SECONDS)
    [(_, _, notes, _)] = asked
    assert [note.pitch for note in notes] == [48]
    assert mine._choices["part"] == (0.5, 2)


def test_settings_are_those_of_the_matcher(bank, asked):
    match = Match(bank, PLUCKED, seed=3, free="first layer")
    match.run()
    assert (asked[-1][3]["seed"], asked[-1][3]["free"]) == (3, "first layer")
    assert 'matching.match(model, recording, notes, bank=bank, seed=3, free="first layer")' in match.code()
    with pytest.raises(TypeError, match="precision"):
        Match(bank, PLUCKED, precision="float16")


class Gate:
    """A matcher that waits until it is stopped, or until it may go on."""

    def __init__(self, error=None):
        self.begun, self.may_end, self.error = threading.Event(), threading.Event(), error

    def __call__(self, model, recording, notes=None, *, stop=None, progress=None, **how):
        progress(1, 100)
        self.begun.set()
        while not (stop() or self.may_end.wait(0.005)):
            pass
        if self.error:
            raise self.error
        return matched(model, recording, notes, stop=stop, **how)


@pytest.fixture
def gate(monkeypatch, mine):
    gate = Gate()
    monkeypatch.setattr(matching, "match", gate)
    return gate


def test_cancel_while_it_matches_keeps_the_best_so_far(mine, gate):
    mine._start.click()
    assert gate.begun.wait(SECONDS)
    first = mine._thread
    assert (mine.running, mine._start.disabled, mine._cancel.disabled) == (True, True, False)
    assert mine._count.value.startswith("step 1 of 100")
    mine.start()
    assert mine._thread is first
    with pytest.raises(RuntimeError, match="in progress"):
        mine.run()
    with pytest.raises(TimeoutError):
        mine.wait(0.01)
    mine._cancel.click()
    assert mine.wait(SECONDS).stopped
    assert "cancelled: this is the best so far" in mine._by_match.value
    assert mine._sides.names


def test_after_a_cancelled_match_another_one_runs_to_its_end(mine, gate):
    mine.start()
    mine.cancel()
    assert mine.wait(SECONDS).stopped
    gate.may_end.set()
    mine.start()
    assert not mine.wait(SECONDS).stopped
    assert mine.message == ""


def test_a_second_recording_while_the_first_is_matched(mine, gate):
    mine.start()
    assert gate.begun.wait(SECONDS)
    mine._list.value = BLOWN
    gate.may_end.set()
    assert mine.wait(SECONDS).name == "plucked"
    assert mine.stale == "the recording has changed"
    assert "Out of date: the recording has changed. Press Match." in mine._age.value
    mine.run()
    assert (mine.found.name, mine.stale, mine._age.value) == ("blown", "", "")


@pytest.mark.slow
def test_what_changes_makes_it_old(mine):
    mine.run()
    mine.trim(0, 2)
    assert mine.stale == "the part has changed"
    mine.pitch = 50
    assert mine.stale == "the part and the pitch have changed"
    mine.pitch = None
    mine.trim(0, 4)
    assert (mine.stale, mine._age.value) == ("", "")


@pytest.mark.slow
def test_what_goes_wrong_is_a_line_and_it_goes_on_working(mine, monkeypatch):
    gate = Gate(ValueError("the model is <b>out of tune</b>"))
    gate.may_end.set()
    monkeypatch.setattr(matching, "match", gate)
    mine.start()
    assert mine.wait(SECONDS) is None
    assert "the model is &lt;b&gt;out of tune" in mine._by_match.value
    assert (mine.running, mine._count.value, mine._start.disabled) == (False, "", False)
    gate.error = None
    assert mine.run().name == "plucked"
    assert mine.message == ""


@pytest.mark.slow
def test_several_notes_are_chosen_between(bank, tmp_path):
    clip = np.concatenate([tone(60), np.zeros(RATE // 2, np.float32), tone(67)])
    match = Match(bank, audio.write(Audio(clip, RATE), tmp_path / "two.wav"))
    assert heard(match) == [60, 67]
    match.run()
    assert match._which.layout.display == ""
    assert "4.6 dB" in match._sides.captions[1]
    before = match._sides.sounds
    match._which.value = 1
    assert "5.6 dB" in match._sides.captions[1]
    assert match._sides.sounds != before


def test_one_note_needs_no_choice(mine):
    mine.run()
    assert mine._which.layout.display == "none"


@pytest.mark.parametrize("panel", ["waveform", "mel", "cqt", "rainbowgram"])
@pytest.mark.slow
def test_pictures_are_chosen(mine, panel):
    mine.run()
    mine.panel = panel
    assert mine._sides.picture == {"cqt": "CQT"}.get(panel, panel)
    assert len({bytes(picture) for picture in mine._sides.pictures}) >= 1
    assert mine._modes.layout.display == ("" if panel == "rainbowgram" else "none")


def test_trouble_in_the_browser_is_a_line(mine):
    mine.run()
    mine._sides.trouble = "playback failed: <no>"
    assert "playback failed: &lt;no&gt;" in mine.message


# ------------------------------------------------------------------------------------------------------------- keeping


def test_keep_puts_it_into_everybodys_list(mine, bank):
    pad = BlendPad(bank, bank[:4])
    mine.run()
    mine._name.value = "  My pluck "
    mine._keep.click()
    assert bank.kept == ["My pluck"]
    assert (bank["My pluck"].z == mine.found.instrument.z).all()
    assert "kept as My pluck in outputs/instruments.json" in mine.message
    assert all("My pluck" in field.options for field in pad._choices)
    assert mine.code().endswith('bank.keep(found.instrument, "My pluck")')
    assert mine._name.value == ""
    mine.keep()
    assert bank.kept == ["My pluck", "plucked"]


def test_a_name_that_is_taken_is_a_sentence(mine, bank):
    bank.keep(Instrument("plucked", np.full(4, 0.5), fingerprint=bank.model.fingerprint))
    mine.run()
    mine.keep()
    assert "choose another name" in mine._by_keep.value
    mine.keep("another")
    assert "kept as another" in mine.message


def test_another_model_makes_it_old_and_cannot_keep_it(mine, bank):
    mine.run()
    bank.use(OtherPlayer())
    assert mine.stale == "the model has changed"
    assert mine._keep.disabled
    mine.run()
    assert (mine.stale, mine._keep.disabled) == ("", False)
    assert mine.instrument.fingerprint == OtherPlayer.fingerprint


def test_a_model_gets_a_bank_of_its_own(bank):
    match = Match(Model(), PLUCKED)
    match.run()
    match.keep("x")
    assert match.bank.kept == ["x"]
    assert match.bank is not bank


def test_the_code_finds_the_same(mine, bank):
    mine.trim(0.25, 3)
    mine.pitch = 49
    mine.run()
    mine.keep("Kept by hand")
    lines = mine.code().splitlines()
    names = {"instruments": instruments, "matching": matching, "model": bank.model}
    exec("\n".join(lines[:-1]), names)
    assert names["notes"] == mine.notes
    assert (names["found"].instrument.z == mine.instrument.z).all()


def test_names_are_text(bank, tmp_path):
    path = audio.write(Audio(tone(), RATE), tmp_path / "<img src=x>.wav")
    match = Match(bank, path)
    match.run()
    assert "<img" not in match._words.value + match._heard.value + match.message


def test_constants_agree():
    """What the page sends at most is what Python takes: a minute at the rate of what the browser decodes."""
    assert module.MAX_SECONDS * 48000 * 4 < recorder_module.MAX_RAW_BYTES
    assert recorder_module.MAX_RECORDED <= module.MAX_SECONDS
