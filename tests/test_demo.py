"""The bundled checkpoint, and what `make demo` makes of it."""

import contextlib
import io
import json

import numpy as np
import pytest

from helpers import audio, demo, gansynth, instruments, midi
from helpers.gansynth import hub
from helpers.pitch import pyin

pytestmark = pytest.mark.slow
FOLDER = hub.locate("demo")


@pytest.fixture(scope="module")
def model():
    return gansynth.load("demo")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs")
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        assert demo.main(folder) == 0
    (folder / "printed").write_text(out.getvalue() + err.getvalue(), "utf-8")
    return folder


def test_demo_says_what_to_open_in_few_lines(outputs):
    lines = (outputs / "printed").read_text("utf-8").splitlines()
    assert len(lines) < 8
    assert lines[lines.index(next(line for line in lines if "Open this" in line)) + 1].strip().endswith(".html")


def test_it_is_small_and_of_the_published_shape(model):
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 16e6
    assert (model.config.frames, model.config.bins, model.config.latent_vector_size) == (128, 1024, 256)
    assert model.config.num_resolutions == 7


def test_its_instruments_have_names_and_sounds_of_their_own(model):
    bank = instruments.named(model)
    assert len(bank) == 134
    assert {f"{name}, soft" for name in demo.PROGRAMME} <= set(bank)
    assert set(demo.PROGRAMME) <= set(bank)
    notes = model.generate(np.stack([bank[name].z for name in ("Flute", "Cello", "Marimba")]), [60] * 3)
    spectra = np.abs(np.fft.rfft(notes[:, 8000:24000]))
    spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
    likeness = spectra @ spectra.T
    assert likeness[np.triu_indices(3, 1)].max() < 0.95


def test_demo_writes_a_clip_as_long_as_the_score(outputs):
    clip = audio.read(outputs / "bach_prelude.wav")
    score = midi.load(demo.SCORE)
    assert np.isfinite(clip.samples).all()
    assert clip.peak <= 1.0
    assert clip.duration == pytest.approx(score.duration, abs=0.5)
    # It sounds throughout: in every second somebody plays.
    seconds = clip.samples[: int(score.duration) * clip.sample_rate].reshape(-1, clip.sample_rate)
    assert np.sqrt(np.mean(seconds**2, axis=1)).min() > 0.01


@pytest.mark.parametrize("name", ["bach_prelude_piano_roll.png", "bach_prelude_cqt.png"])
def test_demo_draws_pictures(outputs, name):
    import matplotlib.image

    picture = matplotlib.image.imread(outputs / name)
    assert min(picture.shape[:2]) > 300
    assert picture[..., :3].std() > 0.05  # something is drawn on it


def test_demo_writes_a_page_with_both_clips(outputs):
    text = (outputs / "bach_prelude.html").read_text("utf-8")
    assert text.count("<audio") == 2
    assert text.count("<img") == 5  # the score, and two of each clip


def test_the_measurements_are_those_of_these_weights(model):
    assert json.loads((FOLDER / "measurements.json").read_text())["fingerprint"] == model.fingerprint


def test_the_notes_of_the_demo_are_in_tune(model):
    """Of the pairs whose source note is in tune for pyin, at least 90 % are in tune (a sample of 40 pairs is heard)."""
    table = json.loads((FOLDER / "measurements.json").read_text())
    rows, tolerance = {pitch: row for row, pitch in enumerate(table["pitches"])}, 25
    played = [note.pitch for note in midi.load(demo.SCORE).notes]
    pitches = [pitch for pitch in rows if min(played) <= pitch <= max(played)]
    pairs = [(name, pitch) for name in table["cents"] for pitch in pitches]
    sources = [(pair, table["cents"][pair[0]]["loud"]["source"][rows[pair[1]]]) for pair in pairs]
    usable = [pair for pair, cents in sources if cents is not None and abs(cents) <= tolerance]
    assert len(usable) > 0.9 * len(pairs)

    heard = [usable[i] for i in np.random.RandomState(0).choice(len(usable), 40, replace=False)]
    bank = instruments.named(model)
    waves = model.generate(np.stack([bank[name].z for name, _ in heard]), [note for _, note in heard])
    # Where pYIN hears no pitch, this is NaN, which no comparison holds for.
    off = [pyin(wave, note, model.sample_rate) for (_, note), wave in zip(heard, waves, strict=True)]
    in_tune = np.sum(np.abs(off) <= tolerance)
    assert in_tune >= 0.9 * len(heard)


def test_tracks_and_drums_are_balanced_as_by_the_soundfont(model, balance):
    """`make bench-balance` on the score of this suite. By their peaks, tracks are off by 6 LU and the drums by 8."""
    tracks, drums = balance.compared(model, balance.excerpt(midi.load(balance.STUDY)), "loudness", 2.0)
    assert len(tracks) == 4
    assert np.median(np.abs(tracks)) < 4.5
    assert np.abs(tracks).max() < 6
    assert np.abs(drums).max() < 3
