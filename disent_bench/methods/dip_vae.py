"""DIP-VAE, both types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from disent_bench.objective import Objective, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.covariance import Covariance, Of, UnitVariance
from disent_bench.terms.kl import KL
from disent_bench.terms.reconstruction import Reconstruction


@dataclass(frozen=True)
class _DIPVAE:
    of: ClassVar[Of]
    lambda_od: float = 10.0
    lambda_d_factor: float = 1.0

    def __post_init__(self) -> None:
        not_negative(lambda_od=self.lambda_od, lambda_d_factor=self.lambda_d_factor)

    def objective(self) -> Objective:
        """Return the sum."""
        off_diagonal = Covariance(of=self.of, weight=self.lambda_od)
        diagonal = UnitVariance(of=self.of, weight=self.lambda_d_factor * self.lambda_od)
        return Objective(Reconstruction(), KL(), off_diagonal, diagonal)


@register_method("dip_vae_i", paper="arXiv:1711.00848")
@dataclass(frozen=True)
class DIPVAEI(_DIPVAE):
    """DIP-VAE-I: VAE + lambda_od * covariances^2 + lambda_d * (variances - 1)^2 of posterior means (Kumar et al. 2018).

    ``lambda_d`` is ``lambda_d_factor * lambda_od``, 10 times in disentanglement_lib, whose sweep of ``lambda_od`` is 1
    to 50. The biased covariance of the batch; both triangles count. The paper's values per data set were not found.
    """

    of: ClassVar[Of] = "mean"
    lambda_d_factor: float = 10.0


@register_method("dip_vae_ii", paper="arXiv:1711.00848")
@dataclass(frozen=True)
class DIPVAEII(_DIPVAE):
    """DIP-VAE-II: as DIP-VAE-I, with the covariance of posterior samples instead of means (Kumar et al. 2018).

    ``lambda_d`` is ``lambda_d_factor * lambda_od``, equal in disentanglement_lib, whose sweep of ``lambda_od`` is 1 to
    50.
    """

    of: ClassVar[Of] = "sample"
