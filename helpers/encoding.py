"""Clips as the content of sound files, for pages and players: nothing is written to a disk.

Notebook: 06_compare.
"""

from __future__ import annotations

import io
from typing import Any

from .audio import BLOCK, Audio, resample

# Sample rate in Hz -> kbit/s of an MP3 in mono and in stereo: about 2.5 bits a sample. At 16 kHz, 40 kbit/s leaves an
# error 27 to 37 dB below the music, and a quarter of FLAC's bytes. Constant, since browsers cannot find a second of an
# MP3 of variable bit rate exactly. Not lower: in a smaller frame there is no room for the encoder's delay, and a player
# that does not know it begins 69 ms late. Other rates are resampled to the next of these.
MP3_KBITS = {16000: (40, 64), 22050: (56, 96), 24000: (64, 96), 32000: (80, 128), 44100: (112, 192), 48000: (128, 192)}


def mp3(clip: Audio) -> tuple[bytes, str]:
    """A clip as the content of an MP3 file that starts on time in every browser, and what it is in words.

    Raises:
      ValueError: it has more than two channels.

    Notebook: 06_compare.
    """
    if clip.channels > 2:
        raise ValueError(f'it has {clip.channels} channels, and MP3 has two at most; use sound="flac"')
    rate = min((rate for rate in MP3_KBITS if rate >= clip.sample_rate), default=max(MP3_KBITS))
    kbits = MP3_KBITS[rate][clip.channels - 1]
    lowest, highest = (32, 320) if rate >= 32000 else (8, 160)  # kbit/s of MPEG-1 and MPEG-2
    how = {"bitrate_mode": "CONSTANT", "compression_level": (highest - kbits) / (highest - lowest)}
    content = _file(resample(clip, rate), format="MP3", subtype="MPEG_LAYER_III", **how)
    return content, f"MP3, {rate} Hz, {kbits} kbit/s, {_layout(clip.channels)}"


def flac(clip: Audio) -> tuple[bytes, str]:
    """A clip as the content of a FLAC file of 16 bits, as exact as a WAV file and half as large; and that in words."""
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
