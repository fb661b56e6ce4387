"""What DIP-VAE asks of the covariance of the aggregate posterior."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.covariance import posterior_covariance
from disent_bench.objective import Term
from disent_bench.registry import register_term

Of = Literal["mean", "sample"]


class _OfCovariance(Term):
    """A term of the covariance of posterior means (DIP-VAE-I) or samples (DIP-VAE-II).

    Args:
        of: ``"mean"`` or ``"sample"``.
    """

    needs = frozenset({"posterior"})

    def __init__(self, *, of: Of = "mean", **common: Any) -> None:
        super().__init__(**common)
        self.of: Of = of

    def covariance(self, p: Pass) -> Tensor:
        """Return the covariance, ``(d, d)``."""
        return posterior_covariance(p.mean, p.logvar if self.of == "sample" else None)


@register_term("covariance", paper="arXiv:1711.00848")
class Covariance(_OfCovariance):
    """Squared covariances of latents, summed over both triangles: ``sum_{i != j} C_ij^2`` (Kumar et al. 2018).

    Args:
        of: C is the covariance of posterior ``"mean"`` s or ``"sample"`` s.
    """

    def forward(self, p: Pass) -> Tensor:
        """Return the sum, a power of four of the codes' unit."""
        covariance = self.covariance(p)
        return (covariance - covariance.diagonal().diag()).square().sum()


@register_term("unit_variance", paper="arXiv:1711.00848")
class UnitVariance(_OfCovariance):
    """Squared distances of the latents' variances from 1: ``sum_i (C_ii - 1)^2`` (Kumar et al. 2018).

    Args:
        of: C is the covariance of posterior ``"mean"`` s or ``"sample"`` s.
    """

    def forward(self, p: Pass) -> Tensor:
        """Return the sum, a power of four of the codes' unit."""
        return (self.covariance(p).diagonal() - 1.0).square().sum()
