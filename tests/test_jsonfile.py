"""helpers.jsonfile: values of a file from outside, each typed and bounded, and one sentence for what is wrong."""

import pytest

from helpers import jsonfile

DEEP = jsonfile.MAX_DEPTH + 1


@pytest.mark.parametrize("value", [True, "1", None, [1], float("nan"), float("inf"), -0.1, 10.1, 10**400])
def test_what_is_no_number_in_its_range(value):
    with pytest.raises(ValueError, match=r"^gain is .*; expected a number from 0 to 10$"):
        jsonfile.number(value, "gain", 0, 10)


@pytest.mark.parametrize("value", [True, "1", None, 2.5, float("nan"), float("inf"), -1, 11])
def test_what_is_no_whole_number_in_its_range(value):
    with pytest.raises(ValueError, match=r"^seed is .*; expected a whole number from 0 to 10$"):
        jsonfile.whole(value, "seed", 0, 10)


def test_values_that_are_as_they_should_be():
    assert jsonfile.number(3, "x", 0, 3) == 3.0
    assert type(jsonfile.whole(3.0, "x", 0, 3)) is int
    assert jsonfile.flag(False, "x") is False
    assert jsonfile.text("name", "x", most=4) == "name"
    assert jsonfile.items([1, 2], "x", most=2, each=2) == [1, 2]
    assert jsonfile.fields({"a": 1}, "x", ("a",)) == {"a": 1}


@pytest.mark.parametrize(("check", "message"), [
    (lambda: jsonfile.flag(1, "mute"), "mute is 1; expected true or false"),
    (lambda: jsonfile.text("names", "name", most=4), "name is 'names'; expected a text of at most 4"),
    (lambda: jsonfile.items([1, 2, 3], "z", most=2), "z is 3 values; expected a list of at most 2 values"),
    (lambda: jsonfile.items([1], "z", most=9, each=2), "z is 1 values; expected a list of 2 values"),
    (lambda: jsonfile.fields([], "song"), "song is a list; expected an object"),
    (lambda: jsonfile.fields({}, "song", ("tracks",)), "song has no 'tracks'"),
])  # fmt: skip
def test_what_is_wrong_is_said(check, message):
    with pytest.raises(ValueError, match=message):
        check()


def test_depth_has_a_bound():
    assert jsonfile.parse("[" * jsonfile.MAX_DEPTH + "]" * jsonfile.MAX_DEPTH)
    for depth in (DEEP, 100_000):
        with pytest.raises(ValueError, match="nested more than"):
            jsonfile.parse("[" * depth + "]" * depth)


def test_a_number_of_many_digits_is_none_of_ours():
    assert jsonfile.parse("9" * jsonfile.MAX_DIGITS) == int("9" * jsonfile.MAX_DIGITS)
    assert jsonfile.parse("9" * 1_000_000) == float("inf")


def test_the_size_of_a_file_has_a_bound(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("12345", "utf-8")
    assert jsonfile.read_text(path, 5) == "12345"
    with pytest.raises(ValueError, match="larger than"):
        jsonfile.read_text(path, 4)


@pytest.mark.parametrize("value", ["x\n\x1b[31m" * 100, 10**5000, ["a"] * 1000], ids=["text", "number", "list"])
def test_a_quoted_value_is_short_and_on_one_line(value):
    shown = jsonfile.shortened(value)
    assert len(shown) <= jsonfile.SHOWN + 1
    assert shown.isprintable()
