"""helpers.cluster: two workers make what one process makes, whatever happens to them in the middle."""

import contextlib
import dataclasses
import errno
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest
from inputs import Player, song_of
from tornado.ioloop import IOLoop

from helpers import cluster, generate, many, midi, scores
from helpers.midi import Note

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.slow  # processes are started

# What each worker runs before anything else: a stand-in for the model, which at pitch 61 waits for a file.
PRELOAD = """
import sys
sys.path[:0] = {path!r}
import pathlib, time
import numpy as np
from inputs import Player
from helpers import gansynth, audio

class Waiting(Player):
    def generate(self, z, pitches, *given, **how):
        if 61 in np.asarray(pitches):
            pathlib.Path({folder!r}, f"reached {{__import__('os').getpid()}}").touch()
            while not pathlib.Path({folder!r}, "go on").exists():
                time.sleep(0.02)
        return super().generate(z, pitches, *given, **how)

gansynth.load = lambda source, precision, backend: Waiting()
gansynth.use_threads = lambda count: None
{more}
"""
FULL = """
import errno
write = getattr(audio, "untouched", audio.write)  # Dask runs this more than once
audio.untouched = write
def full(clip, path, *given):
    if path.name == "s3.wav":
        raise OSError(errno.ENOSPC, f"{path.name} cannot be written: the disk is full")
    return write(clip, path, *given)
audio.write = full
"""
BROKEN = """
import errno
tries = []
write = getattr(audio, "untouched", audio.write)
audio.untouched = write
def broken(clip, path, *given):
    if path.name == "s3.wav" and not tries:
        tries.append(1)
        raise OSError(errno.EIO, f"{path.name} cannot be written: the network is away")
    return write(clip, path, *given)
audio.write = broken
"""
LIMIT = 120.0  # s to wait for what must come


@contextlib.contextmanager
def client_of(tmp_path, more="", count=2):
    path = tmp_path / "preload.py"
    path.write_text(PRELOAD.format(path=[p for p in sys.path if p], folder=str(tmp_path), more=more))
    with (
        distributed.LocalCluster(
            n_workers=count, threads_per_worker=1, dashboard_address=None, memory_limit=0, preload=[str(path)],
            silence_logs=50,
        ) as made,
        distributed.Client(made, set_as_default=False) as client,
    ):  # fmt: skip
        yield client


@pytest.fixture
def songs(tmp_path):
    """Eight songs, the third of which waits, and what is none."""
    folder = tmp_path / "songs"
    folder.mkdir()
    for i in range(8):
        pitches = (60, 61 if i == 2 else 62, 64 + i)
        midi.write(song_of(*(Note(p, 90, 0.3 * k, 0.3 * k + 0.2) for k, p in enumerate(pitches))), folder / f"s{i}.mid")
    (folder / "bad.mid").write_text("words")
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.wav")}


def go_on(tmp_path):
    (tmp_path / "go on").touch()


def once_reached(tmp_path, besides=()):
    """The process id of the worker that has come to the song that waits."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        for path in tmp_path.glob("reached *"):
            if (number := int(path.name.split()[1])) not in besides:
                return number
        time.sleep(0.02)
    raise AssertionError("no worker has come to the song that waits")


def expected(songs, tmp_path):
    """The clips of one process."""
    rows = list(many.render_many(Player(), scores.find([songs]), tmp_path / "one", many.Run(seed=1), progress=False))
    assert [row.result for row in rows].count("made") == 8
    return contents(tmp_path / "one")


def test_two_workers_make_the_same_files_though_one_is_killed_in_the_middle(songs, tmp_path):
    out = tmp_path / "two"
    with client_of(tmp_path) as client:
        rows = cluster.render_many(
            client, Player(), scores.find([songs]), out, many.Run(seed=1), threads=1, progress=False
        )
        got = [next(rows)]
        killed = once_reached(tmp_path)
        os.kill(killed, signal.SIGKILL)
        assert once_reached(tmp_path, {killed}) != killed
        assert "s2.wav" not in contents(out)
        go_on(tmp_path)
        got += rows
    assert {row.clip: row.result for row in got} == {f"s{i}.wav": "made" for i in range(8)} | {"bad.wav": "failed"}
    assert contents(out) == expected(songs, tmp_path)
    assert not [path for path in out.iterdir() if path.name.startswith(".") or " 2" in path.name]


def test_what_is_done_needs_no_worker(songs, tmp_path):
    (songs / "bad.mid").unlink()
    made = expected(songs, tmp_path)
    client = type(
        "Client",
        (),
        {"loop": IOLoop(make_current=False), "nthreads": lambda self: {}, "cancel": lambda self, tasks: None},
    )()
    rows = list(
        cluster.render_many(client, Player(), scores.find([songs]), tmp_path / "one", many.Run(seed=1), progress=False)
    )
    assert [row.result for row in rows] == ["kept"] * 8
    assert contents(tmp_path / "one") == made


def test_a_full_disk_ends_the_run_and_the_next_goes_on(songs, tmp_path):
    go_on(tmp_path)
    out, found = tmp_path / "two", scores.find([songs])
    with client_of(tmp_path, FULL, count=1) as client, pytest.raises(many.Full, match="the disk is full") as caught:
        list(cluster.render_many(client, Player(), found, out, many.Run(seed=1), progress=False))
    assert caught.value.errno == errno.ENOSPC
    assert "s3.wav" not in contents(out)
    rows = list(many.render_many(Player(), found, out, many.Run(seed=1), progress=False))
    assert "kept" in [row.result for row in rows]
    assert contents(out) == expected(songs, tmp_path)


def test_what_could_not_be_written_is_tried_again(songs, tmp_path):
    go_on(tmp_path)
    with client_of(tmp_path, BROKEN, count=1) as client:
        rows = list(
            cluster.render_many(client, Player(), scores.find([songs]), tmp_path / "two", many.Run(), progress=False)
        )
    assert sorted(row.result for row in rows) == ["failed"] + ["made"] * 8, rows


def test_a_scheduler_that_is_killed_is_one_sentence_and_loses_nothing(songs, tmp_path):
    path, out = tmp_path / "preload.py", tmp_path / "two"
    path.write_text(PRELOAD.format(path=[p for p in sys.path if p], folder=str(tmp_path), more=""))
    address = tmp_path / "scheduler.json"
    begin = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--no-show"]
    join = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard", "--death-timeout"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    with contextlib.ExitStack() as stack:
        server = subprocess.Popen([*begin, "--host", "127.0.0.1", "--scheduler-file", str(address)], **quiet)
        stack.callback(server.kill)
        worker = subprocess.Popen([*join, "60", "--scheduler-file", str(address), "--preload", str(path)], **quiet)
        stack.callback(worker.terminate)
        end = time.monotonic() + LIMIT
        while not address.is_file() and time.monotonic() < end:
            time.sleep(0.05)
        with distributed.Client(scheduler_file=str(address), timeout=LIMIT) as probe:
            where = probe.scheduler.address

        def kill_the_scheduler():
            once_reached(tmp_path)
            server.kill()

        killer = threading.Thread(target=kill_the_scheduler)
        killer.start()
        found = scores.find([songs])
        with (
            cluster.scheduler(where) as client,
            pytest.raises(ConnectionError, match="the connection to the Dask scheduler is lost"),
        ):
            list(cluster.render_many(client, Player(), found, out, many.Run(seed=1), progress=False))
        killer.join()
    before = contents(out)
    assert before
    go_on(tmp_path)
    rows = list(many.render_many(Player(), scores.find([songs]), out, many.Run(seed=1), progress=False))
    assert {row.clip for row in rows if row.result == "kept"} >= before.keys()
    assert contents(out) == expected(songs, tmp_path)


BEGUN = """
import sys
sys.path[:0] = {path!r}
from inputs import Player
from helpers import cluster, gansynth, generate
cluster.PRELOAD += {preload!r}
gansynth.load = lambda *given: Player()
gansynth.use_threads = lambda count: None
if __name__ == "__main__":
    sys.exit(generate.main({flags!r}))
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a terminal's Ctrl-C is a signal to a group of processes")
def test_ctrl_c_ends_the_workers_keeps_what_is_done_and_says_how_to_go_on(songs, tmp_path):
    (songs / "bad.mid").unlink()
    path, out, script = [p for p in sys.path if p], tmp_path / "two", tmp_path / "begun.py"
    flags = ["--checkpoint=demo", str(songs), f"--output_dir={out}", "--seed=1", "--workers=2"]
    preload = PRELOAD.format(path=path, folder=str(tmp_path), more="")
    script.write_text(BEGUN.format(path=path, preload=preload, flags=flags))
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    begun = subprocess.Popen([sys.executable, str(script)], start_new_session=True, **streams)
    try:
        worker = once_reached(tmp_path)
        os.killpg(begun.pid, signal.SIGINT)
        _, error = begun.communicate(timeout=LIMIT)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(begun.pid, signal.SIGKILL)
    before, left = contents(out), 8 - len(contents(out))
    assert begun.returncode == 130
    said = re.fullmatch(r"error: interrupted: (\d) scores? of 8 left; the same command continues from here\n", error)
    assert said, error
    assert left <= int(said[1]) <= 8  # what was done in the last moment, nobody has been told
    assert not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE
    assert "s2.wav" not in before
    assert not list(out.rglob(".*"))
    rows = list(many.render_many(Player(), scores.find([songs]), out, many.Run(seed=1), progress=False))
    assert {row.clip for row in rows if row.result == "kept"} == before.keys()
    assert contents(out) == expected(songs, tmp_path)


def test_workers_are_told_what_does_not_fit(songs, tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.gansynth.load", lambda source, precision, backend: Player())
    (score,) = scores.find([songs / "s0.mid"])
    content = scores.content(score)
    loaded = cluster.Loaded("demo", "float32", Player.fingerprint, Player.backend)
    order = cluster.Order(str(tmp_path / "out"), many.Run(), loaded)

    def of(**other):
        return dataclasses.replace(order, loaded=dataclasses.replace(loaded, **other))

    assert cluster.play(order, score, content).result == "made"
    assert "not the same model" in cluster.play(of(fingerprint="f"), score, content).why
    assert "the run was started with 0" in cluster.play(of(version="0"), score, content).why


def test_workers_in_another_folder_find_the_same(songs, tmp_path, monkeypatch):
    """What a user names from where the run is begun, a worker opens from where that was started."""
    sent = []

    class Client:
        loop = IOLoop(make_current=False)

        def nthreads(self):
            return {}

        def cancel(self, tasks):
            pass

        def submit(self, function, order, *given, **how):
            sent.append(order)
            raise ConnectionError("nobody is there")

    monkeypatch.chdir(tmp_path)
    model = Player()
    for source in ("songs", "demo"):
        model.source = source
        (tmp_path / source).mkdir(exist_ok=True)
        with pytest.raises(ConnectionError):
            list(cluster.render_many(Client(), model, scores.find(["songs"]), "out", many.Run(), progress=False))
    assert [order.place for order in sent] == [str(tmp_path / "out")] * 2
    assert [order.loaded.source for order in sent] == [str(tmp_path / "songs"), "demo"]


def test_flags_lead_to_the_workers(songs, tmp_path, monkeypatch, capsys):
    seen = {}

    @contextlib.contextmanager
    def begun(*given):
        seen["given"] = given
        yield "client"

    def play(client, model, found, folder, run, **how):
        seen.update(client=client, folder=folder, run=run, **how)
        return iter([])

    for name in ("workers", "scheduler"):
        monkeypatch.setattr(cluster, name, begun)
    monkeypatch.setattr(cluster, "render_many", play)
    monkeypatch.setattr("helpers.gansynth.load", lambda name, precision, cache, backend: Player())
    monkeypatch.setattr("helpers.gansynth.use_threads", lambda count: seen.update(own=count))
    monkeypatch.setattr("helpers.gansynth.cores", lambda: 7)
    flags = [str(songs), f"--output_dir={tmp_path / 'out'}"]
    generate.main([*flags, "--workers=2"])
    assert (seen["given"], seen["threads"], seen["own"], seen["client"]) == ((2,), 3, 3, "client")
    generate.main([*flags, "--scheduler=tcp://h:1"])
    assert (seen["given"], seen["threads"]) == (("tcp://h:1",), None)
    generate.main([*flags, "--workers=9", "--threads=2"])
    assert (seen["given"], seen["threads"]) == ((9,), 2)
    assert generate.main([*flags, "--workers=0"]) == 1
    assert "--workers is 0; with 7 cores it must be between 1 and 28" in capsys.readouterr().err
    assert generate.main([*flags, "--workers=29"]) == 1
    assert "--workers is 29; with 7 cores it must be between 1 and 28" in capsys.readouterr().err
    assert generate.main([f"--midi_file={songs / 's0.mid'}", "--workers=2"]) == 1
    assert "are for many scores" in capsys.readouterr().err


def _settings():
    import dask

    return dask.config.get("distributed.worker.profile.enabled"), signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_workers_are_not_sampled_and_leave_ctrl_c_to_who_began_them():
    with cluster.workers(1) as client:
        assert list(client.run(_settings).values()) == [(False, True)]


def test_a_port_that_is_taken_is_no_warning(recwarn):
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # it is taken indeed
            taken.bind(("127.0.0.1", 8787))
            taken.listen()
        with cluster.workers(1) as client:
            assert client.nthreads()
    assert not [warning for warning in recwarn if "already in use" in str(warning.message)]


def test_of_a_scheduler_that_is_gone_dask_itself_says_nothing(monkeypatch):
    said = logging.getLogger("distributed.client")
    heard = []

    class Client:
        def __init__(self, *given, **how):
            heard.append(said.isEnabledFor(logging.ERROR))

        def wait_for_workers(self, *given, **how):
            pass

        def close(self, **how):
            heard.append(said.isEnabledFor(logging.ERROR))

    monkeypatch.setattr(distributed, "Client", Client)
    with cluster.scheduler("tcp://h:1"):
        heard.append(said.isEnabledFor(logging.ERROR))
    assert heard == [False] * 3
    assert said.isEnabledFor(logging.ERROR)


def test_without_dask_it_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"several workers need dask\.distributed: pip install"), cluster.workers(1):
        pass


def test_nobody_at_the_address_is_one_sentence(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with (
        pytest.raises(ConnectionError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        cluster.scheduler("tcp://127.0.0.1:9"),
    ):
        pass
