"""Launchers, one per file, called like the file: each has ``launch(jobs, num_workers) -> outcomes by name``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence

from disent_bench.registry import unknown_name
from disent_bench.runs.train import Outcome
from disent_bench.studies.job import Job

Launch = Callable[[Sequence[Job], int], dict[str, Outcome]]


def launcher_names() -> list[str]:
    """Return the names of all launchers."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def launcher(name: str) -> Launch:
    """Return the launcher called ``name``.

    Raises:
        ValueError: if there is none.
    """
    if name not in launcher_names():
        raise unknown_name("launcher", name, launcher_names())
    launch: Launch = importlib.import_module(f"{__name__}.{name}").launch
    return launch
