"""What goes into a folder or an archive: contents by name, written whole or not at all.

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

Contents = Mapping[str, bytes]  # path in a folder, with "/" -> what the file holds


def file_stems(instruments: Iterable[SampledInstrument | Instrument]) -> list[str]:
    """A name for the files of each instrument, no two alike."""
    return unique(stem(instrument.name) for instrument in instruments)


def sample_names(instrument: SampledInstrument, of: str, ending: str = ".wav") -> list[str]:
    """The names of the files of an instrument's zones, as in "Cello-060-C4-v127.wav"."""
    layered = len(instrument.layers) > 1
    return [sample_name(of, zone.pitch, zone.loud if layered else None, ending) for zone in instrument.zones]


def sample_name(of: str, pitch: int, loud: int | None, ending: str = ".wav") -> str:
    """The name of one of these files; `loud` is the highest velocity of its layer, if there are several."""
    return f"{of}-{pitch_text(pitch)}{'' if loud is None else f'-v{loud:03d}'}{ending}"


def archive(contents: Contents) -> bytes:
    """A zip whose entries are stored as they are, as Bitwig wants it; audio hardly shrinks."""
    content = io.BytesIO()
    _zip(contents, content)
    return content.getvalue()


def write_archive(contents: Contents, path: Path) -> None:
    """The same as a file."""
    with replacing(path) as partial, open(partial, "wb") as file:
        _zip(contents, file)


def _zip(contents: Contents, file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # without a date, so that the same makes the same file


def write_beside(contents: Contents, folder: Path) -> None:
    """Write a folder of samples, in place of the one that an earlier export has left there.

    Raises:
      ValueError: there is a folder of this name with something else in it.
    """
    check_ours(folder)
    with filling(folder, keep=False) as partial:
        for name, content in contents.items():
            (partial / name).write_bytes(content)


def check_ours(folder: Path) -> None:
    """Check that a folder may be replaced if there is one: it holds what an export has written, and nothing else."""
    if not folder.exists():
        return
    if not folder.is_dir() or any(not _is_ours(path.name) for path in folder.iterdir()):
        raise ValueError(f"{folder} holds other things than exported samples; choose another name, or move it away")


def _is_ours(name: str) -> bool:
    """Whether a file is of an export, or one that is being written at this moment."""
    return bool(OURS.fullmatch(name)) or is_partial(name)
