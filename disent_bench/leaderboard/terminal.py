"""A leaderboard table on a terminal of any width."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import Literal

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from disent_bench.leaderboard.blocks import Block
from disent_bench.leaderboard.rows import ScoreSummary
from disent_bench.leaderboard.tables import Table, contrast_grid, contrast_legend, grid, legend, number

HEADING = 12
"""Columns that a heading of texts takes at least before it is broken."""


def terminal_table(table: Table, width: int, styled: bool) -> str:
    """Return ``table`` for a terminal of ``width`` columns, in the fullest layout that fits.

    A cell shows mean, deviation and interval; in a narrow terminal the deviation goes below the mean and the
    interval goes; in a narrower one the scores are split into parts that repeat the methods. The best mean is
    bold if ``styled``, else starred.
    """
    console = _console(width, styled)
    layouts = list(_layouts(table, width, styled))
    stacked, parts = next((found for found in layouts if _fits(console, found[1])), layouts[-1])
    texts = [
        *table.notes,
        legend(table, interval=not stacked, best="bold" if styled else "*"),
        *contrast_legend(table),
        *table.footnotes,
    ]
    return _printed(console, table.title, [*parts, *_words(console, contrast_grid(table, "\n"), 2)], texts)


def terminal_block(block: Block, width: int, styled: bool) -> str:
    """Return a block for a terminal of ``width`` columns."""
    console = _console(width, styled)
    return _printed(console, block.title, _words(console, block.rows, 1), block.notes)


def _console(width: int, styled: bool) -> Console:
    colours: Literal["standard"] | None = "standard" if styled else None
    return Console(file=io.StringIO(), width=width, force_terminal=styled, color_system=colours)


def _printed(console: Console, title: str, parts: Sequence[RichTable], texts: Sequence[str]) -> str:
    content: list[RenderableType] = [Text(title, style="bold"), Text()]
    for part in parts:
        content += [part, Text()]
    content += [Text(text) for text in texts if text]
    with console.capture() as capture:
        for item in content:
            console.print(item)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _layouts(table: Table, width: int, styled: bool) -> Iterator[tuple[bool, list[RichTable]]]:
    """Yield whether cells are stacked, and the parts, from the fullest layout to one score in each part."""
    for stacked in (False, True):
        for label_width in (width // 2, width // 4):
            yield stacked, [_part(table, label_width, stacked, styled)]
    count = len(table.columns)
    for parts in range(2, count + 1):
        size = ceil(count / parts)
        pieces = [replace(table, columns=table.columns[i : i + size]) for i in range(0, count, size)]
        yield True, [_part(piece, width // 4, True, styled) for piece in pieces]


def _fits(console: Console, parts: Sequence[RichTable]) -> bool:
    # Measured as if there were room for everything; with the terminal's own limit all tables seem to fit.
    unbounded = console.options.update(max_width=10_000)
    return all(console.measure(part, options=unbounded).maximum <= console.width for part in parts)


def _words(console: Console, rows: Sequence[Sequence[str]], names: int) -> list[RichTable]:
    """Texts below their headings, split into as few parts as fit, which repeat the first columns: the ``names``."""
    if not rows:
        return []
    count = len(rows[0]) - names
    for parts in range(1, count + 1):
        size = ceil(count / parts)
        pieces = [
            [[*row[:names], *row[start : start + size]] for row in rows] for start in range(names, len(rows[0]), size)
        ]
        found = [_piece(piece, names, console.width) for piece in pieces]
        if _fits(console, found):
            break
    return found


def _piece(rows: Sequence[Sequence[str]], names: int, width: int) -> RichTable:
    part = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0), show_edge=False)
    for title in rows[0][:names]:
        part.add_column(title, overflow="fold")
    for title in rows[0][names:]:
        part.add_column(_wrapped(title, HEADING), justify="right", no_wrap=True)
    for line in rows[1:]:
        part.add_row(*(_wrapped(text, width // 4) for text in line[:names]), *map(Text, line[names:]))
    return part


def _part(table: Table, label_width: int, stacked: bool, styled: bool) -> RichTable:
    def cell(score: ScoreSummary, best: bool, fewer: str) -> Text:
        mean = Text(number(score.mean), style="bold" if best and styled else "")
        return Text("*" if best and not styled else "") + mean + fewer + _spread(score, stacked)

    part = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0), show_edge=False)
    part.add_column("method", overflow="fold")
    part.add_column("n", justify="right")
    for column in table.columns:
        heading = column.heading.replace("_", "_\n").replace(" ", "\n") if stacked else column.heading
        part.add_column(Text(heading), justify="right", no_wrap=True)
    for label, *cells in grid(table, Text, cell):
        part.add_row(_wrapped(label.plain, label_width), *cells)
    return part


def _spread(score: ScoreSummary, stacked: bool) -> str:
    if score.std is None or score.ci95 is None:
        return ""
    if stacked:
        return f"\n±{number(score.std)}"
    low, high = score.ci95
    return f" ± {number(score.std)}\n[{number(low)}, {number(high)}]"


def _wrapped(label: str, width: int) -> Text:
    """Break ``label`` after blanks, plus signs and dots of names, where settings and sums of terms read best."""
    lines = [""]
    for piece in re.split(r"(?<=[ +])|(?<=\.)(?=[^\d])", label):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return Text("\n".join(line.rstrip() for line in lines))
