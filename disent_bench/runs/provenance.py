"""Where a result comes from: software, hardware and time."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def provenance(device: torch.device, *, wall_seconds: float, device_seconds: float) -> dict[str, Any]:
    """Return what a result says about its origin.

    Args:
        device: on which it was trained or scored.
        wall_seconds: from the start of the process's work on this run to its result.
        device_seconds: of training and scoring, earlier tries that were resumed included.
    """
    commit = git_state()
    return {
        "disent_bench": version("disent-bench"),
        "commit": commit[0],
        "uncommitted_changes": commit[1],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning": version("lightning"),
        "platform": platform.platform(terse=True),
        "processor": processor_name(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "device": device.type,
        "threads": torch.get_num_threads(),
        "wall_seconds": round(wall_seconds, 2),
        "device_seconds": round(device_seconds, 2),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@cache
def git_state() -> tuple[str | None, bool | None]:
    """Return the commit of the checkout that this package runs from and whether files were changed since, or Nones."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None, None
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=10
            ).stdout
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit.strip(), bool(changes.strip())


@cache
def processor_name() -> str:
    """Return the processor's model by name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
