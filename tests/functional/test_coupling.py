"""Rounding to a coupling, and starts of plans."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from disent_bench.functional.coupling import start_plan, with_uniform_marginals


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(0, 1), st.integers(0, 2**31))
def test_rounding_moves_at_most_twice_the_marginals_errors(n: int, m: int, noise: float, seed: int) -> None:
    """Altschuler et al. 2017, lemma 7."""
    rng = torch.Generator().manual_seed(seed)
    plan = torch.rand(n, m, dtype=torch.float64, generator=rng)
    for _ in range(300):
        plan /= plan.sum(1, keepdim=True) * n
        plan /= plan.sum(0, keepdim=True) * m
    plan *= 1 + noise * torch.rand(n, m, dtype=torch.float64, generator=rng)
    plan /= plan.sum()
    errors = (plan.sum(1) - 1 / n).abs().sum() + (plan.sum(0) - 1 / m).abs().sum()
    rounded = with_uniform_marginals(plan)
    assert (rounded >= 0).all()
    torch.testing.assert_close(rounded.sum(1), torch.full((n,), 1 / n, dtype=torch.float64), rtol=0, atol=1e-14)
    torch.testing.assert_close(rounded.sum(0), torch.full((m,), 1 / m, dtype=torch.float64), rtol=0, atol=1e-14)
    assert (rounded - plan).abs().sum() <= 2 * errors + 1e-12


@pytest.mark.parametrize("init", [None, "identity"])
def test_a_batch_of_costs_starts_from_a_batch_of_plans(init: str | None) -> None:
    costs = torch.rand(2, 3, 5, 5, dtype=torch.float64)
    plan = start_plan(init, costs, costs)
    assert plan.shape == (2, 3, 5, 5)
    assert torch.allclose(plan.sum((-2, -1)), torch.ones(2, 3, dtype=torch.float64))
    assert torch.equal(start_plan(plan, costs, costs), plan)
    with pytest.raises(ValueError, match=r"a plan of shape \(2, 3, 5, 5\)"):
        start_plan(plan[0], costs, costs)
