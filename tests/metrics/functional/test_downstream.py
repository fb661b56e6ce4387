import numpy as np
import pytest
from disent_metrics.functional import downstream_logistic, downstream_trees
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression


def test_trees_equal_scikit_learn(worlds):
    codes, factors, test_codes, test_factors = worlds.mixed.split(1100)
    numbers = downstream_trees(codes, factors, test_codes, test_factors)
    for suffix, rows in (("100", 100), ("1000", 1000), ("full", 1100)):
        accuracies = []
        for labels, test_labels in zip(factors[:rows].T, test_factors.T, strict=True):
            model = GradientBoostingClassifier(random_state=0).fit(codes[:rows], labels)
            accuracies.append((model.predict(test_codes) == test_labels).mean())
        assert numbers[f"downstream_trees_{suffix}"] == pytest.approx(np.mean(accuracies), abs=0.03)
    ratio = numbers["downstream_trees_100"] / numbers["downstream_trees_full"]
    assert numbers["downstream_trees_efficiency"] == ratio


@pytest.mark.slow
def test_logistic_picks_a_good_penalty(worlds):
    codes, factors, test_codes, test_factors = worlds.mixed.split(1100)
    value = downstream_logistic(codes, factors, test_codes, test_factors)["downstream_logistic_full"]
    by_penalty = [
        np.mean(
            [
                LogisticRegression(C=c).fit(codes, y).score(test_codes, t)
                for y, t in zip(factors.T, test_factors.T, strict=True)
            ]
        )
        for c in np.logspace(-4, 4, 10)
    ]
    assert min(by_penalty) < value
    assert value == pytest.approx(max(by_penalty), abs=0.02)


def test_a_factor_that_the_small_set_shows_once_is_predicted_as_that_class(worlds):
    codes, factors, test_codes, test_factors = worlds.perfect.split(1100)
    late = np.where(np.arange(1100)[:, None] < 100, 0, factors[:, :1])
    numbers = downstream_trees(codes, late, test_codes, test_factors[:, :1])
    assert numbers["downstream_trees_100"] == (test_factors[:, 0] == 0).mean()
    assert numbers["downstream_trees_full"] > 0.9
