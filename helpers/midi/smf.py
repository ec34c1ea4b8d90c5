"""Parse a Standard MIDI File into events, as tolerantly as MIDI players do.

Files from the web may have padding after their tracks, chunks of other programs or events of the wrong length, or may
be truncated. MIDI players play them nevertheless, so their owners do not notice. This module reads as much as possible
and counts what it ignores.

Notebook: 03_midi.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ..addresses import is_web_page
from ..tables import counted

META, SYSEX, ESCAPE = 0xFF, 0xF0, 0xF7  # status bytes
NOTE_OFF, NOTE_ON, CONTROL, PROGRAM, PRESSURE, WHEEL = 0x80, 0x90, 0xB0, 0xC0, 0xD0, 0xE0  # for channel 1
TRACK_NAME, PORT, END_OF_TRACK, TEMPO, METER = 0x03, 0x21, 0x2F, 0x51, 0x58  # kinds of meta events
TEXTS = range(0x01, 0x10)  # kinds of meta events that contain text

MAX_TRACKS = 0xFFFF  # the header has two bytes for their number
MAX_PAUSE = (1 << 28) - 1  # ticks; a variable-length number has at most four bytes of seven bits
MAX_NUMBER_BYTES = 8  # bytes; some programs write leading zeros
MAX_SEARCH = 4096  # bytes that are searched for the header
GZIP = b"\x1f\x8b"  # the first bytes of a gzip file
MAX_PACKED = 100  # gzip members in a file; each is copied with everything after it
MACBINARY_HEAD = 128  # bytes

# Possible numbers of data bytes after status bytes that are invalid in files, the likeliest first. F4 and F5 are
# undefined.
_STRAY = {0xF1: (1, 0, 2), 0xF2: (2, 1, 0), 0xF3: (1, 0, 2), 0xF4: (0, 1, 2), 0xF5: (1, 0, 2)}
MAX_STRAYS = 10_000  # in a track; each needs a look ahead
_LOOKED_AHEAD = 8  # number of events after a stray status byte that must be valid

_MODULE = ", with its own samples: OpenMPT exports it as MIDI"
_ABC = "a tune in ABC notation: abc2midi, or an ABC website, converts it to MIDI"
_MUSICXML = "MusicXML (sheet music): export it as MIDI, for example from MuseScore"

THE_FILE = "the file itself (its download link), or in Google Drive use Share, Copy link"

# Files that are often mistaken for MIDI files: position and bytes of a signature, and a description with advice.
_MP3 = (b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2")  # tags, or a frame
_OTHERS = (
    (0, b"Extended Module: ", f"a tracker module (.xm){_MODULE}"),
    (0, b"IMPM", f"a tracker module (.it){_MODULE}"),
    (44, b"SCRM", f"a tracker module (.s3m){_MODULE}"),
    (1080, b"M.K.", f"a tracker module (.mod){_MODULE}"),
    (1, b"FICHIER GUITAR PRO", "a Guitar Pro file: export it as MIDI from Guitar Pro or TuxGuitar"),
    *((0, sign, "an MP3 recording, not a score: notes cannot be read from it") for sign in _MP3),
    (0, b"OggS", "an Ogg recording, not a score: notes cannot be read from it"),
    (0, b"fLaC", "a FLAC recording, not a score: notes cannot be read from it"),
    (8, b"WAVE", "a WAV recording, not a score: notes cannot be read from it"),
    (8, b"XDIR", "an XMI file of a game: convert it to MIDI first"),
    (8, b"XMID", "an XMI file of a game: convert it to MIDI first"),
)
_SUFFIXES = {".mxl": f"compressed {_MUSICXML}", ".abc": _ABC, ".xm": f"a tracker module (.xm){_MODULE}"}

# Tick, status and two data bytes. Meta events have their kind and content instead; system exclusive messages 0 and
# their content.
Event = tuple[int, int, int, int | bytes]


class Remarks:
    """Counts what was ignored or repaired in a file, by kind."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._sentences: list[str] = []
        self.is_damaged = False  # whether a track ends too early

    def count(self, thing: str, rest: str, number: int = 1) -> None:
        """Count `number` things of a kind: `thing` is a singular, such as "byte", and `rest` the rest of the phrase."""
        if number:
            self._counts[thing, rest] += number

    def cut_off(self) -> None:
        """Count a truncated track, and mark the file as damaged."""
        self.count("track", "truncated, played up to there")
        self.is_damaged = True

    def say(self, sentence: str) -> None:
        """Add a remark."""
        self._sentences.append(sentence)

    def __iter__(self) -> Iterator[str]:
        """Each kind as a phrase, such as "3 bytes after the end of a track"."""
        yield from self._sentences
        for (thing, rest), number in self._counts.items():
            yield f"{counted(number, thing)} {rest}"


class Span(NamedTuple):
    """The position of a track's events in the file.

    Attributes:
      begin: byte at which they begin.
      end: byte at which they end according to the length of the track.
      limit: byte at which they must end, since the length may be wrong.
    """

    begin: int
    end: int
    limit: int


@dataclasses.dataclass(frozen=True)
class File:
    """A MIDI file split into tracks.

    Attributes:
      content: the bytes of the file.
      division: ticks per quarter note; negative values count film frames.
      counted: number of tracks according to the header.
      spans: positions of its tracks.
      remarks: damage and oddities found so far.
    """

    content: bytes = dataclasses.field(repr=False)
    division: int
    counted: int
    spans: tuple[Span, ...]
    remarks: Remarks = dataclasses.field(repr=False)

    def events(self, track: int, remarks: Remarks | None = None) -> Iterator[Event]:
        """The events of a track up to its end or the first damage. The last one is an End of Track.

        Args:
          track: index of the track, from 0.
          remarks: counts what is ignored.
        """
        begin, end, limit = self.spans[track]
        return _events(self.content[begin:limit], end - begin, Remarks() if remarks is None else remarks)


def unpacked(content: bytes, most: int) -> bytes:
    """Decompress the content of a file if it is a gzip file; otherwise return it unchanged.

    Raises:
      ValueError: it is damaged, or has more than `most` bytes. The message continues a sentence that starts with the
        file's name.
    """
    if content[:2] != GZIP:
        return content
    unpacked = bytearray()
    for _ in range(MAX_PACKED):  # the contents of several members are concatenated
        if content[:2] != GZIP:
            break
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            unpacked += unpacker.decompress(content, most + 1 - len(unpacked))
        except zlib.error:
            if unpacked:
                break
            raise ValueError("is damaged: gzip cannot decompress it") from None
        if len(unpacked) > most:
            raise ValueError(f"has more than {most >> 20} MB; a MIDI file is far smaller")
        content = unpacker.unused_data
    return bytes(unpacked)


def read(content: bytes, suffix: str = "") -> File:
    """Split a MIDI file into tracks. It may be wrapped in RIFF or MacBinary, or have other bytes before it.

    Args:
      content: bytes of the file.
      suffix: ending of its name, such as ".mid"; used to identify other formats.

    Raises:
      ValueError: it is not a MIDI file, or is a damaged one without tracks. The message continues a sentence that
        starts with the file's name.
    """
    remarks = Remarks()
    head = _find_head(content, suffix, remarks)
    if len(content) < head + 14:
        raise ValueError("is a damaged MIDI file: it ends too early")
    size, kind, claimed, division = struct.unpack(">IHHh", content[head + 4 : head + 14])
    first = head + 8 + size
    if size < 6 or not _is_chunk(content, first):
        first = content.find(b"MTrk", head + 14)
        if first < 0:
            raise ValueError("is a damaged MIDI file: it ends too early, or has no track")
        remarks.say("its header gives a wrong length")
    spans = _tracks(content, first, remarks)
    if not spans:
        raise ValueError("is a damaged MIDI file: it has no track")
    if len(spans) != claimed:
        remarks.say(f"its header gives {counted(claimed, 'track')}, but it has {len(spans):,}")
    if kind == 2 and len(spans) > 1:
        remarks.say(f"it is of type 2: its {len(spans):,} tracks are separate pieces, but are played simultaneously")
    return File(content, division, claimed, tuple(spans), remarks)


def _find_head(content: bytes, suffix: str, remarks: Remarks) -> int:
    """The position of the MIDI header, which may be inside a wrapper."""
    if content[:4] == b"MThd":
        return 0
    is_riff = content[:4] == b"RIFF" and content[8:12] == b"RMID"
    head = content.find(b"MThd") if is_riff else content.find(b"MThd", 0, MAX_SEARCH)
    other = (_SUFFIXES.get(suffix, "") if head < 0 else "") or _other(content)
    if head < 0 or other:
        raise ValueError(f"is {other}" if other else "is not a MIDI file: it does not begin with MThd")
    if head == MACBINARY_HEAD and content[0] == 0 and 1 <= content[1] <= 63:
        remarks.say("it has a MacBinary header")
    elif not is_riff:
        remarks.count("byte", "before its beginning", head)
    return head


def _other(content: bytes) -> str:
    """A description of a file that is often mistaken for a MIDI file, with advice; "" if it is none of those."""
    if not content:
        return "an empty file: save or export it again"
    if is_web_page(content):
        return f"a web page, not a MIDI file: on that page, save {THE_FILE}"
    for at, sign, what in _OTHERS:
        if content[at : at + len(sign)] == sign:
            return what
    start = content[:MAX_SEARCH]
    if start[:4] == b"PK\x03\x04":
        if b"container.xml" in start or b".musicxml" in start or b"score.xml" in start:
            return f"compressed {_MUSICXML}"
        if b".mscx" in start:
            return "a MuseScore file: export it as MIDI from MuseScore"
        return "a zip archive, not a MIDI file: unpack it, and load the MIDI file in it"
    if b"<score-partwise" in start or b"<score-timewise" in start:
        return _MUSICXML
    lines = (line.strip() for line in start.removeprefix(b"\xef\xbb\xbf").splitlines())
    first = next((line for line in lines if line and not line.startswith(b"%")), b"")
    return _ABC if re.match(rb"X:\s*\d", first) else ""


def _is_chunk(content: bytes, at: int) -> bool:
    """Whether a chunk (four letters and a length) begins at a position; the end of the file also counts."""
    name = content[at : at + 4]
    return at == len(content) or (at + 8 <= len(content) and name.isascii() and name.isalnum())


def _tracks(content: bytes, at: int, remarks: Remarks) -> list[Span]:
    """The tracks from a position on. A chunk's length is trusted if another chunk or the end of the file follows it."""
    spans: list[Span] = []
    while at < len(content) and len(spans) < MAX_TRACKS:
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "big")
        begin, end = at + 8, at + 8 + size
        limit = end
        if name == b"MThd":
            remarks.say("another MIDI file follows, which is ignored")
            break
        if name == b"MTrk" and begin > len(content):
            remarks.cut_off()
            break
        if not _is_chunk(content, end):
            following = content.find(b"MTrk", begin)
            limit = len(content) if following < 0 else following
        if name == b"MTrk":
            spans.append(Span(begin, end, limit))
        elif _is_chunk(content, at) and limit == end:
            remarks.count("chunk", "of another program")
        else:
            remarks.count("byte", "between or after the tracks", limit - at)
        at = limit
    return spans


class _DamagedError(Exception):
    """There is no valid event at this position."""


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length number (seven bits per byte), and the position after it."""
    value = 0
    for place in range(at, at + MAX_NUMBER_BYTES):
        byte = data[place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            if value > MAX_PAUSE:
                break
            return value, place + 1
    raise _DamagedError


def number(value: int) -> bytes:
    """Encode a variable-length number: seven bits per byte, all but the last with the highest bit set."""
    content = bytes((value & 0x7F,))
    while value := value >> 7:
        content = bytes((value & 0x7F | 0x80,)) + content
    return content


def _events(data: bytes, length: int, remarks: Remarks) -> Iterator[Event]:
    """The events of a track; `length` is the length according to its header."""
    at = tick = running = strays = 0
    size = len(data)
    sysex = bytearray()  # the message so far, if it is split into several events
    is_longer = False  # whether notes follow an End of Track
    try:
        while at < size:
            pause, at = (data[at], at + 1) if data[at] < 0x80 else _number(data, at)
            tick += pause
            status = data[at]
            if status >= 0x80:
                at += 1
            elif running:
                status = running
            else:
                raise _DamagedError
            if status < 0xF0:
                running = status
                first = data[at]
                if PROGRAM <= status < WHEEL:
                    second = 0
                    at += 1
                else:
                    second = data[at + 1]
                    at += 2
                if first > 127 or second > 127:
                    kind = status & 0xF0
                    if kind == PROGRAM or (kind == CONTROL and (first > 127 or first == 0)):  # 127 would be a wrong one
                        remarks.count("event", "with a program, bank or controller above 127")
                        continue
                    remarks.count("value", "above 127, read as 127")
                    first, second = min(first, 127), min(second, 127)
                yield tick, status, first, second
            elif status == META:
                kind = data[at]
                count, at = _number(data, at + 1)
                if kind == END_OF_TRACK:
                    at = min(at + count, size)
                    is_longer = is_longer or _has_notes(data, at)
                    if not is_longer:
                        yield tick, META, END_OF_TRACK, b""
                        remarks.count("byte", "after the end of a track", size - at)
                        return
                    continue
                if at + count > size:
                    raise IndexError
                yield tick, META, kind, data[at : at + count]
                at += count
            elif status in (SYSEX, ESCAPE):
                begin, at = _sysex(data, at)
                if status == SYSEX:
                    sysex = bytearray(data[begin:at])
                elif sysex:
                    sysex += data[begin:at]  # in place, because there may be millions of parts
                if sysex[-1:] == b"\xf7":
                    yield tick, SYSEX, 0, bytes(sysex)
                    sysex = bytearray()
            else:
                strays += 1
                if strays > MAX_STRAYS:
                    raise _DamagedError
                remarks.count("event", "with a status byte that is invalid in files")
                at = _behind_stray(data, at, status, running)
    except IndexError:
        remarks.cut_off()
    except _DamagedError:
        remarks.count("damaged track", "played up to the damage")
        remarks.is_damaged = True
    else:
        if size < length:
            remarks.cut_off()
    yield tick, META, END_OF_TRACK, b""


def _sysex(data: bytes, at: int) -> tuple[int, int]:
    """The start and end of a system exclusive message's content. Some programs omit its length."""
    count, begin = _number(data, at)
    if begin + count <= len(data):
        return begin, begin + count
    end = data.find(b"\xf7", at) + 1
    if not end:
        raise IndexError
    return at, end


def _behind(data: bytes, at: int, running: int) -> tuple[int, int]:
    """The end of the event at a position and the running status after it; raises an error if the event is invalid."""
    _, at = _number(data, at)
    status = data[at]
    if status >= 0x80:
        at += 1
    elif running:
        status = running
    else:
        raise _DamagedError
    if status < 0xF0:
        count, running = 1 if PROGRAM <= status < WHEEL else 2, status
        if any(byte > 127 for byte in data[at : at + count]):
            raise _DamagedError
    elif status in (META, SYSEX, ESCAPE):
        count, at = _number(data, at + (status == META))
    else:
        count = _STRAY.get(status, (0,))[0]
    if at + count > len(data):
        raise IndexError
    return at + count, running


def _behind_stray(data: bytes, at: int, status: int, running: int) -> int:
    """The end of the data bytes after a stray status byte, chosen so that valid events follow."""
    for count in _STRAY.get(status, (0, 1, 2)):
        place, state = at + count, running
        try:
            for _ in range(_LOOKED_AHEAD):
                if place < len(data):
                    place, state = _behind(data, place, state)
        except (IndexError, _DamagedError):
            continue
        return at + count
    raise _DamagedError


def _has_notes(data: bytes, at: int) -> bool:
    """Whether the rest of a track, after an End of Track, consists of valid events that include notes."""
    running, has_notes = 0, False
    try:
        while at < len(data):
            at, running = _behind(data, at, running)
            has_notes = has_notes or (running & 0xF0 == NOTE_ON and data[at - 1] > 0)
    except (IndexError, _DamagedError):
        return False
    return has_notes
