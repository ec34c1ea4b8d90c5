"""Evaluations as one HTML page, to mail, to print or to publish with a paper: the scores, and what they mean.

    results_page.write({"demo": results.read("outputs/demo.json"), "mine": mine}, "outputs/both.html")

The page is a single file with the table, the plots, the conditions, an explanation of what each metric reacts to and
what it misses, and the results files themselves, which `results.read` reads back. It needs no script, and its content
security policy allows none.

Notebook: 12_measure.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .. import drawing, webpage
from ..errors import in_one_line
from ..files import plain_name
from . import results
from .results import BETTER, METRICS, MODEL, OTHER, Column, Evaluation

PIXELS = 96  # CSS pixels per inch
WIDTH = 3.6  # inches, of a panel with its labels
MAX_COLUMNS = 6  # the most that fit side by side on A4; larger tables are printed as one block per metric
NAMED = 3  # the most models to be named in the default title
PROBLEMS_SHOWN = 5  # for each model


class _Picture(NamedTuple):
    source: str  # data URL of an SVG image
    width: int  # pixels
    height: int
    words: str  # alternative text


@in_one_line
def write(evaluations: Mapping[str, Evaluation], path: str | os.PathLike, title: str = "") -> Path:
    """Write an HTML page of one or several evaluations. Equal evaluations give identical files.

    Args:
      evaluations: name -> result of `evaluate`, in the order of the page.
      path: a path ending in .html; folders are created as needed.
      title: title of the page; by default it names the models.

    Raises:
      ValueError: there are no evaluations, they are not comparable, or the path has another suffix.
      OSError: the page cannot be written.

    Notebook: 12_measure.

    >>> from helpers.evaluation import results, results_page
    >>> scores = {row: {"in_tune": results.Estimate(90.0)} for row in results.ROWS}
    >>> demo = results.Evaluation("demo", "abc", "soundfont:", 48, dict.fromkeys(results.ROWS, 8), 0, scores, {})
    >>> results_page.write({"demo": demo}, "outputs/demo.html").name
    'demo.html'
    """
    path = webpage.checked_path(path)
    results.check_alike(evaluations)
    shown, measured = results.columns(evaluations), results.measured(evaluations)
    rows = [_metric(name, shown) for name in measured]
    values = {
        "title": title or _title(list(evaluations)),
        "first": next(iter(evaluations.values())),
        "reference_row": OTHER,
        "is_long": len(shown) > MAX_COLUMNS,
        "metrics": rows,
        "left_out": [METRICS[name].title for name in results.left_out(evaluations)],
        "models": [_model(name, found) for name, found in evaluations.items()],
        "pictures": [_picture(evaluations, name, row) for name, row in zip(measured, rows, strict=True)],
    }
    webpage.write(path, "results.html", values)
    return path


def _title(names: list[str]) -> str:
    if len(names) > NAMED:
        return f"Evaluation of {len(names)} models"
    return f"Evaluation of {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}"


def _metric(name: str, columns: list[Column]) -> dict[str, Any]:
    """A row of the table."""
    metric = METRICS[name]

    def text(value: float) -> str:
        return metric.rounded(value).replace("-", "−")

    cells: list[dict[str, Any]] = []
    for column in columns:
        score = column.scores.get(name)
        value = "–" if score is None else text(score.value)
        interval = f"{text(score.interval.low)} to {text(score.interval.high)}" if score and score.interval else ""
        cells.append(
            {
                "head": column.heading if column.is_model else _capitalised(column.heading),
                "is_model": column.is_model,
                "value": value,
                "interval": interval,
            }
        )
    title = f"{_capitalised(metric.title)} ({metric.unit})" if metric.unit else _capitalised(metric.title)
    return {"title": title, "metric": metric, "better": _capitalised(BETTER[metric.better]), "cells": cells}


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _model(name: str, found: Evaluation) -> dict[str, Any]:
    """A model's part of the conditions."""
    return {
        "name": name,
        "own_name": found.model,
        "fingerprint": found.fingerprint,
        "instruments": found.instruments[MODEL],
        "silent": found.silent,
        "given": found.given,
        "problems": found.problems[:PROBLEMS_SHOWN],
        "more_problems": max(0, len(found.problems) - PROBLEMS_SHOWN),
        "file_name": plain_name(f"{name}.json", "evaluation.json"),
        "file": webpage.data(found.to_json().encode("ascii"), "application/json"),
    }


def _picture(evaluations: Mapping[str, Evaluation], name: str, row: dict[str, Any]) -> _Picture:
    """A panel of `results.plot` as an SVG image, which prints sharply."""
    import matplotlib
    from matplotlib.figure import Figure

    content = io.BytesIO()
    with drawing.plain():
        matplotlib.rcParams["svg.hashsalt"] = "results"  # element ids would be random otherwise
        figure = results.plot(evaluations, Figure(), only=[name])
        figure.set_figwidth(WIDTH)
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    width, height = (round(PIXELS * inches) for inches in figure.get_size_inches())
    words = f"{row['title']}: {'; '.join(' '.join((cell['head'], cell['value'])) for cell in row['cells'])}."
    return _Picture(webpage.data(content.getvalue(), "image/svg+xml"), width, height, words)
