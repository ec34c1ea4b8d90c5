"""The number of threads that compute notes. Processes that share a machine must divide its cores among them.

Notebook: 07_songs.
"""

from __future__ import annotations

import os
import sys

_chosen: int | None = None  # the number set by `use_threads`, also before TensorFlow is imported


def cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """Number of threads that share one operation of the network. The last bits of a note depend on it."""
    chosen = _chosen
    if tf := sys.modules.get("tensorflow"):  # it may have been set in TensorFlow directly
        chosen = tf.config.threading.get_intra_op_parallelism_threads()
    return chosen or int(os.environ.get("TF_NUM_INTRAOP_THREADS") or 0) or cores()


def use_threads(count: int) -> None:
    """Set the number of threads that this process computes with. Call it before loading a model.

    Raises:
      ValueError: the number is below 1, or TensorFlow has already computed with another number.
    """
    global _chosen
    if count < 1:
        raise ValueError(f"the number of threads is {count}; it must be 1 or more")
    from threadpoolctl import threadpool_limits

    if tf := sys.modules.get("tensorflow"):
        try:
            tf.config.threading.set_intra_op_parallelism_threads(count)
        except RuntimeError:
            raise ValueError(
                f"this process already computes with {threads()} threads and cannot change to {count}"
            ) from None
    _chosen = count
    threadpool_limits(limits=count)


def chosen_threads() -> int | None:
    """The number last set by `use_threads`, which `backend` passes to TensorFlow on import; None if not set."""
    return _chosen
