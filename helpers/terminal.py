"""Output of the command-line programs: print any text safely on any terminal, and turn errors into exit statuses.

Names of files, tracks and instruments are not trusted. A control character in them would be a command to the terminal,
and a character that its encoding lacks (cp1252 has no "♪") would end the program with an error.

Notebook: 04_generate.
"""

from __future__ import annotations

import contextlib
import os
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TextIO

KEPT = "\n\t"  # control characters that are allowed
MISTAKE, INTERRUPTED = 1, 130  # exit statuses; the latter is that of shells for Ctrl-C
CONTROLS = ("Cc", "Cf", "Zl", "Zp")  # Unicode categories: control, format, line separator, paragraph separator


def program(module: str) -> str:
    """The name by which a command was called: that of the installed command, or `python -m` and the module."""
    called = Path(sys.argv[0]).stem
    return called if called.startswith("gansynth_") else f"python -m {module}"


def is_command() -> bool:
    """Whether this process is one of our commands; called while the package is imported, before `main` runs."""
    called = sys.argv[0] if getattr(sys, "argv", None) else ""
    return called == "-m" or Path(called).name.startswith("gansynth_")  # "-m" while Python looks up a module to run


def stop_quietly() -> None:
    """Make an uncaught Ctrl-C end the process with one line and an exit status instead of a traceback.

    This is for the seconds in which a command imports modules, before `ended` catches it.
    """
    shown = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            return shown(kind, error, trace)
        say("stopped", sys.stderr)
        os._exit(INTERRUPTED)  # otherwise Python would end as if killed by a signal

    sys.excepthook = hook


def ended(work: Callable[[], int], stopped: str = "stopped") -> int:
    """Run a command. Errors of the user are reported in one line on standard error, with exit status 1.

    Args:
      work: the function to run, which returns the exit status.
      stopped: message for Ctrl-C.

    Returns:
      The exit status.
    """
    try:
        return work()
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        say(f"error: {error}", sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        say(stopped, sys.stderr)
        return INTERRUPTED


def say(text: object, stream: TextIO | None = None) -> None:
    """Print a text and flush, with "?" for characters that the encoding lacks and spaces for control characters.

    Errors in writing are ignored, because a closed pipe (`| head -1`) or a full disk must not stop the work.

    Args:
      text: anything; it is converted by `str`.
      stream: by default standard output.
    """
    stream = sys.stdout if stream is None else stream
    shown = "".join(" " if is_control(char) else char for char in str(text))
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        print(shown.encode(encoding, "replace").decode(encoding), file=stream, flush=True)
    except OSError:
        _leave(stream)


def _leave(stream: TextIO) -> None:
    """Redirect a stream to the null device, because it would otherwise fail again at the end of the program."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: a stream without a file descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)


def is_control(char: str) -> bool:
    """Whether a character could control a terminal; tabs and line ends do not count."""
    return char not in KEPT and unicodedata.category(char) in CONTROLS
