"""What stands behind a row of a page: its runs, with settings, curves, pictures and where they come from."""

from __future__ import annotations

import base64
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from disent_bench.leaderboard.charts import Chart, line_chart
from disent_bench.leaderboard.contrasts import primary_scores
from disent_bench.leaderboard.records import Record
from disent_bench.leaderboard.rows import Row
from disent_bench.leaderboard.tables import number
from disent_bench.runs.folder import RunFolder

DETAILED_RUNS = 200
"""Runs of which a page shows more than their scores: one of each row first."""
PICTURE_BYTES = 24_000_000
"""Pictures that a page holds."""
PICTURES = {
    "traversals": "what each latent does to an image",
    "reconstructions": "images and what the model makes of them",
    "importance": "importance of latents for factors",
}
"""The pictures of a run, and what they show."""
PASSED_OVER = ("throughput/", "weighted/")


@dataclass(frozen=True)
class Picture:
    """A picture within the page."""

    name: str
    text: str
    source: str


@dataclass(frozen=True)
class Run:
    """One run, told in full or by its scores alone.

    Attributes:
        record: its result.
        scores: what it scored, by heading; for a failed run nothing.
        told: whether the page tells more of it.
        picture_sources: where its pictures lie, by name.
    """

    record: Record
    scores: Mapping[str, str]
    told: bool
    picture_sources: Mapping[str, Path]

    @cached_property
    def logged(self) -> dict[str, dict[int, float]]:
        """Finite values by step that it has logged, by name."""
        return RunFolder(self.record.folder).curves() if self.told else {}

    @property
    def curves(self) -> list[Chart]:
        """What was logged more than once, against steps, the loss first."""
        names = [n for n, v in self.logged.items() if len(v) > 1 and not n.startswith(PASSED_OVER)]
        return [line_chart(name, {name: [self.logged[name]]}) for name in sorted(names, key=lambda n: n != "loss")]

    @property
    def pictures(self) -> list[Picture]:
        """Its pictures."""
        return [
            Picture(name, PICTURES[name], f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}")
            for name, path in self.picture_sources.items()
        ]

    @property
    def configuration(self) -> str:
        """The resolved configuration as YAML."""
        return yaml.safe_dump(dict(self.record.config), sort_keys=False) if self.record.config else ""

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the result comes from."""
        training = {f"training, {name.replace('_', ' ')}": value for name, value in self.record.training.items()}
        environment = {name.replace("_", " "): value for name, value in self.record.environment.items()}
        said = {**environment, **training, "folder": self.record.folder}
        return {name: value for name, value in said.items() if value not in (None, {}, "")}


def runs_of(rows: Sequence[Row], records: Sequence[Record], headings: Mapping[str, str]) -> list[list[Run]]:
    """Return the runs of each row, seeds in order; the representative ones are told in full.

    Args:
        rows: of all tables.
        records: the runs, others than those of the rows among them.
        headings: what scores are called.
    """
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.configuration].append(record)
    own = [sorted(groups[row.configuration], key=lambda record: record.seed) for row in rows]
    turns = zip_longest(*(representative_first(row, found) for row, found in zip(rows, own, strict=True)))
    order = [record for turn in turns for record in turn if record is not None][:DETAILED_RUNS]
    told = {id(record) for record in order}
    pictures, room = {}, PICTURE_BYTES
    for record in order:
        paths = {name: path for name in PICTURES if (path := record.folder / f"{name}.png").exists()}
        size = sum(path.stat().st_size for path in paths.values())
        if paths and size <= room:
            pictures[id(record)] = paths
            room -= size
    return [
        [Run(each, _scores(each, headings), id(each) in told, pictures.get(id(each), {})) for each in found]
        for found in own
    ]


def representative_first(row: Row, records: Sequence[Record]) -> list[Record]:
    """Return the run nearest to the median of the first primary score, then the others; failed ones last."""
    scores = [name for name in primary_scores(row.scoring.protocol) if name in row.scores]
    middle = median(row.scores[scores[0]].values) if scores else math.nan

    def distance(record: Record) -> tuple[bool, float]:
        value = record.scores.get(scores[0], math.nan) if scores else math.nan
        away = abs(value - middle)
        return record.failure is not None, away if math.isfinite(away) else math.inf

    return sorted(records, key=distance)


def _scores(record: Record, headings: Mapping[str, str]) -> dict[str, str]:
    shown = {name: value for name, value in record.scores.items() if not name.endswith("_train")}
    return {headings.get(name, name): number(value) for name, value in shown.items()}
