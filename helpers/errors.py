"""A user's mistake, or a file that is not there, as one sentence: in a notebook too.

A notebook shows an exception with its whole traceback, and the sentence that would help is lost in it. Functions that
are given names and numbers by a user carry the decorator `in_one_line`. What they raise keeps its type and text, and
the cell fails all the same, but IPython shows one line of it; `%debug` still leads to the place.
"""

from __future__ import annotations

import dataclasses
import functools
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class _OneLine:
    """The method that IPython asks an exception for before it draws a traceback; a class, so that it can be pickled."""

    text: str

    def __call__(self) -> list[str]:
        return [self.text]


def in_one_line(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a function whose errors are sentences for its user.

    These are all OSErrors, and the ValueErrors and ImportErrors that this package raises. One that a library raises
    keeps its traceback, because then the mistake is ours.
    """

    @functools.wraps(function)
    def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except (OSError, ValueError, ImportError) as error:
            if isinstance(error, OSError) or _is_ours(error):
                vars(error)["_render_traceback_"] = _OneLine(f"{type(error).__name__}: {error}")
            raise

    return wrapper


def _is_ours(error: Exception) -> bool:
    """Whether it was raised by a line of this package."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "").split(".")[0] == __package__


def number(name: str, value: object) -> float:
    """A number that a user gave, whatever else it may be.

    Raises:
      ValueError: it is none.
    """
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r:.100}; it must be a number") from None


def one_line(text: object) -> str:
    """A message of other people's code, or with other people's names in it, fit for one line of a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(text)[:400]).strip()
