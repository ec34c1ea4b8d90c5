"""Write what all notebooks have in common into each: badge, links to the neighbours, setup cell; and the figures.

    python tools/stamp_notebooks.py                       # all in notebooks/
    python tools/stamp_notebooks.py notebooks/04_generate.ipynb
    python tools/stamp_notebooks.py --check               # writes nothing; fails if one is out of date
    python tools/stamp_notebooks.py --repository          # this clone's own address: that of its git remote "origin"
    python tools/stamp_notebooks.py --repository https://github.com/you/gansynth-suite

The address of the repository is in pyproject.toml. After a fork, `--repository` (or `make repository`) changes it
there, in all notebooks, in README.md and in CITATION.cff. A new notebook needs a first cell of markdown; the rest is
inserted.

A figure is a picture of docs/figures in a cell of markdown, `![what it shows](x "docs/figures/gan.png")`. The file is
written in place of x, because Colab shows neither files beside a notebook nor a cell's attachments.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers.files import replacing

ROOT = Path(__file__).resolve().parents[1]
BRANCH = "main"  # what Colab opens
ORIGIN = "origin"  # in place of an address: that of the git remote
COLAB = "https://colab.research.google.com/github/{name}/blob/{branch}/notebooks/{notebook}"
BADGE = "[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})"
IS_BADGE = re.compile(r"\A\[!\[Open In Colab\].*\n*")
# Links within the repository work in JupyterLab and on GitHub; Colab needs addresses of its own.
WAY = "{word}: [{stem}]({notebook}) ([Colab]({colab}))"
IS_WAYS = re.compile(r"\n*^(?:Previous|Next): \[.*\Z", re.M)

FIGURE = re.compile(r'!\[([^\]]*)\]\(\S* "(docs/figures/\w+\.png)"\)')

ABOUT = (
    "This first cell finds the `helpers` package and reports where the notebook runs; its code is folded away. In "
    "Colab, it first downloads the repository and installs the few small packages that Colab lacks."
)
IS_ABOUT = "This first cell"
# Colab makes a form of the cell, with a field for the address: until the project has one, somebody has to type it.
SETUP = """\
# @title Setup (run this first)
import os
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = "{repository}"  # @param {{type:"string"}}
folders = [Path.cwd(), *Path.cwd().parents, Path("/content/gansynth-suite")]
if "google.colab" in sys.modules and not folders[-1].exists():
    known = re.fullmatch(r"https://github\\.com/(?!OWNER/)[\\w-]+/[\\w.-]+", REPOSITORY)
    assert known, "type the address of the repository, https://github.com/owner/name, into the field and run this again"
    subprocess.run(["git", "clone", "-q", "--depth", "1", REPOSITORY, folders[-1]])
root = next((folder for folder in folders if (folder / "helpers" / "gansynth").is_dir()), None)
assert root, f"open this notebook inside a copy of {{REPOSITORY}}; in Colab, check that address"
os.chdir(root)
sys.path.insert(0, str(root))
from helpers import runtime

runtime.here()"""
IS_SETUP = "REPOSITORY ="
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}  # for Colab; for JupyterLab

ADDRESS = re.compile(r"https://github\.com/([A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9_.-]*[A-Za-z0-9_-])")
REMOTE = re.compile(r"(?:https://(?:[^/@]+@)?github\.com/|(?:ssh://)?git@github\.com[:/])([^/]+/[^/]+?)(?:\.git)?/?")
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


def of_remote(url: str) -> str:
    """The address at GitHub of a git remote, by whichever protocol git reaches it, without credentials.

    Raises:
        ValueError: if it is not at GitHub.
    """
    found = REMOTE.fullmatch(url)
    if found is None:  # the URL is not shown, as it may hold a password
        raise ValueError('The git remote "origin" is not at github.com: give the address that you want.')
    address = f"https://github.com/{found[1]}"
    repository_name(address)
    return address


def origin(root: Path) -> str:
    """The address at GitHub that a clone came from.

    Raises:
        ValueError: if `root` is no clone, or of something that is not at GitHub.
    """
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    # Without a .git of its own, git would answer for a repository that this folder happens to lie in.
    done = subprocess.run(command, capture_output=True, text=True) if (root / ".git").exists() else None
    if done is None or done.returncode:
        raise ValueError('There is no git remote "origin" here: give the address that you want.')
    return of_remote(done.stdout.strip())


def stamped(text: str, notebook: str, repository: str, among: Sequence[str] = (), figures: Path = ROOT) -> str:
    """The text of a notebook file with the badge, links, setup cell and figures of today.

    Args:
        text: the file's content.
        notebook: the file's name.
        repository: address at GitHub.
        among: the names of all notebooks, in order; without, there are no links to neighbours.
        figures: the folder with docs/figures.

    Raises:
        ValueError: if this is no notebook that begins with a cell of markdown, or if there is no such figure.
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
    name = repository_name(repository)
    for cell in cells:
        if cell["cell_type"] == "markdown":
            _write(cell, FIGURE.sub(lambda found: _figure(found[1], figures, found[2]), "".join(cell["source"])))

    links = _ways(notebook, among, name)
    badge = BADGE.format(colab=_colab(name, notebook))
    _write(first, f"{' · '.join([badge, *links])}\n\n{IS_BADGE.sub('', source)}")
    last = cells[-1]
    if last is not first and last["cell_type"] == "markdown":
        end = IS_WAYS.sub("", "".join(last["source"]))
        _write(last, "\n\n".join([end, " · ".join(links)] if links else [end]))

    at = next((n for n, cell in enumerate(cells) if cell["cell_type"] == "code"), len(cells))
    if at == len(cells) or IS_SETUP not in "".join(cells[at]["source"]):
        at = 1
        cells.insert(at, {"cell_type": "code", "execution_count": None, "id": "setup", "metadata": {}, "outputs": []})
    _write(cells[at], SETUP.format(repository=repository))
    cells[at]["metadata"] = FOLDED
    about = cells[at - 1]
    if not "".join(about["source"]).startswith(IS_ABOUT):
        about = {"cell_type": "markdown", "id": "setup-about", "metadata": {}}
        cells.insert(at, about)
    _write(about, ABOUT)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _colab(name: str, notebook: str) -> str:
    return COLAB.format(name=name, branch=BRANCH, notebook=notebook)


def _ways(notebook: str, among: Sequence[str], name: str) -> list[str]:
    """Links to the notebook before and to the one after this."""
    at = among.index(notebook) if notebook in among else 0
    ways = ("Previous", among[:at][-1:]), ("Next", among[at + 1 : at + 2])
    return [
        WAY.format(word=word, stem=Path(other).stem, notebook=other, colab=_colab(name, other))
        for word, others in ways
        for other in others
    ]


def _figure(shows: str, folder: Path, path: str) -> str:
    """Markdown of a picture with the file in it."""
    try:
        data = base64.b64encode((folder / path).read_bytes()).decode("ascii")
    except FileNotFoundError:
        raise ValueError(f"There is no figure {path}; python tools/make_figures.py draws them.") from None
    return f'![{shows}](data:image/png;base64,{data} "{path}")'


def _write(cell: dict, source: str) -> None:
    cell["source"] = source.splitlines(keepends=True)


def moved(text: str, old: str, new: str) -> str:
    """`text` with the links to one repository, Colab's too, changed to another."""
    pattern = rf"(github\.com/|colab\.research\.google\.com/github/){re.escape(repository_name(old))}(?![\w-])"
    return re.sub(pattern, lambda found: found[1] + repository_name(new), text)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK", help="files; without, all in notebooks/")
    parser.add_argument(
        "--repository", nargs="?", const=ORIGIN, metavar="URL", help="the new address; without one, this clone's origin"
    )
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
    new = origin(root) if repository == ORIGIN else repository or old
    paths = list(notebooks) or sorted((root / "notebooks").glob("*.ipynb"))
    texts = {}
    for path in paths:
        among = sorted(other.name for other in path.parent.glob("*.ipynb"))
        texts[path] = stamped(path.read_text("utf-8"), path.name, new, among, root)
    if repository:
        for path in (root / "README.md", root / "CITATION.cff", settings):
            texts[path] = moved(path.read_text("utf-8"), old, new)
    return {path: text for path, text in texts.items() if text != path.read_text("utf-8")}


if __name__ == "__main__":
    sys.exit(main())
