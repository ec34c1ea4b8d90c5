"""The numbers of README and guide are those of the files that commands have written."""

import json
import re

import pytest
from inputs import DATA

from helpers.evaluation import results

ROOT = DATA.parents[1]
README, GUIDE = (" ".join((ROOT / name).read_text("utf-8").split()) for name in ("README.md", "docs/guide.md"))
BENCHMARKS = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
MODEL = json.loads((ROOT / "data" / "checkpoints" / "demo" / "measurements.json").read_text("utf-8"))


def rows(first):
    """The cells of the rows of docs/benchmarks.md that begin with some cells."""
    return [line.strip("| ").split(" | ") for line in BENCHMARKS.splitlines() if line.startswith(f"| {first}")]


def number(cell):
    return float(re.search(r"\d+\.\d+|\d+", cell)[0])


def test_the_bundled_models():
    loud = MODEL["all"]["model"]["loud"]
    tuned, heard = loud["in_tune_25"]
    assert f"A pitch tracker finds {heard} loud notes in tune in the source" in README
    assert f"in the model, {tuned / heard:.0%} of them are within 25 cents".replace("%", " %") in README
    assert f"recognises the family of {loud['family']:.0%}".replace("%", " %") in README
    assert MODEL["all"]["model"]["loud"]["distance_db"] < 3.8  # the fourth version's 4.0 was too much


def test_the_model_card_has_the_space():
    card = (ROOT / "data" / "checkpoints" / "demo" / "README.md").read_text("utf-8")
    measured = json.loads((ROOT / "data" / "checkpoints" / "demo" / "space.json").read_text("utf-8"))
    names = {
        "source notes": "sources", "voices": "voices", "`sample_z`": "random", "on the way": "ways",
        "the middle of two voices": "middles", "N(0, I)": "normal",
    }  # fmt: skip
    columns = ("distance_db", "centroid_hz", "attack_log", "decay_db")
    table = card.split("The latent space was measured")[1].split("Where the two nearest")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ") and "0" in line]
    assert [row[0] for row in rows] == list(names)
    for name, *cells in rows:
        of_kind, voices = measured[names[name]], measured["voices"]
        relative = [f"{of_kind[column] / voices[column]:.2f}" for column in columns]
        assert cells == [*relative, f"{of_kind['in_tune']:.0%}".replace("%", " %"), f"{of_kind['nearest_source']:.2f}"]
    assert f"{measured['random']['in_tune_of_good']:.1%} of the notes of".replace("%", " %") in " ".join(card.split())


def test_speed():
    def times(song, instruments):
        ((*_, ratio),) = [
            row for row in rows(f"{song}, {instruments} | all of `render`") if row[1] == "all of `render`"
        ]
        return float(ratio)

    short, mixed = ("arpeggio60", "bench300")
    moving = f"{times(mixed, 'moving'):g} and {times(short, 'moving'):g} times as fast when the timbre morphs"
    held = f"{times(mixed, 'held'):.0f} and {times(short, 'held'):.0f} times when it is constant"
    assert moving in GUIDE
    assert held in GUIDE
    assert f"{times(mixed, 'moving'):g} and {times(short, 'moving'):g} times as fast" in README
    assert f"{times(mixed, 'held'):.0f} and {times(short, 'held'):.0f} times when it is constant" in README


@pytest.mark.parametrize(("row", "text"), [
    ("tracks, here", "by {2:.1f} LU in the median and by {3:.1f} at the 95th percentile"),
    ("drums, here", "the drums' share by {2:.1f} LU in the median"),
])  # fmt: skip
def test_balance(row, text):
    (cells,) = rows(row)
    assert text.format("", "", *map(number, cells[2:])) in GUIDE


def test_the_model_card_has_the_evaluations():
    folder = ROOT / "data" / "checkpoints" / "demo"
    drawn, voices, forty = (
        results.read(folder / "evaluation" / f"fluidr3{kind}.json") for kind in ("", "_voices", "_forty")
    )
    columns = [drawn.scores["model"], voices.scores["model"], drawn.scores["reference"], drawn.scores["round trip"]]
    card = (folder / "README.md").read_text("utf-8").split("### Against its sources")[1]
    lines = [line.strip("| ").split(" | ") for line in card.splitlines() if line.startswith("| ")]
    rows = [cells for cells in lines if len(cells) == 5]
    assert len(rows) == 11
    compared = [[title, *cells[1:]] for title, *cells in lines if len(cells) == 3 and title != "random latents"]
    assert len(compared) == 7
    tables = [(rows, columns), (compared, [forty.scores["model"], forty.scores["round trip"]])]
    for row, scores_of in ((row, scores_of) for table, scores_of in tables for row in table):
        title, *cells = row
        (metric,) = [
            m for m, known in results.METRICS.items() if title in (known.title, f"{known.title}, {known.unit}")
        ]
        for cell, scores in zip(cells, scores_of, strict=True):
            digits = len(cell.split(" ")[0].partition(".")[2])
            assert cell.startswith(f"{scores[metric].value:.{digits}f}".replace("-", "−")), row
