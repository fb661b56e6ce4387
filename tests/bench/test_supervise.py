"""What a study does with each way in which a job can end, and what it says of the time to go."""

from __future__ import annotations

import json
import os
import platform
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from disent_bench.runs.folder import RunFolder, RunKey
from disent_bench.runs.result import Failure, Result, Scoring
from disent_bench.studies import supervise as supervising
from disent_bench.studies.board import Plan
from disent_bench.studies.job import Job
from disent_bench.studies.launchers import LostError, Resources
from disent_bench.studies.launchers.local import environment_of, visible_gpus
from disent_bench.studies.supervise import supervise

SCORING = Scoring("quick", 1, "key")
Ending = Callable[[Job], int | None]


def report(job: Job) -> dict[str, Any]:
    key = job.key
    identity = {"protocol": key.protocol, "dataset": key.dataset, "method": key.method, "key": key.key}
    return {**identity, "seed": key.seed, "source": "drawn", "note": "", "changes": {}, "scoring": SCORING}


def job(runs: Path, seed: int, method: str = "vae", steps: int = 10) -> Job:
    key = RunKey("quick", "toy_grid", method, "key", seed)
    folder = RunFolder(key.folder(runs))
    folder.path.mkdir(parents=True)
    return Job(f"{method}, seed {seed}", key, folder, SCORING, steps)


def done(job: Job, seconds: float = 8.0) -> int:
    training = {"steps": job.steps, "seconds": seconds}
    Result(**report(job), scores={}, errors={}, untrained={}, seconds={"mig": 2.0}, training=training).write(
        job.folder.result
    )
    return 0


def failed(job: Job, of_machine: bool) -> int:
    Failure(**report(job), reason="a reason", of_machine=of_machine).write(job.folder.failure)
    job.folder.note_failure("a reason")
    return 1


def lost(_: Job) -> int:
    raise LostError("lost with its machine")


@dataclass
class Tried:
    """A task that ends, when it is asked for the first time, in a way of its own."""

    job: Job
    end: Ending
    signals: list[int]

    def poll(self) -> int | None:
        return self.end(self.job)

    def send_signal(self, number: int) -> None:
        self.signals.append(number)


class Endings:
    """A launcher whose jobs end one after the other as they are told to."""

    def __init__(self, *ends: Ending) -> None:
        self.ends = list(ends)
        self.started: list[str] = []
        self.signals: list[int] = []

    def start(self, jobs: Sequence[Job]) -> list[Tried]:
        self.started += [job.name for job in jobs]
        return [Tried(job, self.ends.pop(0), self.signals) for job in jobs]

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(supervising, "LOOK_SECONDS", 0.001)


@pytest.mark.parametrize("end", [lambda _: -9, lost, lambda job: failed(job, True), lambda _: 3, lambda _: 130])
def test_what_the_machine_failed_is_tried_again_as_often_as_is_allowed(
    end: Ending, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = job(tmp_path, 0)
    assert supervise([one], Endings(end, end, done), 1, retries=2)[one.name].status == "done"
    assert "trying again (2 of 2)" in capsys.readouterr().err
    two = job(tmp_path, 1)
    assert supervise([two], Endings(end, end, done), 1, retries=1)[two.name].status in ("failed", "interrupted")


def test_what_a_run_failed_by_itself_is_not(tmp_path: Path) -> None:
    one = job(tmp_path, 0)
    outcome = supervise([one], Endings(lambda job: failed(job, False)), 1, retries=5)[one.name]
    assert (outcome.status, outcome.reason) == ("failed", "a reason")


def test_the_reason_of_every_try_is_kept(tmp_path: Path) -> None:
    one = job(tmp_path, 0)
    supervise([one], Endings(lambda _: -9, lost, lambda job: failed(job, True), done), 1, retries=3)
    tries = one.folder.read_tries()
    assert [each["reason"] for each in tries] == ["killed by signal 9 (Killed)", "lost with its machine", "a reason"]
    assert {each["host"] for each in tries} == {platform.node()}
    assert not one.folder.failure.exists()


def test_a_run_that_another_one_had_begun_is_waited_for(tmp_path: Path) -> None:
    one = job(tmp_path, 0)
    launcher = Endings(lambda _: 75, lambda _: 75, done)
    assert supervise([one], launcher, 1, retries=0)[one.name].status == "done"
    assert len(launcher.started) == 3


def test_what_somebody_else_has_done_meanwhile_is_skipped(tmp_path: Path) -> None:
    one, two = job(tmp_path, 0), job(tmp_path, 1)

    def also_the_other(it: Job) -> int:
        done(two)
        return done(it)

    launcher = Endings(also_the_other)
    outcomes = supervise([one, two], launcher, 1)
    assert launcher.started == [one.name]
    assert [outcomes[each.name].status for each in (one, two)] == ["done", "skipped"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 99}', '{"schema": 1}', "\x00"])
def test_a_damaged_result_costs_its_own_run(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = job(tmp_path, 0), job(tmp_path, 1)
    one.folder.result.write_text(content)
    outcomes = supervise([one, two], Endings(done), 1)
    assert [outcomes[each.name].status for each in (one, two)] == ["failed", "done"]
    assert "delete it to run again" in outcomes[one.name].reason
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith(one.name)]
    assert str(one.folder.result) in line


def test_a_signal_goes_to_all_and_starts_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [job(tmp_path, seed) for seed in range(3)]
    ends = []

    def stopped(_: Job) -> int | None:
        if not ends:
            os.kill(os.getpid(), signal.SIGTERM)
        ends.append(1)
        return None if len(ends) < 8 else 130

    launcher = Endings(stopped, stopped, stopped)
    outcomes = supervise(jobs, launcher, 2, retries=5)
    assert {outcome.status for outcome in outcomes.values()} == {"interrupted"}
    assert len(launcher.started) == 2
    assert launcher.signals == [signal.SIGTERM] * 2
    assert "trying again" not in capsys.readouterr().err


def test_workers_are_as_many_as_was_said(tmp_path: Path) -> None:
    jobs, running = [job(tmp_path, seed) for seed in range(7)], set()
    most = 0

    def after_a_while(it: Job) -> int | None:
        nonlocal most
        running.add(it.name)
        most = max(most, len(running))
        marks = it.folder.path / "marks"
        marks.write_text((marks.read_text() if marks.exists() else "") + ".")
        if len(marks.read_text()) < 4:
            return None
        running.remove(it.name)
        return done(it)

    outcomes = supervise(jobs, Endings(*[after_a_while] * 7), 3)
    assert {outcome.status for outcome in outcomes.values()} == {"done"}
    assert most == 3


def test_time_to_go_is_that_of_what_was_measured(tmp_path: Path) -> None:
    jobs = [job(tmp_path, seed) for seed in range(4)]
    longer = job(tmp_path, 0, "topdis", steps=20)
    plan = Plan([*jobs, longer], num_workers=2)
    assert plan.seconds_to_go([], jobs) is None, "nothing is known"
    assert plan.seconds_to_go([(jobs[0], 5, 1.0)], jobs[1:]) == pytest.approx((5 + 3 * 10) / 2), "by the pace of one"
    done(jobs[0], seconds=8.0)
    plan.measured(jobs[0])
    assert plan.seconds_to_go([], jobs[1:]) == pytest.approx(3 * 10 / 2), "training and scoring"
    assert plan.seconds_to_go([], [longer]) == pytest.approx(20), "another method by the seconds of a step"
    assert plan.seconds_to_go([(jobs[1], 5, 2.5)], []) == pytest.approx(2), "its own pace"
    assert plan.seconds_to_go([(jobs[1], 9, 1.0), (jobs[2], 1, 1.0)], []) == pytest.approx(9), "the last one's"
    jobs[3].folder.result.write_text(json.dumps({"schema": 2}))
    plan.measured(jobs[3])
    assert plan.seconds_to_go([], jobs[1:]) == pytest.approx(15), "what cannot be read measures nothing"


def test_workers_share_the_cores_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(6), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    shares = [environment_of(0, Resources(number)).get("OMP_NUM_THREADS") for number in (1, 2, 4, 9)]
    assert shares == [None, "3", "1", "1"]
    assert environment_of(0, Resources(2, cpus=4))["OMP_NUM_THREADS"] == "4"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert "OMP_NUM_THREADS" not in environment_of(0, Resources(2))


def test_workers_take_the_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,GPU-7")
    given = [environment_of(slot, Resources(4), visible_gpus())["CUDA_VISIBLE_DEVICES"] for slot in range(4)]
    assert given == ["3", "5", "GPU-7", "3"]
    assert "CUDA_VISIBLE_DEVICES" not in environment_of(1, Resources(2), ["0"]), "all share one"
