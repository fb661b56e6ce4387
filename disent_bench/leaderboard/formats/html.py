"""HTML: one page of mean, standard deviation and interval."""

from __future__ import annotations

import html
from collections.abc import Sequence

from disent_bench.leaderboard.blocks import Block, blocks
from disent_bench.leaderboard.document import around, headings, interval_text, spread
from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.rows import Row, ScoreSummary
from disent_bench.leaderboard.tables import Table, contrast_grid, grid, number, tables


def write(rows: Sequence[Row], page: Page) -> str:
    """Return the page."""
    parts = [_html(table) for table in tables(rows, page.names, page.against)]
    parts += [_block(block) for block in blocks(rows, page)]
    return _page(parts or [f"<p>{html.escape(page.empty)}</p>\n"])


def _html(table: Table) -> str:
    def cell(score: ScoreSummary, best: bool, fewer: str) -> str:
        mean = f"<b>{number(score.mean)}</b>" if best else number(score.mean)
        return f"{mean}{fewer}{spread(score)}<small>{interval_text(score)}</small>" if score.ci95 else mean + fewer

    body = _table(html.escape(table.title), headings(table), grid(table, html.escape, cell))
    compared = contrast_grid(table)
    if compared:
        body += _table("Compared", compared[0], _escaped(compared[1:]))
    return body + _notes(around(table, interval=True))


def _block(block: Block) -> str:
    head, *rows = block.rows
    return _table(html.escape(block.title), head, _escaped(rows)) + _notes(block.notes)


def _escaped(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[html.escape(text) for text in row] for row in rows]


def _notes(texts: Sequence[str]) -> str:
    return "".join(f"<p>{html.escape(text)}</p>\n" for text in texts)


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{html.escape(heading)}</th>" for heading in head)
    body = "\n".join("<tr><td>" + "</td><td>".join(row) + "</td></tr>" for row in rows)
    return (
        f"<table>\n<caption>{caption}</caption>\n<thead><tr>{titles}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n"
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
