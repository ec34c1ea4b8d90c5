"""Folders and archives of samples, written completely or not at all.

Notebook: 10_take_home.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from ..files import filling, is_partial, replacing
from ..instruments import Instrument
from .naming import pitch_text, stem, unique
from .sampling import SampledInstrument

AUDIO = (".wav", ".flac")
PICTURE = "picture.png"
OURS = re.compile(rf"[A-Za-z0-9-]+-\d{{3}}-[A-G]s?-?\d(-v\d{{3}})?\.(wav|flac)|{re.escape(PICTURE)}")  # `sample_names`

Contents = Mapping[str, bytes]  # path inside a folder, with "/" -> content of the file


def file_stems(instruments: Iterable[SampledInstrument | Instrument]) -> list[str]:
    """The beginning of the file names of each instrument, all different."""
    return unique(stem(instrument.name) for instrument in instruments)


def sample_names(instrument: SampledInstrument, of: str, ending: str = ".wav") -> list[str]:
    """The file names of an instrument's zones, such as "Cello-060-C4-v127.wav"."""
    layered = len(instrument.layers) > 1
    return [sample_name(of, zone.pitch, zone.loud if layered else None, ending) for zone in instrument.zones]


def sample_name(of: str, pitch: int, loud: int | None, ending: str = ".wav") -> str:
    """The file name of one zone; `loud` is the highest velocity of its layer, or None if there is only one."""
    return f"{of}-{pitch_text(pitch)}{'' if loud is None else f'-v{loud:03d}'}{ending}"


def archive(contents: Contents) -> bytes:
    """A zip file whose entries are not compressed, as Bitwig requires; audio hardly gets smaller anyway."""
    content = io.BytesIO()
    _zip(contents, content)
    return content.getvalue()


def write_archive(contents: Contents, path: Path) -> None:
    """Write such a zip file."""
    with replacing(path) as partial, open(partial, "wb") as file:
        _zip(contents, file)


def _zip(contents: Contents, file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # without a date: equal contents give equal files


def write_beside(contents: Contents, folder: Path) -> None:
    """Write a folder of samples, in place of one from an earlier export.

    Raises:
      ValueError: a folder of this name exists and contains other files.
    """
    check_ours(folder)
    with filling(folder, keep=False) as partial:
        for name, content in contents.items():
            (partial / name).write_bytes(content)


def check_ours(folder: Path) -> None:
    """Check that a folder does not exist, or contains only files of an export, so that it may be replaced."""
    if not folder.exists():
        return
    if not folder.is_dir() or any(not _is_ours(path.name) for path in folder.iterdir()):
        raise ValueError(f"{folder} contains other files than exported samples; choose another name, or move it away")


def _is_ours(name: str) -> bool:
    """Whether a file was written by an export, or is just being written."""
    return bool(OURS.fullmatch(name)) or is_partial(name)
