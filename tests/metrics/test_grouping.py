"""Codes in groups: each group one number, or importances added up over it."""

import numpy as np
import pytest
from disent_metrics import ScoreProtocol, evaluate_codes, evaluate_groups
from disent_metrics.functional import dci
from disent_metrics.functional.dci import dci_importance
from disent_metrics.grouping import first_components
from scipy.stats import entropy
from sklearn.decomposition import PCA

RNG = np.random.default_rng(3)
FACTORS = np.stack([np.arange(1200) % 8, np.arange(1200) // 8 % 5], axis=1)[RNG.permutation(1200)]
ANGLE = 2 * np.pi * FACTORS[:, 0] / 8
# a circle of factor 0, then a line of factor 1 in three dimensions, then noise
TOKENS = np.stack([np.sin(ANGLE), np.cos(ANGLE), 0 * ANGLE], axis=1)
LINE = FACTORS[:, 1:] * [1.0, -2.0, 0.5]
CODES = np.stack([TOKENS, LINE, np.zeros_like(LINE)], axis=1) + 0.05 * RNG.normal(size=(1200, 3, 3))
FLAT = CODES.reshape(1200, 9)
PROTOCOL = ScoreProtocol("some", ("mig", "dci", "sap", "explicitness"), num_train=800, num_test=400)


def test_a_group_is_scored_by_its_first_principal_component():
    components = [PCA(1, svd_solver="full").fit(token) for token in np.moveaxis(CODES, 1, 0)]
    expected = np.concatenate([pca.transform(CODES[:, j]) for j, pca in enumerate(components)], axis=1)
    directions, shares = first_components(FLAT, (3, 3, 3))
    found = (FLAT - FLAT.mean(axis=0)) @ directions
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=1e-9)
    np.testing.assert_allclose(shares, [pca.explained_variance_ratio_[0] for pca in components], atol=1e-9)
    assert (directions.max(axis=0) == np.abs(directions).max(axis=0)).all()
    result = evaluate_groups(CODES, FACTORS, protocol=PROTOCOL)
    plain = evaluate_codes(expected * signs, FACTORS, protocol=PROTOCOL)
    assert result.scores == pytest.approx(plain.scores, abs=1e-3)
    assert (result.errors, set(result.scores)) == ({}, set(plain.scores))
    low, high = 100 * shares.min(), 100 * shares.max()
    assert (
        f"3 groups, each scored by its first principal component, which holds {low:.0f} to {high:.0f} %"
        in (result.notes[0])
    )


def test_test_codes_are_moved_as_the_training_codes_are():
    train, test = slice(0, 800), slice(800, None)
    result = evaluate_groups(CODES[train], FACTORS[train], CODES[test] + 100, FACTORS[test], protocol=PROTOCOL)
    near = evaluate_groups(CODES[train], FACTORS[train], CODES[test], FACTORS[test], protocol=PROTOCOL)
    assert near.scores["dci_informativeness_test"] > result.scores["dci_informativeness_test"] + 0.3
    assert near.scores["mig"] == result.scores["mig"]


def test_importances_are_added_up_over_a_group():
    given = {"num_train": 800, "num_test": 400}
    result = evaluate_groups(CODES, FACTORS, reduce="sum", protocol=ScoreProtocol("dci", ("dci",), **given))
    plain = evaluate_codes(FLAT, FACTORS, protocol=ScoreProtocol("dci", ("dci",), **given))
    assert result.scores["dci_completeness"] > 0.9 > plain.scores["dci_completeness"] + 0.2
    for key in ("dci_informativeness_train", "dci_informativeness_test"):
        assert result.scores[key] == plain.scores[key]


@pytest.mark.parametrize("sizes", [(3, 3, 3), (1, 5, 3), (9,)])
def test_disentanglement_and_completeness_of_groups_follow_their_formulas(sizes):
    found = dci(FLAT, FACTORS, FLAT, FACTORS, groups=sizes)
    single = dci_importance(FLAT, FACTORS)
    matrix = np.stack([single[end - size : end].sum(axis=0) for size, end in zip(sizes, np.cumsum(sizes), strict=True)])
    np.testing.assert_allclose(dci_importance(FLAT, FACTORS, groups=sizes), matrix)
    rows = [1 - entropy(row, base=2) for row in matrix]
    columns = [1.0 if len(sizes) == 1 else 1 - entropy(column, base=len(sizes)) for column in matrix.T]
    assert found["dci_disentanglement"] == pytest.approx(np.average(rows, weights=matrix.sum(axis=1)), abs=1e-6)
    assert found["dci_completeness"] == pytest.approx(np.average(columns, weights=matrix.sum(axis=0)), abs=1e-6)


def test_groups_of_one_column_change_nothing():
    assert dci(FLAT, FACTORS, FLAT, FACTORS, groups=(1,) * 9) == dci(FLAT, FACTORS, FLAT, FACTORS)
    sums = evaluate_groups(FLAT, FACTORS, groups=1, reduce="sum", protocol=PROTOCOL)
    plain = evaluate_codes(FLAT, FACTORS, protocol=PROTOCOL)
    assert {key: plain.scores[key] for key in sums.scores} == sums.scores


def test_scores_without_a_meaning_for_groups_say_so():
    result = evaluate_groups(FLAT, FACTORS, groups=(3, 6), reduce="sum", protocol=PROTOCOL)
    assert set(result.errors) == {"mig", "sap"}
    assert all("no meaning for a group; reduce=pca1" in reason for reason in result.errors.values())
    assert {"explicitness_test", "dci_completeness"} <= set(result.scores)
    assert "importances are added up over a group (dci)" in result.notes[0]


@pytest.mark.parametrize(
    ("codes", "options", "message"),
    [
        (CODES, {"groups": 3}, r"shape \(1200, 3, 3\), whose second dimension are its groups"),
        (CODES[:, :0], {}, "none of samples, groups, dimensions may be empty"),
        (FLAT, {}, r"give groups, or codes \(samples, groups, dimensions\)"),
        (FLAT, {"groups": 2}, "codes has 9 columns, which are no groups of 2"),
        (FLAT, {"groups": 0}, "codes has 9 columns, which are no groups of 0"),
        (FLAT, {"groups": (4, 4)}, "groups of 4, 4 columns are 8, the codes have 9"),
        (FLAT, {"groups": (10, -1)}, "groups are whole numbers from 1 on"),
        (FLAT, {"groups": "36"}, "groups are whole numbers from 1 on"),
        (FLAT, {"groups": ()}, "groups are whole numbers from 1 on"),
        (FLAT, {"groups": 3, "reduce": "mean"}, "unknown reduce 'mean'.* known: pca1, sum"),
        (np.where(CODES > 2, np.nan, CODES), {}, "holds NaN or infinity"),
    ],
)
def test_groups_that_do_not_fit_are_one_line(codes, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate_groups(codes, FACTORS, **options)


def test_test_codes_have_the_groups_of_the_codes():
    with pytest.raises(ValueError, match="test_codes has 6 columns and codes has 9"):
        evaluate_groups(CODES, FACTORS, CODES[:, :2], FACTORS)
