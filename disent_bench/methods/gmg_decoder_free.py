"""The Gromov-Monge gap without a decoder."""

from __future__ import annotations

from dataclasses import dataclass

from disent_bench.functional.costs import Cost
from disent_bench.objective import Objective, Term, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.gromov_monge import GromovMonge
from disent_bench.terms.hausdorff import Hausdorff
from disent_bench.terms.kl import KL
from disent_bench.terms.spread import Spread
from disent_bench.terms.total_correlation import TotalCorrelation


@register_method("gmg_decoder_free", paper="arXiv:2407.07829")
@dataclass(frozen=True)
class GMGDecoderFree:
    """No reconstruction: KL + (beta - 1) * TC + gap of the encoder, with a hinge on the codes' spread against collapse.

    The first version of the paper claims that geometry preservation disentangles without a decoder, the final one keeps
    it as a preliminary experiment. Its loss was not found: this one is inferred, with weights of our own.
    """

    beta: float = 4.0
    kl: float = 0.01
    weight: float = 100.0
    cost: Cost = "cosine"
    epsilon: float = 0.01
    spread: float = 10.0
    hfs: float = 0.0

    def __post_init__(self) -> None:
        not_negative(beta=self.beta, kl=self.kl, weight=self.weight, spread=self.spread, hfs=self.hfs)

    def objective(self) -> Objective:
        """Return the sum; the Hausdorff term is left out when ``hfs`` is 0."""
        gap = GromovMonge(weight=self.weight, side="encoder", cost=self.cost, epsilon=self.epsilon, latents="mean")
        terms: list[Term] = [KL(weight=self.kl), TotalCorrelation(weight=self.kl * (self.beta - 1.0)), gap]
        terms.append(Spread(weight=self.spread))
        if self.hfs:
            terms.append(Hausdorff(weight=self.hfs))
        return Objective(*terms)
