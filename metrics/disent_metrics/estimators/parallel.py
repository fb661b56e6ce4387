"""Threads for compiled kernels that release the interpreter lock."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np


def available_cpus() -> int:
    """CPUs that this process may use: those that the system gives it, and no more than ``OMP_NUM_THREADS`` says."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return min(cpus, max(1, int(told))) if told.isdigit() else cpus


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """One pool per process: threads do not survive a fork."""
    return ThreadPoolExecutor(threads, thread_name_prefix=f"disent_metrics-{process}")


def split_work(work: Callable[[int, int], None], size: int, threads: int | None = None) -> None:
    """Call ``work(begin, end)`` on contiguous parts of ``range(size)`` in threads, and wait."""
    workers = max(1, min(threads or available_cpus(), size))
    if workers == 1:
        work(0, size)
        return
    bounds = [int(bound) for bound in np.linspace(0, size, workers + 1)]
    list(_pool(os.getpid(), workers).map(work, bounds[:-1], bounds[1:]))
