"""Values of the gap that act at every step: their bounds, limits and gradients, and independent numbers."""

from __future__ import annotations

import math

import numpy as np
import ot
import pytest
import torch
from torch import Tensor

from disent_bench.functional import gromov_wasserstein as gw
from disent_bench.functional.costs import cost_matrix
from disent_bench.functional.gromov_wasserstein import (
    entropic_gap,
    entropic_gromov_wasserstein,
    gromov_monge_gap,
)


@pytest.fixture
def converged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solve to the end, so that the envelope theorem holds."""
    monkeypatch.setattr(gw, "_VALUE_STEPS", 500)
    monkeypatch.setattr(gw, "_VALUE_TOLERANCE", 1e-10)
    monkeypatch.setattr(gw, "_VALUE_INNER_ITERATIONS", 500)


def points(seed: int, n: int = 12) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=rng, dtype=torch.float64)
    maps = torch.randn(3, 5, generator=rng, dtype=torch.float64)
    return x, torch.tanh(x @ maps) + 0.3 * torch.randn(n, 5, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize(("e", "gap_h"), [(0.2, 0.723520), (0.5, 1.681930)])
def test_the_entropic_value_on_a_known_problem(e: float, gap_h: float) -> None:
    """Costs 1 - cos, numpy's generator 0; D - (E - e H) worked out with POT and with OTT's convention of epsilon."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(6, 5)), rng.normal(size=(6, 2))
    costs = [torch.from_numpy(1 - (u @ u.T)) for u in (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, z))]
    plan = entropic_gromov_wasserstein(*costs, epsilon=2 * e).plan
    assert float(entropic_gap(*costs, plan, e)) == pytest.approx(gap_h - e * math.log(6), abs=2e-6)


@pytest.mark.parametrize("cost", ["cosine", "sqeuclidean"])
def test_values_are_those_of_pots_plans(cost: str, converged: None) -> None:
    x, y = points(3)
    costs = [cost_matrix(each, cost).numpy() for each in (x, y)]
    means = [float((1 - c if cost == "cosine" else c).mean()) for c in costs]
    epsilon = 0.3 * means[0] * means[1]
    n = len(x)

    def objective(a: np.ndarray, b: np.ndarray) -> float:
        plan = ot.gromov.entropic_gromov_wasserstein(
            a, b, epsilon=epsilon, G0=np.eye(n) / n, max_iter=5000, tol=1e-13, solver="PGD"
        )
        squares = sum(((a[i][:, None] - b[j]) ** 2 * plan[i, j] * plan).sum() for i in range(n) for j in range(n))
        return 0.5 * squares + epsilon / 2 * np.sum(plan * np.log(plan))

    distortion = 0.5 * np.mean((costs[0] - costs[1]) ** 2)
    across = objective(costs[0], costs[1])
    entropic = distortion - across - epsilon / 2 * math.log(n)
    debiased = distortion - (across - objective(costs[0], costs[0]) / 2 - objective(costs[1], costs[1]) / 2)
    for value, expected in (("entropic", entropic), ("debiased", debiased)):
        found = float(gromov_monge_gap(x, y, value=value, cost=cost, epsilon=0.3))
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-7), value


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 1.0])
def test_the_entropic_value_is_not_negative(epsilon: float) -> None:
    for seed in range(40):
        x, y = points(seed)
        assert float(gromov_monge_gap(x, y, value="entropic", epsilon=epsilon)) >= -1e-12


@pytest.mark.parametrize("epsilon", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("cost", ["cosine", "sqeuclidean"])
def test_the_debiased_value_is_zero_and_stationary_at_an_isometry(cost: str, epsilon: float, converged: None) -> None:
    x, _ = points(1)
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))).Q
    y = (x @ rotation).requires_grad_()
    value = gromov_monge_gap(x, y, value="debiased", cost=cost, epsilon=epsilon)
    (slope,) = torch.autograd.grad(value, y)
    assert abs(float(value.detach())) < 1e-9
    assert float(slope.abs().max()) < 1e-6 * max(1.0, float(cost_matrix(x, cost).max()) ** 2)
    biased = gromov_monge_gap(x, y, value="entropic", cost=cost, epsilon=epsilon)
    assert float(torch.autograd.grad(biased, y)[0].abs().max()) > 1e-4  # an isometry does not stop this one


def test_the_limits_of_the_debiased_value(converged: None) -> None:
    x, y = points(5)
    cost_x, cost_y = cost_matrix(x), cost_matrix(y)
    large = float(gromov_monge_gap(x, y, value="debiased", epsilon=1e4))
    assert large == pytest.approx(float((cost_x - cost_y).var(correction=0)) / 2, rel=1e-3)
    n, costs = len(x), [each.numpy() for each in (cost_x, cost_y)]
    least = ot.gromov.gromov_wasserstein2(*costs, np.full(n, 1 / n), np.full(n, 1 / n), G0=np.eye(n) / n)
    gap = 0.5 * float(np.mean((costs[0] - costs[1]) ** 2) - least)  # that of the descent from the map
    errors = [abs(float(gromov_monge_gap(x, y, value="debiased", epsilon=each)) - gap) for each in (0.3, 0.1, 0.03)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02


@pytest.mark.parametrize("value", ["entropic", "debiased"])
def test_what_is_logged_is_what_is_descended(value: str, converged: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Central differences of the value itself, epsilon held fixed as it is in the gradient."""
    x, y = points(7)
    fixed = gw.statistic_of(1 - cost_matrix(x)), gw.statistic_of(1 - cost_matrix(y))
    pending = []
    monkeypatch.setattr(gw, "statistic_of", lambda *_: pending.pop())

    def at(y: Tensor) -> Tensor:
        pending[:] = list(fixed)
        return gromov_monge_gap(x, y, value=value, epsilon=0.3)

    leaf = y.clone().requires_grad_()
    (slope,) = torch.autograd.grad(at(leaf), leaf)
    direction = torch.randn(y.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    change = (at(y + 1e-4 * direction) - at(y - 1e-4 * direction)) / 2e-4
    assert float((slope * direction).sum()) == pytest.approx(float(change), rel=1e-4)


def test_other_values_refuse_a_start() -> None:
    x, y = points(0)
    with pytest.raises(ValueError, match="unknown value 'exact'; known: bounded, entropic, debiased"):
        gromov_monge_gap(x, y, value="exact")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="init belongs to the bounded value"):
        gromov_monge_gap(x, y, value="debiased", init="product")
