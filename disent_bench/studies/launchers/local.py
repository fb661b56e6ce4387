"""Runs as processes of their own, several side by side on this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

import torch

from disent_bench.studies.job import Job
from disent_bench.studies.launchers import Resources
from disent_bench.studies.worker import begin

VISIBLE = "CUDA_VISIBLE_DEVICES"


class Launcher:
    """Workers share the cores and, where there are several GPUs, take one each in turn."""

    def __init__(self, resources: Resources) -> None:
        if resources.address or resources.options or resources.gpus:
            raise ValueError("the launcher local takes --workers and --cpus; workers share the GPUs of this machine")
        gpus = visible_gpus()
        environments = (environment_of(slot, resources, gpus) for slot in range(resources.num_workers))
        self._free = list(environments)
        self._taken: list[tuple[subprocess.Popen[bytes], dict[str, str]]] = []

    def start(self, jobs: Sequence[Job]) -> list[subprocess.Popen[bytes]]:
        """Start each job as a process."""
        self._free += [environment for process, environment in self._taken if process.returncode is not None]
        self._taken = [(process, environment) for process, environment in self._taken if process.returncode is None]
        started = []
        for job in jobs:
            environment = self._free.pop(0)
            started.append(begin(job.words, job.folder.output, environment))
            self._taken.append((started[-1], environment))
        return started

    def close(self) -> None:
        """End what runs."""
        for process, _ in self._taken:
            process.terminate()
        for process, _ in self._taken:
            process.wait()


def environment_of(slot: int, resources: Resources, gpus: Sequence[str] = ()) -> dict[str, str]:
    """Return what the environment of one of several workers has beside this one's: its share of cores and GPUs.

    An ``OMP_NUM_THREADS`` that is set already stays as it is.
    """
    environment = {}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = resources.cpus or (cores // resources.num_workers if resources.num_workers > 1 else None)
    if share is not None and "OMP_NUM_THREADS" not in os.environ:
        environment["OMP_NUM_THREADS"] = str(max(1, share))
    if len(gpus) > 1:
        environment[VISIBLE] = gpus[slot % len(gpus)]
    return environment


def visible_gpus() -> list[str]:
    """Return the GPUs of this machine as ``CUDA_VISIBLE_DEVICES`` names them, which may leave some out."""
    if os.environ.get(VISIBLE):
        return os.environ[VISIBLE].split(",")
    return [str(number) for number in range(torch.cuda.device_count())]
