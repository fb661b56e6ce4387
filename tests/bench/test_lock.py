"""A lock is held by one process at a time, on one machine and on many."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from disent_bench.runs import lock
from disent_bench.runs.lock import RunBusyError, hold, owner

HOLD = """
import sys, time
from pathlib import Path
from disent_bench.runs.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(120)
"""
COUNT = """
import sys, time
from pathlib import Path
from disent_bench.runs import lock
folder = Path(sys.argv[1])
if sys.argv[2] == "another machine":
    lock.machine = lambda name=f"machine of {sys.argv[3]}": name
done = 0
while done < 25:
    try:
        with lock.hold(folder):
            number = int((folder / "number").read_text())
            (folder / "number").write_text(str(number + 1))
            done += 1
    except lock.RunBusyError:
        time.sleep(.001)
"""


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make this process believe that it runs on a machine of this name."""

    def move(name: str) -> None:
        monkeypatch.setattr(lock, "machine", lambda: name)

    return move


def old(folder: Path, seconds: float) -> None:
    (path,) = folder.glob(f"{lock.OWNERS}*")
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_one_holds_it_at_a_time(tmp_path: Path) -> None:
    with hold(tmp_path):
        found = owner(tmp_path)
        assert found is not None
        assert (found.process, found.host) == (os.getpid(), os.uname().nodename)
        with pytest.raises(RunBusyError, match=f"another process is working on .*: process {os.getpid()} on"):
            hold(tmp_path).__enter__()
    assert owner(tmp_path) is None
    with hold(tmp_path):
        assert len([*tmp_path.iterdir()]) == 1, "owners that are gone leave nothing behind"


def test_a_killed_owner_on_this_machine_is_gone_at_once(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert owner(tmp_path) is not None
        old(tmp_path, 10_000)
        assert owner(tmp_path) is not None, "silent, but alive"
        process.send_signal(signal.SIGSTOP)
        assert owner(tmp_path) is not None, "suspended"
        process.kill()
        while owner(tmp_path) is not None:  # also as a zombie, for nobody has waited for it
            time.sleep(0.01)
    with hold(tmp_path):
        pass


def test_a_process_that_got_the_number_of_a_dead_owner_is_none(tmp_path: Path) -> None:
    with hold(tmp_path):
        (path,) = tmp_path.iterdir()
        content = json.loads(path.read_text())
    path.write_text(json.dumps(content))
    assert owner(tmp_path) is not None
    path.write_text(json.dumps({**content, "started": content["started"] - 1}))
    assert owner(tmp_path) is None


def test_a_silent_owner_on_another_machine_is_gone_after_its_lease(
    tmp_path: Path, elsewhere: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.05)
    lost = threading.Event()
    with hold(tmp_path, lambda folder: lost.set()):
        elsewhere("another")
        old(tmp_path, lock.LEASE_SECONDS - 5)
        assert owner(tmp_path) is not None
        old(tmp_path, lock.LEASE_SECONDS + 5)
        time.sleep(0.5)
        assert owner(tmp_path) is not None, "its heart beats"
        assert not lost.is_set()
        monkeypatch.setattr(lock, "LEASE_SECONDS", -10.0)  # nobody's heart beats so fast
        with hold(tmp_path):
            assert lost.wait(10), "who was taken for dead is told"
            monkeypatch.undo()
            found = owner(tmp_path)
            assert found is not None
            assert found.machine == "another"


def test_who_was_taken_for_dead_is_stopped_when_it_wakes(tmp_path: Path, elsewhere: Callable[[str], None]) -> None:
    beat = HOLD.replace("with hold", "import disent_bench.runs.lock as lock\nlock.BEAT_SECONDS = .1\nwith hold")
    with subprocess.Popen([sys.executable, "-c", beat, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as it:
        assert it.stdout is not None
        it.stdout.readline()
        it.send_signal(signal.SIGSTOP)
        elsewhere("another")
        old(tmp_path, lock.LEASE_SECONDS + 5)
        with hold(tmp_path):
            it.send_signal(signal.SIGCONT)
            _, said = it.communicate(timeout=60)
            assert it.returncode == -signal.SIGTERM
            assert b"another machine has taken over" in said
            assert owner(tmp_path) is not None


def test_a_clock_that_goes_wrong_takes_nothing_over(
    tmp_path: Path, elsewhere: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold(tmp_path):
        elsewhere("another")
        for age in (0, 1):  # whether the file system was asked for its time just now or a while ago
            monkeypatch.setattr(lock, "CLOCK_SECONDS", 60.0 * age)
            monkeypatch.setattr(time, "time", lambda: 4e9)
            assert owner(tmp_path) is not None
            old(tmp_path, time.time() - tmp_path.stat().st_mtime + lock.LEASE_SECONDS + 5)
            assert owner(tmp_path) is None
            os.utime(next(tmp_path.glob(f"{lock.OWNERS}*")))


@pytest.mark.parametrize("content", ["", "{", "null", "[1]", '{"process": "x"}', "\x00\xff"])
def test_half_an_owner_file_counts_as_an_owner_who_is_just_beginning(tmp_path: Path, content: str) -> None:
    (tmp_path / f"{lock.OWNERS}000007").write_text(content)
    with pytest.raises(RunBusyError, match="an owner that is just beginning"):
        hold(tmp_path).__enter__()
    old(tmp_path, lock.LEASE_SECONDS + 5)
    with hold(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [f"{lock.OWNERS}000008"]


def test_a_full_disk_leaves_no_half_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lock.json, "dumps", full)
        with pytest.raises(OSError, match="No space left"):
            hold(tmp_path).__enter__()
    assert not [*tmp_path.iterdir()]
    with hold(tmp_path):
        pass


def test_what_is_no_owner_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / f"{lock.OWNERS}of-something").touch()
    with hold(tmp_path):
        pass
    assert (tmp_path / f"{lock.OWNERS}of-something").exists()


@pytest.mark.parametrize("where", ["this machine", "another machine"])
def test_many_at_once_lose_no_count(tmp_path: Path, where: str) -> None:
    (tmp_path / "number").write_text("0")
    command = [sys.executable, "-c", COUNT, tmp_path, where]
    counting = [subprocess.Popen([*command, str(number)]) for number in range(4)]
    assert [process.wait(timeout=200) for process in counting] == [0] * 4
    assert (tmp_path / "number").read_text() == "100"
