"""JSON: a list of rows, for programs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from disent_bench.leaderboard.contrasts import Contrast
from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.rows import Row
from disent_bench.leaderboard.tables import tables
from disent_bench.text import strict


def write(rows: Sequence[Row], page: Page) -> str:
    """Return a list of objects ``{protocol, dataset, source, method, seeds, failed, scores}``.

    ``scores`` maps a name to ``{mean, std, ci95, n, higher_is_better, values, crashed}``, with the value of each seed
    and the seeds whose value is the untrained network's since their runs failed; ``scoring``, ``key``, ``changes``,
    ``note``, ``untrained``, ``failures`` and ``errors`` (reasons by seed) are added, ``suite`` and ``verified`` (of a
    published row: the seeds that were recomputed), ``contrasts``: ``{against, score, difference, ci95, p, adjusted,
    verdict}`` (`disent_bench.leaderboard.contrasts.Contrast`), and ``tuning``, how a study chose the settings.
    Unrounded, ``null`` if unknown.
    """
    found: dict[int, list[Contrast]] = defaultdict(list)
    for table in tables(rows, against=page.against):
        for each in table.contrasts:
            found[id(each.row)].append(each)
    return json.dumps(strict([_json_row(row, found[id(row)]) for row in rows]), indent=2, allow_nan=False) + "\n"


def _json_row(row: Row, found: Sequence[Contrast]) -> dict[str, Any]:
    return {
        "protocol": row.protocol,
        "dataset": row.dataset,
        "source": row.source,
        "method": row.method,
        "scoring": row.scoring.label or row.protocol,
        "key": row.key,
        "changes": row.changes,
        "note": row.note,
        "suite": row.suite,
        "verified": row.verified,
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
                "values": dict(zip(score.seeds, score.values, strict=True)),
                "crashed": score.crashed,
            }
            for name, score in row.scores.items()
        },
        "tuning": row.tuning or None,
        "contrasts": [
            {
                "against": each.against.method,
                "against_key": each.against.key,
                "score": each.score,
                "difference": each.difference,
                "ci95": each.ci95,
                "p": each.p,
                "adjusted": each.adjusted,
                "verdict": each.verdict,
            }
            for each in found
        ],
        "errors": row.errors,
        "untrained": {name: fmean(values) for name, values in row.untrained.items() if values},
    }
