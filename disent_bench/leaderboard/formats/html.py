"""HTML: one page of mean, standard deviation and interval."""

from __future__ import annotations

import html
from collections.abc import Sequence

from disent_bench.leaderboard.document import around, headings, interval_text, spread
from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.statistics import Row, ScoreSummary
from disent_bench.leaderboard.tables import Table, grid, number, tables


def write(rows: Sequence[Row], page: Page) -> str:
    """Return the page."""
    return _page([_html(table) for table in tables(rows, page.names)] or [f"<p>{html.escape(page.empty)}</p>\n"])


def _html(table: Table) -> str:
    def cell(score: ScoreSummary, best: bool, fewer: str) -> str:
        mean = f"<b>{number(score.mean)}</b>" if best else number(score.mean)
        return f"{mean}{fewer}{spread(score)}<small>{interval_text(score)}</small>" if score.ci95 else mean + fewer

    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings(table))
    body = "\n".join("<tr><td>" + "</td><td>".join(row) + "</td></tr>" for row in grid(table, html.escape, cell))
    below = "".join(f"<p>{html.escape(text)}</p>\n" for text in around(table, interval=True))
    return (
        f"<table>\n<caption>{html.escape(table.title)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n{below}"
    )


def _page(parts: Sequence[str]) -> str:
    style = (
        "body { font-family: sans-serif; margin: 2em } caption { font-weight: bold; text-align: left } "
        "td, th { padding: .2em .8em; text-align: right } "
        "td:first-child, th:first-child { text-align: left } "
        "thead th { border-bottom: 1px solid } table { border-collapse: collapse; margin-top: 2em } "
        "p { font-size: small; margin: .2em 0 }"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Leaderboard</title>\n'
        f"<style>{style}</style></head>\n<body>\n{''.join(parts)}</body>\n</html>\n"
    )
