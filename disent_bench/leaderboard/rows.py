"""From records to rows: all seeds of one configuration, summarised score by score."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Any

import disent_metrics

from disent_bench.leaderboard.records import Record, score_changes, settings_text
from disent_bench.leaderboard.statistics import student_interval
from disent_bench.runs.result import Scoring

MISSING = "-"


@dataclass(frozen=True)
class ScoreSummary:
    """One score over seeds: mean, sample standard deviation (over n - 1) and 95 % interval of the mean.

    The last two are ``None`` for one seed. ``values`` holds the score of each of the ``seeds``; those of the seeds in
    ``crashed``, whose runs failed, are scores of the untrained network.
    """

    mean: float
    std: float | None = None
    ci95: tuple[float, float] | None = None
    seeds: tuple[int, ...] = ()
    higher_is_better: bool | None = None
    values: tuple[float, ...] = ()
    crashed: tuple[int, ...] = ()

    @property
    def n(self) -> int:
        """Number of seeds that have this score."""
        return len(self.seeds)


@dataclass(frozen=True)
class Row:
    """All seeds of one configuration of a method, scored in one way.

    ``seeds`` are the finished ones, ``failures`` gives the reason for each failed one, ``errors`` maps what
    could not be computed to the reason for each seed, ``untrained`` holds the finite untrained scores of the
    finished seeds, ``notes`` are those of all seeds, ``finished`` says when the last seed was done (ISO 8601),
    ``older`` how many rows of older versions of a plug-in were left out for this one, ``verified`` which seeds of a
    published row were recomputed. The other fields are those of
    `disent_bench.leaderboard.records.Record`.
    """

    protocol: str
    dataset: str
    source: str
    method: str
    key: str
    note: str
    changes: dict[str, Any]
    scoring: Scoring
    config: Mapping[str, Any]
    seeds: tuple[int, ...]
    failures: dict[int, str]
    scores: dict[str, ScoreSummary]
    errors: dict[str, dict[int, str]]
    untrained: dict[str, tuple[float, ...]]
    notes: tuple[str, ...] = ()
    label: str = ""
    tuning: Mapping[str, Any] = field(default_factory=dict)
    finished: str = ""
    older: int = 0
    suite: str = ""
    verified: tuple[int, ...] = ()

    @property
    def started(self) -> int:
        """Number of seeds that ended, well or not."""
        return len(self.seeds) + len(self.failures)

    @property
    def scored(self) -> tuple[str, str, str, str]:
        """What has to be equal for scores to compare, beside the data."""
        changes = settings_text(score_changes(self.changes))
        return self.protocol, self.scoring.label, changes, self.scoring.key

    @property
    def configuration(self) -> tuple[str, ...]:
        """That of its records (`disent_bench.leaderboard.records.Record.configuration`)."""
        protocol, label, changes, key = self.scored
        return (protocol, label, key, changes, self.dataset, self.source, self.method, self.key, self.suite)

    @property
    def under(self) -> str:
        """Protocol and scoring in words: ``protocol quick@2``."""
        scoring = self.scoring.label or self.protocol
        own = self.scoring.protocol in ("", self.protocol)
        return f"protocol {scoring}" if own else f"protocol {self.protocol}, scores of {scoring}"

    @property
    def network(self) -> dict[str, Any]:
        """The settings and versions that the untrained network depends on."""
        config = self.config
        if not config:
            return {}
        if not config.get("terms"):
            return {"method": self.method, **flat({"methods": config.get("methods", {})})}
        version = f"network {config.get('network')}"
        told = {version: config["versions"][version]} if version in config.get("versions", {}) else {}
        return {**flat({name: config.get(name) for name in ("network", "latent_dim", "bottleneck")}), **told}


def aggregate(records: Iterable[Record]) -> list[Row]:
    """Return one row per protocol, data set, source, method, key and way of scoring.

    A score that is not finite counts as missing, with that as its reason; it never enters a mean. A seed whose run
    failed counts with the scores of the untrained network: their mean over the finished seeds of its row, or over all
    rows of the same network that were scored in the same way; where none were, it counts for nothing.
    """
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.configuration].append(record)
    rows = {name: _row(sorted(groups[name], key=lambda r: r.seed)) for name in sorted(groups)}
    pooled: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows.values():
        for score, values in row.untrained.items():
            pooled[_alike(row)][score] += values
    return [_with_failures(row, pooled[_alike(row)]) for row in rows.values()]


def summarise(values: Mapping[int, float], key: str = "", crashed: Iterable[int] = ()) -> ScoreSummary:
    """Return mean, deviation and interval of the score ``key``, given its finite value for each seed."""
    better, bounds = disent_metrics.higher_is_better(key), disent_metrics.score_range(key)
    seeds = tuple(sorted(values))
    ordered = tuple(float(values[seed]) for seed in seeds)
    found = ScoreSummary(fmean(ordered), None, None, seeds, better, ordered, tuple(sorted(crashed)))
    if len(seeds) == 1:
        return found
    return replace(found, std=stdev(ordered), ci95=student_interval(ordered, bounds))


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings by dotted name."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        nested = isinstance(value, Mapping) and bool(value)
        found |= flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return found


def _row(records: Sequence[Record]) -> Row:
    """Summarise the runs of one configuration, sorted by seed."""
    done = [record for record in records if record.failure is None]
    values: dict[str, dict[int, float]] = defaultdict(dict)
    errors: dict[str, dict[int, str]] = defaultdict(dict)
    untrained: dict[str, list[float]] = defaultdict(list)
    for record in done:
        for name, reason in record.errors.items():
            errors[name][record.seed] = reason
        for name, value in record.scores.items():
            if math.isfinite(value):
                values[name][record.seed] = value
            else:
                errors[name].setdefault(record.seed, f"not a finite number ({value})")
        for name, value in record.untrained.items():
            if math.isfinite(value):
                untrained[name].append(value)
            else:
                errors[f"untrained {name}"][record.seed] = f"not a finite number ({value})"
    first = records[0]
    return Row(
        first.protocol,
        first.dataset,
        first.source,
        first.method,
        first.key,
        note=first.note,
        changes=first.changes,
        scoring=first.scoring,
        config=next((record.config for record in records if record.config), {}),
        seeds=tuple(record.seed for record in done),
        failures={record.seed: record.failure for record in records if record.failure is not None},
        scores={name: summarise(value, name) for name, value in values.items()},
        errors=dict(errors),
        untrained={name: tuple(value) for name, value in untrained.items()},
        notes=tuple(dict.fromkeys(note for record in done for note in record.notes)),
        label=first.label,
        tuning=first.tuning,
        finished=max((str(record.environment.get("finished", "")) for record in records), default=""),
        suite=first.suite,
        verified=tuple(record.seed for record in done if record.verified),
    )


def _alike(row: Row) -> str:
    """What untrained scores depend on beside the seed: data, scoring and network."""
    return json.dumps([row.scored, row.dataset, row.source, row.network], sort_keys=True, default=str)


def _with_failures(row: Row, pooled: Mapping[str, Sequence[float]]) -> Row:
    """Let failed seeds count with the scores of the untrained network."""
    if not row.failures:
        return row
    scores = dict(row.scores)
    for name, floor in pooled.items():
        if own := row.untrained.get(name, floor):
            values = dict(zip(scores[name].seeds, scores[name].values, strict=True)) if name in scores else {}
            failed = dict.fromkeys(row.failures, fmean(own))
            scores[name] = summarise({**values, **failed}, name, row.failures)
    return replace(row, scores=scores)
