"""One process at a time works on a folder, on every file system that machines share, with or without flock.

Who works on a folder is told by a file in it, ``.owner-<n>``, that is made where none was (``O_EXCL``, which one of
many wins on any file system, NFS 3 included) and holds machine, process and the process' start. Its time of change is
the heartbeat. Whoever finds the latest owner gone makes the next number, which again only one can; numbers are not used
twice, so nobody can take what another has just taken over.
"""

from __future__ import annotations

import json
import math
import os
import platform
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

OWNERS = ".owner-"
"""How the names of owner files begin."""
BEAT_SECONDS = 10.0
"""Seconds between two signs of life."""
LEASE_SECONDS = 60.0
"""Seconds without one after which an owner on another machine is gone."""
CLOCK_SECONDS = 60.0
"""Seconds after which the file system is asked for its time again."""
_clocks: dict[int, tuple[float, float]] = {}
"""By file system: its time, and this machine's running seconds when it was asked."""


class RunBusyError(RuntimeError):
    """Another process is working on this run."""


@dataclass(frozen=True)
class Owner:
    """Who made the owner file of a number.

    Attributes:
        path: the file.
        number: of the file.
        host: name of the machine.
        machine: what tells machines, their starts and containers apart.
        process: its number there.
        started: when it started, in the machine's ticks, for numbers of processes come again; 0 if not known.
        released: whether it let go.
    """

    path: Path
    number: int
    host: str = "?"
    machine: str = ""
    process: int = 0
    started: int = 0
    released: bool = False

    def is_alive(self) -> bool:
        """Whether it is still at work: on this machine by its process, on another by its heartbeat."""
        if self.released:
            return False
        if self.machine == machine():
            started = started_at(self.process)
            if started is None:
                return False
            if self.started and started:
                return self.started == started
        try:
            return _now(self.path.parent) - self.path.stat().st_mtime < LEASE_SECONDS
        except FileNotFoundError:
            return False

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}" if self.process else "an owner that is just beginning"


def owner(folder: Path) -> Owner | None:
    """Return who is working on a folder; None if nobody is."""
    latest = _latest(folder)
    return latest if latest is not None and latest.is_alive() else None


@contextmanager
def hold(folder: Path, lost: Callable[[Path], None] | None = None) -> Iterator[None]:
    """Work on a folder alone within.

    Args:
        folder: which exists.
        lost: called in a thread with the folder if another machine took it over, because this process was silent for
            longer than `LEASE_SECONDS` (suspended, say); None says so and sends SIGTERM to this process.

    Raises:
        RunBusyError: if another process is working on it.
        OSError: if nothing can be written there.
    """
    mine = _take(folder)
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(mine, done, lost or _stop_this_process), daemon=True, name="heartbeat")
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()
        with suppress(OSError), mine.open("r+", encoding="utf-8") as file:  # gone if it was taken over
            file.write(json.dumps({"released": True}))
            file.truncate()


@cache
def machine() -> str:
    """Return what tells this machine, since its start, and this container apart from all others."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return "/".join(parts)


def started_at(process: int) -> int | None:
    """Return when a process of this machine started, in ticks; None if there is none, 0 if it is not told."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass  # somebody else's
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else 0
    except OSError:
        return 0
    state, *rest = text.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state in "ZX" else int(rest[18])


def _take(folder: Path) -> Path:
    latest = _latest(folder)
    if latest is not None and latest.is_alive():
        raise RunBusyError(f"another process is working on {folder}: {latest}")
    mine = folder / f"{OWNERS}{latest.number + 1 if latest else 1:06}"
    content = {
        "host": platform.node(),
        "machine": machine(),
        "process": os.getpid(),
        "started": started_at(os.getpid()) or 0,
    }
    try:
        with mine.open("x", encoding="utf-8") as file:
            file.write(json.dumps(content))
    except FileExistsError:
        raise RunBusyError(f"another process is working on {folder}: it was faster by a moment") from None
    except OSError:
        mine.unlink(missing_ok=True)  # a full disk: half an owner would keep others out until its lease is over
        raise
    for path in folder.glob(f"{OWNERS}*"):
        if _number(path) > _number(mine):  # mine was deleted when others had had it, and this process had fallen asleep
            mine.unlink(missing_ok=True)
            raise RunBusyError(f"another process is working on {folder}: it was faster by a moment")
        if 0 < _number(path) < _number(mine):
            path.unlink(missing_ok=True)
    return mine


def _latest(folder: Path) -> Owner | None:
    number, path = max(((_number(path), path) for path in folder.glob(f"{OWNERS}*")), default=(0, folder))
    if not number:
        return None
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Owner(path, number, released=True)  # taken over just now: its successor's number is then taken
    except (OSError, ValueError):
        content = {}  # half written
    if not isinstance(content, Mapping):
        content = {}
    kinds = {"host": str, "machine": str, "process": int, "started": int, "released": bool}
    return Owner(path, number, **{n: content[n] for n, kind in kinds.items() if isinstance(content.get(n), kind)})


def _number(path: Path) -> int:
    digits = path.name.removeprefix(OWNERS)
    return int(digits) if digits.isdecimal() else 0


def _now(folder: Path) -> float:
    """Return the time by the clock of the file system, which need not be this machine's; asked for once a minute."""
    device, here = folder.stat().st_dev, time.monotonic()
    there, asked = _clocks.get(device, (0.0, -math.inf))
    if here - asked < CLOCK_SECONDS:
        return there + here - asked
    probe = folder / f".clock.{secrets.token_hex(4)}.tmp"
    try:
        probe.touch(exist_ok=False)
        now = probe.stat().st_mtime
    except OSError:  # nothing can be written there
        return time.time()
    probe.unlink(missing_ok=True)
    _clocks[device] = now, here
    return now


def _beat(mine: Path, done: threading.Event, lost: Callable[[Path], None]) -> None:
    while not done.wait(BEAT_SECONDS):
        try:
            os.utime(mine)
        except FileNotFoundError:
            if not done.is_set() and mine.parent.exists():
                lost(mine.parent)
            return
        except OSError:
            continue  # the server may come back


def _stop_this_process(folder: Path) -> None:
    print(f"another machine has taken over {folder}, for nothing was heard from this process", file=sys.stderr)
    os.kill(os.getpid(), signal.SIGTERM)
