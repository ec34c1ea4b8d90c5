"""The base class of all controls: a title, a line for messages, and the equivalent Python code.

Notebook: 05_instruments.
"""

from __future__ import annotations

import contextlib
import html
from collections.abc import Iterator, Sequence
from pathlib import Path

import anywidget
import ipywidgets
import traitlets

from .. import audio
from ..audio import Audio

SCRIPTS = Path(__file__).parent / "scripts"  # a .js file for each front end, and a .css file where it needs one
MAX_MESSAGE = 300  # characters; longer error messages are cut


def script(*names: str) -> str:
    """Files of SCRIPTS joined into one, since the front end of a widget cannot import another file."""
    return "\n".join((SCRIPTS / name).read_text("utf-8") for name in names)


class Line(ipywidgets.HTML):
    """A line for messages and errors, placed next to the button it belongs to. It takes no space while it is empty."""


class Control(ipywidgets.VBox):
    """A box with a title, the control itself, lines for messages and errors, and the equivalent code.

    A subclass builds its parts in `__init__`, passes them to `Control.__init__`, implements `code`, and calls `changed`
    whenever the code changes. Anything that can fail goes into `with self.attempt():`, so that an error appears as a
    line in the control instead of a traceback, and the control goes on working.

    Args:
      title: heading of the control.
      children: the parts of the control.
      lines: the parts, at any depth, that show messages and errors; by default one below all parts. A message goes to
        the first line unless another one is given, and clears the others.
    """

    def __init__(self, title: str, children: Sequence[ipywidgets.Widget], lines: Sequence[Line] = ()):
        self._news = list(lines) or [Line()]
        self._call = Code()
        self._call.hint = f"{title}: the same in one line of Python"
        heading = ipywidgets.HTML(
            f'<div class="gansynth-title" role="heading" aria-level="3">{html.escape(title)}</div>'
        )
        super().__init__([heading, *children, *([] if lines else self._news), self._call])
        self.add_class("gansynth-control")

    def code(self) -> str:
        """Python code with the same effect as the control in its present state: one line or a few."""
        raise NotImplementedError

    def changed(self) -> None:
        """Update the code that is shown."""
        self._call.text = self.code()

    @property
    def message(self) -> str:
        """The message or error that is shown, as HTML."""
        return "".join(line.value for line in self._news)

    def say(self, text: str, line: Line | None = None) -> None:
        """Show a message in place of the last one."""
        self._write(f'<span role="status">{html.escape(text)}</span>' if text else "", line)

    def complain(self, error: BaseException | str, line: Line | None = None) -> None:
        """Show an error in one line, in place of the last message."""
        # str() of a KeyError would put the message in quotes.
        text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        text = " ".join(text.split()) or type(error).__name__
        if isinstance(error, KeyboardInterrupt):
            text = "interrupted"
        if len(text) > MAX_MESSAGE:
            text = text[: MAX_MESSAGE - 1] + "…"
        self._write(f'<span class="gansynth-error" role="alert">{html.escape(text)}</span>', line)

    def _write(self, text: str, line: Line | None) -> None:
        line = line or self._news[0]
        for other in self._news:
            other.value = text if other is line else ""

    @contextlib.contextmanager
    def attempt(self, line: Line | None = None) -> Iterator[None]:
        """Clear all messages, and show an exception that is raised inside as a message in `line`."""
        self.say("")
        try:
            yield
        except Exception as error:
            self.complain(error, line)


class Code(anywidget.AnyWidget):
    """Code to read, and a button that copies it."""

    # page.js, which acts once per page, is loaded here because every control has a Code.
    _esm = script("page.js", "code.js")
    _css = SCRIPTS / "base.css"
    text = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)


class Sound(anywidget.AnyWidget):
    """A player for one clip at a time: `play` loads a clip and starts it, `load` only loads it.

    The clip is part of the widget's state, so that it is still there when the page is reloaded. The command to start it
    is not, so that a reloaded page stays silent.

    Traits:
      value: the clip as a FLAC file, or b"".
      clip: number of this clip, counted from 1; 0 before the first one.
    """

    _esm = SCRIPTS / "sound.js"
    _css = SCRIPTS / "sound.css"
    value = traitlets.Bytes().tag(sync=True)
    clip = traitlets.Int(0).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.layout.display = "none"  # until there is something to hear

    def load(self, clip: Audio) -> None:
        """Load a clip without playing it."""
        with self.hold_sync():
            self.value, self.clip = audio.encode(clip, "flac")[0], self.clip + 1
        self.layout.display = ""

    def play(self, clip: Audio) -> None:
        """Load a clip and play it, as soon as the browser allows: some need a click on the page first."""
        self.load(clip)
        self.send({"play": self.clip})


def tip(widget: ipywidgets.Widget, text: str) -> ipywidgets.Widget:
    """Set a widget's tooltip, whatever its trait is called in this version of ipywidgets; returns the widget."""
    for name in ("tooltip", "description_tooltip"):
        if widget.has_trait(name):
            setattr(widget, name, text)
    # ipywidgets 8 does not show the tooltips of these two kinds, so the text goes into their description.
    if isinstance(widget, (ipywidgets.Dropdown, ipywidgets.Text)) and widget.has_trait("description_allow_html"):
        widget.description_allow_html = True
        widget.description = f'<span title="{html.escape(text)}">{html.escape(widget.description)}</span>'
    return widget


def quoted(text: str) -> str:
    """A text as a Python literal, in double quotes unless it contains one."""
    return repr(text) if '"' in text else f'"{repr(text)[1:-1]}"'
