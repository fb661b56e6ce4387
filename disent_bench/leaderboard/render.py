"""Leaderboards as text, in any of the formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from disent_bench.leaderboard.formats import Page, format_names
from disent_bench.leaderboard.records import Record
from disent_bench.leaderboard.rows import Row
from disent_bench.registry import unknown_name


def render(
    rows: Sequence[Row],
    format: str = "table",
    *,
    runs: Path = Path("runs"),
    width: int | None = None,
    styled: bool = False,
    names: Mapping[str, str] | None = None,
    columns: Sequence[str] = (),
    against: str | None = None,
    published: bool = False,
    records: Sequence[Record] = (),
) -> str:
    """Return the leaderboard of ``rows`` as text that ends with a line end.

    Formats for programs (``csv``, ``json``) hold all rows in one list, in which protocol, scoring, data set, source
    and ``changes`` say which rows compare. The others print separate tables.

    Args:
        rows: what `disent_bench.leaderboard.rows.aggregate` returns.
        format: name of a file in `disent_bench.leaderboard.formats`.
        runs: the folder that was read, named when there are no rows.
        width: columns of the terminal; by default the terminal's own, 80 without one.
        styled: mark the best mean in bold on the terminal; otherwise ``table`` marks it with a star.
        names: what to call methods, lines and scores in formats for readers, by their own names.
        columns: the scores to show, in this order; all if empty.
        against: the method with which others are compared, in place of each one's base.
        published: show also numbers that papers print on these data sets, in formats for readers.
        records: the runs behind the rows, which ``html`` shows.

    Raises:
        ValueError: if ``format`` is unknown, or no row has one of the ``columns`` or is of the method ``against``.
    """
    if columns and rows:
        there = dict.fromkeys(name for row in rows for name in row.scores)
        if missing := [name for name in columns if name not in there]:
            raise unknown_name("column", missing[0], there)
        rows = [replace(row, scores={name: row.scores[name] for name in columns if name in row.scores}) for row in rows]
    if against is not None and against not in {row.method for row in rows}:
        raise unknown_name("method in these tables", against, {row.method for row in rows})
    if format not in format_names():
        raise unknown_name("format", format, format_names())
    text: str = import_module(f"disent_bench.leaderboard.formats.{format}").write(
        rows, Page(runs, width, styled, names or {}, against, published, records)
    )
    return text
