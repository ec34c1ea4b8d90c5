"""Recordings from elsewhere: from a microphone, uploaded or from the web -> a file that is known to hold a sound.

    recording = matching.read(recording_sources.download("https://example.com/oboe.wav"))

Notebook: 11_match.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from . import addresses, downloads, files, folders, matching, runtime
from .errors import in_one_line
from .files import plain_name

BUNDLED = folders.BUNDLED / "recordings"
ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")  # of files that are listed
MAX_FETCHED_BYTES = 64 << 20  # of a file from the web
MAX_FETCH_SECONDS = 60  # that a download may take


def folder() -> Path:
    """Where recordings from elsewhere are kept."""
    return runtime.outputs() / "recordings"


def listing(folder: str | os.PathLike) -> list[Path]:
    """The recordings in a folder, by name; none if there is no such folder."""
    return files.listing(folder, ENDINGS)


@in_one_line
def keep(content: bytes, name: str) -> Path:
    """Write a recording that came from outside into `folder()`.

    Args:
      content: the bytes of a file that `matching.read` knows.
      name: the file's; odd characters are replaced. A number is added where another recording has it already.

    Returns:
      The file: as it came or, if its name does not say that it is sound, a WAV file of what was read.

    Raises:
      ValueError: what `matching.read` finds wrong with it. Then nothing is kept.
      OSError: the folder cannot be written to.

    >>> from pathlib import Path
    >>> from helpers import matching, recordings
    >>> path = recording_sources.keep(Path("data/recordings/blown.flac").read_bytes(), "my flute?.flac")
    >>> path.name, matching.read(path)
    ('my flute_.flac', Recording('my flute_', 4.00 s, 16000 Hz))

    Notebook: 11_match.
    """
    name = plain_name(name, "recording")
    if addresses.is_web_page(content):
        raise ValueError(f"{name} is a web page and not a sound: on that page, save the sound file itself")
    recording = matching.read(content, name)
    if not name.lower().endswith(ENDINGS):
        return keep_samples(recording.samples, recording.sample_rate, name)
    return files.keep(content, folder() / name)


@in_one_line
def keep_samples(samples: np.ndarray, sample_rate: int, name: str = "recording") -> Path:
    """Write what a microphone has recorded as a WAV file into `folder()`.

    Args:
      samples: [n] or [n, channels], full scale is 1.
      sample_rate: Hz.
      name: of the file, without an ending.

    Raises:
      ValueError: what `matching.recording` finds wrong with it. Then nothing is kept.
      OSError: the folder cannot be written to.

    Notebook: 11_match.
    """
    import soundfile

    recording = matching.recording(samples, sample_rate, name)
    content = io.BytesIO()
    with soundfile.SoundFile(content, "w", recording.sample_rate, 1, format="WAV", subtype="PCM_24") as file:
        file.write(recording.samples)
    return files.keep(content.getvalue(), folder() / f"{plain_name(name, 'recording')}.wav")


@in_one_line
def download(url: str) -> Path:
    """Fetch a recording from the public web, within a minute.

    Addresses of this machine's own network are refused; see `addresses`.

    Args:
      url: an http or https address of a sound file, or the link that Google Drive's "Share" copies.

    Returns:
      The file, in `folder()`.

    Raises:
      ValueError: not a web address, the file is too large, or what `keep` finds wrong with it.
      ConnectionError: the server cannot be reached, is too slow or broke off.
      OSError: the server refuses to serve the file. From Google Drive it is a PermissionError.

    Notebook: 11_match.
    """
    try:
        page = downloads.small_file(url, MAX_FETCHED_BYTES, MAX_FETCH_SECONDS)
    except addresses.TooLargeError as error:
        raise ValueError(f"{error}; cut out a few seconds") from None
    if addresses.is_web_page(page.content):
        raise ValueError(f"{url.strip()} is a web page and not a sound: copy the link of the sound file itself")
    return keep(page.content, page.name)
