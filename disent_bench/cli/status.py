"""How far all runs are."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from disent_bench.runs.folder import RunFolder, find_runs


def status_table(runs: Path) -> str:
    """Return one line per run below ``runs``: state, steps done of all, path; for a failed run the reason."""
    found = find_runs(runs)
    if not found:
        return f"no runs in {runs}; start one with: make bench METHOD=topdis"
    lines = []
    for run in found:
        state = run.state()
        steps = yaml.safe_load((run.path / "config.yaml").read_text())["steps"]
        done = steps if state == "done" else _latest_step(run)
        lines.append(f"{state:<10} {done:>7}/{steps:<7} {run.path.relative_to(runs)}{_reason(run, state)}")
    return "\n".join(lines)


def _latest_step(run: RunFolder) -> int:
    lines = run.metrics.read_text().splitlines() if run.metrics.exists() else []
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except (ValueError, KeyError):
            continue  # half a line: the process was killed while it wrote
    return 0


def _reason(run: RunFolder, state: str) -> str:
    return f"  ({json.loads(run.failure.read_text())['reason']})" if state == "failed" else ""
