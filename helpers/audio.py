"""Sound as plain values: write it, play it in a notebook, and hear a score without a neural network.

Notebook: 03_midi (the reference rendering), 04_generate.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .files import replacing

if TYPE_CHECKING:
    from .midi import Song

REFERENCE_PEAK = 0.9  # of the non-neural rendering
REFERENCE_TAIL = 1.0  # s that the last note may ring on
# Partials of the plain synthesizer that stands in when FluidSynth is not installed: a soft, organ-like tone.
PLAIN_PARTIALS = (1.0, 0.4, 0.2, 0.1)

_SUBTYPES = {"float": "FLOAT", "16-bit": "PCM_16", "24-bit": "PCM_24"}


@dataclasses.dataclass(frozen=True, eq=False)
class Audio:
    """Samples and how fast they go by."""

    samples: np.ndarray  # float32 [n] or [n, channels], full scale is 1
    sample_rate: int  # Hz

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate

    @property
    def peak(self) -> float:
        """Largest absolute sample; above 1 it would clip."""
        return float(np.max(np.abs(self.samples), initial=0.0))

    def __repr__(self) -> str:
        return f"Audio({self.seconds:.2f} s at {self.sample_rate} Hz, peak {self.peak:.3f})"


def write(audio: Audio, path: str | os.PathLike, encoding: str = "16-bit") -> Path:
    """Write a WAV or FLAC file, whole or not at all.

    Args:
      audio: what to write.
      path: ends in .wav or .flac; folders are made as needed.
      encoding: "16-bit", "24-bit", or "float" (WAV only; the only one that can hold samples above full scale).

    Raises:
      ValueError: another ending or encoding, or samples that are not finite or would clip.
    """
    import soundfile

    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("wav", "flac"):
        raise ValueError(f"{path.name} has to end in .wav or .flac")
    if encoding not in _SUBTYPES or (kind == "flac" and encoding == "float"):
        raise ValueError(f"a {kind} file cannot be {encoding!r}; choose '16-bit', '24-bit' or, for .wav, 'float'")
    if not np.isfinite(audio.samples).all():
        raise ValueError("the audio holds samples that are not finite numbers")
    if encoding != "float" and audio.peak > 1.0:
        raise ValueError(f"the audio peaks at {audio.peak:.2f} and would clip; scale it down or write a 'float' WAV")
    with replacing(path) as partial:
        soundfile.write(partial, audio.samples, audio.sample_rate, subtype=_SUBTYPES[encoding], format=kind.upper())
    return path


def read(path: str | os.PathLike) -> Audio:
    """Read any file that libsndfile knows: float32, mono [n] or [n, channels].

    Raises:
      FileNotFoundError, ValueError: no such file, or not audio.
    """
    import soundfile

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no audio at {path}: there is no such file")
    try:
        samples, sample_rate = soundfile.read(path, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} is not an audio file: {error.error_string}") from None
    return Audio(samples, sample_rate)


def play(audio: Audio):
    """A player for a notebook, at the level the audio has. Returns the IPython display object."""
    from IPython.display import Audio as Player

    return Player(audio.samples.T, rate=audio.sample_rate, normalize=audio.peak > 1.0)


def reference(song: Song, sample_rate: int = 16000) -> Audio:
    """Play a score without the model, to compare with: drums and programs as the file asks for.

    Uses FluidSynth and pretty_midi's General MIDI soundfont where the `pyfluidsynth` package and its library are
    installed, else a plain additive synthesizer, which leaves drums out.

    Args:
      song: what to play.
      sample_rate: Hz.
    """
    import pretty_midi

    score = pretty_midi.PrettyMIDI()
    for track in song.tracks:
        part = pretty_midi.Instrument(track.program, track.is_drum, track.name)
        part.notes = [pretty_midi.Note(n.velocity, n.pitch, n.start, n.end) for n in track.notes]
        score.instruments.append(part)
    try:
        samples = score.fluidsynth(fs=sample_rate)
    except ImportError:  # also raised when the package is there and its library is not
        with np.errstate(invalid="ignore"):
            samples = np.nan_to_num(score.synthesize(fs=sample_rate, wave=_plain_tone))  # silence comes as 0 / 0
    samples = samples[: round((song.seconds + REFERENCE_TAIL) * sample_rate)]
    samples = samples * (REFERENCE_PEAK / max(float(np.max(np.abs(samples), initial=0.0)), 1e-9))
    return Audio(samples.astype(np.float32), sample_rate)


def _plain_tone(phase: np.ndarray) -> np.ndarray:
    return sum(level * np.sin(k * phase) for k, level in enumerate(PLAIN_PARTIALS, start=1))
