"""Sixty hard kills and signals over a study: every run is done once, and equals those of a calm study bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from disent_bench.cli.main import main
from disent_bench.runs.callbacks.checkpoint import read_checkpoint

KILLS = 60
STEPS = 60
NUMBERS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PLUGIN = '''
import os, time
from dataclasses import dataclass
from disent_bench import Objective, Term, register_method, register_term
from disent_bench.terms import KL, Reconstruction

@register_term("waiting")
class Waiting(Term):
    """Takes its time."""
    def forward(self, p):
        time.sleep(float(os.environ.get("SECONDS_PER_STEP", 0)))
        return p.mean.square().mean()

@register_method("waits")
@dataclass(frozen=True)
class Waits:
    """A method that takes its time."""
    def objective(self):
        return Objective(Reconstruction(), KL(), Waiting())
'''
STUDY = {
    "title": "A study that is killed",
    "protocol": "quick",
    "datasets": ["toy_grid"],
    "seeds": "0-11",
    "settings": {
        "steps": STEPS,
        "batch_size": 8,
        "log_every": 1,
        "checkpoint_every": 5,
        "evaluate_every": 0,
        "scores.scores": ["mig"],
        "scores.num_train": 200,
    },
    "plugins": ["waits.py"],
    "methods": ["waits", {"method": "waits", "settings": {"terms.waiting.weight": 2.0}}],
}


def children(process: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def disturb(command: list[str], rng: random.Random, said: Path) -> int:
    """Start the study, kill workers now and then and at last itself, and return how often something was hit."""
    hits, slow = 0, {**os.environ, "SECONDS_PER_STEP": "0.2"}
    with said.open("w") as stderr, subprocess.Popen(command, stderr=stderr, env=slow) as study:
        for turn in range(rng.randint(3, 8)):
            time.sleep(rng.uniform(5, 8) if turn == 0 else rng.uniform(0.5, 4))
            workers = children(study.pid)
            if study.poll() is not None:
                break
            victim = rng.choice(workers) if workers and rng.random() < 0.8 else study.pid
            try:
                os.kill(victim, rng.choice(NUMBERS))
                hits += 1
            except ProcessLookupError:  # it ended by itself in between
                continue
            if victim == study.pid:
                break
        else:
            study.kill()
            hits += 1
        try:
            study.wait(timeout=120)
        except subprocess.TimeoutExpired:
            study.kill()
            pytest.fail(f"it goes on: {said.read_text()}")
    assert study.returncode != 0, "all runs were done before there were kills enough"
    return hits


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_sixty_kills_lose_nothing_and_double_nothing(tmp_path: Path, data_dir: Path) -> None:
    rng, hits = random.Random(0), 0
    (tmp_path / "waits.py").write_text(PLUGIN)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    words = ["study", str(tmp_path / "study.yaml"), "--data-dir", str(data_dir), "--workers", "2", "--runs"]
    assert main([*words, str(tmp_path / "calm")]) == 0
    calm = sorted((tmp_path / "calm").glob("*/*/*/*/seed-*"))
    assert len(calm) == 24
    while hits < KILLS:
        hits += disturb([sys.executable, "-m", "disent_bench", *words, str(tmp_path / "runs")], rng, tmp_path / "said")
    deadline = time.monotonic() + 200
    while (status := main([*words, str(tmp_path / "runs")])) != 0:  # workers of the last killed study may still end
        assert time.monotonic() < deadline, status
    for undisturbed in calm:
        killed = tmp_path / "runs" / undisturbed.relative_to(tmp_path / "calm")
        results = [json.loads((folder / "result.json").read_text()) for folder in (undisturbed, killed)]
        assert results[0]["scores"] == results[1]["scores"]
        states = [read_checkpoint(folder / "last.ckpt")["state_dict"] for folder in (undisturbed, killed)]
        for key, value in states[0].items():
            assert not isinstance(value, torch.Tensor) or torch.equal(value, states[1][key]), key
        lines = [json.loads(line) for line in (killed / "metrics.jsonl").read_text().splitlines()]
        losses = [line["step"] for line in lines if "loss" in line]
        assert losses == list(range(1, STEPS + 1)), "a step is logged twice or lacks"
    assert len(list((tmp_path / "runs").glob("*/*/*/*/seed-*"))) == 24
