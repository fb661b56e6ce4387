"""Markdown: mean, standard deviation and interval."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from disent_bench.leaderboard.across import Across, across, heading, standings_grid, standings_legend
from disent_bench.leaderboard.document import around, headings, interval_text, spread
from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.rows import Row, ScoreSummary
from disent_bench.leaderboard.tables import HEADINGS, Table, contrast_grid, grid, number, tables


def write(rows: Sequence[Row], page: Page) -> str:
    """Return one table after the other."""
    parts = [_markdown(table) for table in tables(rows, page.names, page.against)]
    parts += [_standings(found, {**HEADINGS, **page.names}) for found in across(rows)]
    return "\n".join(parts or [f"{_markdown_text(page.empty)}\n"])


def _markdown(table: Table) -> str:
    def cell(score: ScoreSummary, best: bool, fewer: str) -> str:
        mean = f"**{number(score.mean)}**" if best else number(score.mean)
        return mean + fewer + spread(score) + _markdown_text(interval_text(score))

    lines = _lines([[_markdown_text(heading) for heading in headings(table)], *grid(table, _markdown_text, cell)])
    lines += _lines([[_markdown_text(text) for text in row] for row in contrast_grid(table)])
    return _section(table.title, lines, around(table, interval=True))


def _standings(found: Across, names: Mapping[str, str]) -> str:
    lines = _lines([[_markdown_text(text) for text in row] for row in standings_grid(found, number)])
    return _section(heading(found, names), lines, standings_legend(found))


def _section(title: str, lines: Sequence[str], notes: Sequence[str]) -> str:
    below = [f"- {_markdown_text(text)}" for text in notes]
    return "\n".join([f"**{_markdown_text(title)}**", "", *lines, *below]).rstrip() + "\n"


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table with a head, and an empty line; nothing for no rows."""
    if not rows:
        return []
    rule = [":--", *("--:" for _ in rows[0][1:])]
    return [*("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:])), ""]


def _markdown_text(text: str) -> str:
    return re.sub(r"([\\`*<>|\[\]])", r"\\\1", text)
