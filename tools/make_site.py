"""Run all notebooks and write their output as a small site: outputs/site/index.html and a page for each.

    python tools/make_site.py                                  # all in notebooks/
    python tools/make_site.py notebooks/01_setup.ipynb         # only this page

Sound, pictures and styles are inside the pages, which load nothing from the web and run no scripts, not even MathJax.
Sound is converted to MP3 and large pictures to WebP, so that pages can be mailed and put on the web. Controls (widgets)
need a running notebook; a frame shows their final state, with their code, pictures and sound.

A page is written when its notebook has run to the end; if the notebook fails, its old page is removed.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import soundfile
from execute import execute
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert.filters.ansi import ansi2html
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from PIL import Image
from pygments.formatters import HtmlFormatter
from stamp_notebooks import IS_BADGE, IS_WAYS
from tqdm.auto import tqdm

from helpers import audio
from helpers.audio import Audio
from helpers.files import replacing

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "outputs" / "site"

MAX_BYTES = 8_000_000  # of a page; a larger one loads slowly and is too large to mail
LARGE_PICTURE = 40_000  # bytes from which a PNG is converted to WebP
WEBP_QUALITY = 80
CARD = (640, 360)  # pixels of a picture in the index

MAX_LABEL = 60  # characters of a printed line that can serve as the name of a player
PROGRESS_MODELS = 4  # widgets of a tqdm progress bar: a box, text, the bar, text; controls with a bar have more
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGETS = "application/vnd.jupyter.widget-state+json"
IS_FOLDED = re.compile(r"# @title (.*)\n?")  # marks a cell whose code Colab folds
IS_SOUND = re.compile(r"<audio\b.*?</audio>", re.S)
IS_PICTURE = re.compile(r"data:image/(png|jpeg|webp);base64,([A-Za-z0-9+/=\s]+)")
IS_NOTEBOOK = re.compile(r"(\]\((?:\./)?\d\d_\w+)\.ipynb\b")

DOCUMENT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
INDEX = """<h1>GANSynth that runs today</h1>
<p>The notebooks of the suite as they ran: text, code, pictures and sound.{reference}</p>
<div class="cards">
{cards}
</div>"""
REFERENCE = ' <a href="reference/helpers.html">All functions are in the reference.</a>'  # of `make docs`
CARD_OF = """<article>
<h2><a href="{page}">{title}</a></h2>
<p>{about}</p>
<p class="soft">{facts}</p>
{picture}
</article>"""


def head(notebook: NotebookNode) -> tuple[str, str]:
    """Title and introduction, as Markdown, from a notebook's first cell."""
    source = IS_BADGE.sub("", notebook.cells[0].source)
    title, _, contract = source.partition("\n")
    return title.lstrip("# "), contract.strip()


def navigation(path: Path, among: Sequence[Path]) -> str:
    """Links, as HTML, from a notebook's page to the index and to the pages before and after it."""
    links = ['<a href="index.html">All notebooks</a>']
    if path in among:
        at = among.index(path)
        for word, other in (("Previous", among[:at][-1:]), ("Next", among[at + 1 : at + 2])):
            links += [f'<a href="{page.stem}.html">{word}: {page.stem}</a>' for page in other]
    return f"<nav>{' '.join(links)}</nav>"


def page(notebook: NotebookNode, nav: str = "") -> str:
    """The HTML of a notebook that has run."""
    title, _ = head(notebook)
    state = notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {})
    parts, heading = [], title
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(f'<div class="text">{_markdown(cell)}</div>')
            heading = (re.findall(r"^#+ (.+)$", cell.source, re.M) or [heading])[-1]
        elif cell.cell_type == "code":
            parts += [_code(cell.source), *_outputs(cell.outputs, state, heading)]
    body = f"{nav}\n<main>\n{''.join(parts)}\n</main>\n{nav}"
    return DOCUMENT.format(title=html.escape(title), style=_style(), body=IS_PICTURE.sub(_smaller, body))


def _style() -> str:
    light, dark = (HtmlFormatter(style=name).get_style_defs(".highlight") for name in ("friendly", "github-dark"))
    own = (Path(__file__).parent / "site.css").read_text("utf-8")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}"


# ---------------------------------------------------------------------------------------------------- cells and outputs


def _markdown(cell: NotebookNode) -> str:
    source = IS_WAYS.sub("", IS_NOTEBOOK.sub(r"\1.html", IS_BADGE.sub("", cell.source)))
    renderer = IPythonRenderer(escape=False, attachments=cell.get("attachments", {}))
    shown = MarkdownWithMath(renderer=renderer).render(source)
    return re.sub(r"<p>Previous: .*?</p>|<p>Next: .*?</p>", "", shown)


def _code(source: str) -> str:
    if not source.strip():
        return ""
    code = f'<div class="code">{Highlight2HTML()(source)}</div>'
    folded = IS_FOLDED.match(source)
    return f"<details><summary>{html.escape(folded[1])}</summary>{code}</details>" if folded else code


def _merged(outputs: Sequence[dict]) -> list[dict]:
    """Outputs without stderr (progress bars and logs of libraries); the printed text around it is joined."""
    merged: list[dict] = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if output.get("name") == "stdout" and merged and merged[-1].get("name") == "stdout":
            merged[-1] = {**merged[-1], "text": merged[-1]["text"] + output["text"]}
        else:
            merged.append(output)
    return merged


def _output(state: dict) -> Callable[[dict], str]:
    """Returns a function from an output to HTML ("" if there is nothing to show), given the state of all widgets."""

    def show(output: dict) -> str:
        data = output.get("data", {})
        if WIDGET in data:
            return _control(data[WIDGET]["model_id"], state)
        if "text/html" in data:
            return data["text/html"]
        for kind in ("image/png", "image/jpeg"):
            if kind in data:
                return _image(kind, data[kind])
        if "text/markdown" in data:
            return MarkdownWithMath(renderer=IPythonRenderer(escape=False)).render(data["text/markdown"])
        text = output.get("text") or data.get("text/plain", "")
        return f"<pre>{ansi2html(text)}</pre>" if text.strip() else ""

    return show


def _image(kind: str, data: str, alt: str = "") -> str:
    return f'<img alt="{html.escape(alt)}" src="data:{kind};base64,{data}">'


def _outputs(outputs: Sequence[dict], state: dict, heading: str) -> Iterator[str]:
    """The outputs of a cell as HTML. Players are named after the line printed before them, or the heading above."""
    show, label = _output(state), heading
    for output in _merged(outputs):
        shown = show(output)
        if shown:
            name = re.sub(r"[`*]", "", label)
            yield f'<div class="output">{IS_SOUND.sub(lambda match, name=name: _player(match[0], name), shown)}</div>'
        lines = output.get("text", "").strip().splitlines()
        label = lines[-1] if lines and len(lines[-1]) <= MAX_LABEL else heading


def _player(element: str, label: str) -> str:
    own = re.search(r'aria-label="([^"]*)"', element)
    label = html.unescape(own[1]) if own else label
    source = re.search(r'src="data:audio/([\w.+-]+);base64,([^"]*)"', element)
    if source is None:
        return element
    content = base64.b64decode(source[2])
    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
        compressed = content if source[1] == "mpeg" else audio.encode(Audio(samples, rate), "mp3")[0]
    except (soundfile.LibsndfileError, ValueError):
        return element  # unchanged: browsers play more formats than libsndfile
    address = f"data:audio/mpeg;base64,{base64.b64encode(compressed).decode()}"
    caption = f"{html.escape(label)}, {len(samples) / rate:.1f} s"
    player = f'<audio controls preload="metadata" aria-label="{caption}" src="{address}"></audio>'
    return f'<figure class="sound"><figcaption>♪ {caption}</figcaption>{player}</figure>'


def _smaller(match: re.Match) -> str:
    """Convert the data URL of a picture to WebP, if it is a large PNG and the result is smaller."""
    kind, data = match[1], match[2]
    if kind != "png" or len(data) < LARGE_PICTURE * 4 / 3:
        return match[0]
    content = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(data))).save(content, "WEBP", quality=WEBP_QUALITY, method=4)
    smaller = base64.b64encode(content.getvalue()).decode()
    return f"data:image/webp;base64,{smaller}" if len(smaller) < len(data) else match[0]


# -------------------------------------------------------------------------------------------------------------- widgets


def _control(name: str, state: dict) -> str:
    """A frame with the final state of a widget and its children; "" for a progress bar."""
    kinds = _kinds(name, state)
    if len(kinds) <= PROGRESS_MODELS and any(kind.endswith("ProgressModel") for kind in kinds):
        return ""
    shown = _still(name, state)
    if kinds and set(kinds) <= {"HTMLModel", "HTMLMathModel", "LabelModel", "OutputModel", "ImageModel", "VBoxModel"}:
        return shown  # it contains nothing interactive
    return f'<figure class="control"><figcaption>Control: needs a running notebook</figcaption>{shown}</figure>'


def _kinds(name: str, state: dict) -> list[str]:
    """The models of a widget and of all that it contains."""
    model = state.get(name.removeprefix("IPY_MODEL_"))
    if model is None:
        return []
    children = model["state"].get("children", [])
    return [model["model_name"], *(kind for child in children for kind in _kinds(child, state))]


def _still(name: str, state: dict) -> str:
    """The HTML of a widget and its children; "" for widgets without a visible state."""
    model = state.get(name.removeprefix("IPY_MODEL_"))
    if model is None or _is_hidden(model, state):
        return ""
    values, kind = model["state"], model["model_name"].removesuffix("Model")
    if "children" in values:
        inside = "".join(_still(child, state) for child in values["children"])
        is_row = kind in ("HBox", "GridBox") or str(_layout(model, state).get("flex_flow") or "").startswith("row")
        return f'<div class="{"row" if is_row else "column"}">{inside}</div>' if inside else ""
    if kind in ("HTML", "HTMLMath"):
        return f"<div>{values['value']}</div>" if values.get("value") else ""
    if kind == "Label":
        return f"<p>{html.escape(values['value'])}</p>" if values.get("value") else ""
    if kind == "Image":
        media = f"image/{values.get('format', 'png')}"
        return "".join(_image(media, buffer["data"]) for buffer in model.get("buffers", []))
    if kind == "Output":
        return "".join(map(_output(state), _merged(values.get("outputs", []))))
    if kind == "Any":  # our own
        return _drawn(values, model.get("buffers", []))
    if kind == "Audio":
        return "".join(_medium(buffer["data"]) for buffer in model.get("buffers", []))
    return _knob(kind, values)


def _layout(model: dict, state: dict) -> dict[str, Any]:
    return state.get(str(model["state"].get("layout", "")).removeprefix("IPY_MODEL_"), {}).get("state", {})


def _is_hidden(model: dict, state: dict) -> bool:
    layout = _layout(model, state)
    return layout.get("display") == "none" or layout.get("visibility") == "hidden"


def _knob(kind: str, values: dict[str, Any]) -> str:
    """A standard control of ipywidgets as text."""
    name = _plain(values.get("description"))
    label = f"<b>{name}</b> " if name else ""
    if "_options_labels" in values:
        index = values.get("index")
        chosen = {index} if isinstance(index, int) else set(index or ())
        options = values["_options_labels"]
        if kind == "ToggleButtons":
            return f"<p>{label}{''.join(_pill(option, i in chosen) for i, option in enumerate(options))}</p>"
        shown = ", ".join(str(options[i]) for i in sorted(chosen)) or "nothing chosen"
        return f'<p class="knob">{label}{html.escape(shown)}</p>'
    if kind in ("Button", "FileUpload"):
        return _pill(_plain(values.get("description")) or values.get("tooltip") or "button")
    if kind in ("Checkbox", "ToggleButton"):
        return f'<p class="knob">{"☑" if values.get("value") else "☐"} {name}</p>'
    if kind.endswith("Progress"):
        return ""
    value = values.get("value")
    if isinstance(value, (str, int, float)) and value != "":
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        return f'<p class="knob">{label}{html.escape(shown)}</p>'
    return f'<p class="knob">{label}</p>' if label else ""


def _plain(description: str | None) -> str:
    """A description without HTML tags, which ipywidgets allows in it."""
    return re.sub(r"<[^>]*>", "", description or "")


def _pill(text: str, is_on: bool = False) -> str:
    return f'<span class="pill{" on" * is_on}">{html.escape(str(text))}</span>'


def _drawn(values: dict[str, Any], buffers: Sequence[dict]) -> str:
    """One of our own controls: its code, the names in it, and the sound and pictures of each clip."""
    names, parts = values.get("names") or [], []
    if values.get("text"):
        parts.append(f"<pre>{html.escape(values['text'])}</pre>")
    if values.get("entries"):
        stops = (f"{html.escape(str(name))} {second:.3g} s" for second, name in values["entries"])
        parts.append(f"<p>{' › '.join(stops)}</p>")
    media: dict[int, list[str]] = {}
    for buffer in buffers:
        at = buffer["path"][-1] if isinstance(buffer["path"][-1], int) else 0
        label = names[at] if at < len(names) else ""
        media.setdefault(at, []).append(_medium(buffer["data"], label))
    if "pitch" in values and names:
        parts.append(f"<p>Keyboard, {html.escape(names[values['pitch'] - values.get('lowest', 0)])}</p>")
    elif names and not buffers:
        chosen = {values.get("selected"), *values.get("kept", ())}
        parts.append(f"<div>{''.join(_pill(name, name in chosen) for name in names)}</div>")
    if "x" in values and "y" in values:
        parts.append(f"<p>at {values['x']:.0%} from the left, {values['y']:.0%} from the top</p>")
    return "".join(parts) + "".join(part for at in sorted(media) for part in media[at])


def _medium(data: str, label: str = "") -> str:
    """A picture or a player, depending on the first bytes; "" if they are neither."""
    begin = base64.b64decode(data[:16])
    if begin.startswith(b"\x89PNG"):
        return _image("image/png", data, label)
    named = f' aria-label="{html.escape(label)}"' if label else ""
    for magic, kind in ((b"RIFF", "wav"), (b"fLaC", "flac")):
        if begin.startswith(magic):
            return f'<audio controls{named} src="data:audio/{kind};base64,{data}"></audio>'
    return ""


# ------------------------------------------------------------------------------------------------------------- the site


def card(text: str) -> bytes | None:
    """A thumbnail of the largest picture of a page, for the index; None if it has no picture."""
    pictures = [base64.b64decode(match[2]) for match in IS_PICTURE.finditer(text)]
    if not pictures:
        return None
    content = io.BytesIO()
    picture = Image.open(io.BytesIO(max(pictures, key=len))).convert("RGBA")
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    picture.thumbnail((CARD[0], 2 * CARD[1]))
    picture.save(content, "WEBP", quality=WEBP_QUALITY)
    return content.getvalue()


def index(site: Path, among: Sequence[Path]) -> str:
    """The HTML of the index: a summary of each notebook that has a page in `site`."""
    cards = []
    for path in among:
        written, picture = site / f"{path.stem}.html", site / f"{path.stem}.webp"
        if written.exists():
            title, contract = head(nbformat.read(path, as_version=4))
            about, _, points = contract.partition("\n\n")
            took = re.search(r"\*\*Time:\*\* (.+?)(?:[.;\n]|$)", points)
            data = base64.b64encode(picture.read_bytes()).decode() if picture.exists() else ""
            image = _image("image/webp", data) if data else ""
            parts = {
                "page": written.name,
                "title": html.escape(title),
                "about": _inline(about),
                "facts": " · ".join([*([took[1]] if took else []), f"{written.stat().st_size / 1e6:.1f} MB"]),
                "picture": f'<a class="picture" href="{written.name}" tabindex="-1" aria-hidden="true">{image}</a>',
            }
            cards.append(CARD_OF.format(**parts))
    reference = REFERENCE if (site / "reference" / "helpers.html").exists() else ""
    body = INDEX.format(cards="\n".join(cards), reference=reference)
    return DOCUMENT.format(title="GANSynth that runs today", style=_style(), body=body)


def _inline(markdown: str) -> str:
    """One paragraph of Markdown as HTML, without its <p>."""
    shown = MarkdownWithMath(renderer=IPythonRenderer(escape=False)).render(IS_NOTEBOOK.sub(r"\1.html", markdown))
    return shown.strip().removeprefix("<p>").removesuffix("</p>")


def write(path: Path, content: bytes) -> None:
    with replacing(path) as partial:
        partial.write_bytes(content)


def main(arguments: Sequence[str] | None = None, folder: Path = ROOT / "notebooks") -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK", help="default: all in notebooks/")
    parser.add_argument("--output", type=Path, default=SITE, metavar="FOLDER", help="default: outputs/site")
    options = parser.parse_args(arguments)
    among = sorted(folder.resolve().glob("*.ipynb"))
    failed = []
    for path in [path.resolve() for path in options.notebooks] or among:
        target, picture = (options.output / f"{path.stem}.{ending}" for ending in ("html", "webp"))
        try:
            notebook = nbformat.read(path, as_version=4)
            began = time.monotonic()
            cells = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in notebook.cells)
            with tqdm(total=cells, desc=path.stem, unit="cell") as bar:
                execute(notebook, path.parent, on_cell=lambda bar=bar, **_: bar.update())
            text = page(notebook, navigation(path, among))
            write(target, text.encode("utf-8"))
            picture.unlink(missing_ok=True)
            if shown := card(text):
                write(picture, shown)
        except (CellExecutionError, CellTimeoutError, DeadKernelError, OSError, nbformat.reader.NotJSONError) as error:
            target.unlink(missing_ok=True)
            picture.unlink(missing_ok=True)
            failed.append(path.stem)
            print(f"no page was written for {path.name}: {error}", file=sys.stderr)
        else:
            size = target.stat().st_size
            note = f", more than {MAX_BYTES / 1e6:g} MB" * (size > MAX_BYTES)
            print(f"{target}: {size / 1e6:.1f} MB{note}, {time.monotonic() - began:.0f} s", flush=True)
    write(options.output / "index.html", index(options.output, among).encode("utf-8"))
    print(options.output / "index.html")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
