from __future__ import annotations

import itertools

import numpy as np
import pytest
from disent_datasets import FactorSpace
from hypothesis import given, settings
from hypothesis import strategies as st

SPACE = FactorSpace(("a", "b", "c"), (2, 3, 4))

spaces = st.lists(st.integers(1, 5), min_size=1, max_size=5).map(
    lambda sizes: FactorSpace([f"f{k}" for k in range(len(sizes))], sizes)
)


@settings(deadline=None)
@given(spaces)
def test_numbering_is_the_order_of_the_product_and_a_bijection(space: FactorSpace) -> None:
    product = list(itertools.product(*map(range, space.sizes)))
    everything = np.arange(space.size)
    assert space.size == len(product)
    np.testing.assert_array_equal(space.factors(everything), product)
    np.testing.assert_array_equal(space.index(product), everything)


def test_dsprites_numbering_by_its_published_bases() -> None:
    space = FactorSpace(("shape", "scale", "orientation", "posX", "posY"), (3, 6, 40, 32, 32))
    factors = space.sample(100, np.random.default_rng(0))
    np.testing.assert_array_equal(space.index(factors), factors @ [245760, 40960, 1024, 32, 1])
    assert space.index(factors).dtype == space.factors([5]).dtype == np.int64
    assert len(space) == 5


def test_sample_is_uniform_on_every_factor_and_pair() -> None:
    counts = np.bincount(SPACE.index(SPACE.sample(24_000, np.random.default_rng(0))), minlength=24)
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_square < 49.7  # 99.9 % point of chi-square with 23 degrees of freedom


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([[0, 3, 0]], r"b must be in 0\.\.2, got 3"),
        ([[0, 1, 0], [0, 3, 0], [0, 0, 0]], r"b must be in 0\.\.2, got 3"),
        ([[0, 1, 0], [-1, 3, 0], [0, 0, 0]], r"a must be in 0\.\.1, got -1"),
        ([[0, 0, -1]], r"c must be in 0\.\.3, got -1"),
        ([[0, 0]], r"shape \(n, 3\)"),
        ([0, 0, 0], r"shape \(n, 3\)"),
        ([[0.0, 0.0, 0.0]], "integers"),
    ],
)
def test_index_refuses(factors: list, message: str) -> None:
    with pytest.raises(ValueError, match=f"factors: .*{message}"):
        SPACE.index(factors)


@pytest.mark.parametrize(("indices", "message"), [([24], "24"), ([-1], "-1"), ([[0]], "shape"), ([0.5], "int")])
def test_factors_refuses(indices: list, message: str) -> None:
    with pytest.raises(ValueError, match=f"indices: .*{message}"):
        SPACE.factors(indices)


def test_empty_batches() -> None:
    assert SPACE.factors([]).shape == (0, 3)
    assert SPACE.index(np.empty((0, 3), dtype=int)).shape == (0,)
    assert SPACE.index([]).shape == (0,)


@pytest.mark.parametrize(("names", "sizes"), [(("a",), (2, 3)), (("a", "a"), (2, 3)), (("a",), (0,)), ((), ())])
def test_impossible_spaces(names: tuple, sizes: tuple) -> None:
    with pytest.raises(ValueError, match=r"names|sizes"):
        FactorSpace(names, sizes)


def test_is_a_value() -> None:
    assert FactorSpace(["a"], [np.int64(3)]) == FactorSpace(("a",), (3,))
    with pytest.raises(AttributeError):
        SPACE.sizes = (1,)  # type: ignore[misc]
