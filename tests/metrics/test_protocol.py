import json
import pickle

import pytest
from disent_metrics import PROTOCOLS, ScoreProtocol, get_protocol


def test_starts_from_the_built_in_protocol_of_its_name():
    protocol = ScoreProtocol.from_mapping("quick", {"num_bins": 10, "factor_vae": {"num_eval": 7}})
    assert (protocol.num_train, protocol.num_bins) == (PROTOCOLS["quick"].num_train, 10)
    assert protocol.settings["factor_vae"] == {**PROTOCOLS["quick"].settings["factor_vae"], "num_eval": 7}
    assert ScoreProtocol.from_mapping("locatello2019", {}) == get_protocol("locatello2019")


def test_base_names_another_starting_point():
    protocol = ScoreProtocol.from_mapping("mine", {"base": "quick", "scores": ["mig"]})
    assert protocol.name == "mine"
    assert protocol.scores == ("mig",)
    assert protocol.num_train == PROTOCOLS["quick"].num_train


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"num_trian": 5}, "unknown key of protocol 'p' 'num_trian', did you mean 'num_train'"),
        ({"settings": {}}, "unknown key of protocol 'p' 'settings'"),
        ({"mig": 3}, "mig of protocol 'p' holds settings of the score by name, not 3"),
        ({"scores": "mig"}, r"scores of protocol 'p' is a list of names such as \[mig, dci\], not 'mig'"),
        ({"scores": [1]}, "scores of protocol 'p' is a list of names"),
        ({"scores": None}, "scores of protocol 'p' is a list of names"),
        ({"seed": -1}, "seed of protocol 'p' is a whole number from 0 to 4294967295, not -1"),
        ({"replace": 1}, "replace of protocol 'p' is true or false, not 1"),
        ({"num_bins": 10**12}, "num_bins of protocol 'p' is a whole number from 1 to 1000000000"),
        ({"mig": {"num_bins": True}}, "num_bins of score 'mig' is a whole number"),
        ({"factor_vae": {"prune_std": float("nan")}}, "prune_std of score 'factor_vae' is a finite number"),
        ({"info_mec": {"discrete_codes": "no"}}, "discrete_codes of score 'info_mec' is true or false"),
        ({"geometry": {"cost": "cosin"}}, "cost of score 'geometry' is one of cosine, scaled_sqeuclidean"),
        ({"scores": ["migg"]}, "unknown score 'migg', did you mean 'mig'"),
        ({"factor_vae": {"prune": 0.1}}, "unknown setting of score 'factor_vae' 'prune'"),
        ({"base": "quik"}, "unknown protocol 'quik', did you mean 'quick'"),
        ({"num_train": 0}, "num_train of protocol 'p' is a whole number from 1 to 1000000000, not 0"),
        ({"num_test": "many"}, "num_test of protocol 'p' is a whole number from 1 to 1000000000, not 'many'"),
    ],
)
def test_bad_mappings(mapping, message):
    with pytest.raises(ValueError, match=message):
        ScoreProtocol.from_mapping("p", mapping)


def test_options_reach_only_functions_that_take_them():
    protocol = ScoreProtocol("p", num_bins=7, seed=3, settings={"factor_vae": {"seed": 9}})
    assert protocol.options("mig") == {"num_bins": 7}
    assert protocol.options("dci") == {"seed": 3}
    assert protocol.options("factor_vae") == {"seed": 9}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_built_in_protocols_are_plain_data(name):
    protocol = get_protocol(name)
    assert protocol.name == name
    assert json.loads(json.dumps(protocol.as_dict()))["num_train"] == protocol.num_train
    assert pickle.loads(pickle.dumps(protocol)) == protocol
