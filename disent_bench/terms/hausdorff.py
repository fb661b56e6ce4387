"""Factorised support of the codes."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.hausdorff import hausdorff_factorised_support, sample_latent_pairs
from disent_bench.objective import Term
from disent_bench.registry import register_term


@register_term("hausdorff", paper="arXiv:2210.07347")
class Hausdorff(Term):
    """Hausdorff distance from the factorised to the actual support of the posterior means (Roth et al. 2023).

    Asks that every combination of two latents' values occurs, not that they are independent, so it stands correlated
    factors. Squared distances, summed over random pairs of latents, as in the authors' code.

    Args:
        num_pairs: pairs of latents per step (25 of the 45 of ten latents in the authors' code).
    """

    needs = frozenset({"posterior"})

    def __init__(self, *, num_pairs: int = 25, **common: Any) -> None:
        super().__init__(**common)
        if num_pairs < 1:
            raise ValueError(f"num_pairs is at least 1, not {num_pairs}")
        self.num_pairs = num_pairs

    def forward(self, p: Pass) -> Tensor:
        """Return the distance, in squared units of the codes."""
        pairs = sample_latent_pairs(p.mean.shape[1], self.num_pairs, self.generator(p.mean.device))
        return hausdorff_factorised_support(p.mean, pairs)
