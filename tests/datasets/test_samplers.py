"""Distributions, random access and reproducibility of every sampler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets.datamodule import DisentDataModule
from disent_datasets.sampling.correlation import SETTINGS, correlated
from disent_datasets.sampling.samplers import SAMPLERS, Pairs, ShuffledEpochs, held_out, make_sampler
from disent_datasets.sampling.stream import BatchStream, Sampler
from scipy.stats import chi2

SPACE = dd.FactorSpace(("a", "b", "c"), (3, 4, 5))
OPTIONS: dict[str, dict[str, Any]] = {
    "uniform": {},
    "epochs": {},
    "pairs": {"changed": 1},
    "correlated": {"pairs": [("a", "b")], "sigma": 0.3},
    "held_out": {"combinations": {"a": [0], "b": [1, 2]}},
}


def draw(sampler: Sampler, steps: int, *, batch_size: int = 500, space: dd.FactorSpace = SPACE) -> np.ndarray:
    """First and second images (2, steps * batch_size)."""
    stream = BatchStream(space, batch_size, seed=3, second=True, sampler=sampler)
    return np.concatenate([np.stack(stream.step(t)) for t in range(steps)], axis=1)  # type: ignore[arg-type]


def p_value(counts: np.ndarray, probabilities: np.ndarray) -> float:
    expected = counts.sum() * probabilities / probabilities.sum()
    assert not counts[expected == 0].any()
    counts, expected = counts[expected > 0], expected[expected > 0]
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("second", [False, True])
def test_any_step_can_be_asked_for_alone_and_depends_on_the_seed(name: str, second: bool) -> None:
    def stream(seed: int = 3, start: int = 0) -> BatchStream:
        sampler = make_sampler(name, SPACE, OPTIONS[name])
        return BatchStream(SPACE, 7, seed, start, second=second, sampler=sampler)

    whole = [stream().step(t) for t in range(40)]
    one = stream()
    for t in (39, 0, 12, 13, 2, 39):
        for a, b in zip(one.step(t), whole[t], strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(stream(start=25), whole[25:30], strict=False):
        np.testing.assert_array_equal(a.first, b.first)
    assert len({step.first.tobytes() for step in whole}) == 40
    assert not np.array_equal(stream(seed=4).step(0).first, whole[0].first)
    if second:
        alone = BatchStream(SPACE, 7, 3, sampler=make_sampler(name, SPACE, OPTIONS[name]))
        np.testing.assert_array_equal(alone.step(5).first, whole[5].first)
    for step in whole:
        for batch in step:
            if batch is not None:
                assert batch.dtype == np.int64
                assert batch.shape == (7,)
                assert 0 <= batch.min() <= batch.max() < 60


def test_an_epoch_has_every_image_once_in_a_new_order() -> None:
    stream = BatchStream(SPACE, 7, seed=0, second=True, sampler=ShuffledEpochs(SPACE))
    steps = [stream.step(t) for t in range(60)]  # seven epochs of 60
    for part in (0, 1):
        epochs = np.concatenate([step[part] for step in steps]).reshape(7, 60)
        np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(60), (7, 1)))
        assert len({epoch.tobytes() for epoch in epochs}) == 7
    assert not np.array_equal(steps[0].first, steps[0].second)
    places = np.concatenate(
        [BatchStream(SPACE, 60, s, sampler=ShuffledEpochs(SPACE)).step(0).first for s in range(400)]
    )
    joint = np.histogram2d(np.tile(np.arange(60), 400) // 6, places // 6, bins=10)[0]
    assert chi2.sf(((joint - 240) ** 2 / 240).sum(), 81) > 1e-3


def test_a_batch_may_be_larger_than_the_set() -> None:
    batch = BatchStream(SPACE, 150, seed=0, sampler=ShuffledEpochs(SPACE)).step(1).first
    counts = np.bincount(batch, minlength=60)
    assert counts.sum() == 150
    assert counts.min() == 2


@pytest.mark.parametrize("changed", [1, 2, 3])
def test_pairs_differ_in_at_most_the_number_of_factors_asked_for(changed: int) -> None:
    first, second = draw(Pairs(SPACE, changed), 100)
    assert p_value(np.bincount(first, minlength=60), np.ones(60)) > 1e-3
    assert p_value(np.bincount(second, minlength=60), np.ones(60)) > 1e-3
    differs = SPACE.factors(first) != SPACE.factors(second)
    assert differs.sum(axis=1).max() == changed
    # A factor is drawn again with probability changed / 3, and then keeps its value with probability 1 / size.
    expected = changed / 3 * (1 - 1 / np.array(SPACE.sizes))
    deviation = np.sqrt(expected * (1 - expected) / len(first))
    assert (np.abs(differs.mean(axis=0) - expected) < 4 * deviation).all()


def test_the_number_of_changed_factors_is_one_or_random() -> None:
    """By enumeration: half of the pairs redraw one factor, the others 1 to 3 of these four two-valued factors."""
    space = dd.FactorSpace("abcd", (2, 2, 2, 2))
    first, second = draw(Pairs(space), 100, space=space)
    found = np.bincount((space.factors(first) != space.factors(second)).sum(axis=1), minlength=5)
    redrawn = np.array([0, 1 / 2 + 1 / 6, 1 / 6, 1 / 6])
    binomial = np.array([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 2, 1, 0, 0], [1, 3, 3, 1, 0]]) / [[1], [2], [4], [8]]
    assert p_value(found, redrawn @ binomial) > 1e-3


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("sigma", [0.1, 0.4, 3.0])
def test_correlated_factors_have_the_published_weights(sigma: float, inverse: bool) -> None:
    first, second = draw(correlated(SPACE, pairs=[("a", "b"), ("c", "a")], sigma=sigma, inverse=inverse), 100)
    weights = np.empty(60)
    for index, factors in enumerate(SPACE.factors(np.arange(60))):
        a, b, c = factors / [2, 3, 4]
        pairs = [(a, 1 - b), (c, 1 - a)] if inverse else [(a, b), (c, a)]
        weights[index] = np.prod([np.exp(-((x - y) ** 2) / (2 * sigma**2)) for x, y in pairs])
    likely = weights > 1e-3 * weights.max()
    for part in (first, second):
        counts = np.bincount(part, minlength=60)
        assert p_value(counts[likely], weights[likely]) > 1e-3
    joint = np.histogram2d(first // 20, second // 20, bins=3)[0]
    independent = joint.sum(1)[:, None] * joint.sum(0) / joint.sum()
    assert chi2.sf(((joint - independent) ** 2 / independent).sum(), 4) > 1e-3


KNOWN = {"dsprites": 7, "mpi3d_toy": 9, "mpi3d_complex": 9, "shapes3d": 11, "cars3d": 6}


@pytest.mark.parametrize("name", KNOWN)
def test_every_named_setting_correlates_its_pairs_and_nothing_else_much(name: str) -> None:
    space = dd.info(name).space
    settings = SETTINGS[space.names]
    assert len(settings) == KNOWN[name]
    for key, setting in settings.items():
        sampler = correlated(space, setting=key)
        factors = space.factors(draw(sampler, 4, batch_size=5000, space=space)[0])
        correlation = np.corrcoef((factors / (np.array(space.sizes) - 1)).T)
        columns = [tuple(space.names.index(factor) for factor in pair) for pair in setting.pairs]
        assert min(correlation[pair] for pair in columns) > 0.5, key
        linked = np.eye(len(space), dtype=bool)
        for a, b in columns:
            linked[a, b] = linked[b, a] = True
        linked = np.linalg.matrix_power(linked.astype(int), len(space)) > 0
        assert np.abs(correlation[~linked]).max(initial=0) < 0.04, key


def test_some_settings_by_hand() -> None:
    shapes3d, mpi3d = SETTINGS[dd.info("shapes3d").space.names], SETTINGS[dd.info("mpi3d_toy").space.names]
    assert shapes3d["2_pairs_v1"].pairs == (("scale", "floor hue"), ("shape", "wall hue"))
    assert mpi3d["3_pairs_v2"].pairs[2] == ("background color", "camera height")
    assert [other for _, other in shapes3d["confounder_2"].pairs] == [
        "floor hue",
        "object hue",
        "scale",
        "shape",
        "orientation",
    ]
    assert {setting.sigma for key, setting in mpi3d.items() if "confounder" in key} == {0.2}


def test_held_out_combinations_are_never_seen_in_training_and_alone_in_testing() -> None:
    combinations = [{"a": [0], "b": [1, 2]}, {"c": [4]}]
    factors = SPACE.factors(np.arange(60))
    out = ((factors[:, 0] == 0) & np.isin(factors[:, 1], (1, 2))) | (factors[:, 2] == 4)
    assert out.sum() == 10 + 12 - 2
    for part, weights in (("train", ~out), ("test", out)):
        first, second = draw(held_out(SPACE, combinations, part=part), 60)
        for indices in (first, second):
            assert p_value(np.bincount(indices, minlength=60), weights.astype(float)) > 1e-3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("unifrom", {}, "sampler: must be one of uniform, epochs, pairs, correlated, held_out, got 'unifrom'"),
        ("uniform", {"sigma": 1}, "sampler_options: uniform has no option 'sigma'; known: none"),
        ("pairs", {"k": 1}, "sampler_options: pairs has no option 'k'; known: changed"),
        ("pairs", {"changed": 4}, "changed: need 1 to 3 of the factors a, b, c, got 4"),
        ("pairs", {"changed": 0}, "changed: need 1 to 3"),
        ("correlated", {}, "setting: give the name of a setting or pairs of factors, not both"),
        ("correlated", {"setting": "x", "pairs": [("a", "b")]}, "setting: give"),
        ("correlated", {"setting": "1_pair_1"}, "setting: the data set has none, name pairs of factors instead"),
        ("correlated", {"pairs": [("a", "d")]}, "pairs: need two different factors of a, b, c, got"),
        ("correlated", {"pairs": [("a", "a")]}, "pairs: need two different"),
        ("correlated", {"pairs": [("a", "b")], "sigma": 0}, "sigma: need a positive number, got 0"),
        ("held_out", {}, "sampler_options: held_out needs combinations"),
        ("held_out", {"combinations": {"d": [0]}}, "combinations: unknown factor 'd'; known: a, b, c"),
        ("held_out", {"combinations": {"a": [3]}}, r"combinations: a must be in 0\.\.2, got 3"),
        ("held_out", {"combinations": {}}, "combinations: everything is held out"),
        ("held_out", {"combinations": []}, "combinations: nothing is held out"),
        ("held_out", {"combinations": {"a": [0]}, "part": "x"}, "part: must be train or test, got 'x'"),
    ],
)
def test_refuses(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        make_sampler(name, SPACE, options)


def test_one_factor_has_no_random_number_of_changes() -> None:
    with pytest.raises(ValueError, match="changed: with one factor"):
        Pairs(dd.FactorSpace(("a",), (5,)))


def test_the_data_module_takes_a_sampler_by_name(data_dir: Path) -> None:
    def module(**settings: Any) -> DisentDataModule:
        return DisentDataModule("toy_grid", data_dir=data_dir, batch_size=8, **settings)

    (batch,) = (batch for batch, _ in zip(module(sampler="pairs").train_dataloader(), range(1), strict=False))
    assert batch.second is not None
    options = {"setting": "1_pair_2", "sigma": 0.02}
    loader = module(sampler="correlated", sampler_options=options).train_dataloader()
    factors = dd.info("toy_grid").space.factors(loader.batch(3).indices.numpy())
    np.testing.assert_array_equal(factors[:, 3], factors[:, 4])
    with pytest.raises(ValueError, match="sampler: must be one of"):
        module(sampler="odd").train_dataloader()
