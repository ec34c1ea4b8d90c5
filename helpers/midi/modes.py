"""Drum channels and tunings of a MIDI file, as set by bank selects and by the messages of GM2, GS and XG.

Notebook: 03_midi.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

DRUM_CHANNEL = 9  # counted from 0; channel 10 to musicians
DRUM_BANKS, MELODY_BANK = (120, 126, 127), 121  # GM2: 120 and 121, XG: 126 and 127, which in GS are MT-32 sounds
GM, GS, XG = "GM", "GS", "XG"

# The last byte of the addresses in system exclusive messages of GS and XG.
_GS_PART_RHYTHM, _GS_PART_KEY = 0x15, 0x16
_XG_BANK, _XG_PART_MODE, _XG_PART_KEY = 0x01, 0x07, 0x08
_ADDRESSES = 128  # values of that byte; anything in a message beyond them is ignored


class Steps:
    """A value that changes at certain ticks of the file."""

    def __init__(self, start: Any, changes: Sequence[tuple[int, Any]] = ()):
        """
        Args:
          start: the value before the first change.
          changes: (tick, value), in order of ticks.
        """
        self.values = [start]
        self.ticks: list[int] = []
        for tick, value in changes:
            if value != self.values[-1]:
                self.ticks.append(tick)
                self.values.append(value)

    @property
    def is_constant(self) -> bool:
        """Whether the value never changes."""
        return not self.ticks

    def __call__(self, tick: int) -> Any:
        return self.values[bisect.bisect_right(self.ticks, tick)]


@dataclasses.dataclass(frozen=True)
class Mode:
    """Whether a channel plays drums, and its transposition and tuning, over the ticks of the file.

    Attributes:
      is_drum: whether the channel plays drums.
      shift: transposition in whole semitones, which applies to notes that begin.
      tuning: remaining tuning (semitones), which also applies to sounding notes.
    """

    is_drum: Steps
    shift: Steps
    tuning: Steps


class Modes:
    """Collects the messages of a file that determine the modes of its channels.

    A place is a port and a channel: port * 16 + channel.
    """

    def __init__(self) -> None:
        # (tick, index in order of reading, name of the setting, value), for one place, and for all places of a port
        self._of_place: dict[int, list[tuple[int, int, str, Any]]] = defaultdict(list)
        self._of_port: dict[int, list[tuple[int, int, str, Any]]] = defaultdict(list)
        self._read = 0

    def set(self, tick: int, place: int, what: str, value: Any) -> None:
        """Record a setting of one channel: "bank", "coarse" or "fine" (semitones)."""
        self._read += 1
        self._of_place[place].append((tick, self._read, what, value))

    def _set_all(self, tick: int, port: int, what: str, value: Any) -> None:
        self._read += 1
        self._of_port[port].append((tick, self._read, what, value))

    def sysex(self, tick: int, port: int, message: bytes) -> None:
        """Record a system exclusive message (without its first byte, F0), if it is relevant."""
        message = message.removesuffix(b"\xf7")
        if len(message) < 4:
            return
        maker, head = message[0], message[2:4]
        if maker == 0x7E and head in (b"\x09\x01", b"\x09\x03"):
            self._set_all(tick, port, "reset", GM)
        elif maker == 0x7F and head in (b"\x04\x03", b"\x04\x04") and len(message) >= 6:
            if head[1] == 0x04:
                self._set_all(tick, port, "master coarse", message[5] - 64)
            else:
                self._set_all(tick, port, "master fine", (message[5] << 7 | message[4]) / 8192 - 1)
        elif maker == 0x41 and head == b"\x42\x12" and len(message) >= 9:
            self._each(self._gs, tick, port, message[4:7], message[7:-1])  # the last byte is a checksum
        elif maker == 0x43 and message[1] & 0xF0 == 0x10 and message[2] == 0x4C and len(message) >= 7:
            self._each(self._xg, tick, port, message[3:6], message[6:])

    def _each(self, take: Callable[..., None], tick: int, port: int, address: bytes, values: bytes) -> None:
        """Apply a message that sets one or more consecutive addresses. A tuning takes four of them, four bits each."""
        high, middle, low = address
        if low == 0 and len(values) >= 4 and (high, middle) in ((0x40, 0x00), (0x00, 0x00)):
            digits = [value & 0x0F for value in values[:4]]
            tenths = int.from_bytes(bytes([digits[0] << 4 | digits[1], digits[2] << 4 | digits[3]]), "big") - 1024
            self._set_all(tick, port, "master fine", tenths / 1000)
        for offset, value in enumerate(values[: max(_ADDRESSES - low, 0)]):
            take(tick, port, high, middle, low + offset, value)

    def _gs(self, tick: int, port: int, high: int, middle: int, low: int, value: int) -> None:
        if (high, middle, low) in ((0x40, 0x00, 0x7F), (0x00, 0x00, 0x7F)):
            self._set_all(tick, port, "reset", GS)
        elif (high, middle, low) == (0x40, 0x00, 0x05):
            self._set_all(tick, port, "master coarse", value - 64)
        elif high == 0x40 and middle & 0xF0 == 0x10:
            part = middle & 0x0F  # 0 is channel 10, 1 to 9 are channels 1 to 9, and 10 to 15 are channels 11 to 16
            place = port << 4 | (DRUM_CHANNEL if part == 0 else part - 1 if part <= DRUM_CHANNEL else part)
            if low == _GS_PART_RHYTHM:
                self.set(tick, place, "drums", value > 0)
            elif low == _GS_PART_KEY:
                self.set(tick, place, "key", value - 64)

    def _xg(self, tick: int, port: int, high: int, middle: int, low: int, value: int) -> None:
        if (high, middle, low) in ((0x00, 0x00, 0x7E), (0x00, 0x00, 0x7F)):
            self._set_all(tick, port, "reset", XG)
        elif (high, middle, low) == (0x00, 0x00, 0x06):
            self._set_all(tick, port, "master coarse", value - 64)
        elif high == 0x08 and middle < 16:
            what = {_XG_BANK: "bank", _XG_PART_MODE: "drums", _XG_PART_KEY: "key"}.get(low)
            if what:
                settings = {"bank": value, "drums": value > 0, "key": value - 64}
                self.set(tick, port << 4 | middle, what, settings[what])

    def of(self, place: int) -> Mode:
        """The mode of a channel, from all messages that affect it."""
        default = place & 0x0F == DRUM_CHANNEL
        events = sorted(self._of_place[place] + self._of_port[place >> 4])
        style, by_part, by_bank = "", None, None  # None: the default
        tuned: dict[str, float] = {}
        drums, shifts, tunings = [], [], []
        for tick, _, what, value in events:
            if what == "reset":
                style, by_part, by_bank, tuned = value, None, None, {}
            elif what == "drums":
                by_part, by_bank = value, None
            elif what == "bank":
                is_other = style == GS and value != DRUM_BANKS[0]  # an MT-32 sound
                by_bank = False if value == MELODY_BANK else True if value in DRUM_BANKS and not is_other else None
            else:
                tuned[what] = value
            drums.append((tick, next((said for said in (by_bank, by_part) if said is not None), default)))
            shifts.append((tick, round(sum(tuned.get(name, 0) for name in ("coarse", "key", "master coarse")))))
            tunings.append((tick, tuned.get("fine", 0.0) + tuned.get("master fine", 0.0)))
        return Mode(Steps(default, drums), Steps(0, shifts), Steps(0.0, tunings))
