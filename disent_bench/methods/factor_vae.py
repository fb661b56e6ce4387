"""FactorVAE."""

from __future__ import annotations

from dataclasses import dataclass

from disent_bench.objective import Objective, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.density_ratio import DensityRatio
from disent_bench.terms.kl import KL
from disent_bench.terms.reconstruction import Reconstruction


@register_method("factor_vae", paper="arXiv:1802.05983")
@dataclass(frozen=True)
class FactorVAE:
    """FactorVAE: VAE + gamma * total correlation, estimated by a discriminator of codes (Kim & Mnih 2018).

    The discriminator has 6 hidden layers of 1,000 and Adam with rate 1e-4 and betas .5 and .9, and its permuted codes
    come from a second batch, as in the paper; ``terms.discriminator.permuted=same`` shuffles the batch itself, as
    disentanglement_lib does. Both players look before either moves; the published codes update the encoder first.
    ``gamma`` 30 lies in the middle of the 2019 study's sweep of 10 to 100; the paper's own values were not found.
    """

    gamma: float = 30.0

    def __post_init__(self) -> None:
        not_negative(gamma=self.gamma)

    def objective(self) -> Objective:
        """Return reconstruction + KL + gamma * total correlation."""
        return Objective(Reconstruction(), KL(), DensityRatio(weight=self.gamma))
