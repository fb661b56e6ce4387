"""What is built for others to install."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
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


def test_it_holds_three_typed_packages_and_the_protocols(wheel: Path, root: Path) -> None:
    packages = {"disent_bench": "", "disent_datasets": "datasets", "disent_metrics": "metrics"}
    assert {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")} == set(packages)
    for package, source in packages.items():
        assert (wheel / package / "py.typed").is_file()
        expected = {path.relative_to(root / source) for path in (root / source / package).rglob("*.py")}
        assert {path.relative_to(wheel) for path in (wheel / package).rglob("*.py")} == expected
    protocols = {path.name for path in (root / "experiments" / "protocols").glob("*.yaml")}
    assert {path.name for path in (wheel / "disent_bench" / "experiments" / "protocols").iterdir()} == protocols


def test_it_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    command = [sys.executable, "-m", "disent_bench", "list", "protocols"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "locatello2019" in done.stdout


def test_versions_of_python_that_are_named_are_the_supported_ones(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: 3."
    named = [int(c.removeprefix(prefix)) for c in project["classifiers"] if c.startswith(prefix)]
    assert f">=3.{min(named)}" == project["requires-python"]
