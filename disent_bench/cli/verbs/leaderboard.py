"""Print the tables."""

from __future__ import annotations

import sys
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE
from disent_bench.cli.parser import shared
from disent_bench.leaderboard.formats import format_names
from disent_bench.text import one_line

HELP = "print the tables"
DESCRIPTION = (
    "Print mean, spread and interval over seeds of every score, a table per protocol and data set, and how much each "
    "method differs from its base."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("--format", choices=format_names(), default="table", help="how to print")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to a file instead")
    for name in ("protocol", "dataset", "method"):
        parser.add_argument(f"--{name}", type=str, help=f"only runs with this {name}")
    parser.add_argument(
        "--against", type=str, metavar="METHOD", help="compare every method with this one instead of with its base"
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="also published results, in marked rows, and numbers that papers print, in tables of their own",
    )
    parser.add_argument("--columns", type=str, metavar="A,B", help="only these scores, in this order")
    parser.add_argument(
        "--names",
        type=Path,
        metavar="FILE",
        help="YAML file of the names to be printed for methods and scores: {topdis: TopDis, mig: 'MIG (%)'}",
    )
    parser.add_argument(
        "--all", action="store_true", help="also rows of older versions of a plug-in, of which there are newer ones"
    )
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="also draw every score: all seeds, and against steps where logged"
    )
    shared(parser, "--runs")


def main(given: Namespace) -> int:
    """Print or write the tables."""
    from disent_bench.files import write_atomically
    from disent_bench.leaderboard.published import published_records
    from disent_bench.leaderboard.records import read_records, reported
    from disent_bench.leaderboard.render import render
    from disent_bench.leaderboard.rows import aggregate
    from disent_bench.leaderboard.versions import latest
    from disent_bench.registry import unknown_name

    wanted = {name: getattr(given, name) for name in ("protocol", "dataset", "method") if getattr(given, name)}
    there = [*read_records(given.runs), *(published_records() if given.published else [])]
    records = reported(r for r in there if all(getattr(r, name) == value for name, value in wanted.items()))
    for name, value in wanted.items():
        known = {getattr(record, name) for record in there}
        if known and value not in known:
            raise unknown_name(f"{name} among the runs in {given.runs},", value, known)
    rows = aggregate(records) if given.all else latest(aggregate(records))
    if given.plots:
        from disent_bench.cli.drawings import draw

        print(f"drew {len(draw(records, rows, given.plots))} pictures in {given.plots}", file=sys.stderr)
    text = render(
        rows,
        given.format,
        runs=given.runs,
        styled=given.output is None and sys.stdout.isatty(),
        names=read_names(given.names) if given.names else {},
        columns=[name.strip() for name in (given.columns or "").split(",") if name.strip()],
        against=given.against,
        published=given.published,
        records=records,
    )
    if given.output is None:
        print(text, end="" if text.endswith("\n") else "\n")
    else:
        write_atomically(given.output, text)
        print(f"wrote {given.output}", file=sys.stderr)
    return DONE


def read_names(path: Path) -> dict[str, str]:
    """Read the names to be printed.

    Raises:
        ValueError: if the file does not map names to names.
    """
    from disent_bench.config.yaml_text import read_yaml

    try:
        names = read_yaml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(names, dict) or not all(isinstance(each, str) for pair in names.items() for each in pair):
        raise ValueError(f"{path} should hold names by name, such as topdis: TopDis")
    return {name: one_line(value) for name, value in names.items()}
