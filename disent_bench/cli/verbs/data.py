"""Show, make or check data sets."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE
from disent_bench.cli.parser import shared

HELP = "show, make or check data sets"
DESCRIPTION = (
    "Show, make or check data sets. Drawn sets need no download; the same command resumes an interrupted download."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("action", choices=["list", "prepare", "verify"])
    parser.add_argument("name", type=str, nargs="?", help="a data set")
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="PATH",
        help="prepare: an original file that you have, instead of a download (once for each file of the set); it is "
        "compared with its checksum, read where it lies and not changed",
    )
    shared(parser, "--data-dir", "--source", "--plugin")


def main(given: Namespace) -> int:
    """Show, make or check data sets."""
    from disent_bench.cli import data_sets
    from disent_bench.plugins import load_plugins

    load_plugins(given.plugin)
    if given.file and given.action != "prepare":
        raise ValueError(f"--file goes with data prepare, not with data {given.action}")
    if given.action == "list":
        print(data_sets.listing(given.data_dir))
        return DONE
    if given.name is None:
        raise ValueError(f"data {given.action} takes the name of a data set: {', '.join(data_sets.names())}")
    if given.action == "prepare":
        print(data_sets.prepare(given.name, given.data_dir, given.source, files=given.file))
    else:
        print(data_sets.verify(given.name, given.data_dir, given.source))
    return DONE
