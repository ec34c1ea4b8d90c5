"""helpers.page: one file with everything in it, as a parser sees it and as a real browser does."""

import base64
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from inputs import RATE, Stub

from helpers import audio, demo, midi, page, render, report
from helpers.audio import Audio
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note, Song, Track
from helpers.planning import Part

NASTY = "<script>alert('1')</script> & \"quotes\" $\\frac$"
VOID = {"meta", "link", "img", "br", "hr", "input"}
WORDS = {
    "author": NASTY,
    "introduction": f"One.\n\n{NASTY}",
    "observations": {NASTY: NASTY},
    "template": [
        page.Section("stereo ünï", f"Of the template {NASTY}", NASTY),
        page.Section("later", "Later", "", NASTY),
    ],
}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


# ------------------------------------------------------------------------------------------------- clips to write about


def song_named(name):
    notes = tuple(Note(pitch, 90, i * 0.3, i * 0.3 + 0.3) for i, pitch in enumerate((60, 64, 67)))
    return Song(name, (Track(name, 0, False, notes), Track("bass", 32, False, notes), Track("kit", 0, True, notes[:1])))


def sine(seconds=1.0, rate=RATE, channels=1):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate).astype(np.float32)
    return Audio(tone if channels == 1 else np.stack([tone] * channels, axis=1), rate)


def rendered(name=NASTY, **choices):
    morph = Timeline([Instrument(name, np.ones(4), seed=7), Instrument("b", np.full(4, 2.0))], at=[0.1, 0.5])
    parts = {1: Part(morph, gain=-3.0), "bass": Instrument("held", np.ones(4))}
    return render.render(Stub(), song_named(name), parts, progress=False, **choices)


def write(path, clips, *args, **kwargs):
    return report.page(clips, path, *args, **kwargs, progress=False)


@pytest.fixture
def no_pictures(monkeypatch):
    """They take a second a clip, and most tests are about something else."""
    monkeypatch.setattr(page, "_picture", lambda draw, height: "data:,")


@pytest.fixture(scope="module")
def clips():
    silence = Audio(np.zeros(RATE // 2, np.float32), RATE)
    return {NASTY: rendered(loudness=-20.0), "stereo ünï": sine(0.7, 44100, 2), "silence": silence}


@pytest.fixture(scope="module")
def path(clips, tmp_path_factory):
    return write(tmp_path_factory.mktemp("page") / "new" / "page.html", clips, NASTY, **WORDS)


class Page(HTMLParser):
    """A page as a list of elements, each with tag, attributes and text; tags have to nest."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.open = [], []
        self.html = path.read_bytes().decode("utf-8")
        self.feed(self.html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))
        if tag not in VOID:
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, _, text in self.open:
            text.append(data)

    def all(self, tag):
        return [(attributes, "".join(text)) for t, attributes, text in self.elements if t == tag]

    def attributes(self, tag, name):
        return [attributes[name] for attributes, _ in self.all(tag) if name in attributes]

    @property
    def text(self):
        return " ".join("".join(self.elements[0][2]).split())


@pytest.fixture(scope="module")
def parsed(path):
    return Page(path)


def content(address, kind):
    head, data = address.split(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(data, validate=True)


# ------------------------------------------------------------------------------------------------------------ structure


def test_elements_are_in_order(parsed):
    assert parsed.attributes("html", "lang") == ["en"]
    assert [text for _, text in parsed.all("title")] == [NASTY]
    levels = [int(tag[1]) for tag, _, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes, _ in parsed.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = [href for href in parsed.attributes("a", "href") if not href.startswith("data:")]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert len(links) >= 6  # the contents: score, overview, four sections


def test_sections_of_the_template_come_first(parsed):
    headings = [text for _, text in parsed.all("h2")]
    assert headings == ["The score", "All clips", f"Of the template {NASTY}", "Later", NASTY, "silence"]


def test_nothing_is_fetched_and_nothing_runs(parsed):
    assert "default-src 'none'" in parsed.attributes("meta", "content")[0]
    assert not parsed.all("script")
    assert not re.search("https?://", parsed.html)
    for tag, attributes, _ in parsed.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "srcset", "poster"):
            assert attributes.get(name, "data:").startswith(("data:", "#")), tag


def test_names_from_outside_are_text(parsed):
    assert "<script" not in parsed.html
    for text in (NASTY, "Loudness (LUFS)"):
        assert text in parsed.text
    (download,) = parsed.attributes("a", "download")
    assert re.fullmatch(r"03_[\w-]+\.json", download)
    assert f'render.reproduce("{download}", model)' in parsed.text  # the stub has no place to be loaded from


@given(st.text(min_size=1).filter(str.strip))
@settings(max_examples=30)
def test_any_name_can_be_shown(tmp_path_factory, name):
    target = tmp_path_factory.getbasetemp() / "name.html"
    song = Song(name, (Track(name, 0, False, (Note(60, 90, 0, 1),)),))
    clip = render.render(Stub(), song, Instrument(name, np.ones(4)), progress=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "_picture", lambda draw, height: "data:,")  # they take a second
        parsed = Page(write(target, {name: clip}, name))
    shown = name.encode("utf-8", "replace").decode("utf-8")
    assert [text for _, text in parsed.all("h2")] == ["The score", shown]
    content(parsed.attributes("a", "href")[-1], "application/json")


def test_pictures_have_words(parsed):
    pictures = parsed.all("img")
    assert len(pictures) == 1 + 2 * 3
    for attributes, _ in pictures:
        assert len(attributes["alt"]) > 40
        shape = plt.imread(io.BytesIO(content(attributes["src"], "image/png"))).shape
        assert (int(attributes["width"]), int(attributes["height"])) == (shape[1], shape[0])
    captions = [text for _, text in parsed.all("figcaption")]
    assert sum("Constant-Q" in text for text in captions) == sum("Rainbowgram" in text for text in captions) == 3


def test_no_figure_is_left_open_and_no_style_leaks_in(clips, tmp_path):
    before = plt.get_fignums()
    plain = write(tmp_path / "plain.html", clips)
    with plt.style.context("dark_background"):
        dark = write(tmp_path / "dark.html", clips)
    assert plt.get_fignums() == before
    assert plain.read_bytes() == dark.read_bytes()


def test_equal_clips_give_equal_bytes(clips, path, tmp_path):
    again = write(tmp_path / "again.HTML", clips, NASTY, **WORDS)
    assert again.read_bytes() == path.read_bytes()


def test_clips_of_a_kind_share_their_time_axis(monkeypatch, tmp_path):
    ends = []
    original = page._picture

    def spy(draw, height):
        return original(lambda ax: (draw(ax), ends.append(ax.get_xlim()[1])), height)

    monkeypatch.setattr(page, "_picture", spy)
    write(tmp_path / "page.html", {"long": sine(2.0), "similar": sine(1.5), "short": sine(0.5)})
    assert ends == [2.0, 2.0, 2.0, 2.0, 0.5, 0.5]


# -------------------------------------------------------------------------------------------------------------- content


def test_sound_is_the_clips_own(clips, parsed):
    order = ["stereo ünï", NASTY, "silence"]
    players = parsed.all("audio")
    for name, (attributes, _) in zip(order, players, strict=True):
        samples, rate = soundfile.read(io.BytesIO(content(attributes["src"], "audio/flac")), dtype="float32")
        assert "controls" in attributes
        assert name in attributes["aria-label"]
        assert rate == clips[name].sample_rate
        assert samples.shape == clips[name].samples.shape
        np.testing.assert_allclose(samples, clips[name].samples, atol=1 / 32768)


def test_overview_says_how_clips_compare(clips, parsed):
    rows = [" ".join(text.split()) for _, text in parsed.all("tr")]
    loudness = f"{audio.loudness(clips[NASTY]):.1f}".replace("-", "−")
    assert loudness.startswith("−20")
    assert any(row.startswith(NASTY) and loudness in row and "6 of 7" in row for row in rows)
    assert any(row.startswith("silence") and "silent" in row and "none" in row for row in rows)


def test_a_rendering_says_how_it_was_made(clips, parsed):
    recipe = clips[NASTY].report.recipe
    for text in (
        recipe.model,
        recipe.precision,
        "instruments drawn with 7",
        "loudness=-20.0",
        "−3 dB",
        "0.1 s › b 0.5 s",
    ):
        assert text in parsed.text
    assert "the defaults" not in parsed.text
    tables = [text for attributes, text in parsed.all("pre") if attributes.get("class") == "table"]
    assert tables == [str(clips[NASTY].report)]
    assert parsed.text.count("Without the model") == 2


def test_the_report_in_it_makes_the_clip_again(clips, parsed, tmp_path):
    clip = clips[NASTY]
    (attributes,) = (attributes for attributes, _ in parsed.all("a") if "download" in attributes)
    embedded = content(attributes["href"], "application/json")
    assert embedded == clip.report.save(tmp_path / "saved.json").read_bytes()
    file = tmp_path / attributes["download"]
    file.write_bytes(embedded)
    again = render.reproduce(file, Stub(), progress=False)
    np.testing.assert_array_equal(again.samples, clip.samples)


@pytest.mark.usefixtures("no_pictures")
def test_a_name_that_is_no_utf8_can_be_saved_and_read(tmp_path):
    song = song_named("b\udce4rchen")  # what Python makes of a Latin-1 file name
    clip = render.render(Stub(), song, Instrument("a", np.ones(4)), progress=False)
    saved = clip.report.save(tmp_path / "saved.json")
    assert json.loads(saved.read_text("utf-8"))["report"]["song"] == song.name
    assert report.read_recipe(saved).song.name == song.name
    assert "b?rchen" in Page(write(tmp_path / "page.html", {"a": clip})).text


@pytest.mark.usefixtures("no_pictures")
def test_score_is_that_of_the_first_rendering_unless_given(tmp_path):
    clips = {"reference": sine(), "a": rendered("first"), "b": rendered("second")}
    assert "first: 7 notes in 0.9 s" in Page(write(tmp_path / "a.html", clips)).text
    parsed = Page(write(tmp_path / "b.html", clips, song=song_named("third")))
    assert "third: 7 notes in 0.9 s, at 120 quarter notes a minute" in parsed.text
    assert "The score" not in Page(write(tmp_path / "c.html", {"reference": sine()})).text


@pytest.mark.usefixtures("no_pictures")
def test_a_single_clip_needs_no_contents(tmp_path):
    parsed = Page(write(tmp_path / "page.html", {"a": rendered("song")}))
    assert not parsed.all("nav")
    assert [text for _, text in parsed.all("h2")] == ["The score", "a"]
    assert "the defaults" in parsed.text


def test_tracks_that_are_played_alike_are_one_row():
    one = Timeline.hold(Instrument("one", np.ones(4)))
    clip = render.render(Stub(), song_named("song"), {"bass": Part(mute=True)}, one, progress=False)
    assert page._players(clip.report, clip.report.recipe) == [
        {"tracks": ["1 song"], "stops": [("one", "")], "mix": ""},
        {"tracks": ["2 bass"], "stops": [("muted", "")], "mix": ""},
        {"tracks": ["3 kit"], "stops": [("left out", "")], "mix": ""},
    ]
    clip = render.render(Stub(), song_named("song"), one, progress=False, faithful=True)
    (row,) = page._players(clip.report, clip.report.recipe)
    assert row["tracks"] == ["1 song", "2 bass", "3 kit"]


def test_long_timelines_are_cut_short():
    timeline = Timeline([Instrument(str(i), np.ones(4)) for i in range(100)], at=np.arange(100))
    stops = page._stops(timeline)
    assert len(stops) == page.STOPS_SHOWN + 1
    assert stops[-1] == (f"and {100 - page.STOPS_SHOWN} more", "")


# ---------------------------------------------------------------------------------------------------- the student's own


@pytest.mark.usefixtures("no_pictures")
def test_sections_without_a_clip_say_how_to_make_it(tmp_path):
    parsed = Page(write(tmp_path / "page.html", {"mine": sine(), "original": sine()}, template=page.STUDENT_REPORT))
    headings = [text for _, text in parsed.all("h2")][1:]
    assert headings == [section.heading for section in page.STUDENT_REPORT] + ["mine"]
    assert parsed.text.count("Not made yet") == 4
    code = [text for _, text in parsed.all("code")]
    assert all(section.code in code for section in page.STUDENT_REPORT[1:])


@pytest.mark.usefixtures("no_pictures")
def test_what_the_sections_say_makes_their_clips(tmp_path):
    names = {"clips": {}, "song": midi.excerpt(midi.load(demo.SCORE), 0, 1.2)}
    exec(page.IMPORTS, names)
    for section in page.STUDENT_REPORT:
        exec(re.sub('load\\("\\w+"\\)', 'load("demo")', section.code), names)
    clips = names["clips"]
    assert list(clips) == [section.name for section in page.STUDENT_REPORT]
    parsed = Page(write(tmp_path / "page.html", clips, template=page.STUDENT_REPORT))
    assert "Not made yet" not in parsed.text
    attributes = [attributes for attributes, _ in parsed.all("a") if "download" in attributes][-1]
    file = tmp_path / attributes["download"]
    file.write_bytes(content(attributes["href"], "application/json"))
    assert f'clip = render.reproduce("{file.name}")' in parsed.text
    np.testing.assert_array_equal(render.reproduce(file, progress=False).samples, clips["custom"].samples)


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("clips", "name", "more", "message"),
    [
        ({}, "page.html", {}, "no clip"),
        (sine(), "page.html", {}, "a dict from names to clips, not a Audio"),
        ({"a": sine()}, "page.pdf", {}, "page.pdf has to end in .html"),
        ({7: sine()}, "page.html", {}, "not 7"),
        ({" ": sine()}, "page.html", {}, "not ' '"),
        ({"a": np.zeros(9)}, "page.html", {}, "'a' has to be an audio.Audio, not a ndarray"),
        ({"a": Audio(np.zeros(0, np.float32), RATE)}, "page.html", {}, "'a' is empty"),
        ({"a": Audio(np.full(9, np.nan), RATE)}, "page.html", {}, "'a' .* not finite"),
        ({"a": Audio(np.full(9, 1.5), RATE)}, "page.html", {}, "'a' .* would clip"),
        ({"a": sine()}, "page.html", {"observations": {"b": "nice"}}, "observation on 'b'"),
        ({"a": sine()}, "page.html", {"template": [page.Section("a", "a", "")] * 2}, "one name"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(clips, name, more, message, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        write(tmp_path / "new" / name, clips, **more)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_too_much_sound_for_a_browser_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(page, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match=r"more than 0\.001 MB as FLAC"):
        write(tmp_path / "page.html", {"a": sine()})
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_pictures")
def test_an_error_leaves_the_page_of_before(monkeypatch, tmp_path):
    target = tmp_path / "page.html"
    target.write_text("before")

    def dump(stream, file, errors):
        Path(file).write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr("jinja2.environment.TemplateStream.dump", dump)
    with pytest.raises(OSError, match="disk full"):
        write(target, {"a": sine()})
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("page.html", b"before")]


@pytest.mark.parametrize("module", ["page", "report"])
def test_it_can_be_imported_alone_and_without_tensorflow(module):
    code = f"import sys, helpers.{module}; assert not {{'tensorflow', 'jinja2', 'matplotlib'}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


# ------------------------------------------------------------------------------------------------- in a real browser


class Visit:
    """The page, open in Chromium, and what it asked for and complained about."""

    def __init__(self, browser, path, **options):
        self.page = browser.new_page(**options)
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_function("() => [...document.querySelectorAll('audio')].every(a => a.readyState >= 1)")


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (requirements-dev.txt)")
    if CHROMIUM is None:
        pytest.skip("there is no chromium, chromium-browser or google-chrome on this machine")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def visit(browser, path):
    return Visit(browser, path)


def test_browser_has_nothing_to_complain_of_and_stays_on_the_page(visit, path):
    visit.page.wait_for_load_state("networkidle")
    assert visit.said == []
    assert visit.page.title() == NASTY
    elsewhere = [url for url in visit.asked if not url.startswith("data:")]
    assert elsewhere == [path.as_uri()]


def test_browser_plays_every_clip_at_its_length(visit, clips):
    heard = visit.page.evaluate(
        """() => Promise.all([...document.querySelectorAll("audio")].map(async player => {
            const bytes = Uint8Array.from(atob(player.src.split(",")[1]), letter => letter.charCodeAt(0));
            const sound = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(bytes.buffer);
            const peak = Math.max(...sound.getChannelData(0).map(Math.abs));
            return {duration: player.duration, error: player.error, decoded: sound.duration, peak,
                    channels: sound.numberOfChannels};
        }))"""
    )
    for name, sound in zip(["stereo ünï", NASTY, "silence"], heard, strict=True):
        clip = clips[name]
        assert sound["error"] is None
        assert sound["duration"] == pytest.approx(clip.seconds, abs=1e-3)
        assert sound["decoded"] == pytest.approx(clip.seconds, abs=1e-3)
        assert sound["channels"] == (1 if clip.samples.ndim == 1 else 2)
        assert sound["peak"] == pytest.approx(clip.peak, rel=0.1, abs=1e-6)  # resampled to 48 kHz


def test_browser_shows_every_picture(visit):
    widths = visit.page.evaluate("() => [...document.images].map(image => image.complete && image.naturalWidth)")
    assert widths == [round(page.WIDTH * page.DPI)] * 7


def test_browser_saves_the_report_under_its_name(visit, clips):
    with visit.page.expect_download() as download:
        visit.page.click("a[download]")
    assert download.value.suggested_filename.startswith("03_")
    assert Path(download.value.path()).read_text("utf-8") == clips[NASTY].report.to_json()


@pytest.mark.parametrize("width", [390, 1200])
def test_page_is_never_wider_than_the_window(browser, path, width):
    visit = Visit(browser, path, viewport={"width": width, "height": 800}, color_scheme="dark")
    assert visit.page.evaluate("() => document.documentElement.scrollWidth") == width


def test_page_prints(visit):
    printed = visit.page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert re.search(rb"/Type\s*/Page\b", printed)
    assert len(printed) > 10_000
    visit.page.emulate_media(media="print")
    hidden, shown = ["audio", "a[download]"], ["pre.table", "ul.settings", "figcaption .paper"]
    assert not any(visit.page.is_visible(selector) for selector in hidden)
    assert all(visit.page.is_visible(selector) for selector in shown)
    visit.page.emulate_media(media="screen")
    assert visit.page.is_visible("audio")
    assert not visit.page.is_visible("pre.table")
