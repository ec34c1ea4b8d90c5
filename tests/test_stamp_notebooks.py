"""tools/stamp_notebooks.py: the badge, the links and the setup cell, the same in every notebook."""

import base64
import json
import subprocess
from pathlib import Path

import nbformat
import pytest
import stamp_notebooks
from hypothesis import given
from hypothesis import strategies as st
from stamp_notebooks import configured, moved, of_remote, origin, repository_name, stamped

OLD, NEW = "https://github.com/OWNER/gansynth-suite", "https://github.com/you/my-fork"
LINKS = "see {0}, {0}/issues and https://colab.research.google.com/github/{1}/blob/main/notebooks/01_setup.ipynb"


def notebook(*cells):
    """The text of a notebook of (kind, source) cells."""
    make = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    content = nbformat.v4.new_notebook(cells=[make[kind](source) for kind, source in cells])
    return nbformat.writes(content) + "\n"


def sources(text):
    return [cell.source for cell in nbformat.reads(text, as_version=4).cells]


@pytest.fixture
def checkout(tmp_path):
    """A repository with one notebook, up to date."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_a.ipynb").write_text(stamped(notebook(("markdown", "# 1. A")), "01_a.ipynb", OLD))
    (tmp_path / "README.md").write_text(LINKS.format(OLD, "OWNER/gansynth-suite") + " and https://github.com/other/x")
    (tmp_path / "CITATION.cff").write_text(f'repository-code: "{OLD}"\n')
    (tmp_path / "pyproject.toml").write_text(f'[tool.gansynth-suite]\nrepository = "{OLD}" # a placeholder\n')
    return tmp_path


def state(folder):
    return {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}


class TestStamped:
    def test_a_new_notebook_gets_badge_and_setup_cell(self):
        first, about, setup, rest = sources(stamped(notebook(("markdown", "# 1. A"), ("code", "1")), "01_a.ipynb", NEW))
        badge, _, title = first.partition("\n\n")
        assert badge == (
            "[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
            "(https://colab.research.google.com/github/you/my-fork/blob/main/notebooks/01_a.ipynb)"
        )
        assert (title, about, rest) == ("# 1. A", stamp_notebooks.ABOUT, "1")
        compile(setup, "setup", "exec")
        assert f'REPOSITORY = "{NEW}"' in setup

    def test_the_setup_cell_is_folded_in_colab_and_jupyterlab(self):
        setup = json.loads(stamped(notebook(("markdown", "# 1. A")), "01_a.ipynb", NEW))["cells"][2]
        assert setup["metadata"] == {"cellView": "form", "jupyter": {"source_hidden": True}}

    def test_the_notebook_stays_valid(self):
        text = stamped(notebook(("markdown", "# 1. A")), "01_a.ipynb", NEW)
        nbformat.validate(nbformat.reads(text, as_version=4))

    def test_twice_is_once(self):
        once = stamped(notebook(("markdown", "# 1. A"), ("code", "1")), "01_a.ipynb", NEW)
        assert stamped(once, "01_a.ipynb", NEW) == once

    def test_what_is_stale_is_replaced_and_the_rest_kept(self):
        fresh = stamped(notebook(("markdown", "# 1. A"), ("code", "ä = 1")), "01_a.ipynb", NEW)
        content = json.loads(fresh)
        content["cells"][1]["source"] = ["This first cell does something else."]
        content["cells"][2]["source"] = ['REPOSITORY = "elsewhere"']
        content["cells"][2]["metadata"] = {}
        content["metadata"]["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        again = json.loads(stamped(json.dumps(content), "01_a.ipynb", NEW))
        assert again["cells"] == json.loads(fresh)["cells"]
        assert again["metadata"] == content["metadata"]

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": []}', '{"cells": [{}]}', notebook(("code", "1"))])
    def test_other_files_get_one_sentence(self, text):
        with pytest.raises(ValueError, match=r"x\.ipynb is not a notebook that begins with a cell of markdown\."):
            stamped(text, "x.ipynb", NEW)


class TestLinks:
    AMONG = ("00_x.ipynb", "01_a.ipynb", "02_b.ipynb")
    CELLS = ("markdown", "# 1. A"), ("code", "1"), ("markdown", "## References")
    BACK = "Previous: [00_x](00_x.ipynb) ([Colab](https://colab.research.google.com/github/you/my-fork/blob/main/notebooks/00_x.ipynb))"
    ON = "Next: [02_b](02_b.ipynb) ([Colab](https://colab.research.google.com/github/you/my-fork/blob/main/notebooks/02_b.ipynb))"

    def test_lead_to_the_neighbours_from_top_and_end(self):
        first, *_, last = sources(stamped(notebook(*self.CELLS), "01_a.ipynb", NEW, self.AMONG))
        assert first.endswith(f"01_a.ipynb) · {self.BACK} · {self.ON}\n\n# 1. A")
        assert last == f"## References\n\n{self.BACK} · {self.ON}"

    def test_the_first_and_the_last_notebook_have_one_neighbour(self):
        first, *_, end = sources(stamped(notebook(*self.CELLS), "00_x.ipynb", NEW, self.AMONG[:2]))
        assert "Next: [01_a]" in first
        assert end.startswith("## References\n\nNext: [01_a]")
        first, *_, end = sources(stamped(notebook(*self.CELLS), "01_a.ipynb", NEW, self.AMONG[:2]))
        assert first.endswith(f"01_a.ipynb) · {self.BACK}\n\n# 1. A")
        assert end.endswith(self.BACK)

    def test_are_replaced_when_notebooks_come_and_go(self):
        once = stamped(notebook(*self.CELLS), "01_a.ipynb", NEW, self.AMONG)
        assert stamped(once, "01_a.ipynb", NEW, self.AMONG) == once
        more = stamped(once, "01_a.ipynb", NEW, ("00_x.ipynb", "00_y.ipynb", "01_a.ipynb", "02_b.ipynb"))
        assert "[00_x]" not in more
        assert stamped(more, "01_a.ipynb", NEW, self.AMONG) == once
        assert "Previous" not in stamped(more, "01_a.ipynb", NEW)


class TestFigures:
    SOURCE = 'Look:\n\n![two boxes](x "docs/figures/gan.png")\n\nand ![another](https://example.org/a.png)'

    def test_are_written_into_the_cell(self, tmp_path):
        (tmp_path / "docs" / "figures").mkdir(parents=True)
        (tmp_path / "docs" / "figures" / "gan.png").write_bytes(b"one")
        first = stamped(notebook(("markdown", "# 1. A"), ("markdown", self.SOURCE)), "a.ipynb", NEW, figures=tmp_path)
        data = base64.b64encode(b"one").decode()
        assert sources(first)[-1] == self.SOURCE.replace("(x ", f"(data:image/png;base64,{data} ")
        assert stamped(first, "a.ipynb", NEW, figures=tmp_path) == first
        (tmp_path / "docs" / "figures" / "gan.png").write_bytes(b"two")
        assert data not in stamped(first, "a.ipynb", NEW, figures=tmp_path)

    def test_that_are_not_there_get_one_sentence(self, tmp_path):
        with pytest.raises(ValueError, match=r"There is no figure docs/figures/gan\.png; "):
            stamped(notebook(("markdown", self.SOURCE)), "a.ipynb", NEW, figures=tmp_path)


class TestRemote:
    @pytest.mark.parametrize(
        "url",
        [
            "https://github.com/you/my-fork",
            "https://github.com/you/my-fork.git",
            "https://github.com/you/my-fork/",
            "https://you:secret@github.com/you/my-fork.git",
            "git@github.com:you/my-fork.git",
            "ssh://git@github.com/you/my-fork.git",
        ],
    )
    def test_at_github(self, url):
        assert of_remote(url) == NEW

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "/srv/my-fork",
            "https://gitlab.com/you/my-fork",
            "git@gitlab.com:you/my-fork.git",
            "https://github.com.evil.org/you/my-fork",
            "https://you:secret@evil.org/you@github.com/x",
            "https://github.com/you/my-fork/tree/main",
            "git@github.com:my-fork.git",
        ],
    )
    def test_elsewhere_gets_one_sentence_without_the_url(self, url):
        with pytest.raises(ValueError, match=r'^The git remote "origin" is not at github\.com: '):
            of_remote(url)

    def test_with_what_cannot_be_an_address(self):
        with pytest.raises(ValueError, match="is not an address like"):
            of_remote('git@github.com:you/x"; import os')

    def test_of_a_clone(self, tmp_path):
        git = ["git", "-C", str(tmp_path)]
        subprocess.run([*git, "init", "-q"], check=True)
        with pytest.raises(ValueError, match='no git remote "origin" here'):
            origin(tmp_path)
        subprocess.run([*git, "remote", "add", "origin", "git@github.com:you/my-fork.git"], check=True)
        assert origin(tmp_path) == NEW
        (tmp_path / "unpacked").mkdir()  # a copy without history, within another repository
        with pytest.raises(ValueError, match='no git remote "origin" here'):
            origin(tmp_path / "unpacked")


class TestAddress:
    @pytest.mark.parametrize("name", ["you/gansynth-suite", "a-b/c.d", "A1/x_y"])
    def test_of_a_repository(self, name):
        assert repository_name(f"https://github.com/{name}") == name

    @pytest.mark.parametrize(
        "address",
        [
            "",
            "you/gansynth-suite",
            "http://github.com/you/x",
            "https://github.com/you",
            "https://github.com/you/x/",
            "https://github.com/you/x.git",
            "https://github.com/you/x/tree/main",
            "https://github.com/you/..",
            "https://github.com/you/x\n",
            "https://gitlab.com/you/x",
            "https://github.com@example.org/you/x",
            'https://github.com/you/x"; import os',
            "git@github.com:you/x.git",
        ],
    )
    def test_of_anything_else_gets_one_sentence(self, address):
        with pytest.raises(ValueError, match=r"is not an address like https://github\.com/owner/name"):
            repository_name(address)

    @given(st.text())
    def test_whatever_is_accepted_is_harmless_in_code(self, name):
        try:
            address = f"https://github.com/{repository_name(f'https://github.com/you/{name}')}"
        except ValueError:
            return
        source = stamp_notebooks.SETUP.format(repository=address)
        assert f'REPOSITORY = "{address}"  # @param {{type:"string"}}' in source.splitlines()

    def test_is_in_the_settings(self):
        assert configured('[tool.x]\nrepository = "https://github.com/a/b" # here\n') == "https://github.com/a/b"
        with pytest.raises(ValueError, match="has no line repository"):
            configured("[tool.x]\n")

    def test_moves_links_to_this_repository_alone(self):
        others = "https://github.com/OWNER/gansynth-suite-2 https://github.com/OWNER/other"
        text = LINKS.format(OLD, "OWNER/gansynth-suite")
        assert moved(f"{text} {others}", OLD, NEW) == f"{LINKS.format(NEW, 'you/my-fork')} {others}"


class TestCommand:
    def test_a_new_address_is_written_everywhere(self, checkout):
        assert stamp_notebooks.main(["--repository", NEW], root=checkout) == 0
        for text in state(checkout).values():
            assert "OWNER/gansynth-suite" not in text
            assert "you/my-fork" in text
        assert "https://github.com/other/x" in (checkout / "README.md").read_text()
        assert stamp_notebooks.main(["--check"], root=checkout) == 0

    def test_a_fork_finds_its_address_by_itself(self, checkout):
        git = ["git", "-C", str(checkout)]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "remote", "add", "origin", "git@github.com:you/my-fork.git"], check=True)
        assert stamp_notebooks.main(["--repository"], root=checkout) == 0
        assert configured((checkout / "pyproject.toml").read_text()) == NEW

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--repository"],
            ["--repository", "nowhere"],
            ["--repository", NEW, "--check"],
            ["--repository", NEW, "x.ipynb"],
        ],
    )
    def test_bad_arguments_get_one_sentence_and_change_nothing(self, checkout, capsys, arguments):
        before = state(checkout)
        assert stamp_notebooks.main(arguments, root=checkout) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1
        assert state(checkout) == before

    def test_a_broken_notebook_leaves_all_as_it_was(self, checkout):
        (checkout / "notebooks" / "02_b.ipynb").write_text("{}")
        before = state(checkout)
        assert stamp_notebooks.main(["--repository", NEW], root=checkout) == 1
        assert state(checkout) == before

    def test_check_names_what_is_out_of_date(self, checkout, capsys):
        path = checkout / "notebooks" / "01_a.ipynb"
        path.write_text(path.read_text().replace("OWNER", "elsewhere"))
        before = state(checkout)
        assert stamp_notebooks.main(["--check"], root=checkout) == 1
        assert capsys.readouterr().err.startswith("Out of date: 01_a.ipynb; run ")
        assert state(checkout) == before

    def test_files_can_be_named(self, checkout, capsys):
        path = checkout / "notebooks" / "02_b.ipynb"
        path.write_text(notebook(("markdown", "# 2. B")))
        assert stamp_notebooks.main([str(path)], root=checkout) == 0
        assert stamp_notebooks.main(["--check", str(path)], root=checkout) == 0
        assert stamp_notebooks.main(["--check"], root=checkout) == 1  # the other has a neighbour now
        assert stamp_notebooks.main([], root=checkout) == 0
        assert stamp_notebooks.main(["--check"], root=checkout) == 0


def test_the_address_is_in_one_place():
    """Outside of the settings and the notebooks, what the tool does not rewrite must not hold it."""
    root = Path(__file__).resolve().parents[1]
    name = repository_name(configured((root / "pyproject.toml").read_text("utf-8")))
    for path in [*(root / "helpers").rglob("*.py"), *(root / "tools").glob("*.py"), root / "Makefile"]:
        assert name not in path.read_text("utf-8"), path
