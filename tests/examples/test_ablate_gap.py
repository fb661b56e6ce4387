from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import disent_bench.methods  # noqa: F401 (importing registers)
from disent_bench.cli import parse_overrides
from disent_bench.config import resolve


def ablate(root: Path, *words: str | Path) -> str:
    script = root / "examples" / "ablate_gap.py"
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dry_run_prints_commands_that_the_configuration_takes(root: Path, tmp_path: Path) -> None:
    commands = ablate(root, "--dry-run", "--steps", "7", "--runs", tmp_path / "runs").splitlines()
    assert not list(tmp_path.iterdir())
    keys, varied = set(), set()
    for command in commands:
        words = command.split()
        assert words[:4] == ["disent-bench", "run", "--method", "beta_vae+gmg"]
        overrides = parse_overrides([words[words.index("--set") + 1 :]])
        keys.add(resolve("beta_vae+gmg", "dsprites", "quick", overrides=overrides).key("data"))
        varied |= {key.removeprefix("terms.gromov_monge.") for key in overrides if key.startswith("terms.")}
        assert overrides["steps"] == 7
    assert len(keys) == len(commands), "every command is another run"
    assert varied >= {"epsilon", "init", "epsilon_statistic", "scale", "pixels", "latents", "side"}


@pytest.mark.slow
def test_runs_end_in_the_leaderboard(root: Path, tmp_path: Path, data_dir: Path, monkeypatch) -> None:
    monkeypatch.setenv("DISENT_DATA", str(data_dir))
    quick = ["batch_size=8", "scores.scores=[mig]", "scores.num_train=200"]
    words = ["--only", "side", "--dataset", "toy_grid", "--steps", "3", "--runs", tmp_path, "--set", *quick]
    table = ablate(root, *words).rpartition("MIG")[2]
    assert "side=encoder" in table
    assert table.count("beta_vae+gmg") == 2
