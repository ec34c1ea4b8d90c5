"""Web pages of one file: a template filled in, and a policy by which a browser loads and runs nothing else.

A page that people mail must work from a disk and must not run what a name in it says. So everything is inside the file,
every value is escaped, and the only script that can run is the one whose hash the policy names.

The templates stand in helpers/templates. `base.html` is the frame of every page, `base.css` has its colours and fonts.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .files import as_path, replacing

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates"


def checked_path(path: str | os.PathLike) -> Path:
    """The path of a page.

    Raises:
      ValueError: it does not end in .html.
    """
    path = as_path(path)
    if path.suffix.lower() != ".html":
        raise ValueError(f"the name of the page must end in .html, which {path.name} does not")
    return path


def data(content: bytes, kind: str) -> str:
    """Content as an address that can stand in a page.

    Args:
      content: of a file.
      kind: its media type, as in "image/webp".
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def policy(script: str = "", media: bool = False, worker: bool = False) -> str:
    """A content security policy: nothing from elsewhere, pictures from inside of the page, and no script but one.

    Args:
      script: the source of the one that may run; without it, none may.
      media: whether sounds may play from inside of the page.
      worker: whether it may start a worker from a file beside it, for which the page has to come from a server.
    """
    parts = ["default-src 'none'"]
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
        parts.append(f"script-src 'sha256-{digest}'")
    if worker:
        parts.append("worker-src 'self'")
    parts.append("img-src data:")
    if media:
        parts.append("media-src data:")
    return "; ".join([*parts, "style-src 'unsafe-inline'", "base-uri 'none'", "form-action 'none'"])


def write(
    path: Path,
    template: str,
    values: Mapping[str, Any],
    script: str | Sequence[str] = "",
    media: bool = False,
    worker: bool = False,
) -> None:
    """Write a page. Whatever was at its path stays there if that fails.

    Args:
      path: from `checked_path`; folders are made as needed.
      template: name of a file in TEMPLATES that extends base.html.
      values: for the template. It also gets `version`, `policy` and `script`.
      script: name of a file in TEMPLATES, or of several that become one; "" for a page without.
      media: whether the page has sounds.
      worker: whether it has a worker, in a file beside it.

    Raises:
      OSError: it cannot be written.
    """
    names = [script] if isinstance(script, str) else script
    source = "\n".join((TEMPLATES / name).read_text("utf-8") for name in names if name)
    ours = {"version": __version__, "policy": policy(source, media, worker), "script": source}
    with replacing(path) as partial:
        _environment().get_template(template).stream({**values, **ours}).dump(str(partial), errors="replace")


def _environment() -> jinja2.Environment:
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["paragraphs"] = lambda text: [part for part in re.split(r"\n\s*\n", text.strip()) if part]
    return environment
