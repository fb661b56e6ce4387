"""A run as a process of its own, on the machine where it is started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from disent_bench.runs.stop import PARENT


def begin(words: Sequence[str], output: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start ``disent-bench`` with these words; what it writes is added to a file. It ends with the process that calls.

    Args:
        words: its arguments.
        output: the file.
        environment: what it gets beside the environment of this process.
    """
    with output.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "disent_bench", *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment, PARENT: str(os.getpid())},
            process_group=0,  # Ctrl-C reaches this process alone, which passes it on
        )
