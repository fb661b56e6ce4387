"""Preparation in real processes that are killed, limited, unprivileged, or two at once."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[..., subprocess.Popen[str]]

STOP_HALF_WAY = """
def pause(block):
    if block == 4:
        (folder / "half").touch()
        time.sleep(100)
load()
"""


def wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


def finish(child: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    return out.strip(), err


def stored(folder: Path) -> set[str]:
    """Names of the files that a preparation leaves, its lock aside."""
    return {path.name for path in (folder / "data" / "child").iterdir()} - {".drawn.lock"}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_preparation_starts_again(start_child: Start, tmp_path: Path, how: signal.Signals) -> None:
    child = start_child(STOP_HALF_WAY)
    wait_for(tmp_path / "half")
    child.send_signal(how)
    child.communicate()
    assert child.returncode == -how
    left = set() if how is signal.SIGINT else {".drawn.npy.tmp"}
    assert stored(tmp_path) == left

    out, err = finish(start_child("load()"))
    assert ("interrupted; starting again" in err) == bool(left)
    assert (tmp_path / "made").read_text() == "01234" + "01234567"
    assert stored(tmp_path) == {"drawn.npy", "drawn.json"}
    other = make_other_folder(tmp_path)
    assert out == finish(start_child("load()", other))[0]
    assert (other / "data/child/drawn.npy").read_bytes() == (tmp_path / "data/child/drawn.npy").read_bytes()


def make_other_folder(tmp_path: Path) -> Path:
    other = tmp_path / "other"
    other.mkdir()
    return other


def test_two_at_once_make_it_once(start_child: Start, tmp_path: Path) -> None:
    first = start_child(
        """
def pause(block):
    (folder / "started").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
load()
"""
    )
    wait_for(tmp_path / "started")
    second = start_child("load()")
    said = second.stderr.readline() if second.stderr else ""
    (tmp_path / "go").touch()
    fingerprints = {finish(child)[0] for child in (first, second)}
    assert "waiting for another process that makes child (drawn)" in said
    assert (tmp_path / "made").read_text() == "01234567"
    assert len(fingerprints) == 1
    assert stored(tmp_path) == {"drawn.npy", "drawn.json"}


def test_one_that_waits_for_a_killed_one_starts_again(start_child: Start, tmp_path: Path) -> None:
    first = start_child(STOP_HALF_WAY)
    wait_for(tmp_path / "half")
    second = start_child("load()")
    assert second.stderr
    assert "waiting" in second.stderr.readline()
    first.kill()
    first.communicate()
    out, err = finish(second)
    assert len(out) == 64
    assert "interrupted; starting again" in err
    assert (tmp_path / "made").read_text() == "01234" + "01234567"
    assert stored(tmp_path) == {"drawn.npy", "drawn.json"}


def test_no_room(start_child: Start, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: both are errors of a write half-way."""
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))"
    out, _ = finish(start_child(f"{limit}\nload()"))
    assert out.startswith("DataError: child: cannot store its images in")
    assert "no room" in out
    assert "DISENT_DATA" in out
    assert len(out.splitlines()) == 1
    assert stored(tmp_path) == set()


@pytest.fixture
def open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that every user may enter (pytest's own are private)."""
    # an unprivileged child could not save its coverage into the checkout
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


UNPRIVILEGED = """
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
load()
"""


def test_read_only_folder(start_child: Start, open_folder: Path) -> None:
    (open_folder / "made").touch()
    (open_folder / "made").chmod(0o666)
    (open_folder / "data").mkdir(mode=0o555)
    out, _ = finish(start_child(UNPRIVILEGED, open_folder))
    assert out.startswith("DataError: child: cannot store its images in")
    assert out.endswith("(Permission denied); set DISENT_DATA (or data_dir) to another folder")
    assert not any((open_folder / "data").iterdir())


def test_a_prepared_set_loads_from_a_read_only_folder(start_child: Start, open_folder: Path) -> None:
    out, _ = finish(start_child("load()", open_folder))
    (open_folder / "data" / "child").chmod(0o555)
    (open_folder / "data" / "child" / ".drawn.lock").unlink()
    assert finish(start_child(UNPRIVILEGED, open_folder)) == (out, "")


def test_an_unreadable_set_is_one_clear_line(start_child: Start, open_folder: Path) -> None:
    finish(start_child("load()", open_folder))
    for name in ("drawn.npy", "drawn.json"):
        (open_folder / "data" / "child" / name).chmod(0)
        out, _ = finish(start_child(UNPRIVILEGED, open_folder))
        assert out.startswith("DataError:")
        assert out.endswith(f"{name} cannot be read (Permission denied)")
