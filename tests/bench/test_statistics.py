"""Statistics of leaderboards, against scipy, enumeration, closed testing and simulation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from disent_bench.leaderboard import statistics
from disent_bench.leaderboard.statistics import (
    holm,
    improvement_probability,
    interquartile_mean,
    least_p,
    permutation_p,
    standings,
    welch_interval,
)

FLOATS = st.floats(-10, 10, allow_nan=False)
GROUPS = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=5)


@given(st.lists(FLOATS, min_size=2, max_size=8), st.lists(FLOATS, min_size=2, max_size=8))
@settings(deadline=None)
def test_welch_is_scipys(first: list[float], second: list[float]) -> None:
    spread = np.var(first, ddof=1) + np.var(second, ddof=1)
    if spread > 1e-12:
        found = scipy.stats.ttest_ind(first, second, equal_var=False).confidence_interval()
        assert welch_interval(first, second) == pytest.approx((found.low, found.high), rel=1e-6, abs=1e-9)
    low, high = welch_interval(first, second)
    assert low <= np.mean(first) - np.mean(second) + 1e-9
    assert high >= np.mean(first) - np.mean(second) - 1e-9


@pytest.mark.parametrize(("sizes", "spreads"), [((5, 5), (1.0, 1.0)), ((5, 10), (1.0, 4.0)), ((3, 3), (1.0, 2.0))])
def test_welch_covers_what_it_says(sizes: tuple[int, int], spreads: tuple[float, float]) -> None:
    rng, trials = np.random.default_rng(0), 2000
    groups = [rng.normal(0, spread, (trials, size)) for size, spread in zip(sizes, spreads, strict=True)]
    intervals = [welch_interval(first.tolist(), second.tolist()) for first, second in zip(*groups, strict=True)]
    covered = np.mean([low <= 0 <= high for low, high in intervals])
    assert 0.935 <= covered <= 0.985


def test_welch_without_spread_has_no_length() -> None:
    assert welch_interval([1.0, 1.0], [0.25, 0.25]) == (0.75, 0.75)


@given(GROUPS, GROUPS)
@settings(deadline=None)
def test_the_permutation_test_counts_every_split(first: list[float], second: list[float]) -> None:
    values, size = [*first, *second], len(first)
    observed = abs(np.mean(first) - np.mean(second))
    reached = total = 0
    for chosen in itertools.combinations(range(len(values)), size):
        group = [values[i] for i in chosen]
        rest = [values[i] for i in range(len(values)) if i not in chosen]
        total += 1
        reached += abs(np.mean(group) - np.mean(rest)) >= observed - 1e-9
    assert permutation_p(first, second) == pytest.approx(reached / total)


@pytest.mark.parametrize("sizes", [(5, 5), (7, 4), (10, 10)])
def test_the_permutation_test_is_scipys(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sizes[0])
    first, second = rng.normal(0.6, 1, sizes[0]), rng.normal(0, 1, sizes[1])
    found = scipy.stats.permutation_test(
        (first, second),
        lambda x, y, axis: np.abs(np.mean(x, axis=axis) - np.mean(y, axis=axis)),
        vectorized=True,
        n_resamples=np.inf,
        alternative="greater",
    )
    assert permutation_p(first.tolist(), second.tolist()) == pytest.approx(found.pvalue)


def test_of_many_values_splits_are_drawn() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.8, 1, 14).tolist(), rng.normal(0, 1, 14).tolist()
    found = permutation_p(first, second)
    assert found == permutation_p(first, second), "the draws have a seed"
    assert found == pytest.approx(scipy.stats.ttest_ind(first, second).pvalue, rel=0.3)
    apart = permutation_p([*range(14)], [*range(100, 114)])
    assert apart == pytest.approx(1 / (statistics.DRAWN_SPLITS + 1), rel=10)
    assert apart > 0


@pytest.mark.parametrize(("sizes", "least"), [((5, 5), 2 / 252), ((3, 3), 2 / 20), ((5, 4), 1 / 126), ((1, 1), 1.0)])
def test_the_smallest_p_value(sizes: tuple[int, int], least: float) -> None:
    first, second = [1.0 + i for i in range(sizes[0])], [-1.0 - i for i in range(sizes[1])]
    assert least_p(*sizes) == pytest.approx(least)
    assert permutation_p(first, second) == pytest.approx(least)


def test_the_permutation_test_keeps_its_level() -> None:
    rng = np.random.default_rng(0)
    p = [permutation_p(*rng.exponential(size=(2, 5)).tolist()) for _ in range(2000)]
    assert np.mean(np.array(p) <= 0.05) <= 0.065


def closed(p_values: Sequence[float]) -> list[float]:
    """Bonferroni's test of every intersection: the largest adjusted p-value of those that hold a hypothesis."""
    places = range(len(p_values))
    groups = [group for size in range(1, len(p_values) + 1) for group in itertools.combinations(places, size)]
    return [
        max(min(1.0, len(group) * min(p_values[i] for i in group)) for group in groups if place in group)
        for place in places
    ]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
@settings(deadline=None)
def test_holm_closes_bonferroni(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(closed(p_values))


def test_holm_of_nothing() -> None:
    assert holm([]) == []


TASKS = st.lists(st.lists(FLOATS, min_size=1, max_size=5), min_size=1, max_size=3)


@given(TASKS)
@settings(deadline=None)
def test_the_interquartile_mean_is_scipys_trimmed_mean(tasks: list[list[float]]) -> None:
    assert interquartile_mean(tasks) == pytest.approx(scipy.stats.trim_mean(np.concatenate(tasks), 0.25))


@given(
    st.lists(
        st.tuples(st.lists(FLOATS, min_size=1, max_size=5), st.lists(FLOATS, min_size=1, max_size=5)),
        min_size=1,
        max_size=3,
    )
)
@settings(deadline=None)
def test_the_probability_of_improvement_is_mann_and_whitneys(pairs: list[tuple[list[float], list[float]]]) -> None:
    expected = np.mean([scipy.stats.mannwhitneyu(x, y).statistic / (len(x) * len(y)) for x, y in pairs])
    firsts, seconds = zip(*pairs, strict=True)
    assert improvement_probability(firsts, seconds) == pytest.approx(expected)
    assert improvement_probability(seconds, firsts) == pytest.approx(1 - expected)


def runs(seed: int = 0, shifts: Sequence[float] = (0.0, 0.1, 1.0)) -> dict[str, list[list[float]]]:
    rng = np.random.default_rng(seed)
    return {f"m{i}": (rng.normal(0, 0.1, (3, 6)) + shift).tolist() for i, shift in enumerate(shifts)}


def test_standings_order_rank_and_group() -> None:
    found = standings(runs())
    assert [*found] == ["m2", "m1", "m0"]
    assert [each.rank for each in found.values()] == [1, 2, 3]
    assert found["m2"].rank_range == (1, 1)
    assert (found["m2"].group, found["m1"].group) == ("a", "b")
    assert found["m2"].beats == {"m1": 1.0, "m0": 1.0}
    for each in found.values():
        low, high = each.interquartile_range
        assert low < each.interquartile_mean < high
    level = standings(runs(shifts=(0.0, 0.0)))
    assert {each.group for each in level.values()} == {"a"}
    assert all(each.rank_range == (1, 2) for each in level.values())


def test_standings_of_equal_values_share_their_places() -> None:
    found = standings({"a": [[1.0, 1.0]], "b": [[1.0, 1.0]]})
    assert [(each.rank, each.rank_range, each.group) for each in found.values()] == [(1, (1.5, 1.5), "a")] * 2


def test_the_interval_of_the_interquartile_mean_is_the_stratified_bootstraps() -> None:
    """Against draws made one by one."""
    values = runs()["m0"]
    rng, means = np.random.default_rng(5), []
    for _ in range(2000):
        drawn = [rng.choice(task, len(task)) for task in values]
        means.append(scipy.stats.trim_mean(np.concatenate(drawn), 0.25))
    expected = np.percentile(means, [2.5, 97.5])
    assert standings({"m": values})["m"].interquartile_range == pytest.approx(tuple(expected), abs=0.01)


def test_standings_need_a_value_on_each_task() -> None:
    with pytest.raises(ValueError, match="a value on each task"):
        standings({"a": [[1.0], [2.0]], "b": [[1.0]]})
    with pytest.raises(ValueError, match="a value on each task"):
        standings({"a": [[1.0], []]})


def test_rliables_numbers() -> None:
    """What rliable 1.2.0 gives for the same values; its intervals are of 20,000 draws."""
    found = standings(runs())
    means = {"m0": -0.028021784203620913, "m1": 0.10692718785846775, "m2": 1.0682852995206713}
    ranges = {"m0": (-0.0566, 0.0031), "m1": (0.0711, 0.1373), "m2": (1.0096, 1.1194)}
    for name, each in found.items():
        assert each.interquartile_mean == pytest.approx(means[name], rel=1e-12)
        assert each.interquartile_range == pytest.approx(ranges[name], abs=0.003)
    assert found["m1"].beats["m0"] == pytest.approx(0.9074074074074074, rel=1e-12)
    assert found["m1"].beats_range["m0"] == pytest.approx((0.787, 1.0), abs=0.03)


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf]])
def test_values_have_to_be_finite(values: list[float]) -> None:
    with pytest.raises(ValueError, match="one or more finite numbers"):
        permutation_p(values, [1.0])
    with pytest.raises(ValueError, match="two or more finite numbers"):
        welch_interval([1.0, 2.0], values)
