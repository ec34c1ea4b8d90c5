"""Many scores over processes and machines, with `dask.distributed` (the extra `cluster`).

    with cluster.workers(2) as client:
        for row in cluster.render_many(client, model, scores.find(["songs"]), "out", many.Run(), threads=1):
            print(row.score, row.result)

A score is a task, and its bytes travel with it, so that workers need not see the disk that it is from. A worker that is
killed loses nothing: its scores are played again by another. Where clips go, all workers must be able to write.

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
RETRIES = 2  # of a score whose clip could not be written, or whose worker went away
WAITING = 3  # scores for each thread of a worker that are on their way to it; their bytes are in memory
PATIENCE = 60.0  # s to wait for a scheduler, and for its first worker
MAX_WORKERS_A_CORE = 4  # of this machine: each takes some 0.7 GB, and more than one for a core gain nothing
QUIET = {"distributed.worker.profile.enabled": False}  # it looks at what runs every 10 ms, which takes processor
HTTP = "127.0.0.1:0"  # nobody needs Dask's pages: any free port, where its own would bring a warning if it is taken
# What a worker of this machine runs first. A terminal sends Ctrl-C to all; the one that began ends the others.
# And of tqdm's lock between processes, which nobody shares here, Python would say that an ended worker has left it.
PRELOAD = """
import signal, threading
from tqdm import tqdm
signal.signal(signal.SIGINT, signal.SIG_IGN)
tqdm.set_lock(threading.RLock())
"""


Item = TypeVar("Item")


class Gone(ConnectionError):
    """The scheduler has ended, or cannot be reached any more."""


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A model as workers load it.

    Attributes:
      source: what `gansynth.load` finds it by.
      precision: of its convolutions.
      fingerprint: of its weights.
      backend: what computes its notes.
      threads: of TensorFlow in each worker; None: as many as it takes.
      version: of this package.
    """

    source: str
    precision: str
    fingerprint: str
    backend: str
    threads: int | None = None
    version: str = __version__


@dataclasses.dataclass(frozen=True, eq=False)
class Order:
    """All that a worker must know of a run. Equal ones share a model with its notes.

    Attributes:
      place: folder or address that the clips go to.
      run: how scores are played.
      loaded: the model that plays them.
      again: make also what is there and would be the same.
    """

    place: str
    run: Run
    loaded: Loaded
    again: bool = False

    @functools.cached_property
    def digest(self) -> str:
        values = [self.place, self.run.described(), dataclasses.astuple(self.loaded), self.again]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Order) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def loaded_as(model: GANSynth, threads: int | None = None) -> Loaded:
    """What workers are told of a model, and of how many threads compute with it."""
    source = model.source
    if source and source not in hub.names() and as_path(source).exists():
        source = os.path.abspath(as_path(source))  # workers may be in another folder
    return Loaded(source, model.precision, model.fingerprint, model.backend, threads)


# ---- In a worker -----------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1)
def model_of(loaded: Loaded) -> GANSynth:
    """The model of a worker, loaded once.

    Raises:
      ValueError: the worker has another version of this package, or another model of that name.
    """
    if loaded.version != __version__:
        raise ValueError(f"the worker has gansynth-suite {__version__}, and the run is from {loaded.version}")
    if loaded.threads is not None:
        gansynth.use_threads(loaded.threads)
    model = gansynth.load(loaded.source, loaded.precision, backend=loaded.backend)
    if model.fingerprint != loaded.fingerprint:
        raise ValueError(f"{loaded.source} is another model where the worker is than where the run was begun")
    return model


@functools.lru_cache(maxsize=1)
def _player(order: Order) -> GANSynth:
    """The model that plays the scores of a run."""
    model = model_of(order.loaded)
    return many.sharing(model, order.run.instruments) if order.run.shares else model


def play(order: Order, score: Score, content: bytes) -> Row | Full:
    """The task: make one clip. A full disk is returned, because to try again would not help.

    Raises:
      OSError: the clip cannot be written; Dask tries again.
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


# ---- Where the run was begun -----------------------------------------------------------------------------------------


def check_workers(count: int, name: str = "count") -> None:
    """Whether this machine can have so many workers.

    Args:
      count: of processes.
      name: what it is called where it was given.

    Raises:
      ValueError: it cannot.
    """
    cores = gansynth.cores()
    most = MAX_WORKERS_A_CORE * cores
    if not 1 <= count <= most:
        raise ValueError(f"{name} is {count:,}; with {counted(cores, 'core')} it must lie between 1 and {most:,}")


@contextlib.contextmanager
def workers(count: int) -> Iterator[Client]:
    """Processes of this machine for a block, one score at a time in each.

    Args:
      count: of processes.

    Raises:
      ImportError: dask.distributed is not installed.
      ValueError: so many make no sense on this machine.
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
            memory_limit=0,  # a song in memory is bounded by `limits`; a worker that pauses would wait for ever
            silence_logs=logging.CRITICAL,
            preload=[PRELOAD],
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextlib.contextmanager
def scheduler(address: str) -> Iterator[Client]:
    """The workers of a Dask scheduler for a block.

    Args:
      address: such as "tcp://10.0.0.1:8786".

    Raises:
      ImportError: dask.distributed is not installed.
      ConnectionError: nothing answers there, or no worker does.
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
                    f"the scheduler at {one_line(address)} has no worker: dask worker {one_line(address)}"
                ) from None
            yield client
        finally:
            with contextlib.suppress(Exception):  # of a scheduler that is gone
                client.close(timeout=1)


@contextlib.contextmanager
def _client_is_quiet() -> Iterator[None]:
    """Dask's client says nothing of a scheduler that is gone, in this block: `Gone` is the sentence."""
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
    """Call a function in the workers of a client, a few calls ahead of what is done.

    Args:
      client: of `workers` or `scheduler`, or any other of Dask's.
      function: of a module that the workers have too.
      calls: what is to be done, with the arguments of the call; None if no worker is needed.

    Yields:
      What was to be done, in whatever order, with its task for `result_of`; None if it needed none.
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
        with contextlib.suppress(Exception):  # of a scheduler that is gone
            client.cancel(list(tasks))


def result_of(task: Any) -> Any:
    """What a task of `each` returned; what it raised is raised.

    Raises:
      Gone: the scheduler is gone.
      ValueError: several workers ended over it.
    """
    if task.status in ("cancelled", "lost"):
        raise Gone("the Dask scheduler is gone")
    try:
        return task.result()
    except _distributed().KilledWorker:
        raise ValueError("the worker that did it ended, several times") from None


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
    """Play many scores with the workers of a client; a row for each as soon as it is done, in whatever order.

    Args:
      client: of `workers` or `scheduler`, or any other of Dask's.
      model: what to play with; each worker loads it by its `source`.
      found: the scores (`scores.find`).
      folder: where the clips go: a folder that all workers see, or an address that fsspec knows.
      run: how they are played.
      threads: of TensorFlow in each worker. The last bits of a clip depend on it.
      again: make also what is there and would be the same, and replace what is there.
      progress: show a bar over all, with the time that is left.

    Yields:
      A `many.Row` for each score. What goes wrong with one is in its row.

    Raises:
      many.Full: the disk is full. What is done stays.
      ConnectionError: the scheduler is gone. What is done stays.
      KeyboardInterrupt: as it comes.

    Notebook: 07_songs.
    """
    store = open_store(folder)
    order = Order(store.whole_place, run, loaded_as(model, threads), again)

    def calls() -> Iterator[tuple[tuple[Score, Row | None], tuple | None]]:
        """Scores with what a worker needs for them; those that need none with their row."""
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
    """What has become of a score."""
    try:
        result = result_of(task)
    except Gone:
        raise
    except Exception as error:
        return many.failed(score, error, run)
    if isinstance(result, Full):
        raise result
    return result
