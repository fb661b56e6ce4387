"""Progress for people, throughput for logs."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from disent_datasets.datamodule import steps_in
from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from disent_bench.runs.pace import LINE_SECONDS, Pace

_BAR_SECONDS = 0.1


class Throughput(Callback):
    """Shows a progress bar (plain lines where no terminal is), logs steps and images per second and memory.

    Time spent by other callbacks, for scores and pictures, is not counted.
    """

    def __init__(self, title: str, steps: int, batch_size: int, every: int) -> None:
        self.title, self.steps, self.batch_size, self.every = title, steps, batch_size, every
        self.batches = 0
        self.seconds = 0.0
        self.peak_memory_mb = 0.0
        self._window = (0, 0.0)
        self._batch_start = 0.0
        self._rate = 0.0
        self._console = Console(file=sys.stderr)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} steps {task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the steps and seconds so far."""
        return {"batches": self.batches, "seconds": self.seconds, "peak_memory_mb": self.peak_memory_mb}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.batches, self.seconds = state_dict["batches"], state_dict["seconds"]
        self.peak_memory_mb = state_dict["peak_memory_mb"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show where training starts."""
        self._window = (self.batches, self.seconds)
        self._task = self._progress.add_task(self.title, total=self.steps, completed=self.batches, rate="")
        self._progress.start()
        self._shown = time.monotonic()
        self._pace = Pace(self.batches, self.steps)
        self._batch_start = time.perf_counter()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Start the clock of this step."""
        self._batch_start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop the clock and show the step; log every ``every`` steps."""
        self.seconds += time.perf_counter() - self._batch_start
        self.batches += steps_in(batch)
        self._show()
        if self.batches % self.every:
            return
        steps, seconds = self._window
        self._rate = rate = (self.batches - steps) / max(self.seconds - seconds, 1e-9)
        self._window = (self.batches, self.seconds)
        values = {"throughput/steps_per_second": rate, "throughput/images_per_second": rate * self.batch_size}
        if (memory := anonymous_memory_mb()) is not None:
            self.peak_memory_mb = max(self.peak_memory_mb, memory)
            values["throughput/memory_mb"] = memory
        for logger in trainer.loggers:
            logger.log_metrics(values, step=self.batches)

    def _show(self) -> None:
        """Move the bar, or say a line; a step may be short, so not at each."""
        now = time.monotonic()
        if now - self._shown < (_BAR_SECONDS if self._console.is_terminal else LINE_SECONDS):
            return
        self._shown = now
        if self._console.is_terminal:
            rate = f"{self._rate:.1f}/s" if self._rate else ""
            self._progress.update(self._task, completed=self.batches, rate=rate)
        else:
            self._console.print(f"{self.title}: step {self._pace.text(self.batches)}", soft_wrap=True)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the bar down, where the training is."""
        for task in self._progress.task_ids:
            self._progress.update(task, completed=self.batches)
        self._progress.stop()


def anonymous_memory_mb() -> float | None:
    """Memory of this process without pages of mapped files, in MiB; None where the system does not say (not Linux)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return float(lines["RssAnon"].split()[0]) / 1024 if "RssAnon" in lines else None
