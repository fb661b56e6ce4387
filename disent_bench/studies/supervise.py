"""Bringing many jobs to their end, wherever they run: what is done is skipped, what is lost is started again."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from disent_bench.runs.result import Failure
from disent_bench.runs.stop import BUSY, SIGNALS, take_unheeded
from disent_bench.runs.train import Outcome
from disent_bench.studies.board import Board
from disent_bench.studies.job import Job
from disent_bench.studies.launchers import Launcher, LostError, Task

POLL_SECONDS = 0.1
LOOK_SECONDS = 2.0
"""Seconds between two looks at runs that another process is working on."""
STOPPED = (130, *(-number for number in SIGNALS))


@dataclass
class Active:
    """A job that was started, and whether it was asked to stop."""

    job: Job
    task: Task
    asked: bool = False


def supervise(jobs: Sequence[Job], launcher: Launcher, num_workers: int, retries: int = 1) -> dict[str, Outcome]:
    """Bring all jobs to their end, ``num_workers`` working at a time, and return how each ended, by name.

    A job that is done is skipped; one that somebody else is working on, such as the same study started twice, is left
    to them and waited for. Whatever becomes of one job, the others go on. One that the machine failed (killed, lost,
    short of memory or disk) is started again, at most ``retries`` times; one that failed by its own doing would fail
    again. SIGINT and SIGTERM are passed on to the jobs, which save their state, and no more are started.
    """
    # what a signal keeps from being started stays as it is here
    outcomes = {job.name: Outcome(job.key, job.folder.path, "interrupted", "a signal") for job in jobs}
    finished = {job.name: outcome for job in jobs if (outcome := _finished(job)) is not None}
    outcomes |= finished
    waiting = deque(job for job in jobs if job.name not in finished)
    tries = dict.fromkeys(outcomes, 0)
    active: list[Active] = []
    stopping, look, at_once = False, 0.0, num_workers * getattr(launcher, "jobs_per_worker", 1)
    with Board(jobs, finished, num_workers) as board, _held_signals() as received:
        while active or (waiting and not stopping):
            if not stopping and len(active) < at_once and time.monotonic() >= look:
                active += _start(waiting, at_once - len(active), launcher, outcomes, board)
                if waiting and len(active) < at_once:  # all that is left is in other hands
                    look = time.monotonic() + LOOK_SECONDS
            board.update([each.job for each in active], waiting)
            time.sleep(POLL_SECONDS)
            while received:
                stopping = True
                board.say("stopping; the runs save their state (once more ends them at once)")
                number = received.popleft()
                for each in active:
                    each.asked = True
                    each.task.send_signal(number)
            for each in list(active):
                outcome = _outcome(each)
                if outcome is None:
                    continue
                active.remove(each)
                name = each.job.name
                if outcome.status == "busy":
                    waiting.append(each.job)
                elif not each.asked and tries[name] < retries and _is_of_machine(each.job, outcome):
                    tries[name] += 1
                    waiting.append(each.job)
                    board.say(f"{name}: {outcome.reason}; trying again ({tries[name]} of {retries})")
                else:
                    outcomes[name] = outcome
                    board.ended(each.job, outcome)
    return outcomes


def _finished(job: Job) -> Outcome | None:
    """Return how a job stands for which there is nothing to do: done, or with a result that cannot be read."""
    try:
        return Outcome(job.key, job.folder.path, "skipped") if job.is_done else None
    except ValueError as error:
        return Outcome(job.key, job.folder.path, "failed", str(error))


def _start(
    waiting: deque[Job], number: int, launcher: Launcher, outcomes: dict[str, Outcome], board: Board
) -> list[Active]:
    """Start the first jobs that nobody is working on; those that somebody else has done meanwhile are skipped."""
    chosen: list[Job] = []
    for job in list(waiting):
        if len(chosen) >= number:
            break
        if job.folder.is_busy():
            continue
        waiting.remove(job)
        if (outcome := _finished(job)) is not None:
            outcomes[job.name] = outcome
            board.ended(job, outcome)
            continue
        job.folder.path.mkdir(parents=True, exist_ok=True)
        job.folder.failure.unlink(missing_ok=True)  # of an earlier try: what is there afterwards is this one's
        chosen.append(job)
    if not chosen:
        return []
    return [Active(job, task) for job, task in zip(chosen, launcher.start(chosen), strict=True)]


def _outcome(active: Active) -> Outcome | None:
    """Return how a job ended: by what its folder holds, else by its exit status; None if it has not ended."""
    job, asked = active.job, active.asked
    status, reason = None, ""
    try:
        status = active.task.poll()
        if status is None:
            return None
    except LostError as error:
        reason = str(error)
    if (found := job.outcome()) is not None:
        return found
    if status == BUSY:
        return Outcome(job.key, job.folder.path, "busy")
    # a process that is stopped before it has come to hear signals ends with status 1, or is lost
    if status in STOPPED or (asked and (status is None or status > 0)):
        return Outcome(job.key, job.folder.path, "interrupted", "a signal")
    if status is not None:
        reason = f"ended with exit status {status}, and neither result nor failure"
        if status < 0:
            reason = f"killed by signal {-status} ({signal.strsignal(-status)})"
    with suppress(OSError):
        job.folder.note_failure(reason)
    return Outcome(job.key, job.folder.path, "failed", reason)


def _is_of_machine(job: Job, outcome: Outcome) -> bool:
    """Whether a try may end otherwise the next time: a failure that the run itself recorded says so."""
    if outcome.status not in ("failed", "interrupted"):
        return False
    try:
        return not job.folder.failure.exists() or Failure.read(job.folder.failure).of_machine
    except (OSError, ValueError):
        return True


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
