"""Pictures of sound: constant-Q spectrograms and rainbowgrams, drawn on axes that can be compared.

Notebook: 06_compare.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from .audio import Audio

HOP = 256  # samples from column to column, 16 ms at 16 kHz
BINS_PER_OCTAVE = 40
LOWEST = "C1"  # the lowest pitch the models play; the original's C2 hides an octave of them
MOST_BINS = 316  # 7.9 octaves, to 7.7 kHz: as far as 16 kHz audio reaches
FILTER_SCALE = 0.8  # shorter filters than librosa's default, for sharper attacks
PEAK_DB = 70.0  # range shown, below the loudest bin


def cqt(audio: Audio, ax=None, title: str | None = None):
    """Draw a constant-Q spectrogram in decibels below its loudest bin.

    Args:
      audio: what to draw; stereo is mixed to mono.
      ax: matplotlib axes; new ones by default.
      title: written above.

    Returns:
      (the axes, decibels [bins, columns] from -PEAK_DB to 0).
    """
    level = _decibels(np.abs(_transform(audio)))
    image, ax = _draw(level, audio, ax, title, cmap="magma", vmin=-PEAK_DB, vmax=0.0)
    ax.figure.colorbar(image, ax=ax, label="level (dB)", pad=0.01)
    return ax, level


def rainbowgram(audio: Audio, ax=None, title: str | None = None):
    """Draw a rainbowgram: brightness is level, colour the phase advance a hop in units of pi.

    A steady partial keeps one colour. Source: Engel et al. 2017 (NSynth), appendix; the first column, a phase and not a
    difference, is left out, and the colours span -1 to 1 in every picture.

    Args and returns as for `cqt`, with the advance, [bins, columns], as the second value.
    """
    import matplotlib
    from matplotlib.colors import Normalize

    spectrum = _transform(audio)
    phase = np.unwrap(np.angle(spectrum), axis=1)
    advance = (np.diff(phase, axis=1) / np.pi + 1) % 2 - 1
    level = _decibels(np.abs(spectrum))[:, 1:] / PEAK_DB + 1.0
    rainbow = matplotlib.colormaps["rainbow"]
    colours = rainbow((advance + 1) / 2)[..., :3] * level[..., None]
    _, ax = _draw(colours, audio, ax, title)
    key = matplotlib.cm.ScalarMappable(Normalize(-1, 1), rainbow)
    ax.figure.colorbar(key, ax=ax, label="phase advance (π a hop)", pad=0.01)
    return ax, advance


def compare(clips: Mapping[str, Audio], draw=cqt):
    """One picture a clip, stacked over a shared time axis.

    Args:
      clips: name -> audio.
      draw: `cqt` or `rainbowgram`.

    Returns:
      The array of axes.
    """
    import matplotlib.pyplot as plt

    if not clips:
        raise ValueError("there is no clip to compare")
    size = (11, 2.6 * len(clips) + 0.4)
    _, axes = plt.subplots(len(clips), figsize=size, sharex=True, squeeze=False, layout="constrained")
    for ax, (name, clip) in zip(axes[:, 0], clips.items(), strict=True):
        draw(clip, ax=ax, title=name)
        ax.label_outer()
    axes[0, 0].set_xlim(0, max(clip.seconds for clip in clips.values()))
    return axes[:, 0]


def _transform(audio: Audio) -> np.ndarray:
    """Constant-Q transform, complex [bins, columns]."""
    import librosa

    samples = np.asarray(audio.mono, np.float32)
    if not len(samples) or not np.isfinite(samples).all():
        raise ValueError("the audio is empty or holds samples that are not finite numbers, so there is nothing to draw")
    lowest = librosa.note_to_hz(LOWEST)
    octaves = np.log2(audio.sample_rate / 2 / lowest) - 0.03  # the top filter has to fit below half the sample rate
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_fft=.*too large")  # in the lowest octaves of a short clip
        return librosa.cqt(
            y=np.pad(samples, (0, max(0, HOP + 1 - len(samples)))),  # two columns at least
            sr=audio.sample_rate,
            hop_length=HOP,
            fmin=lowest,
            n_bins=min(MOST_BINS, int(BINS_PER_OCTAVE * octaves)),
            bins_per_octave=BINS_PER_OCTAVE,
            filter_scale=FILTER_SCALE,
        )


def _decibels(magnitude: np.ndarray) -> np.ndarray:
    """Level below the loudest bin, from -PEAK_DB to 0; silence is -PEAK_DB throughout."""
    loudest = magnitude.max(initial=0.0)
    if loudest == 0:
        return np.full(magnitude.shape, -PEAK_DB)
    floor = 10 ** (-PEAK_DB / 20)
    return 20 * np.log10(np.maximum(magnitude / loudest, floor))


def _draw(image: np.ndarray, audio: Audio, ax, title: str | None, **kwargs):
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(11, 3.2), layout="constrained")
    top = image.shape[0] / BINS_PER_OCTAVE
    columns = 1 + len(audio.samples) // HOP  # a picture of differences has one less, the first
    left = max(0, columns - image.shape[1])
    extent = (left * HOP / audio.sample_rate, (left + image.shape[1]) * HOP / audio.sample_rate, 0.0, top)
    drawn = ax.imshow(image, origin="lower", aspect="auto", extent=extent, interpolation="nearest", **kwargs)
    ax.set_yticks(range(int(top) + 1), [f"C{octave + 1}" for octave in range(int(top) + 1)])
    ax.set(xlabel="time (s)", ylabel="pitch", title=title)
    ax.set_xlim(0, audio.seconds)
    ax.set_facecolor("black")  # what lies beyond a shorter clip is silence too
    return drawn, ax
