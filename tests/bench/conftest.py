"""What several test files of the command line share."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import disent_datasets
import numpy as np
import pytest
import torch

import disent_bench as db
from disent_bench.cli.main import main
from disent_bench.registry import METHODS, NETWORKS, TERMS
from disent_bench.runs.callbacks.pictures import Pictures
from disent_bench.runs.folder import find_runs
from disent_bench.runs.result import Failure, Result

LONGEST = 400


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """The contents of the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (archive,) = folder.glob("*.whl")
    assert archive.stat().st_size < 1_000_000
    zipfile.ZipFile(archive).extractall(folder / "installed")
    return folder / "installed"


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of this process draw none, which is what a short one takes longest for."""
    monkeypatch.setattr(Pictures, "finish", lambda self, module, loggers: None)


@pytest.fixture(scope="session")
def equal() -> Callable[[Any, Any], bool]:
    """Whether two states are the same bit for bit, tensors inside them too."""

    def compare(one: Any, other: Any) -> bool:
        if isinstance(one, dict):
            return one.keys() == other.keys() and all(compare(value, other[key]) for key, value in one.items())
        if isinstance(one, list | tuple):
            return len(one) == len(other) and all(map(compare, one, other))
        return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other

    return compare


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Call the command line with bad input: one short line on stderr that names what is wrong, exit 2, nothing done."""

    def call(named: str, *words: object) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message=".*[Pp]ickle.*")
            status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert status == 2, err
        assert err.startswith("disent-bench: ")
        assert len(err.splitlines()) == 1
        assert len(err) < LONGEST
        assert err.rstrip("\n").isprintable()
        assert named in err
        assert out == ""
        assert not list(Path().glob("runs*/**/last.ckpt"))

    return call


@pytest.fixture(scope="session")
def small_settings() -> dict[str, Any]:
    """Of runs that take seconds and have scores that look at codes, intervene, and decode."""
    return {
        "steps": 3,
        "batch_size": 8,
        "log_every": 1,
        "scores.scores": ["mig", "factor_vae", "reconstruction"],
        "scores.num_train": 200,
        "scores.factor_vae.num_train": 20,
        "scores.factor_vae.num_eval": 20,
        "scores.factor_vae.num_variance": 50,
    }


@pytest.fixture(scope="session")
def forget_plugins() -> Callable[[pytest.MonkeyPatch], None]:
    """Leave the registries, at the end of a patch, as they are now."""

    def forget(patch: pytest.MonkeyPatch) -> None:
        for registry in (METHODS, NETWORKS, TERMS):
            patch.setattr(registry, "_entries", {entry.name: entry for entry in registry.entries()})

    return forget


@pytest.fixture
def forgetting(monkeypatch: pytest.MonkeyPatch, forget_plugins: Callable[[pytest.MonkeyPatch], None]) -> None:
    """What plug-ins register in a test is forgotten after it."""
    forget_plugins(monkeypatch)


@pytest.fixture(scope="session")
def mixed_runs(
    tmp_path_factory: pytest.TempPathFactory,
    data_dir: Path,
    root: Path,
    small_settings: dict[str, Any],
    forget_plugins: Callable[[pytest.MonkeyPatch], None],
) -> Path:
    """Two seeds of a method, one of a plug-in's, and one that failed; only to be read."""
    runs = tmp_path_factory.mktemp("mixed") / "runs"
    plugin = root / "examples" / "my_method.py"
    with pytest.MonkeyPatch.context() as patch:
        forget_plugins(patch)
        db.run("vae", "toy_grid", seeds="0-1", set=small_settings, runs=runs, data_dir=data_dir)
        db.run("my_method", "toy_grid", set=small_settings, runs=runs, data_dir=data_dir, plugins=[plugin])
    first = next(run for run in find_runs(runs) if "/vae/" in str(run.path))
    failed = first.path.with_name("seed-2")
    failed.mkdir()
    (failed / "config.yaml").write_text(first.config.read_text().replace("seed: 0", "seed: 2"))
    told = Result.read(first.result)
    identity = ("quick", "toy_grid", told.source, "vae", told.key, 2, told.note, told.changes, told.scoring)
    failure = Failure(*identity, reason="loss not finite", traceback="/home/me", config=told.config)
    failure.write(failed / "failure.json")
    return runs


@pytest.fixture(scope="session")
def submitted(
    mixed_runs: Path,
    tmp_path_factory: pytest.TempPathFactory,
    data_dir: Path,
    forget_plugins: Callable[[pytest.MonkeyPatch], None],
) -> Path:
    """What `submit` makes of them; only to be read."""
    output = tmp_path_factory.mktemp("submitted") / "experiments"
    with pytest.MonkeyPatch.context() as patch:
        forget_plugins(patch)
        words = ["submit", mixed_runs, "--suite", "2030-01", "--output", output, "--data-dir", data_dir]
        assert main([str(word) for word in words]) == 0
    return output


@pytest.fixture
def submission(submitted: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(submitted, tmp_path / "experiments"))


@pytest.fixture(scope="session")
def toy_images(data_dir: Path) -> torch.Tensor:
    """A few images of the toy grid, as models take them."""
    grid = disent_datasets.load("toy_grid", data_dir=data_dir)
    return torch.from_numpy(grid.images(np.arange(4))).permute(0, 3, 1, 2).float() / grid.scale
