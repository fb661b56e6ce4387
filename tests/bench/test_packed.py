"""Several steps between two hooks, and several runs in one process, change nothing in what comes out."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from disent_bench.config.resolve import resolve
from disent_bench.host import sharing
from disent_bench.runs import train
from disent_bench.runs.callbacks.checkpoint import Checkpoint, read_checkpoint
from disent_bench.runs.result import Failure, Result
from disent_bench.runs.stop import Interrupted, StopOfThread
from disent_bench.runs.train import Outcome, run
from disent_bench.runs.turns import Turns
from disent_bench.studies.launchers import Resources, packed
from disent_bench.studies.reading import read_study
from disent_bench.studies.study import run_study

Equal = Callable[[Any, Any], bool]
SETTINGS = {
    "steps": 12,
    "batch_size": 8,
    "log_every": 4,
    "checkpoint_every": 8,
    "evaluate_every": 8,
    "scores.scores": ["mig"],
    "scores.num_train": 200,
    "scores.num_test": 100,
}
METHODS: dict[str, dict[str, Any]] = {"factor_vae": {}, "topdis": {"methods.topdis.delay": 6}, "ada_gvae": {}}
"""The second draws its first latent after others have drawn."""


def trained(method: str, runs: Path, data_dir: Path, **more: Any) -> Outcome:
    config = resolve(method, "toy_grid", "quick", overrides={**SETTINGS, **more})
    return run(config, 0, runs=runs, data_dir=data_dir, say=lambda line: None)


def check_same(one: Path, other: Path, equal: Equal) -> None:
    """The same weights, states, counts, logged values and scores, bit for bit; times left out."""
    first, second = (read_checkpoint(each / "last.ckpt") for each in (one, other))
    for states in (first, second):
        states["callbacks"].pop("Throughput")
        states["callbacks"]["Evaluate"].pop("untrained")  # which nobody has taken yet if others score it
    assert equal(first, second)
    assert logged(one) == logged(other)
    results = [Result.read(each / "result.json") for each in (one, other)]
    assert results[0].scores == results[1].scores
    assert results[0].untrained == results[1].untrained


def logged(folder: Path) -> list[tuple[int, str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    values = [(line["step"], name, value) for line in lines for name, value in line.items()]
    return sorted(each for each in values if not each[1].startswith(("throughput/", "topological/barcode_ms")))


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("method", ["topdis", "ada_gvae"])
def test_steps_between_hooks_change_nothing(
    method: str, tmp_path: Path, data_dir: Path, equal: Equal, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trained(method, tmp_path / "one", data_dir)
    monkeypatch.setitem(train.STEPS_AT_ONCE, "cpu", 50)
    calls: list[int] = []
    whole = Checkpoint.on_train_batch_end
    monkeypatch.setattr(
        Checkpoint,
        "on_train_batch_end",
        lambda self, *args: (whole(self, *args), calls.append(self.batches)),  # type: ignore[func-returns-value]
    )
    several = trained(method, tmp_path / "several", data_dir)
    assert calls == [4, 8, 12]
    check_same(one.folder, several.folder, equal)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    return trained("vae", tmp_path_factory.mktemp("whole"), data_dir).folder


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.xdist_group("packed")  # one whole run for all three
@pytest.mark.parametrize(
    ("before", "after", "calls"), [(1, 50, [8, 10, 12]), (50, 1, [9, 10, 11, 12]), (50, 50, [10, 12])]
)
def test_a_run_goes_on_with_another_number_of_steps_between_hooks(
    before: int,
    after: int,
    calls: list[int],
    whole: Path,
    tmp_path: Path,
    data_dir: Path,
    equal: Equal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = Checkpoint.on_train_batch_end
    ended: list[int] = []

    def stopped(self: Checkpoint, *args: Any) -> None:
        if self.batches >= 5 and not ended:  # the step that is ending now is the last one
            self.stop.number = signal.SIGTERM
        step(self, *args)
        if ended:
            ended.append(self.batches)

    monkeypatch.setattr(Checkpoint, "on_train_batch_end", stopped)
    monkeypatch.setitem(train.STEPS_AT_ONCE, "cpu", before)
    assert trained("vae", tmp_path / "cut", data_dir, log_every=2).status == "interrupted"
    monkeypatch.setitem(train.STEPS_AT_ONCE, "cpu", after)
    ended.append(0)
    resumed = trained("vae", tmp_path / "cut", data_dir, log_every=2)
    assert resumed.status == "done"
    assert ended[1:] == calls
    assert equal(*(read_checkpoint(each / "last.ckpt")["state_dict"] for each in (resumed.folder, whole)))


def study(folder: Path, methods: list[Any], **settings: Any) -> Path:
    path = folder / "study.yaml"
    body = {"title": "Packed", "protocol": "quick", "datasets": ["toy_grid"], "settings": {**SETTINGS, **settings}}
    path.write_text(json.dumps({**body, "seeds": "0", "methods": methods}))
    return path


def run_packed(path: Path, runs: Path, data_dir: Path, workers: int) -> dict[str, Outcome]:
    resources = Resources(num_workers=workers)
    return run_study(read_study(path), runs=runs, data_dir=data_dir, resources=resources, launcher_name="packed")


def test_runs_in_one_process_equal_runs_alone(
    tmp_path: Path, data_dir: Path, equal: Equal, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    within: list[set[str]] = []
    before_waiting = Turns.before_waiting

    def seen(self: Turns) -> None:
        within.append({thread.name for thread in threading.enumerate() if thread.ident in self._turns})
        before_waiting(self)

    monkeypatch.setattr(Turns, "before_waiting", seen)
    bad = {"method": "beta_vae", "settings": {"learning_rate": 1e30}}
    methods = [bad, *({"method": method, "settings": settings} for method, settings in METHODS.items())]
    outcomes = run_packed(study(tmp_path, methods), tmp_path / "packed", data_dir, workers=2)
    assert [outcome.status for outcome in outcomes.values()] == ["failed", *["done"] * len(METHODS)]
    (failure,) = (tmp_path / "packed").glob("*/*/beta_vae/*/seed-0/failure.json")
    assert "not finite" in Failure.read(failure).reason
    assert max(map(len, within)) == 2
    said = capfd.readouterr()
    assert "scoring 200" not in said.out + said.err
    for method, settings in METHODS.items():
        (folder,) = (tmp_path / "packed").glob(f"*/*/{method}/*/seed-0")
        check_same(trained(method, tmp_path / "alone", data_dir, **settings).folder, folder, equal)
        output = (folder / "output.log").read_text()
        assert output.count("trained: ") == output.count("done: ") == 1
        assert "step 8:" in output
        assert (folder / "traversals.png").exists()


@pytest.mark.slow
def test_a_signal_saves_every_run_and_the_same_command_goes_on(tmp_path: Path, data_dir: Path, equal: Equal) -> None:
    path = study(tmp_path, ["vae", "topdis"], steps=40, log_every=2, evaluate_every=0)
    words = [sys.executable, "-m", "disent_bench", "study", str(path), "--launcher", "packed", "--workers", "2"]
    words += ["--runs", str(tmp_path / "runs"), "--data-dir", str(data_dir), "--device", "cpu"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and process.poll() is None:
            if sum('"step": 6' in each.read_text() for each in (tmp_path / "runs").rglob("metrics.jsonl")) == 2:
                process.send_signal(signal.SIGINT)
                break
            time.sleep(0.01)
        _, said = process.communicate(timeout=200)
    assert process.returncode == 130, said
    assert said.count("stopped by") == 2
    assert said.count("saved") >= 2
    folders = list((tmp_path / "runs").glob("*/*/*/*/seed-0"))
    steps = [read_checkpoint(each / "last.ckpt")["callbacks"]["Checkpoint"]["batches"] for each in folders]
    assert all(6 <= step < 40 for step in steps)
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    for folder in folders:
        method = folder.parent.parent.name
        settings = {"steps": 40, "log_every": 2, "evaluate_every": 0}
        alone = trained(method, tmp_path / "alone", data_dir, **settings).folder
        states = [read_checkpoint(each / "last.ckpt")["state_dict"] for each in (folder, alone)]
        assert equal(*states)
        assert Result.read(folder / "result.json").scores == Result.read(alone / "result.json").scores


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))  # noqa: NPY002


def on_threads(turns: Turns, *works: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    with turns.within():
        pass


def test_each_draws_its_own_random_numbers_and_none_works_beside_another() -> None:
    turns, found, order = Turns(most=3), dict[int, list[Any]](), list[int]()
    working = threading.Lock()

    def work(seed: int) -> None:
        with turns.within():
            found[seed] = []
            while len(found) < 3:
                turns.before_waiting()
            random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)  # noqa: NPY002
            for _ in range(4):
                assert working.acquire(blocking=False)
                found[seed].append(drawn())
                order.append(seed)
                working.release()
                turns.before_waiting()

    on_threads(turns, *(lambda seed=seed: work(seed) for seed in range(3)))  # type: ignore[misc]
    for seed, numbers in found.items():
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)  # noqa: NPY002
        assert numbers == [drawn() for _ in range(4)]
    assert order != sorted(order)


def test_others_work_while_one_is_aside_and_it_goes_on_as_it_was() -> None:
    gone, worked = threading.Event(), threading.Event()
    ended: list[str] = []

    def waits() -> None:
        with turns.within():
            while len(turns._turns) < 2:
                turns.before_waiting()
            torch.manual_seed(1)
            torch.set_num_threads(3)
            torch.backends.cudnn.allow_tf32 = True
            with sharing().aside():
                gone.set()
                assert worked.wait(30)
            assert float(torch.rand(())) == first
            assert torch.get_num_threads() == 3
            assert torch.backends.cudnn.allow_tf32
            ended.append("waits")

    def works() -> None:
        with turns.within():
            while not gone.is_set():
                turns.before_waiting()
            assert torch.get_num_threads() == threads
            assert not torch.backends.cudnn.allow_tf32
            torch.manual_seed(2)
            torch.rand(())
            ended.append("works")
            worked.set()

    torch.manual_seed(1)
    first, threads = float(torch.rand(())), torch.get_num_threads()
    with torch.backends.cudnn.flags(allow_tf32=False):
        turns = Turns(most=2)
        on_threads(turns, waits, works)
    assert ended == ["works", "waits"]


@pytest.mark.parametrize(("seconds", "steps_of_a_turn"), [(-1.0, 1), (float("inf"), 4)])
def test_a_long_turn_ends_with_the_step(seconds: float, steps_of_a_turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("disent_bench.runs.turns.SLICE_SECONDS", seconds)
    turns, order, both = Turns(most=2), list[str](), threading.Event()

    def work(name: str) -> None:
        with turns.within():
            while not both.is_set():
                turns.before_waiting()
                if turns._queue:
                    both.set()
            for _ in range(4):
                order.append(name)
                turns.between_steps()

    on_threads(turns, lambda: work("a"), lambda: work("b"))
    changes = [place for place in range(1, 8) if order[place] != order[place - 1]]
    assert changes == list(range(steps_of_a_turn, 8, steps_of_a_turn))


def test_one_enters_when_all_within_have_had_a_turn_and_there_is_room() -> None:
    asked: list[int] = []
    free = [False, True]
    inside, most = 0, 0

    def room(within: int) -> bool:
        asked.append(within)
        return free.pop(0) if free else True

    turns = Turns(most=2, room=room)

    def work() -> None:
        nonlocal inside, most
        with turns.within():
            inside += 1
            most = max(most, inside)
            for _ in range(100):
                time.sleep(0.001)
                turns.before_waiting()
            inside -= 1

    on_threads(turns, work, work, work)
    assert most == 2
    assert set(asked) == {1}
    assert free == []


def test_there_is_room_on_a_gpu_for_one_and_a_half_more_of_those_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 8 * 10**9)
    for free, within, room in ((3.1e9, 4, True), (2.9e9, 4, False), (11.9e9, 1, False), (12.1e9, 1, True)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (free, 10**11))
        assert packed.has_room(within) == room


def test_one_that_fails_lets_the_next_work() -> None:
    turns = Turns(most=2)
    ended: list[str] = []

    def work(name: str) -> None:
        try:
            with turns.within():
                turns.before_waiting()
                raise RuntimeError(name)
        except RuntimeError as error:
            ended.append(str(error))

    on_threads(turns, lambda: work("a"), lambda: work("b"))
    assert sorted(ended) == ["a", "b"]


def test_a_thread_is_interrupted_where_nothing_is_lost_and_else_after_the_step() -> None:
    stop, reached, ended = StopOfThread(), threading.Event(), list[str]()

    def work() -> None:
        try:
            with stop.listening():
                stop.hold()
                reached.set()
                while stop.number is None:
                    time.sleep(0.001)
                ended.append("held")
                with stop.released():
                    pytest.fail("it went on")
        except Interrupted as error:
            ended.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    reached.wait(10)
    stop.tell(signal.SIGTERM)
    thread.join(10)
    assert ended == ["held", "SIGTERM"]

    busy, told = StopOfThread(), list[str]()

    def scoring() -> None:
        try:
            with busy.listening():
                reached.set()
                for _ in range(10_000):
                    time.sleep(0.001)
        except Interrupted:
            told.append("interrupted")

    reached.clear()
    thread = threading.Thread(target=scoring)
    thread.start()
    reached.wait(10)
    busy.tell(signal.SIGTERM)
    thread.join(5)
    assert told == ["interrupted"]


def test_bad_resources_are_told_in_one_line(
    refuse: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = study(tmp_path, ["vae"])
    refuse("packed takes --workers", "study", path, "--launcher", "packed", "--cpus", "2", "--runs", tmp_path)
