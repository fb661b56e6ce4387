"""What is seen of a study while it runs: a line for each run that ends, how far the others are, time still to go."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from disent_bench.runs.lock import owner
from disent_bench.runs.pace import LINE_SECONDS, Pace, duration
from disent_bench.runs.result import Result
from disent_bench.runs.series import ending
from disent_bench.runs.train import Outcome
from disent_bench.studies.job import Job

LOOK_SECONDS = 1.0
ROWS = 16
"""Runs that are shown at a time, on a terminal."""
STATE_WIDTH = 50
"""Columns that bar and state of a row take at most, but for long names of machines."""


class Plan:
    """Time to go of a study, from what was measured of its runs.

    A run that is left takes as long as the finished ones of its configuration took to train and to score; for want of
    such, as all finished ones per step.

    Args:
        jobs: all.
        num_workers: how many of them go side by side.
    """

    def __init__(self, jobs: Sequence[Job], num_workers: int) -> None:
        self._num_workers = num_workers
        self._steps = {job.name: job.steps for job in jobs}
        self._seconds: dict[Path, list[float]] = {}
        self._per_step: list[float] = []

    def measured(self, job: Job) -> None:
        """Take in a finished run."""
        try:
            result = Result.read(job.folder.result)
            seconds = float(result.training["seconds"]) + sum(result.seconds.values())
        except (OSError, ValueError, KeyError, TypeError):
            return
        self._seconds.setdefault(job.folder.path.parent, []).append(seconds)
        self._per_step.append(seconds / max(1, self._steps[job.name]))

    def seconds_of(self, job: Job) -> float | None:
        """Return how long a whole run is expected to take; None if nothing was measured yet."""
        if same := self._seconds.get(job.folder.path.parent):
            return fmean(same)
        return fmean(self._per_step) * self._steps[job.name] if self._per_step else None

    def seconds_to_go(self, running: Sequence[tuple[Job, int, float | None]], waiting: Collection[Job]) -> float | None:
        """Return how long the study will take; None if too little was measured.

        Args:
            running: job, the step at which it is, and steps a second if known.
            waiting: jobs that have not begun.
        """
        left: list[float] = []
        known: list[float] = []  # of the runs' own pace, for want of finished ones
        for job, step, rate in running:
            whole, steps = self.seconds_of(job), max(1, self._steps[job.name])
            if rate is not None:
                left.append((steps - step) / rate)
                known.append(1 / rate)
            elif whole is not None:
                left.append(whole * (1 - step / steps))
            else:
                return None
        for job in waiting:
            seconds = self.seconds_of(job)
            if seconds is None and known:
                seconds = fmean(known) * self._steps[job.name]
            if seconds is None:
                return None
            left.append(seconds)
        side_by_side = max(1, min(self._num_workers, len(left)))
        return max(sum(left) / side_by_side, *left, 0.0)


class Board:
    """Rows on a terminal, lines on anything else; on stderr.

    Args:
        jobs: all jobs.
        finished: how those stand, by name, for which there is nothing to do.
        num_workers: how many go side by side.
    """

    def __init__(self, jobs: Sequence[Job], finished: Mapping[str, Outcome], num_workers: int) -> None:
        console = Console(file=sys.stderr)
        self._counts = {"done": 0, "interrupted": 0, "failed": 0}
        self._total = len(jobs)
        self._plan = Plan(jobs, num_workers)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(10),
            TextColumn("{task.fields[state]}", markup=False, table_column=Column(no_wrap=True)),
            console=console,
            disable=not console.is_terminal,
        )
        self._start = self._looked = self._said = time.monotonic()
        self._task = self._progress.add_task(self._summary(), total=self._total, state="")
        self._paces: dict[str, Pace] = {}
        self._rows: dict[str, TaskID] = {}
        self._waited = False
        done = [job for job in jobs if job.name in finished and finished[job.name].status == "skipped"]
        self._counts["done"] = len(done)
        for job in done:
            self._plan.measured(job)
        self.say(f"{self._total} runs, {len(done)} of them done already")
        for job in jobs:
            if job.name in finished and job not in done:
                self.ended(job, finished[job.name])
        self._progress.update(self._task, description=self._summary(), completed=sum(self._counts.values()))

    def __enter__(self) -> Board:
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()

    def update(self, active: Sequence[Job], waiting: Collection[Job]) -> None:
        """Show how far the active jobs are, and how long it will take."""
        if waiting and not active and not self._waited:
            self._waited = True
            self.say(f"waiting for {len(waiting)} runs that another process is working on")
        now = time.monotonic()
        names = {job.name for job in active}
        if now - self._looked < LOOK_SECONDS and names == set(self._paces):
            return
        self._looked = now
        self._paces = {name: pace for name, pace in self._paces.items() if name in names}
        states = {}
        for job in active:
            step = job.folder.latest_step()
            pace = self._paces.setdefault(job.name, Pace(step, job.steps))
            states[job.name] = self._state(job, pace.text(step))
        running = [(job, self._paces[job.name].step, self._paces[job.name].rate) for job in active]
        to_go = self._plan.seconds_to_go(running, waiting)
        state = f"{duration(now - self._start)} so far" + ("" if to_go is None else f", about {duration(to_go)} to go")
        self._show(active, states)
        self._progress.update(self._task, state=state)
        if self._progress.disable and now - self._said >= LINE_SECONDS:
            self._said = now
            for name in list(states)[:ROWS]:
                self.say(f"{name}: {states[name]}")
            self.say(f"{self._summary()}; {state}")

    def ended(self, job: Job, outcome: Outcome) -> None:
        """Say how a run ended."""
        self._counts["done" if outcome.status == "skipped" else outcome.status] += 1
        if outcome.status in ("done", "skipped"):
            self._plan.measured(job)
        log = f" ({job.folder.output})" if outcome.status == "failed" else ""
        self.say(f"{job.name}: {ending(outcome)}{log}")
        completed = self._counts["done"] + self._counts["failed"]
        self._progress.update(self._task, description=self._summary(), completed=completed)

    def say(self, line: str) -> None:
        """Print a line above the rows."""
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _state(self, job: Job, text: str) -> str:
        at_work = owner(job.folder.path)
        if at_work is None:
            return "ending" if job.folder.result.exists() else "queued or starting"
        return text if at_work.host == platform.node() else f"{text} ({at_work.host})"

    def _show(self, active: Sequence[Job], states: dict[str, str]) -> None:
        if self._progress.disable:
            return
        shown = [job for job in active if job.name in self._rows]
        shown += [job for job in active if job.name not in self._rows][: max(0, ROWS - len(shown))]
        for name in set(self._rows) - {job.name for job in shown}:
            self._progress.remove_task(self._rows.pop(name))
        for job in shown:
            if job.name not in self._rows:
                name = self._shortened(job.name)
                self._rows[job.name] = self._progress.add_task(name, total=job.steps, state="")
            self._progress.update(self._rows[job.name], completed=self._paces[job.name].step, state=states[job.name])

    def _shortened(self, name: str) -> str:
        """Cut a name in the middle, for its end tells data set and seed, if it leaves too little room for the rest."""
        room = max(24, self._progress.console.width - STATE_WIDTH)
        end = room * 2 // 3
        return name if len(name) <= room else f"{name[: room - end - 1]}…{name[-end:]}"

    def _summary(self) -> str:
        done, failed = self._counts["done"], self._counts["failed"]
        return f"{done} done, {failed} failed, {self._total - done - failed} left"
