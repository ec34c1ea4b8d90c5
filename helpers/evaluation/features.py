"""Features of notes for comparison: a coarse log-mel spectrogram, and the level of each semitone.

    features.log_mel(waves, 16000)      # float32 [n, 512], dB
    features.semitones(waves, 16000)    # float32 [n, 97], dB

The spectrogram describes the timbre at one pitch; the semitones show the pitch. Both are independent of a note's level.
They were designed for this project, and the bundled model was fitted with losses of the same kind, so check against
an embedding that was not used for fitting (`embedding.musicnn`).

Notebook: 12_measure.
"""

from __future__ import annotations

import itertools

import numpy as np

from .. import compiled

BANDS, FRAME, HOP = 64, 1024, 256  # mel bands; samples at 16 kHz, scaled to the same duration at other rates
EDGES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 4.0)  # s, intervals to average power over: finer at the onset
RANGE = 60.0  # dB below a note's loudest cell at which levels are clipped
REFERENCE_RATE = 16000  # Hz

LOWEST, COUNT = 24, 97  # MIDI pitch of the first semitone, and number of semitones
SEMITONE_FRAME = 16384  # samples at 16 kHz: a resolution of 1 Hz; the lowest semitones are 2 Hz apart
SEMITONE_SECONDS = (0.1, 1.2)  # the part of a note that is analysed


def log_mel(waves: np.ndarray, sample_rate: int) -> np.ndarray:
    """Coarse log-mel spectrograms of notes.

    Args:
      waves: [n, samples].
      sample_rate: Hz.

    Returns:
      float32 [n, BANDS * intervals], dB relative to the loudest cell of each note, from -RANGE to 0, one band after
      another. Notes of four seconds have eight intervals, shorter ones fewer.

    >>> import numpy as np
    >>> from helpers.evaluation import features
    >>> a4 = np.sin(2 * np.pi * 440 * np.arange(64000) / 16000)
    >>> features.log_mel(a4[None], 16000).shape
    (1, 512)
    """
    librosa = compiled.librosa()
    frame, hop = (round(size * sample_rate / REFERENCE_RATE) for size in (FRAME, HOP))
    found = []
    for wave in np.asarray(waves, np.float32):
        mel = librosa.feature.melspectrogram(y=wave, sr=sample_rate, n_fft=frame, hop_length=hop, n_mels=BANDS)
        edges = [round(edge * sample_rate / hop) for edge in EDGES]
        parts = [mel[:, a:b].mean(axis=1) for a, b in itertools.pairwise(edges) if a < mel.shape[1] - 1]
        found.append(_decibels(np.stack(parts, axis=1)).ravel())
    return np.stack(found)


def semitones(waves: np.ndarray, sample_rate: int) -> np.ndarray:
    """The level of each semitone of notes.

    Args:
      waves: [n, samples].
      sample_rate: Hz.

    Returns:
      float32 [n, COUNT], from MIDI pitch LOWEST upwards, dB relative to the loudest semitone, from -RANGE to 0.
    """
    start, stop = (round(seconds * sample_rate) for seconds in SEMITONE_SECONDS)
    part = np.asarray(waves, np.float32)[:, min(start, waves.shape[1] // 4) : stop]
    size = round(SEMITONE_FRAME * sample_rate / REFERENCE_RATE)
    part = part[:, :size]
    power = np.abs(np.fft.rfft(part * np.hanning(part.shape[1]).astype(np.float32), size)) ** 2
    hertz = np.fft.rfftfreq(size, 1 / sample_rate)
    number = np.full(len(hertz), -1)
    number[1:] = np.rint(69 + 12 * np.log2(hertz[1:] / 440)) - LOWEST
    levels = np.stack([power[:, number == i].sum(axis=1) for i in range(COUNT)], axis=1)
    return np.stack([_decibels(row) for row in levels])


def _decibels(power: np.ndarray) -> np.ndarray:
    loudest = power.max(initial=0.0)
    if loudest <= 0:
        return np.full(power.shape, -RANGE, np.float32)
    return (10 * np.log10(np.maximum(power / loudest, 10 ** (-RANGE / 10)))).astype(np.float32)
