"""Euclidean distances inside a batch, with gradients that stay finite."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

_SMALLEST_SCALE = 1e-5


class _SquaredDistances(Function):
    """Squared distances of centred rows, with the gradient ``2 (diag(W 1) - W) x``, ``W = G + G^T``, in one product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x - x.mean(dim=-2, keepdim=True)
        ctx.save_for_backward(x)
        gram = x @ x.mT
        gram = (gram + gram.mT) / 2
        norms = gram.diagonal(dim1=-2, dim2=-1)
        return (norms.unsqueeze(-1) + norms.unsqueeze(-2) - 2 * gram).clamp_min(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        weights = gradients[0] + gradients[0].mT
        # The Laplacian's rows sum to zero, so centring changes nothing here.
        laplacian = torch.diag_embed(weights.sum(-1)) - weights
        return 2 * (laplacian @ x)


def squared_distances(x: Tensor) -> Tensor:
    """Squared Euclidean distances of the rows of ``x``, shape ``(..., n, d)`` to ``(..., n, n)``.

    Computed from the Gram matrix of the centred rows, in float32 or better also under autocast: centring and
    full precision keep the cancellation in ``|x|^2 + |y|^2 - 2 x.y`` harmless. Exactly symmetric, zero on the
    diagonal. Differentiable once.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        distances: Tensor = _SquaredDistances.apply(x)
        return distances


def euclidean_distances(x: Tensor) -> Tensor:
    """Euclidean distances of the rows of ``x``, shape ``(..., n, d)`` to ``(..., n, n)``.

    Where a distance is zero (the diagonal, repeated rows) its gradient is zero: the square root has none
    there.
    """
    squared = squared_distances(x)
    apart = squared > 0
    return torch.where(apart, squared, 1).sqrt().where(apart, 0)


def scale_by_quantile(distances: Tensor, quantile: float = 0.9, among: Tensor | None = None) -> Tensor:
    """Divide a distance matrix by a quantile of all its entries, diagonal included, held constant in the gradient.

    Normalisation of RTD and of TopDis (authors' code, ``--q_normalize``); a quantile of zero is replaced by
    1e-5.

    Args:
        distances: shape ``(n, n)``.
        quantile: from 0 to 1.
        among: which points count, a mask of shape ``(n,)`` of one or more; None for all.
    """
    entries = distances.detach().flatten()
    scale = torch.quantile(entries, quantile) if among is None else _quantile_among(entries, among, quantile)
    return distances / torch.where(scale > 0, scale, _SMALLEST_SCALE)


def _quantile_among(entries: Tensor, among: Tensor, quantile: float) -> Tensor:
    """The quantile of the entries whose row and column count; their number stays on the device."""
    counted = (among[:, None] & among).flatten()
    ascending = entries.where(counted, torch.inf).sort().values
    place = quantile * (counted.sum() - 1).clamp_min(0).double()
    below, above = (
        ascending.index_select(0, each.long().reshape(1)).squeeze(0) for each in (place.floor(), place.ceil())
    )
    return torch.lerp(below, above, (place - place.floor()).to(entries.dtype))
