"""A progress bar for work that turns out to take long."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def track(blocks: Iterable[NDArray[Any]], total: int, text: str, patience: float = 0.5) -> Iterator[NDArray[Any]]:
    """Pass blocks of images on; after ``patience`` seconds, count them up to ``total`` in a bar on stderr."""
    started, done = time.monotonic(), 0
    with ExitStack() as stack:
        bar: Progress | None = None
        for block in blocks:
            yield block
            done += len(block)
            if bar is None and time.monotonic() - started > patience:
                bar = stack.enter_context(_bar())
                bar.add_task(text, total=total)
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done)


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
