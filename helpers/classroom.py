"""The quickstart as an app for a class: a warm kernel for each visitor, and only as many visitors as fit in memory.

    python -m helpers.classroom                                  # for this machine: http://localhost:8866
    python -m helpers.classroom --ip 0.0.0.0 --places 12         # for everybody in the room
    python -m helpers.classroom notebooks/05_instruments.ipynb   # another notebook

Every visitor takes a place, which is a kernel. All kernels are warmed up at the start: each runs the notebook once, so
that a page opens with its first sound already rendered. When all places are taken, further visitors get a page that
says so and retries. Closing a page frees its place, and a new kernel is warmed up.

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
IP, PORT = "localhost", 8866  # the defaults of Voilà

# A kernel that has run the quickstart and rendered 10 s takes 0.64 GB, besides 0.5 GB of libraries that all share.
PLACE_BYTES = 1_000_000_000
RESERVED_BYTES = 2_000_000_000  # for the server, the shared libraries, and the rest of the machine
MAX_PLACES = 100


def room(available: int) -> int:
    """The number of places that fit into `available` bytes of free memory.

    >>> from helpers import classroom
    >>> classroom.room(16_000_000_000)
    14
    """
    return min(MAX_PLACES, max(0, (available - RESERVED_BYTES) // PLACE_BYTES))


def places(wanted: int | None, available: int) -> int:
    """The number of visitors that are admitted at a time.

    Args:
      wanted: the number to admit; None for as many as fit into memory.
      available: free memory (bytes).

    Returns:
      The number of places.

    Raises:
      ValueError: not even one place fits into memory, or `wanted` is less than 1 or more than fit.

    >>> from helpers import classroom
    >>> classroom.places(12, 16_000_000_000)
    12

    Notebook: 00_quickstart.
    """
    most = room(available)
    free = f"{available / 1e9:.1f} GB of free memory"
    if most < 1:
        needed = (PLACE_BYTES + RESERVED_BYTES) / 1e9
        raise ValueError(f"{free} are not enough for a visitor; {needed:g} GB are needed")
    if wanted is None:
        return most
    if not 1 <= wanted <= most:
        raise ValueError(f"--places is {wanted}; with {free} it must be between 1 and {most}")
    return wanted


def parser() -> argparse.ArgumentParser:
    """The command\'s arguments."""
    flags = argparse.ArgumentParser(
        prog=program("helpers.classroom"),
        description="Run a notebook as an app for a class. Other flags are passed to Voilà.",
        allow_abbrev=False,
    )
    flags.add_argument("notebook", nargs="?", default=str(NOTEBOOK), help="the notebook (default: the quickstart)")
    flags.add_argument("--places", type=int, help="visitors at a time (default: as many as fit in the free memory)")
    flags.add_argument("--ip", default=IP, help="0.0.0.0 admits the whole network (default: %(default)s)")
    flags.add_argument("--port", type=int, default=PORT, help="port to listen at (default: %(default)s)")
    return flags


def _serve(args: argparse.Namespace, others: Sequence[str]) -> int:
    try:
        import psutil

        from . import classroom_server
    except ImportError:
        raise ImportError(EXTRA) from None
    notebook = as_path(args.notebook)
    if not notebook.is_file():
        raise FileNotFoundError(f"there is no notebook {notebook}; usage: {program('helpers.classroom')} NOTEBOOK")
    count = places(args.places, psutil.virtual_memory().available)
    say(f"{counted(count, 'place')} at http://{args.ip}:{args.port}; press Ctrl-C to end the app")
    classroom_server.serve(Path(notebook), count, args.ip, args.port, others)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; an error of the user is one line on standard error, with exit status 1."""
    args, others = parser().parse_known_args(argv)
    return ended(lambda: _serve(args, others))


if __name__ == "__main__":
    sys.exit(main())
