"""Runs that share one device: trained in turn in this process, each scored in one of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

import torch

from disent_bench.runs.exact import full_float32
from disent_bench.runs.quiet import quiet_lightning
from disent_bench.runs.series import ending, say
from disent_bench.runs.stop import BUSY, Interrupted, StopOfThread
from disent_bench.runs.train import run_folder
from disent_bench.runs.turns import Turns
from disent_bench.studies.job import Job
from disent_bench.studies.launchers import Resources
from disent_bench.studies.launchers.local import environment_of
from disent_bench.studies.worker import begin

STATUS = {"done": 0, "skipped": 0, "failed": 1, "interrupted": 130, "busy": BUSY}


class Launcher:
    """Each worker is a thread.

    A run works until it waits for the device, be it for what ``log_every`` steps measured or for what the host computes
    within a step, or until its turn has been long; then the next run works. On a GPU a run begins once those before it
    have their memory, and what is free is enough for one more like them.
    """

    jobs_per_worker = 2  # one is trained while another is scored

    def __init__(self, resources: Resources) -> None:
        if resources.address or resources.options or resources.gpus or resources.cpus:
            raise ValueError("the launcher packed takes --workers, the runs that share this process and one device")
        self.environment = environment_of(0, resources)
        self.turns = Turns(resources.num_workers, has_room if torch.cuda.is_available() else lambda within: True)
        self._tasks: list[_Task] = []
        self._entered = ExitStack()
        self.spoken = (Spoken(sys.stdout), Spoken(sys.stderr))
        # what each run sets for itself, and puts back while others work
        for context in (redirect_stdout(self.spoken[0]), redirect_stderr(self.spoken[1])):
            self._entered.enter_context(context)
        self._entered.enter_context(quiet_lightning())
        self._entered.enter_context(full_float32())

    def start(self, jobs: Sequence[Job]) -> list[_Task]:
        """Start a thread for each job."""
        started = [_Task(self, job) for job in jobs]
        self._tasks = [task for task in self._tasks if task.poll() is None] + started
        return started

    def close(self) -> None:
        """Wait for what has been asked to end."""
        for task in self._tasks:
            task.end()
        self._entered.close()


def has_room(within: int) -> bool:
    """Whether a GPU has one and a half times the memory free that each of the runs on it has on average."""
    free, _ = torch.cuda.mem_get_info()
    return free > 1.5 * torch.cuda.memory_reserved() / within


class Spoken:
    """A stream that is another one on threads that have one of their own.

    Args:
        stream: of all other threads.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._own: dict[int, TextIO] = {}

    def __getattr__(self, name: str) -> Any:
        """What the thread's stream has."""
        return getattr(self._own.get(threading.get_ident(), self._stream), name)

    @contextmanager
    def to(self, stream: TextIO) -> Iterator[None]:
        """Write to a stream on this thread."""
        self._own[threading.get_ident()] = stream
        try:
            yield
        finally:
            del self._own[threading.get_ident()]


class _Task:
    """A run on a thread, then its scoring."""

    def __init__(self, launcher: Launcher, job: Job) -> None:
        self._launcher, self._job = launcher, job
        self._stop = StopOfThread()
        self._status: int | None = None
        self._scoring: subprocess.Popen[bytes] | None = None
        self._telling = threading.Lock()
        self._thread = threading.Thread(target=self._work, name=job.name, daemon=True)
        self._thread.start()

    def poll(self) -> int | None:
        return self._status

    def send_signal(self, number: int) -> None:
        with self._telling:
            if self._scoring is not None:
                self._scoring.send_signal(number)
            else:
                self._stop.tell(number)

    def end(self) -> None:
        if self._status is None:
            self.send_signal(signal.SIGTERM)
        self._thread.join()

    def _work(self) -> None:
        status = 1
        try:
            with self._job.folder.output.open("a", buffering=1, encoding="utf-8") as output:
                out, err = self._launcher.spoken
                with out.to(output), err.to(output):
                    try:
                        status = self._trained_and_scored()
                    except Interrupted:
                        status = STATUS["interrupted"]
                    except BaseException:
                        traceback.print_exc()
        finally:
            self._status = status

    def _trained_and_scored(self) -> int:
        turns, job = self._launcher.turns, self._job
        with turns.within():
            outcome = run_folder(
                job.folder.path,
                data_dir=job.data_dir,
                accelerator=job.device,
                say=say,
                stop=self._stop,
            )
        print(ending(outcome), file=sys.stderr)
        if outcome.status != "trained":
            return STATUS[outcome.status]
        with self._telling:
            if self._stop.number is not None:
                return STATUS["interrupted"]
            self._scoring = begin(job.words, job.folder.output, self._launcher.environment)
        return self._scoring.wait()
