"""Run a notebook from top to bottom, for the tests and for the pages of `make html`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbformat import NotebookNode

CELL_SECONDS = 900  # the longest a cell may take before it counts as hung; the slowest takes minutes on a slow machine
START_SECONDS = 120  # for the kernel to start
QUIET = ["--IPKernelApp.log_level=ERROR"]  # its warnings go to the terminal: that it listens on this machine, for one


def execute(
    notebook: NotebookNode,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    on_cell: Callable[..., None] | None = None,
) -> NotebookNode:
    """Run all cells on this Python and put what they show into `notebook`, which is also returned.

    Args:
        notebook: as nbformat reads it.
        folder: where the kernel starts.
        environment: the kernel's variables; without, those of this process.
        on_cell: called after each cell of code, with keywords cell, cell_index and execute_reply.

    Raises:
        nbclient.exceptions.CellExecutionError: the first error of a cell.
        nbclient.exceptions.CellTimeoutError: if one takes more than CELL_SECONDS.
        nbclient.exceptions.DeadKernelError: if the kernel died, of too little memory, say.
    """
    kernels = KernelSpecManager(kernel_dirs=[])  # none installed elsewhere: python3 is then this interpreter
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels)
    resources = {"metadata": {"path": str(folder)}}
    limits = {"timeout": CELL_SECONDS, "startup_timeout": START_SECONDS}
    client = NotebookClient(
        notebook, km=manager, resources=resources, on_cell_executed=on_cell, extra_arguments=QUIET, **limits
    )
    start = {} if environment is None else {"env": dict(environment)}
    return client.execute(cleanup_kc=True, **start)  # the kernel has ended when this returns
