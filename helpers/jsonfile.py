"""JSON from outside: read within bounds, and every value checked before it is used.

    rows = fields(parse(read_text(path, MAX_BYTES)), "the file")
    seed = whole(rows.get("seed"), "seed", 0, 2**32 - 1)

A file that people pass on is not to be trusted, whatever once wrote it. All that is wrong with a value is a ValueError
of one sentence that names the value.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_DEPTH = 32  # brackets inside brackets; our own files have 8
MAX_LISTS = 3_000_000  # lists and objects in one file: each takes twenty times the memory that it takes on disk
MAX_DIGITS = 400  # of one number; more is no number of ours, and converting it takes time that grows with its square
MAX_TEXT = 10_000  # characters of one name
SHOWN = 60  # characters of a wrong value in a message


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
    """The values of a JSON text. NaN and Infinity are read as Python writes them; `number` refuses them.

    Raises:
      ValueError: it is not JSON, is nested too deeply, or holds too much.
    """
    if text.count("[") + text.count("{") > MAX_LISTS:
        raise ValueError(f"it holds more than {MAX_LISTS:,} lists")
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
    """The depth of each list and dict, without recursion."""
    waiting = [(values, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, (list, dict)):
            yield depth
            inside = value.values() if isinstance(value, dict) else value
            waiting += [(item, depth + 1) for item in inside if isinstance(item, (list, dict))]


def number(value: Any, what: str, low: float, high: float) -> float:
    """A finite number from `low` to `high`, as a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{what} is {shortened(value)}; expected a number from {low:g} to {high:g}")
    return float(value)


def whole(value: Any, what: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`; 3.0 counts as one."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or value != int(value):
        raise ValueError(f"{what} is {shortened(value)}; expected a whole number from {low} to {high}")
    return int(value)


def flag(value: Any, what: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{what} is {shortened(value)}; expected true or false")
    return value


def text(value: Any, what: str, most: int = MAX_TEXT) -> str:
    """A string of at most `most` characters."""
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"{what} is {shortened(value)}; expected a text of at most {most} characters")
    return value


def items(value: Any, what: str, most: int, each: int | None = None) -> list[Any]:
    """A list of at most `most` values; of exactly `each`, if that is given."""
    if not isinstance(value, (list, tuple)) or len(value) > most or each not in (None, len(value)):
        expected = f"{each} values" if each is not None else f"at most {most:,} values"
        found = f"{len(value):,} values" if isinstance(value, (list, tuple)) else shortened(value)
        raise ValueError(f"{what} is {found}; expected a list of {expected}")
    return list(value)


def fields(value: Any, what: str, needed: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object, with at least the `needed` keys."""
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {shortened(value)}; expected an object")
    for key in needed:
        if key not in value:
            raise ValueError(f"{what} has no {key!r}")
    return value


def shortened(value: Any) -> str:
    """A value from outside as it is quoted in a message: on one line, not too long, whatever it is."""
    if isinstance(value, (list, dict)):
        return f"a {type(value).__name__}"
    if isinstance(value, int) and abs(value) >= 10**SHOWN:
        return "a number of many digits"
    shown = ascii(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
