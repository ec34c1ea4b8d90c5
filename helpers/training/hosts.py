"""One training by several processes, on one host or on many, each with its share of every batch.

    workers = hosts.join(hosts.place(os.environ))           # waits until all of them are there
    trainer = Trainer(config, counts, strategy=workers.strategy)
    batches = Shuffled(notes, seed, trainer.rows)           # this process reads its own share, and no more

Who they are stands in TensorFlow's environment variable TF_CONFIG; docs/scale.md has the lines that set it. All of them
take the same steps at the same time. The first one, the chief, is also the one that reads and writes the run's folder;
what it has read it tells the others, which need not see that folder. If one of them ends, none can go on: all end with
a sentence, and when they are started again they go on from the last checkpoint.

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
CHIEF, WORKER = "chief", "worker"  # the kinds of task that train; TensorFlow knows others
EXPECTED = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'
MAX_PORT = 65535
MAX_WORKERS = 1024
MISTAKES = (ValueError, OSError, ImportError, FloatingPointError)  # sentences for whoever started it
# What TensorFlow raises where another process is gone, has been started again, or does not answer.
GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)

ResultT = TypeVar("ResultT")


class Place(NamedTuple):
    """Which of the processes this one is.

    Attributes:
      addresses: HOST:PORT of each, the chief's first.
      number: of this one among them, from 0.
    """

    addresses: tuple[str, ...]
    number: int

    @property
    def is_chief(self) -> bool:
        return self.number == 0

    def name(self, number: int) -> str:
        """What a process is called in messages."""
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
    """Which of the processes this one is, by TF_CONFIG.

    Args:
      environment: `os.environ`.

    Raises:
      ValueError: TF_CONFIG is missing, or makes no sense. One sentence says what is wrong.

    >>> from helpers.training import hosts
    >>> text = '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 1}}'
    >>> print(hosts.place({"TF_CONFIG": text}))
    worker 1 (b:2222) of 2
    """
    text = environment.get(VARIABLE, "")
    if not text.strip():
        raise ValueError(
            f"the environment variable {VARIABLE} does not say who trains; set it to something like '{EXPECTED}' "
            "(docs/scale.md)"
        )
    try:
        described = jsonfile.checked(jsonfile.parse(text), _Described)
    except ValueError as error:
        raise ValueError(
            f"{VARIABLE} cannot be understood: {one_line(error)}; expected something like '{EXPECTED}'"
        ) from None
    cluster, task = described.cluster, described.task
    if others := sorted(cluster.keys() - {CHIEF, WORKER}):
        raise ValueError(
            f"{VARIABLE} has tasks of the kind {jsonfile.shortened(others[0])}; here all are {WORKER}s, and one of "
            f"them may be called {CHIEF}"
        )
    chiefs, all_of_them = cluster.get(CHIEF, []), [*cluster.get(CHIEF, []), *cluster.get(WORKER, [])]
    if len(chiefs) > 1:
        raise ValueError(f"{VARIABLE} has {len(chiefs)} chiefs; there can be one")
    if not 1 <= len(all_of_them) <= MAX_WORKERS:
        raise ValueError(f"{VARIABLE} has {len(all_of_them)} addresses of workers; it must have 1 to {MAX_WORKERS}")
    if not 0 <= task.index < len(cluster.get(task.type, [])):
        raise ValueError(
            f"{VARIABLE} says that this is {jsonfile.shortened(task.type)} number {task.index}, which is not among the "
            f"addresses it has"
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
    """Meet the other processes: returns when all of them are there. Ctrl-C ends the waiting, and the process with it.

    To be called before anything else of TensorFlow.

    Raises:
      OSError: the port of this process cannot be had.
      ConnectionError: the others did not come.
    """
    _check_port(here)
    if len(here.addresses) > 1:
        say(f"{here} waits for the others: {', '.join(a for a in here.addresses if a != here.addresses[here.number])}")
    try:
        with _ended_by_ctrl_c():
            return Workers(tf.distribute.MultiWorkerMirroredStrategy(), here)
    except tf.errors.UnknownError as error:  # another program was faster
        raise OSError(f"{here.name(here.number)} cannot listen at its port: {one_line(error.message)}") from None
    except GONE as error:
        raise ConnectionError(f"{here} did not meet the others: {one_line(error.message)}") from None


def _check_port(here: Place) -> None:
    """TensorFlow's own message names no port, and comes with a traceback."""
    port = _port(here.addresses[here.number])
    with socket.socket() as tried:
        if os.name == "posix":  # of a worker that was killed, connections linger for a minute
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("", port))
        except OSError as error:
            raise OSError(
                f"{here.name(here.number)} cannot listen at port {port}: {error.strerror}; end what does, or name "
                f"another port in {VARIABLE} of all workers"
            ) from None


@contextlib.contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Python's own handler would be asked only when TensorFlow has returned."""
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
    """What TensorFlow raises in this block because another process is gone, as one sentence.

    Raises:
      ConnectionError: it is.
    """
    try:
        yield
    except GONE:
        raise ConnectionError(
            f"{here} has lost another one, which ended or cannot be reached; start all of them again with the same "
            "command, and they go on from the last checkpoint"
        ) from None


class Workers:
    """All processes of a training, from where one of them stands. What one calls here, all must call.

    Attributes:
      strategy: for `Trainer`.
      place: which of them this one is.
    """

    def __init__(self, strategy: tf.distribute.Strategy, here: Place):
        self.strategy, self.place = strategy, here

    def __repr__(self) -> str:
        return f"Workers({self.place}, {self.strategy.num_replicas_in_sync} devices)"

    def total(self, array: np.ndarray) -> np.ndarray:
        """The sum of what all processes give, arrays of one shape and type, in each of them."""
        array = np.asarray(array)
        numbers = array.astype(np.float64)  # which holds them all exactly, and which GPUs exchange as well
        given = iter([numbers])  # by the first device of this process; the others have nothing to add

        def part(_: tf.distribute.ValueContext) -> tf.Tensor:
            return tf.constant(next(given, np.zeros_like(numbers)))

        parts = self.strategy.experimental_distribute_values_from_function(part)
        total = self.strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)
        return total.numpy().astype(array.dtype)

    def anybody(self, wants: bool) -> bool:
        """Whether this is so for at least one of them; nobody returns before all have asked."""
        return bool(self.total(np.int32(wants)) > 0)

    def all_texts(self, text: str) -> list[str]:
        """The texts that all of them give, in their order."""
        count, content = len(self.place.addresses), np.frombuffer(text.encode(), np.uint8)
        lengths = np.zeros(count, np.int64)
        lengths[self.place.number] = len(content)
        lengths = self.total(lengths)
        table = np.zeros((count, max(1, int(lengths.max()))), np.uint8)
        table[self.place.number, : len(content)] = content
        rows = self.total(table)
        return [row[:length].tobytes().decode() for row, length in zip(rows, lengths, strict=True)]

    def together(self, work: Callable[[], ResultT]) -> ResultT:
        """Do something in each of them; if one fails, all do.

        Raises:
          ValueError: of another one, with what was wrong there. One's own error is raised as it is.
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
        return result  # type: ignore[return-value]  # there is one if nothing was raised

    def from_chief(self, work: Callable[[], Any]) -> Any:
        """What the chief makes of something, told to all: values for JSON. Its error is everybody's."""
        made = self.together(lambda: json.dumps(work()) if self.place.is_chief else "")
        return json.loads(self.all_texts(made)[0])

    def chief_first(self, work: Callable[[], ResultT]) -> ResultT:
        """Do something in the chief, and then in all others, which may find done what they would do."""
        done = self.together(lambda: [work()] if self.place.is_chief else [])
        return self.together(lambda: done[0] if done else work())

    def check_alike(self, digest: str, what: str) -> None:
        """Check that all of them have the same of something.

        Raises:
          ValueError: one has not.
        """
        digests = self.all_texts(digest)
        for number, other in enumerate(digests):
            if other != digests[0]:
                raise ValueError(f"{self.place.name(number)} has other {what} than the chief; give all the same")

    def synchronize(self, trainer: Trainer) -> None:
        """Let all trainers stand where the chief's does."""
        zero = not self.place.is_chief
        arrays = {name: np.asarray(array) for name, array in trainer.arrays().items()}
        trainer.assign({name: self.total(np.zeros_like(array) if zero else array) for name, array in arrays.items()})
