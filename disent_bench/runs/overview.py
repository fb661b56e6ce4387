"""What a run's folder says of it at a glance; knows nothing of training."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from disent_bench.runs.folder import FLOORS, RunFolder, find_runs
from disent_bench.runs.lock import RunBusyError, owner
from disent_bench.runs.result import Failure
from disent_bench.text import natural, one_line

State = Literal["done", "running", "failed", "unfinished", "new", "damaged"]
STATES: tuple[State, ...] = ("done", "running", "failed", "unfinished", "new", "damaged")


@dataclass(frozen=True)
class Overview:
    """One run.

    Attributes:
        folder: of the run.
        protocol: name of the protocol.
        dataset: name of the data set.
        method: canonical name.
        key: what tells its configuration from others.
        seed: of the run, as its folder is called.
        state: ``running`` if a process works on it, ``new`` if nothing was saved yet, ``damaged`` if its configuration
            cannot be read.
        step: the last that was logged.
        steps: all of them; None if not known.
        seconds_to_go: of a running training, at its last pace; None if not known.
        changes: what the user set against the protocol.
        label: the name that the user gave to the configuration.
        failure: why the latest try failed.
        owner: which process is working on it, and on which machine.
    """

    folder: Path
    protocol: str
    dataset: str
    method: str
    key: str
    seed: str
    state: State
    step: int
    steps: int | None
    seconds_to_go: float | None
    changes: Mapping[str, Any]
    label: str
    failure: str
    owner: str


def overview(run: RunFolder) -> Overview:
    """Look at the folder of a run."""
    protocol, dataset, method, key, seed = run.path.absolute().parts[-5:]
    state: State = run.state()
    failure, content = "", {}
    try:
        content = run.read_config()
    except ValueError:
        state = "damaged"
    if state == "failed":
        failure = _reason(run)
    at_work = owner(run.path) if state in ("failed", "unfinished", "new") else None
    if at_work is not None:
        state = "running"
    steps = content.get("steps")
    steps = steps if isinstance(steps, int) else None
    step = steps if state == "done" and steps is not None else run.latest_step()
    changes = content.get("changes")
    return Overview(
        run.path,
        protocol,
        dataset,
        method,
        key,
        seed.removeprefix("seed-"),
        state,
        step,
        steps,
        _seconds_to_go(run, step, steps) if state == "running" else None,
        changes if isinstance(changes, dict) else {},
        run.read_label(),
        failure,
        str(at_work or ""),
    )


def overviews(folders: Iterable[Path], **wanted: Sequence[str]) -> list[Overview]:
    """Look at runs and at all runs below folders, sorted by path.

    Args:
        folders: of runs, or of many.
        wanted: values that an attribute may have, by its name; all if there are none.

    Raises:
        NotADirectoryError: if one is a file.
        ValueError: if no run has any of the wanted values; the message names those that there are.
    """
    found = {run.path: run for folder in folders for run in _below(folder)}
    looked = [overview(found[path]) for path in sorted(found, key=lambda path: (str(path.parent), natural(path.name)))]
    for name, values in wanted.items():
        if values and looked:
            there = sorted({getattr(each, name) for each in looked}, key=natural)
            if missing := [
                value for value in values if value not in there and not (name == "state" and value in STATES)
            ]:
                raise ValueError(f"--{name}: no run has {missing[0]!r}; there are {', '.join(there)}")
    return [each for each in looked if all(getattr(each, name) in values for name, values in wanted.items() if values)]


def remove(run: RunFolder) -> None:
    """Delete a run, and the folders above it that become empty.

    Raises:
        RunBusyError: if a process is working on it.
        OSError: if it cannot be deleted.
    """
    if run.is_busy():
        raise RunBusyError(f"another process is working on {run.path}")
    leaving = run.path.with_name(f".{run.path.name}.removed")  # a run is there whole or not at all
    shutil.rmtree(leaving, ignore_errors=True)
    run.path.rename(leaving)
    shutil.rmtree(leaving)
    for folder in (run.path.parents[place] for place in range(4)):
        names = {path.name for path in folder.iterdir()}
        if names - {run.label.name, run.tuning.name}:
            return
        run.label.unlink(missing_ok=True)
        run.tuning.unlink(missing_ok=True)
        folder.rmdir()
    runs = run.path.parents[4]
    if [path.name for path in runs.iterdir()] == [FLOORS]:
        shutil.rmtree(runs / FLOORS)


def _below(folder: Path) -> list[RunFolder]:
    if (folder / "config.yaml").exists():
        return [RunFolder(folder)]
    if not folder.exists() or not folder.is_dir():
        return find_runs(folder)
    return [RunFolder(path.parent) for path in folder.glob("**/seed-*/config.yaml")]


def _reason(run: RunFolder) -> str:
    try:
        return Failure.read(run.failure).reason
    except (OSError, ValueError) as error:
        return f"failure.json cannot be read: {one_line(error)}"


def _seconds_to_go(run: RunFolder, step: int, steps: int | None) -> float | None:
    if steps is None or not run.metrics.exists():
        return None
    paces = [line["throughput/steps_per_second"] for line in run.logged() if "throughput/steps_per_second" in line]
    return (steps - step) / paces[-1] if paces and paces[-1] > 0 else None
