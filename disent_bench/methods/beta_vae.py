"""Beta-VAE."""

from __future__ import annotations

from dataclasses import dataclass

from disent_bench.objective import Objective, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.kl import KL
from disent_bench.terms.reconstruction import Reconstruction


@register_method("beta_vae", paper="openreview:Sy2fzU9gl")
@dataclass(frozen=True)
class BetaVAE:
    """Beta-VAE: the KL weighs ``beta`` (Higgins et al. 2017); the default is the middle of the 2019 study's sweep."""

    beta: float = 4.0

    def __post_init__(self) -> None:
        not_negative(beta=self.beta)

    def objective(self) -> Objective:
        """Return reconstruction + beta * KL."""
        return Objective(Reconstruction(), KL(weight=self.beta))
