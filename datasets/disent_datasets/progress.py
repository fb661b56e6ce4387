"""A progress bar for work that turns out to take long."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from numpy.typing import NDArray
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


def track(blocks: Iterable[NDArray[Any]], total: int, text: str, patience: float = 0.5) -> Iterator[NDArray[Any]]:
    """Pass blocks of images on; after ``patience`` seconds, a bar on stderr counts them up to ``total``."""
    started, done = time.monotonic(), 0
    with ExitStack() as stack:
        bar: Progress | None = None
        for block in blocks:
            yield block
            done += len(block)
            if bar is None and time.monotonic() - started > patience:
                bar = stack.enter_context(_bar())
                bar.add_task(text, total=total, completed=done)
            elif bar is not None:
                bar.update(bar.task_ids[0], completed=done)


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


class DownloadBar:
    """A progress bar on stderr with the verbs that pooch's downloaders call.

    Args:
        text: what is downloaded.
        done: bytes that an earlier attempt has left.
    """

    def __init__(self, text: str, done: int = 0) -> None:
        self.text = text
        self.total = 0
        self._before = done
        self._done = 0
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))

    def __enter__(self) -> DownloadBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def restart(self) -> None:
        """Say that nothing of the earlier attempt is used."""
        self._before = 0

    def update(self, count: int) -> None:
        """Add ``count`` bytes; the last block of a file is counted as a whole one."""
        if not self._bar.live.is_started:
            self._bar.start()
            self._task = self._bar.add_task(self.text, total=None)
        self._done += count
        total = self._before + self.total if self.total else None
        done = self._before + self._done
        self._bar.update(self._task, completed=done if total is None else min(done, total), total=total)

    def reset(self) -> None:
        """Start counting again (pooch does, to end with the exact number)."""
        self._done = 0

    def close(self) -> None:
        """Do nothing: leaving the context ends the bar."""
