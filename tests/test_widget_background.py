"""What controls with long work share."""

import functools
import threading

import ipywidgets
import pytest

from helpers.widgets.background import Background
from helpers.widgets.base import Line

SECONDS = 20  # of patience


class Count(Background[int]):
    """Counts to `end`, a step each time that the gate is opened."""

    UNIT = "{done} of {total} steps"
    UNDER_WAY = "a count"
    ENDING = "stopping after this step"

    def __init__(self, end: int = 3):
        self.end, self.gate, self.counted = end, threading.Semaphore(0), None
        line = Line()
        row = self._run_row(ipywidgets.Button(description="Count"), "Count up", "Stop counting", line)
        super().__init__("Count", [row, line], [line])

    def code(self):
        return "count()"

    def _prepare(self):
        if not self.end:
            raise ValueError("there is nothing to count")
        return functools.partial(self._count_up, self.end)

    def _perform(self, work):
        try:
            self.counted = work()
        except ValueError as error:
            self.complain(error)
            raise
        finally:
            self.running = False
        return self.counted

    def _last(self):
        return self.counted

    def _count_up(self, end):
        if end < 0:
            raise ValueError("nobody counts down")
        for done in range(end):
            self._progress(done, end)
            assert self.gate.acquire(timeout=SECONDS)
            if self._cancelled.is_set():
                return done
        self._progress(end, end)
        return end


@pytest.fixture
def count():
    return Count()


def test_it_works_in_a_thread_and_says_how_far_it_is(count):
    count._start.click()
    assert count.running
    for _ in range(3):
        count.gate.release()
    assert count.wait(SECONDS) == 3
    assert count._count.value == "3 of 3 steps, 0 s"
    assert (count._bar.value, count._bar.max) == (3, 3)


def test_it_begins_only_once(count):
    count.start()
    first = count._thread
    count.start()
    assert count._thread is first
    with pytest.raises(RuntimeError, match=r"a count is in progress: wait\(\) for it"):
        count.run()
    with pytest.raises(TimeoutError, match="a count is still in progress"):
        count.wait(0.01)
    count._cancel.click()
    assert "stopping after this step" in count.message
    count.gate.release()
    assert count.wait(SECONDS) == 0


def test_after_a_cancelled_one_the_next_goes_on_to_its_end(count):
    count.start()
    count.cancel()
    count.gate.release()
    count.wait(SECONDS)
    for _ in range(3):
        count.gate.release()
    assert count.run() == 3


def test_what_is_missing_is_said_in_its_line_and_nothing_begins():
    count = Count(end=0)
    count.start()
    assert "nothing to count" in count.message
    assert not count.running
    with pytest.raises(ValueError, match="nothing to count"):
        count.run()


def test_an_error_of_the_thread_is_shown_and_stays_there(capfd):
    count = Count(end=-1)
    count.start()
    assert count.wait(SECONDS) is None
    assert "nobody counts down" in count.message
    assert not count.running
    assert "Traceback" not in capfd.readouterr().err


def test_there_is_nothing_to_wait_for_or_to_cancel_before(count):
    count.cancel()
    assert count.message == ""
    assert count.wait() is None
