"""helpers.export.nsynth_super, whose pads an independent reader plays (nsynth_super_app.py)."""

import json
import re
import shutil

import numpy as np
import pytest
from inputs import DATA, RATE, Player
from nsynth_super_app import App

from helpers import export, instruments
from helpers.export import pads as pads_module
from helpers.instruments import Instrument

RECORDED = DATA / "nsynth_super"


def known_pad(folder, resolution, pitches, length):
    """The pad that the app was recorded with; see the README beside the recordings."""
    cells = np.arange(resolution**2)[:, None, None]
    hertz = 440 * 2 ** ((np.array(pitches)[:, None] - 69) / 12) * 2 ** (cells * 10 / 1200)
    rows = np.round(0.25 * 32767 * np.sin(2 * np.pi * hertz * np.arange(length) / 16000))
    (folder / "a_b_c_d.bin").write_bytes(rows.astype("<i2").tobytes())
    settings = {
        "nsynth": {"resolution": resolution, "pitches": pitches, "length": length, "looping": False},
        "corners": [{"instruments": [{"name": name, "display": name, "abbr": name}]} for name in "abcd"],
        "audio": {"sampleRate": 48000, "bufferSize": 128},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return App(folder, folder)


@pytest.mark.parametrize(
    ("name", "resolution", "pitches", "length"), [("a", 3, [36, 48, 60, 72], 8000), ("b", 11, [60], 2000)]
)
def test_the_reader_plays_what_the_app_plays(tmp_path, name, resolution, pitches, length):
    app = known_pad(tmp_path, resolution, pitches, length)
    cases = json.loads((RECORDED / "expected.json").read_text())[name]
    with np.load(RECORDED / f"{name}.npz") as file:
        recorded = file["w"]
    for case, expected in zip(cases, recorded, strict=True):
        got = app.play((10 * case["x"], 10 * case["y"]), case["note"], 127 * case["velocity"], held=0.12)
        np.testing.assert_allclose(got[: len(expected)], expected[: len(got)], atol=2e-3)
        np.testing.assert_allclose(got[900:5700], expected[900:5700], atol=1e-6)


class Organ(Player):
    """Each number of a latent is the level of a partial, in cosine phase: from a sound, one hears the latent."""

    latent_vector_size, cents, decay = 8, 0.0, 0.0

    def generate(self, z, pitches, duration=None, batch_size=8, progress=True):
        assert len(pitches) <= self.batch_size
        time = np.arange(round(duration * RATE)) / RATE
        hertz = 440 * 2 ** ((np.asarray(pitches)[:, None, None] - 69) / 12 + self.cents / 1200)
        partials = np.cos(2 * np.pi * hertz * (1 + np.arange(8))[:, None] * time) * np.exp(-self.decay * time)
        return np.einsum("np,npt->nt", np.asarray(z), partials).astype(np.float32)


def voice(partial, level=0.5, name=""):
    return Instrument(name or f"voice {partial}", level * np.eye(8)[partial], "stub", Player.fingerprint)


FOUR = [voice(partial) for partial in range(4)]
LOUDER = [voice(partial, 0.6) for partial in range(4)]
SMALL = {"pitches": [36, 48, 60], "resolution": 3, "progress": False}


def listened(sound, pitch):
    """The frequency of a sound that is about so high, in cents from there, and the levels of its eight partials."""
    sound = sound[round(0.02 * 48000) : round(0.14 * 48000)]  # before its partials are turned, for the loop
    window = np.hanning(len(sound))
    seconds = np.arange(len(sound)) / 48000

    def level(hertz):
        return 2 * np.abs(np.sum(sound * window * np.exp(-2j * np.pi * hertz * seconds))) / window.sum()

    hertz = 440 * 2 ** ((pitch - 69) / 12)
    strongest = 1 + int(np.argmax([level(hertz * (1 + partial)) for partial in range(8)]))
    cents = np.arange(-30, 30, 0.25)
    off = cents[np.argmax([level(strongest * hertz * 2 ** (c / 1200)) for c in cents])]
    return off, np.array([level(hertz * 2 ** (off / 1200) * (1 + partial)) for partial in range(8)])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pads")
    return export.nsynth_super(Organ(), FOUR, folder, **SMALL), App(folder, folder)


def test_every_place_of_the_touch_pad_plays_what_lies_there(exported):
    _, app = exported
    for touch in [(0, 0), (10, 0), (0, 10), (10, 10), (5, 5), (5, 0), (0, 5), (10, 5), (5, 10)]:
        expected = instruments.blend_square(FOUR, touch[0] / 10, touch[1] / 10).z
        _, levels = listened(app.play(touch, 48), 48)
        np.testing.assert_allclose(levels / np.linalg.norm(levels), expected / np.linalg.norm(expected), atol=0.03)


@pytest.mark.parametrize("note", [30, 36, 41, 42, 43, 48, 53, 60, 63])
def test_every_key_plays_its_pitch(exported, note):
    _, app = exported
    for partial, touch in enumerate([(0, 0), (10, 0), (0, 10), (10, 10)]):
        off, levels = listened(app.play(touch, note), note)
        assert abs(off) <= 1.5
        assert int(np.argmax(levels)) == partial  # and so it is not one of another octave
        assert levels.max() > 0.05


def test_a_note_that_is_out_of_tune_is_corrected(tmp_path):
    model = Organ()
    model.cents = 20.0
    export.nsynth_super(model, FOUR, tmp_path, **SMALL)
    for pitch in SMALL["pitches"]:
        off, _ = listened(App(tmp_path, tmp_path).play((0, 0), pitch), pitch)
        assert abs(off) <= 1.0


def test_the_settings_ask_for_the_files_that_are_there(exported):
    pads, app = exported
    assert {*app.pads.iterdir()} == {*app.files(), app.pads / "settings.json"} == {*pads.files}
    assert [file.stat().st_size for file in app.files()] == [3 * 3 * 3 * 60000 * 2] == [pads.size]
    assert (app.resolution, app.pitches, app.length, app.rate) == (3, [36, 48, 60], 60000, 16000)
    assert app.channel == 1  # where it is not written, it is 7
    assert app.output_rate == 48000
    assert app.buffer == 128


def test_rows_are_as_loud_as_they_may_be_and_fade(exported):
    pads, app = exported
    rows = np.abs(app.rows().astype(float)) / 32767
    peaks = 20 * np.log10(rows.max(axis=1))
    assert -30 <= peaks.min() < peaks.max() <= -11
    assert peaks.max() == pytest.approx(-12, abs=0.01) == pads.loudest
    assert peaks.min() == pytest.approx(pads.quietest, abs=0.01)
    ramp = np.arange(8) / 8
    assert (rows[:, :8] <= ramp * rows.max(axis=1, keepdims=True) + 1e-4).all()
    assert (rows[:, :-9:-1] <= ramp * rows.max(axis=1, keepdims=True) + 1e-4).all()
    assert rows[0, 8] > 0.9 * rows[0].max()  # no longer than that: a cosine begins at its loudest


def test_one_gain_for_all_and_what_is_too_soft_is_lifted(tmp_path):
    loud, soft, softer = voice(0, 0.8), voice(1, 0.2), voice(2, 0.004)
    pads = export.nsynth_super(
        Organ(), [loud, soft, softer, softer], tmp_path, resolution=2, pitches=[48], progress=False
    )
    peaks = 20 * np.log10(np.abs(App(tmp_path, tmp_path).rows().astype(float)).max(axis=1) / 32767)
    assert peaks == pytest.approx([-12, -12 - 12.04, -30, -30], abs=0.02)
    assert (peaks >= -30).all()
    assert pads.gain == pytest.approx(-12 - 20 * np.log10(0.8), abs=0.01)
    assert (pads.lifted, pads.silent) == (2, 0)
    assert "2 notes lifted" in repr(pads)


def test_silence_stays_silent_and_is_counted(tmp_path):
    pads = export.nsynth_super(
        Organ(), [*FOUR[:3], voice(3, 0.0)], tmp_path, resolution=2, pitches=[48], progress=False
    )
    assert pads.silent == 1
    assert not App(tmp_path, tmp_path).rows()[3].any()
    assert "1 note silent" in repr(pads)


# ---- Loops -----------------------------------------------------------------------------------------------------------


def turning(folder, note, touch=(5, 5), held=7.0):
    """The lowest and the highest level of a note while it is held, in dB around the middle one."""
    sound = App(folder, folder).play(touch, note, held=held)[4800 : round(held * 48000)]
    window = round(48000 / (440 * 2 ** ((note - 69) / 12)) * 2)  # two periods
    powers = (sound[: len(sound) // window * window].reshape(-1, window) ** 2).mean(axis=1)
    levels = 10 * np.log10(np.maximum(powers, 1e-12) / np.median(powers))
    return levels.min(), levels.max()


@pytest.mark.parametrize("note", [36, 38, 46, 48, 50, 60, 62])
def test_a_held_note_turns_without_a_hole_or_a_bump(exported, note):
    pads, app = exported
    for touch in [(0, 0), (10, 0), (0, 10), (5, 5)]:
        lowest, highest = turning(app.pads, note, touch)
        assert lowest > -3
        assert highest < 3
    assert pads.looping
    assert -3 < pads.turns[0] < pads.turns[1] < 3


def test_without_our_turns_there_are_holes(tmp_path, monkeypatch):
    monkeypatch.setattr(pads_module, "_with_turns", lambda note, pitch: note)
    pads = export.nsynth_super(Organ(), FOUR, tmp_path, **SMALL)
    assert min(turning(tmp_path, pitch, (0, 0))[0] for pitch in SMALL["pitches"]) < -3
    assert pads.turns[0] < -3  # and we say so


def test_where_a_wavering_partial_leaves_a_hole_the_other_angle_is_taken(monkeypatch):
    def deepest(note):
        note = pads_module._with_turns(note, 84)
        return min(level for turn in (pads_module.LOWER, pads_module.UPPER) for level in turn_levels(note, turn))

    turn_levels, time = pads_module._turn_levels, np.arange(60000) / RATE
    random = np.random.RandomState(0)
    notes = [
        sum(3000 * np.cos(2 * np.pi * (1046.5 + off) * time + phase) for off, phase in random.uniform(-9, 9, (5, 2)))
        for _ in range(20)
    ]
    with_choice = np.array([deepest(note) for note in notes])
    monkeypatch.setattr(pads_module, "HOLE", -np.inf)
    without = np.array([deepest(note) for note in notes])
    assert (with_choice >= without).all()
    assert (with_choice - without).max() > 1
    assert (without < -2).any()


def test_what_is_looped_has_the_one_gain_too(exported):
    pads, app = exported
    z = np.stack([instruments.blend_square(FOUR, x / 2, y / 2).z for y in range(3) for x in range(3)])
    for row, pitch in enumerate(app.pitches):
        expected = np.concatenate([Organ().generate(one[None], [pitch], 0.125) for one in z])  # before it is turned
        got = app.rows()[row :: len(app.pitches), : expected.shape[1]]
        np.testing.assert_allclose(got[:, 8:], (expected * 10 ** (pads.gain / 20) * 32767)[:, 8:], atol=3.0)


def test_the_loop_is_where_the_app_turns(exported):
    pads, app = exported
    assert app.turns() == (pads_module.UPPER, pads_module.LOWER)
    assert (
        max(*pads_module.UPPER, *pads_module.LOWER) < 32768
    )  # from there on, the app's pitch is off by up to 10 cents
    assert app.loop == (pads.loop_start, pads.loop_end)


@pytest.mark.slow
def test_what_dies_away_is_not_looped(tmp_path):
    model = Organ()
    model.decay = 2.0
    pads = export.nsynth_super(model, FOUR, tmp_path / "once", **SMALL)
    app = App(tmp_path / "once", tmp_path / "once")
    assert (pads.looping, pads.dying, pads.turns, app.looping) == (False, 1.0, None, False)
    assert not app.play((0, 0), 48, held=5.0)[round(3.8 * 48000) :].any()
    pads = export.nsynth_super(model, FOUR, tmp_path / "all", looping=True, **SMALL)
    assert pads.looping
    assert App(tmp_path / "all", tmp_path / "all").looping


def test_what_is_not_looped_is_as_the_model_made_it(tmp_path):
    pads = export.nsynth_super(Organ(), FOUR, tmp_path, looping=False, **SMALL)
    row = App(tmp_path, tmp_path).rows()[1]
    expected = Organ().generate(FOUR[0].z[None], [48], 3.75)[0] * 10 ** (pads.gain / 20) * 32767
    np.testing.assert_allclose(row[8:-8], expected[8:-8], atol=2.0)


# ---- Names -----------------------------------------------------------------------------------------------------------

HOSTILE = [
    *("Flute!", "flute", "../../etc/passwd", "q\"uo'te"),
    *("🎻", "x" * 300, "CON", "三味線"),
    "",
    "Soft Ünïcöde Pad",
]


@pytest.mark.slow
def test_hostile_names_give_files_that_the_app_finds(tmp_path):
    them = [voice(partial % 8, name=name or " ") for partial, name in enumerate(HOSTILE)]
    corners = [them[:4], them[4:8], them[8], them[9]]
    pads = export.nsynth_super(Organ(), corners, tmp_path / "pads", resolution=2, pitches=[48], progress=False)
    app = App(tmp_path / "pads", tmp_path / "pads")
    assert {*app.files()} == {*pads.files[:-1]}
    assert len({*app.files()}) == 16
    assert all(file.exists() and len(file.name) < 120 for file in app.files())
    assert [path.name for path in tmp_path.iterdir()] == ["pads"]
    rows = [row for corner in app.corners for row in corner]
    for key, form in (("name", "[a-z0-9]{1,24}"), ("display", "[A-Z0-9 ]{1,8}"), ("abbr", "[A-Z0-9]{2}")):
        assert all(re.fullmatch(form, row[key]) for row in rows)
        assert len({row[key] for row in rows}) == len(rows)
    assert rows[0]["name"] == "flute"
    assert rows[-1] == {"name": "softunicodepad", "display": "SOFT PAD", "abbr": "SU"}


@pytest.mark.slow
def test_a_dial_chooses_among_the_instruments_of_its_corner(tmp_path):
    corners = [[voice(0), voice(4)], voice(1), voice(2), [voice(3), voice(5), voice(6), voice(7)]]
    pads = export.nsynth_super(Organ(), corners, tmp_path, resolution=2, pitches=[48], progress=False)
    app = App(tmp_path, tmp_path)
    assert len(pads.files) == 9

    def loudest(touch):
        return int(np.argmax(listened(app.play(touch, 48), 48)[1]))

    assert (loudest((0, 0)), loudest((10, 10))) == (0, 3)
    app.turn(0, 1)
    app.turn(3, -1)  # from the first to the last
    assert (loudest((0, 0)), loudest((10, 0)), loudest((0, 10)), loudest((10, 10))) == (4, 1, 2, 7)


def test_one_instrument_in_two_corners_has_one_name(tmp_path):
    pads = export.nsynth_super(
        Organ(), [FOUR[0], voice(0), FOUR[1], FOUR[1]], tmp_path, resolution=2, pitches=[48], progress=False
    )
    assert pads.files[0].name == "voice0_voice0_voice1_voice1.bin"


# ---- Whole or not at all ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_stopping_leaves_what_was_there(tmp_path):
    with pytest.raises(InterruptedError, match="stopped; nothing was written"):
        export.nsynth_super(Organ(), FOUR, tmp_path / "new", stop=lambda: True, **SMALL)
    assert not [*tmp_path.iterdir()]
    before = export.nsynth_super(Organ(), FOUR, tmp_path / "pads", **SMALL)
    content = [path.read_bytes() for path in before.files]
    calls = iter([False, False, False, False, True])  # the last batch is done, and the pad is not
    with pytest.raises(InterruptedError):
        export.nsynth_super(Organ(), LOUDER, tmp_path / "pads", stop=lambda: next(calls), **SMALL)
    assert {*(tmp_path / "pads").iterdir()} == {*before.files}
    assert [path.read_bytes() for path in before.files] == content


def test_pads_of_the_same_names_are_replaced_and_no_others(tmp_path):
    small = SMALL | {"pitches": [48], "resolution": 2}
    first = export.nsynth_super(Organ(), FOUR, tmp_path / "pads", **small)
    content = [path.read_bytes() for path in first.files]
    with pytest.raises(FileExistsError, match=r"holds other files, such as voice0_voice1_voice2_voice3\.bin; name an"):
        export.nsynth_super(Organ(), FOUR[::-1], tmp_path / "pads", **small)
    assert [path.read_bytes() for path in first.files] == content
    export.nsynth_super(Organ(), LOUDER, tmp_path / "pads", **small, looping=False)
    assert [path.read_bytes() for path in first.files] != content


def test_the_settings_of_a_device_stay(tmp_path):
    (tmp_path / "settings.json").write_text('{"mine": 1}')
    for there in (FOUR[:0], FOUR[:1]):  # of two pads, one is there from before
        for _ in there:
            (tmp_path / "voice0_voice1_voice2_voice3.bin").write_bytes(b"mine")
        with pytest.raises(FileExistsError, match=r"holds other files, such as settings\.json"):
            export.nsynth_super(Organ(), [[voice(0), voice(5)], *FOUR[1:]], tmp_path, **SMALL)
    assert (tmp_path / "settings.json").read_text() == '{"mine": 1}'


def test_an_error_of_the_model_leaves_nothing(tmp_path):
    class Broken(Organ):
        def generate(self, *given, **how):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export.nsynth_super(Broken(), FOUR, tmp_path / "new", **SMALL)
    assert not [*tmp_path.iterdir()]


def test_room_is_looked_for_before_the_work_begins(tmp_path, monkeypatch):
    class Idle(Organ):
        def generate(self, *given, **how):
            raise AssertionError

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    with pytest.raises(OSError, match=r"1 pad of 3 MB take 0.00 GB, but the disk of .* has only 0.00 GB free"):
        export.nsynth_super(Idle(), FOUR, tmp_path / "new", **SMALL)
    assert not [*tmp_path.iterdir()]


ONE = FOUR[0]


@pytest.mark.parametrize(
    ("corners", "changes", "message"),
    [
        (FOUR[:3], {}, "a pad has four corners, not 3"),
        ([*FOUR[:3], []], {}, "a corner has 0 instruments; it must have 1, 2 or 4"),
        ([*FOUR[:3], FOUR[:3]], {}, "a corner has 3 instruments"),
        ([*FOUR[:3], "Harp"], {}, "a corner is 'Harp'; it must be an instrument or a list of instruments"),
        ([*FOUR[:3], [ONE, voice(0)]], {}, "a corner contains an instrument twice: voice 0, voice 0"),
        ([*FOUR[:3], Instrument("far", np.ones(8), "violins", "abc")], {}, "'far' was made for violins"),
        (ONE, {}, r"corners is Instrument\('voice 0'\); it must be a list of four"),
        ("Harp", {}, "corners is 'Harp'; it must be a list of four"),
        ([*FOUR[:3], None], {}, "a corner is None; it must be an instrument or a list"),
        (FOUR, {"pitches": 60}, "pitches must be increasing whole numbers"),
        (FOUR, {"resolution": 1}, "resolution is 1; it must be a whole number from 2 to 11"),
        (FOUR, {"resolution": 12}, "resolution is 12"),
        (FOUR, {"looping": (0.1, 0.2)}, r"looping is \(0.1, 0.2\); it must be True"),
        (FOUR, {"resolution": 9.0}, "resolution is 9.0"),
        (FOUR, {"pitches": []}, "pitches must be increasing whole numbers from 24 to 84"),
        (FOUR, {"pitches": [60, 48]}, "pitches must"),
        (FOUR, {"pitches": [23, 48]}, "pitches must"),
        (FOUR, {"pitches": [48, 85]}, "pitches must"),
        (FOUR, {"pitches": [48.5]}, "pitches must"),
        (
            [[voice(partial, level) for partial in range(4)] for level in (0.1, 0.2, 0.3, 0.4)],
            {"pitches": range(24, 85), "resolution": 11},
            "256 pads of 886 MB are more than 64 GB; use fewer pitches, cells or instruments per corner",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path, corners, changes, message):
    with pytest.raises(ValueError, match=message):
        export.nsynth_super(Organ(), corners, tmp_path / "new", **SMALL | changes)
    assert not [*tmp_path.iterdir()]


def test_a_network_of_the_published_layout(tiny, tmp_path):
    four = instruments.sample(tiny, 4, seed=1)
    pads = export.nsynth_super(tiny, four, tmp_path, resolution=2, pitches=[36, 60], progress=False)
    rows = App(tmp_path, tmp_path).rows()
    peaks = 20 * np.log10(np.abs(rows.astype(float)).max(axis=1) / 32767)
    assert (peaks >= -30).all()
    assert peaks.max() == pytest.approx(-12, abs=0.01)
    assert repr(pads).startswith("Pads(1 pad of 2 x 2 cells with 2 notes, 1 MB, peaks from -")
