"""Statistics behind the closed-form scores, taken on the device where the tensors are; only these are copied.

Every function returns None if the data need the host: its checks refuse them, or the device lacks the type.
"""

from math import ceil, floor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from disent_metrics.estimators.binning import inner_edges

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]


def _usable_codes(codes: Tensor, minimum: int) -> bool:
    """Whether the host's checks of codes would pass; if not, they are run there for their message."""
    if codes.ndim != 2 or 0 in codes.shape or len(codes) < minimum or not codes.is_floating_point():
        return False
    return bool(torch.isfinite(codes).all())


def _usable(codes: Tensor, factors: Tensor, minimum: int) -> bool:
    """The same for codes and factors."""
    if not _usable_codes(codes, minimum) or factors.ndim != 2 or len(codes) != len(factors):
        return False
    if 0 in factors.shape or factors.is_floating_point():
        return False
    return bool((factors != factors[0]).any(dim=0).all())


def _has_double(codes: Tensor) -> bool:
    return codes.device.type != "mps"


def _as_float(codes: Tensor) -> Tensor:
    """Detached codes; half precision becomes single, as on the host."""
    return codes.detach().float() if codes.dtype in (torch.bfloat16, torch.float16) else codes.detach()


def _varying(codes: Tensor) -> Tensor:
    """Columns that are not constant, in double precision."""
    return codes[:, codes.amax(dim=0) > codes.amin(dim=0)].double()


def _bins(columns: Tensor, num_bins: int) -> Tensor:
    """Bin numbers ``(d, n)``: the host's edges, which depend on each column's minimum and maximum only."""
    ends = torch.stack([columns.amin(dim=0), columns.amax(dim=0)]).cpu().numpy()
    edges = np.full((columns.shape[1], num_bins), np.inf, dtype=ends.dtype)  # infinite edges: all in the first bin
    for row, column in zip(edges, ends.T, strict=True):
        inner = inner_edges(column, num_bins)
        row[:] = row if inner is None else inner
    binned = torch.searchsorted(torch.from_numpy(edges).to(columns.device), columns.T.contiguous(), right=True)
    return (binned - 1).clamp_(min=0)


def _table(first: Tensor, second: Tensor, rows: int, columns: int) -> Counts:
    """Counts ``(rows, columns)`` of two index vectors."""
    flat = torch.bincount(first * columns + second, minlength=rows * columns)
    return flat.reshape(rows, columns).cpu().numpy()


def joint_counts(codes: Tensor, factors: Any, num_bins: int, minimum: int) -> list[list[Counts]] | None:
    """Counts ``(num_bins, values)`` of every code dimension against every factor.

    Args:
        codes: Codes ``(n, d)`` on any device.
        factors: Factor indices ``(n, k)``, moved there if they are elsewhere.
        num_bins: Bins per code dimension.
        minimum: Fewest samples.
    """
    codes, factors = _as_float(codes), torch.as_tensor(factors, device=codes.device)
    if not _usable(codes, factors, minimum):
        return None
    labels = [torch.unique(column, return_inverse=True) for column in factors.T]
    return [[_table(code, index, num_bins, len(values)) for values, index in labels] for code in _bins(codes, num_bins)]


def pair_counts_and_covariance(codes: Tensor, num_bins: int, minimum: int) -> tuple[list[Counts], Numbers] | None:
    """Counts ``(num_bins, num_bins)`` of every pair of code dimensions, and the covariance of the varying ones.

    Args:
        codes: Codes ``(n, d)`` on any device.
        num_bins: Bins per code dimension.
        minimum: Fewest samples.
    """
    codes = _as_float(codes)
    if not _has_double(codes) or not _usable_codes(codes, minimum):
        return None
    binned = _bins(codes, num_bins)
    tables = [_table(code, other, num_bins, num_bins) for i, code in enumerate(binned) for other in binned[:i]]
    varying = _varying(codes)
    centred = varying - varying.mean(dim=0)
    return tables, (centred.T @ centred / (len(codes) - 1)).cpu().numpy()


def _quantile(values: Tensor, quantile: float) -> Tensor:
    """Quantile of every column, linear between order statistics (``torch.quantile`` refuses large inputs)."""
    ordered = values.sort(dim=0).values
    position = quantile * (len(values) - 1)
    return torch.lerp(ordered[floor(position)], ordered[ceil(position)], position - floor(position))


def deviations(
    codes: Tensor, factors: Any, num_bins: int, quantile: float, minimum: int
) -> tuple[Numbers, Numbers] | None:
    """Deviations of the varying code dimensions: the largest from the mean, and those within a factor's values.

    Args:
        codes: Codes ``(n, d)`` on any device.
        factors: Factor indices ``(n, k)``, moved there if they are elsewhere.
        num_bins: Bins per factor.
        quantile: Quantile of the absolute deviations from the mean of a bin.
        minimum: Fewest samples.

    Returns:
        Largest deviations ``(varying,)``, and the quantiles averaged over the bins of every factor ``(varying, k)``.
    """
    codes, factors = _as_float(codes), torch.as_tensor(factors, device=codes.device)
    if not _has_double(codes) or not _usable(codes, factors, minimum):
        return None
    latents = _varying(codes)
    spread = []
    places = torch.stack([torch.unique(column, return_inverse=True)[1] for column in factors.T], dim=1)
    for factor in _bins(places.double(), num_bins):
        groups = (latents[factor == value] for value in torch.unique(factor))
        within = [_quantile((group - group.mean(dim=0)).abs(), quantile) for group in groups]
        spread.append(torch.stack(within).mean(dim=0))
    largest = (latents - latents.mean(dim=0)).abs().amax(dim=0)
    return largest.cpu().numpy(), torch.stack(spread, dim=1).cpu().numpy()
