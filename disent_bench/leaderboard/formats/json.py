"""JSON: a list of rows, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.statistics import Row
from disent_bench.text import strict


def write(rows: Sequence[Row], page: Page) -> str:
    """Return a list of objects ``{protocol, dataset, source, method, seeds, failed, scores}``.

    ``scores`` maps a name to ``{mean, std, ci95, n, higher_is_better}``; ``scoring``, ``key``, ``changes``, ``note``,
    ``untrained``, ``failures`` and ``errors`` (reasons by seed) are added; unrounded, ``null`` if unknown.
    """
    return json.dumps(strict([_json_row(row) for row in rows]), indent=2, allow_nan=False) + "\n"


def _json_row(row: Row) -> dict[str, Any]:
    return {
        "protocol": row.protocol,
        "dataset": row.dataset,
        "source": row.source,
        "method": row.method,
        "scoring": row.scoring.label or row.protocol,
        "key": row.key,
        "changes": row.changes,
        "note": row.note,
        "seeds": row.seeds,
        "failed": sorted(row.failures),
        "failures": row.failures,
        "scores": {
            name: {
                "mean": score.mean,
                "std": score.std,
                "ci95": score.ci95,
                "n": score.n,
                "higher_is_better": score.higher_is_better,
            }
            for name, score in row.scores.items()
        },
        "errors": row.errors,
        "untrained": {name: fmean(values) for name, values in row.untrained.items() if values},
    }
