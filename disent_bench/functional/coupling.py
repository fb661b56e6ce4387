"""Couplings of uniform laws: where a Gromov-Wasserstein solver starts, which solver runs, exact marginals."""

from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from disent_bench.functional.mirror_descent import INNER_LARGEST, LARGEST_IN_ONE_BLOCK, descend, descend_torch
from disent_bench.host import on_host

Solver = Literal["native", "triton", "torch", "pot"]

SOLVERS = ("native", "triton", "torch", "pot")

_ROUNDING_UNITS = 32
# Up to here a GPU's costs are otherwise solved on the host: a transfer costs less than some thousand kernel launches.
_LARGEST_ON_HOST = 512


class Schedule(NamedTuple):
    """Entropic strengths to run through in units of ``scale``, steps at each, and when to stop.

    ``steps`` holds a row for each problem of the batch, or one for all. ``scale`` may be a tensor on a GPU, for which
    the host need not wait.
    """

    epsilons: tuple[float, ...]
    steps: tuple[tuple[int, ...], ...]
    tol: float
    inner_iter: int
    scale: float | Tensor = 1.0


def as_floating(values: Any) -> Tensor:
    """A float32 or float64 tensor of an array-like; half precision becomes float32, integers float64."""
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(np.asarray(values))
    if tensor.dtype in (torch.float32, torch.float64):
        return tensor
    return tensor.float() if tensor.is_floating_point() else tensor.double()


def start_plan(init: Any, cost_x: Tensor, cost_y: Tensor) -> Tensor:
    """The start named by ``init`` (None or "product", "identity"), or ``init`` itself, checked to be a plan."""
    n, m = cost_x.shape[-1], cost_y.shape[-1]
    shape = (*cost_x.shape[:-2], n, m)
    if init is None or (isinstance(init, str) and init == "product"):
        return cost_x.new_full(shape, 1 / (n * m))
    if isinstance(init, str):
        if init != "identity":
            raise ValueError(f"init must be None, 'product', 'identity' or a plan, not {init!r}")
        if n != m:
            raise ValueError(f"init 'identity' needs as many points on both sides, not {n} and {m}")
        return (torch.eye(n, dtype=cost_x.dtype, device=cost_x.device) / n).expand(shape)
    plan = as_floating(init).to(cost_x)
    if plan.shape != shape or not (plan >= 0).all() or not (plan.sum((-2, -1)) - 1).abs().max() < 1e-2:
        raise ValueError(f"init must be a plan of shape {shape}: non-negative, of total mass 1")
    return plan


def with_uniform_marginals(plan: Any) -> Any:
    """Make the marginals exactly uniform by moving little mass (Altschuler et al. 2017, algorithm 2).

    For tensors and arrays alike, float64: on 64 points numpy's overhead is a third of torch's.
    """
    n, m = plan.shape[-2:]
    # Smallest numbers stand in for masses of zero; what they divide is zero too.
    plan = plan * (1 / n / plan.sum(axis=-1, keepdims=True).clip(min=1e-300)).clip(max=1)
    plan = plan * (1 / m / plan.sum(axis=-2, keepdims=True).clip(min=1e-300)).clip(max=1)
    rows = (1 / n - plan.sum(axis=-1, keepdims=True)).clip(min=0)
    columns = (1 / m - plan.sum(axis=-2, keepdims=True)).clip(min=0)
    return plan + rows * columns / rows.sum(axis=-2, keepdims=True).clip(min=1e-300)


def _is_coupling(plan: Tensor) -> Tensor:
    """Whether the linear problem was solved: at a very small epsilon its iterations end before the marginals fit."""
    n, m = plan.shape[-2:]
    error = (plan.sum(-2) - 1 / m).abs().sum(-1) + (plan.sum(-1) - 1 / n).abs().sum(-1)
    return error <= INNER_LARGEST


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


def _solver_of(solver: Solver, plan: Tensor) -> Solver:
    """The solver itself, or what "native" means for plans on a GPU."""
    if solver not in SOLVERS:
        raise ValueError(f"unknown solver {solver!r}; known: {', '.join(SOLVERS)}")
    if solver == "triton" and not _has_triton():
        raise ValueError("solver 'triton' needs triton, which CUDA builds of torch bring; 'native' runs everywhere")
    if solver != "native" or plan.device.type == "cpu":
        return solver
    points = max(plan.shape[-2:])
    fits = plan.device.type == "cuda" and plan.dtype == torch.float32 and points <= LARGEST_IN_ONE_BLOCK
    if fits and _has_triton():
        return "triton"
    return "native" if points <= _LARGEST_ON_HOST else "torch"


def _on_device(solver: Solver) -> Callable[..., tuple[Tensor, Tensor]]:
    if solver == "torch":
        return descend_torch
    from disent_bench.functional.mirror_descent_triton import descend_triton

    return descend_triton


def solve(cost_x: Tensor, cost_y: Tensor, plan: Tensor, schedule: Schedule, solver: Solver) -> tuple[Tensor, Tensor]:
    """Plan in float64 with exactly uniform marginals, and a flag, for each problem of the batch; no gradient.

    The batch is that of ``plan``; costs without it are shared.
    """
    solver = _solver_of(solver, plan)
    # A constant added to a cost moves no plan; without its mean the logits are small.
    cost_x, cost_y = (c.detach() - c.detach().mean((-2, -1), keepdim=True) for c in (cost_x, cost_y))
    schedule = schedule._replace(tol=max(schedule.tol, _ROUNDING_UNITS * torch.finfo(plan.dtype).eps))
    if solver in ("torch", "triton"):
        plan, converged = _on_device(solver)(cost_x, cost_y, plan, *schedule)
        return with_uniform_marginals(plan.double()), converged & _is_coupling(plan)
    batch = plan.shape[:-2]
    given = [c.expand(*batch, *c.shape[-2:]).reshape(-1, *c.shape[-2:]) for c in (cost_x, cost_y, plan)]
    one: Any = _solve_pot if solver == "pot" else descend
    like = torch.empty(given[2].shape, dtype=torch.float64), torch.empty(len(given[2]), dtype=torch.bool)
    scale = torch.as_tensor(schedule.scale, dtype=torch.float64, device=plan.device)
    plans, flags = on_host(partial(_solve_each, one, schedule), [*given, scale], like)
    return plans.reshape(plan.shape), flags.reshape(batch)


def _solve_each(one: Any, schedule: Schedule, costs_x: Any, costs_y: Any, plans: Any, scale: Any) -> tuple[Any, Any]:
    """Solve problem by problem, on arrays."""
    epsilons = np.array(schedule.epsilons) * float(scale)
    steps = np.broadcast_to(schedule.steps, (len(plans), len(epsilons)))
    solved = [
        one(*(np.array(c, order="C") for c in problem), epsilons, budgets, schedule.tol, schedule.inner_iter)
        for *problem, budgets in zip(costs_x, costs_y, plans, steps, strict=True)
    ]
    found = np.stack([each for each, _ in solved], dtype=np.float64)
    flags = np.array([flag for _, flag in solved]) & _is_coupling(torch.from_numpy(found)).numpy()
    return with_uniform_marginals(found), flags


def _solve_pot(
    cost_x: Any, cost_y: Any, plan: Any, epsilons: Any, steps: Any, tol: float, inner_iter: int
) -> tuple[Any, bool]:
    import ot

    cost_x, cost_y, plan = (matrix.astype(np.float64) for matrix in (cost_x, cost_y, plan))
    change = np.inf
    for epsilon, budget in zip(epsilons, steps, strict=True):
        if budget == 0:
            continue
        plan, log = ot.gromov.entropic_gromov_wasserstein(
            cost_x,
            cost_y,
            epsilon=epsilon,
            symmetric=True,
            G0=plan,
            max_iter=budget,
            tol=tol,
            solver="PGD",
            log=True,
            numItermax=inner_iter,
            warn=False,
        )
        change = log["err"][-1]
    return plan, bool(change <= tol)
