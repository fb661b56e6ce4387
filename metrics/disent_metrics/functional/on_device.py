"""Counts behind the histogram scores, taken on the device where the tensors are; only the counts are copied."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from disent_metrics.functional.information import inner_edges


def _usable(codes: Tensor, factors: Tensor, minimum: int) -> bool:
    """Whether the host's checks would pass; if not, they are run there for their message."""
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or len(codes) < minimum:
        return False
    if 0 in (*codes.shape, *factors.shape) or factors.is_floating_point() or not codes.is_floating_point():
        return False
    return bool(torch.isfinite(codes).all()) and bool((factors != factors[0]).any(dim=0).all())


def _bins(codes: Tensor, num_bins: int) -> Tensor:
    """Bin numbers ``(d, n)``: the host's edges, which depend on each column's minimum and maximum only."""
    ends = torch.stack([codes.amin(dim=0), codes.amax(dim=0)]).cpu().numpy()
    edges = np.full((codes.shape[1], num_bins), np.inf, dtype=ends.dtype)  # infinite edges: all in the first bin
    for row, column in zip(edges, ends.T, strict=True):
        inner = inner_edges(column, num_bins)
        row[:] = row if inner is None else inner
    binned = torch.searchsorted(torch.from_numpy(edges).to(codes.device), codes.T.contiguous(), right=True)
    return (binned - 1).clamp_(min=0)


def joint_counts(codes: Any, factors: Any, num_bins: int, minimum: int) -> list[list[NDArray[np.int64]]] | None:
    """Counts ``(num_bins, values)`` of every code dimension against every factor; None if the data need the host.

    Args:
        codes: Codes ``(n, d)`` on any device.
        factors: Factor indices ``(n, k)`` on the same device.
        num_bins: Bins per code dimension.
        minimum: Fewest samples.
    """
    codes = codes.float() if codes.dtype in (torch.bfloat16, torch.float16) else codes
    factors = torch.as_tensor(factors, device=codes.device)
    if not _usable(codes, factors, minimum):
        return None
    binned = _bins(codes.detach(), num_bins)
    labels = [torch.unique(column, return_inverse=True) for column in factors.T]

    def count(code: Tensor, values: Tensor, index: Tensor) -> NDArray[np.int64]:
        flat = torch.bincount(code * len(values) + index, minlength=num_bins * len(values))
        return flat.reshape(num_bins, len(values)).cpu().numpy()

    return [[count(code, values, index) for values, index in labels] for code in binned]
