"""Plots of audio: constant-Q spectrograms, rainbowgrams, mel spectrograms and waveforms.

Sounds are given as an `Audio` or an array of samples. Functions that plot one sound, or the difference between two,
return the axes and the plotted arrays; `compare` returns only the axes, and `constant_q` the transform without a plot.
Colour limits are fixed, so that plots can be compared. By default an `Audio` is first resampled to 16 kHz, the models'
sample rate, so that a hop has the same duration in all plots.

Notebook: 06_compare.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import audio as sound
from . import compiled, drawing
from .audio import Audio

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from .gansynth.config import Config

SAMPLE_RATE = 16000  # Hz; of sample arrays, and for plotting
HOP = 256  # samples; 16 ms at 16 kHz
BINS_PER_OCTAVE = 40
LOWEST = "C1"  # the models' lowest pitch; the original's C2 hides their lowest octave
FILTER_SCALE = 0.8  # shorter filters than librosa's default, for sharper attacks
PEAK_DB = 70.0  # range shown below the loudest bin
NETWORK_DB = 60.0  # range in plots of the network's output
DIFFERENCE_DB = 30.0  # range of differences, in both directions
CENTS = 50.0  # half a semitone, where the circular colour map of mode="detune" wraps around
HANN_BANDWIDTH = 1.5  # bins; bandwidth of the filters' window, to keep the highest filter below the Nyquist frequency
MEL_BANDS, MEL_WINDOW = 128, 1024  # number of bands, samples in each transform
HERTZ = np.array([100, 500, 1000, 2000, 4000, 8000, 16000])  # tick labels of mel axes
MAX_COLUMNS = 2000  # of an image; in longer clips, neighbouring columns are merged to their loudest
LEVEL_LABEL = "level (dB)"
COLOUR_LABELS = {"paper": "phase advance\n(half turns per hop)", "detune": "cents from the\nnearest semitone"}


class ConstantQ(NamedTuple):
    """A constant-Q transform with its axes.

    Attributes:
      spectrum: complex64 [bins, columns].
      frequencies: centre of each bin (Hz).
      hop: samples from one column to the next.
      sample_rate: sample rate (Hz).
    """

    spectrum: np.ndarray
    frequencies: np.ndarray
    hop: int
    sample_rate: int

    @property
    def seconds(self) -> np.ndarray:
        """Time of the centre of each column (s)."""
        return np.arange(self.spectrum.shape[1]) * self.hop / self.sample_rate

    def level(self, peak_db: float = PEAK_DB, loudest: float | None = None) -> np.ndarray:
        """Level [bins, columns] in dB relative to the magnitude `loudest` (by default the maximum), from -peak_db to 0.

        Silence is -peak_db throughout.
        """
        magnitude = np.abs(self.spectrum)
        loudest = loudest or magnitude.max(initial=0.0)
        if loudest == 0:
            return np.full(magnitude.shape, -peak_db, np.float32)
        return 20 * np.log10(np.clip(magnitude / loudest, 10 ** (-peak_db / 20), 1.0))

    def advance(self) -> np.ndarray:
        """Phase advance per hop, [bins, columns - 1], in half turns from -1 to 1.

        For a steady partial of frequency f it is constant: 2 f hop / sample_rate, up to whole turns.
        """
        return np.angle(self.spectrum[:, 1:] * np.conj(self.spectrum[:, :-1])) / np.float32(np.pi)

    def detune(self) -> np.ndarray:
        """`advance` minus the phase advance of each bin's centre frequency, in half turns.

        It is 2 hop / sample_rate for each hertz of deviation from that frequency.
        """
        own = np.exp(-2j * np.pi * self.frequencies * self.hop / self.sample_rate).astype(np.complex64)
        return np.angle(self.spectrum[:, 1:] * np.conj(self.spectrum[:, :-1]) * own[:, None]) / np.float32(np.pi)

    def cents(self) -> np.ndarray:
        """Deviation from the nearest semitone (A4 = 440 Hz) in cents, [bins, columns - 1], from -50 to 50.

        A partial has the same value in all bins to which it extends.
        """
        frequency = self.frequencies[:, None] + self.detune() * (self.sample_rate / 2 / self.hop)
        cents = 1200 * np.log2(np.maximum(frequency, 1.0) / 440.0)
        return (cents + CENTS) % (2 * CENTS) - CENTS


@functools.cache
def warm_up() -> threading.Thread:
    """Import librosa once in a background thread, since it takes two seconds.

    Errors are ignored here, because they are raised again where librosa is needed.

    Returns:
      The thread; there is no need to wait for it.
    """

    def load() -> None:
        # Numba iterates over Python's builtins, and fails if IPython adds one meanwhile.
        with contextlib.suppress(Exception):
            compiled.librosa()

    thread = threading.Thread(target=load, name="import librosa", daemon=True)
    thread.start()
    return thread


def constant_q(
    audio: Audio | np.ndarray,
    sample_rate: int = SAMPLE_RATE,
    hop: int = HOP,
    bins_per_octave: int = BINS_PER_OCTAVE,
    fmin: str | float = LOWEST,
    filter_scale: float = FILTER_SCALE,
) -> ConstantQ:
    """Constant-Q transform from `fmin` to half the sample rate, computed by librosa.

    Args:
      audio: an `Audio`, or samples [n] or [n, channels]; channels are mixed to mono.
      sample_rate: sample rate (Hz) of an array of samples; an `Audio` is resampled to it.
      hop: samples from one column to the next.
      bins_per_octave: number of bins per octave.
      fmin: lowest bin, as the name of a note or in Hz.
      filter_scale: relative length of the filters; smaller values give a higher resolution in time, but a lower one in
        frequency.

    Raises:
      ValueError: the samples are empty, not finite, or not of one or two dimensions; or a parameter is out of range.

    >>> import numpy as np
    >>> from helpers import spectrograms
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> q = spectrograms.constant_q(tone)
    >>> q.spectrum.shape, round(float(q.frequencies[np.abs(q.spectrum).sum(axis=1).argmax()]))
    ((316, 63), 440)
    """
    librosa = compiled.librosa()

    samples = _samples(audio, sample_rate)
    if not (hop >= 1 and bins_per_octave >= 1 and filter_scale > 0):
        raise ValueError("hop and bins_per_octave must be 1 or more, and filter_scale above 0")
    try:
        lowest = float(librosa.note_to_hz(fmin) if isinstance(fmin, str) else fmin)
    except librosa.ParameterError:
        raise ValueError(f"fmin is {fmin!r}; it must be a note like 'C1', or a frequency in Hz") from None
    # The highest filter must end below half the sample rate.
    ratio = 2 ** (2 / bins_per_octave)
    width = 1 + HANN_BANDWIDTH / 2 * (ratio - 1) / (ratio + 1) / filter_scale
    bins = int(bins_per_octave * np.log2(sample_rate / 2 / lowest / width)) if 0 < lowest < sample_rate / 2 else 0
    if bins < 1:
        raise ValueError(
            f"fmin is {fmin!r}; it must be above 0 and well below {sample_rate / 2:g} Hz, half the sample rate"
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_fft=.*too large")  # for the lowest octaves of a short clip
        spectrum = librosa.cqt(
            y=np.pad(samples, (0, max(0, hop + 1 - len(samples)))),  # at least two columns
            sr=sample_rate,
            hop_length=hop,
            fmin=lowest,
            n_bins=bins,
            bins_per_octave=bins_per_octave,
            filter_scale=filter_scale,
        )
    return ConstantQ(spectrum, lowest * 2 ** (np.arange(bins) / bins_per_octave), hop, sample_rate)


def cqt(
    audio: Audio | np.ndarray,
    sample_rate: int = SAMPLE_RATE,
    hop: int = HOP,
    bins_per_octave: int = BINS_PER_OCTAVE,
    fmin: str | float = LOWEST,
    filter_scale: float = FILTER_SCALE,
    peak_db: float = PEAK_DB,
    ax: Axes | None = None,
    title: str | None = None,
) -> tuple[Axes, np.ndarray]:
    """Plot a constant-Q spectrogram in dB relative to its loudest bin.

    Args:
      audio, sample_rate, hop, bins_per_octave, fmin, filter_scale: as for `constant_q`.
      peak_db: range shown below the loudest bin (dB).
      ax: matplotlib axes; new ones by default.
      title: title of the plot.

    Returns:
      (axes, level [bins, columns] in dB, from -peak_db to 0).

    >>> import numpy as np
    >>> from helpers import spectrograms
    >>> ax, level = spectrograms.cqt(np.sin(2 * np.pi * 440 * np.arange(16000) / 16000), title="A4")
    >>> level.shape, float(level.min()), float(level.max())
    ((316, 63), -70.0, 0.0)
    """
    q = constant_q(audio, sample_rate, hop, bins_per_octave, fmin, filter_scale)
    ax = _axes(ax)
    key, level = _draw_cqt(ax, q, peak_db)
    ax.figure.colorbar(key, ax=ax, label=LEVEL_LABEL, pad=0.01)
    _finish(ax, title, _seconds(audio, sample_rate))
    return ax, level


def rainbowgram(
    audio: Audio | np.ndarray,
    sample_rate: int = SAMPLE_RATE,
    hop: int = HOP,
    bins_per_octave: int = BINS_PER_OCTAVE,
    fmin: str | float = LOWEST,
    filter_scale: float = FILTER_SCALE,
    peak_db: float = PEAK_DB,
    mode: str = "paper",
    ax: Axes | None = None,
    title: str | None = None,
) -> tuple[Axes, np.ndarray, np.ndarray]:
    """Plot a rainbowgram: brightness shows the level, colour the phase advance. Silence is black.

    In mode "paper", as published, colour is the phase advance per hop, in half turns. A steady partial has a constant
    colour, but which one is arbitrary. In mode "detune", colour is the deviation from the nearest semitone in cents, on
    a circular colour map: green is in tune, warm colours are sharp, cool colours flat.

    Source: Engel et al. 2017 (NSynth), appendix. The first column, which has no phase difference, is left out.

    Args:
      mode: "paper" or "detune"; the other arguments are as for `cqt`.

    Returns:
      (axes, phase advance [bins, columns - 1] in half turns, level of the same columns in dB). In mode "detune", the
      phase advance is relative to each bin's centre frequency (`ConstantQ.detune`); the plot shows `ConstantQ.cents`.

    Raises:
      ValueError: as for `constant_q`, or the mode is unknown.

    >>> import numpy as np
    >>> from helpers import spectrograms
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> ax, advance, level = spectrograms.rainbowgram(tone, mode="detune")
    >>> advance.shape == level.shape == (316, 62)
    True
    """
    _check_mode(mode)
    q = constant_q(audio, sample_rate, hop, bins_per_octave, fmin, filter_scale)
    ax = _axes(ax)
    key, level = _draw_rainbowgram(ax, q, peak_db, mode=mode)
    ax.figure.colorbar(key, ax=ax, label=COLOUR_LABELS[mode], pad=0.01)
    _finish(ax, title, _seconds(audio, sample_rate))
    return ax, q.advance() if mode == "paper" else q.detune(), level


def mel(
    audio: Audio | np.ndarray,
    sample_rate: int = SAMPLE_RATE,
    hop: int = HOP,
    peak_db: float = PEAK_DB,
    ax: Axes | None = None,
    title: str | None = None,
) -> tuple[Axes, np.ndarray]:
    """Plot a mel spectrogram, which shows attacks and noise better than a CQT.

    Arguments and returns are as for `cqt`; the level is [MEL_BANDS, columns].
    """
    power, ax = _mel_power(audio, sample_rate, hop), _axes(ax)
    key, level = _draw_mel(ax, power, peak_db, sample_rate=sample_rate, hop=hop)
    ax.figure.colorbar(key, ax=ax, label=LEVEL_LABEL, pad=0.01)
    _finish(ax, title, _seconds(audio, sample_rate))
    return ax, level


def waveform(
    audio: Audio | np.ndarray, sample_rate: int = SAMPLE_RATE, ax: Axes | None = None, title: str | None = None
) -> tuple[Axes, np.ndarray]:
    """Plot a waveform; for long clips, the envelope of minima and maxima.

    Returns:
      (axes, samples [n], mixed to mono).
    """
    samples, ax = _samples(audio, sample_rate), _axes(ax)
    _draw_waveform(ax, samples, sample_rate=sample_rate)
    _finish(ax, title, len(samples) / sample_rate)
    return ax, samples


def compare(
    clips: Mapping[str, Audio | np.ndarray],
    panel: str = "cqt",
    mode: str = "paper",
    across: bool = False,
    figure: Figure | None = None,
) -> np.ndarray:
    """Plot the same panel for several clips with shared axes and limits; 0 dB is the maximum over all clips.

    Args:
      clips: {name: clip, or samples at 16 kHz}.
      panel: "waveform", "mel", "cqt" or "rainbowgram".
      mode: mode of rainbowgrams.
      across: place the panels side by side, for single notes, instead of stacking them over one time axis.
      figure: an empty matplotlib figure to draw in; by default a new pyplot figure.

    Returns:
      The array of axes, one for each clip.

    Raises:
      ValueError: there are no clips, the panel or mode is unknown, or a clip cannot be drawn (the message names it).

    >>> import numpy as np
    >>> from helpers import spectrograms
    >>> seconds = np.arange(16000) / 16000
    >>> clips = {"A4": np.sin(2 * np.pi * 440 * seconds), "A5": np.sin(2 * np.pi * 880 * seconds)}
    >>> axes = spectrograms.compare(clips, "cqt")
    >>> [ax.get_title("left") for ax in axes]
    ['A4', 'A5']
    """
    if not clips:
        raise ValueError("there are no clips to compare")
    if panel not in _PANELS:
        raise ValueError(f"there is no panel {panel!r}; the panels are {', '.join(_PANELS)}")
    _check_mode(mode)
    analyse, draw = _PANELS[panel]
    analyses = []
    for name, clip in clips.items():
        try:
            analyses.append(analyse(clip))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    loudest = max(np.abs(a.spectrum if isinstance(a, ConstantQ) else a).max() for a in analyses)
    rows, columns = (1, len(clips)) if across else (len(clips), 1)
    size = (max(11, 1.5 * len(clips)), 3.4) if across else (11, 2.2 * len(clips) + 0.8)
    figure = _figure(*size) if figure is None else figure
    axes = figure.subplots(rows, columns, sharex=not across, sharey=True, squeeze=False).ravel()
    longest, key = max(map(_seconds, clips.values())), None
    options = {"mode": mode} if panel == "rainbowgram" else {}
    for ax, (name, clip), analysis in zip(axes, clips.items(), analyses, strict=True):
        key, _ = draw(ax, analysis, loudest=loudest, **options)
        drawing.literal(ax.set_title(name, loc="left", fontsize="medium"))
        ax.set_xlim(0, _seconds(clip) if across else longest)
        ax.label_outer()
    if key is not None:
        label = COLOUR_LABELS[mode] if panel == "rainbowgram" else LEVEL_LABEL
        figure.colorbar(key, ax=axes, label=label, pad=0.01)
    return axes


def difference(
    a: Audio | np.ndarray,
    b: Audio | np.ndarray,
    peak_db: float = PEAK_DB,
    ax: Axes | None = None,
    title: str | None = None,
) -> tuple[Axes, np.ndarray]:
    """Plot the difference in level between the CQTs of two clips: red where a is louder, blue where b is louder.

    Levels more than `peak_db` below the loudest bin of both count as silence. The shorter clip is padded with silence.

    Returns:
      (axes, level of a minus level of b [bins, columns] in dB).
    """
    samples = [_samples(clip, SAMPLE_RATE) for clip in (a, b)]
    longest = max(map(len, samples))
    both = [constant_q(np.pad(y, (0, longest - len(y)))) for y in samples]
    loudest = max(np.abs(q.spectrum).max() for q in both)
    louder = np.subtract(*(q.level(peak_db, loudest) for q in both))
    ax = _axes(ax)
    limits = {"vmin": -DIFFERENCE_DB, "vmax": DIFFERENCE_DB}
    drawn = _draw_pitches(ax, _thinned(louder, np.abs(louder)), both[0], 0, cmap="RdBu_r", **limits)
    _finish(ax, title, longest / SAMPLE_RATE)
    ax.set_facecolor("white")
    ax.figure.colorbar(drawn, ax=ax, label="difference (dB)", pad=0.01, extend="both")
    return ax, louder


def network_view(data: np.ndarray, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Plot one note as output by the network, mapped to a linear frequency axis, and as analysed from its audio.

    The left column shows the level (dB), the right one the instantaneous frequency as in a rainbowgram, dark where
    the note is silent. The first row is on the network's frequency axis, the others on a linear one. The last two
    differ where the network's output is not the spectrogram of any sound: inconsistent neighbouring bins cancel.

    Args:
      data: [frames, bins, 2] from `GANSynth.generate_data`: log magnitude (on a mel axis: log power), and
        instantaneous frequency in half turns per frame.
      config: configuration of the model.

    Returns:
      (axes [3, 2], analysis of the audio on the linear axis [frames, bins, 2]).
    """
    import matplotlib
    from matplotlib.colors import Normalize

    from .gansynth import spectral

    if np.ndim(data) != 3 or data.shape[1:] != (config.bins, 2):
        raise ValueError(f"the data has shape {np.shape(data)}; a note of this model has (frames, {config.bins}, 2)")
    mel_axis, frames = config.data_type == "mel", len(data)
    linear = spectral.mel_to_linear(data[None], config)[0] if mel_axis else data
    waves = np.zeros((1, config.audio_length), np.float32)
    heard = spectral.data_to_waves(data[None], config)
    waves[:, : heard.shape[1]] = heard
    again = spectral.waves_to_data(waves, dataclasses.replace(config, data_type="linear"))[0, :frames]

    figure = _figure(11, 8.4)
    axes = figure.subplots(3, 2, sharex=True)
    nyquist, rainbow = config.sample_rate / 2, matplotlib.colormaps["rainbow"]
    hertz = HERTZ[nyquist > HERTZ]
    # The mean frequency of each band, which differs from the mel scale because some bands are wider.
    weights = spectral.mel_weights(config)[:, 1:]  # the first band is empty
    centres = weights.T @ np.linspace(0, nyquist, config.bins) / weights.sum(axis=0)
    on_mel = np.interp(hertz, centres, np.arange(1, config.bins) / (config.bins - 1))
    extent = (0, frames * config.hop_length / config.sample_rate, 0, 1)
    rows = [(data, "network output"), (linear, "on a linear axis"), (again, "analysis of the audio")]
    for row, (values, title) in enumerate(rows):
        # Values on the mel axis are log power, those on the linear axis log magnitude.
        decibels = values[..., 0] * (10 if mel_axis and row == 0 else 20) / np.log(10)
        level = np.maximum(decibels - decibels.max(), -NETWORK_DB).T
        colours = rainbow(((values[..., 1].T + 1) % 2) / 2)[..., :3] * (level / NETWORK_DB + 1)[..., None]
        pictures = [(level, {"cmap": "magma", "vmin": -NETWORK_DB, "vmax": 0.0}), (colours, {})]
        for ax, (image, limits) in zip(axes[row], pictures, strict=True):
            ax.imshow(image, origin="lower", aspect="auto", extent=extent, interpolation="nearest", **limits)
            ax.set_title(title, loc="left", fontsize="medium")
            share = on_mel if mel_axis and row == 0 else hertz / nyquist
            shown = share > 0.08  # lower labels would overlap
            ax.set_yticks(share[shown], [f"{hz:g}" for hz in hertz[shown]])
        axes[row, 0].set_ylabel("frequency (Hz)")
    for ax in axes[-1]:
        ax.set_xlabel("time (s)")
    figure.colorbar(axes[0, 0].images[0], ax=axes[:, 0], label=LEVEL_LABEL, pad=0.01)
    key = matplotlib.cm.ScalarMappable(Normalize(-1, 1), rainbow)
    figure.colorbar(key, ax=axes[:, 1], label="instantaneous frequency (half turns per frame)", pad=0.01)
    return axes, again


# ------------------------------------------------------------------------------------------------------- analysing


def _samples(audio: Audio | np.ndarray, sample_rate: int) -> np.ndarray:
    """Check the audio and return it as mono float32 [n] at `sample_rate`."""
    if sample_rate < 1:
        raise ValueError(f"sample_rate is {sample_rate}; it must be 1 Hz or more")
    if isinstance(audio, Audio):
        samples = np.asarray(audio.mono, np.float32)
    else:
        samples = np.asarray(audio, np.float32)
        if samples.ndim not in (1, 2) or samples.shape[-1] > max(len(samples), 8):
            raise ValueError(f"the samples have shape {samples.shape}; it must be [n] or [n, channels]")
        samples = samples.mean(axis=1) if samples.ndim == 2 else samples
    if not len(samples) or not np.isfinite(samples).all():
        raise ValueError("the audio is empty or contains samples that are not finite numbers, so it cannot be drawn")
    if isinstance(audio, Audio):
        samples = sound.resample(Audio(samples, audio.sample_rate), sample_rate).samples
    return samples


def _seconds(audio: Audio | np.ndarray, sample_rate: int = SAMPLE_RATE) -> float:
    return audio.duration if isinstance(audio, Audio) else len(audio) / sample_rate


def _mel_power(audio: Audio | np.ndarray, sample_rate: int = SAMPLE_RATE, hop: int = HOP) -> np.ndarray:
    librosa = compiled.librosa()

    return librosa.feature.melspectrogram(
        y=_samples(audio, sample_rate), sr=sample_rate, n_fft=MEL_WINDOW, hop_length=hop, n_mels=MEL_BANDS, htk=True
    )


def _check_mode(mode: str) -> None:
    if mode not in ("paper", "detune"):
        raise ValueError(f"rainbowgrams have no mode {mode!r}; the modes are 'paper' and 'detune'")


# --------------------------------------------------------------------------------------------------------- drawing


def _figure(width: float, height: float) -> Figure:
    """A new pyplot figure (size in inches), which a notebook shows at the end of the cell."""
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(width, height), layout="constrained")


def _axes(ax: Axes | None) -> Axes:
    return _figure(11, 3.2).subplots() if ax is None else ax


def _finish(ax: Axes, title: str | None, seconds: float) -> None:
    """Set the title, as literal text, and limit the time axis to the clip."""
    drawing.literal(ax.set_title(title or ""))
    ax.set_xlim(0, seconds)


def _thinned(values: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Reduce [bins, columns] to at most MAX_COLUMNS columns; in each bin, the loudest of adjacent columns is kept."""
    each = -(-level.shape[1] // MAX_COLUMNS)
    if each == 1:
        return values
    missing = -level.shape[1] % each
    level = np.pad(level, ((0, 0), (0, missing)), constant_values=-np.inf).reshape(len(level), -1, each)
    values = np.pad(values, ((0, 0), (0, missing))).reshape(level.shape)
    return np.take_along_axis(values, level.argmax(axis=2)[..., None], axis=2)[..., 0]


def _draw_pitches(ax: Axes, image: np.ndarray, q: ConstantQ, first: int, **kwargs: Any) -> AxesImage:
    """Draw an image whose rows are the bins of `q` and which starts at its column `first`."""
    librosa = compiled.librosa()

    per_octave = np.log2(q.frequencies[1] / q.frequencies[0]) if len(q.frequencies) > 1 else 1.0
    left, right = (np.array([first, q.spectrum.shape[1]]) - 0.5) * q.hop / q.sample_rate
    extent = (left, right, -0.5 * per_octave, (len(q.frequencies) - 0.5) * per_octave)
    drawn = ax.imshow(image, origin="lower", aspect="auto", extent=extent, interpolation="nearest", **kwargs)
    pitches = librosa.hz_to_midi(q.frequencies[[0, -1]])
    ticks = np.arange(np.ceil(round(pitches[0], 6) / 12), np.floor(pitches[1] / 12) + 1) * 12
    ax.set_yticks((ticks - pitches[0]) / 12, [f"C{int(tick) // 12 - 1}" for tick in ticks])
    ax.set(xlabel="time (s)", ylabel="pitch", facecolor="black")  # after the end of a shorter clip there is silence
    return drawn


def _draw_cqt(
    ax: Axes, q: ConstantQ, peak_db: float = PEAK_DB, loudest: float | None = None
) -> tuple[ScalarMappable, np.ndarray]:
    """Draw a CQT. This and the next three functions return the mappable for a colour bar, and the level in dB."""
    level = q.level(peak_db, loudest)
    return _draw_pitches(ax, _thinned(level, level), q, 0, cmap="magma", vmin=-peak_db, vmax=0.0), level


def _draw_rainbowgram(
    ax: Axes, q: ConstantQ, peak_db: float = PEAK_DB, loudest: float | None = None, mode: str = "paper"
) -> tuple[ScalarMappable, np.ndarray]:
    import matplotlib
    from matplotlib.colors import ListedColormap, Normalize

    level = q.level(peak_db, loudest)[:, 1:]
    if mode == "paper":
        values, limits, colours = q.advance(), Normalize(-1, 1), matplotlib.colormaps["rainbow"]
    else:
        # A circular colour map: green in the middle, warm above, cool below, and magenta at both ends.
        circle = matplotlib.colormaps["hsv"]((1 / 3 - np.linspace(-0.5, 0.5, 256)) % 1.0)
        values, limits, colours = q.cents(), Normalize(-CENTS, CENTS), ListedColormap(circle)
    brightness = _thinned(level, level)[..., None] / peak_db + 1
    image = colours(limits(_thinned(values, level)), bytes=True)[..., :3] * brightness
    _draw_pitches(ax, image.round().astype(np.uint8), q, 1)
    return matplotlib.cm.ScalarMappable(limits, colours), level


def _draw_mel(
    ax: Axes,
    power: np.ndarray,
    peak_db: float = PEAK_DB,
    loudest: float | None = None,
    sample_rate: int = SAMPLE_RATE,
    hop: int = HOP,
) -> tuple[ScalarMappable, np.ndarray]:
    librosa = compiled.librosa()

    loudest = loudest or power.max()
    floor = 10 ** (-peak_db / 10)
    level = 10 * np.log10(np.clip(power / loudest, floor, 1.0)) if loudest else np.full(power.shape, -peak_db)
    extent = (-0.5 * hop / sample_rate, (level.shape[1] - 0.5) * hop / sample_rate, 0, MEL_BANDS)
    drawn = ax.imshow(
        _thinned(level, level),
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap="magma",
        vmin=-peak_db,
        vmax=0.0,
        interpolation="nearest",
    )
    hertz = HERTZ[sample_rate / 2 >= HERTZ]
    share = librosa.hz_to_mel(hertz, htk=True) / librosa.hz_to_mel(sample_rate / 2, htk=True)
    ax.set_yticks(share * MEL_BANDS, [f"{hz:g}" for hz in hertz])
    ax.set(xlabel="time (s)", ylabel="frequency (Hz)", facecolor="black")
    return drawn, level


def _draw_waveform(
    ax: Axes, samples: np.ndarray, loudest: float = 1.0, sample_rate: int = SAMPLE_RATE
) -> tuple[ScalarMappable | None, np.ndarray | None]:
    each = -(-len(samples) // MAX_COLUMNS)
    columns = np.pad(samples, (0, -len(samples) % each), mode="edge").reshape(-1, each)
    seconds = np.arange(len(columns)) * each / sample_rate
    # Minimum to maximum of each column, which is faster than a line through all samples and keeps every peak.
    ax.fill_between(seconds, columns.min(axis=1), columns.max(axis=1), linewidth=0.4, color="#345995")
    limit = loudest or 1.0
    ax.set(xlabel="time (s)", ylabel="amplitude", ylim=(-limit, limit))
    return None, None


# The analysis of each panel, and the function that draws it on axes with `loudest` as 0 dB.
_Analyse = Callable[[Audio | np.ndarray], np.ndarray | ConstantQ]
_Draw = Callable[..., "tuple[ScalarMappable | None, np.ndarray | None]"]
_PANELS: dict[str, tuple[_Analyse, _Draw]] = {
    "waveform": (lambda clip: _samples(clip, SAMPLE_RATE), _draw_waveform),
    "mel": (_mel_power, _draw_mel),
    "cqt": (constant_q, _draw_cqt),
    "rainbowgram": (constant_q, _draw_rainbowgram),
}
