"""CSV: a line per row, for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.records import settings_text
from disent_bench.leaderboard.rows import Row


def write(rows: Sequence[Row], page: Page) -> str:
    """Return a line per row, unrounded, empty where unknown; seeds are separated by spaces.

    Columns of a score are ``<score>_mean``, ``_std``, ``_low``, ``_high`` (the interval), ``_n`` and ``_untrained``
    (mean). Training-side scores have columns as well.
    """
    own = ("protocol", "dataset", "source", "method", "key", "note", "suite")
    identity = [*own[:4], "scoring", "changes", "key", "seeds", "failed", "note", "suite"]
    names = dict.fromkeys(name for row in rows for name in row.scores)
    parts = ("mean", "std", "low", "high", "n", "untrained")
    text = io.StringIO()
    writer = csv.DictWriter(text, [*identity, *(f"{n}_{part}" for n in names for part in parts)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        line = {name: getattr(row, name) for name in own}
        line["scoring"] = row.scoring.label or row.protocol
        line["changes"] = settings_text(row.changes)
        line["seeds"] = " ".join(map(str, row.seeds))
        line["failed"] = " ".join(map(str, sorted(row.failures)))
        for name, score in row.scores.items():
            low, high = score.ci95 or (None, None)
            untrained = fmean(row.untrained[name]) if row.untrained.get(name) else None
            values = (score.mean, score.std, low, high, score.n, untrained)
            line.update({f"{name}_{part}": value for part, value in zip(parts, values, strict=True)})
        writer.writerow({name: _harmless(value) for name, value in line.items()})
    return text.getvalue()


def _harmless(value: Any) -> Any:
    """A word that a spreadsheet would take for a formula is marked as a word."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value
