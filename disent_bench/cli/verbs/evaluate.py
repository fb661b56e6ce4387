"""Score codes that somebody brings."""

from __future__ import annotations

from disent_metrics.files import add_arguments as of_codes
from disent_metrics.files import evaluate_arguments, shown
from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE, SOME_FAILED

HELP = "score codes that you bring"
DESCRIPTION = (
    "Score codes of your own: codes (n, d) of real numbers, factors (n, k) of classes. FILE is .npy, .npz, .pt (a "
    "tensor, or several by name), or a table .csv or .tsv, where factors can be words. Codes (n, groups, d), such as "
    "tokens or slots, and codes with --groups are scored by group."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    of_codes(parser)


def main(given: Namespace) -> int:
    """Score codes from files, and print the scores."""
    from disent_bench.config.protocols import named_scores

    result = evaluate_arguments(given, named_scores(given.protocol))
    print(shown(result, as_json=given.json))
    return DONE if result.scores else SOME_FAILED
