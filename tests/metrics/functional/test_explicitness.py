import numpy as np
import pytest
from disent_metrics.functional import explicitness
from disent_metrics.functional.explicitness import macro_auc
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler


def reference(codes, factors, test_codes, test_factors):
    """scikit-learn throughout, as the reference calls it."""
    scaler = StandardScaler().fit(codes)
    areas = []
    for labels, test_labels in zip(factors.T, test_factors.T, strict=True):
        model = LogisticRegression().fit(scaler.transform(codes), labels)
        areas.append(
            [
                roc_auc_score(MultiLabelBinarizer().fit_transform(y[:, None]), model.predict_proba(scaler.transform(x)))
                for x, y in ((codes, labels), (test_codes, test_labels))
            ]
        )
    return np.mean(areas, axis=0)


def test_equals_scikit_learn(world):
    numbers = explicitness(*world.split())
    expected = reference(*world.split())
    assert [numbers["explicitness_train"], numbers["explicitness_test"]] == pytest.approx(expected, abs=1e-4)


def test_two_classes_and_unbalanced_ones(worlds):
    codes, factors, test_codes, test_factors = worlds.mixed.split()
    few, test_few = (np.minimum(labels, 1) for labels in (factors, test_factors))
    expected = reference(codes, few, test_codes, test_few)
    assert explicitness(codes, few, test_codes, test_few)["explicitness_test"] == pytest.approx(expected[1], abs=1e-4)


@given(st.integers(0, 10_000))
def test_area_counts_ordered_pairs(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=12)
    scores = rng.integers(4, size=(12, 3)) / 4
    present = [k for k in range(3) if 0 < (labels == k).sum() < 12]
    if not present:
        return
    areas = []
    for k in present:
        inside, outside = scores[labels == k, k], scores[labels != k, k]
        areas.append(np.mean([(a > b) + 0.5 * (a == b) for a in inside for b in outside]))
    assert macro_auc(scores, labels, np.arange(3)) == pytest.approx(np.mean(areas))


def test_dead_codes_do_not_matter(worlds):
    codes, factors, test_codes, test_factors = worlds.mixed.split()
    dead = (np.column_stack([part, np.full(len(part), 7.0)]) for part in (codes, test_codes))
    train, test = dead
    with_dead = explicitness(train, factors, test, test_factors)
    assert with_dead == pytest.approx(explicitness(codes, factors, test_codes, test_factors), abs=1e-6)


def test_test_factor_with_one_class_is_refused(worlds):
    codes, factors, test_codes, test_factors = worlds.mixed.split()
    with pytest.raises(ValueError, match="test_factors have one class only"):
        explicitness(codes, factors, test_codes, test_factors * 0)
