"""Runs as processes of their own, several side by side on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from disent_bench.runs.pace import LINE_SECONDS, Pace, duration
from disent_bench.runs.series import ending
from disent_bench.runs.stop import PARENT, take_unheeded
from disent_bench.runs.train import Outcome
from disent_bench.studies.job import Job

POLL_SECONDS = 0.1
LOOK_SECONDS = 1.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOPPED = (130, *(-number for number in SIGNALS))


def launch(jobs: Sequence[Job], num_workers: int) -> dict[str, Outcome]:
    """Bring all jobs to their end, ``num_workers`` at a time, and return how each ended, by name.

    A job that is done is skipped; one that somebody else is working on, such as the same study started twice, is left
    to them and waited for. Whatever becomes of one process, the others go on. SIGINT and SIGTERM are passed on to the
    processes, which save their state, and no more are started.
    """
    # what a signal keeps from being started stays as it is here
    outcomes = {job.name: Outcome(job.key, job.folder.path, "interrupted", "a signal") for job in jobs}
    done = [job for job in jobs if job.is_done]
    outcomes |= {job.name: Outcome(job.key, job.folder.path, "skipped") for job in done}
    waiting = deque(job for job in jobs if job not in done)
    active: list[_Worker] = []
    stopping = False
    environment = {**worker_environment(num_workers), PARENT: str(os.getpid())}
    with _Report(len(jobs), len(done)) as report, _held_signals() as received:
        try:
            while active or (waiting and not stopping):
                while len(active) < num_workers and not stopping and (job := _take_free(waiting)) is not None:
                    if job.is_done:
                        outcomes[job.name] = Outcome(job.key, job.folder.path, "skipped")
                        report.ended(job, outcomes[job.name])
                    else:
                        active.append(_Worker(job, environment))
                if waiting and not active:
                    report.waiting(len(waiting))
                time.sleep(POLL_SECONDS)
                while received:
                    stopping = True
                    report.say("stopping; the runs save their state (once more ends them at once)")
                    number = received.popleft()
                    for worker in active:
                        worker.process.send_signal(number)
                for worker in [worker for worker in active if worker.process.poll() is not None]:
                    active.remove(worker)
                    if worker.came_late:
                        waiting.append(worker.job)
                        continue
                    outcomes[worker.job.name] = worker.outcome()
                    report.ended(worker.job, outcomes[worker.job.name])
                report.running(active)
        finally:
            for worker in active:
                worker.process.terminate()
            for worker in active:
                worker.process.wait()
    return outcomes


def _take_free(waiting: deque[Job]) -> Job | None:
    """Take the first job that nobody else is working on; None if there is none."""
    job = next((job for job in waiting if not job.folder.is_busy()), None)
    if job is not None:
        waiting.remove(job)
    return job


def worker_environment(num_workers: int) -> Mapping[str, str]:
    """Return the environment of one of several workers: this one's, with the worker's share of the cores.

    An ``OMP_NUM_THREADS`` that is set already stays as it is.
    """
    if num_workers == 1:
        return os.environ
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"OMP_NUM_THREADS": str(max(1, cores // num_workers)), **os.environ}


class _Worker:
    """A process that brings one run to its end; its output goes to the run's folder."""

    def __init__(self, job: Job, environment: Mapping[str, str]) -> None:
        self.job = job
        self.steps = job.steps
        self.pace = Pace(job.folder.latest_step(), self.steps)
        job.folder.path.mkdir(parents=True, exist_ok=True)
        job.folder.failure.unlink(missing_ok=True)  # of an earlier try: what is there afterwards is this one's
        with job.folder.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "disent_bench", *job.words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,  # Ctrl-C reaches this process alone, which passes it on
            )

    @property
    def came_late(self) -> bool:
        """Whether the process has ended because another one had begun with the run."""
        return bool(self.process.returncode) and self.job.outcome() is None and self.job.folder.is_busy()

    def outcome(self) -> Outcome:
        """Return how the run ended, once the process has: by what its folder holds, else by the exit status."""
        status = self.process.returncode
        if (found := self.job.outcome()) is not None:
            return found
        if status in STOPPED:
            return Outcome(self.job.key, self.job.folder.path, "interrupted", "a signal")
        if status < 0:
            reason = f"killed by signal {-status} ({signal.strsignal(-status)})"
        else:
            reason = f"ended with exit status {status}, and neither result nor failure"
        return Outcome(self.job.key, self.job.folder.path, "failed", reason)


class _Report:
    """A line on stderr for each run that ended, and how far the others are: rows on a terminal, else lines."""

    def __init__(self, total: int, skipped: int) -> None:
        console = Console(file=sys.stderr)
        self._counts = {"done": skipped, "interrupted": 0, "failed": 0}
        self._total = total
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
            BarColumn(10),
            TextColumn("{task.fields[state]}", markup=False, table_column=Column(no_wrap=True)),
            console=console,
            disable=not console.is_terminal,
            expand=True,
        )
        self._start = self._looked = self._said = time.monotonic()
        self._task = self._progress.add_task(self._summary(), total=total, completed=skipped, state="")
        self._rows: dict[_Worker, TaskID] = {}
        self._waited = False
        self.say(f"{total} runs, {skipped} of them done already")

    def __enter__(self) -> _Report:
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()

    def running(self, workers: Sequence[_Worker]) -> None:
        """Show how far the runs are that are running."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS and set(workers) == set(self._rows):
            return
        self._looked = now
        states = {worker: worker.pace.text(worker.job.folder.latest_step()) for worker in workers}
        for gone in [worker for worker in self._rows if worker not in states]:
            self._progress.remove_task(self._rows.pop(gone))
        for worker, state in states.items():
            if worker not in self._rows:
                self._rows[worker] = self._progress.add_task(worker.job.name, total=worker.steps, state="")
            self._progress.update(self._rows[worker], completed=worker.pace.step, state=state)
        self._progress.update(self._task, state=f"{duration(now - self._start)} so far")
        if self._progress.disable and now - self._said >= LINE_SECONDS:
            self._said = now
            for worker, state in states.items():
                self.say(f"{worker.job.name}: {state}")

    def ended(self, job: Job, outcome: Outcome) -> None:
        """Say how a run ended."""
        self._counts["done" if outcome.status == "skipped" else outcome.status] += 1
        log = f" ({job.folder.output})" if outcome.status == "failed" else ""
        self.say(f"{job.name}: {ending(outcome)}{log}")
        completed = self._counts["done"] + self._counts["failed"]
        self._progress.update(self._task, description=self._summary(), completed=completed)

    def waiting(self, number: int) -> None:
        """Say once that all that is left is in other hands."""
        if not self._waited:
            self._waited = True
            self.say(f"waiting for {number} runs that another process is working on")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _summary(self) -> str:
        done, failed = self._counts["done"], self._counts["failed"]
        return f"{done} done, {failed} failed, {self._total - done - failed} left"


@contextmanager
def _held_signals() -> Iterator[deque[int]]:
    """Collect the signals that ask to stop, instead of being stopped by them; also those that came before in vain."""
    received: deque[int] = deque()
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in SIGNALS}
    received.extend(take_unheeded())
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
