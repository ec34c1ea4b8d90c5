"""What the controls share whose button begins long work: a thread for it, its progress, and a way to end it early.

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

REFRESH = 0.1  # s between two looks at the progress

Result = TypeVar("Result")


def wait_for(thread: threading.Thread | None, timeout: float | None, still: str) -> None:
    """Wait until a thread has ended, if there is one.

    Raises:
      TimeoutError: it took longer than `timeout` seconds; `still` says in words what goes on.
    """
    if thread is not None:
        thread.join(timeout)
        if thread.is_alive():
            raise TimeoutError(f"after {timeout:g} s {still}")


class Background(Control, Generic[Result]):
    """A control that works in a thread, while the notebook stays free for other things.

    A subclass puts the row of `_run_row` among its children, says by `_prepare` what is to be done, as it is chosen
    now, and does it in `_perform`, which shows what came of it, or why nothing did, and sets `running` back. The work
    itself tells `_progress` how far it is, and asks `_cancelled` whether it should end.

    Attributes:
      UNIT: what the progress counts, in words that hold the numbers {done} and {total}.
      UNDER_WAY: what is going on, for errors.
      ENDING: what is said when it has been cancelled and goes on for a moment.

    Traits:
      running: whether work is under way.
    """

    UNIT = "{done} of {total}"
    UNDER_WAY = "work"
    ENDING = "ends soon"

    running = traitlets.Bool(False)

    def _run_row(self, start: ipywidgets.Button, hint: str, cancel_hint: str, line: Line) -> ipywidgets.HBox:
        """The buttons, the bar and the words beside it; `line` is where news and errors of the work stand."""
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
        """What is to be done, as it is chosen now.

        Raises:
          ValueError: something is missing.
        """
        raise NotImplementedError

    def _perform(self, work: Callable[[], Result]) -> Result:
        """Do it, and show what came of it; what it raises is shown, and raised again."""
        raise NotImplementedError

    def _last(self) -> Result | None:
        """The last result."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin in a thread, unless that is under way."""
        if self.running:
            return
        with self.attempt(self._by_run):
            work = self._begin()
            self._thread = threading.Thread(target=self._perform_in_thread, args=[work], daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """End what is under way; the result is then what there is up to there."""
        if self.running:
            self._cancelled.set()
            self.say(self.ENDING, self._by_run)

    def wait(self, timeout: float | None = None) -> Result | None:
        """Wait until nothing is under way; returns the last result.

        Raises:
          TimeoutError: it took longer than `timeout` seconds.
        """
        wait_for(self._thread, timeout, f"{self.UNDER_WAY} is still under way")
        return self._last()

    def run(self) -> Result:
        """Do it here and now; a keyboard interrupt then ends it early.

        Raises:
          RuntimeError: it is under way already.
          ValueError: something is missing, or what the work itself finds wrong.
        """
        if self.running:
            raise RuntimeError(f"{self.UNDER_WAY} is under way: wait() for it, or cancel() it")
        return self._perform(self._begin())

    def _begin(self) -> Callable[[], Result]:
        work = self._prepare()
        self._cancelled.clear()
        self._began, self._shown = time.monotonic(), 0.0
        self._count.value, self._bar.value = "preparing …", 0
        self.running = True
        return work

    def _perform_in_thread(self, work: Callable[[], Result]) -> None:
        with contextlib.suppress(Exception):  # it is shown
            self._perform(work)

    def _progress(self, done: int, total: int) -> None:
        """Show how far it is, not more often than anybody can see."""
        now = time.monotonic()
        if now - self._shown < REFRESH and 0 < done < total:
            return
        self._shown, elapsed = now, now - self._began
        left = f", {elapsed / done * (total - done):.0f} s to go" if 0 < done < total else ""
        self._bar.max, self._bar.value = max(total, 1), done
        self._count.value = f"{self.UNIT.format(done=done, total=total)}, {elapsed:.0f} s{left}"
