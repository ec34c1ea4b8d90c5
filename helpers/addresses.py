"""Small files from addresses that somebody typed: fetched from public hosts only, within a size and a time.

    page = fetch("https://example.com/song.mid", most_bytes=8 << 20, seconds=60)

Where a program runs for others, as the app does, its network is not theirs: an address could lead to a router, to a
cloud's store of credentials, or to whatever else listens only to its neighbours. So a name is resolved once, each of
its addresses must be a public one, and the connection goes to that very address; at a redirect all this is done
again. Nothing that the machine knows is sent along: no credentials, no cookies, and no proxy is used. What is refused
and what cannot be reached are one and the same error, so that nobody learns from it what there is.

Notebook: 03_midi.
"""

from __future__ import annotations

import contextlib
import email.message
import http.client
import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import NamedTuple

CHUNK_BYTES = 1 << 14  # read from the network at a time
SILENCE_SECONDS = 15  # the longest silence before a server counts as gone
MAX_REDIRECTS = 5
MAX_LENGTH = 2000  # characters of an address
REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # IPv4 addresses as an IPv6-only network has them
_ORDINARY = ipaddress.ip_network("2000::/3")  # what is given out of IPv6, but for these tunnels into IPv4:
# Set aside for protocols; not every version of Python's list has them.
_SET_ASIDE = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("192.88.99.0/24"))
_TUNNELS = (ipaddress.ip_network("2001::/32"), ipaddress.ip_network("2002::/16"))


class Page(NamedTuple):
    """What a server has sent."""

    content: bytes
    url: str  # after all redirects
    headers: email.message.Message

    @property
    def name(self) -> str:
        """The file's name, as the server says or else as the address ends. It is not to be trusted."""
        head = email.message.Message()
        head["Content-Disposition"] = self.headers.get("Content-Disposition", "attachment")
        try:
            named = head.get_filename()
        except (ValueError, LookupError):  # of an encoding that nobody knows
            named = None
        return named or urllib.parse.unquote(urllib.parse.urlsplit(self.url).path)


class _Place(NamedTuple):
    """An address, taken apart."""

    secure: bool
    host: str
    port: int
    target: str  # path and query
    url: str


class TooLargeError(ValueError):
    """The file is larger than was asked for."""


def fetch(url: str, most_bytes: int, seconds: float, shown_as: str | None = None) -> Page:
    """Fetch a file.

    Args:
      url: an http or https address.
      most_bytes: of the file.
      seconds: the longest that all of it may take, however it is spread.
      shown_as: what errors call it, if the user gave another address.

    Raises:
      ValueError: not a web address.
      TooLargeError: a ValueError too.
      ConnectionError: the server is not on the public internet, cannot be reached, breaks off, is too slow, or
        redirects too often.
      OSError: the server refuses to serve the file; see `refusal`.
    """
    shown_as = shown_as or url
    deadline = time.monotonic() + seconds
    place = _split(url)
    for _ in range(MAX_REDIRECTS + 1):
        try:
            page, leads_to = _get(place, most_bytes, deadline)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, _Refusal):
                raise refusal(error.status, "the file", shown_as) from None
            if time.monotonic() >= deadline:
                raise ConnectionError(f"{shown_as} takes longer than {seconds:g} s; try again later") from None
            raise unreachable(shown_as) from None
        except _TooLarge:
            raise TooLargeError(f"{shown_as} has more than {most_bytes >> 20} MB") from None
        if page is not None:
            return page
        try:
            place = _split(urllib.parse.urljoin(place.url, leads_to))
        except ValueError:
            raise unreachable(shown_as) from None
    raise ConnectionError(f"{shown_as} redirects too often; give the last address")


class _Refusal(OSError):
    """The server's answer is not the file."""

    def __init__(self, status: int):
        super().__init__(status)
        self.status = status


class _TooLarge(Exception):
    """More has come than was asked for."""


def is_web_page(content: bytes) -> bool:
    """Whether a file begins as web pages do."""
    return bool(re.match(rb"\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body)\b", content[:2000], re.I | re.S))


def unreachable(what: str, advice: str = "check the address and the internet connection") -> ConnectionError:
    """The error for an address or a host that does not answer."""
    return ConnectionError(f"{what} cannot be reached: {advice}")


def refusal(status: int, what: str, url: str) -> OSError:
    """The error for an answer of a server that is not the file.

    Args:
      status: of HTTP.
      what: was asked for.
      url: where.

    Returns:
      FileNotFoundError if there is none, PermissionError if it is not public, and else an OSError.

    Source: RFC 9110, section 15.5.
    """
    if status in (404, 410):
        return FileNotFoundError(f"the server does not have {what} (HTTP {status}) at {url}")
    if status in (401, 403):
        return PermissionError(f"the server refuses {what} (HTTP {status}) at {url}: it was moved or is not public")
    return OSError(f"the server cannot deliver {what} now (HTTP {status}) at {url}; try again later")


def _split(url: str) -> _Place:
    """An address in its parts.

    Raises:
      ValueError: it is none of the web.
    """
    url = url.strip()
    try:
        parts = urllib.parse.urlsplit(url)
        port, host = parts.port, (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError:  # UnicodeError is one
        parts = None
    if (
        parts is None
        or parts.scheme not in _PORTS
        or not host
        or "@" in parts.netloc
        or len(url) > MAX_LENGTH
        or not url.isprintable()
    ):
        raise ValueError(f"{url[:MAX_LENGTH]!r} is not a web address; expected https://…")
    target = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        target += "?" + urllib.parse.quote(parts.query, safe="/?%:@!$&'()*+,;=~-._")
    return _Place(parts.scheme == "https", host, port or _PORTS[parts.scheme], target, url)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and not of this machine or its own network."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # with a zone, such as fe80::1%eth0: of a local network
        return False
    if ip.version == 6:
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip not in _ORDINARY or any(ip in tunnel for tunnel in _TUNNELS):
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _SET_ASIDE)


def _resolve(place: _Place, deadline: float) -> list[str]:
    """The addresses of a host, all of them public.

    Raises:
      OSError: there is none, one is not public, or it takes too long.
    """
    answers: queue.Queue = queue.Queue()

    def ask() -> None:  # in a thread, because nothing else ends it
        try:
            answers.put(socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            answers.put([])

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answers.get(timeout=max(deadline - time.monotonic(), 0))
    except queue.Empty:
        raise TimeoutError from None
    addresses = list(dict.fromkeys(str(row[4][0]) for row in found))
    if not addresses or not all(is_public(address) for address in addresses):
        raise ConnectionError
    return addresses


def _connect(place: _Place, deadline: float) -> socket.socket:
    """A connection to one of the addresses that were looked at."""
    failure: OSError = ConnectionError()
    for address in _resolve(place, deadline):
        try:
            return socket.create_connection((address, place.port), timeout=_patience(deadline))
        except OSError as error:
            failure = error
    raise failure


def _patience(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return min(left, SILENCE_SECONDS)


@contextlib.contextmanager
def _ending(connection: socket.socket, deadline: float) -> Iterator[None]:
    """End a connection at the deadline: a byte now and then is no silence, and would keep it open for days."""

    def end() -> None:
        with contextlib.suppress(
            OSError
        ):  # an encrypted one's own method must not be called while another thread reads
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(max(deadline - time.monotonic(), 0), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _get(place: _Place, most_bytes: int, deadline: float) -> tuple[Page | None, str]:
    """One request: the file, or where it is said to be."""
    with contextlib.closing(_connect(place, deadline)) as plain:
        used = plain
        if place.secure:
            used = _encryption().wrap_socket(plain, server_hostname=place.host, do_handshake_on_connect=False)
        with contextlib.closing(used), _ending(used, deadline):
            if isinstance(used, ssl.SSLSocket):
                used.do_handshake()
            connection = http.client.HTTPConnection(place.host, place.port)
            connection.sock = used
            if place.secure:
                connection.default_port = _PORTS["https"]
            # What is sent is what is counted.
            connection.request("GET", place.target, headers={"Accept-Encoding": "identity", "Connection": "close"})
            response = connection.getresponse()
            if response.status in REDIRECTS and response.headers.get("Location"):
                return None, response.headers["Location"]
            if response.status != 200:
                raise _Refusal(response.status)
            return Page(_body(response, most_bytes, deadline), place.url, response.headers), ""


def _body(response: http.client.HTTPResponse, most_bytes: int, deadline: float) -> bytes:
    declared, content = response.length, bytearray()
    if (declared or 0) > most_bytes:
        raise _TooLarge
    while chunk := response.read(CHUNK_BYTES):
        content += chunk
        if len(content) > most_bytes:
            raise _TooLarge
        _patience(deadline)
    _patience(deadline)
    if declared is not None and len(content) != declared:
        raise ConnectionError
    return bytes(content)


def _encryption() -> ssl.SSLContext:
    """With the authorities of this machine, and those that come with `requests`: some machines have none."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
