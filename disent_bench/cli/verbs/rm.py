"""Delete runs."""

from __future__ import annotations

import sys

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.choice import add_choice, agreed, chosen
from disent_bench.cli.endings import DONE

HELP = "delete runs"
DESCRIPTION = "Delete the runs of folders, or those of them that the filters choose; asks first."


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    add_choice(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def main(given: Namespace) -> int:
    """Delete the runs."""
    from disent_bench.runs.folder import RunFolder
    from disent_bench.runs.lock import RunBusyError
    from disent_bench.runs.overview import remove

    found = chosen(given, given.folders)
    agreed(found, "delete", given)
    for each in found:
        try:
            remove(RunFolder(each.folder))
        except RunBusyError as error:
            raise ValueError(str(error)) from None
        print(f"deleted {each.folder}", file=sys.stderr)
    return DONE
