"""helpers.jsonfile: values of a file from outside, each typed and bounded, and one sentence for what is wrong."""

from typing import Annotated

import pytest
from pydantic import FailFast, Field

from helpers import jsonfile

DEEP = jsonfile.MAX_DEPTH + 1


class Person(jsonfile.Row):
    name: Annotated[jsonfile.Text, Field(max_length=8)]
    age: Annotated[jsonfile.Whole, Field(ge=0, le=150)]
    height: Annotated[jsonfile.Number, Field(ge=0, le=3)] = 1.7
    weight: jsonfile.Number = 60.0
    retired: jsonfile.Flag = False
    friends: Annotated[list[jsonfile.Text], Field(max_length=2), FailFast()] = Field(default_factory=list)


ADA = {"name": "Ada", "age": 36}


@pytest.mark.parametrize("value", [True, "1", None, [1], {}, float("nan"), float("inf"), -0.1, 3.1, 10**400])
def test_what_is_no_number_in_its_range(value):
    with pytest.raises(ValueError, match=r"^height is .*; it should be "):
        jsonfile.checked(ADA | {"height": value}, Person)


def test_of_a_long_value_the_beginning_is_shown():
    with pytest.raises(ValueError, match=r"^age is") as error:
        jsonfile.checked(ADA | {"age": "9" * 1000}, Person)
    assert str(error.value).count("9") in range(jsonfile.SHOWN - 10, jsonfile.SHOWN + 1)
    assert jsonfile.SHOWN < 100


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_without_a_range_is_finite_all_the_same(value):
    with pytest.raises(ValueError, match=r"^weight is .*; it should be a finite number"):
        jsonfile.checked(ADA | {"weight": value}, Person)


@pytest.mark.parametrize("value", [True, "1", None, 2.5, 2.0, float("nan"), float("inf"), -1, 151, 10**400])
def test_what_is_no_whole_number_in_its_range(value):
    with pytest.raises(ValueError, match=r"^age is .*; it should be "):
        jsonfile.checked(ADA | {"age": value}, Person)


def test_values_that_are_as_they_should_be():
    ada = jsonfile.checked(ADA | {"height": 2, "retired": True, "friends": ["Mary"], "unknown": [1]}, Person)
    assert (ada.name, ada.age, ada.height, ada.retired, ada.friends) == ("Ada", 36, 2.0, True, ["Mary"])
    assert type(ada.height) is float


def test_a_text_may_be_a_file_name_that_is_not_utf8():
    assert jsonfile.checked(ADA | {"name": "a\udc80"}, Person).name == "a\udc80"


@pytest.mark.parametrize(("values", "message"), [
    (ADA | {"retired": 1}, r"^retired is 1; it should be a valid boolean$"),
    (ADA | {"name": "Ada Lovelace"}, r"^name is 'Ada Lovelace'; it should have at most 8 characters$"),
    (ADA | {"friends": ["Mary"] * 3}, r"^friends is a list; it should have at most 2 items$"),
    (ADA | {"name": 3}, r"^name is 3; it should be a text of at most 10000 characters$"),
    (ADA | {"friends": ["Mary", 3]}, r"^friends\.1 is 3; it should be a text"),
    (ADA | {"friends": "Mary"}, r"^friends is 'Mary'; it should be a valid list$"),
    ({"name": "Ada"}, r"^age is missing$"),
    ([], r"^the file is a list; it should be an object$"),
])  # fmt: skip
def test_what_is_wrong_is_said(values, message):
    with pytest.raises(ValueError, match=message):
        jsonfile.checked(values, Person)


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
