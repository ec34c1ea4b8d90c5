"""helpers.addresses: what is fetched from where somebody says, and what is not."""

import contextlib
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from helpers import addresses, midi_sources


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        with contextlib.suppress(OSError):
            self.server.answer(self)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    """A server on this machine: `answer(handler)` is what it does, `seen` what it was asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    server.seen, server.port = [], server.server_port
    server.url = f"http://127.0.0.1:{server.port}"
    server.answer = whole(b"content")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def public(monkeypatch):
    """The site's machine stands for one of the public internet."""
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")


def whole(body, **headers):
    def answer(handler):
        handler.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def moved(to):
    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.end_headers()

    return answer


def dripping(first):
    """After `first`, a byte every so often, without end."""

    def answer(handler):
        handler.wfile.write(first)
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.02)

    return answer


def failure(url, seconds=5.0, kind=ConnectionError):
    with pytest.raises(kind) as caught:
        addresses.fetch(url, 1000, seconds)
    assert type(caught.value) is kind
    return str(caught.value)


UNREACHABLE = "cannot be reached: check the address and the internet connection"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.0.8", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0",
        "fc00::1", "fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2001::1", "2001:db8::1", "64:ff9b:1::1", "nonsense",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:2800:220:1::1", "64:ff9b::808:808"])
def test_addresses_that_are(address):
    assert addresses.is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_what_listens_on_this_machine_is_not_asked(site, host):
    url = f"http://{host}:{site.port}/"
    assert failure(url) == f"{url} {UNREACHABLE}"
    assert site.seen == []


def test_refused_and_unreachable_are_told_in_the_same_words(site):
    """Nobody learns which ports are open here, or which names there are."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/"
    urls = [f"{site.url}/", closed, "http://no-such-host.invalid/", "http://10.255.255.1/", "http://[::1]:22/"]
    assert {failure(url).replace(url, "") for url in urls} == {f" {UNREACHABLE}"}


def test_one_address_that_is_not_public_is_one_too_many(site, monkeypatch):
    rows = [(2, 1, 6, "", (ip, site.port)) for ip in ("8.8.8.8", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it was connected to"))
    assert UNREACHABLE in failure("http://example.com/")


def test_a_name_is_resolved_once_and_that_address_used(site, monkeypatch):
    """The second answer of a name server that means harm would be another."""
    answers = iter(["127.0.0.1", "127.0.0.2"])
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (next(answers), site.port))])
    asked = []
    monkeypatch.setattr(socket, "create_connection", lambda at, **_: asked.append(at) or _direct(at))
    page = addresses.fetch(f"http://example.com:{site.port}/a", 1000, 5)
    assert page.content == b"content"
    assert asked == [("127.0.0.1", site.port)]
    assert site.seen[0][1]["Host"] == f"example.com:{site.port}"


def _direct(address):
    """A connection without any name being looked up."""
    connection = socket.socket()
    connection.connect(address)
    return connection


@pytest.mark.parametrize("to", ["http://10.0.0.1/", "http://[::1]/", "file:///etc/passwd", "http://u:p@x/", "ftp://x/"])
def test_a_redirect_is_looked_at_again(site, public, to):
    site.answer = moved(to)
    assert failure(f"{site.url}/a") == f"{site.url}/a {UNREACHABLE}"


def test_redirects_are_followed_and_end(site, public):
    site.answer = lambda handler: (moved("/b%20c") if handler.path == "/a" else whole(b"there"))(handler)
    page = addresses.fetch(f"{site.url}/a", 1000, 5)
    assert (page.content, page.url) == (b"there", f"{site.url}/b%20c")
    site.answer = moved("/round")
    assert "redirects too often" in failure(f"{site.url}/round")


def test_nothing_of_the_machine_is_sent_along(site, public, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    addresses.fetch(f"{site.url}/ä b?c d=é", 1000, 5)
    path, headers = site.seen[0]
    assert path == "/%C3%A4%20b?c%20d=%C3%A9"
    assert set(headers) == {"Host", "Accept-Encoding", "Connection"}


@pytest.mark.parametrize(
    "first",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ids=["status", "headers", "body", "chunks"],
)
def test_a_byte_now_and_then_does_not_last_for_ever(site, public, first):
    site.answer = dripping(first)
    assert "takes longer than 0.5 s" in failure(f"{site.url}/a", seconds=0.5)


def test_nor_does_one_while_encryption_is_agreed_on(public):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with contextlib.suppress(OSError), connection:
                connection.sendall(b"\x16\x03\x03\x40\x00")  # 16 kB of a handshake follow
                while True:
                    connection.sendall(b"\0")
                    time.sleep(0.02)

        threading.Thread(target=answer, daemon=True).start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}/a"
        assert "takes longer than 0.5 s" in failure(url, seconds=0.5)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.slow
def test_what_is_too_large_is_not_read(site, public, declared):
    site.answer = whole(bytes(2000)) if declared else dripping(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(2000))
    assert "has more than" in failure(f"{site.url}/a", kind=addresses.TooLargeError)


def test_what_breaks_off_is_not_taken_for_the_whole(site, public):
    site.answer = whole(b"half", **{"Content-Length": "100"})
    assert UNREACHABLE in failure(f"{site.url}/a")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(204, OSError), (304, OSError), (401, PermissionError), (403, PermissionError), (404, FileNotFoundError),
     (410, FileNotFoundError), (500, OSError)],
)  # fmt: skip
def test_other_answers_are_named(site, public, status, kind):
    site.answer = lambda handler: (handler.send_response(status), handler.end_headers())
    assert f"HTTP {status}" in failure(f"{site.url}/a", kind=kind)


def test_garbage_for_an_answer(site, public):
    site.answer = lambda handler: handler.wfile.write(b"\xff\x00garbage\r\n" * 9)
    assert UNREACHABLE in failure(f"{site.url}/a")


@pytest.mark.parametrize(
    "url",
    [
        "", "a.mid", "ftp://x/y", "file:///etc/passwd", "http://", "http://[", "http://[::1", "http://x:99999/",
        "http://user:secret@example.com/", "http://" + "a" * 300 + "/", "http://x/" + "a" * 3000, "http://x/\x1b[31m",
        "gopher://x/", "javascript:alert(1)", "http://..x/",
    ],
)  # fmt: skip
def test_what_is_no_web_address(url):
    message = failure(url, kind=ValueError)
    assert "is not a web address" in message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("url", "port"), [("http://a.org/x", 80), ("https://a.org/x", 443), ("https://a.org:8443/x", 8443)]
)
def test_each_scheme_has_its_port(url, port):
    assert addresses._split(url).port == port


def test_scores_go_this_way(site, monkeypatch, tmp_path):
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path))
    with pytest.raises(ConnectionError, match=re.escape(UNREACHABLE)):
        midi_sources.download(f"{site.url}/a.mid")
    assert site.seen == []
