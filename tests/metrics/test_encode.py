import numpy as np
import pytest
import torch
from disent_metrics import GridCodes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

SIZES = (3, 4, 5)


def counting_encoder():
    seen = []

    def encode(indices):
        seen.append(np.array(indices))
        return torch.tensor(np.stack([indices, indices**2], axis=1), dtype=torch.float32)

    return encode, seen


@given(st.lists(arrays(np.int64, (7, 3), elements=st.integers(0, 2)), min_size=1, max_size=4))
def test_each_point_is_encoded_once_and_returned_in_order(requests):
    encode, seen = counting_encoder()
    grid = GridCodes(encode, SIZES, batch_size=4)
    for factors in requests:
        index = factors @ [20, 5, 1]
        np.testing.assert_array_equal(grid(factors), np.stack([index, index**2], axis=1))
    encoded = np.concatenate(seen)
    assert len(encoded) == len(np.unique(encoded)) == grid.num_encoded
    assert max(map(len, seen)) <= 4


def test_from_represent_gets_factors_and_keeps_a_grid():
    grid = GridCodes.from_represent(lambda factors: factors * 2.0, SIZES)
    factors = np.array([[2, 3, 4], [0, 1, 0]])
    np.testing.assert_array_equal(grid(factors), factors * 2)
    assert GridCodes.from_represent(grid, SIZES) is grid


def test_from_arrays_needs_the_whole_grid():
    factors = np.stack(np.unravel_index(np.arange(60), SIZES), axis=1)
    order = np.random.default_rng(0).permutation(60)
    grid = GridCodes.from_arrays(factors[order] * 1.5, factors[order], SIZES)
    np.testing.assert_array_equal(grid(factors), factors * 1.5)
    with pytest.raises(ValueError, match="factors lack 1 of the 60 grid points"):
        GridCodes.from_arrays(factors[1:] * 1.0, factors[1:], SIZES)


@pytest.mark.parametrize(
    ("encode", "sizes", "options", "message"),
    [
        (lambda i: i[:, None] * 1.0, (3, 1), {}, "factor_sizes is"),
        (lambda i: i[:, None] * 1.0, (2**10, 2**10, 2**10), {}, "sizes span"),
        (lambda i: i[:, None] * 1.0, SIZES, {"batch_size": 0}, "batch_size is 0"),
        (lambda i: i[1:, None] * 1.0, SIZES, {}, "returned 1 codes for 2 grid points"),
        (lambda i: i[:, None] * np.nan, SIZES, {}, "codes holds NaN"),
        (lambda i: i * 1.0, SIZES, {}, "codes has shape"),
    ],
)
def test_refusals(encode, sizes, options, message):
    with pytest.raises(ValueError, match=message):
        GridCodes(encode, sizes, **options)(np.array([[0, 0, 0], [1, 1, 1]]))


def test_factors_outside_the_grid():
    with pytest.raises(ValueError, match="invalid entry"):
        GridCodes(lambda i: i[:, None] * 1.0, SIZES)(np.array([[3, 0, 0]]))
