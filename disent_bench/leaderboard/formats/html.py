"""HTML: one page that needs no network, with what stands behind each row."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from disent_bench.leaderboard.blocks import blocks
from disent_bench.leaderboard.charts import Chart, dot_chart, line_chart
from disent_bench.leaderboard.details import Run, runs_of
from disent_bench.leaderboard.document import around, interval_text, spread
from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.records import settings_text
from disent_bench.leaderboard.rows import MISSING, Row, ScoreSummary
from disent_bench.leaderboard.statistics import rank_correlations
from disent_bench.leaderboard.tables import HEADINGS, Line, Table, contrast_grid, mark, number, tables

DRAWN_LINES = 60
"""Lines of a table that are drawn; more cannot be told apart."""
ENOUGH_RUNS = 10
"""Runs from which it is said how far scores agree."""
LIBRARY = "vendor/datatables-3.1.5.min.js"
SCRIPT = "page.js"


@dataclass(frozen=True)
class Section:
    """A table and what is drawn of it; ``runs`` stand behind its lines, by the place of the line."""

    name: str
    table: Table
    runs: Sequence[Sequence[Run]]

    @property
    def row(self) -> Row:
        """The first of the table, which says what its rows share."""
        return self.table.lines[0].row

    @property
    def under(self) -> str:
        """Protocol, scoring and changed settings of scores."""
        changes, under = self.row.scored[2], self.row.under.removeprefix("protocol ")
        return f"{under} [{changes}]" if changes else under

    @property
    def dataset(self) -> str:
        """Data set and where its images come from."""
        return f"{self.row.dataset} ({self.row.source})"

    @property
    def notes(self) -> list[str]:
        """What stands around the table."""
        return around(self.table, interval=True)

    @property
    def compared(self) -> list[list[str]]:
        """Each method less its base; a head and lines, or nothing."""
        return contrast_grid(self.table)

    @property
    def drawn(self) -> tuple[Line, ...]:
        """The lines that are drawn."""
        return self.table.lines[:DRAWN_LINES]

    @cached_property
    def dots(self) -> list[Chart]:
        """Every seed of each score."""
        charts = []
        for column in self.table.columns:
            scores = {line.label: line.row.scores[column.key] for line in self.drawn if column.key in line.row.scores}
            floor = {label: each[column.key] for label, each in self.table.untrained.items() if column.key in each}
            charts += [dot_chart(column.heading, scores, floor)] if scores else []
        return charts

    @cached_property
    def steps(self) -> list[Chart]:
        """Scores against steps, of the runs that are told in full."""
        charts = []
        for column in self.table.columns:
            series = {}
            for line, runs in zip(self.drawn, self.runs, strict=False):
                found = [run.logged.get(f"scores/{column.key}", {}) for run in runs if run.told]
                if found := [each for each in found if len(each) > 2]:  # not only before and after
                    series[line.label] = found
            charts += [line_chart(column.heading, series)] if series else []
        return charts

    @cached_property
    def agreement(self) -> tuple[list[str], list[list[float]], int] | None:
        """Headings, rank correlations of scores over finished runs that have all, and how many; None for too few."""
        columns = self.table.columns
        lines = [_finished([line.row.scores.get(column.key) for column in columns]) for line in self.table.lines]
        values = np.array([run for line in lines for run in line])
        if len(values) < ENOUGH_RUNS or len(columns) < 2:
            return None
        return [column.heading for column in columns], rank_correlations(values).tolist(), len(values)


def write(rows: Sequence[Row], page: Page) -> str:
    """Return the whole page."""
    headings = {**HEADINGS, **page.names}
    runs = dict(zip(map(id, rows), runs_of(rows, page.records, headings), strict=True))
    sections = [
        Section(f"table-{place}", table, [runs[id(line.row)] for line in table.lines])
        for place, table in enumerate(tables(rows, page.names, page.against), 1)
    ]
    told = [run.told for found in runs.values() for run in found]
    environment = Environment(
        loader=PackageLoader("disent_bench.leaderboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "spread": spread, "interval": interval_text, "settings": settings_text}
    environment.globals |= {"mark": mark, "order": _order, "shade": _shade, "missing": MISSING}
    scripts = [_source(environment, name) for name in (LIBRARY, SCRIPT)]
    return environment.get_template("page.html").render(
        sections=sections,
        blocks=blocks(rows, page),
        empty=page.empty,
        version=version("disent-bench"),
        scripts=scripts,
        policy=" ".join(f"'sha256-{_digest(script)}'" for script in scripts),
        style=_source(environment, "page.css"),
        told=(sum(told), len(told)),
        drawn=DRAWN_LINES,
    )


def _finished(scores: Sequence[ScoreSummary | None]) -> list[list[float]]:
    """The values of those seeds of a line that have every score and did not fail."""
    by_seed = []
    for score in scores:
        if score is None:
            return []
        found = dict(zip(score.seeds, score.values, strict=True))
        by_seed.append({seed: value for seed, value in found.items() if seed not in score.crashed})
    common = set.intersection(*map(set, by_seed)) if by_seed else set()
    return [[values[seed] for values in by_seed] for seed in sorted(common)]


def _source(environment: Environment, name: str) -> str:
    """A file of the package, to stand in the page as it is."""
    return environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()


def _order(score: ScoreSummary | None) -> str:
    """What a cell is sorted by."""
    return "" if score is None else repr(score.mean)


def _shade(value: float) -> str:
    """How strong a correlation is, in percent of a full colour."""
    return "0" if math.isnan(value) else f"{100 * abs(value):.0f}"
