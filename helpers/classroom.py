"""The quickstart as an app for a class: a warm kernel for each visitor, and no more visitors than fit in memory.

    python -m helpers.classroom                                  # for this machine: http://localhost:8866
    python -m helpers.classroom --ip 0.0.0.0 --places 12         # for the room
    python -m helpers.classroom notebooks/05_instruments.ipynb   # another notebook

Every visitor has a kernel, and with it a place. All places are warmed at the start: each kernel runs the notebook once,
so that a page comes with its first sound made. Who comes when all are taken gets a page that says so and tries again.
Somebody who closes the page frees the place, and another kernel is warmed for it.

Notebook: 00_quickstart.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import folders
from .files import as_path
from .tables import counted
from .terminal import ended, program, say

NOTEBOOK = folders.ROOT / "notebooks" / "00_quickstart.ipynb"
EXTRA = 'the app needs Voilà: pip install "gansynth-suite[app]", or voila'
IP, PORT = "localhost", 8866  # as Voilà's

# Of a kernel that has run the quickstart and played 10 s, 0.64 GB are its own; 0.5 GB of libraries are shared by all.
PLACE_BYTES = 1_000_000_000
RESERVED_BYTES = 2_000_000_000  # for the server, those libraries, and the rest of the machine
MAX_PLACES = 100


def room(available: int) -> int:
    """How many places so many bytes of free memory have room for; 0 if not even one.

    >>> from helpers import classroom
    >>> classroom.room(16_000_000_000)
    14
    """
    return min(MAX_PLACES, max(0, (available - RESERVED_BYTES) // PLACE_BYTES))


def places(wanted: int | None, available: int) -> int:
    """How many visitors are let in at a time.

    Args:
      wanted: so many if there is room; None: as many as there is room for.
      available: bytes of memory that are free.

    Raises:
      ValueError: there is no room for one, or for as many as are wanted; or they are less than 1.

    >>> from helpers import classroom
    >>> classroom.places(12, 16_000_000_000)
    12

    Notebook: 00_quickstart.
    """
    most = room(available)
    free = f"{available / 1e9:.1f} GB of free memory"
    if most < 1:
        needed = (PLACE_BYTES + RESERVED_BYTES) / 1e9
        raise ValueError(f"{free} have no room for a visitor; {needed:g} GB would have")
    if wanted is None:
        return most
    if not 1 <= wanted <= most:
        raise ValueError(f"--places is {wanted}; {free} have room for 1 to {most}")
    return wanted


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog=program("helpers.classroom"),
        description="A notebook as an app for a class. Other flags are Voilà's.",
        allow_abbrev=False,
    )
    flags.add_argument("notebook", nargs="?", default=str(NOTEBOOK), help="by default the quickstart")
    flags.add_argument("--places", type=int, help="visitors at a time (default: as many as fit in the free memory)")
    flags.add_argument("--ip", default=IP, help="0.0.0.0 lets the whole network in (default %(default)s)")
    flags.add_argument("--port", type=int, default=PORT, help="default %(default)s")
    return flags


def _serve(args: argparse.Namespace, others: Sequence[str]) -> int:
    try:
        import psutil

        from . import classroom_server
    except ImportError:
        raise ImportError(EXTRA) from None
    notebook = as_path(args.notebook)
    if not notebook.is_file():
        raise FileNotFoundError(f"there is no notebook {notebook}; name one: {program('helpers.classroom')} NOTEBOOK")
    count = places(args.places, psutil.virtual_memory().available)
    say(f"{counted(count, 'place')} at http://{args.ip}:{args.port}; Ctrl-C ends the app")
    classroom_server.serve(Path(notebook), count, args.ip, args.port, others)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; a user's mistake is one line on standard error and exit status 1."""
    args, others = parser().parse_known_args(argv)
    return ended(lambda: _serve(args, others))


if __name__ == "__main__":
    sys.exit(main())
