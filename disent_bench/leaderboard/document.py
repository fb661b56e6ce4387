"""What the formats for documents share."""

from __future__ import annotations

from disent_bench.leaderboard.rows import ScoreSummary
from disent_bench.leaderboard.tables import Table, contrast_legend, legend, number


def spread(score: ScoreSummary) -> str:
    """Return `` ± deviation``, or nothing for one seed."""
    return "" if score.std is None else f" ± {number(score.std)}"


def interval_text(score: ScoreSummary) -> str:
    """Return `` [low, high]``, or nothing for one seed."""
    return "" if score.ci95 is None else f" [{number(score.ci95[0])}, {number(score.ci95[1])}]"


def headings(table: Table) -> list[str]:
    """Return what stands above the columns."""
    return ["method", "n", *(column.heading for column in table.columns)]


def around(table: Table, *, interval: bool) -> list[str]:
    """Return what stands around a table for readers of a document: notes, legend, footnotes."""
    said = (*table.notes, legend(table, interval=interval, best="bold"), *contrast_legend(table), *table.footnotes)
    return [text for text in said if text]
