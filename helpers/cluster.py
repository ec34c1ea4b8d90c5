"""Render many scores on several processes and machines, with `dask.distributed` (the extra `cluster`).

    with cluster.workers(2) as client:
        for row in cluster.render_many(client, model, scores.find(["songs"]), "out", many.Run(), threads=1):
            print(row.score, row.result)

Each score is a task that includes the file's bytes, so workers need no access to the disk with the scores. If a worker
is killed, its scores are rendered again by another one. All workers must be able to write to the output folder.

Source: https://distributed.dask.org. Notebook: 07_songs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from . import __version__, gansynth, many, scores
from .errors import one_line
from .files import as_path, is_full
from .gansynth import hub
from .many import Full, Row, Run
from .scores import Score
from .stores import open_store
from .tables import counted

if TYPE_CHECKING:
    from distributed import Client

    from .gansynth import GANSynth

EXTRA = 'several workers need dask.distributed: pip install "gansynth-suite[cluster]", or distributed'
RETRIES = 2  # for a score whose clip could not be written, or whose worker was lost
WAITING = 3  # scores queued for each thread of a worker; their bytes are in memory
PATIENCE = 60.0  # s to wait for a scheduler, and for its first worker
MAX_WORKERS_PER_CORE = 4  # on this machine: each takes some 0.7 GB, and more than one per core is no faster
QUIET = {"distributed.worker.profile.enabled": False}  # the profiler samples every 10 ms, which takes CPU time
HTTP = "127.0.0.1:0"  # any free port for Dask's web pages, which are not used: its default gives a warning if taken
# What each worker on this machine runs first. It ignores Ctrl-C, which a terminal sends to all processes: the main
# process ends the workers. And it replaces tqdm's lock between processes, which is not needed here, and about which
# Python would warn when a worker ends.
PRELOAD = """
import signal, threading
from tqdm import tqdm
signal.signal(signal.SIGINT, signal.SIG_IGN)
tqdm.set_lock(threading.RLock())
"""


Item = TypeVar("Item")


class Gone(ConnectionError):
    """The scheduler has ended or can no longer be reached."""


@dataclasses.dataclass(frozen=True)
class Loaded:
    """The description from which workers load a model.

    Attributes:
      source: name or path for `gansynth.load`.
      precision: precision of its convolutions.
      fingerprint: fingerprint of its weights.
      backend: backend that computes its notes.
      threads: TensorFlow's threads in each worker; None for its default.
      version: version of this package.
    """

    source: str
    precision: str
    fingerprint: str
    backend: str
    threads: int | None = None
    version: str = __version__


@dataclasses.dataclass(frozen=True, eq=False)
class Order:
    """The parameters of a run that a worker needs. Tasks with equal orders share a model and its notes.

    Attributes:
      place: folder or address to write the clips to.
      run: settings of the run.
      loaded: the model to render with.
      again: also render clips that exist and are up to date.
    """

    place: str
    run: Run
    loaded: Loaded
    again: bool = False

    @functools.cached_property
    def digest(self) -> str:
        """Hash that identifies the order."""
        values = [self.place, self.run.described(), dataclasses.astuple(self.loaded), self.again]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Order) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def loaded_as(model: GANSynth, threads: int | None = None) -> Loaded:
    """The description of a model for workers; `threads` as in `Loaded`."""
    source = model.source
    if source and source not in hub.names() and as_path(source).exists():
        source = os.path.abspath(as_path(source))  # workers may have another working directory
    return Loaded(source, model.precision, model.fingerprint, model.backend, threads)


# ---- In a worker -----------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1)
def model_of(loaded: Loaded) -> GANSynth:
    """Load a model in a worker, once.

    Raises:
      ValueError: the worker has another version of this package, or another model under this name.
    """
    if loaded.version != __version__:
        raise ValueError(f"the worker has gansynth-suite {__version__}, but the run was started with {loaded.version}")
    if loaded.threads is not None:
        gansynth.use_threads(loaded.threads)
    model = gansynth.load(loaded.source, loaded.precision, backend=loaded.backend)
    if model.fingerprint != loaded.fingerprint:
        raise ValueError(f"{loaded.source} is not the same model on the worker as where the run was started")
    return model


@functools.lru_cache(maxsize=1)
def _player(order: Order) -> GANSynth:
    """The model that renders the scores of a run."""
    model = model_of(order.loaded)
    return many.sharing(model, order.run.instruments) if order.run.shares else model


def play(order: Order, score: Score, content: bytes) -> Row | Full:
    """The task: render one clip. If the disk is full, a `Full` is returned, because retrying would not help.

    Raises:
      OSError: the clip cannot be written; Dask retries the task.
    """
    try:
        model, store = _player(order), open_store(order.place)
        return many.make(model, score, content, store, order.run, order.again)
    except OSError as error:
        if is_full(error):
            return Full(error.errno, one_line(error))
        raise
    except Exception as error:
        return many.failed(score, error, order.run)


# ---- In the main process ---------------------------------------------------------------------------------------------


def check_workers(count: int, name: str = "count") -> None:
    """Check that a number of workers suits this machine.

    Args:
      count: number of processes.
      name: name of the argument in the message.

    Raises:
      ValueError: the number is below 1 or too large.
    """
    cores = gansynth.cores()
    most = MAX_WORKERS_PER_CORE * cores
    if not 1 <= count <= most:
        raise ValueError(f"{name} is {count:,}; with {counted(cores, 'core')} it must be between 1 and {most:,}")


@contextlib.contextmanager
def workers(count: int) -> Iterator[Client]:
    """Context with worker processes on this machine, each of which renders one score at a time.

    Args:
      count: number of processes.

    Raises:
      ImportError: dask.distributed is not installed.
      ValueError: the number is below 1 or too large for this machine.
    """
    check_workers(count)
    distributed = _distributed()
    import dask

    with (
        dask.config.set(QUIET),
        distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": HTTP},
            memory_limit=0,  # `limits` bounds a song's memory; a worker paused at a memory limit would wait for ever
            silence_logs=logging.CRITICAL,
            preload=[PRELOAD],
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextlib.contextmanager
def scheduler(address: str) -> Iterator[Client]:
    """Context with the workers of a Dask scheduler.

    Args:
      address: address of the scheduler, such as "tcp://10.0.0.1:8786".

    Raises:
      ImportError: dask.distributed is not installed.
      ConnectionError: there is no scheduler at the address, or it has no workers.
    """
    distributed = _distributed()
    with _client_is_quiet():
        try:
            client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise ConnectionError(f"no Dask scheduler answers at {one_line(address)}: {one_line(error)}") from None
        try:
            try:
                client.wait_for_workers(1, timeout=PATIENCE)
            except TimeoutError:
                raise ConnectionError(
                    f"the scheduler at {one_line(address)} has no workers; start one: dask worker {one_line(address)}"
                ) from None
            yield client
        finally:
            with contextlib.suppress(Exception):  # the scheduler may have ended
                client.close(timeout=1)


@contextlib.contextmanager
def _client_is_quiet() -> Iterator[None]:
    """Silence the log of Dask's client, which reports a lost scheduler at length; `Gone` reports it instead."""
    said = logging.getLogger("distributed.client")
    level = said.level
    said.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        said.setLevel(level)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise ImportError(EXTRA) from None
    return distributed


def each(
    client: Client, function: Callable[..., Any], calls: Iterable[tuple[Item, tuple | None]]
) -> Iterator[tuple[Item, Any]]:
    """Call a function in the workers of a client, keeping only a few calls queued.

    Args:
      client: a client from `workers` or `scheduler`, or any other Dask client.
      function: a function from a module that the workers have too.
      calls: (item, arguments of the call) pairs; the arguments are None if the item needs no worker.

    Yields:
      (item, task for `result_of`) pairs in order of completion; the task is None if the item needed no worker.
    """
    tasks: dict[Any, Item] = {}
    waiting = iter(calls)
    done = _distributed().as_completed(loop=client.loop)
    room = WAITING * max(1, sum(client.nthreads().values()))
    try:
        while True:
            while len(tasks) < room and (call := next(waiting, None)) is not None:
                item, arguments = call
                if arguments is None:
                    yield item, None
                    continue
                task = client.submit(function, *arguments, pure=False, retries=RETRIES)
                tasks[task] = item
                done.add(task)
            if not tasks:
                return
            task = next(done)
            yield tasks.pop(task), task
    finally:
        with contextlib.suppress(Exception):  # the scheduler may have ended
            client.cancel(list(tasks))


def result_of(task: Any) -> Any:
    """The result of a task from `each`; an exception in the task is raised here.

    Raises:
      Gone: the connection to the scheduler is lost.
      ValueError: the task has killed several workers.
    """
    if task.status in ("cancelled", "lost"):
        raise Gone("the connection to the Dask scheduler is lost")
    try:
        return task.result()
    except _distributed().KilledWorker:
        raise ValueError("its worker process died, repeatedly") from None


def render_many(
    client: Client,
    model: GANSynth,
    found: Sequence[Score],
    folder: str | os.PathLike,
    run: Run,
    *,
    threads: int | None = None,
    again: bool = False,
    progress: bool = True,
) -> Iterator[Row]:
    """Render many scores with the workers of a client; yields a row for each as soon as it is done, in any order.

    Args:
      client: a client from `workers` or `scheduler`, or any other Dask client.
      model: the model; each worker loads it from its `source`.
      found: the scores (`scores.find`).
      folder: output folder that all workers can write to, or an address supported by fsspec.
      run: settings of the run.
      threads: TensorFlow's threads in each worker. The last bits of a clip depend on it.
      again: also render clips that exist and are up to date, and replace existing files.
      progress: show a progress bar with the remaining time.

    Yields:
      A `many.Row` for each score. If a score fails, its row has the reason.

    Raises:
      many.Full: the disk is full. Completed clips are kept.
      ConnectionError: the connection to the scheduler is lost. Completed clips are kept.
      KeyboardInterrupt: it is not caught.

    Notebook: 07_songs.
    """
    store = open_store(folder)
    order = Order(store.whole_place, run, loaded_as(model, threads), again)

    def calls() -> Iterator[tuple[tuple[Score, Row | None], tuple | None]]:
        """Scores with the arguments of their task, or with their row if they need no worker."""
        for score in found:
            try:
                content = scores.content(score)
                row = None if again else many.kept(model, score, content, store, run)
            except Exception as error:
                row = many.failed(score, error, run)
            yield (score, row), None if row is not None else (order, score, content)

    with many.Bar(found, progress) as bar:
        for (score, known), task in each(client, play, calls()):
            row = known or _row(task, score, run)
            bar.done(score, row)
            yield row


def _row(task: Any, score: Score, run: Run) -> Row:
    """The row of a score, from its task."""
    try:
        result = result_of(task)
    except Gone:
        raise
    except Exception as error:
        return many.failed(score, error, run)
    if isinstance(result, Full):
        raise result
    return result
