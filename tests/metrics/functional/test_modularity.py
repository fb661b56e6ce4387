import numpy as np
import pytest
from disent_metrics.functional import active_modularity, modularity
from disent_metrics.functional.modularity import code_modularity
from sklearn.metrics import mutual_info_score


def reference(codes, factors, num_bins=20):
    """The reference's formula on scikit-learn's mutual information."""
    scores = []
    for code in codes.T:
        binned = np.digitize(code, np.histogram(code, num_bins)[1][:-1])
        squared = np.array([mutual_info_score(binned, factor) for factor in factors.T]) ** 2
        top = squared.max()
        scores.append(0.0 if top == 0 else 1 - (squared.sum() - top) / (top * (len(squared) - 1)))
    return np.array(scores)


def test_equals_scikit_learn(world):
    codes, factors = world.split()[:2]
    codes = np.column_stack([codes, np.ones(len(codes))])
    expected = reference(codes, factors)
    assert modularity(codes, factors)["modularity"] == pytest.approx(expected.mean(), abs=1e-9)
    assert active_modularity(codes, factors)["active_modularity"] == pytest.approx(expected[:-1].mean(), abs=1e-9)


def test_known_tables():
    assert code_modularity(np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 0.0]])).tolist() == [1.0, 0.0, 0.0]
    assert code_modularity(np.array([[2.0, 1.0, 1.0]])) == pytest.approx([1 - 2 / (4 * 2)])
    assert code_modularity(np.array([[0.7], [0.0]])).tolist() == [1.0, 0.0]


def test_dead_codes_lower_the_reference_and_not_the_active_form(worlds):
    codes, factors = worlds.perfect.split()[:2]
    dead = np.column_stack([codes, np.zeros((len(codes), 3))])
    assert modularity(dead, factors)["modularity"] == pytest.approx(modularity(codes, factors)["modularity"] / 2)
    assert active_modularity(dead, factors) == active_modularity(codes, factors)
    assert active_modularity(dead[:, 3:], factors) == {"active_modularity": 0.0}
