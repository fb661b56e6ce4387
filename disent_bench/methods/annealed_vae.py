"""AnnealedVAE: a bottleneck whose capacity grows."""

from __future__ import annotations

from dataclasses import dataclass

from disent_bench.objective import Objective, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.kl import KL
from disent_bench.terms.reconstruction import Reconstruction
from disent_bench.weights import Capacity


@register_method("annealed_vae", paper="arXiv:1804.03599")
@dataclass(frozen=True)
class AnnealedVAE:
    """AnnealedVAE: reconstruction + gamma * |KL - C|, C growing from 0 to c_max nats (Burgess et al. 2018).

    ``gamma`` 1000 and ``iteration_threshold`` 100,000, the steps until C is ``c_max``, are disentanglement_lib's; 25
    lies in the middle of its sweep of 5 to 100. The absolute value is that of the paper and of disentanglement_lib.
    """

    c_max: float = 25.0
    gamma: float = 1000.0
    iteration_threshold: int = 100_000

    def __post_init__(self) -> None:
        not_negative(c_max=self.c_max, gamma=self.gamma, iteration_threshold=self.iteration_threshold)

    def objective(self) -> Objective:
        """Return reconstruction and the distance of the KL from its capacity."""
        return Objective(Reconstruction(), KL(weight=Capacity(self.c_max, self.gamma, self.iteration_threshold)))
