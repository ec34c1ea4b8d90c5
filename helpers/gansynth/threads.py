"""How many threads compute notes: processes that share a machine divide its cores, or they wait for each other.

Notebook: 07_songs.
"""

from __future__ import annotations

import os
import sys

_chosen: int | None = None  # by `use_threads`, before TensorFlow was imported


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """Threads that one operation of the network is divided among. The last bits of a note depend on it."""
    chosen = _chosen
    if tf := sys.modules.get("tensorflow"):  # somebody may have told TensorFlow itself
        chosen = tf.config.threading.get_intra_op_parallelism_threads()
    return chosen or int(os.environ.get("TF_NUM_INTRAOP_THREADS") or 0) or cores()


def use_threads(count: int) -> None:
    """Compute with so many threads from now on; a model may only be loaded after it.

    Raises:
      ValueError: the number is below 1, or something has been computed with another number.
    """
    global _chosen
    if count < 1:
        raise ValueError(f"{count} threads cannot compute; 1 is the least")
    from threadpoolctl import threadpool_limits

    if tf := sys.modules.get("tensorflow"):
        try:
            tf.config.threading.set_intra_op_parallelism_threads(count)
        except RuntimeError:
            raise ValueError(
                f"this process computes with {threads()} threads already, and cannot change to {count}"
            ) from None
    _chosen = count
    threadpool_limits(limits=count)


def chosen_threads() -> int | None:
    """What `use_threads` was told last; `backend` tells TensorFlow when that is imported."""
    return _chosen
