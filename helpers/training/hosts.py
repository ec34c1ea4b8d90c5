"""Training by several processes, on one host or on several, each with its share of every batch.

    workers = hosts.join(hosts.place(os.environ))           # waits until all processes have joined
    trainer = Trainer(config, counts, strategy=workers.strategy)
    batches = Shuffled(notes, seed, trainer.rows)           # this process reads only its own share

TensorFlow's environment variable TF_CONFIG lists the processes; docs/scale.md shows how to set it. All processes take
the same steps at the same time. The first one, the chief, also reads and writes the run's folder and sends what it has
read to the others, which need no access to that folder. If one process ends, the others cannot continue: all of them
end with a message of one sentence, and when restarted they continue from the last checkpoint.

Source: https://www.tensorflow.org/guide/distributed_training (MultiWorkerMirroredStrategy). Notebook: 08_train.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .. import jsonfile
from ..errors import one_line
from ..gansynth.backend import tf
from ..terminal import say
from .trainer import Trainer

VARIABLE = "TF_CONFIG"
CHIEF, WORKER = "chief", "worker"  # the types of tasks that train; TensorFlow has others
EXPECTED = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'
MAX_PORT = 65535
MAX_WORKERS = 1024
MISTAKES = (ValueError, OSError, ImportError, FloatingPointError)  # errors whose message is for the user
# What TensorFlow raises if another process has ended, has been restarted, or does not answer.
GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)

ResultT = TypeVar("ResultT")


class Place(NamedTuple):
    """The position of this process among all processes of a training.

    Attributes:
      addresses: HOST:PORT of each process, the chief's first.
      number: index of this process among them, from 0.
    """

    addresses: tuple[str, ...]
    number: int

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the checkpoints and logs."""
        return self.number == 0

    def name(self, number: int) -> str:
        """The name of a process in messages."""
        return f"worker {number} ({self.addresses[number]})"

    def __str__(self) -> str:
        return f"{self.name(self.number)} of {len(self.addresses)}"


class _Task(jsonfile.Row):
    type: jsonfile.Text
    index: jsonfile.Whole


class _Described(jsonfile.Row):
    cluster: dict[str, list[jsonfile.Text]]
    task: _Task


def place(environment: Mapping[str, str]) -> Place:
    """Read the position of this process from TF_CONFIG.

    Args:
      environment: `os.environ`.

    Raises:
      ValueError: TF_CONFIG is missing or invalid; the message is one sentence.

    >>> from helpers.training import hosts
    >>> text = '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 1}}'
    >>> print(hosts.place({"TF_CONFIG": text}))
    worker 1 (b:2222) of 2
    """
    text = environment.get(VARIABLE, "")
    if not text.strip():
        raise ValueError(
            f"the environment variable {VARIABLE} does not list the workers; set it to something like '{EXPECTED}' "
            "(docs/scale.md)"
        )
    try:
        described = jsonfile.checked(jsonfile.parse(text), _Described)
    except ValueError as error:
        raise ValueError(f"{VARIABLE} is invalid: {one_line(error)}; expected something like '{EXPECTED}'") from None
    cluster, task = described.cluster, described.task
    if others := sorted(cluster.keys() - {CHIEF, WORKER}):
        raise ValueError(
            f"{VARIABLE} has tasks of type {jsonfile.shortened(others[0])}; use only type {WORKER}, and type {CHIEF} "
            "for at most one"
        )
    chiefs, all_of_them = cluster.get(CHIEF, []), [*cluster.get(CHIEF, []), *cluster.get(WORKER, [])]
    if len(chiefs) > 1:
        raise ValueError(f"{VARIABLE} has {len(chiefs)} chiefs; there can be only one")
    if not 1 <= len(all_of_them) <= MAX_WORKERS:
        raise ValueError(f"{VARIABLE} has {len(all_of_them)} addresses of workers; it must have 1 to {MAX_WORKERS}")
    if not 0 <= task.index < len(cluster.get(task.type, [])):
        raise ValueError(
            f"{VARIABLE} says that this is {jsonfile.shortened(task.type)} number {task.index}, but it has no address "
            "for it"
        )
    for address in all_of_them:
        _port(address)
    if len(set(all_of_them)) < len(all_of_them):
        twice = next(address for address in all_of_them if all_of_them.count(address) > 1)
        raise ValueError(f"{VARIABLE} has the address {jsonfile.shortened(twice)} twice; each worker needs its own")
    return Place(tuple(all_of_them), task.index + (len(chiefs) if task.type == WORKER else 0))


def _port(address: str) -> int:
    host, _, port = address.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= MAX_PORT):
        raise ValueError(
            f"{VARIABLE} has the address {jsonfile.shortened(address)}; expected HOST:PORT such as 10.0.0.1:2222"
        )
    return int(port)


def join(here: Place) -> Workers:
    """Wait until all processes have joined. Ctrl-C ends the process while it waits.

    Call this before using TensorFlow for anything else.

    Raises:
      OSError: the port of this process is not available.
      ConnectionError: the other processes did not join.
    """
    _check_port(here)
    if len(here.addresses) > 1:
        others = ", ".join(address for address in here.addresses if address != here.addresses[here.number])
        say(f"{here} is waiting for the others: {others}")
    try:
        with _ended_by_ctrl_c():
            return Workers(tf.distribute.MultiWorkerMirroredStrategy(), here)
    except tf.errors.UnknownError as error:  # another program has taken the port since it was checked
        raise OSError(f"{here.name(here.number)} cannot listen on its port: {one_line(error.message)}") from None
    except GONE as error:
        raise ConnectionError(f"{here} could not join the others: {one_line(error.message)}") from None


def _check_port(here: Place) -> None:
    """Raise an OSError that names the port if it is taken; TensorFlow's message does not, and has a traceback."""
    port = _port(here.addresses[here.number])
    with socket.socket() as tried:
        if os.name == "posix":  # connections of a killed worker linger for a minute
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("", port))
        except OSError as error:
            raise OSError(
                f"{here.name(here.number)} cannot listen on port {port}: {error.strerror}; stop the program that "
                f"uses it, or give another port in {VARIABLE} of all workers"
            ) from None


@contextlib.contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end the process at once; Python's own handler would run only after TensorFlow has returned."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def in_a_sentence(here: Place) -> Iterator[None]:
    """Turn TensorFlow's errors about a lost process into a ConnectionError with a message of one sentence.

    Raises:
      ConnectionError: another process has ended or cannot be reached.
    """
    try:
        yield
    except GONE:
        raise ConnectionError(
            f"{here} has lost another worker, which ended or cannot be reached; restart all of them with the same "
            "command to continue from the last checkpoint"
        ) from None


class Workers:
    """Communication between all processes of a training. All of them must call the same methods in the same order.

    Attributes:
      strategy: the strategy for `Trainer`.
      place: the position of this process among them.
    """

    def __init__(self, strategy: tf.distribute.Strategy, here: Place):
        self.strategy, self.place = strategy, here

    def __repr__(self) -> str:
        return f"Workers({self.place}, {self.strategy.num_replicas_in_sync} devices)"

    def total(self, array: np.ndarray) -> np.ndarray:
        """The sum of all processes' arrays, which must have the same shape and type; each process gets it."""
        array = np.asarray(array)
        numbers = array.astype(np.float64)  # exact for all values used, and supported between GPUs
        given = iter([numbers])  # only the first device of this process contributes; the others add zeros

        def part(_: tf.distribute.ValueContext) -> tf.Tensor:
            return tf.constant(next(given, np.zeros_like(numbers)))

        parts = self.strategy.experimental_distribute_values_from_function(part)
        total = self.strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)
        return total.numpy().astype(array.dtype)

    def anybody(self, wants: bool) -> bool:
        """Whether `wants` is true in at least one process. No process returns before all have called this."""
        return bool(self.total(np.int32(wants)) > 0)

    def all_texts(self, text: str) -> list[str]:
        """The texts of all processes, in their order."""
        count, content = len(self.place.addresses), np.frombuffer(text.encode(), np.uint8)
        lengths = np.zeros(count, np.int64)
        lengths[self.place.number] = len(content)
        lengths = self.total(lengths)
        table = np.zeros((count, max(1, int(lengths.max()))), np.uint8)
        table[self.place.number, : len(content)] = content
        rows = self.total(table)
        return [row[:length].tobytes().decode() for row, length in zip(rows, lengths, strict=True)]

    def together(self, work: Callable[[], ResultT]) -> ResultT:
        """Do something in each process; if it fails in one, it fails in all.

        Raises:
          ValueError: it failed in another process; the message is that process's. An error in this process is raised
            unchanged.
        """
        error, result = None, None
        try:
            result = work()
        except MISTAKES as own:
            error = own
        told = self.all_texts("" if error is None else one_line(error) or type(error).__name__)
        if error is not None:
            raise error
        for number, text in enumerate(told):
            if text:
                raise ValueError(f"{self.place.name(number)}: {text}")
        return result  # type: ignore[return-value]  # set if nothing was raised

    def from_chief(self, work: Callable[[], Any]) -> Any:
        """Compute a JSON value in the chief and send it to all processes. If it fails there, it fails in all."""
        made = self.together(lambda: json.dumps(work()) if self.place.is_chief else "")
        return json.loads(self.all_texts(made)[0])

    def chief_first(self, work: Callable[[], ResultT]) -> ResultT:
        """Do something in the chief, then in all others, which may find its results on disk already."""
        done = self.together(lambda: [work()] if self.place.is_chief else [])
        return self.together(lambda: done[0] if done else work())

    def check_alike(self, digest: str, what: str) -> None:
        """Check that all processes have the same data.

        Args:
          digest: a hash of the data.
          what: what the data are, in the message.

        Raises:
          ValueError: a process has other data than the chief.
        """
        digests = self.all_texts(digest)
        for number, other in enumerate(digests):
            if other != digests[0]:
                raise ValueError(
                    f"{self.place.name(number)} has other {what} than the chief; all workers need the same"
                )

    def synchronize(self, trainer: Trainer) -> None:
        """Copy the state of the chief's trainer to all others."""
        zero = not self.place.is_chief
        arrays = {name: np.asarray(array) for name, array in trainer.arrays().items()}
        trainer.assign({name: self.total(np.zeros_like(array) if zero else array) for name, array in arrays.items()})
