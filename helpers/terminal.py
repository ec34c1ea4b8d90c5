"""What the command lines print: any text, on any terminal.

Names of files, tracks and instruments come from outside. On a terminal a control character is a command, and one whose
encoding lacks a sign (cp1252 has no "♪") ends the program with an error.

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

KEPT = "\n\t"  # of the control characters
MISTAKE, INTERRUPTED = 1, 130  # exit statuses; the latter as a shell reports Ctrl-C
CONTROLS = ("Cc", "Cf", "Zl", "Zp")  # Unicode's categories: controls, invisible formats, separators of lines


def program(module: str) -> str:
    """What a command line was called by: the name of an installed command, or `python -m` and the module."""
    called = Path(sys.argv[0]).stem
    return called if called.startswith("gansynth_") else f"python -m {module}"


def is_command() -> bool:
    """Whether this process is one of our commands; asked while the package is imported, before its `main` runs."""
    called = sys.argv[0] if getattr(sys, "argv", None) else ""
    return called == "-m" or Path(called).name.startswith("gansynth_")  # Python's own sign for a module to be run


def stop_quietly() -> None:
    """From now on, let a Ctrl-C that nobody catches end the process by a line and a status, and no traceback.

    A command imports for seconds before `ended` is there to catch it.
    """
    shown = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            return shown(kind, error, trace)
        say("stopped", sys.stderr)
        os._exit(INTERRUPTED)  # else Python would end as if by a signal

    sys.excepthook = hook


def ended(work: Callable[[], int], stopped: str = "stopped") -> int:
    """Do what a command line is for; a user's mistake is one line on standard error and exit status 1.

    Args:
      work: does it, and returns the exit status.
      stopped: what to say when Ctrl-C ends it.

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
    """Print a text at once, with "?" for what the stream's encoding lacks and a space for a control character.

    Nobody may be listening (`| head -1`), or a disk may be full: that is no reason to leave the work undone.

    Args:
      text: printed as `str` has it.
      stream: standard output by default.
    """
    stream = sys.stdout if stream is None else stream
    shown = "".join(" " if is_control(char) else char for char in str(text))
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        print(shown.encode(encoding, "replace").decode(encoding), file=stream, flush=True)
    except OSError:
        _leave(stream)


def _leave(stream: TextIO) -> None:
    """Let what is printed from now on go nowhere, or the stream would fail again at the end of the program."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: one without a file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)


def is_control(char: str) -> bool:
    return char not in KEPT and unicodedata.category(char) in CONTROLS
