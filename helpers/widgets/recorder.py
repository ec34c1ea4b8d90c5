"""Recordings from the microphone or the files of the user's computer.

Notebook: 11_match.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import anywidget
import numpy as np
import traitlets

from ..matching.recordings import MAX_SECONDS
from .base import script

MAX_RECORDED = 15.0  # s, longest recording from the microphone; a note lasts a few seconds
MAX_RAW_BYTES = 16 << 20  # of a file or of samples sent to Python; a minute of samples at 48 kHz has 11.5 MB
MAX_FILE_BYTES = 400 << 20  # of a file that the browser decodes in memory


class Take(NamedTuple):
    """A recording sent by the page.

    Attributes:
      number: the page's identifier of the recording.
      name: name of the file, or "" for the microphone. It must not be trusted.
      content: bytes of the file, or float32 samples, mono.
      sample_rate: sample rate (Hz) if `content` holds samples; 0 for a file.
      seconds: duration of the whole recording if `content` holds samples, which may be only its beginning.
    """

    number: str
    name: str
    content: bytes
    sample_rate: int
    seconds: float

    @property
    def samples(self) -> np.ndarray:
        """The samples, float32 [n]."""
        return np.frombuffer(self.content[: len(self.content) // 4 * 4], "<f4")


class Recorder(anywidget.AnyWidget):
    """The microphone, and a place to drop or choose files. recorder.js describes the messages.

    The callback set with `on_take` is called for each recording that arrives. If Python cannot read a file, `decode`
    asks the browser to: the file then arrives again as samples, or the callback set with `on_unknown` is called.

    Traits:
      most_recorded: duration after which a recording from the microphone stops (s).
      most_seconds: how much of a file that the browser decodes is sent (s).
      most_raw: size of the largest file that is sent undecoded (bytes).
      most_bytes: size of the largest file that is accepted (bytes).
    """

    _esm = script("elements.js", "recorder.js")
    _css = script("drop.css", "recorder.css")
    most_recorded = traitlets.Float(MAX_RECORDED).tag(sync=True)
    most_seconds = traitlets.Float(MAX_SECONDS).tag(sync=True)
    most_raw = traitlets.Int(MAX_RAW_BYTES).tag(sync=True)
    most_bytes = traitlets.Int(MAX_FILE_BYTES).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []  # received pieces of the recording that is being sent
        self._coming: Take | None = None
        self._on_take: Callable[[Take], None] = lambda _: None
        self._on_unknown: Callable[[], None] = lambda: None
        self.on_msg(self._hear)

    def on_take(self, call: Callable[[Take], None]) -> None:
        """Call `call(take)` for each recording that arrives."""
        self._on_take = call

    def on_unknown(self, call: Callable[[], None]) -> None:
        """Call `call()` if the browser cannot decode a file either."""
        self._on_unknown = call

    def decode(self, take: Take) -> None:
        """Ask the page to decode a file that it has sent, and to send the samples."""
        self.send({"decode": take.number})

    def _hear(self, _: Recorder, content: Mapping[str, Any], buffers: list[memoryview]) -> None:
        if "unknown" in content:
            self._on_unknown()
        elif "take" in content and buffers:
            self._add(content, bytes(buffers[0]))

    def _add(self, about: Mapping[str, Any], piece: bytes) -> None:
        """Add a piece to the recording. A recording whose pieces are out of order or too large is dropped."""
        if about["piece"] == 0:
            rate, seconds = round(float(about["rate"])), float(about["seconds"])
            self._coming, self._pieces = Take(str(about["take"]), str(about["name"]), b"", rate, seconds), []
        coming = self._coming
        if coming is None or coming.number != about["take"] or about["piece"] != len(self._pieces):
            self._coming, self._pieces = None, []
            return
        self._pieces.append(piece)
        if sum(map(len, self._pieces)) > MAX_RAW_BYTES:
            self._coming, self._pieces = None, []
        elif len(self._pieces) == about["pieces"]:
            take = coming._replace(content=b"".join(self._pieces))
            self._coming, self._pieces = None, []
            self._on_take(take)
