import numpy as np
import pytest
from disent_metrics import ScoreProtocol, evaluate, evaluate_codes, registry, scores
from disent_metrics.functional import dci, mutual_information_gap

SMALL = ScoreProtocol("small", num_train=600, num_test=300, settings={"factor_vae": {"num_train": 100, "num_eval": 50}})
FAST = ScoreProtocol("fast", ("mig", "sap"), num_train=600, num_test=300)


def expected_keys(protocol):
    return {key for name in protocol.scores for key in scores()[name].keys}


def test_evaluate_returns_every_number_and_encodes_each_point_once(worlds):
    encoded = []

    def represent(factors):
        encoded.append(factors)
        return worlds.perfect.represent(factors)

    told = []
    result = evaluate(represent, (3, 4, 5), SMALL, on_score=lambda *event: told.append(event))
    assert result.errors == {}
    assert set(result.scores) == expected_keys(SMALL)
    assert set(result.seconds) == {*SMALL.scores, "encode"}
    assert [name for name, _, _ in told] == list(SMALL.scores)
    assert len(np.unique(np.concatenate(encoded), axis=0)) == len(np.concatenate(encoded)) <= 60
    assert result.protocol == "small"


def test_evaluate_draws_from_the_seed(worlds):
    first = evaluate(worlds.mixed.represent, (3, 4, 5), FAST)
    assert evaluate(worlds.mixed.represent, (3, 4, 5), FAST).scores == first.scores
    other = ScoreProtocol("fast", ("mig", "sap"), num_train=600, num_test=300, seed=1)
    assert evaluate(worlds.mixed.represent, (3, 4, 5), other).scores != first.scores


def test_stochastic_encoder_is_asked_every_time(worlds):
    calls = []

    def represent(factors):
        calls.append(len(factors))
        return worlds.perfect.represent(factors)

    evaluate(represent, (3, 4, 5), FAST, memoize=False)
    assert sum(calls) == 900


def test_given_codes_are_scored_as_the_functions_do(worlds):
    split = worlds.mixed.split()
    result = evaluate_codes(*split, protocol=SMALL)
    assert result.scores["mig"] == mutual_information_gap(*split[:2])["mig"]
    assert result.scores["dci_completeness"] == dci(*split)["dci_completeness"]
    assert result.notes == ()


def test_codes_of_the_whole_grid_allow_interventions(worlds):
    grid = np.stack(np.unravel_index(np.arange(60), (3, 4, 5)), axis=1)
    repeated = np.tile(grid, (5, 1))
    result = evaluate_codes(worlds.perfect.represent(repeated), repeated, protocol=SMALL)
    assert result.scores["factor_vae_eval"] == 1.0
    missing = repeated[(repeated != 0).any(axis=1)]
    result = evaluate_codes(worlds.perfect.represent(missing), missing, protocol=SMALL)
    assert "factors lack 1 of the 60 grid points" in result.errors["factor_vae"]
    assert "mig" in result.scores


def test_a_missing_test_set_is_split_off_and_said(worlds):
    codes, factors, _, _ = worlds.mixed.split()
    result = evaluate_codes(codes, factors, protocol=FAST)
    assert "of 600 rows 400 serve for training and 200 for testing" in result.notes[0]
    assert "400 training and 200 test samples" in result.notes[1]
    assert evaluate_codes(codes, factors, protocol=FAST).scores == result.scores


def test_more_rows_than_the_protocol_asks_for_are_cut_and_said(worlds):
    short = ScoreProtocol("short", ("mig", "sap"), num_train=200, num_test=100)
    split = worlds.mixed.split()
    assert evaluate_codes(*split, protocol=short).notes == (
        "200 of 600 training rows used, chosen at random, as the protocol asks",
        "100 of 300 test rows used, chosen at random, as the protocol asks",
    )
    without_test = evaluate_codes(*split[:2], protocol=short).notes
    assert without_test == (
        "no test set given: of 600 rows 200 serve for training and 100 for testing, chosen at random",
    )


@pytest.mark.parametrize("error", [ValueError("too dull"), ZeroDivisionError("by nought")])
def test_a_failing_score_does_not_lose_the_others(worlds, monkeypatch, error):
    def fail(codes, factors):
        raise error

    broken = registry.Score("broken", fail, "", {}, ("codes", "factors"), 1, "", "")
    monkeypatch.setitem(registry.REGISTERED, "broken", broken)
    told = []
    protocol = ScoreProtocol("p", ("broken", "mig"), num_train=600, num_test=300)
    result = evaluate_codes(*worlds.mixed.split(), protocol=protocol, on_score=lambda *event: told.append(event))
    assert set(result.scores) == {"mig"}
    assert str(error) in result.errors["broken"]
    assert told[0][:2] == ("broken", {})


def test_codes_with_nan_stand_in_the_errors(worlds):
    result = evaluate(lambda factors: np.full((len(factors), 2), np.nan), (3, 4, 5), FAST)
    assert set(result.errors) == {"mig", "sap"}


def test_refusals(worlds):
    codes, factors, test_codes, _ = worlds.mixed.split()
    with pytest.raises(ValueError, match="go together"):
        evaluate_codes(codes, factors, test_codes)
    with pytest.raises(ValueError, match="unknown protocol 'locatelo2019', did you mean 'locatello2019'"):
        evaluate_codes(codes, factors, protocol="locatelo2019")
    with pytest.raises(ValueError, match="codes has 600 rows and factors has 599"):
        evaluate_codes(codes, factors[1:])
