import numpy as np
import pytest
from disent_metrics.functional import dci, dci_importance
from disent_metrics.functional.dci import completeness, disentanglement
from scipy.stats import entropy


def reference_scores(importance):
    """Disentanglement and completeness with scipy's entropy."""
    rows = 1 - entropy(importance.T + 1e-11, base=importance.shape[1])
    columns = 1 - entropy(importance + 1e-11, base=importance.shape[0])
    total = importance.sum()
    return (rows * importance.sum(axis=1)).sum() / total, (columns * importance.sum(axis=0)).sum() / total


@pytest.mark.parametrize("shape", [(5, 3), (2, 6), (10, 5)])
def test_scores_of_an_importance_matrix(shape):
    importance = np.random.default_rng(0).dirichlet(np.full(shape[0], 0.3), size=shape[1]).T
    expected = reference_scores(importance)
    assert (disentanglement(importance), completeness(importance)) == pytest.approx(expected)


def test_extreme_importances():
    assert disentanglement(np.eye(3)) == pytest.approx(1.0)
    assert completeness(np.eye(3)) == pytest.approx(1.0)
    assert disentanglement(np.ones((4, 3))) == pytest.approx(0.0)
    assert completeness(np.zeros((4, 3))) == pytest.approx(0.0)
    assert disentanglement(np.ones((4, 1))) == completeness(np.ones((1, 4))) == 1.0


def test_one_code_for_two_factors_is_complete_but_not_disentangled():
    importance = np.array([[1.0, 1.0], [0.0, 0.0]])
    assert disentanglement(importance) == pytest.approx(0.0, abs=1e-6)
    assert completeness(importance) == pytest.approx(1.0)


def test_backends_agree(worlds):
    exact, oracle = (dci(*worlds.mixed.split(), backend=backend) for backend in ("exact", "sklearn"))
    assert exact == pytest.approx(oracle, abs=0.02)


def test_importance_matrix_is_the_one_behind_the_scores(worlds):
    codes, factors, *test = worlds.mixed.split()
    importance = dci_importance(codes, factors)
    assert importance.shape == (4, 3)
    assert importance.sum(axis=0) == pytest.approx(np.ones(3))
    assert dci(codes, factors, *test)["dci_disentanglement"] == disentanglement(importance)


def test_refusals(worlds):
    codes, factors, *test = worlds.mixed.split()
    with pytest.raises(ValueError, match="20 samples; this score needs at least 100"):
        dci(codes[:20], factors[:20], *test)
    with pytest.raises(ValueError, match="unknown backend 'sklern', did you mean 'sklearn'"):
        dci(codes, factors, *test, backend="sklern")
    with pytest.raises(ValueError, match="test_codes has 3 columns and codes has 4"):
        dci(codes, factors, test[0][:, :3], test[1])


def dsprites_like(rows, seed=0):
    """Ten codes over dSprites' factor sizes: some clean, some mixed, two dead."""
    sizes = np.array([3, 6, 40, 32, 32])
    rng = np.random.default_rng(seed)
    factors = rng.integers(sizes, size=(rows, 5))
    weights = rng.normal(size=(5, 10)) * (rng.random((5, 10)) < 0.35)
    weights[:, 8:] = 0
    codes = np.tanh((factors / sizes - 0.5) * 2 @ weights) + 0.15 * rng.normal(size=(rows, 10))
    return codes.astype(np.float32), factors


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_full_size_equals_scikit_learn():
    codes, factors = dsprites_like(15_000)
    split = codes[:10_000], factors[:10_000], codes[10_000:], factors[10_000:]
    exact, oracle = dci(*split), dci(*split, backend="sklearn")
    for key in ("dci_disentanglement", "dci_completeness"):
        assert exact[key] == pytest.approx(oracle[key], abs=3e-3)
    for key in ("dci_informativeness_train", "dci_informativeness_test"):
        assert exact[key] == pytest.approx(oracle[key], abs=4e-3)
