"""Read untrusted JSON: with limits on its size, and with every value checked.

    class Person(jsonfile.Row):
        name: jsonfile.Text
        age: Annotated[jsonfile.Whole, Field(ge=0, le=150)]

    ada = jsonfile.checked(jsonfile.parse(jsonfile.read_text(path, MAX_BYTES)), Person)

Files that are shared cannot be trusted, whichever program wrote them. Values are checked by pydantic; an invalid one
raises a ValueError with a one-sentence message that names it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic_core import PydanticCustomError

RowT = TypeVar("RowT", bound="Row")

MAX_DEPTH = 32  # nesting levels; our own files have 8
MAX_LISTS = 3_000_000  # lists and objects in one file; each takes twenty times as much memory as disk space
MAX_DIGITS = 400  # of an integer; the conversion takes quadratic time
MAX_TEXT = 10_000  # characters of one text
SHOWN = 60  # characters of an invalid value in a message


def read_text(path: str | os.PathLike, max_bytes: int) -> str:
    """The text of a UTF-8 file.

    Raises:
      ValueError: it is larger than `max_bytes`, or not text.
      OSError: it cannot be read.
    """
    path = Path(path)
    with open(path, "rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it is larger than {max_bytes / 1e6:g} MB")
    return content.decode("utf-8")


def parse(text: str) -> Any:
    """The values of a JSON text. NaN and Infinity are read as Python writes them; `Number` refuses them.

    Raises:
      ValueError: it is not JSON, is nested too deeply, or has too many lists.
    """
    if text.count("[") + text.count("{") > MAX_LISTS:
        raise ValueError(f"it has more than {MAX_LISTS:,} lists")
    try:
        values = json.loads(text, parse_int=_parse_int)
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep") from None
    if any(depth > MAX_DEPTH for depth in _depths(values)):
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    return values


def _parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else math.inf


def _depths(values: Any) -> Iterator[int]:
    """The depth of each list and dict, computed without recursion."""
    waiting = [(values, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, (list, dict)):
            yield depth
            inside = value.values() if isinstance(value, dict) else value
            waiting += [(item, depth + 1) for item in inside if isinstance(item, (list, dict))]


def checked(values: Any, kind: type[RowT]) -> RowT:
    """Validate the values of a file.

    Args:
      values: the result of `parse`.
      kind: the expected class, derived from `Row`, with fields of the types `Number`, `Whole`, `Flag`, `Text`, ….

    Raises:
      ValueError: a value is missing or invalid; the message names it.
    """
    try:
        return kind.model_validate(values)
    except pydantic.ValidationError as error:
        raise ValueError(_sentence(error)) from None


def _sentence(error: pydantic.ValidationError) -> str:
    """The first error in one sentence, such as "song.tracks.0.program is 200; it should be less than …"."""
    first = error.errors(include_url=False)[0]
    where = ".".join(shortened(part).strip("'") for part in first["loc"]) or "the file"
    if first["type"] == "missing":
        return f"{where} is missing"
    expected = first["msg"].removeprefix("Input").removeprefix("Value").strip()
    if first["type"] == "model_type":
        expected = "should be an object"
    elif first["type"] == "too_long":
        things = "characters" if isinstance(first["input"], str) else "items"
        expected = f"should have at most {first['ctx']['max_length']:,} {things}"
    return f"{where} is {shortened(first['input'])}; it {expected}"


def _text(value: Any) -> str:
    # Not pydantic's str, which rejects the lone surrogates of file names that are not valid UTF-8.
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise PydanticCustomError("text", f"should be a text of at most {MAX_TEXT} characters")
    return value


Text = Annotated[str, pydantic.PlainValidator(_text)]
Flag = Annotated[bool, pydantic.Strict()]
Number = Annotated[float, pydantic.Strict(), pydantic.AllowInfNan(False)]  # an int counts as one, a bool does not
Whole = Annotated[int, pydantic.Strict()]


class Row(pydantic.BaseModel):
    """Base class for an object in a file. Fields that are not declared are ignored."""

    model_config = pydantic.ConfigDict(frozen=True)


def shortened(value: Any) -> str:
    """An untrusted value as quoted in an error message: in one line and not too long."""
    if isinstance(value, (list, dict)):
        return f"a {type(value).__name__}"
    if isinstance(value, int) and abs(value) >= 10**SHOWN:
        return "a number of many digits"
    shown = ascii(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
