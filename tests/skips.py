"""A pytest plugin: the last lines of a run say how many tests were skipped, and why."""

from collections import Counter

import pytest

PREFIX = "Skipped: "  # what pytest writes before a reason


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test, or a whole file, was skipped; pytest keeps (path, line, reason)."""
    return str(report.longrepr[-1]).removeprefix(PREFIX)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each reason, the most frequent one first; nothing where no test was skipped."""
    skipped = Counter(map(reason, terminalreporter.stats.get("skipped", [])))
    if skipped:
        terminalreporter.section("what was skipped, and why")
    for why, count in skipped.most_common():
        terminalreporter.write_line(f"{count} skipped: {why}")
