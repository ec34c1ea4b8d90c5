"""helpers.files, and what is written with it: whole or not at all, and hidden until it is whole."""

import contextlib
import errno
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from helpers import audio, files, midi_sources
from helpers.audio import Audio

REPO = Path(__file__).parents[1]
SCORES = REPO / "data" / "midi"
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has neither umask nor these limits")


def run(code, *arguments, **kwargs):
    """Python in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)


def there(folder):
    return sorted(path.name for path in folder.iterdir())


@posix
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_have_the_permissions_that_the_user_gives(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with files.replacing(tmp_path / "deep" / "a.txt") as partial:
            partial.write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "deep" / "a.txt").stat().st_mode & 0o777 == mode


def test_what_is_being_written_is_hidden(tmp_path, monkeypatch):
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path))
    with files.replacing(midi_sources.folder() / "a.mid") as partial:
        partial.write_bytes((SCORES / "study.mid").read_bytes())
        assert partial.name.startswith(".")
        assert midi_sources.listing(midi_sources.folder()) == []
    assert there(midi_sources.folder()) == ["a.mid"]


@posix
def test_what_a_killed_process_left_is_deleted_by_the_next_and_what_lives_is_not(tmp_path):
    writing = """
        import sys, time
        from pathlib import Path
        from helpers import files
        with files.replacing(Path(sys.argv[1])) as partial:
            partial.write_text("half")
            print("begun", flush=True)
            time.sleep(60)
    """
    killed, alive = (run(writing, tmp_path / name) for name in ("killed.txt", "alive.txt"))
    try:
        assert [process.stdout.readline() for process in (killed, alive)] == ["begun\n"] * 2
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(there(tmp_path)) == 2
        for path in tmp_path.iterdir():
            os.utime(path, (0, 0))  # age alone says nothing
        with files.replacing(tmp_path / "mine.txt") as partial:
            partial.write_text("whole")
        assert len(there(tmp_path)) == 2
        assert "mine.txt" in there(tmp_path)
        assert alive.poll() is None
    finally:
        for process in (killed, alive):
            process.kill()
            process.communicate()


@posix
def test_a_folder_that_is_being_written_is_not_deleted_and_one_that_was_left_is(tmp_path):
    (tmp_path / f"{files.PARTIAL}left").mkdir()
    (tmp_path / f"{files.PARTIAL}left" / "half").touch()
    with files.partial_folder(tmp_path) as partial:
        (partial / "half").touch()
        assert there(tmp_path) == [partial.name]
        files.remove_abandoned(tmp_path)
        assert there(tmp_path) == [partial.name]
    assert there(tmp_path) == []


@pytest.mark.parametrize("make", [files.partial_file, files.partial_folder])
def test_what_is_being_written_can_be_told_by_its_name_at_every_moment(tmp_path, monkeypatch, make):
    seen = []

    @contextlib.contextmanager
    def claimed(path):
        seen.extend(there(tmp_path))
        yield

    monkeypatch.setattr(files, "claimed", claimed)
    with make(tmp_path) as partial:
        assert there(tmp_path) == [partial.name]
    assert len(seen) == 1
    assert all(map(files.is_partial, [*seen, partial.name]))
    assert not any(map(files.is_partial, ["a.wav", ".hidden", ".0123456789abcdef0", "0123456789abcdef"]))


def test_without_locks_only_what_is_old_is_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    for name in ("old", "new"):
        (tmp_path / f"{files.PARTIAL}{name}").touch()
    os.utime(tmp_path / f"{files.PARTIAL}old", (0, 0))
    with files.replacing(tmp_path / "a.txt") as partial:
        partial.write_text("x")
    assert there(tmp_path) == [f"{files.PARTIAL}new", "a.txt"]


@pytest.mark.parametrize("links", [True, False])
def test_of_many_uploads_under_one_name_none_is_lost(tmp_path, monkeypatch, links):
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path))
    monkeypatch.setattr(midi_sources.midi, "parse", lambda *_: None)  # all begin at once, and this takes longest
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    contents = [b"MThd" + bytes([i]) * 100 for i in range(12)]
    ready, kept = threading.Barrier(len(contents)), []

    def upload(content):
        ready.wait()
        kept.append((midi_sources.keep(content, "song.mid"), content))

    threads = [threading.Thread(target=upload, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({path for path, _ in kept}) == len(contents)
    assert all(path.read_bytes() == content for path, content in kept)
    assert len(there(midi_sources.folder())) == len(contents)


def test_an_error_of_the_disk_names_the_file_and_the_disk(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(OSError, match="cannot be written: No space") as caught, files.replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(caught.value) == f"{path} cannot be written: No space left on device; the disk of {tmp_path} is full"
    assert caught.value.errno == errno.ENOSPC
    assert path.read_text() == "before"
    assert there(tmp_path) == ["a.txt"]
    with pytest.raises(FileNotFoundError, match="elsewhere"), files.replacing(path):
        open("/elsewhere/input")  # noqa: SIM115  of another file: not ours to name


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/a\.txt cannot be written"), files.replacing(tmp_path / "file" / "a.txt"):
        pass


FULL = """
    import resource, sys
    import numpy as np
    from helpers import audio
    from helpers.audio import Audio
    noise = np.random.RandomState(0).uniform(-0.5, 0.5, 400_000).astype(np.float32)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        audio.write(Audio(noise, 16000), sys.argv[1])
        print("written")
    except OSError as error:
        print(error)
"""


@posix
@pytest.mark.parametrize("room", [0, 1000, 50_000])
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.slow
def test_a_disk_that_takes_no_more_is_an_error_and_the_old_file_stays(tmp_path, ending, room):
    """A limit on the size of files stands in for a full disk."""
    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"before")
    process = run(FULL, path, room)
    said, errors = process.communicate()
    assert "cannot be written" in said, said + errors[-2000:]
    assert "Traceback" not in errors
    assert str(tmp_path) in said
    assert said.count("\n") == 1
    assert path.read_bytes() == b"before"
    assert there(tmp_path) == [path.name]


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("samples", [0, 1, 100, 1152, 16000, 100_001])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_what_is_whole_is_taken_for_whole(tmp_path, ending, samples, rate, capfd):
    audio.write(Audio(np.zeros((samples, 2), np.float32), rate), tmp_path / f"a.{ending}")
    assert capfd.readouterr() == ("", "")


def test_a_file_that_comes_out_short_is_noticed(tmp_path, monkeypatch):
    import soundfile

    write = soundfile.SoundFile.write
    monkeypatch.setattr(soundfile.SoundFile, "write", lambda self, data: write(self, data[:-1]))
    with pytest.raises(OSError, match="gives incomplete data"):
        audio.write(Audio(np.zeros(1000, np.float32), 16000), tmp_path / "a.flac")
    assert there(tmp_path) == []


@pytest.mark.parametrize(
    "error", [NotImplementedError(), OSError(errno.ENOLCK, "no locks"), OSError(errno.ENOTSUP, "")]
)
def test_where_there_are_no_locks_nobody_waits(tmp_path, monkeypatch, error):
    def refuse(self, timeout=None):
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    entered = False
    with files.in_turn(tmp_path):
        entered = True
    assert entered


def test_a_lock_that_cannot_be_made_is_an_error_that_names_it(tmp_path, monkeypatch):
    def refuse(self, timeout=None):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / files.LOCK))

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(PermissionError, match=r"\.lock cannot be written: Permission denied"), files.in_turn(tmp_path):
        pytest.fail("it was let in")


def test_who_does_not_want_to_wait_is_told_at_once_and_others_after_a_word(tmp_path):
    said = []
    with files.locked(tmp_path / "a.lock"):
        with pytest.raises(TimeoutError, match="held by another process"), files.locked(tmp_path / "a.lock", wait=0):
            pytest.fail("it was let in")
        with (
            pytest.raises(TimeoutError),
            files.locked(tmp_path / "a.lock", wait=0.1, on_wait=lambda: said.append("waiting")),
        ):
            pytest.fail("it was let in")
    assert said == ["waiting"]
    with files.locked(tmp_path / "a.lock", wait=0):
        pass


def test_names_from_outside_become_plain_ones():
    assert files.plain_name("../a/b?.mid", "c") == "b_.mid"
    assert files.plain_name("..", "c") == "c"
    assert [files.plain_name(name, "c") for name in ("con.wav", "Lpt1 .x.mid", "cone")] == [
        "con-.wav",
        "Lpt1-.x.mid",
        "cone",
    ]
    long = files.plain_name(300 * "n" + "." + 300 * "x", "c")
    assert (len(long), long[:2], long[-2:]) == (96, "nn", "xx")


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def fill(folder, content="new", **how):
    with files.filling(folder, **how) as partial:
        (partial / "b").mkdir()
        for name in ("a.txt", "b/c.txt", "z.txt"):
            (partial / name).write_text(content)


@pytest.mark.parametrize(("keep", "others"), [(True, {"mine.txt": "mine", "own/d.txt": "mine"}), (False, {})])
def test_a_folder_is_filled_with_or_without_what_else_is_there(tmp_path, keep, others):
    folder, made = tmp_path / "deep" / "here", dict.fromkeys(("a.txt", "b/c.txt", "z.txt"), "new")
    fill(folder, keep=keep)
    assert contents(folder) == made
    fill(folder, "old", keep=keep)
    (folder / "own").mkdir()
    for name in ("mine.txt", "own/d.txt"):
        (folder / name).write_text("mine")
    fill(folder, keep=keep)
    assert contents(folder) == made | others
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(files.PARTIAL)]


def test_a_folder_is_filled_after_all_is_made_and_with_the_last_file_last(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    for there in ({}, {"a.txt": "old"}):
        for name, content in there.items():
            folder.mkdir()
            (folder / name).write_text(content)
        with pytest.raises(TypeError):
            fill(folder, content=None)
        assert folder.exists() == bool(there)
        assert not there or contents(folder) == there
    moved, move = [], os.replace
    monkeypatch.setattr(files.os, "replace", lambda path, target: (moved.append(Path(target).name), move(path, target)))
    fill(folder, last="a.txt")
    assert moved[-3:] == ["c.txt", "z.txt", "a.txt"]
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="is a file; it must be a folder"):
        fill(tmp_path / "file")


def test_other_sounds_in_a_folder_are_told(tmp_path):
    files.check_no_others(tmp_path / "none", [], [".wav"])
    for name in ("One.WAV", "two.wav", "three.txt"):
        (tmp_path / name).touch()
    files.check_no_others(tmp_path, ["one.wav", "Two.wav"], [".wav"])
    with pytest.raises(FileExistsError, match=r"holds other files, such as two\.wav"):
        files.check_no_others(tmp_path, ["one.wav"], [".wav"])
    with pytest.raises(FileExistsError, match=r"holds other files, such as three\.txt"):
        files.check_no_others(tmp_path, ["Three.txt"], [".json"], own=False)
    files.check_no_others(tmp_path, ["four.txt"], [".json"], own=False)


@pytest.mark.parametrize("where", ["a.wav", "new/folder/a.wav", "there", "there/a.wav"])
def test_what_cannot_be_written_is_known_before(tmp_path, monkeypatch, where):
    (tmp_path / "there").mkdir()
    (tmp_path / "a.wav").write_text("mine")
    files.check_writable(tmp_path / where)
    assert contents(tmp_path) == {"a.wav": "mine"}
    tried, open_ = [], os.open

    def refuse(path, *how):
        tried.append(Path(path).parent)
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(files.os, "open", refuse)
    with pytest.raises(PermissionError, match=f"{where} cannot be written: Permission denied$"):
        files.check_writable(tmp_path / where)
    monkeypatch.setattr(files.os, "open", open_)
    assert tried == [tmp_path / "there" if where.startswith("there") else tmp_path]


def test_an_error_of_the_disk_is_told_once(tmp_path):
    """The samples beside a file are written within its own block; the inner sentence is the one that knows."""
    inner = tmp_path / "a_sfz" / "one.wav"
    said = r"one\.wav cannot be written: No space left on device; the disk of \S* is full$"
    with pytest.raises(OSError, match=said), files.naming(tmp_path / "a.sfz"), files.naming(inner):
        raise OSError(errno.ENOSPC, "No space left on device", str(inner))


def test_names_to_choose_from_are_numbered_from_two():
    names = itertools.islice(files.numbered(Path("here/a clip.wav")), 3)
    assert [name.as_posix() for name in names] == ["here/a clip.wav", "here/a clip 2.wav", "here/a clip 3.wav"]
