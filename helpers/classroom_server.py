"""Voilà with a number of places: the kernels of `helpers.classroom`, and the door through which visitors come.

Voilà's own pool of warm kernels has no upper limit: for every kernel that it gives away it starts another. Here the
starts wait in a line until there is a place, and a visitor for whom there is none is told so.

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

CLASS = "class"  # the folder in outputs that has a folder for each visitor
LINKED = ("helpers", "data")  # of the repository: what a visitor's folder has beside the visitor's own outputs

MAX_KERNEL_BYTES = 4 << 30  # of its own that one kernel may have: a song too long for that fails in its page alone
LEFT_SECONDS = 600  # after which a kernel is ended whose page is gone without saying so, as that of a lost laptop
LOOK_SECONDS = 30  # between two looks for such kernels
PATIENCE = 5.0  # s that a visitor waits for a place: who reloads the page has only just left
STEP = 0.1  # s between two looks for a place
# To a kernel: otherwise each warns that its connection is not encrypted, which is one within this machine.
QUIET = "--IPKernelApp.log_level=ERROR"
RETRY_SECONDS = 15  # after which the page of who was not let in tries again

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
<p role="status">{taken} taken; as soon as somebody closes the page there is room for you.</p>
<p class="again">This page tries again every {seconds} seconds by itself.</p></body></html>
"""


def sentence(places: int) -> str:
    """The page for who comes too late."""
    taken = "The only place of this app is" if places == 1 else f"All {places} places of this app are"
    return FULL.format(taken=taken, seconds=RETRY_SECONDS)


class Places(AsyncMappingKernelManager):
    """As many kernels as there are places; starts beyond that wait in a line.

    Voilà derives its manager with the pool from this class, which is the `super()` of all that it does with a kernel.
    """

    places = Int(1, config=True, help="kernels at a time")

    # What Voilà's class adds: notebooks that were begun, the one that all see, and the tasks that start its kernels.
    notebook_data: dict[str, Any]
    notebook_path: str
    _pools: dict[str, list[asyncio.Task]]

    def __init__(self, **settings: Any):
        self._turn = asyncio.Lock()  # whoever has it is the next to start, and they get it in the order they came
        self._starting = 0
        self._tasks: list[asyncio.Task] = []  # of the pool's, those that have had their turn
        self._visits: list[asyncio.Task] = []  # those that were given to a visitor
        self._homes: dict[str, Path] = {}
        self._is_closing = False
        super().__init__(**settings)

    async def start_kernel(self, **how: Any) -> str:
        """Start a kernel when there is a place for it, and no more at once than there are cores."""
        async with self._turn:
            while len(self) + self._starting >= self.places or self._warming() >= cores():
                if self._is_closing:
                    raise RuntimeError("the app is being ended")
                await asyncio.sleep(STEP)
            self._starting += 1
            if (task := asyncio.current_task()) is not None:
                self._tasks.append(task)
        try:
            home = _home()
            said = [*how.get("extra_arguments", ()), QUIET]
            kernel_id = await super().start_kernel(**{**how, "path": None, "cwd": str(home), "extra_arguments": said})
        finally:
            self._starting -= 1
        self._homes[kernel_id] = home
        self._bound(kernel_id)
        return kernel_id

    async def shutdown_kernel(self, kernel_id: str, *given: Any, **how: Any) -> None:
        await super().shutdown_kernel(kernel_id, *given, **how)
        _leave(self._homes.pop(kernel_id, None))

    async def shutdown_all(self, *given: Any, **how: Any) -> None:
        self._is_closing = True
        await super().shutdown_all(*given, **how)
        while self._homes:
            _leave(self._homes.popitem()[1])

    def _bound(self, kernel_id: str) -> None:
        """Let one kernel take no more memory than MAX_KERNEL_BYTES, where the system can see to it (Linux)."""
        if hasattr(resource, "prlimit"):
            with contextlib.suppress(OSError, AttributeError):  # the process has ended; or it is not of this machine
                pid = self.get_kernel(kernel_id).provisioner.pid
                resource.prlimit(pid, resource.RLIMIT_DATA, (MAX_KERNEL_BYTES, MAX_KERNEL_BYTES))

    def _lives(self, task: asyncio.Task) -> bool:
        """Whether the kernel that a task of the pool starts is there, or is coming."""
        if not task.done():
            return True
        return not task.cancelled() and task.exception() is None and task.result()["kernel_id"] in self

    def _warming(self) -> int:
        """How many kernels have not run the notebook yet."""
        self._tasks = [task for task in self._tasks if self._lives(task)]
        return sum(not _is_warm(task) for task in self._tasks)

    def warm(self) -> int:
        """How many kernels have run the notebook."""
        return len(self._tasks) - self._warming()

    async def admit(self) -> bool:
        """Whether there is a place for a visitor, who has it from now on: the next of the pool's kernels."""
        while not self.notebook_data:  # the first kernel has not been started
            await asyncio.sleep(STEP)
        end = time.monotonic() + PATIENCE
        while True:
            self._visits = [task for task in self._visits if self._lives(task)]
            pool = self._pools.get(self.notebook_path)
            if len(self._visits) < self.places and pool:
                self._visits.append(pool[0])
                pool[0].add_done_callback(self._begin)
                return True
            if time.monotonic() > end:
                return False
            await asyncio.sleep(STEP)

    def _begin(self, task: asyncio.Task) -> None:
        """A kernel that was warm for an hour has been idle for an hour, but not left: its page is only coming."""
        if self._lives(task):
            kernel: Any = self.get_kernel(task.result()["kernel_id"])
            kernel.last_activity = datetime.now(timezone.utc)

    async def tell(self) -> None:
        """Say how many places are warm, until all have been."""
        said = -1
        while said < self.places and not self._is_closing:
            if (now := self.warm()) > said:
                say(f"{now} of {counted(self.places, 'place')} warm")
                said = now
            await asyncio.sleep(STEP)


def _is_warm(task: asyncio.Task) -> bool:
    return task.done() and (task.exception() is not None or task.result()["task"].done())


def _home() -> Path:
    """A visitor's folder, which looks like the repository and has outputs of its own."""
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


def _leave(home: Path | None) -> None:
    """Keep what a visitor has made, and nothing else of the folder."""
    if home is None:
        return
    for name in LINKED:
        (home / name).unlink(missing_ok=True)
    for folder in (home / "outputs", home):
        with contextlib.suppress(OSError):  # it has something in it
            folder.rmdir()


class Door(TornadoVoilaHandler):
    """The page itself, for as many visitors as there are places."""

    @tornado.web.authenticated
    async def get(self, path: str | None = None) -> None:
        if not path:
            self.request.arguments.clear()  # a theme in the address would need a kernel beside the warm ones
            if not await self.kernel_manager.admit():
                self.set_status(503)
                self.set_header("Retry-After", str(RETRY_SECONDS))
                self.finish(sentence(self.kernel_manager.places))
                return
        await super().get(path)


class Exit(VoilaShutdownKernelHandler):
    """What a page that is closed calls, so that its kernel ends."""

    def check_xsrf_cookie(self) -> None:
        """The call comes without the cookie's token; the kernel's id in the address is known to its page alone."""


class Classroom(Voila):
    """Voilà with a `Door` and an `Exit`."""

    def init_handlers(self) -> list:
        ours = {TornadoVoilaHandler: Door, VoilaShutdownKernelHandler: Exit}
        return [(at, ours.get(handler, handler), *rest) for at, handler, *rest in super().init_handlers()]

    def listen(self) -> None:
        telling = asyncio.get_event_loop().create_task(self.kernel_manager.tell())
        try:
            super().listen()
        finally:
            telling.cancel()


def serve(notebook: Path, places: int, ip: str, port: int, others: Sequence[str] = ()) -> None:
    """Run the app until it is ended.

    Args:
      notebook: what each visitor gets.
      places: visitors at a time.
      ip: address of this machine to listen at.
      port: of it.
      others: further flags of Voilà's.
    """
    settings = Config()
    settings.VoilaConfiguration.multi_kernel_manager_class = Places
    settings.VoilaConfiguration.preheat_kernel = True
    settings.VoilaConfiguration.default_pool_size = places
    settings.Places.places = places
    settings.MappingKernelManager.cull_idle_timeout = LEFT_SECONDS
    settings.MappingKernelManager.cull_interval = LOOK_SECONDS
    settings.VoilaKernelManager.fill_delay = 0.0
    settings.Voila.log_level = "ERROR"  # a teacher can do nothing about a notebook that is "not trusted"
    app = Classroom(config=settings)
    app.initialize([str(notebook), "--no-browser", f"--Voila.ip={ip}", f"--Voila.port={port}", *others])
    app.start()
