"""Save recordings from a microphone, uploads or the web, after checking that they are audio files.

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
ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")  # endings of files that are listed
MAX_FETCHED_BYTES = 64 << 20  # size of a file from the web
MAX_FETCH_SECONDS = 60  # maximum duration of a download


def folder() -> Path:
    """The folder for recordings from elsewhere."""
    return runtime.outputs() / "recordings"


def listing(folder: str | os.PathLike) -> list[Path]:
    """The recordings in a folder, sorted by name; none if the folder does not exist."""
    return files.listing(folder, ENDINGS)


@in_one_line
def keep(content: bytes, name: str) -> Path:
    """Save a recording from outside in `folder()`.

    Args:
      content: bytes of a file in a format that `matching.read` supports.
      name: name of the file; unsafe characters are replaced. If another recording has that name, a number is added.

    Returns:
      The path of the file. If its name does not have the ending of an audio file, it is converted to WAV.

    Raises:
      ValueError: `matching.read` cannot read it; then nothing is saved.
      OSError: the folder is not writable.

    >>> from pathlib import Path
    >>> from helpers import matching, recording_sources
    >>> path = recording_sources.keep(Path("data/recordings/blown.flac").read_bytes(), "my flute?.flac")
    >>> path.name, matching.read(path)
    ('my flute_.flac', Recording('my flute_', 4.00 s, 16000 Hz))

    Notebook: 11_match.
    """
    name = plain_name(name, "recording")
    if addresses.is_web_page(content):
        raise ValueError(f"{name} is a web page, not an audio file: on that page, save the audio file itself")
    recording = matching.read(content, name)
    if not name.lower().endswith(ENDINGS):
        return keep_samples(recording.samples, recording.sample_rate, name)
    return files.keep(content, folder() / name)


@in_one_line
def keep_samples(samples: np.ndarray, sample_rate: int, name: str = "recording") -> Path:
    """Save a recording from a microphone as a WAV file in `folder()`.

    Args:
      samples: [n] or [n, channels]; full scale is 1.
      sample_rate: Hz.
      name: name of the file, without an ending.

    Raises:
      ValueError: `matching.recording` rejects it; then nothing is saved.
      OSError: the folder is not writable.

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

    Addresses on this machine's own network are refused; see `addresses`.

    Args:
      url: http or https address of an audio file, or a link from Google Drive's "Share".

    Returns:
      The path of the file, in `folder()`.

    Raises:
      ValueError: it is not a web address, the file is too large, or `keep` rejects it.
      ConnectionError: the server cannot be reached, is too slow, or broke the connection.
      OSError: the server refuses to serve the file (for Google Drive, a PermissionError).

    Notebook: 11_match.
    """
    try:
        page = downloads.small_file(url, MAX_FETCHED_BYTES, MAX_FETCH_SECONDS)
    except addresses.TooLargeError as error:
        raise ValueError(f"{error}; cut it to a few seconds") from None
    if addresses.is_web_page(page.content):
        raise ValueError(f"{url.strip()} is a web page, not an audio file: copy the link of the audio file itself")
    return keep(page.content, page.name)
