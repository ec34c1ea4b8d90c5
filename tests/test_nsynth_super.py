"""helpers.export.nsynth_super, whose pads an independent reader plays (nsynth_super_app.py)."""

import json

import numpy as np
import pytest
from inputs import DATA
from nsynth_super_app import App

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
