"""Try what a plug-in registers on what everything registered promises."""

from __future__ import annotations

import os
import sys

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE, SOME_FAILED
from disent_bench.cli.parser import SHARED, shared

HELP = "try your plug-in on what every method, term, data set or score promises"
DESCRIPTION = (
    "Load a plug-in and try what it registers on the promises of everything registered: finite values, gradients, "
    "settings that come back, runs that reopen. Ends with 1 if one is broken."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("file", type=str, metavar="PLUGIN", help=SHARED["--plugin"]["help"])
    shared(parser, "--data-dir")


def main(given: Namespace) -> int:
    """Print a line for each promise."""
    from disent_bench.cli.registered import registered
    from disent_bench.contracts import check
    from disent_bench.plugins import load_plugins

    if given.data_dir is not None:
        os.environ["DISENT_DATA"] = str(given.data_dir)
    before = registered()
    load_plugins([given.file])
    new = [each for each in registered() if each not in before]
    if not new:
        raise ValueError(f"{given.file} registers nothing; decorate classes and functions with @register_...")
    broken = 0
    for kind, name in new:
        print(f"{kind} {name}", flush=True)
        for finding in check(kind, name):
            broken += bool(finding.error)
            mark = (
                f"BROKEN  {finding.claim}\n          {finding.error}" if finding.error else f"holds   {finding.claim}"
            )
            print(f"  {mark}", flush=True)
    if broken:
        print(f"{broken} promises are broken", file=sys.stderr)
    return SOME_FAILED if broken else DONE
