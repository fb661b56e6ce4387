"""Scores of codes from files, where nothing but the scores is installed: ``python -m disent_metrics --codes ...``."""

import argparse
import sys
from collections.abc import Sequence

from disent_metrics.files import add_arguments, evaluate_arguments, shown
from disent_metrics.protocol import get_protocol


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the scores and return the exit status: 0 done, 1 no score could be computed, 2 bad input."""
    parser = argparse.ArgumentParser(
        "python -m disent_metrics",
        description="Score codes of your own: codes (n, d) of real numbers, factors (n, k) of classes, in .npy, .npz, "
        ".csv or .tsv files (and .pt where torch is installed).",
    )
    add_arguments(parser)
    given = parser.parse_args(arguments)
    try:
        result = evaluate_arguments(given, get_protocol(given.protocol))
    except (ValueError, OSError) as error:
        said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
        print(f"disent_metrics: {' '.join(said.split())}", file=sys.stderr)
        return 2
    print(shown(result, as_json=given.json))
    return 0 if result.scores else 1


if __name__ == "__main__":
    sys.exit(main())
