"""Methods across data sets: where they stand, and how sure that is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from disent_bench.leaderboard.contrasts import ENOUGH_SEEDS, primary_scores
from disent_bench.leaderboard.records import score_changes, settings_text
from disent_bench.leaderboard.rows import Row
from disent_bench.leaderboard.statistics import Standing, standings

RENDERED = "rendered"
"""Source of look-alikes."""


@dataclass(frozen=True)
class Across:
    """Methods that were run on the same data sets, by one score.

    Attributes:
        protocol: of the training.
        scoring: label of the scoring.
        under: both in words.
        score: name of the score; higher is better.
        datasets: their names.
        standings: by label of the method, best first.
        left_out: labels of those that lack a data set, or have fewer than five seeds on one.
    """

    protocol: str
    scoring: str
    under: str
    score: str
    datasets: tuple[str, ...]
    standings: dict[str, Standing]
    left_out: tuple[str, ...] = ()


def across(rows: Sequence[Row]) -> list[Across]:
    """Return the standings of methods by each primary score, for every way of scoring with two data sets at least.

    Look-alikes and originals are never mixed, nor are own and published rows, protocols, score settings or versions. A
    method is told by its name and changed settings, or the user's label. Values are not normalised: a score has one
    range on all data sets.
    """
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[*row.scored, str(row.source == RENDERED), row.suite].append(row)
    found = []
    for name in sorted(groups):
        for score in primary_scores(groups[name][0].scoring.protocol):
            found += _by_score(groups[name], score)
    return found


def _by_score(rows: Sequence[Row], score: str) -> list[Across]:
    if not all(row.scores[score].higher_is_better for row in rows if score in row.scores):
        return []
    lines: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        scored = score_changes(row.changes)
        changes = settings_text({name: value for name, value in row.changes.items() if name not in scored})
        name = row.label or (f"{row.method} [{changes}]" if changes else row.method)
        known = lines[name].setdefault(row.dataset, row)
        if known.started < row.started:  # versions of one name: the one with more seeds
            lines[name][row.dataset] = row
    datasets = sorted({row.dataset for row in rows if score in row.scores})
    if len(datasets) < 2:
        return []
    whole = {
        name: own
        for name, own in lines.items()
        if all(d in own and score in own[d].scores and own[d].scores[score].n >= ENOUGH_SEEDS for d in datasets)
    }
    if len(whole) < 2:
        return []
    values = {name: [own[d].scores[score].values for d in datasets] for name, own in whole.items()}
    first = rows[0]
    scoring = first.scoring.label or first.protocol
    left_out = tuple(sorted(set(lines) - set(whole)))
    under = f"{first.under}, {first.suite}" if first.suite else first.under
    return [Across(first.protocol, scoring, under, score, tuple(datasets), standings(values), left_out)]
