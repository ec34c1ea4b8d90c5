"""What all controls share: a title, one line for what happened, and the call that does the same as code.

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

SCRIPTS = Path(__file__).parent / "scripts"  # one .js, and one .css where it has looks of its own, for each that draws
MAX_MESSAGE = 300  # characters of an error that are shown


def script(*names: str) -> str:
    """Files of SCRIPTS as one: what the page runs for a widget cannot import another file."""
    return "\n".join((SCRIPTS / name).read_text("utf-8") for name in names)


class Line(ipywidgets.HTML):
    """A line of text for news and errors, to stand beside what was pressed. It takes no room while it is empty."""


class Control(ipywidgets.VBox):
    """A box with a title, the control itself, lines of text for news and errors, and its code.

    A subclass builds its parts in `__init__`, hands them to this one's, writes `code`, and calls `changed` whenever
    that would read differently. What can fail goes into `with self.attempt():`, so that an error is a line in the
    control and not a traceback, and the control goes on working.

    Args:
      title: of the control.
      children: its parts.
      lines: those of the parts, at any depth, that are for news and errors; by default one below all parts. News go to
        the first one unless another is named, and empty the others.
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
        """The Python that has the effect of the control as it stands: one line, or a few that belong together."""
        raise NotImplementedError

    def changed(self) -> None:
        """Show the code anew."""
        self._call.text = self.code()

    @property
    def message(self) -> str:
        """The news or the error that is shown, as HTML."""
        return "".join(line.value for line in self._news)

    def say(self, text: str, line: Line | None = None) -> None:
        """Show news, in place of what was there."""
        self._write(f'<span role="status">{html.escape(text)}</span>' if text else "", line)

    def complain(self, error: BaseException | str, line: Line | None = None) -> None:
        """Show an error as one readable line."""
        # A KeyError's text is its argument as Python writes it, in quotes.
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
        """Clear all messages, and turn what goes wrong inside into one, in the line that is named."""
        self.say("")
        try:
            yield
        except Exception as error:
            self.complain(error, line)


class Code(anywidget.AnyWidget):
    """Code to read, and a button that copies it."""

    # Every control has one of these, and so every page with a control has what is done once a page.
    _esm = script("page.js", "code.js")
    _css = SCRIPTS / "base.css"
    text = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)


class Sound(anywidget.AnyWidget):
    """A player for clips, one after another: `play` loads one and starts it, `load` leaves that to the listener.

    The last clip is part of the state, so that it is there when the page is loaded again. That it is to begin is not.

    Traits:
      value: the clip as a FLAC file, or b"".
      clip: how many there have been; the number of this one.
    """

    _esm = SCRIPTS / "sound.js"
    _css = SCRIPTS / "sound.css"
    value = traitlets.Bytes().tag(sync=True)
    clip = traitlets.Int(0).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.layout.display = "none"  # until there is something to hear

    def load(self, clip: Audio) -> None:
        """Show a clip, without a sound."""
        with self.hold_sync():
            self.value, self.clip = audio.encode(clip, "flac")[0], self.clip + 1
        self.layout.display = ""

    def play(self, clip: Audio) -> None:
        """Show a clip and play it, as soon as the browser lets it: some wait for the first click on a page."""
        self.load(clip)
        self.send({"play": self.clip})


def tip(widget: ipywidgets.Widget, text: str) -> ipywidgets.Widget:
    """Give a widget a tooltip, by the name that it has in this version of ipywidgets; the widget again."""
    for name in ("tooltip", "description_tooltip"):
        if widget.has_trait(name):
            setattr(widget, name, text)
    # ipywidgets 8 keeps the tooltips of these two kinds to itself, so that it goes into their description.
    if isinstance(widget, (ipywidgets.Dropdown, ipywidgets.Text)) and widget.has_trait("description_allow_html"):
        widget.description_allow_html = True
        widget.description = f'<span title="{html.escape(text)}">{html.escape(widget.description)}</span>'
    return widget


def quoted(text: str) -> str:
    """A text as Python writes it, in double quotes where it has none of its own."""
    return repr(text) if '"' in text else f'"{repr(text)[1:-1]}"'
