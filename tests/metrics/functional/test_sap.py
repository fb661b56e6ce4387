import warnings

import numpy as np
import pytest
from disent_metrics.estimators.linear_svm import predict_column
from disent_metrics.functional import sap
from sklearn.svm import LinearSVC


def reference_table(codes, factors, test_codes, test_factors):
    """Test accuracies of scikit-learn's classifier on single columns."""
    table = np.empty((codes.shape[1], factors.shape[1]))
    for i, j in np.ndindex(*table.shape):
        model = LinearSVC(C=0.01, class_weight="balanced").fit(codes[:, [i]], factors[:, j])
        table[i, j] = (model.predict(test_codes[:, [i]]) == test_factors[:, j]).mean()
    return table


def test_equals_scikit_learn(world):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ordered = np.sort(reference_table(*world.split()), axis=0)
    expected = (ordered[-1] - ordered[-2]).mean()
    assert sap(*world.split())["sap"] == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_column_predictions_equal_scikit_learn(classes, scale):
    """Unbalanced classes, small and large codes, shifted away from zero."""
    rng = np.random.default_rng(classes)
    labels = np.minimum(rng.geometric(0.3, size=3000) - 1, classes - 1)
    column = scale * (rng.normal(size=3000) + 1.5 * labels + 0.7)
    model = LinearSVC(C=0.01, class_weight="balanced", tol=1e-8, max_iter=100_000)
    model.fit(column[:2000, None], labels[:2000])
    ours = predict_column(column[:2000], labels[:2000], column[2000:])
    assert (ours == model.predict(column[2000:, None])).mean() > 0.998


def test_dead_column_predicts_one_class():
    labels = np.arange(90) % 3
    assert len(np.unique(predict_column(np.zeros(90), labels, np.zeros(10)))) == 1


def test_continuous_form_is_the_squared_correlation(worlds):
    codes, factors, *test = worlds.mixed.split()
    squared = np.corrcoef(codes.T, factors.T)[:4, 4:] ** 2
    ordered = np.sort(squared, axis=0)
    value = sap(codes, factors, *test, continuous_factors=True)["sap"]
    assert value == pytest.approx((ordered[-1] - ordered[-2]).mean())
    assert value != sap(codes, factors, *test)["sap"]


def test_dead_code_explains_nothing_in_the_continuous_form(worlds):
    codes, factors, test_codes, test_factors = worlds.perfect.split()
    dead = (np.column_stack([part, np.full(len(part), 0.3)]) for part in (codes, test_codes))
    codes_dead, test_dead = dead
    with_dead = sap(codes_dead, factors, test_dead, test_factors, continuous_factors=True)
    without = sap(codes, factors, test_codes, test_factors, continuous_factors=True)
    assert with_dead["sap"] == pytest.approx(without["sap"], abs=0.02)
