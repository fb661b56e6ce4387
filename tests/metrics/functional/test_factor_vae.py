import numpy as np
import pytest
from disent_metrics.functional import factor_vae_score

SMALL = {"num_train": 600, "num_eval": 400, "num_variance": 2000, "batch_size": 16}


def brute_force(represent, sizes, *, num_train, num_eval, num_variance, batch_size, prune_std=0.05, seed=0):
    """One vote at a time, as the papers describe it."""
    rng = np.random.default_rng(seed + 1000)
    draw = lambda count: np.stack([rng.integers(size, size=count) for size in sizes], axis=1)  # noqa: E731
    deviation = np.std(represent(draw(num_variance)), axis=0, ddof=1)
    active = [d for d in range(len(deviation)) if deviation[d] >= prune_std]

    def vote():
        k = rng.integers(len(sizes))
        factors = draw(batch_size)
        factors[:, k] = factors[0, k]
        local = np.var(represent(factors), axis=0, ddof=1)
        return min(active, key=lambda d: local[d] / deviation[d] ** 2), k

    train = [vote() for _ in range(num_train)]
    majority = {d: max(range(len(sizes)), key=lambda k: train.count((d, k))) for d in {d for d, _ in train}}
    accuracy = lambda votes: np.mean([majority.get(d, 0) == k for d, k in votes])  # noqa: E731
    return accuracy(train), accuracy([vote() for _ in range(num_eval)])


def test_equals_brute_force_within_sampling_error(world):
    ours = factor_vae_score(world.represent, world.sizes, **SMALL)
    train, held_out = brute_force(world.represent, world.sizes, **SMALL)
    assert ours["factor_vae_train"] == pytest.approx(train, abs=0.08)
    assert ours["factor_vae_eval"] == pytest.approx(held_out, abs=0.1)


def test_perfect_code_scores_one(worlds):
    perfect = worlds.perfect
    assert factor_vae_score(perfect.represent, perfect.sizes, **SMALL)["factor_vae_eval"] == 1.0


def test_inactive_dimensions_are_pruned():
    """A tiny dimension that mimics factor 0 would win votes; pruning takes it out."""
    represent = lambda f: np.stack([f[:, 0] * 1e-3, f.sum(axis=1)], axis=1)  # noqa: E731
    pruned = factor_vae_score(represent, (4, 4), **SMALL)
    kept = factor_vae_score(represent, (4, 4), prune_std=0.0, **SMALL)
    assert pruned["factor_vae_eval"] < 0.6 < kept["factor_vae_eval"]


@pytest.mark.parametrize("prune_std", [0.0, 0.05])
def test_constant_dimensions_never_vote(prune_std):
    perfect = lambda f: np.column_stack([f, np.ones(len(f))])  # noqa: E731
    assert factor_vae_score(perfect, (4, 5), prune_std=prune_std, **SMALL)["factor_vae_eval"] == 1.0
    dead = lambda f: np.ones((len(f), 3))  # noqa: E731
    expected = {"factor_vae_train": 0.0, "factor_vae_eval": 0.0}
    assert factor_vae_score(dead, (4, 5), prune_std=prune_std, **SMALL) == expected


def test_every_batch_shares_one_factor_and_calls_are_bounded():
    calls = []

    def represent(factors):
        calls.append(factors)
        return factors * 1.0

    factor_vae_score(represent, (7, 11), num_train=1000, num_eval=200, num_variance=500, batch_size=64)
    assert max(map(len, calls)) <= 8192
    votes = np.concatenate(calls[1:]).reshape(-1, 64, 2)
    assert len(votes) == 1200
    shared = (votes == votes[:, :1]).all(axis=1)
    assert shared.any(axis=1).all()
    assert 0.4 < shared[:, 0].mean() < 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_train": 0}, "num_train is 0"),
        ({"batch_size": 1}, "batch_size is 1"),
        ({"num_variance": 1}, "num_variance 1"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        factor_vae_score(lambda f: f * 1.0, (3, 4), **{**SMALL, **options})


@pytest.mark.parametrize("sizes", [(), (3, 1), (2.5, 3), 4])
def test_bad_sizes(sizes):
    with pytest.raises(ValueError, match="factor_sizes is"):
        factor_vae_score(lambda f: f * 1.0, sizes)
