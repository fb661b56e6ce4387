"""Train and score runs anew."""

from __future__ import annotations

import sys

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.choice import add_choice, agreed, chosen
from disent_bench.cli.endings import conclude
from disent_bench.cli.parser import shared

HELP = "train and score runs anew"
DESCRIPTION = (
    "Train and score runs anew, by the configuration that their folders hold; what they had saved is deleted first (a "
    "finished run that differs in nothing but fewer steps is started from, as ever). Asks if one of them is done. An "
    "interrupted or failed run is continued by resume."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    add_choice(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    shared(parser, "--data-dir", "--device", "--threads")


def main(given: Namespace) -> int:
    """Run the runs anew, one after the other."""
    from disent_bench.config.resolve import torch_device
    from disent_bench.runs.folder import RunFolder
    from disent_bench.runs.lock import RunBusyError
    from disent_bench.runs.series import ending, say
    from disent_bench.runs.train import read_run, run_folder

    torch_device(given.device)
    found = chosen(given, given.folders)
    for each in found:
        read_run(RunFolder(each.folder))  # what cannot be run is not deleted
    if done := [each for each in found if each.state == "done"]:
        agreed(done, "delete and run anew", given)
    outcomes = {}
    for each in found:
        try:
            RunFolder(each.folder).clear()
        except RunBusyError as error:
            raise ValueError(str(error)) from None
        print(each.folder, file=sys.stderr)
        outcome = run_folder(each.folder, data_dir=given.data_dir, accelerator=given.device, say=say, debug=given.debug)
        say(ending(outcome))
        outcomes[str(outcome.key)] = outcome
        if outcome.status == "interrupted":
            break
    return conclude(outcomes)
