"""Runs that are interrupted in every way lose nothing: what is stopped is a real process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from disent_bench import load_run
from disent_bench.cli.main import main
from disent_bench.config.resolve import resolve
from disent_bench.runs.callbacks.checkpoint import AtomicCheckpoint, read_checkpoint
from disent_bench.runs.stop import Interrupted, Stop
from disent_bench.runs.train import run

pytestmark = pytest.mark.xdist_group("resume")  # one whole run for all

STEPS = 24
SETTINGS = [
    f"steps={STEPS}",
    "batch_size=16",
    "log_every=1",
    "checkpoint_every=8",
    "evaluate_every=7",
    "methods.topdis.delay=3",
    "terms.kl.weight={kind: pi, target: 5, ki: -0.01, every: 10}",
    "scores.scores=[mig]",
    "scores.num_train=300",
    "scores.num_test=200",
]

SHORT = {"steps": 5, "batch_size": 8, "scores.scores": ["mig"], "scores.num_train": 200, "evaluate_every": 0}


def command(runs: Path, data_dir: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "disent_bench", "run", "--method", "topdis", "--dataset", "toy_grid"),
        *("--runs", str(runs), "--data-dir", str(data_dir), "--device", "cpu", *more, "--set", *SETTINGS),
    ]


def finish(runs: Path, data_dir: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Call the command in this process, which saves it the imports."""
    _, _, _, *words = command(runs, data_dir, *more)
    shown, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        status = main(words)
    return subprocess.CompletedProcess(words, status, shown.getvalue(), said.getvalue())


def only_run(runs: Path) -> Path:
    (folder,) = runs.glob("*/*/*/*/seed-0")
    return folder


def logged(folder: Path) -> list[dict]:
    """What the run computed: time and memory left out."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    measured = ("throughput/", "topological/barcode_ms")
    return [
        line
        for line in ({k: v for k, v in line.items() if not k.startswith(measured)} for line in lines)
        if len(line) > 1
    ]


def cut(process: subprocess.Popen, runs: Path, step: int, number: int) -> None:
    """Send a signal once the run has logged ``step``."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        found = list(runs.glob("*/*/*/*/seed-0/metrics.jsonl"))
        if found and f'"step": {step},' in found[0].read_text():
            process.send_signal(number)
            return
        time.sleep(0.01)
    raise AssertionError("the run did not get far enough")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """A run that nothing interrupted."""
    runs = tmp_path_factory.mktemp("whole")
    done = subprocess.run(command(runs, data_dir), capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return only_run(runs)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_was_cut_off_ends_like_one_that_was_not(
    number: int, whole: Path, tmp_path: Path, data_dir: Path, equal: Callable[[Any, Any], bool]
) -> None:
    with subprocess.Popen(command(tmp_path, data_dir), stderr=subprocess.PIPE, text=True) as process:
        cut(process, tmp_path, 12, number)
        _, said = process.communicate(timeout=200)
    folder = only_run(tmp_path)
    assert not (folder / "result.json").exists()
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130, said
        assert "the same command resumes" in said
    done = finish(tmp_path, data_dir)
    assert done.returncode == 0, done.stderr
    assert "resuming at step" in done.stderr
    ours, theirs = (torch.load(f / "last.ckpt", weights_only=True) for f in (folder, whole))
    assert ours["state_dict"].keys() == theirs["state_dict"].keys()
    for name, value in ours["state_dict"].items():
        other = theirs["state_dict"][name]
        assert equal(value, other), f"{name} differs"
    assert str(ours["optimizer_states"]) == str(theirs["optimizer_states"])
    assert logged(folder) == logged(whole)
    results = [json.loads((f / "result.json").read_text()) for f in (folder, whole)]
    assert results[0]["scores"] == results[1]["scores"]
    assert results[0]["untrained"] == results[1]["untrained"]
    assert results[0]["training"]["skipped_terms"] == results[1]["training"]["skipped_terms"]


def test_a_done_run_is_skipped(whole: Path, data_dir: Path) -> None:
    before = (whole / "result.json").stat().st_mtime_ns
    again = finish(whole.parents[4], data_dir)
    assert again.returncode == 0
    assert "already done" in again.stderr
    assert (whole / "result.json").stat().st_mtime_ns == before


def test_a_run_that_was_cut_off_while_it_was_scored_is_not_trained_again(
    whole: Path, tmp_path: Path, data_dir: Path
) -> None:
    assert finish(tmp_path, data_dir).returncode == 0
    folder = only_run(tmp_path)
    (folder / "result.json").unlink()
    (folder / "traversals.png").unlink()
    assert finish(tmp_path, data_dir).returncode == 0
    results = [json.loads((f / "result.json").read_text()) for f in (folder, whole)]
    assert results[0]["scores"] == results[1]["scores"]
    assert logged(folder) == logged(whole)
    assert (folder / "traversals.png").exists()


def test_a_loss_that_is_not_finite_is_recorded_as_failed(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = finish(tmp_path, data_dir, "--set", "terms.total_correlation.weight=1e38")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("1 of 1 runs failed")
    assert "not finite at step" in done.stderr
    folder = only_run(tmp_path)
    assert "not finite" in json.loads((folder / "failure.json").read_text())["reason"]
    assert not (folder / "result.json").exists()
    capsys.readouterr()
    assert main(["leaderboard", "--runs", str(tmp_path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["failed"] == [0]


def test_a_full_disk_fails_the_run_and_keeps_the_latest_checkpoint(whole: Path, tmp_path: Path, data_dir: Path) -> None:
    def small_files() -> None:
        size = (whole / "last.ckpt").stat().st_size // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    full = subprocess.run(
        command(tmp_path, data_dir), capture_output=True, text=True, check=False, preexec_fn=small_files
    )
    assert full.returncode == 1, full.stderr
    assert "File too large" in full.stderr
    assert "Traceback" not in full.stderr
    folder = only_run(tmp_path)
    assert not (folder / "last.ckpt").exists()
    assert not list(folder.glob(".last.ckpt*"))
    assert finish(tmp_path, data_dir).returncode == 0
    assert logged(folder) == logged(whole)
    assert not (folder / "failure.json").exists()


def test_two_processes_do_not_train_one_run(tmp_path: Path, data_dir: Path) -> None:
    with subprocess.Popen(command(tmp_path, data_dir), stderr=subprocess.DEVNULL) as first:
        while not list(tmp_path.glob("*/*/*/*/seed-0/metrics.jsonl")):
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)
        second = finish(tmp_path, data_dir)
        first.send_signal(signal.SIGCONT)
        assert second.returncode == 1
        assert "another process is working on" in second.stderr
        assert first.wait(200) == 0
    assert (only_run(tmp_path) / "result.json").exists()
    assert not (only_run(tmp_path) / "failure.json").exists()


def test_evaluation_does_not_change_the_training(whole: Path, tmp_path: Path, data_dir: Path) -> None:
    settings = [s for s in SETTINGS if not s.startswith(("evaluate_every", "checkpoint_every"))]
    base = command(tmp_path, data_dir)[3 : -len(SETTINGS)]
    assert main([*base, *settings, "checkpoint_every=1000", "evaluate_every=0"]) == 0
    folder = only_run(tmp_path)
    assert folder.parent.name == whole.parent.name  # the schedule is not part of the key
    ours, theirs = (torch.load(f / "last.ckpt", weights_only=True)["state_dict"] for f in (folder, whole))
    assert all(torch.equal(v, theirs[k]) for k, v in ours.items() if isinstance(v, torch.Tensor))


def test_a_damaged_checkpoint_is_named_with_the_way_out(whole: Path, tmp_path: Path, data_dir: Path) -> None:
    assert finish(tmp_path, data_dir).returncode == 0
    folder = only_run(tmp_path)
    (folder / "result.json").unlink()
    checkpoint = folder / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    left_behind = folder / ".last.ckpt.abcd.tmp"
    left_behind.write_bytes(b"half")
    os.utime(left_behind, (0, 0))
    done = finish(tmp_path, data_dir)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("last.ckpt is damaged; delete it to train from the start")
    assert not left_behind.exists()
    with pytest.raises(OSError, match=r"last\.ckpt is damaged"):
        load_run(folder)
    checkpoint.unlink()
    assert finish(tmp_path, data_dir).returncode == 0
    assert logged(folder) == logged(whole)


SLOW_SCORE = """
import os, pathlib, time
from disent_bench import register_score
from disent_metrics import Key

CALLS = pathlib.Path(os.environ["CALLS"])

@register_score("slow", title="Slow", keys={"slow": Key()}, rewards="nothing", source="a test")
def slow(codes, factors):
    with CALLS.open("a") as file:
        file.write("x")
    if CALLS.stat().st_size == int(os.environ["WAIT_AT"]):
        for _ in range(1000):  # a signal just before a long sleep would be heard after it
            time.sleep(0.1)
    return {"slow": float(abs(codes).mean())}
"""
# calls of the score: before training, at step 4, and at the end
MOMENTS = {"untrained": 1, "during": 2, "final": 3}


def scored_slowly(runs: Path, data_dir: Path, wait_at: int, *more: str) -> subprocess.Popen:
    plugin = runs / "slow_score.py"
    plugin.write_text(SLOW_SCORE)
    own = ["steps=6", "evaluate_every=4", "checkpoint_every=100", "scores.scores=[slow]", "evaluate_during=[slow]"]
    replaced = {setting.partition("=")[0] for setting in own}
    kept = [setting for setting in SETTINGS if setting.partition("=")[0] not in replaced]
    words = [*command(runs, data_dir, *more, "--plugin", str(plugin))[: -len(SETTINGS)], *kept, *own]
    environment = {**os.environ, "CALLS": str(runs / "calls"), "WAIT_AT": str(wait_at)}
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """A run with a score that takes its time, which nothing interrupted."""
    runs = tmp_path_factory.mktemp("scored")
    with scored_slowly(runs, data_dir, 0) as process:
        _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    return only_run(runs)


@pytest.mark.parametrize(
    ("moment", "number"), [("untrained", signal.SIGTERM), ("during", signal.SIGINT), ("final", signal.SIGTERM)]
)
def test_a_signal_while_scores_are_computed_is_obeyed_at_once(
    moment: str, number: int, scored: Path, tmp_path: Path, data_dir: Path
) -> None:
    with scored_slowly(tmp_path, data_dir, MOMENTS[moment], "--seeds", "0-1") as process:
        calls, deadline = tmp_path / "calls", time.monotonic() + 200
        while not calls.exists() or calls.stat().st_size < MOMENTS[moment]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "interrupted; the same command resumes from the last step"
    assert "Traceback" not in said
    assert "seed 1" not in said, "the series goes on"
    folder = only_run(tmp_path)
    assert not (folder / "result.json").exists()
    assert not (folder / "failure.json").exists()
    with scored_slowly(tmp_path, data_dir, 0) as process:
        _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    if moment != "untrained":
        assert "resuming at step" in said
    assert logged(folder) == logged(scored)
    results = [json.loads((f / "result.json").read_text()) for f in (folder, scored)]
    assert results[0]["scores"] == results[1]["scores"]
    assert results[0]["untrained"] == results[1]["untrained"]


def test_a_signal_that_was_swallowed_ends_the_next_run_and_no_other() -> None:
    with Stop().listening():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        except Interrupted:
            pass  # what a library does that catches everything
    with pytest.raises(Interrupted, match="SIGTERM"), Stop().listening():
        pytest.fail("it went on")
    with Stop().listening():
        pass


@pytest.mark.parametrize("last", [1, 3])
def test_a_signal_while_a_step_is_saved_stops_after_the_next_step(
    last: int, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning's own handler ended the training there, and the run counted as failed."""
    save = AtomicCheckpoint.save_checkpoint
    config = resolve("vae", "toy_grid", "quick", overrides={**SHORT, "checkpoint_every": last})

    def interrupted(self: AtomicCheckpoint, *args: Any, **kwargs: Any) -> None:
        save(self, *args, **kwargs)
        if signal.getsignal(signal.SIGTERM) not in handlers:
            os.kill(os.getpid(), signal.SIGTERM)

    handlers = [signal.getsignal(signal.SIGTERM)]
    monkeypatch.setattr(AtomicCheckpoint, "save_checkpoint", interrupted)
    outcome = run(config, 0, runs=tmp_path, data_dir=data_dir, say=lambda line: None)
    assert (outcome.status, outcome.reason) == ("interrupted", f"SIGTERM at step {last + 1}")
    assert read_checkpoint(outcome.folder / "last.ckpt")["callbacks"]["Checkpoint"]["batches"] == last + 1
    assert [signal.getsignal(signal.SIGTERM)] == handlers
    monkeypatch.setattr(AtomicCheckpoint, "save_checkpoint", save)
    assert run(config, 0, runs=tmp_path, data_dir=data_dir, say=lambda line: None).status == "done"
