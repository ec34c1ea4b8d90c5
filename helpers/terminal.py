"""What the command lines print: any text, on any terminal.

Names of files, tracks and instruments come from outside. On a terminal a control character is a command, and one whose
encoding lacks a sign (cp1252 has no "♪") ends the program with an error.

Notebook: 04_generate.
"""

from __future__ import annotations

import sys
import unicodedata
from typing import TextIO

KEPT = "\n\t"  # of the control characters
CONTROLS = ("Cc", "Cf", "Zl", "Zp")  # Unicode's categories: controls, invisible formats, separators of lines


def say(text: object, stream: TextIO | None = None) -> None:
    """Print a text at once, with "?" for what the stream's encoding lacks and a space for a control character.

    Args:
      text: printed as `str` has it.
      stream: standard output by default.
    """
    stream = sys.stdout if stream is None else stream
    shown = "".join(" " if is_control(char) else char for char in str(text))
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(shown.encode(encoding, "replace").decode(encoding), file=stream, flush=True)


def is_control(char: str) -> bool:
    return char not in KEPT and unicodedata.category(char) in CONTROLS
