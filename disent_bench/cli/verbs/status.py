"""Show how far all runs are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE
from disent_bench.cli.parser import shared
from disent_bench.text import one_line

if TYPE_CHECKING:
    from disent_bench.runs.folder import RunFolder

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
        return f"no runs in {runs}; start one with: disent-bench run --method topdis"
    return "\n".join(f"{_state(run)} {one_line(run.path.relative_to(runs))}{_reason(run)}" for run in found)


def _state(run: RunFolder) -> str:
    state: str = run.state()
    try:
        steps = run.read_config().get("steps")
    except ValueError:
        return f"{'damaged':<10} {'':>15}"
    done = steps if state == "done" else run.latest_step()
    return f"{state:<10} {done!s:>7}/{steps!s:<7}"


def _reason(run: RunFolder) -> str:
    from disent_bench.runs.result import Failure

    if run.state() != "failed":
        return ""
    try:
        return f"  ({Failure.read(run.failure).reason})"
    except (OSError, ValueError) as error:
        return f"  (failure.json cannot be read: {one_line(error)})"
