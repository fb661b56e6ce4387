"""Run, resume or score the runs of folders."""

from __future__ import annotations

import sys
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import conclude
from disent_bench.cli.parser import shared

HELP = "bring the runs of folders to their end"
DESCRIPTION = (
    "Bring each run to its end by the configuration that its folder holds (runs/PROTOCOL/DATASET/METHOD/KEY/seed-N): "
    "train it, resume it or score it. What goes wrong is recorded in the folder."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("folders", type=Path, nargs="+", metavar="RUN", help="folder of a run")
    shared(parser, "--data-dir", "--device", "--threads")


def main(given: Namespace) -> int:
    """Bring the runs to their end, one after the other."""
    from disent_bench.config.resolve import torch_device
    from disent_bench.runs.series import ending, say
    from disent_bench.runs.stop import BUSY, end_with_parent
    from disent_bench.runs.train import run_folder

    torch_device(given.device)
    within_a_study = end_with_parent()
    outcomes = {}
    for folder in given.folders:
        outcome = run_folder(folder, data_dir=given.data_dir, accelerator=given.device, say=say, debug=given.debug)
        print(ending(outcome), file=sys.stderr)
        outcomes[str(outcome.key)] = outcome
        if outcome.status == "interrupted":
            break
    status = conclude(outcomes)
    if within_a_study and any(outcome.status == "busy" for outcome in outcomes.values()):
        return BUSY
    return status
