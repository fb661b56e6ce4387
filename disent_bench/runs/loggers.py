"""Logged values as lines of JSON."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from disent_bench.files import write_atomically


class JsonLinesLogger(Logger):
    """Appends ``{"step": ..., name: value, ...}`` to a file, one line a call.

    A run resumed from a checkpoint writes again what came after ``step``, so such lines are dropped first; and its
    final scores, if it was interrupted between writing them and its result, so a line that is there already is not
    repeated.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        super().__init__()
        self.path = path
        lines = path.read_text().splitlines() if step > 0 and path.exists() else []
        kept = [line for line in lines if (logged := _step(line)) is not None and logged <= step]
        write_atomically(path, "".join(line + "\n" for line in kept))
        self._written = {line for line in kept if _step(line) == step}

    @property
    def name(self) -> str:
        """Name of the logger, which Lightning asks for."""
        return "jsonl"

    @property
    def version(self) -> str:
        """Version of the logger, which Lightning asks for."""
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append one line."""
        line = json.dumps({"step": step, **metrics})
        if line not in self._written:
            with self.path.open("a") as file:
                file.write(line + "\n")

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml holds them."""


def _step(line: str) -> int | None:
    # A process that was killed while it wrote leaves half a line.
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return None
