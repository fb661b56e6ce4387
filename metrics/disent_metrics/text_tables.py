"""Text tables of numbers and words, as people's own tools write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", " ": "a blank"}
LINES_LOOKED_AT = 20
UNNAMED = ("", "unnamed: 0")
MOST_COLUMNS = 10_000
SHORTEST_COUNT = 10
"""Rows from which on a first column that counts is one of row numbers and no values."""


def read_table(path: Path, *, words: bool = False) -> NDArray:
    """Read a table: rows of cells between commas, semicolons, tabs or blanks, with a heading or none.

    Lines that start with # are passed over, and so is a column of row numbers without a name, as pandas writes it.

    Args:
        path: the file, in UTF-8.
        words: take a column of words as classes, in the order of the alphabet.

    Raises:
        ValueError: if that is not what the file holds, or whether a line or a column belongs to the values cannot be
            told; the message names separator, line or column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not a text in UTF-8; save it as such") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise ValueError("no rows")
    separator = _separator(lines)
    rows = [_cells(line, separator) for line in lines]
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise ValueError(f"row {number} has {len(row)} cells and row 1 has {len(rows[0])} ({_named(separator)})")
    if len(rows[0]) > MOST_COLUMNS:
        raise ValueError(f"{len(rows[0]):,} cells in a row; up to {MOST_COLUMNS:,} are read")
    heading, rows = _heading(rows)
    if not rows:
        raise ValueError("a heading and no rows")
    columns = list(zip(*rows, strict=True))
    values = [_column(column, name, words) for column, name in zip(columns, heading, strict=True)]
    if len(values) > 1 and len(rows) >= SHORTEST_COUNT and _counts(values[0]):
        if heading[0].lower() not in UNNAMED:
            raise ValueError(f"column {heading[0]} numbers the rows; leave it out (in pandas: index=False)")
        del values[0]
    table = np.stack(values, axis=1)
    whole = table.astype(np.int64) if np.isfinite(table).all() else table
    return whole if np.array_equal(whole, table) else table


def _separator(lines: Sequence[str]) -> str:
    some = lines[:LINES_LOOKED_AT]
    for separator in SEPARATORS:
        counts = {len(_cells(line, separator)) for line in some}
        if counts == {1} or len(counts) > 1:
            continue
        if separator == "," and any(";" in line for line in some):
            continue
        if separator == ";" and any("," in line for line in some):
            raise ValueError("semicolons between cells and commas in them; write decimal points")
        return separator
    if any(separator in line.strip() for line in some for separator in SEPARATORS):
        raise ValueError("rows of different numbers of cells, whether between commas, semicolons, tabs or blanks")
    return ","


def _cells(line: str, separator: str) -> list[str]:
    words = line.split() if separator == " " else line.split(separator)
    return [word.strip().strip('"').strip() for word in words]


def _named(separator: str) -> str:
    return f"{SEPARATORS[separator]} between cells"


def _heading(rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Names of the columns, and the rows below them; a heading has a word above a number, or no name above numbers."""
    first, rest = rows[0], rows[1:]
    numbered = [str(place) for place in range(1, len(first) + 1)]
    below = rest[0] if rest else []
    named = any(not _is_number(name) and _is_number(cell) for name, cell in zip(first, below, strict=False))
    counting = first in ([str(place) for place in range(len(first))], numbered) and len(first) > 1
    if named:
        return [name or place for name, place in zip(first, numbered, strict=True)] if first[0] else [
            "",
            *first[1:],
        ], rest
    if rest and all(not _is_number(cell) for cell in (*first, *below)):
        raise ValueError(f"row 1 ({', '.join(first)[:60]}) may be a heading or classes; save classes as numbers")
    if counting and rest and any(not _is_whole(cell) for cell in below):
        raise ValueError(f"row 1 ({', '.join(first)[:60]}) may be a heading; leave it out (in pandas: header=False)")
    return numbered, rows


def _column(cells: Sequence[str], name: str, words: bool) -> NDArray[np.float64]:
    values = np.array([float(cell) if _is_number(cell) else np.nan for cell in cells])
    missing = [row for row, cell in enumerate(cells, 1) if not cell]
    if missing:
        raise ValueError(f"column {name} has no value in row {missing[0]}")
    strange = [place for place in map(int, np.flatnonzero(np.isnan(values))) if not _is_number(cells[place])]
    if not strange:
        return values
    if words and len(strange) == len(cells):
        return np.unique(cells, return_inverse=True)[1].astype(np.float64)
    raise ValueError(f"column {name} holds '{cells[strange[0]][:40]}' in row {strange[0] + 1}, not a number")


def _counts(values: NDArray[np.float64]) -> bool:
    return bool((np.diff(values) == 1).all()) and values[0] in (0, 1)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _is_whole(word: str) -> bool:
    return word.lstrip("+-").isdigit()
