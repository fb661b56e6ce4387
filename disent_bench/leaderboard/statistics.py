"""Statistics over seeds: intervals, exact tests, and comparisons across data sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Sequence[float]
Array = NDArray[np.float64]
CONFIDENCE = 0.95
EXACT_SPLITS = math.comb(20, 10)
"""The most splits that are gone through one by one."""
DRAWN_SPLITS = 20_000
"""As many are drawn where there are more."""
ROUNDING = 1e-9
"""Differences that are apart by less than this share of the largest are ties: sums in another order."""
DRAWS = 2000


def student_interval(values: Values, bounds: tuple[float, float] = (-math.inf, math.inf)) -> tuple[float, float]:
    r"""95 % interval of the mean by Student's t (1908), cut to the range of the score.

    .. math:: \bar x \pm t_{0.975, n-1} s / \sqrt n

    Of such intervals from Gaussian values 95 % cover the true mean, whatever n. A percentile bootstrap covers it in
    about 52 % of cases for n = 2, 75 % for 3, 84 % for 5 and 89 % for 10 (simulated).

    Args:
        values: finite numbers, two at least.
        bounds: lowest and highest value that the score can have.

    Raises:
        ValueError: if there are fewer than two values or one is not finite.
    """
    _checked(values)
    mean, half = fmean(values), _quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return min(mean, max(mean - half, bounds[0])), max(mean, min(mean + half, bounds[1]))


def welch_interval(first: Values, second: Values) -> tuple[float, float]:
    r"""95 % interval of the difference of two means, ``first`` less ``second``, by Welch (1947).

    .. math:: \bar x - \bar y \pm t_{0.975, \nu} \sqrt{v_x + v_y}, \quad v = s^2 / n, \quad
        \nu = (v_x + v_y)^2 / \left(\frac{v_x^2}{n_x - 1} + \frac{v_y^2}{n_y - 1}\right)

    Two groups without any spread have an interval without length.

    Raises:
        ValueError: as `student_interval`, for either group.
    """
    _checked(first)
    _checked(second)
    difference = fmean(first) - fmean(second)
    variances = [stdev(group) ** 2 / len(group) for group in (first, second)]
    total = sum(variances)
    if total == 0:
        return difference, difference
    shares = [variance / total for variance in variances]  # squares of tiny variances would be 0
    freedom = 1 / sum(share**2 / (len(group) - 1) for share, group in zip(shares, (first, second), strict=True))
    half = _quantile(freedom) * math.sqrt(total)
    return difference - half, difference + half


def permutation_p(first: Values, second: Values, seed: int = 0) -> float:
    """Two-sided p-value of a difference of means, by Fisher's exact two-sample permutation test (1935).

    The share of all ways to split the values into groups of these sizes whose means differ by at least as much; no
    distribution is assumed. Up to `EXACT_SPLITS` (10 values in each group) every split is counted; of more, some
    are drawn at random and the split at hand is counted among them (Phipson & Smyth 2010).

    Args:
        first: finite numbers, at least one.
        second: likewise.
        seed: of the draws.

    Raises:
        ValueError: if a group is empty or a value is not finite.
    """
    _checked(first, 1)
    _checked(second, 1)
    values, size = np.array([*first, *second], dtype=np.float64), len(first)
    values = values - values.mean()  # with means apart by rounding alone, ties would be lost
    exact = math.comb(len(values), size) <= EXACT_SPLITS
    if exact:
        sums = values[_splits(len(values), size)].sum(axis=1)
    else:
        drawn = np.random.default_rng(seed).permuted(np.tile(values, (DRAWN_SPLITS, 1)), axis=1)
        sums = drawn[:, :size].sum(axis=1)
    observed = abs(values[:size].sum())
    reached = np.abs(sums) >= observed - ROUNDING * np.abs(values).sum()
    return float(reached.mean()) if exact else float((reached.sum() + 1) / (len(sums) + 1))


def least_p(first: int, second: int) -> float:
    """Return the smallest p-value that `permutation_p` can give for groups of these sizes and distinct values.

    With groups of one size a split and its mirror image differ equally.
    """
    return (2 if first == second else 1) / math.comb(first + second, first)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of a family of tests by Holm (1979), in their order.

    .. math:: \\tilde p_{(i)} = \\max_{j \\le i} \\min(1, (m - j + 1) p_{(j)})

    Rejecting where the adjusted value is at most alpha errs in any of the family with probability at most alpha,
    however the tests depend on each other.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def improvement_probability(first: Sequence[Values], second: Sequence[Values]) -> float:
    """Probability that a run of one method beats a run of another on a task drawn at random (Agarwal et al. 2021).

    The mean over tasks of Mann and Whitney's U over n m: ties count one half. Higher values are better.

    Args:
        first: the values of each task, in the order of ``second``.
        second: those of the other method.
    """
    return fmean(
        float(np.mean(_wins(np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64))))
        for one, other in zip(first, second, strict=True)
    )


def interquartile_mean(tasks: Sequence[Values]) -> float:
    """Mean of the middle half of all values of all tasks (Agarwal et al. 2021).

    As there, a quarter of the values, rounded down to whole ones, goes at either end.
    """
    values = np.sort(np.concatenate([np.asarray(task, dtype=np.float64) for task in tasks]))
    cut = len(values) // 4
    return float(values[cut : len(values) - cut].mean())


@dataclass(frozen=True)
class Standing:
    """A method among others, across data sets.

    Attributes:
        interquartile_mean: of its values, with 95 % interval ``interquartile_range``.
        rank: its place by that mean, 1 for the best, with the range of 95 % of draws, ``rank_range``.
        group: letter of those whose ranges overlap one after the other.
        beats: probability that its run beats one of the others on a task drawn at random, by their names, with 95 %
            interval ``beats_range``.
    """

    interquartile_mean: float
    interquartile_range: tuple[float, float]
    rank: int
    rank_range: tuple[float, float]
    group: str
    beats: dict[str, float]
    beats_range: dict[str, tuple[float, float]]


def standings(values: Mapping[str, Sequence[Values]], *, draws: int = DRAWS, seed: int = 0) -> dict[str, Standing]:
    """Compare methods across tasks by a stratified bootstrap (Agarwal et al. 2021): runs are redrawn within each task.

    Intervals and ranges are percentiles of one set of draws for all.

    Args:
        values: for each method the values of each task; higher is better, and tasks have one order.
        draws: how many.
        seed: of the draws.

    Returns:
        By method, best first.

    Raises:
        ValueError: if methods have different numbers of tasks, or a task without a value.
    """
    if len({len(tasks) for tasks in values.values()}) > 1 or not all(
        len(t) for tasks in values.values() for t in tasks
    ):
        raise ValueError("each method needs a value on each task")
    rng = np.random.default_rng(seed)
    drawn = {
        name: [_redrawn(np.asarray(task, dtype=np.float64), draws, rng) for task in t] for name, t in values.items()
    }
    means = {name: _middle(np.concatenate(tasks, axis=1)) for name, tasks in drawn.items()}
    ranks = _ranks(np.stack(list(means.values())))
    found = {name: interquartile_mean(tasks) for name, tasks in values.items()}
    order = sorted(values, key=lambda name: -found[name])
    ranges = {name: _percentiles(each) for name, each in zip(values, ranks, strict=True)}
    groups = _groups([ranges[name] for name in order])
    return {
        name: Standing(
            found[name],
            _percentiles(means[name]),
            1 + sum(other > found[name] for other in found.values()),
            ranges[name],
            group,
            {other: improvement_probability(values[name], values[other]) for other in order if other != name},
            {
                other: _percentiles(
                    np.mean([_wins(*pair) for pair in zip(drawn[name], drawn[other], strict=True)], axis=0)
                )
                for other in order
                if other != name
            },
        )
        for name, group in zip(order, groups, strict=True)
    }


def rank_correlations(values: Array) -> Array:
    """Spearman's (1904) rank correlation of every two columns, ties sharing their mean rank.

    Args:
        values: finite numbers (n, k).

    Returns:
        Correlations (k, k); NaN beside a column that does not vary.
    """
    from scipy.stats import rankdata

    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = np.corrcoef(rankdata(values, axis=0), rowvar=False)
    return found


def _checked(values: Values, least: int = 2) -> None:
    if len(values) < least or not all(map(math.isfinite, values)):
        number = {1: "one", 2: "two"}[least]
        raise ValueError(f"values must be {number} or more finite numbers, not {values!r}")


def _quantile(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


@lru_cache(maxsize=8)
def _splits(total: int, size: int) -> NDArray[np.uint8]:
    """Places of the first group in every split."""
    return np.array([*combinations(range(total), size)], dtype=np.uint8)


def _wins(one: Array, other: Array) -> Any:
    """How often values of ``one`` (..., n) exceed those of ``other`` (..., m), ties half."""
    higher = np.sign(one[..., :, None] - other[..., None, :])
    return (higher.mean(axis=(-1, -2)) + 1) / 2


def _redrawn(values: Array, draws: int, rng: np.random.Generator) -> Array:
    drawn: Array = rng.choice(values, size=(draws, len(values)))
    return drawn


def _middle(values: Array) -> Array:
    """Interquartile mean of each row."""
    cut = values.shape[1] // 4
    ordered = np.sort(values, axis=1)
    middle: Array = ordered[:, cut : values.shape[1] - cut].mean(axis=1)
    return middle


def _ranks(scores: Array) -> Array:
    """Place of each method (rows) in each draw (columns), 1 for the highest; ties share the mean of their places."""
    above = (scores[None] > scores[:, None]).sum(axis=1)
    level = (scores[None] == scores[:, None]).sum(axis=1)
    places: Array = above + (level + 1) / 2
    return places


def _percentiles(draws: Array) -> tuple[float, float]:
    low, high = np.percentile(draws, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return float(low), float(high)


def _groups(ranges: Sequence[tuple[float, float]]) -> list[str]:
    """Letters for ranges in the order of their methods: a new one where a range begins below all before it."""
    letters, furthest, group = [], -math.inf, -1
    for low, high in ranges:
        if low > furthest:
            group += 1
        letters.append(chr(ord("a") + group) if group < 26 else f"a{group}")
        furthest = max(furthest, high)
    return letters
