"""The device path, here on the CPU (and on a GPU where there is one)."""

from importlib import import_module

import numpy as np
import pytest
import torch
from disent_metrics.estimators.information import bin_codes, ranks
from disent_metrics.estimators.on_device import deviations, joint_counts
from disent_metrics.functional import (
    active_modularity,
    interventional_robustness,
    modularity,
    mutual_information_gap,
    unsupervised_scores,
)
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


def run(function, codes, factors, **settings):
    return function(codes, **settings) if function is unsupervised_scores else function(codes, factors, **settings)


def refuse(*_, **__):
    raise AssertionError("taken on the host")


@pytest.fixture
def on_device(monkeypatch):
    """Scores a CPU tensor as if it were on an accelerator; the host's path fails unless ``fall_back``."""

    def score(function, *tensors, fall_back=False, **settings):
        home = import_module(function.__module__)
        with monkeypatch.context() as patch:
            patch.setattr(home, "on_accelerator", torch.is_tensor)
            if not fall_back:
                patch.setattr(home, "bin_codes", refuse)
            return run(function, *tensors, **settings)

    return score


SETTINGS = [
    (unsupervised_scores, {}),
    (unsupervised_scores, {"num_bins": 7}),
    (interventional_robustness, {}),
    (interventional_robustness, {"quantile": 1.0, "num_bins": 3}),
    (interventional_robustness, {"quantile": 0.41}),
]
FUNCTIONS = [unsupervised_scores, interventional_robustness]


@pytest.mark.parametrize(("function", "settings"), SETTINGS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_score_equals_that_of_the_host(world, on_device, function, settings, dtype):
    codes, factors = world.split()[:2]
    codes = torch.tensor(np.column_stack([codes, np.full(len(codes), 0.1)])).to(dtype)
    expected = run(function, codes, factors, **settings)
    numbers = on_device(function, codes, torch.tensor(factors), **settings)
    assert numbers == pytest.approx(expected, abs=1e-9, rel=1e-9)
    assert all(isinstance(value, float) for value in numbers.values())


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("columns", [1, 6])
def test_score_of_one_and_of_many_columns(on_device, function, columns):
    rng = np.random.default_rng(columns)
    factors = rng.integers(-10, 30, size=(500, 2))
    codes = 1e3 + 10.0 * rng.normal(size=(500, columns)) + factors[:, :1] * rng.normal(size=columns)
    expected = run(function, codes, factors)
    assert on_device(function, torch.tensor(codes), factors) == pytest.approx(expected, abs=1e-9, rel=1e-9)


@given(
    arrays(np.float64, (30, 2), elements=st.integers(-40, 40).map(lambda n: n / 8)),
    arrays(np.int64, (30, 2), elements=st.integers(-2, 5)),
    st.floats(0.01, 1.0),
)
def test_deviations_equal_those_of_the_host(codes, factors, quantile):
    """With ties, constant columns, and bins that hold one sample."""
    factors[:2] = [[0, 0], [1, 1]]
    host = import_module("disent_metrics.functional.interventional_robustness")._deviations
    expected = host(codes, factors, 4, quantile)
    found = deviations(torch.tensor(codes), torch.tensor(factors), 4, quantile, 20)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("value", [0.0, 0.1, -1e6 / 3])
def test_constant_codes_score_zero(on_device, function, value):
    """Also where the mean of equal numbers is not that number, on either path."""
    codes, factors = torch.full((77, 3), value), torch.arange(77)[:, None] % 4
    assert set(on_device(function, codes, factors).values()) == {0.0}
    assert set(run(function, codes, factors).values()) == {0.0}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (torch.full((30, 2), torch.nan), "codes holds NaN"),
        (torch.rand(10, 2), "at least 20"),
        (torch.rand(30), "codes has shape"),
    ],
)
def test_refusals_are_those_of_the_host(on_device, function, codes, message):
    with pytest.raises(ValueError, match=message):
        on_device(function, codes, torch.arange(len(codes))[:, None] % 2, fall_back=True)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_integer_codes_and_devices_without_double_go_to_the_host(on_device, function, monkeypatch):
    codes = torch.randint(9, (50, 2), generator=torch.manual_seed(0))
    factors = codes.flip(1)
    expected = run(function, codes, factors)
    assert on_device(function, codes, factors, fall_back=True) == expected
    monkeypatch.setattr("disent_metrics.estimators.on_device._has_double", lambda _: False)
    assert on_device(function, codes.double(), factors, fall_back=True) == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("function", [mutual_information_gap, modularity, active_modularity, *FUNCTIONS])
def test_scores_on_a_gpu(worlds, function):
    codes, factors = worlds.mixed.split()[:2]
    expected = run(function, codes, factors)
    assert run(function, torch.tensor(codes).cuda(), torch.tensor(factors).cuda()) == pytest.approx(expected)
    with pytest.raises(ValueError, match="holds NaN"):
        run(function, torch.full((50, 2), torch.nan).cuda(), torch.tensor(factors[:50]).cuda())
