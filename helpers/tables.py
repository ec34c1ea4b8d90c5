"""HTML tables for the representation of objects in notebooks (`_repr_html_`)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

_LEFT, _RIGHT = ' style="text-align:left"', ' style="text-align:right"'


def table(rows: Sequence[Sequence[Any]], head: Sequence[str] = (), title: str = "") -> str:
    """Format rows as an HTML table. Columns of numbers are right-aligned, others left-aligned; all text is escaped.

    Args:
      rows: rows of values, all of the same length.
      head: column headers, if any.
      title: a line above the table.
    """
    parts = [f"<div><b>{html.escape(title)}</b></div>"] if title else []
    parts.append("<table>")
    numeric = [all(isinstance(value, (int, float)) for value in column) for column in zip(*rows, strict=True)]
    if head:
        aligned = numeric or [False] * len(head)
        parts.append(f"<thead>{_row('th', head, aligned)}</thead>")
    parts += ["<tbody>", *(_row("td", row, numeric) for row in rows), "</tbody></table>"]
    return "".join(parts)


def _row(tag: str, values: Sequence[Any], numeric: Sequence[bool]) -> str:
    cells = (
        f"<{tag}{_RIGHT if right else _LEFT}>{html.escape(_text(value))}</{tag}>"
        for value, right in zip(values, numeric, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def counted(count: int, thing: str) -> str:
    """A number with a noun: 1 -> "1 note", 1200 -> "1,200 notes"."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"
