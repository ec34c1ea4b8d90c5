"""Waveforms <-> the two images that GANSynth generates: log power and instantaneous frequency on a mel axis.

A note is [samples] of audio at 16 kHz or `data` of [128 frames, 1024 bins, 2]: channel 0 is a natural logarithm (of the
magnitude on a linear axis, of the power on a mel axis), channel 1 the phase advance from frame to frame in units of pi.
All functions take and return batches.

The original's constants and quirks are kept, because the published weights were trained with them: all padding is at
the start, DC is dropped, and the mel bands are shifted by an aliasing bug (`_mel_matrices`).

Source: Engel et al. 2019, section 2; SPEC section 6. Notebook: 06_compare.
"""

from __future__ import annotations

import functools

import numpy as np
import scipy.fft
import scipy.sparse

from .config import OVERLAP, Config

EPSILON = 1e-6  # added inside every logarithm: the softest magnitude that differs from silence
MEL_BREAK_HZ, MEL_HIGH_Q = 700.0, 1127.0  # the HTK mel formula
NARROWEST_BAND = 1.5  # a mel band may not be narrower than this many linear bins


def frames_for(samples: int, config: Config) -> int:
    """Number of frames needed for the first `samples` samples of a note to be exact.

    It never exceeds the model's frames: fewer frames overlap at the end of a whole note than elsewhere.
    """
    return min(-(-(samples + config.front_padding) // config.hop_length), config.frames)


@functools.lru_cache(maxsize=4)
def _hann(length: int) -> np.ndarray:
    """Periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def stft(waves: np.ndarray, config: Config) -> np.ndarray:
    """Short-time Fourier transform of whole notes.

    Args:
      waves: [batch, audio_length] samples.
      config: the frame and hop lengths.

    Returns:
      complex [batch, frames, bins + 1], DC first.

    Raises:
      ValueError: the notes do not have `audio_length` samples.
    """
    waves = np.asarray(waves, np.float64)
    if waves.ndim != 2 or waves.shape[1] != config.audio_length:
        raise ValueError(f"expected waves of shape [batch, {config.audio_length}], not {list(waves.shape)}")
    padded = np.pad(waves, [(0, 0), (config.front_padding, 0)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.frame_length, axis=1)[:, :: config.hop_length]
    return scipy.fft.rfft(frames * _hann(config.frame_length), axis=-1)


def synthesis_window(config: Config) -> np.ndarray:
    """The window by which frames are multiplied before overlap-add, float64 [frame_length].

    It is the Hann window divided by the sum of the squared windows that overlap, 1.5 everywhere at an overlap of 75 %.
    Source: Griffin & Lim 1984, eq. 7.
    """
    window = _hann(config.frame_length)
    return window / np.tile(np.sum(window.reshape(OVERLAP, config.hop_length) ** 2, axis=0), OVERLAP)


def istft(spectra: np.ndarray, config: Config) -> np.ndarray:
    """Inverse of `stft` by weighted overlap-add, for the first n frames of a note.

    The last frames of a note have no successors to overlap with, so its final 1536 samples fade out.

    Args:
      spectra: complex [batch, n, bins + 1], DC first.

    Returns:
      [batch, samples], float32 if the spectra are complex64, else float64; `audio_length` samples for a whole note.
    """
    hop = config.hop_length
    waves = scipy.fft.irfft(spectra, config.frame_length, axis=-1)
    waves *= synthesis_window(config).astype(waves.dtype)
    batch, frames = spectra.shape[:2]
    pieces = waves.reshape(batch, frames, OVERLAP, hop)
    out = np.zeros((batch, frames + OVERLAP - 1, hop), waves.dtype)
    for part in range(OVERLAP):
        out[:, part : part + frames] += pieces[:, :, part]
    return out.reshape(batch, (frames + OVERLAP - 1) * hop)[:, config.front_padding :]


def unwrap(phase: np.ndarray, axis: int = 1) -> np.ndarray:
    """Remove the jumps of 2 pi from a phase in radians."""
    return np.unwrap(phase, axis=axis)


def instantaneous_frequency(phase: np.ndarray, axis: int = 1) -> np.ndarray:
    """Phase advance per frame in units of pi; the first frame keeps its phase (divided by pi).

    Source: Engel et al. 2019, section 2.3; SPEC section 6.3.
    """
    unwrapped = unwrap(phase, axis)
    first = np.take(unwrapped, [0], axis=axis)
    return np.concatenate([first, np.diff(unwrapped, axis=axis)], axis=axis) / np.pi


@functools.lru_cache(maxsize=4)
def _mel_matrices(bins: int, sample_rate: int) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array]:
    top = sample_rate / 2
    frequencies = np.linspace(0.0, top, bins)  # the original's: DC is already gone, yet bin 0 counts as 0 Hz
    edges = np.linspace(0.0, _hz_to_mel(top), bins + 2)
    narrowest = NARROWEST_BAND * top / bins
    for i in range(bins):
        lower, centre, upper = edges[i : i + 3]
        if _mel_to_hz(upper) - _mel_to_hz(lower) < narrowest:
            half = np.arcsinh(0.5 * narrowest / (_mel_to_hz(centre) + MEL_BREAK_HZ)) * MEL_HIGH_Q
            # Widening a band also moves edges that its neighbours share. This is a bug in the original, where lower,
            # centre and upper edges are views of one array, but all published weights were trained with it.
            edges[i], edges[i + 2] = centre - half, centre + half
    hz = _mel_to_hz(edges)
    lower, centre, upper = hz[:-2], hz[1:-1], hz[2:]
    column = frequencies[:, None]
    rising, falling = (column - lower) / (centre - lower), (upper - column) / (upper - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights[0] = 0.0
    to_mel = scipy.sparse.csr_array(weights)
    sums = np.asarray((to_mel @ to_mel.T).sum(axis=0)).ravel()
    scale = np.where(np.abs(sums) > 1e-8, 1.0 / np.where(sums == 0, 1.0, sums), sums)
    to_linear = scipy.sparse.csr_array(to_mel.T @ scipy.sparse.diags_array(scale))
    return to_mel, to_linear


def _hz_to_mel(hz: float | np.ndarray) -> np.ndarray:
    return MEL_HIGH_Q * np.log1p(np.asarray(hz) / MEL_BREAK_HZ)


def _mel_to_hz(mel: float | np.ndarray) -> np.ndarray:
    return MEL_BREAK_HZ * np.expm1(np.asarray(mel) / MEL_HIGH_Q)


def mel_weights(config: Config) -> scipy.sparse.csr_array:
    """Linear bins -> mel bands, sparse float64 [bins linear, bins mel]. Source: SPEC section 6.2."""
    return _mel_matrices(config.bins, config.sample_rate)[0]


def mel_inverse_weights(config: Config) -> scipy.sparse.csr_array:
    """Mel bands -> linear bins, sparse float64 [bins mel, bins linear]: the transpose of `mel_weights`, rescaled.

    It is not an exact inverse: going to mel and back is lossy. Source: SPEC section 6.2.
    """
    return _mel_matrices(config.bins, config.sample_rate)[1]


def _along_bins(x: np.ndarray, matrix: scipy.sparse.csr_array) -> np.ndarray:
    """x @ matrix over the last axis of a [batch, frames, bins] array."""
    return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(*x.shape[:-1], matrix.shape[1])


def linear_to_mel(data: np.ndarray, config: Config) -> np.ndarray:
    """Log magnitude and frequency on a linear axis -> log power and frequency on the mel axis. [B, T, F, 2] both."""
    to_mel = mel_weights(config)
    power = _along_bins(np.exp(2.0 * data[..., 0]), to_mel)
    phase = _along_bins(_phase(data[..., 1]), to_mel)
    return np.stack([np.log(power + EPSILON), instantaneous_frequency(phase)], axis=-1)


def _phase(frequency: np.ndarray) -> np.ndarray:
    """The phase in radians, float64 [batch, frames, bins]: a cumulative sum, twenty times as fast as `np.cumsum`."""
    phase = frequency * np.float64(np.pi)
    for frame in range(1, phase.shape[1]):
        phase[:, frame] += phase[:, frame - 1]
    return phase


def mel_to_linear(data: np.ndarray, config: Config) -> np.ndarray:
    """Inverse of `linear_to_mel`, as far as the mel axis allows. [B, T, F, 2] both."""
    to_linear = mel_inverse_weights(config)
    power = _along_bins(np.exp(np.asarray(data[..., 0], np.float64)), to_linear)
    phase = _along_bins(_phase(data[..., 1]), to_linear)
    return np.stack([0.5 * np.log(power + EPSILON), instantaneous_frequency(phase)], axis=-1)


def waves_to_data(waves: np.ndarray, config: Config) -> np.ndarray:
    """Audio of whole notes -> spectrograms in data units.

    Args:
      waves: [batch, audio_length] samples.
      config: its `data_type` selects a mel or linear frequency axis.

    Returns:
      float32 [batch, frames, bins, 2], not normalised.
    """
    spectra = stft(waves, config)[:, :, 1:]
    data = np.stack([np.log(np.abs(spectra) + EPSILON), instantaneous_frequency(np.angle(spectra))], axis=-1)
    if config.data_type == "mel":
        data = linear_to_mel(data, config)
    return data.astype(np.float32)


def data_to_waves(data: np.ndarray, config: Config) -> np.ndarray:
    """Spectrograms in data units -> audio.

    Phases are summed in float64; everything else is float32, with rounding noise 120 dB below the sound. The original
    differentiates and sums the phase once more, which only adds multiples of 2 pi and rounding.

    Args:
      data: [batch, n, bins, 2], the first n frames, not normalised.

    Returns:
      float32 [batch, samples]: `audio_length` samples for a whole note, else all those covered by n frames.
    """
    magnitude, phase = np.exp(np.asarray(data[..., 0], np.float32, order="C")), _phase(data[..., 1])
    if config.data_type == "mel":
        to_linear = mel_inverse_weights(config)
        magnitude = np.sqrt(_along_bins(magnitude, to_linear.astype(np.float32)) + np.float32(EPSILON))
        phase = _along_bins(phase, to_linear)
    phase -= 2 * np.pi * np.rint(phase / (2 * np.pi))  # float32 is precise enough for one turn, not for hundreds
    phase = phase.astype(np.float32)
    spectra = np.zeros((*phase.shape[:2], config.bins + 1), np.complex64)  # bin 0, DC, stays 0
    np.multiply(magnitude, np.cos(phase), out=spectra.real[:, :, 1:])
    np.multiply(magnitude, np.sin(phase), out=spectra.imag[:, :, 1:])
    return istft(spectra, config)


def _affine(bins: int, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset for each value in a frame, [bins * 2]: NumPy is ten times as fast on it as on an axis of 2."""
    scale = np.array([config.mag_normalizer_a, config.p_normalizer_a], np.float32)
    return np.tile(scale, bins), np.tile(np.array([config.mag_normalizer_b, config.p_normalizer_b], np.float32), bins)


def normalize(data: np.ndarray, config: Config) -> np.ndarray:
    """Data units -> the generator's [-1, 1]. [..., bins, 2] both. Source: SPEC section 5."""
    scale, offset = _affine(data.shape[-2], config)
    rows = data.reshape(*data.shape[:-2], -1)
    return np.clip(rows * scale + offset, -1.0, 1.0).reshape(data.shape)


def denormalize(data: np.ndarray, config: Config) -> np.ndarray:
    """The generator's output -> data units. [..., bins, 2] both."""
    scale, offset = _affine(data.shape[-2], config)
    rows = data.reshape(*data.shape[:-2], -1)
    return ((rows - offset) / scale).reshape(data.shape)
