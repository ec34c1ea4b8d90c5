"""What all controls share: a title, one line for what happened, and the call that does the same as code.

Notebook: 05_instruments.
"""

from __future__ import annotations

import contextlib
import html
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import anywidget
import ipywidgets
import traitlets

from ..audio import Audio

SCRIPTS = Path(__file__).parent / "scripts"  # one .js, and one .css where it has looks of its own, for each that draws
LONGEST_MESSAGE = 300  # characters of an error that are shown


class Control(ipywidgets.VBox):
    """A box with a title, the control itself, a line of text for news and errors, and its code.

    A subclass builds its parts in `__init__`, hands them to this one's, writes `code`, and calls `changed` whenever
    that would read differently. What can fail goes into `with self.attempt():`, so that an error is a line in the
    control and not a traceback, and the control goes on working.
    """

    def __init__(self, title: str, children: Sequence[ipywidgets.Widget]):
        self._message = ipywidgets.HTML()
        self._call = Code()
        self._call.hint = f"{title}: the same in one line of Python"
        heading = ipywidgets.HTML(
            f'<div class="gansynth-title" role="heading" aria-level="3">{html.escape(title)}</div>'
        )
        super().__init__([heading, *children, self._message, self._call])
        self.add_class("gansynth-control")

    def code(self) -> str:
        """The Python that has the effect of the control as it stands: one line, or a few that belong together."""
        raise NotImplementedError

    def changed(self) -> None:
        """Show the code anew."""
        self._call.text = self.code()

    @property
    def message(self) -> str:
        """The text that is shown in the line for news and errors, as HTML."""
        return self._message.value

    def say(self, text: str) -> None:
        """Show news. They replace what was there."""
        self._message.value = f'<span role="status">{html.escape(text)}</span>' if text else ""

    def complain(self, error: BaseException | str) -> None:
        """Show an error as one readable line."""
        text = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, KeyboardInterrupt):
            text = "interrupted"
        if len(text) > LONGEST_MESSAGE:
            text = text[: LONGEST_MESSAGE - 1] + "…"
        self._message.value = f'<span class="gansynth-error" role="alert">{html.escape(text)}</span>'

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Clear the message, and turn what goes wrong inside into one."""
        self.say("")
        try:
            yield
        except Exception as error:
            self.complain(error)


class Code(anywidget.AnyWidget):
    """Code to read, and a button that copies it."""

    _esm = SCRIPTS / "code.js"
    _css = SCRIPTS / "base.css"
    text = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)


class Sound(ipywidgets.Audio):
    """A player for clips, one after another: `play` replaces what is in it and begins at once."""

    # It gets no tooltip: with one, ipywidgets 8 looks for a description, which players have not, and shows nothing.

    def __init__(self):
        super().__init__(value=b"", format="wav", autoplay=False, loop=False, controls=True)
        self.layout.display = "none"  # until there is something to hear

    def play(self, clip: Audio) -> None:
        """Load a clip and play it, as soon as the browser lets it: some wait for the first click on a page."""
        self.autoplay = True
        self.value = b""  # so that the same clip sounds again
        self.value = wav(clip)
        self.layout.display = ""


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


def wav(clip: Audio) -> bytes:
    """A clip as a WAV file of 16 bits, which every browser plays."""
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, clip.samples.clip(-1.0, 1.0), clip.sample_rate, format="WAV", subtype="PCM_16")
    return content.getvalue()
