import numpy as np
import pytest
from disent_metrics.estimators.nearest_neighbours import neighbour_information
from disent_metrics.functional import info_mec
from disent_metrics.functional.info_mec import _dominance
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, mutual_info_score
from sklearn.preprocessing import StandardScaler


def reference(codes, factors):
    """The authors' computation for continuous codes, on scikit-learn."""
    scaled = StandardScaler().fit_transform(codes)
    table = np.array([mutual_info_classif(scaled, f, n_neighbors=10, discrete_features=False) for f in factors.T])
    table = table / np.array([[mutual_info_score(f, f)] for f in factors.T])
    spread = np.ptp(codes, axis=0)
    table = table[:, spread > spread.max() / 20]
    k, a = table.shape
    m = ((table.max(axis=0) / table.sum(axis=0)).mean() - 1 / k) / (1 - 1 / k)
    c = ((table.max(axis=1) / table.sum(axis=1)).mean() - 1 / a) / (1 - 1 / a)
    explained = []
    for labels in factors.T:
        losses = []
        for inputs in (scaled, np.zeros_like(scaled)):
            model = LogisticRegression(C=np.inf, class_weight="balanced").fit(inputs, labels)
            losses.append(log_loss(labels, model.predict_proba(inputs)))
        explained.append(1 - losses[0] / losses[1])
    return m, np.mean(explained), c


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")  # the authors' 100 iterations may not suffice
@pytest.mark.parametrize("seed", range(2))
def test_equals_the_authors_computation(seed):
    rng = np.random.default_rng(seed)
    factors = rng.integers([3, 5, 8], size=(1500, 3))
    codes = factors @ rng.normal(size=(3, 5)) + 0.3 * rng.normal(size=(1500, 5))
    codes[:, 4] = 0.01 * rng.normal(size=1500)
    numbers = info_mec(codes, factors)
    m, e, c = reference(codes, factors)
    assert numbers["info_m"] == pytest.approx(m, abs=1e-3)
    assert numbers["info_c"] == pytest.approx(c, abs=1e-3)
    assert numbers["info_e"] == pytest.approx(e, abs=2e-3)


@pytest.mark.parametrize("neighbours", [1, 3, 10])
@pytest.mark.parametrize("quantised", [False, True])
def test_neighbour_estimate_equals_scikit_learn(neighbours, quantised):
    rng = np.random.default_rng(neighbours)
    labels = rng.integers(4, size=800)
    labels[0] = 9  # a class with a single member
    column = labels + rng.normal(size=800)
    column = column.round(1) if quantised else column
    theirs = mutual_info_classif(column[:, None], labels, n_neighbors=neighbours, random_state=0)[0]
    tolerance = 0.03 if quantised else 1e-6  # ties are broken by other noise
    assert neighbour_information(column, labels, neighbours=neighbours) == pytest.approx(theirs, abs=tolerance)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_neighbour_estimate_does_not_see_the_scale_of_the_column(scale):
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=400)
    column = labels + rng.normal(size=400)
    assert neighbour_information(scale * column, labels) == pytest.approx(
        neighbour_information(column, labels), rel=1e-6
    )


def test_classes_with_fewer_members_than_neighbours():
    """scikit-learn's distances within so small a class are rounded, which moves single points over the border."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=800)
    labels[:5] = 7
    column = labels + rng.normal(size=800)
    theirs = mutual_info_classif(column[:, None], labels, n_neighbors=10)[0]
    assert neighbour_information(column, labels) == pytest.approx(theirs, abs=5e-3)


def test_discrete_codes_are_counted():
    rng = np.random.default_rng(0)
    factors = rng.integers([3, 4], size=(600, 2))
    codes = np.column_stack([factors[:, 0] * 0.5, factors.sum(axis=1), np.ones(600)])
    table = np.array([[mutual_info_score(f, c) for f in factors.T] for c in codes[:, :2].astype(str).T])
    table /= [mutual_info_score(f, f) for f in factors.T]
    numbers = info_mec(codes, factors, discrete_codes=True)
    assert numbers["info_m"] == pytest.approx(_dominance(table))
    assert numbers["info_c"] == pytest.approx(_dominance(table.T))


def test_dominance_of_known_tables():
    assert _dominance(np.eye(3)) == pytest.approx(1.0)
    assert _dominance(np.ones((2, 3))) == pytest.approx(0.0)
    assert _dominance(np.zeros((2, 3))) == pytest.approx(0.0)
    assert _dominance(np.ones((4, 1))) == 1.0


def test_degenerate_codes(worlds):
    codes, factors = worlds.perfect.split()[:2]
    assert set(info_mec(np.ones_like(codes), factors).values()) == {0.0}
    with pytest.raises(ValueError, match="num_neighbors is 0"):
        info_mec(codes, factors, num_neighbors=0)
