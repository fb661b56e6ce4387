"""Cost matrices inside a batch: the geometric features that distortion and the Gromov-Monge gap preserve."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from disent_bench.functional.distances import squared_distances
from disent_bench.host import is_recorded

Cost = Literal["cosine", "sqeuclidean", "scaled_sqeuclidean"]
Statistic = Literal["mean", "max", "std"]

COSTS = ("cosine", "sqeuclidean", "scaled_sqeuclidean")
STATISTICS = ("mean", "max", "std")

_SMALLEST_NORM = 1e-12
# Cosines that differ by more than this are no rounding of equal ones.
_CLEARLY_APART = 1e-2


class UndefinedCostError(ValueError):
    """A batch whose costs say nothing: not finite, or without variance."""


def statistic_of(matrix: Tensor, statistic: Statistic = "mean") -> Tensor:
    """Mean, maximum or standard deviation of all entries of a square matrix; shape ``(..., n, n)`` to ``(...)``."""
    if statistic == "mean":
        return matrix.mean((-2, -1))
    if statistic == "max":
        return matrix.amax((-2, -1))
    if statistic == "std":
        return matrix.std((-2, -1), correction=0)
    raise ValueError(f"unknown statistic {statistic!r}; known: {', '.join(STATISTICS)}")


def _unit_rows(x: Tensor) -> Tensor:
    x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    return torch.nn.functional.normalize(x, dim=-1)


class _CosineSimilarity(torch.autograd.Function):
    """``<x_i, x_j> / |x_i| |x_j|``, with one product of the size of ``x`` in each direction.

    Autograd would take two in the backward pass, and several copies more. With unit rows u and ``S = G + G^T`` for the
    gradient G in the cosines C, the gradient in a row is ``(sum_j S_ij u_j - (sum_j S_ij C_ij) u_i) / |x_i|``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        norms = torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(_SMALLEST_NORM)
        unit = x / norms
        cosines = unit @ unit.mT
        ctx.save_for_backward(unit, norms, cosines)
        return cosines

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        unit, norms, cosines = ctx.saved_tensors
        both = gradient + gradient.mT
        weights = (both - torch.diag_embed((both * cosines).sum(-1))) / norms
        return weights @ unit


def cost_matrix(x: Tensor, cost: Cost = "cosine", *, scale: Statistic = "mean") -> Tensor:
    """Pairwise costs of the rows of ``x``, shape ``(..., n, d)`` to ``(..., n, n)``, symmetric.

    Args:
        x: points; rows of pixels are flattened by the caller.
        cost: "cosine": the similarity ``<x, x'> / |x| |x'|``, which carries angles; a zero row has similarity 0 with
            all. "sqeuclidean": ``|x - x'|^2``. "scaled_sqeuclidean": that, divided by a statistic of itself, so that
            distances count up to one scale. The papers name this cost but not its statistic (not found); gradients pass
            through it, so the cost is invariant to the scale of ``x``.
        scale: statistic of "scaled_sqeuclidean".

    Raises:
        ValueError: the cost or the statistic is unknown.
    """
    if cost == "cosine":
        with torch.autocast(x.device.type, enabled=False):
            x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
            return _CosineSimilarity.apply(x)
    if cost == "sqeuclidean":
        return squared_distances(x)
    if cost == "scaled_sqeuclidean":
        squared = squared_distances(x)
        return squared / statistic_of(squared, scale)[..., None, None]
    raise ValueError(f"unknown cost {cost!r}; known: {', '.join(COSTS)}")


def is_constant(x: Tensor, cost: Cost) -> Tensor:
    """Whether all rows of ``x`` are the same (for "cosine", parallel), shape ``(..., n, d)`` to ``(...)``."""
    x = x.detach()
    rows = _unit_rows(x) if cost == "cosine" else x
    spread = (rows - rows.mean(-2, keepdim=True)).abs().amax((-2, -1))
    return spread <= 8 * torch.finfo(rows.dtype).eps * rows.abs().amax((-2, -1))


def refuse_constant(name: str, x: Tensor, cost: Cost) -> None:
    """Refuse a batch whose costs say nothing: rows that are not finite, or all the same (for "cosine", all parallel).

    Raises:
        UndefinedCostError: a ValueError naming the argument.
        ValueError: ``x`` is no batch of rows.
    """
    if x.ndim < 2:
        raise ValueError(f"{name} must have shape (..., n, d), not {tuple(x.shape)}")
    if not x.detach().isfinite().all():
        raise UndefinedCostError(f"{name} must be finite, but has entries that are NaN or infinite")
    if is_constant(x, cost).any():
        what = "direction" if cost == "cosine" else "value"
        raise UndefinedCostError(f"{name} has no variance: all its rows have the same {what}, so the cost has no scale")


def informative_costs(name: str, x: Tensor, cost: Cost, *, scale: Statistic = "mean") -> Tensor:
    """:func:`cost_matrix` of a batch that :func:`refuse_constant` accepts.

    Cosines that clearly differ spare another look at all coordinates of ``x``. In a recorded step nobody looks here.

    Raises:
        UndefinedCostError: a ValueError naming the argument.
        ValueError: ``x`` is no batch of rows, or the cost or the statistic is unknown.
    """
    if is_recorded():
        return cost_matrix(x, cost, scale=scale)
    if cost == "cosine" and x.ndim >= 2:
        costs = cost_matrix(x, cost)
        low, high = costs.detach().flatten(-2).aminmax(dim=-1)
        if (high - low > _CLEARLY_APART).all():
            return costs
    refuse_constant(name, x, cost)
    return cost_matrix(x, cost, scale=scale)


def dissimilarity(costs: Tensor, cost: Cost) -> Tensor:
    """``1 - costs`` for the cosine similarity, else the costs: zero for equal points, nowhere negative."""
    return (1 - costs).clamp_min(0) if cost == "cosine" else costs
