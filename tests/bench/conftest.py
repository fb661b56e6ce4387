"""What several test files of the command line share."""

from __future__ import annotations

import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from disent_bench.cli.main import main

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
