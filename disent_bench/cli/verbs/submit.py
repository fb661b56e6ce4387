"""Make runs ready for others to read."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE, complain
from disent_bench.cli.parser import shared

HELP = "copy finished runs, with what proves them, into a folder ready for a pull request"
DESCRIPTION = (
    "Copy the results of finished runs, with what proves them (the model as safetensors; for methods of a plug-in the "
    "codes that were scored), into OUTPUT/results and OUTPUT/models. RUNS are folders of runs, or a folder of many."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUNS", help="folder of a run, or of many")
    parser.add_argument(
        "--suite", type=str, metavar="NAME", help="suite of results to join; the newest if left out, such as 2026-12"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("submission"),
        metavar="DIR",
        help="where the copies go; in a checkout, experiments",
    )
    parser.add_argument(
        "--evidence",
        choices=["all", "median", "none"],
        default="all",
        help="of which seeds the model or codes go along: median is the one with the median of the first primary score",
    )
    parser.add_argument("--half", action="store_true", help="models in half precision, at half the size")
    shared(parser, "--data-dir")


def main(given: Namespace) -> int:
    """Copy the finished runs below the folders."""
    from disent_bench.leaderboard.details import representative_first
    from disent_bench.leaderboard.published import newest_suite
    from disent_bench.leaderboard.records import Record, read_records, reported
    from disent_bench.leaderboard.rows import aggregate
    from disent_bench.runs.folder import RunFolder
    from disent_bench.runs.submission import submit, submit_failure

    suite = given.suite or newest_suite(given.output / "results")
    if Path(suite).name != suite or suite.startswith("."):
        return complain(f"--suite: {suite!r} is no name of a folder; 2026-12 would be one")
    folders = {path.parent.resolve() for each in given.runs for path in each.glob("**/config.yaml")}
    records = [
        record
        for root in sorted({folder.parents[4] for folder in folders})
        for record in reported(read_records(root))
        if record.folder.resolve() in folders and record.path.parent == record.folder
    ]
    if not records:
        return complain(f"no finished runs in {', '.join(map(str, given.runs))}")
    of_row: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        of_row[record.configuration].append(record)
    median = {representative_first(row, of_row[row.configuration])[0].folder for row in aggregate(records)}
    for record in records:
        run = RunFolder(record.folder)
        if record.failure is not None:
            print(submit_failure(run, given.output, suite))
            continue
        proven = given.evidence == "all" or (given.evidence == "median" and record.folder in median)
        path = submit(run, given.output, suite, evidence=proven, half=given.half, data_dir=given.data_dir)
        print(path)
    print(f"{len(records)} results; disent-bench verify {given.output / 'results'} recomputes them", file=sys.stderr)
    return DONE
