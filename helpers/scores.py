"""Find scores by files, folders and patterns, and give each a unique name for its clip.

    for score in scores.find(["songs", "more/*.mid"]):
        print(score.path, "->", score.name)

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
import glob
import itertools
import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from .errors import in_one_line, one_line
from .files import as_path, plain_name
from .limits import MAX_BYTES, MAX_ENTRIES, MAX_SCORES

ENDINGS = (".mid", ".midi", ".kar", ".rmi", ".mid.gz", ".midi.gz")  # of the files that are found in folders
MAX_NAME_BYTES = 120  # of each part of a name; most file systems allow 255
MAX_FOLDERS = 16  # in a name; of deeper paths, the last ones are kept
# Endings that folders in names must not have, because they could be the name of a clip.
FILE_ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".json", ".csv")


@dataclasses.dataclass(frozen=True)
class Score:
    """A score to be played.

    Attributes:
      path: path of the file.
      name: name for its clip, without an ending: folders and a file name, separated by "/". It is unique in the list,
        and safe on any file system.
      bytes: size of the file, as an estimate of the work.
      fault: reason why it cannot be read, if known; otherwise "".
    """

    path: Path
    name: str
    bytes: int = 0
    fault: str = ""


@in_one_line
def find(inputs: Sequence[str | os.PathLike], reserved: Sequence[str] = ()) -> list[Score]:
    """Find the scores given by files, folders and patterns.

    A folder stands for all scores in it and its subfolders, except hidden ones; subfolders are part of the names. A
    file that is given twice is listed once. If two scores would have the same name, a number is added. Files that
    cannot be opened are listed with their `fault`.

    Args:
      inputs: paths, or patterns such as "songs/**/*.mid" that the shell has not expanded.
      reserved: names that no score may have.

    Raises:
      FileNotFoundError: there is no such file or folder, or it has no scores.
      ValueError: there are more than `limits.MAX_SCORES` scores.

    >>> from helpers import scores
    >>> for score in scores.find(["data/midi"]):
    ...     print(score.name)
    bach_prelude
    study
    """
    found: list[Score] = []
    seen: set[str] = set()
    taken = {_folded(name) for name in reserved}
    for text in inputs:
        is_empty = True
        for path, base, fault in _under(text):
            is_empty = False
            identity = os.path.realpath(path)
            if identity in seen:
                continue
            seen.add(identity)
            name = next(name for name in _names(path, base) if _folded(name) not in taken)
            taken.add(_folded(name))
            size, wrong = _looked_at(path)
            found.append(Score(path, name, size, fault or wrong))
            if len(found) > MAX_SCORES:
                raise ValueError(f"there are more than {MAX_SCORES:,} scores; play them in several runs")
        if is_empty:
            raise FileNotFoundError(
                f"no score in {one_line(text)}: there are no files that end in {', '.join(ENDINGS[:4])}"
            )
    return found


def content(score: Score) -> bytes:
    """The bytes of a score.

    Raises:
      ValueError, OSError: it is not a file, is too large, or cannot be read.
    """
    if score.fault:
        raise ValueError(score.fault)
    with open(score.path, "rb") as file:
        read = file.read(MAX_BYTES + 1)
    if len(read) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES >> 20} MB; a MIDI file is far smaller")
    return read


def _looked_at(path: Path) -> tuple[int, str]:
    """The size of a file, and the reason why it cannot be read, if any."""
    try:
        status = path.stat()
    except OSError as error:
        return 0, f"it cannot be opened: {error.strerror}"
    if stat.S_ISDIR(status.st_mode):
        return 0, "the folder cannot be opened"
    return (status.st_size, "") if stat.S_ISREG(status.st_mode) else (0, "it is not a file")


def _under(text: str | os.PathLike) -> Iterator[tuple[Path, Path, str]]:
    """The files of one input: path, the folder to which its name is relative, and a fault."""
    path = as_path(text)
    if path.is_dir():
        yield from _walk(path, path)
        return
    if os.path.lexists(path):
        yield path, path.parent, ""
        return
    if not glob.has_magic(str(path)):
        raise FileNotFoundError(f"no score at {one_line(path)}: there is no such file or folder")
    matches = sorted(itertools.islice(glob.iglob(str(path), recursive=True), MAX_ENTRIES))
    parts = itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)
    base = Path(*parts)
    for match in map(Path, matches):
        if match.is_dir():
            if "**" not in path.parts:  # otherwise the files in it match too
                yield from _walk(match, base)
        elif match.name.lower().endswith(ENDINGS):
            yield match, base, ""


def _walk(top: Path, base: Path) -> Iterator[tuple[Path, Path, str]]:
    """The scores in a folder and its subfolders, visiting each folder once even if there are links to it."""
    waiting, seen, entries = [top], set(), 0
    while waiting:
        folder = waiting.pop()
        try:
            status = folder.stat()
            inside = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield folder, base, f"the folder cannot be read: {error.strerror}"
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        entries += len(inside)
        if entries > MAX_ENTRIES:
            raise ValueError(f"{top} has more than {MAX_ENTRIES:,} files; choose a folder in it")
        visible = [entry for entry in inside if not entry.name.startswith(".")]
        waiting += [Path(entry.path) for entry in reversed(visible) if _is_folder(entry)]
        for entry in visible:
            if entry.name.lower().endswith(ENDINGS) and not _is_folder(entry):
                yield Path(entry.path), base, ""


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _names(path: Path, base: Path) -> Iterator[str]:
    """An infinite sequence of names: "folder/file", then "folder/file 2", …."""
    inside = path.relative_to(base) if path.is_relative_to(base) and path != base else Path(path.name)
    longest_first = sorted(ENDINGS, key=len, reverse=True)
    ending = next((ending for ending in longest_first if path.name.lower().endswith(ending)), path.suffix)
    stem = _cut(plain_name(path.name[: len(path.name) - len(ending)], "score"))
    folders = [_cut(plain_name(part, "folder")) for part in inside.parts[:-1]][-MAX_FOLDERS:]
    folders = [part + "_" if part.lower().endswith(FILE_ENDINGS) else part for part in folders]
    for number in itertools.count(1):
        yield str(PurePosixPath(*folders, stem if number == 1 else f"{stem} {number}"))


def _cut(name: str) -> str:
    return name.encode("utf-8", "replace")[:MAX_NAME_BYTES].decode("utf-8", "ignore").rstrip(". ") or "_"


def _folded(name: str) -> str:
    """A name normalised for file systems that ignore case or use another Unicode form for accents."""
    return unicodedata.normalize("NFC", name).casefold()
