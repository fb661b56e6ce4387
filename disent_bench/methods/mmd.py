"""InfoVAE: the prior matched by maximum mean discrepancy."""

from __future__ import annotations

from dataclasses import dataclass

from disent_bench.functional.mmd import Kernel
from disent_bench.objective import Objective, Term, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.kl import KL
from disent_bench.terms.mmd import MMD
from disent_bench.terms.reconstruction import Reconstruction


@register_method("mmd", paper="arXiv:1706.02262")
@dataclass(frozen=True)
class InfoVAE:
    """InfoVAE: reconstruction + (1 - alpha) * KL + (alpha + lambda - 1) * MMD to the prior (Zhao et al. 2019).

    ``alpha`` 1, without KL, is the authors' MMD-VAE. Theirs weighs the MMD as much as a mean squared error per pixel
    value, with a deterministic encoder; beside our sum over pixels that is a ``lambda_mmd`` of the order of the number
    of pixels, and 1,000 is ours. Kernel and estimate are those of their code.
    """

    alpha: float = 1.0
    lambda_mmd: float = 1000.0
    kernel: Kernel = "gaussian"

    def __post_init__(self) -> None:
        not_negative(lambda_mmd=self.lambda_mmd)

    def objective(self) -> Objective:
        """Return the sum; the KL is left out when ``alpha`` is 1."""
        divergence: list[Term] = [KL(weight=1.0 - self.alpha)] if self.alpha != 1.0 else []
        mmd = MMD(weight=self.alpha + self.lambda_mmd - 1.0, kernel=self.kernel)
        return Objective(Reconstruction(), *divergence, mmd)
