"""Evaluations as tables, as plots, and as files that can be read back.

    results.write(found, "outputs/demo.json")
    results.compare({"demo": results.read("outputs/demo.json"), "mine": mine})       # a table
    results.plot({"demo": demo, "mine": mine})                                      # a plot
    results_page.write({"demo": demo, "mine": mine}, "outputs/both.html")           # both, with an explanation

Notebook: 12_measure.
"""

from __future__ import annotations

import dataclasses
import html
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from .. import __version__, drawing, jsonfile, tables
from ..files import as_path, replacing
from ..pitch import DISAGREE_CENTS, IN_TUNE_CENTS
from . import metrics
from .metrics import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL, OTHER, ROUND_TRIP = "model", "reference", "round trip"
ROWS = (MODEL, OTHER, ROUND_TRIP)
MAX_BYTES = 5_000_000  # of a results file
SCHEMA = "gansynth-suite evaluation 1"
ACROSS = 3  # panels side by side
PANEL = (3.3, 0.42, 0.9)  # inches: width, height of a row, height around the rows
GAP = 0.12  # inches above and below a panel
LABELS = 1.6  # inches for the labels beside the panels
MAX_LABEL = 28  # characters of a label
MODEL_COLOUR, OTHER_COLOUR = "#1f4e9c", "0.45"
HEADINGS = {OTHER: "reference against itself", ROUND_TRIP: "its round trip"}
BETTER = {"higher": "higher is better", "lower": "lower is better", "like": "closer to the reference is better"}


@dataclasses.dataclass(frozen=True)
class Metric:
    """The description of a metric.

    Attributes:
      title: title in tables.
      unit: unit of its values.
      better: a key of BETTER.
      sees, blind: what the metric reacts to, and what it does not, in words.
      digits: digits after the decimal point.
    """

    title: str
    unit: str
    better: str
    sees: str
    blind: str
    digits: int = 1

    @property
    def label(self) -> str:
        """The title with its unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def rounded(self, value: float) -> str:
        """A value of the metric as text, with the metric's number of digits."""
        return f"{round(value, self.digits) + 0.0:.{self.digits}f}"  # never "-0.0"


METRICS: dict[str, Metric] = {
    "in_tune": Metric(
        f"in tune within {IN_TUNE_CENTS:g} cents, pYIN",
        "%",
        "higher",
        "wrong and unsteady pitches",
        "timbre and clicks",
    ),
    "in_tune_swift_f0": Metric(
        f"in tune within {IN_TUNE_CENTS:g} cents, SwiftF0",
        "%",
        "higher",
        "wrong and unsteady pitches",
        "timbre and clicks",
    ),
    "cents": Metric(
        "deviation from the pitch, pYIN",
        "cents",
        "lower",
        "the tuning of the median note",
        "a minority of wrong notes, and deviations below its resolution of 10 cents",
    ),
    "cents_swift_f0": Metric(
        "deviation from the pitch, SwiftF0",
        "cents",
        "lower",
        "the tuning of the median note",
        "a minority of wrong notes",
    ),
    "disagree": Metric(
        f"trackers over {DISAGREE_CENTS:g} cents apart",
        "%",
        "like",
        "notes on which a tracker errs",
        "which of the two is right",
    ),
    "pitch_entropy": Metric(
        "pitch entropy",
        "bits",
        "lower",
        "notes with no clear pitch, or with two",
        "a clear pitch that is wrong",
        2,
    ),
    "diversity": Metric(
        "diversity within a pitch", "dB", "like", "one instrument in place of many", "whether the sounds are any good"
    ),
    "ndb": Metric(
        f"NDB of {metrics.CELLS}",
        "cells",
        "lower",
        "kinds of sound that are missing or too frequent",
        "differences within a kind",
        0,
    ),
    "kid_musicnn": Metric(
        "KID, musicnn", "× 1000", "lower", "timbre, clicks, noise and late onsets", "small detuning", 2
    ),
    "fad_musicnn": Metric(
        "FAD, musicnn",
        "",
        "lower",
        "timbre, clicks, noise and late onsets",
        "small detuning; it is biased by the number of notes",
        2,
    ),
    "kid_mel": Metric(
        "KID, log-mel",
        "× 1000",
        "lower",
        "timbre, envelope, noise and late onsets",
        "small detuning and rare clicks",
        2,
    ),
    "fad_mel": Metric(
        "FAD, log-mel",
        "",
        "lower",
        "timbre, envelope, noise and late onsets",
        "small detuning and rare clicks; it is biased by the number of notes",
        2,
    ),
    "fid": Metric(
        "FID, our classifier",
        "",
        "lower",
        "whatever distinguishes the reference's instruments",
        "everything else; it is biased by the number of notes",
    ),
    "inception": Metric(
        "inception score, our classifier",
        "",
        "higher",
        "whether instruments are clear, and how many there are",
        "how much they sound like the reference's",
        2,
    ),
}


class Estimate(NamedTuple):
    """The value of a metric, and its interval over instruments if there are enough of them.

    Attributes:
      value: the number.
      interval: its confidence interval; None if there are too few instruments.
    """

    value: float
    interval: Interval | None = None


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`.

    Attributes:
      model: name of the model.
      fingerprint: fingerprint of its weights.
      reference: name of the reference.
      notes: number of notes in each row.
      instruments: row -> number of instruments.
      seed: random seed.
      scores: row -> key of METRICS -> Estimate. Metrics that would be meaningless are omitted.
      classifier: the classifier's accuracy on notes that it was not trained on, "pitch" and "instrument", 0 to 1.
      problems: a line for each note of the reference that could not be used.
      reference_notes: a digest of the reference's notes.
      suite: the version of this package that computed the scores.
      silent: number of the model's notes that are silent or not finite. They count as out of tune.
      given: whether the model played given instruments, such as its named ones, instead of random ones.
    """

    model: str
    fingerprint: str
    reference: str
    notes: int
    instruments: Mapping[str, int]
    seed: int
    scores: Mapping[str, Mapping[str, Estimate]]
    classifier: Mapping[str, float]
    problems: tuple[str, ...] = ()
    reference_notes: str = ""
    suite: str = __version__
    silent: int = 0
    given: bool = False

    def to_json(self) -> str:
        """The content of a results file."""
        values = {"schema": SCHEMA, **dataclasses.asdict(self)}
        values["scores"] = {
            row: {name: {"value": score.value, "interval": score.interval} for name, score in scores.items()}
            for row, scores in self.scores.items()
        }
        return json.dumps(values, indent=1, allow_nan=False) + "\n"

    def __str__(self) -> str:
        return str(Table({self.model: self}))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return Table({self.model: self})._repr_html_()


# ------------------------------------------------------------------------------------------------------------- tables


def compare(evaluations: Mapping[str, Evaluation]) -> Table:
    """A table with a column for each model, and for the reference against itself and its round trip.

    Args:
      evaluations: name -> result of `evaluate`.

    Raises:
      ValueError: there are no evaluations, or they differ in reference, number of notes or seed.
    """
    check_alike(evaluations)
    return Table(dict(evaluations))


class Table:
    """The result of `compare`: text when printed, a table in a notebook."""

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
    """Raise a ValueError if evaluations are not comparable."""
    if not evaluations:
        raise ValueError("there are no evaluations to compare")
    first_name, first = next(iter(evaluations.items()))
    for name, other in evaluations.items():
        for what in ("reference", "notes", "seed"):
            ours, theirs = getattr(first, what), getattr(other, what)
            if ours != theirs:
                raise ValueError(
                    f"{name} was evaluated with {what} {theirs!r} and {first_name} with {ours!r}: their scores cannot "
                    "be compared"
                )
        if "" not in (known := {first.reference_notes, other.reference_notes}) and len(known) > 1:
            raise ValueError(
                f"{name} and {first_name} were evaluated with different notes of {first.reference!r}: their scores "
                "cannot be compared"
            )


class Column(NamedTuple):
    """A column of a table, or a row of a plot's panels.

    Attributes:
      heading: text above it.
      is_model: whether it describes a model, not the reference.
      scores: metric -> estimate.
    """

    heading: str
    is_model: bool
    scores: Mapping[str, Estimate]


def columns(evaluations: Mapping[str, Evaluation]) -> list[Column]:
    """A column for each model, then those to compare them with."""
    first = next(iter(evaluations.values()))
    models = [Column(name, True, found.scores[MODEL]) for name, found in evaluations.items()]
    return models + [Column(heading, False, first.scores[row]) for row, heading in HEADINGS.items()]


def measured(evaluations: Mapping[str, Evaluation]) -> list[str]:
    """The metrics that at least one column has, in the order of METRICS."""
    found = columns(evaluations)
    return [name for name in METRICS if any(name in column.scores for column in found)]


def left_out(evaluations: Mapping[str, Evaluation]) -> list[str]:
    """The metrics that no model has, because there were too few notes or the classifier was too inaccurate."""
    return [name for name in METRICS if not any(name in found.scores[MODEL] for found in evaluations.values())]


def _cells(evaluations: Mapping[str, Evaluation]) -> tuple[list[str], list[list[str]]]:
    """Names of the columns, and a row of text for each metric."""
    shown = columns(evaluations)
    return ["", *(column.heading for column in shown), "better"], [
        [
            METRICS[name].label,
            *(_number(METRICS[name], column.scores.get(name)) for column in shown),
            METRICS[name].better,
        ]
        for name in measured(evaluations)
    ]


def _number(metric: Metric, score: Estimate | None) -> str:
    if score is None:
        return "–"
    shown = metric.rounded(score.value)
    if score.interval is None:
        return shown
    low, high = map(metric.rounded, score.interval)
    return f"{shown} ({low} to {high})"


def _remarks(evaluations: Mapping[str, Evaluation]) -> list[str]:
    """The conditions of the evaluations, as lines below a table."""
    first = next(iter(evaluations.values()))
    instruments = ", ".join(f"{found.instruments[MODEL]:,} of {name}" for name, found in evaluations.items())
    lines = [
        f"{first.notes:,} notes in each column, compared with as many other notes of {first.reference} "
        f"(seed {first.seed}).",
        f"In brackets: 95 % intervals over instruments ({instruments}, {first.instruments[OTHER]:,} of the reference).",
    ]
    if first.classifier:
        pitch, instrument = (100 * first.classifier[what] for what in ("pitch", "instrument"))
        lines.append(
            f"The classifier correctly identifies {pitch:.0f} % of the pitches and {instrument:.0f} % of the "
            "instruments of notes that it was not trained on."
        )
    for name, found in evaluations.items():
        if found.given:
            lines.append(f"{name} played given instruments, not random ones.")
        if found.silent:
            lines.append(
                f"{tables.counted(found.silent, 'note')} of {name} {'is' if found.silent == 1 else 'are'} silent or "
                "not finite, and counted as out of tune."
            )
    if problems := first.problems:
        lines.append(
            f"{tables.counted(len(problems), 'note')} of the reference could not be used and "
            f"{'is' if len(problems) == 1 else 'are'} left out; the first: {problems[0]}"
        )
    if missing := left_out(evaluations):
        titles = "; ".join(METRICS[name].title for name in missing)
        lines.append(f"Left out, because there are too few notes or the classifier is too inaccurate: {titles}.")
    return lines


# --------------------------------------------------------------------------------------------------------------- plot


def plot(evaluations: Mapping[str, Evaluation], figure: Figure | None = None, only: Sequence[str] = ()) -> Figure:
    """Plot evaluations: a panel for each metric, with a point and its interval for each row.

    Args:
      evaluations: as for `compare`, with the same errors.
      figure: a figure to draw into and resize; by default a new one of pyplot's, which notebooks show.
      only: keys of METRICS to plot; by default all that are present.

    Returns:
      The figure.
    """
    check_alike(evaluations)
    present, rows = only or measured(evaluations), columns(evaluations)
    across = min(ACROSS, len(present))
    lines = -(-len(present) // across)
    width, line, around = PANEL
    with drawing.plain():
        if figure is None:
            import matplotlib.pyplot as plt

            figure = plt.figure()
        figure.set_layout_engine("constrained", h_pad=GAP)
        figure.set_size_inches(across * width + LABELS, lines * (around + line * len(rows)))
        axes = figure.subplots(lines, across, sharey=True, squeeze=False).ravel()
        for ax, name in zip(axes, present, strict=False):
            _panel(ax, name, rows)
        for ax in axes[len(present) :]:
            ax.set_visible(False)
    return figure


def _panel(ax: Any, name: str, rows: list[Column]) -> None:
    for y, row in enumerate(rows):
        score = row.scores.get(name)
        if score is None:
            continue
        colour = MODEL_COLOUR if row.is_model else OTHER_COLOUR
        if score.interval is not None:
            ax.plot(score.interval, [y, y], color=colour, linewidth=2, solid_capstyle="butt")
        ax.plot(score.value, y, "o", color=colour, markersize=6)
    ax.set_yticks(range(len(rows)), [_short(row.heading) for row in rows])
    for label in ax.get_yticklabels():
        drawing.literal(label)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    # Both are right-aligned: if they are wider than the panel, there is room for them above the row labels.
    ax.set_title(METRICS[name].title, fontsize="medium", x=1, horizontalalignment="right")
    better = BETTER[METRICS[name].better]
    ax.set_xlabel(", ".join(filter(None, (METRICS[name].unit, better))), fontsize="small", loc="right")
    ax.margins(x=0.12)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def _short(label: str) -> str:
    return label if len(label) <= MAX_LABEL else f"{label[: MAX_LABEL - 1]}…"


# -------------------------------------------------------------------------------------------------------------- files


def write(evaluation: Evaluation, path: str | os.PathLike) -> Path:
    """Write a results file, JSON that `read` reads back."""
    path = as_path(path)
    with replacing(path) as partial:
        partial.write_text(evaluation.to_json(), "utf-8")
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
    reference_notes: jsonfile.Text = ""
    suite: jsonfile.Text = ""
    silent: Annotated[jsonfile.Whole, Field(ge=0)] = 0
    given: jsonfile.Flag = False


def read(path: str | os.PathLike) -> Evaluation:
    """Read a results file.

    Raises:
      ValueError: it is not a results file, or is damaged.
      OSError: it cannot be read.
    """
    path = as_path(path)
    try:
        found = jsonfile.checked(jsonfile.parse(jsonfile.read_text(path, MAX_BYTES)), _Evaluation)
        if found.schema_ != SCHEMA:
            raise ValueError(f"its schema is {found.schema_!r}, not {SCHEMA!r}")
        if set(found.scores) != set(ROWS) or not set(found.instruments) >= set(ROWS):
            raise ValueError(f"it must have the rows {', '.join(ROWS)}")
        if found.classifier and set(found.classifier) != {"pitch", "instrument"}:
            raise ValueError("its classifier must have the accuracies of pitch and instrument")
        if not any(name in METRICS for of_row in found.scores.values() for name in of_row):
            raise ValueError("it has no known metric")
    except ValueError as error:
        raise ValueError(f"{path} is not a results file of an evaluation: {error}") from None
    scores = {
        row: {
            name: Estimate(score.value, score.interval and Interval(*score.interval))
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
        found.reference_notes,
        found.suite,
        found.silent,
        found.given,
    )
