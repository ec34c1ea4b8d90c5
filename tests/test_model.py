"""The model as its users meet it: notes out, and a sentence for what cannot be played."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from inputs import golden, snr

import helpers
from helpers.gansynth import GANSynth, checkpoint

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def expected():
    return golden("tiny_stage12_gen")


@pytest.fixture(scope="module")
def waves(tiny, expected):
    """Four whole notes."""
    return tiny.generate(expected["z"][:4], expected["pitches"][:4])


def assert_same_notes(got, want):
    """Equal but for the rounding of a convolution of another shape."""
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * np.abs(want).max())


def test_notes_are_the_originals(waves, expected):
    assert waves.dtype == np.float32
    assert waves.shape == (4, 64000)
    assert snr(waves, expected["waves"]).min() > 65


def test_data_are_what_the_notes_are_made_of(tiny, waves, expected):
    from helpers.gansynth import spectral

    data = tiny.generate_data(expected["z"][:4], expected["pitches"][:4], batch_size=3)
    assert data.shape == (4, 128, 1024, 2)
    assert data.dtype == np.float32
    assert_same_notes(spectral.data_to_waves(data, tiny.config), waves)


@pytest.mark.parametrize("seconds", [1e-9, 0.3, 1.0, 2.77, 3.999, 4.0])
def test_less_of_a_note_is_its_beginning(tiny, waves, expected, seconds):
    got = tiny.generate(expected["z"][:4], expected["pitches"][:4], duration=seconds)
    samples = max(1, round(16000 * seconds))
    assert got.shape == (4, samples)
    np.testing.assert_allclose(got, waves[:, :samples], rtol=0, atol=1e-4 * np.abs(waves).max())


def test_a_note_of_a_new_length_compiles_nothing(tiny, expected):
    tiny.generate(expected["z"][:2], expected["pitches"][:2], 0.5)
    beginnings = tiny._beginnings[tiny.latent_vector_size]
    graphs = beginnings._draw.experimental_get_tracing_count()
    tiny.generate(expected["z"][:1], expected["pitches"][:1], 0.71)
    assert beginnings._draw.experimental_get_tracing_count() == graphs == 1


@pytest.mark.parametrize("batch_size", [1, 3, 8, 100])
def test_batches_do_not_matter(tiny, waves, expected, batch_size):
    got = tiny.generate(expected["z"][:4], expected["pitches"][:4], batch_size=batch_size, progress=False)
    assert_same_notes(got, waves)


@pytest.mark.parametrize("n", [1, 3, 5])
def test_notes_do_not_depend_on_their_company(tiny, expected, n):
    """A batch that is not full is filled up, and what fills it is not heard."""
    many = tiny.generate(expected["z"], expected["pitches"], duration=0.2)
    got = tiny.generate(expected["z"][8 - n :], expected["pitches"][8 - n :], duration=0.2, batch_size=4)
    assert_same_notes(got, many[8 - n :])


def test_one_latent_plays_many_pitches(tiny, expected):
    got = tiny.generate(expected["z"][0], [24, 60, 84], duration=0.2)
    want = tiny.generate(np.stack([expected["z"][0]] * 3), np.array([24, 60, 84]), duration=0.2)
    assert np.array_equal(got, want)
    assert np.abs(got[0] - got[1]).max() > 0.1 * np.abs(got).max()


def test_no_notes_are_no_notes(tiny):
    assert tiny.generate(np.empty((0, 256)), []).shape == (0, 64000)
    assert tiny.generate(np.zeros(256), [], duration=1).shape == (0, 16000)
    assert tiny.generate_data(np.empty((0, 256)), []).shape == (0, 128, 1024, 2)


@pytest.mark.parametrize(("n", "seed"), [(5, 7), (1, 0), (0, 3)])
def test_latents_are_those_the_original_draws(tiny, n, seed):
    state = np.random.get_state()[1].copy()
    assert np.array_equal(tiny.sample_z(n, seed), np.random.RandomState(seed).normal(size=[n, 256]))
    assert np.array_equal(np.random.get_state()[1], state)  # nobody else's chance is touched


def test_the_latents_of_the_golden_numbers_can_be_drawn_again(tiny, expected):
    assert np.array_equal(tiny.sample_z(8, 1234), expected["z"])


@pytest.fixture(scope="module")
def with_prior():
    """A model that says that its latents lie between its instruments."""
    found = checkpoint.read(DATA / "checkpoints" / "tiny_stage12")
    z = np.random.RandomState(0).normal(size=(5, 256))
    z *= 16 / np.linalg.norm(z, axis=1, keepdims=True)
    about = {"prior": "between voices", "instruments": [{"name": str(i), "z": list(row)} for i, row in enumerate(z)]}
    return GANSynth(dataclasses.replace(found, about=about))


def test_latents_of_a_model_with_a_prior_lie_between_two_of_its_instruments(with_prior):
    voices = np.array([row["z"] for row in with_prior.about["instruments"]])
    z = with_prior.sample_z(200, 3)
    assert z.shape == (200, 256)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 16)
    shares = np.sort(z @ np.linalg.pinv(voices), axis=1)
    np.testing.assert_allclose(shares[:, :3], 0, atol=1e-9)  # no more than two have a part in it
    assert (shares[:, 3:] > 0).all()
    pairs = {tuple(np.sort(np.argsort(row)[-2:])) for row in z @ np.linalg.pinv(voices)}
    assert len(pairs) == 10  # and any two may be drawn
    np.testing.assert_allclose(z @ np.linalg.pinv(voices) @ voices, z, atol=1e-9)
    ways = shares[:, 3] / shares[:, 4]
    assert ways.min() < 0.1
    assert ways.max() > 0.9


def test_more_latents_of_a_prior_begin_with_the_same(with_prior):
    assert np.array_equal(with_prior.sample_z(6, 5)[:4], with_prior.sample_z(4, 5))
    assert not np.array_equal(with_prior.sample_z(4, 5), with_prior.sample_z(4, 6))
    assert with_prior.sample_z(0, 1).shape == (0, 256)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"prior": "a sphere"}, "prior is 'a sphere'; this version supports only 'between voices'"),
        ({"prior": "between voices", "instruments": [{"name": "one", "z": [1.0] * 256}]}, "needs two instruments"),
    ],
)
def test_a_prior_that_cannot_be_drawn_from_is_refused(about, message):
    found = checkpoint.read(DATA / "checkpoints" / "tiny_stage12")
    with pytest.raises(ValueError, match=message):
        GANSynth(dataclasses.replace(found, about=about))


Z = np.zeros((2, 256))


@pytest.mark.parametrize(
    ("z", "pitches", "options", "said"),
    [
        (Z, [60], {}, r"z has shape \[2, 256\]; 1 pitches of this model need \[1, 256\]"),
        (Z[:, :255], [60, 61], {}, r"z has shape \[2, 255\]"),
        (np.zeros((2, 256, 1)), [60, 61], {}, r"z has shape \[2, 256, 1\]"),
        (np.zeros(255), [60], {}, r"z has shape \[1, 255\]"),
        (0.0, [60], {}, r"z has shape \[\]"),
        (Z, 60, {}, "whole MIDI numbers"),
        (Z, [[60, 61]], {}, "whole MIDI numbers"),
        (Z, [60.0, 61.0], {}, "whole MIDI numbers"),
        (Z, [True, False], {}, "whole MIDI numbers"),
        (Z, ["C4", "D4"], {}, "whole MIDI numbers"),
        (Z, [23, 60], {}, "24 to 84, not 23"),
        (Z, [60, 85], {}, "24 to 84, not 85"),
        (Z, np.array([-1, 200]), {}, "24 to 84, not -1, 200"),
        (Z, np.array([60, 255], np.uint8), {}, "24 to 84, not 255"),
        (Z + np.nan, [60, 61], {}, "not finite"),
        (Z - np.inf, [60, 61], {}, "not finite"),
        (Z, [60, 61], {"duration": 0}, "duration is 0; .* up to 4 s"),
        (Z, [60, 61], {"duration": 5}, "duration is 5; .* up to 4 s"),
        (Z, [60, 61], {"duration": -1.0}, "duration is -1; "),
        (Z, [60, 61], {"duration": float("nan")}, "duration is nan"),
        (Z, [60, 61], {"batch_size": 0}, "batch_size is 0"),
        (Z, [60, 61], {"batch_size": -8}, "batch_size is -8"),
    ],
)
def test_what_cannot_be_played_is_said_in_one_sentence(tiny, z, pitches, options, said):
    with pytest.raises(ValueError, match=said) as error:
        tiny.generate(z, pitches, **options)
    assert "\n" not in str(error.value)


def test_many_wrong_pitches_are_not_all_listed(tiny):
    with pytest.raises(ValueError, match=r"not 85, 86, 87, 88, 89 …$"):
        tiny.generate(np.zeros(256), range(85, 128))


def test_a_model_says_what_it_is(tiny):
    assert tiny.sample_rate == 16000
    assert tiny.max_duration == 4.0
    assert repr(tiny) == f"GANSynth('tiny', 64,687 weights, {tiny.fingerprint[:8]})"
    assert len(tiny.fingerprint) == 64


@pytest.mark.parametrize("module", ["helpers", "helpers.gansynth", "helpers.render"])
@pytest.mark.slow
def test_importing_is_not_yet_loading(module):
    """TensorFlow takes seconds to import, which whoever only looks at a MIDI file does not have to wait."""
    code = f"import sys, {module}; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    repository = Path(helpers.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
