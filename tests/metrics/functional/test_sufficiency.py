import numpy as np
import pytest
from disent_metrics.functional import minimality, mutual_information_gap, sufficiency
from sklearn.metrics import mutual_info_score


def test_equal_scikit_learn(world):
    codes, factors = world.split()[:2]
    codes = np.column_stack([codes, np.ones(len(codes))])
    binned = [np.digitize(code, np.histogram(code, 15)[1][:-1]) for code in codes.T]
    information = np.array([[mutual_info_score(code, factor) for factor in factors.T] for code in binned])
    of_codes = np.array([mutual_info_score(code, code) for code in binned])
    of_factors = np.array([mutual_info_score(factor, factor) for factor in factors.T])
    shares = information.max(axis=1)[:-1] / of_codes[:-1]
    assert minimality(codes, factors)["minimality"] == pytest.approx(shares.mean(), abs=1e-9)
    expected = (information / of_factors).max(axis=0).mean()
    assert sufficiency(codes, factors)["sufficiency"] == pytest.approx(expected, abs=1e-9)


def test_a_worked_example():
    """y1 in two values, y2 in four; z1 = y2, z2 = 2 y1 + floor(y2 / 2), z3 = 0: I = [[0, 1, 0], [2, 1, 0]] bits."""
    y1, y2 = (each.ravel() for each in np.meshgrid([0, 1], [0, 1, 2, 3], indexing="ij"))
    factors = np.tile(np.column_stack([y1, y2]), (4, 1))
    codes = np.tile(np.column_stack([y2, 2 * y1 + y2 // 2, np.zeros(8)]), (4, 1))
    assert minimality(codes, factors)["minimality"] == pytest.approx((1 + 0.5) / 2)
    assert sufficiency(codes, factors)["sufficiency"] == pytest.approx(1.0)


def test_dependent_factors_do_not_lower_a_perfect_code():
    factors = np.repeat([[0, 0], [1, 1], [0, 1], [1, 0]], [30, 30, 10, 10], axis=0)
    codes = factors * 1.0
    assert minimality(codes, factors)["minimality"] == pytest.approx(1.0)
    assert sufficiency(codes, factors)["sufficiency"] == pytest.approx(1.0)
    assert mutual_information_gap(codes, factors)["mig"] == pytest.approx(0.8113, abs=1e-4)


@pytest.mark.parametrize(("values", "ceiling"), [(15, 1.0), (32, 0.7781), (40, 0.7297), (183, 0.5197)])
def test_bins_bound_the_sufficiency_of_a_perfect_code(values, ceiling):
    factors = np.arange(values)[:, None].repeat(20, axis=0).reshape(-1, 1)
    assert sufficiency(factors * 1.0, factors)["sufficiency"] == pytest.approx(ceiling, abs=1e-4)


def test_codes_of_constants_and_float32():
    factors = np.arange(40)[:, None] % 4
    assert minimality(np.ones((40, 2)), factors)["minimality"] == 0.0
    codes = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    assert 0 <= minimality(codes, factors)["minimality"] <= 1
