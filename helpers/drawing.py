"""Helpers for plotting: drawing without side effects on matplotlib's settings, and text in any script.

Notebook: 06_compare.
"""

from __future__ import annotations

import contextlib
import functools
import io
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.text import Text

# Settings of the session rather than of the style of plots. Reading or setting the first would select a backend.
SESSION = ("backend", "backend_fallback", "interactive", "toolbar", "timezone")
SESSION_GROUPS = ("webagg", "tk", "macosx", "date", "docstring", "keymap")
# Fonts for other scripts, in the order in which they are tried, if installed.
FALLBACKS = (
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "Source Han Sans",
    "IPAexGothic",
    "IPAPGothic",
    "TakaoPGothic",
    "Hiragino Sans",
    "Yu Gothic",
    "Meiryo",
    "MS Gothic",
    "Arial Unicode MS",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "Segoe UI Symbol",
    "Noto Sans",
)
PLACEHOLDER = "□"  # for characters that no installed font has

_plain = threading.RLock()


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Use matplotlib's default style within the block, and restore the user's settings afterwards.

    Unlike `matplotlib.style.context`, this does not affect the backend and interactive mode: if pyplot selects its
    backend inside that context, leaving it turns interactive mode off, and notebooks no longer show plots.
    """
    import matplotlib

    params, defaults = matplotlib.rcParams, matplotlib.rcParamsDefault
    looks = [key for key in defaults if key not in SESSION and key.partition(".")[0] not in SESSION_GROUPS]
    # Settings are global: without a lock, the later of two threads would restore the settings made by the other.
    with _plain:
        before = {key: params[key] for key in looks}
        try:
            params.update({key: defaults[key] for key in looks})
            yield
        finally:
            params.update(before)


def png(figure: Figure) -> bytes:
    """Render a matplotlib figure as PNG data."""
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def literal(text: Text) -> None:
    """Make a text element show its text literally, as needed for names of files, tracks and clips.

    `$` does not start a formula. Characters that the font lacks are taken from other fonts or, if no installed font has
    them, replaced by `PLACEHOLDER`, so that matplotlib does not warn about each.

    Args:
      text: a `matplotlib.text.Text`, as returned by `ax.set_title`; it is changed in place.
    """
    text.set_parse_math(False)
    text.set_usetex(False)
    content = "".join(char if char.isprintable() else " " for char in text.get_text())
    missing = set(content) - _characters(_path(text.get_fontproperties()))
    families = []
    for family in FALLBACKS if missing else ():
        covered = missing & _characters(_installed(family))
        if covered:
            families.append(family)
            missing -= covered
    if families:
        text.set_fontfamily([*text.get_fontfamily(), *families])
    text.set_text("".join(PLACEHOLDER if char in missing else char for char in content))


def _path(properties: FontProperties | str) -> str:
    from matplotlib import font_manager

    return font_manager.findfont(properties)


@functools.lru_cache
def _installed(family: str) -> str:
    """The path of a font, or "" if it is not installed. (Asking matplotlib for a missing font would log a warning.)"""
    from matplotlib import font_manager

    return _path(family) if family in {font.name for font in font_manager.fontManager.ttflist} else ""


@functools.lru_cache
def _characters(path: str) -> frozenset[str]:
    """The characters that a font has."""
    from matplotlib import font_manager

    return frozenset(map(chr, font_manager.get_font(path).get_charmap())) if path else frozenset()
