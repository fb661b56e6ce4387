"""Maximum mean discrepancy between two samples (Gretton et al. 2012)."""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

Kernel = Literal["gaussian", "inverse_multiquadratic"]

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def _gaussian(squares: Tensor, d: int) -> Tensor:
    return torch.exp(-squares / d**2)


def _inverse_multiquadratic(squares: Tensor, d: int) -> Tensor:
    return torch.stack([2 * d * s / (2 * d * s + squares) for s in SCALES]).sum(dim=0)


KERNELS: Mapping[Kernel, Callable[[Tensor, int], Tensor]] = {
    "gaussian": _gaussian,
    "inverse_multiquadratic": _inverse_multiquadratic,
}


def maximum_mean_discrepancy(x: Tensor, y: Tensor, kernel: Kernel = "gaussian", *, unbiased: bool = False) -> Tensor:
    """Squared maximum mean discrepancy, ``E k(x, x') + E k(y, y') - 2 E k(x, y)``.

    Args:
        x: points, shape ``(n, d)``.
        y: points, shape ``(m, d)``.
        kernel: ``"gaussian"``: ``exp(-|a - b|^2 / d^2)``, that of the authors of InfoVAE; ``"inverse_multiquadratic"``:
            the sum over s of ``c / (c + |a - b|^2)``, ``c = 2 d s``, s from .1 to 10, that of the Wasserstein
            autoencoder (Tolstikhin et al. 2018).
        unbiased: leave a point's kernel with itself out of both means (U-statistic), so that the value can be negative;
            else it is at least 0 (V-statistic).

    Returns:
        A pure number.
    """
    d = x.shape[1]
    between = KERNELS[kernel](_squares(x, y), d).mean()
    return _within(x, kernel, unbiased) + _within(y, kernel, unbiased) - 2 * between


def _within(x: Tensor, kernel: Kernel, unbiased: bool) -> Tensor:
    values = KERNELS[kernel](_squares(x, x), x.shape[1])
    if not unbiased:
        return values.mean()
    return (values.sum() - values.diagonal().sum()) / (len(x) * (len(x) - 1))


def _squares(x: Tensor, y: Tensor) -> Tensor:
    return (x[:, None] - y[None]).square().sum(dim=2)
