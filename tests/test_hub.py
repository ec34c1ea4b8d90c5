"""Downloads, against a server in a thread: nothing here leaves the machine."""

import contextlib
import errno
import functools
import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gdown
import pytest
import requests

from helpers import downloads, folders
from helpers.gansynth import checkpoint, hub

REPO = Path(__file__).parents[1]
TINY = Path(__file__).parent / "data" / "checkpoints" / "tiny_stage12"
WEIGHTS = "stage_00012/model.ckpt-11000000.data-00000-of-00001"
DRIVE_ID = "1AbCdEfGhIjKlMnOpQrStUvWxYz_012-4"


def packed(*extra, source=TINY, method=zipfile.ZIP_STORED, comment=b"") -> bytes:
    """A zip as published, inside a top folder; `extra` are (name or ZipInfo, bytes) pairs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.comment = comment
        for file in sorted(source.rglob("*")) if source else ():
            if file.is_file():
                archive.write(file, f"tiny/{file.relative_to(source).as_posix()}")
        for name, data in extra:
            archive.writestr(name, data)
    return out.getvalue()


class Site:
    """What the server answers, and what it has sent."""

    def __init__(self, url):
        self.url, self.body, self.status = url, packed(comment=b"old"), 200
        self.etag, self.ranges, self.if_range, self.shift, self.cut = '"one"', True, True, 0, None
        self.length, self.hung_up = True, threading.Event()  # the client had enough
        self.log = []  # (status, bytes of body sent)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server.site
        status, start, total = site.status, 0, len(site.body)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        unchanged = not site.if_range or self.headers.get("If-Range") in (None, site.etag)
        if wanted and site.ranges and unchanged and status == 200:
            start = int(wanted[1]) - site.shift
            status = 206 if start < total else 416
        body = site.body[start:]
        sent = body[: site.cut]
        site.log.append((status, len(sent)))  # before the head is out, upon which a client may ask again at once
        self.send_response(status)
        if site.etag:
            self.send_header("ETag", site.etag)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        elif status == 416:
            self.send_header("Content-Range", f"bytes */{total}")
        if site.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(sent)
        except ConnectionError:
            site.hung_up.set()

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.site = Site(f"http://127.0.0.1:{server.server_port}/acoustic_only.zip")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(downloads, "CHUNK_BYTES", 1 << 14)
    return tmp_path / "data"


@pytest.fixture
def name(site, monkeypatch):
    monkeypatch.setitem(hub.PUBLISHED, "acoustic_only", site.url)
    return "acoustic_only"


def left(home) -> list[str]:
    """Every file below the data folder, but for locks."""
    return sorted(p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file() and p.suffix != ".lock")


def fails(kind, match, call, *args, **kwargs):
    """The call raises exactly this kind, in one sentence, without a library's traceback."""
    with pytest.raises(kind, match=match) as caught:
        call(*args, **kwargs)
    assert type(caught.value).__module__ == "builtins"
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


# ---- Download and locate ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_import_is_light():
    code = "import sys; from helpers.gansynth import hub; hub.listing(); "
    code += "print({'tensorflow', 'gdown'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_download_unpacks_and_records(site, name, home, capsys):
    (home / "checkpoints" / f".{name}.unpacking").mkdir(parents=True)  # as a killed process would leave it
    (home / "checkpoints" / f".{name}.unpacking" / "old").touch()
    folder = hub.download(name, progress=False)
    assert folder == home / "checkpoints" / name
    assert capsys.readouterr() == ("", "")
    record = json.loads((folder / "download.json").read_text())
    assert (record["url"], record["bytes"]) == (site.url, len(site.body))
    assert record["sha256"] == hashlib.sha256(site.body).hexdigest()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["date"])
    unpacked = {p.relative_to(TINY).as_posix(): p.read_bytes() for p in TINY.rglob("*") if p.is_file()}
    assert record["files"] == {file: hashlib.sha256(data).hexdigest() for file, data in unpacked.items()}
    assert left(home) == sorted(f"checkpoints/{name}/{file}" for file in [*unpacked, "download.json"])
    assert checkpoint.read(folder).fingerprint() == checkpoint.read(TINY).fingerprint()


def test_progress_bar_counts_bytes(site, name, capsys):
    hub.download(name)
    assert f"{name}: 100%" in capsys.readouterr().err


def test_locate_downloads_once(site, name, monkeypatch):
    folder = hub.locate(name)
    monkeypatch.setattr(requests, "get", None)
    assert hub.locate(name) == hub.download(name) == folder
    assert len(site.log) == 1


def test_download_elsewhere_under_another_name(site, tmp_path):
    folder = hub.download("mine", url=site.url, folder=tmp_path / "models" / "m", progress=False)
    assert folder == tmp_path / "models" / "m"
    assert (folder / WEIGHTS).is_file()
    assert not (tmp_path / "data").exists()


def test_two_at_once_make_one_download(site, name, home):
    folders = []
    threads = [threading.Thread(target=lambda: folders.append(hub.locate(name))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders == [home / "checkpoints" / name] * 3
    assert len(site.log) == 1


def test_waiting_for_another_process_ends(site, name, home, monkeypatch, capsys):
    monkeypatch.setattr(hub, "LOCK_SECONDS", 0.1)
    with hub._alone(home / "checkpoints" / name, progress=False):
        fails(TimeoutError, r"too long.*acoustic_only\.lock", hub.download, name)
    assert "waiting" in capsys.readouterr().out
    assert site.log == []


@pytest.mark.parametrize("damage", ["change", "remove", "record"])
def test_tampering_is_detected(site, name, damage):
    folder = hub.locate(name)
    if damage == "change":
        data = bytearray((folder / WEIGHTS).read_bytes())
        data[1000] ^= 1
        (folder / WEIGHTS).write_bytes(data)
    elif damage == "remove":
        (folder / WEIGHTS).unlink()
    else:
        (folder / "download.json").write_text("{")
    what = {"change": "data-00000-of-00001 has changed", "remove": "is missing", "record": "download.json is damaged"}
    for target in (name, folder):
        fails(ValueError, f"{what[damage]}.*delete the folder .*{name}", hub.locate, target)
    shutil.rmtree(folder)  # what the sentence says
    assert hub.verify(hub.locate(name)) == folder


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000, '{"files": ' + '{"a":' * 500 + "1" + "}" * 501, '{"files": [1]}', '{"files": "x"}', "3",
        '{"files": {"../outside": "0"}}', '{"files": {"/etc/passwd": "0"}}', '{"files": {"a\\u0000": "0"}}',
        '{"files": {"a": 7}}', '{"files": {}}', "\xff",
    ],
    ids=range(11),
)  # fmt: skip
def test_a_record_from_elsewhere_is_not_trusted(tmp_path, text):
    (tmp_path / "download.json").write_text(text, "latin-1")
    fails(ValueError, "delete the folder", hub.locate, tmp_path)


def test_what_is_there_is_not_replaced(site, name, home):
    folder = hub.download(name, progress=False)
    good = hashlib.sha256(site.body).hexdigest()
    assert hub.download(name, url=site.url, sha256=good.upper()) == folder
    fails(FileExistsError, "another archive", hub.download, name, url=site.url + "?v=2")
    fails(FileExistsError, "another archive", hub.download, name, sha256="0" * 64)
    (home / "checkpoints" / "mine").mkdir()
    fails(FileExistsError, "was not downloaded", hub.download, "mine", url=site.url)


# ---- Connections that break ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "statuses"),
    [
        ({}, [206]),
        ({"ranges": False}, [200]),
        ({"etag": '"two"', "body": packed(comment=b"new")}, [200]),
        ({"etag": '"two"', "body": packed(comment=b"new"), "if_range": False}, [206, 200]),
        ({"shift": 100}, [206, 200]),
        ({"body": packed(comment=b"same tag, other size"), "if_range": False}, [206, 200]),
    ],
    ids=[
        "continues",
        "server ignores Range",
        "changed",
        "changed, server ignores If-Range",
        "other range",
        "other size",
    ],
)
def test_broken_download_goes_on(site, name, home, change, statuses):
    site.cut = 600_000
    message = fails(ConnectionError, "run it again to continue", hub.locate, name)
    arrived = (home / "downloads" / f"{name}.zip.part").stat().st_size
    assert f"only {arrived:,} of {len(site.body):,} bytes" in message
    assert site.cut - downloads.CHUNK_BYTES <= arrived <= site.cut
    assert not (home / "checkpoints" / name).exists()
    first = len(site.body)
    site.cut, site.log = None, []
    vars(site).update(change)
    record = json.loads((hub.locate(name) / "download.json").read_text())
    assert record["sha256"] == hashlib.sha256(site.body).hexdigest()
    assert [status for status, _ in site.log] == statuses
    assert site.log[-1][1] == (first - arrived if statuses == [206] else len(site.body))


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_starts_again(site, name, etag):
    site.etag, site.cut = etag, 600_000
    fails(ConnectionError, "only", hub.locate, name)
    site.cut = None
    hub.locate(name)
    assert site.log[1:] == [(200, len(site.body))]


@pytest.mark.parametrize("extra", [b"", b"too much"])
def test_complete_or_oversized_part(site, name, home, extra):
    """416 means complete if the size is right, and start from zero if not."""
    part = home / "downloads" / f"{name}.zip.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(site.body + extra)
    notes = {"url": site.url, "validator": site.etag, "total": len(site.body)}
    part.with_name(part.name + ".json").write_text(json.dumps(notes))
    hub.locate(name)
    assert [status for status, _ in site.log] == ([416, 200] if extra else [416])


def test_part_of_another_address_is_not_used(site, name, home):
    site.cut = 600_000
    fails(ConnectionError, "only", hub.locate, name)
    site.cut = None
    hub.download(name, url=site.url + "?mirror")
    assert site.log[1:] == [(200, len(site.body))]


def test_no_network(name, home, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setitem(hub.PUBLISHED, name, f"http://127.0.0.1:{port}/a.zip")
    fails(ConnectionError, f"127.0.0.1:{port} cannot be reached.*'demo' works offline", hub.locate, name)
    assert left(home) == []


def test_silent_server(site, name, monkeypatch):
    monkeypatch.setattr(downloads, "READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.zip"
        fails(ConnectionError, "cannot be reached", hub.download, name, url=url)


@pytest.mark.parametrize(
    ("status", "kind", "match"),
    [
        (404, FileNotFoundError, r"the server does not have acoustic_only \(HTTP 404\) at http://127"),
        (403, PermissionError, "refuses"),
        (503, OSError, r"HTTP 503.*try again later"),
        (416, OSError, "not requested"),
    ],
)
def test_refusals(site, name, home, status, kind, match):
    site.status = status
    fails(kind, match, hub.locate, name)
    assert left(home) == []


@pytest.mark.parametrize(
    ("name", "url", "match"),
    [
        ("../evil", "http://127.0.0.1/", "is not a valid name"),
        (".hidden", "http://127.0.0.1/", "is not a valid name"),
        ("demo", "http://127.0.0.1/", "is not a valid name"),
        ("mine", None, "has no address"),
        ("mine", "127.0.0.1/a.zip", "not a web address"),
        ("mine", "ftp://127.0.0.1/a.zip", "not a web address"),
    ],
)
def test_bad_requests(name, url, match, home):
    fails(ValueError, match, hub.download, name, url=url)
    assert left(home) == []


# ---- Archives that are none ------------------------------------------------------------------------------------------


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


def lying() -> bytes:
    """A zip whose large member says in the central directory that it has 10 bytes."""
    data = bytearray(packed(("tiny/stage_00012/model.ckpt-1.index", bytes(3_000_000)), method=zipfile.ZIP_DEFLATED))
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    return bytes(data)


def scrambled() -> bytes:
    """A zip with a member that is no deflate stream."""
    member = "tiny/stage_00012/model.ckpt-1.index"
    data = bytearray(packed((member, bytes(1000)), method=zipfile.ZIP_DEFLATED))
    data[data.index(member.encode()) + len(member)] = 0xFF  # a block type that does not exist
    return bytes(data)


BROKEN = {
    "web page": (lambda: b"\n<!DOCTYPE html><html>Quota exceeded", "the archive is a web page"),
    "garbage": (lambda: b"\0" * 1000, "not a zip archive"),
    "nothing": (lambda: b"", "not a zip archive"),
    "half a zip": (lambda: packed()[:500_000], "not a zip archive"),
    "scrambled": (scrambled, "is not a usable checkpoint"),
    "no checkpoint": (lambda: packed(("readme.txt", "hello"), source=None), "it contains no experiment.json"),
    "no weights": (lambda: packed(("experiment.json", '{"data_type": "mel"}'), source=None), "no stage_000NN folder"),
    "dots": (lambda: packed(("../evil", "x")), "points outside"),
    "inner dots": (lambda: packed(("tiny/../../evil", "x")), "points outside"),
    "absolute": (lambda: packed(("/tmp/evil", "x")), "points outside"),
    "drive letter": (lambda: packed(("C:/evil", "x")), "points outside"),
    "symlink": (lambda: packed((link("tiny/stage_00012/evil"), "/etc/passwd")), "points outside"),
    "backslash": (lambda: packed(("..\\evil", "x")), "points outside"),
    "bomb": (lambda: packed(("tiny/stage_00012/x", bytes(3_000_000)), method=zipfile.ZIP_DEFLATED), "far too much"),
    "many files": (lambda: packed(*((f"tiny/{i}", b"") for i in range(60))), "far too much"),
    "liar": (lying, "is not a usable checkpoint"),
}


@pytest.mark.parametrize(("body", "match"), BROKEN.values(), ids=BROKEN)
def test_broken_and_hostile_archives(site, name, home, monkeypatch, body, match):
    monkeypatch.setattr(checkpoint, "MAX_UNPACKED_BYTES", 2_000_000)
    monkeypatch.setattr(checkpoint, "MAX_MEMBERS", 50)
    extract, written = checkpoint.extract_published, [0]

    def watched(archive, folder, shown_as):
        try:
            return extract(archive, folder, shown_as)
        finally:
            written[0] = sum(p.stat().st_size for p in Path(folder).rglob("*"))

    monkeypatch.setattr(checkpoint, "extract_published", watched)
    site.body = body()
    message = fails(ValueError, match, hub.locate, name)
    assert site.url in message
    assert str(home) not in message
    assert written[0] < 2_000_000
    assert left(home) == []
    assert not list(home.parent.rglob("*evil*"))
    site.body = packed()  # and the next try is not spoilt
    assert hub.locate(name).is_dir()


def test_wrong_hash(site, name, home):
    match = f"SHA-256 {hashlib.sha256(site.body).hexdigest()} instead of {'ab' * 32}; the file was deleted"
    fails(ValueError, match, hub.download, name, sha256="AB" * 32)
    assert left(home) == []


@pytest.mark.parametrize("declared", [True, False])
def test_too_large_to_download(site, name, home, monkeypatch, declared):
    monkeypatch.setattr(downloads, "MAX_ARCHIVE_BYTES", 1_000_000)
    site.body, site.length = bytes(30_000_000), declared
    fails(ValueError, "larger than", hub.locate, name)
    assert left(home) == []
    assert site.hung_up.wait(5)  # it did not take all


def test_undeclared_size(site, name):
    site.length = False
    assert hub.locate(name).is_dir()


@pytest.mark.parametrize(
    ("error", "kind", "match"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, "^$"),
        (OSError(errno.ENOSPC, "No space left on device"), OSError, r"\(No space left on device\): fix this"),
    ],
)
@pytest.mark.parametrize("step", ["extract_published", "read"])
def test_interrupted_unpacking_leaves_no_checkpoint(site, name, home, monkeypatch, step, error, kind, match):
    def interrupted(*args):
        (Path(args[-2]) / "half").write_bytes(b"x")  # the folder; the last is what errors call it
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, step, interrupted)
        fails(kind, match, hub.locate, name)
    assert left(home) == [f"downloads/{name}.zip.part", f"downloads/{name}.zip.part.json"]
    assert list((home / "checkpoints").iterdir()) == []
    hub.locate(name)
    assert site.log == [(200, len(site.body)), (416, 0)]  # the archive was complete


def test_full_disk_while_downloading(site, name, home, monkeypatch):
    class Full(io.FileIO):
        def write(self, data):
            if self.tell() > 300_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    with monkeypatch.context() as patch:
        patch.setattr(downloads, "open", Full, raising=False)
        fails(OSError, "No space left on device; make room", hub.locate, name)
    site.log.clear()
    hub.locate(name)
    assert site.log[0][0] == 206


def test_folder_that_cannot_be_written(name, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path / "file"))
    fails(OSError, "cannot write to .*set GANSYNTH_DATA", hub.locate, name)


# ---- Names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["acoustic", "", "no/such/folder", "model.npz", Path("nowhere")])
def test_unknown_name_lists_the_known(wanted):
    fails(FileNotFoundError, "'demo', 'acoustic_only', 'all_instruments'", hub.locate, wanted)


def test_locate_takes_paths(tmp_path):
    assert hub.locate(TINY) == hub.locate(str(TINY)) == TINY
    file = tmp_path / "model.zip"
    file.write_bytes(packed())
    assert hub.locate(str(file)) == file


def test_demo_is_always_the_bundled_one(home, monkeypatch, tmp_path):
    (home / "checkpoints" / "demo").mkdir(parents=True)  # not this one
    monkeypatch.setattr(folders, "BUNDLED", tmp_path / "repo")
    fails(FileNotFoundError, "bundled checkpoint is missing", hub.locate, "demo")
    assert hub.listing()[0].state == "missing"
    shutil.copytree(TINY, tmp_path / "repo" / "checkpoints" / "demo")
    assert hub.locate("demo") == tmp_path / "repo" / "checkpoints" / "demo"
    assert hub.listing()[0].state == "bundled"


def test_listing(site, name, home, monkeypatch, tmp_path):
    monkeypatch.setattr(folders, "BUNDLED", tmp_path / "repo")
    shutil.copytree(TINY, tmp_path / "repo" / "checkpoints" / "demo")
    shutil.copytree(TINY, home / "checkpoints" / "mine")
    (home / "checkpoints" / ".other.unpacking").mkdir()
    hub.download(name, progress=False)
    assert hub.names() == ["demo", "acoustic_only", "all_instruments", "mine"]
    rows = hub.listing()
    assert [row.state for row in rows] == ["bundled", "downloaded", "to be downloaded", "placed by hand"]
    size = sum(p.stat().st_size for p in TINY.rglob("*") if p.is_file())
    assert [row.bytes for row in rows][::3] == [size, size]
    assert rows[1].bytes > size
    assert rows[2].bytes == 0
    assert re.fullmatch(r"demo +bundled +1\.1 MB  .*demo", str(rows[0]))
    assert re.fullmatch(r"all_instruments +to be downloaded +https://.*all_instruments\.zip", str(rows[2]))
    assert hub.locate("mine") == home / "checkpoints" / "mine"


# ---- Google Drive ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        DRIVE_ID,
        f" {DRIVE_ID}\n",
        f"https://drive.google.com/file/d/{DRIVE_ID}/view?usp=sharing",
        f"https://drive.google.com/file/d/{DRIVE_ID}",
        f"https://drive.google.com/file/u/1/d/{DRIVE_ID}/edit",
        f"https://drive.google.com/open?id={DRIVE_ID}&usp=drive_copy",
        f"https://drive.google.com/uc?export=download&id={DRIVE_ID}",
        f"https://drive.usercontent.google.com/download?id={DRIVE_ID}&export=download",
        f"drive.google.com/file/d/{DRIVE_ID}/view",
    ],
)
def test_drive_id(link):
    assert downloads.drive_id(link) == DRIVE_ID


@pytest.mark.parametrize(
    "link",
    [
        "",
        "acoustic_only",
        f"https://example.com/file/d/{DRIVE_ID}/view",
        f"https://drive.google.com.example.com/file/d/{DRIVE_ID}/view",
        f"https://drive.google.com/drive/folders/{DRIVE_ID}",
        f"https://drive.google.com/drive/folders/{DRIVE_ID}?id={DRIVE_ID}",
        "https://drive.google.com/uc?id=../../etc/passwd/and/more",
        "http://[drive.google.com",
    ],
)
def test_not_a_drive_file(link):
    fails(ValueError, "not the link of a file on Google Drive", downloads.drive_id, link)


def stand_in(version: int, file: str = "song.mid", data: bytes = b"MThd", error: Exception | None = None):
    """gdown.download with the parameters of version 5.2 or 6, which knows one file."""

    def fetch(id, output, quiet):
        assert id == DRIVE_ID
        if not quiet:
            print("Downloading...", file=sys.stderr)
        if error:
            raise error
        if file and not isinstance(output, str):
            output.write(data)
        elif file:
            Path(output, file).write_bytes(data)
        return output if file else None

    def five(url=None, output=None, quiet=False, proxy=None, speed=None, use_cookies=True, verify=True, id=None,
             fuzzy=False, resume=False, format=None, user_agent=None, log_messages=None):  # fmt: skip
        assert not isinstance(output, str) or output.endswith(os.sep)  # else 5.2 takes it for the name of the file
        return fetch(id, output, quiet)

    def six(url=None, output=None, quiet=False, proxy=None, speed=None, use_cookies=True, verify=True, id=None,
            resume=False, format=None, user_agent=None, log_messages=None, progress=None, skip_download=False,
            cookies_file=None, hasher=None, timeout=None, retries=0, cancel=None):  # fmt: skip
        return fetch(id, output, quiet)

    return {5: five, 6: six}[version]


@pytest.mark.parametrize("version", [5, 6])
def test_from_drive(version, monkeypatch, home, tmp_path, capsys):
    link = f"https://drive.google.com/file/d/{DRIVE_ID}/view"
    monkeypatch.setattr(gdown, "download", stand_in(version))
    assert downloads.from_drive(link) == downloads.from_drive(DRIVE_ID) == home / "drive" / "song.mid"
    assert "Downloading" in capsys.readouterr().err
    assert downloads.from_drive(link, tmp_path / "mine.mid", progress=False).read_bytes() == b"MThd"
    assert capsys.readouterr().err == ""
    assert downloads.from_drive(link, tmp_path / "mine") == tmp_path / "mine" / "song.mid"
    monkeypatch.setattr(gdown, "download", stand_in(version, data=b"other"))
    assert downloads.from_drive(link) == home / "drive" / f"song-{DRIVE_ID}.mid"
    assert (home / "drive" / "song.mid").read_bytes() == b"MThd"
    assert len(left(home)) == 2


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a\\..\\b c.mid", "b c.mid"),
        ("..hidden.mid", "hidden.mid"),
        ("a\n*?.mid", "a_.mid"),
        ("Ä" * 90 + ".mid", "Ä" * 80 + ".mid"),
    ],
)
def test_from_drive_makes_names_safe(given, kept, monkeypatch, home):
    monkeypatch.setattr(gdown, "download", stand_in(6, file=given))
    assert downloads.from_drive(DRIVE_ID) == home / "drive" / kept


@pytest.mark.parametrize(
    ("error", "kind", "match"),
    [
        (gdown.exceptions.FileURLRetrievalError("Failed:\n\n\tx"), PermissionError, "Anyone with the link"),
        (KeyError("Content-Disposition"), PermissionError, "Anyone with the link"),
        (requests.HTTPError("500"), PermissionError, "Anyone with the link"),
        (None, PermissionError, "Anyone with the link"),  # 5.2 may return None
        (requests.ConnectionError("no"), ConnectionError, "drive.google.com cannot be reached"),
        (requests.Timeout("no"), ConnectionError, "drive.google.com cannot be reached"),
        (OSError(errno.ENOSPC, "No space left on device"), OSError, "cannot write to .*No space"),
    ],
)
def test_from_drive_failures(error, kind, match, monkeypatch, home):
    monkeypatch.setattr(gdown, "download", stand_in(5, file="", error=error))
    fails(kind, match, downloads.from_drive, DRIVE_ID, progress=False)
    assert left(home) == []


class Endless(BaseHTTPRequestHandler):
    sent = 0

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(bytes(1 << 16))
                self.server.sent += 1 << 16

    def log_message(self, *_):
        """Nothing."""


@pytest.mark.parametrize("destination", [None, "file.zip"])
def test_a_file_on_drive_that_does_not_end(destination, monkeypatch, home, tmp_path):
    """By gdown itself, from a server that stands in for Drive."""
    monkeypatch.setattr(downloads, "MAX_ARCHIVE_BYTES", 3 << 20)
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        server.sent = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        fetch = gdown.download
        address = f"http://127.0.0.1:{server.server_port}/song.zip"
        inspected = functools.wraps(fetch)(lambda id, **how: fetch(url=address, **how))
        monkeypatch.setattr(gdown, "download", inspected)
        where = tmp_path / destination if destination else None
        fails(ValueError, "on Google Drive is larger than 3 MB", downloads.from_drive, DRIVE_ID, where, progress=False)
        server.shutdown()
    assert server.sent < 30 << 20
    assert not [file for file in (tmp_path, home / "drive") for file in file.glob("**/*") if file.is_file()]


@pytest.mark.parametrize("version", [5, 6])
def test_a_file_on_drive_that_is_too_large(version, monkeypatch, home):
    monkeypatch.setattr(downloads, "MAX_ARCHIVE_BYTES", 3)
    monkeypatch.setattr(gdown, "download", stand_in(version))
    fails(ValueError, "larger than 0 MB", downloads.from_drive, DRIVE_ID, progress=False)
    fails(ValueError, "larger than 0 MB", hub.locate, f"https://drive.google.com/file/d/{DRIVE_ID}/view")


def test_locate_a_checkpoint_on_drive(monkeypatch, home):
    link = f"https://drive.google.com/file/d/{DRIVE_ID}/view"
    monkeypatch.setattr(gdown, "download", stand_in(6, "model.zip", b"<html>"))
    fails(ValueError, "web page", hub.locate, link)
    assert left(home) == []
    monkeypatch.setattr(gdown, "download", stand_in(6, "model.zip", packed()))
    folder = hub.locate(link)
    assert folder == home / "checkpoints" / f"drive-{DRIVE_ID}"
    assert hub.names()[-1] == folder.name
    monkeypatch.setattr(gdown, "download", None)
    assert hub.locate(link) == hub.locate(folder.name) == folder
    (folder / WEIGHTS).unlink()
    fails(ValueError, "is missing", hub.locate, link)
