"""Runs as jobs of Slurm, in arrays, through submitit; its machines share the folders of runs and of data."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from disent_bench.runs.lock import started_at
from disent_bench.studies.job import Job
from disent_bench.studies.launchers import LostError, Resources
from disent_bench.studies.worker import begin

SHARED = ("timeout_min", "mem_gb", "name")
"""Parameters of submitit that are not Slurm's alone."""
DEFAULTS = {"timeout_min": 240, "name": "disent-bench"}
REQUEUES = 1000
"""How often a run goes on in a new job after its time was up."""
POLL_SECONDS = 0.2
QUEUE_SECONDS = 5.0
"""Seconds between two looks at the queue."""
GONE_SECONDS = 30.0
"""How long a job may be missing from the queue, without a result that a slow file system has shown yet."""
LAST_SECONDS = 120.0
"""How long a job whose run Slurm has stopped waits for its own end, longer than Slurm waits before it kills."""


class Launcher:
    """Jobs that are started together are one array; a job that is preempted, or out of time, goes on in the queue."""

    def __init__(self, resources: Resources) -> None:
        if resources.address is not None:
            raise ValueError("--address is for ray; Slurm's commands know their cluster")
        if resources.gpus is not None and resources.gpus != int(resources.gpus):
            raise ValueError(f"Slurm gives whole GPUs, not {resources.gpus}; ray gives parts of one")
        try:
            import submitit
        except ImportError:
            raise ValueError("the launcher slurm needs submitit: pip install 'disent-bench[slurm]'") from None
        options = {**DEFAULTS, **resources.options}
        self._cluster = str(options.pop("cluster", "slurm"))
        self._cpus = resources.cpus or 1
        parameters = {name if name in SHARED else f"slurm_{name}": value for name, value in options.items()}
        parameters |= {"cpus_per_task": self._cpus, "slurm_array_parallelism": resources.num_workers}
        if resources.gpus:
            parameters["gpus_per_node"] = int(resources.gpus)
        try:
            self._executor = submitit.AutoExecutor(
                resources.folder.absolute(), cluster=self._cluster, slurm_max_num_timeout=REQUEUES
            )
            self._executor.update_parameters(**parameters)
        except (ValueError, RuntimeError, NameError, AssertionError) as error:
            raise ValueError(f"--option: {str(error).strip().splitlines()[0]}") from None
        self._queue = _Queue()

    def start(self, jobs: Sequence[Job]) -> list[_Task]:
        """Submit jobs as one array."""
        environment = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(self._cpus)}
        with self._executor.batch():
            given = [
                self._executor.submit(_Attend(job.words, job.folder.output.absolute(), environment)) for job in jobs
            ]
        return [_Task(job, self._queue if self._cluster == "slurm" else None) for job in given]

    def close(self) -> None:
        """Nothing is held."""


class _Attend:
    """What a job does: run a folder, and before it is preempted let the run save its state and go to the queue."""

    def __init__(self, words: Sequence[str], output: Path, environment: Mapping[str, str]) -> None:
        self.words, self.output, self.environment = list(words), output, dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_process": None}

    def __call__(self) -> int:
        self._process = process = begin(self.words, self.output, self.environment)
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            self._stop()
            return 130
        if process.returncode in (130, -signal.SIGTERM):
            # Slurm has told all processes to end, and will end this one too: by SIGUSR2, after which the job is in the
            # queue again, or by SIGKILL, after which it is where Slurm is set up to put it
            time.sleep(LAST_SECONDS)
        return int(process.returncode)

    def checkpoint(self) -> Any:
        """Called within the handler of SIGUSR2: the run saves its state, and the same is to be done again."""
        from submitit.helpers import DelayedSubmission

        self._stop()
        return DelayedSubmission(_Attend(self.words, self.output, self.environment))

    def _stop(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            while started_at(process.pid) is not None:  # wait() would want a lock that this very thread may hold
                time.sleep(POLL_SECONDS)


class _Queue:
    """The user's jobs that wait or run, looked up for all tasks at once; no accounting is needed."""

    def __init__(self) -> None:
        self._looked = -QUEUE_SECONDS
        self._jobs: set[str] | None = set()

    def has(self, job: str) -> bool:
        """Whether a job is there; also when Slurm does not answer."""
        if time.monotonic() - self._looked >= QUEUE_SECONDS:
            self._looked = time.monotonic()
            command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
            found = subprocess.run(command, capture_output=True, text=True, check=False)
            self._jobs = set(found.stdout.split()) if found.returncode == 0 else None
        return self._jobs is None or job in self._jobs


class _Task:
    """A job of submitit; without a queue it is one of its local executor, by which all this is tried without Slurm."""

    def __init__(self, job: Any, queue: _Queue | None) -> None:
        self._job, self._queue = job, queue
        self._seen = time.monotonic()
        self._grace = GONE_SECONDS

    def poll(self) -> int | None:
        if self._job.paths.result_pickle.exists():
            from submitit.core.utils import UncompletedJobError

            try:
                return int(self._job.result())
            except UncompletedJobError as error:
                raise LostError(f"job {self._job.job_id}: {str(error).strip().splitlines()[0]}") from None
        now = time.monotonic()
        if self._queue is not None:
            if self._queue.has(self._job.job_id):
                self._seen = now
            if now - self._seen < self._grace:
                return None
        elif not self._job.done():
            return None
        raise LostError(f"job {self._job.job_id} left the queue without a result ({self._job.paths.stderr})")

    def send_signal(self, number: int) -> None:
        self._job.cancel(check=False)
        self._grace = 0.0  # no result is to come
