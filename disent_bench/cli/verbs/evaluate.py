"""Score codes that somebody brings."""

from __future__ import annotations

import json
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE, SOME_FAILED
from disent_bench.text import strict

HELP = "score codes that you bring"
DESCRIPTION = (
    "Score codes of your own: codes (n, d) of real numbers, factors (n, k) of classes. FILE is .npy, .npz, .pt (a "
    "tensor, or several by name), or a table .csv or .tsv, where factors can be words. Codes (n, groups, d), such as "
    "tokens or slots, and codes with --groups are scored by group."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("--codes", type=Path, required=True, metavar="FILE", help="codes")
    parser.add_argument(
        "--factors", type=Path, metavar="FILE", help="classes; may be left out if the codes' file holds both by name"
    )
    parser.add_argument("--test-codes", type=Path, metavar="FILE", help="codes of a test set; else a third is held out")
    parser.add_argument("--test-factors", type=Path, metavar="FILE", help="factors of the test set")
    parser.add_argument("--protocol", type=str, default="locatello2019", help="named settings of the scores")
    parser.add_argument("--scores", type=str, metavar="A,B", help="these scores instead of all of the protocol's")
    parser.add_argument("--bins", type=int, metavar="N", help="cut factors of more than N values into N equal bins")
    parser.add_argument(
        "--groups", type=str, metavar="N[,N...]", help="columns of each group of code dimensions; one number for all"
    )
    parser.add_argument(
        "--reduce",
        choices=["pca1", "sum"],
        default="pca1",
        help="a group is scored by its first principal component, or importances are added up over it",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(given: Namespace) -> int:
    """Score codes from files, and print the scores."""
    from disent_bench.cli.codes import evaluate_files, score_table

    result = evaluate_files(
        given.codes,
        given.factors,
        given.test_codes,
        given.test_factors,
        given.protocol,
        scores=[name.strip() for name in given.scores.split(",")] if given.scores else (),
        bins=given.bins,
        groups=_sizes(given.groups),
        reduce=given.reduce,
    )
    if given.json:
        shown = {name: getattr(result, name) for name in ("protocol", "scores", "errors", "notes")}
        print(json.dumps(strict(shown), indent=2, allow_nan=False))
    else:
        print(score_table(result))
    return DONE if result.scores else SOME_FAILED


def _sizes(groups: str | None) -> list[int] | None:
    try:
        return None if groups is None else [int(size) for size in groups.split(",")]
    except ValueError:
        raise ValueError(f"--groups are whole numbers such as 4 or 2,3,5, not {groups}") from None
