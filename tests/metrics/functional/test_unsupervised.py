import numpy as np
import pytest
import scipy.linalg
from disent_metrics.functional import unsupervised_scores
from disent_metrics.functional.unsupervised import gaussian_total_correlation, gaussian_wasserstein_correlation
from sklearn.metrics import mutual_info_score


def random_covariance(width, seed):
    root = np.random.default_rng(seed).normal(size=(width, width + 2))
    return root @ root.T


@pytest.mark.parametrize("seed", range(3))
def test_total_correlation_is_the_kl_divergence_to_the_marginals(seed):
    covariance = random_covariance(4, seed)
    diagonal = np.diag(np.diag(covariance))
    inverse = np.linalg.inv(diagonal)
    ratio = np.log(np.linalg.det(diagonal) / np.linalg.det(covariance))
    kl = 0.5 * (np.trace(inverse @ covariance) - 4 + ratio)
    assert gaussian_total_correlation(covariance) == pytest.approx(kl)


@pytest.mark.parametrize("seed", range(3))
def test_wasserstein_correlation_with_a_matrix_square_root(seed):
    covariance = random_covariance(4, seed)
    diagonal = np.diag(np.diag(covariance))
    root = scipy.linalg.sqrtm(diagonal)
    cross = scipy.linalg.sqrtm(root @ covariance @ root)
    expected = np.trace(covariance + diagonal - 2 * cross).real
    assert gaussian_wasserstein_correlation(covariance) == pytest.approx(expected)


def test_two_gaussians_with_known_correlation():
    rho = 0.6
    covariance = np.array([[1.0, rho], [rho, 1.0]])
    assert gaussian_total_correlation(covariance) == pytest.approx(-0.5 * np.log(1 - rho**2))
    assert gaussian_wasserstein_correlation(covariance) == pytest.approx(4 - 2 * (np.sqrt(1 + rho) + np.sqrt(1 - rho)))


def test_mean_information_of_pairs(worlds):
    codes = worlds.mixed.split()[0]
    binned = [np.digitize(code, np.histogram(code, 20)[1][:-1]) for code in codes.T]
    pairs = [mutual_info_score(a, b) for i, a in enumerate(binned) for b in binned[:i]]
    assert unsupervised_scores(codes)["mutual_info_score"] == pytest.approx(np.mean(pairs))


def test_norm_divides_by_the_trace(worlds):
    codes = worlds.mixed.split()[0]
    numbers = unsupervised_scores(codes)
    trace = codes.var(axis=0, ddof=1).sum()
    expected = numbers["gaussian_wasserstein_correlation"] / trace
    assert numbers["gaussian_wasserstein_correlation_norm"] == pytest.approx(expected)


def test_degenerate_codes():
    column = np.random.default_rng(0).integers(-4, 5, size=(100, 1)) * 1.0
    assert unsupervised_scores(np.hstack([column, column]))["gaussian_total_correlation"] > 10
    assert set(unsupervised_scores(np.ones((50, 3))).values()) == {0.0}
    assert set(unsupervised_scores(column).values()) == {0.0}
    dead = np.hstack([column, np.ones((100, 1))])
    assert unsupervised_scores(dead)["gaussian_total_correlation"] == 0.0
