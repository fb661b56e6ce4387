import numpy as np
import pytest
from disent_metrics.estimators.information import bin_codes, code_information, entropy, mutual_information
from disent_metrics.functional import mutual_information_gap
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import mutual_info_score


def reference_bins(codes, num_bins):
    """numpy's histogram edges and digitize, column by column."""
    return np.stack([np.digitize(c, np.histogram(c, num_bins)[1][:-1]) for c in codes.T], axis=1) - 1


def reference_mig(codes, factors, num_bins):
    """The gap from scikit-learn's mutual information."""
    binned = reference_bins(codes, num_bins)
    gaps = []
    for factor in factors.T:
        information = sorted((mutual_info_score(code, factor) for code in binned.T), reverse=True)
        gaps.append((information[0] - information[1]) / mutual_info_score(factor, factor))
    return np.mean(gaps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("num_bins", [5, 20])
def test_equals_scikit_learn(world, dtype, num_bins):
    codes, factors = world.split()[:2]
    codes = codes.astype(dtype)
    expected = reference_mig(codes, factors, num_bins)
    assert mutual_information_gap(codes, factors, num_bins=num_bins)["mig"] == pytest.approx(expected, abs=1e-9)


@given(arrays(np.float64, (30, 2), elements=st.floats(-1e6, 1e6).map(lambda x: round(x, 6))), st.integers(2, 30))
def test_bins_are_those_of_numpy(codes, num_bins):
    """Of values that are not so close that numpy refuses."""
    np.testing.assert_array_equal(bin_codes(codes, num_bins), reference_bins(codes, num_bins))


@given(arrays(np.int64, (2, 25), elements=st.integers(0, 4)))
def test_mutual_information_identities(columns):
    a, b = columns
    information = mutual_information(a, b)
    assert information == pytest.approx(mutual_information(b, a), abs=1e-12)
    assert 0 <= information <= min(entropy(a), entropy(b)) + 1e-12
    assert mutual_information(a, a) == pytest.approx(entropy(a), abs=1e-12)
    assert information == pytest.approx(mutual_info_score(a, b), abs=1e-12)


def test_factor_values_need_not_be_consecutive(worlds):
    codes, factors = worlds.mixed.split()[:2]
    assert mutual_information_gap(codes, factors * 1000 - 7) == mutual_information_gap(codes, factors)


def test_known_values():
    grid = np.stack(np.meshgrid(np.arange(20), np.arange(20), indexing="ij"), axis=-1).reshape(-1, 2)
    assert mutual_information_gap(grid, grid)["mig"] == pytest.approx(1.0)
    assert mutual_information_gap(np.repeat(grid, 2, axis=1), grid)["mig"] == pytest.approx(0.0)
    assert mutual_information_gap(grid[:, :1], grid)["mig"] == pytest.approx(0.5)
    halves = np.stack([grid[:, 0] // 10, grid[:, 0], grid[:, 1]], axis=1)
    expected = ((np.log(20) - np.log(2)) / np.log(20) + 1) / 2
    assert mutual_information_gap(halves, grid)["mig"] == pytest.approx(expected)


def test_constant_code_is_one_bin():
    assert set(bin_codes(np.full((30, 1), 3.0), 20).ravel()) == {10}
    assert code_information(np.full((30, 1), 3.0), np.arange(30)[:, None] % 3, 20, minimum=1)[0] == pytest.approx(0.0)


def test_rounding_noise_around_a_constant_is_one_bin():
    """A collapsed latent in float32 varies by some units in the last place; numpy refuses to cut that into 20 bins."""
    factors = np.arange(60)[:, None] % 3
    collapsed = np.nextafter(np.float32(1), np.where(factors == 0, np.float32(2), np.float32(1)), dtype=np.float32)
    assert len(np.unique(collapsed)) == 2
    assert code_information(collapsed, factors, 20, minimum=1)[0] == pytest.approx(0.0)


def test_too_few_bins():
    with pytest.raises(ValueError, match="num_bins is 1"):
        mutual_information_gap(np.random.default_rng(0).normal(size=(30, 2)), np.arange(60).reshape(30, 2), num_bins=1)
