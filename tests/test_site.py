"""tools/make_site.py and tools/execute.py: notebooks that have run, as pages."""

import base64
import io
import re
import sys

import execute
import make_site
import nbformat
import numpy as np
import pytest
import soundfile
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

CONTRACT = """[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://example.org)

# {number}. Tiny & small

What it is.

- **In:** nothing.
- **Out:** a *note*, see [the other](02_b.ipynb).
- **Time:** a second; or two."""
PLAYER = """\
from IPython.display import Audio, display
display(Audio([0.0] * 8000, rate=16000))"""
CONTROLS = """\
import ipywidgets
bar = ipywidgets.FloatProgress()
box = ipywidgets.VBox([ipywidgets.Button(description="Go"), ipywidgets.HTML("<b>a sound</b>")])
display(bar, box)"""
PICTURE = """\
import io, numpy, PIL.Image
from IPython.display import Image
content = io.BytesIO()
noise = numpy.random.default_rng(0).integers(0, 255, (200, 400, 3), numpy.uint8)
PIL.Image.fromarray(noise).save(content, "PNG")
Image(content.getvalue())"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two notebooks, the second of which fails, made into a site that has an old page for each."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "notebooks").mkdir()
    (folder / "site").mkdir()
    for name, number, cells in (("01_a", 1, [PLAYER, CONTROLS, PICTURE]), ("02_b", 2, ["1 / 0"])):
        notebook = new_notebook(cells=[new_markdown_cell(CONTRACT.format(number=number)), *map(new_code_cell, cells)])
        nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")
        (folder / "site" / f"{name}.html").write_text("old")
    status = make_site.main(["--output", str(folder / "site")], folder=folder / "notebooks")
    return folder / "site", status


class TestSite:
    @pytest.mark.slow
    def test_a_page_has_what_the_notebook_shows(self, site):
        page = (site[0] / "01_a.html").read_text("utf-8")
        assert "<title>1. Tiny &amp; small</title>" in page
        assert '<audio controls preload="metadata" aria-label="1. Tiny &amp; small, 0.5 s" src="data:audio/mpeg' in page
        assert "<figcaption>♪ 1. Tiny &amp; small, 0.5 s</figcaption>" in page
        assert "<b>a sound</b>" in page
        assert '<span class="pill">Go</span>' in page
        assert page.count("Control: needs a running notebook") == 1  # and not for the progress bar

    def test_sound_and_large_pictures_are_compressed(self, site):
        page = (site[0] / "01_a.html").read_text("utf-8")
        (sound,) = re.findall(r"data:audio/mpeg;base64,([^\"]*)", page)
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sound)))
        assert (len(samples), rate) == (8000, 16000)
        assert "data:audio/wav" not in page
        assert "data:image/png" not in page
        (picture,) = re.findall(r"data:image/webp;base64,([^\"]*)", page)
        assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (400, 200)

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
        assert page.count('href="02_b.html"') == 3  # from the contract, and to the next at both ends
        assert 'href="01_a.html"' in (site[0] / "index.html").read_text("utf-8")

    def test_the_index_leads_to_the_reference_where_it_was_made(self, tmp_path):
        assert "reference" not in make_site.index(tmp_path, [])
        (tmp_path / "reference").mkdir()
        (tmp_path / "reference" / "helpers.html").touch()
        assert 'href="reference/helpers.html"' in make_site.index(tmp_path, [])

    def test_the_index_has_title_sentence_and_picture(self, site):
        index = (site[0] / "index.html").read_text("utf-8")
        assert "1. Tiny &amp; small</a>" in index
        assert "<p>What it is.</p>" in index
        assert "a second · 0." in index
        assert "colab-badge" not in index
        (picture,) = re.findall(r"data:image/webp;base64,([^\"]*)", index)
        assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (400, 200)

    def test_a_notebook_that_fails_has_no_page_and_fails_the_command(self, site):
        folder, status = site
        assert status == 1
        assert sorted(path.name for path in folder.iterdir()) == ["01_a.html", "01_a.webp", "index.html"]
        assert "2. Tiny" not in (folder / "index.html").read_text("utf-8")

    def test_notebooks_stay_without_outputs(self, site):
        notebook = nbformat.read(site[0].parent / "notebooks" / "01_a.ipynb", as_version=4)
        assert not any(cell.get("outputs") for cell in notebook.cells)

    def test_what_is_no_notebook_gets_one_sentence(self, tmp_path, capsys):
        (tmp_path / "01_a.ipynb").write_text("nonsense")
        assert make_site.main(["--output", str(tmp_path / "site")], folder=tmp_path) == 1
        assert "no page was written for 01_a.ipynb: " in capsys.readouterr().err


class TestPage:
    def test_what_goes_to_stderr_is_left_out(self):
        cell = new_code_cell("1", outputs=[new_output("stream", name=n, text=f"of {n}") for n in ("stderr", "stdout")])
        page = make_site.page(new_notebook(cells=[new_markdown_cell("# 1. A"), cell]))
        assert "of stderr" not in page
        assert "<pre>of stdout</pre>" in page

    def test_what_is_printed_around_it_stays_in_one_piece(self):
        texts = ("stdout", "a\n"), ("stderr", "x\n"), ("stdout", "b\n")
        cell = new_code_cell("1", outputs=[new_output("stream", name=name, text=text) for name, text in texts])
        assert "<pre>a\nb\n</pre>" in make_site.page(new_notebook(cells=[new_markdown_cell("# 1. A"), cell]))

    def test_a_titled_cell_is_folded(self):
        cells = [
            new_markdown_cell("# 1. A"),
            new_code_cell("# @title Setup: find\nimport os"),
            new_code_cell("import sys"),
        ]
        page = make_site.page(new_notebook(cells=cells))
        (folded,) = re.findall(r"<details><summary>Setup: find</summary>(.*?)</details>", page, re.S)
        assert "os" in folded
        assert "sys" not in folded

    def test_links_to_notebooks_lead_to_pages_and_the_ways_are_given_once(self):
        links = (
            "[next](02_b.ipynb#part) and [elsewhere](../x.ipynb)\n\nPrevious: [00_x](00_x.ipynb) ([Colab](https://x.y))"
        )
        page = make_site.page(new_notebook(cells=[new_markdown_cell(f"# 1. A\n\n{links}")]))
        assert 'href="02_b.html#part"' in page
        assert 'href="../x.ipynb"' in page
        assert "Previous" not in page

    def test_a_player_is_called_like_the_line_before_it(self):
        player = new_output("display_data", {"text/html": f'<audio controls src="{wav()}"></audio>'})
        lines = [new_output("stream", name="stdout", text=f"{text}\n") for text in ("Cello", "x" * 100)]
        outputs = [lines[0], player, player, lines[1], player]
        page = make_site.page(new_notebook(cells=[new_markdown_cell("# A `b`"), new_code_cell("1", outputs=outputs)]))
        assert re.findall(r"♪ (.*?), 0\.5 s", page) == ["Cello", "A b", "A b"]

    def test_a_player_with_a_name_keeps_it_and_what_cannot_be_read_stays(self):
        outputs = [
            new_output("display_data", {"text/html": f'<audio controls aria-label="A &amp; B" src="{wav()}"></audio>'}),
            new_output("display_data", {"text/html": '<audio src="data:audio/aac;base64,AAAA"></audio>'}),
        ]
        page = make_site.page(new_notebook(cells=[new_markdown_cell("# 1. A"), new_code_cell("1", outputs=outputs)]))
        assert 'aria-label="A &amp; B, 0.5 s" src="data:audio/mpeg' in page
        assert '<audio src="data:audio/aac;base64,AAAA"></audio>' in page


def wav():
    content = io.BytesIO()
    soundfile.write(content, np.zeros(8000), 16000, format="WAV")
    return f"data:audio/wav;base64,{base64.b64encode(content.getvalue()).decode()}"


class TestControls:
    def still(self, state, *names):
        outputs = [new_output("display_data", {make_site.WIDGET: {"model_id": name}}) for name in names]
        notebook = new_notebook(cells=[new_markdown_cell("# 1. A"), new_code_cell("1", outputs=outputs)])
        notebook.metadata.widgets = {make_site.WIDGETS: {"state": state}}
        return re.findall(
            r'<div class="output">(.*?)</div>(?=<div class="output">|\n</main>)', make_site.page(notebook)
        )

    def test_knobs_become_words(self):
        def model(kind, **values):
            return {"model_name": f"{kind}Model", "state": values}

        state = {
            "all": model("VBox", children=[f"IPY_MODEL_{name}" for name in "abcdfgh"]),
            "a": model(
                "Dropdown", description='<span title="of Bach">Tune</span>', _options_labels=["Bach", "<Ode>"], index=1
            ),
            "b": model("ToggleButtons", _options_labels=["CQT", "mel"], index=0),
            "c": model("FloatSlider", description="Volume", value=0.25),
            "d": model("Box", children=["IPY_MODEL_i", "IPY_MODEL_e"], layout="IPY_MODEL_row"),
            "i": model("Checkbox", description="Drums", value=True),
            "e": model("Button", description="Play"),
            "row": model("Layout", flex_flow="row wrap"),
            "f": model("Text", description="Hidden", value="x", layout="IPY_MODEL_none"),
            "g": model("IntProgress", value=3),
            "h": model("Text", description="Empty", value=""),
            "none": model("Layout", display="none"),
        }
        (shown,) = self.still(state, "all")
        assert shown == (
            '<figure class="control"><figcaption>Control: needs a running notebook</figcaption>'
            '<div class="column"><p class="knob"><b>Tune</b> &lt;Ode&gt;</p>'
            '<p><span class="pill on">CQT</span><span class="pill">mel</span></p>'
            '<p class="knob"><b>Volume</b> 0.25</p>'
            '<div class="row"><p class="knob">☑ Drums</p><span class="pill">Play</span></div>'
            '<p class="knob"><b>Empty</b> </p></div></figure>'
        )

    def test_text_and_pictures_need_no_frame_and_progress_is_left_out(self):
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
        }
        assert self.still(state, "box", "bar") == [
            '<div class="column"><div><b>bold</b></div><p>1 &lt; 2</p>'
            '<img alt="" src="data:image/jpeg;base64,UElD">'
            '<pre>1 &gt; 0</pre><i>h</i><img alt="" src="data:image/png;base64,UE5H"></div>'
        ]

    def test_our_own_show_their_code_names_sound_and_pictures(self):
        png, flac = (base64.b64encode(magic + bytes(20)).decode() for magic in (b"\x89PNG", b"fLaC"))
        state = {
            "deck": {
                "model_name": "AnyModel",
                "state": {"text": "a < b", "names": ["A", "B & C"], "sounds": [None] * 2, "pictures": [None] * 2},
                "buffers": [
                    {"data": data, "path": [kind, at]}
                    for kind, data in (("sounds", flac), ("pictures", png))
                    for at in range(2)
                ],
            },
            "browser": {"model_name": "AnyModel", "state": {"names": ["x", "y"], "selected": "y"}},
            "line": {"model_name": "AnyModel", "state": {"entries": [[0, "Cello"], [7.5, "Harp"]]}},
        }
        frame = '<figure class="control"><figcaption>Control: needs a running notebook</figcaption>'
        deck, browser, line = self.still(state, "deck", "browser", "line")
        clips = [
            f'<audio controls aria-label="{name}" src="data:audio/flac;base64,{flac}"></audio>'
            f'<img alt="{name}" src="data:image/png;base64,{png}">'
            for name in ("A", "B &amp; C")
        ]
        assert deck == f"{frame}<pre>a &lt; b</pre>{''.join(clips)}</figure>"
        assert browser == f'{frame}<div><span class="pill">x</span><span class="pill on">y</span></div></figure>'
        assert line == f"{frame}<p>Cello 0 s › Harp 7.5 s</p></figure>"


class TestExecute:
    @pytest.mark.slow
    def test_runs_on_this_python_in_the_folder(self, tmp_path):
        notebook = new_notebook(cells=[new_code_cell("import os, sys; print(sys.executable, os.getcwd(), sep='\\n')")])
        execute.execute(notebook, tmp_path)
        assert notebook.cells[0].outputs[0].text.split() == [sys.executable, str(tmp_path)]

    @pytest.mark.slow
    def test_stops_at_the_first_error(self, tmp_path):
        with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
            execute.execute(new_notebook(cells=[new_code_cell("1 / 0")]), tmp_path)

    @pytest.mark.slow
    def test_a_cell_that_hangs_is_ended(self, tmp_path, monkeypatch):
        monkeypatch.setattr(execute, "CELL_SECONDS", 1)
        with pytest.raises(CellTimeoutError):
            execute.execute(new_notebook(cells=[new_code_cell("import time; time.sleep(60)")]), tmp_path)
