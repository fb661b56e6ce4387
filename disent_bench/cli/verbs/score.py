"""Score finished runs again, in another way."""

from __future__ import annotations

import sys
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE, SOME_FAILED, complain
from disent_bench.cli.parser import shared

HELP = "score finished runs again, under another protocol or with other settings"
DESCRIPTION = (
    "Score finished runs from their checkpoints under another protocol, or with other settings of the scores. The new "
    "scores stand beside the old ones, in tables of their own. RUNS are folders of runs, or a folder of many."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUNS", help="folder of a run, or of many")
    parser.add_argument("--protocol", type=str, help="the protocol whose scores to take; the run's own if left out")
    shared(parser, "--set", "--data-dir", "--device", "--threads")


def main(given: Namespace) -> int:
    """Score the finished runs below the folders."""
    from disent_bench.config.resolve import torch_device
    from disent_bench.config.values import parse_overrides
    from disent_bench.runs.folder import RunFolder
    from disent_bench.runs.series import say
    from disent_bench.runs.train import TrainingError, rescore

    torch_device(given.device)
    changes = parse_overrides(given.set)
    folders = sorted({path.parent for each in given.runs for path in each.glob("**/result.json")})
    if not folders:
        return complain(f"no finished runs in {', '.join(map(str, given.runs))}")
    status = DONE
    for folder in folders:
        print(folder, file=sys.stderr)
        try:
            done = rescore(
                RunFolder(folder), given.protocol, changes, data_dir=given.data_dir, accelerator=given.device, say=say
            )
        except TrainingError as error:
            say(f"failed: {error}")
            status = SOME_FAILED
        else:
            say("scored already" if done is None else f"done: {done}")
    return status
