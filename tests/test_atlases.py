"""Atlases: what is described, kept, searched and compared; with made-up descriptions, so that answers are known."""

import numpy as np
import pytest
from inputs import described

from helpers import gansynth, instruments, timbre
from helpers.timbre import atlases, descriptors, families
from helpers.timbre.descriptors import CEPSTRA, NAMES


@pytest.fixture(scope="module")
def model():
    return gansynth.load("demo")


KINDS = {
    "Harp": described(brightness=0.8, attack=-1.9, decay=0.6, sustain=-30.0),
    "Sitar": described(brightness=3.0, attack=-1.9, decay=0.6, sustain=-30.0),
    "Fiddle": described(brightness=2.6, attack=-0.3, sustain=-1.0, decay=1.7),
    "Slow Cello": described(brightness=1.2, attack=-0.3, sustain=-1.0, decay=1.7),
    "Square": described(odd_even=20.0, sustain=-1.0, decay=1.7),
    "Noise": described(noisiness=-2.0),
}


@pytest.fixture(scope="module")
def made(tiny):
    z = np.random.RandomState(1).normal(size=(len(KINDS), tiny.latent_vector_size))
    chosen = [
        instruments.Instrument(name, one, tiny.name, tiny.fingerprint) for name, one in zip(KINDS, z, strict=True)
    ]
    return timbre.Atlas(tiny, chosen, np.stack(list(KINDS.values())))


def names(matches):
    return [match.instrument.name for match in matches]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("bright plucked", "Sitar"),
        ("dark plucked", "Harp"),
        ("Dark, percussive", "Harp"),
        ("bright bowed", "Fiddle"),
        ("hollow", "Square"),
        ("breathy", "Noise"),
        ("cello", "Slow Cello"),
        ("slow cello", "Slow Cello"),
    ],
)
def test_words_and_names_are_found(made, query, first):
    assert names(made.find(query, n=1)) == [first]


def test_comparisons_are_with_the_example_and_leave_it_out(made):
    assert names(made.find("darker", like="Fiddle", n=1)) == ["Slow Cello"]
    assert names(made.find("brighter", like="Harp", n=1)) == ["Sitar"]
    assert names(made.find("brighter", like=made["Slow Cello"], n=1)) == ["Fiddle"]
    assert "Fiddle" not in names(made.find(like="Fiddle", n=10))


def test_neighbours_come_nearest_first(made):
    found = made.neighbours("Fiddle", n=5)
    scores = [match.score for match in found]
    assert scores == sorted(scores, reverse=True)
    assert names(found)[0] == "Slow Cello"
    assert made.distances("Fiddle")[2] == 0


def test_a_handful_is_of_the_farthest(made):
    chosen = made.diverse(4)
    assert len({one.name for one in chosen}) == 4
    assert {"Square", "Noise"} <= {one.name for one in chosen}
    assert len(made.diverse(100)) == len(made)


@pytest.mark.parametrize(
    ("query", "like", "message"),
    [
        ("", None, "say what to look for"),
        ("darker", None, '"darker" than what'),
        ("brigt", None, "did you mean bright"),
        ("xyzzy", None, '"xyzzy" is not a known word; words are bright, dark, plucked'),
        (123, None, "find takes words, .* not 123"),
    ],
)
def test_what_cannot_be_searched_is_said(made, query, like, message):
    with pytest.raises(ValueError, match=message):
        made.find(query, like=like)


def test_an_unknown_name_is_answered_with_near_ones(made):
    with pytest.raises(KeyError, match="did you mean 'Fiddle'"):
        made["Fidle"]
    with pytest.raises(KeyError, match="no instrument of the atlas is called 0"):
        made[0]


def test_descriptions_have_medians_spread_and_words(tiny):
    one = instruments.Instrument("one", np.ones(256), tiny.name, tiny.fingerprint)
    two = instruments.Instrument("two", -np.ones(256), tiny.name, tiny.fingerprint)
    atlas = timbre.Atlas(tiny, [one, two], np.stack([described(spread=0.2, brightness=2.9, attack=-1.9), described()]))
    found = atlas.description("one")
    assert found.values["brightness"] == pytest.approx(2.9)
    assert found.spread["brightness"] == pytest.approx(0.2)
    assert "bright" in found.words
    assert found.family in families.FAMILIES
    assert f"{found.probability:.0%}" in str(found)
    assert atlas.description(one) == found == atlas.description(0)


def test_silent_instruments_are_left_out_and_silent_pitches_passed_over(tiny):
    chosen = [instruments.Instrument(str(i), np.full(256, i + 1.0), tiny.name, tiny.fingerprint) for i in range(3)]
    rows = np.stack([described(), described(brightness=2.0), described()])
    rows[0], rows[1, 0] = np.nan, np.nan
    atlas = timbre.Atlas(tiny, chosen, rows)
    assert [one.name for one in atlas.instruments] == ["1", "2"]
    assert atlas.description("1").values["brightness"] == pytest.approx(2.0)
    assert np.isfinite(atlas.probabilities).all()


def test_candidates_are_for_casting(made):
    found = made.candidates()
    assert [one.instrument for one in found] == made.instruments
    assert all(one.family in families.FAMILIES and 1 / 11 <= one.probability <= 1 for one in found)


@pytest.fixture
def counted(tiny, monkeypatch):
    """What `generate` was asked for; it plays sawtooth notes as bright as the latent's first number."""
    asked = []

    def generate(z, pitches, progress=True, **_):
        asked.append(len(pitches))
        seconds = np.arange(16000) / 16000
        notes = []
        for one, pitch in zip(z, pitches, strict=True):
            hertz = 440 * 2 ** ((pitch - 69) / 12)
            notes.append(sum(np.sin(2 * np.pi * k * hertz * seconds) * k ** (abs(one[0]) - 3) for k in range(1, 8)))
        return np.array(notes, np.float32)

    monkeypatch.setattr(tiny, "generate", generate, raising=False)
    return asked


@pytest.mark.slow
def test_what_was_described_is_kept(tiny, counted, tmp_path):
    first = timbre.atlas(tiny, n=20, folder=tmp_path, progress=False)
    assert sum(counted) == 60
    again = timbre.atlas(tiny, n=20, folder=tmp_path, progress=False)
    assert sum(counted) == 60
    assert np.allclose(first.values, again.values, atol=1e-4)
    timbre.atlas(tiny, n=20, seed=1, folder=tmp_path, progress=False)
    assert sum(counted) == 120


@pytest.mark.slow
def test_activations_of_the_first_layer_are_described_beside_latents(tiny, counted, tmp_path):
    size, longer = tiny.latent_sizes
    chosen = instruments.sample(tiny, 2, 0)
    freed = instruments.Instrument("freed", np.r_[chosen[0].z, np.ones(longer - size)], tiny.name, tiny.fingerprint)
    atlas = timbre.atlas(tiny, chosen=[*chosen, freed], folder=tmp_path, progress=False)
    assert sum(counted) == 9
    assert [len(one.z) for one in atlas.instruments] == [size, size, longer]
    assert atlas.description("freed").name == "freed"
    again = timbre.atlas(tiny, chosen=[*chosen, freed], folder=tmp_path, progress=False)
    assert sum(counted) == 9
    assert np.allclose(atlas.values, again.values, atol=1e-4)


@pytest.mark.slow
def test_work_that_was_stopped_goes_on(tiny, counted, tmp_path, monkeypatch):
    played = tiny.generate

    def stopping(z, pitches, **options):
        if sum(counted) >= 48:
            raise KeyboardInterrupt
        return played(z, pitches, **options)

    monkeypatch.setattr(tiny, "generate", stopping, raising=False)
    with pytest.raises(KeyboardInterrupt):
        timbre.atlas(tiny, n=40, folder=tmp_path, progress=False)
    monkeypatch.setattr(tiny, "generate", played, raising=False)
    counted.clear()
    assert len(timbre.atlas(tiny, n=40, folder=tmp_path, progress=False)) == 40
    assert sum(counted) == 3 * (40 - atlases.SAVE_EVERY)


def test_only_what_is_described_is_generated(tiny, monkeypatch):
    asked = []

    def generate(z, pitches, duration=None, progress=True):
        asked.append(duration)
        return np.zeros((len(pitches), 16000), np.float32)

    monkeypatch.setattr(tiny, "generate", generate, raising=False)
    some = instruments.sample(tiny, 2, 0)
    assert np.isnan(atlases.describe(tiny, some, progress=False)).all()
    assert asked == [min(descriptors.HELD, tiny.max_duration)]


@pytest.mark.slow
def test_another_precision_is_described_anew(tiny, counted, tmp_path, monkeypatch):
    timbre.atlas(tiny, n=4, folder=tmp_path, progress=False)
    monkeypatch.setattr(tiny, "precision", "bfloat16")
    timbre.atlas(tiny, n=4, folder=tmp_path, progress=False)
    assert sum(counted) == 24


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no", "cut"])
@pytest.mark.slow
def test_a_damaged_file_is_made_anew(tiny, counted, tmp_path, damage):
    timbre.atlas(tiny, n=4, folder=tmp_path, progress=False)
    (path,) = tmp_path.glob("*.npz")
    path.write_bytes(path.read_bytes()[:100] if damage == "cut" else damage)
    assert len(timbre.atlas(tiny, n=4, folder=tmp_path, progress=False)) == 4
    assert sum(counted) == 24


@pytest.mark.parametrize("n", [0, -1, 2.5, "x", None])
def test_a_number_of_instruments_is_a_whole_one(made, tiny, n):
    for call in (lambda: made.find("bright", n=n), lambda: made.diverse(n), lambda: timbre.atlas(tiny, n=n)):
        with pytest.raises(ValueError, match=r"n is .*; it must be a whole number of at least 1"):
            call()


def test_what_no_atlas_can_be_made_of_is_said(tiny, made):
    with pytest.raises(ValueError, match="chosen is empty"):
        timbre.atlas(tiny, chosen=[])
    with pytest.raises(ValueError, match="an audible instrument; all 6 are silent"):
        timbre.Atlas(tiny, made.instruments, np.full((6, 3, len(NAMES) + CEPSTRA), np.nan))
    with pytest.raises(TypeError, match="'Cello' is not an Instrument"):
        timbre.atlas(tiny, chosen=["Cello"])
    with pytest.raises(ValueError, match="there is no instrument 6; this atlas has 6, from 0"):
        made.description(6)


def test_the_size_is_bounded(tiny):
    with pytest.raises(ValueError, match="n is 1; an atlas can have from 2 to 10,000"):
        timbre.atlas(tiny, n=1)


def test_the_demos_atlas_is_bundled(model, monkeypatch):
    monkeypatch.setattr(model, "generate", None)  # it must not be needed
    atlas = timbre.atlas(model, folder="/nowhere")
    assert len(atlas) == atlases.SIZE
    assert names(atlas.find("violin", n=1)) == ["Violin"]
    own = {row["name"]: row["family"] for row in model.about["instruments"]}
    guessed = [atlas.description(name).family == family for name, family in own.items()]
    assert np.mean(guessed) > 0.5
