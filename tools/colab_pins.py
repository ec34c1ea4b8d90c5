"""Update tests/colab/pins.txt to the versions in tests/colab/pip-freeze.txt, the list published by Colab.

    curl -o tests/colab/pip-freeze.txt https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.txt
    python tools/colab_pins.py

Packages that Colab no longer has are removed, and their names are printed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

COLAB = Path(__file__).resolve().parents[1] / "tests" / "colab"


def same(name: str) -> str:
    """The normalized name of a package, as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(pins: str, published: str) -> tuple[str, list[str]]:
    """The pins with the published versions, and the names of packages that are not published."""
    lines = (line.split("==") for line in published.splitlines() if re.fullmatch(r"[\w.-]+==[\w.+!-]+", line))
    versions = {same(name): version for name, version in lines}
    names = [line.split("==")[0] for line in pins.split()]
    kept = [f"{name}=={versions[same(name)]}\n" for name in names if same(name) in versions]
    return "".join(kept), [name for name in names if same(name) not in versions]


def main() -> int:
    """Rewrite pins.txt."""
    pins, gone = pinned((COLAB / "pins.txt").read_text("utf-8"), (COLAB / "pip-freeze.txt").read_text("utf-8"))
    (COLAB / "pins.txt").write_text(pins, "utf-8")
    if gone:
        print(f"Colab no longer has {', '.join(gone)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
