"""Training by several processes: who they are, what they tell each other, and that their losses are those of one."""

import csv
import json
import signal
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
import soundfile
from inputs import RATE
from test_training import SMALL, python, rows

from helpers import train
from helpers.training import hosts, loop

TWO = {"worker": ["127.0.0.1:2222", "127.0.0.1:2223"]}


def environment(cluster, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


# Who they are


def test_the_chief_is_the_first():
    assert hosts.place(environment(TWO, index=1)) == hosts.Place(("127.0.0.1:2222", "127.0.0.1:2223"), 1)
    assert hosts.place(environment(TWO)).is_chief
    with_chief = {"worker": ["b:2222", "[::1]:2222"], "chief": ["a:2222"]}
    assert hosts.place(environment(with_chief, "chief")) == hosts.Place(("a:2222", "b:2222", "[::1]:2222"), 0)
    assert str(hosts.place(environment(with_chief, "worker", 1))) == "worker 2 ([::1]:2222) of 3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "TF_CONFIG does not list the workers; set it to something like"),
        ("{", "TF_CONFIG is invalid"),
        ("[]", "TF_CONFIG is invalid"),
        (json.dumps({"cluster": TWO}), "is invalid: task is missing"),
        (environment({"worker": "a:1"})["TF_CONFIG"], "is invalid: cluster.worker is 'a:1'"),
        (environment(TWO | {"ps": ["a:1"]})["TF_CONFIG"], "tasks of type 'ps'"),
        (environment({"chief": ["a:1", "b:1"]}, "chief")["TF_CONFIG"], "has 2 chiefs"),
        (environment({})["TF_CONFIG"], "has 0 addresses"),
        (environment(TWO, index=2)["TF_CONFIG"], "'worker' number 2, but it has no address"),
        (environment(TWO, index=-1)["TF_CONFIG"], "'worker' number -1"),
        (environment(TWO, "chief")["TF_CONFIG"], "'chief' number 0"),
        (environment({"worker": ["a:1", "b"]})["TF_CONFIG"], "the address 'b'; expected HOST:PORT"),
        (environment({"worker": ["a:1", "b:65536"]})["TF_CONFIG"], "the address 'b:65536'"),
        (environment({"worker": ["a:1", ":2"]})["TF_CONFIG"], "the address ':2'"),
        (environment({"worker": ["a:1", "a:1"]})["TF_CONFIG"], "the address 'a:1' twice"),
    ],
)
def test_a_description_that_makes_no_sense_is_one_line(text, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", text)
    assert train.main(["--data", "soundfont:", "--out", str(tmp_path / "out"), "--strategy", "multi_worker"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "out").exists()


def test_a_port_that_is_taken_is_one_line(tmp_path, monkeypatch, capsys):
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        monkeypatch.setenv("TF_CONFIG", environment({"worker": [address, "127.0.0.1:1"]})["TF_CONFIG"])
        assert train.main(["--data", "soundfont:", "--out", str(tmp_path), "--strategy", "multi_worker"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: worker 0 ({address}) cannot listen on port {address[10:]}: ")


# What they tell each other


class InThreads(hosts.Workers):
    """Workers that are threads of this process."""

    def __init__(self, place, given, barrier):
        super().__init__(None, place)
        self._given, self._barrier = given, barrier

    def total(self, array):
        self._given[self.place.number] = array
        self._barrier.wait(10)
        total = sum(self._given)
        self._barrier.wait(10)
        return total


def in_threads(count, work):
    """What each of some workers returns or raises."""
    given, barrier, results = [None] * count, threading.Barrier(count), [None] * count
    addresses = tuple(f"host{i}:2222" for i in range(count))

    def run(number):
        try:
            results[number] = work(InThreads(hosts.Place(addresses, number), given, barrier))
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_texts_of_all_are_told_to_all():
    texts = ["", "ein Lied ♪", "x" * 300]
    assert in_threads(3, lambda workers: workers.all_texts(texts[workers.place.number])) == [texts] * 3
    assert in_threads(2, lambda workers: workers.all_texts("")) == [["", ""]] * 2


def test_one_that_wants_is_somebody():
    assert in_threads(3, lambda workers: workers.anybody(workers.place.number == 1)) == [True] * 3
    assert in_threads(3, lambda workers: workers.anybody(False)) == [False] * 3


def test_what_the_chief_has_is_everybodys():
    def work(workers):
        return workers.from_chief(lambda: {"stage": 3, "seed": None} if workers.place.is_chief else 1 / 0)

    assert in_threads(2, work) == [{"stage": 3, "seed": None}] * 2


def test_a_mistake_of_one_is_everybodys():
    def work(workers):
        def fails():
            if workers.place.number == 1:
                raise FileNotFoundError("no notes at\nnowhere")
            return "fine"

        return workers.together(fails)

    first, second, third = in_threads(3, work)
    assert isinstance(second, FileNotFoundError)
    assert str(first) == str(third) == "worker 1 (host1:2222): no notes at nowhere"
    assert isinstance(first, ValueError)


def test_the_chief_is_done_before_the_others_begin():
    done = []

    def work(workers):
        def note():
            time.sleep(0.1 if workers.place.is_chief else 0)
            done.append(workers.place.number)
            return workers.place.number

        return workers.chief_first(note)

    assert in_threads(3, work) == [0, 1, 2]
    assert done[0] == 0


def test_other_notes_than_the_chiefs_are_told():
    assert in_threads(2, lambda workers: workers.check_alike("a", "notes")) == [None] * 2
    for error in in_threads(2, lambda workers: workers.check_alike("ab"[workers.place.number], "notes")):
        assert str(error) == "worker 1 (host1:2222) has other notes than the chief; all workers need the same"


# Together


def free_port():
    with socket.socket() as tried:
        tried.bind(("", 0))
        return tried.getsockname()[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six notes, and hyper-parameters: six steps of one stage and two of the next."""
    folder = tmp_path_factory.mktemp("notes")
    for i, pitch in enumerate((30, 40, 50, 60, 70, 80)):
        tone = 0.5 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * np.arange(100) / RATE)
        soundfile.write(folder / f"guitar_acoustic_{i:03d}-{pitch:03d}-100.wav", tone, RATE)
    (folder / "experiment.json").write_text(json.dumps(SMALL | {"total_num_images": 32}))
    return folder


def flags(folder, out):
    return [
        "--config", folder / "experiment.json", "--data", folder, "--out", out,
        "--log_every", "1", "--sample_every", "32", "--save_seconds", "0.0001", "--seed", "5",
    ]  # fmt: skip


def start(folder, outs):
    """A process for each folder, as on hosts that share nothing but the notes."""
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in outs]}
    return [
        python(
            "-m", "helpers.train", *flags(folder, out), "--strategy", "multi_worker",
            more=environment(cluster, index=index), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for index, out in enumerate(outs)
    ]  # fmt: skip


def ends(processes):
    """The exit statuses, and the last lines."""
    said = [process.communicate(timeout=600)[0] for process in processes]
    return [process.returncode for process in processes], [text.strip().splitlines()[-1] for text in said]


def wait_for(count, out, processes):
    """Until the losses of so many steps are there."""
    deadline = time.monotonic() + 600
    while len(rows(out)) <= count and all(process.poll() is None for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(folder, tmp_path):
    """One is killed, and the other says so; one is asked to end, and both do: in the end, as if nothing had been."""
    assert train.main([*map(str, flags(folder, tmp_path / "one"))]) == 0
    outs = [tmp_path / "two", tmp_path / "other"]

    processes = start(folder, outs)
    wait_for(1, outs[0], processes)
    processes[1].send_signal(signal.SIGKILL)
    (status, _), (last, _) = ends(processes)
    assert status == 1
    assert "of 2 has lost another worker, which ended or cannot be reached; restart all of them" in last

    before = len(rows(outs[0]))
    processes = start(folder, outs)
    wait_for(before, outs[0], processes)
    processes[1].send_signal(signal.SIGTERM)
    statuses, lasts = ends(processes)
    assert statuses == [128 + signal.SIGTERM] * 2
    assert lasts[0] == lasts[1]
    assert lasts[0].startswith("stopped and saved at ")

    statuses, lasts = ends(start(folder, outs))
    assert statuses == [0, 0]
    assert lasts[0] == str(outs[0] / loop.SAMPLES / "00000032.png")
    one, two = (list(csv.DictReader(rows(out))) for out in (tmp_path / "one", outs[0]))
    assert [row["images"] for row in two] == [row["images"] for row in one] == [str(4 * i) for i in range(1, 9)]
    for expected, got in zip(one, two, strict=True):
        for name in expected:
            assert float(got[name]) == pytest.approx(float(expected[name]), rel=1e-5, abs=1e-5), (name, got["images"])
    assert [path.name for path in outs[1].iterdir()] == [train.CACHE]  # only one of them writes
