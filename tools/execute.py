"""Run a notebook from top to bottom, for the tests and for the pages of `make html`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbformat import NotebookNode

CELL_SECONDS = 900  # after which a cell counts as hung; the slowest one takes minutes on a slow machine
START_SECONDS = 120  # for the kernel to start
QUIET = ["--IPKernelApp.log_level=ERROR"]  # suppresses warnings, such as that the kernel listens on this machine


def execute(
    notebook: NotebookNode,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    on_cell: Callable[..., None] | None = None,
) -> NotebookNode:
    """Run all cells with this Python, and store their output in `notebook`, which is also returned.

    Args:
        notebook: a notebook read by nbformat.
        folder: working directory of the kernel.
        environment: environment variables of the kernel; by default those of this process.
        on_cell: called after each code cell, with keywords cell, cell_index and execute_reply.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised an error.
        nbclient.exceptions.CellTimeoutError: a cell took more than CELL_SECONDS.
        nbclient.exceptions.DeadKernelError: the kernel died, for example because memory ran out.
    """
    kernels = KernelSpecManager(kernel_dirs=[])  # ignores installed kernels, so that python3 is this interpreter
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels)
    resources = {"metadata": {"path": str(folder)}}
    limits = {"timeout": CELL_SECONDS, "startup_timeout": START_SECONDS}
    client = NotebookClient(
        notebook, km=manager, resources=resources, on_cell_executed=on_cell, extra_arguments=QUIET, **limits
    )
    start = {} if environment is None else {"env": dict(environment)}
    return client.execute(cleanup_kc=True, **start)  # the kernel has ended when this returns
