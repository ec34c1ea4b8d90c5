"""Fetch small files from addresses entered by users: only from public hosts, with limits on size and time.

    page = fetch("https://example.com/song.mid", most_bytes=8 << 20, seconds=60)

When a program runs on a server, as the app does, an address entered by a user could lead to a router, a cloud
provider's metadata service, or anything else that is only reachable from the server's network. So a host name is
resolved once, all of its addresses must be public, and the connection is made to one of exactly these addresses.
Redirects are checked in the same way. No credentials or cookies are sent, and no proxy is used. Refused and unreachable
addresses give the same error, so that it reveals nothing about the network.

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
SILENCE_SECONDS = 15  # timeout for each read
MAX_REDIRECTS = 5
MAX_LENGTH = 2000  # characters of an address
REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # IPv4 addresses as seen from IPv6-only networks
_ORDINARY = ipaddress.ip_network("2000::/3")  # global unicast addresses of IPv6, which include tunnels to IPv4
_TUNNELS = (ipaddress.ip_network("2001::/32"), ipaddress.ip_network("2002::/16"))
# Reserved for protocols; the `ipaddress` module of some Python versions does not know them.
_SET_ASIDE = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("192.88.99.0/24"))


class Page(NamedTuple):
    """The response of a server.

    Attributes:
      content: the body.
      url: address of the page, after all redirects.
      headers: the headers.
    """

    content: bytes
    url: str
    headers: email.message.Message

    @property
    def name(self) -> str:
        """The file's name according to the server or, if it gives none, the path of the address. Not to be trusted."""
        head = email.message.Message()
        head["Content-Disposition"] = self.headers.get("Content-Disposition", "attachment")
        try:
            named = head.get_filename()
        except (ValueError, LookupError):  # an unknown encoding
            named = None
        return named or urllib.parse.unquote(urllib.parse.urlsplit(self.url).path)


class _Place(NamedTuple):
    """An address split into its parts."""

    secure: bool
    host: str
    port: int
    target: str  # path and query
    url: str


class TooLargeError(ValueError):
    """The file is larger than the limit."""


def fetch(url: str, most_bytes: int, seconds: float, shown_as: str | None = None) -> Page:
    """Fetch a file.

    Args:
      url: an http or https address.
      most_bytes: maximum size of the file.
      seconds: maximum total time.
      shown_as: the address to show in error messages, if the user gave a different one.

    Raises:
      ValueError: it is not a web address.
      TooLargeError: the file is too large; a subclass of ValueError.
      ConnectionError: the server is not on the public internet, cannot be reached, breaks the connection, is too slow,
        or redirects too often.
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
    """The server's response is an error status."""

    def __init__(self, status: int):
        super().__init__(status)
        self.status = status


class _TooLarge(Exception):
    """More bytes than the limit have arrived."""


def is_web_page(content: bytes) -> bool:
    """Whether the content of a file begins like a web page."""
    return bool(re.match(rb"\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body)\b", content[:2000], re.I | re.S))


def unreachable(what: str, advice: str = "check the address and the internet connection") -> ConnectionError:
    """The error for an address or a host that does not respond."""
    return ConnectionError(f"{what} cannot be reached: {advice}")


def refusal(status: int, what: str, url: str) -> OSError:
    """The error for an error status of a server.

    Args:
      status: HTTP status.
      what: the requested file, for the message.
      url: its address, for the message.

    Returns:
      FileNotFoundError if there is no such file, PermissionError if it is not public, otherwise an OSError.

    Source: RFC 9110, section 15.5.
    """
    if status in (404, 410):
        return FileNotFoundError(f"the server does not have {what} (HTTP {status}) at {url}")
    if status in (401, 403):
        return PermissionError(f"the server refuses {what} (HTTP {status}) at {url}: it was moved or is not public")
    return OSError(f"the server cannot deliver {what} now (HTTP {status}) at {url}; try again later")


def _split(url: str) -> _Place:
    """Split an address into its parts.

    Raises:
      ValueError: it is not a web address.
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
    """Whether an IP address is on the public internet, not on this machine or its local network."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # with a zone, such as fe80::1%eth0, on a local network
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
    """The IP addresses of a host.

    Raises:
      OSError: there are none, one of them is not public, or resolving takes too long.
    """
    answers: queue.Queue = queue.Queue()

    def ask() -> None:  # in a thread, because getaddrinfo has no timeout
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
    """A connection to one of the checked addresses."""
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
    """Close a connection at the deadline, as a server that sends single bytes would never exceed the read timeout."""

    def end() -> None:
        with contextlib.suppress(OSError):
            # Not the method of SSLSocket, which must not be called while another thread reads.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(max(deadline - time.monotonic(), 0), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _get(place: _Place, most_bytes: int, deadline: float) -> tuple[Page | None, str]:
    """Make one request: returns the file, or None and the address of a redirect."""
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
            # Without compression, so that the size limit applies to the file itself.
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
    """A TLS context with the certificate authorities of this machine and of certifi, since some machines have none."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
