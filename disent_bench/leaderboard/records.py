"""From the results in a runs folder to rows: mean, spread and interval of every score over seeds.

A row gathers the seeds of one configuration. Runs under different protocols, score settings, data sets or
sources never share one. This file and what it imports know nothing of training.
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, TypeVar

import disent_metrics
import numpy as np

T = TypeVar("T")

SCHEMA = 1
RESAMPLES = 10_000
SCORE_SETTING = "scores."


@dataclass(frozen=True)
class Record:
    """One finished or failed run, as its folder tells it.

    ``changes`` holds the settings that differ from the protocol's, ``errors`` the reason for each score that
    could not be computed, ``untrained`` the scores of the same network before training, ``failure`` why a
    failed run has no result.
    """

    protocol: str
    dataset: str
    source: str
    method: str
    key: str
    seed: int
    note: str = ""
    changes: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    untrained: dict[str, float] = field(default_factory=dict)
    failure: str | None = None


@dataclass(frozen=True)
class ScoreSummary:
    """One score over seeds: mean, sample standard deviation (over n - 1) and 95 % bootstrap interval.

    The last two are ``None`` for one seed.
    """

    mean: float
    std: float | None = None
    ci95: tuple[float, float] | None = None
    seeds: tuple[int, ...] = ()
    higher_is_better: bool | None = None

    @property
    def n(self) -> int:
        """Number of seeds that have this score."""
        return len(self.seeds)


@dataclass(frozen=True)
class Row:
    """All seeds of one configuration of a method.

    ``seeds`` are the finished ones, ``failures`` gives the reason for each failed one, ``errors`` maps what
    could not be computed to the reason for each seed, ``untrained`` holds the finite untrained scores of the
    finished seeds.
    """

    protocol: str
    dataset: str
    source: str
    method: str
    key: str
    note: str
    changes: dict[str, Any]
    seeds: tuple[int, ...]
    failures: dict[int, str]
    scores: dict[str, ScoreSummary]
    errors: dict[str, dict[int, str]]
    untrained: dict[str, tuple[float, ...]]


def read_records(
    runs: Path, *, protocol: str | None = None, dataset: str | None = None, method: str | None = None
) -> list[Record]:
    """Read every finished and failed run under ``runs/<protocol>/<dataset>/<method>/<key>/seed-<n>/``.

    Unfinished runs have neither ``result.json`` nor ``failure.json`` and are passed over; a result outweighs
    an earlier failure. A file that cannot be used, or that repeats a run read from another folder, is named
    on stderr and left out.

    Args:
        runs: the folder; a missing one holds no runs.
        protocol: keep this protocol only.
        dataset: keep this data set only.
        method: keep this method only.
    """
    found: dict[tuple[str, str, str, str, str, str, int], Record] = {}
    for folder in sorted(runs.glob("*/*/*/*/seed-*")):
        path = next((folder / name for name in ("result.json", "failure.json") if (folder / name).exists()), None)
        if path is None:
            continue
        try:
            record = _parse(json.loads(path.read_text(encoding="utf-8")), failed=path.name == "failure.json")
        except (OSError, ValueError) as error:
            print(f"left out {path}: {_one_line(error)}", file=sys.stderr)
            continue
        if found.setdefault((*_configuration(record), record.seed), record) is not record:
            print(f"left out {path}: another folder holds seed {record.seed} of the same run", file=sys.stderr)
    wanted = {"protocol": protocol, "dataset": dataset, "method": method}
    return [r for r in found.values() if all(v is None or getattr(r, k) == v for k, v in wanted.items())]


def aggregate(records: Iterable[Record]) -> list[Row]:
    """Return one row per protocol (with its score settings), data set, source, method and key.

    A score that is not finite counts as missing, with that as its reason; it never enters a mean.
    """
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        groups[_configuration(record)].append(record)
    return [_row(sorted(groups[name], key=lambda r: r.seed)) for name in sorted(groups)]


def summarise(values: Mapping[int, float], *, higher_is_better: bool | None = None) -> ScoreSummary:
    """Return mean, deviation and interval of one score, given its finite value for each seed."""
    seeds = tuple(sorted(values))
    ordered = [float(values[seed]) for seed in seeds]
    if len(seeds) == 1:
        return ScoreSummary(ordered[0], None, None, seeds, higher_is_better)
    return ScoreSummary(fmean(ordered), stdev(ordered), bootstrap_interval(ordered), seeds, higher_is_better)


def bootstrap_interval(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean (Efron 1979).

    The 2.5th and 97.5th percentile of the means of resamples; the same values give the same interval. With
    few values it is too narrow: of such intervals from n Gaussian values, about 52 % cover the true mean for
    n = 2, 75 % for 3, 84 % for 5, 89 % for 10 and 92 % for 20 (simulated, 3,000 cases each).

    Args:
        values: finite numbers, two at least.
        resamples: number of resampled means.
        seed: of the resampling.

    Raises:
        ValueError: if there are fewer than two values or one is not finite.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or data.size < 2 or not np.isfinite(data).all():
        raise ValueError(f"values must be two or more finite numbers to resample, not {values!r}")
    chosen = np.random.default_rng(seed).integers(data.size, size=(resamples, data.size))
    ends = np.percentile(data[chosen].mean(axis=1), [2.5, 97.5])
    # Rounding may carry the mean of equal numbers past them.
    low, high = np.clip(ends, data.min(), data.max())
    return float(low), float(high)


def score_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the ``changes`` that alter how scores are computed: results no longer compare."""
    return {name: value for name, value in changes.items() if name.startswith(SCORE_SETTING)}


def settings_text(changes: Mapping[str, Any]) -> str:
    """Return ``changes`` as one would type them: ``batch_size=32, steps=200``; empty for none."""
    return ", ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in sorted(changes.items())
    )


def _configuration(record: Record) -> tuple[str, str, str, str, str, str]:
    scoring = settings_text(score_changes(record.changes))
    return record.protocol, scoring, record.dataset, record.source, record.method, record.key


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
    better = disent_metrics.higher_is_better
    return Row(
        first.protocol,
        first.dataset,
        first.source,
        first.method,
        first.key,
        note=first.note,
        changes=first.changes,
        seeds=tuple(record.seed for record in done),
        failures={record.seed: record.failure for record in records if record.failure is not None},
        scores={name: summarise(value, higher_is_better=better(name)) for name, value in values.items()},
        errors=dict(errors),
        untrained={name: tuple(value) for name, value in untrained.items()},
    )


def _parse(document: Any, *, failed: bool) -> Record:
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    if document.get("schema") != SCHEMA:
        raise ValueError(f"'schema' is {document.get('schema')!r}; this version reads {SCHEMA}")
    identity: dict[str, Any] = {
        name: _get(document, name, str) for name in ("protocol", "dataset", "source", "method", "key", "note")
    }
    seed, changes = _get(document, "seed", int), _get(document, "changes", dict)
    if failed:
        return Record(**identity, seed=seed, changes=changes, failure=_one_line(_get(document, "reason", str)))
    return Record(
        **identity,
        seed=seed,
        changes=changes,
        scores=_numbers(document, "scores"),
        errors={name: _one_line(reason) for name, reason in _get(document, "errors", dict).items()},
        untrained=_numbers(document, "untrained"),
    )


def _get(document: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = document.get(name)
    if not isinstance(value, kind):
        raise ValueError(f"'{name}' should be of type {kind.__name__}, not {value!r}")
    return value


def _numbers(document: Mapping[str, Any], name: str) -> dict[str, float]:
    """Return a mapping of numbers; ``null``, which strict JSON writes for NaN, reads as NaN."""
    numbers = {key: math.nan if value is None else value for key, value in _get(document, name, dict).items()}
    for key, value in numbers.items():
        if not isinstance(value, int | float):
            raise ValueError(f"'{name}' holds {value!r} for {key}, not a number")
    return numbers


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
