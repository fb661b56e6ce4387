"""Planned comparisons: each method against the one that it adds something to, on equal terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from disent_bench.config.protocols import DEFAULT_PRIMARY, load_protocol, protocol_names
from disent_bench.leaderboard.rows import Row, ScoreSummary
from disent_bench.leaderboard.statistics import holm, least_p, permutation_p, welch_interval

ENOUGH_SEEDS = 5
"""Seeds of each group from which a difference is judged."""
LEVEL = 0.05
OWN = ("method", "methods", "terms", "bottleneck", "changes", "versions", "note", "plugins", "label")
"""Parts of a configuration that may differ between a method and what it is compared with."""
IDLE = ("log_every", "gradient_shares", "checkpoint_every", "evaluate_every", "evaluate_during", "scores")
"""Parts of a configuration on which trained weights do not depend."""
Verdict = Literal["better", "worse", "level", "preview", ""]


@dataclass(frozen=True)
class Contrast:
    """A score of a method less that of another one.

    Attributes:
        row: of the method.
        against: the row that it is compared with.
        score: name of the score.
        difference: of the means.
        ci95: Welch's interval of the difference; None below two seeds in either group.
        p: of the exact permutation test, for a primary score; None for others, on which nothing is judged.
        adjusted: by Holm, over all contrasts of the table on primary scores; None also for a preview.
        reachable: whether the smallest p-value that so many seeds can give would be significant in this family.
        verdict: of a primary score: better or worse if ``adjusted`` is at most .05, else level, which does not mean
            equal; preview below five seeds. Empty for other scores.
    """

    row: Row
    against: Row
    score: str
    difference: float
    ci95: tuple[float, float] | None
    p: float | None = None
    adjusted: float | None = None
    reachable: bool = True
    verdict: Verdict = ""


def contrasts(rows: Sequence[Row], against: str | None = None) -> list[Contrast]:
    """Compare the rows of one table, each with its base: the sum without its last part, trained in the same way.

    Where the table lacks that one, the sum without an earlier regulariser serves. A base method has no base of its own,
    and a row without one in the table is not compared. Seeds are treated as unpaired: one seed means the same weights
    and images at the start, but other noise from the first step on.

    Args:
        rows: of one table.
        against: the method with which all others are compared instead: its row that was trained likewise, else any,
            with the fewest changed settings.
    """
    found = []
    for row in rows:
        if (other := _rival(row, rows, against)) is not None:
            found += [
                _contrast(row, other, name, row.scores[name], other.scores[name])
                for name in row.scores
                if name in other.scores
            ]
    enough = [place for place, each in enumerate(found) if min(_seeds(each)) >= ENOUGH_SEEDS]
    judged = {place: p for place in enough if (p := found[place].p) is not None}
    for place, p in zip(judged, holm([*judged.values()]), strict=True):
        reachable = least_p(*_seeds(found[place])) * len(judged) <= LEVEL
        found[place] = replace(found[place], adjusted=p, reachable=reachable, verdict=_verdict(found[place], p))
    return found


@cache
def primary_scores(protocol: str) -> Sequence[str]:
    """Return the scores on which a protocol judges methods; those of most protocols for one that is not known."""
    return load_protocol(protocol).primary if protocol in protocol_names() else DEFAULT_PRIMARY


def _contrast(row: Row, other: Row, name: str, own: ScoreSummary, theirs: ScoreSummary) -> Contrast:
    interval = welch_interval(own.values, theirs.values) if min(own.n, theirs.n) > 1 else None
    found = Contrast(row, other, name, own.mean - theirs.mean, interval)
    if name not in primary_scores(row.scoring.protocol):
        return found
    return replace(found, p=permutation_p(own.values, theirs.values), verdict="preview")


def _verdict(contrast: Contrast, p: float) -> Verdict:
    better = contrast.row.scores[contrast.score].higher_is_better
    if p > LEVEL or better is None:
        return "level"
    return "better" if (contrast.difference > 0) == better else "worse"


def _seeds(contrast: Contrast) -> tuple[int, int]:
    return contrast.row.scores[contrast.score].n, contrast.against.scores[contrast.score].n


def _rival(row: Row, rows: Sequence[Row], against: str | None) -> Row | None:
    """The row to compare with."""
    if against is not None:
        others = [other for other in rows if other.method == against and other is not row and row.method != against]
        alike = [other for other in others if _training(other) == _training(row)] or others
        return min(alike, key=lambda other: (other.suite != row.suite, len(other.changes)), default=None)
    parts = row.config.get("methods", {})
    if len(parts) < 2:
        return None
    for left_out in reversed(list(parts)[1:]):
        base = {name: arguments for name, arguments in parts.items() if name != left_out}
        alike = [other for other in rows if other.config.get("methods") == base and _within(other, row)]
        if alike:
            return min(alike, key=lambda other: (other.suite != row.suite, len(other.changes)))
    return None


def _training(row: Row) -> dict[str, Any]:
    """How a row was trained, apart from its method."""
    return {name: value for name, value in row.config.items() if name not in (*OWN, *IDLE)}


def _within(base: Row, row: Row) -> bool:
    """Whether a base was trained like the sum, with terms that are the sum's as well."""
    terms = row.config.get("terms", {})
    same = all(terms.get(name) == settings for name, settings in base.config.get("terms", {}).items())
    bottlenecks = (base.config.get("bottleneck"), row.config.get("bottleneck"))
    return same and bottlenecks[0] == bottlenecks[1] and _training(base) == _training(row)
