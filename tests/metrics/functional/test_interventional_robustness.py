import numpy as np
import pytest
from disent_metrics.functional import interventional_robustness


def reference(codes, factors, num_bins=20, quantile=0.99):
    """Loops over dimensions, factors and values."""
    scores, weights = [], []
    for code in codes.T:
        if code.var() == 0:
            continue
        largest = np.abs(code - code.mean()).max()
        per_factor = []
        for factor in factors.T:
            binned = np.digitize(factor, np.histogram(factor, num_bins)[1][:-1])
            deviations = []
            for value in np.unique(binned):
                group = code[binned == value]
                deviations.append(np.quantile(np.abs(group - group.mean()), quantile))
            per_factor.append(1 - np.mean(deviations) / largest)
        scores.append(max(per_factor))
        weights.append(largest)
    return np.average(scores, weights=weights)


@pytest.mark.parametrize("quantile", [0.99, 1.0, 0.5])
def test_equals_loops(world, quantile):
    codes, factors = world.split()[:2]
    codes = np.column_stack([codes, np.full(len(codes), 2.0)])
    value = interventional_robustness(codes, factors, quantile=quantile)["irs"]
    assert value == pytest.approx(reference(codes, factors, quantile=quantile), abs=1e-9)


def test_factors_with_many_values_are_merged():
    rng = np.random.default_rng(0)
    factors = rng.integers(40, size=(2000, 2))
    codes = factors + 0.1 * rng.normal(size=(2000, 2))
    value = interventional_robustness(codes, factors)["irs"]
    assert value == pytest.approx(reference(codes, factors))
    assert value < interventional_robustness(codes, factors, num_bins=40)["irs"]


def test_no_active_dimension_scores_zero(worlds):
    codes, factors = worlds.perfect.split()[:2]
    assert interventional_robustness(np.zeros_like(codes), factors) == {"irs": 0.0}


@pytest.mark.parametrize("quantile", [0.0, 1.1])
def test_quantile_out_of_range(worlds, quantile):
    with pytest.raises(ValueError, match="quantile is"):
        interventional_robustness(*worlds.perfect.split()[:2], quantile=quantile)
