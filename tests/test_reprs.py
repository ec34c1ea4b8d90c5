"""What a cell ends with: one line for each object, small tables in a notebook, nothing in them that HTML could read."""

import dataclasses
import html.parser

import numpy as np
import pytest
from inputs import Stub

from helpers import instruments, render, timbre
from helpers.evaluation import agreement
from helpers.gansynth import hub
from helpers.gansynth.checkpoint import Checkpoint
from helpers.gansynth.config import Config
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note, Song, Track
from helpers.render import planning
from helpers.render.types import Part, Settings
from helpers.tables import counted, table

NAME = "三味線 & <b>おもちゃ</b>"
NOTES = tuple(Note(60 + i % 40, 90, i * 0.5, i * 0.5 + 5.0) for i in range(80))
SONG = Song("祭り <script>", (Track(NAME, 106, False, NOTES, {"pan": ((0.0, 0.5),)}), Track("Kit", 0, True, NOTES)))
BANK = [Instrument(f"voice {i}", np.eye(4)[i % 4] + i) for i in range(30)]
LONG = Timeline(BANK, at=np.arange(30) * 6.0)


@pytest.fixture(scope="module")
def clip():
    return render.render(Stub(), SONG, BANK[0], progress=False)


@pytest.fixture(scope="module")
def plan():
    return planning.plan(SONG, planning.resolve(Stub(), SONG, BANK[0]))


def objects(clip, plan):
    numbers = {"gain": np.float64(-3), "pan": np.float32(0.5)}
    rate = np.int64(16000)
    return {
        "Song": (SONG, "Song('祭り <script>', 2 tracks, 160 notes, 44.5 s)"),
        "Track": (SONG.tracks[0], f"Track({NAME!r}, program 106, 80 notes)"),
        "Clip": (clip, f"Clip({clip.duration:.2f} s, 16000 Hz, stereo, peak {clip.peak:.2f})"),
        "RenderReport": (clip.report, f"RenderReport('祭り <script>', 80 of 160 notes, {clip.duration:.1f} s, "),
        "Recipe": (clip.report.recipe, "Recipe('祭り <script>', played by 'stub' , seed 0)"),
        "Plan": (plan, "Plan(80 notes, 25 distinct, 44.5 s, 80 left out)"),
        "Timeline": (LONG, "Timeline(voice 0 at 0 s, voice 1 at 6 s, voice 2 at 12 s, voice 3 at 18 s, … 25 more …, "),
        "Part": (Part(BANK[0], **numbers), "Part(instrument=Instrument('voice 0'), mute=False, solo=False, gain=-3.0"),
        "Settings": (Settings(attack=np.float64(0.01), sample_rate=rate), "Settings(drums='skip', pitch='fold'"),
        "Config": (Config(), "Config(mel spectrograms of 128 x 1024, 4 s at 16000 Hz)"),
        "Checkpoint": (
            Checkpoint(Config(), {"w": np.zeros((2, 3))}, 12, 1000),
            "Checkpoint(6 weights, stage 12, 1,000",
        ),
        "CheckpointEntry": (hub.listing()[0], "CheckpointEntry('demo', bundled)"),
        "Layout": (timbre.Layout(np.zeros((9, 2)), (0.33, 0.2), ("", "")), "Layout(9 instruments, 33% and 20% of the"),
        "Agreement": (agreement.Agreement(0.5, 1.0, 0.25), "Agreement(chroma=0.5, onsets=1.0, pitch=0.25)"),
        "Instrument": (dataclasses.replace(BANK[0], seed=np.int64(3)), "Instrument('voice 0')"),
    }


def test_one_line(clip, plan):
    for value, expected in objects(clip, plan).values():
        assert repr(value).startswith(expected)
        assert "np." not in repr(value)
        assert "\n" not in repr(value)
        assert len(repr(value)) <= 260


def test_numbers_from_numpy_can_be_saved(tmp_path, clip):
    parts = {1: Part(BANK[0], gain=np.float32(-3), pan=np.float64(0.5))}
    made = render.render(Stub(), SONG, parts, default=BANK[1], sample_rate=np.int64(22050), progress=False)
    text = made.report.save(tmp_path / "report.json").read_text("utf-8")
    assert '"sample_rate": 22050' in text
    instruments.save([dataclasses.replace(BANK[0], seed=np.int64(3))], tmp_path / "bank.json")


class _Text(html.parser.HTMLParser):
    """The tags and the texts of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_tables_of_a_notebook(clip, plan):
    for value, expected in (
        (SONG, ["80", "program 106", "C4 to D♯7", "pan", NAME]),
        (clip.report, ["rendered", "drums (drums='synth' plays them)", "80 of 80", "voice 0", NAME]),
        (plan, ["80, of 25 distinct sounds", "looped", "left out, drums (drums='synth' plays them)"]),
    ):
        page = _Text(value._repr_html_())
        assert set(page.tags) <= {"div", "b", "table", "thead", "tbody", "tr", "th", "td"}
        for text in expected:
            assert any(text in shown for shown in page.texts), (text, page.texts)


def test_a_table_escapes_everything():
    page = table([("<i>", 1200), ("a & b", 3)], ("<u>", "n"), "<s>")
    assert _Text(page).texts == ["<s>", "<u>", "n", "<i>", "1,200", "a & b", "3"]
    assert "<i>" not in page


def test_counting_is_english():
    assert [counted(n, "note") for n in (0, 1, 1200)] == ["0 notes", "1 note", "1,200 notes"]
