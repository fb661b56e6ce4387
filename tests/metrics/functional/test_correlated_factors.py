import warnings

import numpy as np
import pytest
from disent_metrics.functional import dci, hfs_dci, hfs_mig, hfs_modularity, hfs_sap, mutual_information_gap
from sklearn.metrics import mutual_info_score
from sklearn.preprocessing import minmax_scale
from sklearn.svm import LinearSVC

SIZES = (3, 40, 32)


def samples(rows=1500):
    rng = np.random.default_rng(0)
    factors = rng.integers(SIZES, size=(rows, 3))
    codes = (factors / SIZES) @ rng.normal(size=(3, 4)) + 0.05 * rng.normal(size=(rows, 4))
    return codes, factors


def digitised(values):
    return np.digitize(minmax_scale(values), np.linspace(0, 1, 21)[:-1])


def test_information_scores_use_binned_factors():
    codes, factors = samples()
    table = np.array([[mutual_info_score(f, c) for f in digitised(factors).T] for c in digitised(codes).T])
    ordered = np.sort(table, axis=0)
    entropies = [mutual_info_score(f, f) for f in digitised(factors).T]
    gap = ((ordered[-1] - ordered[-2]) / entropies).mean()
    assert hfs_mig(codes, factors)["hfs_mig"] == pytest.approx(gap, abs=1e-3)
    assert abs(gap - mutual_information_gap(codes, factors)["mig"]) > 0.005
    squared = table**2
    spread = (squared.sum(axis=1) - squared.max(axis=1)) / squared.max(axis=1) / 2
    assert hfs_modularity(codes, factors)["hfs_modularity"] == pytest.approx((1 - spread).mean(), abs=1e-3)


def test_sap_on_bins_of_the_pooled_range():
    codes, factors = samples()
    binned, labels = digitised(codes), digitised(factors)
    table = np.empty((4, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i, j in np.ndindex(4, 3):
            model = LinearSVC(C=0.01, class_weight="balanced").fit(binned[:1000, [i]], labels[:1000, j])
            table[i, j] = model.score(binned[1000:, [i]], labels[1000:, j])
    ordered = np.sort(table, axis=0)
    value = hfs_sap(codes[:1000], factors[:1000], codes[1000:], factors[1000:])["hfs_sap"]
    assert value == pytest.approx((ordered[-1] - ordered[-2]).mean(), abs=4e-3)


def test_dci_does_not_depend_on_scale():
    codes, factors = samples(600)
    split = codes[:400], factors[:400], codes[400:], factors[400:]
    plain, scaled = dci(*split), hfs_dci(*split)
    for key, value in plain.items():
        assert scaled[f"hfs_{key}"] == pytest.approx(value, abs=0.01)
