"""Web pages that are a single file: a template with values, and a policy that makes browsers load and run nothing else.

Pages are mailed and opened from disk, and names in them may come from anywhere. Therefore everything is inside the
file, every value is escaped, and the only script that can run is the one whose hash is in the content security policy.

The templates are in helpers/templates. `base.html` is the frame of every page, `base.css` has its colours and fonts.
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
    """Check the path of a page, and return it.

    Raises:
      ValueError: the path does not end in .html.
    """
    path = as_path(path)
    if path.suffix.lower() != ".html":
        raise ValueError(f"the name of the page must end in .html; it is {path.name}")
    return path


def data(content: bytes, kind: str) -> str:
    """The content of a file as a data URL.

    Args:
      content: content of the file.
      kind: media type, such as "image/webp".
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def policy(script: str = "", media: bool = False, worker: bool = False) -> str:
    """A content security policy that allows only embedded pictures and at most one script.

    Args:
      script: source of the script that may run; "" for none.
      media: whether embedded sounds may play.
      worker: whether the page may start a worker from a file next to it; this requires a server.
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
    """Write a page. If that fails, an existing file stays as it was.

    Args:
      path: result of `checked_path`; missing folders are created.
      template: name of a file in TEMPLATES that extends base.html.
      values: values for the template, which also gets `version`, `policy` and `script`.
      script: name of a file in TEMPLATES, or names of several that are joined; "" for none.
      media: whether the page has sounds.
      worker: whether the page has a worker, in a file next to it.

    Raises:
      OSError: the page cannot be written.
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
