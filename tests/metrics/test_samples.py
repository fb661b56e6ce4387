import numpy as np
import pytest
from disent_metrics import ScoreProtocol, evaluate, evaluate_codes, get_protocol
from disent_metrics.functional import factorized_support, hfs_mig
from disent_metrics.samples import draw_factors

SIZES = np.array([3, 4, 5])
GRID = np.stack(np.unravel_index(np.arange(60), (3, 4, 5)), axis=1)


def test_draws_with_replacement_are_uniform_and_independent():
    train, test = draw_factors(SIZES, ScoreProtocol("p", num_train=6000, num_test=60))
    assert (len(train), len(test)) == (6000, 60)
    counts = np.bincount(np.ravel_multi_index(tuple(train.T), SIZES), minlength=60)
    assert counts.min() > 60
    assert (train[:60] != test).any()


def test_draws_without_replacement_never_repeat_a_point():
    train, test = draw_factors(SIZES, ScoreProtocol("p", num_train=40, num_test=20, replace=False))
    assert len(np.unique(np.concatenate([train, test]), axis=0)) == 60


def test_too_small_a_grid_stands_in_the_errors():
    protocol = ScoreProtocol("p", ("sap",), num_train=50, num_test=20, replace=False)
    result = evaluate(lambda factors: factors * 1.0, (3, 4, 5), protocol)
    assert "factor_sizes span 60 grid points" in result.errors["sap"]


def test_whole_grid_is_seen_by_scores_without_a_test_set(worlds):
    protocol = ScoreProtocol("p", ("hfs_mig", "hfs_sap"), num_train=40, num_test=20, replace=False, whole_grid=True)
    codes = worlds.mixed.represent(GRID)
    expected = hfs_mig(codes, GRID)["hfs_mig"]
    assert evaluate(worlds.mixed.represent, (3, 4, 5), protocol).scores["hfs_mig"] == pytest.approx(expected, abs=1e-6)
    assert evaluate_codes(codes, GRID, protocol=protocol).scores["hfs_mig"] == pytest.approx(expected)


@pytest.mark.parametrize("shuffle", [True, False])
def test_whole_grid_comes_in_its_own_order_without_shuffling(worlds, shuffle):
    options = {"num_train": 40, "num_test": 20, "replace": False, "whole_grid": True, "shuffle": shuffle}
    protocol = ScoreProtocol(
        "p", ("factorized_support",), settings={"factorized_support": {"batch_size": 8}}, **options
    )
    codes = worlds.mixed.represent(GRID).astype("float32")
    in_order = factorized_support(codes, batch_size=8)["factorized_support"]
    score = evaluate(worlds.mixed.represent, (3, 4, 5), protocol).scores["factorized_support"]
    assert (score == pytest.approx(in_order)) is not shuffle


def test_the_published_factorisation_of_support_is_of_the_grid_in_order():
    assert get_protocol("hfs2023").whole_grid
    assert not get_protocol("hfs2023").shuffle


def test_labels_of_given_grids_need_not_start_at_zero(worlds):
    protocol = ScoreProtocol("p", ("factor_vae",), settings={"factor_vae": {"num_train": 50, "num_eval": 20}})
    result = evaluate_codes(worlds.perfect.represent(GRID), GRID * 2 + 5, protocol=protocol)
    assert result.scores["factor_vae_eval"] == 1.0
