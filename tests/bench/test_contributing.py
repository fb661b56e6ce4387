"""Each diff of CONTRIBUTING.md is one new file, and with it alone the new thing works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

STUDY = """
title: Bars
protocol: quick
datasets: [bars]
methods: [annealed]
seeds: 0-1
settings:
  steps: 2
  batch_size: 8
  evaluate_every: 0
  scores.scores: [mig, active_codes]
  scores.num_train: 60
  scores.num_test: 40
"""

Call = Callable[..., str]


@pytest.fixture
def call(root: Path, tmp_path: Path) -> Call:
    """Run the command line of a copy of the packages with the files of the diffs."""
    for package in ("disent_bench", "datasets", "metrics", "experiments"):
        shutil.copytree(root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "models"))
    text = (root / "CONTRIBUTING.md").read_text()
    diffs = re.findall(r"```diff\n\+\+\+ (\S+)\n(.*?)```", text, re.DOTALL)
    assert len(diffs) == text.count("```diff")
    for path, lines in diffs:
        assert not (tmp_path / path).exists()
        assert all(line.startswith("+") for line in lines.splitlines())
        (tmp_path / path).write_text("".join(line[1:] + "\n" for line in lines.splitlines()))
    path = os.pathsep.join(str(tmp_path / part) for part in ("", "datasets", "metrics"))
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("COVERAGE_PROCESS_CONFIG", None)  # the copy's files are none of the checkout's

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "disent_bench", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_each_new_thing_is_one_file(call: Call, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    assert call("where", "--data-dir", "there").strip() == "there"
    said = call("study", "study.yaml", "--launcher", "nice", "--runs", "runs")
    assert "annealed" in said
    assert call("leaderboard", "--runs", "runs", "--format", "names") == "annealed\n"
    assert "active_codes_mean" in call("leaderboard", "--runs", "runs", "--format", "csv")


def test_what_assistants_are_told_to_run_is_there(root: Path) -> None:
    text = (root / "AGENTS.md").read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    targets = set(re.findall(r"^([\w-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    for line in lines:
        words = line.split()
        assert words[0] in ("make", "disent-bench", ".venv/bin/python")
        assert words[0] != "make" or words[1] in targets
    paths = re.findall(r"[\w./-]+\.(?:py|md|yaml|toml)\b", text)
    assert {"docs/generate.py", "tests/contracts/test_golden.py"} <= set(paths)
    assert all((root / path).exists() for path in paths), paths
