"""The device path, here on the CPU (and on a GPU where there is one)."""

import numpy as np
import pytest
import torch
from disent_metrics.functional import active_modularity, modularity, mutual_information_gap
from disent_metrics.functional.information import bin_codes, ranks
from disent_metrics.functional.on_device import joint_counts
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


@given(
    arrays(np.float32, (40, 3), elements=st.floats(-1e3, 1e3, width=32)),
    arrays(np.int64, (40, 2), elements=st.integers(-2, 5)),
    st.integers(2, 25),
)
def test_counts_equal_those_of_the_host(codes, factors, num_bins):
    factors[:2] = [[0, 0], [1, 1]]
    counts = joint_counts(torch.tensor(codes), torch.tensor(factors), num_bins, 20)
    for code, row in zip(bin_codes(codes, num_bins).T, counts, strict=True):
        for label, table in zip(ranks(factors).T, row, strict=True):
            expected = np.zeros_like(table)
            np.add.at(expected, (code, label), 1)
            np.testing.assert_array_equal(table, expected)


def test_constant_and_collapsed_columns_fall_into_one_bin():
    codes = torch.ones(30, 2)
    codes[:15, 1] = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))
    counts = joint_counts(codes, torch.arange(30)[:, None] % 3, 20, 20)
    assert [(table.sum(axis=1) > 0).sum() for row in counts for table in row] == [1, 1]


@pytest.mark.parametrize(
    ("codes", "factors"),
    [
        (torch.full((30, 2), torch.nan), torch.arange(60).reshape(30, 2)),
        (torch.rand(30, 2), torch.rand(30, 2)),
        (torch.rand(30, 2), torch.zeros(30, 2, dtype=torch.int64)),
        (torch.rand(10, 2), torch.arange(20).reshape(10, 2)),
        (torch.rand(30), torch.arange(60).reshape(30, 2)),
    ],
)
def test_data_that_the_host_must_refuse(codes, factors):
    assert joint_counts(codes, factors, 20, 20) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("function", [mutual_information_gap, modularity, active_modularity])
def test_scores_on_a_gpu(worlds, function):
    codes, factors = worlds.mixed.split()[:2]
    expected = function(codes, factors)
    assert function(torch.tensor(codes).cuda(), torch.tensor(factors).cuda()) == pytest.approx(expected)
    with pytest.raises(ValueError, match="holds NaN"):
        function(torch.full((50, 2), torch.nan).cuda(), torch.tensor(factors[:50]).cuda())
