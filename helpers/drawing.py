"""What all drawing shares: pictures that leave matplotlib as it was, and names that may be in any script.

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

# Settings of the session rather than of a picture's looks. To read or set the first would choose a backend.
SESSION = ("backend", "backend_fallback", "interactive", "toolbar", "timezone")
SESSION_GROUPS = ("webagg", "tk", "macosx", "date", "docstring", "keymap")
# Fonts that cover other scripts, in the order in which they are tried; whichever of them are installed.
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
PLACEHOLDER = "□"  # for a character that no installed font has

_plain = threading.RLock()


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Draw with matplotlib's default looks inside, whatever the user's style is; all settings are the same afterwards.

    Backend and interactive mode are never touched, unlike by `matplotlib.style.context`: when pyplot chooses its
    backend inside of that, leaving it switches interactive mode off, and notebooks show no picture any more.
    """
    import matplotlib

    params, defaults = matplotlib.rcParams, matplotlib.rcParamsDefault
    looks = [key for key in defaults if key not in SESSION and key.partition(".")[0] not in SESSION_GROUPS]
    # Settings are the process's: of two threads, the one that ends last would restore what the first has set.
    with _plain:
        before = {key: params[key] for key in looks}
        try:
            params.update({key: defaults[key] for key in looks})
            yield
        finally:
            params.update(before)


def png(figure: Figure) -> bytes:
    """A matplotlib figure as the content of a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def literal(text: Text) -> None:
    """Make a text on a picture show exactly what it says, as names of files, tracks and clips must.

    A `$` starts no formula. Characters that the text's font lacks come from another font; where no installed one has
    them, `PLACEHOLDER` stands for them, so that matplotlib does not warn of each.

    Args:
      text: a `matplotlib.text.Text`, such as `ax.set_title` returns. It is changed in place.
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
    """The path of a font, or "" where there is none of this name; to ask for one that is missing would log it."""
    from matplotlib import font_manager

    return _path(family) if family in {font.name for font in font_manager.fontManager.ttflist} else ""


@functools.lru_cache
def _characters(path: str) -> frozenset[str]:
    """All characters of a font."""
    from matplotlib import font_manager

    return frozenset(map(chr, font_manager.get_font(path).get_charmap())) if path else frozenset()
