"""Rounding to a coupling, and starts of plans."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from disent_bench.functional.costs import cost_matrix
from disent_bench.functional.coupling import Solver, start_plan, with_uniform_marginals
from disent_bench.functional.gromov_wasserstein import entropic_gromov_wasserstein


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


@pytest.mark.parametrize("solver", ["native", "torch"])
@pytest.mark.parametrize("epsilon", [1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize("init", ["product", "identity"])
def test_no_plan_is_worse_than_its_start(solver: Solver, epsilon: float, init: str) -> None:
    """Seeds 0 and 3 (identity, 1e-4) ended above their start, and called that converged."""
    for seed in range(6):
        rng = torch.Generator().manual_seed(seed)
        clouds = (torch.randn(5, d, generator=rng, dtype=torch.float64) for d in (3, 2))
        costs = [cost_matrix(each, "sqeuclidean") for each in clouds]
        costs = [each / each.mean() for each in costs]
        found = entropic_gromov_wasserstein(*costs, epsilon=epsilon, init=init, max_iter=100, solver=solver)
        lowered = []
        for plan in (found.plan, start_plan(init, *costs)):
            objective = (
                (costs[0][:, None, :, None] - costs[1][None, :, None, :]).square() * plan[..., None, None]
            ).sum((0, 1))
            lowered.append(float((objective * plan).sum() + epsilon * torch.special.xlogy(plan, plan).sum()))
        assert lowered[0] <= lowered[1] + 1e-5


def test_a_linear_problem_that_is_not_solved_has_not_converged() -> None:
    """Twelve points whose Sinkhorn iterations at this epsilon end a third of the mass away from the marginals."""
    said = []
    for seed in range(8):
        rng = torch.Generator().manual_seed(seed)
        clouds = (torch.randn(12, d, generator=rng, dtype=torch.float64) for d in (3, 2))
        costs = [cost_matrix(each, "sqeuclidean") for each in clouds]
        costs = [(each / each.mean()).float() for each in costs]
        said.append(bool(entropic_gromov_wasserstein(*costs, epsilon=1e-6, max_iter=300).converged))
    assert not all(said)
