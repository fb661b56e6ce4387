"""Show how far all runs are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE
from disent_bench.cli.parser import shared

HELP = "show how far all runs are"
DESCRIPTION = "Show every run below a folder: done, unfinished (and at which step) or failed (and why)."


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    shared(parser, "--runs")


def main(given: Namespace) -> int:
    """Print how far all runs are."""
    print(status_table(given.runs))
    return DONE


def status_table(runs: Path) -> str:
    """Return one line per run below ``runs``: state, steps done of all, path; for a failed run the reason."""
    from disent_bench.runs.folder import find_runs

    found = find_runs(runs)
    if not found:
        return f"no runs in {runs}; start one with: make bench METHOD=topdis"
    lines = []
    for run in found:
        state = run.state()
        steps = run.read_config()["steps"]
        done = steps if state == "done" else _latest_step(run)
        lines.append(f"{state:<10} {done:>7}/{steps:<7} {run.path.relative_to(runs)}{_reason(run, state)}")
    return "\n".join(lines)


def _latest_step(run: Any) -> int:
    lines = run.metrics.read_text().splitlines() if run.metrics.exists() else []
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except (ValueError, KeyError):
            continue  # half a line: the process was killed while it wrote
    return 0


def _reason(run: Any, state: str) -> str:
    return f"  ({json.loads(run.failure.read_text())['reason']})" if state == "failed" else ""
