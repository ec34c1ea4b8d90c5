"""Take screenshots of every page that users see, for inspection: outputs/look/index.html.

    python tools/look.py                                  # all of the pages below
    python tools/look.py notebooks/06_compare.ipynb       # one notebook
    python tools/look.py outputs/bach_prelude.html        # one hand-in page

Each notebook is run once in a real JupyterLab (those of the app also in Voilà), and captured as one tall PNG at each
of three widths, in a light and a dark theme. The hand-in pages written by the notebooks follow, on a screen, on a phone
and in print, and then the pages of `make html`, if there are any.

Errors of cells and pages are printed, and make the exit status 1. Needs a Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import drive
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ElementHandle, Page

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "outputs" / "look"
NOTEBOOKS = ROOT / "notebooks"
SITE = ROOT / "outputs" / "site"
APPS = ("00_quickstart", "00_report")  # notebooks that are also used as a page of Voilà

WIDTHS = (1280, 600, 390)  # pixels: a laptop, half of its screen, a phone
PAGE_WIDTHS = (1280, 390)  # pixels, for pages without controls
THEMES = ("light", "dark")
SLICE = 4000  # pixels of height captured at a time; browsers have a limit
TALLEST = 60_000  # pixels of height at which a picture is cut off
QUIET = 1.5  # s for which the height of a page must stay the same before it is captured
PATIENCE = 20.0  # s after which a page is captured in any case
NOTEBOOK_SECONDS = 600  # for all cells of a notebook
PAGE_SECONDS = 120  # for the page to hand in
MAKE_PAGE = "Make and download the page"  # the button in "Take it home"
PRINT_DPI = 60

# Hide everything around the notebook in JupyterLab, so that the notebook fills even a narrow window.
BARE = """() => {
    const app = window.jupyterapp;
    app.shell.collapseLeft();
    return app.commands.execute("application:set-mode", { mode: "single-document" });
}"""
VOILA_READY = "#rendered_cells.lm-Widget"  # the cells, once the page has moved them into the scrolling element
VOILA_FILLED = "#rendered_cells .jupyter-widgets >> nth=0"  # the controls, which appear seconds after their cells
LAB_THEME = 'theme => jupyterapp.commands.execute("apputils:change-theme", { theme })'
VOILA_THEME = """theme => new Promise(done => {
    const link = document.querySelector("link[href*='/theme-']");
    link.onload = done;
    link.href = link.href.replace(/theme-(light|dark)/, "theme-" + theme);
    document.body.classList.replace(theme === "dark" ? "theme-light" : "theme-dark", "theme-" + theme);
    document.body.dataset.jpThemeLight = String(theme === "light");
    document.body.dataset.jpThemeName = theme === "light" ? "JupyterLab Light" : "JupyterLab Dark";
})"""
# The height without the empty screen that JupyterLab adds after the last cell.
HEIGHT = """scroller => {
    const cells = scroller.querySelectorAll(".jp-Notebook > .jp-Cell, .jp-WindowedPanel-viewport > .jp-Cell");
    const last = scroller.matches(".jp-WindowedPanel-outer") && [...cells].at(-1);
    const bottom = last && last.getBoundingClientRect().bottom - scroller.getBoundingClientRect().top;
    return last ? Math.ceil(bottom + scroller.scrollTop) + 20 : scroller.scrollHeight;
}"""
# The scrolling element: JupyterLab and Voilà scroll a large element of the page, not the page itself.
SCROLLER = """() => {
    const hidden = element => element.scrollHeight - element.clientHeight;
    const scrolls = element => /auto|scroll/.test(getComputedStyle(element).overflowY);
    const large = [...document.querySelectorAll("body, body *")].filter(e => e.clientHeight > innerHeight / 2);
    return large.filter(scrolls).reduce((a, b) => hidden(b) > hidden(a) ? b : a, document.scrollingElement);
}"""

INDEX = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What people see</title>
<style>
  body {{ font: 15px/1.5 system-ui, sans-serif; margin: 1rem 1.5rem; }}
  section {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
  figure {{ margin: 0; }}
  img {{ width: 12rem; height: 20rem; object-fit: cover; object-position: top; border: 1px solid #999; }}
  figcaption {{ text-align: center; }}
</style>
<h1>What people see</h1>
{body}
</html>
"""
FIGURE = '<figure><a href="{file}"><img src="{file}" alt=""></a><figcaption>{what}</figcaption></figure>'


@dataclass
class Look:
    """The pictures and errors of one page.

    Attributes:
      name: name of the page, with which the names of its pictures begin.
      pictures: file in the output folder -> description.
      errors: messages of the errors on the page.
    """

    name: str
    pictures: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def save(self, picture: Image.Image, what: str, folder: Path) -> None:
        """Write a picture as NAME_WHAT.png, with dashes for spaces."""
        file = f"{self.name}_{what.replace(' ', '-')}.png"
        picture.save(folder / file)
        self.pictures[file] = what


# --------------------------------------------------------------------------------------------------------- pictures


def offsets(height: int, window: int) -> list[int]:
    """The scroll positions at which a window must be captured to cover a page of this height."""
    last = max(height - window, 0)
    return [*range(0, last, window), last]


def stitched(slices: Sequence[tuple[int, Image.Image]], height: int) -> Image.Image:
    """Join (offset, picture) pairs to one picture; where they overlap, the later one wins."""
    whole = Image.new("RGB", (slices[0][1].width, height), "white")
    for top, picture in slices:
        whole.paste(picture, (0, top))
    return whole


def tall(page: Page) -> Image.Image:
    """A picture of the whole height of a page."""
    element, height = settle(page)
    is_page = element.evaluate("element => element === document.scrollingElement")
    box = {"x": 0, "y": 0, **page.viewport_size} if is_page else element.bounding_box()
    height = min(height, TALLEST)
    slices = []
    for top in offsets(height, int(box["height"])):
        element.evaluate("(scroller, top) => { scroller.scrollTop = top; }", top)
        page.wait_for_timeout(100)
        content = page.screenshot(clip=box, animations="disabled", timeout=120_000)
        slices.append((top, Image.open(io.BytesIO(content)).convert("RGB")))
    element.evaluate("scroller => { scroller.scrollTop = 0; }")
    return stitched(slices, max(height, 1))


def settle(page: Page) -> tuple[ElementHandle, int]:
    """Wait until all images are loaded and the height is stable; returns the scrolling element and its height."""
    limit, since, last = time.monotonic() + PATIENCE, time.monotonic(), None
    while time.monotonic() < limit:
        element = page.evaluate_handle(SCROLLER).as_element()
        height = element.evaluate(HEIGHT), page.evaluate("[...document.images].every(image => image.complete)")
        if height != last or not height[1]:
            since, last = time.monotonic(), height
        elif time.monotonic() - since >= QUIET:
            break
        page.wait_for_timeout(100)
    return element, last[0]


def resize(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": SLICE})


# ------------------------------------------------------------------------------------------------------------ pages


def look_at_notebook(browser: Browser, kind: str, server: drive.Server, path: str, output: Path) -> Look:
    """Run a notebook in JupyterLab ("lab") or Voilà ("voila") and take its pictures.

    Args:
      path: path of the notebook, relative to the folder that is served.
    """
    from playwright.sync_api import Error, TimeoutError

    look = Look(f"{Path(path).stem}_{kind}")
    page, look.errors = drive.new_page(browser)
    try:
        drive.open_run(page, kind, server, path, seconds=NOTEBOOK_SECONDS)
    except (AssertionError, Error) as error:  # a cell failed or hangs: capture the page as it is
        look.errors.append(str(error))
    if kind == "lab":
        page.evaluate(BARE)
    else:
        page.locator(VOILA_READY).wait_for(timeout=drive.START_SECONDS * 1000)
        with contextlib.suppress(TimeoutError):  # the page may have no controls
            page.locator(VOILA_FILLED).wait_for(state="attached", timeout=PATIENCE * 1000)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        page.evaluate(*((LAB_THEME, f"JupyterLab {theme.title()}") if kind == "lab" else (VOILA_THEME, theme)))
        for width in WIDTHS:
            resize(page, width)
            look.save(tall(page), f"{width} {theme}", output)
    if kind == "lab":
        look.errors += make_page(page)
        drive.leave(page)
        drive.end_kernels(server)
    else:
        drive.leave(page)
    return look


def make_page(page: Page) -> list[str]:
    """Press the button that writes the hand-in page, if the notebook has one; returns error messages."""
    from playwright.sync_api import Error

    button = page.get_by_role("button", name=MAKE_PAGE)
    if button.count() == 0:
        return []
    try:
        with page.expect_download(timeout=PAGE_SECONDS * 1000):
            button.click()
    except Error as error:
        return [f"the page was not written: {error}"]
    return []


def look_at_page(browser: Browser, path: Path, name: str, output: Path, prints: bool = False) -> Look:
    """Take pictures of an HTML file on a screen and on a phone, and of its printed sheets if `prints` is true."""
    look = Look(name)
    page, look.errors = drive.new_page(browser)
    page.goto(path.resolve().as_uri())
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width in PAGE_WIDTHS:
            resize(page, width)
            look.save(tall(page), f"{width} {theme}", output)
    if prints:
        page.emulate_media(color_scheme="light", media="print")
        content = page.pdf(format="A4", print_background=True, prefer_css_page_size=True)
        for number, sheet in enumerate(sheets(content), start=1):
            look.save(sheet, f"print {number}", output)
    drive.leave(page)
    return look


def sheets(pdf: bytes) -> Iterator[Image.Image]:
    """The pages of a PDF file as pictures, by poppler's pdftoppm; none if it is not installed."""
    if shutil.which("pdftoppm") is None:
        print("Printed pages are left out: pdftoppm (poppler-utils) is not installed.", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.pdf"
        file.write_bytes(pdf)
        subprocess.run(["pdftoppm", "-png", "-r", str(PRINT_DPI), file, Path(folder) / "sheet"], check=True)
        for sheet in sorted(Path(folder).glob("sheet*.png")):
            yield Image.open(sheet).convert("RGB")


# -------------------------------------------------------------------------------------------------------------- all


def index(looks: Sequence[Look]) -> str:
    """The HTML of a page with all pictures and errors."""
    parts = []
    for look in looks:
        errors = "".join(f"<pre>{html.escape(error)}</pre>" for error in look.errors)
        figures = "".join(FIGURE.format(file=html.escape(file), what=what) for file, what in look.pictures.items())
        parts.append(f"<h2>{html.escape(look.name)}</h2>\n{errors}<section>{figures}</section>")
    return INDEX.format(body="\n".join(parts))


def look_at(paths: Sequence[Path], output: Path) -> Iterator[Look]:
    """Look at notebooks and HTML pages one after another; by default at all of them."""
    notebooks = [path for path in paths if path.suffix == ".ipynb"] or (
        [] if paths else sorted(NOTEBOOKS.glob("*.ipynb"))
    )
    with drive.chromium() as browser:
        if notebooks:
            yield from look_at_notebooks(browser, notebooks, output)
        for path in paths:
            if path.suffix == ".html":
                yield look_at_page(browser, path, path.stem, output, prints=True)
        for path in [] if paths else sorted(SITE.glob("*.html")):
            yield look_at_page(browser, path, f"site_{path.stem}", output)


def look_at_notebooks(browser: Browser, notebooks: Sequence[Path], output: Path) -> Iterator[Look]:
    """Look at notebooks, and at the hand-in pages that they write."""
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder) / "checkout"
        checkout.mkdir()
        drive.copy(checkout)
        environment = drive.environment(Path(folder) / "jupyter")
        places = []
        for path in notebooks:
            places.append(Path("notebooks") / path.name)
            shutil.copy(path, checkout / places[-1])
        with drive.lab(checkout, environment) as server:
            for place in places:
                yield look_at_notebook(browser, "lab", server, place.as_posix(), output)
        apps = [place for place in places if place.stem in APPS]
        if apps:
            with drive.voila(checkout, environment) as server:
                for place in apps:
                    yield look_at_notebook(browser, "voila", server, place.as_posix(), output)
        for path in sorted((checkout / "outputs").rglob("*.html")):
            yield look_at_page(browser, path, f"page_{path.stem}", output, prints=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. The exit status is 1 if a page has errors, or if there is no browser."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pages", nargs="*", type=Path, metavar="FILE", help="notebooks or HTML pages (default: all)")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FOLDER", help="default: outputs/look")
    options = parser.parse_args(arguments)
    for path in options.pages:
        if path.suffix not in (".ipynb", ".html") or not path.is_file():
            parser.error(f"{path} is not an existing notebook or HTML page")
    if lack := drive.missing("jupyterlab", "voila"):
        print(f"Cannot take screenshots: {lack}.", file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    looks, began = [], time.monotonic()
    for look in look_at(options.pages, options.output):
        looks.append(look)
        print(f"{look.name}: {len(look.pictures)} pictures, {time.monotonic() - began:.0f} s", flush=True)
        began = time.monotonic()
        for error in look.errors:
            print(f"{look.name}: {error}", file=sys.stderr)
    if not options.pages and not any(SITE.glob("*.html")):
        print("The site is left out, since it does not exist; `make html` writes it.")
    (options.output / "index.html").write_text(index(looks), "utf-8")
    print(options.output / "index.html")
    return any(look.errors for look in looks)


if __name__ == "__main__":
    sys.exit(main())
