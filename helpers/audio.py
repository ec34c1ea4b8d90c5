"""Audio as plain values: measure and set its level, resample, read, write and play it.

Notebook: 04_generate, 07_songs (loudness, sample rates, files).
"""

from __future__ import annotations

import dataclasses
import functools
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import scipy.fft

from .errors import in_one_line
from .files import as_path, replacing

if TYPE_CHECKING:
    from IPython.display import Audio as Player

LOUDNESS = -16.0  # LUFS of a finished clip; similar to the targets of streaming services
PEAK = 0.9  # maximum peak of a finished clip; the headroom is for lossy encoders, which overshoot a little
SILENCE = 1e-9  # waves with a lower peak are left silent
SOFT = -55.0  # LUFS; below this, the absolute gate at -70 would exclude audible parts
LOUDNESS_BLOCK = 0.4  # s; length of the gating blocks of BS.1770
LOUDNESS_STEP = 0.1  # s; hop of the gating blocks
LOUDNESS_OFFSET = -0.691  # LU; the constant of BS.1770 that offsets the gain of the weighting at 997 Hz
# The K-weighting of BS.1770 as in pyloudnorm: a high shelf, for the effect of the head, and a high pass.
SHELF_DB, SHELF_Q, SHELF_HZ = 4.0, 0.5**0.5, 1500.0
HIGH_PASS_Q, HIGH_PASS_HZ = 0.5, 38.0
WEIGHTING_RINGS = 0.25  # s; ringing of the high pass, until it is below the precision of float64
LOUDNESS_WARM_UP = 1.0  # s; extra audio before each chunk, for the filters to settle
LOUDNESS_CHUNK = 60.0  # s measured at a time, to bound memory use
BLOCK = 1 << 16  # frames written at a time; libsndfile's Vorbis encoder fails on hours at once
LOSSY_LACK = 2500  # samples that may be missing at the end of an MP3: two of its frames
MAX_SAMPLE_RATE = 192000  # Hz; libsndfile's Vorbis encoder crashes above 200,000
MAX_WAV_DURATION = 60.0  # s, times channels; longer audio is compressed in a notebook's player (2.6 MB at 16 kHz)
RATES = (16000, 22050, 44100, 48000)  # Hz; sample rates for clips


# Sample rate (Hz) -> bit rate (kbit/s) of an MP3 in mono and in stereo, about 2.5 bits per sample. At 16 kHz, 40 kbit/s
# gives an error 27 to 37 dB below the music, at a quarter of FLAC's size. The bit rate is constant because browsers
# cannot seek exactly in an MP3 of variable bit rate. It is not lower because smaller frames have no room for the
# encoder's delay, and a player that does not know the delay starts 69 ms late. Other sample rates are resampled to the
# next higher one, or to 48 kHz.
MP3_KBITS = {16000: (40, 64), 22050: (56, 96), 24000: (64, 96), 32000: (80, 128), 44100: (112, 192), 48000: (128, 192)}

# File format -> {encoding: libsndfile subtype}, the default encoding first.
_ENCODINGS = {
    "wav": {"16-bit": "PCM_16", "24-bit": "PCM_24", "float": "FLOAT"},
    "flac": {"16-bit": "PCM_16", "24-bit": "PCM_24"},
    "ogg": {"lossy": "VORBIS"},
    "mp3": {"lossy": "MPEG_LAYER_III"},
}


@dataclasses.dataclass(frozen=True, eq=False)
class Audio:
    """Audio samples and their sample rate.

    Attributes:
      samples: float32 [n] or [n, channels]; full scale is 1.
      sample_rate: Hz.
    """

    samples: np.ndarray
    sample_rate: int

    @property
    def duration(self) -> float:
        """Duration (s)."""
        return len(self.samples) / self.sample_rate

    @property
    def peak(self) -> float:
        """Largest absolute sample. Above 1, the audio would clip."""
        return max(0.0, float(np.max(self.samples, initial=0.0)), -float(np.min(self.samples, initial=0.0)))

    @property
    def channels(self) -> int:
        """Number of channels."""
        return 1 if self.samples.ndim == 1 else self.samples.shape[1]

    @property
    def mono(self) -> np.ndarray:
        """The mean of the channels, [n]."""
        return self.samples if self.samples.ndim == 1 else self.samples.mean(axis=1)

    def __repr__(self) -> str:
        layout, peak = _layout(self.channels), f"peak {self.peak:.2f}"
        return f"{type(self).__name__}({self.duration:.2f} s, {self.sample_rate} Hz, {layout}, {peak})"


def to_peak(wave: np.ndarray, peak: float) -> np.ndarray:
    """Scale a wave so that its largest absolute sample is `peak`. Silence stays silent."""
    largest = np.abs(wave).max(initial=0.0)
    return wave * (peak / largest) if largest > SILENCE else np.zeros_like(wave)


def mix(clip: np.ndarray, note: np.ndarray, start: int) -> None:
    """Add a note to a clip in place, from sample `start` on, and cut it at the end of the clip.

    Both are [samples] or [channels, samples].
    """
    room = clip[..., start : start + note.shape[-1]]
    room += note[..., : room.shape[-1]]


def loudness(audio: Audio) -> float:
    """Integrated loudness (LUFS); minus infinity for silence. Source: ITU-R BS.1770-4, annex 1.

    >>> import numpy as np
    >>> from helpers import audio
    >>> tone = audio.Audio(0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000), sample_rate=16000)
    >>> print(f"{audio.loudness(tone):.0f} LUFS")
    -10 LUFS
    """
    return _gated(_block_loudness(audio))


def momentary_loudness(audio: Audio) -> float:
    """Maximum momentary loudness (LUFS), that of the loudest 0.4 s; minus infinity for silence. Suits single notes.

    Source: EBU Tech 3341; the filters are those of ITU-R BS.1770-4.

    >>> import numpy as np
    >>> from helpers import audio
    >>> tone = audio.Audio(0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000), sample_rate=16000)
    >>> print(f"{audio.momentary_loudness(tone):.0f} LUFS")
    -10 LUFS
    """
    return float(_block_loudness(audio).max())


def k_weighted(waves: np.ndarray, sample_rate: int) -> np.ndarray:
    """Apply the K-weighting of BS.1770, which attenuates low frequencies and boosts high ones.

    The filters are applied by FFT, because importing `scipy.signal` takes a second. They are analogue prototypes,
    mapped to the sample rate by the bilinear transform.

    Args:
      waves: [..., n].
      sample_rate: Hz.

    Returns:
      float64 [..., n].

    Source: ITU-R BS.1770-4, annex 1; R. Bristow-Johnson, Audio EQ Cookbook.
    """
    n = waves.shape[-1]
    size = scipy.fft.next_fast_len(n + round(WEIGHTING_RINGS * sample_rate), real=True)
    spectra = scipy.fft.rfft(np.asarray(waves, np.float64), size)
    return scipy.fft.irfft(spectra * _weighting(size, sample_rate), size)[..., :n]


@functools.lru_cache(maxsize=4)
def _weighting(size: int, sample_rate: int) -> np.ndarray:
    """The frequency response for `k_weighted`, complex [size // 2 + 1]."""
    turned = 1j * np.tan(np.pi * np.arange(size // 2 + 1) / size)
    s, lift = turned / np.tan(np.pi * SHELF_HZ / sample_rate), 10 ** (SHELF_DB / 40)
    slope = np.sqrt(lift) / SHELF_Q * s
    shelf = lift * (lift * s**2 + slope + 1) / (s**2 + slope + lift)
    s = turned / np.tan(np.pi * HIGH_PASS_HZ / sample_rate)
    return shelf * s**2 / (s**2 + s / HIGH_PASS_Q + 1)


def _block_loudness(audio: Audio) -> np.ndarray:
    """Loudness of each gating block (LUFS), computed a minute at a time to bound memory use."""
    sample_rate = audio.sample_rate
    shortest = int(np.ceil((LOUDNESS_BLOCK + LOUDNESS_STEP) * sample_rate))
    missing = max(shortest - len(audio.samples), 0)
    samples = np.pad(audio.samples, [(0, missing)] + [(0, 0)] * (audio.samples.ndim - 1)) if missing else audio.samples
    powers: list[float] = []
    count = int((len(samples) / sample_rate - LOUDNESS_BLOCK) / LOUDNESS_STEP + 1e-6) + 1
    per_chunk, warm_up = round(LOUDNESS_CHUNK / LOUDNESS_STEP), round(LOUDNESS_WARM_UP / LOUDNESS_STEP)
    for first in range(0, count, per_chunk):
        earlier = min(warm_up, first)
        begin = int((first - earlier) * LOUDNESS_STEP * sample_rate)
        end = int(((first + per_chunk - 1) * LOUDNESS_STEP + LOUDNESS_BLOCK) * sample_rate) + 1
        weighted = k_weighted(samples[begin:end].T, sample_rate)
        for block in range(earlier, earlier + min(per_chunk, count - first)):
            since, until = (int((block * LOUDNESS_STEP + more) * sample_rate) for more in (0, LOUDNESS_BLOCK))
            powers.append(np.sum(np.square(weighted[..., since:until])) / (LOUDNESS_BLOCK * sample_rate))
    with np.errstate(divide="ignore"):  # silent blocks
        return LOUDNESS_OFFSET + 10 * np.log10(powers)


def _gated(blocks: np.ndarray) -> float:
    """Integrated loudness from the loudness of the blocks."""
    audible = blocks[blocks >= -70.0]  # the absolute gate
    if not len(audible):
        return -np.inf
    power = 10 ** (audible / 10)
    return float(10 * np.log10(power[power > power.mean() / 10].mean()))  # the relative gate, 10 LU below


def loudness_factor(audio: Audio, target: float | None = LOUDNESS) -> tuple[float, float]:
    """The gain that brings a clip to a target loudness, or as near to it as a peak of 0.9 allows.

    A single factor is used for the whole clip, without limiting or compression.

    Args:
      audio: the clip.
      target: integrated loudness (LUFS); None sets the peak to 0.9.

    Returns:
      The factor, and the loudness (LUFS) that it gives.
    """
    blocks, factor = _block_loudness(audio), 1.0
    if audio.peak > SILENCE:
        # A very soft clip is measured at full level, because the absolute gate would exclude parts of it.
        lift = 0.0 if _gated(blocks) > SOFT else -20 * np.log10(audio.peak)
        wanted = np.inf if target is None else 10 ** ((target - _gated(blocks + lift) + lift) / 20)
        factor = float(min(PEAK / audio.peak, wanted))
    return factor, _gated(blocks + 20 * np.log10(factor))


def to_loudness(audio: Audio, target: float | None = LOUDNESS) -> Audio:
    """Scale a clip by its `loudness_factor`.

    >>> import numpy as np
    >>> from helpers import audio
    >>> tone = audio.Audio(0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000), sample_rate=16000)
    >>> print(f"{audio.loudness(audio.to_loudness(tone, -20)):.0f} LUFS")
    -20 LUFS
    """
    return Audio(audio.samples * np.float32(loudness_factor(audio, target)[0]), audio.sample_rate)


def resample(audio: Audio, sample_rate: int) -> Audio:
    """Resample with soxr at high quality, bit for bit as librosa does.

    >>> import numpy as np
    >>> from helpers import audio
    >>> tone = audio.Audio(0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000), sample_rate=16000)
    >>> audio.resample(tone, 44100)
    Audio(1.00 s, 44100 Hz, mono, peak 0.50)
    """
    import soxr

    if sample_rate == audio.sample_rate:
        return audio
    samples = audio.samples
    count = int(np.ceil(len(samples) * sample_rate / audio.sample_rate))
    resampled = np.zeros((count, *samples.shape[1:]), np.float32)
    stream = soxr.ResampleStream(audio.sample_rate, sample_rate, audio.channels, "float32", "HQ")
    at = 0
    for i in range(0, len(samples), BLOCK):  # all at once would need twice the memory of the result
        block = np.ascontiguousarray(samples[i : i + BLOCK], np.float32)
        piece = stream.resample_chunk(block, last=i + BLOCK >= len(samples))[: count - at]
        resampled[at : at + len(piece)] = piece
        at += len(piece)
    return Audio(resampled, sample_rate)


def file_kind(path: str | os.PathLike) -> str:
    """The file format for a path, from its ending: "wav", "flac", "ogg" or "mp3".

    Raises:
      ValueError: the ending is not one of these.
    """
    path = as_path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _ENCODINGS:
        raise ValueError(f"{path.name} must end in .wav, .flac, .ogg or .mp3")
    return kind


@in_one_line
def write(audio: Audio, path: str | os.PathLike, encoding: str | None = None) -> Path:
    """Write a WAV, FLAC, OGG (Vorbis) or MP3 file, atomically.

    Args:
      audio: the audio.
      path: must end in .wav, .flac, .ogg or .mp3; folders are created as needed.
      encoding: "16-bit" (the default) or "24-bit" for .wav and .flac, or "float" for .wav only. "float" is the only
        encoding for samples above full scale.

    Raises:
      ValueError: the ending, encoding or sample rate is not supported, or samples are not finite or would clip.
      OSError: the disk is full or not writable. An existing file is left unchanged.

    >>> import numpy as np
    >>> from helpers import audio
    >>> tone = audio.Audio(0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000), sample_rate=16000)
    >>> path = audio.write(tone, "outputs/tone.flac")
    >>> audio.read(path)
    Audio(1.00 s, 16000 Hz, mono, peak 0.50)
    """
    import soundfile

    path = as_path(path)
    kind = file_kind(path)
    known = _ENCODINGS[kind]
    if encoding is not None and encoding not in known:
        raise ValueError(f"a {kind} file cannot be {encoding!r}; choose {' or '.join(map(repr, known))}")
    if not np.isfinite(audio.samples).all():
        raise ValueError("the audio contains samples that are not finite numbers")
    if encoding != "float" and audio.peak > 1.0:
        raise ValueError(
            f"the audio has a peak of {audio.peak:.2f} and would clip; scale it down or write a 'float' WAV"
        )
    if not 0 < audio.sample_rate <= MAX_SAMPLE_RATE:
        raise ValueError(
            f"{path.name} cannot have a sample rate of {audio.sample_rate} Hz; the maximum is {MAX_SAMPLE_RATE} Hz"
        )
    channels = 1 if audio.samples.ndim == 1 else audio.samples.shape[1]
    how = {"format": kind.upper(), "subtype": known[encoding or next(iter(known))]}
    with replacing(path) as partial:
        with open(partial, "w+b") as raw:
            taken = _Taken(raw)
            try:
                with soundfile.SoundFile(taken, "w", audio.sample_rate, channels, **how) as file:
                    for i in range(0, len(audio.samples), BLOCK):
                        file.write(audio.samples[i : i + BLOCK])
            except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that a block was written
                if taken.error is None:
                    why = getattr(error, "error_string", "the encoder failed")
                    raise ValueError(f"{path.name} cannot be written at {audio.sample_rate} Hz: {why}") from None
            if taken.error is not None:
                raise taken.error
        _check_written(partial, audio, path)
    return path


class _Taken:
    """A file that records the first error in writing, because some encoders ignore errors."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.error: OSError | None = None
        self.tell, self.read = file.tell, file.read

    def write(self, data: bytes) -> int:
        try:
            return 0 if self.error else self._file.write(data)
        except OSError as error:
            self.error = error
            return 0

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)  # flushes the buffer, which may fail
        except OSError as error:
            self.error = self.error or error
            return 0

    def flush(self) -> None:
        """Do nothing: the file is flushed when it is closed, where errors are raised."""


def _check_written(partial: Path, audio: Audio, path: Path) -> None:
    """Read a written file back and check that it is complete and decodable."""
    import soundfile

    is_mp3 = path.suffix.lower() == ".mp3"
    try:
        # Opened here, because soundfile cannot open names that are not valid text.
        with open(partial, "rb") as raw, soundfile.SoundFile(raw) as file:
            # An MP3 is not decoded, because the decoder prints warnings about valid files to standard error.
            frames = (
                file.frames
                if is_mp3
                else sum(len(b) for b in file.blocks(BLOCK, dtype="float32") if np.isfinite(b).all())
            )
    except soundfile.SoundFileError:
        if len(audio.samples):  # without any samples, some encoders write a file that cannot be read
            raise _unwritten(path) from None
        return
    if len(audio.samples) - frames > (LOSSY_LACK if is_mp3 else 0):
        raise _unwritten(path)


def _unwritten(path: Path) -> OSError:
    return OSError(f"{path} cannot be written: reading it back from the disk of {path.parent} gives incomplete data")


@in_one_line
def read(path: str | os.PathLike) -> Audio:
    """Read an audio file in any format that libsndfile supports, as float32 [n] (mono) or [n, channels].

    Raises:
      FileNotFoundError: the file does not exist.
      ValueError: it is not an audio file.
    """
    import soundfile

    path = as_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no audio at {path}: there is no such file")
    try:
        with open(path, "rb") as file:
            samples, sample_rate = soundfile.read(file, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} is not an audio file: {error.error_string}") from None
    return Audio(samples, sample_rate)


def encode(audio: Audio, kind: str) -> tuple[bytes, str]:
    """Encode audio in memory, for web pages and players.

    Args:
      audio: the audio; samples beyond full scale are clipped.
      kind: "mp3", which starts without delay in every browser, or "flac", which has 16 bits, as a WAV file of half the
        size.

    Returns:
      The content of the file, and a description of its format.

    Raises:
      ValueError: the kind is unknown, or does not support the number of channels or the sample rate.

    Notebook: 06_compare.
    """
    if kind not in _ENCODERS:
        raise ValueError(f"a clip cannot be encoded as {kind!r}; choose {' or '.join(map(repr, _ENCODERS))}")
    return _ENCODERS[kind](audio)


def _mp3(clip: Audio) -> tuple[bytes, str]:
    if clip.channels > 2:
        raise ValueError(f"it has {clip.channels} channels, but MP3 has at most two; use 'flac'")
    sample_rate = min((known for known in MP3_KBITS if known >= clip.sample_rate), default=max(MP3_KBITS))
    kbits = MP3_KBITS[sample_rate][clip.channels - 1]
    lowest, highest = (32, 320) if sample_rate >= 32000 else (8, 160)  # kbit/s of MPEG-1 and MPEG-2
    how = {"bitrate_mode": "CONSTANT", "compression_level": (highest - kbits) / (highest - lowest)}
    content = _file(resample(clip, sample_rate), format="MP3", subtype="MPEG_LAYER_III", **how)
    return content, f"MP3, {sample_rate} Hz, {kbits} kbit/s, {_layout(clip.channels)}"


def _flac(clip: Audio) -> tuple[bytes, str]:
    content = _file(clip, format="FLAC", subtype="PCM_16")
    return content, f"16-bit FLAC, {clip.sample_rate} Hz, {_layout(clip.channels)}"


def _file(clip: Audio, **how: Any) -> bytes:
    import soundfile

    content = io.BytesIO()
    try:
        with soundfile.SoundFile(content, "w", clip.sample_rate, clip.channels, **how) as file:
            for i in range(0, len(clip.samples), BLOCK):
                file.write(clip.samples[i : i + BLOCK].clip(-1.0, 1.0))
    except soundfile.LibsndfileError as error:
        raise ValueError(f"it cannot be written at {clip.sample_rate} Hz: {error.error_string}") from None
    return content.getvalue()


def _layout(channels: int) -> str:
    return {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")


_ENCODERS = {"mp3": _mp3, "flac": _flac}


def play(audio: Audio) -> Player:
    """A player for a notebook, at the level of the audio, or scaled down to full scale if it would clip.

    Audio of up to `MAX_WAV_DURATION` seconds (times channels) is embedded as WAV. Longer audio is compressed to keep
    the notebook file small, which a line below the player states; `write` saves it exactly.

    Returns:
      The IPython display object.

    Notebook: 01_setup.

    >>> import numpy as np
    >>> from helpers import audio
    >>> tone = audio.Audio(0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000), sample_rate=16000)
    >>> audio.play(tone)  # shown as a player at the end of a cell
    <IPython.lib.display.Audio object>
    """
    from IPython.display import Audio as Player

    if audio.duration * audio.channels <= MAX_WAV_DURATION or audio.channels > 2:
        return Player(audio.samples.T, rate=audio.sample_rate, normalize=audio.peak > 1.0)

    class Compressed(Player):
        def _repr_html_(self) -> str:
            return f"{super()._repr_html_()}<div><small>compressed for the notebook: {kind}</small></div>"

    content, kind = _mp3(Audio(audio.samples / np.float32(max(audio.peak, 1.0)), audio.sample_rate))
    player = Compressed(content)
    player.mimetype = "audio/mpeg"
    return player
