"""The Dockerfile's own commands, in a folder and an environment of their own: no container engine is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


def instructions(text: str) -> Iterator[tuple[str, str]]:
    for line in text.replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            yield name, rest.strip()


@pytest.mark.slow
def test_the_commands_of_the_dockerfile_make_a_command_line_that_runs(root: Path, tmp_path: Path) -> None:
    prefix, folder = tmp_path / "prefix", tmp_path
    subprocess.run([sys.executable, "-m", "venv", prefix], check=True)
    kept = ("PATH", "HOME", "PIP_", "SSL_")
    environment = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    environment["PATH"] = f"{prefix / 'bin'}{os.pathsep}{environment['PATH']}"
    entry = []
    for name, rest in instructions((root / "Dockerfile").read_text()):
        if name == "FROM":
            assert re.fullmatch(r"python:3\.1[1-4]-slim-\w+", rest)
        elif name == "ARG":
            environment[rest.partition("=")[0]] = ""  # pip's own indices, whatever they are here
        elif name == "WORKDIR":
            folder = tmp_path / rest.lstrip("/")
            folder.mkdir(parents=True)
        elif name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                there = folder / target / source if target.endswith("/") else folder / target
                there.parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if (root / source).is_dir() else shutil.copy
                copy(root / source, there)
        elif name == "ENV":
            values = dict(word.split("=", 1) for word in rest.split())
            environment |= {key: value.replace("/bench", str(folder)) for key, value in values.items()}
        elif name == "RUN":
            subprocess.run(["sh", "-ec", rest], cwd=folder, env=environment, check=True, timeout=900)
        elif name == "ENTRYPOINT":
            entry = re.findall(r'"([^"]*)"', rest)
        else:
            assert name == "CMD", f"{name} is not tried"
    assert [path.name for path in folder.iterdir()] == [], "the image holds no sources"

    def call(*words: str) -> str:
        done = subprocess.run(
            [*entry, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert entry == ["disent-bench"]
    assert "topdis" in call("list", "methods")
    few = ["steps=2", "batch_size=8", "evaluate_every=0", "scores.scores=[mig]", "scores.num_train=100"]
    call("run", "--method", "vae", "--dataset", "toy_grid", "--set", *few)
    assert "vae" in call("leaderboard")
    assert (folder / "data").is_dir()
