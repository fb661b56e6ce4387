"""Gromov-Wasserstein between matched batches, distortion of a map, and the Gromov-Monge gap between the two.

Source: Uscidda et al., "Disentangled Representation Learning with the Gromov-Monge Gap", ICLR 2025.
"""

import math
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from disent_bench.functional.costs import (
    Cost,
    Statistic,
    dissimilarity,
    informative_costs,
    statistic_of,
)
from disent_bench.functional.coupling import Schedule, Solver, as_floating, solve, start_plan, with_uniform_marginals

Init = Literal["best", "product", "identity"]

INITS = ("best", "product", "identity")
Value = Literal["bounded", "entropic", "debiased"]

VALUES = ("bounded", "entropic", "debiased")

_SYMMETRY_TOLERANCE = 1e-4
_INNER_ITERATIONS = 1000
# Share of a value by which a plan found in float32 may be worse than its start.
_ROUNDING = 1e-6


# Measured for 64 points: a third of the time of full convergence, and the gap within a few percent of its own there.
_GAP_STEPS = 30
_GAP_TOLERANCE = 1e-2
_GAP_INNER_ITERATIONS = 20
# Values with an entropy want more: measured for 64 points, gradients are then within .1 % of those of full convergence
# from a relative epsilon of .03 on, in about the same time, for these plans are found fast from the map.
_VALUE_STEPS = 200
_VALUE_TOLERANCE = 1e-4
_VALUE_INNER_ITERATIONS = 200
_ANNEALING_START = 1.0
_ANNEALING_FACTOR = 0.3
_ANNEALING_STEPS = 10


class GWResult(NamedTuple):
    """A coupling, the Gromov-Wasserstein objective at it (no entropy), and whether the solver reached its tolerance.

    Tensors of the inputs' device if the inputs were tensors, else arrays. ``value`` is differentiable in the costs,
    with the plan held fixed.
    """

    plan: Any
    value: Any
    converged: Any


def _check_costs(name: str, costs: Tensor) -> None:
    if costs.ndim < 2 or costs.shape[-1] != costs.shape[-2] or costs.shape[-1] == 0:
        raise ValueError(
            f"{name} must be a square cost matrix, shape (..., n, n) with n >= 1, not {tuple(costs.shape)}"
        )
    costs = costs.detach()
    if not costs.isfinite().all():
        raise ValueError(f"{name} must be finite, but has entries that are NaN or infinite")
    if (costs - costs.mT).abs().max() > _SYMMETRY_TOLERANCE * costs.abs().max():
        raise ValueError(f"{name} must be symmetric; (c + c.T) / 2 makes it so")


def _objective(cost_x: Tensor, cost_y: Tensor, plan: Tensor) -> Tensor:
    """``sum_ijkl (cx_ik - cy_jl)^2 P_ij P_kl`` for uniform marginals, in float64, differentiable in the costs."""
    cost_x, cost_y = cost_x.double(), cost_y.double()
    # The same constant taken from both costs changes no difference, and leaves less to cancel.
    level = (cost_x.detach().mean((-2, -1), keepdim=True) + cost_y.detach().mean((-2, -1), keepdim=True)) / 2
    cost_x, cost_y = cost_x - level, cost_y - level
    squares = cost_x.square().mean((-2, -1)) + cost_y.square().mean((-2, -1))
    return (squares - 2 * (cost_x @ plan @ cost_y * plan).sum((-2, -1))).clamp_min(0)


def _lowered(cost_x: Tensor, cost_y: Tensor, plan: Tensor, epsilon: float) -> Tensor:
    """What mirror descent lowers: the objective and epsilon times the negative entropy."""
    return _objective(cost_x.detach(), cost_y.detach(), plan) + epsilon * torch.special.xlogy(plan, plan).sum((-2, -1))


def entropic_gromov_wasserstein(
    cost_x: Any,
    cost_y: Any,
    *,
    epsilon: float,
    max_iter: int = 1000,
    tol: float = 1e-8,
    init: Any = None,
    solver: Solver = "native",
) -> GWResult:
    """Entropic Gromov-Wasserstein plan between uniform laws, by mirror descent (Peyre, Cuturi, Solomon, ICML 2016).

    Minimises ``sum_ijkl (cx_ik - cy_jl)^2 P_ij P_kl + epsilon * sum_ij P_ij log P_ij`` over couplings P of uniform
    marginals, to a local minimum that depends on the start. This is POT's ``square_loss`` with its solver "PGD": the
    same epsilon gives the same plan.

    Args:
        cost_x: symmetric costs, shape ``(..., n, n)``; leading dimensions are a batch of problems.
        cost_y: symmetric costs, shape ``(..., m, m)``.
        epsilon: entropic strength, in squared units of the costs.
        max_iter: mirror-descent steps.
        tol: done when a step moves less than this mass (the plan's mass is 1); not below 32 units of rounding, 4e-6 in
            float32.
        init: start: None or "product", "identity" (needs n = m), or a plan.
        solver: "native": numba for costs on the host; for costs in float32 on a GPU one Triton kernel up to 64 points,
            numba on the host up to 512 (and where triton is missing), torch above. "triton", "torch": these, on the
            device of the costs; "pot": POT on the host.

    Returns:
        ``GWResult(plan, value, converged)``. The plan is float64 with exactly uniform marginals; ``value`` is the first
        sum at it, differentiable in the costs with the plan held fixed. No plan is worse than its start, which is
        returned, as not converged, where the iteration lowers nothing; and none converged whose linear problems, at a
        very small epsilon, did not.

    Raises:
        ValueError: costs that are not square, finite and symmetric, or do not batch together; a start that is no plan;
            epsilon, max_iter or tol out of range; an unknown solver.
    """
    tensors = isinstance(cost_x, Tensor) or isinstance(cost_y, Tensor)
    cost_x, cost_y = as_floating(cost_x), as_floating(cost_y)
    _check_costs("cost_x", cost_x)
    _check_costs("cost_y", cost_y)
    if cost_x.shape[:-2] != cost_y.shape[:-2] or cost_x.dtype != cost_y.dtype or cost_x.device != cost_y.device:
        raise ValueError("cost_y must have the leading dimensions, type and device of cost_x")
    if not 0 < epsilon < float("inf"):
        raise ValueError(f"epsilon must be positive and finite, not {epsilon}")
    if max_iter < 1:
        raise ValueError(f"max_iter must be at least 1, not {max_iter}")
    if not tol >= 0:
        raise ValueError(f"tol must not be negative, but is {tol}")
    start = start_plan(init, cost_x, cost_y)
    schedule = Schedule((epsilon,), ((max_iter,),), tol, _INNER_ITERATIONS)
    plan, converged = solve(cost_x, cost_y, start, schedule, solver)
    start = with_uniform_marginals(start.double())
    before = _lowered(cost_x, cost_y, start, epsilon)
    better = _lowered(cost_x, cost_y, plan, epsilon) <= before + _ROUNDING * (before.abs() + epsilon)
    plan, converged = torch.where(better[..., None, None], plan, start), converged & better
    value = _objective(cost_x, cost_y, plan)
    if tensors:
        return GWResult(plan, value, converged)
    return GWResult(plan.numpy(), value.numpy(), converged.numpy())


def distortion(cost_x: Tensor, cost_y: Tensor) -> Tensor:
    """Distortion of the map that sends the i-th point of x to the i-th of y (GMG paper, definition of DST).

    ``1/2 * mean_ij (cx_ij - cy_ij)^2``: the mean over all n^2 pairs, with the paper's factor 1/2. Shape ``(..., n, n)``
    twice to ``(...)``, in squared units of the costs.

    Raises:
        ValueError: the shapes differ.
    """
    if cost_x.shape != cost_y.shape:
        raise ValueError(f"cost_y must have the shape of cost_x, {tuple(cost_x.shape)}, not {tuple(cost_y.shape)}")
    return 0.5 * (cost_x - cost_y).square().mean((-2, -1))


def gap_at_plan(cost_x: Tensor, cost_y: Tensor, plan: Tensor) -> Tensor:
    """Distortion minus half the Gromov-Wasserstein objective at a plan of uniform marginals, which is held fixed.

    ``tr(Cx P Cy P^T) - <Cx, Cy> / n^2``: with uniform marginals the squares of both costs cancel exactly and are never
    formed. Gradient in Cy: ``P^T Cx P - Cx / n^2`` (the envelope theorem), and likewise in Cx. Shape ``(..., n, n)`` to
    ``(...)``.
    """
    plan = plan.detach().to(cost_x.dtype)
    n = plan.shape[-1]
    # Constants taken from the costs leave the gap as it is, and less to round.
    cost_x = cost_x - cost_x.detach().mean((-2, -1), keepdim=True)
    cost_y = cost_y - cost_y.detach().mean((-2, -1), keepdim=True)
    return (cost_x * (plan @ cost_y @ plan.mT - cost_y / n**2)).sum((-2, -1))


def gap_plan(
    cost_x: Tensor,
    cost_y: Tensor,
    *,
    epsilon: float,
    scale: float | Tensor,
    init: Init = "best",
    solver: Solver = "native",
) -> Tensor:
    """The coupling that the gap compares the map with.

    Args:
        cost_x: symmetric costs, shape ``(n, n)``.
        cost_y: symmetric costs of the images, shape ``(n, n)``.
        epsilon: entropic strength in units of ``scale``.
        scale: product of the statistics of the two costs, a number or a tensor of one.
        init: see :func:`gromov_monge_gap`.
        solver: see :func:`entropic_gromov_wasserstein`.
    """
    if init not in INITS:
        raise ValueError(f"unknown init {init!r}; known: {', '.join(INITS)}")
    falling = [_ANNEALING_START]
    while falling[-1] > epsilon:
        falling.append(max(epsilon, _ANNEALING_FACTOR * falling[-1]))
    falling[-1] = epsilon
    annealing = len(falling) - 1
    identity = start_plan("identity", cost_x, cost_y)
    cost_x, cost_y = (c - c.mean() for c in (cost_x.detach(), cost_y.detach()))
    starts, steps = [], []
    if init in ("best", "identity"):
        starts.append(identity)
        steps.append((0,) * annealing + (_GAP_STEPS,))
    if init in ("best", "product"):
        starts.append(start_plan("product", cost_x, cost_y))
        steps.append((_ANNEALING_STEPS,) * annealing + (_GAP_STEPS,))
    schedule = Schedule(tuple(falling), tuple(steps), _GAP_TOLERANCE, _GAP_INNER_ITERATIONS, scale)
    plans, _ = solve(cost_x, cost_y, torch.stack(starts), schedule, solver)
    if init == "best":
        plans = torch.cat((identity.double()[None], plans))
    scores = (cost_x.double() @ plans @ cost_y.double() * plans).sum((-2, -1))
    # Taken by a tensor of one, not by its number, for which the host would have to wait for a GPU.
    return plans[scores.argmax(keepdim=True)].squeeze(0)


def entropic_gap(cost_x: Tensor, cost_y: Tensor, plan: Tensor, entropic: float | Tensor) -> Tensor:
    """Distortion minus the entropic objective at a plan, less the map's own entropy: ``D - [E - e H] - e log n``.

    E is half the Gromov-Wasserstein objective, H the entropy ``-sum P log P``, and the last term makes the value 0 at
    the map's own plan ``I / n``, so that a plan found by descent from there gives at least 0. Plan and ``e`` are held
    fixed in the gradient, which at a stationary plan is that of the value itself (the envelope theorem).

    Args:
        cost_x: symmetric costs, shape ``(..., n, n)``.
        cost_y: symmetric costs of the images, likewise.
        plan: of uniform marginals, likewise.
        entropic: e, in squared units of the costs: half of POT's epsilon.
    """
    entropy = -torch.special.xlogy(plan, plan).sum((-2, -1)).detach()
    excess = (entropic * (entropy - math.log(plan.shape[-1]))).to(cost_x.dtype)
    return gap_at_plan(cost_x, cost_y, plan) + excess


def _entropic_values(
    cost_x: Tensor, cost_y: Tensor, *, debiased: bool, epsilon: float, scale: Tensor, solver: Solver
) -> Tensor:
    """The entropic gap, or the debiased one, whose three problems are solved side by side; all start from the map."""
    pairs = [(cost_x, cost_y), *([(cost_x, cost_x), (cost_y, cost_y)] if debiased else [])]
    of_x, of_y = (torch.stack(side) for side in zip(*pairs, strict=True))
    start = start_plan("identity", of_x, of_y).contiguous()
    schedule = Schedule((epsilon,), ((_VALUE_STEPS,),), _VALUE_TOLERANCE, _VALUE_INNER_ITERATIONS, scale)
    plans, _ = solve(of_x, of_y, start, schedule, solver)
    entropic = epsilon * torch.as_tensor(scale, dtype=torch.float64, device=plans.device) / 2
    # No plan is worse than its start: at a very small epsilon the linear problems are not solved to the end.
    worse = entropic_gap(of_x.detach(), of_y.detach(), plans, entropic) < 0
    plans = torch.where(worse[:, None, None], start.double(), plans)
    across = entropic_gap(cost_x, cost_y, plans[0], entropic)
    if not debiased:
        return across
    within = [entropic_gap(c, c, plan, entropic) for c, plan in zip((cost_x, cost_y), plans[1:], strict=True)]
    return across - (within[0] + within[1]) / 2


def gromov_monge_gap(
    x: Tensor,
    y: Tensor,
    *,
    value: Value = "bounded",
    cost: Cost = "cosine",
    epsilon: float = 0.01,
    init: Init = "best",
    scale: Statistic = "mean",
    epsilon_statistic: Statistic = "mean",
    solver: Solver = "native",
) -> Tensor:
    """Gromov-Monge gap of the map that sends the rows of ``x`` to those of ``y`` (Uscidda et al., ICLR 2025).

    ``DST - GW``: the map's distortion minus the least distortion of any coupling of the two batches, both with the
    paper's factor 1/2. Zero if no reordering of the images would keep the geometry better; equal to the distortion if
    one would keep it exactly. The plan is held fixed in the gradient (:func:`gap_at_plan`).

    The least distortion is estimated by entropic plans, which a large epsilon blurs and a small one leaves in a poor
    local minimum; either can turn the gap of a good map negative. So by default the best of several plans counts: the
    map itself (which bounds the gap by 0 from below), the entropic plan from the map, and the one from the product
    coupling with epsilon falling from 1 to its value. Where no plan is better than the map, value and gradient are 0,
    which on batches of a trained model they nearly always are. Two other values act at every step, and are what is
    descended: ``"entropic"``, `entropic_gap`, the reading nearest to the authors' own Monge gap in OTT-JAX (that the
    Gromov-Monge gap subtracts the same is inferred), at least 0 but not stationary at an isometry; and ``"debiased"``,
    ours, ``D - [GW_e(x, y) - GW_e(x, x) / 2 - GW_e(y, y) / 2]`` with entropic objectives ``GW_e = min E - e H``: 0 and
    stationary at isometries, the gap as epsilon falls, half the variance of ``Cx - Cy`` as it grows; it can dip
    slightly below 0.
    An entropic plan alone (``init``) has a gradient there too, that of its blur, and may be negative: with the plan
    held fixed it is the gradient of ``DST`` minus the entropic objective (epsilon fixed), whereas the value is taken
    without the entropy, so that the two can have opposite slopes. What the authors do about the sign was not found.

    Args:
        x: points, shape ``(n, d)``.
        y: their images, shape ``(n, e)``.
        value: "bounded", "entropic" or "debiased", as said above.
        cost: same kind on both sides; see :func:`.costs.cost_matrix`.
        epsilon: entropic strength relative to the product of the statistics of the two costs (``eps0`` of the paper,
            whose value was not found).
        init: of the bounded value. "identity": the entropic plan from the map; "product": the one from the product
            coupling; "best": the best of both and of the map itself. The other values start from the map.
        scale: statistic of the cost "scaled_sqeuclidean".
        epsilon_statistic: statistic that epsilon is relative to; the paper uses the mean. It is taken of the
            dissimilarity, ``1 - cos`` for the cosine, because the mean cosine of centred codes is near zero and may be
            negative (the authors' guard was not found).
        solver: see :func:`entropic_gromov_wasserstein`.

    Returns:
        Scalar in squared units of the cost, at most the distortion; for "best" not negative but for rounding. float32
        or float64. One point has gap 0.

    Raises:
        ValueError: the numbers of points differ, an argument is not finite, all rows of one are the same (for the
            cosine: parallel), epsilon is not positive, or an option is unknown.
    """
    if len(x) != len(y):
        raise ValueError(f"y must have as many points as x, {len(x)}, as points are matched; it has {len(y)}")
    if not 0 < epsilon < float("inf"):
        raise ValueError(f"epsilon must be positive and finite, not {epsilon}")
    if value not in VALUES:
        raise ValueError(f"unknown value {value!r}; known: {', '.join(VALUES)}")
    if value != "bounded" and init != "best":
        raise ValueError(f"init belongs to the bounded value; the {value} one always starts from the map")
    if len(x) == 1:
        return 0 * (x.sum() + y.sum())
    cost_x, cost_y = (informative_costs(name, z, cost, scale=scale) for name, z in (("x", x), ("y", y)))
    common = torch.promote_types(cost_x.dtype, cost_y.dtype)
    cost_x, cost_y = cost_x.to(common), cost_y.to(common)
    with torch.no_grad():
        sizes = [statistic_of(dissimilarity(c, cost), epsilon_statistic) for c in (cost_x, cost_y)]
    if value != "bounded":
        debiased, relative = value == "debiased", sizes[0] * sizes[1]
        return _entropic_values(cost_x, cost_y, debiased=debiased, epsilon=epsilon, scale=relative, solver=solver)
    plan = gap_plan(
        cost_x.detach(), cost_y.detach(), epsilon=epsilon, scale=sizes[0] * sizes[1], init=init, solver=solver
    )
    return gap_at_plan(cost_x, cost_y, plan)
