"""Every command of the README is run here, with a few steps on a small data set."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines() if line]
QUICK = "steps=2 batch_size=8 scores.scores=[mig] scores.num_train=200 scores.num_test=100"


def call(words: list[str], cwd: Path, data_dir: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "DISENT_DATA": str(data_dir), "PATH": path}
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_the_readme_starts_with_the_main_command() -> None:
    assert COMMANDS[0] == "make bench METHOD=topdis"
    assert "make test" in COMMANDS


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_make_commands(command: str, root: Path, tmp_path: Path, data_dir: Path) -> None:
    words = shlex.split(command)
    if words[1] != "bench":
        assert call([*words, "--dry-run"], root, data_dir).returncode == 0
        return
    settings = " ".join([QUICK, *(w.removeprefix("SET=") for w in words if w.startswith("SET="))])
    done = call([*words, "DATASET=toy_grid", f"RUNS={tmp_path}", f"SET={settings}"], root, data_dir)
    assert done.returncode == 0, done.stderr
    method = next(w.removeprefix("METHOD=") for w in words if w.startswith("METHOD="))
    assert method.split("+")[0] in done.stdout
    assert "(untrained)" in done.stdout
    assert "Not comparable with any paper" in done.stdout


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("disent-bench")])
def test_other_commands(command: str, root: Path, tmp_path: Path, data_dir: Path) -> None:
    factors = np.random.default_rng(0).integers((3, 4), size=(600, 2))
    np.save(tmp_path / "factors.npy", factors)
    np.save(tmp_path / "codes.npy", factors + 0.5)
    command = command.replace("dsprites", "toy_grid").replace("0-4", "0").replace("examples/", f"{root}/examples/")
    words = shlex.split(command)
    if words[1] == "run":
        words += ["--set", *QUICK.split()]
    done = call(words, tmp_path, data_dir)
    assert done.returncode == 0, done.stderr
    assert done.stdout or words[1] == "run"


def test_what_python_does(tmp_path: Path, data_dir: Path) -> None:
    (block,) = [each for each in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "db.run" in each]
    few = '{"steps": 2, "batch_size": 8, "scores.scores": ["mig"], "scores.num_train": 200, "scores.num_test": 100}'
    block = "import matplotlib; matplotlib.use('agg')\n" + block.replace('{"steps": 200}', few)
    block = re.sub(r"^db\.score.*$", lambda line: f"print({line[0].partition('#')[0]})", block, flags=re.MULTILINE)
    done = call([sys.executable, "-c", block + "\nprint(db.leaderboard('runs'))"], tmp_path, data_dir)
    assert done.returncode == 0, done.stderr
    assert "dci_disentanglement" in done.stdout
    assert "beta_vae" in done.stdout


def test_the_examples_shown_are_the_files(root: Path) -> None:
    door = (root / "docs" / "doors" / "method.md").read_text()
    for name, page in (("my_method.py", README), ("my_module.py", door)):
        source = (root / "examples" / name).read_text()
        assert source.strip() in page
    assert len((root / "examples/my_method.py").read_text().splitlines()) <= 30


def test_links_lead_somewhere(root: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (root / target).exists(), target
