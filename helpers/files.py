"""Write files atomically, lock folders, and make file names safe for every platform."""

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

PARTIAL = ".partial-"  # prefix of files that are being written; hidden, so that they do not appear in lists
UNCLAIMED = re.compile(r"\.[0-9a-f]{16}(\..*)?")  # their names for the moment before; see `partial_file`
LOCK = ".lock"  # name of a folder's lock file
FOREVER = -1.0
ABANDONED_SECONDS = 24 * 3600  # age at which a partial file counts as abandoned, on file systems without locks
# Device names on Windows, with any ending.
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)  # errors of file systems that do not support locks
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def as_path(path: str | os.PathLike) -> Path:
    """A user's path, with "~" at its beginning expanded to the home folder."""
    return Path(os.path.expanduser(path))


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Write a file atomically: yields a temporary path, which replaces `path` if the block ends without an error.

    The temporary file is in the same folder and has the same suffix. Folders are created as needed. After an error, an
    existing file at `path` is unchanged and nothing is left behind.

    Raises:
      OSError: the file cannot be written; the message names the file, and the folder if its disk is full.
    """
    path = Path(path)
    with naming(path), partial_file(path.parent, path.suffix) as partial:
        yield partial
        os.replace(partial, path)


@contextlib.contextmanager
def partial_file(folder: Path, suffix: str = "") -> Iterator[Path]:
    """A new hidden file in a folder, which is deleted at the end of the block unless it has been renamed.

    Partial files left in the folder by processes that were killed are deleted too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    fresh = folder / f".{secrets.token_hex(8)}{suffix}"
    partial = fresh.with_name(f"{PARTIAL}{fresh.name[1:]}")
    # Not with `tempfile`, whose files only the user can read; here the umask determines the permissions.
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    with claimed(fresh):  # locked before it gets the name that `remove_abandoned` looks for
        try:
            os.replace(fresh, partial)
            yield partial
        finally:
            for path in (fresh, partial):
                path.unlink(missing_ok=True)


def is_partial(name: str) -> bool:
    """Whether a file or folder with this name is being written, or was abandoned by its writer."""
    return name.startswith(PARTIAL) or bool(UNCLAIMED.fullmatch(name))


@contextlib.contextmanager
def partial_folder(folder: Path) -> Iterator[Path]:
    """As `partial_file`, for a new folder in a folder."""
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
    """Fill a folder: yields a temporary folder, whose files are moved to `folder` if the block ends without an error.

    Args:
      folder: may exist; files of the same names are replaced.
      last: name of the file that is moved last, because its presence implies that the others are there.
      keep: keep other files in the folder; otherwise they are deleted.

    Raises:
      NotADirectoryError: `folder` is a file.
      OSError: it cannot be written; the message names it, and the parent folder if its disk is full.
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
    """Check that a folder has no other files of some kinds than those that will be written.

    This is for folders of samples, from which players load all files.

    Args:
      folder: need not exist.
      names: names of the files that will be written, case-insensitive.
      endings: endings of the kinds, such as (".wav",).
      own: whether existing files of these names are from an earlier call and may be replaced; otherwise they count as
        other files too.

    Raises:
      FileExistsError: there is such a file.
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
    """Check that a file or folder can be written, before computing its content. Parent folders need not exist.

    Raises:
      OSError: it cannot be written; the message names it.
    """
    there = path if path.is_dir() else next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with partial_file(there):
            pass
    except OSError as error:
        raise _cannot_write(path, error) from None


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; it must be a folder")


@contextlib.contextmanager
def claimed(path: Path, wait: bool = False) -> Iterator[None]:
    """Hold a lock on a file or folder, which shows other processes that its owner is alive, even if it is renamed.

    Args:
      path: an existing file or folder.
      wait: wait until it is not locked by others; otherwise it is only locked if it is free.
    """
    handle = None
    if fcntl is not None:
        handle = os.open(path, os.O_RDONLY)
        with contextlib.suppress(OSError):  # some file systems do not support locks
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


@contextlib.contextmanager
def locked(path: Path, wait: float = FOREVER, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """A block that only one process or thread at a time can be in.

    On file systems without locks, such as a mounted Google Drive, there is no waiting.

    Args:
      path: the lock file, which is created with its folder as needed and not deleted.
      wait: maximum time to wait for the lock (s).
      on_wait: called before waiting.

    Raises:
      TimeoutError: the lock was not free within `wait`.
      OSError: the lock file cannot be created.
    """
    import filelock  # here, because this module is imported before anything is installed

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
    """A block that only one process or thread at a time can be in for a folder, to read, change and write its files."""
    lock = folder / LOCK
    with contextlib.ExitStack() as held:
        with naming(lock):
            held.enter_context(locked(lock))
        yield


def remove_abandoned(folder: Path) -> None:
    """Delete partial files and folders in a folder that were left by processes that have ended."""
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
    except OSError:  # a file system without locks
        return is_old
    finally:
        os.close(handle)
    return True


def settle(partial: Path, target: Path) -> bool:
    """Rename a finished file to `target` unless that exists, and return whether it was renamed. This is race-free."""
    try:
        os.link(partial, target)
        return True
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: reserve the name first
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            return False
        os.replace(partial, target)
        return True


def listing(folder: str | os.PathLike, endings: tuple[str, ...]) -> list[Path]:
    """The visible files in a folder with certain endings (any case), by name; none if the folder does not exist."""
    folder = as_path(folder)
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(
        path for path in found if path.name.lower().endswith(endings) and path.name[0] != "." and path.is_file()
    )


def keep(content: bytes, path: Path) -> Path:
    """Write a file from outside atomically, without replacing any existing file.

    Args:
      content: content of the file.
      path: the desired path; if another file has that name, a number is added.

    Returns:
      The path of the file. An existing file of the same name and content is reused.
    """
    with naming(path), partial_file(path.parent, path.suffix) as partial:
        partial.write_bytes(content)
        for target in numbered(path):  # an infinite sequence
            if _holds(target, content) or (not target.exists() and settle(partial, target)):
                return target
    raise AssertionError("there is always another number")


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Replace OSErrors raised while writing a file by ones whose message names that file."""
    try:
        yield
    except OSError as error:
        about = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else path
        if error.strerror is None or (about.parent != path.parent and about not in path.parents):
            raise  # about another file, or with such a message already
        raise _cannot_write(path, error) from None


def _cannot_write(path: Path, error: OSError) -> OSError:
    disk = f"; the disk of {path.parent} is full" if error.errno in _FULL else ""
    said = type(error)(f"{path} cannot be written: {error.strerror}{disk}")
    said.errno = error.errno
    return said


def is_full(error: OSError) -> bool:
    """Whether an error means that the disk is full or the user's quota exhausted."""
    return error.errno in _FULL


def plain_name(name: str, otherwise: str) -> str:
    """A safe file name for any platform: no separators, leading dots or device names, and not too long.

    The suffix is preserved.

    Args:
      name: an untrusted name.
      otherwise: the name to use if no characters are left.
    """
    name = re.sub(r"[^\w. ()+-]+", "_", re.split(r"[/\\]", name)[-1]).strip(". ") or otherwise
    first, dot, rest = name.partition(".")
    if first.strip().lower() in RESERVED:
        name = f"{first.strip()}-{dot}{rest}"
    stem, suffix = os.path.splitext(name)
    return stem[:80] + suffix[:16]


def numbered(path: Path) -> Iterator[Path]:
    """An infinite sequence of paths: `path`, then "name 2", "name 3", … in the same folder, with the same suffix."""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem} {number}{path.suffix}")
