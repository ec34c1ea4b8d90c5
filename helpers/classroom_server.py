"""Voilà with a limited number of places: the kernel manager and the request handlers of `helpers.classroom`.

Voilà's own pool of warm kernels has no upper limit: for every kernel that a visitor takes, it starts another one. Here
kernels wait in a queue until there is a place, and a visitor for whom there is no place gets a page that says so.

Source: Voilà's `preheat_kernel`, https://voila.readthedocs.io/en/stable/customize.html. Notebook: 00_quickstart.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import tornado.web
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets import Int
from traitlets.config import Config
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.tornado.handler import TornadoVoilaHandler

from . import folders, runtime
from .gansynth import cores
from .tables import counted
from .terminal import say

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

CLASS = "class"  # folder in outputs with a folder for each visitor
LINKED = ("helpers", "data")  # folders of the repository to which a visitor's folder has links

MAX_KERNEL_BYTES = 4 << 30  # memory limit of one kernel: a song too long for it fails only in its own page
IDLE_SECONDS = 600  # idle time after which a kernel is ended if its page vanished without notice (a lost connection)
CHECK_SECONDS = 30  # between two checks for such kernels
PATIENCE = 5.0  # s to wait for a place before a visitor is refused: a reload frees its own place with a delay
STEP = 0.1  # s between two checks for a place
# Flag for kernels, which would otherwise warn that their connection, local to this machine, is not encrypted.
QUIET = "--IPKernelApp.log_level=ERROR"
RETRY_SECONDS = 15  # after which the page of a refused visitor tries again

FULL = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>No place free</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="{seconds}">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 20vh auto; padding: 0 1.5rem; }}
h1 {{ font-size: 1.6rem; font-weight: 600; line-height: 1.2; }}
.again {{ opacity: 0.7; }}
</style></head>
<body><h1>No place free</h1>
<p role="status">{taken} taken. You can come in as soon as somebody closes the page.</p>
<p class="again">This page retries automatically every {seconds} seconds.</p></body></html>
"""


def sentence(places: int) -> str:
    """The page for visitors when all places are taken."""
    taken = "The only place of this app is" if places == 1 else f"All {places} places of this app are"
    return FULL.format(taken=taken, seconds=RETRY_SECONDS)


class Places(AsyncMappingKernelManager):
    """A kernel manager with a limited number of places; further kernels wait in a queue to start.

    Voilà derives its manager with the pool from this class and calls it through `super()` for everything that it does
    with a kernel.
    """

    places = Int(1, config=True, help="kernels at a time")

    # Attributes of Voilà's subclass: started notebooks, the notebook of the app, and the tasks that start its kernels.
    notebook_data: dict[str, Any]
    notebook_path: str
    _pools: dict[str, list[asyncio.Task]]

    def __init__(self, **settings: Any):
        self._turn = asyncio.Lock()  # its holder is the next to start; acquired in the order of arrival
        self._starting = 0
        self._tasks: list[asyncio.Task] = []  # tasks of the pool that have started their kernel
        self._visits: list[asyncio.Task] = []  # tasks whose kernel was given to a visitor
        self._homes: dict[str, Path] = {}
        self._is_closing = False
        super().__init__(**settings)

    async def start_kernel(self, **how: Any) -> str:
        """Start a kernel as soon as there is a place for it and fewer kernels are warming up than there are cores."""
        async with self._turn:
            while len(self) + self._starting >= self.places or self._warming() >= cores():
                if self._is_closing:
                    raise RuntimeError("the app is shutting down")
                await asyncio.sleep(STEP)
            self._starting += 1
            if (task := asyncio.current_task()) is not None:
                self._tasks.append(task)
        try:
            home = _new_home()
            said = [*how.get("extra_arguments", ()), QUIET]
            kernel_id = await super().start_kernel(**{**how, "path": None, "cwd": str(home), "extra_arguments": said})
        finally:
            self._starting -= 1
        self._homes[kernel_id] = home
        self._limit_memory(kernel_id)
        return kernel_id

    async def shutdown_kernel(self, kernel_id: str, *given: Any, **how: Any) -> None:
        await super().shutdown_kernel(kernel_id, *given, **how)
        _clean_up(self._homes.pop(kernel_id, None))

    async def shutdown_all(self, *given: Any, **how: Any) -> None:
        self._is_closing = True
        await super().shutdown_all(*given, **how)
        while self._homes:
            _clean_up(self._homes.popitem()[1])

    def _limit_memory(self, kernel_id: str) -> None:
        """Limit the memory of a kernel to MAX_KERNEL_BYTES, if the system supports it (Linux)."""
        if hasattr(resource, "prlimit"):
            with contextlib.suppress(OSError, AttributeError):  # the process has ended, or runs on another machine
                pid = self.get_kernel(kernel_id).provisioner.pid
                resource.prlimit(pid, resource.RLIMIT_DATA, (MAX_KERNEL_BYTES, MAX_KERNEL_BYTES))

    def _is_alive(self, task: asyncio.Task) -> bool:
        """Whether the kernel of a task of the pool is running or starting."""
        if not task.done():
            return True
        return not task.cancelled() and task.exception() is None and task.result()["kernel_id"] in self

    def _warming(self) -> int:
        """The number of kernels that have not run the notebook yet."""
        self._tasks = [task for task in self._tasks if self._is_alive(task)]
        return sum(not _is_warm(task) for task in self._tasks)

    def warm(self) -> int:
        """The number of kernels that have run the notebook."""
        return len(self._tasks) - self._warming()

    async def admit(self) -> bool:
        """Reserve the next kernel of the pool for a visitor. Returns False if all places stay taken for PATIENCE."""
        while not self.notebook_data:  # the first kernel has not been started
            await asyncio.sleep(STEP)
        end = time.monotonic() + PATIENCE
        while True:
            self._visits = [task for task in self._visits if self._is_alive(task)]
            pool = self._pools.get(self.notebook_path)
            if len(self._visits) < self.places and pool:
                self._visits.append(pool[0])
                pool[0].add_done_callback(self._reset_idle_time)
                return True
            if time.monotonic() > end:
                return False
            await asyncio.sleep(STEP)

    def _reset_idle_time(self, task: asyncio.Task) -> None:
        """Reset the idle time of a kernel that is given to a visitor, which may have waited for an hour."""
        if self._is_alive(task):
            kernel: Any = self.get_kernel(task.result()["kernel_id"])
            kernel.last_activity = datetime.now(timezone.utc)

    async def report_progress(self) -> None:
        """Print how many places are warm, until all are."""
        said = -1
        while said < self.places and not self._is_closing:
            if (now := self.warm()) > said:
                say(f"{now} of {counted(self.places, 'place')} warm")
                said = now
            await asyncio.sleep(STEP)


def _is_warm(task: asyncio.Task) -> bool:
    return task.done() and (task.exception() is not None or task.result()["task"].done())


def _new_home() -> Path:
    """Create a folder for a visitor, with links to the repository and its own outputs."""
    parent = runtime.outputs() / CLASS
    parent.mkdir(exist_ok=True)
    day = datetime.now().strftime("%Y-%m-%d")
    number = 1
    while True:
        home = parent / f"{day} {number:03d}"
        try:
            home.mkdir()
        except FileExistsError:
            number += 1
            continue
        (home / "outputs").mkdir()
        for name in LINKED:
            if (there := folders.PACKAGE.parent / name).is_dir():
                (home / name).symlink_to(there, target_is_directory=True)
        return home


def _clean_up(home: Path | None) -> None:
    """Remove a visitor's folder, except for files in its outputs."""
    if home is None:
        return
    for name in LINKED:
        (home / name).unlink(missing_ok=True)
    for folder in (home / "outputs", home):
        with contextlib.suppress(OSError):  # it is not empty
            folder.rmdir()


class PageHandler(TornadoVoilaHandler):
    """Handles requests for the page: admits visitors while there are places."""

    @tornado.web.authenticated
    async def get(self, path: str | None = None) -> None:
        if not path:
            self.request.arguments.clear()  # a theme in the URL would need another kernel than the warm ones
            if not await self.kernel_manager.admit():
                self.set_status(503)
                self.set_header("Retry-After", str(RETRY_SECONDS))
                self.finish(sentence(self.kernel_manager.places))
                return
        await super().get(path)


class ShutdownHandler(VoilaShutdownKernelHandler):
    """Handles the request that a page sends when it is closed, and ends its kernel."""

    def check_xsrf_cookie(self) -> None:
        """Skip the check: the request has no token, and only the page itself knows the kernel's id in the URL."""


class Classroom(Voila):
    """Voilà with a `PageHandler` and a `ShutdownHandler`."""

    def init_handlers(self) -> list:
        ours = {TornadoVoilaHandler: PageHandler, VoilaShutdownKernelHandler: ShutdownHandler}
        return [(at, ours.get(handler, handler), *rest) for at, handler, *rest in super().init_handlers()]

    def listen(self) -> None:
        telling = asyncio.get_event_loop().create_task(self.kernel_manager.report_progress())
        try:
            super().listen()
        finally:
            telling.cancel()


def serve(notebook: Path, places: int, ip: str, port: int, others: Sequence[str] = ()) -> None:
    """Run the app until it is interrupted.

    Args:
      notebook: the notebook that each visitor gets.
      places: number of visitors at a time.
      ip: address to listen at.
      port: port to listen at.
      others: further flags for Voilà.
    """
    settings = Config()
    settings.VoilaConfiguration.multi_kernel_manager_class = Places
    settings.VoilaConfiguration.preheat_kernel = True
    settings.VoilaConfiguration.default_pool_size = places
    settings.Places.places = places
    settings.MappingKernelManager.cull_idle_timeout = IDLE_SECONDS
    settings.MappingKernelManager.cull_interval = CHECK_SECONDS
    settings.VoilaKernelManager.fill_delay = 0.0
    settings.Voila.log_level = "ERROR"  # hides warnings that a notebook is "not trusted", which do not help a teacher
    app = Classroom(config=settings)
    app.initialize([str(notebook), "--no-browser", f"--Voila.ip={ip}", f"--Voila.port={port}", *others])
    app.start()
