"""Markdown: mean, standard deviation and interval."""

from __future__ import annotations

import re
from collections.abc import Sequence

from disent_bench.leaderboard.blocks import Block, blocks
from disent_bench.leaderboard.document import around, headings, interval_text, spread
from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.rows import Row, ScoreSummary
from disent_bench.leaderboard.tables import Table, contrast_grid, grid, number, tables


def write(rows: Sequence[Row], page: Page) -> str:
    """Return one table after the other."""
    parts = [_markdown(table) for table in tables(rows, page.names, page.against)]
    parts += [_block(block) for block in blocks(rows, page)]
    return "\n".join(parts or [f"{_markdown_text(page.empty)}\n"])


def _markdown(table: Table) -> str:
    def cell(score: ScoreSummary, best: bool, fewer: str) -> str:
        mean = f"**{number(score.mean)}**" if best else number(score.mean)
        return mean + fewer + spread(score) + _markdown_text(interval_text(score))

    lines = _lines([[_markdown_text(heading) for heading in headings(table)], *grid(table, _markdown_text, cell)])
    lines += _lines([[_markdown_text(text) for text in row] for row in contrast_grid(table)])
    return _section(table.title, lines, around(table, interval=True))


def _block(block: Block) -> str:
    return _section(block.title, _lines([[_markdown_text(text) for text in row] for row in block.rows]), block.notes)


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
