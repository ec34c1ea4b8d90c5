"""helpers.evaluation.evaluating, describing and results: what is measured, what is left out, and what is kept."""

import dataclasses
import json
import types

import numpy as np
import pytest
from matplotlib.figure import Figure

from helpers.evaluation import describing, evaluating, metrics, results
from helpers.evaluation.metrics import Interval
from helpers.evaluation.results import MODEL, OTHER, ROWS, Estimate, Evaluation
from helpers.gansynth.config import Config
from helpers.train import TINY

RATE, SAMPLES, PITCHES = 16000, 4096, (48, 55, 60, 67)
CONFIG = Config.from_dict(TINY)


def wave(instrument, pitch, detuned=0.0):
    """A plucked or held tone with ten partials that depend on the instrument."""
    rng, time = np.random.RandomState(instrument), np.arange(SAMPLES) / RATE
    hertz = 440 * 2 ** ((pitch - 69 + detuned / 100) / 12)
    levels, decay = np.exp(rng.normal(size=10)) / np.arange(1, 11), rng.uniform(0, 16)
    tone = sum(a * np.sin(2 * np.pi * k * hertz * time) for k, a in enumerate(levels, 1) if k * hertz < RATE / 2)
    return (0.1 * tone * np.exp(-decay * time) / np.abs(tone).max()).astype(np.float32)


class Tones:
    """A reference of instruments, each at a few pitches; `broken` numbers cannot be read."""

    def __init__(self, instruments=40, pitches=PITCHES, broken=()):
        keys = [(i, p) for i in range(instruments) for p in pitches]
        self.entries = [types.SimpleNamespace(instrument=f"i{i:03d}", pitch=p) for i, p in keys]
        self.identity, self._keys, self._broken, self.read_count = f"tones {len(keys)}", keys, broken, 0

    def read(self, indices):
        for number in sorted(np.asarray(indices).tolist()):
            self.read_count += 1
            yield number, "it is broken" if number in self._broken else wave(*self._keys[number])


class Model:
    """A model that plays such tones, the latent's number being the instrument, with something done to each."""

    name, fingerprint, precision, sample_rate, config, latent_vector_size = "mine", "f" * 64, "float32", RATE, CONFIG, 1

    def __init__(self, change=lambda samples, z, pitch: samples):
        self.change, self.made = change, 0

    def sample_z(self, n, seed):
        return 1000.0 + np.arange(n)[:, None]

    def generate(self, z, pitches, progress=True):
        self.made += len(pitches)
        return np.stack([self.change(wave(int(a), p), int(a), p) for (a,), p in zip(z, pitches, strict=True)])


def cheap(waves, pitches, sample_rate, tracked):
    """In place of `describing.describe`, which takes half a second a note: right values of its kind."""
    spectrum = np.log10(1e-3 + np.abs(np.fft.rfft(waves, axis=1))[:, :2048].reshape(len(waves), 64, 32).mean(axis=2))
    cents = np.zeros(len(waves))
    semitones = np.eye(128, dtype=np.float32)[np.asarray(pitches)]
    return {"pyin": cents, "swift_f0": cents, "mel": 10 * spectrum, "semitones": semitones, "musicnn": spectrum}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(describing, "describe", cheap)
    monkeypatch.setattr(metrics, "RESAMPLES", 40)


# ---- What is measured


@pytest.mark.slow
def test_three_rows_of_as_many_notes_each(quick):
    found = evaluating.evaluate(Model(), Tones(), n=80, seed=1, progress=False, named="tones")
    assert (found.model, found.reference, found.notes, found.seed) == ("mine", "tones", 80, 1)
    assert tuple(found.scores) == ROWS
    assert found.instruments[MODEL] == 80 // evaluating.NOTES_PER_LATENT
    assert found.scores[MODEL]["in_tune"].value == 100
    assert found.scores[MODEL]["diversity"].value > 1


@pytest.mark.slow
def test_a_right_model_scores_as_the_reference_against_itself_and_another_does_not(quick):
    right = evaluating.evaluate(Model(), Tones(60), n=120, progress=False).scores
    worse = evaluating.evaluate(Model(lambda x, z, p: np.diff(x, append=0)), Tones(60), n=120, progress=False).scores
    for metric in ("kid_mel", "kid_musicnn"):
        assert right[MODEL][metric].interval.low < right[OTHER][metric].interval.high
        assert worse[MODEL][metric].interval.low > right[OTHER][metric].interval.high
    assert worse[OTHER] == right[OTHER]  # the same notes, by the same seed


@pytest.mark.slow
def test_a_model_of_one_instrument_is_not_diverse(quick):
    one = evaluating.evaluate(Model(), Tones(), n=80, z=np.full((5, 1), 7.0), progress=False).scores
    many = evaluating.evaluate(Model(), Tones(), n=80, progress=False).scores
    assert one[MODEL]["diversity"].value < 0.01 < many[MODEL]["diversity"].value


@pytest.mark.slow
def test_what_would_mean_nothing_is_not_there(quick):
    few = evaluating.evaluate(Model(), Tones(), n=80, progress=False).scores[MODEL]
    more = evaluating.evaluate(Model(), Tones(100), n=150, progress=False).scores[MODEL]
    assert not {"ndb", "kid_mel", "kid_musicnn", "fad_musicnn"} & few.keys()
    assert {"kid_mel", "kid_musicnn", "fad_mel"} <= more.keys()
    assert "ndb" not in more


@pytest.mark.slow
def test_notes_without_a_pitch_are_not_in_tune(quick, monkeypatch):
    """A model of noise must not be judged by the few notes in which a tracker finds something."""

    def deaf(waves, pitches, sample_rate, tracked):
        cents = np.where(np.arange(len(waves)) % 2, np.nan, 0.0)
        return cheap(waves, pitches, sample_rate, tracked) | {"pyin": cents, "swift_f0": cents}

    monkeypatch.setattr(describing, "describe", deaf)
    scores = evaluating.evaluate(Model(), Tones(), n=80, progress=False).scores[MODEL]
    assert scores["in_tune"].value == scores["in_tune_swift_f0"].value == pytest.approx(50, abs=5)


@pytest.mark.slow
def test_swift_f0_is_not_asked_for_what_it_cannot_hear(quick, monkeypatch):
    def deaf(waves, pitches, sample_rate, tracked):
        return cheap(waves, pitches, sample_rate, tracked) | {
            "swift_f0": np.where(np.asarray(pitches) < 31, np.nan, 0.0)
        }

    monkeypatch.setattr(describing, "describe", deaf)
    scores = evaluating.evaluate(Model(), Tones(60, (28, 48)), n=60, progress=False).scores[MODEL]
    assert "in_tune_swift_f0" not in scores  # about thirty notes are left
    scores = evaluating.evaluate(Model(), Tones(105, (28, 48)), n=105, progress=False).scores[MODEL]
    assert scores["in_tune_swift_f0"].value == 100


@pytest.mark.slow
def test_trackers_hear_what_is_judged_and_not_what_it_is_compared_with(quick, monkeypatch):
    heard = []

    def counting(waves, pitches, sample_rate, tracked):
        heard.append((len(waves), int(np.sum(tracked))))
        return cheap(waves, pitches, sample_rate, tracked)

    monkeypatch.setattr(describing, "describe", counting)
    evaluating.evaluate(Model(), Tones(), n=64, progress=False)
    assert np.sum(heard, axis=0).tolist() == [4 * 64, 3 * 64]


def test_the_halves_of_a_reference_have_the_same_instruments_and_no_common_note():
    entries = Tones(30).entries
    fixed, other = evaluating._split(entries, 60, seed=3)
    assert not set(fixed) & set(other)
    assert len(fixed) == len(other) == 60
    assert {entries[i].instrument for i in fixed} == {entries[i].instrument for i in other}


@pytest.mark.slow
def test_all_that_is_random_has_the_seed(quick):
    found = [evaluating.evaluate(Model(), Tones(), n=60, seed=seed, progress=False) for seed in (5, 5, 6)]
    assert found[0] == found[1] != found[2]


# ---- Bad input


def test_too_few_notes_are_refused():
    with pytest.raises(ValueError, match="n is 10; at least 48 notes"):
        evaluating.evaluate(Model(), Tones(), n=10)
    with pytest.raises(ValueError, match="tones has 40 notes; at least 96 are needed"):
        evaluating.evaluate(Model(), Tones(10), n=100, named="tones")


@pytest.mark.parametrize("z", [np.zeros((0, 1)), np.zeros((3, 2)), np.full((3, 1), np.nan)])
@pytest.mark.slow
def test_latents_of_another_kind_are_refused(quick, z):
    with pytest.raises(ValueError, match=r"z has shape .* expected finite numbers \[count, 1\]"):
        evaluating.evaluate(Model(), Tones(), n=60, z=z, progress=False)


@pytest.mark.slow
def test_notes_that_cannot_be_used_are_left_out_of_all_rows(quick):
    found = evaluating.evaluate(Model(), Tones(broken=range(0, 160, 20)), n=80, progress=False)
    assert found.problems == ("it is broken",) * 8
    assert 70 <= found.notes < 80


@pytest.mark.parametrize("nothing", [0.0, np.nan])
@pytest.mark.slow
def test_silent_notes_of_the_model_count_as_wrong(quick, nothing):
    """Or a model that is silent where it fails would be better than one that is not."""
    whole = evaluating.evaluate(Model(), Tones(), n=80, progress=False)
    found = evaluating.evaluate(Model(lambda x, z, p: nothing * x if p == 48 else x), Tones(), n=80, progress=False)
    assert found.notes == whole.notes == 80
    assert 10 <= found.silent <= 30
    assert whole.silent == 0
    assert found.scores[MODEL]["fad_mel"].value > 2 * whole.scores[MODEL]["fad_mel"].value
    assert f"{found.silent} notes of mine are silent or not finite" in str(results.compare({"mine": found}))


@pytest.mark.slow
def test_an_interval_contains_its_number(quick):
    """A number at the least that it can be: resampled, it would lie below."""
    for row in evaluating.evaluate(Model(), Tones(), n=80, progress=False).scores.values():
        for name, (value, interval) in row.items():
            assert interval is None or interval.low <= value <= interval.high, name


@pytest.mark.slow
def test_what_a_classifier_says_that_is_mostly_wrong_is_left_out(quick, monkeypatch):
    names = {"pitch_entropy", "inception"}
    assert names <= evaluating.evaluate(Model(), Tones(20, range(48, 56)), n=80, progress=False).scores[MODEL].keys()
    monkeypatch.setattr(evaluating, "MIN_ACCURACY", 1.01)
    found = evaluating.evaluate(Model(), Tones(20, range(48, 56)), n=80, progress=False)
    assert not names & found.scores[MODEL].keys()
    assert "the classifier is too inaccurate" in str(results.compare({"mine": found}))


# ---- What is kept


@pytest.mark.slow
def test_a_call_that_was_stopped_goes_on_where_it_was(quick, tmp_path, monkeypatch):
    whole = evaluating.evaluate(Model(), Tones(), n=64, progress=False)

    class Stop(Exception):
        pass

    def change(samples, z, pitch):
        if model.made > 40:
            raise Stop
        return samples

    model = Model(change)
    with pytest.raises(Stop):
        evaluating.evaluate(model, Tones(), n=64, cache_dir=tmp_path, progress=False)
    assert list(tmp_path.rglob("*.npz"))
    again, tones = Model(), Tones()
    assert evaluating.evaluate(again, tones, n=64, cache_dir=tmp_path, progress=False) == whole
    assert tones.read_count == 0  # all of the reference was there
    assert again.made == 32  # half of the model's


@pytest.mark.slow
def test_damaged_files_are_made_anew(quick, tmp_path):
    whole = evaluating.evaluate(Model(), Tones(), n=64, cache_dir=tmp_path, progress=False)
    files = sorted(tmp_path.rglob("*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:100])
    files[1].write_bytes(b"")
    assert evaluating.evaluate(Model(), Tones(), n=64, cache_dir=tmp_path, progress=False) == whole


@pytest.mark.slow
def test_another_model_shares_the_reference_only(quick, tmp_path):
    evaluating.evaluate(Model(), Tones(), n=64, cache_dir=tmp_path, progress=False)
    other, tones = Model(lambda x, z, p: 0.5 * x), Tones()
    other.fingerprint = "e" * 64
    evaluating.evaluate(other, tones, n=64, cache_dir=tmp_path, progress=False)
    assert (tones.read_count, other.made) == (0, 64)


# ---- Results


def scores(**values):
    return {
        row: {name: Estimate(value, Interval(value - 1, value + 1)) for name, value in values.items()} for row in ROWS
    }


@pytest.fixture
def evaluation():
    return Evaluation(
        "demo",
        "abc",
        "soundfont:",
        100,
        dict.fromkeys(ROWS, 25),
        0,
        scores(in_tune=90.0, diversity=8.0),
        {"pitch": 0.9, "instrument": 0.6},
        ("a problem",),
    )


def test_results_are_read_back_as_they_were(evaluation, tmp_path):
    path = results.write(evaluation, tmp_path / "demo.json")
    assert results.read(path) == evaluation
    bare = dataclasses.replace(
        evaluation, scores={row: {"ndb": Estimate(3.0)} for row in ROWS}, classifier={}, problems=()
    )
    assert results.read(results.write(bare, path)) == bare


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other"}, "its schema is 'other'"),
        ({"notes": 0}, "notes"),
        ({"scores": {}}, "it must have the rows model, reference, round trip"),
        ({"scores": {row: {"in_tune": {"value": "x", "interval": None}} for row in ROWS}}, "scores"),
        ({"classifier": {"pitch": 0.5}}, "its classifier must have the accuracies of pitch and instrument"),
    ],
)
def test_other_files_are_refused_in_a_sentence(evaluation, tmp_path, change, message):
    path = results.write(evaluation, tmp_path / "demo.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match="is not a results file of an evaluation") as error:
        results.read(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_has_each_model_and_the_two_rows_to_read_them_against(evaluation):
    other = dataclasses.replace(evaluation, model="mine", scores=scores(in_tune=50.0))
    text = str(results.compare({"demo": evaluation, "mine": other}))
    lines = text.splitlines()
    assert lines[0].split("  ")[-1] == "better"
    for heading in ("demo", "mine", "reference against itself", "its round trip"):
        assert heading in lines[0]
    [row] = [line for line in lines if line.startswith("in tune within 25 cents, pYIN, %")]
    assert "90.0 (89.0 to 91.0)" in row
    assert "50.0 (49.0 to 51.0)" in row
    [row] = [line for line in lines if line.startswith("diversity")]
    assert "–" in row  # mine has none
    assert "100 notes in each column, compared with as many other notes of soundfont: (seed 0)." in lines
    assert any(line.startswith("Left out, because there are too few notes") and "NDB" in line for line in lines)
    assert "1 note of the reference could not be used and is left out; the first: a problem" in lines


def test_names_are_escaped_in_a_notebook(evaluation):
    assert "<b>x" not in results.compare({"<b>x": evaluation})._repr_html_()


@pytest.mark.parametrize(("field", "value"), [("reference", "nsynth"), ("notes", 50), ("seed", 1)])
def test_what_was_measured_otherwise_is_not_compared(evaluation, field, value):
    with pytest.raises(ValueError, match=f"mine was evaluated with {field}"):
        results.compare({"demo": evaluation, "mine": dataclasses.replace(evaluation, **{field: value})})
    with pytest.raises(ValueError, match="no evaluation"):
        results.compare({})


@pytest.mark.slow
def test_numbers_against_other_notes_of_one_source_are_not_compared(quick):
    """Other programs of one soundfont, say: its name and the number of notes are the same."""
    ours = evaluating.evaluate(Model(), Tones(24), n=48, progress=False)
    theirs = evaluating.evaluate(Model(), Tones(24, (49, 55, 60, 67)), n=48, progress=False)
    assert results.compare({"ours": ours, "again": evaluating.evaluate(Model(), Tones(24), n=48, progress=False)})
    with pytest.raises(ValueError, match="theirs and ours were evaluated with different notes of 'reference'"):
        results.compare({"ours": ours, "theirs": theirs})
    assert results.compare({"ours": ours, "unknown": dataclasses.replace(theirs, reference_notes="")})


def test_the_picture_has_a_panel_for_each_metric_and_a_line_for_each_row(evaluation):
    figure = results.plot({"demo": evaluation, "$mine": evaluation}, Figure())
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title() for ax in panels] == [results.METRICS[name].title for name in ("in_tune", "diversity")]
    labels = [label.get_text() for label in panels[0].get_yticklabels()]
    assert labels[0] == "demo"
    assert labels[1].endswith("$mine")
    points = [line for line in panels[0].lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == [90.0] * 4


def test_every_metric_says_what_it_sees_and_what_it_is_blind_to():
    for metric in results.METRICS.values():
        assert metric.sees
        assert metric.blind
        assert metric.better in ("higher", "lower", "like")


def test_the_round_trip_is_that_of_the_models_spectrograms():
    back = evaluating.round_trip(wave(1, 60), CONFIG)
    error = back - wave(1, 60)
    assert 0 < np.sum(error**2) < 0.2 * np.sum(wave(1, 60) ** 2)


@pytest.mark.slow
def test_the_reference_is_read_once(quick):
    tones = Tones()
    evaluating.evaluate(Model(), tones, n=60, progress=False)
    assert tones.read_count == 120
