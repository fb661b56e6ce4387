"""A run is a folder, its result one file, written last."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from platform import node
from typing import Any, Literal

import yaml

from disent_bench.files import write_atomically
from disent_bench.runs.lock import OWNERS, hold, owner
from disent_bench.runs.result import Result, Scoring
from disent_bench.text import natural, one_line

LOG_TAIL = 65_536
"""Bytes at the end of a log that hold its last line."""
FLOORS = ".untrained"
"""Where a folder of runs keeps scores of untrained networks."""
LEFT_BEHIND_SECONDS = 60
"""Age from which a temporary file is no longer somebody's who is still writing it."""


@dataclass(frozen=True)
class RunKey:
    """What tells runs apart; also the path of the run's folder."""

    protocol: str
    dataset: str
    method: str
    key: str
    seed: int

    def folder(self, runs: Path) -> Path:
        """Return ``runs/<protocol>/<dataset>/<method>/<key>/seed-<n>``."""
        return runs / self.protocol / self.dataset / self.method / self.key / f"seed-{self.seed}"

    def __str__(self) -> str:
        return f"{self.method} on {self.dataset}, {self.protocol}, seed {self.seed}"


@dataclass(frozen=True)
class RunFolder:
    """Files of one run: config.yaml, last.ckpt, metrics.jsonl, pictures, TensorBoard events, result.json;
    scores/ if it was scored again in another way; output.log if it was part of a study.

    ``config.yaml`` is all that is needed to run, resume or load it. ``result.json`` exists if and only if the run is
    done; ``failure.json`` says why the latest try ended otherwise.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration, seed and data included."""
        return self.path / "config.yaml"

    @property
    def result(self) -> Path:
        """The result, written last."""
        return self.path / "result.json"

    @property
    def failure(self) -> Path:
        """The reason why the latest try failed."""
        return self.path / "failure.json"

    @property
    def checkpoint(self) -> Path:
        """The state to resume from."""
        return self.path / "last.ckpt"

    @property
    def metrics(self) -> Path:
        """Logged values, one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's events."""
        return self.path / "tensorboard"

    @property
    def output(self) -> Path:
        """What the tries of a run wrote that was a process of its own, one after the other."""
        return self.path / "output.log"

    @property
    def tries(self) -> Path:
        """Why each try failed that did, one JSON object a line."""
        return self.path / "tries.jsonl"

    def note_failure(self, reason: str) -> None:
        """Add a try to those that failed.

        Raises:
            OSError: if it cannot be written.
        """
        line = {"finished": datetime.now(UTC).isoformat(timespec="seconds"), "host": node(), "reason": reason}
        with self.tries.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def read_tries(self) -> list[dict[str, Any]]:
        """Return ``{finished, host, reason}`` of each try that failed, without lines that cannot be read."""
        return [line for line in _lines(self.tries) if "reason" in line] if self.tries.exists() else []

    @property
    def label(self) -> Path:
        """The name that the user gave to this configuration, for all seeds."""
        return self.path.parent / "label.txt"

    def read_label(self) -> str:
        """Return the name that the user gave to this configuration; empty if none."""
        try:
            return one_line(self.label.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return ""

    @property
    def tuning(self) -> Path:
        """How this configuration was tried by a study that chose settings, for all seeds."""
        return self.path.parent / "tuning.json"

    def read_tuning(self) -> dict[str, Any]:
        """Return ``{rule, settings, trials, seeds, chosen}`` of a configuration that was tried; empty if it was not.

        Raises:
            ValueError: if it cannot be read, for then tables could not leave its trials out.
        """
        if not self.tuning.exists():
            return {}
        content = json.loads(self.tuning.read_text(encoding="utf-8"))
        kinds = {"rule": str, "settings": int, "trials": int, "seeds": list, "chosen": bool}
        if not isinstance(content, dict) or not all(
            isinstance(content.get(name), kind) for name, kind in kinds.items()
        ):
            raise ValueError(f"{self.tuning} does not say how its settings were chosen; delete it")
        return {name: content[name] for name in kinds}

    def is_busy(self) -> bool:
        """Whether a process is working on the run, here or on another machine."""
        return owner(self.path) is not None

    def scores(self, scoring: Scoring) -> Path:
        """Return where the result under a scoring other than the run's first stands."""
        return self.path / "scores" / f"{scoring.protocol}-{scoring.key}.json"

    def state(self) -> Literal["done", "failed", "unfinished", "new"]:
        """Return how far the run is."""
        if self.result.exists():
            return "done"
        if self.failure.exists():
            return "failed"
        return "unfinished" if self.checkpoint.exists() else "new"

    def latest_step(self) -> int:
        """Return the last step that was logged; 0 if none was, or the log cannot be read."""
        try:
            with self.metrics.open("rb") as file:
                file.seek(max(0, self.metrics.stat().st_size - LOG_TAIL))
                lines = file.read().splitlines()
        except OSError:
            return 0
        for line in reversed(lines):
            try:
                return int(json.loads(line)["step"])
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # half a line: the process was killed while it wrote
        return 0

    def logged(self) -> list[dict[str, Any]]:
        """Return all that was logged, a dictionary a line; without the half line of a process that was killed.

        Raises:
            OSError: if there is no log.
        """
        return [line for line in _lines(self.metrics) if "step" in line]

    def curves(self) -> dict[str, dict[int, float]]:
        """Return the finite numbers that were logged, by name and step; none if there is no log."""
        found: dict[str, dict[int, float]] = {}
        for line in self.logged() if self.metrics.exists() else []:
            for name, value in line.items():
                if name != "step" and isinstance(value, int | float) and math.isfinite(value):
                    found.setdefault(name, {})[line["step"]] = value
        return found

    def is_scored(self, scoring: Scoring) -> bool:
        """Whether the run is done and was scored in this way.

        Raises:
            ValueError: if its result cannot be read.
        """
        if not self.result.exists():
            return False
        if self.scores(scoring).exists():
            return True
        try:
            return Result.read(self.result).scoring.key == scoring.key
        except ValueError as error:
            raise ValueError(f"{self.result}: {error}; delete it to run again") from None

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write the resolved configuration, if it is not there."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.config.exists():
            write_atomically(self.config, yaml.safe_dump(dict(config), sort_keys=False))

    def read_config(self) -> dict[str, Any]:
        """Read what `write_config` wrote.

        Raises:
            ValueError: if this is no folder of a run; the message names it.
        """
        try:
            content = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise ValueError(f"{self.path} is not the folder of a run: {error}") from None
        if not isinstance(content, dict):
            raise ValueError(f"{self.config} is not the configuration of a run")
        return content

    def clear(self) -> None:
        """Delete all but the configuration, the result first: what is left of a run that is cut off here is not done.

        Raises:
            RunBusyError: if another process is working on the run.
        """
        with self.lock():
            self.result.unlink(missing_ok=True)
            for path in self.path.iterdir():
                if path.name != self.config.name and not path.name.startswith(OWNERS):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process, until it ends or lets go; what one that is gone had begun is swept.

        Raises:
            RunBusyError: if another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with hold(self.path):
            for begun in self.path.rglob(".*.tmp"):
                with suppress(FileNotFoundError):
                    if time.time() - begun.stat().st_mtime > LEFT_BEHIND_SECONDS:
                        begun.unlink()
            yield


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file, one a line, without what is none."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict):
            found.append(values)
    return found


def find_runs(runs: Path) -> list[RunFolder]:
    """Return the folders of all runs below ``runs``, sorted by path, seeds by number.

    Raises:
        NotADirectoryError: if ``runs`` is a file.
    """
    if runs.exists() and not runs.is_dir():
        raise NotADirectoryError(f"{runs} is a file, not the folder of runs")
    return sorted(
        (RunFolder(path.parent) for path in runs.glob("*/*/*/*/seed-*/config.yaml")),
        key=lambda run: (str(run.path.parent), natural(run.path.name)),
    )
