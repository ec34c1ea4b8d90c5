"""Run all notebooks and write what they show as a small site: outputs/site/index.html and a page for each.

    python tools/make_site.py                                  # all in notebooks/
    python tools/make_site.py notebooks/01_setup.ipynb         # this page anew, the others as they are

Sound, pictures and style are inside the pages, which load nothing from the web. So there is no MathJax, and controls
(widgets), which need a running notebook, are shown as they stood at the end: their text, code, pictures and sound, no
knobs.

A page is written when its notebook has run to the end; where one fails, its old page goes.
"""

from __future__ import annotations

import argparse
import base64
import html
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from tqdm.auto import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from execute import execute
from stamp_notebooks import IS_BADGE

from helpers.files import replacing

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "outputs" / "site"
LOG = re.compile(r"^(WARNING: All log messages before|[IWEF]\d{4} \d\d:\d\d).*\n?", re.M)  # of TensorFlow, on stderr

PROGRESS_MODELS = 4  # of a progress bar of tqdm: a box, text, the bar, text; controls with a bar have more
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGETS = "application/vnd.jupyter.widget-state+json"

STYLE = """
.site { font: 15px/1.6 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 0 auto; padding: 1rem 1.5rem; }
.site nav { display: flex; flex-wrap: wrap; gap: 0 1.5rem; }
.site a { color: #0b5cad; }
.site article { border-top: 1px solid #ddd; margin-top: 1rem; }
"""
# Blocks of nbconvert's template, emptied of what would be loaded from the web.
PAGE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block extra_css -%}<style>{{ resources.site.style }}</style>{%- endblock -%}
{%- block body_header -%}{{ super() }}<div class="site">{{ resources.site.nav }}</div>{%- endblock -%}
"""
INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>GANSynth that runs today</title>
<style>{style}</style>
</head>
<body class="site">
<h1>GANSynth that runs today</h1>
<p>The notebooks of the suite, as they ran on this machine: text, code, pictures and sound.</p>
{articles}
</body>
</html>
"""
ARTICLE = '<article>\n<h2><a href="{page}">{title}</a></h2>\n{contract}\n<p>{size:.1f} MB</p>\n</article>'


def head(notebook: NotebookNode) -> tuple[str, str]:
    """Title and contract, as markdown, from a notebook's first cell."""
    source = IS_BADGE.sub("", notebook.cells[0].source)
    title, _, contract = source.partition("\n")
    return title.lstrip("# "), contract.strip()


def navigation(path: Path, among: Sequence[Path]) -> str:
    """Links, as HTML, from a notebook's page to the index and to the pages before and after it."""
    links = ['<a href="index.html">All notebooks</a>']
    if path in among:
        at = among.index(path)
        for word, other in (("Before", among[:at][-1:]), ("Next", among[at + 1 : at + 2])):
            links += [f'<a href="{page.stem}.html">{word}: {page.stem}</a>' for page in other]
    return f"<nav>{' '.join(links)}</nav>"


def page(notebook: NotebookNode, nav: str = "") -> str:
    """The HTML of a notebook that has run. Changes the notebook to what can be shown."""
    title, _ = head(notebook)
    still_widgets(notebook)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                output.text = LOG.sub("", output.text)
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"(\]\((?:\./)?\d\d_\w+)\.ipynb\b", r"\1.html", IS_BADGE.sub("", cell.source))
    exporter = HTMLExporter(raw_template=PAGE)  # with embed_images it closes <details> before what they fold
    resources = {
        "metadata": {"name": title, "path": str(ROOT / "notebooks")},
        "site": {"style": STYLE, "nav": nav},
    }
    return exporter.from_notebook_node(notebook, resources)[0]


def still_widgets(notebook: NotebookNode) -> None:
    """Put what widgets showed at the end in their place; progress bars are left out."""
    state = notebook.metadata.pop("widgets", {}).get(WIDGETS, {}).get("state", {})
    for cell in notebook.cells:
        outputs = []
        for output in cell.get("outputs", []):
            if WIDGET in output.get("data", {}):
                models = list(_models(output.data[WIDGET]["model_id"], state))
                if len(models) <= PROGRESS_MODELS and any(m["model_name"].endswith("ProgressModel") for m in models):
                    continue
                shown = "".join(map(_still, models)) or "<p><em>Controls, in the running notebook.</em></p>"
                output = nbformat.v4.new_output("display_data", {"text/html": shown})
            outputs.append(output)
        if cell.cell_type == "code":
            cell.outputs = outputs


def _models(name: str, state: dict) -> Iterator[dict]:
    """A widget and all that it contains, in their order."""
    model = state.get(name)
    if model is not None:
        yield model
        for child in model["state"].get("children", []):
            yield from _models(child.removeprefix("IPY_MODEL_"), state)


def _still(model: dict) -> str:
    """The HTML of one widget without those in it: of text, pictures and captured output; others show nothing."""
    values, kind = model["state"], model["model_name"]
    if kind in ("HTMLModel", "HTMLMathModel"):
        return f"<div>{values.get('value', '')}</div>"
    if kind == "LabelModel":
        return f"<p>{html.escape(values.get('value', ''))}</p>"
    if kind == "ImageModel":
        media = f"image/{values.get('format', 'png')}"
        return "".join(_picture(media, buffer["data"]) for buffer in model.get("buffers", []))
    if kind in ("AudioModel", "AnyModel"):  # the last are our own
        code = f"<pre>{html.escape(values['text'])}</pre>" if values.get("text") else ""
        return code + "".join(_medium(buffer["data"]) for buffer in model.get("buffers", []))
    if kind == "OutputModel":
        return "".join(_still_output(output) for output in values.get("outputs", []))
    return ""


def _still_output(output: dict) -> str:
    data = output.get("data", {})
    if "text/html" in data:
        return f"<div>{data['text/html']}</div>"
    if "image/png" in data:
        return _picture("image/png", data["image/png"])
    return f"<pre>{html.escape(output.get('text') or data.get('text/plain', ''))}</pre>"


def _picture(media: str, data: str) -> str:
    return f'<img alt="" src="data:{media};base64,{data}">'


def _medium(data: str) -> str:
    """A picture or a player, by how the bytes begin; "" where they are neither."""
    begin = base64.b64decode(data[:16])
    if begin.startswith(b"\x89PNG"):
        return _picture("image/png", data)
    for magic, media in ((b"RIFF", "audio/wav"), (b"fLaC", "audio/flac")):
        if begin.startswith(magic):
            return f'<p><audio controls src="data:{media};base64,{data}"></audio></p>'
    return ""


def index(site: Path, among: Sequence[Path]) -> str:
    """The HTML of the first page: what each notebook is about, of those that have a page in `site`."""
    render = MarkdownWithMath(renderer=IPythonRenderer(escape=False)).render
    articles = []
    for path in among:
        written = site / f"{path.stem}.html"
        if written.exists():
            title, contract = head(nbformat.read(path, as_version=4))
            size = written.stat().st_size / 1e6
            parts = {"page": written.name, "title": html.escape(title), "contract": render(contract), "size": size}
            articles.append(ARTICLE.format(**parts))
    return INDEX.format(style=STYLE, articles="\n".join(articles))


def write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, "utf-8")


def main(arguments: Sequence[str] | None = None, folder: Path = ROOT / "notebooks") -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK", help="files; without, all in notebooks/")
    parser.add_argument("--output", type=Path, default=SITE, metavar="FOLDER", help="without, outputs/site")
    options = parser.parse_args(arguments)
    among = sorted(folder.resolve().glob("*.ipynb"))
    failed = []
    for path in [path.resolve() for path in options.notebooks] or among:
        target = options.output / f"{path.stem}.html"
        try:
            notebook = nbformat.read(path, as_version=4)
            began = time.monotonic()
            cells = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in notebook.cells)
            with tqdm(total=cells, desc=path.stem, unit="cell") as bar:
                execute(notebook, path.parent, on_cell=lambda bar=bar, **_: bar.update())
            write(target, page(notebook, navigation(path, among)))
        except (CellExecutionError, CellTimeoutError, DeadKernelError, OSError, nbformat.reader.NotJSONError) as error:
            target.unlink(missing_ok=True)
            failed.append(path.stem)
            print(f"{path.name} has no page: {error}", file=sys.stderr)
        else:
            print(f"{target}: {target.stat().st_size / 1e6:.1f} MB, {time.monotonic() - began:.0f} s", flush=True)
    write(options.output / "index.html", index(options.output, among))
    print(options.output / "index.html")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
