"""Evaluations as tables, as a picture, and as files that can be read back.

    results.write(found, "outputs/demo.json")
    results.compare({"demo": results.read("outputs/demo.json"), "mine": mine})       # a table
    results.plot({"demo": demo, "mine": mine})                                      # a picture

Notebook: 12_measure.
"""

from __future__ import annotations

import dataclasses
import html
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from .. import drawing, jsonfile, tables
from ..files import as_path, replacing
from . import metrics
from .metrics import Interval
from .pitch import DISAGREE_CENTS, IN_TUNE_CENTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL, OTHER, ROUND_TRIP = "model", "reference", "round trip"
ROWS = (MODEL, OTHER, ROUND_TRIP)
MAX_BYTES = 5_000_000  # of a results file
SCHEMA = "gansynth-suite evaluation 1"
COLUMNS = 3  # of panels in a picture
PANEL = (3.3, 0.42, 0.75)  # inches: width, height of a row, height around the rows
HEADINGS = {MODEL: "model", OTHER: "reference against itself", ROUND_TRIP: "its round trip"}


@dataclasses.dataclass(frozen=True)
class Metric:
    """What a number is.

    Attributes:
      title: as the table has it.
      unit: of the number.
      better: "higher", "lower", or "like" the reference's.
      sees, blind: in words.
      digits: after the decimal point.
    """

    title: str
    unit: str
    better: str
    sees: str
    blind: str
    digits: int = 1


METRICS: dict[str, Metric] = {
    "in_tune": Metric(
        f"in tune within {IN_TUNE_CENTS:g} cents, pYIN", "%", "higher", "wrong and unsteady pitches", "timbre"
    ),
    "in_tune_swift_f0": Metric(
        f"in tune within {IN_TUNE_CENTS:g} cents, SwiftF0", "%", "higher", "wrong and unsteady pitches", "timbre"
    ),
    "cents": Metric("deviation from the pitch, pYIN", "cents", "lower", "the median note's tuning", "single notes"),
    "cents_swift_f0": Metric(
        "deviation from the pitch, SwiftF0", "cents", "lower", "the median note's tuning", "single notes"
    ),
    "disagree": Metric(
        f"trackers over {DISAGREE_CENTS:g} cents apart", "%", "like", "how far the trackers can be trusted", "the model"
    ),
    "pitch_entropy": Metric(
        "pitch entropy", "bits", "lower", "notes with no clear pitch, or with two", "a clear pitch that is wrong", 2
    ),
    "diversity": Metric(
        "diversity within a pitch", "dB", "like", "one instrument for all", "whether it is music: noise is diverse"
    ),
    "ndb": Metric(
        f"NDB of {metrics.CELLS}", "cells", "lower", "kinds of sound missing or too frequent", "fine detail", 0
    ),
    "kid_musicnn": Metric("KID, musicnn", "x 1000", "lower", "timbre and pitch as a listener of music", "clicks", 2),
    "fad_musicnn": Metric("FAD, musicnn", "", "lower", "the same; depends on the number of notes", "clicks", 2),
    "kid_mel": Metric("KID, log-mel", "x 1000", "lower", "spectrum and envelope", "pitch finer than a band", 2),
    "fad_mel": Metric("FAD, log-mel", "", "lower", "the same; depends on the number of notes", "finer pitch", 2),
    "fid": Metric("FID, our classifier", "", "lower", "what tells the reference's instruments apart", "the rest", 1),
    "inception": Metric(
        "inception score, our classifier", "", "higher", "clear instruments, and many of them", "likeness to them", 2
    ),
}


class Score(NamedTuple):
    """A number, and its interval over instruments where there are enough of them."""

    value: float
    interval: Interval | None = None


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
      model: its name.
      fingerprint: of its weights.
      reference: what it was compared with.
      notes: of each row.
      instruments: of each row, row -> number.
      seed: of everything random.
      scores: row -> metric of METRICS -> Score. What would mean nothing is not there.
      classifier: its own accuracy on notes that it was not taught, "pitch" and "instrument", 0 to 1.
      problems: a line for each note of the reference or the model that could not be used.
    """

    model: str
    fingerprint: str
    reference: str
    notes: int
    instruments: Mapping[str, int]
    seed: int
    scores: Mapping[str, Mapping[str, Score]]
    classifier: Mapping[str, float]
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(Table({self.model: self}))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return Table({self.model: self})._repr_html_()


# ------------------------------------------------------------------------------------------------------------- tables


def compare(evaluations: Mapping[str, Evaluation]) -> Table:
    """One table of several models, a column each, beside what the reference scores against itself and its round trip.

    Args:
      evaluations: name -> what `evaluate` found.

    Raises:
      ValueError: there is none; or they were not measured alike: another reference, another number of notes, another
        seed.
    """
    check_alike(evaluations)
    return Table(dict(evaluations))


class Table:
    """What `compare` returns: text when printed, a table in a notebook."""

    def __init__(self, evaluations: dict[str, Evaluation]):
        self.evaluations = evaluations

    def __str__(self) -> str:
        head, rows = _cells(self.evaluations)
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
        lines = (
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            )
            for row in (head, *rows)
        )
        return "\n".join([*(line.rstrip() for line in lines), *_remarks(self.evaluations)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, rows = _cells(self.evaluations)
        remarks = "".join(f"<div>{html.escape(line)}</div>" for line in _remarks(self.evaluations))
        return tables.table(rows, head) + remarks


def check_alike(evaluations: Mapping[str, Evaluation]) -> None:
    """Raise a ValueError if numbers cannot stand in one table."""
    if not evaluations:
        raise ValueError("there is no evaluation to compare")
    first_name, first = next(iter(evaluations.items()))
    for name, other in evaluations.items():
        for what in ("reference", "notes", "seed"):
            ours, theirs = getattr(first, what), getattr(other, what)
            if ours != theirs:
                raise ValueError(
                    f"{name} was measured with {what} {theirs!r} and {first_name} with {ours!r}: their numbers cannot "
                    "be compared"
                )


def _cells(evaluations: Mapping[str, Evaluation]) -> tuple[list[str], list[list[str]]]:
    """Names of the columns, and rows of text: a metric each, the models and then the two rows to read them against."""
    first = next(iter(evaluations.values()))
    columns = [(name, found.scores[MODEL]) for name, found in evaluations.items()]
    columns += [(HEADINGS[row], first.scores[row]) for row in (OTHER, ROUND_TRIP)]
    present = [name for name in METRICS if any(name in scores for _, scores in columns)]
    head = ["", *(name for name, _ in columns), "better"]
    return head, [
        [_title(name), *(_number(name, scores.get(name)) for _, scores in columns), METRICS[name].better]
        for name in present
    ]


def _title(name: str) -> str:
    metric = METRICS[name]
    return f"{metric.title}, {metric.unit}" if metric.unit else metric.title


def _number(name: str, score: Score | None) -> str:
    if score is None:
        return "–"
    digits = METRICS[name].digits
    shown = f"{score.value:.{digits}f}"
    if score.interval is None:
        return shown
    return f"{shown} ({score.interval.low:.{digits}f} to {score.interval.high:.{digits}f})"


def _remarks(evaluations: Mapping[str, Evaluation]) -> list[str]:
    """The conditions of the numbers."""
    first = next(iter(evaluations.values()))
    instruments = ", ".join(f"{found.instruments[MODEL]:,} of {name}" for name, found in evaluations.items())
    lines = [
        f"{first.notes:,} notes in each column, against as many others of {first.reference} (seed {first.seed}).",
        f"In brackets: 95 % intervals over instruments ({instruments}, {first.instruments[OTHER]:,} of the reference).",
    ]
    if first.classifier:
        pitch, instrument = (100 * first.classifier[what] for what in ("pitch", "instrument"))
        lines.append(
            f"The classifier itself names {pitch:.0f} % of the pitches and {instrument:.0f} % of the instruments of "
            "notes that it was not taught."
        )
    for name, found in evaluations.items():
        if found.problems:
            lines.append(
                f"{tables.counted(len(found.problems), 'note')} of {name} or of its reference could not be used and "
                f"{'is' if len(found.problems) == 1 else 'are'} left out; the first: {found.problems[0]}"
            )
    left_out = [
        METRICS[name].title
        for name in METRICS
        if not any(name in found.scores[MODEL] for found in evaluations.values())
    ]
    if left_out:
        lines.append(f"Too few notes for: {'; '.join(left_out)}.")
    return lines


# ------------------------------------------------------------------------------------------------------------ picture


def plot(evaluations: Mapping[str, Evaluation], figure: Figure | None = None) -> Figure:
    """The same as a picture: a panel for each metric, a point and its interval for each row.

    Args:
      evaluations: as for `compare`, and so are the errors.
      figure: to draw in, whose size is set; by default a new one of pyplot's, which notebooks show.

    Returns:
      the figure.
    """
    check_alike(evaluations)
    first = next(iter(evaluations.values()))
    rows = [(name, found.scores[MODEL], "#1f4e9c") for name, found in evaluations.items()]
    rows += [(HEADINGS[row], first.scores[row], "0.45") for row in (OTHER, ROUND_TRIP)]
    present = [name for name in METRICS if any(name in scores for _, scores, _ in rows)]
    lines = -(-len(present) // COLUMNS)
    width, line, around = PANEL
    with drawing.plain():
        if figure is None:
            import matplotlib.pyplot as plt

            figure = plt.figure(layout="constrained")
        figure.set_size_inches(COLUMNS * width + 1.6, lines * (around + line * len(rows)))
        axes = figure.subplots(lines, COLUMNS, sharey=True, squeeze=False).ravel()
        for ax, name in zip(axes, present, strict=False):
            _panel(ax, name, rows)
        for ax in axes[len(present) :]:
            ax.set_visible(False)
    return figure


def _panel(ax: Any, name: str, rows: list[tuple[str, Mapping[str, Score], str]]) -> None:
    for y, (_, scores, colour) in enumerate(rows):
        score = scores.get(name)
        if score is None:
            continue
        if score.interval is not None:
            ax.plot(score.interval, [y, y], color=colour, linewidth=2, solid_capstyle="butt")
        ax.plot(score.value, y, "o", color=colour, markersize=6)
    ax.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    for label in ax.get_yticklabels():
        drawing.literal(label)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_title(METRICS[name].title, fontsize="medium")
    better = {"higher": "higher is better", "lower": "lower is better", "like": "like the reference's"}[
        METRICS[name].better
    ]
    ax.set_xlabel(", ".join(filter(None, (METRICS[name].unit, better))), fontsize="small")
    ax.margins(x=0.12)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


# -------------------------------------------------------------------------------------------------------------- files


def write(evaluation: Evaluation, path: str | os.PathLike) -> Path:
    """Write a results file, JSON that `read` reads back."""
    values = {"schema": SCHEMA, **dataclasses.asdict(evaluation)}
    values["scores"] = {
        row: {name: {"value": score.value, "interval": score.interval} for name, score in scores.items()}
        for row, scores in evaluation.scores.items()
    }
    path = as_path(path)
    with replacing(path) as partial:
        partial.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", "utf-8")
    return path


class _Score(jsonfile.Row):
    value: jsonfile.Number
    interval: tuple[jsonfile.Number, jsonfile.Number] | None


class _Evaluation(jsonfile.Row):
    schema_: Annotated[jsonfile.Text, Field(alias="schema")]
    model: jsonfile.Text
    fingerprint: jsonfile.Text
    reference: jsonfile.Text
    notes: Annotated[jsonfile.Whole, Field(ge=1)]
    instruments: dict[jsonfile.Text, Annotated[jsonfile.Whole, Field(ge=0)]]
    seed: jsonfile.Whole
    scores: dict[jsonfile.Text, dict[jsonfile.Text, _Score]]
    classifier: dict[jsonfile.Text, Annotated[jsonfile.Number, Field(ge=0, le=1)]]
    problems: list[jsonfile.Text] = Field(default_factory=list)


def read(path: str | os.PathLike) -> Evaluation:
    """Read a results file.

    Raises:
      ValueError: it is none, or damaged.
      OSError: it cannot be read.
    """
    path = as_path(path)
    try:
        found = jsonfile.checked(jsonfile.parse(jsonfile.read_text(path, MAX_BYTES)), _Evaluation)
        if found.schema_ != SCHEMA:
            raise ValueError(f"its schema is {found.schema_!r}, not {SCHEMA!r}")
        if set(found.scores) != set(ROWS) or not set(found.instruments) >= set(ROWS):
            raise ValueError(f"it must have the rows {', '.join(ROWS)}")
    except ValueError as error:
        raise ValueError(f"{path} is no results file of an evaluation: {error}") from None
    scores = {
        row: {
            name: Score(score.value, score.interval and Interval(*score.interval))
            for name, score in of_row.items()
            if name in METRICS
        }
        for row, of_row in found.scores.items()
    }
    return Evaluation(
        found.model,
        found.fingerprint,
        found.reference,
        found.notes,
        found.instruments,
        found.seed,
        scores,
        found.classifier,
        tuple(found.problems),
    )
