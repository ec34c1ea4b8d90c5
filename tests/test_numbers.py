"""NumPy's scalars are numbers like others, wherever one enters: what is made with them can be saved and made again."""

import numpy as np
import pytest
from inputs import DATA, Stub

from helpers import instruments, midi, planning, render, report, widgets
from helpers.gansynth.config import Config
from helpers.gansynth.training import Settings
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note, Song, Track
from helpers.planning import Part

STUDY = DATA.parents[1] / "data" / "midi" / "study.mid"
ONE, TWO = Instrument("one", np.ones(4)), Instrument("two", -np.ones(4))


@pytest.fixture(scope="module")
def first_bar():
    """The second bar of a song, by the numbers of `midi.bars`."""
    song = midi.load(STUDY)
    bars = midi.bars(song)
    return midi.excerpt(song, bars[1], bars[2])


@pytest.fixture
def again(tmp_path):
    """Makes a clip again from its report."""

    def again(clip):
        assert "np." not in str(clip.report)
        path = clip.report.save(tmp_path / "clip.json")
        assert "np." not in path.read_text("utf-8")
        np.testing.assert_array_equal(render.reproduce(path, Stub(), progress=False).samples, clip.samples)

    return again


def play(song, *parts, **how):
    return render.render(Stub(), song, *parts, progress=False, **how)


@pytest.mark.parametrize(
    "how",
    [
        {}, {"seed": np.random.default_rng(1).integers(1000)}, {"seed": np.int32(5)}, {"batch_size": np.int64(3)},
        {"sample_rate": np.int64(22050)}, {"loudness": np.float32(-20)}, {"attack": np.float32(0.01)},
        {"velocity": np.int64(2)}, {"resolution": np.float32(0.5)}, {"stereo": np.bool_(True)},
        {"controllers": np.bool_(False)},
    ],
)  # fmt: skip
def test_renderings(first_bar, again, how):
    again(play(first_bar, **how))


def test_parts(first_bar, again):
    part = Part(ONE, np.bool_(False), np.bool_(False), gain=np.float32(-3), pan=np.float32(0.25))
    again(play(first_bar, {np.int64(1): part}))
    again(play(first_bar, Timeline([ONE, TWO], at=[np.float32(0), np.int64(1)])))
    again(play(first_bar, Timeline.random(Stub(), np.float32(5), np.int64(3), np.float32(2))))


def test_songs_put_together_by_hand(again, tmp_path):
    notes = Note(np.int64(60), np.uint8(90), np.float32(0), np.float32(1)), Note(90, 90, np.float64(0.5), np.int64(1))
    moves = {"volume": ((np.float32(0), np.float32(0.5)),), "bend": ((np.float32(0.25), np.int64(1)),)}
    track = Track("lead", np.int64(3), np.bool_(False), notes, moves)
    song = Song("hand", (track,), ((np.float32(0), np.float32(100)),), ((np.float64(0), np.int64(3), np.int64(4)),))
    clip = play(song)
    again(clip)
    assert report.page({"a": clip}, tmp_path / "a.html", progress=False).stat().st_size


def test_instruments(tmp_path):
    model, number = Stub(), np.random.default_rng(1).integers(1000)
    made = [*instruments.sample(model, np.int64(2), number), instruments.blend(ONE, TWO, np.float32(0.3))]
    path = instruments.save([*made, Instrument("own", np.ones(4), seed=number)], tmp_path / "some.json")
    assert [instrument.name for instrument in instruments.load(path)][-1] == "own"


def test_controls(tmp_path):
    bank = instruments.bank(Stub(), np.int64(1), np.int64(3), tmp_path / "bank.json")
    tune = widgets.Tune(bank, STUDY, seconds=np.float64(4.0))
    tune.set(np.int64(1), mute=np.bool_(True))
    assert tune.parts[1].mute is True
    random = widgets.RandomTimeline(bank, tune, seconds=np.float32(3), seed=np.int64(4))
    generate = widgets.Generate(Stub(), tune, seed=np.int64(3), loudness=np.float32(-20))
    assert "np." not in tune.code() + random.code() + generate.code()


def test_trainings():
    assert type(Config(audio_length=np.int64(64000)).audio_length) is int
    settings = Settings(batch_size_schedule=(np.int64(8), np.int64(4)), adam_beta1=np.float32(0.5))
    assert [type(size) for size in settings.batch_size_schedule] == [int, int]
    assert type(settings.adam_beta1) is float


def test_tracks_are_meant_by_number(first_bar):
    assert planning.resolve(Stub(), first_bar, {np.int16(1): ONE})[0].instrument.instruments == (ONE,)
