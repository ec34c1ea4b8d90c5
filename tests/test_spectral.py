"""The transforms against the original's numbers.

The original's forward FFT is not ours: TensorFlow 2.9 ran Eigen's in float32, whose twiddle factors come from a
recurrence, and is off by up to 5.4e-6 of a frame's loudest bin. (With that FFT imitated, our log magnitudes agree with
the original's where they differ by 2e-3 now.) So what an exact transform can be held to is the error relative to that
loudest bin. Every other step is compared on the original's own input to it, and agrees everywhere.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inputs import formula_data, golden, harmonic_wave, snr

from helpers.gansynth import spectral
from helpers.gansynth.config import Config

MEL, LINEAR = Config(), Config(data_type="linear")
FFT_NOISE = 1e-5  # of a frame's loudest bin; 5.4e-6 measured
SMALL = {"num_resolutions": 3, "start_height": 8, "audio_length": 1000}  # 32 frames of 128 samples, 32 apart


@pytest.fixture(scope="module")
def expected():
    return golden("spectral")


@pytest.fixture(scope="module")
def waves(expected):
    return np.stack([harmonic_wave(*tone) for tone in zip(expected["pitches"], expected["wave_seeds"], strict=True)])


def wrapped(difference):
    """Differences of phase advances: 2 (in units of pi) is a whole turn, hence none."""
    return np.abs((difference + 1) % 2 - 1)


# ---- The mel axis


@pytest.mark.parametrize(("kind", "function"), [("l2m", spectral.mel_weights), ("m2l", spectral.mel_inverse_weights)])
def test_mel_matrices_are_the_originals(kind, function):
    numbers = golden("mel_matrices")
    dense = np.zeros(numbers["shape"])
    dense[numbers[f"{kind}_rows"], numbers[f"{kind}_cols"]] = numbers[f"{kind}_vals"]
    np.testing.assert_allclose(function(MEL).toarray(), dense, rtol=0, atol=1e-10)
    # They are applied to whole spectrograms: as a dense one each would take a thousand times the work.
    assert function(MEL).nnz < 2100


def test_mel_without_the_fft_is_the_originals(expected):
    """On the original's own linear spectrogram, so even the silent bins agree."""
    got = spectral.linear_to_mel(expected["specgrams_0"][None].astype(np.float64), MEL)[0]
    np.testing.assert_allclose(got, expected["melspecgrams_0"], rtol=0, atol=1e-4)


def test_mel_to_linear_is_the_originals(expected):
    got = spectral.mel_to_linear(expected["melspecgrams_0"][None], MEL)[:, ::8, ::4]
    np.testing.assert_allclose(got[0], expected["mel_to_spec_sub"][0], rtol=0, atol=1e-4)
    got = spectral.mel_to_linear(formula_data(), MEL)[:, ::8, ::4]
    np.testing.assert_allclose(got, expected["formula_spec_sub"], rtol=0, atol=1e-4)


# ---- Waves to data


def test_stft_is_the_originals(waves, expected):
    spectra = np.abs(spectral.stft(waves, MEL))
    assert spectra.shape == (3, 128, 1025)
    got = spectral.stft(waves, MEL)[:, ::8, 1::4]
    assert (np.abs(got - expected["stfts_sub"]) <= FFT_NOISE * spectra.max(-1, keepdims=True)[:, ::8]).all()


@pytest.mark.parametrize(
    ("config", "key", "power"),
    [(LINEAR, "specgrams", 1), (MEL, "melspecgrams", 2)],  # log magnitude on one axis, log power on the other
    ids=["linear", "mel"],
)
def test_data_is_the_originals(waves, expected, config, key, power):
    data = spectral.waves_to_data(waves, config)
    assert data.shape == (3, 128, 1024, 2)
    assert data.dtype == np.float32
    magnitude = np.exp(data[..., 0].astype(np.float64) / power)
    loudest = magnitude.max(-1, keepdims=True)
    # What the FFT's noise can do to the phase of a bin, in radians; to that of the frame before as well.
    turned = FFT_NOISE * loudest / magnitude
    turned[:, 1:] += turned[:, :-1].copy()
    heard = np.minimum(magnitude, np.roll(magnitude, 1, axis=1)) > np.exp(-6)
    first, every = np.index_exp[:1], np.index_exp[:, ::8, ::4]
    for part, original in ((first, expected[f"{key}_0"][None]), (every, expected[f"{key}_sub"])):
        original_magnitude = np.exp(original[..., 0].astype(np.float64) / power)
        loud = np.broadcast_to(loudest, magnitude.shape)[part]
        assert (np.abs(magnitude[part] - original_magnitude) <= FFT_NOISE * loud).all()
        advance = wrapped(data[part][..., 1] - original[..., 1])
        assert heard[part].sum() > 1000
        assert (np.pi * advance <= turned[part])[heard[part]].all()
        # The same in plain numbers, for the bins that make the sound.
        assert np.abs(data[part] - original)[original[..., 0] > -1].max() < 1e-4


# ---- Data to waves


def test_waves_of_the_originals_spectrogram(expected):
    got = spectral.data_to_waves(expected["specgrams_0"][None], LINEAR)[0]
    np.testing.assert_allclose(got, expected["waves_from_spec_0"], rtol=0, atol=1e-5)
    assert snr(got, expected["waves_from_spec_0"]) > 100


def test_waves_of_the_originals_mel_spectrogram(expected):
    got = spectral.data_to_waves(expected["melspecgrams_0"][None], MEL)
    assert got.shape == (1, 64000)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[0], expected["waves_from_mel"][0], rtol=0, atol=1e-5)
    assert snr(got[0], expected["waves_from_mel"][0]) > 100


def test_waves_of_a_formula(expected):
    got = spectral.data_to_waves(formula_data(), MEL)
    np.testing.assert_allclose(got, expected["formula_waves"], rtol=0, atol=1e-5)
    assert snr(got, expected["formula_waves"]).min() > 85


def test_there_and_back_is_the_originals(waves, expected):
    got = spectral.data_to_waves(spectral.waves_to_data(waves, MEL), MEL)
    assert snr(got, expected["waves_from_mel"]).min() > 65


def test_there_and_back_on_a_linear_axis_is_the_same_tone(waves):
    """Without the loss of the mel axis, and before the end where frames have no successors to overlap with."""
    got = spectral.data_to_waves(spectral.waves_to_data(waves, LINEAR), LINEAR)
    whole = slice(0, 64000 - 1536)
    assert snr(got[:, whole], waves[:, whole]).min() > 65


def test_istft_undoes_stft():
    noise = np.random.RandomState(0).normal(size=(2, 64000))
    got = spectral.istft(spectral.stft(noise, MEL), MEL)
    np.testing.assert_allclose(got[:, :-1536], noise[:, :-1536], atol=1e-12)
    assert np.abs(got[:, -1:] / noise[:, -1:]).max() < 0.01  # the end fades, as the original's does


# ---- Frames and samples


def test_frames_are_the_originals(expected):
    assert MEL.frame_length == expected["nfft"] == 2048
    assert MEL.hop_length == expected["nhop"] == 512
    assert MEL.front_padding == expected["pad_l"] == 3072


def test_padding_lies_in_front_only():
    """An impulse at the first sample is in the frames that reach across it; one at the last, in the last frame only."""
    waves = np.zeros((2, 64000))
    waves[0, 0] = waves[1, -1] = 1.0
    heard = np.abs(spectral.stft(waves, MEL)).max(-1) > 1e-9
    assert np.flatnonzero(heard[0]).tolist() == [3, 4, 5]  # of frame 6 it is the first sample, where the window is 0
    assert np.flatnonzero(heard[1]).tolist() == [127]


@settings(max_examples=60)
@given(samples=st.integers(1, SMALL["audio_length"]), seed=st.integers(0, 99), kind=st.sampled_from(["mel", "linear"]))
def test_few_frames_give_the_same_first_samples(samples, seed, kind):
    config = Config(**SMALL, data_type=kind)
    data = np.random.RandomState(seed).normal(size=(1, config.frames, config.bins, 2))
    frames = spectral.frames_for(samples, config)
    assert 0 < frames <= config.frames
    whole = spectral.data_to_waves(data, config)
    part = spectral.data_to_waves(data[:, :frames], config)[:, :samples]
    assert part.shape[1] == samples
    np.testing.assert_allclose(part, whole[:, :samples], atol=1e-6)


@pytest.mark.parametrize(("samples", "frames"), [(2, 7), (512, 7), (514, 8), (16000, 38), (62464, 128), (64000, 128)])
def test_no_more_frames_than_needed(samples, frames):
    assert spectral.frames_for(samples, MEL) == frames
    # The last of them is heard: with another in its place the samples differ.
    data = np.zeros((1, 128, 1024, 2))
    changed = data.copy()
    changed[0, frames - 1, :, 0] = 2.0
    first = spectral.data_to_waves(np.concatenate([data, changed]), MEL)[:, :samples]
    assert np.abs(first[0] - first[1]).max() > 0


# ---- Phases and units


def test_unwrapping_is_the_originals(expected):
    """Cases with jumps of exactly half a turn among them: in which direction those go is part of the format."""
    phase = expected["unwrap_in"]
    np.testing.assert_allclose(spectral.unwrap(phase), expected["unwrap_out"], rtol=0, atol=2e-6)
    np.testing.assert_allclose(spectral.instantaneous_frequency(phase), expected["ifreq_out"], rtol=0, atol=1e-6)


@given(seed=st.integers(0, 9999), axis=st.integers(0, 2))
def test_instantaneous_frequency_sums_up_to_the_phase(seed, axis):
    phase = np.random.RandomState(seed).uniform(-np.pi, np.pi, (5, 6, 7))
    frequency = spectral.instantaneous_frequency(phase, axis)
    turns = (np.cumsum(frequency * np.pi, axis=axis) - phase) / (2 * np.pi)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)
    assert np.abs(frequency).max() <= 1 + 1e-12


def test_normalizer_is_the_originals(expected):
    got = spectral.normalize(expected["melspecgrams_sub"], MEL)
    np.testing.assert_allclose(got, expected["normalized_sub"], rtol=0, atol=1e-6)
    got = spectral.denormalize(expected["normalized_sub"], MEL)
    np.testing.assert_allclose(got, expected["denormalized_sub"], rtol=1e-6, atol=1e-6)


def test_normalizer_clips_to_what_the_generator_can_draw():
    data = np.array([[100.0, 100.0], [-100.0, -100.0], [0.0, 0.5]], np.float32)
    got = spectral.normalize(data, MEL)
    assert got[:2].tolist() == [[1, 1], [-1, -1]]
    assert got[2] == pytest.approx([0.113718730221, 0.4])
    np.testing.assert_allclose(spectral.denormalize(got, MEL)[2], data[2], atol=1e-6)


@pytest.mark.parametrize("shape", [(64000,), (1, 63999), (1, 64001), (1, 64000, 1), ()])
def test_waves_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"\[batch, 64000\]"):
        spectral.waves_to_data(np.zeros(shape), MEL)


def test_no_waves_are_no_data():
    assert spectral.waves_to_data(np.zeros((0, 64000)), MEL).shape == (0, 128, 1024, 2)


def test_no_data_are_no_waves():
    assert spectral.data_to_waves(np.zeros((0, 128, 1024, 2)), MEL).shape == (0, 64000)
