"""Write what all notebooks have in common into each: the badge "Open in Colab" and the setup cell.

    python tools/stamp_notebooks.py                       # all in notebooks/
    python tools/stamp_notebooks.py notebooks/04_generate.ipynb
    python tools/stamp_notebooks.py --check               # writes nothing; fails if one is out of date
    python tools/stamp_notebooks.py --repository https://github.com/you/gansynth-suite

The address of the repository is in pyproject.toml. After a fork, `--repository` (or `make repository URL=...`) changes
it there, in all notebooks and in README.md. A new notebook needs a first cell of markdown; the rest is inserted.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from helpers.files import replacing

ROOT = Path(__file__).resolve().parents[1]
BRANCH = "main"  # what Colab opens
BADGE = (
    "[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{name}/blob/{branch}/notebooks/{notebook})"
)
IS_BADGE = re.compile(r"\A\[!\[Open In Colab\].*\n*")

ABOUT = (
    "This first cell finds the `helpers` package and says where it runs. In Colab it fetches the repository and "
    "installs the few small packages that Colab lacks."
)
IS_ABOUT = "This first cell"
SETUP = """\
# @title Setup: find the code; in Colab, fetch it first
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = "{repository}"
folders = [Path.cwd(), *Path.cwd().parents, Path("/content/gansynth-suite")]
if "google.colab" in sys.modules and not folders[-1].exists():
    subprocess.run(["git", "clone", "-q", "--depth", "1", REPOSITORY, folders[-1]])
root = next((folder for folder in folders if (folder / "helpers" / "gansynth").is_dir()), None)
assert root, f"open this notebook inside a copy of {{REPOSITORY}}; in Colab, check that address"
os.chdir(root)
sys.path.insert(0, str(root))
from helpers import place

place.here()"""
IS_SETUP = "REPOSITORY ="

ADDRESS = re.compile(r"https://github\.com/([A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9_.-]*[A-Za-z0-9_-])")
SETTING = re.compile(r'^repository = "([^"]*)"', re.M)


def repository_name(address: str) -> str:
    """Owner and name of a repository at GitHub, which is what Colab opens notebooks from.

    Raises:
        ValueError: if `address` is anything else.
    """
    found = ADDRESS.fullmatch(address)
    if found is None or address.endswith(".git"):
        raise ValueError(f"{address!r} is not an address like https://github.com/owner/name, without .git or more.")
    return found[1]


def configured(settings: str) -> str:
    """The address in the text of pyproject.toml. ValueError if there is none."""
    found = SETTING.search(settings)
    if found is None:
        raise ValueError('pyproject.toml has no line repository = "https://github.com/owner/name".')
    return found[1]


def stamped(text: str, notebook: str, repository: str) -> str:
    """The text of a notebook file with the badge and setup cell of today.

    Args:
        text: the file's content.
        notebook: the file's name.
        repository: address at GitHub.

    Raises:
        ValueError: if this is no notebook that begins with a cell of markdown.
    """
    try:
        content = json.loads(text)
        cells = content["cells"]
        first = cells[0]
        source = "".join(first["source"])
        if first["cell_type"] != "markdown":
            raise KeyError("markdown")
    except (json.JSONDecodeError, KeyError, IndexError, TypeError):
        raise ValueError(f"{notebook} is not a notebook that begins with a cell of markdown.") from None
    badge = BADGE.format(name=repository_name(repository), branch=BRANCH, notebook=notebook)
    _write(first, f"{badge}\n\n{IS_BADGE.sub('', source)}")

    at = next((n for n, cell in enumerate(cells) if cell["cell_type"] == "code"), len(cells))
    if at == len(cells) or IS_SETUP not in "".join(cells[at]["source"]):
        at = 1
        cells.insert(at, {"cell_type": "code", "execution_count": None, "id": "setup", "metadata": {}, "outputs": []})
    _write(cells[at], SETUP.format(repository=repository))
    about = cells[at - 1]
    if not "".join(about["source"]).startswith(IS_ABOUT):
        about = {"cell_type": "markdown", "id": "setup-about", "metadata": {}}
        cells.insert(at, about)
    _write(about, ABOUT)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _write(cell: dict, source: str) -> None:
    cell["source"] = source.splitlines(keepends=True)


def moved(text: str, old: str, new: str) -> str:
    """`text` with the links to one repository, Colab's too, changed to another."""
    pattern = rf"(github\.com/|colab\.research\.google\.com/github/){re.escape(repository_name(old))}(?![\w-])"
    return re.sub(pattern, lambda found: found[1] + repository_name(new), text)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK", help="files; without, all in notebooks/")
    parser.add_argument("--repository", metavar="URL", help="the new address, https://github.com/owner/name")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something is out of date")
    options = parser.parse_args(arguments)
    try:
        if options.repository and (options.check or options.notebooks):
            raise ValueError("A new address is for all notebooks, and is not checked but written: give it alone.")
        changes = _changes(root, options.notebooks, options.repository)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.check and changes:
        names = ", ".join(path.name for path in changes)
        print(f"Out of date: {names}; run python tools/stamp_notebooks.py.", file=sys.stderr)
        return 1
    for path, text in changes.items():
        with replacing(path) as partial:
            partial.write_text(text, "utf-8")
        print(path)
    return 0


def _changes(root: Path, notebooks: Sequence[Path], repository: str | None) -> dict[Path, str]:
    """Files -> what is to be written into them; nothing that is up to date. The settings come last."""
    settings = root / "pyproject.toml"
    old = configured(settings.read_text("utf-8"))
    new = repository or old
    paths = list(notebooks) or sorted((root / "notebooks").glob("*.ipynb"))
    texts = {path: stamped(path.read_text("utf-8"), path.name, new) for path in paths}
    if repository:
        texts[root / "README.md"] = moved((root / "README.md").read_text("utf-8"), old, new)
        texts[settings] = moved(settings.read_text("utf-8"), old, new)
    return {path: text for path, text in texts.items() if text != path.read_text("utf-8")}


if __name__ == "__main__":
    sys.exit(main())
