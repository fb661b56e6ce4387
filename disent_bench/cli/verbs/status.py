"""Show how far all runs are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.choice import FILTERS, add_choice, chosen
from disent_bench.cli.endings import DONE
from disent_bench.cli.parser import shared
from disent_bench.leaderboard.records import settings_text
from disent_bench.runs.pace import duration
from disent_bench.text import one_line, strict

if TYPE_CHECKING:
    from disent_bench.runs.overview import Overview

HELP = "show how far all runs are"
DESCRIPTION = (
    "Show every run below a folder: its state, steps done of all, time to go, seed, method with changed settings (or "
    "its label), and why it failed."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_choice(parser, folders=False)
    shared(parser, "--runs")


def main(given: Namespace) -> int:
    """Print how far all runs are."""
    found = chosen(given, [given.runs], some=any(getattr(given, name) for name in FILTERS))
    if given.json:
        print(json.dumps(strict([{**asdict(each), "folder": str(each.folder)} for each in found]), indent=2))
    elif found:
        print(status_table(found, given.runs))
    else:
        print(f"no runs in {given.runs}; start one with: disent-bench run --method topdis")
    return DONE


def status_table(found: Sequence[Overview], runs: Path) -> str:
    """Return a line for each run: state, steps, time to go, folder, label or changed settings, failure.

    Runs of a protocol on a data set stand below its folder and the settings that all of them share.
    """
    groups: dict[Path, list[Overview]] = {}
    for each in found:
        groups.setdefault(each.folder.parents[2], []).append(each)
    lines = []
    for folder, group in groups.items():
        shared = dict(group[0].changes) if len(group) > 1 else {}
        shared = {key: value for key, value in shared.items() if all(run.changes.get(key) == value for run in group)}
        said = settings_text(shared)
        lines += [one_line(folder.relative_to(runs)) + (f"  [{said}]" if said else "")]
        lines += _aligned([_cells(run, shared) for run in group])
    return "\n".join(lines)


def _cells(run: Overview, shared: Mapping[str, Any]) -> list[str]:
    own = settings_text({key: value for key, value in run.changes.items() if key not in shared})
    return [
        run.state,
        f"{run.step}/{'?' if run.steps is None else run.steps}",
        "" if run.seconds_to_go is None else f"{duration(run.seconds_to_go)} to go",
        one_line(run.folder.relative_to(run.folder.parents[2])),
        run.label or own,
        f"({run.failure})" if run.failure else "",
    ]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width] for row in rows]
    return ["  " + "  ".join(row).rstrip() for row in cells]
