"""Runs as tasks of a Ray cluster, whose machines share the folders of runs and of data and have this package."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from disent_bench.registry import unknown_name
from disent_bench.studies.job import Job
from disent_bench.studies.launchers import LostError, Resources
from disent_bench.studies.worker import begin

PASSED_ON = ("OMP_", "MKL_", "DISENT_")
OPTIONS = ("max_retries", "resources", "scheduling_strategy", "memory")
"""Options of a Ray task that are passed on."""
POLL_SECONDS = 0.2
LOST_NODES = 8
"""How many lost machines a run survives without being counted as tried again."""


class Launcher:
    """Each job is a task with its share of cores and GPUs; Ray runs it elsewhere when its machine is lost."""

    def __init__(self, resources: Resources) -> None:
        for name in resources.options:
            if name not in OPTIONS:
                raise unknown_name("option of a Ray task", name, OPTIONS)
        try:
            import ray
        except ImportError:
            raise ValueError("the launcher ray needs Ray: pip install 'disent-bench[ray]'") from None
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing goes over the network unasked
        self._ray = ray
        self._cpus = resources.cpus or 1
        try:
            _knock(resources.address)
            ray.init(
                address=resources.address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise ValueError(f"no Ray cluster at {resources.address or 'this machine'}: {error}") from None
        options = {"max_retries": LOST_NODES, **resources.options}
        self._attend = ray.remote(num_cpus=self._cpus, num_gpus=resources.gpus or 0, **options)(attend)

    def start(self, jobs: Sequence[Job]) -> list[_Task]:
        """Start each job as a task."""
        environment = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        environment.setdefault("OMP_NUM_THREADS", str(self._cpus))
        found = []
        for job in jobs:
            output = job.folder.output.absolute()
            found.append(_Task(self._ray, self._attend.remote(job.words, output, environment)))
        return found

    def close(self) -> None:
        """Leave the cluster; tasks that are left end."""
        self._ray.shutdown()


def _knock(address: str | None) -> None:
    """Raise an OSError at once if nobody listens at ``host:port``, where Ray would wait for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


class _Task:
    def __init__(self, ray: Any, reference: Any) -> None:
        self._ray, self._reference = ray, reference

    def poll(self) -> int | None:
        ready, _ = self._ray.wait([self._reference], timeout=0)
        if not ready:
            return None
        try:
            return int(self._ray.get(self._reference))
        except self._ray.exceptions.TaskCancelledError:
            return -signal.SIGTERM
        except self._ray.exceptions.RayError as error:
            raise LostError(f"lost by Ray: {str(error).strip().splitlines()[0]}") from None

    def send_signal(self, number: int) -> None:
        self._ray.cancel(self._reference)


def attend(words: Sequence[str], output: Path, environment: Mapping[str, str]) -> int:
    """Run ``disent-bench`` with these words on the machine where this is called, and return its exit status.

    When Ray cancels the task, which raises KeyboardInterrupt here, the run saves its state first.
    """
    process = begin(words, output, environment)
    while True:
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)  # Ray's KeyboardInterrupt waits for Python, and interrupts no system call
            return int(process.returncode)
        except KeyboardInterrupt:
            process.terminate()
