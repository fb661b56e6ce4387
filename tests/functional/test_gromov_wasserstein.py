"""Plans against POT, gaps against brute force over permutations, gradients against finite differences."""

import itertools
import warnings
from types import SimpleNamespace

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from disent_bench.functional import coupling
from disent_bench.functional.costs import COSTS, cost_matrix, dissimilarity, statistic_of
from disent_bench.functional.gromov_wasserstein import (
    distortion,
    entropic_gromov_wasserstein,
    gap_at_plan,
    gap_plan,
    gromov_monge_gap,
)


def cloud(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rotated(x: Tensor) -> Tensor:
    return x @ torch.linalg.qr(cloud(x.shape[1], x.shape[1], seed=99))[0]


def images(kind: str, n: int) -> tuple[Tensor, Tensor]:
    x = cloud(n, 4, seed=n)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(1))
    if kind == "duplicated":
        x = torch.cat((x[: (n + 1) // 2], x[: n // 2]))
    return x, {
        "identity": x,
        "permuted": x[order],
        "rotated": rotated(x)[order],
        "scaled": x[order] / 2,
        "mirrored": x[order] * torch.tensor([1, 1, 1, -1]),
        "duplicated": x[order] + 0.1 * cloud(n, 4, seed=2),
        "other": cloud(n, 3, seed=3),
    }[kind]


def epsilon_for(cost_x: Tensor, cost_y: Tensor, cost: str, relative: float) -> float:
    sizes = [statistic_of(dissimilarity(c, cost)).item() for c in (cost_x, cost_y)]
    return relative * sizes[0] * sizes[1] if min(sizes) > 0 else relative


def brute_objective(cost_x: NDArray, cost_y: NDArray, plan: NDArray) -> float:
    differences = cost_x[:, None, :, None] - cost_y[None, :, None, :]
    return float(np.einsum("ijkl,ij,kl->", differences**2, plan, plan))


def pot_plan(cost_x: Tensor, cost_y: Tensor, epsilon: float, start: NDArray | None = None) -> NDArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ot.gromov.entropic_gromov_wasserstein(
            cost_x.numpy(), cost_y.numpy(), epsilon=epsilon, symmetric=True, G0=start, max_iter=500
        )


KINDS = ("identity", "permuted", "rotated", "scaled", "mirrored", "duplicated", "other")


@pytest.mark.parametrize("solver", ["native", "torch"])
@pytest.mark.parametrize("cost", ["cosine", "sqeuclidean"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 16])
def test_plan_equals_pots(n: int, kind: str, cost: str, solver: str) -> None:
    cost_x, cost_y = (cost_matrix(x, cost) for x in images(kind, n))
    epsilon = epsilon_for(cost_x, cost_y, cost, 0.1 if cost == "cosine" else 0.3)
    result = entropic_gromov_wasserstein(cost_x, cost_y, epsilon=epsilon, solver=solver)
    theirs = pot_plan(cost_x, cost_y, epsilon)
    expected = brute_objective(cost_x.numpy(), cost_y.numpy(), theirs)
    assert result.converged
    assert result.value.item() == pytest.approx(expected, rel=1e-3, abs=1e-6 * cost_x.square().mean().item())
    np.testing.assert_allclose(result.plan.sum(0), np.full(n, 1 / n), rtol=1e-12)
    np.testing.assert_allclose(result.plan.sum(1), np.full(n, 1 / n), rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("n", "start", "cost"),
    [
        (64, None, "cosine"),
        (64, None, "sqeuclidean"),
        (64, "identity", "sqeuclidean"),
        pytest.param(256, None, "cosine", marks=pytest.mark.slow),
    ],
)
def test_objective_equals_pots_from_the_same_start(n: int, start: str | None, cost: str, dtype: torch.dtype) -> None:
    cost_x, cost_y = (cost_matrix(x, cost) for x in images("other", n))
    epsilon = epsilon_for(cost_x, cost_y, cost, 0.2)
    result = entropic_gromov_wasserstein(cost_x.to(dtype), cost_y.to(dtype), epsilon=epsilon, init=start, tol=1e-6)
    theirs = pot_plan(cost_x, cost_y, epsilon, None if start is None else np.eye(n) / n)
    assert result.converged
    assert result.value.item() == pytest.approx(ot_value(cost_x, cost_y, theirs), rel=1e-3)
    assert np.abs(result.plan.numpy() - theirs).sum() < 1e-2


def ot_value(cost_x: Tensor, cost_y: Tensor, plan: NDArray) -> float:
    a, b = cost_x.numpy(), cost_y.numpy()
    rows, columns = plan.sum(1), plan.sum(0)
    return float(rows @ a**2 @ rows + columns @ b**2 @ columns - 2 * (a @ plan @ b * plan).sum())


def test_value_is_the_objective_at_the_plan_for_unequal_sizes() -> None:
    cost_x, cost_y = cost_matrix(cloud(5, 3, 0), "sqeuclidean"), cost_matrix(cloud(8, 2, 1), "sqeuclidean")
    result = entropic_gromov_wasserstein(cost_x.numpy(), cost_y.numpy(), epsilon=0.5)
    assert isinstance(result.plan, np.ndarray)
    assert result.plan.shape == (5, 8)
    assert float(result.value) == pytest.approx(brute_objective(cost_x.numpy(), cost_y.numpy(), result.plan), rel=1e-12)
    np.testing.assert_allclose(result.plan, pot_plan(cost_x, cost_y, 0.5), atol=1e-4)


def test_plan_is_a_stationary_point_of_the_entropic_objective() -> None:
    """There the plan is the entropic plan of the objective's own gradient."""
    cost_x, cost_y = cost_matrix(cloud(12, 3, 0), "sqeuclidean"), cost_matrix(cloud(12, 2, 1), "sqeuclidean")
    plan = entropic_gromov_wasserstein(cost_x, cost_y, epsilon=6.0, tol=1e-11, max_iter=5000).plan
    logits = 4 / 6.0 * cost_x @ plan @ cost_y
    for _ in range(5000):
        logits = logits - logits.logsumexp(1, keepdim=True)
        logits = logits - logits.logsumexp(0, keepdim=True)
    torch.testing.assert_close(plan, logits.exp() / 12, rtol=0, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("solver", ["native", "torch"])
@pytest.mark.parametrize("epsilon", [1e-6, 1e-3, 1e6])
def test_extreme_epsilon_gives_a_coupling_and_no_nan(epsilon: float, solver: str, dtype: torch.dtype) -> None:
    x = cloud(20, 3, 0).to(dtype)
    x[0] += 30
    cost_x, cost_y = cost_matrix(x, "sqeuclidean"), cost_matrix(cloud(20, 3, 1).to(dtype), "sqeuclidean")
    result = entropic_gromov_wasserstein(cost_x, cost_y, epsilon=epsilon, solver=solver, max_iter=20)
    assert (result.plan >= 0).all()
    torch.testing.assert_close(result.plan.sum(0), torch.full((20,), 0.05, dtype=torch.float64))
    torch.testing.assert_close(result.plan.sum(1), torch.full((20,), 0.05, dtype=torch.float64))
    assert result.value.isfinite()


@pytest.mark.parametrize("solver", ["native", "torch", "pot"])
def test_batches_are_solved_one_by_one(solver: str) -> None:
    pairs = [[cost_matrix(cloud(9, 3, 10 * side + k), "cosine") for k in range(3)] for side in range(2)]
    together = entropic_gromov_wasserstein(*map(torch.stack, pairs), epsilon=0.2, solver=solver)
    assert together.plan.shape == (3, 9, 9)
    for k in range(3):
        alone = entropic_gromov_wasserstein(pairs[0][k], pairs[1][k], epsilon=0.2, solver=solver)
        torch.testing.assert_close(together.plan[k], alone.plan, rtol=0, atol=1e-6)
        torch.testing.assert_close(together.value[k], alone.value, rtol=1e-5, atol=0)


@pytest.mark.parametrize("cost", ["cosine", "sqeuclidean"])
def test_torch_and_native_solver_give_the_same_gap(cost: str) -> None:
    x, y = (z.float() for z in images("other", 24))
    native, fallback = (gromov_monge_gap(x, y, cost=cost, solver=solver) for solver in ("native", "torch"))
    torch.testing.assert_close(native, fallback, rtol=0.02, atol=1e-4)


def test_bad_costs_are_refused_by_name() -> None:
    good = torch.zeros(3, 3)
    for bad, message in (
        (torch.zeros(3, 2), "square"),
        (torch.full((3, 3), torch.nan), "finite"),
        (torch.tensor([[0.0, 1], [2, 0]]), "symmetric"),
        (torch.zeros(0, 0), "n >= 1"),
    ):
        with pytest.raises(ValueError, match=f"cost_x must be.*{message}"):
            entropic_gromov_wasserstein(bad, good, epsilon=1.0)
        with pytest.raises(ValueError, match=f"cost_y must be.*{message}"):
            entropic_gromov_wasserstein(good, bad, epsilon=1.0)
    for options, message in (
        ({"epsilon": 0.0}, "epsilon must be positive"),
        ({"epsilon": float("nan")}, "epsilon must be positive"),
        ({"epsilon": 1.0, "max_iter": 0}, "max_iter must be at least 1"),
        ({"epsilon": 1.0, "tol": -1.0}, "tol must not be negative"),
        ({"epsilon": 1.0, "init": "random"}, "init must be"),
        ({"epsilon": 1.0, "init": torch.eye(3)}, "init must be a plan"),
        ({"epsilon": 1.0, "solver": "ott"}, "unknown solver"),
    ):
        with pytest.raises(ValueError, match=message):
            entropic_gromov_wasserstein(good, good, **options)
    with pytest.raises(ValueError, match="init 'identity' needs as many points"):
        entropic_gromov_wasserstein(good, torch.zeros(2, 2), epsilon=1.0, init="identity")
    with pytest.raises(ValueError, match="cost_y must have the leading dimensions"):
        entropic_gromov_wasserstein(good, good.double(), epsilon=1.0)


def test_distortion_is_half_the_mean_square_and_the_objective_at_the_identity() -> None:
    cost_x, cost_y = cost_matrix(cloud(6, 3, 0), "sqeuclidean"), cost_matrix(cloud(6, 2, 1), "sqeuclidean")
    value = distortion(cost_x, cost_y)
    assert value.item() == pytest.approx(((cost_x - cost_y) ** 2).sum().item() / 72)
    assert value.item() == pytest.approx(brute_objective(cost_x.numpy(), cost_y.numpy(), np.eye(6) / 6) / 2)
    with pytest.raises(ValueError, match="cost_y must have the shape of cost_x"):
        distortion(cost_x, cost_y[:5, :5])


@pytest.mark.parametrize("cost", COSTS)
def test_gap_at_a_plan_is_distortion_minus_half_the_objective(cost: str) -> None:
    cost_x, cost_y = cost_matrix(cloud(7, 3, 0), cost), cost_matrix(cloud(7, 2, 1), cost)
    plan = entropic_gromov_wasserstein(cost_x, cost_y, epsilon=0.3).plan
    expected = distortion(cost_x, cost_y).item() - brute_objective(cost_x.numpy(), cost_y.numpy(), plan.numpy()) / 2
    assert gap_at_plan(cost_x, cost_y, plan).item() == pytest.approx(expected, rel=1e-9)


def best_permutation_gap(cost_x: Tensor, cost_y: Tensor) -> float:
    orders = [list(order) for order in itertools.permutations(range(len(cost_x)))]
    least = min(distortion(cost_x, cost_y[order][:, order]).item() for order in orders)
    return distortion(cost_x, cost_y).item() - least


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("seed", range(6))
def test_gap_of_tiny_batches_equals_brute_force(seed: int, cost: str) -> None:
    """Squared Euclidean objectives are concave on couplings, so permutations attain the least distortion."""
    x, y = cloud(5, 3, seed), cloud(5, 2, seed + 50)
    cost_x, cost_y = cost_matrix(x, cost), cost_matrix(y, cost)
    gap, exact = gromov_monge_gap(x, y, cost=cost, epsilon=0.002).item(), best_permutation_gap(cost_x, cost_y)
    assert -1e-12 <= gap <= exact + 1e-9
    assert gap >= 0.6 * exact


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("n", [2, 3, 64, pytest.param(256, marks=pytest.mark.slow)])
def test_gap_is_zero_for_maps_that_keep_the_geometry_and_the_distortion_for_shuffled_ones(n: int, cost: str) -> None:
    x = cloud(n, 4, 0)
    kept = 2 * rotated(x) if cost != "sqeuclidean" else rotated(x) + 1
    kept = kept if cost != "scaled_sqeuclidean" else kept + 5
    size = distortion(cost_matrix(x, cost), cost_matrix(x.flip(0), cost)).item() + 1e-3
    assert gromov_monge_gap(x, kept, cost=cost).item() == pytest.approx(0, abs=1e-9 * size)
    if n > 3:
        shuffled = kept[torch.randperm(n, generator=torch.Generator().manual_seed(0))]
        full = distortion(cost_matrix(x, cost), cost_matrix(shuffled, cost)).item()
        assert 0.9 * full < gromov_monge_gap(x, shuffled, cost=cost).item() <= full * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 20),
    cost=st.sampled_from(COSTS),
    epsilon=st.sampled_from([0.3, 0.01, 1e-4]),
    rounded=st.booleans(),
)
def test_gap_lies_between_zero_and_the_distortion(seed: int, n: int, cost: str, epsilon: float, rounded: bool) -> None:
    x, y = cloud(n, 3, seed), cloud(n, 2, seed + 1)
    if rounded:  # repeated points and equal distances
        x, y = x.round(), y.round()
        x[0], y[0] = 3.0, -4.0
        x[-1, 0], y[-1, 0] = 7.0, 7.0
    gap = gromov_monge_gap(x, y, cost=cost, epsilon=epsilon).item()
    full = distortion(cost_matrix(x, cost), cost_matrix(y, cost)).item() if n > 1 else 0.0
    assert -1e-9 * (full + 1) <= gap <= full * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("init", ["product", "identity"])
def test_gap_at_an_entropic_plan_alone_is_that_of_pots_plan(init: str) -> None:
    """A map that keeps the geometry has no gap, but blur makes the plan worse than the map."""
    x = cloud(24, 3, 0)
    y = rotated(x).requires_grad_()
    costs = cost_matrix(x), cost_matrix(y.detach())
    epsilon = epsilon_for(*costs, "cosine", 0.3)
    theirs = pot_plan(*costs, epsilon, np.eye(24) / 24 if init == "identity" else None)
    expected = distortion(*costs).item() - brute_objective(*(c.numpy() for c in costs), theirs) / 2
    gap = gromov_monge_gap(x, y, epsilon=0.3, init=init)
    assert expected < -1e-3
    assert gap.item() == pytest.approx(expected, rel=0.02)
    gap.backward()
    assert y.grad.abs().max() > 1e-4


@pytest.mark.parametrize("cost", COSTS)
def test_gap_does_not_see_the_order_of_the_pairs(cost: str) -> None:
    x, y = images("other", 40)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(5))
    gap = gromov_monge_gap(x, y, cost=cost)
    assert gap > 0
    torch.testing.assert_close(gromov_monge_gap(x[order], y[order], cost=cost), gap, rtol=1e-3, atol=0)


@pytest.mark.parametrize("cost", COSTS)
def test_gradient_is_that_of_the_gap_with_the_plan_held_fixed(cost: str) -> None:
    x, y = cloud(7, 3, 0).requires_grad_(), cloud(7, 2, 1).requires_grad_()
    cost_x, cost_y = cost_matrix(x, cost), cost_matrix(y, cost)
    scale = statistic_of(dissimilarity(cost_x, cost)) * statistic_of(dissimilarity(cost_y, cost))
    plan = gap_plan(cost_x.detach(), cost_y.detach(), epsilon=0.05, scale=scale.item())
    assert plan.requires_grad is False
    assert torch.autograd.gradcheck(lambda x, y: gap_at_plan(cost_matrix(x, cost), cost_matrix(y, cost), plan), (x, y))
    through_gap = torch.autograd.grad(gromov_monge_gap(x, y, cost=cost, epsilon=0.05), (x, y))
    fixed = torch.autograd.grad(gap_at_plan(cost_x, cost_y, plan), (x, y))
    torch.testing.assert_close(through_gap, fixed)
    assert fixed[1].abs().sum() > 0


def test_gradient_in_a_cost_is_the_closed_form() -> None:
    cost_x, cost_y = cost_matrix(cloud(6, 3, 0), "cosine"), cost_matrix(cloud(6, 2, 1), "cosine").requires_grad_()
    plan = entropic_gromov_wasserstein(cost_x, cost_y, epsilon=0.1).plan
    (gradient,) = torch.autograd.grad(gap_at_plan(cost_x, cost_y, plan), cost_y)
    torch.testing.assert_close(
        gradient, plan.T @ cost_x @ plan - cost_x / 36, rtol=0, atol=0.5 * cost_x.mean() ** 2 + 1e-9
    )
    torch.testing.assert_close(gradient - gradient.mean(), _centred(plan.T @ cost_x @ plan - cost_x / 36))


def _centred(matrix: Tensor) -> Tensor:
    return matrix - matrix.mean()


def test_float32_keeps_the_gap_of_a_nearly_perfect_map_of_distant_points() -> None:
    """Distortion and objective agree in all but their last digits here; their float32 difference would be noise."""
    x = 100 + cloud(32, 3, 0)
    y = x + 1e-3 * cloud(32, 3, 1)
    exact = gromov_monge_gap(x, y, cost="sqeuclidean")
    single = gromov_monge_gap(x.float(), y.float(), cost="sqeuclidean")
    assert single.dtype == torch.float32
    assert abs(single.item() - exact.item()) < 1e-4 * distortion(
        *(cost_matrix(z, "sqeuclidean") for z in (x, y.flip(0)))
    )


@pytest.mark.parametrize("cost", COSTS)
def test_batches_without_variance_are_refused_by_name(cost: str) -> None:
    x = cloud(8, 3, 0)
    for constant in (torch.zeros(8, 2), torch.full((8, 2), 0.1), torch.full((8, 2), 1e6)):
        with pytest.raises(ValueError, match="x has no variance"):
            gromov_monge_gap(constant, x, cost=cost)
        with pytest.raises(ValueError, match="y has no variance"):
            gromov_monge_gap(x, constant, cost=cost)
    if cost == "cosine":
        with pytest.raises(ValueError, match="y has no variance: all its rows have the same direction"):
            gromov_monge_gap(x, torch.arange(1.0, 9)[:, None] * torch.tensor([0.3, 0.7]), cost=cost)


def test_bad_samples_and_options_are_refused() -> None:
    x = cloud(8, 3, 0)
    with pytest.raises(ValueError, match="y must have as many points as x, 8"):
        gromov_monge_gap(x, x[:7])
    with pytest.raises(ValueError, match="y must be finite"):
        gromov_monge_gap(x, x * torch.nan)
    with pytest.raises(ValueError, match="epsilon must be positive"):
        gromov_monge_gap(x, x, epsilon=0)
    with pytest.raises(ValueError, match="unknown cost 'cos'"):
        gromov_monge_gap(x, x, cost="cos")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown init"):
        gromov_monge_gap(x, x, init="random")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown statistic"):
        gromov_monge_gap(x, x, epsilon_statistic="median")  # type: ignore[arg-type]


def test_one_point_has_gap_zero() -> None:
    y = torch.ones(1, 2, requires_grad=True)
    gap = gromov_monge_gap(torch.ones(1, 3), y)
    gap.backward()
    assert gap.item() == 0
    assert torch.equal(y.grad, torch.zeros(1, 2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("solver", ["native", "torch"])
def test_gap_on_a_gpu_equals_the_gap_on_the_cpu(solver: str) -> None:
    x, y = (z.float() for z in images("other", 64))
    gap = gromov_monge_gap(x.cuda(), y.cuda(), solver=solver)
    assert gap.is_cuda
    torch.testing.assert_close(gap.cpu(), gromov_monge_gap(x, y), rtol=0.02, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_plan_of_a_gap_is_found_without_waiting_for_the_gpu() -> None:
    cost_x, cost_y = (cost_matrix(z.float().cuda()) for z in images("other", 64))
    scale = torch.tensor(0.9, device="cuda")
    gap_plan(cost_x, cost_y, epsilon=0.01, scale=scale)  # compiles, and copies the schedule
    torch.cuda.set_sync_debug_mode("error")
    try:
        gap_plan(cost_x, cost_y, epsilon=0.01, scale=scale)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(
    ("points", "dtype", "installed", "solver"),
    [
        (64, torch.float32, True, "triton"),
        (64, torch.float32, False, "native"),
        (64, torch.float64, True, "native"),
        (65, torch.float32, True, "native"),
        (513, torch.float32, True, "torch"),
    ],
)
def test_what_native_means_on_a_gpu(
    points: int, dtype: torch.dtype, installed: bool, solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coupling, "_has_triton", lambda: installed)
    plan = SimpleNamespace(device=torch.device("cuda"), dtype=dtype, shape=(1, points, points))
    assert coupling._solver_of("native", plan) == solver
    if not installed:
        with pytest.raises(ValueError, match="needs triton, which CUDA builds of torch bring"):
            coupling._solver_of("triton", plan)


def test_integer_and_half_precision_costs_are_taken_as_floats() -> None:
    costs = (torch.arange(4)[:, None] - torch.arange(4)).square()
    exact = entropic_gromov_wasserstein(costs.double(), costs.double(), epsilon=3.0)
    for same in (costs, costs.bfloat16(), costs.numpy()):
        result = entropic_gromov_wasserstein(same, same, epsilon=3.0)
        np.testing.assert_allclose(result.plan, exact.plan, atol=1e-4)
