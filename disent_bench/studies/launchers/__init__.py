"""Launchers, one per file, called like the file. Each has a class ``Launcher`` that starts jobs somewhere."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from disent_bench.registry import unknown_name
from disent_bench.studies.job import Job


class LostError(RuntimeError):
    """The process of a job is gone, and with it its exit status; the message says why."""


class Task(Protocol):
    """A job that was started, such as a `subprocess.Popen` of ``disent-bench`` with the job's words."""

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while it waits or runs.

        Raises:
            LostError: if there is none.
        """

    def send_signal(self, number: int) -> None:
        """Ask it to save its state and to end (SIGINT or SIGTERM)."""


@dataclass(frozen=True)
class Resources:
    """What a study may use.

    Attributes:
        num_workers: how many jobs there are at a time, running or queued.
        cpus: cores of each job; None leaves it to the launcher.
        gpus: GPUs of each job, parts of one included; None leaves it to the launcher.
        address: of the cluster.
        options: further ones by name, which the launcher knows.
        folder: where a launcher may keep files of its own.

    Raises:
        ValueError: if a number is too small.
    """

    num_workers: int = 1
    cpus: int | None = None
    gpus: float | None = None
    address: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path(".jobs")

    def __post_init__(self) -> None:
        for name, least in (("workers", 1), ("cpus", 1), ("gpus", 0)):
            given = self.num_workers if name == "workers" else getattr(self, name)
            if given is not None and given < least:
                raise ValueError(f"--{name} is at least {least}, not {given}")


class Launcher(Protocol):
    """Starts jobs; made of `Resources`, which it may refuse with a ValueError in one line.

    One that has ``jobs_per_worker`` is given so many jobs at a time for each worker, else one.
    """

    def start(self, jobs: Sequence[Job]) -> Sequence[Task]:
        """Start jobs, whose folders nobody works on, and return at once."""

    def close(self) -> None:
        """Let go of everything once no job is left."""


def launcher_names() -> list[str]:
    """Return the names of all launchers."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def launcher(name: str, resources: Resources) -> Launcher:
    """Return the launcher called ``name``.

    Raises:
        ValueError: if there is none, what it stands on is not installed, or it can do nothing with the resources.
    """
    if name not in launcher_names():
        raise unknown_name("launcher", name, launcher_names())
    made: Launcher = importlib.import_module(f"{__name__}.{name}").Launcher(resources)
    return made
