import numpy as np
import pytest
from disent_metrics.functional import beta_vae_score
from sklearn.linear_model import LogisticRegression

SMALL = {"num_train": 400, "num_eval": 300, "batch_size": 16}


def brute_force(represent, sizes, *, num_train, num_eval, batch_size):
    """One point at a time, as the paper describes it."""
    rng = np.random.default_rng(77)

    def points(count):
        features, labels = [], []
        for _ in range(count):
            k = rng.integers(len(sizes))
            first, second = (rng.integers(sizes, size=(batch_size, len(sizes))) for _ in range(2))
            second[:, k] = first[:, k]
            features.append(np.abs(represent(first) - represent(second)).mean(axis=0))
            labels.append(k)
        return np.array(features), np.array(labels)

    return LogisticRegression().fit(*points(num_train)).score(*points(num_eval))


def test_equals_brute_force_within_sampling_error(world):
    value = beta_vae_score(world.represent, world.sizes, **SMALL)["beta_vae_eval"]
    assert value == pytest.approx(brute_force(world.represent, world.sizes, **SMALL), abs=0.1)


def test_pairs_share_exactly_the_chosen_factor():
    calls = []

    def represent(factors):
        calls.append(factors)
        return factors * 1.0

    beta_vae_score(represent, (9, 9, 9), num_train=300, num_eval=50, batch_size=64)
    assert max(map(len, calls)) <= 8192
    first = calls[0].reshape(2, -1, 64, 3)
    shared = (first[0] == first[1]).all(axis=1)
    assert (shared.sum(axis=1) == 1).all()
    assert shared.any(axis=0).all()


def test_dead_code_scores_chance():
    numbers = beta_vae_score(lambda factors: np.zeros((len(factors), 2)), (3, 4), **SMALL)
    assert numbers["beta_vae_eval"] == pytest.approx(0.5, abs=0.1)


def test_refusals():
    with pytest.raises(ValueError, match="at least two factors"):
        beta_vae_score(lambda factors: factors * 1.0, (5,))
    with pytest.raises(ValueError, match="batch_size is 0"):
        beta_vae_score(lambda factors: factors * 1.0, (5, 5), batch_size=0)
