"""Formats of a leaderboard, one per file, called like the file: each has ``write(rows, page) -> text``."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from disent_bench.leaderboard.records import Record


@dataclass(frozen=True)
class Page:
    """Where a leaderboard is shown.

    Attributes:
        runs: the folder that was read, named when there are no rows.
        width: columns of the terminal; its own if None, 80 without one.
        styled: whether the terminal shows bold text.
        names: what methods, lines and scores are to be called, by their own names.
        against: the method with which others are compared, in place of each one's base.
        published: whether numbers that papers print are shown too.
        records: the runs behind the rows, for formats that show them.
    """

    runs: Path = Path("runs")
    width: int | None = None
    styled: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    against: str | None = None
    published: bool = False
    records: Sequence[Record] = ()

    @property
    def empty(self) -> str:
        """What stands in place of the tables when there are no rows."""
        return f"no finished runs in {self.runs} yet; this makes one: disent-bench run --method topdis"


def format_names() -> list[str]:
    """Return the names of all formats."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
