import dataclasses
import json

import disent_metrics
import numpy as np
import pytest
from disent_metrics import (
    Key,
    ScoreProtocol,
    evaluate_codes,
    get_score,
    higher_is_better,
    register_score,
    registry,
    scores,
)


@pytest.mark.parametrize("score", scores().values(), ids=lambda score: score.name)
def test_metadata(score):
    assert all((score.title, score.rewards, score.source, score.function.__doc__))
    for name, key in score.keys.items():
        assert higher_is_better(name) is key.higher_is_better
        assert key.low < key.high
        assert name.isidentifier()


@pytest.fixture
def forget():
    """Leave the registry as it was."""
    before = dict(registry.REGISTERED)
    yield
    registry.REGISTERED.clear()
    registry.REGISTERED.update(before)


def register(name, keys, **more):
    return register_score(name, title="t", keys=keys, rewards="r", source="s", **more)


def test_a_new_score_is_known_everywhere_and_can_be_registered_again(forget):
    def define():
        @register("fresh", {"fresh": Key(higher_is_better=False, high=9.0)}, version=3)
        def fresh(codes, factors, *, strength=2):
            return {"fresh": float(strength)}

        return fresh

    define()
    again = define()
    score = get_score("fresh")
    assert score.function is again
    assert (score.inputs, score.settings(), score.version) == (("codes", "factors"), {"strength": 2}, 3)
    assert higher_is_better("fresh") is False
    codes, factors = np.random.default_rng(0).normal(size=(40, 2)), np.arange(80).reshape(40, 2) % 4
    assert evaluate_codes(codes, factors, protocol=ScoreProtocol("p", ("fresh",))).scores == {"fresh": 2.0}


@pytest.mark.parametrize(("name", "keys"), [("mig", {"other": Key()}), ("other", {"mig": Key()})])
def test_names_and_keys_are_unique(name, keys):
    with pytest.raises(ValueError, match="already registered"):
        register(name, keys)(lambda codes, factors: {})


def test_an_input_that_nothing_gives_is_refused():
    with pytest.raises(ValueError, match="unknown input of score 'other' 'factor', did you mean 'factors'"):
        register("other", {"other": Key()})(lambda codes, factor: {})
    with pytest.raises(ValueError, match="version of score 'other' is a whole number"):
        register("other", {"other": Key()}, version=0)


def test_a_protocol_says_what_its_numbers_depend_on(forget):
    plain = ScoreProtocol("p", ("mig", "sap"))
    assert plain.label == "p@1"
    assert plain.identity() == ScoreProtocol("another name", ("sap", "mig"), version=7).identity()
    assert plain.identity() == json.loads(json.dumps(plain.identity()))
    assert plain.identity()["scores"]["mig"] == {"version": 1, "num_bins": 20}
    changed = [
        ScoreProtocol("p", ("mig",)),
        ScoreProtocol("p", ("mig", "sap"), num_bins=10),
        ScoreProtocol("p", ("mig", "sap"), num_test=9),
        ScoreProtocol("p", ("mig", "sap"), seed=1),
        ScoreProtocol("p", ("mig", "sap"), replace=False),
        ScoreProtocol("p", ("mig", "sap"), settings={"sap": {"continuous_factors": True}}),
    ]
    assert all(each.identity() != plain.identity() for each in changed)
    registry.REGISTERED["mig"] = dataclasses.replace(registry.REGISTERED["mig"], version=2)
    assert plain.identity()["scores"]["mig"]["version"] == 2


def test_the_package_shows_what_it_offers():
    assert {"evaluate", "DCI", "ScoreProtocol", "functional", "register_score"} <= set(dir(disent_metrics))
    assert all(hasattr(disent_metrics, name) for name in dir(disent_metrics))
    assert not [name for name in dir(disent_metrics) if name.startswith("_")]


def test_unknown_names():
    assert higher_is_better("no_such_key") is None
    with pytest.raises(ValueError, match="unknown score 'sapp', did you mean 'sap'"):
        get_score("sapp")
