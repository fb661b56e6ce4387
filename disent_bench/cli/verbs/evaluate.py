"""Score codes that somebody brings."""

from __future__ import annotations

import json
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE, SOME_FAILED

HELP = "score codes that you bring"
DESCRIPTION = "Score codes of your own: codes (n, d) of real numbers, factors (n, k) of whole numbers."


KINDS = ".npy, .npz, .csv or .pt"


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("--codes", type=Path, required=True, metavar="FILE", help=f"codes, {KINDS}")
    parser.add_argument("--factors", type=Path, required=True, metavar="FILE", help=f"factor indices, {KINDS}")
    parser.add_argument("--test-codes", type=Path, metavar="FILE", help="codes of a test set; else a third is held out")
    parser.add_argument("--test-factors", type=Path, metavar="FILE", help="factors of the test set")
    parser.add_argument("--protocol", type=str, default="locatello2019", help="named settings of the scores")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(given: Namespace) -> int:
    """Score codes from files, and print the scores."""
    from disent_bench.cli.codes import evaluate_files, score_table

    result = evaluate_files(given.codes, given.factors, given.test_codes, given.test_factors, given.protocol)
    if given.json:
        shown = {name: getattr(result, name) for name in ("protocol", "scores", "errors", "notes")}
        print(json.dumps(shown, indent=2))
    else:
        print(score_table(result))
    return DONE if result.scores else SOME_FAILED
