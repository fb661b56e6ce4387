"""Lambda-beta-VAE."""

from __future__ import annotations

from dataclasses import dataclass

from disent_bench.objective import Objective, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.kl import KL
from disent_bench.terms.reconstruction import Reconstruction
from disent_bench.terms.squared_error import SquaredError


@register_method("lambda_beta_vae", paper="arXiv:2602.09277")
@dataclass(frozen=True)
class LambdaBetaVAE:
    """Lambda-beta-VAE: beta-VAE + lambda * squared error of the decoded images (arXiv:2602.09277, its abstract).

    Only the abstract was at hand: that the penalty is a sum over pixels beside a Bernoulli likelihood is inferred, and
    the value of ``lambda_l2`` is ours. Beside a Gaussian likelihood it only rescales ``beta``.
    """

    beta: float = 4.0
    lambda_l2: float = 1.0

    def __post_init__(self) -> None:
        not_negative(beta=self.beta, lambda_l2=self.lambda_l2)

    def objective(self) -> Objective:
        """Return reconstruction + beta * KL + lambda * squared error."""
        return Objective(Reconstruction(), KL(weight=self.beta), SquaredError(weight=self.lambda_l2))
