"""Exact boosting against scikit-learn's GradientBoostingClassifier."""

import numpy as np
import pytest
from disent_metrics.estimators.boosting import boost
from sklearn.ensemble import GradientBoostingClassifier


def problem(classes, *, rows=1500, columns=4, seed=0):
    """Codes of which column 0 knows the label well, column 1 a little, the rest nothing."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=rows)
    codes = rng.normal(size=(rows, columns))
    codes[:, 0] += 3.0 * labels / classes
    codes[:, 1] += (labels == 1) * 1.0
    return codes[500:].astype(np.float32), labels[500:], codes[:500].astype(np.float32), labels[:500]


def reference(codes, labels, test_codes, seed):
    model = GradientBoostingClassifier(random_state=seed).fit(codes, labels)
    return model.feature_importances_, model.predict(codes), model.predict(test_codes)


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_equals_scikit_learn_within_its_own_spread(classes):
    codes, labels, test_codes, test_labels = problem(classes)
    ours, theirs = [], []
    for seed in range(3):
        for results, fit in (
            (ours, boost(codes, labels, test_codes, seed=seed)),
            (theirs, reference(codes, labels, test_codes, seed)),
        ):
            importance, on_train, on_test = fit
            results.append([*importance, (on_train == labels).mean(), (on_test == test_labels).mean()])
    spread = max(np.ptp(theirs, axis=0).max(), 2e-3)
    np.testing.assert_allclose(np.mean(ours, axis=0), np.mean(theirs, axis=0), atol=2 * spread)


def test_one_column_gives_the_trees_of_scikit_learn():
    """One column leaves no choice between columns; only rounding decides between equal cuts."""
    rng = np.random.default_rng(3)
    codes = rng.normal(size=(400, 1)).astype(np.float32)
    labels = np.digitize(codes[:, 0] + 0.3 * rng.normal(size=400), [-0.5, 0.5])
    fit = boost(codes, labels, codes)
    importance, on_train, _ = reference(codes, labels, codes, 0)
    assert fit.importance == pytest.approx(importance)
    assert (fit.train_labels == on_train).mean() > 0.98


def test_result_depends_on_the_seed_but_not_on_threads():
    codes, labels, test_codes, _ = problem(5, rows=800)
    one, two = (boost(codes, labels, test_codes, threads=threads) for threads in (1, 3))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (boost(codes, labels, test_codes, seed=1).importance != one.importance).any()


def test_identical_columns_share_importance_at_random():
    """Ties between columns must not always go to the same one."""
    codes, labels, _, _ = problem(3)
    twice = np.repeat(codes[:, :1], 2, axis=1)
    shares = [boost(twice, labels, twice[:1], seed=seed).importance[0] for seed in range(8)]
    assert 0.3 < np.mean(shares) < 0.7


def test_tied_values_are_never_separated():
    """Rounded codes have many equal values; a threshold may only lie between distinct ones."""
    codes, labels, test_codes, test_labels = problem(3)
    codes, test_codes = codes.round(), test_codes.round()
    fit = boost(codes, labels, test_codes)
    for row in np.unique(codes[:, 0]):
        same = (codes == codes[codes[:, 0] == row][0]).all(axis=1)
        assert len(np.unique(fit.train_labels[same])) == 1
    importance, _, on_test = reference(codes, labels, test_codes, 0)
    np.testing.assert_allclose(fit.importance, importance, atol=0.01)
    assert (fit.test_labels == test_labels).mean() == pytest.approx((on_test == test_labels).mean(), abs=0.02)


def test_constant_columns_have_no_importance():
    labels = np.arange(300) % 3
    fit = boost(np.ones((300, 2)), labels, np.ones((5, 2)))
    assert fit.importance.tolist() == [0.0, 0.0]
    assert (fit.test_labels == 0).all()


def test_labels_are_the_given_ones():
    codes, labels, test_codes, _ = problem(2)
    fit = boost(codes, labels * 7 - 3, test_codes)
    assert set(fit.train_labels) <= {-3, 4}
