import pytest
from disent_metrics import Key, get_score, higher_is_better, register_score, registry, scores


@pytest.mark.parametrize("score", scores().values(), ids=lambda score: score.name)
def test_metadata(score):
    assert all((score.title, score.rewards, score.source, score.function.__doc__))
    for name, key in score.keys.items():
        assert higher_is_better(name) is key.higher_is_better
        assert key.low < key.high
        assert name.isidentifier()


def register(name, keys):
    return register_score(name, title="t", keys=keys, needs="codes", rewards="r", source="s")


def test_a_new_score_is_known_everywhere(monkeypatch):
    monkeypatch.setattr(registry, "_SCORES", dict(registry._SCORES))

    @register("fresh", {"fresh": Key(higher_is_better=False, high=9.0)})
    def fresh(codes, factors):
        return {"fresh": 1.0}

    assert get_score("fresh").function is fresh
    assert higher_is_better("fresh") is False


@pytest.mark.parametrize(("name", "keys"), [("mig", {"other": Key()}), ("other", {"mig": Key()})])
def test_names_and_keys_are_unique(name, keys):
    with pytest.raises(ValueError, match="already registered"):
        register(name, keys)(lambda codes, factors: {})


def test_unknown_names():
    assert higher_is_better("no_such_key") is None
    with pytest.raises(ValueError, match="unknown score 'sapp', did you mean 'sap'"):
        get_score("sapp")
