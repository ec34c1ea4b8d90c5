"""helpers.widgets.tune and helpers.midi_sources: scores from anywhere, and what is chosen for their tracks."""

import contextlib
import datetime
import email.message
import gzip
import io
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import addresses, midi, midi_sources, soundfont
from helpers.audio import Audio
from helpers.instruments import Instrument
from helpers.limits import MAX_BYTES
from helpers.midi import Note, Song, Track
from helpers.render.types import Part
from helpers.widgets import tune as module
from helpers.widgets.tune import Tune

FOLDER = Path(__file__).parents[1] / "data" / "midi"
STUDY, PRELUDE = FOLDER / "study.mid", FOLDER / "bach_prelude.mid"
BANK = {name: Instrument(name, np.full(4, i + 1.0)) for i, name in enumerate(["Cello", 'Odd "one"'])}
DRIVE_ID = "1A2b3C4d5E6f7G8h9I0jKlMnOpQrStUvW"


@pytest.fixture(autouse=True)
def kept(monkeypatch, tmp_path):
    """Where scores from elsewhere are kept."""
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "scores"


@pytest.fixture
def tune():
    return Tune(BANK, STUDY)


@pytest.fixture
def site(monkeypatch):
    """A web server: give it answers by path, (status, headers, body). It stands for one of the public internet."""
    monkeypatch.setattr(addresses, "is_public", lambda address: True)
    answers = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # it may have heard enough
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.answers, server.url = answers, f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


def listed(tune):
    return [name for name, _ in tune._list.options]


# --------------------------------------------------------------------------------------------------- files from outside


@pytest.mark.parametrize(("name", "expected"), [
    ("song.mid", "song.mid"), ("../../etc/x.MID", "x.MID"), ("C:\\scores\\b c.kar", "b c.kar"),
    ("page.php", "page.php.mid"), ("<b>$x$</b>", "b_.mid"), ("", "score.mid"), ("...", "score.mid"),
])  # fmt: skip
def test_a_score_is_kept_under_a_safe_name(name, expected, kept):
    path = midi_sources.keep(STUDY.read_bytes(), name)
    assert path == kept / expected
    assert midi.load(path).tracks == midi.load(STUDY).tracks


def test_a_packed_score_is_kept_unpacked(kept):
    path = midi_sources.keep(gzip.compress(STUDY.read_bytes()), "a.mid.gz")
    assert path == kept / "a.mid"
    assert path.read_bytes() == STUDY.read_bytes()
    with pytest.raises(ValueError, match=r"^a\.mid is damaged: gzip cannot decompress it"):
        midi_sources.keep(b"\x1f\x8b\x08" + bytes(30), "a.mid.gz")
    (kept / "b.mid.gz").write_bytes(gzip.compress(STUDY.read_bytes()))
    assert [path.name for path in midi_sources.listing(kept)] == ["a.mid", "b.mid.gz"]


def test_no_score_takes_the_place_of_another(kept):
    assert (
        midi_sources.keep(STUDY.read_bytes(), "a.mid")
        == midi_sources.keep(STUDY.read_bytes(), "a.mid")
        == kept / "a.mid"
    )
    for _ in range(2):
        assert midi_sources.keep(PRELUDE.read_bytes(), "a.mid") == kept / "a 2.mid"
    assert [path.name for path in midi_sources.listing(kept)] == ["a 2.mid", "a.mid"]
    assert midi_sources.listing(kept / "none") == []


@pytest.mark.parametrize(("content", "match"), [
    (b"<html>", "^a.mid is a web page"), (b" <!DOCTYPE html><p>", "^a.mid is a web page"),
    (b"", "^a.mid is an empty file"),
    (STUDY.read_bytes()[:30], "^a.mid is a damaged"), (bytes(MAX_BYTES + 1), "^a.mid has 8 MB"),
])  # fmt: skip
def test_what_is_no_score_is_not_kept(content, match, kept):
    with pytest.raises(ValueError, match=match):
        midi_sources.keep(content, "a.mid")
    assert midi_sources.listing(kept) == []
    assert not kept.exists() or not list(kept.iterdir())


@pytest.mark.parametrize("content", [b"ID3", b"RIFF----WAVE", b"<html>", bytes(MAX_BYTES + 1)])
def test_a_message_names_the_file_as_it_was_given(content, kept):
    with pytest.raises(ValueError, match=r"^song\.mp3 "):
        midi_sources.keep(content, "song.mp3")


def test_download(site, kept):
    body = STUDY.read_bytes()
    site.answers["/a%20song.mid?x=1"] = (200, {}, body)
    assert midi_sources.download(f" {site.url}/a%20song.mid?x=1 ") == kept / "a song.mid"
    site.answers["/get?id=3"] = (200, {"Content-Disposition": 'attachment; filename="../one.mid"'}, body)
    assert midi_sources.download(f"{site.url}/get?id=3") == kept / "one.mid"
    site.answers["/moved"] = (302, {"Location": "/a%20song.mid?x=1"}, b"")
    assert midi_sources.download(f"{site.url}/moved") == kept / "a song.mid"


def test_download_says_what_is_wrong(site, kept):
    site.answers["/page"] = (200, {}, b"<html>")
    site.answers["/round"] = (302, {"Location": "/round"}, b"")
    site.answers["/file"] = (302, {"Location": f"file://{STUDY}"}, b"")
    site.answers["/large"] = (200, {}, b"MThd" + bytes(MAX_BYTES))
    site.answers["/broken"] = (200, {"Content-Length": "9999"}, b"MThd")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/a.mid"
    for url, kind, match in [
        (f"{site.url}/page", ValueError, "/page is a web page, not a MIDI file: copy the link of the file itself"),
        (f"{site.url}/none", OSError, "HTTP 404"),
        (f"{site.url}/round", ConnectionError, "redirects too often"),
        (f"{site.url}/file", ConnectionError, "cannot be reached"),
        (f"{site.url}/large", ValueError, "more than 8 MB"),
        (f"{site.url}/broken", ConnectionError, "cannot be reached"),
        (closed, ConnectionError, "cannot be reached"),
        (STUDY.as_uri(), ValueError, "is not a web address"),
        ("ftp://example.com/a.mid", ValueError, "is not a web address"),
        ("a.mid", ValueError, "is not a web address"),
        ("http://[", ValueError, "is not a web address"),
        ("", ValueError, "is not a web address"),
    ]:
        with pytest.raises(kind, match=match) as caught:
            midi_sources.download(url)
        assert "\n" not in str(caught.value)
    assert midi_sources.listing(kept) == []


def test_download_from_google_drive(monkeypatch, kept):
    link = f"https://drive.google.com/file/d/{DRIVE_ID}/view"
    headers = email.message.Message()
    headers["Content-Disposition"] = 'attachment; filename="shared.mid"'

    def drive(content):
        def fetch(url, most_bytes, seconds, shown_as):
            assert shown_as != url  # errors name the link that was given
            assert DRIVE_ID in url
            assert (most_bytes, seconds) == (MAX_BYTES, midi_sources.MAX_FETCH_SECONDS)
            if isinstance(content, Exception):
                raise content
            return addresses.Page(content, url, headers)

        monkeypatch.setattr(addresses, "fetch", fetch)

    drive(STUDY.read_bytes())
    assert midi_sources.download(link) == kept / "shared.mid"
    for answer in (b"<html>sign in", OSError("HTTP 404")):
        drive(answer)
        with pytest.raises(PermissionError, match="Anyone with the link"):
            midi_sources.download(link)


@pytest.mark.parametrize("allowed", [False, True])
def test_the_app_fetches_nothing_unless_it_may(monkeypatch, allowed):
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    monkeypatch.setenv("GANSYNTH_APP_DOWNLOADS", "1" if allowed else "")
    asked = []
    monkeypatch.setattr(midi_sources, "download", lambda url: asked.append(url) or STUDY)
    tune = Tune(BANK, PRELUDE)
    rows = [widget for widget in tune.children if tune._link in getattr(widget, "children", ())]
    assert [row.layout.display for row in rows] == ["" if allowed else "none"]
    tune.fetch("https://example.com/a.mid")
    assert asked == (["https://example.com/a.mid"] if allowed else [])
    assert ("does not fetch files" in tune._by_link.value) != allowed


# ----------------------------------------------------------------------------------------------------- choosing a score


def test_it_begins_with_the_first_score_of_the_folder():
    tune = Tune()
    assert tune.song == midi.load(PRELUDE)
    assert listed(tune) == ["choose a score", "bach_prelude", "study"]
    assert tune.code().endswith('data/midi/bach_prelude.mid")')
    assert "656 notes" in tune._about.value


def test_it_can_be_without_a_score(tmp_path):
    tune = Tune(folder=tmp_path)
    assert (tune.song, tune.parts, tune.code(), tune.message) == (None, {}, "", "")
    tune.listen()
    assert "choose a score" in tune.message


def test_a_score_is_chosen_from_the_list(tune, monkeypatch):
    monkeypatch.chdir(FOLDER.parents[1])
    tune.load("data/midi/study.mid")
    assert listed(tune) == ["choose a score", "bach_prelude", "study"]
    tune._list.value = PRELUDE
    assert tune.song == midi.load(PRELUDE)
    assert tune.code() == tune._call.text == 'song = midi.load("data/midi/bach_prelude.mid")'
    tune._list.value = ""
    assert tune._list.value == PRELUDE


def test_a_damaged_file_is_one_line_and_the_song_stays(tune, tmp_path):
    before = tune.song
    bad = tmp_path / "<i>bad.mid"
    bad.write_bytes(b"MThd")
    for fail in (
        lambda: tune.load(bad),
        lambda: tune.upload(b"x", "b.mid"),
        lambda: tune.fetch("nowhere"),
        lambda: tune.load(tmp_path / "none.mid"),
    ):
        fail()
        assert "gansynth-error" in tune.message
        assert "<i>" not in tune.message
        assert tune.song is before
        assert tune._list.value == STUDY
    tune.load(PRELUDE)
    assert tune.message == ""


def test_a_damaged_first_file_leaves_a_control_that_works(tmp_path):
    tune = Tune(path=tmp_path / "none.mid")
    assert "no such file" in tune.message
    tune.load(STUDY)
    assert (tune.song.name, tune.message) == ("study", "")


def test_a_song_can_be_set(tune):
    tune.song = Song("mine", (Track("<b>One</b>", 0, False, (Note(60, 90, 0, 1),)),))
    assert tune.code() == ""
    assert tune._list.label == module.NO_SCORE
    assert "&lt;b&gt;One" in tune._tracks.children[0].value
    tune.song = None
    assert not tune._tracks.children


FACTS = {"type": "", "size": 1, "last_modified": datetime.datetime(2026, 1, 1)}


@pytest.mark.parametrize("value", [
    {"s.mid": {"metadata": {"name": "s.mid"}, "content": PRELUDE.read_bytes()}},  # ipywidgets 7
    ({"name": "s.mid", **FACTS, "content": memoryview(PRELUDE.read_bytes())},),  # 8
])  # fmt: skip
@pytest.mark.slow
def test_the_value_of_an_upload_button(value, tune, kept):
    if isinstance(value, tuple) == (ipywidgets.__version__ < "8"):
        tune._uploaded(type("Change", (), {"new": value}))
    else:
        for _ in range(2):  # the same file can come again
            tune.load(STUDY)
            tune._upload.set_trait("value", value)
            assert not tune._upload.value
    assert tune.song.name == "s"
    assert (kept / "s.mid").read_bytes() == PRELUDE.read_bytes()
    assert listed(tune)[-1] == tune._list.label == "s (added)"
    assert tune.code() == f'song = midi.load("{(kept / "s.mid").as_posix()}")'


def test_a_dropped_file(tune):
    drop = tune._drop._handle_custom_msg
    drop({"name": "d.mid"}, [memoryview(PRELUDE.read_bytes())])
    assert tune.song.name == "d"
    drop({"name": "film.avi"}, [])
    assert "film.avi is too large" in tune.message
    drop({}, [memoryview(b"x")])
    assert "score is not a MIDI file" in tune.message
    assert tune.song.name == "d"


def test_a_link_is_fetched_by_enter(site, tune):
    site.answers["/web.mid"] = (200, {}, PRELUDE.read_bytes())
    tune._link.value = f"{site.url}/web.mid"
    tune._link._handle_custom_msg({"event": "submit"}, [])
    assert (tune.song.name, tune.message) == ("web", "")


# --------------------------------------------------------------------------------------------------------------- tracks


def test_parts_are_what_is_chosen(tune):
    assert tune.parts == {}
    assert [row["instrument"].label for row in tune._rows] == ["automatic"] * 4 + ["left out"]
    counts = []
    tune.observe(lambda change: counts.append(change.new), "parts_changed")
    tune.set(2, instrument="Cello", mute=True)
    tune.set(1, solo=True)
    assert tune.parts == {1: Part(solo=True), 2: Part(BANK["Cello"], mute=True)}
    assert counts == [1, 2, 3]
    assert tune.code().splitlines()[1:] == [
        "parts = {", "    1: render.Part(solo=True),", '    2: render.Part(bank["Cello"], mute=True),', "}",
    ]  # fmt: skip
    tune.set(1, solo=False)
    tune.set(2, instrument="", mute=False)
    assert tune.parts == {}
    assert "parts" not in tune.code()


def test_the_code_is_what_is_chosen(tune):
    from helpers import render

    tune.set(3, instrument='Odd "one"', solo=True)
    tune.set(5, mute=True)
    names = {"midi": midi, "render": render, "bank": BANK}
    exec(tune.code(), names)
    assert names["parts"] == tune.parts
    assert names["song"] == tune.song


def test_another_song_begins_anew(tune):
    tune.set(1, mute=True)
    tune.load(PRELUDE)
    assert tune.parts == {}


def test_mistakes_in_set(tune):
    for number in (0, 6):
        with pytest.raises(ValueError, match="there is no track"):
            tune.set(number, mute=True)
    with pytest.raises(ValueError, match="cannot be played by 'Viola'"):
        tune.set(1, instrument="Viola")
    with pytest.raises(ValueError, match="cannot be played by 'Cello'"):
        tune.set(5, instrument="Cello")  # drums
    assert tune.parts == {}


def test_the_roll_shows_what_is_heard(tune):
    whole = bytes(tune._roll.value)
    assert whole.startswith(b"\x89PNG")
    tune.set(1, mute=True)
    assert tune._roll.value != whole
    tune.set(1, mute=False)
    assert tune._roll.value == whole


def test_the_page_knows_where_the_rolls_axes_are(tune):
    """Of them a narrow page makes a picture that can be read."""
    image = plt.imread(io.BytesIO(bytes(tune._roll.value)))
    height, width = image.shape[:2]
    left, bottom, across, up = tune._roll.axes
    frame = image[round((1 - bottom - up / 2) * height), :, :3].sum(axis=1)  # a row in the middle of the axes
    assert np.flatnonzero(frame < 0.5)[0] == pytest.approx(left * width, abs=1.5)  # the vertical axis is black
    assert left + across == pytest.approx(1, abs=0.02)
    assert tune._roll.seconds == pytest.approx(tune.song.duration, abs=0.5)


@pytest.mark.slow
def test_listening_plays_what_is_heard(tune, monkeypatch):
    asked = []

    def reference(song):
        asked.append(song)
        return Audio(np.zeros(160, np.float32), 16000)

    monkeypatch.setattr(soundfont, "reference", reference)
    tune.set(3, solo=True)
    tune.listen()
    assert [track.name for track in asked[0].tracks] == ["Strings"]
    assert bytes(tune._sound.value[:4]) == b"fLaC"
    tune.set(3, mute=True)
    tune.listen()
    assert "all tracks are muted" in tune.message
    tune.set(3, mute=False)
    monkeypatch.setattr(module, "MAX_LISTEN", 5.0)
    tune.listen()
    assert asked[-1].duration <= 5.0
    assert "the first 5 s" in tune.message


def test_a_song_of_very_many_tracks_is_shown_in_part():
    tracks = tuple(Track(f"t{i}", 0, False, (Note(60, 90, 0, 1),)) for i in range(module.MAX_ROWS + 3))
    tune = Tune()
    tune.song = Song("many", tracks)
    assert len(tune._tracks.children) == 3 * module.MAX_ROWS
    assert "tracks 41 to 43 are played as they are" in tune._about.value
    assert len(tune.heard().tracks) == module.MAX_ROWS + 3


def test_what_is_wrong_with_a_file_is_said(tmp_path):
    path = tmp_path / "padded.mid"
    path.write_bytes(STUDY.read_bytes() + b"\0\0\0")
    tune = Tune(path=path)
    assert "; in the file: 3 bytes after the end of a track" in tune._about.value
