"""What reads files from outside, with files that were whole once: a few of them, and all that were findings.

`make fuzz` goes on with it for as long as one likes.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import FOUND, TARGETS, check, inputs

FINDINGS = sorted(path for path in FOUND.glob("*/*") if path.is_file())


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_whole_is_read(name, tmp_path):
    target = TARGETS[name]
    for content in target.seeds():
        path = tmp_path / target.name
        path.write_bytes(content)
        target.read(path)
        path.unlink()


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_not_found_again(path):
    check(TARGETS[path.parent.name], path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.slow
def test_what_is_not_whole_is_read_or_refused_in_a_line(name):
    @settings(max_examples=60, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def test(data):
        check(TARGETS[name], data.draw(inputs(TARGETS[name])))

    test()
