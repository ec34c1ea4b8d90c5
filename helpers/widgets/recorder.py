"""The microphone and files of the page's computer, as recordings in Python.

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

MAX_RECORDED = 15.0  # s of the microphone; a note lasts a few
MAX_RAW_BYTES = 16 << 20  # of what is sent: a file as it is, or samples, of which a minute at 48 kHz has 11.5 MB
MAX_FILE_BYTES = 400 << 20  # of a file that the browser takes apart in its memory


class Take(NamedTuple):
    """A recording that has come from the page.

    Attributes:
      number: by which the page knows it.
      name: of the file, or "" if it comes from the microphone. It is not to be trusted.
      content: of the file; or float32 samples, mono.
      sample_rate: Hz of the samples; 0 for a file.
      seconds: how long all of it is, if it comes as samples; they may be the beginning.
    """

    number: str
    name: str
    content: bytes
    sample_rate: int
    seconds: float

    @property
    def samples(self) -> np.ndarray:
        """float32 [n]."""
        return np.frombuffer(self.content[: len(self.content) // 4 * 4], "<f4")


class Recorder(anywidget.AnyWidget):
    """The microphone, and a place for files. What it sends and hears stands in recorder.js.

    `on_take` hears of what has come. What Python cannot read, the browser may: `decode` asks it to, and it comes again,
    as samples; or `on_unknown` hears that it cannot.

    Traits:
      most_recorded: s of the microphone, after which it stops by itself.
      most_seconds: s that are sent of a file which the browser decodes.
      most_raw, most_bytes: bytes of a file that is sent as it is, and of one that is taken at all.
    """

    _esm = script("elements.js", "recorder.js")
    _css = script("drop.css", "recorder.css")
    most_recorded = traitlets.Float(MAX_RECORDED).tag(sync=True)
    most_seconds = traitlets.Float(MAX_SECONDS).tag(sync=True)
    most_raw = traitlets.Int(MAX_RAW_BYTES).tag(sync=True)
    most_bytes = traitlets.Int(MAX_FILE_BYTES).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []  # of the recording that is coming
        self._coming: Take | None = None
        self._on_take: Callable[[Take], None] = lambda _: None
        self._on_unknown: Callable[[], None] = lambda: None
        self.on_msg(self._hear)

    def on_take(self, call: Callable[[Take], None]) -> None:
        """Call `call(take)` for each recording that has come."""
        self._on_take = call

    def on_unknown(self, call: Callable[[], None]) -> None:
        """Call `call()` when the browser cannot read a file either."""
        self._on_unknown = call

    def decode(self, take: Take) -> None:
        """Ask the page for a file that it has sent as samples."""
        self.send({"decode": take.number})

    def _hear(self, _: Recorder, content: Mapping[str, Any], buffers: list[memoryview]) -> None:
        if "unknown" in content:
            self._on_unknown()
        elif "take" in content and buffers:
            self._add(content, bytes(buffers[0]))

    def _add(self, about: Mapping[str, Any], piece: bytes) -> None:
        """Add a piece to those before. What is out of order, or too much, is dropped."""
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
