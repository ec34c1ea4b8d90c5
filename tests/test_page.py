"""helpers.page: one file with everything in it, as a parser sees it and as a real browser does."""

import base64
import hashlib
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from inputs import RATE, Stub
from PIL import Image
from webpages import Page, Visit, content

from helpers import audio, demo, midi, page, render
from helpers.audio import Audio
from helpers.evaluation.agreement import Agreement
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note, Song, Track
from helpers.render import report
from helpers.render.types import Part

NASTY = "<script>alert('1')</script> & \"quotes\" $\\frac$"
WORDS = {
    "author": NASTY,
    "date": "1 May",
    "agreement": {NASTY: Agreement(0.98, 0.5, float("nan"))},
    "introduction": f"One.\n\n{NASTY}",
    "observations": {NASTY: NASTY},
    "template": [
        page.Section("stereo ünï", f"Of the template {NASTY}", NASTY),
        page.Section("later", "Later", "", NASTY),
    ],
}


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
    return page.write(clips, path, *args, **kwargs, progress=False)


@pytest.fixture
def no_pictures(monkeypatch):
    """They take a second a clip, and most tests are about something else."""
    monkeypatch.setattr(page, "_plot", no_picture)


def no_picture(draw, seconds, height, lossless=False):
    return page._Plot("data:,", seconds, [], [])


@pytest.fixture(scope="module")
def clips():
    silence = Audio(np.zeros(RATE // 2, np.float32), RATE)
    return {NASTY: rendered(loudness=-20.0), "stereo ünï": sine(0.7, 44100, 2), "silence": silence}


@pytest.fixture(scope="module")
def path(clips, tmp_path_factory):
    return write(tmp_path_factory.mktemp("page") / "new" / "page.html", clips, NASTY, **WORDS)


@pytest.fixture(scope="module")
def parsed(path):
    return Page(path)


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


def test_nothing_is_fetched_and_only_our_script_runs(parsed):
    ((attributes, script),) = parsed.all("script")
    assert not attributes
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()
    policy = parsed.attributes("meta", "content")[0]
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}';" in policy
    assert not re.search("https?://", parsed.html)
    for tag, attributes, _ in parsed.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "srcset", "poster"):
            assert attributes.get(name, "data:").startswith(("data:", "#")), tag


def test_names_from_outside_are_text(parsed):
    assert parsed.html.count("<script") == 1
    for text in (NASTY, "Loudness (LUFS)"):
        assert text in parsed.text
    (download,) = parsed.attributes("a", "download")
    assert re.fullmatch(r"03_[\w-]+\.json", download)
    assert f'render.reproduce("{download}", model)' in parsed.text  # the stub has no place to be loaded from


@given(st.text(min_size=1).filter(str.strip))
@settings(max_examples=30)
@pytest.mark.slow
def test_any_name_can_be_shown(tmp_path_factory, name):
    target = tmp_path_factory.getbasetemp() / "name.html"
    song = Song(name, (Track(name, 0, False, (Note(60, 90, 0, 1),)),))
    clip = render.render(Stub(), song, Instrument(name, np.ones(4)), progress=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "_plot", no_picture)
        parsed = Page(write(target, {name: clip}, name))
    shown = name.encode("utf-8", "replace").decode("utf-8")
    assert [text for _, text in parsed.all("h2")] == ["The score", shown]
    content(parsed.attributes("a", "href")[-1], "application/json")


def test_pictures_have_words(parsed):
    pictures = parsed.all("img")
    assert len(pictures) == 1 + 2 * 3
    for attributes, _ in pictures:
        assert len(attributes["alt"]) > 40
        picture = Image.open(io.BytesIO(content(attributes["src"], "image/webp")))
        assert (int(attributes["width"]), int(attributes["height"])) == picture.size
    captions = [text for _, text in parsed.all("figcaption")]
    assert sum("Constant-Q" in text for text in captions) == sum("Rainbowgram" in text for text in captions) == 3


@pytest.mark.slow
def test_no_figure_is_left_open_and_no_style_leaks_in(clips, tmp_path):
    before = plt.get_fignums()
    plain = write(tmp_path / "plain.html", clips)
    with plt.style.context("dark_background"):
        dark = write(tmp_path / "dark.html", clips)
    assert plt.get_fignums() == before
    assert plain.read_bytes() == dark.read_bytes()


@pytest.mark.slow
def test_equal_clips_give_equal_bytes(clips, path, tmp_path):
    again = write(tmp_path / "again.HTML", clips, NASTY, **WORDS)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_clips_of_a_kind_share_their_time_axis(tmp_path):
    path = write(tmp_path / "page.html", {"long": sine(2.0), "similar": sine(1.5), "short": sine(0.5)})
    ends = [a["data-seconds"] for a, _ in Page(path).all("div") if a.get("class") == "plot"]
    assert ends == ["2.000"] * 4 + ["0.500"] * 2


def test_labels_stand_where_their_tone_is(tmp_path):
    """The brightest row of a picture of an A4, against the labels of C4 and C5."""
    parsed = Page(write(tmp_path / "page.html", {"a": sine(1.0)}))
    picture = Image.open(io.BytesIO(content(parsed.attributes("img", "src")[0], "image/webp")))
    levels = np.asarray(picture.convert("L")).mean(axis=1)
    row = 1 - levels.argmax() / len(levels)  # from the bottom
    at = {label: float(share) / 100 for share, label in re.findall(r'bottom: ([\d.]+)%">(C\d)<', parsed.html)}
    assert row == pytest.approx(at["C4"] + (at["C5"] - at["C4"]) * 9 / 12, abs=0.01)


# -------------------------------------------------------------------------------------------------------------- content


def sounds(parsed):
    for attributes, _ in parsed.all("audio"):
        kind = attributes["src"].removeprefix("data:").partition(";")[0]
        yield attributes, kind, soundfile.read(io.BytesIO(content(attributes["src"], kind)), dtype="float32")


def test_sound_is_the_clips_own_and_in_step(clips, parsed):
    for name, (attributes, kind, (samples, rate)) in zip(["stereo ünï", NASTY, "silence"], sounds(parsed), strict=True):
        assert "controls" in attributes
        assert name in attributes["aria-label"]
        assert kind == "audio/mpeg"
        assert rate == clips[name].sample_rate
        assert samples.shape == clips[name].samples.shape  # without a delay of the encoder
        error = samples - clips[name].samples
        assert np.sum(error**2) <= 0.01 * np.sum(clips[name].samples ** 2)


@pytest.mark.usefixtures("no_pictures")
def test_sound_can_be_exact(clips, tmp_path):
    surround = sine(0.5, channels=4)
    path = write(tmp_path / "page.html", {**clips, "surround": surround}, sound="flac")
    named = {**clips, "surround": surround}
    for name, (_, kind, (samples, rate)) in zip(named, sounds(Page(path)), strict=True):
        assert kind == "audio/flac"
        assert rate == named[name].sample_rate
        np.testing.assert_allclose(samples, named[name].samples, atol=1 / 32768)
    with pytest.raises(ValueError, match=r"'surround' .* 4 channels"):
        write(tmp_path / "page.html", {"surround": surround})


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, *audio.MP3_KBITS, 96000])
def test_sound_of_any_rate_keeps_its_time(rate, channels, tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, (rate, channels)).astype(np.float32).squeeze()
    ((_, _, (samples, written)),) = sounds(Page(write(tmp_path / "page.html", {"a": Audio(noise, rate)})))
    assert len(samples) == pytest.approx(written, abs=2)  # a second; with an encoder's delay it would be more
    kbits = audio.MP3_KBITS[written][channels - 1]
    assert f"{written} Hz, {kbits} kbit/s" in (tmp_path / "page.html").read_text("utf-8")
    size = len(content(Page(tmp_path / "page.html").attributes("audio", "src")[0], "audio/mpeg"))
    assert size * 8 / 1000 == pytest.approx(kbits, rel=0.15)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.slow
def test_two_minutes_of_music_are_below_three_megabytes(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 120 * RATE).astype(np.float32)
    clips = {"reference": Audio(noise, RATE), "played": Audio(noise[::-1].copy(), RATE)}
    pictures = 4 * 130_000  # bytes of the pictures that this test leaves out, measured on music
    assert write(tmp_path / "page.html", clips).stat().st_size + pictures < 3e6


@pytest.mark.usefixtures("no_pictures")
def test_the_bar_is_there_where_there_is_something_to_compare(monkeypatch, tmp_path):
    def has_bar(clips):
        return "compare" in Page(write(tmp_path / "page.html", clips)).attributes("div", "id")

    assert has_bar({"a": sine(), "b": sine()})
    assert not has_bar({"a": sine()})
    monkeypatch.setattr(page, "MAX_COMPARED", 1.5)
    assert not has_bar({"a": sine(), "b": sine()})


def test_overview_says_how_clips_compare(clips, parsed):
    rows = [" ".join(text.split()) for _, text in parsed.all("tr")]
    loudness = f"{audio.loudness(clips[NASTY]):.1f}".replace("-", "−")
    assert loudness.startswith("−20")
    assert any(row.startswith(f"2 {NASTY}") and loudness in row and "6 of 798%50%–" in row for row in rows)
    assert any(row.startswith("3 silence") and "silent" in row and "none" in row for row in rows)


def test_seconds_loudness_and_peak_stand_under_their_heads(clips, parsed):
    cells = [(attributes["data-head"], text) for attributes, text in parsed.all("td") if "data-head" in attributes]
    measures = {
        "Seconds": lambda clip: f"{clip.duration:.1f}",
        "LUFS": lambda clip: f"{audio.loudness(clip):.1f}".replace("-", "−"),
        "Peak": lambda clip: f"{clip.peak:.2f}",
    }
    for head, measure in measures.items():
        shown = [text for name, text in cells if name == head]
        assert shown[:2] == [measure(clips[name]) for name in ("stereo ünï", NASTY)]


def test_each_picture_stands_over_its_own_caption(monkeypatch, tmp_path):
    """The constant-Q spectrogram is drawn red here, and the rainbowgram blue."""
    for name, colour in (("cqt", "red"), ("rainbowgram", "blue")):
        monkeypatch.setattr(page.spectrograms, name, lambda clip, ax, colour=colour: ax.set_facecolor(colour))
    figures = re.findall(r"<figure>.*?</figure>", write(tmp_path / "page.html", {"a": sine()}).read_text("utf-8"), re.S)
    colours = {}
    for figure in figures[1:]:  # after the player
        source, caption = re.search(r'src="([^"]*)"', figure)[1], re.search("<b>(.*?)</b>", figure)[1]
        picture = Image.open(io.BytesIO(content(source, "image/webp"))).convert("RGB")
        colours[caption] = "RGB"[int(np.argmax(np.asarray(picture).mean(axis=(0, 1))))]
        assert re.search('alt="([^"]*) of a:', figure)[1] == caption.rstrip(".")
    assert colours == {"Constant-Q spectrogram.": "R", "Rainbowgram.": "B"}


def test_a_rendering_says_how_it_was_made(clips, parsed):
    recipe = clips[NASTY].report.recipe
    for text in (
        recipe.model,
        recipe.precision,
        "7 for the instruments",
        "loudness=-20.0",
        "−3 dB",
        "0.1 s › b 0.5 s",
    ):
        assert text in parsed.text
    assert "the defaults" not in parsed.text
    assert str(clips[NASTY].report) in [text for _, text in parsed.all("pre")]
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


def test_score_names_programs_as_musicians_do(parsed):
    tracks = [" ".join(text.split()) for _, text in parsed.all("tr")][1:4]
    assert tracks[0].endswith("Acoustic Grand Piano3C4 to G4")
    assert tracks[1].startswith("2 bassAcoustic Bass3")
    assert tracks[2].startswith("3 kitDrums1")


@pytest.mark.usefixtures("no_pictures")
def test_author_and_date_are_shown_or_left_to_fill_in(tmp_path):
    def lines(**words):
        parsed = Page(write(tmp_path / "page.html", {"a": sine()}, **words))
        return [text for attributes, text in parsed.all("span") if attributes.get("class") == "fill"], parsed.text

    template = page.STUDENT_REPORT
    assert lines()[0] == []
    assert lines(template=template)[0] == ["Name:", "Date:"]
    assert lines(template=template, author="Ada")[0] == ["Date:"]
    blank, text = lines(template=template, author="Ada", date="1 May")
    assert not blank
    assert "Ada · 1 May · Made with" in text


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
@pytest.mark.slow
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


def test_a_report_has_a_section_for_each_checkpoint():
    assert [section.name for section in page.student_report(["demo"])] == [
        "original",
        "demo",
        "another interval",
        "custom",
    ]
    sections = page.student_report(["demo", "my/folder"])
    assert "the model that comes with the suite" in sections[1].text
    assert "The seed is the same" not in sections[1].text
    assert "checkpoint my/folder" in sections[2].text
    assert "The seed is the same" in sections[2].text
    assert all('gansynth.load("my/folder")' in section.code for section in sections[2:])
    for names, message in (
        ([], "name the checkpoints"),
        ("demo", "name the"),
        (["demo"] * 2, "'demo'"),
        (["custom"], "'c"),
    ):
        with pytest.raises(ValueError, match=message):
            page.student_report(names)


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("clips", "name", "more", "message"),
    [
        ({}, "page.html", {}, "no clip"),
        (sine(), "page.html", {}, "a dict from names to clips, not a Audio"),
        ({"a": sine()}, "page.pdf", {}, "must end in .html, which page.pdf does not"),
        ({7: sine()}, "page.html", {}, "not 7"),
        ({" ": sine()}, "page.html", {}, "not ' '"),
        ({"a": np.zeros(9)}, "page.html", {}, "'a' must be an audio.Audio, not a ndarray"),
        ({"a": Audio(np.zeros(0, np.float32), RATE)}, "page.html", {}, "'a' is empty"),
        ({"a": Audio(np.full(9, np.nan), RATE)}, "page.html", {}, "'a' .* not finite"),
        ({"a": Audio(np.full(9, 1.5), RATE)}, "page.html", {}, "'a' .* would clip"),
        ({"a": sine()}, "page.html", {"observations": {"b": "nice"}}, "observation on 'b'"),
        ({"a": sine()}, "page.html", {"agreement": {"b": Agreement(1, 1, 1)}}, "agreement of 'b'"),
        ({"a": sine()}, "page.html", {"sound": "wav"}, "'wav'; it can be 'mp3' or 'flac'"),
        ({"a": sine()}, "page.html", {"template": [page.Section("a", "a", "")] * 2}, "one name"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(clips, name, more, message, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        write(tmp_path / "new" / name, clips, **more)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_too_much_sound_for_a_browser_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(page, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"more than 0\.001 MB as MP3"):
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


@pytest.mark.parametrize("module", ["page", "render.report"])
@pytest.mark.slow
def test_it_can_be_imported_alone_and_without_tensorflow(module):
    code = f"import sys, helpers.{module}; assert not {{'tensorflow', 'jinja2', 'matplotlib'}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


# ------------------------------------------------------------------------------------------------- in a real browser


@pytest.fixture(scope="module")
def visit(chromium, path):
    return Visit(chromium, path)


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
        assert sound["duration"] == pytest.approx(clip.duration, abs=1e-3)
        assert sound["decoded"] == pytest.approx(clip.duration, abs=1e-3)
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


@pytest.mark.parametrize("width", [320, 390, 600, 1280])
def test_nothing_is_wider_than_the_window(chromium, path, width):
    visit = Visit(chromium, path, viewport={"width": width, "height": 800}, color_scheme="dark")
    assert visit.page.evaluate("() => document.documentElement.scrollWidth") == width
    beyond = visit.page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter(element => {
            const {right, width} = element.getBoundingClientRect();
            const isCut = element.scrollWidth > element.clientWidth;
            const isClosed = getComputedStyle(element).overflowX !== "visible";
            return !element.closest("thead, .clips span") && width && (right > innerWidth + 0.5 || (isCut && isClosed));
        }).map(element => `${element.tagName} ${element.className}: ${element.textContent.slice(0, 50)}`)"""
    )
    assert beyond == []
    visit.page.close()


# What was started and stopped in Web Audio: seconds of the context, of the clip, and of the clip's length.
LISTEN = """
window.told = [];
for (const name of ["start", "stop"]) {
    const method = AudioBufferSourceNode.prototype[name];
    AudioBufferSourceNode.prototype[name] = function (...times) {
        told.push([name, ...times, this.buffer.duration]);
        return method.apply(this, times);
    };
}
"""
STATE = """() => ({
    told,
    playing: document.getElementById("toggle").getAttribute("aria-label") === "Pause",
    chosen: [...document.querySelectorAll("[data-clip][aria-pressed=true]")].map(button => button.title).join(),
    position: Number(document.getElementById("position").value),
    sounding: [...document.querySelectorAll("audio")].filter(player => !player.paused).length,
    cursors: [...document.querySelectorAll(".cursor:not([hidden])")].map(cursor => parseFloat(cursor.style.left)),
})"""


@pytest.fixture
def deck(chromium, monkeypatch, tmp_path):
    """A page of clips that last 6, 7 and 8 s."""
    monkeypatch.setattr(page, "_plot", no_picture)
    path = write(tmp_path / "deck.html", {"six": sine(6), "seven": sine(7), "eight": sine(8)})
    context = chromium.new_context()
    context.add_init_script(LISTEN)
    visit = Visit(context, path)
    yield visit
    assert visit.said == []
    context.close()


def until(deck, what):
    """The state in which something first held, asked in one go: a clip can end before a slow machine asks again."""
    return deck.page.wait_for_function(f"() => {{ const state = ({STATE})(); return ({what}) && state; }}").json_value()


def test_bar_switches_clips_at_the_same_second(deck):
    deck.page.click("#toggle")
    until(deck, "state.position > 0.3")
    deck.page.click("[data-clip][title=eight]")
    state = until(deck, "state.told.length === 3")
    first, stop, second = state["told"]  # what sounds is told to stop before the next one starts
    assert (first[-1], second[-1]) == (pytest.approx(6, abs=1e-3), pytest.approx(8, abs=1e-3))
    assert second[2] - first[2] == pytest.approx(second[1] - first[1], abs=1e-6)  # goes on where the first one was
    assert stop[1:] == [pytest.approx(second[1] + 0.015), pytest.approx(6, abs=1e-3)]  # and that one has ended
    assert state["playing"]
    assert state["chosen"] == "eight"
    deck.page.click("#toggle")
    paused = until(deck, "!state.playing")
    deck.page.wait_for_timeout(200)
    assert deck.page.evaluate(STATE)["position"] == pytest.approx(paused["position"], abs=0.02)
    deck.page.click("[data-clip][title=seven]")  # while nothing sounds, it is only chosen
    assert not until(deck, "state.chosen === 'seven'")["playing"]


def test_bar_plays_from_where_a_picture_is_clicked(deck):
    box = deck.page.locator("[data-clip=clip-2].plot").first.bounding_box()
    deck.page.locator("[data-clip=clip-2].plot").first.click(position={"x": box["width"] / 2, "y": 20})
    state = until(deck, "state.playing && state.cursors[0] >= 50")  # drawn with the first frame of the sound
    assert state["chosen"] == "seven"
    (start,) = (row for row in state["told"] if row[0] == "start")
    assert start[2] == pytest.approx(4, abs=0.05)  # the axis of all ends at 8 s
    assert len(state["cursors"]) == 6
    assert all(50 <= at < 88 for at in state["cursors"])  # "seven" ends at 87.5 %


def test_only_one_sound_at_a_time(deck):
    play = "index => document.querySelectorAll('audio')[index].play()"
    deck.page.click("#toggle")
    until(deck, "state.playing")
    deck.page.evaluate(play, 0)
    state = until(deck, "!state.playing")
    assert state["sounding"] == 1
    assert [row[0] for row in state["told"]] == ["start", "stop"]  # it was stopped, and did not just end
    deck.page.evaluate(play, 1)
    until(deck, "state.sounding === 1")
    assert deck.page.evaluate("() => !document.querySelectorAll('audio')[1].paused")
    deck.page.click("#toggle")
    assert until(deck, "state.playing")["sounding"] == 0


def test_a_script_of_others_cannot_run(chromium, path, tmp_path):
    other = tmp_path / "other.html"
    other.write_text(path.read_text("utf-8").replace("</body>", "<script>document.title = 'other'</script></body>"))
    visit = Visit(chromium, other)
    assert visit.page.title() == NASTY
    assert "Content Security Policy" in " ".join(visit.said)
    visit.page.close()


def test_page_works_without_scripts(chromium, path):
    context = chromium.new_context(java_script_enabled=False)
    there = context.new_page()
    there.goto(path.as_uri())
    assert there.locator("audio").count() == 3
    assert not there.is_visible("#compare")
    context.close()


@pytest.mark.usefixtures("no_pictures")
def test_lines_of_an_observation_stay_lines(chromium, tmp_path):
    there = chromium.new_page()
    there.goto(write(tmp_path / "page.html", {"a": sine()}, observations={"a": "one\ntwo"}).as_uri())
    assert there.locator(".observation").inner_text() == "one\ntwo"
    there.close()


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="poppler is not installed (apt-get install poppler-utils)")
@pytest.mark.parametrize("paper", ["A4", "Letter", "A5"])
def test_no_heading_ends_a_printed_page(visit, tmp_path, paper):
    visit.page.pdf(path=tmp_path / "page.pdf", format=paper)
    command = ["pdftotext", "-layout", tmp_path / "page.pdf", "-"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    headings = visit.page.evaluate("() => [...document.querySelectorAll('h2, h3, summary')].map(h => h.textContent)")
    headings.remove(NASTY)  # other things are called like that
    pages = [[" ".join(line.split()) for line in part.splitlines() if line.strip()] for part in text.split("\f")]
    lasts = [lines[-1] for lines in pages if lines]
    assert len(lasts) >= 4
    assert not set(lasts) & set(headings)


def test_page_prints(visit):
    printed = visit.page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 5  # one for the score and all clips, one for each section
    assert len(printed) > 10_000
    visit.page.emulate_media(media="print")
    hidden, shown = ["audio", "a[download]", "#compare", "details", ".again"], ["figcaption .paper", "footer"]
    assert not any(visit.page.is_visible(selector) for selector in hidden)
    assert all(visit.page.is_visible(selector) for selector in shown)
    visit.page.emulate_media(media="screen")
    assert visit.page.is_visible("audio")
    assert not visit.page.is_visible("details pre")
