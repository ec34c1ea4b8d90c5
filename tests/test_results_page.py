"""helpers.evaluation.results_page: one file with the numbers and what they mean, as a parser and a browser see it."""

import dataclasses
import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from webpages import Page, Visit, content

from helpers import webpage
from helpers.evaluation import results, results_page
from helpers.evaluation.metrics import Interval
from helpers.evaluation.results import METRICS, MODEL, OTHER, ROUND_TRIP, ROWS, Estimate, Evaluation

NASTY = "<script>alert('1')</script> & \"quotes\" $\\frac$ {{ 7 * 7 }}"
HIDDEN = "() => { const box = document.querySelector('.scroll'); return box.scrollWidth - box.clientWidth; }"
SCRIPT = "<script>document.title = 'other'</script>"


def scores(model, around=1.0, but=()):
    """Of every row, each metric but some: the model's number, and 10 and 20 to read it against."""
    values = {MODEL: model, OTHER: 10.0, ROUND_TRIP: 20.0}
    return {
        row: {name: Estimate(values[row], Interval(values[row] - around, values[row] + around)) for name in METRICS}
        for row in ROWS
    } | ({MODEL: {name: Estimate(model) for name in METRICS if name not in but}} if but else {})


def evaluation(number=30.0, **changes):
    found = Evaluation(
        "demo",
        "f" * 64,
        "soundfont:",
        1000,
        {MODEL: 250, OTHER: 96, ROUND_TRIP: 96},
        7,
        scores(number),
        {"pitch": 0.914, "instrument": 0.607},
    )
    return dataclasses.replace(found, **changes)


@pytest.fixture(scope="module")
def two():
    nasty = {"model": NASTY, "reference": NASTY, "problems": tuple(f"{i}: {NASTY}" for i in range(7))}
    return {"demo": evaluation(reference=NASTY), NASTY: evaluation(-4.0, **nasty)}


@pytest.fixture(scope="module")
def path(two, tmp_path_factory):
    return results_page.write(two, tmp_path_factory.mktemp("results") / "new" / "both.html", NASTY)


@pytest.fixture(scope="module")
def parsed(path):
    return Page(path)


@pytest.fixture
def no_pictures(monkeypatch):
    """They take half a second each, and most tests are about something else."""
    monkeypatch.setattr(results_page, "_picture", lambda *_: results_page._Picture("data:,", 1, 1, ""))


def numbers(parsed):
    """The rows of the table: what stands in each cell, with the heads of their columns before them."""
    cells = [(tag, attributes, "".join(text)) for tag, attributes, text in parsed.elements if tag in ("th", "td")]
    heads = [text for tag, attributes, text in cells if tag == "th" and attributes.get("scope") == "col"]
    values = [(attributes["data-head"], text) for tag, attributes, text in cells if "data-head" in attributes]
    return heads, [values[i : i + len(heads) - 1] for i in range(0, len(values), len(heads) - 1)]


# --------------------------------------------------------------------------------------------------------- what it says


def test_every_metric_stands_beside_the_reference(parsed):
    heads, rows = numbers(parsed)
    assert heads == ["Metric", "demo", NASTY, "Reference against itself", "Its round trip"]
    assert len(rows) == len(METRICS)
    for metric, row in zip(METRICS.values(), rows, strict=True):
        assert [head for head, _ in row] == heads[1:]
        values = [(30.0, 29.0, 31.0), (-4.0, -5.0, -3.0), (10.0, 9.0, 11.0), (20.0, 19.0, 21.0)]
        for (_, text), (value, low, high) in zip(row, values, strict=True):
            value, low, high = (f"{x:.{metric.digits}f}".replace("-", "−") for x in (value, low, high))
            assert text == f"{value}{low} to {high}"


def test_every_metric_says_what_is_better_and_what_it_sees_and_misses(parsed):
    titles = [text for attributes, text in parsed.all("th") if attributes.get("scope") == "row"][: len(METRICS)]
    for metric, text in zip(METRICS.values(), titles, strict=True):
        head = metric.title[0].upper() + metric.title[1:]
        better = {
            "higher": "Higher is better",
            "lower": "Lower is better",
            "like": "Closer to the reference is better",
        }
        unit = f" ({metric.unit})" if metric.unit else ""
        assert text == f"{head}{unit}{better[metric.better]}. Sees {metric.sees}. Blind to {metric.blind}."


def test_the_conditions_are_there(parsed):
    for said in (
        f"{NASTY}, 96 instruments",
        "1,000 in each column, all compared with the same 1,000 other notes of the reference",
        "Seed7",
        "names 91 % of the pitches and 61 % of the instruments",
        f"Fingerprint of its weights{'f' * 64}",
        "Instruments250",
    ):
        assert said in parsed.text


@pytest.mark.usefixtures("no_pictures")
def test_problems_are_shown_a_few_at_a_time(tmp_path):
    problems = tuple(f"note {i} is silent" for i in range(7))
    parsed = Page(results_page.write({"a": evaluation(problems=problems)}, tmp_path / "a.html"))
    shown = [text for _, text in parsed.all("li")]
    assert shown == [*problems[:5], "and 2 more, in the results file"]
    parsed = Page(results_page.write({"a": evaluation()}, tmp_path / "a.html"))
    assert "Notes of the reference left outnone" in parsed.text
    assert not parsed.all("li")


@pytest.mark.usefixtures("no_pictures")
def test_what_was_not_measured_is_named(tmp_path):
    few = evaluation(scores=scores(30.0, but=("ndb", "fid")), classifier={})
    more = evaluation(scores=scores(30.0, but=("ndb",)))
    parsed = Page(results_page.write({"few": few, "more": more}, tmp_path / "a.html"))
    assert f"Not measured, for too few notes: {METRICS['ndb'].title}." in parsed.text
    rows = dict(zip(METRICS, numbers(parsed)[1], strict=True))
    assert [text for _, text in rows["fid"]][:2] == ["–", "30.0"]
    assert "not trained: too few notes of each instrument" in parsed.text
    assert "Not measured" not in Page(results_page.write({"a": evaluation()}, tmp_path / "a.html")).text


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("names", "title"),
    [
        ("a", "Evaluation of a"),
        ("ab", "Evaluation of a and b"),
        ("abc", "Evaluation of a, b and c"),
        ("abcd", "Evaluation of 4 models"),
    ],
)
def test_a_page_without_a_title_names_the_models(names, title, tmp_path):
    parsed = Page(results_page.write({name: evaluation() for name in names}, tmp_path / "a.html"))
    assert [text for _, text in parsed.all("h1")] == [title]


@pytest.mark.usefixtures("no_pictures")
def test_a_model_may_be_called_like_a_column(tmp_path):
    parsed = Page(results_page.write({"its round trip": evaluation()}, tmp_path / "a.html"))
    assert [text for _, text in numbers(parsed)[1][0]] == ["30.029.0 to 31.0", "10.09.0 to 11.0", "20.019.0 to 21.0"]


def test_a_small_number_is_not_less_than_nothing():
    assert METRICS["kid_mel"].rounded(-0.001) == "0.00"
    assert METRICS["kid_mel"].rounded(-0.01) == "-0.01"


# ---------------------------------------------------------------------------------------------------------- what it is


def test_elements_are_in_order(parsed):
    assert [text for _, text in parsed.all("title")] == [NASTY]
    levels = [int(tag[1]) for tag, _, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes, _ in parsed.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    labels = [attributes["aria-labelledby"] for _, attributes, _ in parsed.elements if "aria-labelledby" in attributes]
    assert set(labels) <= set(ids)


def test_nothing_is_fetched_and_no_script_runs(parsed):
    assert parsed.attributes("meta", "content")[0] == webpage.policy()
    assert not parsed.all("script")
    assert not re.search("https?://", parsed.html)
    for tag, attributes, _ in parsed.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "srcset"):
            assert attributes.get(name, "data:").startswith("data:"), tag


def test_names_from_outside_are_text(parsed):
    assert "<script" not in parsed.html
    assert parsed.text.count(NASTY) >= 8  # title, heading, prose, column, conditions, problems


def test_results_are_read_back_as_they_were(two, parsed, tmp_path):
    links = [attributes for attributes, _ in parsed.all("a")]
    names = [attributes["download"] for attributes in links]
    assert names[0] == "demo.json"
    assert re.fullmatch(r"[\w. ()+-]+\.json", names[1])
    for attributes, found in zip(links, two.values(), strict=True):
        file = tmp_path / attributes["download"]
        file.write_bytes(content(attributes["href"], "application/json"))
        assert results.read(file) == found
        assert file.read_bytes() == results.write(found, tmp_path / "same.json").read_bytes()


def test_the_picture_has_a_panel_with_words_for_each_metric(parsed):
    panels = [attributes for attributes, _ in parsed.all("img")]
    assert len(panels) == len(METRICS)
    models = f"demo 30.0; {NASTY} −4.0; Reference against itself 10.0; Its round trip 20.0"
    assert panels[0]["alt"] == f"In tune within 25 cents, pYIN (%): {models}."
    for panel in panels:
        picture = content(panel["src"], "image/svg+xml")
        assert b"<svg" in picture
        assert b"<script" not in picture


@pytest.mark.slow
def test_no_title_or_unit_is_wider_than_its_panel(two):
    for name in METRICS:
        figure = results.plot(two, Figure(), only=[name])
        figure.set_figwidth(results_page.WIDTH)
        figure.draw_without_rendering()
        [ax] = figure.axes
        for text in (ax.title, ax.xaxis.label, *ax.get_yticklabels()):
            box = text.get_window_extent()
            assert -0.5 <= box.x0 < box.x1 <= figure.bbox.x1 + 0.5, text.get_text()


@pytest.mark.slow
def test_equal_evaluations_give_equal_bytes(two, path, tmp_path):
    again = results_page.write(two, tmp_path / "again.html", NASTY)
    assert again.read_bytes() == path.read_bytes()


# ------------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("evaluations", "name", "message"),
    [
        ({"a": evaluation()}, "page.htm", r"must end in \.html; it is page\.htm"),
        ({}, "page.html", "no evaluations to compare"),
        ({"a": evaluation(), "b": evaluation(seed=1)}, "page.html", "b was evaluated with seed 1 and a with 7"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(evaluations, name, message, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        results_page.write(evaluations, tmp_path / "new" / name)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------------------------------- in a real browser


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A table with more columns than a window has room for, and a name without a space."""
    names = ["x" * 120, *(f"model number {i}" for i in range(6))]
    target = tmp_path_factory.mktemp("many") / "many.html"
    return results_page.write({name: evaluation(problems=("y" * 300,)) for name in names}, target)


def test_browser_has_nothing_to_complain_of_and_stays_on_the_page(chromium, path):
    visit = Visit(chromium, path)
    visit.page.wait_for_load_state("networkidle")
    assert visit.said == []
    assert visit.page.title() == NASTY
    assert [url for url in visit.asked if not url.startswith("data:")] == [path.as_uri()]
    widths = visit.page.evaluate("() => [...document.images].map(image => image.complete && image.naturalWidth)")
    assert widths == [round(results_page.WIDTH * results_page.PIXELS)] * len(METRICS)
    visit.page.close()


def test_browser_saves_the_results(chromium, path, two):
    visit = Visit(chromium, path)
    with visit.page.expect_download() as download:
        visit.page.click("a[download] >> nth=0")
    assert download.value.suggested_filename == "demo.json"
    assert Path(download.value.path()).read_text("utf-8") == two["demo"].to_json()
    visit.page.close()


@pytest.mark.parametrize("which", ["path", "many"])
@pytest.mark.parametrize("width", [320, 390, 600, 800, 1280])
def test_the_page_does_not_scroll_sideways(chromium, which, width, request):
    visit = Visit(chromium, request.getfixturevalue(which), viewport={"width": width, "height": 800})
    assert visit.page.evaluate("() => document.documentElement.scrollWidth") == width
    beyond = visit.page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter(element => {
            const {right, width} = element.getBoundingClientRect();
            return !element.closest("thead, .scroll *") && width && right > innerWidth + 0.5;
        }).map(element => `${element.tagName} ${element.className}: ${element.textContent.slice(0, 50)}`)"""
    )
    assert beyond == []
    if width <= 600 or which == "path":  # cards, or few columns
        assert visit.page.evaluate(HIDDEN) == 0
    visit.page.close()


@pytest.mark.parametrize(("width", "across"), [(320, 1), (390, 1), (600, 2), (1280, 3)])
def test_panels_stand_side_by_side_where_there_is_room(chromium, path, width, across):
    visit = Visit(chromium, path, viewport={"width": width, "height": 800})
    tops = visit.page.evaluate("() => [...document.images].map(image => image.getBoundingClientRect().top)")
    assert tops.count(tops[0]) == across
    visit.page.close()


def test_a_script_of_others_cannot_run(chromium, path, tmp_path):
    other = tmp_path / "other.html"
    other.write_text(path.read_text("utf-8").replace("</body>", f"{SCRIPT}</body>"), "utf-8")
    visit = Visit(chromium, other)
    assert visit.page.title() == NASTY
    assert "Content Security Policy" in " ".join(visit.said)
    visit.page.close()


@pytest.mark.parametrize("which", ["path", "many"])
def test_paper_shows_every_number_and_no_link(chromium, which, request, tmp_path):
    if not shutil.which("pdftotext"):
        pytest.skip("poppler is not installed (apt-get install poppler-utils)")
    visit = Visit(chromium, request.getfixturevalue(which), color_scheme="dark")
    target = tmp_path / "page.pdf"
    visit.page.pdf(path=target, format="A4")
    command = ["pdftotext", "-layout", target, "-"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    columns = {"path": 4, "many": 9}[which]
    assert len(re.findall(r"−?\d+(?:\.\d+)? to −?\d+", text)) == columns * len(METRICS)
    assert ".json" not in text
    visit.page.emulate_media(media="print")
    row = visit.page.evaluate("() => getComputedStyle(document.querySelector('.scores tbody tr')).display")
    assert row == {"path": "table-row", "many": "grid"}[which]  # what is too wide for paper becomes blocks
    assert visit.page.evaluate("() => getComputedStyle(document.body.parentElement).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    visit.page.close()
