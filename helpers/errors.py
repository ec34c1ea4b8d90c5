"""Show errors of the user, such as a missing file, as a single line in notebooks.

A notebook shows an exception with its whole traceback, in which a helpful message is easily overlooked. Functions that
take names and numbers from users are decorated with `in_one_line`. Their exceptions keep type and message, and the cell
still fails, but IPython shows only one line. `%debug` still works.
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
    """The method by which an exception tells IPython how to show it; a class, so that it can be pickled."""

    text: str

    def __call__(self) -> list[str]:
        return [self.text]


def in_one_line(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorator for functions whose errors are shown to the user in one line.

    This applies to every OSError, and to each ValueError and ImportError raised by this package. Those raised by
    libraries keep their traceback, because they are errors of this package.
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
    """Whether an error was raised in a module of this package."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "").split(".")[0] == __package__


def number(name: str, value: object) -> float:
    """Convert a user's value to a float.

    Raises:
      ValueError: it is not a number.
    """
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r:.100}; it must be a number") from None


def one_line(text: object) -> str:
    """A message from a library, or with names from outside, as one line of at most 400 printable characters."""
    return "".join(c if c.isprintable() else " " for c in str(text)[:400]).strip()
