"""What the other tests here rely on: errors of cells and of pages are seen, and nothing is left running."""

import sys
import time

import drive
import psutil
import pytest

FAILING = ("import sys; print('harmless', file=sys.stderr)", "1 / 0", "'never'")


def children(server):
    return psutil.Process(server._process.pid).children(recursive=True)


def wait_for(condition, seconds=10):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "a kernel is still there"
        time.sleep(0.1)


def test_a_failing_cell_is_reported_by_jupyterlab(lab, page, checkout):
    drive.open_lab(page, lab, drive.write(checkout, "failing", *FAILING))
    drive.run_all(page)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        drive.wait_for_last_cell(page)
    drive.end_kernels(lab)
    wait_for(lambda: not children(lab))


def test_a_failing_cell_is_reported_by_voila(voila, page, checkout):
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        drive.open_voila(page, voila, drive.write(checkout, "failing", *FAILING))


def test_a_page_of_voila_that_is_left_leaves_no_kernel(voila, browser, checkout):
    page, errors = drive.new_page(browser)
    drive.open_voila(page, voila, drive.write(checkout, "label", "import ipywidgets", "ipywidgets.Label('here')"))
    page.get_by_text("here").wait_for()
    before = len(children(voila))
    drive.leave(page)
    wait_for(lambda: len(children(voila)) < before)
    assert errors == []


def test_errors_of_a_page_are_kept(page, errors):
    page.set_content("<script>console.error('said'); setTimeout(() => { throw new Error('thrown'); });</script>")
    page.wait_for_timeout(100)
    assert errors == ["said", "thrown"]


def test_a_server_that_fails_says_why(tmp_path):
    command = [sys.executable, "-c", "print('no cheese'); raise SystemExit(3)"]
    with pytest.raises(RuntimeError, match=r"ended with 3:\nno cheese"), drive.Server(command, tmp_path, None):
        pass


def test_a_server_that_does_not_want_to_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(drive, "STOP_SECONDS", 0.5)
    code = "import http.server as h, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); h.test(port={port})"
    with drive.Server([sys.executable, "-c", code], tmp_path, None) as server:
        assert server.url.startswith("http://127.0.0.1:")
    assert server._process.returncode == -9
