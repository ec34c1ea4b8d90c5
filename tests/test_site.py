"""tools/make_site.py and tools/execute.py: notebooks that have run, as pages."""

import base64
import re
import sys

import execute
import make_site
import nbformat
import pytest
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

CONTRACT = """[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://example.org)

# {number}. Tiny & small

What it is.

- **In:** nothing.
- **Out:** a *note*, see [the other](02_b.ipynb).
- **Time:** a second."""
PLAYER = """\
from IPython.display import Audio, display
display(Audio([0.0] * 800, rate=8000))"""
CONTROLS = """\
import ipywidgets
bar = ipywidgets.FloatProgress()
box = ipywidgets.VBox([ipywidgets.Button(description="Go"), ipywidgets.HTML("<b>a sound</b>")])
display(bar, box)"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two notebooks, the second of which fails, made into a site that has an old page for each."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "notebooks").mkdir()
    (folder / "site").mkdir()
    for name, number, cells in (("01_a", 1, [PLAYER, CONTROLS]), ("02_b", 2, ["1 / 0"])):
        notebook = new_notebook(cells=[new_markdown_cell(CONTRACT.format(number=number)), *map(new_code_cell, cells)])
        nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")
        (folder / "site" / f"{name}.html").write_text("old")
    status = make_site.main(["--output", str(folder / "site")], folder=folder / "notebooks")
    return folder / "site", status


class TestSite:
    def test_a_page_has_what_the_notebook_shows(self, site):
        page = (site[0] / "01_a.html").read_text("utf-8")
        assert "<title>1. Tiny &amp; small</title>" in page
        assert re.search(r'<audio[^>]*>\s*<source src="data:audio/wav;base64,', page)
        assert "<b>a sound</b>" in page

    def test_a_page_loads_nothing(self, site):
        page = (site[0] / "01_a.html").read_text("utf-8")
        assert not re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?!data:)[^"]*"', page)
        assert not re.findall(r"@import|url\(\s*['\"]?http", page)
        assert "<script" not in page

    def test_what_is_folded_stays_folded(self):
        folded = "<details>\n<summary>Solution 1</summary>\n\n```python\nanswer = 42\n```\n\n</details>"
        cells = [new_markdown_cell(CONTRACT.format(number=1)), new_markdown_cell(folded)]
        page = make_site.page(new_notebook(cells=cells))
        assert "answer" in page[page.index("<details>") : page.index("</details>")]

    def test_pages_and_index_lead_to_each_other(self, site):
        page = (site[0] / "01_a.html").read_text("utf-8")
        assert 'href="index.html"' in page
        assert page.count('href="02_b.html"') == 2  # from the contract and to the next
        assert 'href="01_a.html"' in (site[0] / "index.html").read_text("utf-8")

    def test_the_index_has_title_and_contract(self, site):
        index = (site[0] / "index.html").read_text("utf-8")
        assert "1. Tiny &amp; small</a>" in index
        assert "<strong>Out:</strong> a <em>note</em>" in index
        assert "colab-badge" not in index

    def test_a_notebook_that_fails_has_no_page_and_fails_the_command(self, site):
        folder, status = site
        assert status == 1
        assert sorted(path.name for path in folder.iterdir()) == ["01_a.html", "index.html"]
        assert "2. Tiny" not in (folder / "index.html").read_text("utf-8")

    def test_notebooks_stay_without_outputs(self, site):
        notebook = nbformat.read(site[0].parent / "notebooks" / "01_a.ipynb", as_version=4)
        assert not any(cell.get("outputs") for cell in notebook.cells)

    def test_what_is_no_notebook_gets_one_sentence(self, tmp_path, capsys):
        (tmp_path / "01_a.ipynb").write_text("nonsense")
        assert make_site.main(["--output", str(tmp_path / "site")], folder=tmp_path) == 1
        assert "01_a.ipynb has no page: " in capsys.readouterr().err


class TestPage:
    def test_tensorflows_log_is_left_out_and_warnings_kept(self):
        text = "I0000 00:00:1795376588.319372 22664 port.cc:153] oneDNN\nUserWarning: quiet\n"
        cell = new_code_cell("1", outputs=[new_output("stream", name="stderr", text=text)])
        page = make_site.page(new_notebook(cells=[new_markdown_cell("# 1. A"), cell]))
        assert "oneDNN" not in page
        assert "UserWarning: quiet" in page

    def test_widgets_are_shown_as_they_stood(self):
        state = {
            "box": {"model_name": "VBoxModel", "state": {"children": [f"IPY_MODEL_{n}" for n in "abcd"]}},
            "a": {"model_name": "HTMLModel", "state": {"value": "<b>bold</b>"}},
            "b": {"model_name": "LabelModel", "state": {"value": "1 < 2"}},
            "c": {
                "model_name": "ImageModel",
                "state": {"format": "jpeg"},
                "buffers": [{"data": "UElD", "path": ["value"], "encoding": "base64"}],
            },
            "d": {
                "model_name": "OutputModel",
                "state": {
                    "outputs": [
                        {"output_type": "stream", "text": "1 > 0"},
                        {"output_type": "display_data", "data": {"text/plain": "x", "text/html": "<i>h</i>"}},
                        {"output_type": "display_data", "data": {"text/plain": "x", "image/png": "UE5H"}},
                    ]
                },
            },
            "bar": {"model_name": "HBoxModel", "state": {"children": ["IPY_MODEL_e", "IPY_MODEL_f"]}},
            "e": {"model_name": "FloatProgressModel", "state": {}},
            "f": {"model_name": "HTMLModel", "state": {"value": "100 %"}},
            "knob": {"model_name": "FloatSliderModel", "state": {}},
        }
        outputs = [new_output("display_data", {make_site.WIDGET: {"model_id": n}}) for n in ("box", "bar", "knob")]
        notebook = new_notebook(cells=[new_code_cell("1", outputs=outputs)])
        notebook.metadata.widgets = {make_site.WIDGETS: {"state": state}}
        make_site.still_widgets(notebook)
        box, knob = (output.data["text/html"] for output in notebook.cells[0].outputs)
        assert box == (
            "<div><b>bold</b></div><p>1 &lt; 2</p>"
            '<img alt="" src="data:image/jpeg;base64,UElD">'
            '<pre>1 &gt; 0</pre><div><i>h</i></div><img alt="" src="data:image/png;base64,UE5H">'
        )
        assert knob == "<p><em>Controls, in the running notebook.</em></p>"

    def test_controls_show_their_code_sound_and_pictures_and_no_bar(self):
        png, flac, wav = (base64.b64encode(magic + bytes(20)).decode() for magic in (b"\x89PNG", b"fLaC", b"RIFF"))
        names = ("title", "bar", "count", "sound", "code", "deck")
        state = {
            "all": {"model_name": "VBoxModel", "state": {"children": [f"IPY_MODEL_{name}" for name in names]}},
            "title": {"model_name": "HTMLModel", "state": {"value": "Generate"}},
            "bar": {"model_name": "IntProgressModel", "state": {"value": 3}},
            "count": {"model_name": "HTMLModel", "state": {"value": "3 notes"}},
            "sound": {"model_name": "AudioModel", "state": {}, "buffers": [{"data": wav, "path": ["value"]}]},
            "code": {"model_name": "AnyModel", "state": {"text": "a < b"}},
            "deck": {
                "model_name": "AnyModel",
                "state": {"sounds": [None], "pictures": [None]},
                "buffers": [{"data": data, "path": ["x", 0]} for data in (flac, png, "AAAA")],
            },
        }
        notebook = new_notebook(cells=[new_code_cell("1")])
        notebook.cells[0].outputs = [new_output("display_data", {make_site.WIDGET: {"model_id": "all"}})]
        notebook.metadata.widgets = {make_site.WIDGETS: {"state": state}}
        make_site.still_widgets(notebook)
        assert notebook.cells[0].outputs[0].data["text/html"] == (
            "<div>Generate</div><div>3 notes</div>"
            f'<p><audio controls src="data:audio/wav;base64,{wav}"></audio></p>'
            "<pre>a &lt; b</pre>"
            f'<p><audio controls src="data:audio/flac;base64,{flac}"></audio></p>'
            f'<img alt="" src="data:image/png;base64,{png}">'
        )


class TestExecute:
    def test_runs_on_this_python_in_the_folder(self, tmp_path):
        notebook = new_notebook(cells=[new_code_cell("import os, sys; print(sys.executable, os.getcwd(), sep='\\n')")])
        execute.execute(notebook, tmp_path)
        assert notebook.cells[0].outputs[0].text.split() == [sys.executable, str(tmp_path)]

    def test_stops_at_the_first_error(self, tmp_path):
        with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
            execute.execute(new_notebook(cells=[new_code_cell("1 / 0")]), tmp_path)

    def test_a_cell_that_hangs_is_ended(self, tmp_path, monkeypatch):
        monkeypatch.setattr(execute, "CELL_SECONDS", 1)
        with pytest.raises(CellTimeoutError):
            execute.execute(new_notebook(cells=[new_code_cell("import time; time.sleep(60)")]), tmp_path)
