"""The base class of controls that do long work in the background: a thread, a progress bar and a Cancel button.

Notebook: 07_songs.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import ipywidgets
import traitlets

from .base import Control, Line, tip

REFRESH = 0.1  # s between two updates of the progress bar

Result = TypeVar("Result")


def wait_for(thread: threading.Thread | None, timeout: float | None, still: str) -> None:
    """Wait until a thread has ended, if there is one.

    Raises:
      TimeoutError: the thread is still running after `timeout` seconds; the message ends with `still`.
    """
    if thread is not None:
        thread.join(timeout)
        if thread.is_alive():
            raise TimeoutError(f"after {timeout:g} s {still}")


class Background(Control, Generic[Result]):
    """A control that works in a thread, while the notebook stays usable.

    A subclass puts the row returned by `_run_row` among its children. Its `_prepare` returns the work to do, with the
    present choices; its `_perform` does the work, shows the result or the error, and sets `running` to False. The work
    itself reports to `_progress` how far it is, and stops when `_cancelled` is set.

    Attributes:
      UNIT: format of the progress text, with the fields {done} and {total}.
      UNDER_WAY: name of the work in error messages.
      ENDING: message shown after Cancel, until the work has stopped.

    Traits:
      running: whether work is in progress.
    """

    UNIT = "{done} of {total}"
    UNDER_WAY = "work"
    ENDING = "stopping …"

    running = traitlets.Bool(False)

    def _run_row(self, start: ipywidgets.Button, hint: str, cancel_hint: str, line: Line) -> ipywidgets.HBox:
        """The two buttons, the progress bar and its text; `line` is where messages and errors of the work appear."""
        self._start, self._by_run = start, line
        self._cancel = ipywidgets.Button(description="Cancel", icon="stop", disabled=True)
        self._bar, self._count = ipywidgets.IntProgress(min=0, max=1), ipywidgets.HTML()
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = self._shown = 0.0  # s, of the monotonic clock
        tip(self._start, hint)
        tip(self._cancel, cancel_hint)
        self._start.on_click(lambda _: self.start())
        self._cancel.on_click(lambda _: self.cancel())
        return ipywidgets.HBox([self._start, self._cancel, self._bar, self._count])

    def _prepare(self) -> Callable[[], Result]:
        """Return the work to do, with the present choices.

        Raises:
          ValueError: a choice is missing.
        """
        raise NotImplementedError

    def _perform(self, work: Callable[[], Result]) -> Result:
        """Do the work and show its result; an error is shown and raised again."""
        raise NotImplementedError

    def _last(self) -> Result | None:
        """The last result, or None."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the work in a thread, unless it is already running."""
        if self.running:
            return
        with self.attempt(self._by_run):
            work = self._begin()
            self._thread = threading.Thread(target=self._perform_in_thread, args=[work], daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Stop the work early; the result is then what has been done so far."""
        if self.running:
            self._cancelled.set()
            self.say(self.ENDING, self._by_run)

    def wait(self, timeout: float | None = None) -> Result | None:
        """Wait until the work has ended; returns the last result.

        Raises:
          TimeoutError: the work is still running after `timeout` seconds.
        """
        wait_for(self._thread, timeout, f"{self.UNDER_WAY} is still in progress")
        return self._last()

    def run(self) -> Result:
        """Do the work in the calling thread and wait for it; a keyboard interrupt stops it early.

        Raises:
          RuntimeError: the work is already running.
          ValueError: a choice is missing, or the work itself fails with this error.
        """
        if self.running:
            raise RuntimeError(f"{self.UNDER_WAY} is in progress: wait() for it, or cancel() it")
        return self._perform(self._begin())

    def _begin(self) -> Callable[[], Result]:
        work = self._prepare()
        self._cancelled.clear()
        self._began, self._shown = time.monotonic(), 0.0
        self._count.value, self._bar.value = "preparing …", 0
        self.running = True
        return work

    def _perform_in_thread(self, work: Callable[[], Result]) -> None:
        with contextlib.suppress(Exception):  # _perform has shown it
            self._perform(work)

    def _progress(self, done: int, total: int) -> None:
        """Show how much is done, at most once per REFRESH."""
        now = time.monotonic()
        if now - self._shown < REFRESH and 0 < done < total:
            return
        self._shown, elapsed = now, now - self._began
        left = f", {elapsed / done * (total - done):.0f} s to go" if 0 < done < total else ""
        self._bar.max, self._bar.value = max(total, 1), done
        self._count.value = f"{self.UNIT.format(done=done, total=total)}, {elapsed:.0f} s{left}"
