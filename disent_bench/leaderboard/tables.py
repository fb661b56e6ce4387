"""From rows to tables that compare like with like: columns, best means and footnotes, in no format yet.

One table holds one protocol (with one set of score settings), one data set and one source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeVar

from disent_bench.leaderboard.records import Row, ScoreSummary, score_changes, settings_text

Cell = TypeVar("Cell")

MISSING = "-"
UNTRAINED = "(untrained)"

HEADINGS = {
    "mig": "MIG",
    "dci_disentanglement": "DCI D",
    "dci_completeness": "DCI C",
    "dci_informativeness_test": "DCI I",
    "sap": "SAP",
    "beta_vae_eval": "BetaVAE",
    "factor_vae_eval": "FactorVAE",
    "modularity": "Modularity",
    "explicitness_test": "Explicitness",
    "irs": "IRS",
    "info_m": "InfoM",
    "info_c": "InfoC",
    "info_e": "InfoE",
}


@dataclass(frozen=True)
class Column:
    """A score and what stands above it."""

    key: str
    heading: str


@dataclass(frozen=True)
class Line:
    """A row, its label, and the scores on which it is best."""

    label: str
    row: Row
    best: frozenset[str]


@dataclass(frozen=True)
class Table:
    """What one printed table says; ``untrained`` is the reference at its foot."""

    title: str
    notes: tuple[str, ...]
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    untrained: dict[str, float]
    footnotes: tuple[str, ...]


def tables(rows: Iterable[Row]) -> list[Table]:
    """Return one table per protocol, score settings, data set and source, sorted by these names.

    Changed settings that several rows share stand in the title, others in the labels of their lines. Lines are sorted
    by method, unchanged settings first. A score of the training side (``..._train``) has no column where its
    ``..._test`` or ``..._eval`` has one.
    """
    groups: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.protocol, settings_text(score_changes(row.changes)), row.dataset, row.source].append(row)
    return [_table(groups[name]) for name in sorted(groups)]


def grid(table: Table, text: Callable[[str], Cell], cell: Callable[[ScoreSummary, bool], Cell]) -> list[list[Cell]]:
    """Return the body of ``table``: label, number of seeds and scores; the untrained reference is last.

    Args:
        table: what to lay out.
        text: turns plain text into a cell.
        cell: turns a score, and whether it is the best of its column, into a cell.
    """
    body = []
    for line in table.lines:
        scores = [(line.row.scores.get(column.key), column.key in line.best) for column in table.columns]
        cells = [text(MISSING) if score is None else cell(score, best) for score, best in scores]
        body.append([text(line.label), text(str(len(line.row.seeds))), *cells])
    if table.untrained:
        means = [table.untrained.get(column.key) for column in table.columns]
        body.append([text(UNTRAINED), text(""), *(text(MISSING if m is None else number(m)) for m in means)])
    return body


def legend(table: Table, *, interval: bool, best: str) -> str:
    """Return what the marks of ``table`` mean: spread, ``interval`` if shown, how the ``best`` mean looks."""
    scores = [score for line in table.lines for score in line.row.scores.values()]
    parts = []
    if any(score.n > 1 for score in scores):
        parts.append("± standard deviation over n seeds")
        if interval:
            parts.append("[95 % bootstrap interval of the mean, too narrow for few seeds]")
    if any(line.best for line in table.lines):
        parts.append(f"{best}: best mean")
    return "; ".join(parts)


def number(value: float) -> str:
    """Return a score with three decimals, or four digits from 100 on."""
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.4g}"


def _table(rows: Sequence[Row]) -> Table:
    shared = _shared_changes(rows)
    labels = _labels(rows, shared)
    order = sorted(range(len(rows)), key=lambda i: (rows[i].method, len(rows[i].changes), labels[i]))
    rows, labels = [rows[i] for i in order], [labels[i] for i in order]
    columns = _columns(rows)
    best = {column.key: _best(column.key, rows) for column in columns}
    lines = tuple(
        Line(label, row, frozenset(key for key, places in best.items() if place in places))
        for place, (label, row) in enumerate(zip(labels, rows, strict=True))
    )
    first = rows[0]
    return Table(
        title=f"{first.dataset} ({first.source}), protocol {first.protocol}"
        + (f" [{settings_text(shared)}]" if shared else ""),
        notes=tuple(dict.fromkeys(row.note for row in rows if row.note)),
        columns=columns,
        lines=lines,
        untrained=_untrained(columns, rows),
        footnotes=(*_abbreviations(columns), *(note for line in lines for note in _reasons(line, columns))),
    )


def _shared_changes(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the changed settings that stand in the title: those of the scores, and all that several rows share."""
    changes = rows[0].changes
    if len(rows) == 1:
        return score_changes(changes)
    return {
        name: value
        for name, value in changes.items()
        if all(name in row.changes and row.changes[name] == value for row in rows)
    }


def _labels(rows: Sequence[Row], shared: Mapping[str, Any]) -> list[str]:
    """Name rows by method and settings not ``shared``; those that still share a name add the start of their key."""
    names = []
    for row in rows:
        changes = {name: value for name, value in row.changes.items() if name not in shared}
        names.append(f"{row.method} [{settings_text(changes)}]" if changes else row.method)
    return [f"{n} #{row.key[:6]}" if names.count(n) > 1 else n for n, row in zip(names, rows, strict=True)]


def _columns(rows: Sequence[Row]) -> tuple[Column, ...]:
    keys = list(dict.fromkeys(key for row in rows for key in row.scores))
    lower = {key for row in rows for key, score in row.scores.items() if score.higher_is_better is False}
    stems = {key.removesuffix(end) for key in keys for end in ("_test", "_eval") if key.endswith(end)}
    return tuple(
        Column(key, HEADINGS.get(key, key) + (" ↓" if key in lower else ""))
        for key in keys
        if not (key.endswith("_train") and key.removesuffix("_train") in stems)
    )


def _best(key: str, rows: Sequence[Row]) -> set[int]:
    """Return the places of the best mean as printed, ties included; none without a rival or a direction."""
    scores = {place: row.scores[key] for place, row in enumerate(rows) if key in row.scores}
    directions = {score.higher_is_better for score in scores.values()}
    if len(scores) < 2 or directions not in ({True}, {False}):
        return set()
    pick = max if directions == {True} else min
    top = number(pick(score.mean for score in scores.values()))
    return {place for place, score in scores.items() if number(score.mean) == top}


def _untrained(columns: Sequence[Column], rows: Sequence[Row]) -> dict[str, float]:
    """Return the mean over all runs of the table, for the scores that were taken before training."""
    values = {column.key: [v for row in rows for v in row.untrained.get(column.key, ())] for column in columns}
    return {key: fmean(found) for key, found in values.items() if found}


def _abbreviations(columns: Sequence[Column]) -> list[str]:
    """Spell out the headings that a reader could not trace back to the name of the score."""
    short = [
        f"{heading} = {column.key}"
        for column in columns
        if (heading := HEADINGS.get(column.key)) and not column.key.replace("_", "").startswith(heading.lower())
    ]
    return [", ".join(short)] if short else []


def _reasons(line: Line, columns: Sequence[Column]) -> list[str]:
    """Say which seeds failed and which scores are missing, once per reason."""
    row = line.row
    said = _by_reason(row.failures, "failed")
    for name, reasons in row.errors.items():
        said += _by_reason(reasons, f"without {name}")
    explained = {seed for reasons in row.errors.values() for seed in reasons}
    absent: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for column in columns:
        present = row.scores[column.key].seeds if column.key in row.scores else ()
        absent[tuple(seed for seed in row.seeds if seed not in present and seed not in explained)].append(column.key)
    said += [f"{_seeds(seeds)} without {', '.join(names)}: not recorded" for seeds, names in absent.items() if seeds]
    return [f"{line.label}: {text}" for text in said]


def _by_reason(reasons: Mapping[int, str], what: str) -> list[str]:
    seeds: dict[str, list[int]] = defaultdict(list)
    for seed, reason in reasons.items():
        seeds[reason].append(seed)
    return [f"{_seeds(found)} {what}: {reason}" for reason, found in seeds.items()]


def _seeds(seeds: Sequence[int]) -> str:
    """Return ``seed 3`` or ``seeds 0-2, 5``."""
    runs: list[list[int]] = []
    for seed in sorted(seeds):
        if runs and runs[-1][-1] == seed - 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    spans = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"seed{'s' if len(seeds) > 1 else ''} {spans}"
