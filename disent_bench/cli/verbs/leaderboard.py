"""Print the tables."""

from __future__ import annotations

import sys
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE
from disent_bench.cli.parser import shared
from disent_bench.leaderboard.formats import format_names

HELP = "print the tables"
DESCRIPTION = "Print mean, spread and interval over seeds of every score, a table per protocol and data set."


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("--format", choices=format_names(), default="table", help="how to print")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to a file instead")
    for name in ("protocol", "dataset", "method"):
        parser.add_argument(f"--{name}", type=str, help=f"only runs with this {name}")
    shared(parser, "--runs")


def main(given: Namespace) -> int:
    """Print or write the tables."""
    from disent_bench.files import write_atomically
    from disent_bench.leaderboard.records import read_records
    from disent_bench.leaderboard.render import render
    from disent_bench.leaderboard.statistics import aggregate
    from disent_bench.registry import unknown_name

    wanted = {name: getattr(given, name) for name in ("protocol", "dataset", "method") if getattr(given, name)}
    records = read_records(given.runs, **wanted)
    others = read_records(given.runs) if wanted and not records else []
    for name, value in wanted.items():
        there = {getattr(record, name) for record in others}
        if there and value not in there:
            raise unknown_name(f"{name} among the runs in {given.runs},", value, there)
    text = render(
        aggregate(records), given.format, runs=given.runs, styled=given.output is None and sys.stdout.isatty()
    )
    if given.output is None:
        print(text, end="" if text.endswith("\n") else "\n")
    else:
        write_atomically(given.output, text)
        print(f"wrote {given.output}", file=sys.stderr)
    return DONE
