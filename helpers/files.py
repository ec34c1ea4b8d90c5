"""Files that are written whole or not at all, under names that are safe everywhere."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # a module or, there, none

PARTIAL = ".partial-"  # begins the name of what is being written; hidden, so that it is in no list
UNCLAIMED = re.compile(r"\.[0-9a-f]{16}(\..*)?")  # the name that it has for a moment before: see `partial_file`
LOCK = ".lock"  # of a folder
FOREVER = -1.0
ABANDONED_SECONDS = 24 * 3600  # after which a partial file counts as left behind, where locks cannot tell
# Windows takes these for devices, with any ending.
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)  # what some file systems say, where others have no call
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def as_path(path: str | os.PathLike) -> Path:
    """A path as people write it: "~" at its beginning is their home, which no shell replaces inside of Python."""
    return Path(os.path.expanduser(path))


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path`, with its suffix, that takes its place when the block ends without an error.

    Folders are made as needed. After an error, whatever was at `path` is still there and nothing else is left.

    Raises:
      OSError: it cannot be written; the message names the file, and the folder whose disk is full.
    """
    path = Path(path)
    with naming(path), partial_file(path.parent, path.suffix) as partial:
        yield partial
        os.replace(partial, path)


@contextlib.contextmanager
def partial_file(folder: Path, suffix: str = "") -> Iterator[Path]:
    """A new file in a folder, hidden and with the user's own permissions; at the end of the block it is deleted,
    unless it has been given a name by then.

    What processes that were killed have left in the folder is deleted too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    fresh = folder / f".{secrets.token_hex(8)}{suffix}"
    partial = fresh.with_name(f"{PARTIAL}{fresh.name[1:]}")
    # Not `tempfile`, which lets nobody else read the file: the user's umask decides that.
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    with claimed(fresh):  # before it has the name that clean-up looks for
        try:
            os.replace(fresh, partial)
            yield partial
        finally:
            for path in (fresh, partial):
                path.unlink(missing_ok=True)


def is_partial(name: str) -> bool:
    """Whether a file or folder of this name is one that is being written, or was when its writer ended."""
    return name.startswith(PARTIAL) or bool(UNCLAIMED.fullmatch(name))


@contextlib.contextmanager
def partial_folder(folder: Path) -> Iterator[Path]:
    """The same for a folder in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    fresh = folder / f".{secrets.token_hex(8)}"
    partial = fresh.with_name(f"{PARTIAL}{fresh.name[1:]}")
    fresh.mkdir()
    with claimed(fresh):
        try:
            os.replace(fresh, partial)
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def filling(folder: str | os.PathLike, last: str = "", keep: bool = True) -> Iterator[Path]:
    """A temporary folder, whose files are in `folder` once the block has ended without an error; else none of them is.

    Args:
      folder: may be there; what has the name of a new file is replaced.
      last: name of the file that takes its place after all others, since who finds it relies on them.
      keep: leave there what else is in the folder.

    Raises:
      NotADirectoryError: `folder` is a file.
      OSError: it cannot be written; the message names it, and the folder whose disk is full.
    """
    folder = Path(folder)
    _check_folder(folder)
    is_there = folder.exists()
    with naming(folder), partial_folder(folder if is_there else folder.parent) as partial:
        yield partial
        if not is_there:
            os.replace(partial, folder)
            return
        files = sorted(
            (path for path in partial.rglob("*") if path.is_file()), key=lambda path: (path.name == last, path)
        )
        names = {path.relative_to(partial).parts[0] for path in files}
        for path in files:
            target = folder / path.relative_to(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
        for other in [] if keep else [path for path in folder.iterdir() if path.name not in names and path != partial]:
            shutil.rmtree(other) if other.is_dir() else other.unlink()


def check_no_others(folder: Path, names: Iterable[str], endings: Collection[str], own: bool = True) -> None:
    """Check that a folder has no files of some kinds but those that are written anew: players take all that there are.

    Args:
      folder: need not be there.
      names: of the files that are written, in any case.
      endings: of the kinds, as in (".wav",).
      own: whether what has these names is of an earlier call; else it is somebody's, and would be lost.

    Raises:
      FileExistsError: there is another one.
      NotADirectoryError: `folder` is a file.
    """
    _check_folder(folder)
    known = {name.lower() for name in names}
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    others = [name for name in there if name.lower() not in known and Path(name).suffix.lower() in endings]
    others += [name for name in there if name.lower() in known and not own]
    if others:
        raise FileExistsError(f"{folder} holds other files, such as {others[0]}; name another folder, or empty it")


def check_writable(path: Path) -> None:
    """Check that a file or folder can be written, whose own folder may not be there, before the work is done for it.

    Raises:
      OSError: it cannot; the message names it.
    """
    there = path if path.is_dir() else next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with partial_file(there):
            pass
    except OSError as error:
        raise _cannot_write(path, error) from None


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, and a folder is to be there")


@contextlib.contextmanager
def claimed(path: Path, wait: bool = False) -> Iterator[None]:
    """Hold a lock on a file or folder, under whatever name, by which others see that its owner is alive.

    Args:
      path: of what is there.
      wait: for others to let go of it, where there are such locks; else it is held if nobody holds it.
    """
    handle = None
    if fcntl is not None:
        handle = os.open(path, os.O_RDONLY)
        with contextlib.suppress(OSError):  # some file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


@contextlib.contextmanager
def locked(path: Path, wait: float = FOREVER, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """A block that one process or thread at a time can be in.

    Args:
      path: of the lock, a file that is made with its folder as needed and left there.
      wait: s, for whoever is in it to leave.
      on_wait: called before waiting.

    Raises:
      TimeoutError: somebody has been in it for longer than `wait`.
      OSError: the file cannot be made.

    On file systems without locks, such as a mounted Google Drive, nobody waits.
    """
    import filelock  # here, because notebooks begin with what runs before anything is installed

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(str(path))
    try:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if wait == 0:
                raise
            if on_wait is not None:
                on_wait()
            lock.acquire(timeout=wait)
    except filelock.Timeout:
        raise TimeoutError(f"{path} is held by another process") from None
    except NotImplementedError:
        pass
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Wait until nobody else is in such a block for this folder, for what reads, changes and writes files there."""
    lock = folder / LOCK
    with contextlib.ExitStack() as held:
        with naming(lock):
            held.enter_context(locked(lock))
        yield


def remove_abandoned(folder: Path) -> None:
    """Delete the partial files and folders in a folder whose writers are gone."""
    with contextlib.suppress(OSError):
        for path in [Path(entry.path) for entry in os.scandir(folder) if entry.name.startswith(PARTIAL)]:
            with contextlib.suppress(OSError):
                if _is_abandoned(path):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_abandoned(path: Path) -> bool:
    is_old = time.time() - path.stat().st_mtime > ABANDONED_SECONDS
    if fcntl is None:
        return is_old
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks here
        return is_old
    finally:
        os.close(handle)
    return True


def settle(partial: Path, target: Path) -> bool:
    """Give a finished file its name, unless something has that name already: of two at once, one gets it."""
    try:
        os.link(partial, target)
        return True
    except FileExistsError:
        return False
    except OSError:  # a file system without links: the name is taken first
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            return False
        os.replace(partial, target)
        return True


def listing(folder: str | os.PathLike, endings: tuple[str, ...]) -> list[Path]:
    """The files in a folder that end so, in small letters or capitals, by name; none if there is no such folder."""
    folder = as_path(folder)
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(
        path for path in found if path.name.lower().endswith(endings) and path.name[0] != "." and path.is_file()
    )


def keep(content: bytes, path: Path) -> Path:
    """Write a file that came from outside, whole or not at all, and leave what is there alone.

    Args:
      content: of the file.
      path: where it is wanted; a number is added where another file has the name.

    Returns:
      Where it is: a file of that name with the same content is taken as it is.
    """
    with naming(path), partial_file(path.parent, path.suffix) as partial:
        partial.write_bytes(content)
        for target in numbered(path):  # without an end
            if _holds(target, content) or (not target.exists() and settle(partial, target)):
                return target
    raise AssertionError("there is always another number")


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the disk in this block say, in a sentence, which file could not be written."""
    try:
        yield
    except OSError as error:
        about = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else path
        if error.strerror is None or (about.parent != path.parent and about not in path.parents):
            raise  # of another file, or a sentence already
        raise _cannot_write(path, error) from None


def _cannot_write(path: Path, error: OSError) -> OSError:
    disk = f"; the disk of {path.parent} is full" if error.errno in _FULL else ""
    said = type(error)(f"{path} cannot be written: {error.strerror}{disk}")
    said.errno = error.errno
    return said


def is_full(error: OSError) -> bool:
    """Whether it says that the disk is full, or what a user may have of it."""
    return error.errno in _FULL


def plain_name(name: str, otherwise: str) -> str:
    """`name` as a plain file name everywhere: no separators, no leading dot, no device, not too long; its suffix stays.

    Args:
      name: from outside, and not to be trusted.
      otherwise: a name for where nothing is left of it.
    """
    name = re.sub(r"[^\w. ()+-]+", "_", re.split(r"[/\\]", name)[-1]).strip(". ") or otherwise
    first, dot, rest = name.partition(".")
    if first.strip().lower() in RESERVED:
        name = f"{first.strip()}-{dot}{rest}"
    stem, suffix = os.path.splitext(name)
    return stem[:80] + suffix[:16]


def numbered(path: Path) -> Iterator[Path]:
    """Names to choose a free one from: `path`, then "name 2", "name 3", … beside it, with its suffix."""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem} {number}{path.suffix}")
